//! A Mastodon server: one brand account, any number of people, notifications with exact paging and
//! its own limit (300 pages in a quarter of an hour, `throttle_authenticated_paging` in Mastodon's
//! `rack_attack.rb`), `Idempotency-Key` for an hour, threads, edits, deletions, the stream, a proxy
//! in front, and scripted faults by the
//! name of the call: `publish`, `status`, `context`, `notifications`, `own`, `tag`, `search`,
//! `account`, `instance`, `stream`.

use super::fault::Faults;
use super::gateway::Gateway;
use super::server::{Line, Server, error};
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocketUpgrade};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::TimeDelta;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

/// The brand account's token.
pub const TOKEN: &str = "tok_brand_4711";
/// The brand account's id.
pub const ME: &str = "100";
/// What the server's ids begin with.
const FIRST_ID: u64 = 115_600_000_000_000_000;
/// How far apart they are.
const STEP: u64 = 1000;
/// How many pages an account may ask for in [`WINDOW`].
const PAGES: usize = 300;
/// The time for which pages are counted, in seconds.
const WINDOW: i64 = 900;

/// A call that came in.
#[derive(Debug, Clone)]
pub struct Called {
    /// Which.
    pub call: &'static str,
    /// What it asked for.
    pub query: HashMap<String, String>,
}

/// How the server differs from the usual one.
#[derive(Debug, Clone)]
pub struct Traits {
    /// What it says it runs.
    pub software: &'static str,
    /// Whether a repeated `Idempotency-Key` brings the first status again.
    pub honours_keys: bool,
    /// Whether a reply to nothing becomes a post on its own.
    pub makes_orphans: bool,
    /// Whether every reply becomes a post on its own.
    pub misplaces: bool,
    /// Whether searching is allowed.
    pub searches: bool,
    /// Whether `min_id` gives the newest instead of the next.
    pub leaps: bool,
    /// Whether the account's list leaves out direct posts.
    pub hides_direct: bool,
    /// Whether the stream takes the token only as the name of its protocol.
    pub token_as_protocol: bool,
    /// Whether something that is no status stands below every post.
    pub odd_threads: bool,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            software: "mastodon",
            honours_keys: true,
            makes_orphans: false,
            misplaces: false,
            searches: true,
            leaps: false,
            hides_direct: false,
            token_as_protocol: false,
            odd_threads: false,
        }
    }
}

#[derive(Clone)]
struct Status {
    id: u64,
    author: String,
    text: String,
    visibility: String,
    parent: Option<u64>,
    created: Instant,
    edited: Option<Instant>,
    warning: String,
}

#[derive(Default)]
struct World {
    /// Whether ids are ten digits of the time of the last change, then a hash.
    snac: bool,
    statuses: Vec<Status>,
    notifications: Vec<Notification>,
    keys: HashMap<String, (Instant, u64)>,
    calls: Vec<Called>,
    made: u64,
    /// Objects put into the notifications as they are.
    poison: Vec<(u64, Value)>,
    /// The window in which pages are counted, and how many it had.
    paged: (i64, usize),
}

#[derive(Clone)]
struct Notification {
    id: u64,
    kind: &'static str,
    by: String,
    status: u64,
}

struct Inner {
    world: Mutex<World>,
    traits: Traits,
    faults: Faults,
    gateway: Gateway,
    clock: Arc<dyn Clock>,
    events: broadcast::Sender<String>,
    listeners: watch::Sender<usize>,
    changed: watch::Sender<u64>,
    streaming: Mutex<String>,
}

