//! The two engines: how each is opened, asked and closed.

use super::{Error, Result};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::timeout;

/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a server may take to answer a small question on a connection of its own.
pub const REACH: Duration = Duration::from_secs(5);
/// How long a connection that nobody needs is kept.
const IDLE: Duration = Duration::from_secs(60);

/// The version and the words of each migration. Both engines have the same versions.
pub const MIGRATIONS: &[(i64, &str, &str, &str)] = &[
    (
        1,
        "initial",
        include_str!("../../migrations/sqlite/0001_initial.sql"),
        include_str!("../../migrations/postgres/0001_initial.sql"),
    ),
    (
        2,
        "due order",
        include_str!("../../migrations/sqlite/0002_due_order.sql"),
        include_str!("../../migrations/postgres/0002_due_order.sql"),
    ),
    (
        3,
        "audit",
        include_str!("../../migrations/sqlite/0003_audit.sql"),
        include_str!("../../migrations/postgres/0003_audit.sql"),
    ),
    (
        4,
        "replies",
        include_str!("../../migrations/sqlite/0004_replies.sql"),
        include_str!("../../migrations/postgres/0004_replies.sql"),
    ),
    (
        5,
        "orders",
        include_str!("../../migrations/sqlite/0005_orders.sql"),
        include_str!("../../migrations/postgres/0005_orders.sql"),
    ),
    (
        6,
        "tokens",
        include_str!("../../migrations/sqlite/0006_tokens.sql"),
        include_str!("../../migrations/postgres/0006_tokens.sql"),
    ),
];

/// Where a database is.
#[derive(Debug)]
pub enum Address {
    /// A file.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    /// Reads `sqlite:PATH` or `postgres://…`. The path is taken as it stands.
    ///
    /// # Errors
    /// It is neither; or the path's folder does not exist.
    pub fn parse(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            file(path)?;
            Ok(Self::Sqlite(path.to_owned()))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options: PgConnectOptions = url
                .parse()
                .map_err(|error| Error::Unavailable(format!("`database.url` is not understood: {error}")))?;
            Ok(Self::Postgres(Box::new(options.application_name("hearback"))))
        } else {
            Err(Error::Unavailable(
                "`database.url` must begin with `sqlite:` or `postgres://`".to_owned(),
            ))
        }
    }
}

/// A file can be there.
fn file(path: &Path) -> Result<()> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(Error::Unavailable(
            "`database.url` must name a file, for example `sqlite:hearback.db`".to_owned(),
        ));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder
        && !folder.is_dir()
    {
        return Err(Error::Unavailable(format!(
            "{} cannot be made: the folder {} does not exist",
            path.display(),
            folder.display()
        )));
    }
    Ok(())
}

/// A database, by the concrete pools that reach it.
#[derive(Debug)]
pub enum Engine {
    /// One file, one process.
    Sqlite {
        /// The one connection that writes.
        write: SqlitePool,
        /// A few that read meanwhile.
        read: SqlitePool,
    },
    /// A server.
    Postgres {
        /// All connections.
        pool: PgPool,
    },
}

impl Engine {
    /// Brings the tables up to date, and opens the database.
    ///
    /// # Errors
    /// It cannot be reached or made, or its tables do not fit.
    pub async fn open(address: &Address) -> Result<Self> {
        match address {
            Address::Sqlite(path) => {
                let engine = Self::open_sqlite(path, true).await?;
                if let Self::Sqlite { write, .. } = &engine {
                    crash_point!(K21);
                    migrator(|(_, _, sqlite, _)| sqlite)
                        .run(write)
                        .await
                        .map_err(unfit)?;
                    crash_point!(K21);
                }
                Ok(engine)
            }
            Address::Postgres(options) => {
                crash_point!(K21);
                migrate_postgres(options).await?;
                crash_point!(K21);
                Self::open_postgres(options).await
            }
        }
    }

    /// Opens a database that is there, and leaves its tables as they are.
    ///
    /// # Errors
    /// It is not there, or cannot be reached.
    pub async fn join(address: &Address) -> Result<Self> {
        match address {
            Address::Sqlite(path) => Self::open_sqlite(path, false).await,
            Address::Postgres(options) => Self::open_postgres(options).await,
        }
    }

