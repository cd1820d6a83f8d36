//! Reddit: one brand account, its inbox, subreddits, posts and comments, listings that page by full names,
//! tokens by the password grant, and a quota that is told in every answer. Written from
//! <https://www.reddit.com/dev/api>, <https://github.com/reddit-archive/reddit/wiki/OAuth2> and answers that
//! PRAW's tests recorded (<https://github.com/praw-dev/praw/tree/main/tests/integration/cassettes>). Scripted
//! faults go by the last part of a path: `inbox`, `search`, `comment`, `info`, `comments`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// The brand account.
pub const ME: &str = "Shop_Help";
pub const CLIENT: &str = "p-jcoLKBynTLew";
pub const CLIENT_SECRET: &str = "gko-client-SECRET";
pub const PASSWORD: &str = "snoo-SECRET";
/// The subreddit that everything is in.
pub const SUBREDDIT: &str = "shop";

type Asked = HashMap<String, String>;

/// How the platform misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// Under nothing.
    Orphan,
    /// Under another comment.
    Elsewhere,
}

#[derive(Clone)]
struct Thing {
    kind: &'static str,
    id: String,
    author: String,
    /// It is shown as the API does not describe it.
    odd: bool,
    /// Of a comment, a message, or a post's own text.
    body: String,
    title: String,
    parent: Option<String>,
    /// The post that it is under.
    link: Option<String>,
    created: Instant,
    edited: Option<Instant>,
    gone: bool,
    locked: bool,
    /// Why it is in the inbox.
    inbox: Option<&'static str>,
}

impl Thing {
    fn name(&self) -> String {
        format!("{}_{}", self.kind, self.id)
    }

    fn path(&self) -> String {
        match &self.link {
            Some(link) => format!("/r/{SUBREDDIT}/comments/{}/a_title/{}/", &link[3..], self.id),
            None => format!("/r/{SUBREDDIT}/comments/{}/a_title/", self.id),
        }
    }

    fn said(&self) -> (&str, &str) {
        if self.gone {
            ("[deleted]", "[deleted]")
        } else {
            (&self.author, &self.body)
        }
    }

    /// As it is shown everywhere but in the inbox.
    fn show(&self) -> Value {
        let (author, body) = self.said();
        let edited = self.edited.map_or(json!(false), |at| json!(seconds(at)));
        let mut data = json!({
            "id": self.id, "name": self.name(), "author": author, "created_utc": seconds(self.created),
            "created": seconds(self.created), "edited": edited, "score": if self.odd { json!("many") } else { json!(3) },
            "ups": 3, "downs": 0,
            "subreddit": SUBREDDIT, "permalink": self.path(), "locked": self.locked, "archived": false,
            "distinguished": null, "stickied": false, "likes": null, "saved": false,
        });
        let more = if self.kind == "t3" {
            json!({"title": self.title, "selftext": body, "is_self": true, "num_comments": 0, "upvote_ratio": 0.9,
                "url": format!("https://www.reddit.com{}", self.path())})
        } else {
            json!({"body": body, "parent_id": self.parent, "link_id": self.link, "replies": ""})
        };
        data.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"kind": self.kind, "data": data})
    }

    /// As the inbox shows it.
    fn notice(&self) -> Value {
        let (author, body) = self.said();
        let (kind, subject) = match self.inbox.unwrap() {
            "message" => ("unknown", "hello"),
            "mention" => ("username_mention", "username mention"),
            _ => ("comment_reply", "comment reply"),
        };
        let comment = self.kind == "t1";
        json!({"kind": self.kind, "data": {
            "first_message": null, "first_message_name": null, "subreddit": comment.then_some(SUBREDDIT),
            "likes": null, "replies": "", "id": self.id, "subject": subject, "score": i64::from(comment),
            "author": author, "parent_id": self.parent, "new": true, "type": kind, "body": body,
            "link_title": comment.then_some("A title"), "dest": ME, "was_comment": comment, "name": self.name(),
            "created": seconds(self.created), "created_utc": seconds(self.created), "distinguished": null,
            "context": if comment { format!("{}?context=3", self.path()) } else { String::new() },
        }})
    }
}

#[derive(Default)]
struct World {
    things: Vec<Thing>,
    odd: Vec<(Instant, Value)>,
    calls: Vec<String>,
    token: Option<String>,
    made: usize,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
    refuses: Option<Value>,
    /// The list of our comments was made at this moment, and shows nothing newer.
    listed: Option<Instant>,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The network.
pub struct FakeReddit {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeReddit {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::default(),
            faults: Faults::default(),
            clock,
        });
        let router = Router::new()
            .fallback(answer)
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

