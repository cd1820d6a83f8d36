//! The ledger: the one writer. It takes whatever requests wait, loads what they need, lets the pure
//! core work on them, and writes all of it in one commit; only then are they answered. So many
//! requests share a commit without any of them waiting for others to come.

use super::approvals::Approvals;
use super::deliver::Idle;
use super::directory::Directory;
use super::hearing::{Gate, Hearing, MOST_COUNTED, Memory};
use super::inbound::{Intake, Unavailable};
use super::intake;
use super::needs::{Needs, echoes};
use super::part::Part;
use super::pauses::{Pause, Pauses, Stopped};
use super::request::Request;
use super::work::{Flight, PostKey, Tempers, Work};
use crate::domain::care::Care;
use crate::domain::{
    ButtonKey, CaseNumber, Clock, EffectRow, NativeId, ReplyId, Sighting, SourceName, Standing,
};
use crate::port::SocialPlatform;
use crate::store::{Aside, CaseFilter, Changes, Counters, Error, PauseRow, Seal, Store};
use chrono::TimeDelta;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How many requests may wait.
pub(super) const QUEUE: usize = 1_024;
/// The most posts in one commit.
const MOST_POSTS: usize = 1_000;
/// The most requests in one commit.
const MOST_REQUESTS: usize = 256;
/// The most cards that are renewed when publishing is stopped or goes on: the open cases
/// that wait longest.
const MOST_CARDS: i64 = 1_000;
/// The most of a thing set aside that is kept.
const MOST_RAW: usize = 64 * 1024;

/// What the ledger decides by.
pub struct Rules {
    /// Who works here, and where.
    pub directory: Directory,
    /// The networks, by source.
    pub networks: HashMap<SourceName, Arc<dyn SocialPlatform>>,
    /// The undo window of replies.
    pub hold: Duration,
    /// The most time one publishing call takes.
    pub timeout: Duration,
    /// How long a platform may still act after an uncertain end.
    pub settle: Duration,
    /// Which replies somebody else has to agree to.
    pub approvals: Approvals,
    /// For how long somebody can.
    pub approval_expires: TimeDelta,
    /// What is minded in replies.
    pub care: Care,
    /// This installation's name, part of every idempotency key.
    pub installation: String,
    /// What buttons about replies are sealed with.
    pub button_key: ButtonKey,
    /// What is heard of the sources.
    pub hearing: Hearing,
    /// Where nothing is published at present.
    pub pauses: Pauses,
    /// How the database stood to its seal at the start.
    pub standing: Standing,
    /// What is written down outside of the database; none where nothing is published.
    pub seal: Option<Seal>,
}

/// The ledger's own state.
pub(super) struct Desk {
    pub store: Store,
    pub rules: Arc<Rules>,
    pub clock: Arc<dyn Clock>,
    pub counters: Counters,
    pub requests: mpsc::Receiver<Request>,
    pub outbox: mpsc::UnboundedSender<Vec<EffectRow>>,
    /// The lanes whose effects are begun with their commit.
    pub idle: Idle,
    /// Replies whose end is not known.
    pub flights: Vec<Flight>,
    /// Whether a commit ended without a certain answer, so that the counters must be read again.
    pub doubtful: bool,
    /// When agents' replies were flagged lately, by their keys.
    pub tempers: Tempers,
    /// What is remembered of the sources.
    pub memory: Memory,
    /// Whether the last commit failed because the database takes nothing, and that was said.
    pub stuck: bool,
}

impl Desk {
    /// Works until every handle is gone.
    pub async fn run(mut self) {
        let mut kept = None;
        loop {
            let first = match kept.take() {
                Some(request) => request,
                None => match self.requests.recv().await {
                    Some(request) => request,
                    None => return,
                },
            };
            let mut batch = vec![first];
            let mut posts = weight(&batch[0]);
            while batch.len() < MOST_REQUESTS && posts < MOST_POSTS {
                match self.requests.try_recv() {
                    Ok(request) if posts + weight(&request) > MOST_POSTS => {
                        kept = Some(request);
                        break;
                    }
                    Ok(request) => {
                        posts += weight(&request);
                        batch.push(request);
                    }
                    Err(_) => break,
                }
            }
            self.write(batch).await;
        }
    }

