//! Reading reviews: the newest, and whether those that are known still stand as they did.
//!
//! A review comes to its place in the list when it was written or changed, but it may come there late, when
//! the network looked it over. So a sweep reads the newest page whole, and back to an hour before the newest
//! that it knew (see `reach`). What was there already the database knows; within a run it is remembered here.

use super::{Board, Review, Reviews};
use crate::adapter::api::Failed;
use crate::adapter::reach::Reach;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound, Unavailable};
use crate::domain::{Instant, NativeId, Post, Sighting};
use reqwest::StatusCode;
use serde_json::value::RawValue;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The most pages of one reading.
const MOST_PAGES: usize = 100;
/// After how many failures in a row known reviews are left for the next sweep.
const MOST_FAILED: usize = 5;
/// The cursor's name, and where unreadable reviews are set aside.
const STREAM: &str = "reviews";

/// How a review stood: when it was last changed, and the mark of what it said. A change that does not move the
/// moment is seen by the mark.
pub(super) type Seen = (Instant, u64);

fn seen(review: &Review) -> Seen {
    let mut mark = DefaultHasher::new();
    (&review.post.text, review.post.rating).hash(&mut mark);
    (review.changed, mark.finish())
}

impl<B: Board> Reviews<B> {
    /// What was written or changed since the last time.
    pub(super) async fn newest(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.follow(inbound).await.map_err(lost::<B>)
    }

    /// Whether what is known still stands as it did.
    pub(super) async fn known(&self, inbound: &Inbound) -> Result<(), Lost> {
        let place = (&self.source, "known reviews");
        let looking = self.look_again(inbound);
        self.troubles.beside(place, self.clock.now(), looking).await
    }

    async fn follow(&self, inbound: &Inbound) -> Result<(), Halt> {
        let told = inbound.cursor(&self.source, STREAM).await?;
        let now = self.clock.now();
        let known = Reach::read(told.as_deref(), now);
        let (mut reviews, failed) = self.walk(inbound, known.horizon()).await?;
        let newest = reviews.iter().map(|review| review.changed.min(now)).max();
        let reach = known.to(newest);
        reviews.retain(|review| review.changed >= known.since);
        // The oldest first: of several at the same moment too.
        reviews.reverse();
        // What could not be read to its end is read again from where the last reading ended.
        let moved = failed.is_none() && told.as_ref() != Some(&reach.text());
        let cursor = moved.then(|| Cursor {
            stream: STREAM.to_owned(),
            value: reach.text(),
        });
        self.take(inbound, reviews, cursor).await?;
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Walks back to the horizon, at least a page. What cannot be read is set aside and blocks nothing.
    async fn walk(
        &self,
        inbound: &Inbound,
        horizon: Instant,
    ) -> Result<(Vec<Review>, Option<Failed>), Unavailable> {
        let mut reviews = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let page = match self.board.page(after.as_deref()).await {
                Ok(page) => page,
                Err(error) => return Ok((reviews, Some(error))),
            };
            let mut reached = false;
            for raw in &page.items {
                if let Some(review) = self.understood(inbound, raw).await? {
                    reached |= review.changed < horizon;
                    reviews.push(review);
                }
            }
            if reached || page.next.is_none() || page.next == after {
                return Ok((reviews, None));
            }
            after = page.next;
        }
        tracing::warn!(
            source = %self.source, pages = MOST_PAGES, %horizon,
            "More reviews were written than are read at once: those that are older were not read."
        );
        Ok((reviews, None))
    }

    async fn understood(&self, inbound: &Inbound, raw: &RawValue) -> Result<Option<Review>, Unavailable> {
        match self.board.read(raw) {
            Ok(review) => {
                self.watch_answer(inbound, &review).await?;
                Ok(Some(review))
            }
            Err(error) => {
                let name: String = raw.get().chars().take(200).collect();
                let place = (&self.source, STREAM);
                let put = self.troubles.put_aside(inbound, place, &name, &error, raw.get());
                put.await.map(|()| None)
            }
        }
    }

    /// An answer that the network took and does not show is told, once: its success was none.
    async fn watch_answer(&self, inbound: &Inbound, review: &Review) -> Result<(), Unavailable> {
        let Some((answer, why)) = review
            .answer
            .as_ref()
            .and_then(|answer| Some((answer, answer.hidden.as_ref()?)))
        else {
            return Ok(());
        };
        let what = format!("hidden answer {} {}", review.post.id, answer.text);
        if self.troubles.knows(&what) {
            return Ok(());
        }
        let url = review
            .post
            .url
            .as_deref()
            .unwrap_or_else(|| review.post.id.as_str());
        let reason = format!("our answer is not shown to anybody: {why}; look at {url}");
        inbound
            .set_aside(&format!("{} answers", self.source), &reason, &answer.text)
            .await?;
        self.troubles.note(&what);
        metrics::counter!("hearback_set_aside_total", "source" => self.source.to_string()).increment(1);
        tracing::warn!(source = %self.source, review = %review.post.id, why, "An answer is not shown by the network.");
        Ok(())
    }

