//! The filtered stream: what others say, some seconds after they said it
//! (<https://docs.x.com/x-api/posts/filtered-stream/introduction>). It wants the application's own bearer
//! token, and its rules: those are kept the same as `search`. What it misses comes with the sweep.

use super::X;
use super::call::{Failed, lost};
use super::wire::Rule;
use crate::adapter::http;
use crate::adapter::push::Rejected;
use crate::adapter::supervise::Lost;
use crate::app::Inbound;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use url::Url;

/// How long one connection may last; then it is made anew.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long silence counts as alive: a sign of life comes every 20 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest line that is read.
const MOST_LINE: usize = 1024 * 1024;

impl X {
    /// Listens until the stream ends.
    pub(super) async fn stream(&self, token: &SecretString, inbound: &Inbound) -> Result<(), Lost> {
        self.keep_rules(token).await.map_err(lost)?;
        let mut url = self.way.api().at(&["2", "tweets", "search", "stream"]);
        url.query_pairs_mut().extend_pairs(super::FIELDS);
        let call = self.way.api().reader().get(url).timeout(LONGEST);
        let connecting = call.bearer_auth(token.expose_secret()).send();
        let answer = tokio::time::timeout(SILENCE, connecting).await;
        let mut answer = answer
            .map_err(|_| Lost::Broken("the stream did not begin in time".to_owned()))?
            .map_err(|error| Lost::Broken(http::explain(&error)))?;
        if answer.status() != StatusCode::OK {
            return Err(refused(&self.clock, &answer));
        }
        self.streaming.up();
        let mut line = Vec::new();
        loop {
            let piece = tokio::time::timeout(SILENCE, answer.chunk()).await;
            let piece = piece
                .map_err(|_| Lost::Broken("the stream fell silent".to_owned()))?
                .map_err(|error| Lost::Broken(http::explain(&error)))?;
            let Some(piece) = piece else {
                return Err(Lost::Broken("X closed the stream".to_owned()));
            };
            for byte in piece {
                match byte {
                    b'\n' => {
                        self.heard(inbound, &line).await?;
                        line.clear();
                    }
                    byte if line.len() < MOST_LINE => line.push(byte),
                    _ => return Err(Lost::Broken("the stream sends a line without an end".to_owned())),
                }
            }
        }
    }

    async fn heard(&self, inbound: &Inbound, line: &[u8]) -> Result<(), Lost> {
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        if line.is_empty() {
            return Ok(());
        }
        #[derive(Deserialize)]
        struct Told {
            data: Option<serde::de::IgnoredAny>,
            #[serde(default)]
            errors: Vec<super::wire::Problem>,
        }
        if let Ok(Told { data: None, errors }) = serde_json::from_str(line)
            && let Some(problem) = errors.first()
        {
            return Err(Lost::Broken(format!(
                "X ends the stream: {}",
                super::call::why(Some(problem))
            )));
        }
        match self.taken(inbound, "stream", line).await {
            Ok(()) => Ok(()),
            Err(Rejected::Unavailable(why)) => Err(Lost::Broken(why)),
            Err(other) => Err(Lost::Broken(format!("{other:?}"))),
        }
    }

    /// Makes the rules of this source the same as its searches; those of others are left alone.
    async fn keep_rules(&self, token: &SecretString) -> Result<(), Failed> {
        #[derive(Deserialize)]
        struct Rules {
            #[serde(default)]
            data: Vec<Rule>,
        }
        let url = self.way.api().at(&["2", "tweets", "search", "stream", "rules"]);
        let reading = self.way.api().reader().get(url.clone());
        let answer = self
            .way
            .api()
            .read(reading.bearer_auth(token.expose_secret()))
            .await?;
        let tag = format!("hearback:{}", self.source);
        let (mut ours, mut wanted) = (answer.decode::<Rules>()?.data, self.search.clone());
        ours.retain(|rule| rule.tag == tag);
        wanted.retain(|words| !ours.iter().any(|rule| rule.value == *words));
        ours.retain(|rule| !self.search.contains(&rule.value));
        if !ours.is_empty() {
            let ids: Vec<_> = ours.iter().map(|rule| rule.id.as_str()).collect();
            self.change_rules(token, &url, &json!({"delete": {"ids": ids}}))
                .await?;
        }
        if !wanted.is_empty() {
            let new: Vec<_> = wanted
                .iter()
                .map(|words| json!({"value": words, "tag": tag}))
                .collect();
            self.change_rules(token, &url, &json!({"add": new})).await?;
        }
        Ok(())
    }

    async fn change_rules(
        &self,
        token: &SecretString,
        url: &Url,
        change: &serde_json::Value,
    ) -> Result<(), Failed> {
        let call = self.way.api().reader().post(url.clone()).json(change);
        let changing = self.way.api().read(call.bearer_auth(token.expose_secret()));
        changing.await.map(drop)
    }
}

/// A stream that does not begin: 429 also where another connection of the application stands.
fn refused(clock: &std::sync::Arc<dyn crate::domain::Clock>, answer: &reqwest::Response) -> Lost {
    let status = answer.status();
    if status == StatusCode::TOO_MANY_REQUESTS {
        let told = answer.headers().get(reqwest::header::RETRY_AFTER);
        let told = told.and_then(|value| value.to_str().ok());
        return Lost::Later(http::retry_after(told.or(Some("60")), clock.now()));
    }
    lost(Failed::Status { status, told: None })
}
