//! Socket Mode: stored before acknowledged, two connections, and what can go wrong with them.

use super::world::{ADA, Mode, World, eventually, quick, within};
use crate::fake::fault::Fault;
use crate::fake::slack::{BOT, CHANNEL, Delivered, SlackFake, Submitted};
use hearback::adapter::chat::slack::Timing;
use hearback::adapter::link::LinkState;
use serde_json::json;
use std::time::Duration;

/// Every frame sent so far has been read: the next envelope of each socket is answered.
async fn all_read(slack: &SlackFake) {
    for _ in 0..2 * slack.sockets() {
        slack.command("U0EVE", "/case", "help").await;
    }
}

#[tokio::test]
async fn an_envelope_is_acknowledged_when_it_is_stored_and_not_before() {
    let world = World::with(
        Mode::Socket,
        Timing {
            answer: Duration::from_secs(8),
            ..quick()
        },
    )
    .await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let held = world.hold_commits().await;
    let payload = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "claim");
    let (mention, acked) = slack.send("events_api", payload).await;
    all_read(slack).await;
    assert!(
        !slack.acks().contains(&mention),
        "acknowledged before it was stored"
    );
    held.release().await;
    assert_eq!(slack.acked(&mention, acked).await, Delivered::Acked(None));
    slack.shows(&card.ts, "claimed by Ada").await;
    world.well();
}

#[tokio::test]
async fn a_slow_answer_comes_after_the_acknowledgement() {
    let timing = Timing {
        answer: Duration::from_millis(100),
        ..quick()
    };
    let world = World::with(Mode::Socket, timing).await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let held = world.hold_commits().await;
    let payload = slack.command_payload(ADA, "/claim", "1");
    assert_eq!(
        slack.deliver("slash_commands", payload).await,
        Delivered::Acked(None)
    );
    assert!(slack.whispers().is_empty());
    held.release().await;
    let whisper = slack
        .until("the late answer", |slack| slack.whispers().into_iter().next())
        .await;
    assert_eq!(whisper.text, "You have #1 now.");

    // A window stays open meanwhile, and the same words submitted again count once.
    let card = slack.shows(&card.ts, "claimed by Ada").await;
    let window = slack.press(ADA, &card, "Note").await.window();
    let held = world.hold_commits().await;
    let Submitted::Errors(reason) = slack.submit(&window, "a note").await else {
        panic!("the window closed");
    };
    assert!(reason.contains("count once"), "{reason}");
    held.release().await;
    slack.said(&card.ts, "> a note").await;
    assert!(matches!(
        slack.submit(&window, "a note").await,
        Submitted::Closed(_)
    ));
    let notes = slack
        .replies(&card.ts)
        .into_iter()
        .filter(|message| message.shown().contains("> a note"));
    assert_eq!(notes.count(), 1);
    world.well();
}

#[tokio::test]
async fn without_a_database_nothing_is_claimed_to_be_accepted() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let window = slack.press(ADA, &card, "Reply").await.window();
    world.store.close().await;

    let said = slack.command(ADA, "/claim", "1").await;
    assert!(said.contains("was not accepted"), "{said}");
    let Submitted::Errors(said) = slack.submit(&window, "Hello!").await else {
        panic!("the window closed, and the words are lost");
    };
    assert!(said.contains("was not accepted"), "{said}");
    let (press, _) = slack.press_payload(ADA, &card, "Claim");
    let mention = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "claim");
    let (press, mention) = tokio::join!(
        slack.deliver("interactive", press),
        slack.deliver("events_api", mention)
    );
    assert_eq!((press, mention), (Delivered::TimedOut, Delivered::TimedOut));
    assert!(slack.whispers().last().unwrap().text.contains("was not accepted"));
}

#[tokio::test]
async fn a_repeated_envelope_counts_once_whichever_way_it_comes() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let command = slack.command_payload(ADA, "/case", "note 1 once");
    let mention = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "note twice?");
    let mut retried = mention.clone();
    retried["event_id"] = json!("Ev-another");
    for _ in 0..3 {
        for (kind, payload) in [
            ("slash_commands", &command),
            ("events_api", &mention),
            ("events_api", &retried),
        ] {
            let delivered = slack.deliver(kind, payload.clone()).await;
            assert!(matches!(delivered, Delivered::Acked(_)), "{delivered:?}");
        }
    }
    slack.said(&card.ts, "> once").await;
    slack.said(&card.ts, "> twice?").await;
    let notes = slack
        .replies(&card.ts)
        .into_iter()
        .filter(|message| message.user == BOT);
    assert_eq!(notes.count(), 2);
    world.well();
}

