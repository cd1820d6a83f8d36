//! A Slack of a few lines: it takes messages, notes when each came, and limits a channel if told to.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, body::Bytes, routing::any};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// A limiter forgives being a little early.
const TOLERANCE: Duration = Duration::from_millis(50);

/// A message that was taken.
pub struct Taken {
    pub channel: String,
    pub body: String,
    pub at: Instant,
}

#[derive(Default)]
struct Books {
    taken: Vec<Taken>,
    refused: usize,
    calls: u64,
    due: HashMap<String, Instant>,
}

struct Inner {
    books: Mutex<Books>,
    every: Option<Duration>,
    count: watch::Sender<usize>,
}

/// The server.
pub struct Chat {
    inner: Arc<Inner>,
    pub url: String,
}

impl Chat {
    /// Opens it; with `every`, a channel takes one message in that time.
    pub async fn open(every: Option<Duration>) -> anyhow::Result<Self> {
        let inner = Arc::new(Inner {
            books: Mutex::default(),
            every,
            count: watch::Sender::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/api", listener.local_addr()?);
        let router = Router::new()
            .route("/api/{method}", any(call))
            .with_state(Arc::clone(&inner));
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        Ok(Self { inner, url })
    }

    /// Waits until so many messages were taken.
    pub async fn until(&self, count: usize) {
        let mut seen = self.inner.count.subscribe();
        let _ = seen.wait_for(|taken| *taken >= count).await;
    }

    /// Looks at the messages.
    pub fn look<T>(&self, look: impl FnOnce(&[Taken]) -> T) -> T {
        look(&self.inner.books.lock().unwrap().taken)
    }

    /// How many calls were refused because they came too soon.
    pub fn refused(&self) -> usize {
        self.inner.books.lock().unwrap().refused
    }
}

async fn call(State(inner): State<Arc<Inner>>, Path(method): Path<String>, body: Bytes) -> Response {
    let at = Instant::now();
    let mut books = inner.books.lock().unwrap();
    match method.as_str() {
        "auth.test" => Json(json!({"ok": true, "user_id": "U0BOT", "bot_id": "B0BOT", "team_id": "T0HOME"}))
            .into_response(),
        "chat.postMessage" => {
            #[derive(serde::Deserialize)]
            struct Message {
                channel: String,
            }
            let Ok(Message { channel }) = serde_json::from_slice(&body) else {
                return Json(json!({"ok": false, "error": "invalid_json"})).into_response();
            };
            if let Some(every) = inner.every {
                let due = books.due.get(&channel).copied().unwrap_or(at);
                if at + TOLERANCE < due {
                    books.refused += 1;
                    return (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response();
                }
                books.due.insert(channel.clone(), due.max(at) + every);
            }
            books.calls += 1;
            let ts = format!("1800000000.{:06}", books.calls);
            let answer = json!({"ok": true, "channel": channel, "ts": ts});
            let body = String::from_utf8_lossy(&body).into_owned();
            books.taken.push(Taken { channel, body, at });
            inner.count.send_replace(books.taken.len());
            Json(answer).into_response()
        }
        _ => Json(json!({"ok": true, "messages": Value::Array(Vec::new())})).into_response(),
    }
}
