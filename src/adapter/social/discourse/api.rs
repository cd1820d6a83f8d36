//! The calls: JSON, with the key and the account's name in headers
//! (<https://docs.discourse.org/#section/Authentication>).

pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Mend};
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const MEND: Mend = Mend {
    unauthorized: "api_key and api_username are not accepted; the forum's administrators make keys under Admin, API",
    forbidden: "the key or the account may not do this; a key of one user with the scope Global, or read and write of \
                topics, posts, users and search, suffices",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// An account's way to its forum.
pub struct Api {
    api: api::Api,
    key: SecretString,
    username: String,
}

impl Api {
    pub fn new(
        base: Url,
        source: &SourceName,
        (key, username): (SecretString, String),
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let api = api::Api::new(base, source, publishing, clock, spoken)?;
        Ok(Self {
            api: api.waiting(pause),
            key,
            username,
        })
    }

    /// The account's name.
    pub fn username(&self) -> &str {
        &self.username
    }

    /// What the forum says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Reads what stands at a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let call = self.api.reader().get(self.api.at(path)).query(query);
        let answer = self.api.read(self.signed(call)).await.map_err(known)?;
        answer.decode()
    }

    /// Publishes: one attempt, on a connection of its own.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.api.writer().post(self.api.at(path)).json(body);
        let answer = self
            .api
            .publish(self.signed(call), allowed)
            .await
            .map_err(known)?;
        answer.decode()
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.api.at(&["srv", "status"])).await
    }

    /// The address of a page for people.
    pub fn page(&self, path: &[&str]) -> String {
        self.api.at(path).to_string()
    }

    /// The forum's address.
    pub fn base(&self) -> &Url {
        self.api.base()
    }

    fn signed(&self, call: RequestBuilder) -> RequestBuilder {
        call.header("Api-Key", self.key.expose_secret())
            .header("Api-Username", &self.username)
            .header(reqwest::header::ACCEPT, "application/json")
    }
}

/// A key that is not accepted is answered with 403 `invalid_access`, as what an account may not see is; only that
/// the text speaks of the key tells them apart, in the forum's language.
fn known(error: Failed) -> Failed {
    match error {
        Failed::Status {
            status: StatusCode::FORBIDDEN,
            told: Some(told),
        } if speaks_of_keys(&told) => Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            told: Some(told),
        },
        other => other,
    }
}

fn speaks_of_keys(told: &str) -> bool {
    let mut words = told.split(|c: char| !c.is_alphanumeric());
    words.any(|word| word.eq_ignore_ascii_case("api"))
}

#[derive(Deserialize)]
struct Told {
    errors: Vec<String>,
    #[serde(default)]
    extras: Extras,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extras {
    /// In seconds.
    wait_seconds: Option<f64>,
}

/// The forum's own words: `{"errors": […]}`.
fn spoken(body: &[u8]) -> Option<String> {
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(told.errors.join(" "))
}

/// How long a 429 wants us to wait.
fn pause(body: &[u8]) -> Option<Duration> {
    let told: Told = serde_json::from_slice(body).ok()?;
    let seconds = told.extras.wait_seconds?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_speaks_of_the_key_is_about_it() {
        assert!(speaks_of_keys("The API username or key is invalid."));
        assert!(!speaks_of_keys("You are replying too rapidly."));
    }
}
