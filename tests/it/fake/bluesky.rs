//! A server and a view of the AT Protocol in one: one brand account, any number of people, sessions whose
//! tokens end, notifications with the network's own order and its own gaps, searches, threads, blocks,
//! threadgates, and a repository in which `swapRecord: null` writes only where nothing stands. Written from
//! the lexicons (<https://github.com/bluesky-social/atproto/tree/main/lexicons>) and from what the network
//! does when it is run: an expired token is 400 `ExpiredToken`, a page loses notifications that share its
//! last one's moment, an answer to a post that is gone is taken. Scripted faults go by the last part of a
//! method's name: `putRecord`, `getRecord`, `getPosts`, `listNotifications`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat};
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

/// The brand account.
pub const HANDLE: &str = "help.example";
pub const ME: &str = "did:plc:help";
pub const PASSWORD: &str = "abcd-efgh-ijkl-SECRET";
const POST: &str = "app.bsky.feed.post";

/// What a method is told.
type Asked = Vec<(String, String)>;

/// How the server misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// As a post on its own.
    Orphan,
    /// Under another post.
    Elsewhere,
}

#[derive(Clone)]
struct Post {
    did: String,
    uri: String,
    cid: String,
    record: Value,
    /// What the view shows of its attachments.
    embed: Option<Value>,
    /// Its place in lists.
    place: Instant,
    gated: bool,
}

struct Notice {
    place: Instant,
    reason: &'static str,
    uri: String,
    /// Shown as it is.
    odd: Option<Value>,
}

#[derive(Default)]
struct World {
    posts: Vec<Post>,
    notices: Vec<Notice>,
    calls: Vec<String>,
    access: Option<String>,
    over: HashSet<String>,
    refresh: Option<String>,
    made: u64,
    locked_out: bool,
    blocking: HashSet<String>,
    hidden: HashSet<String>,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
    overwritten: usize,
    ends_at_publishing: bool,
    tells_all: bool,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    url: Mutex<Option<Url>>,
}

