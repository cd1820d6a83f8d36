//! What Meta sends: answers, mentions, deletions. Each comes alone, with the whole post.

use super::wire::{self, Deleted, Envelope};
use super::{Threads, translate};
use crate::adapter::graph::door::{Door, Pushed};
use crate::adapter::push::Rejected;
use crate::app::Inbound;
use crate::domain::{NativeId, PostKind, Sighting};
use async_trait::async_trait;
use serde_json::value::RawValue;

/// What is put aside under.
const STREAM: &str = "webhook";

#[async_trait]
impl Pushed for Threads {
    fn door(&self) -> &Door {
        &self.door
    }

    async fn pushed(&self, inbound: &Inbound, body: &[u8]) -> Result<(), Rejected> {
        let me = self.me().await;
        let me = me.map_err(|error| Rejected::Unavailable(format!("who we are cannot be asked: {error}")))?;
        let seen = serde_json::from_slice::<Envelope>(body).and_then(|envelope| {
            let values = &envelope.values;
            let told = envelope.target_id.as_deref().is_none_or(|id| id == me.id);
            Ok(if told {
                self.seen(&values.field, &values.value, &me.username)?
            } else {
                None
            })
        });
        match seen {
            Ok(Some(sighting)) => {
                inbound.posts_seen(&self.source, vec![sighting], None).await?;
            }
            Ok(None) => {}
            Err(error) => {
                let raw = String::from_utf8_lossy(body);
                let named: String = raw.chars().take(200).collect();
                self.shelf.aside(inbound, (STREAM, &named), &error, &raw).await?;
            }
        }
        Ok(())
    }
}

impl Threads {
    fn seen(
        &self,
        field: &str,
        value: &RawValue,
        handle: &str,
    ) -> Result<Option<Sighting>, serde_json::Error> {
        let kind = match field {
            "replies" => PostKind::Comment,
            "mentions" => PostKind::Mention,
            "delete" => {
                let deleted: Deleted = serde_json::from_str(value.get())?;
                return Ok(Some(Sighting::Gone(NativeId::new(&deleted.id))));
            }
            _ => return Ok(None),
        };
        let post: wire::Post = serde_json::from_str(value.get())?;
        if post.username.as_deref() == Some(handle) {
            return Ok(None);
        }
        let post = translate::post(&self.source, kind, &post);
        Ok(Some(Sighting::Post(Box::new(post))))
    }
}
