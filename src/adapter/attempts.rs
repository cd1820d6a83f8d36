//! When a delivery was last tried: how far a look for it must read; and since when nobody could look.

use crate::domain::{IdempotencyKey, Instant};
use chrono::TimeDelta;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most deliveries that are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// For how long a delivery waits for a look that does not come about. Then it is made again: a message
/// twice is better than none, and a double is mended later.
pub const UNDECIDED: TimeDelta = TimeDelta::minutes(10);

/// The last attempt of each delivery whose end is not certain. Only in memory: what an earlier
/// process tried, it tried before this one started.
#[derive(Debug)]
pub struct Attempts(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// What is not in `last` was tried before this, if at all.
    others: Instant,
    last: HashMap<IdempotencyKey, Instant>,
    /// The first look that did not come about.
    blind: HashMap<IdempotencyKey, Instant>,
}

impl Attempts {
    /// Of a process that starts now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Known {
            others: now,
            last: HashMap::new(),
            blind: HashMap::new(),
        }))
    }

    /// An attempt begins.
    pub fn begun(&self, key: &IdempotencyKey, now: Instant) {
        let mut known = self.known();
        if known.last.len() >= MOST_REMEMBERED {
            known.last.clear();
            known.others = now;
        }
        known.last.insert(key.clone(), now);
    }

    /// The delivery stands: it is not tried again.
    pub fn stands(&self, key: &IdempotencyKey) {
        let mut known = self.known();
        known.last.remove(key);
        known.blind.remove(key);
    }

    /// What a look for an earlier attempt showed; `None`, too, where for [`UNDECIDED`] it could not be
    /// taken. What `passes` does not name as passing (the thread is gone, the channel takes nothing)
    /// stays an error.
    ///
    /// # Errors
    /// It cannot be taken yet: the delivery waits.
    pub fn decide<T, E: Debug>(
        &self,
        key: &IdempotencyKey,
        now: Instant,
        looked: Result<Option<T>, E>,
        passes: impl Fn(&E) -> bool,
    ) -> Result<Option<T>, E> {
        let error = match looked {
            Err(error) if passes(&error) => error,
            decided => return decided,
        };
        let mut known = self.known();
        if known.blind.len() >= MOST_REMEMBERED {
            known.blind.clear();
        }
        let since = *known.blind.entry(key.clone()).or_insert(now);
        if now - since < UNDECIDED {
            return Err(error);
        }
        tracing::warn!(%key, ?error, "Nobody can look for what a broken call may have posted; it is posted again.");
        Ok(None)
    }

    /// No attempt of a delivery that was first tried at `earlier` began after this.
    #[must_use]
    pub fn latest(&self, key: &IdempotencyKey, earlier: Instant) -> Instant {
        let known = self.known();
        let last = known.last.get(key).copied();
        earlier.max(last.unwrap_or(known.others))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_reads_as_far_as_the_last_attempt_and_after_a_restart_as_far_as_the_start() {
        let start = Instant::default();
        let at = |minutes| start + TimeDelta::minutes(minutes);
        let (key, other) = (IdempotencyKey::new("a"), IdempotencyKey::new("b"));
        let attempts = Attempts::new(at(0));
        attempts.begun(&key, at(1));
        attempts.begun(&key, at(9));
        assert_eq!(attempts.latest(&key, at(1)), at(9));
        assert_eq!(attempts.latest(&other, at(-5)), at(0));
        assert_eq!(attempts.latest(&other, at(5)), at(5));
        attempts.stands(&key);
        assert_eq!(attempts.latest(&key, at(1)), at(1));
    }

    #[test]
    fn who_cannot_look_for_ten_minutes_goes_on() {
        let attempts = Attempts::new(Instant::default());
        let key = IdempotencyKey::new("a");
        let at = |minutes| Instant::default() + TimeDelta::minutes(minutes);
        let decide = |minutes, looked: Result<Option<u8>, &'static str>| {
            attempts.decide(&key, at(minutes), looked, |error| *error == "no answer")
        };
        assert!(decide(0, Err("no answer")).is_err());
        assert!(decide(9, Err("no answer")).is_err());
        assert!(decide(11, Err("gone")).is_err(), "that is certain");
        assert_eq!(decide(10, Err("no answer")), Ok(None));
        assert_eq!(decide(10, Ok(Some(7))), Ok(Some(7)));
        attempts.stands(&key);
        assert!(decide(20, Err("no answer")).is_err(), "the time begins anew");
    }

    #[test]
    fn what_is_forgotten_counts_as_tried_until_then() {
        let start = Instant::default();
        let attempts = Attempts::new(start);
        let key = |n: usize| IdempotencyKey::new(n.to_string());
        let later = start + TimeDelta::minutes(3);
        (0..=MOST_REMEMBERED).for_each(|n| attempts.begun(&key(n), later));
        assert_eq!(attempts.latest(&key(0), start), later);
    }
}
