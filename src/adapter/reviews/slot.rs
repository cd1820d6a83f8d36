//! The one answer below a review. The network writes whatever it is given over whatever stands there, so the
//! place is read before each attempt: words that are not ours are a colleague's, who wrote them by the
//! network's own means, and nothing is written over them unless the agent saw them and said yes. What they
//! saw is compared with what stands there right before the call.
//!
//! A refusal is believed only where the API itself gives it, by a status that its documentation gives before
//! anything is written ([`Board::REFUSALS`]), and after the place was read once more.

use super::{Answer, Board, Held, Review, Reviews};
use crate::adapter::api::Failed;
use crate::adapter::ids;
use crate::adapter::verdict::blanks;
use crate::domain::{Audience, NativeId, Reply, message};
use crate::port::{Look, Permit, PortError, Published, Target};
use reqwest::StatusCode;
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How many replies are remembered.
const MOST_HELD: usize = 10_000;
/// How much of a colleague's words is shown.
const SHOWN: usize = 200;

const FORGOTTEN: &str = "somebody else's answer stands there, and since Hearback was started anew it is not known \
                         whether it is the one that was shown: write the reply once more";
const GONE: &str = "the review is gone";
const OTHER_AUTHOR: &str = "the network shows another author for that review";

/// What an attempt found before it wrote.
enum Ready {
    /// The words are to be written.
    Write,
    /// An earlier attempt wrote them.
    Stands(Published),
}