/// The server.
pub struct FakeBluesky {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeBluesky {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::default(),
            faults: Faults::default(),
            clock,
            url: Mutex::default(),
        });
        let router = Router::new()
            .route("/xrpc/{method}", get(query).post(procedure))
            .layer(axum::middleware::map_response_with_state(inner.clone(), dated))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        *inner.url.lock().unwrap() = Some(server.url.clone());
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

    /// Somebody writes; who names us (`@help.example`) is told of in our notifications. Gives the URI.
    pub fn write(&self, who: &str, text: &str) -> String {
        self.add(who, text, None, self.inner.clock.now())
    }

    /// As [`Self::write`], by a program that says another time.
    pub fn write_at(&self, who: &str, text: &str, written: Instant) -> String {
        self.add(who, text, None, written)
    }

    /// Somebody answers a post.
    pub fn answer(&self, who: &str, post: &str, text: &str) -> String {
        self.add(who, text, Some(post), self.inner.clock.now())
    }

    /// Somebody shows a picture with what they write.
    pub fn write_with_picture(&self, who: &str, text: &str, alt: &str) -> String {
        let uri = self.write(who, text);
        let mut world = self.world();
        let post = world.posts.iter_mut().find(|post| post.uri == uri).unwrap();
        let image = json!({"alt": alt, "image": {"$type": "blob", "ref": {"$link": "bafkrei1"}, "mimeType": "image/jpeg", "size": 7}});
        post.record["embed"] = json!({"$type": "app.bsky.embed.images", "images": [image]});
        let shown =
            json!({"alt": alt, "thumb": "https://cdn.example/thumb", "fullsize": "https://cdn.example/full"});
        post.embed = Some(json!({"$type": "app.bsky.embed.images#view", "images": [shown]}));
        uri
    }

    fn add(&self, who: &str, text: &str, parent: Option<&str>, written: Instant) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        world.made += 1;
        let key = tid(world.made);
        let parent = parent.map(|uri| world.find(uri).unwrap().clone());
        let reply = parent.as_ref().map(|parent| {
            let own = json!({"uri": parent.uri, "cid": parent.cid});
            let root = parent.record["reply"]["root"].clone();
            json!({"root": if root.is_null() { own.clone() } else { root }, "parent": own})
        });
        let mut record = json!({"$type": POST, "text": text, "createdAt": time(written), "langs": ["en"]});
        if let Some(reply) = reply {
            record["reply"] = reply;
        }
        // Without a facet a mention is a word.
        let at = text.find(&format!("@{HANDLE}"));
        if let Some(at) = at {
            let index = json!({"byteStart": at, "byteEnd": at + HANDLE.len() + 1});
            let feature = json!({"$type": "app.bsky.richtext.facet#mention", "did": ME});
            record["facets"] = json!([{"index": index, "features": [feature]}]);
        }
        let uri = world.insert(&did(who), &key, record, written.min(now));
        let reason = match parent {
            _ if at.is_some() => Some("mention"),
            Some(parent) if parent.did == ME => Some("reply"),
            Some(_) | None => None,
        };
        if let Some(reason) = reason.filter(|_| did(who) != ME) {
            world.tell(reason, &uri, written.min(now));
        }
        uri
    }

    /// What somebody wrote, as it stands in their repository.
    pub fn record(&self, uri: &str) -> Value {
        self.world().find(uri).unwrap().record.clone()
    }

    /// The view does not know a post yet, and nobody is told of it.
    pub fn hide(&self, uri: &str) {
        self.world().hidden.insert(uri.to_owned());
    }

    /// It knows all of them now.
    pub fn show_all(&self) {
        self.world().hidden.clear();
    }

    /// The author takes a post back.
    pub fn delete(&self, uri: &str) {
        let mut world = self.world();
        world.posts.retain(|post| post.uri != uri);
        world.notices.retain(|notice| notice.uri != uri);
    }

    /// From now on we are told of everything, whatever we ask for, as older services do; of this like first.
    pub fn tell_all(&self, who: &str, post: &str) {
        let place = self.inner.clock.now();
        let mut world = self.world();
        world.tells_all = true;
        let subject = world.find(post).unwrap();
        let record = json!({"$type": "app.bsky.feed.like", "createdAt": time(place),
            "subject": {"uri": subject.uri, "cid": subject.cid}});
        let odd = json!({
            "uri": format!("at://{}/app.bsky.feed.like/3lzzzzzzzzzzz", did(who)), "cid": cid(&record),
            "author": world.person(&did(who)), "reason": "like", "reasonSubject": post, "record": record,
            "isRead": false, "indexedAt": time(place), "labels": [],
        });
        world.notices.push(Notice {
            place,
            reason: "like",
            uri: String::new(),
            odd: Some(odd),
        });
    }

    /// The author writes over a post, as no usual program lets them: it has another CID then.
    pub fn rewrite(&self, uri: &str, text: &str) {
        let mut world = self.world();
        let post = world.posts.iter_mut().find(|post| post.uri == uri).unwrap();
        post.record["text"] = text.into();
        post.cid = cid(&post.record);
    }

    /// The author lets nobody answer.
    pub fn gate(&self, uri: &str) {
        let mut world = self.world();
        world.posts.iter_mut().find(|post| post.uri == uri).unwrap().gated = true;
    }

    /// Somebody blocks us.
    pub fn block(&self, who: &str) {
        self.world().blocking.insert(did(who));
    }

    /// Puts something into the notifications that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        let place = self.inner.clock.now();
        self.world().notices.push(Notice {
            place,
            reason: "mention",
            uri: String::new(),
            odd: Some(odd),
        });
    }

    /// The access token is over; the other is not.
    pub fn expire(&self) {
        let mut world = self.world();
        let access = world.access.take();
        world.over.extend(access);
    }

    /// The access token is over when the next publishing call comes.
    pub fn expires_at_publishing(&self) {
        self.world().ends_at_publishing = true;
    }

    /// Neither token is known any more.
    pub fn end_session(&self) {
        self.expire();
        self.world().refresh = None;
    }

    /// The password is another now, and no token counts.
    pub fn lock_out(&self) {
        self.end_session();
        self.world().locked_out = true;
    }

    /// All calls are used up until then.
    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// What is published from now on stands where it does not belong.
    pub fn misplace(&self, how: Misplaces) {
        self.world().misplaces = Some(how);
    }

    /// What the brand account published, the oldest first: `(uri, record)`.
    pub fn published(&self) -> Vec<(String, Value)> {
        let world = self.world();
        let ours = world.posts.iter().filter(|post| post.did == ME);
        ours.map(|post| (post.uri.clone(), post.record.clone())).collect()
    }

    /// How often a record of ours was written over.
    pub fn overwritten(&self) -> usize {
        self.world().overwritten
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == method).count()
    }
}

impl World {
    fn find(&self, uri: &str) -> Option<&Post> {
        self.posts.iter().find(|post| post.uri == uri)
    }

