//! The gateway, in good days and bad ones.

use super::stage::{ADA, BOB, Stage};
use crate::fake::discord::{GUILD, Order, TEXT, TOKEN};
use crate::fake::fault::Fault;
use hearback::adapter::link::LinkState;
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;

/// The gateway as `/readyz` sees it.
fn state(s: &Stage) -> LinkState {
    let links = s.discord.links();
    links
        .iter()
        .find(|link| link.name() == "discord:gateway")
        .unwrap()
        .state()
}

#[tokio::test]
async fn the_commands_are_registered_once_a_start() {
    let s = Stage::open(TEXT).await;
    assert_eq!(
        s.fake.world().commands,
        hearback::adapter::chat::discord::commands()
    );
    s.fake.gateway(&Order::Close(4009));
    s.fake.introductions(2).await;
    s.fake.until("a session", |world| world.live.then_some(())).await;
    assert_eq!(s.fake.calls("PUT /applications/:id/guilds/:id/commands").len(), 1);
    s.close().await;
}

#[tokio::test]
async fn what_happened_while_the_line_was_cut_is_replayed() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    s.fake.gateway(&Order::Cut);
    // Given into the void; the resumed session hears it.
    let answer = s.fake.command(ADA, thread, "claim", &[]).await;
    assert!(answer.text().contains("#1"), "{}", answer.text());
    assert_eq!(s.fake.introductions(2).await, ["IDENTIFY", "RESUME 1"]);
    assert_eq!(s.fake.world().sockets, ["/", "/resume"]);
    s.close().await;
}

#[tokio::test]
async fn a_wish_to_reconnect_is_followed_at_once() {
    let s = Stage::open(TEXT).await;
    s.fake.gateway(&Order::Send(json!({"op": 7, "d": null})));
    assert_eq!(s.fake.introductions(2).await, ["IDENTIFY", "RESUME 1"]);
    s.fake.until("a session", |world| world.live.then_some(())).await;
    s.close().await;
}

#[tokio::test]
async fn a_forgotten_session_is_begun_anew() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    s.fake.forget_sessions();
    s.fake.gateway(&Order::Cut);
    assert_eq!(
        s.fake.introductions(3).await,
        ["IDENTIFY", "RESUME 1", "IDENTIFY"]
    );
    let asked = s.fake.calls("GET /gateway/bot").len();
    assert_eq!(asked, 2, "whether a session may be begun is asked each time");
    s.fake.until("a session", |world| world.live.then_some(())).await;
    let answer = s.fake.command(BOB, s.fake.threads(TEXT)[0], "claim", &[]).await;
    assert!(answer.text().contains("#1"), "{}", answer.text());
    s.close().await;
}

#[tokio::test]
async fn a_session_that_timed_out_is_begun_anew() {
    let s = Stage::open(TEXT).await;
    s.fake.gateway(&Order::Close(4009));
    assert_eq!(s.fake.introductions(2).await, ["IDENTIFY", "IDENTIFY"]);
    s.close().await;
}

#[tokio::test]
async fn a_silent_line_is_left_and_resumed() {
    let s = Stage::open(TEXT).await;
    {
        let mut world = s.fake.world();
        world.heartbeat_interval = 200;
        world.silent = true;
    }
    // From the next connection on the pulse is quick, and nobody answers it.
    s.fake.gateway(&Order::Cut);
    s.fake
        .until("a third connection", |world| {
            (world.sockets.len() >= 3).then_some(())
        })
        .await;
    s.fake.world().silent = false;
    let beats = s.fake.world().heartbeats;
    s.fake
        .until("an answered pulse", |world| {
            (world.heartbeats > beats + 2).then_some(())
        })
        .await;
    s.fake.until("a session", |world| world.live.then_some(())).await;
    let said = s.fake.introductions(3).await;
    assert!(
        said.iter().skip(1).all(|what| what.starts_with("RESUME")),
        "{said:?}"
    );
    s.close().await;
}

#[tokio::test]
async fn a_revoked_token_says_so_and_does_not_hammer() {
    let s = Stage::open(TEXT).await;
    s.fake.gateway(&Order::Close(4004));
    let down = tokio::time::timeout(crate::fake::discord::PATIENCE, async {
        loop {
            if let LinkState::Down(reason) = state(&s) {
                return reason;
            }
            tokio::task::yield_now().await;
        }
    });
    let reason = down.await.unwrap();
    insta::assert_snapshot!(reason, @"the gateway closed with 4004: the bot token is not accepted; put the current one into [discord] token");
    assert!(!reason.contains(TOKEN));
    assert_eq!(s.fake.world().introductions.len(), 1);
    s.close().await;
}

