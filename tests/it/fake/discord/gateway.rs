//! The gateway: HELLO, IDENTIFY, heartbeats, RESUME with replay, and all its ways to fail.

use super::{APP, BOT, FakeDiscord, GUILD, Shared, TOKEN, World};
use axum::Router;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, State};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// What is remembered of a connection after it broke.
#[derive(Debug, Default)]
pub struct Session {
    /// Events with their sequence.
    pub events: Vec<(u64, Value)>,
}

/// What a test makes a socket do.
#[derive(Debug, Clone)]
pub enum Order {
    /// Sends this as it is.
    Send(Value),
    /// Closes with this code.
    Close(u16),
    /// Cuts the line.
    Cut,
}

pub fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/", get(open))
        .route("/resume", get(open))
        .with_state(shared)
}

async fn open(
    State(shared): State<Shared>,
    OriginalUri(uri): OriginalUri,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    assert!(uri.query().is_some_and(|query| query.contains("v=10")));
    let path = uri.path().to_owned();
    upgrade.on_upgrade(move |socket| serve(shared, path, socket))
}

async fn serve(shared: Shared, path: String, mut socket: WebSocket) {
    let (wire, mut orders) = mpsc::unbounded_channel();
    let interval = {
        let mut world = shared.world();
        world.sockets.push(path);
        world.live = false;
        world.wires.push(wire);
        world.heartbeat_interval
    };
    shared.touch();
    let hello = json!({"op": 10, "d": {"heartbeat_interval": interval}, "s": null, "t": null});
    if send(&mut socket, &hello).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Send(payload)) => {
                    if send(&mut socket, &payload).await.is_err() { return; }
                }
                Some(Order::Close(code)) => {
                    let frame = CloseFrame { code, reason: "".into() };
                    let _ = socket.send(Message::Close(Some(frame))).await;
                    return;
                }
                Some(Order::Cut) | None => return,
            },
            frame = socket.recv() => {
                let Some(Ok(frame)) = frame else { return };
                let Message::Text(text) = frame else { continue };
                let payload: Value = serde_json::from_str(&text).unwrap();
                for answer in hear(&shared, &payload) {
                    match answer {
                        Order::Send(payload) => if send(&mut socket, &payload).await.is_err() { return; },
                        Order::Close(code) => {
                            let frame = CloseFrame { code, reason: "".into() };
                            let _ = socket.send(Message::Close(Some(frame))).await;
                            return;
                        }
                        Order::Cut => return,
                    }
                }
                shared.touch();
            }
        }
    }
}

async fn send(socket: &mut WebSocket, payload: &Value) -> Result<(), axum::Error> {
    socket.send(Message::Text(payload.to_string().into())).await
}

/// What the gateway answers.
fn hear(shared: &Shared, payload: &Value) -> Vec<Order> {
    let new_session = format!("session-{}", shared.new_id());
    let mut world = shared.world();
    let data = &payload["d"];
    match payload["op"].as_u64() {
        Some(1) => {
            world.heartbeats += 1;
            if world.silent {
                return Vec::new();
            }
            vec![Order::Send(json!({"op": 11, "d": null, "s": null, "t": null}))]
        }
        Some(2) => {
            world.introductions.push("IDENTIFY".to_owned());
            if data["token"] != TOKEN {
                return vec![Order::Close(4004)];
            }
            if data["intents"] != 1 {
                world.problems.push(format!("intents {}", data["intents"]));
            }
            let address = shared.address;
            let ready = json!({"op": 0, "t": "READY", "s": 1, "d": {
                "v": 10, "user": {"id": BOT.to_string(), "username": "hearback", "bot": true},
                "guilds": [{"id": GUILD.to_string(), "unavailable": true}], "session_id": new_session,
                "resume_gateway_url": format!("ws://{address}/resume"), "shard": [0, 1],
                "application": {"id": APP.to_string(), "flags": 0},
            }});
            let session = Session {
                events: vec![(1, ready.clone())],
            };
            world.sessions.clear();
            world.sessions.insert(new_session, session);
            world.live = true;
            vec![Order::Send(ready)]
        }
        Some(6) => {
            let seq = data["seq"].as_u64().unwrap();
            world.introductions.push(format!("RESUME {seq}"));
            let Some(session) = data["session_id"].as_str().and_then(|id| world.sessions.get(id)) else {
                return vec![Order::Send(json!({"op": 9, "d": false, "s": null, "t": null}))];
            };
            let missed = session.events.iter().filter(|(at, _)| *at > seq);
            let mut out: Vec<_> = missed.map(|(_, event)| Order::Send(event.clone())).collect();
            let last = session.events.len() as u64;
            out.push(Order::Send(json!({"op": 0, "t": "RESUMED", "s": last, "d": {}})));
            world.live = true;
            out
        }
        other => {
            world.problems.push(format!("the gateway was sent op {other:?}"));
            Vec::new()
        }
    }
}

impl FakeDiscord {
    /// Something happens: it goes to the session, and over the wire if there is one.
    pub fn dispatch(&self, name: &str, data: &Value) {
        let mut world = self.world();
        let Some(session) = world.sessions.values_mut().next() else {
            panic!("nobody is connected to the gateway");
        };
        let sequence = session.events.len() as u64 + 1;
        let event = json!({"op": 0, "t": name, "s": sequence, "d": data});
        session.events.push((sequence, event.clone()));
        // What happens while nobody listens is replayed.
        if world.live {
            order(&mut world, &Order::Send(event));
        }
    }

    /// Makes the newest socket do this.
    pub fn gateway(&self, wanted: &Order) {
        order(&mut self.world(), wanted);
    }

    /// Forgets all sessions: a resume is refused.
    pub fn forget_sessions(&self) {
        self.world().sessions.clear();
    }

    /// Waits until so many introductions were made, and tells them all.
    pub async fn introductions(&self, count: usize) -> Vec<String> {
        self.until("introductions to the gateway", |world| {
            (world.introductions.len() >= count).then(|| world.introductions.clone())
        })
        .await
    }
}

fn order(world: &mut World, wanted: &Order) {
    if !matches!(wanted, Order::Send(_)) {
        world.live = false;
    }
    if let Some(wire) = world.wires.last() {
        let _ = wire.send(wanted.clone());
    }
}
