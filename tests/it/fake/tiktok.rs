//! TikTok for one business account: its videos, comments below them and answers on one level, failures with
//! the status 200, tokens that end. Written from what is quoted of the documentation of the API for Business
//! v1.3. Scripted faults go by `comments`, `look`, `replies`, `create`, `videos`, `token`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use hearback::domain::{Clock, Instant};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

pub const BUSINESS: &str = "open-id-of-the-shop";
pub const CLIENT: &str = "7300000000000000001";
pub const CLIENT_SECRET: &str = "client-SECRET";
pub const REFRESH: &str = "refresh-SECRET-0";
pub const ADDRESS: &str = "https://www.tiktok.com/@shop/video/7400000000000000001?utm_campaign=tt4d_open_api";
const VIDEO: &str = "7400000000000000001";
/// A newer one, which is there when it was shown.
const NEWER: &str = "7400000000000000002";

/// How the server misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// As a comment on its own.
    Orphan,
    /// Below another comment.
    Elsewhere,
}

#[derive(Clone)]
struct Comment {
    id: u64,
    who: String,
    parent: Option<u64>,
    text: String,
    at: Instant,
    image: bool,
    pinned: bool,
    video: &'static str,
}

#[derive(Default)]
struct World {
    comments: Vec<Comment>,
    odd: Vec<Value>,
    calls: Vec<String>,
    made: u64,
    access: Option<String>,
    refresh: Option<String>,
    locked_out: bool,
    misplaces: Option<Misplaces>,
    shows_newer: bool,
    /// Comments that are not shown as the API describes.
    odd_ids: Vec<u64>,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeTikTok {
    inner: Arc<Inner>,
    server: Server,
}

fn native(video: &str, id: u64) -> String {
    format!("{video}:{id}")
}

fn number(native: &str) -> u64 {
    native.split(':').next_back().unwrap().parse().unwrap()
}

impl FakeTikTok {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let world = World {
            refresh: Some(REFRESH.to_owned()),
            ..World::default()
        };
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
            faults: Faults::default(),
            clock,
        });
        let router = Router::new()
            .fallback(call)
            .layer(axum::middleware::map_response_with_state(inner.clone(), dated))
            .with_state(inner.clone());
        let server = Server::start(router).await;
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

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap()
    }

    /// Somebody comments our video. Gives the id: the video's and the comment's.
    pub fn comment(&self, who: &str, text: &str) -> String {
        self.add(who, text, None, self.inner.clock.now())
    }

    /// Somebody comments a newer video of ours.
    pub fn comment_newer(&self, who: &str, text: &str) -> String {
        self.world().shows_newer = true;
        let id = number(&self.comment(who, text));
        self.world().comments.last_mut().unwrap().video = NEWER;
        native(NEWER, id)
    }

    /// We fix a comment above the others.
    pub fn pin(&self, comment: &str) {
        let mut world = self.world();
        let found = world
            .comments
            .iter_mut()
            .find(|other| other.id == number(comment));
        found.unwrap().pinned = true;
    }

    /// From now on a comment is not shown as the API describes.
    pub fn garble(&self, comment: &str) {
        self.world().odd_ids.push(number(comment));
    }

    /// As [`Self::comment`], written so long ago.
    pub fn comment_at(&self, who: &str, text: &str, at: Instant) -> String {
        self.add(who, text, None, at)
    }

    /// Somebody answers a comment: it stands below the first one of the thread.
    pub fn answer(&self, who: &str, comment: &str, text: &str) -> String {
        let parent = number(&self.root(comment));
        self.add(who, text, Some(parent), self.inner.clock.now())
    }

    fn add(&self, who: &str, text: &str, parent: Option<u64>, at: Instant) -> String {
        let mut world = self.world();
        let id = world.id();
        world.comments.push(Comment {
            id,
            who: who.to_owned(),
            parent,
            text: text.to_owned(),
            at,
            image: false,
            pinned: false,
            video: VIDEO,
        });
        native(VIDEO, id)
    }

    /// Somebody comments with a picture.
    pub fn picture(&self, who: &str) -> String {
        let id = self.comment(who, "");
        self.world().comments.last_mut().unwrap().image = true;
        id
    }

    /// Below what answers to a comment stand.
    pub fn root(&self, comment: &str) -> String {
        let world = self.world();
        let found = world.comments.iter().find(|other| other.id == number(comment));
        let parent = found.and_then(|comment| comment.parent);
        native(VIDEO, parent.unwrap_or_else(|| number(comment)))
    }

    /// The author takes a comment back.
    pub fn delete(&self, comment: &str) {
        self.world().comments.retain(|other| other.id != number(comment));
    }

    /// Puts something among the comments that is not what the API describes.
    pub fn poison(&self) {
        self.world().odd.push(json!({"comment_id": {"odd": true}}));
    }

    /// The access token is over; the other is not.
    pub fn expire(&self) {
        self.world().access = None;
    }

    /// No token counts any more, and there is no new one.
    pub fn lock_out(&self) {
        let mut world = self.world();
        world.access = None;
        world.locked_out = true;
    }

    /// What is published from now on stands where it does not belong.
    pub fn misplace(&self, how: Misplaces) {
        self.world().misplaces = Some(how);
    }

    /// What the account published, the oldest first: `(id, parent, text)`.
    pub fn published(&self) -> Vec<(String, Option<String>, String)> {
        let world = self.world();
        let ours = world.comments.iter().filter(|comment| comment.who == "us");
        ours.map(|own| {
            let parent = own.parent.map(|parent| native(own.video, parent));
            (native(own.video, own.id), parent, own.text.clone())
        })
        .collect()
    }

    /// How often a call came.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }

    /// What is pushed about a comment: JSON inside of JSON, with ids as numbers.
    pub fn push(&self, comment: &str, action: &str) -> Value {
        let at = self.inner.clock.now().timestamp();
        let id = number(comment);
        let content = json!({"comment_id": id, "video_id": VIDEO.parse::<u64>().unwrap(), "comment_type": "comment",
            "comment_action": action, "timestamp": at * 1000, "unique_identifier": "someone"});
        json!({"client_key": CLIENT, "event": "comment.update", "create_time": at, "user_openid": BUSINESS,
            "content": content.to_string()})
    }
}

