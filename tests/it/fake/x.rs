//! X by its API v2: one brand account, any number of people, tokens that end or requests that are signed,
//! lists with `since_id` and pages, edits with ids of their own, partial errors, private messages, the
//! filtered stream and its rules, and the rule that only who named the account is answered. Written from
//! <https://docs.x.com/x-api> and the description of the API (`openapi.json`, 2.167). Scripted faults go by
//! `mentions`, `search`, `create`, `dm`, `timeline`, `lookup`, `me`, `token`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat};
use hearback::domain::{Clock, Instant};
use hmac::{Hmac, Mac as _};
use ring::hmac as ring_hmac;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use unicode_normalization::UnicodeNormalization as _;
use url::Url;

/// The brand account.
pub const HANDLE: &str = "shop";
pub const CLIENT: &str = "client-1";
pub const CLIENT_SECRET: &str = "client-SECRET";
pub const REFRESH: &str = "refresh-SECRET-0";
pub const CONSUMER_KEY: &str = "consumer-key";
pub const CONSUMER_SECRET: &str = "consumer-SECRET";
pub const TOKEN: &str = "token-1";
pub const TOKEN_SECRET: &str = "token-SECRET";
pub const BEARER: &str = "application-SECRET";

/// How the server misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// As a post on its own.
    Orphan,
    /// Under another post.
    Elsewhere,
}

#[derive(Clone)]
struct Tweet {
    /// The ids of its versions.
    chain: Vec<u64>,
    author: String,
    text: String,
    parent: Option<u64>,
    quotes: Option<u64>,
    conversation: u64,
    settings: &'static str,
    picture: Option<String>,
}

impl Tweet {
    fn id(&self) -> u64 {
        *self.chain.last().unwrap()
    }
}

#[derive(Clone)]
struct Message {
    id: u64,
    from: String,
    to: String,
    text: String,
}

#[derive(Default)]
struct World {
    tweets: Vec<Tweet>,
    messages: Vec<Message>,
    odd: Vec<Value>,
    odd_own: Vec<Value>,
    calls: Vec<String>,
    made: u64,
    /// When private messages were read.
    read_messages: Vec<Instant>,
    access: Option<String>,
    refresh: Option<String>,
    locked_out: bool,
    unpaid: bool,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
    closed_messages: HashSet<String>,
    rules: BTreeMap<String, Value>,
    /// Whose account the tokens are, if it is not the brand's.
    stranger: Option<String>,
    stream_refusal: Option<(u16, Value)>,
    streams: Vec<tokio::sync::mpsc::UnboundedSender<Bytes>>,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeX {
    inner: Arc<Inner>,
    server: Server,
}

/// The number of an account.
pub fn number(who: &str) -> String {
    let sum = who
        .bytes()
        .fold(7_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(byte.into()));
    (1_000_000_000 + sum % 1_000_000_000).to_string()
}

impl FakeX {
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
            .route("/2/openapi.json", get(async || Json(json!({"openapi": "3.0.0"}))))
            .route("/2/oauth2/token", post(token))
            .route("/2/tweets/search/stream", get(stream))
            .route("/2/tweets/search/stream/rules", get(rules).post(change_rules))
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

    /// Somebody writes; who names us (`@shop`) is in our list of mentions. Gives the id.
    pub fn write(&self, who: &str, text: &str) -> String {
        self.add(who, text, None, None, self.inner.clock.now())
    }

    /// As [`Self::write`], and it comes to the list only now.
    pub fn write_at(&self, who: &str, text: &str, written: Instant) -> String {
        self.add(who, text, None, None, written)
    }

    /// Somebody answers a post. X names the author of that in it.
    pub fn answer(&self, who: &str, post: &str, text: &str) -> String {
        let parent = post.parse().unwrap();
        self.add(who, text, Some(parent), None, self.inner.clock.now())
    }

    /// Somebody quotes a post.
    pub fn quote(&self, who: &str, post: &str, text: &str) -> String {
        let quoted = post.parse().unwrap();
        self.add(who, text, None, Some(quoted), self.inner.clock.now())
    }

    /// Somebody shows a picture with what they write.
    pub fn write_with_picture(&self, who: &str, text: &str, alt: &str) -> String {
        let id = self.write(who, &format!("{text} https://t.co/pic"));
        self.change(&id, |tweet| tweet.picture = Some(alt.to_owned()));
        id
    }

