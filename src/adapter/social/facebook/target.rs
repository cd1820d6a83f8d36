//! What a reply answers, read just before it is sent.

use super::translate::{self, Place, is_by};
use super::wire::{self, Node};
use super::{Facebook, publish::Below};
use crate::adapter::api::Failed;
use crate::adapter::graph::MEND;
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{PortError, Target};

impl Facebook {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let place = Place::of(reply);
        if let Place::Message(person) = place {
            return self.window(reply, person, ours).await;
        }
        if place == Place::Review {
            return self.review(reply, ours).await;
        }
        let node = match self.node(place, reply.target.as_str()).await {
            Ok(node) => node,
            Err(error) if error.is_missing() => {
                return Ok(Target::Gone(
                    "it is gone, or the page may not see it any more".to_owned(),
                ));
            }
            Err(error) => return Err(error.before(&MEND)),
        };
        if !is_by(&node, &reply.author) {
            let why = "the network shows another author for it";
            return Ok(Target::Gone(why.to_owned()));
        }
        if reply.audience == Audience::Private {
            let stop = self.may_write_privately(reply, &node, ours).await?;
            return Ok(stop.unwrap_or_else(|| stands(&node)));
        }
        if node.can_comment == Some(false) {
            return Ok(Target::Locked("it takes no comments of ours".to_owned()));
        }
        let below = Below::of(reply, &node);
        Ok(
            match self.native_answer(reply, &below, Some(&node), ours).await? {
                Some(answered) => answered,
                None => stands(&node),
            },
        )
    }

    /// A review cannot be read by its id, only what stands below it.
    async fn review(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        if reply.audience == Audience::Private {
            return Ok(Target::Locked(format!(
                "Facebook takes no private reply to a review; answer in public, and ask them to write to \
                 https://m.me/{}",
                self.page
            )));
        }
        let below = Below::review(reply);
        let answered = self.native_answer(reply, &below, None, ours).await?;
        Ok(answered.unwrap_or(Target::NotReadable))
    }

    /// An answer of our account that was not given here.
    async fn native_answer(
        &self,
        reply: &Reply,
        below: &Below,
        node: Option<&Node>,
        ours: &[NativeId],
    ) -> Result<Option<Target>, PortError> {
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_some() {
            return Ok(None);
        }
        let from = node.map_or(reply.created_at, |node| node.created_time);
        let listed = match self.own_below(below, from).await {
            Ok(listed) => listed,
            Err(error) if error.is_missing() => {
                return Ok(Some(Target::Gone("it is gone".to_owned())));
            }
            Err(error) => return Err(error.before(&MEND)),
        };
        let mut others = listed.iter().filter(|own| {
            let after = below.nested && own.created_time < from;
            !after && below.holds(own) && !ours.iter().any(|id| id.as_str() == own.id)
        });
        Ok(others.next().map(|own| Target::Answered {
            text: translate::words(own),
            url: own
                .permalink_url
                .clone()
                .or_else(|| Some(translate::address(&own.id))),
        }))
    }

    /// A post or a comment as it is now.
    pub(super) async fn node(&self, place: Place<'_>, id: &str) -> Result<Node, Failed> {
        let fields = match place {
            Place::Post => wire::POST,
            Place::Comment | Place::Review | Place::Message(_) => wire::COMMENT,
        };
        self.graph.get(&[id], &[("fields", fields)]).await
    }
}

fn stands(node: &Node) -> Target {
    Target::Stands {
        text: translate::words(node),
    }
}
