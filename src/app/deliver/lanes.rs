//! The queues of the outbox in memory: a window of each lane, the rest stays in the database.

use super::{FIRST_PAUSE, LONGEST_PAUSE, Pause};
use crate::domain::{EffectId, EffectRow, Instant, Lane};
use std::collections::{BTreeMap, HashMap};

/// How many effects of a lane are fetched at once.
pub(super) const FETCH: i64 = 256;
/// The most effects of a lane that wait in memory.
const WINDOW: usize = 512;
/// The most effects of a lane that go out in one turn.
const TURN: usize = 32;

/// A lane's queue.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<(Instant, EffectId), EffectRow>,
    /// Everything up to this id was put into `waiting` at some time.
    seen: EffectId0,
    /// Whether the database holds more.
    spilled: bool,
    busy: bool,
    paused_until: Option<Instant>,
    failures: u32,
    /// The reason that was logged last, so that it is logged once.
    complained: Option<String>,
}

/// An [`EffectId`] that begins at zero.
#[derive(Clone, Copy)]
struct EffectId0(EffectId);

impl Default for EffectId0 {
    fn default() -> Self {
        Self(EffectId(0))
    }
}

/// A lane that may take its turn.
pub(super) struct Ready {
    pub lane: Lane,
    pub effects: Vec<EffectRow>,
}

/// All lanes.
#[derive(Default)]
pub(super) struct Lanes(HashMap<Lane, Queue>);

impl Lanes {
    /// Puts a new effect behind the others.
    pub fn push(&mut self, effect: EffectRow) {
        let queue = self.0.entry(effect.lane.clone()).or_default();
        if queue.spilled || effect.id <= queue.seen.0 {
            return;
        }
        if queue.waiting.len() >= WINDOW {
            queue.spilled = true;
            return;
        }
        queue.seen = EffectId0(effect.id);
        queue.waiting.insert((effect.due_at, effect.id), effect);
    }

    /// The database may hold effects of this lane that are not known here.
    pub fn rescan(&mut self, lane: Lane) {
        self.0.entry(lane).or_default().spilled = true;
    }

    /// Lanes that should be filled, with the id after which to fetch.
    pub fn hungry(&self) -> Vec<(Lane, EffectId)> {
        let hungry = |queue: &Queue| queue.spilled && !queue.busy && queue.waiting.len() < TURN;
        let lanes = self.0.iter().filter(|(_, queue)| hungry(queue));
        lanes.map(|(lane, queue)| (lane.clone(), queue.seen.0)).collect()
    }

    /// Takes what was fetched. Fewer than [`FETCH`] means: that was all.
    pub fn fetched(&mut self, lane: &Lane, rows: Vec<EffectRow>) {
        let Some(queue) = self.0.get_mut(lane) else { return };
        queue.spilled = rows.len() >= usize::try_from(FETCH).unwrap_or(usize::MAX);
        for row in rows {
            queue.seen = EffectId0(queue.seen.0.max(row.id));
            queue.waiting.insert((row.due_at, row.id), row);
        }
    }

    /// The next lane with something due. It is busy until [`Self::ended`].
    pub fn next(&mut self, now: Instant) -> Option<Ready> {
        let (lane, queue) = self.0.iter_mut().find(|(_, queue)| queue.is_ready(now))?;
        queue.busy = true;
        queue.paused_until = None;
        let mut effects = Vec::new();
        while effects.len() < TURN
            && let Some(entry) = queue.waiting.first_entry()
            && entry.key().0 <= now
        {
            effects.push(entry.remove());
        }
        Some(Ready {
            lane: lane.clone(),
            effects,
        })
    }

    /// A lane's turn is over.
    pub fn ended(&mut self, lane: &Lane, left: Vec<EffectRow>, pause: Pause, now: Instant) {
        let Some(queue) = self.0.get_mut(lane) else { return };
        queue.busy = false;
        for row in left {
            queue.waiting.insert((row.due_at, row.id), row);
        }
        match pause {
            Pause::No => {
                if queue.complained.take().is_some() {
                    tracing::info!(%lane, "Delivering again.");
                }
                queue.failures = 0;
            }
            Pause::Told(wait) => queue.paused_until = Some(now + wait),
            Pause::Failed(reason) => {
                let wait = FIRST_PAUSE
                    .saturating_mul(2u32.saturating_pow(queue.failures.min(6)))
                    .min(LONGEST_PAUSE);
                queue.failures += 1;
                queue.paused_until = Some(now + wait);
                if queue.complained.as_ref() != Some(&reason) {
                    tracing::warn!(%lane, reason, "Cannot deliver; the lane waits and tries again.");
                    queue.complained = Some(reason);
                }
            }
        }
    }

    /// Pauses a lane.
    pub fn pause(&mut self, lane: &Lane, until: Instant) {
        if let Some(queue) = self.0.get_mut(lane) {
            queue.paused_until = Some(until);
        }
    }

    /// Forgets what a lane holds and reads it anew: its turn was lost.
    pub fn reset(&mut self, lane: Lane) {
        self.0.insert(
            lane,
            Queue {
                spilled: true,
                ..Queue::default()
            },
        );
    }

    /// When the next lane is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(Queue::due).min()
    }
}

impl Queue {
    fn due(&self) -> Option<Instant> {
        if self.busy {
            return None;
        }
        let first = self.waiting.first_key_value().map(|((due, _), _)| *due);
        // A spilled lane with nothing in memory is due at once, or when its pause ends.
        let first = first.or(self.spilled.then_some(self.paused_until).flatten())?;
        Some(self.paused_until.map_or(first, |until| until.max(first)))
    }

    fn is_ready(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && self.due().is_some_and(|due| due <= now)
    }
}
