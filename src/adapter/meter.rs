//! What a platform says in its answers about the quota that is left, as `/metrics` and `doctor` show it.

use crate::domain::SourceName;
use reqwest::header::HeaderMap;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The pairs of headers that platforms give: the whole, and what is left of it.
const PAIRS: [(&str, &str); 3] = [
    ("x-ratelimit-limit", "x-ratelimit-remaining"),
    ("x-rate-limit-limit", "x-rate-limit-remaining"),
    ("ratelimit-limit", "ratelimit-remaining"),
];

/// The headers in which Meta tells how much is used, in percent of a whole
/// (<https://developers.facebook.com/docs/graph-api/overview/rate-limiting>).
const USAGE: [&str; 2] = ["x-business-use-case-usage", "x-app-usage"];

/// How much of a quota is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quota {
    /// The whole, in calls, or 100 where the platform tells percents.
    pub limit: f64,
    /// What is left of it.
    pub left: f64,
}

/// The quota of a source, as it was last told.
#[derive(Debug)]
pub struct Meter {
    source: String,
    last: Mutex<Option<Quota>>,
    /// After how long a quota that is used up is there again, as it was last told.
    regain: Mutex<Option<Duration>>,
}

impl Meter {
    /// Of a source that has not been told yet.
    #[must_use]
    pub fn new(source: &SourceName) -> Self {
        Self {
            source: source.to_string(),
            last: Mutex::default(),
            regain: Mutex::default(),
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
        let told = told.or_else(|| self.usage(headers));
        let Some(quota) = told.filter(|quota| quota.limit > 0.0) else {
            return;
        };
        let gauge = |name: &'static str| metrics::gauge!(name, "source" => self.source.clone());
        gauge("hearback_quota_limit").set(quota.limit);
        gauge("hearback_quota_left").set(quota.left);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(quota);
    }

    /// What is left of the use that is told in percents: the fullest of all counts counts.
    fn usage(&self, headers: &HeaderMap) -> Option<Quota> {
        let told = USAGE.iter().filter_map(|name| {
            let text = headers.get(*name)?.to_str().ok()?;
            serde_json::from_str::<Value>(text).ok()
        });
        let mut used = Used::default();
        told.for_each(|value| used.read(&value));
        let percent = used.percent?;
        let minutes = used.minutes.filter(|minutes| *minutes > 0);
        *self.regain.lock().unwrap_or_else(PoisonError::into_inner) =
            minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60)));
        Some(Quota {
            limit: 100.0,
            left: (100.0 - percent).max(0.0),
        })
    }

    /// After how long a quota that is used up is there again, if the platform said so last.
    #[must_use]
    pub fn regain(&self) -> Option<Duration> {
        *self.regain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As it was last told.
    #[must_use]
    pub fn last(&self) -> Option<Quota> {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The most that any of Meta's counts says.
#[derive(Debug, Default)]
struct Used {
    percent: Option<f64>,
    minutes: Option<u64>,
}

impl Used {
    /// Counts are fields of objects, at whichever depth: by business object, in lists by use case.
    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| match name.as_str() {
                "call_count" | "total_cputime" | "total_time" => {
                    let more = value.as_f64().unwrap_or_default();
                    self.percent = Some(self.percent.unwrap_or_default().max(more));
                }
                "estimated_time_to_regain_access" => self.minutes = self.minutes.max(value.as_u64()),
                _ => self.read(value),
            }),
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metas_usage_is_read_by_its_fullest_count() {
        let told = r#"{"17841": [{"type": "pages", "call_count": 12, "total_cputime": 71, "total_time": 3,
            "estimated_time_to_regain_access": 2}, {"type": "messenger", "call_count": 100}]}"#;
        let told = told.replace('\n', "");
        let headers = HeaderMap::from_iter([
            (
                reqwest::header::HeaderName::from_static(USAGE[0]),
                told.parse().unwrap(),
            ),
            (
                reqwest::header::HeaderName::from_static(USAGE[1]),
                r#"{"call_count": 5}"#.parse().unwrap(),
            ),
        ]);
        let meter = Meter::new(&"a".into());
        meter.read(&headers);
        assert_eq!(
            meter.last(),
            Some(Quota {
                limit: 100.0,
                left: 0.0
            })
        );
        assert_eq!(meter.regain(), Some(Duration::from_secs(120)));
    }
}
