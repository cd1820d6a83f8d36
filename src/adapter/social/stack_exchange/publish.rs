//! The way out: a comment, or an answer to a question; and the look whether it stands among our own.
//!
//! `POST /posts/{id}/comments/add` (<https://api.stackexchange.com/docs/create-comment>) and
//! `POST /questions/{id}/answers/add` (<https://api.stackexchange.com/docs/create-answer>) know no key. Comments stand
//! in a row below a question or an answer: which comment one answers is told by nothing but the name that it begins
//! with, and the name of who is told anyway, because they wrote what it is below, the site takes off. So a comment of
//! ours counts as an answer if it stands below the same post and names the author; or nobody, where the author is told
//! anyway.
//!
//! Definite refusals are those that the API tells by its own numbers 400 to 407, before it writes; 407 is a write that
//! was rejected. 409 says that it was written already, 500 and 503 say nothing.

use super::api::{Failed, before, closed, item, number};
use super::feed::PAGE;
use super::translate::{self, Thing, account, addressed, unaddressed};
use super::wire::{Above, Answer, Comment, Question};
use super::{Form, StackExchange};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published, Target};
use chrono::TimeDelta;
use reqwest::StatusCode;
use tokio::time::{Instant as Moment, timeout_at};
use url::Url;

/// The most pages of comments or answers that are looked through.
const MOST_PAGES: usize = 10;
/// The least time between two comments (<https://api.stackexchange.com/docs/write>).
const PACE: TimeDelta = TimeDelta::seconds(5);
const NO_THING: &str = "the post's id is none of Stack Exchange";

/// How something is now, and what a reply to it stands below.
struct Now {
    author: Option<NativeId>,
    text: String,
    created_at: Instant,
    /// The question or the answer.
    post: i64,
    /// Whether its author is told of all comments there, because they wrote that, too.
    told: bool,
    /// Why it takes nothing.
    locked: Option<&'static str>,
}

/// Something of ours.
struct Ours {
    own: Own,
    thing: Thing,
}