    async fn open_sqlite(path: &Path, make: bool) -> Result<Self> {
        let name = path.display();
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(false)
            .statement_cache_capacity(128);
        let writer = options
            .clone()
            .create_if_missing(make)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-24576")
            .pragma("wal_autocheckpoint", "8000")
            .pragma("journal_size_limit", "67108864")
            .thread_name(|_| "store-write".to_owned());
        let reader = options
            .pragma("query_only", "1")
            .pragma("cache_size", "-1024")
            .thread_name(|id| format!("store-read-{id}"));
        let write = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false);
        #[cfg(feature = "rig")]
        let write = write.after_connect(|connection, _| {
            Box::pin(async move {
                let mut handle = connection.lock_handle().await?;
                handle.set_commit_hook(|| {
                    crash_point!(K23);
                    true
                });
                Ok(())
            })
        });
        let write = write
            .connect_with(writer)
            .await
            .map_err(|error| Error::Unavailable(format!("{name} cannot be opened: {error}")))?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .connect_lazy_with(reader);
        Ok(Self::Sqlite { write, read })
    }

    async fn open_postgres(options: &PgConnectOptions) -> Result<Self> {
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .acquire_timeout(PATIENCE)
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // An answered commit is on the disk, whatever the server's default is; no
                    // statement of ours takes long, so one that does is better given up than
                    // waited for; and the ROLLBACK below is usually one of nothing, which is no news.
                    sqlx::raw_sql(
                        "SET client_min_messages = error; \
                         SET statement_timeout = '15s'; \
                         SET lock_timeout = '5s'; \
                         SET idle_in_transaction_session_timeout = '10s'; \
                         SELECT set_config('synchronous_commit', 'on', false) \
                         WHERE current_setting('synchronous_commit') IN ('off', 'local')",
                    )
                    .execute(connection)
                    .await?;
                    Ok(())
                })
            })
            // A reading future that was dropped, or a write that failed, may have left a
            // transaction open; the next user must not write into it and lose their words. An
            // error here replaces the connection.
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql(super::sql::ROLLBACK.postgres)
                        .execute(connection)
                        .await?;
                    Ok(true)
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(|error| unreachable(options, &error.to_string()))?;
        Ok(Self::Postgres { pool })
    }

    /// Closes the connections; SQLite moves what is in its log into the file. A `guest` leaves that to
    /// the process whose database it is, and waits for nobody.
    pub async fn close(&self, guest: bool) {
        match self {
            Self::Sqlite { write, read, .. } => {
                read.close().await;
                if !guest
                    && let Err(error) = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                        .execute(write)
                        .await
                {
                    tracing::debug!(%error, "The log stays beside the database until the next start.");
                }
                write.close().await;
            }
            Self::Postgres { pool } => pool.close().await,
        }
    }
}

/// On a connection of its own, without the limits that our small statements have.
async fn migrate_postgres(options: &PgConnectOptions) -> Result<()> {
    let mut connection = match timeout(PATIENCE, options.connect()).await {
        Ok(connected) => connected.map_err(|error| unreachable(options, &error.to_string()))?,
        Err(_) => return Err(unreachable(options, "it does not answer")),
    };
    migrator(|(_, _, _, postgres)| postgres)
        .run(&mut connection)
        .await
        .map_err(unfit)?;
    connection.close().await?;
    Ok(())
}

/// The server cannot be reached. Names it without its user and password.
pub fn unreachable(options: &PgConnectOptions, why: &str) -> Error {
    let (host, port) = (options.get_host(), options.get_port());
    Error::Unavailable(format!("PostgreSQL at {host}:{port} cannot be reached: {why}"))
}

fn unfit(error: sqlx::migrate::MigrateError) -> Error {
    Error::Unavailable(format!("its tables cannot be brought up to date: {error}"))
}

type Words = (i64, &'static str, &'static str, &'static str);

fn migrator(words: impl Fn(&'static Words) -> &'static str) -> Migrator {
    Migrator::with_migrations(
        MIGRATIONS
            .iter()
            .map(|migration| {
                let (version, name, ..) = migration;
                let sql = words(migration).into_sql_str();
                Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
            })
            .collect(),
    )
}
