//! What GraphQL is asked about discussions, and what it answers
//! (<https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-discussions>).

use super::translate::{Said, titled};
use super::wire::User;
use crate::domain::Instant;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The discussions of a repository, the ones first that were stirred last.
pub const LIST: &str = "query($owner: String!, $name: String!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussions(first: 50, after: $after, orderBy: {field: UPDATED_AT, direction: DESC}) {
      pageInfo { hasNextPage endCursor }
      nodes { number updatedAt }
    }
  }
}";

/// What is read of a comment, and of whoever wrote something.
macro_rules! with_fields {
    ($query:literal) => {
        concat!(
            $query,
            "
fragment who on Actor { login url __typename ... on User { databaseId } ... on Bot { databaseId } }
fragment said on DiscussionComment {
  id databaseId body url createdAt lastEditedAt deletedAt authorAssociation upvoteCount
  author { ...who } replyTo { databaseId } discussion { number repository { nameWithOwner } }
}"
        )
    };
}

/// A discussion, and a page of its comments with the answers to each.
pub const THREAD: &str = with_fields!(
    "query($owner: String!, $name: String!, $number: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    discussion(number: $number) {
      id number title body url createdAt lastEditedAt locked authorAssociation upvoteCount author { ...who }
      comments(first: 50, after: $after) {
        pageInfo { hasNextPage endCursor }
        nodes { ...said replies(first: 100) { pageInfo { hasNextPage endCursor } nodes { ...said } } }
      }
    }
  }
}"
);

/// More answers to a comment.
pub const REPLIES: &str = with_fields!(
    "query($id: ID!, $after: String) {
  node(id: $id) {
    ... on DiscussionComment {
      replies(first: 100, after: $after) { pageInfo { hasNextPage endCursor } nodes { ...said } }
    }
  }
}"
);

/// Comments. `replyToId`: a comment on the discussion itself, as answers have one level.
pub const COMMENT: &str = with_fields!(
    "mutation($discussion: ID!, $body: String!, $above: ID) {
  addDiscussionComment(input: {discussionId: $discussion, body: $body, replyToId: $above}) {
    comment { ...said }
  }
}"
);

/// What [`LIST`] and [`THREAD`] answer.
#[derive(Deserialize)]
pub struct InRepository<T> {
    pub repository: Option<T>,
}

#[derive(Deserialize)]
pub struct Discussions {
    pub discussions: Page<Stirred>,
}

/// A discussion, by when something last happened to it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stirred {
    pub number: i64,
    pub updated_at: Instant,
}

#[derive(Deserialize)]
pub struct OneDiscussion {
    pub discussion: Option<Discussion>,
}

/// <https://docs.github.com/en/graphql/reference/objects#discussion>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Discussion {
    pub id: String,
    pub number: i64,
    pub title: String,
    pub body: String,
    pub url: String,
    pub created_at: Instant,
    pub last_edited_at: Option<Instant>,
    pub locked: bool,
    pub author_association: String,
    #[serde(default)]
    pub upvote_count: i64,
    pub author: Option<Actor>,
    pub comments: Page<Box<RawValue>>,
}

/// <https://docs.github.com/en/graphql/reference/objects#discussioncomment>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    pub id: String,
    pub database_id: i64,
    pub body: String,
    pub url: String,
    pub created_at: Instant,
    pub last_edited_at: Option<Instant>,
    /// What has answers stays in its place, empty.
    pub deleted_at: Option<Instant>,
    pub author_association: String,
    #[serde(default)]
    pub upvote_count: i64,
    pub author: Option<Actor>,
    pub reply_to: Option<Numbered>,
    pub discussion: Option<Within>,
    #[serde(default)]
    pub replies: Page<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Numbered {
    pub database_id: i64,
}

/// Where a comment is.
#[derive(Debug, Deserialize)]
pub struct Within {
    pub number: i64,
    pub repository: Named,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Named {
    pub name_with_owner: String,
}

/// Who wrote something; an account that is gone is none.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    pub login: String,
    #[serde(default)]
    pub url: Option<String>,
    #[serde(rename = "__typename")]
    pub kind: String,
    #[serde(default)]
    pub database_id: Option<i64>,
}

impl Actor {
    /// As the other API tells of the same account.
    pub fn user(&self) -> Option<User> {
        Some(User {
            id: self.database_id?,
            login: self.login.clone(),
            kind: self.kind.clone(),
            html_url: self.url.clone(),
        })
    }
}

/// What [`REPLIES`] answers.
#[derive(Deserialize)]
pub struct Node {
    pub node: Option<Replies>,
}

#[derive(Deserialize)]
pub struct Replies {
    pub replies: Page<Box<RawValue>>,
}

/// What [`COMMENT`] answers.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    pub add_discussion_comment: Option<Commented>,
}

#[derive(Deserialize)]
pub struct Commented {
    pub comment: Option<Comment>,
}

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page<T> {
    #[serde(default)]
    pub page_info: PageInfo,
    pub nodes: Vec<T>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self {
            page_info: PageInfo::default(),
            nodes: Vec::new(),
        }
    }
}

impl<T> Page<T> {
    /// Where the next page begins, if there is one.
    pub fn next(&self) -> Option<&str> {
        let end = self.page_info.end_cursor.as_deref();
        end.filter(|_| self.page_info.has_next_page)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

impl Discussion {
    /// What it says, as `author` wrote it.
    pub fn said<'a>(&'a self, author: Option<&'a User>) -> Said<'a> {
        Said {
            number: self.number,
            comment: None,
            author,
            association: &self.author_association,
            text: titled(&self.title, &self.body),
            url: &self.url,
            created: self.created_at,
            edited: self.last_edited_at,
            likes: self.upvote_count,
        }
    }
}

impl Comment {
    /// What it says in a discussion, as `author` wrote it.
    pub fn said<'a>(&'a self, number: i64, author: Option<&'a User>) -> Said<'a> {
        let above = self.reply_to.as_ref().map(|above| above.database_id);
        Said {
            number,
            comment: Some((self.database_id, above)),
            author,
            association: &self.author_association,
            text: self.body.clone(),
            url: &self.url,
            created: self.created_at,
            edited: self.last_edited_at,
            likes: self.upvote_count,
        }
    }
}
