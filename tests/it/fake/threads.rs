//! A Threads profile, those who write there, and the API before them, written from the documentation: answers
//! at any depth, mentions, searches, containers with their status, tokens that are renewed
//! (<https://developers.facebook.com/docs/threads>). Scripted faults go by the last part of a path: `threads`,
//! `conversation`, `keyword_search`; `contain` makes a container, `threads_publish` publishes it.

use super::fault::Faults;
use super::graph::{self, Asked, asked, error, missing, page, show, time};
use super::server::{Line, Server};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

/// The profile, and its handle.
pub const ME: &str = "2410000000000001";
pub const HANDLE: &str = "help_shop";
/// What it is known by at first.
pub const TOKEN: &str = "THAA-SECRET-1";
const FIELDS: &[&str] = &[
    "id",
    "text",
    "username",
    "permalink",
    "timestamp",
    "media_type",
    "media_url",
    "thumbnail_url",
    "is_reply",
    "root_post",
    "replied_to",
    "has_replies",
];
/// Of an answer in a list it is also told whether it is ours.
const ANSWER_FIELDS: &[&str] = &[
    "id",
    "text",
    "username",
    "permalink",
    "timestamp",
    "media_type",
    "media_url",
    "thumbnail_url",
    "is_reply",
    "root_post",
    "replied_to",
    "has_replies",
    "is_reply_owned_by_me",
];
/// Whose answer it is, a search does not tell.
const SEARCHED: &[&str] = &[
    "id",
    "text",
    "username",
    "permalink",
    "timestamp",
    "media_type",
    "media_url",
    "thumbnail_url",
    "is_reply",
    "has_replies",
];

/// How the network misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    Orphan,
    Elsewhere,
}

#[derive(Debug, Clone)]
struct Post {
    id: String,
    who: String,
    text: String,
    at: Instant,
    root: Option<String>,
    above: Option<String>,
}

#[derive(Debug, Clone)]
struct Container {
    text: String,
    above: String,
    status: &'static str,
}

struct World {
    posts: Vec<Post>,
    containers: HashMap<String, Container>,
    odd: Vec<Value>,
    calls: Vec<String>,
    made: u64,
    tokens: Vec<String>,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
    /// What we are called.
    handle: String,
    /// How the next containers stand.
    next_status: &'static str,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    url: Mutex<Option<Url>>,
}

/// The server.
pub struct FakeThreads {
    inner: Arc<Inner>,
    server: Server,
}

/// Where people read a post.
pub fn permalink(who: &str, id: &str) -> String {
    format!("https://www.threads.com/@{who}/post/C{id}")
}

