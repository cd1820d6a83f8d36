//! Mastodon: replies that are published once or asked about, and what is heard.

use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, permit};
use crate::fake::mastodon::{FakeMastodon, ME, TOKEN, Traits};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::link::LinkState;
use hearback::adapter::social::mastodon::Mastodon;
use hearback::adapter::supervise::Lost;
use hearback::config;
use hearback::domain::{
    Agent, Audience, CaseNumber, Clock as _, IdempotencyKey, ManualClock, NativeId, PostKind, Reply, ReplyId,
    ReplyState, Visibility,
};
use hearback::port::{Class, Look, PortError, SocialPlatform as _, Target};
use rstest::rstest;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// A server, our account there, and the time.
struct Scene {
    server: FakeMastodon,
    account: Arc<Mastodon>,
    clock: ManualClock,
}

fn configured(server: &FakeMastodon) -> config::Mastodon {
    config::Mastodon {
        name: "fedi".to_owned(),
        url: server.url(),
        access_token: SecretString::from(TOKEN),
        hashtags: vec![],
        search: vec![],
        poll: Duration::from_secs(60),
        approval: None,
    }
}

impl Scene {
    async fn new() -> Self {
        Self::with(Traits::default()).await
    }

    async fn with(traits: Traits) -> Self {
        let clock = ManualClock::default();
        let server = FakeMastodon::with(Arc::new(clock.clone()), traits).await;
        let account = Mastodon::new(
            &configured(&server),
            Duration::from_secs(2),
            Arc::new(clock.clone()),
        );
        let account = Arc::new(account.unwrap());
        Self {
            server,
            account,
            clock,
        }
    }

    /// A reply of ours to a post of ann's, claimed just now.
    fn reply(&self, post: &str, text: &str, audience: Audience) -> Reply {
        let now = self.clock.now();
        let author = self.server.shown(post)["account"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let ada = Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        };
        Reply {
            conversation: NativeId::new(post),
            target: NativeId::new(post),
            author: NativeId::new(author),
            author_handle: "ann@b.example".to_owned(),
            lang: Some("en".to_owned()),
            audience,
            text: self.account.compose(text, "ann@b.example", audience).text,
            state: ReplyState::Sending,
            fence: 1,
            begun_at: Some(now),
            ..Reply::blank(
                ReplyId(1),
                CaseNumber(1),
                "fedi".into(),
                ada,
                "reply-1".into(),
                now,
            )
        }
    }
}

/// Mastodon remembers a key for an hour; we count on a little less.
const KEY: Class = Class::Key {
    window: Duration::from_secs(50 * 60),
};
const ANN: &str = "ann@b.example";

#[tokio::test]
async fn a_reply_stands_under_the_post_it_answers_and_addresses_its_author() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry! See https://shop.example/track", Audience::Public);

    let published = scene.account.publish(&reply, &permit()).await.unwrap();

    let ours = scene.server.published();
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0]["id"], published.id.as_str());
    assert_eq!(ours[0]["url"], published.url.unwrap());
    assert_eq!(ours[0]["in_reply_to_id"], post);
    assert_eq!(ours[0]["visibility"], "public");
    assert_eq!(
        scene.server.calls("publish")[0].query["key"],
        format!("reply-1-{ME}")
    );
    assert_eq!(reply.text, "@ann@b.example Sorry! See https://shop.example/track");
    assert!(matches!(
        scene.account.find(&reply, None).await.unwrap(),
        Look::Found(_)
    ));
}

#[tokio::test]
async fn an_answer_is_never_more_visible_than_what_it_answers() {
    let scene = Scene::new().await;
    let direct = scene.server.write_direct(ANN, "@help this is between us");
    // Even if the reply was frozen when the post looked public.
    let reply = scene.reply(&direct, "Of course.", Audience::Public);
    scene.account.publish(&reply, &permit()).await.unwrap();

    let public = scene.server.write(ANN, "@help all may read this");
    let mut private = scene.reply(&public, "Let us talk alone.", Audience::Private);
    private.key = IdempotencyKey::new("reply-2");
    scene.account.publish(&private, &permit()).await.unwrap();

    let ours = scene.server.published();
    assert_eq!(ours[0]["visibility"], "direct");
    assert_eq!(ours[1]["visibility"], "direct");
    assert_eq!(ours[1]["in_reply_to_id"], public);
}

#[tokio::test]
async fn a_post_that_is_gone_is_not_answered_into_the_void() {
    let scene = Scene::with(Traits {
        makes_orphans: true,
        ..Traits::default()
    })
    .await;
    let post = scene.server.write(ANN, "@help never mind");
    let reply = scene.reply(&post, "What happened?", Audience::Public);
    scene.server.delete(&post);

    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();

    assert!(
        matches!(&error, PortError::Refused(why) if why.contains("gone")),
        "{error:?}"
    );
    assert!(scene.server.published().is_empty());
}

