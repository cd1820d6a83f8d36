//! Updates that are pushed: one in each request, with the secret in a header
//! (<https://core.telegram.org/bots/api#setwebhook>). There is no signature and no time in it. What is not
//! answered with 200 comes again for a day.

use super::Telegram;
use crate::adapter::push::{self, Notice, Rejected};
use crate::app::Inbound;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// The header with the secret.
const HEADER: &str = "x-telegram-bot-api-secret-token";

/// What a route needs.
#[derive(Clone)]
struct Door {
    telegram: Arc<Telegram>,
    secret: Arc<SecretString>,
    inbound: Inbound,
}

pub(super) fn routes(telegram: Arc<Telegram>, secret: SecretString, inbound: Inbound) -> Router {
    let path = telegram.gate.path();
    let door = Door {
        telegram,
        secret: Arc::new(secret),
        inbound,
    };
    Router::new().route(&path, post(receive)).with_state(door)
}

async fn receive(State(door): State<Door>, request: Request) -> Response {
    door.telegram
        .gate
        .pass(request, |notice| accept(&door, notice))
        .await
}

async fn accept(door: &Door, notice: Notice) -> Result<StatusCode, Rejected> {
    verify(&door.secret, &notice.headers)?;
    let update: Box<RawValue> = match serde_json::from_slice(&notice.body) {
        Ok(update) => update,
        Err(error) => {
            let raw = String::from_utf8_lossy(&notice.body);
            let place = (&door.telegram.source, "webhook");
            let keeping = door
                .telegram
                .troubles
                .put_aside(&door.inbound, place, &raw, &error, &raw);
            keeping.await?;
            return Ok(StatusCode::OK);
        }
    };
    // Without our name nobody knows whom a message names.
    let (me, updates) = (door.telegram.known().await?, [update]);
    let taking = door.telegram.take(&door.inbound, &me, &updates, None);
    taking.await?;
    Ok(StatusCode::OK)
}

fn verify(secret: &SecretString, headers: &HeaderMap) -> Result<(), Rejected> {
    let told = push::once(headers, HEADER)?
        .ok_or_else(|| Rejected::Unproven(format!("the header {HEADER} is missing")))?;
    let same = told.as_bytes().ct_eq(secret.expose_secret().as_bytes());
    if bool::from(same) {
        return Ok(());
    }
    Err(Rejected::Unproven(format!(
        "the header {HEADER} has another secret than webhook_secret"
    )))
}
