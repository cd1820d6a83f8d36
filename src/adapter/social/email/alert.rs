//! Letters of services that tell what others wrote: Google Alerts, Twilert, Pinterest's own notices. Each page
//! that such a letter leads to becomes a post with that link; nobody is answered by letter.
//!
//! How these letters look is documented nowhere [what is known is from letters that people have published]:
//! so what is relied on is only that they link to the pages, and that the words about a page stand behind its
//! link until the next one.

use super::letter::Letter;
use crate::adapter::plain::plain;
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;
use std::collections::HashSet;
use url::Url;

/// The most posts of one letter.
const MOST: usize = 50;

/// Whether a letter's sender is one of these: addresses, or domains with `@` before them.
pub fn is_from(address: &str, alerts: &[String]) -> bool {
    alerts.iter().any(|alert| {
        let alert = alert.trim().to_lowercase();
        match alert.strip_prefix('@') {
            Some(domain) => address.rsplit_once('@').is_some_and(|(_, at)| {
                at == domain
                    || at
                        .strip_suffix(domain)
                        .is_some_and(|before| before.ends_with('.'))
            }),
            None => address == alert,
        }
    })
}

/// The posts that an alert tells of; one without a link where it leads nowhere.
pub fn posts(source: &SourceName, letter: &Letter, came: Instant) -> Vec<Post> {
    let text = letter.html.as_deref().map(|html| plain(html, &[]));
    let text = text
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| letter.text.clone());
    let sender = letter.from.address.rsplit('@').next().unwrap_or_default();
    let mut found = told(&text, sender);
    if found.is_empty() {
        let words = format!("{}\n\n{}", letter.subject, letter.text);
        found.push((None, words.trim().to_owned()));
    }
    let posts = found.into_iter().take(MOST).enumerate();
    posts
        .map(|(at, (url, words))| {
            let id = NativeId::new(format!("{}#{}", letter.id, at + 1));
            Post {
                source: source.clone(),
                conversation: url
                    .as_ref()
                    .map_or_else(|| id.clone(), |url| NativeId::new(url.as_str())),
                id,
                in_reply_to: None,
                kind: PostKind::Post,
                visibility: Visibility::Public,
                author: author(url.as_ref(), &letter.from.name),
                url: url.map(String::from),
                text: if words.is_empty() {
                    letter.subject.clone()
                } else {
                    words
                },
                created_at: came.trunc_subsecs(6),
                edited_at: None,
                deleted: false,
                lang: letter.lang.clone().filter(|lang| !lang.is_empty()),
                media: Vec::new(),
                metrics: Metrics::default(),
                rating: None,
            }
        })
        .collect()
}

/// The pages that a text leads to, each with the words about it: from its line to that of the next.
fn told(text: &str, sender: &str) -> Vec<(Option<Url>, String)> {
    let mut begins: Vec<(usize, Url)> = Vec::new();
    let mut seen = HashSet::new();
    let mut finder = linkify::LinkFinder::new();
    finder.kinds(&[linkify::LinkKind::Url]);
    for link in finder.links(text) {
        let Some(url) = page(link.as_str(), sender) else {
            continue;
        };
        if seen.insert(url.clone()) {
            let line = text[..link.start()].rfind('\n').map_or(0, |at| at + 1);
            begins.push((line, url));
        }
    }
    let ends: Vec<usize> = begins
        .iter()
        .skip(1)
        .map(|(at, _)| *at)
        .chain([text.len()])
        .collect();
    let found = begins.into_iter().zip(ends).map(|((begin, url), end)| {
        let words = text.get(begin..end.max(begin)).unwrap_or_default();
        (Some(url), without_links(words))
    });
    found.collect()
}

/// The page that a link leads to; none for what the service says about itself.
fn page(link: &str, sender: &str) -> Option<Url> {
    let url = Url::parse(link).ok()?;
    let host = url.host_str()?.trim_start_matches("www.").to_owned();
    if host.starts_with("google.") {
        // Google leads there by a page of its own; its other links are about the alert.
        let (_, to) = url.query_pairs().find(|(name, _)| name == "url" || name == "q")?;
        return (url.path() == "/url").then(|| Url::parse(&to).ok()).flatten();
    }
    if host == "pinterest.com" || host.ends_with(".pinterest.com") {
        return url.path().starts_with("/pin/").then_some(url);
    }
    (owner(&host) != owner(sender)).then_some(url)
}

/// The part of a host that somebody registered, near enough: the last two labels, three below the likes of `co.uk`.
fn owner(host: &str) -> Vec<&str> {
    let labels: Vec<_> = host.rsplit('.').collect();
    let shared = labels.len() > 2 && labels[0].len() == 2 && labels[1].len() <= 3;
    labels.into_iter().take(if shared { 3 } else { 2 }).collect()
}

/// Words without the addresses behind them, and without lines that then say nothing.
fn without_links(words: &str) -> String {
    let mut finder = linkify::LinkFinder::new();
    finder.kinds(&[linkify::LinkKind::Url]);
    let mut out = String::new();
    let mut from = 0;
    for link in finder.links(words) {
        out.push_str(&words[from..link.start()]);
        from = link.end();
    }
    out.push_str(&words[from..]);
    let lines = out.replace("()", "");
    let lines = lines
        .lines()
        .map(str::trim)
        .filter(|line| line.chars().any(char::is_alphanumeric));
    lines.collect::<Vec<_>>().join("\n")
}