/// The server.
pub struct FakeMastodon {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeMastodon {
    /// Starts a server; the default is a usual one.
    pub async fn with(clock: Arc<dyn Clock>, traits: Traits) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::new(World {
                snac: traits.software.starts_with("snac"),
                ..World::default()
            }),
            traits,
            faults: Faults::default(),
            gateway: Gateway::default(),
            clock,
            events: broadcast::Sender::new(1024),
            listeners: watch::Sender::new(0),
            changed: watch::Sender::new(0),
            streaming: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/nodeinfo", get(nodeinfo_index))
            .route("/nodeinfo/2.0", get(nodeinfo))
            .route("/api/v1/accounts/verify_credentials", get(account))
            .route("/api/v1/apps/verify_credentials", get(app))
            .route("/api/v2/instance", get(instance))
            .route("/api/v1/instance", get(instance))
            .route("/api/v1/notifications", get(notifications))
            .route("/api/v1/timelines/tag/{tag}", get(tag))
            .route("/api/v2/search", get(search))
            .route("/api/v1/statuses", post(publish))
            .route("/api/v1/statuses/{id}", get(status))
            .route("/api/v1/statuses/{id}/context", get(context))
            .route("/api/v1/accounts/{id}/statuses", get(own))
            .route("/api/v1/streaming", get(stream))
            .layer(axum::middleware::map_response_with_state(inner.clone(), dated))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        *inner.streaming.lock().unwrap() = server.url.as_str().replace("http://", "ws://");
        Self { inner, server }
    }

    /// Where it is.
    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    /// The faults waiting.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// What stands before the server, for the same calls.
    pub fn gateway(&self) -> &Gateway {
        &self.inner.gateway
    }

    /// Somebody writes; who names us (`@help`) is told of in our notifications. Gives the id.
    pub fn write(&self, author: &str, text: &str) -> String {
        self.add(author, text, "public", None)
    }

    /// Somebody writes only to those they name.
    pub fn write_direct(&self, author: &str, text: &str) -> String {
        self.add(author, text, "direct", None)
    }

    /// Somebody answers a post.
    pub fn answer(&self, author: &str, post: &str, text: &str) -> String {
        let parent = number(post);
        let visibility = self
            .inner
            .world
            .lock()
            .unwrap()
            .find(parent)
            .unwrap()
            .visibility
            .clone();
        self.add(author, text, &visibility, Some(parent))
    }

    /// The brand answers from another place, for example its own browser.
    pub fn brand_answers(&self, post: &str, text: &str) -> String {
        self.add("help", text, "public", Some(number(post)))
    }

    fn add(&self, author: &str, text: &str, visibility: &str, parent: Option<u64>) -> String {
        let now = self.inner.clock.now();
        let mut world = self.inner.world.lock().unwrap();
        let id = world.insert(author, text, visibility, parent, now);
        if author != "help" && names_us(text) {
            let told = world.notify("mention", author, id);
            let _ = self.inner.events.send(told);
        }
        let status = world.find(id).unwrap();
        world.spell(status)
    }

    /// Somebody likes a post of ours: one of the notifications that nobody needs to answer.
    pub fn favourite(&self, who: &str, post: &str) {
        let mut world = self.inner.world.lock().unwrap();
        let told = world.notify("favourite", who, number(post));
        let _ = self.inner.events.send(told);
    }

    /// The server fetches a post from elsewhere that was written before another: its id says so.
    pub fn fetch(&self, author: &str, text: &str, before: &str) -> String {
        let mut world = self.inner.world.lock().unwrap();
        let before = world.find(number(before)).unwrap().clone();
        let taken = |id: u64| world.statuses.iter().any(|status| status.id == id);
        let id = (1..STEP).map(|by| before.id - by).find(|id| !taken(*id)).unwrap();
        world.statuses.push(Status {
            id,
            author: author.to_owned(),
            text: text.to_owned(),
            visibility: "public".to_owned(),
            parent: None,
            created: before.created,
            edited: None,
            warning: String::new(),
        });
        id.to_string()
    }

    /// The author changes what a post says.
    pub fn edit(&self, post: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.inner.world.lock().unwrap();
        let status = world
            .statuses
            .iter_mut()
            .find(|status| status.id == number(post))
            .unwrap();
        text.clone_into(&mut status.text);
        status.edited = Some(now);
    }

    /// The author takes a post back.
    pub fn delete(&self, post: &str) {
        let mut world = self.inner.world.lock().unwrap();
        world.statuses.retain(|status| status.id != number(post));
        world.notifications.retain(|told| told.status != number(post));
    }

    /// Puts a notification into the list that is not what the API describes.
    pub fn poison(&self, notification: Value) {
        let mut world = self.inner.world.lock().unwrap();
        let id = world.next();
        let mut notification = notification;
        notification["id"] = id.to_string().into();
        world.poison.push((id, notification));
    }

