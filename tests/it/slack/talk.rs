//! Whole conversations: a customer complains, the team works in Slack, the answer goes out.

use super::world::{ADA, EVE, GRACE, HOSTILE, LIMIT, LIN, World};
use crate::fake::fault::Fault;
use crate::fake::slack::{BOT, CHANNEL, Delivered, ESCALATIONS, Submitted};
use rstest::rstest;
use serde_json::json;

async fn world(mode: &str) -> World {
    if mode == "http" {
        World::by_http().await
    } else {
        World::open().await
    }
}

#[rstest]
#[case::socket("socket")]
#[case::http("http")]
#[tokio::test]
async fn a_complaint_is_claimed_answered_and_resolved(#[case] mode: &str) {
    let world = world(mode).await;
    let slack = &world.slack;
    let card = world.complaint("p1", "My parcel is late!").await;
    assert!(card.shown().contains("> My parcel is late!"), "{}", card.shown());

    let said = slack.press(ADA, &card, "Claim").await.words();
    assert_eq!(said, "You have #1 now.");
    let card = slack.shows(&card.ts, "claimed by Ada").await;
    assert!(
        !card.buttons().contains(&"Claim".to_owned()),
        "{:?}",
        card.buttons()
    );

    let window = slack.press(ADA, &card, "Reply").await.window();
    assert_eq!(window.title(), "Public reply · #1");
    let Submitted::Closed(said) = slack
        .submit(&window, "Sorry, Ann & all!\nIt arrives <b>today</b>.")
        .await
    else {
        panic!("the window did not close");
    };
    assert_eq!(said.channel, CHANNEL);
    assert_eq!(
        world.published(1).await,
        [(
            "p1".to_owned(),
            "Sorry, Ann & all!\nIt arrives <b>today</b>.".to_owned()
        )]
    );
    slack.said(&card.ts, "Sorry, Ann & all!").await;
    slack.shows(&card.ts, "answered").await;

    assert_eq!(
        slack.command(ADA, "/resolve", "1 refunded").await,
        "#1 is resolved."
    );
    let card = slack.shows(&card.ts, "Outcome: refunded").await;
    assert_eq!(card.buttons(), ["Reopen", "Note"]);
    world.well();
}

#[tokio::test]
async fn words_that_are_refused_are_not_lost() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let window = slack.press(ADA, &card, "Reply").await.window();
    let Submitted::Errors(reason) = slack.submit(&window, &"x".repeat(LIMIT + 1)).await else {
        panic!("the window closed");
    };
    assert!(reason.contains("Shorten it by 1"), "{reason}");
    assert!(matches!(
        slack.submit(&window, "Hello!").await,
        Submitted::Closed(_)
    ));
    assert_eq!(world.published(1).await[0].1, "Hello!");
    world.well();
}

#[tokio::test]
async fn the_same_verbs_work_everywhere() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Where is it?").await;

    // A mention in the thread: the case is implied, and the answer is private, in the thread.
    assert_eq!(
        slack.mention(ADA, CHANNEL, Some(&card.ts), "claim").await,
        "You have #1 now."
    );
    assert_eq!(slack.whispers()[0].thread.as_deref(), Some(card.ts.as_str()));
    // A slash command: the number comes along.
    assert_eq!(
        slack.command(ADA, "/case", "note 1 VIP & <friend>").await,
        "Noted on #1."
    );
    slack.said(&card.ts, "> VIP & <friend>").await;
    // A shortcut at a message of the thread.
    let told = slack
        .replies(&card.ts)
        .into_iter()
        .find(|message| message.user == BOT)
        .unwrap();
    let window = slack.shortcut(ADA, &told, "case_reply").await.window();
    slack.submit(&window, "On its way.").await;
    assert_eq!(world.published(1).await[0].1, "On its way.");
    // Talk in the thread is talk.
    slack.write(ADA, CHANNEL, Some(&card.ts), "nice customer");
    // A mention without words, or in the middle of a sentence, gets the help.
    let help = slack.mention(ADA, CHANNEL, Some(&card.ts), "").await;
    assert!(help.contains("claim"), "{help}");
    world.well();
}

