//! A Discord: REST and gateway over real sockets, with the lengths and refusals of the real one.

mod gateway;
mod rest;
mod specs;
mod talk;

pub use gateway::Order;
pub use talk::{Answer, Typed, seen};

use super::fault::Faults;
use hearback::config;
use hearback::domain::Clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

pub const TOKEN: &str = "MTEw.fake.token";
pub const APP: u64 = 1_100_000_000_000_000_005;
pub const BOT: u64 = 1_100_000_000_000_000_006;
pub const GUILD: u64 = 1_100_000_000_000_000_000;
/// A text channel.
pub const TEXT: u64 = 1_100_000_000_000_000_001;
/// A forum.
pub const FORUM: u64 = 1_100_000_000_000_000_003;
/// The text channel of another team.
pub const MANAGERS: u64 = 1_100_000_000_000_000_004;
/// The longest a test waits for something to happen.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// A channel or a thread.
#[derive(Debug, Clone, Default)]
pub struct Channel {
    pub kind: u64,
    pub name: String,
    pub parent: Option<u64>,
    pub owner: Option<u64>,
    pub archived: bool,
    pub locked: bool,
    pub tags: Vec<(u64, String)>,
    pub applied: Vec<u64>,
    pub flags: u64,
    pub overwrites: Value,
    pub renamed: usize,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Post {
    pub id: u64,
    pub channel: u64,
    pub author: u64,
    pub nonce: Option<String>,
    pub body: Value,
    /// What is attached.
    pub files: Vec<File>,
    pub edits: usize,
}

/// A file that came with a message.
#[derive(Debug, Clone)]
pub struct File {
    pub name: String,
    pub mime: String,
    pub bytes: Vec<u8>,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Call {
    /// `POST /channels/:id/messages`
    pub name: String,
}

/// An interaction that was sent out.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    pub token: String,
    pub callback: Option<Value>,
    pub edit: Option<Value>,
}

#[derive(Default)]
pub struct World {
    pub channels: BTreeMap<u64, Channel>,
    pub posts: BTreeMap<u64, Post>,
    pub commands: Value,
    pub calls: Vec<Call>,
    pub pending: HashMap<u64, Pending>,
    /// What is wrong with what we were sent.
    pub problems: Vec<String>,
    /// Names and role ids of people.
    pub people: BTreeMap<u64, (String, Vec<u64>)>,
    /// Names of people who were pinged, by message.
    pub pings: Vec<(u64, u64)>,
    /// `(remaining, reset after)` told with each answer of a call of this name.
    pub limits: HashMap<String, (u64, f64)>,
    pub bot_permissions: u64,
    pub endpoint_url: Option<String>,
    last_id: u64,
    /// What the gateway was told: `IDENTIFY`, `RESUME 3`.
    pub introductions: Vec<String>,
    /// Where the sockets were opened: `/` or `/resume`.
    pub sockets: Vec<String>,
    pub heartbeats: usize,
    pub sessions: HashMap<String, gateway::Session>,
    /// Whether the newest socket has a session.
    pub live: bool,
    wires: Vec<mpsc::UnboundedSender<gateway::Order>>,
    pub silent: bool,
    pub heartbeat_interval: u64,
    /// Nonces are forgotten, as they are after some minutes.
    pub forget_nonces: bool,
    /// Messages and threads that no reading shows yet.
    pub hidden: Vec<u64>,
    /// Calls that were cut off before they were carried out: method, path, body.
    dropped: Vec<(String, String, Value)>,
}

/// What the fake's handlers share.
#[derive(Clone)]
pub struct Shared {
    world: Arc<Mutex<World>>,
    changed: Arc<watch::Sender<()>>,
    pub faults: Faults,
    clock: Arc<dyn Clock>,
    address: std::net::SocketAddr,
}

impl Shared {
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn touch(&self) {
        self.changed.send_replace(());
    }

