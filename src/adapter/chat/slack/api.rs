//! Slack's Web API: one call, one meaning for each way it can end.
//!
//! Writing methods take JSON, reading ones a query string (not all of them take JSON:
//! <https://docs.slack.dev/apis/web-api/#post-bodies>). slack-morphism's client is not used: it has no
//! time limit, its rate control knows teams but not channels, and it reports a posted message as
//! failed when the answer has a field it does not expect.

use crate::adapter::http;
use crate::adapter::supervise::Lost;
use crate::domain::Clock;
use crate::port::PortError;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a call may take, unless told otherwise.
pub(super) const CALL: Duration = Duration::from_secs(10);

/// How long bringing a file to Slack may take.
const UPLOAD: Duration = Duration::from_secs(30);

/// How a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// 429.
    #[error("rate limited for {0:?}")]
    Limited(Duration),
    /// No byte went out.
    #[error("Slack cannot be reached: {0}")]
    NotReached(String),
    /// Slack answered `ok: false`.
    #[error("Slack refused {method}: {code}{detail}")]
    Said {
        method: String,
        code: String,
        detail: String,
    },
    /// Everything else.
    #[error("no certain answer from Slack: {0}")]
    Unclear(String),
}

impl Failure {
    /// Slack's word for what is wrong.
    pub(super) fn code(&self) -> Option<&str> {
        match self {
            Self::Said { code, .. } => Some(code),
            Self::Limited(_) | Self::NotReached(_) | Self::Unclear(_) => None,
        }
    }
}

impl From<Failure> for PortError {
    fn from(failure: Failure) -> Self {
        let words = failure.to_string();
        match failure {
            Failure::Limited(wait) => Self::RetryAfter(wait),
            Failure::NotReached(_) => Self::NotReached(words),
            Failure::Unclear(_) => Self::Unknown(words),
            Failure::Said { code, .. } => {
                let words = match mend(&code) {
                    "" => words,
                    mend => format!("{words}; {mend}"),
                };
                match meaning(&code) {
                    Meaning::Credentials => Self::Unauthorized(words),
                    Meaning::Closed => Self::Closed(words),
                    Meaning::Gone => Self::Gone(words),
                    Meaning::Definite => Self::Refused(words),
                    Meaning::Unclear => Self::Unknown(words),
                }
            }
        }
    }
}

impl From<Failure> for Lost {
    fn from(failure: Failure) -> Self {
        match PortError::from(failure) {
            PortError::RetryAfter(wait) => Self::Later(wait),
            PortError::Unauthorized(reason)
            | PortError::Refused(reason)
            | PortError::Gone(reason)
            | PortError::Closed(reason) => Self::Hopeless(reason),
            PortError::NotReached(reason) | PortError::Unknown(reason) => Self::Broken(reason),
        }
    }
}

/// What an error code proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Not executed; the token does not suffice.
    Credentials,
    /// Not executed; the channel takes nothing until somebody mends it.
    Closed,
    /// Not executed; the thread or the message that was meant was deleted.
    Gone,
    /// Not executed; it will be refused again.
    Definite,
    /// Perhaps executed ("some aspect of the operation may have succeeded"), or a code that is not
    /// in the list: look first, then try again.
    Unclear,
}

/// The codes of chat.postMessage, chat.update, files.getUploadURLExternal and their kin:
/// <https://docs.slack.dev/reference/methods/chat.postMessage#errors>.
pub(super) fn meaning(code: &str) -> Meaning {
    match code {
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "missing_scope"
        | "no_permission"
        | "not_allowed_token_type"
        | "access_denied"
        | "org_login_required"
        | "ekm_access_denied"
        | "two_factor_setup_required"
        | "team_access_not_granted" => Meaning::Credentials,
        "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "is_inactive"
        | "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "restricted_action_non_threadable_channel"
        | "external_channel_migrating" => Meaning::Closed,
        "thread_not_found" | "message_not_found" => Meaning::Gone,
        "msg_too_long"
        | "msg_blocks_too_long"
        | "invalid_blocks"
        | "invalid_blocks_format"
        | "no_text"
        | "too_many_attachments"
        | "cant_update_message"
        | "cant_delete_message"
        | "edit_window_closed"
        | "block_mismatch"
        | "cannot_reply_to_message"
        | "restricted_action_thread_locked"
        | "messages_tab_disabled"
        | "metadata_too_large"
        | "metadata_must_be_sent_from_app"
        | "invalid_metadata_format"
        | "invalid_metadata_schema"
        | "as_user_not_supported"
        | "user_not_in_channel"
        | "user_not_found"
        | "user_is_bot"
        | "user_is_restricted"
        | "invalid_arguments"
        | "invalid_arg_name"
        | "invalid_array_arg"
        | "invalid_charset"
        | "invalid_form_data"
        | "invalid_post_type"
        | "missing_post_type"
        | "invalid_json"
        | "json_not_object"
        | "missing_charset"
        | "unknown_method"
        | "method_deprecated"
        | "deprecated_endpoint"
        | "expired_trigger_id"
        | "trigger_expired"
        | "trigger_exchanged"
        | "exchanged_trigger_id"
        | "invalid_trigger_id"
        | "view_too_large"
        | "duplicate_external_id"
        | "hash_conflict"
        | "markdown_text_conflict"
        | "alt_txt_too_large"
        | "file_not_found"
        | "file_type_not_allowed"
        | "file_upload_size_restricted"
        | "file_uploads_disabled"
        | "file_uploads_except_images_disabled"
        | "missing_argument"
        | "posting_to_channel_denied"
        | "storage_limit_reached" => Meaning::Definite,
        _ => Meaning::Unclear,
    }
}

