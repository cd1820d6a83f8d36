//! Reading what was written under our newest media objects, the pictures that we are tagged in, and whether what
//! is known still stands.
//!
//! Media and comments come newest first. A media object's `comments_count` has the answers in it, so its comments
//! are read when it is another than at the last reading, and once in an hour, for one may come while another goes:
//! back to an hour before the newest that was known, and at least a page, with all answers to each. New comments
//! under an object that is not among the newest hundred come by the webhook alone, and so do new answers deep down
//! a long list, but for those to comments that are known: they are seen with another look.

use super::Instagram;
use super::push::stamped;
use super::translate::{self, Place};
use super::wire::{self, Comment, Media};
use crate::adapter::api::Failed;
use crate::adapter::graph::Walk;
use crate::adapter::graph::shelf::{Found, Known, Looks};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::Inbound;
use crate::domain::{Instant, Post};
use chrono::TimeDelta;

/// The most objects of a page
/// (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-media/comments>).
const LIMIT: &str = "50";
/// How many pages of media are looked at.
const MEDIA_PAGES: usize = 2;
/// The most pages of one reading.
const MOST_PAGES: usize = 100;
/// How many media objects are remembered.
const MOST_REMEMBERED: usize = 20_000;
/// For how long comments are not read again while their number is the same.
const STILL: TimeDelta = TimeDelta::hours(1);

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
        let now = self.clock.now();
        for media in self
            .shelf
            .readable::<Media>(inbound, "media", &walk.items)
            .await?
        {
            if let Some(page) = &media.permalink {
                self.remember_page(&media.id, page);
            }
            let before = self.memory().counts.get(&media.id).copied();
            let is_still = |count: i64| {
                count == 0 || before.is_some_and(|(known, at)| count == known && now - at < STILL)
            };
            let is_still = !self.shelf.is_behind(&media.id) && media.comments_count.is_some_and(is_still);
            if is_still || found.failed.is_some() {
                continue;
            }
            let whole = self
                .read_comments(inbound, &media, (&known, &handle), &mut found)
                .await?;
            let count = media.comments_count.filter(|_| whole);
            read.extend(count.map(|count| (media.id.clone(), (count, now))));
        }
        let kept = self.shelf.keep(inbound, "media", found, known).await;
        if !matches!(kept, Err(Halt::Store(_))) {
            self.memory().counts.extend(read);
        }
        kept
    }

    /// Says whether all was read.
    async fn read_comments(
        &self,
        inbound: &Inbound,
        media: &Media,
        (known, handle): (&Known, &str),
        found: &mut Found,
    ) -> Result<bool, Halt> {
        let fields = format!("{},{}", wire::COMMENT, wire::answers());
        let query = [("fields", fields.as_str()), ("limit", LIMIT)];
        let path = [media.id.as_str(), "comments"];
        let horizon = self.shelf.horizon(&media.id, known);
        let mut walk = self
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
            let (below, failed) = self.answers(inbound, comment).await?;
            answers.extend(below);
            walk.failed = walk.failed.or(failed);
            if walk.failed.is_some() {
                break;
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
        Ok(shelf.ended(found, (&media.id, known), walk.failed))
    }

    /// The answers to a comment, of which a page came with it, and why they are not all.
    async fn answers(
        &self,
        inbound: &Inbound,
        comment: &mut Comment,
    ) -> Result<(Vec<Comment>, Option<Failed>), Halt> {
        let Some(page) = comment.replies.take() else {
            return Ok((Vec::new(), None));
        };
        let walk = match page.after() {
            None => Walk {
                items: page.data,
                ..Walk::default()
            },
            // In which order they are listed is not documented: all are read.
            Some(_) => {
                let query = [("fields", wire::COMMENT), ("limit", LIMIT)];
                let path = [comment.id.as_str(), "replies"];
                let all = (Instant::MIN_UTC, MOST_PAGES);
                self.graph.walk(&path, &query, all, stamped).await
            }
        };
        let shelf = &self.shelf;
        let read: Vec<Comment> = shelf.readable(inbound, "comments", &walk.items).await?;
        let read = read.into_iter().map(|answer| Comment {
            parent_id: answer.parent_id.clone().or_else(|| Some(comment.id.clone())),
            ..answer
        });
        Ok((read.collect(), walk.failed))
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

    /// Reads some known comments again, with the answers to them: what stands elsewhere is only shown as a mention.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let handle = self.handle().await?;
        let known = self.shelf.known(inbound, "media").await?;
        let counts = |post: &Post| Place::of_post(post) == Place::Comment;
        let mut looks = Looks::default();
        for post in self.shelf.due(inbound, counts).await? {
            let mut now = self.comment_with_answers(post.id.as_str()).await;
            if let Ok(comment) = &mut now {
                let (answers, _) = self.answers(inbound, comment).await?;
                let place = (post.conversation.as_str(), post.url.as_deref());
                let answers = answers.iter().filter(|answer| {
                    let met = looks.also.iter().any(|other| other.id.as_str() == answer.id);
                    let counts = self.shelf.counts(&answer.id, answer.timestamp, &known);
                    counts && !met && !self.is_ours(answer, &handle)
                });
                let answers = answers.map(|answer| translate::comment(&self.source, place, answer));
                let answers: Vec<_> = answers.collect();
                looks.also.extend(answers);
            }
            let now = now.map(|now| Some(translate::words(&now)));
            if !self.shelf.looked(&mut looks, &post, now) {
                break;
            }
        }
        looks.also.sort_by_key(|post| post.created_at);
        self.shelf.settle(inbound, looks).await
    }

    /// A comment under a media object of ours, as it is now, with a page of the answers to it.
    async fn comment_with_answers(&self, id: &str) -> Result<Comment, Failed> {
        let fields = format!("{},{}", wire::COMMENT, wire::answers());
        self.graph.get(&[id], &[("fields", &fields)]).await
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
