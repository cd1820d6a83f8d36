//! A Discourse forum: one brand account, topics, posts and private messages, lists that page by ids, webhooks, and
//! a key. Written from <https://docs.discourse.org> and from the source
//! (<https://github.com/discourse/discourse>: `posts_controller.rb`, `latest_posts_query.rb`, `post_serializer.rb`,
//! `emit_web_hook_event.rb`). Scripted faults go by the path: `posts.json` (reading), `search.json`,
//! `user_actions.json`, `create`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::SecondsFormat;
use hearback::domain::{Clock, Instant};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// The brand account.
pub const ME: &str = "help";
pub const KEY: &str = "0123456789abcdef-SECRET";
/// The secret of its webhook.
pub const HOOK: &str = "hook-0123456789-SECRET";
/// The fewest characters of a post here, and the most.
pub const LEAST: usize = 5;
pub const MOST: usize = 3000;

type Asked = HashMap<String, String>;

/// How the platform misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// As a topic of its own.
    Orphan,
    /// Under another post.
    Elsewhere,
}

/// How lists of posts page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pages {
    /// Fifty posts below an id.
    #[default]
    Below,
    /// Fifty posts from an id on downwards, as until 2026.
    From,
    /// Those among the fifty ids from an id on downwards, as until 2022.
    Among,
}

#[derive(Clone)]
struct Post {
    id: i64,
    topic: i64,
    number: i64,
    who: String,
    raw: String,
    above: Option<i64>,
    created: Instant,
    updated: Instant,
    version: i64,
    gone: bool,
}

struct Topic {
    title: String,
    closed: bool,
    /// Who may read it, if not all.
    people: Option<Vec<String>>,
}

