//! How the Graph API writes times, and what is read of a value that may be odd.

use crate::domain::Instant;
use chrono::DateTime;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// A number from here on is a time in milliseconds, below it in seconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// A person or a page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Who {
    /// Their id, which is another one for every page or app that asks.
    pub id: String,
    /// What they call themselves.
    #[serde(default)]
    pub name: Option<String>,
    /// Their handle, on Instagram.
    #[serde(default)]
    pub username: Option<String>,
}

/// Something that is named by its id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ref {
    /// Its id.
    pub id: String,
}

/// A time: `2026-11-21T10:00:00+0000`, with a colon in the zone, or seconds or milliseconds since 1970.
#[must_use]
pub fn moment(value: &Value) -> Option<Instant> {
    if let Some(number) = value.as_i64() {
        return if number >= MILLISECONDS {
            DateTime::from_timestamp_millis(number)
        } else {
            DateTime::from_timestamp(number, 0)
        };
    }
    let text = value.as_str()?;
    let zoned = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%z");
    let parsed = zoned.or_else(|_| DateTime::parse_from_rfc3339(text)).ok();
    parsed
        .map(|at| at.to_utc())
        .or_else(|| moment(&Value::from(text.parse::<i64>().ok()?)))
}

/// A time that must be there.
///
/// # Errors
/// It is none.
pub fn at<'de, D: Deserializer<'de>>(from: D) -> Result<Instant, D::Error> {
    let value = Value::deserialize(from)?;
    moment(&value).ok_or_else(|| D::Error::custom("a time was expected"))
}

/// A time, if it is one.
///
/// # Errors
/// None: what is no time is no time.
pub fn perhaps_at<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Instant>, D::Error> {
    Ok(moment(&Value::deserialize(from)?))
}

/// What can be read of a value; its default otherwise.
///
/// # Errors
/// The body is not JSON.
pub fn lenient<'de, D: Deserializer<'de>, T: Default + DeserializeOwned>(from: D) -> Result<T, D::Error> {
    let value = Value::deserialize(from)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// An id, which webhooks also write as a number.
///
/// # Errors
/// It is neither.
pub fn id<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    })
}

/// When an object of a list was made, before it is read whole.
#[must_use]
pub fn made(raw: &RawValue) -> Option<Instant> {
    #[derive(Deserialize)]
    struct Made {
        #[serde(default, alias = "timestamp")]
        created_time: Value,
    }
    let made: Made = serde_json::from_str(raw.get()).ok()?;
    moment(&made.created_time)
}

/// What an object that cannot be read is called: its id, or how it begins.
#[must_use]
pub fn name(raw: &RawValue) -> String {
    let named: Option<Ref> = serde_json::from_str(raw.get()).ok();
    named.map_or_else(|| raw.get().chars().take(200).collect(), |named| named.id)
}

/// A text that every database keeps.
#[must_use]
pub fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case(json!("2027-01-15T08:00:00+0000"))]
    #[case(json!("2027-01-15T09:00:00+01:00"))]
    #[case(json!("2027-01-15T08:00:00Z"))]
    #[case(json!(1_800_000_000))]
    #[case(json!(1_800_000_000_000_i64))]
    #[case(json!("1800000000"))]
    fn a_time_is_read_in_each_of_its_forms(#[case] told: Value) {
        assert_eq!(moment(&told).unwrap().timestamp(), 1_800_000_000);
    }

    #[rstest]
    #[case(json!("yesterday"))]
    #[case(json!(null))]
    #[case(json!({}))]
    fn what_is_no_time_is_none(#[case] told: Value) {
        assert_eq!(moment(&told), None);
    }
}
