//! The way of a reply, and of the messages about it, on a network and in a chat that do what a script
//! says; time moves by hand.

#[path = "reply/people.rs"]
mod people;

use crate::fake::complaint::{complaint, person};
use async_trait::async_trait;
use hearback::app::*;
use hearback::domain::*;
use hearback::port::*;
use hearback::store::{Changes, ReplyMark, ReplyStep, Store};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const KEY: Class = Class::Key {
    window: Duration::from_secs(3600),
};
const HOLD: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(120);

/// What the network or the chat does with the next calls; then all goes well.
struct Script<T>(Mutex<VecDeque<Result<T, PortError>>>);

impl<T> Default for Script<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Script<T> {
    fn next(&self, result: Result<T, PortError>) {
        self.0.lock().unwrap().push_back(result);
    }

    fn take(&self) -> Option<Result<T, PortError>> {
        self.0.lock().unwrap().pop_front()
    }
}

struct Network {
    class: Class,
    publishes: Script<Published>,
    looks: Script<Look>,
    targets: Script<Target>,
    /// Whether nothing can be published.
    mute: std::sync::atomic::AtomicBool,
    /// Whether there are no private messages.
    open: std::sync::atomic::AtomicBool,
    visits: Script<Option<Published>>,
    published: Mutex<Vec<(String, String)>>,
}

#[async_trait]
impl SocialPlatform for Network {
    fn source(&self) -> &SourceName {
        static NAME: std::sync::LazyLock<SourceName> = std::sync::LazyLock::new(|| "shop".into());
        &NAME
    }
    fn abilities(&self) -> Abilities {
        Abilities {
            class: self.class,
            private: !self.open.load(Ordering::Relaxed),
            label: "Shop".to_owned(),
            account: Some("brand".into()),
        }
    }
    fn compose(&self, text: &str, _: &str, _: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.len(),
            limit: 500,
            unit: "bytes",
            refusal: if self.mute.load(Ordering::Relaxed) {
                Some("Nothing can be published there.".to_owned())
            } else {
                text.contains("bob").then(|| "Bob would read it too.".to_owned())
            },
        }
    }
    async fn target(&self, _: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        self.targets.take().unwrap_or(Ok(Target::NotReadable))
    }

    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        self.visits.take().unwrap_or(Ok(None))
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        if let Some(result) = self.publishes.take() {
            return result;
        }
        permit.check()?;
        let mut published = self.published.lock().unwrap();
        published.push((reply.target.to_string(), reply.text.clone()));
        Ok(Published {
            id: format!("r{}", published.len()).into(),
            url: None,
            parent: Some(reply.target.clone()),
            author: Some("brand".into()),
        })
    }
    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        self.looks.take().unwrap_or(Ok(Look::Absent { fresh: true }))
    }
}

#[derive(Default)]
struct Chat {
    opens: Script<Opened>,
    posts: Script<MessageId>,
    edits: Script<()>,
    said: Mutex<Vec<String>>,
    /// What each message says now, in the order of their posting.
    shown: Mutex<Vec<Message>>,
    /// When the earlier attempts began that calls were told of.
    earlier: Mutex<Vec<Instant>>,
}

impl Chat {
    fn show(&self, message: &Message) {
        self.shown.lock().unwrap().push(message.clone());
    }

    fn say(&self, words: String, earlier: Option<Instant>) -> String {
        self.earlier.lock().unwrap().extend(earlier);
        let mut said = self.said.lock().unwrap();
        said.push(words);
        said.len().to_string()
    }
}

#[async_trait]
impl ChatPlatform for Chat {
    fn name(&self) -> &ChatName {
        static NAME: std::sync::LazyLock<ChatName> = std::sync::LazyLock::new(|| "chat".into());
        &NAME
    }
    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        if let Some(result) = self.opens.take() {
            return result;
        }
        self.show(&order.card.message);
        let id = self.say("A card.".to_owned(), order.earlier);
        Ok(Opened {
            thread: id.as_str().into(),
            card: id.into(),
        })
    }
    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        if let Some(result) = self.posts.take() {
            return result;
        }
        self.show(&order.message);
        let words = format!("[{}] {}", order.thread, order.message.plain());
        Ok(self.say(words, order.earlier).into())
    }
    async fn edit(&self, order: &EditMessage) -> Result<(), PortError> {
        let edited = self.edits.take().unwrap_or(Ok(()));
        if edited.is_ok() {
            let place: usize = order.message.as_str().parse().unwrap();
            let says = match &order.content {
                Content::Card(card) => &card.message,
                Content::Message(message) => message,
            };
            // What was posted before a restart is not here.
            if let Some(shown) = self.shown.lock().unwrap().get_mut(place - 1) {
                shown.clone_from(says);
            }
        }
        edited
    }
}

