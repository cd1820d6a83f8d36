//! Reading what was written: the inbox, subreddits, searches, and whether what is known still stands.
//!
//! Lists show the newest first and page backwards by the name of the last item
//! (<https://www.reddit.com/dev/api#listings>); forwards, `before` finds nothing once its item is deleted, and
//! what moderators let through late takes its old place. So a sweep reads the newest page whole, and back to
//! an hour before the newest that it knew (see `adapter::reach`). A list shows its newest 1000.

use super::Reddit;
use super::session::{Failed, lost};
use super::translate;
use super::wire::{Listing, Named, Thing};
use crate::adapter::reach::Reach;
use crate::adapter::stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, PostKind, Sighting};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// The most things of a page.
const LIMIT: &str = "100";
/// The most pages of one reading: a list ends after 1000 things.
const MOST_PAGES: usize = 10;
/// A list that ends behind so many things may have been cut off there, and not be at its end: of the 1000 those
/// are missing that were removed.
const MOST_LISTED: usize = 900;
/// The most things of one look (<https://www.reddit.com/dev/api#GET_api_info>).
const BATCH: usize = 100;
/// How many known posts are read again in a minute: two calls.
const LOOKS_A_MINUTE: u32 = 200;

type Raw = Box<RawValue>;

/// Something that is read again and again.
struct Feed<'a> {
    /// The cursor's name.
    stream: String,
    path: Vec<&'a str>,
    query: Vec<(&'a str, &'a str)>,
    /// Whether what is in it was written to us.
    to_us: bool,
}

/// What a reading brought.
#[derive(Default)]
struct Walk {
    /// Newest first.
    items: Vec<Raw>,
    failed: Option<Failed>,
}

impl Reddit {
    /// What was said to us since the last time: replies, mentions, messages. They stay unread for people.
    pub(super) async fn inbox(&self, inbound: &Inbound) -> Result<(), Lost> {
        let feed = Feed {
            stream: "inbox".to_owned(),
            path: vec!["message", "inbox"],
            query: vec![("mark", "false")],
            to_us: true,
        };
        self.follow(inbound, &feed).await.map_err(|halt| match halt {
            Halt::Network(error) => lost(error),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    /// What others say, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        for name in &self.subreddits {
            for list in ["comments", "new"] {
                let feed = Feed {
                    stream: format!("r/{name}/{list}"),
                    path: vec!["r", name, list],
                    query: vec![],
                    to_us: false,
                };
                self.beside(&feed.stream, self.follow(inbound, &feed)).await?;
            }
        }
        for words in &self.search {
            let feed = Feed {
                stream: format!("search:{words}"),
                path: vec!["search"],
                query: vec![("q", words), ("sort", "new"), ("type", "link")],
                to_us: false,
            };
            self.beside(&feed.stream, self.follow(inbound, &feed)).await?;
        }
        self.beside("known posts", self.look_again(inbound)).await
    }

    /// Reads one of many, which stops none of the others.
    async fn beside(&self, feed: &str, reading: impl Future<Output = Result<(), Halt>>) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    async fn follow(&self, inbound: &Inbound, feed: &Feed<'_>) -> Result<(), Halt> {
        let told = inbound.cursor(&self.source, &feed.stream).await?;
        let known = Reach::read(told.as_deref(), self.clock.now());
        let walk = self.walk(feed, known.horizon()).await;
        let (posts, newest) = self.posts_of(inbound, feed, &walk.items, known).await?;
        let reach = Reach { newest, ..known }.text();
        // What could not be read to its end is read again from where the last reading ended.
        let moved = walk.failed.is_none() && told.as_ref() != Some(&reach);
        let cursor = moved.then(|| Cursor {
            stream: feed.stream.clone(),
            value: reach,
        });
        if !posts.is_empty() || cursor.is_some() {
            let marks: Vec<_> = posts.iter().map(stored::mark).collect();
            let sightings = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
            inbound
                .posts_seen(&self.source, sightings.collect(), cursor)
                .await?;
            self.stored.remember_as(marks);
        }
        walk.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Walks back to the horizon, at least a page.
    async fn walk(&self, feed: &Feed<'_>, horizon: Instant) -> Walk {
        let mut walk = Walk::default();
        let mut behind: Option<String> = None;
        let mut again = false;
        for _ in 0..MOST_PAGES {
            let page = match self.page(feed, behind.as_deref()).await {
                Ok(page) => page,
                Err(error) => {
                    walk.failed = Some(error);
                    return walk;
                }
            };
            if page.children.is_empty() && !again {
                // Behind a name that was deleted meanwhile nothing is found: the one before it may do.
                let earlier = walk.items.iter().rev().filter_map(|raw| named(raw)?.data.name);
                behind = earlier.filter(|name| behind.as_ref() != Some(name)).nth(0);
                again = true;
                if behind.is_none() {
                    return walk;
                }
                continue;
            }
            again = false;
            let moments = page
                .children
                .iter()
                .filter_map(|raw| named(raw)?.data.created_utc);
            let reached = moments
                .map(super::wire::at)
                .min()
                .is_none_or(|oldest| oldest < horizon);
            walk.items.extend(page.children);
            if reached || (page.after.is_none() && walk.items.len() < MOST_LISTED) {
                return walk;
            }
            if page.after.is_none() {
                break;
            }
            behind = page.after;
        }
        tracing::warn!(
            source = %self.source, stream = feed.stream, %horizon,
            "More was written than Reddit shows of a list: what is older was not read."
        );
        walk
    }

    async fn page(&self, feed: &Feed<'_>, behind: Option<&str>) -> Result<super::wire::Page, Failed> {
        let mut query = feed.query.clone();
        query.push(("limit", LIMIT));
        query.extend(behind.map(|name| ("after", name)));
        let listing: Listing = self.account.get(&feed.path, &query).await?;
        Ok(listing.data)
    }

    /// The posts among what was read that count and are not known yet, the oldest first, and the newest
    /// moment of all. What cannot be read is set aside and blocks nothing.
    async fn posts_of(
        &self,
        inbound: &Inbound,
        feed: &Feed<'_>,
        items: &[Raw],
        known: Reach,
    ) -> Result<(Vec<Post>, Instant), Halt> {
        let now = self.clock.now();
        let (mut posts, mut newest, mut met) = (Vec::new(), known.newest, HashSet::new());
        for raw in items.iter().rev() {
            let thing: Thing = match serde_json::from_str(raw.get()) {
                Ok(thing) => thing,
                Err(error) => {
                    let name = named(raw).and_then(|named| named.data.name);
                    let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
                    let place = (&self.source, feed.stream.as_str());
                    self.troubles
                        .put_aside(inbound, place, &name, &error, raw.get())
                        .await?;
                    continue;
                }
            };
            let written = thing.data.created_at();
            newest = newest.max(written.min(now));
            if written < known.since || !matches!(thing.kind.as_str(), "t1" | "t3" | "t4") {
                continue;
            }
            let Some(mut post) = translate::post(&self.source, &thing) else {
                continue;
            };
            if feed.to_us && post.kind == PostKind::Post {
                post.kind = PostKind::Comment;
            }
            let ours = post.author.id == self.me;
            if !ours && !self.stored.knows_post(&post) && met.insert(post.id.clone()) {
                posts.push(post);
            }
        }
        posts.sort_by_key(|post| post.created_at);
        Ok((posts, newest))
    }

    /// Reads some known posts again, in turns. Private messages can be neither edited nor read again.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted && !post.id.as_str().starts_with("t4_"));
        let turns = self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE);
        for some in turns.chunks(BATCH) {
            let names: Vec<_> = some.iter().map(|post| post.id.as_str()).collect();
            let now = self.shown(&names).await?;
            let sightings: Vec<_> = some
                .iter()
                .filter_map(|post| match now.get(post.id.as_str()) {
                    // It stands, whatever it says.
                    Some(None) => None,
                    Some(Some(thing)) => self.seen_again(post, Some(thing)),
                    None => self.seen_again(post, None),
                })
                .collect();
            if !sightings.is_empty() {
                inbound.posts_seen(&self.source, sightings, None).await?;
            }
        }
        Ok(())
    }

