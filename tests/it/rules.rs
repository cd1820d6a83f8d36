//! What stands between the sources and the cases: rules, and the guard against a feed that shows its whole
//! history at once. On both engines.

use crate::fake::complaint::{complaint, person};
use crate::fake::discord::{World, seen};
use crate::fake::house::Core;
use crate::fake::postgres;
use crate::fake::slack::CHANNEL;
use crate::harness::{ADA, GRACE, run_test};
use hearback::app::{Hearing, Intake, Response};
use hearback::domain::listen::{Listening, Rule};
use hearback::domain::{Clock as _, ManualClock, NativeId, Notice, Post, PostKind, Sighting, SourceName};
use hearback::store::Why;
use std::collections::HashMap;
use std::time::Duration;

/// Each conversation is held on both engines.
macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(None).await;
            })*
        }
        mod postgres_ {
            $(#[tokio::test]
            async fn $name() {
                if let Some(database) = super::postgres::database().await {
                    super::$name(Some(database)).await;
                }
            })*
        }
    };
}

on_both_engines! {
    a_post_that_a_rule_catches_opens_a_case_with_its_label
    what_goes_on_a_known_case_is_heard_and_so_is_what_is_written_to_us
    an_edit_may_bring_a_post_in
    what_rules_pass_over_is_kept_as_a_sample_and_goes_with_its_author
    a_deleted_post_is_not_kept
    a_feed_that_shows_its_history_is_set_aside_and_let_in
    what_is_left_out_does_not_come_again
    what_is_written_to_us_is_no_flood
    a_bad_day_goes_on_once_it_was_let_in
    what_waits_comes_in_as_it_was_edited_last
    what_turns_out_to_be_written_to_us_waits_for_nobody
    a_page_that_shows_a_post_twice_is_no_flood
    the_page_of_the_console_shows_what_waits
}

mod command_line {
    use crate::fake::postgres;
    use crate::fake::slack::{CHANNEL, Posted};
    use crate::restart::{Process, Town, command};
    use serde_json::{Value, json};

    /// A shop that hands over 30 posts at once, of which a rule catches 24.
    async fn rules_are_tried_and_a_feed_is_let_in(database: Option<String>) {
        let town = Town::found(database).await;
        let text = std::fs::read_to_string(&town.config).unwrap();
        let rules =
            "idempotency = \"lookup\"\nflood = 20\n[[source.match]]\nname = \"late\"\nany = \"late\"\n";
        std::fs::write(&town.config, text.replace("idempotency = \"lookup\"\n", rules)).unwrap();
        let process = Process::start(&town.config).await;
        town.slack.connected(2).await;
        let post = |n: usize| {
            let text = if n.is_multiple_of(5) {
                "Nice!"
            } else {
                "It is late"
            };
            json!({ "id": format!("p{n}"), "author": { "id": format!("u{n}"), "handle": "ann" }, "text": text })
        };
        let posts: Vec<Value> = (0..30).map(post).collect();
        let to = process.url.join("/webhooks/shop").unwrap();
        let (status, answer) = town.shop.send(&to, &json!({ "posts": posts })).await;
        assert_eq!((status.as_u16(), &answer["accepted"]), (202, &json!(0)));

        let tells = |message: &Posted| message.shown().contains("24 of them wait");
        let notice = town.slack.until("the notice", |slack| {
            slack.messages(CHANNEL).into_iter().find(tells)
        });
        let notice = notice.await;
        let refused = town.slack.press("U0ADA", &notice, "Let them in").await;
        let said = refused.words();
        assert!(said.contains("Only a lead"), "{said}");

        let (_, said) = command(&["doctor"], &town.config).await;
        assert!(said.contains("24 posts of shop wait to be let in"), "{said}");
        let (code, said) = command(&["rules", "waiting"], &town.config).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("shop: 24 posts wait"), "{said}");
        let (code, said) = command(&["rules", "test"], &town.config).await;
        assert_eq!(code, Some(0), "{said}");
        for words in [
            "shop: 30 posts; 0 written to us",
            "24 caught, 6 passed over",
            "late: 24 caught, 24 of them by no other rule",
            "@ann: It is late",
            "0 posts with a case, 6 of those that rules passed over, 24 that wait",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }

