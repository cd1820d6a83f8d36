//! What comes in: one post, or a list of them, read from the bytes that were verified.

use crate::domain::{
    Author, Instant, Media, Metrics, NativeId, Post, PostKind, Sighting, SourceName, Visibility,
};
use chrono::{SubsecRound as _, TimeDelta};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// The most posts in one request.
pub const MOST_POSTS: usize = 1000;
/// The most characters of a text.
const LONGEST_TEXT: usize = 40_000;
/// The most characters of an id.
const LONGEST_ID: usize = 500;
/// The most characters of a name, a handle or a language.
const LONGEST_NAME: usize = 500;
/// The most characters of an address.
const LONGEST_URL: usize = 4_000;
/// The most attachments of a post.
const MOST_MEDIA: usize = 50;
/// A post or an edit from further ahead than this is taken as written now: an edit that lies in the
/// future would hide all that follow it.
const AHEAD: TimeDelta = TimeDelta::minutes(5);

/// What is wrong with a body, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Malformed {
    /// Why.
    pub error: String,
    /// Where, for example `posts[2].author.id`; empty for the body as a whole.
    pub field: String,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    posts: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct WirePost<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    conversation: Option<Cow<'a, str>>,
    #[serde(borrow)]
    in_reply_to: Option<Cow<'a, str>>,
    kind: Option<PostKind>,
    visibility: Option<Visibility>,
    url: Option<String>,
    #[serde(borrow)]
    author: WireAuthor<'a>,
    text: String,
    created_at: Option<Instant>,
    edited_at: Option<Instant>,
    deleted: Option<bool>,
    lang: Option<String>,
    media: Option<Vec<WireMedia>>,
    metrics: Option<WireMetrics>,
    rating: Option<i64>,
}

#[derive(Deserialize)]
struct WireAuthor<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    handle: Option<String>,
    name: Option<String>,
    followers: Option<i64>,
    url: Option<String>,
}

#[derive(Deserialize)]
struct WireMedia {
    url: String,
    #[serde(rename = "type")]
    mime: Option<String>,
    alt: Option<String>,
    poster: Option<String>,
}

#[derive(Deserialize, Default)]
struct WireMetrics {
    likes: Option<i64>,
    shares: Option<i64>,
    views: Option<i64>,
}

/// Reads a verified body.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn read(body: &[u8], source: &SourceName, now: Instant) -> Result<Vec<Sighting>, Malformed> {
    // A list would be taken for an object's fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Malformed {
            error: "the body must be a JSON object: one post, or {\"posts\": […]}".to_owned(),
            field: String::new(),
        });
    }
    let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| Malformed {
        error: format!("the body must be a JSON object: {error}"),
        field: String::new(),
    })?;
    let Some(list) = envelope.posts else {
        let post: WirePost<'_> = parse(body, "")?;
        return Ok(vec![post.sighting(source, now).map_err(|wrong| wrong.at(""))?]);
    };
    let posts: Vec<WirePost<'_>> = parse(list.get().as_bytes(), "posts")?;
    if posts.len() > MOST_POSTS {
        return Err(Malformed {
            error: format!(
                "at most {MOST_POSTS} posts in one request, these are {}",
                posts.len()
            ),
            field: "posts".to_owned(),
        });
    }
    posts
        .into_iter()
        .enumerate()
        .map(|(at, post)| {
            post.sighting(source, now)
                .map_err(|wrong| wrong.at(&format!("posts[{at}].")))
        })
        .collect()
}

/// Parses fast; only when that fails it parses again, to find out where.
fn parse<'a, T: Deserialize<'a>>(json: &'a [u8], under: &str) -> Result<T, Malformed> {
    let plain = match serde_json::from_slice(json) {
        Ok(read) => return Ok(read),
        Err(error) => error,
    };
    let mut reader = serde_json::Deserializer::from_slice(json);
    Err(match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Malformed {
            error: plain.to_string(),
            field: under.to_owned(),
        },
        Err(error) => {
            let path = error.path().to_string();
            let path = if path == "." { String::new() } else { path };
            let missing = missing_field(&error.inner().to_string());
            let dot = if path.is_empty() || missing.is_empty() {
                ""
            } else {
                "."
            };
            let glue = if under.is_empty() || path.starts_with('[') || (path.is_empty() && missing.is_empty())
            {
                ""
            } else {
                "."
            };
            Malformed {
                field: format!("{under}{glue}{path}{dot}{missing}"),
                error: error.into_inner().to_string(),
            }
        }
    })
}