#[tokio::test]
async fn the_post_is_read_before_it_is_answered_as_it_stands_then() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help it is blue");
    let mut reply = scene.reply(&post, "Blue is fine.", Audience::Public);
    reply.begun_at = None;
    scene.clock.advance(Duration::from_secs(5));
    scene.server.edit(&post, "@help it is on fire");
    let target = scene.account.target(&reply, &[]).await.unwrap();
    assert!(
        matches!(&target, Target::Stands { text } if text.ends_with("it is on fire")),
        "{target:?}"
    );

    scene.server.brand_answers(&post, "@ann@b.example Take care!");
    let target = scene.account.target(&reply, &[]).await.unwrap();
    assert!(
        matches!(&target, Target::Answered { text, .. } if text.ends_with("Take care!")),
        "{target:?}"
    );
    let ours = NativeId::new(scene.server.published()[0]["id"].as_str().unwrap());
    let target = scene.account.target(&reply, &[ours]).await.unwrap();
    assert!(matches!(target, Target::Stands { .. }), "{target:?}");

    scene.server.delete(&post);
    let target = scene.account.target(&reply, &[]).await.unwrap();
    assert!(matches!(target, Target::Gone(_)), "{target:?}");
}

#[tokio::test]
async fn a_server_that_misplaces_the_reply_is_not_believed() {
    let scene = Scene::with(Traits {
        misplaces: true,
        ..Traits::default()
    })
    .await;
    let post = scene.server.write(ANN, "@help hello");
    let reply = scene.reply(&post, "Hello!", Audience::Public);

    let published = scene.account.publish(&reply, &permit()).await.unwrap();

    // It is said where it stands; the core sees that it does not belong there.
    let address = scene.server.published()[0]["url"].as_str().unwrap().to_owned();
    assert_eq!(published.url, Some(address));
    assert_ne!(published.parent, Some(reply.target));
}

#[rstest]
#[case::throttled(Fault::RateLimited("7".to_owned()), false)]
#[case::refused(Fault::Status(422), false)]
#[case::forbidden(Fault::Status(403), false)]
#[case::not_believed(Fault::Status(401), false)]
#[case::broken(Fault::Status(500), true)]
#[case::overloaded(Fault::Status(503), true)]
#[case::conflict(Fault::Status(409), true)]
#[case::odd(Fault::Status(418), true)]
#[case::redirected(Fault::Status(302), true)]
#[case::broken_but_done(Fault::StatusButDone(502), true)]
#[case::done_and_gone(Fault::AcceptThenDrop, true)]
#[case::cut(Fault::Drop, true)]
#[case::silent(Fault::Hang, true)]
#[case::nonsense(Fault::Garbage, true)]
#[tokio::test]
async fn only_proven_refusals_count_as_refusals(#[case] fault: Fault, #[case] unknown: bool) {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("publish", fault.clone());

    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();

    assert_eq!(matches!(error, PortError::Unknown(_)), unknown, "{error:?}");
    match fault {
        Fault::RateLimited(_) => {
            assert!(matches!(error, PortError::RetryAfter(wait) if wait == Duration::from_secs(7)));
        }
        Fault::Status(401) => assert!(matches!(error, PortError::Unauthorized(_))),
        Fault::Status(403 | 422) => assert!(matches!(error, PortError::Refused(_))),
        Fault::Status(_)
        | Fault::StatusButDone(_)
        | Fault::AcceptThenDrop
        | Fault::Drop
        | Fault::Hang
        | Fault::Garbage => {}
    }
    // It is tried once, whatever comes back; and a look tells the truth.
    assert_eq!(scene.server.calls("publish").len(), 1);
    let found = scene.account.find(&reply, None).await.unwrap();
    assert_eq!(
        matches!(found, Look::Found(_)),
        !scene.server.published().is_empty()
    );
}

#[rstest]
#[case(401)]
#[case(403)]
#[case(404)]
#[case(422)]
#[tokio::test]
async fn a_page_of_a_proxy_is_no_refusal(#[case] status: u16) {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.gateway().next("publish", status, true);

    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();

    assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    assert!(matches!(
        scene.account.find(&reply, None).await.unwrap(),
        Look::Found(_)
    ));
}

#[rstest]
#[case("gotosocial", 422)]
#[case("pleroma", 404)]
#[case("something new", 403)]
#[tokio::test]
async fn a_refusal_of_a_server_that_nobody_has_read_proves_nothing(
    #[case] software: &'static str,
    #[case] status: u16,
) {
    let scene = Scene::with(Traits {
        software,
        ..Traits::default()
    })
    .await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene
        .server
        .faults()
        .next("publish", Fault::StatusButDone(status));
    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
}

#[rstest]
#[case::nobody_else("Write to shop@help.example, or see https://a.example/@bob.", None)]
#[case::the_author("Hello @ann@b.example!", None)]
#[case::a_third("As @bob@c.example said", Some("@bob@c.example"))]
#[case::a_namesake("Dear @ann, @ann@b.example", Some("@ann"))]
#[tokio::test]
async fn a_private_answer_reaches_nobody_else(#[case] text: &str, #[case] third: Option<&str>) {
    let scene = Scene::new().await;
    scene.account.examine().await;
    let private = scene.account.compose(text, ANN, Audience::Private);
    match third {
        None => assert_eq!(private.refusal, None),
        Some(third) => assert!(private.refusal.unwrap().contains(third)),
    }
    let public = scene.account.compose(text, ANN, Audience::Public);
    assert_eq!(public.refusal, None);
}

