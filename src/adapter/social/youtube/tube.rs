//! The way to the API, and what it costs: units of the day's quota, which ends at midnight in California. They are
//! counted by the source's meter, over restarts too.

use super::wire::{Channels, Comment, Comments, Threads};
use crate::adapter::api::{Answer, Api, Failed, Mend};
use crate::adapter::google::{self, reason};
use crate::adapter::http;
use crate::adapter::meter::{Allowance, Meter, Window};
use crate::adapter::oauth::{Desk, Door, Grant, Start};
use crate::config;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, Vault};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is asked for: no smaller scope may comment
/// (<https://developers.google.com/youtube/v3/docs/comments/insert>).
const SCOPES: &[&str] = &["https://www.googleapis.com/auth/youtube.force-ssl"];
/// What a reading costs, and what a comment
/// (<https://developers.google.com/youtube/v3/determine_quota_cost>).
const READING: u64 = 1;
const WRITING: u64 = 50;
/// From which share of the day's units on only new comments are read, and from which on these seldom: what is
/// left then is for replies.
const SCARCE: f64 = 0.8;
const SHORT: f64 = 0.9;

/// What to do where we are not let in.
pub const MEND: Mend = Mend {
    unauthorized: "the authorisation is not accepted any more: run `hearback connect` for this source, or give it a \
                   new refresh_token",
    forbidden: "the account must own the channel, the channel must be allowed to comment, and the project must have \
                the YouTube Data API",
};

/// How a day's units are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// There are enough for all.
    #[default]
    Plenty,
    /// Only for new comments and replies.
    Scarce,
    /// Few, which are for replies; or none.
    Short,
}

/// The way to the API.
pub struct Tube {
    api: Api,
    grant: Grant,
    /// What the log heard of the day's units.
    told: Mutex<State>,
    source: SourceName,
    clock: Arc<dyn Clock>,
}

impl Tube {
    pub fn new(
        config: &config::YouTube,
        publishing: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let mut base = config.url.clone();
        base.set_path("");
        let desk = Desk {
            token_url: google::token_url(&base)?,
            client_id: config.client_id.clone(),
            client_secret: Some(config.client_secret.clone()),
            basic: false,
        };
        let start = Start {
            access: None,
            refresh: config.refresh_token.clone(),
        };
        let api = Api::new(base, &source, publishing, clock.clone(), google::spoken)?;
        api.meter().allow(Allowance {
            most: u64::try_from(config.daily_quota).unwrap_or(u64::MAX),
            parts: 1,
            unit: "units",
            window: Window::PacificDay,
        });
        Ok(Self {
            api,
            grant: Grant::new(Some(desk), start, &source, vault, clock.clone())?,
            told: Mutex::default(),
            source,
            clock,
        })
    }

    /// Where a person lets us in with a browser.
    pub fn entrance(&self) -> Option<(Door, &Grant)> {
        Some((google::door(self.api.base(), SCOPES)?, &self.grant))
    }

    /// The day's units.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Threads (`commentThreads.list`).
    pub async fn threads(&self, query: &[(&str, &str)]) -> Result<Threads, Failed> {
        let mut query = query.to_vec();
        query.extend([("part", "snippet,replies"), ("textFormat", "plainText")]);
        self.get("commentThreads", &query).await?.decode()
    }

