//! The outbox at work: effects go out lane by lane. Order holds inside a lane; a lane that is limited
//! or broken waits alone. The worker is woken by the ledger and by due times; it never polls.

mod facts;
mod lanes;
mod mend;
mod mirror;
mod pictures;
mod publish;

use super::desk::Rules;
use super::inbound::{Inbound, Unavailable};
use super::request::{Request, Settled};
use crate::domain::{ChatName, Clock, EffectRow, Instant, Lane, ReplyState};
use crate::port::{Attachments, ChatPlatform};
use crate::store::Store;
pub(super) use lanes::Idle;
use lanes::{Lanes, Ready};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The first pause of a lane after a failure.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause of a lane after failures.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What deliveries need. Shared by the lanes at work.
pub(super) struct Delivery {
    pub store: Store,
    pub rules: Arc<Rules>,
    pub chats: HashMap<ChatName, Arc<dyn ChatPlatform>>,
    pub attachments: Attachments,
    pub clock: Arc<dyn Clock>,
    pub inbound: Inbound,
    /// Cancelled when no new delivery may begin.
    pub stop: CancellationToken,
}

/// How a lane ended its turn.
pub(super) struct Turn {
    lane: Lane,
    /// What is still owed, in order.
    left: Vec<EffectRow>,
    /// Whether and how long the lane pauses.
    pause: Pause,
}

/// A lane's pause.
pub(super) enum Pause {
    /// None.
    No,
    /// As long as the platform said.
    Told(Duration),
    /// Growing with each failure, for this reason.
    Failed(String),
}

/// The worker.
pub struct Worker {
    delivery: Arc<Delivery>,
    effects: mpsc::UnboundedReceiver<Vec<EffectRow>>,
    lanes: Lanes,
    idle: Idle,
    busy: JoinSet<Turn>,
    /// When the outbox is to be looked through for lanes.
    look_at: Option<Instant>,
    /// Which lane a task serves, in case it breaks off.
    tasks: HashMap<tokio::task::Id, Lane>,
}

impl Worker {
    pub(super) fn new(
        delivery: Delivery,
        effects: mpsc::UnboundedReceiver<Vec<EffectRow>>,
        idle: Idle,
    ) -> Self {
        let delivery = Arc::new(delivery);
        Self {
            delivery,
            effects,
            lanes: Lanes::default(),
            idle,
            busy: JoinSet::new(),
            look_at: None,
            tasks: HashMap::new(),
        }
    }

