//! LinkedIn for the page of one organisation: comments below its posts, notifications by ranges of time, posts
//! that name it, tokens that end, and the headers without which nothing is answered. Written from
//! <https://learn.microsoft.com/en-us/linkedin/marketing/community-management/>. Scripted faults go by
//! `notifications`, `comment`, `look`, `comments`, `create`, `token`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use hearback::domain::{Clock, Instant};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

pub const ORGANIZATION: &str = "urn:li:organization:2414183";
pub const CLIENT: &str = "client-1";
pub const CLIENT_SECRET: &str = "client-SECRET";
pub const REFRESH: &str = "refresh-SECRET";
pub const VERSION: &str = "202608";
/// A post of the organisation.
const POST: &str = "urn:li:activity:7094637247890620418";

/// How the server misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// As a first comment of its own.
    Orphan,
    /// Below another comment.
    Elsewhere,
}

#[derive(Clone)]
struct Comment {
    id: String,
    actor: String,
    object: String,
    parent: Option<String>,
    text: String,
    created: i64,
    modified: i64,
}

impl Comment {
    fn urn(&self) -> String {
        format!("urn:li:comment:({},{})", self.object, self.id)
    }
}

#[derive(Default)]
struct World {
    comments: Vec<Comment>,
    notices: Vec<Value>,
    calls: Vec<String>,
    made: u64,
    access: Option<String>,
    locked_out: bool,
    misplaces: Option<Misplaces>,
    /// Comments that the API answers badly.
    broken: Vec<String>,
    /// The calls of this day are used up.
    used_up: bool,
    /// How much later than it was written a comment is told of, in milliseconds.
    lag: i64,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeLinkedIn {
    inner: Arc<Inner>,
    server: Server,
}

/// Comments below a share call themselves after its activity.
fn activity(post: &str) -> String {
    post.replace("urn:li:share:", "urn:li:activity:")
}

fn member(who: &str) -> String {
    match who {
        "us" => ORGANIZATION.to_owned(),
        who => format!("urn:li:person:{who}"),
    }
}

impl FakeLinkedIn {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::default(),
            faults: Faults::default(),
            clock,
        });
        let router = Router::new()
            .route("/oauth/v2/accessToken", post(token))
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

    /// Somebody comments a post of ours. Gives the name of the comment.
    pub fn comment(&self, who: &str, text: &str) -> String {
        self.add(who, text, None, self.inner.clock.now())
    }

    /// As [`Self::comment`], and we are told of it only now.
    pub fn comment_at(&self, who: &str, text: &str, written: Instant) -> String {
        self.add(who, text, None, written)
    }

    /// Somebody answers a comment: it stands below the first one of the thread.
    pub fn answer(&self, who: &str, comment: &str, text: &str) -> String {
        self.add(who, text, Some(comment), self.inner.clock.now())
    }

    fn add(&self, who: &str, text: &str, below: Option<&str>, at: Instant) -> String {
        let mut world = self.world();
        let parent = below.map(|below| world.root(below));
        let at = at.timestamp_millis();
        let id = world.number();
        let comment = Comment {
            id,
            actor: member(who),
            object: POST.to_owned(),
            parent,
            text: text.to_owned(),
            created: at,
            modified: at,
        };
        let action = if who == "us" { "ADMIN_COMMENT" } else { "COMMENT" };
        world.notify(action, &comment, at);
        let urn = comment.urn();
        world.comments.push(comment);
        urn
    }

    /// Below what answers to a comment stand.
    pub fn root(&self, comment: &str) -> String {
        self.world().root(comment)
    }

    /// Somebody names the organisation in a post of theirs.
    pub fn mention(&self, who: &str, text: &str) -> String {
        let mut world = self.world();
        let urn = format!("urn:li:share:{}", world.number());
        let at = self.inner.clock.now().timestamp_millis();
        let notice = json!({"notificationId": 1, "organizationalEntity": ORGANIZATION, "action": "SHARE_MENTION",
            "sourcePost": urn, "generatedActivity": urn, "lastModifiedAt": at, "subscriber": "urn:li:person:admin",
            "decoratedGeneratedActivity": {"share": {"entity": urn, "owner": member(who), "text": text}}});
        world.notices.push(notice);
        urn
    }

    /// The author changes a comment.
    pub fn edit(&self, urn: &str, text: &str) {
        let at = self.inner.clock.now().timestamp_millis();
        let mut world = self.world();
        let comment = world
            .comments
            .iter_mut()
            .find(|comment| comment.urn() == urn)
            .unwrap();
        text.clone_into(&mut comment.text);
        comment.modified = at;
        let comment = comment.clone();
        world.notify("COMMENT_EDIT", &comment, at);
    }

    /// The author takes a comment back.
    pub fn delete(&self, urn: &str) {
        let at = self.inner.clock.now().timestamp_millis();
        let mut world = self.world();
        let place = world
            .comments
            .iter()
            .position(|comment| comment.urn() == urn)
            .unwrap();
        let comment = world.comments.remove(place);
        world.notify("COMMENT_DELETE", &comment, at);
    }

    /// As [`Self::delete`], and nobody is told.
    pub fn vanish(&self, urn: &str) {
        self.world().comments.retain(|comment| comment.urn() != urn);
    }

    /// Puts something into the notifications that is not what the API describes.
    pub fn poison(&self) {
        let odd = json!({"notificationId": 7, "action": 7, "lastModifiedAt": self.inner.clock.now().timestamp_millis()});
        self.world().notices.push(odd);
    }

    /// The API cannot show this comment.
    pub fn break_comment(&self, urn: &str) {
        self.world().broken.push(urn.to_owned());
    }

    /// All comments are shown again.
    pub fn mend(&self) {
        self.world().broken.clear();
    }

    /// The calls of this day are used up.
    pub fn use_up(&self) {
        self.world().used_up = true;
    }

    /// Notifications are dated so much later than what they tell of.
    pub fn tell_later(&self, millis: i64) {
        self.world().lag = millis;
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

    /// What the organisation published, the oldest first: `(name, parent, text)`.
    pub fn published(&self) -> Vec<(String, Option<String>, String)> {
        let world = self.world();
        let ours = world
            .comments
            .iter()
            .filter(|comment| comment.actor == ORGANIZATION);
        ours.map(|own| {
            (
                own.urn(),
                own.parent.clone().or(Some(own.object.clone())),
                own.text.clone(),
            )
        })
        .collect()
    }

    /// How often a call came.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }

    /// The body with the last notification, as it is pushed.
    pub fn push(&self, urn: &str) -> Value {
        let world = self.world();
        let about = |notice: &&Value| notice["decoratedGeneratedActivity"]["comment"]["entity"] == urn;
        let notice = world.notices.iter().rfind(about).unwrap();
        json!({"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": [notice]})
    }
}