    /// Threads by their ids, at most 50. One that is gone may make YouTube refuse the whole call (404
    /// `commentThreadNotFound`, <https://developers.google.com/youtube/v3/docs/errors#comment-threads-youtube.commentThreads.list>):
    /// then each is asked for by itself.
    pub async fn threads_of(&self, ids: &[&str]) -> Result<Vec<Box<RawValue>>, Failed> {
        match self.threads(&[("id", &ids.join(","))]).await {
            Ok(told) => return Ok(told.items),
            Err(error) if error.is_missing() => {}
            Err(error) => return Err(error),
        }
        let mut found = Vec::new();
        for id in ids.iter().filter(|_| ids.len() > 1) {
            match self.threads(&[("id", id)]).await {
                Ok(told) => found.extend(told.items),
                Err(error) if error.is_missing() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// A comment by its id, if it is there.
    pub async fn comment(&self, id: &str) -> Result<Option<Comment>, Failed> {
        let told = match self.comments(&[("id", id)]).await {
            Ok(told) => told,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut read = told
            .items
            .iter()
            .filter_map(|raw| serde_json::from_str(raw.get()).ok());
        Ok(read.find(|comment: &Comment| comment.id == id))
    }

    /// Comments (`comments.list`).
    pub async fn comments(&self, query: &[(&str, &str)]) -> Result<Comments, Failed> {
        let mut query = query.to_vec();
        query.extend([("part", "snippet"), ("textFormat", "plainText")]);
        self.get("comments", &query).await?.decode()
    }

    /// How many follow these channels (`channels.list`, at most 50).
    pub async fn channels(&self, ids: &str) -> Result<Channels, Failed> {
        let query = [("part", "statistics"), ("id", ids), ("maxResults", "50")];
        self.get("channels", &query).await?.decode()
    }

    /// The channels that the authorisation is of.
    pub async fn mine(&self) -> Result<Vec<String>, Failed> {
        let told: Channels = self
            .get("channels", &[("part", "id"), ("mine", "true")])
            .await?
            .decode()?;
        Ok(told.items.into_iter().map(|channel| channel.id).collect())
    }

    /// Writes a comment (`comments.insert`): one attempt.
    pub async fn insert(&self, body: &Value, allowed: (Duration, &Permit)) -> Result<Answer, Failed> {
        let token = self.grant.access().await.map_err(Failed::unsent)?;
        let call = self
            .api
            .writer()
            .post(self.at("comments"))
            .query(&[("part", "snippet")]);
        let call = call.bearer_auth(token.expose_secret()).json(body);
        self.spend(WRITING);
        let told = self.api.publish(call, allowed).await;
        told.map_err(|error| self.limits(error))
    }

    /// The time that YouTube says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.api.base().clone()).await
    }

    /// How the day's units are. The log hears of it when it gets worse.
    pub fn state(&self) -> State {
        let share = self.api.meter().share(self.clock.now());
        let state = match share {
            share if share >= SHORT => State::Short,
            share if share >= SCARCE => State::Scarce,
            _ => State::Plenty,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *told, state);
        if state > before {
            let what = match state {
                State::Plenty => "there are enough units",
                State::Scarce => {
                    "the day's units get scarce: known comments are not read again until midnight in California"
                }
                State::Short => {
                    "hardly any of the day's units are left: until midnight in California new comments are read seldom, and what is left is for replies"
                }
            };
            tracing::warn!(source = %self.source, "YouTube: {what}.");
        }
        state
    }

    /// Whether there are units for more than new comments and replies.
    pub fn is_rich(&self) -> bool {
        self.state() == State::Plenty
    }

    fn at(&self, what: &str) -> url::Url {
        self.api.at(&["youtube", "v3", what])
    }

    async fn get(&self, what: &str, query: &[(&str, &str)]) -> Result<Answer, Failed> {
        let call = |token: SecretString| {
            self.spend(READING);
            let call = self.api.reader().get(self.at(what)).query(query);
            self.api.read(call.bearer_auth(token.expose_secret()))
        };
        let told = self.grant.under(call).await;
        told.map_err(|error| self.limits(error))
    }

    /// The day's quota comes back at midnight: until then it is asked as seldom as we wait for anything. Others
    /// may have spent of it, too.
    fn limits(&self, error: Failed) -> Failed {
        if reason(&error) != Some("quotaExceeded") {
            return google::limits(error);
        }
        self.api.meter().exhausted(self.clock.now());
        Failed::Limited(http::LONGEST_WAIT)
    }

    fn spend(&self, units: u64) {
        self.api.meter().spent(units, self.clock.now());
    }
}
