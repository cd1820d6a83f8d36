//! What it costs: X is paid by use, so much for each object that is read or written
//! (<https://docs.x.com/x-api/getting-started/pricing>, read in August 2026). What is the account's own costs
//! less if the account also owns the application, and the same object is paid for once a day; the first is
//! not known here, so the sum is the most that it can be.

use crate::domain::{Instant, SourceName};
use chrono::NaiveDate;
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many objects are remembered as paid for today.
const MOST_KNOWN: usize = 200_000;
/// Prices and sums are in millionths of a US dollar.
pub const DOLLAR: u64 = 1_000_000;

/// Something that is paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paid {
    /// A post is read, or pushed to us.
    Post,
    /// An account is read.
    User,
    /// A private message is read, or pushed to us.
    Message,
    /// An answer to who named us is written.
    Summoned,
    /// A post with an address in it is written.
    WithAddress,
    /// A private message is written.
    Sent,
}

impl Paid {
    fn price(self) -> u64 {
        match self {
            Self::Post => 5_000,
            Self::User | Self::Message | Self::Summoned => 10_000,
            Self::WithAddress => 200_000,
            Self::Sent => 15_000,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::User => "user",
            Self::Message => "message",
            Self::Summoned => "reply",
            Self::WithAddress => "reply_with_link",
            Self::Sent => "sent",
        }
    }
}

/// What was spent since the start, and today (UTC).
pub struct Spending {
    source: String,
    /// The most a day before what can be left is left.
    budget: Option<u64>,
    today: Mutex<Today>,
}

#[derive(Default)]
struct Today {
    day: NaiveDate,
    spent: u64,
    known: HashSet<String>,
    told: bool,
}

impl Spending {
    /// `budget`: in dollars a day.
    pub fn new(source: &SourceName, budget: Option<usize>) -> Self {
        let budget = budget.and_then(|dollars| u64::try_from(dollars).ok()?.checked_mul(DOLLAR));
        Self {
            source: source.to_string(),
            budget,
            today: Mutex::default(),
        }
    }

    /// This was read. What has an id is paid for once a day.
    pub fn read<'a>(&self, what: Paid, ids: impl IntoIterator<Item = &'a str>, now: Instant) {
        let mut today = self.held(now);
        let fresh = ids
            .into_iter()
            .filter(|id| today.known.insert(format!("{} {id}", what.word())));
        let fresh = fresh.count();
        if today.known.len() > MOST_KNOWN {
            today.known.clear();
        }
        self.add(&mut today, what, fresh as u64);
    }

    /// This was written.
    pub fn wrote(&self, what: Paid, now: Instant) {
        let mut today = self.held(now);
        self.add(&mut today, what, 1);
    }

    fn add(&self, today: &mut Today, what: Paid, count: u64) {
        let cost = count * what.price();
        today.spent += cost;
        metrics::counter!("hearback_spent_microdollars_total", "source" => self.source.clone(), "what" => what.word())
            .increment(cost);
    }

    /// What was spent today, and the most.
    pub fn today(&self, now: Instant) -> (u64, Option<u64>) {
        (self.held(now).spent, self.budget)
    }

    /// Whether today's budget is used up. Said once a day.
    pub fn is_used_up(&self, now: Instant) -> bool {
        let mut today = self.held(now);
        let Some(budget) = self.budget.filter(|budget| today.spent >= *budget) else {
            return false;
        };
        if !std::mem::replace(&mut today.told, true) {
            tracing::warn!(
                source = self.source,
                spent = dollars(today.spent),
                budget = dollars(budget),
                "Today's budget is used up: until midnight UTC nothing is searched for and known posts are \
                 not looked at again; mentions are heard and replies go out as before."
            );
        }
        true
    }

    fn held(&self, now: Instant) -> MutexGuard<'_, Today> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.day != now.date_naive() {
            *today = Today {
                day: now.date_naive(),
                ..Today::default()
            };
        }
        today
    }
}

/// A sum as people read it.
pub fn dollars(sum: u64) -> String {
    let cents = sum.div_ceil(DOLLAR / 100);
    format!("${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn an_object_is_paid_for_once_a_day() {
        let spending = Spending::new(&SourceName::new("x"), Some(1));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        spending.read(Paid::Post, ["1", "2", "1"], now);
        spending.read(Paid::Post, ["2"], now);
        assert_eq!(spending.today(now), (10_000, Some(DOLLAR)));
        spending.read(Paid::Post, ["2"], now + TimeDelta::days(1));
        assert_eq!(spending.today(now + TimeDelta::days(1)).0, 5_000);
    }

    #[test]
    fn a_budget_ends_and_begins_again_the_next_day() {
        let spending = Spending::new(&SourceName::new("x"), Some(1));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for _ in 0..5 {
            assert!(!spending.is_used_up(now));
            spending.wrote(Paid::WithAddress, now);
        }
        assert!(spending.is_used_up(now));
        assert!(!spending.is_used_up(now + TimeDelta::days(1)));
        let endless = Spending::new(&SourceName::new("x"), None);
        endless.wrote(Paid::WithAddress, now);
        assert!(!endless.is_used_up(now));
    }

    #[test]
    fn sums_are_read_in_cents_rounded_up() {
        assert_eq!(
            [0, 5_000, 1_234_567].map(dollars),
            ["$0.00", "$0.01", "$1.24"].map(str::to_owned)
        );
    }
}
