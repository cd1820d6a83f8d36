//! Which posts were stored in this run: what a sweep reads again is not offered to the database again.

use crate::domain::{Post, listen};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many posts are remembered.
const MOST_STORED: usize = 20_000;

/// The posts that were stored in this run, by their ids, and whether as written to us: what was merely found
/// first is offered again when it turns out to be written to us, because rules may have passed over it.
#[derive(Debug, Default)]
pub struct Stored(Mutex<HashMap<String, bool>>);

/// A post as it is remembered: its id, and whether it is written to us.
#[must_use]
pub fn mark(post: &Post) -> (String, bool) {
    (post.id.to_string(), listen::is_to_us(post))
}

impl Stored {
    /// Whether this one was, in whichever way.
    pub fn has(&self, id: &str) -> bool {
        self.held().contains_key(id)
    }

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
        let mut stored = self.held();
        if stored.len() >= MOST_STORED {
            stored.clear();
        }
        for (id, to_us) in marks {
            *stored.entry(id).or_default() |= to_us;
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, bool>> {
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
