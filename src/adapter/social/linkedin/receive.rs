//! What LinkedIn sends us at `/webhooks/{source}`
//! (<https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation>).
//!
//! It asks every two hours whether we know the client's secret, and blocks who fails three times. Requests
//! are signed over `hmacsha256=` and the raw body; nothing in them says when: an old one that comes again is
//! known by its content. What could not be taken comes again every five minutes for eight hours, and with
//! the next sweep.

use super::LinkedIn;
use super::wire::Push;
use crate::adapter::push::{self, Rejected};
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The header of the signature.
const SIGNATURE: &str = "x-li-signature";
/// What is signed before the body.
const PREFIX: &[u8] = b"hmacsha256=";
/// How long reading what was pushed may take: LinkedIn waits three seconds.
const READING: Duration = Duration::from_millis(2500);

pub(super) fn routes(linkedin: Arc<LinkedIn>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", linkedin.source);
    Router::new()
        .route(&path, get(prove).post(receive))
        .with_state((linkedin, inbound))
}

async fn prove(
    State((linkedin, _)): State<(Arc<LinkedIn>, Inbound)>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let code = asked.get("challengeCode").filter(|code| !code.is_empty());
    let (Some(code), Some(mac)) = (code, &linkedin.secret) else {
        return push::tell(StatusCode::BAD_REQUEST, "challengeCode is missing");
    };
    let response = hex::encode(push::sign(mac, &[code.as_bytes()]));
    Json(serde_json::json!({"challengeCode": code, "challengeResponse": response})).into_response()
}

async fn receive(State((linkedin, inbound)): State<(Arc<LinkedIn>, Inbound)>, request: Request) -> Response {
    match accept(&linkedin, &inbound, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(rejected) => rejected.answer(&linkedin.source, &linkedin.complained),
    }
}

async fn accept(linkedin: &LinkedIn, inbound: &Inbound, request: Request) -> Result<(), Rejected> {
    let (head, body) = request.into_parts();
    let body = push::collect(&head.headers, body).await?;
    let unproven = |why: &str| Rejected::Unproven(why.to_owned());
    let told = push::once(&head.headers, SIGNATURE)?;
    let told = told.ok_or_else(|| unproven("the header x-li-signature must be there once"))?;
    let signature = hex::decode(told.strip_prefix("hmacsha256=").unwrap_or(told)).unwrap_or_default();
    let fits = |mac| push::is_signed(mac, &[PREFIX, &body], &signature);
    if !linkedin.secret.as_ref().is_some_and(fits) {
        return Err(unproven("the signature does not fit"));
    }
    linkedin.complained.store(false, Ordering::Relaxed);
    let unavailable = |error: &dyn std::fmt::Display| Rejected::Unavailable(error.to_string());
    let taking = linkedin.taken(inbound, &body);
    match tokio::time::timeout(READING, taking).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Halt::Network(error))) => Err(unavailable(&error)),
        Ok(Err(Halt::Store(error))) => Err(unavailable(&error)),
        Err(_) => Err(unavailable(&"what it is about could not be read in time")),
    }
}

impl LinkedIn {
    async fn taken(&self, inbound: &Inbound, body: &[u8]) -> Result<(), Halt> {
        let text = String::from_utf8_lossy(body);
        let push: Push = match serde_json::from_str(&text) {
            Ok(push) => push,
            Err(error) => {
                let name: String = text.chars().take(200).collect();
                let place = (&self.source, "webhook");
                self.troubles
                    .put_aside(inbound, place, &name, &error, &text)
                    .await?;
                return Ok(());
            }
        };
        let notices = self.read(inbound, &push.notifications).await?;
        let heard = self.heard(inbound, &notices, i64::MIN).await?;
        let missed = self.take(inbound, heard, None).await?;
        missed.map_or(Ok(()), |error| Err(error.into()))
    }
}
