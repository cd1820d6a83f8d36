//! A second look at known posts, for edits and deletions that nobody pushed: they reach nobody who
//! does not follow the author.

use super::Mastodon;
use super::api::Failed;
use super::feed::Halt;
use super::instance::Known;
use super::translate;
use super::wire::Status;
use crate::app::Inbound;
use crate::domain::{NativeId, Post, Sighting};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many known posts are read again in a minute (a server allows 300 calls in five minutes).
const LOOKS_A_MINUTE: usize = 20;
/// How many known posts are watched: the newest in every sweep, the others in turns.
const WATCHED: usize = 1000;

/// What the looks remember.
#[derive(Default)]
pub(super) struct Watch {
    /// Whose turn it is to be read again.
    turn: AtomicUsize,
    /// Posts that the last look did not find.
    missed: Mutex<HashSet<NativeId>>,
}

impl Watch {
    fn missed(&self) -> MutexGuard<'_, HashSet<NativeId>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mastodon {
    /// Reads some known posts again, in turns.
    ///
    /// # Errors
    /// The server limits us, or nothing can be stored; what was seen until then is stored if it can.
    pub(super) async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let known = self.known().await?;
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        self.forget_all_but(&watched);
        let (mut sightings, mut limited) = (Vec::new(), None);
        for post in self.turns(&watched) {
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
                self.watch.missed().remove(&post.id);
                let edited = now.edited_at > post.edited_at;
                Ok(edited.then(|| {
                    let conversation = post.conversation.clone();
                    let edited = translate::post(&self.source, known, &now, conversation);
                    Sighting::Post(Box::new(edited))
                }))
            }
            Err(error) if error.is_missing() => {
                let mut missed = self.watch.missed();
                if missed.insert(post.id.clone()) {
                    return Ok(None);
                }
                missed.remove(&post.id);
                Ok(Some(Sighting::Gone(post.id.clone())))
            }
            Err(error) => Err(error),
        }
    }

    fn forget_all_but(&self, watched: &[Post]) {
        let mut missed = self.watch.missed();
        if !missed.is_empty() {
            let watched: HashSet<_> = watched.iter().map(|post| &post.id).collect();
            missed.retain(|id| watched.contains(id));
        }
    }

    /// Whose turn it is: what was missed in the round before, then half of the looks for the newest,
    /// which are edited most.
    fn turns<'a>(&self, watched: &'a [Post]) -> Vec<&'a Post> {
        let budget = looks(self.poll.as_secs_f64()).min(watched.len());
        let missed = self.watch.missed();
        let (mut turns, others): (Vec<_>, Vec<_>) =
            watched.iter().partition(|post| missed.contains(&post.id));
        turns.truncate(budget);
        let left = budget - turns.len();
        let (newest, others) = others.split_at(left.div_ceil(2).min(others.len()));
        let rest = left - newest.len();
        let turn = self.watch.turn.fetch_add(rest, Ordering::Relaxed);
        let others = others.iter().cycle().skip(turn % others.len().max(1)).take(rest);
        turns.extend(newest.iter().chain(others));
        turns
    }

    /// A status as it is now.
    pub(super) async fn status(&self, id: &str) -> Result<Status, Failed> {
        self.api.get(&["api", "v1", "statuses", id], &[]).await
    }
}

/// How many posts one sweep reads again.
fn looks(seconds: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=20"
    )]
    let looks = (seconds / 60.0 * LOOKS_A_MINUTE as f64).clamp(1.0, LOOKS_A_MINUTE as f64) as usize;
    looks
}

/// A deletion that the server told.
pub(super) fn gone(known: &Known, id: &str) -> Sighting {
    Sighting::Gone(NativeId::new(known.software.stable(id).as_str()))
}
