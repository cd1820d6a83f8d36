//! What is written on a server as a post. Its id is the server's own for it, behind a letter for its kind: `c` for
//! comments, `p` for posts, `m` for private messages. An author's is the server's, too.

use super::Known;
use super::wire::{CommentView, MessageView, Person, PostView};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;
use url::Url;

/// A kind of thing that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    Comment(i64),
    Post(i64),
    Message(i64),
}

impl Thing {
    /// The thing that an id names.
    pub fn of(id: &NativeId) -> Option<Self> {
        let (kind, number) = id.as_str().split_at_checked(1)?;
        let number = number.parse().ok()?;
        match kind {
            "c" => Some(Self::Comment(number)),
            "p" => Some(Self::Post(number)),
            "m" => Some(Self::Message(number)),
            _ => None,
        }
    }

    /// Its id.
    pub fn id(self) -> NativeId {
        NativeId::new(match self {
            Self::Comment(number) => format!("c{number}"),
            Self::Post(number) => format!("p{number}"),
            Self::Message(number) => format!("m{number}"),
        })
    }
}

/// What a comment answers: another, or the post.
pub fn parent(view: &CommentView) -> NativeId {
    let mut above = view.comment.path.rsplit('.').skip(1);
    match above.next().and_then(|id| id.parse().ok()) {
        Some(0) | None => Thing::Post(view.comment.post_id).id(),
        Some(id) => Thing::Comment(id).id(),
    }
}

/// A comment. `mentions`: it came to us because it names us.
pub fn comment(source: &SourceName, known: &Known, view: &CommentView, mentions: bool) -> Post {
    let comment = &view.comment;
    Post {
        id: Thing::Comment(comment.id).id(),
        conversation: Thing::Post(comment.post_id).id(),
        in_reply_to: Some(parent(view)),
        kind: if mentions {
            PostKind::Mention
        } else {
            PostKind::Comment
        },
        url: address(&comment.ap_id),
        text: sound(&comment.content),
        created_at: comment.published.trunc_subsecs(6),
        edited_at: comment.updated.map(|at| at.trunc_subsecs(6)),
        lang: known.language(comment.language_id),
        metrics: metrics(view.counts.upvotes),
        ..blank(source, &view.creator)
    }
}

/// A post.
pub fn post(source: &SourceName, known: &Known, view: &PostView) -> Post {
    let post = &view.post;
    Post {
        id: Thing::Post(post.id).id(),
        conversation: Thing::Post(post.id).id(),
        kind: PostKind::Post,
        url: address(&post.ap_id),
        text: words(view),
        created_at: post.published.trunc_subsecs(6),
        edited_at: post.updated.map(|at| at.trunc_subsecs(6)),
        lang: known.language(post.language_id),
        metrics: metrics(view.counts.upvotes),
        ..blank(source, &view.creator)
    }
}

/// A private message to us.
pub fn message(source: &SourceName, base: &Url, view: &MessageView) -> Post {
    let message = &view.private_message;
    let mut inbox = base.clone();
    inbox.set_path("/inbox");
    Post {
        id: Thing::Message(message.id).id(),
        conversation: NativeId::new(format!("m-{}", view.creator.id)),
        kind: PostKind::Message,
        visibility: Visibility::Private,
        url: Some(inbox.to_string()),
        text: sound(&message.content),
        created_at: message.published.trunc_subsecs(6),
        edited_at: message.updated.map(|at| at.trunc_subsecs(6)),
        ..blank(source, &view.creator)
    }
}

/// What a post says: title, text, and the address that it shows.
pub fn words(view: &PostView) -> String {
    let post = &view.post;
    let parts = [
        Some(post.name.as_str()),
        post.body.as_deref(),
        post.url.as_deref(),
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    sound(&parts.collect::<Vec<_>>().join("\n\n"))
}

/// Whose it is, and nothing else.
fn blank(source: &SourceName, creator: &Person) -> Post {
    let name = creator.display_name.as_deref().filter(|name| !name.is_empty());
    Post {
        source: source.clone(),
        id: NativeId::new(""),
        conversation: NativeId::new(""),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: account(creator),
            handle: handle(creator),
            name: sound(name.unwrap_or(&creator.name)),
            followers: None,
            url: address(&creator.actor_id),
        },
        text: String::new(),
        created_at: Instant::default(),
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// An account's id.
pub fn account(person: &Person) -> NativeId {
    NativeId::new(person.id.to_string())
}

/// The name; with its server, where that is another one.
fn handle(person: &Person) -> String {
    let host = Url::parse(&person.actor_id).ok();
    match host.as_ref().and_then(Url::host_str).filter(|_| !person.local) {
        Some(host) => format!("{}@{host}", person.name),
        None => person.name.clone(),
    }
}

/// An address that another server gave.
fn address(url: &str) -> Option<String> {
    let parsed = Url::parse(url).ok()?;
    matches!(parsed.scheme(), "https" | "http").then(|| url.to_owned())
}

fn metrics(likes: i64) -> Metrics {
    Metrics {
        likes,
        shares: 0,
        views: 0,
    }
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_a_thing() {
        for thing in [Thing::Comment(7), Thing::Post(8), Thing::Message(9)] {
            assert_eq!(Thing::of(&thing.id()), Some(thing));
        }
        for none in ["", "7", "x7", "ü7", "m-7x"] {
            assert_eq!(Thing::of(&NativeId::new(none)), None, "{none}");
        }
    }

    #[test]
    fn a_handle_has_its_server_where_that_is_another() {
        let mut person = Person {
            id: 1,
            name: "ann".to_owned(),
            display_name: None,
            actor_id: "https://far.example/u/ann".to_owned(),
            local: false,
        };
        assert_eq!(handle(&person), "ann@far.example");
        person.local = true;
        assert_eq!(handle(&person), "ann");
    }
}
