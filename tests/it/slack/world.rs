//! A Hearback with one team in Slack and one network, both made here.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]

use crate::fake::complaint::{complaint, person};
use crate::fake::slack::{CHANNEL, ESCALATIONS, Posted, SlackFake, TEAM};
use async_trait::async_trait;
use hearback::adapter::chat::slack::{Limits, Slack, Timing};
use hearback::app::{App, Directory, Group, Home, Identity, Inbound, Member, Parts, TeamEntry};
use hearback::domain::*;
use hearback::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target,
};
use hearback::store::Store;
use sqlx::{Connection as _, Executor as _};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a customer writes who wishes us no good.
pub const HOSTILE: &str = "<!channel> <!here> <@U0ADA> <https://evil.example|bank> &lt;!here&gt; @here #general\n\
                           *bold* _i_ `c` :tada: https://evil.example \u{202E}gnp.exe";
/// An agent.
pub const ADA: &str = "U0ADA";
/// Another one, of the team that cases are escalated to.
pub const GRACE: &str = "U0GRACE";
/// Somebody in the user group that may work on cases.
pub const LIN: &str = "U0LIN";
/// Somebody who does not work here.
pub const EVE: &str = "U0EVE";
/// The user group.
pub const GROUP: &str = "S0CARE";
/// The most characters the network takes.
pub const LIMIT: usize = 200;
/// How long a test waits before it fails.
const GUARD: Duration = Duration::from_secs(10);

/// A network that publishes into a list.
#[derive(Default)]
pub struct Net {
    published: Mutex<Vec<(String, String)>>,
}

impl Net {
    /// What was published: the post it answers, and the words.
    pub fn published(&self) -> Vec<(String, String)> {
        self.published.lock().unwrap().clone()
    }
}

/// The network, as a platform.
pub struct Shop(pub SourceName, pub Arc<Net>);

#[async_trait]
impl SocialPlatform for Shop {
    fn source(&self) -> &SourceName {
        &self.0
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Id,
            private: false,
            label: "Shop".to_owned(),
            account: None,
        }
    }

    fn compose(&self, text: &str, _: &str, _: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: LIMIT,
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
        let mut published = self.1.published.lock().unwrap();
        published.push((reply.target.to_string(), reply.text.clone()));
        Ok(Published {
            id: format!("r{}", published.len()).into(),
            url: Some(format!("https://shop.example/r{}", published.len())),
            parent: Some(reply.target.clone()),
            author: None,
        })
    }

    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        Ok(Look::Absent { fresh: true })
    }
}

/// How the app is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Socket,
    Http,
}

/// Everything, running.
pub struct World {
    pub slack: SlackFake,
    pub ours: Arc<Slack>,
    pub net: Arc<Net>,
    pub inbound: Inbound,
    pub store: Store,
    pub stop: CancellationToken,
    /// Ends when the Slack side has ended.
    pub running: TaskTracker,
    /// Where the app listens, in HTTP mode.
    pub app: String,
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

/// Short times, so that what is waited for comes soon.
pub fn quick() -> Timing {
    Timing {
        answer: Duration::from_millis(1500),
        linger: Duration::from_secs(2),
        ..Timing::default()
    }
}

impl World {
    pub async fn open() -> Self {
        Self::with(Mode::Socket, quick()).await
    }

    pub async fn by_http() -> Self {
        Self::with(Mode::Http, quick()).await
    }

