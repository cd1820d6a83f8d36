//! One transaction, as each engine likes it best.

use super::batch::Batch;
use super::engine::Engine;
use super::sql::{self, Sql};
use super::{Error, Result, Store};
use sqlx::postgres::{PgArguments, PgConnection, PgPool};
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

/// Makes some of the statements of a transaction.
pub type Making<'a> = Box<dyn FnOnce() -> Result<Vec<Step>> + Send + 'a>;

impl Store {
    /// One transaction of all that these make, in their order.
    pub(super) async fn transact(&self, makings: Vec<Making<'_>>) -> Result<()> {
        match &self.inner.engine {
            Engine::Sqlite { write, .. } => {
                let made: Result<Vec<_>> = makings.into_iter().map(|make| make()).collect();
                transact_at_once(write, made?.into_iter().flatten()).await
            }
            Engine::Postgres { pool, .. } => transact_in_steps(pool, makings).await,
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
async fn transact_at_once(pool: &SqlitePool, steps: impl Iterator<Item = Step>) -> Result<()> {
    let mut steps = steps.peekable();
    if steps.peek().is_none() {
        return Ok(());
    }
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

/// PostgreSQL works beside us: while it is at some statements, the next ones are made ready.
async fn transact_in_steps(pool: &PgPool, makings: Vec<Making<'_>>) -> Result<()> {
    let mut makings = makings.into_iter();
    let mut next = || {
        let made = makings.by_ref().map(ready);
        made.skip_while(|made| made.as_ref().is_ok_and(Vec::is_empty))
            .next()
    };
    let Some(mut now) = next().transpose()? else {
        return Ok(());
    };
    let mut connection = pool.acquire().await?;
    let work = async {
        sqlx::query(sql::BEGIN.postgres).execute(&mut *connection).await?;
        loop {
            let (done, following) = tokio::join!(run(&mut connection, now), async { next() });
            done?;
            match following.transpose()? {
                Some(following) => now = following,
                None => break,
            }
        }
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

/// A statement as PostgreSQL is asked it.
struct Ready {
    sql: &'static str,
    arguments: PgArguments,
    expects: Option<usize>,
}

/// Makes statements, and encodes what they are asked with.
fn ready(make: Making<'_>) -> Result<Vec<Ready>> {
    let made = make()?.into_iter().map(|step| {
        let mut arguments = PgArguments::default();
        match step.parameter {
            Parameter::None => Ok(()),
            Parameter::Batch(rows) => {
                arguments = rows.postgres()?;
                Ok(())
            }
            Parameter::Text(text) => arguments.add(text),
            Parameter::Number(number) => arguments.add(number),
        }
        .map_err(|error| Error::Refused(error.to_string()))?;
        Ok(Ready {
            sql: step.sql.postgres,
            arguments,
            expects: step.expects,
        })
    });
    made.collect()
}

/// Runs statements, one after the other.
async fn run(connection: &mut PgConnection, steps: Vec<Ready>) -> Result<()> {
    for step in steps {
        let query = sqlx::query_with(step.sql, step.arguments);
        let done = query.execute(&mut *connection).await?;
        if step
            .expects
            .is_some_and(|rows| done.rows_affected() != rows as u64)
        {
            return Err(Error::Lost);
        }
    }
    Ok(())
}
