//! The queues of the outbox in memory: a window of each lane, the rest stays in the database.

use super::{FIRST_PAUSE, LONGEST_PAUSE, Pause};
use crate::domain::{Effect, EffectId, EffectRow, Instant, Lane};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many effects of a lane are fetched at once.
pub(super) const FETCH: i64 = 256;
/// The most effects of a lane that wait in memory.
const WINDOW: usize = 512;
/// The most effects of a lane that go out in one turn.
const TURN: usize = 32;

/// The place of an effect in its lane.
type Place = (Instant, EffectId);

/// Before every place.
const START: Place = (Instant::MIN_UTC, EffectId(0));

/// A lane's queue.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<Place, EffectRow>,
    /// The highest id that came here. What comes again was fetched before its message was taken.
    seen: Option<EffectId>,
    /// Where the window ends when the database may hold more behind it: everything up to here, and
    /// nothing behind, is or was in `waiting`.
    end: Option<Place>,
    busy: bool,
    paused_until: Option<Instant>,
    failures: u32,
    /// The reason that was logged last, so that it is logged once.
    complained: Option<String>,
}

/// A lane that may take its turn.
pub(super) struct Ready {
    pub lane: Lane,
    pub effects: Vec<EffectRow>,
}

/// Lanes with nothing to do. What the ledger puts into one of them is delivered at once, so it writes
/// with the effect that it is begun, and saves a commit on the way to the chat.
#[derive(Debug, Clone, Default)]
pub(in crate::app) struct Idle(Arc<Mutex<HashSet<Lane>>>);

impl Idle {
    /// Marks new effects of idle lanes as begun. A lane takes part once; then it is the worker's turn.
    pub fn begin(&self, effects: &mut [EffectRow], now: Instant) {
        let mut idle = self.lanes();
        let mut taken: HashMap<Lane, usize> = HashMap::new();
        for row in effects {
            let begins = match row.effect {
                Effect::OpenThread { .. }
                | Effect::UpdateCard { .. }
                | Effect::Tell { .. }
                | Effect::UpdateReply { .. }
                | Effect::ShowPicture { .. } => idle.remove(&row.lane) || taken.contains_key(&row.lane),
                // A reply's claim is its beginning; a look may be taken as often as one likes.
                Effect::SendReply { .. }
                | Effect::Reconcile { .. }
                | Effect::Mend { .. }
                | Effect::Expire { .. }
                | Effect::Announce { .. }
                | Effect::Wake => false,
            };
            if begins {
                let count = taken.entry(row.lane.clone()).or_default();
                *count += 1;
                if *count <= TURN {
                    row.begun_at = Some(now);
                    row.attempts = 1;
                }
            }
        }
    }

    pub(super) fn insert(&self, lane: Lane) {
        self.lanes().insert(lane);
    }

    pub(super) fn remove(&self, lane: &Lane) {
        self.lanes().remove(lane);
    }

    pub(super) fn clear(&self) {
        self.lanes().clear();
    }

    fn lanes(&self) -> MutexGuard<'_, HashSet<Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All lanes.
#[derive(Default)]
pub(super) struct Lanes(HashMap<Lane, Queue>);

impl Lanes {
    /// Puts a new effect into its place.
    pub fn push(&mut self, effect: EffectRow) {
        let place = (effect.due_at, effect.id);
        let queue = self.0.entry(effect.lane.clone()).or_default();
        if queue.end.is_some_and(|end| place > end) || queue.seen >= Some(effect.id) {
            return;
        }
        queue.seen = Some(effect.id);
        queue.waiting.insert(place, effect);
        // What is due last waits in the database.
        if queue.waiting.len() > WINDOW {
            queue.waiting.pop_last();
            queue.end = queue.waiting.last_key_value().map(|(place, _)| *place);
        }
    }

    /// The database may hold effects of this lane that are not known here.
    pub fn rescan(&mut self, lane: Lane) {
        let queue = self.0.entry(lane).or_default();
        queue.waiting.clear();
        queue.end = Some(START);
    }

    /// Lanes that should be filled, with the place behind which to fetch.
    pub fn hungry(&self, now: Instant) -> Vec<(Lane, Place)> {
        let hungry = |(lane, queue): (&Lane, &Queue)| {
            let end = queue.end?;
            let may = !queue.busy && queue.paused_until.is_none_or(|until| until <= now);
            (may && queue.waiting.len() < TURN).then(|| (lane.clone(), end))
        };
        self.0.iter().filter_map(hungry).collect()
    }

