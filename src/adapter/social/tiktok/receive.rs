//! What TikTok sends us at `/webhooks/{source}`: that something happened to a comment
//! (<https://developers.tiktok.com/doc/webhooks-verification>: `TikTok-Signature: t=SECONDS,s=HEX`, the
//! HMAC-SHA256 of `SECONDS.BODY` with the application's secret). The comment itself is read then. What could
//! not be taken comes again for three days, and with the next sweep.

use super::TikTok;
use super::wire::{Push, Update};
use crate::adapter::push::{self, Notice, Rejected};
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use crate::domain::{Instant, NativeId, Sighting};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use std::sync::Arc;

/// The header of the signature.
const SIGNATURE: &str = "tiktok-signature";
/// How far a request's time may be from ours, in seconds.
const WINDOW: u64 = 300;

pub(super) fn routes(tiktok: Arc<TikTok>, inbound: Inbound) -> Router {
    Router::new()
        .route(&tiktok.gate.path(), post(receive))
        .with_state((tiktok, inbound))
}

async fn receive(State((tiktok, inbound)): State<(Arc<TikTok>, Inbound)>, request: Request) -> Response {
    let accept = async |notice: Notice| {
        tiktok.verify(&notice, tiktok.clock.now())?;
        tiktok.taken(&inbound, &notice.body).await?;
        Ok(StatusCode::OK)
    };
    tiktok.gate.pass(request, accept).await
}

impl TikTok {
    fn verify(&self, notice: &Notice, now: Instant) -> Result<(), Rejected> {
        let unproven = |why: &str| Rejected::unproven(why);
        let told = push::once(&notice.headers, SIGNATURE)?;
        let told = told.ok_or_else(|| unproven("the header tiktok-signature must be there once"))?;
        let part = |name: &str| {
            let mut parts = told.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let (at, signature) = (part("t").unwrap_or_default(), part("s").unwrap_or_default());
        let seconds: i64 = at.parse().map_err(|_| unproven("the signature says no time"))?;
        let signature = hex::decode(signature).unwrap_or_default();
        let fits = |mac| push::is_signed(mac, &[at.as_bytes(), b".", &notice.body], &signature);
        if !self.secret.as_ref().is_some_and(fits) {
            return Err(unproven("the signature does not fit"));
        }
        if now.timestamp().abs_diff(seconds) > WINDOW {
            return Err(unproven("it was signed more than five minutes from now"));
        }
        Ok(())
    }

    async fn taken(&self, inbound: &Inbound, body: &[u8]) -> Result<(), Halt> {
        let text = String::from_utf8_lossy(body);
        let update = match self.update(&text) {
            Ok(Some(update)) => update,
            Ok(None) => return Ok(()),
            Err(error) => {
                let name: String = text.chars().take(200).collect();
                let place = (&self.source, "webhook");
                self.troubles
                    .put_aside(inbound, place, &name, &error, &text)
                    .await?;
                return Ok(());
            }
        };
        if update.comment_action == "delete" {
            let id = NativeId::new(format!("{}:{}", update.video_id, update.comment_id));
            inbound
                .posts_seen(&self.source, vec![Sighting::Gone(id)], None)
                .await?;
            return Ok(());
        }
        let mut read = self.several(&update.video_id, &[&update.comment_id]).await?;
        read.retain(|comment| comment.comment_id == update.comment_id && self.concerns(comment));
        self.store(inbound, &read, None).await
    }

    /// What it is about. The content is JSON inside of JSON.
    fn update(&self, text: &str) -> Result<Option<Update>, serde_json::Error> {
        let push: Push = serde_json::from_str(text)?;
        let ours = push.user_openid.is_empty() || push.user_openid == self.business;
        if push.event != "comment.update" || !ours {
            return Ok(None);
        }
        serde_json::from_str(&push.content).map(Some)
    }
}
