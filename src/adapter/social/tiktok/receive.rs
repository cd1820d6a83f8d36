//! What TikTok sends us at `/webhooks/{source}`: that something happened to a comment
//! (<https://developers.tiktok.com/doc/webhooks-verification>: `TikTok-Signature: t=SECONDS,s=HEX`, the
//! HMAC-SHA256 of `SECONDS.BODY` with the application's secret). The comment itself is read then. What could
//! not be taken comes again for three days, and with the next sweep.

use super::TikTok;
use super::wire::{Push, Update};
use crate::adapter::push::{self, Rejected};
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use crate::domain::{Instant, NativeId, Sighting};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The header of the signature.
const SIGNATURE: &str = "tiktok-signature";
/// How far a request's time may be from ours, in seconds.
const WINDOW: i64 = 300;

pub(super) fn routes(tiktok: Arc<TikTok>, inbound: Inbound) -> Router {
    let path = format!("/webhooks/{}", tiktok.source);
    Router::new()
        .route(&path, post(receive))
        .with_state((tiktok, inbound))
}

async fn receive(State((tiktok, inbound)): State<(Arc<TikTok>, Inbound)>, request: Request) -> Response {
    match accept(&tiktok, &inbound, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(rejected) => rejected.answer(&tiktok.source, &tiktok.complained),
    }
}

async fn accept(tiktok: &TikTok, inbound: &Inbound, request: Request) -> Result<(), Rejected> {
    let (head, body) = request.into_parts();
    let body = push::collect(&head.headers, body).await?;
    tiktok.verify(&head.headers, &body, tiktok.clock.now())?;
    tiktok.complained.store(false, Ordering::Relaxed);
    let taking = tiktok.taken(inbound, &body).await;
    taking.map_err(|halt| match halt {
        Halt::Network(error) => Rejected::Unavailable(error.to_string()),
        Halt::Store(error) => Rejected::Unavailable(error.to_string()),
    })
}

impl TikTok {
    fn verify(&self, headers: &HeaderMap, body: &[u8], now: Instant) -> Result<(), Rejected> {
        let unproven = |why: &str| Rejected::Unproven(why.to_owned());
        let told = push::once(headers, SIGNATURE)?;
        let told = told.ok_or_else(|| unproven("the header tiktok-signature must be there once"))?;
        let part = |name: &str| {
            let mut parts = told.split(',').filter_map(|part| part.trim().split_once('='));
            parts.find(|(key, _)| *key == name).map(|(_, value)| value)
        };
        let (at, signature) = (part("t").unwrap_or_default(), part("s").unwrap_or_default());
        let seconds: i64 = at.parse().map_err(|_| unproven("the signature says no time"))?;
        let signature = hex::decode(signature).unwrap_or_default();
        let fits = |mac| push::is_signed(mac, &[at.as_bytes(), b".", body], &signature);
        if !self.secret.as_ref().is_some_and(fits) {
            return Err(unproven("the signature does not fit"));
        }
        if (now.timestamp() - seconds).abs() > WINDOW {
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
