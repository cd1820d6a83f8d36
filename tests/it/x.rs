//! Conversations on X: what is special to it.

use crate::conformance::x::{SIGNED, configured};
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use crate::fake::x::{self, FakeX, HANDLE};
use hearback::adapter::connector::Connector;
use hearback::adapter::meters::Meters;
use hearback::adapter::social::x::X;
use hearback::adapter::supervise::Lost;
use hearback::app::{Input, Response};
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, PostKind, ReplyState, Visibility};
use hearback::port::{ShortVault, SocialPlatform};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    clock: ManualClock,
    server: FakeX,
    /// Outlives the accounts, as a database does.
    vault: Arc<ShortVault>,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeX::start(house::clock(&clock)).await;
        let vault = Arc::default();
        Self { clock, server, vault }
    }

    fn account(&self, config: &config::X) -> Arc<X> {
        let vault = self.vault.clone();
        let account = X::new(config, Duration::from_secs(5), house::clock(&self.clock), vault);
        Arc::new(account.unwrap())
    }

    async fn core(&self, account: &Arc<X>) -> Core {
        Core::start(&self.clock, vec![account.clone() as Arc<dyn SocialPlatform>]).await
    }
}

fn shown(response: &Response) -> String {
    format!("{response:?}")
}

#[tokio::test]
async fn who_did_not_name_us_is_not_answered_and_that_is_told_before_anybody_writes() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    let post = scene.server.write("ann", "my zebra never came");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let page = format!("https://x.com/intent/post?in_reply_to={post}");
    // The form that asks for the words is not even shown.
    let ask = Input::Ask {
        verb: "reply".to_owned(),
    };
    let response = core.gives(Some(0), ask).await;
    assert!(
        matches!(response, Response::Refused(_)) && shown(&response).contains(&page),
        "{response:?}"
    );
    let response = core.says("reply 1 Sorry!").await;
    assert!(
        matches!(response, Response::Refused(_)) && shown(&response).contains(&page),
        "{response:?}"
    );
    assert_eq!(scene.server.calls("create"), 0);
    // In private it can be.
    let response = core.says("dm 1 Sorry! Which order?").await;
    assert!(matches!(response, Response::Done(_)), "{response:?}");
    core.deliver().await;
    core.wait(house::HOLD).await;
    assert_eq!(
        scene.server.sent(),
        [(x::number("ann"), "Sorry! Which order?".to_owned())]
    );
    assert_eq!(core.replies(1).await[0].state, ReplyState::Sent);

    // An account of Enterprise may; X decides.
    let mut config = configured(&scene.server);
    config.summoned_only = false;
    let account = scene.account(&config);
    assert!(
        account
            .closed(
                &core.posts(&core.cases().await[0]).await[0],
                hearback::domain::Audience::Public
            )
            .is_none()
    );
}

#[tokio::test]
async fn who_takes_the_name_out_of_a_post_is_not_answered() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    let post = scene.server.write("ann", "@shop my parcel is late");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.server.edit(&post, "my parcel is late");
    core.reply(1, "Sorry!").await;
    let reply = &core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Stale, "{:?}", reply.reason);
    assert_eq!(scene.server.calls("create"), 0);
}

#[tokio::test]
async fn whose_author_lets_only_the_named_answer_is_not_answered() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.summoned_only = false;
    let account = scene.account(&config);
    let mut core = scene.core(&account).await;
    let post = scene.server.write("ann", "my zebra never came");
    scene.server.gate(&post);
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    core.reply(1, "Sorry!").await;
    let reply = &core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Stale, "{:?}", reply.reason);
    assert!(
        reply.reason.as_deref().unwrap().contains("only those answer"),
        "{:?}",
        reply.reason
    );
    assert_eq!(scene.server.calls("create"), 0);
}

