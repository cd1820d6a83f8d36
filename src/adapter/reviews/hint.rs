//! Networks that tell us of a review. Whatever they say of it is not believed: the review is read, and what was
//! read is stored before they are answered. So a forged notice makes us look, and no more.

use super::feed::read_hinted;
use super::{Board, Reviews};
use crate::adapter::push::Notice;
use crate::app::Inbound;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use std::sync::Arc;

/// How many reviews one notice may name; the others are left to the sweeps.
const MOST_NAMED: usize = 20;

/// `POST /webhooks/{source}`.
pub(super) fn router<B: Board>(reviews: Arc<Reviews<B>>, inbound: Inbound) -> Router {
    Router::new()
        .route(&reviews.gate.path(), post(receive::<B>))
        .with_state((reviews, inbound))
}

async fn receive<B: Board>(
    State((reviews, inbound)): State<(Arc<Reviews<B>>, Inbound)>,
    request: Request,
) -> Response {
    let accept = async |notice: Notice| {
        let named = reviews.board.named(&notice).await?;
        for id in named.iter().take(MOST_NAMED) {
            read_hinted(&reviews, &inbound, id).await?;
        }
        Ok(StatusCode::NO_CONTENT)
    };
    reviews.gate.pass(request, accept).await
}
