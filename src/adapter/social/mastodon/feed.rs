//! Reading what was written since the cursor, in order: notifications, hashtags, searches; and a
//! second look at known posts for edits and deletions that nobody pushed.
//!
//! `min_id` pages forward from the cursor without gaps, newest first within a page
//! (<https://docs.joinmastodon.org/api/guidelines/#pagination>); the `limit` is always sent. A page
//! and the cursor behind it are stored together. A first start, without a cursor, takes what the
//! newest page has of the last 24 hours: a new installation does not open old cases.

use super::Mastodon;
use super::api::Failed;
use super::instance::{Known, Software};
use super::translate;
use super::wire::{Context, Found, Identified, Notification, Status};
use crate::adapter::supervise::Lost;
use crate::app::{Cursor, Inbound, Unavailable};
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::value::RawValue;
use std::sync::atomic::Ordering;

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The most notifications of a page.
const NOTIFICATIONS: &str = "80";
/// The most statuses of a page.
const STATUSES: &str = "40";
/// The most pages of one sweep: a server that ignores the cursor cannot keep us for ever.
const MOST_PAGES: usize = 1000;
/// How many known posts are read again in a minute (a server allows 300 calls in five minutes).
const LOOKS_A_MINUTE: usize = 20;
/// How many known posts are watched: the newest in every sweep, the others in turns.
const WATCHED: usize = 1000;
/// How much of something unreadable is kept.
const MOST_RAW: usize = 20_000;

type Raw = Box<RawValue>;

/// Something that is read with a cursor.
struct Feed<'a> {
    /// The cursor's name.
    stream: &'a str,
    path: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    limit: &'a str,
    /// Whether its objects are notifications with a status inside.
    notifications: bool,
}