/// The field's name in serde's words for a missing one: it stands in no path, for it is not there.
fn missing_field(error: &str) -> String {
    error
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
        .map(|(name, _)| name.to_owned())
        .unwrap_or_default()
}

struct Wrong {
    field: String,
    error: String,
}

impl Wrong {
    fn at(self, place: &str) -> Malformed {
        Malformed {
            error: self.error,
            field: format!("{place}{}", self.field),
        }
    }
}

impl WirePost<'_> {
    fn sighting(self, source: &SourceName, now: Instant) -> Result<Sighting, Wrong> {
        let id = native("id", &self.id)?;
        let conversation = match &self.conversation {
            Some(conversation) => native("conversation", conversation)?,
            None => id.clone(),
        };
        let in_reply_to = self.in_reply_to.as_deref().map(|id| native("in_reply_to", id));
        let written = |at: Instant| {
            if at > now + AHEAD {
                now
            } else {
                at.trunc_subsecs(6)
            }
        };
        let metrics = self.metrics.unwrap_or_default();
        Ok(Sighting::Post(Box::new(Post {
            source: source.clone(),
            conversation,
            in_reply_to: in_reply_to.transpose()?,
            kind: self.kind.unwrap_or_default(),
            visibility: self.visibility.unwrap_or_default(),
            url: address("url", self.url)?,
            author: self.author.read()?,
            text: words("text", self.text, LONGEST_TEXT)?,
            created_at: written(self.created_at.unwrap_or(now)),
            edited_at: self.edited_at.map(written),
            deleted: self.deleted.unwrap_or_default(),
            lang: optional("lang", self.lang, LONGEST_NAME)?,
            media: media(self.media.unwrap_or_default())?,
            metrics: Metrics {
                likes: metrics.likes.unwrap_or_default(),
                shares: metrics.shares.unwrap_or_default(),
                views: metrics.views.unwrap_or_default(),
            },
            rating: self.rating,
            id,
        })))
    }
}

impl WireAuthor<'_> {
    fn read(self) -> Result<Author, Wrong> {
        let id = native("author.id", &self.id)?;
        let handle = optional("author.handle", self.handle, LONGEST_NAME)?;
        let handle = match handle {
            Some(handle) => handle.trim_start_matches('@').to_owned(),
            None => id.as_str().to_owned(),
        };
        Ok(Author {
            name: optional("author.name", self.name, LONGEST_NAME)?.unwrap_or_else(|| handle.clone()),
            followers: self.followers.filter(|count| *count >= 0),
            url: address("author.url", self.url)?,
            handle,
            id,
        })
    }
}

fn media(wire: Vec<WireMedia>) -> Result<Vec<Media>, Wrong> {
    if wire.len() > MOST_MEDIA {
        return Err(Wrong {
            field: "media".to_owned(),
            error: format!("at most {MOST_MEDIA} attachments"),
        });
    }
    wire.into_iter()
        .enumerate()
        .map(|(at, media)| {
            Ok(Media {
                url: words(&format!("media[{at}].url"), media.url, LONGEST_URL)?,
                mime: words(
                    &format!("media[{at}].type"),
                    media.mime.unwrap_or_default(),
                    LONGEST_NAME,
                )?,
                alt: words(
                    &format!("media[{at}].alt"),
                    media.alt.unwrap_or_default(),
                    LONGEST_TEXT,
                )?,
                poster: match media.poster {
                    Some(poster) => Some(words(&format!("media[{at}].poster"), poster, LONGEST_URL)?),
                    None => None,
                },
            })
        })
        .collect()
}