#[tokio::test]
async fn calls_are_signed_where_there_is_no_token() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    (config.client_id, config.client_secret, config.refresh_token) = (None, None, None);
    config.consumer_key = Some(x::CONSUMER_KEY.to_owned());
    config.consumer_secret = Some(SecretString::from(x::CONSUMER_SECRET));
    config.token = Some(x::TOKEN.to_owned());
    config.token_secret = Some(SecretString::from(x::TOKEN_SECRET));
    // What has to be escaped twice on its way into the signature.
    config.search = vec!["\"a zebra\" (late OR never) -is:retweet ä&b=c+d".to_owned()];
    let account = scene.account(&config);
    let mut core = scene.core(&account).await;
    scene.server.write("ann", "@shop my parcel is late");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    assert_eq!(scene.server.calls("search"), 1);
    core.reply(1, "Sorry!").await;
    assert_eq!(core.replies(1).await[0].state, ReplyState::Sent);
    assert_eq!(scene.server.calls("token"), 0);

    // With another secret nobody lets us in, and the secret is in no word of it.
    config.token_secret = Some(SecretString::from("wrong-SECRET"));
    let lost = scene.account(&config).sweep(&core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("401") && !why.contains("SECRET")),
        "{lost:?}"
    );
}

#[tokio::test]
async fn x_asks_whether_we_know_the_secret_and_is_believed_only_with_it() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.consumer_secret = Some(SecretString::from(x::CONSUMER_SECRET));
    let account = scene.account(&config);
    let core = scene.core(&account).await;
    let ours = Server::start(account.clone().routes(core.inbound.clone()).unwrap()).await;
    let door = ours.url.join("/webhooks/x").unwrap();
    let mut question = door.clone();
    question
        .query_pairs_mut()
        .append_pair("crc_token", "MGFh+Yj/I4-_=");
    let client = hearback::adapter::http::client(Duration::from_secs(5)).unwrap();
    let told: serde_json::Value = client.get(question).send().await.unwrap().json().await.unwrap();
    let expected = x::signature(x::CLIENT_SECRET, b"MGFh+Yj/I4-_=");
    assert_eq!(told, json!({"response_token": expected}));
    assert_eq!(
        client.get(door.clone()).send().await.unwrap().status().as_u16(),
        400
    );

    // The same secret signs what X sends: whoever asks must not have a request signed.
    let mut forged = door.clone();
    forged.query_pairs_mut().append_pair("crc_token", "{\"data\":{}}");
    assert_eq!(client.get(forged).send().await.unwrap().status().as_u16(), 400);
    let signed = [(SIGNED, x::signature(x::CLIENT_SECRET, b"7"))];
    assert_eq!(deliver(&door, &signed, "7").await.0.as_u16(), 400);
    assert_eq!(core.set_aside().await, 0);

    let id = scene.server.write("ann", "@shop my parcel is late");
    let body = scene.server.event("post.mention.create", &id).to_string();
    let older = (
        "x-twitter-webhooks-signature",
        x::signature(x::CONSUMER_SECRET, body.as_bytes()),
    );
    let newer = (SIGNED, x::signature(x::CLIENT_SECRET, body.as_bytes()));
    let wrong = (SIGNED, x::signature(x::CONSUMER_SECRET, body.as_bytes()));
    for (headers, status) in [
        (vec![], 401),
        (vec![wrong.clone()], 401),
        // While both come, the newer one counts.
        (vec![wrong, older.clone()], 401),
        (vec![older.clone()], 200),
        (vec![newer, older], 200),
    ] {
        let (answer, _) = deliver(&door, &headers, body.clone()).await;
        assert_eq!(answer.as_u16(), status, "{headers:?}");
    }
    assert_eq!(core.cases().await.len(), 1);
}

