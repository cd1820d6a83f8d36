//! The way out: a container, kept, then its publication; and the look whether an earlier one stands
//! (<https://developers.facebook.com/docs/threads/retrieve-and-manage-replies/create-replies>).
//!
//! Nobody sees a container: whatever becomes of the call that makes one, nothing is published. Only the
//! publication can have an uncertain end. Definite refusals of it are those of [`crate::adapter::graph::refusal`]; before one is
//! believed it is looked whether the reply stands all the same.

use super::wire::{Container, Made, Post};
use super::{Threads, translate, wire};
use crate::adapter::api::Failed;
use crate::adapter::graph::{self, MEND, wire::made};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant as Moment, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// How many pages of our answers are looked through.
const MOST_PAGES: usize = 10;
/// Between two looks whether a container is ready.
const BREATH: Duration = Duration::from_secs(1);

impl Threads {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        // Half of the time for all before.
        let began = Instant::now();
        let late = |_| PortError::NotReached("it could not be made ready in time".to_owned());
        let preparing = timeout_at(began + self.timeout / 2, self.prepare(reply, permit));
        let (me, container) = match preparing.await.map_err(late)?? {
            Ready::Container(me, container) => (me, container),
            Ready::Stands(published) => return Ok(published),
        };
        let form = [("creation_id", container.as_str())];
        let path = [me.as_str(), "threads_publish"];
        self.graph.meter().spent(1, self.clock.now());
        let place = async |done: Made| self.place(&done.id).await;
        let look = async || self.look(reply, None).await;
        let pace = (began, self.timeout, permit);
        self.graph.publish((&path, &form), pace, place, look).await
    }

    /// Reads whether what is answered stands as it was approved, and makes a container, or takes the one that an
    /// earlier attempt made.
    async fn prepare(&self, reply: &Reply, permit: &Permit) -> Result<Ready, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        let before = |error: Failed| error.before(&MEND);
        let me = self.me().await.map_err(before)?;
        if reply.audience == Audience::Private {
            return stop("private messages cannot be written here");
        }
        let account = reply.account.as_ref().map(NativeId::as_str);
        if account.is_some_and(|account| account != me.username) {
            return stop("the token is now that of another profile than the one the reply was approved for");
        }
        // After an earlier attempt: whatever became of the customer's post, ours may stand.
        if reply.fence > 1 {
            match self.look(reply, None).await? {
                Look::Found(published) => return Ok(Ready::Stands(published)),
                Look::Several(_) => return Err(published_already()),
                Look::Absent { .. } | Look::NotLooked => {}
            }
        }
        let post = match self.post(reply.target.as_str()).await {
            Ok(post) => post,
            Err(error) if error.is_missing() => return stop("it is gone"),
            Err(error) => return Err(before(error)),
        };
        if !translate::is_by(&post, &reply.author) {
            return stop("the network shows another author for it");
        }
        if let Some(known) = self.containers.of(reply).await? {
            match self.status(&known).await.map_err(before)?.status.as_str() {
                "FINISHED" => return Ok(Ready::Container(me.id.clone(), known)),
                "IN_PROGRESS" => {
                    self.wait_for(&known).await?;
                    return Ok(Ready::Container(me.id.clone(), known));
                }
                "PUBLISHED" => return Err(published_already()),
                // Nobody will ever see it.
                _ => {}
            }
        }
        let container = self.contain(reply, &me.id, permit).await?;
        self.containers.keep(reply, &container).await?;
        self.wait_for(&container).await?;
        Ok(Ready::Container(me.id.clone(), container))
    }

    /// Makes a container, which nobody sees: every failure is one before anything was published.
    async fn contain(&self, reply: &Reply, me: &str, permit: &Permit) -> Result<String, PortError> {
        let form = [
            ("media_type", "TEXT"),
            ("text", reply.text.as_str()),
            ("reply_to_id", reply.target.as_str()),
        ];
        let allowed = (self.timeout / 2, permit);
        let made = self.graph.send::<Made>(&[me, "threads"], &form, allowed).await;
        match made.map(|made| made.id) {
            Ok(id) => Ok(id),
            Err(error) => Err(match graph::refusal(error) {
                PortError::Unknown(why) => PortError::NotReached(format!("no container was made: {why}")),
                other => other,
            }),
        }
    }

    /// Waits until a container can be published: one of a text is ready almost at once.
    async fn wait_for(&self, container: &str) -> Result<(), PortError> {
        loop {
            let told = self
                .status(container)
                .await
                .map_err(|error| error.before(&MEND))?;
            match told.status.as_str() {
                "FINISHED" => return Ok(()),
                "IN_PROGRESS" => sleep(BREATH).await,
                status => {
                    let why = told.error_message.unwrap_or_else(|| status.to_owned());
                    return Err(PortError::Refused(format!(
                        "Threads did not take it ({why}), so nothing was published"
                    )));
                }
            }
        }
    }

    async fn status(&self, container: &str) -> Result<Container, Failed> {
        let query = [("fields", "id,status,error_message")];
        self.graph.get(&[container], &query).await
    }

    /// Where what was published stands; the caller judges whether it belongs there.
    async fn place(&self, id: &str) -> Result<Published, PortError> {
        let own = self.post(id).await;
        let own = own.map_err(|error| PortError::Unknown(format!("it was published, but {error}")))?;
        published(&own)
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        self.me().await.map_err(Failed::unread)?;
        let listed = self
            .own_answers(reply, since(reply))
            .await
            .map_err(Failed::unread)?;
        let is_listed = |canary: &NativeId| listed.iter().any(|own| own.id == canary.as_str());
        let fresh = self.graph.is_fresh(canary, canary.is_some_and(is_listed)).await?;
        let ours = listed.iter().map(|own| {
            Ok(Own {
                published: published(own)?,
                text: translate::words(own),
                at: own.timestamp,
            })
        });
        let look = verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, blanks)?;
        // The container knows better than a list that lags.
        if matches!(look, Look::Absent { .. })
            && let Some(container) = self.containers.of(reply).await?
            && self.status(&container).await.map_err(Failed::unread)?.status == "PUBLISHED"
        {
            return Err(PortError::Unknown(
                "Threads says that it is published, but does not list it yet".to_owned(),
            ));
        }
        Ok(look)
    }

    /// Our answers to what a reply answers, since then
    /// (<https://developers.facebook.com/docs/threads/reference/user>, `replies`: those that the user wrote).
    pub(super) async fn own_answers(&self, reply: &Reply, since: Moment) -> Result<Vec<Post>, Failed> {
        let me = self.me().await?;
        let query = [("fields", wire::POST), ("limit", "100")];
        let path = [me.id.as_str(), "replies"];
        let walk = self.graph.walk(&path, &query, (since, MOST_PAGES), made).await;
        if let Some(error) = walk.failed {
            return Err(error);
        }
        if walk.cut {
            let why = "our account wrote more since than can be read: its answer cannot be looked for";
            return Err(Failed::Broken(why.to_owned()));
        }
        let own = walk
            .items
            .iter()
            .filter_map(|raw| serde_json::from_str::<Post>(raw.get()).ok());
        let to_it = |own: &Post| {
            own.replied_to
                .as_ref()
                .is_some_and(|above| above.id == reply.target.as_str())
        };
        Ok(own.filter(to_it).collect())
    }

    /// The answer at an address.
    pub(super) async fn at(&self, reply: &Reply, address: &str) -> Result<Published, PortError> {
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Some(code) = translate::code(address) else {
            return refuse("that is no address of a post on Threads");
        };
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let listed = self.own_answers(reply, since(reply)).await.map_err(unread)?;
        let there = |own: &&Post| own.permalink.as_deref().and_then(translate::code) == Some(code);
        match listed.iter().find(there) {
            Some(own) => published(own),
            None => refuse("no answer of ours to the customer's post stands at that address"),
        }
    }
}

/// What is ready before it is published.
enum Ready {
    /// Our id, and the container.
    Container(String, String),
    /// An earlier attempt published it.
    Stands(Published),
}

/// An earlier attempt published it, though it is not the one that is known to stand.
fn published_already() -> PortError {
    PortError::Unknown("an earlier attempt published it already, so it was not published again".to_owned())
}

/// A post of ours.
fn published(own: &Post) -> Result<Published, PortError> {
    Ok(Published {
        id: ids::reply_id(&own.id)
            .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: own.permalink.clone(),
        parent: own.replied_to.as_ref().map(|above| NativeId::new(&above.id)),
        author: own.username.as_ref().map(NativeId::new),
    })
}
