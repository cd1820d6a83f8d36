//! Reading what was written: notifications, searches, and whether what is known still stands.
//!
//! Notifications come newest first, and their cursor goes backwards
//! (<https://docs.bsky.app/docs/api/app-bsky-notification-list-notifications>). A notification's place is the
//! earlier of when it was written, as its author's program says, and when it was seen; and of several at the
//! same moment a page's border can lose some. So no position can be trusted: a sweep reads the newest page
//! whole, and back to an hour before the newest that it knew, and where that took several pages it reads them
//! twice, with borders in other places. What was there already the database knows; within a run it is
//! remembered here and not offered again.
//!
//! What is kept between sweeps is the newest moment, and the moment from which on posts count: a day before
//! the first start. A new installation does not open old cases.

use super::session::{Failed, lost};
use super::translate;
use super::wire::{Named, Page, Posts, Profiles, View};
use super::{Bluesky, Shown};
use crate::adapter::reach::Reach;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};

/// The most objects of a page, and another number of them, with which the borders are elsewhere.
const LIMIT: usize = 100;
const SHIFTED: usize = 89;
/// The most pages of one reading.
const MOST_PAGES: usize = 200;
/// The most posts, or accounts, of one call.
const BATCH: usize = 25;
/// How many known posts are read again in a minute: four calls.
const LOOKS_A_MINUTE: u32 = 100;

type Raw = Box<RawValue>;

/// Something that is read again and again.
struct Feed<'a> {
    /// The cursor's name.
    stream: String,
    method: &'static str,
    query: Vec<(&'a str, &'a str)>,
    /// Whether its pages follow each other in order.
    pages: bool,
}

/// What a reading brought.
#[derive(Default)]
struct Walk {
    /// Newest first.
    items: Vec<Raw>,
    pages: usize,
    failed: Option<Failed>,
}

