//! The way in that Meta's webhooks share (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>):
//! a `GET` by which the address is verified, and signed `POST`s at the same address, `/webhooks/{source}`.
//!
//! A signature is the HMAC of the raw body under the app's secret; letters outside ASCII come as escapes, and
//! are signed as they come. It has no time of its own, but each entry tells when it was sent, and Meta tries
//! for 36 hours: what is older than two days is somebody's copy.

use super::wire::moment;
use crate::app::{Inbound, Unavailable};
use crate::domain::{Clock, SourceName};
use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::TimeDelta;
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// The header with the signature.
const SIGNATURE: &str = "x-hub-signature-256";
/// The most bytes of a request: up to 1000 changes come in one.
const MOST_BODY: usize = 4 * 1024 * 1024;
/// How long a request's body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);
/// The most letters of a challenge.
const MOST_CHALLENGE: usize = 1000;
/// Older than any attempt of Meta's.
const STALE: TimeDelta = TimeDelta::hours(48);
/// After how many seconds to come again when nothing could be stored.
const COME_AGAIN: &str = "5";

/// What a source's address on our server needs.
pub struct Door {
    source: SourceName,
    mac: Hmac<Sha256>,
    verify_token: SecretString,
    clock: Arc<dyn Clock>,
    /// Whether the log was told already that a signature did not fit.
    complained: AtomicBool,
}

impl Door {
    /// The door of a source; `app_secret` signs what comes, `verify_token` is what the app's settings say.
    ///
    /// # Errors
    /// The secret cannot be a key.
    pub fn new(
        source: &SourceName,
        app_secret: &SecretString,
        verify_token: SecretString,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            source: source.clone(),
            mac: Hmac::new_from_slice(app_secret.expose_secret().as_bytes())?,
            verify_token,
            clock,
            complained: AtomicBool::new(false),
        })
    }

    /// Whether a body was signed with the app's secret, not long ago.
    fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<(), &'static str> {
        let mut signatures = headers.get_all(SIGNATURE).iter();
        let (Some(signature), None) = (signatures.next(), signatures.next()) else {
            return Err("the header X-Hub-Signature-256 must be there exactly once");
        };
        let told = signature
            .to_str()
            .ok()
            .and_then(|text| text.strip_prefix("sha256="));
        let told = told.and_then(|text| hex::decode(text).ok());
        let told = told.ok_or("the signature must be `sha256=` and hexadecimal digits")?;
        let mac = self.mac.clone().chain_update(body);
        mac.verify_slice(&told)
            .map_err(|_| "the signature does not fit: compare app_secret with the app's settings")?;
        if self.is_stale(body) {
            return Err("it was sent more than two days ago: compare the clocks");
        }
        Ok(())
    }

    fn is_stale(&self, body: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Envelope {
            #[serde(default)]
            time: Value,
            #[serde(default)]
            entry: Vec<Value>,
        }
        let Ok(envelope) = serde_json::from_slice::<Envelope>(body) else {
            return false;
        };
        let entries = envelope
            .entry
            .iter()
            .filter_map(|entry| moment(entry.get("time")?));
        let newest = entries.chain(moment(&envelope.time)).max();
        newest.is_some_and(|newest| self.clock.now() - newest > STALE)
    }
}

/// A connector that Meta comes to.
#[async_trait]
pub trait Pushed: Send + Sync + 'static {
    /// Its door.
    fn door(&self) -> &Door;

    /// Takes what was sent. What cannot be read is put aside, or Meta would send it again for days.
    ///
    /// # Errors
    /// Not now: Meta sends it again.
    async fn pushed(&self, inbound: &Inbound, body: &[u8]) -> Result<(), Later>;
}

/// Why Meta is asked to send something again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Later(pub String);

impl From<Unavailable> for Later {
    fn from(error: Unavailable) -> Self {
        Self(error.to_string())
    }
}

/// `GET` and `POST /webhooks/{source}`.
pub fn routes<P: Pushed>(connector: Arc<P>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", connector.door().source);
    Router::new()
        .route(&path, get(verification::<P>).post(receive::<P>))
        .with_state((connector, inbound))
}

type Shared<P> = State<(Arc<P>, Inbound)>;

/// The challenge, for whoever knows the token of the app's settings.
async fn verification<P: Pushed>(
    State((connector, _)): Shared<P>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let asked = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let token = connector.door().verify_token.expose_secret().as_bytes();
    let known: bool = asked("hub.verify_token").as_bytes().ct_eq(token).into();
    let challenge = asked("hub.challenge");
    if !known || asked("hub.mode") != "subscribe" || challenge.len() > MOST_CHALLENGE {
        return tell(
            StatusCode::FORBIDDEN,
            "the verify_token is not that of the configuration",
        );
    }
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (plain, challenge.to_owned()).into_response()
}

async fn receive<P: Pushed>(State((connector, inbound)): Shared<P>, request: Request) -> Response {
    let door = connector.door();
    let (head, body) = request.into_parts();
    let body = match collect(body).await {
        Ok(body) => body,
        Err((status, why)) => return tell(status, why),
    };
    if let Err(why) = door.verify(&head.headers, &body) {
        // Strangers can send as much as they like: the log hears of it once in a row.
        if !door.complained.swap(true, Ordering::Relaxed) {
            tracing::warn!(source = %door.source, why, "A webhook was not believed.");
        }
        metrics::counter!("hearback_webhook_unproven_total", "source" => door.source.to_string())
            .increment(1);
        return tell(StatusCode::UNAUTHORIZED, why);
    }
    door.complained.store(false, Ordering::Relaxed);
    match connector.pushed(&inbound, &body).await {
        Ok(()) => (StatusCode::OK, "EVENT_RECEIVED").into_response(),
        Err(error) => {
            // The desk says once that it cannot write; not once for each request.
            tracing::debug!(source = %door.source, %error, "A webhook could not be taken in.");
            let told = [(header::RETRY_AFTER, COME_AGAIN)];
            (
                StatusCode::SERVICE_UNAVAILABLE,
                told,
                "nothing was stored: send it again",
            )
                .into_response()
        }
    }
}

async fn collect(body: Body) -> Result<Bytes, (StatusCode, &'static str)> {
    let reading = axum::body::to_bytes(body, MOST_BODY);
    match tokio::time::timeout(SLOWEST, reading).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is larger than 4 MiB, or broke off",
        )),
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body did not arrive within ten seconds",
        )),
    }
}

fn tell(status: StatusCode, why: &'static str) -> Response {
    (status, axum::Json(serde_json::json!({"error": why}))).into_response()
}
