//! The two engines have the same tables, and take every statement.

use crate::fake::postgres;
use hearback::store::{Store, sql};
use sqlx::{Connection as _, Executor as _, PgConnection, SqlSafeStr as _, SqliteConnection};
use std::collections::BTreeSet;

/// Table, column, type, whether it must be there.
type Column = (String, String, String, bool);

async fn sqlite() -> (tempfile::TempDir, SqliteConnection) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("hearback.db").display());
    Store::open(&url).await.unwrap().close().await;
    let connection = SqliteConnection::connect(&url).await.unwrap();
    (folder, connection)
}

async fn postgresql() -> Option<PgConnection> {
    let url = postgres::database().await?;
    Store::open(&url).await.unwrap().close().await;
    Some(PgConnection::connect(&url).await.unwrap())
}

#[tokio::test]
async fn every_statement_prepares_on_sqlite() {
    let (_folder, mut connection) = sqlite().await;
    for statement in sql::ALL {
        let prepared = (&mut connection).prepare(statement.sqlite.into_sql_str()).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

#[tokio::test]
async fn every_statement_prepares_on_postgres() {
    let Some(mut connection) = postgresql().await else {
        return;
    };
    for statement in sql::ALL {
        let prepared = (&mut connection).prepare(statement.postgres.into_sql_str()).await;
        assert!(prepared.is_ok(), "{}: {:?}", statement.name, prepared.err());
    }
}

#[tokio::test]
async fn both_engines_have_the_same_tables_columns_and_indexes() {
    let Some(mut postgres) = postgresql().await else {
        return;
    };
    let (_folder, mut sqlite) = sqlite().await;
    let here: Vec<Column> = sqlx::query_as(
        "SELECT t.name, c.name, CASE c.type WHEN 'INTEGER' THEN 'bigint' ELSE lower(c.type) END, c.\"notnull\" = 1 \
         FROM sqlite_schema AS t, pragma_table_info(t.name) AS c \
         WHERE t.type = 'table' AND t.name NOT LIKE '\\_sqlx%' ESCAPE '\\' AND t.name NOT LIKE 'sqlite%'",
    )
    .fetch_all(&mut sqlite)
    .await
    .unwrap();
    let there: Vec<Column> = sqlx::query_as(
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT), is_nullable = 'NO' \
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut postgres)
    .await
    .unwrap();
    assert!(here.len() > 40, "{here:?}");
    let (here, there): (BTreeSet<_>, BTreeSet<_>) = (here.into_iter().collect(), there.into_iter().collect());
    let apart: Vec<_> = here.symmetric_difference(&there).collect();
    assert!(apart.is_empty(), "{apart:#?}");

    let here: Vec<(String, String)> =
        sqlx::query_as("SELECT tbl_name, name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
            .fetch_all(&mut sqlite)
            .await
            .unwrap();
    let there: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(tablename AS TEXT), CAST(indexname AS TEXT) FROM pg_indexes \
         WHERE schemaname = 'public' AND indexname NOT LIKE '%\\_pkey' AND indexname NOT LIKE '%\\_key'",
    )
    .fetch_all(&mut postgres)
    .await
    .unwrap();
    let (here, there): (BTreeSet<_>, BTreeSet<_>) = (here.into_iter().collect(), there.into_iter().collect());
    assert_eq!(here, there);
}

/// What the statements at the way in and at each start look at, they find by an index.
#[tokio::test]
async fn no_statement_on_the_way_in_reads_a_whole_table() {
    let (_folder, mut connection) = sqlite().await;
    let allowed = [
        "LIST_ALL",
        "COUNTERS",
        "CHAIN_BEGINS",
        // From one end, to the first row.
        "LAST_LINE",
        "DEAD_EFFECTS",
        "REPLIES_OPEN",
        "LATEST_CASES",
        "LIST_OPEN",
        "PAUSES",
    ];
    for statement in sql::ALL
        .iter()
        .filter(|statement| !allowed.contains(&statement.name))
    {
        let explain = format!("EXPLAIN QUERY PLAN {}", statement.sqlite);
        let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(sqlx::AssertSqlSafe(explain))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        for (.., line) in plan {
            let harmless = ["jsonb_each", "SCAN l", "SCAN r", "CONSTANT ROW", "USING"];
            let scans = line.starts_with("SCAN") && !harmless.iter().any(|word| line.contains(word));
            assert!(!scans, "{}: {line}", statement.name);
        }
    }
}