impl StackExchange {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        self.keeps_pace()?;
        // Half of the time for reading, what is left for publishing: all of it ends in time.
        let deadline = Moment::now() + self.timeout;
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(Moment::now() + self.timeout / 2, self.prepare(reply));
        let now = reading.await.map_err(late)??;
        let post = now.post.to_string();
        let form = self.form(Thing::of(&reply.target));
        let path = match form {
            Form::Comment => ["posts", &post, "comments", "add"],
            Form::Answer => ["questions", &post, "answers", "add"],
        };
        let left = deadline.saturating_duration_since(Moment::now());
        self.wrote_at(self.clock.now());
        let made = self.api.publish(&path, &reply.text, (left, permit)).await;
        let made = made.map_err(refusal)?;
        let odd = || PortError::Unknown("the API does not say what it wrote".to_owned());
        let made = made.items.first().ok_or_else(odd)?;
        let unread = |error: Failed| PortError::Unknown(error.to_string());
        match form {
            Form::Comment => below(reply, &now, &item(made).map_err(unread)?),
            Form::Answer => answered(reply, &now, &item(made).map_err(unread)?),
        }
    }

    /// Whether the site takes a comment of ours already.
    fn keeps_pace(&self) -> Result<(), PortError> {
        let wrote = *self
            .wrote
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let left = wrote.map(|wrote| wrote + PACE - self.clock.now());
        match left
            .and_then(|left| left.to_std().ok())
            .filter(|left| !left.is_zero())
        {
            Some(left) => Err(PortError::RetryAfter(left)),
            None => Ok(()),
        }
    }

    fn wrote_at(&self, now: Instant) {
        *self
            .wrote
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Some(now);
    }

    /// Whether the reply may be sent at all, and where.
    async fn prepare(&self, reply: &Reply) -> Result<Now, PortError> {
        let stop = |why: &str| PortError::Refused(format!("{why}, so nothing was published"));
        if reply.audience == Audience::Private {
            return Err(stop("Stack Exchange has no private messages"));
        }
        let me = self.me().await.map_err(before)?;
        if !self.api.has_token() {
            return Err(stop("there is no access token"));
        }
        if reply.account.is_some() && reply.account != me {
            return Err(stop(
                "the token is now that of another account than the one the reply was approved for",
            ));
        }
        let thing = Thing::of(&reply.target).ok_or_else(|| stop(NO_THING))?;
        let now = self.now(thing).await.map_err(before)?;
        let now = now.ok_or_else(|| stop("the site does not show the post any more"))?;
        if now.author.as_ref() != Some(&reply.author) {
            return Err(stop("the site shows another author for that post"));
        }
        self.api.filter().await.map_err(before)?;
        Ok(now)
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let gone = |why: &str| Ok(Target::Gone(why.to_owned()));
        let Some(thing) = Thing::of(&reply.target) else {
            return gone(NO_THING);
        };
        let Some(now) = self.now(thing).await.map_err(before)? else {
            return gone("the site does not show it any more");
        };
        if now.author.as_ref() != Some(&reply.author) {
            return gone("the site shows another author for that post");
        }
        if let Some(why) = now.locked {
            return Ok(Target::Locked(why.to_owned()));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() {
            let own = self.own(reply, &now, now.created_at).await.map_err(before)?;
            if let Some(by_hand) = own.into_iter().find(|own| !ours.contains(&own.thing.id())) {
                return Ok(Target::Answered {
                    text: by_hand.own.text,
                    url: by_hand.own.published.url,
                });
            }
        }
        Ok(Target::Stands { text: now.text })
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let thing = Thing::of(&reply.target).ok_or_else(|| PortError::Unknown(NO_THING.to_owned()))?;
        let gone =
            || PortError::Unknown("the post is gone, and our answers are shown only with it".to_owned());
        let now = self.now(thing).await.map_err(Failed::unread)?;
        let now = now.ok_or_else(gone)?;
        let own = self
            .own(reply, &now, since(reply))
            .await
            .map_err(Failed::unread)?;
        let fresh = match canary.and_then(Thing::of) {
            None => true,
            Some(canary) => self.now(canary).await.map_err(Failed::unread)?.is_some(),
        };
        let own = own.into_iter().map(|own| own.own).collect();
        verdict(reply, fresh, own, |text| blanks(unaddressed(text)))
    }

    /// What is ours and answers the reply's target, from then on.
    async fn own(&self, reply: &Reply, now: &Now, since: Instant) -> Result<Vec<Ours>, Failed> {
        let me = self.me().await?;
        let post = now.post.to_string();
        let mut ours = Vec::new();
        for raw in self.all(&["posts", &post, "comments"], since).await? {
            let comment: Comment = item(&raw)?;
            let by_us = account(comment.owner.as_ref()) == me && comment.creation_date >= since;
            if by_us && answers(reply, now, &comment.body_markdown) {
                ours.push(Ours {
                    thing: Thing::Comment(comment.comment_id),
                    own: Own {
                        published: below(reply, now, &comment).map_err(odd)?,
                        text: comment.body_markdown,
                        at: comment.creation_date,
                    },
                });
            }
        }
        if !matches!(Thing::of(&reply.target), Some(Thing::Question(_))) {
            return Ok(ours);
        }
        for raw in self.all(&["questions", &post, "answers"], since).await? {
            let answer: Answer = item(&raw)?;
            if account(answer.owner.as_ref()) == me && answer.creation_date >= since {
                ours.push(Ours {
                    thing: Thing::Answer(answer.answer_id),
                    own: Own {
                        published: answered(reply, now, &answer).map_err(odd)?,
                        text: answer.body_markdown,
                        at: answer.creation_date,
                    },
                });
            }
        }
        Ok(ours)
    }

    /// All that stands below a post since then.
    async fn all(
        &self,
        path: &[&str],
        since: Instant,
    ) -> Result<Vec<Box<serde_json::value::RawValue>>, Failed> {
        let from = since.timestamp().to_string();
        let mut all = Vec::new();
        for number in 1..=MOST_PAGES {
            let page = number.to_string();
            let query = [
                ("sort", "creation"),
                ("order", "asc"),
                ("fromdate", from.as_str()),
                ("pagesize", PAGE),
                ("page", &page),
            ];
            let mut page = self.api.list(path, &query).await?;
            all.append(&mut page.items);
            if !page.has_more {
                return Ok(all);
            }
        }
        Err(Failed::Broken(
            "more was written there since then than is looked through".to_owned(),
        ))
    }

    /// Something as it is now; `None` where the site shows none.
    async fn now(&self, thing: Thing) -> Result<Option<Now>, Failed> {
        Ok(match thing {
            Thing::Question(number) => {
                let told = self.api.these::<Question>("questions", &[number]).await?;
                let to_answers = self.answers == Form::Answer;
                told.into_iter().next().map(|question| Now {
                    author: account(question.owner.as_ref()),
                    text: translate::words(&question),
                    created_at: question.creation_date,
                    post: number,
                    told: true,
                    locked: closed(&question, to_answers),
                })
            }
            Thing::Answer(number) => {
                let told = self.api.these::<Answer>("answers", &[number]).await?;
                told.into_iter().next().map(|answer| Now {
                    author: account(answer.owner.as_ref()),
                    text: answer.body_markdown,
                    created_at: answer.creation_date,
                    post: number,
                    told: true,
                    locked: answer.locked_date.map(|_| "moderators locked it"),
                })
            }
            Thing::Comment(number) => {
                let told = self.api.these::<Comment>("comments", &[number]).await?;
                let Some(comment) = told.into_iter().next() else {
                    return Ok(None);
                };
                let above = self.api.these::<Above>("posts", &[comment.post_id]).await?;
                let owner = above.first().and_then(|above| account(above.owner.as_ref()));
                let author = account(comment.owner.as_ref());
                Some(Now {
                    told: owner.is_some() && owner == author,
                    author,
                    text: comment.body_markdown,
                    created_at: comment.creation_date,
                    post: comment.post_id,
                    locked: None,
                })
            }
        })
    }

    /// What stands at an address on the site.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(target) = Thing::of(&reply.target) else {
            return refuse(NO_THING);
        };
        let page = reply.target_url.as_deref().and_then(|url| Url::parse(url).ok());
        let url = Url::parse(told.trim()).ok();
        let url = url.filter(|url| page.is_none_or(|page| page.host_str() == url.host_str()));
        let Some(thing) = url.as_ref().and_then(named) else {
            return refuse("that is no address of an answer or a comment on the site");
        };
        let Some(now) = self.now(target).await.map_err(unread)? else {
            return refuse("the site does not show the customer's post any more");
        };
        let published = match thing {
            Thing::Answer(number) => {
                let told = self
                    .api
                    .these::<Answer>("answers", &[number])
                    .await
                    .map_err(unread)?;
                told.first().map(|answer| answered(reply, &now, answer))
            }
            Thing::Comment(number) => {
                let told = self
                    .api
                    .these::<Comment>("comments", &[number])
                    .await
                    .map_err(unread)?;
                told.first().map(|comment| below(reply, &now, comment))
            }
            Thing::Question(_) => None,
        };
        let Some(published) = published.transpose()? else {
            return refuse("nothing stands at that address");
        };
        let me = self.me().await.map_err(unread)?;
        if me.is_some() && published.author != me {
            return refuse("what stands there is not by our account");
        }
        if published.parent.is_none() {
            return refuse("what stands there does not answer the customer's post");
        }
        Ok(published)
    }
}