#[tokio::test]
async fn what_the_webhook_tells_is_what_the_sweep_would_have_told() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    let ours = Server::start(account.clone().routes(core.inbound.clone()).unwrap()).await;
    let door = ours.url.join("/webhooks/x").unwrap();
    let send = async |body: serde_json::Value| {
        let body = body.to_string();
        let headers = [(SIGNED, x::signature(x::CLIENT_SECRET, body.as_bytes()))];
        assert_eq!(deliver(&door, &headers, body).await.0.as_u16(), 200);
    };
    let news = scene.server.write(HANDLE, "every parcel on time");
    let quote = scene.server.quote("bob", &news, "mine is not");
    send(scene.server.event("post.quote.create", &quote)).await;
    send(scene.server.event("post.create", &news)).await;
    let message = json!({"data": {"event_uuid": "-1", "filter": {"user_id": x::number(HANDLE)}, "event_type": "dm.received",
        "payload": {"direct_message_events": [{"type": "message_create", "id": "2080765901528535096",
            "created_timestamp": scene.clock.now().timestamp_millis().to_string(),
            "message_create": {"target": {"recipient_id": x::number(HANDLE)}, "sender_id": x::number("eve"),
                "message_data": {"text": "hello!", "entities": {"urls": []}}}}],
            "users": {x::number("eve"): {"data": {"id": x::number("eve"), "username": "eve", "name": "Eve"}}}}}});
    send(message).await;
    send(json!({"data": {"event_type": "follow.follow", "payload": {}}})).await;
    send(json!({"data": {"event_type": "post.mention.create", "payload": {"id": "7"}}})).await;
    assert_eq!(core.set_aside().await, 1);
    let mut heard = Vec::new();
    for case in core.cases().await {
        let post = core.posts(&case).await.remove(0);
        heard.push((post.author.handle, post.kind, post.visibility));
    }
    heard.sort_by(|one, other| one.0.cmp(&other.0));
    assert_eq!(
        heard,
        [
            ("bob".to_owned(), PostKind::Mention, Visibility::Public),
            ("eve".to_owned(), PostKind::Message, Visibility::Private)
        ]
    );
    // Who quoted us can be answered.
    core.deliver().await;
    core.reply(1, "Sorry!").await;
    assert_eq!(core.replies(1).await[0].state, ReplyState::Sent);
    send(json!({"data": {"event_type": "post.delete", "payload": {"id": quote, "author_id": x::number("bob")}}})).await;
    assert!(core.posts(&core.cases().await[0]).await[0].deleted);
}

#[tokio::test]
async fn private_messages_are_heard_and_answered_in_private() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.direct_messages = true;
    let account = scene.account(&config);
    let mut core = scene.core(&account).await;
    account.sweep(&core.inbound).await.unwrap();
    for n in 0..45 {
        scene.clock.advance(Duration::from_secs(1));
        scene.server.tell("eve", &format!("number {n}"));
    }
    account.sweep(&core.inbound).await.unwrap();
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let cases = core.cases().await;
    assert_eq!((cases.len(), cases[0].posts), (1, 45));
    // An answer of which nobody knows whether it went out is looked for in the conversation.
    scene.server.faults().next("dm", Fault::AcceptThenDrop);
    core.reply(1, "Sorry!").await;
    core.wait(SETTLE).await;
    assert_eq!(core.replies(1).await[0].state, ReplyState::Sent);
    assert_eq!(scene.server.sent().len(), 1);
    scene.server.closes_messages("eve");
    core.reply(1, "One more thing.").await;
    let reply = &core.replies(1).await[1];
    assert_eq!(reply.state, ReplyState::Failed);
    assert!(
        reply.reason.as_deref().unwrap().contains("permission to DM"),
        "{:?}",
        reply.reason
    );
}

#[tokio::test]
async fn the_same_words_twice_are_refused_and_the_agent_reads_why() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    scene.server.write("ann", "@shop my parcel is late");
    scene.clock.advance(Duration::from_secs(1));
    scene.server.write("bob", "@shop mine too");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    core.reply(1, "Sorry!").await;
    core.reply(2, "Sorry!").await;
    let reply = &core.replies(2).await[0];
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    let why = reply.reason.as_deref().unwrap();
    assert!(why.contains("same words") && why.contains("duplicate"), "{why}");
    assert_eq!(scene.server.published().len(), 1);
}

