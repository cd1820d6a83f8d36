//! A second look at known posts, for edits and deletions that nobody pushed: whose turn it is, and what was
//! missed before.

use crate::domain::{NativeId, Post};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many known posts are watched: the newest in every sweep, the others in turns.
pub const WATCHED: usize = 1000;

/// What the looks remember.
#[derive(Debug, Default)]
pub struct Watch {
    /// Whose turn it is to be read again.
    turn: AtomicUsize,
    /// Posts that the last look did not find.
    missed: Mutex<HashSet<NativeId>>,
}

impl Watch {
    /// Whose turn it is in a sweep of one every `poll`, with `looks` a minute: what was missed in the round
    /// before, then half of the looks for the newest, which are edited most. `watched` is newest first.
    pub fn turns<'a>(&self, watched: &'a [Post], poll: Duration, looks: u32) -> Vec<&'a Post> {
        let budget = budget(poll, looks).min(watched.len());
        let mut missed = self.missed();
        if !missed.is_empty() {
            let known: HashSet<_> = watched.iter().map(|post| &post.id).collect();
            missed.retain(|id| known.contains(id));
        }
        let (mut turns, others): (Vec<_>, Vec<_>) =
            watched.iter().partition(|post| missed.contains(&post.id));
        turns.truncate(budget);
        let left = budget - turns.len();
        let (newest, others) = others.split_at(left.div_ceil(2).min(others.len()));
        let rest = left - newest.len();
        let turn = self.turn.fetch_add(rest, Ordering::Relaxed);
        let others = others.iter().cycle().skip(turn % others.len().max(1)).take(rest);
        turns.extend(newest.iter().chain(others));
        turns
    }

    /// A look found it.
    pub fn found(&self, id: &NativeId) {
        self.missed().remove(id);
    }

    /// A look did not find it. Says whether that was so in the round before too: a platform that is being
    /// mended says it of everything for a moment, and only then it is gone.
    pub fn is_gone(&self, id: &NativeId) -> bool {
        let mut missed = self.missed();
        !missed.insert(id.clone()) && missed.remove(id)
    }

    fn missed(&self) -> MutexGuard<'_, HashSet<NativeId>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many posts one sweep reads again.
fn budget(poll: Duration, looks: u32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=looks"
    )]
    let budget = (poll.as_secs_f64() / 60.0 * f64::from(looks)).clamp(1.0, f64::from(looks)) as usize;
    budget
}
