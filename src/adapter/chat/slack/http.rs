//! The signed HTTP side: <https://docs.slack.dev/authentication/verifying-requests-from-slack>.
//!
//! Nothing is parsed before the signature over the raw bytes is right.

use super::Slack;
use super::hear::Verdict;
use super::translate::Kind;
use crate::app::Inbound;
use crate::domain::Instant;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use chrono::TimeDelta;
use hmac::{Hmac, Mac as _};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value};
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use subtle::ConstantTimeEq as _;

/// The most of a body that is read.
const MOST_BODY: usize = 1024 * 1024;
/// How far Slack's clock and ours may differ, in seconds.
const WINDOW: u64 = 300;
/// The pause between two warnings about requests that are doubted for the same reason.
const BETWEEN_WARNINGS: TimeDelta = TimeDelta::minutes(1);

#[derive(Clone)]
struct Context {
    slack: Arc<Slack>,
    inbound: Inbound,
}

pub(super) fn routes(slack: Arc<Slack>, inbound: Inbound) -> Router {
    Router::new()
        .route("/slack/events", post(events))
        .route("/slack/commands", post(commands))
        .route("/slack/interactions", post(interactions))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(Context { slack, inbound })
}

/// Why a request is not Slack's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Doubt {
    /// There is no signing secret: the endpoint does not exist.
    Closed,
    /// A header is missing, damaged, or there twice.
    Header,
    /// The request is too old or from the future.
    Stale,
    /// The signature is another one.
    Forged,
}

/// When the last warning about each doubt was given.
#[derive(Debug, Default)]
pub(super) struct Doubts(Mutex<HashMap<Doubt, Instant>>);

impl Doubts {
    /// Whether it is time for a warning: anybody may send such requests, and as many as they like.
    fn is_due(&self, doubt: Doubt, now: Instant) -> bool {
        let mut warned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = warned
            .get(&doubt)
            .is_none_or(|last| now - *last >= BETWEEN_WARNINGS);
        if due {
            warned.insert(doubt, now);
        }
        due
    }
}

impl Doubt {
    fn answer(self, slack: &Slack) -> Response {
        match self {
            Self::Closed => StatusCode::NOT_FOUND.into_response(),
            Self::Header | Self::Stale | Self::Forged => {
                metrics::counter!("hearback_slack_unsigned_total", "reason" => self.word()).increment(1);
                if slack.doubts.is_due(self, slack.clock.now()) {
                    tracing::warn!(
                        reason = self.word(),
                        "Requests to Slack's endpoint are not signed by Slack; said once a minute."
                    );
                }
                (
                    StatusCode::UNAUTHORIZED,
                    "The signature is missing, stale or wrong.\n",
                )
                    .into_response()
            }
        }
    }
}

impl Doubt {
    fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Header => "header",
            Self::Stale => "stale",
            Self::Forged => "forged",
        }
    }
}

fn verify(slack: &Slack, headers: &HeaderMap, body: &[u8]) -> Result<(), Doubt> {
    let secret = slack.signing_secret.as_ref().ok_or(Doubt::Closed)?;
    let given = only(headers, "x-slack-signature").ok_or(Doubt::Header)?;
    let stamp = only(headers, "x-slack-request-timestamp").ok_or(Doubt::Header)?;
    let at: i64 = stamp.parse().map_err(|_| Doubt::Header)?;
    if slack.clock.now().timestamp().abs_diff(at) > WINDOW {
        return Err(Doubt::Stale);
    }
    let expected = sign(secret.expose_secret(), stamp, body).ok_or(Doubt::Closed)?;
    if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) {
        Ok(())
    } else {
        Err(Doubt::Forged)
    }
}

/// A header that is there exactly once.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut all = headers.get_all(name).iter();
    let value = all.next()?;
    all.next().is_none().then_some(())?;
    value.to_str().ok()
}

