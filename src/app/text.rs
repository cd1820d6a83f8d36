//! Every sentence a person sees. What strangers wrote goes into inert parts only.

use super::directory::Directory;
use super::inbound::Response;
use crate::domain::case::PendingReply;
use crate::domain::message::{cut, one_line};
use crate::domain::{
    Audience, Author, Button, By, Card, Case, CaseNumber, ChannelId, ChatName, Event, EventRecord, Form,
    Instant, Message, Part, Post, Press, Reply, ReplyState, Span, Status, Style,
};
use crate::port::Composed;

/// The most graphemes of a post that a card shows; the rest is behind the link.
const CARD_TEXT: usize = 1_500;
/// The most graphemes of a text that a line of the thread shows.
const THREAD_TEXT: usize = 1_500;

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
}

/// The card: the first message of a thread, true at the moment it is made.
#[must_use]
pub fn card(facts: CardFacts<'_>) -> Card {
    let CardFacts {
        case,
        first,
        network,
        private,
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
    if let Some(pending) = case.pending {
        message = message.with(Part::Small(vec![text(pending_line(pending))]));
    }
    let message = message.with(Part::Buttons(card_buttons(case, private)));
    Card {
        title,
        status: case.status.word().to_owned(),
        message,
    }
}

fn display_name(author: &Author) -> String {
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
        line.push(text(format!(" · {rating} of 5 stars")));
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

fn post_note(post: &Post) -> Option<String> {
    let mut notes = Vec::new();
    if post.deleted {
        notes.push("deleted by its author".to_owned());
    } else if post.edited_at.is_some() {
        notes.push("edited".to_owned());
    }
    match post.visibility {
        crate::domain::Visibility::Public | crate::domain::Visibility::Unlisted => {}
        crate::domain::Visibility::Followers => notes.push("visible to followers only".to_owned()),
        crate::domain::Visibility::Private => notes.push("private message".to_owned()),
    }
    if !post.media.is_empty() {
        let plural = if post.media.len() == 1 { "" } else { "s" };
        notes.push(format!("{} attachment{plural}", post.media.len()));
    }
    (!notes.is_empty()).then(|| notes.join(" · "))
}

fn shown_text(post: &Post, most: usize) -> String {
    if post.text.trim().is_empty() {
        "(no text)".to_owned()
    } else {
        cut(&post.text, most)
    }
}

fn status_line(case: &Case) -> String {
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

fn pending_line(pending: PendingReply) -> &'static str {
    match pending.state {
        ReplyState::NeedsHuman => "A reply needs a person: see the thread.",
        ReplyState::Ambiguous => "It is being found out whether a reply was published.",
        ReplyState::Held
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

/// What a thread is told about an event, with what is needed to tell it.
#[derive(Debug, Clone, Copy)]
pub struct Telling<'a> {
    /// Who is who.
    pub directory: &'a Directory,
    /// The chat it is told in.
    pub chat: &'a ChatName,
    /// The channel it is told in.
    pub channel: &'a ChannelId,
    /// The event.
    pub record: &'a EventRecord,
    /// The post it is about, if it is about one.
    pub post: Option<&'a Post>,
    /// The reply it is about, as it stands now.
    pub reply: Option<&'a Reply>,
}

/// The message of an event. `None` when the thread need not be told (the card says it).
#[must_use]
pub fn told(telling: Telling<'_>) -> Option<Message> {
    let Telling {
        directory,
        chat,
        channel: _,
        record,
        post,
        reply,
    } = telling;
    let who = actor(&record.by);
    let small = |spans: Vec<Span>| {
        Some(Message {
            parts: vec![Part::Small(spans)],
        })
    };
    let plain = |line: String| small(vec![Span::Strong(who.clone()), text(line)]);
    match &record.event {
        Event::Opened { .. } => None,
        Event::PostAdded { .. } => post.map(follow_up),
        Event::PostEdited { before, after, .. } => Some(
            Message::default()
                .with(Part::Line(vec![text("The customer edited a post. Before:")]))
                .with(Part::Quote(cut(before, THREAD_TEXT)))
                .with(Part::Line(vec![text("Now:")]))
                .with(Part::Quote(cut(after, THREAD_TEXT))),
        ),
        Event::PostDeleted { .. } => {
            let message = Message::default().with(Part::Line(vec![text("The customer deleted a post:")]));
            Some(post.map_or(message.clone(), |post| {
                message.with(Part::Quote(shown_text(post, 300)))
            }))
        }
        Event::Claimed { owner } => small(vec![Span::Strong(owner.name.clone()), text(" has the case now.")]),
        Event::Released => plain(" gave the case back. It is free to claim.".to_owned()),
        Event::Assigned { owner } => small(vec![
            Span::Strong(who),
            text(" gave the case to "),
            Span::Person {
                name: owner.name.clone(),
                ping: directory.user_id(chat, owner),
            },
            text("."),
        ]),
        Event::Noted { text: note } => Some(
            Message::default()
                .with(Part::Line(vec![Span::Strong(who), text(" noted:")]))
                .with(Part::Quote(cut(note, 2_500))),
        ),
        Event::Escalated { team, reason } => Some(escalated(telling, &who, team.as_str(), reason)),
        Event::Resolved { outcome } if outcome.is_empty() => plain(" resolved the case.".to_owned()),
        Event::Resolved { outcome } => plain(format!(" resolved the case: {}", one_line(outcome, 500))),
        Event::Reopened => match record.by {
            By::Author => small(vec![text("The customer came back: the case is open again.")]),
            By::Agent { .. } | By::System => plain(" opened the case again.".to_owned()),
        },
        Event::Snoozed { until } => plain(format!(" put the case off until {}.", when(*until))),
        Event::Woke => small(vec![text("The snooze is over: the case is back.")]),
        Event::PrioritySet { priority } => plain(format!(" set the priority to {priority}.")),
        Event::KindSet { kind } => plain(format!(" says this is: {kind}.")),
        Event::Labelled { added, removed } => plain(labelled(added, removed)),
        Event::ReplyHeld {
            audience,
            text: words,
            until,
            ..
        } => Some(held(record.case, &who, *audience, words, *until, reply)),
        Event::ReplyCancelled { .. } => plain(" took the reply back. Nothing was published.".to_owned()),
        Event::ReplySent {
            audience,
            text: words,
            url,
            ..
        } => Some(sent(*audience, words, url.as_deref())),
        Event::ReplyFailed { reason, .. } => Some(Message::default().with(Part::Line(vec![
            Span::Strong("The reply was not published.".to_owned()),
            text(format!(" {}", cut(reason, 500))),
        ]))),
        Event::ReplyUncertain { reason, look_at, .. } => Some(Message::default().with(Part::Line(vec![
            Span::Strong("It is not certain whether the reply was published.".to_owned()),
            text(format!(
                " {} Hearback looks at {} and tells here.",
                sentence(reason),
                when(*look_at)
            )),
        ]))),
        Event::ReplyRetried { .. } => small(vec![text("The reply was not there. It is being sent again.")]),
        Event::ReplyNeedsHuman { reply, reason } => Some(needs_human(record.case, reply.0, reason)),
    }
}

fn actor(by: &By) -> String {
    match by {
        By::Author => "The customer".to_owned(),
        By::Agent { agent, chat: _ } => agent.name.clone(),
        By::System => "Hearback".to_owned(),
    }
}

fn follow_up(post: &Post) -> Message {
    let mut line = vec![
        Span::Strong(one_line(&display_name(&post.author), 80)),
        text(" wrote again"),
    ];
    if let Some(url) = &post.url {
        line.push(text(" · "));
        line.push(Span::Link {
            label: "original".to_owned(),
            url: url.clone(),
        });
    }
    let message = Message::default()
        .with(Part::Line(line))
        .with(Part::Quote(shown_text(post, THREAD_TEXT)));
    match post_note(post) {
        Some(note) => message.with(Part::Small(vec![text(note)])),
        None => message,
    }
}

fn escalated(telling: Telling<'_>, who: &str, team: &str, reason: &str) -> Message {
    let Telling {
        directory,
        chat,
        channel,
        ..
    } = telling;
    let mut line = vec![
        Span::Strong(who.to_owned()),
        text(" escalated the case to "),
        Span::Strong(team.to_owned()),
    ];
    if let Some(entry) = directory.team(team) {
        let in_chat: Vec<_> = entry.homes.iter().filter(|home| home.chat == *chat).collect();
        let here = in_chat.is_empty() || in_chat.iter().any(|home| home.channel == *channel);
        if here && !entry.members.is_empty() {
            line.push(text(":"));
            for member in &entry.members {
                line.push(text(" "));
                line.push(Span::Person {
                    name: member.name.clone(),
                    ping: directory.user_id(chat, member),
                });
            }
        }
    }
    let message = Message::default().with(Part::Line(line));
    if reason.is_empty() {
        message
    } else {
        message.with(Part::Quote(cut(reason, THREAD_TEXT)))
    }
}

fn labelled(added: &[String], removed: &[String]) -> String {
    let mut out = Vec::new();
    if !added.is_empty() {
        out.push(format!("put on {}", added.join(", ")));
    }
    if !removed.is_empty() {
        out.push(format!("took off {}", removed.join(", ")));
    }
    format!(" {}.", out.join(" and "))
}

fn held(
    case: CaseNumber,
    who: &str,
    audience: Audience,
    words: &str,
    until: Instant,
    reply: Option<&Reply>,
) -> Message {
    let state = reply.map_or(ReplyState::Held, |reply| reply.state);
    let way = match audience {
        Audience::Public => "answers in public",
        Audience::Private => "answers in private",
    };
    let message = Message::default()
        .with(Part::Line(vec![
            Span::Strong(who.to_owned()),
            text(format!(" {way}:")),
        ]))
        .with(Part::Quote(words.to_owned()));
    let note = match state {
        ReplyState::Held => format!("Is published at {} unless somebody cancels.", when_exactly(until)),
        ReplyState::Queued | ReplyState::Sending => "Is being published.".to_owned(),
        ReplyState::Sent => "Published.".to_owned(),
        ReplyState::Failed => "Was not published.".to_owned(),
        ReplyState::Ambiguous | ReplyState::NeedsHuman => {
            "Whether it was published is not certain.".to_owned()
        }
        ReplyState::Cancelled => "Taken back. Nothing was published.".to_owned(),
    };
    let message = message.with(Part::Small(vec![text(note)]));
    if state != ReplyState::Held {
        return message;
    }
    let cancel = Press::Command {
        case,
        line: "cancel".to_owned(),
    };
    message.with(Part::Buttons(vec![Button {
        label: "Cancel".to_owned(),
        press: cancel,
        style: Style::Danger,
    }]))
}

fn sent(audience: Audience, words: &str, url: Option<&str>) -> Message {
    let done = match audience {
        Audience::Public => "The reply is published.",
        Audience::Private => "The private reply is delivered.",
    };
    let mut line = vec![Span::Strong(done.to_owned())];
    if let Some(url) = url {
        line.push(text(" "));
        line.push(Span::Link {
            label: url.to_owned(),
            url: url.to_owned(),
        });
    }
    Message::default()
        .with(Part::Line(line))
        .with(Part::Quote(words.to_owned()))
}

fn needs_human(case: CaseNumber, reply: i64, reason: &str) -> Message {
    let button = |label: &str, there, style| Button {
        label: label.to_owned(),
        press: Press::Settle { case, reply, there },
        style,
    };
    Message::default()
        .with(Part::Line(vec![
            Span::Strong("Please look: was the reply published?".to_owned()),
            text(format!(
                " {} Hearback sends nothing more for this case until somebody says.",
                sentence(reason)
            )),
        ]))
        .with(Part::Buttons(vec![
            button("It is there", true, Style::Primary),
            button("Not there, send again", false, Style::Danger),
        ]))
}

/// The answer to a command that was granted.
#[must_use]
pub fn granted(case: &Case, events: &[Event]) -> Response {
    let number = case.number;
    let Some(event) = events.last() else {
        return Response::Done(Message::line("Done."));
    };
    let line = match event {
        Event::Claimed { .. } => format!("You have {number} now."),
        Event::Released => format!("{number} is free again."),
        Event::Assigned { owner } => format!("{} has {number} now.", owner.name),
        Event::Noted { .. } => format!("Noted on {number}."),
        Event::Escalated { team, .. } => format!("{number} went to {team}."),
        Event::Resolved { .. } => format!("{number} is resolved."),
        Event::Reopened => format!("{number} is open again."),
        Event::Snoozed { until } => format!("{number} comes back at {}.", when(*until)),
        Event::PrioritySet { priority } => format!("{number} has priority {priority}."),
        Event::KindSet { kind } => format!("{number} is: {kind}."),
        Event::Labelled { .. } => {
            let labels: Vec<_> = case.labels.iter().map(String::as_str).collect();
            format!(
                "{number} carries: {}.",
                if labels.is_empty() {
                    "nothing".to_owned()
                } else {
                    labels.join(", ")
                }
            )
        }
        Event::ReplyHeld {
            until,
            text: words,
            audience,
            ..
        } => return reply_taken(number, *until, words, *audience),
        Event::ReplyCancelled { .. } => {
            format!("The reply to {number} is taken back. Nothing was published.")
        }
        Event::ReplySent { .. } => format!("Thank you. The reply to {number} counts as published."),
        Event::ReplyRetried { .. } => format!("Thank you. The reply to {number} is sent again."),
        Event::Opened { .. }
        | Event::PostAdded { .. }
        | Event::PostEdited { .. }
        | Event::PostDeleted { .. }
        | Event::Woke
        | Event::ReplyFailed { .. }
        | Event::ReplyUncertain { .. }
        | Event::ReplyNeedsHuman { .. } => format!("Done: {number}."),
    };
    Response::Done(Message::line(line))
}

fn reply_taken(number: CaseNumber, until: Instant, words: &str, audience: Audience) -> Response {
    let way = match audience {
        Audience::Public => "publicly",
        Audience::Private => "privately",
    };
    let line = format!(
        "This goes out {way} for {number} at {}; `cancel` takes it back:",
        when_exactly(until)
    );
    Response::Done(Message::line(line).with(Part::Quote(cut(words, THREAD_TEXT))))
}

/// A refusal of one line.
#[must_use]
pub fn refused(why: impl std::fmt::Display) -> Response {
    Response::Refused(Message::line(why.to_string()))
}

/// For people without a role.
#[must_use]
pub fn stranger(user: &str) -> Response {
    refused(format!(
        "You have no role in Hearback yet, so this did nothing. Ask its operator to add you as an [[agent]]; your id here is {user}."
    ))
}

/// For people whose role does not reach.
#[must_use]
pub fn may_only_look() -> Response {
    refused(
        "Your role is viewer: you may look (`show`, `history`, `queue`, `search`), but not act. Ask an agent.",
    )
}

/// No such case.
#[must_use]
pub fn no_such_case(number: CaseNumber) -> Response {
    refused(format!("There is no case {number}. `queue` lists the open ones."))
}

/// A verb that needs a case, away from any thread.
#[must_use]
pub fn which_case(verb: &str) -> Response {
    refused(format!(
        "Which case? Put its number first, like `{verb} 12`, or write in the case's thread. `queue` lists the open ones."
    ))
}

/// Too long for the platform, counted its way.
#[must_use]
pub fn too_long(composed: &Composed, network: &str) -> Response {
    let Composed {
        length, limit, unit, ..
    } = composed;
    refused(format!(
        "Too long for {network}: {length} of at most {limit} {unit}. Shorten it by {}. Nothing was sent.",
        length.saturating_sub(*limit)
    ))
}

/// The platform knows no private answer.
#[must_use]
pub fn no_private(network: &str) -> Response {
    refused(format!(
        "{network} has no private answers here. Use `reply` to answer in public."
    ))
}

/// The source is not configured any more.
#[must_use]
pub fn source_gone(source: &str) -> Response {
    refused(format!(
        "The source {source} is not configured any more, so nothing can be published there."
    ))
}

/// Nobody of that name.
#[must_use]
pub fn nobody_called(who: &str, names: &str) -> Response {
    refused(format!("I know no agent called {who}. Agents are: {names}."))
}

/// No team to hand the case to.
#[must_use]
pub fn no_team() -> Response {
    refused("There is no team to escalate to. Ask the operator to add a [[team]].")
}

/// The post a reply would answer is gone.
#[must_use]
pub fn target_gone(number: CaseNumber) -> Response {
    refused(format!(
        "The customer deleted the post that a reply to {number} would answer. Nothing was sent."
    ))
}

/// The reply that a button is about is settled already.
#[must_use]
pub fn settled_already() -> Response {
    refused("That is settled already; nothing changed.")
}

/// The form that asks for the words of a verb. `None` if the verb takes none.
#[must_use]
pub fn form(case: CaseNumber, verb: &str, network: &str) -> Option<Form> {
    let (title, label, hint, submit, optional) = match verb {
        "reply" => (
            "Public reply",
            "What everybody will read, word for word",
            "Dear …",
            "Send",
            false,
        ),
        "dm" => (
            "Private reply",
            "What the customer gets, word for word",
            "Dear …",
            "Send",
            false,
        ),
        "note" => (
            "Note",
            "For your colleagues only",
            "What they should know",
            "Save",
            false,
        ),
        "escalate" => (
            "Escalate",
            "Team and reason, or just the reason",
            "managers Because …",
            "Escalate",
            true,
        ),
        "resolve" => ("Resolve", "How did it end?", "refunded", "Resolve", true),
        _ => return None,
    };
    let hint = if verb == "reply" || verb == "dm" {
        format!("Goes out on {network}")
    } else {
        hint.to_owned()
    };
    Some(Form {
        case,
        verb: verb.to_owned(),
        title: format!("{title} · {case}"),
        label: label.to_owned(),
        hint: cut(&hint, 100),
        submit: submit.to_owned(),
        max: 3_000,
        optional,
    })
}

/// A line about a case, for lists.
#[must_use]
pub fn case_line(case: &Case, first: Option<&Post>, network: &str, now: Instant) -> Vec<Span> {
    let who = first.map_or_else(|| case.author.to_string(), |post| display_name(&post.author));
    let words = first.map_or(String::new(), |post| one_line(&post.text, 80));
    vec![
        Span::Strong(case.number.to_string()),
        text(format!(
            " {} · {} · {network} · ",
            status_line(case),
            ago(case.opened_at, now)
        )),
        Span::Strong(one_line(&who, 40)),
        text(format!(": {words}")),
    ]
}

/// A list of cases under a headline.
#[must_use]
pub fn case_list(headline: &str, lines: Vec<Vec<Span>>, none: &str) -> Response {
    if lines.is_empty() {
        return Response::Done(Message::line(none));
    }
    let mut message = Message::default().with(Part::Line(vec![Span::Strong(headline.to_owned())]));
    message.parts.extend(lines.into_iter().map(Part::Line));
    Response::Done(message)
}

/// The history of a case, a line an event.
#[must_use]
pub fn history(case: &Case, log: &[EventRecord]) -> Response {
    let mut message = Message::default().with(Part::Line(vec![Span::Strong(format!(
        "History of {}",
        case.number
    ))]));
    for record in log {
        let line = format!(
            "{} · {} {}",
            when(record.at),
            actor(&record.by),
            brief(&record.event)
        );
        message = message.with(Part::Small(vec![text(line)]));
    }
    Response::Done(message)
}

/// An event in a few words, for the history.
fn brief(event: &Event) -> String {
    match event {
        Event::Opened { .. } => "wrote; the case was opened".to_owned(),
        Event::PostAdded { .. } => "wrote again".to_owned(),
        Event::PostEdited { .. } => "edited a post".to_owned(),
        Event::PostDeleted { .. } => "deleted a post".to_owned(),
        Event::Claimed { .. } => "claimed it".to_owned(),
        Event::Released => "released it".to_owned(),
        Event::Assigned { owner } => format!("assigned it to {}", owner.name),
        Event::Noted { text } => format!("noted: {}", one_line(text, 200)),
        Event::Escalated { team, reason } if reason.is_empty() => format!("escalated it to {team}"),
        Event::Escalated { team, reason } => format!("escalated it to {team}: {}", one_line(reason, 200)),
        Event::Resolved { outcome } if outcome.is_empty() => "resolved it".to_owned(),
        Event::Resolved { outcome } => format!("resolved it: {}", one_line(outcome, 200)),
        Event::Reopened => "reopened it".to_owned(),
        Event::Snoozed { until } => format!("snoozed it until {}", when(*until)),
        Event::Woke => "woke it".to_owned(),
        Event::PrioritySet { priority } => format!("set priority {priority}"),
        Event::KindSet { kind } => format!("set kind {kind}"),
        Event::Labelled { added, removed } => labelled(added, removed).trim().to_owned(),
        Event::ReplyHeld { text, .. } => format!("gave a reply: {}", one_line(text, 200)),
        Event::ReplyCancelled { .. } => "cancelled the reply".to_owned(),
        Event::ReplySent { url, .. } => format!("published the reply {}", url.as_deref().unwrap_or_default()),
        Event::ReplyFailed { reason, .. } => {
            format!("could not publish the reply: {}", one_line(reason, 200))
        }
        Event::ReplyUncertain { reason, .. } => format!("got no certain answer: {}", one_line(reason, 200)),
        Event::ReplyRetried { .. } => "sent the reply again".to_owned(),
        Event::ReplyNeedsHuman { .. } => "asked a person about the reply".to_owned(),
    }
}

/// The help, as a message.
#[must_use]
pub fn help(verb: Option<&str>) -> Response {
    let mut message = Message::default();
    for line in crate::command::help(verb).lines() {
        let mut spans = Vec::new();
        for (at, run) in line.split('`').enumerate() {
            if !run.is_empty() {
                spans.push(if at % 2 == 1 {
                    Span::Code(run.to_owned())
                } else {
                    text(run)
                });
            }
        }
        message = message.with(Part::Line(spans));
    }
    Response::Done(message)
}

/// A minute, in UTC.
#[must_use]
pub fn when(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn when_exactly(at: Instant) -> String {
    at.format("%H:%M:%S UTC").to_string()
}

fn ago(then: Instant, now: Instant) -> String {
    let minutes = (now - then).num_minutes().max(0);
    match minutes {
        0 => "now".to_owned(),
        1..60 => format!("{minutes} min"),
        60..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

/// `12345` as `12,345`.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

fn sentence(reason: &str) -> String {
    let reason = cut(reason.trim(), 300);
    if reason.ends_with(['.', '!', '?', '…']) {
        reason
    } else {
        format!("{reason}.")
    }
}

fn text(words: impl Into<String>) -> Span {
    Span::Text(words.into())
}
