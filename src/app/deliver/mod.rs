//! The outbox at work: effects go out lane by lane. Order holds inside a lane; a lane that is limited
//! or broken waits alone. The worker is woken by the ledger and by due times; it never polls.

mod lanes;
mod mirror;
mod publish;

use super::desk::Rules;
use super::inbound::{Inbound, Unavailable};
use super::request::{Request, Settled};
use crate::domain::{ChatName, Clock, EffectRow, Instant, Lane};
use crate::port::ChatPlatform;
use crate::store::Store;
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
    pub clock: Arc<dyn Clock>,
    pub inbound: Inbound,
    /// The most time a publishing call takes, as configured.
    pub timeout: Duration,
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
    busy: JoinSet<Turn>,
    /// Which lane a task serves, in case it breaks off.
    tasks: HashMap<tokio::task::Id, Lane>,
}

impl Worker {
    pub(super) fn new(delivery: Delivery, effects: mpsc::UnboundedReceiver<Vec<EffectRow>>) -> Self {
        let delivery = Arc::new(delivery);
        Self {
            delivery,
            effects,
            lanes: Lanes::default(),
            busy: JoinSet::new(),
            tasks: HashMap::new(),
        }
    }

    /// Reads what the outbox holds. Replies that were being sent when the process ended have an
    /// unknown end.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn recover(&mut self) -> Result<(), Unavailable> {
        for reply in self.delivery.store.replies_in_sending().await? {
            tracing::warn!(reply = %reply.id, case = %reply.case, "A reply was being sent when Hearback ended.");
            publish::interrupted(&self.delivery, reply.id).await?;
        }
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
                Some(effects) = self.effects.recv() => self.take(effects).await,
                Some(turn) = self.busy.join_next_with_id() => self.ended(turn),
            }
            while let Ok(effects) = self.effects.try_recv() {
                self.take(effects).await;
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
                self.take(effects).await;
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
        self.fill().await;
        let now = self.delivery.clock.now();
        while let Some(Ready { lane, effects }) = self.lanes.next(now) {
            let delivery = Arc::clone(&self.delivery);
            let serves = lane.clone();
            let task = self.busy.spawn(async move { delivery.turn(lane, effects).await });
            self.tasks.insert(task.id(), serves);
        }
    }

    /// Fetches what did not fit into memory, or was there before the process began.
    async fn fill(&mut self) {
        for (lane, after) in self.lanes.hungry() {
            match self.delivery.store.effects_of(&lane, after, lanes::FETCH).await {
                Ok(rows) => self.lanes.fetched(&lane, rows),
                Err(error) => {
                    tracing::error!(%lane, %error, "Cannot read the outbox.");
                    self.lanes.pause(&lane, self.delivery.clock.now() + FIRST_PAUSE);
                }
            }
        }
    }

    async fn take(&mut self, effects: Vec<EffectRow>) {
        if effects.is_empty() {
            match self.delivery.store.lanes().await {
                Ok(lanes) => lanes.into_iter().for_each(|lane| self.lanes.rescan(lane)),
                Err(error) => tracing::error!(%error, "Cannot read the outbox."),
            }
        }
        for effect in effects {
            self.lanes.push(effect);
        }
    }

    fn ended(&mut self, turn: Result<(tokio::task::Id, Turn), tokio::task::JoinError>) {
        match turn {
            Ok((id, Turn { lane, left, pause })) => {
                self.tasks.remove(&id);
                self.lanes.ended(&lane, left, pause, self.delivery.clock.now());
            }
            // A lane whose turn broke off is read anew from the outbox.
            Err(error) => {
                tracing::error!(%error, "A delivery broke off.");
                if let Some(lane) = self.tasks.remove(&error.id()) {
                    self.lanes.reset(lane);
                }
            }
        }
    }

    /// Sleeps until the next lane is due; forever when none will be, or when time moves by hand.
    fn until_next(&self) -> impl Future<Output = ()> + use<> {
        let wait = self
            .lanes
            .next_due()
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
