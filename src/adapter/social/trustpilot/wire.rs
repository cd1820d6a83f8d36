//! The forms of the API.

use crate::domain::Instant;
use chrono::{DateTime, NaiveDateTime};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// `GET /v1/private/business-units/{id}/reviews`
#[derive(Deserialize)]
pub struct Listed {
    pub reviews: Vec<Box<RawValue>>,
}

/// `GET /v1/private/reviews/{id}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    pub id: String,
    pub stars: i64,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub text: Option<String>,
    #[serde(default)]
    pub language: Option<String>,
    pub created_at: Moment,
    #[serde(default)]
    pub updated_at: Option<Moment>,
    pub consumer: Consumer,
    #[serde(default)]
    pub business_unit: Option<Unit>,
    #[serde(default)]
    pub company_reply: Option<Reply>,
    #[serde(default)]
    pub number_of_likes: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consumer {
    pub id: String,
    #[serde(default)]
    pub display_name: Option<String>,
}

#[derive(Deserialize)]
pub struct Unit {
    pub id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub text: String,
    #[serde(default)]
    pub created_at: Option<Moment>,
    #[serde(default)]
    pub updated_at: Option<Moment>,
}

/// A moment, with its zone or, as in the documentation's examples, without one: then it is UTC.
#[derive(Debug, Clone, Copy)]
pub struct Moment(pub Instant);

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let zoned = DateTime::parse_from_rfc3339(&text).map(|at| at.to_utc());
        let at = zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|at| at.and_utc()));
        at.map(Self)
            .map_err(|_| D::Error::custom(format!("{text:?} is no moment")))
    }
}

/// The ids of the reviews that a notice names
/// (<https://support.trustpilot.com/hc/en-us/community/posts/10109980750738>).
pub fn named(body: &[u8]) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Told {
        events: Vec<Event>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Event {
        event_name: String,
        event_data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        #[serde(default)]
        id: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).map_err(|error| format!("the notice: {error}"))?;
    let events = told.events.into_iter();
    let events = events.filter(|event| event.event_name.starts_with("service-review-"));
    Ok(events.filter_map(|event| event.event_data.id).collect())
}

/// The words of an error. The gateway before the API has a form of its own.
pub fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Api { message: String },
        Gateway { fault: Fault },
        OAuth { error: String },
    }
    #[derive(Deserialize)]
    struct Fault {
        faultstring: String,
    }
    Some(match serde_json::from_slice(body).ok()? {
        Told::Api { message } => message,
        Told::Gateway { fault } => fault.faultstring,
        Told::OAuth { error } => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("\"2013-09-07T13:37:00\"", "2013-09-07T13:37:00+00:00")]
    #[case("\"2017-05-20T09:34:44.000Z\"", "2017-05-20T09:34:44+00:00")]
    fn moments_come_with_and_without_a_zone(#[case] told: &str, #[case] at: &str) {
        let Moment(moment) = serde_json::from_str(told).unwrap();
        assert_eq!(moment.to_rfc3339(), at);
    }

    #[test]
    fn a_notice_names_service_reviews() {
        let body = br#"{"events":[
            {"eventName":"service-review-created","version":"1","eventData":{"id":"53bf","stars":5}},
            {"eventName":"product-review-created","version":"1","eventData":{"id":"54aa"}},
            {"eventName":"service-review-deleted","version":"1","eventData":{"id":"55bb"}}]}"#;
        assert_eq!(named(body).unwrap(), ["53bf", "55bb"]);
        assert!(named(b"{}").is_err());
    }
}
