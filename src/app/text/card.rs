//! The card: the first message of a thread, true at the moment it is made.

use super::reply::paused_line;
use super::{CARD_TEXT, grouped, text, when};
use crate::app::pauses::Pause;
use crate::domain::case::PendingReply;
use crate::domain::message::{cut, one_line};
use crate::domain::{
    Author, Button, Card, Case, CaseNumber, Message, Part, Post, Press, ReplyState, Span, Status, Style,
    Visibility,
};

/// Everything a card is made of.
#[derive(Debug, Clone, Copy)]
pub struct CardFacts<'a> {
    /// The case.
    pub case: &'a Case,
    /// The post it began with.
    pub first: Option<&'a Post>,
    /// What people call the network.
    pub network: &'a str,
    /// Whether a private answer is possible.
    pub private: bool,
    /// Why nothing is published at present.
    pub pause: Option<&'a Pause>,
}

/// What stands where a thread was opened twice, and people wrote in both. The chat adds the address of
/// the one to go on in.
#[must_use]
pub fn pointer(case: CaseNumber) -> Card {
    Card {
        title: format!("{case} · opened twice"),
        status: "double".to_owned(),
        message: Message::default()
            .with(Part::Heading(vec![text(format!("{case} · this thread was opened twice"))]))
            .with(Part::Line(vec![text(
                "Please go on in the other one. What Hearback told here stands there too; what people wrote here \
                 stays here.",
            )])),
    }
}

/// The card: the first message of a thread, true at the moment it is made.
#[must_use]
pub fn card(facts: CardFacts<'_>) -> Card {
    let CardFacts {
        case,
        first,
        network,
        private,
        pause,
    } = facts;
    let author = first.map(|post| &post.author);
    let who = author.map_or_else(|| case.author.to_string(), display_name);
    let words = first.map_or("", |post| post.text.as_str());
    let title = one_line(&format!("{} · {who}: {words}", case.number), 90);
    let mut message = Message::default()
        .with(Part::Heading(vec![Span::Text(format!(
            "{} · {network} · {}",
            case.number,
            status_line(case)
        ))]))
        .with(Part::Line(author_line(case, first)));
    if let Some(post) = first {
        message = message.with(Part::Quote(shown_text(post, CARD_TEXT)));
        if let Some(note) = post_note(post) {
            message = message.with(Part::Small(vec![text(note)]));
        }
    }
    message = message.with(Part::Fields(card_fields(case)));
    if let Some(pause) = pause {
        message = message.with(Part::Line(vec![Span::Strong(paused_line(pause))]));
    }
    if let Some(pending) = &case.pending {
        message = message.with(Part::Small(vec![text(pending_line(pending))]));
    }
    let message = message.with(Part::Buttons(card_buttons(case, private)));
    Card {
        title,
        status: case.status.word().to_owned(),
        message,
    }
}

pub(super) fn display_name(author: &Author) -> String {
    if author.name.trim().is_empty() {
        format!("@{}", author.handle)
    } else {
        author.name.clone()
    }
}

fn author_line(case: &Case, first: Option<&Post>) -> Vec<Span> {
    let Some(post) = first else {
        return vec![Span::Strong(case.author.to_string())];
    };
    let mut line = vec![Span::Strong(one_line(&display_name(&post.author), 80))];
    if !post.author.handle.is_empty() {
        line.push(text(format!(" @{}", one_line(&post.author.handle, 80))));
    }
    if let Some(followers) = post.author.followers {
        line.push(text(format!(" · {} followers", grouped(followers))));
    }
    if let Some(rating) = post.rating {
        // Stars are counted to five nearly everywhere; what cannot be stars is told as it came.
        let stars = if (1..=5).contains(&rating) {
            " of 5 stars"
        } else {
            ""
        };
        line.push(text(format!(" · rated {rating}{stars}")));
    }
    if let Some(url) = &post.url {
        line.push(text(" · "));
        line.push(Span::Link {
            label: "original".to_owned(),
            url: url.clone(),
        });
    }
    line
}

pub(super) fn post_note(post: &Post) -> Option<String> {
    let mut notes = Vec::new();
    if post.deleted {
        notes.push("deleted by its author".to_owned());
    } else if post.edited_at.is_some() {
        notes.push("edited".to_owned());
    }
    match post.visibility {
        Visibility::Public | Visibility::Unlisted => {}
        Visibility::Followers => notes.push("visible to followers only".to_owned()),
        Visibility::Private => notes.push("private message".to_owned()),
    }
    if !post.media.is_empty() {
        let plural = if post.media.len() == 1 { "" } else { "s" };
        notes.push(format!("{} attachment{plural}", post.media.len()));
    }
    (!notes.is_empty()).then(|| notes.join(" · "))
}

