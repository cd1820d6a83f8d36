//! Reading what was written: mentions, replies, private messages, searches, and whether what is known still stands.
//!
//! Lists show the newest first, by pages with numbers (<https://join-lemmy.org/api/v3>). What is written meanwhile
//! moves the rest to later pages, where it is read again, and what other servers send late takes its place by when
//! it was written (replies by when they came): so a sweep reads the newest page whole, and back to an hour before the newest that it knew (see
//! `adapter::reach`).

use super::api::{Failed, is_missing, lost};
use super::translate::{self, Thing};
use super::wire::{CommentView, MessageView, OneComment, OnePost, Page, PostView};
use super::{Known, Lemmy};
use crate::adapter::reach::Reach;
use crate::adapter::stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, PostKind, Sighting};
use serde_json::value::RawValue;
use std::collections::HashSet;

/// The most of a page, and the most pages of one reading.
const LIMIT: &str = "50";
const MOST_PAGES: usize = 40;
/// How many known posts are read again in a minute.
const LOOKS_A_MINUTE: u32 = 20;

type Raw = Box<RawValue>;

/// What is in a list.
#[derive(Clone, Copy)]
enum Holds {
    Replies,
    Mentions,
    Messages,
    Found,
}

/// A list.
struct Feed<'a> {
    /// The cursor's name.
    stream: String,
    method: Vec<&'a str>,
    query: Vec<(&'a str, &'a str)>,
    holds: Holds,
}

impl Lemmy {
    /// What was said to us since the last time.
    pub(super) async fn inbox(&self, inbound: &Inbound) -> Result<(), Lost> {
        let lists = [("mention", Holds::Mentions), ("replies", Holds::Replies)];
        for (list, holds) in lists {
            let feed = Feed {
                stream: list.to_owned(),
                method: vec!["user", list],
                query: vec![("sort", "New"), ("unread_only", "false")],
                holds,
            };
            self.follow(inbound, &feed).await.map_err(|halt| match halt {
                Halt::Network(error) => lost(error),
                Halt::Store(error) => Lost::Broken(error.to_string()),
            })?;
        }
        Ok(())
    }

