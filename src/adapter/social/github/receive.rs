//! What is pushed: signed with HMAC-SHA256 over the raw body, in hexadecimal
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>). There is no time in it, and
//! nothing is sent again by itself: the sweep finds what was missed.

use super::GitHub;
use super::translate::{self, Place};
use super::wire::Pushed;
use crate::adapter::push::{self, Notice, Rejected};
use crate::app::Inbound;
use crate::domain::Sighting;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use std::sync::Arc;

/// What happened, and the signature.
const EVENT: &str = "x-github-event";
const SIGNATURE: &str = "x-hub-signature-256";

type Door = (Arc<GitHub>, Inbound);

pub(super) fn routes(github: Arc<GitHub>, inbound: Inbound) -> Router {
    Router::new()
        .route(&github.gate.path(), post(receive))
        .with_state((github, inbound))
}

async fn receive(State((github, inbound)): State<Door>, request: Request) -> Response {
    let accept = |notice| accept(&github, &inbound, notice);
    github.gate.pass(request, accept).await
}

async fn accept(github: &GitHub, inbound: &Inbound, notice: Notice) -> Result<StatusCode, Rejected> {
    verify(github, &notice)?;
    // A `ping`, and what happens to anything else, is nobody's post.
    if !matches!(
        push::once(&notice.headers, EVENT)?,
        Some("issues" | "issue_comment")
    ) {
        return Ok(StatusCode::OK);
    }
    let pushed: Pushed = match serde_json::from_slice(&notice.body) {
        Ok(pushed) => pushed,
        Err(error) => {
            let raw = String::from_utf8_lossy(&notice.body);
            let place = (&github.source, "webhook");
            let keeping = github.troubles.put_aside(inbound, place, &raw, &error, &raw);
            keeping.await?;
            return Ok(StatusCode::OK);
        }
    };
    if let Some(sighting) = sighting(github, &pushed).await? {
        inbound.posts_seen(&github.source, vec![sighting], None).await?;
    }
    Ok(StatusCode::OK)
}

async fn sighting(github: &GitHub, pushed: &Pushed) -> Result<Option<Sighting>, Rejected> {
    let repository = &pushed.repository.full_name;
    if !github.hears(repository) {
        return Ok(None);
    }
    let me = github.me().await?;
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

fn verify(github: &GitHub, notice: &Notice) -> Result<(), Rejected> {
    let mend = "check webhook_secret and the webhook's secret";
    let mac = github.hook.as_ref().ok_or_else(|| Rejected::unproven(mend))?;
    push::verify_hex(mac, notice, SIGNATURE, mend)
}
