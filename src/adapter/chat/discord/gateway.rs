//! The gateway: one WebSocket over which interactions come.
//!
//! serenity's client is not used here. It types every event and drops what does not parse, runs each
//! in a task of its own without order, resumes at the wrong address, and dials the real Discord when
//! the configured API does not tell a gateway. This loop keeps the raw JSON, resumes where it is told
//! to, and connects to nothing that the API did not name.
//! <https://discord.com/developers/docs/events/gateway>

use super::rest::{Failure, Rest, Route};
use crate::adapter::http;
use crate::adapter::link::Link;
use crate::adapter::supervise::Lost;
use futures_util::{SinkExt as _, StreamExt as _};
use rand::Rng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, header};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, frame::coding::CloseCode};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use url::Url;

/// GUILDS: interactions need no intent, and a gateway without any is closed by some servers.
/// <https://discord.com/developers/docs/events/gateway#gateway-intents>
pub(super) const INTENTS: u64 = 1;
/// How long connecting, and each of the first two answers, may take.
const GREETING: Duration = Duration::from_secs(15);
/// How often a session is resumed at once before the pauses of the supervisor apply.
const QUICK: u32 = 3;
/// A socket that stood this long is no sign of trouble when it ends.
const STOOD: Duration = Duration::from_secs(60);

/// Starts of a session that are left alone: Discord resets the token of a bot that uses them all up.
const RESERVE: u64 = 5;

/// How long writing a frame may take.
const WRITE: Duration = Duration::from_secs(5);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How to come back to a session.
#[derive(Debug, Clone)]
struct Session {
    id: String,
    /// Where; the API is asked when this did not answer.
    resume: Option<Url>,
}

/// The connection, over all its sockets.
pub(super) struct Gateway {
    pub rest: Arc<Rest>,
    pub token: SecretString,
    /// Where the API is: what it may name as gateways depends on it.
    pub api: Url,
    pub link: Link,
    session: Option<Session>,
    sequence: Option<u64>,
    /// The gateway that the API named last.
    named: Option<Url>,
}

/// Why a socket was left.
enum Left {
    /// Come back at once.
    Resume(String),
    /// Give up for now.
    Lost(Lost),
}

impl From<Lost> for Left {
    fn from(lost: Lost) -> Self {
        Self::Lost(lost)
    }
}

fn broken(reason: impl Into<String>) -> Left {
    Left::Lost(Lost::Broken(reason.into()))
}

/// A message of the gateway. What happened stays as it was sent.
#[derive(Deserialize)]
struct Payload<'a> {
    op: u64,
    s: Option<u64>,
    t: Option<String>,
    #[serde(borrow)]
    d: Option<&'a RawValue>,
}

impl Gateway {
    pub(super) fn new(rest: Arc<Rest>, token: SecretString, api: Url, link: Link) -> Self {
        Self {
            rest,
            token,
            api,
            link,
            session: None,
            sequence: None,
            named: None,
        }
    }

    /// Connects and listens until the connection is lost for longer than a resume takes. Hands every
    /// interaction to `heard`, raw and in the gateway's order.
    pub(super) async fn listen(&mut self, mut heard: impl FnMut(&str)) -> Result<(), Lost> {
        let mut quick = 0;
        loop {
            let began = Instant::now();
            let end = self.socket(&mut heard).await;
            if began.elapsed() >= STOOD {
                quick = 0;
            }
            match end {
                Ok(()) => return Ok(()),
                Err(Left::Lost(lost)) => return Err(lost),
                Err(Left::Resume(reason)) if quick < QUICK && self.session.is_some() => {
                    tracing::debug!(reason, "The gateway is resumed.");
                    quick += 1;
                }
                Err(Left::Resume(reason)) => return Err(Lost::Broken(reason)),
            }
        }
    }

