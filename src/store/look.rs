//! Looks at a database without making, changing or claiming anything: for `doctor`.

use super::engine::{Address, MIGRATIONS, REACH, unreachable};
use super::{Error, Result, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use std::path::Path;
use tokio::time::timeout;

/// What a database has of our tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// None yet: the first start makes them.
    None,
    /// Those of an earlier version: the next start brings them up to date.
    Older,
    /// What this version wants.
    Current,
    /// Those of a later version, which this one does not understand.
    Newer,
}

/// The table in which sqlx notes what it did, and the latest note.
const LATEST: &str = "SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations WHERE success";

impl Store {
    /// What is there, at an address like that of [`Store::open`].
    ///
    /// # Errors
    /// It cannot be reached, or not be written to.
    pub async fn look(url: &str) -> Result<Tables> {
        let address = Address::parse(url)?;
        let looking = async {
            match &address {
                Address::Sqlite(path) => sqlite(path).await,
                Address::Postgres(options) => {
                    let connected = options.connect().await;
                    postgres(connected.map_err(|error| unreachable(options, &error.to_string()))?).await
                }
            }
        };
        match timeout(REACH, looking).await {
            Ok(tables) => tables,
            Err(_) => Err(Error::Unavailable(format!(
                "it did not answer within {} s",
                REACH.as_secs()
            ))),
        }
    }
}

async fn sqlite(path: &Path) -> Result<Tables> {
    if !path.exists() {
        return Ok(Tables::None);
    }
    let options = SqliteConnectOptions::new().filename(path);
    let failed =
        |error: sqlx::Error| Error::Unavailable(format!("{} cannot be opened: {error}", path.display()));
    let mut connection = options.connect().await.map_err(failed)?;
    // The lock to write is had and given back.
    sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK")
        .execute(&mut connection)
        .await
        .map_err(failed)?;
    let made: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')")
            .fetch_one(&mut connection)
            .await
            .map_err(failed)?;
    let latest = match made {
        true => Some(sqlx::query_scalar(LATEST).fetch_one(&mut connection).await?),
        false => None,
    };
    connection.close().await?;
    Ok(told(latest))
}

async fn postgres(mut connection: sqlx::PgConnection) -> Result<Tables> {
    let (made, reading, may): (bool, bool, bool) = sqlx::query_as(
        "SELECT to_regclass('_sqlx_migrations') IS NOT NULL, pg_is_in_recovery(), \
         COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false)",
    )
    .fetch_one(&mut connection)
    .await?;
    if reading {
        return Err(Error::Unavailable(
            "this PostgreSQL server is a replica, which only reads".to_owned(),
        ));
    }
    let latest = match made {
        true => Some(sqlx::query_scalar(LATEST).fetch_one(&mut connection).await?),
        false => None,
    };
    let tables = told(latest);
    if !may && tables != Tables::Current {
        return Err(Error::Unavailable(
            "this user may not make tables in its schema (GRANT CREATE ON SCHEMA)".to_owned(),
        ));
    }
    connection.close().await?;
    Ok(tables)
}

fn told(latest: Option<i64>) -> Tables {
    let ours = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    match latest.map(|theirs| theirs.cmp(&ours)) {
        None => Tables::None,
        Some(std::cmp::Ordering::Less) => Tables::Older,
        Some(std::cmp::Ordering::Equal) => Tables::Current,
        Some(std::cmp::Ordering::Greater) => Tables::Newer,
    }
}
