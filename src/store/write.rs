//! One commit: a statement for each kind of change, each with all its rows in one JSON parameter.

use super::engine::Engine;
use super::model::{Changes, Counters};
use super::sql::{self, Sql};
use super::{Error, Result, Store};
use crate::domain::{Instant, Post, Status};
use serde::Serialize;
use sqlx::{Postgres, Sqlite, Transaction};

/// What is kept of an event beside its columns.
#[derive(Serialize)]
struct EventBody<'a> {
    by: &'a crate::domain::By,
    event: &'a crate::domain::Event,
}

/// A statement with its rows, ready to run.
type Batch = (Sql, String);

impl Store {
    /// Writes everything or nothing, durably. Runs in a task of its own: a caller that goes away
    /// cancels nothing.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: nothing was written, or (when the connection broke at the commit itself)
    /// it is not known. [`Error::Refused`]: nothing was written, and the same content never will be.
    pub async fn commit(&self, changes: Changes) -> Result<()> {
        let batches = batches(&changes)?;
        if batches.is_empty() {
            return Ok(());
        }
        let engine = self.engine().clone();
        let task = self.tasks().spawn(async move { write(&engine, batches).await });
        task.await
            .map_err(|error| Error::Unavailable(format!("the write broke off: {error}")))?
    }
}

async fn write(engine: &Engine, batches: Vec<Batch>) -> Result<()> {
    match engine {
        Engine::Sqlite { write, .. } => {
            // IMMEDIATE: a transaction that reads before it writes would fail when another wrote.
            let mut transaction: Transaction<'_, Sqlite> = write.begin_with("BEGIN IMMEDIATE").await?;
            for (sql, rows) in batches {
                sqlx::query(sql.sqlite)
                    .bind(rows)
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(transaction.commit().await?)
        }
        Engine::Postgres { pool, .. } => {
            let mut transaction: Transaction<'_, Postgres> = pool.begin().await?;
            for (sql, rows) in batches {
                sqlx::query(sql.postgres)
                    .bind(rows)
                    .execute(&mut *transaction)
                    .await?;
            }
            Ok(transaction.commit().await?)
        }
    }
}

/// Turns changes into statements, in an order that no reader could find odd.
fn batches(changes: &Changes) -> Result<Vec<Batch>> {
    let Changes {
        authors,
        posts,
        cases,
        events,
        effects,
        effects_begun,
        effects_due,
        effects_done,
        effects_dead,
        threads,
        reply_messages,
        replies,
        inbox,
        cursors,
        asides,
        counters,
    } = changes;
    let mut out = Vec::new();
    // Of an author who wrote twice only the last profile is written: a set may name a row once.
    let mut latest = std::collections::BTreeMap::new();
    for (source, author) in authors {
        latest.insert((source, &author.id), author);
    }
    add(&mut out, sql::PUT_AUTHORS, &latest, |((source, id), author)| {
        Ok((*source, *id, json(author)?))
    })?;
    add(&mut out, sql::PUT_CASES, cases, |case| {
        let owner = case.owner.as_ref().map(|owner| &owner.key);
        let at = micros(case.updated_at);
        Ok((
            case.number,
            &case.source,
            &case.conversation,
            &case.author,
            case.status,
            owner,
            at,
            json(case)?,
        ))
    })?;
    add(&mut out, sql::PUT_POSTS, posts, |stored| {
        let Post { source, id, text, .. } = &stored.post;
        // The text stands in a column of its own, to be searched; it is not kept twice.
        let body = Post {
            text: String::new(),
            ..stored.post.clone()
        };
        Ok((source, id, stored.case, text, json(&body)?))
    })?;
    add(&mut out, sql::ADD_EVENTS, events, |record| {
        let body = EventBody {
            by: &record.by,
            event: &record.event,
        };
        Ok((record.id, record.case, micros(record.at), json(&body)?))
    })?;
    add(&mut out, sql::ADD_EFFECTS, effects, |row| {
        Ok((
            row.id,
            &row.lane,
            row.case,
            json(&row.effect)?,
            micros(row.due_at),
        ))
    })?;
    add(&mut out, sql::BEGIN_EFFECTS, effects_begun, |(id, at)| {
        Ok((id, micros(*at)))
    })?;
    add(&mut out, sql::PUT_OFF_EFFECTS, effects_due, |(id, at)| {
        Ok((id, micros(*at)))
    })?;
    add(&mut out, sql::KILL_EFFECTS, effects_dead, |(id, reason)| {
        Ok((id, reason))
    })?;
    add(&mut out, sql::DROP_EFFECTS, effects_done, |id| Ok((id,)))?;
    add(&mut out, sql::PUT_THREADS, threads, |row| {
        Ok((row.case, &row.chat, &row.channel, &row.thread, &row.card))
    })?;
    add(&mut out, sql::PUT_REPLIES, replies, |reply| {
        Ok((
            reply.id,
            reply.case,
            &reply.source,
            reply.state,
            &reply.remote_id,
            json(reply)?,
        ))
    })?;
    add(&mut out, sql::PUT_REPLY_MESSAGES, reply_messages, |row| {
        Ok((row.reply, &row.chat, &row.channel, &row.message))
    })?;
    add(&mut out, sql::ADD_INBOX, inbox, |row| {
        Ok((&row.key, micros(row.at), &row.answer))
    })?;
    add(&mut out, sql::PUT_CURSORS, cursors, |row| {
        Ok((&row.source, &row.stream, &row.value))
    })?;
    add(&mut out, sql::ADD_ASIDES, asides, |row| {
        Ok((micros(row.at), &row.origin, &row.reason, &row.raw))
    })?;
    add(
        &mut out,
        sql::PUT_COUNTERS,
        counters.map(named).iter().flatten(),
        |row| Ok(row.clone()),
    )?;
    Ok(out)
}

/// Adds a statement for these rows, if there are any.
fn add<T, R: Serialize>(
    out: &mut Vec<Batch>,
    sql: Sql,
    rows: impl IntoIterator<Item = T>,
    row: impl Fn(T) -> Result<R>,
) -> Result<()> {
    let rows = rows.into_iter().map(row).collect::<Result<Vec<_>>>()?;
    if !rows.is_empty() {
        out.push((sql, json(&rows)?));
    }
    Ok(())
}

/// The counters by name.
fn named(counters: Counters) -> Vec<(String, i64)> {
    let Counters {
        case,
        event,
        effect,
        reply,
        by_status,
    } = counters;
    let mut out: Vec<_> = [
        ("case", case),
        ("event", event),
        ("effect", effect),
        ("reply", reply),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    out.extend(
        Status::ALL
            .iter()
            .map(|status| (format!("status:{}", status.word()), by_status[*status as usize])),
    );
    out
}

pub(super) fn micros(at: Instant) -> i64 {
    at.timestamp_micros()
}

pub(super) fn json<T: Serialize + ?Sized>(value: &T) -> Result<String> {
    serde_json::to_string(value)
        .map(without_nul)
        .map_err(|error| Error::Refused(error.to_string()))
}

/// Postgres keeps no NUL in a text, and SQLite ends one there: both get U+FFFD instead. In JSON it
/// stands as `\u0000`, behind an even number of further backslashes.
fn without_nul(text: String) -> String {
    if !text.contains("\\u0000") {
        return text;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let escaped = match escape.strip_prefix("\\u0000") {
            Some(after) => {
                out.push('\u{FFFD}');
                rest = after;
                continue;
            }
            None => escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end),
        };
        out.push_str(&escape[..escaped]);
        rest = &escape[escaped..];
    }
    out.push_str(rest);
    out
}
