//! Reading what was written on the page, under its posts, about it and to it, and whether what is known still
//! stands.
//!
//! The page's posts come newest first (<https://developers.facebook.com/docs/graph-api/reference/page/feed>).
//! A sweep reads the newest hundred whole, and back to an hour before the newest that it knew. A post's
//! `updated_time` moves with each comment, so the comments of a post are read when it moved: newest first, back
//! to the same moment (<https://developers.facebook.com/docs/graph-api/reference/object/comments>). New comments
//! under a post that is not among these come by the webhook alone.
//!
//! What is beside the page's own posts (tags, recommendations, conversations) needs permissions of its own:
//! what of it cannot be read is said once, and stops nothing else.

use super::wire::{self, Conversation, Message, Node, Rating};
use super::{Facebook, translate};
use crate::adapter::api::Failed;
use crate::adapter::graph::wire::{made, moment, name};
use crate::adapter::graph::{Raw, Walk};
use crate::adapter::reach::Reach;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::verdict::SKEW;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, Post, PostKind, Sighting};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The most objects of a page.
const LIMIT: &str = "100";
/// The most conversations of a page, whose newest messages come with them.
const TALKS: &str = "25";
/// The most pages of one reading.
const MOST_PAGES: usize = 100;
/// How many known posts are read again in a minute.
const LOOKS_A_MINUTE: u32 = 20;
/// How many posts are remembered as stored or read.
const MOST_REMEMBERED: usize = 20_000;
/// So many posts that all look gone at once are a permission that is gone.
const TOO_MANY_GONE: usize = 3;

/// Something that is read again and again.
struct Feed {
    /// The cursor's name.
    stream: &'static str,
    edge: &'static str,
    fields: String,
    limit: &'static str,
    moved: fn(&RawValue) -> Option<Instant>,
}

/// What a reading brought.
#[derive(Default)]
struct Found {
    posts: Vec<Post>,
    newest: Option<Instant>,
    failed: Option<Failed>,
}

impl Found {
    fn moved(&mut self, at: Instant) {
        self.newest = self.newest.max(Some(at));
    }
}

impl Facebook {
    /// The page's posts, and what is written under them.
    pub(super) async fn read_page(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed {
            stream: "feed",
            edge: "feed",
            fields: wire::POST.to_owned(),
            limit: LIMIT,
            moved: made,
        };
        let (known, told) = self.known(inbound, &feed).await?;
        let (mut found, nodes) = self.nodes(inbound, &feed, PostKind::Post, known).await?;
        for node in &nodes {
            if found.failed.is_some() {
                break;
            }
            self.read_comments(inbound, node, known, &mut found).await?;
        }
        self.keep(inbound, &feed, found, (known, told)).await
    }

