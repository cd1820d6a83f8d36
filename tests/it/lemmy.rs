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
        Self::by_rules(&[], None).await
    }

    /// Of what is merely found only what the rules catch; nothing is answered then.
    async fn by_rules(search: &[&str], words: Option<&[&str]>) -> Self {
        let clock = ManualClock::default();
        let server = FakeLemmy::start(house::clock(&clock)).await;
        let config = config::Lemmy {
            name: "lemmy".to_owned(),
            url: server.url(),
            username: ME.to_owned(),
            password: SecretString::from(PASSWORD),
            search: search.iter().map(|&words| words.to_owned()).collect(),
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = Lemmy::new(&config, Duration::from_secs(5), house::clock(&clock));
        let account = Arc::new(account.unwrap());
        let core = match words {
            None => Core::start(&clock, vec![account.clone()]).await,
            Some(words) => Core::hearing(&clock, None, house::choosy("lemmy", words)).await,
        };
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

#[tokio::test]
async fn what_is_merely_found_is_left_to_the_rules_and_what_is_to_us_is_not() {
    let mut scene = Scene::by_rules(&["lamp"], Some(&["burns"])).await;
    let post = scene.server.post("ann", "Look at my lamp");
    scene.server.answer("bob", &post, "That lamp burns");
    let named = scene.server.answer("eve", &post, "What a lamp");
    scene.sweep().await;
    let heard = async |core: &Core| {
        let mut heard = Vec::new();
        for case in core.cases().await {
            heard.extend(core.posts(&case).await.into_iter().map(|post| post.author.handle));
        }
        heard
    };
    assert_eq!(heard(&scene.core).await, ["bob"]);
    // It was found before it was among the mentions.
    scene.server.notify(&named);
    scene.sweep().await;
    assert_eq!(heard(&scene.core).await, ["bob", "eve"]);
}

#[tokio::test]
async fn replies_that_came_late_from_elsewhere_hide_no_others() {
    let mut scene = Scene::new().await;
    scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    let (ours, _, _, _) = scene.server.published().remove(0);
    scene.clock.advance(Duration::from_secs(7200));
    scene.server.answer("bob", &ours, "the first");
    scene.sweep().await;
    let written = scene.clock.now() - Duration::from_secs(6000);
    for n in 0..60 {
        scene.clock.advance(Duration::from_secs(60));
        scene.server.answer(&format!("eve{n}"), &ours, "me too");
    }
    scene.server.answer_from_afar("ida", &ours, "from afar", written);
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 63);
}

#[tokio::test]
async fn a_comment_that_cannot_be_read_back_is_not_taken_for_refused() {
    let mut scene = Scene::new().await;
    scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.sweep().await;
    scene.server.forget_the_next();
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Ambiguous);
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    assert_eq!(scene.server.published().len(), 1);
}

#[tokio::test]
async fn a_server_of_the_next_version_is_told() {
    let scene = Scene::new().await;
    scene.server.become_the_next_version();
    let findings = scene.account.examine().await;
    let wrong = findings.iter().find(|finding| !finding.ok).unwrap();
    assert!(
        wrong.what.contains("version 1.0.0") && wrong.mend.contains("0.19"),
        "{wrong:?}"
    );
}
