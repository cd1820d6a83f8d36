//! The way to disk: every write is one transaction in a task of its own.
//!
//! A future that is dropped inside `begin()` can leave a PostgreSQL connection in a transaction
//! that nobody commits, and the next user's acknowledged writes vanish with it. So no caller's
//! future ever holds a transaction: the caller only waits for the task, and may go.

use super::batch::{Batch, Cell};
use super::privacy::Locked;
use super::row::{self, last_of, micros};
use super::sql::{self, Sql};
use super::transact::{Making, Parameter, Step};
use super::{Changes, Counters, Erasure, Error, PauseRow, ReplyStep, Result, Store, StoredPost};
use crate::domain::audit::Hash;
use crate::domain::{Case, EffectId, Instant, Status};

impl Store {
    /// Writes everything or nothing, durably. Runs in a task of its own: a caller that goes away
    /// cancels nothing.
    pub async fn commit(&self, changes: Changes) -> Result<()> {
        let store = self.clone();
        self.spawned(async move { store.append(changes).await }).await
    }

    /// Commits; what it appends to the log follows what is there.
    async fn append(&self, mut changes: Changes) -> Result<()> {
        if changes.events.is_empty() {
            return self.transact(makings(&changes, None)).await;
        }
        let mut head = self.inner.head.lock().await;
        // Whatever comes of this, until it has come well the end of the log is not known.
        let mut last = match head.take() {
            Some(last) => last,
            None => self.last_hash().await?,
        };
        let locked = self.lock_texts(&mut changes).await?;
        let mut log = Log {
            last: &mut last,
            locked: &locked,
        };
        self.transact(makings(&changes, Some(&mut log))).await?;
        *head = Some(last);
        if !changes.erasure.keys.is_empty() {
            self.inner.keys.forget();
        }
        for (person, key) in locked.new {
            self.inner.keys.remember(person, key);
        }
        Ok(())
    }

    /// Notes that the database was sealed, at this time; the first note stays.
    pub(super) async fn mark_sealed(&self, at: Instant) -> Result<()> {
        self.write(vec![Step::new(
            sql::MARK_SEALED,
            Parameter::Text(at.to_rfc3339()),
        )])
        .await
    }

    /// Whether the database answers and can be written to.
    pub async fn ping(&self) -> Result<()> {
        self.keep_lock().await?;
        self.write(vec![Step::new(sql::TOUCH, Parameter::None)]).await
    }

    /// Forgets inbox rows and orders older than this.
    pub async fn forget_inbox(&self, before: Instant) -> Result<()> {
        let old = |sql| Step::new(sql, Parameter::Number(micros(before)));
        self.write(vec![old(sql::FORGET_INBOX), old(sql::FORGET_ORDERS)])
            .await
    }

    /// Keeps something locked for a source.
    pub(super) async fn put_token(&self, row: Batch) -> Result<()> {
        self.write(vec![Step::new(sql::PUT_TOKENS, Parameter::Batch(row))])
            .await
    }

    /// Takes an order back that was not carried out. Whether it was, [`Self::answer_to`] says then.
    pub async fn withdraw_order(&self, key: &str) -> Result<()> {
        let key = Parameter::Text(key.to_owned());
        self.write(vec![Step::new(sql::WITHDRAW_ORDER, key)]).await
    }

    /// Gives the installation its name and the secret of its buttons, unless it has them.
    pub(super) async fn install(&self, name: &str, secret: &str) -> Result<()> {
        let text = |sql, text: &str| Step::new(sql, Parameter::Text(text.to_owned()));
        self.write(vec![text(sql::INSTALL, name), text(sql::MAKE_BUTTON_KEY, secret)])
            .await
    }

    async fn write(&self, steps: Vec<Step>) -> Result<()> {
        let store = self.clone();
        self.spawned(async move { store.transact(vec![Box::new(|| Ok(steps))]).await })
            .await
    }

    /// Runs a write in a task of its own, which the store waits for when it is closed.
    async fn spawned(&self, write: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
        self.inner
            .writes
            .spawn(write)
            .await
            .map_err(|error| Error::Unavailable(format!("the write ended early: {error}")))?
    }
}

/// What is needed to append to the log.
struct Log<'a> {
    /// The hash of its last event; moves on.
    last: &'a mut Hash,
    /// Which events have their free texts under which key.
    locked: &'a Locked,
}

