//! A post of a forum as a post. Its id is that of its topic and its number in it: with these it can be read and
//! answered, and what it answers is told in no other way. A post that is moved to another topic is another post.

use super::api::Api;
use super::wire;
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;

/// The number of likes among what is done to a post.
const LIKES: i64 = 2;

/// The post of a person that this is; `None` where it tells of what moderators did, is the forum's own (its
/// accounts have numbers below one), or is hidden or gone.
pub fn post(source: &SourceName, api: &Api, post: &wire::Post, private: bool) -> Option<Post> {
    if post.post_type != 1 || post.user_id < 1 || post.hidden || is_gone(post) {
        return None;
    }
    let likes = post.actions_summary.iter().find(|action| action.id == LIKES);
    let name = post.name.as_deref().filter(|name| !name.is_empty());
    let topic = post.topic_id.to_string();
    let number = post.post_number.to_string();
    let slug = if post.topic_slug.is_empty() {
        "-"
    } else {
        &post.topic_slug
    };
    Some(Post {
        source: source.clone(),
        id: id(post.topic_id, post.post_number),
        conversation: NativeId::new(&topic),
        in_reply_to: parent(post),
        kind: kind(post, api.username(), private),
        visibility: if private {
            Visibility::Private
        } else {
            Visibility::Public
        },
        url: Some(api.page(&["t", slug, &topic, &number])),
        author: Author {
            id: NativeId::new(post.user_id.to_string()),
            handle: post.username.clone(),
            name: sound(name.unwrap_or(&post.username)),
            followers: None,
            url: Some(api.page(&["u", &post.username])),
        },
        text: words(post),
        created_at: post.created_at.trunc_subsecs(6),
        edited_at: edited_at(post),
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics {
            likes: likes.map_or(0, |action| action.count),
            shares: 0,
            views: post.reads,
        },
        rating: None,
    })
}

/// A post's id.
pub fn id(topic: i64, number: i64) -> NativeId {
    NativeId::new(format!("{topic}/{number}"))
}

/// The topic and the number that an id names.
pub fn parts(id: &NativeId) -> Option<(i64, i64)> {
    let (topic, number) = id.as_str().split_once('/')?;
    Some((topic.parse().ok()?, number.parse().ok()?))
}

/// What it answers: a post of its topic, or else the topic's first.
pub fn parent(post: &wire::Post) -> Option<NativeId> {
    let above = post.reply_to_post_number.unwrap_or(1);
    (post.post_number > 1).then(|| id(post.topic_id, above))
}

/// Whether it was taken back, or removed.
pub fn is_gone(post: &wire::Post) -> bool {
    post.user_deleted || post.deleted_at.is_some()
}

/// Edits of the first minutes raise no version; whoever sees another text knows better.
pub fn edited_at(post: &wire::Post) -> Option<Instant> {
    (post.version > 1).then(|| post.updated_at.trunc_subsecs(6))
}

/// What it says, in Markdown as it was written; with the topic's title, where it opens one.
pub fn words(post: &wire::Post) -> String {
    let title = post.topic_title.as_deref().filter(|_| post.post_number == 1);
    sound(&match title {
        Some(title) => format!("{title}\n\n{}", post.raw),
        None => post.raw.clone(),
    })
}

/// What neither names us nor answers or quotes a post of ours was merely found. Who opened the topic that a post answers is
/// not told with it.
fn kind(post: &wire::Post, me: &str, private: bool) -> PostKind {
    let answers_us = |above: &wire::Answered| above.username.eq_ignore_ascii_case(me);
    if private {
        PostKind::Message
    } else if names(&post.raw, me) {
        PostKind::Mention
    } else if post.reply_to_user.as_ref().is_some_and(answers_us) || quotes(&post.raw, me) {
        PostKind::Comment
    } else {
        PostKind::Post
    }
}

/// Whether a text names the account.
fn names(text: &str, me: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '@'));
    words.any(|word| {
        word.strip_prefix('@')
            .is_some_and(|name| name.trim_end_matches('.').eq_ignore_ascii_case(me))
    })
}

/// Whether a text quotes the account: `[quote="help, post:2, topic:12"]`.
fn quotes(text: &str, me: &str) -> bool {
    let mut quotes = text.split("[quote=\"").skip(1);
    quotes.any(|quote| {
        let named = quote.split([',', '"']).next().unwrap_or_default();
        named.trim().eq_ignore_ascii_case(me)
    })
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Hi @Help, it broke", true)]
    #[case("Ask @help.", true)]
    #[case("@helper knows", false)]
    #[case("help", false)]
    fn it_knows_whom_a_text_names(#[case] text: &str, #[case] ours: bool) {
        assert_eq!(names(text, "help"), ours);
    }

    #[rstest]
    #[case("[quote=\"Help, post:2, topic:12\"]\nSorry\n[/quote]\nNo.", true)]
    #[case("[quote=\"ann, post:2, topic:12\"]\nhelp\n[/quote]", false)]
    #[case("[quote=\"", false)]
    fn it_knows_whom_a_text_quotes(#[case] text: &str, #[case] ours: bool) {
        assert_eq!(quotes(text, "help"), ours);
    }

    #[test]
    fn an_id_names_topic_and_number() {
        assert_eq!(parts(&id(12, 3)), Some((12, 3)));
        assert_eq!(parts(&NativeId::new("12")), None);
    }
}
