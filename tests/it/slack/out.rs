//! The way out: threads, messages and edits, without the rest of Hearback; the doctor; the manifest.

use super::world::HOSTILE;
use crate::fake::fault::Fault;
use crate::fake::slack::{BOT, BOT_TOKEN, CHANNEL, ESCALATIONS, Posted, SlackFake};
use crate::fake::specs;
use hearback::adapter::chat::slack::{Limits, Slack, Timing, manifest};
use hearback::domain::{
    Button, Card, CaseNumber, ChannelId, Clock, IdempotencyKey, Instant, ManualClock, Message, MessageId,
    Part, Press, Span, Style, ThreadId,
};
use hearback::port::{ChatPlatform as _, Content, EditMessage, OpenThread, PortError, PostMessage};
use rstest::rstest;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A workspace and our side of it, without the rest of Hearback.
struct Desk {
    slack: SlackFake,
    ours: Slack,
    clock: Arc<ManualClock>,
}

impl Desk {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self::beside(clock.clone(), clock).await
    }

    /// With a clock of Slack's own.
    async fn beside(theirs: Arc<ManualClock>, clock: Arc<ManualClock>) -> Self {
        let slack = SlackFake::start(theirs).await;
        let ours = Slack::new(&slack.config(), clock.clone(), "here")
            .unwrap()
            .with_limits(Limits::lifted())
            .with_timing(Timing {
                call: Duration::from_millis(500),
                ..Timing::default()
            });
        Self { slack, ours, clock }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    async fn thread(&self, key: &str, earlier: Option<Instant>) -> Result<Posted, PortError> {
        let order = OpenThread {
            key: IdempotencyKey::new(key),
            channel: CHANNEL.into(),
            card: card("new"),
            earlier,
        };
        let opened = self.ours.open_thread(&order).await?;
        assert_eq!(opened.thread.as_str(), opened.card.as_str());
        Ok(self.slack.message(opened.card.as_str()))
    }

    async fn post(
        &self,
        key: &str,
        thread: &Posted,
        message: Message,
        earlier: Option<Instant>,
    ) -> Result<Posted, PortError> {
        let order = PostMessage {
            hands_over: false,
            key: IdempotencyKey::new(key),
            channel: CHANNEL.into(),
            thread: ThreadId::new(&thread.ts),
            message,
            earlier,
        };
        let ts = self.ours.post(&order).await?;
        Ok(self.slack.message(ts.as_str()))
    }

    async fn edit(&self, message: &Posted, content: Content) -> Result<Posted, PortError> {
        let order = EditMessage {
            channel: ChannelId::new(&message.channel),
            thread: ThreadId::new(message.thread.as_ref().unwrap_or(&message.ts)),
            message: MessageId::new(&message.ts),
            content,
        };
        self.ours.edit(&order).await?;
        Ok(self.slack.message(&message.ts))
    }

    /// Nothing was sent that Slack refuses or that could do harm.
    fn well(&self) {
        assert_eq!(self.slack.problems(), Vec::<String>::new());
    }
}

fn card(status: &str) -> Card {
    let button = |label: &str, press| Button {
        label: label.to_owned(),
        press,
        style: Style::Primary,
    };
    let case = CaseNumber(1);
    Card {
        title: HOSTILE.to_owned(),
        status: status.to_owned(),
        message: Message::default()
            .with(Part::Heading(vec![
                Span::Text("#1 ".to_owned()),
                Span::Text(HOSTILE.to_owned()),
            ]))
            .with(Part::Quote(HOSTILE.to_owned()))
            .with(Part::Fields(vec![(
                "Status".to_owned(),
                vec![Span::Text(status.to_owned())],
            )]))
            .with(Part::Buttons(vec![
                button(
                    "Claim",
                    Press::Command {
                        case,
                        line: "claim".to_owned(),
                    },
                ),
                button(
                    "Reply",
                    Press::Ask {
                        case,
                        verb: "reply".to_owned(),
                    },
                ),
            ])),
    }
}

