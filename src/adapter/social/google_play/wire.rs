//! The forms of the API
//! (<https://developers.google.com/android-publisher/api-ref/rest/v3/reviews>).

use serde::Deserialize;
use serde_json::value::RawValue;

/// `reviews.list`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Missing where there are none.
    #[serde(default)]
    pub reviews: Vec<Box<RawValue>>,
    #[serde(default)]
    pub token_pagination: Option<Paging>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Paging {
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    pub review_id: String,
    #[serde(default)]
    pub author_name: String,
    #[serde(default)]
    pub comments: Vec<Comment>,
}

/// One of the two.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comment {
    #[serde(default)]
    pub user_comment: Option<UserComment>,
    #[serde(default)]
    pub developer_comment: Option<DeveloperComment>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserComment {
    #[serde(default)]
    pub text: String,
    pub last_modified: Timestamp,
    #[serde(default)]
    pub star_rating: Option<i64>,
    #[serde(default)]
    pub reviewer_language: Option<String>,
    #[serde(default)]
    pub thumbs_up_count: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeveloperComment {
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub last_modified: Option<Timestamp>,
}

/// Since 1970; the seconds are text, as all 64-bit numbers of these APIs.
#[derive(Deserialize)]
pub struct Timestamp {
    pub seconds: Seconds,
    #[serde(default)]
    pub nanos: u32,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub enum Seconds {
    Text(String),
    Number(i64),
}

/// `reviews.reply`
#[derive(Deserialize)]
pub struct Replied {
    pub result: Applied,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    pub reply_text: String,
    #[serde(default)]
    pub last_edited: Option<Timestamp>,
}