#[tokio::test]
async fn free_text_is_published_as_it_was_typed() {
    let world = World::open().await;
    let slack = &world.slack;
    world.complaint("p1", "Hello?").await;
    let typed = "1  Dear Ann,  \"two\" & <3 — see &lt;here&gt;";
    slack.command(ADA, "/reply", typed).await;
    assert_eq!(
        world.published(1).await[0].1,
        "Dear Ann,  \"two\" & <3 — see &lt;here&gt;"
    );
    world.well();
}

#[tokio::test]
async fn an_escalation_reaches_the_other_channel_and_calls_the_team() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "I want my money back").await;
    let window = slack.press(ADA, &card, "Escalate").await.window();
    let Submitted::Closed(said) = slack.submit(&window, "She is a journalist <!channel>").await else {
        panic!("the window did not close");
    };
    assert_eq!(said.text, "#1 went to managers.");
    let there = slack.thread_in(ESCALATIONS, 1).await;
    let told = slack.said(&there.ts, "She is a journalist <!channel>").await;
    assert_eq!(told.pings(), [GRACE]);
    world.known(&there).await;
    assert_eq!(
        slack.press(GRACE, &there, "Claim").await.words(),
        "You have #1 now."
    );
    slack.shows(&card.ts, "claimed by Grace").await;
    slack.shows(&there.ts, "claimed by Grace").await;
    world.well();
}

#[tokio::test]
async fn a_hostile_customer_gets_nothing_but_an_answer() {
    let world = World::open().await;
    let slack = &world.slack;
    world.post("p1", "p1", HOSTILE, HOSTILE).await;
    let card = slack.thread(1).await;
    world.post("p2", "p1", HOSTILE, HOSTILE).await;
    let told = slack.said(&card.ts, "wrote again").await;
    slack.command(ADA, "/claim", "1").await;
    slack.command(ADA, "/case", "show 1").await;
    slack.command(ADA, "/case", "queue").await;
    slack.command(ADA, "/case", "history 1").await;
    slack.shows(&card.ts, "claimed by Ada").await;
    assert_eq!(told.pings(), Vec::<String>::new());
    assert_eq!(slack.message(&card.ts).pings(), Vec::<String>::new());
    world.well();
}

#[tokio::test]
async fn only_those_who_work_here_may_act() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let refused = slack.press(EVE, &card, "Claim").await.words();
    assert!(
        refused.contains(EVE),
        "the refusal names the id to configure: {refused}"
    );
    assert_ne!(slack.command(EVE, "/claim", "1").await, "You have #1 now.");
    assert_eq!(
        slack.press(LIN, &card, "Claim").await.words(),
        "You have #1 now.",
        "by the user group"
    );
    slack.shows(&card.ts, "claimed by").await;

    // Ada's id in a shared channel, but from another company's workspace.
    let mut payload = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "release");
    payload["event"]["user_team"] = json!("T0OTHER");
    let before = slack.whispers().len();
    assert_eq!(slack.deliver("events_api", payload).await, Delivered::Acked(None));
    let whisper = slack
        .until("a refusal", |slack| slack.whispers().into_iter().nth(before))
        .await;
    assert!(whisper.text.contains(ADA), "{}", whisper.text);
    assert!(slack.message(&card.ts).shown().contains("claimed by"));
    world.well();
}

#[rstest]
#[case::slow(None)]
#[case::broken(Some(Fault::Status(500)))]
#[tokio::test]
async fn a_slack_that_does_not_tell_who_is_in_a_group_is_named(#[case] fault: Option<Fault>) {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let slow = match fault {
        Some(fault) => {
            slack.faults.next("usergroups.users.list", fault);
            None
        }
        None => Some(slack.hold_answers("usergroups.users.list")),
    };
    let refused = slack.press(LIN, &card, "Claim").await.words();
    assert!(
        refused.contains("Slack did not say whether you are in S0CARE") && refused.contains("in a minute"),
        "{refused}"
    );
    drop(slow);
    assert_eq!(slack.press(LIN, &card, "Claim").await.words(), "You have #1 now.");
    world.well();
}

