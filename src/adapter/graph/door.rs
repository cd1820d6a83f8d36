//! The way in that Meta's webhooks share (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>):
//! a `GET` by which the address is verified, and signed `POST`s at the same address, `/webhooks/{source}`.
//!
//! A signature is the HMAC of the raw body under the app's secret; letters outside ASCII come as escapes, and
//! are signed as they come. It has no time of its own, but each entry tells when it was sent, and Meta tries
//! for 36 hours: what is older than two days is somebody's copy.

use super::wire::moment;
use crate::adapter::push::{self, Gate, Notice, Rejected};
use crate::app::Inbound;
use crate::domain::{Clock, SourceName};
use async_trait::async_trait;
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::TimeDelta;
use hmac::Hmac;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// The header with the signature.
const SIGNATURE: &str = "x-hub-signature-256";
/// The most bytes of a request: up to 1000 changes come in one.
const MOST_BODY: usize = 4 * 1024 * 1024;
/// The most letters of a challenge.
const MOST_CHALLENGE: usize = 1000;
/// Older than any attempt of Meta's.
const STALE: TimeDelta = TimeDelta::hours(48);
/// What to do where a signature does not fit.
const MEND: &str = "compare app_secret with the app's settings";

/// What a source's address on our server needs.
pub struct Door {
    gate: Gate,
    mac: Hmac<Sha256>,
    verify_token: SecretString,
    clock: Arc<dyn Clock>,
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
            gate: Gate::new(source).holding(MOST_BODY),
            mac: push::mac(app_secret)?,
            verify_token,
            clock,
        })
    }

    /// Whether a body was signed with the app's secret, not long ago.
    fn verify(&self, notice: &Notice) -> Result<(), Rejected> {
        push::verify_hex(&self.mac, notice, SIGNATURE, MEND)?;
        if self.is_stale(&notice.body) {
            return Err(Rejected::unproven(
                "it was sent more than two days ago: compare the clocks",
            ));
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
    async fn pushed(&self, inbound: &Inbound, body: &[u8]) -> Result<(), Rejected>;
}

/// `GET` and `POST /webhooks/{source}`.
pub fn routes<P: Pushed>(connector: Arc<P>, inbound: Inbound) -> Router {
    Router::new()
        .route(
            &connector.door().gate.path(),
            get(verification::<P>).post(receive::<P>),
        )
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
        return push::tell(
            StatusCode::FORBIDDEN,
            "the verify_token is not that of the configuration",
        );
    }
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    (plain, challenge.to_owned()).into_response()
}

async fn receive<P: Pushed>(State((connector, inbound)): Shared<P>, request: Request) -> Response {
    let door = connector.door();
    let accept = async |notice: Notice| {
        door.verify(&notice)?;
        connector.pushed(&inbound, &notice.body).await?;
        Ok("EVENT_RECEIVED")
    };
    door.gate.pass(request, accept).await
}
