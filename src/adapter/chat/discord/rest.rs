//! Calls of Discord's REST API.
//!
//! serenity's HTTP client is not used: its limiter ignores a base address and sleeps inside locks,
//! and without the limiter a 429 loses its `Retry-After`. What is sent is built by serenity's
//! builders where they carry; one small client sends it, with its own books of limits, and never
//! tries anything twice by itself.

use super::budget::{Budget, Held};
use crate::adapter::http;
use crate::adapter::link::Link;
use crate::domain::{Clock, Instant};
use crate::port::PortError;
use reqwest::multipart::{Form, Part};
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// The most time one call takes.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The most time a call with a file takes.
const UPLOAD: Duration = Duration::from_secs(45);

/// The channel or thread does not exist.
pub(super) const UNKNOWN_CHANNEL: u64 = 10003;
/// The message does not exist.
pub(super) const UNKNOWN_MESSAGE: u64 = 10008;

/// Why a call had no success. Names Discord's error code where it gave one.
#[derive(Debug)]
pub(super) enum Failure {
    /// No byte left.
    NotReached(String),
    /// Discord, or our own books, want us to wait.
    Limited(Duration),
    /// The token is not accepted.
    Unauthorized,
    /// Discord refused, with its code (0 if it gave none) and its words.
    Refused { status: u16, code: u64, words: String },
    /// Nobody knows whether it was done.
    Unknown(String),
}

impl Failure {
    /// Discord's error code, if it refused with one.
    pub(super) fn code(&self) -> Option<u64> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::NotReached(_) | Self::Limited(_) | Self::Unauthorized | Self::Unknown(_) => None,
        }
    }

    /// As the core reads it where a thread of ours, or a message in one, was meant: it may have been
    /// deleted. A missing home channel is no such case.
    pub(super) fn port_of_thread(self, what: &str) -> PortError {
        // Discord says 10003 or 10008; servers that speak its API have codes of their own.
        let gone = matches!(&self, Self::Refused { status: 404, code, .. } if *code != 0);
        match self.port(what) {
            PortError::Refused(text) if gone => PortError::Gone(text),
            other => other,
        }
    }

    /// As one of which nobody knows whether it was done, whatever it was: an earlier call of the same
    /// delivery was done.
    pub(super) fn after_another(self, what: &str) -> Self {
        match self {
            Self::Unknown(reason) => Self::Unknown(reason),
            other => Self::Unknown(format!("half done: {}", other.port(what))),
        }
    }

    /// As the core reads it: `what` was tried, for example `open a thread in channel 123`.
    pub(super) fn port(self, what: &str) -> PortError {
        match self {
            Self::NotReached(reason) => PortError::NotReached(format!("Discord: {reason}")),
            Self::Limited(wait) => PortError::RetryAfter(wait),
            Self::Unauthorized => PortError::Unauthorized(
                "Discord does not accept the bot token; put the current one into [discord] token".to_owned(),
            ),
            // Not Discord's own refusal: a wrong address, or somebody in between.
            Self::Refused { status, code: 0, .. } if matches!(status, 404 | 405) => {
                PortError::Unknown(format!("Discord: status {status}; check [discord] api_url"))
            }
            Self::Refused { status, code, words } => {
                let text = format!(
                    "Discord refused to {what}: {words} ({status}, code {code}){}",
                    mend(code, status)
                );
                if closes(code) {
                    PortError::Closed(text)
                } else {
                    PortError::Refused(text)
                }
            }
            Self::Unknown(reason) => PortError::Unknown(format!("Discord: {reason}")),
        }
    }
}

/// Whether a refusal closes the whole channel until somebody mends it: the server or the access to it
/// is missing, permissions are, it has too many threads, or it demands a tag and has none. A thread
/// that is gone or locked closes only itself.
fn closes(code: u64) -> bool {
    matches!(code, 10004 | 40067 | 50001 | 50013 | 160_006)
}

/// What a person can do about a refusal.
/// Codes: <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>
fn mend(code: u64, status: u16) -> &'static str {
    match code {
        UNKNOWN_CHANNEL => ". The channel or thread is gone or was never visible to the bot: check the id",
        10004 => ". Invite the bot into the server, or check [discord] guild",
        UNKNOWN_MESSAGE => ". The message was deleted in Discord",
        40058 => ". That is a forum: it takes posts, not messages",
        40067 => ". The forum demands a tag: add at least one tag to it",
        50001 => {
            ". Give the bot View Channel and Send Messages in the channel (and Send Messages in Threads, \
             Create Public Threads, Embed Links, Read Message History)"
        }
        50013 => {
            ". The bot lacks a permission there: View Channel, Send Messages, Send Messages in Threads, \
             Create Public Threads, Embed Links, Attach Files, Read Message History"
        }
        50083 => ". The thread is archived and could not be opened again",
        160_005 => ". The thread is locked: unlock it, or give the bot Manage Threads",
        160_006 => ". The server has too many active threads: archive some",
        200_000 => ". The server's AutoMod blocked the text: exempt the bot's role from that rule",
        _ if status == 403 => ". Check the bot's permissions in that channel",
        _ => "",
    }
}

