//! What was stored in this run: what a sweep reads again is not offered to the database again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are remembered; then it is begun anew.
const MOST_STORED: usize = 20_000;

/// What was stored in this run, by its ids; where it can change, in which version.
#[derive(Debug)]
pub struct Stored<V = ()>(Mutex<HashMap<String, V>>);

impl<V> Default for Stored<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Stored {
    /// These were.
    pub fn remember(&self, ids: impl IntoIterator<Item = String>) {
        self.remember_as(ids.into_iter().map(|id| (id, ())));
    }
}

impl<V: Clone> Stored<V> {
    /// Whether this one was, in whichever version.
    pub fn has(&self, id: &str) -> bool {
        self.held().contains_key(id)
    }

    /// In which version this one was.
    pub fn version(&self, id: &str) -> Option<V> {
        self.held().get(id).cloned()
    }

    /// These were, in these versions.
    pub fn remember_as(&self, versions: impl IntoIterator<Item = (String, V)>) {
        let mut stored = self.held();
        if stored.len() >= MOST_STORED {
            stored.clear();
        }
        stored.extend(versions);
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
