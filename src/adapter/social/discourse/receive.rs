//! Posts that are pushed: signed with HMAC-SHA256 over the raw body, in hexadecimal
//! (<https://meta.discourse.org/t/configure-webhooks-that-trigger-on-discourse-events/49045>, and
//! `emit_web_hook_event.rb` in <https://github.com/discourse/discourse>). There is no time in it. What is not
//! answered with success comes again up to four times, where the forum is set so; the sweep finds the rest.

use super::Discourse;
use super::api::Failed;
use super::feed::FIRST_LOOK;
use super::translate;
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

/// What kind of thing it is about, what happened, and the signature.
const TYPE: &str = "x-discourse-event-type";
const EVENT: &str = "x-discourse-event";
const SIGNATURE: &str = "x-discourse-event-signature";

type Door = (Arc<Discourse>, Inbound);

pub(super) fn routes(forum: Arc<Discourse>, inbound: Inbound) -> Router {
    Router::new()
        .route(&forum.gate.path(), post(receive))
        .with_state((forum, inbound))
}

async fn receive(State((forum, inbound)): State<Door>, request: Request) -> Response {
    let accept = |notice| accept(&forum, &inbound, notice);
    forum.gate.pass(request, accept).await
}

async fn accept(forum: &Discourse, inbound: &Inbound, notice: Notice) -> Result<StatusCode, Rejected> {
    verify(forum, &notice)?;
    // A `ping`, and what happens to topics and users, is nobody's post.
    if push::once(&notice.headers, TYPE)? != Some("post") {
        return Ok(StatusCode::OK);
    }
    let event = push::once(&notice.headers, EVENT)?.unwrap_or_default();
    let pushed: Pushed = match serde_json::from_slice(&notice.body) {
        Ok(pushed) => pushed,
        Err(error) => {
            let raw = String::from_utf8_lossy(&notice.body);
            let place = (&forum.source, "webhook");
            let keeping = forum.troubles.put_aside(inbound, place, &raw, &error, &raw);
            keeping.await?;
            return Ok(StatusCode::OK);
        }
    };
    if let Some(sighting) = sighting(forum, inbound, &pushed, event).await? {
        inbound.posts_seen(&forum.source, vec![sighting], None).await?;
    }
    Ok(StatusCode::OK)
}

async fn sighting(
    forum: &Discourse,
    inbound: &Inbound,
    pushed: &Pushed,
    event: &str,
) -> Result<Option<Sighting>, Rejected> {
    let post = &pushed.post;
    let known = forum.known().await?;
    if known.id == post.user_id {
        return Ok(None);
    }
    let id = translate::id(post.topic_id, post.post_number);
    if event == "post_destroyed" || translate::is_gone(post) {
        // The name of the event is not signed, and an old request can be sent again: the forum itself is asked.
        return match forum.post(post.topic_id, post.post_number).await {
            Ok(now) if now.as_ref().is_none_or(translate::is_gone) => Ok(Some(Sighting::Gone(id))),
            Ok(_) | Err(Failed::Status { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        };
    }
    // Moderators change old posts, too; and an old request can be sent again. What was never heard stays so.
    if post.created_at < forum.clock.now() - FIRST_LOOK {
        let heard = inbound
            .known_posts(&forum.source, std::slice::from_ref(&id))
            .await?;
        if heard.is_empty() {
            return Ok(None);
        }
    }
    let private = post.topic_archetype.as_deref() == Some("private_message");
    // A webhook tells of all that is written on the forum.
    if private && !forum.is_party(&known, post.topic_id).await? {
        return Ok(None);
    }
    let seen = translate::post(&forum.source, &forum.api, post, private);
    Ok(seen.map(|mut seen| {
        if event == "post_edited" && seen.edited_at.is_none() {
            seen.edited_at = Some(post.updated_at);
        }
        Sighting::Post(Box::new(seen))
    }))
}

fn verify(forum: &Discourse, notice: &Notice) -> Result<(), Rejected> {
    let mend = "check webhook_secret and the webhook's secret";
    let mac = forum.hook.as_ref().ok_or_else(|| Rejected::unproven(mend))?;
    push::verify_hex(mac, notice, SIGNATURE, mend)
}
