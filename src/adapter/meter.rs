//! What is left of what a source may use, as `/metrics`, `doctor` and the team's channel show it: the quota
//! that a platform tells in its answers, and the allowance (units or money) that we count ourselves.

use super::quota::{self, Quota, Told};
use crate::domain::{Instant, SourceName};
use chrono::{DateTime, Datelike as _, Days, Months, NaiveDate, NaiveTime, TimeDelta, Weekday};
use reqwest::header::HeaderMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The share of what may be used from which on the team is told.
const NEARLY: f64 = 0.8;

/// For how long an allowance is; in UTC, unless it says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// From one full hour to the next.
    Hour,
    /// From midnight to midnight.
    Day,
    /// From midnight to midnight in California, where Google counts the days of its quotas
    /// (<https://developers.google.com/youtube/v3/getting-started#quota>).
    PacificDay,
    /// From the first of a month to the next.
    Month,
}

impl Window {
    /// When the window of this moment begins, and when it ends.
    fn of(self, now: Instant) -> (Instant, Instant) {
        let today = now.date_naive();
        match self {
            Self::Hour => {
                let begin = DateTime::from_timestamp(now.timestamp().div_euclid(3600) * 3600, 0);
                let begin = begin.unwrap_or(now);
                (begin, begin + TimeDelta::hours(1))
            }
            Self::Day => (midnight(today), midnight(after(today))),
            Self::PacificDay => {
                // In summer the day is an hour further than that.
                let winter = (now - WINTER).date_naive();
                let day = Some(after(winter)).filter(|day| in_california(*day) <= now);
                let day = day.unwrap_or(winter);
                (in_california(day), in_california(after(day)))
            }
            Self::Month => {
                let first = today.with_day(1).unwrap_or(today);
                let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
                (midnight(first), midnight(next))
            }
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Hour => "this hour",
            Self::Day | Self::PacificDay => "today",
            Self::Month => "this month",
        }
    }
}

/// How far California is behind UTC.
const WINTER: TimeDelta = TimeDelta::hours(8);
const SUMMER: TimeDelta = TimeDelta::hours(7);

fn after(day: NaiveDate) -> NaiveDate {
    day.checked_add_days(Days::new(1)).unwrap_or(day)
}

fn midnight(day: NaiveDate) -> Instant {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// Midnight in California. Summer begins there on the second Sunday of March and ends on the first of November,
/// both times some hours after midnight (15 U.S.C. 260a).
fn in_california(day: NaiveDate) -> Instant {
    let sunday = |month, n| NaiveDate::from_weekday_of_month_opt(day.year(), month, Weekday::Sun, n);
    let is_summer =
        sunday(3, 2).is_some_and(|begin| day > begin) && sunday(11, 1).is_some_and(|end| day <= end);
    midnight(day) + if is_summer { SUMMER } else { WINTER }
}

/// What a source may use in a window, counted by us: what it is told with [`Meter::spent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The most, in the smallest parts.
    pub most: u64,
    /// How many of these parts one unit has: 1 for calls, 1,000,000 for dollars counted in millionths.
    pub parts: u64,
    /// What is counted, in the plural: `units`, `dollars`.
    pub unit: &'static str,
    /// For how long.
    pub window: Window,
}

/// How much was used of something that has an end.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// What it is counted by: by the platform, or by us.
    pub of: Counted,
    /// The share that is used up, from 0 on.
    pub share: f64,
    /// In words: `83 of 100 calls`.
    pub words: String,
    /// When it is full again, if that is known.
    pub until: Option<Instant>,
}

impl Usage {
    /// Whether the team is to know.
    #[must_use]
    pub fn is_nearly_all(&self) -> bool {
        self.share >= NEARLY
    }
}

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counted {
    /// The platform.
    There,
    /// We.
    Here,
}

/// The meter of a source.
#[derive(Debug)]
pub struct Meter {
    source: String,
    read: Mutex<Read>,
}

