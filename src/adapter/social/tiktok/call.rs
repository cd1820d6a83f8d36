//! The way to the API: calls under a token that is renewed, and failures that come with the status 200.

use super::wire::Envelope;
pub use crate::adapter::api::Failed;
use crate::adapter::api::{Answer, Api, Mend, decode};
use crate::adapter::http;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::Grant;
use crate::domain::Instant;
use crate::port::{Permit, PortError};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;
use url::Url;

/// What somebody can do where TikTok does not let us in.
pub const MEND: Mend = Mend {
    unauthorized: "the token is not accepted; let the account authorise the application again",
    forbidden: "the application or the account may not do this; it needs the permissions to get and manage \
                business comments and to get the account's videos",
};
/// The header with the token.
const TOKEN: &str = "Access-Token";

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// An account's way to the network.
pub struct Way {
    api: Api,
    grant: Grant,
    business: String,
}

impl Way {
    pub fn new(api: Api, grant: Grant, business: String) -> Self {
        Self { api, grant, business }
    }

    /// What the network says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let mut url = self.at(path);
        url.query_pairs_mut()
            .append_pair("business_id", &self.business)
            .extend_pairs(query);
        let call = |token: SecretString| {
            let call = dressed(self.api.reader().get(url.clone()), &token);
            async move { opened(self.api.read(call).await) }
        };
        self.grant.under(call).await
    }

    /// Makes a call that publishes: one attempt, on a connection of its own. Without a token nothing is sent.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, PortError> {
        // Only what TikTok says about the request itself is a refusal.
        let refused = |error: Failed| error.refusal("TikTok", &[400, 403]);
        let token = self.grant.access().await;
        let token = token.map_err(|error| refused(error.unsent()))?;
        let call = dressed(self.api.writer().post(self.at(path)).json(body), &token);
        opened(self.api.publish(call, allowed).await).map_err(refused)
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.at(&["business", "get"])).await
    }

    /// Below the version of the API; TikTok's paths end with a stroke.
    fn at(&self, path: &[&str]) -> Url {
        let mut all = vec!["open_api", "v1.3"];
        all.extend(path);
        all.push("");
        self.api.at(&all)
    }
}

fn dressed(call: RequestBuilder, token: &SecretString) -> RequestBuilder {
    call.header(TOKEN, token.expose_secret())
}

/// What an answer says, out of its envelope.
fn opened<T: DeserializeOwned>(answer: Result<Answer, Failed>) -> Result<T, Failed> {
    let envelope: Envelope = answer?.decode()?;
    if let Some(error) = failure(&envelope) {
        return Err(error);
    }
    let data = envelope.data.as_ref().map_or("{}", |data| data.get());
    decode(data.as_bytes())
}

/// A failure by its code (<https://business-api.tiktok.com/portal/docs?id=1737172488964097>): 401.. are about
/// the token and the quota, 400.. about the request, 5.... about TikTok. 40130 (a scope is missing) and 40131 (the
/// token is not valid) are not on that page: programs that others run are answered with them.
fn failure(envelope: &Envelope) -> Option<Failed> {
    let status = match envelope.code {
        0 => return None,
        40_016 | 40_100 | 40_132 | 40_133 => return Some(Failed::Limited(http::DEFAULT_WAIT)),
        40_101..=40_109 | 40_131 => StatusCode::UNAUTHORIZED,
        40_001 | 40_003 | 40_118 | 40_125 | 40_130 => StatusCode::FORBIDDEN,
        40_000 | 40_002 => StatusCode::BAD_REQUEST,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Some(Failed::Status {
        status,
        told: Some(format!("{}: {}", envelope.code, envelope.message)),
    })
}

/// The API's own words of a failure with another status.
pub fn spoken(body: &[u8]) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    Some(format!("{}: {}", envelope.code, envelope.message))
}
