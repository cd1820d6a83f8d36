//! Looks at a database without making, changing or claiming anything: for `doctor`, and for commands
//! that work beside a running process.

use super::engine::{Address, Engine, MIGRATIONS, REACH, unreachable};
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
/// Whether that table is there.
const MADE_SQLITE: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";
/// The same on PostgreSQL.
const MADE_POSTGRES: &str = "SELECT to_regclass('_sqlx_migrations') IS NOT NULL";

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

/// Opens a database whose tables are those of this version.
pub(super) async fn join(address: &Address) -> Result<Engine> {
    if let Address::Sqlite(path) = address
        && !path.exists()
    {
        let file = path.display();
        return Err(Error::Unavailable(format!(
            "there is no {file} yet; `hearback serve` makes it at its first start"
        )));
    }
    let engine = Engine::join(address).await?;
    let unfit = match tables(&engine).await? {
        Tables::Current => return Ok(engine),
        Tables::None => "it has no tables yet; `hearback serve` makes them at its first start",
        Tables::Older => {
            "its tables are those of an earlier version of Hearback; use that version, or let `hearback serve` of this one bring them up to date first"
        }
        Tables::Newer => "its tables are those of a later version of Hearback; use that version",
    };
    engine.close(true).await;
    Err(Error::Unavailable(unfit.to_owned()))
}

/// What an open database has of our tables; asks nothing that waits for a writer.
async fn tables(engine: &Engine) -> Result<Tables> {
    let made: bool = match engine {
        Engine::Sqlite { read, .. } => sqlx::query_scalar(MADE_SQLITE).fetch_one(read).await?,
        Engine::Postgres { pool } => sqlx::query_scalar(MADE_POSTGRES).fetch_one(pool).await?,
    };
    let latest = match (made, engine) {
        (false, _) => None,
        (true, Engine::Sqlite { read, .. }) => Some(sqlx::query_scalar(LATEST).fetch_one(read).await?),
        (true, Engine::Postgres { pool }) => Some(sqlx::query_scalar(LATEST).fetch_one(pool).await?),
    };
    Ok(told(latest))
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
    let made: bool = sqlx::query_scalar(MADE_SQLITE)
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
