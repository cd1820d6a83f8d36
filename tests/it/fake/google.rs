//! What Google's APIs share: the form of their errors, and the desk at which a service account gets a token.

use super::reviews::{Books, json};
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::rsa;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json as value};
use std::collections::HashMap;

/// A key made for these tests, which opens nothing.
pub const RSA: &str = include_str!("keys/rsa.pem");
pub const EMAIL: &str = "hearback@tests.iam.gserviceaccount.com";

/// The file of a service account's key.
pub fn key_file() -> String {
    value!({
        "type": "service_account", "project_id": "tests", "private_key_id": "k1", "private_key": RSA,
        "client_email": EMAIL, "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

/// An error as the APIs tell it.
pub fn error(status: u16, message: &str) -> Response {
    let name = match status {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    };
    json(
        status,
        value!({"error": {"code": status, "message": message, "status": name}}),
    )
}

fn key() -> rsa::KeyPair {
    let body: String = RSA.lines().filter(|line| !line.starts_with("-----")).collect();
    rsa::KeyPair::from_pkcs8(&BASE64_STANDARD.decode(body).unwrap()).unwrap()
}

/// A token with these claims, signed as Google signs them.
pub fn sign(claims: &Value) -> String {
    let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
    let head = value!({"alg": "RS256", "kid": "k1", "typ": "JWT"});
    let told = format!("{}.{}", encode(&head), encode(claims));
    let key = key();
    let mut signature = vec![0; key.public().modulus_len()];
    let random = ring::rand::SystemRandom::new();
    key.sign(
        &ring::signature::RSA_PKCS1_SHA256,
        &random,
        told.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{told}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}

/// The public key, as Google shows its own.
pub fn public() -> Value {
    let key = key();
    let parts = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(key.public());
    value!({
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1",
        "n": BASE64_URL_SAFE_NO_PAD.encode(parts.n), "e": BASE64_URL_SAFE_NO_PAD.encode(parts.e),
    })
}

/// The claims of a token that the key signed.
pub fn claims(token: &str) -> Option<Value> {
    let (told, signature) = token.rsplit_once('.')?;
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = key();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref());
    public.verify(told.as_bytes(), &signature).ok()?;
    let (head, claims) = told.split_once('.')?;
    let part = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    (part(head)?["alg"] == "RS256").then(|| part(claims)).flatten()
}

/// The desk: a form with an assertion, answered with a token of an hour.
pub fn desk(books: &Books, scope: &str, form: &HashMap<String, String>) -> Response {
    let refused = |why: &str| json(400, value!({"error": "invalid_grant", "error_description": why}));
    let Some(token) = books.sign_in() else {
        return refused("Invalid grant: account not found");
    };
    if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return json(
            400,
            value!({"error": "unsupported_grant_type", "error_description": "Invalid grant_type"}),
        );
    }
    let Some(claims) = form.get("assertion").and_then(|token| claims(token)) else {
        return refused("Invalid JWT Signature.");
    };
    let now = books.clock.now().timestamp();
    let (from, to) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    if from > now + 60 || to <= now || to - from > 3600 {
        return refused("Invalid JWT: Token must be a short-lived token (60 minutes)");
    }
    if claims["iss"] != EMAIL
        || claims["scope"] != scope
        || !claims["aud"].as_str().unwrap().ends_with("/token")
    {
        return refused("Invalid JWT");
    }
    json(
        200,
        value!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}),
    )
}
