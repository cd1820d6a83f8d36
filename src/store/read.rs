//! What the store gives back. Reads never wait for the writer, and may be cancelled.

use super::batch::{self, Batch, clean};
use super::engine::Engine;
use super::row;
use super::sql;
use super::{
    AttemptRow, CaseFilter, Counters, Error, Facts, Known, OrderRow, PauseRow, ReplyMessage, Result, Store,
    StoredPost, Thread,
};
use crate::domain::{
    Case, CaseNumber, ChannelId, ChatName, EffectId, EffectRow, EventId, EventRecord, Instant, Lane,
    NativeId, Reply, ReplyId, SourceName, Status, ThreadId,
};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How long a server may take to answer. Over a connection that died silently no answer comes.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many of the newest posts a search looks at.
const SEARCHED: usize = 50_000;
/// How many of them at a time.
const PAGE: i64 = 1_000;
/// The most cases that are sorted to find those that changed last.
const SORTED: i64 = 20_000;

/// All rows of a statement, from whichever engine there is.
macro_rules! rows {
    ($store:expr, $sql:expr $(, $bind:expr)*) => {
        match &$store.inner.engine {
            Engine::Sqlite { read, .. } => sqlx::query_as($sql.sqlite)$(.bind($bind))*.fetch_all(read).await,
            Engine::Postgres { pool, .. } => {
                let asked = sqlx::query_as($sql.postgres)$(.bind($bind))*.fetch_all(pool);
                match tokio::time::timeout(PATIENCE, asked).await {
                    Ok(found) => found,
                    Err(_) => return Err(silent()),
                }
            }
        }
    };
}

/// All rows of a statement that looks for a batch.
macro_rules! rows_of {
    ($store:expr, $sql:expr, $batch:expr) => {
        match &$store.inner.engine {
            Engine::Sqlite { read, .. } => {
                sqlx::query_as_with($sql.sqlite, $batch.sqlite()?)
                    .fetch_all(read)
                    .await
            }
            Engine::Postgres { pool, .. } => {
                let asked = sqlx::query_as_with($sql.postgres, $batch.postgres()?).fetch_all(pool);
                match tokio::time::timeout(PATIENCE, asked).await {
                    Ok(found) => found,
                    Err(_) => return Err(silent()),
                }
            }
        }
    };
}

mod log;

impl Store {
    /// A random name of this installation, made with the database. Eight characters of `[a-z0-9]`.
    pub async fn installation(&self) -> Result<String> {
        let found: Vec<(String,)> = rows!(self, sql::INSTALLATION)?;
        match found.into_iter().next() {
            Some((name,)) => Ok(name),
            None => Err(super::Error::Inconsistent {
                table: "settings",
                column: "value",
                row: "installation".to_owned(),
                why: "it is missing".to_owned(),
            }),
        }
    }

    /// The secret that buttons are sealed with, made with the database.
    pub async fn button_key(&self) -> Result<String> {
        let found: Vec<(String,)> = rows!(self, sql::BUTTON_KEY)?;
        found
            .into_iter()
            .next()
            .map(|(secret,)| secret)
            .ok_or_else(|| super::Error::Inconsistent {
                table: "settings",
                column: "value",
                row: "button_key".to_owned(),
                why: "it is missing".to_owned(),
            })
    }

    /// What time the database's server says it is; nothing where there is none, and the machine's clock is
    /// the only one.
    pub async fn now(&self) -> Result<Option<Instant>> {
        let Engine::Postgres { pool } = &self.inner.engine else {
            return Ok(None);
        };
        let micros: i64 = sqlx::query_scalar(sql::NOW).fetch_one(pool).await?;
        row::instant("result", "now", 0, micros).map(Some)
    }

    /// Where publishing is stopped, or was.
    pub async fn pauses(&self) -> Result<Vec<PauseRow>> {
        let found: Vec<row::PauseIn> = rows!(self, sql::PAUSES)?;
        found.into_iter().map(row::pause).collect()
    }

    /// The orders given since then that nobody carried out yet, in order.
    pub async fn orders(&self, since: Instant) -> Result<Vec<OrderRow>> {
        let found: Vec<row::OrderIn> = rows!(self, sql::ORDERS, row::micros(since))?;
        found.into_iter().map(row::order).collect()
    }

