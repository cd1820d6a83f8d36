//! What Meta sends: comments under our media, and where somebody names us, which is asked for then.

use super::wire::{Account, Change, Entry, Envelope, MENTION, MENTIONED_MEDIA, Media, Named, Told};
use super::{Instagram, translate};
use crate::adapter::api::Failed;
use crate::adapter::graph::door::{Door, Pushed};
use crate::adapter::graph::wire::{moment, name};
use crate::adapter::push::Rejected;
use crate::app::{Inbound, Unavailable};
use crate::domain::{Instant, Post, Sighting};
use async_trait::async_trait;
use serde_json::value::RawValue;
use std::time::Duration;

/// How long Meta waits for an answer because of what is nice to have: our handle, an address.
const PATIENCE: Duration = Duration::from_secs(3);
/// What is put aside under.
const STREAM: &str = "webhook";

/// Why a change brought no post.
enum Missed {
    /// It is not what the documentation describes.
    Odd(serde_json::Error),
    /// What it names could not be asked for.
    Unasked(Failed),
}

impl From<serde_json::Error> for Missed {
    fn from(error: serde_json::Error) -> Self {
        Self::Odd(error)
    }
}

#[async_trait]
impl Pushed for Instagram {
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
        let mine = |entry: &&Entry| entry.id.as_deref().is_none_or(|id| id == self.account);
        for entry in envelope.entry.iter().filter(mine) {
            for raw in &entry.changes {
                match self.change(raw, entry.time).await {
                    Ok(post) => sightings.extend(post.map(|post| Sighting::Post(Box::new(post)))),
                    Err(Missed::Odd(error)) => self.aside(inbound, raw, &error).await?,
                    // Meta tells of it again; what it does not let us see, it never will.
                    Err(Missed::Unasked(error)) if will_pass(&error) => {
                        return Err(Rejected::Unavailable(format!(
                            "what it names could not be read: {error}"
                        )));
                    }
                    Err(Missed::Unasked(error)) => {
                        self.aside(inbound, raw, &error).await?;
                    }
                }
            }
        }
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        Ok(())
    }
}

impl Instagram {
    async fn aside(
        &self,
        inbound: &Inbound,
        raw: &RawValue,
        error: &impl std::fmt::Display,
    ) -> Result<(), Unavailable> {
        let named = name(raw);
        self.shelf
            .aside(inbound, (STREAM, &named), error, raw.get())
            .await
    }

    async fn change(&self, raw: &RawValue, sent: Option<Instant>) -> Result<Option<Post>, Missed> {
        let change: Change = serde_json::from_str(raw.get())?;
        match change.field.as_str() {
            "comments" => {
                let told: Told = serde_json::from_value(change.value)?;
                Ok(self.comment(&told, sent).await)
            }
            "mentions" => {
                let named: Named = serde_json::from_value(change.value)?;
                self.mention(&named).await.map_err(Missed::Unasked)
            }
            _ => Ok(None),
        }
    }

    /// `None`: it is ours.
    async fn comment(&self, told: &Told, sent: Option<Instant>) -> Option<Post> {
        let handle = tokio::time::timeout(PATIENCE, self.handle()).await;
        let handle = handle.ok().and_then(Result::ok).unwrap_or_default();
        if told.from.as_ref().is_some_and(|who| self.is_us(who, &handle)) {
            return None;
        }
        let now = self.clock.now();
        let page = self.page(&told.media.id).await;
        Some(translate::told(
            &self.source,
            page.as_deref(),
            told,
            sent.unwrap_or(now).min(now),
        ))
    }

    /// Where people read a media object, as far as that can be had.
    async fn page(&self, media: &str) -> Option<String> {
        if let Some(known) = self.memory().pages.get(media).cloned() {
            return Some(known);
        }
        let fields = [("fields", "id,permalink,timestamp")];
        let path = [media];
        let asking = self.graph.get::<Media>(&path, &fields);
        let asked = tokio::time::timeout(PATIENCE, asking).await.ok()?.ok()?;
        let page = asked.permalink?;
        self.remember_page(media, &page);
        Some(page)
    }

    /// What names us, which only this field of our account shows.
    pub(super) async fn mention(&self, named: &Named) -> Result<Option<Post>, Failed> {
        let (id, fields) = match &named.comment_id {
            Some(comment) => (
                comment,
                format!("mentioned_comment.comment_id({comment}){{{MENTION}}}"),
            ),
            None => (
                &named.media_id,
                format!(
                    "mentioned_media.media_id({}){{{MENTIONED_MEDIA}}}",
                    named.media_id
                ),
            ),
        };
        if !id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Failed::Broken("a mention is named by no id".to_owned()));
        }
        let shown: Account = self.graph.get(&[&self.account], &[("fields", &fields)]).await?;
        let handle = self.handle().await?;
        Ok(match (shown.mentioned_comment, shown.mentioned_media) {
            (Some(comment), _) if !self.is_ours(&comment, &handle) => {
                Some(translate::mention(&self.source, &named.media_id, &comment))
            }
            (_, Some(media)) if media.username.as_deref() != Some(&handle) => {
                Some(translate::media(&self.source, true, &media))
            }
            (_, _) => None,
        })
    }
}

/// Whether it may go well when it is tried again.
fn will_pass(error: &Failed) -> bool {
    match error {
        Failed::Limited(_) | Failed::Unreached(_) => true,
        Failed::Status { status, .. } => status.is_server_error() || status.as_u16() == 401,
        Failed::Broken(_) => false,
    }
}

/// When a media object or a comment was made.
pub(super) fn stamped(raw: &RawValue) -> Option<Instant> {
    #[derive(serde::Deserialize)]
    struct Stamped {
        #[serde(default)]
        timestamp: serde_json::Value,
    }
    let stamped: Stamped = serde_json::from_str(raw.get()).ok()?;
    moment(&stamped.timestamp)
}
