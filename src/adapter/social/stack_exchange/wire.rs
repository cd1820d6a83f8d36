//! The API's objects, as far as they are read here (<https://api.stackexchange.com/docs>). Moments are seconds since
//! 1970.

use crate::domain::Instant;
use chrono::serde::{ts_seconds, ts_seconds_option};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What every answer is wrapped in (<https://api.stackexchange.com/docs/wrapper>).
#[derive(Deserialize)]
pub struct Wrapper {
    pub items: Vec<Box<RawValue>>,
    #[serde(default)]
    pub has_more: bool,
    /// For how many seconds the same method must not be called again.
    #[serde(default)]
    pub backoff: Option<u64>,
    /// The calls of a day, and how many are left.
    #[serde(default)]
    pub quota_max: Option<f64>,
    #[serde(default)]
    pub quota_remaining: Option<f64>,
}

/// Whose something is (<https://api.stackexchange.com/docs/types/shallow-user>). An account that is gone has no id.
#[derive(Debug, Clone, Deserialize)]
pub struct User {
    #[serde(default)]
    pub user_id: Option<i64>,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub reputation: i64,
}

/// <https://api.stackexchange.com/docs/types/question>
#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    pub question_id: i64,
    pub title: String,
    pub body_markdown: String,
    #[serde(default)]
    pub owner: Option<User>,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub score: i64,
    #[serde(default)]
    pub view_count: i64,
    #[serde(with = "ts_seconds")]
    pub creation_date: Instant,
    #[serde(with = "ts_seconds_option", default)]
    pub last_edit_date: Option<Instant>,
    /// Closed: it takes comments, and no answers.
    #[serde(with = "ts_seconds_option", default)]
    pub closed_date: Option<Instant>,
    /// Locked: it takes nothing.
    #[serde(with = "ts_seconds_option", default)]
    pub locked_date: Option<Instant>,
}

/// <https://api.stackexchange.com/docs/types/answer>
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    pub answer_id: i64,
    pub question_id: i64,
    pub body_markdown: String,
    #[serde(default)]
    pub owner: Option<User>,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub score: i64,
    #[serde(with = "ts_seconds")]
    pub creation_date: Instant,
    #[serde(with = "ts_seconds_option", default)]
    pub last_edit_date: Option<Instant>,
    #[serde(with = "ts_seconds_option", default)]
    pub locked_date: Option<Instant>,
}

/// <https://api.stackexchange.com/docs/types/comment>
#[derive(Debug, Clone, Deserialize)]
pub struct Comment {
    pub comment_id: i64,
    /// The question or the answer that it is below.
    pub post_id: i64,
    pub body_markdown: String,
    #[serde(default)]
    pub owner: Option<User>,
    /// Whom it names with an `@`, where the site made that out.
    #[serde(default)]
    pub reply_to_user: Option<User>,
    #[serde(default)]
    pub link: Option<String>,
    #[serde(default)]
    pub score: i64,
    #[serde(with = "ts_seconds")]
    pub creation_date: Instant,
}

/// What a comment is below (<https://api.stackexchange.com/docs/types/post>).
#[derive(Debug, Clone, Deserialize)]
pub struct Above {
    #[serde(default)]
    pub owner: Option<User>,
}

/// Enough of a question, an answer or a comment to move on by.
#[derive(Deserialize)]
pub struct Dated {
    #[serde(default)]
    pub link: Option<String>,
    #[serde(with = "ts_seconds_option", default)]
    pub creation_date: Option<Instant>,
    #[serde(with = "ts_seconds_option", default)]
    pub last_activity_date: Option<Instant>,
}

/// Something in the account's inbox (<https://api.stackexchange.com/docs/types/inbox-item>). New kinds may come at any
/// time.
#[derive(Debug, Clone, Deserialize)]
pub struct InboxItem {
    pub item_type: String,
    #[serde(with = "ts_seconds")]
    pub creation_date: Instant,
    #[serde(default)]
    pub question_id: Option<i64>,
    #[serde(default)]
    pub answer_id: Option<i64>,
    #[serde(default)]
    pub comment_id: Option<i64>,
    #[serde(default)]
    pub site: Option<Site>,
}

/// <https://api.stackexchange.com/docs/types/site>
#[derive(Debug, Clone, Deserialize)]
pub struct Site {
    pub api_site_parameter: String,
    #[serde(default)]
    pub site_url: String,
}

/// <https://api.stackexchange.com/docs/types/access-token>
#[derive(Debug, Clone, Deserialize)]
pub struct Token {
    #[serde(default)]
    pub scope: Vec<String>,
    #[serde(with = "ts_seconds_option", default)]
    pub expires_on_date: Option<Instant>,
}

/// <https://api.stackexchange.com/docs/types/filter>
#[derive(Debug, Clone, Deserialize)]
pub struct Filter {
    pub filter: String,
}