    /// Says something on the stream.
    pub fn say(&self, event: &str, payload: &str) {
        let event = json!({"stream": ["user"], "event": event, "payload": payload});
        let _ = self.inner.events.send(event.to_string());
    }

    /// A status as the API shows it.
    pub fn shown(&self, post: &str) -> Value {
        let world = self.inner.world.lock().unwrap();
        world.show(world.find(number(post)).unwrap())
    }

    /// What the brand account published, the oldest first.
    pub fn published(&self) -> Vec<Value> {
        let world = self.inner.world.lock().unwrap();
        let ours = world.statuses.iter().filter(|status| status.author == "help");
        ours.map(|status| world.show(status)).collect()
    }

    /// The calls that came, of one name.
    pub fn calls(&self, call: &str) -> Vec<Called> {
        let world = self.inner.world.lock().unwrap();
        world
            .calls
            .iter()
            .filter(|called| called.call == call)
            .cloned()
            .collect()
    }

    /// Waits until so many calls of a name came.
    pub async fn called(&self, call: &str, times: usize) {
        let mut changed = self.inner.changed.subscribe();
        let enough = changed.wait_for(|_| self.calls(call).len() >= times);
        tokio::time::timeout(Duration::from_secs(20), enough)
            .await
            .unwrap_or_else(|_| panic!("{call} is called {times} times"))
            .unwrap();
    }

    /// Waits until somebody listens to the stream.
    pub async fn listened_to(&self) {
        let mut listeners = self.inner.listeners.subscribe();
        tokio::time::timeout(Duration::from_secs(20), listeners.wait_for(|count| *count > 0))
            .await
            .expect("somebody listens to the stream")
            .unwrap();
    }

    /// Closes every stream.
    pub fn close_streams(&self) {
        let _ = self.inner.events.send(String::new());
    }
}

/// The number behind an id, in either form; 0 for none.
fn number(id: &str) -> u64 {
    match id.get(10..) {
        Some(hash) if hash.len() == 32 => u64::from_str_radix(hash, 16).unwrap_or(0),
        Some(_) | None => id.parse().unwrap_or(0),
    }
}

fn names_us(text: &str) -> bool {
    text.split(|c: char| c.is_whitespace() || c == ',')
        .any(|word| word == "@help")
}

impl World {
    fn next(&mut self) -> u64 {
        self.made += 1;
        FIRST_ID + self.made * STEP
    }

    fn insert(
        &mut self,
        author: &str,
        text: &str,
        visibility: &str,
        parent: Option<u64>,
        now: Instant,
    ) -> u64 {
        let id = self.next();
        self.statuses.push(Status {
            id,
            author: author.to_owned(),
            text: text.to_owned(),
            visibility: visibility.to_owned(),
            parent,
            created: now,
            edited: None,
            warning: String::new(),
        });
        id
    }

    /// A status's id as the server writes it now.
    fn spell(&self, status: &Status) -> String {
        let changed = status.edited.unwrap_or(status.created);
        if self.snac {
            format!("{:010}{:032x}", changed.timestamp(), status.id)
        } else {
            status.id.to_string()
        }
    }

    fn find(&self, id: u64) -> Option<&Status> {
        self.statuses.iter().find(|status| status.id == id)
    }

    /// Tells us of something; gives the event for the stream.
    fn notify(&mut self, kind: &'static str, by: &str, status: u64) -> String {
        let id = self.next();
        let by = by.to_owned();
        self.notifications.push(Notification { id, kind, by, status });
        let payload = self
            .notification(&self.notifications[self.notifications.len() - 1])
            .to_string();
        json!({"stream": ["user:notification"], "event": "notification", "payload": payload}).to_string()
    }

    fn notification(&self, told: &Notification) -> Value {
        let status = self.find(told.status).unwrap();
        json!({
            "id": told.id.to_string(), "type": told.kind, "group_key": format!("ungrouped-{}", told.id),
            "created_at": time(status.created), "account": person(&told.by), "status": self.show(status),
        })
    }

