//! Reading what was written: all posts that the account may see, its private messages, searches, and whether
//! what is known still stands.
//!
//! Lists show the newest first; `before` takes the id of a post, and older forums show of the fifty ids below it
//! those that exist (`posts_controller.rb`, `latest` in <https://github.com/discourse/discourse>). Ids only grow.
//! A sweep reads the newest page whole, and back to the newest id that it knew; a first start reads back a day.

use super::Discourse;
use super::api::{Failed, lost};
use super::translate;
use super::wire::{self, Found, Latest, Numbered, Topic};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::TimeDelta;
use serde_json::value::RawValue;

/// How far back a first start looks, and how old what a search finds may be.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The ids that a page spans on older forums.
const SPAN: i64 = 50;
/// The most pages of one reading.
const MOST_PAGES: usize = 200;
/// How many known posts are read again in a minute: a key has 60 calls.
const LOOKS_A_MINUTE: u32 = 10;
/// The most posts of a search that are read whole in one sweep.
const MOST_HITS: usize = 10;

type Raw = Box<RawValue>;

/// A list of posts.
#[derive(Clone, Copy)]
struct Feed {
    /// Its path, and the cursor's name.
    list: &'static str,
    private: bool,
}

/// What a reading brought.
#[derive(Default)]
struct Walk {
    /// Newest first.
    items: Vec<Raw>,
    failed: Option<Failed>,
}

impl Discourse {
    /// What was written on the forum since the last time.
    pub(super) async fn posts(&self, inbound: &Inbound) -> Result<(), Lost> {
        let feed = Feed {
            list: "posts",
            private: false,
        };
        self.follow(inbound, feed).await.map_err(|halt| match halt {
            Halt::Network(error) => lost(error),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    /// What else there is, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        let messages = Feed {
            list: "private-posts",
            private: true,
        };
        self.beside(messages.list, self.follow(inbound, messages)).await?;
        for words in &self.search {
            self.beside(&format!("search:{words}"), self.found(inbound, words))
                .await?;
        }
        self.beside("known posts", self.look_again(inbound)).await
    }

    /// Reads one of many, which stops none of the others.
    async fn beside(&self, feed: &str, reading: impl Future<Output = Result<(), Halt>>) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    async fn follow(&self, inbound: &Inbound, feed: Feed) -> Result<(), Halt> {
        let known = self.known().await?;
        let told = inbound.cursor(&self.source, feed.list).await?;
        let reached: Option<i64> = told.as_deref().and_then(|id| id.parse().ok());
        let oldest = self.clock.now() - FIRST_LOOK;
        let walk = self.walk(feed, reached, oldest).await;
        let (mut sightings, mut newest, mut ids) = (Vec::new(), reached, Vec::new());
        for raw in walk.items.iter().rev() {
            let post: wire::Post = match serde_json::from_str(raw.get()) {
                Ok(post) => post,
                Err(error) => {
                    let name = numbered(raw).map(|post| post.id.to_string());
                    let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
                    let place = (&self.source, feed.list);
                    self.troubles
                        .put_aside(inbound, place, &name, &error, raw.get())
                        .await?;
                    continue;
                }
            };
            newest = newest.max(Some(post.id));
            // What is new is heard, however old: moderators may have let it through late.
            let new = reached.is_some_and(|reached| post.id > reached);
            let old = !new && post.created_at < oldest;
            let Some(seen) = translate::post(&self.source, &self.api, &post, feed.private) else {
                continue;
            };
            if !old && post.user_id != known.id && !self.stored.has(seen.id.as_str()) {
                ids.push(seen.id.to_string());
                sightings.push(Sighting::Post(Box::new(seen)));
            }
        }
        // What could not be read to its end is read again from where the last reading ended.
        let moved = newest.filter(|_| walk.failed.is_none() && newest != reached);
        let cursor = moved.map(|id| Cursor {
            stream: feed.list.to_owned(),
            value: id.to_string(),
        });
        if !sightings.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, sightings, cursor).await?;
            self.stored.remember(ids);
        }
        walk.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Walks back to what is known, or, where nothing is, to the oldest that counts.
    async fn walk(&self, feed: Feed, reached: Option<i64>, oldest: Instant) -> Walk {
        let mut walk = Walk::default();
        let mut before: Option<i64> = None;
        for _ in 0..MOST_PAGES {
            let told = before.map(|id| id.to_string());
            let query: Vec<_> = told.iter().map(|id| ("before", id.as_str())).collect();
            let path = format!("{}.json", feed.list);
            let page: Latest = match self.api.get(&[&path], &query).await {
                Ok(page) => page,
                Err(error) => {
                    walk.failed = Some(error);
                    return walk;
                }
            };
            let posts: Vec<_> = page.latest_posts.iter().filter_map(|raw| numbered(raw)).collect();
            let lowest = posts.iter().map(|post| post.id).min();
            let old = |post: &Numbered| post.created_at.is_some_and(|at| at < oldest);
            let enough = match reached {
                Some(reached) => lowest.is_some_and(|lowest| lowest <= reached),
                None => posts.iter().any(old),
            };
            walk.items.extend(page.latest_posts);
            // A page that brought nothing lower: none of the ids that it spans exists.
            let next = match (before, lowest) {
                (None, None) => return walk,
                (None, Some(lowest)) => lowest,
                (Some(before), Some(lowest)) if lowest < before => lowest,
                (Some(before), Some(_) | None) => before - SPAN,
            };
            if enough || next <= reached.unwrap_or_default() {
                return walk;
            }
            before = Some(next);
        }
        tracing::warn!(
            source = %self.source, list = feed.list,
            "More was written than is read at once: what is older was not read."
        );
        walk
    }

