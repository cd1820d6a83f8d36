//! The message about a reply: one in each thread, true at the moment it is made, from its first draft to
//! its end. And the forms and answers about it.

use super::answer::refused;
use super::{sentence, text, when, when_exactly};
use crate::app::inbound::Response;
use crate::app::pauses::Pause;
use crate::domain::message::{ReplyVerb, cut};
use crate::domain::{
    Audience, Button, ButtonKey, CaseNumber, Form, Instant, Message, NativeId, Part, Press, Remark, Reply,
    ReplyState, Span, Style, Weight,
};

/// The rule that speaks up when the same words go to the same post again.
pub const REPEATED: &str = "repeated";

/// What the message about a reply is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReplyFacts<'a> {
    /// The reply, as it stands.
    pub reply: &'a Reply,
    /// What people call the network.
    pub network: &'a str,
    /// What its buttons are sealed with.
    pub key: &'a ButtonKey,
    /// Why nothing is published at present.
    pub pause: Option<&'a Pause>,
}

/// The message about a reply.
#[must_use]
pub fn reply_message(facts: ReplyFacts<'_>) -> Message {
    let reply = facts.reply;
    let mut message = Message::default()
        .with(Part::Line(vec![
            Span::Strong(reply.agent.name.clone()),
            text(intent(reply)),
        ]))
        .with(Part::Quote(reply.text.clone()));
    if is_before_sending(reply.state) {
        message = message.with(Part::Fields(preview(facts)));
        message.parts.extend(reply.remarks.iter().map(remark));
    }
    let mut note = state_note(reply);
    if let (Some(pause), ReplyState::Held | ReplyState::Queued) = (facts.pause, reply.state) {
        note = vec![text(paused_line(pause))];
    }
    if let Some(approver) = &reply.approver {
        note.push(text(format!(" Approved by {}.", approver.name)));
    }
    message = message.with(Part::Small(note));
    let buttons = buttons(facts);
    if buttons.is_empty() {
        message
    } else {
        message.with(Part::Buttons(buttons))
    }
}

fn is_before_sending(state: ReplyState) -> bool {
    matches!(
        state,
        ReplyState::Draft
            | ReplyState::PendingApproval
            | ReplyState::Stale
            | ReplyState::Held
            | ReplyState::Queued
    )
}

fn intent(reply: &Reply) -> &'static str {
    match (reply.state, reply.audience) {
        (ReplyState::Draft, Audience::Public) => " wants to answer in public:",
        (ReplyState::Draft, Audience::Private) => " wants to answer in private:",
        (ReplyState::PendingApproval, Audience::Public) => " asks somebody to approve a public answer:",
        (ReplyState::PendingApproval, Audience::Private) => " asks somebody to approve a private answer:",
        (ReplyState::Cancelled | ReplyState::Stale, Audience::Public) => " wanted to answer in public:",
        (ReplyState::Cancelled | ReplyState::Stale, Audience::Private) => " wanted to answer in private:",
        (_, Audience::Public) => " answers in public:",
        (_, Audience::Private) => " answers in private:",
    }
}

/// Where it goes, under whose name, and how long it is as the platform counts.
fn preview(facts: ReplyFacts<'_>) -> Vec<(String, Vec<Span>)> {
    let reply = facts.reply;
    let to = match &reply.target_url {
        Some(url) => Span::Link {
            label: format!("@{}'s post", reply.author_handle),
            url: url.clone(),
        },
        None => text(format!("@{}", reply.author_handle)),
    };
    let account = reply.account.as_ref().map(NativeId::as_str);
    let account = match account {
        Some(account) if account != facts.network => format!("{} ({account})", facts.network),
        _ => facts.network.to_owned(),
    };
    let audience = match reply.audience {
        Audience::Public => "everybody",
        Audience::Private => "only the customer",
    };
    let mut fields = vec![
        ("To".to_owned(), vec![to]),
        ("From".to_owned(), vec![text(account)]),
        ("Readers".to_owned(), vec![text(audience)]),
    ];
    let length = &reply.length;
    if length.limit > 0 {
        let of = format!("{} of {} {}", length.count, length.limit, length.unit);
        fields.push(("Length".to_owned(), vec![text(of)]));
    }
    fields
}

/// A remark, with the better wording where there is one.
fn remark(remark: &Remark) -> Part {
    let mark = match remark.weight {
        Weight::Hint => "Hint: ",
        Weight::Confirm => "Please look again: ",
        Weight::Approve => "Needs another person: ",
    };
    let mut spans = vec![Span::Strong(mark.to_owned()), text(sentence(&remark.why))];
    if !remark.found.is_empty() {
        spans.push(text(" «"));
        spans.push(text(cut(&remark.found, 100)));
        spans.push(text("»"));
    }
    if let Some(better) = &remark.better {
        spans.push(text(format!(" Better: {}", cut(better, 300))));
    }
    Part::Small(spans)
}