    fn insert(&mut self, did: &str, key: &str, record: Value, place: Instant) -> String {
        let uri = format!("at://{did}/{POST}/{key}");
        self.posts.push(Post {
            did: did.to_owned(),
            uri: uri.clone(),
            cid: cid(&record),
            record,
            embed: None,
            place,
            gated: false,
        });
        uri
    }

    fn tell(&mut self, reason: &'static str, uri: &str, place: Instant) {
        self.notices.push(Notice {
            place,
            reason,
            uri: uri.to_owned(),
            odd: None,
        });
    }

    /// Whether a post is shown to us.
    fn sees(&self, post: &Post) -> bool {
        !self.blocking.contains(&post.did) && !self.hidden.contains(&post.uri)
    }

    /// `app.bsky.feed.defs#postView`
    fn show(&self, post: &Post) -> Value {
        let mut view = json!({
            "uri": post.uri, "cid": post.cid, "author": self.person(&post.did), "record": post.record,
            "indexedAt": time(post.place), "likeCount": 1, "repostCount": 2, "replyCount": 0, "quoteCount": 0,
            "viewer": {"threadMuted": false, "embeddingDisabled": false}, "labels": [],
        });
        if post.gated {
            view["viewer"]["replyDisabled"] = true.into();
        }
        if let Some(embed) = &post.embed {
            view["embed"] = embed.clone();
        }
        view
    }

    /// `app.bsky.actor.defs#profileViewBasic`
    fn person(&self, did: &str) -> Value {
        let name = did.trim_start_matches("did:plc:");
        json!({
            "did": did, "handle": format!("{name}.example"), "displayName": name, "labels": [],
            "viewer": {"muted": false, "blockedBy": self.blocking.contains(did)},
        })
    }

    /// `app.bsky.notification.listNotifications#notification`
    fn notification(&self, notice: &Notice) -> Value {
        if let Some(odd) = &notice.odd {
            return odd.clone();
        }
        let post = self.find(&notice.uri).unwrap();
        json!({
            "uri": post.uri, "cid": post.cid, "author": self.person(&post.did), "reason": notice.reason,
            "record": post.record, "isRead": false, "indexedAt": time(notice.place), "labels": [],
        })
    }

    fn open(&mut self, url: &Url) -> Value {
        self.made += 1;
        let (access, refresh) = (format!("access-{}", self.made), format!("refresh-{}", self.made));
        let old = self.access.replace(access.clone());
        self.over.extend(old);
        self.refresh = Some(refresh.clone());
        let service = json!({"id": "#atproto_pds", "type": "AtprotoPersonalDataServer",
            "serviceEndpoint": url.as_str().trim_end_matches('/')});
        json!({
            "accessJwt": access, "refreshJwt": refresh, "handle": HANDLE, "did": ME, "active": true,
            "didDoc": {"id": ME, "service": [service]},
        })
    }
}

fn did(who: &str) -> String {
    format!("did:plc:{who}")
}

fn cid(record: &Value) -> String {
    let digest = Sha256::digest(record.to_string().as_bytes());
    format!("bafyrei{}", &hex::encode(digest)[..52])
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;

/// Every answer tells the server's own time and what is left.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    let headers = answer.headers_mut();
    headers.insert(header::DATE, date.parse().unwrap());
    if !headers.contains_key("ratelimit-limit") {
        headers.insert("ratelimit-limit", "3000".parse().unwrap());
        headers.insert("ratelimit-remaining", "2990".parse().unwrap());
    }
    answer
}