impl<B: Board> Reviews<B> {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let review = match self
            .reviewed(reply)
            .await
            .map_err(|error| error.before(&B::MEND))?
        {
            Some(review) => review,
            None => return Ok(Target::Gone(GONE.to_owned())),
        };
        if review.post.author.id != reply.author {
            return Ok(Target::Gone(OTHER_AUTHOR.to_owned()));
        }
        let stands = Target::Stands {
            text: review.post.text.clone(),
        };
        let Some(answer) = &review.answer else {
            self.hold(reply, None, true);
            return Ok(stands);
        };
        // After an attempt whose end is open these words may well be this reply.
        let begun = reply.begun_at.is_some() && same(&answer.text, &reply.text);
        let held = Some(mark(&answer.text));
        if begun || is_one_of(answer, &review, ours) {
            self.hold(reply, held, true);
            return Ok(stands);
        }
        // What its author said yes to is what they were shown, and nothing newer. After a restart nobody knows
        // any more what that was.
        if !reply.over_answer || self.held().contains_key(&reply.id.0) {
            self.hold(reply, held, !reply.over_answer);
        }
        Ok(Target::Answered {
            text: format!("(there is one place, so ours would replace it) {}", answer.text),
            url: review.post.url,
        })
    }

    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading before, a quarter at least for publishing, the rest for reading after.
        let began = Instant::now();
        let late =
            |_| PortError::NotReached("the review could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 2, self.prepare(reply));
        if let Ready::Stands(published) = reading.await.map_err(late)?? {
            return Ok(published);
        }
        let left = self.timeout.mul_f64(0.75).saturating_sub(began.elapsed());
        let written = self.written(reply, (left, permit)).await;
        let there = async {
            let read = timeout_at(began + self.timeout, self.reviewed(reply)).await;
            read.unwrap_or_else(|_| Err(Failed::Broken("it could not be read in time".to_owned())))
        };
        match written {
            Ok(Some(answer)) => published(reply, None, &answer),
            Ok(None) => match there.await {
                Ok(Some(review)) => match &review.answer {
                    Some(answer) => published(reply, Some(&review), answer),
                    None => Err(PortError::Unknown("it was written, but is not there".to_owned())),
                },
                Ok(None) => Err(PortError::Unknown(format!("it was written, but {GONE}"))),
                Err(error) => Err(PortError::Unknown(format!("it was written, but {error}"))),
            },
            Err(PortError::Refused(why)) => match there.await {
                Ok(Some(review)) if !holds(&review, &reply.text) => Err(PortError::Refused(why)),
                Ok(None) => Err(PortError::Refused(format!("{why}; {GONE}"))),
                Ok(Some(_)) | Err(_) => Err(PortError::Unknown(why)),
            },
            Err(error) => Err(error),
        }
    }

    async fn written(
        &self,
        reply: &Reply,
        allowed: (Duration, &Permit),
    ) -> Result<Option<Answer>, PortError> {
        let writing = self.board.write(reply.target.as_str(), &reply.text, allowed);
        writing.await.map_err(refusal::<B>)
    }

    /// Reads all that decides whether the words may be written.
    async fn prepare(&self, reply: &Reply) -> Result<Ready, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        if reply.audience == Audience::Private {
            return stop("private messages are not written here");
        }
        if reply.account.is_some() && reply.account != self.board.account() {
            return stop("the source is now another than the one the reply was approved for");
        }
        let review = match self
            .reviewed(reply)
            .await
            .map_err(|error| error.before(&B::MEND))?
        {
            Some(review) => review,
            None => return stop(GONE),
        };
        if review.post.author.id != reply.author {
            return stop(OTHER_AUTHOR);
        }
        if let Some(answer) = review.answer.as_ref().filter(|_| holds(&review, &reply.text)) {
            if reply.fence > 1 {
                return published(reply, Some(&review), answer).map(Ready::Stands);
            }
            return stop("exactly these words stand there already");
        }
        let now = review.answer.as_ref().map(|answer| mark(&answer.text));
        let Some(decided) = self.held().get(&reply.id.0).cloned() else {
            if reply.over_answer {
                return stop(FORGOTTEN);
            }
            let why = "the place for the answer was not read before";
            return Err(PortError::NotReached(why.to_owned()));
        };
        if decided == now {
            return Ok(Ready::Write);
        }
        stop(&match &review.answer {
            None => "the answer that stood there was taken away meanwhile".to_owned(),
            Some(answer) => format!(
                "somebody answered there meanwhile: «{}»",
                message::one_line(&answer.text, SHOWN)
            ),
        })
    }

    /// Whether the reply stands in its place.
    pub(super) async fn look(&self, reply: &Reply) -> Result<Look, PortError> {
        let unsure = |why: &str| Err(PortError::Unknown(why.to_owned()));
        let Some(review) = self.reviewed(reply).await.map_err(Failed::unread)? else {
            return unsure("the review is gone, and any answer with it");
        };
        let Some(answer) = &review.answer else {
            return Ok(Look::Absent { fresh: true });
        };
        if holds(&review, &reply.text) {
            return published(reply, Some(&review), answer).map(Look::Found);
        }
        // What stood there before the attempt stands there still.
        let before = self.held().get(&reply.id.0).cloned();
        if before == Some(Some(mark(&answer.text))) {
            return Ok(Look::Absent { fresh: true });
        }
        unsure("other words stand in the reply's place")
    }

    /// What stands below the review at an address.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(review) = self.reviewed(reply).await.map_err(unread)? else {
            return refuse(GONE);
        };
        let told = told.trim();
        if !told.contains(reply.target.as_str()) && review.post.url.as_deref() != Some(told) {
            return refuse("that is not the address of the review that the reply answers");
        }
        match &review.answer {
            Some(answer) => Ok(place(reply, Some(&review), answer)?),
            None => refuse("no answer stands below that review"),
        }
    }

    /// The review that a reply answers.
    async fn reviewed(&self, reply: &Reply) -> Result<Option<Review>, Failed> {
        let Some(raw) = self.board.review(reply.target.as_str()).await? else {
            return Ok(None);
        };
        let review = self.board.read(&raw);
        review
            .map(Some)
            .map_err(|error| Failed::Broken(format!("the answer is not what the API describes ({error})")))
    }

    /// Remembers what the place held when it was decided about; `anew`: also where that was before.
    fn hold(&self, reply: &Reply, what: Held, anew: bool) {
        let mut held = self.held();
        if held.len() >= MOST_HELD {
            held.clear();
        }
        if anew || !held.contains_key(&reply.id.0) {
            held.insert(reply.id.0, what);
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<i64, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A failure of the publishing call.
fn refusal<B: Board>(error: Failed) -> PortError {
    match &error {
        Failed::Limited(wait) => PortError::RetryAfter(*wait),
        Failed::Unreached(why) => PortError::NotReached(why.clone()),
        Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            told: Some(_),
        } => PortError::NotReached(
            "the access token was over just then; the next attempt takes a new one".to_owned(),
        ),
        Failed::Status {
            status,
            told: Some(_),
        } if B::REFUSALS.contains(&status.as_u16()) => {
            PortError::Refused(format!("{} refused: {error}", B::LABEL))
        }
        Failed::Status { .. } | Failed::Broken(_) => PortError::Unknown(error.to_string()),
    }
}

/// What was written, if it is the reply.
fn published(reply: &Reply, review: Option<&Review>, answer: &Answer) -> Result<Published, PortError> {
    if !same(&answer.text, &reply.text) {
        return Err(PortError::Unknown(format!(
            "it was published, but other words stand there now: «{}»",
            message::one_line(&answer.text, SHOWN)
        )));
    }
    if let Some(why) = &answer.hidden {
        return Err(PortError::Unknown(format!(
            "it was published, but nobody sees it: {why}"
        )));
    }
    place(reply, review, answer)
}

/// The answer as something published. It has no address but the review's.
fn place(reply: &Reply, review: Option<&Review>, answer: &Answer) -> Result<Published, PortError> {
    let at = answer.at.map(|at| format!("@{}", at.timestamp_millis()));
    let id = format!(
        "{}#{}{}",
        reply.target,
        mark(&answer.text),
        at.unwrap_or_default()
    );
    let url = review.and_then(|review| review.post.url.clone());
    Ok(Published {
        id: ids::reply_id(&id).map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: url.or_else(|| reply.target_url.clone()),
        parent: Some(reply.target.clone()),
        author: None,
    })
}

/// Whether an answer is one of these replies of ours.
fn is_one_of(answer: &Answer, review: &Review, ours: &[NativeId]) -> bool {
    let start = format!("{}#{}", review.post.id, mark(&answer.text));
    ours.iter().any(|id| {
        let rest = id.as_str().strip_prefix(&start);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
    })
}

fn holds(review: &Review, text: &str) -> bool {
    let answer = review.answer.as_ref();
    answer.is_some_and(|answer| same(&answer.text, text))
}

fn same(one: &str, other: &str) -> bool {
    blanks(one) == blanks(other)
}

/// What stands for some words: networks change their blanks.
fn mark(text: &str) -> String {
    let digest = Sha256::digest(blanks(text).as_bytes());
    hex::encode(&digest[..8])
}
