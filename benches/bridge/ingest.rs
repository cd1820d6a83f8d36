//! Posts by stream or poll: several sources at once, a hundred posts a call, everything written.

use super::report::{Goal, Report, median, rate};
use super::{load, postgres, reference};
use async_trait::async_trait;
use hearback::app::{App, Directory, Home, Parts};
use hearback::domain::{ChatName, MessageId, SourceName, Standing, SystemClock};
use hearback::port::{ChatPlatform, EditMessage, OpenThread, Opened, PortError, PostMessage};
use hearback::store::Store;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How many sources read at once.
const SOURCES: u64 = 4;
/// How many posts a source hands over in one call.
const CALL: u64 = 100;
/// How many posts a round has.
const POSTS: u64 = 20_000;
/// How many rounds there are, turn and turn about with the reference.
const ROUNDS: usize = 3;

/// A chat that answers nobody: what is owed to it waits in the outbox.
struct Silent(ChatName);

#[async_trait]
impl ChatPlatform for Silent {
    fn name(&self) -> &ChatName {
        &self.0
    }
    async fn open_thread(&self, _: &OpenThread) -> Result<Opened, PortError> {
        std::future::pending().await
    }
    async fn post(&self, _: &PostMessage) -> Result<MessageId, PortError> {
        std::future::pending().await
    }
    async fn edit(&self, _: &EditMessage) -> Result<(), PortError> {
        std::future::pending().await
    }
}

/// The core with nothing around it.
pub struct Core {
    pub app: hearback::app::Inbound,
    store: Store,
    stop: CancellationToken,
}

impl Core {
    pub async fn start(url: &str) -> anyhow::Result<Self> {
        let store = Store::open(url).await?;
        let stop = CancellationToken::new();
        let (chat, channel) = (ChatName::new("slack"), "C0CARE".into());
        let parts = Parts {
            directory: Directory {
                homes: vec![Home {
                    chat: chat.clone(),
                    channel,
                }],
                ..Directory::default()
            },
            chats: vec![Arc::new(Silent(chat))],
            networks: Vec::new(),
            hold: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
            settle: Duration::from_secs(120),
            standing: Standing::Sound,
            seal: None,
            stop: stop.clone(),
            ..Parts::around(store.clone(), Arc::new(SystemClock))
        };
        let tasks = TaskTracker::new();
        let App {
            inbound, mut worker, ..
        } = App::start(parts, &tasks).await?;
        worker.recover().await?;
        let stopped = stop.clone();
        tasks.spawn(async move {
            stopped.run_until_cancelled(worker.run()).await;
        });
        Ok(Self {
            app: inbound,
            store,
            stop,
        })
    }

    /// Takes `count` new posts in. Returns how long that took, without the making of the posts.
    pub async fn take(&self, from: u64, count: u64) -> anyhow::Result<Duration> {
        let share = count / SOURCES;
        let sources: Vec<_> = (0..SOURCES)
            .map(|number| {
                let source = SourceName::new(format!("source{number}"));
                let posts = load::posts(&source, from / SOURCES, share);
                let calls: Vec<_> = posts
                    .chunks(usize::try_from(CALL).unwrap())
                    .map(load::sightings)
                    .collect();
                (source, calls)
            })
            .collect();
        let began = Instant::now();
        let tasks = TaskTracker::new();
        for (source, calls) in sources {
            let inbound = self.app.clone();
            tasks.spawn(async move {
                for sightings in calls {
                    let expected = sightings.len();
                    let intake = inbound.posts_seen(&source, sightings, None).await.unwrap();
                    assert_eq!(intake.accepted, expected, "every post is new");
                }
            });
        }
        tasks.close();
        tasks.wait().await;
        Ok(began.elapsed())
    }

    pub async fn end(self) {
        let Self { app, store, stop } = self;
        stop.cancel();
        drop(app);
        store.close().await;
    }
}

pub async fn sqlite(report: &mut Report) -> anyhow::Result<()> {
    let (mut measured, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(sqlite_loop().await?);
        let folder = tempfile::tempdir()?;
        let core = Core::start(&format!("sqlite:{}", folder.path().join("bench.db").display())).await?;
        measured.push(rate(usize::try_from(POSTS)?, core.take(0, POSTS).await?));
        core.end().await;
    }
    report.beside(
        "ingest into SQLite, FULL",
        "posts/s",
        median(measured),
        median(bare),
        Goal::Share(0.6),
    );
    Ok(())
}

/// What the bare loop reaches on SQLite.
pub async fn sqlite_loop() -> anyhow::Result<f64> {
    let posts = load::posts(&SourceName::new("source"), 0, POSTS);
    let folder = tempfile::tempdir()?;
    let took = reference::sqlite(&folder.path().join("loop.db"), &posts).await?;
    Ok(rate(posts.len(), took))
}

pub async fn postgres(report: &mut Report) -> anyhow::Result<()> {
    let (mut measured, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (Some(one), Some(other)) = (postgres::database().await, postgres::database().await) else {
            report.skip("ingest into PostgreSQL", "no PostgreSQL was found");
            return Ok(());
        };
        let posts = load::posts(&SourceName::new("source"), 0, POSTS);
        bare.push(rate(posts.len(), reference::postgres(&one, &posts).await?));
        let core = Core::start(&other).await?;
        measured.push(rate(posts.len(), core.take(0, POSTS).await?));
        core.end().await;
    }
    report.beside(
        "ingest into PostgreSQL",
        "posts/s",
        median(measured),
        median(bare),
        Goal::Share(0.6),
    );
    Ok(())
}