    fn add(&self, who: &str, text: &str, parent: Option<u64>, quotes: Option<u64>, at: Instant) -> String {
        let mut world = self.world();
        let id = world.id(at);
        let conversation = parent
            .and_then(|parent| world.find(parent))
            .map_or(id, |p| p.conversation);
        world.tweets.push(Tweet {
            chain: vec![id],
            author: who.to_owned(),
            text: text.to_owned(),
            parent,
            quotes,
            conversation,
            settings: "everyone",
            picture: None,
        });
        id.to_string()
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Tweet)) {
        let id = id.parse().unwrap();
        let mut world = self.world();
        let tweet = world.tweets.iter_mut().find(|tweet| tweet.chain.contains(&id));
        change(tweet.unwrap());
    }

    /// The author changes a post: it has another id then, and still the first one.
    pub fn edit(&self, id: &str, text: &str) {
        let version = self.world().id(self.inner.clock.now());
        self.change(id, |tweet| {
            tweet.chain.push(version);
            text.clone_into(&mut tweet.text);
        });
    }

    /// The author takes a post back.
    pub fn delete(&self, id: &str) {
        let id = id.parse().unwrap();
        self.world().tweets.retain(|tweet| !tweet.chain.contains(&id));
    }

    /// The author lets only those answer whom the post names.
    pub fn gate(&self, id: &str) {
        self.change(id, |tweet| tweet.settings = "mentionedUsers");
    }

    /// Somebody writes us a private message.
    pub fn tell(&self, who: &str, text: &str) -> String {
        let mut world = self.world();
        let id = world.id(self.inner.clock.now());
        world.messages.push(Message {
            id,
            from: who.to_owned(),
            to: HANDLE.to_owned(),
            text: text.to_owned(),
        });
        id.to_string()
    }

    /// Somebody takes no private messages from us.
    pub fn closes_messages(&self, who: &str) {
        self.world().closed_messages.insert(number(who));
    }

    /// Puts something into the mentions that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
    }

    /// The same, among our own posts.
    pub fn poison_own(&self, odd: Value) {
        self.world().odd_own.push(odd);
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

    /// From now on tokens are those of another account, as after somebody connected that.
    pub fn take_over(&self, who: &str) {
        let mut world = self.world();
        world.access = None;
        world.stranger = Some(who.to_owned());
    }

    /// The credits are used up, or bought.
    pub fn unpaid(&self, unpaid: bool) {
        self.world().unpaid = unpaid;
    }

    /// All calls are used up until then.
    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// What is published from now on stands where it does not belong.
    pub fn misplace(&self, how: Misplaces) {
        self.world().misplaces = Some(how);
    }

    /// What the brand account published, the oldest first: `(id, parent, text)`.
    pub fn published(&self) -> Vec<(String, Option<String>, String)> {
        let world = self.world();
        let ours = world.tweets.iter().filter(|tweet| tweet.author == HANDLE);
        ours.map(|tweet| {
            let parent = tweet.parent.map(|parent| parent.to_string());
            (tweet.id().to_string(), parent, tweet.text.clone())
        })
        .collect()
    }

    /// The private messages of the brand account: to whom, and what.
    pub fn sent(&self) -> Vec<(String, String)> {
        let world = self.world();
        let ours = world.messages.iter().filter(|message| message.from == HANDLE);
        ours.map(|message| (message.to.clone(), message.text.clone()))
            .collect()
    }

    /// How often a call came.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }

    /// The rules of the stream.
    pub fn rules(&self) -> Vec<(String, String)> {
        let world = self.world();
        let text = |rule: &Value, name: &str| rule[name].as_str().unwrap().to_owned();
        world
            .rules
            .values()
            .map(|rule| (text(rule, "value"), text(rule, "tag")))
            .collect()
    }

    /// Adds a rule of somebody else's, or an old one.
    pub fn add_rule(&self, value: &str, tag: &str) {
        let mut world = self.world();
        world.made += 1;
        let id = world.made.to_string();
        world
            .rules
            .insert(id.clone(), json!({"id": id, "value": value, "tag": tag}));
    }

    /// The stream lets nobody in, with these words.
    pub fn refuse_stream(&self, status: u16, body: Value) {
        self.world().stream_refusal = Some((status, body));
    }

    /// Sends a post to those who listen to the stream, with the rules that it matches; nothing where it matches
    /// none. Says whether anybody listens.
    pub fn streams(&self, id: &str) -> bool {
        let mut world = self.world();
        let tweet = world.find(id.parse().unwrap()).unwrap().clone();
        let matches = |rule: &&Value| tweet.text.contains(rule["value"].as_str().unwrap());
        let rules = world.rules.values().filter(matches);
        let rules: Vec<_> = rules
            .map(|rule| json!({"id": rule["id"], "tag": rule["tag"]}))
            .collect();
        if rules.is_empty() {
            return !world.streams.is_empty();
        }
        let mut page = world.show(&[&tweet]);
        page["data"] = page["data"][0].clone();
        page["matching_rules"] = rules.into();
        let line = Bytes::from(format!("{page}\r\n"));
        world.streams.retain(|stream| stream.send(line.clone()).is_ok());
        !world.streams.is_empty()
    }

    /// The event of a post, as the X Activity API pushes it.
    pub fn event(&self, kind: &str, id: &str) -> Value {
        let world = self.world();
        let tweet = world.find(id.parse().unwrap()).unwrap();
        let page = world.show(&[tweet]);
        json!({"data": {
            "event_uuid": "2080761390344937796", "filter": {"user_id": number(HANDLE)}, "event_type": kind,
            "tag": "ours", "payload": page["data"][0], "includes": page["includes"],
        }})
    }
}

