//! Reddit: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::reddit::{CLIENT, CLIENT_SECRET, FakeReddit, ME, PASSWORD, SUBREDDIT};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::reddit::Reddit;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, PostKind, ReplyState};
use hearback::port::SocialPlatform as _;
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The network, our account there, and the core behind it.
struct Scene {
    server: FakeReddit,
    account: Arc<Reddit>,
    clock: ManualClock,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        Self::hearing(&[]).await
    }

    async fn hearing(subreddits: &[&str]) -> Self {
        Self::by_rules(subreddits, None).await
    }

    /// Of what is merely found only what the rules catch; nothing is answered then.
    async fn by_rules(subreddits: &[&str], words: Option<&[&str]>) -> Self {
        let clock = ManualClock::default();
        let server = FakeReddit::start(house::clock(&clock)).await;
        let config = config::Reddit {
            name: "snoo".to_owned(),
            url: server.url(),
            client_id: CLIENT.to_owned(),
            client_secret: SecretString::from(CLIENT_SECRET),
            username: ME.to_owned(),
            password: SecretString::from(PASSWORD),
            subreddits: subreddits.iter().map(|&name| name.to_owned()).collect(),
            search: vec![],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = Reddit::new(&config, Duration::from_secs(5), house::clock(&clock));
        let account = Arc::new(account.unwrap());
        let core = match words {
            None => Core::start(&clock, vec![account.clone()]).await,
            Some(words) => Core::hearing(&clock, None, house::choosy("snoo", words)).await,
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
async fn nobody_is_sent_a_message_they_did_not_ask_for() {
    let mut scene = Scene::new().await;
    scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.sweep().await;
    let response = scene.core.says("dm 1 Tell me your order number.").await;
    let Response::Refused(why) = response else {
        panic!("{response:?}")
    };
    let why = why.plain();
    assert!(why.contains("only to people who asked for one"), "{why}");
    assert!(why.contains("/message/compose?to=ann"), "{why}");

    // A message to us is heard, and answered by hand there.
    scene.server.message("bob", "hello, anybody there?");
    scene.sweep().await;
    let case = scene.core.cases().await.remove(1);
    assert_eq!(scene.core.posts(&case).await[0].kind, PostKind::Message);
    let response = scene.core.says("reply 2 Yes!").await;
    assert!(matches!(response, Response::Refused(_)), "{response:?}");
    assert_eq!(scene.server.calls("comment"), 0);
}

#[tokio::test]
async fn what_reddit_refuses_in_an_answer_of_200_is_understood() {
    let mut scene = Scene::new().await;
    scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.server.mention("bob", "mine too", scene.clock.now());
    scene.server.mention("eve", "and mine", scene.clock.now());
    scene.sweep().await;

    let slow = [
        "RATELIMIT",
        "Take a break for 2 minutes before trying again.",
        "ratelimit",
    ];
    scene
        .server
        .refuse(json!({"json": {"ratelimit": 90.0, "errors": [slow]}}));
    scene.core.reply(1, "Sorry!").await;
    assert!(scene.server.published().is_empty());
    scene.core.wait(Duration::from_secs(89)).await;
    assert_eq!(
        scene.server.calls("comment"),
        1,
        "it is waited as long as Reddit says"
    );
    scene.core.wait(Duration::from_secs(30)).await;
    assert_eq!(scene.server.published().len(), 1);

    let locked = ["THREAD_LOCKED", "Comments are locked.", "parent"];
    scene.server.refuse(json!({"json": {"errors": [locked]}}));
    scene.core.reply(2, "Sorry!").await;
    let reply = scene.core.replies(2).await.remove(0);
    assert_eq!(reply.state, ReplyState::Failed);
    assert!(reply.reason.unwrap().contains("Comments are locked."));

    // What nobody has heard of proves nothing.
    scene
        .server
        .refuse(json!({"json": {"errors": [["SOMETHING_NEW", "Hm.", null]]}}));
    scene.core.reply(3, "Sorry!").await;
    assert_eq!(scene.core.replies(3).await[0].state, ReplyState::Ambiguous);
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
    assert!(reply.reason.unwrap().contains("moderators locked it"));
    assert_eq!(scene.server.calls("comment"), 0);
}

#[tokio::test]
async fn a_subreddit_is_heard_and_what_is_in_the_inbox_too_is_one() {
    let mut scene = Scene::hearing(&[SUBREDDIT]).await;
    let post = scene.server.post("ann", "The parcel is late");
    scene.server.answer("bob", &post, "Mine too");
    scene.server.answer("eve", &post, &format!("u/{ME} look here"));
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), 3);
    let mut kinds = Vec::new();
    for case in &cases {
        assert_eq!(case.conversation.as_str(), post);
        kinds.extend(scene.core.posts(case).await.into_iter().map(|post| post.kind));
    }
    kinds.sort_by_key(|kind| format!("{kind:?}"));
    assert_eq!(kinds, [PostKind::Mention, PostKind::Post, PostKind::Post]);
}

#[tokio::test]
async fn what_is_merely_found_is_left_to_the_rules_and_what_is_to_us_is_not() {
    let mut scene = Scene::by_rules(&[SUBREDDIT], Some(&["burns"])).await;
    let post = scene.server.post("ann", "Look at my lamp");
    scene.server.answer("bob", &post, "Mine burns");
    scene.server.answer("ida", &post, "Mine is fine");
    let named = scene.server.answer("eve", &post, "Somebody should look here");
    scene.sweep().await;
    let heard = async |core: &Core| {
        let mut heard = Vec::new();
        for case in core.cases().await {
            heard.extend(core.posts(&case).await.into_iter().map(|post| post.author.handle));
        }
        heard
    };
    assert_eq!(heard(&scene.core).await, ["bob"]);
    // It was found before the inbox had it.
    scene.server.notify(&named);
    scene.sweep().await;
    assert_eq!(heard(&scene.core).await, ["bob", "eve"]);
}

#[tokio::test]
async fn a_list_that_lags_is_no_proof_that_nothing_stands() {
    let mut scene = Scene::new().await;
    for who in ["ann", "bob"] {
        scene.server.mention(who, "my parcel is late", scene.clock.now());
    }
    scene.sweep().await;
    scene.server.freeze();
    scene.clock.advance(Duration::from_secs(1));
    scene.core.reply(1, "Sorry, Ann!").await;
    scene.server.faults().next("comment", Fault::AcceptThenDrop);
    scene.core.reply(2, "Sorry, Bob!").await;
    for _ in 0..20 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.server.published().len(), 2);
    assert_eq!(scene.core.replies(2).await[0].state, ReplyState::NeedsHuman);
}

