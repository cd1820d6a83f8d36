//! Access tokens: what is handed out, how often it may be asked for one, and one that is fetched anew when it
//! ends, by one caller for all. Those that are renewed by another token are in `oauth`.

use super::api::Failed;
use crate::domain::{Clock, Instant};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// The pauses after refusals: 96 tries a day at the worst.
const SHORTEST: TimeDelta = TimeDelta::seconds(15);
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// So much before its end a token is not used any more; of a short life half.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// The longest that a token is believed to count.
const MOST: Duration = Duration::from_secs(10 * 365 * 86_400);
/// For how long a token counts of which nothing is said.
const USUAL: Duration = Duration::from_secs(3600);

/// What a token endpoint hands out (RFC 6749, 5.1).
#[derive(Deserialize)]
pub struct Handed {
    /// What calls are made with.
    pub access_token: SecretString,
    /// What gets the next one.
    #[serde(default)]
    pub refresh_token: Option<SecretString>,
    /// For how long it counts; Stack Exchange says `expires` (<https://api.stackexchange.com/docs/authentication>).
    /// A number, which some write as text. One that is none says nothing: it must not cost us what else is in the
    /// answer, which no platform says twice.
    #[serde(default, alias = "expires", deserialize_with = "seconds")]
    pub expires_in: Option<Duration>,
}

impl Handed {
    /// The token and for how long it counts, for [`Tokens::access`].
    #[must_use]
    pub fn counting(self) -> (SecretString, Duration) {
        (self.access_token, self.expires_in.unwrap_or(USUAL))
    }
}

fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    let told = match Value::deserialize(from)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let told = told.filter(|seconds| *seconds > 0.0);
    Ok(told.map(|seconds| Duration::from_secs_f64(seconds.min(MOST.as_secs_f64()))))
}

/// A token, and until when it counts.
#[derive(Clone)]
struct Held {
    token: SecretString,
    until: Instant,
}

/// When it may be asked for a token.
#[derive(Default)]
pub struct Pace {
    next: Option<Instant>,
    pause: TimeDelta,
    failed: Option<Failed>,
}

/// The token of a source.
pub struct Tokens {
    clock: Arc<dyn Clock>,
    held: RwLock<Option<Held>>,
    /// Who holds it fetches; all others wait for that.
    gate: Mutex<Pace>,
}

impl Tokens {
    /// None yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            held: RwLock::default(),
            gate: Mutex::default(),
        }
    }

    /// The token to use now, fetched if there is none: `fetch` gives one and for how long it counts.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn access(
        &self,
        fetch: impl AsyncFnOnce() -> Result<(SecretString, Duration), Failed>,
    ) -> Result<SecretString, Failed> {
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let mut pace = self.gate.lock().await;
        if let Some(token) = self.current() {
            return Ok(token);
        }
        let now = self.clock.now();
        if let Some(why) = pace.rests(now) {
            return Err(why);
        }
        match fetch().await {
            Ok((token, counts)) => {
                *pace = Pace::default();
                let counts = TimeDelta::from_std(counts.min(MOST)).unwrap_or_default();
                let held = Held {
                    token: token.clone(),
                    until: now + counts - MARGIN.min(counts / 2),
                };
                *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some(held);
                Ok(token)
            }
            Err(error) => {
                pace.end(&error, now);
                Err(error)
            }
        }
    }

    /// Makes a call that reads, and once more with a token that is fetched anew where this one is not accepted.
    ///
    /// # Errors
    /// There is none to be had, or the call had no success.
    pub async fn under<T, F, G>(
        &self,
        fetch: impl Fn() -> F,
        call: impl Fn(SecretString) -> G,
    ) -> Result<T, Failed>
    where
        F: Future<Output = Result<(SecretString, Duration), Failed>>,
        G: Future<Output = Result<T, Failed>>,
    {
        let token = self.access(async || fetch().await).await?;
        match call(token.clone()).await {
            Err(error) if error.is_unauthorized() => {
                self.refuse(&token);
                call(self.access(async || fetch().await).await?).await
            }
            done => done,
        }
    }

    /// A token is not accepted: it is not used again.
    pub fn refuse(&self, stale: &SecretString) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        let same = |held: &Held| held.token.expose_secret() == stale.expose_secret();
        if held.as_ref().is_some_and(same) {
            *held = None;
        }
    }

    fn current(&self) -> Option<SecretString> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        let held = held.as_ref().filter(|held| self.clock.now() < held.until)?;
        Some(held.token.clone())
    }
}

impl Pace {
    /// What is to be said instead of asking now.
    #[must_use]
    pub fn rests(&self, now: Instant) -> Option<Failed> {
        self.next.filter(|next| now < *next)?;
        self.failed.clone()
    }

