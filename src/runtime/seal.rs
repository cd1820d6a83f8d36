//! The seal over the life of a process: compared at the start, kept up to date, closed at the end.

use super::lifecycle::Lifecycle;
use crate::config::Config;
use crate::domain::{Clock, Standing};
use crate::store::{Seal, SealError, Store};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How far the seal may be behind the database, while no reply is sent.
const KEEP: Duration = Duration::from_secs(3);
/// How long the last writing may take.
const LAST: Duration = Duration::from_secs(2);

/// Where the seal of a configured database is.
pub(super) fn path(config: &Config) -> PathBuf {
    let database = &config.database;
    Seal::path(database.url.expose_secret(), database.seal.as_deref())
}

/// Compares the database with its seal, and says what is wrong. The demo publishes on this machine
/// alone: its database is taken as it is, wherever its folder was moved.
///
/// # Errors
/// The database does not answer.
pub(super) async fn compare(
    config: &Config,
    store: &Store,
    clock: &Arc<dyn Clock>,
    demo: bool,
) -> anyhow::Result<Seal> {
    let seal = Seal::open(store, path(config), Arc::clone(clock))
        .await
        .context("Cannot read the database")?;
    if demo {
        // Once as the original, and once more if it is behind.
        for _ in 0..2 {
            if seal.standing().trouble().is_some()
                && let Err(error) = seal.adopt().await
            {
                tracing::warn!(%error, "The demo's database cannot be sealed.");
            }
        }
    }
    if let Err(error) = seal.prepare().await {
        tracing::error!(%error, "What was lost cannot be written down.");
    }
    let standing = seal.standing();
    match (&standing, standing.trouble()) {
        (Standing::FailedOver { .. }, Some(trouble)) => tracing::warn!(mend = standing.mend(), "{trouble}."),
        (_, Some(trouble)) => {
            tracing::error!(mend = standing.mend(), "No reply is published: {trouble}.");
        }
        (_, None) => {}
    }
    Ok(seal)
}

/// Keeps the seal close behind the database. Ends the process when the database is not any more the one
/// that it began with.
pub(super) async fn keep(seal: Seal, lifecycle: Lifecycle) {
    let mut told = None;
    loop {
        match seal.keep().await {
            Ok(()) => told = None,
            Err(SealError::Replaced(why)) => lifecycle.fail(why),
            Err(SealError::Refused(why)) => {
                if told.as_ref() != Some(&why) {
                    tracing::error!("{why}.");
                    told = Some(why);
                }
            }
        }
        sleep(KEEP).await;
    }
}

/// The last writing, when nothing works on the database any more.
pub(super) async fn close(seal: &Seal) {
    match timeout(LAST, seal.keep()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "The seal stays behind the database."),
        Err(_) => tracing::warn!("The seal stays behind the database, which does not answer."),
    }
}
