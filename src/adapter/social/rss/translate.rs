//! An item of a feed as a post.

use crate::adapter::plain::plain;
use crate::domain::{Author, Instant, Media, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;
use feed_rs::model::{Entry, Feed, FeedType, Person, Text};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use url::Url;

/// The longest id that is kept as it is, in bytes; of a longer one its hash.
const LONGEST_ID: usize = 400;
/// The most characters of a name, and of what an item says.
const MOST_NAME: usize = 100;
const MOST_TEXT: usize = 40_000;
/// The longest address that is kept, in bytes, the most pictures of an item, and the most characters that describe
/// one.
const LONGEST_ADDRESS: usize = 2_048;
const MOST_PICTURES: usize = 10;
const MOST_ALT: usize = 1_000;
/// The longest name of a language, in bytes.
const LONGEST_LANGUAGE: usize = 35;

/// An item.
pub struct Item {
    /// As a post.
    pub post: Post,
    /// Whether the feed says when it was written; otherwise it counts as written now.
    pub dated: bool,
}

/// Reads an item.
///
/// # Errors
/// It says nothing and leads nowhere.
pub fn item(
    source: &SourceName,
    (feed, at): (&Feed, &Url),
    entry: &Entry,
    now: Instant,
) -> Result<Item, &'static str> {
    let text = words(feed, entry);
    let url = page(entry, at);
    if text.is_empty() {
        return Err("an item without a title and without words");
    }
    let id = id(&entry.id);
    let written = entry.published.or(entry.updated).unwrap_or(now).min(now);
    let edited = entry
        .updated
        .filter(|updated| *updated > written && *updated <= now);
    let post = Post {
        source: source.clone(),
        conversation: id.clone(),
        id,
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        author: author(feed, entry, url.as_ref().unwrap_or(at)),
        url: url.map(String::from),
        text,
        created_at: written.trunc_subsecs(6),
        edited_at: edited.map(|at| at.trunc_subsecs(6)),
        deleted: false,
        lang: [&entry.language, &feed.language]
            .into_iter()
            .flatten()
            .find(|lang| !lang.is_empty() && lang.len() <= LONGEST_LANGUAGE)
            .cloned(),
        media: media(entry),
        metrics: Metrics::default(),
        rating: None,
    };
    Ok(Item {
        post,
        dated: entry.published.or(entry.updated).is_some(),
    })
}

/// By which an item is known again: its id, and what it says and where.
pub fn mark(post: &Post) -> (String, String) {
    let words = format!("{}\n{}", post.url.as_deref().unwrap_or_default(), post.text);
    (post.id.to_string(), words)
}

/// Tells items apart that have the same id and say different things: each gets one of its own, made of what it
/// says too. Otherwise they would count as one that changes with every reading.
pub fn tell_apart(items: &mut [Item]) {
    let mut said: HashMap<NativeId, Option<String>> = HashMap::new();
    for item in items.iter() {
        let words = mark(&item.post).1;
        said.entry(item.post.id.clone())
            .and_modify(|known| {
                if known.as_ref() != Some(&words) {
                    *known = None;
                }
            })
            .or_insert(Some(words));
    }
    for item in items.iter_mut() {
        if said.get(&item.post.id).is_some_and(Option::is_none) {
            let (id, words) = mark(&item.post);
            let both = Sha256::digest(format!("{id}\n{words}").as_bytes());
            item.post.id = NativeId::new(format!("sha256:{}", hex::encode(both)));
            item.post.conversation = item.post.id.clone();
        }
    }
}

fn id(told: &str) -> NativeId {
    let told = sound(told.trim());
    if told.len() <= LONGEST_ID {
        return NativeId::new(told);
    }
    NativeId::new(format!("sha256:{}", hex::encode(Sha256::digest(told.as_bytes()))))
}

/// The title, and below it what the item says, where that is more.
fn words(feed: &Feed, entry: &Entry) -> String {
    let title = entry.title.as_ref().map(|title| told(feed, title));
    let title = title.unwrap_or_default();
    let content = entry.content.as_ref().and_then(|content| {
        let body = content.body.as_deref()?;
        Some(marked(feed, content.content_type.subty().as_str(), body))
    });
    let body = content.filter(|text| !text.is_empty());
    let body = body.or_else(|| entry.summary.as_ref().map(|summary| told(feed, summary)));
    let body = body.unwrap_or_default();
    let whole = joined(title, body);
    match whole.char_indices().nth(MOST_TEXT) {
        Some((at, _)) => format!("{}…", &whole[..at]),
        None => whole,
    }
}

fn joined(title: String, body: String) -> String {
    if title.is_empty() || body.starts_with(title.trim_end_matches('…')) {
        body
    } else if body.is_empty() {
        title
    } else {
        format!("{title}\n\n{body}")
    }
}