/// Whether the words of a comment of ours below the target's post answer the target.
fn answers(reply: &Reply, now: &Now, text: &str) -> bool {
    match addressed(text) {
        Some(named) => is_name(named, &reply.author_handle),
        None => now.told || names(text, &reply.author_handle),
    }
}

/// Whether a text names somebody: an `@` and the name without blanks, in letters of either case.
pub(super) fn names(text: &str, handle: &str) -> bool {
    let mut words = text.split(char::is_whitespace);
    words.any(|word| {
        word.trim_start_matches('(')
            .strip_prefix('@')
            .is_some_and(|named| {
                let named = named.trim_end_matches([',', ':', ';', '.', '!', '?', ')']);
                is_name(named, handle)
            })
    })
}

/// The site is content with the first three letters of a name; we always write all of it.
fn is_name(named: &str, handle: &str) -> bool {
    named.to_lowercase() == handle.to_lowercase()
}

/// A comment of ours. It answers the target, if it stands below the same post: comments stand in a row.
fn below(reply: &Reply, now: &Now, own: &Comment) -> Result<Published, PortError> {
    Ok(Published {
        id: identity(Thing::Comment(own.comment_id))?,
        url: own.link.clone(),
        parent: (own.post_id == now.post).then(|| reply.target.clone()),
        author: account(own.owner.as_ref()),
    })
}

