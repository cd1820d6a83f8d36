//! Google Play's API for reviews, from <https://developers.google.com/android-publisher/reply-to-reviews> and
//! the reference of `reviews`: the last week's reviews with words, the newest first; an answer replaces the one
//! that was there, loses its HTML tags, and has at most 350 characters. Scripted faults: `list`, `get`,
//! `reply`.

use super::google::{self, error};
use super::reviews::{Answer, Books, Review, json};
use super::server::{Line, Server};
use axum::extract::{ConnectInfo, Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::TimeDelta;
use hearback::domain::{Clock, Instant};
use serde_json::{Value, json as value};
use std::collections::HashMap;
use std::sync::Arc;
use url::Url;

pub const PACKAGE: &str = "com.example.shop";
const SCOPE: &str = "https://www.googleapis.com/auth/androidpublisher";

pub struct FakeGooglePlay {
    pub books: Arc<Books>,
    server: Server,
}

impl FakeGooglePlay {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let books = Books::new(clock, "gp:AOqpTO", error);
        let reviews = "/androidpublisher/v3/applications/{package}/reviews";
        let router = Router::new()
            .route("/token", post(token))
            .route(reviews, get(list))
            .route(&format!("{reviews}/{{id}}"), get(one).post(reply))
            .with_state(books.clone());
        let server = Server::start(router).await;
        Self { books, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }
}

type Shared = State<Arc<Books>>;
type Wire = ConnectInfo<Line>;
type Asked = Query<HashMap<String, String>>;

async fn token(State(books): Shared, Form(form): Form<HashMap<String, String>>) -> Response {
    google::desk(&books, SCOPE, &form)
}

fn time(at: Instant) -> Value {
    value!({"seconds": at.timestamp().to_string(), "nanos": at.timestamp_subsec_nanos()})
}

fn developer(answer: &Answer) -> Value {
    value!({"developerComment": {"text": answer.text, "lastModified": time(answer.at)}})
}

fn shown(review: &Review) -> Value {
    if let Some(odd) = &review.odd {
        return odd.clone();
    }
    let mut comments = vec![value!({"userComment": {
        "text": format!("\t{}", review.text), "lastModified": time(review.changed), "starRating": review.stars,
        "reviewerLanguage": "en", "device": "trltecan", "androidOsVersion": 21, "appVersionCode": 12345,
        "appVersionName": "1.2.3", "thumbsUpCount": 10, "thumbsDownCount": 3,
        "deviceMetadata": {"productName": "E5333", "manufacturer": "Sony", "deviceClass": "phone"},
    }})];
    comments.extend(review.answer.as_ref().map(developer));
    value!({"reviewId": review.id, "authorName": review.who, "comments": comments})
}

async fn list(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path(package): Path<String>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || {
        if package != PACKAGE {
            return error(404, "Package not found");
        }
        let size: usize = asked.get("maxResults").map_or(10, |size| size.parse().unwrap());
        let from: usize = asked.get("token").map_or(0, |token| token.parse().unwrap());
        let week_ago = books.clock.now() - TimeDelta::days(7);
        let world = books.world();
        let reviews: Vec<_> = world
            .newest()
            .into_iter()
            .filter(|review| review.changed > week_ago)
            .collect();
        let page: Vec<_> = reviews
            .iter()
            .skip(from)
            .take(size.min(100))
            .map(|review| shown(review))
            .collect();
        let mut told = value!({"pageInfo": {"totalResults": reviews.len()}});
        if !page.is_empty() {
            told["reviews"] = page.into();
        }
        if from + size < reviews.len() {
            told["tokenPagination"] = value!({"nextPageToken": (from + size).to_string()});
        }
        json(200, told)
    };
    books.act(("list", allowed), &line, answer).await
}

async fn one(
    State(books): Shared,
    ConnectInfo(line): Wire,
    Path((_, id)): Path<(String, String)>,
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
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let allowed = books.knows(&headers);
    let answer = || {
        let Some(id) = id.strip_suffix(":reply") else {
            return error(404, "Method not found");
        };
        let text = without_tags(body["replyText"].as_str().unwrap());
        if text.chars().count() > 350 {
            return error(400, "The reply is too long");
        }
        match books.answer(id, &text) {
            Some(answer) => {
                let result = value!({"replyText": answer.text, "lastEdited": time(answer.at)});
                json(200, value!({"result": result}))
            }
            None => error(404, "Review not found"),
        }
    };
    books.act(("reply", allowed), &line, answer).await
}

fn without_tags(text: &str) -> String {
    let mut parts = text.split('<');
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        match part.split_once('>') {
            Some((_, rest)) => out.push_str(rest),
            None => out.push_str(&format!("<{part}")),
        }
    }
    out
}