    /// What a search finds that is not known yet: it shows no whole texts, so each is read.
    async fn found(&self, inbound: &Inbound, words: &str) -> Result<(), Halt> {
        let known = self.known().await?;
        let query = format!("{words} order:latest");
        let found: Found = self.api.get(&["search.json"], &[("q", &query)]).await?;
        let oldest = self.clock.now() - FIRST_LOOK;
        let new = found.posts.iter().filter(|hit| {
            let id = translate::id(hit.topic_id, hit.post_number);
            hit.created_at >= oldest && !self.stored.has(id.as_str())
        });
        let (mut seen, mut ids) = (Vec::new(), Vec::new());
        for hit in new.take(MOST_HITS) {
            let Some(post) = self.post(hit.topic_id, hit.post_number).await? else {
                continue;
            };
            ids.push(translate::id(hit.topic_id, hit.post_number).to_string());
            let translated = translate::post(&self.source, &self.api, &post, false);
            let theirs = translated.filter(|_| post.user_id != known.id);
            seen.extend(theirs.map(|post| Sighting::Post(Box::new(post))));
        }
        if !seen.is_empty() {
            inbound.posts_seen(&self.source, seen, None).await?;
        }
        // Ours too: they need not be read again.
        self.stored.remember(ids);
        Ok(())
    }

    /// Reads some known posts again, in turns.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let (mut sightings, mut limited) = (Vec::new(), None);
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            match self.seen_again(post).await {
                Ok(sighting) => sightings.extend(sighting),
                Err(error @ Failed::Limited(_)) => {
                    limited = Some(error);
                    break;
                }
                // Not to be had now: its turn comes again.
                Err(Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_)) => {}
            }
        }
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        limited.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What is new about a post. It is gone when the forum said so in two rounds.
    async fn seen_again(&self, known: &Post) -> Result<Option<Sighting>, Failed> {
        let Some((topic, number)) = translate::parts(&known.id) else {
            return Ok(None);
        };
        let gone = |id: &NativeId| Sighting::Gone(id.clone());
        let Some(post) = self.post(topic, number).await? else {
            return Ok(self.watch.is_gone(&known.id).then(|| gone(&known.id)));
        };
        self.watch.found(&known.id);
        if translate::is_gone(&post) {
            return Ok(Some(gone(&known.id)));
        }
        let private = known.visibility == crate::domain::Visibility::Private;
        let now = translate::post(&self.source, &self.api, &post, private);
        Ok(now.and_then(|mut now| {
            // An edit of the first minutes shows only in the text.
            if now.text != known.text {
                now.edited_at = Some(post.updated_at);
            }
            (now.edited_at > known.edited_at).then(|| Sighting::Post(Box::new(now)))
        }))
    }

    /// A post as it is now; `None` where the forum shows none. The first of a topic comes with the title.
    pub(super) async fn post(&self, topic: i64, number: i64) -> Result<Option<wire::Post>, Failed> {
        let (about, at) = (topic.to_string(), format!("{number}.json"));
        let read = self.api.get(&["posts", "by_number", &about, &at], &[]).await;
        let mut post: wire::Post = match read {
            Ok(post) => post,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(error),
        };
        if number == 1 && post.topic_title.is_none() {
            post.topic_title = self.topic(topic).await?.map(|topic| topic.title);
        }
        Ok(Some(post))
    }

    /// A topic as it is now.
    pub(super) async fn topic(&self, topic: i64) -> Result<Option<Topic>, Failed> {
        match self.api.get(&["t", &format!("{topic}.json")], &[]).await {
            Ok(topic) => Ok(Some(topic)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn numbered(raw: &RawValue) -> Option<Numbered> {
    serde_json::from_str(raw.get()).ok()
}