/// An error as the protocol gives it.
fn error(status: u16, name: &str, message: &str) -> Response {
    let body = Json(json!({"error": name, "message": message}));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn by_status(status: u16) -> Response {
    let name = match status {
        400 => "InvalidRequest",
        401 => "AuthenticationRequired",
        403 => "Forbidden",
        404 => "XRPCNotSupported",
        413 => "PayloadTooLarge",
        500 => "InternalServerError",
        502 => "UpstreamFailure",
        503 => "NotEnoughResources",
        _ => "Unknown",
    };
    error(status, name, "scripted")
}

/// 429 as the reference server gives it: no `Retry-After`, the moment of the reset.
fn limited(reset: Instant) -> Response {
    let told = [
        ("ratelimit-limit", "3000".to_owned()),
        ("ratelimit-remaining", "0".to_owned()),
        ("ratelimit-reset", reset.timestamp().to_string()),
        ("ratelimit-policy", "3000;w=300".to_owned()),
    ];
    let body = Json(json!({"error": "RateLimitExceeded", "message": "Rate Limit Exceeded"}));
    (StatusCode::TOO_MANY_REQUESTS, told, body).into_response()
}

impl Inner {
    /// Does what was asked, or what the script says instead.
    async fn act(&self, method: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        match self.faults.take(method) {
            None => act(),
            Some(Fault::Status(status)) => by_status(status),
            Some(Fault::StatusButDone(status)) => {
                act();
                by_status(status)
            }
            // Seconds from now on are told as the moment; other forms are those of a proxy before it.
            Some(Fault::RateLimited(after)) => match after.parse() {
                Ok(seconds) => limited(self.clock.now() + chrono::TimeDelta::seconds(seconds)),
                Err(_) => {
                    let told = [(header::RETRY_AFTER, after)];
                    (StatusCode::TOO_MANY_REQUESTS, told, "slow down").into_response()
                }
            },
            Some(fault @ (Fault::AcceptThenDrop | Fault::Drop | Fault::Hang | Fault::Garbage)) => {
                let one = Faults::default();
                one.next(method, fault);
                scripted(&one, method, line, act).await
            }
        }
    }

    fn spent(&self) -> Option<Response> {
        let until = self.world.lock().unwrap().exhausted_until?;
        (self.clock.now() < until).then(|| limited(until))
    }

    /// Turns away who has no session.
    fn denied(&self, headers: &HeaderMap) -> Option<Response> {
        let Some(token) = bearer(headers) else {
            return Some(error(401, "AuthMissing", "Authentication Required"));
        };
        let world = self.world.lock().unwrap();
        if world.over.contains(token) {
            return Some(error(400, "ExpiredToken", "Token has expired"));
        }
        (world.access.as_deref() != Some(token))
            .then(|| error(400, "InvalidToken", "Token could not be verified"))
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix("Bearer ")
}

fn method(path: &str) -> &str {
    path.rsplit('.').next().unwrap()
}

async fn query(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(path): Path<String>,
    RawQuery(asked): RawQuery,
    headers: HeaderMap,
) -> Response {
    let name = method(&path).to_owned();
    if path == "com.atproto.server.describeServer" {
        return Json(json!({"did": "did:web:a.example", "availableUserDomains": []})).into_response();
    }
    inner.world.lock().unwrap().calls.push(name.clone());
    if let Some(answer) = inner.spent().or_else(|| inner.denied(&headers)) {
        return answer;
    }
    let asked: Asked = url::form_urlencoded::parse(asked.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    inner.act(&name, &line, || answer(&inner, &path, &asked)).await
}

fn one<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let (_, value) = asked.iter().find(|(key, _)| key == name)?;
    Some(value)
}

fn all<'a>(asked: &'a Asked, name: &str) -> Vec<&'a str> {
    let named = asked.iter().filter(|(key, _)| key == name);
    named.map(|(_, value)| value.as_str()).collect()
}

fn answer(inner: &Inner, path: &str, asked: &Asked) -> Response {
    let world = inner.world.lock().unwrap();
    match path {
        "app.bsky.notification.listNotifications" => notifications(&world, asked),
        "app.bsky.feed.searchPosts" => found(&world, asked),
        "app.bsky.feed.getPosts" => {
            let uris = all(asked, "uris");
            if uris.is_empty() || uris.len() > 25 {
                return error(
                    400,
                    "InvalidRequest",
                    "Error: uris must not have more than 25 elements",
                );
            }
            let posts = uris.iter().filter_map(|uri| world.find(uri));
            let posts: Vec<_> = posts
                .filter(|post| world.sees(post))
                .map(|post| world.show(post))
                .collect();
            Json(json!({"posts": posts})).into_response()
        }
        "app.bsky.actor.getProfiles" => {
            let actors = all(asked, "actors");
            if actors.is_empty() || actors.len() > 25 {
                return error(
                    400,
                    "InvalidRequest",
                    "Error: actors must not have more than 25 elements",
                );
            }
            let profile = |did: &&str| {
                let mut person = world.person(did);
                person["followersCount"] = 120.into();
                person
            };
            Json(json!({"profiles": actors.iter().map(profile).collect::<Vec<_>>()})).into_response()
        }
        "app.bsky.feed.getPostThread" => thread(&world, one(asked, "uri").unwrap()),
        "com.atproto.identity.resolveHandle" => {
            let handle = one(asked, "handle").unwrap();
            match handle.strip_suffix(".example") {
                Some(name) => Json(json!({"did": did(name)})).into_response(),
                None => error(400, "InvalidRequest", "Unable to resolve handle"),
            }
        }
        "com.atproto.repo.getRecord" => {
            let part = |name| one(asked, name).unwrap();
            let uri = format!("at://{}/{}/{}", part("repo"), part("collection"), part("rkey"));
            match world.find(&uri) {
                Some(post) => {
                    Json(json!({"uri": uri, "cid": post.cid, "value": post.record})).into_response()
                }
                None => error(400, "RecordNotFound", &format!("Could not locate record: {uri}")),
            }
        }
        _ => error(501, "MethodNotImplemented", "Method Not Implemented"),
    }
}