    /// A new id, later than all before, that carries the clock's time.
    pub fn new_id(&self) -> u64 {
        let millis = self.clock.now().timestamp_millis() - 1_420_070_400_000;
        let mut world = self.world();
        world.last_id = (world.last_id + 1).max(u64::try_from(millis).unwrap() << 22);
        world.last_id
    }
}

/// A Discord of one guild: a text channel, a forum, and a channel for managers.
pub struct FakeDiscord {
    pub shared: Shared,
    endpoint: Mutex<Option<String>>,
    serving: tokio::task::AbortHandle,
}

impl Drop for FakeDiscord {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl FakeDiscord {
    pub async fn start(clock: Arc<dyn Clock>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (changed, _) = watch::channel(());
        let shared = Shared {
            world: Arc::default(),
            changed: Arc::new(changed),
            faults: Faults::default(),
            clock,
            address,
        };
        furnish(&mut shared.world());
        let app = rest::routes(shared.clone()).merge(gateway::routes(shared.clone()));
        let tracker = tokio_util::task::TaskTracker::new();
        let task = tracker.spawn(async move {
            axum::serve(listener, app).await.unwrap();
        });
        Self {
            shared,
            endpoint: Mutex::default(),
            serving: task.abort_handle(),
        }
    }

    pub fn api_url(&self) -> String {
        format!("http://{}", self.shared.address)
    }

    /// The configuration of a Hearback whose cases open in this channel.
    pub fn config(&self, channel: u64) -> config::Discord {
        config::Discord {
            token: TOKEN.to_owned().into(),
            guild: GUILD.to_string(),
            channel: channel.to_string(),
            public_key: None,
            api_url: self.api_url().parse().unwrap(),
        }
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world()
    }

    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// Waits until the world is like that.
    pub async fn until<T>(&self, what: &str, mut look: impl FnMut(&World) -> Option<T>) -> T {
        let mut changed = self.shared.changed.subscribe();
        let waiting = async {
            loop {
                changed.mark_unchanged();
                if let Some(found) = look(&self.world()) {
                    return found;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("waited for nothing: {what}; calls: {:?}", self.call_names()),
        }
    }

    /// A member of the team, with roles.
    pub fn person(&self, id: u64, name: &str, roles: &[u64]) {
        self.world().people.insert(id, (name.to_owned(), roles.to_vec()));
    }

    /// The names of all calls so far.
    pub fn call_names(&self) -> Vec<String> {
        self.world().calls.iter().map(|call| call.name.clone()).collect()
    }

    pub fn calls(&self, name: &str) -> Vec<Call> {
        let world = self.world();
        world
            .calls
            .iter()
            .filter(|call| call.name == name)
            .cloned()
            .collect()
    }

    /// What was cut off is carried out now, late.
    pub fn carry_out_late(&self) {
        rest::carry_out_late(&self.shared);
    }

    /// What people see in a channel or a thread, oldest first.
    pub fn seen(&self, channel: u64) -> Vec<String> {
        let world = self.world();
        let posts = world.posts.values().filter(|post| post.channel == channel);
        posts.map(|post| talk::seen(&post.body)).collect()
    }

    /// The threads of a channel, oldest first.
    pub fn threads(&self, parent: u64) -> Vec<u64> {
        let world = self.world();
        let of_it = world
            .channels
            .iter()
            .filter(|(_, channel)| channel.parent == Some(parent));
        of_it.map(|(id, _)| *id).collect()
    }

    /// The card of a thread: its first message, wherever that stands.
    pub fn card(&self, thread: u64) -> String {
        talk::seen(&self.world().posts[&thread].body)
    }

    /// The names of the tags on a forum post.
    pub fn tags(&self, thread: u64) -> Vec<String> {
        let world = self.world();
        let post = &world.channels[&thread];
        let forum = &world.channels[&post.parent.unwrap()];
        let name = |id: &u64| forum.tags.iter().find(|(tag, _)| tag == id).unwrap().1.clone();
        post.applied.iter().map(name).collect()
    }

    /// Nothing we were sent was wrong.
    pub fn check(&self) {
        let world = self.world();
        assert!(world.problems.is_empty(), "{:#?}", world.problems);
        assert!(
            world.channels.values().all(|channel| channel.renamed == 0),
            "a thread was renamed"
        );
    }
}

fn furnish(world: &mut World) {
    let channel = |kind, name: &str| Channel {
        kind,
        name: name.to_owned(),
        overwrites: json!([]),
        ..Channel::default()
    };
    world.channels.insert(TEXT, channel(0, "care"));
    world.channels.insert(MANAGERS, channel(0, "managers"));
    let statuses = [
        "new",
        "claimed",
        "escalated",
        "answered",
        "snoozed",
        "resolved",
        "vip",
    ];
    let tags = statuses
        .iter()
        .zip(501..)
        .map(|(name, id)| (id, (*name).to_owned()));
    let forum = Channel {
        tags: tags.collect(),
        ..channel(15, "cases")
    };
    world.channels.insert(FORUM, forum);
    world.bot_permissions = 309_237_763_072;
    world.heartbeat_interval = 41_250;
}
