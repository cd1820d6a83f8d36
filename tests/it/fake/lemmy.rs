//! A Lemmy server: one brand account, posts and comments with paths, an inbox of mentions and replies, private
//! messages, searches, and tokens that a password makes. Written from <https://join-lemmy.org/api/v3> and the source
//! (<https://github.com/LemmyNet/lemmy>). Scripted faults go by the method: `mention`, `search`, `comment`
//! (publishing), `private_message` (publishing).

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::SecondsFormat;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// The brand account.
pub const ME: &str = "shop";
pub const PASSWORD: &str = "password-SECRET";

type Asked = HashMap<String, String>;

/// How the platform misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// Under the post, and not under the comment.
    Elsewhere,
}

#[derive(Clone)]
struct Entry {
    id: i64,
    who: String,
    text: String,
    /// The post; none for a post itself.
    post: Option<i64>,
    /// The ids of all above.
    path: String,
    published: Instant,
    /// When it came to this server.
    arrived: Instant,
    updated: Option<Instant>,
    gone: bool,
    locked: bool,
    mentions: bool,
    replies: bool,
}

#[derive(Clone)]
struct Note {
    id: i64,
    from: String,
    to: String,
    text: String,
    published: Instant,
}

#[derive(Default)]
struct World {
    entries: Vec<Entry>,
    notes: Vec<Note>,
    odd: Vec<Value>,
    calls: Vec<String>,
    token: Option<String>,
    made: i64,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
    forgets: bool,
    next_version: bool,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeLemmy {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeLemmy {
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

    /// Somebody names us in a comment under a post. Gives its id, as our connector names it.
    pub fn mention(&self, who: &str, text: &str, published: Instant) -> String {
        let mut world = self.world();
        let post = world.add("somebody", "A title", None, published);
        let comment = world.add(who, text, Some(&post), published);
        world.find(&comment).mentions = true;
        comment
    }

    /// Somebody answers; in our inbox if it is us, or if they name us.
    pub fn answer(&self, who: &str, above: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let to_us = world.find(above).who == ME;
        let comment = world.add(who, text, Some(above), now);
        let entry = world.find(&comment);
        entry.replies = to_us && who != ME;
        entry.mentions = text.contains(&format!("@{ME}")) && who != ME;
        comment
    }

    /// As [`Self::answer`], on another server, and it came here only now.
    pub fn answer_from_afar(&self, who: &str, above: &str, text: &str, published: Instant) -> String {
        let comment = self.answer(who, above, text);
        self.world().find(&comment).published = published;
        comment
    }

    /// A comment comes to our mentions, later than to where it is found.
    pub fn notify(&self, id: &str) {
        self.world().find(id).mentions = true;
    }

    /// The next comment is made, and cannot be read back for the answer.
    pub fn forget_the_next(&self) {
        self.world().forgets = true;
    }

    /// Version 1, which has only a part of this API.
    pub fn become_the_next_version(&self) {
        self.world().next_version = true;
    }

    /// Somebody writes a post.
    pub fn post(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        self.world().add(who, text, None, now)
    }

    /// Somebody writes to us in private.
    pub fn message(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        format!("m{}", self.world().note(who, ME, text, now))
    }

    pub fn edit(&self, id: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let entry = world.find(id);
        text.clone_into(&mut entry.text);
        entry.updated = Some(now);
    }

    pub fn delete(&self, id: &str) {
        self.world().find(id).gone = true;
    }

    /// Moderators lock the post of a comment.
    pub fn lock(&self, id: &str) {
        let mut world = self.world();
        let post = format!("p{}", world.find(id).post.unwrap());
        world.find(&post).locked = true;
    }

    /// Puts something among the mentions that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
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

    /// What the brand account commented, the oldest first: id, what it answers, text, address.
    pub fn published(&self) -> Vec<(String, Option<String>, String, String)> {
        let world = self.world();
        let ours = world
            .entries
            .iter()
            .filter(|entry| entry.who == ME && entry.post.is_some());
        ours.map(|own| {
            let above: i64 = own.path.rsplit('.').nth(1).unwrap().parse().unwrap();
            let above = if above == 0 {
                format!("p{}", own.post.unwrap())
            } else {
                format!("c{above}")
            };
            (
                format!("c{}", own.id),
                Some(above),
                own.text.clone(),
                page("comment", own.id),
            )
        })
        .collect()
    }

    /// What the brand account sent in private: to whom, and the text.
    pub fn sent(&self) -> Vec<(String, String)> {
        let world = self.world();
        let ours = world.notes.iter().filter(|note| note.from == ME);
        ours.map(|note| (note.to.clone(), note.text.clone())).collect()
    }

    /// How often a method was called; those that publish are marked so.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }
}

fn page(kind: &str, id: i64) -> String {
    format!("https://lemmy.example/{kind}/{id}")
}

fn person_id(who: &str) -> i64 {
    who.bytes().fold(7, |sum, byte| sum * 31 + i64::from(byte))
}

fn person(who: &str) -> Value {
    json!({"id": person_id(who), "name": who, "banned": false, "published": "2026-01-01T00:00:00Z", "local": true,
        "actor_id": format!("https://lemmy.example/u/{who}"), "deleted": false, "bot_account": false, "instance_id": 1})
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl World {
    fn add(&mut self, who: &str, text: &str, above: Option<&str>, published: Instant) -> String {
        self.made += 1;
        let id = self.made;
        let (post, path) = match above {
            None => (None, String::new()),
            Some(above) => {
                let above = self.find(above).clone();
                let base = if above.post.is_none() {
                    "0".to_owned()
                } else {
                    above.path.clone()
                };
                (Some(above.post.unwrap_or(above.id)), format!("{base}.{id}"))
            }
        };
        let kind = if post.is_some() { "c" } else { "p" };
        self.entries.push(Entry {
            id,
            who: who.to_owned(),
            text: text.to_owned(),
            post,
            path,
            published,
            arrived: published,
            updated: None,
            gone: false,
            locked: false,
            mentions: false,
            replies: false,
        });
        format!("{kind}{id}")
    }

    fn note(&mut self, from: &str, to: &str, text: &str, published: Instant) -> i64 {
        self.made += 1;
        self.notes.push(Note {
            id: self.made,
            from: from.to_owned(),
            to: to.to_owned(),
            text: text.to_owned(),
            published,
        });
        self.made
    }

    fn find(&mut self, id: &str) -> &mut Entry {
        let number: i64 = id[1..].parse().unwrap();
        self.entries.iter_mut().find(|entry| entry.id == number).unwrap()
    }

    fn entry(&self, id: i64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    fn show_post(&self, post: &Entry) -> Value {
        json!({"id": post.id, "name": post.text, "creator_id": person_id(&post.who), "community_id": 1, "removed": false,
            "locked": post.locked, "published": time(post.published), "updated": post.updated.map(time),
            "deleted": post.gone, "nsfw": false, "ap_id": page("post", post.id), "local": true, "language_id": 37})
    }

    /// `CommentView`, or `PostView`.
    fn view(&self, entry: &Entry) -> Value {
        let Some(post) = entry.post else {
            return json!({"post": self.show_post(entry), "creator": person(&entry.who),
                "counts": {"comments": 1, "score": 5, "upvotes": 5, "downvotes": 0}});
        };
        let post = self.entry(post).unwrap();
        json!({
            "comment": {"id": entry.id, "creator_id": person_id(&entry.who), "post_id": post.id, "content": entry.text,
                "removed": false, "published": time(entry.published), "updated": entry.updated.map(time),
                "deleted": entry.gone, "ap_id": page("comment", entry.id), "local": true, "path": entry.path,
                "distinguished": false, "language_id": 37},
            "creator": person(&entry.who), "post": self.show_post(post), "community": {"id": 1, "name": "parcels"},
            "counts": {"comment_id": entry.id, "score": 5, "upvotes": 5, "downvotes": 0, "child_count": 0},
        })
    }

    fn show_note(&self, note: &Note) -> Value {
        json!({"private_message": {"id": note.id, "creator_id": person_id(&note.from), "recipient_id": person_id(&note.to),
            "content": note.text, "deleted": false, "read": false, "published": time(note.published),
            "ap_id": page("private_message", note.id), "local": true},
            "creator": person(&note.from), "recipient": person(&note.to)})
    }
}

type Shared = State<Arc<Inner>>;

/// Every answer tells the server's own time.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

fn error(status: u16, name: &str) -> Response {
    (
        StatusCode::from_u16(status).unwrap(),
        Json(json!({"error": name})),
    )
        .into_response()
}

/// 429 as a proxy before it gives it: Lemmy itself does not say for how long.
fn limited(after: String) -> Response {
    let told = [(header::RETRY_AFTER, after)];
    (
        StatusCode::TOO_MANY_REQUESTS,
        told,
        Json(json!({"error": "rate_limit_error"})),
    )
        .into_response()
}

impl Inner {
    /// Does what was asked, or what the script says instead.
    async fn act(&self, call: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        match self.faults.take(call) {
            None => act(),
            Some(Fault::Status(status)) => error(status, "scripted"),
            Some(Fault::StatusButDone(status)) => {
                act();
                error(status, "scripted")
            }
            Some(Fault::RateLimited(after)) => limited(after),
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
    let path = uri.path().strip_prefix("/api/v3/").unwrap();
    let last = path.rsplit('/').next().unwrap();
    let publishes = method == Method::POST && path != "user/login";
    let call = if publishes {
        format!("POST {last}")
    } else {
        last.to_owned()
    };
    inner.world.lock().unwrap().calls.push(call.clone());
    let now = inner.clock.now();
    if path == "user/login" {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        let mut world = inner.world.lock().unwrap();
        if asked["username_or_email"] != ME || asked["password"] != PASSWORD || world.locked_out {
            return error(401, "incorrect_login");
        }
        world.made += 1;
        let token = format!("jwt-{}", world.made);
        world.token = Some(token.clone());
        return Json(json!({"jwt": token, "registration_created": false, "verify_email_sent": false}))
            .into_response();
    }
    {
        let world = inner.world.lock().unwrap();
        if let Some(until) = world.exhausted_until.filter(|until| now < *until) {
            return limited((until - now).num_seconds().to_string());
        }
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let bearer = bearer.and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_none() || bearer != world.token.as_deref() {
            return error(401, "not_logged_in");
        }
    }
    if publishes {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        return inner.act(&call, &line, || publish(&inner, last, &asked)).await;
    }
    inner.act(&call, &line, || read(&inner, path, &asked)).await
}

fn read(inner: &Inner, path: &str, asked: &Asked) -> Response {
    let world = inner.world.lock().unwrap();
    let newest = |keep: &dyn Fn(&&Entry) -> bool| {
        let mut entries: Vec<_> = world.entries.iter().filter(keep).collect();
        entries.reverse();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.published));
        entries
            .into_iter()
            .map(|entry| world.view(entry))
            .collect::<Vec<_>>()
    };
    let paged = |all: Vec<Value>| {
        let limit: usize = asked.get("limit").map_or(10, |limit| limit.parse().unwrap());
        let page: usize = asked.get("page").map_or(1, |page| page.parse().unwrap());
        assert!(limit <= 50 && page > 0);
        all.into_iter()
            .skip((page - 1) * limit)
            .take(limit)
            .collect::<Vec<_>>()
    };
    let id = || asked["id"].parse::<i64>().unwrap();
    match path {
        "site" => Json(json!({
            "site_view": {}, "version": if world.next_version { "1.0.0-beta.1" } else { "0.19.12" }, "my_user": {"local_user_view": {"person": person(ME)}},
            "all_languages": [{"id": 0, "code": "und", "name": "Undetermined"}, {"id": 37, "code": "en", "name": "English"}],
        }))
        .into_response(),
        "user/mention" | "user/replies" | "private_message/list" | "user" if world.next_version => {
            StatusCode::NOT_FOUND.into_response()
        }
        "user/mention" => {
            let mut all = world.odd.clone();
            all.extend(newest(&|entry| entry.mentions && !entry.gone));
            Json(json!({"mentions": paged(all)})).into_response()
        }
        "user/replies" => {
            let mut replies: Vec<_> = world.entries.iter().filter(|entry| entry.replies && !entry.gone).collect();
            replies.reverse();
            replies.sort_by_key(|entry| std::cmp::Reverse(entry.arrived));
            let views = replies.into_iter().map(|entry| {
                let mut view = world.view(entry);
                view["comment_reply"] = json!({"id": entry.id, "recipient_id": person_id(ME), "comment_id": entry.id,
                    "read": false, "published": time(entry.arrived)});
                view
            });
            Json(json!({"replies": paged(views.collect())})).into_response()
        }
        "private_message/list" => {
            let notes = world.notes.iter().rev().map(|note| world.show_note(note));
            Json(json!({"private_messages": paged(notes.collect())})).into_response()
        }
        "search" => {
            let words = asked["q"].to_lowercase();
            let has = |entry: &&Entry| !entry.gone && entry.text.to_lowercase().contains(&words);
            let comments = paged(newest(&|entry| entry.post.is_some() && has(entry)));
            let posts = paged(newest(&|entry| entry.post.is_none() && has(entry)));
            Json(json!({"type_": "All", "comments": comments, "posts": posts, "communities": [], "users": []})).into_response()
        }
        "user" => {
            assert_eq!(asked["person_id"], person_id(ME).to_string());
            let comments = paged(newest(&|entry| entry.who == ME && entry.post.is_some()));
            Json(json!({"person_view": {"person": person(ME)}, "comments": comments, "posts": []})).into_response()
        }
        "comment" => match world.entry(id()).filter(|entry| entry.post.is_some()) {
            Some(entry) => Json(json!({"comment_view": world.view(entry), "recipient_ids": []})).into_response(),
            None => error(404, "couldnt_find_comment"),
        },
        "post" => match world.entry(id()).filter(|entry| entry.post.is_none()) {
            Some(entry) => Json(json!({"post_view": world.view(entry)})).into_response(),
            None => error(404, "couldnt_find_post"),
        },
        _ => error(404, "not_found"),
    }
}

fn publish(inner: &Inner, method: &str, asked: &Value) -> Response {
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    let text = asked["content"].as_str().unwrap();
    if text.chars().count() > 10_000 {
        return error(400, "invalid_body_field");
    }
    if method == "private_message" {
        let recipient = asked["recipient_id"].as_i64().unwrap();
        let to = world
            .entries
            .iter()
            .map(|entry| &entry.who)
            .find(|who| person_id(who) == recipient);
        let Some(to) = to.cloned().or_else(|| {
            let from = world
                .notes
                .iter()
                .map(|note| &note.from)
                .find(|who| person_id(who) == recipient);
            from.cloned()
        }) else {
            return error(404, "couldnt_find_person");
        };
        world.note(ME, &to, text, now);
        let note = world.notes.last().unwrap();
        return Json(json!({"private_message_view": world.show_note(note)})).into_response();
    }
    let post = asked["post_id"].as_i64().unwrap();
    if world.entry(post).unwrap().locked {
        return error(400, "locked");
    }
    let above = asked["parent_id"].as_i64().map(|above| format!("c{above}"));
    let above = match world.misplaces {
        None => above.unwrap_or_else(|| format!("p{post}")),
        Some(Misplaces::Elsewhere) => format!("p{post}"),
    };
    let id = world.add(ME, text, Some(&above), now);
    if std::mem::take(&mut world.forgets) {
        return error(400, "couldnt_find_comment");
    }
    let entry = world.find(&id).clone();
    Json(json!({"comment_view": world.view(&entry), "recipient_ids": []})).into_response()
}