    async fn socket(&mut self, heard: &mut impl FnMut(&str)) -> Result<(), Left> {
        let url = match self.session.as_ref().and_then(|session| session.resume.clone()) {
            Some(resume) => resume,
            None => self.ask_for_address().await?,
        };
        http::install_tls();
        let url = with_version(url);
        let address = url.as_str().into_client_request();
        let mut request = address.map_err(|error| self.unreachable(error.to_string()))?;
        let agent = HeaderValue::from_static(http::USER_AGENT);
        request.headers_mut().insert(header::USER_AGENT, agent);
        let connecting = Box::pin(connect_async(request));
        let connected = tokio::time::timeout(GREETING, connecting).await;
        let mut socket = match connected {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(error)) => return Err(self.unreachable(error.to_string())),
            Err(_) => return Err(self.unreachable("connecting takes too long".to_owned())),
        };
        let end = self.converse(&mut socket, heard).await;
        // Any code but 1000 and 1001 keeps the session for a resume.
        let close = CloseFrame {
            code: CloseCode::Library(4900),
            reason: "".into(),
        };
        let _ = tokio::time::timeout(Duration::from_secs(1), socket.close(Some(close))).await;
        end
    }

    /// A resume address that does not answer must not hold us for ever: the API is asked again, and
    /// the session goes on at the address it names.
    fn unreachable(&mut self, reason: String) -> Left {
        if let Some(session) = &mut self.session {
            session.resume = None;
        }
        broken(format!("the gateway cannot be reached ({reason})"))
    }

    /// Asks the API for the gateway, and whether a session may be begun.
    async fn ask_for_address(&mut self) -> Result<Url, Lost> {
        let told = match self.rest.get(Route::plain("/gateway/bot")).await {
            Err(Failure::Refused { status: 404, .. }) => self.rest.get(Route::plain("/gateway")).await,
            other => other,
        };
        let told = told.map_err(|failure| match failure {
            Failure::Limited(wait) => Lost::Later(wait),
            Failure::Unauthorized => Lost::Hopeless(
                "the bot token is not accepted; put the current one into [discord] token".to_owned(),
            ),
            Failure::NotReached(reason) | Failure::Unknown(reason) => Lost::Broken(reason),
            Failure::Refused { words, .. } => {
                Lost::Broken(format!("the gateway's address is refused: {words}"))
            }
        })?;
        let limit = &told["session_start_limit"];
        if limit["remaining"].as_u64().is_some_and(|left| left <= RESERVE) {
            let wait = limit["reset_after"].as_u64().unwrap_or(60_000);
            tracing::error!("Nearly all starts of Discord sessions of today are used up; waiting.");
            return Err(Lost::Later(Duration::from_millis(wait)));
        }
        let url = told["url"].as_str().and_then(|url| Url::parse(url).ok());
        match url {
            Some(url) if matches!(url.scheme(), "ws" | "wss") && self.allows(&url) => {
                self.named = Some(url.clone());
                Ok(url)
            }
            Some(url) => Err(Lost::Hopeless(format!(
                "{} names {} as its gateway, which is not trusted with the token",
                self.api,
                url.host_str().unwrap_or("nothing")
            ))),
            None => Err(Lost::Broken("the API names no gateway".to_owned())),
        }
    }

    /// Whether the token may be sent there. Discord's own gateways are under discord.gg and encrypted.
    fn allows(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        if self.api.host_str() == Some("discord.com") {
            return url.scheme() == "wss" && (host == "discord.gg" || host.ends_with(".discord.gg"));
        }
        self.api.scheme() != "https" || url.scheme() == "wss"
    }

    /// Apart from Discord itself, nobody but the API may say where the token goes.
    fn is_of_api(&self, url: &Url) -> bool {
        let named = self.named.as_ref().and_then(Url::host_str);
        self.api.host_str() == Some("discord.com") || named == url.host_str()
    }

    async fn converse(&mut self, socket: &mut Socket, heard: &mut impl FnMut(&str)) -> Result<(), Left> {
        let pause = self.hello(socket).await?;
        self.introduce(socket).await?;
        // The first heartbeat comes at a random part of the interval, so that a crowd spreads.
        let mut next_beat = Instant::now() + pause.mul_f64(rand::rng().random_range(0.0..1.0));
        let mut answered = true;
        let mut greeted_by = Some(Instant::now() + GREETING);
        loop {
            let far = Instant::now() + Duration::from_secs(3600);
            tokio::select! {
                frame = socket.next() => {
                    let text = self.text(frame)?;
                    let Some(text) = text else { continue };
                    let Ok(payload) = serde_json::from_str::<Payload>(&text) else {
                        tracing::warn!("The gateway sent something that is not its protocol.");
                        continue;
                    };
                    match payload.op {
                        0 => {
                            let inside = self.dispatch(&payload, heard);
                            greeted_by = greeted_by.filter(|_| !inside);
                        }
                        // Discord wants a heartbeat now.
                        1 => self.beat(socket).await?,
                        7 => return Err(Left::Resume("the gateway asked to reconnect".to_owned())),
                        9 => {
                            let resumable = payload.d.is_some_and(|d| d.get() == "true");
                            if resumable {
                                return Err(Left::Resume("the session was interrupted".to_owned()));
                            }
                            self.forget();
                            // "wait a random amount of time between 1 and 5 seconds"; then the API is
                            // asked whether another session may be begun.
                            let wait = rand::rng().random_range(1.0..5.0);
                            tokio::time::sleep(Duration::from_secs_f64(wait)).await;
                            return Err(broken("the gateway forgot the session; a new one is begun"));
                        }
                        11 => answered = true,
                        _ => {}
                    }
                }
                () = tokio::time::sleep_until(next_beat) => {
                    if !answered {
                        return Err(Left::Resume("the gateway is silent".to_owned()));
                    }
                    answered = false;
                    self.beat(socket).await?;
                    next_beat = Instant::now() + pause;
                }
                () = tokio::time::sleep_until(greeted_by.unwrap_or(far)), if greeted_by.is_some() => {
                    self.forget();
                    return Err(broken("the gateway does not greet us"));
                }
            }
        }
    }

    /// Waits for HELLO, which tells how often to send heartbeats.
    async fn hello(&mut self, socket: &mut Socket) -> Result<Duration, Left> {
        let deadline = Instant::now() + GREETING;
        loop {
            let Ok(frame) = tokio::time::timeout_at(deadline, socket.next()).await else {
                return Err(broken("the gateway does not say hello"));
            };
            let Some(text) = self.text(frame)? else { continue };
            let told: Value = serde_json::from_str(&text).unwrap_or_default();
            if told["op"] == 10 {
                let pause = told["d"]["heartbeat_interval"].as_u64().unwrap_or(41_250);
                return Ok(Duration::from_millis(pause.clamp(20, 600_000)));
            }
        }
    }

    /// RESUME where there is a session, IDENTIFY where there is none.
    async fn introduce(&mut self, socket: &mut Socket) -> Result<(), Left> {
        let token = self.token.expose_secret();
        let payload = match (&self.session, self.sequence) {
            (Some(session), Some(sequence)) => json!({"op": 6, "d": {
                "token": token, "session_id": session.id, "seq": sequence,
            }}),
            _ => json!({"op": 2, "d": {
                "token": token,
                "intents": INTENTS,
                "properties": {"os": std::env::consts::OS, "browser": "hearback", "device": "hearback"},
            }}),
        };
        send(socket, &payload).await
    }

    async fn beat(&self, socket: &mut Socket) -> Result<(), Left> {
        send(socket, &json!({"op": 1, "d": self.sequence})).await
    }

    /// Takes note of an event. True when it says that we are in.
    fn dispatch(&mut self, payload: &Payload, heard: &mut impl FnMut(&str)) -> bool {
        let data = payload.d.map(RawValue::get).unwrap_or("null");
        // What is handed over is on its way before the sequence says that we have it.
        if payload.t.as_deref() == Some("INTERACTION_CREATE") {
            heard(data);
        }
        if let Some(sequence) = payload.s {
            self.sequence = Some(sequence);
        }
        match payload.t.as_deref() {
            Some("READY") => {
                self.ready(&serde_json::from_str(data).unwrap_or_default());
                self.link.up();
                true
            }
            Some("RESUMED") => {
                self.link.up();
                true
            }
            Some(_) | None => false,
        }
    }

    fn ready(&mut self, told: &Value) {
        let resume = told["resume_gateway_url"]
            .as_str()
            .and_then(|url| Url::parse(url).ok())
            .filter(|url| matches!(url.scheme(), "ws" | "wss") && self.allows(url) && self.is_of_api(url));
        self.session = told["session_id"].as_str().map(|id| Session {
            id: id.to_owned(),
            resume: resume.or_else(|| self.named.clone()),
        });
    }

    fn forget(&mut self) {
        self.session = None;
        self.sequence = None;
    }

    /// The text of a frame; `None` for frames without. Says why a socket that ended did.
    fn text(
        &mut self,
        frame: Option<Result<Frame, tokio_tungstenite::tungstenite::Error>>,
    ) -> Result<Option<String>, Left> {
        match frame {
            Some(Ok(Frame::Text(text))) => Ok(Some(text.as_str().to_owned())),
            Some(Ok(Frame::Close(close))) => {
                let code = close.as_ref().map_or(1005, |close| u16::from(close.code));
                Err(self.closed(code))
            }
            Some(Ok(Frame::Binary(_) | Frame::Ping(_) | Frame::Pong(_) | Frame::Frame(_))) => Ok(None),
            Some(Err(error)) => Err(Left::Resume(format!("the gateway broke off ({error})"))),
            None => Err(Left::Resume("the gateway hung up".to_owned())),
        }
    }

    /// What a close code asks for.
    /// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>
    fn closed(&mut self, code: u16) -> Left {
        let hopeless =
            |words: &str| Left::Lost(Lost::Hopeless(format!("the gateway closed with {code}: {words}")));
        match code {
            4004 => {
                self.forget();
                hopeless("the bot token is not accepted; put the current one into [discord] token")
            }
            4010 | 4011 => {
                self.forget();
                hopeless("the bot is in too many servers for one connection; use an application of its own")
            }
            4012 => hopeless("this version of the gateway is no longer served; update Hearback"),
            4013 | 4014 => {
                self.forget();
                hopeless("the intent GUILDS is not granted; it needs no switch, so check the application")
            }
            // 4007 and 4009: the session cannot go on; 4003: it never was one.
            4003 | 4007 | 4009 => {
                self.forget();
                broken(format!("the gateway closed with {code}; a new session is begun"))
            }
            4008 => broken("the gateway closed with 4008: too many messages"),
            _ => Left::Resume(format!("the gateway closed with {code}")),
        }
    }
}