#[derive(Debug, Default)]
struct Read {
    told: Option<Told>,
    /// When the quota is full again.
    reset: Option<Instant>,
    /// Whether what the platform tells is about the call that it answers, and no other.
    by_call: bool,
    allowance: Option<Allowance>,
    /// When the window began, and what was used since.
    used: Option<(Instant, u64)>,
}

impl Meter {
    /// Of a source that has not been told yet.
    #[must_use]
    pub fn new(source: &SourceName) -> Self {
        Self {
            source: source.to_string(),
            read: Mutex::default(),
        }
    }

    /// Reads an answer's headers.
    pub fn read(&self, headers: &HeaderMap) {
        if let Some(told) = quota::told(headers) {
            self.tell(told);
            self.lock().reset = reset(headers);
        }
    }

    /// What is known of the quota, by headers or by other means.
    pub fn tell(&self, told: Told) {
        self.gauge("hearback_quota_limit", told.quota.limit);
        self.gauge("hearback_quota_left", told.quota.left);
        let mut read = self.lock();
        read.told = Some(told);
        read.reset = None;
    }

    /// The platform has a quota for each of its calls: what it tells says nothing of the source, and the team
    /// does not hear of it.
    pub fn by_call(&self) {
        self.lock().by_call = true;
    }

    /// As it was last told.
    #[must_use]
    pub fn last(&self) -> Option<Quota> {
        self.lock().told.map(|told| told.quota)
    }

    /// After how long a quota that is used up is there again, if the platform said so last.
    #[must_use]
    pub fn regain(&self) -> Option<Duration> {
        self.lock().told?.regain
    }

    /// Says what may be used. To be called once, before anything is.
    pub fn allow(&self, allowance: Allowance) {
        self.gauge("hearback_allowance_limit", units(allowance.most, allowance.parts));
        self.lock().allowance = Some(allowance);
    }

    /// Notes that so many parts of the allowance were used. Nothing where there is none.
    pub fn spent(&self, parts: u64, now: Instant) {
        let mut read = self.lock();
        let Some(allowance) = read.allowance else { return };
        let (first, _) = allowance.window.of(now);
        let before = read.used.filter(|(since, _)| *since == first);
        let used = before.map_or(0, |(_, used)| used).saturating_add(parts);
        read.used = Some((first, used));
        self.gauge("hearback_allowance_used", units(used, allowance.parts));
    }

    /// The platform says that nothing is left of the allowance, whatever was counted here.
    pub fn exhausted(&self, now: Instant) {
        let left = {
            let read = self.lock();
            let most = read.allowance.map_or(0, |allowance| allowance.most);
            most.saturating_sub(read.used_at(now))
        };
        self.spent(left, now);
    }

    /// The share of the allowance that is used up, from 0 on; 0 where there is none.
    #[must_use]
    pub fn share(&self, now: Instant) -> f64 {
        let read = self.lock();
        let most = read.allowance.map(|allowance| allowance.most.max(1));
        most.map_or(0.0, |most| units(read.used_at(now), 1) / units(most, 1))
    }

    /// Whether nothing is left of the allowance. A connector then does what it can without spending.
    #[must_use]
    pub fn is_used_up(&self, now: Instant) -> bool {
        self.share(now) >= 1.0
    }

    /// Whether little is left of the quota or the allowance. What can wait then waits.
    #[must_use]
    pub fn is_scarce(&self, now: Instant) -> bool {
        self.usage(now).iter().any(Usage::is_nearly_all)
    }

    /// What was used of the quota and of the allowance.
    #[must_use]
    pub fn usage(&self, now: Instant) -> Vec<Usage> {
        let read = self.lock();
        let quota = read
            .told
            .map(|told| told.quota)
            .filter(|_| !read.by_call && read.reset.is_none_or(|reset| now < reset));
        let there = quota.map(|Quota { limit, left }| Usage {
            of: Counted::There,
            share: 1.0 - left / limit,
            words: format!("{} of {limit} calls", limit - left),
            until: read.reset,
        });
        let used = read.used_at(now);
        let here = read.allowance.map(|allowance| Usage {
            of: Counted::Here,
            share: units(used, 1) / units(allowance.most.max(1), 1),
            words: allowance.words(used),
            until: Some(allowance.window.of(now).1),
        });
        there.into_iter().chain(here).collect()
    }

