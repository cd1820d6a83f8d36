//! Help desks: one server that speaks Zendesk's ticketing interface, Freshdesk's, and the webhook contract, each
//! written from its documentation: tickets with tags and keys, comments and notes, lists by key and by time.
//! Scripted faults go by `open` and `note`.

use super::fault::{Fault, Faults};
use super::server::{Line, Server, scripted};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use url::Url;

/// The credentials, as each help desk wants them.
pub const EMAIL: &str = "bot@shop.example";
pub const KEY: &str = "a-SECRET-key";

/// A ticket.
#[derive(Debug, Clone)]
pub struct Ticket {
    pub id: u64,
    pub subject: String,
    pub notes: Vec<String>,
    key: Option<String>,
    tags: Vec<String>,
    pub done: bool,
    /// Takes no change any more.
    sealed: bool,
    updated: Instant,
    public: bool,
}

#[derive(Default)]
struct Books {
    tickets: Vec<Ticket>,
    by_key: HashMap<String, Value>,
    opened: usize,
}

struct Inner {
    books: Mutex<Books>,
    faults: Faults,
    clock: Arc<dyn Clock>,
}

/// The server.
pub struct FakeDesk {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeDesk {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            books: Mutex::default(),
            faults: Faults::default(),
            clock,
        });
        let zendesk = Router::new()
            .route("/api/v2/tickets.json", get(z_list).post(z_open))
            .route("/api/v2/tickets/{id}", put(z_change).get(z_show))
            .route("/api/v2/tickets/{id}/comments.json", get(z_comments))
            .route("/api/v2/search.json", get(z_search));
        let freshdesk = Router::new()
            .route("/api/v2/tickets", get(f_list).post(f_open))
            .route("/api/v2/tickets/{id}", put(f_change).get(f_show))
            .route("/api/v2/tickets/{id}/notes", post(f_note))
            .route("/api/v2/tickets/{id}/conversations", get(f_notes));
        let router = Router::new()
            .nest("/z", zendesk)
            .nest("/f", freshdesk)
            .route("/hook", post(hook))
            .with_state(inner.clone());
        Self {
            server: Server::start(router).await,
            inner,
        }
    }

    pub fn at(&self, path: &str) -> Url {
        self.server.url.join(path).unwrap()
    }

    pub fn next(&self, call: &str, fault: Fault) {
        self.inner.faults.next(call, fault);
    }

    pub fn tickets(&self) -> Vec<Ticket> {
        self.inner.books.lock().unwrap().tickets.clone()
    }

    /// How often it was asked to open one.
    pub fn opened(&self) -> usize {
        self.inner.books.lock().unwrap().opened
    }

    /// An agent of the help desk closes a ticket.
    pub fn close(&self, at: usize) {
        self.set(at, true);
    }

    /// An agent of the help desk opens a ticket again.
    pub fn open_again(&self, at: usize) {
        self.set(at, false);
    }

    fn set(&self, at: usize, done: bool) {
        let now = self.inner.clock.now();
        let mut books = self.inner.books.lock().unwrap();
        books.tickets[at].done = done;
        books.tickets[at].updated = now;
    }

    /// A ticket is done and takes no change any more.
    pub fn seal(&self, at: usize) {
        self.set(at, true);
        self.inner.books.lock().unwrap().tickets[at].sealed = true;
    }

    /// Somebody else's ticket.
    pub fn noise(&self) {
        // Of another installation of ours.
        let (key, tags) = (Some("another-e1o".to_owned()), vec!["hearback".to_owned()]);
        self.inner.add("Printer", key, tags, "on fire", true);
    }
}

impl Inner {
    fn add(&self, subject: &str, key: Option<String>, tags: Vec<String>, text: &str, public: bool) -> Ticket {
        let mut books = self.books.lock().unwrap();
        let ticket = Ticket {
            id: 4711 + books.tickets.len() as u64,
            subject: subject.to_owned(),
            notes: vec![text.to_owned()],
            key,
            tags,
            done: false,
            sealed: false,
            updated: self.clock.now(),
            public,
        };
        books.tickets.push(ticket.clone());
        ticket
    }

    /// Adds a note, or opens it again; refused where it takes no change, or is not there.
    fn change(&self, id: &str, note: Option<&str>, reopen: bool) -> Result<(), StatusCode> {
        let mut books = self.books.lock().unwrap();
        let found = books
            .tickets
            .iter_mut()
            .find(|ticket| ticket.id.to_string() == id);
        let ticket = found.ok_or(StatusCode::NOT_FOUND)?;
        if ticket.sealed {
            return Err(StatusCode::UNPROCESSABLE_ENTITY);
        }
        ticket.notes.extend(note.map(str::to_owned));
        ticket.done &= !reopen;
        ticket.updated = self.clock.now();
        Ok(())
    }

    fn show(&self, id: &str, form: fn(&Ticket) -> Value) -> Result<Value, StatusCode> {
        let books = self.books.lock().unwrap();
        let found = books.tickets.iter().find(|ticket| ticket.id.to_string() == id);
        found.map(form).ok_or(StatusCode::NOT_FOUND)
    }