struct Scene {
    app: App,
    network: Arc<Network>,
    chat: Arc<Chat>,
    clock: ManualClock,
    store: Store,
    folder: tempfile::TempDir,
}

impl Scene {
    async fn with(class: Class) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let network = Arc::new(Network {
            class,
            publishes: Script::default(),
            looks: Script::default(),
            targets: Script::default(),
            mute: false.into(),
            open: false.into(),
            visits: Script::default(),
            published: Mutex::default(),
        });
        Self::open(folder, network, ManualClock::default()).await
    }

    async fn open(folder: tempfile::TempDir, network: Arc<Network>, clock: ManualClock) -> Self {
        Self::open_under((Approval::Flagged, Standing::Sound), folder, network, clock).await
    }

    async fn open_under(
        (general, standing): (Approval, Standing),
        folder: tempfile::TempDir,
        network: Arc<Network>,
        clock: ManualClock,
    ) -> Self {
        let path = folder.path().join("h.db");
        let store = Store::open(&format!("sqlite:{}", path.display())).await.unwrap();
        let chat = Arc::new(Chat::default());
        let member = |name: &str, role| Member {
            agent: Agent {
                key: name.to_owned(),
                name: name.to_owned(),
            },
            role,
            identities: vec![Identity {
                chat: "chat".into(),
                user: name.to_owned(),
                workspace: None,
            }],
        };
        let team = |name: &str| TeamEntry {
            name: name.into(),
            homes: Vec::new(),
            members: Vec::new(),
        };
        let parts = Parts {
            directory: Directory {
                alerts: Vec::new(),
                members: vec![
                    member("Ada Lovelace", Role::Agent),
                    member("Vi", Role::Viewer),
                    member("Ben", Role::Agent),
                    member("Vera", Role::Approver),
                    member("Grace", Role::Lead),
                ],
                teams: vec![team("managers"), team("Customer Success")],
                homes: vec![Home {
                    chat: "chat".into(),
                    channel: "home".into(),
                }],
                groups: Vec::new(),
            },
            chats: vec![Arc::clone(&chat) as _],
            networks: vec![Arc::clone(&network) as _],
            hold: HOLD,
            timeout: Duration::from_secs(1),
            settle: SETTLE,
            standing,
            seal: None,
            stop: CancellationToken::new(),
            approvals: Approvals {
                general,
                ..Approvals::default()
            },
            ..Parts::around(store.clone(), Arc::new(clock.clone()))
        };
        let app = App::start(parts, &TaskTracker::new()).await.unwrap();
        let mut scene = Self {
            app,
            network,
            chat,
            clock,
            store,
            folder,
        };
        scene.app.worker.recover().await.unwrap();
        scene.settle().await;
        scene
    }

    /// The process ends, and another begins on the same database.
    async fn restart(self) -> Self {
        let Self {
            app,
            network,
            clock,
            store,
            folder,
            ..
        } = self;
        drop(app);
        store.close().await;
        Self::open(folder, network, clock).await
    }

    async fn settle(&mut self) {
        self.app.worker.run_until_idle().await;
    }

    /// Time passes, and what is due is done.
    async fn pass(&mut self, time: Duration) {
        self.clock.advance(time);
        self.settle().await;
    }

    async fn post(&mut self, id: &str, author: &str, reply_to: Option<&str>, text: &str) -> Intake {
        let post = Post {
            conversation: "p1".into(),
            in_reply_to: reply_to.map(Into::into),
            author: person(author, author),
            text: text.to_owned(),
            ..complaint(&"shop".into(), id, self.clock.now())
        };
        self.sees(Sighting::Post(Box::new(post))).await
    }

    async fn sees(&mut self, sighting: Sighting) -> Intake {
        let source = SourceName::new("shop");
        let seen = self.app.inbound.posts_seen(&source, vec![sighting], None);
        let intake = seen.await.unwrap();
        self.settle().await;
        intake
    }

    async fn given(&mut self, key: String, input: Input) -> String {
        match self.given_by("Ada Lovelace", key, input).await {
            Response::Done(message) | Response::Refused(message) => message.plain(),
            Response::Ask(form) => panic!("{form:?}"),
        }
    }

    async fn given_by(&mut self, who: &str, key: String, input: Input) -> Response {
        let by = Person {
            chat: "chat".into(),
            user: who.to_owned(),
            workspace: String::new(),
            name: who.to_owned(),
            groups: Vec::new(),
        };
        let place = Place {
            channel: None,
            thread: None,
        };
        let given = Given {
            key,
            by,
            place,
            input,
        };
        let answer = self.app.inbound.given(given).await.unwrap();
        self.settle().await;
        answer
    }

    async fn says(&mut self, line: &str) -> String {
        static KEYS: AtomicU32 = AtomicU32::new(0);
        let key = format!("chat:{}", KEYS.fetch_add(1, Ordering::Relaxed));
        self.given(key, Input::Text(line.to_owned())).await
    }

    /// The thread's messages with these words.
    fn told(&self, words: &str) -> Vec<String> {
        let said = self.chat.said.lock().unwrap();
        said.iter().filter(|line| line.contains(words)).cloned().collect()
    }

    fn published(&self) -> Vec<(String, String)> {
        self.network.published.lock().unwrap().clone()
    }

    async fn state(&self) -> ReplyState {
        self.reply().await.state
    }

    async fn reply(&self) -> Reply {
        self.store.replies(&[ReplyId(1)]).await.unwrap().remove(0)
    }
}

