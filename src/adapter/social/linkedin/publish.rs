//! What a reply answers, read just before it is sent; the way out; and the look whether an earlier one
//! stands.
//!
//! LinkedIn honours no key. There is one level of answers: an answer to an answer stands below the first
//! comment of the thread, too. What was published is read again, and an uncertain end is cleared up by
//! reading the organisation's comments there
//! (<https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api>).

use super::LinkedIn;
use super::call::{Failed, before};
use super::translate;
use super::urn::{CommentName, encoded};
use super::wire::{Comment, Created, Page, at};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published, Target};
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout_at;

/// The comments of a page, and the most pages that are looked through.
const PAGE: usize = 100;
const MOST_PAGES: usize = 10;

/// What is answered: a comment, or a post in which the organisation was named.
enum Place {
    Comment(Comment),
    Post(String),
}

impl Place {
    /// Below what an answer stands: what it is called there, and the post of it all.
    fn below(&self) -> (String, &str) {
        match self {
            Self::Comment(comment) => (translate::root(comment), &comment.object),
            Self::Post(urn) => (urn.clone(), urn),
        }
    }

    /// By what a comment there is read, so that it is read there: below a share comments call themselves after its
    /// activity, which has another number.
    fn named(&self, comment: &CommentName) -> CommentName {
        CommentName {
            object: match self {
                Self::Comment(_) => comment.object.clone(),
                Self::Post(urn) => urn.clone(),
            },
            id: comment.id.clone(),
        }
    }
}

