//! Stack Exchange: what is its own beside what every connector keeps (see `conformance`).

use crate::conformance::stack_exchange::configured;
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::stack_exchange::{FakeStackExchange, ME};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::meter::Usage;
use hearback::adapter::social::stack_exchange::StackExchange;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, PostKind, ReplyState};
use hearback::port::{Class, SocialPlatform as _};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const SECOND: Duration = Duration::from_secs(1);

/// The site, our account there, and the core behind it.
struct Scene {
    server: FakeStackExchange,
    site: Arc<StackExchange>,
    clock: ManualClock,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|config| config).await
    }

    async fn with(change: impl FnOnce(config::StackExchange) -> config::StackExchange) -> Self {
        let clock = ManualClock::default();
        let server = FakeStackExchange::start(house::clock(&clock)).await;
        let config = change(config::StackExchange {
            search: vec![],
            ..configured(&server)
        });
        let site = StackExchange::new(
            &config,
            Duration::from_secs(5),
            house::clock(&clock),
            house::vault(),
        );
        let site = Arc::new(site.unwrap());
        let core = Core::start(&clock, vec![site.clone()]).await;
        Self {
            server,
            site,
            clock,
            core,
        }
    }

    async fn sweep(&mut self) {
        self.clock.advance(SECOND);
        self.site.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn what_was_only_found_is_for_the_rules_and_what_names_us_is_written_to_us() {
    let mut scene = Scene::new().await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.comment("bob", &question, "here too, since May");
    scene
        .server
        .answer("eve", &question, "have you tried to turn it off?");
    // Only who took part can be named.
    scene.server.comment(ME, &question, "We look into it.");
    scene.server.comment("joe", &question, "@AcmeHelp what about it?");
    scene.sweep().await;
    let kinds = [PostKind::Post, PostKind::Post, PostKind::Mention, PostKind::Post];
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), kinds.len());
    let mut told = Vec::new();
    for case in &cases {
        told.push(scene.core.posts(case).await[0].kind);
        assert_eq!(case.conversation, cases[0].conversation);
    }
    let named = told.iter().filter(|kind| **kind == PostKind::Mention).count();
    assert_eq!((told[0], named), (PostKind::Post, 1), "{told:?}");
}

#[tokio::test]
async fn comments_below_an_answer_of_ours_come_by_the_inbox_with_all_their_words() {
    let mut scene = Scene::with(|config| config::StackExchange {
        tags: vec![],
        ..config
    })
    .await;
    let question = scene.server.ask("ann", "it crashes");
    let ours = scene
        .server
        .answer(ME, &question, "Please take the newest version of it.");
    scene.clock.advance(SECOND);
    let long = "that does not help at all: ".repeat(20);
    scene.server.comment("bob", &ours, &long);
    scene.server.tell("chat_message", "stackoverflow");
    scene.server.tell("careers_message", "superuser");
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.len(), 1);
    let posts = scene.core.posts(&cases[0]).await;
    assert_eq!(
        (posts[0].kind, posts[0].text.as_str()),
        (PostKind::Comment, long.as_str())
    );
    assert_eq!(posts[0].in_reply_to.as_ref().unwrap().as_str(), ours);
    assert_eq!(posts[0].conversation.as_str(), question);
    // Told once, and not read again and again.
    let known = scene.server.calls("known");
    scene.core.reply(1, "Sorry to hear that, Bob.").await;
    let (_, below, text, _) = scene.server.published().pop().unwrap();
    assert_eq!((below, text), (ours, "@bob Sorry to hear that, Bob.".to_owned()));
    let after = scene.server.calls("known");
    assert!(after > known);
}

