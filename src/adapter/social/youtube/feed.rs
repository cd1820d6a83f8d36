//! Reading comments: the newest threads of the channel, and whether what is known still stands.
//!
//! Threads come the newest first, and a comment that was held back comes late, at the time it was written. So a
//! sweep reads the newest page whole, and back to an hour before the newest that it knew (see `reach`). A thread
//! shows some of its answers; the others are read where their number is not what it was. So of an answer that is
//! not shown, an edit is not seen before another one comes.

use super::wire::{Answers, Comment, Thread};
use super::{YouTube, translate, tube};
use crate::adapter::api::Failed;
use crate::adapter::reach::Reach;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound, Unavailable};
use crate::domain::{Instant, NativeId, Post, Sighting};
use reqwest::StatusCode;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{MutexGuard, PoisonError};

/// The cursor's name, and where unreadable threads are set aside.
const STREAM: &str = "comments";
/// The most pages of one reading.
const MOST_PAGES: usize = 50;
/// The threads, or comments, of a page; the most there is.
const PAGE: &str = "100";
/// The most threads, or channels, of one call by their ids.
const BATCH: usize = 50;
/// The most threads whose other answers are read in one sweep, and the most pages of one thread's answers.
const MOST_WHOLE: usize = 20;
const MOST_ANSWERS: usize = 10;
/// How many known comments are read again in a minute: their threads are read in one call.
const LOOKS_A_MINUTE: u32 = 50;
/// How many comments and threads are remembered.
const MOST_STORED: usize = 20_000;

/// Who reads threads: each has to see for itself that their answers are others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reader {
    /// For what is new.
    Newest,
    /// For what stands still.
    Known,
}

/// How many answers the threads had that were read whole in this run.
pub(super) type Counts = HashMap<(Reader, String), u64>;

