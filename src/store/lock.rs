//! One process at a time works on a database: two would answer a customer twice.

use super::engine::{Address, REACH};
use super::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use std::fs::{File, TryLockError};
use std::path::Path;
use tokio::time::timeout;

/// What is held while the process works. Falls with the process, however it ends.
#[derive(Debug)]
pub enum Held {
    /// The file beside the database.
    File(#[expect(dead_code, reason = "held, not read: the lock falls with it")] File),
    /// The session that has the advisory lock.
    Session(Session),
}

/// A session of PostgreSQL's that is there for the lock alone.
#[derive(Debug)]
pub struct Session {
    connection: PgConnection,
    name: Name,
}

/// Which session it is: process ids come again, but not with the same beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    process: i32,
    began: String,
}

/// "Hearback", as the number that PostgreSQL's advisory locks want.
const NAME: i32 = 0x4865_6172;

/// Takes the lock. Needs no tables.
///
/// # Errors
/// Another process has it, or the database cannot be reached.
pub async fn take(address: &Address) -> Result<Held> {
    match address {
        Address::Sqlite(path) => lock_file(path).map(Held::File),
        Address::Postgres(options) => match open_session(options).await? {
            Ok(session) => Ok(Held::Session(session)),
            Err(_) => Err(Error::Taken),
        },
    }
}

/// Takes the lock again if the server lost the session that held it. The lock of a session of our
/// own that the server has not missed yet (a network that broke) is nobody else's: that session is
/// ended, and the lock is free at the next attempt.
///
/// # Errors
/// [`Error::Taken`]: another process has it. Otherwise the database cannot be reached, and it is not
/// known who has the lock.
pub async fn keep(address: &Address, held: &mut Held) -> Result<()> {
    let (Held::Session(session), Address::Postgres(options)) = (held, address) else {
        return Ok(());
    };
    if matches!(timeout(REACH, session.connection.ping()).await, Ok(Ok(()))) {
        return Ok(());
    }
    match open_session(options).await? {
        Ok(new) => {
            *session = new;
            Ok(())
        }
        Err(mut stranger) => {
            if end(&mut stranger, &session.name).await? {
                return Err(Error::Unavailable(
                    "the lock is still held by a connection that broke; it is being ended".to_owned(),
                ));
            }
            Err(Error::Taken)
        }
    }
}

/// Opening and trying never wait, so they may stand in asynchronous code.
fn lock_file(path: &Path) -> Result<File> {
    let mut name = path.to_owned().into_os_string();
    name.push(".lock");
    let failed =
        |error: std::io::Error| Error::Unavailable(format!("{} cannot be locked: {error}", name.display()));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Taken),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// A session with the lock, or, where somebody has it, the connection that asked.
async fn open_session(options: &PgConnectOptions) -> Result<std::result::Result<Session, PgConnection>> {
    let asking = async {
        let mut connection = options.connect().await?;
        // The server notices within half a minute that our machine is gone, and frees the lock.
        sqlx::raw_sql(
            "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3",
        )
        .execute(&mut connection)
        .await?;
        // The lock is the database's; two schemas of one database are two Hearbacks.
        let (got, process, began): (bool, i32, String) = sqlx::query_as(
            "SELECT pg_try_advisory_lock($1, hashtext(current_schema())), pid, CAST(backend_start AS TEXT) \
             FROM pg_stat_activity WHERE pid = pg_backend_pid()",
        )
        .bind(NAME)
        .fetch_one(&mut connection)
        .await?;
        let name = Name { process, began };
        Ok::<_, sqlx::Error>(if got {
            Ok(Session { connection, name })
        } else {
            Err(connection)
        })
    };
    match timeout(REACH, asking).await {
        Ok(asked) => Ok(asked?),
        Err(_) => Err(Error::Unavailable(format!(
            "PostgreSQL did not answer within {} s",
            REACH.as_secs()
        ))),
    }
}

/// Ends this session if it is what holds the lock, and tells whether it was.
async fn end(connection: &mut PgConnection, session: &Name) -> Result<bool> {
    let ended: Vec<(bool,)> = sqlx::query_as(
        "SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity AS a \
         JOIN pg_locks AS l ON l.pid = a.pid AND l.locktype = 'advisory' AND l.granted \
         WHERE a.pid = $1 AND CAST(a.backend_start AS TEXT) = $2",
    )
    .bind(session.process)
    .bind(&session.began)
    .fetch_all(connection)
    .await?;
    Ok(!ended.is_empty())
}