    /// Writes a batch in one commit; content that the database refuses is found by writing the
    /// requests one by one, and set aside, so that it blocks nothing.
    async fn write(&mut self, batch: Vec<Request>) {
        let began = std::time::Instant::now();
        let mut parts: Vec<_> = batch.into_iter().map(Part::from).collect();
        let done = self.attempt(&mut parts).await;
        metrics::histogram!("hearback_commit_seconds").record(began.elapsed().as_secs_f64());
        match done {
            Ok(()) => {
                if std::mem::take(&mut self.stuck) {
                    tracing::info!("Writing again.");
                }
                parts.into_iter().for_each(Part::answer);
            }
            Err(Error::Unavailable(reason)) => {
                // Whoever is refused comes again, a thousand times: it is said once.
                if !std::mem::replace(&mut self.stuck, true) {
                    tracing::error!(reason, "Cannot write; nothing is acknowledged until it can.");
                }
                parts.into_iter().for_each(|part| part.fail(&reason));
            }
            Err(error) => {
                tracing::warn!(%error, "The database refused a batch; its parts are written one by one.");
                for part in parts {
                    self.write_alone(part).await;
                }
            }
        }
    }

    async fn write_alone(&mut self, part: Part) {
        let mut parts = vec![part];
        match self.attempt(&mut parts).await {
            Ok(()) => parts.into_iter().for_each(Part::answer),
            Err(Error::Unavailable(reason)) => parts.into_iter().for_each(|part| part.fail(&reason)),
            Err(error) => {
                for part in parts {
                    self.poisoned(part, &error.to_string()).await;
                }
            }
        }
    }

    /// A request that cannot be written: posts are split until the bad one is alone, then it is set
    /// aside; of a delivery only that it ended is kept.
    async fn poisoned(&mut self, part: Part, reason: &str) {
        match part.request {
            Request::Posts {
                source,
                sightings,
                cursor,
                gate,
                answer,
            } => {
                let done = self.one_by_one(&source, sightings, cursor, gate).await;
                let _ = answer.send(done.map_err(|error| Unavailable(error.to_string())));
            }
            Request::Settle { settled, answer } => {
                tracing::error!(reason, "What became of a delivery could not be written.");
                let settled = settled.into_iter().map(|one| one.without_words(reason)).collect();
                let mut parts = vec![Part::from(Request::Settle { settled, answer })];
                match self.attempt(&mut parts).await {
                    Ok(()) => parts.into_iter().for_each(Part::answer),
                    Err(error) => parts.into_iter().for_each(|part| part.fail(&error.to_string())),
                }
            }
            request @ (Request::Command { .. }
            | Request::Begin { .. }
            | Request::Claim { .. }
            | Request::LookAtPauses { .. }
            | Request::Announce { .. }
            | Request::Aside { .. }) => {
                tracing::error!(reason, "A request could not be written.");
                Part::from(request).fail(reason);
            }
        }
    }

    /// Writes posts one by one. What was written before an error is a duplicate the next time.
    async fn one_by_one(
        &mut self,
        source: &SourceName,
        mut sightings: Vec<Sighting>,
        cursor: Option<super::inbound::Cursor>,
        gate: Gate,
    ) -> Result<Intake, Error> {
        let mut intake = Intake::default();
        let last = sightings.pop();
        for sighting in sightings {
            self.one_sighting(source, (sighting, gate), None, &mut intake)
                .await?;
        }
        if let Some(sighting) = last {
            self.one_sighting(source, (sighting, gate), cursor, &mut intake)
                .await?;
        }
        Ok(intake)
    }

    async fn one_sighting(
        &mut self,
        source: &SourceName,
        (sighting, gate): (Sighting, Gate),
        cursor: Option<super::inbound::Cursor>,
        intake: &mut Intake,
    ) -> Result<(), Error> {
        let raw = format!("{sighting:?}");
        let (answer, taken) = tokio::sync::oneshot::channel();
        let alone = Request::Posts {
            source: source.clone(),
            sightings: vec![sighting],
            cursor: cursor.clone(),
            gate,
            answer,
        };
        let mut parts = vec![Part::from(alone)];
        match self.attempt(&mut parts).await {
            Ok(()) => {
                parts.into_iter().for_each(Part::answer);
                if let Ok(Ok(one)) = taken.await {
                    intake.accepted += one.accepted;
                    intake.duplicates += one.duplicates;
                    intake.unheard += one.unheard;
                }
                Ok(())
            }
            Err(Error::Unavailable(reason)) => Err(Error::Unavailable(reason)),
            Err(error) => {
                tracing::warn!(%source, %error, "A post was set aside.");
                metrics::counter!("hearback_set_aside_total", "source" => source.to_string()).increment(1);
                let row = Aside {
                    at: self.clock.now(),
                    origin: source.to_string(),
                    reason: error.to_string(),
                    raw: shortened(raw),
                };
                let cursors = cursor.map(|cursor| crate::store::CursorRow {
                    source: source.clone(),
                    stream: cursor.stream,
                    value: cursor.value,
                });
                let changes = Changes {
                    asides: vec![row],
                    cursors: cursors.into_iter().collect(),
                    ..Changes::default()
                };
                self.store.commit(changes).await?;
                intake.set_aside += 1;
                Ok(())
            }
        }
    }

