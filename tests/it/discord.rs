//! Discord, against a fake one.

use crate::fake::discord::{Channel, FORUM, FakeDiscord, MANAGERS, TEXT, TOKEN};
use crate::fake::fault::Fault;
use hearback::adapter::chat::discord::Discord;
use hearback::domain::{
    Button, Card, CaseNumber, Clock as _, IdempotencyKey, ManualClock, Message, MessageId, Part, Press, Span,
    Style,
};
use hearback::port::{ChatPlatform as _, Content, EditMessage, OpenThread, Opened, PortError, PostMessage};
use rstest::rstest;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    fake: FakeDiscord,
    discord: Arc<Discord>,
    clock: ManualClock,
}

async fn scene() -> Scene {
    let clock = ManualClock::default();
    let fake = FakeDiscord::start(Arc::new(clock.clone())).await;
    let discord = Discord::new(&fake.config(TEXT), Arc::new(clock.clone()), "test").unwrap();
    Scene {
        fake,
        discord: Arc::new(discord),
        clock,
    }
}

fn card(status: &str) -> Card {
    let press = Press::Command {
        case: CaseNumber(1),
        line: "claim".to_owned(),
    };
    let button = Button {
        label: "Claim".to_owned(),
        press,
        style: Style::Primary,
    };
    Card {
        title: "#1 · ann: It broke".to_owned(),
        status: status.to_owned(),
        message: Message::default()
            .with(Part::Heading(vec![Span::Text("#1 · ann".to_owned())]))
            .with(Part::Quote("It broke @everyone".to_owned()))
            .with(Part::Line(vec![Span::Text(status.to_owned())]))
            .with(Part::Buttons(vec![button])),
    }
}

fn open(channel: u64, key: &str) -> OpenThread {
    OpenThread {
        key: IdempotencyKey::from(key),
        channel: channel.to_string().into(),
        card: card("new"),
        earlier: None,
    }
}

fn post(opened: &Opened, channel: u64, key: &str, text: &str) -> PostMessage {
    PostMessage {
        hands_over: false,
        key: IdempotencyKey::from(key),
        channel: channel.to_string().into(),
        thread: opened.thread.clone(),
        message: Message::line(text),
        earlier: None,
    }
}

fn number(id: &str) -> u64 {
    id.parse().unwrap()
}

#[tokio::test]
async fn a_text_channel_gets_the_card_and_a_thread_from_it() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    assert_eq!(opened.thread.as_str(), opened.card.as_str());
    let thread = number(opened.thread.as_str());
    assert_eq!(s.fake.threads(TEXT), [thread]);
    assert_eq!(s.fake.world().channels[&thread].name, "#1 · ann: It broke");
    insta::assert_snapshot!(s.fake.card(thread), @r"
    #1 · ann
    > It broke @everyone
    new
    ");
    s.discord
        .post(&post(&opened, TEXT, "k2", "Ada has the case."))
        .await
        .unwrap();
    assert_eq!(s.fake.seen(thread), ["Ada has the case."]);
    let edit = EditMessage {
        channel: TEXT.to_string().into(),
        thread: opened.thread.clone(),
        message: opened.card.clone(),
        content: Content::Card(card("claimed")),
    };
    s.discord.edit(&edit).await.unwrap();
    assert!(s.fake.card(thread).ends_with("claimed"));
    assert!(s.fake.world().pings.is_empty());
    s.fake.check();
}

#[tokio::test]
async fn a_forum_gets_a_post_with_the_tag_of_its_status() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(FORUM, "k1")).await.unwrap();
    let thread = number(opened.thread.as_str());
    assert_eq!(s.fake.tags(thread), ["new"]);
    let edit = |status| EditMessage {
        channel: FORUM.to_string().into(),
        thread: opened.thread.clone(),
        message: opened.card.clone(),
        content: Content::Card(card(status)),
    };
    let apply = |tags: &[u64]| {
        s.fake.world().channels.get_mut(&thread).unwrap().applied = tags.to_vec();
    };
    // A tag that people put on stays, and one that they took off stays off.
    apply(&[501, 507]);
    s.discord.edit(&edit("claimed")).await.unwrap();
    assert_eq!(s.fake.tags(thread), ["vip", "claimed"]);
    assert!(s.fake.card(thread).ends_with("claimed"));
    s.discord.edit(&edit("claimed")).await.unwrap();
    assert_eq!(s.fake.calls("PATCH /channels/:id").len(), 1);
    apply(&[502]);
    s.discord.edit(&edit("resolved")).await.unwrap();
    assert_eq!(s.fake.tags(thread), ["resolved"]);
    s.fake.check();
}

