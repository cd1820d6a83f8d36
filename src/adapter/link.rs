//! Whether a connection stands: what `/readyz` and `/metrics` tell, and what the log says once.

use std::sync::{Arc, Mutex, PoisonError};

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    /// Not yet connected.
    Starting,
    /// Connected.
    Up,
    /// Not connected, for this reason.
    Down(String),
}

/// A connection's state, written by its adapter, read by the web pages. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Link {
    name: Arc<str>,
    state: Arc<Mutex<LinkState>>,
}

impl Link {
    /// A connection of this name, for example `slack:socket-1` or `source:fedi`.
    #[must_use]
    pub fn new(name: impl AsRef<str>) -> Self {
        Self {
            name: Arc::from(name.as_ref()),
            state: Arc::new(Mutex::new(LinkState::Starting)),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its state now.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// It stands. Logged only when it did not stand before.
    pub fn up(&self) {
        if self.set(LinkState::Up) {
            tracing::info!(link = %self.name, "Connected.");
        }
    }

    /// It does not stand. Logged only when the reason is a new one.
    pub fn down(&self, reason: impl Into<String>) {
        let reason = reason.into();
        if self.set(LinkState::Down(reason.clone())) {
            tracing::warn!(link = %self.name, reason, "Not connected.");
        }
    }

    fn set(&self, state: LinkState) -> bool {
        let mut held = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *held != state;
        metrics::gauge!("hearback_link_up", "link" => self.name.to_string()).set(if state == LinkState::Up {
            1.0
        } else {
            0.0
        });
        *held = state;
        changed
    }
}
