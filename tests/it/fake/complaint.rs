//! A complaint as a source hands it over.

use hearback::domain::{Author, Instant, Metrics, Post, PostKind, SourceName, Visibility};

/// A public post that begins a conversation of its own, by somebody who is called like it.
pub fn complaint(source: &SourceName, id: &str, at: Instant) -> Post {
    Post {
        source: source.clone(),
        id: id.into(),
        conversation: id.into(),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: person(id, id),
        text: "It does not work.".to_owned(),
        created_at: at,
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// Somebody of this id, who goes by it.
pub fn person(id: &str, name: &str) -> Author {
    Author {
        id: id.into(),
        handle: id.to_owned(),
        name: name.to_owned(),
        followers: None,
        url: None,
    }
}
