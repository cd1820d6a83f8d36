//! Reading what was written: mentions, searches, private messages, and whether what is known still stands.
//!
//! Lists come newest first; ids carry their moment, so a reading asks for all since one
//! (<https://docs.x.com/x-api/posts/timelines/introduction>, `since_id`). Posts reach the lists some seconds
//! after they were written, and not in order: so a sweep goes back ten minutes behind the newest that it
//! knew. What it reads twice in a day is paid for once. What was there already the database knows; within a
//! run it is remembered here and not offered again.
//!
//! What is kept between sweeps is the newest moment, as an id, and the one from which on posts count: a day
//! before the first start. A new installation does not open old cases.

use super::call::{Failed, author, lost};
use super::price::Paid;
use super::translate::{self, Me};
use super::wire::{Includes, Message, Page, Tweet};
use super::{FIELDS, X};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::TimeDelta;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// How far behind the newest a sweep reads again.
const OVERLAP: TimeDelta = TimeDelta::minutes(10);
/// How far back a search may look: seven days, and a minute to get there.
const SEARCHABLE: TimeDelta = TimeDelta::minutes(7 * 24 * 60 - 1);
/// The most objects of a page.
const PAGE: &str = "100";
/// The objects of a page of private messages: each is paid for.
const FEW: &str = "20";
/// The most pages of one reading.
const MOST_PAGES: usize = 50;
/// So many mentions may be all that X shows: the newest 800, some of which may be gone
/// (<https://docs.x.com/x-api/posts/timelines/introduction>).
const LISTED: usize = 700;
/// The most posts that are asked for at once.
const BATCH: usize = 100;
/// How many known posts are read again in a minute, each of them paid for once a day.
const LOOKS_A_MINUTE: u32 = 20;
/// How long after it was written a post is looked at again: edits end within an hour, and what a customer
/// takes back later than this is seen when it is answered.
const LOOKED_AT: TimeDelta = TimeDelta::days(2);
/// How many versions of posts are remembered as stored.
const MOST_STORED: usize = 20_000;

/// Something that is read again and again.
struct Feed<'a> {
    /// The cursor's name.
    stream: String,
    path: Vec<&'a str>,
    query: Vec<(&'a str, &'a str)>,
    /// Whether all in it is written to us.
    told: bool,
    /// How far back it can be asked.
    most: Option<TimeDelta>,
}

/// How far a feed was read: moments, in the form of the lowest ids that they can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Reach {
    /// The newest that was there.
    newest: u64,
    /// Posts from before do not count.
    since: u64,
}

impl Reach {
    fn parse(text: &str) -> Option<Self> {
        let (newest, since) = text.split_once(' ')?;
        Some(Self {
            newest: newest.parse().ok()?,
            since: since.parse().ok()?,
        })
    }

    fn first(now: Instant) -> Self {
        let since = translate::lowest(now - FIRST_LOOK);
        Self { newest: since, since }
    }

    fn text(self) -> String {
        format!("{} {}", self.newest, self.since)
    }
}

/// What a reading brought.
#[derive(Default)]
struct Walk {
    items: Vec<Box<RawValue>>,
    includes: Includes,
    failed: Option<Failed>,
}

impl Walk {
    fn take(&mut self, page: Page) {
        self.items.extend(page.data);
        self.includes.users.extend(page.includes.users);
        self.includes.media.extend(page.includes.media);
    }

    /// Takes what a further reading brought.
    fn join(&mut self, further: Self) {
        self.items.extend(further.items);
        self.includes.users.extend(further.includes.users);
        self.includes.media.extend(further.includes.media);
        self.failed = further.failed;
    }

    /// The lowest id of all.
    fn oldest(&self) -> Option<u64> {
        let ids = self.items.iter().filter_map(|raw| super::call::id(raw.get()));
        ids.filter_map(|id| id.parse().ok()).min()
    }
}

