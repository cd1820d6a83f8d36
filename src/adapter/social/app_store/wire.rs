//! The forms of the API: JSON:API documents, with the responses beside the reviews
//! (<https://developer.apple.com/documentation/appstoreconnectapi/customerreviewsresponse>).

use crate::adapter::api::Failed;
use crate::domain::Instant;
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;
use url::Url;

/// `GET /v1/apps/{id}/customerReviews`
#[derive(Deserialize)]
pub struct Listed {
    pub data: Vec<Box<RawValue>>,
    #[serde(default)]
    pub included: Vec<Box<RawValue>>,
    #[serde(default)]
    pub links: Links,
}

#[derive(Deserialize, Default)]
pub struct Links {
    #[serde(default)]
    pub next: Option<String>,
}

/// `GET /v1/customerReviews/{id}`, and what [`each`] makes of a list.
#[derive(Deserialize)]
pub struct Shown {
    pub data: Review,
    #[serde(default)]
    pub included: Vec<Response>,
}

#[derive(Deserialize)]
pub struct Review {
    pub id: String,
    pub attributes: Attributes,
    #[serde(default)]
    relationships: Relationships,
}

impl Review {
    /// Whether it says that it has a response, which comes beside it.
    pub fn is_answered(&self) -> bool {
        self.relationships.response.data.is_some()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attributes {
    pub rating: i64,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub reviewer_nickname: Option<String>,
    pub created_date: Instant,
    #[serde(default)]
    pub territory: Option<String>,
}

#[derive(Deserialize)]
pub struct Response {
    pub attributes: Responded,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Responded {
    pub response_body: String,
    #[serde(default)]
    pub last_modified_date: Option<Instant>,
}

/// `POST /v1/customerReviewResponses`
#[derive(Deserialize)]
pub struct Made {
    pub data: Response,
}

/// Which resource something is, and which it belongs to.
#[derive(Deserialize, Default)]
struct Named {
    #[serde(default)]
    id: String,
    #[serde(default)]
    relationships: Relationships,
}

#[derive(Deserialize, Default)]
struct Relationships {
    #[serde(default)]
    response: Related,
}

#[derive(Deserialize, Default)]
struct Related {
    #[serde(default)]
    data: Option<Box<Named>>,
}

/// Each review of a list with its response, in the form of a single one.
pub fn each(listed: Listed) -> Result<Vec<Box<RawValue>>, Failed> {
    let named = |raw: &RawValue| serde_json::from_str::<Named>(raw.get()).unwrap_or_default();
    let responses: HashMap<_, _> = listed.included.iter().map(|raw| (named(raw).id, raw)).collect();
    let documents = listed.data.iter().map(|raw| {
        let response = named(raw).relationships.response.data;
        let response = response.and_then(|named| responses.get(&named.id));
        let included: Vec<_> = response.into_iter().collect();
        to_raw_value(&serde_json::json!({"data": raw, "included": included}))
    });
    let documents: Result<Vec<_>, _> = documents.collect();
    documents.map_err(|error| Failed::Broken(error.to_string()))
}

/// By what the next page is asked for. Its address is not followed: it is the same call.
pub fn cursor(next: &str) -> Option<String> {
    let url = Url::parse(next).ok()?;
    let (_, cursor) = url.query_pairs().find(|(name, _)| name == "cursor")?;
    Some(cursor.into_owned())
}

/// The errors of an answer: the code and the words of the first
/// (<https://developer.apple.com/documentation/appstoreconnectapi/interpreting-and-handling-errors>).
pub fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        errors: Vec<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: String,
        #[serde(default)]
        title: String,
        #[serde(default)]
        detail: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    let error = told.errors.into_iter().next()?;
    let words = if error.detail.is_empty() {
        error.title
    } else {
        error.detail
    };
    Some(format!("{}: {words}", error.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_comes_to_its_review() {
        let listed = serde_json::from_str(
            r#"{"data":[{"type":"customerReviews","id":"r1","relationships":{"response":{"data":{"type":"customerReviewResponses","id":"a1"}}}},
                        {"type":"customerReviews","id":"r2","relationships":{"response":{"links":{}}}}, 7],
                "included":[{"type":"customerReviewResponses","id":"a1"}],
                "links":{"next":"https://api.appstoreconnect.apple.com/v1/apps/1/customerReviews?cursor=Aw%3D&limit=2"}}"#,
        );
        let listed: Listed = listed.unwrap();
        assert_eq!(
            cursor(listed.links.next.as_deref().unwrap()).as_deref(),
            Some("Aw=")
        );
        let each: Vec<_> = each(listed)
            .unwrap()
            .iter()
            .map(|raw| !raw.get().contains("\"included\":[]"))
            .collect();
        assert_eq!(each, [true, false, false]);
    }

    #[test]
    fn an_error_is_told() {
        let body = br#"{"errors":[{"id":"x","status":"403","code":"FORBIDDEN_ERROR","title":"No.","detail":"Not you."}]}"#;
        assert_eq!(spoken(body).as_deref(), Some("FORBIDDEN_ERROR: Not you."));
        assert_eq!(spoken(b"<html>"), None);
    }
}
