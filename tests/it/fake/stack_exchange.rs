//! A site of Stack Exchange: questions with tags, their answers, comments below both, an inbox, filters, a quota, and
//! one application with one token. Written from <https://api.stackexchange.com/docs>: every answer is wrapped and
//! compressed, every failure is 400 with a number of its own. Scripted faults go by what is done: `tagged`, `search`,
//! `inbox`, `answers`, `comments`, `known`, `publish`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hearback::domain::{Clock, Instant};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use url::Url;

/// The brand account.
pub const ME: &str = "Acme Help";
pub const KEY: &str = "key-SECRET";
pub const TOKEN: &str = "token-SECRET";
/// The site, and the tag of our questions.
pub const SITE: &str = "stackoverflow";
pub const TAG: &str = "acme";
/// Somebody whose account is gone.
const GONE: &str = "gone";
const HOME: &str = "https://stackoverflow.com";

type Asked = HashMap<String, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Question,
    Answer,
    Comment,
}

#[derive(Clone)]
struct Entry {
    id: i64,
    kind: Kind,
    /// The question, and what a comment is below.
    question: i64,
    post: i64,
    who: String,
    text: String,
    title: String,
    tag: &'static str,
    created: Instant,
    active: Instant,
    edited: Option<Instant>,
    closed: bool,
    locked: bool,
    gone: bool,
}

/// Something that the inbox tells of.
struct Told {
    kind: &'static str,
    at: Instant,
    entry: Option<i64>,
    site: &'static str,
}

