//! Socket Mode: <https://docs.slack.dev/apis/events-api/using-socket-mode>.
//!
//! A loop of our own, because slack-morphism's cannot keep the promise "stored before acknowledged":
//! it hides the raw envelope and its retry fields, acknowledges what it cannot parse, fails on
//! payloads of organisation-wide installations and on other apps' metadata, awaits callbacks on the
//! reading loop, closes the old socket before it opens the new one, and waits for the network
//! without a limit.
//!
//! Two of these connections stand at any time; Slack sends each envelope to one of them. When it
//! announces a refresh, the new socket opens first, and the old one is read until it closes.

use super::Slack;
use super::api::CALL;
use super::hear::Verdict;
use super::translate::Kind;
use crate::adapter::http::install_tls;
use crate::adapter::link::Link;
use crate::adapter::supervise::Lost;
use crate::app::Inbound;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The largest frame that is read.
const MOST_FRAME: usize = 4 * 1024 * 1024;
/// A socket that is to be refreshed sooner is a sign of trouble: the next one opens after a pause.
const STOOD: Duration = Duration::from_secs(10);
/// How long writing a frame may take.
const WRITE: Duration = Duration::from_secs(5);

/// What a connection waits for, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Opening: the address, the handshake and the greeting, each.
    pub open: Duration,
    /// The pause between our pings.
    pub ping: Duration,
    /// A socket without any frame for so long is dead.
    pub silent: Duration,
    /// How long the answer to a person is waited for before the acknowledgement goes without it.
    /// Slack waits three seconds.
    pub answer: Duration,
    /// How long a socket that Slack wants to refresh is still read.
    pub linger: Duration,
    /// The pause between two questions whether the token still works.
    pub check: Duration,
    /// How long a call of the Web API may take.
    pub call: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            open: Duration::from_secs(10),
            ping: Duration::from_secs(15),
            silent: Duration::from_secs(45),
            answer: Duration::from_millis(2500),
            linger: Duration::from_secs(10),
            check: Duration::from_secs(300),
            call: CALL,
        }
    }
}

/// A mention has no person waiting at a spinner: it is acknowledged whenever it is stored.
const UNHURRIED: Duration = Duration::from_secs(30);

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What Slack sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Incoming {
    Hello,
    Disconnect {
        #[serde(default)]
        reason: String,
    },
    EventsApi(Envelope),
    SlashCommands(Envelope),
    Interactive(Envelope),
}

#[derive(Debug, Deserialize)]
struct Envelope {
    envelope_id: String,
    #[serde(default)]
    payload: Value,
    #[serde(default)]
    accepts_response_payload: bool,
    #[serde(default)]
    retry_attempt: Option<u32>,
    #[serde(default)]
    retry_reason: Option<String>,
}

impl Envelope {
    /// Which repetition this is, if it is one: Slack counts from 0, and 0 is the first time.
    fn again(&self) -> Option<u32> {
        self.retry_attempt.filter(|attempt| *attempt > 0)
    }
}

/// One socket.
struct Socket {
    write: SplitSink<Stream, Frame>,
    read: SplitStream<Stream>,
    /// Acknowledgements of envelopes that came by this socket.
    acks: mpsc::Receiver<String>,
    tell: mpsc::Sender<String>,
    /// Who stops waits until the last acknowledgements are written.
    _open: TaskTrackerToken,
}

/// How reading a socket ended well.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Slack wants a new one.
    Refresh,
    /// We are stopping.
    Stopped,
}

/// Keeps one of the connections standing until it breaks.
pub(super) async fn connect(
    slack: &Arc<Slack>,
    app_token: &SecretString,
    inbound: &Inbound,
    link: &Link,
    stop: &CancellationToken,
) -> Result<(), Lost> {
    while let Some(opened) = stop.run_until_cancelled(Box::pin(open(slack, app_token))).await {
        let mut socket = opened?;
        link.up();
        let began = Instant::now();
        match serve(slack, &mut socket, inbound, stop).await? {
            End::Stopped => finish(slack, socket, inbound).await,
            End::Refresh => {
                let (slack_too, inbound) = (Arc::clone(slack), inbound.clone());
                slack
                    .tasks
                    .spawn(async move { finish(&slack_too, socket, &inbound).await });
                if began.elapsed() < STOOD {
                    return Err(Lost::Broken(
                        "Slack wanted another socket as soon as this one stood".to_owned(),
                    ));
                }
            }
        }
    }
    // Stopped: the caller ends this.
    std::future::pending().await
}

