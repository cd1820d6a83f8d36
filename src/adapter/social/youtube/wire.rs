//! The forms of the API (<https://developers.google.com/youtube/v3/docs/comments>,
//! <https://developers.google.com/youtube/v3/docs/commentThreads>).

use crate::domain::Instant;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `commentThreads.list`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Threads {
    #[serde(default)]
    pub items: Vec<Box<RawValue>>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

/// `comments.list`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comments {
    #[serde(default)]
    pub items: Vec<Box<RawValue>>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Deserialize)]
pub struct Thread {
    pub id: String,
    pub snippet: ThreadSnippet,
    #[serde(default)]
    pub replies: Replies,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ThreadSnippet {
    /// Missing where the channel itself is commented.
    #[serde(default)]
    pub video_id: Option<String>,
    pub top_level_comment: Comment,
    #[serde(default)]
    pub can_reply: bool,
    #[serde(default)]
    pub total_reply_count: u64,
}

/// Some of the answers, not all where they are many. One that cannot be read takes none of the others along.
#[derive(Deserialize, Default)]
pub struct Replies {
    #[serde(default, deserialize_with = "apart")]
    pub comments: Answers,
}

/// Answers in a thread, the newest first.
#[derive(Default)]
pub struct Answers {
    /// Those that can be read.
    pub read: Vec<Comment>,
    /// The others, with the reason.
    pub odd: Vec<(Box<RawValue>, String)>,
}

impl Answers {
    /// Takes further ones.
    pub fn take(&mut self, raw: Vec<Box<RawValue>>) {
        for raw in raw {
            match serde_json::from_str(raw.get()) {
                Ok(comment) => self.read.push(comment),
                Err(error) => self.odd.push((raw, error.to_string())),
            }
        }
    }
}

fn apart<'de, D: Deserializer<'de>>(from: D) -> Result<Answers, D::Error> {
    let mut answers = Answers::default();
    answers.take(Vec::deserialize(from)?);
    Ok(answers)
}

#[derive(Deserialize, Clone)]
pub struct Comment {
    pub id: String,
    pub snippet: Snippet,
}

#[derive(Deserialize, Clone)]
#[serde(rename_all = "camelCase")]
pub struct Snippet {
    /// Only told to its author.
    #[serde(default)]
    pub text_original: Option<String>,
    #[serde(default)]
    pub text_display: String,
    #[serde(default)]
    pub author_display_name: String,
    #[serde(default)]
    pub author_channel_url: Option<String>,
    #[serde(default)]
    pub author_channel_id: Option<Valued>,
    #[serde(default)]
    pub parent_id: Option<String>,
    #[serde(default)]
    pub like_count: i64,
    pub published_at: Instant,
    #[serde(default)]
    pub updated_at: Option<Instant>,
}

#[derive(Deserialize, Clone)]
pub struct Valued {
    pub value: String,
}

impl Comment {
    /// Who wrote it; empty where their channel is gone.
    pub fn author(&self) -> &str {
        let author = self.snippet.author_channel_id.as_ref();
        author.map_or("", |author| &author.value)
    }

    /// What it says.
    pub fn text(&self) -> &str {
        let own = self.snippet.text_original.as_deref();
        own.unwrap_or(&self.snippet.text_display)
    }

    /// When it was last changed.
    pub fn changed(&self) -> Instant {
        let snippet = &self.snippet;
        snippet
            .updated_at
            .unwrap_or(snippet.published_at)
            .max(snippet.published_at)
    }
}

impl Thread {
    /// The comment at its head, and the answers that came along.
    pub fn comments(&self) -> impl Iterator<Item = &Comment> {
        std::iter::once(&self.snippet.top_level_comment).chain(&self.replies.comments.read)
    }

    /// The same, the oldest first: answers come the newest first.
    pub fn in_order(&self) -> impl Iterator<Item = &Comment> {
        std::iter::once(&self.snippet.top_level_comment).chain(self.replies.comments.read.iter().rev())
    }

    /// Whether all answers came along.
    pub fn is_whole(&self) -> bool {
        let answers = &self.replies.comments;
        (answers.read.len() + answers.odd.len()) as u64 >= self.snippet.total_reply_count
    }
}

/// `channels.list`
#[derive(Deserialize)]
pub struct Channels {
    #[serde(default)]
    pub items: Vec<Channel>,
}

#[derive(Deserialize)]
pub struct Channel {
    pub id: String,
    #[serde(default)]
    pub statistics: Option<Statistics>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    /// A number as text; missing where the channel hides it.
    #[serde(default)]
    pub subscriber_count: Option<String>,
}