#[tokio::test]
async fn an_answer_that_turns_out_to_be_private_names_nobody_else_either() {
    let scene = Scene::new().await;
    let direct = scene.server.write_direct(ANN, "@help this is between us");
    let reply = scene.reply(&direct, "Ask @bob@c.example.", Audience::Public);

    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();

    assert!(
        matches!(&error, PortError::Refused(why) if why.contains("@bob@c.example")),
        "{error:?}"
    );
    assert!(scene.server.published().is_empty());
}

#[rstest]
#[case::limited(Fault::RateLimited("7".to_owned()))]
#[case::broken(Fault::Status(500))]
#[case::cut(Fault::Drop)]
#[case::silent(Fault::Hang)]
#[tokio::test]
async fn what_fails_before_publishing_may_be_tried_again(#[case] fault: Fault) {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("status", fault);

    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();

    assert!(
        matches!(error, PortError::NotReached(_) | PortError::RetryAfter(_)),
        "{error:?}"
    );
    assert!(scene.server.calls("publish").is_empty());
    scene.account.publish(&reply, &permit()).await.unwrap();
    assert_eq!(scene.server.published().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_was_not_reached() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help hello");
    let reply = scene.reply(&post, "Hello!", Audience::Public);
    let Scene { server, account, .. } = scene;
    account.find(&reply, None).await.unwrap();
    drop(server);

    let error = account.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::NotReached(_)), "{error:?}");
}

#[tokio::test]
async fn the_same_key_again_is_the_same_status_where_keys_are_honoured() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("publish", Fault::AcceptThenDrop);
    scene.account.publish(&reply, &permit()).await.unwrap_err();

    let again = scene.account.publish(&reply, &permit()).await.unwrap();

    assert_eq!(scene.account.abilities().class, KEY);
    assert_eq!(scene.server.published().len(), 1);
    assert_eq!(scene.server.published()[0]["id"], again.id.as_str());
}

#[rstest]
#[case("gotosocial", Class::Lookup)]
#[case("snac", Class::Lookup)]
#[case("something new", Class::Lookup)]
#[case("pleroma", KEY)]
#[case("akkoma", KEY)]
#[case("mastodon", KEY)]
#[tokio::test]
async fn what_is_promised_depends_on_what_the_server_runs(
    #[case] software: &'static str,
    #[case] class: Class,
) {
    let scene = Scene::with(Traits {
        software,
        ..Traits::default()
    })
    .await;
    assert_eq!(
        scene.account.abilities().class,
        Class::Lookup,
        "nothing is known yet"
    );
    let findings = scene.account.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert_eq!(scene.account.abilities().class, class);
}

#[tokio::test]
async fn a_private_reply_is_found_where_the_list_hides_it_and_ids_change() {
    let scene = Scene::with(Traits {
        software: "snac2",
        honours_keys: false,
        hides_direct: true,
        ..Traits::default()
    })
    .await;
    let post = scene.server.write_direct(ANN, "@help between us");
    let mut reply = scene.reply(&post, "Sure.", Audience::Private);
    // As posts of this server are kept: without the time of their last change.
    reply.target = NativeId::new(format!("0000000000{}", &post[10..]));
    scene.server.faults().next("publish", Fault::AcceptThenDrop);

    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    let Look::Found(found) = scene.account.find(&reply, None).await.unwrap() else {
        panic!("the answer is not found");
    };

    let ours = scene.server.published();
    assert_eq!(ours.len(), 1);
    assert_eq!(found.id.as_str()[10..], ours[0]["id"].as_str().unwrap()[10..]);
    assert_eq!(scene.account.abilities().class, Class::Lookup);
}

#[tokio::test]
async fn another_answer_of_ours_in_the_meantime_is_a_doubt_for_a_person() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("publish", Fault::Drop);
    scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert_eq!(
        scene.account.find(&reply, None).await.unwrap(),
        Look::Absent { fresh: true }
    );

    scene.clock.advance(Duration::from_secs(10));
    scene
        .server
        .brand_answers(&post, "@ann@b.example we are looking into it");
    let error = scene.account.find(&reply, None).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("other words")),
        "{error:?}"
    );

    scene.server.brand_answers(&post, "@ann@b.example Sorry!");
    assert!(matches!(
        scene.account.find(&reply, None).await.unwrap(),
        Look::Found(_)
    ));

    scene.server.brand_answers(&post, "@ann@b.example  sorry!");
    let found = scene.account.find(&reply, None).await.unwrap();
    assert!(
        matches!(&found, Look::Several(all) if all.len() == 2),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_look_goes_back_as_far_as_the_attempt() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("publish", Fault::AcceptThenDrop);
    scene.account.publish(&reply, &permit()).await.unwrap_err();
    scene.clock.advance(Duration::from_secs(10));
    for n in 0..90 {
        scene.server.write("help", &format!("news {n}"));
    }
    // The thread shows it as well; here the list has to.
    scene.server.faults().next("context", Fault::Status(404));

    assert!(matches!(
        scene.account.find(&reply, None).await.unwrap(),
        Look::Found(_)
    ));
    assert_eq!(scene.server.calls("own").len(), 3);
}

