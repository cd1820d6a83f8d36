//! What the API's answers look like, as far as it is read here
//! (<https://docs.x.com/x-api/fundamentals/data-dictionary>). What nobody needs to hear a customer may be
//! missing or odd.

use crate::domain::Instant;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A page of objects, newest first, or several objects asked for by their ids.
#[derive(Deserialize)]
pub struct Page {
    #[serde(default)]
    pub data: Vec<Box<RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    pub includes: Includes,
    /// What of it is not shown, and why
    /// (<https://docs.x.com/x-api/fundamentals/response-codes-and-errors>, partial errors).
    #[serde(default, deserialize_with = "lenient")]
    pub errors: Vec<Problem>,
    #[serde(default, deserialize_with = "lenient")]
    pub meta: Meta,
}

/// Where the next page begins.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Meta {
    pub next_token: Option<String>,
}

/// An object, or why it is not shown.
#[derive(Deserialize)]
pub struct One<T> {
    #[serde(default = "none")]
    pub data: Option<T>,
    #[serde(default, deserialize_with = "lenient")]
    pub errors: Vec<Problem>,
}

fn none<T>() -> Option<T> {
    None
}

/// Why something is not shown.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub resource_id: String,
    pub title: String,
    pub detail: String,
    #[serde(rename = "type")]
    pub kind: String,
}

impl Problem {
    /// Whether it is gone, and not only hidden from us.
    pub fn is_gone(&self) -> bool {
        self.kind.ends_with("/resource-not-found")
    }
}

/// What was asked for beside the posts (`expansions`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Includes {
    #[serde(deserialize_with = "each")]
    pub users: Vec<User>,
    #[serde(deserialize_with = "each")]
    pub media: Vec<Media>,
}

/// An account.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub id: String,
    pub username: String,
    #[serde(default)]
    pub name: String,
    #[serde(default, deserialize_with = "lenient")]
    pub public_metrics: Followers,
}

/// How many follow an account.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Followers {
    pub followers_count: Option<i64>,
}

/// A picture or a film. Films have a picture that stands for them.
#[derive(Debug, Clone, Deserialize)]
pub struct Media {
    pub media_key: String,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(default)]
    pub preview_image_url: Option<String>,
    #[serde(default)]
    pub alt_text: Option<String>,
}

/// A post. Each edit of one is a post with an id of its own, and tells those before it.
#[derive(Debug, Clone, Deserialize)]
pub struct Tweet {
    pub id: String,
    pub text: String,
    pub author_id: String,
    pub created_at: Instant,
    #[serde(default)]
    pub conversation_id: Option<String>,
    #[serde(default)]
    pub in_reply_to_user_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub referenced_tweets: Vec<Reference>,
    /// The ids of all versions, the first one first.
    #[serde(default, deserialize_with = "lenient")]
    pub edit_history_tweet_ids: Vec<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub entities: Entities,
    #[serde(default, deserialize_with = "lenient")]
    pub attachments: Attachments,
    /// The whole text of a post that is longer than 280.
    #[serde(default, deserialize_with = "lenient")]
    pub note_tweet: Option<Note>,
    #[serde(default)]
    pub lang: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub public_metrics: Metrics,
    /// `everyone`, `mentionedUsers`, `following`, `subscribers`, `verified`
    #[serde(default)]
    pub reply_settings: Option<String>,
}

/// A post that another one is about.
#[derive(Debug, Clone, Deserialize)]
pub struct Reference {
    /// `replied_to`, `quoted`, `retweeted`
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Attachments {
    pub media_keys: Vec<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Note {
    pub text: String,
    #[serde(deserialize_with = "lenient")]
    pub entities: Entities,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Metrics {
    pub like_count: i64,
    pub retweet_count: i64,
    pub quote_count: i64,
    pub impression_count: i64,
}

/// Addresses and people in a text.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Entities {
    #[serde(deserialize_with = "each")]
    pub urls: Vec<Link>,
    #[serde(deserialize_with = "each")]
    pub mentions: Vec<Mention>,
}

/// An address: every one is shortened in the text.
#[derive(Debug, Clone, Deserialize)]
pub struct Link {
    pub url: String,
    #[serde(default)]
    pub expanded_url: Option<String>,
    /// It stands for something attached.
    #[serde(default)]
    pub media_key: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Mention {
    #[serde(default)]
    pub id: String,
}

/// What the API says it published (`POST /2/tweets`).
#[derive(Deserialize)]
pub struct Created {
    pub id: String,
}

/// What the API says it sent (`POST /2/dm_conversations/with/:participant_id/messages`).
#[derive(Deserialize)]
pub struct Sent {
    pub dm_conversation_id: String,
    pub dm_event_id: String,
}

/// A private message (`GET /2/dm_events`).
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub id: String,
    pub text: String,
    pub sender_id: String,
    pub created_at: Instant,
    #[serde(default)]
    pub dm_conversation_id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub entities: Entities,
}

/// A rule of the filtered stream.
#[derive(Debug, Clone, Deserialize)]
pub struct Rule {
    pub id: String,
    pub value: String,
    #[serde(default)]
    pub tag: String,
}

/// What is pushed: an event of an account, or a post of the filtered stream
/// (<https://docs.x.com/x-api/activity/event-payloads>).
#[derive(Deserialize)]
pub struct Push {
    #[serde(default = "none")]
    pub data: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "lenient")]
    pub includes: Includes,
}

/// What happened to an account.
#[derive(Deserialize)]
pub struct Event {
    pub event_type: String,
    pub payload: Box<RawValue>,
    #[serde(default, deserialize_with = "lenient")]
    pub includes: Includes,
}

/// A post that its author took back.
#[derive(Deserialize)]
pub struct Gone {
    pub id: String,
}

/// Private messages in the older form, in which they are pushed.
#[derive(Deserialize)]
pub struct Messages {
    pub direct_message_events: Vec<OldMessage>,
    #[serde(default, deserialize_with = "lenient")]
    pub users: std::collections::HashMap<String, OldUser>,
}

#[derive(Deserialize)]
pub struct OldUser {
    pub data: User,
}

#[derive(Deserialize)]
pub struct OldMessage {
    pub id: String,
    /// Milliseconds since 1970.
    pub created_timestamp: String,
    pub message_create: MessageCreate,
}

#[derive(Deserialize)]
pub struct MessageCreate {
    pub target: Recipient,
    pub sender_id: String,
    pub message_data: MessageData,
}

#[derive(Deserialize)]
pub struct Recipient {
    pub recipient_id: String,
}

#[derive(Deserialize)]
pub struct MessageData {
    pub text: String,
    #[serde(default, deserialize_with = "lenient")]
    pub entities: Entities,
}

/// What can be read of a value; its default otherwise.
fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// Those of a list that can be read.
fn each<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Vec<T>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    let read = values
        .into_iter()
        .filter_map(|value| serde_json::from_value(value).ok());
    Ok(read.collect())
}
