//! The core on a database of its own, with one agent and a chat that only remembers: what a
//! connector needs around it. Stepped by hand.

use async_trait::async_trait;
use hearback::app::{
    App, Directory, Given, Group, Hearing, Home, Identity, Inbound, Input, Member, Parts, Place, Reader,
    Response, TeamEntry, Worker,
};
use hearback::domain::listen::{Listening, Rule};
use hearback::domain::{
    Agent, Case, CaseNumber, ChannelId, ChatName, Clock, ManualClock, MessageId, NativeId, Person, Post,
    Reply, Role, SourceName, Standing, ThreadId,
};
use hearback::port::{
    Attachments, ChatPlatform, Content, EditMessage, OpenThread, Opened, Permit, Picture, PortError,
    PostMessage, ShortVault, ShowPicture, SocialPlatform, Vault,
};
use hearback::store::{CaseFilter, Store};
use sqlx::{Connection as _, SqliteConnection};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The undo window of replies here.
pub const HOLD: Duration = Duration::from_secs(10);
/// How long after an uncertain end the look comes.
pub const SETTLE: Duration = Duration::from_secs(120);

/// The right to send, for as long as a test takes.
pub fn permit() -> Permit {
    Permit::new(Arc::new(ManualClock::default()), Duration::from_secs(60))
}

/// A chat that remembers what it was told, in plain text: per thread the card, then the messages.
pub struct Memory {
    name: ChatName,
    threads: watch::Sender<Vec<Vec<String>>>,
    without_files: AtomicBool,
}

impl Memory {
    fn new() -> Self {
        Self {
            name: ChatName::new("memory"),
            threads: watch::Sender::new(Vec::new()),
            without_files: AtomicBool::new(false),
        }
    }

    fn tell(&self, thread: &ThreadId, text: String) -> MessageId {
        let thread: usize = thread.as_str().parse().unwrap();
        let mut at = 0;
        self.threads.send_modify(|threads| {
            at = threads[thread].len();
            threads[thread].push(text);
        });
        MessageId::new(format!("{thread}.{at}"))
    }
}

#[async_trait]
impl ChatPlatform for Memory {
    fn name(&self) -> &ChatName {
        &self.name
    }

    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        let mut thread = 0;
        self.threads.send_modify(|threads| {
            thread = threads.len();
            threads.push(vec![order.card.message.plain()]);
        });
        Ok(Opened {
            thread: ThreadId::new(thread.to_string()),
            card: MessageId::new(format!("{thread}.0")),
        })
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        Ok(self.tell(&order.thread, order.message.plain()))
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    async fn show_picture(&self, order: &ShowPicture) -> Result<MessageId, PortError> {
        if self.without_files.load(Ordering::Relaxed) {
            return Err(PortError::Unauthorized("missing_scope: files:write".to_owned()));
        }
        let Picture { bytes, form } = order.picture.as_ref();
        let file = format!("[{} of {} bytes: {}]", form.mime(), bytes.len(), order.title);
        Ok(self.tell(&order.thread, format!("{file}\n{}", order.message.plain())))
    }

    async fn edit(&self, order: &EditMessage) -> Result<(), PortError> {
        let (thread, at) = order.message.as_str().split_once('.').unwrap();
        let (thread, at): (usize, usize) = (thread.parse().unwrap(), at.parse().unwrap());
        let text = match &order.content {
            Content::Card(card) => card.message.plain(),
            Content::Message(message) => message.plain(),
        };
        self.threads.send_modify(|threads| threads[thread][at] = text);
        Ok(())
    }
}

/// Where the team works beside the chat that remembers.
#[derive(Clone, Default)]
pub struct Beside {
    pub chats: Vec<Arc<dyn ChatPlatform>>,
    pub teams: Vec<TeamEntry>,
    pub groups: Vec<Group>,
    pub attachments: Attachments,
}

