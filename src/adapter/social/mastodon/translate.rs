//! A status as a post.

use super::instance::Known;
use super::text;
use super::wire::{Attachment, Status};
use crate::domain::{Author, Media, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;

/// The post a status is.
pub fn post(source: &SourceName, known: &Known, status: &Status, conversation: NativeId) -> Post {
    let text = words(status);
    let account = &status.account;
    let name = account.display_name.trim().replace('\0', "\u{FFFD}");
    Post {
        source: source.clone(),
        id: known.software.stable(&status.id),
        conversation,
        in_reply_to: status
            .in_reply_to_id
            .as_deref()
            .map(|id| known.software.stable(id)),
        kind: kind(known, status),
        visibility: visibility(&status.visibility),
        url: status.url.clone(),
        author: Author {
            id: NativeId::new(&account.id),
            handle: account.acct.clone(),
            name: if name.is_empty() {
                account.acct.clone()
            } else {
                name
            },
            followers: account.followers_count,
            url: account.url.clone(),
        },
        text,
        created_at: status.created_at.trunc_subsecs(6),
        edited_at: status.edited_at.map(|at| at.trunc_subsecs(6)),
        deleted: false,
        lang: status.language.clone().filter(|lang| !lang.is_empty()),
        media: status.media_attachments.iter().filter_map(media).collect(),
        metrics: Metrics {
            likes: status.favourites_count,
            shares: status.reblogs_count,
            views: 0,
        },
        rating: None,
    }
}

/// What a status says, with its content warning.
pub fn words(status: &Status) -> String {
    let body = text::plain(&status.content, &status.mentions);
    match status.spoiler_text.trim() {
        "" => body,
        warning => format!("CW: {}\n\n{body}", warning.replace('\0', "\u{FFFD}"))
            .trim_end()
            .to_owned(),
    }
}

/// Whether a status is our own, or a boost of another: neither is anybody's complaint.
pub fn is_nobodys(known: &Known, status: &Status) -> bool {
    status.account.id == known.me || status.reblog.is_some()
}

/// Whether a status is addressed to us.
pub fn is_for_us(known: &Known, status: &Status) -> bool {
    status.in_reply_to_account_id.as_deref() == Some(known.me.as_str())
        || status.mentions.iter().any(|mention| mention.id == known.me)
}

fn kind(known: &Known, status: &Status) -> PostKind {
    if status.visibility == "direct" {
        PostKind::Message
    } else if status.in_reply_to_account_id.as_deref() == Some(known.me.as_str()) {
        PostKind::Comment
    } else if is_for_us(known, status) {
        PostKind::Mention
    } else {
        PostKind::Post
    }
}

/// What is not known counts as private: an answer is never more visible than what it answers.
pub fn visibility(word: &str) -> Visibility {
    match word {
        "public" => Visibility::Public,
        "unlisted" => Visibility::Unlisted,
        "private" | "mutuals_only" => Visibility::Followers,
        _ => Visibility::Private,
    }
}

/// The word for a visibility.
pub fn word(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Unlisted => "unlisted",
        Visibility::Followers => "private",
        Visibility::Private => "direct",
    }
}

fn media(attachment: &Attachment) -> Option<Media> {
    let url = attachment.url.clone().or_else(|| attachment.remote_url.clone())?;
    let mime = mime(&attachment.kind, &url);
    // Of a picture the picture itself is better.
    let poster = attachment.preview_url.clone();
    Some(Media {
        poster: poster.filter(|poster| !mime.starts_with("image/") && *poster != url),
        mime,
        alt: attachment.description.replace('\0', "\u{FFFD}"),
        url,
    })
}