impl X {
    /// What was said to us since the last time.
    pub(super) async fn listen(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.mentions(inbound).await.map_err(|halt| match halt {
            Halt::Network(error) => lost(error),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    async fn mentions(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.me().await?;
        let feed = Feed {
            stream: "mentions".to_owned(),
            path: vec!["2", "users", &me.id, "mentions"],
            query: vec![],
            told: true,
            most: None,
        };
        self.follow(inbound, &feed).await
    }

    /// What others say, private messages, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        if self.direct_messages {
            self.beside("private messages", self.messages(inbound)).await?;
        }
        for words in &self.search {
            if self.is_spent() {
                return Ok(());
            }
            let feed = Feed {
                stream: format!("search:{words}"),
                path: vec!["2", "tweets", "search", "recent"],
                query: vec![("query", words), ("sort_order", "recency")],
                told: false,
                most: Some(SEARCHABLE),
            };
            self.beside(&feed.stream, self.follow(inbound, &feed)).await?;
        }
        // What is left of little money is for what is new.
        if self.is_spent() || self.way.meter().is_scarce(self.clock.now()) {
            return Ok(());
        }
        self.beside("known posts", self.look_again(inbound)).await
    }

    /// Reads one of many, which stops none of the others.
    async fn beside(&self, feed: &str, reading: impl Future<Output = Result<(), Halt>>) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    async fn follow(&self, inbound: &Inbound, feed: &Feed<'_>) -> Result<(), Halt> {
        let me = self.me().await?;
        let now = self.clock.now();
        let kept = inbound.cursor(&self.source, &feed.stream).await?;
        let known = kept
            .as_deref()
            .and_then(Reach::parse)
            .unwrap_or(Reach::first(now));
        let mut horizon = translate::before(known.newest, OVERLAP).max(known.since);
        if let Some(most) = feed.most {
            horizon = horizon.max(translate::lowest(now - most));
        }
        let mut walk = self.walk(feed, horizon).await;
        if feed.told && walk.failed.is_none() && walk.items.len() >= LISTED {
            let older = self.beyond(&me, horizon, walk.oldest()).await;
            walk.join(older);
        }
        let place = feed.stream.as_str();
        let (tweets, newest) = self
            .read::<Tweet>(inbound, place, &walk.items, known.newest)
            .await?;
        let counts = |tweet: &&Tweet| {
            let written = translate::first(tweet).parse().unwrap_or(u64::MAX);
            written >= known.since && self.concerns(&me, tweet)
        };
        let mut fresh: Vec<_> = tweets.iter().filter(counts).collect();
        fresh.sort_by_key(|tweet| (tweet.created_at, tweet.id.parse().unwrap_or(u64::MAX)));
        let posts = fresh
            .iter()
            .map(|tweet| translate::post(&self.source, &me, tweet, &walk.includes, feed.told));
        let posts = posts.map(|post| Sighting::Post(Box::new(post))).collect();
        let newest = newest.min(translate::lowest(now + OVERLAP));
        let reach = (walk.failed.is_none()).then_some(Reach { newest, ..known });
        self.store(inbound, posts, (place, kept, reach)).await?;
        self.remember(fresh.iter().map(|tweet| tweet.id.clone()));
        walk.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Mentions that are older than what the list shows, as far as a search finds them: after an outage in which
    /// very many wrote.
    async fn beyond(&self, me: &Me, horizon: u64, oldest: Option<u64>) -> Walk {
        let (words, oldest) = (
            format!("@{} -is:retweet", me.username),
            oldest.unwrap_or(u64::MAX >> 1).to_string(),
        );
        let feed = Feed {
            stream: "mentions".to_owned(),
            path: vec!["2", "tweets", "search", "recent"],
            query: vec![
                ("query", &words),
                ("sort_order", "recency"),
                ("until_id", &oldest),
            ],
            told: true,
            most: Some(SEARCHABLE),
        };
        let searchable = translate::lowest(self.clock.now() - SEARCHABLE);
        self.walk(&feed, horizon.max(searchable)).await
    }

    /// Stores what was read, and how far. What could not be read to its end is read again from where the
    /// last reading ended.
    async fn store(
        &self,
        inbound: &Inbound,
        posts: Vec<Sighting>,
        (stream, kept, reach): (&str, Option<String>, Option<Reach>),
    ) -> Result<(), Halt> {
        let value = reach
            .map(Reach::text)
            .filter(|value| kept.as_ref() != Some(value));
        let cursor = value.map(|value| Cursor {
            stream: stream.to_owned(),
            value,
        });
        if !posts.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, posts, cursor).await?;
        }
        Ok(())
    }

    /// Whether a post is somebody else's, not a mere share, and not stored in this run.
    pub(super) fn concerns(&self, me: &Me, tweet: &Tweet) -> bool {
        let shared = tweet
            .referenced_tweets
            .iter()
            .any(|other| other.kind == "retweeted");
        tweet.author_id != me.id && !shared && !self.stored().contains(&tweet.id)
    }

