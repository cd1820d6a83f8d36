//! The API's objects, as far as we read them. Servers differ: only what nothing works without is
//! required, a `null` is a missing value, and unknown fields and words are ignored
//! (<https://docs.joinmastodon.org/entities/>).

use crate::domain::Instant;
use chrono::DateTime;
use serde::{Deserialize, Deserializer};

/// <https://docs.joinmastodon.org/entities/Account/>
#[derive(Debug, Clone, Deserialize)]
pub struct Account {
    pub id: String,
    pub acct: String,
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
    #[serde(default)]
    pub followers_count: Option<i64>,
    #[serde(default)]
    pub url: Option<String>,
}

/// <https://docs.joinmastodon.org/entities/Status/>
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    pub id: String,
    pub created_at: Instant,
    #[serde(default, deserialize_with = "lenient_time")]
    pub edited_at: Option<Instant>,
    #[serde(default)]
    pub in_reply_to_id: Option<String>,
    #[serde(default)]
    pub in_reply_to_account_id: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub visibility: String,
    #[serde(default, deserialize_with = "or_default")]
    pub spoiler_text: String,
    #[serde(default)]
    pub language: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub content: String,
    pub account: Account,
    #[serde(default, deserialize_with = "or_default")]
    pub mentions: Vec<Mention>,
    #[serde(default, deserialize_with = "or_default")]
    pub media_attachments: Vec<Attachment>,
    #[serde(default, deserialize_with = "or_default")]
    pub favourites_count: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub reblogs_count: i64,
    #[serde(default)]
    pub reblog: Option<serde::de::IgnoredAny>,
}

/// <https://docs.joinmastodon.org/entities/Status/#Mention>
#[derive(Debug, Clone, Deserialize)]
pub struct Mention {
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub acct: String,
    #[serde(default, deserialize_with = "or_default")]
    pub url: String,
}

/// <https://docs.joinmastodon.org/entities/MediaAttachment/>
#[derive(Debug, Clone, Deserialize)]
pub struct Attachment {
    #[serde(rename = "type", default, deserialize_with = "or_default")]
    pub kind: String,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub remote_url: Option<String>,
    /// A small still picture of it.
    #[serde(default)]
    pub preview_url: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub description: String,
}

/// <https://docs.joinmastodon.org/entities/Notification/>
#[derive(Debug, Deserialize)]
pub struct Notification {
    #[serde(default)]
    pub status: Option<Status>,
}

/// What kind of notification it is: what the others contain need not be readable.
#[derive(Debug, Deserialize)]
pub struct Kind {
    #[serde(rename = "type")]
    pub kind: String,
}

/// Any object of a list: enough to move a cursor by.
#[derive(Debug, Deserialize)]
pub struct Identified {
    pub id: String,
}

/// What a post answers, of <https://docs.joinmastodon.org/entities/Context/>: nothing of what
/// others wrote below it is decoded.
#[derive(Debug, Deserialize)]
pub struct Ancestors {
    #[serde(default, deserialize_with = "or_default")]
    pub ancestors: Vec<Identified>,
}

/// What stands below a post, of <https://docs.joinmastodon.org/entities/Context/>.
#[derive(Debug, Deserialize)]
pub struct Descendants {
    #[serde(default, deserialize_with = "or_default")]
    pub descendants: Vec<Status>,
}

/// <https://docs.joinmastodon.org/entities/Instance/>, and the older one of `/api/v1/instance`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Instance {
    #[serde(deserialize_with = "or_default")]
    pub version: String,
    #[serde(deserialize_with = "or_default")]
    pub configuration: Configuration,
    /// In the older form.
    #[serde(deserialize_with = "or_default")]
    pub urls: Urls,
    /// In the older form, of Pleroma.
    pub max_toot_chars: Option<usize>,
}

/// `configuration` of an instance.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Configuration {
    #[serde(deserialize_with = "or_default")]
    pub statuses: StatusLimits,
    #[serde(deserialize_with = "or_default")]
    pub urls: Urls,
}

/// `configuration.statuses` of an instance.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct StatusLimits {
    pub max_characters: Option<usize>,
    pub characters_reserved_per_url: Option<usize>,
}

/// Addresses an instance tells: `streaming` now, `streaming_api` in the older form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Urls {
    #[serde(alias = "streaming_api")]
    pub streaming: Option<String>,
}

/// <https://nodeinfo.diaspora.software/protocol>
#[derive(Debug, Deserialize)]
pub struct NodeInfoIndex {
    pub links: Vec<NodeInfoLink>,
}

/// A link of the index.
#[derive(Debug, Deserialize)]
pub struct NodeInfoLink {
    pub href: String,
}

/// What a server runs.
#[derive(Debug, Deserialize)]
pub struct NodeInfo {
    pub software: NodeSoftware,
}

/// Its name.
#[derive(Debug, Deserialize)]
pub struct NodeSoftware {
    pub name: String,
}

/// What a search found.
#[derive(Debug, Deserialize)]
pub struct Found {
    #[serde(default, deserialize_with = "or_default")]
    pub statuses: Vec<Box<serde_json::value::RawValue>>,
}

/// An event of a stream (<https://docs.joinmastodon.org/methods/streaming/#events>).
#[derive(Debug, Deserialize)]
pub struct StreamEvent {
    pub event: String,
    #[serde(default)]
    pub payload: Option<String>,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A time that some servers leave empty: nonsense is no time.
fn lenient_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Instant>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    Ok(text.and_then(|text| Some(DateTime::parse_from_rfc3339(&text).ok()?.to_utc())))
}
