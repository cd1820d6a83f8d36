//! Faults are data: what a fake does to the next call of a kind.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

/// What happens to one call.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// 429 with this `Retry-After` header.
    RateLimited(String),
    /// This status, and nothing was done.
    Status(u16),
    /// This status, though it was done.
    StatusButDone(u16),
    /// It was done, and the connection is closed without an answer.
    AcceptThenDrop,
    /// It was not done, and the connection is closed without an answer.
    Drop,
    /// No answer ever comes; it was not done.
    Hang,
    /// It was done, and the answer is not JSON.
    Garbage,
}

/// The faults waiting for each call, by a name the fake chooses (`chat.postMessage`).
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<HashMap<String, VecDeque<Fault>>>>);

impl Faults {
    /// The next call of this name meets this fault; several queue up.
    pub fn next(&self, call: &str, fault: Fault) {
        self.0
            .lock()
            .unwrap()
            .entry(call.to_owned())
            .or_default()
            .push_back(fault);
    }

    /// Takes the fault for a call that arrives.
    pub fn take(&self, call: &str) -> Option<Fault> {
        self.0.lock().unwrap().get_mut(call)?.pop_front()
    }

    /// The calls whose faults nobody met: a script that was not played.
    pub fn waiting(&self) -> Vec<String> {
        let held = self.0.lock().unwrap();
        let waiting = held.iter().filter(|(_, faults)| !faults.is_empty());
        waiting
            .map(|(call, faults)| format!("{call}: {faults:?}"))
            .collect()
    }
}
