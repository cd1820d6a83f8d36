//! What the person who asked reads, and nobody else: answers, refusals, forms, lists.

use super::card::{display_name, status_line};
use super::thread::{actor, labelled};
use super::{THREAD_TEXT, ago, text, when, when_exactly};
use crate::app::inbound::Response;
use crate::domain::message::{cut, one_line};
use crate::domain::{
    Audience, Case, CaseNumber, Event, EventRecord, Form, Instant, Message, Part, Post, Span,
};
use crate::port::Composed;

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
        Event::ReplyDrafted { .. } => format!(
            "Nothing is sent yet for {number}: please look once more. The message in its thread has the buttons."
        ),
        Event::ReplySubmitted { until, .. } => format!(
            "Nothing is sent yet for {number}: an approver has to agree, by {}.",
            when(*until)
        ),
        Event::ReplyRejected { .. } => format!("The reply to {number} is rejected. Nothing was published."),
        Event::ReplyToldAbsent { .. } => {
            format!("Thank you. A second person has to look before the reply to {number} is sent again.")
        }
        Event::ReplyAbandoned { .. } => format!("The reply to {number} is given up. Nothing more is sent."),
        Event::ReplyCancelled { .. } => {
            format!("The reply to {number} is taken back. Nothing was published.")
        }
        Event::ReplySent { .. } => format!("Thank you. The reply to {number} counts as published."),
        Event::ReplyRetried { .. } => format!("Thank you. The reply to {number} is sent again."),
        Event::AnsweredByHand { looked: true, .. } => {
            format!("Thank you. The address was looked at, and {number} counts as answered.")
        }
        Event::AnsweredByHand { looked: false, .. } => format!(
            "Thank you. {number} counts as answered. Nobody could look at the address: that is noted beside it."
        ),
        Event::Opened { .. }
        | Event::PostAdded { .. }
        | Event::PostEdited { .. }
        | Event::PostDeleted { .. }
        | Event::Woke
        | Event::ReplyFailed { .. }
        | Event::ReplyUncertain { .. }
        | Event::ReplyDelayed { .. }
        | Event::ReplyEdited { .. }
        | Event::ReplyApproved { .. }
        | Event::ReplyExpired { .. }
        | Event::ReplyStale { .. }
        | Event::ReplyCollided { .. }
        | Event::ReplyNotSeen { .. }
        | Event::PublishingPaused { .. }
        | Event::PublishingResumed { .. }
        | Event::ReplyNeedsHuman { .. }
        | Event::Erased => format!("Done: {number}."),
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

/// Nothing can be answered there: why, and the way to the customer.
#[must_use]
pub fn cannot_answer(why: &str, url: Option<&str>) -> Response {
    let mut line = vec![text(why)];
    if let Some(url) = url {
        line.push(text(" The customer is here: "));
        line.push(Span::Link {
            label: "the post".to_owned(),
            url: url.to_owned(),
        });
        line.push(text("."));
    }
    let parts = vec![Part::Line(line)];
    Response::Refused(Message { parts })
}

/// Nobody of that name.
#[must_use]
pub fn nobody_called(who: &str, names: &str) -> Response {
    refused(format!(
        "I know no agent called {who}. Agents are: {names}. Others can take a case themselves with `claim`."
    ))
}

/// Somebody who may only look.
#[must_use]
pub fn cannot_act(who: &str) -> Response {
    refused(format!(
        "{who} may only look at cases, so {who} cannot have one. Name an agent."
    ))
}

/// No team of that name.
#[must_use]
pub fn no_such_team(name: &str, names: &str) -> Response {
    if names.is_empty() {
        return no_team();
    }
    refused(format!(
        "There is no team called {name}. Teams are: {names}. Nothing was escalated."
    ))
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
        value: String::new(),
        reply: None,
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
#[must_use]
pub fn brief(event: &Event) -> String {
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
        Event::ReplyDrafted { text, .. } => format!("drafted a reply: {}", one_line(text, 200)),
        Event::ReplySubmitted { text, .. } => format!("asked for approval of: {}", one_line(text, 200)),
        Event::ReplyEdited { after, .. } => format!("changed the reply to: {}", one_line(after, 200)),
        Event::ReplyApproved { .. } => "approved the reply".to_owned(),
        Event::ReplyRejected { reason, .. } if reason.is_empty() => "rejected the reply".to_owned(),
        Event::ReplyRejected { reason, .. } => format!("rejected the reply: {}", one_line(reason, 200)),
        Event::ReplyExpired { .. } => "let the reply expire: nobody said yes in time".to_owned(),
        Event::ReplyStale { reason, .. } => format!("stopped the reply: {}", one_line(reason, 200)),
        Event::ReplyCollided { text, .. } => {
            format!("wanted to answer too, and was not sent: {}", one_line(text, 200))
        }
        Event::ReplyNotSeen { .. } => "looked for the reply and did not see it".to_owned(),
        Event::ReplyToldAbsent { .. } => "says that the reply is not there".to_owned(),
        Event::ReplyAbandoned { .. } => "gave the reply up".to_owned(),
        Event::PublishingPaused { reason, .. } => format!("paused publishing: {}", one_line(reason, 200)),
        Event::PublishingResumed { .. } => "let publishing go on".to_owned(),
        Event::ReplySent { url, .. } => format!("published the reply {}", url.as_deref().unwrap_or_default()),
        Event::ReplyFailed { reason, .. } => {
            format!("could not publish the reply: {}", one_line(reason, 200))
        }
        Event::ReplyUncertain { reason, .. } => format!("got no certain answer: {}", one_line(reason, 200)),
        Event::ReplyRetried { .. } => "sent the reply again".to_owned(),
        Event::ReplyDelayed { reason, .. } => {
            format!("could not publish the reply yet: {}", one_line(reason, 200))
        }
        Event::ReplyNeedsHuman { .. } => "asked a person about the reply".to_owned(),
        Event::AnsweredByHand { url, .. } => format!("answered by hand: {}", one_line(url, 200)),
        Event::Erased => "erased what the customer wrote and is called".to_owned(),
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