    /// What is new about a post. One that is not shown at all may be so for a moment: it is gone when that was
    /// so in two rounds.
    fn seen_again(&self, post: &Post, now: Option<&Thing>) -> Option<Sighting> {
        let gone = || Sighting::Gone(post.id.clone());
        let Some(thing) = now else {
            return self.watch.is_gone(&post.id).then(gone);
        };
        self.watch.found(&post.id);
        if translate::is_gone(&thing.data) {
            return Some(gone());
        }
        let mut edited = translate::post(&self.source, thing)?;
        edited.kind = post.kind;
        (edited.edited_at > post.edited_at).then(|| Sighting::Post(Box::new(edited)))
    }

    /// What of these is shown now, by their full names, at most 100; `None` of what is there and cannot be read.
    async fn shown(&self, names: &[&str]) -> Result<HashMap<String, Option<Thing>>, Failed> {
        let names = names.join(",");
        let listing: Listing = self.account.get(&["api", "info"], &[("id", &names)]).await?;
        let shown = listing.data.children.iter().map(|raw| {
            let name = named(raw).and_then(|named| named.data.name).ok_or_else(unread)?;
            Ok((name, serde_json::from_str(raw.get()).ok()))
        });
        shown.collect()
    }

    /// Posts and comments as they are now, by their full names; at most 100.
    pub(super) async fn things(&self, names: &[&str]) -> Result<HashMap<String, Thing>, Failed> {
        let shown = self.shown(names).await?.into_iter();
        shown
            .map(|(name, thing)| Ok((name, thing.ok_or_else(unread)?)))
            .collect()
    }

    /// A post or a comment as it is now.
    pub(super) async fn thing(&self, name: &NativeId) -> Result<Option<Thing>, Failed> {
        Ok(self.things(&[name.as_str()]).await?.remove(name.as_str()))
    }
}

fn unread() -> Failed {
    Failed::Broken("what Reddit shows is not what its API describes".to_owned())
}

fn named(raw: &RawValue) -> Option<Named> {
    serde_json::from_str(raw.get()).ok()
}
