//! Bluesky: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::bluesky::{FakeBluesky, HANDLE, ME, PASSWORD};
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE, permit};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::bluesky::Bluesky;
use hearback::adapter::supervise::Lost;
use hearback::config;
use hearback::domain::{
    Agent, Audience, CaseNumber, Clock as _, ManualClock, NativeId, PostKind, Reply, ReplyId, ReplyState,
};
use hearback::port::{Class, Look, PortError, SocialPlatform as _, Target};
use rstest::rstest;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

/// A server, our account there, and the time.
struct Scene {
    server: FakeBluesky,
    account: Arc<Bluesky>,
    clock: ManualClock,
}

fn configured(server: &FakeBluesky) -> config::Bluesky {
    config::Bluesky {
        name: "sky".to_owned(),
        url: server.url(),
        identifier: HANDLE.to_owned(),
        password: SecretString::from(PASSWORD),
        search: vec![],
        poll: Duration::from_secs(60),
        jetstream: None,
        approval: None,
    }
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeBluesky::start(house::clock(&clock)).await;
        let account = Bluesky::new(
            &configured(&server),
            Duration::from_secs(5),
            house::clock(&clock),
            house::vault(),
        );
        Self {
            account: Arc::new(account.unwrap()),
            server,
            clock,
        }
    }

    async fn core(&self) -> Core {
        Core::start(&self.clock, vec![self.account.clone()]).await
    }

    /// A reply of ours to a post of ann's, claimed just now.
    fn reply(&self, post: &str, text: &str) -> Reply {
        let now = self.clock.now();
        let ada = Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        };
        Reply {
            conversation: NativeId::new(post),
            target: NativeId::new(post),
            author: NativeId::new("did:plc:ann"),
            author_handle: "ann.example".to_owned(),
            lang: Some("en".to_owned()),
            audience: Audience::Public,
            text: text.to_owned(),
            state: ReplyState::Sending,
            fence: 1,
            begun_at: Some(now),
            ..Reply::blank(
                ReplyId(1),
                CaseNumber(1),
                "sky".into(),
                ada,
                "reply-1".into(),
                now,
            )
        }
    }
}

#[tokio::test]
async fn links_and_mentions_are_marked_by_bytes_and_the_root_is_kept() {
    let scene = Scene::new().await;
    let root = scene.server.write("eve", "größer 👍");
    let post = scene.server.answer("ann", &root, "@help.example mine too");
    let text = "Größe 👍 @ann.example: https://shop.example/ä. Ask @bob.example or @nobody.invalid!";
    let reply = scene.reply(&post, text);

    let published = scene.account.publish(&reply, &permit()).await.unwrap();

    let (uri, record) = scene.server.published().remove(0);
    assert_eq!(published.id.as_str(), uri);
    assert_eq!(record["text"], text);
    assert_eq!(record["langs"], serde_json::json!(["en"]));
    assert_eq!(record["reply"]["root"]["uri"], root.as_str());
    assert_eq!(record["reply"]["parent"]["uri"], post.as_str());
    let facets = record["facets"].as_array().unwrap();
    let parts: Vec<_> = facets
        .iter()
        .map(|facet| {
            let at = |name: &str| usize::try_from(facet["index"][name].as_u64().unwrap()).unwrap();
            let feature = &facet["features"][0];
            let what = feature["did"].as_str().or(feature["uri"].as_str()).unwrap();
            (&text[at("byteStart")..at("byteEnd")], what)
        })
        .collect();
    assert_eq!(
        parts,
        [
            ("@ann.example", "did:plc:ann"),
            ("https://shop.example/ä", "https://shop.example/ä"),
            ("@bob.example", "did:plc:bob"),
        ]
    );
    let key = uri.rsplit('/').next().unwrap();
    assert_eq!(
        published.url.unwrap(),
        format!("https://bsky.app/profile/{HANDLE}/post/{key}")
    );
    assert_eq!(published.author.unwrap().as_str(), ME);
}

#[tokio::test]
async fn the_same_reply_again_changes_nothing() {
    let scene = Scene::new().await;
    let post = scene.server.write("ann", "@help.example my parcel is late");
    let reply = scene.reply(&post, "Sorry!");
    let first = scene.account.publish(&reply, &permit()).await.unwrap();
    let again = scene.account.publish(&reply, &permit()).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(scene.server.published().len(), 1);
    assert_eq!(scene.account.abilities().class, Class::Id);
}

