//! The record a reply becomes: its key, its words, and which of them are links and mentions. All of it is a
//! pure function of the reply as it was frozen, and of the post that it answers.

use super::wire::{StrongRef, View};
use crate::domain::{IdempotencyKey, Instant, Reply};
use chrono::SecondsFormat;
use linkify::{LinkFinder, LinkKind};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation as _;

/// The most graphemes of a post, and the most bytes (`maxGraphemes`, `maxLength` of `text` in
/// `app.bsky.feed.post`).
pub const GRAPHEMES: usize = 300;
pub const BYTES: usize = 3000;

/// The digits of a TID.
const DIGITS: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";

/// The key of the record that a reply becomes: a TID of when the reply was given, to the microsecond, and of
/// ten bits of its own key (<https://atproto.com/specs/tid>). Every attempt has the same.
pub fn key(created_at: Instant, key: &IdempotencyKey) -> String {
    let digest = Sha256::digest(key.as_str().as_bytes());
    let clock = u64::from(u16::from_be_bytes([digest[0], digest[1]]) & 0x3ff);
    let micros = u64::try_from(created_at.timestamp_micros()).unwrap_or(0) & ((1 << 53) - 1);
    let number = (micros << 10) | clock;
    let digit = |place: u32| char::from(DIGITS[(number >> (5 * place)) as usize & 31]);
    (0..13).rev().map(digit).collect()
}

/// A text's length as it counts: its length, the most, and what is counted. Bytes only where it is they that
/// are too many.
pub fn length(text: &str) -> (usize, usize, &'static str) {
    let graphemes = text.graphemes(true).count();
    if text.len() > BYTES && graphemes <= GRAPHEMES {
        (text.len(), BYTES, "bytes")
    } else {
        (graphemes, GRAPHEMES, "characters")
    }
}

/// Where handles are named in a text, the `@` included, and which.
pub fn mentions(text: &str) -> Vec<(Range<usize>, String)> {
    let links = links(text);
    let in_link = |at: usize| links.iter().any(|(range, _)| range.contains(&at));
    let starts = text.match_indices('@').map(|(at, _)| at);
    let free = starts.filter(|at| {
        let before = text[..*at].chars().next_back();
        !in_link(*at) && before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '@' | '/' | '.'))
    });
    free.filter_map(|at| {
        let rest = &text[at + 1..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '.' | '-'));
        let handle = rest[..end.unwrap_or(rest.len())].trim_end_matches(['.', '-']);
        let last = handle.rsplit_once('.')?.1;
        let sound = !handle.starts_with(['.', '-']) && last.starts_with(|c: char| c.is_ascii_alphabetic());
        sound.then(|| (at..at + 1 + handle.len(), handle.to_ascii_lowercase()))
    })
    .collect()
}

/// The addresses in a text.
fn links(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let links = finder.links(text);
    let links =
        links.filter(|link| link.as_str().starts_with("http://") || link.as_str().starts_with("https://"));
    links
        .map(|link| (link.start()..link.end(), link.as_str()))
        .collect()
}

/// The record. `known` has the DIDs of the handles that its text names: without its facet a mention tells
/// nobody, and a link is no link (<https://docs.bsky.app/docs/advanced-guides/post-richtext>).
pub fn record(reply: &Reply, parent: &View, known: &HashMap<String, String>) -> Value {
    let own = StrongRef {
        uri: parent.uri.clone(),
        cid: parent.cid.clone(),
    };
    let root = parent.record.reply.as_ref().map_or(&own, |reply| &reply.root);
    let mut record = json!({
        "$type": super::POST,
        "text": reply.text,
        "createdAt": reply.hold_until.to_rfc3339_opts(SecondsFormat::Millis, true),
        "reply": {"root": root, "parent": own},
    });
    let facets = facets(&reply.text, known);
    if !facets.is_empty() {
        record["facets"] = facets.into();
    }
    if let Some(lang) = reply.lang.as_deref().filter(|lang| is_language(lang)) {
        record["langs"] = json!([lang]);
    }
    record
}

fn facets(text: &str, known: &HashMap<String, String>) -> Vec<Value> {
    let facet = |range: &Range<usize>, feature: Value| json!({"index": {"byteStart": range.start, "byteEnd": range.end}, "features": [feature]});
    let links = links(text).into_iter().map(|(range, uri)| {
        let feature = json!({"$type": "app.bsky.richtext.facet#link", "uri": uri});
        (range.start, facet(&range, feature))
    });
    let mentions = mentions(text).into_iter().filter_map(|(range, handle)| {
        let feature = json!({"$type": "app.bsky.richtext.facet#mention", "did": known.get(&handle)?});
        Some((range.start, facet(&range, feature)))
    });
    let mut facets: Vec<_> = links.chain(mentions).collect();
    facets.sort_by_key(|(at, _)| *at);
    facets.into_iter().map(|(_, facet)| facet).collect()
}

