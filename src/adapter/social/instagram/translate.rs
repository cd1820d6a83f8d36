//! What stands on Instagram as a post, and how what an id names is answered.
//!
//! Which it is, is kept in the conversation: that of a comment under a media object of ours is the object's id;
//! where somebody names us elsewhere it begins with `mention:`, where they only tag us in a picture, with `tag:`.

use super::wire::{Comment, Media, Told};
use crate::adapter::graph::wire::{Who, sound};
use crate::domain::{
    self, Author, Instant, Metrics, NativeId, Post, PostKind, Reply, SourceName, Visibility,
};

/// Where people read the network.
const PAGES: &str = "https://www.instagram.com";
/// The mark of where somebody names us.
const MENTION: &str = "mention:";
/// The mark of where somebody tags us.
const TAG: &str = "tag:";
/// The mark of an author whom the API does not name.
const UNNAMED: &str = "unnamed:";

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A comment under a media object of ours.
    Comment,
    /// A comment elsewhere that names us, under this object.
    Mention(&'a str),
    /// A caption that names us.
    Caption,
    /// A picture that we are tagged in, and not named at.
    Tag,
}

impl<'a> Place<'a> {
    /// What this reply answers.
    pub fn of(reply: &'a Reply) -> Self {
        Self::named(reply.conversation.as_str(), reply.target.as_str())
    }

    /// What this post is.
    pub fn of_post(post: &'a Post) -> Self {
        Self::named(post.conversation.as_str(), post.id.as_str())
    }

    fn named(conversation: &'a str, id: &str) -> Self {
        match (conversation.strip_prefix(MENTION), conversation.strip_prefix(TAG)) {
            (Some(media), _) if media == id => Self::Caption,
            (Some(media), _) => Self::Mention(media),
            (None, Some(_)) => Self::Tag,
            (None, None) => Self::Comment,
        }
    }
}

/// A comment under a media object of ours.
pub fn comment(source: &SourceName, (media, page): (&str, Option<&str>), comment: &Comment) -> Post {
    let parent = comment.parent_id.as_deref().unwrap_or(media);
    Post {
        in_reply_to: Some(NativeId::new(parent)),
        metrics: likes(comment.like_count),
        url: page.map(str::to_owned),
        ..blank(
            (source, PostKind::Comment),
            (&comment.id, media),
            author(comment.from.as_ref(), comment.username.as_deref(), &comment.id),
            (words(comment), comment.timestamp),
        )
    }
}

/// A comment, as the webhook tells of it.
pub fn told(source: &SourceName, page: Option<&str>, told: &Told, at: Instant) -> Post {
    let parent = told.parent_id.as_deref().unwrap_or(&told.media.id);
    Post {
        in_reply_to: Some(NativeId::new(parent)),
        url: page.map(str::to_owned),
        ..blank(
            (source, PostKind::Comment),
            (&told.id, &told.media.id),
            author(told.from.as_ref(), None, &told.id),
            (sound(told.text.as_deref().unwrap_or_default()), at),
        )
    }
}

/// A comment elsewhere that names us. Who wrote it is not told.
pub fn mention(source: &SourceName, media: &str, comment: &Comment) -> Post {
    Post {
        metrics: likes(comment.like_count),
        url: comment.media.as_ref().and_then(|media| media.permalink.clone()),
        ..blank(
            (source, PostKind::Mention),
            (&comment.id, &format!("{MENTION}{media}")),
            author(comment.from.as_ref(), comment.username.as_deref(), &comment.id),
            (words(comment), comment.timestamp),
        )
    }
}

/// A media object of somebody's: `named` in its caption, or only tagged in it.
pub fn media(source: &SourceName, named: bool, media: &Media) -> Post {
    let mark = if named { MENTION } else { TAG };
    let shown = media.thumbnail_url.as_ref().or(media.media_url.as_ref());
    let shown = shown.map(|url| domain::Media {
        url: url.clone(),
        mime: match media.media_type.as_deref() {
            Some("VIDEO") if media.thumbnail_url.is_none() => "video/*".to_owned(),
            Some(_) | None => "image/*".to_owned(),
        },
        alt: String::new(),
    });
    Post {
        metrics: likes(media.like_count),
        url: media.permalink.clone(),
        media: shown.into_iter().collect(),
        ..blank(
            (source, PostKind::Mention),
            (&media.id, &format!("{mark}{}", media.id)),
            author(None, media.username.as_deref(), &media.id),
            (
                sound(media.caption.as_deref().unwrap_or_default()),
                media.timestamp,
            ),
        )
    }
}