        let (code, said) = command(&["rules", "let-in", "shop", "--by", "Olga"], &town.config).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("24 posts of shop come in"), "{said}");
        let card = town.slack.thread(1).await;
        assert!(card.shown().contains("late"), "{}", card.shown());
        let (code, said) = command(&["rules", "let-in", "shop", "--by", "Olga"], &town.config).await;
        assert_eq!(code, Some(1), "nothing waits any more: {said}");
        let (_, said) = command(&["rules", "test", "--json"], &town.config).await;
        let told: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&told["with_case"], &told["waiting"]), (&json!(24), &json!(0)));

        let texts = town.config.with_file_name("texts");
        std::fs::write(&texts, "Very LATE!\n\nA plate\n").unwrap();
        let texts = texts.to_str().unwrap();
        let (code, said) = command(&["rules", "test", "--texts", texts], &town.config).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("shop/late: Very LATE!"), "{said}");
        assert!(said.contains("passed over: A plate"), "{said}");
        let (code, said) = command(&["rules", "test", "--source", "shopp"], &town.config).await;
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("did you mean \"shop\"?"), "{said}");
        process.kill();
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn sqlite() {
        rules_are_tried_and_a_feed_is_let_in(None).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn postgres_() {
        if let Some(database) = postgres::database().await {
            rules_are_tried_and_a_feed_is_let_in(Some(database)).await;
        }
    }
}

/// What is about no case is told in both chats, and decided in either.
#[tokio::test(flavor = "multi_thread")]
async fn notices_come_to_both_chats() {
    run_test(async |ctx| {
        let inbound = &ctx.running.inbound;
        let spending = Notice::Spending {
            source: "feed".into(),
            used: "83 of 100 calls".to_owned(),
            until: None,
        };
        inbound.announce(spending).await.unwrap();
        let clock = ManualClock::default();
        let many = items(0..30, &clock).into_iter().map(|post| Post {
            source: "feed".into(),
            ..post
        });
        let many = many.map(|post| Sighting::Post(Box::new(post))).collect();
        inbound.posts_seen(&"feed".into(), many, None).await.unwrap();
        for words in ["83 of 100 calls", "30 of them wait"] {
            let told = ctx.slack.until(words, |slack| {
                let told = slack.messages(CHANNEL).into_iter();
                told.map(|message| message.shown())
                    .find(|shown| shown.contains(words))
            });
            told.await;
        }
        let notice = |world: &World| {
            let told = world.posts.iter();
            let mut told = told.filter(|(_, post)| seen(&post.body).contains("30 of them wait"));
            told.next().map(|(id, _)| *id)
        };
        ctx.discord
            .until("the quota's notice", |world| {
                let mut told = world.posts.values();
                told.any(|post| seen(&post.body).contains("83 of 100 calls"))
                    .then_some(())
            })
            .await;
        let message = ctx.discord.until("the feed's notice", notice).await;
        let refused = ctx.discord.press(ADA, message, "Leave them out").await;
        assert!(refused.text().contains("Only a lead"), "{}", refused.text());
        let done = ctx.discord.press(GRACE, message, "Leave them out").await;
        assert!(
            done.text().contains("30 posts of feed are left out"),
            "{}",
            done.text()
        );
    })
    .await;
}

fn post(id: &str, text: &str, clock: &ManualClock) -> Post {
    Post {
        author: person(&format!("author of {id}"), "Ann"),
        text: text.to_owned(),
        ..complaint(&"fedi".into(), id, clock.now())
    }
}

fn rule(name: &str, words: &[&str]) -> Rule {
    Rule {
        name: name.to_owned(),
        any: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Rule::default()
    }
}

fn choosy() -> Hearing {
    let rules = [rule("late", &["late"]), rule("brand", &["acme"])];
    Hearing {
        listening: Listening::new([("fedi".into(), &rules[..])]).unwrap(),
        floods: HashMap::new(),
        keeps: true,
    }
}

