//! Where a database lives: what tells a copy from the original.

use super::engine::{Address, Engine};
use super::{Error, Result, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// Where a database lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "snake_case")]
pub enum Place {
    /// A file.
    Sqlite {
        /// Its path, from the root.
        path: String,
        /// The device of the file system it is on; 0 where that cannot be told.
        device: u64,
        /// Its number in that file system; 0 where that cannot be told.
        inode: u64,
        /// What stands for the machine; empty where that cannot be told, as in most containers.
        machine: String,
    },
    /// A database of a server.
    Postgres {
        /// What the server was called when it was made (`system_identifier`); empty where it does not
        /// tell.
        system: String,
        /// The number of the database.
        database: i64,
        /// Its name.
        name: String,
        /// The schema.
        schema: String,
        /// Which history it is on: a replica that takes over begins a new one. 0 where it does not
        /// tell.
        timeline: i64,
    },
}

/// How a place differs from the one that was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// It is the same.
    None,
    /// It is a file elsewhere, and where it was there is none any more.
    Moved(String),
    /// It is another one, for this reason.
    Other(String),
    /// It is the same, and its server was replaced by a replica.
    FailedOver,
}

impl Place {
    /// Where a store's database lives.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn of(store: &Store) -> Result<Self> {
        match (&store.inner.address, &store.inner.engine) {
            (Address::Sqlite(path), _) => file(path),
            (Address::Postgres(_), Engine::Postgres { pool }) => server(pool).await,
            (Address::Postgres(_), Engine::Sqlite { .. }) => Err(Error::Unavailable(
                "the engine does not fit its address".to_owned(),
            )),
        }
    }

    /// How this place differs from the one that was sealed.
    pub fn differs(&self, sealed: &Self) -> Difference {
        match (self, sealed) {
            (
                Self::Sqlite {
                    path,
                    device,
                    inode,
                    machine,
                },
                Self::Sqlite {
                    path: old_path,
                    device: old_device,
                    inode: old_inode,
                    machine: old_machine,
                },
            ) => {
                if machine != old_machine {
                    return Difference::Other("it is on another machine than when it was sealed".to_owned());
                }
                // A device may be numbered anew at a restart of the machine; 0 is no number.
                let same_number = *inode != 0 && device == old_device;
                if inode == old_inode && (same_number || path == old_path) {
                    return Difference::None;
                }
                if path != old_path && !Path::new(old_path).exists() {
                    return Difference::Moved(format!("it was at {old_path}, where nothing is any more"));
                }
                Difference::Other(format!("it is not the file that was sealed at {old_path}"))
            }
            (
                Self::Postgres {
                    system,
                    database,
                    name: _,
                    schema,
                    timeline,
                },
                Self::Postgres {
                    system: old_system,
                    database: old_database,
                    name: old_name,
                    schema: old_schema,
                    timeline: old_timeline,
                },
            ) => {
                let known = !system.is_empty() && !old_system.is_empty();
                if known && system != old_system {
                    return Difference::Other("it is on another server than when it was sealed".to_owned());
                }
                if (database, schema) != (old_database, old_schema) {
                    return Difference::Other(format!("it is not the database {old_name} that was sealed"));
                }
                if *timeline != *old_timeline && *timeline != 0 && *old_timeline != 0 {
                    return Difference::FailedOver;
                }
                Difference::None
            }
            (Self::Sqlite { .. }, Self::Postgres { .. }) | (Self::Postgres { .. }, Self::Sqlite { .. }) => {
                Difference::Other("it is of another kind than the one that was sealed".to_owned())
            }
        }
    }
}

fn file(path: &Path) -> Result<Place> {
    let failed = |error| Error::Unavailable(format!("{} cannot be looked at: {error}", path.display()));
    let full = path.canonicalize().map_err(failed)?;
    let (device, inode) = numbers(&full.metadata().map_err(failed)?);
    Ok(Place::Sqlite {
        path: full.to_string_lossy().into_owned(),
        device,
        inode,
        machine: machine(),
    })
}

