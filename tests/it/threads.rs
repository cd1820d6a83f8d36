//! Threads: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::graph::{APP_SECRET, VERIFY_TOKEN, deliver, escaped, signed};
use crate::fake::house::{self, Core, HOLD, SETTLE};
use crate::fake::server::Server;
use crate::fake::threads::{FakeThreads, HANDLE, TOKEN, envelope, permalink};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::threads::Threads;
use hearback::adapter::supervise::Lost;
use hearback::config;
use hearback::domain::{Audience, ManualClock, Post, PostKind, ReplyState};
use hearback::port::{PortError, ShortVault, SocialPlatform as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The profile with a post, our connector to it, the core behind it, and the time.
struct Scene {
    network: FakeThreads,
    post: String,
    account: Arc<Threads>,
    vault: Arc<ShortVault>,
    core: Core,
    clock: ManualClock,
}

fn connector(
    network: &FakeThreads,
    token: &str,
    vault: &Arc<ShortVault>,
    clock: &ManualClock,
) -> Arc<Threads> {
    let config = config::Threads {
        name: "threads".to_owned(),
        url: network.url(),
        access_token: SecretString::from(token),
        app_secret: SecretString::from(APP_SECRET),
        verify_token: SecretString::from(VERIFY_TOKEN),
        search: vec![],
        poll: Duration::from_secs(60),
        approval: None,
    };
    let timeout = Duration::from_secs(5);
    Arc::new(Threads::new(&config, timeout, house::clock(clock), vault.clone()).unwrap())
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let network = FakeThreads::start(house::clock(&clock)).await;
        let vault = Arc::new(ShortVault::default());
        let account = connector(&network, TOKEN, &vault, &clock);
        Self {
            post: network.write(HANDLE, "Our new hats!"),
            core: Core::start(&clock, vec![account.clone()]).await,
            network,
            account,
            vault,
            clock,
        }
    }

    async fn sweep(&mut self) {
        self.account.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }

    async fn push(&mut self, notice: &Value) -> u16 {
        let door = Server::start(self.account.clone().routes(self.core.inbound.clone()).unwrap()).await;
        let body = escaped(notice);
        let to = door.url.join("/webhooks/threads").unwrap();
        let status = deliver(&to, &[signed(APP_SECRET, &body)], body).await;
        self.core.deliver().await;
        status
    }

    async fn posts(&self) -> Vec<Post> {
        let mut posts = Vec::new();
        for case in self.core.cases().await {
            posts.extend(self.core.posts(&case).await);
        }
        posts
    }

    /// How the newest reply of a case ended.
    async fn ended(&self, case: i64) -> (ReplyState, String) {
        let reply = self.core.replies(case).await.pop().unwrap();
        (reply.state, reply.reason.unwrap_or_default())
    }
}

#[tokio::test]
async fn every_attempt_publishes_the_same_container() {
    let mut scene = Scene::new().await;
    scene.network.answer("ann", &scene.post, "too small");
    scene.sweep().await;
    scene.network.faults().next("threads_publish", Fault::Drop);
    scene
        .network
        .faults()
        .next("threads_publish", Fault::RateLimited("30".to_owned()));
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Ambiguous);
    // Up again, with what is kept.
    scene.account = connector(&scene.network, TOKEN, &scene.vault, &scene.clock);
    scene.core = scene.core.restart(vec![scene.account.clone()]).await;
    for _ in 0..5 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    assert_eq!(
        (scene.network.published().len(), scene.network.containers()),
        (1, 1)
    );
    assert_eq!(scene.network.calls("threads_publish"), 3);
}

#[tokio::test]
async fn a_container_that_is_not_made_is_made_again_and_one_that_is_refused_is_told() {
    let mut scene = Scene::new().await;
    scene.network.answer("ann", &scene.post, "too small");
    scene.sweep().await;
    for fault in [Fault::Status(500), Fault::AcceptThenDrop, Fault::Garbage] {
        scene.network.faults().next("contain", fault);
    }
    scene.core.reply(1, "Sorry!").await;
    for _ in 0..20 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    assert_eq!(scene.network.published().len(), 1);
    scene.network.contain_as("ERROR");
    scene.core.reply(1, "And?").await;
    let (state, why) = scene.ended(1).await;
    assert!(
        state == ReplyState::Failed && why.contains("UNKNOWN"),
        "{state:?}: {why}"
    );
    assert_eq!(scene.network.calls("threads_publish"), 1);
}

#[tokio::test]
async fn answers_to_our_answers_elsewhere_and_mentions_are_heard() {
    let mut scene = Scene::new().await;
    let theirs = scene.network.write("ann", "@help_shop my hat is torn");
    scene.sweep().await;
    scene.core.reply(1, "Which one?").await;
    let ours = scene.network.published()[0].0.clone();
    scene.clock.advance(Duration::from_secs(60));
    scene.network.answer("ann", &ours, "the blue one");
    scene.sweep().await;
    let posts = scene.posts().await;
    let read: Vec<_> = posts.iter().map(|post| (post.kind, post.text.as_str())).collect();
    assert_eq!(
        read,
        [
            (PostKind::Mention, "@help_shop my hat is torn"),
            (PostKind::Comment, "the blue one"),
        ]
    );
    assert_eq!(scene.core.cases().await.len(), 1);
    assert_eq!(posts[1].conversation.as_str(), theirs);
}