    /// What was used of the allowance, as it is kept over a restart. Nothing where there is none.
    #[must_use]
    pub fn kept(&self, now: Instant) -> Option<String> {
        let read = self.lock();
        let first = read.allowance?.window.of(now).0;
        Some(format!("{} {}", first.to_rfc3339(), read.used_at(now)))
    }

    /// Takes up again what was kept; what was used meanwhile counts as well.
    pub fn restore(&self, kept: &str) {
        let mut read = self.lock();
        let parsed = kept.split_once(' ');
        let parsed = parsed
            .and_then(|(first, used)| Some((first.parse::<Instant>().ok()?, used.parse::<u64>().ok()?)));
        let (Some((first, used)), Some(allowance)) = (parsed, read.allowance) else {
            return;
        };
        let meanwhile = match read.used {
            Some((since, meanwhile)) if since == first => meanwhile,
            Some(_) => return,
            None => 0,
        };
        let used = used.saturating_add(meanwhile);
        read.used = Some((first, used));
        self.gauge("hearback_allowance_used", units(used, allowance.parts));
    }

    fn gauge(&self, name: &'static str, value: f64) {
        metrics::gauge!(name, "source" => self.source.clone()).set(value);
    }

    fn lock(&self) -> MutexGuard<'_, Read> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read {
    /// What was used in the window of this moment.
    fn used_at(&self, now: Instant) -> u64 {
        let first = self.allowance.map(|allowance| allowance.window.of(now).0);
        let used = self.used.filter(|(since, _)| Some(*since) == first);
        used.map_or(0, |(_, used)| used)
    }
}

