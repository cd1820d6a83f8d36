//! Discussions: which were stirred since the last time, and all that is said in them.
//!
//! A list shows the discussions first that were stirred last; those since the last reading, and within an hour before
//! it, are read whole, each once for each time it was stirred. What does not stir a discussion (nobody documents
//! whether an edit of a comment does) is found when the posts in it are looked at again: that reads it whole, too.

use super::GitHub;
use super::api::Failed;
use super::graph::{
    Comment, Discussion, Discussions, InRepository, LIST, Node, OneDiscussion, REPLIES, THREAD,
};
use super::translate::{Place, account};
use crate::adapter::reach::Reach;
use crate::adapter::trouble::Halt;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use serde_json::json;
use serde_json::value::RawValue;
use std::collections::HashSet;
use std::sync::PoisonError;

/// The most pages of discussions in one reading, and of comments in one discussion.
const MOST_PAGES: usize = 20;
/// The most discussions that are remembered as read.
const MOST_READ: usize = 10_000;

/// A discussion with all that is said in it.
pub(super) struct Thread {
    pub discussion: Discussion,
    pub comments: Vec<Comment>,
    /// What is not as the API describes it, and why.
    odd: Vec<(Box<RawValue>, serde_json::Error)>,
}

impl GitHub {
    /// What was said in the discussions of the repositories since the last time.
    pub(super) async fn discussions(&self, inbound: &Inbound, repository: &str) -> Result<(), Halt> {
        let stream = format!("{repository} discussions");
        let told = inbound.cursor(&self.source, &stream).await?;
        let reach = Reach::read(told.as_deref(), self.clock.now());
        let (mut stirred, mut newest) = (self.stirred(repository, reach.horizon()).await?, None);
        stirred.reverse();
        for (number, at) in stirred {
            newest = newest.max(Some(at.min(self.clock.now())));
            let place = place(repository, number, None);
            if self.was_read(&place.id(), at) {
                continue;
            }
            if let Some(thread) = self.thread(&place).await? {
                self.hand_over(inbound, repository, &thread, reach.since).await?;
            }
            self.note_read(place.id(), at);
        }
        let moved = reach.to(newest).text();
        if told.as_ref() != Some(&moved) {
            let cursor = Cursor { stream, value: moved };
            inbound.posts_seen(&self.source, Vec::new(), Some(cursor)).await?;
        }
        Ok(())
    }