/// What a person can do about it.
pub(super) fn mend(code: &str) -> &'static str {
    match code {
        "not_in_channel" | "channel_not_found" | "user_not_in_channel" => {
            "check the channel's id and invite the bot there with /invite @Hearback"
        }
        "is_archived" | "is_inactive" => "unarchive the channel, or configure another one",
        "missing_scope" | "no_permission" => {
            "add the scope to the app (`hearback manifest slack` lists all) and install the app again"
        }
        "invalid_auth"
        | "not_authed"
        | "token_revoked"
        | "token_expired"
        | "account_inactive"
        | "not_allowed_token_type" => {
            "put the app's current token into [slack] (bot_token begins with xoxb-, app_token with xapp-)"
        }
        "restricted_action"
        | "restricted_action_read_only_channel"
        | "restricted_action_thread_only_channel"
        | "restricted_action_non_threadable_channel" => {
            "let the app post in the channel (channel settings, posting permissions)"
        }
        "expired_trigger_id" | "trigger_expired" | "trigger_exchanged" | "exchanged_trigger_id" => {
            "press again"
        }
        _ => "",
    }
}

/// A good answer.
pub(super) struct Answer {
    /// The body; `ok` is true.
    pub body: Value,
    /// The scopes of the token, if the answer tells them.
    pub scopes: Option<String>,
    /// The platform's time, if the answer tells it.
    pub date: Option<String>,
}

impl Answer {
    /// A text of the body.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.body.pointer(pointer).and_then(Value::as_str)
    }
}

/// The Web API of one workspace.
pub(super) struct Api {
    client: reqwest::Client,
    base: Url,
    limit: Duration,
    clock: Arc<dyn Clock>,
}

impl Api {
    pub(super) fn new(base: &Url, clock: Arc<dyn Clock>) -> reqwest::Result<Self> {
        Ok(Self {
            client: http::client(CALL)?,
            base: base.clone(),
            limit: CALL,
            clock,
        })
    }

    /// Sets how long a call may take.
    pub(super) fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Whether the API is spoken to without TLS: an emulator, never Slack.
    pub(super) fn is_plain(&self) -> bool {
        self.base.scheme() == "http"
    }

    /// The address of a method.
    fn address(&self, method: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{method}", self.base.path().trim_end_matches('/')));
        url
    }

    /// Calls a writing method.
    pub(super) async fn post(
        &self,
        token: &SecretString,
        method: &str,
        body: &impl Serialize,
    ) -> Result<Answer, Failure> {
        let request = self
            .client
            .post(self.address(method))
            .timeout(self.limit)
            .bearer_auth(token.expose_secret())
            .header("content-type", "application/json; charset=utf-8");
        let body = serde_json::to_vec(body).map_err(|error| Failure::Unclear(error.to_string()))?;
        self.finish(method, request.body(body).send().await).await
    }

    /// Calls a reading method.
    pub(super) async fn get(
        &self,
        token: &SecretString,
        method: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        let request = self
            .client
            .get(self.address(method))
            .timeout(self.limit)
            .bearer_auth(token.expose_secret())
            .query(query);
        self.finish(method, request.send().await).await
    }

    /// An address that Slack told, if it may be used: with TLS, or on the emulator that is configured.
    fn told(&self, url: &str) -> Result<Url, Failure> {
        let url: Url = url
            .parse()
            .map_err(|_| Failure::Unclear("the address that Slack told is none".to_owned()))?;
        let ours = self.is_plain() && url.host_str() == self.base.host_str();
        if url.scheme() != "https" && !ours {
            return Err(Failure::Unclear(
                "the address that Slack told has no TLS".to_owned(),
            ));
        }
        Ok(url)
    }

