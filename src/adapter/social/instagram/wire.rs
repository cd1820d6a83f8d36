//! What the API's answers and notifications look like, as far as they are read here.

use crate::adapter::graph::Page;
use crate::adapter::graph::wire::{Ref, Who, at, id, lenient, perhaps_at};
use crate::domain::Instant;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The fields that are asked of a media object
/// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-media>).
pub const MEDIA: &str = "id,caption,permalink,timestamp,username,like_count,comments_count,media_type,media_url,\
                         thumbnail_url";
/// The fields that are asked of a comment
/// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-comment>).
pub const COMMENT: &str = "id,text,timestamp,username,from,parent_id,like_count,hidden";
/// The first answers to a comment, as they are asked for with it.
pub fn answers() -> String {
    format!("replies.limit(50){{{COMMENT}}}")
}

/// The fields that the API gives of a comment that names us
/// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/mentioned_comment>).
pub const MENTION: &str = "id,text,timestamp,like_count,media{id,permalink}";
/// The fields that the API gives of a caption that names us
/// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/mentioned_media>).
pub const MENTIONED_MEDIA: &str = "id,caption,permalink,timestamp,username,like_count,media_type,media_url";

/// A picture or a film, with its caption.
#[derive(Debug, Clone, Deserialize)]
pub struct Media {
    pub id: String,
    #[serde(default)]
    pub caption: Option<String>,
    #[serde(default)]
    pub permalink: Option<String>,
    #[serde(deserialize_with = "at")]
    pub timestamp: Instant,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub like_count: i64,
    /// With the answers to comments.
    #[serde(default)]
    pub comments_count: Option<i64>,
    #[serde(default)]
    pub media_type: Option<String>,
    #[serde(default)]
    pub media_url: Option<String>,
    #[serde(default)]
    pub thumbnail_url: Option<String>,
}

/// A comment, or an answer to one.
#[derive(Debug, Clone, Deserialize)]
pub struct Comment {
    pub id: String,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(deserialize_with = "at")]
    pub timestamp: Instant,
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub from: Option<Who>,
    #[serde(default, deserialize_with = "id")]
    pub parent_id: Option<String>,
    #[serde(default)]
    pub like_count: i64,
    #[serde(default)]
    pub hidden: bool,
    /// What it stands under.
    #[serde(default)]
    pub media: Option<Under>,
    /// The answers to it, as they came: a page of them.
    #[serde(default)]
    pub replies: Option<Page>,
}

/// A media object, as little as a comment tells of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Under {
    pub id: String,
    #[serde(default)]
    pub permalink: Option<String>,
}

/// Our account, with what was asked of it.
#[derive(Debug, Deserialize)]
pub struct Account {
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub mentioned_comment: Option<Comment>,
    #[serde(default)]
    pub mentioned_media: Option<Media>,
}

/// What came of a publishing call: a comment has an `id`, a message a `message_id`.
#[derive(Debug, Deserialize)]
pub struct Done {
    #[serde(default)]
    pub id: Option<String>,
    #[serde(default)]
    pub message_id: Option<String>,
}

/// What Meta sends.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    #[serde(default)]
    pub entry: Vec<Entry>,
}

/// What happened to one account.
#[derive(Debug, Deserialize)]
pub struct Entry {
    #[serde(default, deserialize_with = "id")]
    pub id: Option<String>,
    #[serde(default, deserialize_with = "perhaps_at")]
    pub time: Option<Instant>,
    #[serde(default)]
    pub changes: Vec<Box<RawValue>>,
}

/// A change (<https://developers.facebook.com/docs/graph-api/webhooks/reference/instagram>).
#[derive(Debug, Deserialize)]
pub struct Change {
    pub field: String,
    #[serde(default)]
    pub value: Value,
}

/// The value of a change in `comments`. When it was written is not told.
#[derive(Debug, Deserialize)]
pub struct Told {
    pub id: String,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub from: Option<Who>,
    pub media: Ref,
    #[serde(default, deserialize_with = "id")]
    pub parent_id: Option<String>,
}

/// The value of a change in `mentions`: what names us is asked for by these.
#[derive(Debug, Deserialize)]
pub struct Named {
    pub media_id: String,
    #[serde(default, deserialize_with = "id")]
    pub comment_id: Option<String>,
}
