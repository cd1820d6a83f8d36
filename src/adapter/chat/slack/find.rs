//! Finds what earlier attempts posted, by our key.
//!
//! Apps that are distributed commercially outside of Slack's Marketplace may read one page of fifteen
//! messages a minute (<https://docs.slack.dev/changelog/2025/05/29/rate-limit-changes-for-non-marketplace-apps>).
//! So what was read is kept: one reading of a channel or a thread answers for every delivery that was
//! under way there, a reading that is broken off goes on where it was, and when Slack says wait, nobody
//! asks before.

use super::Slack;
use super::api::{Answer, Failure};
use super::mirror::EVENT_TYPE;
use super::picture;
use crate::domain::{ChannelId, IdempotencyKey, Instant, ThreadId};
use crate::port::{FindTraces, Opened, PortError};
use chrono::TimeDelta;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How far our clock and Slack's may differ. More than the doctor calls sound, so that a look never
/// misses a message for it.
const SLACK_OF_CLOCKS: TimeDelta = TimeDelta::seconds(120);
/// How long after an attempt began its message may still appear: the call's own time, and as much
/// again for what was under way when we gave up.
const AFTERMATH: TimeDelta = TimeDelta::seconds(30);
/// The most pages that are read in search of a message.
const MOST_PAGES: usize = 20;
/// The most readings that are kept.
const MOST_KEPT: usize = 256;

/// A channel, or a thread of one.
type Place = (String, Option<String>);

/// What is looked for.
struct Search<'a> {
    key: &'a IdempotencyKey,
    channel: &'a ChannelId,
    thread: Option<&'a ThreadId>,
    oldest: Instant,
    latest: Instant,
    /// How far a new reading goes, so that it serves others too.
    reach: Instant,
    /// A reading that began before this is too old.
    fresh: Instant,
}

impl Search<'_> {
    fn place(&self) -> Place {
        place(self.channel, self.thread)
    }
}

fn place(channel: &ChannelId, thread: Option<&ThreadId>) -> Place {
    (channel.to_string(), thread.map(ToString::to_string))
}

/// A reading of a channel or a thread.
#[derive(Debug)]
struct Sweep {
    oldest: Instant,
    latest: Instant,
    begun: Instant,
    /// Where to go on; `None` at the end.
    cursor: Option<String>,
    pages: usize,
    /// Our messages, by their keys.
    seen: HashMap<String, Vec<String>>,
    /// What was tried since: the reading knows nothing about it.
    tried: HashSet<IdempotencyKey>,
}

impl Sweep {
    fn new(search: &Search<'_>, now: Instant) -> Self {
        Self {
            oldest: search.oldest,
            latest: search.reach,
            begun: now,
            cursor: Some(String::new()),
            pages: 0,
            seen: HashMap::new(),
            tried: HashSet::new(),
        }
    }

    fn serves(&self, search: &Search<'_>) -> bool {
        self.oldest <= search.oldest
            && self.latest >= search.latest
            && self.begun >= search.fresh
            && !self.tried.contains(search.key)
    }

    /// The earliest first.
    fn found(&self, key: &IdempotencyKey) -> Vec<String> {
        let mut found = self.seen.get(key.as_str()).cloned().unwrap_or_default();
        found.sort_by_key(|ts| order(ts));
        found.dedup();
        found
    }
}

/// Messages are ordered by the numbers in their names, of whatever length.
fn order(ts: &str) -> (u64, u64) {
    let (seconds, rest) = ts.split_once('.').unwrap_or((ts, ""));
    (
        seconds.parse().unwrap_or_default(),
        rest.parse().unwrap_or_default(),
    )
}

/// The readings that are kept. Only in memory: after a restart all is read anew.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    kept: Mutex<HashMap<Place, Sweep>>,
    /// Slack wants no question before this.
    quiet_until: Mutex<Option<Instant>>,
}