    /// The answer to an order, as JSON. `None`: it was not carried out, or it is not there.
    pub async fn answer_to(&self, key: &str) -> Result<Option<String>> {
        let found: Vec<(Option<String>,)> = rows!(self, sql::ANSWER, clean(key))?;
        Ok(found.into_iter().next().and_then(|(answer,)| answer))
    }

    /// What is kept, locked, for a source under this name.
    pub(super) async fn token(&self, source: &SourceName, name: &str) -> Result<Option<String>> {
        let found: Vec<(String,)> = rows!(self, sql::TOKEN, clean(source.as_str()), clean(name))?;
        Ok(found.into_iter().next().map(|(body,)| body))
    }

    /// The newest replies in this state, or in any where the word is empty; the newest first.
    pub async fn replies_in(&self, state: &str, limit: i64) -> Result<Vec<Reply>> {
        let found: Vec<(i64, String)> = rows!(self, sql::REPLIES_IN, clean(state), limit)?;
        found.iter().map(row::reply).collect()
    }

    /// The platform's id of the newest reply of a source that is known to stand there.
    pub async fn last_sent(&self, source: &SourceName) -> Result<Option<NativeId>> {
        let found: Vec<(String,)> = rows!(self, sql::LAST_SENT, clean(source.as_str()))?;
        Ok(found.into_iter().next().map(|(id,)| id.into()))
    }

    /// The history of a send, in order.
    pub async fn attempts(&self, reply: ReplyId) -> Result<Vec<AttemptRow>> {
        let found: Vec<row::AttemptIn> = rows!(self, sql::ATTEMPTS, reply.0)?;
        found.into_iter().map(row::attempt).collect()
    }

    /// The numbers handed out so far.
    pub async fn counters(&self) -> Result<Counters> {
        let found: Vec<(String, i64)> = rows!(self, sql::COUNTERS)?;
        let found: HashMap<String, i64> = found.into_iter().collect();
        let of = |key: &str| found.get(key).copied().unwrap_or_default();
        Ok(Counters {
            case: of("case"),
            event: of("event"),
            effect: of("effect"),
            reply: of("reply"),
            claims: of("claims"),
            by_status: Status::ALL.map(|status| of(status.word())),
        })
    }

    /// Cases by number, in no order; those that do not exist are missing.
    pub async fn cases(&self, numbers: &[CaseNumber]) -> Result<Vec<Case>> {
        if numbers.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Batch::of(numbers.iter().map(|number| [number.0.into()]));
        let found: Vec<row::CaseIn> = rows_of!(self, sql::CASES, keys)?;
        found.iter().map(row::case).collect()
    }

    /// What is known of posts, of conversations (source, conversation, author) and of inbox keys, in
    /// one question.
    pub async fn known(
        &self,
        posts: &[(SourceName, NativeId)],
        talks: &[(SourceName, NativeId, NativeId)],
        keys: &[String],
    ) -> Result<Known> {
        if posts.is_empty() && talks.is_empty() && keys.is_empty() {
            return Ok(Known::default());
        }
        let posts = Batch::of_texts(posts.iter().map(|(source, id)| [source.as_str(), id.as_str()]));
        let talks = talks
            .iter()
            .map(|(source, conversation, author)| [source.as_str(), conversation.as_str(), author.as_str()]);
        let talks = Batch::of_texts(talks);
        let keys = Batch::of_texts(keys.iter().map(|key| [key.as_str()]));
        let batches = [&posts, &talks, &keys];
        let found: Vec<row::KnownIn> = match &self.inner.engine {
            Engine::Sqlite { read, .. } => {
                sqlx::query_as_with(sql::KNOWN.sqlite, batch::sqlite(&batches)?)
                    .fetch_all(read)
                    .await?
            }
            Engine::Postgres { pool, .. } => {
                let asked =
                    sqlx::query_as_with(sql::KNOWN.postgres, batch::postgres(&batches)?).fetch_all(pool);
                tokio::time::timeout(PATIENCE, asked)
                    .await
                    .map_err(|_| silent())??
            }
        };
        row::known(found)
    }