    /// Brings a file to the address that `files.getUploadURLExternal` told. It is no method: what counts is
    /// the status.
    pub(super) async fn upload(&self, url: &str, bytes: &[u8], mime: &str) -> Result<(), Failure> {
        let request = self.client.post(self.told(url)?).timeout(UPLOAD);
        let request = request.header("content-type", mime).body(bytes.to_vec());
        let answer = request.send().await.map_err(|error| broken(&error))?;
        match answer.status().as_u16() {
            200 => Ok(()),
            429 => {
                let wait = answer.headers().get("retry-after");
                let wait = wait.and_then(|value| value.to_str().ok());
                Err(Failure::Limited(http::retry_after(wait, self.clock.now())))
            }
            status => Err(Failure::Unclear(format!("the upload: status {status}"))),
        }
    }

    /// Answers at the address that came with a command or a press.
    pub(super) async fn respond(&self, url: &str, body: &Value) -> Result<(), Failure> {
        let url = self.told(url)?;
        let answer = self
            .client
            .post(url)
            .json(body)
            .send()
            .await
            .map_err(|error| broken(&error))?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(Failure::Unclear(format!("response_url: {}", answer.status())))
    }

    async fn finish(
        &self,
        method: &str,
        sent: reqwest::Result<reqwest::Response>,
    ) -> Result<Answer, Failure> {
        let answer = sent.map_err(|error| broken(&error))?;
        let status = answer.status();
        let header = |name: &str| {
            let value = answer.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let (scopes, date, wait) = (header("x-oauth-scopes"), header("date"), header("retry-after"));
        let wait = || http::retry_after(wait.as_deref(), self.clock.now());
        if status.as_u16() == 429 {
            return Err(Failure::Limited(wait()));
        }
        if !status.is_success() {
            return Err(Failure::Unclear(format!("{method}: {status}")));
        }
        let body = http::body(answer)
            .await
            .map_err(|error| Failure::Unclear(format!("{method}: {error}")))?;
        let body: Value = serde_json::from_slice(&body)
            .map_err(|_| Failure::Unclear(format!("{method}: the answer is not JSON")))?;
        match body.get("ok").and_then(Value::as_bool) {
            Some(true) => Ok(Answer { body, scopes, date }),
            Some(false) => Err(said(method, &body, wait)),
            None => Err(Failure::Unclear(format!("{method}: the answer has no `ok`"))),
        }
    }
}

fn broken(error: &reqwest::Error) -> Failure {
    let words = http::explain(error);
    if http::never_sent(error) {
        Failure::NotReached(words)
    } else {
        Failure::Unclear(words)
    }
}

fn said(method: &str, body: &Value, wait: impl Fn() -> Duration) -> Failure {
    let code = body["error"].as_str().unwrap_or("no reason").to_owned();
    if code == "ratelimited" || code == "rate_limited" {
        return Failure::Limited(wait());
    }
    let messages = body.pointer("/response_metadata/messages");
    let first = messages.and_then(|list| list.get(0)).and_then(Value::as_str);
    let detail = match (body["needed"].as_str(), first) {
        (Some(needed), _) => format!(" (needs {needed})"),
        (None, Some(first)) => format!(" ({first})"),
        (None, None) => String::new(),
    };
    Failure::Said {
        method: method.to_owned(),
        code,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("invalid_auth", Meaning::Credentials)]
    #[case("missing_scope", Meaning::Credentials)]
    #[case("not_in_channel", Meaning::Closed)]
    #[case("channel_not_found", Meaning::Closed)]
    #[case("thread_not_found", Meaning::Gone)]
    #[case("message_not_found", Meaning::Gone)]
    #[case("msg_too_long", Meaning::Definite)]
    #[case("internal_error", Meaning::Unclear)]
    #[case("fatal_error", Meaning::Unclear)]
    #[case("a_code_of_tomorrow", Meaning::Unclear)]
    fn codes_prove_no_more_than_they_say(#[case] code: &str, #[case] expected: Meaning) {
        assert_eq!(meaning(code), expected);
    }

    #[test]
    fn a_refusal_names_the_mend() {
        let failure = Failure::Said {
            method: "chat.postMessage".to_owned(),
            code: "not_in_channel".to_owned(),
            detail: String::new(),
        };
        let PortError::Closed(words) = PortError::from(failure) else {
            panic!("not a closed channel");
        };
        assert_eq!(
            words,
            "Slack refused chat.postMessage: not_in_channel; check the channel's id and invite the bot \
             there with /invite @Hearback"
        );
    }
}
