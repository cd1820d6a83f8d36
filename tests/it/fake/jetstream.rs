//! A Jetstream of both forms: `/subscribe`, and `network.bsky.jetstream.subscribeEvents` with its framing and its
//! refusals. Written from the lexicon
//! (<https://github.com/bluesky-social/jetstream/blob/main/lexicons/network/bsky/jetstream/subscribeEvents.json>) and
//! from what the first form sends. At least once: who comes with a cursor hears what was from then on again.

use super::server::Server;
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hearback::domain::Clock;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use url::Url;

/// The longest a test waits.
const PATIENCE: Duration = Duration::from_secs(15);

/// Which forms a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    First,
    Both,
}

#[derive(Clone)]
struct Told {
    micros: i64,
    seq: i64,
    did: String,
    commit: Value,
}

struct Inner {
    speaks: Speaks,
    clock: Arc<dyn Clock>,
    log: Mutex<Vec<Told>>,
    live: broadcast::Sender<Told>,
    /// What a server says beside events.
    raw: broadcast::Sender<String>,
    asked: watch::Sender<Vec<String>>,
}

/// The server.
pub struct FakeJetstream {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeJetstream {
    pub async fn start(clock: Arc<dyn Clock>, speaks: Speaks) -> Self {
        let inner = Arc::new(Inner {
            speaks,
            clock,
            log: Mutex::default(),
            live: broadcast::Sender::new(256),
            raw: broadcast::Sender::new(16),
            asked: watch::Sender::default(),
        });
        let router = Router::new()
            .route("/subscribe", get(subscribe))
            .route("/xrpc/network.bsky.jetstream.subscribeEvents", get(subscribe))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        Self { inner, server }
    }

    /// Where it is.
    pub fn url(&self) -> Url {
        let mut url = self.server.url.clone();
        url.set_scheme("ws").unwrap();
        url
    }

    /// A record was written or removed: `at://did/collection/rkey`.
    pub fn tell(&self, operation: &str, uri: &str, record: Option<&Value>) {
        self.tell_ahead(operation, uri, record, Duration::ZERO);
    }

    /// The same, with a moment that is still so far away.
    pub fn tell_ahead(&self, operation: &str, uri: &str, record: Option<&Value>, ahead: Duration) {
        let mut parts = uri.strip_prefix("at://").unwrap().split('/');
        let mut part = || parts.next().unwrap().to_owned();
        let (did, collection, rkey) = (part(), part(), part());
        let mut commit =
            json!({"rev": "3lrev", "operation": operation, "collection": collection, "rkey": rkey});
        if let Some(record) = record {
            commit["record"] = record.clone();
            commit["cid"] = json!("bafyreig");
        }
        let mut log = self.inner.log.lock().unwrap();
        let told = Told {
            micros: (self.inner.clock.now() + ahead).timestamp_micros(),
            seq: log.len() as i64 + 1,
            did,
            commit,
        };
        log.push(told.clone());
        drop(log);
        let _ = self.inner.live.send(told);
    }

    /// Says this, as it is.
    pub fn say(&self, frame: &str) {
        let _ = self.inner.raw.send(frame.to_owned());
    }

    /// The addresses that were opened, once there are so many.
    pub async fn asked(&self, wanted: usize) -> Vec<String> {
        let mut asked = self.inner.asked.subscribe();
        let there = asked.wait_for(|asked| asked.len() >= wanted);
        let there = tokio::time::timeout(PATIENCE, there).await;
        there.expect("the stream is asked for").unwrap().clone()
    }
}

async fn subscribe(
    State(inner): State<Arc<Inner>>,
    OriginalUri(uri): OriginalUri,
    RawQuery(query): RawQuery,
    upgrade: WebSocketUpgrade,
) -> Response {
    let query: Vec<(String, String)> = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .into_owned()
        .collect();
    let second = uri.path() != "/subscribe";
    if second && inner.speaks == Speaks::First {
        return StatusCode::NOT_FOUND.into_response();
    }
    let known: &[&str] = if second {
        &["cursor", "kinds", "dids", "collections", "maxMessageSizeBytes"]
    } else {
        &["cursor", "wantedCollections", "wantedDids", "maxMessageSizeBytes"]
    };
    if query.iter().any(|(key, _)| !known.contains(&key.as_str())) {
        return (StatusCode::BAD_REQUEST, "InvalidRequest").into_response();
    }
    let of = |key: &str| {
        query
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value.clone())
    };
    let cursor = of("cursor").map(|cursor| cursor.parse::<i64>().unwrap());
    // The second form's own numbers end where microseconds begin.
    if second && cursor.is_some_and(|cursor| cursor < 1_000_000_000_000_000) {
        return (StatusCode::BAD_REQUEST, "CursorTooOld").into_response();
    }
    let collection = of(if second {
        "collections"
    } else {
        "wantedCollections"
    });
    inner.asked.send_modify(|asked| asked.push(uri.to_string()));
    upgrade
        .protocols(["xrpc.v1.json"])
        .on_upgrade(move |socket| serve(inner, socket, second, cursor, collection))
}

async fn serve(
    inner: Arc<Inner>,
    mut socket: WebSocket,
    second: bool,
    cursor: Option<i64>,
    collection: Option<String>,
) {
    let (mut live, mut raw) = (inner.live.subscribe(), inner.raw.subscribe());
    let past: Vec<_> = {
        let log = inner.log.lock().unwrap();
        let past = log
            .iter()
            .filter(|told| cursor.is_some_and(|cursor| told.micros >= cursor));
        past.cloned().collect()
    };
    let wanted = |told: &Told| {
        collection
            .as_deref()
            .is_none_or(|collection| told.commit["collection"] == collection)
    };
    for told in past.iter().filter(|told| wanted(told)) {
        if send(&mut socket, told, second).await.is_err() {
            return;
        }
    }
    loop {
        let sent = tokio::select! {
            told = live.recv() => match told {
                Ok(told) if wanted(&told) => send(&mut socket, &told, second).await,
                Ok(_) => Ok(()),
                Err(_) => return,
            },
            frame = raw.recv() => match frame {
                Ok(frame) if frame == "close" => return,
                Ok(frame) => socket.send(Message::Text(frame.into())).await,
                Err(_) => return,
            },
            frame = socket.recv() => match frame {
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return,
            },
        };
        if sent.is_err() {
            return;
        }
    }
}

async fn send(socket: &mut WebSocket, told: &Told, second: bool) -> Result<(), axum::Error> {
    let frame = if second {
        let at = chrono::DateTime::from_timestamp_micros(told.micros).unwrap();
        let at = at.to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
        let mut payload = told.commit.clone();
        payload["$type"] = json!("network.bsky.jetstream.subscribeEvents#commit");
        payload["seq"] = json!(told.seq);
        payload["did"] = json!(told.did);
        payload["time"] = json!(at);
        payload["witnessedAt"] = json!(at);
        json!({"$type": "message", "payload": payload})
    } else {
        json!({"did": told.did, "time_us": told.micros, "kind": "commit", "commit": told.commit})
    };
    socket.send(Message::Text(frame.to_string().into())).await
}
