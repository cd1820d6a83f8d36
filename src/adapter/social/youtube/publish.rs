//! The way out: one comment a reply, in the thread of the comment that it answers, and the look whether an
//! earlier one stands.
//!
//! Which comment of a thread one of ours answers is told by no field. Of those that were written in this run it is
//! remembered; any other counts as an answer to the last one of somebody else before it.
//!
//! Definite refusals are those that the documentation of `comments.insert` names, but for `processingFailure`,
//! which is said to pass by itself (<https://developers.google.com/youtube/v3/docs/comments/insert>).

use super::wire::{Comment, Thread};
use super::{YouTube, translate, tube};
use crate::adapter::api::Failed;
use crate::adapter::google::reason;
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published, Target};
use reqwest::StatusCode;
use serde_json::json;
use std::sync::PoisonError;
use tokio::time::{Instant, timeout_at};

/// How many comments of ours are remembered.
const MOST_WRITTEN: usize = 10_000;

const GONE: &str = "the comment is gone";
const OTHER_AUTHOR: &str = "YouTube shows another author for that comment";
const CLOSED: &str = "YouTube lets our channel write no answer there";

/// The thread of a reply, as it stands now.
struct Place {
    thread: Thread,
    /// What is answered.
    target: Comment,
}

impl YouTube {
    /// Reads what a reply answers, with the whole thread. `None`: it is gone.
    async fn place(&self, reply: &Reply) -> Result<Option<Place>, Failed> {
        let told = self.tube.threads_of(&[reply.conversation.as_str()]).await?;
        let Some(raw) = told.first() else {
            return Ok(None);
        };
        let unread = |error| Failed::Broken(format!("the answer is not what the API describes ({error})"));
        let mut thread: Thread = serde_json::from_str(raw.get()).map_err(unread)?;
        if !thread.is_whole() {
            thread.replies.comments = self.answers(&thread.id).await?;
        }
        let wanted = reply.target.as_str();
        let mut target = thread.comments().find(|comment| comment.id == wanted).cloned();
        if target.is_none() && !thread.is_whole() {
            target = self.tube.comment(wanted).await?;
        }
        Ok(target.map(|target| Place { thread, target }))
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let Some(place) = self.place(reply).await.map_err(before)? else {
            return Ok(Target::Gone(GONE.to_owned()));
        };
        if translate::author(&place.target) != reply.author.as_str() {
            return Ok(Target::Gone(OTHER_AUTHOR.to_owned()));
        }
        if !place.thread.snippet.can_reply {
            return Ok(Target::Locked(CLOSED.to_owned()));
        }
        let other = self.answers_of_ours(&place.thread, &reply.target);
        let mut other = other.filter(|own| !ours.iter().any(|id| id.as_str() == own.id));
        // After an attempt whose end is open the answer there may well be this one.
        match other.next().filter(|_| reply.begun_at.is_none()) {
            Some(own) => Ok(Target::Answered {
                text: own.text().to_owned(),
                url: translate::address(place.thread.snippet.video_id.as_deref(), &own.id),
            }),
            None => Ok(Target::Stands {
                text: place.target.snippet.text_display.trim().to_owned(),
            }),
        }
    }