/// What makes the statements of a commit: on PostgreSQL each is made while the one before is run.
fn makings<'a>(changes: &'a Changes, log: Option<&'a mut Log<'_>>) -> Vec<Making<'a>> {
    let mut makings: Vec<Making<'a>> = vec![Box::new(|| cases_of(changes)), Box::new(|| posts_of(changes))];
    if let Some(log) = log {
        makings.push(Box::new(|| events(changes, log)));
    }
    makings.push(Box::new(|| consequences(changes)));
    makings
}

/// The statements about all but conversations and the log, of the lists that are not empty.
fn consequences(changes: &Changes) -> Result<Vec<Step>> {
    let mut steps = Vec::with_capacity(8);
    erasure(&changes.erasure, &mut steps)?;
    outbox(changes, &mut steps)?;
    mirrors(changes, &mut steps)?;
    bookkeeping(changes, &mut steps);
    Ok(steps)
}

/// Adds a statement, unless there is nothing for it to do.
fn step(steps: &mut Vec<Step>, sql: Sql, rows: Batch) {
    if !rows.is_empty() {
        steps.push(Step::new(sql, Parameter::Batch(rows)));
    }
}

/// The statements about cases.
fn cases_of(changes: &Changes) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    step(&mut steps, sql::ADD_CASES, cases(&changes.new_cases)?);
    let changed = last_of(&changes.cases, |case| case.number);
    step(&mut steps, sql::PUT_CASES, cases(changed)?);
    Ok(steps)
}

/// The statements about posts.
fn posts_of(changes: &Changes) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    step(&mut steps, sql::ADD_POSTS, posts(&changes.new_posts)?);
    let changed = last_of(&changes.posts, |stored| (&stored.post.source, &stored.post.id));
    step(&mut steps, sql::PUT_POSTS, posts(changed)?);
    Ok(steps)
}

/// Events with their hashes, each over the one before it, and the keys that are new.
fn events(changes: &Changes, log: &mut Log<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let keys = log.locked.new.iter().map(|((source, author), key)| {
        [
            Cell::Text(Some(key.id.as_str().into())),
            source.as_str().into(),
            author.as_str().into(),
            Cell::Text(Some(key.secret().into())),
        ]
    });
    step(&mut steps, sql::ADD_KEYS, Batch::of(keys));
    let mut events = Batch::default();
    for record in &changes.events {
        let (id, case, at) = (record.id.0, record.case.0, micros(record.at));
        let body = row::EventBody {
            by: &record.by,
            event: &record.event,
            key: log.locked.keys.get(&id).map(|key| key.id.as_str()),
        };
        let body = Cell::json(&body)?;
        if let Cell::Text(Some(text)) = &body {
            *log.last = log.last.next(id, case, at, text);
        }
        let hash = Cell::Text(Some(log.last.to_string().into()));
        events.push([id.into(), case.into(), at.into(), body, hash]);
    }
    step(&mut steps, sql::ADD_EVENTS, events);
    Ok(steps)
}

fn erasure(erasure: &Erasure, steps: &mut Vec<Step>) -> Result<()> {
    let keys = erasure.keys.iter().map(|id| [id.as_str().into()]);
    step(steps, sql::DROP_KEYS, Batch::of(keys));
    let mut events = Batch::default();
    for record in &erasure.events {
        let body = row::EventBody {
            by: &record.by,
            event: &record.event,
            key: None,
        };
        events.push([record.id.into(), Cell::json(&body)?]);
    }
    step(steps, sql::BLANK_EVENTS, events);
    let effects = erasure.effects.iter();
    let effects = effects.map(|(id, reason)| [(*id).into(), reason.as_str().into()]);
    step(steps, sql::BLANK_EFFECTS, Batch::of(effects));
    let answers = erasure.answers.iter();
    let answers = answers.map(|(key, answer)| [key.as_str().into(), answer.as_str().into()]);
    step(steps, sql::BLANK_INBOX, Batch::of(answers));
    let asides = erasure.asides.iter().map(|id| [(*id).into()]);
    step(steps, sql::DROP_ASIDES, Batch::of(asides));
    Ok(())
}

fn cases<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Result<Batch> {
    let mut rows = Batch::default();
    for case in cases {
        rows.push([
            case.number.into(),
            case.source.as_str().into(),
            case.conversation.as_str().into(),
            case.author.as_str().into(),
            case.status.word().into(),
            case.owner.as_ref().map(|owner| owner.key.as_str()).into(),
            micros(case.updated_at).into(),
            Cell::json(case)?,
        ]);
    }
    Ok(rows)
}

