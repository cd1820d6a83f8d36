//! What a thread is told about an event.

use super::card::{display_name, post_note, shown_text};
use super::reply::{ReplyFacts, needs_human, reply_message};
use super::{THREAD_TEXT, sentence, text, when, when_exactly};
use crate::app::directory::Directory;
use crate::domain::message::{cut, one_line};
use crate::domain::{Audience, By, ChannelId, ChatName, Event, EventRecord, Message, Part, Post, Span};

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
    pub reply: Option<ReplyFacts<'a>>,
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
        Event::PostEdited {
            post: _,
            before,
            after,
            added,
        } => Some(edited(before, after, added.len())),
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
        Event::ReplyDrafted { .. } | Event::ReplySubmitted { .. } | Event::ReplyHeld { .. } => {
            // There is one message about a reply; it is renewed where it stands.
            reply
                .filter(|facts| facts.reply.held_by.is_none_or(|by| by == record.id))
                .map(reply_message)
        }
        Event::ReplyEdited { before, after, .. } => Some(
            Message::default()
                .with(Part::Line(vec![
                    Span::Strong(who),
                    text(" changed the reply. Before:"),
                ]))
                .with(Part::Quote(cut(before, THREAD_TEXT)))
                .with(Part::Line(vec![text("Now:")]))
                .with(Part::Quote(cut(after, THREAD_TEXT))),
        ),
        Event::ReplyApproved { .. } => plain(" approved the reply.".to_owned()),
        Event::ReplyRejected { reason, .. } if reason.is_empty() => {
            plain(" rejected the reply. Nothing was published.".to_owned())
        }
        Event::ReplyRejected { reason, .. } => Some(
            Message::default()
                .with(Part::Line(vec![
                    Span::Strong(who),
                    text(" rejected the reply. Nothing was published:"),
                ]))
                .with(Part::Quote(cut(reason, THREAD_TEXT))),
        ),
        Event::ReplyExpired { .. } => small(vec![text(
            "Nobody said yes to the reply in time. Nothing was published.",
        )]),
        Event::ReplyStale {
            reason,
            before,
            after,
            ..
        } => Some(stale(reason, before.as_deref(), after.as_deref())),
        Event::ReplyCollided { text: words, .. } => Some(
            Message::default()
                .with(Part::Line(vec![
                    Span::Strong(who),
                    text(" wanted to answer too, while this reply is under way. Not sent:"),
                ]))
                .with(Part::Quote(cut(words, THREAD_TEXT))),
        ),
        Event::ReplyNotSeen { look_at, .. } => small(vec![text(format!(
            "The reply was not to be seen. Hearback looks once more at {} before it sends anything.",
            when_exactly(*look_at)
        ))]),
        Event::ReplyToldAbsent { .. } => reply.map(|facts| needs_human(facts, "", Some(&who))),
        Event::ReplyAbandoned { .. } => plain(
            " gave the reply up: whether it was published is not known, and nothing more is sent.".to_owned(),
        ),
        Event::PublishingPaused { .. } | Event::PublishingResumed { .. } => None,
        Event::ReplyCancelled { .. } => plain(" took the reply back. Nothing was published.".to_owned()),
        Event::ReplySent {
            audience,
            text: words,
            url,
            ..
        } => Some(sent(*audience, words, url.as_deref())),
        Event::ReplyFailed { reason, .. } => Some(Message::default().with(Part::Line(vec![
            Span::Strong("The reply was not published:".to_owned()),
            text(format!(" {}", sentence(reason))),
        ]))),
        Event::ReplyUncertain { reason, look_at, .. } => Some(Message::default().with(Part::Line(vec![
            Span::Strong("It is not certain whether the reply was published:".to_owned()),
            text(format!(
                " {} Hearback looks at {} and tells here.",
                sentence(reason),
                when(*look_at)
            )),
        ]))),
        Event::ReplyRetried { looked: true, .. } => {
            small(vec![text("The reply was not there. It is being sent again.")])
        }
        Event::ReplyRetried { looked: false, .. } => small(vec![text(
            "The reply is being sent again, under the same key: it is published once.",
        )]),
        Event::ReplyDelayed { reason, .. } => Some(Message::default().with(Part::Line(vec![
            Span::Strong("The reply could not go out yet:".to_owned()),
            text(format!(
                " {} Hearback goes on trying; while the reply waits, `cancel` can take it back.",
                sentence(reason)
            )),
        ]))),
        Event::ReplyNeedsHuman { reason, .. } => reply.map(|facts| needs_human(facts, reason, None)),
        Event::AnsweredByHand { url, looked } => Some(by_hand(&who, url, *looked)),
        Event::Erased => small(vec![text(
            "What the customer wrote and is called was erased from the records. This thread still shows it: \
             delete what must go.",
        )]),
    }
}

/// `added`: how many attachments are new.
fn edited(before: &str, after: &str, added: usize) -> Message {
    let more = match added {
        0 => None,
        1 => Some("1 attachment is new.".to_owned()),
        more => Some(format!("{more} attachments are new.")),
    };
    if let (true, Some(more)) = (before == after, &more) {
        return Message::line(format!("The customer edited a post: {more}"));
    }
    let message = Message::default()
        .with(Part::Line(vec![text("The customer edited a post. Before:")]))
        .with(Part::Quote(cut(before, THREAD_TEXT)))
        .with(Part::Line(vec![text("Now:")]))
        .with(Part::Quote(cut(after, THREAD_TEXT)));
    match more {
        Some(more) => message.with(Part::Small(vec![text(more)])),
        None => message,
    }
}

/// What a reply answers changed: the difference, and that somebody is asked.
fn stale(reason: &str, before: Option<&str>, after: Option<&str>) -> Message {
    let mut message = Message::default().with(Part::Line(vec![
        Span::Strong("The reply was stopped; nothing was published.".to_owned()),
        text(format!(
            " {} The message about the reply has buttons to send it anyway, to change it, or to discard it.",
            sentence(reason)
        )),
    ]));
    if let Some(before) = before {
        message = message
            .with(Part::Line(vec![text(
                "When the reply was approved, the post said:",
            )]))
            .with(Part::Quote(cut(before, THREAD_TEXT)));
    }
    if let Some(after) = after {
        message = message
            .with(Part::Line(vec![text("Now:")]))
            .with(Part::Quote(cut(after, THREAD_TEXT)));
    }
    message
}

pub(super) fn actor(by: &By) -> String {
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

pub(super) fn labelled(added: &[String], removed: &[String]) -> String {
    let mut out = Vec::new();
    if !added.is_empty() {
        out.push(format!("put on {}", added.join(", ")));
    }
    if !removed.is_empty() {
        out.push(format!("took off {}", removed.join(", ")));
    }
    format!(" {}.", out.join(" and "))
}

fn by_hand(who: &str, url: &str, looked: bool) -> Message {
    let line = vec![
        Span::Strong(who.to_owned()),
        text(" answered by hand: "),
        Span::Link {
            label: url.to_owned(),
            url: url.to_owned(),
        },
    ];
    let message = Message::default().with(Part::Line(line));
    if looked {
        return message;
    }
    message.with(Part::Small(vec![text(
        "Hearback could not look at that address: it is there because a person says so.",
    )]))
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
