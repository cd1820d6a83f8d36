//! The only SQL. One set of statements, two engines.
//!
//! A write is one transaction, set-wise: one statement for each list of [`Changes`] that is not
//! empty, with one batch of parameters. Values are kept whole as JSON; only what is searched or sorted
//! by has a column. There is one writer in SQLite, and nobody else ever waits for it to read.

mod batch;
mod engine;
mod error;
mod lock;
mod look;
mod model;
mod place;
mod privacy;
mod read;
mod row;
mod scrub;
mod seal;
pub mod sql;
mod transact;
mod vault;
mod write;

pub use error::{Error, Result};
pub use look::Tables;
pub use model::{
    Aside, AttemptRow, CaseFilter, Changes, Counters, CursorRow, Erasure, Facts, InboxRow, Known, OrderRow,
    PauseRow, ReplyMark, ReplyMessage, ReplyStep, StoredPost, Thread,
};

use crate::domain::audit::Hash;
pub use seal::{Seal, SealError};
pub use vault::Vault;

use engine::{Address, Engine};
use lock::Held;
use privacy::Keyring;
use rand::Rng as _;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

/// Where cases are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    address: Address,
    engine: Engine,
    /// The writes under way; closing waits for them.
    writes: TaskTracker,
    /// Held while this process works on the database.
    lock: Mutex<Option<Held>>,
    /// Whether the database is another process's, or nobody's at present.
    guest: bool,
    /// The end of the log, when it is known. Held through every commit that appends to it.
    head: Mutex<Option<Hash>>,
    /// The keys that were needed lately.
    keys: Keyring,
}

impl Store {
    /// Makes this the one process that works on `sqlite:PATH` or `postgres://…`, until it is closed or
    /// the process ends; then brings its tables up to date and opens it.
    ///
    /// # Errors
    /// [`Error::Taken`]: another process has it. Otherwise it cannot be opened.
    pub async fn claim(url: &str) -> Result<Self> {
        let address = Address::parse(url)?;
        let held = lock::take(&address).await?;
        Self::opened(address, Some(held)).await
    }

    /// Opens it without claiming it: for whoever knows that nobody works on it, or only reads.
    ///
    /// # Errors
    /// It cannot be opened.
    pub async fn open(url: &str) -> Result<Self> {
        Self::opened(Address::parse(url)?, None).await
    }

    /// Opens a database that is there and has the tables of this version, to read, or to write what
    /// needs no lock: a pause, an order. Makes and migrates nothing, and claims nothing: another
    /// process may work on it meanwhile.
    ///
    /// # Errors
    /// It is not there, its tables are those of another version, or it cannot be reached.
    pub async fn join(url: &str) -> Result<Self> {
        let address = Address::parse(url)?;
        let engine = look::join(&address).await?;
        Ok(Self::of(address, engine, None, true))
    }

    async fn opened(address: Address, held: Option<Held>) -> Result<Self> {
        let engine = Engine::open(&address).await?;
        let store = Self::of(address, engine, held, false);
        let secret = [random_name(), random_name(), random_name(), random_name()].concat();
        store.install(&random_name(), &secret).await?;
        Ok(store)
    }

    fn of(address: Address, engine: Engine, held: Option<Held>, guest: bool) -> Self {
        Self {
            inner: Arc::new(Inner {
                engine,
                address,
                writes: TaskTracker::new(),
                lock: Mutex::new(held),
                guest,
                head: Mutex::new(None),
                keys: Keyring::default(),
            }),
        }
    }

    /// Takes the lock again if the server lost the session that held it; nothing if it was never
    /// claimed. To be called every few seconds: meanwhile another process could begin to work.
    ///
    /// # Errors
    /// [`Error::Taken`]: another process has it now, and this one must stop. Otherwise the database
    /// cannot be reached: try again.
    pub async fn keep_lock(&self) -> Result<()> {
        match self.inner.lock.lock().await.as_mut() {
            Some(held) => lock::keep(&self.inner.address, held).await,
            None => Ok(()),
        }
    }

    /// Ends: waits for the writes under way, checkpoints and closes the connections.
    pub async fn close(&self) {
        self.inner.writes.close();
        self.inner.writes.wait().await;
        self.inner.engine.close(self.inner.guest).await;
        *self.inner.lock.lock().await = None;
    }
}

/// Eight characters of `[a-z0-9]`.
#[must_use]
pub fn random_name() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..8)
        .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
        .collect()
}
