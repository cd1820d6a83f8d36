//! Reading what was written under our newest media objects, the pictures that we are tagged in, and whether what
//! is known still stands.
//!
//! Media and comments come newest first. A media object's `comments_count` has the answers in it, so its comments
//! are read when it is another than at the last reading: back to an hour before the newest that was known, and at
//! least a page, with the answers to each. New comments under an object that is not among the newest hundred,
//! and new answers deep down a long list, come by the webhook alone.

use super::Instagram;
use super::push::stamped;
use super::translate::{self, Place};
use super::wire::{self, Comment, Media};
use crate::adapter::api::Failed;
use crate::adapter::graph::shelf::{Found, Known, Looks};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use crate::domain::{Instant, Post};

/// The most objects of a page
/// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-media/comments>).
const LIMIT: &str = "50";
/// How many pages of media are looked at.
const MEDIA_PAGES: usize = 2;
/// The most pages of one reading.
const MOST_PAGES: usize = 100;
/// How many media objects are remembered.
const MOST_REMEMBERED: usize = 20_000;

impl Instagram {
    /// What was written under our media.
    pub(super) async fn read_media(&self, inbound: &Inbound) -> Result<(), Halt> {
        let handle = self.handle().await?;
        let known = self.shelf.known(inbound, "media").await?;
        let query = [("fields", wire::MEDIA), ("limit", LIMIT)];
        let path = [self.account.as_str(), "media"];
        let listed = (Instant::MIN_UTC, MEDIA_PAGES);
        let walk = self.graph.walk(&path, &query, listed, stamped).await;
        let mut found = Found::of(walk.failed);
        let mut read = Vec::new();
        for media in self
            .shelf
            .readable::<Media>(inbound, "media", &walk.items)
            .await?
        {
            if let Some(page) = &media.permalink {
                self.remember_page(&media.id, page);
            }
            let before = self.memory().counts.get(&media.id).copied();
            let is_still = |count: i64| count == 0 || Some(count) == before;
            if media.comments_count.is_some_and(is_still) || found.failed.is_some() {
                continue;
            }
            self.read_comments(inbound, &media, (&known, &handle), &mut found)
                .await?;
            if found.failed.is_none() {
                read.extend(media.comments_count.map(|count| (media.id.clone(), count)));
            }
        }
        self.shelf.keep(inbound, "media", found, known).await?;
        self.memory().counts.extend(read);
        Ok(())
    }

    async fn read_comments(
        &self,
        inbound: &Inbound,
        media: &Media,
        (known, handle): (&Known, &str),
        found: &mut Found,
    ) -> Result<(), Halt> {
        let fields = format!("{},replies.limit(50){{{}}}", wire::COMMENT, wire::COMMENT);
        let query = [("fields", fields.as_str()), ("limit", LIMIT)];
        let path = [media.id.as_str(), "comments"];
        let horizon = known.0.horizon();
        let walk = self
            .graph
            .walk(&path, &query, (horizon, MOST_PAGES), stamped)
            .await;
        if walk.cut {
            self.shelf.say_cut("comments", horizon);
        }
        let shelf = &self.shelf;
        let mut comments: Vec<Comment> = shelf.readable(inbound, "comments", &walk.items).await?;
        let mut answers = Vec::new();
        for comment in &mut comments {
            let Some(below) = comment.replies.take() else {
                continue;
            };
            for answer in shelf
                .readable::<Comment>(inbound, "comments", &below.data)
                .await?
            {
                answers.push(Comment {
                    parent_id: answer.parent_id.clone().or_else(|| Some(comment.id.clone())),
                    ..answer
                });
            }
        }
        comments.extend(answers);
        for comment in &comments {
            found.moved(comment.timestamp);
            let counts = shelf.counts(&comment.id, comment.timestamp, known);
            if counts && !self.is_ours(comment, handle) {
                let place = (media.id.as_str(), media.permalink.as_deref());
                found.posts.push(translate::comment(&self.source, place, comment));
            }
        }
        match walk.failed {
            // The object went meanwhile: its comments with it.
            Some(error) if error.is_missing() => {}
            failed => found.failed = failed,
        }
        Ok(())
    }

    /// What others show, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.shelf.beside("tags", self.read_tags(inbound)).await?;
        self.shelf.beside("known posts", self.look_again(inbound)).await
    }

    /// Pictures of others that we are tagged in
    /// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-user/tags>).
    async fn read_tags(&self, inbound: &Inbound) -> Result<(), Halt> {
        let handle = self.handle().await?;
        let known = self.shelf.known(inbound, "tags").await?;
        let query = [("fields", wire::MENTIONED_MEDIA), ("limit", LIMIT)];
        let path = [self.account.as_str(), "tags"];
        let horizon = known.0.horizon();
        let walk = self
            .graph
            .walk(&path, &query, (horizon, MOST_PAGES), stamped)
            .await;
        let mut found = Found::of(walk.failed);
        for media in self.shelf.readable::<Media>(inbound, "tags", &walk.items).await? {
            found.moved(media.timestamp);
            let ours = media.username.as_deref() == Some(&*handle);
            if !ours && self.shelf.counts(&media.id, media.timestamp, &known) {
                let named = translate::names(media.caption.as_deref().unwrap_or_default(), &handle);
                found.posts.push(translate::media(&self.source, named, &media));
            }
        }
        self.shelf.keep(inbound, "tags", found, known).await
    }

    /// Reads some known comments again: what stands elsewhere is only shown as a mention.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let counts = |post: &Post| Place::of_post(post) == Place::Comment;
        let mut looks = Looks::default();
        for post in self.shelf.due(inbound, counts).await? {
            let now = self.comment_now(post.id.as_str()).await;
            let now = now.map(|now| Some(translate::words(&now)));
            if !self.shelf.looked(&mut looks, &post, now) {
                break;
            }
        }
        self.shelf.settle(inbound, looks).await
    }

    /// A comment under a media object of ours, as it is now.
    pub(super) async fn comment_now(&self, id: &str) -> Result<Comment, Failed> {
        let fields = format!("{},media{{id,permalink}}", wire::COMMENT);
        self.graph.get(&[id], &[("fields", &fields)]).await
    }

    pub(super) fn remember_page(&self, media: &str, page: &str) {
        let pages = &mut self.memory().pages;
        if pages.len() >= MOST_REMEMBERED {
            pages.clear();
        }
        pages.insert(media.to_owned(), page.to_owned());
    }
}
