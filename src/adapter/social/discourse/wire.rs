//! What a forum's answers look like, as far as they are read here (<https://docs.discourse.org>, and the
//! serializers in <https://github.com/discourse/discourse/tree/main/app/serializers>).

use crate::domain::Instant;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `GET /posts.json` and `GET /private-posts.json`: the newest first, all that the account may see.
#[derive(Deserialize)]
pub struct Latest {
    #[serde(alias = "private_posts")]
    pub latest_posts: Vec<Box<RawValue>>,
}

/// Enough of a post to page by.
#[derive(Deserialize)]
pub struct Numbered {
    pub id: i64,
    #[serde(default)]
    pub created_at: Option<Instant>,
}

/// A post, in a list, by itself or in a webhook.
#[derive(Debug, Clone, Deserialize)]
pub struct Post {
    pub id: i64,
    pub user_id: i64,
    pub username: String,
    #[serde(default)]
    pub name: Option<String>,
    pub topic_id: i64,
    #[serde(default)]
    pub topic_slug: String,
    /// In lists and webhooks.
    #[serde(default)]
    pub topic_title: Option<String>,
    /// `private_message` or `regular`, in webhooks.
    #[serde(default)]
    pub topic_archetype: Option<String>,
    pub post_number: i64,
    /// 1: what a person wrote; all others tell of what moderators did, or are whispers among them.
    pub post_type: i64,
    #[serde(default)]
    pub reply_to_post_number: Option<i64>,
    /// Who wrote the post that it answers, unless that is the first of its topic or quoted in it.
    #[serde(default, deserialize_with = "or_default")]
    pub reply_to_user: Option<Answered>,
    #[serde(default)]
    pub raw: String,
    pub created_at: Instant,
    pub updated_at: Instant,
    /// Rises with every edit but those of the first minutes.
    #[serde(default)]
    pub version: i64,
    /// Its author took it back.
    #[serde(default, deserialize_with = "or_default")]
    pub user_deleted: bool,
    #[serde(default)]
    pub deleted_at: Option<Instant>,
    /// Flagged away.
    #[serde(default, deserialize_with = "or_default")]
    pub hidden: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub reads: i64,
    #[serde(default, deserialize_with = "or_default")]
    pub actions_summary: Vec<Action>,
}

/// Whose post is answered.
#[derive(Debug, Clone, Deserialize)]
pub struct Answered {
    pub username: String,
}

/// A group, by name.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    pub name: String,
}

/// How often something was done to a post; 2: liked.
#[derive(Debug, Clone, Deserialize)]
pub struct Action {
    pub id: i64,
    #[serde(default)]
    pub count: i64,
}

/// A webhook's body of the type `post`.
#[derive(Deserialize)]
pub struct Pushed {
    pub post: Post,
}

/// `GET /t/{id}.json`
#[derive(Deserialize)]
pub struct Topic {
    pub title: String,
    #[serde(default, deserialize_with = "or_default")]
    pub closed: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub archived: bool,
    /// `private_message` or `regular`.
    #[serde(default, deserialize_with = "or_default")]
    pub archetype: String,
    #[serde(default, deserialize_with = "or_default")]
    pub details: Details,
}

/// Who may read a private message.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Details {
    #[serde(deserialize_with = "or_default")]
    pub allowed_users: Vec<User>,
    #[serde(deserialize_with = "or_default")]
    pub allowed_groups: Vec<Named>,
}

/// A user, in short.
#[derive(Deserialize)]
pub struct User {
    pub id: i64,
}

/// A user, as their page has it.
#[derive(Deserialize)]
pub struct Account {
    pub id: i64,
    /// Whether they may read everything, also what others write to each other.
    #[serde(default, deserialize_with = "or_default")]
    pub admin: bool,
    #[serde(default, deserialize_with = "or_default")]
    pub groups: Vec<Named>,
}

/// `GET /u/{username}.json`
#[derive(Deserialize)]
pub struct Profile {
    pub user: Account,
}

/// `GET /site/settings.json`, what of it everybody is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub min_post_length: usize,
    pub max_post_length: usize,
    pub min_personal_message_post_length: usize,
}

impl Default for Settings {
    /// A new forum's.
    fn default() -> Self {
        Self {
            min_post_length: 20,
            max_post_length: 32_000,
            min_personal_message_post_length: 10,
        }
    }
}

/// `GET /search.json`
#[derive(Deserialize)]
pub struct Found {
    #[serde(default, deserialize_with = "or_default")]
    pub posts: Vec<Hit>,
}

/// What was found: without its whole text.
#[derive(Deserialize)]
pub struct Hit {
    pub topic_id: i64,
    pub post_number: i64,
    pub created_at: Instant,
}

/// `GET /user_actions.json`
#[derive(Deserialize)]
pub struct Actions {
    #[serde(default, deserialize_with = "or_default")]
    pub user_actions: Vec<Done>,
}

/// A post of a user's.
#[derive(Deserialize)]
pub struct Done {
    pub created_at: Instant,
    pub topic_id: i64,
    pub post_number: i64,
    #[serde(default)]
    pub reply_to_post_number: Option<i64>,
}

/// What `POST /posts.json` answers: the post, or that it waits for moderators.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum Created {
    /// It stands.
    Post(Box<Post>),
    /// It does not.
    Waits {
        /// `enqueued`
        action: String,
    },
}

fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}