#[tokio::test]
async fn credits_that_are_used_up_are_told_and_a_reply_waits_for_them() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    scene.server.write("ann", "@shop my parcel is late");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    scene.server.unpaid(true);
    let lost = account.sweep(&core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("credits") && why.contains("buy")),
        "{lost:?}"
    );
    core.reply(1, "Sorry!").await;
    assert!(scene.server.published().is_empty());
    scene.server.unpaid(false);
    for _ in 0..3 {
        core.wait(Duration::from_secs(900)).await;
    }
    assert_eq!(scene.server.published().len(), 1);
}

#[tokio::test]
async fn past_the_budget_searches_rest_until_midnight_and_mentions_are_heard() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.budget = Some(1);
    let account = scene.account(&config);
    let core = scene.core(&account).await;
    // Half a cent for each post and a cent for its author.
    for n in 0..250 {
        scene.server.write("ann", &format!("@shop number {n}"));
    }
    account.sweep(&core.inbound).await.unwrap();
    assert_eq!(scene.server.calls("search"), 0, "the mentions used it up");
    let usage = account.meter().unwrap().usage(scene.clock.now());
    assert_eq!(
        usage.len(),
        1,
        "the quota of one call is none of the source: {usage:?}"
    );
    assert_eq!(usage[0].words, "1.27 of 1.00 dollars today");
    scene.clock.advance(Duration::from_secs(15 * 60));
    scene.server.write("bob", "@shop me too");
    account.sweep(&core.inbound).await.unwrap();
    assert_eq!(core.cases().await.len(), 251);
    scene.clock.advance(Duration::from_secs(24 * 3600));
    account.sweep(&core.inbound).await.unwrap();
    assert_eq!(scene.server.calls("search"), 1);
}

#[tokio::test]
async fn what_was_spent_outlives_a_restart_and_the_team_is_told() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.budget = Some(1);
    let account = scene.account(&config);
    let mut core = scene.core(&account).await;
    for n in 0..180 {
        scene.server.write("ann", &format!("@shop number {n}"));
    }
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    let before = core.threads();
    let mut meters = Meters::new(vec![account.clone() as Arc<dyn Connector>]);
    meters.look(&core.inbound, scene.clock.now()).await.unwrap();
    core.deliver().await;
    assert_eq!(core.threads(), before + 1);
    let told = core.thread(core.threads());
    assert!(told.contains("0.92 of 1.00 dollars today"), "{told}");
    assert_eq!(scene.server.calls("search"), 1);

    // Another process reads a tenth of a dollar more: only together it is the whole.
    let again = scene.account(&config);
    let mut meters = Meters::new(vec![again.clone() as Arc<dyn Connector>]);
    meters.look(&core.inbound, scene.clock.now()).await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    for n in 0..20 {
        scene.server.write("bob", &format!("@shop number {n}"));
    }
    again.sweep(&core.inbound).await.unwrap();
    assert_eq!(scene.server.calls("search"), 1);
    let words = &again.meter().unwrap().usage(scene.clock.now())[0].words;
    assert!(words.ends_with("of 1.00 dollars today"), "{words}");
    assert!(again.meter().unwrap().is_used_up(scene.clock.now()), "{words}");
}

#[tokio::test]
async fn past_the_budget_the_stream_rests() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.bearer_token = Some(SecretString::from(x::BEARER));
    config.budget = Some(1);
    let account = scene.account(&config);
    let core = scene.core(&account).await;
    let running = core.run();
    let reading = account.clone().run(running.inbound.clone(), running.stop.clone());
    running.tracker.spawn(reading);
    let meter = account.meter().unwrap();
    let streams = async {
        let post = scene.server.write("ann", "my zebra never came");
        while !scene.server.streams(&post) {
            tokio::task::yield_now().await;
        }
        meter.spent(1_000_000, scene.clock.now());
        // With the next post it sees that the day's money is spent, and hangs up.
        while scene.server.streams(&post) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), streams)
        .await
        .unwrap();
}