fn guarded() -> Hearing {
    Hearing {
        floods: HashMap::from([(SourceName::new("fedi"), 20)]),
        ..Hearing::default()
    }
}

async fn show(core: &Core, posts: impl IntoIterator<Item = Post>) -> Intake {
    let seen = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
    core.inbound
        .posts_seen(&"fedi".into(), seen.collect(), None)
        .await
        .unwrap()
}

/// (accepted, duplicates, unheard)
fn counts(intake: Intake) -> (usize, usize, usize) {
    (intake.accepted, intake.duplicates, intake.unheard)
}

fn items(range: std::ops::Range<usize>, clock: &ManualClock) -> Vec<Post> {
    range.map(|n| post(&format!("p{n}"), "An item.", clock)).collect()
}

async fn a_post_that_a_rule_catches_opens_a_case_with_its_label(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, choosy()).await;
    let posts = [
        post("p1", "My ACME parcel is late", &clock),
        post("p2", "A plate of cake", &clock),
    ];
    assert_eq!(counts(show(&core, posts.clone()).await), (1, 0, 1));
    core.deliver().await;
    let cases = core.cases().await;
    assert_eq!(cases.len(), 1);
    let labels: Vec<_> = cases[0].labels.iter().map(String::as_str).collect();
    assert_eq!(labels, ["brand", "late"]);
    assert!(core.thread(1).contains("late"), "{}", core.thread(1));
    assert_eq!(counts(show(&core, posts).await), (0, 1, 1), "the same again");
    assert_eq!(core.cases().await.len(), 1);
}

async fn what_goes_on_a_known_case_is_heard_and_so_is_what_is_written_to_us(database: Option<String>) {
    let clock = ManualClock::default();
    let core = Core::hearing(&clock, database, choosy()).await;
    let first = post("p1", "acme", &clock);
    let more = Post {
        id: "p2".into(),
        text: "and another thing".to_owned(),
        ..first.clone()
    };
    assert_eq!(
        counts(show(&core, [first, more]).await),
        (2, 0, 0),
        "in one batch"
    );
    let mention = Post {
        kind: PostKind::Mention,
        ..post("p3", "hello you", &clock)
    };
    let elsewhere = Post {
        source: "sky".into(),
        ..post("p4", "no rules there", &clock)
    };
    assert_eq!(counts(show(&core, [mention]).await), (1, 0, 0));
    let sky = vec![Sighting::Post(Box::new(elsewhere))];
    core.inbound.posts_seen(&"sky".into(), sky, None).await.unwrap();
    let cases = core.cases().await;
    assert_eq!(cases.len(), 3);
    assert_eq!(core.posts(&cases[0]).await.len(), 2);
    assert!(cases[1].labels.is_empty() && cases[2].labels.is_empty());
}

async fn an_edit_may_bring_a_post_in(database: Option<String>) {
    let clock = ManualClock::default();
    let core = Core::hearing(&clock, database, choosy()).await;
    let before = post("p1", "It is l8te", &clock);
    show(&core, [before.clone()]).await;
    assert!(core.cases().await.is_empty());
    clock.advance(Duration::from_secs(60));
    let after = Post {
        text: "It is late".to_owned(),
        edited_at: Some(clock.now()),
        ..before
    };
    assert_eq!(counts(show(&core, [after.clone()]).await), (1, 0, 0));
    let key = (SourceName::new("fedi"), NativeId::new("p1"));
    assert!(core.store().unheard(&[key]).await.unwrap().is_empty());
    clock.advance(Duration::from_secs(60));
    let third = Post {
        text: "Never mind".to_owned(),
        edited_at: Some(clock.now()),
        ..after
    };
    assert_eq!(
        counts(show(&core, [third]).await),
        (1, 0, 0),
        "an edit of a known post"
    );
}

