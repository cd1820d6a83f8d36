//! Standard Webhooks signatures, both ways: HMAC-SHA256 over `id.timestamp.body`
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use crate::domain::Instant;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

/// The header with the message's id.
pub const ID: &str = "webhook-id";
/// The header with the second it was signed in.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, separated by blanks.
pub const SIGNATURE: &str = "webhook-signature";

/// How far a message's time may be from ours, in seconds.
const WINDOW: i64 = 300;
/// The most signatures that are tried: a rotation has two.
const MOST_SIGNATURES: usize = 8;
/// The fewest bytes a secret should have, as the specification asks.
const SHORTEST_SECRET: usize = 24;

/// Why a message is not believed. Tells nothing that helps to forge one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// A header is missing, there twice, or not text.
    #[error("the header {0} must be there exactly once")]
    Header(&'static str),
    /// Not a number of seconds.
    #[error("webhook-timestamp must be a number of seconds since 1970")]
    Timestamp,
    /// Too old or too new.
    #[error("webhook-timestamp is more than five minutes from now: check the clock, or sign anew")]
    Stale,
    /// No signature fits.
    #[error("no signature fits: check the secret, and sign the exact bytes of the body")]
    Signature,
}

/// A secret shared with the other side, ready to sign and to verify with.
#[derive(Clone)]
pub struct Secret {
    mac: Hmac<Sha256>,
    short: bool,
}

impl Secret {
    /// Reads `whsec_` and base64, or the base64 alone.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn parse(secret: &SecretString) -> Result<Self, &'static str> {
        let text = secret.expose_secret().trim();
        let encoded = text.strip_prefix("whsec_").unwrap_or(text);
        let bytes = BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| "the secret is not `whsec_` followed by base64")?;
        if bytes.is_empty() {
            return Err("the secret is empty: make one with `openssl rand -base64 32`");
        }
        let mac = Hmac::new_from_slice(&bytes).map_err(|_| "the secret cannot be a key of HMAC-SHA256")?;
        Ok(Self {
            mac,
            short: bytes.len() < SHORTEST_SECRET,
        })
    }

    /// Whether it has fewer bytes than the specification asks for.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.short
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(piece);
        }
        mac
    }

    /// The value of `webhook-signature`.
    #[must_use]
    pub fn sign(&self, id: &str, at: Instant, body: &[u8]) -> String {
        let mac = self.mac(id, &at.timestamp().to_string(), body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }

    /// Whether the message is from somebody who knows the secret, and fresh.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8], now: Instant) -> Result<(), Unproven> {
        let id = only(headers, ID)?;
        let timestamp = only(headers, TIMESTAMP)?;
        let signatures = only(headers, SIGNATURE)?;
        let digits = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let at: i64 = timestamp
            .parse()
            .ok()
            .filter(|_| digits)
            .ok_or(Unproven::Timestamp)?;
        if now.timestamp().abs_diff(at) > WINDOW.unsigned_abs() {
            return Err(Unproven::Stale);
        }
        let mac = self.mac(id, timestamp, body);
        let fits = signatures
            .split_ascii_whitespace()
            .take(MOST_SIGNATURES)
            .filter_map(|signature| BASE64_STANDARD.decode(signature.strip_prefix("v1,")?).ok())
            .any(|given| mac.clone().verify_slice(&given).is_ok());
        if fits { Ok(()) } else { Err(Unproven::Signature) }
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret([redacted])")
    }
}