/// The customer's post is another version by the second attempt, so the record would be too.
#[tokio::test]
async fn another_record_never_takes_the_place_of_one_that_stands() {
    let scene = Scene::new().await;
    let post = scene.server.write("ann", "@help.example my parcel is late");
    let mut reply = scene.reply(&post, "Sorry!");
    scene.server.faults().next("putRecord", Fault::AcceptThenDrop);
    scene.account.publish(&reply, &permit()).await.unwrap_err();
    scene
        .server
        .rewrite(&post, "@help.example my parcel is late, again");

    // Even an attempt that believes itself the first.
    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("InvalidSwap")),
        "{error:?}"
    );
    let Look::Found(found) = scene.account.find(&reply, None).await.unwrap() else {
        panic!("it is not found")
    };
    // A later attempt finds it before it writes, though the post is gone by then.
    scene.server.delete(&post);
    reply.fence = 2;
    assert_eq!(scene.account.publish(&reply, &permit()).await.unwrap(), found);
    assert_eq!(
        (scene.server.published().len(), scene.server.overwritten()),
        (1, 0)
    );
    assert_eq!(scene.server.calls("putRecord"), 2);

    // What stands there in other words is for a person.
    reply.text = "Something else".to_owned();
    let error = scene.account.find(&reply, None).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("bsky.app")),
        "{error:?}"
    );
}

#[rstest]
#[case::limited(Fault::RateLimited("7".to_owned()))]
#[case::invalid(Fault::Status(400))]
#[case::forbidden(Fault::Status(403))]
#[case::invalid_but_done(Fault::StatusButDone(400))]
#[case::unauthorized(Fault::Status(401))]
#[case::broken(Fault::Status(500))]
#[case::odd(Fault::Status(418))]
#[case::nonsense(Fault::Garbage)]
#[tokio::test]
async fn only_proven_refusals_count_as_refusals(#[case] fault: Fault) {
    let scene = Scene::new().await;
    let post = scene.server.write("ann", "@help.example my parcel is late");
    let reply = scene.reply(&post, "Sorry!");
    scene.server.faults().next("putRecord", fault.clone());
    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
    let as_expected = match fault {
        Fault::RateLimited(_) => {
            matches!(error, PortError::RetryAfter(wait) if wait == Duration::from_secs(7))
        }
        Fault::Status(400 | 403) => matches!(error, PortError::Refused(_)),
        Fault::Status(_)
        | Fault::StatusButDone(_)
        | Fault::AcceptThenDrop
        | Fault::Drop
        | Fault::Hang
        | Fault::Garbage => matches!(error, PortError::Unknown(_)),
    };
    assert!(as_expected, "{error:?}");
    assert_eq!(scene.server.calls("putRecord"), 1);
}

#[rstest]
#[case::limited(Fault::RateLimited("7".to_owned()))]
#[case::broken(Fault::Status(502))]
#[case::cut(Fault::Drop)]
#[case::silent(Fault::Hang)]
#[tokio::test]
async fn what_fails_before_publishing_may_be_tried_again(#[case] fault: Fault) {
    let scene = Scene::new().await;
    let post = scene.server.write("ann", "@help.example my parcel is late");
    let reply = scene.reply(&post, "Sorry!");
    scene.server.faults().next("getPostThread", fault);
    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert!(
        matches!(error, PortError::NotReached(_) | PortError::RetryAfter(_)),
        "{error:?}"
    );
    assert_eq!(scene.server.calls("putRecord"), 0);
    scene.account.publish(&reply, &permit()).await.unwrap();
}

/// The server takes an answer to a post that it does not show us, so nobody but us can stop it.
#[tokio::test]
async fn a_post_that_takes_no_answer_gets_none() {
    type Spoil = fn(&FakeBluesky, &str);
    let spoil: [(Spoil, &str, &str); 3] = [
        (FakeBluesky::gate, "locked", "lets only some people answer"),
        (|server, _| server.block("ann"), "locked", "block each other"),
        (FakeBluesky::delete, "gone", "gone"),
    ];
    for (spoil, what, says) in spoil {
        let scene = Scene::new().await;
        let post = scene.server.write("ann", "@help.example my parcel is late");
        let mut reply = scene.reply(&post, "Sorry!");
        reply.begun_at = None;
        assert!(matches!(
            scene.account.target(&reply, &[]).await.unwrap(),
            Target::Stands { .. }
        ));
        spoil(&scene.server, &post);
        let told = match scene.account.target(&reply, &[]).await.unwrap() {
            Target::Locked(why) => format!("locked: {why}"),
            Target::Gone(why) => format!("gone: {why}"),
            other => panic!("{other:?}"),
        };
        assert!(told.starts_with(what) && told.contains(says), "{told}");
        let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
        assert!(matches!(error, PortError::Refused(_)), "{error:?}");
        assert_eq!(scene.server.calls("putRecord"), 0);
    }
}

