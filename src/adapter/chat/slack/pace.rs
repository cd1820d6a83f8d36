//! Keeps below Slack's limits, in the order of asking.
//!
//! Why not governor: its waiters race for the next cell, and a message must not overtake another;
//! nor can an answer's `Retry-After` hold its key back.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Above this many keys, those without a wait are forgotten.
const MANY: usize = 1024;
/// Who would wait longer is sent away with the time instead.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The pause between two new messages in one channel.
    pub post_every: Duration,
    /// How many new messages of one channel may go at once after a silence.
    pub post_burst: u32,
    /// The pause between two edits, in the whole workspace.
    pub edit_every: Duration,
    /// How many edits may go at once after a silence.
    pub edit_burst: u32,
}

impl Default for Limits {
    /// One message a second and channel, fifty edits a minute:
    /// <https://docs.slack.dev/apis/web-api/rate-limits>.
    fn default() -> Self {
        Self {
            post_every: Duration::from_secs(1),
            post_burst: 3,
            edit_every: Duration::from_millis(1200),
            edit_burst: 5,
        }
    }
}

impl Limits {
    /// No limits of our own; the platform's `Retry-After` still counts.
    #[must_use]
    pub fn lifted() -> Self {
        Self {
            post_every: Duration::ZERO,
            post_burst: 1,
            edit_every: Duration::ZERO,
            edit_burst: 1,
        }
    }
}

/// A leaky bucket for each key.
#[derive(Debug)]
pub(super) struct Pace {
    every: Duration,
    ahead: Duration,
    due: Mutex<HashMap<String, Instant>>,
}

impl Pace {
    pub(super) fn new(every: Duration, burst: u32) -> Self {
        Self {
            every,
            ahead: every * burst.saturating_sub(1),
            due: Mutex::default(),
        }
    }

    /// Waits for the key's next turn. Turns are given in the order of asking.
    ///
    /// # Errors
    /// The turn is too far away to wait for; come again after this time.
    pub(super) async fn turn(&self, key: &str) -> Result<(), Duration> {
        let now = Instant::now();
        let at = self.reserve(key, now)?;
        if at <= now {
            // Even the shortest sleep takes a millisecond.
            return Ok(());
        }
        tokio::time::sleep_until(at).await;
        // Who wakes late sends late; the next one must not follow closer for that.
        self.push_back(key, at.elapsed());
        Ok(())
    }

    fn push_back(&self, key: &str, by: Duration) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(due) = due.get_mut(key) {
            *due += by;
        }
    }

    fn reserve(&self, key: &str, now: Instant) -> Result<Instant, Duration> {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        if due.len() > MANY {
            due.retain(|_, due| *due > now);
        }
        // `due` is when the bucket is empty again; a full one makes wait.
        let empty = due.get(key).copied().unwrap_or(now).max(now);
        let at = empty.checked_sub(self.ahead).unwrap_or(now).max(now);
        if at - now > PATIENCE {
            return Err(at - now);
        }
        due.insert(key.to_owned(), empty + self.every);
        Ok(at)
    }

    /// The platform wants quiet for this key.
    pub(super) fn hold(&self, key: &str, wait: Duration) {
        let until = Instant::now() + wait + self.ahead;
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = due.entry(key.to_owned()).or_insert(until);
        *entry = (*entry).max(until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn gives_one_turn_a_second_after_the_burst_and_loses_none() {
        let pace = Pace::new(SECOND, 3);
        let start = Instant::now();
        let mut now = start;
        for _ in 0..120 {
            now = now.max(pace.reserve("C1", now).unwrap());
        }
        assert_eq!(now - start, SECOND * 117, "three at once, then one a second");
        assert_eq!(pace.reserve("C2", now), Ok(now), "another channel does not wait");
    }

    #[test]
    fn keeps_the_order_of_asking() {
        let pace = Pace::new(SECOND, 1);
        let now = Instant::now();
        let turns: Vec<_> = (0..10).map(|_| pace.reserve("C1", now).unwrap()).collect();
        assert!(turns.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn holds_back_when_told_and_sends_away_whom_it_cannot_serve_soon() {
        let pace = Pace::new(SECOND, 3);
        pace.hold("C1", SECOND * 5);
        let now = Instant::now();
        let at = pace.reserve("C1", now).unwrap();
        assert!(at >= now + SECOND * 4, "{:?}", at - now);
        pace.hold("C1", SECOND * 90);
        assert!(pace.reserve("C1", Instant::now()).is_err());
    }
}
