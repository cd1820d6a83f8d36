//! Telegram's Bot API: one bot in one group, private chats, updates that are asked for or pushed and kept for a
//! day, and messages that answer others or are refused. Written from <https://core.telegram.org/bots/api>.
//! Scripted faults go by the method: `getUpdates`, `getWebhookInfo`, `sendMessage`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::TimeDelta;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// The bot.
pub const ID: i64 = 123_456;
pub const TOKEN: &str = "123456:token-SECRET";
pub const USERNAME: &str = "shop_bot";
/// The secret of its webhook.
pub const HOOK: &str = "0123456789abcdef-SECRET";
/// The group that it is in.
pub const GROUP: i64 = -1_001_234_567_890;
pub const GROUP_NAME: &str = "the_shop";

/// How the platform misplaces what is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misplaces {
    /// Under nothing.
    Orphan,
    /// Under another message.
    Elsewhere,
}

#[derive(Clone)]
struct Update {
    at: Instant,
    body: Value,
    pushed: bool,
}

#[derive(Default)]
struct World {
    messages: Vec<Value>,
    gone: HashSet<(i64, i64)>,
    updates: Vec<Update>,
    calls: Vec<String>,
    /// People who have started the bot.
    started: HashSet<i64>,
    hooked: bool,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: Option<Misplaces>,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeTelegram {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeTelegram {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            world: Mutex::default(),
            faults: Faults::default(),
            clock,
        });
        let router = Router::new()
            .route("/{bot}/{method}", post(answer))
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

    /// A webhook is set.
    pub fn hook(&self) {
        self.world().hooked = true;
    }

    /// Somebody writes in the group, perhaps in answer to a message. Gives the id.
    pub fn write(&self, who: &str, text: &str, answers: Option<&str>) -> String {
        self.write_at(who, text, answers, self.inner.clock.now())
    }

    /// As [`Self::write`], and we are told of it only now.
    pub fn write_at(&self, who: &str, text: &str, answers: Option<&str>, date: Instant) -> String {
        let mut message =
            json!({"from": person(who), "chat": group(), "date": date.timestamp(), "text": text});
        let now = self.inner.clock.now();
        let mut world = self.world();
        if let Some(answers) = answers {
            message["reply_to_message"] = world.above(answers);
        }
        world.tell("message", message, now)
    }

    /// Somebody writes to the bot alone.
    pub fn whisper(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        let person = person(who);
        let id = person["id"].as_i64().unwrap();
        let chat = json!({"id": id, "type": "private", "username": who, "first_name": who});
        let mut world = self.world();
        world.started.insert(id);
        let message = json!({"from": person, "chat": chat, "date": now.timestamp(), "text": text});
        world.tell("message", message, now)
    }

    pub fn edit(&self, id: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let mut message = world.find(id).clone();
        message["text"] = text.into();
        message["edit_date"] = now.timestamp().into();
        *world.find(id) = message.clone();
        world.push("edited_message", message, now);
    }

    /// A message is gone: nobody is told.
    pub fn delete(&self, id: &str) {
        let mut world = self.world();
        let key = key(world.find(id));
        world.gone.insert(key);
    }

    /// The bot says something, by another program than ours: nobody is told.
    pub fn we_write(&self, answers: Option<&str>, text: &str) -> String {
        let now = self.inner.clock.now();
        let mut message =
            json!({"from": bot(), "chat": group(), "date": now.timestamp(), "text": text, "by_hand": true});
        let mut world = self.world();
        if let Some(answers) = answers {
            message["reply_to_message"] = world.above(answers);
        }
        world.add(message)
    }

