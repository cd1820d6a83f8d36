//! Networks that tell us of a review. Whatever they say of it is not believed: the review is read, and what was
//! read is stored before they are answered. So a forged notice makes us look, and no more.

use super::feed::read_hinted;
use super::{Board, Reviews};
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a notice, and how long they may take to arrive.
const MOST_BODY: usize = 1024 * 1024;
const SLOWEST: Duration = Duration::from_secs(10);
/// How many reviews one notice may name; the others are left to the sweeps.
const MOST_NAMED: usize = 20;
/// After how many seconds to come again when nothing could be stored.
const COME_AGAIN: &str = "30";

/// A notice as it came.
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// What stands behind the question mark of its address.
    pub query: &'a str,
    /// Its body, to the byte.
    pub body: &'a [u8],
}

/// Why a notice was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// It does not prove where it comes from.
    Unproven(&'static str),
    /// It is not what the network's documentation describes.
    Malformed(String),
    /// It could not be looked at now.
    Unavailable(String),
}

/// `POST /webhooks/{source}`.
pub(super) fn router<B: Board>(reviews: Arc<Reviews<B>>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", reviews.source);
    Router::new()
        .route(&path, post(receive::<B>))
        .with_state((reviews, inbound))
}

async fn receive<B: Board>(
    State((reviews, inbound)): State<(Arc<Reviews<B>>, Inbound)>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let collecting = tokio::time::timeout(SLOWEST, axum::body::to_bytes(body, MOST_BODY));
    let body: Bytes = match collecting.await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            return tell(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is too large, or broke off",
            );
        }
        Err(_) => {
            return tell(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive within ten seconds",
            );
        }
    };
    let notice = Notice {
        headers: &head.headers,
        query: head.uri.query().unwrap_or_default(),
        body: &body,
    };
    match taken(&reviews, &inbound, notice).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(rejected) => reviews.answer(rejected),
    }
}

async fn taken<B: Board>(
    reviews: &Reviews<B>,
    inbound: &Inbound,
    notice: Notice<'_>,
) -> Result<(), Rejected> {
    let named = reviews.board.named(notice).await?;
    for id in named.iter().take(MOST_NAMED) {
        let read = read_hinted(reviews, inbound, id).await;
        read.map_err(|halt| {
            Rejected::Unavailable(match halt {
                Halt::Network(error) => error.to_string(),
                Halt::Store(error) => error.to_string(),
            })
        })?;
    }
    Ok(())
}

impl<B: Board> Reviews<B> {
    fn answer(&self, rejected: Rejected) -> Response {
        match rejected {
            Rejected::Unproven(why) => {
                // Strangers can send as much as they like: the log hears of it once.
                if self.troubles.note("a notice was not believed") {
                    tracing::warn!(source = %self.source, why, "A notice was not believed.");
                }
                metrics::counter!("hearback_webhook_unproven_total", "source" => self.source.to_string())
                    .increment(1);
                tell(StatusCode::UNAUTHORIZED, why)
            }
            Rejected::Malformed(why) => tell(StatusCode::BAD_REQUEST, &why),
            Rejected::Unavailable(why) => {
                tracing::debug!(source = %self.source, why, "A notice could not be followed now.");
                let mut answer = tell(StatusCode::SERVICE_UNAVAILABLE, "it could not be followed now");
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