async fn what_rules_pass_over_is_kept_as_a_sample_and_goes_with_its_author(database: Option<String>) {
    let clock = ManualClock::default();
    let core = Core::hearing(&clock, database, choosy()).await;
    show(&core, items(0..100, &clock)).await;
    show(&core, items(0..100, &clock)).await;
    let keys: Vec<_> = (0..100)
        .map(|n| (SourceName::new("fedi"), NativeId::new(format!("p{n}"))))
        .collect();
    let kept = core.store().unheard(&keys).await.unwrap();
    assert_eq!(kept.len(), 60, "so many in an hour");
    assert!(kept.values().all(|why| *why == Why::Rules));
    clock.advance(Duration::from_secs(3600));
    show(&core, items(0..100, &clock)).await;
    assert_eq!(core.store().unheard(&keys).await.unwrap().len(), 100);

    let mut seen = 0;
    core.store()
        .posts_since(clock.now() - chrono::TimeDelta::days(1), |post, why| {
            seen += usize::from(why == Some(Why::Rules) && post.text == "An item.");
        })
        .await
        .unwrap();
    assert_eq!(seen, 100);

    let author = NativeId::new("author of p7");
    let erased = hearback::app::erase(core.store(), &"fedi".into(), &author, clock.now())
        .await
        .unwrap();
    assert_eq!(erased.unheard, 1);
    assert!(!erased.is_nothing());
    assert_eq!(core.store().unheard(&keys).await.unwrap().len(), 99);

    core.store().forget_unheard(clock.now()).await.unwrap();
    let left = core.store().unheard(&keys).await.unwrap();
    assert_eq!(left.len(), 40, "those of the first hour are forgotten");
}

async fn a_deleted_post_is_not_kept(database: Option<String>) {
    let clock = ManualClock::default();
    let core = Core::hearing(&clock, database, choosy()).await;
    show(&core, items(0..2, &clock)).await;
    let gone = vec![Sighting::Gone("p0".into())];
    core.inbound.posts_seen(&"fedi".into(), gone, None).await.unwrap();
    let keys = [0, 1].map(|n| (SourceName::new("fedi"), NativeId::new(format!("p{n}"))));
    let kept = core.store().unheard(&keys).await.unwrap();
    assert_eq!(kept.keys().collect::<Vec<_>>(), [&keys[1]]);
}

async fn a_feed_that_shows_its_history_is_set_aside_and_let_in(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    assert_eq!(counts(show(&core, items(0..20, &clock)).await), (20, 0, 0));
    core.deliver().await;
    let usual = core.threads();
    clock.advance(Duration::from_secs(3600));

    let again = items(100..600, &clock);
    assert_eq!(counts(show(&core, again.clone()).await), (0, 0, 500));
    assert_eq!(counts(show(&core, again).await), (0, 500, 0), "it waits already");
    assert_eq!(
        counts(show(&core, items(600..610, &clock)).await),
        (0, 0, 10),
        "another page"
    );
    core.deliver().await;
    assert_eq!(core.cases().await.len(), 20);
    assert_eq!(core.threads(), usual + 1, "it is told once");
    let told = core.thread(usual + 1);
    assert!(
        told.contains("510 of them wait") && told.contains("hearback rules let-in fedi"),
        "{told}"
    );

    clock.advance(Duration::from_secs(3600));
    assert_eq!(
        counts(show(&core, items(700..703, &clock)).await),
        (3, 0, 0),
        "life goes on"
    );
    let response = core.presses("do:0:let-in fedi").await;
    let Response::Done(said) = response else {
        panic!("{response:?}")
    };
    assert!(said.plain().contains("510 posts"), "{}", said.plain());
    assert_eq!(core.cases().await.len(), 533);
    let twice = core.presses("do:0:let-in fedi").await;
    assert!(matches!(twice, Response::Refused(_)), "{twice:?}");
}

