//! What a platform says in its answers about the quota that is left, as `/metrics` and `doctor` show it.

use super::quota::{self, Quota, Told};
use crate::domain::SourceName;
use reqwest::header::HeaderMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The quota of a source, as it was last told.
#[derive(Debug)]
pub struct Meter {
    source: String,
    last: Mutex<Option<Told>>,
}

impl Meter {
    /// Of a source that has not been told yet.
    #[must_use]
    pub fn new(source: &SourceName) -> Self {
        Self {
            source: source.to_string(),
            last: Mutex::default(),
        }
    }

    /// Reads an answer's headers.
    pub fn read(&self, headers: &HeaderMap) {
        if let Some(told) = quota::told(headers) {
            self.tell(told);
        }
    }

    /// What is known of the quota, by headers or by other means.
    pub fn tell(&self, told: Told) {
        let gauge = |name: &'static str| metrics::gauge!(name, "source" => self.source.clone());
        gauge("hearback_quota_limit").set(told.quota.limit);
        gauge("hearback_quota_left").set(told.quota.left);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    /// As it was last told.
    #[must_use]
    pub fn last(&self) -> Option<Quota> {
        self.told().map(|told| told.quota)
    }

    /// After how long a quota that is used up is there again, if the platform said so last.
    #[must_use]
    pub fn regain(&self) -> Option<Duration> {
        self.told()?.regain
    }

    fn told(&self) -> Option<Told> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