/// The value of a header that is there exactly once: a second one could be read by another than us.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Unproven> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().map_err(|_| Unproven::Header(name)),
        (None, _) | (Some(_), Some(_)) => Err(Unproven::Header(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use chrono::DateTime;
    use proptest::prelude::*;
    use rstest::rstest;

    /// The vector of the Standard Webhooks reference libraries.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const MESSAGE: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const AT: i64 = 1_614_265_330;
    const BODY: &[u8] = br#"{"test": 2432232314}"#;
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn secret() -> Secret {
        Secret::parse(&SecretString::from(SECRET)).unwrap()
    }

    fn at(seconds: i64) -> Instant {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn headers(id: &str, timestamp: &str, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ID, HeaderValue::from_str(id).unwrap());
        headers.insert(TIMESTAMP, HeaderValue::from_str(timestamp).unwrap());
        headers.insert(SIGNATURE, HeaderValue::from_str(signature).unwrap());
        headers
    }

    #[test]
    fn the_published_vector_is_signed_and_believed() {
        assert_eq!(secret().sign(MESSAGE, at(AT), BODY), SIGNED);
        let headers = headers(MESSAGE, "1614265330", SIGNED);
        assert_eq!(secret().verify(&headers, BODY, at(AT)), Ok(()));
    }

    #[test]
    fn a_secret_without_its_prefix_is_the_same_secret() {
        let bare = Secret::parse(&SecretString::from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).unwrap();
        assert_eq!(bare.sign(MESSAGE, at(AT), BODY), SIGNED);
    }

    #[test]
    fn a_bad_secret_is_named_without_being_shown() {
        for bad in ["whsec_not base64", "whsec_", ""] {
            let error = Secret::parse(&SecretString::from(bad)).unwrap_err();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
        assert_eq!(format!("{:?}", secret()), "Secret([redacted])");
        assert!(!secret().is_short());
        assert!(
            Secret::parse(&SecretString::from("whsec_c2hvcnQ="))
                .unwrap()
                .is_short()
        );
    }

    #[rstest]
    #[case::the_edge_of_the_past(AT + 300, Ok(()))]
    #[case::the_edge_of_the_future(AT - 300, Ok(()))]
    #[case::stale(AT + 301, Err(Unproven::Stale))]
    #[case::from_the_future(AT - 301, Err(Unproven::Stale))]
    fn the_window_is_five_minutes(#[case] now: i64, #[case] verdict: Result<(), Unproven>) {
        let headers = headers(MESSAGE, "1614265330", SIGNED);
        assert_eq!(secret().verify(&headers, BODY, at(now)), verdict);
    }

    #[rstest]
    #[case::another_id("msg_other", "1614265330", SIGNED)]
    #[case::another_time(MESSAGE, "1614265331", SIGNED)]
    #[case::cut_short(MESSAGE, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKg==")]
    #[case::one_letter_changed(MESSAGE, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=")]
    #[case::another_version(MESSAGE, "1614265330", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")]
    #[case::no_version(MESSAGE, "1614265330", "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=")]
    #[case::empty(MESSAGE, "1614265330", "")]
    #[case::empty_mac(MESSAGE, "1614265330", "v1,")]
    fn what_does_not_fit_is_refused(#[case] id: &str, #[case] timestamp: &str, #[case] signature: &str) {
        let headers = headers(id, timestamp, signature);
        assert_eq!(secret().verify(&headers, BODY, at(AT)), Err(Unproven::Signature));
    }

    #[rstest]
    #[case("")]
    #[case("+1614265330")]
    #[case("-1614265330")]
    #[case("1614265330.0")]
    #[case("99999999999999999999")]
    #[case("Thu, 25 Feb 2021 15:02:10 GMT")]
    fn a_time_is_a_number_of_seconds(#[case] timestamp: &str) {
        let headers = headers(MESSAGE, timestamp, SIGNED);
        assert_eq!(secret().verify(&headers, BODY, at(AT)), Err(Unproven::Timestamp));
    }

    #[test]
    fn during_a_rotation_one_of_two_signatures_is_enough() {
        let other = Secret::parse(&SecretString::from("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")).unwrap();
        let both = format!("{} {SIGNED}", other.sign(MESSAGE, at(AT), BODY));
        let headers = headers(MESSAGE, "1614265330", &both);
        assert_eq!(secret().verify(&headers, BODY, at(AT)), Ok(()));
        assert_eq!(other.verify(&headers, BODY, at(AT)), Ok(()));
    }

    #[rstest]
    #[case(ID)]
    #[case(TIMESTAMP)]
    #[case(SIGNATURE)]
    fn a_header_that_is_missing_or_there_twice_is_refused(#[case] name: &'static str) {
        let mut twice = headers(MESSAGE, "1614265330", SIGNED);
        let again = twice[name].clone();
        twice.append(name, again);
        assert_eq!(secret().verify(&twice, BODY, at(AT)), Err(Unproven::Header(name)));
        twice.remove(name);
        assert_eq!(secret().verify(&twice, BODY, at(AT)), Err(Unproven::Header(name)));
    }

    proptest! {
        #[test]
        fn what_we_sign_we_believe_and_nothing_else(
            id in "[a-z0-9_-]{1,30}",
            seconds in 0_i64..4_000_000_000,
            mut body in proptest::collection::vec(any::<u8>(), 1..200),
            at_byte in any::<proptest::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let now = at(seconds);
            let signed = secret().sign(&id, now, &body);
            let headers = headers(&id, &seconds.to_string(), &signed);
            prop_assert_eq!(secret().verify(&headers, &body, now), Ok(()));
            let place = at_byte.index(body.len());
            body[place] ^= 1 << bit;
            prop_assert_eq!(secret().verify(&headers, &body, now), Err(Unproven::Signature));
        }

        #[test]
        fn no_header_makes_it_panic(id in "[ -~]{0,40}", time in "[ -~]{0,30}", signature in "[ -~]{0,120}") {
            let _ = secret().verify(&headers(&id, &time, &signature), BODY, at(AT));
        }
    }
}
