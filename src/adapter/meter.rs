//! What a platform says in its answers about the quota that is left, as `/metrics` and `doctor` show it.

use crate::domain::SourceName;
use reqwest::header::HeaderMap;
use std::sync::{Mutex, PoisonError};

/// The pairs of headers that platforms give: the whole, and what is left of it.
const PAIRS: [(&str, &str); 3] = [
    ("x-ratelimit-limit", "x-ratelimit-remaining"),
    ("x-rate-limit-limit", "x-rate-limit-remaining"),
    ("ratelimit-limit", "ratelimit-remaining"),
];

/// Both in one header, as App Store Connect tells them: `user-hour-lim:3500;user-hour-rem:500;`
/// (<https://developer.apple.com/documentation/appstoreconnectapi/identifying-rate-limits>).
fn by_the_hour(told: &str) -> Option<Quota> {
    let number = |name: &str| {
        let mut pairs = told.split(';').filter_map(|pair| pair.split_once(':'));
        let (_, number) = pairs.find(|(key, _)| key.trim() == name)?;
        number.trim().parse().ok()
    };
    Some(Quota {
        limit: number("user-hour-lim")?,
        left: number("user-hour-rem")?,
    })
}

/// How much of a quota is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// The whole, in calls.
    pub limit: f64,
    /// What is left of it.
    pub left: f64,
}

/// The quota of a source, as it was last told.
#[derive(Debug)]
pub struct Meter {
    source: String,
    last: Mutex<Option<Quota>>,
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
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
        let told = PAIRS.iter().find_map(|(limit, left)| {
            Some(Quota {
                limit: number(limit)?,
                left: number(left)?,
            })
        });
        let told = told.or_else(|| by_the_hour(headers.get("x-rate-limit")?.to_str().ok()?));
        if let Some(quota) = told.filter(|quota| quota.limit > 0.0) {
            self.tell(quota);
        }
    }

    /// What is known of the quota by other means.
    pub fn tell(&self, quota: Quota) {
        let gauge = |name: &'static str| metrics::gauge!(name, "source" => self.source.clone());
        gauge("hearback_quota_limit").set(quota.limit);
        gauge("hearback_quota_left").set(quota.left);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
    }

    /// As it was last told.
    #[must_use]
    pub fn last(&self) -> Option<Quota> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_of_an_hour_is_read() {
        let quota = by_the_hour("user-hour-lim:3500;user-hour-rem:500;").unwrap();
        assert_eq!((quota.limit, quota.left), (3500.0, 500.0));
        assert_eq!(by_the_hour("soon"), None);
    }
}
