//! The thin way to a network's HTTP API that the connectors share: one reading and one publishing client,
//! answers by what they prove, the waits that a platform asks for, and its meter read from the headers.

use super::http;
use super::meter::Meter;
use super::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName, message};
use crate::port::{Permit, PortError};
use chrono::DateTime;
use reqwest::header::HeaderMap;
use reqwest::{RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a reading call may take.
const READING: Duration = Duration::from_secs(30);
/// How much of a platform's error text people see.
const MOST_REASON: usize = 300;
/// A number in a reset header from here on is a time (seconds since 1970), below it is a duration.
const EPOCH: f64 = 1e9;

/// Why a call had no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// 429: come again later.
    #[error("rate limited for {0:?}")]
    Limited(Duration),
    /// Another status than success; the text is the platform's own, if it spoke as its API does.
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

/// What somebody can do where the platform does not let us in.
#[derive(Debug, Clone, Copy)]
pub struct Mend {
    /// The credentials are not accepted.
    pub unauthorized: &'static str,
    /// They are, and do not suffice.
    pub forbidden: &'static str,
}

impl Failed {
    /// Whether the API itself says that there is no such thing. A page of a proxy says nothing.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: StatusCode::NOT_FOUND | StatusCode::GONE,
                told: Some(_),
            }
        )
    }

    /// Whether it would meet every other call as well: it is nothing of what was asked for.
    #[must_use]
    pub fn is_everywhere(&self) -> bool {
        matches!(self, Self::Limited(_) | Self::Unreached(_)) || self.is_unauthorized()
    }

    /// Whether the credentials are not accepted.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        let unauthorized = StatusCode::UNAUTHORIZED;
        matches!(self, Self::Status { status, .. } if *status == unauthorized)
    }

    /// What the supervisor does about it.
    #[must_use]
    pub fn lost(self, mend: &Mend) -> Lost {
        match self {
            Self::Limited(wait) => Lost::Later(wait),
            Self::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => Lost::Hopeless(format!("{self}: {}", mend.unauthorized)),
            Self::Status {
                status: StatusCode::FORBIDDEN,
                ..
            } => Lost::Hopeless(format!("{self}: {}", mend.forbidden)),
            Self::Status { .. } | Self::Unreached(_) | Self::Broken(_) => Lost::Broken(self.to_string()),
        }
    }

    /// As a failure of the publishing call. Definite are the statuses with which `platform` refuses before it
    /// publishes, where it speaks as its API does; 401 is one of them. Nobody knows what any other means.
    #[must_use]
    pub fn refusal(self, platform: &str, definite: &[u16]) -> PortError {
        match &self {
            Self::Limited(wait) => PortError::RetryAfter(*wait),
            Self::Unreached(why) => PortError::NotReached(why.clone()),
            Self::Broken(why) => PortError::Unknown(why.clone()),
            Self::Status {
                status,
                told: Some(_),
            } => match status.as_u16() {
                401 => PortError::Unauthorized(self.to_string()),
                status if definite.contains(&status) => {
                    PortError::Refused(format!("{platform} refused: {self}"))
                }
                _ => PortError::Unknown(self.to_string()),
            },
            Self::Status { told: None, .. } => PortError::Unknown(self.to_string()),
        }
    }

    /// As a failure of a look, which proves nothing about what was looked for.
    #[must_use]
    pub fn unread(self) -> PortError {
        match self {
            Self::Limited(wait) => PortError::RetryAfter(wait),
            Self::Status { .. } | Self::Unreached(_) | Self::Broken(_) => {
                PortError::Unknown(format!("the look-up: {self}"))
            }
        }
    }

    /// As a failure before the first byte of a publishing call left, such as that no token was to be had:
    /// whatever it was, nothing was published.
    #[must_use]
    pub fn unsent(self) -> Self {
        match self {
            Self::Limited(_)
            | Self::Unreached(_)
            | Self::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            } => self,
            Self::Status { .. } | Self::Broken(_) => Self::Unreached(self.to_string()),
        }
    }

    /// As a failure before anything was published. What the platform refuses to show stays refused; what
    /// broke may be tried again.
    #[must_use]
    pub fn before(self, mend: &Mend) -> PortError {
        match self {
            Self::Limited(wait) => PortError::RetryAfter(wait),
            Self::Status {
                status: StatusCode::UNAUTHORIZED,
                told: Some(_),
            } => PortError::Unauthorized(self.to_string()),
            Self::Status {
                status,
                told: Some(_),
            } if status.is_client_error() => PortError::Refused(format!(
                "{self} when the post was to be read before answering it: {}",
                mend.forbidden
            )),
            Self::Status { .. } | Self::Unreached(_) | Self::Broken(_) => {
                PortError::NotReached(format!("the post could not be read before answering it: {self}"))
            }
        }
    }
}