#[derive(Default)]
struct World {
    topics: Vec<Topic>,
    posts: Vec<Post>,
    odd: Vec<Value>,
    /// Event and post, not pushed yet.
    events: Vec<(&'static str, Value)>,
    calls: Vec<String>,
    next: i64,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
    moderates: bool,
    pages: Pages,
    /// Whether our account is an administrator's, who sees all private messages.
    admin: bool,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The forum.
pub struct FakeDiscourse {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeDiscourse {
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

    /// Somebody opens a topic. Gives `topic/number`.
    pub fn open(&self, who: &str, text: &str, created: Instant) -> String {
        self.start_topic(who, "A title", text, None, created)
    }

    /// How lists page from now on.
    pub fn page_by(&self, pages: Pages) {
        self.world().pages = pages;
    }

    /// Our account is an administrator's from now on.
    pub fn promote(&self) {
        self.world().admin = true;
    }

    /// So many ids are given to what is no post.
    pub fn skip_ids(&self, count: i64) {
        self.world().next += count;
    }

    /// Somebody writes to the group that our account is in.
    pub fn ask_support(&self, who: &str, text: &str) -> String {
        let people = Some(vec![who.to_owned(), "group support".to_owned()]);
        self.start_topic(who, "A message", text, people, self.inner.clock.now())
    }

    /// Two others write to each other in private.
    pub fn whisper(&self, who: &str, whom: &str, text: &str) -> String {
        let people = Some(vec![who.to_owned(), whom.to_owned()]);
        self.start_topic(who, "A message", text, people, self.inner.clock.now())
    }

    /// Somebody writes to us in private.
    pub fn message(&self, who: &str, text: &str) -> String {
        let people = Some(vec![who.to_owned(), ME.to_owned()]);
        self.start_topic(who, "A message", text, people, self.inner.clock.now())
    }

    fn start_topic(
        &self,
        who: &str,
        title: &str,
        text: &str,
        people: Option<Vec<String>>,
        at: Instant,
    ) -> String {
        let mut world = self.world();
        let topic = world.topic(title, people);
        world.add(topic, who, text, None, at)
    }

    /// Somebody answers a post.
    pub fn answer(&self, who: &str, post: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let above = world.find(post).clone();
        world.add(above.topic, who, text, Some(above.number), now)
    }

    pub fn edit(&self, post: &str, text: &str) {
        self.change(post, text, 1);
    }

    /// Within the first minutes no version is made of it.
    pub fn edit_at_once(&self, post: &str, text: &str) {
        self.change(post, text, 0);
    }

    fn change(&self, post: &str, text: &str, versions: i64) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let found = world.find(post);
        text.clone_into(&mut found.raw);
        found.updated = now;
        found.version += versions;
        let found = found.clone();
        world.tell("post_edited", &found);
    }

    pub fn delete(&self, post: &str) {
        let mut world = self.world();
        world.find(post).gone = true;
        let found = world.find(post).clone();
        world.tell("post_destroyed", &found);
    }

    /// Moderators close the topic of a post.
    pub fn close(&self, post: &str) {
        let mut world = self.world();
        let topic = world.find(post).topic;
        world.topics[usize::try_from(topic).unwrap() - 1].closed = true;
    }

    /// Puts something into the list that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        let mut world = self.world();
        world.next += 1;
        let mut odd = odd;
        odd["id"] = world.next.into();
        world.odd.push(odd);
    }

    /// From now on moderators look at what our account writes before it appears.
    pub fn moderate(&self) {
        self.world().moderates = true;
    }

    /// The key is revoked.
    pub fn lock_out(&self) {
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

    /// What the brand account wrote, the oldest first: `topic/number`, what it answers, and its text.
    pub fn published(&self) -> Vec<(String, Option<String>, String)> {
        let world = self.world();
        let ours = world.posts.iter().filter(|post| post.who == ME);
        ours.map(|own| {
            let above = (own.number > 1).then(|| format!("{}/{}", own.topic, own.above.unwrap_or(1)));
            (format!("{}/{}", own.topic, own.number), above, own.raw.clone())
        })
        .collect()
    }

    /// Who may read a topic, if not all.
    pub fn people(&self, post: &str) -> Option<Vec<String>> {
        let mut world = self.world();
        let topic = world.find(post).topic;
        world.topics[usize::try_from(topic).unwrap() - 1].people.clone()
    }

    /// The events that were not pushed yet.
    pub fn unpushed(&self) -> Vec<(&'static str, Value)> {
        std::mem::take(&mut self.world().events)
    }

    /// A post as a webhook shows it.
    pub fn shown(&self, post: &str) -> Value {
        let mut world = self.world();
        let found = world.find(post).clone();
        world.show(&found, true)
    }

    /// How often a path was called.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }
}

/// The headers of a webhook's request.
pub fn signed(secret: &str, event: &str, body: &str) -> Vec<(&'static str, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    vec![
        ("x-discourse-instance", "https://forum.example".to_owned()),
        ("x-discourse-event-id", "1".to_owned()),
        ("x-discourse-event-type", "post".to_owned()),
        ("x-discourse-event", event.to_owned()),
        (
            "x-discourse-event-signature",
            format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
        ),
    ]
}

fn user_id(who: &str) -> i64 {
    if who == "system" {
        return -1;
    }
    who.bytes().fold(7, |sum, byte| sum * 31 + i64::from(byte))
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

impl World {
    fn topic(&mut self, title: &str, people: Option<Vec<String>>) -> i64 {
        self.topics.push(Topic {
            title: title.to_owned(),
            closed: false,
            people,
        });
        i64::try_from(self.topics.len()).unwrap()
    }

    fn add(&mut self, topic: i64, who: &str, text: &str, above: Option<i64>, created: Instant) -> String {
        self.next += 1;
        let number = self.posts.iter().filter(|post| post.topic == topic).count() + 1;
        let post = Post {
            id: self.next,
            topic,
            number: i64::try_from(number).unwrap(),
            who: who.to_owned(),
            raw: text.to_owned(),
            // The first post of a topic is answered by answering none.
            above: above.filter(|above| *above > 1),
            created,
            updated: created,
            version: 1,
            gone: false,
        };
        self.posts.push(post.clone());
        self.tell("post_created", &post);
        format!("{}/{}", post.topic, post.number)
    }

    fn find(&mut self, place: &str) -> &mut Post {
        let is = |post: &&mut Post| format!("{}/{}", post.topic, post.number) == place;
        self.posts.iter_mut().find(is).unwrap()
    }

    fn about(&self, post: &Post) -> &Topic {
        &self.topics[usize::try_from(post.topic).unwrap() - 1]
    }

    /// Webhooks tell of all posts, of ours and of private ones too.
    fn tell(&mut self, event: &'static str, post: &Post) {
        let shown = self.show(post, true);
        self.events.push((event, shown));
    }

    /// Whether our account may read a topic.
    fn may_read(&self, topic: &Topic) -> bool {
        let us = |people: &Vec<String>| people.iter().any(|who| who == ME || who == "group support");
        self.admin || topic.people.as_ref().is_none_or(us)
    }

    /// `PostSerializer`; in lists and webhooks with the topic's title.
    fn show(&self, post: &Post, listed: bool) -> Value {
        let topic = self.about(post);
        let mut shown = json!({
            "id": post.id, "name": post.who.to_uppercase(), "username": post.who, "avatar_template": "/a/{size}.png",
            "created_at": time(post.created), "cooked": format!("<p>{}</p>", post.raw), "raw": post.raw,
            "post_number": post.number, "post_type": 1, "updated_at": time(post.updated), "reply_count": 0,
            "reply_to_post_number": post.above, "quote_count": 0, "incoming_link_count": 0, "reads": 3, "score": 0.2,
            "topic_id": post.topic, "topic_slug": "a-title", "user_id": user_id(&post.who), "version": post.version,
            "hidden": false, "trust_level": 1, "user_deleted": false, "deleted_at": null, "admin": false,
            "actions_summary": [{"id": 2, "count": 4, "can_act": true}], "category_id": 1,
        });
        let above = self.posts.iter().find(|above| {
            post.above.is_some() && above.topic == post.topic && Some(above.number) == post.above
        });
        if let Some(above) = above {
            let who = &above.who;
            shown["reply_to_user"] = json!({"id": user_id(who), "username": who, "name": who.to_uppercase(),
                "avatar_template": "/a/{size}.png"});
        }
        if post.gone {
            shown["deleted_at"] = time(post.updated).into();
        }
        if listed {
            shown["topic_title"] = topic.title.clone().into();
            let kind = if topic.people.is_some() {
                "private_message"
            } else {
                "regular"
            };
            shown["topic_archetype"] = kind.into();
        }
        shown
    }
}

type Shared = State<Arc<Inner>>;

/// Every answer tells the server's own time.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

fn error(status: u16, kind: &str, words: &str) -> Response {
    let body = Json(json!({"errors": [words], "error_type": kind}));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn by_status(status: u16) -> Response {
    let words = StatusCode::from_u16(status)
        .unwrap()
        .canonical_reason()
        .unwrap_or("scripted");
    error(status, "scripted", words)
}

/// 429 as Discourse gives it: in the body and in a header.
fn limited(seconds: i64) -> Response {
    let body = json!({"errors": [format!("You've performed this action too many times. Wait {seconds} seconds.")],
        "error_type": "rate_limit", "extras": {"wait_seconds": seconds, "time_left": "a while"}});
    let told = [(header::RETRY_AFTER, seconds.to_string())];
    (StatusCode::TOO_MANY_REQUESTS, told, Json(body)).into_response()
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
    if path == ["srv", "status"] {
        return "ok".into_response();
    }
    let call = if method == Method::POST { "create" } else { path[0] }.to_owned();
    let now = inner.clock.now();
    {
        let mut world = inner.world.lock().unwrap();
        world.calls.push(call.clone());
        let told = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if told("api-key") != Some(KEY) || told("api-username") != Some(ME) || world.locked_out {
            let words =
                "You are not permitted to view the requested resource. The API username or key is invalid.";
            return error(403, "invalid_access", words);
        }
        if let Some(until) = world.exhausted_until.filter(|until| now < *until) {
            return limited((until - now).num_seconds());
        }
    }
    if method == Method::POST {
        assert_eq!(path, ["posts.json"]);
        let asked: Value = serde_json::from_slice(&body).unwrap();
        return inner.act(&call, &line, || create(&inner, &asked)).await;
    }
    inner.act(&call, &line, || read(&inner, &path, &asked)).await
}

fn read(inner: &Inner, path: &[&str], asked: &Asked) -> Response {
    let world = inner.world.lock().unwrap();
    let missing = || {
        error(
            404,
            "not_found",
            "The requested URL or resource could not be found.",
        )
    };
    match path {
        ["u", "help.json"] => Json(
            json!({"user": {"id": user_id(ME), "username": ME, "admin": world.admin,
            "groups": [{"id": 10, "name": "trust_level_0"}, {"id": 41, "name": "support"}]}}),
        )
        .into_response(),
        ["site", "settings.json"] => Json(
            json!({"title": "The shop", "min_post_length": LEAST, "max_post_length": MOST,
            "min_personal_message_post_length": LEAST}),
        )
        .into_response(),
        ["posts.json"] => Json(json!({"latest_posts": latest(&world, asked, false)})).into_response(),
        ["private-posts.json"] => Json(json!({"private_posts": latest(&world, asked, true)})).into_response(),
        ["search.json"] => {
            let words = asked["q"].strip_suffix(" order:latest").unwrap().to_lowercase();
            let found = world.posts.iter().rev().filter(|post| {
                !post.gone && world.about(post).people.is_none() && post.raw.to_lowercase().contains(&words)
            });
            let hits: Vec<_> = found
                .map(|post| {
                    json!({"id": post.id, "username": post.who, "created_at": time(post.created), "blurb": "…",
                        "post_number": post.number, "topic_id": post.topic, "like_count": 0})
                })
                .collect();
            Json(json!({"posts": hits, "grouped_search_result": {"term": words}})).into_response()
        }
        ["user_actions.json"] => {
            assert_eq!(
                (asked["username"].as_str(), asked["filter"].as_str()),
                (ME, "4,5")
            );
            let limit: usize = asked["limit"].parse().unwrap();
            let offset: usize = asked["offset"].parse().unwrap();
            let ours = world
                .posts
                .iter()
                .rev()
                .filter(|post| post.who == ME && world.about(post).people.is_none());
            let actions: Vec<_> = ours
                .skip(offset)
                .take(limit.min(60))
                .map(|post| {
                    json!({"action_type": 5, "created_at": time(post.created), "topic_id": post.topic, "slug": "a-title",
                        "post_number": post.number, "post_id": post.id, "reply_to_post_number": post.above,
                        "username": ME, "user_id": user_id(ME), "excerpt": "…", "deleted": false})
                })
                .collect();
            Json(json!({"user_actions": actions})).into_response()
        }
        ["posts", "by_number", topic, number] => {
            let place = format!("{topic}/{}", number.trim_end_matches(".json"));
            let there = world
                .posts
                .iter()
                .find(|post| format!("{}/{}", post.topic, post.number) == place && !post.gone);
            match there {
                Some(post) if world.may_read(world.about(post)) => {
                    Json(world.show(post, false)).into_response()
                }
                Some(_) | None => missing(),
            }
        }
        ["t", topic] => {
            let number: usize = topic.trim_end_matches(".json").parse().unwrap();
            let Some(topic) = world.topics.get(number - 1).filter(|topic| world.may_read(topic)) else {
                return missing();
            };
            let people = topic.people.clone().unwrap_or_default();
            let (groups, people): (Vec<_>, Vec<_>) = people.iter().partition(|who| who.starts_with("group "));
            let groups: Vec<_> = groups
                .iter()
                .map(|group| json!({"id": 41, "name": &group["group ".len()..]}))
                .collect();
            let people: Vec<_> = people
                .iter()
                .map(|who| json!({"id": user_id(who), "username": who}))
                .collect();
            let kind = if topic.people.is_some() {
                "private_message"
            } else {
                "regular"
            };
            Json(
                json!({"id": number, "title": topic.title, "closed": topic.closed, "archived": false,
                "archetype": kind, "details": {"allowed_users": people, "allowed_groups": groups},
                "post_stream": {"posts": []}}),
            )
            .into_response()
        }
        _ => missing(),
    }
}

/// A page of a list, the newest first.
fn latest(world: &World, asked: &Asked, private: bool) -> Vec<Value> {
    let told = asked.get("before").map(|id| id.parse::<i64>().unwrap());
    let before = told.unwrap_or(world.next);
    let spans = |id: i64| match world.pages {
        Pages::Below => told.is_none_or(|before| id < before),
        Pages::From => id <= before,
        Pages::Among => id <= before && id > before - 50,
    };
    let posts = world.posts.iter().filter(|post| {
        let topic = world.about(post);
        topic.people.is_some() == private && world.may_read(topic) && !post.gone && spans(post.id)
    });
    let mut shown: Vec<_> = posts.map(|post| world.show(post, true)).collect();
    if !private {
        let odd = world.odd.iter().filter(|odd| spans(odd["id"].as_i64().unwrap()));
        shown.extend(odd.cloned());
    }
    shown.sort_by_key(|post| std::cmp::Reverse(post["id"].as_i64()));
    shown.truncate(50);
    shown
}

fn create(inner: &Inner, asked: &Value) -> Response {
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    let raw = asked["raw"].as_str().unwrap();
    let length = raw.trim().chars().count();
    let invalid = |words: &str| {
        let body = Json(json!({"action": "create_post", "errors": [words]}));
        (StatusCode::UNPROCESSABLE_ENTITY, body).into_response()
    };
    if length < LEAST {
        return invalid("Body is too short");
    }
    if length > MOST {
        return invalid("Body is limited to 3000 characters");
    }
    let similar = world
        .posts
        .iter()
        .any(|post| post.who == ME && post.raw == raw && now - post.created < chrono::TimeDelta::minutes(5));
    if similar {
        return invalid("Body is too similar to what you recently posted");
    }
    if world.moderates {
        return Json(json!({"action": "enqueued", "success": true, "pending_count": 1})).into_response();
    }
    let place = if asked["archetype"] == "private_message" {
        let who = asked["target_recipients"].as_str().unwrap().to_owned();
        let topic = world.topic(asked["title"].as_str().unwrap(), Some(vec![ME.to_owned(), who]));
        world.add(topic, ME, raw, None, now)
    } else {
        let topic = asked["topic_id"].as_i64().unwrap();
        let above = asked["reply_to_post_number"].as_i64();
        match world.misplaces {
            None if world.topics[usize::try_from(topic).unwrap() - 1].closed => {
                return error(
                    403,
                    "invalid_access",
                    "You are not permitted to view the requested resource.",
                );
            }
            None => world.add(topic, ME, raw, above, now),
            Some(Misplaces::Orphan) => {
                let topic = world.topic("Another", None);
                world.add(topic, ME, raw, None, now)
            }
            Some(Misplaces::Elsewhere) => world.add(topic, ME, raw, Some(99), now),
        }
    };
    let made = world.find(&place).clone();
    Json(world.show(&made, false)).into_response()
}