#[tokio::test]
async fn a_reply_to_a_question_is_an_answer_where_that_is_configured() {
    let mut scene = Scene::with(|config| config::StackExchange {
        answers: true,
        ..config
    })
    .await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.comment("bob", &question, "here too, since May");
    scene.sweep().await;
    let refused = scene.core.says("reply 1 Sorry about that!").await;
    assert!(
        matches!(&refused, Response::Refused(why) if why.plain().contains("30 characters at least")),
        "{refused:?}"
    );
    let long = "This is mended with the version of today. ".repeat(20);
    scene.core.reply(1, long.trim()).await;
    scene.core.reply(2, "Please see the answer there.").await;
    let ours = scene.server.published();
    assert_eq!((ours[0].0.as_bytes()[0], ours[1].0.as_bytes()[0]), (b'a', b'c'));
    assert_eq!((&ours[0].1, &ours[0].2), (&question, &long.trim().to_owned()));
    assert_eq!(ours[1].2, "@bob Please see the answer there.");
    for (case, own) in [(1, &ours[0]), (2, &ours[1])] {
        let reply = scene.core.replies(case).await.remove(0);
        assert_eq!(
            (reply.state, reply.url.as_ref()),
            (ReplyState::Sent, Some(&own.3))
        );
    }
    let long = format!("reply 2 {}", "no comment is so long ".repeat(30));
    let refused = scene.core.says(&long).await;
    assert!(format!("{refused:?}").contains("600"), "{refused:?}");
}

#[tokio::test]
async fn a_closed_question_takes_comments_and_a_locked_one_nothing() {
    for (answers, state) in [(true, ReplyState::Stale), (false, ReplyState::Sent)] {
        let mut scene = Scene::with(|config| config::StackExchange { answers, ..config }).await;
        let closed = scene.server.ask("ann", "it crashes");
        let locked = scene.server.ask("bob", "it burns");
        scene.sweep().await;
        scene.server.close(&closed);
        scene.server.lock(&locked);
        for (case, state) in [(1, state), (2, ReplyState::Stale)] {
            scene
                .core
                .reply(case, "Sorry, we look into it at once and tell you.")
                .await;
            let reply = scene.core.replies(i64::from(case)).await.remove(0);
            assert_eq!(reply.state, state, "{answers:?} {case}: {:?}", reply.reason);
        }
    }
}

#[tokio::test]
async fn an_answer_to_somebody_else_below_the_question_is_none_to_this_one() {
    let mut scene = Scene::new().await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.comment("bob", &question, "here too, since May");
    scene.sweep().await;
    scene.server.comment(ME, &question, "@bob which version is that?");
    scene.core.reply(1, "Which version do you have?").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    scene.core.reply(2, "Which version do you have?").await;
    let reply = scene.core.replies(2).await.remove(0);
    assert_eq!(reply.state, ReplyState::Stale, "{:?}", reply.reason);
    assert!(reply.reason.unwrap().contains("which version is that?"));
}

#[tokio::test]
async fn what_the_site_takes_off_a_comment_makes_it_no_other() {
    let mut scene = Scene::new().await;
    scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.faults().next("publish", Fault::AcceptThenDrop);
    scene
        .core
        .reply(
            1,
            "@ann sorry: take \"version 2\" & tell us, <https://acme.example/2>",
        )
        .await;
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    let ours = scene.server.published();
    assert_eq!(ours.len(), 1);
    assert!(ours[0].2.starts_with("sorry:"), "{ours:?}");
}

#[tokio::test]
async fn what_is_escaped_for_pages_is_read_as_it_was_written() {
    let mut scene = Scene::new().await;
    let question = scene.server.ask("Ann O'Neil", "it says `a < b && \"c\"`");
    scene.server.title(&question, "R&D's <app> crashes");
    scene.sweep().await;
    let case = scene.core.cases().await.remove(0);
    let post = scene.core.posts(&case).await.remove(0);
    assert_eq!(post.text, "R&D's <app> crashes\n\nit says `a < b && \"c\"`");
    assert_eq!(
        (post.author.name.as_str(), post.author.handle.as_str()),
        ("Ann O'Neil", "AnnO'Neil")
    );
}

#[tokio::test]
async fn a_comment_that_is_edited_is_seen_by_its_words() {
    let mut scene = Scene::new().await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    let comment = scene.server.comment("ann", &question, "since May");
    scene.sweep().await;
    scene.server.edit(&comment, "since June");
    for _ in 0..3 {
        scene.sweep().await;
    }
    let case = scene.core.cases().await.remove(0);
    let posts = scene.core.posts(&case).await;
    assert_eq!(posts[1].text, "since June");
    let told = scene.core.thread(1).matches("since June").count();
    scene.sweep().await;
    assert_eq!(
        scene.core.thread(1).matches("since June").count(),
        told,
        "it is told once"
    );
}

