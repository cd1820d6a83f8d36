//! The way out: a comment on the issue, that names whom it answers; and the look whether it stands among our own
//! comments there (<https://docs.github.com/en/rest/issues/comments#create-an-issue-comment>). What is special about
//! discussions is in `respond`.
//!
//! Comments stand in a row: which one answers which is told by nothing but the name in them. So a comment of ours
//! counts as an answer to a post if it stands on the same issue, and names its author.
//!
//! Definite refusals are those that the API gives before it writes, in its own form: 401, 403 (not allowed, a locked
//! issue), 404 (no such issue, or none that the token may see), 410 (issues are off), 422 (invalid).

use super::GitHub;
use super::api::{Failed, before};
use super::respond::standing;
use super::talk::Thread;
use super::translate::{self, Place, account, names};
use super::wire::Comment;
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published, Target};
use chrono::SecondsFormat;
use serde_json::json;
use tokio::time::{Instant as Moment, timeout_at};
use url::Url;

/// The most comments of a page, and the most pages that are looked through.
const LIMIT: usize = 100;
const MOST_PAGES: usize = 10;

impl GitHub {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading, what is left for publishing: all of it ends in time.
        let deadline = Moment::now() + self.timeout;
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(Moment::now() + self.timeout / 2, self.prepare(reply));
        let (place, thread) = reading.await.map_err(late)??;
        let left = deadline.saturating_duration_since(Moment::now());
        if let Some(thread) = thread {
            return self.comment_on(reply, (&place, &thread), (left, permit)).await;
        }
        let (owner, name) = place.names();
        let number = place.issue.to_string();
        let path = ["repos", owner, name, "issues", &number, "comments"];
        let made: Result<Comment, Failed> = self
            .api
            .publish(&path, &json!({"body": reply.text}), (left, permit))
            .await;
        published(reply, &place, &made.map_err(refusal)?)
    }

    /// Whether the reply may be sent at all, and where; in a discussion, with what stands there.
    async fn prepare(&self, reply: &Reply) -> Result<(Place, Option<Thread>), PortError> {
        let stop = |why: &str| PortError::Refused(format!("{why}, so nothing was published"));
        let me = self.me().await.map_err(before)?;
        if reply.audience == Audience::Private {
            return Err(stop(super::NO_MESSAGES));
        }
        if reply.account.as_ref().is_some_and(|account| *account != me) {
            return Err(stop(
                "the token is now that of another account than the one the reply was approved for",
            ));
        }
        let place = Place::of(&reply.target).ok_or_else(|| stop("the post's id is none of GitHub"))?;
        let (author, thread) = if place.talk {
            let thread = self.thread(&place).await.map_err(before)?;
            let standing = thread.as_ref().and_then(|thread| standing(&place, thread));
            (standing.map(|standing| standing.author), thread)
        } else {
            let now = self.now(&reply.target).await.map_err(before)?;
            (now.map(|now| now.author), None)
        };
        let author = author.ok_or_else(|| stop("the post is gone"))?;
        if author.as_ref() != Some(&reply.author) {
            return Err(stop("GitHub shows another author for that post"));
        }
        Ok((place, thread))
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let gone = |why: &str| Ok(Target::Gone(why.to_owned()));
        let Some(place) = Place::of(&reply.target) else {
            return gone("its id is none of GitHub");
        };
        if place.talk {
            return self.before_commenting(reply, &place, ours).await;
        }
        let Some(now) = self.now(&reply.target).await.map_err(before)? else {
            return gone("it is gone, or our account may not see it any more");
        };
        if now.author.as_ref() != Some(&reply.author) {
            return gone("GitHub shows another author for that post");
        }
        match self.issue(&place).await {
            Ok(issue) if issue.locked => return Ok(Target::Locked("its issue is locked".to_owned())),
            Ok(_) => {}
            Err(error) if error.is_missing() => return gone("its issue is gone"),
            Err(error) => return Err(before(error)),
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() {
            let own = self
                .own_answers(reply, &place, now.created_at)
                .await
                .map_err(before)?;
            let by_hand = |own: &&Comment| {
                translate::place(&place.repository, own).is_some_and(|at| !ours.contains(&at.id()))
            };
            if let Some(own) = own.iter().find(by_hand) {
                return Ok(Target::Answered {
                    text: own.body.clone().unwrap_or_default(),
                    url: Some(own.html_url.clone()),
                });
            }
        }
        Ok(Target::Stands { text: now.text })
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let place = Place::of(&reply.target)
            .ok_or_else(|| PortError::Unknown("the post's id is none of GitHub".to_owned()))?;
        if place.talk {
            let own = self.own_comments(reply, &place, since(reply)).await?;
            return verdict(reply, self.shows(canary).await?, own, blanks);
        }
        let ours = self
            .own_answers(reply, &place, since(reply))
            .await
            .map_err(Failed::unread)?;
        let fresh = self.shows(canary).await?;
        let own = ours.iter().map(|own| {
            Ok(Own {
                published: published(reply, &place, own)?,
                text: own.body.clone().unwrap_or_default(),
                at: own.created_at,
            })
        });
        verdict(reply, fresh, own.collect::<Result<_, PortError>>()?, blanks)
    }

    /// Whether GitHub shows the newest that is known of us.
    async fn shows(&self, canary: Option<&NativeId>) -> Result<bool, PortError> {
        match canary {
            None => Ok(true),
            Some(canary) => Ok(self.now(canary).await.map_err(Failed::unread)?.is_some()),
        }
    }

    /// Our comments on the issue that name the reply's author, written since then.
    async fn own_answers(
        &self,
        reply: &Reply,
        place: &Place,
        since: Instant,
    ) -> Result<Vec<Comment>, Failed> {
        let me = self.me().await?;
        let mut ours = self.comments_on(place, since).await?;
        ours.retain(|own| {
            let by_us = own.user.as_ref().is_some_and(|user| account(user) == me);
            let text = own.body.as_deref().unwrap_or_default();
            by_us && own.created_at >= since && names(text, &reply.author_handle)
        });
        Ok(ours)
    }

    /// All comments on an issue that were written or changed since then.
    pub(super) async fn comments_on(&self, place: &Place, since: Instant) -> Result<Vec<Comment>, Failed> {
        let (owner, name) = place.names();
        let number = place.issue.to_string();
        let path = ["repos", owner, name, "issues", &number, "comments"];
        let from = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let limit = LIMIT.to_string();
        let mut all = Vec::new();
        for page in 1..=MOST_PAGES {
            let page = page.to_string();
            let query = [("since", from.as_str()), ("per_page", &limit), ("page", &page)];
            let comments: Vec<Comment> = self.api.get(&path, &query).await?;
            let last = comments.len() < LIMIT;
            all.extend(comments);
            if last {
                return Ok(all);
            }
        }
        Err(Failed::Broken(
            "more was written on the issue since then than is looked through".to_owned(),
        ))
    }

    /// The comment at an address such as `https://github.com/OWNER/NAME/issues/12#issuecomment-345`, or
    /// `…/discussions/12#discussioncomment-345`.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Some(place) = Place::of(&reply.target) else {
            return refuse("the post's id is none of GitHub");
        };
        let anchor = match place.talk {
            true => "discussioncomment-",
            false => "issuecomment-",
        };
        let url = Url::parse(told.trim()).ok();
        let Some(comment) = url.and_then(|url| comment(&url, anchor)) else {
            return refuse("that is no address of a comment where the customer wrote");
        };
        if place.talk {
            return self.comment_at(reply, &place, comment).await;
        }
        let me = self.me().await.map_err(before)?;
        let (owner, name) = place.names();
        let path = ["repos", owner, name, "issues", "comments", &comment.to_string()];
        let read: Result<Comment, Failed> = self.api.get(&path, &[]).await;
        let own = match read {
            Ok(own) => own,
            Err(error) if error.is_missing() => return refuse("no comment stands at that address"),
            Err(error) => {
                return Err(PortError::NotReached(format!(
                    "the address could not be read: {error}"
                )));
            }
        };
        if own.user.as_ref().is_none_or(|user| account(user) != me) {
            return refuse("that comment is not by our account");
        }
        let published = published(reply, &place, &own)?;
        if published.parent.as_ref() != Some(&reply.target) {
            return refuse("that comment is not on the issue of the customer's post");
        }
        Ok(published)
    }
}

