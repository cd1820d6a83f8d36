//! A review of the API as a review.

use super::wire;
use crate::adapter::reviews::{Answer, Review, stars_without_words};
use crate::domain::{Author, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::SubsecRound as _;

/// Where an owner sees all reviews.
const PAGE: &str = "https://business.google.com/reviews";
/// What Google calls an author who stays anonymous.
const NOBODY: &str = "A Google user";

pub fn review(source: &SourceName, told: wire::Review) -> Result<Review, serde_json::Error> {
    let id = NativeId::new(&told.review_id);
    let created_at = told.create_time.trunc_subsecs(6);
    let changed = told.update_time.trunc_subsecs(6).max(created_at);
    let name = match told.reviewer.display_name.trim() {
        "" => NOBODY.to_owned(),
        name => name.replace('\0', "\u{FFFD}"),
    };
    let post = Post {
        source: source.clone(),
        id: id.clone(),
        conversation: id.clone(),
        in_reply_to: None,
        kind: PostKind::Review,
        visibility: Visibility::Public,
        url: Some(told.review_reply_url.unwrap_or_else(|| PAGE.to_owned())),
        author: Author {
            id,
            handle: name.clone(),
            name,
            followers: None,
            url: None,
        },
        text: stars_without_words(&told.comment),
        created_at,
        edited_at: (changed > created_at).then_some(changed),
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: told.star_rating.number(),
    };
    Ok(Review {
        post,
        changed,
        answer: told.review_reply.map(answer),
    })
}

pub fn answer(told: wire::Reply) -> Answer {
    let state = told.review_reply_state.unwrap_or_default();
    let rejected = told.policy_violation.is_some() || state.to_ascii_uppercase().contains("REJECT");
    let why = || match &told.policy_violation {
        Some(why) => format!("Google rejected it ({why})"),
        None => format!("Google rejected it ({state})"),
    };
    Answer {
        hidden: rejected.then(why),
        text: told.comment,
        at: told.update_time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case::waits(json!({"comment": "Sorry!", "reviewReplyState": "PENDING"}), false)]
    #[case::stands(json!({"comment": "Sorry!", "reviewReplyState": "APPROVED"}), false)]
    #[case::as_before(json!({"comment": "Sorry!"}), false)]
    #[case::rejected(json!({"comment": "Sorry!", "reviewReplyState": "REJECTED"}), true)]
    #[case::violates(json!({"comment": "Sorry!", "policyViolation": "SPAM"}), true)]
    fn a_reply_that_is_rejected_is_known(#[case] told: Value, #[case] rejected: bool) {
        assert_eq!(
            answer(serde_json::from_value(told).unwrap()).hidden.is_some(),
            rejected
        );
    }
}
