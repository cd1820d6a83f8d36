//! The two engines behind one enum, and what their errors mean.

use super::sql::Sql;
use super::{Error, Result};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgPool, SqlStr, SqlitePool};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

/// How long a connection is waited for.
const ACQUIRE: Duration = Duration::from_secs(5);
/// How long SQLite waits for a lock of another process.
const BUSY: Duration = Duration::from_secs(5);
/// The key of Postgres' advisory lock: "hearback" in bytes.
const LOCK_KEY: i64 = i64::from_be_bytes(*b"hearback");

/// The pools.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    /// One connection writes, a few read.
    Sqlite {
        write: SqlitePool,
        read: SqlitePool,
        path: PathBuf,
    },
    /// One pool for both.
    Postgres {
        pool: PgPool,
        options: Box<PgConnectOptions>,
    },
}

/// Runs one query against whichever engine there is; for reads.
macro_rules! on_read {
    ($engine:expr, $connection:ident => $body:expr) => {
        match $engine {
            Engine::Sqlite {
                read: $connection, ..
            } => $body,
            Engine::Postgres {
                pool: $connection, ..
            } => $body,
        }
    };
}
pub(super) use on_read;

/// What keeps other processes away; let go when dropped.
#[derive(Debug)]
pub(super) enum Held {
    /// An exclusive lock on the file beside the database.
    File { _file: File },
    /// A session that holds the advisory lock.
    Session { _connection: Box<PgConnection> },
}

impl Sql {
    /// The text for this engine.
    pub fn on(self, engine: &Engine) -> &'static str {
        match engine {
            Engine::Sqlite { .. } => self.sqlite,
            Engine::Postgres { .. } => self.postgres,
        }
    }
}

impl Engine {
    /// Connects and brings the tables up to date.
    pub async fn open(url: &str) -> Result<Self> {
        if let Some(rest) = url.strip_prefix("sqlite:") {
            return Self::open_sqlite(url, rest).await;
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Self::open_postgres(url).await;
        }
        Err(Error::Unavailable(
            "the address begins neither with sqlite: nor with postgres://".to_owned(),
        ))
    }

    async fn open_sqlite(url: &str, rest: &str) -> Result<Self> {
        let shown = rest.split('?').next().unwrap_or(rest).to_owned();
        let failed = |error: &dyn std::fmt::Display| {
            Error::Unavailable(format!(
                "cannot open {shown}: {error}; does its folder exist, and may it be written to?"
            ))
        };
        let options = SqliteConnectOptions::from_str(url).map_err(|error| failed(&error))?;
        let path = options.get_filename().to_owned();
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY)
            .foreign_keys(false)
            .disable_statement_logging();
        let pool = || {
            SqlitePoolOptions::new()
                .acquire_timeout(ACQUIRE)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = options.clone().pragma("cache_size", "-4096");
        let write = pool()
            .max_connections(1)
            .connect_with(writer)
            .await
            .map_err(|error| failed(&error))?;
        migrations(include_str!("../../migrations/sqlite/0001_initial.sql"))
            .run(&write)
            .await
            .map_err(|error| failed(&error))?;
        let reader = options.read_only(true).pragma("cache_size", "-1024");
        let read = pool()
            .max_connections(3)
            .connect_with(reader)
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self::Sqlite { write, read, path })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        // The address may carry a password: it is not told.
        let failed =
            |error: &dyn std::fmt::Display| Error::Unavailable(format!("cannot use Postgres: {error}"));
        let options = PgConnectOptions::from_str(url).map_err(|error| failed(&error))?;
        let options = options.application_name("hearback").disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(6)
            .acquire_timeout(ACQUIRE)
            // A transaction that was begun and dropped must not swallow the next one's writes:
            // https://github.com/launchbadge/sqlx/issues/4385
            .before_acquire(|connection, _| {
                Box::pin(async move {
                    connection.execute("ROLLBACK").await?;
                    Ok(true)
                })
            })
            .connect_with(options.clone())
            .await
            .map_err(|error| failed(&error))?;
        migrations(include_str!("../../migrations/postgres/0001_initial.sql"))
            .run(&pool)
            .await
            .map_err(|error| failed(&error))?;
        Ok(Self::Postgres {
            pool,
            options: Box::new(options),
        })
    }

    /// Keeps other processes away from this database.
    pub async fn hold(&self) -> Result<Held> {
        let taken =
            || Error::Unavailable("another Hearback is running on this database; stop it first".to_owned());
        match self {
            Self::Sqlite { path, .. } => {
                let beside = lock_file(path);
                let file = File::options()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(&beside);
                let file = file.map_err(|error| {
                    Error::Unavailable(format!("cannot open {}: {error}", beside.display()))
                })?;
                match file.try_lock() {
                    Ok(()) => Ok(Held::File { _file: file }),
                    Err(std::fs::TryLockError::WouldBlock) => Err(taken()),
                    Err(std::fs::TryLockError::Error(error)) => Err(Error::Unavailable(format!(
                        "cannot lock {}: {error}",
                        beside.display()
                    ))),
                }
            }
            Self::Postgres { options, .. } => {
                let mut connection = PgConnection::connect_with(options).await?;
                let query = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(LOCK_KEY);
                let held: bool = query.fetch_one(&mut connection).await?;
                if held {
                    Ok(Held::Session {
                        _connection: Box::new(connection),
                    })
                } else {
                    Err(taken())
                }
            }
        }
    }

    /// Closes the connections; SQLite's log is folded into its file.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { write, read, .. } => {
                read.close().await;
                write.close().await;
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// The versions of the tables, compiled in.
fn migrations(initial: &'static str) -> Migrator {
    let kind = MigrationType::Simple;
    let initial = Migration::new(1, "initial".into(), kind, SqlStr::from_static(initial), false);
    Migrator::with_migrations(vec![initial])
}

fn lock_file(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(inner) if content_is_wrong(inner.as_ref()) => {
                Self::Refused(inner.to_string())
            }
            sqlx::Error::ColumnDecode { index, source } => Self::Inconsistent {
                table: "?",
                column: "?",
                row: index.clone(),
                why: source.to_string(),
            },
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Whether the content is at fault, and not the state of the database.
///
/// Postgres: class 22 (data exception) and 23 (constraint), <https://www.postgresql.org/docs/15/errcodes-appendix.html>.
/// SQLite: 18 TOOBIG, 19 CONSTRAINT, 20 MISMATCH, and 1 ERROR (malformed JSON),
/// <https://www.sqlite.org/rescode.html>.
fn content_is_wrong(error: &dyn sqlx::error::DatabaseError) -> bool {
    let Some(code) = error.code() else { return false };
    if error
        .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
        .is_some()
    {
        return code.starts_with("22") || code.starts_with("23");
    }
    code.parse::<i32>()
        .is_ok_and(|code| matches!(code & 0xff, 1 | 18 | 19 | 20))
}