async fn send(socket: &mut Socket, payload: &Value) -> Result<(), Left> {
    let sending = socket.send(Frame::text(payload.to_string()));
    match tokio::time::timeout(WRITE, sending).await {
        Ok(sent) => sent.map_err(|error| Left::Resume(format!("the gateway broke off ({error})"))),
        Err(_) => Err(Left::Resume("the gateway takes no more".to_owned())),
    }
}

/// Version 10, as text.
fn with_version(mut url: Url) -> Url {
    url.set_query(Some("v=10&encoding=json"));
    if url.path().is_empty() {
        url.set_path("/");
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SystemClock;

    fn gateway(api: &str) -> Gateway {
        let api = Url::parse(api).unwrap();
        let token = SecretString::from("t");
        let rest = Rest::new(&api, token.clone(), Arc::new(SystemClock), Link::new("t")).unwrap();
        Gateway::new(Arc::new(rest), token, api, Link::new("t"))
    }

    #[test]
    fn the_token_goes_to_discords_gateways_only() {
        let real = gateway("https://discord.com");
        let allows = |gateway: &Gateway, url: &str| gateway.allows(&Url::parse(url).unwrap());
        assert!(allows(&real, "wss://gateway.discord.gg"));
        assert!(!allows(&real, "ws://gateway.discord.gg"));
        assert!(!allows(&real, "wss://gateway.discord.gg.evil.example"));
        assert!(!allows(&real, "wss://notdiscord.gg"));
        let own = gateway("https://chat.example");
        assert!(allows(&own, "wss://gateway.example"));
        assert!(!allows(&own, "ws://gateway.example"));
    }

    #[test]
    fn a_resume_elsewhere_goes_to_the_gateway_the_api_named() {
        let mut own = gateway("http://chat.example");
        own.named = Some(Url::parse("ws://gateway.example").unwrap());
        own.ready(&json!({"session_id": "s", "resume_gateway_url": "ws://evil.example"}));
        let resume = own.session.as_ref().and_then(|session| session.resume.clone());
        assert_eq!(resume, own.named);
        own.ready(&json!({"session_id": "s", "resume_gateway_url": "ws://gateway.example:81"}));
        let resume = own.session.and_then(|session| session.resume);
        assert_eq!(resume, Url::parse("ws://gateway.example:81").ok());
    }
}
