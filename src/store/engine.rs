//! The two engines: how each is opened, asked and closed.

use super::{Error, Result};
use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a caller waits for a connection.
const PATIENCE: Duration = Duration::from_secs(10);
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
];

/// A database, by the concrete pools that reach it.
#[derive(Debug)]
pub enum Engine {
    /// One file, one process.
    Sqlite {
        /// The one connection that writes.
        write: SqlitePool,
        /// A few that read meanwhile.
        read: SqlitePool,
        /// The file.
        path: PathBuf,
    },
    /// A server.
    Postgres {
        /// All connections.
        pool: PgPool,
        /// How to make one more, for the lock.
        options: Box<PgConnectOptions>,
    },
}

impl Engine {
    /// Opens the database and brings its tables up to date.
    pub async fn open(url: &str) -> Result<Self> {
        let engine = if let Some(path) = url.strip_prefix("sqlite:") {
            Self::open_sqlite(Path::new(path.strip_prefix("//").unwrap_or(path))).await?
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Self::open_postgres(url).await?
        } else {
            return Err(Error::Unavailable(
                "`database.url` must begin with `sqlite:` or `postgres://`".to_owned(),
            ));
        };
        engine.migrate().await?;
        Ok(engine)
    }

    async fn open_sqlite(path: &Path) -> Result<Self> {
        let name = path.display();
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
                "{name} cannot be made: the folder {} does not exist",
                folder.display()
            )));
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(false)
            .statement_cache_capacity(64);
        let writer = options
            .clone()
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("cache_size", "-16384")
            .pragma("wal_autocheckpoint", "4000")
            .pragma("journal_size_limit", "33554432")
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
            .test_before_acquire(false)
            .connect_with(writer)
            .await
            .map_err(|error| Error::Unavailable(format!("{name} cannot be opened: {error}")))?;
        let read = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(PATIENCE)
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .connect_lazy_with(reader);
        Ok(Self::Sqlite {
            write,
            read,
            path: path.to_owned(),
        })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        let options: PgConnectOptions = url
            .parse()
            .map_err(|error| Error::Unavailable(format!("`database.url` is not understood: {error}")))?;
        let options = options.application_name("hearback");
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .acquire_timeout(PATIENCE)
            .idle_timeout(IDLE)
            .test_before_acquire(false)
            .after_connect(|connection, _| {
                Box::pin(async move {
                    // An answered commit is on the disk, whatever the server's default is; and
                    // the ROLLBACK below is usually one of nothing, which is no news.
                    sqlx::raw_sql(
                        "SET client_min_messages = error; \
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
            .map_err(|error| {
                let (host, port) = (options.get_host(), options.get_port());
                Error::Unavailable(format!("PostgreSQL at {host}:{port} cannot be reached: {error}"))
            })?;
        Ok(Self::Postgres {
            pool,
            options: Box::new(options),
        })
    }

    async fn migrate(&self) -> Result<()> {
        let done = match self {
            Self::Sqlite { write, .. } => migrator(|(_, _, sqlite, _)| sqlite).run(write).await,
            Self::Postgres { pool, .. } => migrator(|(_, _, _, postgres)| postgres).run(pool).await,
        };
        done.map_err(|error| Error::Unavailable(format!("its tables cannot be brought up to date: {error}")))
    }

    /// Closes the connections; SQLite moves what is in its log into the file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, .. } => {
                read.close().await;
                if let Err(error) = sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                    .execute(write)
                    .await
                {
                    tracing::debug!(%error, "The log stays beside the database until the next start.");
                }
                write.close().await;
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
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
