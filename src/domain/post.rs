//! What a person published, in the one form every source translates to.

use super::{Instant, NativeId, SourceName};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What sort of thing was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PostKind {
    /// A post of their own.
    #[default]
    Post,
    /// A post that names us.
    Mention,
    /// A comment under something.
    Comment,
    /// A review, perhaps with a rating.
    Review,
    /// A private message to us.
    Message,
}

/// Who can read a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visibility {
    /// Everybody, in listings too.
    #[default]
    Public,
    /// Everybody who has the address.
    Unlisted,
    /// The author's followers.
    Followers,
    /// Only those addressed.
    #[serde(alias = "direct")]
    Private,
}

/// A picture, a film or a sound attached to a post.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Media {
    /// Where it is.
    pub url: String,
    /// Its MIME type, for example `image/png`.
    #[serde(rename = "type", default)]
    pub mime: String,
    /// The description its author gave.
    #[serde(default)]
    pub alt: String,
    /// Where a still picture of it is: of a film, what stands for it until it is played.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poster: Option<String>,
}

/// What sort of thing is attached to a post.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Picture,
    /// A film.
    Film,
    /// A sound.
    Sound,
    /// Anything else, or nobody said.
    Other,
}

impl Media {
    /// What sort of thing it is.
    #[must_use]
    pub fn kind(&self) -> MediaKind {
        match self.mime.split('/').next() {
            Some("image") => MediaKind::Picture,
            Some("video") => MediaKind::Film,
            Some("audio") => MediaKind::Sound,
            Some(_) | None => MediaKind::Other,
        }
    }

    /// Where a picture of it is. What has no type may be one.
    #[must_use]
    pub fn still(&self) -> Option<&str> {
        match self.kind() {
            MediaKind::Picture => Some(&self.url),
            MediaKind::Other if self.mime.is_empty() => Some(self.poster.as_ref().unwrap_or(&self.url)),
            MediaKind::Film | MediaKind::Sound | MediaKind::Other => self.poster.as_deref(),
        }
    }
}

/// How much a post was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// Likes, favourites, upvotes.
    pub likes: i64,
    /// Shares, boosts, reposts.
    pub shares: i64,
    /// Views, where the platform tells.
    pub views: i64,
}

/// A person's account on a platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The platform's immutable id.
    pub id: NativeId,
    /// How the platform addresses them, without a leading `@`.
    pub handle: String,
    /// The name they gave themselves.
    pub name: String,
    /// How many follow them, where the platform tells.
    pub followers: Option<i64>,
    /// Their page.
    pub url: Option<String>,
}

/// Something a person published. Identity: (source, id).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The source that showed it.
    pub source: SourceName,
    /// The platform's id of it.
    pub id: NativeId,
    /// The platform's id of the conversation it belongs to; its own id when it starts one.
    pub conversation: NativeId,
    /// What it answers.
    pub in_reply_to: Option<NativeId>,
    /// What sort of thing it is.
    pub kind: PostKind,
    /// Who can read it.
    pub visibility: Visibility,
    /// Its public address.
    pub url: Option<String>,
    /// Who wrote it.
    pub author: Author,
    /// Its text, plain.
    pub text: String,
    /// When it was published.
    pub created_at: Instant,
    /// When it was last edited.
    pub edited_at: Option<Instant>,
    /// Whether its author took it back.
    pub deleted: bool,
    /// Its language, a BCP 47 tag.
    pub lang: Option<String>,
    /// What is attached.
    pub media: Vec<Media>,
    /// How much it was noticed.
    pub metrics: Metrics,
    /// Stars, for a review.
    pub rating: Option<i64>,
}

impl Post {
    /// Which of its attachments, from zero, were not there before. Some platforms give the same file another
    /// query each time: at the same path it is the same.
    #[must_use]
    pub fn attached_since(&self, before: &Self) -> Vec<usize> {
        let path = |url: &str| url.split(['?', '#']).next().unwrap_or(url).to_owned();
        let known: HashSet<_> = before.media.iter().map(|media| media.url.as_str()).collect();
        let now: HashSet<_> = self.media.iter().map(|media| media.url.as_str()).collect();
        let renamed = before
            .media
            .iter()
            .filter(|media| !now.contains(media.url.as_str()));
        let mut renamed: Vec<_> = renamed.map(|media| path(&media.url)).collect();
        let mut is_new = |media: &Media| {
            let same = path(&media.url);
            let at = renamed.iter().position(|known| *known == same);
            !known.contains(media.url.as_str()) && at.map(|at| renamed.swap_remove(at)).is_none()
        };
        let media = self.media.iter().enumerate();
        media
            .filter_map(|(nth, media)| is_new(media).then_some(nth))
            .collect()
    }
}

/// What a source saw.
#[derive(Debug, Clone, PartialEq)]
pub enum Sighting {
    /// A post: new, seen before, edited (newer `edited_at`) or deleted (`deleted`).
    Post(Box<Post>),
    /// A post is gone; only its id is known.
    Gone(NativeId),
}
