//! The ledger: the one writer. It takes whatever requests wait, loads what they need, lets the pure
//! core work on them, and writes all of it in one commit; only then are they answered. So many
//! requests share a commit without any of them waiting for others to come.

use super::approvals::Approvals;
use super::deliver::Idle;
use super::directory::Directory;
use super::hearing::{Hearing, Memory};
use super::part::Part;
use super::pauses::{Pause, Pauses, Stopped};
use super::request::Request;
use super::work::{Flight, Tempers, Work};
use crate::domain::care::Care;
use crate::domain::{ButtonKey, Clock, EffectRow, Instant, Sighting, SourceName, Standing};
use crate::port::SocialPlatform;
use crate::store::{CaseFilter, Changes, Counters, Error, PauseRow, Seal, Store};
use chrono::TimeDelta;
use futures_util::future::BoxFuture;
use std::collections::{BTreeSet, HashMap, HashSet};
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
    pub requests: mpsc::Receiver<Request>,
    pub outbox: mpsc::UnboundedSender<Vec<EffectRow>>,
    /// The lanes whose effects are begun with their commit.
    pub idle: Idle,
    /// What is remembered since the last commit.
    pub state: State,
    /// Whether a commit ended without a certain answer, so that the counters must be read again.
    pub doubtful: bool,
    /// Whether the last commit failed because the database takes nothing, and that was said.
    pub stuck: bool,
}

/// What the ledger remembers from one commit to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub counters: Counters,
    /// Replies whose end is not known.
    pub flights: Vec<Flight>,
    /// When agents' replies were flagged lately, by their keys.
    pub tempers: Tempers,
    /// What is remembered of the sources.
    pub memory: Memory,
}

/// What a batch changes, ready to be committed.
struct Ready {
    changes: Changes,
    after: State,
    now: Instant,
    /// Where publishing was stopped before.
    were: Stopped,
    /// Where it is then.
    pauses: Stopped,
}

/// A commit, and what is true once it has ended well.
struct Landing {
    commit: BoxFuture<'static, Result<(), Error>>,
    effects: Vec<EffectRow>,
    after: State,
    were: Stopped,
    pauses: Stopped,
}

/// A batch whose commit is under way.
struct UnderWay {
    parts: Vec<Part>,
    /// The sources whose posts it is about; none if it is about anything else.
    sources: Option<HashSet<SourceName>>,
    landing: Landing,
    began: std::time::Instant,
}

impl UnderWay {
    /// Whether what a batch will look at is not touched by this one, so that it may be looked at before
    /// the commit has ended. All that posts touch belongs to their source.
    fn is_apart(&self, sources: Option<&HashSet<SourceName>>) -> bool {
        match (&self.sources, sources) {
            (Some(ours), Some(theirs)) => ours.is_disjoint(theirs),
            _ => false,
        }
    }
}

impl Desk {
    /// Works until every handle is gone. While a commit is under way, the next batch is made ready
    /// where the two have nothing to do with each other.
    pub async fn run(mut self) {
        let mut kept = None;
        let mut under_way: Option<UnderWay> = None;
        loop {
            let batch = match &mut under_way {
                None => next(&mut self.requests, &mut kept).await,
                Some(before) => tokio::select! {
                    biased;
                    done = &mut before.landing.commit => {
                        if let Some(before) = under_way.take() {
                            self.ended(before, done).await;
                        }
                        continue;
                    }
                    batch = next(&mut self.requests, &mut kept) => batch,
                },
            };
            let Some(batch) = batch else {
                if let Some(before) = under_way {
                    self.end(before).await;
                }
                return;
            };
            let parts = batch.into_iter().map(Part::from).collect();
            under_way = match under_way {
                None => self.begin(parts).await,
                Some(before) => Box::pin(self.begin_beside(before, parts)).await,
            };
        }
    }

    /// Makes a batch ready and begins its commit.
    async fn begin(&mut self, mut parts: Vec<Part>) -> Option<UnderWay> {
        let began = std::time::Instant::now();
        match self.prepare_anew(&mut parts).await {
            Ok(ready) => Some(self.under_way(parts, ready, began)),
            Err(error) => {
                self.refused(parts, error).await;
                None
            }
        }
    }