    /// A page of what changed since then, the oldest change first; and whether there is another.
    fn changed(
        &self,
        since: Instant,
        (size, page): (usize, usize),
        is_asked: impl Fn(&Ticket) -> bool,
        form: fn(&Ticket) -> Value,
    ) -> (Vec<Value>, bool) {
        let books = self.books.lock().unwrap();
        let found = books.tickets.iter().filter(|ticket| ticket.updated >= since);
        let mut found: Vec<_> = found.filter(|ticket| is_asked(ticket)).collect();
        found.sort_by_key(|ticket| ticket.updated);
        let more = found.len() > size * page;
        let page = found.into_iter().skip(size * (page - 1)).take(size);
        (page.map(form).collect(), more)
    }
}

impl Ticket {
    /// Whether all of it is only for the agents of the help desk.
    pub fn is_internal(&self) -> bool {
        !self.public
    }

    fn zendesk(&self) -> Value {
        json!({
            "id": self.id, "external_id": self.key, "subject": self.subject, "tags": self.tags,
            "status": if self.done { "solved" } else { "open" }, "updated_at": self.updated.to_rfc3339(),
        })
    }

    fn freshdesk(&self) -> Value {
        json!({
            "id": self.id, "subject": self.subject, "tags": self.tags, "status": if self.done { 5 } else { 2 },
            "updated_at": self.updated.to_rfc3339(),
        })
    }
}

type Call<T> = (State<Arc<Inner>>, ConnectInfo<Line>, HeaderMap, T);

fn signed_in(headers: &HeaderMap, user: &str, password: &str) -> bool {
    let told = headers["authorization"]
        .to_str()
        .unwrap()
        .strip_prefix("Basic ")
        .unwrap();
    BASE64_STANDARD.decode(told).unwrap() == format!("{user}:{password}").into_bytes()
}

fn zendesk(headers: &HeaderMap) -> bool {
    signed_in(headers, &format!("{EMAIL}/token"), KEY)
}

fn freshdesk(headers: &HeaderMap) -> bool {
    signed_in(headers, KEY, "X")
}

const NO: StatusCode = StatusCode::UNAUTHORIZED;

async fn z_list((State(inner), _, headers, Query(query)): Call<Query<HashMap<String, String>>>) -> Response {
    if !zendesk(&headers) {
        return NO.into_response();
    }
    let books = inner.books.lock().unwrap();
    let ours = books
        .tickets
        .iter()
        .filter(|ticket| ticket.key.as_ref() == query.get("external_id"));
    Json(json!({"tickets": ours.map(Ticket::zendesk).collect::<Vec<_>>()})).into_response()
}

async fn z_open((State(inner), ConnectInfo(line), headers, Json(body)): Call<Json<Value>>) -> Response {
    if !zendesk(&headers) {
        return NO.into_response();
    }
    inner.books.lock().unwrap().opened += 1;
    scripted(&inner.faults, "open", &line, || {
        let ticket = &body["ticket"];
        let key = ticket["external_id"].as_str().map(str::to_owned);
        let tags = serde_json::from_value(ticket["tags"].clone()).unwrap();
        let comment = &ticket["comment"];
        let public = comment["public"].as_bool().unwrap_or(true);
        let made = inner.add(
            ticket["subject"].as_str().unwrap(),
            key,
            tags,
            comment["body"].as_str().unwrap(),
            public,
        );
        (StatusCode::CREATED, Json(json!({"ticket": made.zendesk()}))).into_response()
    })
    .await
}

