//! The signals that end the process: SIGINT and SIGTERM, or Ctrl+C where there are no signals.

/// The signals, watched from when this is made: none that comes between two waits is lost.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    watched: Option<[tokio::signal::unix::Signal; 2]>,
    #[cfg(not(unix))]
    watched: bool,
}

impl Signals {
    /// Watches. From now on the signals no longer end the process by themselves.
    ///
    /// # Errors
    /// Signals cannot be watched.
    pub fn watch() -> std::io::Result<Self> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let watched = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
            Ok(Self {
                watched: Some(watched),
            })
        }
        #[cfg(not(unix))]
        Ok(Self { watched: true })
    }

    /// No signals: for a Hearback that is stopped from inside.
    #[must_use]
    pub fn none() -> Self {
        Self {
            watched: Default::default(),
        }
    }

    /// Waits for the next.
    pub async fn next(&mut self) {
        #[cfg(unix)]
        if let Some([interrupt, terminate]) = &mut self.watched {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
        #[cfg(not(unix))]
        if self.watched && tokio::signal::ctrl_c().await.is_ok() {
            return;
        }
        std::future::pending().await
    }
}