    /// Walks back to the horizon.
    async fn walk(&self, feed: &Feed<'_>, horizon: u64) -> Walk {
        let mut walk = Walk::default();
        let horizon = horizon.to_string();
        let mut next: Option<String> = None;
        // The search has another name for it than the lists of accounts.
        let token = if feed.most.is_some() {
            "next_token"
        } else {
            "pagination_token"
        };
        for _ in 0..MOST_PAGES {
            let mut query = feed.query.clone();
            query.extend([("max_results", PAGE), ("since_id", &horizon)]);
            query.extend(FIELDS);
            if let Some(next) = &next {
                query.push((token, next));
            }
            match self.way.page(&feed.path, &query).await {
                Ok(mut page) => {
                    let before = next.replace(page.meta.next_token.take().unwrap_or_default());
                    walk.take(page);
                    if next.as_deref() == Some("") || next == before {
                        return walk;
                    }
                }
                Err(error) => {
                    walk.failed = Some(error);
                    return walk;
                }
            }
        }
        tracing::warn!(
            source = %self.source, stream = feed.stream, pages = MOST_PAGES,
            "More was written than is read at once: what is older than these pages was not read."
        );
        walk
    }

    /// The objects that can be read, and the highest id of all. What cannot be read is set aside and blocks
    /// nothing.
    async fn read<T: DeserializeOwned>(
        &self,
        inbound: &Inbound,
        stream: &str,
        items: &[Box<RawValue>],
        known: u64,
    ) -> Result<(Vec<T>, u64), Halt> {
        let (mut read, mut newest) = (Vec::new(), known);
        for raw in items {
            let id = super::call::id(raw.get());
            match serde_json::from_str(raw.get()) {
                Ok(object) => {
                    let number = id.and_then(|id| id.parse().ok());
                    newest = newest.max(number.unwrap_or(known));
                    read.push(object);
                }
                Err(error) => {
                    let name = id.unwrap_or_else(|| raw.get().chars().take(200).collect());
                    let place = (&self.source, stream);
                    self.troubles
                        .put_aside(inbound, place, &name, &error, raw.get())
                        .await?;
                }
            }
        }
        Ok((read, newest))
    }

    /// Private messages to us (<https://docs.x.com/x-api/direct-messages/lookup/introduction>): there is no
    /// `since_id`, so the newest page is read, and on until what is known.
    async fn messages(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.me().await?;
        let now = self.clock.now();
        let kept = inbound.cursor(&self.source, "messages").await?;
        let known = kept
            .as_deref()
            .and_then(Reach::parse)
            .unwrap_or(Reach::first(now));
        let walk = self.messages_since(known.newest).await;
        let (mut messages, newest) = self
            .read::<Message>(inbound, "messages", &walk.items, known.newest)
            .await?;
        messages.retain(|message| {
            let written = message.id.parse().unwrap_or(u64::MAX);
            message.sender_id != me.id && written >= known.since && !self.stored().contains(&message.id)
        });
        messages.sort_by_key(|message| message.created_at);
        let posts = messages.iter().map(|message| {
            let author = author(&walk.includes, &message.sender_id);
            Sighting::Post(Box::new(translate::message(&self.source, message, author)))
        });
        let reach = (walk.failed.is_none()).then_some(Reach { newest, ..known });
        self.store(inbound, posts.collect(), ("messages", kept, reach))
            .await?;
        self.remember(messages.into_iter().map(|message| message.id));
        walk.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Private messages, the newest first, until what is known. Only 15 pages may be read in a quarter of an
    /// hour (<https://docs.x.com/x-api/fundamentals/rate-limits>): the first is a short one, the others are not.
    async fn messages_since(&self, known: u64) -> Walk {
        let mut walk = Walk::default();
        let mut next: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![
                ("event_types", "MessageCreate"),
                (
                    "dm_event.fields",
                    "id,text,created_at,sender_id,dm_conversation_id,entities",
                ),
                ("expansions", "sender_id"),
                ("user.fields", "username,name,public_metrics"),
                ("max_results", if next.is_none() { FEW } else { PAGE }),
            ];
            if let Some(next) = &next {
                query.push(("pagination_token", next));
            }
            let mut page: Page = match self.way.get(&["2", "dm_events"], &query).await {
                Ok(page) => page,
                Err(error) => {
                    walk.failed = Some(error);
                    return walk;
                }
            };
            let ids = page.data.iter().filter_map(|raw| super::call::id(raw.get()));
            let ids: Vec<_> = ids.collect();
            self.way.paid(Paid::Message, ids.iter().map(String::as_str));
            let reached = ids.iter().any(|id| id.parse().is_ok_and(|id: u64| id <= known));
            let before = next.clone();
            next = page.meta.next_token.take();
            walk.take(page);
            if reached || next.is_none() || next == before {
                return walk;
            }
        }
        tracing::warn!(
            source = %self.source, pages = MOST_PAGES,
            "More private messages came than are read at once: what is older than these pages was not read."
        );
        walk
    }

