//! The HTTP interactions endpoint: an alternative to the gateway, signed with ed25519.
//! <https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint>

use super::answer::Answers;
use crate::app::Inbound;
use crate::domain::Clock;
use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use ed25519_dalek::{Signature, VerifyingKey};
use std::sync::Arc;

/// The largest interaction.
const MOST_BODY: usize = 1024 * 1024;
/// How old, or how far ahead, a signature's time may be.
const WINDOW_SECONDS: i64 = 300;

/// What the endpoint needs.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub key: Option<VerifyingKey>,
    pub clock: Arc<dyn Clock>,
    pub answers: Answers,
    pub inbound: Inbound,
}

/// Reads the application's public key.
pub(super) fn key(text: &str) -> anyhow::Result<VerifyingKey> {
    let mend = "[discord] public_key must be the 64 hexadecimal digits of the application's General Information page";
    let bytes = hex::decode(text.trim()).context(mend)?;
    let bytes: [u8; 32] = bytes.try_into().ok().context(mend)?;
    VerifyingKey::from_bytes(&bytes).context(mend)
}

pub(super) fn routes(endpoint: Endpoint) -> Router {
    Router::new()
        .route("/discord/interactions", post(interaction))
        .with_state(endpoint)
}

async fn interaction(State(endpoint): State<Endpoint>, request: Request<Body>) -> Response {
    let Some(key) = &endpoint.key else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MOST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let now = endpoint.clock.now().timestamp();
    if !is_signed(key, &head.headers, &body, now) {
        return (StatusCode::UNAUTHORIZED, "bad signature").into_response();
    }
    let Ok(raw) = std::str::from_utf8(&body) else {
        return (StatusCode::BAD_REQUEST, "not UTF-8").into_response();
    };
    axum::Json(endpoint.answers.by_body(raw, &endpoint.inbound).await).into_response()
}

/// Whether the signature is over exactly this time and these bytes, and the time is now. A header
/// that comes twice is nobody's.
fn is_signed(key: &VerifyingKey, headers: &HeaderMap, body: &[u8], now: i64) -> bool {
    let one = |name: &str| {
        let mut all = headers.get_all(name).iter();
        let first = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(first)
    };
    let (Some(signature), Some(timestamp)) = (one("x-signature-ed25519"), one("x-signature-timestamp"))
    else {
        return false;
    };
    let recent = timestamp
        .parse::<i64>()
        .is_ok_and(|at| now.abs_diff(at) <= WINDOW_SECONDS.unsigned_abs());
    let signature = hex::decode(signature)
        .ok()
        .and_then(|bytes| Signature::from_slice(&bytes).ok());
    let Some(signature) = signature.filter(|_| recent) else {
        return false;
    };
    let mut signed = timestamp.as_bytes().to_vec();
    signed.extend_from_slice(body);
    key.verify_strict(&signed, &signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    fn signed(time: &str, body: &[u8]) -> (VerifyingKey, HeaderMap) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let signature = key.sign(&[time.as_bytes(), body].concat());
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-signature-ed25519",
            hex::encode(signature.to_bytes()).parse().unwrap(),
        );
        headers.insert("x-signature-timestamp", time.parse().unwrap());
        (key.verifying_key(), headers)
    }

    #[test]
    fn the_signature_is_over_time_and_body() {
        let (key, headers) = signed("1000", b"{}");
        assert!(is_signed(&key, &headers, b"{}", 1000));
        assert!(!is_signed(&key, &headers, b"{} ", 1000));
        let mut moved = headers.clone();
        moved.insert("x-signature-timestamp", "1001".parse().unwrap());
        assert!(!is_signed(&key, &moved, b"{}", 1000));
        let mut short = headers.clone();
        short.insert("x-signature-ed25519", "00".parse().unwrap());
        assert!(!is_signed(&key, &short, b"{}", 1000));
        let mut twice = headers.clone();
        twice.append("x-signature-timestamp", "1000".parse().unwrap());
        assert!(!is_signed(&key, &twice, b"{}", 1000));
        assert!(!is_signed(&key, &HeaderMap::new(), b"{}", 1000));
    }

    #[test]
    fn an_old_or_early_signature_is_refused() {
        let (key, headers) = signed("1000", b"{}");
        assert!(is_signed(&key, &headers, b"{}", 1300));
        assert!(!is_signed(&key, &headers, b"{}", 1301));
        assert!(is_signed(&key, &headers, b"{}", 700));
        assert!(!is_signed(&key, &headers, b"{}", 699));
    }

    #[test]
    fn a_key_that_is_none_says_where_to_find_it() {
        assert!(
            key("abc")
                .unwrap_err()
                .to_string()
                .contains("General Information")
        );
        assert!(
            key(&hex::encode(
                SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes()
            ))
            .is_ok()
        );
    }
}