    /// None was had. Who cannot be reached may be tried again soon.
    pub fn end(&mut self, error: &Failed, now: Instant) {
        let wait = match error {
            Failed::Unreached(_) => SHORTEST,
            Failed::Limited(wait) => TimeDelta::from_std(*wait).map_or(LONGEST, |wait| wait.max(SHORTEST)),
            Failed::Status { .. } | Failed::Broken(_) => {
                self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
                self.pause
            }
        };
        self.next = Some(now + wait);
        self.failed = Some(error.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ManualClock;
    use reqwest::StatusCode;
    use rstest::rstest;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn a_token_is_fetched_once_until_it_ends_or_is_refused() {
        let clock = ManualClock::default();
        let tokens = Tokens::new(Arc::new(clock.clone()));
        let asked = AtomicUsize::new(0);
        let access = async || {
            let fetch = async || {
                let n = asked.fetch_add(1, Ordering::SeqCst);
                Ok((SecretString::from(n.to_string()), Duration::from_secs(600)))
            };
            tokens.access(fetch).await.unwrap()
        };
        let first = access().await;
        assert_eq!(access().await.expose_secret(), "0");
        clock.advance(Duration::from_secs(541));
        assert_eq!(access().await.expose_secret(), "1");
        tokens.refuse(&first);
        assert_eq!(access().await.expose_secret(), "1", "another one was refused");
        let second = access().await;
        tokens.refuse(&second);
        assert_eq!(access().await.expose_secret(), "2");
    }

    #[tokio::test]
    async fn a_token_that_counts_for_ever_or_hardly_at_all_is_used_all_the_same() {
        let clock = ManualClock::default();
        for (counts, later) in [(Duration::MAX, 86_400), (Duration::from_secs(20), 9)] {
            let tokens = Tokens::new(Arc::new(clock.clone()));
            let asked = AtomicUsize::new(0);
            for _ in 0..2 {
                let fetch = async || {
                    asked.fetch_add(1, Ordering::SeqCst);
                    Ok((SecretString::from("a"), counts))
                };
                tokens.access(fetch).await.unwrap();
                clock.advance(Duration::from_secs(later));
            }
            assert_eq!(asked.into_inner(), 1, "{counts:?}");
        }
    }

    #[rstest]
    #[case("3600", Some(3600.0))]
    #[case("\"3600\"", Some(3600.0))]
    #[case("3599.5", Some(3599.5))]
    #[case("1e300", Some(MOST.as_secs_f64()))]
    #[case("\"Infinity\"", Some(MOST.as_secs_f64()))]
    #[case("\"NaN\"", None)]
    #[case("\"an hour\"", None)]
    #[case("0", None)]
    #[case("-1", None)]
    #[case("null", None)]
    #[case("{}", None)]
    fn however_long_a_token_counts_the_answer_is_not_lost(#[case] told: &str, #[case] lasts: Option<f64>) {
        let text = format!(r#"{{"access_token": "a", "refresh_token": "r", "expires_in": {told}}}"#);
        let handed: Handed = serde_json::from_str(&text).unwrap();
        assert_eq!(handed.refresh_token.unwrap().expose_secret(), "r");
        assert_eq!(handed.expires_in.map(|lasts| lasts.as_secs_f64()), lasts);
    }

    #[test]
    fn stack_exchange_says_it_in_another_word() {
        let handed: Handed = serde_json::from_str(r#"{"access_token": "a", "expires": 86400}"#).unwrap();
        assert_eq!(handed.counting().1, Duration::from_secs(86_400));
    }

    #[test]
    fn who_asks_for_time_gets_it_and_who_cannot_be_reached_is_not_hammered() {
        let now = Instant::default();
        let rests = |error: Failed, seconds| {
            let mut pace = Pace::default();
            pace.end(&error, now);
            pace.rests(now + TimeDelta::seconds(seconds)).is_some()
        };
        let limited = || Failed::Limited(Duration::from_secs(600));
        assert!(rests(limited(), 599) && !rests(limited(), 600));
        let unreached = || Failed::Unreached("no".to_owned());
        assert!(rests(unreached(), 14) && !rests(unreached(), 15));
    }

    #[tokio::test]
    async fn who_is_refused_rests_longer_and_longer() {
        let clock = ManualClock::default();
        let tokens = Tokens::new(Arc::new(clock.clone()));
        let asked = AtomicUsize::new(0);
        let fails = async || {
            let fetch = async || {
                asked.fetch_add(1, Ordering::SeqCst);
                Err(Failed::Status {
                    status: StatusCode::UNAUTHORIZED,
                    told: Some("no".to_owned()),
                })
            };
            tokens.access(fetch).await.unwrap_err();
            asked.load(Ordering::SeqCst)
        };
        assert_eq!(fails().await, 1);
        assert_eq!(fails().await, 1);
        clock.advance(Duration::from_secs(16));
        assert_eq!(fails().await, 2);
        clock.advance(Duration::from_secs(16));
        assert_eq!(fails().await, 2);
        clock.advance(Duration::from_secs(16));
        assert_eq!(fails().await, 3);
    }
}