#[tokio::test]
async fn the_quota_is_told() {
    let mut scene = Scene::new().await;
    scene.sweep().await;
    let usage = scene.account.meter().unwrap().usage(scene.clock.now());
    assert_eq!(usage[0].words, "4 of 600 calls");
}

#[tokio::test]
async fn an_address_is_looked_at() {
    let mut scene = Scene::new().await;
    let comment = scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    let reply = scene.core.replies(1).await.remove(0);
    let url = reply.url.clone().unwrap();
    let found = scene.account.visit(&reply, &url).await.unwrap().unwrap();
    assert_eq!(found.parent.unwrap().as_str(), comment);
    for wrong in [
        "https://www.reddit.com/r/shop/",
        "https://www.reddit.com/r/shop/comments/1/_/m00002/",
    ] {
        assert!(scene.account.visit(&reply, wrong).await.is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn what_is_shown_and_cannot_be_read_is_not_taken_for_gone() {
    let mut scene = Scene::new().await;
    let odd = scene
        .server
        .mention("ann", "my parcel is late", scene.clock.now());
    let gone = scene.server.mention("bob", "never mind", scene.clock.now());
    scene.sweep().await;
    scene.server.garble(&odd);
    scene.server.delete(&gone);
    for _ in 0..3 {
        scene.clock.advance(Duration::from_secs(60));
        scene.sweep().await;
    }
    let mut deleted = Vec::new();
    for case in scene.core.cases().await {
        deleted.push(scene.core.posts(&case).await[0].deleted);
    }
    assert_eq!(deleted, [false, true]);
}
