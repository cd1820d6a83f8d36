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
mod write;

pub use error::{Error, Result};
pub use look::Tables;
pub use model::{
    Aside, AttemptRow, CaseFilter, Changes, Counters, CursorRow, Erasure, Facts, InboxRow, Known, PauseRow,
    ReplyMark, ReplyMessage, ReplyStep, StoredPost, Thread,
};

use crate::domain::audit::Hash;
pub use seal::{Seal, SealError};

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

    /// Opens one that is there, to read only: nothing is made, brought up to date or claimed.
    ///
    /// # Errors
    /// It cannot be opened, or its tables are not those of this version.
    pub async fn inspect(url: &str) -> Result<Self> {
        let why = match Self::look(url).await? {
            Tables::Current => {
                let address = Address::parse(url)?;
                let engine = Engine::open_to_read(&address).await?;
                return Ok(Self::of(address, engine, None));
            }
            Tables::None => "there is none yet; `hearback serve` makes it",
            Tables::Older => {
                "its tables are those of an earlier version; `hearback serve` brings them up to date"
            }
            Tables::Newer => "its tables are those of a later version of Hearback",
        };
        Err(Error::Unavailable(why.to_owned()))
    }

    async fn opened(address: Address, held: Option<Held>) -> Result<Self> {
        let engine = Engine::open(&address).await?;
        let store = Self::of(address, engine, held);
        let secret = [random_name(), random_name(), random_name(), random_name()].concat();
        store.install(&random_name(), &secret).await?;
        Ok(store)
    }

    fn of(address: Address, engine: Engine, held: Option<Held>) -> Self {
        Self {
            inner: Arc::new(Inner {
                engine,
                address,
                writes: TaskTracker::new(),
                lock: Mutex::new(held),
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
        self.inner.engine.close().await;
        *self.inner.lock.lock().await = None;
    }
}

/// Eight characters of `[a-z0-9]`.
fn random_name() -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    (0..8)
        .map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())]))
        .collect()
}
