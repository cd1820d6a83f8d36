//! The token, renewed while it holds: one that is over cannot be
//! (<https://developers.facebook.com/docs/threads/get-started/long-lived-tokens>). The new one is stored before
//! it is used, with a mark of the configured one that it came of: a newly configured one counts.

use super::wire::Renewed;
use crate::adapter::graph::Graph;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::Vault;
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Under this name it is kept.
const KEPT: &str = "threads";
/// How often it is renewed: it holds for 60 days.
const EVERY: TimeDelta = TimeDelta::days(7);
/// How soon after it was configured for the first time: one that is younger than a day cannot be renewed.
const FIRST: TimeDelta = TimeDelta::hours(25);
/// How long nothing is asked after a renewal that failed.
const PAUSE: TimeDelta = TimeDelta::hours(1);

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The mark of the configured token.
    from: String,
    token: String,
    renew: Instant,
}

/// Renews a source's token.
pub(super) struct Renewal {
    source: SourceName,
    configured: SecretString,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    /// When it is renewed next; `None` before it was looked what is kept.
    next: Mutex<Option<Instant>>,
}

impl Renewal {
    pub fn new(
        source: &SourceName,
        configured: SecretString,
        vault: Arc<dyn Vault>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            source: source.clone(),
            configured,
            vault,
            clock,
            next: Mutex::default(),
        }
    }

    /// Makes the token that is kept the one that counts, once. Where nothing can be read now, the configured one
    /// does so long, and none is renewed.
    pub async fn begin(&self, graph: &Graph) {
        let mut next = self.next.lock().await;
        if next.is_some() {
            return;
        }
        let Ok(kept) = self.vault.get(&self.source, KEPT).await else {
            return;
        };
        let kept = kept.and_then(|kept| serde_json::from_str::<Kept>(kept.expose_secret()).ok());
        if let Some(kept) = kept.filter(|kept| kept.from == self.mark()) {
            graph.renewed(kept.token.into());
            *next = Some(kept.renew);
            return;
        }
        let first = self.clock.now() + FIRST;
        if self.keep(self.configured.expose_secret(), first).await.is_ok() {
            *next = Some(first);
        }
    }

    /// Renews it if it is time. One that cannot be renewed now still holds.
    pub async fn keep_up(&self, graph: &Graph) {
        let mut next = self.next.lock().await;
        let now = self.clock.now();
        if next.is_none_or(|next| now < next) {
            return;
        }
        *next = Some(now + PAUSE);
        match graph.renew("th_refresh_token").await {
            Ok(Renewed { access_token }) => match self.keep(&access_token, now + EVERY).await {
                Ok(()) => {
                    graph.renewed(access_token.into());
                    *next = Some(now + EVERY);
                }
                Err(error) => self.say(&error),
            },
            Err(error) => self.say(&error.to_string()),
        }
    }

    async fn keep(&self, token: &str, renew: Instant) -> Result<(), String> {
        let kept = Kept {
            from: self.mark(),
            token: token.to_owned(),
            renew,
        };
        let kept = serde_json::to_string(&kept).map_err(|error| error.to_string())?;
        let put = self.vault.put(&self.source, KEPT, &kept.into()).await;
        put.map_err(|error| error.to_string())
    }

    fn say(&self, error: &str) {
        tracing::warn!(
            source = %self.source, error,
            "The access token cannot be renewed now; it is tried again in an hour. It ends 60 days after its last renewal."
        );
    }

    fn mark(&self) -> String {
        hex::encode(Sha256::digest(self.configured.expose_secret().as_bytes()))
    }
}