async fn what_is_left_out_does_not_come_again(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    show(&core, items(0..30, &clock)).await;
    let response = core.presses("do:0:leave-out fedi").await;
    assert!(matches!(response, Response::Done(_)), "{response:?}");
    core.deliver().await;
    assert_eq!(core.threads(), 0, "decided before it was told");
    assert_eq!(
        counts(show(&core, items(30..32, &clock)).await),
        (2, 0, 0),
        "it is over"
    );
    assert_eq!(counts(show(&core, items(40..70, &clock)).await), (0, 0, 30));
    core.deliver().await;
    assert_eq!(core.threads(), 3, "another one is told of");
    core.presses("do:0:leave-out fedi").await;
    clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(counts(show(&core, items(0..30, &clock)).await), (0, 30, 0));
    assert_eq!(core.cases().await.len(), 2);
    assert!(core.store().all_waiting().await.unwrap().is_empty());
    let mut kept = 0;
    core.store()
        .posts_since(chrono::DateTime::UNIX_EPOCH, |_, _| kept += 1)
        .await
        .unwrap();
    assert_eq!(kept, 2, "the words of the others are gone");
}

async fn what_is_written_to_us_is_no_flood(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    let to_us = |post: Post| Post {
        kind: PostKind::Mention,
        ..post
    };
    let storm = items(0..200, &clock).into_iter().map(to_us);
    assert_eq!(counts(show(&core, storm).await), (200, 0, 0));
    // Neither while a flood of other posts is set aside.
    let mixed = items(200..300, &clock).into_iter().enumerate();
    let mixed = mixed.map(|(n, post)| if n % 2 == 0 { to_us(post) } else { post });
    assert_eq!(counts(show(&core, mixed).await), (50, 0, 50));
    core.deliver().await;
    assert_eq!(core.threads(), 251);
}

async fn a_bad_day_goes_on_once_it_was_let_in(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    show(&core, items(0..30, &clock)).await;
    core.presses("do:0:let-in fedi").await;
    clock.advance(Duration::from_secs(60));
    assert_eq!(counts(show(&core, items(100..200, &clock)).await), (100, 0, 0));
    clock.advance(Duration::from_secs(25 * 3600));
    assert_eq!(counts(show(&core, items(300..400, &clock)).await), (0, 0, 100));
}

mod meters {
    use super::*;
    use hearback::adapter::connector::Connector;
    use hearback::adapter::meter::{Allowance, Window};
    use hearback::adapter::meters::Meters;
    use hearback::adapter::social::bluesky::Bluesky;
    use hearback::config;
    use hearback::domain::Clock;
    use hearback::port::ShortVault;
    use std::sync::Arc;

    /// A source with a hundred units a day.
    fn source(clock: &ManualClock) -> Arc<dyn Connector> {
        let section = config::Bluesky {
            name: "fedi".to_owned(),
            url: "http://127.0.0.1:1".parse().unwrap(),
            identifier: "shop.example".to_owned(),
            password: "p".to_owned().into(),
            search: Vec::new(),
            poll: Duration::from_secs(30),
            approval: None,
            jetstream: None,
        };
        let clock: Arc<dyn Clock> = Arc::new(clock.clone());
        let source = Bluesky::new(
            &section,
            Duration::from_secs(1),
            clock,
            Arc::<ShortVault>::default(),
        )
        .unwrap();
        source.meter().unwrap().allow(Allowance {
            most: 100,
            parts: 1,
            unit: "units",
            window: Window::Day,
        });
        Arc::new(source)
    }

