//! How values become rows and come back. The shape of a row is a promise to databases that exist.

use super::{Error, InboxRow, Result, StoredPost, Thread};
use crate::domain::{
    By, Case, CaseNumber, Effect, EffectId, EffectRow, Event, EventId, EventRecord, Instant, Post, Reply,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer as _};
use std::collections::HashSet;
use std::hash::Hash;

/// A post as a row.
#[derive(Serialize)]
pub struct PostRow<'a> {
    pub source: &'a str,
    pub id: &'a str,
    pub case_number: CaseNumber,
    pub created_at: i64,
    pub body: &'a Post,
}

/// A case as a row.
#[derive(Serialize)]
pub struct CaseRow<'a> {
    pub number: CaseNumber,
    pub source: &'a str,
    pub conversation: &'a str,
    pub author: &'a str,
    pub status: &'static str,
    pub owner: Option<&'a str>,
    pub updated_at: i64,
    pub body: &'a Case,
}

/// What of an event is only read as a whole.
#[derive(Serialize)]
pub struct EventBody<'a> {
    pub by: &'a By,
    pub event: &'a Event,
}

/// An event as a row.
#[derive(Serialize)]
pub struct EventOut<'a> {
    pub id: EventId,
    pub case_number: CaseNumber,
    pub at: i64,
    pub body: EventBody<'a>,
}

/// An effect as a row.
#[derive(Serialize)]
pub struct EffectOut<'a> {
    pub id: EffectId,
    pub lane: &'a str,
    pub case_number: CaseNumber,
    pub due_at: i64,
    pub attempts: i64,
    pub begun_at: Option<i64>,
    pub body: &'a Effect,
}

/// An effect and a time.
#[derive(Serialize)]
pub struct EffectAt {
    pub id: EffectId,
    pub at: i64,
}

/// An effect and why it was given up.
#[derive(Serialize)]
pub struct EffectDead<'a> {
    pub id: EffectId,
    pub reason: &'a str,
}

/// A number to look for.
#[derive(Serialize)]
pub struct Id {
    pub id: i64,
}

/// A thread as a row.
#[derive(Serialize)]
pub struct ThreadRow<'a> {
    pub case_number: CaseNumber,
    pub chat: &'a str,
    pub channel: &'a str,
    pub thread: &'a str,
    pub card: &'a str,
}

/// A message about a reply as a row.
#[derive(Serialize)]
pub struct ReplyMessageRow<'a> {
    pub reply: i64,
    pub chat: &'a str,
    pub channel: &'a str,
    pub message: &'a str,
}

/// A reply as a row.
#[derive(Serialize)]
pub struct ReplyRow<'a> {
    pub id: i64,
    pub case_number: CaseNumber,
    pub source: &'a str,
    pub state: crate::domain::ReplyState,
    pub remote_id: Option<&'a str>,
    pub body: &'a Reply,
}

/// A taken command as a row.
#[derive(Serialize)]
pub struct InboxOut<'a> {
    pub key: &'a str,
    pub at: i64,
    pub answer: &'a str,
}

/// A cursor as a row.
#[derive(Serialize)]
pub struct CursorOut<'a> {
    pub source: &'a str,
    pub stream: &'a str,
    pub value: &'a str,
}

/// Something set aside, as a row.
#[derive(Serialize)]
pub struct AsideRow<'a> {
    pub at: i64,
    pub origin: &'a str,
    pub reason: &'a str,
    pub raw: &'a str,
}

/// A counter as a row.
#[derive(Serialize)]
pub struct CounterRow<'a> {
    pub key: &'a str,
    pub value: i64,
}

/// A (source, id) to look for.
#[derive(Serialize)]
pub struct PostKey<'a> {
    pub source: &'a str,
    pub id: &'a str,
}

/// A (source, conversation, author) to look for.
#[derive(Serialize)]
pub struct TalkKey<'a> {
    pub source: &'a str,
    pub conversation: &'a str,
    pub author: &'a str,
}

