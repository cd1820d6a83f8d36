//! GitHub: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::github::{FakeGitHub, HOOK, ME, REPOSITORY, TOKEN, signed};
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::github::GitHub;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, Post, PostKind, ReplyState};
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
        Self::with(|config| config).await
    }

    /// Where discussions are heard.
    async fn talking() -> Self {
        Self::with(|config| config::GitHub {
            repositories: vec![],
            discussions: vec![REPOSITORY.to_owned()],
            ..config
        })
        .await
    }

    async fn with(change: impl FnOnce(config::GitHub) -> config::GitHub) -> Self {
        let clock = ManualClock::default();
        let server = FakeGitHub::start(house::clock(&clock)).await;
        let config = change(config::GitHub {
            name: "hub".to_owned(),
            url: server.url(),
            token: SecretString::from(TOKEN),
            repositories: vec![REPOSITORY.to_owned()],
            discussions: vec![],
            webhook_secret: Some(SecretString::from(HOOK)),
            search: vec![],
            poll: Duration::from_secs(60),
            approval: None,
        });
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

    /// Something is pushed to us.
    async fn pushed(&self, event: &str, body: &serde_json::Value) {
        let routes = self.account.clone().routes(self.core.inbound.clone());
        let door = Server::start(routes.unwrap()).await;
        let to = door.url.join("/webhooks/hub").unwrap();
        let body = body.to_string();
        let (status, told) = deliver(&to, &signed(HOOK, event, &body), body).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    }

    /// All that is known, the oldest first.
    async fn posts(&self) -> Vec<Post> {
        let mut posts = Vec::new();
        for case in self.core.cases().await {
            posts.extend(self.core.posts(&case).await);
        }
        posts.sort_by_key(|post| post.id.to_string());
        posts
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

#[tokio::test]
async fn discussions_are_heard_with_their_threads_and_not_what_the_house_says() {
    let mut scene = Scene::talking().await;
    let talk = scene.server.discuss("ann", "it crashes");
    let comment = scene.server.say("bob", &talk, "here too");
    let house = scene.server.say_as("ada", &talk, "thank you, we look", "MEMBER");
    let reply = scene.server.say("eve", &comment, "and here");
    scene.server.say("joe", &house, "since when?");
    scene.sweep().await;
    let posts = scene.posts().await;
    let told: Vec<_> = posts.iter().map(|post| (post.id.as_str(), post.kind)).collect();
    assert_eq!(told.len(), 4, "{told:?}");
    assert_eq!(told[0], (talk.as_str(), PostKind::Post));
    assert!(posts.iter().all(|post| post.conversation.as_str() == talk));
    let of = |id: &str| posts.iter().find(|post| post.id.as_str() == id).unwrap();
    assert_eq!(of(&comment).in_reply_to.as_ref().unwrap().as_str(), talk);
    assert_eq!(of(&reply).in_reply_to.as_ref().unwrap().as_str(), comment);
    // What is stirred is read again, and nothing else.
    let read = scene.server.calls("thread");
    scene.clock.advance(Duration::from_secs(60));
    scene.server.discuss("ann", "it burns");
    scene.account.sweep(&scene.core.inbound).await.unwrap();
    assert_eq!(scene.posts().await.len(), 5);
    // The new one, and the one whose posts are looked at again.
    assert_eq!(scene.server.calls("thread") - read, 3);
}

#[tokio::test]
async fn of_long_discussions_all_is_heard() {
    let mut scene = Scene::talking().await;
    let talk = scene.server.discuss("ann", "it crashes");
    for n in 0..70 {
        scene.server.say(&format!("bob{n}"), &talk, "here too");
    }
    let comment = scene.server.say("eve", &talk, "and here");
    for n in 0..250 {
        scene.server.say(&format!("joe{n}"), &comment, "also");
    }
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 322);
}

#[tokio::test]
async fn a_reply_stands_on_the_discussion_or_in_the_thread_of_the_comment() {
    let mut scene = Scene::talking().await;
    let talk = scene.server.discuss("ann", "it crashes");
    let comment = scene.server.say("bob", &talk, "here too");
    scene.server.say("eve", &comment, "and here");
    scene.sweep().await;
    let cases = scene.core.cases().await;
    for case in &cases {
        scene
            .core
            .reply(case.number.0.try_into().unwrap(), "Which version?")
            .await;
    }
    let told: Vec<_> = scene
        .server
        .said()
        .into_iter()
        .map(|(below, text, _)| (below, text))
        .collect();
    let wanted = [
        (talk.clone(), "@ann Which version?"),
        (comment.clone(), "@bob Which version?"),
        (comment.clone(), "@eve Which version?"),
    ];
    assert_eq!(told, wanted.map(|(below, text)| (below, text.to_owned())));
    for case in 1..=3 {
        let reply = scene.core.replies(case).await.remove(0);
        assert_eq!(reply.state, ReplyState::Sent, "{case}: {:?}", reply.reason);
        let url = reply.url.clone().unwrap();
        let found = scene.account.visit(&reply, &url).await.unwrap().unwrap();
        assert_eq!(found.parent.as_ref(), Some(&reply.target));
    }
    // A comment in one thread is no answer to what stands in another.
    let (first, other) = (
        scene.core.replies(1).await.remove(0),
        scene.core.replies(2).await.remove(0),
    );
    assert!(scene.account.visit(&first, &other.url.unwrap()).await.is_err());
}

#[tokio::test]
async fn an_uncertain_end_in_a_discussion_never_becomes_two_comments() {
    for fault in [Fault::AcceptThenDrop, Fault::Drop, Fault::StatusButDone(502)] {
        let mut scene = Scene::talking().await;
        let talk = scene.server.discuss("ann", "it crashes");
        scene.server.say("bob", &talk, "here too");
        scene.sweep().await;
        scene.server.faults().next("discuss", fault.clone());
        scene.core.reply(2, "Which version?").await;
        for _ in 0..3 {
            scene.core.wait(SETTLE).await;
        }
        let reply = scene.core.replies(2).await.remove(0);
        assert_eq!(reply.state, ReplyState::Sent, "{fault:?}: {:?}", reply.reason);
        assert_eq!(scene.server.said().len(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_was_answered_by_hand_or_is_locked_in_a_discussion_is_not_answered_again() {
    let mut scene = Scene::talking().await;
    let talk = scene.server.discuss("ann", "it crashes");
    let comment = scene.server.say("bob", &talk, "here too");
    let other = scene.server.discuss("eve", "it burns");
    scene.sweep().await;
    scene.server.say(ME, &comment, "@bob which version?");
    scene.server.lock_talk(&other);
    let mut states = Vec::new();
    for (case, post) in scene.core.cases().await.iter().zip(scene.posts().await) {
        let number = u32::try_from(case.number.0).unwrap();
        scene.core.reply(number, "Which version, please?").await;
        let reply = scene.core.replies(case.number.0).await.remove(0);
        states.push((reply.author_handle, reply.state, reply.reason, post.id));
    }
    let state = |who: &str| states.iter().find(|(handle, ..)| handle == who).unwrap();
    assert_eq!(state("ann").1, ReplyState::Sent, "{:?}", state("ann"));
    assert_eq!(state("bob").1, ReplyState::Stale);
    assert!(state("bob").2.as_ref().unwrap().contains("which version?"));
    assert_eq!(state("eve").1, ReplyState::Stale);
    assert!(state("eve").2.as_ref().unwrap().contains("locked"));
}

#[tokio::test]
async fn discussions_that_are_pushed_and_asked_for_are_one_whatever_the_capitals() {
    let mut scene = Scene::talking().await;
    let talk = scene.server.discuss("ann", "it crashes");
    let comment = scene.server.say("bob", &talk, "here too");
    let reply = scene.server.say("eve", &comment, "and here");
    scene
        .pushed("discussion", &scene.server.told_of_talk(&talk, "created"))
        .await;
    for id in [&comment, &reply] {
        let body = scene.server.told_of_talk(id, "created");
        scene.pushed("discussion_comment", &body).await;
    }
    let pushed = scene.posts().await;
    assert_eq!(pushed.len(), 3);
    scene.sweep().await;
    let both = scene.posts().await;
    let places = |posts: &[Post]| -> Vec<_> {
        let place = |post: &Post| (post.id.clone(), post.in_reply_to.clone(), post.text.clone());
        posts.iter().map(place).collect()
    };
    assert_eq!(places(&both), places(&pushed));
    scene.clock.advance(Duration::from_secs(60));
    scene.server.reword(&comment, "not here");
    let body = scene.server.told_of_talk(&comment, "edited");
    scene.pushed("discussion_comment", &body).await;
    let body = scene.server.told_of_talk(&reply, "deleted");
    scene.pushed("discussion_comment", &body).await;
    let posts = scene.posts().await;
    assert_eq!((posts[1].text.as_str(), posts[2].deleted), ("not here", true));
}

#[tokio::test]
async fn an_edit_and_a_deletion_in_a_discussion_are_seen_though_nothing_stirs_it() {
    let mut scene = Scene::talking().await;
    let talk = scene.server.discuss("ann", "it crashes");
    let comment = scene.server.say("bob", &talk, "here too");
    let reply = scene.server.say("eve", &comment, "and here");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.server.reword(&reply, "and there");
    // It stays in its place, empty, for others answered it.
    scene.server.take_back(&comment);
    for _ in 0..3 {
        scene.sweep().await;
    }
    let posts = scene.posts().await;
    let deleted: Vec<_> = posts.iter().map(|post| post.deleted).collect();
    assert_eq!(
        (posts[2].text.as_str(), deleted),
        ("and there", vec![false, true, false])
    );
    scene.server.take_back(&talk);
    for _ in 0..3 {
        scene.sweep().await;
    }
    assert!(scene.posts().await.iter().all(|post| post.deleted));
}

#[tokio::test]
async fn discussions_that_cannot_be_read_stop_nothing_else_and_the_doctor_tells() {
    let mut scene = Scene::with(|config| config::GitHub {
        discussions: vec!["acme/other".to_owned(), REPOSITORY.to_owned()],
        ..config
    })
    .await;
    let talk = scene.server.discuss("ann", "it crashes");
    let odd = scene.server.say("bob", &talk, "here too");
    scene.server.garble(&odd);
    scene.server.open("eve", "it burns");
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2);
    assert_eq!(scene.core.set_aside().await, 1);
    let findings = scene.account.examine().await;
    let wrong: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    assert_eq!(wrong.len(), 1, "{findings:?}");
    assert!(wrong[0].what.contains("acme/other"));
}

#[tokio::test]
async fn what_is_said_on_pull_requests_is_no_complaint_however_it_comes() {
    let mut scene = Scene::new().await;
    let pull = scene.server.pull("ann", "mends the crash");
    let comment = scene.server.comment("bob", &pull, "looks good");
    scene.pushed("issues", &scene.server.told(&pull, "opened")).await;
    scene
        .pushed("issue_comment", &scene.server.told(&comment, "created"))
        .await;
    scene.sweep().await;
    assert!(scene.posts().await.is_empty());
}

#[tokio::test]
async fn an_old_issue_that_is_stirred_opens_no_case() {
    let mut scene = Scene::new().await;
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(600));
    let long_ago = scene.clock.now() - Duration::from_secs(30 * 86_400);
    scene.server.moved("ann", "long ago", long_ago);
    scene.server.open("bob", "today");
    scene.sweep().await;
    let posts = scene.posts().await;
    assert_eq!(posts.len(), 1, "{posts:?}");
}

#[tokio::test]
async fn capitals_in_a_repositorys_name_make_no_second_issue() {
    let mut scene = Scene::with(|config| config::GitHub {
        repositories: vec!["Acme/App".to_owned()],
        search: vec!["crashes".to_owned()],
        ..config
    })
    .await;
    let issue = scene.server.open("ann", "it crashes");
    scene.pushed("issues", &scene.server.told(&issue, "opened")).await;
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    scene.core.reply(1, "Which version?").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
}

#[tokio::test]
async fn what_comes_of_an_issue_elsewhere_is_heard() {
    let mut scene = Scene::with(|config| config::GitHub {
        repositories: vec![],
        search: vec!["crashes".to_owned()],
        ..config
    })
    .await;
    let issue = scene.server.open_elsewhere("ann", "it crashes");
    scene.sweep().await;
    scene.core.reply(1, "Which version?").await;
    scene.clock.advance(Duration::from_secs(60));
    scene.server.edit(&issue, "it crashes with smoke");
    scene.server.comment("ann", &issue, "version 2");
    scene.server.comment("bob", &issue, "here too");
    scene.sweep().await;
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.iter().map(|case| case.posts).collect::<Vec<_>>(), [2, 1]);
    let posts = scene.core.posts(&cases[0]).await;
    assert!(posts[0].text.ends_with("with smoke"), "{posts:?}");
    // Who comments there did not write to us.
    let found = scene.core.posts(&cases[1]).await;
    assert_eq!(found[0].kind, PostKind::Post);
}

#[tokio::test]
async fn what_a_search_finds_and_nobody_can_read_is_set_aside() {
    let mut scene = Scene::with(|config| config::GitHub {
        search: vec!["crashes".to_owned()],
        ..config
    })
    .await;
    let odd = serde_json::json!({"number": "seven", "updated_at": "2027-01-15T08:00:00Z", "html_url": "https://github.com/x"});
    scene.server.poison_search(odd);
    scene.server.open_elsewhere("ann", "it crashes");
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    assert_eq!(scene.core.set_aside().await, 1);
}

#[tokio::test]
async fn a_limit_that_is_told_by_403_is_waited_for_as_long_as_it_lasts() {
    let mut scene = Scene::new().await;
    scene.server.open("ann", "it crashes");
    scene.sweep().await;
    let time = Duration::from_secs(600);
    scene.server.forbid(scene.clock.now() + time);
    let lost = scene.account.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(matches!(lost, Lost::Later(wait) if wait == time), "{lost:?}");
    let meter = scene.account.meter().unwrap();
    assert!(meter.usage(scene.clock.now())[0].is_nearly_all());
}