fn not_reached() -> Result<Published, PortError> {
    Err(PortError::NotReached(
        "shop.example refused the connection".to_owned(),
    ))
}

fn unknown<T>() -> Result<T, PortError> {
    Err(PortError::Unknown("the connection broke".to_owned()))
}

#[tokio::test]
async fn a_reply_that_cannot_go_out_says_so_once_and_goes_when_it_can() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    for _ in 0..4 {
        scene.network.publishes.next(not_reached());
    }
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    for _ in 0..3 {
        scene.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(scene.told("could not go out yet").len(), 1);
    assert!(scene.told("could not go out yet")[0].contains("refused the connection"));
    assert_eq!(scene.state().await, ReplyState::Queued);
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(scene.published(), [("p1".to_owned(), "Hello, Ann!".to_owned())]);
    assert_eq!(scene.told("The reply is published").len(), 1);
}

#[tokio::test]
async fn a_reply_that_waits_can_be_taken_back_and_is_given_up_in_the_end() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.network.publishes.next(not_reached());
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    let taken_back = scene.says("cancel 1").await;
    assert_eq!(
        taken_back,
        "The reply to #1 is taken back. Nothing was published."
    );

    scene.says("reply 1 Hello again!").await;
    for _ in 0..8 {
        scene.network.publishes.next(not_reached());
        scene.pass(Duration::from_secs(3600)).await;
    }
    assert_eq!(scene.told("could not go out for 6 hours").len(), 1);
    scene.pass(Duration::from_secs(3600)).await;
    assert_eq!(scene.published(), []);
}

#[tokio::test]
async fn an_account_that_is_limited_is_left_alone_as_long_as_it_was_told() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    let wait = Duration::from_secs(900);
    scene.network.publishes.next(Err(PortError::RetryAfter(wait)));
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    scene.pass(wait - Duration::from_secs(1)).await;
    assert_eq!(scene.published(), []);
    scene.pass(Duration::from_secs(1)).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn a_refusal_after_an_attempt_that_nobody_could_look_up_proves_nothing() {
    let mut scene = Scene::with(KEY).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.network.publishes.next(unknown());
    scene.network.looks.next(Ok(Look::NotLooked));
    scene.network.publishes.next(not_reached());
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    scene.pass(SETTLE).await;
    assert_eq!(scene.told("under the same key").len(), 1);
    let too_late = scene.says("cancel 1").await;
    assert!(too_late.starts_with("Too late"), "{too_late}");
    for _ in 0..2 {
        let refused = PortError::Refused("the post is gone".to_owned());
        scene.network.publishes.next(Err(refused));
        scene.network.looks.next(Ok(Look::NotLooked));
    }
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    assert_eq!(scene.published(), []);
    assert!(scene.told("was not published").is_empty());
    assert_eq!(scene.told("Please look").len(), 1);
}

