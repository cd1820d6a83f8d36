//! Two-stage shutdown. The first signal is soft: nothing new is taken in, no new delivery begins, what
//! is under way ends. The second signal, or the time limit, is hard: everything is dropped where it
//! stands; what was committed is delivered after the next start.

use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a soft stop may take before it becomes hard.
pub const SOFT_LIMIT: Duration = Duration::from_secs(30);

/// The tasks of a process and its two stops. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Everything that runs.
    pub tasks: TaskTracker,
    /// Cancelled first: take in nothing new.
    pub soft: CancellationToken,
    /// Cancelled last: drop everything.
    pub hard: CancellationToken,
}

impl Lifecycle {
    /// Runs a task until it ends or everything is dropped.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let hard = self.hard.clone();
        self.tasks.spawn(async move {
            hard.run_until_cancelled(task).await;
        });
    }

    /// Runs a task that also stops softly by being dropped: a connection that only reads.
    pub fn spawn_soft(&self, task: impl Future<Output = ()> + Send + 'static) {
        let soft = self.soft.clone();
        self.tasks.spawn(async move {
            soft.run_until_cancelled(task).await;
        });
    }

    /// Waits for SIGINT or SIGTERM, or for the soft stop from inside.
    ///
    /// # Errors
    /// Signals cannot be watched.
    pub async fn signalled(&self) -> std::io::Result<()> {
        let mut terminate = terminations()?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted?,
            () = terminate.next() => {}
            () = self.soft.cancelled() => {}
        }
        Ok(())
    }

    /// Stops: softly, and hard at a second signal or after `SOFT_LIMIT`. True when it stayed soft.
    pub async fn stop(&self) -> bool {
        self.soft.cancel();
        self.tasks.close();
        let second = async {
            match terminations() {
                Ok(mut terminate) => {
                    tokio::select! {
                        _ = tokio::signal::ctrl_c() => {}
                        () = terminate.next() => {}
                    }
                }
                Err(_) => std::future::pending().await,
            }
        };
        let soft = tokio::select! {
            () = self.tasks.wait() => true,
            () = second => false,
            () = tokio::time::sleep(SOFT_LIMIT) => false,
        };
        if !soft {
            tracing::warn!("Stopping at once.");
        }
        self.hard.cancel();
        self.tasks.wait().await;
        soft
    }
}

/// SIGTERM where there is such a thing.
struct Terminations {
    #[cfg(unix)]
    signal: tokio::signal::unix::Signal,
}

fn terminations() -> std::io::Result<Terminations> {
    Ok(Terminations {
        #[cfg(unix)]
        signal: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?,
    })
}

impl Terminations {
    async fn next(&mut self) {
        #[cfg(unix)]
        self.signal.recv().await;
        #[cfg(not(unix))]
        std::future::pending::<()>().await;
    }
}
