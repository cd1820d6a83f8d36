//! Mastodon: replies that are published once or asked about, and what is heard.

use crate::fake::fault::Fault;
use crate::fake::mastodon::{FakeMastodon, ME, TOKEN, Traits};
use hearback::adapter::social::mastodon::Mastodon;
use hearback::config;
use hearback::domain::{
    Agent, Audience, CaseNumber, Clock as _, IdempotencyKey, ManualClock, NativeId, Reply, ReplyId,
    ReplyState, SourceName, Visibility,
};
use hearback::port::{Class, PortError, SocialPlatform as _};
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
        Reply {
            id: ReplyId(1),
            case: CaseNumber(1),
            source: SourceName::new("fedi"),
            conversation: NativeId::new(post),
            target: NativeId::new(post),
            target_visibility: Visibility::Public,
            author: NativeId::new(author),
            author_handle: "ann@b.example".to_owned(),
            lang: Some("en".to_owned()),
            audience,
            text: self.account.compose(text, "ann@b.example", audience).text,
            agent: Agent {
                key: "Ada".to_owned(),
                name: "Ada".to_owned(),
            },
            key: IdempotencyKey::new("reply-1"),
            state: ReplyState::Sending,
            created_at: now,
            hold_until: now,
            fence: 1,
            begun_at: Some(now),
            remote_id: None,
            url: None,
            reason: None,
        }
    }
}

const ANN: &str = "ann@b.example";

#[tokio::test]
async fn a_reply_stands_under_the_post_it_answers_and_addresses_its_author() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry! See https://shop.example/track", Audience::Public);

    let published = scene.account.publish(&reply).await.unwrap();

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
    assert!(scene.account.find(&reply).await.unwrap().is_some());
}

#[tokio::test]
async fn an_answer_is_never_more_visible_than_what_it_answers() {
    let scene = Scene::new().await;
    let direct = scene.server.write_direct(ANN, "@help this is between us");
    // Even if the reply was frozen when the post looked public.
    let reply = scene.reply(&direct, "Of course.", Audience::Public);
    scene.account.publish(&reply).await.unwrap();

    let public = scene.server.write(ANN, "@help all may read this");
    let mut private = scene.reply(&public, "Let us talk alone.", Audience::Private);
    private.key = IdempotencyKey::new("reply-2");
    scene.account.publish(&private).await.unwrap();

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

    let error = scene.account.publish(&reply).await.unwrap_err();

    assert!(
        matches!(&error, PortError::Refused(why) if why.contains("gone")),
        "{error:?}"
    );
    assert!(scene.server.published().is_empty());
}

#[tokio::test]
async fn a_post_edited_after_the_reply_was_written_is_read_again_first() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help it is blue");
    let reply = scene.reply(&post, "Blue is fine.", Audience::Public);
    scene.clock.advance(Duration::from_secs(5));
    scene.server.edit(&post, "@help it is on fire");

    let error = scene.account.publish(&reply).await.unwrap_err();

    assert!(
        matches!(&error, PortError::Refused(why) if why.contains("edited")),
        "{error:?}"
    );
    assert!(scene.server.published().is_empty());
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

    let error = scene.account.publish(&reply).await.unwrap_err();

    let address = scene.server.published()[0]["url"].as_str().unwrap().to_owned();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("not under the post") && why.contains(&address)),
        "{error:?}"
    );
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

    let error = scene.account.publish(&reply).await.unwrap_err();

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
    let found = scene.account.find(&reply).await.unwrap();
    assert_eq!(found.is_some(), !scene.server.published().is_empty());
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

    let error = scene.account.publish(&reply).await.unwrap_err();

    assert!(
        matches!(error, PortError::NotReached(_) | PortError::RetryAfter(_)),
        "{error:?}"
    );
    assert!(scene.server.calls("publish").is_empty());
    scene.account.publish(&reply).await.unwrap();
    assert_eq!(scene.server.published().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_was_not_reached() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help hello");
    let reply = scene.reply(&post, "Hello!", Audience::Public);
    let Scene { server, account, .. } = scene;
    account.find(&reply).await.unwrap();
    drop(server);

    let error = account.publish(&reply).await.unwrap_err();
    assert!(matches!(error, PortError::NotReached(_)), "{error:?}");
}

#[tokio::test]
async fn the_same_key_again_is_the_same_status_where_keys_are_honoured() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("publish", Fault::AcceptThenDrop);
    scene.account.publish(&reply).await.unwrap_err();

    let again = scene.account.publish(&reply).await.unwrap();

    assert_eq!(scene.account.abilities().class, Class::Key);
    assert_eq!(scene.server.published().len(), 1);
    assert_eq!(scene.server.published()[0]["id"], again.id.as_str());
}

#[rstest]
#[case("gotosocial", Class::Lookup)]
#[case("snac", Class::Lookup)]
#[case("something new", Class::Lookup)]
#[case("pleroma", Class::Key)]
#[case("akkoma", Class::Key)]
#[case("mastodon", Class::Key)]
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

    let error = scene.account.publish(&reply).await.unwrap_err();
    assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    let found = scene.account.find(&reply).await.unwrap().unwrap();

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
    scene.account.publish(&reply).await.unwrap_err();
    assert!(scene.account.find(&reply).await.unwrap().is_none());

    scene.clock.advance(Duration::from_secs(10));
    scene
        .server
        .brand_answers(&post, "@ann@b.example we are looking into it");
    let error = scene.account.find(&reply).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("other words")),
        "{error:?}"
    );

    scene.server.brand_answers(&post, "@ann@b.example Sorry!");
    assert!(scene.account.find(&reply).await.unwrap().is_some());

    scene.server.brand_answers(&post, "@ann@b.example  sorry!");
    let error = scene.account.find(&reply).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("2 times")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_look_goes_back_as_far_as_the_attempt() {
    let scene = Scene::new().await;
    let post = scene.server.write(ANN, "@help my parcel is late");
    let reply = scene.reply(&post, "Sorry!", Audience::Public);
    scene.server.faults().next("publish", Fault::AcceptThenDrop);
    scene.account.publish(&reply).await.unwrap_err();
    scene.clock.advance(Duration::from_secs(10));
    for n in 0..90 {
        scene.server.write("help", &format!("news {n}"));
    }
    // The thread shows it as well; here the list has to.
    scene.server.faults().next("context", Fault::Status(404));

    assert!(scene.account.find(&reply).await.unwrap().is_some());
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
        let error = scene.account.find(&reply).await.unwrap_err();
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
