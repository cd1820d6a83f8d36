//! A whole Hearback between a network made here and a fake Discord; time moves by hand.

use crate::fake::discord::{FakeDiscord, MANAGERS, PATIENCE};
use async_trait::async_trait;
use hearback::adapter::chat::discord::Discord;
use hearback::app::{App, Directory, Group, Home, Identity, Inbound, Member, Parts, TeamEntry, Worker};
use hearback::domain::{
    Agent, Audience, Author, Clock as _, ManualClock, NativeId, Post, PostKind, Reply, Role, Sighting,
    SourceName, Standing, Visibility,
};
use hearback::port::{
    Abilities, ChatPlatform, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target,
};
use hearback::store::Store;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub const ADA: u64 = 1_100_000_000_000_000_011;
pub const BOB: u64 = 1_100_000_000_000_000_012;
/// Of the managers.
pub const GRACE: u64 = 1_100_000_000_000_000_013;
/// Has a role of the server that stands for agents.
pub const EVE: u64 = 1_100_000_000_000_000_014;
/// Has no role.
pub const MALLORY: u64 = 1_100_000_000_000_000_015;
const CREW: u64 = 1_100_000_000_000_000_020;

/// A network that keeps what is published.
pub struct Network {
    name: SourceName,
    pub published: Mutex<Vec<(String, Audience)>>,
}

#[async_trait]
impl SocialPlatform for Network {
    fn source(&self) -> &SourceName {
        &self.name
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Id,
            private: true,
            label: "Fedi".to_owned(),
            account: None,
        }
    }

    fn compose(&self, text: &str, _: &str, _: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: 500,
            unit: "characters",
            refusal: None,
        }
    }

    async fn target(&self, _: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        Ok(Target::NotReadable)
    }

    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }

    async fn publish(&self, reply: &Reply, _: &Permit) -> Result<Published, PortError> {
        self.published
            .lock()
            .unwrap()
            .push((reply.text.clone(), reply.audience));
        let id = format!("r{}", reply.id);
        Ok(Published {
            url: Some(format!("https://fedi.example/{id}")),
            id: id.as_str().into(),
            parent: Some(reply.target.clone()),
            author: None,
        })
    }

    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        Ok(Look::Absent { fresh: true })
    }
}

/// Everything, running.
pub struct Stage {
    pub fake: FakeDiscord,
    pub network: Arc<Network>,
    pub clock: ManualClock,
    pub inbound: Inbound,
    pub discord: Arc<Discord>,
    worker: Worker,
    store: Store,
    stop: CancellationToken,
    tracker: TaskTracker,
    folder: tempfile::TempDir,
}

impl Stage {
    /// Cases open in `channel`; interactions come over the gateway.
    pub async fn open(channel: u64) -> Self {
        Self::build(channel, false).await
    }

    /// The same over the HTTP endpoint.
    pub async fn over_http(channel: u64) -> Self {
        Self::build(channel, true).await
    }