/// The MIME type as far as it can be told: the API gives a class, the address has an ending.
fn mime(kind: &str, url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let ending = path
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase());
    let known = match ending.as_deref() {
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("avif") => "image/avif",
        Some("mp4") => "video/mp4",
        Some("webm") => "video/webm",
        Some("mp3") => "audio/mpeg",
        Some("ogg" | "oga") => "audio/ogg",
        Some(_) | None => match kind {
            "image" => "image/*",
            "video" | "gifv" => "video/*",
            "audio" => "audio/*",
            _ => "",
        },
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::instance::Software;
    use super::*;
    use rstest::rstest;

    fn known() -> Known {
        Known {
            me: "1".to_owned(),
            acct: "help".to_owned(),
            software: Software::Mastodon,
            characters: 500,
            per_url: 23,
            streaming: None,
        }
    }

    /// As Mastodon 4 answers, shortened by what we do not read.
    fn status() -> serde_json::Value {
        serde_json::json!({
            "id": "115600000000000001", "created_at": "2026-11-21T10:00:00.123Z", "in_reply_to_id": null,
            "in_reply_to_account_id": null, "sensitive": true, "spoiler_text": "rant", "visibility": "unlisted",
            "language": "en", "uri": "https://a.example/users/ann/statuses/1", "url": "https://a.example/@ann/1",
            "replies_count": 0, "reblogs_count": 2, "favourites_count": 3, "edited_at": "2026-11-21T10:05:00.000Z",
            "content": "<p><span class=\"h-card\"><a href=\"https://b.example/@help\" class=\"u-url mention\">@<span>help</span></a></span> It broke.</p>",
            "reblog": null, "account": {"id": "7", "username": "ann", "acct": "ann@a.example", "display_name": "Ann ✨",
            "bot": false, "url": "https://a.example/@ann", "followers_count": 120},
            "media_attachments": [{"id": "5", "type": "image", "url": "https://b.example/m/1.png", "description": null},
                {"id": "6", "type": "unknown", "url": null, "remote_url": "https://a.example/x"}],
            "mentions": [{"id": "1", "username": "help", "url": "https://b.example/@help", "acct": "help"}],
            "tags": [], "emojis": [], "card": null, "poll": null
        })
    }

    fn translated(status: serde_json::Value) -> Post {
        let status: Status = serde_json::from_value(status).unwrap();
        post(&SourceName::new("fedi"), &known(), &status, NativeId::new("root"))
    }

    #[test]
    fn a_mention_is_told_whole() {
        let post = translated(status());
        assert_eq!(post.text, "CW: rant\n\n@help It broke.");
        assert_eq!(
            (post.kind, post.visibility),
            (PostKind::Mention, Visibility::Unlisted)
        );
        assert_eq!(post.author.handle, "ann@a.example");
        assert_eq!(
            (post.author.name.as_str(), post.author.followers),
            ("Ann ✨", Some(120))
        );
        assert_eq!((post.metrics.likes, post.metrics.shares), (3, 2));
        assert_eq!(
            (post.media[0].mime.as_str(), post.media[0].alt.as_str()),
            ("image/png", "")
        );
        assert_eq!(post.media[1].url, "https://a.example/x");
        assert_eq!(post.edited_at.unwrap().to_rfc3339(), "2026-11-21T10:05:00+00:00");
        assert_eq!(post.lang.as_deref(), Some("en"));
    }

    #[rstest]
    #[case::direct("direct", None, true, PostKind::Message)]
    #[case::reply_to_us("public", Some("1"), true, PostKind::Comment)]
    #[case::reply_to_another("public", Some("9"), true, PostKind::Mention)]
    #[case::of_a_hashtag("public", None, false, PostKind::Post)]
    fn its_kind_says_how_it_came_to_us(
        #[case] visibility: &str,
        #[case] answers: Option<&str>,
        #[case] mentions_us: bool,
        #[case] kind: PostKind,
    ) {
        let mut status = status();
        status["visibility"] = visibility.into();
        status["in_reply_to_account_id"] = answers.into();
        if !mentions_us {
            status["mentions"] = serde_json::json!([]);
        }
        assert_eq!(translated(status).kind, kind);
    }

    #[test]
    fn a_bare_status_of_a_small_server_is_enough() {
        let post = translated(serde_json::json!({
            "id": "a", "created_at": "2026-11-21T10:00:00Z", "edited_at": "", "visibility": "local",
            "account": {"id": "7", "acct": "ann", "display_name": null}, "mentions": null, "content": null
        }));
        assert_eq!((post.author.name.as_str(), post.text.as_str()), ("ann", ""));
        assert_eq!((post.visibility, post.edited_at), (Visibility::Private, None));
    }

    #[test]
    fn our_own_and_boosts_are_nobodys() {
        let mut own = status();
        own["account"]["id"] = "1".into();
        let mut boost = status();
        boost["reblog"] = status();
        for (value, nobodys) in [(own, true), (boost, true), (status(), false)] {
            let status: Status = serde_json::from_value(value).unwrap();
            assert_eq!(is_nobodys(&known(), &status), nobodys);
        }
    }
}
