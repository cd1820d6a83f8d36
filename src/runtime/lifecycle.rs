//! Two-stage shutdown. The first signal is soft: nothing new is taken in, no new delivery begins, what
//! is under way ends. The second signal, or the time limit, is hard: everything is dropped where it
//! stands; what was committed is delivered after the next start.
//!
//! A task without which the rest is of no use (the ledger, the worker, a connector, the server) is
//! watched: when it breaks off, the process stops as a failed one, for its supervisor to start anew.

use super::signal::Signals;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a soft stop may take before it becomes hard.
pub const SOFT_LIMIT: Duration = Duration::from_secs(30);
/// How long the tasks may take to be dropped, once everything is.
pub const HARD_LIMIT: Duration = Duration::from_secs(2);

/// The tasks of a process and its two stops. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Everything that runs.
    pub tasks: TaskTracker,
    /// Cancelled first: take in nothing new.
    pub soft: CancellationToken,
    /// Cancelled last: drop everything.
    pub hard: CancellationToken,
    /// Why the process cannot go on, once that is so.
    failure: Arc<OnceLock<String>>,
}

impl Lifecycle {
    /// Runs a task that has to run until the soft stop, and may then end in its own time. That it
    /// ends or panics before is fatal.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.watch(name, self.tasks.spawn(task));
    }

    /// Runs a task that stops softly by being dropped: something that only looks. That it ends or
    /// panics before is fatal.
    pub fn spawn_soft(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let soft = self.soft.clone();
        self.spawn(name, async move {
            soft.run_until_cancelled(task).await;
        });
    }

    /// Watches a task as [`Self::spawn`] does; a hard stop drops it.
    pub fn watch(&self, name: &'static str, mut task: JoinHandle<()>) {
        let own = self.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                ended = &mut task => own.ended(name, ended),
                () = own.hard.cancelled() => task.abort(),
            }
        });
    }

    fn ended(&self, name: &str, ended: Result<(), JoinError>) {
        match ended {
            Ok(()) if self.soft.is_cancelled() => {}
            Ok(()) => self.fail(format!("the {name} ended")),
            Err(error) if error.is_panic() => self.fail(format!("the {name} broke off")),
            Err(_) => {}
        }
    }

    /// Says why the process cannot go on, and stops it softly. The first reason counts.
    pub fn fail(&self, reason: String) {
        tracing::error!(reason, "Hearback cannot go on, and stops.");
        // A later failure is a consequence of the first.
        let _ = self.failure.set(reason);
        self.soft.cancel();
    }

    /// Why the process cannot go on; nothing while it can.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// Waits for a signal, or for the soft stop from inside.
    pub async fn signalled(&self, signals: &mut Signals) {
        self.soft.run_until_cancelled(signals.next()).await;
    }

    /// Stops: softly, and hard at a second signal or after `SOFT_LIMIT`. True when it stayed soft.
    pub async fn stop(&self, signals: &mut Signals) -> bool {
        self.stop_within(SOFT_LIMIT, HARD_LIMIT, signals).await
    }

    async fn stop_within(&self, soft: Duration, hard: Duration, signals: &mut Signals) -> bool {
        self.soft.cancel();
        self.tasks.close();
        let stayed_soft = tokio::select! {
            () = self.tasks.wait() => true,
            () = signals.next() => false,
            () = tokio::time::sleep(soft) => false,
        };
        if !stayed_soft {
            tracing::warn!("Stopping at once.");
        }
        self.hard.cancel();
        if timeout(hard, self.tasks.wait()).await.is_err() {
            tracing::warn!("Something does not let itself be dropped; it is left behind.");
        }
        stayed_soft
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Duration = Duration::from_secs(10);

    async fn failure_of(lifecycle: &Lifecycle) -> &str {
        let stopped = timeout(GUARD, lifecycle.soft.cancelled()).await;
        assert!(stopped.is_ok(), "nothing was noticed");
        lifecycle.failure().unwrap()
    }

    #[tokio::test]
    async fn a_task_that_panics_stops_the_process_as_failed() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("ledger", async { panic!("a bug") });
        assert_eq!(failure_of(&lifecycle).await, "the ledger broke off");
        assert!(lifecycle.stop(&mut Signals::none()).await, "the rest ends softly");
        assert!(lifecycle.failure().is_some(), "and it is still a failure");
    }

    #[tokio::test]
    async fn a_task_that_ends_too_early_stops_the_process_as_failed() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn_soft("worker", async {});
        assert_eq!(failure_of(&lifecycle).await, "the worker ended");
    }

    #[tokio::test]
    async fn a_task_that_ends_after_the_stop_is_no_failure() {
        let lifecycle = Lifecycle::default();
        let soft = lifecycle.soft.clone();
        lifecycle.spawn("server", async move { soft.cancelled().await });
        lifecycle.spawn_soft("sweep", std::future::pending());
        assert!(lifecycle.stop(&mut Signals::none()).await);
        assert_eq!(lifecycle.failure(), None);
    }

    #[tokio::test]
    async fn a_task_that_never_ends_is_dropped_and_not_waited_for() {
        let lifecycle = Lifecycle::default();
        lifecycle.spawn("ledger", std::future::pending());
        // Watched by nobody, so that nothing drops it.
        lifecycle.tasks.spawn(std::future::pending::<()>());
        let soon = Duration::from_millis(10);
        let mut none = Signals::none();
        let stopped = timeout(GUARD, lifecycle.stop_within(soon, soon, &mut none)).await;
        assert_eq!(stopped, Ok(false));
        assert_eq!(lifecycle.failure(), None, "a stop is no failure");
    }
}
