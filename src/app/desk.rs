//! The ledger: the one writer. It takes whatever requests wait, loads what they need, lets the pure
//! core work on them, and writes all of it in one commit; only then are they answered. So many
//! requests share a commit without any of them waiting for others to come.

use super::act;
use super::deliver::Idle;
use super::directory::Directory;
use super::inbound::{Intake, Unavailable};
use super::intake;
use super::request::{Ask, Request, Settled};
use super::work::{Flight, PostKey, TalkKey, Work};
use crate::domain::{CaseNumber, Clock, EffectRow, ReplyId, Sighting, SourceName, Standing};
use crate::port::SocialPlatform;
use crate::store::{Aside, Changes, Counters, Error, Seal, Store};
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
    /// How long a platform may still act after an uncertain end.
    pub settle: Duration,
    /// This installation's name, part of every idempotency key.
    pub installation: String,
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
            Ok(()) => parts.into_iter().for_each(Part::answer),
            Err(Error::Unavailable(reason)) => {
                tracing::error!(reason, "Cannot write; nothing was acknowledged.");
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
                answer,
            } => {
                let done = self.one_by_one(&source, sightings, cursor).await;
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
    ) -> Result<Intake, Error> {
        let mut intake = Intake::default();
        let last = sightings.pop();
        for sighting in sightings {
            self.one_sighting(source, sighting, None, &mut intake).await?;
        }
        if let Some(sighting) = last {
            self.one_sighting(source, sighting, cursor, &mut intake).await?;
        }
        Ok(intake)
    }

    async fn one_sighting(
        &mut self,
        source: &SourceName,
        sighting: Sighting,
        cursor: Option<super::inbound::Cursor>,
        intake: &mut Intake,
    ) -> Result<(), Error> {
        let raw = format!("{sighting:?}");
        let (answer, taken) = tokio::sync::oneshot::channel();
        let alone = Request::Posts {
            source: source.clone(),
            sightings: vec![sighting],
            cursor: cursor.clone(),
            answer,
        };
        let mut parts = vec![Part::from(alone)];
        match self.attempt(&mut parts).await {
            Ok(()) => {
                parts.into_iter().for_each(Part::answer);
                if let Ok(Ok(one)) = taken.await {
                    intake.accepted += one.accepted;
                    intake.duplicates += one.duplicates;
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
        for part in parts.iter_mut() {
            part.work(&mut work, &self.rules);
        }
        let before = self.counters;
        let now = work.now;
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
        if !effects.is_empty() {
            let _ = self.outbox.send(effects);
        }
        Ok(())
    }

    /// Loads everything that the parts will look at, set-wise.
    async fn load(&self, parts: &[Part]) -> Result<Work, Error> {
        let mut work = Work::new(self.clock.now(), self.counters, self.flights.clone());
        let Needs {
            posts,
            talks,
            mut cases,
            opened,
            replies,
            mut inbox,
        } = Needs::of(parts);
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
        work.inbox = known.inbox.into_iter().map(|row| (row.key, row.answer)).collect();
        self.load_cases(&mut work, cases, replies).await?;
        self.load_opened(&mut work, opened).await?;
        Ok(work)
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
                work.replies.insert(reply.id, reply);
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
            if let Some(pending) = case.pending
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
            work.replies.extend(
                self.store
                    .replies(&pending)
                    .await?
                    .into_iter()
                    .map(|reply| (reply.id, reply)),
            );
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

/// What the parts of a batch will look at.
#[derive(Default)]
struct Needs {
    posts: BTreeSet<PostKey>,
    talks: BTreeSet<TalkKey>,
    cases: BTreeSet<CaseNumber>,
    opened: BTreeSet<CaseNumber>,
    replies: BTreeSet<ReplyId>,
    inbox: Vec<String>,
}

impl Needs {
    fn of(parts: &[Part]) -> Self {
        let mut needs = Self::default();
        for part in parts {
            match &part.request {
                Request::Posts {
                    source, sightings, ..
                } => needs.sightings(source, sightings),
                Request::Command { order, .. } => {
                    needs.cases.insert(order.case);
                    needs.inbox.push(order.key.clone());
                    if let Ask::Settle { reply, there: _ } = order.ask {
                        needs.replies.insert(reply);
                    }
                }
                Request::Claim { reply, .. } => {
                    needs.replies.insert(*reply);
                }
                Request::Settle { settled, .. } => needs.settled(settled),
                Request::Begin { .. } | Request::Aside { .. } => {}
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
                Settled::Done(_) | Settled::Dead(..) => {}
                Settled::ReplyTold { reply, .. } | Settled::Reply { reply, .. } => {
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

fn weight(request: &Request) -> usize {
    match request {
        Request::Posts { sightings, .. } => sightings.len(),
        Request::Command { .. }
        | Request::Begin { .. }
        | Request::Claim { .. }
        | Request::Settle { .. }
        | Request::Aside { .. } => 1,
    }
}

fn shortened(mut raw: String) -> String {
    if raw.len() > MOST_RAW {
        let mut end = MOST_RAW;
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        raw.truncate(end);
    }
    raw
}

/// A request with its outcome, which is answered only after the commit.
struct Part {
    request: Request,
    outcome: Outcome,
}

enum Outcome {
    None,
    Intake(Intake),
    Response(Box<super::inbound::Response>),
    Claimed(Option<Box<crate::domain::Reply>>),
}

impl From<Request> for Part {
    fn from(request: Request) -> Self {
        Self {
            request,
            outcome: Outcome::None,
        }
    }
}

impl Part {
    /// Does the request's work. May be called again after a batch was refused, so it takes nothing away.
    fn work(&mut self, work: &mut Work, rules: &Rules) {
        self.outcome = match &self.request {
            Request::Posts {
                source,
                sightings,
                cursor,
                ..
            } => Outcome::Intake(intake::posts(
                work,
                &rules.directory,
                source,
                sightings.clone(),
                cursor.clone(),
            )),
            Request::Command { order, .. } => {
                Outcome::Response(Box::new(act::command(work, rules, order.clone())))
            }
            Request::Begin { effects, .. } => {
                let now = work.now;
                work.changes
                    .effects_begun
                    .extend(effects.iter().map(|id| (*id, now)));
                Outcome::None
            }
            Request::Claim { reply, .. } => Outcome::Claimed(act::claim(work, *reply)),
            Request::Settle { settled, .. } => {
                for one in settled {
                    act::settle(work, rules, one.clone());
                }
                Outcome::None
            }
            Request::Aside {
                origin, reason, raw, ..
            } => {
                work.changes.asides.push(Aside {
                    at: work.now,
                    origin: origin.clone(),
                    reason: reason.clone(),
                    raw: shortened(raw.clone()),
                });
                Outcome::None
            }
        };
    }

    fn answer(self) {
        // A receiver that is gone has nobody to tell; the work is done.
        match (self.request, self.outcome) {
            (Request::Posts { answer, .. }, Outcome::Intake(intake)) => drop(answer.send(Ok(intake))),
            (Request::Command { answer, .. }, Outcome::Response(response)) => {
                drop(answer.send(Ok(*response)))
            }
            (Request::Claim { answer, .. }, Outcome::Claimed(reply)) => drop(answer.send(Ok(reply))),
            (
                Request::Begin { answer, .. }
                | Request::Settle { answer, .. }
                | Request::Aside { answer, .. },
                _,
            ) => drop(answer.send(Ok(()))),
            (Request::Posts { .. } | Request::Command { .. } | Request::Claim { .. }, _) => {}
        }
    }

    fn fail(self, reason: &str) {
        let why = Unavailable(reason.to_owned());
        match self.request {
            Request::Posts { answer, .. } => drop(answer.send(Err(why))),
            Request::Command { answer, .. } => drop(answer.send(Err(why))),
            Request::Claim { answer, .. } => drop(answer.send(Err(why))),
            Request::Begin { answer, .. }
            | Request::Settle { answer, .. }
            | Request::Aside { answer, .. } => {
                drop(answer.send(Err(why)));
            }
        }
    }
}
