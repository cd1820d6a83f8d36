//! Discourse: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::discourse::{FakeDiscourse, HOOK, KEY, ME, Pages, signed};
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::discourse::Discourse;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, PostKind, ReplyState};
use hearback::port::SocialPlatform as _;
use rstest::rstest;
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The forum, our account there, and the core behind it.
struct Scene {
    server: FakeDiscourse,
    account: Arc<Discourse>,
    clock: ManualClock,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeDiscourse::start(house::clock(&clock)).await;
        let config = config::Discourse {
            name: "forum".to_owned(),
            url: server.url(),
            api_key: SecretString::from(KEY),
            api_username: ME.to_owned(),
            webhook_secret: Some(SecretString::from(HOOK)),
            search: vec![],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = Discourse::new(&config, Duration::from_secs(5), house::clock(&clock));
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

    /// Ann opens a topic, and it is heard.
    async fn heard(&mut self) -> String {
        let post = self.server.open("ann", "my parcel is late", self.clock.now());
        self.sweep().await;
        post
    }

    async fn dm(&mut self, text: &str) {
        let response = self.core.says(&format!("dm 1 {text}")).await;
        assert!(matches!(response, Response::Done(_)), "{response:?}");
        self.core.deliver().await;
        self.core.wait(house::HOLD).await;
    }
}

#[tokio::test]
async fn a_private_answer_is_a_message_to_the_author_alone() {
    let mut scene = Scene::new().await;
    scene.heard().await;
    scene.dm("Tell me your order number.").await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    let (id, _, text) = scene.server.published().remove(0);
    assert_eq!(text, "Tell me your order number.");
    assert_eq!(scene.server.people(&id).unwrap(), [ME, "ann"]);

    // The answer to it is private, and is answered there.
    scene.server.answer("ann", &id, "It is 4711, thank you");
    scene.sweep().await;
    let case = scene.core.cases().await.remove(1);
    assert_eq!(scene.core.posts(&case).await[0].kind, PostKind::Message);
    scene.core.reply(2, "We look into it.").await;
    let (answer, above, _) = scene.server.published().remove(1);
    assert_eq!(scene.core.replies(2).await[0].state, ReplyState::Sent);
    assert_eq!(
        above.as_deref(),
        Some(format!("{}/2", id.split('/').next().unwrap()).as_str())
    );
    assert_eq!(scene.server.people(&answer).unwrap(), [ME, "ann"]);
}

#[tokio::test]
async fn a_private_message_is_heard_and_answered_where_it_is() {
    let mut scene = Scene::new().await;
    let message = scene.server.message("ann", "my parcel is late");
    scene.sweep().await;
    let case = scene.core.cases().await.remove(0);
    assert_eq!(scene.core.posts(&case).await[0].kind, PostKind::Message);
    scene
        .server
        .faults()
        .next("create", crate::fake::fault::Fault::AcceptThenDrop);
    scene.core.reply(1, "Sorry to hear that!").await;
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    let ours = scene.server.published();
    assert_eq!((ours.len(), ours[0].1.as_deref()), (1, Some(message.as_str())));
}

#[tokio::test]
async fn a_private_answer_whose_end_is_unknown_is_found() {
    let mut scene = Scene::new().await;
    scene.heard().await;
    scene
        .server
        .faults()
        .next("create", crate::fake::fault::Fault::AcceptThenDrop);
    scene.dm("Tell me your order number.").await;
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    assert_eq!(scene.server.published().len(), 1);
}

#[tokio::test]
async fn what_moderators_hold_is_never_sent_again() {
    let mut scene = Scene::new().await;
    scene.heard().await;
    scene.server.moderate();
    scene.core.reply(1, "Sorry to hear that!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Ambiguous);
    for _ in 0..20 {
        scene.core.wait(SETTLE).await;
    }
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::NeedsHuman);
    assert!(reply.reason.unwrap().contains("moderators"));
    assert_eq!(scene.server.calls("create"), 1);
}

#[tokio::test]
async fn a_body_like_the_last_one_is_refused_and_not_taken_for_sent() {
    let mut scene = Scene::new().await;
    scene.heard().await;
    scene.server.open("bob", "mine too", scene.clock.now());
    scene.sweep().await;
    scene.core.reply(1, "Sorry to hear that!").await;
    scene.core.reply(2, "Sorry to hear that!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    let reply = scene.core.replies(2).await.remove(0);
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    assert!(reply.reason.unwrap().contains("too similar"));
}

#[tokio::test]
async fn the_forums_own_limits_are_told_before() {
    let mut scene = Scene::new().await;
    scene.heard().await;
    let response = scene.core.says("reply 1 Hm.").await;
    assert!(
        format!("{response:?}").contains("fewer than 5 characters"),
        "{response:?}"
    );
    assert_eq!(scene.server.calls("create"), 0);
}

#[tokio::test]
async fn a_closed_topic_is_told_before_anything_is_sent() {
    let mut scene = Scene::new().await;
    let post = scene.heard().await;
    scene.server.close(&post);
    scene.core.reply(1, "Sorry to hear that!").await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Stale);
    assert!(reply.reason.unwrap().contains("closed"));
    assert_eq!(scene.server.calls("create"), 0);
}

#[tokio::test]
async fn an_edit_of_the_first_minutes_is_seen() {
    let mut scene = Scene::new().await;
    let post = scene.heard().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.server.edit_at_once(&post, "my parcel is on fire");
    scene.sweep().await;
    let case = scene.core.cases().await.remove(0);
    let text = scene.core.posts(&case).await.remove(0).text;
    assert_eq!(text, "A title\n\nmy parcel is on fire");
}

#[tokio::test]
async fn what_is_pushed_is_what_the_sweep_would_see() {
    let mut scene = Scene::new().await;
    let post = scene.server.open("ann", "my parcel is late", scene.clock.now());
    scene.server.open(ME, "Welcome, everybody", scene.clock.now());
    let routes = scene.account.clone().routes(scene.core.inbound.clone());
    let door = Server::start(routes.unwrap()).await;
    let to = door.url.join("/webhooks/forum").unwrap();
    let push = async |event: &str, body: String| {
        let (status, told) = deliver(&to, &signed(HOOK, event, &body), body.clone()).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    };
    scene.clock.advance(Duration::from_secs(60));
    scene.server.edit_at_once(&post, "my parcel is on fire");
    scene.server.delete(&post);
    for (event, shown) in scene.server.unpushed() {
        push(event, json!({"post": shown}).to_string()).await;
    }
    // Something that is no post at all is kept for people, and the forum is not asked to send it again.
    push("post_created", json!({"post": {"id": "x"}}).to_string()).await;
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), 1);
    let known = scene.core.posts(&cases[0]).await.remove(0);
    assert_eq!(
        (known.text.as_str(), known.deleted),
        ("A title\n\nmy parcel is on fire", true)
    );
    assert_eq!(scene.core.set_aside().await, 1);
}