/// The client.
pub(super) struct Rest {
    client: reqwest::Client,
    base: String,
    token: SecretString,
    budget: Budget,
    clock: Arc<dyn Clock>,
    link: Link,
}

/// A call's address: its path, and the route whose limit it shares.
#[derive(Debug, Clone)]
pub(super) struct Route {
    path: String,
    bucket: String,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// Carries the bot token and counts against all limits.
    Bot,
    /// An interaction's own address: carries its token in the path, and no limit of ours.
    Interaction,
}

impl Route {
    /// `bucket` is the path with the major id only: what Discord counts together.
    pub(super) fn bot(path: impl Into<String>, bucket: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            bucket: bucket.into(),
            bound: Bound::Bot,
        }
    }

    /// A path that is its own bucket.
    pub(super) fn plain(path: impl Into<String>) -> Self {
        let path = path.into();
        Self::bot(path.clone(), path)
    }

    /// An interaction's callback or follow-up: "not bound to the bot's global rate limit".
    /// <https://discord.com/developers/docs/interactions/receiving-and-responding#endpoints>
    pub(super) fn interaction(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            bucket: String::new(),
            bound: Bound::Interaction,
        }
    }
}

impl Rest {
    pub(super) fn new(
        api: &url::Url,
        token: SecretString,
        clock: Arc<dyn Clock>,
        link: Link,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            client: http::client(TIMEOUT)?,
            base: format!("{}/api/v10", api.as_str().trim_end_matches('/')),
            token,
            budget: Budget::new(Arc::clone(&clock)),
            clock,
            link,
        })
    }

    pub(super) async fn get(&self, route: Route) -> Result<Value, Failure> {
        self.call(Method::GET, route, None).await
    }

    /// One call, once. An empty answer is `null`.
    pub(super) async fn call(
        &self,
        method: Method,
        route: Route,
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let (value, _) = self.call_dated(method, route, body).await?;
        Ok(value)
    }

    /// As [`Self::call`], with Discord's time.
    pub(super) async fn call_dated(
        &self,
        method: Method,
        route: Route,
        body: Option<&Value>,
    ) -> Result<(Value, Option<Instant>), Failure> {
        let fill = |request: RequestBuilder| match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.call_with(method, route, fill).await
    }

    /// Posts with a file: its name, its MIME type, its bytes
    /// (<https://discord.com/developers/docs/reference#uploading-files>).
    pub(super) async fn upload(
        &self,
        route: Route,
        body: &Value,
        (name, mime, bytes): (String, &str, Vec<u8>),
    ) -> Result<Value, Failure> {
        let unsound = |error: reqwest::Error| Failure::Unknown(http::explain(&error));
        let payload = Part::text(body.to_string());
        let payload = payload.mime_str("application/json").map_err(unsound)?;
        let file = Part::bytes(bytes).file_name(name);
        let file = file.mime_str(mime).map_err(unsound)?;
        let form = Form::new().part("payload_json", payload).part("files[0]", file);
        let fill = |request: RequestBuilder| request.multipart(form).timeout(UPLOAD);
        let (value, _) = self.call_with(Method::POST, route, fill).await?;
        Ok(value)
    }

    async fn call_with(
        &self,
        method: Method,
        route: Route,
        fill: impl FnOnce(RequestBuilder) -> RequestBuilder,
    ) -> Result<(Value, Option<Instant>), Failure> {
        let bucket = format!("{method} {}", route.bucket);
        if route.bound == Bound::Bot {
            self.budget.enter(&bucket).await.map_err(|held| match held {
                Held::For(wait) => Failure::Limited(wait),
                Held::Token => Failure::Unauthorized,
            })?;
        }
        let mut request = self
            .client
            .request(method, format!("{}{}", self.base, route.path));
        if route.bound == Bound::Bot {
            request = request.header("Authorization", format!("Bot {}", self.token.expose_secret()));
        }
        let end = match fill(request).send().await {
            Ok(answer) => self.read(answer, &bucket, route.bound).await,
            Err(error) if http::never_sent(&error) => Err(Failure::NotReached(http::explain(&error))),
            Err(error) => Err(Failure::Unknown(http::explain(&error))),
        };
        self.tell(&end);
        end
    }

    fn tell<T>(&self, end: &Result<T, Failure>) {
        match end {
            Ok(_) | Err(Failure::Refused { .. }) => self.link.up(),
            Err(Failure::Limited(_)) => {}
            Err(Failure::Unauthorized) => {
                self.link
                    .down("the bot token is not accepted; put the current one into [discord] token");
            }
            Err(Failure::NotReached(reason) | Failure::Unknown(reason)) => self.link.down(reason.clone()),
        }
    }

    async fn read(
        &self,
        answer: reqwest::Response,
        bucket: &str,
        bound: Bound,
    ) -> Result<(Value, Option<Instant>), Failure> {
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        if bound == Bound::Bot {
            self.budget.note(bucket, status, &headers);
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let date = text("date")
            .and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok())
            .map(|date| date.to_utc());
        let bytes = http::body(answer).await;
        if (200..300).contains(&status) {
            let bytes = bytes.map_err(Failure::Unknown)?;
            if bytes.is_empty() {
                return Ok((Value::Null, date));
            }
            let value = serde_json::from_slice(&bytes)
                .map_err(|error| Failure::Unknown(format!("an answer that is not JSON ({error})")))?;
            return Ok((value, date));
        }
        let told: Value = bytes
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        if status == 429 {
            let after = told["retry_after"].as_f64().map(|seconds| seconds.to_string());
            let wait = http::retry_after(after.as_deref().or(text("retry-after")), self.clock.now());
            if bound == Bound::Bot {
                let global = told["global"].as_bool() == Some(true) || text("x-ratelimit-global").is_some();
                self.budget.limited(bucket, wait, global);
            }
            return Err(Failure::Limited(wait));
        }
        match bound {
            Bound::Bot => Err(classify(status, &told)),
            Bound::Interaction if status >= 500 => Err(Failure::Unknown(format!("status {status}"))),
            // A 401 here speaks of the interaction's token, not of the bot's.
            Bound::Interaction => Err(Failure::Refused {
                status,
                code: told["code"].as_u64().unwrap_or_default(),
                words: words(&told),
            }),
        }
    }
}