    /// Our comments in a thread that answer this one: no other of somebody else's stands between.
    fn answers_of_ours<'a>(
        &'a self,
        thread: &'a Thread,
        target: &'a NativeId,
    ) -> impl Iterator<Item = &'a Comment> {
        let mut comments: Vec<_> = thread.in_order().collect();
        comments.sort_by_key(|comment| comment.snippet.published_at);
        let written = self
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut last = "";
        comments.into_iter().filter(move |comment| {
            if comment.author() != self.me {
                last = &comment.id;
            }
            let written = written.get(&NativeId::new(&comment.id));
            comment.author() == self.me && written.map_or(last, NativeId::as_str) == target.as_str()
        })
    }

    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading, what is left for publishing: all of it ends in time.
        let deadline = Instant::now() + self.timeout;
        let late =
            |_| PortError::NotReached("the comment could not be read in time before answering it".to_owned());
        let reading = timeout_at(Instant::now() + self.timeout / 2, self.prepare(reply));
        let thread = reading.await.map_err(late)??;
        let head = &thread.snippet.top_level_comment.id;
        let body = json!({"snippet": {"parentId": head, "textOriginal": reply.text}});
        let left = deadline.saturating_duration_since(Instant::now());
        let told = self.tube.insert(&body, (left, permit)).await.map_err(refusal)?;
        let own: Comment = told
            .decode()
            .map_err(|error| PortError::Unknown(error.to_string()))?;
        let published = published(&thread, reply, &own)?;
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if written.len() >= MOST_WRITTEN {
            written.clear();
        }
        written.insert(published.id.clone(), reply.target.clone());
        Ok(published)
    }

    async fn prepare(&self, reply: &Reply) -> Result<Thread, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        if reply.audience == Audience::Private {
            return stop("private messages are not written here");
        }
        if reply
            .account
            .as_ref()
            .is_some_and(|account| account.as_str() != self.me)
        {
            return stop("the source is now another channel than the one the reply was approved for");
        }
        if !self.is_ours().await.map_err(before)? {
            return stop("the authorisation is of another channel than channel_id");
        }
        let Some(place) = self.place(reply).await.map_err(before)? else {
            return stop(GONE);
        };
        if translate::author(&place.target) != reply.author.as_str() {
            return stop(OTHER_AUTHOR);
        }
        if !place.thread.snippet.can_reply {
            return stop(CLOSED);
        }
        Ok(place.thread)
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let Some(place) = self.place(reply).await.map_err(Failed::unread)? else {
            return Err(PortError::Unknown(
                "the comment is gone, and our answers are shown only with it".to_owned(),
            ));
        };
        let fresh = self.shows(&place.thread, canary).await?;
        let answers: Vec<_> = self
            .answers_of_ours(&place.thread, &reply.target)
            .map(|own| &own.id)
            .collect();
        let wanted = blanks(&reply.text);
        let ours = place.thread.comments().filter(|own| own.author() == self.me);
        // What answers others in the thread proves nothing about this reply, unless it is in its words.
        let ours = ours.filter(|own| blanks(own.text()) == wanted || answers.contains(&&own.id));
        let since = since(reply);
        let ours = ours.filter(|own| own.snippet.published_at >= since);
        let ours = ours.map(|own| {
            Ok(Own {
                published: published(&place.thread, reply, own)?,
                text: own.text().to_owned(),
                at: own.snippet.published_at,
            })
        });
        verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, blanks)
    }

    /// Whether YouTube shows the newest that is known of us.
    async fn shows(&self, thread: &Thread, canary: Option<&NativeId>) -> Result<bool, PortError> {
        let Some(canary) = canary.map(NativeId::as_str) else {
            return Ok(true);
        };
        if thread.comments().any(|own| own.id == canary) {
            return Ok(true);
        }
        let own = self.tube.comment(canary).await.map_err(Failed::unread)?;
        Ok(own.is_some())
    }

    /// The comment of ours at an address.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Some(id) = translate::named(told) else {
            return refuse("that is no address of a comment on YouTube (…/watch?v=…&lc=…)");
        };
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(place) = self.place(reply).await.map_err(unread)? else {
            return refuse(GONE);
        };
        match place.thread.comments().find(|own| own.id == id) {
            Some(own) if own.author() == self.me => published(&place.thread, reply, own),
            Some(_) => refuse("that comment is not by our channel"),
            None => refuse("that comment is not in the thread that the reply answers"),
        }
    }
}

/// What stands there. In its thread it answers whatever it was written to answer; outside, it does not.
fn published(thread: &Thread, reply: &Reply, own: &Comment) -> Result<Published, PortError> {
    let head = &thread.snippet.top_level_comment.id;
    let parent = own.snippet.parent_id.as_ref().map(|parent| {
        if parent == head {
            reply.target.clone()
        } else {
            NativeId::new(parent)
        }
    });
    Ok(Published {
        id: ids::reply_id(&own.id)
            .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: translate::address(thread.snippet.video_id.as_deref(), &own.id),
        parent,
        author: Some(NativeId::new(own.author())).filter(|author| !author.as_str().is_empty()),
    })
}

fn before(error: Failed) -> PortError {
    error.before(&tube::MEND)
}

/// A failure of the publishing call.
fn refusal(error: Failed) -> PortError {
    match (&error, reason(&error)) {
        (Failed::Limited(wait), _) => PortError::RetryAfter(*wait),
        (Failed::Unreached(why), _) => PortError::NotReached(why.clone()),
        (
            Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            },
            Some(_),
        ) => PortError::NotReached(
            "the access token was over just then; the next attempt takes a new one".to_owned(),
        ),
        (_, Some("processingFailure")) => PortError::Unknown(error.to_string()),
        (Failed::Status { status, .. }, Some(_)) if matches!(status.as_u16(), 400 | 403 | 404) => {
            PortError::Refused(format!("YouTube refused: {error}"))
        }
        (Failed::Status { .. } | Failed::Broken(_), _) => PortError::Unknown(error.to_string()),
    }
}