/// The core.
pub struct Core {
    /// The way in, for connectors.
    pub inbound: Inbound,
    /// What pages of ours read.
    pub reader: Reader,
    store: Store,
    worker: Worker,
    clock: ManualClock,
    chat: Arc<Memory>,
    folder: TempDir,
    stop: CancellationToken,
    tracker: TaskTracker,
    given: u64,
    beside: Beside,
}

/// What a core is started with.
struct Setting {
    chat: Arc<Memory>,
    clock: ManualClock,
    networks: Vec<Arc<dyn SocialPlatform>>,
    hearing: Hearing,
    role: Role,
    beside: Beside,
}

impl Setting {
    fn of(clock: &ManualClock, networks: Vec<Arc<dyn SocialPlatform>>) -> Self {
        Self {
            chat: Arc::new(Memory::new()),
            clock: clock.clone(),
            networks,
            hearing: Hearing::default(),
            role: Role::Agent,
            beside: Beside::default(),
        }
    }
}

impl Core {
    /// Starts on an empty database.
    pub async fn start(clock: &ManualClock, networks: Vec<Arc<dyn SocialPlatform>>) -> Self {
        Self::with(clock, networks, Beside::default()).await
    }

    /// Starts on an empty database, with more places where the team works.
    pub async fn with(clock: &ManualClock, networks: Vec<Arc<dyn SocialPlatform>>, beside: Beside) -> Self {
        let setting = Setting {
            beside,
            ..Setting::of(clock, networks)
        };
        Self::on(tempfile::tempdir().unwrap(), None, setting).await
    }

    /// The same, where this becomes of what is attached to posts.
    pub async fn with_attachments(clock: &ManualClock, attachments: Attachments) -> Self {
        let beside = Beside {
            attachments,
            ..Beside::default()
        };
        Self::with(clock, Vec::new(), beside).await
    }

    /// The chat takes no files any more.
    pub fn refuse_files(&self) {
        self.chat.without_files.store(true, Ordering::Relaxed);
    }

    /// Starts on an empty database, this one if it is given, with what is heard of the sources. Ada is a
    /// lead here.
    pub async fn hearing(clock: &ManualClock, database: Option<String>, hearing: Hearing) -> Self {
        let setting = Setting {
            hearing,
            role: Role::Lead,
            ..Setting::of(clock, Vec::new())
        };
        Self::on(tempfile::tempdir().unwrap(), database, setting).await
    }

