//! The way out: one comment or one message a reply, and the look whether an earlier one stands.
//!
//! `POST /{object}/comments` answers with the comment's id alone
//! (<https://developers.facebook.com/docs/graph-api/reference/object/comments#publish>), so where it stands is
//! read afterwards. Definite refusals are those of [`crate::adapter::graph::refusal`]; before one is believed it is looked
//! whether the reply stands all the same.

use super::translate::{Place, address, is_by};
use super::wire::{self, Done, Node};
use super::{Facebook, translate};
use crate::adapter::api::Failed;
use crate::adapter::graph::{MEND, wire::made};
use crate::adapter::ids;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Audience, Instant as Moment, NativeId, Reply};
use crate::port::{Look, Permit, PortError, Published};
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use url::Url;

/// How many pages of comments are looked through for ours.
const MOST_PAGES: usize = 10;

/// Where the answers to something stand.
pub(super) struct Below {
    /// What is answered.
    target: String,
    /// What they are listed under: the target, or the comment that it answers itself.
    root: String,
    /// Whether the target is an answer itself: its answers stand beside it.
    pub(super) nested: bool,
}

impl Below {
    pub(super) fn of(reply: &Reply, target: &Node) -> Self {
        let parent = target.parent.as_ref().map(|parent| parent.id.clone());
        Self {
            target: reply.target.to_string(),
            nested: parent.is_some(),
            root: parent.unwrap_or_else(|| reply.target.to_string()),
        }
    }

    pub(super) fn review(reply: &Reply) -> Self {
        let target = reply.target.to_string();
        Self {
            root: target.clone(),
            target,
            nested: false,
        }
    }

    /// What a comment that is listed here answers.
    fn parent<'a>(&'a self, listed: &'a Node) -> &'a str {
        listed.parent.as_ref().map_or(&self.root, |parent| &parent.id)
    }

    /// Whether a comment that is listed here answers the target, as far as the network lets one.
    pub(super) fn holds(&self, listed: &Node) -> bool {
        let parent = self.parent(listed);
        parent == self.target || (self.nested && parent == self.root)
    }

    /// Under which of the two kinds of ids a comment was put, by its own: `{post}_{comment}`.
    fn is_named_by(&self, id: &str) -> bool {
        let post = self.target.rsplit('_').next().unwrap_or_default();
        id.split_once('_').is_some_and(|(under, _)| under == post)
    }
}

/// A call that publishes.
struct Order {
    path: [String; 2],
    form: Vec<(&'static str, String)>,
    /// Where a comment will stand.
    below: Option<Below>,
}

impl Facebook {
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
        let look = async || self.look(reply, None).await;
        let pace = (began, self.timeout, permit);
        self.graph.publish((&path, &form), pace, place, look).await
    }

    /// Reads whether what is answered stands as it was approved, and makes the call ready.
    async fn prepare(&self, reply: &Reply) -> Result<Order, PortError> {
        let stop = |why: &str| Err(PortError::Refused(format!("{why}, so nothing was published")));
        if reply
            .account
            .as_ref()
            .is_some_and(|account| !self.is_ours(account.as_str()))
        {
            return stop("the source is now another page than the one the reply was approved for");
        }
        if let Some(other) = self.somebody_else().await.map_err(|error| error.before(&MEND))? {
            return stop(&format!(
                "the access_token is that of {other}, not of the page {}",
                self.page
            ));
        }
        let (place, target) = (Place::of(reply), reply.target.as_str());
        let node = match place {
            Place::Message(_) | Place::Review => None,
            Place::Post | Place::Comment => Some(match self.node(place, target).await {
                Ok(node) => node,
                Err(error) if error.is_missing() => return stop("it is gone"),
                Err(error) => return Err(error.before(&MEND)),
            }),
        };
        if node.as_ref().is_some_and(|node| !is_by(node, &reply.author)) {
            return stop("the network shows another author for it");
        }
        let recipient = match (place, reply.audience) {
            (Place::Message(person), _) => json!({"id": person}),
            (Place::Post, Audience::Private) => json!({"post_id": target}),
            (Place::Comment, Audience::Private) => json!({"comment_id": target}),
            (Place::Review, Audience::Private) => return stop("a review takes no private reply"),
            (Place::Post | Place::Comment | Place::Review, Audience::Public) => {
                let below = match &node {
                    Some(node) => Below::of(reply, node),
                    None => Below::review(reply),
                };
                return Ok(Order {
                    path: [target.to_owned(), "comments".to_owned()],
                    form: vec![("message", reply.text.clone())],
                    below: Some(below),
                });
            }
        };
        Ok(Order {
            path: [self.page.clone(), "messages".to_owned()],
            form: vec![
                ("recipient", recipient.to_string()),
                ("message", json!({"text": reply.text}).to_string()),
                ("messaging_type", "RESPONSE".to_owned()),
            ],
            below: None,
        })
    }

