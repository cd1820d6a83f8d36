//! What the networks that come to us share: a request read with a limit, a header that must be there once, what is
//! said when a request is not believed, and signatures with HMAC-SHA256.

use super::api::Failed;
use super::trouble::Halt;
use crate::app::Unavailable;
use crate::domain::SourceName;
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use hmac::{Hmac, Mac as _};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The most bytes of a request, where a network does not send more.
pub const MOST_BODY: usize = 1024 * 1024;
/// The most bytes that are read of any request: the server lets no more pass.
const MOST_READ: usize = 4 * MOST_BODY;
/// How long reading what is thrown away may take.
const DISCARDING: Duration = Duration::from_secs(2);
/// How long a request's body may take to arrive.
const SLOWEST: Duration = Duration::from_secs(10);
/// The most bytes of what a network asks with.
const MOST_CHALLENGE: usize = 256;
/// After how many seconds to come again when nothing could be stored.
const COME_AGAIN: &str = "5";

/// Why a request was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// Its body is larger than so many bytes.
    TooLarge(usize),
    /// Its body did not arrive in time.
    TooSlow,
    /// Its body broke off.
    Broken,
    /// It is not signed as it must be: why, without what helps to forge one.
    Unproven(String),
    /// It is not what the network's documentation describes.
    Malformed(String),
    /// Nothing could be stored: it has to come again.
    Unavailable(String),
}

impl Rejected {
    /// Not signed as it must be.
    #[must_use]
    pub fn unproven(why: impl Into<String>) -> Self {
        Self::Unproven(why.into())
    }
}

impl From<Unavailable> for Rejected {
    fn from(error: Unavailable) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Failed> for Rejected {
    fn from(error: Failed) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<Halt> for Rejected {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Network(error) => error.into(),
            Halt::Store(error) => error.into(),
        }
    }
}

/// A request as it came.
#[derive(Debug)]
pub struct Notice {
    /// Its headers.
    pub headers: HeaderMap,
    /// What stands behind the question mark of its address.
    pub query: String,
    /// Its body, to the byte.
    pub body: Bytes,
}

/// Where a source's network comes in.
#[derive(Debug)]
pub struct Gate {
    source: SourceName,
    most: usize,
    /// Whether the log was told already that something was not believed.
    complained: AtomicBool,
}

impl Gate {
    /// The gate of a source, for requests of [`MOST_BODY`].
    #[must_use]
    pub fn new(source: &SourceName) -> Self {
        Self {
            source: source.clone(),
            most: MOST_BODY,
            complained: AtomicBool::new(false),
        }
    }

    /// The same for larger requests, of at most 4 MiB: the server lets no more pass.
    #[must_use]
    pub fn holding(self, most: usize) -> Self {
        Self {
            most: most.min(MOST_READ),
            ..self
        }
    }

    /// Its address.
    #[must_use]
    pub fn path(&self) -> String {
        format!("/webhooks/{}", self.source)
    }

    /// Reads a request, has it proven and taken in by `take`, and answers.
    pub async fn pass<R, F>(&self, request: Request, take: impl FnOnce(Notice) -> F) -> Response
    where
        R: IntoResponse,
        F: Future<Output = Result<R, Rejected>>,
    {
        let (head, body) = request.into_parts();
        let collected = collect(&head.headers, body, self.most).await;
        let taken = match collected {
            Ok(body) => {
                take(Notice {
                    query: head.uri.query().unwrap_or_default().to_owned(),
                    headers: head.headers,
                    body,
                })
                .await
            }
            Err(rejected) => return self.answer(rejected),
        };
        match taken {
            Err(rejected @ Rejected::Unproven(_)) => self.answer(rejected),
            taken => {
                self.complained.store(false, Ordering::Relaxed);
                taken.map_or_else(|rejected| self.answer(rejected), IntoResponse::into_response)
            }
        }
    }