#[tokio::test]
async fn a_case_gets_its_thread_and_its_card_changes() {
    let desk = Desk::open().await;
    let root = desk.thread("case-1", None).await.unwrap();
    assert_eq!(root.buttons(), ["Claim", "Reply"]);
    let reply = desk
        .post("tell-1", &root, Message::line("Ada claimed it."), None)
        .await
        .unwrap();
    assert_eq!(
        (reply.thread.as_deref(), reply.shown().as_str()),
        (Some(root.ts.as_str()), "Ada claimed it.")
    );
    let changed = desk.edit(&root, Content::Card(card("claimed"))).await.unwrap();
    let changed = desk
        .edit(&changed, Content::Card(card("resolved")))
        .await
        .unwrap();
    assert_eq!(changed.edits, 2);
    assert!(
        changed.shown().contains("Status: resolved"),
        "{}",
        changed.shown()
    );
    desk.well();
}

#[tokio::test]
async fn a_message_carries_its_key_and_nothing_about_people() {
    let desk = Desk::open().await;
    desk.thread("case-1", None).await.unwrap();
    let body = &desk.slack.calls("chat.postMessage")[0].body;
    let metadata = json!({"event_type": "hearback_mirror",
        "event_payload": {"key": "case-1", "installation": "here"}});
    assert_eq!(body["metadata"], metadata, "any app of the workspace can read it");
    assert_eq!(body["blocks"][0]["block_id"], "here/case-1:0");
}

#[tokio::test]
async fn the_workspace_notices_what_could_do_harm() {
    let desk = Desk::open().await;
    let client = hearback::adapter::http::client(Duration::from_secs(10)).unwrap();
    let harm = json!({"channel": CHANNEL, "text": "<!channel>", "unknown": 1, "link_names": true,
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "<!here>"}}]});
    let url = format!("{}/chat.postMessage", desk.slack.config().api_url);
    let request = client.post(url).bearer_auth(BOT_TOKEN).json(&harm);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    let problems = desk.slack.problems().join("\n");
    for word in ["<!channel>", "mrkdwn", "parse is null", "unfurl_links"] {
        assert!(problems.contains(word), "{word} in {problems}");
    }
    match specs::folder() {
        Some(_) => assert!(problems.contains("does not fit its schema"), "{problems}"),
        None => println!("HEARBACK_TEST_SPECS is not set: requests are not checked against schemas."),
    }
}

#[tokio::test]
async fn a_customer_can_call_nobody_and_link_nothing() {
    let desk = Desk::open().await;
    let root = desk.thread("case-1", None).await.unwrap();
    let seen = HOSTILE.replace('\u{202E}', "⟦U+202E⟧");
    assert!(
        root.shown().contains(
            &seen
                .lines()
                .map(|line| format!("> {line}"))
                .collect::<Vec<_>>()
                .join("\n")
        )
    );
    assert_eq!(root.pings(), Vec::<String>::new());
    for raw in ["<", "\u{202E}"] {
        assert!(!root.text.contains(raw), "{}", root.text);
    }
    desk.well();
}

#[tokio::test]
async fn only_our_own_mention_calls_somebody() {
    let desk = Desk::open().await;
    let root = desk.thread("case-1", None).await.unwrap();
    let who = |ping: &str| Span::Person {
        name: "Ada".to_owned(),
        ping: Some(ping.to_owned()),
    };
    let message = Message::default().with(Part::Line(vec![who("U0ADA"), who("!channel"), who("<!here>")]));
    let told = desk.post("tell-1", &root, message, None).await.unwrap();
    assert_eq!(told.pings(), ["U0ADA"]);
    assert_eq!(told.shown(), "@U0ADAAdaAda");
    desk.well();
}

#[tokio::test]
async fn the_longest_complaint_of_the_world_fits() {
    let desk = Desk::open().await;
    let root = desk.thread("case-1", None).await.unwrap();
    let mut message = Message::default();
    for _ in 0..80 {
        message = message.with(Part::Quote("<&>👩‍👩‍👧‍👦".repeat(4000)));
    }
    let told = desk.post("tell-1", &root, message.clone(), None).await.unwrap();
    desk.edit(&told, Content::Message(message)).await.unwrap();
    desk.well();
}