    /// Where what was written stands; the caller judges whether it belongs there.
    async fn place(&self, reply: &Reply, order: &Order, done: Done) -> Result<Published, PortError> {
        let unproven = |why: &str| PortError::Unknown(format!("it was written, but {why}"));
        let Some(below) = &order.below else {
            let id = done
                .message_id
                .ok_or_else(|| unproven("the answer has no message_id"))?;
            let to = match Place::of(reply) {
                Place::Message(person) => done.recipient_id.is_none_or(|to| to == person),
                // The call names the comment, not the person.
                Place::Post | Place::Comment | Place::Review => true,
            };
            return Ok(Published {
                id: ids::reply_id(&id).map_err(unproven)?,
                url: None,
                parent: to.then(|| reply.target.clone()),
                author: None,
            });
        };
        let id = done.id.ok_or_else(|| unproven("the answer has no id"))?;
        let unread = |error: Failed| unproven(&error.to_string());
        let listed = self.own_below(below, since(reply)).await.map_err(unread)?;
        if let Some(own) = listed.iter().find(|own| own.id == id) {
            return published(reply, below, own);
        }
        // It stands somewhere else, or the list lags.
        let own = self.node(Place::Comment, &id).await.map_err(unread)?;
        let parent = match &own.parent {
            Some(parent) => Some(NativeId::new(&parent.id)),
            None => below.is_named_by(&id).then(|| reply.target.clone()),
        };
        Ok(Published {
            parent,
            ..published(reply, below, &own)?
        })
    }

    pub(super) async fn look(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        let place = Place::of(reply);
        match (place, reply.audience) {
            (Place::Message(person), _) => return self.look_in_messages(reply, Some(person)).await,
            (_, Audience::Private) => return self.look_in_messages(reply, None).await,
            (_, Audience::Public) => {}
        }
        let below = match place {
            Place::Review | Place::Message(_) => Below::review(reply),
            Place::Post | Place::Comment => {
                let node = self.node(place, reply.target.as_str()).await;
                Below::of(reply, &node.map_err(Failed::unread)?)
            }
        };
        let listed = self
            .own_below(&below, since(reply))
            .await
            .map_err(Failed::unread)?;
        let is_listed = |canary: &NativeId| listed.iter().any(|own| own.id == canary.as_str());
        let fresh = self.graph.is_fresh(canary, canary.is_some_and(is_listed)).await?;
        let ours = listed.iter().filter(|own| below.holds(own)).map(|own| {
            Ok(Own {
                published: published(reply, &below, own)?,
                text: translate::words(own),
                at: own.created_time,
            })
        });
        verdict(reply, fresh, ours.collect::<Result<_, PortError>>()?, blanks)
    }