impl Sweeps {
    /// A delivery is tried: what was read before says nothing about it.
    pub(super) fn attempted(&self, channel: &ChannelId, thread: Option<&ThreadId>, key: &IdempotencyKey) {
        if let Some(sweep) = self.kept().get_mut(&place(channel, thread)) {
            sweep.tried.insert(key.clone());
        }
    }

    fn take(&self, search: &Search<'_>, now: Instant) -> Sweep {
        let kept = self.kept().remove(&search.place());
        kept.filter(|sweep| sweep.serves(search))
            .unwrap_or_else(|| Sweep::new(search, now))
    }

    fn keep(&self, place: Place, sweep: Sweep) {
        let mut kept = self.kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(place, sweep);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<Place, Sweep>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hold(&self, until: Instant) {
        *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    /// How long Slack wants quiet still.
    fn quiet(&self, now: Instant) -> Option<Duration> {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        until
            .and_then(|until| (until - now).to_std().ok())
            .filter(|wait| !wait.is_zero())
    }
}

impl Slack {
    /// Looks for the message of an earlier attempt.
    pub(super) async fn look(
        &self,
        key: &IdempotencyKey,
        channel: &ChannelId,
        thread: Option<&ThreadId>,
        earlier: Instant,
    ) -> Result<Option<String>, PortError> {
        // Between the first and the last attempt, as Slack's clock may tell them.
        let latest = self.attempts.latest(key, earlier) + AFTERMATH + SLACK_OF_CLOCKS;
        let search = Search {
            key,
            channel,
            thread,
            oldest: earlier - SLACK_OF_CLOCKS,
            latest,
            reach: latest,
            fresh: Instant::MIN_UTC,
        };
        let found = self.sweep(&search, true).await?;
        Ok(found.into_iter().next())
    }

    /// Everything that stands of one delivery.
    pub(super) async fn find_traces(&self, order: &FindTraces) -> Result<Vec<Opened>, PortError> {
        let search = Search {
            key: &order.key,
            channel: &order.channel,
            thread: order.thread.as_ref(),
            oldest: order.since - SLACK_OF_CLOCKS,
            latest: order.fresh + SLACK_OF_CLOCKS,
            reach: self.clock.now().max(order.fresh) + SLACK_OF_CLOCKS,
            fresh: order.fresh,
        };
        let found = self.sweep(&search, false).await?;
        let stands = found.into_iter().map(|ts| Opened {
            thread: order.thread.clone().unwrap_or_else(|| ThreadId::new(&ts)),
            card: ts.into(),
        });
        Ok(stands.collect())
    }

    /// Reads what is needed to tell where the key stands, or, `at_first`, until it is seen once.
    async fn sweep(&self, search: &Search<'_>, at_first: bool) -> Result<Vec<String>, PortError> {
        let mut sweep = self.sweeps.take(search, self.clock.now());
        let read = self.read_on(search, &mut sweep, at_first).await;
        let found = sweep.found(search.key);
        match &read {
            // It is begun anew the next time.
            Err(failure) if failure.code() == Some("invalid_cursor") => {}
            Ok(()) | Err(_) => self.sweeps.keep(search.place(), sweep),
        }
        match read {
            Ok(()) => Ok(found),
            Err(failure) if matches!(failure.code(), Some("missing_scope" | "unknown_method")) => {
                self.cannot_look(&failure);
                Ok(Vec::new())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn read_on(&self, search: &Search<'_>, sweep: &mut Sweep, at_first: bool) -> Result<(), Failure> {
        while let Some(cursor) = sweep.cursor.clone() {
            if at_first && sweep.seen.contains_key(search.key.as_str()) {
                return Ok(());
            }
            if sweep.pages == MOST_PAGES {
                // It would be the same the next time, and a message twice is better than none.
                tracing::warn!(
                    channel = %search.channel,
                    key = %search.key,
                    "Too much was written in the channel to find what a broken call may have posted."
                );
                return Ok(());
            }
            let answer = self.page(search, sweep, &cursor).await?;
            sweep.pages += 1;
            for message in answer.body["messages"].as_array().into_iter().flatten() {
                if let (Some(key), Some(ts)) = (self.key_of(message, search.thread), message["ts"].as_str()) {
                    sweep.seen.entry(key).or_default().push(ts.to_owned());
                }
            }
            let next = answer.text("/response_metadata/next_cursor");
            sweep.cursor = next.filter(|next| !next.is_empty()).map(str::to_owned);
        }
        Ok(())
    }

    fn cannot_look(&self, failure: &Failure) {
        if !self.cannot_look.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %failure,
                "Earlier messages cannot be read, so a message may appear twice after a broken call; add the \
                 scope channels:history (groups:history for private channels)."
            );
        }
    }

    async fn page(&self, search: &Search<'_>, sweep: &Sweep, cursor: &str) -> Result<Answer, Failure> {
        let (oldest, latest) = (ts(sweep.oldest), ts(sweep.latest));
        let mut query = vec![
            ("oldest", oldest.as_str()),
            ("latest", &latest),
            ("include_all_metadata", "true"),
        ];
        if !cursor.is_empty() {
            query.push(("cursor", cursor));
        }
        self.read_messages(search.channel, search.thread, query).await
    }

    /// A page of a channel's or a thread's messages, unless Slack wants quiet.
    pub(super) async fn read_messages<'a>(
        &self,
        channel: &'a ChannelId,
        thread: Option<&'a ThreadId>,
        mut query: Vec<(&'a str, &'a str)>,
    ) -> Result<Answer, Failure> {
        if let Some(wait) = self.sweeps.quiet(self.clock.now()) {
            return Err(Failure::Limited(wait));
        }
        query.extend([("channel", channel.as_str()), ("limit", "200")]);
        let method = match thread {
            Some(thread) => {
                query.push(("ts", thread.as_str()));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        let read = self.api.get(&self.bot_token, method, &query).await;
        if let Err(Failure::Limited(wait)) = &read {
            let wait = TimeDelta::from_std(*wait).unwrap_or(TimeDelta::minutes(1));
            self.sweeps.hold(self.clock.now() + wait);
        }
        read
    }

    /// The key of a message of ours. Reads other apps' messages without trusting their shape.
    fn key_of(&self, message: &Value, thread: Option<&ThreadId>) -> Option<String> {
        if !self.is_by_us(message)
            || thread.is_some_and(|thread| message["ts"].as_str() == Some(thread.as_str()))
        {
            return None;
        }
        let payload = &message["metadata"]["event_payload"];
        if message["metadata"]["event_type"] == EVENT_TYPE
            && payload["installation"].as_str() == Some(self.installation.as_str())
            && let Some(key) = payload["key"].as_str()
        {
            return Some(key.to_owned());
        }
        if let Some(key) = picture::key_of(message, &self.installation) {
            return Some(key);
        }
        let blocks = message["blocks"].as_array();
        let ids = blocks
            .into_iter()
            .flatten()
            .filter_map(|block| block["block_id"].as_str());
        ids.filter_map(|id| {
            let mark = id.strip_prefix(self.installation.as_str())?.strip_prefix('/')?;
            mark.split_once(':').map(|(key, _)| key.to_owned())
        })
        .next()
    }

    /// Any app of the workspace can read our metadata and copy it.
    pub(super) fn is_by_us(&self, message: &Value) -> bool {
        match self.me() {
            Some(me) => {
                message["user"] == *me.user
                    || (me.bot.is_some() && message["bot_id"].as_str() == me.bot.as_deref())
            }
            None => message["bot_id"].is_string(),
        }
    }

    /// What our block ids begin with.
    pub(super) fn mark(&self, key: &IdempotencyKey) -> String {
        format!("{}/{key}", self.installation)
    }
}

/// An instant as Slack names messages.
fn ts(at: Instant) -> String {
    let micros = at.timestamp_micros();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
