//! What the API's answers and notifications look like, as far as they are read here
//! (<https://developers.facebook.com/docs/threads/reference>).

use crate::adapter::graph::wire::{Ref, at, lenient};
use crate::domain::Instant;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The fields that are asked of a post
/// (<https://developers.facebook.com/docs/threads/reference/reply-management>).
pub const POST: &str = "id,text,username,permalink,timestamp,media_type,media_url,thumbnail_url,root_post,\
                        replied_to,has_replies";
/// The fields that are asked of answers in a list: whether they are ours, whatever we are called by now.
pub const ANSWER: &str = "id,text,username,permalink,timestamp,media_type,media_url,thumbnail_url,root_post,\
                          replied_to,has_replies,is_reply_owned_by_me";
/// The fields that are asked of a post that a search shows: whose it is stays out
/// (<https://developers.facebook.com/docs/threads/keyword-search>).
pub const SEARCHED: &str =
    "id,text,username,permalink,timestamp,media_type,media_url,thumbnail_url,has_replies";

/// A post, or an answer to one.
#[derive(Debug, Clone, Deserialize)]
pub struct Post {
    pub id: String,
    #[serde(default)]
    pub text: Option<String>,
    /// Missing where its author is not public.
    #[serde(default)]
    pub username: Option<String>,
    #[serde(default)]
    pub permalink: Option<String>,
    #[serde(deserialize_with = "at")]
    pub timestamp: Instant,
    #[serde(default)]
    pub media_type: Option<String>,
    #[serde(default)]
    pub media_url: Option<String>,
    #[serde(default)]
    pub thumbnail_url: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    pub root_post: Option<Ref>,
    #[serde(default, deserialize_with = "lenient")]
    pub replied_to: Option<Ref>,
    #[serde(default)]
    pub has_replies: bool,
    #[serde(default)]
    pub is_reply_owned_by_me: bool,
}

/// Our account.
#[derive(Debug, Deserialize)]
pub struct Me {
    pub id: String,
    #[serde(default)]
    pub username: String,
}

/// What a call made: a container, or a post.
#[derive(Debug, Deserialize)]
pub struct Made {
    pub id: String,
}

/// How a container stands: `IN_PROGRESS`, `FINISHED`, `PUBLISHED`, `EXPIRED`, `ERROR`
/// (<https://developers.facebook.com/docs/threads/troubleshooting>).
#[derive(Debug, Deserialize)]
pub struct Container {
    #[serde(default)]
    pub status: String,
    #[serde(default)]
    pub error_message: Option<String>,
}

/// A token that was renewed
/// (<https://developers.facebook.com/docs/threads/get-started/long-lived-tokens>).
#[derive(Deserialize)]
pub struct Renewed {
    pub access_token: String,
}

/// What Meta sends: another envelope than that of its other networks
/// (<https://developers.facebook.com/docs/threads/webhooks>).
#[derive(Debug, Deserialize)]
pub struct Envelope {
    #[serde(default, deserialize_with = "crate::adapter::graph::wire::id")]
    pub target_id: Option<String>,
    pub values: Values,
}

/// What happened.
#[derive(Debug, Deserialize)]
pub struct Values {
    pub field: String,
    pub value: Box<RawValue>,
}

/// The value of a change in `delete`.
#[derive(Debug, Deserialize)]
pub struct Deleted {
    pub id: String,
}
