//! What is pushed: signed with HMAC-SHA256 over the raw body, in hexadecimal
//! (<https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>). There is no time in it, and
//! nothing is sent again by itself: the sweep finds what was missed.

use super::GitHub;
use super::translate::{self, Place, Said, titled};
use super::wire::{Pushed, PushedTalk};
use crate::adapter::push::{self, Notice, Rejected};
use crate::app::Inbound;
use crate::domain::{Instant, Post, Sighting};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use serde::de::DeserializeOwned;
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
    let sighting = match push::once(&notice.headers, EVENT)? {
        Some("issues" | "issue_comment") => match parse(github, inbound, &notice.body).await? {
            Some(pushed) => issue(github, &pushed).await?,
            None => None,
        },
        Some("discussion" | "discussion_comment") => match parse(github, inbound, &notice.body).await? {
            Some(pushed) => talk(github, &pushed).await?,
            None => None,
        },
        Some(_) | None => None,
    };
    if let Some(sighting) = sighting {
        inbound.posts_seen(&github.source, vec![sighting], None).await?;
    }
    Ok(StatusCode::OK)
}

/// What a body says; what cannot be read is put aside.
async fn parse<T: DeserializeOwned>(
    github: &GitHub,
    inbound: &Inbound,
    body: &[u8],
) -> Result<Option<T>, Rejected> {
    match serde_json::from_slice(body) {
        Ok(pushed) => Ok(Some(pushed)),
        Err(error) => {
            let raw = String::from_utf8_lossy(body);
            let place = (&github.source, "webhook");
            let keeping = github.troubles.put_aside(inbound, place, &raw, &error, &raw);
            keeping.await?;
            Ok(None)
        }
    }
}

/// What happened to an issue, or to a comment on one.
async fn issue(github: &GitHub, pushed: &Pushed) -> Result<Option<Sighting>, Rejected> {
    let named = &pushed.repository.full_name;
    let Some(repository) = GitHub::spelled(&github.repositories, named) else {
        return Ok(None);
    };
    if pushed.issue.pull_request.is_some() {
        return Ok(None);
    }
    let (post, place) = match &pushed.comment {
        Some(comment) => (
            translate::comment(&github.source, repository, comment),
            translate::place(repository, comment),
        ),
        None => {
            let place = Place {
                repository: repository.to_owned(),
                issue: pushed.issue.number,
                comment: None,
                talk: false,
            };
            (
                translate::issue(&github.source, repository, &pushed.issue),
                Some(place),
            )
        }
    };
    sighting(github, &pushed.action, post, place).await
}

/// What happened to a discussion, or to a comment on one.
async fn talk(github: &GitHub, pushed: &PushedTalk) -> Result<Option<Sighting>, Rejected> {
    let named = &pushed.repository.full_name;
    let Some(repository) = GitHub::spelled(&github.talks, named) else {
        return Ok(None);
    };
    let discussion = &pushed.discussion;
    let changed = |created: Instant, updated: Instant| {
        (pushed.action == "edited" && updated > created).then_some(updated)
    };
    let said = match &pushed.comment {
        Some(comment) => Said {
            number: discussion.number,
            comment: Some((comment.id, comment.parent_id)),
            author: comment.user.as_ref(),
            association: &comment.author_association,
            text: comment.body.clone().unwrap_or_default(),
            url: &comment.html_url,
            created: comment.created_at,
            edited: changed(comment.created_at, comment.updated_at),
            likes: 0,
        },
        None => Said {
            number: discussion.number,
            comment: None,
            author: discussion.user.as_ref(),
            association: &discussion.author_association,
            text: titled(&discussion.title, discussion.body.as_deref().unwrap_or_default()),
            url: &discussion.html_url,
            created: discussion.created_at,
            edited: changed(discussion.created_at, discussion.updated_at),
            likes: 0,
        },
    };
    let post = said.post(&github.source, repository);
    sighting(github, &pushed.action, post, Some(said.place(repository))).await
}

/// What is seen of it, if it is a customer's.
async fn sighting(
    github: &GitHub,
    action: &str,
    post: Option<Post>,
    place: Option<Place>,
) -> Result<Option<Sighting>, Rejected> {
    let me = github.me().await?;
    Ok(match action {
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
