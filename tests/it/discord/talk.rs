//! Whole conversations, in a text channel, in a forum, over the gateway and over HTTP.

use super::stage::{ADA, BOB, EVE, GRACE, MALLORY, Stage};
use crate::fake::discord::{Answer, FORUM, MANAGERS, TEXT, Typed};
use hearback::domain::Audience;

/// The whole way in a text channel or a forum.
async fn the_whole_way(channel: u64, mut s: Stage) {
    s.complaint(
        "p1",
        "ann",
        "My order never came. @everyone [x](https://evil.example)",
    )
    .await;
    let thread = s.fake.threads(channel)[0];
    assert!(
        s.fake
            .card(thread)
            .contains("> My order never came. @everyone [x](https://evil.example)")
    );

    let answer = s.fake.press(ADA, thread, "Claim").await;
    assert_eq!(answer.text(), "You have #1 now.");
    s.settle().await;
    assert!(
        s.fake.card(thread).contains("claimed by Ada"),
        "{}",
        s.fake.card(thread)
    );

    let refused = s.fake.command(BOB, thread, "claim", &[]).await;
    assert_eq!(
        refused.text(),
        "Ada has #1 already. Talk to them, or take it over with `assign @you`."
    );

    let form = s.fake.press(ADA, thread, "Reply").await;
    let sent = s
        .fake
        .submit(ADA, thread, form.form(), "Sorry! It is on its way.")
        .await;
    assert!(
        sent.text().starts_with("This goes out publicly for #1"),
        "{}",
        sent.text()
    );
    s.settle().await;
    assert!(s.network.published.lock().unwrap().is_empty());
    s.pass(11).await;
    let published = s.network.published.lock().unwrap().clone();
    assert_eq!(
        published,
        [("Sorry! It is on its way.".to_owned(), Audience::Public)]
    );
    assert!(
        s.fake.card(thread).contains("answered"),
        "{}",
        s.fake.card(thread)
    );
    assert!(
        s.fake
            .seen(thread)
            .last()
            .unwrap()
            .contains("https://fedi.example/r1")
    );

    let reason = Typed::from("wants money back");
    let escalated = s
        .fake
        .command(ADA, thread, "escalate", &[("reason", reason)])
        .await;
    assert_eq!(escalated.text(), "#1 went to managers.");
    s.settle().await;
    let theirs = s.fake.threads(MANAGERS)[0];
    assert!(
        s.fake.card(theirs).contains("escalated to managers"),
        "{}",
        s.fake.card(theirs)
    );
    let pinged: Vec<u64> = s.fake.world().pings.iter().map(|(_, who)| *who).collect();
    assert_eq!(pinged, [GRACE]);

    s.fake
        .case(GRACE, theirs, "resolve", &[("outcome", Typed::from("refunded"))])
        .await;
    s.settle().await;
    assert!(s.fake.card(thread).contains("resolved"));
    s.fake
        .case(GRACE, TEXT, "reopen", &[("case", Typed::from("1"))])
        .await;
    s.settle().await;
    assert!(!s.fake.card(thread).contains("resolved"));
    insta::allow_duplicates! {
        insta::assert_snapshot!(s.fake.card(thread), @r"
        #1 · Fedi · escalated to managers
        **ann** @ann · 120 followers · [original](<https://fedi.example/p1>)
        > My order never came. @everyone [x](https://evil.example)
        Status: escalated
        Owner: nobody
        Team: managers
        Priority: normal
        Kind: complaint
        ");
        let told = s.fake.seen(thread);
        // A forum post begins with its card.
        let told = &told[usize::from(channel == FORUM)..];
        insta::assert_snapshot!(told.join("\n---\n"), @r"
        -# **Ada** has the case now.
        ---
        **Ada** answers in public:
        > Sorry! It is on its way.
        -# Published.
        ---
        **The reply is published.** <https://fedi.example/r1>
        > Sorry! It is on its way.
        ---
        **Ada** escalated the case to **managers**
        > wants money back
        ---
        -# **Grace** resolved the case: refunded
        ---
        -# **Grace** opened the case again.
        ");
    }
    if channel == FORUM {
        assert_eq!(s.fake.tags(thread), ["escalated"]);
    }
    s.close().await;
}

#[tokio::test]
async fn the_whole_way_in_a_text_channel() {
    the_whole_way(TEXT, Stage::open(TEXT).await).await;
}

#[tokio::test]
async fn the_whole_way_in_a_forum() {
    the_whole_way(FORUM, Stage::open(FORUM).await).await;
}

#[tokio::test]
async fn the_whole_way_over_the_http_endpoint() {
    the_whole_way(TEXT, Stage::over_http(TEXT).await).await;
}

#[tokio::test]
async fn who_has_no_role_may_do_nothing() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    let refused = s.fake.press(MALLORY, thread, "Claim").await;
    insta::assert_snapshot!(refused.text(), @"You have no role in Hearback yet, so this did nothing. Ask its operator to add you as an [[agent]]; your id here is 1100000000000000015.");
    assert_eq!(s.fake.suggestions(MALLORY, TEXT, "").await, []);
    // A role of the server stands for its members, as of now.
    s.fake.press(EVE, thread, "Claim").await;
    s.settle().await;
    assert!(s.fake.card(thread).contains("claimed by Eve"));
    s.fake.person(EVE, "Eve", &[]);
    let refused = s.fake.case(EVE, thread, "release", &[]).await;
    assert!(refused.text().contains("role"), "{}", refused.text());
    s.close().await;
}

#[tokio::test]
async fn case_numbers_are_completed() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    s.complaint("p2", "zoe", "Where is it?").await;
    let shown = s.fake.suggestions(ADA, TEXT, "").await;
    let mut values: Vec<_> = shown.iter().map(|(_, value)| value.as_str()).collect();
    values.sort_unstable();
    assert_eq!(values, ["1", "2"]);
    let shown = s.fake.suggestions(ADA, TEXT, "2").await;
    assert_eq!(shown.len(), 1);
    assert!(shown[0].0.starts_with("#2 new"), "{shown:?}");
    s.fake
        .command(ADA, TEXT, "claim", &[("case", Typed::from("2"))])
        .await;
    s.settle().await;
    assert!(s.fake.card(s.fake.threads(TEXT)[1]).contains("claimed by Ada"));
    s.close().await;
}

#[tokio::test]
async fn the_menu_of_a_message_asks_for_words() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    let Answer::Form { id, title } = s.fake.menu(ADA, thread, "Note on case").await else {
        panic!("no form");
    };
    assert_eq!(id, "form:1:note");
    assert!(title.contains("#1"), "{title}");
    s.fake.submit(ADA, thread, &id, "She called *twice*.").await;
    s.settle().await;
    let note = s.fake.seen(thread).pop().unwrap();
    assert!(note.contains("She called *twice*."), "{note}");
    // Elsewhere there is no case.
    let elsewhere = s.fake.write(BOB, TEXT, "lunch?");
    let refused = s.fake.menu(ADA, elsewhere, "Note on case").await;
    insta::assert_snapshot!(refused.text(), @"Which case? Put its number first, like `note 12`, or write in the case's thread. `queue` lists the open ones.");
    s.close().await;
}

#[tokio::test]
async fn somebody_is_assigned_by_name() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    s.fake
        .case(ADA, thread, "assign", &[("who", Typed::Person(BOB))])
        .await;
    s.settle().await;
    assert!(s.fake.card(thread).contains("claimed by Bob"));
    s.close().await;
}
