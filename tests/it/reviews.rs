//! The one place for an answer below a review, which all platforms of reviews share; played on Google Play.
//! What else every connector keeps is in `conformance`.

use crate::fake::fault::Fault;
use crate::fake::google;
use crate::fake::google_play::{FakeGooglePlay, PACKAGE};
use crate::fake::house::{self, Core, permit};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::google_play::GooglePlay;
use hearback::config;
use hearback::domain::{
    Agent, Audience, CaseNumber, Clock as _, Kind, ManualClock, NativeId, Reply, ReplyId, ReplyState,
};
use hearback::port::{Look, PortError, SocialPlatform as _, Target};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

struct Scene {
    server: FakeGooglePlay,
    app: Arc<GooglePlay>,
    clock: ManualClock,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeGooglePlay::start(house::clock(&clock)).await;
        let app = connect(&server, &clock);
        Self { server, app, clock }
    }

    fn review(&self, text: &str) -> String {
        self.server.books.write("ann", text, Duration::ZERO)
    }

    fn stands(&self, review: &str) -> Option<String> {
        let world = self.server.books.world();
        let answer = world.find(review).unwrap().answer.as_ref();
        answer.map(|answer| answer.text.clone())
    }

    /// A reply of ours, claimed just now.
    fn reply(&self, id: i64, review: &str, text: &str) -> Reply {
        let now = self.clock.now();
        let ada = Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        };
        let key = format!("reply-{id}").as_str().into();
        Reply {
            account: Some(NativeId::new(PACKAGE)),
            target: review.into(),
            author: review.into(),
            author_handle: "ann".to_owned(),
            audience: Audience::Public,
            text: text.to_owned(),
            state: ReplyState::Sending,
            fence: 1,
            ..Reply::blank(ReplyId(id), CaseNumber(1), "play".into(), ada, key, now)
        }
    }
}

fn connect(server: &FakeGooglePlay, clock: &ManualClock) -> Arc<GooglePlay> {
    let config = config::GooglePlay {
        name: "play".to_owned(),
        url: server.url(),
        service_account_key: google::key_file().into(),
        package_name: PACKAGE.to_owned(),
        poll: Duration::from_secs(300),
        approval: None,
    };
    Arc::new(GooglePlay::new(&config, Duration::from_secs(5), house::clock(clock)).unwrap())
}

#[tokio::test]
async fn a_colleagues_words_are_replaced_only_after_a_yes_to_exactly_these() {
    let scene = Scene::new().await;
    let review = scene.review("late");
    scene.server.books.colleague(&review, "We are on it.");
    let mut reply = scene.reply(1, &review, "Sorry!");
    let Target::Answered { text, .. } = scene.app.target(&reply, &[]).await.unwrap() else {
        panic!("the place is not empty")
    };
    assert!(
        text.contains("We are on it.") && text.contains("replace"),
        "{text}"
    );
    // The agent says yes; meanwhile the colleague writes something else.
    reply.over_answer = true;
    scene.server.books.colleague(&review, "It arrives on Monday.");
    scene.app.target(&reply, &[]).await.unwrap();
    let refused = scene.app.publish(&reply, &permit()).await.unwrap_err();
    assert!(
        matches!(&refused, PortError::Refused(why) if why.contains("It arrives on Monday.")),
        "{refused:?}"
    );
    assert_eq!(scene.stands(&review).as_deref(), Some("It arrives on Monday."));
    // Another reply, and a yes to what stands there.
    let mut again = scene.reply(2, &review, "Sorry!");
    scene.app.target(&again, &[]).await.unwrap();
    again.over_answer = true;
    scene.app.target(&again, &[]).await.unwrap();
    scene.app.publish(&again, &permit()).await.unwrap();
    assert_eq!(scene.stands(&review).as_deref(), Some("Sorry!"));
}

#[tokio::test]
async fn a_yes_to_an_edited_review_is_none_to_an_answer_that_came_later() {
    let scene = Scene::new().await;
    let review = scene.review("late");
    let mut reply = scene.reply(1, &review, "Sorry!");
    let target = scene.app.target(&reply, &[]).await.unwrap();
    assert!(matches!(target, Target::Stands { .. }), "{target:?}");
    reply.over_answer = true;
    scene.server.books.colleague(&review, "We are on it.");
    scene.app.target(&reply, &[]).await.unwrap();
    let refused = scene.app.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(refused, PortError::Refused(_)), "{refused:?}");
    assert_eq!(scene.stands(&review).as_deref(), Some("We are on it."));
}