#[cfg(unix)]
fn numbers(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
fn numbers(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}

/// A hash of the machine's id, which is not to leave it
/// (<https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>).
fn machine() -> String {
    for path in ["/etc/machine-id", "/var/lib/dbus/machine-id"] {
        let id = std::fs::read_to_string(path).unwrap_or_default();
        if !id.trim().is_empty() {
            let hash = Sha256::new_with_prefix("hearback\n")
                .chain_update(id.trim())
                .finalize();
            return hex::encode(&hash[..8]);
        }
    }
    String::new()
}

async fn server(pool: &sqlx::PgPool) -> Result<Place> {
    let (database, name, schema): (i64, String, String) = sqlx::query_as(
        "SELECT CAST(oid AS BIGINT), CAST(datname AS TEXT), COALESCE(CAST(current_schema() AS TEXT), '') \
         FROM pg_database WHERE datname = current_database()",
    )
    .fetch_one(pool)
    .await?;
    // Everybody may ask these of PostgreSQL; some who run it for others do not allow it.
    let system = if_told(
        pool,
        "SELECT CAST(system_identifier AS TEXT) FROM pg_control_system()",
    )
    .await?;
    Ok(Place::Postgres {
        system: system.unwrap_or_default(),
        database,
        name,
        schema,
        timeline: timeline(pool).await?,
    })
}

/// The history that the server is on. The name of the file it writes begins with it; what
/// `pg_control_checkpoint` tells may be the one before, for a moment after a replica took over.
async fn timeline(pool: &sqlx::PgPool) -> Result<i64> {
    let file = if_told(pool, "SELECT pg_walfile_name(pg_current_wal_lsn())").await?;
    let told = file.and_then(|file| i64::from_str_radix(file.get(..8)?, 16).ok());
    if let Some(timeline) = told {
        return Ok(timeline);
    }
    let checkpoint = if_told(
        pool,
        "SELECT CAST(timeline_id AS TEXT) FROM pg_control_checkpoint()",
    )
    .await?;
    Ok(checkpoint.and_then(|id| id.parse().ok()).unwrap_or_default())
}

/// The answer, or nothing where the server refuses it.
async fn if_told(pool: &sqlx::PgPool, question: &'static str) -> Result<Option<String>> {
    match sqlx::query_scalar(question).fetch_one(pool).await {
        Ok(answer) => Ok(Some(answer)),
        Err(sqlx::Error::Database(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, device: u64, inode: u64, machine: &str) -> Place {
        Place::Sqlite {
            path: path.to_owned(),
            device,
            inode,
            machine: machine.to_owned(),
        }
    }

    fn server(system: &str, database: i64, name: &str, timeline: i64) -> Place {
        Place::Postgres {
            system: system.to_owned(),
            database,
            name: name.to_owned(),
            schema: "public".to_owned(),
            timeline,
        }
    }

    #[test]
    fn a_file_is_known_by_its_number_and_its_machine() {
        // A path that exists on every machine that runs this.
        let here = "/";
        let sealed = file(here, 1, 7, "m");
        assert_eq!(sealed.differs(&sealed), Difference::None);
        assert_eq!(file(here, 2, 7, "m").differs(&sealed), Difference::None);
        assert_eq!(file("/b", 1, 7, "m").differs(&sealed), Difference::None);
        for other in [
            file("/b", 2, 7, "m"),
            file(here, 1, 8, "m"),
            file(here, 1, 7, "n"),
            file(here, 1, 7, ""),
        ] {
            let difference = other.differs(&sealed);
            assert!(
                matches!(difference, Difference::Other(_)),
                "{other:?}: {difference:?}"
            );
        }
        let gone = file("/nowhere/hearback.db", 1, 7, "m");
        assert!(matches!(
            file(here, 2, 8, "m").differs(&gone),
            Difference::Moved(_)
        ));
        let difference = file(here, 2, 8, "n").differs(&gone);
        assert!(matches!(difference, Difference::Other(_)));
    }

    #[test]
    fn a_database_of_a_server_is_known_by_their_numbers() {
        let sealed = server("71", 5, "a", 1);
        for same in [server("71", 5, "renamed", 1), server("", 5, "a", 0)] {
            assert_eq!(same.differs(&sealed), Difference::None);
        }
        for other in [server("72", 5, "a", 1), server("71", 6, "a", 1)] {
            assert!(matches!(other.differs(&sealed), Difference::Other(_)));
        }
        assert_eq!(server("71", 5, "a", 2).differs(&sealed), Difference::FailedOver);
        let file = file("/", 1, 1, "");
        assert!(matches!(file.differs(&sealed), Difference::Other(_)));
    }
}
