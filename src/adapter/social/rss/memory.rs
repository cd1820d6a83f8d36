//! What is remembered of a feed between two readings: how to ask whether it changed, from when on items
//! count, and which items were there, with what they said.

use crate::domain::Instant;
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;

/// The most items that are remembered; feeds show fewer.
const MOST: usize = 2_000;
/// How far back a first reading looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);

/// What a server gave to ask it with next time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    /// `ETag`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// `Last-Modified`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified: Option<String>,
}

/// What is known of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is new.
    New,
    /// It was there, and said the same.
    Same,
    /// It was there, and said something else.
    Changed,
}

/// The memory, as it is kept in the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Items from before do not count.
    pub since: Instant,
    /// How to ask whether it changed.
    #[serde(default)]
    pub validators: Validators,
    /// Fingerprints of items and of their words, the newest reading first.
    items: Vec<(String, String)>,
    /// Whether the feed was read before.
    #[serde(default)]
    pub read: bool,
}

impl Memory {
    /// Of a feed that was never read.
    #[must_use]
    pub fn first(now: Instant) -> Self {
        Self {
            since: now - FIRST_LOOK,
            validators: Validators::default(),
            items: Vec::new(),
            read: false,
        }
    }

    /// From a cursor; `None` where it is none of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// As a cursor.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// What is known of each item, by its id and its words, in one pass; and the memory after it.
    #[must_use]
    pub fn meet(&self, items: &[(String, String)]) -> (Vec<Known>, Vec<(String, String)>) {
        let before: HashMap<&str, &str> = self
            .items
            .iter()
            .rev()
            .map(|(id, words)| (id.as_str(), words.as_str()))
            .collect();
        let said: std::collections::HashSet<&str> =
            self.items.iter().map(|(_, words)| words.as_str()).collect();
        let mut after: Vec<(String, String)> = Vec::with_capacity(items.len());
        let mut known = Vec::with_capacity(items.len());
        for (id, words) in items {
            let mark = (fingerprint(id), fingerprint(words));
            known.push(match before.get(mark.0.as_str()) {
                Some(words) if *words == mark.1 => Known::Same,
                // A feed whose ids are made anew, or are those of several items, says the same words under other
                // ids.
                Some(_) | None if said.contains(mark.1.as_str()) => Known::Same,
                Some(_) => Known::Changed,
                None => Known::New,
            });
            after.push(mark);
        }
        let now: std::collections::HashSet<&str> = after.iter().map(|(id, _)| id.as_str()).collect();
        let older: Vec<_> = self
            .items
            .iter()
            .filter(|(id, _)| !now.contains(id.as_str()))
            .cloned()
            .collect();
        after.extend(older);
        after.truncate(MOST);
        (known, after)
    }

    /// The memory after a reading.
    #[must_use]
    pub fn after(&self, validators: Validators, items: Vec<(String, String)>) -> Self {
        Self {
            since: self.since,
            validators,
            items,
            read: true,
        }
    }
}

/// Enough of a hash to tell some thousand items apart.
fn fingerprint(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(items: &[(&str, &str)]) -> Vec<(String, String)> {
        items
            .iter()
            .map(|(id, words)| ((*id).to_owned(), (*words).to_owned()))
            .collect()
    }

    #[test]
    fn an_item_is_known_by_its_id_and_by_its_words() {
        let memory = Memory::first(Instant::UNIX_EPOCH);
        let first = items(&[("a", "it broke"), ("b", "me too")]);
        let (known, after) = memory.meet(&first);
        assert_eq!(known, [Known::New, Known::New]);
        let memory = memory.after(Validators::default(), after);
        let memory = Memory::parse(&memory.text()).unwrap();
        let second = items(&[
            ("c", "hello"),
            ("a", "it broke twice"),
            ("b", "me too"),
            ("x", "me too"),
        ]);
        let (known, _) = memory.meet(&second);
        assert_eq!(known, [Known::New, Known::Changed, Known::Same, Known::Same]);
    }

    #[test]
    fn what_left_the_feed_is_still_known_and_the_memory_has_an_end() {
        let memory = Memory::first(Instant::UNIX_EPOCH);
        let (_, after) = memory.meet(&items(&[("a", "it broke")]));
        let memory = memory.after(Validators::default(), after);
        let (_, after) = memory.meet(&items(&[("b", "me too")]));
        let memory = memory.after(Validators::default(), after);
        assert_eq!(memory.meet(&items(&[("a", "it broke")])).0, [Known::Same]);
        let many: Vec<_> = (0..3_000)
            .map(|n| (n.to_string(), format!("number {n}")))
            .collect();
        assert_eq!(memory.meet(&many).1.len(), MOST);
    }
}