#[tokio::test]
async fn a_yes_is_none_any_more_after_a_restart_where_somebodys_words_stand() {
    let mut scene = Scene::new().await;
    let review = scene.review("late");
    scene.server.books.colleague(&review, "We are on it.");
    let mut reply = scene.reply(1, &review, "Sorry!");
    scene.app.target(&reply, &[]).await.unwrap();
    reply.over_answer = true;
    // Nobody knows any more what was shown, and the colleague may have written something else.
    scene.app = connect(&scene.server, &scene.clock);
    scene.server.books.colleague(&review, "It arrives on Monday.");
    scene.app.target(&reply, &[]).await.unwrap();
    let refused = scene.app.publish(&reply, &permit()).await.unwrap_err();
    assert!(
        matches!(&refused, PortError::Refused(why) if why.contains("write the reply once more")),
        "{refused:?}"
    );
    assert_eq!(scene.stands(&review).as_deref(), Some("It arrives on Monday."));
    // Where nothing stands nothing is lost.
    let empty = scene.review("late, too");
    let mut reply = scene.reply(2, &empty, "Sorry!");
    reply.over_answer = true;
    scene.app.target(&reply, &[]).await.unwrap();
    scene.app.publish(&reply, &permit()).await.unwrap();
}

#[tokio::test]
async fn one_review_that_cannot_be_read_stops_none_of_the_others() {
    let scene = Scene::new().await;
    let core = Core::start(&scene.clock, vec![scene.app.clone()]).await;
    let stands = scene.review("late");
    scene.clock.advance(Duration::from_secs(1));
    scene.review("broken");
    scene.app.sweep(&core.inbound).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    scene.server.books.delete(&stands);
    // The newest is read first.
    scene.server.books.faults.next("get", Fault::Status(500));
    for _ in 0..2 {
        scene.app.sweep(&core.inbound).await.unwrap();
    }
    let cases = core.cases().await;
    assert!(core.posts(&cases[0]).await[0].deleted);
    assert!(!core.posts(&cases[1]).await[0].deleted);
}

#[tokio::test]
async fn where_the_readings_of_an_hour_get_scarce_known_reviews_are_not_read_again() {
    let scene = Scene::new().await;
    let core = Core::start(&scene.clock, vec![scene.app.clone()]).await;
    scene.review("late");
    scene.app.sweep(&core.inbound).await.unwrap();
    let read = scene.server.books.calls("get");
    assert!(read > 0);
    let meter = scene.app.meter().unwrap();
    assert_eq!(
        meter.usage(scene.clock.now())[0].words,
        format!("{} of 200 readings this hour", read + 1)
    );
    meter.spent(160, scene.clock.now());
    scene.review("late, too");
    scene.app.sweep(&core.inbound).await.unwrap();
    assert_eq!(core.cases().await.len(), 2);
    assert_eq!(scene.server.books.calls("get"), read);
    scene.clock.advance(Duration::from_secs(3600));
    scene.app.sweep(&core.inbound).await.unwrap();
    assert!(scene.server.books.calls("get") > read);
}

#[tokio::test]
async fn our_own_answer_may_be_replaced_by_another_of_ours() {
    let scene = Scene::new().await;
    let review = scene.review("late");
    let first = scene.reply(1, &review, "Sorry!");
    scene.app.target(&first, &[]).await.unwrap();
    let published = scene.app.publish(&first, &permit()).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    let second = scene.reply(2, &review, "It arrives on Monday.");
    let target = scene
        .app
        .target(&second, std::slice::from_ref(&published.id))
        .await
        .unwrap();
    assert!(matches!(target, Target::Stands { .. }), "{target:?}");
    let other = scene.app.publish(&second, &permit()).await.unwrap();
    assert_ne!(other.id, published.id);
    assert_eq!(other.parent, Some(NativeId::new(&review)));
    // The very same words are not sent once more.
    let third = scene.reply(3, &review, "It arrives on  Monday.");
    scene.app.target(&third, &[published.id, other.id]).await.unwrap();
    let refused = scene.app.publish(&third, &permit()).await.unwrap_err();
    assert!(
        matches!(&refused, PortError::Refused(why) if why.contains("already")),
        "{refused:?}"
    );
    assert_eq!(scene.server.books.calls("reply"), 2);
}