/// An id: some characters, none of them invisible, not too many.
fn native(field: &str, id: &str) -> Result<NativeId, Wrong> {
    let wrong = |error: String| Wrong {
        field: field.to_owned(),
        error,
    };
    if id.trim().is_empty() {
        return Err(wrong("must not be empty".to_owned()));
    }
    if id.chars().any(char::is_control) {
        return Err(wrong("must not contain control characters".to_owned()));
    }
    if too_long(id, LONGEST_ID) {
        return Err(wrong(format!("at most {LONGEST_ID} characters")));
    }
    Ok(NativeId::new(id))
}

/// A text, not too long. A NUL is shown as the replacement character: not every database keeps it.
fn words(field: &str, text: String, most: usize) -> Result<String, Wrong> {
    if too_long(&text, most) {
        return Err(Wrong {
            field: field.to_owned(),
            error: format!("at most {most} characters"),
        });
    }
    Ok(if text.contains('\0') {
        text.replace('\0', "\u{FFFD}")
    } else {
        text
    })
}

fn optional(field: &str, text: Option<String>, most: usize) -> Result<Option<String>, Wrong> {
    text.filter(|text| !text.trim().is_empty())
        .map(|text| words(field, text, most))
        .transpose()
}

fn address(field: &str, url: Option<String>) -> Result<Option<String>, Wrong> {
    optional(field, url, LONGEST_URL)
}

