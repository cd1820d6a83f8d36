//! A review of the API as a review.

use super::wire;
use crate::adapter::reviews::{Answer, Review, stars_without_words};
use crate::domain::{Author, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;
use serde::de::Error as _;

/// Where people see an app's reviews.
const PAGE: &str = "https://apps.apple.com/app/id";

pub fn review(source: &SourceName, app: &str, shown: wire::Shown) -> Result<Review, serde_json::Error> {
    // Its place must not be taken for an empty one.
    if shown.data.is_answered() && shown.included.is_empty() {
        return Err(serde_json::Error::custom(
            "a review whose response did not come along",
        ));
    }
    let wire::Review {
        id, attributes: told, ..
    } = shown.data;
    let id = NativeId::new(id);
    let changed = told.created_date.trunc_subsecs(6);
    let nickname = told
        .reviewer_nickname
        .unwrap_or_default()
        .trim()
        .replace('\0', "\u{FFFD}");
    let name = match &told.territory {
        Some(territory) => format!("{nickname} ({territory})"),
        None => nickname.clone(),
    };
    let words = [told.title, told.body].into_iter().flatten();
    let words: Vec<_> = words
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .collect();
    let post = Post {
        source: source.clone(),
        id: id.clone(),
        conversation: id.clone(),
        in_reply_to: None,
        kind: PostKind::Review,
        visibility: Visibility::Public,
        url: Some(format!("{PAGE}{app}?see-all=reviews")),
        author: Author {
            id,
            handle: nickname,
            name,
            followers: None,
            url: None,
        },
        text: stars_without_words(&words.join("\n")),
        created_at: changed,
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: Some(told.rating),
    };
    Ok(Review {
        post,
        changed,
        answer: shown
            .included
            .into_iter()
            .next()
            .map(|response| answer(response.attributes)),
    })
}

pub fn answer(told: wire::Responded) -> Answer {
    Answer {
        text: told.response_body,
        at: told.last_modified_date,
        hidden: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_response_that_does_not_come_along_is_no_empty_place() {
        let shown = json!({"data": {"type": "customerReviews", "id": "r1",
            "attributes": {"rating": 1, "createdDate": "2026-11-21T02:00:00-08:00"},
            "relationships": {"response": {"data": {"type": "customerReviewResponses", "id": "a1"}}}}});
        let shown = serde_json::from_value(shown).unwrap();
        assert!(review(&SourceName::new("app"), "42", shown).is_err());
    }

    #[test]
    fn title_and_body_are_one_text() {
        let shown = json!({
            "data": {"type": "customerReviews", "id": "r1", "attributes": {
                "rating": 1, "title": "Late", "body": "My parcel.\n", "reviewerNickname": "ann",
                "createdDate": "2026-11-21T02:00:00-08:00", "territory": "USA"}},
            "included": [{"type": "customerReviewResponses", "id": "a1", "attributes": {
                "responseBody": "Sorry!", "lastModifiedDate": "2026-11-21T11:00:00Z", "state": "PENDING_PUBLISH"}}],
        });
        let shown = serde_json::from_value(shown).unwrap();
        let review = review(&SourceName::new("app"), "42", shown).unwrap();
        assert_eq!(
            (review.post.text.as_str(), review.post.rating),
            ("Late\nMy parcel.", Some(1))
        );
        assert_eq!(review.post.created_at.to_rfc3339(), "2026-11-21T10:00:00+00:00");
        assert_eq!(
            (
                review.post.author.handle.as_str(),
                review.post.author.name.as_str()
            ),
            ("ann", "ann (USA)")
        );
        assert_eq!(review.answer.unwrap().text, "Sorry!");
    }
}