fn state_note(reply: &Reply) -> Vec<Span> {
    let waits = reply.state == ReplyState::Queued && reply.reason.is_some() && !reply.tainted;
    let plain = |words: &str| vec![text(words)];
    match reply.state {
        ReplyState::Draft => plain("Nothing is sent yet: it waits for a second yes."),
        ReplyState::PendingApproval => match reply.expires_at {
            Some(until) => vec![text(format!(
                "Nothing is sent yet: an approver has until {}.",
                when(until)
            ))],
            None => plain("Nothing is sent yet: it waits for an approver."),
        },
        ReplyState::Held => vec![
            text("Goes out "),
            Span::Until { at: reply.hold_until },
            text(", unless somebody takes it back."),
        ],
        ReplyState::Queued if waits => plain("Waits: it could not go out yet."),
        ReplyState::Queued | ReplyState::Sending => plain("Is being published."),
        ReplyState::Sent => plain("Published."),
        ReplyState::Failed => plain("Was not published."),
        ReplyState::Ambiguous | ReplyState::Reconciling | ReplyState::NeedsHuman => {
            plain("Whether it was published is not certain.")
        }
        ReplyState::Cancelled => {
            let why = reply.reason.as_deref().unwrap_or("Taken back.");
            vec![text(format!("{} Nothing was published.", sentence(why)))]
        }
        ReplyState::Stale => {
            let why = reply.reason.as_deref().unwrap_or("What it answers changed.");
            vec![text(format!("Stopped, nothing is sent: {}", sentence(why)))]
        }
        ReplyState::Abandoned => plain("Nobody knows whether it was published; somebody gave it up."),
    }
}

/// A button that is bound to the version that was shown.
fn sealed(facts: ReplyFacts<'_>, label: &str, verb: ReplyVerb, style: Style) -> Button {
    let reply = facts.reply;
    Button {
        label: label.to_owned(),
        press: Press::Reply {
            case: reply.case,
            reply: reply.id.0,
            version: reply.version,
            verb,
            seal: facts.key.seal(reply.id, reply.version, &reply.hash),
        },
        style,
    }
}

fn buttons(facts: ReplyFacts<'_>) -> Vec<Button> {
    let reply = facts.reply;
    let sealed = |label: &str, verb, style| sealed(facts, label, verb, style);
    let waits = reply.state == ReplyState::Queued
        && !reply.tainted
        && (reply.reason.is_some() || facts.pause.is_some());
    match reply.state {
        ReplyState::Draft | ReplyState::Stale => vec![
            sealed("Send it anyway", ReplyVerb::Send, Style::Plain),
            sealed("Change it", ReplyVerb::Edit, Style::Primary),
            sealed("Discard", ReplyVerb::Discard, Style::Danger),
        ],
        ReplyState::PendingApproval => vec![
            sealed("Approve", ReplyVerb::Approve, Style::Primary),
            sealed("Change it", ReplyVerb::Edit, Style::Plain),
            sealed("Reject", ReplyVerb::Reject, Style::Danger),
        ],
        ReplyState::Held => vec![undo(reply.case)],
        ReplyState::Queued if waits => vec![undo(reply.case)],
        ReplyState::Queued
        | ReplyState::Sending
        | ReplyState::Sent
        | ReplyState::Failed
        | ReplyState::Ambiguous
        | ReplyState::Reconciling
        | ReplyState::NeedsHuman
        | ReplyState::Cancelled
        | ReplyState::Abandoned => Vec::new(),
    }
}

fn undo(case: CaseNumber) -> Button {
    Button {
        label: "Undo".to_owned(),
        press: Press::Command {
            case,
            line: "cancel".to_owned(),
        },
        style: Style::Danger,
    }
}

/// A person is to look; `second`: one has, and saw nothing.
pub(super) fn needs_human(facts: ReplyFacts<'_>, reason: &str, second: Option<&str>) -> Message {
    let sealed = |label: &str, verb, style| sealed(facts, label, verb, style);
    let mut first = vec![Span::Strong("Please look: was the reply published?".to_owned())];
    if let Some(who) = second {
        first = vec![
            Span::Strong(format!("{who} says that the reply is not there.")),
            text(" Before it is sent again, a second person has to look, too."),
        ];
    }
    if !reason.is_empty() {
        first.push(text(format!(
            " What is known: {} Hearback sends nothing more for this case until somebody says.",
            sentence(reason)
        )));
    }
    let mut message = Message::default().with(Part::Line(first));
    if let Some(url) = &facts.reply.target_url {
        message = message.with(Part::Small(vec![
            text("It would stand under "),
            Span::Link {
                label: "the customer's post".to_owned(),
                url: url.clone(),
            },
            text("."),
        ]));
    }
    let absent = if second.is_some() {
        sealed("It is not: send again", ReplyVerb::ConfirmNotThere, Style::Danger)
    } else {
        sealed("It is not, send again", ReplyVerb::NotThere, Style::Danger)
    };
    message.with(Part::Buttons(vec![
        sealed("It is there", ReplyVerb::There, Style::Primary),
        absent,
        sealed("Give up", ReplyVerb::GiveUp, Style::Plain),
    ]))
}

