//! Two hundred accounts that are read again and again: how many connections that takes, and how much
//! memory.

use super::chat::Chat;
use super::process::{Home, Process, Program};
use super::report::{Goal, Report};
use axum::extract::State;
use axum::{Json, Router, routing::any};
use serde_json::{Value, json};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// How many accounts.
const SOURCES: usize = 200;
/// How often all of them are read.
const CYCLES: usize = 4;
/// How often each is read.
const POLL: Duration = Duration::from_secs(5);
/// The most time it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// What was seen of them.
#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    readings: AtomicUsize,
}

/// A listener that counts.
struct Counted(TcpListener, Arc<Seen>);

impl axum::serve::Listener for Counted {
    type Io = TcpStream;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let accepted = axum::serve::Listener::accept(&mut self.0).await;
        self.1.connections.fetch_add(1, Ordering::Relaxed);
        accepted
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A network on which nothing happens.
async fn network() -> anyhow::Result<(String, Arc<Seen>)> {
    let seen = Arc::new(Seen::default());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/xrpc/com.atproto.server.createSession", any(session))
        .route("/xrpc/app.bsky.notification.listNotifications", any(nothing))
        .with_state(Arc::clone(&seen));
    let counted = Counted(listener, Arc::clone(&seen));
    TaskTracker::new().spawn(axum::serve(counted, router).into_future());
    Ok((url, seen))
}

async fn session() -> Json<Value> {
    Json(json!({
        "did": "did:plc:bench", "handle": "shop.example", "accessJwt": "access", "refreshJwt": "refresh",
    }))
}

async fn nothing(State(seen): State<Arc<Seen>>) -> Json<Value> {
    seen.readings.fetch_add(1, Ordering::Relaxed);
    Json(json!({ "notifications": [] }))
}

pub async fn run(report: &mut Report) -> anyhow::Result<()> {
    let chat = Chat::open(None).await?;
    let (url, seen) = network().await?;
    let home = Home::new(&chat.url)?;
    let mut text = std::fs::read_to_string(home.config())?;
    for n in 0..SOURCES {
        text += &format!(
            "[[source]]\nname = \"sky{n}\"\nplatform = \"bluesky\"\nurl = \"{url}\"\npoll = \"{}s\"\n\
             identifier = \"shop{n}.example\"\npassword = \"p\"\n",
            POLL.as_secs()
        );
    }
    std::fs::write(home.config(), text)?;
    let process = Process::start(Program::Binary, &home.config(), None).await?;
    let mut waited = Duration::ZERO;
    let mut most: f64 = 0.0;
    while seen.readings.load(Ordering::Relaxed) < SOURCES * CYCLES {
        anyhow::ensure!(waited < PATIENCE, "the accounts are not read");
        tokio::time::sleep(Duration::from_millis(100)).await;
        waited += Duration::from_millis(100);
        most = most.max(process.memory()?);
    }
    report.alone("memory, 200 accounts read", "MiB", most, Goal::AtMost(100.0));
    let calls = seen.readings.load(Ordering::Relaxed) + SOURCES;
    report.beside(
        "connections for them, beside their calls",
        "",
        seen.connections.load(Ordering::Relaxed) as f64,
        calls as f64,
        Goal::AtMost(SOURCES as f64),
    );
    process.stop()?;
    Ok(())
}
