//! How far a list was read that comes the newest first, in which things may take their place late: what is kept
//! between sweeps is the newest moment, and the moment from which on posts count, a day before the first start.
//! A new installation does not open old cases.

use crate::domain::Instant;
use chrono::{DateTime, SecondsFormat, TimeDelta};

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// How far behind the newest a sweep reads again.
const OVERLAP: TimeDelta = TimeDelta::hours(1);

/// How far was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The newest that was there.
    pub newest: Instant,
    /// What is from before does not count.
    pub since: Instant,
}

impl Reach {
    /// Of a first start.
    #[must_use]
    pub fn first(now: Instant) -> Self {
        let first = now - FIRST_LOOK;
        Self {
            newest: first,
            since: first,
        }
    }

    /// Reads a cursor.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (newest, since) = text.split_once(' ')?;
        let at = |text: &str| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc());
        Some(Self {
            newest: at(newest)?,
            since: at(since)?,
        })
    }

    /// As a cursor.
    #[must_use]
    pub fn text(self) -> String {
        let at = |at: Instant| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("{} {}", at(self.newest), at(self.since))
    }

    /// How far a sweep goes back.
    #[must_use]
    pub fn horizon(self) -> Instant {
        (self.newest - OVERLAP).max(self.since)
    }

    /// After a reading that saw this as the newest.
    #[must_use]
    pub fn to(self, newest: Option<Instant>) -> Self {
        Self {
            newest: newest.map_or(self.newest, |newest| newest.max(self.newest)),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_is_kept_as_it_was() {
        let reach = Reach {
            newest: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
            since: DateTime::from_timestamp(1_799_913_600, 0).unwrap(),
        };
        assert_eq!(Reach::parse(&reach.text()), Some(reach));
        assert_eq!(Reach::parse("2026-11-21T10:00:00Z"), None);
    }

    #[test]
    fn a_sweep_goes_back_an_hour_and_not_before_the_first_start() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let first = Reach::first(now);
        assert_eq!(first.horizon(), first.since);
        let later = first.to(Some(now));
        assert_eq!(later.horizon(), now - OVERLAP);
        assert_eq!(later.to(Some(now - OVERLAP)), later);
    }
}