/// A success.
#[derive(Debug)]
pub struct Answer {
    /// What it says about itself.
    pub headers: HeaderMap,
    /// What it says.
    pub body: Vec<u8>,
}

impl Answer {
    /// What it says, in this form.
    ///
    /// # Errors
    /// It is not what the API describes.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Failed> {
        decode(&self.body)
    }
}

/// What a body says, in this form.
///
/// # Errors
/// It is not what the API describes.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body)
        .map_err(|error| Failed::Broken(format!("the answer is not what the API describes ({error})")))
}

/// Reads the API's own words out of the body of a failure; `None` where it is not the API that spoke.
pub type Spoken = fn(&[u8]) -> Option<String>;

/// Reads out of the body of a 429 how long to wait; `None` where its headers have to tell.
pub type Waits = fn(&[u8]) -> Option<Duration>;

/// A platform's API at an address.
pub struct Api {
    base: Url,
    reader: reqwest::Client,
    writer: reqwest::Client,
    clock: Arc<dyn Clock>,
    spoken: Spoken,
    waits: Waits,
    /// Whether a limit may be told by 403.
    forbids: bool,
    meter: Meter,
}

impl Api {
    /// The API below `base`; a publishing call may take as long as `publishing`.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        base: Url,
        source: &SourceName,
        publishing: Duration,
        clock: Arc<dyn Clock>,
        spoken: Spoken,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            matches!(base.scheme(), "http" | "https"),
            "the url must begin with https://"
        );
        Ok(Self {
            base,
            reader: http::client(READING)?,
            writer: http::writer(publishing)?,
            clock,
            spoken,
            waits: |_| None,
            forbids: false,
            meter: Meter::new(source),
        })
    }

    /// The same, of a platform that tells in the body of a 429 how long to wait.
    #[must_use]
    pub fn waiting(self, waits: Waits) -> Self {
        Self { waits, ..self }
    }

    /// The same, of a platform that tells of a limit by 403, too: with a time to wait, or with nothing left.
    #[must_use]
    pub fn forbidding(self) -> Self {
        Self {
            forbids: true,
            ..self
        }
    }

    /// The address everything is below.
    #[must_use]
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// What the platform says about our quota.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// An address on the platform. Segments are escaped: an id cannot leave its place.
    #[must_use]
    pub fn at(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.set_query(None);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// The client for reading.
    #[must_use]
    pub fn reader(&self) -> &reqwest::Client {
        &self.reader
    }

    /// The client for publishing: no redirects, no retries, a connection for each call.
    #[must_use]
    pub fn writer(&self) -> &reqwest::Client {
        &self.writer
    }

    /// Makes a call that reads.
    ///
    /// # Errors
    /// It had no success.
    pub async fn read(&self, call: RequestBuilder) -> Result<Answer, Failed> {
        let answer = self.open(call).await?;
        let headers = answer.headers().clone();
        let body = http::body(answer).await.map_err(Failed::Broken)?;
        Ok(Answer { headers, body })
    }

    /// Makes a call whose answer is read as it comes.
    ///
    /// # Errors
    /// It had no success.
    pub async fn open(&self, call: RequestBuilder) -> Result<reqwest::Response, Failed> {
        let answer = call.send().await.map_err(|error| {
            if http::never_sent(&error) {
                Failed::Unreached(http::explain(&error))
            } else {
                Failed::Broken(http::explain(&error))
            }
        })?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        self.meter.read(&headers);
        if status.is_success() {
            return Ok(answer);
        }
        let body = http::body(answer).await.ok();
        if status == StatusCode::TOO_MANY_REQUESTS || self.forbids && is_limit(status, &headers) {
            let told = body.and_then(|body| (self.waits)(&body));
            let told = told.map(|wait| wait.clamp(http::LEAST_WAIT, http::LONGEST_WAIT));
            return Err(Failed::Limited(
                told.unwrap_or_else(|| wait(&headers, self.clock.now())),
            ));
        }
        let told = body.and_then(|body| (self.spoken)(&body));
        Err(Failed::Status {
            status,
            told: told.map(|text| message::one_line(&text, MOST_REASON)),
        })
    }

    /// Makes a call of the [`Self::writer`] that publishes: one attempt, whose first byte leaves only after
    /// the permit was asked.
    ///
    /// # Errors
    /// It had no success, or nobody knows.
    pub async fn publish(
        &self,
        call: RequestBuilder,
        (limit, permit): (Duration, &Permit),
    ) -> Result<Answer, Failed> {
        http::permitted(permit, self.read(call.timeout(limit))).await
    }

    /// The time that the platform says it is.
    pub async fn date(&self, url: Url) -> Option<Instant> {
        let answer = self.reader.get(url).send().await.ok()?;
        let date = answer.headers().get(reqwest::header::DATE)?.to_str().ok()?;
        Some(DateTime::parse_from_rfc2822(date).ok()?.to_utc())
    }
}

