//! The only SQL. One set of statements, two engines.
//!
//! A write is one transaction, set-wise: one statement for each list of [`Changes`] that is not
//! empty, with one batch of parameters. Values are kept whole as JSON; only what is searched or sorted
//! by has a column. There is one writer in SQLite, and nobody else ever waits for it to read.

mod batch;
mod engine;
mod error;
mod lock;
mod model;
mod read;
mod row;
pub mod sql;
mod write;

pub use error::{Error, Result};
pub use model::{
    Aside, CaseFilter, Changes, Counters, CursorRow, InboxRow, Known, ReplyMessage, StoredPost, Thread,
};

use engine::Engine;
use lock::Held;
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
    engine: Engine,
    /// The writes under way; closing waits for them.
    writes: TaskTracker,
    /// Held while this process works on the database.
    lock: Mutex<Option<Held>>,
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Self> {
        let store = Self {
            inner: Arc::new(Inner {
                engine: Engine::open(url).await?,
                writes: TaskTracker::new(),
                lock: Mutex::new(None),
            }),
        };
        store.install(&random_name()).await?;
        Ok(store)
    }

    /// Makes this the one process that works on the database, until it is closed or the process
    /// ends. Whoever only reads needs no lock.
    ///
    /// # Errors
    /// Another process has it.
    pub async fn lock(&self) -> Result<()> {
        let mut held = self.inner.lock.lock().await;
        if held.is_none() {
            *held = Some(lock::take(&self.inner.engine).await?);
        }
        Ok(())
    }

    /// Takes the lock again if the server lost the session that held it.
    async fn keep_lock(&self) -> Result<()> {
        let mut held = self.inner.lock.lock().await;
        if let Some(Held::Session(session)) = held.as_mut()
            && sqlx::Connection::ping(session.as_mut()).await.is_err()
        {
            *held = Some(lock::take(&self.inner.engine).await?);
        }
        Ok(())
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
