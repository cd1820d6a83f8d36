//! After an erasure: what was removed is to be gone from the files too, not only from the tables.

use super::engine::{Address, Engine, unreachable};
use super::{Error, Result, Store};
use sqlx::{ConnectOptions as _, Connection as _};

/// The tables that carry people's words.
const TABLES: [&str; 8] = [
    "VACUUM (FULL) person_keys",
    "VACUUM (FULL) posts",
    "VACUUM (FULL) cases",
    "VACUUM (FULL) replies",
    "VACUUM (FULL) events",
    "VACUUM (FULL) effects",
    "VACUUM (FULL) inbox",
    "VACUUM (FULL) asides",
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
                for sql in TABLES {
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