    /// Somebody names us in a comment under a post. Gives the full name.
    pub fn mention(&self, who: &str, text: &str, created: Instant) -> String {
        let mut world = self.world();
        let link = world.add("t3", "somebody", "", None, created);
        let comment = world.add("t1", who, text, Some(&link), created);
        world.find(&comment).inbox = Some("mention");
        comment
    }

    /// Somebody answers; in our inbox if it is us, or if they name us.
    pub fn answer(&self, who: &str, parent: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let to_us = world.find(parent).author == ME;
        let comment = world.add("t1", who, text, Some(parent), now);
        let names_us = text.contains(&format!("u/{ME}"));
        world.find(&comment).inbox = match (to_us, names_us) {
            _ if who == ME => None,
            (true, _) => Some("reply"),
            (false, true) => Some("mention"),
            (false, false) => None,
        };
        comment
    }

    /// Somebody writes a post in the subreddit.
    pub fn post(&self, who: &str, title: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let post = world.add("t3", who, "", None, now);
        title.clone_into(&mut world.find(&post).title);
        post
    }

    /// Somebody writes us a private message.
    pub fn message(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let message = world.add("t4", who, text, None, now);
        world.find(&message).inbox = Some("message");
        message
    }

    pub fn edit(&self, name: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let thing = world.find(name);
        text.clone_into(&mut thing.body);
        thing.edited = Some(now);
    }

    pub fn delete(&self, name: &str) {
        self.world().find(name).gone = true;
    }

    /// What is known is not shown as the API describes it any more.
    pub fn garble(&self, name: &str) {
        self.world().find(name).odd = true;
    }

    /// Moderators lock the post that something is under.
    pub fn lock(&self, name: &str) {
        let mut world = self.world();
        let link = world.find(name).link.clone().unwrap();
        world.find(&link).locked = true;
    }

    /// Puts something into the inbox that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        let now = self.inner.clock.now();
        self.world().odd.push((now, odd));
    }

    /// The list of our comments is not made anew from now on.
    pub fn freeze(&self) {
        let now = self.inner.clock.now();
        self.world().listed = Some(now);
    }

    /// A comment comes to our inbox, later than to its subreddit.
    pub fn notify(&self, name: &str) {
        self.world().find(name).inbox = Some("mention");
    }

    /// The token is over.
    pub fn expire(&self) {
        self.world().token = None;
    }

    /// The password is another now, and no token counts.
    pub fn lock_out(&self) {
        let mut world = self.world();
        world.token = None;
        world.locked_out = true;
    }

    /// All calls are used up until then.
    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// What is published from now on stands where it does not belong.
    pub fn misplace(&self, how: Misplaces) {
        self.world().misplaces = Some(how);
    }

    /// The next comment is answered with 200 and this in place of what was made.
    pub fn refuse(&self, answer: Value) {
        self.world().refuses = Some(answer);
    }

    /// What the brand account commented, the oldest first: full name, parent, text, address.
    pub fn published(&self) -> Vec<(String, Option<String>, String, String)> {
        let world = self.world();
        let ours = world
            .things
            .iter()
            .filter(|thing| thing.author == ME && thing.kind == "t1");
        ours.map(|own| {
            let url = format!("https://www.reddit.com{}", own.path());
            (own.name(), own.parent.clone(), own.body.clone(), url)
        })
        .collect()
    }

    /// How often a path that ends so was called.
    pub fn calls(&self, last: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == last).count()
    }
}

impl World {
    fn add(
        &mut self,
        kind: &'static str,
        who: &str,
        text: &str,
        parent: Option<&str>,
        created: Instant,
    ) -> String {
        self.made += 1;
        let link = parent.map(|parent| match self.find(parent).link.clone() {
            Some(link) => link,
            None => parent.to_owned(),
        });
        let thing = Thing {
            kind,
            id: format!("m{:05}", self.made),
            author: who.to_owned(),
            odd: false,
            body: text.to_owned(),
            title: String::new(),
            parent: parent.map(str::to_owned),
            link: link.filter(|_| kind == "t1"),
            created,
            edited: None,
            gone: false,
            locked: false,
            inbox: None,
        };
        let name = thing.name();
        self.things.push(thing);
        name
    }

    fn find(&mut self, name: &str) -> &mut Thing {
        self.things.iter_mut().find(|thing| thing.name() == name).unwrap()
    }
}

