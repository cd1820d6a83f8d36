//! Updates that are pushed: one in each request, with the secret in a header
//! (<https://core.telegram.org/bots/api#setwebhook>). There is no signature and no time in it. What is not
//! answered with 200 comes again for a day.

use super::Telegram;
use crate::adapter::push::{self, Rejected};
use crate::app::Inbound;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
    let path = format!("/webhooks/{}", telegram.source);
    let door = Door {
        telegram,
        secret: Arc::new(secret),
        inbound,
    };
    Router::new().route(&path, post(receive)).with_state(door)
}

async fn receive(State(door): State<Door>, request: Request) -> Response {
    match accept(&door, request).await {
        Ok(answer) => answer,
        Err(rejected) => rejected.answer(&door.telegram.source, &door.telegram.complained),
    }
}

async fn accept(door: &Door, request: Request) -> Result<Response, Rejected> {
    let (head, body) = request.into_parts();
    let body = push::collect(&head.headers, body).await?;
    verify(&door.secret, &head.headers)?;
    door.telegram.complained.store(false, Ordering::Relaxed);
    let unavailable = |error: String| Rejected::Unavailable(error);
    let update: Box<RawValue> = match serde_json::from_slice(&body) {
        Ok(update) => update,
        Err(error) => {
            let raw = String::from_utf8_lossy(&body);
            let place = (&door.telegram.source, "webhook");
            let keeping = door
                .telegram
                .troubles
                .put_aside(&door.inbound, place, &raw, &error, &raw);
            keeping.await.map_err(|error| unavailable(error.to_string()))?;
            return Ok(StatusCode::OK.into_response());
        }
    };
    // Without our name nobody knows whom a message names.
    let me = door.telegram.known().await;
    let me = me.map_err(|error| unavailable(error.to_string()))?;
    let updates = [update];
    let taking = door.telegram.take(&door.inbound, &me, &updates, None);
    taking.await.map_err(|error| unavailable(error.to_string()))?;
    Ok(StatusCode::OK.into_response())
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
