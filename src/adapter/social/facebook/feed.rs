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

use super::wire::{self, Node, Rating, Talk};
use super::{Facebook, translate};
use crate::adapter::graph::Walk;
use crate::adapter::graph::shelf::{Found, Known, Looks};
use crate::adapter::graph::talk::Message;
use crate::adapter::graph::wire::{made, moment};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::verdict::SKEW;
use crate::adapter::watch::WATCHED;
use crate::app::Inbound;
use crate::domain::{Instant, Post, PostKind};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::HashMap;

/// The most objects of a page.
const LIMIT: &str = "100";
/// The most conversations of a page, whose newest messages come with them: 20 of each, for of older ones the API
/// tells nothing (<https://developers.facebook.com/docs/messenger-platform/conversations>, "Limitations").
const TALKS: &str = "25";
/// The most pages of one reading.
const MOST_PAGES: usize = 100;
/// How many posts are remembered as read.
const MOST_REMEMBERED: usize = 20_000;

/// Something that is read again and again.
struct Feed {
    /// The cursor's name.
    stream: &'static str,
    edge: &'static str,
    fields: String,
    limit: &'static str,
    moved: fn(&RawValue) -> Option<Instant>,
}

impl Feed {
    fn of(stream: &'static str, fields: &str) -> Self {
        Self {
            stream,
            edge: stream,
            fields: fields.to_owned(),
            limit: LIMIT,
            moved: made,
        }
    }
}

impl Facebook {
    /// The page's posts, and what is written under them.
    pub(super) async fn read_page(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed::of("feed", wire::POST);
        let known = self.shelf.known(inbound, feed.stream).await?;
        let (mut found, nodes) = self.nodes(inbound, &feed, PostKind::Post, &known).await?;
        let now = self.clock.now();
        let mut read = Vec::new();
        for node in &nodes {
            if found.failed.is_some() {
                break;
            }
            if self.has_moved(node, &known) && self.read_comments(inbound, node, &known, &mut found).await? {
                read.push(node.id.as_str());
            }
        }
        let kept = self.shelf.keep(inbound, feed.stream, found, known).await;
        if !matches!(kept, Err(Halt::Store(_))) {
            self.remember_read(&read, now);
        }
        kept
    }