fn told(feed: &Feed, text: &Text) -> String {
    marked(feed, text.content_type.subty().as_str(), &text.content)
}

/// A text without its markup. RSS does not say which of its texts have any: they are all read as if.
fn marked(feed: &Feed, subtype: &str, text: &str) -> String {
    let is_plain = subtype == "plain" && matches!(feed.feed_type, FeedType::Atom | FeedType::JSON);
    let text = if is_plain { sound(text) } else { plain(text, &[]) };
    text.trim().to_owned()
}

/// The page an item is about. Google leads there by a page of its own, which asks for consent first.
fn page(entry: &Entry, at: &Url) -> Option<Url> {
    let alternate = entry
        .links
        .iter()
        .find(|link| link.rel.as_deref() == Some("alternate"));
    let link = alternate.or_else(|| entry.links.iter().find(|link| link.rel.is_none()));
    let link = link.map(|link| link.href.trim()).filter(|link| !link.is_empty());
    let url = at.join(link?).ok()?;
    let url = behind_google(&url).unwrap_or(url);
    let sound = matches!(url.scheme(), "http" | "https") && url.as_str().len() <= LONGEST_ADDRESS;
    sound.then_some(url)
}

fn behind_google(url: &Url) -> Option<Url> {
    let host = url.host_str()?;
    // Its own domain, and those of countries: google.fr, google.co.uk, google.com.br.
    let country = host.trim_start_matches("www.").strip_prefix("google.")?;
    let google = country.len() <= "com.br".len() && country.split('.').all(|part| part.len() <= 3);
    if !google || url.path() != "/url" {
        return None;
    }
    let to = url.query_pairs().find(|(name, _)| name == "url" || name == "q")?;
    let to = Url::parse(&to.1).ok()?;
    matches!(to.scheme(), "http" | "https").then_some(to)
}

/// Who wrote an item: its author, or else the feed's, or else the site that the page is on.
fn author(feed: &Feed, entry: &Entry, page: &Url) -> Author {
    let site = page
        .host_str()
        .unwrap_or_default()
        .trim_start_matches("www.")
        .to_owned();
    let person = entry.authors.first().or_else(|| feed.authors.first());
    let name = person.and_then(name).unwrap_or_else(|| site.clone());
    let web = person.and_then(|person| person.uri.as_deref());
    let web = web.and_then(|uri| page.join(uri).ok());
    let web = web.filter(|uri| matches!(uri.scheme(), "http" | "https"));
    let web = web.filter(|uri| uri.as_str().len() <= LONGEST_ADDRESS);
    let id = match (&web, person) {
        (Some(uri), _) => uri.to_string(),
        (None, Some(_)) => format!("{}@{site}", name.to_lowercase()),
        (None, None) => site,
    };
    Author {
        id: self::id(&id),
        handle: name.clone(),
        name,
        followers: None,
        url: web.map(String::from),
    }
}

/// A person's name. RSS has it as `address (name)`, or as either of them
/// (<https://www.rssboard.org/rss-specification>): the address is not shown.
fn name(person: &Person) -> Option<String> {
    let told = person.name.as_deref().unwrap_or_default().trim();
    let inner = told
        .split_once(" (")
        .filter(|(address, _)| address.contains('@'))
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    let told = inner.unwrap_or(told);
    let bare = told.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let name = sound(bare.unwrap_or(told));
    let name = match name.split_once('@') {
        Some((before, after)) if !before.contains(' ') && after.contains('.') => before.to_owned(),
        Some(_) | None => name,
    };
    let name: String = name.chars().take(MOST_NAME).collect();
    (!name.is_empty()).then_some(name)
}

fn media(entry: &Entry) -> Vec<Media> {
    let enclosures = entry.media.iter().flat_map(|object| {
        let alt = object.description.as_ref().or(object.title.as_ref());
        let alt = alt.map(|text| sound(&text.content)).unwrap_or_default();
        let alt: String = alt.chars().take(MOST_ALT).collect();
        let pictures = object.content.iter().filter_map(|content| {
            let mime = content.content_type.as_ref()?.to_string();
            Some((content.url.as_ref()?.to_string(), mime))
        });
        let thumbnails = object.thumbnails.iter();
        let thumbnails = thumbnails.map(|small| (small.image.uri.clone(), "image/*".to_owned()));
        let mut shown: Vec<_> = pictures.filter(|(_, mime)| mime.starts_with("image/")).collect();
        if shown.is_empty() {
            shown.extend(thumbnails);
        }
        shown.into_iter().map(move |(url, mime)| Media {
            url,
            mime,
            alt: alt.clone(),
            poster: None,
        })
    });
    enclosures
        .filter(|media| media.url.starts_with("https://") || media.url.starts_with("http://"))
        .filter(|media| media.url.len() <= LONGEST_ADDRESS)
        .take(MOST_PICTURES)
        .collect()
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}