/// An event without what goes with it, as X sends some.
pub fn bare(mut event: Value) -> Value {
    event["data"]["includes"] = json!({});
    event
}

/// The signature of a body, as the header has it.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

impl World {
    fn id(&mut self, at: Instant) -> u64 {
        self.made += 1;
        let millis = u64::try_from(at.timestamp_millis() - 1_288_834_974_657).unwrap();
        (millis << 22) | (self.made % (1 << 22))
    }

    fn find(&self, id: u64) -> Option<&Tweet> {
        self.tweets.iter().find(|tweet| tweet.chain.contains(&id))
    }

    /// Whom a post is about: named in it, or the author of what it answers.
    fn named(&self, tweet: &Tweet) -> Vec<(usize, usize, String)> {
        let mut named = Vec::new();
        let chars: Vec<char> = tweet.text.chars().collect();
        for (at, _) in chars.iter().enumerate().filter(|(_, c)| **c == '@') {
            let name: String = chars[at + 1..]
                .iter()
                .take_while(|c| c.is_alphanumeric())
                .collect();
            if !name.is_empty() {
                named.push((at, at + 1 + name.len(), name));
            }
        }
        named
    }

    fn names(&self, tweet: &Tweet, who: &str) -> bool {
        let answers = tweet
            .parent
            .and_then(|parent| self.find(parent))
            .is_some_and(|p| p.author == who);
        answers || self.named(tweet).iter().any(|(_, _, name)| name == who)
    }

    fn quotes(&self, tweet: &Tweet, who: &str) -> bool {
        tweet
            .quotes
            .and_then(|quoted| self.find(quoted))
            .is_some_and(|p| p.author == who)
    }

    fn show_one(&self, tweet: &Tweet) -> Value {
        let at = moment(tweet.id());
        // The three that are escaped, and addresses, which are shortened.
        let escaped = tweet
            .text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let mut urls = Vec::new();
        let words: Vec<String> = escaped
            .split(' ')
            .map(|word| {
                if word == "https://t.co/pic" {
                    urls.push(json!({"start": 0, "end": 23, "url": word, "media_key": "3_1",
                        "expanded_url": "https://x.com/a/status/1/photo/1"}));
                    return word.to_owned();
                }
                let whole = word.trim_end_matches(['.', ',', '!']);
                if !whole.starts_with("https://") {
                    return word.to_owned();
                }
                let short = format!("https://t.co/{}", urls.len());
                let expanded = whole.replace("&amp;", "&");
                urls.push(json!({"start": 0, "end": 23, "url": short, "expanded_url": expanded}));
                word.replace(whole, &short)
            })
            .collect();
        let named = self.named(tweet).into_iter();
        let mentions: Vec<_> = named
            .map(|(start, end, name)| json!({"start": start, "end": end, "username": name, "id": number(&name)}))
            .collect();
        let mut text = words.join(" ");
        let parent = tweet.parent.and_then(|parent| self.find(parent));
        if let Some(parent) = parent
            && tweet.author == HANDLE
        {
            text = format!("@{} {text}", parent.author);
        }
        let mut shown = json!({
            "id": tweet.id().to_string(), "text": text, "author_id": number(&tweet.author), "created_at": time(at),
            "conversation_id": tweet.conversation.to_string(), "lang": "en", "reply_settings": tweet.settings,
            "edit_history_tweet_ids": tweet.chain.iter().map(u64::to_string).collect::<Vec<_>>(),
            "entities": {"urls": urls, "mentions": mentions},
            "public_metrics": {"retweet_count": 1, "reply_count": 0, "like_count": 2, "quote_count": 1,
                "bookmark_count": 0, "impression_count": 50},
        });
        let mut references = Vec::new();
        if let Some(id) = tweet.parent {
            references.push(json!({"type": "replied_to", "id": id.to_string()}));
            if let Some(parent) = parent {
                shown["in_reply_to_user_id"] = number(&parent.author).into();
            }
        }
        if let Some(id) = tweet.quotes {
            references.push(json!({"type": "quoted", "id": id.to_string()}));
        }
        if !references.is_empty() {
            shown["referenced_tweets"] = references.into();
        }
        if tweet.picture.is_some() {
            shown["attachments"] = json!({"media_keys": ["3_1"]});
        }
        shown
    }