/// What a card and a waiting reply say while nothing is published.
#[must_use]
pub fn paused_line(pause: &Pause) -> String {
    let why = if pause.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", cut(&pause.reason, 200))
    };
    format!(
        "Publishing is paused by {} since {}{why}. Nothing goes out until a lead says `resume`.",
        pause.by,
        when(pause.at)
    )
}

/// The form that a button about a reply opens: the words of `edit`, why it is rejected, or where it stands.
/// `None`: the button needs no words.
#[must_use]
pub fn reply_form(reply: &Reply, verb: ReplyVerb, seal: &str) -> Option<Form> {
    let (title, label, hint, submit, value, optional) = match verb {
        ReplyVerb::Edit => (
            "Change the reply",
            "What is published, word for word",
            "Dear …",
            "Save",
            reply.words.as_str(),
            false,
        ),
        ReplyVerb::Reject => (
            "Reject the reply",
            "Why? Its author reads it",
            "Please say sorry first.",
            "Reject",
            "",
            true,
        ),
        ReplyVerb::There => (
            "Where is it?",
            "The address of the published reply",
            "https://…",
            "It is there",
            "",
            false,
        ),
        ReplyVerb::Send
        | ReplyVerb::Approve
        | ReplyVerb::Discard
        | ReplyVerb::NotThere
        | ReplyVerb::GiveUp
        | ReplyVerb::ConfirmNotThere => return None,
    };
    Some(Form {
        case: reply.case,
        verb: format!("r.{}.{}.{seal}", verb.word(), reply.version),
        title: cut(title, 24),
        label: label.to_owned(),
        hint: hint.to_owned(),
        submit: submit.to_owned(),
        max: 3_000,
        optional,
        value: value.to_owned(),
        reply: Some(reply.id.0),
    })
}

/// The remark about words that went to the same post before.
#[must_use]
pub fn repeated(earlier: &Reply) -> Remark {
    Remark {
        rule: REPEATED.to_owned(),
        weight: Weight::Confirm,
        found: String::new(),
        why: format!(
            "The same words were given for the same post at {} already.",
            when_exactly(earlier.created_at)
        ),
        better: None,
    }
}

/// Two flagged replies in a short time.
#[must_use]
pub fn cooling_off(until: Instant) -> Response {
    refused(format!(
        "These are hard minutes, and you are doing fine. Two of your replies were flagged within ten minutes, \
         so take a breath: from {} on you can send again. A colleague can take over with `assign`.",
        when_exactly(until)
    ))
}

/// A button of an older text.
#[must_use]
pub fn another_version(case: CaseNumber) -> Response {
    refused(format!(
        "That button belongs to an older text of the reply to {case}. Look at the newest message about it."
    ))
}

/// The platform may still act.
#[must_use]
pub fn too_early(until: Instant) -> Response {
    refused(format!(
        "It may still appear: please look again after {}.",
        when_exactly(until)
    ))
}

/// The same person twice.
#[must_use]
pub fn second_person() -> Response {
    refused("You have said so already. A second person has to look before the reply is sent again.")
}

/// For leads only.
#[must_use]
pub fn only_leads() -> Response {
    refused("Only a lead or an admin can pause and resume publishing. Ask one of them.")
}

/// Nothing changes.
#[must_use]
pub fn paused_already(paused: bool) -> Response {
    refused(if paused {
        "Publishing is paused already."
    } else {
        "Publishing is not paused."
    })
}

/// The switch was thrown.
#[must_use]
pub fn paused(paused: bool) -> Response {
    Response::Done(Message::line(if paused {
        "Publishing is paused: nothing goes out until somebody says `resume`. Replies wait where they are."
    } else {
        "Publishing goes on."
    }))
}

/// An order of another version's command line.
#[must_use]
pub fn unknown_order() -> Response {
    refused("The running Hearback does not know this order; use the command line of its own version.")
}

/// What was said to be the reply's address is none.
#[must_use]
pub fn no_address(why: &str) -> Response {
    refused(format!(
        "{} Nothing changed; copy the address of the published reply and try again.",
        sentence(why)
    ))
}
