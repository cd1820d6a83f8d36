//! Everything at once: the whole product, wired as `serve` wires it, between a Slack, a Discord and a
//! shop made here; on SQLite, and on PostgreSQL where there is one.

use crate::fake::discord::{FakeDiscord, GUILD, MANAGERS, TEXT};
use crate::fake::errors;
use crate::fake::postgres;
use crate::fake::slack::{CHANNEL, ESCALATIONS, SlackFake};
use crate::fake::webhook::{SECRET, Shop};
use hearback::config::{Config, Purpose};
use hearback::domain::case::fold;
use hearback::domain::{Clock, EventId, Standing, SystemClock};
use hearback::runtime::{Options, Running};
use hearback::store::{CaseFilter, Seal, Store};
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// The most time a conversation takes.
const LIMIT: Duration = Duration::from_secs(90);
/// The most time that something in it is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most time a soft stop takes.
const STOP: Duration = Duration::from_secs(20);
/// Ada and Grace, as Discord knows them.
pub const ADA: u64 = 1_100_000_000_000_000_011;
pub const GRACE: u64 = 1_100_000_000_000_000_013;

/// The world around a running Hearback.
pub struct Ctx {
    pub slack: SlackFake,
    pub discord: FakeDiscord,
    pub shop: Shop,
    pub running: Running,
    database: String,
    _folder: tempfile::TempDir,
}

/// Holds a conversation on each engine, then checks that nothing is left over.
pub async fn run_test(talk: impl AsyncFn(&Ctx)) {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("hearback.db").display());
    converse(&talk, sqlite, folder).await;
    if let Some(database) = postgres::database().await {
        converse(&talk, database, tempfile::tempdir().unwrap()).await;
    }
}

async fn converse(talk: &impl AsyncFn(&Ctx), database: String, folder: tempfile::TempDir) {
    let ctx = Ctx::start(database, folder).await;
    tokio::time::timeout(LIMIT, talk(&ctx))
        .await
        .expect("the conversation takes too long");
    ctx.finish().await;
}

