//! One process at a time works on a database: two would answer a customer twice.

use super::engine::Engine;
use super::{Error, Result};
use sqlx::{ConnectOptions as _, PgConnection};
use std::fs::{File, TryLockError};

/// What is held while the process works. Falls with the process, however it ends.
#[derive(Debug)]
pub enum Held {
    /// The file beside the database.
    File(#[expect(dead_code, reason = "held, not read: the lock falls with it")] File),
    /// The session that has the advisory lock.
    Session(Box<PgConnection>),
}

/// "Hearback", as the number that PostgreSQL's advisory locks want.
const NAME: i32 = 0x4865_6172;

fn taken() -> Error {
    Error::Unavailable("another Hearback is running on this database; stop it first".to_owned())
}

/// Takes the lock.
pub async fn take(engine: &Engine) -> Result<Held> {
    match engine {
        Engine::Sqlite { path, .. } => {
            let mut name = path.clone().into_os_string();
            name.push(".lock");
            let failed = |error: std::io::Error| {
                Error::Unavailable(format!("{} cannot be locked: {error}", name.display()))
            };
            // Opening and trying never wait, so they may stand here.
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&name)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => Ok(Held::File(file)),
                Err(TryLockError::WouldBlock) => Err(taken()),
                Err(TryLockError::Error(error)) => Err(failed(error)),
            }
        }
        Engine::Postgres { options, .. } => {
            let mut session = options.connect().await?;
            // The lock is the database's; two schemas of one database are two Hearbacks.
            let got: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext(current_schema()))")
                .bind(NAME)
                .fetch_one(&mut session)
                .await?;
            if got {
                Ok(Held::Session(Box::new(session)))
            } else {
                Err(taken())
            }
        }
    }
}
