//! A comment or a post of LinkedIn as a post.

use super::urn::{CommentName, encoded};
use super::wire::{Comment, Said, at};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};

/// Where people read LinkedIn.
const PAGES: &str = "https://www.linkedin.com/feed/update";

/// The full name of a comment.
pub fn name(comment: &Comment) -> CommentName {
    CommentName {
        object: comment.object.clone(),
        id: comment.id.clone(),
    }
}

/// The comment below which answers to this one stand: the first of its thread.
pub fn root(comment: &Comment) -> String {
    let parent = comment.parent_comment.as_deref().and_then(CommentName::parse);
    parent.unwrap_or_else(|| name(comment)).urn()
}

/// When a comment was last changed, if it was.
pub fn edited(comment: &Comment) -> Option<Instant> {
    let changed = comment.last_modified.as_ref()?.time;
    (changed > comment.created.time).then(|| at(changed))
}

/// The post a comment is.
pub fn comment(source: &SourceName, told: &Comment) -> Post {
    let name = name(told);
    let urn = name.urn();
    let root = root(told);
    Post {
        source: source.clone(),
        id: NativeId::new(&urn),
        in_reply_to: (root != urn).then(|| NativeId::new(&root)),
        conversation: NativeId::new(root),
        kind: PostKind::Comment,
        visibility: Visibility::Public,
        url: Some(address(&name)),
        author: author(&told.actor),
        text: sound(&told.message.text),
        created_at: at(told.created.time),
        edited_at: edited(told),
        deleted: false,
        lang: None,
        media: vec![],
        metrics: Metrics {
            likes: told.likes_summary.total_likes,
            shares: 0,
            views: 0,
        },
        rating: None,
    }
}

/// The post in which somebody named the organisation.
pub fn mention(source: &SourceName, told: &Said, when: Instant) -> Post {
    Post {
        source: source.clone(),
        id: NativeId::new(&told.entity),
        conversation: NativeId::new(&told.entity),
        in_reply_to: None,
        kind: PostKind::Mention,
        visibility: Visibility::Public,
        url: Some(format!("{PAGES}/{}", told.entity)),
        author: author(&told.owner),
        text: sound(&told.text),
        created_at: when,
        edited_at: None,
        deleted: false,
        lang: None,
        media: vec![],
        metrics: Metrics::default(),
        rating: None,
    }
}

/// LinkedIn tells who wrote, and neither how they are called nor where their page is.
fn author(urn: &str) -> Author {
    let id = urn.rsplit(':').next().unwrap_or(urn);
    let who = if urn.starts_with("urn:li:organization:") {
        "An organisation"
    } else {
        "A member"
    };
    Author {
        id: NativeId::new(urn),
        handle: id.to_owned(),
        name: format!("{who} of LinkedIn ({id})"),
        followers: None,
        url: None,
    }
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// The public address of a comment.
pub fn address(name: &CommentName) -> String {
    format!("{PAGES}/{}?commentUrn={}", name.object, encoded(&name.urn()))
}

/// The comment that an address names.
pub fn named(address: &str) -> Option<CommentName> {
    let url = url::Url::parse(address.trim()).ok()?;
    let host = url.host_str()?;
    if host != "linkedin.com" && !host.ends_with(".linkedin.com") {
        return None;
    }
    let mut query = url.query_pairs();
    let (_, urn) = query.find(|(name, _)| name == "commentUrn")?;
    CommentName::parse(&urn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_comment_it_was_made_of() {
        let name = CommentName::parse("urn:li:comment:(urn:li:activity:12,34)").unwrap();
        assert_eq!(named(&address(&name)), Some(name));
        assert_eq!(
            named("https://evil.example/?commentUrn=urn:li:comment:(activity:1,2)"),
            None
        );
        assert_eq!(
            named("https://www.linkedin.com/feed/update/urn:li:activity:12"),
            None
        );
    }
}
