//! The forms of the API
//! (<https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews>), and of a push
//! (<https://docs.cloud.google.com/pubsub/docs/push#receive_push>).

use crate::domain::Instant;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// `accounts.locations.reviews.list`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listed {
    /// Missing where there are none.
    #[serde(default)]
    pub reviews: Vec<Box<RawValue>>,
    #[serde(default)]
    pub next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    pub review_id: String,
    #[serde(default)]
    pub reviewer: Reviewer,
    pub star_rating: Stars,
    /// Missing where there are only stars.
    #[serde(default)]
    pub comment: String,
    pub create_time: Instant,
    pub update_time: Instant,
    #[serde(default)]
    pub review_reply: Option<Reply>,
    /// Where its owner replies to it.
    #[serde(default)]
    pub review_reply_url: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Reviewer {
    #[serde(default)]
    pub display_name: String,
}

#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stars {
    StarRatingUnspecified,
    One,
    Two,
    Three,
    Four,
    Five,
}

impl Stars {
    pub fn number(self) -> Option<i64> {
        match self {
            Self::StarRatingUnspecified => None,
            Self::One => Some(1),
            Self::Two => Some(2),
            Self::Three => Some(3),
            Self::Four => Some(4),
            Self::Five => Some(5),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reply {
    pub comment: String,
    #[serde(default)]
    pub update_time: Option<Instant>,
    #[serde(default)]
    pub review_reply_state: Option<String>,
    /// What exactly it is was not seen: it is shown as it comes.
    #[serde(default)]
    pub policy_violation: Option<Value>,
}

/// The names of the reviews that a push tells of. Which of its fields has the name differs between versions of
/// the documentation: `reviewName` in one, `review_name` in another.
pub fn named(body: &[u8]) -> Result<Vec<String>, String> {
    #[derive(Deserialize)]
    struct Push {
        message: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        #[serde(default)]
        data: String,
        #[serde(default)]
        attributes: Value,
    }
    let push: Push = serde_json::from_slice(body).map_err(|error| format!("the push: {error}"))?;
    let data = BASE64_STANDARD.decode(&push.message.data);
    let data = data.map_err(|_| "message.data is not base64".to_owned())?;
    let data: Value = serde_json::from_slice(&data).unwrap_or_default();
    let places = [&data, &push.message.attributes];
    let name = |place: &&Value| {
        let told = place.get("reviewName").or_else(|| place.get("review_name"))?;
        told.as_str().map(str::to_owned)
    };
    Ok(places.iter().find_map(name).into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case::camel(json!({"reviewName": "accounts/1/locations/2/reviews/r"}), Some("accounts/1/locations/2/reviews/r"))]
    #[case::snake(json!({"review_name": "accounts/1/locations/2/reviews/r"}), Some("accounts/1/locations/2/reviews/r"))]
    #[case::something_else(json!({"locationName": "accounts/1/locations/2"}), None)]
    fn a_push_names_a_review(#[case] data: Value, #[case] name: Option<&str>) {
        let data = BASE64_STANDARD.encode(data.to_string());
        let push = json!({"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"});
        let named = named(push.to_string().as_bytes()).unwrap();
        assert_eq!(named.first().map(String::as_str), name);
    }

    #[test]
    fn what_is_no_push_is_told() {
        assert!(named(b"{}").is_err());
        assert!(named(br#"{"message":{"data":"?"}}"#).is_err());
    }
}
