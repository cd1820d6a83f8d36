//! The API's objects, as far as they are read here (<https://docs.github.com/en/rest/issues>).

use crate::domain::Instant;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// <https://docs.github.com/en/rest/users/users#get-the-authenticated-user>
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub id: i64,
    pub login: String,
    /// `User`, `Bot`, `Organization`
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub html_url: Option<String>,
}

/// How much something was liked.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Reactions {
    #[serde(rename = "+1")]
    pub likes: i64,
}

/// <https://docs.github.com/en/rest/issues/issues#list-repository-issues>
#[derive(Debug, Clone, Deserialize)]
pub struct Issue {
    pub number: i64,
    pub title: String,
    #[serde(default)]
    pub body: Option<String>,
    /// `None`: an account that is gone.
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub author_association: String,
    pub html_url: String,
    pub created_at: Instant,
    pub updated_at: Instant,
    /// A pull request is an issue, too.
    #[serde(default)]
    pub pull_request: Option<IgnoredAny>,
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub reactions: Reactions,
    /// In searches.
    #[serde(default)]
    pub repository_url: Option<String>,
}

/// <https://docs.github.com/en/rest/issues/comments>
#[derive(Debug, Clone, Deserialize)]
pub struct Comment {
    pub id: i64,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub author_association: String,
    pub html_url: String,
    /// Of the issue; ends with its number.
    pub issue_url: String,
    pub created_at: Instant,
    pub updated_at: Instant,
    #[serde(default)]
    pub reactions: Reactions,
}

/// Enough of an issue or a comment to move on by.
#[derive(Deserialize)]
pub struct Dated {
    #[serde(default)]
    pub html_url: Option<String>,
    pub updated_at: Instant,
}

/// <https://docs.github.com/en/rest/search/search#search-issues-and-pull-requests>
#[derive(Deserialize)]
pub struct Found {
    pub items: Vec<Box<RawValue>>,
}

/// A webhook's body of `issues` or `issue_comment`
/// (<https://docs.github.com/en/webhooks/webhook-events-and-payloads>).
#[derive(Deserialize)]
pub struct Pushed {
    pub action: String,
    pub repository: Repository,
    pub issue: Issue,
    #[serde(default)]
    pub comment: Option<Comment>,
}

/// A webhook's body of `discussion` or `discussion_comment`.
#[derive(Deserialize)]
pub struct PushedTalk {
    pub action: String,
    pub repository: Repository,
    pub discussion: PushedDiscussion,
    #[serde(default)]
    pub comment: Option<PushedComment>,
}

#[derive(Deserialize)]
pub struct PushedDiscussion {
    pub number: i64,
    pub title: String,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub author_association: String,
    pub html_url: String,
    pub created_at: Instant,
    pub updated_at: Instant,
}

#[derive(Deserialize)]
pub struct PushedComment {
    pub id: i64,
    /// The comment that it answers, where it is no comment on the discussion itself.
    #[serde(default)]
    pub parent_id: Option<i64>,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub user: Option<User>,
    #[serde(default)]
    pub author_association: String,
    pub html_url: String,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// Where it happened.
#[derive(Deserialize)]
pub struct Repository {
    /// `owner/name`
    pub full_name: String,
}
