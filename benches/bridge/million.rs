//! A million cases: built through the way in, then looked at.

use super::chat::Chat;
use super::ingest::{self, Core};
use super::load::{Webhook, flood};
use super::process::{Home, Process, Program, cpu};
use super::report::{Goal, Report, rate};
use std::sync::Arc;
use std::time::Duration;

/// How many posts one step has.
const STEP: u64 = 20_000;
const ALL: u64 = 1_000_000;
/// Where the rate is compared with that at the end.
const EARLY: u64 = 100_000;
/// How many steps are looked at, at each of the two sizes.
const STEPS: u64 = 5;

pub async fn run(report: &mut Report) -> anyhow::Result<()> {
    let chat = Chat::open(None).await?;
    let home = Home::new(&chat.url)?;
    let core = Core::start(&format!("sqlite:{}", home.database().display())).await?;
    grow(&core, 0, EARLY).await?;
    let early = Ingest::measure(&core, EARLY).await?;
    grow(&core, EARLY + STEPS * STEP, ALL).await?;
    let late = Ingest::measure(&core, ALL).await?;
    core.end().await;
    report.beside(
        "ingest at a million cases, beside at 100,000",
        "posts/s",
        late.rate,
        early.rate,
        Goal::Share(0.9),
    );
    // What the machine and its disk gave at the two times.
    report.beside(
        "the bare loop, at the same two times",
        "posts/s",
        late.bare,
        early.bare,
        Goal::AtLeast(0.0),
    );
    report.beside(
        "CPU of ingest and of making posts, likewise",
        "us/post",
        late.cpu,
        early.cpu,
        Goal::AtLeast(0.0),
    );
    deliver_all(&home).await?;

    let process = Process::start(Program::Binary, &home.config(), None).await?;
    report.alone(
        "ready, a million cases",
        "ms",
        process.ready.as_secs_f64() * 1000.0,
        Goal::AtMost(500.0),
    );
    tokio::time::sleep(Duration::from_secs(3)).await;
    report.alone(
        "memory at rest, a million cases",
        "MiB",
        process.memory()?,
        Goal::AtMost(64.0),
    );
    let webhook = Arc::new(Webhook::new(&process.address)?);
    flood(&webhook, 64, 0, 20_000, || false).await?;
    report.alone(
        "memory after a burst, a million cases",
        "MiB",
        process.memory()?,
        Goal::AtMost(64.0),
    );
    drop(process);
    let process = Process::start(Program::Binary, &home.config(), None).await?;
    report.alone(
        "ready after kill -9, a million cases",
        "ms",
        process.ready.as_secs_f64() * 1000.0,
        Goal::AtMost(2000.0),
    );
    Ok(())
}

/// Takes posts in until there are so many.
async fn grow(core: &Core, from: u64, to: u64) -> anyhow::Result<Duration> {
    let mut took = Duration::ZERO;
    for at in (from..to).step_by(usize::try_from(STEP)?) {
        took += core.take(at, STEP).await?;
    }
    Ok(took)
}

/// What ingest does at some size.
struct Ingest {
    /// Posts a second.
    rate: f64,
    /// The bare loop's posts a second, just before.
    bare: f64,
    /// The processor time of a post, in microseconds.
    cpu: f64,
}

impl Ingest {
    async fn measure(core: &Core, from: u64) -> anyhow::Result<Self> {
        let bare = ingest::sqlite_loop().await?;
        let posts = usize::try_from(STEPS * STEP)?;
        let before = cpu("self")?;
        let took = grow(core, from, from + STEPS * STEP).await?;
        let used = cpu("self")? - before;
        Ok(Self {
            rate: rate(posts, took),
            bare,
            cpu: 1e6 / rate(posts, used),
        })
    }
}

/// Leaves the database as if every card were out: no chat takes a million messages in a bench.
async fn deliver_all(home: &Home) -> anyhow::Result<()> {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(home.database());
    let pool = sqlx::SqlitePool::connect_with(options).await?;
    sqlx::raw_sql(
        "INSERT INTO threads (case_number, chat, channel, thread, card) \
            SELECT number, 'slack', 'C0CARE', '1800000000.' || number, '1800000000.' || number FROM cases; \
         DELETE FROM effects; \
         PRAGMA wal_checkpoint(TRUNCATE);",
    )
    .execute(&pool)
    .await?;
    pool.close().await;
    Ok(())
}