#[derive(Default)]
struct World {
    entries: Vec<Entry>,
    inbox: Vec<Told>,
    odd: Vec<Value>,
    calls: Vec<String>,
    filters: Vec<Asked>,
    made: i64,
    left: i64,
    backoff: HashMap<String, u64>,
    rests: HashMap<String, Instant>,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    misplaces: bool,
    commented: Option<Instant>,
    reputation: i64,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeStackExchange {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeStackExchange {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let world = World {
            left: 10_000,
            reputation: 101,
            ..World::default()
        };
        let inner = Arc::new(Inner {
            world: Mutex::new(world),
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

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap()
    }

    /// Somebody asks a question with our tag. Gives the id, as our connector names it.
    pub fn ask(&self, who: &str, text: &str) -> String {
        self.ask_with(who, text, TAG, Duration::ZERO)
    }

    /// Somebody asks a question with another tag.
    pub fn ask_elsewhere(&self, who: &str, text: &str) -> String {
        self.ask_with(who, text, "parcels", Duration::ZERO)
    }

    /// A question of so long ago gets our tag now.
    pub fn retag(&self, who: &str, text: &str, by: Duration) -> String {
        self.ask_with(who, text, TAG, by)
    }

    fn ask_with(&self, who: &str, text: &str, tag: &'static str, by: Duration) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let id = world.add(Kind::Question, (0, 0), who, text, now);
        let entry = world.find(&id);
        entry.tag = tag;
        entry.created = now - chrono::TimeDelta::from_std(by).unwrap();
        id
    }

    /// Somebody answers a question. Who asked it is told.
    pub fn answer(&self, who: &str, question: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        self.world().answer(who, question, text, now)
    }

    /// Somebody comments on a question or an answer, or on what the comment is below. Who wrote it is told, and who
    /// is named.
    pub fn comment(&self, who: &str, on: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        self.world().comment(who, on, text, now)
    }

    pub fn edit(&self, id: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let entry = world.find(id);
        text.clone_into(&mut entry.text);
        entry.edited = Some(now);
        if entry.kind != Kind::Comment {
            entry.active = now;
        }
    }

    pub fn delete(&self, id: &str) {
        self.world().find(id).gone = true;
    }

    pub fn title(&self, id: &str, title: &str) {
        title.clone_into(&mut self.world().find(id).title);
    }

    /// Somebody's account goes; what they wrote stays.
    pub fn leave_the_site(&self, who: &str) {
        let mut world = self.world();
        let all = world.entries.iter_mut().filter(|entry| entry.who == who);
        all.for_each(|entry| entry.who = GONE.to_owned());
    }

    pub fn close(&self, id: &str) {
        self.world().find(id).closed = true;
    }

    pub fn lock(&self, id: &str) {
        self.world().find(id).locked = true;
    }

    /// The inbox tells of something else.
    pub fn tell(&self, kind: &'static str, site: &'static str) {
        let at = self.inner.clock.now();
        let entry = None;
        self.world().inbox.push(Told {
            kind,
            at,
            entry,
            site,
        });
    }

    /// Puts something among our questions that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
    }

    /// The next answers of this method say that it must rest so many seconds.
    pub fn back_off(&self, method: &str, seconds: u64) {
        self.world().backoff.insert(method.to_owned(), seconds);
    }

    /// So many calls are left today.
    pub fn leave(&self, left: i64) {
        self.world().left = left;
    }

    pub fn lock_out(&self) {
        self.world().locked_out = true;
    }

    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// What is published from now on stands elsewhere.
    pub fn misplace(&self) {
        self.world().misplaces = true;
    }

    /// What the brand account wrote below others, the oldest first: id, what it stands below, text, address.
    pub fn published(&self) -> Vec<(String, String, String, String)> {
        let world = self.world();
        let ours = world
            .entries
            .iter()
            .filter(|entry| entry.who == ME && entry.kind != Kind::Question);
        ours.map(|own| (name(own), world.name_of(own.post), own.text.clone(), link(own)))
            .collect()
    }

    /// What a comment is below; anything else is itself.
    pub fn under(&self, id: &str) -> String {
        let mut world = self.world();
        let entry = world.find(id).clone();
        match entry.kind {
            Kind::Comment => world.name_of(entry.post),
            Kind::Question | Kind::Answer => name(&entry),
        }
    }

    pub fn link(&self, id: &str) -> String {
        link(self.world().find(id))
    }

    /// How often something was done.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }
}

fn name(entry: &Entry) -> String {
    let kind = match entry.kind {
        Kind::Question => 'q',
        Kind::Answer => 'a',
        Kind::Comment => 'c',
    };
    format!("{kind}{}", entry.id)
}

fn link(entry: &Entry) -> String {
    let Entry {
        id, question, post, ..
    } = entry;
    match entry.kind {
        Kind::Question => format!("{HOME}/questions/{id}/a-title"),
        Kind::Answer => format!("{HOME}/questions/{question}/a-title/{id}#{id}"),
        Kind::Comment => format!("{HOME}/questions/{question}/a-title#comment{id}_{post}"),
    }
}

fn number(who: &str) -> i64 {
    who.bytes()
        .fold(7_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000_000_007)
}

/// How somebody is named in a comment.
fn handle(who: &str) -> String {
    who.split_whitespace().collect()
}

fn user(who: &str) -> Value {
    if who == GONE {
        return json!({"user_type": "does_not_exist", "display_name": "user123"});
    }
    let id = number(who);
    json!({"account_id": id, "user_id": id, "user_type": "registered", "reputation": 101, "display_name": who,
        "link": format!("{HOME}/users/{id}/a-name"), "profile_image": "https://www.gravatar.com/avatar/a?s=256"})
}

impl World {
    fn add(
        &mut self,
        kind: Kind,
        (question, post): (i64, i64),
        who: &str,
        text: &str,
        now: Instant,
    ) -> String {
        self.made += 1;
        let id = self.made;
        let of = |other: i64| if kind == Kind::Question { id } else { other };
        let entry = Entry {
            id,
            kind,
            question: of(question),
            post: of(post),
            who: who.to_owned(),
            text: text.to_owned(),
            title: "A title".to_owned(),
            tag: "",
            created: now,
            active: now,
            edited: None,
            closed: false,
            locked: false,
            gone: false,
        };
        let id = name(&entry);
        self.entries.push(entry);
        id
    }

    fn find(&mut self, id: &str) -> &mut Entry {
        self.entries.iter_mut().find(|entry| name(entry) == id).unwrap()
    }

    fn get(&self, id: i64) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id && !entry.gone)
    }

    fn name_of(&self, id: i64) -> String {
        self.entries
            .iter()
            .find(|entry| entry.id == id)
            .map(name)
            .unwrap()
    }

    fn answer(&mut self, who: &str, question: &str, text: &str, now: Instant) -> String {
        let asked = self.find(question).clone();
        let id = self.add(Kind::Answer, (asked.id, asked.id), who, text, now);
        let number = self.find(&id).id;
        self.find(question).active = now;
        if asked.who == ME && who != ME {
            self.inbox.push(Told {
                kind: "new_answer",
                at: now,
                entry: Some(number),
                site: SITE,
            });
        }
        id
    }