    async fn build(channel: u64, http: bool) -> Self {
        let clock = ManualClock::default();
        let fake = FakeDiscord::start(Arc::new(clock.clone())).await;
        for (id, name) in [(ADA, "Ada"), (BOB, "Bob"), (GRACE, "Grace"), (MALLORY, "Mallory")] {
            fake.person(id, name, &[]);
        }
        fake.person(EVE, "Eve", &[CREW]);
        let mut config = fake.config(channel);
        config.public_key = http.then(|| fake.public_key());
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("t.db").display()))
            .await
            .unwrap();
        let installation = store.installation().await.unwrap();
        let discord = Arc::new(Discord::new(&config, Arc::new(clock.clone()), &installation).unwrap());
        let network = Arc::new(Network {
            name: "fedi".into(),
            published: Mutex::default(),
        });
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let chat: Arc<dyn ChatPlatform> = discord.clone();
        let parts = Parts {
            directory: directory(channel),
            chats: vec![chat],
            networks: vec![network.clone()],
            hold: Duration::from_secs(10),
            timeout: Duration::from_secs(20),
            settle: Duration::from_secs(120),
            standing: Standing::Sound,
            seal: None,
            stop: stop.clone(),
            ..Parts::around(store.clone(), Arc::new(clock.clone()))
        };
        let App { inbound, worker, .. } = App::start(parts, &tracker).await.unwrap();
        tracker.spawn(Arc::clone(&discord).run(inbound.clone(), stop.clone()));
        if http {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/discord/interactions", listener.local_addr().unwrap());
            let (app, stop) = (Arc::clone(&discord).routes(inbound.clone()), stop.clone());
            tracker.spawn(async move {
                let serving = axum::serve(listener, app).with_graceful_shutdown(stop.cancelled_owned());
                serving.await.unwrap();
            });
            fake.use_endpoint(&url);
        } else {
            fake.until("a session", |world| world.live.then_some(())).await;
        }
        fake.until("the commands", |world| world.commands.is_array().then_some(()))
            .await;
        Self {
            fake,
            network,
            clock,
            inbound,
            discord,
            worker,
            store,
            stop,
            tracker,
            folder,
        }
    }

    /// Somebody writes about us.
    pub async fn complaint(&mut self, id: &str, author: &str, text: &str) {
        let now = self.clock.now();
        let post = Post {
            source: "fedi".into(),
            id: NativeId::from(id),
            conversation: NativeId::from(id),
            in_reply_to: None,
            kind: PostKind::Mention,
            visibility: Visibility::Public,
            url: Some(format!("https://fedi.example/{id}")),
            author: Author {
                id: NativeId::from(author),
                handle: author.to_owned(),
                name: author.to_owned(),
                followers: Some(120),
                url: None,
            },
            text: text.to_owned(),
            created_at: now,
            edited_at: None,
            deleted: false,
            lang: None,
            media: Vec::new(),
            metrics: Default::default(),
            rating: None,
        };
        let seen = vec![Sighting::Post(Box::new(post))];
        self.inbound.posts_seen(&"fedi".into(), seen, None).await.unwrap();
        self.settle().await;
    }

    /// Everything that is due is delivered.
    pub async fn settle(&mut self) {
        let idle = tokio::time::timeout(PATIENCE, self.worker.run_until_idle());
        idle.await.expect("the outbox comes to rest");
    }

    /// Time passes, and what became due is delivered.
    pub async fn pass(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
    }

    /// Keeps the database busy until what is returned is dropped.
    pub async fn block_database(&self) -> sqlx::SqliteConnection {
        use sqlx::{ConnectOptions as _, Executor as _};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.folder.path().join("t.db"));
        let mut connection = options.connect().await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        connection
    }

    /// All stops in time, and nothing was wrong with what Discord got.
    pub async fn close(self) {
        self.fake.check();
        let Self {
            inbound,
            discord,
            worker,
            store,
            stop,
            tracker,
            folder,
            ..
        } = self;
        stop.cancel();
        drop((inbound, discord, worker));
        tracker.close();
        tokio::time::timeout(Duration::from_secs(10), tracker.wait())
            .await
            .expect("all tasks end");
        store.close().await;
        drop(folder);
    }
}

fn directory(channel: u64) -> Directory {
    let chat = "discord";
    let agent = |name: &str| Agent {
        key: name.to_owned(),
        name: name.to_owned(),
    };
    let member = |name: &str, id: u64, role| Member {
        agent: agent(name),
        role,
        identities: vec![Identity {
            chat: chat.into(),
            user: id.to_string(),
            workspace: None,
        }],
    };
    let home = |channel: u64| Home {
        chat: chat.into(),
        channel: channel.to_string().into(),
    };
    Directory {
        alerts: Vec::new(),
        members: vec![
            member("Ada", ADA, Role::Agent),
            member("Bob", BOB, Role::Agent),
            member("Grace", GRACE, Role::Lead),
        ],
        groups: vec![Group {
            chat: chat.into(),
            id: CREW.to_string(),
            role: Role::Agent,
        }],
        teams: vec![TeamEntry {
            name: "managers".into(),
            homes: vec![home(MANAGERS)],
            members: vec![agent("Grace")],
        }],
        homes: vec![home(channel)],
    }
}