#[tokio::test]
async fn a_method_that_is_to_rest_is_left_alone_and_the_reading_goes_on_where_it_ended() {
    let mut scene = Scene::new().await;
    scene.server.ask("ann", "number 0");
    scene.sweep().await;
    for n in 1..=250 {
        scene.clock.advance(SECOND);
        scene.server.ask("ann", &format!("number {n}"));
    }
    let mut rounds = 0;
    loop {
        // Every page is followed by a rest: the fake fails the test where one is not kept.
        scene.server.back_off("search/advanced", 10);
        rounds += 1;
        assert!(rounds < 10, "it never ends");
        match scene.site.sweep(&scene.core.inbound).await {
            Ok(()) => break,
            Err(Lost::Later(wait)) => {
                assert_eq!(wait, 10 * SECOND);
                scene.clock.advance(wait);
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    scene.core.deliver().await;
    assert_eq!(scene.core.cases().await.len(), 251);
}

#[tokio::test]
async fn what_is_below_many_questions_is_read_in_few_calls() {
    let mut scene = Scene::new().await;
    let questions: Vec<_> = (0..60)
        .map(|n| scene.server.ask("ann", &format!("number {n}")))
        .collect();
    scene.sweep().await;
    for question in &questions {
        scene.server.comment("bob", question, "here too, since May");
    }
    let before = (scene.server.calls("answers"), scene.server.calls("comments"));
    scene.sweep().await;
    let after = (scene.server.calls("answers"), scene.server.calls("comments"));
    assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1));
    assert_eq!(scene.core.cases().await.len(), 120);
}

#[tokio::test]
async fn the_days_calls_are_metered_and_where_they_get_scarce_only_new_questions_are_looked_for() {
    let mut scene = Scene::new().await;
    scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    let site = scene.site.clone();
    let meter = site.meter().unwrap();
    let left = meter.last().unwrap();
    assert!(left.limit == 10_000.0 && left.left < 10_000.0 && left.left > 9_900.0);
    scene.server.leave(1_900);
    scene.server.ask("bob", "it burns");
    scene.sweep().await;
    let usage = meter.usage(scene.clock.now());
    assert!(usage.iter().any(Usage::is_nearly_all), "{usage:?}");
    let before = (scene.server.calls("comments"), scene.server.calls("tagged"));
    scene.server.ask("eve", "it smokes");
    scene.sweep().await;
    let after = (scene.server.calls("comments"), scene.server.calls("tagged"));
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 1));
    assert_eq!(scene.core.cases().await.len(), 3);
}

#[tokio::test]
async fn a_day_without_calls_is_not_spent_asking() {
    let mut scene = Scene::new().await;
    scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    let day = Duration::from_secs(20 * 3600);
    scene.server.exhaust(scene.clock.now() + day);
    for _ in 0..50 {
        let lost = scene.site.sweep(&scene.core.inbound).await.unwrap_err();
        assert!(
            matches!(lost, Lost::Later(wait) if wait == Duration::from_secs(900)),
            "{lost:?}"
        );
        scene.clock.advance(Duration::from_secs(900));
    }
    assert_eq!(
        scene.server.calls("tagged"),
        2,
        "once to know, and never again that day"
    );
    scene.clock.advance(day);
    scene.server.ask("bob", "it burns");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2);
}

#[tokio::test]
async fn without_a_token_it_listens_and_looks_at_what_was_answered_by_hand() {
    let mut scene = Scene::with(|config| config::StackExchange {
        access_token: None,
        key: None,
        ..config
    })
    .await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    assert_eq!(scene.site.abilities().class, Class::None);
    let refused = scene.core.says("reply 1 Sorry, which version is it?").await;
    let told = format!("{refused:?}");
    assert!(
        told.contains("answered ADDRESS") && told.contains("/questions/1/"),
        "{told}"
    );
    let elsewhere = scene.server.ask_elsewhere("bob", "it burns");
    let other = scene.server.comment(ME, &elsewhere, "Which parcel is it?");
    let wrong = scene
        .core
        .says(&format!("answered 1 {}", scene.server.link(&other)))
        .await;
    assert!(!matches!(wrong, Response::Done(_)), "{wrong:?}");
    let ours = scene.server.comment(ME, &question, "Which version is it?");
    let done = scene
        .core
        .says(&format!("answered 1 {}", scene.server.link(&ours)))
        .await;
    assert!(matches!(done, Response::Done(_)), "{done:?}");
    let answer = scene
        .server
        .answer(ME, &question, "Please take the newest version of it.");
    let done = scene
        .core
        .says(&format!("answered 1 {}", scene.server.link(&answer)))
        .await;
    assert!(matches!(done, Response::Done(_)), "{done:?}");
}