    fn show(&self, status: &Status) -> Value {
        // snac 2.96 leaves out whoever asks.
        let mentions: Vec<_> = words(&status.text)
            .filter_map(|word| word.strip_prefix('@'))
            .filter(|handle| !self.snac || *handle != "help")
            .map(|handle| {
                let person = person(handle);
                json!({"id": person["id"], "username": person["username"], "acct": handle, "url": person["url"]})
            })
            .collect();
        let parent = status.parent.and_then(|parent| self.find(parent));
        json!({
            "id": self.spell(status), "created_at": time(status.created), "edited_at": status.edited.map(time),
            "in_reply_to_id": status.parent.map(|id| self.find(id).map_or(id.to_string(), |parent| self.spell(parent))),
            "in_reply_to_account_id": parent.map(|parent| person(&parent.author)["id"].clone()),
            "sensitive": false, "spoiler_text": status.warning, "visibility": status.visibility, "language": "en",
            "uri": format!("https://a.example/users/x/statuses/{}", status.id),
            "url": format!("https://a.example/@{}/{}", status.author, status.id),
            "replies_count": 0, "reblogs_count": 0, "favourites_count": 0,
            "content": html(&status.text), "reblog": null, "account": person(&status.author),
            "media_attachments": [], "mentions": mentions, "tags": [], "emojis": [], "card": null, "poll": null,
        })
    }

    fn root_path(&self, status: &Status) -> Vec<u64> {
        let mut path = Vec::new();
        let mut at = status.parent;
        while let Some(parent) = at.and_then(|id| self.find(id)) {
            path.insert(0, parent.id);
            at = parent.parent;
        }
        path
    }

    fn descendants(&self, id: u64) -> Vec<&Status> {
        let below = |status: &&Status| self.root_path(status).contains(&id);
        self.statuses.iter().filter(below).collect()
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
        .map(|word| word.trim_end_matches([',', '.', '!', '?', ':']))
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

fn person(handle: &str) -> Value {
    let id = match handle {
        "help" => ME.to_owned(),
        other => (200 + other.bytes().map(u64::from).sum::<u64>()).to_string(),
    };
    let user = handle.split('@').next().unwrap();
    let host = handle.split_once('@').map_or("a.example", |(_, host)| host);
    json!({
        "id": id, "username": user, "acct": handle, "display_name": user, "locked": false, "bot": false,
        "url": format!("https://{host}/@{user}"), "followers_count": 120, "statuses_count": 3, "note": "",
    })
}

/// A text as the server shows it: paragraphs, mentions and links in its own markup.
fn html(text: &str) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
    };
    let word = |word: &str| {
        if let Some(handle) = word.strip_prefix('@').filter(|handle| !handle.is_empty()) {
            let person = person(handle);
            let (url, user) = (
                person["url"].as_str().unwrap(),
                person["username"].as_str().unwrap(),
            );
            format!(
                r#"<span class="h-card" translate="no"><a href="{url}" class="u-url mention">@<span>{user}</span></a></span>"#
            )
        } else if let Some(rest) = word.strip_prefix("https://") {
            let (start, end) = rest.split_at(rest.len().min(30));
            format!(
                r#"<a href="{word}" target="_blank" rel="nofollow noopener" translate="no"><span class="invisible">https://</span><span class="ellipsis">{start}</span><span class="invisible">{end}</span></a>"#
            )
        } else {
            escape(word)
        }
    };
    let line = |line: &str| line.split(' ').map(word).collect::<Vec<_>>().join(" ");
    let paragraph = |text: &str| {
        let lines: Vec<_> = text.split('\n').map(line).collect();
        format!("<p>{}</p>", lines.join("<br />"))
    };
    text.split("\n\n").map(paragraph).collect()
}

impl Inner {
    fn note(&self, call: &'static str, query: &HashMap<String, String>) {
        let query = query.clone();
        self.world.lock().unwrap().calls.push(Called { call, query });
        self.changed.send_modify(|count| *count += 1);
    }

    /// Does what was asked, or what the script says instead.
    async fn act(&self, call: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        self.gateway.pass(&self.faults, call, line, act).await
    }

