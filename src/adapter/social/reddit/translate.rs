//! A thing of the network as a post. A user's name is their id: it cannot be changed, nobody gets it again,
//! and unlike `author_fullname` it is told everywhere
//! (<https://support.reddithelp.com/hc/en-us/articles/204579479>). It counts without its case.

use super::wire::{Data, Thing};
use crate::domain::{Author, Media, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use url::Url;

/// Where people read the network.
pub const PAGES: &str = "https://www.reddit.com";
/// What stands for an author, or a text, that is gone: taken back, or removed by moderators.
const GONE: [&str; 2] = ["[deleted]", "[removed]"];

/// The post a thing is; `None` where no person wrote it, or what they wrote is gone.
pub fn post(source: &SourceName, thing: &Thing) -> Option<Post> {
    let data = &thing.data;
    let name = data.author.as_deref().filter(|_| !is_gone(data))?;
    let message = thing.kind == "t4";
    Some(Post {
        source: source.clone(),
        id: NativeId::new(&data.name),
        conversation: NativeId::new(conversation(data)),
        in_reply_to: data.parent_id.as_deref().map(NativeId::new),
        kind: kind(thing),
        visibility: if message {
            Visibility::Private
        } else {
            Visibility::Public
        },
        url: address(data),
        author: Author {
            id: account(name),
            handle: name.to_owned(),
            name: name.to_owned(),
            followers: None,
            url: Some(format!("{PAGES}/user/{name}")),
        },
        text: words(data),
        created_at: data.created_at(),
        edited_at: data.edited,
        deleted: false,
        lang: None,
        media: media(data),
        metrics: Metrics {
            likes: data.score.unwrap_or_default(),
            shares: 0,
            views: 0,
        },
        rating: None,
    })
}

/// A user's id.
pub fn account(name: &str) -> NativeId {
    NativeId::new(name.to_lowercase())
}

/// Whether it was taken back, or removed.
pub fn is_gone(data: &Data) -> bool {
    let is = |text: &Option<String>| text.as_deref().is_some_and(|text| GONE.contains(&text));
    is(&data.author) || is(&data.body) || is(&data.selftext)
}

/// What it says: of a post the title, too, and the address that it shows.
pub fn words(data: &Data) -> String {
    let shown = data.url.as_deref().filter(|url| {
        let own = data.permalink.as_deref().is_some_and(|path| url.ends_with(path));
        data.title.is_some() && !own && media(data).is_empty()
    });
    let parts = [
        data.title.as_deref(),
        data.subject.as_deref().filter(|_| data.name.starts_with("t4_")),
        data.selftext.as_deref(),
        data.body.as_deref(),
        shown,
    ];
    let parts = parts.into_iter().flatten().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("\n\n").replace('\0', "\u{FFFD}")
}

/// Why it is in the inbox; what is anywhere else was merely found.
fn kind(thing: &Thing) -> PostKind {
    match (thing.kind.as_str(), thing.data.why.as_deref()) {
        ("t4", _) => PostKind::Message,
        (_, Some("username_mention")) => PostKind::Mention,
        ("t3", _) | (_, None) => PostKind::Post,
        (_, Some(_)) => PostKind::Comment,
    }
}

/// The post that it is under, or the first of its messages.
fn conversation(data: &Data) -> String {
    let under = || {
        let path = data.context.as_deref()?;
        let (_, rest) = path.split_once("/comments/")?;
        Some(format!("t3_{}", rest.split('/').next()?))
    };
    data.link_id
        .clone()
        .or_else(under)
        .or_else(|| data.first_message_name.clone())
        .unwrap_or_else(|| data.name.clone())
}

/// Where it can be read.
pub fn address(data: &Data) -> Option<String> {
    if let Some(id) = data.name.strip_prefix("t4_") {
        return Some(format!("{PAGES}/message/messages/{id}"));
    }
    let path = data.permalink.clone().or_else(|| {
        let context = data.context.as_deref()?;
        Some(context.split('?').next()?.to_owned())
    });
    let path = path.or_else(|| {
        let (link, own) = (data.link_id.as_deref()?, data.name.strip_prefix("t1_")?);
        Some(format!("/comments/{}/_/{own}/", link.strip_prefix("t3_")?))
    })?;
    path.starts_with('/').then(|| format!("{PAGES}{path}"))
}

/// The picture that a post shows, where it is one of Reddit's own.
fn media(data: &Data) -> Vec<Media> {
    let shown = data
        .url
        .as_deref()
        .filter(|_| data.post_hint.as_deref() == Some("image"));
    let own = shown.filter(|url| {
        let url = Url::parse(url);
        url.is_ok_and(|url| url.scheme() == "https" && url.host_str() == Some("i.redd.it"))
    });
    let media = own.map(|url| Media {
        url: url.to_owned(),
        mime: "image/*".to_owned(),
        alt: String::new(),
        poster: None,
    });
    media.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn translated(kind: &str, data: Value) -> Option<Post> {
        let thing = serde_json::from_value(json!({"kind": kind, "data": data})).unwrap();
        post(&SourceName::new("snoo"), &thing)
    }

    /// As the inbox shows it, shortened by what is not read.
    fn reply() -> Value {
        json!({
            "first_message": null, "first_message_name": null, "subreddit": "shop", "author_fullname": "t2_3eb",
            "id": "mynqwvd", "subject": "comment reply", "score": 1, "author": "Ann_B", "num_comments": 228,
            "parent_id": "t1_myngt77", "new": true, "type": "comment_reply", "body": "It broke & burns.",
            "link_title": "Late parcels", "dest": "shop_help", "was_comment": true, "name": "t1_mynqwvd",
            "created": 1750351619.0, "created_utc": 1750351619.0, "distinguished": null, "replies": "",
            "context": "/r/shop/comments/1j7g9uj/late_parcels/mynqwvd/?context=3"
        })
    }

    #[test]
    fn a_comment_of_the_inbox_is_told_whole() {
        let post = translated("t1", reply()).unwrap();
        assert_eq!(post.id.as_str(), "t1_mynqwvd");
        assert_eq!(post.conversation.as_str(), "t3_1j7g9uj");
        assert_eq!(post.in_reply_to.unwrap().as_str(), "t1_myngt77");
        assert_eq!(
            (post.author.id.as_str(), post.author.handle.as_str()),
            ("ann_b", "Ann_B")
        );
        assert_eq!(post.kind, PostKind::Comment);
        assert_eq!(post.text, "It broke & burns.");
        let url = "https://www.reddit.com/r/shop/comments/1j7g9uj/late_parcels/mynqwvd/";
        assert_eq!(post.url.as_deref(), Some(url));
        assert_eq!(post.created_at.timestamp(), 1_750_351_619);
    }

    #[test]
    fn a_post_says_its_title_and_shows_its_picture() {
        let picture = json!({
            "name": "t3_a", "author": "ann", "created_utc": 1.0, "title": "Look", "selftext": "",
            "url": "https://i.redd.it/x.jpeg", "post_hint": "image", "permalink": "/r/shop/comments/a/look/",
            "edited": 1750351619.0, "score": 7, "link_id": null, "locked": null
        });
        let post = translated("t3", picture.clone()).unwrap();
        assert_eq!(
            (post.text.as_str(), post.media[0].url.as_str()),
            ("Look", "https://i.redd.it/x.jpeg")
        );
        assert_eq!(post.edited_at.unwrap().timestamp(), 1_750_351_619);
        assert_eq!((post.conversation.as_str(), post.metrics.likes), ("t3_a", 7));
        let mut elsewhere = picture;
        elsewhere["url"] = "https://news.example/x".into();
        elsewhere["edited"] = false.into();
        let post = translated("t3", elsewhere).unwrap();
        assert_eq!(post.text, "Look\n\nhttps://news.example/x");
        assert_eq!((post.media.len(), post.edited_at), (0, None));
    }

    #[test]
    fn a_message_is_private() {
        let message = json!({"name": "t4_a", "author": "ann", "created_utc": 1.0, "subject": "Hi", "body": "Late!",
            "first_message_name": "t4_0", "parent_id": "t4_0", "context": ""});
        let post = translated("t4", message).unwrap();
        assert_eq!(
            (post.kind, post.visibility),
            (PostKind::Message, Visibility::Private)
        );
        assert_eq!(
            (post.conversation.as_str(), post.text.as_str()),
            ("t4_0", "Hi\n\nLate!")
        );
    }

    #[rstest]
    #[case("author", "[deleted]")]
    #[case("body", "[removed]")]
    fn what_is_gone_is_nobodys(#[case] field: &str, #[case] word: &str) {
        let mut gone = reply();
        gone[field] = word.into();
        assert!(translated("t1", gone).is_none());
    }
}