impl Mastodon {
    /// One round of everything: what is new, and whether what is known still stands.
    ///
    /// # Errors
    /// The server or the database does not answer; what was read until then is stored.
    pub async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.notifications(inbound).await?;
        for tag in &self.hashtags {
            let tag = tag.trim_start_matches('#');
            self.follow(
                inbound,
                &Feed {
                    stream: &format!("tag:{tag}"),
                    path: &["api", "v1", "timelines", "tag", tag],
                    query: &[],
                    limit: STATUSES,
                    notifications: false,
                },
            )
            .await?;
        }
        for words in &self.search {
            self.search(inbound, words).await?;
        }
        self.look_again(inbound).await
    }

    /// What was said to us since the last time.
    pub(super) async fn notifications(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.follow(
            inbound,
            &Feed {
                stream: "notifications",
                path: &["api", "v1", "notifications"],
                // Filtered ones too: servers hide mentions by new accounts otherwise.
                query: &[("types[]", "mention"), ("include_filtered", "true")],
                limit: NOTIFICATIONS,
                notifications: true,
            },
        )
        .await
    }

    async fn follow(&self, inbound: &Inbound, feed: &Feed<'_>) -> Result<(), Lost> {
        let known = self.known().await.map_err(Failed::lost)?;
        let mut cursor = inbound
            .cursor(&self.source, feed.stream)
            .await
            .map_err(unstored)?;
        for _ in 0..MOST_PAGES {
            let page = self
                .page(&known, feed, cursor.as_deref())
                .await
                .map_err(Failed::lost)?;
            let Some(newest) = page.first().and_then(|raw| id(raw)) else {
                return Ok(());
            };
            if cursor.as_ref() == Some(&newest) {
                return Ok(());
            }
            let since = match cursor {
                None => Some(self.clock.now() - FIRST_LOOK),
                Some(_) => None,
            };
            let sightings = self.read(inbound, &known, feed, &page, since).await?;
            let reached = Cursor {
                stream: feed.stream.to_owned(),
                value: newest.clone(),
            };
            inbound
                .posts_seen(&self.source, sightings, Some(reached))
                .await
                .map_err(unstored)?;
            cursor = Some(newest);
        }
        Ok(())
    }

    /// What follows the cursor, newest first.
    async fn page(&self, known: &Known, feed: &Feed<'_>, cursor: Option<&str>) -> Result<Vec<Raw>, Failed> {
        let mut query = feed.query.to_vec();
        query.push(("limit", feed.limit));
        if let Some(cursor) = cursor {
            query.push(("min_id", cursor));
        }
        let mut page: Vec<Raw> = self.api.get(feed.path, &query).await?;
        if cursor.is_none() || known.software != Software::Snac {
            return Ok(page);
        }
        // snac gives the newest after the cursor: walk back to it.
        for _ in 0..MOST_PAGES {
            let Some(oldest) = page.last().and_then(|raw| id(raw)) else {
                break;
            };
            let mut back = query.clone();
            back.push(("max_id", &oldest));
            let older: Vec<Raw> = self.api.get(feed.path, &back).await?;
            match older.last().and_then(|raw| id(raw)) {
                Some(last) if last != oldest => page.extend(older),
                Some(_) | None => break,
            }
        }
        Ok(page)
    }

    /// A page as sightings, the oldest first. What cannot be read is set aside and blocks nothing.
    async fn read(
        &self,
        inbound: &Inbound,
        known: &Known,
        feed: &Feed<'_>,
        page: &[Raw],
        since: Option<Instant>,
    ) -> Result<Vec<Sighting>, Lost> {
        let mut sightings = Vec::with_capacity(page.len());
        for raw in page.iter().rev() {
            match status(raw, feed.notifications) {
                Ok(Some(status)) => {
                    let old = since.is_some_and(|since| status.created_at < since);
                    if !old && !translate::is_nobodys(known, &status) {
                        sightings.push(self.sighting(known, &status).await.map_err(Failed::lost)?);
                    }
                }
                Ok(None) => {}
                Err(error) => self.put_aside(inbound, feed.stream, &error, raw).await?,
            }
        }
        Ok(sightings)
    }

    async fn put_aside(
        &self,
        inbound: &Inbound,
        stream: &str,
        error: &serde_json::Error,
        raw: &RawValue,
    ) -> Result<(), Lost> {
        let origin = format!("{} {stream}", self.source);
        let kept: String = raw.get().chars().take(MOST_RAW).collect();
        inbound
            .set_aside(&origin, &error.to_string(), &kept)
            .await
            .map_err(unstored)
    }

    /// A status as a sighting, with the conversation it belongs to.
    pub(super) async fn sighting(&self, known: &Known, status: &Status) -> Result<Sighting, Failed> {
        let root = self.root(status).await?;
        let conversation = known.software.stable(&root);
        Ok(Sighting::Post(Box::new(translate::post(
            &self.source,
            known,
            status,
            conversation,
        ))))
    }

    /// The post a conversation began with, as far as the server knows it.
    async fn root(&self, status: &Status) -> Result<String, Failed> {
        let Some(parent) = &status.in_reply_to_id else {
            self.roots.keep([status.id.clone()], &status.id);
            return Ok(status.id.clone());
        };
        if let Some(root) = self.roots.of(parent) {
            self.roots.keep([status.id.clone()], &root);
            return Ok(root);
        }
        let path = ["api", "v1", "statuses", &status.id, "context"];
        let ancestors = match self.api.get::<Context>(&path, &[]).await {
            Ok(context) => context.ancestors,
            // A thread that cannot be read must not block the others: the post it answers stands
            // for the root then.
            Err(Failed::Status { status, .. }) if status != StatusCode::UNAUTHORIZED => Vec::new(),
            Err(error) => return Err(error),
        };
        let root = ancestors.first().map_or(parent, |first| &first.id).clone();
        let members = ancestors.into_iter().map(|ancestor| ancestor.id);
        self.roots
            .keep(members.chain([parent.clone(), status.id.clone()]), &root);
        Ok(root)
    }

    /// What a search finds that is newer than the last time. Servers page searches in no reliable
    /// way, so only the newest page is read (<https://docs.joinmastodon.org/methods/search/>).
    async fn search(&self, inbound: &Inbound, words: &str) -> Result<(), Lost> {
        let known = self.known().await.map_err(Failed::lost)?;
        let stream = format!("search:{words}");
        let query = [
            ("type", "statuses"),
            ("q", words),
            ("resolve", "false"),
            ("limit", STATUSES),
        ];
        let found: Found = match self.api.get(&["api", "v2", "search"], &query).await {
            Ok(found) => found,
            Err(error @ Failed::Status { .. }) => {
                if !self.search_refused.swap(true, Ordering::Relaxed) {
                    tracing::warn!(source = %self.source, %error, "The server does not allow this account to search.");
                }
                return Ok(());
            }
            Err(error) => return Err(error.lost()),
        };
        let cursor = inbound.cursor(&self.source, &stream).await.map_err(unstored)?;
        let mut fresh: Vec<Raw> = found.statuses;
        fresh.retain(|raw| match (&cursor, id(raw)) {
            (Some(cursor), Some(id)) => is_later(&id, cursor),
            (None, _) | (_, None) => true,
        });
        fresh.sort_by_key(|raw| std::cmp::Reverse(id(raw).map(|id| (id.len(), id))));
        let Some(newest) = fresh.first().and_then(|raw| id(raw)) else {
            return Ok(());
        };
        let since = cursor.is_none().then(|| self.clock.now() - FIRST_LOOK);
        let feed = Feed {
            stream: &stream,
            path: &[],
            query: &[],
            limit: STATUSES,
            notifications: false,
        };
        let sightings = self.read(inbound, &known, &feed, &fresh, since).await?;
        let reached = Cursor {
            stream: stream.clone(),
            value: newest,
        };
        inbound
            .posts_seen(&self.source, sightings, Some(reached))
            .await
            .map_err(unstored)?;
        Ok(())
    }

    /// Reads some known posts again, in turns: an edit or a deletion reaches nobody who does not
    /// follow its author.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Lost> {
        let known = self.known().await.map_err(Failed::lost)?;
        let watched = inbound
            .watched_posts(&self.source, WATCHED)
            .await
            .map_err(unstored)?;
        let mut sightings = Vec::new();
        for post in self.turns(&watched) {
            if post.deleted {
                continue;
            }
            match self.status(post.id.as_str()).await {
                Ok(now) if now.edited_at > post.edited_at => {
                    let conversation = post.conversation.clone();
                    let edited = translate::post(&self.source, &known, &now, conversation);
                    sightings.push(Sighting::Post(Box::new(edited)));
                }
                Err(Failed::Status {
                    status: StatusCode::NOT_FOUND | StatusCode::GONE,
                    ..
                }) => {
                    sightings.push(Sighting::Gone(post.id.clone()));
                }
                Err(error @ Failed::Limited(_)) => return Err(error.lost()),
                // Nothing new, or not to be had now: its turn comes again.
                Ok(_) | Err(Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_)) => {}
            }
        }
        if !sightings.is_empty() {
            inbound
                .posts_seen(&self.source, sightings, None)
                .await
                .map_err(unstored)?;
        }
        Ok(())
    }

    /// Whose turn it is: half of the looks are for the newest, which are edited most.
    fn turns<'a>(&self, watched: &'a [Post]) -> Vec<&'a Post> {
        let budget = looks(self.poll.as_secs_f64()).min(watched.len());
        let (newest, others) = watched.split_at(budget / 2);
        let rest = budget - newest.len();
        let turn = self.turn.fetch_add(rest, Ordering::Relaxed);
        let others = others.iter().cycle().skip(turn % others.len().max(1)).take(rest);
        newest.iter().chain(others).collect()
    }

    /// A status as it is now.
    pub(super) async fn status(&self, id: &str) -> Result<Status, Failed> {
        self.api.get(&["api", "v1", "statuses", id], &[]).await
    }
}

