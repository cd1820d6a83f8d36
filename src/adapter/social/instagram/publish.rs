//! The way out: one comment or one message a reply, and the look whether an earlier one stands.
//!
//! `POST /{comment}/replies` and `POST /{account}/mentions` answer with the new comment's id alone
//! (<https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/ig-comment/replies>),
//! so where it stands is read afterwards. Definite refusals are those of [`crate::adapter::graph::refusal`]; before one is
//! believed it is looked whether the reply stands all the same, where one can look.

use super::Instagram;
use super::push::stamped;
use super::translate::{self, Place, is_by};
use super::wire::{self, Comment, Done};
use crate::adapter::api::Failed;
use crate::adapter::graph::{MEND, talk};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant as Moment, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

/// How many pages of answers are looked through for ours.
const MOST_PAGES: usize = 10;

/// The thread of a comment under a media object of ours.
pub(super) struct Thread {
    /// The comment that begins it.
    top: String,
    /// Whether what is answered is an answer itself: ours stands beside it.
    nested: bool,
    /// The handle of whom it answers.
    handle: String,
    /// Where people read it.
    pub(super) page: Option<String>,
}

impl Thread {
    pub(super) fn of(reply: &Reply, target: &Comment) -> Self {
        Self {
            top: target.parent_id.clone().unwrap_or_else(|| target.id.clone()),
            nested: target.parent_id.is_some(),
            handle: reply.author_handle.to_lowercase(),
            page: target.media.as_ref().and_then(|media| media.permalink.clone()),
        }
    }

    /// Whether an answer in the thread is one to the target: by whom it names first, or by none.
    pub(super) fn holds(&self, own: &Comment) -> bool {
        match translate::addressee(&translate::words(own)) {
            Some(handle) => handle.to_lowercase() == self.handle,
            None => !self.nested,
        }
    }
}

/// A call that publishes.
struct Order {
    path: [String; 2],
    form: Vec<(&'static str, String)>,
    /// The thread that a comment will stand in, under a media object of ours.
    thread: Option<Thread>,
}

impl Instagram {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for reading before.
        let began = Instant::now();
        let late =
            |_| PortError::NotReached("the post could not be read in time before answering it".to_owned());
        let reading = timeout_at(began + self.timeout / 2, self.prepare(reply));
        let order = reading.await.map_err(late)??;
        let path = [order.path[0].as_str(), order.path[1].as_str()];
        let form: Vec<_> = order
            .form
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let place = async |done: Done| self.place(reply, &order, done).await;
        // Elsewhere nobody can look.
        let look = async || match Place::of(reply) {
            Place::Comment => self.look(reply, None).await,
            Place::Mention(_) | Place::Caption | Place::Tag => Ok(Look::Absent { fresh: true }),
        };
        let pace = (began, self.timeout, permit);
        self.graph.publish((&path, &form), pace, place, look).await
    }

