//! The way out in discussions: a comment on the discussion, or an answer in the thread of a comment; and the look
//! whether it stands there (<https://docs.github.com/en/graphql/guides/using-the-graphql-api-for-discussions>).
//!
//! Answers have one level: one to an answer stands below the same comment, and names whom it answers. So a comment of
//! ours counts as an answer to a post if it stands in the same thread, and names its author. `clientMutationId` only
//! comes back as it was sent: the same call again makes another comment.
//!
//! Definite refusals are those that GraphQL gives with a type: `NOT_FOUND`, `FORBIDDEN`, `UNPROCESSABLE`. Any other
//! says nothing about whether it was done.

use super::GitHub;
use super::api::{Failed, before};
use super::graph::{COMMENT, Comment, Made};
use super::talk::{Thread, author, place};
use super::translate::{Place, names, titled};
use crate::adapter::ids;
use crate::adapter::verdict::Own;
use crate::domain::{Instant, NativeId, Reply};
use crate::port::{Permit, PortError, Published, Target};
use serde_json::json;
use std::time::Duration;

/// How a post in a discussion is now.
pub(super) struct Standing {
    pub author: Option<NativeId>,
    pub text: String,
    pub created_at: Instant,
    /// The comment in whose thread answers to it stand; none for the discussion itself.
    above: Option<(String, i64)>,
}

impl GitHub {
    /// Comments in a discussion, where the target still stands.
    pub(super) async fn comment_on(
        &self,
        reply: &Reply,
        (place, thread): (&Place, &Thread),
        allowed: (Duration, &Permit),
    ) -> Result<Published, PortError> {
        let gone = || PortError::Refused("the post is gone, so nothing was published".to_owned());
        let standing = standing(place, thread).ok_or_else(gone)?;
        let variables = json!({"discussion": thread.discussion.id, "body": reply.text,
            "above": standing.above.as_ref().map(|(id, _)| id)});
        let made: Made = self
            .api
            .mutate(COMMENT, variables, allowed)
            .await
            .map_err(super::publish::refusal)?;
        let made = made.add_discussion_comment.and_then(|made| made.comment);
        let odd = || PortError::Unknown("GitHub does not say what it wrote".to_owned());
        answer(reply, place, &standing, &made.ok_or_else(odd)?)
    }

    /// What is to be known before anything is sent there.
    pub(super) async fn before_commenting(
        &self,
        reply: &Reply,
        place: &Place,
        ours: &[NativeId],
    ) -> Result<Target, PortError> {
        let gone = |why: &str| Ok(Target::Gone(why.to_owned()));
        let Some(thread) = self.thread(place).await.map_err(before)? else {
            return gone("its discussion is gone, or our account may not see it any more");
        };
        let Some(now) = standing(place, &thread) else {
            return gone("it is gone");
        };
        if now.author.as_ref() != Some(&reply.author) {
            return gone("GitHub shows another author for that post");
        }
        if thread.discussion.locked {
            return Ok(Target::Locked("its discussion is locked".to_owned()));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() {
            let me = self.me().await.map_err(before)?;
            let own = answers_of(&me, reply, place, &thread, now.created_at);
            let by_hand = |own: &&Comment| !ours.contains(&id_of(place, own).id());
            if let Some(own) = own.into_iter().find(by_hand) {
                return Ok(Target::Answered {
                    text: own.body.clone(),
                    url: Some(own.url.clone()),
                });
            }
        }
        Ok(Target::Stands { text: now.text })
    }

    /// Our answers to a reply's target in its discussion, since then.
    pub(super) async fn own_comments(
        &self,
        reply: &Reply,
        place: &Place,
        since: Instant,
    ) -> Result<Vec<Own>, PortError> {
        let gone = || {
            PortError::Unknown("the discussion is gone, and our answers are shown only with it".to_owned())
        };
        let me = self.me().await.map_err(Failed::unread)?;
        let thread = self.thread(place).await.map_err(Failed::unread)?;
        let thread = thread.ok_or_else(gone)?;
        let standing = standing(place, &thread).ok_or_else(gone)?;
        let own = answers_of(&me, reply, place, &thread, since).into_iter();
        let own = own.map(|own| {
            Ok(Own {
                published: answer(reply, place, &standing, own)?,
                text: own.body.clone(),
                at: own.created_at,
            })
        });
        own.collect()
    }

    /// The comment of ours of this number in the discussion of a reply.
    pub(super) async fn comment_at(
        &self,
        reply: &Reply,
        place: &Place,
        number: i64,
    ) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(thread) = self.thread(place).await.map_err(unread)? else {
            return refuse("the customer's discussion is gone");
        };
        let Some(standing) = standing(place, &thread) else {
            return refuse("the customer's post is gone");
        };
        let Some(own) = thread.comment(number) else {
            return refuse("no comment of the customer's discussion stands at that address");
        };
        let me = self.me().await.map_err(unread)?;
        if author(own.author.as_ref()) != Some(me) {
            return refuse("that comment is not by our account");
        }
        let published = answer(reply, place, &standing, own)?;
        if published.parent.is_none() {
            return refuse("that comment is not in the thread of the customer's post");
        }
        Ok(published)
    }
}

/// How a post stands in its discussion; `None` where it does not.
pub(super) fn standing(at: &Place, thread: &Thread) -> Option<Standing> {
    let Some(number) = at.comment else {
        let discussion = &thread.discussion;
        return Some(Standing {
            author: author(discussion.author.as_ref()),
            text: titled(&discussion.title, &discussion.body),
            created_at: discussion.created_at,
            above: None,
        });
    };
    let comment = thread.comment(number)?;
    let head = thread.head(comment)?;
    Some(Standing {
        author: author(comment.author.as_ref()),
        text: comment.body.clone(),
        created_at: comment.created_at,
        above: Some((head.id.clone(), head.database_id)),
    })
}

/// Our comments in the thread of a post that name its author, since then.
fn answers_of<'a>(
    me: &NativeId,
    reply: &Reply,
    at: &Place,
    thread: &'a Thread,
    since: Instant,
) -> Vec<&'a Comment> {
    let above = standing(at, thread).and_then(|standing| standing.above.map(|(_, number)| number));
    let comments = thread.comments.iter().filter(|own| {
        let in_thread = own.reply_to.as_ref().map(|above| above.database_id) == above;
        let by_us = author(own.author.as_ref()).as_ref() == Some(me);
        let stands = own.deleted_at.is_none() && own.created_at >= since;
        by_us && in_thread && stands && names(&own.body, &reply.author_handle)
    });
    comments.collect()
}

fn id_of(at: &Place, own: &Comment) -> Place {
    place(&at.repository, at.issue, Some(own.database_id))
}

/// A comment of ours. It answers the post, if it stands in its discussion, and in its thread.
fn answer(reply: &Reply, at: &Place, standing: &Standing, own: &Comment) -> Result<Published, PortError> {
    let odd = |why: &str| PortError::Unknown(format!("it was published, but {why}"));
    let here = own.discussion.as_ref().is_some_and(|within| {
        let same = within
            .repository
            .name_with_owner
            .eq_ignore_ascii_case(&at.repository);
        same && within.number == at.issue
    });
    let above = own.reply_to.as_ref().map(|above| above.database_id);
    let in_thread = above == standing.above.as_ref().map(|(_, number)| *number);
    Ok(Published {
        id: ids::reply_id(id_of(at, own).id().as_str()).map_err(odd)?,
        url: Some(own.url.clone()),
        parent: (here && in_thread).then(|| reply.target.clone()),
        author: author(own.author.as_ref()),
    })
}
