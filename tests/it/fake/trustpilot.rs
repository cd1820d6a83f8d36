//! Trustpilot's API for service reviews, from <https://developers.trustpilot.com/business-units-api> and
//! <https://developers.trustpilot.com/service-reviews-api>: tokens for a key and its secret, the newest reviews
//! first by when they were written, a reply whose call answers nothing that is documented, and notices that
//! nobody signs. Scripted faults: `list`, `get`, `reply`.

use super::reviews::{Books, Review, json};
use super::server::{Line, Server};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::SecondsFormat;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json as value};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

pub const KEY: &str = "tp-key";
pub const API_SECRET: &str = "tp-api-SECRET";
pub const UNIT: &str = "46d6a890ffa235a75b00021d";
pub const USER: &str = "507f191e810c19729de860ea";
pub const WEBHOOK_SECRET: &str = "0123456789abcdef0123456789SECRET";

pub struct FakeTrustpilot {
    pub books: Arc<Books>,
    server: Server,
}

impl FakeTrustpilot {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let books = Books::new(clock, "53bffd3600006400029753", error);
        let router = Router::new()
            .route(
                "/v1/oauth/oauth-business-users-for-applications/accesstoken",
                post(token),
            )
            .route("/v1/private/business-units/{unit}/reviews", get(list))
            .route("/v1/private/reviews/{id}", get(one))
            .route("/v1/private/reviews/{id}/reply", post(reply))
            .with_state(books.clone());
        let server = Server::start(router).await;
        Self { books, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }
}

/// What Trustpilot tells of a review, at an address of ours; gives the status.
pub async fn notify(to: &Url, event: &str, review: &str, text: &str) -> u16 {
    let data = value!({
        "id": review, "language": "en", "title": "A title", "text": text, "stars": 1,
        "createdAt": "2017-05-20T09:34:44.000Z", "isVerified": true,
        "consumer": {"id": "c", "name": "Customer", "link": "https://api.trustpilot.com/v1/consumers/c"},
    });
    let body = value!({"events": [{"eventName": event, "version": "1", "eventData": data}]});
    let call = hearback::adapter::http::client(std::time::Duration::from_secs(30))
        .unwrap()
        .post(to.clone())
        .json(&body);
    call.send().await.unwrap().status().as_u16()
}

fn error(status: u16, message: &str) -> Response {
    json(
        status,
        value!({"message": message, "errorCode": status, "details": message}),
    )
}

type Shared = State<Arc<Books>>;
type Wire = ConnectInfo<Line>;
type Asked = Query<HashMap<String, String>>;

async fn token(State(books): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let told = headers.get(header::AUTHORIZATION).unwrap().to_str().unwrap();
    let known = format!("Basic {}", BASE64_STANDARD.encode(format!("{KEY}:{API_SECRET}")));
    if &body[..] != b"grant_type=client_credentials" {
        return json(400, value!({"error": "unsupported_grant_type"}));
    }
    match books.sign_in().filter(|_| told == known) {
        Some(token) => json(200, value!({"access_token": token, "expires_in": "359999"})),
        None => json(
            401,
            value!({"fault": {"faultstring": "Invalid client", "detail": {"errorcode": "x"}}}),
        ),
    }
}

/// The list is in the order in which reviews were written.
fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn shown(review: &Review) -> Value {
    if let Some(odd) = &review.odd {
        return odd.clone();
    }
    let reply = review.answer.as_ref();
    let reply =
        reply.map(|answer| value!({"text": answer.text, "createdAt": time(answer.at), "updatedAt": null}));
    value!({
        "id": review.id, "stars": review.stars, "title": review.text, "text": review.text, "language": "en",
        "createdAt": time(review.written), "updatedAt": (review.changed > review.written).then(|| time(review.changed)),
        "consumer": {"id": format!("c-{}", review.who), "displayName": review.who, "displayLocation": "Aarhus",
            "numberOfReviews": 1},
        "businessUnit": {"id": UNIT, "displayName": "Shop"}, "companyReply": reply, "status": "active",
        "numberOfLikes": 1, "isVerified": true, "reportData": null, "tags": [],
    })
}

async fn list(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path(unit): Path<String>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || {
        if unit != UNIT {
            return error(403, "Access to this business unit is denied");
        }
        let number = |name: &str, usual: usize| asked.get(name).map_or(usual, |told| told.parse().unwrap());
        let (size, page) = (number("perPage", 20), number("page", 1));
        if size > 100 {
            return error(400, "perPage must be between 1 and 100");
        }
        let world = books.world();
        let mut reviews: Vec<_> = world.reviews.iter().rev().collect();
        reviews.sort_by_key(|review| std::cmp::Reverse(review.written));
        let reviews: Vec<_> = reviews
            .iter()
            .skip((page - 1) * size)
            .take(size)
            .map(|review| shown(review))
            .collect();
        json(200, value!({"reviews": reviews, "links": []}))
    };
    books.act(("list", allowed), &line, answer).await
}

async fn one(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || match books.world().find(&id) {
        Some(review) => json(200, shown(review)),
        None => error(404, "Review not found"),
    };
    books.act(("get", allowed), &line, answer).await
}

async fn reply(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path(id): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || {
        assert_eq!(body["authorBusinessUserId"], USER);
        match books.answer(&id, body["message"].as_str().unwrap()) {
            Some(_) => StatusCode::CREATED.into_response(),
            None => error(404, "Review not found"),
        }
    };
    books.act(("reply", allowed), &line, answer).await
}
