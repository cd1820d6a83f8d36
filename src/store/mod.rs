//! The only SQL. One set of statements, two engines: SQLite for one machine, PostgreSQL for those who
//! have one. Writes are set-wise, all of a commit or nothing, and run in tasks that nobody can cancel:
//! sqlx 0.9.0 loses acknowledged writes when a transaction's beginning is dropped half-way.

mod engine;
mod model;
mod read;
mod sql;
mod write;

pub use model::{
    Aside, CaseFilter, Changes, Counters, CursorRow, InboxRow, ReplyMessage, StoredPost, Thread,
};

use engine::{Engine, Held};
use rand::Rng as _;
use rand::distr::Alphanumeric;
use sqlx::{Column as _, Executor as _, SqlStr, Statement as _};
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::task::TaskTracker;

/// Why the store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database could not take the work now (disk full, connection lost, locked).
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database refused this content (for example a text it cannot hold). Nothing was written.
    #[error("the database refused the content: {0}")]
    Refused(String),
    /// What is stored does not make sense.
    #[error("{table}.{column} of {row} makes no sense: {why}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
        /// Which row.
        row: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Short for the store's results.
pub type Result<T> = std::result::Result<T, Error>;

/// Where cases are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    tasks: TaskTracker,
    held: Mutex<Option<Held>>,
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, and brings its tables up to date.
    ///
    /// # Errors
    /// The database cannot be opened, or not be brought up to date.
    pub async fn open(url: &str) -> Result<Self> {
        let engine = Engine::open(url).await?;
        let store = Self(Arc::new(Inner {
            engine,
            tasks: TaskTracker::new(),
            held: Mutex::new(None),
        }));
        store.name_installation().await?;
        Ok(store)
    }

    /// Keeps other processes away from this database until this store is closed: there is one writer.
    ///
    /// # Errors
    /// Another process has it.
    pub async fn lock(&self) -> Result<()> {
        let held = self.engine().hold().await?;
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(held);
        Ok(())
    }

    /// Ends: waits for writes under way and closes the connections.
    pub async fn close(&self) {
        self.tasks().close();
        self.tasks().wait().await;
        self.engine().close().await;
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Prepares every statement, to find one that an engine does not take.
    ///
    /// # Errors
    /// Names the statement.
    pub async fn prepare_all(&self) -> Result<Vec<(&'static str, Vec<String>)>> {
        let mut out = Vec::new();
        for (name, sql) in sql::all() {
            let text = SqlStr::from_static(sql.on(self.engine()));
            let wrong = |error: sqlx::Error| Error::Refused(format!("{name}: {error}"));
            let columns = match self.engine() {
                Engine::Sqlite { write, .. } => {
                    let statement = write.prepare(text).await.map_err(wrong)?;
                    statement
                        .columns()
                        .iter()
                        .map(|column| column.name().to_owned())
                        .collect()
                }
                Engine::Postgres { pool, .. } => {
                    let statement = pool.prepare(text).await.map_err(wrong)?;
                    statement
                        .columns()
                        .iter()
                        .map(|column| column.name().to_owned())
                        .collect()
                }
            };
            out.push((name, columns));
        }
        Ok(out)
    }

    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    fn tasks(&self) -> &TaskTracker {
        &self.0.tasks
    }

    /// Gives a new database its random name.
    async fn name_installation(&self) -> Result<()> {
        let random: String = rand::rng()
            .sample_iter(Alphanumeric)
            .take(8)
            .map(char::from)
            .collect();
        let name = random.to_lowercase();
        let sql = sql::PUT_FACT.on(self.engine());
        match self.engine() {
            Engine::Sqlite { write, .. } => {
                sqlx::query(sql)
                    .bind("installation")
                    .bind(name)
                    .execute(write)
                    .await
                    .map(drop)?;
            }
            Engine::Postgres { pool, .. } => {
                sqlx::query(sql)
                    .bind("installation")
                    .bind(name)
                    .execute(pool)
                    .await
                    .map(drop)?;
            }
        }
        Ok(())
    }
}
