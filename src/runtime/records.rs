//! The commands about what is recorded: `audit verify`, `adopt`, `erase`.

use super::seal;
use crate::app::{self, CannotErase};
use crate::cli::{self, Adopt, Erase, Exit};
use crate::config::Config;
use crate::domain::{Clock, NativeId, SourceName, Standing, SystemClock};
use crate::store::{Seal, Store};
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use std::io::stdout;
use std::sync::Arc;

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Looks through the log. Reads only, also while Hearback runs.
pub(super) async fn verify(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let store = Store::join(config.database.url.expose_secret())
        .await
        .context("Cannot use the database")?;
    let seal = Seal::open(&store, seal::path(config), clock())
        .await
        .context("Cannot read the database")?;
    let sealed = seal.sealed().await.context("Cannot read the database")?;
    let known = sealed.as_ref().ok().copied().flatten();
    let report = seal.verify(known).await.context("Cannot read the log")?;
    store.close().await;
    Ok(cli::audit::report(&report, &sealed, json, &mut stdout())?)
}

/// How the database stands to its seal, for `doctor`. Reads only.
pub(super) async fn standing(config: &Config) -> anyhow::Result<Standing> {
    let store = Store::join(config.database.url.expose_secret()).await?;
    let seal = Seal::open(&store, seal::path(config), clock()).await?;
    store.close().await;
    Ok(seal.standing())
}

/// Takes the database as the one that sends.
pub(super) async fn adopt(config: &Config, adopt: &Adopt) -> anyhow::Result<Exit> {
    let store = Store::claim(config.database.url.expose_secret())
        .await
        .context("Cannot use the database")?;
    let done = adopted(config, &store, adopt).await;
    store.close().await;
    done
}

async fn adopted(config: &Config, store: &Store, adopt: &Adopt) -> anyhow::Result<Exit> {
    let seal = Seal::open(store, seal::path(config), clock())
        .await
        .context("Cannot read the database")?;
    let before = seal.standing();
    let plain = before.trouble().is_none() || seal.is_plain_move().await;
    let after = match plain || adopt.yes {
        true => Some(seal.adopt().await?),
        false => None,
    };
    Ok(cli::adopt::report(
        &before,
        after.as_ref(),
        adopt.json,
        &mut stdout(),
    )?)
}

/// Erases a person.
pub(super) async fn erase(config: &Config, erase: &Erase) -> anyhow::Result<Exit> {
    let store = Store::claim(config.database.url.expose_secret())
        .await
        .context("Cannot use the database")?;
    let done = erased(config, &store, erase).await;
    store.close().await;
    done
}

async fn erased(config: &Config, store: &Store, erase: &Erase) -> anyhow::Result<Exit> {
    let clock = clock();
    let source = SourceName::new(&erase.source);
    let author = NativeId::new(&erase.author);
    let done = match app::erase(store, &source, &author, clock.now()).await {
        Ok(done) => done,
        Err(CannotErase::UnderWay(replies)) => {
            return Ok(cli::erase::refused(&replies, erase.json, &mut stdout())?);
        }
        Err(CannotErase::Unavailable(error)) => return Err(error).context("Nothing was erased"),
    };
    // Also when there was nothing to erase: an earlier run may have been cut off here.
    let remnants = store.scrub().await.err().map(|error| error.to_string());
    let seal = Seal::open(store, seal::path(config), clock).await;
    let kept = match seal.context("Cannot read the database") {
        Ok(seal) => seal.keep().await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        tracing::warn!(%error, "The seal stays behind the database until the next start.");
    }
    let erasure = cli::erase::Erasure {
        source: erase.source.clone(),
        author: erase.author.clone(),
        cases: done.cases.iter().map(|case| case.0).collect(),
        posts: done.posts,
        replies: done.replies,
        key: done.key,
        events: done.events,
        answers: done.answers,
        asides: done.asides,
        unheard: done.unheard,
        threads: done.threads.len(),
        nothing: done.is_nothing(),
        remnants,
    };
    Ok(cli::erase::report(&erasure, erase.json, &mut stdout())?)
}
