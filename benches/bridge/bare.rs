//! The way of a post through the same libraries, and nothing else: a signed request is verified, its
//! post written down (many in a commit) and told to the chat, one after the other. No case, no event,
//! no outbox, no card: what it costs is what those cost at least.

use super::load::{SECRET, WORDS};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearback::config::{Config, Purpose};
use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The most posts in one commit.
const MOST: usize = 256;

#[derive(Serialize, Deserialize)]
struct Post {
    id: String,
    text: String,
}

type Taken = (Post, oneshot::Sender<()>);

#[derive(Clone)]
struct Here {
    key: Arc<[u8]>,
    posts: mpsc::Sender<Taken>,
}

/// Serves until it is killed.
pub async fn serve(config: &str) -> anyhow::Result<()> {
    let config = Config::from_toml(config, &std::fs::read_to_string(config)?, Purpose::Serve)?;
    let path = config.database.url.expose_secret().trim_start_matches("sqlite:");
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePool::connect_with(options).await?;
    sqlx::raw_sql("CREATE TABLE post (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT")
        .execute(&pool)
        .await?;
    let (posts, waiting) = mpsc::channel(1_024);
    let (told, telling) = mpsc::unbounded_channel();
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(async move { write(pool, waiting, told).await.unwrap() });
    let slack = config
        .slack
        .map(|slack| slack.api_url.to_string())
        .unwrap_or_default();
    tasks.spawn(async move { tell(slack, telling).await.unwrap() });
    let here = Here {
        key: BASE64_STANDARD
            .decode(SECRET.trim_start_matches("whsec_"))?
            .into(),
        posts,
    };
    let routes = axum::Router::new()
        .route("/webhooks/shop", axum::routing::post(take))
        .route("/readyz", axum::routing::get(async || "ok"))
        .with_state(here);
    let listener = tokio::net::TcpListener::bind(config.server.listen).await?;
    eprintln!("Hearback is ready. addr={}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn take(State(here): State<Here>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let mut mac = Hmac::<Sha256>::new_from_slice(&here.key).unwrap();
    mac.update(format!("{}.{}.", text("webhook-id"), text("webhook-timestamp")).as_bytes());
    mac.update(&body);
    let signature = BASE64_STANDARD
        .decode(text("webhook-signature").trim_start_matches("v1,"))
        .unwrap_or_default();
    if mac.verify_slice(&signature).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let (done, written) = oneshot::channel();
    let post = serde_json::from_slice(&body).unwrap();
    here.posts.send((post, done)).await.unwrap();
    written.await.unwrap();
    StatusCode::ACCEPTED
}

async fn write(
    pool: SqlitePool,
    mut waiting: mpsc::Receiver<Taken>,
    told: mpsc::UnboundedSender<Post>,
) -> anyhow::Result<()> {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, MOST).await > 0 {
        let (posts, answers): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        sqlx::query(
            "BEGIN IMMEDIATE; INSERT INTO post (id, body) SELECT value ->> 'id', value FROM json_each($1) \
             WHERE true ON CONFLICT DO NOTHING; COMMIT",
        )
        .bind(serde_json::to_string(&posts)?)
        .execute(&pool)
        .await?;
        for answer in answers {
            let _ = answer.send(());
        }
        for post in posts {
            told.send(post)?;
        }
    }
    Ok(())
}

async fn tell(slack: String, mut telling: mpsc::UnboundedReceiver<Post>) -> anyhow::Result<()> {
    let client = hearback::adapter::http::client(Duration::from_secs(10))?;
    // As long as a card.
    let rest = WORDS.repeat(8);
    while let Some(post) = telling.recv().await {
        let body = json!({"channel": "C0CARE", "text": post.text, "blocks": rest});
        let answer = client
            .post(format!("{}/chat.postMessage", slack.trim_end_matches('/')))
            .bearer_auth("xoxb-bench")
            .json(&body)
            .send()
            .await?;
        anyhow::ensure!(answer.json::<serde_json::Value>().await?["ok"] == true);
    }
    Ok(())
}