    /// Tells something that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        let now = self.inner.clock.now();
        self.world().push("message", odd, now);
    }

    /// The token is revoked.
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

    /// What the bot sent by our program, the oldest first.
    pub fn published(&self) -> Vec<Value> {
        let world = self.world();
        let ours = world.messages.iter();
        let ours = ours.filter(|message| message["from"]["id"] == ID && message.get("by_hand").is_none());
        ours.cloned().collect()
    }

    /// The updates that were not pushed yet.
    pub fn unpushed(&self) -> Vec<Value> {
        let mut world = self.world();
        let waiting = world.updates.iter_mut().filter(|update| !update.pushed);
        waiting
            .map(|update| {
                update.pushed = true;
                update.body.clone()
            })
            .collect()
    }

    /// The update that told of a message first.
    pub fn update_of(&self, id: &str) -> Value {
        let world = self.world();
        let told = |update: &&Update| name(&update.body["message"]) == id;
        world.updates.iter().find(told).unwrap().body.clone()
    }

    /// How often a method was called.
    pub fn calls(&self, method: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == method).count()
    }
}

fn person(who: &str) -> Value {
    let id: i64 = who.bytes().fold(1000, |sum, byte| sum * 7 + i64::from(byte));
    json!({"id": id, "is_bot": false, "first_name": who, "username": who, "language_code": "en"})
}

/// The id of somebody.
pub fn id_of(who: &str) -> i64 {
    person(who)["id"].as_i64().unwrap()
}

fn bot() -> Value {
    json!({"id": ID, "is_bot": true, "first_name": "The shop", "username": USERNAME})
}

fn group() -> Value {
    json!({"id": GROUP, "type": "supergroup", "title": "The shop", "username": GROUP_NAME})
}

fn key(message: &Value) -> (i64, i64) {
    (
        message["chat"]["id"].as_i64().unwrap_or_default(),
        message["message_id"].as_i64().unwrap_or_default(),
    )
}

/// A message as our connector names it.
pub fn name(message: &Value) -> String {
    let (chat, id) = key(message);
    format!("{chat}:{id}")
}

impl World {
    fn add(&mut self, mut message: Value) -> String {
        message["message_id"] = (self.messages.len() + 1).into();
        let id = name(&message);
        self.messages.push(message);
        id
    }

    fn tell(&mut self, kind: &str, message: Value, at: Instant) -> String {
        let id = self.add(message);
        let message = self.find(&id).clone();
        self.push(kind, message, at);
        id
    }

    fn push(&mut self, kind: &str, message: Value, at: Instant) {
        let body = json!({"update_id": 91_000_000 + self.updates.len(), kind: message});
        self.updates.push(Update {
            at,
            body,
            pushed: false,
        });
    }

    fn find(&mut self, id: &str) -> &mut Value {
        self.messages
            .iter_mut()
            .find(|message| name(message) == id)
            .unwrap()
    }

    /// A message as one that answers it shows it: without what it answers itself.
    fn above(&mut self, id: &str) -> Value {
        let mut message = self.find(id).clone();
        message.as_object_mut().unwrap().remove("reply_to_message");
        message
    }
}

type Shared = State<Arc<Inner>>;

/// Every answer tells the server's own time.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    answer.headers_mut().insert(header::DATE, date.parse().unwrap());
    answer
}

fn done(result: Value) -> Response {
    Json(json!({"ok": true, "result": result})).into_response()
}

fn error(status: u16, description: &str) -> Response {
    let body = json!({"ok": false, "error_code": status, "description": description});
    (StatusCode::from_u16(status).unwrap(), Json(body)).into_response()
}

fn by_status(status: u16) -> Response {
    let words = StatusCode::from_u16(status)
        .unwrap()
        .canonical_reason()
        .unwrap_or("scripted");
    error(status, words)
}

