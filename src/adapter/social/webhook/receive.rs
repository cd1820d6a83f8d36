//! The way in: limit, verify over the raw bytes, parse, store, answer; in that order.

use super::{Malformed, Webhook, post};
use crate::adapter::signature::Unproven;
use crate::app::Inbound;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post as on_post;
use axum::{Json, Router};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The most bytes of a request.
pub const MOST_BODY: usize = 1024 * 1024;
/// The most bytes that are read of a request that is too large.
const MOST_DISCARDED: usize = 4 * MOST_BODY;
/// How long that may take.
const DISCARDING: Duration = Duration::from_secs(2);
/// How long a request's body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);
/// After how many seconds to come again when nothing could be stored.
const COME_AGAIN: &str = "5";

pub(super) fn routes(webhook: Arc<Webhook>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", webhook.source);
    Router::new()
        .route(&path, on_post(receive))
        .with_state((webhook, inbound))
}

/// Why a request was not accepted.
enum Rejected {
    TooLarge,
    TooSlow,
    Broken,
    Unproven(Unproven),
    Malformed(Malformed),
    Unavailable(String),
}

async fn receive(State((webhook, inbound)): State<(Arc<Webhook>, Inbound)>, request: Request) -> Response {
    match accept(&webhook, &inbound, request).await {
        Ok(answer) => answer,
        Err(rejected) => rejected.answer(&webhook),
    }
}

async fn accept(webhook: &Webhook, inbound: &Inbound, request: Request) -> Result<Response, Rejected> {
    let (head, body) = request.into_parts();
    let body = collect(&head.headers, body).await?;
    let now = webhook.clock.now();
    webhook
        .secret
        .verify(&head.headers, &body, now)
        .map_err(Rejected::Unproven)?;
    webhook.complained.store(false, Ordering::Relaxed);
    let sightings = post::read(&body, &webhook.source, now).map_err(Rejected::Malformed)?;
    let intake = inbound
        .posts_seen(&webhook.source, sightings, None)
        .await
        .map_err(|error| Rejected::Unavailable(error.to_string()))?;
    let told = serde_json::json!({"accepted": intake.accepted, "duplicates": intake.duplicates});
    Ok((StatusCode::ACCEPTED, Json(told)).into_response())
}

async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, Rejected> {
    let told = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let told = told.unwrap_or_default();
    if told > MOST_DISCARDED {
        return Err(Rejected::TooLarge);
    }
    let patience = if told > MOST_BODY { DISCARDING } else { SLOWEST };
    match tokio::time::timeout(patience, read(body, told)).await {
        Err(_) if told > MOST_BODY => Err(Rejected::TooLarge),
        Err(_) => Err(Rejected::TooSlow),
        Ok(collected) => collected,
    }
}

/// Reads the body. One that is too large is read on for a while and thrown away: many a client writes
/// all of it before it reads, and would find a broken connection in place of the answer.
async fn read(body: Body, told: usize) -> Result<Bytes, Rejected> {
    let mut pieces = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Rejected::Broken)?;
        length = length.saturating_add(piece.len());
        if length > MOST_DISCARDED {
            break;
        }
        if length.max(told) <= MOST_BODY {
            kept.extend_from_slice(&piece);
        }
    }
    if length.max(told) > MOST_BODY {
        return Err(Rejected::TooLarge);
    }
    Ok(kept.into())
}

impl Rejected {
    fn answer(self, webhook: &Webhook) -> Response {
        match self {
            Self::TooLarge => tell(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is larger than {MOST_BODY} bytes: send fewer posts at once"),
            ),
            Self::TooSlow => tell(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive within ten seconds",
            ),
            Self::Broken => tell(StatusCode::BAD_REQUEST, "the body broke off"),
            Self::Unproven(reason) => {
                // Strangers can send as much as they like: the log hears of it once in a row.
                if !webhook.complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(source = %webhook.source, %reason, "A webhook was not believed.");
                }
                metrics::counter!("hearback_webhook_unproven_total", "source" => webhook.source.to_string())
                    .increment(1);
                tell(StatusCode::UNAUTHORIZED, &reason.to_string())
            }
            Self::Malformed(malformed) => (StatusCode::BAD_REQUEST, Json(malformed)).into_response(),
            Self::Unavailable(reason) => {
                // The desk says once that it cannot write; not once for each request.
                tracing::debug!(source = %webhook.source, reason, "A webhook could not be stored.");
                let mut answer = tell(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "nothing was stored: send it again, with the same webhook-id",
                );
                let later = axum::http::HeaderValue::from_static(COME_AGAIN);
                answer.headers_mut().insert(header::RETRY_AFTER, later);
                answer
            }
        }
    }
}

fn tell(status: StatusCode, error: &str) -> Response {
    (status, Json(serde_json::json!({"error": error}))).into_response()
}