#[tokio::test]
async fn customers_see_emoji_and_names_and_never_our_codes_or_ids() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let raw = |text: &str| {
        let mut payload = slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "");
        payload["event"]["text"] = json!(format!("<@{BOT}> {text}"));
        payload
    };
    let say = async |text: &str| {
        let before = slack.whispers().len();
        let delivered = slack.deliver("events_api", raw(text)).await;
        assert_eq!(delivered, Delivered::Acked(None));
        slack
            .until("an answer", |slack| slack.whispers().into_iter().nth(before))
            .await
            .text
    };
    let refused = say("reply Thanks :partyparrot:").await;
    assert!(refused.contains(":partyparrot:"), "{refused}");
    say("reply assign <@U0GRACE> calls at 10:30:45 :tada: :wave::skin-tone-3:").await;
    assert_eq!(
        world.published(1).await[0].1,
        "assign @Real U0GRACE calls at 10:30:45 🎉 👋🏼"
    );
    slack.faults.next("users.info", Fault::Status(500));
    let refused = say("note ask <@U0NEW>").await;
    assert!(refused.contains("U0NEW"), "{refused}");

    let window = slack.press(ADA, &card, "Reply").await.window();
    let Submitted::Errors(refused) = slack.submit(&window, "Sorry :shipit:").await else {
        panic!("the window closed");
    };
    assert!(refused.contains(":shipit:"), "{refused}");
    slack.submit(&window, "Sorry :pray: 🎉").await;
    assert_eq!(world.published(2).await[1].1, "Sorry 🙏 🎉");
    say("assign <@U0GRACE>").await;
    slack.shows(&card.ts, "Owner: Grace").await;
    world.well();
}

#[tokio::test]
async fn somebody_has_one_name_however_they_act() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    slack.command(LIN, "/claim", "1").await;
    slack.said(&card.ts, "Real U0LIN has the case now").await;
    world.well();
}

#[tokio::test]
async fn bots_are_not_answered() {
    let world = World::open().await;
    let slack = &world.slack;
    let card = world.complaint("p1", "Hello?").await;
    let mut payload = slack.mention_payload("U0OTHERBOT", CHANNEL, Some(&card.ts), "help");
    payload["event"]["bot_id"] = json!("B0OTHER");
    assert_eq!(slack.deliver("events_api", payload).await, Delivered::Acked(None));
    slack.command(ADA, "/case", "help").await;
    assert!(slack.whispers().is_empty(), "{:?}", slack.whispers());
}

#[rstest]
#[case(Fault::AcceptThenDrop)]
#[case(Fault::StatusButDone(500))]
#[case(Fault::Drop)]
#[case(Fault::RateLimited("0".to_owned()))]
#[tokio::test]
async fn a_stumbling_slack_shows_each_message_once(#[case] fault: Fault) {
    let world = World::open().await;
    let slack = &world.slack;
    slack.faults.next("chat.postMessage", fault.clone());
    let card = world.complaint("p1", "Hello?").await;
    slack.faults.next("chat.postMessage", fault.clone());
    slack.faults.next("chat.update", fault);
    assert_eq!(slack.command(ADA, "/claim", "1").await, "You have #1 now.");
    slack.said(&card.ts, "has the case now").await;
    slack.shows(&card.ts, "claimed by Ada").await;
    let ours = slack
        .messages(CHANNEL)
        .into_iter()
        .filter(|message| message.user == BOT);
    assert_eq!(ours.count(), 2, "the card and one line");
    world.well();
}

#[tokio::test]
async fn what_happens_while_a_thread_opens_is_shown_there() {
    let world = World::open().await;
    let slack = &world.slack;
    let slow = slack.hold_answers("chat.postMessage");
    world.post("p1", "p1", "Ann", "Hello?").await;
    let card = slack.thread(1).await;
    assert_eq!(slack.command(ADA, "/claim", "1").await, "You have #1 now.");
    drop(slow);
    slack.shows(&card.ts, "claimed by Ada").await;

    slack.said(&card.ts, "Ada has the case now").await;
    let slow = slack.hold_answers("chat.postMessage");
    slack.command(ADA, "/escalate", "1 she is angry").await;
    let there = slack.thread_in(ESCALATIONS, 1).await;
    assert_eq!(
        slack.press(GRACE, &there, "Claim").await.words(),
        "You have #1 now."
    );
    drop(slow);
    slack.said(&there.ts, "Grace has the case now").await;
    slack.shows(&there.ts, "claimed by Grace").await;
    slack.shows(&card.ts, "claimed by Grace").await;
    world.well();
}
