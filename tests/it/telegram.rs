//! Telegram: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::house::{self, Core};
use crate::fake::server::Server;
use crate::fake::telegram::{FakeTelegram, HOOK, TOKEN, USERNAME, id_of};
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::telegram::Telegram;
use hearback::adapter::supervise::Lost;
use hearback::config;
use hearback::domain::{ManualClock, PostKind, ReplyState};
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// The server, our bot there, and the core behind it.
struct Scene {
    server: FakeTelegram,
    bot: Arc<Telegram>,
    clock: ManualClock,
    core: Core,
}

fn bot(server: &FakeTelegram, clock: &ManualClock, hook: Option<&str>) -> Arc<Telegram> {
    let config = config::Telegram {
        name: "tg".to_owned(),
        url: server.url(),
        token: SecretString::from(TOKEN),
        webhook_secret: hook.map(SecretString::from),
        approval: None,
    };
    Arc::new(Telegram::new(&config, Duration::from_secs(5), house::clock(clock)).unwrap())
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeTelegram::start(house::clock(&clock)).await;
        let bot = bot(&server, &clock, None);
        let core = Core::start(&clock, vec![bot.clone()]).await;
        Self {
            server,
            bot,
            clock,
            core,
        }
    }

    async fn sweep(&mut self) {
        self.bot.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn a_private_answer_goes_only_to_who_has_started_the_bot() {
    let mut scene = Scene::new().await;
    let post = scene.server.write("ann", "my parcel is late", None);
    scene.server.whisper("bob", "hello");
    let late = scene.server.write("bob", "mine too", None);
    scene.sweep().await;

    scene.core.says("dm 1 Tell me your order number.").await;
    scene.core.deliver().await;
    scene.core.wait(house::HOLD).await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    let why = reply.reason.unwrap();
    assert!(why.contains("https://t.me/shop_bot?start=hello"), "{why}");
    assert_eq!(reply.target.as_str(), post);

    // Two conversations: the private one, and the one in the group.
    let cases = scene.core.cases().await;
    let group = cases.iter().find(|case| case.last_post.as_str() == late).unwrap();
    let line = format!("dm {} Tell me your order number.", group.number.0);
    scene.core.says(&line).await;
    scene.core.deliver().await;
    scene.core.wait(house::HOLD).await;
    let reply = scene.core.replies(group.number.0).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    let sent = scene.server.published().remove(0);
    assert_eq!(sent["chat"]["id"], id_of("bob"));
}

#[tokio::test]
async fn a_private_message_is_answered_where_it_was_written() {
    let mut scene = Scene::new().await;
    let post = scene.server.whisper("ann", "my parcel is late");
    scene.sweep().await;
    let case = scene.core.cases().await.remove(0);
    assert_eq!(scene.core.posts(&case).await[0].kind, PostKind::Message);
    scene.core.reply(1, "Sorry!").await;
    let sent = scene.server.published().remove(0);
    assert_eq!(sent["chat"]["id"], id_of("ann"));
    assert_eq!(
        format!("{}:{}", id_of("ann"), sent["reply_to_message"]["message_id"]),
        post
    );
}

#[tokio::test]
async fn a_message_that_is_gone_is_never_answered_with_one_on_its_own() {
    let mut scene = Scene::new().await;
    let post = scene.server.write("ann", "my parcel is late", None);
    scene.sweep().await;
    scene.server.delete(&post);
    scene.core.reply(1, "Sorry!").await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Failed);
    assert!(reply.reason.unwrap().contains("not found"));
    assert!(scene.server.published().is_empty());
}

#[tokio::test]
async fn what_is_stored_is_confirmed_and_a_week_later_it_may_count_anew() {
    let mut scene = Scene::new().await;
    scene.server.write("ann", "one", None);
    scene.sweep().await;
    scene.sweep().await;
    assert!(scene.server.unpushed().is_empty(), "it was confirmed");
    scene.clock.advance(Duration::from_secs(8 * 24 * 3600));
    scene.server.write("bob", "two", None);
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2);
}

#[tokio::test]
async fn how_updates_come_and_how_they_are_configured_must_agree() {
    let scene = Scene::new().await;
    let pushed = bot(&scene.server, &scene.clock, Some(HOOK));
    let lost = pushed.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Broken(why) if why.contains("setWebhook")),
        "{lost:?}"
    );
    assert!(
        pushed
            .examine()
            .await
            .iter()
            .any(|finding| finding.mend.contains("setWebhook"))
    );

    scene.server.hook();
    let lost = scene.bot.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("webhook_secret")),
        "{lost:?}"
    );
    assert!(
        scene
            .bot
            .examine()
            .await
            .iter()
            .any(|finding| finding.mend.contains("deleteWebhook"))
    );
    assert!(pushed.examine().await.iter().all(|finding| finding.ok));
}

#[tokio::test]
async fn who_is_named_is_known_from_the_first_push_on() {
    let scene = Scene::new().await;
    scene.server.hook();
    let pushed = bot(&scene.server, &scene.clock, Some(HOOK));
    let door = Server::start(pushed.routes(scene.core.inbound.clone()).unwrap()).await;
    let to = door.url.join("/webhooks/tg").unwrap();
    scene
        .server
        .write("ann", &format!("@{USERNAME} my parcel is late"), None);
    scene.server.write("bob", &format!("/late@{USERNAME} 4711"), None);
    for update in scene.server.unpushed() {
        let headers = [("x-telegram-bot-api-secret-token", HOOK.to_owned())];
        let (status, told) = deliver(&to, &headers, update.to_string()).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    }
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), 2);
    for case in &cases {
        assert_eq!(scene.core.posts(case).await[0].kind, PostKind::Mention);
    }
}

/// Escapes and hidden addresses make a message long; a hundred of them are more than is read at once.
#[tokio::test]
async fn an_answer_that_is_too_large_is_asked_for_in_parts() {
    let scene = Scene::new().await;
    for _ in 0..100 {
        scene.server.write("ann", &"late ".repeat(10_000), None);
    }
    let (mut heard, mut failed) = (0, 0);
    for _ in 0..10 {
        if let Err(lost) = scene.bot.sweep(&scene.core.inbound).await {
            assert!(
                matches!(&lost, Lost::Broken(why) if !why.contains("SECRET")),
                "{lost:?}"
            );
            failed += 1;
        }
        heard = scene.core.cases().await.first().map_or(0, |case| case.posts);
    }
    assert_eq!(heard, 100);
    assert!(failed > 0);
}