async fn z_show((State(inner), _, _, Path(file)): Call<Path<String>>) -> Response {
    match inner.show(file.trim_end_matches(".json"), Ticket::zendesk) {
        Ok(ticket) => Json(json!({"ticket": ticket})).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn z_change(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(file): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !zendesk(&headers) {
        return NO.into_response();
    }
    let change = &body["ticket"];
    let note = change["comment"]["body"].as_str();
    assert!(note.is_none() || change["comment"]["public"] == false);
    let reopen = change["status"] == "open";
    assert!(note.is_some() || reopen);
    scripted(&inner.faults, "note", &line, || {
        match inner.change(file.trim_end_matches(".json"), note, reopen) {
            Ok(()) => Json(json!({})).into_response(),
            Err(status) => status.into_response(),
        }
    })
    .await
}

async fn z_comments((State(inner), _, _, Path(id)): Call<Path<String>>) -> Response {
    let books = inner.books.lock().unwrap();
    let ticket = books
        .tickets
        .iter()
        .find(|ticket| ticket.id.to_string() == id)
        .unwrap();
    let comments: Vec<_> = ticket
        .notes
        .iter()
        .rev()
        .map(|note| json!({"body": note}))
        .collect();
    Json(json!({"comments": comments})).into_response()
}

async fn z_search(
    (State(inner), _, headers, Query(query)): Call<Query<HashMap<String, String>>>,
) -> Response {
    if !zendesk(&headers) {
        return NO.into_response();
    }
    let words: Vec<_> = query["query"].split(' ').collect();
    let tag = words.iter().find_map(|word| word.strip_prefix("tags:")).unwrap();
    let since = words
        .iter()
        .find_map(|word| word.strip_prefix("updated>="))
        .unwrap();
    let since = chrono::DateTime::parse_from_rfc3339(since).unwrap();
    let page: usize = query["page"].parse().unwrap();
    // A search shows its first 1,000.
    assert!(page <= 10);
    let ours = |ticket: &Ticket| ticket.tags.iter().any(|known| known == tag);
    let (found, more) = inner.changed(since.to_utc(), (100, page), ours, Ticket::zendesk);
    let next = more.then(|| inner.clock.now().to_rfc3339());
    Json(json!({"results": found, "next_page": next})).into_response()
}

async fn f_list((State(inner), _, headers, Query(query)): Call<Query<HashMap<String, String>>>) -> Response {
    if !freshdesk(&headers) {
        return NO.into_response();
    }
    let since = chrono::DateTime::parse_from_rfc3339(&query["updated_since"]).unwrap();
    assert_eq!(
        (query["order_by"].as_str(), query["order_type"].as_str()),
        ("updated_at", "asc")
    );
    let page = (query["per_page"].parse().unwrap(), query["page"].parse().unwrap());
    Json(inner.changed(since.to_utc(), page, |_| true, Ticket::freshdesk).0).into_response()
}

async fn f_open((State(inner), ConnectInfo(line), headers, Json(body)): Call<Json<Value>>) -> Response {
    if !freshdesk(&headers) {
        return NO.into_response();
    }
    inner.books.lock().unwrap().opened += 1;
    scripted(&inner.faults, "open", &line, || {
        for needed in ["email", "status", "priority", "source"] {
            assert!(!body[needed].is_null(), "{needed}");
        }
        let tags: Vec<String> = serde_json::from_value(body["tags"].clone()).unwrap();
        assert!(tags.iter().all(|tag| tag.len() <= 32));
        let text = body["description"].as_str().unwrap();
        let made = inner.add(body["subject"].as_str().unwrap(), None, tags, text, false);
        (StatusCode::CREATED, Json(made.freshdesk())).into_response()
    })
    .await
}

async fn f_show((State(inner), _, _, Path(id)): Call<Path<String>>) -> Response {
    match inner.show(&id, Ticket::freshdesk) {
        Ok(ticket) => Json(ticket).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn f_change(
    State(inner): State<Arc<Inner>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !freshdesk(&headers) {
        return NO.into_response();
    }
    assert_eq!(body, json!({"status": 2}));
    match inner.change(&id, None, true) {
        Ok(()) => Json(json!({})).into_response(),
        Err(status) => status.into_response(),
    }
}

async fn f_note(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if !freshdesk(&headers) {
        return NO.into_response();
    }
    assert_eq!(body["private"], true);
    scripted(&inner.faults, "note", &line, || {
        match inner.change(&id, body["body"].as_str(), false) {
            Ok(()) => (StatusCode::CREATED, Json(json!({}))).into_response(),
            Err(status) => status.into_response(),
        }
    })
    .await
}

async fn f_notes((State(inner), _, _, Path(id)): Call<Path<String>>) -> Response {
    let books = inner.books.lock().unwrap();
    let ticket = books
        .tickets
        .iter()
        .find(|ticket| ticket.id.to_string() == id)
        .unwrap();
    let notes: Vec<_> = ticket.notes[1..]
        .iter()
        .map(|note| json!({"body": note}))
        .collect();
    Json(notes).into_response()
}

async fn hook(
    State(inner): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (id, at) = (
        headers["webhook-id"].to_str().unwrap(),
        headers["webhook-timestamp"].to_str().unwrap(),
    );
    let signed = super::webhook::signed(id, at.parse().unwrap(), &body);
    assert_eq!(headers["webhook-signature"], signed[2].1);
    let key = id.to_owned();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let call = if body["type"] == "ticket" { "open" } else { "note" };
    if call == "open" {
        inner.books.lock().unwrap().opened += 1;
    }
    scripted(&inner.faults, call, &line, || {
        // The same id is the same ticket, or the same note.
        let known = inner.books.lock().unwrap().by_key.get(&key).cloned();
        if let Some(known) = known {
            return Json(known).into_response();
        }
        let text = body["text"].as_str().unwrap();
        let reopen = body["reopen"] == true;
        let answer = if call == "open" {
            let made = inner.add(body["title"].as_str().unwrap(), None, vec![], text, false);
            json!({"id": made.id, "url": format!("https://desk.example/{}", made.id)})
        } else {
            match inner.change(body["ticket"].as_str().unwrap(), Some(text), reopen) {
                Ok(()) => json!({}),
                Err(status) => return status.into_response(),
            }
        };
        inner
            .books
            .lock()
            .unwrap()
            .by_key
            .insert(key.clone(), answer.clone());
        Json(answer).into_response()
    })
    .await
}