    /// Turns away who asks for too many pages.
    fn throttled(&self, query: &HashMap<String, String>) -> Option<Response> {
        let pages = ["min_id", "max_id", "since_id", "page"];
        if self.traits.software != "mastodon" || !pages.iter().any(|name| query.contains_key(*name)) {
            return None;
        }
        let window = self.clock.now().timestamp() / WINDOW;
        let mut world = self.world.lock().unwrap();
        if world.paged.0 != window {
            world.paged = (window, 0);
        }
        world.paged.1 += 1;
        if world.paged.1 <= PAGES {
            return None;
        }
        let reset = chrono::DateTime::from_timestamp((window + 1) * WINDOW, 0).unwrap();
        let told = [("x-ratelimit-reset", time(reset))];
        Some((StatusCode::TOO_MANY_REQUESTS, told, error("Too many requests")).into_response())
    }

    /// A page of ids as Mastodon cuts it, and the `Link` header.
    fn page(&self, ids: Vec<u64>, query: &HashMap<String, String>, default: usize, most: usize) -> Vec<u64> {
        let ask = |name: &str| query.get(name).map(|id| number(id));
        let limit = query
            .get("limit")
            .map_or(default, |limit| limit.parse().unwrap())
            .min(most);
        let mut ids = ids;
        ids.sort_unstable();
        ids.retain(|id| ask("max_id").is_none_or(|max| *id < max));
        ids.retain(|id| ask("since_id").is_none_or(|since| *id > since));
        ids.retain(|id| ask("min_id").is_none_or(|min| *id > min));
        if ask("min_id").is_some() && !self.traits.leaps {
            ids.truncate(limit);
        } else {
            ids.drain(..ids.len().saturating_sub(limit));
        }
        ids.reverse();
        ids
    }
}

/// Every answer tells the server's own time.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

type Shared = State<Arc<Inner>>;
type Asked = Query<HashMap<String, String>>;
type Wire = ConnectInfo<Line>;

fn denied(headers: &HeaderMap) -> Option<Response> {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    (token != Some(&format!("Bearer {TOKEN}")))
        .then(|| (StatusCode::UNAUTHORIZED, error("The access token is invalid")).into_response())
}

fn paged(path: &str, ids: &[u64], objects: Vec<Value>) -> Response {
    let mut answer = Json(objects).into_response();
    if let (Some(newest), Some(oldest)) = (ids.first(), ids.last()) {
        let link = format!(
            r#"<https://a.example{path}?max_id={oldest}>; rel="next", <https://a.example{path}?min_id={newest}>; rel="prev""#
        );
        answer.headers_mut().insert(header::LINK, link.parse().unwrap());
    }
    let headers = answer.headers_mut();
    headers.insert("x-ratelimit-limit", HeaderValue::from_static("300"));
    headers.insert("x-ratelimit-remaining", HeaderValue::from_static("299"));
    answer
}

async fn nodeinfo_index(State(inner): Shared) -> Response {
    let base = inner.streaming.lock().unwrap().replace("ws://", "http://");
    let rel = "http://nodeinfo.diaspora.software/ns/schema/2.0";
    Json(json!({"links": [{"rel": rel, "href": format!("{base}nodeinfo/2.0")}]})).into_response()
}

async fn nodeinfo(State(inner): Shared) -> Response {
    Json(json!({"version": "2.0", "software": {"name": inner.traits.software, "version": "4.5.0"}}))
        .into_response()
}

async fn account(State(inner): Shared, ConnectInfo(line): Wire, headers: HeaderMap) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    inner.note("account", &HashMap::new());
    inner
        .act("account", &line, || Json(person("help")).into_response())
        .await
}

async fn app(headers: HeaderMap) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    let scopes = [
        "read:notifications",
        "read:statuses",
        "read:accounts",
        "write:statuses",
    ];
    Json(json!({"id": "1", "name": "Hearback", "scopes": scopes})).into_response()
}

async fn instance(State(inner): Shared, ConnectInfo(line): Wire) -> Response {
    let streaming = inner.streaming.lock().unwrap().clone();
    let told = json!({
        "domain": "a.example", "title": "A", "version": "4.5.0", "source_url": "https://github.com/mastodon/mastodon",
        "configuration": {"urls": {"streaming": streaming.trim_end_matches('/')},
            "statuses": {"max_characters": 500, "max_media_attachments": 4, "characters_reserved_per_url": 23}},
    });
    inner.act("instance", &line, || Json(told).into_response()).await
}

