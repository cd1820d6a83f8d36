//! A second look at known posts, for edits and deletions that nobody pushed: they reach nobody who
//! does not follow the author.

use super::Mastodon;
use super::api::Failed;
use super::instance::Known;
use super::translate;
use super::wire::Status;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::Inbound;
use crate::domain::{NativeId, Post, Sighting};

/// How many known posts are read again in a minute (a server allows 300 calls in five minutes).
const LOOKS_A_MINUTE: u32 = 20;

impl Mastodon {
    /// Reads some known posts again, in turns.
    ///
    /// # Errors
    /// The server limits us, or nothing can be stored; what was seen until then is stored if it can.
    pub(super) async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let known = self.known().await?;
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let (mut sightings, mut limited) = (Vec::new(), None);
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            match self.seen_again(&known, post).await {
                Ok(sighting) => sightings.extend(sighting),
                Err(error @ Failed::Limited(_)) => {
                    limited = Some(error);
                    break;
                }
                // Not to be had now: its turn comes again.
                Err(Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_)) => {}
            }
        }
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        limited.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What is new about a post. It is gone when the API said so in two rounds: a server that is
    /// being mended says it of everything for a moment.
    async fn seen_again(&self, known: &Known, post: &Post) -> Result<Option<Sighting>, Failed> {
        match self.status(post.id.as_str()).await {
            Ok(now) => {
                self.watch.found(&post.id);
                let edited = now.edited_at > post.edited_at;
                Ok(edited.then(|| {
                    let conversation = post.conversation.clone();
                    let edited = translate::post(&self.source, known, &now, conversation);
                    Sighting::Post(Box::new(edited))
                }))
            }
            Err(error) if error.is_missing() => {
                let gone = self.watch.is_gone(&post.id);
                Ok(gone.then(|| Sighting::Gone(post.id.clone())))
            }
            Err(error) => Err(error),
        }
    }

    /// A status as it is now.
    pub(super) async fn status(&self, id: &str) -> Result<Status, Failed> {
        self.api.get(&["api", "v1", "statuses", id], &[]).await
    }
}

/// A deletion that the server told.
pub(super) fn gone(known: &Known, id: &str) -> Sighting {
    Sighting::Gone(NativeId::new(known.software.stable(id).as_str()))
}