#[expect(clippy::cast_precision_loss, reason = "as the platform gives it")]
fn seconds(at: Instant) -> f64 {
    at.timestamp() as f64
}

type Shared = State<Arc<Inner>>;

/// Every answer tells the server's own time and what was used and is left.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    let headers = answer.headers_mut();
    headers.insert(header::DATE, date.parse().unwrap());
    if !headers.contains_key("x-ratelimit-remaining") {
        headers.insert("x-ratelimit-used", "4".parse().unwrap());
        headers.insert("x-ratelimit-remaining", "596.0".parse().unwrap());
        headers.insert("x-ratelimit-reset", "116".parse().unwrap());
    }
    answer
}

fn by_status(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let message = status.canonical_reason().unwrap_or("scripted");
    (
        status,
        Json(json!({"message": message, "error": status.as_u16()})),
    )
        .into_response()
}

/// 429 as Reddit gives it: no `Retry-After`, how many seconds until the quota is full again.
fn limited(seconds: i64) -> Response {
    let told = [
        ("x-ratelimit-used", "600".to_owned()),
        ("x-ratelimit-remaining", "0.0".to_owned()),
        ("x-ratelimit-reset", seconds.to_string()),
    ];
    let body = Json(json!({"message": "Too Many Requests", "error": 429}));
    (StatusCode::TOO_MANY_REQUESTS, told, body).into_response()
}

impl Inner {
    /// Does what was asked, or what the script says instead.
    async fn act(&self, call: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        match self.faults.take(call) {
            None => act(),
            Some(Fault::Status(status)) => by_status(status),
            Some(Fault::StatusButDone(status)) => {
                act();
                by_status(status)
            }
            Some(Fault::RateLimited(after)) => match after.parse() {
                Ok(seconds) => limited(seconds),
                // As a proxy before it says it.
                Err(_) => {
                    let told = [(header::RETRY_AFTER, after)];
                    (StatusCode::TOO_MANY_REQUESTS, told, "slow down").into_response()
                }
            },
            Some(fault @ (Fault::AcceptThenDrop | Fault::Drop | Fault::Hang | Fault::Garbage)) => {
                let one = Faults::default();
                one.next(call, fault);
                scripted(&one, call, line, act).await
            }
        }
    }
}

fn form(body: &[u8]) -> Asked {
    url::form_urlencoded::parse(body).into_owned().collect()
}

async fn answer(
    State(inner): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    uri: Uri,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path: Vec<_> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
    let call = (*path.last().unwrap()).to_owned();
    inner.world.lock().unwrap().calls.push(call.clone());
    let agent = headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok());
    if !agent.is_some_and(|agent| agent.contains("(by /u/")) {
        return limited(600);
    }
    if method == Method::POST && path == ["api", "v1", "access_token"] {
        return inner
            .act(&call, &line, || token(&inner, &headers, &form(&body)))
            .await;
    }
    let now = inner.clock.now();
    {
        let world = inner.world.lock().unwrap();
        if let Some(until) = world.exhausted_until.filter(|until| now < *until) {
            return limited((until - now).num_seconds());
        }
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_none() || bearer != world.token.as_deref() {
            return by_status(401);
        }
    }
    if method == Method::POST {
        assert_eq!(path, ["api", "comment"]);
        return inner.act(&call, &line, || comment(&inner, &form(&body))).await;
    }
    assert_eq!(asked.get("raw_json").map(String::as_str), Some("1"));
    inner.act(&call, &line, || read(&inner, &path, &asked)).await
}

fn token(inner: &Inner, headers: &HeaderMap, asked: &Asked) -> Response {
    let basic = format!(
        "Basic {}",
        BASE64_STANDARD.encode(format!("{CLIENT}:{CLIENT_SECRET}"))
    );
    if headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        != Some(basic.as_str())
    {
        return by_status(401);
    }
    let mut world = inner.world.lock().unwrap();
    let right = asked["grant_type"] == "password" && asked["username"] == ME && asked["password"] == PASSWORD;
    if !right || world.locked_out {
        return Json(json!({"error": "invalid_grant"})).into_response();
    }
    world.made += 1;
    let token = format!("7302867-token-{}", world.made);
    world.token = Some(token.clone());
    Json(json!({"access_token": token, "token_type": "bearer", "expires_in": 86400, "scope": "*"}))
        .into_response()
}

