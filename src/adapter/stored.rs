//! Which posts were stored in this run: what a sweep reads again is not offered to the database again.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many posts are remembered.
const MOST_STORED: usize = 20_000;

/// The posts that were stored in this run, by their ids.
#[derive(Debug, Default)]
pub struct Stored(Mutex<HashSet<String>>);

impl Stored {
    /// Whether this one was.
    pub fn has(&self, id: &str) -> bool {
        self.held().contains(id)
    }

    /// These were.
    pub fn remember(&self, ids: impl IntoIterator<Item = String>) {
        let mut stored = self.held();
        if stored.len() >= MOST_STORED {
            stored.clear();
        }
        stored.extend(ids);
    }

    fn held(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
