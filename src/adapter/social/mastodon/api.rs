//! The calls: one GET, one POST, and what their failures mean. The token goes in a header, never
//! into an address, and no address is logged.

use crate::adapter::http;
use crate::adapter::ids::header_safe;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, message};
use crate::port::Permit;
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a reading call may take.
const READING: Duration = Duration::from_secs(30);
/// How much of a server's error text people see.
const MOST_REASON: usize = 300;

/// Why a call had no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// 429: come again later.
    #[error("rate limited for {0:?}")]
    Limited(Duration),
    /// Another status than success; the text is the server's own, if it spoke as the API does.
    #[error("the server answered {status}{}", said(.told.as_deref()))]
    Status {
        /// The status.
        status: StatusCode,
        /// The API's words.
        told: Option<String>,
    },
    /// The connection never stood.
    #[error("{0}")]
    Unreached(String),
    /// It broke, or the answer is not what the API describes.
    #[error("{0}")]
    Broken(String),
}

fn said(text: Option<&str>) -> String {
    text.map(|text| format!(": {text}")).unwrap_or_default()
}

impl Failed {
    /// Whether the API itself says that there is no such thing. A page of a proxy says nothing.
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: StatusCode::NOT_FOUND | StatusCode::GONE,
                told: Some(_),
            }
        )
    }

    /// What the supervisor does about it.
    pub fn lost(self) -> Lost {
        match self {
            Self::Limited(wait) => Lost::Later(wait),
            Self::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => Lost::Hopeless(format!(
                "{self}: the access_token is not accepted; make a new one in the account's settings under Development"
            )),
            Self::Status {
                status: StatusCode::FORBIDDEN,
                ..
            } => Lost::Hopeless(format!(
                "{self}: the access_token needs the scopes read:notifications read:statuses read:accounts write:statuses"
            )),
            Self::Status { .. } | Self::Unreached(_) | Self::Broken(_) => Lost::Broken(self.to_string()),
        }
    }
}

/// An account's way to its server.
pub struct Api {
    base: Url,
    token: SecretString,
    reader: reqwest::Client,
    writer: reqwest::Client,
    clock: Arc<dyn Clock>,
}

impl Api {
    pub fn new(
        base: Url,
        token: SecretString,
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> reqwest::Result<Self> {
        Ok(Self {
            base,
            token,
            reader: http::client(READING)?,
            writer: http::writer(publishing)?,
            clock,
        })
    }

    /// The server's address.
    pub fn base(&self) -> &Url {
        &self.base
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
        let call = self.reader.get(self.address(path)).query(query);
        decode(&self.read(self.authorized(call)).await?)
    }

    /// Reads a public page of the same server, without showing it the token.
    pub async fn get_public<T: DeserializeOwned>(&self, url: Url) -> Result<T, Failed> {
        decode(&self.read(self.reader.get(url)).await?)
    }

    /// The time the server says it is.
    pub async fn date(&self) -> Option<String> {
        let call = self.reader.get(self.address(&["api", "v1", "instance"]));
        let answer = call.send().await.ok()?;
        let date = answer.headers().get(reqwest::header::DATE)?;
        Some(date.to_str().ok()?.to_owned())
    }

    /// Publishes: one attempt, on a connection of its own.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        key: &str,
        body: &serde_json::Value,
        (limit, permit): (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.writer.post(self.address(path)).json(body);
        let call = self
            .authorized(call)
            .header("Idempotency-Key", header_safe(key).as_ref())
            .timeout(limit);
        decode(&http::permitted(permit, self.read(call)).await?)
    }

    /// An address on the server. Segments are escaped: an id cannot leave its place.
    pub fn address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.clear().extend(path);
        }
        url
    }

    fn authorized(&self, call: RequestBuilder) -> RequestBuilder {
        call.header(reqwest::header::AUTHORIZATION, self.authorization())
    }

    async fn read(&self, call: RequestBuilder) -> Result<Vec<u8>, Failed> {
        let answer = call.send().await.map_err(|error| {
            if http::never_sent(&error) {
                Failed::Unreached(http::explain(&error))
            } else {
                Failed::Broken(http::explain(&error))
            }
        })?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Failed::Limited(self.wait(&answer)));
        }
        let body = http::body(answer).await;
        if status.is_success() {
            return body.map_err(Failed::Broken);
        }
        Err(Failed::Status {
            status,
            told: body.ok().and_then(|body| error_text(&body)),
        })
    }

    /// `Retry-After`, or else `X-RateLimit-Reset`, which is an ISO 8601 time here
    /// (<https://docs.joinmastodon.org/api/rate-limits/>).
    fn wait(&self, answer: &Response) -> Duration {
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let told = header("retry-after").or_else(|| header("x-ratelimit-reset"));
        http::retry_after(told, self.clock.now())
    }
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body)
        .map_err(|error| Failed::Broken(format!("the answer is not what the API describes ({error})")))
}

/// The `error` of an answer in JSON: proof that the API itself spoke, and not a proxy before it.
fn error_text(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(message::one_line(&told.error, MOST_REASON))
}