#[tokio::test]
async fn a_forum_whose_tags_change_is_looked_at_again() {
    let s = scene().await;
    let forum = |change: &dyn Fn(&mut Channel)| change(s.fake.world().channels.get_mut(&FORUM).unwrap());
    forum(&|forum| {
        forum.flags = 1 << 4;
        forum.tags = Vec::new();
    });
    let error = s.discord.open_thread(&open(FORUM, "k1")).await.unwrap_err();
    assert!(matches!(&error, PortError::Closed(text) if text.contains("add at least one tag")));
    forum(&|forum| forum.tags = vec![(501, "new".to_owned())]);
    let opened = s.discord.open_thread(&open(FORUM, "k1")).await.unwrap();
    assert_eq!(s.fake.tags(number(opened.thread.as_str())), ["new"]);
    // A tag that we know was taken away.
    forum(&|forum| forum.tags = vec![(507, "vip".to_owned())]);
    let opened = s.discord.open_thread(&open(FORUM, "k2")).await.unwrap();
    assert_eq!(s.fake.tags(number(opened.thread.as_str())), ["vip"]);
    s.fake.check();
}

#[tokio::test]
async fn a_forum_that_demands_a_tag_gets_one() {
    let s = scene().await;
    {
        let mut world = s.fake.world();
        let forum = world.channels.get_mut(&FORUM).unwrap();
        forum.flags = 1 << 4;
        forum.tags = vec![(900, "Bug".to_owned())];
    }
    let opened = s.discord.open_thread(&open(FORUM, "k1")).await.unwrap();
    assert_eq!(s.fake.tags(number(opened.thread.as_str())), ["Bug"]);
    s.fake.check();
}

#[tokio::test]
async fn an_answer_that_was_lost_makes_no_second_thread_in_a_channel() {
    let s = scene().await;
    s.fake
        .faults()
        .next("POST /channels/:id/messages", Fault::AcceptThenDrop);
    let mut order = open(TEXT, "k1");
    let begun = s.clock.now();
    assert!(matches!(
        s.discord.open_thread(&order).await,
        Err(PortError::Unknown(_))
    ));
    order.earlier = Some(begun);
    s.fake
        .faults()
        .next("POST /channels/:id/messages/:id/threads", Fault::AcceptThenDrop);
    assert!(matches!(
        s.discord.open_thread(&order).await,
        Err(PortError::Unknown(_))
    ));
    let opened = s.discord.open_thread(&order).await.unwrap();
    assert_eq!(s.fake.threads(TEXT), [number(opened.thread.as_str())]);
    assert_eq!(s.fake.seen(TEXT).len(), 1);
    s.fake.check();
}

#[rstest]
#[case::limited(Fault::RateLimited("1".to_owned()))]
#[case::no_permission(Fault::Status(403))]
#[case::no_token(Fault::Status(401))]
#[case::no_answer(Fault::Drop)]
#[tokio::test]
async fn a_card_without_its_thread_is_not_posted_again(#[case] fault: Fault) {
    let s = scene().await;
    let call = "POST /channels/:id/messages/:id/threads";
    let begun = s.clock.now();
    let mut order = open(TEXT, "k1");
    for restarted in [false, true] {
        s.fake.faults().next(call, fault.clone());
        let error = s.discord.open_thread(&order).await.unwrap_err();
        assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
        s.fake.world().forget_nonces = true;
        s.clock.advance(Duration::from_secs(600));
        order.earlier = Some(begun);
        let again = Discord::new(&s.fake.config(TEXT), Arc::new(s.clock.clone()), "test").unwrap();
        let ours = if restarted { &again } else { s.discord.as_ref() };
        if fault == Fault::Status(401) && !restarted {
            // Our own books keep a refused token for a while.
            continue;
        }
        let opened = ours.open_thread(&order).await.unwrap();
        assert_eq!(s.fake.threads(TEXT), [number(opened.thread.as_str())]);
        assert_eq!(s.fake.seen(TEXT).len(), 1);
        // The thread is lost, the card stays: the next round begins from it.
        s.fake.world().channels.remove(&number(opened.thread.as_str()));
    }
    s.fake.check();
}