    fn comment(&mut self, who: &str, on: &str, text: &str, now: Instant) -> String {
        let on = self.find(on).clone();
        let post = match on.kind {
            Kind::Comment => on.post,
            Kind::Question | Kind::Answer => on.id,
        };
        let owner = self.get(post).unwrap().who.clone();
        // The name of who is told anyway is taken off.
        let first = format!("@{} ", handle(&owner));
        let text = text.strip_prefix(&first).unwrap_or(text);
        let id = self.add(Kind::Comment, (on.question, post), who, text, now);
        let number = self.find(&id).id;
        let took_part = self
            .entries
            .iter()
            .any(|other| other.who == ME && other.post == post);
        let named = took_part && text.contains(&format!("@{}", handle(ME)));
        if who != ME && (owner == ME || named) {
            self.inbox.push(Told {
                kind: "comment",
                at: now,
                entry: Some(number),
                site: SITE,
            });
        }
        id
    }

    /// An entry with the fields that a filter asks for, escaped or not.
    fn show(&self, entry: &Entry, filter: Option<&Asked>) -> Value {
        let mut shown = json!({"owner": user(&entry.who), "score": 2, "creation_date": entry.created.timestamp(),
            "content_license": "CC BY-SA 4.0", "body_markdown": entry.text, "link": link(entry),
            "body": format!("<p>{}</p>", escaped(&entry.text))});
        let more = match entry.kind {
            Kind::Question => json!({"question_id": entry.id, "title": entry.title, "tags": [entry.tag],
                "is_answered": false, "answer_count": 0, "view_count": 40, "last_activity_date": entry.active.timestamp()}),
            Kind::Answer => {
                json!({"answer_id": entry.id, "question_id": entry.question, "is_accepted": false,
                "last_activity_date": entry.active.timestamp()})
            }
            Kind::Comment => {
                json!({"comment_id": entry.id, "post_id": entry.post, "edited": entry.edited.is_some()})
            }
        };
        let shown = shown.as_object_mut().unwrap();
        shown.extend(more.as_object().unwrap().clone());
        if entry.kind != Kind::Comment {
            for (name, at) in [
                ("last_edit_date", entry.edited),
                ("closed_date", entry.closed.then_some(entry.created)),
                ("locked_date", entry.locked.then_some(entry.created)),
            ] {
                shown.extend(at.map(|at| (name.to_owned(), at.timestamp().into())));
            }
        } else if let Some(named) = self.named(entry) {
            shown.insert("reply_to_user".to_owned(), user(&named));
        }
        filtered(entry.kind, shown, filter)
    }

    /// Whom a comment names, of those who wrote below the same post, or ourselves.
    fn named(&self, entry: &Entry) -> Option<String> {
        let mut all = self.entries.iter().map(|other| &other.who);
        all.find(|who| entry.text.starts_with(&format!("@{}", handle(who))))
            .cloned()
    }

    fn told(&self, told: &Told) -> Value {
        let mut shown = json!({"item_type": told.kind, "creation_date": told.at.timestamp(), "is_unread": true,
            "title": "A title", "link": HOME,
            "site": {"api_site_parameter": told.site, "site_url": format!("https://{}.com", told.site), "name": told.site,
                "site_type": "main_site"}});
        if let Some(entry) = told
            .entry
            .and_then(|id| self.entries.iter().find(|entry| entry.id == id))
        {
            let on = self.entries.iter().find(|other| other.id == entry.post).unwrap();
            match (entry.kind, on.kind) {
                (Kind::Answer, _) => shown["answer_id"] = entry.id.into(),
                (_, Kind::Answer) => {
                    shown["comment_id"] = entry.id.into();
                    shown["answer_id"] = on.id.into();
                }
                (_, _) => {
                    shown["comment_id"] = entry.id.into();
                    shown["question_id"] = on.id.into();
                }
            }
        }
        shown
    }
}

