//! What was stored in this run: what a sweep reads again is not offered to the database again.

use crate::domain::{Post, listen};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many are remembered; then it is begun anew.
const MOST_STORED: usize = 20_000;

/// What was stored in this run, by its ids, and in which version. That of posts is whether they are written to us:
/// what was merely found first is offered again when it turns out to be, because rules may have passed over it.
#[derive(Debug)]
pub struct Stored<V = bool>(Mutex<HashMap<String, V>>);

impl<V> Default for Stored<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// A post as it is remembered: its id, and whether it is written to us.
#[must_use]
pub fn mark(post: &Post) -> (String, bool) {
    (post.id.to_string(), listen::is_to_us(post))
}

impl Stored {
    /// Whether this one was, and if it is written to us, as such.
    pub fn knows(&self, id: &str, to_us: bool) -> bool {
        self.held().get(id).is_some_and(|as_ours| *as_ours || !to_us)
    }

    /// The same of a post.
    pub fn knows_post(&self, post: &Post) -> bool {
        self.knows(post.id.as_str(), listen::is_to_us(post))
    }

    /// These were, and need not be offered again in any way.
    pub fn remember(&self, ids: impl IntoIterator<Item = String>) {
        self.remember_as(ids.into_iter().map(|id| (id, true)));
    }

    /// These were, as [`mark`] says.
    pub fn remember_as(&self, marks: impl IntoIterator<Item = (String, bool)>) {
        let mut stored = self.room();
        for (id, to_us) in marks {
            *stored.entry(id).or_default() |= to_us;
        }
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
    pub fn put(&self, versions: impl IntoIterator<Item = (String, V)>) {
        self.room().extend(versions);
    }

    fn room(&self) -> MutexGuard<'_, HashMap<String, V>> {
        let mut stored = self.held();
        if stored.len() >= MOST_STORED {
            stored.clear();
        }
        stored
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_only_found_is_offered_again_when_it_is_written_to_us() {
        let stored = Stored::default();
        stored.remember_as([("a".to_owned(), false)]);
        assert!(stored.has("a") && stored.knows("a", false) && !stored.knows("a", true));
        stored.remember_as([("a".to_owned(), true)]);
        assert!(stored.knows("a", true));
        stored.remember_as([("a".to_owned(), false)]);
        assert!(stored.knows("a", true) && !stored.has("b"));
    }
}
