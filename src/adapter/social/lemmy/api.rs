//! The calls, under a token that the account's password makes and that lives in memory alone
//! (<https://join-lemmy.org/docs/contributors/04-api.html>). Failures are JSON with an `error`, a name; most of them
//! come with 400.

use super::wire::Login;
pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Answer, Mend};
use crate::adapter::supervise::Lost;
use crate::adapter::tokens::Tokens;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// For how long a token is used: it has no end but with the password.
const COUNTS: Duration = Duration::from_secs(7 * 86_400);
/// The wait after `rate_limit_error`, which does not say for how long: the longest of a server's usual buckets.
const BUCKET: Duration = Duration::from_secs(60);

const MEND: Mend = Mend {
    unauthorized: "username and password are not accepted; an account with a second factor cannot be used so",
    forbidden: "the account may not do this",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// An account's way to its server.
pub struct Api {
    api: api::Api,
    username: String,
    password: SecretString,
    tokens: Tokens,
}

impl Api {
    pub fn new(
        base: Url,
        source: &SourceName,
        (username, password): (String, SecretString),
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            api: api::Api::new(base, source, publishing, clock.clone(), spoken)?,
            username,
            password,
            tokens: Tokens::new(clock),
        })
    }

    /// The account's name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The server's address.
    pub fn base(&self) -> &Url {
        self.api.base()
    }

    /// Reads what a method answers.
    pub async fn get<T: DeserializeOwned>(
        &self,
        method: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, Failed> {
        let token = self.token().await?;
        let answer = match self.read(&token, method, query).await {
            Err(error) if is_stale(&error) => {
                self.tokens.refuse(&token);
                self.read(&self.token().await?, method, query).await?
            }
            other => other?,
        };
        answer.decode()
    }

    /// Publishes: one attempt, on a connection of its own. A token that is over is not used again.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let token = self.token().await.map_err(Failed::unsent)?;
        let call = self.api.writer().post(self.at(&[method])).json(body);
        let call = call.bearer_auth(token.expose_secret());
        let published = self.api.publish(call, allowed).await.map_err(known);
        if published.as_ref().is_err_and(is_stale) {
            self.tokens.refuse(&token);
        }
        published?.decode()
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.at(&["site"])).await
    }

    async fn read(
        &self,
        token: &SecretString,
        method: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, Failed> {
        let call = self.api.reader().get(self.at(method)).query(query);
        let call = call.bearer_auth(token.expose_secret());
        self.api.read(call).await.map_err(known)
    }

    async fn token(&self) -> Result<SecretString, Failed> {
        self.tokens.access(async || self.sign_in().await).await
    }

    async fn sign_in(&self) -> Result<(SecretString, Duration), Failed> {
        let call = self.api.reader().post(self.at(&["user", "login"]));
        let call = call.json(&json!({
            "username_or_email": self.username, "password": self.password.expose_secret(),
        }));
        let login: Login = self.api.read(call).await.map_err(known)?.decode()?;
        match login.jwt {
            Some(jwt) => Ok((jwt.into(), COUNTS)),
            None => Err(Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                told: Some("the account has to be confirmed or approved first".to_owned()),
            }),
        }
    }

    fn at(&self, method: &[&str]) -> Url {
        let mut path = vec!["api", "v3"];
        path.extend(method);
        self.api.at(&path)
    }
}

/// The name by which the API tells one failure from another.
pub fn name(error: &Failed) -> Option<&str> {
    match error {
        Failed::Status { told: Some(told), .. } => told.split(':').next(),
        Failed::Status { told: None, .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => {
            None
        }
    }
}

/// Whether the API says that there is no such thing.
pub fn is_missing(error: &Failed) -> bool {
    error.is_missing()
        || name(error).is_some_and(|name| {
            name.starts_with("couldnt_find_") || name == "not_found" || name == "unknown_id"
        })
}

fn is_stale(error: &Failed) -> bool {
    matches!(
        error,
        Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            ..
        }
    )
}

/// By its name, where the status says less.
fn known(error: Failed) -> Failed {
    let told = match name(&error) {
        Some("rate_limit_error") => return Failed::Limited(BUCKET),
        Some(told @ ("not_logged_in" | "incorrect_login" | "missing_totp_token")) => told.to_owned(),
        Some(_) | None => return error,
    };
    Failed::Status {
        status: StatusCode::UNAUTHORIZED,
        told: Some(told),
    }
}

/// The API's own words: `{"error": NAME, "message": …}`.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
        message: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(match told.message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{}: {message}", told.error),
        None => told.error,
    })
}