/// The number of the comment at an address.
fn comment(url: &Url, anchor: &str) -> Option<i64> {
    url.fragment()?.strip_prefix(anchor)?.parse().ok()
}

/// A comment of ours. It answers the post, if it stands on its issue: comments stand in a row.
fn published(reply: &Reply, place: &Place, own: &Comment) -> Result<Published, PortError> {
    let odd = |why: &str| PortError::Unknown(format!("it was published, but {why}"));
    let at = translate::place(&place.repository, own).ok_or_else(|| odd("nobody knows where"))?;
    // The issue's address has the repository in it: the same number in another one is another place.
    let ends = format!("/repos/{}/issues/{}", place.repository, place.issue);
    let there = own.issue_url.to_lowercase().ends_with(&ends.to_lowercase());
    Ok(Published {
        id: ids::reply_id(at.id().as_str()).map_err(odd)?,
        url: Some(own.html_url.clone()),
        parent: there.then(|| reply.target.clone()),
        author: own.user.as_ref().map(account),
    })
}

/// A failure of the publishing call.
pub(super) fn refusal(error: Failed) -> PortError {
    match &error {
        Failed::Limited(wait) => PortError::RetryAfter(*wait),
        Failed::Unreached(why) => PortError::NotReached(why.clone()),
        Failed::Broken(why) => PortError::Unknown(why.clone()),
        Failed::Status {
            status,
            told: Some(told),
        } => match status.as_u16() {
            401 => PortError::Unauthorized(told.clone()),
            403 | 404 | 410 | 422 => PortError::Refused(format!("GitHub refused ({status}): {told}")),
            _ => PortError::Unknown(error.to_string()),
        },
        Failed::Status { told: None, .. } => PortError::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://github.com/acme/app/issues/12#issuecomment-345", Some(345))]
    #[case("https://github.com/acme/app/issues/12", None)]
    #[case("https://github.com/acme/app/issues/12#issuecomment-x", None)]
    fn an_address_names_a_comment(#[case] address: &str, #[case] named: Option<i64>) {
        assert_eq!(comment(&Url::parse(address).unwrap(), "issuecomment-"), named);
    }
}