    /// What is said instead. Strangers can send as much as they like: the log hears of it once in a row.
    fn answer(&self, rejected: Rejected) -> Response {
        let source = &self.source;
        match rejected {
            Rejected::TooLarge(most) => tell(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("the body is larger than {most} bytes"),
            ),
            Rejected::TooSlow => tell(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive within ten seconds",
            ),
            Rejected::Broken => tell(StatusCode::BAD_REQUEST, "the body broke off"),
            Rejected::Malformed(why) => tell(StatusCode::BAD_REQUEST, &why),
            Rejected::Unproven(reason) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%source, reason, "A webhook was not believed.");
                }
                metrics::counter!("hearback_webhook_unproven_total", "source" => source.to_string())
                    .increment(1);
                tell(StatusCode::UNAUTHORIZED, &reason)
            }
            Rejected::Unavailable(reason) => {
                // The desk says once that it cannot write; not once for each request.
                tracing::debug!(%source, reason, "A webhook could not be taken in.");
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
async fn collect(headers: &HeaderMap, body: Body, most: usize) -> Result<Bytes, Rejected> {
    let told = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let told = told.unwrap_or_default();
    if told > MOST_READ {
        return Err(Rejected::TooLarge(most));
    }
    let patience = if told > most { DISCARDING } else { SLOWEST };
    match tokio::time::timeout(patience, read(body, told, most)).await {
        Err(_) if told > most => Err(Rejected::TooLarge(most)),
        Err(_) => Err(Rejected::TooSlow),
        Ok(collected) => collected,
    }
}

/// Reads the body. One that is too large is read on for a while and thrown away: many a client writes
/// all of it before it reads, and would find a broken connection in place of the answer.
async fn read(body: Body, told: usize, most: usize) -> Result<Bytes, Rejected> {
    let mut pieces = body.into_data_stream();
    let (mut kept, mut length) = (Vec::new(), 0_usize);
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| Rejected::Broken)?;
        length = length.saturating_add(piece.len());
        if length > MOST_READ {
            break;
        }
        if length.max(told) <= most {
            kept.extend_from_slice(&piece);
        }
    }
    if length.max(told) > most {
        return Err(Rejected::TooLarge(most));
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

/// Whether a header holds `sha256=` and the HMAC of the body, in hexadecimal: the form of GitHub, Meta and others.
///
/// # Errors
/// It does not: why, and with the `mend` where the secret seems to be another one.
pub fn verify_hex(mac: &Hmac<Sha256>, notice: &Notice, name: &str, mend: &str) -> Result<(), Rejected> {
    let told = once(&notice.headers, name)?;
    let told = told.ok_or_else(|| Rejected::Unproven(format!("the header {name} is missing: {mend}")))?;
    let given = told.strip_prefix("sha256=").and_then(|hex| hex::decode(hex).ok());
    let given = given
        .ok_or_else(|| Rejected::Unproven(format!("{name} must be `sha256=` and hexadecimal digits")))?;
    if is_signed(mac, &[&notice.body], &given) {
        return Ok(());
    }
    Err(Rejected::Unproven(format!("{name} does not fit: {mend}")))
}

/// The answer to a network that asks, before it sends, whether we know the secret: the HMAC of what it asks with.
/// Whoever asks gets it, and requests are signed with the same secret, so what could be a request is not signed:
/// `None`. See [`object`].
#[must_use]
pub fn challenged(mac: &Hmac<Sha256>, challenge: &str) -> Option<Vec<u8>> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let sound = (1..=MOST_CHALLENGE).contains(&challenge.len()) && challenge.bytes().all(plain);
    sound.then(|| sign(mac, &[challenge.as_bytes()]))
}

/// The body as text, if it begins as a JSON object does, which nothing that [`challenged`] signs can.
///
/// # Errors
/// It does not.
pub fn object(notice: &Notice) -> Result<Cow<'_, str>, Rejected> {
    let text = String::from_utf8_lossy(&notice.body);
    if text.trim_start().starts_with('{') {
        return Ok(text);
    }
    Err(Rejected::Malformed("the body is no JSON object".to_owned()))
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

    fn notice(body: &'static str) -> Notice {
        Notice {
            headers: HeaderMap::new(),
            query: String::new(),
            body: body.into(),
        }
    }

    #[test]
    fn what_could_be_a_request_is_not_signed_for_whoever_asks() {
        let mac = mac(&SecretString::from("key")).unwrap();
        for sound in ["890e4665-4dfe-4ab1-b689-ed553bceeed0", "MGFh+Yj/I4_~.=="] {
            let signed = challenged(&mac, sound).unwrap();
            assert!(is_signed(&mac, &[sound.as_bytes()], &signed));
        }
        let long = "a".repeat(MOST_CHALLENGE + 1);
        for odd in [
            "",
            "{}",
            "hmacsha256={\"a\":1}",
            "[1]",
            "\"a\"",
            "a b",
            "\u{e4}",
            &long,
        ] {
            assert_eq!(challenged(&mac, odd), None, "{odd}");
        }
        assert_eq!(object(&notice(" {\"a\": 1}")).unwrap(), " {\"a\": 1}");
        for other in ["", "7", "hmacsha256=7", "[1]"] {
            assert!(object(&notice(other)).is_err(), "{other}");
        }
    }

    #[tokio::test]
    async fn a_request_is_read_as_far_as_its_gate_is_wide() {
        let gates = [
            ("narrow", MOST_BODY),
            ("wide", 2 * MOST_BODY),
            ("as wide as it gets", usize::MAX),
        ];
        for (name, most) in gates {
            let gate = Gate::new(&SourceName::new(name)).holding(most);
            let status = async |length: usize| {
                let request = Request::new(Body::from(vec![b' '; length]));
                let pass = gate.pass(request, |notice: Notice| async move {
                    assert_eq!(notice.body.len(), length);
                    Ok(StatusCode::OK)
                });
                pass.await.status().as_u16()
            };
            let most = most.min(MOST_READ);
            assert_eq!((status(most).await, status(most + 1).await), (200, 413), "{name}");
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_told_so() {
        let gate = Gate::new(&SourceName::new("shop"));
        let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("cut"))]);
        let request = Request::new(Body::from_stream(broken));
        let answer = gate.pass(request, |_| async { Ok(StatusCode::OK) }).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }

    #[test]
    fn a_body_is_signed_in_hexadecimal() {
        let mac = mac(&SecretString::from("key")).unwrap();
        let signed = format!("sha256={}", hex::encode(sign(&mac, &[b"body"])));
        let verified = |headers: &[&str]| {
            let mut notice = notice("body");
            for value in headers {
                notice.headers.append("x-signed", value.parse().unwrap());
            }
            verify_hex(&mac, &notice, "x-signed", "compare the secrets")
        };
        assert_eq!(verified(&[&signed]), Ok(()));
        let (cut, bare) = (&signed[..signed.len() - 2], &signed[7..]);
        let twice = [signed.as_str(), &signed];
        for odd in [&[][..], &twice, &[cut], &[bare], &["sha256="], &["sha256=xy"]] {
            assert!(matches!(verified(odd), Err(Rejected::Unproven(_))), "{odd:?}");
        }
    }
}
