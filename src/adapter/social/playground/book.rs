//! The square and its journal together: nothing stands on the square that is not on the disk.

use super::journal::{Journal, NotAppended, Record, What};
use super::square::{Sorry, Square, Wish};
use crate::domain::{Instant, NativeId};
use rand::Rng as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, broadcast};

/// Letters of a square's name.
const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Why something was not written down.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotWritten {
    /// It may not happen.
    #[error(transparent)]
    Sorry(#[from] Sorry),
    /// The disk did not take it.
    #[error("The square cannot write it down: {0}")]
    Disk(#[from] NotAppended),
}

/// The square with its journal.
#[derive(Debug)]
pub(super) struct Book {
    /// Held while a line is synced; readers of the square do not wait for it.
    journal: Mutex<Journal>,
    square: Mutex<Square>,
    changed: broadcast::Sender<()>,
    fresh: Notify,
}

impl Book {
    /// Opens the journal; a new one gets a name by chance.
    pub(super) fn open(path: &Path, now: Instant) -> anyhow::Result<Self> {
        let (mut journal, mut records) = Journal::open(path)?;
        if records.is_empty() {
            let mut chance = rand::rng();
            let name = (0..6)
                .map(|_| char::from(LETTERS[chance.random_range(0..LETTERS.len())]))
                .collect();
            let founded = Record {
                seq: 1,
                at: now,
                what: What::Founded { name },
            };
            journal.append(&founded)?;
            records.push(founded);
        }
        Ok(Self {
            journal: Mutex::new(journal),
            square: Mutex::new(Square::of(records)),
            changed: broadcast::Sender::new(16),
            fresh: Notify::new(),
        })
    }

    /// The square, to look at. Do not keep it.
    pub(super) fn square(&self) -> MutexGuard<'_, Square> {
        self.square.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ticks at every change.
    pub(super) fn changes(&self) -> broadcast::Receiver<()> {
        self.changed.subscribe()
    }

    /// Tells those who look at the square to look again.
    pub(super) fn tick(&self) {
        // Nobody looking is no error.
        let _ = self.changed.send(());
    }

    /// Returns once something was written since the last call.
    pub(super) async fn freshly_written(&self) {
        self.fresh.notified().await;
    }

    /// Writes a wish down, durably. The same key again changes nothing. Blocks for the disk.
    pub(super) fn write(
        &self,
        key: Option<&str>,
        now: Instant,
        wish: impl FnOnce(&Square) -> Wish,
    ) -> Result<NativeId, NotWritten> {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let (record, id) = {
            let square = self.square();
            if let Some(done) = key.and_then(|key| square.under(key)) {
                return Ok(done.clone());
            }
            let what = square.decide(wish(&square))?;
            let id = match &what {
                What::Wrote { id, .. }
                | What::Edited { id, .. }
                | What::Deleted { id }
                | What::Answered { id, .. } => id.clone(),
                What::Founded { name } => NativeId::new(name),
            };
            let record = Record {
                seq: square.next(),
                at: now,
                what,
            };
            (record, id)
        };
        journal.append(&record)?;
        self.square().apply(record);
        self.fresh.notify_one();
        self.tick();
        Ok(id)
    }
}