    /// The same while another commit is under way. That one is answered as soon as it has ended; if it
    /// ends badly, what was made ready on top of it is made ready again.
    async fn begin_beside(&mut self, before: UnderWay, mut parts: Vec<Part>) -> Option<UnderWay> {
        if !before.is_apart(about(&parts).as_ref()) {
            self.end(before).await;
            return self.begin(parts).await;
        }
        let began = std::time::Instant::now();
        let UnderWay {
            parts: others,
            landing,
            began: before_began,
            ..
        } = before;
        let Landing {
            commit,
            effects,
            after,
            ..
        } = landing;
        let outbox = self.outbox.clone();
        let ending = async move {
            let done = commit.await;
            record(before_began);
            match done {
                Ok(()) => {
                    hand_on(&outbox, effects);
                    others.into_iter().for_each(Part::answer);
                    Ok(())
                }
                Err(error) => Err((others, error)),
            }
        };
        let (ended, ready) = tokio::join!(ending, self.prepare(&mut parts, &after));
        match (ended, ready) {
            (Ok(()), Ok(ready)) => {
                self.stands(after);
                Some(self.under_way(parts, ready, began))
            }
            (Ok(()), Err(error)) => {
                self.stands(after);
                self.refused(parts, error).await;
                None
            }
            (Err((others, error)), _) => {
                self.doubtful = true;
                self.refused(others, error).await;
                self.begin(parts).await
            }
        }
    }

    /// Waits for the end of a commit.
    async fn end(&mut self, mut before: UnderWay) {
        let done = (&mut before.landing.commit).await;
        self.ended(before, done).await;
    }

    /// A commit has ended: its parts are answered.
    async fn ended(&mut self, before: UnderWay, done: Result<(), Error>) {
        record(before.began);
        match self.land(before.landing, done).await {
            Ok(()) => before.parts.into_iter().for_each(Part::answer),
            Err(error) => self.refused(before.parts, error).await,
        }
    }

    /// A batch was not written. Content that the database refuses is found by writing the requests one
    /// by one, and set aside, so that it blocks nothing.
    async fn refused(&mut self, parts: Vec<Part>, error: Error) {
        match error {
            Error::Unavailable(reason) => {
                // Whoever is refused comes again, a thousand times: it is said once.
                if !std::mem::replace(&mut self.stuck, true) {
                    tracing::error!(reason, "Cannot write; nothing is acknowledged until it can.");
                }
                parts.into_iter().for_each(|part| part.fail(&reason));
            }
            error => {
                tracing::warn!(%error, "The database refused a batch; its parts are written one by one.");
                for part in parts {
                    self.write_alone(part).await;
                }
            }
        }
    }

    /// Loads, works, commits. The outcome of each part is kept in it, to be answered after the commit.
    pub(super) async fn attempt(&mut self, parts: &mut [Part]) -> Result<(), Error> {
        let ready = self.prepare_anew(parts).await?;
        let mut landing = self.launch(ready);
        let done = (&mut landing.commit).await;
        self.land(landing, done).await
    }

    /// Makes parts ready while no commit is under way.
    async fn prepare_anew(&mut self, parts: &mut [Part]) -> Result<Ready, Error> {
        if self.doubtful {
            self.state.counters = self.store.counters().await?;
            self.doubtful = false;
            // An empty batch tells the worker to look into the outbox itself.
            let _ = self.outbox.send(Vec::new());
        }
        self.prepare(parts, &self.state).await
    }

    /// Loads and works, on top of a state.
    async fn prepare(&self, parts: &mut [Part], state: &State) -> Result<Ready, Error> {
        let mut work = self.load(parts, state).await?;
        let were = self.rules.pauses.read();
        for part in parts.iter_mut() {
            part.work(&mut work, &self.rules);
        }
        let now = work.now;
        let pauses = std::mem::take(&mut work.pauses);
        let tempers = std::mem::take(&mut work.tempers);
        let memory = std::mem::take(&mut work.memory);
        let (changes, counters, flights) = work.finish(state.counters);
        let after = State {
            counters,
            flights,
            tempers,
            memory,
        };
        Ok(Ready {
            changes,
            after,
            now,
            were,
            pauses,
        })
    }

    fn under_way(&self, parts: Vec<Part>, ready: Ready, began: std::time::Instant) -> UnderWay {
        UnderWay {
            sources: about(&parts),
            landing: self.launch(ready),
            parts,
            began,
        }
    }