#[tokio::test]
async fn a_look_that_fails_proves_nothing() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help hello");
    let reply = scene.reply(&post, "Hello!", Audience::Public);
    for (call, fault) in [
        ("own", Fault::Status(500)),
        ("own", Fault::Garbage),
        ("context", Fault::Drop),
    ] {
        scene.server.faults().next(call, fault);
        let error = scene.account.find(&reply, None).await.unwrap_err();
        assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    }
}

#[tokio::test]
async fn length_is_counted_the_platforms_way() {
    let scene = Scene::new().await;
    let text = format!("See https://shop.example/{} 👨‍👩‍👧‍👦", "x".repeat(200));
    let composed = scene.account.compose(&text, ANN, Audience::Public);
    // `@ann`, a blank, `See`, a blank, an address as 23, a blank, one family.
    assert_eq!(
        (composed.length, composed.limit),
        (4 + 1 + 3 + 1 + 23 + 1 + 1, 500)
    );
    assert_eq!(composed.unit, "characters");
    let addressed = scene
        .account
        .compose("Hello @Ann@b.example, sorry.", ANN, Audience::Public);
    assert_eq!(addressed.text, "Hello @Ann@b.example, sorry.");
}

#[tokio::test]
async fn doctor_says_whose_token_it_is_and_what_to_mend() {
    let scene = Scene::new().await;
    let well = scene.account.examine().await;
    assert!(well[0].what.contains("@help"), "{well:?}");

    let mut wrong = configured(&scene.server);
    wrong.access_token = SecretString::from("tok_wrong_SECRET");
    let clock = Arc::new(scene.clock.clone());
    let account = Mastodon::new(&wrong, Duration::from_secs(2), clock).unwrap();
    let findings = account.examine().await;
    assert!(
        !findings[0].ok && findings[0].mend.contains("access_token"),
        "{findings:?}"
    );
    assert!(!format!("{findings:?}").contains("SECRET"));

    let late = ManualClock::default();
    late.advance(Duration::from_secs(90));
    let account = Mastodon::new(&configured(&scene.server), Duration::from_secs(2), Arc::new(late));
    let findings = account.unwrap().examine().await;
    let clock = findings
        .iter()
        .find(|finding| finding.what.contains("clock"))
        .unwrap();
    assert!(!clock.ok && clock.what.contains("90 seconds"), "{clock:?}");
}

/// A scene with the core around the account.
struct Play {
    scene: Scene,
    core: Core,
    config: config::Mastodon,
}

impl Play {
    async fn new() -> Self {
        Self::with(Traits::default(), |_| {}).await
    }

    async fn with(traits: Traits, configure: fn(&mut config::Mastodon)) -> Self {
        let clock = ManualClock::default();
        let server = FakeMastodon::with(house::clock(&clock), traits).await;
        let mut config = configured(&server);
        configure(&mut config);
        let account =
            Arc::new(Mastodon::new(&config, Duration::from_secs(20), house::clock(&clock)).unwrap());
        let core = Core::start(&clock, vec![account.clone()]).await;
        let scene = Scene {
            server,
            account,
            clock,
        };
        Self { scene, core, config }
    }

    /// Killed, and up again.
    async fn restart(self) -> Self {
        let Self {
            mut scene,
            core,
            config,
        } = self;
        let clock = house::clock(&scene.clock);
        scene.account = Arc::new(Mastodon::new(&config, Duration::from_secs(20), clock).unwrap());
        let core = core.restart(vec![scene.account.clone()]).await;
        Self { scene, core, config }
    }

    /// A round of reading, and what comes of it.
    async fn sweep(&mut self) {
        self.scene.account.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn a_mention_becomes_a_case_and_the_answer_goes_back_under_it() {
    let mut play = Play::new().await;
    let post = play.scene.server.write(ANN, "@help my parcel is late");
    play.sweep().await;

    let case = &play.core.cases().await[0];
    let heard = &play.core.posts(case).await[0];
    assert_eq!(heard.text, "@help my parcel is late");
    assert_eq!(
        (heard.kind, heard.author.followers),
        (PostKind::Mention, Some(120))
    );
    assert!(play.core.thread(1).contains("my parcel is late"));

    play.core.reply(1, "Sorry, Ann!").await;
    let ours = play.scene.server.published();
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0]["in_reply_to_id"], post);
    assert!(ours[0]["content"].as_str().unwrap().contains("Sorry, Ann!"));
    assert!(play.core.thread(1).contains(ours[0]["url"].as_str().unwrap()));

    // Our own answer comes by again, and another round finds nothing new.
    play.sweep().await;
    play.sweep().await;
    assert_eq!(play.core.cases().await.len(), 1);
    assert_eq!(play.core.cases().await[0].posts, 1);
}

#[tokio::test]
async fn a_conversation_is_one_case_however_deep_it_goes() {
    let mut play = Play::new().await;
    let server = &play.scene.server;
    let complaint = server.write(ANN, "@help my parcel is late");
    let ours = server.brand_answers(&complaint, "@ann@b.example which one?");
    server.answer(ANN, &ours, "@help the blue one");
    server.answer("bob@c.example", &complaint, "@help mine too");
    play.sweep().await;

    let cases = play.core.cases().await;
    assert_eq!(cases.iter().map(|case| case.posts).collect::<Vec<_>>(), [2, 1]);
    assert!(cases.iter().all(|case| case.conversation.as_str() == complaint));
    let kinds: Vec<_> = play
        .core
        .posts(&cases[0])
        .await
        .iter()
        .map(|post| post.kind)
        .collect();
    assert_eq!(kinds, [PostKind::Mention, PostKind::Comment]);
    // Each thread is asked for once, not for each of its posts.
    assert!(play.scene.server.calls("context").len() <= 1);
}

