//! What the networks that come to us share: reading a request's body with a limit, a header that must be
//! there once, what is said when a request is not believed, and signatures with HMAC-SHA256.

use crate::domain::SourceName;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The most bytes of a request.
pub const MOST_BODY: usize = 1024 * 1024;
/// The most bytes that are read of a request that is too large.
const MOST_DISCARDED: usize = 4 * MOST_BODY;
/// How long that may take.
const DISCARDING: Duration = Duration::from_secs(2);
/// How long a request's body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);
/// After how many seconds to come again when nothing could be stored.
pub const COME_AGAIN: &str = "5";

/// Why a request was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// Its body is larger than [`MOST_BODY`].
    TooLarge,
    /// Its body did not arrive in time.
    TooSlow,
    /// Its body broke off.
    Broken,
    /// It is not signed as it must be: why, without what helps to forge one.
    Unproven(String),
    /// Nothing could be stored: it has to come again.
    Unavailable(String),
}

impl Rejected {
    /// The answer. Strangers can send as much as they like: the log hears of it once in a row, which
    /// `complained` remembers.
    #[must_use]
    pub fn answer(self, source: &SourceName, complained: &AtomicBool) -> Response {
        match self {
            Self::TooLarge => tell(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is larger than {MOST_BODY} bytes"),
            ),
            Self::TooSlow => tell(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive within ten seconds",
            ),
            Self::Broken => tell(StatusCode::BAD_REQUEST, "the body broke off"),
            Self::Unproven(reason) => {
                if !complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%source, reason, "A webhook was not believed.");
                }
                metrics::counter!("hearback_webhook_unproven_total", "source" => source.to_string())
                    .increment(1);
                tell(StatusCode::UNAUTHORIZED, &reason)
            }
            Self::Unavailable(reason) => {
                // The desk says once that it cannot write; not once for each request.
                tracing::debug!(%source, reason, "A webhook could not be stored.");
                let mut answer = tell(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "nothing was stored: send it again",
                );
                let later = HeaderValue::from_static(COME_AGAIN);
                answer.headers_mut().insert(header::RETRY_AFTER, later);
                answer
            }
        }
    }
}

/// An answer in words.
#[must_use]
pub fn tell(status: StatusCode, error: &str) -> Response {
    (status, Json(serde_json::json!({"error": error}))).into_response()
}

/// Reads a request's body.
///
/// # Errors
/// It is too large, too slow, or breaks off.
pub async fn collect(headers: &HeaderMap, body: Body) -> Result<Bytes, Rejected> {
    let told = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let told = told.unwrap_or_default();
    if told > MOST_DISCARDED {
        return Err(Rejected::TooLarge);
    }
    let patience = if told > MOST_BODY { DISCARDING } else { SLOWEST };
    match tokio::time::timeout(patience, read(body, told)).await {
        Err(_) if told > MOST_BODY => Err(Rejected::TooLarge),
        Err(_) => Err(Rejected::TooSlow),
        Ok(collected) => collected,
    }
}

/// Reads the body. One that is too large is read on for a while and thrown away: many a client writes
/// all of it before it reads, and would find a broken connection in place of the answer.
async fn read(body: Body, told: usize) -> Result<Bytes, Rejected> {
    let mut pieces = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Rejected::Broken)?;
        length = length.saturating_add(piece.len());
        if length > MOST_DISCARDED {
            break;
        }
        if length.max(told) <= MOST_BODY {
            kept.extend_from_slice(&piece);
        }
    }
    if length.max(told) > MOST_BODY {
        return Err(Rejected::TooLarge);
    }
    Ok(kept.into())
}

/// A header that may be there once; `None`: it is not there.
///
/// # Errors
/// It is there twice, or is no text.
pub fn once<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Rejected> {
    let mut all = headers.get_all(name).iter();
    let first = all.next();
    let sound = first.map(HeaderValue::to_str).transpose();
    match (sound, all.next()) {
        (Ok(value), None) => Ok(value),
        (Ok(_) | Err(_), _) => Err(Rejected::Unproven(format!(
            "the header {name} must be there once"
        ))),
    }
}

/// An HMAC-SHA256 that is being made, with the bytes of a secret's text as its key.
///
/// # Errors
/// The secret cannot be a key.
pub fn mac(secret: &SecretString) -> anyhow::Result<Hmac<Sha256>> {
    Hmac::new_from_slice(secret.expose_secret().as_bytes())
        .map_err(|_| anyhow::anyhow!("the secret cannot be a key of HMAC-SHA256"))
}

/// The HMAC of these parts, one after another.
#[must_use]
pub fn sign(mac: &Hmac<Sha256>, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = mac.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Whether a signature is that of these parts; compared in constant time.
#[must_use]
pub fn is_signed(mac: &Hmac<Sha256>, parts: &[&[u8]], signature: &[u8]) -> bool {
    let mut mac = mac.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_there_once() {
        let mut headers = HeaderMap::new();
        assert_eq!(once(&headers, "x-sign"), Ok(None));
        headers.append("x-sign", "a".parse().unwrap());
        assert_eq!(once(&headers, "x-sign"), Ok(Some("a")));
        headers.append("x-sign", "a".parse().unwrap());
        assert!(once(&headers, "x-sign").is_err());
    }

    #[test]
    fn a_signature_fits_its_parts_alone() {
        let mac = mac(&SecretString::from("key")).unwrap();
        // Test case of RFC 4231's authors, by many hands: HMAC_SHA256("key", "The quick brown fox …").
        let known = "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8";
        let parts: [&[u8]; 2] = [b"The quick brown fox ", b"jumps over the lazy dog"];
        assert_eq!(hex::encode(sign(&mac, &parts)), known);
        assert!(is_signed(&mac, &parts, &hex::decode(known).unwrap()));
        assert!(!is_signed(&mac, &parts[..1], &hex::decode(known).unwrap()));
    }
}