async fn notifications(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Query(query): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    inner.note("notifications", &query);
    if let Some(throttled) = inner.throttled(&query) {
        return throttled;
    }
    let list = || {
        let world = inner.world.lock().unwrap();
        let wanted = |told: &&Notification| query.get("types[]").is_none_or(|kind| kind == told.kind);
        let told = world.notifications.iter().filter(wanted).map(|told| told.id);
        let all = told.chain(world.poison.iter().map(|(id, _)| *id)).collect();
        let ids = inner.page(all, &query, 40, 80);
        let show = |id: &u64| match world.notifications.iter().find(|told| told.id == *id) {
            Some(told) => world.notification(told),
            None => world
                .poison
                .iter()
                .find(|(known, _)| known == id)
                .unwrap()
                .1
                .clone(),
        };
        paged("/api/v1/notifications", &ids, ids.iter().map(show).collect())
    };
    inner.act("notifications", &line, list).await
}

async fn tag(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(tag): Path<String>,
    Query(query): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    let mut asked = query.clone();
    asked.insert("tag".to_owned(), tag.clone());
    inner.note("tag", &asked);
    if let Some(throttled) = inner.throttled(&query) {
        return throttled;
    }
    let list = || {
        let world = inner.world.lock().unwrap();
        let wanted = format!("#{tag}");
        let has = |status: &&Status| {
            status.visibility == "public"
                && words(&status.text).any(|word| word.eq_ignore_ascii_case(&wanted))
        };
        let all = world
            .statuses
            .iter()
            .filter(has)
            .map(|status| status.id)
            .collect();
        let ids = inner.page(all, &query, 20, 40);
        let show = |id: &u64| world.show(world.find(*id).unwrap());
        paged("/api/v1/timelines/tag", &ids, ids.iter().map(show).collect())
    };
    inner.act("tag", &line, list).await
}

async fn search(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Query(query): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    inner.note("search", &query);
    if !inner.traits.searches {
        let outside = error("This action is outside the authorized scopes");
        return (StatusCode::FORBIDDEN, outside).into_response();
    }
    let list = || {
        let world = inner.world.lock().unwrap();
        let wanted = query["q"].to_lowercase();
        let has = |status: &&Status| status.text.to_lowercase().contains(&wanted);
        let all = world
            .statuses
            .iter()
            .filter(has)
            .map(|status| status.id)
            .collect();
        let ids = inner.page(all, &query, 20, 40);
        let statuses: Vec<_> = ids
            .iter()
            .map(|id| world.show(world.find(*id).unwrap()))
            .collect();
        Json(json!({"accounts": [], "statuses": statuses, "hashtags": []})).into_response()
    };
    inner.act("search", &line, list).await
}

async fn publish(State(inner): Shared, ConnectInfo(line): Wire, headers: HeaderMap, body: Bytes) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let key = headers
        .get("idempotency-key")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    inner.note("publish", &HashMap::from([("key".to_owned(), key.clone())]));
    inner.act("publish", &line, || insert(&inner, &key, &body)).await
}

fn insert(inner: &Inner, key: &str, body: &Value) -> Response {
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    if inner.traits.honours_keys
        && let Some((at, id)) = world.keys.get(key).copied()
        && now - at < TimeDelta::hours(1)
        && let Some(status) = world.find(id)
    {
        return Json(world.show(status)).into_response();
    }
    let text = body["status"].as_str().unwrap();
    if length(text) > 500 {
        let told = error("Validation failed: Text character limit of 500 exceeded");
        return (StatusCode::UNPROCESSABLE_ENTITY, told).into_response();
    }
    let mut parent = body["in_reply_to_id"].as_str().map(number);
    if parent.is_some_and(|parent| world.find(parent).is_none()) {
        if !inner.traits.makes_orphans {
            let told = error("The post you are trying to reply to does not appear to exist.");
            return (StatusCode::NOT_FOUND, told).into_response();
        }
        parent = None;
    }
    if inner.traits.misplaces {
        parent = None;
    }
    let visibility = body["visibility"].as_str().unwrap_or("public");
    let id = world.insert("help", text, visibility, parent, now);
    world.keys.insert(key.to_owned(), (now, id));
    Json(world.show(world.find(id).unwrap())).into_response()
}