/// 429 as Telegram gives it: how long to wait stands in the body.
fn limited(seconds: i64) -> Response {
    let body = json!({"ok": false, "error_code": 429, "description": format!("Too Many Requests: retry after {seconds}"),
        "parameters": {"retry_after": seconds}});
    (StatusCode::TOO_MANY_REQUESTS, Json(body)).into_response()
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
    Path((bot, method)): Path<(String, String)>,
    body: Bytes,
) -> Response {
    let now = inner.clock.now();
    {
        let mut world = inner.world.lock().unwrap();
        world.calls.push(method.clone());
        if bot != format!("bot{TOKEN}") || world.locked_out {
            return error(401, "Unauthorized");
        }
        if let Some(until) = world.exhausted_until.filter(|until| now < *until) {
            return limited((until - now).num_seconds());
        }
    }
    let asked: Value = serde_json::from_slice(&body).unwrap();
    inner.act(&method, &line, || act(&inner, &method, &asked)).await
}

fn act(inner: &Inner, method: &str, asked: &Value) -> Response {
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    match method {
        "getMe" => {
            let mut me = bot();
            me["can_read_all_group_messages"] = true.into();
            done(me)
        }
        "getWebhookInfo" => {
            let url = if world.hooked {
                "https://care.example/webhooks/tg"
            } else {
                ""
            };
            done(json!({"url": url, "has_custom_certificate": false, "pending_update_count": 0}))
        }
        "getUpdates" => {
            if world.hooked {
                let why = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete \
                           the webhook first";
                return error(409, why);
            }
            updates(&mut world, asked, now)
        }
        "sendMessage" => send(&mut world, asked, now),
        _ => error(404, "Not Found"),
    }
}

/// What was not confirmed yet, of the last day.
fn updates(world: &mut World, asked: &Value, now: Instant) -> Response {
    let kinds: Vec<_> = asked["allowed_updates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| kind.as_str().unwrap())
        .collect();
    assert!(kinds.contains(&"edited_message"));
    let limit = usize::try_from(asked["limit"].as_u64().unwrap()).unwrap();
    assert!((1..=100).contains(&limit));
    let offset = asked["offset"].as_i64().unwrap_or_default();
    for update in &mut world.updates {
        update.pushed |= update.body["update_id"].as_i64().unwrap() < offset;
    }
    let kept = world
        .updates
        .iter()
        .filter(|update| !update.pushed && now - update.at < TimeDelta::hours(24));
    done(kept.take(limit).map(|update| update.body.clone()).collect())
}

fn send(world: &mut World, asked: &Value, now: Instant) -> Response {
    let text = asked["text"].as_str().unwrap();
    if text.trim().is_empty() {
        return error(400, "Bad Request: message text is empty");
    }
    if text.encode_utf16().count() > 4096 {
        return error(400, "Bad Request: message is too long");
    }
    let chat = asked["chat_id"].as_i64().unwrap();
    if chat > 0 && !world.started.contains(&chat) {
        return error(403, "Forbidden: bot can't initiate conversation with a user");
    }
    let above = &asked["reply_parameters"];
    let from = above["chat_id"].as_i64().unwrap_or(chat);
    let answers = (from, above["message_id"].as_i64().unwrap());
    let there = world
        .messages
        .iter()
        .find(|message| key(message) == answers)
        .cloned();
    let Some(mut there) = there.filter(|_| !world.gone.contains(&answers)) else {
        assert_eq!(above["allow_sending_without_reply"], false);
        return error(400, "Bad Request: message to be replied not found");
    };
    there.as_object_mut().unwrap().remove("reply_to_message");
    let place = if chat > 0 {
        json!({"id": chat, "type": "private"})
    } else {
        group()
    };
    let mut message = json!({"from": bot(), "chat": place, "date": now.timestamp(), "text": text});
    match world.misplaces {
        None if from == chat => message["reply_to_message"] = there,
        None => {
            message["external_reply"] =
                json!({"origin": {"type": "user"}, "chat": there["chat"], "message_id": answers.1})
        }
        Some(Misplaces::Orphan) => {}
        Some(Misplaces::Elsewhere) => {
            there["message_id"] = 9999.into();
            message["reply_to_message"] = there;
        }
    }
    let id = world.add(message);
    done(world.find(&id).clone())
}
