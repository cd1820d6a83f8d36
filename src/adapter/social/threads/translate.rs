//! What stands on Threads as a post. The API tells no id of an author but the handle, so the handle stands for
//! them: who changes theirs is somebody else here.

use super::wire;
use crate::adapter::graph::wire::sound;
use crate::domain::{Author, Media, Metrics, NativeId, Post, PostKind, SourceName, Visibility};

/// Where people read the network.
const PAGES: &str = "https://www.threads.com";
/// The mark of an author whom the API does not name.
const UNNAMED: &str = "unnamed:";

/// A post.
pub fn post(source: &SourceName, kind: PostKind, told: &wire::Post) -> Post {
    let root = told.root_post.as_ref().map_or(&told.id, |root| &root.id);
    let shown = told.thumbnail_url.as_ref().or(told.media_url.as_ref());
    let shown = shown.map(|url| Media {
        url: url.clone(),
        mime: match told.media_type.as_deref() {
            Some("VIDEO") if told.thumbnail_url.is_none() => "video/*".to_owned(),
            Some("AUDIO") => "audio/*".to_owned(),
            Some(_) | None => "image/*".to_owned(),
        },
        alt: String::new(),
        poster: None,
    });
    Post {
        source: source.clone(),
        id: NativeId::new(&told.id),
        conversation: NativeId::new(root),
        in_reply_to: told.replied_to.as_ref().map(|above| NativeId::new(&above.id)),
        kind,
        visibility: Visibility::Public,
        url: told.permalink.clone(),
        author: author(told),
        text: words(told),
        created_at: told.timestamp,
        edited_at: None,
        deleted: false,
        lang: None,
        media: shown.into_iter().collect(),
        metrics: Metrics::default(),
        rating: None,
    }
}

/// What a post says.
pub fn words(told: &wire::Post) -> String {
    sound(told.text.as_deref().unwrap_or_default())
}

fn author(told: &wire::Post) -> Author {
    let handle = told.username.clone().unwrap_or_default();
    if handle.is_empty() {
        return Author {
            id: NativeId::new(format!("{UNNAMED}{}", told.id)),
            handle,
            name: "somebody on Threads".to_owned(),
            followers: None,
            url: None,
        };
    }
    Author {
        id: NativeId::new(&handle),
        name: handle.clone(),
        followers: None,
        url: Some(page(&handle)),
        handle,
    }
}

/// Whether a post is by the author that is known of it.
pub fn is_by(told: &wire::Post, author: &NativeId) -> bool {
    let author = author.as_str();
    author.starts_with(UNNAMED) || told.username.as_deref().is_none_or(|handle| handle == author)
}

/// Somebody's page.
pub fn page(handle: &str) -> String {
    format!("{PAGES}/@{handle}")
}

/// What names a post in an address: `https://www.threads.com/@handle/post/CODE`.
pub fn code(address: &str) -> Option<&str> {
    let rest = address.trim().strip_prefix("https://")?;
    let (host, path) = rest.split_once('/')?;
    let known = ["www.threads.com", "threads.com", "www.threads.net", "threads.net"];
    if !known.contains(&host) {
        return None;
    }
    let code = path.split_once("/post/")?.1;
    let end = code.find(['/', '?', '#']).unwrap_or(code.len());
    let code = &code[..end];
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (!code.is_empty() && code.bytes().all(plain)).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://www.threads.com/@shop/post/C8_x-Y", Some("C8_x-Y"))]
    #[case("https://www.threads.net/@shop/post/C8?x=1", Some("C8"))]
    #[case("https://www.threads.com/@shop", None)]
    #[case("https://evil.example/@shop/post/C8", None)]
    fn an_address_names_a_post(#[case] address: &str, #[case] named: Option<&str>) {
        assert_eq!(code(address), named);
    }
}