#[tokio::test]
async fn what_is_not_understood_is_kept_and_acknowledged() {
    let world = World::open().await;
    let slack = &world.slack;
    let frame = json!({"type": "of_tomorrow", "envelope_id": "e1", "payload": {"a": 1}}).to_string();
    let acked = slack.send_frame("e1", frame);
    assert_eq!(slack.acked("e1", acked).await, Delivered::Acked(None));
    let odd = json!({"type": "of_tomorrow", "team": null});
    assert_eq!(slack.deliver("interactive", odd).await, Delivered::Acked(None));
    let kept = world.asides().await;
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(
        kept[0].contains("of_tomorrow") && kept[1].contains("of_tomorrow"),
        "{kept:?}"
    );
}

#[tokio::test]
async fn a_silent_socket_is_replaced() {
    let timing = Timing {
        silent: Duration::from_millis(300),
        ping: Duration::from_millis(100),
        ..quick()
    };
    let world = World::with(Mode::Socket, timing).await;
    world.slack.go_silent();
    world.slack.connected(2).await;
    assert_eq!(world.slack.greeted(), 4);
    world.slack.command(ADA, "/case", "help").await;
}

#[tokio::test]
async fn a_cut_socket_is_replaced() {
    let world = World::open().await;
    world
        .slack
        .faults
        .next("apps.connections.open", Fault::Status(500));
    world
        .slack
        .faults
        .next("apps.connections.open", Fault::RateLimited("0".to_owned()));
    world.slack.cut();
    world
        .slack
        .until("new sockets", |slack| (slack.greeted() == 4).then_some(()))
        .await;
    world.slack.connected(2).await;
    world.slack.command(ADA, "/case", "help").await;
}

#[tokio::test]
async fn a_refresh_loses_no_envelope() {
    let world = World::open().await;
    let slack = &world.slack;
    slack.disconnect("warning");
    slack
        .until("new sockets", |slack| (slack.greeted() == 4).then_some(()))
        .await;
    assert_eq!(slack.sockets(), 4, "the old ones are still read");
    for _ in 0..4 {
        slack.command(ADA, "/case", "help").await;
    }
    slack.connected(2).await;
    world.well();
}

#[tokio::test]
async fn a_switched_off_socket_mode_is_told_not_hammered() {
    let world = World::open().await;
    world.slack.disconnect("link_disabled");
    let links = world.ours.links();
    eventually("the links tell it", || {
        links[1..]
            .iter()
            .all(|link| matches!(link.state(), LinkState::Down(reason) if reason.contains("turn it on")))
    })
    .await;
    assert_eq!(links[0].state(), LinkState::Up, "the API still answers");
    assert_eq!(world.slack.calls("apps.connections.open").len(), 2);
}

#[tokio::test]
async fn work_that_was_begun_is_finished_and_acknowledged_when_we_stop() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let held = world.hold_commits().await;
    let payload = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "claim");
    let (mention, acked) = slack.send("events_api", payload).await;
    all_read(slack).await;
    world.stop.cancel();
    held.release().await;
    assert_eq!(slack.acked(&mention, acked).await, Delivered::Acked(None));
    world.running.close();
    within("Slack ends", world.running.wait()).await;
    slack
        .until("no sockets", |slack| (slack.sockets() == 0).then_some(()))
        .await;
}

#[tokio::test]
async fn what_comes_by_both_sockets_is_answered_once() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;

    let mention = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "claim");
    let (first, acked) = slack.send("events_api", mention.clone()).await;
    let (second, acked_too) = slack.send("events_api", mention).await;
    slack.acked(&first, acked).await;
    slack.acked(&second, acked_too).await;
    slack.shows(&card.ts, "claimed by Ada").await;
    slack.mention(ADA, CHANNEL, Some(&card.ts), "show").await;
    let told = slack
        .whispers()
        .into_iter()
        .filter(|w| w.text == "You have #1 now.");
    assert_eq!(told.count(), 1);

    let card = slack.message(&card.ts);
    let (press, _) = slack.press_payload(ADA, &card, "Reply");
    let twice = [
        slack.deliver("interactive", press.clone()).await,
        slack.deliver("interactive", press).await,
    ];
    assert_eq!(twice, [Delivered::Acked(None), Delivered::Acked(None)]);
    slack.mention(ADA, CHANNEL, Some(&card.ts), "show").await;
    assert_eq!(slack.calls("views.open").len(), 1);
}