    /// Reads whether what is answered stands as it was approved, and makes the call ready.
    async fn prepare(&self, reply: &Reply) -> Result<Order, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        let account = reply.account.as_ref().map(NativeId::as_str);
        if account.is_some_and(|account| account != self.account) {
            return stop("the source is now another account than the one the reply was approved for");
        }
        let (place, target) = (Place::of(reply), reply.target.as_str());
        if let Some(why) = self.closed(reply, place) {
            return stop(&why);
        }
        let mention = |mut form: Vec<(&'static str, String)>| {
            form.push(("message", reply.text.clone()));
            Ok(Order {
                path: [self.account.clone(), "mentions".to_owned()],
                form,
                thread: None,
            })
        };
        match place {
            Place::Mention(media) => {
                return mention(vec![
                    ("media_id", media.to_owned()),
                    ("comment_id", target.to_owned()),
                ]);
            }
            Place::Caption => return mention(vec![("media_id", target.to_owned())]),
            Place::Comment | Place::Tag => {}
        }
        let comment = match self.comment_now(target).await {
            Ok(comment) => comment,
            Err(error) if error.is_missing() => return stop("it is gone"),
            Err(error) => return Err(error.before(&MEND)),
        };
        if !is_by(&comment, &reply.author) {
            return stop("the network shows another author for it");
        }
        Ok(match reply.audience {
            Audience::Public => Order {
                path: [target.to_owned(), "replies".to_owned()],
                form: vec![("message", reply.text.clone())],
                thread: Some(Thread::of(reply, &comment)),
            },
            // With a Page's token this is the page that the account belongs to.
            Audience::Private => Order {
                path: ["me".to_owned(), "messages".to_owned()],
                form: vec![
                    ("recipient", json!({"comment_id": target}).to_string()),
                    ("message", json!({"text": reply.text}).to_string()),
                ],
                thread: None,
            },
        })
    }

    /// Where what was written stands; the caller judges whether it belongs there.
    async fn place(&self, reply: &Reply, order: &Order, done: Done) -> Result<Published, PortError> {
        let unproven = |why: &str| PortError::Unknown(format!("it was written, but {why}"));
        if reply.audience == Audience::Private {
            let id = done
                .message_id
                .ok_or_else(|| unproven("the answer has no message_id"))?;
            return Ok(Published {
                id: ids::reply_id(&id).map_err(unproven)?,
                url: None,
                // The call names the comment, not the person.
                parent: Some(reply.target.clone()),
                author: None,
            });
        }
        let id = done.id.ok_or_else(|| unproven("the answer has no id"))?;
        let unread = |error: Failed| unproven(&error.to_string());
        if let Some(thread) = &order.thread {
            let listed = self.own_in(thread).await.map_err(unread)?;
            if let Some(own) = listed.iter().find(|own| own.id == id) {
                return self.published(own, thread.page.clone(), Some(reply.target.clone()));
            }
        }
        // It stands somewhere else, or the list lags, or there is none that we may read.
        let own = self.comment_now(&id).await.map_err(unread)?;
        let under = own.media.as_ref().map(|media| media.id.as_str());
        let above = own.parent_id.as_deref();
        let belongs = match (Place::of(reply), &order.thread) {
            (Place::Comment | Place::Tag, Some(thread)) => above == Some(&thread.top),
            (Place::Comment | Place::Tag, None) => false,
            // The answer to a comment is in its thread, which may have begun above it.
            (Place::Mention(media), _) => {
                above == Some(reply.target.as_str()) || (above.is_some() && under == Some(media))
            }
            (Place::Caption, _) => above.is_none() && under == Some(reply.target.as_str()),
        };
        let parent = if belongs {
            Some(reply.target.clone())
        } else {
            above.or(under).map(NativeId::new)
        };
        let page = own.media.as_ref().and_then(|media| media.permalink.clone());
        self.published(&own, page, parent)
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        if reply.audience == Audience::Private {
            let handle = self.handle().await.map_err(Failed::unread)?;
            let talk = self.talk(reply).await.map_err(Failed::unread)?;
            return talk::look(reply, &talk, |who| self.is_us(who, &handle));
        }
        if Place::of(reply) != Place::Comment {
            return Err(PortError::Unknown(format!(
                "what stands under a picture of somebody else's cannot be listed: look at {}",
                reply.target_url.as_deref().unwrap_or("the picture")
            )));
        }
        let target = self
            .comment_now(reply.target.as_str())
            .await
            .map_err(Failed::unread)?;
        let thread = Thread::of(reply, &target);
        let listed = self.own_in(&thread).await.map_err(Failed::unread)?;
        let is_listed = |canary: &NativeId| listed.iter().any(|own| own.id == canary.as_str());
        let fresh = self.graph.is_fresh(canary, canary.is_some_and(is_listed)).await?;
        let since = since(reply);
        let ours = listed
            .iter()
            .filter(|own| own.timestamp >= since && thread.holds(own));
        let ours = ours.map(|own| {
            Ok(Own {
                published: self.published(own, thread.page.clone(), Some(reply.target.clone()))?,
                text: translate::words(own),
                at: own.timestamp,
            })
        });
        verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, blanks)
    }

    /// Our answers in a thread. In which order they are listed is not documented: all are read.
    pub(super) async fn own_in(&self, thread: &Thread) -> Result<Vec<Comment>, Failed> {
        let handle = self.handle().await?;
        let query = [("fields", wire::COMMENT), ("limit", "50")];
        let path = [thread.top.as_str(), "replies"];
        let all = (Moment::MIN_UTC, MOST_PAGES);
        let walk = self.graph.walk(&path, &query, all, stamped).await;
        if let Some(error) = walk.failed {
            return Err(error);
        }
        if walk.cut {
            let why = "there are more answers than can be read: ours cannot be looked for";
            return Err(Failed::Broken(why.to_owned()));
        }
        let answers = walk
            .items
            .iter()
            .filter_map(|raw| serde_json::from_str::<Comment>(raw.get()).ok());
        Ok(answers.filter(|answer| self.is_ours(answer, &handle)).collect())
    }

    /// A comment of ours. Its author has another id for everybody who asks; we are told of by our own.
    fn published(
        &self,
        own: &Comment,
        page: Option<String>,
        parent: Option<NativeId>,
    ) -> Result<Published, PortError> {
        let handle = self.memory().handle.clone().unwrap_or_default();
        let author = if self.is_ours(own, &handle) {
            Some(NativeId::new(&self.account))
        } else {
            own.from.as_ref().map(|who| NativeId::new(&who.id))
        };
        Ok(Published {
            id: ids::reply_id(&own.id)
                .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
            url: page,
            parent,
            author,
        })
    }
}