impl Allowance {
    fn words(&self, used: u64) -> String {
        let (used, most) = (units(used, self.parts), units(self.most, self.parts));
        let (unit, when) = (self.unit, self.window.word());
        match self.parts {
            1 => format!("{used} of {most} {unit} {when}"),
            _ => format!("{used:.2} of {most:.2} {unit} {when}"),
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share and a gauge need no exact count"
)]
fn units(amount: u64, parts: u64) -> f64 {
    amount as f64 / parts.max(1) as f64
}

/// When the quota is full again, where the platform gives a time (seconds since 1970, or a date).
fn reset(headers: &HeaderMap) -> Option<Instant> {
    let resets = ["x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset"];
    let told = resets
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok())?
        .trim();
    match told.parse::<i64>() {
        Ok(seconds) if seconds > 1_000_000_000 => DateTime::from_timestamp(seconds, 0),
        Ok(_) => None,
        Err(_) => Some(DateTime::parse_from_rfc3339(told).ok()?.to_utc()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn dollars() -> Allowance {
        Allowance {
            most: 5_000_000,
            parts: 1_000_000,
            unit: "dollars",
            window: Window::Day,
        }
    }

    fn noon() -> Instant {
        "2026-11-26T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_allowance_is_counted_and_begins_again() {
        let meter = Meter::new(&SourceName::new("x"));
        meter.spent(1, noon());
        assert_eq!(meter.usage(noon()), [], "nobody said what may be used");
        meter.allow(dollars());
        meter.spent(3_999_999, noon());
        assert!(!meter.usage(noon())[0].is_nearly_all());
        meter.spent(1, noon());
        let usage = &meter.usage(noon())[0];
        assert!(usage.is_nearly_all());
        assert_eq!(usage.words, "4.00 of 5.00 dollars today");
        assert_eq!(usage.until, Some("2026-11-27T00:00:00Z".parse().unwrap()));
        assert!(!meter.is_used_up(noon()));
        meter.spent(2_000_000, noon());
        assert!(meter.is_used_up(noon()));
        let tomorrow = noon() + TimeDelta::days(1);
        assert!(!meter.is_used_up(tomorrow));
        assert_eq!(meter.usage(tomorrow)[0].words, "0.00 of 5.00 dollars today");
    }

    #[test]
    fn what_was_used_outlives_a_restart() {
        let meter = Meter::new(&SourceName::new("x"));
        meter.allow(dollars());
        meter.spent(4_000_000, noon());
        let kept = meter.kept(noon()).unwrap();
        let again = Meter::new(&SourceName::new("x"));
        again.allow(dollars());
        again.spent(500_000, noon());
        again.restore(&kept);
        assert_eq!(again.usage(noon())[0].words, "4.50 of 5.00 dollars today");
        again.restore("nonsense");
        let tomorrow = noon() + TimeDelta::days(1);
        assert_eq!(again.kept(tomorrow).unwrap(), "2026-11-27T00:00:00+00:00 0");
    }

    #[rstest]
    #[case::hour(
        Window::Hour,
        "2026-12-31T23:59:59Z",
        "2026-12-31T23:00:00Z",
        "2027-01-01T00:00:00Z"
    )]
    #[case::month(
        Window::Month,
        "2026-12-31T23:59:59Z",
        "2026-12-01T00:00:00Z",
        "2027-01-01T00:00:00Z"
    )]
    #[case::winter(
        Window::PacificDay,
        "2026-11-27T07:59:59Z",
        "2026-11-26T08:00:00Z",
        "2026-11-27T08:00:00Z"
    )]
    #[case::next(
        Window::PacificDay,
        "2026-11-27T08:00:00Z",
        "2026-11-27T08:00:00Z",
        "2026-11-28T08:00:00Z"
    )]
    #[case::summer(
        Window::PacificDay,
        "2026-07-01T07:00:00Z",
        "2026-07-01T07:00:00Z",
        "2026-07-02T07:00:00Z"
    )]
    #[case::spring(
        Window::PacificDay,
        "2026-03-08T20:00:00Z",
        "2026-03-08T08:00:00Z",
        "2026-03-09T07:00:00Z"
    )]
    #[case::autumn(
        Window::PacificDay,
        "2026-11-02T07:30:00Z",
        "2026-11-01T07:00:00Z",
        "2026-11-02T08:00:00Z"
    )]
    fn a_window_has_a_begin_and_an_end(
        #[case] window: Window,
        #[case] now: Instant,
        #[case] begin: Instant,
        #[case] end: Instant,
    ) {
        assert_eq!(window.of(now), (begin, end));
    }

    #[test]
    fn a_platform_that_says_that_nothing_is_left_is_believed() {
        let meter = Meter::new(&SourceName::new("x"));
        meter.exhausted(noon());
        assert!(!meter.is_used_up(noon()), "there is nothing that ends");
        meter.allow(dollars());
        meter.spent(4_500_000, noon());
        assert!(meter.is_scarce(noon()) && !meter.is_used_up(noon()));
        meter.exhausted(noon());
        assert!(meter.is_used_up(noon()));
        assert_eq!(meter.usage(noon())[0].words, "5.00 of 5.00 dollars today");
    }

    #[test]
    fn a_quota_of_one_call_is_none_of_the_source() {
        let meter = Meter::new(&SourceName::new("x"));
        let quota = Quota {
            limit: 15.0,
            left: 0.0,
        };
        meter.by_call();
        meter.tell(Told { quota, regain: None });
        assert_eq!((meter.last(), meter.usage(noon())), (Some(quota), vec![]));
    }

    #[test]
    fn a_quota_is_read_until_it_is_full_again() {
        let meter = Meter::new(&SourceName::new("fedi"));
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-ratelimit-limit", "300"),
            ("x-ratelimit-remaining", "60"),
            ("x-ratelimit-reset", "2026-11-26T12:05:00Z"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        meter.read(&headers);
        let usage = &meter.usage(noon())[0];
        assert!(usage.is_nearly_all());
        assert_eq!(usage.words, "240 of 300 calls");
        assert!(meter.usage(noon() + TimeDelta::minutes(5)).is_empty());
    }
}