#[tokio::test]
async fn a_direct_message_stays_between_two() {
    let mut play = Play::new().await;
    play.scene
        .server
        .write_direct(ANN, "@help my address is Elm Street 5");
    play.sweep().await;
    let case = &play.core.cases().await[0];
    let heard = &play.core.posts(case).await[0];
    assert_eq!(
        (heard.kind, heard.visibility),
        (PostKind::Message, Visibility::Private)
    );

    play.core.reply(1, "Thank you.").await;
    assert_eq!(play.scene.server.published()[0]["visibility"], "direct");
}

#[tokio::test]
async fn after_an_outage_all_is_read_in_order_and_nothing_twice() {
    let mut play = Play::new().await;
    play.scene.server.write(ANN, "@help before");
    play.sweep().await;
    for n in 1..=200 {
        play.scene.clock.advance(Duration::from_secs(1));
        play.scene.server.write(ANN, &format!("@help number {n}"));
    }
    // The server gives up in the middle, and we are killed at that moment.
    let (server, account) = (&play.scene.server, &play.scene.account);
    server.faults().next("notifications", Fault::Status(200));
    let broken = account.sweep(&play.core.inbound).await.unwrap_err();
    assert!(matches!(broken, Lost::Broken(_)), "{broken:?}");
    let mut play = play.restart().await;
    play.scene
        .server
        .faults()
        .next("notifications", Fault::RateLimited("30".to_owned()));
    let limited = play.scene.account.sweep(&play.core.inbound).await.unwrap_err();
    assert!(
        matches!(limited, Lost::Later(wait) if wait == Duration::from_secs(30)),
        "{limited:?}"
    );
    play.sweep().await;

    let cases = play.core.cases().await;
    assert_eq!(cases.len(), 201);
    for (n, case) in cases.iter().enumerate().skip(1) {
        assert_eq!(play.core.posts(case).await[0].text, format!("@help number {n}"));
    }
    let calls = play.scene.server.calls("notifications");
    assert!(calls.iter().all(|called| called.query["limit"] == "80"));
    assert!(calls.iter().all(|called| called.query["types[]"] == "mention"));
    assert!(
        calls
            .iter()
            .skip(1)
            .all(|called| called.query.contains_key("min_id"))
    );
}

#[tokio::test]
async fn a_first_start_opens_no_old_cases() {
    let mut play = Play::new().await;
    play.scene.server.write(ANN, "@help long ago");
    play.scene.clock.advance(Duration::from_secs(25 * 3600));
    play.scene.server.write(ANN, "@help today");
    play.sweep().await;
    let cases = play.core.cases().await;
    assert_eq!(cases.len(), 1);
    assert_eq!(play.core.posts(&cases[0]).await[0].text, "@help today");
}

/// A scene that listens to a hashtag and to words.
async fn curious() -> Play {
    Play::with(Traits::default(), |config| {
        config.hashtags = vec!["late".to_owned(), "lost".to_owned()];
        config.search = vec!["parcel".to_owned()];
    })
    .await
}

/// What all posts say, in the order of their cases.
async fn heard(play: &Play) -> Vec<String> {
    let mut texts = Vec::new();
    for case in play.core.cases().await {
        texts.extend(play.core.posts(&case).await.into_iter().map(|post| post.text));
    }
    texts
}

#[tokio::test]
async fn a_post_that_its_server_fetched_late_is_heard() {
    let mut play = curious().await;
    let server = &play.scene.server;
    server.write(ANN, "#late long ago");
    server.write(ANN, "my parcel, long ago");
    play.scene.clock.advance(Duration::from_secs(25 * 3600));
    let first = play.scene.server.write(ANN, "#late one");
    play.sweep().await;
    // Their ids are those of the time before the first.
    play.scene.server.fetch("bob@c.example", "#late two", &first);
    play.scene
        .server
        .fetch("eve@d.example", "a parcel, three", &first);

    play.sweep().await;
    play.sweep().await;

    assert_eq!(heard(&play).await, ["#late one", "#late two", "a parcel, three"]);
}

#[tokio::test]
async fn more_posts_than_a_page_holds_are_read_in_order() {
    let mut play = curious().await;
    play.scene.server.write(ANN, "#late 0");
    play.sweep().await;
    for n in 1..=100 {
        play.scene.server.write(ANN, &format!("#late {n}"));
    }
    play.sweep().await;
    let expected: Vec<_> = (0..=100).map(|n| format!("#late {n}")).collect();
    assert_eq!(heard(&play).await, expected);
}

