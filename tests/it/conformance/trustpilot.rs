//! The rows on Trustpilot.

use super::reviews::{Counter, NO_FOLLOW_UP, ONE_PLACE, OnReviews};
use super::{Counted, Row, Stage, TIMEOUT, Untold};
use crate::fake::reviews::Books;
use crate::fake::server::Server;
use crate::fake::trustpilot::{API_SECRET, FakeTrustpilot, KEY, UNIT, USER, WEBHOOK_SECRET, notify};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::trustpilot::Trustpilot;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub type OnTrustpilot = OnReviews<FakeTrustpilot>;

/// The business at this server.
pub fn configured(server: &FakeTrustpilot) -> config::Trustpilot {
    config::Trustpilot {
        name: "trust".to_owned(),
        url: server.url(),
        api_key: KEY.to_owned(),
        api_secret: API_SECRET.into(),
        business_unit_id: UNIT.to_owned(),
        business_user_id: USER.to_owned(),
        webhook_secret: Some(WEBHOOK_SECRET.into()),
        poll: Duration::from_secs(300),
        approval: None,
    }
}

impl Counter for FakeTrustpilot {
    const PLATFORM: &'static str = "Trustpilot";
    const CANNOT: &'static [(Row, &'static str)] = &[
        (
            Row::Signature,
            "nothing is signed: a secret stands in the address, and a notice is only a reason to look",
        ),
        NO_FOLLOW_UP,
        ONE_PLACE,
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Followers];

    async fn open(clock: Arc<dyn Clock>) -> Self {
        Self::start(clock).await
    }

    fn books(&self) -> &Books {
        &self.books
    }

    fn connector(&self, clock: Arc<dyn Clock>) -> Arc<dyn Connector> {
        Arc::new(Trustpilot::new(&configured(self), TIMEOUT, clock).unwrap())
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 10_000,
            unit: "characters",
        };
        vec![
            count("ä".repeat(10_000), 10_000),
            count("ä".repeat(10_001), 10_001),
        ]
    }

    fn address(review: &str) -> String {
        format!("https://www.trustpilot.com/reviews/{review}")
    }

    fn odd() -> Value {
        json!({"id": "odd", "stars": "many", "createdAt": "yesterday"})
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let connector = self.connector(self.books.clock.clone());
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let to = server
            .url
            .join(&format!("/webhooks/trust?secret={WEBHOOK_SECRET}"))
            .unwrap();
        assert_eq!(notify(&to, "service-review-created", post, "?").await, 204);
    }
}

rows!(tests!(OnTrustpilot));
