//! What Meta sends: changes of the page, mentions, reviews, messages. What happens to a page that others have
//! in the same app is theirs.

use super::wire::{Change, Entry, Envelope, Messaging, Told};
use super::{Facebook, translate};
use crate::adapter::graph::door::{Door, Pushed};
use crate::adapter::graph::wire::name;
use crate::adapter::push::Rejected;
use crate::app::{Inbound, Unavailable};
use crate::domain::{Instant, NativeId, Sighting};
use async_trait::async_trait;
use serde_json::value::RawValue;

/// What is put aside under.
const STREAM: &str = "webhook";
/// What happens to things that nobody says anything in.
const SILENT: [&str; 3] = ["like", "reaction", "event"];

#[async_trait]
impl Pushed for Facebook {
    fn door(&self) -> &Door {
        &self.door
    }

    async fn pushed(&self, inbound: &Inbound, body: &[u8]) -> Result<(), Rejected> {
        let envelope: Envelope = match serde_json::from_slice(body) {
            Ok(envelope) => envelope,
            Err(error) => {
                let raw = String::from_utf8_lossy(body);
                let named: String = raw.chars().take(200).collect();
                self.shelf.aside(inbound, (STREAM, &named), &error, &raw).await?;
                return Ok(());
            }
        };
        let mut sightings = Vec::new();
        let mine = |entry: &&Entry| entry.id.as_deref().is_none_or(|id| self.is_ours(id));
        for entry in envelope.entry.iter().filter(mine) {
            for raw in &entry.changes {
                match self.change(raw, entry.time) {
                    Ok(sighting) => sightings.extend(sighting),
                    Err(error) => self.aside(inbound, raw, &error).await?,
                }
            }
            for raw in &entry.messaging {
                match self.message(raw) {
                    Ok(sighting) => sightings.extend(sighting),
                    Err(error) => self.aside(inbound, raw, &error).await?,
                }
            }
        }
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        Ok(())
    }
}

impl Facebook {
    async fn aside(
        &self,
        inbound: &Inbound,
        raw: &RawValue,
        error: &serde_json::Error,
    ) -> Result<(), Unavailable> {
        let named = name(raw);
        self.shelf
            .aside(inbound, (STREAM, &named), error, raw.get())
            .await
    }

    /// What a change shows; `None` where nobody said anything, or we did.
    fn change(&self, raw: &RawValue, sent: Option<Instant>) -> Result<Option<Sighting>, serde_json::Error> {
        let change: Change = serde_json::from_str(raw.get())?;
        if !matches!(change.field.as_str(), "feed" | "mention" | "ratings") {
            return Ok(None);
        }
        let told: Told = serde_json::from_value(change.value)?;
        if told.item.as_deref().is_some_and(|item| SILENT.contains(&item)) {
            return Ok(None);
        }
        let now = self.clock.now();
        let mut post = match (
            told.verb.as_deref(),
            translate::told(&self.source, &change.field, &told, now),
        ) {
            (Some("add" | "edit" | "edited" | "update" | "remove"), Some(post)) => post,
            (Some("add" | "edit" | "edited" | "update" | "remove"), None) => {
                return Err(serde::de::Error::custom(
                    "a change names neither a post nor a comment",
                ));
            }
            // Hidden is not gone, and nothing else was said.
            (Some(_) | None, _) => return Ok(None),
        };
        if self.is_ours(post.author.id.as_str()) {
            return Ok(None);
        }
        match told.verb.as_deref() {
            Some("remove") => return Ok(Some(Sighting::Gone(NativeId::new(post.id.as_str())))),
            Some("add") => {}
            Some(_) | None => post.edited_at = Some(sent.unwrap_or(now)),
        }
        Ok(Some(Sighting::Post(Box::new(post))))
    }

    /// A message; `None` for what is no message, and for what we sent.
    fn message(&self, raw: &RawValue) -> Result<Option<Sighting>, serde_json::Error> {
        let messaging: Messaging = serde_json::from_str(raw.get())?;
        let Some(sent) = messaging.message.filter(|sent| !sent.is_echo) else {
            return Ok(None);
        };
        if self.is_ours(&messaging.sender.id) {
            return Ok(None);
        }
        let at = messaging.timestamp.unwrap_or_else(|| self.clock.now());
        let post = translate::sent(&self.source, &messaging.sender.id, &sent, at);
        Ok(Some(Sighting::Post(Box::new(post))))
    }
}
