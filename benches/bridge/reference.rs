//! The bare loops that the store is measured against: post, case and outbox rows, a hundred posts a
//! commit, one parameter a statement, and nothing else.

use hearback::domain::Post;
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use std::path::Path;
use std::time::{Duration, Instant};

/// How many posts share a commit.
const BATCH: usize = 100;

#[derive(Serialize)]
struct Row<'a> {
    number: i64,
    network: &'a str,
    ext_id: &'a str,
    author: &'a str,
    at: i64,
    body: &'a str,
    raw: String,
}

fn rows(posts: &[Post], first: i64) -> Vec<Row<'_>> {
    let mut rows = Vec::with_capacity(posts.len());
    for (number, post) in (first..).zip(posts) {
        rows.push(Row {
            number,
            network: post.source.as_str(),
            ext_id: post.id.as_str(),
            author: post.author.id.as_str(),
            at: post.created_at.timestamp_micros(),
            body: &post.text,
            raw: serde_json::to_string(post).unwrap(),
        });
    }
    rows
}

/// SQLite, as durable as the product's. Returns how long it took.
pub async fn sqlite(path: &Path, posts: &[Post]) -> anyhow::Result<Duration> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let pool = SqlitePoolOptions::new()
        .max_connections(1)
        .connect_with(options)
        .await?;
    sqlx::raw_sql(
        "CREATE TABLE post (id INTEGER PRIMARY KEY, network TEXT NOT NULL, ext_id TEXT NOT NULL, case_id INTEGER NOT NULL, \
            author TEXT NOT NULL, at INTEGER NOT NULL, body TEXT NOT NULL, raw TEXT NOT NULL, UNIQUE (network, ext_id)) STRICT; \
         CREATE TABLE complaint (id INTEGER PRIMARY KEY, network TEXT NOT NULL, author TEXT NOT NULL, state TEXT NOT NULL, \
            at INTEGER NOT NULL) STRICT; \
         CREATE INDEX complaint_open ON complaint (at) WHERE state = 'open'; \
         CREATE TABLE outbox (id INTEGER PRIMARY KEY, lane TEXT NOT NULL, case_id INTEGER NOT NULL, due INTEGER NOT NULL, \
            state TEXT NOT NULL) STRICT; \
         CREATE INDEX outbox_due ON outbox (lane, due) WHERE state = 'pending';",
    )
    .execute(&pool)
    .await?;
    let mut connection = pool.acquire().await?;
    let began = Instant::now();
    for (place, batch) in posts.chunks(BATCH).enumerate() {
        let json = serde_json::to_string(&rows(batch, i64::try_from(place * BATCH)?))?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
        for statement in [
            "INSERT INTO post (network, ext_id, case_id, author, at, body, raw) SELECT value ->> 'network', \
                value ->> 'ext_id', value ->> 'number', value ->> 'author', value ->> 'at', value ->> 'body', \
                value ->> 'raw' FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
            "INSERT INTO complaint (id, network, author, state, at) SELECT value ->> 'number', value ->> 'network', \
                value ->> 'author', 'open', value ->> 'at' FROM json_each($1)",
            "INSERT INTO outbox (lane, case_id, due, state) SELECT 'slack/C0CARE', value ->> 'number', value ->> 'at', \
                'pending' FROM json_each($1)",
        ] {
            sqlx::query(statement)
                .bind(&json)
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query("COMMIT").execute(&mut *connection).await?;
    }
    let took = began.elapsed();
    drop(connection);
    pool.close().await;
    Ok(took)
}

/// PostgreSQL by `UNNEST`. Returns how long it took.
pub async fn postgres(url: &str, posts: &[Post]) -> anyhow::Result<Duration> {
    let pool = PgPoolOptions::new().max_connections(1).connect(url).await?;
    sqlx::raw_sql(
        "CREATE TABLE post (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, network TEXT NOT NULL, ext_id TEXT NOT NULL, \
            case_id BIGINT NOT NULL, author TEXT NOT NULL, at BIGINT NOT NULL, body TEXT NOT NULL, raw TEXT NOT NULL, \
            UNIQUE (network, ext_id)); \
         CREATE TABLE complaint (id BIGINT PRIMARY KEY, network TEXT NOT NULL, author TEXT NOT NULL, state TEXT NOT NULL, \
            at BIGINT NOT NULL); \
         CREATE INDEX complaint_open ON complaint (at) WHERE state = 'open'; \
         CREATE TABLE outbox (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, lane TEXT NOT NULL, case_id BIGINT NOT NULL, \
            due BIGINT NOT NULL, state TEXT NOT NULL); \
         CREATE INDEX outbox_due ON outbox (lane, due) WHERE state = 'pending';",
    )
    .execute(&pool)
    .await?;
    let mut connection = pool.acquire().await?;
    let began = Instant::now();
    for (place, batch) in posts.chunks(BATCH).enumerate() {
        let rows = rows(batch, i64::try_from(place * BATCH)?);
        let texts = |of: fn(&Row<'_>) -> String| rows.iter().map(of).collect::<Vec<_>>();
        let networks = texts(|row| row.network.to_owned());
        let authors = texts(|row| row.author.to_owned());
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.at).collect();
        sqlx::query("BEGIN").execute(&mut *connection).await?;
        sqlx::query(
            "INSERT INTO post (network, ext_id, case_id, author, at, body, raw) SELECT * FROM \
                UNNEST($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[], $7::text[]) \
                ON CONFLICT DO NOTHING",
        )
        .bind(&networks)
        .bind(texts(|row| row.ext_id.to_owned()))
        .bind(&numbers)
        .bind(&authors)
        .bind(&times)
        .bind(texts(|row| row.body.to_owned()))
        .bind(texts(|row| row.raw.clone()))
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO complaint (id, network, author, state, at) SELECT n, w, a, 'open', t FROM \
                UNNEST($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS r(n, w, a, t)",
        )
        .bind(&numbers)
        .bind(&networks)
        .bind(&authors)
        .bind(&times)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "INSERT INTO outbox (lane, case_id, due, state) SELECT 'slack/C0CARE', n, t, 'pending' FROM \
                UNNEST($1::bigint[], $2::bigint[]) AS r(n, t)",
        )
        .bind(&numbers)
        .bind(&times)
        .execute(&mut *connection)
        .await?;
        sqlx::query("COMMIT").execute(&mut *connection).await?;
    }
    let took = began.elapsed();
    drop(connection);
    pool.close().await;
    Ok(took)
}