/// A page of them, newest first. The next begins behind the moment of the last one, so others of that moment
/// are in neither.
fn notifications(world: &World, asked: &Asked) -> Response {
    let limit: usize = one(asked, "limit").map_or(50, |limit| limit.parse().unwrap());
    if !(1..=100).contains(&limit) {
        return error(400, "InvalidRequest", "Error: limit can not be greater than 100");
    }
    let reasons = all(asked, "reasons");
    let before = one(asked, "cursor").map(|at| DateTime::parse_from_rfc3339(at).unwrap().to_utc());
    let mut notices: Vec<_> = world.notices.iter().collect();
    notices.retain(|notice| reasons.is_empty() || world.tells_all || reasons.contains(&notice.reason));
    notices.retain(|notice| before.is_none_or(|before| notice.place < before));
    notices.sort_by_key(|notice| std::cmp::Reverse(notice.place));
    notices.truncate(limit);
    let shown: Vec<_> = notices.iter().map(|notice| world.notification(notice)).collect();
    let mut page = json!({"notifications": shown, "priority": false});
    if let Some(last) = notices.last() {
        page["cursor"] = time(last.place).into();
    }
    Json(page).into_response()
}

fn found(world: &World, asked: &Asked) -> Response {
    assert_eq!(one(asked, "sort"), Some("latest"));
    let words = one(asked, "q").unwrap().to_lowercase();
    let limit: usize = one(asked, "limit").map_or(25, |limit| limit.parse().unwrap());
    let has = |post: &&Post| {
        let text = post.record["text"].as_str().unwrap().to_lowercase();
        text.contains(&words) && world.sees(post)
    };
    let mut posts: Vec<_> = world.posts.iter().filter(has).collect();
    posts.sort_by_key(|post| std::cmp::Reverse(post.place));
    posts.truncate(limit);
    let posts: Vec<_> = posts.into_iter().map(|post| world.show(post)).collect();
    Json(json!({"posts": posts, "cursor": "25"})).into_response()
}

fn thread(world: &World, uri: &str) -> Response {
    let Some(post) = world.find(uri) else {
        return error(400, "NotFound", &format!("Post not found: {uri}"));
    };
    if !world.sees(post) {
        let author = json!({"did": post.did, "viewer": {"blockedBy": true}});
        let blocked =
            json!({"$type": "app.bsky.feed.defs#blockedPost", "uri": uri, "blocked": true, "author": author});
        return Json(json!({"thread": blocked})).into_response();
    }
    let branch =
        |post: &Post| json!({"$type": "app.bsky.feed.defs#threadViewPost", "post": world.show(post)});
    let below = world.posts.iter();
    let below = below.filter(|below| below.record["reply"]["parent"]["uri"] == uri);
    let mut shown = branch(post);
    shown["replies"] = below.map(branch).collect();
    Json(json!({"thread": shown})).into_response()
}

async fn procedure(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let name = method(&path).to_owned();
    inner.world.lock().unwrap().calls.push(name.clone());
    if let Some(spent) = inner.spent() {
        return spent;
    }
    match path.as_str() {
        "com.atproto.server.createSession" => {
            let act = || {
                let asked: Value = serde_json::from_slice(&body).unwrap();
                let mut world = inner.world.lock().unwrap();
                let right = asked["identifier"] == HANDLE && asked["password"] == PASSWORD;
                if !right || world.locked_out {
                    return error(401, "AuthenticationRequired", "Invalid identifier or password");
                }
                let url = inner.url.lock().unwrap().clone().unwrap();
                Json(world.open(&url)).into_response()
            };
            inner.act(&name, &line, act).await
        }
        "com.atproto.server.refreshSession" => {
            let act = || {
                let mut world = inner.world.lock().unwrap();
                if world.refresh.as_deref() != bearer(&headers) {
                    return error(400, "ExpiredToken", "Token has been revoked");
                }
                let url = inner.url.lock().unwrap().clone().unwrap();
                Json(world.open(&url)).into_response()
            };
            inner.act(&name, &line, act).await
        }
        "com.atproto.repo.putRecord" => {
            {
                let mut world = inner.world.lock().unwrap();
                if std::mem::take(&mut world.ends_at_publishing) {
                    let access = world.access.take();
                    world.over.extend(access);
                }
            }
            if let Some(denied) = inner.denied(&headers) {
                return denied;
            }
            let body: Value = serde_json::from_slice(&body).unwrap();
            inner.act(&name, &line, || put(&inner, &body)).await
        }
        _ => error(501, "MethodNotImplemented", "Method Not Implemented"),
    }
}

