//! A review of the API as a review.

use super::wire;
use crate::adapter::reviews::{Answer, Review, stars_without_words};
use crate::domain::{Author, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;
use serde::de::Error as _;

/// Where people read reviews.
const PAGES: &str = "https://www.trustpilot.com";

pub fn review(source: &SourceName, unit: &str, told: wire::Review) -> Result<Review, serde_json::Error> {
    if told.business_unit.is_some_and(|other| other.id != unit) {
        return Err(serde_json::Error::custom("a review of another business unit"));
    }
    let id = NativeId::new(&told.id);
    let created_at = told.created_at.0.trunc_subsecs(6);
    let updated = told.updated_at.map(|at| at.0.trunc_subsecs(6));
    let edited_at = updated.filter(|at| *at > created_at);
    let name = told
        .consumer
        .display_name
        .unwrap_or_default()
        .trim()
        .replace('\0', "\u{FFFD}");
    let post = Post {
        source: source.clone(),
        id: id.clone(),
        conversation: id,
        in_reply_to: None,
        kind: PostKind::Review,
        visibility: Visibility::Public,
        url: Some(format!("{PAGES}/reviews/{}", told.id)),
        author: Author {
            id: NativeId::new(&told.consumer.id),
            handle: name.clone(),
            name,
            followers: None,
            url: Some(format!("{PAGES}/users/{}", told.consumer.id)),
        },
        text: stars_without_words(&words(told.title, told.text)),
        created_at,
        edited_at,
        deleted: false,
        lang: told.language.filter(|lang| !lang.is_empty()),
        media: Vec::new(),
        metrics: Metrics {
            likes: told.number_of_likes.unwrap_or_default(),
            ..Metrics::default()
        },
        rating: Some(told.stars),
    };
    Ok(Review {
        post,
        changed: edited_at.unwrap_or(created_at),
        answer: told.company_reply.map(|reply| Answer {
            at: reply.updated_at.or(reply.created_at).map(|at| at.0),
            text: reply.text,
            hidden: None,
        }),
    })
}

/// The title, unless the text begins with it.
fn words(title: Option<String>, text: Option<String>) -> String {
    let (title, text) = (title.unwrap_or_default(), text.unwrap_or_default());
    let (title, text) = (title.trim(), text.trim());
    if text.starts_with(title.trim_end_matches(['.', '…'])) {
        text.to_owned()
    } else {
        format!("{title}\n{text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("Late", "My parcel.", "Late\nMy parcel.")]
    #[case("My parcel…", "My parcel is late.", "My parcel is late.")]
    #[case("", "My parcel.", "My parcel.")]
    fn a_title_is_said_once(#[case] title: &str, #[case] text: &str, #[case] said: &str) {
        assert_eq!(words(Some(title.to_owned()), Some(text.to_owned())), said);
    }

    #[test]
    fn a_review_of_another_business_is_none_of_ours() {
        let told = json!({"id": "r1", "stars": 1, "createdAt": "2026-05-20T09:34:44Z", "consumer": {"id": "c1"},
            "businessUnit": {"id": "other"}});
        assert!(
            review(
                &SourceName::new("trust"),
                "ours",
                serde_json::from_value(told).unwrap()
            )
            .is_err()
        );
    }
}