    /// What a chat is told about these cases, in one question.
    pub async fn facts(&self, numbers: &[CaseNumber]) -> Result<Facts> {
        if numbers.is_empty() {
            return Ok(Facts::default());
        }
        let keys = Batch::of(numbers.iter().map(|number| [number.0.into()]));
        let found: Vec<row::FactIn> = rows_of!(self, sql::FACTS, keys)?;
        row::facts(found)
    }

    /// Cases, the oldest first.
    pub async fn list_cases(&self, filter: &CaseFilter, limit: i64) -> Result<Vec<Case>> {
        // Four texts, because an index of open cases serves only a query that says so literally.
        let found: Vec<row::CaseIn> = match (filter.open, filter.owner.as_deref().map(clean)) {
            (false, None) => rows!(self, sql::LIST_ALL, limit)?,
            (true, None) => rows!(self, sql::LIST_OPEN, limit)?,
            (false, Some(owner)) => rows!(self, sql::LIST_OWNED, limit, owner)?,
            (true, Some(owner)) => rows!(self, sql::LIST_OWNED_OPEN, limit, owner)?,
        };
        found.iter().map(row::case).collect()
    }

    /// The cases that changed last, the newest change first. Where there are very many cases, the
    /// newest open ones instead: they are found without looking at all others.
    pub async fn latest_cases(&self, limit: i64) -> Result<Vec<Case>> {
        let highest: Vec<(Option<i64>,)> = rows!(self, sql::HIGHEST_CASE)?;
        let highest = highest.first().and_then(|(number,)| *number).unwrap_or_default();
        let found: Vec<row::CaseIn> = if highest <= SORTED {
            rows!(self, sql::LATEST_CASES, limit)?
        } else {
            rows!(self, sql::OPEN_BETWEEN, 1_i64, highest, limit)?
        };
        found.iter().map(row::case).collect()
    }

    /// Cases whose number begins with these digits (all open ones when empty), open ones and new ones first.
    pub async fn suggest_cases(&self, digits: &str, limit: i64) -> Result<Vec<Case>> {
        let highest: Vec<(Option<i64>,)> = rows!(self, sql::HIGHEST_CASE)?;
        let highest = highest.first().and_then(|(number,)| *number).unwrap_or_default();
        let ranges = beginning_with(digits, highest);
        let most = usize::try_from(limit).unwrap_or_default();
        let mut out: Vec<Case> = Vec::new();
        for (first, last) in &ranges {
            if out.len() < most {
                let found: Vec<row::CaseIn> = rows!(self, sql::OPEN_BETWEEN, first, last, limit)?;
                for found in &found {
                    out.push(row::case(found)?);
                }
            }
        }
        // Among the newest of any status, the open ones are those that are there already.
        let mut seen: HashSet<CaseNumber> = out.iter().map(|case| case.number).collect();
        for (first, last) in ranges.iter().filter(|_| !digits.is_empty()) {
            if out.len() < most {
                let found: Vec<row::CaseIn> = rows!(self, sql::ANY_BETWEEN, first, last, limit)?;
                for case in found.iter().map(row::case) {
                    let case = case?;
                    if seen.insert(case.number) {
                        out.push(case);
                    }
                }
            }
        }
        out.truncate(most);
        Ok(out)
    }

