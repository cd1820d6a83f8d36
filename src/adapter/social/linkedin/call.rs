//! The way to the API: versioned calls under a token that is renewed.

pub use crate::adapter::api::Failed;
use crate::adapter::api::{Answer, Api, Mend};
use crate::adapter::http;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::Grant;
use crate::domain::Instant;
use crate::port::{Permit, PortError};
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// What somebody can do where LinkedIn does not let us in.
pub const MEND: Mend = Mend {
    unauthorized: "the token is not accepted; connect the organisation again, with a member who administers its page",
    forbidden: "the application or the member may not do this; it needs r_organization_social_feed, \
                w_organization_social_feed and rw_organization_admin, and a member who administers the page",
};

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// An organisation's way to the network.
pub struct Way {
    api: Api,
    grant: Grant,
    version: String,
}

impl Way {
    pub fn new(api: Api, grant: Grant, version: String) -> Self {
        Self { api, grant, version }
    }

    /// What the network says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Where the access token comes from.
    pub fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Reads something. `path` and `query` are encoded as they have to be: colons and brackets mean
    /// something in both.
    pub async fn get<T: DeserializeOwned>(&self, path: &str, query: &str) -> Result<T, Failed> {
        let url = self.at(path, query);
        let call = |token: SecretString| {
            let call = self.dressed(self.api.reader().get(url.clone()), &token);
            self.api.read(call)
        };
        self.grant.under(call).await?.decode()
    }

    /// Makes a call that publishes: one attempt, on a connection of its own. Without a token nothing is sent.
    pub async fn publish(
        &self,
        path: &str,
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<Answer, PortError> {
        // A conflict is no refusal: it may be about the same comment.
        let refused = |error: Failed| error.refusal("LinkedIn", &[400, 403, 404, 422]);
        let call = self.api.writer().post(self.at(path, "")).json(body);
        let token = self.grant.access().await;
        let token = token.map_err(|error| refused(error.unsent()))?;
        let answer = self.api.publish(self.dressed(call, &token), allowed).await;
        answer.map_err(refused)
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.at("/rest/me", "")).await
    }

    fn at(&self, path: &str, query: &str) -> Url {
        let mut url = self.api.base().clone();
        url.set_path(path);
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    fn dressed(&self, call: RequestBuilder, token: &SecretString) -> RequestBuilder {
        call.header("LinkedIn-Version", &self.version)
            .header("X-Restli-Protocol-Version", "2.0.0")
            .bearer_auth(token.expose_secret())
    }
}

/// How long to wait when the calls of a day are used up: no header says so, and they are back at midnight UTC
/// (<https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/rate-limits>). Any other limit passes soon.
pub fn waits(body: &[u8]) -> Option<Duration> {
    spoken(body)?.contains(" DAY limit").then_some(http::LONGEST_WAIT)
}

/// The API's own words of a failure
/// (<https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling>).
pub fn spoken(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(default)]
        code: String,
        message: String,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    Some(match said.code.as_str() {
        "" => said.message,
        code => format!("{code}: {}", said.message),
    })
}