    /// Loads, works, commits. The outcome of each part is kept in it, to be answered after the commit.
    async fn attempt(&mut self, parts: &mut [Part]) -> Result<(), Error> {
        if self.doubtful {
            self.counters = self.store.counters().await?;
            self.doubtful = false;
            // An empty batch tells the worker to look into the outbox itself.
            let _ = self.outbox.send(Vec::new());
        }
        let mut work = self.load(parts).await?;
        let paused = self.rules.pauses.read();
        for part in parts.iter_mut() {
            part.work(&mut work, &self.rules);
        }
        let before = self.counters;
        let now = work.now;
        let (pauses, tempers) = (
            std::mem::take(&mut work.pauses),
            std::mem::take(&mut work.tempers),
        );
        let memory = std::mem::take(&mut work.memory);
        let (mut changes, after, flights) = work.finish(before);
        self.idle.begin(&mut changes.effects, now);
        let mut effects = changes.effects.clone();
        // Here the attempt that is written down is still to come.
        effects.iter_mut().for_each(|row| row.attempts = 0);
        let committed = self.store.commit(changes).await;
        // Whatever was refused or cut off: the numbers are those of the database.
        self.doubtful = committed.is_err();
        committed?;
        self.counters = after;
        self.flights = flights;
        self.tempers = tempers;
        self.memory = memory;
        self.rules.pauses.replace(pauses.clone());
        if !effects.is_empty() {
            let _ = self.outbox.send(effects);
        }
        if pauses != paused {
            self.show_pauses().await;
        }
        Ok(())
    }

    /// Every card says whether something is published at all, and so do the messages about replies
    /// that wait.
    async fn show_pauses(&mut self) {
        if let Err(error) = self.renew_cards().await {
            tracing::warn!(%error, "The cards do not show yet whether publishing is paused.");
        }
    }

    async fn renew_cards(&mut self) -> Result<(), Error> {
        let open = CaseFilter {
            open: true,
            owner: None,
        };
        let mut work = self.empty_work();
        let cases = self.store.list_cases(&open, MOST_CARDS).await?;
        let numbers: BTreeSet<_> = cases.iter().map(|case| case.number).collect();
        work.cases
            .extend(cases.into_iter().map(|case| (case.number, case)));
        self.load_cases(&mut work, numbers.clone(), BTreeSet::new())
            .await?;
        for number in numbers {
            work.renew(&self.rules.directory, number);
        }
        let (changes, after, _) = work.finish(self.counters);
        let effects = changes.effects.clone();
        let committed = self.store.commit(changes).await;
        self.doubtful = committed.is_err();
        committed?;
        self.counters = after;
        let _ = self.outbox.send(effects);
        Ok(())
    }

    fn empty_work(&self) -> Work {
        let mut work = Work::new(self.clock.now(), self.counters, self.flights.clone());
        work.pauses = self.rules.pauses.read();
        work.tempers.clone_from(&self.tempers);
        work.memory.clone_from(&self.memory);
        work
    }

    /// Reads where publishing is stopped: somebody outside may have changed it.
    pub async fn read_pauses(&mut self) -> Result<(), Error> {
        self.rules.pauses.replace(stopped(&self.store.pauses().await?));
        Ok(())
    }

    /// Loads everything that the parts will look at, set-wise.
    async fn load(&self, parts: &[Part]) -> Result<Work, Error> {
        let mut work = self.empty_work();
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
        replies.extend(echoes(parts, &self.flights));
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

    async fn load_cases(
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

/// What is stopped, by what the database says.
fn stopped(rows: &[PauseRow]) -> Stopped {
    let pause = |row: &PauseRow| Pause {
        by: row.by.clone(),
        reason: row.reason.clone(),
        at: row.at,
    };
    let rows = rows.iter().filter(|row| row.paused);
    rows.map(|row| (row.source.clone(), pause(row))).collect()
}

fn weight(request: &Request) -> usize {
    match request {
        Request::Posts { sightings, .. } => sightings.len(),
        Request::Command { .. }
        | Request::Begin { .. }
        | Request::Claim { .. }
        | Request::Settle { .. }
        | Request::LookAtPauses { .. }
        | Request::Announce { .. }
        | Request::Aside { .. } => 1,
    }
}

pub(super) fn shortened(mut raw: String) -> String {
    if raw.len() > MOST_RAW {
        let mut end = MOST_RAW;
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        raw.truncate(end);
    }
    raw
}
