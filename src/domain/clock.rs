//! Time is an argument: the system's clock in production, one moved by hand in tests.

use super::Instant;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::sync::{Arc, Mutex, PoisonError};

/// Where the time comes from. Two implementations: the system's, and one that tests move.
pub trait Clock: Send + Sync {
    /// Now, truncated to microseconds (what both databases keep).
    fn now(&self) -> Instant;

    /// How long a sleeper should sleep to reach `due`, or `None` when sleeping makes no sense
    /// because the time only moves by hand.
    fn until(&self, due: Instant) -> Option<std::time::Duration>;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the wall clock"
    )]
    fn now(&self) -> Instant {
        Utc::now().trunc_subsecs(6)
    }

    fn until(&self, due: Instant) -> Option<std::time::Duration> {
        Some((due - self.now()).to_std().unwrap_or_default())
    }
}

/// A clock that stands still until somebody moves it.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Instant>>);

impl ManualClock {
    /// Starts at `now`.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self(Arc::new(Mutex::new(now)))
    }

    /// Moves the time forward.
    pub fn advance(&self, by: std::time::Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += TimeDelta::from_std(by).unwrap_or_default();
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, due: Instant) -> Option<std::time::Duration> {
        (due <= self.now()).then_some(std::time::Duration::ZERO)
    }
}
