//! Keeps a connection alive: runs it again when it ends, with growing, jittered pauses.

use super::link::Link;
use rand::Rng as _;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The first pause.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A connection that stood this long starts again at the first pause.
const STOOD: Duration = Duration::from_secs(60);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// It broke, or was asked to come again: connect anew.
    #[error("{0}")]
    Broken(String),
    /// The other side says when to come again.
    #[error("told to wait {0:?}")]
    Later(Duration),
    /// There is no sense in trying again before somebody mends something (a revoked token, a missing intent).
    #[error("{0}")]
    Hopeless(String),
}

/// Runs `connect` until `stop`. It is dropped, wherever it waits, when `stop` is cancelled. A
/// hopeless connection is tried again at the longest pause, so that a mended token needs no restart.
pub async fn supervise<F>(link: Link, stop: CancellationToken, mut connect: F)
where
    F: AsyncFnMut() -> Result<(), Lost>,
{
    let mut pause = FIRST_PAUSE;
    loop {
        let began = tokio::time::Instant::now();
        let Some(end) = stop.run_until_cancelled(connect()).await else {
            return;
        };
        if began.elapsed() >= STOOD {
            pause = FIRST_PAUSE;
        }
        let told = matches!(end, Err(Lost::Later(_)));
        let wait = match end {
            Ok(()) => FIRST_PAUSE,
            Err(Lost::Broken(reason)) => {
                link.down(reason);
                pause
            }
            Err(Lost::Later(wait)) => {
                link.down("rate limited");
                wait.clamp(FIRST_PAUSE, Duration::from_secs(900))
            }
            Err(Lost::Hopeless(reason)) => {
                link.down(reason);
                LONGEST_PAUSE
            }
        };
        pause = (pause * 2).min(LONGEST_PAUSE);
        if stop
            .run_until_cancelled(tokio::time::sleep(jittered(wait, told)))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// Spreads a pause, so that a crowd does not come back at once; who was told to wait never comes early.
fn jittered(wait: Duration, told: bool) -> Duration {
    let least = if told { 1.0 } else { 0.8 };
    wait.mul_f64(rand::rng().random_range(least..1.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_told_to_wait_never_comes_early() {
        let wait = Duration::from_secs(10);
        assert!((0..1000).all(|_| jittered(wait, true) >= wait));
        assert!((0..1000).any(|_| jittered(wait, false) < wait));
    }
}
