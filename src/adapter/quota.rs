//! How platforms tell in their answers how much of a quota is left. Each has a form of its own.

use reqwest::header::HeaderMap;
use serde_json::Value;
use std::time::Duration;

/// The pairs of headers that most give: the whole, and what is left of it.
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

/// What an answer tells of a quota.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// How much is left.
    pub quota: Quota,
    /// After how long one that is used up is there again, where the form says so.
    pub regain: Option<Duration>,
}

/// Reads an answer's headers; none where they tell nothing.
#[must_use]
pub fn told(headers: &HeaderMap) -> Option<Told> {
    let plain = paired(headers)
        .or_else(|| used(headers))
        .or_else(|| by_the_hour(headers));
    let told = plain.map(|quota| Told { quota, regain: None });
    told.or_else(|| percents(headers))
        .filter(|told| told.quota.limit > 0.0)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn number(headers: &HeaderMap, name: &str) -> Option<f64> {
    let number: f64 = text(headers, name)?.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

fn paired(headers: &HeaderMap) -> Option<Quota> {
    PAIRS.iter().find_map(|(limit, left)| {
        Some(Quota {
            limit: number(headers, limit)?,
            left: number(headers, left)?,
        })
    })
}

/// Reddit tells what was used in place of the whole (<https://github.com/reddit-archive/reddit/wiki/API>).
fn used(headers: &HeaderMap) -> Option<Quota> {
    let left = number(headers, "x-ratelimit-remaining")?;
    let limit = number(headers, "x-ratelimit-used")? + left;
    Some(Quota { limit, left })
}

/// Both in one header, as App Store Connect tells them: `user-hour-lim:3500;user-hour-rem:500;`
/// (<https://developer.apple.com/documentation/appstoreconnectapi/identifying-rate-limits>).
fn by_the_hour(headers: &HeaderMap) -> Option<Quota> {
    let told = text(headers, "x-rate-limit")?;
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

/// What is left of the use that Meta tells in percents: the fullest of all counts counts.
fn percents(headers: &HeaderMap) -> Option<Told> {
    let told = USAGE.iter();
    let told = told.filter_map(|name| serde_json::from_str::<Value>(text(headers, name)?).ok());
    let mut used = Used::default();
    told.for_each(|value| used.read(&value));
    let minutes = used.minutes.filter(|minutes| *minutes > 0);
    Some(Told {
        quota: Quota {
            limit: 100.0,
            left: (100.0 - used.percent?).max(0.0),
        },
        regain: minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
    })
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
    use reqwest::header::HeaderName;
    use rstest::rstest;

    fn headers(told: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = told.iter();
        let pairs = pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        HeaderMap::from_iter(pairs)
    }

    #[rstest]
    #[case::pair(&[("ratelimit-limit", "3000"), ("ratelimit-remaining", "12")], Some((3000.0, 12.0)))]
    #[case::used(&[("x-ratelimit-used", "4"), ("x-ratelimit-remaining", "596.0")], Some((600.0, 596.0)))]
    #[case::by_the_hour(&[("x-rate-limit", "user-hour-lim:3500;user-hour-rem:500;")], Some((3500.0, 500.0)))]
    #[case::nothing(&[("x-rate-limit", "soon"), ("x-ratelimit-remaining", "7")], None)]
    #[case::no_number(&[("ratelimit-limit", "inf"), ("ratelimit-remaining", "NaN")], None)]
    #[case::no_whole(&[("ratelimit-limit", "0"), ("ratelimit-remaining", "0")], None)]
    fn each_form_is_read(#[case] headers_told: &[(&'static str, &str)], #[case] quota: Option<(f64, f64)>) {
        let told = told(&headers(headers_told));
        assert_eq!(told.map(|told| (told.quota.limit, told.quota.left)), quota);
    }

    #[test]
    fn metas_usage_is_read_by_its_fullest_count() {
        let business = r#"{"17841": [{"type": "pages", "call_count": 12, "total_cputime": 71, "total_time": 3,
            "estimated_time_to_regain_access": 2}, {"type": "messenger", "call_count": 100}]}"#;
        let business = business.replace('\n', "");
        let told = told(&headers(&[
            (USAGE[0], &business),
            (USAGE[1], r#"{"call_count": 5}"#),
        ]))
        .unwrap();
        assert_eq!((told.quota.limit, told.quota.left), (100.0, 0.0));
        assert_eq!(told.regain, Some(Duration::from_secs(120)));
    }
}
