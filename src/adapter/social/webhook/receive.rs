//! The way in: limit, verify over the raw bytes, parse, store, answer; in that order.

use super::{Malformed, Webhook, post};
use crate::adapter::push;
pub use crate::adapter::push::MOST_BODY;
use crate::app::Inbound;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post as on_post;
use axum::{Json, Router};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub(super) fn routes(webhook: Arc<Webhook>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", webhook.source);
    Router::new()
        .route(&path, on_post(receive))
        .with_state((webhook, inbound))
}

/// Why a request was not accepted.
enum Rejected {
    Here(push::Rejected),
    Malformed(Malformed),
}

impl From<push::Rejected> for Rejected {
    fn from(rejected: push::Rejected) -> Self {
        Self::Here(rejected)
    }
}

async fn receive(State((webhook, inbound)): State<(Arc<Webhook>, Inbound)>, request: Request) -> Response {
    match accept(&webhook, &inbound, request).await {
        Ok(answer) => answer,
        Err(rejected) => rejected.answer(&webhook),
    }
}

async fn accept(webhook: &Webhook, inbound: &Inbound, request: Request) -> Result<Response, Rejected> {
    let (head, body) = request.into_parts();
    let body = push::collect(&head.headers, body).await?;
    let now = webhook.clock.now();
    webhook
        .secret
        .verify(&head.headers, &body, now)
        .map_err(|reason| push::Rejected::Unproven(reason.to_string()))?;
    webhook.complained.store(false, Ordering::Relaxed);
    let sightings = post::read(&body, &webhook.source, now).map_err(Rejected::Malformed)?;
    let intake = inbound
        .posts_seen(&webhook.source, sightings, None)
        .await
        .map_err(|error| push::Rejected::Unavailable(error.to_string()))?;
    let told = serde_json::json!({"accepted": intake.accepted, "duplicates": intake.duplicates});
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

impl Rejected {
    fn answer(self, webhook: &Webhook) -> Response {
        match self {
            Self::Here(push::Rejected::TooLarge) => push::tell(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is larger than {MOST_BODY} bytes: send fewer posts at once"),
            ),
            Self::Here(rejected) => rejected.answer(&webhook.source, &webhook.complained),
            Self::Malformed(malformed) => (StatusCode::BAD_REQUEST, Json(malformed)).into_response(),
        }
    }
}