/// A batch as one JSON parameter. U+0000 becomes U+FFFD: PostgreSQL holds none in a text, and both
/// engines are to behave alike.
pub fn batch<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String> {
    let mut bytes = Vec::with_capacity(4096);
    serde_json::Serializer::new(&mut bytes)
        .collect_seq(rows)
        .map_err(|error| Error::Refused(error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|error| Error::Refused(error.to_string()))?;
    Ok(if text.contains(r"\u0000") {
        without_nul(&text)
    } else {
        text
    })
}

/// Replaces the escape of U+0000, but not a backslash that happens to stand before `u0000`.
fn without_nul(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        // After a backslash JSON has one more ASCII character at least.
        let length = if escape.starts_with(r"\u0000") { 6 } else { 2 };
        let (escape, after) = escape.split_at(length);
        out.push_str(if length == 6 { r"\ufffd" } else { escape });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A text to look for, as [`batch`] would have stored it.
pub fn clean(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// The last of those with the same key, in order: a statement may touch a row only once.
pub fn last_of<'a, T, K: Hash + Eq>(rows: &'a [T], key: impl Fn(&'a T) -> K) -> Vec<&'a T> {
    let mut seen = HashSet::with_capacity(rows.len());
    let mut out: Vec<&T> = rows.iter().rev().filter(|row| seen.insert(key(row))).collect();
    out.reverse();
    out
}

/// An instant as both databases keep it.
pub fn micros(at: Instant) -> i64 {
    at.timestamp_micros()
}

fn instant(table: &'static str, column: &'static str, row: i64, micros: i64) -> Result<Instant> {
    Instant::from_timestamp_micros(micros).ok_or_else(|| Error::Inconsistent {
        table,
        column,
        row: row.to_string(),
        why: format!("{micros} is no time"),
    })
}

fn body<T: DeserializeOwned>(table: &'static str, row: i64, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::Inconsistent {
        table,
        column: "body",
        row: row.to_string(),
        why: error.to_string(),
    })
}

/// number, body.
pub type CaseIn = (i64, String);

/// Reads a case.
pub fn case((number, json): &CaseIn) -> Result<Case> {
    body("cases", *number, json)
}

/// case_number, body.
pub type PostIn = (i64, String);

/// Reads a post.
pub fn post((case, json): &PostIn) -> Result<StoredPost> {
    Ok(StoredPost {
        case: CaseNumber(*case),
        post: body("posts", *case, json)?,
    })
}

/// id, case_number, at, body.
pub type EventIn = (i64, i64, i64, String);

/// Reads an event.
pub fn event((id, case, at, json): &EventIn) -> Result<EventRecord> {
    #[derive(Deserialize)]
    struct Body {
        by: By,
        event: Event,
    }
    let Body { by, event } = body("events", *id, json)?;
    Ok(EventRecord {
        id: EventId(*id),
        case: CaseNumber(*case),
        at: instant("events", "at", *id, *at)?,
        by,
        event,
    })
}

/// id, lane, case_number, due_at, attempts, begun_at, body.
pub type EffectIn = (i64, String, i64, i64, i64, Option<i64>, String);

/// Reads an effect.
pub fn effect((id, lane, case, due_at, attempts, begun_at, json): EffectIn) -> Result<EffectRow> {
    Ok(EffectRow {
        id: EffectId(id),
        lane: lane.into(),
        case: CaseNumber(case),
        effect: body("effects", id, &json)?,
        due_at: instant("effects", "due_at", id, due_at)?,
        attempts,
        begun_at: begun_at
            .map(|at| instant("effects", "begun_at", id, at))
            .transpose()?,
    })
}

/// Reads a reply.
pub fn reply((id, json): &(i64, String)) -> Result<Reply> {
    body("replies", *id, json)
}

/// case_number, chat, channel, thread, card.
pub type ThreadIn = (i64, String, String, String, String);

/// Reads a thread.
pub fn thread((case, chat, channel, thread, card): ThreadIn) -> Thread {
    Thread {
        case: CaseNumber(case),
        chat: chat.into(),
        channel: channel.into(),
        thread: thread.into(),
        card: card.into(),
    }
}

/// Reads a taken command.
pub fn inbox((key, at, answer): (String, i64, String)) -> Result<InboxRow> {
    Ok(InboxRow {
        at: instant("inbox", "at", 0, at)?,
        key,
        answer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_becomes_a_replacement_and_a_spelled_out_one_stays() {
        let texts = ["a\0b", r"a\u0000b", "\\\0", "\"\\u0000\"", "é\u{1}"];
        let json = batch(texts).unwrap();
        let back: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(
            back,
            ["a\u{FFFD}b", r"a\u0000b", "\\\u{FFFD}", "\"\\u0000\"", "é\u{1}"]
        );
    }

    #[test]
    fn of_two_with_one_key_the_later_stays() {
        let rows = [(1, 'a'), (2, 'b'), (1, 'c')];
        assert_eq!(last_of(&rows, |row| row.0), [&(2, 'b'), &(1, 'c')]);
    }
}