fn blank(
    (source, kind): (&SourceName, PostKind),
    (id, conversation): (&str, &str),
    author: Author,
    (text, at): (String, Instant),
) -> Post {
    Post {
        source: source.clone(),
        id: NativeId::new(id),
        conversation: NativeId::new(conversation),
        in_reply_to: None,
        kind,
        visibility: Visibility::Public,
        url: None,
        author,
        text,
        created_at: at,
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

fn likes(likes: i64) -> Metrics {
    Metrics {
        likes,
        ..Metrics::default()
    }
}

/// What a comment says.
pub fn words(comment: &Comment) -> String {
    sound(comment.text.as_deref().unwrap_or_default())
}

/// An author's id is the one that only this account sees; where only the handle is told, it stands for them.
fn author(from: Option<&Who>, username: Option<&str>, post: &str) -> Author {
    let handle = from
        .and_then(|who| who.username.as_deref())
        .or(username)
        .unwrap_or_default();
    let id = match (from, handle) {
        (Some(who), _) => who.id.clone(),
        (None, "") => format!("{UNNAMED}{post}"),
        (None, handle) => format!("@{handle}"),
    };
    Author {
        id: NativeId::new(id),
        handle: handle.to_owned(),
        name: if handle.is_empty() {
            "somebody on Instagram".to_owned()
        } else {
            handle.to_owned()
        },
        followers: None,
        url: (!handle.is_empty()).then(|| format!("{PAGES}/{handle}/")),
    }
}

/// Whether a comment is by the author that is known of it. Whom the API does not name now may be anybody.
pub fn is_by(comment: &Comment, author: &NativeId) -> bool {
    let author = author.as_str();
    if author.starts_with(UNNAMED) {
        return true;
    }
    match (&comment.from, comment.username.as_deref()) {
        (Some(who), _) if who.id == author => true,
        (_, Some(handle)) if author.strip_prefix('@') == Some(handle) => true,
        (Some(_), _) => false,
        (None, handle) => handle.is_none() || !author.starts_with('@'),
    }
}

/// Whether a text names somebody.
pub fn names(text: &str, handle: &str) -> bool {
    let part = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
    let text = text.to_lowercase();
    let wanted = format!("@{}", handle.to_lowercase());
    let mut places = text.match_indices(&wanted);
    places.any(|(at, _)| {
        let rest = text[at + wanted.len()..].trim_start_matches('.');
        let before = text[..at].chars().next_back();
        !rest.starts_with(part) && before.is_none_or(|letter| !part(letter))
    })
}

/// The handle that a text begins with.
pub fn addressee(text: &str) -> Option<&str> {
    let word = text.trim_start().strip_prefix('@')?;
    let end = word.find(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '_' | '.'));
    Some(word[..end.unwrap_or(word.len())].trim_end_matches('.'))
}

/// Where a private conversation with somebody can be begun by hand.
pub fn direct(handle: &str) -> String {
    if handle.is_empty() {
        return format!("{PAGES}/direct/inbox/");
    }
    format!("https://ig.me/m/{handle}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("@shop look", true)]
    #[case("look, @Shop.", true)]
    #[case("@shop.de look", false)]
    #[case("@shopping", false)]
    #[case("mail@shop", false)]
    fn a_text_names_whom_it_names(#[case] text: &str, #[case] named: bool) {
        assert_eq!(names(text, "shop"), named);
    }

    #[rstest]
    #[case("@ann. sorry", Some("ann"))]
    #[case("  @a.b_c: sorry", Some("a.b_c"))]
    #[case("sorry @ann", None)]
    fn a_text_begins_with_whom_it_answers(#[case] text: &str, #[case] handle: Option<&str>) {
        assert_eq!(addressee(text), handle);
    }
}