    /// Our comments there since then.
    pub(super) async fn own_below(&self, below: &Below, since: Moment) -> Result<Vec<Node>, Failed> {
        let query = [
            ("fields", wire::COMMENT),
            ("filter", "stream"),
            ("order", "reverse_chronological"),
            ("limit", "100"),
        ];
        let path = [below.root.as_str(), "comments"];
        let walk = self.graph.walk(&path, &query, (since, MOST_PAGES), made).await;
        if let Some(error) = walk.failed {
            return Err(error);
        }
        if walk.cut {
            let why = "more comments came since than can be read: ours cannot be looked for";
            return Err(Failed::Broken(why.to_owned()));
        }
        let nodes = walk
            .items
            .iter()
            .filter_map(|raw| serde_json::from_str::<Node>(raw.get()).ok());
        let ours = |node: &Node| node.from.as_ref().is_some_and(|who| self.is_ours(&who.id));
        Ok(nodes.filter(ours).collect())
    }

    /// The comment at an address: it names it by `comment_id`, an answer to one by `reply_comment_id`.
    pub(super) async fn at(&self, reply: &Reply, told: &str) -> Result<Option<Published>, PortError> {
        let place = Place::of(reply);
        if reply.audience == Audience::Private || matches!(place, Place::Message(_)) {
            return Ok(None);
        }
        let refuse = |why: &str| Err(PortError::Refused(why.to_owned()));
        let Some(number) = named(told) else {
            return refuse("that is no address of a comment on Facebook (it has comment_id in it)");
        };
        let unread = |error: Failed| PortError::NotReached(format!("the address could not be read: {error}"));
        let below = match place {
            Place::Review | Place::Message(_) => Below::review(reply),
            Place::Post | Place::Comment => {
                let node = self.node(place, reply.target.as_str()).await.map_err(unread)?;
                Below::of(reply, &node)
            }
        };
        let listed = self.own_below(&below, since(reply)).await.map_err(unread)?;
        let mut there = listed
            .iter()
            .filter(|own| own.id.rsplit('_').next() == Some(&number));
        match there.find(|own| below.holds(own)) {
            Some(own) => published(reply, &below, own).map(Some),
            None => refuse("no comment of our page stands at that address under the customer's words"),
        }
    }
}

/// The number of the comment that an address leads to.
fn named(address: &str) -> Option<String> {
    let url = Url::parse(address.trim()).ok()?;
    let host = url.host_str()?;
    if host != "facebook.com" && !host.ends_with(".facebook.com") {
        return None;
    }
    let of = |name: &str| {
        url.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let number = of("reply_comment_id").or_else(|| of("comment_id")).or_else(|| {
        let last = url.path_segments()?.rfind(|part| !part.is_empty())?;
        Some(last.split_once('_')?.1.to_owned())
    })?;
    let sound = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(number)
}

/// A comment of ours that is listed there.
fn published(reply: &Reply, below: &Below, own: &Node) -> Result<Published, PortError> {
    let parent = if below.holds(own) {
        reply.target.clone()
    } else {
        NativeId::new(below.parent(own))
    };
    Ok(Published {
        id: ids::reply_id(&own.id)
            .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: own.permalink_url.clone().or_else(|| Some(address(&own.id))),
        parent: Some(parent),
        author: own.from.as_ref().map(|who| NativeId::new(&who.id)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://www.facebook.com/shop/posts/pfbid02?comment_id=77", Some("77"))]
    #[case(
        "https://www.facebook.com/1/posts/2?comment_id=77&reply_comment_id=78",
        Some("78")
    )]
    #[case("https://m.facebook.com/2_77", Some("77"))]
    #[case("https://www.facebook.com/shop/posts/2", None)]
    #[case("https://www.facebook.com/shop?comment_id=..%2F", None)]
    #[case("https://notfacebook.com/x?comment_id=77", None)]
    fn an_address_names_a_comment(#[case] address: &str, #[case] number: Option<&str>) {
        assert_eq!(named(address).as_deref(), number);
    }
}