#[rstest]
#[case(Fault::AcceptThenDrop)]
#[case(Fault::StatusButDone(500))]
#[case(Fault::Garbage)]
#[tokio::test]
async fn after_a_broken_answer_the_message_is_found_not_posted_again(#[case] fault: Fault) {
    let desk = Desk::open().await;
    let began = desk.now();
    desk.slack.faults.next("chat.postMessage", fault.clone());
    let broken = desk.thread("case-1", None).await.unwrap_err();
    assert!(matches!(broken, PortError::Unknown(_)), "{broken:?}");
    let root = desk.thread("case-1", Some(began)).await.unwrap();
    assert_eq!(desk.slack.messages(CHANNEL).len(), 1, "the thread stands once");

    desk.slack.faults.next("chat.postMessage", fault);
    let began = desk.now();
    desk.post("tell-1", &root, Message::line("one"), None)
        .await
        .unwrap_err();
    let other = desk
        .post("tell-2", &root, Message::line("two"), Some(began))
        .await
        .unwrap();
    let one = desk
        .post("tell-1", &root, Message::line("one"), Some(began))
        .await
        .unwrap();
    assert_ne!(one.ts, other.ts);
    assert_eq!(desk.slack.replies(&root.ts).len(), 2, "each message stands once");
    desk.well();
}

#[rstest]
#[case::slow(-90)]
#[case::fast(90)]
#[tokio::test]
async fn a_call_that_hung_after_it_was_carried_out_is_found_though_the_clocks_differ(#[case] seconds: i64) {
    let ours = Arc::new(ManualClock::default());
    let theirs = Arc::new(ManualClock::new(ours.now() + chrono::TimeDelta::seconds(seconds)));
    let desk = Desk::beside(theirs.clone(), ours).await;
    let pass = |time| {
        desk.clock.advance(time);
        theirs.advance(time);
    };
    let began = desk.now();
    let hanging = desk.slack.hold_answers("chat.postMessage");
    let broken = desk.thread("case-1", None).await.unwrap_err();
    assert!(matches!(broken, PortError::Unknown(_)), "{broken:?}");
    drop(hanging);
    pass(Duration::from_secs(600));
    desk.thread("case-1", Some(began)).await.unwrap();
    assert_eq!(desk.slack.messages(CHANNEL).len(), 1, "the thread stands once");

    // Also what a later attempt posted, long after the first.
    desk.slack.faults.next("chat.postMessage", Fault::Drop);
    let began = desk.now();
    desk.thread("case-2", None).await.unwrap_err();
    pass(Duration::from_secs(3600));
    desk.slack.faults.next("chat.postMessage", Fault::AcceptThenDrop);
    desk.thread("case-2", Some(began)).await.unwrap_err();
    pass(Duration::from_secs(3600));
    desk.thread("case-2", Some(began)).await.unwrap();
    assert_eq!(desk.slack.messages(CHANNEL).len(), 2, "each thread stands once");
}

#[tokio::test]
async fn a_busy_channel_does_not_hold_a_message_back_for_ever() {
    let desk = Desk::open().await;
    desk.slack.faults.next("chat.postMessage", Fault::Drop);
    let began = desk.now();
    desk.thread("case-1", None).await.unwrap_err();
    desk.clock.advance(Duration::from_secs(3600));
    for n in 0..4100 {
        desk.slack.write("U0ADA", CHANNEL, None, &format!("chatter {n}"));
    }
    // What was written long after the attempt is not read.
    desk.thread("case-1", Some(began)).await.unwrap();
    assert_eq!(desk.slack.calls("conversations.history").len(), 1);

    // And where too much was written at that very time, a message twice is better than none.
    desk.slack.faults.next("chat.postMessage", Fault::Drop);
    let began = desk.now();
    desk.thread("case-2", None).await.unwrap_err();
    desk.thread("case-2", Some(began)).await.unwrap();
    assert_eq!(desk.slack.calls("conversations.history").len(), 21);
}

#[tokio::test]
async fn a_found_card_is_left_as_it_is() {
    let desk = Desk::open().await;
    let began = desk.now();
    desk.slack.faults.next("chat.postMessage", Fault::AcceptThenDrop);
    desk.thread("case-1", None).await.unwrap_err();
    desk.thread("case-1", Some(began)).await.unwrap();
    assert!(desk.slack.calls("chat.update").is_empty());
}