#[tokio::test]
async fn a_reply_goes_out_under_the_account_it_was_approved_for() {
    let scene = Scene::new().await;
    let post = scene.server.write("ann", "@help.example my parcel is late");
    let mut reply = scene.reply(&post, "Sorry!");
    reply.account = Some(NativeId::new("did:plc:other"));
    let error = scene.account.publish(&reply, &permit()).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Refused(why) if why.contains("another account")),
        "{error:?}"
    );
    assert!(scene.server.published().is_empty());
}

#[tokio::test]
async fn a_private_answer_is_refused_with_the_way_to_begin_one() {
    let scene = Scene::new().await;
    assert!(!scene.account.abilities().private);
    let private = scene.account.compose("Hello", "ann.example", Audience::Private);
    assert!(
        private
            .refusal
            .unwrap()
            .contains("https://bsky.app/profile/ann.example")
    );
    let public = scene.account.compose("Hello", "ann.example", Audience::Public);
    assert_eq!((public.refusal, public.text.as_str()), (None, "Hello"));
}

#[tokio::test]
async fn a_person_may_show_where_the_reply_stands() {
    let scene = Scene::new().await;
    let post = scene.server.write("ann", "@help.example my parcel is late");
    let reply = scene.reply(&post, "Sorry!");
    let ours = scene.server.answer("help", &post, "Sorry, by hand!");
    let other = scene.server.write("help", "news");
    let page = |uri: &str, who: &str| {
        let key = uri.rsplit('/').next().unwrap();
        format!("https://bsky.app/profile/{who}/post/{key}")
    };
    for address in [ours.clone(), page(&ours, HANDLE), page(&ours, ME)] {
        let seen = scene.account.visit(&reply, &address).await.unwrap().unwrap();
        assert_eq!(
            (seen.id.as_str(), seen.parent),
            (ours.as_str(), Some(reply.target.clone()))
        );
    }
    for (address, why) in [
        (page(&post, "ann.example"), "not by our account"),
        (page(&other, HANDLE), "does not answer"),
        (page("x/3lzzzzzzzzzzz", HANDLE), "no post stands"),
        ("https://shop.example/1".to_owned(), "no address"),
    ] {
        let error = scene.account.visit(&reply, &address).await.unwrap_err();
        assert!(
            matches!(&error, PortError::Refused(told) if told.contains(why)),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn who_blocks_us_has_deleted_nothing() {
    let scene = Scene::new().await;
    let mut core = scene.core().await;
    scene.server.write("ann", "@help.example my parcel is late");
    scene.account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    scene.server.block("ann");
    for _ in 0..5 {
        scene.account.sweep(&core.inbound).await.unwrap();
    }
    let case = &core.cases().await[0];
    assert!(!core.posts(case).await[0].deleted);
}

#[tokio::test]
async fn an_answer_below_ours_is_a_comment_and_what_a_search_finds_is_a_post() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.search = vec!["parcel".to_owned()];
    let account = Bluesky::new(
        &config,
        Duration::from_secs(5),
        house::clock(&scene.clock),
        house::vault(),
    )
    .unwrap();
    let core = Core::start(&scene.clock, vec![]).await;
    let news = scene.server.write("help", "every parcel on time");
    scene.server.answer("ann", &news, "not mine");
    scene.server.write("bob", "@help.example where is my parcel?");
    scene.server.write("eve", "has anybody seen my parcel?");
    account.sweep(&core.inbound).await.unwrap();
    let mut heard = Vec::new();
    for case in core.cases().await {
        let posts = core.posts(&case).await.into_iter();
        heard.extend(posts.map(|post| (post.author.name, post.kind)));
    }
    heard.sort_by(|one, other| one.0.cmp(&other.0));
    let kinds = [
        ("ann", PostKind::Comment),
        ("bob", PostKind::Mention),
        ("eve", PostKind::Post),
    ];
    assert_eq!(heard, kinds.map(|(who, kind)| (who.to_owned(), kind)));
}

#[tokio::test]
async fn a_post_is_heard_though_nobody_can_say_how_many_follow_its_author() {
    let scene = Scene::new().await;
    let core = scene.core().await;
    scene.server.faults().next("getProfiles", Fault::Status(500));
    scene
        .server
        .faults()
        .next("getPosts", Fault::RateLimited("30".to_owned()));
    scene
        .server
        .write_with_picture("ann", "@help.example look", "a parcel");
    scene.account.sweep(&core.inbound).await.unwrap();
    let case = &core.cases().await[0];
    let post = &core.posts(case).await[0];
    assert!(
        post.author.followers.is_none() && post.media.is_empty(),
        "{post:?}"
    );
}

#[tokio::test]
async fn a_like_is_nobodys_complaint_and_no_error() {
    let scene = Scene::new().await;
    let core = scene.core().await;
    let news = scene.server.write("help", "every parcel on time");
    scene.server.tell_all("fan", &news);
    scene.server.write("ann", "@help.example my parcel is late");
    scene.account.sweep(&core.inbound).await.unwrap();
    assert_eq!((core.cases().await.len(), core.set_aside().await), (1, 0));
}

#[tokio::test]
async fn a_session_that_is_lost_whole_is_made_anew_with_the_password() {
    let scene = Scene::new().await;
    let core = scene.core().await;
    scene.account.sweep(&core.inbound).await.unwrap();
    // The answer to a renewal is lost: the old tokens are over, and nobody knows the new ones.
    scene.server.expire();
    scene
        .server
        .faults()
        .next("refreshSession", Fault::AcceptThenDrop);
    let lost = scene.account.sweep(&core.inbound).await.unwrap_err();
    assert!(matches!(lost, Lost::Broken(_)), "{lost:?}");
    scene.clock.advance(Duration::from_secs(15));
    scene.account.sweep(&core.inbound).await.unwrap();
    assert_eq!(
        (
            scene.server.calls("createSession"),
            scene.server.calls("refreshSession")
        ),
        (2, 2)
    );

    // Not in a loop, though every session is lost at once.
    for _ in 0..50 {
        scene.server.end_session();
        let _ = scene.account.sweep(&core.inbound).await;
        scene.clock.advance(Duration::from_secs(6));
    }
    assert!(
        scene.server.calls("createSession") <= 10,
        "{}",
        scene.server.calls("createSession")
    );
}

#[tokio::test]
async fn a_session_outlasts_a_restart_and_a_full_disk_costs_only_a_new_one() {
    let scene = Scene::new().await;
    let core = scene.core().await;
    let vault = house::vault();
    let start = |config: config::Bluesky| {
        let (clock, vault) = (house::clock(&scene.clock), vault.clone());
        Bluesky::new(&config, Duration::from_secs(5), clock, vault).unwrap()
    };
    for _ in 0..5 {
        start(configured(&scene.server))
            .sweep(&core.inbound)
            .await
            .unwrap();
    }
    assert_eq!(scene.server.calls("createSession"), 1);
    // It was over meanwhile.
    scene.server.expire();
    start(configured(&scene.server))
        .sweep(&core.inbound)
        .await
        .unwrap();
    start(configured(&scene.server))
        .sweep(&core.inbound)
        .await
        .unwrap();
    let made = |call| scene.server.calls(call);
    assert_eq!((made("createSession"), made("refreshSession")), (1, 1));
    // Another account in the configuration is another session.
    let mut other = configured(&scene.server);
    other.identifier = "did:plc:help".to_owned();
    let _ = start(other).sweep(&core.inbound).await;
    assert_eq!(scene.server.calls("createSession"), 2);
}

#[tokio::test]
async fn a_session_that_ends_between_reading_and_publishing_is_no_doubt() {
    let scene = Scene::new().await;
    let mut core = scene.core().await;
    scene.server.write("ann", "@help.example my parcel is late");
    scene.account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    // The server says so of the publishing call alone.
    scene.server.expires_at_publishing();
    core.reply(1, "Sorry!").await;
    core.wait(SETTLE).await;
    assert_eq!(core.replies(1).await[0].state, ReplyState::Sent);
    assert_eq!(
        (scene.server.calls("putRecord"), scene.server.published().len()),
        (2, 1)
    );
}

#[tokio::test]
async fn doctor_says_whose_password_it_is_and_what_to_mend() {
    let scene = Scene::new().await;
    let well = scene.account.examine().await;
    assert!(well.iter().all(|finding| finding.ok), "{well:?}");
    assert!(
        well[0].what.contains("@help.example") && well[0].what.contains(ME),
        "{well:?}"
    );
    assert!(
        well.iter().any(|finding| finding.what.contains("2990 of 3000")),
        "{well:?}"
    );

    let mut wrong = configured(&scene.server);
    wrong.password = SecretString::from("wrong-SECRET");
    let account = Bluesky::new(
        &wrong,
        Duration::from_secs(2),
        house::clock(&scene.clock),
        house::vault(),
    )
    .unwrap();
    let findings = account.examine().await;
    assert!(
        !findings[0].ok && findings[0].mend.contains("app password"),
        "{findings:?}"
    );
    assert!(!format!("{findings:?}").contains("SECRET"));

    let late = ManualClock::default();
    late.advance(Duration::from_secs(90));
    let account = Bluesky::new(
        &configured(&scene.server),
        Duration::from_secs(2),
        Arc::new(late),
        house::vault(),
    );
    let findings = account.unwrap().examine().await;
    assert!(
        findings
            .iter()
            .any(|finding| !finding.ok && finding.what.contains("90 seconds")),
        "{findings:?}"
    );
}