    async fn on(folder: TempDir, database: Option<String>, setting: Setting) -> Self {
        let Setting {
            chat,
            clock,
            networks,
            hearing,
            role,
            beside,
        } = setting;
        let url = format!("sqlite:{}", folder.path().join("cases.db").display());
        let store = Store::open(&database.unwrap_or(url)).await.unwrap();
        let (stop, tracker) = (CancellationToken::new(), TaskTracker::new());
        let agent = Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        };
        let directory = Directory {
            members: vec![Member {
                agent,
                role,
                identities: vec![Identity {
                    chat: ChatName::new("memory"),
                    user: "U1".to_owned(),
                    workspace: None,
                }],
            }],
            homes: vec![Home {
                chat: ChatName::new("memory"),
                channel: ChannelId::new("C1"),
            }],
            teams: beside.teams.clone(),
            groups: beside.groups.clone(),
            alerts: Vec::new(),
        };
        let mut chats: Vec<Arc<dyn ChatPlatform>> = vec![chat.clone()];
        chats.extend(beside.chats.iter().cloned());
        let parts = Parts {
            directory,
            chats,
            networks,
            attachments: beside.attachments.clone(),
            hearing,
            hold: HOLD,
            timeout: Duration::from_secs(20),
            settle: SETTLE,
            standing: Standing::Sound,
            seal: None,
            stop: stop.clone(),
            ..Parts::around(store.clone(), Arc::new(clock.clone()))
        };
        let App {
            inbound,
            worker,
            reader,
            ..
        } = App::start(parts, &tracker).await.unwrap();
        let mut core = Self {
            inbound,
            reader,
            store,
            worker,
            clock,
            chat,
            folder,
            stop,
            tracker,
            given: 0,
            beside,
        };
        core.worker.recover().await.unwrap();
        core
    }

    /// Ends without a word, and starts again on what was stored.
    pub async fn restart(self, networks: Vec<Arc<dyn SocialPlatform>>) -> Self {
        let Self {
            inbound,
            reader,
            worker,
            store,
            chat,
            folder,
            clock,
            given,
            beside,
            ..
        } = self;
        drop((inbound, reader, worker, store));
        let setting = Setting {
            chat,
            beside,
            ..Setting::of(&clock, networks)
        };
        let mut core = Self::on(folder, None, setting).await;
        core.given = given;
        core
    }

    /// Closes the database under the core's feet.
    pub async fn lose_the_database(&self) {
        self.store.close().await;
    }

    /// Delivers all that is due.
    pub async fn deliver(&mut self) {
        self.worker.run_until_idle().await;
    }

    /// Lets time pass, then delivers all that is due.
    pub async fn wait(&mut self, time: Duration) {
        self.clock.advance(time);
        self.deliver().await;
    }

    /// Delivers by itself from now on, until `stop`.
    pub fn run(self) -> Running {
        self.tracker.spawn(self.worker.run());
        Running {
            inbound: self.inbound,
            store: self.store,
            chat: self.chat,
            stop: self.stop,
            tracker: self.tracker,
            _folder: self.folder,
        }
    }

    /// Ada says something in the chat.
    #[track_caller]
    pub fn says(&mut self, line: &str) -> impl Future<Output = Response> + use<> {
        self.says_in(None, line)
    }

    /// Ada says something in a thread of the chat.
    #[track_caller]
    pub fn says_in(&mut self, thread: Option<usize>, line: &str) -> impl Future<Output = Response> + use<> {
        self.gives(thread, Input::Text(line.to_owned()))
    }

    /// Ada presses a button.
    #[track_caller]
    pub fn presses(&mut self, button: &str) -> impl Future<Output = Response> + use<> {
        self.gives(None, Input::Press(button.to_owned()))
    }

    /// Ada does something in a thread of the chat.
    #[track_caller]
    pub fn gives(&mut self, thread: Option<usize>, input: Input) -> impl Future<Output = Response> + use<> {
        self.given += 1;
        let given = Given {
            key: format!("memory:{}", self.given),
            by: Person {
                chat: ChatName::new("memory"),
                user: "U1".to_owned(),
                workspace: String::new(),
                name: "Ada".to_owned(),
                groups: vec![],
            },
            place: Place {
                channel: None,
                thread: thread.map(|thread| ThreadId::new(thread.to_string())),
            },
            input,
        };
        let inbound = self.inbound.clone();
        async move { inbound.given(given).await.unwrap() }
    }

    /// Ada answers a case; the undo window passes; it is delivered.
    pub async fn reply(&mut self, case: u32, text: &str) {
        let response = self.says(&format!("reply {case} {text}")).await;
        assert!(matches!(response, Response::Done(_)), "{response:?}");
        self.deliver().await;
        self.wait(HOLD).await;
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// How many threads the chat has.
    pub fn threads(&self) -> usize {
        self.chat.threads.borrow().len()
    }

    /// All cases, by number.
    pub async fn cases(&self) -> Vec<Case> {
        cases(&self.store).await
    }

    /// The posts of a case, the oldest first.
    pub async fn posts(&self, case: &Case) -> Vec<Post> {
        let mut posts: Vec<_> = self.store.posts_of(case.number, 1000).await.unwrap();
        posts.sort_by_key(|stored| stored.post.created_at);
        posts.into_iter().map(|stored| stored.post).collect()
    }

    /// The replies of a case, the oldest first.
    pub async fn replies(&self, case: i64) -> Vec<Reply> {
        let mut replies = self.store.replies_of(CaseNumber(case)).await.unwrap();
        replies.sort_by_key(|reply| reply.id);
        replies
    }

    /// Posts cannot be stored any more, or can be again; what is known can be read.
    pub async fn refuse_posts(&self, refused: bool) {
        let url = format!("sqlite:{}", self.folder.path().join("cases.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let order = if refused {
            // An error that is none of the content's, as of a disk that is full.
            "CREATE TRIGGER broken BEFORE INSERT ON posts BEGIN INSERT INTO nowhere VALUES (1); END"
        } else {
            "DROP TRIGGER broken"
        };
        sqlx::raw_sql(order).execute(&mut connection).await.unwrap();
    }

    /// How many things were set aside.
    pub async fn set_aside(&self) -> i64 {
        let url = format!("sqlite:{}", self.folder.path().join("cases.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let counting = sqlx::query_scalar("SELECT count(*) FROM asides");
        counting.fetch_one(&mut connection).await.unwrap()
    }

    /// What was set aside, as people see it.
    pub async fn asides(&self) -> String {
        let url = format!("sqlite:{}", self.folder.path().join("cases.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        let reading =
            sqlx::query_scalar("SELECT group_concat(origin || ' ' || reason || ' ' || raw) FROM asides");
        reading.fetch_one(&mut connection).await.unwrap()
    }

    /// Everything that stands in a case's thread.
    pub fn thread(&self, case: usize) -> String {
        self.chat.threads.borrow()[case - 1].join("\n---\n")
    }
}

async fn cases(store: &Store) -> Vec<Case> {
    let mut cases = store.list_cases(&CaseFilter::default(), 10_000).await.unwrap();
    cases.sort_by_key(|case| case.number);
    cases
}

/// The core at work by itself.
pub struct Running {
    /// The way in, for connectors.
    pub inbound: Inbound,
    store: Store,
    chat: Arc<Memory>,
    /// Ends everything that runs on `tracker`.
    pub stop: CancellationToken,
    /// Where connectors run.
    pub tracker: TaskTracker,
    _folder: TempDir,
}

impl Running {
    /// Waits until the chat has so many threads.
    pub async fn threads(&self, wanted: usize) {
        let mut threads = self.chat.threads.subscribe();
        let there = threads.wait_for(|threads| threads.len() >= wanted);
        tokio::time::timeout(Duration::from_secs(20), there)
            .await
            .expect("the threads open")
            .unwrap();
    }

    /// Waits until something is said in a thread.
    pub async fn said(&self, thread: usize, words: &str) {
        let mut threads = self.chat.threads.subscribe();
        let there = threads.wait_for(|threads| {
            let thread = threads.get(thread);
            thread.is_some_and(|thread| thread.iter().any(|text| text.contains(words)))
        });
        tokio::time::timeout(Duration::from_secs(20), there)
            .await
            .unwrap_or_else(|_| panic!("{words:?} is said"))
            .unwrap();
    }

    /// Waits until the post is known to be deleted.
    pub async fn deleted(&self, post: &str) {
        let mut threads = self.chat.threads.subscribe();
        let key = (SourceName::new("fedi"), NativeId::new(post));
        let gone = async {
            while !self.store.posts(std::slice::from_ref(&key)).await.unwrap()[0]
                .post
                .deleted
            {
                threads.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone)
            .await
            .expect("the post is deleted");
    }

    /// All cases, by number.
    pub async fn cases(&self) -> Vec<Case> {
        cases(&self.store).await
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
        self.tracker.close();
    }
}

/// Of this source only what is written to us is heard, and what has one of these words.
pub fn choosy(source: &'static str, words: &[&str]) -> Hearing {
    let rule = Rule {
        name: "words".to_owned(),
        any: words.iter().map(|&word| word.to_owned()).collect(),
        ..Rule::default()
    };
    Hearing {
        listening: Listening::new([(source.into(), &[rule][..])]).unwrap(),
        floods: HashMap::new(),
        keeps: false,
    }
}

/// The time as connectors take it.
pub fn clock(clock: &ManualClock) -> Arc<dyn Clock> {
    Arc::new(clock.clone())
}

/// An empty vault for what platforms give us.
pub fn vault() -> Arc<dyn Vault> {
    Arc::new(ShortVault::default())
}