#[tokio::test]
async fn what_our_account_writes_by_hand_is_no_case_where_it_is_named() {
    let id = {
        let scene = Scene::new().await;
        scene.site.examine().await;
        scene.site.sweep(&scene.core.inbound).await.unwrap();
        scene.site.abilities().account.unwrap()
    };
    let mut scene = Scene::with(|config| config::StackExchange {
        access_token: None,
        user_id: Some(id.as_str().parse().unwrap()),
        ..config
    })
    .await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.comment(ME, &question, "Which version is it?");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
}

#[tokio::test]
async fn five_seconds_lie_between_two_comments() {
    let mut scene = Scene::new().await;
    scene.server.ask("ann", "it crashes");
    scene.server.ask("bob", "it burns");
    scene.sweep().await;
    for case in [1, 2] {
        let line = format!("reply {case} Sorry, which version is it?");
        assert!(matches!(scene.core.says(&line).await, Response::Done(_)));
    }
    scene.core.wait(house::HOLD).await;
    assert_eq!(scene.server.published().len(), 1);
    scene.core.wait(5 * SECOND).await;
    assert_eq!(scene.server.published().len(), 2);
    assert_eq!(scene.server.calls("publish"), 2);
}

#[tokio::test]
async fn the_doctor_tells_who_we_are_and_what_we_may() {
    let scene = Scene::new().await;
    let findings = scene.site.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let told = format!("{findings:?}");
    assert!(told.contains("Acme Help (101 points") && told.contains("may read the inbox and write"));
    assert!(!told.contains("SECRET"), "{told}");
}

#[tokio::test]
async fn a_browser_lets_us_in_until_the_token_ends() {
    let mut scene = Scene::with(|config| config::StackExchange {
        access_token: None,
        client_id: Some("12345".to_owned()),
        client_secret: Some("client-SECRET".into()),
        ..config
    })
    .await;
    let lost = scene.site.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("hearback connect")),
        "{lost:?}"
    );
    let (door, grant) = scene.site.entrance().unwrap();
    let redirect = Url::parse("http://127.0.0.1:8931/connected").unwrap();
    let walk = door.walk(grant.client_id(), redirect.clone());
    assert_eq!(walk.url.path(), "/oauth");
    assert!(
        walk.url
            .query()
            .unwrap()
            .contains("scope=read_inbox+write_access+no_expiry")
    );
    assert!(grant.redeem("another", &redirect, &walk.verifier).await.is_err());
    grant.redeem("code", &redirect, &walk.verifier).await.unwrap();
    scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    scene.clock.advance(Duration::from_secs(86_400));
    let lost = scene.site.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("hearback connect")),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_reply_to_a_comment_of_who_asked_is_found_though_the_site_takes_the_name_off() {
    let mut scene = Scene::new().await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.comment("ann", &question, "since May, by the way");
    scene.sweep().await;
    scene.server.faults().next("publish", Fault::AcceptThenDrop);
    scene.core.reply(1, "Which version do you have?").await;
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    let reply = scene.core.replies(1).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    assert_eq!(reply.text, "@ann Which version do you have?");
    let ours = scene.server.published();
    assert_eq!(
        (ours.len(), ours[0].2.as_str()),
        (1, "Which version do you have?")
    );
}

#[tokio::test]
async fn a_question_whose_author_left_still_stands() {
    let mut scene = Scene::new().await;
    let question = scene.server.ask("ann", "it crashes");
    scene.sweep().await;
    scene.server.leave_the_site("ann");
    for _ in 0..3 {
        scene.sweep().await;
    }
    let case = scene.core.cases().await.remove(0);
    assert!(!scene.core.posts(&case).await[0].deleted);
    assert_eq!(scene.core.posts(&case).await[0].id.as_str(), question);
}
