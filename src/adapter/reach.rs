//! How far a list that comes newest first was read, kept between sweeps: the newest moment that was there,
//! and the moment from which on posts count, a day before the first start. A new installation does not open
//! old cases.

use crate::domain::Instant;
use chrono::{DateTime, SecondsFormat, TimeDelta};

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);

/// How far behind the newest a sweep reads again.
const OVERLAP: TimeDelta = TimeDelta::hours(1);

/// How far a list was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// The newest that was there.
    pub newest: Instant,
    /// What is from before does not count.
    pub since: Instant,
}

impl Reach {
    /// As a cursor tells it; that of a first start where there is none, or one that nobody can read.
    #[must_use]
    pub fn read(cursor: Option<&str>, now: Instant) -> Self {
        cursor.and_then(Self::parse).unwrap_or(Self {
            newest: now - FIRST_LOOK,
            since: now - FIRST_LOOK,
        })
    }

    /// How far back a sweep reads again: an hour behind the newest, for what takes its place late.
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

    /// As a cursor.
    #[must_use]
    pub fn text(self) -> String {
        let at = |at: Instant| at.to_rfc3339_opts(SecondsFormat::Micros, true);
        format!("{} {}", at(self.newest), at(self.since))
    }

    fn parse(text: &str) -> Option<Self> {
        let (newest, since) = text.split_once(' ')?;
        let at = |text: &str| Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc());
        Some(Self {
            newest: at(newest)?,
            since: at(since)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_is_kept_as_it_was_and_a_first_one_is_a_day() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let reach = Reach {
            newest: DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap(),
            since: now - FIRST_LOOK,
        };
        assert_eq!(Reach::read(Some(&reach.text()), now), reach);
        let first = Reach::read(Some("2026-11-21T10:00:00Z"), now);
        assert_eq!((first.newest, first.since), (now - FIRST_LOOK, now - FIRST_LOOK));
        assert_eq!(first.horizon(), first.since);
        assert_eq!(reach.horizon(), reach.newest - TimeDelta::hours(1));
    }
}