#[tokio::test]
async fn what_waited_until_the_key_is_forgotten_is_not_sent_again() {
    let mut scene = Scene::with(KEY).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.network.publishes.next(unknown());
    scene.network.looks.next(Ok(Look::NotLooked));
    scene.network.publishes.next(not_reached());
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    scene.pass(SETTLE).await;
    assert_eq!(scene.state().await, ReplyState::Queued);
    // The network is out of reach for longer than it knows the key.
    scene.network.looks.next(Ok(Look::NotLooked));
    scene.pass(Duration::from_secs(2 * 3600)).await;
    assert_eq!(scene.published(), []);
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    assert_eq!(scene.told("would not recognise a repetition any more").len(), 2);
}

#[tokio::test]
async fn a_key_that_ends_while_its_last_attempt_may_still_take_effect_is_too_short() {
    let mut scene = Scene::with(KEY).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.network.publishes.next(unknown());
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    // A minute before the window ends the lease would fit in, the settle time would not.
    scene.network.looks.next(Ok(Look::NotLooked));
    scene.pass(Duration::from_secs(3600 - 60)).await;
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    assert_eq!(scene.told("would not recognise a repetition any more").len(), 1);
}

#[tokio::test]
async fn an_attempt_that_broke_off_settles_from_the_end_of_its_lease_on() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.network.publishes.next(unknown());
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    let ended = scene.reply().await;
    assert_eq!(ended.settled_at, ended.doubted_at.map(|at| at + SETTLE));

    // As it stood in the middle of the attempt.
    let mut broken = ended.clone();
    broken.state = ReplyState::Sending;
    (broken.settled_at, broken.doubts) = (None, 0);
    let lease = broken.lease_until.unwrap();
    let from = Some(ReplyMark::of(&ended));
    let replies = vec![ReplyStep { from, reply: broken }];
    let changes = Changes {
        replies,
        ..Changes::default()
    };
    scene.store.commit(changes).await.unwrap();
    let scene = scene.restart().await;
    assert_eq!(scene.state().await, ReplyState::Ambiguous);
    assert_eq!(scene.reply().await.settled_at, Some(lease + SETTLE));
}

#[tokio::test]
async fn an_echo_of_a_reply_without_an_end_is_ours_even_after_a_restart() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.network.publishes.next(unknown());
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    assert_eq!(scene.state().await, ReplyState::Ambiguous);

    let mut scene = scene.restart().await;
    let echo = scene.post("x9", "brand", Some("p1"), "Hello, Ann!").await;
    assert_eq!((echo.accepted, echo.duplicates), (0, 1));
    // The customer may say the same.
    let mocked = scene.post("p2", "ann", Some("p1"), "Hello, Ann!").await;
    assert_eq!(mocked.accepted, 1);
}

#[tokio::test]
async fn the_post_that_still_stands_is_answered() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.clock.advance(Duration::from_secs(5));
    scene.post("p2", "ann", None, "And rude you are!").await;
    scene.sees(Sighting::Gone("p2".into())).await;
    scene.says("reply 1 Hello, Ann!").await;
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), [("p1".to_owned(), "Hello, Ann!".to_owned())]);
    scene.sees(Sighting::Gone("p1".into())).await;
    let refused = scene.says("reply 1 Are you there?").await;
    assert!(refused.contains("deleted the post"), "{refused}");
}

#[tokio::test]
async fn words_that_the_network_will_not_take_are_refused_with_its_reason() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    assert_eq!(scene.says("dm 1 I asked @bob").await, "Bob would read it too.");
}