impl FakeThreads {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let world = World {
            posts: Vec::new(),
            containers: HashMap::new(),
            odd: Vec::new(),
            calls: Vec::new(),
            made: 0,
            tokens: vec![TOKEN.to_owned()],
            locked_out: false,
            exhausted_until: None,
            misplaces: None,
            handle: HANDLE.to_owned(),
            next_status: "FINISHED",
        };
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
            faults: Faults::default(),
            clock,
            url: Mutex::default(),
        });
        let router = Router::new()
            .route(
                "/",
                get(|| async { error(400, (100, 0), "Unsupported get request.") }),
            )
            .route("/refresh_access_token", get(renew))
            .route("/v1.0/{*path}", get(read).post(write))
            .layer(axum::middleware::map_response_with_state(inner.clone(), dated))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        *inner.url.lock().unwrap() = Some(server.url.clone());
        Self { inner, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap()
    }

    /// Somebody writes a post of their own. Gives the id.
    pub fn write(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        self.world().add((who, text), None, now)
    }

    /// Somebody answers a post.
    pub fn answer(&self, who: &str, to: &str, text: &str) -> String {
        self.answer_at(who, to, text, self.inner.clock.now())
    }

    /// As [`Self::answer`]; it is shown only now.
    pub fn answer_at(&self, who: &str, to: &str, text: &str, at: Instant) -> String {
        self.world().add((who, text), Some(to), at)
    }

    pub fn edit(&self, id: &str, text: &str) {
        let mut world = self.world();
        world.posts.iter_mut().find(|post| post.id == id).unwrap().text = text.to_owned();
    }

    pub fn delete(&self, id: &str) {
        self.world().posts.retain(|post| post.id != id);
    }

    /// Puts something into the conversations that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
    }

    pub fn lock_out(&self) {
        self.world().locked_out = true;
    }

    /// Only the newest token counts from now on.
    pub fn end_old_tokens(&self) {
        let mut world = self.world();
        let newest = world.tokens.pop().unwrap();
        world.tokens = vec![newest];
    }

    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    pub fn misplace(&self, how: Misplaces) {
        self.world().misplaces = Some(how);
    }

    /// We call ourselves otherwise from now on.
    pub fn rename(&self, handle: &str) {
        self.world().handle = handle.to_owned();
    }

    /// Containers that are made from now on stand so.
    pub fn contain_as(&self, status: &'static str) {
        self.world().next_status = status;
    }

    /// How many containers were made.
    pub fn containers(&self) -> usize {
        self.world().containers.len()
    }

    /// What we wrote, the oldest first: id, what it answers, text.
    pub fn published(&self) -> Vec<(String, Option<String>, String)> {
        let world = self.world();
        let ours = world.posts.iter().filter(|post| post.who == HANDLE);
        let ours = ours.filter(|post| post.text != "Our new hats!");
        ours.map(|post| (post.id.clone(), post.above.clone(), post.text.clone()))
            .collect()
    }

    pub fn calls(&self, call: &str) -> usize {
        self.world().calls.iter().filter(|other| *other == call).count()
    }

    /// What Meta sends of a post.
    pub fn notice(&self, field: &str, id: &str) -> Value {
        let world = self.world();
        let post = world.posts.iter().find(|post| post.id == id).unwrap();
        let mut value = world.whole(post);
        value.as_object_mut().unwrap().remove("is_reply_owned_by_me");
        value["shortcode"] = format!("C{id}").into();
        value.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        envelope(field, value, self.inner.clock.now().timestamp())
    }

    /// What Meta sends when a post went.
    pub fn deletion_notice(&self, id: &str) -> Value {
        let now = self.inner.clock.now();
        let value =
            json!({"id": id, "owner": {"owner_id": "77"}, "username": "ann", "deleted_at": time(now)});
        envelope("delete", value, now.timestamp())
    }
}

/// Another envelope than that of Meta's other networks.
pub fn envelope(field: &str, value: Value, at: i64) -> Value {
    json!({"app_id": "123456", "topic": "moderate", "target_id": ME, "time": at, "subscription_id": "234567",
        "has_uid_field": false, "values": {"value": value, "field": field}})
}

impl World {
    fn id(&mut self) -> String {
        self.made += 1;
        format!("180{:08}", self.made)
    }

    fn find(&self, id: &str) -> Option<&Post> {
        self.posts.iter().find(|post| post.id == id)
    }

    fn add(&mut self, (who, text): (&str, &str), above: Option<&str>, at: Instant) -> String {
        let id = self.id();
        let above = above.map(|id| self.find(id).unwrap().clone());
        self.posts.push(Post {
            id: id.clone(),
            who: who.to_owned(),
            text: text.to_owned(),
            at,
            root: above
                .as_ref()
                .map(|above| above.root.clone().unwrap_or_else(|| above.id.clone())),
            above: above.map(|above| above.id),
        });
        id
    }

    fn whole(&self, post: &Post) -> Value {
        let by = |id: &String| json!({"id": id});
        let who = if post.who == HANDLE {
            &self.handle
        } else {
            &post.who
        };
        json!({
            "id": post.id, "text": post.text, "username": who, "permalink": permalink(who, &post.id),
            "timestamp": time(post.at), "media_type": "TEXT_POST", "is_reply": post.above.is_some(),
            "root_post": post.root.as_ref().map(by), "replied_to": post.above.as_ref().map(by),
            "has_replies": self.posts.iter().any(|other| other.above.as_deref() == Some(&post.id)),
            "is_reply_owned_by_me": post.who == HANDLE,
        })
    }

