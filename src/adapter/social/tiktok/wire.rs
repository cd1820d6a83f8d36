//! What the API's answers look like, as far as it is read here (TikTok API for Business v1.3,
//! <https://business-api.tiktok.com/portal/docs?id=1739940570793985>). Ids may come as numbers that only a
//! 64-bit integer holds.

use crate::domain::Instant;
use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// What every answer is: also a failure comes with the status 200.
#[derive(Deserialize)]
pub struct Envelope {
    /// 0: done.
    pub code: i64,
    #[serde(default)]
    pub message: String,
    #[serde(default)]
    pub data: Option<Box<RawValue>>,
}

/// A page of the account's videos, the newest first.
#[derive(Deserialize)]
pub struct Videos {
    #[serde(default, deserialize_with = "each")]
    pub videos: Vec<Video>,
}

#[derive(Deserialize)]
pub struct Video {
    #[serde(deserialize_with = "text")]
    pub item_id: String,
    #[serde(default)]
    pub share_url: Option<String>,
}

/// A page of comments, or of answers to one.
#[derive(Deserialize)]
pub struct Comments {
    #[serde(default)]
    pub comments: Vec<Box<RawValue>>,
    #[serde(default)]
    pub has_more: bool,
    #[serde(default)]
    pub cursor: i64,
}

/// A comment, or an answer to one.
#[derive(Debug, Clone, Deserialize)]
pub struct Comment {
    #[serde(deserialize_with = "text")]
    pub comment_id: String,
    #[serde(deserialize_with = "text")]
    pub video_id: String,
    /// Seconds since 1970.
    #[serde(deserialize_with = "text")]
    pub create_time: String,
    #[serde(default)]
    pub text: String,
    /// Only of answers: there is one level.
    #[serde(default, deserialize_with = "text")]
    pub parent_comment_id: String,
    /// Whether the account itself wrote it.
    #[serde(default)]
    pub owner: bool,
    #[serde(default)]
    pub likes: i64,
    /// How many answers it has.
    #[serde(default)]
    pub replies: i64,
    /// Who wrote it, the same in all interfaces; `user_id` is older.
    #[serde(default, deserialize_with = "text")]
    pub unique_identifier: String,
    #[serde(default, deserialize_with = "text")]
    pub user_id: String,
    #[serde(default)]
    pub username: String,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub image_url: Option<String>,
}

impl Comment {
    pub fn at(&self) -> Instant {
        let seconds = self.create_time.parse().ok();
        seconds
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            .unwrap_or_default()
    }

    /// The first comment of its thread.
    pub fn root(&self) -> &str {
        match self.parent_comment_id.as_str() {
            "" | "0" => &self.comment_id,
            parent => parent,
        }
    }
}

/// What the API says it published.
#[derive(Deserialize)]
pub struct Created {
    #[serde(deserialize_with = "text")]
    pub comment_id: String,
    #[serde(default, deserialize_with = "text")]
    pub parent_comment_id: String,
}

/// What is pushed.
#[derive(Deserialize)]
pub struct Push {
    pub event: String,
    /// The account that it is about.
    #[serde(default)]
    pub user_openid: String,
    /// JSON, as a text.
    pub content: String,
}

/// What happened to a comment (`comment.update`).
#[derive(Deserialize)]
pub struct Update {
    #[serde(deserialize_with = "text")]
    pub comment_id: String,
    #[serde(deserialize_with = "text")]
    pub video_id: String,
    /// `insert`, `delete`, `set_to_hidden`, `set_to_friends_only`, `set_to_public`
    #[serde(default)]
    pub comment_action: String,
}

/// A text, or a number as a text; nothing: an empty one.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    match Value::deserialize(from)? {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Null => Ok(String::new()),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(serde::de::Error::custom("neither a text nor a number"))
        }
    }
}

/// Those of a list that can be read.
fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    let read = values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok());
    Ok(read.collect())
}