/// The signature of a body, as the header has it.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(b"hmacsha256=");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}

/// The answer to a question for the secret.
pub fn response(secret: &str, code: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(code.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

impl World {
    fn number(&mut self) -> String {
        self.made += 1;
        (7_094_977_717_598_625_000 + self.made).to_string()
    }

    fn find(&self, urn: &str) -> Option<&Comment> {
        let urn = activity(urn);
        self.comments.iter().find(|comment| comment.urn() == urn)
    }

    fn root(&self, urn: &str) -> String {
        let parent = self.find(urn).and_then(|comment| comment.parent.clone());
        parent.unwrap_or_else(|| urn.to_owned())
    }

    fn notify(&mut self, action: &str, comment: &Comment, at: i64) {
        self.made += 1;
        // The generated activity is written in a shorter form than the entity.
        let short = comment.urn().replace("(urn:li:", "(");
        let notice = json!({
            "notificationId": self.made, "organizationalEntity": ORGANIZATION, "action": action,
            "sourcePost": comment.object, "generatedActivity": short, "lastModifiedAt": at + self.lag,
            "decoratedSourcePost": {"entity": "urn:li:share:7094637247487995904", "owner": ORGANIZATION, "text": "News"},
            "decoratedGeneratedActivity": {"comment": {"entity": comment.urn(), "owner": comment.actor,
                "text": comment.text, "object": comment.object}},
            "subscriber": "urn:li:person:admin",
        });
        self.notices.push(notice);
    }
}

fn show(comment: &Comment) -> Value {
    let moment = |at: i64| json!({"actor": comment.actor, "time": at, "impersonator": "urn:li:person:admin"});
    let mut shown = json!({
        "$URN": comment.urn(), "id": comment.id, "actor": comment.actor, "object": comment.object,
        "created": moment(comment.created), "lastModified": moment(comment.modified),
        "message": {"attributes": [], "text": comment.text},
        "likesSummary": {"aggregatedTotalLikes": 2, "likedByCurrentUser": false, "selectedLikes": [], "totalLikes": 2},
    });
    if let Some(parent) = &comment.parent {
        shown["parentComment"] = parent.as_str().into();
    }
    shown
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;

async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let body = json!({"status": status, "serviceErrorCode": 100, "code": code, "message": message});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn by_status(status: u16) -> Response {
    let code = match status {
        401 => "EXPIRED_ACCESS_TOKEN",
        403 => "ACCESS_DENIED",
        404 => "RESOURCE_NOT_FOUND",
        429 => "TOO_MANY_REQUESTS",
        _ => "INTERNAL_SERVER_ERROR",
    };
    error(status, code, "scripted")
}

async fn token(State(inner): Shared, ConnectInfo(line): Wire, body: Bytes) -> Response {
    inner.world.lock().unwrap().calls.push("token".to_owned());
    let asked: HashMap<_, _> = url::form_urlencoded::parse(&body).into_owned().collect();
    let act = || {
        let mut world = inner.world.lock().unwrap();
        let is = |name: &str, value: &str| asked.get(name).is_some_and(|told| told == value);
        let right = is("grant_type", "refresh_token")
            && is("refresh_token", REFRESH)
            && is("client_id", CLIENT)
            && is("client_secret", CLIENT_SECRET);
        if !right || world.locked_out {
            let body = json!({"error": "invalid_grant", "error_description": "The provided authorization grant is invalid"});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        }
        let access = format!("access-SECRET-{}", world.number());
        world.access = Some(access.clone());
        Json(
            json!({"access_token": access, "expires_in": 5_184_000, "refresh_token": REFRESH,
            "refresh_token_expires_in": 31_536_000}),
        )
        .into_response()
    };
    inner.act("token", &line, act).await
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

fn decoded(text: &str) -> String {
    let pairs = format!("x={text}");
    url::form_urlencoded::parse(pairs.as_bytes())
        .next()
        .unwrap()
        .1
        .into_owned()
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
    let query = query.unwrap_or_default();
    let parts: Vec<_> = uri
        .path()
        .trim_start_matches('/')
        .split('/')
        .map(str::to_owned)
        .collect();
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    let name = match (method.as_str(), &parts[..]) {
        ("GET", ["rest", "organizationalEntityNotifications"]) => "notifications",
        ("GET", ["rest", "socialActions", _, "comments"]) if query.contains("ids=") => "look",
        ("GET", ["rest", "socialActions", _, "comments"]) => "comments",
        ("GET", ["rest", "socialActions", _, "comments", _]) => "comment",
        ("POST", ["rest", "socialActions", _, "comments"]) => "create",
        _ => return by_status(404),
    };
    inner.world.lock().unwrap().calls.push(name.to_owned());
    let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if told("linkedin-version") != Some(VERSION) || told("x-restli-protocol-version") != Some("2.0.0") {
        return error(426, "NONEXISTENT_VERSION", "Requested version is not active");
    }
    let access = inner.world.lock().unwrap().access.clone();
    let bearer = told("authorization").and_then(|told| told.strip_prefix("Bearer "));
    if access.is_none() || access.as_deref() != bearer {
        return by_status(401);
    }
    if inner.world.lock().unwrap().used_up {
        let message = "Resource level throttle APPLICATION DAY limit for calls to this resource is reached.";
        return error(429, "TOO_MANY_REQUESTS", message);
    }
    // The colons and brackets of a name mean something in a path.
    let below = parts.get(2).copied().unwrap_or_default();
    if below.contains([':', '(', ',']) {
        return error(400, "ILLEGAL_ARGUMENT", "Syntax exception in path variables");
    }
    let (below, id) = (
        decoded(below),
        parts.get(4).copied().unwrap_or_default().to_owned(),
    );
    let act = || match name {
        "look" => several(&inner, &below, &query),
        "notifications" => notifications(&inner, &query),
        "comments" => comments(&inner, &below, &query),
        "comment" => {
            let world = inner.world.lock().unwrap();
            let urn = format!("urn:li:comment:({below},{id})");
            if world.broken.contains(&urn) {
                return by_status(500);
            }
            world
                .find(&urn)
                .map_or_else(|| by_status(404), |comment| Json(show(comment)).into_response())
        }
        _ => create(&inner, &below, &serde_json::from_slice(&body).unwrap()),
    };
    inner.act(name, &line, act).await
}

/// A value of a query that is not decoded: brackets mean something in it.
fn asked<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

fn page(query: &str, mut elements: Vec<Value>) -> Response {
    let number = |name: &str| asked(query, name).map(|text| text.parse::<usize>().unwrap());
    let (start, count) = (number("start").unwrap_or(0), number("count").unwrap_or(10));
    assert!(count <= 100);
    let total = elements.len();
    let rest = elements.split_off(start.min(total));
    let shown: Vec<_> = rest.into_iter().take(count).collect();
    Json(json!({"paging": {"start": start, "count": count, "links": [], "total": total}, "elements": shown}))
        .into_response()
}

fn notifications(inner: &Inner, query: &str) -> Response {
    assert_eq!(asked(query, "q"), Some("criteria"));
    assert_eq!(
        decoded(asked(query, "organizationalEntity").unwrap()),
        ORGANIZATION
    );
    let actions = asked(query, "actions").unwrap();
    let actions = actions.strip_prefix("List(").unwrap().strip_suffix(')').unwrap();
    let actions: Vec<_> = actions.split(',').collect();
    let range = asked(query, "timeRange").map_or((0, i64::MAX), |range| {
        let range = range.strip_prefix("(start:").unwrap().strip_suffix(')').unwrap();
        let (start, end) = range.split_once(",end:").unwrap();
        (start.parse().unwrap(), end.parse().unwrap())
    });
    let world = inner.world.lock().unwrap();
    let mut found: Vec<Value> = world.notices.clone();
    found.retain(|notice| {
        let at = notice["lastModifiedAt"].as_i64().unwrap();
        let action = notice["action"].as_str();
        (range.0..range.1).contains(&at) && action.is_none_or(|action| actions.contains(&action))
    });
    page(query, found)
}

fn comments(inner: &Inner, below: &str, query: &str) -> Response {
    let world = inner.world.lock().unwrap();
    let is_comment = below.starts_with("urn:li:comment:");
    if is_comment && world.find(below).is_none() {
        return by_status(404);
    }
    let is_below = |comment: &&Comment| match &comment.parent {
        Some(parent) => parent == below,
        None => comment.object == activity(below),
    };
    let found = world.comments.iter().filter(is_below);
    page(query, found.map(show).collect())
}

/// Some by their ids, as Rest.li gives them (`BATCH_GET`).
fn several(inner: &Inner, below: &str, query: &str) -> Response {
    let ids = asked(query, "ids")
        .unwrap()
        .strip_prefix("List(")
        .unwrap()
        .strip_suffix(')')
        .unwrap();
    let world = inner.world.lock().unwrap();
    let (mut results, mut errors) = (json!({}), json!({}));
    for id in ids.split(',') {
        match world.find(&format!("urn:li:comment:({below},{id})")) {
            Some(comment) => results[id] = show(comment),
            None => errors[id] = json!({"status": 404, "message": "Not found"}),
        }
    }
    Json(json!({"results": results, "errors": errors, "statuses": {}})).into_response()
}

fn create(inner: &Inner, below: &str, body: &Value) -> Response {
    let mut world = inner.world.lock().unwrap();
    let text = body["message"]["text"].as_str().unwrap().to_owned();
    if body["actor"] != ORGANIZATION {
        return by_status(403);
    }
    if text.chars().count() > 1250 {
        return error(400, "FIELD_LENGTH_TOO_LONG", "message is too long");
    }
    let is_comment = below.starts_with("urn:li:comment:");
    if is_comment && world.find(below).is_none() {
        return by_status(404);
    }
    if is_comment {
        assert_eq!(body["parentComment"], below);
        assert!(world.find(below).unwrap().parent.is_none(), "there is one level");
    }
    let at = inner.clock.now().timestamp_millis();
    let parent = match world.misplaces {
        None => is_comment.then(|| below.to_owned()),
        Some(Misplaces::Orphan) => None,
        Some(Misplaces::Elsewhere) => {
            let other = Comment {
                id: world.number(),
                actor: member("eve"),
                object: activity(body["object"].as_str().unwrap()),
                parent: None,
                text: "else".to_owned(),
                created: at,
                modified: at,
            };
            let urn = other.urn();
            world.comments.push(other);
            Some(urn)
        }
    };
    let comment = Comment {
        id: world.number(),
        actor: ORGANIZATION.to_owned(),
        object: activity(body["object"].as_str().unwrap()),
        parent,
        text,
        created: at,
        modified: at,
    };
    let shown = show(&comment);
    let id = comment.id.clone();
    world.notify("ADMIN_COMMENT", &comment, at);
    world.comments.push(comment);
    (StatusCode::CREATED, [("x-restli-id", id)], Json(shown)).into_response()
}