    /// Posts with what is asked for beside them.
    fn show(&self, tweets: &[&Tweet]) -> Value {
        let data: Vec<_> = tweets.iter().map(|tweet| self.show_one(tweet)).collect();
        let authors: HashSet<_> = tweets.iter().map(|tweet| tweet.author.as_str()).collect();
        let users: Vec<_> = authors.into_iter().map(user).collect();
        let pictures = tweets.iter().filter_map(|tweet| tweet.picture.as_ref());
        let media: Vec<_> = pictures
            .map(|alt| json!({"media_key": "3_1", "type": "photo", "alt_text": alt, "url": "https://pbs.example/1.jpg"}))
            .collect();
        json!({"data": data, "includes": {"users": users, "media": media}, "meta": {"result_count": tweets.len()}})
    }
}

fn user(who: &str) -> Value {
    json!({"id": number(who), "username": who, "name": who, "public_metrics": {
        "followers_count": 120, "following_count": 3, "tweet_count": 9, "listed_count": 0}})
}

fn moment(id: u64) -> Instant {
    let millis = i64::try_from(id >> 22).unwrap() + 1_288_834_974_657;
    DateTime::from_timestamp_millis(millis).unwrap()
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
    if !headers.contains_key("x-rate-limit-limit") {
        headers.insert("x-rate-limit-limit", "300".parse().unwrap());
        headers.insert("x-rate-limit-remaining", "290".parse().unwrap());
    }
    answer
}

