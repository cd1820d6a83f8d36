//! A comment of the API as a post.

use super::wire::{Comment, Thread};
use crate::domain::{Author, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;
use url::Url;

/// Where people watch and comment.
const PAGES: &str = "https://www.youtube.com";

/// The post that a comment of a thread is. `followers`: how many follow its author, where that was asked.
pub fn post(source: &SourceName, thread: &Thread, comment: &Comment, followers: Option<i64>) -> Post {
    let snippet = &comment.snippet;
    let created_at = snippet.published_at.trunc_subsecs(6);
    let changed = comment.changed().trunc_subsecs(6);
    let handle = snippet
        .author_display_name
        .trim()
        .trim_start_matches('@')
        .replace('\0', "\u{FFFD}");
    let head = comment.id == thread.snippet.top_level_comment.id;
    Post {
        source: source.clone(),
        id: NativeId::new(&comment.id),
        conversation: NativeId::new(&thread.id),
        in_reply_to: (!head).then(|| NativeId::new(&thread.snippet.top_level_comment.id)),
        kind: PostKind::Comment,
        visibility: Visibility::Public,
        url: address(thread.snippet.video_id.as_deref(), &comment.id),
        author: Author {
            id: NativeId::new(author(comment)),
            name: handle.clone(),
            handle,
            followers,
            url: snippet.author_channel_url.as_deref().map(secure),
        },
        text: snippet.text_display.trim().replace('\0', "\u{FFFD}"),
        created_at,
        edited_at: (changed > created_at).then_some(changed),
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics {
            likes: snippet.like_count,
            ..Metrics::default()
        },
        rating: None,
    }
}

/// Who wrote it. One whose channel is gone is nobody we know from elsewhere.
pub fn author(comment: &Comment) -> &str {
    match comment.author() {
        "" => &comment.id,
        author => author,
    }
}

/// The address of a comment. Those on the channel itself have none.
pub fn address(video: Option<&str>, comment: &str) -> Option<String> {
    let params = [("v", video?), ("lc", comment)];
    let url = Url::parse_with_params(&format!("{PAGES}/watch"), params);
    url.ok().map(Into::into)
}

/// Which comment an address names.
pub fn named(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    let theirs = url
        .host_str()
        .is_some_and(|host| host == "youtube.com" || host.ends_with(".youtube.com"));
    let (_, comment) = url.query_pairs().find(|(name, _)| theirs && name == "lc")?;
    (!comment.is_empty()).then(|| comment.into_owned())
}

/// The API shows channels' addresses without TLS.
fn secure(url: &str) -> String {
    match url.strip_prefix("http://") {
        Some(rest) => format!("https://{rest}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://www.youtube.com/watch?v=abc&lc=Ugx1.9x", Some("Ugx1.9x"))]
    #[case("https://youtube.com/watch?lc=Ugx1", Some("Ugx1"))]
    #[case("https://www.youtube.com/watch?v=abc", None)]
    #[case("https://evil.example/watch?v=abc&lc=Ugx1", None)]
    #[case("https://evilyoutube.com/watch?lc=Ugx1", None)]
    fn an_address_names_a_comment(#[case] address: &str, #[case] comment: Option<&str>) {
        assert_eq!(named(address).as_deref(), comment);
    }

    #[test]
    fn an_address_is_made_of_video_and_comment() {
        assert_eq!(
            address(Some("abc"), "Ugx1.9x").as_deref(),
            Some("https://www.youtube.com/watch?v=abc&lc=Ugx1.9x")
        );
        assert_eq!(address(None, "Ugx1"), None);
    }
}
