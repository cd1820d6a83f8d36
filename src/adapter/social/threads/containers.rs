//! The containers of replies, kept over a restart: whatever became of an attempt, the next one publishes the
//! same container. One ends after a day if it is not published.

use crate::domain::{Clock, Instant, Reply, SourceName};
use crate::port::{PortError, Vault};
use chrono::TimeDelta;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Under this name they are kept.
const KEPT: &str = "containers";
/// For how long: longer than one that is not published lasts.
const LASTS: TimeDelta = TimeDelta::hours(48);

/// One of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    reply: String,
    text: String,
    id: String,
    at: Instant,
}

/// Those of a source.
pub(super) struct Containers {
    source: SourceName,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    /// Who holds it reads or writes.
    gate: Mutex<()>,
}

impl Containers {
    pub fn new(source: &SourceName, vault: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        Self {
            source: source.clone(),
            vault,
            clock,
            gate: Mutex::default(),
        }
    }

    /// The container of a reply with these words.
    ///
    /// # Errors
    /// It cannot be read now.
    pub async fn of(&self, reply: &Reply) -> Result<Option<String>, PortError> {
        let _gate = self.gate.lock().await;
        let kept = self.read().await?.into_iter();
        let mut same = kept.filter(|kept| kept.reply == reply.key.as_str() && kept.text == reply.text);
        Ok(same.next_back().map(|kept| kept.id))
    }

    /// Keeps the container of a reply, before it is published.
    ///
    /// # Errors
    /// It is not kept, and so must not be published.
    pub async fn keep(&self, reply: &Reply, id: &str) -> Result<(), PortError> {
        let _gate = self.gate.lock().await;
        let now = self.clock.now();
        let mut kept = self.read().await?;
        kept.retain(|kept| now - kept.at < LASTS && kept.reply != reply.key.as_str());
        kept.push(Kept {
            reply: reply.key.to_string(),
            text: reply.text.clone(),
            id: id.to_owned(),
            at: now,
        });
        let text = serde_json::to_string(&kept).map_err(|error| unkept(&error.to_string()))?;
        let put = self.vault.put(&self.source, KEPT, &text.into()).await;
        put.map_err(|error| unkept(&error.to_string()))
    }

    async fn read(&self) -> Result<Vec<Kept>, PortError> {
        let kept = self.vault.get(&self.source, KEPT).await;
        let kept = kept.map_err(|error| unkept(&error.to_string()))?;
        Ok(kept
            .and_then(|kept| serde_json::from_str(kept.expose_secret()).ok())
            .unwrap_or_default())
    }
}

fn unkept(why: &str) -> PortError {
    PortError::NotReached(format!(
        "what is to be published cannot be kept, so it was not published: {why}"
    ))
}
