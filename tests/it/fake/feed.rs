//! A site with a feed: Atom, RSS 2.0 or JSON Feed, as their documents describe them, with validators, redirects
//! and pages. Scripted faults go by `feed` and `page`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::Router;
use axum::extract::{ConnectInfo, OriginalUri, Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hearback::domain::{Clock, Instant};
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// Which format the site speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// <https://www.rfc-editor.org/rfc/rfc4287>
    #[default]
    Atom,
    /// <https://www.rssboard.org/rss-specification>
    Rss,
    /// <https://www.jsonfeed.org/version/1.1/>
    Json,
}

#[derive(Clone)]
struct Item {
    id: String,
    who: String,
    text: String,
    at: Instant,
    changed: Option<Instant>,
    picture: Option<String>,
    /// Without a title, words or a link.
    empty: bool,
}

#[derive(Default)]
struct Site {
    items: Vec<Item>,
    format: Format,
    pages: HashMap<String, (u16, String)>,
    /// Answered to the next requests, whatever is asked for.
    moved: Option<String>,
    max_age: Option<u64>,
    /// With how many 304 and 200 the feed was answered.
    unchanged: usize,
    whole: usize,
    version: u64,
    validates: bool,
    /// Of which type the feed is, and these bytes, whatever was written.
    raw: Option<(String, Vec<u8>)>,
}

struct Inner {
    site: Mutex<Site>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The site.
pub struct FakeFeed {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeFeed {
    /// A site that gives validators.
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let site = Site {
            validates: true,
            ..Site::default()
        };
        let inner = Arc::new(Inner {
            site: Mutex::new(site),
            faults: Faults::default(),
            clock,
        });
        let router = Router::new()
            .route("/feed", get(feed))
            .route("/moved", get(feed))
            .route("/pages/{name}", get(page))
            .with_state(inner.clone());
        Self {
            server: Server::start(router).await,
            inner,
        }
    }

    fn site(&self) -> MutexGuard<'_, Site> {
        self.inner.site.lock().unwrap()
    }

    /// Where a path of it is.
    pub fn at(&self, path: &str) -> Url {
        self.server.url.join(path).unwrap()
    }

    pub fn speak(&self, format: Format) {
        self.site().format = format;
    }

    /// The feed is this from now on.
    pub fn serve(&self, kind: &str, body: impl Into<Vec<u8>>) {
        let mut site = self.site();
        site.raw = Some((kind.to_owned(), body.into()));
        site.version += 1;
    }

    pub fn without_validators(&self) {
        self.site().validates = false;
    }

    /// Somebody writes; gives the id.
    pub fn write(&self, who: &str, text: &str) -> String {
        self.write_at(who, text, self.inner.clock.now())
    }

    pub fn write_at(&self, who: &str, text: &str, at: Instant) -> String {
        let mut site = self.site();
        let id = format!("tag:blog.example,2026:{}", site.items.len() + 1);
        site.items.push(Item {
            id: id.clone(),
            who: who.to_owned(),
            text: text.to_owned(),
            at,
            changed: None,
            picture: None,
            empty: false,
        });
        site.version += 1;
        id
    }

    pub fn show(&self, who: &str, text: &str, alt: &str) -> String {
        let id = self.write(who, text);
        self.site().items.last_mut().unwrap().picture = Some(alt.to_owned());
        id
    }

    pub fn edit(&self, id: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut site = self.site();
        let item = site.items.iter_mut().find(|item| item.id == id).unwrap();
        item.text = text.to_owned();
        item.changed = Some(now);
        site.version += 1;
    }

    /// An item that says nothing.
    pub fn garble(&self) {
        self.write("nobody", "");
        self.site().items.last_mut().unwrap().empty = true;
    }

    /// What has this age leaves the feed.
    pub fn forget(&self, id: &str) {
        let mut site = self.site();
        site.items.retain(|item| item.id != id);
        site.version += 1;
    }

    /// A page at `/pages/NAME`.
    pub fn put_page(&self, name: &str, status: u16, body: &str) -> Url {
        self.site()
            .pages
            .insert(name.to_owned(), (status, body.to_owned()));
        self.at(&format!("/pages/{name}"))
    }

    /// `/moved` leads there from now on.
    pub fn move_to(&self, to: &str) {
        self.site().moved = Some(to.to_owned());
    }

    pub fn keep_for(&self, seconds: u64) {
        self.site().max_age = Some(seconds);
    }

    /// How often the feed was asked for: answered with 304, and whole.
    pub fn readings(&self) -> (usize, usize) {
        let site = self.site();
        (site.unchanged, site.whole)
    }
}

