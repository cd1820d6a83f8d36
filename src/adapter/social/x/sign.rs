//! OAuth 1.0a: a request that is signed for an account (RFC 5849;
//! <https://docs.x.com/fundamentals/authentication/oauth-1-0a/creating-a-signature>). Bodies of JSON are not
//! part of what is signed.

use crate::domain::Instant;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rand::Rng as _;
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write as _;
use url::Url;

/// The four that sign for an account: two of the application, two of the account.
pub struct Signer {
    consumer_key: String,
    token: String,
    key: hmac::Key,
}

impl Signer {
    pub fn new(consumer: (&str, &SecretString), token: (&str, &SecretString)) -> Self {
        let secret = |secret: &SecretString| encoded(secret.expose_secret());
        let key = format!("{}&{}", secret(consumer.1), secret(token.1));
        Self {
            consumer_key: consumer.0.to_owned(),
            token: token.0.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key.as_bytes()),
        }
    }

    /// The header `Authorization` of a call.
    pub fn header(&self, method: &str, url: &Url, now: Instant) -> String {
        let nonce: [u8; 16] = rand::rng().random();
        self.with(method, url, &hex::encode(nonce), now.timestamp())
    }

    fn with(&self, method: &str, url: &Url, nonce: &str, seconds: i64) -> String {
        let mut parts = vec![
            ("oauth_consumer_key", self.consumer_key.clone()),
            ("oauth_nonce", nonce.to_owned()),
            ("oauth_signature_method", "HMAC-SHA1".to_owned()),
            ("oauth_timestamp", seconds.to_string()),
            ("oauth_token", self.token.clone()),
            ("oauth_version", "1.0".to_owned()),
        ];
        let base = base(method, url, &parts);
        let signature = BASE64_STANDARD.encode(hmac::sign(&self.key, base.as_bytes()));
        parts.push(("oauth_signature", signature));
        let parts = parts.iter();
        let parts: Vec<_> = parts
            .map(|(name, value)| format!("{name}=\"{}\"", encoded(value)))
            .collect();
        format!("OAuth {}", parts.join(", "))
    }
}

/// What is signed: the method, the address without its query, and all parameters in their order.
fn base(method: &str, url: &Url, oauth: &[(&str, String)]) -> String {
    let query = url.query_pairs();
    let query = query.map(|(name, value)| (encoded(&name), encoded(&value)));
    let oauth = oauth.iter();
    let oauth = oauth.map(|(name, value)| (encoded(name), encoded(value)));
    let mut all: Vec<_> = query.chain(oauth).collect();
    all.sort();
    let all: Vec<_> = all
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let mut address = url.clone();
    address.set_query(None);
    address.set_fragment(None);
    format!(
        "{method}&{}&{}",
        encoded(address.as_str()),
        encoded(&all.join("&"))
    )
}

/// As RFC 3986 has it: all but letters, digits, `-`, `.`, `_` and `~`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of X's documentation, with its form parameters as those of the query: they are signed alike.
    #[test]
    fn it_signs_as_the_documentation_shows() {
        let consumer = SecretString::from("kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw");
        let token = SecretString::from("LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE");
        let signer = Signer::new(
            ("xvz1evFS4wEEPTGEFPHBog", &consumer),
            ("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb", &token),
        );
        let mut url = Url::parse("https://api.twitter.com/1.1/statuses/update.json").unwrap();
        url.query_pairs_mut()
            .append_pair("include_entities", "true")
            .append_pair("status", "Hello Ladies + Gentlemen, a signed OAuth request!");
        let header = signer.with(
            "POST",
            &url,
            "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg",
            1_318_622_958,
        );
        assert!(
            header.contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""),
            "{header}"
        );
    }
}