#[tokio::test]
async fn what_the_rules_of_others_caught_is_theirs() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.bearer_token = Some(SecretString::from(x::BEARER));
    config.search = vec!["zebra".to_owned(), "heron".to_owned()];
    scene.server.add_rule("giraffe", "theirs");
    // Theirs says the same as one of ours: X takes no second one.
    scene.server.add_rule("heron", "theirs");
    let account = scene.account(&config);
    let core = scene.core(&account).await;
    let running = core.run();
    let reading = account.clone().run(running.inbound.clone(), running.stop.clone());
    running.tracker.spawn(reading);
    let streams = async {
        let link = &account.links()[1];
        while link.state() != hearback::adapter::link::LinkState::Up {
            tokio::task::yield_now().await;
        }
        for text in ["a giraffe", "a heron", "a zebra"] {
            let post = scene.server.write("ann", text);
            while !scene.server.streams(&post) {
                tokio::task::yield_now().await;
            }
            scene.server.delete(&post);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), streams)
        .await
        .unwrap();
    running.said(0, "a heron").await;
    running.said(1, "a zebra").await;
    let mut rules: Vec<_> = scene.server.rules().into_iter().map(|(value, _)| value).collect();
    rules.sort();
    assert_eq!(rules, ["giraffe", "heron", "zebra"]);
}

#[tokio::test]
async fn a_search_that_is_no_rule_and_a_stream_that_lets_nobody_in_are_told() {
    let down = async |search: &str, refusal: Option<(u16, serde_json::Value)>| {
        let scene = Scene::new().await;
        let mut config = configured(&scene.server);
        config.bearer_token = Some(SecretString::from(x::BEARER));
        config.search = vec![search.to_owned()];
        if let Some((status, body)) = refusal {
            scene.server.refuse_stream(status, body);
        }
        let account = scene.account(&config);
        let core = scene.core(&account).await;
        let running = core.run();
        let reading = account.clone().run(running.inbound.clone(), running.stop.clone());
        running.tracker.spawn(reading);
        let told = async {
            loop {
                if let hearback::adapter::link::LinkState::Down(why) = account.links()[1].state() {
                    return why;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), told).await.unwrap()
    };
    let why = down("zebra min_likes:3", None).await;
    assert!(
        why.contains("zebra min_likes:3") && why.contains("invalid operator"),
        "{why}"
    );
    let depleted = json!({"title": "CreditsDepleted", "detail": "Your account does not have any credits",
        "type": "https://api.x.com/2/problems/credits-depleted", "status": 402});
    let why = down("zebra", Some((402, depleted))).await;
    assert!(why.contains("any credits") && why.contains("buy some"), "{why}");
}

#[tokio::test]
async fn an_event_without_its_author_is_read_again_for_it() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let core = scene.core(&account).await;
    let ours = Server::start(account.clone().routes(core.inbound.clone()).unwrap()).await;
    let door = ours.url.join("/webhooks/x").unwrap();
    let send = async |body: serde_json::Value| {
        let body = body.to_string();
        let headers = [(SIGNED, x::signature(x::CLIENT_SECRET, body.as_bytes()))];
        assert_eq!(deliver(&door, &headers, body).await.0.as_u16(), 200);
    };
    let news = scene.server.write(HANDLE, "every parcel on time");
    let one = scene.server.answer("bob", &news, "mine is not");
    send(x::bare(scene.server.event("post.reply.create", &one))).await;
    let author = core.posts(&core.cases().await[0]).await.remove(0).author;
    assert_eq!((author.handle.as_str(), author.followers), ("bob", Some(120)));
    // Where that is not to be had, it is heard all the same.
    scene.server.faults().next("lookup", Fault::Status(500));
    let two = scene.server.answer("eve", &news, "nor mine");
    send(x::bare(scene.server.event("post.reply.create", &two))).await;
    assert_eq!(core.cases().await.len(), 2);
}

#[tokio::test]
async fn after_a_long_outage_older_mentions_than_the_list_shows_are_searched_for() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let core = scene.core(&account).await;
    account.sweep(&core.inbound).await.unwrap();
    for n in 0..950 {
        if n % 10 == 0 {
            scene.clock.advance(Duration::from_secs(60));
        }
        scene.server.write("ann", &format!("@shop number {n}"));
    }
    account.sweep(&core.inbound).await.unwrap();
    let cases = core.cases().await;
    let posts: i64 = cases.iter().map(|case| case.posts).sum();
    assert_eq!(posts, 950);
}

