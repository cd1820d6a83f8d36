//! Time is an argument: the system's clock in production, one moved by hand in tests.

use super::Instant;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use std::sync::{Arc, Mutex, PoisonError};

/// The clock that runs while the machine sleeps; where there is none, one that never goes back.
#[cfg(target_os = "linux")]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const BOOT: rustix::time::ClockId = rustix::time::ClockId::Monotonic;

/// Where the time comes from. The system's, a database's, and one that tests move.
pub trait Clock: Send + Sync {
    /// Now, truncated to microseconds (what both databases keep).
    fn now(&self) -> Instant;

    /// How long the machine has been running, sleep included. Never goes back, whatever is done to the
    /// wall clock.
    fn since_boot(&self) -> std::time::Duration;

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
        let now = Utc::now();
        #[cfg(feature = "rig")]
        let now = crate::rig::Hurry::of_process().at(now);
        now.trunc_subsecs(6)
    }

    fn since_boot(&self) -> std::time::Duration {
        let now = rustix::time::clock_gettime(BOOT);
        let now = std::time::Duration::try_from(now).unwrap_or_default();
        #[cfg(feature = "rig")]
        let now = crate::rig::Hurry::of_process().lengthened(now);
        now
    }

    fn until(&self, due: Instant) -> Option<std::time::Duration> {
        let wait = (due - self.now()).to_std().unwrap_or_default();
        #[cfg(feature = "rig")]
        let wait = crate::rig::Hurry::of_process().shortened(wait);
        Some(wait)
    }
}

/// The machine's clock, set to that of a database elsewhere: leases and deadlines that several machines
/// read are by one clock.
#[derive(Debug, Clone, Copy)]
pub struct ShiftedClock {
    ahead: TimeDelta,
}

impl ShiftedClock {
    /// A clock that is so much ahead of the machine's; behind it, if that is negative.
    #[must_use]
    pub fn ahead(ahead: TimeDelta) -> Self {
        Self { ahead }
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Instant {
        let now = SystemClock.now();
        now.checked_add_signed(self.ahead).unwrap_or(now)
    }

    fn since_boot(&self) -> std::time::Duration {
        SystemClock.since_boot()
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

    fn since_boot(&self) -> std::time::Duration {
        (self.now() - Instant::UNIX_EPOCH).to_std().unwrap_or_default()
    }

    fn until(&self, due: Instant) -> Option<std::time::Duration> {
        (due <= self.now()).then_some(std::time::Duration::ZERO)
    }
}