#[tokio::test]
async fn an_address_is_looked_at() {
    let mut scene = Scene::new().await;
    let post = scene.heard().await;
    scene.core.reply(1, "Sorry to hear that!").await;
    let reply = scene.core.replies(1).await.remove(0);
    let url = reply.url.clone().unwrap();
    let found = scene.account.visit(&reply, &url).await.unwrap().unwrap();
    assert_eq!(found.parent.unwrap().as_str(), post);
    let theirs = scene.server.url().join(&format!("/t/a-title/{post}")).unwrap();
    assert!(scene.account.visit(&reply, theirs.as_str()).await.is_err());
}

#[tokio::test]
async fn what_others_write_to_each_other_is_not_heard_by_an_administrator_either() {
    let mut scene = Scene::new().await;
    scene.server.promote();
    scene.server.whisper("eve", "mallory", "my number is 4711");
    let to_us = scene.server.message("ann", "my parcel is late");
    let to_all_of_us = scene.server.ask_support("bob", "mine too");
    let routes = scene.account.clone().routes(scene.core.inbound.clone());
    let door = Server::start(routes.unwrap()).await;
    let to = door.url.join("/webhooks/forum").unwrap();
    for _ in 0..2 {
        for (event, shown) in scene.server.unpushed() {
            let body = json!({"post": shown}).to_string();
            let (status, told) = deliver(&to, &signed(HOOK, event, &body), body.clone()).await;
            assert_eq!(status.as_u16(), 200, "{told}");
        }
        scene.sweep().await;
        let mut heard = Vec::new();
        for case in scene.core.cases().await {
            heard.extend(
                scene
                    .core
                    .posts(&case)
                    .await
                    .into_iter()
                    .map(|post| post.id.to_string()),
            );
        }
        assert_eq!(heard, [to_us.clone(), to_all_of_us.clone()]);
        let asked = scene.server.calls("t");
        scene.sweep().await;
        scene.sweep().await;
        let watched = 2 * 2;
        assert!(
            scene.server.calls("t") <= asked + watched,
            "others are asked about once"
        );
        scene.server.whisper("mallory", "eve", "mine is 4712");
    }
}