/// What comes without being asked for is left out, where no filter asks for it.
fn filtered(kind: Kind, shown: &Map<String, Value>, filter: Option<&Asked>) -> Value {
    let word = match kind {
        Kind::Question => "question",
        Kind::Answer => "answer",
        Kind::Comment => "comment",
    };
    let asked: Vec<_> = filter.map_or(vec![], |filter| filter["include"].split(';').collect());
    let unsafe_ = filter.is_some_and(|filter| filter.get("unsafe").map(String::as_str) == Some("true"));
    let hidden = |name: &str| match name {
        "body" | "body_markdown" => true,
        "link" => kind != Kind::Question,
        _ => false,
    };
    let kept = shown
        .iter()
        .filter(|(name, _)| !hidden(name) || asked.contains(&format!("{word}.{name}").as_str()));
    let kept = kept.map(|(name, value)| match value {
        Value::String(text) if !unsafe_ && matches!(name.as_str(), "title" | "body_markdown") => {
            (name.clone(), escaped(text).into())
        }
        value => (name.clone(), value.clone()),
    });
    Value::Object(kept.collect())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

type Shared = State<Arc<Inner>>;

/// Every answer tells the server's own time, and is compressed.
async fn dated(State(inner): Shared, answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    let (mut head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    head.headers.insert(header::DATE, date.parse().unwrap());
    head.headers
        .insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    head.headers.remove(header::CONTENT_LENGTH);
    (head, gzip(&body)).into_response()
}

/// The bytes in blocks that are not made smaller (<https://www.rfc-editor.org/rfc/rfc1952>).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks = bytes.chunks(0xffff).peekable();
    if blocks.peek().is_none() {
        out.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(blocks.peek().is_none()));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let mut crc = !0_u32;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1));
        }
    }
    out.extend((!crc).to_le_bytes());
    out.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    out
}

fn error(id: u16, name: &str, message: &str) -> Response {
    let body = json!({"error_id": id, "error_message": message, "error_name": name}).to_string();
    (StatusCode::BAD_REQUEST, body).into_response()
}

/// An error by its number (<https://api.stackexchange.com/docs/error-handling>).
fn by_number(id: u16) -> Response {
    let name = match id {
        400 => "bad_parameter",
        401 => "access_token_required",
        402 => "invalid_access_token",
        403 => "access_denied",
        407 => "write_failed",
        500 => "internal_error",
        502 => "throttle_violation",
        503 => "temporarily_unavailable",
        other => panic!("the API has no error {other}"),
    };
    error(id, name, "scripted")
}

impl Inner {
    /// Does what was asked, or what the script says instead.
    async fn act(&self, call: &str, line: &Line, act: impl FnOnce() -> Response) -> Response {
        match self.faults.take(call) {
            None => act(),
            Some(Fault::Status(status)) => by_number(status),
            Some(Fault::StatusButDone(status)) => {
                act();
                by_number(status)
            }
            // As what stands before the API answers who asks too fast.
            Some(
                fault @ (Fault::RateLimited(_)
                | Fault::AcceptThenDrop
                | Fault::Drop
                | Fault::Hang
                | Fault::Garbage),
            ) => {
                let one = Faults::default();
                one.next(call, fault);
                scripted(&one, call, line, act).await
            }
        }
    }

    /// Why somebody may not call; who may pays for it.
    fn refuses(&self, method: &str, asked: &Asked) -> Option<Response> {
        let now = self.clock.now();
        let mut world = self.world.lock().unwrap();
        let given = |name: &str| asked.get(name).map(String::as_str);
        if let Some(until) = world.exhausted_until.filter(|until| now < *until) {
            let left = (until - now).num_seconds();
            let why = format!("too many requests from this IP, more requests available in {left} seconds");
            return Some(error(502, "throttle_violation", &why));
        }
        if given("key").is_some_and(|key| key != KEY) {
            return Some(error(
                400,
                "bad_parameter",
                "`key` doesn't match a known application",
            ));
        }
        if let Some(token) = given("access_token") {
            if given("key").is_none() {
                return Some(error(
                    405,
                    "key_required",
                    "`key` is required when `access_token` is passed.",
                ));
            }
            if token != TOKEN || world.locked_out {
                return Some(error(402, "invalid_access_token", "`access_token` is not valid"));
            }
        }
        let resting = world.rests.get(method).is_some_and(|until| now < *until);
        assert!(!resting, "{method} was asked to rest, and was called");
        world.left -= 1;
        None
    }

    /// Items as every answer wraps them: one page of them.
    fn wrapped(&self, method: &str, items: Vec<Value>, asked: &Asked) -> Response {
        let number = |name: &str, usual: usize| asked.get(name).map_or(usual, |text| text.parse().unwrap());
        let (size, page) = (number("pagesize", 30), number("page", 1));
        assert!((1..=100).contains(&size) && page > 0);
        let (all, from) = (items.len(), (page - 1) * size);
        let mut world = self.world.lock().unwrap();
        let items: Vec<_> = items.into_iter().skip(from).take(size).collect();
        let mut told = json!({"items": items, "has_more": from + size < all, "quota_max": 10_000,
            "quota_remaining": world.left});
        if let Some(seconds) = world.backoff.remove(method) {
            told["backoff"] = seconds.into();
            let until = self.clock.now() + chrono::TimeDelta::seconds(seconds.try_into().unwrap());
            world.rests.insert(method.to_owned(), until);
        }
        told.to_string().into_response()
    }
}