    /// Hands over those that are new or were changed.
    async fn take(
        &self,
        inbound: &Inbound,
        mut reviews: Vec<Review>,
        cursor: Option<Cursor>,
    ) -> Result<(), Unavailable> {
        let mut met = HashSet::new();
        reviews.retain(|review| met.insert(review.post.id.clone()) && self.is_news(review));
        if reviews.is_empty() && cursor.is_none() {
            return Ok(());
        }
        let ids: Vec<_> = reviews.iter().map(|review| review.post.id.clone()).collect();
        let known = inbound.known_posts(&self.source, &ids).await?;
        let known: HashMap<_, _> = known.into_iter().map(|post| (post.id.clone(), post)).collect();
        let posts = reviews.iter().map(|review| {
            let again = self.stored.has(review.post.id.as_str());
            let post = dated(
                review,
                known.get(&review.post.id),
                again.then(|| self.clock.now()),
            );
            Sighting::Post(Box::new(post))
        });
        inbound.posts_seen(&self.source, posts.collect(), cursor).await?;
        let versions = reviews
            .iter()
            .map(|review| (review.post.id.to_string(), seen(review)));
        self.stored.put(versions);
        Ok(())
    }

    /// Looks at known reviews, in turns. One that cannot be read stops none of the others.
    ///
    /// # Errors
    /// The network cannot be read, or nothing can be stored; what was seen is stored if it can.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let now = self.clock.now();
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted && self.board.is_readable(post, now));
        let (mut gone, mut there, mut failed, mut in_a_row) = (Vec::new(), Vec::new(), None, 0);
        for post in self.watch.turns(&watched, self.poll, B::LOOKS) {
            let read = self.board.review(post.id.as_str()).await;
            in_a_row = if read.is_ok() { 0 } else { in_a_row + 1 };
            match read {
                Ok(Some(raw)) => {
                    self.watch.found(&post.id);
                    there.extend(self.understood(inbound, &raw).await?);
                }
                Ok(None) if self.watch.is_gone(&post.id) => gone.push(Sighting::Gone(post.id.clone())),
                Ok(None) => {}
                Err(error) => {
                    let stops = !is_of_one(&error) || in_a_row >= MOST_FAILED;
                    failed = Some(error);
                    if stops {
                        break;
                    }
                }
            }
        }
        self.take(inbound, there, None).await?;
        if !gone.is_empty() {
            inbound.posts_seen(&self.source, gone, None).await?;
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }

    fn is_news(&self, review: &Review) -> bool {
        self.stored.version(review.post.id.as_str()) != Some(seen(review))
    }
}

/// Reads one review that somebody told us of. What they said of it is not believed: the network is asked. One
/// that is not there now is gone when the next sweep does not find it either.
///
/// # Errors
/// The network cannot be read, or nothing can be stored.
pub(super) async fn read_hinted<B: Board>(
    reviews: &Reviews<B>,
    inbound: &Inbound,
    id: &str,
) -> Result<(), Halt> {
    let Some(raw) = reviews.board.review(id).await? else {
        let id = NativeId::new(id);
        if reviews.watch.is_gone(&id) {
            let gone = vec![Sighting::Gone(id)];
            inbound.posts_seen(&reviews.source, gone, None).await?;
        }
        return Ok(());
    };
    let review = reviews.understood(inbound, &raw).await?;
    reviews.take(inbound, review.into_iter().collect(), None).await?;
    Ok(())
}

/// Whether a failure may be about the one review that was asked for.
fn is_of_one(error: &Failed) -> bool {
    match error {
        Failed::Limited(_)
        | Failed::Unreached(_)
        | Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            ..
        } => false,
        Failed::Status { .. } | Failed::Broken(_) => true,
    }
}

fn lost<B: Board>(halt: Halt) -> Lost {
    match halt {
        Halt::Network(error) => error.lost(&B::MEND),
        Halt::Store(error) => Lost::Broken(error.to_string()),
    }
}

/// The post that a review is, with what is known of it. A network that tells no more than when a review was
/// last changed says nothing of an edit: what is known tells. `changed_by`: it said something else before in
/// this run, and changed by now.
fn dated(review: &Review, known: Option<&Post>, changed_by: Option<Instant>) -> Post {
    let mut post = review.post.clone();
    let Some(known) = known else { return post };
    post.created_at = known.created_at;
    if (&post.text, post.rating) == (&known.text, known.rating) {
        // The moment of some networks moves with what others do, too.
        post.edited_at = known.edited_at;
        return post;
    }
    let before = known.edited_at.unwrap_or(known.created_at);
    let moved = (review.changed > before).then_some(review.changed);
    post.edited_at = post
        .edited_at
        .filter(|at| *at > before)
        .or(moved)
        .or(changed_by)
        .or(known.edited_at);
    post
}

/// What stands for the words of a review that has none.
#[must_use]
pub fn stars_without_words(text: &str) -> String {
    let text = text.trim().replace('\0', "\u{FFFD}");
    if text.is_empty() {
        "(a rating without words)".to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rating_says_that_it_has_no_words() {
        assert_eq!(stars_without_words(" \n"), "(a rating without words)");
        assert_eq!(stars_without_words(" good \0"), "good \u{FFFD}");
    }
}
