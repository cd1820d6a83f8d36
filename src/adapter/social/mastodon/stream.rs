//! The stream: tells at once that there is something to read. What it says is read from the
//! notifications, so that order and cursor are the same with a stream and without; edits and
//! deletions are taken from it where a server sends them
//! (<https://docs.joinmastodon.org/methods/streaming/#websocket>).

use super::Mastodon;
use super::api;
use super::feed::unstored;
use super::instance::Known;
use super::translate;
use super::watch::gone;
use super::wire::{Kind, Status, StreamEvent};
use crate::adapter::http;
use crate::adapter::supervise::Lost;
use crate::app::Inbound;
use crate::domain::Sighting;
use futures_util::{SinkExt as _, StreamExt as _};
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// How long connecting may take.
const CONNECTING: Duration = Duration::from_secs(15);
/// How often a sign of life is asked for.
const PING: Duration = Duration::from_secs(30);
/// How long a silent socket counts as alive.
const SILENCE: Duration = Duration::from_secs(75);
/// The largest message that is read.
const MOST_MESSAGE: usize = 1024 * 1024;

impl Mastodon {
    /// Listens until the stream ends.
    pub(super) async fn listen(&self, inbound: &Inbound) -> Result<(), Lost> {
        let known = self.known().await.map_err(api::lost)?;
        let Some(url) = &known.streaming else {
            return Err(Lost::Hopeless("the server tells no streaming address".to_owned()));
        };
        http::install_tls();
        let mut request = url
            .as_str()
            .into_client_request()
            .map_err(|error| Lost::Hopeless(explain(&error)))?;
        let by_protocol = self.token_as_protocol.load(Ordering::Relaxed);
        let (header, token) = if by_protocol {
            ("sec-websocket-protocol", self.api.token().to_owned())
        } else {
            ("authorization", self.api.authorization())
        };
        let mut token = HeaderValue::from_str(&token)
            .map_err(|_| Lost::Hopeless("the access_token has characters no header can carry".to_owned()))?;
        token.set_sensitive(true);
        request.headers_mut().insert(header, token);
        let limits = WebSocketConfig::default()
            .max_message_size(Some(MOST_MESSAGE))
            .max_frame_size(Some(MOST_MESSAGE));
        let connecting = tokio_tungstenite::connect_async_with_config(request, Some(limits), false);
        let (mut socket, _) = tokio::time::timeout(CONNECTING, connecting)
            .await
            .map_err(|_| Lost::Broken("the stream does not answer".to_owned()))?
            .map_err(|error| {
                // Some servers take the token only as the protocol's name: the next attempt brings it so.
                if is_denied(&error) {
                    self.token_as_protocol.store(!by_protocol, Ordering::Relaxed);
                }
                Lost::Broken(explain(&error))
            })?;
        self.stream_link.up();
        // What came between the last sweep and this connection.
        self.nudge.notify_one();
        let mut heard = tokio::time::Instant::now();
        let mut pings = tokio::time::interval_at(heard + PING, PING);
        loop {
            tokio::select! {
                message = socket.next() => {
                    heard = tokio::time::Instant::now();
                    match message {
                        None | Some(Ok(Message::Close(_))) => {
                            return Err(Lost::Broken("the server closed the stream".to_owned()));
                        }
                        Some(Err(error)) => return Err(Lost::Broken(explain(&error))),
                        Some(Ok(Message::Text(text))) => self.hear(inbound, &known, text.as_str()).await?,
                        Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                    }
                }
                _ = pings.tick() => {
                    if heard.elapsed() > SILENCE {
                        return Err(Lost::Broken("the stream fell silent".to_owned()));
                    }
                    let ping = socket.send(Message::Ping(Vec::new().into()));
                    ping.await.map_err(|error| Lost::Broken(explain(&error)))?;
                }
            }
        }
    }

    async fn hear(&self, inbound: &Inbound, known: &Known, text: &str) -> Result<(), Lost> {
        let Ok(event) = serde_json::from_str::<StreamEvent>(text) else {
            return Ok(());
        };
        let sighting = match (event.event.as_str(), event.payload.as_deref()) {
            ("notification", payload) => {
                if payload.is_none_or(may_be_a_mention) {
                    self.nudge.notify_one();
                }
                None
            }
            // Notifications that were held back are in the list now.
            ("notifications_merged", _) => {
                self.nudge.notify_one();
                None
            }
            ("delete", Some(id)) => Some(gone(known, id.trim_matches('"'))),
            ("status.update", Some(payload)) => self.edited(known, payload).await?,
            _ => None,
        };
        if let Some(sighting) = sighting {
            inbound
                .posts_seen(&self.source, vec![sighting], None)
                .await
                .map_err(unstored)?;
        }
        Ok(())
    }

    /// An edit, if it is of a post that is addressed to us.
    async fn edited(&self, known: &Known, payload: &str) -> Result<Option<Sighting>, Lost> {
        let Ok(status) = serde_json::from_str::<Status>(payload) else {
            return Ok(None);
        };
        if translate::is_nobodys(known, &status) || !translate::is_for_us(known, &status) {
            return Ok(None);
        }
        self.sighting(known, &status).await.map(Some).map_err(api::lost)
    }
}

/// Whether a notification can be one that the feed reads: of favourites, boosts and follows there
/// are many more. What cannot be read may be anything.
fn may_be_a_mention(payload: &str) -> bool {
    serde_json::from_str::<Kind>(payload).map_or(true, |notification| notification.kind == "mention")
}

fn is_denied(error: &Error) -> bool {
    matches!(error, Error::Http(answer) if matches!(answer.status().as_u16(), 401 | 403))
}

/// An error in words, without the address.
fn explain(error: &Error) -> String {
    match error {
        Error::Http(answer) => format!("the stream answered {}", answer.status()),
        Error::Io(error) => format!("the stream broke ({error})"),
        other => format!("the stream failed ({other})"),
    }
}
