//! Reading what was written: all posts that the account may see, its private messages, searches, and whether
//! what is known still stands.
//!
//! Lists show the newest first; `before` takes the id of a post, and forums show the fifty posts below it, older ones
//! beginning with it, and the oldest (of before 2023) only those among the fifty ids from it on downwards
//! (`posts_controller.rb`, `latest`, and `latest_posts_query.rb` in <https://github.com/discourse/discourse>). Ids
//! only grow. A sweep reads the newest page whole, and back to the newest id that it knew; a first start reads back
//! a day.

use super::api::{Failed, lost};
use super::translate;
use super::wire::{self, Details, Found, Latest, Numbered, Topic};
use super::{Discourse, Known};
use crate::adapter::stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::value::RawValue;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// How far back a first start looks, and how old what a search finds may be.
pub(super) const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The posts of a page, and the ids that one spans on the oldest forums.
const PAGE: usize = 50;
const SPAN: i64 = 50;
/// The most pages without a post that are passed where nothing says how far back there is any.
const MOST_EMPTY: usize = 20;
/// The most private topics of which is remembered that they are ours.
const MOST_TOPICS: usize = 10_000;
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
        let mut walk = self.walk(feed, reached, oldest).await;
        let (mut sightings, mut newest, mut marks) = (Vec::new(), reached, Vec::new());
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
            if old || post.user_id == known.id || self.stored.knows_post(&seen) {
                continue;
            }
            if feed.private && known.admin {
                match self.is_party(&known, post.topic_id).await {
                    Ok(true) => {}
                    Ok(false) => {
                        // It need not be asked about again.
                        marks.push((seen.id.to_string(), true));
                        continue;
                    }
                    Err(error) => {
                        walk.failed = Some(error);
                        break;
                    }
                }
            }
            marks.push(stored::mark(&seen));
            sightings.push(Sighting::Post(Box::new(seen)));
        }
        // What could not be read to its end is read again from where the last reading ended.
        let moved = newest.filter(|_| walk.failed.is_none() && newest != reached);
        let cursor = moved.map(|id| Cursor {
            stream: feed.list.to_owned(),
            value: id.to_string(),
        });
        if !sightings.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, sightings, cursor).await?;
        }
        self.stored.remember_as(marks);
        walk.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Walks back to what is known, or, where nothing is, to the oldest that counts.
    async fn walk(&self, feed: Feed, reached: Option<i64>, oldest: Instant) -> Walk {
        let mut walk = Walk::default();
        let mut steps = self.steps();
        for _ in 0..MOST_PAGES {
            let told = steps.before.map(|id| id.to_string());
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
            let old = |post: &Numbered| post.created_at.is_some_and(|at| at < oldest);
            let ids: Vec<_> = posts.iter().map(|post| post.id).collect();
            let goes_on = self.step(&mut steps, &ids);
            let enough = match reached {
                Some(reached) => {
                    ids.iter().any(|id| *id <= reached) || steps.before.is_none_or(|next| next <= reached)
                }
                None => posts.iter().any(old) || steps.empty > MOST_EMPTY,
            };
            walk.items.extend(page.latest_posts);
            if enough || !goes_on {
                return walk;
            }
        }
        tracing::warn!(
            source = %self.source, list = feed.list,
            "More was written than is read at once: what is older was not read."
        );
        walk
    }

    /// The steps back through a list of posts.
    pub(super) fn steps(&self) -> Steps {
        Steps {
            filled: self.filled.load(Ordering::Relaxed),
            ..Steps::default()
        }
    }

    /// Goes on behind a page with these ids; says whether anything can be there.
    pub(super) fn step(&self, steps: &mut Steps, ids: &[i64]) -> bool {
        let goes_on = steps.over(ids);
        self.filled.fetch_or(steps.filled, Ordering::Relaxed);
        goes_on
    }

    /// Whether our account takes part in a private topic, by itself or with a group. The forum shows an
    /// administrator the others, too.
    pub(super) async fn is_party(&self, known: &Known, topic: i64) -> Result<bool, Failed> {
        let held = || self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if held().contains(&topic) {
            return Ok(true);
        }
        let details = match self.topic(topic).await {
            Ok(topic) => topic.map(|topic| topic.details).unwrap_or_default(),
            // What is not shown to us is not ours.
            Err(Failed::Status { status, .. }) if status == StatusCode::FORBIDDEN => Details::default(),
            Err(error) => return Err(error),
        };
        let is_party = details.allowed_users.iter().any(|user| user.id == known.id)
            || details
                .allowed_groups
                .iter()
                .any(|group| known.groups.contains(&group.name));
        // Who is not among them may be invited later.
        if is_party {
            let mut parties = held();
            if parties.len() >= MOST_TOPICS {
                parties.clear();
            }
            parties.insert(topic);
        }
        Ok(is_party)
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
        let (mut seen, mut marks) = (Vec::new(), Vec::new());
        for hit in new.take(MOST_HITS) {
            let id = translate::id(hit.topic_id, hit.post_number).to_string();
            let post = match self.post(hit.topic_id, hit.post_number).await {
                Ok(post) => post,
                Err(error @ (Failed::Limited(_) | Failed::Unreached(_))) => return Err(error.into()),
                // One that cannot be read is no reason to leave out the others.
                Err(Failed::Status { .. } | Failed::Broken(_)) => None,
            };
            marks.push((id, false));
            let Some(post) = post else { continue };
            let translated = translate::post(&self.source, &self.api, &post, false);
            let theirs = translated.filter(|_| post.user_id != known.id);
            seen.extend(theirs.map(|post| Sighting::Post(Box::new(post))));
        }
        if !seen.is_empty() {
            inbound.posts_seen(&self.source, seen, None).await?;
        }
        // Ours too, and what cannot be read: they need not be read again.
        self.stored.remember_as(marks);
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

/// Where the next page of a list of posts begins.
#[derive(Debug, Default)]
pub(super) struct Steps {
    /// Below which id the next page is; none before the first.
    pub(super) before: Option<i64>,
    /// How many pages without a post came last.
    empty: usize,
    /// Whether pages are filled with posts, so that one that is not full is the last. On the oldest forums a page
    /// spans fifty ids, and says nothing about what is below them.
    filled: bool,
}

impl Steps {
    fn over(&mut self, ids: &[i64]) -> bool {
        let (lowest, highest) = (ids.iter().min(), ids.iter().max());
        let spread = lowest
            .zip(highest)
            .map_or(0, |(lowest, highest)| highest - lowest);
        self.filled |= spread >= SPAN;
        let lower = lowest.filter(|lowest| self.before.is_none_or(|before| **lowest < before));
        self.empty = if lower.is_some() { 0 } else { self.empty + 1 };
        let last = self.filled && ids.len() < PAGE;
        self.before = match (lower, self.before) {
            (Some(lower), _) => Some(*lower),
            (None, Some(before)) => Some(before - SPAN),
            (None, None) => None,
        };
        !last && self.before.is_some_and(|before| before > 1)
    }
}

fn numbered(raw: &RawValue) -> Option<Numbered> {
    serde_json::from_str(raw.get()).ok()
}