#[tokio::test]
async fn after_a_restart_an_earlier_attempt_is_found_and_other_words_ask_a_person() {
    let mut scene = Scene::new().await;
    let review = scene.review("late");
    let mut reply = scene.reply(1, &review, "Sorry!");
    scene.app.target(&reply, &[]).await.unwrap();
    scene.server.books.faults.next("reply", Fault::AcceptThenDrop);
    let unsure = scene.app.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(unsure, PortError::Unknown(_)), "{unsure:?}");
    scene.app = connect(&scene.server, &scene.clock);
    let Look::Found(found) = scene.app.find(&reply, None).await.unwrap() else {
        panic!("it stands there")
    };
    reply.fence = 2;
    assert_eq!(scene.app.publish(&reply, &permit()).await.unwrap(), found);
    assert_eq!(scene.server.books.calls("reply"), 1);
    scene.server.books.colleague(&review, "We are on it.");
    let unsure = scene.app.find(&reply, None).await.unwrap_err();
    assert!(matches!(unsure, PortError::Unknown(_)), "{unsure:?}");
    // A person says where it stands: only the review's own address counts.
    let visit = async |address: &str| scene.app.visit(&reply, address).await;
    assert!(
        visit("https://play.google.com/store/apps/details?id=com.example.shop")
            .await
            .is_err()
    );
    assert!(visit(found.url.as_deref().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_refusal_is_believed_only_where_the_place_is_empty() {
    let scene = Scene::new().await;
    let review = scene.review("late");
    let reply = scene.reply(1, &review, "Sorry!");
    scene.app.target(&reply, &[]).await.unwrap();
    scene.server.books.faults.next("reply", Fault::StatusButDone(403));
    let unsure = scene.app.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(unsure, PortError::Unknown(_)), "{unsure:?}");
}

#[tokio::test]
async fn a_reply_for_another_app_is_not_sent() {
    let scene = Scene::new().await;
    let review = scene.review("late");
    let mut reply = scene.reply(1, &review, "Sorry!");
    reply.account = Some(NativeId::new("com.example.other"));
    scene.app.target(&reply, &[]).await.unwrap();
    let refused = scene.app.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(refused, PortError::Refused(_)), "{refused:?}");
    assert_eq!(scene.server.books.calls("reply"), 0);
}

#[tokio::test]
async fn stars_and_changes_come_with_the_review_and_what_leaves_the_list_is_not_deleted() {
    let scene = Scene::new().await;
    let mut core = Core::start(&scene.clock, vec![scene.app.clone()]).await;
    let review = scene.review("late");
    let praise = scene.review("never late");
    scene.server.books.world().find_mut(&praise).unwrap().stars = 5;
    scene.app.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let cases = core.cases().await;
    assert_eq!((cases[0].kind, cases[1].kind), (Kind::Complaint, Kind::Praise));
    let post = &core.posts(&cases[0]).await[0];
    assert_eq!((post.rating, post.edited_at), (Some(2), None));
    // A restart knows nothing, and takes nothing for an edit but what is one.
    scene.clock.advance(Duration::from_secs(60));
    scene.server.books.edit(&review, "late, and broken");
    let app = connect(&scene.server, &scene.clock);
    app.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let post = &core.posts(&cases[0]).await[0];
    assert_eq!(post.edited_at, Some(scene.clock.now()));
    assert!(core.thread(1).contains("late, and broken"));
    assert!(core.posts(&cases[1]).await[0].edited_at.is_none());
    // A week later it is in no list, and may not be readable: that is no deletion.
    scene.clock.advance(8 * DAY);
    scene.server.books.delete(&review);
    for _ in 0..4 {
        app.sweep(&core.inbound).await.unwrap();
    }
    assert!(!core.posts(&cases[0]).await[0].deleted);
}

#[tokio::test]
async fn what_the_store_would_take_out_of_an_answer_is_refused_before_it_is_written() {
    let scene = Scene::new().await;
    let composed = |text: &str| scene.app.compose(text, "ann", Audience::Public);
    assert!(composed("Press <b>Menu</b>").refusal.unwrap().contains("HTML"));
    assert!(composed("I <3 you").refusal.is_none());
    let private = scene.app.compose("Hello", "ann", Audience::Private);
    assert!(private.refusal.is_some());
}
