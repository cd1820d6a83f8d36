//! What `hearback doctor` asks Slack: tokens, scopes, channels, the clock.

use super::Slack;
use super::api::{Answer, Failure, mend};
use crate::adapter::finding::Finding;
use chrono::DateTime;
use secrecy::SecretString;
use serde_json::json;
use std::time::Duration;

/// What the bot token must be allowed to do.
pub(super) const SCOPES: &[&str] = &[
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:write",
    "groups:history",
    "groups:read",
    "usergroups:read",
    "users:read",
];
/// How long each question may take.
const EACH: Duration = Duration::from_secs(10);
/// The most that the clocks may differ, in seconds: signed requests are believed for five minutes.
const MOST_DRIFT: u64 = 60;

fn failed(what: &str, failure: &Failure) -> Finding {
    let mend = match failure.code().map(mend) {
        Some(mend) if !mend.is_empty() => mend,
        Some(_) => "see https://docs.slack.dev/reference/methods",
        None => "check [slack] api_url, the network and https://status.slack.com",
    };
    Finding::wrong(format!("{what}: {failure}"), mend)
}

impl Slack {
    /// Asks Slack about everything that must be right: the tokens, the scopes, the configured
    /// channel and `more` of them, and the clock.
    pub async fn examine(&self, more: &[String]) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.ask(&self.bot_token, "auth.test", &[]).await {
            Ok(answer) => self.examine_token(&answer, &mut findings),
            Err(failure) => {
                findings.push(failed("Slack bot token", &failure));
                return findings;
            }
        }
        findings.push(self.examine_transport().await);
        let mut channels = vec![self.channel.clone()];
        channels.extend(more.iter().filter(|channel| **channel != self.channel).cloned());
        for channel in channels {
            findings.push(self.examine_channel(&channel).await);
        }
        for group in &self.groups {
            let query = [("usergroup", group.as_str())];
            findings.push(
                match self.ask(&self.bot_token, "usergroups.users.list", &query).await {
                    Ok(_) => Finding::well(format!("Slack user group {group}: readable")),
                    Err(failure) => failed(&format!("Slack user group {group}"), &failure),
                },
            );
        }
        findings
    }

    async fn ask(
        &self,
        token: &SecretString,
        method: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer, Failure> {
        match tokio::time::timeout(EACH, self.api.get(token, method, query)).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::Unclear(format!("{method}: no answer in {EACH:?}"))),
        }
    }

    fn examine_token(&self, answer: &Answer, findings: &mut Vec<Finding>) {
        let text = |pointer| answer.text(pointer).unwrap_or("?");
        findings.push(Finding::well(format!(
            "Slack bot token: {} in the workspace {} ({})",
            text("/user"),
            text("/team"),
            text("/team_id")
        )));
        if let Some(granted) = &answer.scopes {
            let granted: Vec<_> = granted.split(',').map(str::trim).collect();
            let missing: Vec<_> = SCOPES
                .iter()
                .filter(|scope| !granted.contains(scope))
                .copied()
                .collect();
            findings.push(if missing.is_empty() {
                Finding::well("Slack scopes: all there")
            } else {
                Finding::wrong(
                    format!("Slack scopes: {} missing", missing.join(", ")),
                    "add them under OAuth & Permissions (`hearback manifest slack` lists all) and install the \
                     app again",
                )
            });
        }
        let date = answer
            .date
            .as_deref()
            .and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        if let Some(date) = date {
            let drift = self.clock.now().timestamp().abs_diff(date.timestamp());
            findings.push(if drift <= MOST_DRIFT {
                Finding::well("Clock: agrees with Slack's")
            } else {
                Finding::wrong(
                    format!("Clock: {drift} seconds from Slack's"),
                    "set the machine's clock (for example with NTP): signatures older than five minutes are \
                     refused",
                )
            });
        }
    }

    async fn examine_transport(&self) -> Finding {
        let Some(token) = &self.app_token else {
            return if self.signing_secret.is_some() {
                Finding::well("Slack HTTP mode: the signing secret is set")
            } else {
                Finding::wrong(
                    "Slack: neither app_token nor signing_secret",
                    "set [slack] app_token (Socket Mode) or signing_secret (HTTP mode)",
                )
            };
        };
        let opened =
            tokio::time::timeout(EACH, self.api.post(token, "apps.connections.open", &json!({}))).await;
        match opened {
            Ok(Ok(_)) => Finding::well("Slack app token: Socket Mode opens"),
            Ok(Err(failure)) if failure.code() == Some("missing_scope") => Finding::wrong(
                format!("Slack app token: {failure}"),
                "give the app-level token the scope connections:write",
            ),
            Ok(Err(failure)) => failed("Slack app token", &failure),
            Err(_) => failed(
                "Slack app token",
                &Failure::Unclear(format!("no answer in {EACH:?}")),
            ),
        }
    }

    async fn examine_channel(&self, channel: &str) -> Finding {
        let query = [("channel", channel)];
        let answer = match self.ask(&self.bot_token, "conversations.info", &query).await {
            Ok(answer) => answer,
            Err(failure) => return failed(&format!("Slack channel {channel}"), &failure),
        };
        let name = answer.text("/channel/name").unwrap_or(channel);
        let is = |what: &str| answer.body["channel"][what].as_bool() == Some(true);
        if is("is_archived") {
            return Finding::wrong(format!("Slack channel #{name}: archived"), mend("is_archived"));
        }
        if !is("is_member") {
            return Finding::wrong(
                format!("Slack channel #{name}: the bot is not in it"),
                mend("not_in_channel"),
            );
        }
        Finding::well(format!("Slack channel #{name}: the bot is in it"))
    }
}