#[tokio::test]
async fn an_hour_of_sweeps_stays_within_the_limit_of_pages() {
    let mut play = curious().await;
    for n in 0..120 {
        play.scene.clock.advance(Duration::from_secs(15));
        play.scene
            .server
            .write(ANN, &format!("@help #late #lost parcel {n}"));
        play.sweep().await;
    }
    let server = &play.scene.server;
    let paged = ["notifications", "tag", "search", "own"]
        .into_iter()
        .flat_map(|call| server.calls(call))
        .filter(|called| called.query.contains_key("min_id"))
        .count();
    // Half an hour has two windows of 300.
    assert_eq!(paged, 119);
    assert_eq!(play.core.cases().await.len(), 120);
}

#[tokio::test]
async fn one_feed_that_cannot_be_read_stops_none_of_the_others() {
    let mut play = curious().await;
    play.scene.server.write("bob@c.example", "#late one");
    play.scene.server.write("eve@d.example", "#lost two");
    play.scene.server.write(ANN, "a parcel, three");
    play.scene.server.faults().next("tag", Fault::Status(503));
    play.sweep().await;
    assert_eq!(heard(&play).await, ["#lost two", "a parcel, three"]);

    let limited = Fault::RateLimited("30".to_owned());
    play.scene.server.faults().next("tag", limited);
    play.scene.server.faults().next("search", Fault::Status(403));
    play.sweep().await;
    assert_eq!(play.scene.server.calls("tag").len(), 4);
    // As long as the server wants, the feed is left alone; then it is read.
    play.sweep().await;
    assert_eq!(play.scene.server.calls("tag").len(), 5);
    assert_eq!(play.scene.server.calls("search").len(), 3);
    play.scene.clock.advance(Duration::from_secs(30));
    play.sweep().await;
    assert_eq!(heard(&play).await, ["#lost two", "a parcel, three", "#late one"]);
}

/// Bob answers a thread that ann began without us, and names us in it. Gives ann's post and the one
/// between.
fn thread(server: &FakeMastodon) -> (String, String) {
    let complaint = server.write(ANN, "my parcel is late");
    let between = server.answer("eve@d.example", &complaint, "mine too");
    server.answer("bob@c.example", &between, "@help look at this");
    (complaint, between)
}

#[rstest]
#[case::overloaded(|server: &FakeMastodon| server.faults().next("context", Fault::Status(503)))]
#[case::nonsense(|server: &FakeMastodon| server.faults().next("context", Fault::Garbage))]
#[case::a_page_of_a_proxy(|server: &FakeMastodon| server.gateway().next("context", 404, false))]
#[tokio::test]
async fn a_thread_that_cannot_be_read_for_a_moment_is_asked_for_again(#[case] spoil: fn(&FakeMastodon)) {
    let mut play = Play::new().await;
    let (complaint, _) = thread(&play.scene.server);
    spoil(&play.scene.server);
    let lost = play.scene.account.sweep(&play.core.inbound).await.unwrap_err();
    assert!(matches!(lost, Lost::Broken(_)), "{lost:?}");
    assert!(play.core.cases().await.is_empty());

    play.sweep().await;

    assert_eq!(play.core.cases().await[0].conversation.as_str(), complaint);
}

#[tokio::test]
async fn a_thread_that_can_never_be_read_blocks_nothing() {
    let mut play = Play::new().await;
    let (complaint, between) = thread(&play.scene.server);
    for _ in 0..6 {
        play.scene.server.faults().next("context", Fault::Status(500));
    }
    for _ in 0..5 {
        play.scene.account.sweep(&play.core.inbound).await.unwrap_err();
    }
    play.sweep().await;
    // Others still find where the thread began.
    play.scene
        .server
        .answer("joe@e.example", &between, "@help and mine");
    play.sweep().await;

    let cases = play.core.cases().await;
    assert_eq!(cases[0].conversation.as_str(), between);
    assert_eq!(cases[1].conversation.as_str(), complaint);
}

#[tokio::test]
async fn what_stands_below_a_post_need_not_be_readable() {
    let traits = Traits {
        odd_threads: true,
        ..Traits::default()
    };
    let mut play = Play::with(traits, |_| {}).await;
    let (complaint, _) = thread(&play.scene.server);
    play.sweep().await;
    assert_eq!(play.core.cases().await[0].conversation.as_str(), complaint);
}

#[tokio::test]
async fn a_page_of_a_proxy_deletes_nothing() {
    let mut play = Play::new().await;
    let post = play.scene.server.write(ANN, "@help my parcel is late");
    play.sweep().await;
    for status in [404, 410, 404] {
        play.scene.server.gateway().next("status", status, false);
        play.sweep().await;
    }
    let case = &play.core.cases().await[0];
    assert!(!play.core.posts(case).await[0].deleted);

    // Nor does it end a reply.
    play.scene.server.gateway().next("status", 404, false);
    let reply = play.scene.reply(&post, "Sorry!", Audience::Public);
    let error = play.scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::NotReached(_)), "{error:?}");

    // Missed once and there again is not missed twice.
    play.scene.server.faults().next("status", Fault::Status(404));
    play.sweep().await;
    play.sweep().await;
    play.scene.server.faults().next("status", Fault::Status(404));
    play.sweep().await;
    assert!(!play.core.posts(case).await[0].deleted);
}