#[tokio::test]
async fn a_thread_or_message_that_somebody_deleted_is_gone_and_a_missing_channel_is_not() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    let thread = number(opened.thread.as_str());
    let edit = |message: &MessageId, content| EditMessage {
        channel: TEXT.to_string().into(),
        thread: opened.thread.clone(),
        message: message.clone(),
        content,
    };
    let said = s.discord.post(&post(&opened, TEXT, "k2", "One.")).await.unwrap();
    s.fake.world().posts.remove(&number(said.as_str()));
    let line = Content::Message(Message::line("Two."));
    let error = s.discord.edit(&edit(&said, line)).await.unwrap_err();
    assert!(matches!(error, PortError::Gone(_)), "{error:?}");
    s.fake.world().channels.remove(&thread);
    for earlier in [None, Some(s.clock.now())] {
        let mut order = post(&opened, TEXT, "k3", "Three.");
        order.earlier = earlier;
        let error = s.discord.post(&order).await.unwrap_err();
        assert!(matches!(error, PortError::Gone(_)), "{error:?}");
    }
    s.fake.world().channels.remove(&TEXT);
    let card = edit(&opened.card, Content::Card(card("claimed")));
    let error = s.discord.edit(&card).await.unwrap_err();
    assert!(matches!(error, PortError::Refused(_)), "{error:?}");
    let error = s.discord.open_thread(&open(TEXT, "k4")).await.unwrap_err();
    assert!(
        matches!(error, PortError::Closed(_) | PortError::Refused(_)),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_look_reads_no_further_than_the_last_attempt() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    let thread = number(opened.thread.as_str());
    s.fake.faults().next("POST /channels/:id/messages", Fault::Drop);
    let mut order = post(&opened, TEXT, "k2", "Ada has the case.");
    order.earlier = Some(s.clock.now());
    s.discord.post(&order).await.unwrap_err();
    s.clock.advance(Duration::from_secs(3600));
    for n in 0..400 {
        s.fake.write(7, thread, &format!("chatter {n}"));
    }
    let call = "GET /channels/:id/messages";
    let before = s.fake.calls(call).len();
    s.discord.post(&order).await.unwrap();
    assert_eq!(s.fake.calls(call).len(), before + 1);
}

#[tokio::test]
async fn a_forum_post_is_found_among_many_that_were_archived() {
    let s = scene().await;
    let begun = s.clock.now();
    let opened = s.discord.open_thread(&open(FORUM, "k0")).await.unwrap();
    for n in 1..=120 {
        s.clock.advance(Duration::from_millis(100));
        s.discord
            .open_thread(&open(FORUM, &format!("k{n}")))
            .await
            .unwrap();
    }
    for channel in s.fake.world().channels.values_mut() {
        channel.archived = channel.owner.is_some();
    }
    let mut order = open(FORUM, "k0");
    order.earlier = Some(begun);
    assert_eq!(s.discord.open_thread(&order).await.unwrap(), opened);
}

#[tokio::test]
async fn when_the_nonce_is_forgotten_the_message_is_looked_for() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    let thread = number(opened.thread.as_str());
    let begun = s.clock.now();
    for n in 0..130 {
        s.fake.write(7, thread, &format!("chatter {n}"));
    }
    s.fake
        .faults()
        .next("POST /channels/:id/messages", Fault::AcceptThenDrop);
    let mut order = post(&opened, TEXT, "k2", "Ada has the case.");
    assert!(matches!(s.discord.post(&order).await, Err(PortError::Unknown(_))));
    s.fake.world().forget_nonces = true;
    s.clock.advance(Duration::from_secs(600));
    order.earlier = Some(begun);
    let found = s.discord.post(&order).await.unwrap();
    assert_eq!(number(found.as_str()), s.fake.newest(thread));
    let said = |s: &Scene| {
        s.fake
            .seen(thread)
            .iter()
            .filter(|text| *text == "Ada has the case.")
            .count()
    };
    assert_eq!(said(&s), 1);
    // Somebody quoting the mark is not us, and what is not there is posted.
    let mut other = post(&opened, TEXT, "k3", "Ada has the case.");
    other.earlier = Some(begun);
    s.discord.post(&other).await.unwrap();
    assert_eq!(said(&s), 2);
    s.fake.check();
}

