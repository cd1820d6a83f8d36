//! What the requests of a batch will look at, so that it is loaded set-wise before they are worked on.

use super::hearing::{Gate, Hearing};
use super::part::Part;
use super::request::{Ask, ReplyEnd, Request, Settled};
use super::work::{Flight, PostKey, TalkKey};
use crate::domain::{CaseNumber, NativeId, ReplyId, Sighting, SourceName};
use std::collections::BTreeSet;

/// What the parts of a batch will look at.
#[derive(Default)]
pub(super) struct Needs {
    pub posts: BTreeSet<PostKey>,
    pub talks: BTreeSet<TalkKey>,
    pub cases: BTreeSet<CaseNumber>,
    pub opened: BTreeSet<CaseNumber>,
    pub replies: BTreeSet<ReplyId>,
    pub inbox: Vec<String>,
    /// Whether it matters where publishing is stopped.
    pub pauses: bool,
    /// Cases that somebody wants to answer.
    pub answered: BTreeSet<CaseNumber>,
    /// What platforms say they published.
    pub published: Vec<(ReplyId, NativeId)>,
    /// Sources of posts that do not hear everything.
    pub minded: BTreeSet<SourceName>,
}

impl Needs {
    pub fn of(parts: &[Part], hearing: &Hearing) -> Self {
        let mut needs = Self::default();
        for part in parts {
            match &part.request {
                Request::Posts {
                    source,
                    sightings,
                    gate,
                    ..
                } => {
                    needs.sightings(source, sightings);
                    if hearing.minds(source) || *gate == Gate::Open {
                        needs.minded.insert(source.clone());
                    }
                }
                Request::Command { order, .. } => {
                    needs.cases.insert(order.case);
                    needs.inbox.push(order.key.clone());
                    needs.pauses |= matches!(order.ask, Ask::Pause { .. });
                    match &order.ask {
                        Ask::Press { reply, .. } => {
                            needs.replies.insert(*reply);
                            needs.answered.insert(order.case);
                        }
                        Ask::Reply { .. } | Ask::Approve { .. } => {
                            needs.answered.insert(order.case);
                        }
                        Ask::Wish(_) | Ask::Reject { .. } | Ask::Pause { .. } => {}
                    }
                }
                Request::Claim { reply, .. } => {
                    needs.replies.insert(*reply);
                    needs.pauses = true;
                }
                Request::LookAtPauses { .. } => needs.pauses = true,
                Request::Settle { settled, .. } => needs.settled(settled),
                Request::Begin { .. } | Request::Announce { .. } | Request::Aside { .. } => {}
            }
        }
        needs
    }

    fn sightings(&mut self, source: &SourceName, sightings: &[Sighting]) {
        for sighting in sightings {
            match sighting {
                Sighting::Post(post) => {
                    self.posts.insert((post.source.clone(), post.id.clone()));
                    let author = post.author.id.clone();
                    self.talks
                        .insert((post.source.clone(), post.conversation.clone(), author));
                }
                Sighting::Gone(id) => {
                    self.posts.insert((source.clone(), id.clone()));
                }
            }
        }
    }

    fn settled(&mut self, settled: &[Settled]) {
        for one in settled {
            match one {
                Settled::Done(_) | Settled::Dead(..) | Settled::Owes { .. } => {}
                Settled::Reply { reply, end, .. } => {
                    self.replies.insert(*reply);
                    if let ReplyEnd::Sent(published) = end {
                        self.published.push((*reply, published.id.clone()));
                    }
                }
                Settled::ReplyTold { reply, .. } | Settled::Expired { reply, .. } => {
                    self.replies.insert(*reply);
                }
                Settled::Woken { case, .. } => {
                    self.cases.insert(*case);
                }
                Settled::Opened { case, .. } => {
                    self.opened.insert(*case);
                }
            }
        }
    }
}

/// The replies that posts of these requests may be the echoes of.
pub(super) fn echoes(parts: &[Part], flights: &[Flight]) -> Vec<ReplyId> {
    let mut found = Vec::new();
    for part in parts.iter().filter(|_| !flights.is_empty()) {
        let Request::Posts { sightings, .. } = &part.request else {
            continue;
        };
        for sighting in sightings {
            if let Sighting::Post(post) = sighting
                && let Some(parent) = &post.in_reply_to
            {
                let to = flights.iter().filter(|flight| flight.target == *parent);
                found.extend(to.map(|flight| flight.reply));
            }
        }
    }
    found
}
