//! What Jetstream's messages say, in either of their two forms, and whether it concerns us.

use super::wire::{ReplyRef, lenient};
use crate::domain::Instant;
use serde::Deserialize;
use serde_json::Value;

/// Something that happened to a record, in either form.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    pub did: String,
    /// When it was seen, in microseconds since 1970.
    pub micros: i64,
    /// `create`, `update` or `delete`.
    pub operation: String,
    pub collection: String,
    pub rkey: String,
    /// What it says; of a deletion nothing.
    pub record: Option<Said>,
}

/// The first form: `{"did", "time_us", "kind": "commit", "commit": {…}}`.
#[derive(Deserialize)]
struct First {
    did: String,
    time_us: i64,
    commit: Option<Commit>,
}

/// The second: `{"$type": "message", "payload": {"$type": "…#commit", …}}`, or `{"$type": "error", …}`.
#[derive(Deserialize)]
struct Second {
    #[serde(rename = "$type")]
    kind: String,
    error: Option<String>,
    message: Option<String>,
    payload: Option<Payload>,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "$type")]
    kind: String,
    #[serde(default)]
    did: String,
    /// When this instance saw it; `time` may have been set by its operator.
    #[serde(rename = "witnessedAt")]
    witnessed_at: Option<Instant>,
    time: Option<Instant>,
    message: Option<String>,
    #[serde(flatten)]
    commit: Commit,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(default)]
    operation: String,
    #[serde(default)]
    collection: String,
    #[serde(default)]
    rkey: String,
    #[serde(default, deserialize_with = "lenient")]
    record: Option<Said>,
}

/// What is asked of a post's record.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Said {
    #[serde(default)]
    text: String,
    #[serde(default, deserialize_with = "lenient")]
    facets: Vec<Value>,
    #[serde(default, deserialize_with = "lenient")]
    reply: Option<ReplyRef>,
    #[serde(default)]
    embed: Value,
}

impl Event {
    /// What a message tells; nothing where it is of no record, or cannot be read: the sweep sees it.
    ///
    /// # Errors
    /// The server ends the stream, for this reason.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        if let Ok(told) = serde_json::from_str::<Second>(text) {
            return match (told.kind.as_str(), told.payload) {
                ("error", _) => Err(format!(
                    "the stream ended: {} {}",
                    told.error.unwrap_or_default(),
                    told.message.unwrap_or_default()
                )),
                (_, Some(payload)) if payload.kind.ends_with("#commit") => {
                    let at = payload.witnessed_at.or(payload.time);
                    Ok(at.map(|at| Self::of(payload.did, at.timestamp_micros(), payload.commit)))
                }
                (_, Some(payload)) if payload.kind.ends_with("#info") => {
                    let what = payload.message.unwrap_or_default();
                    tracing::info!(
                        what,
                        "Jetstream begins at another moment; what is missing comes with the sweep."
                    );
                    Ok(None)
                }
                (_, _) => Ok(None),
            };
        }
        let told: Option<First> = serde_json::from_str(text).ok();
        Ok(told.and_then(|told| Some(Self::of(told.did, told.time_us, told.commit?))))
    }

    fn of(did: String, micros: i64, commit: Commit) -> Self {
        Self {
            did,
            micros,
            operation: commit.operation,
            collection: commit.collection,
            rkey: commit.rkey,
            record: commit.record,
        }
    }
}

/// Whether a post concerns us, and why as notifications call it; no reason where it only has the words.
pub fn concerns(record: &Said, me: &str, search: &[String]) -> Option<Option<&'static str>> {
    let ours = |uri: &str| uri.strip_prefix("at://").and_then(|uri| uri.split('/').next()) == Some(me);
    let mut features = record
        .facets
        .iter()
        .flat_map(|facet| facet["features"].as_array().into_iter().flatten());
    if features.any(|feature| feature["did"] == me) {
        return Some(Some("mention"));
    }
    if record.reply.as_ref().is_some_and(|reply| ours(&reply.parent.uri)) {
        return Some(Some("reply"));
    }
    // Of a quote, and of a quote with pictures.
    let quoted = [
        &record.embed["record"]["uri"],
        &record.embed["record"]["record"]["uri"],
    ];
    if quoted.iter().any(|uri| uri.as_str().is_some_and(ours)) {
        return Some(Some("quote"));
    }
    let text = record.text.to_lowercase();
    search.iter().any(|query| has(&text, query)).then_some(None)
}