#[tokio::test]
async fn many_private_messages_are_read_within_the_pages_that_x_allows() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.direct_messages = true;
    let account = scene.account(&config);
    let core = scene.core(&account).await;
    account.sweep(&core.inbound).await.unwrap();
    scene.clock.advance(Duration::from_secs(3600));
    for n in 0..600 {
        scene.server.tell("eve", &format!("number {n}"));
    }
    account.sweep(&core.inbound).await.unwrap();
    assert_eq!(core.cases().await[0].posts, 600);
    // What does not fit into a quarter of an hour comes in the next.
    scene.clock.advance(Duration::from_secs(3600));
    for n in 0..1600 {
        scene.server.tell("eve", &format!("again {n}"));
    }
    account.sweep(&core.inbound).await.unwrap();
    assert_eq!(core.cases().await[0].posts, 600 + 20 + 14 * 100);
}

#[tokio::test]
async fn nothing_is_published_in_the_name_of_an_account_that_was_connected_meanwhile() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    scene.server.write("ann", "@shop my parcel is late");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    scene.server.take_over("other");
    core.reply(1, "Sorry!").await;
    let reply = &core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Failed, "{:?}", reply.reason);
    assert!(
        reply.reason.as_deref().unwrap().contains("another account"),
        "{:?}",
        reply.reason
    );
    assert_eq!(scene.server.calls("create"), 0);
}

#[tokio::test]
async fn an_odd_post_of_ours_does_not_keep_replies_from_being_sent() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let mut core = scene.core(&account).await;
    scene.server.write("ann", "@shop my parcel is late");
    account.sweep(&core.inbound).await.unwrap();
    core.deliver().await;
    scene.server.poison_own(json!({"id": "1", "text": 7}));
    core.reply(1, "Sorry!").await;
    let reply = &core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
}

#[tokio::test]
async fn the_stream_tells_of_what_is_searched_for_under_rules_of_its_own() {
    let scene = Scene::new().await;
    let mut config = configured(&scene.server);
    config.bearer_token = Some(SecretString::from(x::BEARER));
    scene.server.add_rule("of another program", "theirs");
    scene.server.add_rule("an old search", "hearback:x");
    let account = scene.account(&config);
    let core = scene.core(&account).await;
    let running = core.run();
    let reading = account.clone().run(running.inbound.clone(), running.stop.clone());
    running.tracker.spawn(reading);
    let streams = async {
        let link = &account.links()[1];
        while link.state() != hearback::adapter::link::LinkState::Up {
            tokio::task::yield_now().await;
        }
        // The sweep found nothing: what comes now comes by the stream.
        let post = scene.server.write("ann", "my zebra never came");
        while !scene.server.streams(&post) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), streams)
        .await
        .unwrap();
    running.threads(1).await;
    let mut rules = scene.server.rules();
    rules.sort();
    let pair = |value: &str, tag: &str| (value.to_owned(), tag.to_owned());
    assert_eq!(
        rules,
        [pair("of another program", "theirs"), pair("zebra", "hearback:x")]
    );
}

#[tokio::test]
async fn doctor_says_whose_account_it_is_and_what_to_mend() {
    let scene = Scene::new().await;
    let account = scene.account(&configured(&scene.server));
    let well = account.examine().await;
    assert!(well.iter().all(|finding| finding.ok), "{well:?}");
    assert!(well[0].what.contains("@shop"), "{well:?}");
    assert!(
        well.iter().any(|finding| finding.what.contains("290 of 300")),
        "{well:?}"
    );
    scene.server.lock_out();
    let findings = scene.account(&configured(&scene.server)).examine().await;
    assert!(
        !findings[0].ok && !format!("{findings:?}").contains("SECRET"),
        "{findings:?}"
    );
}
