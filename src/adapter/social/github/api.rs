//! The calls: JSON, with a token (<https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api>).
//! A limit that is reached is told by 429, or by 403 with `Retry-After` or with nothing left
//! (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).

pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Mend};
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError};
use reqwest::header::ACCEPT;
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The API's version that this is written for.
const VERSION: &str = "2022-11-28";
/// The wait after a limit that is told by its words alone: a minute at least, as the documentation asks.
const WAIT: Duration = Duration::from_secs(60);

const MEND: Mend = Mend {
    unauthorized: "the token is not accepted; make a fine-grained one under Settings, Developer settings",
    forbidden: "the token needs the permission Issues, read and write, for these repositories",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// An account's way to GitHub.
pub struct Api {
    api: api::Api,
    token: SecretString,
}

impl Api {
    pub fn new(
        base: Url,
        source: &SourceName,
        token: SecretString,
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            api: api::Api::new(base, source, publishing, clock, spoken)?,
            token,
        })
    }

    /// What GitHub says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Reads what stands at a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let call = self.api.reader().get(self.api.at(path)).query(query);
        self.api.read(self.signed(call)).await.map_err(known)?.decode()
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
        self.api.date(self.api.at(&["zen"])).await
    }

    fn signed(&self, call: RequestBuilder) -> RequestBuilder {
        call.bearer_auth(self.token.expose_secret())
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", VERSION)
    }
}

/// A limit is told by 403, too.
fn known(error: Failed) -> Failed {
    match &error {
        Failed::Status {
            status: StatusCode::FORBIDDEN,
            told: Some(told),
        } if told.to_lowercase().contains("rate limit") => Failed::Limited(WAIT),
        Failed::Status { .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => error,
    }
}

/// The API's own words: `{"message": …}`.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(told.message)
}