/// Asks for an address, connects, and waits for the greeting.
async fn open(slack: &Slack, app_token: &SecretString) -> Result<Socket, Lost> {
    let limit = slack.timing.open;
    let body = json!({});
    let asked = slack.api.post(app_token, "apps.connections.open", &body);
    let answer = timeout(limit, asked)
        .await
        .map_err(|_| Lost::Broken("apps.connections.open does not answer".to_owned()))?
        .map_err(Lost::from)?;
    let url = answer
        .text("/url")
        .filter(|url| url.starts_with("wss://") || slack.api.is_plain())
        .ok_or_else(|| Lost::Broken("Slack named no socket with TLS".to_owned()))?;
    install_tls();
    let config = WebSocketConfig::default()
        .max_message_size(Some(MOST_FRAME))
        .max_frame_size(Some(MOST_FRAME));
    let connecting = tokio_tungstenite::connect_async_with_config(url, Some(config), true);
    // The address holds a ticket: errors are told without it.
    let (stream, _) = timeout(limit, connecting)
        .await
        .map_err(|_| Lost::Broken("the socket does not open".to_owned()))?
        .map_err(|error| Lost::Broken(format!("the socket does not open: {error}")))?;
    let (write, mut read) = stream.split();
    timeout(limit, greeting(&mut read))
        .await
        .map_err(|_| Lost::Broken("the socket does not greet".to_owned()))??;
    let (tell, acks) = mpsc::channel(super::MOST_WORK);
    Ok(Socket {
        write,
        read,
        acks,
        tell,
        _open: slack.tasks.token(),
    })
}

async fn greeting(read: &mut SplitStream<Stream>) -> Result<(), Lost> {
    while let Some(frame) = read.next().await {
        let Frame::Text(text) = frame.map_err(|error| Lost::Broken(error.to_string()))? else {
            continue;
        };
        match serde_json::from_str(&text) {
            Ok(Incoming::Hello) => return Ok(()),
            Ok(Incoming::Disconnect { reason }) => {
                disconnected(&reason)?;
                return Err(Lost::Broken(format!(
                    "Slack closed the socket before the greeting: {reason}"
                )));
            }
            // Slack sends no envelope before the greeting; unacknowledged, it comes again.
            Ok(Incoming::EventsApi(_) | Incoming::SlashCommands(_) | Incoming::Interactive(_)) | Err(_) => {}
        }
    }
    Err(Lost::Broken("the socket closed before the greeting".to_owned()))
}

fn disconnected(reason: &str) -> Result<End, Lost> {
    match reason {
        "link_disabled" => Err(Lost::Hopeless(
            "Socket Mode is off for the app; turn it on under Settings, Socket Mode".to_owned(),
        )),
        "too_many_websockets" => Err(Lost::Broken(
            "the app has too many sockets (Slack allows ten); stop other instances of Hearback".to_owned(),
        )),
        // `warning`, `refresh_requested`, and what may come.
        _ => Ok(End::Refresh),
    }
}

/// Reads a socket, hands envelopes on, writes their acknowledgements.
async fn serve(
    slack: &Arc<Slack>,
    socket: &mut Socket,
    inbound: &Inbound,
    stop: &CancellationToken,
) -> Result<End, Lost> {
    let mut pings = tokio::time::interval(slack.timing.ping);
    pings.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut heard = Instant::now();
    loop {
        let silent = tokio::time::sleep_until(heard + slack.timing.silent);
        tokio::select! {
            () = stop.cancelled() => return Ok(End::Stopped),
            () = silent => return Err(Lost::Broken(format!("nothing heard for {:?}", slack.timing.silent))),
            _ = pings.tick() => write(socket, Frame::Ping(Vec::new().into())).await?,
            Some(ack) = socket.acks.recv() => write(socket, Frame::text(ack)).await?,
            frame = socket.read.next() => {
                heard = Instant::now();
                match frame {
                    Some(Ok(Frame::Text(text))) => {
                        if let Some(reason) = take(slack, &text, &socket.tell, inbound) {
                            return disconnected(&reason);
                        }
                    }
                    Some(Ok(Frame::Ping(_))) => in_time(socket.write.flush()).await?,
                    Some(Ok(Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_))) => {}
                    Some(Ok(Frame::Close(_))) | None => return Err(Lost::Broken("Slack closed the socket".to_owned())),
                    Some(Err(error)) => return Err(gone(&error)),
                }
            }
        }
    }
}

fn gone(error: &tokio_tungstenite::tungstenite::Error) -> Lost {
    Lost::Broken(format!("the socket broke: {error}"))
}

async fn write(socket: &mut Socket, frame: Frame) -> Result<(), Lost> {
    in_time(socket.write.send(frame)).await
}

async fn in_time(
    writing: impl Future<Output = Result<(), tokio_tungstenite::tungstenite::Error>>,
) -> Result<(), Lost> {
    match timeout(WRITE, writing).await {
        Ok(sent) => sent.map_err(|error| gone(&error)),
        Err(_) => Err(Lost::Broken("the socket takes no more".to_owned())),
    }
}