#[tokio::test]
async fn a_forum_post_is_looked_for_before_a_second_try() {
    let s = scene().await;
    s.fake
        .faults()
        .next("POST /channels/:id/threads", Fault::AcceptThenDrop);
    let mut order = open(FORUM, "k1");
    let begun = s.clock.now();
    assert!(matches!(
        s.discord.open_thread(&order).await,
        Err(PortError::Unknown(_))
    ));
    order.earlier = Some(begun);
    let opened = s.discord.open_thread(&order).await.unwrap();
    let thread = number(opened.thread.as_str());
    assert_eq!(s.fake.threads(FORUM), [thread]);
    // Also when somebody archived it meanwhile.
    s.fake.world().channels.get_mut(&thread).unwrap().archived = true;
    assert_eq!(s.discord.open_thread(&order).await.unwrap(), opened);
    // Another delivery is another post, whatever it looks like.
    let mut other = open(FORUM, "k2");
    other.earlier = Some(begun);
    assert_ne!(s.discord.open_thread(&other).await.unwrap(), opened);
    assert_eq!(s.fake.threads(FORUM).len(), 2);
    s.fake.check();
}

#[tokio::test]
async fn an_archived_thread_is_opened_again() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(FORUM, "k1")).await.unwrap();
    let thread = number(opened.thread.as_str());
    s.fake.world().channels.get_mut(&thread).unwrap().archived = true;
    let edit = EditMessage {
        channel: FORUM.to_string().into(),
        thread: opened.thread.clone(),
        message: opened.card.clone(),
        content: Content::Card(card("resolved")),
    };
    s.discord.edit(&edit).await.unwrap();
    assert!(s.fake.card(thread).ends_with("resolved"));
    assert_eq!(s.fake.tags(thread), ["resolved"]);
    s.fake.check();
}

#[tokio::test]
async fn failures_say_what_may_be_done() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    let order = post(&opened, TEXT, "k2", "Hello.");
    let call = "POST /channels/:id/messages";
    let outcomes = [
        (Fault::Status(500), "no certain answer: Discord: status 500"),
        (
            Fault::StatusButDone(502),
            "no certain answer: Discord: status 502",
        ),
        (Fault::Status(404), "Discord refused to post in thread"),
        (Fault::Status(403), "Give the bot View Channel and Send Messages"),
        (Fault::Garbage, "not JSON"),
    ];
    for (fault, says) in outcomes {
        s.fake.faults().next(call, fault);
        let error = s.discord.post(&order).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    s.fake.faults().next(call, Fault::RateLimited("1.25".to_owned()));
    let error = s.discord.post(&order).await.unwrap_err();
    assert!(
        matches!(error, PortError::RetryAfter(wait) if wait == Duration::from_millis(1250)),
        "{error}"
    );
    let calls = s.fake.calls(call).len();
    // Until then nothing is sent; then it is.
    assert!(matches!(
        s.discord.post(&order).await,
        Err(PortError::RetryAfter(_))
    ));
    assert_eq!(s.fake.calls(call).len(), calls);
    s.clock.advance(Duration::from_millis(1250));
    s.discord.post(&order).await.unwrap();
    s.fake.faults().next(call, Fault::Status(401));
    let error = s.discord.post(&order).await.unwrap_err();
    assert!(matches!(&error, PortError::Unauthorized(_)), "{error}");
    assert!(!error.to_string().contains(TOKEN));
}

