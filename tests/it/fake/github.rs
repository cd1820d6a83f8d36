//! GitHub: one brand account and one repository with issues and comments, lists by when something was last changed,
//! searches, webhooks, and a token. Written from <https://docs.github.com/en/rest> and its webhook payloads. Scripted
//! faults go by what is done: `issues`, `search`, `comment`; of discussions `discussions`, `thread`, `discuss`.

mod talk;

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat};
use hearback::domain::{Clock, Instant};
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use url::Url;

/// The brand account.
pub const ME: &str = "acme-help";
pub const TOKEN: &str = "github_pat_SECRET";
/// The secret of the webhook.
pub const HOOK: &str = "hook-0123456789-SECRET";
/// The repository, and another in which searches find something.
pub const REPOSITORY: &str = "acme/app";
const ELSEWHERE: &str = "other/app";

type Asked = HashMap<String, String>;

#[derive(Clone)]
struct Entry {
    id: i64,
    repository: &'static str,
    issue: i64,
    /// Whether it is a comment.
    comment: bool,
    who: String,
    text: String,
    association: &'static str,
    created: Instant,
    updated: Instant,
    gone: bool,
    locked: bool,
    /// Whether it is a pull request, or a comment on one.
    pull: bool,
}

#[derive(Default)]
struct World {
    entries: Vec<Entry>,
    talks: Vec<talk::Talk>,
    odd: Vec<Value>,
    odd_found: Vec<Value>,
    calls: Vec<String>,
    made: i64,
    locked_out: bool,
    exhausted_until: Option<Instant>,
    forbids: bool,
    misplaces: bool,
}

struct Inner {
    world: Mutex<World>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeGitHub {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeGitHub {
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

    /// Somebody opens an issue. Gives the id, as our connector names it.
    pub fn open(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        self.world().add(REPOSITORY, None, who, text, "NONE", now)
    }

    /// Somebody opens an issue in a repository that is not ours.
    pub fn open_elsewhere(&self, who: &str, text: &str) -> String {
        let now = self.inner.clock.now();
        self.world().add(ELSEWHERE, None, who, text, "NONE", now)
    }

    /// An issue of another time comes into the list now: it was moved here.
    pub fn moved(&self, who: &str, text: &str, created: Instant) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let id = world.add(REPOSITORY, None, who, text, "NONE", now);
        world.find(&id).created = created;
        id
    }

    /// Somebody comments.
    pub fn comment(&self, who: &str, on: &str, text: &str) -> String {
        self.comment_as(who, on, text, "NONE")
    }

    /// Somebody of this standing comments.
    pub fn comment_as(&self, who: &str, on: &str, text: &str, association: &'static str) -> String {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let issue = world.find(on).clone();
        world.add(issue.repository, Some(issue.issue), who, text, association, now)
    }

    pub fn edit(&self, id: &str, text: &str) {
        let now = self.inner.clock.now();
        let mut world = self.world();
        let entry = world.find(id);
        text.clone_into(&mut entry.text);
        entry.updated = now;
    }

    pub fn delete(&self, id: &str) {
        self.world().find(id).gone = true;
    }

    pub fn lock(&self, id: &str) {
        self.world().find(id).locked = true;
    }

    /// Puts something among the comments that is not what the API describes.
    pub fn poison(&self, odd: Value) {
        self.world().odd.push(odd);
    }

    /// The token is revoked.
    pub fn lock_out(&self) {
        self.world().locked_out = true;
    }

    /// All calls are used up until then.
    pub fn exhaust(&self, until: Instant) {
        self.world().exhausted_until = Some(until);
    }

    /// The same, told by 403.
    pub fn forbid(&self, until: Instant) {
        self.world().forbids = true;
        self.exhaust(until);
    }

    /// Somebody opens a pull request.
    pub fn pull(&self, who: &str, text: &str) -> String {
        let id = self.open(who, text);
        self.world().find(&id).pull = true;
        id
    }

    /// Searches find something that is not what the API describes.
    pub fn poison_search(&self, odd: Value) {
        self.world().odd_found.push(odd);
    }

    /// What is published from now on stands on another issue.
    pub fn misplace(&self) {
        self.world().misplaces = true;
    }

    /// What the brand account commented, the oldest first: id, text, address.
    pub fn published(&self) -> Vec<(String, String, String)> {
        let world = self.world();
        let ours = world
            .entries
            .iter()
            .filter(|entry| entry.who == ME && entry.comment);
        ours.map(|own| (name(own), own.text.clone(), page(own))).collect()
    }

    /// The webhook's body that tells of something.
    pub fn told(&self, id: &str, action: &str) -> Value {
        let mut world = self.world();
        let entry = world.find(id).clone();
        let issue = world
            .entries
            .iter()
            .find(|other| other.issue == entry.issue && !other.comment)
            .unwrap();
        let mut body = json!({"action": action, "issue": show(issue), "repository": {"id": 1, "full_name": entry.repository},
            "sender": user(&entry.who)});
        if entry.comment {
            body["comment"] = show(&entry);
        }
        body
    }

    /// How often something was done.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }
}

/// The headers of a webhook's request.
pub fn signed(secret: &str, event: &str, body: &str) -> Vec<(&'static str, String)> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    vec![
        ("x-github-event", event.to_owned()),
        (
            "x-github-delivery",
            "72d3162e-cc78-11e3-81ab-4c9367dc0958".to_owned(),
        ),
        (
            "x-hub-signature-256",
            format!("sha256={}", hex::encode(mac.finalize().into_bytes())),
        ),
    ]
}