#[tokio::test]
async fn where_the_newest_come_first_none_is_left_out_and_an_edit_is_no_new_post() {
    let traits = Traits {
        software: "snac2",
        leaps: true,
        ..Traits::default()
    };
    let mut play = Play::with(traits, |_| {}).await;
    let first = play.scene.server.write(ANN, "@help before");
    play.sweep().await;
    for n in 1..=100 {
        play.scene.clock.advance(Duration::from_secs(1));
        play.scene.server.write(ANN, &format!("@help number {n}"));
    }
    play.scene.server.edit(&first, "@help before, edited");
    play.sweep().await;
    for _ in 0..10 {
        play.sweep().await;
    }

    let cases = play.core.cases().await;
    assert_eq!(cases.len(), 101);
    assert_eq!(play.core.posts(&cases[0]).await[0].text, "@help before, edited");
    assert_eq!(play.core.posts(&cases[1]).await[0].kind, PostKind::Mention);
    for (n, case) in cases.iter().enumerate().skip(1) {
        assert_eq!(play.core.posts(case).await[0].text, format!("@help number {n}"));
    }
    // A reply finds the post by the id that stays.
    play.core.reply(1, "We see.").await;
    assert_eq!(play.scene.server.published().len(), 1);
    assert!(play.core.cases().await[0].pending.is_none());
}

#[tokio::test]
async fn edits_and_deletions_are_seen_without_being_told() {
    let mut play = Play::new().await;
    let one = play.scene.server.write(ANN, "@help it is blue");
    let two = play.scene.server.write("bob@c.example", "@help never mind");
    play.sweep().await;
    play.scene.clock.advance(Duration::from_secs(60));
    play.scene.server.edit(&one, "@help it is on fire");
    play.scene.server.delete(&two);

    // One look that does not find a post proves nothing; the second does.
    play.sweep().await;
    let cases = play.core.cases().await;
    assert!(!play.core.posts(&cases[1]).await[0].deleted);
    play.sweep().await;

    let thread = play.core.thread(1);
    assert!(
        thread.contains("it is blue") && thread.contains("it is on fire"),
        "{thread}"
    );
    let cases = play.core.cases().await;
    assert!(play.core.posts(&cases[1]).await[0].deleted);
    // Said once, not with every round.
    let before = (play.core.thread(1), play.core.thread(2));
    play.sweep().await;
    assert_eq!((play.core.thread(1), play.core.thread(2)), before);
}

#[tokio::test]
async fn a_post_seen_in_three_places_is_one_post() {
    let mut play = Play::with(Traits::default(), |config| {
        config.hashtags = vec!["#parcelhell".to_owned()];
        config.search = vec!["parcel".to_owned()];
    })
    .await;
    play.scene
        .server
        .write(ANN, "@help my parcel is late #parcelhell");
    play.scene.server.write("bob@c.example", "what a day #parcelhell");
    play.scene
        .server
        .write("eve@d.example", "has anybody seen my parcel?");
    play.scene
        .server
        .write("help", "We ship every parcel. #parcelhell");
    play.sweep().await;
    play.sweep().await;

    let cases = play.core.cases().await;
    let mut heard = Vec::new();
    for case in &cases {
        heard.extend(
            play.core
                .posts(case)
                .await
                .into_iter()
                .map(|post| (post.author.handle, post.kind)),
        );
    }
    assert_eq!(
        heard,
        [
            (ANN.to_owned(), PostKind::Mention),
            ("bob@c.example".to_owned(), PostKind::Post),
            ("eve@d.example".to_owned(), PostKind::Post),
        ]
    );
}