#[tokio::test]
async fn a_discord_that_is_away_was_not_reached() {
    let s = scene().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = s.fake.config(TEXT);
    config.api_url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(listener);
    let discord = Discord::new(&config, Arc::new(s.clock.clone()), "test").unwrap();
    let error = discord.open_thread(&open(TEXT, "k1")).await.unwrap_err();
    assert!(matches!(error, PortError::NotReached(_)), "{error}");
}

#[tokio::test]
async fn an_empty_bucket_is_waited_for_without_a_call() {
    let s = scene().await;
    let opened = s.discord.open_thread(&open(TEXT, "k1")).await.unwrap();
    let call = "POST /channels/:id/messages";
    s.fake.world().limits.insert(call.to_owned(), (0, 0.4));
    s.discord.post(&post(&opened, TEXT, "k2", "One.")).await.unwrap();
    let sent = s.fake.calls(call).len();
    let error = s
        .discord
        .post(&post(&opened, TEXT, "k3", "Two."))
        .await
        .unwrap_err();
    assert!(matches!(error, PortError::RetryAfter(wait) if wait == Duration::from_millis(400)));
    assert_eq!(s.fake.calls(call).len(), sent);
    // Another channel is not held up.
    s.discord.open_thread(&open(MANAGERS, "k4")).await.unwrap();
    s.clock.advance(Duration::from_millis(400));
    s.discord.post(&post(&opened, TEXT, "k3", "Two.")).await.unwrap();
}

#[tokio::test]
async fn the_doctor_sees_what_is_missing() {
    let s = scene().await;
    let lines = |found: Vec<hearback::adapter::finding::Finding>| {
        let line = |f: hearback::adapter::finding::Finding| {
            format!("{} {} {}", if f.ok { "ok" } else { "NO" }, f.what, f.mend)
                .trim_end()
                .to_owned()
        };
        found.into_iter().map(line).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lines(s.discord.examine(&[]).await), @r"
    ok Discord: the token is that of hearback
    ok Discord: our clock differs from theirs by 0 s
    ok Discord: the application is 1100000000000000005
    ok Discord: the server is Care
    ok Discord: #care is a text channel
    ok Discord: the bot has its permissions in #care
    ");
    s.fake.world().bot_permissions = (1 << 10) | (1 << 11);
    s.fake.world().endpoint_url = Some("https://care.example/discord/interactions".to_owned());
    insta::assert_snapshot!(lines(s.discord.examine(&[]).await), @r"
    ok Discord: the token is that of hearback
    ok Discord: our clock differs from theirs by 0 s
    NO Discord: interactions go to https://care.example/discord/interactions, not to the gateway Clear the Interactions Endpoint URL of the application, or set [discord] public_key.
    ok Discord: the server is Care
    ok Discord: #care is a text channel
    NO Discord: in #care the bot lacks Embed Links, Attach Files, Read Message History, Create Public Threads, Send Messages in Threads Grant them to the bot's role in the channel's settings, under Permissions.
    ");
    s.fake.faults().next("GET /users/@me", Fault::Status(401));
    insta::assert_snapshot!(lines(s.discord.examine(&[]).await), @"NO Discord: the credentials are not accepted: Discord does not accept the bot token; put the current one into [discord] token Reset the token on the application's Bot page and put it into [discord] token.");
    s.fake.check();
}

#[tokio::test]
async fn the_doctor_looks_at_the_teams_channels_too() {
    let s = scene().await;
    let channels = [TEXT, MANAGERS, 1_100_000_000_000_000_099].map(|channel| channel.to_string());
    let found = s.discord.examine(&channels).await;
    let lines = found
        .iter()
        .filter(|finding| finding.what.contains("channel") || finding.what.contains('#'));
    let lines = lines.map(|finding| format!("{} {}", finding.what, finding.mend).trim_end().to_owned());
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"), @"
    Discord: #care is a text channel
    Discord: the bot has its permissions in #care
    Discord: #managers is a text channel
    Discord: the bot has its permissions in #managers
    Discord: Discord refused to show the channel 1100000000000000099: Unknown Channel (404, code 10003). The channel or thread is gone or was never visible to the bot: check the id Check the team's discord_channel and give the bot View Channel there.
    ");
    s.fake.check();
}

mod doubles;
mod gateway;
mod picture;
mod stage;
mod talk;
