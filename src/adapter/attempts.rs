//! When a delivery was last tried: how far a look for it must read.

use crate::domain::{IdempotencyKey, Instant};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most deliveries that are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// The last attempt of each delivery whose end is not certain. Only in memory: what an earlier
/// process tried, it tried before this one started.
#[derive(Debug)]
pub struct Attempts(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// What is not in `last` was tried before this, if at all.
    others: Instant,
    last: HashMap<IdempotencyKey, Instant>,
}

impl Attempts {
    /// Of a process that starts now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let last = HashMap::new();
        Self(Mutex::new(Known { others: now, last }))
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
        self.known().last.remove(key);
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
    use chrono::TimeDelta;

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
    fn what_is_forgotten_counts_as_tried_until_then() {
        let start = Instant::default();
        let attempts = Attempts::new(start);
        let key = |n: usize| IdempotencyKey::new(n.to_string());
        let later = start + TimeDelta::minutes(3);
        (0..=MOST_REMEMBERED).for_each(|n| attempts.begun(&key(n), later));
        assert_eq!(attempts.latest(&key(0), start), later);
    }
}
