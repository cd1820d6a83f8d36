//! The rows on Google Play.

use super::reviews::{Counter, NO_FOLLOW_UP, ONE_PLACE, OnReviews};
use super::{Counted, Row, Stage, TIMEOUT, Untold};
use crate::fake::google;
use crate::fake::google_play::{FakeGooglePlay, PACKAGE};
use crate::fake::reviews::Books;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::google_play::GooglePlay;
use hearback::config;
use hearback::domain::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub type OnGooglePlay = OnReviews<FakeGooglePlay>;

impl Counter for FakeGooglePlay {
    const PLATFORM: &'static str = "Google Play";
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Signature, "nothing is pushed to us"),
        (Row::Twice, "nothing is pushed to us"),
        NO_FOLLOW_UP,
        ONE_PLACE,
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::AuthorPage];

    async fn open(clock: Arc<dyn Clock>) -> Self {
        Self::start(clock).await
    }

    fn books(&self) -> &Books {
        &self.books
    }

    fn connector(&self, clock: Arc<dyn Clock>) -> Arc<dyn Connector> {
        let config = config::GooglePlay {
            name: "play".to_owned(),
            url: self.url(),
            service_account_key: google::key_file().into(),
            package_name: PACKAGE.to_owned(),
            poll: Duration::from_secs(300),
            approval: None,
        };
        Arc::new(GooglePlay::new(&config, TIMEOUT, clock).unwrap())
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 350,
            unit: "characters",
        };
        vec![
            count("ä".repeat(350), 350),
            count("ä".repeat(351), 351),
            count("👍".repeat(175), 350),
            count("👍".repeat(176), 352),
        ]
    }

    fn address(review: &str) -> String {
        let review = review.replace(':', "%3A");
        format!("https://play.google.com/store/apps/details?id={PACKAGE}&reviewId={review}")
    }

    fn odd() -> Value {
        json!({"reviewId": "gp:odd", "authorName": "odd", "comments": [{"developerComment": {"text": "?"}}]})
    }
}

rows!(tests!(OnGooglePlay));