    /// Cases with a post that contains the text, without regard to case; the newest first.
    ///
    /// Looks through the newest 50,000 posts, a page at a time, and so holds up neither the writer
    /// nor the memory.
    pub async fn search_cases(&self, text: &str, limit: i64) -> Result<Vec<Case>> {
        #[derive(Deserialize)]
        struct Words<'a> {
            #[serde(borrow)]
            text: Cow<'a, str>,
        }
        let wanted = clean(text).to_lowercase();
        let most = usize::try_from(limit).unwrap_or_default();
        let mut numbers: Vec<CaseNumber> = Vec::new();
        let mut seen = HashSet::new();
        let (mut before, mut looked) = (i64::MAX, 0);
        while looked < SEARCHED && numbers.len() < most {
            let page: Vec<(i64, i64, String)> = rows!(self, sql::POSTS_BEFORE, before, PAGE)?;
            let Some(last) = page.last() else { break };
            (before, looked) = (last.0, looked + page.len());
            for (_, case, json) in &page {
                let hit = serde_json::from_str::<Words>(json)
                    .is_ok_and(|words| words.text.to_lowercase().contains(&wanted));
                if hit && numbers.len() < most && seen.insert(*case) {
                    numbers.push(CaseNumber(*case));
                }
            }
        }
        let mut cases = self.cases(&numbers).await?;
        cases.sort_by_key(|case| std::cmp::Reverse(case.number));
        Ok(cases)
    }

    /// Posts by (source, id), with their cases.
    pub async fn posts(&self, keys: &[(SourceName, NativeId)]) -> Result<Vec<StoredPost>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<row::PostIn> = rows_of!(self, sql::POSTS, post_keys(keys))?;
        found.iter().map(row::post).collect()
    }

    /// The newest open cases of a source.
    pub async fn open_cases_of(&self, source: &SourceName, limit: i64) -> Result<Vec<Case>> {
        let found: Vec<row::CaseIn> = rows!(self, sql::OPEN_OF_SOURCE, clean(source.as_str()), limit)?;
        found.iter().map(row::case).collect()
    }

    /// All posts of these cases, in no order.
    pub async fn posts_of_cases(&self, cases: &[CaseNumber]) -> Result<Vec<StoredPost>> {
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Batch::of(cases.iter().map(|number| [number.0.into()]));
        let found: Vec<row::PostIn> = rows_of!(self, sql::POSTS_OF_CASES, keys)?;
        found.iter().map(row::post).collect()
    }

    /// The last posts of a case, the oldest of them first.
    pub async fn posts_of(&self, case: CaseNumber, limit: i64) -> Result<Vec<StoredPost>> {
        let found: Vec<row::PostIn> = rows!(self, sql::POSTS_OF, case.0, limit)?;
        found.iter().rev().map(row::post).collect()
    }

    /// Events by id.
    pub async fn events(&self, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Batch::of(ids.iter().map(|id| [id.0.into()]));
        let found: Vec<row::EventIn> = rows_of!(self, sql::EVENTS, keys)?;
        self.events_opened(found.iter()).await
    }

    /// A case's last events, in order.
    pub async fn last_events(&self, case: CaseNumber, limit: i64) -> Result<Vec<EventRecord>> {
        let found: Vec<row::EventIn> = rows!(self, sql::LAST_EVENTS, case.0, limit)?;
        self.events_opened(found.iter().rev()).await
    }

    /// A case's events in order, from the one after `after`.
    pub async fn events_of(&self, case: CaseNumber, after: EventId, limit: i64) -> Result<Vec<EventRecord>> {
        let found: Vec<row::EventIn> = rows!(self, sql::EVENTS_OF, case.0, after.0, limit)?;
        self.events_opened(found.iter()).await
    }

    /// Replies by id.
    pub async fn replies(&self, ids: &[ReplyId]) -> Result<Vec<Reply>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Batch::of(ids.iter().map(|id| [id.0.into()]));
        let found: Vec<(i64, String)> = rows_of!(self, sql::REPLIES, keys)?;
        found.iter().map(row::reply).collect()
    }

    /// The replies of a case, in order.
    pub async fn replies_of(&self, case: CaseNumber) -> Result<Vec<Reply>> {
        let found: Vec<(i64, String)> = rows!(self, sql::REPLIES_OF, case.0)?;
        found.iter().map(row::reply).collect()
    }

    /// The newest replies that are done with, and of which nobody read under which id they stand.
    pub async fn unread_replies(&self, limit: i64) -> Result<Vec<Reply>> {
        let found: Vec<(i64, String)> = rows!(self, sql::REPLIES_UNREAD, limit)?;
        found.iter().map(row::reply).collect()
    }

    /// Replies that have no end yet.
    pub async fn open_replies(&self) -> Result<Vec<Reply>> {
        let found: Vec<(i64, String)> = rows!(self, sql::REPLIES_OPEN)?;
        found.iter().map(row::reply).collect()
    }

    /// The messages about a reply.
    pub async fn reply_messages(&self, reply: ReplyId) -> Result<Vec<ReplyMessage>> {
        let found: Vec<(String, String, String)> = rows!(self, sql::REPLY_MESSAGES, reply.0)?;
        Ok(found
            .into_iter()
            .map(|(chat, channel, message)| ReplyMessage {
                reply,
                chat: chat.into(),
                channel: channel.into(),
                message: message.into(),
            })
            .collect())
    }

    /// The threads of these cases.
    pub async fn threads(&self, cases: &[CaseNumber]) -> Result<Vec<Thread>> {
        if cases.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Batch::of(cases.iter().map(|number| [number.0.into()]));
        let found: Vec<row::ThreadIn> = rows_of!(self, sql::THREADS, keys)?;
        Ok(found.into_iter().map(row::thread).collect())
    }

    /// The case that a thread mirrors. `channel` may be unknown to the caller.
    pub async fn case_of_thread(
        &self,
        chat: &ChatName,
        channel: Option<&ChannelId>,
        thread: &ThreadId,
    ) -> Result<Option<CaseNumber>> {
        let (chat, thread) = (clean(chat.as_str()), clean(thread.as_str()));
        let found: Vec<(i64,)> = match channel.map(|channel| clean(channel.as_str())) {
            Some(channel) => rows!(self, sql::CASE_OF_THREAD, chat, thread, channel)?,
            None => rows!(self, sql::CASE_OF_THREAD_ANYWHERE, chat, thread)?,
        };
        Ok(found.first().map(|(number,)| CaseNumber(*number)))
    }

    /// How far a source was read.
    pub async fn cursor(&self, source: &SourceName, stream: &str) -> Result<Option<String>> {
        let found: Vec<(String,)> = rows!(self, sql::CURSOR, clean(source.as_str()), clean(stream))?;
        Ok(found.into_iter().next().map(|(value,)| value))
    }

    /// All lanes with something pending.
    pub async fn lanes(&self) -> Result<Vec<Lane>> {
        let found: Vec<(String,)> = rows!(self, sql::LANES)?;
        Ok(found.into_iter().map(|(lane,)| lane.into()).collect())
    }

    /// Pending effects of a lane after this place, by due time and id.
    pub async fn effects_of(
        &self,
        lane: &Lane,
        (due_at, id): (Instant, EffectId),
        limit: i64,
    ) -> Result<Vec<EffectRow>> {
        let lane = clean(lane.as_str());
        let found: Vec<row::EffectIn> =
            rows!(self, sql::EFFECTS_OF, &lane, row::micros(due_at), id.0, limit)?;
        found.into_iter().map(row::effect).collect()
    }

    /// How many effects were given up.
    pub async fn dead_effects(&self) -> Result<i64> {
        let found: Vec<(i64,)> = rows!(self, sql::DEAD_EFFECTS)?;
        Ok(found.first().map(|(count,)| *count).unwrap_or_default())
    }
}