fn too_long(text: &str, most: usize) -> bool {
    text.len() > most && text.chars().nth(most).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use proptest::prelude::*;
    use rstest::rstest;

    fn now() -> Instant {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn seen(body: &str) -> Result<Vec<Post>, Malformed> {
        let sightings = read(body.as_bytes(), &SourceName::new("shop"), now())?;
        Ok(sightings
            .into_iter()
            .map(|sighting| match sighting {
                Sighting::Post(post) => *post,
                Sighting::Gone(id) => panic!("{id} is not gone"),
            })
            .collect())
    }

    #[test]
    fn the_documented_example_is_read_whole() {
        let body = r#"{"id":"p1","conversation":"c1","in_reply_to":null,"kind":"comment","visibility":"unlisted","url":"https://shop.example/p1",
            "author":{"id":"u1","handle":"@ann","name":"Ann","followers":120,"url":"https://shop.example/ann"},
            "text":"It broke.","created_at":"2026-11-21T10:00:00Z","edited_at":"2026-11-21T10:05:00.1234567+01:00","deleted":false,"lang":"en",
            "media":[{"url":"https://shop.example/1.png","type":"image/png","alt":"A crack"}],"metrics":{"likes":1,"shares":2,"views":3},"rating":2,
            "something":{"of":"a later version"}}"#;
        let post = &seen(body).unwrap()[0];
        assert_eq!((post.id.as_str(), post.conversation.as_str()), ("p1", "c1"));
        assert_eq!(
            (post.kind, post.visibility),
            (PostKind::Comment, Visibility::Unlisted)
        );
        assert_eq!(
            (post.author.handle.as_str(), post.author.followers),
            ("ann", Some(120))
        );
        assert_eq!(post.created_at.to_rfc3339(), "2026-11-21T10:00:00+00:00");
        assert_eq!(
            post.edited_at.unwrap().to_rfc3339(),
            "2026-11-21T09:05:00.123456+00:00"
        );
        assert_eq!(post.media[0].mime, "image/png");
        assert_eq!(
            (post.metrics.views, post.rating, post.deleted),
            (3, Some(2), false)
        );
    }

    #[test]
    fn what_is_not_told_has_a_default() {
        let post =
            &seen(r#"{"id":"p1","author":{"id":"u1"},"text":"","kind":null,"media":null}"#).unwrap()[0];
        assert_eq!(post.conversation, post.id);
        assert_eq!((post.kind, post.visibility), (PostKind::Post, Visibility::Public));
        assert_eq!(
            (post.author.handle.as_str(), post.author.name.as_str()),
            ("u1", "u1")
        );
        assert_eq!(post.created_at, now());
        assert!(post.media.is_empty() && !post.deleted && post.edited_at.is_none());
    }

    #[rstest]
    #[case::not_json("{", "")]
    #[case::a_list("[]", "")]
    #[case::a_list_with_something("[1]", "")]
    #[case::no_id(r#"{"author":{"id":"u"},"text":"t"}"#, "id")]
    #[case::no_author(r#"{"id":"p","text":"t"}"#, "author")]
    #[case::no_author_id(r#"{"id":"p","author":{},"text":"t"}"#, "author.id")]
    #[case::no_text(r#"{"id":"p","author":{"id":"u"}}"#, "text")]
    #[case::id_is_a_number(r#"{"id":7,"author":{"id":"u"},"text":"t"}"#, "id")]
    #[case::id_is_empty(r#"{"id":" ","author":{"id":"u"},"text":"t"}"#, "id")]
    #[case::id_with_nul(r#"{"id":"p\u0000","author":{"id":"u"},"text":"t"}"#, "id")]
    #[case::author_is_text(r#"{"id":"p","author":"u","text":"t"}"#, "author")]
    #[case::unknown_kind(r#"{"id":"p","author":{"id":"u"},"text":"t","kind":"tweet"}"#, "kind")]
    #[case::a_time_in_words(
        r#"{"id":"p","author":{"id":"u"},"text":"t","created_at":"yesterday"}"#,
        "created_at"
    )]
    #[case::half_a_star(r#"{"id":"p","author":{"id":"u"},"text":"t","rating":4.5}"#, "rating")]
    #[case::media_without_url(
        r#"{"id":"p","author":{"id":"u"},"text":"t","media":[{"alt":"a"}]}"#,
        "media[0].url"
    )]
    #[case::posts_is_no_list(r#"{"posts":{}}"#, "posts")]
    #[case::in_a_list(
        r#"{"posts":[{"id":"p","author":{"id":"u"},"text":"t"},{"id":"q","author":{"id":3},"text":"t"}]}"#,
        "posts[1].author.id"
    )]
    #[case::missing_in_a_list(
        r#"{"posts":[{"id":"p","author":{"id":"u"},"text":"t"},{"id":"q","author":{},"text":"t"}]}"#,
        "posts[1].author.id"
    )]
    #[case::empty_in_a_list(
        r#"{"posts":[{"id":"p","author":{"id":""},"text":"t"}]}"#,
        "posts[0].author.id"
    )]
    fn what_is_wrong_is_named(#[case] body: &str, #[case] field: &str) {
        let malformed = seen(body).unwrap_err();
        assert_eq!(malformed.field, field, "{malformed:?}");
        assert!(!malformed.error.is_empty());
    }

    #[test]
    fn a_list_has_at_most_a_thousand_posts_and_a_text_forty_thousand_characters() {
        let post = r#"{"id":"p","author":{"id":"u"},"text":"t"}"#;
        let list = |n: usize| format!(r#"{{"posts":[{}]}}"#, vec![post; n].join(","));
        assert_eq!(seen(&list(1000)).unwrap().len(), 1000);
        assert_eq!(seen(&list(1001)).unwrap_err().field, "posts");
        assert_eq!(seen(r#"{"posts":[]}"#).unwrap(), []);

        let text = |n: usize| format!(r#"{{"id":"p","author":{{"id":"u"}},"text":"{}"}}"#, "ä".repeat(n));
        assert!(seen(&text(40_000)).is_ok());
        assert_eq!(seen(&text(40_001)).unwrap_err().field, "text");
    }

    #[test]
    fn a_nul_is_shown_and_a_far_future_is_now() {
        let body = r#"{"id":"p","author":{"id":"u"},"text":"a\u0000b","created_at":"2999-01-01T00:00:00Z",
            "edited_at":"2999-01-02T00:00:00Z"}"#;
        let post = &seen(body).unwrap()[0];
        assert_eq!(post.text, "a\u{FFFD}b");
        assert_eq!((post.created_at, post.edited_at), (now(), Some(now())));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&body, &SourceName::new("shop"), now());
        }

        #[test]
        fn any_text_comes_through(text in "\\PC{0,200}") {
            let body = serde_json::json!({"id": "p", "author": {"id": "u"}, "text": text}).to_string();
            prop_assert_eq!(&seen(&body).unwrap()[0].text, &text);
        }
    }
}