async fn answer(
    State(inner): Shared,
    ConnectInfo(line): ConnectInfo<Line>,
    method: Method,
    uri: Uri,
    Query(mut asked): Query<Asked>,
    body: Bytes,
) -> Response {
    if uri.path() == "/oauth/access_token/json" {
        return let_in(&body);
    }
    let whole = uri.path().trim_start_matches("/2.3/").to_owned();
    let path: Vec<_> = whole.split('/').collect();
    if method == Method::POST {
        asked.extend(url::form_urlencoded::parse(&body).into_owned());
    }
    let call = match (&method, path.as_slice()) {
        (&Method::POST, _) => "publish",
        (_, ["search", "advanced"]) if asked.contains_key("tagged") => "tagged",
        (_, ["search", "advanced"]) => "search",
        (_, ["questions", _, "answers"]) => "answers",
        (_, ["posts", _, "comments"]) => "comments",
        (_, ["questions" | "answers" | "comments" | "posts", _]) => "known",
        (_, [one]) => one,
        _ => "else",
    };
    let named = path
        .iter()
        .map(|part| match part.starts_with(|c: char| c.is_ascii_digit()) {
            true => "{ids}",
            false => part,
        });
    let named = named.collect::<Vec<_>>().join("/");
    inner.world.lock().unwrap().calls.push(call.to_owned());
    if let Some(refused) = inner.refuses(&named, &asked) {
        return refused;
    }
    inner
        .act(call, &line, || match method {
            Method::POST => write(&inner, (&named, &path), &asked),
            _ => read(&inner, (&named, &path), &asked),
        })
        .await
}

/// Takes the code of a browser (<https://api.stackexchange.com/docs/authentication>).
fn let_in(body: &Bytes) -> Response {
    let form: Asked = url::form_urlencoded::parse(body).into_owned().collect();
    if form["client_id"] != "12345" || form["client_secret"] != "client-SECRET" || form["code"] != "code" {
        let body = json!({"error": {"type": "invalid_request", "message": "code is not valid"}});
        return (StatusCode::BAD_REQUEST, body.to_string()).into_response();
    }
    json!({"access_token": TOKEN, "expires": 86_400})
        .to_string()
        .into_response()
}

fn ids(list: &str) -> Vec<i64> {
    let ids: Vec<_> = list.split(';').map(|id| id.parse().unwrap()).collect();
    assert!(ids.len() <= 100);
    ids
}

fn read(inner: &Inner, (method, path): (&str, &[&str]), asked: &Asked) -> Response {
    let mut world = inner.world.lock().unwrap();
    let filter = asked.get("filter").map(|name| {
        let at: usize = name.trim_start_matches('!').parse().unwrap();
        world.filters[at].clone()
    });
    if !matches!(
        path,
        ["filters", "create"] | ["inbox"] | ["access-tokens", _] | ["errors"]
    ) {
        assert_eq!(asked["site"], SITE);
    }
    let with_token = asked.contains_key("access_token");
    let show = |world: &World, mut entries: Vec<&Entry>| {
        order(&mut entries, asked);
        entries
            .into_iter()
            .map(|entry| world.show(entry, filter.as_ref()))
            .collect::<Vec<_>>()
    };
    let of = |world: &World, keep: &dyn Fn(&Entry) -> bool| {
        let entries: Vec<_> = world
            .entries
            .iter()
            .filter(|entry| !entry.gone && keep(entry))
            .collect();
        show(world, entries)
    };
    let items = match path {
        ["filters", "create"] => {
            world.filters.push(asked.clone());
            vec![json!({"filter": format!("!{}", world.filters.len() - 1), "filter_type": "unsafe"})]
        }
        ["info"] => vec![json!({"api_revision": "2026.1.1", "total_questions": 1})],
        ["me"] if with_token => {
            let mut me = user(ME);
            me["reputation"] = world.reputation.into();
            vec![me]
        }
        ["access-tokens", TOKEN] => {
            vec![
                json!({"access_token": TOKEN, "account_id": 1, "scope": ["read_inbox", "write_access", "no_expiry"]}),
            ]
        }
        ["inbox"] if with_token => world.inbox.iter().rev().map(|told| world.told(told)).collect(),
        ["search", "advanced"] => {
            let tags: Vec<_> = asked
                .get("tagged")
                .map_or(vec![], |tags| tags.split(';').collect());
            let words = asked.get("q").map(|words| words.to_lowercase());
            let found = |entry: &Entry| {
                let tagged = tags.is_empty() || tags.contains(&entry.tag);
                let says = |words: &String| entry.text.to_lowercase().contains(words);
                entry.kind == Kind::Question && tagged && words.as_ref().is_none_or(says)
            };
            let mut items = of(&world, &found);
            if words.is_none() {
                items.extend(world.odd.clone());
            }
            items
        }
        ["questions", list, "answers"] => {
            let asked = ids(list);
            of(&world, &|entry| {
                entry.kind == Kind::Answer && asked.contains(&entry.question)
            })
        }
        ["posts", list, "comments"] => {
            let asked = ids(list);
            of(&world, &|entry| {
                entry.kind == Kind::Comment && asked.contains(&entry.post)
            })
        }
        ["posts", list] => {
            let asked = ids(list);
            of(&world, &|entry| {
                entry.kind != Kind::Comment && asked.contains(&entry.id)
            })
        }
        [what @ ("questions" | "answers" | "comments"), list] => {
            let kind = match *what {
                "questions" => Kind::Question,
                "answers" => Kind::Answer,
                _ => Kind::Comment,
            };
            let asked = ids(list);
            of(&world, &|entry| entry.kind == kind && asked.contains(&entry.id))
        }
        ["me" | "inbox"] => return error(401, "access_token_required", "an access token is required"),
        _ => return error(404, "no_method", "this method does not exist"),
    };
    drop(world);
    inner.wrapped(method, items, asked)
}