/// The header that signs a body at a moment.
pub fn signature(secret: &str, at: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.").as_bytes());
    mac.update(body);
    format!("t={at},s={}", hex::encode(mac.finalize().into_bytes()))
}

impl World {
    fn id(&mut self) -> u64 {
        self.made += 1;
        7_500_000_000_000_000_000 + self.made
    }

    fn show(&self, comment: &Comment) -> Value {
        let replies = self
            .comments
            .iter()
            .filter(|other| other.parent == Some(comment.id))
            .count();
        let mut shown = json!({
            "comment_id": comment.id.to_string(), "video_id": comment.video, "create_time": comment.at.timestamp().to_string(),
            "text": comment.text, "likes": 2, "replies": replies, "liked": false, "pinned": comment.pinned,
            "owner": comment.who == "us", "status": "PUBLIC", "username": comment.who, "display_name": comment.who,
            "profile_image": "https://p16.example/1.jpg", "unique_identifier": format!("id-of-{}", comment.who),
            "user_id": "1",
        });
        if self.odd_ids.contains(&comment.id) {
            shown["text"] = json!({"odd": true});
        }
        if let Some(parent) = comment.parent {
            shown["parent_comment_id"] = parent.to_string().into();
        }
        if comment.image {
            shown["image_url"] = "https://p16.example/2.jpg".into();
        }
        shown
    }
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;

async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

/// Also failures come with the status 200.
fn coded(code: i64, message: &str) -> Response {
    Json(json!({"code": code, "message": message, "request_id": "2026", "data": {}})).into_response()
}

fn by_status(status: u16) -> Response {
    match status {
        400 => coded(40_002, "Invalid parameters"),
        401 => coded(40_131, "Access token is invalid"),
        403 => coded(40_001, "No permission to operate"),
        _ => coded(50_000, "System error"),
    }
}

fn done(data: Value) -> Response {
    Json(json!({"code": 0, "message": "OK", "request_id": "2026", "data": data})).into_response()
}

impl Inner {
    async fn act(&self, name: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        match self.faults.take(name) {
            None => act(),
            Some(Fault::Status(status)) => by_status(status),
            Some(Fault::StatusButDone(status)) => {
                act();
                by_status(status)
            }
            Some(fault) => {
                let one = Faults::default();
                one.next(name, fault);
                scripted(&one, name, line, act).await
            }
        }
    }
}

async fn call(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let asked: HashMap<String, String> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let path = uri.path().strip_prefix("/open_api/v1.3").unwrap_or_default();
    let name = match (method.as_str(), path) {
        ("POST", "/tt_user/oauth2/refresh_token/") => "token",
        ("GET", "/business/video/list/") => "videos",
        ("GET", "/business/comment/list/") if asked.contains_key("comment_ids") => "look",
        ("GET", "/business/comment/list/") => "comments",
        ("GET", "/business/comment/reply/list/") => "replies",
        ("POST", "/business/comment/reply/create/") => "create",
        _ => return by_status(400),
    };
    inner.world.lock().unwrap().calls.push(name.to_owned());
    if name == "token" {
        return inner.act(name, &line, || token(&inner, &body)).await;
    }
    let access = inner.world.lock().unwrap().access.clone();
    let told = headers.get("access-token").and_then(|value| value.to_str().ok());
    if access.is_none() || access.as_deref() != told {
        return by_status(401);
    }
    let business = asked
        .get("business_id")
        .map(String::as_str)
        .or(body["business_id"].as_str());
    if business != Some(BUSINESS) {
        return by_status(403);
    }
    inner
        .act(name, &line, || answer(&inner, name, &asked, &body))
        .await
}

fn token(inner: &Inner, body: &Value) -> Response {
    let mut world = inner.world.lock().unwrap();
    let right = body["client_id"] == CLIENT
        && body["client_secret"] == CLIENT_SECRET
        && body["grant_type"] == "refresh_token"
        && body["refresh_token"].as_str() == world.refresh.as_deref();
    if !right || world.locked_out {
        return coded(40_104, "Refresh token is invalid");
    }
    let (access, refresh) = (
        format!("access-SECRET-{}", world.id()),
        format!("refresh-SECRET-{}", world.id()),
    );
    world.access = Some(access.clone());
    world.refresh = Some(refresh.clone());
    done(
        json!({"access_token": access, "expires_in": 86_400, "refresh_token": refresh,
        "refresh_token_expires_in": 31_536_000, "open_id": BUSINESS, "token_type": "Bearer", "scope": "comment.list"}),
    )
}

fn answer(inner: &Inner, name: &str, asked: &HashMap<String, String>, body: &Value) -> Response {
    let mut world = inner.world.lock().unwrap();
    match name {
        "videos" => {
            assert!(asked["max_count"].parse::<usize>().unwrap() <= 20);
            let mut videos = vec![json!({"item_id": VIDEO, "share_url": ADDRESS})];
            if world.shows_newer {
                videos.insert(0, json!({"item_id": NEWER, "share_url": ADDRESS}));
            }
            done(json!({"videos": videos, "cursor": 0, "has_more": false}))
        }
        "look" => {
            let ids: Vec<String> = serde_json::from_str(&asked["comment_ids"]).unwrap();
            assert!(ids.len() <= 30);
            let found = world.comments.iter().filter(|comment| {
                asked["video_id"] == comment.video && ids.contains(&comment.id.to_string())
            });
            let shown: Vec<_> = found.map(|comment| world.show(comment)).collect();
            done(json!({"comments": shown, "cursor": 0, "has_more": false}))
        }
        "comments" => {
            let first = asked["cursor"] == "0" && asked["video_id"] == VIDEO;
            let mut page = listed(&world, asked, |comment| {
                comment.parent.is_none() && asked["video_id"] == comment.video
            });
            if first {
                page["comments"].as_array_mut().unwrap().extend(world.odd.clone());
            }
            done(page)
        }
        "replies" => {
            let parent: u64 = asked["comment_id"].parse().unwrap();
            done(listed(&world, asked, |comment| comment.parent == Some(parent)))
        }
        _ => create(inner, &mut world, body),
    }
}

/// A page, the newest first.
fn listed(world: &World, asked: &HashMap<String, String>, is_in: impl Fn(&Comment) -> bool) -> Value {
    assert_eq!(
        (asked["sort_field"].as_str(), asked["sort_order"].as_str()),
        ("create_time", "desc")
    );
    let most: usize = asked["max_count"].parse().unwrap();
    assert!((1..=30).contains(&most));
    let at: usize = asked.get("cursor").map_or(0, |at| at.parse().unwrap());
    let mut found: Vec<_> = world.comments.iter().filter(|comment| is_in(comment)).collect();
    found.sort_by_key(|comment| std::cmp::Reverse((comment.pinned, comment.at, comment.id)));
    let rest = found.split_off(at.min(found.len()));
    let shown: Vec<_> = rest
        .iter()
        .take(most)
        .map(|comment| world.show(comment))
        .collect();
    json!({"comments": shown, "cursor": at + most, "has_more": rest.len() > most})
}

fn create(inner: &Inner, world: &mut World, body: &Value) -> Response {
    let text = body["text"].as_str().unwrap().to_owned();
    let target: u64 = body["comment_id"].as_str().unwrap().parse().unwrap();
    let Some(target) = world
        .comments
        .iter()
        .find(|comment| comment.id == target)
        .cloned()
    else {
        return by_status(400);
    };
    if text.chars().count() > 150 {
        return by_status(400);
    }
    let target_video = target.video;
    let parent = match world.misplaces {
        None => Some(target.parent.unwrap_or(target.id)),
        Some(Misplaces::Orphan) => None,
        Some(Misplaces::Elsewhere) => {
            let other = Comment {
                id: world.id(),
                who: "eve".to_owned(),
                parent: None,
                ..target
            };
            world.comments.push(other.clone());
            Some(other.id)
        }
    };
    let own = Comment {
        id: world.id(),
        who: "us".to_owned(),
        parent,
        text,
        at: inner.clock.now(),
        image: false,
        pinned: false,
        video: target_video,
    };
    let mut data = world.show(&own);
    data["parent_comment_id"] = parent.map(|parent| parent.to_string()).unwrap_or_default().into();
    world.comments.push(own);
    done(data)
}