impl YouTube {
    /// What was written or changed since the last time.
    pub(super) async fn newest(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.follow(inbound).await.map_err(|halt| match halt {
            Halt::Network(error) => error.lost(&tube::MEND),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    /// Whether what is known still stands; not where the day's units get scarce.
    pub(super) async fn known(&self, inbound: &Inbound) -> Result<(), Lost> {
        if !self.tube.is_rich() {
            return Ok(());
        }
        let place = (&self.source, "known comments");
        let looking = self.look_again(inbound);
        self.troubles.beside(place, self.clock.now(), looking).await
    }

    async fn follow(&self, inbound: &Inbound) -> Result<(), Halt> {
        let told = inbound.cursor(&self.source, STREAM).await?;
        let now = self.clock.now();
        let known = Reach::read(told.as_deref(), now);
        let (threads, mut failed) = self.walk(inbound, known.horizon()).await?;
        let changes = threads.iter().flat_map(Thread::comments).map(Comment::changed);
        let newest = changes.map(|at| at.min(now)).max();
        let whole = self.whole(inbound, threads, Reader::Newest).await?;
        failed = failed.or(whole.1);
        let reach = known.to(newest).text();
        // What could not be read to its end is read again from where the last reading ended.
        let moved = failed.is_none() && told.as_ref() != Some(&reach);
        let cursor = moved.then(|| Cursor {
            stream: STREAM.to_owned(),
            value: reach,
        });
        self.take(inbound, &whole.0, Some(known.since), cursor).await?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Walks back to the horizon, at least a page. What cannot be read is set aside and blocks nothing.
    async fn walk(
        &self,
        inbound: &Inbound,
        horizon: Instant,
    ) -> Result<(Vec<Thread>, Option<Failed>), Unavailable> {
        let mut threads = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut query = vec![
                ("allThreadsRelatedToChannelId", self.me.as_str()),
                ("order", "time"),
                ("maxResults", PAGE),
            ];
            query.extend(after.as_deref().map(|token| ("pageToken", token)));
            let page = match self.tube.threads(&query).await {
                Ok(page) => page,
                Err(error) => return Ok((threads, Some(error))),
            };
            let mut reached = false;
            for raw in &page.items {
                if let Some(thread) = self.understood(inbound, raw).await? {
                    self.put_aside(inbound, &thread.replies.comments).await?;
                    reached |= thread.comments().all(|comment| comment.changed() < horizon);
                    threads.push(thread);
                }
            }
            if reached || page.next_page_token.is_none() || page.next_page_token == after {
                return Ok((threads, None));
            }
            after = page.next_page_token;
        }
        tracing::warn!(
            source = %self.source, pages = MOST_PAGES, %horizon,
            "More comments were written than are read at once: those that are older were not read."
        );
        Ok((threads, None))
    }

    /// Sets aside the answers that nobody can read.
    async fn put_aside(&self, inbound: &Inbound, answers: &Answers) -> Result<(), Unavailable> {
        for (raw, error) in &answers.odd {
            let name: String = raw.get().chars().take(200).collect();
            let place = (&self.source, STREAM);
            let put = self.troubles.put_aside(inbound, place, &name, error, raw.get());
            put.await?;
        }
        Ok(())
    }

    async fn understood(&self, inbound: &Inbound, raw: &RawValue) -> Result<Option<Thread>, Unavailable> {
        match serde_json::from_str::<Thread>(raw.get()) {
            Ok(thread) => Ok(Some(thread)),
            Err(error) => {
                let name: String = raw.get().chars().take(200).collect();
                let place = (&self.source, STREAM);
                let put = self.troubles.put_aside(inbound, place, &name, &error, raw.get());
                put.await.map(|()| None)
            }
        }
    }

    /// The threads with all their answers, as far as there are more than were read before. One whose answers
    /// YouTube does not show stops none of the others.
    async fn whole(
        &self,
        inbound: &Inbound,
        mut threads: Vec<Thread>,
        reader: Reader,
    ) -> Result<(Vec<Thread>, Option<Failed>), Unavailable> {
        let mut read = 0;
        for thread in &mut threads {
            let key = (reader, thread.id.clone());
            let known = self.counts().get(&key).copied();
            if thread.is_whole() || known == Some(thread.snippet.total_reply_count) || read >= MOST_WHOLE {
                continue;
            }
            read += 1;
            match self.answers(&thread.id).await {
                Ok(answers) => {
                    self.put_aside(inbound, &answers).await?;
                    thread.replies.comments = answers;
                }
                Err(error) if is_refused(&error) => {
                    if self.troubles.note(&format!("answers {}", thread.id)) {
                        tracing::warn!(
                            source = %self.source, thread = thread.id, %error,
                            "YouTube does not show all answers in a thread."
                        );
                    }
                }
                Err(error) => return Ok((threads, Some(error))),
            }
            let mut counts = self.counts();
            if counts.len() >= MOST_STORED {
                counts.clear();
            }
            counts.insert(key, thread.snippet.total_reply_count);
        }
        Ok((threads, None))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All answers in a thread, the newest first; of very many the newest.
    pub(super) async fn answers(&self, thread: &str) -> Result<Answers, Failed> {
        let mut answers = Answers::default();
        let mut after: Option<String> = None;
        for _ in 0..MOST_ANSWERS {
            let mut query = vec![("parentId", thread), ("maxResults", PAGE)];
            query.extend(after.as_deref().map(|token| ("pageToken", token)));
            let page = self.tube.comments(&query).await?;
            answers.take(page.items);
            after = page.next_page_token;
            if after.is_none() {
                break;
            }
        }
        Ok(answers)
    }

    /// Hands over what others wrote that is new or was changed. `since`: what is older does not count, unless it
    /// is known.
    async fn take(
        &self,
        inbound: &Inbound,
        threads: &[Thread],
        since: Option<Instant>,
        cursor: Option<Cursor>,
    ) -> Result<(), Unavailable> {
        let mut news = Vec::new();
        // The oldest first: of several at the same moment too.
        for thread in threads.iter().rev() {
            for comment in thread.in_order() {
                let counts = since.is_none_or(|since| comment.changed() >= since);
                if counts && comment.author() != self.me && self.is_news(comment) {
                    news.push((thread, comment));
                }
            }
        }
        if news.is_empty() && cursor.is_none() {
            return Ok(());
        }
        news.sort_by_key(|(_, comment)| comment.snippet.published_at);
        let authors: HashSet<_> = news.iter().map(|(_, comment)| comment.author()).collect();
        let followers = self
            .followers(authors.into_iter().filter(|id| !id.is_empty()).collect())
            .await;
        let posts = news.iter().map(|(thread, comment)| {
            let followers = followers.get(comment.author()).copied();
            let post = translate::post(&self.source, thread, comment, followers);
            Sighting::Post(Box::new(post))
        });
        let seen = inbound.posts_seen(&self.source, posts.collect(), cursor).await;
        // What was read and could not be stored is read again.
        seen.inspect_err(|_| self.counts().clear())?;
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        if stored.len() >= MOST_STORED {
            stored.clear();
        }
        stored.extend(
            news.iter()
                .map(|(_, comment)| (comment.id.clone(), comment.changed())),
        );
        Ok(())
    }

    fn is_news(&self, comment: &Comment) -> bool {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        stored.get(&comment.id) != Some(&comment.changed())
    }

    /// How many follow each of these channels. Where that is not to be had now, posts go without it.
    async fn followers(&self, authors: Vec<&str>) -> HashMap<String, i64> {
        let mut known = HashMap::new();
        if self.troubles.rests("followers", self.clock.now()) || !self.tube.is_rich() {
            return known;
        }
        for some in authors.chunks(BATCH) {
            match self.tube.channels(&some.join(",")).await {
                Ok(told) => {
                    self.troubles.over("followers");
                    known.extend(told.items.into_iter().filter_map(|channel| {
                        let count = channel.statistics?.subscriber_count?;
                        Some((channel.id, count.parse().ok()?))
                    }));
                }
                Err(error) => {
                    self.troubles
                        .say((&self.source, "followers"), &error, self.clock.now());
                    break;
                }
            }
        }
        known
    }

    /// Looks at known comments, in turns: their threads are read whole.
    ///
    /// # Errors
    /// YouTube cannot be read, or nothing can be stored; what was seen until then is stored if it can.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let mut by_thread: BTreeMap<&str, Vec<&Post>> = BTreeMap::new();
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            by_thread
                .entry(post.conversation.as_str())
                .or_default()
                .push(post);
        }
        let ids: Vec<_> = by_thread.keys().copied().collect();
        for some in ids.chunks(BATCH) {
            let told = self.tube.threads_of(some).await?;
            let mut threads = Vec::new();
            let mut shown = HashSet::new();
            for raw in &told {
                match self.understood(inbound, raw).await? {
                    Some(thread) => threads.push(thread),
                    // It is there, though nobody can read it.
                    None => shown.extend(some.iter().filter(|id| raw.get().contains(**id)).copied()),
                }
            }
            let (threads, failed) = self.whole(inbound, threads, Reader::Known).await?;
            self.take(inbound, &threads, None, None).await?;
            if let Some(error) = failed {
                return Err(error.into());
            }
            let mut posts = Vec::new();
            for id in some.iter().filter(|id| !shown.contains(**id)) {
                posts.extend(by_thread.get(id).into_iter().flatten());
            }
            let gone = self.missing(&posts, &threads);
            if !gone.is_empty() {
                inbound.posts_seen(&self.source, gone, None).await?;
            }
        }
        Ok(())
    }

    /// Which of these posts are gone: not in their threads in two rounds.
    fn missing(&self, posts: &[&Post], threads: &[Thread]) -> Vec<Sighting> {
        let there: HashSet<_> = threads
            .iter()
            .flat_map(Thread::comments)
            .map(|own| own.id.as_str())
            .collect();
        // Where not all answers were read, their number is what it was: none is missing.
        let in_part: HashSet<_> = threads
            .iter()
            .filter(|thread| !thread.is_whole())
            .map(|thread| thread.id.as_str())
            .collect();
        // Nor is one that nobody can read.
        let odd: Vec<_> = threads
            .iter()
            .flat_map(|thread| &thread.replies.comments.odd)
            .map(|(raw, _)| raw.get())
            .collect();
        let mut gone = Vec::new();
        for post in posts {
            let id = post.id.as_str();
            let stands = there.contains(id)
                || in_part.contains(post.conversation.as_str())
                || odd.iter().any(|raw| raw.contains(id));
            if stands {
                self.watch.found(&post.id);
            } else if self.watch.is_gone(&post.id) {
                gone.push(Sighting::Gone(NativeId::new(id)));
            } else {
                // The next round reads the whole thread once more.
                let thread = post.conversation.to_string();
                self.counts().remove(&(Reader::Known, thread));
            }
        }
        gone
    }
}

/// Whether YouTube does not show this one thing.
fn is_refused(error: &Failed) -> bool {
    let one = |status: &StatusCode| matches!(status.as_u16(), 400 | 403 | 404);
    matches!(error, Failed::Status { status, told: Some(_) } if one(status))
}
