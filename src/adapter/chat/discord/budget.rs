//! How many calls Discord lets us make: the global budget, one bucket per route as its headers tell,
//! and a breaker before the ban that many refused calls bring.
//!
//! <https://discord.com/developers/docs/topics/rate-limits>

use crate::domain::{Clock, Instant};
use chrono::TimeDelta;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use reqwest::header::HeaderMap;
use std::collections::{HashMap, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Calls a second of all routes together. Discord allows 50; other programs may share the token.
const GLOBAL: NonZeroU32 = NonZeroU32::new(40).unwrap();
/// Discord bans an address for 10,000 refused calls in ten minutes; we stop long before.
const MOST_REFUSED: usize = 500;
/// The window of [`MOST_REFUSED`].
const REFUSED_WINDOW: TimeDelta = TimeDelta::minutes(10);
/// How long a refused token is not tried again.
const TOKEN_PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The most buckets remembered; those that are full again are dropped first.
const MOST_BUCKETS: usize = 4096;

/// Why a call must not be made now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// A limit: not before this time has passed.
    For(Duration),
    /// The token was refused a moment ago.
    Token,
}

/// The books of all calls.
pub(super) struct Budget {
    global: DefaultDirectRateLimiter,
    clock: Arc<dyn Clock>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Routes without calls left, and when they have some again.
    empty: HashMap<String, Instant>,
    /// When everything may be called again, after a global 429.
    closed: Option<Instant>,
    /// When calls were refused.
    refused: VecDeque<Instant>,
    /// When the token was last refused.
    token: Option<Instant>,
}

impl Budget {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            global: RateLimiter::direct(Quota::per_second(GLOBAL)),
            clock,
            books: Mutex::default(),
        }
    }

    /// Waits for the global budget, a moment at most, and says whether the route may be called.
    pub(super) async fn enter(&self, route: &str) -> Result<(), Held> {
        self.look(route)?;
        self.global.until_ready().await;
        Ok(())
    }

    fn look(&self, route: &str) -> Result<(), Held> {
        let now = self.clock.now();
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if books.token.is_some_and(|at| now - at < TOKEN_PAUSE) {
            return Err(Held::Token);
        }
        while books.refused.front().is_some_and(|at| now - *at > REFUSED_WINDOW) {
            books.refused.pop_front();
        }
        let breaker = match books.refused.front() {
            Some(first) if books.refused.len() >= MOST_REFUSED => Some(*first + REFUSED_WINDOW),
            Some(_) | None => None,
        };
        let until = [breaker, books.closed, books.empty.get(route).copied()];
        match until.into_iter().flatten().max() {
            Some(until) if until > now => Err(Held::For((until - now).to_std().unwrap_or_default())),
            Some(_) | None => {
                books.empty.remove(route);
                Ok(())
            }
        }
    }

    /// Notes what an answer's headers say about its route.
    pub(super) fn note(&self, route: &str, status: u16, headers: &HeaderMap) {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
        let now = self.clock.now();
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        match status {
            401 => books.token = Some(now),
            200..=299 => books.token = None,
            _ => {}
        }
        let shared = headers
            .get("x-ratelimit-scope")
            .is_some_and(|scope| scope == "shared");
        if matches!(status, 401 | 403) || (status == 429 && !shared) {
            books.refused.push_back(now);
            if books.refused.len() == MOST_REFUSED {
                tracing::error!("Discord refuses too many calls; no more are made for some minutes.");
            }
        }
        if number("x-ratelimit-remaining").is_some_and(|left| left < 1.0)
            && let Some(after) = number("x-ratelimit-reset-after")
        {
            if books.empty.len() >= MOST_BUCKETS {
                books.empty.retain(|_, until| *until > now);
            }
            books.empty.insert(route.to_owned(), now + seconds(after));
        }
    }

    /// Notes a 429: the route, or everything, is closed for `wait`.
    pub(super) fn limited(&self, route: &str, wait: Duration, global: bool) {
        let until = self.clock.now() + TimeDelta::from_std(wait).unwrap_or_default();
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        if global {
            books.closed = Some(until);
        } else {
            books.empty.insert(route.to_owned(), until);
        }
    }
}

fn seconds(told: f64) -> TimeDelta {
    let sane = if told.is_finite() {
        told.clamp(0.0, 900.0)
    } else {
        0.0
    };
    TimeDelta::from_std(Duration::from_secs_f64(sane)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ManualClock;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(k, v)| (k.parse().unwrap(), v.parse().unwrap()))
            .collect()
    }

    fn budget() -> (Budget, ManualClock) {
        let clock = ManualClock::default();
        (Budget::new(Arc::new(clock.clone())), clock)
    }

    #[tokio::test]
    async fn an_empty_bucket_holds_its_route_alone() {
        let (budget, clock) = budget();
        let told = headers(&[
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "1.25"),
        ]);
        budget.note("POST /channels/1/messages", 200, &told);
        assert_eq!(
            budget.enter("POST /channels/1/messages").await,
            Err(Held::For(Duration::from_millis(1250)))
        );
        assert_eq!(budget.enter("POST /channels/2/messages").await, Ok(()));
        clock.advance(Duration::from_millis(1250));
        assert_eq!(budget.enter("POST /channels/1/messages").await, Ok(()));
    }

    #[tokio::test]
    async fn a_global_limit_holds_all() {
        let (budget, clock) = budget();
        budget.limited("GET /a", Duration::from_secs(2), true);
        assert_eq!(
            budget.enter("GET /b").await,
            Err(Held::For(Duration::from_secs(2)))
        );
        clock.advance(Duration::from_secs(2));
        assert_eq!(budget.enter("GET /b").await, Ok(()));
    }

    #[tokio::test]
    async fn a_refused_token_is_left_alone_for_a_while() {
        let (budget, clock) = budget();
        budget.note("GET /a", 401, &HeaderMap::new());
        assert_eq!(budget.enter("GET /b").await, Err(Held::Token));
        clock.advance(Duration::from_secs(30));
        assert_eq!(budget.enter("GET /b").await, Ok(()));
    }

    #[tokio::test]
    async fn the_breaker_opens_before_the_ban_and_closes_again() {
        let (budget, clock) = budget();
        for _ in 0..MOST_REFUSED {
            budget.note("GET /a", 403, &HeaderMap::new());
        }
        assert_eq!(
            budget.enter("GET /b").await,
            Err(Held::For(Duration::from_secs(600)))
        );
        clock.advance(Duration::from_secs(601));
        assert_eq!(budget.enter("GET /b").await, Ok(()));
    }

    #[tokio::test]
    async fn shared_limits_do_not_count_as_refused() {
        let (budget, _) = budget();
        for _ in 0..MOST_REFUSED {
            budget.note("GET /a", 429, &headers(&[("x-ratelimit-scope", "shared")]));
        }
        assert_eq!(budget.enter("GET /b").await, Ok(()));
    }
}