fn post_keys(keys: &[(SourceName, NativeId)]) -> Batch {
    Batch::of(
        keys.iter()
            .map(|(source, id)| [source.as_str().into(), id.as_str().into()]),
    )
}

fn silent() -> Error {
    Error::Unavailable(format!("the database did not answer within {PATIENCE:?}"))
}

/// The ranges of numbers up to `highest` that begin with these digits, the highest first.
fn beginning_with(digits: &str, highest: i64) -> Vec<(i64, i64)> {
    if digits.is_empty() {
        return vec![(1, highest)];
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) || digits.starts_with('0') {
        return Vec::new();
    }
    let Ok(mut first) = digits.parse::<i64>() else {
        return Vec::new();
    };
    let (mut width, mut ranges) = (1_i64, Vec::new());
    while first <= highest {
        ranges.push((first, first.saturating_add(width - 1)));
        let (Some(next), Some(wider)) = (first.checked_mul(10), width.checked_mul(10)) else {
            break;
        };
        (first, width) = (next, wider);
    }
    ranges.reverse();
    ranges
}

#[cfg(test)]
mod tests {
    use super::beginning_with;

    #[test]
    fn numbers_that_begin_with_digits_lie_in_few_ranges() {
        assert_eq!(beginning_with("", 42), [(1, 42)]);
        assert_eq!(beginning_with("12", 11), []);
        assert_eq!(beginning_with("12", 1250), [(1200, 1299), (120, 129), (12, 12)]);
        assert_eq!(beginning_with("012", 1250), []);
        assert_eq!(beginning_with("x", 1250), []);
        assert_eq!(beginning_with("99999999999999999999", i64::MAX), []);
        assert_eq!(
            beginning_with("9223372036854775807", i64::MAX),
            [(i64::MAX, i64::MAX)]
        );
    }
}
