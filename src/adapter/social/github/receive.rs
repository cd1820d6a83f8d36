//! What is pushed: signed with HMAC-SHA256 over the raw body, in hexadecimal
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>). There is no time in it, and
//! nothing is sent again by itself: the sweep finds what was missed.

use super::GitHub;
use super::translate::{self, Place};
use super::wire::Pushed;
use crate::adapter::push::{self, Rejected};
use crate::app::{Inbound, Unavailable};
use crate::domain::Sighting;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What happened, and the signature.
const EVENT: &str = "x-github-event";
const SIGNATURE: &str = "x-hub-signature-256";

type Door = (Arc<GitHub>, Inbound);

pub(super) fn routes(github: Arc<GitHub>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", github.source);
    Router::new()
        .route(&path, post(receive))
        .with_state((github, inbound))
}

async fn receive(State((github, inbound)): State<Door>, request: Request) -> Response {
    match accept(&github, &inbound, request).await {
        Ok(answer) => answer,
        Err(rejected) => rejected.answer(&github.source, &github.complained),
    }
}

async fn accept(github: &GitHub, inbound: &Inbound, request: Request) -> Result<Response, Rejected> {
    let (head, body) = request.into_parts();
    let body = push::collect(&head.headers, body).await?;
    verify(github, &head.headers, &body)?;
    github.complained.store(false, Ordering::Relaxed);
    // A `ping`, and what happens to anything else, is nobody's post.
    if !matches!(
        push::once(&head.headers, EVENT)?,
        Some("issues" | "issue_comment")
    ) {
        return Ok(StatusCode::OK.into_response());
    }
    let unavailable = |error: Unavailable| Rejected::Unavailable(error.to_string());
    let pushed: Pushed = match serde_json::from_slice(&body) {
        Ok(pushed) => pushed,
        Err(error) => {
            let raw = String::from_utf8_lossy(&body);
            let place = (&github.source, "webhook");
            let keeping = github.troubles.put_aside(inbound, place, &raw, &error, &raw);
            keeping.await.map_err(unavailable)?;
            return Ok(StatusCode::OK.into_response());
        }
    };
    if let Some(sighting) = sighting(github, &pushed).await? {
        inbound
            .posts_seen(&github.source, vec![sighting], None)
            .await
            .map_err(unavailable)?;
    }
    Ok(StatusCode::OK.into_response())
}

async fn sighting(github: &GitHub, pushed: &Pushed) -> Result<Option<Sighting>, Rejected> {
    let repository = &pushed.repository.full_name;
    if !github.hears(repository) {
        return Ok(None);
    }
    let unknown = |error: super::api::Failed| Rejected::Unavailable(error.to_string());
    let me = github.me().await.map_err(unknown)?;
    let (post, place) = match &pushed.comment {
        Some(comment) => (
            translate::comment(&github.source, repository, comment),
            translate::place(repository, comment),
        ),
        None => {
            let place = Place {
                repository: repository.clone(),
                issue: pushed.issue.number,
                comment: None,
            };
            (
                translate::issue(&github.source, repository, &pushed.issue),
                Some(place),
            )
        }
    };
    Ok(match pushed.action.as_str() {
        "deleted" => place.map(|place| Sighting::Gone(place.id())),
        "created" | "opened" | "edited" => post
            .filter(|post| post.author.id != me)
            .map(|post| Sighting::Post(Box::new(github.addressed(post)))),
        _ => None,
    })
}

fn verify(github: &GitHub, headers: &HeaderMap, body: &[u8]) -> Result<(), Rejected> {
    let told = push::once(headers, SIGNATURE)?.ok_or_else(|| {
        Rejected::Unproven(format!(
            "the header {SIGNATURE} is missing: give the webhook a secret"
        ))
    })?;
    let given = told.strip_prefix("sha256=").and_then(|hex| hex::decode(hex).ok());
    let fits = |mac| {
        given
            .as_ref()
            .is_some_and(|given| push::is_signed(mac, &[body], given))
    };
    if github.hook.as_ref().is_some_and(fits) {
        return Ok(());
    }
    Err(Rejected::Unproven(format!(
        "{SIGNATURE} does not fit: check webhook_secret and the webhook's secret"
    )))
}
