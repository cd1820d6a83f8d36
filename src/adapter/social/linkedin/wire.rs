//! What the API's answers look like, as far as it is read here: comments
//! (<https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api>) and
//! notifications
//! (<https://learn.microsoft.com/en-us/linkedin/marketing/community-management/organizations/organization-social-action-notifications>).

use crate::domain::Instant;
use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// A page of objects.
#[derive(Deserialize)]
pub struct Page {
    #[serde(default)]
    pub elements: Vec<Box<RawValue>>,
}

/// Objects that were asked for by their ids; those that are gone are missing.
#[derive(Default, Deserialize)]
pub struct Several {
    #[serde(default)]
    pub results: HashMap<String, Box<RawValue>>,
}

/// What is pushed: up to ten notifications.
#[derive(Deserialize)]
pub struct Push {
    #[serde(default)]
    pub notifications: Vec<Box<RawValue>>,
}

/// Something that happened on the organisation's page.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// `COMMENT`, `COMMENT_EDIT`, `COMMENT_DELETE`, `SHARE_MENTION`, `ADMIN_COMMENT`, `LIKE`, `SHARE`
    pub action: String,
    /// Milliseconds since 1970.
    pub last_modified_at: i64,
    /// The comment or the post that it is about.
    #[serde(default)]
    pub generated_activity: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub decorated_generated_activity: Decorated,
}

/// The same, with what it says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Decorated {
    pub comment: Option<Said>,
    pub share: Option<Said>,
}

/// A comment or a post, as a notification shows it.
#[derive(Debug, Clone, Deserialize)]
pub struct Said {
    pub entity: String,
    #[serde(default)]
    pub owner: String,
    #[serde(default)]
    pub text: String,
}

/// A comment.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    /// Its number, alone.
    pub id: String,
    /// Who wrote it: a person or an organisation.
    pub actor: String,
    /// The post that it is below.
    pub object: String,
    pub message: Message,
    pub created: Moment,
    #[serde(default)]
    pub last_modified: Option<Moment>,
    /// The comment that it answers: there is one level.
    #[serde(default)]
    pub parent_comment: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub likes_summary: Likes,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    #[serde(default)]
    pub text: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Moment {
    /// Milliseconds since 1970.
    pub time: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Likes {
    pub total_likes: i64,
}

/// What the API says it published; the number also stands in the header `x-restli-id`.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Created {
    pub id: Option<String>,
}

/// A moment in milliseconds.
pub fn at(millis: i64) -> Instant {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// What can be read of a value; its default otherwise.
fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}