#[tokio::test]
async fn only_what_names_us_answers_us_or_quotes_us_is_to_us() {
    let mut scene = Scene::new().await;
    let post = scene.heard().await;
    scene.server.answer("bob", &post, "Mine is on time");
    scene.core.reply(1, "Sorry to hear that!").await;
    let (ours, _, _) = scene.server.published().remove(0);
    scene.server.answer("ann", &ours, "It is the blue one");
    scene.server.answer("eve", &post, &format!("Ask @{ME} about it"));
    scene.server.answer(
        "ida",
        &post,
        &format!("[quote=\"{ME}, post:3, topic:1\"]Sorry![/quote] Again?"),
    );
    scene
        .server
        .open("system", "Welcome to the forum", scene.clock.now());
    scene.sweep().await;
    let mut kinds = Vec::new();
    for case in scene.core.cases().await {
        let posts = scene.core.posts(&case).await.into_iter();
        kinds.extend(posts.map(|post| (post.author.handle, post.kind)));
    }
    kinds.sort_by_key(|(who, kind)| format!("{who} {kind:?}"));
    let kinds: Vec<_> = kinds.iter().map(|(who, kind)| (who.as_str(), *kind)).collect();
    let (comment, mention, found) = (PostKind::Comment, PostKind::Mention, PostKind::Post);
    assert_eq!(
        kinds,
        [
            ("ann", comment),
            ("ann", found),
            ("bob", found),
            ("eve", mention),
            ("ida", comment)
        ]
    );
}

/// Of forums of every age, without asking for what cannot be there.
#[rstest]
#[case(Pages::Below)]
#[case(Pages::From)]
#[case(Pages::Among)]
#[tokio::test]
async fn all_is_read_however_the_forum_pages(#[case] pages: Pages) {
    let mut scene = Scene::new().await;
    scene.server.page_by(pages);
    scene.server.skip_ids(100_000);
    scene.server.message("ann", "my parcel is late");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    let asked = scene.server.calls("private-posts.json") + scene.server.calls("posts.json");
    assert!(asked <= 25, "{asked}");

    for n in 0..60 {
        scene
            .server
            .open("bob", &format!("number {n}"), scene.clock.now());
        scene.server.message("eve", &format!("number {n}"));
        scene.server.skip_ids(7);
    }
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 121);
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 121);
}

#[tokio::test]
async fn a_private_answer_that_is_buried_is_not_sent_again() {
    let mut scene = Scene::new().await;
    scene.heard().await;
    scene
        .server
        .faults()
        .next("create", crate::fake::fault::Fault::AcceptThenDrop);
    scene.dm("Tell me your order number.").await;
    for n in 0..550 {
        scene.server.message("bob", &format!("number {n}"));
    }
    for _ in 0..20 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.server.published().len(), 1);
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::NeedsHuman);
}

#[tokio::test]
async fn an_old_request_that_comes_again_changes_nothing() {
    let scene = Scene::new().await;
    let routes = scene.account.clone().routes(scene.core.inbound.clone());
    let door = Server::start(routes.unwrap()).await;
    let to = door.url.join("/webhooks/forum").unwrap();
    let push = async |event: &str, shown: &serde_json::Value| {
        let body = json!({"post": shown}).to_string();
        let (status, told) = deliver(&to, &signed(HOOK, event, &body), body.clone()).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    };
    let before = scene
        .server
        .open("eve", "from before our time", scene.clock.now());
    scene.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let post = scene.server.open("ann", "my parcel is late", scene.clock.now());
    let shown = scene.server.shown(&post);
    push("post_created", &shown).await;
    // The event's name is not signed.
    push("post_destroyed", &shown).await;
    scene
        .server
        .edit(&before, "from before our time, in another category");
    push("post_edited", &scene.server.shown(&before)).await;
    let case = scene.core.cases().await.remove(0);
    assert_eq!(scene.core.cases().await.len(), 1);
    assert!(!scene.core.posts(&case).await[0].deleted);
    // One that was heard may be changed much later.
    scene.clock.advance(Duration::from_secs(3 * 24 * 3600));
    scene.server.edit(&post, "my parcel is here");
    push("post_edited", &scene.server.shown(&post)).await;
    assert!(
        scene.core.posts(&case).await[0]
            .text
            .ends_with("my parcel is here")
    );
}
