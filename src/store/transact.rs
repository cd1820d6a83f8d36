//! One transaction, as each engine likes it best.

use super::batch::Batch;
use super::engine::Engine;
use super::sql::{self, Sql};
use super::{Error, Result, Store};
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{Arguments as _, AssertSqlSafe};
use std::time::Duration;

/// How long a server may take for a commit. Over a connection that died silently no answer comes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A statement with its parameter.
#[derive(Debug)]
pub struct Step {
    /// What is said.
    pub sql: Sql,
    /// With this.
    pub parameter: Parameter,
    /// How many rows it has to change; otherwise somebody else was faster.
    pub expects: Option<usize>,
}

impl Step {
    /// One that may change any number of rows.
    pub fn new(sql: Sql, parameter: Parameter) -> Self {
        Self {
            sql,
            parameter,
            expects: None,
        }
    }
}

/// What the parameters of a statement are.
#[derive(Debug)]
pub enum Parameter {
    /// It takes none.
    None,
    /// Rows.
    Batch(Batch),
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}

impl Store {
    /// One transaction of the `first` statements and those that `rest` makes.
    pub(super) async fn transact(
        &self,
        mut first: Vec<Step>,
        rest: impl FnOnce() -> Result<Vec<Step>> + Send,
    ) -> Result<()> {
        let mut rest = Some(rest);
        // On SQLite all of it is one errand; and where nothing comes first, nothing can be made meanwhile.
        if (first.is_empty() || matches!(self.inner.engine, Engine::Sqlite { .. }))
            && let Some(rest) = rest.take()
        {
            first.extend(rest()?);
        }
        if first.is_empty() {
            return Ok(());
        }
        match &self.inner.engine {
            Engine::Sqlite { write, .. } => transact_at_once(write, first).await,
            Engine::Postgres { pool, .. } => transact_in_steps(pool, first, rest).await,
        }
    }
}

/// Takes back what a connection began.
macro_rules! take_back {
    ($connection:ident, $engine:ident) => {
        if let Err(error) = sqlx::query(sql::ROLLBACK.$engine).execute(&mut *$connection).await {
            // The engine may have rolled back by itself (SQLite does when the disk is full), or
            // the connection is gone. A fresh connection is certainly in no transaction.
            tracing::debug!(%error, "A connection is replaced after a failed write.");
            $connection.close_on_drop();
        }
    };
}

/// SQLite runs in a thread of its own: the whole transaction is one errand to it, where a statement
/// after the other would wake two threads for each.
async fn transact_at_once(pool: &SqlitePool, steps: Vec<Step>) -> Result<()> {
    let mut script = sql::BEGIN.sqlite.to_owned();
    let mut arguments = SqliteArguments::default();
    let mut given = 0;
    for Step {
        sql,
        parameter,
        expects,
    } in steps
    {
        let added = match parameter {
            Parameter::None => None,
            Parameter::Batch(rows) => Some(arguments.add(rows.json()?)),
            Parameter::Text(text) => Some(arguments.add(text)),
            Parameter::Number(number) => Some(arguments.add(number)),
        };
        let Some(added) = added else {
            script = script + "; " + sql.sqlite;
            continue;
        };
        added.map_err(|error| Error::Refused(error.to_string()))?;
        given += 1;
        script = script + "; " + &sql.sqlite.replace("$1", &format!("${given}"));
        if let Some(rows) = expects {
            script = script + "; " + &sql::EXPECT.replace("$1", &rows.to_string());
        }
    }
    script = script + "; " + sql::COMMIT.sqlite;
    let mut connection = pool.acquire().await?;
    let done = sqlx::query_with(AssertSqlSafe(script), arguments)
        .execute(&mut *connection)
        .await;
    if let Err(error) = done {
        take_back!(connection, sqlite);
        return Err(error.into());
    }
    Ok(())
}

/// PostgreSQL works beside us: while it is at the first statements, the rest is made ready.
async fn transact_in_steps(
    pool: &PgPool,
    first: Vec<Step>,
    rest: Option<impl FnOnce() -> Result<Vec<Step>>>,
) -> Result<()> {
    let mut connection = pool.acquire().await?;
    let work = async {
        sqlx::query(sql::BEGIN.postgres).execute(&mut *connection).await?;
        let (begun, rest) = tokio::join!(run(&mut connection, first), async { rest.map(|rest| rest()) });
        begun?;
        run(&mut connection, rest.transpose()?.unwrap_or_default()).await?;
        crash_point!(K23);
        sqlx::query(sql::COMMIT.postgres)
            .execute(&mut *connection)
            .await?;
        Ok::<(), Error>(())
    };
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            take_back!(connection, postgres);
            Err(error)
        }
        Err(_) => {
            // Nobody knows what the server makes of it; this connection is not asked again.
            connection.close_on_drop();
            Err(Error::Unavailable(format!(
                "the database did not answer within {PATIENCE:?}"
            )))
        }
    }
}

/// Runs statements, one after the other.
async fn run(connection: &mut PgConnection, steps: Vec<Step>) -> Result<()> {
    for Step {
        sql,
        parameter,
        expects,
    } in steps
    {
        let query = match parameter {
            Parameter::None => sqlx::query(sql.postgres),
            Parameter::Batch(rows) => sqlx::query_with(sql.postgres, rows.postgres()?),
            Parameter::Text(text) => sqlx::query(sql.postgres).bind(text),
            Parameter::Number(number) => sqlx::query(sql.postgres).bind(number),
        };
        let done = query.execute(&mut *connection).await?;
        if expects.is_some_and(|rows| done.rows_affected() != rows as u64) {
            return Err(Error::Lost);
        }
    }
    Ok(())
}