impl Ctx {
    async fn start(database: String, folder: tempfile::TempDir) -> Self {
        errors::watch();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let slack = SlackFake::start(Arc::clone(&clock)).await;
        let discord = FakeDiscord::start(Arc::clone(&clock)).await;
        discord.person(ADA, "Ada", &[]);
        discord.person(GRACE, "Grace", &[]);
        let shop = Shop::open(Arc::clone(&clock), true).await;
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
allow_private_hosts = ["127.0.0.1"]
[database]
url = "{database}"
seal = "{seal}"
[reply]
hold = "1s"
settle = "1s"
[slack]
bot_token = "xoxb-fake"
app_token = "xapp-fake"
channel = "{CHANNEL}"
api_url = "{slack_api}"
[discord]
token = "{discord_token}"
guild = "{GUILD}"
channel = "{TEXT}"
api_url = "{discord_api}"
[[source]]
name = "shop"
platform = "webhook"
secret = "{SECRET}"
reply_url = "{reply}"
idempotency = "key"
[[source]]
name = "feed"
platform = "webhook"
secret = "{SECRET}"
reply_url = "{reply}"
idempotency = "key"
flood = 20
[[agent]]
name = "Ada"
slack = "U0ADA"
discord = "{ADA}"
roles = ["agent"]
[[agent]]
name = "Grace"
slack = "U0GRACE"
discord = "{GRACE}"
roles = ["lead"]
[[team]]
name = "managers"
slack_channel = "{ESCALATIONS}"
discord_channel = "{MANAGERS}"
members = ["Grace"]
"#,
            seal = folder.path().join("hearback.seal").display(),
            slack_api = slack.config().api_url,
            discord_token = crate::fake::discord::TOKEN,
            discord_api = discord.api_url(),
            reply = shop.reply_url(),
        );
        let config = Config::from_toml("test.toml", &text, Purpose::Serve).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = Options {
            clock: Some(clock),
            demo: None,
            samples: false,
            stepped: false,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
        };
        let running = Running::start(&config, listener, options).await.unwrap();
        slack.connected(2).await;
        discord
            .until("the gateway is up", |world| world.live.then_some(()))
            .await;
        Self {
            slack,
            discord,
            shop,
            running,
            database,
            _folder: folder,
        }
    }

    /// A customer writes in the shop.
    pub async fn complaint(&self, id: &str, conversation: &str, text: &str) {
        let post = json!({
            "id": id, "conversation": conversation, "text": text, "url": format!("https://shop.example/{id}"),
            "author": {"id": "ann", "handle": "ann", "name": "Ann", "followers": 1204},
        });
        let (status, answer) = self.deliver(&post).await;
        assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
    }

    /// Hands a body to the shop's webhook.
    pub async fn deliver(&self, body: &Value) -> (u16, Value) {
        let to = format!("http://{}/webhooks/shop", self.running.addr)
            .parse()
            .unwrap();
        let (status, answer) = self.shop.send(&to, body).await;
        (status.as_u16(), answer)
    }

    /// Waits until a Discord thread shows these words.
    pub async fn discord_says(&self, thread: u64, words: &str) {
        self.eventually(&format!("{words:?} in {thread}"), || {
            self.discord_shows(thread, words).then_some(())
        })
        .await;
    }

    /// Waits for the first Discord thread of a channel.
    pub async fn discord_thread(&self, channel: u64) -> u64 {
        self.eventually("a thread in Discord", || {
            self.discord.threads(channel).first().copied()
        })
        .await
    }

    /// Waits, with everything else running, until something is there.
    pub async fn eventually<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let there = async {
            loop {
                match look() {
                    Some(found) => return found,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, there)
            .await
            .unwrap_or_else(|_| panic!("waited in vain for {what}"))
    }

    fn discord_shows(&self, thread: u64, words: &str) -> bool {
        self.discord
            .seen(thread)
            .iter()
            .any(|message| message.contains(words))
    }

    /// Everything was delivered, every scripted fault was met, every case is the fold of its log, the
    /// service stops in time, nothing went wrong in silence, and nobody was sent nonsense.
    async fn finish(self) {
        let Self {
            slack,
            discord,
            shop,
            running,
            database,
            _folder,
        } = self;
        tokio::time::timeout(PATIENCE, delivered(&database))
            .await
            .expect("the outbox becomes empty");
        for faults in [&slack.faults, discord.faults(), shop.faults()] {
            assert_eq!(faults.waiting(), Vec::<String>::new());
        }
        tokio::time::timeout(STOP, running.stop())
            .await
            .expect("it stops in time")
            .unwrap();
        let store = Store::open(&database).await.unwrap();
        for case in store.list_cases(&CaseFilter::default(), i64::MAX).await.unwrap() {
            let log = store.events_of(case.number, EventId(0), i64::MAX).await.unwrap();
            let folded = fold(case.number, log.iter().map(|record| (&record.event, record.at)));
            assert_eq!(folded.as_ref(), Some(&case));
            assert_eq!(store.cases(&[case.number]).await.unwrap(), [case]);
        }
        assert_eq!(store.dead_effects().await.unwrap(), 0, "effects were given up");
        sealed(&store, _folder.path().join("hearback.seal")).await;
        store.close().await;
        assert_eq!(slack.problems(), Vec::<String>::new());
        discord.check();
        assert_eq!(errors::take(), Vec::<String>::new());
    }
}

/// The log is whole, and its seal is that of its end.
async fn sealed(store: &Store, path: std::path::PathBuf) {
    let seal = Seal::open(store, path, Arc::new(SystemClock)).await.unwrap();
    assert_eq!(seal.standing(), Standing::Sound);
    let known = seal.sealed().await.unwrap().unwrap();
    let report = seal.verify(known).await.unwrap();
    assert_eq!(report.faults, []);
    assert_eq!(
        known.map(|sealed| sealed.head),
        report.head,
        "a clean stop seals the end"
    );
}

/// Waits until the outbox is empty, as another program sees it.
async fn delivered(database: &str) {
    const LEFT: &str = "SELECT count(*) FROM effects WHERE state = 'pending'";
    let mut sqlite = None;
    let mut postgres = None;
    if database.starts_with("sqlite:") {
        sqlite = Some(SqliteConnection::connect(database).await.unwrap());
    } else {
        postgres = Some(PgConnection::connect(database).await.unwrap());
    }
    loop {
        let left: i64 = match (&mut sqlite, &mut postgres) {
            (Some(connection), _) => sqlx::query_scalar(LEFT).fetch_one(connection).await.unwrap(),
            (None, Some(connection)) => sqlx::query_scalar(LEFT).fetch_one(connection).await.unwrap(),
            (None, None) => return,
        };
        if left == 0 {
            return;
        }
        tokio::task::yield_now().await;
    }
}
