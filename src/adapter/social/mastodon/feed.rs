//! Reading what was written since the cursor, in order: notifications, hashtags, searches.
//!
//! `min_id` pages forward from the cursor without gaps, newest first within a page
//! (<https://docs.joinmastodon.org/api/guidelines/#pagination>); the `limit` is always sent. A page
//! and the cursor behind it are stored together. A first start, without a cursor, takes what the
//! newest page has of the last 24 hours: a new installation does not open old cases.
//!
//! Notifications get their ids as they come. A status that the server fetches from elsewhere gets
//! one by the time it was written, which may lie before the cursor: of hashtags and searches the
//! newest page is read whole each time, and the database knows what was there.

use super::Mastodon;
use super::api::{self, Failed};
use super::instance::{Known, Software};
use super::translate;
use super::wire::{Found, Identified, Kind, Notification, Status};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::{Cursor, Inbound, Unavailable};
use crate::domain::{Instant, Post, PostKind, Sighting};
use chrono::TimeDelta;
use serde_json::value::RawValue;

/// How far back a first start looks, and how late a post of a hashtag or a search may come.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The most notifications of a page.
const NOTIFICATIONS: usize = 80;
/// The most statuses of a page.
const STATUSES: usize = 40;
/// The most pages of one sweep: a server that ignores the cursor cannot keep us for ever.
const MOST_PAGES: usize = 1000;

type Raw = Box<RawValue>;

/// Something that is read with a cursor.
struct Feed<'a> {
    /// The cursor's name.
    stream: String,
    path: Vec<&'a str>,
    query: Vec<(&'a str, &'a str)>,
    limit: usize,
    /// Whether its objects are notifications with a status inside.
    notifications: bool,
}

/// Which statuses of a page are taken.
#[derive(Clone, Copy)]
struct Horizon<'a> {
    /// Those written since then; without it, all.
    since: Option<Instant>,
    /// And those with a later id than this.
    after: Option<&'a str>,
}

impl Horizon<'_> {
    fn covers(self, status: &Status) -> bool {
        self.since.is_none_or(|since| status.created_at >= since)
            || self.after.is_some_and(|id| is_later(&status.id, id))
    }
}

impl Mastodon {
    /// What was said to us since the last time.
    pub(super) async fn notifications(&self, inbound: &Inbound) -> Result<(), Lost> {
        let feed = Feed {
            stream: "notifications".to_owned(),
            path: vec!["api", "v1", "notifications"],
            // Filtered ones too: servers hide mentions by new accounts otherwise.
            query: vec![("types[]", "mention"), ("include_filtered", "true")],
            limit: NOTIFICATIONS,
            notifications: true,
        };
        self.follow(inbound, &feed).await.map_err(|halt| match halt {
            Halt::Network(error) => api::lost(error),
            Halt::Store(error) => unstored(error),
        })
    }