/// Whether a text in lower case has all the words of a search. Searches with operators (`from:`) are left to the
/// sweep.
fn has(text: &str, query: &str) -> bool {
    let query = query.to_lowercase();
    if query.contains(':') {
        return false;
    }
    let phrases = query.split('"').enumerate();
    let mut parts = phrases.flat_map(|(at, part)| match at % 2 {
        1 => vec![part],
        _ => part.split_whitespace().collect(),
    });
    !query.trim().is_empty() && parts.all(|part| text.contains(part.trim_start_matches('#')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    const ME: &str = "did:plc:help";

    #[test]
    fn both_forms_say_the_same() {
        let commit = json!({"rev": "3l3qo2vutsw2b", "operation": "create", "collection": "app.bsky.feed.post",
            "rkey": "3l3qo2vuowo2b", "record": {"$type": "app.bsky.feed.post", "text": "hi", "langs": ["en"]},
            "cid": "bafyreidwaivazkwu67xztlmuobx35hs2lnfh3kolmgfmucldvhd3sgzcqi"});
        let first = json!({"did": "did:plc:eygmaihciaxprqvxpfvl6flk", "time_us": 1_725_911_162_329_308_i64,
            "kind": "commit", "commit": commit});
        let mut payload = commit.clone();
        payload["$type"] = json!("network.bsky.jetstream.subscribeEvents#commit");
        payload["seq"] = json!(24_664_288_885_i64);
        payload["did"] = first["did"].clone();
        payload["time"] = json!("2024-01-01T00:00:00.000000Z");
        payload["witnessedAt"] = json!("2024-09-09T19:46:02.329308Z");
        let second = json!({"$type": "message", "payload": payload});
        let read = |frame: &Value| Event::parse(&frame.to_string()).unwrap().unwrap();
        let (first, second) = (read(&first), read(&second));
        assert_eq!(first, second);
        assert_eq!(first.micros, 1_725_911_162_329_308);
        assert_eq!(
            (first.operation.as_str(), first.rkey.as_str()),
            ("create", "3l3qo2vuowo2b")
        );
        assert_eq!(first.record.unwrap().text, "hi");
    }

    #[rstest]
    #[case(json!({"did": "did:plc:a", "time_us": 1, "kind": "identity", "identity": {"did": "did:plc:a", "seq": 1}}))]
    #[case(json!({"did": "did:plc:a", "time_us": 1, "kind": "account", "account": {"active": false}}))]
    #[case(json!({"$type": "message", "payload": {"$type": "network.bsky.jetstream.subscribeEvents#info", "name": "OutdatedCursor", "message": "resumed from seq 24664288000"}}))]
    #[case(json!({"$type": "message", "payload": {"$type": "network.bsky.jetstream.subscribeEvents#sync", "seq": 1, "did": "did:plc:a", "time": "2024-09-09T19:46:02.329308Z", "sync": {}}}))]
    #[case(json!({}))]
    #[case(json!([]))]
    fn what_is_of_no_record_is_left_out(#[case] frame: Value) {
        assert_eq!(Event::parse(&frame.to_string()), Ok(None));
    }

    #[test]
    fn the_end_is_told() {
        let frame = r#"{"$type":"error","error":"ConsumerTooSlow","message":"reader below floor rate"}"#;
        assert!(Event::parse(frame).unwrap_err().contains("ConsumerTooSlow"));
    }

    #[rstest]
    #[case::mention(json!({"text": "@help", "facets": [{"index": {}, "features": [{"$type": "app.bsky.richtext.facet#mention", "did": ME}]}]}), Some(Some("mention")))]
    #[case::answer(json!({"text": "", "reply": {"root": {"uri": "at://did:plc:eve/x/1", "cid": "c"}, "parent": {"uri": "at://did:plc:help/app.bsky.feed.post/1", "cid": "c"}}}), Some(Some("reply")))]
    #[case::below_ours(json!({"text": "", "reply": {"root": {"uri": "at://did:plc:help/x/1", "cid": "c"}, "parent": {"uri": "at://did:plc:eve/x/1", "cid": "c"}}}), None)]
    #[case::quote(json!({"text": "", "embed": {"record": {"uri": "at://did:plc:help/x/1"}}}), Some(Some("quote")))]
    #[case::quote_with_pictures(json!({"text": "", "embed": {"record": {"record": {"uri": "at://did:plc:help/x/1"}}, "media": {}}}), Some(Some("quote")))]
    #[case::another_account(json!({"text": "", "embed": {"record": {"uri": "at://did:plc:helper/x/1"}}}), None)]
    #[case::words(json!({"text": "My ACME lamp"}), Some(None))]
    #[case::one_word_of_two(json!({"text": "My lamp"}), None)]
    #[case::nothing(json!({"text": "hello"}), None)]
    #[case::odd(json!({"text": "hello", "facets": "?", "reply": 7, "embed": []}), None)]
    fn what_concerns_us(#[case] record: Value, #[case] why: Option<Option<&str>>) {
        let record: Said = serde_json::from_value(record).unwrap();
        assert_eq!(concerns(&record, ME, &["acme lamp".to_owned()]), why);
    }

    #[rstest]
    #[case("acme", true)]
    #[case("Acme desk", true)]
    #[case("\"desk lamp\" acme", true)]
    #[case("\"lamp desk\"", false)]
    #[case("#acme", true)]
    #[case("acme from:eve.example", false)]
    #[case("chair", false)]
    #[case("  ", false)]
    fn words_are_looked_for_like_a_search(#[case] query: &str, #[case] found: bool) {
        assert_eq!(has("my acme desk lamp", query), found);
    }
}
