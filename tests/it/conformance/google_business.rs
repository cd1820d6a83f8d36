//! The rows on Google Business Profile.

use super::reviews::{Counter, NO_FOLLOW_UP, ONE_PLACE, OnReviews};
use super::{Counted, KNOCK, Knock, Row, Stage, TIMEOUT, Untold};
use crate::fake::google_business::{ACCOUNT, AUDIENCE, FakeGoogleBusiness, LOCATION, PUSHER, REFRESH, push};
use crate::fake::house;
use crate::fake::reviews::Books;
use crate::fake::server::Server;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::google_business::GoogleBusiness;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub type OnGoogleBusiness = OnReviews<FakeGoogleBusiness>;

/// The place at this server.
pub fn configured(server: &FakeGoogleBusiness) -> config::GoogleBusiness {
    config::GoogleBusiness {
        name: "maps".to_owned(),
        url: server.url(),
        client_id: "client".to_owned(),
        client_secret: "client-SECRET".into(),
        refresh_token: Some(REFRESH.into()),
        account_id: ACCOUNT.to_owned(),
        location_id: LOCATION.to_owned(),
        pubsub_audience: Some(AUDIENCE.to_owned()),
        pubsub_service_account: Some(PUSHER.to_owned()),
        poll: Duration::from_secs(300),
        approval: None,
    }
}

impl FakeGoogleBusiness {
    /// Pushes to a connector of ours; gives the status.
    async fn pushed(&self, inbound: &Inbound, tokens: &[String], body: String) -> u16 {
        let connector = self.connector(self.books.clock.clone());
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let mut call = hearback::adapter::http::client(std::time::Duration::from_secs(30))
            .unwrap()
            .post(server.url.join("/webhooks/maps").unwrap());
        for token in tokens {
            call = call.header("authorization", format!("Bearer {token}"));
        }
        call.body(body).send().await.unwrap().status().as_u16()
    }
}

impl Counter for FakeGoogleBusiness {
    const PLATFORM: &'static str = "Google Business";
    const CANNOT: &'static [(Row, &'static str)] = &[NO_FOLLOW_UP, ONE_PLACE];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language, Untold::AuthorPage];

    async fn open(clock: Arc<dyn Clock>) -> Self {
        Self::start(clock).await
    }

    fn books(&self) -> &Books {
        &self.books
    }

    fn connector(&self, clock: Arc<dyn Clock>) -> Arc<dyn Connector> {
        Arc::new(GoogleBusiness::new(&configured(self), TIMEOUT, clock, house::vault()).unwrap())
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 4096,
            unit: "bytes",
        };
        vec![
            count("ä".repeat(2048), 4096),
            count("ä".repeat(2049), 4098),
            count("👍".repeat(1024), 4096),
        ]
    }

    fn address(review: &str) -> String {
        format!("https://business.google.com/reviews/{review}")
    }

    fn odd() -> Value {
        json!({"reviewId": "odd", "starRating": "SEVEN", "createTime": "2026-11-26T10:00:00Z"})
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let token = self.token(&self.claims());
        assert_eq!(self.pushed(inbound, &[token], push(post)).await, 204);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let review = self.books.write("ann", KNOCK, Duration::ZERO);
        let mut claims = self.claims();
        if how == Knock::Stale {
            claims["iat"] = (claims["iat"].as_i64().unwrap() - 7200).into();
            claims["exp"] = (claims["exp"].as_i64().unwrap() - 7200).into();
        }
        let mut tokens = vec![self.token(&claims)];
        let mut body = push(&review);
        match how {
            Knock::Good | Knock::Stale => {}
            Knock::Escaped => {
                body = body
                    .replace("subscription", r"\u0073ubscription")
                    .replace("data", r"d\u0061ta")
            }
            Knock::Bad => {
                let mut other = self.claims();
                other["email"] = "other@tests.iam.gserviceaccount.com".into();
                let signature = tokens[0].rsplit_once('.').unwrap().1.to_owned();
                let told = self.token(&other).rsplit_once('.').unwrap().0.to_owned();
                tokens = vec![format!("{told}.{signature}")];
            }
            Knock::Doubled => tokens.push(tokens[0].clone()),
        }
        self.pushed(inbound, &tokens, body).await
    }
}

rows!(tests!(OnGoogleBusiness));