/// Whether a 403 tells of a limit.
fn is_limit(status: StatusCode, headers: &HeaderMap) -> bool {
    let left = headers.get("x-ratelimit-remaining");
    status == StatusCode::FORBIDDEN
        && (headers.contains_key("retry-after") || left.is_some_and(|left| left.as_bytes() == b"0"))
}

/// How long a limited call has to wait: `Retry-After`, or else when the quota is full again, in the forms
/// that platforms give it (seconds since 1970, seconds from now, a date).
fn wait(headers: &HeaderMap, now: Instant) -> Duration {
    let header = |name: &&str| headers.get(*name).and_then(|value| value.to_str().ok());
    if let Some(told) = header(&"retry-after") {
        return http::retry_after(Some(told), now);
    }
    let resets = ["x-ratelimit-reset", "x-rate-limit-reset", "ratelimit-reset"];
    let told = resets.iter().find_map(header);
    let date = told
        .and_then(|text| text.trim().parse::<f64>().ok())
        .filter(|at| *at >= EPOCH);
    #[expect(clippy::cast_possible_truncation, reason = "a time that fits no i64 is none")]
    match date.and_then(|at| DateTime::from_timestamp(at as i64, 0)) {
        Some(at) => http::retry_after(Some(&at.to_rfc3339()), now),
        None => http::retry_after(told, now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::seconds("retry-after", "7", 7)]
    #[case::epoch("x-rate-limit-reset", "1800000030", 30)]
    #[case::from_now("x-ratelimit-reset", "12.0", 12)]
    #[case::iso("x-ratelimit-reset", "2027-01-15T08:00:20Z", 20)]
    #[case::epoch_of_bluesky("ratelimit-reset", "1800000090", 90)]
    fn every_way_to_say_when_is_understood(
        #[case] name: &'static str,
        #[case] value: &str,
        #[case] seconds: u64,
    ) {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let headers = HeaderMap::from_iter([(
            reqwest::header::HeaderName::from_static(name),
            value.parse().unwrap(),
        )]);
        assert_eq!(wait(&headers, now), Duration::from_secs(seconds));
    }

    #[test]
    fn what_failed_before_the_first_byte_was_not_sent() {
        let status = |status, told: &str| Failed::Status {
            status,
            told: Some(told.to_owned()),
        };
        let broken = Failed::Broken("the vault is shut".to_owned());
        assert_eq!(broken.unsent(), Failed::Unreached("the vault is shut".to_owned()));
        let desk = status(StatusCode::INTERNAL_SERVER_ERROR, "oops").unsent();
        assert!(matches!(desk, Failed::Unreached(why) if why.contains("oops")));
        let refused = status(StatusCode::UNAUTHORIZED, "no");
        assert_eq!(refused.clone().unsent(), refused);
    }

    #[test]
    fn an_id_cannot_leave_its_place() {
        let clock: Arc<dyn Clock> = Arc::new(crate::domain::SystemClock);
        let base = Url::parse("https://host.example/api").unwrap();
        let api = Api::new(base, &SourceName::new("a"), READING, clock, |_| None).unwrap();
        let at = api.at(&["posts", "../../x?y#z"]);
        assert_eq!(at.as_str(), "https://host.example/api/posts/..%2F..%2Fx%3Fy%23z");
    }
}