fn posts<'a>(posts: impl IntoIterator<Item = &'a StoredPost>) -> Result<Batch> {
    let mut rows = Batch::default();
    for stored in posts {
        rows.push([
            stored.post.source.as_str().into(),
            stored.post.id.as_str().into(),
            stored.case.into(),
            micros(stored.post.created_at).into(),
            Cell::json(&stored.post)?,
        ]);
    }
    Ok(rows)
}

fn outbox(changes: &Changes, steps: &mut Vec<Step>) -> Result<()> {
    let mut effects = Batch::default();
    for effect in &changes.effects {
        effects.push([
            effect.id.into(),
            effect.lane.as_str().into(),
            effect.case.into(),
            micros(effect.due_at).into(),
            effect.attempts.into(),
            effect.begun_at.map(micros).into(),
            Cell::json(&effect.effect)?,
        ]);
    }
    step(steps, sql::ADD_EFFECTS, effects);
    let at = |(id, at): &(EffectId, Instant)| [(*id).into(), micros(*at).into()];
    step(
        steps,
        sql::BEGIN_EFFECTS,
        Batch::of(changes.effects_begun.iter().map(at)),
    );
    step(
        steps,
        sql::PUT_OFF_EFFECTS,
        Batch::of(changes.effects_due.iter().map(at)),
    );
    let dead = changes
        .effects_dead
        .iter()
        .map(|(id, reason)| [(*id).into(), reason.as_str().into()]);
    step(steps, sql::BURY_EFFECTS, Batch::of(dead));
    let done = changes.effects_done.iter().map(|id| [(*id).into()]);
    step(steps, sql::END_EFFECTS, Batch::of(done));
    Ok(())
}

fn mirrors(changes: &Changes, steps: &mut Vec<Step>) -> Result<()> {
    let threads = last_of(&changes.threads, |row| (row.case, &row.chat, &row.channel));
    let threads = threads.into_iter().map(|thread| {
        [
            thread.case.into(),
            thread.chat.as_str().into(),
            thread.channel.as_str().into(),
            thread.thread.as_str().into(),
            thread.card.as_str().into(),
        ]
    });
    step(steps, sql::PUT_THREADS, Batch::of(threads));
    let messages = last_of(&changes.reply_messages, |row| {
        (row.reply, &row.chat, &row.channel)
    });
    let messages = messages.into_iter().map(|message| {
        [
            message.reply.0.into(),
            message.chat.as_str().into(),
            message.channel.as_str().into(),
            message.message.as_str().into(),
        ]
    });
    step(steps, sql::PUT_REPLY_MESSAGES, Batch::of(messages));
    replies(changes, steps)
}

/// New replies are inserted; the others take their step only if they stand where they stood.
fn replies(changes: &Changes, steps: &mut Vec<Step>) -> Result<()> {
    let (mut new, mut moved, mut count) = (Batch::default(), Batch::default(), 0);
    for ReplyStep { from, reply } in &changes.replies {
        let (state, remote) = (reply.state.word(), reply.remote_id.as_ref().map(|id| id.as_str()));
        match from {
            None => new.push([
                reply.id.0.into(),
                reply.case.into(),
                reply.source.as_str().into(),
                state.into(),
                reply.fence.into(),
                reply.step.into(),
                remote.into(),
                Cell::json(reply)?,
            ]),
            Some(from) => {
                count += 1;
                moved.push([
                    reply.id.0.into(),
                    from.state.word().into(),
                    from.fence.into(),
                    from.step.into(),
                    state.into(),
                    reply.fence.into(),
                    reply.step.into(),
                    remote.into(),
                    Cell::json(reply)?,
                ]);
            }
        }
    }
    step(steps, sql::ADD_REPLIES, new);
    if count > 0 {
        steps.push(Step {
            sql: sql::MOVE_REPLIES,
            parameter: Parameter::Batch(moved),
            expects: Some(count),
        });
    }
    let attempts = changes.attempts.iter().map(|row| {
        [
            row.reply.0.into(),
            row.fence.into(),
            micros(row.at).into(),
            row.what.as_str().into(),
            row.detail.as_str().into(),
        ]
    });
    step(steps, sql::ADD_ATTEMPTS, Batch::of(attempts));
    let pauses = last_of(&changes.pauses, |row| &row.source);
    step(steps, sql::PUT_PAUSES, Batch::of(pauses.into_iter().map(pause)));
    let logged = changes.pauses_logged.iter().map(|row| {
        let [source, paused, at, ..] = pause(row);
        [source, paused, at]
    });
    step(steps, sql::LOG_PAUSES, Batch::of(logged));
    orders(changes, steps);
    Ok(())
}

