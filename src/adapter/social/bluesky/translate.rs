//! A post of the network as a post.

use super::session::Session;
use super::wire::{Embed, Profile, Record, View};
use crate::domain::{Author, Media, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;

/// Where people read the network.
const PAGES: &str = "https://bsky.app/profile";
/// What stands for a handle that its owner does not confirm (<https://atproto.com/specs/handle>).
const UNCONFIRMED: &str = "handle.invalid";

/// The post a view is. `followers`: how many follow its author, where that was asked.
pub fn post(source: &SourceName, me: &Session, view: &View, followers: Option<i64>) -> Post {
    let (record, author) = (&view.record, &view.author);
    let root = record.reply.as_ref().map_or(&view.uri, |reply| &reply.root.uri);
    let written = record.created_at.unwrap_or(view.indexed_at).min(view.indexed_at);
    let name = sound(author.display_name.as_deref().unwrap_or_default().trim());
    Post {
        source: source.clone(),
        id: NativeId::new(&view.uri),
        conversation: NativeId::new(root),
        in_reply_to: record
            .reply
            .as_ref()
            .map(|reply| NativeId::new(&reply.parent.uri)),
        kind: kind(me, view),
        visibility: Visibility::Public,
        url: address(page_of(author), &view.uri),
        author: Author {
            id: NativeId::new(&author.did),
            handle: author.handle.clone(),
            name: if name.is_empty() {
                author.handle.clone()
            } else {
                name
            },
            followers,
            url: Some(format!("{PAGES}/{}", page_of(author))),
        },
        text: words(record),
        created_at: written.trunc_subsecs(6),
        edited_at: None,
        deleted: false,
        lang: record.langs.first().filter(|lang| !lang.is_empty()).cloned(),
        media: view.embed.as_ref().map(media).unwrap_or_default(),
        metrics: Metrics {
            likes: view.like_count,
            shares: view.repost_count,
            views: 0,
        },
        rating: None,
    }
}

fn kind(me: &Session, view: &View) -> PostKind {
    let parent = view.record.reply.as_ref().map(|reply| &reply.parent.uri);
    match view.reason.as_deref() {
        _ if parent.is_some_and(|parent| is_in(parent, &me.did)) => PostKind::Comment,
        Some("reply") => PostKind::Comment,
        Some(_) => PostKind::Mention,
        None => PostKind::Post,
    }
}

/// What a post says. Programs show an address shortened, with the whole one behind it: here it is whole.
pub fn words(record: &Record) -> String {
    let mut text = record.text.clone();
    let mut links: Vec<_> = record
        .facets
        .iter()
        .filter_map(|facet| {
            Some((
                &facet.index,
                facet.features.iter().find_map(|f| f.uri.as_deref())?,
            ))
        })
        .collect();
    links.sort_by_key(|(index, _)| std::cmp::Reverse(index.byte_start));
    let mut before = text.len();
    for (index, uri) in links {
        // Facets that overlap were not made by a program that shortens addresses.
        let range = index.byte_start..index.byte_end;
        if range.end > before {
            continue;
        }
        let shortened = text
            .get(range.clone())
            .and_then(|shown| shown.strip_suffix("...").or_else(|| shown.strip_suffix('…')));
        if shortened.is_some_and(|start| uri.contains(start)) {
            text.replace_range(range, uri);
        }
        before = index.byte_start;
    }
    sound(&text)
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

fn media(embed: &Embed) -> Vec<Media> {
    let images = embed.images.iter().map(|image| Media {
        url: image.fullsize.clone(),
        mime: "image/*".to_owned(),
        alt: sound(&image.alt),
        poster: None,
    });
    let film = embed.playlist.as_ref().or(embed.thumbnail.as_ref());
    let film = film.map(|url| Media {
        url: url.clone(),
        mime: "video/*".to_owned(),
        alt: sound(embed.alt.as_deref().unwrap_or_default()),
        poster: embed.thumbnail.clone(),
    });
    let own = images.chain(film);
    own.chain(embed.media.iter().flat_map(|media_of| media(media_of)))
        .collect()
}

/// The public address of a post; `who`: its author's handle or DID.
pub fn address(who: &str, uri: &str) -> Option<String> {
    let key = uri.rsplit_once('/')?.1;
    Some(format!("{PAGES}/{who}/post/{key}"))
}

/// Where a private conversation with somebody can be begun.
pub fn page(handle: &str) -> String {
    format!("{PAGES}/{handle}")
}

fn page_of(author: &Profile) -> &str {
    if author.handle == UNCONFIRMED {
        &author.did
    } else {
        &author.handle
    }
}

/// Whether a record is one of this account's.
pub fn is_in(uri: &str, did: &str) -> bool {
    uri.strip_prefix("at://")
        .and_then(|rest| rest.strip_prefix(did))
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn record(text: &str, facets: Value) -> Record {
        serde_json::from_value(json!({"text": text, "createdAt": "2026-11-21T10:00:00Z", "facets": facets}))
            .unwrap()
    }

    fn link(from: usize, to: usize, uri: &str) -> Value {
        json!({"index": {"byteStart": from, "byteEnd": to}, "features": [{"$type": "app.bsky.richtext.facet#link", "uri": uri}]})
    }

    #[rstest]
    #[case::shortened(json!([link(6, 22, "https://a.example/very/long")]), "ä at https://a.example/very/long!")]
    #[case::not_a_part(json!([link(6, 22, "https://b.example/")]), "ä at a.example/ver…!")]
    #[case::amid_a_letter(json!([link(1, 22, "https://a.example/very/long")]), "ä at a.example/ver…!")]
    #[case::beyond(json!([link(6, 900, "https://a.example/very/long")]), "ä at a.example/ver…!")]
    #[case::backwards(json!([link(22, 6, "https://a.example/very/long")]), "ä at a.example/ver…!")]
    #[case::nonsense(json!("none"), "ä at a.example/ver…!")]
    fn an_address_is_whole(#[case] facets: Value, #[case] said: &str) {
        assert_eq!(words(&record("ä at a.example/ver…!", facets)), said);
    }

    #[test]
    fn what_another_program_writes_into_a_record_stops_nothing() {
        let odd = json!({"text": "a\u{0}b", "createdAt": "yesterday", "langs": "en", "facets": [{"index": 7}], "reply": null});
        let record: Record = serde_json::from_value(odd).unwrap();
        assert_eq!(words(&record), "a\u{FFFD}b");
        assert!(record.created_at.is_none() && record.langs.is_empty());
    }

    #[rstest]
    #[case("at://did:plc:me/app.bsky.feed.post/1", true)]
    #[case("at://did:plc:mean/app.bsky.feed.post/1", false)]
    #[case("https://did:plc:me/", false)]
    fn a_record_is_of_one_account(#[case] uri: &str, #[case] mine: bool) {
        assert_eq!(is_in(uri, "did:plc:me"), mine);
    }
}