fn read(inner: &Inner, path: &[&str], asked: &Asked) -> Response {
    let world = inner.world.lock().unwrap();
    let newest = |keep: &dyn Fn(&&Thing) -> bool| {
        let mut things: Vec<_> = world.things.iter().filter(keep).collect();
        things.reverse();
        things.sort_by_key(|thing| std::cmp::Reverse(thing.created));
        things
    };
    let all = |things: Vec<&Thing>| {
        things
            .into_iter()
            .map(|thing| (thing.name(), thing.show()))
            .collect()
    };
    let children: Vec<(String, Value)> = match path {
        ["api", "v1", "me"] => return Json(json!({"name": ME, "id": "3eb"})).into_response(),
        ["message", "inbox"] => {
            assert_eq!(asked["mark"], "false");
            let odd = world
                .odd
                .iter()
                .map(|(at, odd)| (*at, "t1_odd".to_owned(), odd.clone()));
            let notices = newest(&|thing| thing.inbox.is_some()).into_iter();
            let notices = notices.map(|thing| (thing.created, thing.name(), thing.notice()));
            let mut all: Vec<_> = odd.chain(notices).collect();
            all.sort_by_key(|(at, _, _)| std::cmp::Reverse(*at));
            all.into_iter().map(|(_, name, shown)| (name, shown)).collect()
        }
        ["r", SUBREDDIT, "comments"] => all(newest(&|thing| thing.kind == "t1" && !thing.gone)),
        ["r", SUBREDDIT, "new"] => all(newest(&|thing| thing.kind == "t3" && !thing.gone)),
        ["search"] => {
            assert_eq!((asked["sort"].as_str(), asked["type"].as_str()), ("new", "link"));
            let words = asked["q"].to_lowercase();
            all(newest(&|thing| {
                thing.kind == "t3" && thing.title.to_lowercase().contains(&words)
            }))
        }
        ["user", ME, "comments"] => all(newest(&|thing| {
            let listed = world.listed.is_none_or(|listed| thing.created <= listed);
            thing.kind == "t1" && thing.author == ME && listed
        })),
        ["api", "info"] => {
            let names: Vec<_> = asked["id"].split(',').collect();
            assert!(names.len() <= 100 && !names.iter().any(|name| name.starts_with("t4_")));
            let known = world
                .things
                .iter()
                .filter(|thing| names.contains(&thing.name().as_str()));
            all(known.collect())
        }
        _ => return by_status(404),
    };
    page(children, asked)
}

/// A page of a listing, behind the thing that `after` names: behind one that is not in it nothing is found.
fn page(mut children: Vec<(String, Value)>, asked: &Asked) -> Response {
    let limit: usize = asked.get("limit").map_or(25, |limit| limit.parse().unwrap());
    children.truncate(1000);
    let from = match asked.get("after") {
        None => 0,
        Some(after) => {
            let at = children.iter().position(|(name, _)| name == after);
            at.map_or(children.len(), |at| at + 1)
        }
    };
    let more = children.len() > from + limit;
    let shown: Vec<_> = children.into_iter().skip(from).take(limit).collect();
    let after = shown.last().filter(|_| more).map(|(name, _)| name.clone());
    let children: Vec<_> = shown.into_iter().map(|(_, shown)| shown).collect();
    let data = json!({"after": after, "dist": children.len(), "modhash": null, "geo_filter": "",
        "children": children, "before": null});
    Json(json!({"kind": "Listing", "data": data})).into_response()
}

fn wrong(name: &str, words: &str, field: &str) -> Response {
    Json(json!({"json": {"errors": [[name, words, field]]}})).into_response()
}

fn comment(inner: &Inner, asked: &Asked) -> Response {
    assert_eq!(asked["api_type"], "json");
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    if let Some(refused) = world.refuses.take() {
        return Json(refused).into_response();
    }
    let text = asked["text"].as_str();
    if text.chars().count() > 10_000 {
        return wrong("TOO_LONG", "this is too long (max: 10000)", "text");
    }
    let parent = asked["thing_id"].clone();
    if world.find(&parent).gone {
        return wrong("DELETED_COMMENT", "that comment has been deleted", "parent");
    }
    let name = world.add("t1", ME, text, Some(&parent), now);
    match world.misplaces {
        None => {}
        Some(Misplaces::Orphan) => world.find(&name).parent = None,
        Some(Misplaces::Elsewhere) => world.find(&name).parent = Some("t1_else".to_owned()),
    }
    let shown = world.find(&name).show();
    Json(json!({"json": {"errors": [], "data": {"things": [shown]}}})).into_response()
}
