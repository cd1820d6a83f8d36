//! What is read. Sets of keys travel as one JSON parameter, like sets of rows.

use super::engine::{Engine, on_read};
use super::model::{CaseFilter, Counters, InboxRow, ReplyMessage, StoredPost, Thread};
use super::sql::{self, Sql};
use super::write::{json, micros};
use super::{Error, Result, Store};
use crate::domain::{
    By, Case, CaseNumber, ChannelId, ChatName, EffectId, EffectRow, Event, EventId, EventRecord, Instant,
    Lane, NativeId, Post, Reply, ReplyId, SourceName, Status, ThreadId,
};
use chrono::DateTime;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How many of the newest posts a search looks through.
const SEARCHED: i64 = 200_000;

type EventRow = (i64, i64, i64, String);
type PostRow = (i64, String, String);

#[derive(Deserialize)]
struct EventBody {
    by: By,
    event: Event,
}

impl Store {
    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<()> {
        let sql = sql::PING.on(self.engine());
        let _: i64 = on_read!(self.engine(), c => sqlx::query_scalar(sql).fetch_one(c).await)?;
        Ok(())
    }

    /// A random name of this installation, made with the database. Eight characters of `[a-z0-9]`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn installation(&self) -> Result<String> {
        let sql = sql::FACT.on(self.engine());
        Ok(on_read!(self.engine(), c => sqlx::query_scalar(sql).bind("installation").fetch_one(c).await)?)
    }

    /// The numbers handed out so far.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn counters(&self) -> Result<Counters> {
        let sql = sql::COUNTERS.on(self.engine());
        let rows: Vec<(String, i64)> = on_read!(self.engine(), c => sqlx::query_as(sql).fetch_all(c).await)?;
        let mut out = Counters::default();
        for (name, value) in rows {
            match name.as_str() {
                "case" => out.case = value,
                "event" => out.event = value,
                "effect" => out.effect = value,
                "reply" => out.reply = value,
                _ => {
                    let named = |status: &&Status| name.strip_prefix("status:") == Some(status.word());
                    if let Some(status) = Status::ALL.iter().find(named) {
                        out.by_status[*status as usize] = value;
                    }
                }
            }
        }
        Ok(out)
    }

    /// Cases by number, in no order; those that do not exist are missing.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cases(&self, numbers: &[CaseNumber]) -> Result<Vec<Case>> {
        self.bodies("cases", sql::CASES, &singles(numbers)).await
    }

    /// Cases by (source, conversation, author).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cases_of(&self, keys: &[(SourceName, NativeId, NativeId)]) -> Result<Vec<Case>> {
        self.bodies("cases", sql::CASES_OF, keys).await
    }

    /// Cases, the oldest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn list_cases(&self, filter: &CaseFilter, limit: i64) -> Result<Vec<Case>> {
        let CaseFilter { open, owner } = filter;
        let rows: Vec<String> = match (owner, open) {
            (None, open) => {
                let sql = if *open { sql::OPEN_CASES } else { sql::ALL_CASES }.on(self.engine());
                on_read!(self.engine(), c => sqlx::query_scalar(sql).bind(limit).fetch_all(c).await)?
            }
            (Some(owner), open) => {
                let sql = if *open {
                    sql::OPEN_CASES_OF
                } else {
                    sql::ALL_CASES_OF
                }
                .on(self.engine());
                on_read!(self.engine(), c => sqlx::query_scalar(sql).bind(owner).bind(limit).fetch_all(c).await)?
            }
        };
        rows.iter().map(|body| parse("cases", body)).collect()
    }

    /// The cases that changed last, the newest change first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn latest_cases(&self, limit: i64) -> Result<Vec<Case>> {
        let sql = sql::LATEST_CASES.on(self.engine());
        let rows: Vec<String> =
            on_read!(self.engine(), c => sqlx::query_scalar(sql).bind(limit).fetch_all(c).await)?;
        rows.iter().map(|body| parse("cases", body)).collect()
    }

    /// Cases whose number begins with these digits (open ones when there are none), the newest first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn suggest_cases(&self, digits: &str, limit: i64) -> Result<Vec<Case>> {
        let Ok(begin) = digits.parse::<i64>() else {
            let sql = sql::LATEST_OPEN_CASES.on(self.engine());
            let rows: Vec<String> =
                on_read!(self.engine(), c => sqlx::query_scalar(sql).bind(limit).fetch_all(c).await)?;
            return rows.iter().map(|body| parse("cases", body)).collect();
        };
        let mut found = Vec::new();
        let (mut from, mut to) = (begin, begin.saturating_add(1));
        // 12, then 120 to 129, then 1200 to 1299, …
        while found.len() < usize::try_from(limit).unwrap_or(0) && from > 0 && from < i64::MAX / 100 {
            let sql = sql::CASES_BETWEEN.on(self.engine());
            let rows: Vec<String> = on_read!(self.engine(), c => {
                sqlx::query_scalar(sql).bind(from).bind(to).bind(limit).fetch_all(c).await
            })?;
            for body in &rows {
                found.push(parse("cases", body)?);
            }
            (from, to) = (from * 10, to * 10);
        }
        found.truncate(usize::try_from(limit).unwrap_or(0));
        Ok(found)
    }

    /// Cases with a post that contains the text, the newest first. Case is disregarded (in SQLite for
    /// ASCII letters only); the newest 200,000 posts are looked through.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn search_cases(&self, text: &str, limit: i64) -> Result<Vec<Case>> {
        let lower = match self.engine() {
            Engine::Sqlite { .. } => text.to_ascii_lowercase(),
            Engine::Postgres { .. } => text.to_lowercase(),
        };
        let escaped = lower.replace('!', "!!").replace('%', "!%").replace('_', "!_");
        let pattern = format!("%{}%", escaped.trim());
        let sql = sql::SEARCH_POSTS.on(self.engine());
        let mut numbers: Vec<i64> = on_read!(self.engine(), c => {
            sqlx::query_scalar(sql).bind(SEARCHED).bind(&pattern).bind(limit * 4).fetch_all(c).await
        })?;
        let mut seen = std::collections::HashSet::new();
        numbers.retain(|number| seen.insert(*number));
        numbers.truncate(usize::try_from(limit).unwrap_or(0));
        let wanted: Vec<_> = numbers.iter().map(|number| CaseNumber(*number)).collect();
        let mut cases = self.cases(&wanted).await?;
        cases.sort_by_key(|case| wanted.iter().position(|number| *number == case.number));
        Ok(cases)
    }

    /// Posts by (source, id), with their cases.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn posts(&self, keys: &[(SourceName, NativeId)]) -> Result<Vec<StoredPost>> {
        let sql = sql::POSTS.on(self.engine());
        let keys = json(keys)?;
        let rows: Vec<PostRow> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(&keys).fetch_all(c).await)?;
        rows.into_iter().map(post).collect()
    }

    /// The last posts of a case, the oldest of them first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn posts_of(&self, case: CaseNumber, limit: i64) -> Result<Vec<StoredPost>> {
        let sql = sql::POSTS_OF.on(self.engine());
        let rows: Vec<PostRow> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(case.0).bind(limit).fetch_all(c).await)?;
        rows.into_iter().rev().map(post).collect()
    }

    /// Events by id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn events(&self, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        let sql = sql::EVENTS.on(self.engine());
        let keys = json(&singles(ids))?;
        let rows: Vec<EventRow> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(&keys).fetch_all(c).await)?;
        rows.into_iter().map(event).collect()
    }

    /// A case's events in order, from the one after `after`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn events_of(&self, case: CaseNumber, after: EventId, limit: i64) -> Result<Vec<EventRecord>> {
        let sql = sql::EVENTS_OF.on(self.engine());
        let rows: Vec<EventRow> = on_read!(self.engine(), c => {
            sqlx::query_as(sql).bind(case.0).bind(after.0).bind(limit).fetch_all(c).await
        })?;
        rows.into_iter().map(event).collect()
    }

    /// Replies by id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn replies(&self, ids: &[ReplyId]) -> Result<Vec<Reply>> {
        self.bodies("replies", sql::REPLIES, &singles(ids)).await
    }

    /// The replies of a case, in order.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn replies_of(&self, case: CaseNumber) -> Result<Vec<Reply>> {
        let sql = sql::REPLIES_OF.on(self.engine());
        let rows: Vec<String> =
            on_read!(self.engine(), c => sqlx::query_scalar(sql).bind(case.0).fetch_all(c).await)?;
        rows.iter().map(|body| parse("replies", body)).collect()
    }

    /// Which of these are published replies of ours.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn own_posts(&self, keys: &[(SourceName, NativeId)]) -> Result<Vec<(SourceName, NativeId)>> {
        let sql = sql::OWN_POSTS.on(self.engine());
        let keys = json(keys)?;
        let rows: Vec<(String, String)> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(&keys).fetch_all(c).await)?;
        Ok(rows
            .into_iter()
            .map(|(source, id)| (source.into(), id.into()))
            .collect())
    }

    /// Replies that were being sent when the process ended.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn replies_in_sending(&self) -> Result<Vec<Reply>> {
        let sql = sql::REPLIES_SENDING.on(self.engine());
        let rows: Vec<String> = on_read!(self.engine(), c => sqlx::query_scalar(sql).fetch_all(c).await)?;
        rows.iter().map(|body| parse("replies", body)).collect()
    }

    /// The messages about a reply.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn reply_messages(&self, reply: ReplyId) -> Result<Vec<ReplyMessage>> {
        let sql = sql::REPLY_MESSAGES.on(self.engine());
        let rows: Vec<(i64, String, String, String)> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(reply.0).fetch_all(c).await)?;
        let row = |(reply, chat, channel, message): (i64, String, String, String)| ReplyMessage {
            reply: ReplyId(reply),
            chat: chat.into(),
            channel: channel.into(),
            message: message.into(),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// The threads of these cases.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn threads(&self, cases: &[CaseNumber]) -> Result<Vec<Thread>> {
        let sql = sql::THREADS.on(self.engine());
        let keys = json(&singles(cases))?;
        let rows: Vec<(i64, String, String, String, String)> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(&keys).fetch_all(c).await)?;
        let row = |(case, chat, channel, thread, card): (i64, String, String, String, String)| Thread {
            case: CaseNumber(case),
            chat: chat.into(),
            channel: channel.into(),
            thread: thread.into(),
            card: card.into(),
        };
        Ok(rows.into_iter().map(row).collect())
    }

    /// The case that a thread mirrors. `channel` may be unknown to the caller.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn case_of_thread(
        &self,
        chat: &ChatName,
        channel: Option<&ChannelId>,
        thread: &ThreadId,
    ) -> Result<Option<CaseNumber>> {
        let sql = sql::CASE_OF_THREAD.on(self.engine());
        let found: Option<i64> = on_read!(self.engine(), c => {
            sqlx::query_scalar(sql)
                .bind(chat.as_str())
                .bind(thread.as_str())
                .bind(channel.map(ChannelId::as_str))
                .fetch_optional(c)
                .await
        })?;
        Ok(found.map(CaseNumber))
    }

    /// The answers given to these keys before.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn inbox(&self, keys: &[String]) -> Result<Vec<InboxRow>> {
        let sql = sql::INBOX.on(self.engine());
        let keys = json(&singles(keys))?;
        let rows: Vec<(String, i64, String)> =
            on_read!(self.engine(), c => sqlx::query_as(sql).bind(&keys).fetch_all(c).await)?;
        rows.into_iter()
            .map(|(key, at, answer)| {
                Ok(InboxRow {
                    key,
                    at: instant(at)?,
                    answer,
                })
            })
            .collect()
    }

    /// How far a source was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cursor(&self, source: &SourceName, stream: &str) -> Result<Option<String>> {
        let sql = sql::CURSOR.on(self.engine());
        Ok(on_read!(self.engine(), c => {
            sqlx::query_scalar(sql).bind(source.as_str()).bind(stream).fetch_optional(c).await
        })?)
    }

    /// All lanes with something pending.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn lanes(&self) -> Result<Vec<Lane>> {
        let sql = sql::LANES.on(self.engine());
        let rows: Vec<String> = on_read!(self.engine(), c => sqlx::query_scalar(sql).fetch_all(c).await)?;
        Ok(rows.into_iter().map(Lane::from).collect())
    }

    /// Pending effects of a lane after this one, by id.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn effects_of(&self, lane: &Lane, after: EffectId, limit: i64) -> Result<Vec<EffectRow>> {
        let sql = sql::EFFECTS_OF.on(self.engine());
        let rows: Vec<(i64, String, i64, String, i64, i64, Option<i64>)> = on_read!(self.engine(), c => {
            sqlx::query_as(sql).bind(lane.as_str()).bind(after.0).bind(limit).fetch_all(c).await
        })?;
        let row = |(id, lane, case, body, due_at, attempts, begun_at): (
            _,
            String,
            _,
            String,
            _,
            _,
            Option<i64>,
        )| {
            Ok(EffectRow {
                id: EffectId(id),
                lane: lane.into(),
                case: CaseNumber(case),
                effect: parse("effects", &body)?,
                due_at: instant(due_at)?,
                attempts,
                begun_at: begun_at.map(instant).transpose()?,
            })
        };
        rows.into_iter().map(row).collect()
    }

    /// How many effects were given up.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn dead_effects(&self) -> Result<i64> {
        let sql = sql::DEAD_EFFECTS.on(self.engine());
        Ok(on_read!(self.engine(), c => sqlx::query_scalar(sql).fetch_one(c).await)?)
    }

    /// Reads rows whose one column is a JSON body.
    async fn bodies<T: DeserializeOwned>(
        &self,
        table: &'static str,
        sql: Sql,
        keys: &(impl Serialize + ?Sized),
    ) -> Result<Vec<T>> {
        let sql = sql.on(self.engine());
        let keys = json(keys)?;
        let rows: Vec<String> =
            on_read!(self.engine(), c => sqlx::query_scalar(sql).bind(&keys).fetch_all(c).await)?;
        rows.iter().map(|body| parse(table, body)).collect()
    }

    /// Forgets inbox rows older than this.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn forget_inbox(&self, before: Instant) -> Result<()> {
        let engine = self.engine().clone();
        let before = micros(before);
        let task = self.tasks().spawn(async move {
            let sql = sql::FORGET_INBOX.on(&engine);
            match &engine {
                Engine::Sqlite { write, .. } => sqlx::query(sql).bind(before).execute(write).await.map(drop),
                Engine::Postgres { pool, .. } => sqlx::query(sql).bind(before).execute(pool).await.map(drop),
            }
        });
        Ok(task
            .await
            .map_err(|error| Error::Unavailable(error.to_string()))??)
    }
}

/// Keys of one column as rows of one.
fn singles<T>(keys: &[T]) -> Vec<(&T,)> {
    keys.iter().map(|key| (key,)).collect()
}

fn parse<T: DeserializeOwned>(table: &'static str, body: &str) -> Result<T> {
    serde_json::from_str(body).map_err(|error| Error::Inconsistent {
        table,
        column: "body",
        row: body.chars().take(60).collect(),
        why: error.to_string(),
    })
}

fn post((case, text, body): PostRow) -> Result<StoredPost> {
    let post: Post = parse("posts", &body)?;
    Ok(StoredPost {
        case: CaseNumber(case),
        post: Post { text, ..post },
    })
}

fn event((id, case, at, body): EventRow) -> Result<EventRecord> {
    let EventBody { by, event } = parse("events", &body)?;
    Ok(EventRecord {
        id: EventId(id),
        case: CaseNumber(case),
        at: instant(at)?,
        by,
        event,
    })
}

fn instant(micros: i64) -> Result<Instant> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| Error::Inconsistent {
        table: "?",
        column: "at",
        row: micros.to_string(),
        why: "is no instant".to_owned(),
    })
}