    /// A commit, which begins when it is waited for.
    fn launch(&self, ready: Ready) -> Landing {
        let Ready {
            mut changes,
            after,
            now,
            were,
            pauses,
        } = ready;
        self.idle.begin(&mut changes.effects, now);
        let mut effects = changes.effects.clone();
        // Here the attempt that is written down is still to come.
        effects.iter_mut().for_each(|row| row.attempts = 0);
        let store = self.store.clone();
        Landing {
            commit: Box::pin(async move { store.commit(changes).await }),
            effects,
            after,
            were,
            pauses,
        }
    }

    /// What a commit leaves behind.
    async fn land(&mut self, landing: Landing, done: Result<(), Error>) -> Result<(), Error> {
        // Whatever was refused or cut off: the numbers are those of the database.
        self.doubtful = done.is_err();
        done?;
        let Landing {
            effects,
            after,
            were,
            pauses,
            ..
        } = landing;
        self.stands(after);
        let changed = pauses != were;
        self.rules.pauses.replace(pauses);
        hand_on(&self.outbox, effects);
        if changed {
            self.show_pauses().await;
        }
        Ok(())
    }

    /// This is what is true now.
    fn stands(&mut self, after: State) {
        self.state = after;
        if std::mem::take(&mut self.stuck) {
            tracing::info!("Writing again.");
        }
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
        let mut work = self.empty_work(&self.state);
        let cases = self.store.list_cases(&open, MOST_CARDS).await?;
        let numbers: BTreeSet<_> = cases.iter().map(|case| case.number).collect();
        work.cases
            .extend(cases.into_iter().map(|case| (case.number, case)));
        self.load_cases(&mut work, numbers.clone(), BTreeSet::new())
            .await?;
        for number in numbers {
            work.renew(&self.rules.directory, number);
        }
        let (changes, counters, _) = work.finish(self.state.counters);
        let effects = changes.effects.clone();
        let committed = self.store.commit(changes).await;
        self.doubtful = committed.is_err();
        committed?;
        self.state.counters = counters;
        hand_on(&self.outbox, effects);
        Ok(())
    }

    pub(super) fn empty_work(&self, state: &State) -> Work {
        let mut work = Work::new(self.clock.now(), state.counters, state.flights.clone());
        work.pauses = self.rules.pauses.read();
        work.tempers.clone_from(&state.tempers);
        work.memory.clone_from(&state.memory);
        work
    }

    /// Reads where publishing is stopped: somebody outside may have changed it.
    pub async fn read_pauses(&mut self) -> Result<(), Error> {
        self.rules.pauses.replace(stopped(&self.store.pauses().await?));
        Ok(())
    }
}

/// What waits, as far as it fits into one commit. None when every handle is gone.
async fn next(requests: &mut mpsc::Receiver<Request>, kept: &mut Option<Request>) -> Option<Vec<Request>> {
    let first = match kept.take() {
        Some(request) => request,
        None => requests.recv().await?,
    };
    let mut posts = weight(&first);
    let mut batch = vec![first];
    while batch.len() < MOST_REQUESTS && posts < MOST_POSTS {
        match requests.try_recv() {
            Ok(request) if posts + weight(&request) > MOST_POSTS => {
                *kept = Some(request);
                break;
            }
            Ok(request) => {
                posts += weight(&request);
                batch.push(request);
            }
            Err(_) => break,
        }
    }
    Some(batch)
}

/// The sources whose posts these are, if they are nothing but posts.
fn about(parts: &[Part]) -> Option<HashSet<SourceName>> {
    let mut sources = HashSet::new();
    for part in parts {
        let Request::Posts {
            source, sightings, ..
        } = &part.request
        else {
            return None;
        };
        sources.insert(source.clone());
        let foreign = sightings.iter().filter_map(|sighting| match sighting {
            Sighting::Post(post) => (post.source != *source).then(|| post.source.clone()),
            Sighting::Gone(_) => None,
        });
        sources.extend(foreign);
    }
    Some(sources)
}

/// Tells the worker what is owed.
fn hand_on(outbox: &mpsc::UnboundedSender<Vec<EffectRow>>, effects: Vec<EffectRow>) {
    if !effects.is_empty() {
        let _ = outbox.send(effects);
    }
}

fn record(began: std::time::Instant) {
    metrics::histogram!("hearback_commit_seconds").record(began.elapsed().as_secs_f64());
}

/// What is stopped, by what the database says.
pub(super) fn stopped(rows: &[PauseRow]) -> Stopped {
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
