//! The Bot API's objects, as far as they are read here (<https://core.telegram.org/bots/api#available-types>).
//! Unknown fields and kinds of messages are ignored.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// What every method answers: `ok`, and a `result` or why there is none
/// (<https://core.telegram.org/bots/api#making-requests>).
#[derive(Deserialize)]
pub struct Answered<T> {
    pub result: T,
}

/// A refusal.
#[derive(Deserialize)]
pub struct Refused {
    pub description: String,
    #[serde(default)]
    pub parameters: Parameters,
}

/// <https://core.telegram.org/bots/api#responseparameters>
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Parameters {
    /// In seconds.
    pub retry_after: Option<f64>,
}

/// Enough of an update to move on by.
#[derive(Deserialize)]
pub struct Numbered {
    pub update_id: i64,
}

/// <https://core.telegram.org/bots/api#update>
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Update {
    pub message: Option<Message>,
    pub edited_message: Option<Message>,
    pub channel_post: Option<Message>,
    pub edited_channel_post: Option<Message>,
}

/// <https://core.telegram.org/bots/api#message>
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub message_id: i64,
    /// The topic of a forum, where `is_topic_message`.
    #[serde(default)]
    pub message_thread_id: Option<i64>,
    #[serde(default)]
    pub is_topic_message: bool,
    #[serde(default)]
    pub from: Option<User>,
    /// The chat in whose name it was written, if not in that of `from`.
    #[serde(default)]
    pub sender_chat: Option<Chat>,
    /// Seconds since 1970.
    pub date: i64,
    #[serde(default)]
    pub edit_date: Option<i64>,
    pub chat: Chat,
    #[serde(default)]
    pub reply_to_message: Option<ReplyTo>,
    /// What it answers in another chat.
    #[serde(default)]
    pub external_reply: Option<ExternalReply>,
    /// A channel's post, as it is repeated in its discussion group.
    #[serde(default)]
    pub is_automatic_forward: bool,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub caption: Option<String>,
    #[serde(default)]
    pub entities: Vec<Entity>,
    #[serde(default)]
    pub caption_entities: Vec<Entity>,
    #[serde(default)]
    pub photo: Option<IgnoredAny>,
    #[serde(default)]
    pub video: Option<IgnoredAny>,
    #[serde(default)]
    pub video_note: Option<IgnoredAny>,
    #[serde(default)]
    pub voice: Option<IgnoredAny>,
    #[serde(default)]
    pub audio: Option<IgnoredAny>,
    #[serde(default)]
    pub document: Option<IgnoredAny>,
    #[serde(default)]
    pub sticker: Option<Value>,
}

/// The message that is answered.
#[derive(Debug, Clone, Deserialize)]
pub struct ReplyTo {
    pub message_id: i64,
    #[serde(default)]
    pub from: Option<User>,
    /// Where it opens the topic, every message of the topic answers it.
    #[serde(default)]
    pub forum_topic_created: Option<IgnoredAny>,
}

/// <https://core.telegram.org/bots/api#externalreplyinfo>
#[derive(Debug, Clone, Deserialize)]
pub struct ExternalReply {
    #[serde(default)]
    pub chat: Option<Chat>,
    /// Only of supergroups and channels.
    #[serde(default)]
    pub message_id: Option<i64>,
}

/// <https://core.telegram.org/bots/api#user>
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub id: i64,
    #[serde(default)]
    pub is_bot: bool,
    #[serde(default)]
    pub first_name: String,
    #[serde(default)]
    pub last_name: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
}

/// <https://core.telegram.org/bots/api#chat>
#[derive(Debug, Clone, Deserialize)]
pub struct Chat {
    pub id: i64,
    /// `private`, `group`, `supergroup`, `channel`
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub username: Option<String>,
}

/// <https://core.telegram.org/bots/api#messageentity>
#[derive(Debug, Clone, Deserialize)]
pub struct Entity {
    /// Of a text that hides an address.
    #[serde(default)]
    pub url: Option<String>,
}

/// <https://core.telegram.org/bots/api#webhookinfo>
#[derive(Deserialize)]
pub struct WebhookInfo {
    /// Empty where there is none.
    pub url: String,
    #[serde(default)]
    pub pending_update_count: i64,
    #[serde(default)]
    pub last_error_message: Option<String>,
}
