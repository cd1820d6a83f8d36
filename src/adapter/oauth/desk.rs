//! The token endpoint: what it is asked, and what it says.

use crate::adapter::api::{Answer, Api, Failed};
use crate::adapter::http;
use crate::adapter::tokens::Handed;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

/// Where a platform hands out tokens, and as whom we ask.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The token endpoint.
    pub token_url: Url,
    /// Our application.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretString>,
    /// Whether the application is named by HTTP Basic instead of in the form.
    pub basic: bool,
}

/// Asks a desk that wraps. A code that begins with 4 is about the request, so about the refresh token.
pub(super) async fn ask_wrapped(api: &Api, desk: &Desk, refresh: &str) -> Result<Handed, Failed> {
    #[derive(Deserialize)]
    struct Wrapped {
        code: i64,
        #[serde(default)]
        message: String,
        #[serde(default)]
        data: serde_json::Value,
    }
    let body = serde_json::json!({
        "client_id": desk.client_id,
        "client_secret": desk.client_secret.as_ref().map(|secret| secret.expose_secret()),
        "grant_type": "refresh_token",
        "refresh_token": refresh,
    });
    let answer = api
        .read(api.writer().post(desk.token_url.clone()).json(&body))
        .await?;
    let told: Wrapped = answer.decode()?;
    let said = format!("{}: {}", told.code, told.message);
    match told.code {
        0 => serde_json::from_value(told.data)
            .map_err(|error| Failed::Broken(format!("the answer is not what the API describes ({error})"))),
        40_100 => Err(Failed::Limited(http::DEFAULT_WAIT)),
        40_000..=49_999 => Err(Failed::Status {
            status: StatusCode::BAD_REQUEST,
            told: Some(format!("invalid_grant: {said}")),
        }),
        _ => Err(Failed::Broken(said)),
    }
}

pub(super) async fn call(api: &Api, desk: &Desk, form: &[(&str, &str)]) -> Result<Answer, Failed> {
    // The writing client: what gives a token must not be repeated on its own.
    let call = api.writer().post(desk.token_url.clone());
    let mut form = form.to_vec();
    let secret = desk.client_secret.as_ref().map(|secret| secret.expose_secret());
    let call = if desk.basic {
        call.basic_auth(&desk.client_id, secret)
    } else {
        form.extend(secret.map(|secret| ("client_secret", secret)));
        call
    };
    form.push(("client_id", &desk.client_id));
    api.read(
        call.header(reqwest::header::ACCEPT, "application/json")
            .form(&form),
    )
    .await
}

/// The endpoint's own words: `{"error": CODE, "error_description": …}` (RFC 6749, 5.2).
pub(super) fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
        error_description: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(match told.error_description {
        Some(description) => format!("{}: {description}", told.error),
        None => told.error,
    })
}