async fn feed(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    if uri.path() == "/moved" {
        let to = inner.site.lock().unwrap().moved.clone().unwrap();
        return (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response();
    }
    let answer = scripted(&inner.faults, "feed", &line, || {
        let mut site = inner.site.lock().unwrap();
        let etag = format!("\"v{}\"", site.version);
        let same = headers
            .get(header::IF_NONE_MATCH)
            .is_some_and(|told| *told == *etag);
        if same {
            site.unchanged += 1;
            return StatusCode::NOT_MODIFIED.into_response();
        }
        site.whole += 1;
        let (kind, body) = match (&site.raw, site.format) {
            (Some((kind, body)), _) => (kind.as_str(), body.clone()),
            (None, Format::Atom) => ("application/atom+xml", atom(&site.items).into()),
            (None, Format::Rss) => ("application/rss+xml", rss(&site.items).into()),
            (None, Format::Json) => ("application/feed+json", json_feed(&site.items).into()),
        };
        let mut answer = ([(header::CONTENT_TYPE, kind.to_owned())], body).into_response();
        let told = answer.headers_mut();
        if site.validates {
            told.insert(header::ETAG, etag.parse().unwrap());
        }
        if let Some(seconds) = site.max_age {
            let control = format!("public, max-age={seconds}");
            told.insert(header::CACHE_CONTROL, control.parse().unwrap());
        }
        answer
    })
    .await;
    let mut answer = answer;
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

async fn page(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(name): Path<String>,
) -> Response {
    scripted(&inner.faults, "page", &line, || {
        match inner.site.lock().unwrap().pages.get(&name).cloned() {
            Some((status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    })
    .await
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

fn link(item: &Item) -> String {
    let number = item.id.rsplit(':').next().unwrap();
    format!("https://blog.example/posts/{number}")
}

fn atom(items: &[Item]) -> String {
    let mut out = String::from(
        r#"<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom" xmlns:media="http://search.yahoo.com/mrss/" xml:lang="en"><title>The blog</title><id>tag:blog.example,2026:feed</id><updated>2026-11-21T10:00:00Z</updated>"#,
    );
    for item in items.iter().rev() {
        let Item {
            id, who, at, changed, ..
        } = item;
        if item.empty {
            let _ = write!(
                out,
                "<entry><id>{id}</id><updated>{}</updated></entry>",
                at.to_rfc3339()
            );
            continue;
        }
        let _ = write!(
            out,
            r#"<entry><id>{id}</id><link rel="alternate" href="{}"/><author><name>{who}</name><uri>https://blog.example/@{who}</uri></author><published>{}</published><updated>{}</updated><content type="html">{}</content>"#,
            link(item),
            at.to_rfc3339(),
            changed.unwrap_or(*at).to_rfc3339(),
            escaped(&format!("<p>{}</p>", escaped(&item.text))),
        );
        if let Some(alt) = &item.picture {
            let _ = write!(
                out,
                r#"<media:group><media:content url="https://blog.example/1.png" type="image/png"/><media:description>{alt}</media:description></media:group>"#
            );
        }
        out.push_str("</entry>");
    }
    out + "</feed>"
}

fn rss(items: &[Item]) -> String {
    let mut out = String::from(
        r#"<?xml version="1.0"?><rss version="2.0"><channel><title>The blog</title><link>https://blog.example/</link><description>All of it</description><language>en</language>"#,
    );
    for item in items.iter().rev() {
        let _ = write!(
            out,
            r#"<item><guid isPermaLink="false">{}</guid><link>{}</link><author>{}@blog.example ({})</author><pubDate>{}</pubDate><description>{}</description></item>"#,
            item.id,
            link(item),
            item.who,
            item.who,
            item.at.to_rfc2822(),
            escaped(&format!("<b>{}</b>", escaped(&item.text))),
        );
    }
    out + "</channel></rss>"
}

fn json_feed(items: &[Item]) -> String {
    let items = items.iter().rev().map(|item| {
        json!({
            "id": item.id, "url": link(item), "content_text": item.text,
            "date_published": item.at.to_rfc3339(),
            "authors": [{"name": item.who, "url": format!("https://blog.example/@{}", item.who)}],
        })
    });
    let items: Vec<_> = items.collect();
    json!({"version": "https://jsonfeed.org/version/1.1", "title": "The blog", "language": "en", "items": items})
        .to_string()
}

/// What the next request meets.
impl FakeFeed {
    pub fn next(&self, fault: Fault) {
        self.inner.faults.next("feed", fault);
    }
}