#[tokio::test]
async fn a_thread_or_message_that_somebody_deleted_is_gone_and_a_missing_channel_is_not() {
    let desk = Desk::open().await;
    let root = desk.thread("case-1", None).await.unwrap();
    let line = || Message::line("Ada claimed it.");
    let told = desk.post("tell-1", &root, line(), None).await.unwrap();
    desk.slack.delete(&told.ts);
    let error = desk.edit(&told, Content::Message(line())).await.unwrap_err();
    assert!(matches!(error, PortError::Gone(_)), "{error:?}");
    desk.slack.delete(&root.ts);
    for earlier in [None, Some(desk.now())] {
        let error = desk.post("tell-2", &root, line(), earlier).await.unwrap_err();
        assert!(matches!(error, PortError::Gone(_)), "{error:?}");
    }
    let order = OpenThread {
        key: IdempotencyKey::new("case-2"),
        channel: "C0NONE".into(),
        card: card("new"),
        earlier: None,
    };
    let error = desk.ours.open_thread(&order).await.unwrap_err();
    assert!(matches!(error, PortError::Closed(_)), "{error:?}");
}

#[rstest]
#[case(Fault::Drop)]
#[case(Fault::Status(503))]
#[tokio::test]
async fn what_never_arrived_is_posted_after_a_look(#[case] fault: Fault) {
    let desk = Desk::open().await;
    let began = desk.now();
    desk.slack.write("U0ADA", CHANNEL, None, "lunch?");
    desk.slack.faults.next("chat.postMessage", fault);
    desk.thread("case-1", None).await.unwrap_err();
    desk.thread("case-1", Some(began)).await.unwrap();
    assert_eq!(desk.slack.calls("conversations.history").len(), 1);
    let ours = desk
        .slack
        .messages(CHANNEL)
        .into_iter()
        .filter(|message| message.user == BOT);
    assert_eq!(ours.count(), 1);
}

#[tokio::test]
async fn an_edited_message_is_still_found() {
    let desk = Desk::open().await;
    let began = desk.now();
    let root = desk.thread("case-1", None).await.unwrap();
    desk.edit(&root, Content::Card(card("claimed"))).await.unwrap();
    assert_eq!(desk.thread("case-1", Some(began)).await.unwrap().ts, root.ts);
}

#[tokio::test]
async fn a_look_that_is_not_allowed_does_not_hold_the_message_back() {
    let desk = Desk::open().await;
    desk.slack.remove_scope("conversations.history");
    desk.thread("case-1", Some(desk.now())).await.unwrap();
    assert_eq!(desk.slack.messages(CHANNEL).len(), 1);
}

#[tokio::test]
async fn another_hearback_in_the_workspace_is_not_us() {
    let desk = Desk::open().await;
    let began = desk.now();
    let root = desk.thread("case-1", None).await.unwrap();
    let other = Slack::new(&desk.slack.config(), desk.clock.clone(), "there").unwrap();
    let order = OpenThread {
        key: IdempotencyKey::new("case-1"),
        channel: CHANNEL.into(),
        card: card("new"),
        earlier: Some(began),
    };
    let opened = other.open_thread(&order).await.unwrap();
    assert_ne!(opened.card.as_str(), root.ts);
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    let desk = Desk::open().await;
    desk.slack.archive(CHANNEL);
    let archived = desk.thread("case-1", None).await.unwrap_err();
    assert!(matches!(&archived, PortError::Closed(words) if words.contains("unarchive the channel")));

    let desk = Desk::open().await;
    desk.slack.remove_bot(CHANNEL);
    let outside = desk.thread("case-1", None).await.unwrap_err();
    assert!(matches!(&outside, PortError::Closed(words) if words.contains("/invite @Hearback")));

    let desk = Desk::open().await;
    desk.slack
        .faults
        .next("chat.postMessage", Fault::RateLimited("7".to_owned()));
    let limited = desk.thread("case-1", None).await.unwrap_err();
    assert!(matches!(limited, PortError::RetryAfter(wait) if wait == Duration::from_secs(7)));

    let mut config = desk.slack.config();
    config.bot_token = "xoxb-old".to_owned().into();
    let old = Slack::new(&config, desk.clock.clone(), "here").unwrap();
    let order = OpenThread {
        key: IdempotencyKey::new("case-2"),
        channel: CHANNEL.into(),
        card: card("new"),
        earlier: None,
    };
    let unknown = old.open_thread(&order).await.unwrap_err();
    assert!(
        matches!(&unknown, PortError::Unauthorized(words) if !words.contains("xoxb-old")),
        "{unknown}"
    );

    config.api_url = "http://127.0.0.1:9/api".parse().unwrap();
    let nowhere = Slack::new(&config, desk.clock.clone(), "here").unwrap();
    let unreached = nowhere.open_thread(&order).await.unwrap_err();
    assert!(matches!(unreached, PortError::NotReached(_)), "{unreached}");
}

