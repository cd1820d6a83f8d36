//! The calls: every method is a POST with JSON to `/bot<token>/METHOD`
//! (<https://core.telegram.org/bots/api#making-requests>). The token stands in the address, so no address is
//! logged.

use super::wire::{Answered, Refused};
pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Mend};
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::Permit;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const MEND: Mend = Mend {
    unauthorized: "the token is not accepted; @BotFather shows it, and makes a new one with /revoke",
    forbidden: "the bot may not do this",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    match &error {
        Failed::Status { status, .. } if *status == StatusCode::CONFLICT => Lost::Hopeless(format!(
            "{error}: either another program reads this bot's updates, which takes them from us, or a webhook is set; \
             take it off with deleteWebhook, or configure webhook_secret"
        )),
        Failed::Status { .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => {
            error.lost(&MEND)
        }
    }
}

/// A bot's way to Telegram.
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
        let api = api::Api::new(base, source, publishing, clock, spoken)?;
        Ok(Self {
            api: api.waiting(pause),
            token,
        })
    }

    /// Calls a method that reads.
    pub async fn read<T: DeserializeOwned>(&self, method: &str, body: &Value) -> Result<T, Failed> {
        let call = self.api.reader().post(self.at(method)).json(body);
        let answer = self.api.read(call).await.map_err(known)?;
        Ok(answer.decode::<Answered<T>>()?.result)
    }

    /// Calls a method that publishes: one attempt, on a connection of its own.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.api.writer().post(self.at(method)).json(body);
        let answer = self.api.publish(call, allowed).await.map_err(known)?;
        Ok(answer.decode::<Answered<T>>()?.result)
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.at("getMe")).await
    }

    fn at(&self, method: &str) -> Url {
        self.api
            .at(&[&format!("bot{}", self.token.expose_secret()), method])
    }
}

/// A token that has not the form of one is answered with 404.
fn known(error: Failed) -> Failed {
    match error {
        Failed::Status {
            status: StatusCode::NOT_FOUND,
            told: Some(told),
        } => Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            told: Some(told),
        },
        other => other,
    }
}

/// The API's own words.
fn spoken(body: &[u8]) -> Option<String> {
    let told: Refused = serde_json::from_slice(body).ok()?;
    Some(told.description)
}

/// How long a 429 wants us to wait.
fn pause(body: &[u8]) -> Option<Duration> {
    let told: Refused = serde_json::from_slice(body).ok()?;
    let seconds = told.parameters.retry_after?;
    (seconds.is_finite() && seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(86_400.0)))
}