    /// What else there is, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        let messages = Feed {
            stream: "messages".to_owned(),
            method: vec!["private_message", "list"],
            query: vec![("unread_only", "false")],
            holds: Holds::Messages,
        };
        self.beside(&messages.stream, self.follow(inbound, &messages))
            .await?;
        for words in &self.search {
            let feed = Feed {
                stream: format!("search:{words}"),
                method: vec!["search"],
                query: vec![
                    ("q", words),
                    ("type_", "All"),
                    ("sort", "New"),
                    ("listing_type", "All"),
                ],
                holds: Holds::Found,
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
        let me = self.known().await?;
        let told = inbound.cursor(&self.source, &feed.stream).await?;
        let reach = Reach::read(told.as_deref(), self.clock.now());
        let horizon = reach.horizon();
        let (mut posts, mut newest, mut failed) = (Vec::new(), reach.newest, None);
        let mut met = HashSet::new();
        for number in 1..=MOST_PAGES {
            let page = match self.page(feed, number).await {
                Ok(page) => page,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            };
            let mut oldest: Option<Instant> = None;
            for raw in &page {
                let (at, post) = match self.read(&me, feed.holds, raw) {
                    Ok(read) => read,
                    Err(error) => {
                        let name: String = raw.get().chars().take(200).collect();
                        let place = (&self.source, feed.stream.as_str());
                        self.troubles
                            .put_aside(inbound, place, &name, &error, raw.get())
                            .await?;
                        continue;
                    }
                };
                oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
                newest = newest.max(at.min(self.clock.now()));
                posts.extend(post.filter(|post| {
                    let counts = at >= reach.since && !self.stored.knows_post(post);
                    counts && met.insert(post.id.clone())
                }));
            }
            if page.is_empty() || oldest.is_some_and(|oldest| oldest < horizon) {
                break;
            }
            if number == MOST_PAGES {
                tracing::warn!(
                    source = %self.source, list = feed.stream, %horizon,
                    "More was written than is read at once: what is older was not read."
                );
            }
        }
        let moved = Reach { newest, ..reach }.text();
        // What could not be read to its end is read again from where the last reading ended.
        let cursor = (failed.is_none() && told.as_ref() != Some(&moved)).then(|| Cursor {
            stream: feed.stream.clone(),
            value: moved,
        });
        if !posts.is_empty() || cursor.is_some() {
            posts.reverse();
            let marks: Vec<_> = posts.iter().map(stored::mark).collect();
            let sightings = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
            inbound
                .posts_seen(&self.source, sightings.collect(), cursor)
                .await?;
            self.stored.remember_as(marks);
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn page(&self, feed: &Feed<'_>, number: usize) -> Result<Vec<Raw>, Failed> {
        let number = number.to_string();
        let mut query = feed.query.clone();
        query.extend([("limit", LIMIT), ("page", &number)]);
        let mut page: Page = self.api.get(&feed.method, &query).await?;
        Ok(match feed.holds {
            Holds::Replies => page.replies,
            Holds::Mentions => page.mentions,
            Holds::Messages => page.private_messages,
            Holds::Found => {
                page.comments.append(&mut page.posts);
                page.comments
            }
        })
    }

    /// Its moment in its list, and what it says to us: nothing, where it is ours, or gone.
    fn read(
        &self,
        me: &Known,
        holds: Holds,
        raw: &RawValue,
    ) -> Result<(Instant, Option<Post>), serde_json::Error> {
        let ours = |post: &Post| post.author.id == me.account();
        let (at, gone, mut post) = match holds {
            Holds::Messages => {
                let view: MessageView = serde_json::from_str(raw.get())?;
                let post = translate::message(&self.source, self.api.base(), &view);
                (view.private_message.published, view.private_message.deleted, post)
            }
            Holds::Found if raw.get().contains("\"comment\":") => self.read_comment(me, raw, false)?,
            Holds::Found => {
                let view: PostView = serde_json::from_str(raw.get())?;
                let gone = view.post.deleted || view.post.removed;
                (
                    view.post.published,
                    gone,
                    translate::post(&self.source, me, &view),
                )
            }
            Holds::Replies => self.read_comment(me, raw, false)?,
            Holds::Mentions => self.read_comment(me, raw, true)?,
        };
        if matches!(holds, Holds::Found) {
            // Whether it answers us is told by the list of replies.
            post.kind = PostKind::Post;
        }
        Ok((at, Some(post).filter(|post| !gone && !ours(post))))
    }

    fn read_comment(
        &self,
        me: &Known,
        raw: &RawValue,
        mentions: bool,
    ) -> Result<(Instant, bool, Post), serde_json::Error> {
        let view: CommentView = serde_json::from_str(raw.get())?;
        let gone = view.comment.deleted || view.comment.removed;
        let post = translate::comment(&self.source, me, &view, mentions);
        // Replies are listed by when they came here, which is later where they are from another server.
        let at = view
            .comment_reply
            .map_or(view.comment.published, |reply| reply.published);
        Ok((at, gone, post))
    }

    /// Reads some known posts again, in turns. Private messages cannot be read one by one.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.known().await?;
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched
            .retain(|post| !post.deleted && !matches!(Thing::of(&post.id), Some(Thing::Message(_)) | None));
        let (mut sightings, mut limited) = (Vec::new(), None);
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            match self.seen_again(&me, post).await {
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

    /// What is new about a post. One that is not shown at all is gone when that was so in two rounds.
    async fn seen_again(&self, me: &Known, known: &Post) -> Result<Option<Sighting>, Failed> {
        let Some(now) = self.now(me, &known.id).await? else {
            let gone = self.watch.is_gone(&known.id);
            return Ok(gone.then(|| Sighting::Gone(known.id.clone())));
        };
        self.watch.found(&known.id);
        Ok(match now {
            Now::Gone => Some(Sighting::Gone(known.id.clone())),
            Now::Stands { mut post, .. } if post.edited_at > known.edited_at => {
                post.kind = known.kind;
                Some(Sighting::Post(post))
            }
            Now::Stands { .. } => None,
        })
    }

    /// A comment or a post as it is now; `None` where the server shows none.
    pub(super) async fn now(&self, me: &Known, id: &NativeId) -> Result<Option<Now>, Failed> {
        let found = match Thing::of(id) {
            Some(Thing::Comment(number)) => {
                let query = [("id", number.to_string())];
                let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
                let read: Result<OneComment, _> = self.api.get(&["comment"], &query).await;
                read.map(|one| {
                    let (view, post) = (&one.comment_view.comment, &one.comment_view.post);
                    let gone = view.deleted || view.removed || post.deleted || post.removed;
                    let post_ = translate::comment(&self.source, me, &one.comment_view, false);
                    (gone, post.locked, post_)
                })
            }
            Some(Thing::Post(number)) => {
                let query = [("id", number.to_string())];
                let query = query.each_ref().map(|(name, value)| (*name, value.as_str()));
                let read: Result<OnePost, _> = self.api.get(&["post"], &query).await;
                read.map(|one| {
                    let post = &one.post_view.post;
                    let gone = post.deleted || post.removed;
                    (
                        gone,
                        post.locked,
                        translate::post(&self.source, me, &one.post_view),
                    )
                })
            }
            Some(Thing::Message(_)) | None => return Ok(None),
        };
        match found {
            Ok((true, _, _)) => Ok(Some(Now::Gone)),
            Ok((false, locked, post)) => Ok(Some(Now::Stands {
                post: Box::new(post),
                locked,
            })),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// How something is now.
pub(super) enum Now {
    /// Taken back, or removed.
    Gone,
    /// It stands.
    Stands {
        /// As it is.
        post: Box<Post>,
        /// Whether it takes no comments.
        locked: bool,
    },
}