/// `v0=` and the HMAC of `v0:TIMESTAMP:BODY`.
fn sign(secret: &str, stamp: &str, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(format!("v0:{stamp}:").as_bytes());
    mac.update(body);
    Some(format!("v0={}", hex::encode(mac.finalize().into_bytes())))
}

async fn events(State(context): State<Context>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(doubt) = verify(&context.slack, &headers, &body) {
        return doubt.answer(&context.slack);
    }
    let Ok(payload) = serde_json::from_slice::<Value>(&body) else {
        return unreadable(&context, "an event that is not JSON", &body).await;
    };
    match payload["type"].as_str() {
        Some("url_verification") => {
            let challenge = payload["challenge"].as_str().unwrap_or_default().to_owned();
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], challenge).into_response()
        }
        Some("event_callback") => hear(&context, Kind::Event, payload).await,
        Some("app_rate_limited") => {
            tracing::warn!("Slack holds back events: the app gets too many of them.");
            StatusCode::OK.into_response()
        }
        _ => unreadable(&context, "an event of an unknown type", &body).await,
    }
}

async fn commands(State(context): State<Context>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(doubt) = verify(&context.slack, &headers, &body) {
        return doubt.answer(&context.slack);
    }
    let payload = fields(&body);
    if payload["ssl_check"] == "1" {
        return StatusCode::OK.into_response();
    }
    hear(&context, Kind::Command, payload).await
}

async fn interactions(State(context): State<Context>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(doubt) = verify(&context.slack, &headers, &body) {
        return doubt.answer(&context.slack);
    }
    let payload = fields(&body);
    let payload = payload["payload"].as_str().map(serde_json::from_str::<Value>);
    match payload {
        Some(Ok(payload)) => hear(&context, Kind::Interaction, payload).await,
        Some(Err(_)) | None => unreadable(&context, "an interaction without a payload", &body).await,
    }
}

fn fields(body: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(body);
    let fields: Map<_, _> = pairs
        .map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())))
        .collect();
    Value::Object(fields)
}

async fn hear(context: &Context, kind: Kind, payload: Value) -> Response {
    let patience = context.slack.timing.answer;
    let verdict = context
        .slack
        .hear(kind, payload, &context.inbound, patience)
        .await;
    answer(verdict)
}

async fn unreadable(context: &Context, reason: &str, body: &[u8]) -> Response {
    let raw = String::from_utf8_lossy(body);
    answer(context.slack.set_aside(&context.inbound, reason, &raw).await)
}

/// An empty body closes a window; anything but JSON in it would leave it open.
fn answer(verdict: Verdict) -> Response {
    match verdict {
        Verdict::Accept(None) => StatusCode::OK.into_response(),
        Verdict::Accept(Some(payload)) => axum::Json(payload).into_response(),
        Verdict::Leave => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_slack_documents_it() {
        let body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V\
                    &channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=\
                    &response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmi\
                    bIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
        assert_eq!(
            sign("8f742231b10e8888abcd99yyyzzz85a5", "1531420618", body.as_bytes()).unwrap(),
            "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
        );
    }

    #[test]
    fn each_doubt_is_warned_of_once_a_minute() {
        let (doubts, start) = (Doubts::default(), Instant::default());
        assert!(doubts.is_due(Doubt::Stale, start));
        assert!(!doubts.is_due(Doubt::Stale, start + TimeDelta::seconds(59)));
        assert!(doubts.is_due(Doubt::Forged, start + TimeDelta::seconds(59)));
        assert!(doubts.is_due(Doubt::Stale, start + TimeDelta::seconds(60)));
    }

    #[test]
    fn a_header_that_is_there_twice_is_no_header() {
        let mut headers = HeaderMap::new();
        headers.append("x-slack-signature", "a".parse().unwrap());
        assert_eq!(only(&headers, "x-slack-signature"), Some("a"));
        headers.append("x-slack-signature", "a".parse().unwrap());
        assert_eq!(only(&headers, "x-slack-signature"), None);
    }
}
