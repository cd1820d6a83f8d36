//! What the API's answers and notifications look like, as far as they are read here.

use crate::adapter::graph::talk::Messages;
use crate::adapter::graph::wire::{Ref, Who, at, id, lenient, perhaps_at};
use crate::domain::Instant;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The fields that are asked of a post (<https://developers.facebook.com/docs/graph-api/reference/page-post>).
pub const POST: &str = "id,message,story,from,created_time,updated_time,permalink_url,shares,\
                        attachments{media_type,media,description},can_reply_privately";
/// The fields that are asked of a comment (<https://developers.facebook.com/docs/graph-api/reference/comment>).
pub const COMMENT: &str = "id,message,from,created_time,permalink_url,like_count,parent{id},\
                           attachment{type,media,description},can_comment,can_reply_privately";
/// The fields that are asked of a recommendation
/// (<https://developers.facebook.com/docs/graph-api/reference/recommendation>).
pub const RATING: &str = "created_time,rating,recommendation_type,review_text,reviewer,open_graph_story{id}";
/// The fields that are asked of a message
/// (<https://developers.facebook.com/docs/graph-api/reference/message>).
pub const MESSAGE: &str = "id,message,from,created_time,attachments{mime_type,image_data}";

/// A post or a comment.
#[derive(Debug, Clone, Deserialize)]
pub struct Node {
    pub id: String,
    #[serde(default)]
    pub message: Option<String>,
    /// What the network says in place of words.
    #[serde(default)]
    pub story: Option<String>,
    /// Missing where the author's settings do not let the page know.
    #[serde(default)]
    pub from: Option<Who>,
    #[serde(deserialize_with = "at")]
    pub created_time: Instant,
    /// Of a post: when it was edited or commented on last.
    #[serde(default, deserialize_with = "perhaps_at")]
    pub updated_time: Option<Instant>,
    #[serde(default)]
    pub permalink_url: Option<String>,
    /// Of a comment: the comment that it answers.
    #[serde(default)]
    pub parent: Option<Ref>,
    #[serde(default)]
    pub like_count: i64,
    #[serde(default, deserialize_with = "lenient")]
    pub shares: Shares,
    #[serde(default, deserialize_with = "lenient")]
    pub attachment: Option<Attachment>,
    #[serde(default, deserialize_with = "lenient")]
    pub attachments: Listed<Attachment>,
    #[serde(default)]
    pub can_comment: Option<bool>,
    #[serde(default)]
    pub can_reply_privately: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub struct Shares {
    #[serde(default)]
    pub count: i64,
}

/// A list inside of an object.
#[derive(Debug, Clone, Deserialize)]
pub struct Listed<T> {
    #[serde(default = "Vec::new")]
    pub data: Vec<T>,
}

impl<T> Default for Listed<T> {
    fn default() -> Self {
        Self { data: Vec::new() }
    }
}

/// What is shown with a post or a comment.
#[derive(Debug, Clone, Deserialize)]
pub struct Attachment {
    #[serde(default)]
    pub media: Option<Shown>,
    #[serde(default)]
    pub description: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Shown {
    #[serde(default)]
    pub image: Option<Image>,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Image {
    pub src: String,
}

/// A recommendation, or a rating of before there were these.
#[derive(Debug, Clone, Deserialize)]
pub struct Rating {
    #[serde(deserialize_with = "at")]
    pub created_time: Instant,
    #[serde(default)]
    pub rating: Option<i64>,
    #[serde(default)]
    pub recommendation_type: Option<String>,
    #[serde(default)]
    pub review_text: Option<String>,
    #[serde(default)]
    pub reviewer: Option<Who>,
    /// What comments on it stand under.
    pub open_graph_story: Ref,
}

/// A conversation, with when it moved last.
#[derive(Debug, Clone, Deserialize)]
pub struct Talk {
    #[serde(default, deserialize_with = "perhaps_at")]
    pub updated_time: Option<Instant>,
    #[serde(default)]
    pub messages: Messages,
}

/// What came of a publishing call: a comment has an `id`, a message a `message_id` and whom it went to
/// (<https://developers.facebook.com/docs/messenger-platform/reference/send-api>).
#[derive(Debug, Deserialize)]
pub struct Done {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub message_id: Option<String>,
    #[serde(default)]
    pub recipient_id: Option<String>,
}

/// What Meta sends.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    #[serde(default)]
    pub entry: Vec<Entry>,
}

/// What happened on one page.
#[derive(Debug, Deserialize)]
pub struct Entry {
    #[serde(default, deserialize_with = "id")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "perhaps_at")]
    pub time: Option<Instant>,
    #[serde(default)]
    pub changes: Vec<Box<RawValue>>,
    #[serde(default)]
    pub messaging: Vec<Box<RawValue>>,
}

/// A change (<https://developers.facebook.com/docs/graph-api/webhooks/reference/page>). Which fields its value
/// has goes by `field` and `item`.
#[derive(Debug, Deserialize)]
pub struct Change {
    pub field: String,
    #[serde(default)]
    pub value: Value,
}

/// The value of a change in `feed`, `mention` or `ratings`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    pub item: Option<String>,
    pub verb: Option<String>,
    #[serde(deserialize_with = "id")]
    pub post_id: Option<String>,
    #[serde(deserialize_with = "id")]
    pub comment_id: Option<String>,
    #[serde(deserialize_with = "id")]
    pub parent_id: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub from: Option<Who>,
    #[serde(deserialize_with = "id")]
    pub sender_id: Option<String>,
    pub sender_name: Option<String>,
    pub message: Option<String>,
    pub photo: Option<String>,
    #[serde(deserialize_with = "perhaps_at")]
    pub created_time: Option<Instant>,
    #[serde(deserialize_with = "id")]
    pub open_graph_story_id: Option<String>,
    #[serde(deserialize_with = "id")]
    pub reviewer_id: Option<String>,
    pub reviewer_name: Option<String>,
    pub review_text: Option<String>,
    pub rating: Option<i64>,
    pub recommendation_type: Option<String>,
}

/// A message that came, or something else of a conversation
/// (<https://developers.facebook.com/docs/messenger-platform/reference/webhook-events/messages>).
#[derive(Debug, Deserialize)]
pub struct Messaging {
    pub sender: Ref,
    #[serde(default, deserialize_with = "perhaps_at")]
    pub timestamp: Option<Instant>,
    #[serde(default)]
    pub message: Option<Sent>,
}

#[derive(Debug, Deserialize)]
pub struct Sent {
    pub mid: String,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub is_echo: bool,
    #[serde(default, deserialize_with = "lenient")]
    pub attachments: Vec<Attached>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Attached {
    #[serde(rename = "type")]
    pub kind: String,
    pub payload: Payload,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Payload {
    pub url: Option<String>,
}