    /// Reads what the outbox holds. Replies that were being sent when the process ended have an
    /// unknown end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn recover(&mut self) -> Result<(), Unavailable> {
        let open = self.delivery.store.open_replies().await?;
        for reply in open.iter().filter(|reply| reply.state == ReplyState::Sending) {
            tracing::warn!(reply = %reply.id, case = %reply.case, "A reply was being sent when Hearback ended.");
            publish::interrupted(&self.delivery, reply.id).await?;
        }
        publish::forget(&self.delivery, &open).await?;
        for lane in self.delivery.store.lanes().await? {
            self.lanes.rescan(lane);
        }
        Ok(())
    }

    /// Delivers until the core is told to stop, then finishes the deliveries that are under way.
    pub async fn run(mut self) {
        let stop = self.delivery.stop.clone();
        while !stop.is_cancelled() {
            self.start().await;
            let sleep = self.until_next();
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep => {}
                Some(effects) = self.effects.recv() => self.take(effects),
                Some(turn) = self.busy.join_next_with_id() => self.ended(turn),
            }
            while let Ok(effects) = self.effects.try_recv() {
                self.take(effects);
            }
        }
        while let Some(turn) = self.busy.join_next_with_id().await {
            self.ended(turn);
        }
    }

    /// Delivers everything that is due now, and what comes of it, until nothing is due. For tests
    /// that step time by hand.
    pub async fn run_until_idle(&mut self) {
        loop {
            while let Ok(effects) = self.effects.try_recv() {
                self.take(effects);
            }
            self.start().await;
            match self.busy.join_next_with_id().await {
                Some(turn) => self.ended(turn),
                None if self.effects.is_empty() => return,
                None => {}
            }
        }
    }

    /// Starts every lane that is ready.
    async fn start(&mut self) {
        let now = self.delivery.clock.now();
        self.look(now).await;
        self.fill(now).await;
        while let Some(Ready { lane, effects }) = self.lanes.next(now) {
            let delivery = Arc::clone(&self.delivery);
            let serves = lane.clone();
            let task = self.busy.spawn(async move { delivery.turn(lane, effects).await });
            self.tasks.insert(task.id(), serves);
        }
    }

    /// Finds the lanes of the outbox anew after a commit whose end is not known; until that succeeds,
    /// it is owed.
    async fn look(&mut self, now: Instant) {
        if self.look_at.is_none_or(|at| at > now) {
            return;
        }
        match self.delivery.store.lanes().await {
            Ok(lanes) => {
                self.look_at = None;
                lanes.into_iter().for_each(|lane| self.lanes.rescan(lane));
            }
            Err(error) => {
                tracing::warn!(%error, "Cannot read the outbox; trying again.");
                self.look_at = Some(now + FIRST_PAUSE);
            }
        }
    }

    /// Fetches what did not fit into memory, or was there before the process began.
    async fn fill(&mut self, now: Instant) {
        for (lane, after) in self.lanes.hungry(now) {
            match self.delivery.store.effects_of(&lane, after, lanes::FETCH).await {
                Ok(rows) => self.lanes.fetched(&lane, rows),
                Err(error) => {
                    self.lanes.fetch_failed(&lane, error.to_string(), now);
                }
            }
        }
    }

    fn take(&mut self, effects: Vec<EffectRow>) {
        if effects.is_empty() {
            self.idle.clear();
            self.look_at = Some(Instant::MIN_UTC);
        }
        for effect in effects {
            self.idle.remove(&effect.lane);
            self.lanes.push(effect);
        }
    }

    fn ended(&mut self, turn: Result<(tokio::task::Id, Turn), tokio::task::JoinError>) {
        match turn {
            Ok((id, Turn { lane, left, pause })) => {
                self.tasks.remove(&id);
                self.lanes.ended(&lane, left, pause, self.delivery.clock.now());
                if self.lanes.is_idle(&lane) {
                    self.idle.insert(lane);
                }
            }
            // A lane whose turn broke off is read anew from the outbox.
            Err(error) => {
                tracing::error!(%error, "A delivery broke off.");
                if let Some(lane) = self.tasks.remove(&error.id()) {
                    self.lanes.reset(lane, self.delivery.clock.now());
                }
            }
        }
    }

    /// Sleeps until the next lane is due; forever when none will be, or when time moves by hand.
    fn until_next(&self) -> impl Future<Output = ()> + use<> {
        let wait = self
            .lanes
            .next_due()
            .into_iter()
            .chain(self.look_at)
            .min()
            .and_then(|due| self.delivery.clock.until(due));
        async move {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        }
    }
}

impl Delivery {
    /// One turn of a lane.
    async fn turn(&self, lane: Lane, effects: Vec<EffectRow>) -> Turn {
        if lane.as_str().starts_with("reply/") || lane == Lane::timers() {
            self.send_replies(lane, effects).await
        } else {
            self.mirror(lane, effects).await
        }
    }

    /// Writes down what became of effects. A database that does not answer is waited for: what was
    /// done must not be forgotten.
    async fn settle(&self, settled: Vec<Settled>) {
        if settled.is_empty() {
            return;
        }
        let mut pause = Duration::from_millis(100);
        loop {
            let wish = settled.clone();
            match self
                .inbound
                .ask(|answer| Request::Settle {
                    settled: wish,
                    answer,
                })
                .await
            {
                Ok(()) => return,
                Err(_) if self.inbound.requests.is_closed() => return,
                Err(error) => {
                    tracing::error!(%error, "Cannot write down a delivery; trying again.");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }
}
