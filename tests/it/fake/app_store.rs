//! App Store Connect's API for reviews, from <https://developer.apple.com/documentation/appstoreconnectapi>:
//! JSON:API documents, tokens signed by ES256 that count for 20 minutes at most, and one response a review,
//! which is made and replaced by the same call. Scripted faults: `list`, `get`, `reply`.

use super::reviews::{Books, Review, json};
use super::server::{Line, Server};
use axum::extract::{ConnectInfo, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use chrono::SecondsFormat;
use hearback::domain::{Clock, Instant};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, UnparsedPublicKey,
};
use serde_json::{Value, json as value};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use url::Url;

/// A key made for these tests, which opens nothing.
pub const KEY: &str = include_str!("keys/ec.pem");
pub const KEY_ID: &str = "2X9R4HXF34";
pub const ISSUER: &str = "57246542-96fe-1a63-e053-0824d011072a";
pub const APP: &str = "1234567890";

struct Inner {
    books: Arc<Books>,
    /// Tokens that were shown and taken, and those of them that count no more.
    taken: Mutex<HashSet<String>>,
    over: Mutex<HashSet<String>>,
    url: Mutex<Option<Url>>,
}

pub struct FakeAppStore {
    inner: Arc<Inner>,
    server: Server,
}

impl FakeAppStore {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let inner = Arc::new(Inner {
            books: Books::new(clock, "00000042-0000-0000-0000-0000000000", error),
            taken: Mutex::default(),
            over: Mutex::default(),
            url: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/apps/{app}/customerReviews", get(list))
            .route("/v1/customerReviews/{id}", get(one))
            .route("/v1/customerReviewResponses", post(reply))
            .with_state(inner.clone());
        let server = Server::start(router).await;
        *inner.url.lock().unwrap() = Some(server.url.clone());
        Self { inner, server }
    }

    pub fn url(&self) -> Url {
        self.server.url.clone()
    }

    pub fn books(&self) -> &Books {
        &self.inner.books
    }

    /// How many tokens were taken.
    pub fn tokens(&self) -> usize {
        self.inner.taken.lock().unwrap().len()
    }

    /// All tokens that were taken count no more.
    pub fn expire(&self) {
        let taken = self.inner.taken.lock().unwrap().clone();
        self.inner.over.lock().unwrap().extend(taken);
    }
}

fn error(status: u16, detail: &str) -> Response {
    let code = match status {
        401 => "NOT_AUTHORIZED",
        403 => "FORBIDDEN_ERROR",
        404 => "NOT_FOUND",
        409 => "ENTITY_ERROR.ATTRIBUTE.INVALID",
        429 => "RATE_LIMIT_EXCEEDED",
        _ => "UNEXPECTED_ERROR",
    };
    let error = value!({"id": "1", "status": status.to_string(), "code": code, "title": "An error.", "detail": detail});
    json(status, value!({"errors": [error]}))
}

fn pair() -> EcdsaKeyPair {
    let body: String = KEY.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = BASE64_STANDARD.decode(body).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der, &SystemRandom::new()).unwrap()
}

/// The claims of a token that the key signed.
fn claims(token: &str) -> Option<Value> {
    let (told, signature) = token.rsplit_once('.')?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let pair = pair();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    public.verify(told.as_bytes(), &signature).ok()?;
    let (head, claims) = told.split_once('.')?;
    let part = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let head = part(head)?;
    (head["alg"] == "ES256" && head["kid"] == KEY_ID)
        .then(|| part(claims))
        .flatten()
}

impl Inner {
    fn knows(&self, headers: &HeaderMap) -> bool {
        let told = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let Some(token) = told.and_then(|value| value.strip_prefix("Bearer ")) else {
            return false;
        };
        let Some(claims) = claims(token) else { return false };
        let now = self.books.clock.now().timestamp();
        let (from, to) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
        let sound =
            claims["aud"] == "appstoreconnect-v1" && claims["iss"] == ISSUER && from <= now && now < to;
        if !sound
            || to - from > 1200
            || self.books.is_locked_out()
            || self.over.lock().unwrap().contains(token)
        {
            return false;
        }
        self.taken.lock().unwrap().insert(token.to_owned());
        true
    }
}

