//! The filtered stream: what others say, some seconds after they said it
//! (<https://docs.x.com/x-api/posts/filtered-stream/introduction>). It wants the application's own bearer
//! token, and its rules: those are kept the same as `search`. All programs of an application share one stream, so
//! what only the rules of others caught is left to them. What it misses comes with the sweep.
//!
//! Each post is paid for: the stream rests while the day's budget is used up.

use super::X;
use super::call::{Failed, lost};
use super::wire::Rule;
use crate::adapter::http;
use crate::adapter::push::Rejected;
use crate::adapter::supervise::Lost;
use crate::app::Inbound;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashSet;
use std::time::Duration;
use url::Url;

/// How long one connection may last; then it is made anew.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long silence counts as alive: a sign of life comes every 20 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// The pause after one that was refused because another one stands, and between looks at the budget.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest line that is read.
const MOST_LINE: usize = 1024 * 1024;

impl X {
    /// Listens until the stream ends.
    pub(super) async fn stream(&self, token: &SecretString, inbound: &Inbound) -> Result<(), Lost> {
        while self.is_spent() {
            self.streaming.up();
            tokio::time::sleep(AGAIN).await;
        }
        let known = self.keep_rules(token).await?;
        let mut url = self.way.api().at(&["2", "tweets", "search", "stream"]);
        url.query_pairs_mut().extend_pairs(super::FIELDS);
        let call = self.way.api().reader().get(url).timeout(LONGEST);
        let connecting = self.way.api().open(call.bearer_auth(token.expose_secret()));
        let answer = tokio::time::timeout(SILENCE, connecting).await;
        let mut answer = answer
            .map_err(|_| Lost::Broken("the stream did not begin in time".to_owned()))?
            .map_err(|error| self.refused(error))?;
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
                        self.heard(inbound, &line, &known).await?;
                        line.clear();
                        if self.is_spent() {
                            return Ok(());
                        }
                    }
                    byte if line.len() < MOST_LINE => line.push(byte),
                    _ => return Err(Lost::Broken("the stream sends a line without an end".to_owned())),
                }
            }
        }
    }

    /// `known`: the rules of others that say the same as one of ours.
    async fn heard(&self, inbound: &Inbound, line: &[u8], known: &HashSet<String>) -> Result<(), Lost> {
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
            #[serde(default)]
            matching_rules: Vec<Matching>,
        }
        #[derive(Deserialize)]
        struct Matching {
            #[serde(default)]
            id: String,
            #[serde(default)]
            tag: Option<String>,
        }
        if let Ok(told) = serde_json::from_str::<Told>(line) {
            if let (None, Some(problem)) = (&told.data, told.errors.first()) {
                let why = super::call::why(Some(problem));
                return Err(Lost::Broken(format!("X ends the stream: {why}")));
            }
            let ours = |rule: &Matching| rule.tag.as_deref() == Some(&self.tag()) || known.contains(&rule.id);
            if !told.matching_rules.is_empty() && !told.matching_rules.iter().any(ours) {
                return Ok(());
            }
        }
        match self.taken(inbound, "stream", line).await {
            Ok(()) => Ok(()),
            Err(Rejected::Unavailable(why)) => Err(Lost::Broken(why)),
            Err(other) => Err(Lost::Broken(format!("{other:?}"))),
        }
    }

    /// By what the rules of this source are known.
    fn tag(&self) -> String {
        format!("hearback:{}", self.source)
    }

    /// Makes the rules of this source the same as its searches; those of others are left alone. Gives the ids of
    /// those that say the same: X takes no second one.
    async fn keep_rules(&self, token: &SecretString) -> Result<HashSet<String>, Lost> {
        #[derive(Deserialize)]
        struct Rules {
            #[serde(default)]
            data: Vec<Rule>,
        }
        let url = self.way.api().at(&["2", "tweets", "search", "stream", "rules"]);
        let reading = self.way.api().reader().get(url.clone());
        let reading = self.way.api().read(reading.bearer_auth(token.expose_secret()));
        let told = reading.await.and_then(|answer| answer.decode::<Rules>());
        let tag = self.tag();
        let (mut ours, others): (Vec<_>, Vec<_>) = told
            .map_err(lost)?
            .data
            .into_iter()
            .partition(|rule| rule.tag == tag);
        let same = |rule: &Rule| self.search.contains(&rule.value);
        let known = others
            .iter()
            .filter(|rule| same(rule))
            .map(|rule| rule.id.clone());
        let known: HashSet<_> = known.collect();
        let mut wanted = self.search.clone();
        wanted.retain(|words| !ours.iter().chain(&others).any(|rule| rule.value == *words));
        ours.retain(|rule| !same(rule));
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
        Ok(known)
    }

    /// A rule that X does not take is told in a success
    /// (<https://docs.x.com/x-api/stream/update-stream-rules>).
    async fn change_rules(
        &self,
        token: &SecretString,
        url: &Url,
        change: &serde_json::Value,
    ) -> Result<(), Lost> {
        #[derive(Deserialize)]
        struct Changed {
            #[serde(default)]
            errors: Vec<Wrong>,
        }
        #[derive(Deserialize)]
        struct Wrong {
            #[serde(default)]
            value: String,
            #[serde(default)]
            title: String,
            #[serde(default)]
            details: Vec<String>,
        }
        let call = self.way.api().reader().post(url.clone()).json(change);
        let changing = self.way.api().read(call.bearer_auth(token.expose_secret()));
        let told = changing.await.and_then(|answer| answer.decode::<Changed>());
        let wrong = told.map_err(lost)?.errors.into_iter().next();
        wrong.map_or(Ok(()), |Wrong { value, title, details }| {
            let why = details.join(" ");
            Err(Lost::Hopeless(format!(
                "X takes no rule «{value}» for the stream ({title}: {why}): correct search, or leave bearer_token out"
            )))
        })
    }

    /// A stream that does not begin: 429 also where another connection of the application stands, which is over
    /// in a while (<https://docs.x.com/x-api/fundamentals/handling-disconnections>).
    fn refused(&self, error: Failed) -> Lost {
        let Failed::Limited(wait) = error else {
            return lost(error);
        };
        let left = self.way.meter().last().is_some_and(|quota| quota.left > 0.0);
        Lost::Later(if left { AGAIN } else { wait.max(AGAIN) })
    }
}
