//! What Google's APIs share: how they tell an error, and how a service account comes by a token.

use super::api::{Api, Failed};
use super::jwt::Signer;
use super::oauth::Door;
use super::tokens::{Handed, Tokens};
use crate::domain::Clock;
use anyhow::Context as _;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Where tokens are handed out, unless the key says otherwise.
const TOKENS: &str = "https://oauth2.googleapis.com/token";
/// Where people let programs in.
const AUTHORISE: &str = "https://accounts.google.com/o/oauth2/v2/auth";
/// For how long an assertion counts; an hour is the most.
const ASSERTED: i64 = 600;
/// How long is waited where a quota is used up and nothing says for how long: most are of a minute
/// (<https://developers.google.com/workspace/admin/reports/v1/limits> and its like), Google Play's of an hour.
const QUOTA: Duration = Duration::from_secs(300);

/// The error of an answer: its reason, then its words. OAuth has its own form, in which the reason is all
/// that counts (<https://cloud.google.com/apis/design/errors>, RFC 6749 5.2).
#[must_use]
pub fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Told {
        Api {
            error: Error,
        },
        OAuth {
            error: String,
            #[serde(default)]
            error_description: String,
        },
    }
    #[derive(Deserialize)]
    struct Error {
        message: String,
        #[serde(default)]
        status: Option<String>,
        #[serde(default)]
        errors: Vec<Reason>,
    }
    #[derive(Deserialize)]
    struct Reason {
        #[serde(default)]
        reason: String,
    }
    Some(match serde_json::from_slice(body).ok()? {
        Told::Api { error } => {
            let mut reasons = error.errors.into_iter().map(|error| error.reason);
            let reason = reasons.find(|reason| !reason.is_empty());
            let reason = reason.or(error.status).unwrap_or_default();
            format!("{reason}: {}", error.message)
        }
        Told::OAuth {
            error,
            error_description,
        } => format!("{error}: {error_description}"),
    })
}

/// The reason of an error, the word by which the API tells one from another.
#[must_use]
pub fn reason(error: &Failed) -> Option<&str> {
    match error {
        Failed::Status { told: Some(told), .. } => told.split(':').next(),
        Failed::Status { told: None, .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => {
            None
        }
    }
}

/// A quota that is used up is told by 403 as well as by 429: both are the same to us.
#[must_use]
pub fn limits(error: Failed) -> Failed {
    match reason(&error) {
        Some("rateLimitExceeded" | "userRateLimitExceeded" | "quotaExceeded" | "RESOURCE_EXHAUSTED") => {
            Failed::Limited(QUOTA)
        }
        Some(_) | None => error,
    }
}

/// Where tokens are handed out for an API at this address: none for Google's own, where the key says it; beside
/// the API where a local server stands in for it.
#[must_use]
pub fn desk(base: &Url) -> Option<Url> {
    let theirs = base
        .host_str()
        .is_some_and(|host| host.ends_with("googleapis.com"));
    if theirs { None } else { base.join("/token").ok() }
}

/// Where a person lets us in to an API at this address. Google hands out a refresh token only where it is asked
/// for offline access, and another one only after the person was asked again
/// (<https://developers.google.com/identity/protocols/oauth2/web-server#offline>).
#[must_use]
pub fn door(base: &Url, scopes: &'static [&'static str]) -> Option<Door> {
    let authorise_url = match desk(base) {
        Some(_) => base.join("/o/oauth2/v2/auth").ok()?,
        None => Url::parse(AUTHORISE).ok()?,
    };
    Some(Door {
        authorise_url,
        scopes,
        extra: &[("access_type", "offline"), ("prompt", "consent")],
    })
}

/// The desk of an API at this address.
///
/// # Errors
/// It has no address.
pub fn token_url(base: &Url) -> anyhow::Result<Url> {
    Ok(match desk(base) {
        Some(desk) => desk,
        None => Url::parse(TOKENS)?,
    })
}

/// What stands in the file of a service account's key.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: Option<String>,
    #[serde(default)]
    token_uri: Option<String>,
}

/// A service account: an account of a program, which shows a signed assertion and gets a token of an hour for
/// it (<https://developers.google.com/identity/protocols/oauth2/service-account>).
pub struct ServiceAccount {
    email: String,
    signer: Signer,
    desk: Url,
    scope: &'static str,
    tokens: Tokens,
    clock: Arc<dyn Clock>,
}