fn orders(changes: &Changes, steps: &mut Vec<Step>) {
    let given = changes.orders.iter().map(|row| {
        [
            row.key.as_str().into(),
            micros(row.at).into(),
            row.by.as_str().into(),
            row.body.as_str().into(),
        ]
    });
    step(steps, sql::ADD_ORDERS, Batch::of(given));
    let answered = &changes.orders_answered;
    if !answered.is_empty() {
        let rows = answered
            .iter()
            .map(|(key, answer)| [key.as_str().into(), answer.as_str().into()]);
        steps.push(Step {
            sql: sql::ANSWER_ORDERS,
            parameter: Parameter::Batch(Batch::of(rows)),
            expects: Some(answered.len()),
        });
    }
}

fn pause(row: &PauseRow) -> [Cell<'_>; 6] {
    [
        row.source.as_ref().map_or("", |source| source.as_str()).into(),
        i64::from(row.paused).into(),
        micros(row.at).into(),
        row.by.as_str().into(),
        row.reason.as_str().into(),
        i64::from(row.logged).into(),
    ]
}

fn bookkeeping(changes: &Changes, steps: &mut Vec<Step>) {
    let inbox = changes.inbox.iter().map(|row| {
        [
            row.key.as_str().into(),
            micros(row.at).into(),
            row.answer.as_str().into(),
        ]
    });
    step(steps, sql::ADD_INBOX, Batch::of(inbox));
    let cursors = last_of(&changes.cursors, |row| (&row.source, &row.stream));
    let cursors = cursors.into_iter().map(|row| {
        [
            row.source.as_str().into(),
            row.stream.as_str().into(),
            row.value.as_str().into(),
        ]
    });
    step(steps, sql::PUT_CURSORS, Batch::of(cursors));
    let asides = changes.asides.iter().map(|aside| {
        [
            micros(aside.at).into(),
            aside.origin.as_str().into(),
            aside.reason.as_str().into(),
            aside.raw.as_str().into(),
        ]
    });
    step(steps, sql::ADD_ASIDES, Batch::of(asides));
    let counters = changes.counters.iter().flat_map(counter_rows);
    step(steps, sql::PUT_COUNTERS, Batch::of(counters));
}

/// A counter's rows: five, and one for each status by its word.
fn counter_rows(counters: &Counters) -> impl Iterator<Item = [Cell<'static>; 2]> {
    let plain = [
        ("case", counters.case),
        ("event", counters.event),
        ("effect", counters.effect),
        ("reply", counters.reply),
        ("claims", counters.claims),
    ];
    let stages = Status::ALL.map(Status::word).into_iter().zip(counters.by_status);
    plain
        .into_iter()
        .chain(stages)
        .map(|(key, value)| [key.into(), value.into()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SourceName;
    use crate::store::engine::Engine;
    use crate::store::{Aside, CursorRow};

    async fn allow_pages(store: &Store, pages: &'static str) {
        let Engine::Sqlite { write, .. } = &store.inner.engine else {
            panic!("SQLite was asked for");
        };
        sqlx::raw_sql(pages).execute(write).await.unwrap();
    }

    /// A page limit makes SQLite answer as it does when the disk is full.
    #[tokio::test]
    async fn a_full_disk_writes_nothing_and_mends_itself() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("full.db").display());
        let store = Store::open(&url).await.unwrap();
        let source = SourceName::new("fedi");
        let changes = |value: &str| Changes {
            cursors: vec![CursorRow {
                source: SourceName::new("fedi"),
                stream: "home".to_owned(),
                value: value.to_owned(),
            }],
            asides: vec![Aside {
                at: Instant::UNIX_EPOCH,
                origin: "test".to_owned(),
                reason: "large".to_owned(),
                raw: "x".repeat(400_000),
            }],
            ..Changes::default()
        };
        allow_pages(&store, "PRAGMA max_page_count = 60").await;
        for _ in 0..3 {
            let full = store.commit(changes("1")).await;
            assert!(matches!(full, Err(Error::Unavailable(_))), "{full:?}");
            assert_eq!(store.cursor(&source, "home").await.unwrap(), None);
        }
        allow_pages(&store, "PRAGMA max_page_count = 100000").await;
        store.commit(changes("2")).await.unwrap();
        assert_eq!(store.cursor(&source, "home").await.unwrap().as_deref(), Some("2"));
        store.close().await;
    }
}
