//! What LinkedIn sends us at `/webhooks/{source}`
//! (<https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation>).
//!
//! It asks every two hours whether we know the client's secret, and blocks who fails three times. Requests
//! are signed over `hmacsha256=` and the raw body; nothing in them says when: an old one that comes again is
//! known by its content. What could not be taken comes again every five minutes for eight hours, and with
//! the next sweep.

use super::LinkedIn;
use super::wire::Push;
use crate::adapter::push::{self, Notice, Rejected};
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The header of the signature.
const SIGNATURE: &str = "x-li-signature";
/// What is signed before the body.
const PREFIX: &[u8] = b"hmacsha256=";
/// How long reading what was pushed may take: LinkedIn waits three seconds.
const READING: Duration = Duration::from_millis(2500);

pub(super) fn routes(linkedin: Arc<LinkedIn>, inbound: Inbound) -> Router {
    Router::new()
        .route(&linkedin.gate.path(), get(prove).post(receive))
        .with_state((linkedin, inbound))
}

async fn prove(
    State((linkedin, _)): State<(Arc<LinkedIn>, Inbound)>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let proven = asked
        .get("challengeCode")
        .and_then(|code| Some((code, push::challenged(linkedin.secret.as_ref()?, code)?)));
    match proven {
        Some((code, response)) => {
            let response = hex::encode(response);
            Json(serde_json::json!({"challengeCode": code, "challengeResponse": response})).into_response()
        }
        None => push::tell(StatusCode::BAD_REQUEST, "challengeCode is missing, or is none"),
    }
}

async fn receive(State((linkedin, inbound)): State<(Arc<LinkedIn>, Inbound)>, request: Request) -> Response {
    let accept = async |notice: Notice| {
        linkedin.verify(&notice)?;
        let text = push::object(&notice)?;
        match tokio::time::timeout(READING, linkedin.taken(&inbound, &text)).await {
            Ok(taken) => taken?,
            Err(_) => {
                let why = "what it is about could not be read in time";
                return Err(Rejected::Unavailable(why.to_owned()));
            }
        }
        Ok(StatusCode::OK)
    };
    linkedin.gate.pass(request, accept).await
}

impl LinkedIn {
    fn verify(&self, notice: &Notice) -> Result<(), Rejected> {
        let unproven = |why: &str| Rejected::unproven(why);
        let told = push::once(&notice.headers, SIGNATURE)?;
        let told = told.ok_or_else(|| unproven("the header x-li-signature must be there once"))?;
        let signature = hex::decode(told.strip_prefix("hmacsha256=").unwrap_or(told)).unwrap_or_default();
        let fits = |mac| push::is_signed(mac, &[PREFIX, &notice.body], &signature);
        if self.secret.as_ref().is_some_and(fits) {
            return Ok(());
        }
        Err(unproven("the signature does not fit"))
    }

    async fn taken(&self, inbound: &Inbound, text: &str) -> Result<(), Halt> {
        let push: Push = match serde_json::from_str(text) {
            Ok(push) => push,
            Err(error) => {
                let name: String = text.chars().take(200).collect();
                let place = (&self.source, "webhook");
                self.troubles
                    .put_aside(inbound, place, &name, &error, text)
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
