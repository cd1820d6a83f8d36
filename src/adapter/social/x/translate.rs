//! A post of X as a post.

use super::wire::{Entities, Includes, Media, Message, Tweet, User};
use crate::domain::{
    Author, Instant, Media as Picture, Metrics, NativeId, Post, PostKind, SourceName, Visibility,
};
use chrono::{DateTime, SubsecRound as _, TimeDelta};

/// Where people read X.
const PAGES: &str = "https://x.com";
/// The moment that ids count from, in milliseconds since 1970
/// (<https://docs.x.com/fundamentals/x-ids>).
const EPOCH: i64 = 1_288_834_974_657;
/// The bits of an id below its time.
const BELOW: u32 = 22;

/// Our account.
#[derive(Debug, Clone)]
pub struct Me {
    pub id: String,
    pub username: String,
}

/// The lowest id that a post of this moment can have.
pub fn lowest(at: Instant) -> u64 {
    u64::try_from(at.timestamp_millis() - EPOCH).unwrap_or(0) << BELOW
}

/// When a post of this id was written.
pub fn moment(id: u64) -> Instant {
    let millis = i64::try_from(id >> BELOW).unwrap_or(0).saturating_add(EPOCH);
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

/// The id of a post's first version: it stays when the post is edited.
pub fn first(tweet: &Tweet) -> &str {
    tweet.edit_history_tweet_ids.first().unwrap_or(&tweet.id)
}

/// Whether its author named us, answered us or quoted us (`quoted`: as we were told): only then X lets us
/// answer.
pub fn summons(me: &Me, tweet: &Tweet) -> bool {
    let answers = tweet.in_reply_to_user_id.as_deref() == Some(&me.id);
    answers || tweet.entities.mentions.iter().any(|mention| mention.id == me.id)
}

/// The post a tweet is. `told`: it was shown to us because it names or quotes us.
pub fn post(source: &SourceName, me: &Me, tweet: &Tweet, includes: &Includes, told: bool) -> Post {
    let author = includes.users.iter().find(|user| user.id == tweet.author_id);
    let handle = author.map_or_else(String::new, |user| user.username.clone());
    let id = first(tweet);
    // Edits have ids of their own, whose moment is that of the edit.
    let written = id.parse().map_or(tweet.created_at, moment);
    let edited = tweet.id != id;
    let answered = tweet
        .referenced_tweets
        .iter()
        .find(|other| other.kind == "replied_to");
    let kind = match () {
        () if tweet.in_reply_to_user_id.as_deref() == Some(&me.id) => PostKind::Comment,
        () if told || summons(me, tweet) => PostKind::Mention,
        () => PostKind::Post,
    };
    Post {
        source: source.clone(),
        id: NativeId::new(id),
        conversation: NativeId::new(tweet.conversation_id.as_deref().unwrap_or(id)),
        in_reply_to: answered.map(|other| NativeId::new(&other.id)),
        kind,
        visibility: Visibility::Public,
        url: Some(address(&handle, id)),
        author: person(&tweet.author_id, author),
        text: words(tweet),
        created_at: if edited { written } else { tweet.created_at }.trunc_subsecs(3),
        edited_at: edited.then(|| tweet.created_at.trunc_subsecs(3)),
        deleted: false,
        lang: tweet.lang.clone().filter(|lang| !is_unknown(lang)),
        media: pictures(tweet, &includes.media),
        metrics: Metrics {
            likes: tweet.public_metrics.like_count,
            shares: tweet.public_metrics.retweet_count + tweet.public_metrics.quote_count,
            views: tweet.public_metrics.impression_count,
        },
        rating: None,
    }
}

/// The post a private message is.
pub fn message(source: &SourceName, message: &Message, author: Option<&User>) -> Post {
    let conversation = message
        .dm_conversation_id
        .as_deref()
        .unwrap_or(&message.sender_id);
    Post {
        source: source.clone(),
        id: NativeId::new(&message.id),
        conversation: NativeId::new(conversation),
        in_reply_to: None,
        kind: PostKind::Message,
        visibility: Visibility::Private,
        url: Some(compose_page(&message.sender_id)),
        author: person(&message.sender_id, author),
        text: plain(&message.text, &message.entities),
        created_at: message.created_at.trunc_subsecs(3),
        edited_at: None,
        deleted: false,
        lang: None,
        media: vec![],
        metrics: Metrics::default(),
        rating: None,
    }
}

fn person(id: &str, user: Option<&User>) -> Author {
    let handle = user.map_or_else(String::new, |user| user.username.clone());
    let name = user
        .map(|user| sound(user.name.trim()))
        .filter(|name| !name.is_empty());
    Author {
        id: NativeId::new(id),
        name: name.unwrap_or_else(|| handle.clone()),
        followers: user.and_then(|user| user.public_metrics.followers_count),
        url: Some(match handle.as_str() {
            "" => format!("{PAGES}/i/user/{id}"),
            handle => format!("{PAGES}/{handle}"),
        }),
        handle,
    }
}

/// `und`: not determined; `qme`, `qht` and the like: nothing but media, hashtags and the like.
fn is_unknown(lang: &str) -> bool {
    lang.is_empty() || lang == "und" || lang == "zxx" || (lang.len() == 3 && lang.starts_with('q'))
}

/// What a post says, with its addresses whole.
pub fn words(tweet: &Tweet) -> String {
    match tweet.note_tweet.as_ref().filter(|note| !note.text.is_empty()) {
        Some(note) => plain(&note.text, &note.entities),
        None => plain(&tweet.text, &tweet.entities),
    }
}

fn plain(text: &str, entities: &Entities) -> String {
    let mut text = text.to_owned();
    for link in entities.urls.iter().filter(|link| !link.url.is_empty()) {
        match (&link.media_key, &link.expanded_url) {
            (Some(_), _) => text = text.replace(&link.url, ""),
            (None, Some(whole)) => text = text.replace(&link.url, whole),
            (None, None) => {}
        }
    }
    // These three are escaped, the ampersand last.
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    sound(text.trim())
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn pictures(tweet: &Tweet, media: &[Media]) -> Vec<Picture> {
    let keys = tweet.attachments.media_keys.iter();
    let shown = keys.filter_map(|key| media.iter().find(|media| media.media_key == *key));
    let shown = shown.filter_map(|media| {
        Some(Picture {
            url: media.url.clone().or_else(|| media.preview_image_url.clone())?,
            mime: "image/*".to_owned(),
            alt: sound(media.alt_text.as_deref().unwrap_or_default()),
            poster: None,
        })
    });
    shown.collect()
}

/// Whether a post names, answers or quotes us.
pub fn is_written_to_us(post: &Post) -> bool {
    match post.kind {
        PostKind::Mention | PostKind::Comment => true,
        PostKind::Post | PostKind::Review | PostKind::Message => false,
    }
}

/// The public address of a post; without its author's handle one that leads there.
pub fn address(handle: &str, id: &str) -> String {
    match handle {
        "" => format!("{PAGES}/i/status/{id}"),
        handle => format!("{PAGES}/{handle}/status/{id}"),
    }
}

/// Where a post can be answered by hand
/// (<https://developer.x.com/en/docs/x-for-websites/tweet-button/guides/web-intent>).
pub fn answer_page(id: &str) -> String {
    format!("{PAGES}/intent/post?in_reply_to={id}")
}

/// Where a private message can be written by hand
/// (<https://docs.x.com/x-api/direct-messages/introduction>).
pub fn compose_page(author: &str) -> String {
    format!("{PAGES}/messages/compose?recipient_id={author}")
}

/// The account and the id in the address of a post.
pub fn parts(address: &str) -> Option<(String, String)> {
    let url = url::Url::parse(address.trim()).ok()?;
    let hosts = [
        "x.com",
        "www.x.com",
        "mobile.x.com",
        "twitter.com",
        "www.twitter.com",
        "mobile.twitter.com",
    ];
    let host = url.host_str().filter(|host| hosts.contains(host));
    host?;
    let parts: Vec<_> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    let (who, id) = match parts[..] {
        [who, "status", id, ..] | ["i", "web", who @ "status", id, ..] => (who, id),
        _ => return None,
    };
    let sound = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| (who.to_owned(), id.to_owned()))
}

/// The id that is lower by so much time.
pub fn before(id: u64, by: TimeDelta) -> u64 {
    let millis = u64::try_from(by.num_milliseconds()).unwrap_or(0);
    id.saturating_sub(millis << BELOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[test]
    fn an_id_has_its_moment() {
        // The example of the documentation's payloads.
        let at = moment(2_080_761_390_344_937_796);
        assert_eq!(at.to_rfc3339(), "2026-07-24T21:05:48.792+00:00");
        assert_eq!(moment(lowest(at)), at);
        assert_eq!(
            moment(before(lowest(at), TimeDelta::seconds(2))),
            at - TimeDelta::seconds(2)
        );
    }

    #[test]
    fn a_text_is_whole_and_unescaped() {
        let tweet: Tweet = serde_json::from_value(json!({
            "id": "1", "author_id": "2", "created_at": "2026-07-24T21:05:48.000Z",
            "text": "a &amp;lt; b &gt; c https://t.co/1 https://t.co/2",
            "entities": {"urls": [
                {"url": "https://t.co/1", "expanded_url": "https://a.example/x?y=1&z"},
                {"url": "https://t.co/2", "expanded_url": "https://x.com/a/status/1/photo/1", "media_key": "3_1"},
            ], "mentions": "odd"},
            "lang": 7,
        }))
        .or_else(|_| {
            serde_json::from_value(json!({
                "id": "1", "author_id": "2", "created_at": "2026-07-24T21:05:48.000Z",
                "text": "a &amp;lt; b &gt; c https://t.co/1 https://t.co/2",
                "entities": {"urls": [
                    {"url": "https://t.co/1", "expanded_url": "https://a.example/x?y=1&z"},
                    {"url": "https://t.co/2", "expanded_url": "https://x.com/a/status/1/photo/1", "media_key": "3_1"},
                ]},
            }))
        })
        .unwrap();
        assert_eq!(words(&tweet), "a &lt; b > c https://a.example/x?y=1&z");
    }

    #[rstest]
    #[case("https://x.com/shop/status/17", Some(("shop", "17")))]
    #[case("https://twitter.com/shop/status/17?s=20", Some(("shop", "17")))]
    #[case("https://x.com/i/web/status/17", Some(("status", "17")))]
    #[case("https://x.com/shop", None)]
    #[case("https://x.com/shop/status/../17", None)]
    #[case("https://evil.example/shop/status/17", None)]
    fn an_address_names_a_post(#[case] address: &str, #[case] named: Option<(&str, &str)>) {
        let named = named.map(|(who, id)| (who.to_owned(), id.to_owned()));
        assert_eq!(parts(address), named);
    }
}