impl Bluesky {
    /// What was said to us since the last time.
    pub(super) async fn notifications(&self, inbound: &Inbound) -> Result<(), Lost> {
        let feed = Feed {
            stream: "notifications".to_owned(),
            method: "app.bsky.notification.listNotifications",
            query: vec![("reasons", "mention"), ("reasons", "reply"), ("reasons", "quote")],
            pages: true,
        };
        self.follow(inbound, &feed).await.map_err(|halt| match halt {
            Halt::Network(error) => lost(error),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    /// What others say, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        for words in &self.search {
            // Only the newest page: paging through a search is refused by some services
            // (<https://github.com/bluesky-social/bsky-docs/issues/296>).
            let feed = Feed {
                stream: format!("search:{words}"),
                method: "app.bsky.feed.searchPosts",
                query: vec![("q", words), ("sort", "latest")],
                pages: false,
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
        let horizon = known.horizon();
        let mut walk = self.walk(feed, horizon, LIMIT).await;
        if walk.pages > 1 && walk.failed.is_none() {
            let again = self.walk(feed, horizon, SHIFTED).await;
            walk.items.extend(again.items);
            walk.failed = again.failed;
        }
        let (views, newest) = self.views_of(inbound, feed, walk.items, known).await?;
        let reach = Reach { newest, ..known }.text();
        // What could not be read to its end is read again from where the last reading ended.
        let moved = walk.failed.is_none() && told.as_ref() != Some(&reach);
        let cursor = moved.then(|| Cursor {
            stream: feed.stream.clone(),
            value: reach,
        });
        if !views.is_empty() || cursor.is_some() {
            let posts = self.posts(&views).await?;
            inbound.posts_seen(&self.source, posts, cursor).await?;
            let told = views.iter().map(|view| (view.uri.clone(), view.reason.is_some()));
            self.stored.remember_as(told);
        }
        walk.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Walks back to the horizon, at least a page.
    async fn walk(&self, feed: &Feed<'_>, horizon: Instant, limit: usize) -> Walk {
        let mut walk = Walk::default();
        let limit = limit.to_string();
        let mut cursor: Option<String> = None;
        while walk.pages < MOST_PAGES {
            let mut query = feed.query.clone();
            query.push(("limit", &limit));
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let page: Page = match self.xrpc.get(feed.method, &query).await {
                Ok(page) => page,
                Err(error) => {
                    walk.failed = Some(error);
                    break;
                }
            };
            walk.pages += 1;
            let moments = page.items.iter().filter_map(|raw| named(raw)?.indexed_at);
            let reached = moments.min().is_some_and(|oldest| oldest < horizon);
            walk.items.extend(page.items);
            // A page may be empty, because nothing on it is for us, with more behind it.
            if !feed.pages || reached || page.cursor.is_none() || page.cursor == cursor {
                return walk;
            }
            cursor = page.cursor;
        }
        if walk.failed.is_none() {
            tracing::warn!(
                source = %self.source, stream = feed.stream, pages = walk.pages, %horizon,
                "More was written than is read at once: what is older than these pages was not read."
            );
        }
        walk
    }

    /// The posts among what was read that count and are not known yet, the oldest first, and the newest
    /// moment of all. What cannot be read is set aside and blocks nothing.
    async fn views_of(
        &self,
        inbound: &Inbound,
        feed: &Feed<'_>,
        items: Vec<Raw>,
        known: Reach,
    ) -> Result<(Vec<View>, Instant), Halt> {
        let me = self.xrpc.session().await?;
        let now = self.clock.now();
        let (mut views, mut newest, mut met) = (Vec::new(), known.newest, HashSet::new());
        for raw in &items {
            let told = named(raw);
            if told.as_ref().is_some_and(|told| !is_for_people(told)) {
                continue;
            }
            let view = match view(raw) {
                Ok(view) => view,
                Err(error) => {
                    let name = told.and_then(|told| told.uri);
                    let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
                    let place = (&self.source, feed.stream.as_str());
                    self.troubles
                        .put_aside(inbound, place, &name, &error, raw.get())
                        .await?;
                    continue;
                }
            };
            newest = newest.max(view.indexed_at.min(now));
            let counts = view.indexed_at >= known.since && view.author.did != me.did;
            let known = self.stored.knows(&view.uri, view.reason.is_some());
            if counts && !known && met.insert(view.uri.clone()) {
                views.push(view);
            }
        }
        views.sort_by_key(|view| view.indexed_at);
        Ok((views, newest))
    }

    /// Views as sightings, with how many follow their authors and what is attached. Where that is not to be
    /// had now, the posts go without it: nobody waits for a number.
    pub(super) async fn posts(&self, views: &[View]) -> Result<Vec<Sighting>, Failed> {
        let me = self.xrpc.session().await?;
        let authors: HashSet<_> = views.iter().map(|view| view.author.did.as_str()).collect();
        let followers = self.followers(authors.into_iter().collect()).await;
        // Notifications have the record alone, without the addresses of its pictures.
        let bare = views
            .iter()
            .filter(|view| view.embed.is_none() && view.record.embed.is_some());
        let bare: Vec<_> = bare.map(|view| view.uri.as_str()).collect();
        let whole = self.aside("attachments", self.views(&bare)).await;
        let whole: HashMap<_, _> = whole.unwrap_or_default();
        let posts = views.iter().map(|view| {
            let mut view = view.clone();
            if let Some(whole) = whole.get(&view.uri) {
                view.embed.clone_from(&whole.embed);
            }
            let followers = followers.get(&view.author.did).copied();
            Sighting::Post(Box::new(translate::post(&self.source, &me, &view, followers)))
        });
        Ok(posts.collect())
    }

    /// Reads something that can be done without.
    async fn aside<T>(&self, what: &str, reading: impl Future<Output = Result<T, Failed>>) -> Option<T> {
        if self.troubles.rests(what, self.clock.now()) {
            return None;
        }
        match reading.await {
            Ok(read) => {
                self.troubles.over(what);
                Some(read)
            }
            Err(error) => {
                self.troubles.say((&self.source, what), &error, self.clock.now());
                None
            }
        }
    }

    /// How many follow each of these accounts
    /// (<https://docs.bsky.app/docs/api/app-bsky-actor-get-profiles>, at most 25).
    async fn followers(&self, authors: Vec<&str>) -> HashMap<String, i64> {
        let mut known = HashMap::new();
        for some in authors.chunks(BATCH) {
            let query: Vec<_> = some.iter().map(|did| ("actors", *did)).collect();
            let asking = self.xrpc.get::<Profiles>("app.bsky.actor.getProfiles", &query);
            let Some(told) = self.aside("followers", asking).await else {
                break;
            };
            let told = told.profiles.into_iter();
            known.extend(told.filter_map(|profile| Some((profile.did, profile.followers_count?))));
        }
        known
    }

    /// Posts as they are now, those that can be read
    /// (<https://docs.bsky.app/docs/api/app-bsky-feed-get-posts>, at most 25). One that is not among them is
    /// gone, or its author blocks us: [`Self::shown`] tells.
    pub(super) async fn views(&self, uris: &[&str]) -> Result<HashMap<String, View>, Failed> {
        let mut found = HashMap::new();
        for some in uris.chunks(BATCH) {
            let query: Vec<_> = some.iter().map(|uri| ("uris", *uri)).collect();
            let told: Posts = self.xrpc.get("app.bsky.feed.getPosts", &query).await?;
            let views = told.posts.iter().filter_map(|raw| view(raw).ok());
            found.extend(views.map(|view| (view.uri.clone(), view)));
        }
        Ok(found)
    }

    /// Looks whether known posts still stand, in turns. There are no edits.
    ///
    /// # Errors
    /// The network cannot be read, or nothing can be stored; what was seen until then is stored if it can.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let mut gone = Vec::new();
        let mut failed = None;
        for some in self
            .watch
            .turns(&watched, self.poll, LOOKS_A_MINUTE)
            .chunks(BATCH)
        {
            match self.missing(some).await {
                Ok(missing) => gone.extend(missing.into_iter().map(Sighting::Gone)),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if !gone.is_empty() {
            inbound.posts_seen(&self.source, gone, None).await?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Which of these are gone: not there in two rounds, and not because their authors block us.
    async fn missing(&self, posts: &[&Post]) -> Result<Vec<NativeId>, Failed> {
        let uris: Vec<_> = posts.iter().map(|post| post.id.as_str()).collect();
        let there = self.views(&uris).await?;
        let mut gone = Vec::new();
        for post in posts {
            if there.contains_key(post.id.as_str()) {
                self.watch.found(&post.id);
            } else if self.watch.is_gone(&post.id)
                && matches!(self.shown(post.id.as_str(), 0).await, Ok(Shown::Gone))
            {
                gone.push(post.id.clone());
            }
        }
        Ok(gone)
    }
}

fn named(raw: &RawValue) -> Option<Named> {
    serde_json::from_str(raw.get()).ok()
}

/// Whether something is said in it. Services that do not know `reasons` tell of likes and followers too.
fn is_for_people(told: &Named) -> bool {
    matches!(told.reason.as_deref(), None | Some("mention" | "reply" | "quote"))
}

fn view(raw: &RawValue) -> Result<View, serde_json::Error> {
    serde_json::from_str(raw.get())
}
