//! An access token that is fetched anew when it ends: by one caller for all, and not again and again where
//! that is refused.

use super::api::Failed;
use crate::domain::{Clock, Instant};
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;

/// The pauses after refusals: 96 tries a day at the worst.
const SHORTEST: TimeDelta = TimeDelta::seconds(15);
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// So much before its end a token is not used any more.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// A token, and until when it counts.
#[derive(Clone)]
struct Held {
    token: SecretString,
    until: Instant,
}

/// When it may be asked for a token.
#[derive(Default)]
struct Pace {
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
                let held = Held {
                    token: token.clone(),
                    until: now + counts - MARGIN,
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
    fn rests(&self, now: Instant) -> Option<Failed> {
        self.next.filter(|next| now < *next)?;
        self.failed.clone()
    }

    /// None was had. Who cannot be reached may be tried again at once.
    fn end(&mut self, error: &Failed, now: Instant) {
        self.next = match error {
            Failed::Unreached(_) => None,
            Failed::Limited(wait) => Some(now + *wait),
            Failed::Status { .. } | Failed::Broken(_) => {
                self.pause = (self.pause * 2).clamp(SHORTEST, LONGEST);
                Some(now + self.pause)
            }
        };
        self.failed = Some(error.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ManualClock;
    use reqwest::StatusCode;
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
