//! GitHub: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::github::{FakeGitHub, HOOK, ME, REPOSITORY, TOKEN, signed};
use crate::fake::house::{self, Core};
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::github::GitHub;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{ManualClock, PostKind, ReplyState};
use hearback::port::SocialPlatform as _;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// The server, our account there, and the core behind it.
struct Scene {
    server: FakeGitHub,
    account: Arc<GitHub>,
    clock: ManualClock,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeGitHub::start(house::clock(&clock)).await;
        let config = config::GitHub {
            name: "hub".to_owned(),
            url: server.url(),
            token: SecretString::from(TOKEN),
            repositories: vec![REPOSITORY.to_owned()],
            webhook_secret: Some(SecretString::from(HOOK)),
            search: vec![],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = GitHub::new(&config, Duration::from_secs(5), house::clock(&clock));
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
async fn what_the_house_says_is_no_case() {
    let mut scene = Scene::new().await;
    let issue = scene.server.open("ann", "it crashes");
    scene
        .server
        .comment_as("ada", &issue, "thank you, we look", "MEMBER");
    scene.server.comment("bob", &issue, "here too");
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[0].conversation, cases[1].conversation);
}

/// What people say to each other below an issue is found, like the issue itself: rules decide about it.
#[tokio::test]
async fn only_what_names_us_is_written_to_us() {
    let mut scene = Scene::new().await;
    let issue = scene.server.open("ann", "it crashes");
    scene.server.comment("bob", &issue, "here too");
    scene
        .server
        .comment("eve", &issue, &format!("@{ME} can you look?"));
    scene.sweep().await;
    let mut kinds = Vec::new();
    for case in scene.core.cases().await {
        kinds.push(scene.core.posts(&case).await[0].kind);
    }
    assert_eq!(kinds, [PostKind::Post, PostKind::Post, PostKind::Mention]);
}

#[tokio::test]
async fn an_answer_to_somebody_else_on_the_issue_is_none_to_this_one() {
    let mut scene = Scene::new().await;
    let issue = scene.server.open("ann", "it crashes");
    scene.server.comment("bob", &issue, "here too");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.server.comment(ME, &issue, "@bob which version?");
    scene.core.reply(1, "Which version?").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    scene.core.reply(2, "Which version, please?").await;
    let reply = scene.core.replies(2).await.remove(0);
    assert_eq!(reply.state, ReplyState::Stale, "{:?}", reply.reason);
    assert!(reply.reason.unwrap().contains("which version?"));
}

#[tokio::test]
async fn a_locked_issue_and_a_private_answer_are_told_before() {
    let mut scene = Scene::new().await;
    let issue = scene.server.open("ann", "it crashes");
    scene.sweep().await;
    let response = scene.core.says("dm 1 Which version?").await;
    assert!(
        matches!(&response, Response::Refused(why) if why.plain().contains("no private messages")),
        "{response:?}"
    );
    scene.server.lock(&issue);
    scene.core.reply(1, "Which version?").await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Stale);
    assert!(reply.reason.unwrap().contains("locked"));
    assert_eq!(scene.server.calls("comment"), 0);
}

#[tokio::test]
async fn a_deletion_that_is_pushed_is_seen_at_once() {
    let mut scene = Scene::new().await;
    let issue = scene.server.open("ann", "it crashes");
    scene.sweep().await;
    let routes = scene.account.clone().routes(scene.core.inbound.clone());
    let door = Server::start(routes.unwrap()).await;
    let to = door.url.join("/webhooks/hub").unwrap();
    for (event, body) in [
        ("ping", "{\"zen\": \"Keep it logically awesome.\"}".to_owned()),
        ("issues", scene.server.told(&issue, "deleted").to_string()),
    ] {
        let (status, told) = deliver(&to, &signed(HOOK, event, &body), body).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    }
    let case = scene.core.cases().await.remove(0);
    assert!(scene.core.posts(&case).await[0].deleted);
}

#[tokio::test]
async fn an_address_is_looked_at() {
    let mut scene = Scene::new().await;
    let issue = scene.server.open("ann", "it crashes");
    scene.sweep().await;
    scene.core.reply(1, "Which version?").await;
    let reply = scene.core.replies(1).await.remove(0);
    let url = reply.url.clone().unwrap();
    let found = scene.account.visit(&reply, &url).await.unwrap().unwrap();
    assert_eq!(found.parent.unwrap().as_str(), issue);
    let none = "https://github.com/acme/app/issues/1#issuecomment-99";
    assert!(scene.account.visit(&reply, none).await.is_err());
}