    fn listed<'a>(
        &'a self,
        posts: impl Iterator<Item = &'a Post>,
        known: &[&str],
        asked: &Asked,
    ) -> Result<Vec<Value>, Box<Response>> {
        let mut posts: Vec<_> = posts.collect();
        posts.reverse();
        posts.sort_by_key(|post| std::cmp::Reverse(post.at));
        let wanted = graph::fields(asked);
        let shown = posts.into_iter();
        shown
            .map(|post| show(self.whole(post), "ThreadsMedia", known, &wanted))
            .collect()
    }
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;

async fn dated(State(inner): Shared, answer: Response) -> Response {
    graph::dated(&*inner.clock, answer)
}

impl Inner {
    fn refused(&self, asked: &Asked) -> Option<Response> {
        let world = self.world.lock().unwrap();
        if let Some(until) = world.exhausted_until.filter(|until| self.clock.now() < *until) {
            return Some(graph::throttled(ME, until - self.clock.now()));
        }
        let known = asked
            .get("access_token")
            .is_some_and(|token| world.tokens.contains(token));
        let message = "Error validating access token: Session has expired";
        (!known || world.locked_out).then(|| error(400, (190, 463), message))
    }
}

async fn renew(State(inner): Shared, ConnectInfo(line): Wire, RawQuery(query): RawQuery) -> Response {
    let asked = asked(&query.unwrap_or_default());
    inner
        .world
        .lock()
        .unwrap()
        .calls
        .push("refresh_access_token".to_owned());
    if let Some(refused) = inner.refused(&asked) {
        return refused;
    }
    assert_eq!(asked.get("grant_type").unwrap(), "th_refresh_token");
    let act = || {
        let mut world = inner.world.lock().unwrap();
        let token = format!("THAA-SECRET-{}", world.tokens.len() + 1);
        world.tokens.push(token.clone());
        Json(json!({"access_token": token, "token_type": "bearer", "expires_in": 5_184_000})).into_response()
    };
    graph::act(&inner.faults, "refresh_access_token", &line, act).await
}

async fn read(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = asked(&query.unwrap_or_default());
    let call = match path.split_once('/') {
        Some((_, edge)) => edge.to_owned(),
        None if path == "keyword_search" => path.clone(),
        None => "node".to_owned(),
    };
    inner.world.lock().unwrap().calls.push(call.clone());
    if let Some(refused) = inner.refused(&asked) {
        return refused;
    }
    let answer = || {
        let world = inner.world.lock().unwrap();
        let url = inner.url.lock().unwrap().clone().unwrap();
        answer(&world, &path, &asked, &url).unwrap_or_else(|error| *error)
    };
    graph::act(&inner.faults, &call, &line, answer).await
}