/// The page's site; on the networks of short posts the account that its address names. Never a mail address:
/// by that it is known that nobody can be written to.
fn author(url: Option<&Url>, service: &str) -> Author {
    let host = url
        .and_then(Url::host_str)
        .map(|host| host.trim_start_matches("www."));
    let short = matches!(host, Some("x.com" | "twitter.com"));
    let first = url.and_then(|url| url.path_segments()?.next().map(str::to_owned));
    let account = first.filter(|name| short && !name.is_empty() && name != "i");
    let site = host.map_or_else(|| service.replace('@', " at "), str::to_owned);
    let page = match (&account, host) {
        (Some(account), Some(host)) => Some(format!("https://{host}/{account}")),
        (_, Some(host)) => Some(format!("https://{host}/")),
        (_, None) => None,
    };
    let name = account.unwrap_or_else(|| site.clone());
    Author {
        id: NativeId::new(if short { format!("{name} on {site}") } else { site }),
        handle: name.clone(),
        name,
        followers: None,
        url: page,
    }
}

#[cfg(test)]
mod tests {
    use super::super::letter::read;
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("googlealerts-noreply@google.com", true)]
    #[case("noreply@twilert.com", true)]
    #[case("pinbot@explore.pinterest.com", true)]
    #[case("eve@nottwilert.com", false)]
    #[case("someone@google.com", false)]
    fn a_service_is_known_by_its_address(#[case] address: &str, #[case] alert: bool) {
        let alerts = [
            "googlealerts-noreply@google.com",
            "@twilert.com",
            "@Pinterest.com",
        ];
        assert_eq!(is_from(address, &alerts.map(str::to_owned)), alert);
    }

    fn alert(from: &str, kind: &str, body: &str) -> Vec<Post> {
        let raw = format!(
            "From: {from}\r\nSubject: Shop\r\nMessage-ID: <1@x>\r\nContent-Type: {kind}\r\n\r\n{body}"
        );
        let letter = read(raw.as_bytes()).unwrap();
        posts(&SourceName::new("mail"), &letter, Instant::UNIX_EPOCH)
    }

    #[test]
    fn an_alert_of_google_is_a_post_for_each_page() {
        let page = r#"<h3>WEB</h3>
            <a href="https://www.google.com/url?rct=j&amp;url=https://blog.example/late%3Fa%3D1&amp;ct=ga">Parcels of Shop are <b>late</b></a><div>Blog</div><div>Mine never came …</div>
            <a href="https://www.google.com/url?rct=j&amp;url=https://news.example/shop&amp;ct=ga">Shop grows</a><div>News</div>
            <a href="https://www.google.com/alerts/remove?source=x">Unsubscribe</a>"#;
        let posts = alert(
            "Google Alerts <googlealerts-noreply@google.com>",
            "text/html",
            page,
        );
        let shown: Vec<_> = posts
            .iter()
            .map(|post| (post.url.as_deref().unwrap(), post.text.as_str()))
            .collect();
        assert_eq!(
            shown[0],
            (
                "https://blog.example/late?a=1",
                "Parcels of Shop are late\nBlog\nMine never came …"
            )
        );
        assert_eq!(shown[1].0, "https://news.example/shop");
        assert_eq!(posts.len(), 2);
        assert_eq!(posts[0].author.handle, "blog.example");
        assert_eq!(
            (posts[0].visibility, posts[0].id.as_str()),
            (Visibility::Public, "1@x#1")
        );
    }

    #[test]
    fn an_alert_of_twilert_names_the_account() {
        let body = "ann: my parcel from Shop is late https://twitter.com/ann/status/12\r\nManage: https://www.twilert.com/x";
        let posts = alert("Twilert <alerts@twilert.com>", "text/plain", body);
        assert_eq!(posts.len(), 1);
        assert_eq!(posts[0].url.as_deref(), Some("https://twitter.com/ann/status/12"));
        assert_eq!(
            (posts[0].author.handle.as_str(), posts[0].text.lines().next()),
            ("ann", Some("ann: my parcel from Shop is late"))
        );
    }

    #[test]
    fn a_neighbour_of_the_service_is_not_the_service() {
        let body = "Late again https://blog.co.uk/late\r\nManage: https://www.alerts.co.uk/x";
        let posts = alert("Alerts <mail@news.alerts.co.uk>", "text/plain", body);
        assert_eq!(posts.len(), 1);
        assert_eq!(posts[0].url.as_deref(), Some("https://blog.co.uk/late"));
    }

    #[test]
    fn a_notice_of_pinterest_leads_to_the_pin() {
        let page = r#"<p>Ann commented on your Pin</p><a href="https://www.pinterest.com/pin/42/?utm=1">It broke after a day</a> <a href="https://www.pinterest.com/settings">Settings</a>"#;
        let posts = alert("Pinterest <pinbot@account.pinterest.com>", "text/html", page);
        assert_eq!(posts.len(), 1);
        assert_eq!(
            posts[0].url.as_deref(),
            Some("https://www.pinterest.com/pin/42/?utm=1")
        );
        assert!(
            posts[0].text.starts_with("It broke after a day"),
            "{}",
            posts[0].text
        );
        let bare = alert("Pinterest <pinbot@account.pinterest.com>", "text/plain", "Hello");
        assert_eq!(
            (bare.len(), bare[0].url.as_deref(), bare[0].text.as_str()),
            (1, None, "Shop\n\nHello")
        );
    }
}