    /// What others say elsewhere, what is said to us in private, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.beside("tags", self.read_tags(inbound)).await?;
        self.beside("recommendations", self.read_ratings(inbound)).await?;
        self.beside("messages", self.read_messages(inbound)).await?;
        self.beside("known posts", self.look_again(inbound)).await
    }

    /// Reads one of many, which stops none of the others.
    async fn beside(&self, feed: &str, reading: impl Future<Output = Result<(), Halt>>) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    async fn known(&self, inbound: &Inbound, feed: &Feed) -> Result<(Reach, Option<String>), Halt> {
        let told = inbound.cursor(&self.source, feed.stream).await?;
        Ok((Reach::read(told.as_deref(), self.clock.now()), told))
    }

    async fn walk(&self, feed: &Feed, horizon: Instant) -> Walk {
        let query = [("fields", feed.fields.as_str()), ("limit", feed.limit)];
        let path = [self.page.as_str(), feed.edge];
        let walk = self
            .graph
            .walk(&path, &query, (horizon, MOST_PAGES), feed.moved)
            .await;
        self.say_if_cut(feed.stream, &walk, horizon);
        walk
    }

    fn say_if_cut(&self, stream: &str, walk: &Walk, horizon: Instant) {
        if walk.cut {
            tracing::warn!(
                source = %self.source, stream, %horizon,
                "More was written than is read at once: what is older than these pages was not read."
            );
        }
    }

    /// The posts of a list, those of others as found, all of them as they came.
    async fn nodes(
        &self,
        inbound: &Inbound,
        feed: &Feed,
        kind: PostKind,
        known: Reach,
    ) -> Result<(Found, Vec<Node>), Halt> {
        let walk = self.walk(feed, known.horizon()).await;
        let nodes: Vec<Node> = self.readable(inbound, feed.stream, &walk.items).await?;
        let mut found = Found {
            failed: walk.failed,
            ..Found::default()
        };
        for node in &nodes {
            found.moved(node.created_time);
            if self.counts(node, known) {
                found.posts.push(translate::node(&self.source, kind, None, node));
            }
        }
        Ok((found, nodes))
    }

    /// Whether somebody else wrote it, lately, and it is not stored yet.
    fn counts(&self, node: &Node, known: Reach) -> bool {
        let ours = node.from.as_ref().is_some_and(|who| self.is_ours(&who.id));
        !ours && node.created_time >= known.since && !self.is_stored(&node.id)
    }

    /// What was written under a post since it was read last.
    async fn read_comments(
        &self,
        inbound: &Inbound,
        post: &Node,
        known: Reach,
        found: &mut Found,
    ) -> Result<(), Halt> {
        let horizon = known.horizon();
        let now = self.clock.now();
        // A comment of the same second as the last reading moves nothing.
        let read = self.memory().read.get(&post.id).copied();
        let is_still = |moved: Instant| moved < horizon || read.is_some_and(|read| moved + SKEW < read);
        if post.updated_time.is_some_and(is_still) {
            return Ok(());
        }
        let query = [
            ("fields", wire::COMMENT),
            ("filter", "stream"),
            ("order", "reverse_chronological"),
            ("limit", LIMIT),
        ];
        let path = [post.id.as_str(), "comments"];
        let walk = self.graph.walk(&path, &query, (horizon, MOST_PAGES), made).await;
        self.say_if_cut("comments", &walk, horizon);
        let comments: Vec<Node> = self.readable(inbound, "comments", &walk.items).await?;
        for comment in &comments {
            found.moved(comment.created_time);
            if self.counts(comment, known) {
                let post = translate::node(&self.source, PostKind::Comment, Some(&post.id), comment);
                found.posts.push(post);
            }
        }
        match walk.failed {
            None => self.remember_read(&post.id, now),
            // The post went meanwhile: its comments with it.
            Some(error) if error.is_missing() => {}
            Some(error) => found.failed = Some(error),
        }
        Ok(())
    }

    /// Posts of others in which the page is tagged
    /// (<https://developers.facebook.com/docs/graph-api/reference/page/tagged>).
    async fn read_tags(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed {
            stream: "tagged",
            edge: "tagged",
            fields: wire::POST.to_owned(),
            limit: LIMIT,
            moved: made,
        };
        let known = self.known(inbound, &feed).await?;
        let (found, _) = self.nodes(inbound, &feed, PostKind::Mention, known.0).await?;
        self.keep(inbound, &feed, found, known).await
    }

    /// Recommendations; one whose words are others now was edited.
    async fn read_ratings(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed {
            stream: "ratings",
            edge: "ratings",
            fields: wire::RATING.to_owned(),
            limit: LIMIT,
            moved: made,
        };
        let known = self.known(inbound, &feed).await?;
        let walk = self.walk(&feed, known.0.horizon()).await;
        let watched = inbound.watched_posts(&self.source, WATCHED).await?;
        let watched: HashMap<_, _> = watched.iter().map(|post| (&post.id, post)).collect();
        let mut found = Found {
            failed: walk.failed,
            ..Found::default()
        };
        for rating in self.readable::<Rating>(inbound, feed.stream, &walk.items).await? {
            found.moved(rating.created_time);
            let mut post = translate::rating(&self.source, &rating);
            let edited = watched
                .get(&post.id)
                .is_some_and(|before| before.text != post.text);
            if edited {
                post.edited_at = Some(self.clock.now());
            }
            if edited || (rating.created_time >= known.0.since && !self.is_stored(post.id.as_str())) {
                found.posts.push(post);
            }
        }
        self.keep(inbound, &feed, found, known).await
    }

    /// The newest messages of the newest conversations.
    async fn read_messages(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed {
            stream: "messages",
            edge: "conversations",
            fields: format!("updated_time,messages.limit(25){{{}}}", wire::MESSAGE),
            limit: TALKS,
            moved: updated,
        };
        let known = self.known(inbound, &feed).await?;
        let walk = self.walk(&feed, known.0.horizon()).await;
        let mut found = Found {
            failed: walk.failed,
            ..Found::default()
        };
        for talk in self
            .readable::<Conversation>(inbound, feed.stream, &walk.items)
            .await?
        {
            talk.updated_time.into_iter().for_each(|at| found.moved(at));
            let messages = talk.messages.map(|messages| messages.data).unwrap_or_default();
            for message in self.readable::<Message>(inbound, feed.stream, &messages).await? {
                let counts = message.created_time >= known.0.since && !self.is_stored(&message.id);
                if counts && !self.is_ours(&message.from.id) {
                    found.posts.push(translate::message(&self.source, &message));
                }
            }
        }
        self.keep(inbound, &feed, found, known).await
    }

    /// Those that can be read, the oldest first. The others are set aside, and block nothing.
    async fn readable<T: for<'a> Deserialize<'a>>(
        &self,
        inbound: &Inbound,
        stream: &str,
        items: &[Raw],
    ) -> Result<Vec<T>, Halt> {
        let mut read = Vec::new();
        for raw in items.iter().rev() {
            match serde_json::from_str(raw.get()) {
                Ok(item) => read.push(item),
                Err(error) => {
                    let place = (&self.source, stream);
                    self.troubles
                        .put_aside(inbound, place, &name(raw), &error, raw.get())
                        .await?;
                }
            }
        }
        Ok(read)
    }

    /// Stores what was found, the oldest first, with how far it was read. What could not be read to its end is
    /// read again from where the last reading ended.
    async fn keep(
        &self,
        inbound: &Inbound,
        feed: &Feed,
        mut found: Found,
        (known, told): (Reach, Option<String>),
    ) -> Result<(), Halt> {
        let newest = found.newest.map_or(known.newest, |at| at.min(self.clock.now()));
        let reach = Reach {
            newest: newest.max(known.newest),
            ..known
        };
        let moved = found.failed.is_none() && told != Some(reach.text());
        let cursor = moved.then(|| Cursor {
            stream: feed.stream.to_owned(),
            value: reach.text(),
        });
        found.posts.sort_by_key(|post| post.created_at);
        if !found.posts.is_empty() || cursor.is_some() {
            let ids: Vec<_> = found.posts.iter().map(|post| post.id.to_string()).collect();
            let posts = found.posts.into_iter();
            let posts = posts.map(|post| Sighting::Post(Box::new(post))).collect();
            inbound.posts_seen(&self.source, posts, cursor).await?;
            self.remember_stored(ids);
        }
        found.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Reads some known posts and comments again, in turns, for edits and deletions that nobody told of.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        // Reviews are compared when they are listed, and messages do not change.
        watched.retain(|post| !matches!(post.kind, PostKind::Review | PostKind::Message));
        let (mut sightings, mut missing, mut stand, mut failed) = (Vec::new(), Vec::new(), 0, None);
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            let query = [("fields", "id,message,from,created_time")];
            match self.graph.get::<Node>(&[post.id.as_str()], &query).await {
                Ok(now) => {
                    stand += 1;
                    self.watch.found(&post.id);
                    sightings.extend(self.edit(post, &now));
                }
                Err(error) if error.is_missing() => missing.push(post.id.clone()),
                Err(error @ (Failed::Limited(_) | Failed::Unreached(_))) => {
                    failed = Some(error);
                    break;
                }
                // Not to be had now: its turn comes again.
                Err(Failed::Status { .. } | Failed::Broken(_)) => {}
            }
        }
        // "Does not exist" is also said of what one is not permitted to see any more.
        if stand > 0 || missing.len() <= TOO_MANY_GONE {
            let gone = missing.into_iter().filter(|id| self.watch.is_gone(id));
            sightings.extend(gone.map(Sighting::Gone));
        }
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The API does not tell when something was edited: it was when it is seen.
    fn edit(&self, known: &Post, now: &Node) -> Option<Sighting> {
        let text = translate::words(now);
        // What stood in place of words is not asked for again.
        if now.message.is_none() || text == known.text {
            return None;
        }
        Some(Sighting::Post(Box::new(Post {
            text,
            edited_at: Some(self.clock.now()),
            ..known.clone()
        })))
    }

    fn is_stored(&self, id: &str) -> bool {
        self.memory().stored.contains(id)
    }

    fn remember_stored(&self, ids: Vec<String>) {
        let stored = &mut self.memory().stored;
        if stored.len() >= MOST_REMEMBERED {
            stored.clear();
        }
        stored.extend(ids);
    }

    fn remember_read(&self, post: &str, at: Instant) {
        let read = &mut self.memory().read;
        if read.len() >= MOST_REMEMBERED {
            read.clear();
        }
        read.insert(post.to_owned(), at);
    }
}

/// When a conversation moved last.
fn updated(raw: &RawValue) -> Option<Instant> {
    #[derive(Deserialize)]
    struct Updated {
        #[serde(default)]
        updated_time: Value,
    }
    let updated: Updated = serde_json::from_str(raw.get()).ok()?;
    moment(&updated.updated_time)
}
