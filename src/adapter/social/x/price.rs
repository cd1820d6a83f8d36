//! What it costs: X is paid by use, so much for each object that is read or written
//! (<https://docs.x.com/x-api/getting-started/pricing>, read in August 2026). What is the account's own costs
//! less if the account also owns the application, and the same object is paid for once a day; the first is
//! not known here, nor after a restart what was paid for before, so the sum is the most that it can be.

use crate::adapter::meter::{Allowance, Window};
use crate::domain::{Instant, SourceName};
use chrono::NaiveDate;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// How many objects are remembered as paid for today.
const MOST_KNOWN: usize = 200_000;
/// Prices and sums are in millionths of a US dollar.
const DOLLAR: u64 = 1_000_000;

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
    /// Any other post is written.
    Written,
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
            Self::Written | Self::Sent => 15_000,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::User => "user",
            Self::Message => "message",
            Self::Summoned => "reply",
            Self::Written => "unsummoned_reply",
            Self::WithAddress => "reply_with_link",
            Self::Sent => "sent",
        }
    }
}

/// What may be spent: so many dollars a day, as X counts days.
pub fn budget(dollars: usize) -> Allowance {
    let dollars = u64::try_from(dollars).unwrap_or(u64::MAX);
    Allowance {
        most: dollars.saturating_mul(DOLLAR),
        parts: DOLLAR,
        unit: "dollars",
        window: Window::Day,
    }
}

/// What each thing costs, and what was paid for already today (UTC).
pub struct Bill {
    source: String,
    today: Mutex<Today>,
}

#[derive(Default)]
struct Today {
    day: NaiveDate,
    known: HashSet<String>,
}

impl Bill {
    pub fn new(source: &SourceName) -> Self {
        Self {
            source: source.to_string(),
            today: Mutex::default(),
        }
    }

    /// This was read; gives what it costs. What has an id is paid for once a day.
    pub fn read<'a>(&self, what: Paid, ids: impl IntoIterator<Item = &'a str>, now: Instant) -> u64 {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if today.day != now.date_naive() {
            *today = Today {
                day: now.date_naive(),
                ..Today::default()
            };
        }
        let fresh = ids
            .into_iter()
            .filter(|id| today.known.insert(format!("{} {id}", what.word())));
        let fresh = fresh.count();
        if today.known.len() > MOST_KNOWN {
            today.known.clear();
        }
        self.add(what, fresh as u64)
    }

    /// This was written; gives what it costs.
    pub fn wrote(&self, what: Paid) -> u64 {
        self.add(what, 1)
    }

    fn add(&self, what: Paid, count: u64) -> u64 {
        let cost = count * what.price();
        metrics::counter!("hearback_spent_microdollars_total", "source" => self.source.clone(), "what" => what.word())
            .increment(cost);
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::{DateTime, TimeDelta};

    #[test]
    fn an_object_is_paid_for_once_a_day() {
        let bill = Bill::new(&SourceName::new("x"));
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        assert_eq!(bill.read(Paid::Post, ["1", "2", "1"], now), 10_000);
        assert_eq!(bill.read(Paid::Post, ["2"], now), 0);
        assert_eq!(bill.read(Paid::User, ["2"], now), 10_000);
        assert_eq!(bill.read(Paid::Post, ["2"], now + TimeDelta::days(1)), 5_000);
        assert_eq!(bill.wrote(Paid::WithAddress), bill.wrote(Paid::WithAddress));
    }
}
