//! After an erasure: what was removed is to be gone from the files too, not only from the tables.

use super::engine::{Address, Engine, unreachable};
use super::{Error, Result, Store};
use sqlx::{ConnectOptions as _, Connection as _};

/// Writes each table with people's words anew. `VACUUM FULL` would keep rows that somebody's snapshot
/// might still see, and any connection that is being made counts; a column that is computed anew takes
/// only rows that are there (<https://www.postgresql.org/docs/current/mvcc-caveats.html>).
const ANEW: [&str; 9] = [
    "ALTER TABLE person_keys ALTER COLUMN secret TYPE TEXT COLLATE \"C\" USING secret || ''",
    "ALTER TABLE posts ALTER COLUMN body TYPE TEXT USING body || ''",
    "ALTER TABLE cases ALTER COLUMN body TYPE TEXT USING body || ''",
    "ALTER TABLE replies ALTER COLUMN body TYPE TEXT USING body || ''",
    "ALTER TABLE events ALTER COLUMN body TYPE TEXT USING body || ''",
    "ALTER TABLE effects ALTER COLUMN reason TYPE TEXT COLLATE \"C\" USING reason || ''",
    "ALTER TABLE inbox ALTER COLUMN answer TYPE TEXT COLLATE \"C\" USING answer || ''",
    "ALTER TABLE asides ALTER COLUMN raw TYPE TEXT COLLATE \"C\" USING raw || ''",
    "ALTER TABLE unheard ALTER COLUMN body TYPE TEXT COLLATE \"C\" USING body || ''",
];

impl Store {
    /// Writes the tables anew, without what was removed from them. Nobody else may work on the database;
    /// takes as long as it is large, and as much room again.
    ///
    /// # Errors
    /// There is no room, or it is not allowed: remnants may be left.
    pub async fn scrub(&self) -> Result<()> {
        match (&self.inner.address, &self.inner.engine) {
            (_, Engine::Sqlite { write, .. }) => {
                // Free pages are overwritten; then all that is left is written anew, and the log beside
                // the file, which has the old pages, is emptied.
                for sql in ["PRAGMA secure_delete = ON", "VACUUM"] {
                    sqlx::raw_sql(sql).execute(write).await?;
                }
                let (busy, ..): (i64, i64, i64) = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
                    .fetch_one(write)
                    .await?;
                if busy != 0 {
                    return Err(Error::Unavailable(
                        "another program reads the database".to_owned(),
                    ));
                }
                Ok(())
            }
            (Address::Postgres(options), Engine::Postgres { .. }) => {
                let connected = options.connect().await;
                let mut connection = connected.map_err(|error| unreachable(options, &error.to_string()))?;
                for sql in ANEW {
                    sqlx::raw_sql(sql).execute(&mut connection).await?;
                }
                connection.close().await?;
                Ok(())
            }
            (Address::Sqlite(_), Engine::Postgres { .. }) => Err(Error::Unavailable(
                "the engine does not fit its address".to_owned(),
            )),
        }
    }
}
