//! What went wrong beside the mentions: said once, and remembered until it is well again.

use super::api::{Failed, Mend};
use super::supervise::Lost;
use crate::app::{Inbound, Unavailable};
use crate::domain::{Instant, SourceName};
use sha2::{Digest as _, Sha256};
use std::collections::{HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many reasons and objects are remembered; then they are forgotten, and said again.
const MOST: usize = 10_000;
/// How much of something unreadable is kept.
const MOST_RAW: usize = 20_000;

/// Why reading stopped.
#[derive(Debug)]
pub enum Halt {
    /// The network's doing: other feeds may be readable.
    Network(Failed),
    /// Nothing can be stored, so nothing is to be read.
    Store(Unavailable),
}

impl Halt {
    /// What the supervisor does about it.
    #[must_use]
    pub fn lost(self, mend: &Mend) -> Lost {
        match self {
            Self::Network(error) => error.lost(mend),
            Self::Store(error) => Lost::Broken(error.to_string()),
        }
    }
}

impl From<Failed> for Halt {
    fn from(error: Failed) -> Self {
        Self::Network(error)
    }
}

impl From<Unavailable> for Halt {
    fn from(error: Unavailable) -> Self {
        Self::Store(error)
    }
}

/// What is known to be wrong.
#[derive(Default)]
pub struct Troubles(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Why a feed cannot be read.
    feeds: HashMap<String, String>,
    /// Until when a feed is left alone, because the server wants it so.
    resting: HashMap<String, Instant>,
    /// The marks of what was said or kept, and is not to be again: what is said may be as long as strangers like.
    once: HashSet<[u8; 32]>,
}

impl Troubles {
    /// Whether the server wants a feed to be left alone now.
    pub fn rests(&self, feed: &str, now: Instant) -> bool {
        self.held().resting.get(feed).is_some_and(|until| now < *until)
    }

    /// A feed was read.
    pub fn over(&self, feed: &str) {
        let mut known = self.held();
        known.feeds.remove(feed);
        known.resting.remove(feed);
    }

    /// A feed could not be read; says whether that is news.
    pub fn is_news(&self, feed: &str, error: &Failed, now: Instant) -> bool {
        let mut known = self.held();
        let why = match error {
            Failed::Limited(wait) => {
                known.resting.insert(feed.to_owned(), now + *wait);
                "rate limited".to_owned()
            }
            Failed::Status { status, .. } => status.to_string(),
            Failed::Unreached(why) | Failed::Broken(why) => why.clone(),
        };
        known.feeds.insert(feed.to_owned(), why.clone()) != Some(why)
    }

    /// Reads one of many feeds: what is wrong with it is said once, and stops none of the others.
    ///
    /// # Errors
    /// Nothing can be stored.
    pub async fn beside(
        &self,
        (source, feed): (&SourceName, &str),
        now: Instant,
        reading: impl Future<Output = Result<(), Halt>>,
    ) -> Result<(), Lost> {
        if self.rests(feed, now) {
            return Ok(());
        }
        match reading.await {
            Ok(()) => self.over(feed),
            Err(Halt::Store(error)) => return Err(Lost::Broken(error.to_string())),
            Err(Halt::Network(error)) => self.say((source, feed), &error, now),
        }
        Ok(())
    }

    /// Says what cannot be read now, once.
    pub fn say(&self, (source, feed): (&SourceName, &str), error: &Failed, now: Instant) {
        if self.is_news(feed, error, now) {
            tracing::warn!(
                %source, feed, %error,
                "The network does not let us read this now; it is tried again with every sweep."
            );
        }
    }

    /// Whether [`Self::note`] was called with this.
    pub fn knows(&self, what: &str) -> bool {
        self.held().once.contains(&mark(what))
    }

    /// Remembers something; says whether it is the first time.
    pub fn note(&self, what: &str) -> bool {
        let mut known = self.held();
        if known.once.len() >= MOST {
            known.once.clear();
        }
        known.once.insert(mark(what))
    }

    /// Keeps what cannot be read for people to look at: once, though it comes by with every sweep.
    ///
    /// # Errors
    /// Nothing can be stored now.
    pub async fn put_aside(
        &self,
        inbound: &Inbound,
        (source, stream): (&SourceName, &str),
        name: &str,
        error: &impl Display,
        raw: &str,
    ) -> Result<(), Unavailable> {
        let object = format!("{stream} {name}");
        if self.knows(&object) {
            return Ok(());
        }
        let kept: String = raw.chars().take(MOST_RAW).collect();
        let why = error.to_string();
        inbound
            .set_aside(&format!("{source} {stream}"), &why, &kept)
            .await?;
        self.note(&object);
        metrics::counter!("hearback_set_aside_total", "source" => source.to_string()).increment(1);
        // Without its place, which is another one in each object.
        let why = why.split(" at line ").next().unwrap_or_default();
        if self.note(&format!("{stream}: {why}")) {
            tracing::warn!(%source, stream, why, "Something cannot be read, and was set aside.");
        }
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn mark(what: &str) -> [u8; 32] {
    Sha256::digest(what).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use reqwest::StatusCode;
    use std::time::Duration;

    fn status(status: StatusCode) -> Failed {
        Failed::Status { status, told: None }
    }

    #[test]
    fn a_trouble_is_news_once_until_it_is_another_or_over() {
        let (troubles, now) = (Troubles::default(), Instant::default());
        let (forbidden, broken) = (StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE);
        assert!(troubles.is_news("tag:a", &status(broken), now));
        assert!(!troubles.is_news("tag:a", &status(broken), now));
        assert!(troubles.is_news("tag:b", &status(broken), now));
        assert!(troubles.is_news("tag:a", &status(forbidden), now));
        troubles.over("tag:a");
        assert!(troubles.is_news("tag:a", &status(forbidden), now));
    }

    #[test]
    fn a_limited_feed_rests_as_long_as_the_server_wants() {
        let (troubles, now) = (Troubles::default(), DateTime::from_timestamp(0, 0).unwrap());
        let wait = Duration::from_secs(30);
        assert!(troubles.is_news("tag:a", &Failed::Limited(wait), now));
        assert!(troubles.rests("tag:a", now) && !troubles.rests("tag:b", now));
        assert!(!troubles.rests("tag:a", now + wait));
    }
}