    /// What others say, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        for tag in &self.hashtags {
            let tag = tag.trim_start_matches('#');
            self.beside(&format!("tag:{tag}"), self.tag(inbound, tag)).await?;
        }
        for words in &self.search {
            self.beside(&format!("search:{words}"), self.search(inbound, words))
                .await?;
        }
        self.beside("known posts", self.look_again(inbound)).await
    }

    /// Reads one of many, which stops none of the others.
    async fn beside(&self, feed: &str, reading: impl Future<Output = Result<(), Halt>>) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    /// Pages forward from the cursor.
    async fn follow(&self, inbound: &Inbound, feed: &Feed<'_>) -> Result<(), Halt> {
        let known = self.known().await?;
        let mut cursor = inbound.cursor(&self.source, &feed.stream).await?;
        for _ in 0..MOST_PAGES {
            let page = self.page(&known, feed, cursor.as_deref()).await?;
            let Some(newest) = page.first().and_then(|raw| id(raw)) else {
                return Ok(());
            };
            if cursor.as_ref() == Some(&newest) {
                return Ok(());
            }
            let horizon = Horizon {
                since: cursor.is_none().then(|| self.clock.now() - FIRST_LOOK),
                after: None,
            };
            self.take(inbound, feed, &page, horizon, Some(newest.clone()))
                .await?;
            // Servers leave out of a page what we may not see, so it may be short with more behind
            // it. If more than half is missing, it is taken for the last; the next sweep would see.
            if page.len() * 2 < feed.limit {
                return Ok(());
            }
            cursor = Some(newest);
        }
        Ok(())
    }

    /// What stands under a hashtag.
    async fn tag(&self, inbound: &Inbound, tag: &str) -> Result<(), Halt> {
        let feed = Feed {
            stream: format!("tag:{tag}"),
            path: vec!["api", "v1", "timelines", "tag", tag],
            query: vec![],
            limit: STATUSES,
            notifications: false,
        };
        let known = self.known().await?;
        let page = self.page(&known, &feed, None).await?;
        let cursor = inbound.cursor(&self.source, &feed.stream).await?;
        match &cursor {
            // More came than the page holds.
            Some(cursor) if !page.is_empty() && page.iter().all(|raw| comes_after(raw, cursor)) => {
                self.follow(inbound, &feed).await
            }
            Some(_) | None => self.take_newest(inbound, &feed, &page, cursor).await,
        }
    }

    /// What a search finds. Servers page searches in no reliable way, so only the newest page is read
    /// (<https://docs.joinmastodon.org/methods/search/>).
    async fn search(&self, inbound: &Inbound, words: &str) -> Result<(), Halt> {
        let limit = STATUSES.to_string();
        let feed = Feed {
            stream: format!("search:{words}"),
            path: vec!["api", "v2", "search"],
            query: vec![
                ("type", "statuses"),
                ("q", words),
                ("resolve", "false"),
                ("limit", &limit),
            ],
            limit: STATUSES,
            notifications: false,
        };
        let found: Found = self.api.get(&feed.path, &feed.query).await?;
        let mut page = found.statuses;
        page.sort_by_key(|raw| std::cmp::Reverse(id(raw).map(|id| (id.len(), id))));
        let cursor = inbound.cursor(&self.source, &feed.stream).await?;
        self.take_newest(inbound, &feed, &page, cursor).await
    }

    /// Takes the newest page: what is after the cursor, and what came late.
    async fn take_newest(
        &self,
        inbound: &Inbound,
        feed: &Feed<'_>,
        page: &[Raw],
        cursor: Option<String>,
    ) -> Result<(), Halt> {
        let newest = page.first().and_then(|raw| id(raw));
        let reached = match (&cursor, newest) {
            (Some(cursor), Some(newest)) => is_later(&newest, cursor).then_some(newest),
            (None, newest) => newest,
            (Some(_), None) => None,
        };
        let horizon = Horizon {
            since: Some(self.clock.now() - FIRST_LOOK),
            after: cursor.as_deref(),
        };
        self.take(inbound, feed, page, horizon, reached).await
    }

    /// Stores a page, together with the cursor behind it.
    async fn take(
        &self,
        inbound: &Inbound,
        feed: &Feed<'_>,
        page: &[Raw],
        horizon: Horizon<'_>,
        reached: Option<String>,
    ) -> Result<(), Halt> {
        let sightings = self.read(inbound, feed, page, horizon).await?;
        let cursor = reached.map(|value| Cursor {
            stream: feed.stream.clone(),
            value,
        });
        if !sightings.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, sightings, cursor).await?;
        }
        Ok(())
    }

    /// What follows the cursor, newest first.
    async fn page(&self, known: &Known, feed: &Feed<'_>, cursor: Option<&str>) -> Result<Vec<Raw>, Failed> {
        let limit = feed.limit.to_string();
        let mut query = feed.query.clone();
        query.push(("limit", &limit));
        if let Some(cursor) = cursor {
            query.push(("min_id", cursor));
        }
        let mut page: Vec<Raw> = self.api.get(&feed.path, &query).await?;
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
            let older: Vec<Raw> = self.api.get(&feed.path, &back).await?;
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
        feed: &Feed<'_>,
        page: &[Raw],
        horizon: Horizon<'_>,
    ) -> Result<Vec<Sighting>, Halt> {
        let known = self.known().await?;
        let mut sightings = Vec::with_capacity(page.len());
        for raw in page.iter().rev() {
            match status(raw, feed.notifications) {
                Ok(Some(status)) => {
                    if horizon.covers(&status) && !translate::is_nobodys(&known, &status) {
                        let mut post = self.post(&known, &status).await?;
                        // snac does not show us among those whom a post names: that we are told of it does.
                        if feed.notifications && post.kind == PostKind::Post {
                            post.kind = PostKind::Mention;
                        }
                        sightings.push(Sighting::Post(Box::new(post)));
                    }
                }
                Ok(None) => {}
                Err(error) => {
                    let name = id(raw).unwrap_or_else(|| raw.get().chars().take(200).collect());
                    let place = (&self.source, feed.stream.as_str());
                    self.troubles
                        .put_aside(inbound, place, &name, &error, raw.get())
                        .await?;
                }
            }
        }
        Ok(sightings)
    }

    /// A status as a post, with the conversation it belongs to.
    async fn post(&self, known: &Known, status: &Status) -> Result<Post, Failed> {
        let root = self.root(status).await?;
        let conversation = known.software.stable(&root);
        Ok(translate::post(&self.source, known, status, conversation))
    }

    /// The same as a sighting.
    pub(super) async fn sighting(&self, known: &Known, status: &Status) -> Result<Sighting, Failed> {
        self.post(known, status)
            .await
            .map(|post| Sighting::Post(Box::new(post)))
    }
}

fn id(raw: &RawValue) -> Option<String> {
    Some(serde_json::from_str::<Identified>(raw.get()).ok()?.id)
}

/// The status of an object of a feed; `None` for a notification that is not a mention.
fn status(raw: &RawValue, notification: bool) -> Result<Option<Status>, serde_json::Error> {
    if !notification {
        return serde_json::from_str(raw.get()).map(Some);
    }
    if serde_json::from_str::<Kind>(raw.get())?.kind != "mention" {
        return Ok(None);
    }
    Ok(serde_json::from_str::<Notification>(raw.get())?.status)
}

fn comes_after(raw: &RawValue, cursor: &str) -> bool {
    id(raw).is_none_or(|id| is_later(&id, cursor))
}

/// Whether one id of a server was made after another: they grow, and a longer one is a later one.
fn is_later(id: &str, than: &str) -> bool {
    (id.len(), id) > (than.len(), than)
}

pub(super) fn unstored(error: Unavailable) -> Lost {
    Lost::Broken(error.to_string())
}