    /// Looks whether known posts still stand and say the same, in turns.
    ///
    /// # Errors
    /// The network cannot be read, or nothing can be stored; what was seen until then is stored if it can.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.me().await?;
        let oldest = self.clock.now() - LOOKED_AT;
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted && post.created_at > oldest && !is_message(post));
        let (mut seen, mut failed) = (Vec::new(), None);
        for some in self
            .watch
            .turns(&watched, self.poll, LOOKS_A_MINUTE)
            .chunks(BATCH)
        {
            match self.seen_again(&me, some).await {
                Ok(sightings) => seen.extend(sightings),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if !seen.is_empty() {
            inbound.posts_seen(&self.source, seen, None).await?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// What is new about some posts: taken back, which has to show in two rounds, or edited.
    async fn seen_again(&self, me: &Me, posts: &[&Post]) -> Result<Vec<Sighting>, Failed> {
        let ids: Vec<_> = posts.iter().map(|post| post.id.as_str()).collect();
        let page = self.several(&ids).await?;
        let mut seen = Vec::new();
        for problem in page.errors.iter().filter(|problem| problem.is_gone()) {
            let id = NativeId::new(&problem.resource_id);
            if self.watch.is_gone(&id) {
                seen.push(Sighting::Gone(id));
            }
        }
        let read = page.data.iter();
        let read = read.filter_map(|raw| serde_json::from_str::<Tweet>(raw.get()).ok());
        let mut newer = Vec::new();
        let told: HashMap<_, _> = posts.iter().map(|post| (post.id.as_str(), *post)).collect();
        for tweet in read {
            self.watch.found(&NativeId::new(translate::first(&tweet)));
            let last = tweet.edit_history_tweet_ids.last().unwrap_or(&tweet.id);
            let known = told.get(tweet.id.as_str()).and_then(|post| post.edited_at);
            let moment = last.parse().ok().map(translate::moment);
            if *last != tweet.id && known.zip(moment).is_none_or(|(known, moment)| moment > known) {
                newer.push(last.clone());
            }
        }
        newer.retain(|id| !self.stored().contains(id));
        if newer.is_empty() {
            return Ok(seen);
        }
        let newer: Vec<_> = newer.iter().map(String::as_str).collect();
        let page = self.several(&newer).await?;
        for tweet in page
            .data
            .iter()
            .filter_map(|raw| serde_json::from_str::<Tweet>(raw.get()).ok())
        {
            let told = told
                .get(translate::first(&tweet))
                .is_some_and(|post| translate::is_written_to_us(post));
            let post = translate::post(&self.source, me, &tweet, &page.includes, told);
            seen.push(Sighting::Post(Box::new(post)));
        }
        Ok(seen)
    }

    /// Posts as they are now (<https://docs.x.com/x-api/posts/lookup/introduction>, at most 100).
    pub(super) async fn several(&self, ids: &[&str]) -> Result<Page, Failed> {
        let ids = ids.join(",");
        let mut query = vec![("ids", ids.as_str())];
        query.extend(FIELDS);
        self.way.page(&["2", "tweets"], &query).await
    }

    pub(super) fn remember(&self, ids: impl Iterator<Item = String>) {
        let mut stored: std::sync::MutexGuard<'_, HashSet<String>> = self.stored();
        if stored.len() >= MOST_STORED {
            stored.clear();
        }
        stored.extend(ids);
    }
}

fn is_message(post: &Post) -> bool {
    post.visibility == crate::domain::Visibility::Private
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reach_is_kept_as_it_was() {
        let reach = Reach {
            newest: 2_080_761_390_344_937_796,
            since: 2_080_000_000_000_000_000,
        };
        assert_eq!(Reach::parse(&reach.text()), Some(reach));
        assert_eq!(Reach::parse("2080761390344937796"), None);
    }
}