    /// What others say elsewhere, what is said to us in private, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        let shelf = &self.shelf;
        shelf.beside("tags", self.read_tags(inbound)).await?;
        shelf
            .beside("recommendations", self.read_ratings(inbound))
            .await?;
        shelf.beside("messages", self.read_messages(inbound)).await?;
        shelf.beside("known posts", self.look_again(inbound)).await
    }

    async fn walk(&self, feed: &Feed, known: &Known) -> Walk {
        let horizon = known.0.horizon();
        let query = [("fields", feed.fields.as_str()), ("limit", feed.limit)];
        let path = [self.page.as_str(), feed.edge];
        let walk = self
            .graph
            .walk(&path, &query, (horizon, MOST_PAGES), feed.moved)
            .await;
        if walk.cut {
            self.shelf.say_cut(feed.stream, horizon);
        }
        walk
    }

    /// The posts of a list, those of others as found, all of them as they came.
    async fn nodes(
        &self,
        inbound: &Inbound,
        feed: &Feed,
        kind: PostKind,
        known: &Known,
    ) -> Result<(Found, Vec<Node>), Halt> {
        let walk = self.walk(feed, known).await;
        let nodes: Vec<Node> = self.shelf.readable(inbound, feed.stream, &walk.items).await?;
        let mut found = Found::of(walk.failed);
        for node in &nodes {
            found.moved(node.created_time);
            let post = translate::node(&self.source, kind, None, node);
            if !self.is_own(node) && self.shelf.counts_post(&post, known) {
                found.posts.push(post);
            }
        }
        Ok((found, nodes))
    }

    /// Whether somebody else wrote it, lately, and it is not stored yet.
    fn counts(&self, node: &Node, known: &Known) -> bool {
        !self.is_own(node) && self.shelf.counts(&node.id, node.created_time, known)
    }

    fn is_own(&self, node: &Node) -> bool {
        node.from.as_ref().is_some_and(|who| self.is_ours(&who.id))
    }

    /// Whether there may be comments under a post that were not read.
    fn has_moved(&self, post: &Node, known: &Known) -> bool {
        let horizon = known.0.horizon();
        // A comment of the same second as the last reading moves nothing.
        let read = self.read().get(&post.id).copied();
        let is_still = |moved: Instant| moved < horizon || read.is_some_and(|read| moved + SKEW < read);
        self.shelf.is_behind(&post.id) || !post.updated_time.is_some_and(is_still)
    }

    /// What was written under a post since it was read last; says whether all of it was read.
    async fn read_comments(
        &self,
        inbound: &Inbound,
        post: &Node,
        known: &Known,
        found: &mut Found,
    ) -> Result<bool, Halt> {
        let horizon = self.shelf.horizon(&post.id, known);
        let query = [
            ("fields", wire::COMMENT),
            ("filter", "stream"),
            ("order", "reverse_chronological"),
            ("limit", LIMIT),
        ];
        let path = [post.id.as_str(), "comments"];
        let walk = self.graph.walk(&path, &query, (horizon, MOST_PAGES), made).await;
        if walk.cut {
            self.shelf.say_cut("comments", horizon);
        }
        let comments: Vec<Node> = self.shelf.readable(inbound, "comments", &walk.items).await?;
        for comment in &comments {
            found.moved(comment.created_time);
            if self.counts(comment, known) {
                let post = translate::node(&self.source, PostKind::Comment, Some(&post.id), comment);
                found.posts.push(post);
            }
        }
        Ok(self.shelf.ended(found, (&post.id, known), walk.failed))
    }

    /// Posts of others in which the page is tagged
    /// (<https://developers.facebook.com/docs/graph-api/reference/page/tagged>).
    async fn read_tags(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed::of("tagged", wire::POST);
        let known = self.shelf.known(inbound, feed.stream).await?;
        let (found, _) = self.nodes(inbound, &feed, PostKind::Mention, &known).await?;
        self.shelf.keep(inbound, feed.stream, found, known).await
    }

    /// Recommendations; one whose words are others now was edited.
    async fn read_ratings(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed::of("ratings", wire::RATING);
        let known = self.shelf.known(inbound, feed.stream).await?;
        let walk = self.walk(&feed, &known).await;
        let watched = inbound.watched_posts(&self.source, WATCHED).await?;
        let watched: HashMap<_, _> = watched.iter().map(|post| (&post.id, post)).collect();
        let mut found = Found::of(walk.failed);
        let ratings = self.shelf.readable::<Rating>(inbound, feed.stream, &walk.items);
        for rating in ratings.await? {
            found.moved(rating.created_time);
            let mut post = translate::rating(&self.source, &rating);
            let edited = watched
                .get(&post.id)
                .is_some_and(|before| before.text != post.text);
            if edited {
                post.edited_at = Some(self.clock.now());
            }
            if edited || self.shelf.counts(post.id.as_str(), rating.created_time, &known) {
                found.posts.push(post);
            }
        }
        self.shelf.keep(inbound, feed.stream, found, known).await
    }

    /// The newest messages of the newest conversations.
    async fn read_messages(&self, inbound: &Inbound) -> Result<(), Halt> {
        let feed = Feed {
            edge: "conversations",
            limit: TALKS,
            moved: updated,
            ..Feed::of(
                "messages",
                &format!("updated_time,messages.limit(20){{{}}}", wire::MESSAGE),
            )
        };
        let known = self.shelf.known(inbound, feed.stream).await?;
        let walk = self.walk(&feed, &known).await;
        let mut found = Found::of(walk.failed);
        let talks = self.shelf.readable::<Talk>(inbound, feed.stream, &walk.items);
        for talk in talks.await? {
            talk.updated_time.into_iter().for_each(|at| found.moved(at));
            let messages = &talk.messages.data;
            let messages = self.shelf.readable::<Message>(inbound, feed.stream, messages);
            for message in messages.await? {
                let counts = self.shelf.counts(&message.id, message.created_time, &known);
                if counts && !self.is_ours(&message.from.id) {
                    found.posts.push(translate::message(&self.source, &message));
                }
            }
        }
        self.shelf.keep(inbound, feed.stream, found, known).await
    }

    /// Reads some known posts and comments again. Reviews are compared when they are listed, and messages do not
    /// change.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let counts = |post: &Post| !matches!(post.kind, PostKind::Review | PostKind::Message);
        let mut looks = Looks::default();
        for post in self.shelf.due(inbound, counts).await? {
            let query = [("fields", "id,message,from,created_time")];
            let now = self.graph.get::<Node>(&[post.id.as_str()], &query).await;
            // What stands in place of words is not asked for again.
            let now = now.map(|now| now.message.is_some().then(|| translate::words(&now)));
            if !self.shelf.looked(&mut looks, &post, now) {
                break;
            }
        }
        self.shelf.settle(inbound, looks).await
    }

    fn remember_read(&self, posts: &[&str], at: Instant) {
        let mut read = self.read();
        if read.len() >= MOST_REMEMBERED {
            read.clear();
        }
        read.extend(posts.iter().map(|post| ((*post).to_owned(), at)));
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