fn answer(world: &World, path: &str, asked: &Asked, url: &Url) -> Result<Response, Box<Response>> {
    let (object, edge) = path.split_once('/').unwrap_or((path, ""));
    let posts = world.posts.iter();
    Ok(match (object, edge) {
        ("me", "") => Json(json!({"id": ME, "username": world.handle})).into_response(),
        ("keyword_search", "") => {
            assert_eq!(
                asked.get("search_type").map_or("RECENT", String::as_str),
                "RECENT"
            );
            let words = asked.get("q").unwrap().to_lowercase();
            let since = asked
                .get("since")
                .map_or(0, |since| since.parse::<i64>().unwrap());
            let found = posts
                .filter(|post| post.text.to_lowercase().contains(&words) && post.at.timestamp() >= since);
            page(world.listed(found, SEARCHED, asked)?, asked, url)
        }
        (ME, "threads") => {
            let ours = posts.filter(|post| post.who == HANDLE && post.above.is_none());
            page(world.listed(ours, FIELDS, asked)?, asked, url)
        }
        (ME, "replies") => {
            let ours = posts.filter(|post| post.who == HANDLE && post.above.is_some());
            page(world.listed(ours, FIELDS, asked)?, asked, url)
        }
        (ME, "mentions") => {
            let us = format!("@{HANDLE}");
            let named = posts.filter(|post| post.text.contains(&us) && post.who != HANDLE);
            page(world.listed(named, FIELDS, asked)?, asked, url)
        }
        (ME, "threads_publishing_limit") => {
            let config = json!({"quota_total": 1000, "quota_duration": 86400});
            Json(json!({"data": [{"reply_quota_usage": 1, "reply_config": config}]})).into_response()
        }
        (object, "conversation" | "replies") => {
            let Some(post) = world.find(object) else {
                return Err(Box::new(missing(object)));
            };
            if edge == "conversation" && post.root.is_some() {
                return Err(Box::new(error(400, (100, 0), "(#100) Only for a root post")));
            }
            let below = posts.filter(|other| match edge {
                "conversation" => other.root.as_deref() == Some(object),
                _ => other.above.as_deref() == Some(object),
            });
            let mut items = world.odd.clone();
            items.extend(world.listed(below, ANSWER_FIELDS, asked)?);
            page(items, asked, url)
        }
        (object, "") => match (world.find(object), world.containers.get(object)) {
            (Some(post), _) => {
                Json(world.listed(std::iter::once(post), FIELDS, asked)?.remove(0)).into_response()
            }
            (None, Some(container)) => {
                assert_eq!(asked.get("fields").unwrap(), "id,status,error_message");
                let mut told = json!({"id": object, "status": container.status});
                if container.status == "ERROR" {
                    told["error_message"] = "UNKNOWN".into();
                }
                Json(told).into_response()
            }
            (None, None) => missing(object),
        },
        (object, _) => missing(object),
    })
}

async fn write(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(path): Path<String>,
    body: Bytes,
) -> Response {
    let asked = asked(std::str::from_utf8(&body).unwrap());
    let call = match path.split_once('/').unwrap() {
        (ME, "threads") => "contain",
        (ME, "threads_publish") => "threads_publish",
        _ => panic!("nobody asks for {path}"),
    };
    inner.world.lock().unwrap().calls.push(call.to_owned());
    if let Some(refused) = inner.refused(&asked) {
        return refused;
    }
    let act = || {
        let mut world = inner.world.lock().unwrap();
        if call == "contain" {
            return contain(&mut world, &asked);
        }
        publish(&mut world, &asked, inner.clock.now())
    };
    graph::act(&inner.faults, call, &line, act).await
}

/// Emojis count their bytes.
fn counted(text: &str) -> usize {
    let emoji = |grapheme: &str| grapheme.chars().any(|letter| u32::from(letter) >= 0x1F000);
    let length = |grapheme: &str| {
        if emoji(grapheme) {
            grapheme.len()
        } else {
            grapheme.chars().count()
        }
    };
    text.graphemes(true).map(length).sum()
}

fn contain(world: &mut World, asked: &Asked) -> Response {
    assert_eq!(asked["media_type"], "TEXT");
    let (text, above) = (asked["text"].clone(), asked["reply_to_id"].clone());
    if counted(&text) > 500 {
        return error(400, (100, 0), "Param text must be at most 500 characters long.");
    }
    if world.find(&above).is_none() {
        return missing(&above);
    }
    let id = world.id();
    let status = world.next_status;
    world
        .containers
        .insert(id.clone(), Container { text, above, status });
    Json(json!({"id": id})).into_response()
}

fn publish(world: &mut World, asked: &Asked, now: Instant) -> Response {
    let id = &asked["creation_id"];
    let Some(container) = world
        .containers
        .get(id)
        .cloned()
        .filter(|known| known.status == "FINISHED")
    else {
        return error(400, (24, 4_279_009), "The requested resource does not exist");
    };
    world.containers.get_mut(id).unwrap().status = "PUBLISHED";
    let above = match world.misplaces {
        None => Some(container.above),
        Some(Misplaces::Orphan) => None,
        Some(Misplaces::Elsewhere) => Some(world.add(("eve", "else"), None, now)),
    };
    let id = world.add((HANDLE, &container.text), above.as_deref(), now);
    Json(json!({"id": id})).into_response()
}
