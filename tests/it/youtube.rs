//! YouTube: what is its own beside what every connector keeps (see `conformance`): units of a day, threads with
//! many answers, and which comment one of ours answers.

use crate::conformance::youtube::{address, configured};
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core};
use crate::fake::youtube::FakeYouTube;
use hearback::adapter::connector::Connector;
use hearback::adapter::meters::Meters;
use hearback::adapter::social::youtube::YouTube;
use hearback::adapter::supervise::Lost;
use hearback::domain::{Clock as _, ManualClock, ReplyState};
use hearback::port::SocialPlatform as _;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    server: FakeYouTube,
    channel: Arc<YouTube>,
    core: Core,
    clock: ManualClock,
}

impl Scene {
    async fn new(daily_quota: usize) -> Self {
        let clock = ManualClock::default();
        let server = FakeYouTube::start(house::clock(&clock)).await;
        let mut config = configured(&server);
        config.daily_quota = daily_quota;
        let channel = YouTube::new(
            &config,
            Duration::from_secs(5),
            house::clock(&clock),
            house::vault(),
        );
        let channel = Arc::new(channel.unwrap());
        let core = Core::start(&clock, vec![channel.clone()]).await;
        Self {
            server,
            channel,
            core,
            clock,
        }
    }

    fn comment(&self, who: &str, under: Option<&str>, text: &str) -> String {
        let id = self.server.comment(who, under, text, Duration::ZERO);
        self.clock.advance(Duration::from_secs(1));
        id
    }

    async fn sweep(&mut self) {
        self.channel.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn a_days_units_that_are_used_up_are_waited_for_and_nothing_is_lost() {
    let mut scene = Scene::new(10_000).await;
    scene.comment("ann", None, "late");
    scene.sweep().await;
    scene.server.spend(true);
    scene.comment("bob", None, "late too");
    let lost = scene.channel.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(lost, Lost::Later(wait) if wait >= Duration::from_secs(900)),
        "{lost:?}"
    );
    scene.core.reply(1, "Sorry!").await;
    assert!(scene.server.ours().is_empty());
    scene.server.spend(false);
    scene.core.wait(Duration::from_secs(900)).await;
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2);
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
}

#[tokio::test]
async fn where_units_get_scarce_only_new_comments_are_looked_for() {
    let mut scene = Scene::new(100).await;
    scene.comment("ann", None, "late");
    scene.sweep().await;
    let known = scene.server.books().calls("known");
    assert!(known > 0);
    let meter = scene.channel.meter().unwrap();
    let kept = meter.kept(scene.clock.now()).unwrap();
    let used: u64 = kept.rsplit(' ').next().unwrap().parse().unwrap();
    meter.spent(80 - used, scene.clock.now());
    scene.comment("bob", None, "late, too");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2);
    assert_eq!(scene.server.books().calls("known"), known);
    // The day ends at midnight in California.
    scene.clock.advance(Duration::from_secs(24 * 3600));
    scene.sweep().await;
    assert!(scene.server.books().calls("known") > known);
}

#[tokio::test]
async fn where_hardly_any_units_are_left_they_are_for_replies() {
    let mut scene = Scene::new(1000).await;
    scene.comment("ann", None, "late");
    scene.sweep().await;
    let meter = scene.channel.meter().unwrap();
    meter.spent(890, scene.clock.now());
    assert!(meter.share(scene.clock.now()) >= 0.89);
    meter.spent(10, scene.clock.now());
    scene.comment("bob", None, "late, too");
    let listed = scene.server.books().calls("list");
    for _ in 0..5 {
        scene.sweep().await;
    }
    assert_eq!(scene.server.books().calls("list"), listed);
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    // What is new is heard every quarter of an hour.
    scene.clock.advance(Duration::from_secs(900));
    scene.sweep().await;
    assert_eq!(scene.server.books().calls("list"), listed + 1);
    assert_eq!(scene.core.cases().await.len(), 2);
}

