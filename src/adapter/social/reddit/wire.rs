//! What the API's answers look like, as far as it is read here: a listing of things, each with its kind
//! (<https://github.com/reddit-archive/reddit/wiki/JSON>, <https://www.reddit.com/dev/api>). A comment in the
//! inbox has other fields than the same comment elsewhere: where it stands is in `context`, and whether it was
//! edited is not told.

use crate::domain::Instant;
use chrono::DateTime;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A token that was made (<https://github.com/reddit-archive/reddit/wiki/OAuth2>). A password that is wrong
/// is answered with 200 and an `error`.
#[derive(Deserialize)]
pub struct Token {
    pub access_token: Option<String>,
    /// In seconds.
    #[serde(default)]
    pub expires_in: u64,
    pub error: Option<Value>,
}

/// A page of a list, newest first.
#[derive(Deserialize)]
pub struct Listing {
    pub data: Page,
}

/// What is in it.
#[derive(Deserialize)]
pub struct Page {
    pub children: Vec<Box<RawValue>>,
    /// The full name behind which the next page begins.
    #[serde(default)]
    pub after: Option<String>,
}

/// What is asked of a thing before it is read whole.
#[derive(Deserialize)]
pub struct Named {
    pub data: Name,
}

/// Its full name (kind and id), and when it was written.
#[derive(Deserialize)]
pub struct Name {
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub created_utc: Option<f64>,
}

/// A comment (`t1`), a post (`t3`, called a link) or a private message (`t4`).
#[derive(Debug, Clone, Deserialize)]
pub struct Thing {
    pub kind: String,
    pub data: Data,
}

/// What it says.
#[derive(Debug, Clone, Deserialize)]
pub struct Data {
    /// The full name.
    pub name: String,
    /// The user's name; `[deleted]` where they are gone. A message of a subreddit or of Reddit has none.
    #[serde(default)]
    pub author: Option<String>,
    /// Seconds since 1970.
    pub created_utc: f64,
    /// `false`, or when, in seconds since 1970.
    #[serde(default, deserialize_with = "moment")]
    pub edited: Option<Instant>,
    /// Of a comment or a message.
    #[serde(default)]
    pub body: Option<String>,
    /// Of a post.
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub selftext: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub post_hint: Option<String>,
    /// Of a message.
    #[serde(default)]
    pub subject: Option<String>,
    /// The first message of its conversation.
    #[serde(default)]
    pub first_message_name: Option<String>,
    /// What a comment or a message answers.
    #[serde(default)]
    pub parent_id: Option<String>,
    /// The post that a comment is under.
    #[serde(default)]
    pub link_id: Option<String>,
    #[serde(default)]
    pub permalink: Option<String>,
    /// Where it stands, in the inbox: `/r/…/comments/POST/…/COMMENT/?context=3`.
    #[serde(default)]
    pub context: Option<String>,
    /// Why it is in the inbox: `comment_reply`, `post_reply`, `username_mention`.
    #[serde(default, rename = "type")]
    pub why: Option<String>,
    #[serde(default)]
    pub score: Option<i64>,
    #[serde(default)]
    pub locked: Option<bool>,
    #[serde(default)]
    pub archived: Option<bool>,
}

impl Data {
    /// When it was published.
    pub fn created_at(&self) -> Instant {
        at(self.created_utc)
    }
}

/// What publishing answers: always 200, with what is wrong in it.
#[derive(Deserialize)]
pub struct Commented {
    pub json: Outcome,
}

/// What became of it.
#[derive(Deserialize)]
pub struct Outcome {
    /// Name, words, field of each.
    #[serde(default)]
    pub errors: Vec<Vec<Value>>,
    /// How many seconds are to be waited, where that is what is wrong.
    #[serde(default)]
    pub ratelimit: Option<f64>,
    #[serde(default)]
    pub data: Option<Things>,
}

/// What was made.
#[derive(Deserialize)]
pub struct Things {
    #[serde(default)]
    pub things: Vec<Thing>,
}

/// A time in seconds since 1970.
pub fn at(seconds: f64) -> Instant {
    #[expect(clippy::cast_possible_truncation, reason = "a time that fits no i64 is none")]
    let millis = (seconds * 1000.0) as i64;
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn moment<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Instant>, D::Error> {
    Ok(Value::deserialize(from)?.as_f64().map(at))
}
