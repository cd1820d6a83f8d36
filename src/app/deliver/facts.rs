//! What the effects of a turn are about, read at once.

use super::Delivery;
use crate::app::inbound::Unavailable;
use crate::app::read::Told;
use crate::domain::{
    Case, CaseNumber, ChannelId, ChatName, Effect, EffectRow, EventId, EventRecord, MessageId, NativeId,
    Post, ReplyId, SourceName, ThreadId,
};
use crate::store::{self, ReplyMessage, Thread};
use std::collections::{HashMap, HashSet};

/// Where a case has its thread.
pub(super) type Place = (CaseNumber, ChatName, ChannelId);

/// Everything that the effects of a turn are about.
pub(super) struct Facts {
    pub cases: HashMap<CaseNumber, Case>,
    pub firsts: HashMap<CaseNumber, Post>,
    pub threads: HashMap<Place, (ThreadId, MessageId)>,
    /// The posts whose attachments are to be shown.
    pub posts: HashMap<(SourceName, NativeId), Post>,
    pub events: HashMap<EventId, EventRecord>,
    pub told: Told,
    pub reply_messages: HashMap<ReplyId, Vec<ReplyMessage>>,
}

impl Delivery {
    pub(super) async fn facts(&self, effects: &[EffectRow]) -> Result<Facts, Unavailable> {
        let numbers: Vec<_> = effects
            .iter()
            .map(|row| row.case)
            .collect::<HashSet<_>>()
            .into_iter()
            .collect();
        let store::Facts {
            cases,
            firsts,
            threads,
        } = self.store.facts(&numbers).await?;
        let cases: HashMap<_, _> = cases.into_iter().map(|case| (case.number, case)).collect();
        let mut ids = Vec::new();
        let mut posts = HashSet::new();
        let mut reply_messages = HashMap::new();
        for row in effects {
            match &row.effect {
                Effect::Tell { event, .. } => ids.push(*event),
                Effect::UpdateReply { reply, .. } => {
                    reply_messages.insert(*reply, self.store.reply_messages(*reply).await?);
                    let replies = self.store.replies(&[*reply]).await?;
                    ids.extend(replies.iter().filter_map(|reply| reply.held_by));
                }
                Effect::ShowPicture { post, .. } => {
                    let case = cases.get(&row.case);
                    posts.extend(case.map(|case| (case.source.clone(), post.clone())));
                }
                Effect::OpenThread { .. }
                | Effect::UpdateCard { .. }
                | Effect::Mend { .. }
                | Effect::SendReply { .. }
                | Effect::Reconcile { .. }
                | Effect::Expire { .. }
                | Effect::Announce { .. }
                | Effect::Wake => {}
            }
        }
        let events = if ids.is_empty() {
            Vec::new()
        } else {
            self.store.events(&ids).await?
        };
        let posts: Vec<_> = posts.into_iter().collect();
        let posts = if posts.is_empty() {
            Vec::new()
        } else {
            self.store.posts(&posts).await?
        };
        let about = events
            .iter()
            .filter_map(|record| Some((record, &cases.get(&record.case)?.source)));
        let told = Told::load(&self.store, about).await?;
        Ok(Facts {
            firsts: firsts
                .into_iter()
                .map(|stored| (stored.case, stored.post))
                .collect(),
            threads: threads
                .into_iter()
                .map(|row: Thread| ((row.case, row.chat, row.channel), (row.thread, row.card)))
                .collect(),
            posts: posts
                .into_iter()
                .map(|stored| ((stored.post.source.clone(), stored.post.id.clone()), stored.post))
                .collect(),
            events: events.into_iter().map(|record| (record.id, record)).collect(),
            told,
            reply_messages,
            cases,
        })
    }
}