#[tokio::test]
async fn the_units_of_a_day_are_counted_over_a_restart_and_the_team_is_told() {
    let mut scene = Scene::new(100).await;
    scene.comment("ann", None, "late");
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    scene.core.reply(1, "It comes on Monday.").await;
    let before = scene.core.threads();
    let mut meters = Meters::new(vec![scene.channel.clone() as Arc<dyn Connector>]);
    meters.look(&scene.core.inbound, scene.clock.now()).await.unwrap();
    scene.core.deliver().await;
    assert_eq!(scene.core.threads(), before + 1);
    let told = scene.core.thread(before + 1);
    assert!(told.contains("of 100 units today"), "{told}");

    let mut config = configured(&scene.server);
    config.daily_quota = 100;
    let clock = house::clock(&scene.clock);
    let again = YouTube::new(&config, Duration::from_secs(5), clock, house::vault()).unwrap();
    let again = Arc::new(again);
    let mut meters = Meters::new(vec![again.clone() as Arc<dyn Connector>]);
    meters.look(&scene.core.inbound, scene.clock.now()).await.unwrap();
    let meter = |channel: &YouTube| channel.meter().unwrap().usage(scene.clock.now());
    assert_eq!(meter(&again), meter(&scene.channel));
    // At midnight in California, not in Greenwich, there are new ones.
    let until = meter(&again)[0].until.unwrap();
    assert_eq!(until.time().to_string(), "08:00:00");
}

#[tokio::test]
async fn one_thread_that_is_gone_does_not_hide_that_others_stand_or_changed() {
    let mut scene = Scene::new(10_000).await;
    let gone = scene.comment("ann", None, "late");
    let stands = scene.comment("bob", None, "late, too");
    scene.sweep().await;
    scene.server.delete(&gone);
    scene.clock.advance(Duration::from_secs(60));
    scene.server.edit(&stands, "late, and broken");
    for _ in 0..3 {
        scene.sweep().await;
    }
    let mut posts = Vec::new();
    for case in scene.core.cases().await {
        posts.extend(scene.core.posts(&case).await);
    }
    let told: Vec<_> = posts
        .iter()
        .map(|post| (post.text.as_str(), post.deleted))
        .collect();
    assert_eq!(told, [("late", true), ("late, and broken", false)]);
}

#[tokio::test]
async fn one_odd_answer_hides_neither_its_thread_nor_the_others() {
    let mut scene = Scene::new(10_000).await;
    let short = scene.comment("ann", None, "late");
    let long = scene.comment("bob", None, "late, too");
    for n in 0..8 {
        scene.comment(&format!("eve{n}"), Some(&long), "mine too");
    }
    for head in [&short, &long] {
        scene.server.poison(
            Some(head),
            json!({"kind": "youtube#comment", "id": head, "snippet": 7}),
        );
    }
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 10);
    assert_eq!(scene.core.set_aside().await, 2);
    scene.core.reply(1, "Sorry!").await;
    let reply = &scene.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
}

#[tokio::test]
async fn a_thread_whose_answers_are_not_shown_stops_none_of_the_others() {
    let scene = Scene::new(10_000).await;
    for who in ["ann", "bob"] {
        let head = scene.comment(who, None, "late");
        for n in 0..8 {
            scene.comment(&format!("{who}{n}"), Some(&head), "mine too");
        }
    }
    scene.server.books().faults.next("replies", Fault::Status(403));
    // It is no failure of the sweep, and the second look finds what the first did not.
    scene.channel.sweep(&scene.core.inbound).await.unwrap();
    assert_eq!(scene.core.cases().await.len(), 9 + 9);
}

#[tokio::test]
async fn all_answers_of_a_thread_are_heard_though_it_shows_five() {
    let mut scene = Scene::new(10_000).await;
    let head = scene.comment("ann", None, "late");
    for n in 0..120 {
        scene.comment(&format!("bob{n}"), Some(&head), "mine too");
    }
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 121);
    // They are read once, until there are more.
    let read = scene.server.books().calls("replies");
    scene.sweep().await;
    assert_eq!(scene.server.books().calls("replies"), read);
    assert!(
        scene
            .core
            .posts(&scene.core.cases().await[3])
            .await
            .iter()
            .all(|post| !post.deleted)
    );
    scene.comment("eve", Some(&head), "mine, too");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 122);
}