    /// The discussions that were stirred since then, the last first.
    async fn stirred(&self, repository: &str, since: Instant) -> Result<Vec<(i64, Instant)>, Failed> {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        let (mut stirred, mut after) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let variables = json!({"owner": owner, "name": name, "after": after});
            let told: InRepository<Discussions> = self.api.graph(LIST, variables).await?;
            let Some(found) = told.repository else { break };
            let page = found.discussions;
            let all = page.nodes.len();
            let new = page.nodes.iter().filter(|one| one.updated_at >= since);
            let before = stirred.len();
            stirred.extend(new.map(|one| (one.number, one.updated_at)));
            after = page.next().map(str::to_owned);
            if after.is_none() || stirred.len() - before < all {
                break;
            }
        }
        Ok(stirred)
    }

    /// A discussion with all that is said in it; `None` where GitHub shows none.
    pub(super) async fn thread(&self, place: &Place) -> Result<Option<Thread>, Failed> {
        let (owner, name) = place.names();
        let mut thread: Option<Thread> = None;
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let variables = json!({"owner": owner, "name": name, "number": place.issue, "after": after});
            let told: InRepository<OneDiscussion> = match self.api.graph(THREAD, variables).await {
                Ok(told) => told,
                Err(error) if error.is_missing() => return Ok(None),
                Err(error) => return Err(error),
            };
            let Some(mut discussion) = told.repository.and_then(|found| found.discussion) else {
                return Ok(None);
            };
            after = discussion.comments.next().map(str::to_owned);
            let nodes = std::mem::take(&mut discussion.comments.nodes);
            let mut whole = thread.unwrap_or_else(|| Thread {
                discussion,
                comments: Vec::new(),
                odd: Vec::new(),
            });
            for raw in nodes {
                self.add(&mut whole, raw).await?;
            }
            thread = Some(whole);
            if after.is_none() {
                return Ok(thread);
            }
        }
        Err(Failed::Broken(
            "the discussion has more comments than are looked through".to_owned(),
        ))
    }

    /// Adds a comment, and all answers to it.
    async fn add(&self, thread: &mut Thread, raw: Box<RawValue>) -> Result<(), Failed> {
        let Some(mut comment) = thread.read(raw) else {
            return Ok(());
        };
        let mut page = std::mem::take(&mut comment.replies);
        let id = comment.id.clone();
        thread.comments.push(comment);
        for _ in 0..MOST_PAGES {
            for raw in std::mem::take(&mut page.nodes) {
                let reply = thread.read(raw);
                thread.comments.extend(reply);
            }
            let Some(after) = page.next() else { return Ok(()) };
            let variables = json!({"id": id, "after": after});
            let told: Node = self.api.graph(REPLIES, variables).await?;
            page = told.node.map(|node| node.replies).unwrap_or_default();
        }
        Err(Failed::Broken(
            "a comment has more answers than are looked through".to_owned(),
        ))
    }

    /// Hands over what customers say in a discussion.
    async fn hand_over(
        &self,
        inbound: &Inbound,
        repository: &str,
        thread: &Thread,
        since: Instant,
    ) -> Result<(), Halt> {
        let me = self.me().await?;
        for (raw, error) in &thread.odd {
            let name: String = raw.get().chars().take(200).collect();
            let place = (&self.source, "discussions");
            self.troubles
                .put_aside(inbound, place, &name, error, raw.get())
                .await?;
        }
        let mut posts = self.posts(repository, thread);
        posts.retain(|post| post.author.id != me && post.created_at >= since);
        posts.sort_by_key(|post| post.created_at);
        let sightings: Vec<_> = posts
            .into_iter()
            .map(|post| Sighting::Post(Box::new(post)))
            .collect();
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        Ok(())
    }

    /// All that customers say in a discussion.
    fn posts(&self, repository: &str, thread: &Thread) -> Vec<Post> {
        let discussion = &thread.discussion;
        let author = discussion.author.as_ref().and_then(|author| author.user());
        let head = discussion.said(author.as_ref()).post(&self.source, repository);
        let standing = thread
            .comments
            .iter()
            .filter(|comment| comment.deleted_at.is_none());
        let comments = standing.filter_map(|comment| {
            let author = comment.author.as_ref().and_then(|author| author.user());
            comment
                .said(discussion.number, author.as_ref())
                .post(&self.source, repository)
        });
        let said = head.into_iter().chain(comments);
        said.map(|post| self.addressed(post)).collect()
    }

    /// Looks whether these posts of one discussion still stand as they are known, and at what was said meanwhile.
    pub(super) async fn look_at_talk(
        &self,
        inbound: &Inbound,
        place: &Place,
        known: &[&Post],
    ) -> Result<(), Halt> {
        let thread = self.thread(place).await?;
        let mut sightings = Vec::new();
        let mut standing = HashSet::new();
        if let Some(thread) = &thread {
            let oldest = known.iter().map(|post| post.created_at).min();
            let since = oldest.unwrap_or_else(|| self.clock.now());
            self.hand_over(inbound, &place.repository, thread, since).await?;
            standing = thread.standing(place);
        }
        for post in known {
            if standing.contains(&post.id) {
                self.watch.found(&post.id);
            } else if self.watch.is_gone(&post.id) {
                sightings.push(Sighting::Gone(post.id.clone()));
            }
        }
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        Ok(())
    }

    fn was_read(&self, id: &NativeId, at: Instant) -> bool {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.get(id) == Some(&at)
    }

    fn note_read(&self, id: NativeId, at: Instant) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= MOST_READ {
            read.clear();
        }
        read.insert(id, at);
    }
}

impl Thread {
    fn read(&mut self, raw: Box<RawValue>) -> Option<Comment> {
        match serde_json::from_str(raw.get()) {
            Ok(comment) => Some(comment),
            Err(error) => {
                self.odd.push((raw, error));
                None
            }
        }
    }

    /// The ids of all that stands in it, whoever wrote it.
    fn standing(&self, at: &Place) -> HashSet<NativeId> {
        let comments = self
            .comments
            .iter()
            .filter(|comment| comment.deleted_at.is_none());
        let comments =
            comments.map(|comment| place(&at.repository, at.issue, Some(comment.database_id)).id());
        std::iter::once(at.root()).chain(comments).collect()
    }

    /// The comment of a number, if it stands.
    pub fn comment(&self, number: i64) -> Option<&Comment> {
        let mut standing = self
            .comments
            .iter()
            .filter(|comment| comment.deleted_at.is_none());
        standing.find(|comment| comment.database_id == number)
    }

    /// The comment on the discussion itself that a comment is, or stands below.
    pub fn head<'a>(&'a self, comment: &'a Comment) -> Option<&'a Comment> {
        match &comment.reply_to {
            None => Some(comment),
            Some(above) => self
                .comments
                .iter()
                .find(|head| head.database_id == above.database_id),
        }
    }
}

pub(super) fn place(repository: &str, number: i64, comment: Option<i64>) -> Place {
    Place {
        repository: repository.to_owned(),
        issue: number,
        comment,
        talk: true,
    }
}

/// Whose something is; none where the account is gone.
pub(super) fn author(author: Option<&super::graph::Actor>) -> Option<NativeId> {
    author?.user().as_ref().map(account)
}
