//! A shop: it sends its customers' words to Hearback, signed, and takes replies. It signs and
//! verifies by itself, not with the product's code.

use super::fault::Faults;
use super::gateway::Gateway;
use super::server::{Line, Server, error};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearback::domain::Clock;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

/// The shared secret.
pub const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// What the shop has.
#[derive(Default)]
struct Books {
    /// Replies that stand in the shop: the body that came, and the receipt for it.
    replies: Vec<(Value, Value)>,
    /// By `webhook-id`, where the shop honours it.
    by_key: HashMap<String, Value>,
    /// How many calls came, with their ids.
    calls: Vec<String>,
}

struct Inner {
    books: Mutex<Books>,
    faults: Faults,
    gateway: Gateway,
    clock: Arc<dyn Clock>,
    honours_key: bool,
    misplaces: Mutex<bool>,
    long_ids: Mutex<bool>,
    changed: watch::Sender<u64>,
}

/// The shop.
pub struct Shop {
    inner: Arc<Inner>,
    server: Server,
}

impl Shop {
    /// Opens a shop; `honours_key` says whether a repeated `webhook-id` is the same reply for it.
    pub async fn open(clock: Arc<dyn Clock>, honours_key: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, clock, honours_key)
    }

    /// Opens a shop on a port that was bound before.
    pub fn on(listener: TcpListener, clock: Arc<dyn Clock>, honours_key: bool) -> Self {
        let inner = Arc::new(Inner {
            books: Mutex::default(),
            faults: Faults::default(),
            gateway: Gateway::default(),
            clock,
            honours_key,
            misplaces: Mutex::new(false),
            long_ids: Mutex::new(false),
            changed: watch::Sender::new(0),
        });
        let router = Router::new()
            .route("/replies", post(reply))
            .route("/replies/lookup", get(lookup))
            .with_state(inner.clone());
        Self {
            inner,
            server: Server::on(listener, router),
        }
    }

    /// Where replies go.
    pub fn reply_url(&self) -> Url {
        self.server.url.join("/replies").unwrap()
    }

    /// Where they are looked up.
    pub fn lookup_url(&self) -> Url {
        self.server.url.join("/replies/lookup").unwrap()
    }

    /// The faults waiting: `reply` and `lookup`.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// What stands before the shop, for the same calls.
    pub fn gateway(&self) -> &Gateway {
        &self.inner.gateway
    }

    /// From now on replies get ids that nobody can keep.
    pub fn lengthen_ids(&self) {
        *self.inner.long_ids.lock().unwrap() = true;
    }

    /// From now on replies do not stand under the post they answer.
    pub fn misplace(&self) {
        *self.inner.misplaces.lock().unwrap() = true;
    }

    /// The replies that stand in the shop, as they came.
    pub fn replies(&self) -> Vec<Value> {
        let books = self.inner.books.lock().unwrap();
        books.replies.iter().map(|(body, _)| body.clone()).collect()
    }

    /// The `webhook-id` of every call that came, in order.
    pub fn calls(&self) -> Vec<String> {
        self.inner.books.lock().unwrap().calls.clone()
    }

    /// Waits until so many calls came.
    pub async fn called(&self, times: usize) {
        let mut changed = self.inner.changed.subscribe();
        let enough = changed.wait_for(|_| self.calls().len() >= times);
        tokio::time::timeout(std::time::Duration::from_secs(20), enough)
            .await
            .expect("the shop is called")
            .unwrap();
    }

    /// Sends a body to Hearback, signed.
    pub async fn send(&self, to: &Url, body: &Value) -> (StatusCode, Value) {
        let body = body.to_string();
        let at = self.inner.clock.now().timestamp();
        let id = format!("msg_{:x}", mac("id", at, body.as_bytes())[0]);
        deliver(to, &signed(&id, at, body.as_bytes()), body).await
    }
}

/// The three headers of a message.
pub fn signed(id: &str, at: i64, body: &[u8]) -> Vec<(&'static str, String)> {
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac(id, at, body)));
    vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", at.to_string()),
        ("webhook-signature", signature),
    ]
}

/// Sends a body with these headers, and reads the answer.
pub async fn deliver(
    to: &Url,
    headers: &[(&'static str, String)],
    body: impl Into<reqwest::Body>,
) -> (StatusCode, Value) {
    let client = hearback::adapter::http::client(std::time::Duration::from_secs(10)).unwrap();
    let mut call = client.post(to.clone()).body(body);
    for (name, value) in headers {
        call = call.header(*name, value);
    }
    let answer = call.send().await.unwrap();
    let status = answer.status();
    (status, answer.json().await.unwrap_or(Value::Null))
}

fn mac(id: &str, at: i64, body: &[u8]) -> Vec<u8> {
    let key = BASE64_STANDARD
        .decode(SECRET.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().to_vec()
}

impl Inner {
    /// Whether a call is signed as it must be, and by whom it says it is.
    fn believed(&self, headers: &HeaderMap, body: &[u8]) -> Option<String> {
        let header = |name: &str| headers.get(name)?.to_str().ok();
        let (id, at) = (
            header("webhook-id")?,
            header("webhook-timestamp")?.parse::<i64>().ok()?,
        );
        let fresh = (self.clock.now().timestamp() - at).abs() <= 300;
        let expected = signed(id, at, body).remove(2).1;
        (fresh && header("webhook-signature")? == expected).then(|| id.to_owned())
    }

    fn publish(&self, key: &str, body: &Value) -> Response {
        let mut books = self.books.lock().unwrap();
        if self.honours_key
            && let Some(before) = books.by_key.get(key)
        {
            return Json(before.clone()).into_response();
        }
        let mut id = format!("r{}", books.replies.len() + 1);
        if *self.long_ids.lock().unwrap() {
            id = id.repeat(300);
        }
        let target = if *self.misplaces.lock().unwrap() {
            Value::Null
        } else {
            body["in_reply_to"].clone()
        };
        let receipt =
            json!({"id": id, "url": format!("https://shop.example/replies/{id}"), "in_reply_to": target});
        books.replies.push((body.clone(), receipt.clone()));
        books.by_key.insert(key.to_owned(), receipt.clone());
        (StatusCode::CREATED, Json(receipt)).into_response()
    }
}

async fn reply(
    State(shop): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(key) = shop.believed(&headers, &body) else {
        return (StatusCode::UNAUTHORIZED, error("bad signature")).into_response();
    };
    let Ok(sent) = serde_json::from_slice::<Value>(&body) else {
        return (StatusCode::BAD_REQUEST, error("not JSON")).into_response();
    };
    let answer = shop
        .gateway
        .pass(&shop.faults, "reply", &line, || shop.publish(&key, &sent));
    shop.books.lock().unwrap().calls.push(key.clone());
    shop.changed.send_modify(|calls| *calls += 1);
    answer.await
}

async fn lookup(
    State(shop): State<Arc<Inner>>,
    ConnectInfo(line): ConnectInfo<Line>,
    Query(asked): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if shop.believed(&headers, b"").is_none() {
        return (StatusCode::UNAUTHORIZED, error("bad signature")).into_response();
    }
    let find = || {
        let books = shop.books.lock().unwrap();
        let wanted = asked.get("reply_id").map(String::as_str);
        let mut replies = books.replies.iter();
        match replies.find(|(body, _)| body["reply_id"].as_str() == wanted) {
            Some((_, receipt)) => Json(receipt.clone()).into_response(),
            None => (StatusCode::NOT_FOUND, error("no such reply")).into_response(),
        }
    };
    shop.gateway.pass(&shop.faults, "lookup", &line, find).await
}