#[tokio::test]
async fn an_answer_to_somebody_else_in_the_thread_is_none_to_this_one() {
    let mut scene = Scene::new(10_000).await;
    let head = scene.comment("ann", None, "late");
    scene.comment("bob", Some(&head), "mine too");
    scene
        .server
        .comment("help", Some(&head), "Sorry, Bob!", Duration::ZERO);
    scene.clock.advance(Duration::from_secs(1));
    scene.comment("eve", Some(&head), "and mine");
    scene.sweep().await;
    for (case, state) in [
        (1, ReplyState::Sent),
        (2, ReplyState::Stale),
        (3, ReplyState::Sent),
    ] {
        scene.core.reply(case, &format!("Sorry, number {case}!")).await;
        let reply = &scene.core.replies(i64::from(case)).await[0];
        assert_eq!(reply.state, state, "{case}: {:?}", reply.reason);
    }
}

#[tokio::test]
async fn nothing_is_written_in_the_name_of_another_channel() {
    let mut scene = Scene::new(10_000).await;
    scene.comment("ann", None, "late");
    scene.sweep().await;
    scene.server.take_over("UC-somebody");
    scene.core.reply(1, "Sorry!").await;
    let reply = &scene.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    assert!(
        reply.reason.as_deref().unwrap().contains("another channel"),
        "{:?}",
        reply.reason
    );
    assert_eq!(scene.server.books().calls("insert"), 0);
}

#[tokio::test]
async fn a_thread_that_takes_no_answer_is_told_before_anything_is_sent() {
    let mut scene = Scene::new(10_000).await;
    scene.comment("ann", None, "late");
    scene.sweep().await;
    scene.server.close();
    scene.core.reply(1, "Sorry!").await;
    let reply = &scene.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Stale, "{:?}", reply.reason);
    assert_eq!(scene.server.books().calls("insert"), 0);
}

#[tokio::test]
async fn only_a_comment_of_ours_in_the_thread_is_the_reply_that_a_person_saw() {
    let mut scene = Scene::new(10_000).await;
    let head = scene.comment("ann", None, "late");
    let other = scene.comment("help", None, "News!");
    scene.sweep().await;
    scene.server.books().faults.next("insert", Fault::AcceptThenDrop);
    scene.core.reply(1, "Sorry!").await;
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Ambiguous);
    let ours = scene.server.ours().pop().unwrap();
    let visit = async |id: &str| scene.channel.visit(&reply, &address(id)).await;
    assert!(visit(&head).await.is_err(), "it is not ours");
    assert!(visit(&other).await.is_err(), "it is elsewhere");
    let found = visit(&ours.id).await.unwrap().unwrap();
    assert_eq!(
        (found.id.as_str(), found.parent.unwrap().as_str()),
        (ours.id.as_str(), head.as_str())
    );
}

#[tokio::test]
async fn an_answer_that_is_taken_back_in_a_long_thread_is_known_to_be_gone() {
    let mut scene = Scene::new(10_000).await;
    let head = scene.comment("ann", None, "late");
    let first = scene.comment("bob", Some(&head), "mine too");
    for n in 0..10 {
        scene.comment(&format!("eve{n}"), Some(&head), "and mine");
    }
    scene.sweep().await;
    scene.server.delete(&first);
    for _ in 0..3 {
        scene.sweep().await;
    }
    let mut deleted = Vec::new();
    for case in scene.core.cases().await {
        deleted.extend(
            scene
                .core
                .posts(&case)
                .await
                .into_iter()
                .filter(|post| post.deleted),
        );
    }
    let deleted: Vec<_> = deleted.iter().map(|post| post.id.as_str()).collect();
    assert_eq!(deleted, [first.as_str()]);
}