/// Serves a socket that is on its way out: envelopes still come, answers still go. When we stop,
/// only the answers go: what is not taken comes again.
async fn finish(slack: &Arc<Slack>, socket: Socket, inbound: &Inbound) {
    let Socket {
        mut write,
        mut read,
        mut acks,
        tell,
        _open,
    } = socket;
    // Without our own sender, `recv` ends when the last envelope is answered.
    let mut tell = Some(tell);
    let work = async {
        loop {
            tokio::select! {
                () = slack.stopping.cancelled(), if tell.is_some() => tell = None,
                ack = acks.recv() => {
                    let Some(ack) = ack else { break };
                    if in_time(write.send(Frame::text(ack))).await.is_err() { break; }
                }
                frame = read.next() => match frame {
                    Some(Ok(Frame::Text(text))) => {
                        if let Some(tell) = &tell {
                            take(slack, &text, tell, inbound);
                        }
                    }
                    Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Binary(_) | Frame::Frame(_))) => {}
                    Some(Ok(Frame::Close(_)) | Err(_)) | None => break,
                },
            }
        }
    };
    let _ = timeout(slack.timing.linger, work).await;
    let _ = timeout(WRITE, write.close()).await;
}

/// Starts the work on a frame. Returns the reason when it is Slack's wish to disconnect.
fn take(slack: &Arc<Slack>, text: &str, tell: &mpsc::Sender<String>, inbound: &Inbound) -> Option<String> {
    let (kind, envelope) = match serde_json::from_str(text) {
        Ok(Incoming::Hello) => return None,
        Ok(Incoming::Disconnect { reason }) => return Some(reason),
        Ok(Incoming::EventsApi(envelope)) => (Kind::Event, envelope),
        Ok(Incoming::SlashCommands(envelope)) => (Kind::Command, envelope),
        Ok(Incoming::Interactive(envelope)) => (Kind::Interaction, envelope),
        Err(error) => {
            keep(
                slack,
                text.to_owned(),
                format!("a frame that cannot be read: {error}"),
                tell,
                inbound,
            );
            return None;
        }
    };
    if let Some(attempt) = envelope.again() {
        tracing::info!(
            attempt,
            reason = envelope.retry_reason,
            "Slack sends an envelope again."
        );
    }
    let (slack_too, inbound, tell) = (Arc::clone(slack), inbound.clone(), tell.clone());
    slack.tasks.spawn(async move {
        let patience = match kind {
            Kind::Event => UNHURRIED,
            Kind::Command | Kind::Interaction => slack_too.timing.answer,
        };
        let verdict = slack_too.hear(kind, envelope.payload, &inbound, patience).await;
        if let Verdict::Accept(answer) = verdict {
            let answer = answer.filter(|_| envelope.accepts_response_payload);
            let _ = tell.send(ack(&envelope.envelope_id, answer)).await;
        }
    });
    None
}

/// Keeps a frame that is no envelope we know, and acknowledges it if it has an id.
fn keep(slack: &Arc<Slack>, text: String, reason: String, tell: &mpsc::Sender<String>, inbound: &Inbound) {
    let (slack_too, inbound, tell) = (Arc::clone(slack), inbound.clone(), tell.clone());
    slack.tasks.spawn(async move {
        let kept = slack_too.set_aside(&inbound, &reason, &text).await;
        let raw: Value = serde_json::from_str(&text).unwrap_or_default();
        if let (Verdict::Accept(_), Some(id)) = (kept, raw["envelope_id"].as_str()) {
            let _ = tell.send(ack(id, None)).await;
        }
    });
}

fn ack(id: &str, answer: Option<Value>) -> String {
    match answer {
        Some(answer) => json!({"envelope_id": id, "payload": answer}),
        None => json!({"envelope_id": id}),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_told_apart() {
        let read = |text: &str| serde_json::from_str::<Incoming>(text);
        assert!(matches!(
            read(r#"{"type":"hello","num_connections":1,"connection_info":{"app_id":"A1"}}"#),
            Ok(Incoming::Hello)
        ));
        assert!(matches!(
            read(r#"{"type":"disconnect","reason":"warning","debug_info":{"host":"x"}}"#),
            Ok(Incoming::Disconnect { reason }) if reason == "warning"
        ));
        let text = r#"{"type":"events_api","envelope_id":"e","payload":{"a":1},"accepts_response_payload":false,
            "retry_attempt":1,"retry_reason":"timeout"}"#;
        let Ok(Incoming::EventsApi(envelope)) = read(text) else {
            panic!("not an envelope");
        };
        assert_eq!((envelope.again(), envelope.payload), (Some(1), json!({"a": 1})));
        let first =
            r#"{"type":"events_api","envelope_id":"e","payload":{},"retry_attempt":0,"retry_reason":""}"#;
        assert!(matches!(read(first), Ok(Incoming::EventsApi(envelope)) if envelope.again().is_none()));
        assert!(read(r#"{"type":"of_tomorrow","envelope_id":"e"}"#).is_err());
    }

    #[test]
    fn only_a_switched_off_socket_mode_is_hopeless() {
        assert_eq!(disconnected("warning").unwrap(), End::Refresh);
        assert_eq!(disconnected("refresh_requested").unwrap(), End::Refresh);
        assert!(matches!(disconnected("link_disabled"), Err(Lost::Hopeless(_))));
        assert!(matches!(
            disconnected("too_many_websockets"),
            Err(Lost::Broken(_))
        ));
    }
}