/// An answer of ours, to the question of the target's conversation.
fn answered(reply: &Reply, now: &Now, own: &Answer) -> Result<Published, PortError> {
    let there = own.question_id == now.post || translate::root(&reply.conversation) == Some(own.question_id);
    Ok(Published {
        id: identity(Thing::Answer(own.answer_id))?,
        url: own.link.clone(),
        parent: there.then(|| reply.target.clone()),
        author: account(own.owner.as_ref()),
    })
}

fn identity(thing: Thing) -> Result<NativeId, PortError> {
    ids::reply_id(thing.id().as_str())
        .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))
}

fn odd(error: PortError) -> Failed {
    Failed::Broken(error.to_string())
}

/// What an address names: `…/a/34`, `…/questions/12/title/34#34`, `…#comment56_12`, `…/posts/comments/56`.
fn named(url: &Url) -> Option<Thing> {
    let comment = url.fragment().and_then(|anchor| {
        let number = anchor.strip_prefix("comment")?.split('_').next()?;
        number.parse().ok()
    });
    if let Some(comment) = comment {
        return Some(Thing::Comment(comment));
    }
    let parts: Vec<_> = url.path_segments()?.filter(|part| !part.is_empty()).collect();
    match parts[..] {
        ["posts", "comments", number] => number.parse().ok().map(Thing::Comment),
        ["a", number] | ["a", number, _] | ["questions", _, _, number] => {
            number.parse().ok().map(Thing::Answer)
        }
        _ => None,
    }
}

/// A failure of the publishing call.
fn refusal(error: Failed) -> PortError {
    match (&error, number(&error)) {
        (Failed::Limited(wait), _) => PortError::RetryAfter(*wait),
        (Failed::Unreached(why), _) => PortError::NotReached(why.clone()),
        (Failed::Broken(why), _) => PortError::Unknown(why.clone()),
        (
            Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                told: Some(_),
            },
            _,
        ) => PortError::Unauthorized(error.to_string()),
        (Failed::Status { .. }, Some(400 | 403 | 404 | 407)) => {
            PortError::Refused(format!("Stack Exchange refused: {error}"))
        }
        (Failed::Status { .. }, _) => PortError::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://stackoverflow.com/a/34/7", Some(Thing::Answer(34)))]
    #[case(
        "https://stackoverflow.com/questions/12/a-title/34#34",
        Some(Thing::Answer(34))
    )]
    #[case(
        "https://stackoverflow.com/questions/12/a-title#comment56_12",
        Some(Thing::Comment(56))
    )]
    #[case("https://stackoverflow.com/posts/comments/56", Some(Thing::Comment(56)))]
    #[case("https://stackoverflow.com/questions/12/a-title", None)]
    fn an_address_names_an_answer_or_a_comment(#[case] address: &str, #[case] thing: Option<Thing>) {
        assert_eq!(named(&Url::parse(address).unwrap()), thing);
    }

    #[rstest]
    #[case("@AnnB which one?", true)]
    #[case("which one, (@annb)?", true)]
    #[case("@AnnBell which one?", false)]
    #[case("AnnB", false)]
    fn it_knows_whom_a_text_names(#[case] text: &str, #[case] named: bool) {
        assert_eq!(names(text, "AnnB"), named);
    }
}
