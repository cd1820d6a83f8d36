//! Finds what earlier attempts made: messages with our stamp, or forum posts that begin with one.

use super::rest::{Failure, Route};
use super::threads::{Stamp, Threads, id_in};
use super::{render, snowflake};
use crate::domain::Instant;
use chrono::TimeDelta;
use serde_json::Value;
use std::sync::PoisonError;

/// How far our clock and Discord's may differ. More than the doctor calls sound, so that a look never
/// misses a message for it.
const SKEW: TimeDelta = TimeDelta::seconds(120);
/// How long after an attempt began its message may still appear: the call's own time, and as much
/// again for what was under way when we gave up.
const AFTERMATH: TimeDelta = TimeDelta::seconds(30);
/// The most pages of a hundred that are read to find an earlier attempt: of a channel's messages, or
/// of a forum's archived posts.
const PAGES: usize = 20;

/// How much is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Much {
    /// One is enough.
    First,
    /// Everything that stands.
    All,
}

impl Threads {
    /// Reads on from the moment of the first attempt to that of the last. The earliest first.
    pub(super) async fn find_messages(
        &self,
        channel: u64,
        stamp: &Stamp,
        (first, last): (Instant, Instant),
        much: Much,
    ) -> Result<Vec<u64>, Failure> {
        let me = self.me().await?;
        let mut found = Vec::new();
        let mut after = snowflake::at(first - SKEW);
        let end = snowflake::at(last + AFTERMATH + SKEW);
        for _ in 0..PAGES {
            let route = Route::bot(
                format!("/channels/{channel}/messages?after={after}&limit=100"),
                format!("/channels/{channel}/messages"),
            );
            let page = self.rest.get(route).await?;
            let messages = page.as_array().map(Vec::as_slice).unwrap_or_default();
            for message in messages {
                if id_in(&message["author"], "id").ok() == Some(me) && render::carries(message, &stamp.mark) {
                    found.push(id_in(message, "id")?);
                }
            }
            found.sort_unstable();
            if much == Much::First && !found.is_empty() {
                return Ok(found);
            }
            let newest = messages
                .iter()
                .filter_map(|message| id_in(message, "id").ok())
                .max();
            match newest {
                Some(newest) if messages.len() >= 100 && newest > after && newest < end => after = newest,
                Some(_) | None => return Ok(found),
            }
        }
        too_much_in(channel);
        Ok(found)
    }

    /// Looks among our posts of a forum, the open and the archived ones, made since then. The earliest
    /// first.
    pub(super) async fn find_posts(
        &self,
        forum: u64,
        stamp: &Stamp,
        begun: Instant,
        much: Much,
    ) -> Result<Vec<u64>, Failure> {
        let since = begun - SKEW;
        let open = Route::plain(format!("/guilds/{}/threads/active", self.guild));
        let open = self.rest.get(open).await?;
        let mut found = self.posts_among(&open, forum, stamp, since).await?;
        let mut before = String::new();
        for _ in 0..PAGES {
            found.sort_unstable();
            found.dedup();
            if much == Much::First && !found.is_empty() {
                return Ok(found);
            }
            let route = Route::bot(
                format!("/channels/{forum}/threads/archived/public?limit=100{before}"),
                format!("/channels/{forum}/threads/archived/public"),
            );
            let page = self.rest.get(route).await?;
            found.extend(self.posts_among(&page, forum, stamp, since).await?);
            // The last archived come first; what was archived before then was made before then.
            let last = page["threads"].as_array().and_then(|threads| threads.last());
            let archived = last
                .and_then(|last| last["thread_metadata"]["archive_timestamp"].as_str())
                .and_then(|at| chrono::DateTime::parse_from_rfc3339(at).ok());
            match archived {
                Some(at) if page["has_more"] == true && at.to_utc() >= since => {
                    let at = at.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
                    before = format!("&before={at}");
                }
                Some(_) | None => {
                    found.sort_unstable();
                    found.dedup();
                    return Ok(found);
                }
            }
        }
        too_much_in(forum);
        Ok(found)
    }

    /// Our posts with this stamp in a list of threads.
    async fn posts_among(
        &self,
        page: &Value,
        forum: u64,
        stamp: &Stamp,
        since: Instant,
    ) -> Result<Vec<u64>, Failure> {
        let me = self.me().await?;
        let mut found = Vec::new();
        let since = snowflake::at(since);
        let threads = page["threads"].as_array().into_iter().flatten();
        let ours = threads.filter(|thread| {
            id_in(thread, "parent_id").ok() == Some(forum) && id_in(thread, "owner_id").ok() == Some(me)
        });
        for thread in ours
            .filter_map(|thread| id_in(thread, "id").ok())
            .filter(|id| *id >= since)
        {
            let route = Route::bot(
                format!("/channels/{thread}/messages/{thread}"),
                format!("/channels/{thread}/messages/:id"),
            );
            match self.rest.get(route).await {
                Ok(first) if render::carries(&first, &stamp.mark) => found.push(thread),
                Ok(_) => {}
                // Its first message was deleted: it cannot be ours to go on with.
                Err(Failure::Refused { .. }) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(found)
    }

    /// The bot's own user id: whose messages can be ours.
    pub(super) async fn me(&self) -> Result<u64, Failure> {
        let known = *self.me.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known {
            return Ok(known);
        }
        let me = id_in(&self.rest.get(Route::plain("/users/@me")).await?, "id")?;
        *self.me.lock().unwrap_or_else(PoisonError::into_inner) = Some(me);
        Ok(me)
    }
}

/// A message twice is better than none, and a second look would find no more.
fn too_much_in(channel: u64) {
    tracing::warn!(
        channel,
        "Too much was written in the channel to find what a broken call may have posted."
    );
}
