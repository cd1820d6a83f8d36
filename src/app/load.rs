//! Loads what a batch of requests will look at, set-wise.

use super::desk::{Desk, State, stopped};
use super::hearing::MOST_COUNTED;
use super::intake;
use super::needs::{Needs, echoes};
use super::part::Part;
use super::work::{PostKey, Work};
use crate::domain::{CaseNumber, NativeId, ReplyId, SourceName};
use crate::store::Error;
use std::collections::BTreeSet;

impl Desk {
    /// Loads everything that the parts will look at, set-wise.
    pub(super) async fn load(&self, parts: &[Part], state: &State) -> Result<Work, Error> {
        let mut work = self.empty_work(state);
        let Needs {
            posts,
            talks,
            mut cases,
            opened,
            mut replies,
            mut inbox,
            pauses,
            answered,
            published,
            minded,
        } = Needs::of(parts, &self.rules.hearing);
        replies.extend(echoes(parts, &state.flights));
        if pauses {
            let rows = self.store.pauses().await?;
            work.pauses = stopped(&rows);
            work.unlogged = rows.into_iter().filter(|row| !row.logged).collect();
        }
        let posts: Vec<_> = posts.into_iter().collect();
        let talks: Vec<_> = talks.into_iter().collect();
        inbox.extend(posts.iter().map(intake::tombstone));
        let known = self.store.known(&posts, &talks, &inbox).await?;
        for stored in known.posts {
            cases.insert(stored.case);
            work.know(stored);
        }
        work.own = known.own.into_iter().collect();
        for case in known.cases {
            work.talks.insert(
                (
                    case.source.clone(),
                    case.conversation.clone(),
                    case.author.clone(),
                ),
                case.number,
            );
            cases.insert(case.number);
            work.cases.insert(case.number, case);
        }
        self.load_heard(&mut work, &posts, minded).await?;
        work.inbox = known.inbox.into_iter().map(|row| (row.key, row.answer)).collect();
        // What the customer wrote there, and what went to the same post before.
        let numbers: Vec<_> = answered.iter().copied().collect();
        for stored in self.store.posts_of_cases(&numbers).await? {
            work.know(stored);
        }
        for number in answered {
            for reply in self.store.replies_of(number).await? {
                work.know_reply(reply);
            }
        }
        self.load_cases(&mut work, cases, replies).await?;
        self.load_opened(&mut work, opened).await?;
        self.load_published(&mut work, published).await?;
        Ok(work)
    }

    /// What is known of posts of sources that do not hear everything.
    async fn load_heard(
        &self,
        work: &mut Work,
        posts: &[PostKey],
        minded: BTreeSet<SourceName>,
    ) -> Result<(), Error> {
        let of_minded = posts.iter().filter(|(source, _)| minded.contains(source));
        let of_minded: Vec<_> = of_minded.cloned().collect();
        work.unheard = self.store.unheard(&of_minded).await?;
        for source in minded {
            if self.rules.hearing.floods.contains_key(&source) {
                let count = self.store.count_some_posts(&source, MOST_COUNTED).await?;
                work.known.insert(source, count);
            }
        }
        Ok(())
    }

    /// Whether what platforms say they published was there before.
    async fn load_published(
        &self,
        work: &mut Work,
        published: Vec<(ReplyId, NativeId)>,
    ) -> Result<(), Error> {
        let key = |(reply, id): (ReplyId, NativeId)| Some((work.replies.get(&reply)?.source.clone(), id));
        let keys: Vec<PostKey> = published.into_iter().filter_map(key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        let known = self.store.known(&keys, &[], &[]).await?;
        known.posts.into_iter().for_each(|stored| work.know(stored));
        work.own.extend(known.own);
        Ok(())
    }

    /// Of cases whose thread opened only how they stand is asked.
    async fn load_opened(&self, work: &mut Work, mut opened: BTreeSet<CaseNumber>) -> Result<(), Error> {
        opened.retain(|number| !work.cases.contains_key(number));
        let opened: Vec<_> = opened.into_iter().collect();
        for case in self.store.cases(&opened).await? {
            work.cases.insert(case.number, case);
        }
        Ok(())
    }

    pub(super) async fn load_cases(
        &self,
        work: &mut Work,
        mut cases: BTreeSet<CaseNumber>,
        mut replies: BTreeSet<ReplyId>,
    ) -> Result<(), Error> {
        if !replies.is_empty() {
            let ids: Vec<_> = replies.iter().copied().collect();
            for reply in self.store.replies(&ids).await? {
                cases.insert(reply.case);
                work.know_reply(reply);
            }
        }
        if cases.is_empty() {
            return Ok(());
        }
        let missing: Vec<_> = cases
            .iter()
            .copied()
            .filter(|number| !work.cases.contains_key(number))
            .collect();
        if !missing.is_empty() {
            work.cases.extend(
                self.store
                    .cases(&missing)
                    .await?
                    .into_iter()
                    .map(|case| (case.number, case)),
            );
        }
        let numbers: Vec<_> = cases.into_iter().collect();
        for thread in self.store.threads(&numbers).await? {
            work.threads.entry(thread.case).or_default().push(thread);
        }
        let mut targets = Vec::new();
        for case in work.cases.values() {
            if let Some(pending) = &case.pending
                && !work.replies.contains_key(&pending.id)
            {
                replies.insert(pending.id);
            }
            let key = (case.source.clone(), case.last_post.clone());
            if !work.posts.contains_key(&key) {
                targets.push(key);
            }
        }
        let pending: Vec<_> = replies
            .into_iter()
            .filter(|id| !work.replies.contains_key(id))
            .collect();
        if !pending.is_empty() {
            for reply in self.store.replies(&pending).await? {
                work.know_reply(reply);
            }
        }
        for reply in work.replies.values() {
            let key = (reply.source.clone(), reply.target.clone());
            if !work.posts.contains_key(&key) && !targets.contains(&key) {
                targets.push(key);
            }
        }
        if !targets.is_empty() {
            let mut bereft = Vec::new();
            for stored in self.store.posts(&targets).await? {
                if stored.post.deleted {
                    bereft.push(stored.case);
                }
                work.know(stored);
            }
            // Where the last post is gone, an earlier one can be answered.
            for stored in self.store.posts_of_cases(&bereft).await? {
                work.know(stored);
            }
        }
        Ok(())
    }
}