#[tokio::test]
async fn where_searching_is_not_allowed_the_rest_is_read_all_the_same() {
    let traits = Traits {
        searches: false,
        ..Traits::default()
    };
    let mut play = Play::with(traits, |config| config.search = vec!["parcel".to_owned()]).await;
    play.scene.server.write(ANN, "@help my parcel is late");
    play.sweep().await;
    play.sweep().await;
    assert_eq!(play.core.cases().await.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside_and_blocks_nothing() {
    let mut play = Play::new().await;
    play.scene.server.write(ANN, "@help one");
    play.scene
        .server
        .poison(serde_json::json!({"type": "mention", "status": {"id": 7}}));
    play.scene
        .server
        .poison(serde_json::json!({"type": "a later kind", "status": {"id": 7}}));
    play.scene.server.write(ANN, "@help two");
    play.sweep().await;
    assert_eq!(play.core.cases().await.len(), 2);
}

#[rstest]
#[case::mastodon("mastodon", true)]
#[case::ignores_keys("gotosocial", false)]
#[case::changes_ids("snac2", false)]
#[tokio::test]
async fn an_answer_lost_on_the_way_leaves_exactly_one_status(
    #[case] software: &'static str,
    #[case] honours_keys: bool,
) {
    for (fault, calls) in [
        (Fault::AcceptThenDrop, 1),
        (Fault::StatusButDone(502), 1),
        (Fault::Drop, 2),
    ] {
        let traits = Traits {
            software,
            honours_keys,
            ..Traits::default()
        };
        let mut play = Play::with(traits, |_| {}).await;
        play.scene.server.write(ANN, "@help my parcel is late");
        play.sweep().await;
        play.scene.server.faults().next("publish", fault);
        play.core
            .reply(
                1,
                "Sorry, see https://shop.example/orders/2026/11/21/4711?lang=en",
            )
            .await;

        // Killed while nobody knows, and up again.
        let mut play = play.restart().await;
        play.core.wait(house::SETTLE).await;
        play.core.wait(house::SETTLE).await;

        assert_eq!(play.scene.server.published().len(), 1);
        assert_eq!(play.scene.server.calls("publish").len(), calls);
        let thread = play.core.thread(1);
        let url = play.scene.server.published()[0]["url"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(thread.contains(&url), "{thread}");
    }
}

#[rstest]
#[case::in_a_header(false)]
#[case::as_the_protocol(true)]
#[tokio::test]
async fn the_stream_wakes_the_reading_at_once_and_comes_back_when_it_breaks(#[case] token_as_protocol: bool) {
    let traits = Traits {
        token_as_protocol,
        ..Traits::default()
    };
    let play = Play::with(traits, |config| config.poll = Duration::from_secs(3600)).await;
    let Play { scene, core, .. } = play;
    let running = core.run();
    let account = scene.account.clone();
    running
        .tracker
        .spawn(account.run(running.inbound.clone(), running.stop.clone()));
    scene.server.listened_to().await;
    // The sweep at the start, and the one for what came before the stream stood.
    scene.server.called("notifications", 2).await;

    scene.server.write(ANN, "@help one");
    running.threads(1).await;

    scene.server.close_streams();
    scene.server.called("stream", 2).await;
    scene.server.write(ANN, "@help two");
    running.threads(2).await;
    assert_eq!(running.cases().await.len(), 2);
    assert_eq!(scene.account.links()[0].state(), LinkState::Up);
}

#[tokio::test]
async fn what_needs_no_answer_is_not_read_and_a_crowd_is_read_together() {
    let play = Play::with(Traits::default(), |config| {
        config.poll = Duration::from_secs(3600);
    })
    .await;
    let Play { scene, core, .. } = play;
    let ours = scene.server.write("help", "We ship every parcel.");
    let mut posts = Vec::new();
    for n in 0..15 {
        posts.push(scene.server.write(ANN, &format!("@help {n}")));
    }
    let running = core.run();
    let account = scene.account.clone();
    running
        .tracker
        .spawn(account.run(running.inbound.clone(), running.stop.clone()));
    scene.server.listened_to().await;
    scene.server.called("notifications", 2).await;

    // A deletion that came after it shows that the stream was heard so far.
    let (quiet, busy) = posts.split_at(10);
    for (n, post) in quiet.iter().enumerate() {
        scene.server.favourite(&format!("fan{n}@b.example"), &ours);
        scene.server.say("delete", post);
        running.deleted(post).await;
    }
    assert_eq!(scene.server.calls("notifications").len(), 2);

    for post in busy {
        scene.server.write(ANN, "@help and another");
        scene.server.say("delete", post);
        running.deleted(post).await;
    }
    running.threads(20).await;
    // The next reading after five seconds had all of them; or two, if it began amid the crowd.
    let calls = scene.server.calls("notifications").len();
    assert!((3..=4).contains(&calls), "{calls} calls");
}

#[tokio::test]
async fn the_stream_tells_edits_and_deletions_where_a_server_sends_them() {
    let play = Play::with(Traits::default(), |config| {
        config.poll = Duration::from_secs(3600)
    })
    .await;
    let Play { scene, core, .. } = play;
    let running = core.run();
    let account = scene.account.clone();
    running
        .tracker
        .spawn(account.run(running.inbound.clone(), running.stop.clone()));
    scene.server.listened_to().await;
    let post = scene.server.write(ANN, "@help it is blue");
    running.threads(1).await;

    scene.clock.advance(Duration::from_secs(5));
    scene.server.edit(&post, "@help it is on fire");
    scene
        .server
        .say("status.update", &scene.server.shown(&post).to_string());
    running.said(0, "it is on fire").await;
    scene.server.say("delete", &post);
    running.deleted(&post).await;
}

#[tokio::test]
async fn a_server_without_a_stream_is_read_by_the_sweep_alone() {
    let play = Play::with(Traits::default(), |config| {
        config.poll = Duration::from_millis(50)
    })
    .await;
    let Play { scene, core, .. } = play;
    for _ in 0..1000 {
        scene.server.faults().next("stream", Fault::Status(404));
    }
    let running = core.run();
    let account = scene.account.clone();
    running
        .tracker
        .spawn(account.run(running.inbound.clone(), running.stop.clone()));
    scene.server.called("notifications", 2).await;
    scene.server.write(ANN, "@help one");
    running.threads(1).await;
    assert!(
        scene
            .account
            .links()
            .iter()
            .all(|link| link.state() == LinkState::Up)
    );
}

#[tokio::test]
async fn a_token_that_is_not_accepted_is_said_with_the_mend() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.access_token = SecretString::from("tok_wrong_SECRET");
    let account = Mastodon::new(&config, Duration::from_secs(20), house::clock(&scene.clock)).unwrap();
    let core = Core::start(&scene.clock, vec![]).await;
    let lost = account.sweep(&core.inbound).await.unwrap_err();
    let Lost::Hopeless(why) = lost else {
        panic!("{lost:?}");
    };
    assert!(why.contains("access_token") && !why.contains("SECRET"), "{why}");
}