impl LinkedIn {
    /// The place of the post that is answered. `None`: it is gone.
    async fn place(&self, reply: &Reply) -> Result<Option<Place>, Failed> {
        match CommentName::parse(reply.target.as_str()) {
            Some(name) => Ok(self.comment(&name).await?.map(Place::Comment)),
            None => Ok(Some(Place::Post(reply.target.to_string()))),
        }
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let Some(place) = self.place(reply).await.map_err(before)? else {
            return Ok(Target::Gone("the comment is gone".to_owned()));
        };
        let Place::Comment(comment) = &place else {
            return Ok(Target::NotReadable);
        };
        if comment.actor != reply.author.as_str() {
            return Ok(Target::Gone(
                "LinkedIn shows another author for that comment".to_owned(),
            ));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() {
            let (below, _) = place.below();
            let (mut thread, _) = self.comments_below(&below).await.map_err(before)?;
            thread.retain(|other| other.id != comment.id);
            thread.push(comment.clone());
            let mut own = self.answers_to(comment, &thread).into_iter();
            let other = own.find(|own| !ours.contains(&NativeId::new(translate::name(own).urn())));
            if let Some(other) = other {
                return Ok(Target::Answered {
                    text: other.message.text.clone(),
                    url: Some(translate::address(&translate::name(other))),
                });
            }
        }
        Ok(Target::Stands {
            text: comment.message.text.clone(),
        })
    }

    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // A third of the time for reading before, a third at least for publishing, the rest for reading after.
        let began = tokio::time::Instant::now();
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 3, self.prepare(reply));
        let place = reading.await.map_err(late)??;
        let left = self.timeout.mul_f64(0.7).saturating_sub(began.elapsed());
        let name = self.write(reply, &place, (left, permit)).await?;
        let name = place.named(&name);
        let unread = |why: String| PortError::Unknown(format!("it was published, but {why}"));
        match timeout_at(began + self.timeout, self.comment(&name)).await {
            Ok(Ok(Some(own))) => published(reply, &place.below(), &own),
            Ok(Ok(None)) => Err(unread("is not there".to_owned())),
            Ok(Err(error)) => Err(unread(error.to_string())),
            Err(_) => Err(unread("could not be read in time".to_owned())),
        }
    }

    async fn prepare(&self, reply: &Reply) -> Result<Place, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        if reply.audience == Audience::Private {
            return stop("an organisation writes no private messages on LinkedIn");
        }
        let account = reply.account.as_ref();
        if account.is_some_and(|account| account.as_str() != self.organization) {
            return stop("this is another organisation than the one the reply was approved for");
        }
        let Some(place) = self.place(reply).await.map_err(before)? else {
            return stop("the comment is gone");
        };
        match &place {
            Place::Comment(comment) if comment.actor != reply.author.as_str() => {
                stop("LinkedIn shows another author for that comment")
            }
            Place::Comment(_) | Place::Post(_) => Ok(place),
        }
    }

    async fn write(
        &self,
        reply: &Reply,
        place: &Place,
        allowed: (Duration, &Permit),
    ) -> Result<CommentName, PortError> {
        let (below, object) = place.below();
        let mut body = json!({"actor": self.organization, "object": object, "message": {"text": reply.text}});
        if matches!(place, Place::Comment(_)) {
            body["parentComment"] = below.as_str().into();
        }
        let path = format!("/rest/socialActions/{}/comments", encoded(&below));
        let answer = self.way.publish(&path, &body, allowed).await?;
        let header = answer.headers.get("x-restli-id");
        let header = header.and_then(|id| id.to_str().ok()).map(str::to_owned);
        let told = answer.decode::<Created>();
        let told = told.map_err(|error| PortError::Unknown(error.to_string()))?;
        let Some(id) = told.id.or(header) else {
            return Err(PortError::Unknown("the answer names no comment".to_owned()));
        };
        Ok(CommentName::parse(&id).unwrap_or(CommentName {
            object: object.to_owned(),
            id,
        }))
    }

    /// The organisation's comments in a thread that answer this one: with one level of answers, those that
    /// come after it and before somebody else's next.
    fn answers_to<'a>(&self, comment: &Comment, thread: &'a [Comment]) -> Vec<&'a Comment> {
        let mut thread: Vec<_> = thread.iter().collect();
        thread.sort_by_key(|other| (other.created.time, other.id.parse::<u64>().unwrap_or(0)));
        let mut last = "";
        thread.retain(|other| {
            let own = other.actor == self.organization;
            if !own {
                last = &other.id;
            }
            own && last == comment.id
        });
        thread
    }

    /// The comments below something, and whether those are all.
    async fn comments_below(&self, below: &str) -> Result<(Vec<Comment>, bool), Failed> {
        let path = format!("/rest/socialActions/{}/comments", encoded(below));
        let mut comments = Vec::new();
        for page in 0..MOST_PAGES {
            let query = format!("start={}&count={PAGE}", page * PAGE);
            let told: Page = match self.way.get(&path, &query).await {
                Ok(told) => told,
                Err(error) if error.is_missing() => return Ok((comments, true)),
                Err(error) => return Err(error),
            };
            let read = told.elements.len();
            let some = told.elements.iter();
            comments.extend(some.filter_map(|raw| serde_json::from_str::<Comment>(raw.get()).ok()));
            if read < PAGE {
                return Ok((comments, true));
            }
        }
        Ok((comments, false))
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let Some(place) = self.place(reply).await.map_err(Failed::unread)? else {
            return Err(PortError::Unknown(
                "the comment is gone, and with it what stood below".to_owned(),
            ));
        };
        let below = place.below();
        let (mut own, all) = self.comments_below(&below.0).await.map_err(Failed::unread)?;
        own.retain(|comment| comment.actor == self.organization);
        if !all {
            return Err(PortError::Unknown(
                "there are too many comments to look through".to_owned(),
            ));
        }
        let fresh = match canary.and_then(|canary| CommentName::parse(canary.as_str())) {
            None => true,
            Some(canary) => {
                let listed = own.iter().any(|own| translate::name(own) == canary);
                listed || self.comment(&canary).await.map_err(Failed::unread)?.is_some()
            }
        };
        let since = since(reply);
        let own = own.iter().filter(|own| at(own.created.time) >= since);
        let own = own.map(|own| {
            Ok(Own {
                published: published(reply, &below, own)?,
                text: own.message.text.clone(),
                at: at(own.created.time),
            })
        });
        verdict(reply, fresh, own.collect::<Result<_, PortError>>()?, blanks)
    }

    /// The comment at an address.
    pub(super) async fn at(&self, reply: &Reply, address: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let Some(name) = translate::named(address) else {
            return refuse("that is no address of a comment on LinkedIn: it has commentUrn in it");
        };
        let Some(place) = self.place(reply).await.map_err(unread)? else {
            return refuse("the customer's comment is gone");
        };
        let Some(own) = self.comment(&place.named(&name)).await.map_err(unread)? else {
            return refuse("no comment stands at that address");
        };
        if own.actor != self.organization {
            return refuse("that comment is not by our organisation");
        }
        let published = published(reply, &place.below(), &own)?;
        if published.parent.as_ref() != Some(&reply.target) {
            return refuse("that comment does not answer the customer's");
        }
        Ok(published)
    }
}

/// Where a comment of ours stands, which was read below the target: what is below the same as it should be counts
/// as below the target.
fn published(reply: &Reply, (below, _): &(String, &str), own: &Comment) -> Result<Published, PortError> {
    let name = translate::name(own);
    let id = ids::reply_id(&name.urn())
        .map_err(|why| PortError::Unknown(format!("the reply was published, but {why}")))?;
    let parent = match own.parent_comment.as_deref() {
        None if *below == own.object || is_alias(below, &own.object) => Some(below.clone()),
        None => None,
        Some(parent) => CommentName::parse(parent).map(|parent| parent.urn()),
    };
    let parent = parent.map(|parent: String| {
        if parent == *below {
            reply.target.clone()
        } else {
            NativeId::new(parent)
        }
    });
    Ok(Published {
        id,
        url: Some(translate::address(&name)),
        parent,
        author: Some(NativeId::new(&own.actor)),
    })
}

/// Whether two names may be of the same post: a share, or another post, and its activity, which has a number of its
/// own (<https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api>).
fn is_alias(post: &str, activity: &str) -> bool {
    let kinds = ["urn:li:share:", "urn:li:ugcPost:"];
    activity.starts_with("urn:li:activity:") && kinds.iter().any(|kind| post.starts_with(kind))
}