/// Keeps what is within the bounds, and sorts it.
fn order(entries: &mut Vec<&Entry>, asked: &Asked) {
    let moment = |name: &str| asked.get(name).map(|text| text.parse::<i64>().unwrap());
    let at = |entry: &Entry| match asked.get("sort").map(String::as_str) {
        Some("creation") => entry.created.timestamp(),
        _ if entry.kind == Kind::Comment => entry.created.timestamp(),
        _ => entry.active.timestamp(),
    };
    entries.retain(|entry| {
        let since = moment("fromdate").is_none_or(|from| entry.created.timestamp() >= from);
        since && moment("min").is_none_or(|min| at(entry) >= min)
    });
    entries.sort_by_key(|entry| at(entry));
    if asked.get("order").map(String::as_str) != Some("asc") {
        entries.reverse();
    }
}

fn write(inner: &Inner, (method, path): (&str, &[&str]), asked: &Asked) -> Response {
    let now = inner.clock.now();
    let mut world = inner.world.lock().unwrap();
    let failed = |why: &str| error(407, "write_failed", why);
    assert_eq!(asked["site"], SITE);
    if !asked.contains_key("access_token") {
        return error(401, "access_token_required", "an access token is required");
    }
    let text = &asked["body"];
    let length = text.encode_utf16().count();
    let (post, comments) = match path {
        ["posts", post, "comments", "add"] => (post, true),
        ["questions", post, "answers", "add"] => (post, false),
        _ => return error(404, "no_method", "this method does not exist"),
    };
    let Some(post) = world.get(post.parse().unwrap()).cloned() else {
        return error(400, "bad_parameter", "the post does not exist");
    };
    if post.locked {
        return failed("This post is locked.");
    }
    let id = if comments {
        assert_ne!(post.kind, Kind::Comment);
        if world.reputation < 50 {
            return failed("You need 50 reputation to comment.");
        }
        if world.commented.is_some_and(|at| (now - at).num_seconds() < 5) {
            return failed("You can only post a comment once every 5 seconds.");
        }
        if !(15..=600).contains(&length) {
            return failed("Comments must be 15 to 600 characters in length.");
        }
        world.commented = Some(now);
        let on = if world.misplaces {
            world.add(Kind::Question, (0, 0), "nobody", "elsewhere", now)
        } else {
            name(&post)
        };
        world.comment(ME, &on, text, now)
    } else {
        if post.closed {
            return failed("This question is closed.");
        }
        if !(30..=30_000).contains(&length) {
            return failed("Body must be 30 to 30000 characters.");
        }
        world.answer(ME, &name(&post), text, now)
    };
    let filter = asked.get("filter").map(|name| {
        let at: usize = name.trim_start_matches('!').parse().unwrap();
        world.filters[at].clone()
    });
    let made = world.find(&id).clone();
    let items = vec![world.show(&made, filter.as_ref())];
    drop(world);
    inner.wrapped(method, items, &Asked::default())
}
