//! The way to the API, and what it costs: units of the day's quota, which ends at midnight in California.

use super::wire::{Channels, Comments, Threads};
use crate::adapter::api::{Answer, Api, Failed, Mend};
use crate::adapter::finding::Finding;
use crate::adapter::google::{self, reason};
use crate::adapter::http;
use crate::adapter::oauth::{Desk, Door, Grant, Start};
use crate::adapter::quota::{Quota, Told};
use crate::config;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, Vault};
use chrono::{NaiveDate, TimeDelta};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What is asked for: no smaller scope may comment
/// (<https://developers.google.com/youtube/v3/docs/comments/insert>).
const SCOPES: &[&str] = &["https://www.googleapis.com/auth/youtube.force-ssl"];
/// What a reading costs, and what a comment
/// (<https://developers.google.com/youtube/v3/determine_quota_cost>).
const READING: u32 = 1;
const WRITING: u32 = 50;
/// California is behind UTC by 8 hours, in summer by 7: the day ends an hour late then, by our count.
const BEHIND: TimeDelta = TimeDelta::hours(8);

/// What to do where we are not let in.
pub const MEND: Mend = Mend {
    unauthorized: "the authorisation is not accepted any more: run `hearback connect` for this source, or give it a \
                   new refresh_token",
    forbidden: "the account must own the channel, the channel must be allowed to comment, and the project must have \
                the YouTube Data API",
};

/// How a day's units are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    #[default]
    Plenty,
    Scarce,
    Out,
}

/// What was spent on a day.
#[derive(Debug, Default, Clone, Copy)]
struct Spent {
    day: NaiveDate,
    units: u32,
    /// What the log heard of it.
    told: State,
}

/// The way to the API.
pub struct Tube {
    api: Api,
    grant: Grant,
    quota: u32,
    spent: Mutex<Spent>,
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
        Ok(Self {
            api: Api::new(base, &source, publishing, clock.clone(), google::spoken)?,
            grant: Grant::new(Some(desk), start, &source, vault, clock.clone())?,
            quota: u32::try_from(config.daily_quota).unwrap_or(u32::MAX),
            spent: Mutex::default(),
            source,
            clock,
        })
    }

    /// Where a person lets us in with a browser.
    pub fn entrance(&self) -> Option<(Door, &Grant)> {
        Some((google::door(self.api.base(), SCOPES)?, &self.grant))
    }

    /// Threads (`commentThreads.list`).
    pub async fn threads(&self, query: &[(&str, &str)]) -> Result<Threads, Failed> {
        let mut query = query.to_vec();
        query.extend([("part", "snippet,replies"), ("textFormat", "plainText")]);
        self.get("commentThreads", &query).await?.decode()
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
        let token = self.grant.access().await?;
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

    /// Whether there are units for more than new comments and replies.
    pub fn is_rich(&self) -> bool {
        let spent = self.today();
        let rich = spent.units < self.quota - self.quota / 5;
        if !rich {
            self.tell(
                State::Scarce,
                "four fifths of the day's units are spent: known comments are not read again today",
            );
        }
        rich
    }

    /// What is left of the day.
    pub fn left(&self) -> Finding {
        let left = self.quota.saturating_sub(self.today().units);
        Finding::well(format!(
            "{left} of {} units are left until midnight in California, by what this process spent",
            self.quota
        ))
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

    /// The day's quota comes back at midnight: until then it is asked as seldom as we wait for anything.
    fn limits(&self, error: Failed) -> Failed {
        if reason(&error) != Some("quotaExceeded") {
            return google::limits(error);
        }
        self.tell(
            State::Out,
            "the day's units are used up: nothing is heard and nothing sent until midnight in California",
        );
        Failed::Limited(http::LONGEST_WAIT)
    }

    /// Tells the log, once a day.
    fn tell(&self, state: State, what: &str) {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.told < state {
            spent.told = state;
            tracing::warn!(source = %self.source, quota = self.quota, "YouTube: {what}.");
        }
    }

    fn spend(&self, units: u32) {
        let today = self.today().units.saturating_add(units);
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).units = today;
        let quota = Quota {
            limit: f64::from(self.quota),
            left: f64::from(self.quota.saturating_sub(today)),
        };
        self.api.meter().tell(Told { quota, regain: None });
    }

    fn today(&self) -> Spent {
        let day = (self.clock.now() - BEHIND).date_naive();
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.day != day {
            *spent = Spent {
                day,
                ..Spent::default()
            };
        }
        *spent
    }
}