impl ServiceAccount {
    /// The account of a key's file, as Google hands it out. `desk`: where tokens are handed out, if not where
    /// the file says.
    ///
    /// # Errors
    /// It is no such file.
    pub fn new(
        file: &SecretString,
        desk: Option<Url>,
        scope: &'static str,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        // What the parser says could show a part of the key.
        let file: KeyFile = serde_json::from_str(file.expose_secret())
            .map_err(|_| anyhow::anyhow!("service_account_key is not the JSON of a service account's key"))?;
        let signer = Signer::rs256(&file.private_key, file.private_key_id.as_deref())
            .context("service_account_key")?;
        let told = file.token_uri.as_deref().unwrap_or(TOKENS);
        let desk = match desk {
            Some(desk) => desk,
            None => Url::parse(told).context("the token_uri of service_account_key")?,
        };
        Ok(Self {
            email: file.client_email,
            signer,
            desk,
            scope,
            tokens: Tokens::new(clock.clone()),
            clock,
        })
    }

    /// Its name.
    #[must_use]
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The token to use now.
    ///
    /// # Errors
    /// There is none to be had.
    pub async fn access(&self, api: &Api) -> Result<SecretString, Failed> {
        self.tokens.access(async || self.fetch(api).await).await
    }

    /// Makes a call that reads, and once more with a new token where this one is not accepted.
    ///
    /// # Errors
    /// There is none to be had, or the call had no success.
    pub async fn under<T, F>(&self, api: &Api, call: impl Fn(SecretString) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        self.tokens.under(|| self.fetch(api), call).await
    }

    /// A token is not accepted.
    pub fn refuse(&self, stale: &SecretString) {
        self.tokens.refuse(stale);
    }

    async fn fetch(&self, api: &Api) -> Result<(SecretString, Duration), Failed> {
        let now = self.clock.now().timestamp();
        let claims = json!({
            "iss": self.email, "scope": self.scope, "aud": self.desk.as_str(), "iat": now, "exp": now + ASSERTED,
        });
        let assertion = self
            .signer
            .sign(&claims)
            .map_err(|error| Failed::Broken(error.to_string()))?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .append_pair("assertion", assertion.expose_secret())
            .finish();
        let call = api.reader().post(self.desk.clone());
        let call = call.header(reqwest::header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = api.read(call.body(form)).await.map_err(denied)?;
        Ok(answer.decode::<Handed>()?.counting())
    }
}

/// Whom the desk turns away is not accepted, by whichever status (RFC 6749 5.2 has 400 for most reasons).
fn denied(error: Failed) -> Failed {
    match error {
        Failed::Status {
            status,
            told: Some(told),
        } if status.is_client_error() => Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            told: Some(format!("no token for the service account: {told}")),
        },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::reason(r#"{"error":{"code":403,"message":"The quota.","errors":[{"reason":"quotaExceeded","domain":"x"}],"status":"PERMISSION_DENIED"}}"#, Some("quotaExceeded: The quota."))]
    #[case::status(
        r#"{"error":{"code":404,"message":"Not there.","status":"NOT_FOUND"}}"#,
        Some("NOT_FOUND: Not there.")
    )]
    #[case::oauth(
        r#"{"error":"invalid_grant","error_description":"Bad key."}"#,
        Some("invalid_grant: Bad key.")
    )]
    #[case::a_proxy("<html>Bad Gateway</html>", None)]
    fn an_error_is_told(#[case] body: &str, #[case] told: Option<&str>) {
        assert_eq!(spoken(body.as_bytes()).as_deref(), told);
    }

    #[rstest]
    #[case(403, "quotaExceeded: used up", true)]
    #[case(403, "PERMISSION_DENIED: not you", false)]
    fn a_quota_is_a_limit(#[case] status: u16, #[case] told: &str, #[case] limited: bool) {
        let error = Failed::Status {
            status: StatusCode::from_u16(status).unwrap(),
            told: Some(told.to_owned()),
        };
        assert_eq!(matches!(limits(error), Failed::Limited(_)), limited);
    }

    #[test]
    fn a_key_that_is_none_is_not_shown() {
        let clock: Arc<dyn Clock> = Arc::new(crate::domain::SystemClock);
        let file = SecretString::from(r#"{"client_email": "a@b", "private_key": SECRET}"#);
        let error = ServiceAccount::new(&file, None, "x", clock).err().unwrap();
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}