fn put(inner: &Inner, body: &Value) -> Response {
    let invalid = |why: &str| error(400, "InvalidRequest", why);
    if body["repo"] != ME || body["collection"] != POST {
        return error(401, "AuthRequired", "Authentication Required");
    }
    let key = body["rkey"].as_str().unwrap();
    if !is_tid(key) {
        return invalid("Invalid record key: must be a TID");
    }
    let mut record = body["record"].clone();
    if let Err(why) = valid(&record) {
        return invalid(&format!("Invalid {POST} record: {why}"));
    }
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    let uri = format!("at://{ME}/{POST}/{key}");
    if let Some(at) = world.posts.iter().position(|post| post.uri == uri) {
        let standing = world.posts[at].cid.clone();
        if standing == cid(&record) {
            let done = json!({"uri": uri, "cid": standing, "validationStatus": "valid"});
            return Json(done).into_response();
        }
        if body.get("swapRecord").is_some() {
            return error(400, "InvalidSwap", &format!("Record was at {standing}"));
        }
        world.overwritten += 1;
        world.posts.remove(at);
    }
    match world.misplaces {
        None => {}
        Some(Misplaces::Orphan) => {
            record.as_object_mut().unwrap().remove("reply");
        }
        Some(Misplaces::Elsewhere) => {
            let other = world.insert(
                "did:plc:eve",
                "3zzzzzzzzzzzz",
                json!({"$type": POST, "text": "else", "createdAt": time(now)}),
                now,
            );
            record["reply"]["parent"]["uri"] = other.into();
        }
    }
    let uri = world.insert(ME, key, record, now);
    let cid = world.find(&uri).unwrap().cid.clone();
    let commit = json!({"cid": cid, "rev": key});
    Json(json!({"uri": uri, "cid": cid, "commit": commit, "validationStatus": "valid"})).into_response()
}

/// <https://atproto.com/specs/tid#tid-syntax>
const DIGITS: &str = "234567abcdefghijklmnopqrstuvwxyz";

fn is_tid(key: &str) -> bool {
    key.len() == 13 && DIGITS[..16].contains(&key[..1]) && key.chars().all(|c| DIGITS.contains(c))
}

/// The key of what somebody else writes.
fn tid(number: u64) -> String {
    let digit = |place: u32| DIGITS.as_bytes()[usize::try_from(number >> (5 * place) & 31).unwrap()];
    (0..13).rev().map(|place| char::from(digit(place))).collect()
}

/// What `app.bsky.feed.post` asks for.
fn valid(record: &Value) -> Result<(), &'static str> {
    let text = record["text"].as_str().ok_or("Record/text must be a string")?;
    if text.len() > 3000 {
        return Err("Record/text must not be longer than 3000 characters");
    }
    if text.graphemes(true).count() > 300 {
        return Err("Record/text must not be longer than 300 graphemes");
    }
    let created = record["createdAt"]
        .as_str()
        .ok_or("Record/createdAt must be a string")?;
    DateTime::parse_from_rfc3339(created).map_err(|_| "Record/createdAt must be a valid datetime")?;
    let reply = &record["reply"];
    let refs = [&reply["root"], &reply["parent"]];
    if !reply.is_null()
        && refs
            .iter()
            .any(|at| !at["uri"].is_string() || !at["cid"].is_string())
    {
        return Err("Record/reply must have the property \"cid\"");
    }
    for facet in record["facets"].as_array().into_iter().flatten() {
        let at = |name: &str| {
            facet["index"][name]
                .as_u64()
                .and_then(|at| usize::try_from(at).ok())
        };
        let range = at("byteStart").zip(at("byteEnd"));
        if range.is_none_or(|(start, end)| text.get(start..end).is_none()) {
            return Err("Record/facets must stand in the text");
        }
    }
    Ok(())
}
