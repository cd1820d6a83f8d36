//! Reading what was written: the conversations under our newest posts, the answers to our newest answers, the
//! mentions, the searches; and whether what is known still stands.
//!
//! All come newest first (<https://developers.facebook.com/docs/threads/retrieve-and-manage-replies>). How many
//! answers a post has is not told, so the conversations of the newest 25 are read with every sweep: the newest
//! page, and back to an hour before the newest that was known. Answers to older posts come by the webhook alone.

use super::wire::{self, Post};
use super::{Threads, translate};
use crate::adapter::graph::Walk;
use crate::adapter::graph::shelf::{Found, Known, Looks};
use crate::adapter::graph::wire::made;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use crate::domain::{Instant, PostKind};

/// How many posts of ours are looked under.
const OURS: &str = "25";
/// The most objects of a page.
const LIMIT: &str = "100";
/// The most pages of one reading.
const MOST_PAGES: usize = 50;

impl Threads {
    /// Answers to what we wrote.
    pub(super) async fn read_answers(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.me().await?;
        let known = self.shelf.known(inbound, "answers").await?;
        let mut found = Found::default();
        // Under a post everything below it is in one list; under an answer, what answers it.
        for (ours, below) in [("threads", "conversation"), ("replies", "replies")] {
            let query = [("fields", "id,timestamp,has_replies"), ("limit", OURS)];
            let path = [me.id.as_str(), ours];
            let walk = self.graph.walk(&path, &query, (Instant::MIN_UTC, 1), made).await;
            found.failed = walk.failed;
            for post in self.shelf.readable::<Post>(inbound, ours, &walk.items).await? {
                if found.failed.is_some() || !post.has_replies {
                    continue;
                }
                let query = [("fields", wire::ANSWER), ("limit", LIMIT), ("reverse", "true")];
                let horizon = self.shelf.horizon(&post.id, &known);
                let walk = self.walk(&[&post.id, below], &query, horizon).await;
                let answers = self
                    .shelf
                    .readable::<Post>(inbound, "answers", &walk.items)
                    .await?;
                self.take(PostKind::Comment, &answers, &known, &mut found);
                self.shelf.ended(&mut found, (&post.id, &known), walk.failed);
            }
            if found.failed.is_some() {
                break;
            }
        }
        self.shelf.keep(inbound, "answers", found, known).await
    }

    /// Where others name us, what they say elsewhere, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.shelf.beside("mentions", self.read_mentions(inbound)).await?;
        for words in &self.search {
            let feed = format!("search:{words}");
            self.shelf.beside(&feed, self.seek(inbound, &feed, words)).await?;
        }
        self.shelf.beside("known posts", self.look_again(inbound)).await
    }

    /// <https://developers.facebook.com/docs/threads/threads-mentions>
    async fn read_mentions(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.me().await?;
        let known = self.shelf.known(inbound, "mentions").await?;
        let query = [("fields", wire::POST), ("limit", LIMIT)];
        let walk = self.walk(&[&me.id, "mentions"], &query, known.0.horizon()).await;
        self.keep(inbound, "mentions", PostKind::Mention, (walk, known))
            .await
    }

    /// <https://developers.facebook.com/docs/threads/keyword-search>
    async fn seek(&self, inbound: &Inbound, feed: &str, words: &str) -> Result<(), Halt> {
        self.me().await?;
        let known = self.shelf.known(inbound, feed).await?;
        let horizon = known.0.horizon();
        let since = horizon.timestamp().to_string();
        let query = [
            ("q", words),
            ("search_type", "RECENT"),
            ("fields", wire::SEARCHED),
            ("limit", LIMIT),
            ("since", &since),
        ];
        let walk = self.walk(&["keyword_search"], &query, horizon).await;
        self.keep(inbound, feed, PostKind::Post, (walk, known)).await
    }

    async fn walk(&self, path: &[&str], query: &[(&str, &str)], horizon: Instant) -> Walk {
        let walk = self.graph.walk(path, query, (horizon, MOST_PAGES), made).await;
        if walk.cut {
            self.shelf
                .say_cut(path.last().copied().unwrap_or_default(), horizon);
        }
        walk
    }

    async fn keep(
        &self,
        inbound: &Inbound,
        stream: &str,
        kind: PostKind,
        (walk, known): (Walk, Known),
    ) -> Result<(), Halt> {
        let mut found = Found::of(walk.failed);
        let posts = self.shelf.readable::<Post>(inbound, stream, &walk.items).await?;
        self.take(kind, &posts, &known, &mut found);
        self.shelf.keep(inbound, stream, found, known).await
    }

    /// Takes those of others that count.
    fn take(&self, kind: PostKind, posts: &[Post], known: &Known, found: &mut Found) {
        let handle = self.known().map(|(_, me)| me.username.clone());
        for post in posts {
            found.moved(post.timestamp);
            let ours = post.is_reply_owned_by_me || (post.username.is_some() && post.username == handle);
            let met = found.posts.iter().any(|other| other.id.as_str() == post.id);
            let post = translate::post(&self.source, kind, post);
            if !ours && !met && self.shelf.counts_post(&post, known) {
                found.posts.push(post);
            }
        }
    }

    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        self.me().await?;
        let mut looks = Looks::default();
        for post in self.shelf.due(inbound, |_| true).await? {
            let now = self.post(post.id.as_str()).await;
            let now = now.map(|now| Some(translate::words(&now)));
            if !self.shelf.looked(&mut looks, &post, now) {
                break;
            }
        }
        self.shelf.settle(inbound, looks).await
    }
}
