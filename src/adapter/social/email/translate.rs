//! A letter as a post.

use super::letter::{Letter, Person, Returned};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::{SubsecRound as _, TimeDelta};

/// How far a letter's own date is believed to be before it came: mail may wait on its way.
const WAY: TimeDelta = TimeDelta::days(7);

/// The post a letter is. `came`: when it came to the mailbox.
pub fn post(source: &SourceName, letter: &Letter, came: Instant) -> Post {
    let person = &letter.answer_to;
    Post {
        source: source.clone(),
        id: NativeId::new(&letter.id),
        conversation: NativeId::new(letter.root()),
        in_reply_to: letter.in_reply_to.as_ref().map(NativeId::new),
        kind: PostKind::Message,
        visibility: Visibility::Private,
        url: None,
        author: author(person),
        text: words(letter),
        created_at: written(letter, came).trunc_subsecs(6),
        edited_at: None,
        deleted: false,
        lang: letter.lang.clone().filter(|lang| !lang.is_empty()),
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// That a reply did not arrive, as something that comes in the conversation it was part of: people are to see it
/// where they sent it.
pub fn returned(source: &SourceName, letter: &Letter, returned: &Returned, came: Instant) -> Post {
    Post {
        conversation: NativeId::new(&returned.root),
        in_reply_to: Some(NativeId::new(&returned.id)),
        author: author(&returned.to),
        text: format!("[The mail server: the reply did not arrive. {}]", returned.why),
        ..post(source, letter, came)
    }
}

fn author(person: &Person) -> Author {
    Author {
        id: NativeId::new(&person.address),
        handle: person.address.clone(),
        name: person.name.clone(),
        followers: None,
        url: None,
    }
}

/// The subject where a conversation begins, what it says, and what is attached.
pub fn words(letter: &Letter) -> String {
    let mut parts = Vec::new();
    if letter.in_reply_to.is_none() && !letter.subject.is_empty() {
        parts.push(letter.subject.clone());
    }
    if !letter.text.is_empty() {
        parts.push(letter.text.clone());
    }
    if !letter.attached.is_empty() {
        parts.push(format!("[attached: {}]", letter.attached.join(", ")));
    }
    if letter.cut {
        parts.push("[the letter goes on; what stands behind this was not read]".to_owned());
    }
    parts.join("\n\n")
}

/// When it was written; a date that cannot be is not believed.
fn written(letter: &Letter, came: Instant) -> Instant {
    letter
        .written
        .filter(|written| *written <= came && came - *written <= WAY)
        .unwrap_or(came)
}