/// Length as `StatusLengthValidator` counts it: graphemes, an address as 23, a mention without its
/// host.
fn length(text: &str) -> usize {
    let word = |word: &str| {
        if word.starts_with("https://") || word.starts_with("http://") {
            return 23;
        }
        let local = word.strip_prefix('@').and_then(|handle| handle.split_once('@'));
        local
            .map_or(word, |(user, _)| &word[..=user.len()])
            .graphemes(true)
            .count()
    };
    text.split_inclusive(char::is_whitespace)
        .map(|part| {
            let bare = part.trim_end();
            word(bare) + part[bare.len()..].graphemes(true).count()
        })
        .sum()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, error("Record not found")).into_response()
}

async fn status(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    inner.note("status", &HashMap::from([("id".to_owned(), id.clone())]));
    let stranger = denied(&headers).is_some();
    let show = || {
        let world = inner.world.lock().unwrap();
        // What a stranger may not see does not exist for them.
        let seen =
            |status: &&Status| !stranger || matches!(status.visibility.as_str(), "public" | "unlisted");
        let found = world.find(number(&id)).filter(seen);
        found.map_or_else(missing, |status| Json(world.show(status)).into_response())
    };
    inner.act("status", &line, show).await
}

async fn context(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    inner.note("context", &HashMap::from([("id".to_owned(), id.clone())]));
    let show = || {
        let world = inner.world.lock().unwrap();
        let Some(status) = world.find(number(&id)) else {
            return missing();
        };
        let ancestors = world.root_path(status);
        let ancestors: Vec<_> = ancestors
            .iter()
            .map(|id| world.show(world.find(*id).unwrap()))
            .collect();
        let odd = inner.traits.odd_threads.then(|| json!({"id": 7}));
        let below = world.descendants(status.id).into_iter();
        let descendants: Vec<_> = below.map(|below| world.show(below)).chain(odd).collect();
        Json(json!({"ancestors": ancestors, "descendants": descendants})).into_response()
    };
    inner.act("context", &line, show).await
}

async fn own(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(id): Path<String>,
    Query(query): Asked,
    headers: HeaderMap,
) -> Response {
    if let Some(denied) = denied(&headers) {
        return denied;
    }
    inner.note("own", &query);
    if let Some(throttled) = inner.throttled(&query) {
        return throttled;
    }
    let list = || {
        let world = inner.world.lock().unwrap();
        let hides = |status: &Status| inner.traits.hides_direct && status.visibility == "direct";
        let of = |status: &&Status| person(&status.author)["id"] == id.as_str() && !hides(status);
        let all = world.statuses.iter().filter(of).map(|status| status.id).collect();
        let ids = inner.page(all, &query, 20, 40);
        let show = |id: &u64| world.show(world.find(*id).unwrap());
        paged("/api/v1/accounts", &ids, ids.iter().map(show).collect())
    };
    inner.act("own", &line, list).await
}

async fn stream(
    State(inner): Shared,
    Query(query): Asked,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let protocol = headers
        .get(header::SEC_WEBSOCKET_PROTOCOL)
        .is_some_and(|value| value == TOKEN);
    if inner.traits.token_as_protocol && !protocol {
        return StatusCode::FORBIDDEN.into_response();
    }
    if let Some(denied) = denied(&headers).filter(|_| !protocol) {
        return denied;
    }
    assert_eq!(query.get("stream").map(String::as_str), Some("user:notification"));
    assert!(
        !query.contains_key("access_token"),
        "the token stands in an address"
    );
    inner.note("stream", &query);
    if let Some(super::fault::Fault::Status(status)) = inner.faults.take("stream") {
        return StatusCode::from_u16(status).unwrap().into_response();
    }
    upgrade.protocols([TOKEN]).on_upgrade(async move |mut socket| {
        let mut events = inner.events.subscribe();
        inner.listeners.send_modify(|count| *count += 1);
        while let Ok(event) = events.recv().await {
            if event.is_empty() || socket.send(Message::text(event)).await.is_err() {
                break;
            }
        }
        inner.listeners.send_modify(|count| *count -= 1);
    })
}
