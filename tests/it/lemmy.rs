//! Lemmy: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::lemmy::{FakeLemmy, ME, PASSWORD};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::lemmy::Lemmy;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, PostKind, ReplyState};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// The server, our account there, and the core behind it.
struct Scene {
    server: FakeLemmy,
    account: Arc<Lemmy>,
    clock: ManualClock,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeLemmy::start(house::clock(&clock)).await;
        let config = config::Lemmy {
            name: "lemmy".to_owned(),
            url: server.url(),
            username: ME.to_owned(),
            password: SecretString::from(PASSWORD),
            search: vec![],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = Lemmy::new(&config, Duration::from_secs(5), house::clock(&clock));
        let account = Arc::new(account.unwrap());
        let core = Core::start(&clock, vec![account.clone()]).await;
        Self {
            server,
            account,
            clock,
            core,
        }
    }

    async fn sweep(&mut self) {
        self.account.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn a_private_answer_goes_to_the_author_and_is_found() {
    let mut scene = Scene::new().await;
    scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.sweep().await;
    scene
        .server
        .faults()
        .next("POST private_message", Fault::AcceptThenDrop);
    let response = scene.core.says("dm 1 Tell me your order number.").await;
    assert!(matches!(response, Response::Done(_)), "{response:?}");
    scene.core.deliver().await;
    scene.core.wait(house::HOLD).await;
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    let wanted = ("ann".to_owned(), "Tell me your order number.".to_owned());
    assert_eq!(scene.server.sent(), [wanted]);
    assert!(scene.server.published().is_empty());
}

#[tokio::test]
async fn a_message_is_heard_and_answered_in_private() {
    let mut scene = Scene::new().await;
    scene.server.message("ann", "my parcel is late");
    scene.sweep().await;
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), 1);
    assert_eq!(scene.core.posts(&cases[0]).await[0].kind, PostKind::Message);
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    assert_eq!(scene.server.sent(), [("ann".to_owned(), "Sorry!".to_owned())]);
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1, "our own message is no case");
}

#[tokio::test]
async fn a_locked_post_is_told_before_anything_is_sent() {
    let mut scene = Scene::new().await;
    let comment = scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.sweep().await;
    scene.server.lock(&comment);
    scene.core.reply(1, "Sorry!").await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Stale);
    assert!(reply.reason.unwrap().contains("locked"));
    assert_eq!(scene.server.calls("POST comment"), 0);
}
