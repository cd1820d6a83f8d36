//! The way to the API: one token, made with the account's password, made anew when it is over, and the calls
//! under it.
//!
//! The application is of the kind "script" and belongs to the account
//! (<https://github.com/reddit-archive/reddit/wiki/OAuth2-Quick-Start-Example>). Its tokens live in memory
//! alone, for an hour or a day. Reddit asks for a User-Agent that names the program and the account, and slows
//! down who has a common one (<https://github.com/reddit-archive/reddit/wiki/API>).

use super::wire::Token;
pub use crate::adapter::api::Failed;
use crate::adapter::api::{Answer, Api, Mend};
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::adapter::tokens::Tokens;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError};
use reqwest::header::{CONTENT_TYPE, USER_AGENT};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const MEND: Mend = Mend {
    unauthorized: "client_id, client_secret, username and password are not accepted together; the application \
                   must be of the kind \"script\" and the account one of its developers, without two-factor sign-in",
    forbidden: "the account or the application may not do this; Reddit approves applications one by one, and a \
                subreddit can ban an account",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// What somebody signs in with.
pub struct Credentials {
    pub client_id: String,
    pub client_secret: SecretString,
    pub username: String,
    pub password: SecretString,
}

/// An account's way to the network.
pub struct Account {
    api: Api,
    tokens: Url,
    credentials: Credentials,
    agent: String,
    held: Tokens,
}

impl Account {
    pub fn new(
        (base, tokens): (Url, Url),
        source: &SourceName,
        credentials: Credentials,
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let agent = format!(
            "server:hearback:{} (by /u/{})",
            env!("CARGO_PKG_VERSION"),
            credentials.username
        );
        Ok(Self {
            api: Api::new(base, source, publishing, clock.clone(), spoken)?,
            tokens,
            credentials,
            agent,
            held: Tokens::new(clock),
        })
    }

    /// What the network says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Reads what stands at a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let token = self.token().await?;
        let answer = match self.read(&token, path, query).await {
            Err(error) if is_stale(&error) => {
                self.held.refuse(&token);
                self.read(&self.token().await?, path, query).await?
            }
            other => other?,
        };
        answer.decode()
    }

    /// Publishes: one attempt, on a connection of its own. A token that is over is forgotten, for the next.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: &[(&str, &str)],
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let token = self.token().await.map_err(Failed::unsent)?;
        let call = self.api.writer().post(self.api.at(path));
        let call = self.signed(filled(call, form), &token);
        let published = self.api.publish(call, allowed).await;
        if published.as_ref().is_err_and(is_stale) {
            self.held.refuse(&token);
        }
        published?.decode()
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.api.at(&["api", "v1", "me"])).await
    }

    async fn read(
        &self,
        token: &SecretString,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Answer, Failed> {
        // Without raw_json the texts have `&amp;` for `&`.
        let call = self.api.reader().get(self.api.at(path)).query(query);
        let call = call.query(&[("raw_json", "1")]);
        self.api.read(self.signed(call, token)).await
    }

    fn signed(&self, call: RequestBuilder, token: &SecretString) -> RequestBuilder {
        call.bearer_auth(token.expose_secret())
            .header(USER_AGENT, &self.agent)
    }

    async fn token(&self) -> Result<SecretString, Failed> {
        self.held.access(async || self.sign_in().await).await
    }

    async fn sign_in(&self) -> Result<(SecretString, Duration), Failed> {
        let with = &self.credentials;
        let form = [
            ("grant_type", "password"),
            ("username", with.username.as_str()),
            ("password", with.password.expose_secret()),
        ];
        let call = self.api.reader().post(self.tokens.clone());
        let call = filled(call, &form)
            .basic_auth(&with.client_id, Some(with.client_secret.expose_secret()))
            .header(USER_AGENT, &self.agent);
        let token: Token = self.api.read(call).await?.decode()?;
        match (token.access_token, token.error) {
            (Some(access), None) => Ok((
                access.into(),
                Duration::from_secs(token.expires_in.min(7 * 86_400)),
            )),
            (_, error) => Err(Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                told: Some(error.map_or_else(|| "no token".to_owned(), |error| words(&error))),
            }),
        }
    }
}

/// A call with a filled-in form.
fn filled(call: RequestBuilder, form: &[(&str, &str)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(form)
        .finish();
    call.header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body)
}

/// Whether the token is not accepted.
pub fn is_stale(error: &Failed) -> bool {
    matches!(
        error,
        Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            ..
        }
    )
}

/// The API's own words: `{"message": …, "error": STATUS}`, with a `reason` or an `explanation` at times.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        message: Option<String>,
        explanation: Option<String>,
        reason: Option<String>,
        error: Option<Value>,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    let error = told.error.as_ref().map(words);
    let first = told.explanation.or(told.message).or(error)?;
    Some(match told.reason.filter(|reason| *reason != first) {
        Some(reason) => format!("{first} ({reason})"),
        None => first,
    })
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