pub(super) fn shown_text(post: &Post, most: usize) -> String {
    if post.text.trim().is_empty() {
        "(no text)".to_owned()
    } else {
        cut(&post.text, most)
    }
}

pub(super) fn status_line(case: &Case) -> String {
    match (&case.status, &case.owner, &case.team, case.snoozed_until) {
        (Status::Claimed, Some(owner), _, _) => format!("claimed by {}", owner.name),
        (Status::Escalated, _, Some(team), _) => format!("escalated to {team}"),
        (Status::Snoozed, _, _, Some(until)) => format!("snoozed until {}", when(until)),
        (status, _, _, _) => status.word().to_owned(),
    }
}

fn card_fields(case: &Case) -> Vec<(String, Vec<Span>)> {
    let mut fields = vec![
        ("Status".to_owned(), vec![text(case.status.word())]),
        (
            "Owner".to_owned(),
            vec![text(
                case.owner.as_ref().map_or("nobody", |owner| owner.name.as_str()),
            )],
        ),
    ];
    if let Some(team) = &case.team {
        fields.push(("Team".to_owned(), vec![text(team.as_str())]));
    }
    fields.push(("Priority".to_owned(), vec![text(case.priority.to_string())]));
    fields.push(("Kind".to_owned(), vec![text(case.kind.to_string())]));
    if case.posts > 1 {
        fields.push(("Posts".to_owned(), vec![text(case.posts.to_string())]));
    }
    if !case.labels.is_empty() {
        let labels: Vec<_> = case.labels.iter().map(String::as_str).collect();
        fields.push(("Labels".to_owned(), vec![text(labels.join(", "))]));
    }
    if !case.outcome.is_empty() {
        fields.push(("Outcome".to_owned(), vec![text(one_line(&case.outcome, 200))]));
    }
    fields
}

fn pending_line(pending: &PendingReply) -> &'static str {
    match pending.state {
        ReplyState::NeedsHuman => "A reply needs a person: see the thread.",
        ReplyState::Ambiguous | ReplyState::Reconciling => {
            "It is being found out whether a reply was published."
        }
        ReplyState::Draft => "A reply waits for its author's second yes.",
        ReplyState::PendingApproval => "A reply waits for an approver.",
        ReplyState::Stale => "A reply was stopped, because what it answers changed: see the thread.",
        ReplyState::Abandoned
        | ReplyState::Held
        | ReplyState::Queued
        | ReplyState::Sending
        | ReplyState::Sent
        | ReplyState::Failed
        | ReplyState::Cancelled => "A reply is on its way.",
    }
}

fn card_buttons(case: &Case, private: bool) -> Vec<Button> {
    let number = case.number;
    let act = |label: &str, line: &str, style| Button {
        label: label.to_owned(),
        press: Press::Command {
            case: number,
            line: line.to_owned(),
        },
        style,
    };
    let ask = |label: &str, verb: &str, style| Button {
        label: label.to_owned(),
        press: Press::Ask {
            case: number,
            verb: verb.to_owned(),
        },
        style,
    };
    if case.status == Status::Resolved {
        return vec![
            act("Reopen", "reopen", Style::Plain),
            ask("Note", "note", Style::Plain),
        ];
    }
    let mut buttons = Vec::new();
    if case.owner.is_none() {
        buttons.push(act("Claim", "claim", Style::Primary));
    }
    let reply = if case.status == Status::Claimed {
        Style::Primary
    } else {
        Style::Plain
    };
    buttons.push(ask("Reply", "reply", reply));
    if private {
        buttons.push(ask("Direct message", "dm", Style::Plain));
    }
    buttons.push(ask("Note", "note", Style::Plain));
    buttons.push(ask("Escalate", "escalate", Style::Plain));
    if case.pending.is_none() {
        buttons.push(ask(
            "Resolve",
            "resolve",
            if case.status == Status::Answered {
                Style::Primary
            } else {
                Style::Plain
            },
        ));
    }
    if case.owner.is_some() {
        buttons.push(act("Release", "release", Style::Plain));
    }
    buttons
}