fn name(entry: &Entry) -> String {
    let comment = if entry.comment {
        format!("!{}", entry.id)
    } else {
        String::new()
    };
    format!("{}#{}{comment}", entry.repository, entry.issue)
}

fn page(entry: &Entry) -> String {
    let anchor = if entry.comment {
        format!("#issuecomment-{}", entry.id)
    } else {
        String::new()
    };
    let kind = if entry.pull { "pull" } else { "issues" };
    format!(
        "https://github.com/{}/{kind}/{}{anchor}",
        entry.repository, entry.issue
    )
}

fn user(who: &str) -> Value {
    let id = who
        .bytes()
        .fold(7_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000_000_007);
    json!({"login": who, "id": id, "type": "User", "html_url": format!("https://github.com/{who}"), "site_admin": false})
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn show(entry: &Entry) -> Value {
    let api = format!("https://api.github.com/repos/{}", entry.repository);
    let mut shown = json!({
        "id": entry.id, "html_url": page(entry), "user": user(&entry.who), "author_association": entry.association,
        "created_at": time(entry.created), "updated_at": time(entry.updated), "reactions": {"+1": 2, "total_count": 2},
    });
    let more = if entry.comment {
        json!({"body": entry.text, "issue_url": format!("{api}/issues/{}", entry.issue)})
    } else {
        json!({"number": entry.issue, "title": "A title", "body": entry.text, "state": "open", "locked": entry.locked,
            "repository_url": api, "comments": 0})
    };
    shown
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    if entry.pull && !entry.comment {
        shown["pull_request"] = json!({"url": format!("{api}/pulls/{}", entry.issue)});
    }
    shown
}

impl World {
    fn add(
        &mut self,
        repository: &'static str,
        issue: Option<i64>,
        who: &str,
        text: &str,
        association: &'static str,
        now: Instant,
    ) -> String {
        self.made += 1;
        let entry = Entry {
            id: self.made,
            repository,
            issue: issue.unwrap_or(self.made),
            comment: issue.is_some(),
            who: who.to_owned(),
            text: text.to_owned(),
            association,
            created: now,
            updated: now,
            gone: false,
            locked: false,
            pull: issue.is_some_and(|issue| {
                self.entries
                    .iter()
                    .any(|other| other.issue == issue && other.pull)
            }),
        };
        let id = name(&entry);
        self.entries.push(entry);
        id
    }

    fn find(&mut self, id: &str) -> &mut Entry {
        self.entries.iter_mut().find(|entry| name(entry) == id).unwrap()
    }
}

type Shared = State<Arc<Inner>>;

/// Every answer tells the server's own time and what is left.
async fn dated(State(inner): Shared, mut answer: Response) -> Response {
    let date = inner.clock.now().to_rfc2822().replace("+0000", "GMT");
    let headers = answer.headers_mut();
    headers.insert(header::DATE, date.parse().unwrap());
    if !headers.contains_key("x-ratelimit-limit") {
        headers.insert("x-ratelimit-limit", "5000".parse().unwrap());
        headers.insert("x-ratelimit-remaining", "4990".parse().unwrap());
    }
    answer
}

fn error(status: u16, message: &str) -> Response {
    let body = Json(json!({"message": message, "documentation_url": "https://docs.github.com/rest"}));
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

fn by_status(status: u16) -> Response {
    let words = StatusCode::from_u16(status)
        .unwrap()
        .canonical_reason()
        .unwrap_or("scripted");
    error(status, words)
}

/// The first limit, as GitHub gives it: when the quota is full again.
fn exhausted(until: Instant, status: StatusCode) -> Response {
    let told = [
        ("x-ratelimit-limit", "5000".to_owned()),
        ("x-ratelimit-remaining", "0".to_owned()),
        ("x-ratelimit-reset", until.timestamp().to_string()),
    ];
    let body = Json(json!({"message": "API rate limit exceeded for user ID 1."}));
    (status, told, body).into_response()
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
            Some(Fault::RateLimited(after)) => {
                let told = [(header::RETRY_AFTER, after)];
                let body = Json(json!({"message": "You have exceeded a secondary rate limit."}));
                (StatusCode::TOO_MANY_REQUESTS, told, body).into_response()
            }
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
    // GitHub minds no capitals in names.
    let path = uri.path().to_lowercase();
    let path: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let graph = (path == ["graphql"]).then(|| serde_json::from_slice::<Value>(&body).unwrap());
    let call = match (&method, path.as_slice()) {
        (_, ["graphql"]) => talk::call(graph.as_ref().unwrap()),
        (&Method::POST, _) => "comment",
        (_, ["repos", _, _, "issues"]) => "issues",
        (_, ["search", "issues"]) => "search",
        _ => "else",
    };
    let now = inner.clock.now();
    {
        let mut world = inner.world.lock().unwrap();
        world.calls.push(call.to_owned());
        let wanted = format!("Bearer {TOKEN}");
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        if bearer != Some(wanted.as_str()) || world.locked_out {
            return error(401, "Bad credentials");
        }
        if let Some(until) = world.exhausted_until.filter(|until| now < *until) {
            let status = match world.forbids {
                true => StatusCode::FORBIDDEN,
                false => StatusCode::TOO_MANY_REQUESTS,
            };
            return exhausted(until, status);
        }
    }
    if let Some(asked) = graph {
        return inner.act(call, &line, || talk::answer(&inner, &asked)).await;
    }
    if method == Method::POST {
        let asked: Value = serde_json::from_slice(&body).unwrap();
        return inner.act(call, &line, || comment(&inner, &path, &asked)).await;
    }
    inner.act(call, &line, || read(&inner, &path, &asked)).await
}

fn read(inner: &Inner, path: &[&str], asked: &Asked) -> Response {
    let world = inner.world.lock().unwrap();
    let paged = |all: Vec<Value>| {
        let limit: usize = asked.get("per_page").map_or(30, |limit| limit.parse().unwrap());
        let page: usize = asked.get("page").map_or(1, |page| page.parse().unwrap());
        assert!(limit <= 100 && page > 0);
        Json(
            all.into_iter()
                .skip((page - 1) * limit)
                .take(limit)
                .collect::<Vec<_>>(),
        )
        .into_response()
    };
    let since = asked
        .get("since")
        .map(|at| DateTime::parse_from_rfc3339(at).unwrap().to_utc());
    let listed = |keep: &dyn Fn(&&Entry) -> bool| {
        let mut entries: Vec<_> = world.entries.iter().filter(keep).collect();
        entries.retain(|entry| !entry.gone && since.is_none_or(|since| entry.updated >= since));
        entries.sort_by_key(|entry| entry.updated);
        entries.into_iter().map(show).collect::<Vec<_>>()
    };
    match path {
        ["user"] => Json(user(ME)).into_response(),
        ["repos", "acme", "app", "issues"] => {
            paged(listed(&|entry| entry.repository == REPOSITORY && !entry.comment))
        }
        ["repos", "acme", "app", "issues", "comments"] => {
            assert_eq!(
                (asked["sort"].as_str(), asked["direction"].as_str()),
                ("updated", "asc")
            );
            let mut all = world.odd.clone();
            all.extend(listed(&|entry| entry.repository == REPOSITORY && entry.comment));
            paged(all)
        }
        ["repos", "acme", "app", "issues", "comments", id] => {
            let id: i64 = id.parse().unwrap();
            match world
                .entries
                .iter()
                .find(|entry| entry.id == id && entry.comment && !entry.gone)
            {
                Some(entry) => Json(show(entry)).into_response(),
                None => error(404, "Not Found"),
            }
        }
        ["repos", owner, name, "issues", number] => {
            let (number, repository): (i64, _) = (number.parse().unwrap(), format!("{owner}/{name}"));
            let is = |entry: &&Entry| {
                entry.issue == number && !entry.comment && entry.repository == repository && !entry.gone
            };
            match world.entries.iter().find(is) {
                Some(entry) => Json(show(entry)).into_response(),
                None => error(404, "Not Found"),
            }
        }
        ["repos", owner, name, "issues", number, "comments"] => {
            let (number, repository): (i64, _) = (number.parse().unwrap(), format!("{owner}/{name}"));
            paged(listed(&|entry| {
                entry.issue == number && entry.comment && entry.repository == repository
            }))
        }
        ["search", "issues"] => {
            let words = asked["q"].strip_suffix(" is:issue").unwrap().to_lowercase();
            let mut found: Vec<_> = world.entries.iter().collect();
            found.retain(|entry| !entry.comment && !entry.gone && entry.text.to_lowercase().contains(&words));
            found.reverse();
            let mut found: Vec<_> = found.into_iter().map(show).collect();
            found.extend(world.odd_found.clone());
            Json(json!({"total_count": found.len(), "incomplete_results": false, "items": found}))
                .into_response()
        }
        _ => error(404, "Not Found"),
    }
}

fn comment(inner: &Inner, path: &[&str], asked: &Value) -> Response {
    let now = inner.clock.now();
    let ["repos", owner, name, "issues", number, "comments"] = path else {
        return error(404, "Not Found");
    };
    let (number, repository): (i64, _) = (number.parse().unwrap(), format!("{owner}/{name}"));
    let mut world = inner.world.lock().unwrap();
    let text = asked["body"].as_str().unwrap();
    if text.chars().count() > 65_536 {
        return error(422, "Validation Failed");
    }
    let there = world
        .entries
        .iter()
        .find(|entry| entry.issue == number && entry.repository == repository)
        .cloned();
    let Some(there) = there else {
        return error(404, "Not Found");
    };
    if there.locked {
        return error(403, "Unable to create comment because issue is locked.");
    }
    let issue = if world.misplaces { number + 100 } else { number };
    let id = world.add(there.repository, Some(issue), ME, text, "NONE", now);
    let made = world.find(&id).clone();
    (StatusCode::CREATED, Json(show(&made))).into_response()
}
