//! The way out: one post a reply, in answer to the customer's, or a private message of its own; and the look
//! whether it stands among our own posts (<https://docs.discourse.org/#tag/Posts/operation/createTopicPostPM>).
//!
//! The API has no key. A forum answers the very same call within two minutes with what the first one made
//! (`DistributedMemoizer` in `posts_controller.rb`), which helps, and nobody promises it. A body like one of the
//! account's last five minutes is refused with 422 in words of the forum's language, as all that is invalid is:
//! before a 422 is believed, it is looked whether the reply stands.
//!
//! A forum can hold a post for its moderators (`enqueued`): then it stands nowhere, and may stand tomorrow. Such
//! a reply is never sent again; a person is asked.

use super::Discourse;
use super::api::{Failed, before};
use super::translate;
use super::wire::{self, Actions, Created, Latest};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant, NativeId, Reply, Visibility};
use crate::port::{Look, Permit, PortError, Published};
use serde_json::{Value, json};
use tokio::time::{Instant as Moment, timeout_at};

/// Which of the actions of a user are wanted: topics and replies (`UserAction` in the source).
const WRITTEN: &str = "4,5";
/// The most of them in one answer, and the most answers.
const LIMIT: usize = 30;
const MOST_PAGES: usize = 10;

impl Discourse {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // A quarter of the time for reading before, half at the most for publishing, the rest for reading after.
        let began = Moment::now();
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 4, self.prepare(reply));
        let body = reading.await.map_err(late)??;
        let left = self.timeout.mul_f64(0.75).saturating_sub(began.elapsed());
        let created = self.api.publish(&["posts.json"], &body, (left, permit)).await;
        let after = timeout_at(began + self.timeout, self.after(reply, created)).await;
        let unread = || PortError::Unknown("what the forum made of it could not be read in time".to_owned());
        after.unwrap_or_else(|_| Err(unread()))
    }

    /// What publishing came to.
    async fn after(&self, reply: &Reply, created: Result<Created, Failed>) -> Result<Published, PortError> {
        match created {
            Ok(Created::Post(post)) => self.published(reply, &post).await,
            Ok(Created::Waits { action }) => {
                self.troubles.note(&held(reply));
                Err(PortError::Unknown(format!(
                    "the forum holds it for its moderators ({action}): whether it appears is theirs to decide"
                )))
            }
            Err(error) => match refusal(error) {
                PortError::Refused(why) => match self.look(reply, None).await {
                    Ok(Look::Absent { .. }) => Err(PortError::Refused(why)),
                    Ok(Look::Found(published)) => Ok(published),
                    Ok(Look::Several(_) | Look::NotLooked) | Err(_) => Err(PortError::Unknown(why)),
                },
                other => Err(other),
            },
        }
    }

    /// Whether the reply may be sent at all, and as what.
    async fn prepare(&self, reply: &Reply) -> Result<Value, PortError> {
        let stop = |why: &str| PortError::Refused(format!("{why}, so nothing was published"));
        let known = self.known().await.map_err(before)?;
        if reply
            .account
            .as_ref()
            .is_some_and(|account| *account != known.account())
        {
            return Err(stop(
                "the key is now that of another account than the one the reply was approved for",
            ));
        }
        let (topic, number) =
            translate::parts(&reply.target).ok_or_else(|| stop("the post's id is none of this forum"))?;
        let post = self.post(topic, number).await.map_err(before)?;
        let post = post.filter(|post| !translate::is_gone(post));
        let post = post.ok_or_else(|| stop("the post is gone"))?;
        if post.user_id.to_string() != reply.author.as_str() {
            return Err(stop("the forum shows another author for that post"));
        }
        Ok(if is_message(reply) {
            json!({"title": title(topic, number), "raw": reply.text, "archetype": "private_message",
                "target_recipients": post.username})
        } else {
            json!({"raw": reply.text, "topic_id": topic, "reply_to_post_number": number})
        })
    }

    /// What stands there; the caller judges whether it belongs there. A message of its own answers the post, if
    /// its author is among those who may read it.
    pub(super) async fn published(&self, reply: &Reply, post: &wire::Post) -> Result<Published, PortError> {
        let id = translate::id(post.topic_id, post.post_number);
        let parent = if is_message(reply) && post.post_number == 1 {
            let unread = |error: Failed| PortError::Unknown(format!("it was published, but {error}"));
            let topic = self.topic(post.topic_id).await.map_err(unread)?;
            let theirs = topic.is_some_and(|topic| {
                let mut users = topic.details.allowed_users.iter();
                topic.archetype == "private_message"
                    && users.any(|user| user.id.to_string() == reply.author.as_str())
            });
            theirs.then(|| reply.target.clone())
        } else {
            translate::parent(post)
        };
        let slug = if post.topic_slug.is_empty() {
            "-"
        } else {
            &post.topic_slug
        };
        let place = [post.topic_id.to_string(), post.post_number.to_string()];
        Ok(Published {
            id: ids::reply_id(id.as_str())
                .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
            url: Some(self.api.page(&["t", slug, &place[0], &place[1]])),
            parent,
            author: Some(NativeId::new(post.user_id.to_string())),
        })
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        if self.troubles.knows(&held(reply)) {
            return Err(PortError::Unknown(
                "the forum holds it for its moderators: whether it appears is theirs to decide".to_owned(),
            ));
        }
        let ours = if reply.audience == Audience::Private {
            self.own_messages(reply).await?
        } else {
            self.own_answers(reply, since(reply))
                .await
                .map_err(Failed::unread)?
        };
        let fresh = match canary.and_then(translate::parts) {
            None => true,
            Some((topic, number)) => self.post(topic, number).await.map_err(Failed::unread)?.is_some(),
        };
        let mut own = Vec::new();
        for post in &ours {
            own.push(Own {
                published: self.published(reply, post).await?,
                text: post.raw.clone(),
                at: post.created_at,
            });
        }
        verdict(reply, fresh, own, blanks)
    }

    /// Our public answers to the reply's target, written since then.
    pub(super) async fn own_answers(&self, reply: &Reply, since: Instant) -> Result<Vec<wire::Post>, Failed> {
        let Some((topic, number)) = translate::parts(&reply.target) else {
            return Ok(Vec::new());
        };
        let mut ours = Vec::new();
        for page in 0..MOST_PAGES {
            let (limit, offset) = (LIMIT.to_string(), (page * LIMIT).to_string());
            let query = [
                ("username", self.api.username()),
                ("filter", WRITTEN),
                ("limit", &limit),
                ("offset", &offset),
            ];
            let done: Actions = self.api.get(&["user_actions.json"], &query).await?;
            let actions = done.user_actions;
            let last = actions.len() < LIMIT || actions.iter().any(|done| done.created_at < since);
            let answers = actions.iter().filter(|done| {
                done.topic_id == topic
                    && done.post_number > 1
                    && done.reply_to_post_number.unwrap_or(1) == number
                    && done.created_at >= since
            });
            for done in answers {
                ours.extend(self.post(done.topic_id, done.post_number).await?);
            }
            // What came meanwhile moves the rest to the next answer, where it is again.
            ours.sort_by_key(|post: &wire::Post| post.id);
            ours.dedup_by_key(|post| post.id);
            if last {
                return Ok(ours);
            }
        }
        Err(Failed::Broken(
            "our account wrote more since then than is looked through".to_owned(),
        ))
    }

    /// Our private posts that may be this reply: in its topic, or as a message of its own.
    async fn own_messages(&self, reply: &Reply) -> Result<Vec<wire::Post>, PortError> {
        let known = self.known().await.map_err(Failed::unread)?;
        let since = since(reply);
        let (mut ours, mut steps): (Vec<wire::Post>, _) = (Vec::new(), self.steps());
        for _ in 0..MOST_PAGES {
            let told = steps.before.map(|id| id.to_string());
            let query: Vec<_> = told.iter().map(|id| ("before", id.as_str())).collect();
            let page: Latest = self
                .api
                .get(&["private-posts.json"], &query)
                .await
                .map_err(Failed::unread)?;
            let posts = page.latest_posts.iter();
            let posts: Result<Vec<wire::Post>, _> =
                posts.map(|raw| serde_json::from_str(raw.get())).collect();
            let posts = posts.map_err(|error| {
                PortError::Unknown(format!("a private post is not what the API describes ({error})"))
            })?;
            let ids: Vec<_> = posts.iter().map(|post| post.id).collect();
            let reached = posts.iter().any(|post| post.created_at < since);
            ours.extend(posts.into_iter().filter(|post| {
                let place = if is_message(reply) {
                    post.post_number == 1
                } else {
                    translate::parent(post).as_ref() == Some(&reply.target)
                };
                post.user_id == known.id && place && post.created_at >= since
            }));
            ours.sort_by_key(|post| post.id);
            ours.dedup_by_key(|post| post.id);
            if reached || !self.step(&mut steps, &ids) {
                return Ok(ours);
            }
        }
        Err(PortError::Unknown(
            "more was written on the forum since then than is looked through".to_owned(),
        ))
    }
}