    pub async fn with(mode: Mode, timing: Timing) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hearback.db");
        let store = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let slack = SlackFake::start(Arc::clone(&clock)).await;
        slack.set_group(GROUP, &[LIN]);
        let config = match mode {
            Mode::Socket => slack.config(),
            Mode::Http => slack.config_http(),
        };
        let ours = Slack::new(&config, Arc::clone(&clock), &store.installation().await.unwrap())
            .unwrap()
            .with_groups(vec![GROUP.to_owned()])
            .with_limits(Limits::lifted())
            .with_timing(timing);
        let ours = Arc::new(ours);
        let net = Arc::new(Net::default());
        let (stop, running) = (CancellationToken::new(), TaskTracker::new());
        let parts = Parts {
            directory: directory(),
            chats: vec![ours.clone()],
            networks: vec![Arc::new(Shop("shop".into(), Arc::clone(&net)))],
            hold: Duration::ZERO,
            timeout: Duration::from_secs(5),
            settle: Duration::from_secs(1),
            standing: Standing::Sound,
            seal: None,
            stop: stop.clone(),
            ..Parts::around(store.clone(), clock)
        };
        let core = TaskTracker::new();
        let app = App::start(parts, &core).await.unwrap();
        core.spawn(app.worker.run());
        running.spawn(Arc::clone(&ours).run(app.inbound.clone(), stop.clone()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let routes = Arc::clone(&ours).routes(app.inbound.clone());
        core.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        match mode {
            Mode::Socket => slack.connected(2).await,
            Mode::Http => slack.deliver_by_http(&address),
        }
        Self {
            slack,
            ours,
            net,
            inbound: app.inbound,
            store,
            stop,
            running,
            app: address,
            path,
            _folder: folder,
        }
    }

    /// A customer writes; returns the card that appears.
    pub async fn complaint(&self, id: &str, text: &str) -> Posted {
        self.post(id, id, "Ann", text).await;
        let case = 1 + self
            .slack
            .messages(CHANNEL)
            .iter()
            .filter(|m| m.thread.is_none() && m.user == crate::fake::slack::BOT)
            .count();
        let card = self.slack.thread(i64::try_from(case).unwrap()).await;
        self.known(&card).await;
        card
    }

    /// Waits until a thread that stands in Slack is written down, so that its case is implied there.
    pub async fn known(&self, card: &Posted) {
        let (chat, channel, thread) = (
            "slack".into(),
            card.channel.as_str().into(),
            card.ts.as_str().into(),
        );
        let written = async {
            while self
                .store
                .case_of_thread(&chat, Some(&channel), &thread)
                .await
                .unwrap()
                .is_none()
            {
                tokio::task::yield_now().await;
            }
        };
        within("the thread is written down", written).await;
    }

    /// A customer writes in a conversation.
    pub async fn post(&self, id: &str, conversation: &str, name: &str, text: &str) {
        let seen = vec![sighting(id, conversation, name, text)];
        let intake = self.inbound.posts_seen(&"shop".into(), seen, None).await.unwrap();
        assert_eq!(intake.accepted, 1);
    }

    /// Keeps the database from committing until the guard is dropped.
    pub async fn hold_commits(&self) -> Held {
        let url = format!("sqlite:{}", self.path.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        Held(connection)
    }

    /// What was put aside: reason and raw text.
    pub async fn asides(&self) -> Vec<String> {
        let url = format!("sqlite:{}", self.path.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let rows = sqlx::query_scalar("SELECT reason || ': ' || raw FROM asides ORDER BY rowid");
        rows.fetch_all(&mut connection).await.unwrap()
    }

    /// Waits until the network has so many replies, and returns them.
    pub async fn published(&self, count: usize) -> Vec<(String, String)> {
        eventually("a reply is published", || self.net.published().len() >= count).await;
        self.net.published()
    }

    /// Nothing was sent that Slack refuses or that could do harm.
    pub fn well(&self) {
        assert_eq!(self.slack.problems(), Vec::<String>::new());
    }
}

/// A customer's post.
pub fn sighting(id: &str, conversation: &str, name: &str, text: &str) -> Sighting {
    let post = Post {
        conversation: conversation.into(),
        url: Some(format!("https://shop.example/{id}")),
        author: person("ann", name),
        text: text.to_owned(),
        ..complaint(&"shop".into(), id, SystemClock.now())
    };
    Sighting::Post(Box::new(post))
}

/// A transaction that is open.
pub struct Held(sqlx::SqliteConnection);

impl Held {
    pub async fn release(mut self) {
        self.0.execute("ROLLBACK").await.unwrap();
    }
}

/// Waits, with the other tasks running, until something is so.
pub async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    within(what, waiting).await;
}

/// Fails when something takes too long.
pub async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(GUARD, work)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Who works here.
pub fn directory() -> Directory {
    let chat = ChatName::new("slack");
    let member = |name: &str, user: &str| Member {
        agent: Agent {
            key: name.to_owned(),
            name: name.to_owned(),
        },
        role: Role::Agent,
        identities: vec![Identity {
            chat: chat.clone(),
            user: user.to_owned(),
            workspace: Some(TEAM.to_owned()),
        }],
    };
    let home = |channel: &str| Home {
        chat: chat.clone(),
        channel: channel.into(),
    };
    let grace = member("Grace", GRACE);
    Directory {
        alerts: Vec::new(),
        teams: vec![TeamEntry {
            name: "managers".into(),
            homes: vec![home(ESCALATIONS)],
            members: vec![grace.agent.clone()],
        }],
        members: vec![member("Ada", ADA), grace],
        groups: vec![Group {
            chat: chat.clone(),
            id: GROUP.to_owned(),
            role: Role::Agent,
        }],
        homes: vec![home(CHANNEL)],
    }
}