    async fn the_team_is_told_once_before_an_allowance_runs_out(database: Option<String>) {
        let clock = ManualClock::default();
        let mut core = Core::hearing(&clock, database, Hearing::default()).await;
        let first = source(&clock);
        let mut meters = Meters::new(vec![Arc::clone(&first)]);
        first.meter().unwrap().spent(79, clock.now());
        meters.look(&core.inbound, clock.now()).await.unwrap();
        core.deliver().await;
        assert_eq!(core.threads(), 0);

        first.meter().unwrap().spent(2, clock.now());
        meters.look(&core.inbound, clock.now()).await.unwrap();
        meters.look(&core.inbound, clock.now()).await.unwrap();
        core.deliver().await;
        assert_eq!(core.threads(), 1, "once");
        let told = core.thread(1);
        assert!(
            told.contains("fedi") && told.contains("81 of 100 units today"),
            "{told}"
        );

        // Another process takes up the count, and knows that it was told.
        let second = source(&clock);
        let mut meters = Meters::new(vec![Arc::clone(&second)]);
        second.meter().unwrap().spent(4, clock.now());
        meters.look(&core.inbound, clock.now()).await.unwrap();
        core.deliver().await;
        assert_eq!(core.threads(), 1);
        assert_eq!(
            second.meter().unwrap().usage(clock.now())[0].words,
            "85 of 100 units today"
        );

        clock.advance(Duration::from_secs(24 * 3600));
        second.meter().unwrap().spent(80, clock.now());
        meters.look(&core.inbound, clock.now()).await.unwrap();
        core.deliver().await;
        assert_eq!(core.threads(), 2, "the next day it is another one");
    }

    #[tokio::test]
    async fn sqlite() {
        the_team_is_told_once_before_an_allowance_runs_out(None).await;
    }

    #[tokio::test]
    async fn postgres_() {
        if let Some(database) = postgres::database().await {
            the_team_is_told_once_before_an_allowance_runs_out(Some(database)).await;
        }
    }
}

async fn what_waits_comes_in_as_it_was_edited_last(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    show(&core, items(0..30, &clock)).await;
    clock.advance(Duration::from_secs(60));
    let edited = Post {
        text: "Never mind.".to_owned(),
        edited_at: Some(clock.now()),
        ..post("p7", "An item.", &clock)
    };
    assert_eq!(counts(show(&core, [edited]).await), (0, 1, 0), "it waits on");
    core.presses("do:0:let-in fedi").await;
    let known = core
        .store()
        .posts(&[("fedi".into(), "p7".into()), ("fedi".into(), "p8".into())])
        .await
        .unwrap();
    let mut texts: Vec<_> = known.iter().map(|stored| stored.post.text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["An item.", "Never mind."]);
}

async fn what_turns_out_to_be_written_to_us_waits_for_nobody(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    show(&core, items(0..60, &clock)).await;
    core.presses("do:0:leave-out fedi").await;
    show(&core, items(100..160, &clock)).await;
    assert!(core.cases().await.is_empty());
    for id in ["p7", "p107"] {
        let mention = Post {
            kind: PostKind::Mention,
            ..post(id, "An item.", &clock)
        };
        assert_eq!(counts(show(&core, [mention]).await), (1, 0, 0), "{id}");
    }
    assert_eq!(core.cases().await.len(), 2);
    assert_eq!(core.store().count_waiting(&"fedi".into()).await.unwrap(), 59);
}

async fn a_page_that_shows_a_post_twice_is_no_flood(database: Option<String>) {
    let clock = ManualClock::default();
    let core = Core::hearing(&clock, database, guarded()).await;
    let twice = items(0..15, &clock).into_iter().chain(items(0..15, &clock));
    assert_eq!(counts(show(&core, twice).await), (15, 15, 0));
}

async fn the_page_of_the_console_shows_what_waits(database: Option<String>) {
    let clock = ManualClock::default();
    let mut core = Core::hearing(&clock, database, guarded()).await;
    let spending = Notice::Spending {
        source: "sky".into(),
        used: "83 of 100 calls".to_owned(),
        until: None,
    };
    let reader = core.reader.clone();
    let shown = async || {
        let notices = reader.notices(vec![spending.clone()]).await.unwrap();
        let plain = notices.iter().map(|entry| entry.card.message.plain());
        plain.collect::<Vec<_>>()
    };
    assert_eq!(shown().await.len(), 1);
    show(&core, items(0..30, &clock)).await;
    let told = shown().await;
    assert!(told[0].contains("30 of them wait"), "{told:?}");
    assert!(told[1].contains("83 of 100 calls"), "{told:?}");
    core.presses("do:0:leave-out fedi").await;
    assert_eq!(shown().await.len(), 1);
}