/// Whether a word can be a language's tag: a server refuses the whole record for one that is none.
fn is_language(tag: &str) -> bool {
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    (2..=3).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_lowercase())
        && parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;
    use rstest::rstest;

    #[test]
    fn a_key_is_a_tid_and_the_same_for_every_attempt() {
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let one = key(at, &"reply-1".into());
        assert_eq!(one, key(at, &"reply-1".into()));
        assert_ne!(one, key(at, &"reply-2".into()));
        assert!(one < key(at + chrono::TimeDelta::microseconds(1), &"reply-1".into()));
        let first = "234567abcdefghij";
        assert!(one.len() == 13 && first.contains(&one[..1]), "{one}");
        assert!(one.bytes().all(|byte| DIGITS.contains(&byte)), "{one}");
        // Read back, digit by digit, it is the moment.
        let number = one.bytes().fold(0u64, |number, byte| {
            let digit = DIGITS.iter().position(|digit| *digit == byte).unwrap();
            (number << 5) | digit as u64
        });
        assert_eq!(number >> 10, 1_800_000_000_123_456);
    }

    #[rstest]
    #[case::plain("abc", (3, 300, "characters"))]
    #[case::a_family("👨‍👩‍👧‍👦", (1, 300, "characters"))]
    #[case::too_many(&"ä".repeat(301), (301, 300, "characters"))]
    #[case::too_heavy(&"👨‍👩‍👧‍👦".repeat(121), (3025, 3000, "bytes"))]
    #[case::both(&"👨‍👩‍👧‍👦".repeat(301), (301, 300, "characters"))]
    fn graphemes_count_and_bytes_too(#[case] text: &str, #[case] counted: (usize, usize, &'static str)) {
        assert_eq!(length(text), counted);
    }

    #[rstest]
    #[case("Hello @Ann.b.example, see", &[(6..20, "ann.b.example")])]
    #[case("ä @ann.b.example.", &[(3..17, "ann.b.example")])]
    #[case("(@a.example) and @b.example!", &[(1..11, "a.example"), (17..27, "b.example")])]
    #[case("mail shop@help.example", &[])]
    #[case("https://a.example/@bob.example", &[])]
    #[case("@ann and @1.2 and @-a.example", &[])]
    fn handles_are_found(#[case] text: &str, #[case] found: &[(Range<usize>, &str)]) {
        let found: Vec<_> = found
            .iter()
            .map(|(range, handle)| (range.clone(), (*handle).to_owned()))
            .collect();
        assert_eq!(mentions(text), found);
    }

    #[test]
    fn facets_count_bytes() {
        let known = HashMap::from([("ann.example".to_owned(), "did:plc:ann".to_owned())]);
        let facets = facets("Größe 👍 https://a.example/ä. @ann.example @eve.example", &known);
        let text = "Größe 👍 https://a.example/ä. @ann.example @eve.example";
        let part = |facet: &Value| {
            let at = |name: &str| usize::try_from(facet["index"][name].as_u64().unwrap()).unwrap();
            text[at("byteStart")..at("byteEnd")].to_owned()
        };
        assert_eq!(facets.len(), 2, "{facets:?}");
        assert_eq!(part(&facets[0]), "https://a.example/ä");
        assert_eq!(facets[0]["features"][0]["uri"], "https://a.example/ä");
        assert_eq!(part(&facets[1]), "@ann.example");
        assert_eq!(facets[1]["features"][0]["did"], "did:plc:ann");
    }

    #[rstest]
    #[case("en", true)]
    #[case("pt-BR", true)]
    #[case("", false)]
    #[case("English", false)]
    #[case("e n", false)]
    fn only_a_language_is_one(#[case] tag: &str, #[case] is: bool) {
        assert_eq!(is_language(tag), is);
    }

    proptest! {
        #[test]
        fn facets_stand_on_borders_of_characters(text in "[ @a-zä👍./:-]{0,60}") {
            for (range, _) in mentions(&text) {
                prop_assert!(text.get(range).is_some());
            }
            let _ = facets(&text, &HashMap::new());
        }
    }
}