/// How many posts one sweep reads again.
fn looks(seconds: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to 1..=20"
    )]
    let looks = (seconds / 60.0 * LOOKS_A_MINUTE as f64).clamp(1.0, LOOKS_A_MINUTE as f64) as usize;
    looks
}

fn id(raw: &RawValue) -> Option<String> {
    Some(serde_json::from_str::<Identified>(raw.get()).ok()?.id)
}

/// The status of an object of a feed; `None` for a notification that is not a mention.
fn status(raw: &RawValue, notification: bool) -> Result<Option<Status>, serde_json::Error> {
    if !notification {
        return serde_json::from_str(raw.get()).map(Some);
    }
    #[derive(serde::Deserialize)]
    struct Kind {
        #[serde(rename = "type")]
        kind: String,
    }
    // The kind first: what others contain need not be readable.
    if serde_json::from_str::<Kind>(raw.get())?.kind != "mention" {
        return Ok(None);
    }
    Ok(serde_json::from_str::<Notification>(raw.get())?.status)
}

/// Whether one id of a server was made after another: they grow, and a longer one is a later one.
fn is_later(id: &str, than: &str) -> bool {
    (id.len(), id) > (than.len(), than)
}

pub(super) fn unstored(error: Unavailable) -> Lost {
    Lost::Broken(error.to_string())
}

/// The roots of conversations that were asked for lately.
#[derive(Default)]
pub(super) struct Roots(std::sync::Mutex<std::collections::HashMap<String, String>>);

impl Roots {
    /// When as many are kept, they are forgotten: they can be asked for again.
    const MOST: usize = 20_000;

    fn of(&self, status: &str) -> Option<String> {
        let roots = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        roots.get(status).cloned()
    }

    fn keep(&self, statuses: impl IntoIterator<Item = String>, root: &str) {
        let mut roots = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if roots.len() >= Self::MOST {
            roots.clear();
        }
        roots.extend(statuses.into_iter().map(|status| (status, root.to_owned())));
    }
}

/// An id, as a post has it.
pub(super) fn gone(known: &Known, id: &str) -> Sighting {
    Sighting::Gone(NativeId::new(known.software.stable(id).as_str()))
}