/// A problem, as the API gives it.
fn problem(status: u16, title: &str, detail: &str) -> Response {
    let body = json!({"title": title, "detail": detail, "type": "about:blank", "status": status});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn by_status(status: u16) -> Response {
    let title = StatusCode::from_u16(status).unwrap();
    problem(status, title.canonical_reason().unwrap(), "scripted")
}

/// 429 as X gives it: no `Retry-After`, the moment of the reset.
fn limited(reset: Instant) -> Response {
    let told = [
        ("x-rate-limit-limit", "300".to_owned()),
        ("x-rate-limit-remaining", "0".to_owned()),
        ("x-rate-limit-reset", reset.timestamp().to_string()),
    ];
    let body = json!({"title": "Too Many Requests", "detail": "Too Many Requests", "type": "about:blank", "status": 429});
    (StatusCode::TOO_MANY_REQUESTS, told, Json(body)).into_response()
}

impl Inner {
    /// Does what was asked, or what the script says instead.
    async fn act(&self, name: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        match self.faults.take(name) {
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
                one.next(name, fault);
                scripted(&one, name, line, act).await
            }
        }
    }

    /// Turns away who has no access, no credits, or no calls left.
    fn denied(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Response> {
        let told = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let told = told.unwrap_or_default();
        let world = self.world.lock().unwrap();
        let known = match told.strip_prefix("Bearer ") {
            Some(token) => world.access.as_deref() == Some(token),
            None => !world.locked_out && is_signed(method, uri, headers, told),
        };
        if !known {
            return Some(problem(401, "Unauthorized", "Unauthorized"));
        }
        if world.unpaid {
            let body = json!({"title": "CreditsDepleted", "detail": "Your account does not have any credits",
                "type": "https://api.x.com/2/problems/credits-depleted", "status": 402});
            return Some((StatusCode::PAYMENT_REQUIRED, Json(body)).into_response());
        }
        let until = world.exhausted_until.filter(|until| self.clock.now() < *until);
        until.map(limited)
    }
}

/// Whether a request is signed as RFC 5849 has it, worked out from the text of the header alone.
fn is_signed(method: &Method, uri: &Uri, headers: &HeaderMap, told: &str) -> bool {
    let Some(told) = told.strip_prefix("OAuth ") else {
        return false;
    };
    let decoded = |text: &str| {
        // In these headers a plus is a plus.
        let text = text.trim().trim_matches('"').replace('+', "%2B");
        let pairs = format!("x={text}");
        url::form_urlencoded::parse(pairs.as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned()
    };
    let mut parts: BTreeMap<String, String> = told
        .split(',')
        .map(|part| part.split_once('=').unwrap())
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let signature = parts.remove("oauth_signature").unwrap();
    if parts["oauth_consumer_key"] != CONSUMER_KEY || parts["oauth_token"] != TOKEN {
        return false;
    }
    let query = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
    let mut all: Vec<(String, String)> = query
        .chain(parts)
        .map(|(n, v)| (strict(&n), strict(&v)))
        .collect();
    all.sort();
    let all: Vec<_> = all.iter().map(|(n, v)| format!("{n}={v}")).collect();
    let host = headers[header::HOST].to_str().unwrap();
    let address = format!("http://{host}{}", uri.path());
    let base = format!("{method}&{}&{}", strict(&address), strict(&all.join("&")));
    let key = format!("{}&{}", strict(CONSUMER_SECRET), strict(TOKEN_SECRET));
    let key = ring_hmac::Key::new(ring_hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes());
    ring_hmac::verify(&key, base.as_bytes(), &BASE64_STANDARD.decode(signature).unwrap()).is_ok()
}

/// All but letters, digits and four signs as bytes.
fn strict(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| {
            if plain(byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

async fn token(State(inner): Shared, ConnectInfo(line): Wire, headers: HeaderMap, body: Bytes) -> Response {
    inner.world.lock().unwrap().calls.push("token".to_owned());
    let asked: HashMap<_, _> = url::form_urlencoded::parse(&body).into_owned().collect();
    let act = || {
        let mut world = inner.world.lock().unwrap();
        let basic = format!(
            "Basic {}",
            BASE64_STANDARD.encode(format!("{CLIENT}:{CLIENT_SECRET}"))
        );
        if headers
            .get(header::AUTHORIZATION)
            .is_none_or(|told| told != &basic)
        {
            let body = json!({"error": "unauthorized_client", "error_description": "Missing valid authorization header"});
            return (StatusCode::UNAUTHORIZED, Json(body)).into_response();
        }
        let right =
            asked["grant_type"] == "refresh_token" && asked.get("refresh_token") == world.refresh.as_ref();
        if !right || world.locked_out {
            let body = json!({"error": "invalid_grant", "error_description": "Value passed for the token was invalid."});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        }
        world.made += 1;
        let (access, refresh) = (
            format!("access-SECRET-{}", world.made),
            format!("refresh-SECRET-{}", world.made),
        );
        world.access = Some(access.clone());
        world.refresh = Some(refresh.clone());
        Json(json!({"token_type": "bearer", "expires_in": 7200, "access_token": access, "refresh_token": refresh,
            "scope": "tweet.read users.read tweet.write dm.read dm.write offline.access"}))
        .into_response()
    };
    inner.act("token", &line, act).await
}

fn by_application(headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .is_some_and(|told| told == &format!("Bearer {BEARER}"))
}

async fn stream(State(inner): Shared, headers: HeaderMap) -> Response {
    if !by_application(&headers) {
        return problem(
            403,
            "Unsupported Authentication",
            "Authenticating with OAuth 2.0 Application-Only is needed",
        );
    }
    if let Some((status, body)) = inner.world.lock().unwrap().stream_refusal.clone() {
        return (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    }
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    sender.send(Bytes::from_static(b"\r\n")).unwrap();
    inner.world.lock().unwrap().streams.push(sender);
    let lines = futures_util::stream::unfold(receiver, async |mut receiver| {
        let line = receiver.recv().await?;
        Some((Ok::<_, std::convert::Infallible>(line), receiver))
    });
    Body::from_stream(lines).into_response()
}

async fn rules(State(inner): Shared, headers: HeaderMap) -> Response {
    if !by_application(&headers) {
        return problem(
            403,
            "Unsupported Authentication",
            "Authenticating with OAuth 2.0 Application-Only is needed",
        );
    }
    let world = inner.world.lock().unwrap();
    let data: Vec<_> = world.rules.values().cloned().collect();
    let mut page = json!({"meta": {"sent": "2027-01-15T08:00:00.000Z", "result_count": data.len()}});
    if !data.is_empty() {
        page["data"] = data.into();
    }
    Json(page).into_response()
}

async fn change_rules(State(inner): Shared, headers: HeaderMap, body: Bytes) -> Response {
    if !by_application(&headers) {
        return problem(
            403,
            "Unsupported Authentication",
            "Authenticating with OAuth 2.0 Application-Only is needed",
        );
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let mut world = inner.world.lock().unwrap();
    for id in asked["delete"]["ids"].as_array().into_iter().flatten() {
        world.rules.remove(id.as_str().unwrap()).unwrap();
    }
    let mut errors = Vec::new();
    for rule in asked["add"].as_array().into_iter().flatten() {
        if world.rules.values().any(|known| known["value"] == rule["value"]) {
            errors.push(
                json!({"value": rule["value"], "id": "1", "title": "DuplicateRule",
                "type": "https://api.twitter.com/2/problems/duplicate-rules"}),
            );
            continue;
        }
        if rule["value"].as_str().unwrap().contains("min_likes:") {
            errors.push(json!({"value": rule["value"], "title": "Invalid Rule",
                "details": ["Reference to invalid operator 'min_likes'."],
                "type": "https://api.twitter.com/2/problems/invalid-rules"}));
            continue;
        }
        world.made += 1;
        let id = world.made.to_string();
        let rule = json!({"id": id, "value": rule["value"], "tag": rule["tag"]});
        world.rules.insert(id, rule);
    }
    let summary = json!({"created": 1, "not_created": errors.len(), "valid": 1, "invalid": errors.len()});
    let mut told = json!({"meta": {"sent": "2027-01-15T08:00:00.000Z", "summary": summary}});
    if !errors.is_empty() {
        told["errors"] = errors.into();
    }
    (StatusCode::CREATED, Json(told)).into_response()
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
    let path = uri.path().to_owned();
    let parts: Vec<_> = path.trim_start_matches("/2/").split('/').collect();
    let name = match (method.as_str(), &parts[..]) {
        ("GET", ["users", "me"]) => "me",
        ("GET", ["users", _, "mentions"]) => "mentions",
        ("GET", ["users", _, "tweets"]) => "timeline",
        ("GET", ["tweets", "search", "recent"]) => "search",
        ("GET", ["tweets"] | ["tweets", _]) => "lookup",
        ("POST", ["tweets"]) => "create",
        ("POST", ["dm_conversations", "with", _, "messages"]) => "dm",
        ("GET", ["dm_conversations", "with", _, "dm_events"]) => "conversation",
        ("GET", ["dm_events"]) => "messages",
        _ => return problem(404, "Not Found", "Not Found"),
    };
    inner.world.lock().unwrap().calls.push(name.to_owned());
    if let Some(answer) = inner.denied(&method, &uri, &headers) {
        return answer;
    }
    let asked: HashMap<String, String> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
    inner
        .act(name, &line, || answer(&inner, name, &parts, &asked, &body))
        .await
}

fn answer(
    inner: &Inner,
    name: &str,
    parts: &[String],
    asked: &HashMap<String, String>,
    body: &[u8],
) -> Response {
    let mut world = inner.world.lock().unwrap();
    match name {
        "me" => {
            let who = world.stranger.as_deref().unwrap_or(HANDLE);
            Json(json!({"data": {"id": number(who), "name": who, "username": who}})).into_response()
        }
        "mentions" => {
            assert_eq!(parts[1], number(HANDLE));
            let odd = world.odd.clone();
            listed(&world, asked, odd, ("pagination_token", 800), |world, tweet| {
                world.names(tweet, HANDLE)
            })
        }
        "timeline" => {
            let odd = world.odd_own.clone();
            listed(&world, asked, odd, ("pagination_token", 3200), |_, tweet| {
                tweet.author == HANDLE
            })
        }
        "search" => {
            let since = asked.get("since_id").map(|id| moment(id.parse().unwrap()));
            if since.is_some_and(|since| inner.clock.now() - since > chrono::TimeDelta::days(7)) {
                return problem(
                    400,
                    "Invalid Request",
                    "'since_id' must be a tweet id created after seven days ago",
                );
            }
            let query = asked["query"].to_lowercase();
            let words = query.trim_end_matches(" -is:retweet").to_owned();
            listed(&world, asked, vec![], ("next_token", usize::MAX), |_, tweet| {
                tweet.text.to_lowercase().contains(&words)
            })
        }
        "lookup" => match parts {
            [_, id] => looked_up(&world, &[id.as_str()], true),
            _ => {
                let ids: Vec<_> = asked["ids"].split(',').collect();
                assert!(ids.len() <= 100);
                looked_up(&world, &ids, false)
            }
        },
        "create" => create(inner, &mut world, &serde_json::from_slice(body).unwrap()),
        "dm" => send(
            inner,
            &mut world,
            &parts[2],
            &serde_json::from_slice(body).unwrap(),
        ),
        "messages" | "conversation" => {
            // 15 in a quarter of an hour.
            let now = inner.clock.now();
            let quarter = chrono::TimeDelta::minutes(15);
            world.read_messages.retain(|at| now - *at < quarter);
            if world.read_messages.len() >= 15 {
                return limited(world.read_messages[0] + quarter);
            }
            world.read_messages.push(now);
            let with = (name == "conversation").then(|| parts[2].as_str());
            messages(&world, asked, with)
        }
        other => panic!("{other}"),
    }
}

/// A page of a list, the newest first, of which so many are shown at most; of an edited post the newest version
/// alone.
fn listed(
    world: &World,
    asked: &HashMap<String, String>,
    odd: Vec<Value>,
    (token, shown_at_most): (&str, usize),
    is_in: impl Fn(&World, &Tweet) -> bool,
) -> Response {
    assert!(!asked.contains_key(if token == "next_token" {
        "pagination_token"
    } else {
        "next_token"
    }));
    let most: usize = asked["max_results"].parse().unwrap();
    assert!((5..=100).contains(&most));
    let since: u64 = asked.get("since_id").map_or(0, |id| id.parse().unwrap());
    let until: u64 = asked.get("until_id").map_or(u64::MAX, |id| id.parse().unwrap());
    let mut found: Vec<_> = world
        .tweets
        .iter()
        .filter(|tweet| is_in(world, tweet) && tweet.id() > since && tweet.id() < until)
        .collect();
    found.sort_by_key(|tweet| std::cmp::Reverse(tweet.id()));
    found.truncate(shown_at_most);
    let at: usize = asked.get(token).map_or(0, |at| at.parse().unwrap());
    let rest = found.split_off(at.min(found.len()));
    let page: Vec<_> = rest.iter().take(most).copied().collect();
    let mut shown = world.show(&page);
    if at == 0 {
        let data = shown["data"].as_array_mut().unwrap();
        data.extend(odd);
        if data.is_empty() {
            shown = json!({"meta": {"result_count": 0}});
        }
    }
    if rest.len() > most {
        shown["meta"]["next_token"] = (at + most).to_string().into();
    }
    Json(shown).into_response()
}

fn looked_up(world: &World, ids: &[&str], one: bool) -> Response {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for id in ids {
        let number: u64 = id.parse().unwrap();
        match world.find(number) {
            Some(tweet) => {
                // Every version is there, and tells of all.
                let mut version = tweet.clone();
                version.chain = vec![number];
                found.push((version, tweet.chain.clone()));
            }
            None => errors.push(
                json!({"value": id, "detail": format!("Could not find tweet with ids: [{id}]."),
                "title": "Not Found Error", "resource_type": "tweet", "parameter": "ids", "resource_id": id,
                "type": "https://api.twitter.com/2/problems/resource-not-found"}),
            ),
        }
    }
    let tweets: Vec<_> = found.iter().map(|(tweet, _)| tweet).collect();
    let mut page = world.show(&tweets);
    for (shown, (_, chain)) in page["data"].as_array_mut().unwrap().iter_mut().zip(&found) {
        shown["edit_history_tweet_ids"] = chain.iter().map(u64::to_string).collect::<Vec<_>>().into();
    }
    if found.is_empty() {
        page = json!({});
    } else if one {
        page["data"] = page["data"][0].clone();
    }
    if !errors.is_empty() {
        page["errors"] = errors.into();
    }
    Json(page).into_response()
}

fn create(inner: &Inner, world: &mut World, body: &Value) -> Response {
    let text = body["text"].as_str().unwrap();
    if weight(text) > 280 {
        return problem(403, "Forbidden", "Tweet needs to be a bit shorter.");
    }
    let target: u64 = body["reply"]["in_reply_to_tweet_id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let Some(parent) = world.find(target).cloned() else {
        return problem(
            403,
            "Forbidden",
            "You attempted to reply to a Tweet that is deleted or not visible to you.",
        );
    };
    if !world.names(&parent, HANDLE) && !world.quotes(&parent, HANDLE) {
        let why = "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged \
                   by the author of the post you are replying to.";
        return problem(403, "Forbidden", why);
    }
    let ours = |tweet: &&Tweet| tweet.author == HANDLE && tweet.text == text;
    if world.tweets.iter().any(|tweet| ours(&tweet)) {
        return problem(
            403,
            "Forbidden",
            "You are not allowed to create a Tweet with duplicate content.",
        );
    }
    let id = world.id(inner.clock.now());
    let parent_id = match world.misplaces {
        None => Some(target),
        Some(Misplaces::Orphan) => None,
        Some(Misplaces::Elsewhere) => {
            let other = world.id(inner.clock.now());
            world.tweets.push(Tweet {
                chain: vec![other],
                author: "eve".to_owned(),
                text: "else".to_owned(),
                parent: None,
                conversation: other,
                ..parent.clone()
            });
            Some(other)
        }
    };
    world.tweets.push(Tweet {
        chain: vec![id],
        author: HANDLE.to_owned(),
        text: text.to_owned(),
        parent: parent_id,
        quotes: None,
        conversation: parent.conversation,
        settings: "everyone",
        picture: None,
    });
    let data = json!({"id": id.to_string(), "text": text, "edit_history_tweet_ids": [id.to_string()]});
    (StatusCode::CREATED, Json(json!({"data": data}))).into_response()
}

/// As the fake counts: addresses with a scheme 23, what is above the light planes 2; families of emoji one.
fn weight(text: &str) -> usize {
    use unicode_segmentation::UnicodeSegmentation as _;
    let text: String = text.nfc().collect();
    let words = text.split_inclusive(' ').map(|word| {
        if word.starts_with("https://") {
            return 23 + usize::from(word.ends_with(' '));
        }
        let light = |c: char| matches!(u32::from(c), 0..=4351 | 8192..=8205 | 8208..=8223 | 8242..=8247);
        let of = |grapheme: &str| {
            let first = grapheme.chars().next().unwrap();
            if u32::from(first) >= 0x1F000 {
                return 2;
            }
            grapheme.chars().map(|c| if light(c) { 1 } else { 2 }).sum()
        };
        word.graphemes(true).map(of).sum()
    });
    words.sum()
}

fn send(inner: &Inner, world: &mut World, to: &str, body: &Value) -> Response {
    if world.closed_messages.contains(to) {
        return problem(
            403,
            "Forbidden",
            "You do not have permission to DM one or more participants.",
        );
    }
    let id = world.id(inner.clock.now());
    world.messages.push(Message {
        id,
        from: HANDLE.to_owned(),
        to: to.to_owned(),
        text: body["text"].as_str().unwrap().to_owned(),
    });
    let data = json!({"dm_conversation_id": conversation(to), "dm_event_id": id.to_string()});
    (StatusCode::CREATED, Json(json!({"data": data}))).into_response()
}

/// Both numbers, the lower first.
fn conversation(with: &str) -> String {
    let mut both = [number(HANDLE), with.to_owned()];
    both.sort();
    both.join("-")
}

fn messages(world: &World, asked: &HashMap<String, String>, with: Option<&str>) -> Response {
    assert_eq!(asked["event_types"], "MessageCreate");
    let most: usize = asked["max_results"].parse().unwrap();
    let at: usize = asked.get("pagination_token").map_or(0, |at| at.parse().unwrap());
    let other = |message: &Message| {
        if message.from == HANDLE {
            message.to.clone()
        } else {
            number(&message.from)
        }
    };
    let mut found: Vec<_> = world.messages.iter().collect();
    found.retain(|message| with.is_none_or(|with| other(message) == with));
    found.sort_by_key(|message| std::cmp::Reverse(message.id));
    let rest = found.split_off(at.min(found.len()));
    let show = |message: &&Message| {
        json!({"id": message.id.to_string(), "event_type": "MessageCreate", "text": message.text,
            "sender_id": number(&message.from), "created_at": time(moment(message.id)),
            "dm_conversation_id": conversation(&other(message))})
    };
    let data: Vec<_> = rest.iter().take(most).map(show).collect();
    let people: HashSet<_> = rest.iter().map(|message| message.from.as_str()).collect();
    let users: Vec<_> = people.into_iter().map(user).collect();
    let mut page = json!({"data": data, "includes": {"users": users}, "meta": {"result_count": data.len()}});
    if rest.len() > most {
        page["meta"]["next_token"] = (at + most).to_string().into();
    }
    Json(page).into_response()
}
