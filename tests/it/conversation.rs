//! A complaint, and everybody who has to do with it: in Slack and in Discord at the same time.

use crate::fake::discord::{MANAGERS, TEXT, Typed};
use crate::fake::fault::Fault;
use crate::fake::slack::{CHANNEL, ESCALATIONS, Submitted};
use crate::harness::{ADA, GRACE, run_test};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_one_chat_shows_in_the_other() {
    run_test(async |ctx| {
        ctx.complaint("p1", "p1", "My parcel is late! @everyone <!channel>")
            .await;
        let card = ctx.slack.thread(1).await;
        assert!(card.shown().contains("1,204 followers"), "{}", card.shown());
        let thread = ctx.discord_thread(TEXT).await;

        assert_eq!(
            ctx.slack.press("U0ADA", &card, "Claim").await.words(),
            "You have #1 now."
        );
        ctx.discord_says(thread, "has the case now").await;
        ctx.eventually("the card is up to date", || {
            ctx.discord.card(thread).contains("claimed by Ada").then_some(())
        })
        .await;
        let released = ctx.discord.press(GRACE, thread, "Release").await;
        assert_eq!(released.text(), "#1 is free again.", "a lead may");
        ctx.slack.said(&card.ts, "gave the case back").await;
        let taken = ctx.discord.command(ADA, thread, "claim", &[]).await;
        assert_eq!(taken.text(), "You have #1 now.");

        let window = ctx.slack.press("U0ADA", &card, "Reply").await.window();
        let Submitted::Closed(said) = ctx.slack.submit(&window, "Sorry, Ann!\nIt comes today.").await else {
            panic!("the window did not close");
        };
        assert!(
            said.text.starts_with("This goes out publicly for #1"),
            "{}",
            said.text
        );
        ctx.slack.said(&card.ts, "The reply is published").await;
        ctx.discord_says(thread, "The reply is published").await;
        let replies = ctx.shop.replies();
        assert_eq!(replies.len(), 1);
        assert_eq!(replies[0]["text"], "Sorry, Ann!\nIt comes today.");
        assert_eq!(replies[0]["in_reply_to"], "p1");

        let reason = Typed::from("she is a journalist");
        let gone = ctx
            .discord
            .case(ADA, thread, "escalate", &[("reason", reason)])
            .await;
        assert_eq!(gone.text(), "#1 went to managers.");
        let theirs = ctx.slack.thread_in(ESCALATIONS, 1).await;
        assert_eq!(
            ctx.slack.said(&theirs.ts, "she is a journalist").await.pings(),
            ["U0GRACE"]
        );
        let at_home = ctx.slack.said(&card.ts, "she is a journalist").await;
        assert_eq!(
            at_home.pings(),
            Vec::<String>::new(),
            "only the team's channel calls"
        );
        ctx.discord_thread(MANAGERS).await;

        assert_eq!(
            ctx.slack.command("U0GRACE", "/resolve", "1 apologised").await,
            "#1 is resolved."
        );
        ctx.discord_says(thread, "resolved the case: apologised").await;
        ctx.complaint("p2", "p1", "And now it is broken!").await;
        ctx.slack.said(&card.ts, "The customer came back").await;
        ctx.slack.said(&theirs.ts, "And now it is broken!").await;
        ctx.discord_says(thread, "And now it is broken").await;
        ctx.slack.shows(&card.ts, "Posts: 2").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_agents_in_the_same_instant_one_gets_the_case() {
    run_test(async |ctx| {
        ctx.complaint("p1", "p1", "Hello?").await;
        ctx.slack.thread(1).await;
        let number = Typed::from("1");
        let options = [("case", number)];
        let (in_slack, in_discord) = tokio::join!(
            ctx.slack.command("U0ADA", "/claim", "1"),
            ctx.discord.command(GRACE, TEXT, "claim", &options),
        );
        let answers = [in_slack, in_discord.text().to_owned()];
        let won = answers
            .iter()
            .filter(|answer| *answer == "You have #1 now.")
            .count();
        assert_eq!(won, 1, "{answers:?}");
        let lost = answers
            .iter()
            .find(|answer| *answer != "You have #1 now.")
            .unwrap();
        assert!(
            lost.starts_with("Ada has #1") || lost.starts_with("Grace has #1"),
            "{lost}"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_can_be_taken_back_while_it_waits() {
    run_test(async |ctx| {
        ctx.complaint("p1", "p1", "Hello?").await;
        let card = ctx.slack.thread(1).await;
        ctx.slack.command("U0ADA", "/reply", "1 You fools!").await;
        let cancelled = ctx.slack.command("U0ADA", "/case", "cancel 1").await;
        assert_eq!(cancelled, "The reply to #1 is taken back. Nothing was published.");
        ctx.slack.said(&card.ts, "took the reply back").await;
        ctx.slack.command("U0ADA", "/reply", "1 Hello, Ann!").await;
        ctx.slack.said(&card.ts, "The reply is published").await;
        let texts: Vec<_> = ctx
            .shop
            .replies()
            .iter()
            .map(|reply| reply["text"].clone())
            .collect();
        assert_eq!(texts, [json!("Hello, Ann!")]);
        let again = ctx.slack.command("U0ADA", "/case", "cancel 1").await;
        assert!(again.contains("nothing to cancel"), "{again}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_found_and_nothing_goes_out_twice() {
    run_test(async |ctx| {
        ctx.complaint("p1", "p1", "Hello?").await;
        let card = ctx.slack.thread(1).await;
        ctx.shop.faults().next("reply", Fault::AcceptThenDrop);
        ctx.slack.command("U0ADA", "/reply", "1 Hello, Ann!").await;
        ctx.slack
            .said(&card.ts, "It is not certain whether the reply was published")
            .await;
        ctx.slack.said(&card.ts, "The reply is published").await;
        assert_eq!(ctx.shop.replies().len(), 1);

        ctx.shop.faults().next("reply", Fault::Status(422));
        ctx.slack.command("U0ADA", "/reply", "1 And once more").await;
        ctx.slack.said(&card.ts, "The reply was not published").await;
        assert_eq!(ctx.shop.replies().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_are_edited_deleted_repeated_and_come_in_any_order() {
    run_test(async |ctx| {
        ctx.complaint("p1", "p1", "My order is lost").await;
        let card = ctx.slack.thread(1).await;
        let post = |text: &str, edited: Option<&str>, deleted: bool| {
            json!({"id": "p1", "conversation": "p1", "author": {"id": "ann"}, "text": text,
                   "edited_at": edited, "deleted": deleted})
        };
        let again = ctx.deliver(&post("My order is lost", None, false)).await;
        assert_eq!(again, (202, json!({"accepted": 0, "duplicates": 1})));
        ctx.deliver(&post("My order was stolen", Some("2027-02-01T10:00:00Z"), false))
            .await;
        let edited = ctx.slack.said(&card.ts, "The customer edited a post").await;
        assert!(edited.shown().contains("My order is lost"), "{}", edited.shown());
        assert!(
            edited.shown().contains("My order was stolen"),
            "{}",
            edited.shown()
        );
        // An older version that comes late changes nothing.
        let late = ctx.deliver(&post("My order is lost", None, false)).await;
        assert_eq!(late, (202, json!({"accepted": 0, "duplicates": 1})));
        ctx.deliver(&post("My order was stolen", None, true)).await;
        ctx.slack.said(&card.ts, "The customer deleted a post").await;
        ctx.slack.shows(&card.ts, "deleted by its author").await;
        let refused = ctx.slack.command("U0ADA", "/reply", "1 We found it").await;
        assert!(refused.contains("deleted the post"), "{refused}");

        // A deletion that comes before its post: the post opens no case.
        let gone = json!({"id": "p9", "author": {"id": "bob"}, "text": "", "deleted": true});
        ctx.deliver(&gone).await;
        let (_, late) = ctx
            .deliver(&json!({"id": "p9", "author": {"id": "bob"}, "text": "Hi"}))
            .await;
        assert_eq!(late, json!({"accepted": 0, "duplicates": 1}));
        ctx.complaint("p10", "p10", "The next one").await;
        assert!(ctx.slack.thread(2).await.shown().contains("The next one"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_closed_to_us_delays_itself_alone() {
    run_test(async |ctx| {
        ctx.slack.remove_bot(CHANNEL);
        ctx.complaint("p1", "p1", "Hello?").await;
        let thread = ctx.discord_thread(TEXT).await;
        let claimed = ctx.discord.press(ADA, thread, "Claim").await;
        assert_eq!(claimed.text(), "You have #1 now.");
        ctx.discord_says(thread, "has the case now").await;
        assert!(ctx.slack.messages(CHANNEL).is_empty());
        ctx.slack.invite_bot(CHANNEL);
        let card = ctx.slack.thread(1).await;
        ctx.slack.said(&card.ts, "has the case now").await;
        ctx.slack.shows(&card.ts, "claimed by Ada").await;
    })
    .await;
}
