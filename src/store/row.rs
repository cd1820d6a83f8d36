//! How values become rows and come back. The shape of a row is a promise to databases that exist.

use super::{AttemptRow, Error, Facts, InboxRow, Known, OrderRow, PauseRow, Result, StoredPost, Thread};
use crate::domain::audit::Line;
use crate::domain::{
    By, Case, CaseNumber, EffectId, EffectRow, Event, EventId, EventRecord, Instant, Reply, ReplyId,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::Hash;

/// What of an event is only read as a whole.
#[derive(Serialize)]
pub struct EventBody<'a> {
    pub by: &'a By,
    pub event: &'a Event,
    /// The key under which its free texts are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
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

pub fn instant(table: &'static str, column: &'static str, row: i64, micros: i64) -> Result<Instant> {
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

/// source, paused, at, by_whom, reason, logged.
pub type PauseIn = (String, i64, i64, String, String, i64);

/// Reads whether publishing is stopped.
pub fn pause((source, paused, at, by, reason, logged): PauseIn) -> Result<PauseRow> {
    Ok(PauseRow {
        source: (!source.is_empty()).then(|| source.into()),
        paused: paused != 0,
        at: instant("pauses", "at", 0, at)?,
        by,
        reason,
        logged: logged != 0,
    })
}

/// key, at, by_whom, body.
pub type OrderIn = (String, i64, String, String);

/// Reads an order.
pub fn order((key, at, by, body): OrderIn) -> Result<OrderRow> {
    let at = instant("orders", "at", 0, at)?;
    Ok(OrderRow { key, at, by, body })
}

/// reply, fence, at, what, detail.
pub type AttemptIn = (i64, i64, i64, String, String);

/// Reads a line in the history of a send.
pub fn attempt((reply, fence, at, what, detail): AttemptIn) -> Result<AttemptRow> {
    Ok(AttemptRow {
        reply: ReplyId(reply),
        fence,
        at: instant("attempts", "at", reply, at)?,
        what,
        detail,
    })
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

/// Reads an event, and the id of the key that its free texts are under.
pub fn event((id, case, at, json): &EventIn) -> Result<(EventRecord, Option<String>)> {
    #[derive(Deserialize)]
    struct Body {
        by: By,
        event: Event,
        #[serde(default)]
        key: Option<String>,
    }
    let Body { by, event, key } = body("events", *id, json)?;
    let record = EventRecord {
        id: EventId(*id),
        case: CaseNumber(*case),
        at: instant("events", "at", *id, *at)?,
        by,
        event,
    };
    Ok((record, key))
}

/// id, case_number, at, body, hash.
pub type LineIn = (i64, i64, i64, String, Option<String>);

/// An event as the chain through the log sees it.
pub fn line((id, case, at, body, hash): LineIn) -> Line {
    Line {
        id,
        case,
        at,
        body,
        hash,
    }
}

/// source, author, id, secret.
pub type KeyIn = (String, String, String, String);

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

/// kind, number, texts: see [`super::sql::FACTS`].
pub type FactIn = (i64, i64, String, Option<String>, Option<String>, Option<String>);

/// Sorts facts.
pub fn facts(rows: Vec<FactIn>) -> Result<Facts> {
    let mut facts = Facts::default();
    for row in rows {
        match row {
            (1, number, json, ..) => facts.cases.push(case(&(number, json))?),
            (2, number, json, ..) => facts.firsts.push(post(&(number, json))?),
            (3, number, chat, Some(channel), Some(place), Some(card)) => {
                facts.threads.push(thread((number, chat, channel, place, card)));
            }
            (kind, number, ..) => {
                return Err(Error::Inconsistent {
                    table: "threads",
                    column: "card",
                    row: number.to_string(),
                    why: format!("a value is missing ({kind})"),
                });
            }
        }
    }
    Ok(facts)
}

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

/// kind, number, text, text: see [`super::sql::KNOWN`].
pub type KnownIn = (i64, Option<i64>, Option<String>, Option<String>);

/// Sorts what is known.
pub fn known(rows: Vec<KnownIn>) -> Result<Known> {
    let mut known = Known::default();
    for row in rows {
        match row {
            (1, Some(case), Some(json), _) => known.posts.push(post(&(case, json))?),
            (2, _, Some(source), Some(id)) => known.own.push((source.into(), id.into())),
            (3, Some(number), Some(json), _) => known.cases.push(case(&(number, json))?),
            (4, Some(at), Some(key), Some(answer)) => known.inbox.push(InboxRow {
                at: instant("inbox", "at", 0, at)?,
                key,
                answer,
            }),
            (kind, ..) => {
                return Err(Error::Inconsistent {
                    table: "inbox",
                    column: "key",
                    row: kind.to_string(),
                    why: "a value is missing".to_owned(),
                });
            }
        }
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_with_one_key_the_later_stays() {
        let rows = [(1, 'a'), (2, 'b'), (1, 'c')];
        assert_eq!(last_of(&rows, |row| row.0), [&(2, 'b'), &(1, 'c')]);
    }
}