/// Whether the reply is a message of its own, and no post where the customer's stands.
fn is_message(reply: &Reply) -> bool {
    reply.audience == Audience::Private && reply.target_visibility != Visibility::Private
}

/// What a message of its own is called.
fn title(topic: i64, number: i64) -> String {
    format!("About your post {number} in topic {topic}")
}

/// What is noted of a reply that the forum holds.
fn held(reply: &Reply) -> String {
    format!("held {}", reply.key)
}

/// A failure of the publishing call: 403 (not allowed, a closed topic), 404 (no such topic) and 422 (invalid) are
/// given before anything is made, in the API's own form; the 422 of a double may mean that it was made before.
fn refusal(error: Failed) -> PortError {
    match &error {
        Failed::Limited(wait) => PortError::RetryAfter(*wait),
        Failed::Unreached(why) => PortError::NotReached(why.clone()),
        Failed::Broken(why) => PortError::Unknown(why.clone()),
        Failed::Status {
            status,
            told: Some(told),
        } => match status.as_u16() {
            401 => PortError::Unauthorized(told.clone()),
            403 | 404 | 422 => PortError::Refused(format!("the forum refused ({status}): {told}")),
            _ => PortError::Unknown(error.to_string()),
        },
        Failed::Status { told: None, .. } => PortError::Unknown(error.to_string()),
    }
}
