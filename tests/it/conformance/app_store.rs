//! The rows on the App Store.

use super::reviews::{Counter, NO_FOLLOW_UP, ONE_PLACE, OnReviews};
use super::{Counted, Row, Stage, TIMEOUT, Untold};
use crate::fake::app_store::{APP, FakeAppStore, ISSUER, KEY, KEY_ID};
use crate::fake::reviews::Books;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::app_store::AppStore;
use hearback::config;
use hearback::domain::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub type OnAppStore = OnReviews<FakeAppStore>;

impl Counter for FakeAppStore {
    const PLATFORM: &'static str = "App Store";
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Signature, "nothing is pushed to us"),
        (Row::Twice, "nothing is pushed to us"),
        NO_FOLLOW_UP,
        ONE_PLACE,
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language, Untold::AuthorPage];

    async fn open(clock: Arc<dyn Clock>) -> Self {
        Self::start(clock).await
    }

    fn books(&self) -> &Books {
        self.books()
    }

    fn connector(&self, clock: Arc<dyn Clock>) -> Arc<dyn Connector> {
        let config = config::AppStore {
            name: "ios".to_owned(),
            url: self.url(),
            issuer_id: Some(ISSUER.to_owned()),
            key_id: KEY_ID.to_owned(),
            private_key: KEY.into(),
            app_id: APP.to_owned(),
            poll: Duration::from_secs(300),
            approval: None,
        };
        Arc::new(AppStore::new(&config, TIMEOUT, clock).unwrap())
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 5970,
            unit: "characters",
        };
        vec![
            count("ä".repeat(5970), 5970),
            count("ä".repeat(5971), 5971),
            count("👍".repeat(2986), 5972),
        ]
    }

    fn address(_: &str) -> String {
        format!("https://apps.apple.com/app/id{APP}?see-all=reviews")
    }

    fn odd() -> Value {
        json!({"type": "customerReviews", "id": "odd", "attributes": {"rating": "many"}})
    }

    /// Tokens are signed by ourselves.
    fn signed_in(&self) -> usize {
        self.tokens()
    }

    fn expires(&self) {
        self.expire();
    }
}

rows!(tests!(OnAppStore));