#[tokio::test]
async fn an_interaction_with_unknown_and_missing_fields_is_understood() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    let data = json!({"id": "1", "name": "claim", "type": 1, "novelty": {"x": [1]}});
    let (id, mut told) = s.fake.interaction(2, ADA, thread, &data, None);
    for field in ["locale", "entitlements", "version", "context"] {
        told.as_object_mut().unwrap().remove(field);
    }
    told["channel"]["application_id"] = json!(null);
    s.fake.dispatch("INTERACTION_CREATE", &told);
    assert!(s.fake.answer(id).await.text().contains("#1"));
    // The same envelope again does it once, and an answer that was given is no failure.
    s.fake.dispatch("INTERACTION_CREATE", &told);
    s.fake
        .until("a second answer", |world| {
            let call = "POST /interactions/:id/:token/callback";
            (world.calls.iter().filter(|made| made.name == call).count() == 2).then_some(())
        })
        .await;
    s.settle().await;
    let claims = s
        .fake
        .seen(thread)
        .iter()
        .filter(|text| text.contains("Ada"))
        .count();
    assert_eq!(claims, 1);
    s.close().await;
}

#[tokio::test]
async fn what_takes_long_is_answered_by_thinking_and_then() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let busy = s.block_database().await;
    let data = json!({"id": "1", "name": "claim", "type": 1});
    let (id, told) = s.fake.interaction(2, ADA, s.fake.threads(TEXT)[0], &data, None);
    s.fake.dispatch("INTERACTION_CREATE", &told);
    let first = s
        .fake
        .until("a first answer", |world| world.pending[&id].callback.clone())
        .await;
    assert_eq!(first, json!({"type": 5, "data": {"flags": 64}}));
    drop(busy);
    assert_eq!(s.fake.answer(id).await.text(), "You have #1 now.");
    s.close().await;
}

#[rstest]
#[case(Fault::Status(502))]
#[case(Fault::StatusButDone(502))]
#[case(Fault::AcceptThenDrop)]
#[case(Fault::RateLimited("0.3".to_owned()))]
#[tokio::test]
async fn an_answer_that_failed_is_given_once_more(#[case] fault: Fault) {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    s.fake
        .faults()
        .next("POST /interactions/:id/:token/callback", fault);
    let answer = s.fake.command(ADA, s.fake.threads(TEXT)[0], "claim", &[]).await;
    assert_eq!(answer.text(), "You have #1 now.");
    s.close().await;
}

#[tokio::test]
async fn who_comes_when_too_much_is_under_way_is_told() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let busy = s.block_database().await;
    let data = json!({"id": "1", "name": "claim", "type": 1});
    let thread = s.fake.threads(TEXT)[0];
    let mut last = 0;
    for _ in 0..257 {
        let (id, told) = s.fake.interaction(2, ADA, thread, &data, None);
        s.fake.dispatch("INTERACTION_CREATE", &told);
        last = id;
    }
    assert!(s.fake.answer(last).await.text().contains("too busy"));
    drop(busy);
    s.close().await;
}

#[tokio::test]
async fn what_is_not_understood_is_answered_and_kept() {
    let s = Stage::open(TEXT).await;
    let data = json!({"id": "1", "name": "ban", "type": 1});
    let (id, told) = s.fake.interaction(2, ADA, TEXT, &data, None);
    s.fake.dispatch("INTERACTION_CREATE", &told);
    insta::assert_snapshot!(s.fake.answer(id).await.text(), @"This is not understood by this version of Hearback. It was kept for the operators.");
    // Another server's roles are not ours.
    let (id, mut told) = s
        .fake
        .interaction(2, ADA, TEXT, &json!({"name": "queue", "type": 1}), None);
    told["guild_id"] = json!((GUILD + 1).to_string());
    s.fake.dispatch("INTERACTION_CREATE", &told);
    insta::assert_snapshot!(s.fake.answer(id).await.text(), @"This server is not the one Hearback works in.");
    s.close().await;
}

#[tokio::test]
async fn the_endpoint_wants_a_signature_of_now() {
    let s = Stage::over_http(TEXT).await;
    let app = Arc::clone(&s.discord).routes(s.inbound.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/discord/interactions", listener.local_addr().unwrap());
    let tracker = tokio_util::task::TaskTracker::new();
    let serving = tracker.spawn(async move { axum::serve(listener, app).await.unwrap() });
    let client = hearback::adapter::http::client(std::time::Duration::from_secs(10)).unwrap();
    let now = hearback::domain::Clock::now(&s.clock).timestamp();
    let post = async |body: String, at: i64, signed: &str| {
        let mut request = client.post(&url).body(body);
        for (name, value) in s.fake.sign(signed, &at.to_string()) {
            request = request.header(name, value);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let ping = r#"{"id":"1","application_id":"5","type":1,"token":"t","version":1}"#;
    assert_eq!(
        post(ping.to_owned(), now, ping).await,
        (200, r#"{"type":1}"#.to_owned())
    );
    assert_eq!(post(format!("{ping} "), now, ping).await.0, 401);
    assert_eq!(post(ping.to_owned(), now - 301, ping).await.0, 401);
    let large = " ".repeat(1024 * 1024 + 1);
    assert_eq!(post(large.clone(), now, &large).await.0, 413);
    let garbage = "{".to_owned();
    assert_eq!(post(garbage.clone(), now, &garbage).await.0, 200);
    serving.abort();
    drop(tracker);
    s.close().await;
}
