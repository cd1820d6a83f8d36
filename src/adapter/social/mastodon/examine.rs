//! What `doctor` asks a server.

use super::Mastodon;
use super::api::Failed;
use super::instance::Known;
use crate::adapter::finding::Finding;
use reqwest::StatusCode;
use serde_json::value::RawValue;
use std::time::Duration;

/// How long the stream may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

impl Mastodon {
    /// Whether the token, its scopes, the stream and the clock are well. Publishes nothing.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let known = match self.known().await {
            Ok(known) => known,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("{error}"),
                    "Check url and access_token; a token is made in the account's settings under Development.",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!(
            "the token is of @{} ({:?}, {} characters a post)",
            known.acct, known.software, known.characters
        ))];
        findings.push(self.scopes().await);
        findings.push(self.may_read_notifications().await);
        findings.push(self.stream_answers(&known).await);
        findings.push(Finding::clocks(self.api.date().await, self.clock.now()));
        findings
    }

    /// The token's scopes, where the server tells them (<https://docs.joinmastodon.org/methods/apps/#verify_credentials>).
    async fn scopes(&self) -> Finding {
        #[derive(serde::Deserialize)]
        struct App {
            #[serde(default)]
            scopes: Option<Vec<String>>,
        }
        let app: Result<App, Failed> = self
            .api
            .get(&["api", "v1", "apps", "verify_credentials"], &[])
            .await;
        let Ok(App { scopes: Some(scopes) }) = app else {
            return Finding::well("the server does not tell the token's scopes");
        };
        let has = |wanted: &str| {
            let whole = wanted.split(':').next().unwrap_or(wanted);
            scopes.iter().any(|scope| scope == wanted || scope == whole)
        };
        let needed = [
            "read:notifications",
            "read:statuses",
            "read:accounts",
            "write:statuses",
        ];
        let missing: Vec<_> = needed.into_iter().filter(|scope| !has(scope)).collect();
        if missing.is_empty() {
            Finding::well("the application has the scopes it needs")
        } else {
            Finding::wrong(
                format!("the application lacks {}", missing.join(" ")),
                "Add the scopes in the account's settings under Development, and make the token again.",
            )
        }
    }

    async fn may_read_notifications(&self) -> Finding {
        let page: Result<Vec<Box<RawValue>>, Failed> = self
            .api
            .get(
                &["api", "v1", "notifications"],
                &[("types[]", "mention"), ("limit", "1")],
            )
            .await;
        match page {
            Ok(_) => Finding::well("notifications can be read"),
            Err(
                error @ Failed::Status {
                    status: StatusCode::FORBIDDEN,
                    ..
                },
            ) => Finding::wrong(
                format!("notifications cannot be read ({error})"),
                "Give the token the scope read:notifications.",
            ),
            Err(error) => Finding::wrong(
                format!("notifications cannot be read ({error})"),
                "Try again later; if it stays, ask the server's administrators.",
            ),
        }
    }

    /// Connects to where the stream is. Without a stream the sweep sees everything, only later.
    async fn stream_answers(&self, known: &Known) -> Finding {
        let sweep = format!("without it posts are seen every {:?}", self.poll);
        let Some(url) = &known.streaming else {
            return Finding::well(format!("the server has no stream; {sweep}"));
        };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_or_known_default().unwrap_or(443);
        let connecting = tokio::net::TcpStream::connect((host, port));
        match tokio::time::timeout(PATIENCE, connecting).await {
            Ok(Ok(_)) => Finding::well(format!("the stream's host {host} is reachable")),
            Ok(Err(_)) | Err(_) => Finding::wrong(
                format!("the stream's host {host}:{port} is not reachable; {sweep}"),
                "Open the way to it in the firewall.",
            ),
        }
    }
}