    /// Takes what was fetched. Fewer than [`FETCH`] means: that was all.
    pub fn fetched(&mut self, lane: &Lane, rows: Vec<EffectRow>) {
        let Some(queue) = self.0.get_mut(lane) else { return };
        let all = rows.len() < usize::try_from(FETCH).unwrap_or(usize::MAX);
        for row in rows {
            let place = (row.due_at, row.id);
            queue.end = Some(place);
            queue.seen = queue.seen.max(Some(row.id));
            queue.waiting.insert(place, row);
        }
        if all {
            queue.end = None;
        }
    }

    /// A lane could not be fetched: it pauses, and says so once.
    pub fn fetch_failed(&mut self, lane: &Lane, reason: String, now: Instant) {
        if let Some(queue) = self.0.get_mut(lane) {
            queue.failed(lane, reason, now);
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
            Pause::Failed(reason) => queue.failed(lane, reason, now),
        }
    }

    /// Forgets what a lane holds and reads it anew, after a pause: its turn broke off, and would again.
    pub fn reset(&mut self, lane: Lane, now: Instant) {
        self.0.insert(
            lane,
            Queue {
                end: Some(START),
                paused_until: Some(now + FIRST_PAUSE),
                ..Queue::default()
            },
        );
    }

    /// Whether a lane has nothing to do, here or in the database.
    pub fn is_idle(&self, lane: &Lane) -> bool {
        self.0.get(lane).is_some_and(|queue| {
            !queue.busy && queue.waiting.is_empty() && queue.end.is_none() && queue.paused_until.is_none()
        })
    }

    /// When the next lane is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.0.values().filter_map(Queue::due).min()
    }
}

impl Queue {
    fn failed(&mut self, lane: &Lane, reason: String, now: Instant) {
        let wait = FIRST_PAUSE
            .saturating_mul(2u32.saturating_pow(self.failures.min(6)))
            .min(LONGEST_PAUSE);
        self.failures += 1;
        self.paused_until = Some(now + wait);
        if self.complained.as_ref() != Some(&reason) {
            tracing::warn!(%lane, reason, "Cannot deliver; the lane waits and tries again.");
            self.complained = Some(reason);
        }
    }

    fn due(&self) -> Option<Instant> {
        if self.busy {
            return None;
        }
        let first = self.waiting.first_key_value().map(|((due, _), _)| *due);
        // A lane that could not be fetched is due when its pause ends.
        let first = first.or(self.end.and(self.paused_until))?;
        Some(self.paused_until.map_or(first, |until| until.max(first)))
    }

    fn is_ready(&self, now: Instant) -> bool {
        !self.waiting.is_empty() && self.due().is_some_and(|due| due <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CaseNumber;

    fn effect(id: i64) -> EffectRow {
        EffectRow {
            id: EffectId(id),
            lane: Lane::timers(),
            case: CaseNumber(1),
            effect: Effect::Wake,
            due_at: Instant::UNIX_EPOCH,
            attempts: 0,
            begun_at: None,
        }
    }

    fn turn(lanes: &mut Lanes) -> Vec<i64> {
        let ready = lanes.next(Instant::UNIX_EPOCH);
        ready.map_or_else(Vec::new, |ready| {
            ready.effects.iter().map(|row| row.id.0).collect()
        })
    }

    #[test]
    fn what_was_fetched_is_not_taken_again_from_the_ledgers_message() {
        let mut lanes = Lanes::default();
        lanes.rescan(Lane::timers());
        lanes.fetched(&Lane::timers(), vec![effect(1), effect(2)]);
        assert_eq!(turn(&mut lanes), [1, 2]);
        // The messages about them come behind.
        lanes.push(effect(1));
        lanes.push(effect(2));
        lanes.push(effect(3));
        lanes.ended(&Lane::timers(), Vec::new(), Pause::No, Instant::UNIX_EPOCH);
        assert_eq!(turn(&mut lanes), [3]);
    }

    #[test]
    fn what_does_not_fit_waits_in_the_database_whatever_its_age() {
        let mut lanes = Lanes::default();
        let late = chrono::TimeDelta::days(1);
        for id in 1..=600 {
            let due_at = Instant::UNIX_EPOCH + late;
            lanes.push(EffectRow { due_at, ..effect(id) });
        }
        lanes.push(effect(601));
        assert_eq!(turn(&mut lanes), [601], "what is due first is always here");
    }
}
