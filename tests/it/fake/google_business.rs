//! Google Business Profile's API for reviews, from
//! <https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews>: the last changed
//! first, a reply that a PUT writes over whatever stands there and that Google looks over afterwards, tokens for
//! a refresh token, and pushes of Pub/Sub with a signed token
//! (<https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions>). Scripted faults: `list`,
//! `get`, `reply`.

use super::google::{error, public, sign};
use super::reviews::{Answer, Books, Review, json};
use super::server::{Line, Server};
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::SecondsFormat;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json as value};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

pub const ACCOUNT: &str = "111";
pub const LOCATION: &str = "222";
pub const REFRESH: &str = "refresh-SECRET";
pub const AUDIENCE: &str = "https://care.example.com/webhooks/maps";
pub const PUSHER: &str = "pusher@tests.iam.gserviceaccount.com";

pub struct FakeGoogleBusiness {
    pub books: Arc<Books>,
    server: Server,
}

impl FakeGoogleBusiness {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let books = Books::new(clock, "AbFvOqk", error);
        let reviews = "/v4/accounts/{account}/locations/{location}/reviews";
        let router = Router::new()
            .route("/token", post(token))
            .route("/oauth2/v3/certs", get(keys))
            .route(reviews, get(list))
            .route(&format!("{reviews}/{{id}}"), get(one))
            .route(&format!("{reviews}/{{id}}/reply"), put(reply))
            .with_state(books.clone());
        let server = Server::start(router).await;
        Self { books, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    /// The claims of the token that Pub/Sub shows now.
    pub fn claims(&self) -> Value {
        let now = self.books.clock.now().timestamp();
        value!({
            "aud": AUDIENCE, "azp": "113774264463038321964", "email": PUSHER, "sub": "113774264463038321964",
            "email_verified": true, "iat": now, "exp": now + 3600, "iss": "https://accounts.google.com",
        })
    }

    /// The token with these claims.
    pub fn token(&self, claims: &Value) -> String {
        sign(claims)
    }
}

/// The body of a push about a review.
pub fn push(review: &str) -> String {
    let name = format!("accounts/{ACCOUNT}/locations/{LOCATION}/reviews/{review}");
    let data = value!({"notificationType": "NEW_REVIEW", "reviewName": name});
    let data = BASE64_STANDARD.encode(data.to_string());
    value!({
        "message": {"data": data, "messageId": "2070443601311540", "publishTime": "2026-11-26T19:13:55.749Z"},
        "subscription": "projects/tests/subscriptions/reviews",
    })
    .to_string()
}

type Shared = State<Arc<Books>>;
type Wire = ConnectInfo<Line>;
type Asked = Query<HashMap<String, String>>;

async fn token(State(books): Shared, Form(form): Form<HashMap<String, String>>) -> Response {
    let field = |name: &str| form.get(name).map(String::as_str);
    let refused = json(
        400,
        value!({"error": "invalid_grant", "error_description": "Token has been expired or revoked."}),
    );
    if field("grant_type") != Some("refresh_token") || field("client_id") != Some("client") {
        return json(400, value!({"error": "invalid_request"}));
    }
    match books
        .sign_in()
        .filter(|_| field("refresh_token") == Some(REFRESH))
    {
        Some(token) => json(
            200,
            value!({"access_token": token, "expires_in": 3599, "scope": "https://www.googleapis.com/auth/business.manage",
                "token_type": "Bearer"}),
        ),
        None => refused,
    }
}

async fn keys() -> Json<Value> {
    Json(value!({"keys": [public()]}))
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn replied(answer: &Answer) -> Value {
    let state = answer.state.as_deref().unwrap_or("PENDING");
    value!({"comment": answer.text, "updateTime": time(answer.at), "reviewReplyState": state})
}

fn shown(review: &Review) -> Value {
    if let Some(odd) = &review.odd {
        return odd.clone();
    }
    let stars = ["ONE", "TWO", "THREE", "FOUR", "FIVE"][usize::try_from(review.stars).unwrap() - 1];
    let name = format!("accounts/{ACCOUNT}/locations/{LOCATION}/reviews/{}", review.id);
    let mut told = value!({
        "name": name, "reviewId": review.id, "starRating": stars, "comment": review.text,
        "reviewer": {"displayName": review.who, "profilePhotoUrl": "https://lh3.googleusercontent.com/a"},
        "createTime": time(review.written), "updateTime": time(review.changed),
        "reviewReplyUrl": format!("https://business.google.com/reviews/{}", review.id),
    });
    if let Some(answer) = &review.answer {
        told["reviewReply"] = replied(answer);
    }
    told
}

async fn list(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path((_, location)): Path<(String, String)>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || {
        if location != LOCATION {
            return error(403, "The caller does not have permission");
        }
        assert_eq!(asked.get("orderBy").map(String::as_str), Some("updateTime desc"));
        let size: usize = asked.get("pageSize").map_or(50, |size| size.parse().unwrap());
        if size > 50 {
            return error(400, "Request contains an invalid argument.");
        }
        let from: usize = asked.get("pageToken").map_or(0, |token| token.parse().unwrap());
        let world = books.world();
        let newest = world.newest();
        let page: Vec<_> = newest
            .iter()
            .skip(from)
            .take(size)
            .map(|review| shown(review))
            .collect();
        let mut told = value!({"averageRating": 2.0, "totalReviewCount": newest.len()});
        if !page.is_empty() {
            told["reviews"] = page.into();
        }
        if from + size < newest.len() {
            told["nextPageToken"] = (from + size).to_string().into();
        }
        json(200, told)
    };
    books.act(("list", allowed), &line, answer).await
}

async fn one(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path((_, _, id)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || match books.world().find(&id) {
        Some(review) => json(200, shown(review)),
        None => error(404, "Requested entity was not found."),
    };
    books.act(("get", allowed), &line, answer).await
}

async fn reply(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path((_, _, id)): Path<(String, String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || {
        let text = body["comment"].as_str().unwrap();
        if text.len() > 4096 {
            return error(400, "Request contains an invalid argument.");
        }
        match books.answer(&id, text) {
            Some(answer) => json(200, replied(&answer)),
            None => error(404, "Requested entity was not found."),
        }
    };
    books.act(("reply", allowed), &line, answer).await
}
