//! How a process dies: at a call to the outside that never comes back, or at any moment at all.

use super::dice::Dice;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

/// The end of the process, which may come.
#[derive(Default)]
pub struct Death {
    struck: Notify,
    /// In a thousand calls.
    odds: AtomicU64,
}

impl Death {
    /// From now on it comes so often, in a thousand calls.
    pub fn odds(&self, in_a_thousand: u64) {
        self.odds.store(in_a_thousand, Ordering::Relaxed);
    }

    /// A call begins, or has had its effect: it may never come back.
    pub async fn may_come(&self, dice: &Dice) {
        if dice.happens(self.odds.load(Ordering::Relaxed)) {
            self.struck.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Does this, unless the process dies in it; `sooner`: after so many turns of the runtime at most.
    pub async fn spares<T>(&self, work: impl Future<Output = T>, sooner: Option<u64>) -> Option<T> {
        let turns = async {
            match sooner {
                Some(turns) => {
                    for _ in 0..turns {
                        tokio::task::yield_now().await;
                    }
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.struck.notified() => None,
            () = turns => None,
            done = work => Some(done),
        }
    }

    /// A new process begins: what struck the old one is over.
    pub async fn forget(&self) {
        tokio::select! {
            biased;
            () = self.struck.notified() => {}
            () = std::future::ready(()) => {}
        }
    }
}
