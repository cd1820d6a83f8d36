//! For the kill rig (feature `rig`): numbered places at which the process can be made to die as by
//! `kill -9`, and a clock that runs faster, so that what takes minutes is seen in seconds.
//!
//! Without the feature [`crash_point!`](crate::crash_point) is nothing, and this file is not compiled.
//! With it, nothing happens either until the environment says so:
//!
//! - `HEARBACK_RIG_AT=12`: the process dies at the twelfth crash point that it passes, whichever it is.
//! - `HEARBACK_RIG_POINT=K5:2`: it dies at the second time that it passes K5.
//! - `HEARBACK_RIG_CLOCK=1700000000:60`: since that second of the machine's clock, sixty seconds pass in
//!   each of the machine's.

use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::{Signal, getpid, kill_process};
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Dies here if the environment says so; nothing without the feature `rig`.
#[macro_export]
macro_rules! crash_point {
    ($point:ident) => {
        #[cfg(feature = "rig")]
        $crate::rig::pass($crate::rig::Point::$point);
    };
}

/// The places. Those that are missing in the numbering have no place in the program: K3 (a reply's
/// approval and its queueing are one commit), K7 and K8 (the request is on the wire, its answer is not
/// read: the HTTP library has no place for that, so the platform of the rig kills from outside when it
/// has read the request's head, or all of it), K17 and K18 (no token is renewed), K19 (a reply is one
/// part), K20 (a reply has no media).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Something from outside is verified, and not stored.
    K1,
    /// It is stored, and not acknowledged.
    K2,
    /// Before a reply's claim is committed.
    K4,
    /// After it is.
    K5,
    /// The connection to the platform stands; the first byte is not sent.
    K6,
    /// The platform's answer is read, and not written down.
    K9,
    /// It is written down; no card shows it.
    K10,
    /// A chat was called, and what it did is not written down.
    K11,
    /// An end is unknown, and that is not written down.
    K12,
    /// It is written down.
    K13,
    /// Before a look whether a reply is there.
    K14,
    /// After it, before what it showed is written down.
    K15,
    /// A reply is queued again.
    K16,
    /// Before, and after, the database's tables are brought up to date.
    K21,
    /// The process was told to stop, and lets end what is under way.
    K22,
    /// Inside a commit that appends to the log: on SQLite in the engine's own commit, on PostgreSQL when
    /// all is sent but the COMMIT.
    K23,
    /// The seal is written beside its place, and once more when it is in its place and not yet durable.
    K24,
}

impl Point {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::K1,
        Self::K2,
        Self::K4,
        Self::K5,
        Self::K6,
        Self::K9,
        Self::K10,
        Self::K11,
        Self::K12,
        Self::K13,
        Self::K14,
        Self::K15,
        Self::K16,
        Self::K21,
        Self::K22,
        Self::K23,
        Self::K24,
    ];
}

/// When to die.
enum Plan {
    Never,
    /// At this crash point passed.
    At(u32),
    /// At this time that the named one is passed.
    Point(String, u32),
}

/// Passes a crash point.
pub fn pass(point: Point) {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let due = match PLAN.get_or_init(plan) {
        Plan::Never => return,
        Plan::At(at) => PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *at,
        Plan::Point(name, times) => {
            *name == format!("{point:?}") && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *times
        }
    };
    if due {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "rig: killed at {point:?}");
        let _ = kill_process(getpid(), Signal::KILL);
        // The signal ends the process before anything else is done; should it be late, nothing is.
        loop {
            std::thread::park();
        }
    }
}

fn plan() -> Plan {
    if let Some(at) = environment("HEARBACK_RIG_AT").and_then(|at| at.parse().ok()) {
        return Plan::At(at);
    }
    let point = environment("HEARBACK_RIG_POINT");
    match point.as_deref().and_then(|point| point.split_once(':')) {
        Some((name, times)) => times
            .parse()
            .map_or(Plan::Never, |times| Plan::Point(name.to_owned(), times)),
        None => Plan::Never,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "no setting: only the rig knows these, and only in a build of its own"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A clock that runs faster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hurry {
    /// The second of the machine's clock from which on it does.
    pub since: i64,
    /// How many seconds pass in one of the machine's.
    pub times: u32,
}

impl Hurry {
    /// None: the machine's own time.
    pub const NONE: Self = Self { since: 0, times: 1 };

    /// The one that the environment names.
    #[must_use]
    pub fn of_process() -> Self {
        static HURRY: OnceLock<Hurry> = OnceLock::new();
        *HURRY.get_or_init(|| {
            environment("HEARBACK_RIG_CLOCK")
                .and_then(|text| text.parse().ok())
                .unwrap_or(Self::NONE)
        })
    }

    /// What it shows when the machine's clock shows this.
    #[must_use]
    pub fn at(self, real: DateTime<Utc>) -> DateTime<Utc> {
        let passed = real.timestamp_micros() - self.since * 1_000_000;
        let ahead = passed.saturating_mul(i64::from(self.times) - 1);
        real + TimeDelta::microseconds(ahead)
    }

    /// How long that takes by it.
    #[must_use]
    pub fn lengthened(self, real: Duration) -> Duration {
        real.saturating_mul(self.times)
    }

    /// How long the machine needs for that.
    #[must_use]
    pub fn shortened(self, shown: Duration) -> Duration {
        shown / self.times.max(1)
    }
}

impl FromStr for Hurry {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (since, times) = text.split_once(':').ok_or(())?;
        let hurry = Self {
            since: since.parse().map_err(drop)?,
            times: times.parse().map_err(drop)?,
        };
        if hurry.times == 0 { Err(()) } else { Ok(hurry) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_runs_faster_from_a_second_on() {
        let hurry: Hurry = "1000:60".parse().unwrap();
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        assert_eq!(hurry.at(at(1000)), at(1000));
        assert_eq!(hurry.at(at(1002)), at(1120));
        assert_eq!(Hurry::NONE.at(at(1002)), at(1002));
        assert_eq!(
            hurry.lengthened(hurry.shortened(Duration::from_secs(90))),
            Duration::from_secs(90)
        );
        assert!("1000:0".parse::<Hurry>().is_err() && "x".parse::<Hurry>().is_err());
    }
}
