//! The way in: limit, verify over the raw bytes, parse, store, answer; in that order.

use super::{Webhook, post};
pub use crate::adapter::push::MOST_BODY;
use crate::adapter::push::{Notice, Rejected};
use crate::app::Inbound;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post as on_post;
use axum::{Json, Router};
use std::sync::Arc;

pub(super) fn routes(webhook: Arc<Webhook>, inbound: Inbound) -> Router {
    Router::new()
        .route(&webhook.gate.path(), on_post(receive))
        .with_state((webhook, inbound))
}

async fn receive(State((webhook, inbound)): State<(Arc<Webhook>, Inbound)>, request: Request) -> Response {
    let accept = |notice| accept(&webhook, &inbound, notice);
    webhook.gate.pass(request, accept).await
}

async fn accept(webhook: &Webhook, inbound: &Inbound, notice: Notice) -> Result<Response, Rejected> {
    let now = webhook.clock.now();
    let verified = webhook.secret.verify(&notice.headers, &notice.body, now);
    verified.map_err(|why| Rejected::unproven(why.to_string()))?;
    let sightings = match post::read(&notice.body, &webhook.source, now) {
        Ok(sightings) => sightings,
        Err(malformed) => return Ok((StatusCode::BAD_REQUEST, Json(malformed)).into_response()),
    };
    let intake = inbound.posts_seen(&webhook.source, sightings, None).await?;
    let told = serde_json::json!({"accepted": intake.accepted, "duplicates": intake.duplicates});
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}