/// What a status other than success and 429 means.
fn classify(status: u16, told: &Value) -> Failure {
    let code = told["code"].as_u64();
    match (status, code) {
        (401, _) => Failure::Unauthorized,
        // Refusals carry Discord's own error object; anything else is somebody in between.
        (400 | 403 | 404, Some(code)) => Failure::Refused {
            status,
            code,
            words: words(told),
        },
        (404 | 405, None) => Failure::Refused {
            status,
            code: 0,
            words: format!("status {status} without a reason"),
        },
        _ => Failure::Unknown(format!("status {status}")),
    }
}

/// Discord's words, with the places its form errors name.
fn words(told: &Value) -> String {
    let mut out = told["message"].as_str().unwrap_or("no reason given").to_owned();
    let mut places = Vec::new();
    collect_errors(&told["errors"], "", &mut places);
    if !places.is_empty() {
        places.truncate(3);
        out = format!("{out}: {}", places.join("; "));
    }
    crate::domain::message::one_line(&out, 300)
}

fn collect_errors(errors: &Value, at: &str, places: &mut Vec<String>) {
    let Some(map) = errors.as_object() else { return };
    for (key, inner) in map {
        if key == "_errors" {
            for error in inner.as_array().into_iter().flatten() {
                let message = error["message"].as_str().unwrap_or_default();
                places.push(format!("{at} {message}"));
            }
        } else {
            let at = if at.is_empty() {
                key.clone()
            } else {
                format!("{at}.{key}")
            };
            collect_errors(inner, &at, places);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_found_in_the_apis_own_words_is_gone() {
        for code in [UNKNOWN_CHANNEL, UNKNOWN_MESSAGE, 404] {
            let told = json!({"code": code, "message": "Could not be found"});
            let failure = classify(404, &told);
            assert!(
                matches!(failure.port_of_thread("post"), PortError::Gone(_)),
                "{code}"
            );
        }
        let proxy = classify(404, &serde_json::Value::Null);
        assert!(matches!(proxy.port_of_thread("post"), PortError::Unknown(_)));
    }
    use serde_json::json;

    #[test]
    fn refusals_say_what_to_mend() {
        let told = json!({"message": "Missing Access", "code": 50001});
        let PortError::Closed(text) = classify(403, &told).port("post in channel 7") else {
            panic!("the channel is not closed");
        };
        insta::assert_snapshot!(text, @"Discord refused to post in channel 7: Missing Access (403, code 50001). Give the bot View Channel and Send Messages in the channel (and Send Messages in Threads, Create Public Threads, Embed Links, Read Message History)");
    }

    #[test]
    fn a_thread_that_is_gone_closes_only_itself() {
        let told = json!({"message": "Unknown Channel", "code": 10003});
        assert!(matches!(classify(404, &told).port("open"), PortError::Refused(_)));
        assert!(matches!(
            classify(404, &told).port_of_thread("post"),
            PortError::Gone(_)
        ));
        let told = json!({"message": "Thread is locked", "code": 160_005});
        assert!(matches!(classify(400, &told).port("post"), PortError::Refused(_)));
    }

    #[test]
    fn form_errors_name_their_place() {
        let told = json!({"message": "Invalid Form Body", "code": 50035,
            "errors": {"embeds": {"0": {"title": {"_errors": [{"code": "X", "message": "Too long."}]}}}}});
        insta::assert_snapshot!(words(&told), @"Invalid Form Body: embeds.0.title Too long.");
    }

    #[test]
    fn what_is_not_discords_own_refusal_proves_nothing() {
        assert!(matches!(classify(400, &Value::Null), Failure::Unknown(_)));
        assert!(matches!(classify(502, &json!({"code": 0})), Failure::Unknown(_)));
        assert!(matches!(classify(401, &Value::Null), Failure::Unauthorized));
    }
}
