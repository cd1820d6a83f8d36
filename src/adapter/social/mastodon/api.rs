//! The calls: one GET, one POST. The token goes in a header, never into an address, and no address is
//! logged.

pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Mend};
use crate::adapter::ids::header_safe;
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// What to do about a token that does not do.
const MEND: Mend = Mend {
    unauthorized: "the access_token is not accepted; make a new one in the account's settings under Development",
    forbidden: "the access_token needs the scopes read:notifications read:statuses read:accounts write:statuses",
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
    token: SecretString,
}

impl Api {
    pub fn new(
        mut base: Url,
        source: &SourceName,
        token: SecretString,
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        // The API stands at the root, also where somebody copied the address of their page.
        base.set_path("");
        Ok(Self {
            api: api::Api::new(base, source, publishing, clock, error_text)?,
            token,
        })
    }

    /// The server's address.
    pub fn base(&self) -> &Url {
        self.api.base()
    }

    /// What the server says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// The value of the header that carries the token.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.token())
    }

    /// The token itself.
    pub fn token(&self) -> &str {
        self.token.expose_secret()
    }

    /// Reads what stands at a path.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let call = self.api.reader().get(self.address(path)).query(query);
        self.api.read(self.authorized(call)).await?.decode()
    }

    /// Reads a public page of the same server, without showing it the token.
    pub async fn get_public<T: DeserializeOwned>(&self, url: Url) -> Result<T, Failed> {
        self.api.read(self.api.reader().get(url)).await?.decode()
    }

    /// The time the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.address(&["api", "v1", "instance"])).await
    }

    /// Publishes: one attempt, on a connection of its own.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        key: &str,
        body: &serde_json::Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.api.writer().post(self.address(path)).json(body);
        let call = self
            .authorized(call)
            .header("Idempotency-Key", header_safe(key).as_ref());
        self.api.publish(call, allowed).await?.decode()
    }

    /// An address on the server. Segments are escaped: an id cannot leave its place.
    pub fn address(&self, path: &[&str]) -> Url {
        self.api.at(path)
    }

    fn authorized(&self, call: RequestBuilder) -> RequestBuilder {
        call.header(reqwest::header::AUTHORIZATION, self.authorization())
    }
}

/// The `error` of an answer in JSON: proof that the API itself spoke, and not a proxy before it.
fn error_text(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(told.error)
}