fn time(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

fn response(review: &Review) -> Option<Value> {
    let answer = review.answer.as_ref()?;
    Some(value!({
        "type": "customerReviewResponses", "id": format!("a-{}", review.id),
        "attributes": {"responseBody": answer.text, "lastModifiedDate": time(answer.at), "state": "PENDING_PUBLISH"},
        "links": {"self": "https://api.appstoreconnect.apple.com/v1/customerReviewResponses/1"},
    }))
}

fn shown(review: &Review) -> Value {
    if let Some(odd) = &review.odd {
        return odd.clone();
    }
    let linked = response(review).map(|told| value!({"type": told["type"], "id": told["id"]}));
    value!({
        "type": "customerReviews", "id": review.id,
        "attributes": {"rating": review.stars, "title": "A title", "body": review.text,
            "reviewerNickname": review.who, "createdDate": time(review.changed), "territory": "USA"},
        "relationships": {"response": {"data": linked,
            "links": {"self": "https://api.appstoreconnect.apple.com/v1/customerReviews/1/relationships/response"}}},
    })
}

type Shared = State<Arc<Inner>>;
type Wire = ConnectInfo<Line>;
type Asked = Query<HashMap<String, String>>;

async fn list(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(app): Path<String>,
    Query(asked): Asked,
    headers: HeaderMap,
) -> Response {
    let allowed = inner.knows(&headers);
    let answer = || {
        if app != APP {
            return error(404, "There is no resource of type 'apps' with that id");
        }
        assert_eq!(asked.get("sort").map(String::as_str), Some("-createdDate"));
        let size: usize = asked.get("limit").map_or(20, |size| size.parse().unwrap());
        if size > 200 {
            return error(400, "A parameter has an invalid value");
        }
        let from: usize = asked.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let world = inner.books.world();
        let newest = world.newest();
        let page: Vec<_> = newest.iter().skip(from).take(size).collect();
        let included: Vec<_> = page.iter().filter_map(|review| response(review)).collect();
        let data: Vec<_> = page.iter().map(|review| shown(review)).collect();
        let mut links = value!({"self": "https://api.appstoreconnect.apple.com/v1/apps/1/customerReviews"});
        if from + size < newest.len() {
            links["next"] = format!(
                "{}?cursor={}&limit={size}",
                links["self"].as_str().unwrap(),
                from + size
            )
            .into();
        }
        let mut told = json(
            200,
            value!({"data": data, "included": included, "links": links,
            "meta": {"paging": {"total": newest.len(), "limit": size}}}),
        );
        let quota = "user-hour-lim:3500;user-hour-rem:3490;".parse().unwrap();
        told.headers_mut().insert("x-rate-limit", quota);
        told
    };
    inner.books.act(("list", allowed), &line, answer).await
}

async fn one(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let allowed = inner.knows(&headers);
    let answer = || match inner.books.world().find(&id) {
        Some(review) => {
            let included: Vec<_> = response(review).into_iter().collect();
            json(
                200,
                value!({"data": shown(review), "included": included, "links": {}}),
            )
        }
        None => error(404, "There is no resource of type 'customerReviews' with that id"),
    };
    inner.books.act(("get", allowed), &line, answer).await
}

async fn reply(
    State(inner): Shared,
    ConnectInfo(line): Wire,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let allowed = inner.knows(&headers);
    let answer = || {
        let data = &body["data"];
        let review = &data["relationships"]["review"]["data"];
        assert_eq!(
            (&data["type"], &review["type"]),
            (&"customerReviewResponses".into(), &"customerReviews".into())
        );
        let text = data["attributes"]["responseBody"].as_str().unwrap();
        if text.chars().count() > 5970 {
            return error(409, "The response is too long");
        }
        let id = review["id"].as_str().unwrap();
        if inner.books.answer(id, text).is_none() {
            return error(404, "There is no resource of type 'customerReviews' with that id");
        }
        let told = response(inner.books.world().find(id).unwrap());
        json(201, value!({"data": told, "links": {}}))
    };
    inner.books.act(("reply", allowed), &line, answer).await
}
