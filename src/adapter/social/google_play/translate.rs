//! A review of the API as a review.

use super::wire;
use crate::adapter::reviews::{Answer, Review, stars_without_words};
use crate::domain::{Author, Instant, Metrics, NativeId, Post, PostKind, SourceName, Visibility};
use chrono::{DateTime, SubsecRound as _};
use serde::de::Error as _;
use url::Url;

/// Where people see an app.
const PAGE: &str = "https://play.google.com/store/apps/details";
/// What the store calls an author who tells no name.
const NOBODY: &str = "A Google user";

pub fn review(source: &SourceName, package: &str, review: wire::Review) -> Result<Review, serde_json::Error> {
    let (mut said, mut answered) = (None, None);
    for comment in review.comments {
        said = said.or(comment.user_comment);
        answered = answered.or(comment.developer_comment);
    }
    let said = said.ok_or_else(|| serde_json::Error::custom("a review without userComment"))?;
    let changed =
        moment(&said.last_modified).ok_or_else(|| serde_json::Error::custom("lastModified is no moment"))?;
    let id = NativeId::new(&review.review_id);
    let name = match review.author_name.trim() {
        "" => NOBODY.to_owned(),
        name => name.replace('\0', "\u{FFFD}"),
    };
    // Older reviews have a title, with a tab behind it.
    let text = stars_without_words(&said.text.trim().replace('\t', "\n"));
    let post = Post {
        source: source.clone(),
        id: id.clone(),
        conversation: id.clone(),
        in_reply_to: None,
        kind: PostKind::Review,
        visibility: Visibility::Public,
        url: address(package, &review.review_id),
        author: Author {
            id,
            handle: name.clone(),
            name,
            followers: None,
            url: None,
        },
        text,
        created_at: changed,
        edited_at: None,
        deleted: false,
        lang: said.reviewer_language.map(|lang| lang.replace('_', "-")),
        media: Vec::new(),
        metrics: Metrics {
            likes: said.thumbs_up_count,
            shares: 0,
            views: 0,
        },
        rating: said.star_rating,
    };
    Ok(Review {
        post,
        changed,
        answer: answered.map(|told| answer(told.text, told.last_modified)),
    })
}

pub fn answer(text: String, at: Option<wire::Timestamp>) -> Answer {
    Answer {
        text,
        at: at.as_ref().and_then(moment),
        hidden: None,
    }
}

fn moment(told: &wire::Timestamp) -> Option<Instant> {
    let seconds = match &told.seconds {
        wire::Seconds::Number(seconds) => *seconds,
        wire::Seconds::Text(text) => text.parse().ok()?,
    };
    Some(DateTime::from_timestamp(seconds, told.nanos)?.trunc_subsecs(6))
}

fn address(package: &str, review: &str) -> Option<String> {
    let url = Url::parse_with_params(PAGE, [("id", package), ("reviewId", review)]);
    url.ok().map(Into::into)
}

/// Whether something in a text looks like an HTML tag.
pub fn has_tag(text: &str) -> bool {
    text.match_indices('<').any(|(at, _)| {
        let rest = &text[at + 1..];
        let begins = rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!'));
        begins && rest.contains('>')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    #[rstest]
    #[case("use <b>this</b>", true)]
    #[case("a < b and c > d", false)]
    #[case("I <3 this", false)]
    #[case("<!-- x -->", true)]
    fn a_tag_is_seen(#[case] text: &str, #[case] is: bool) {
        assert_eq!(has_tag(text), is);
    }

    #[test]
    fn a_review_of_the_documentation_is_understood() {
        let told = json!({
            "reviewId": "12345678", "authorName": "Jane Bloggs",
            "comments": [
                {"userComment": {"text": "Title\tThe best app ever!", "lastModified": {"seconds": "1443676826",
                    "nanos": 713000000}, "starRating": 5, "reviewerLanguage": "pt_BR", "thumbsUpCount": 3}},
                {"developerComment": {"text": "Thanks!", "lastModified": {"seconds": "1443676900"}}},
            ],
        });
        let told = serde_json::from_value(told).unwrap();
        let review = review(&SourceName::new("play"), "com.example.shop", told).unwrap();
        assert_eq!(review.post.text, "Title\nThe best app ever!");
        assert_eq!(review.post.created_at.timestamp_millis(), 1_443_676_826_713);
        assert_eq!(review.post.lang.as_deref(), Some("pt-BR"));
        assert_eq!((review.post.rating, review.post.metrics.likes), (Some(5), 3));
        assert_eq!(
            review.post.url.as_deref(),
            Some("https://play.google.com/store/apps/details?id=com.example.shop&reviewId=12345678")
        );
        assert_eq!(review.answer.unwrap().text, "Thanks!");
    }
}