#[tokio::test]
async fn the_webhook_tells_of_answers_mentions_and_deletions() {
    let mut scene = Scene::new().await;
    let answer = scene.network.answer("ann", &scene.post, "too small");
    let mention = scene.network.write("bob", "@help_shop mine too");
    let own = scene.network.answer(HANDLE, &answer, "Sorry!");
    for (field, id) in [("replies", &answer), ("mentions", &mention), ("replies", &own)] {
        let notice = scene.network.notice(field, id);
        assert_eq!(scene.push(&notice).await, 200);
    }
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 2);
    let gone = scene.network.deletion_notice(&mention);
    assert_eq!(scene.push(&gone).await, 200);
    assert!(scene.posts().await[1].deleted);
    // Another profile's, another field, and what cannot be read.
    let mut others = scene.network.notice("replies", &answer);
    others["target_id"] = "99".into();
    others["values"]["value"] = 7.into();
    assert_eq!(scene.push(&others).await, 200);
    assert_eq!(
        scene.push(&envelope("publish", json!(7), 1)).await,
        401,
        "it is old"
    );
    assert_eq!(scene.core.set_aside().await, 0);
    assert_eq!(scene.push(&json!({"values": 7})).await, 200);
    assert_eq!(scene.core.set_aside().await, 1);
}

#[tokio::test]
async fn the_token_is_renewed_every_week_and_kept() {
    let mut scene = Scene::new().await;
    scene.sweep().await;
    assert_eq!(
        scene.network.calls("refresh_access_token"),
        0,
        "it may be too young"
    );
    scene.clock.advance(DAY * 2);
    scene
        .network
        .faults()
        .next("refresh_access_token", Fault::Status(500));
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(
        scene.network.calls("refresh_access_token"),
        1,
        "it is left alone for an hour"
    );
    scene.clock.advance(Duration::from_secs(3600));
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(scene.network.calls("refresh_access_token"), 2);
    scene.network.end_old_tokens();
    scene.sweep().await;
    // Up again, with the configured one, which is over.
    scene.account = connector(&scene.network, TOKEN, &scene.vault, &scene.clock);
    scene.sweep().await;
    scene.clock.advance(DAY * 8);
    scene.sweep().await;
    assert_eq!(scene.network.calls("refresh_access_token"), 3);
    // One that somebody configured anew counts.
    scene.account = connector(&scene.network, "THAA-SECRET-new", &scene.vault, &scene.clock);
    let lost = scene.account.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if !why.contains("SECRET")),
        "{lost:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_written_is_told_before_it_is() {
    let scene = Scene::new().await;
    let private = scene.account.compose("Hello?", "ann", Audience::Private);
    assert!(private.refusal.unwrap().contains("https://www.threads.com/@ann"));
    let links = |count: usize| {
        (0..count)
            .map(|n| format!("https://shop.example/{n} "))
            .collect::<String>()
    };
    let composed = |text: &str| scene.account.compose(text, "ann", Audience::Public).refusal;
    assert_eq!(composed(&links(5)), None);
    assert!(composed(&links(6)).unwrap().contains("5 different links"));
}

#[tokio::test]
async fn an_address_that_a_person_names_is_looked_at() {
    let mut scene = Scene::new().await;
    scene.network.answer("ann", &scene.post, "too small");
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    let reply = scene.core.replies(1).await.pop().unwrap();
    let own = scene.network.published()[0].0.clone();
    let there = scene
        .account
        .visit(&reply, &permalink(HANDLE, &own))
        .await
        .unwrap();
    assert_eq!(there.unwrap().id.as_str(), own);
    for elsewhere in [permalink(HANDLE, "1"), "https://evil.example/x".to_owned()] {
        let there = scene.account.visit(&reply, &elsewhere).await;
        assert!(matches!(there, Err(PortError::Refused(_))), "{there:?}");
    }
    // A second reply of ours is no answer by other means.
    scene.core.reply(1, "It is on its way.").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    scene.core.wait(HOLD).await;
}

#[tokio::test]
async fn doctor_says_what_can_be_read_and_how_many_replies_are_left() {
    let scene = Scene::new().await;
    let findings = scene.account.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let told: Vec<_> = findings.iter().map(|finding| finding.what.as_str()).collect();
    assert!(told.contains(&"1 of 1000 replies of a day are used"), "{told:?}");
    scene.network.faults().next("mentions", Fault::Status(403));
    let findings = scene.account.examine().await;
    let wrong: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    assert!(
        wrong.len() == 1 && wrong[0].mend.contains("threads_manage_mentions"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn a_post_whose_answers_cannot_be_read_stops_none_of_the_others() {
    let mut scene = Scene::new().await;
    let other = scene.network.write(HANDLE, "Our new coats!");
    let first = scene.post.clone();
    scene.network.answer("ann", &first, "too small");
    scene.network.answer("bob", &other, "too large");
    scene.network.faults().next("conversation", Fault::Status(500));
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 1);
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 2);
}

#[tokio::test]
async fn what_we_wrote_is_ours_whatever_we_are_called_by_now() {
    let mut scene = Scene::new().await;
    let first = scene.network.answer("ann", &scene.post, "too small");
    scene.sweep().await;
    scene.network.answer(HANDLE, &first, "Which one?");
    scene.network.rename("help_the_shop");
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 1);
    // And it is known by its new name soon.
    scene.clock.advance(Duration::from_secs(3600));
    scene.sweep().await;
    assert_eq!(
        scene.account.abilities().account.unwrap().as_str(),
        "help_the_shop"
    );
}

#[tokio::test]
async fn replies_are_counted_against_their_day() {
    let mut scene = Scene::new().await;
    scene.network.answer("ann", &scene.post, "too small");
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    let usage = scene
        .account
        .meter()
        .unwrap()
        .usage(hearback::domain::Clock::now(&scene.clock));
    let words: Vec<_> = usage.iter().map(|usage| usage.words.as_str()).collect();
    assert!(words.contains(&"1 of 1000 replies today"), "{words:?}");
}