#[tokio::test]
async fn a_form_that_was_refused_may_be_sent_again_as_it_is() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    scene.says("reply 1 Hello, Ann!").await;
    let form = || Input::Form {
        case: CaseNumber(1),
        verb: "reply".to_owned(),
        text: "One more thing.".to_owned(),
        reply: None,
    };
    let refused = scene.given("chat:form".to_owned(), form()).await;
    assert!(refused.contains("under way already"), "{refused}");
    scene.pass(HOLD).await;
    let taken = scene.given("chat:form".to_owned(), form()).await;
    assert!(taken.contains("One more thing."), "{taken}");
    assert_eq!(
        scene.given("chat:form".to_owned(), form()).await,
        taken,
        "given once"
    );
}

#[tokio::test]
async fn a_team_is_meant_by_its_whole_name_or_not_at_all() {
    let mut scene = Scene::with(Class::Lookup).await;
    for id in ["p1", "p2", "p3"] {
        scene.post(id, id, None, "Hello?").await;
    }
    let option = |team: &str, case: &str| Input::Options {
        verb: "escalate".to_owned(),
        options: [("team", team), ("reason", "she is angry"), ("case", case)]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    };
    let refused = scene.given("chat:a".to_owned(), option("mangers", "1")).await;
    assert_eq!(
        refused,
        "There is no team called mangers. Teams are: managers, Customer Success. Nothing was escalated."
    );
    let gone = scene
        .given("chat:b".to_owned(), option("customer success", "1"))
        .await;
    assert_eq!(gone, "#1 went to Customer Success.");
    assert_eq!(
        scene.says("escalate 2 Customer Success: she is angry").await,
        "#2 went to Customer Success."
    );
    assert_eq!(scene.told("she is angry").len(), 2);
    assert_eq!(
        scene.says("escalate 3 customers are angry").await,
        "#3 went to managers."
    );
}

#[tokio::test]
async fn a_case_is_given_to_somebody_by_their_whole_name() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    assert_eq!(
        scene.says("assign 1 @Vi").await,
        "Vi may only look at cases, so Vi cannot have one. Name an agent."
    );
    let given = scene.says("assign 1 @Ada Lovelace").await;
    assert!(given.contains("Ada Lovelace"), "{given}");
}

#[tokio::test]
async fn a_message_whose_answer_was_lost_is_looked_for_from_its_true_beginning() {
    let mut scene = Scene::with(Class::Lookup).await;
    let began = scene.clock.now();
    scene.chat.opens.next(unknown());
    scene.post("p1", "ann", None, "Hello?").await;
    scene.pass(Duration::from_secs(60)).await;
    assert_eq!(*scene.chat.earlier.lock().unwrap(), [began]);
}

#[tokio::test]
async fn a_thread_that_somebody_removed_is_opened_anew() {
    let mut scene = Scene::with(Class::Lookup).await;
    scene.post("p1", "ann", None, "Hello?").await;
    let gone = || PortError::Gone("the thread does not exist".to_owned());
    scene.chat.posts.next(Err(gone()));
    scene.says("note 1 Is she all right?").await;
    assert_eq!(scene.told("A card.").len(), 2);
    assert_eq!(scene.told("[2] ").len(), 1, "the note stands in the new thread");
    scene.post("p2", "ann", None, "And another thing.").await;
    assert_eq!(scene.told("[2] ").len(), 2);
    // A card that is gone, too.
    scene.chat.edits.next(Err(gone()));
    scene.says("claim 1").await;
    assert_eq!(scene.told("A card.").len(), 3);
}

#[tokio::test]
async fn many_long_snoozes_do_not_keep_a_short_one_asleep() {
    let mut scene = Scene::with(Class::Lookup).await;
    // More than the worker keeps in memory.
    for number in 1..=520 {
        let id = format!("p{number}");
        scene.post(&id, &id, None, "Hello?").await;
        scene.says(&format!("snooze {number} 80d")).await;
    }
    scene.post("p521", "p521", None, "Hello?").await;
    scene.says("snooze 521 30m").await;
    scene.pass(Duration::from_secs(30 * 60)).await;
    let awake = |scene: &Scene| scene.told("The snooze is over").len();
    assert_eq!(awake(&scene), 1);

    let mut scene = scene.restart().await;
    scene.says("snooze 521 30m").await;
    scene.pass(Duration::from_secs(30 * 60)).await;
    assert_eq!(awake(&scene), 1);
    scene.pass(Duration::from_secs(81 * 24 * 3600)).await;
    assert_eq!(awake(&scene), 521);
}
