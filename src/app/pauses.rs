//! The switch that stops publishing: for everything, or for one source.

use crate::domain::{Instant, SourceName};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Who stopped publishing, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// When.
    pub at: Instant,
}

/// What is stopped: everything (no name), or a source.
pub(super) type Stopped = BTreeMap<Option<SourceName>, Pause>;

/// What is stopped at present, for everybody who asks. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Pauses(Arc<RwLock<Stopped>>);

impl Pauses {
    /// Why nothing at all is published.
    #[must_use]
    pub fn all(&self) -> Option<Pause> {
        self.read().get(&None).cloned()
    }

    /// Why this source publishes nothing.
    #[must_use]
    pub fn of(&self, source: &SourceName) -> Option<Pause> {
        of(&self.read(), source).cloned()
    }

    pub(super) fn read(&self) -> Stopped {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn replace(&self, stopped: Stopped) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = stopped;
    }
}

/// Why a source publishes nothing.
pub(super) fn of<'a>(stopped: &'a Stopped, source: &SourceName) -> Option<&'a Pause> {
    stopped.get(&None).or_else(|| stopped.get(&Some(source.clone())))
}