#[tokio::test]
async fn a_channel_gets_one_message_a_second_and_another_one_does_not_wait() {
    let desk = Desk::open().await;
    let limits = Limits {
        post_every: Duration::from_millis(50),
        post_burst: 1,
        ..Limits::lifted()
    };
    let ours = Slack::new(&desk.slack.config(), desk.clock.clone(), "here")
        .unwrap()
        .with_limits(limits);
    let open = async |channel: &str, key: &str| {
        let order = OpenThread {
            key: IdempotencyKey::new(key),
            channel: channel.into(),
            card: card("new"),
            earlier: None,
        };
        ours.open_thread(&order).await.unwrap();
    };
    let began = tokio::time::Instant::now();
    for at in 0..21 {
        open(CHANNEL, &format!("case-{at}")).await;
    }
    let took = began.elapsed();
    assert!(
        took >= Duration::from_millis(1000),
        "twenty pauses of 50 ms, but {took:?}"
    );
    let free = tokio::time::Instant::now();
    open(ESCALATIONS, "case-99").await;
    assert!(free.elapsed() < Duration::from_millis(50));
}

#[tokio::test]
async fn doctor_says_what_is_wrong_and_what_to_do() {
    let desk = Desk::open().await;
    let all = desk.ours.examine(&[ESCALATIONS.to_owned()]).await;
    let ill: Vec<_> = all.iter().filter(|finding| !finding.ok).collect();
    assert!(all.len() >= 5, "{all:#?}");
    // The fake answers with the machine's date, our clock stands elsewhere.
    assert!(ill.len() == 1 && ill[0].what.starts_with("Clock:"), "{ill:#?}");

    desk.slack.remove_bot(ESCALATIONS);
    let all = desk
        .ours
        .examine(&[ESCALATIONS.to_owned(), "C0NONE".to_owned()])
        .await;
    let ill: Vec<_> = all
        .iter()
        .filter(|finding| !finding.ok && !finding.what.starts_with("Clock"))
        .collect();
    assert_eq!(ill.len(), 2, "{ill:#?}");
    assert!(
        ill.iter()
            .all(|finding| finding.mend.contains("/invite @Hearback"))
    );

    let mut config = desk.slack.config();
    config.bot_token = "xoxb-old".to_owned().into();
    let old = Slack::new(&config, desk.clock.clone(), "here").unwrap();
    let all = old.examine(&[]).await;
    assert!(all.len() == 1 && all[0].mend.contains("bot_token"), "{all:#?}");
}

#[test]
fn the_manifest_fits_slacks_schema_and_limits() {
    let manifest = manifest("Hearback");
    let commands = manifest["features"]["slash_commands"].as_array().unwrap();
    assert!(commands.iter().all(|command| command["should_escape"] == true));
    let about = manifest["display_information"]["description"].as_str().unwrap();
    assert!(about.len() <= 140);
    for shortcut in manifest["features"]["shortcuts"].as_array().unwrap() {
        assert!(shortcut["name"].as_str().unwrap().len() <= 24);
    }
    match specs::check("slack/manifest.v2.schema.json", &manifest) {
        Some(errors) => assert_eq!(errors, Vec::<String>::new()),
        None => println!("HEARBACK_TEST_SPECS is not set: the manifest's schema was not checked."),
    }
}
