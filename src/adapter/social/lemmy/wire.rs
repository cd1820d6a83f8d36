//! The API's objects, as far as they are read here (version 3, <https://join-lemmy.org/api/v3>).

use crate::domain::Instant;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `POST /user/login`
#[derive(Deserialize)]
pub struct Login {
    pub jwt: Option<String>,
}

/// `GET /site`, with who is signed in.
#[derive(Deserialize)]
pub struct Site {
    #[serde(default)]
    pub version: String,
    pub my_user: Option<MyUser>,
    #[serde(default)]
    pub all_languages: Vec<Language>,
}

#[derive(Deserialize)]
pub struct MyUser {
    pub local_user_view: LocalUserView,
}

#[derive(Deserialize)]
pub struct LocalUserView {
    pub person: Person,
}

/// A language; `und` stands for none.
#[derive(Deserialize)]
pub struct Language {
    pub id: i64,
    pub code: String,
}

/// An account, of this server or of another.
#[derive(Debug, Clone, Deserialize)]
pub struct Person {
    pub id: i64,
    pub name: String,
    #[serde(default)]
    pub display_name: Option<String>,
    /// Its page.
    pub actor_id: String,
    #[serde(default)]
    pub local: bool,
}

/// A comment with its surroundings: in the inbox, in lists and by itself.
#[derive(Debug, Clone, Deserialize)]
pub struct CommentView {
    pub comment: Comment,
    pub creator: Person,
    pub post: Post,
    #[serde(default)]
    pub counts: Counts,
    /// In the list of replies.
    #[serde(default)]
    pub comment_reply: Option<Arrival>,
}

/// That a reply came to us.
#[derive(Debug, Clone, Deserialize)]
pub struct Arrival {
    /// When.
    pub published: Instant,
}

/// <https://join-lemmy.org/api/v3>, `Comment`
#[derive(Debug, Clone, Deserialize)]
pub struct Comment {
    pub id: i64,
    pub post_id: i64,
    pub content: String,
    pub published: Instant,
    #[serde(default)]
    pub updated: Option<Instant>,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub removed: bool,
    /// Its address on the server that it is from.
    pub ap_id: String,
    /// The ids of all above it, from `0`, and its own.
    pub path: String,
    #[serde(default)]
    pub language_id: i64,
}

/// A post with its surroundings.
#[derive(Debug, Clone, Deserialize)]
pub struct PostView {
    pub post: Post,
    pub creator: Person,
    #[serde(default)]
    pub counts: Counts,
}

/// <https://join-lemmy.org/api/v3>, `Post`
#[derive(Debug, Clone, Deserialize)]
pub struct Post {
    pub id: i64,
    pub name: String,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub url: Option<String>,
    pub published: Instant,
    #[serde(default)]
    pub updated: Option<Instant>,
    #[serde(default)]
    pub deleted: bool,
    #[serde(default)]
    pub removed: bool,
    #[serde(default)]
    pub locked: bool,
    pub ap_id: String,
    #[serde(default)]
    pub language_id: i64,
}

/// What others did with it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub upvotes: i64,
}

/// A private message with its surroundings.
#[derive(Debug, Clone, Deserialize)]
pub struct MessageView {
    pub private_message: Message,
    pub creator: Person,
    pub recipient: Person,
}

/// <https://join-lemmy.org/api/v3>, `PrivateMessage`
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub id: i64,
    pub content: String,
    pub published: Instant,
    #[serde(default)]
    pub updated: Option<Instant>,
    #[serde(default)]
    pub deleted: bool,
}

/// A page of any of the lists, each under its own name.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Page {
    #[serde(deserialize_with = "or_default")]
    pub replies: Vec<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    pub mentions: Vec<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    pub private_messages: Vec<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    pub comments: Vec<Box<RawValue>>,
    #[serde(deserialize_with = "or_default")]
    pub posts: Vec<Box<RawValue>>,
}

/// `GET /comment` and `POST /comment`
#[derive(Deserialize)]
pub struct OneComment {
    pub comment_view: CommentView,
}

/// `GET /post`
#[derive(Deserialize)]
pub struct OnePost {
    pub post_view: PostView,
}

/// `POST /private_message`
#[derive(Deserialize)]
pub struct OneMessage {
    pub private_message_view: MessageView,
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
