//! What stands twice after a broken call: one stays, and nothing is lost. Time moves by hand.

use super::stage::{ADA, BOB, Stage};
use crate::fake::discord::{FORUM, GUILD, TEXT, Typed};
use crate::fake::fault::Fault;
use rstest::rstest;

const POST: &str = "POST /channels/:id/messages";
const POST_IN_FORUM: &str = "POST /channels/:id/threads";
const MANAGE_THREADS: u64 = 1 << 34;

async fn note(s: &mut Stage, thread: u64, words: &str) {
    s.fake
        .case(ADA, thread, "note", &[("text", Typed::from(words))])
        .await;
    s.settle().await;
}

fn looks(s: &Stage) -> usize {
    let names = s.fake.call_names();
    names
        .iter()
        .filter(|name| name.starts_with("GET /channels/:id/messages"))
        .count()
        + s.fake.calls("GET /guilds/:id/threads/active").len()
}

/// Two posts of the first case in the forum, the first of which Discord does not show yet.
async fn two_posts(s: &mut Stage) -> (u64, u64) {
    s.fake.faults().next(POST_IN_FORUM, Fault::AcceptThenDrop);
    s.complaint("p1", "ann", "It broke.").await;
    let first = s.fake.threads(FORUM)[0];
    s.fake.world().hidden.push(first);
    s.pass(1).await;
    let threads = s.fake.threads(FORUM);
    assert_eq!(threads.len(), 2, "nobody could know");
    (first, threads[1])
}

#[rstest]
#[case::text(TEXT)]
#[case::forum(FORUM)]
#[tokio::test]
async fn where_nothing_breaks_nobody_looks(#[case] channel: u64) {
    let mut s = Stage::open(channel).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(channel)[0];
    note(&mut s, thread, "A good customer.").await;
    s.pass(3600).await;
    assert_eq!(looks(&s), 0);
    s.close().await;
}

#[rstest]
#[case::seen_at_the_first_look(0)]
#[case::seen_at_the_last_look(120)]
#[tokio::test]
async fn of_two_forum_posts_the_earlier_stays_and_nothing_is_lost(#[case] late: u64) {
    let mut s = Stage::open(FORUM).await;
    s.fake.world().bot_permissions |= MANAGE_THREADS;
    let (first, second) = two_posts(&mut s).await;
    s.fake.press(ADA, second, "Claim").await;
    s.settle().await;
    note(&mut s, second, "A good customer.").await;
    s.complaint("p2", "zoe", "Me too.").await;
    s.pass(late).await;
    s.fake.world().hidden.clear();
    s.pass(600).await;

    assert_eq!(s.fake.threads(FORUM).len(), 2, "two cases, two posts");
    assert_eq!(s.fake.threads(FORUM)[0], first);
    let told = s.fake.seen(first).join("\n---\n");
    assert!(
        told.contains("A good customer.") && told.contains("Ada"),
        "{told}"
    );
    assert!(
        s.fake.card(first).contains("claimed by Ada"),
        "{}",
        s.fake.card(first)
    );
    assert_eq!(s.fake.tags(first), ["claimed"]);
    // It is in use.
    s.fake.press(ADA, first, "Release").await;
    s.settle().await;
    assert!(!s.fake.card(first).contains("claimed by Ada"));
    s.pass(600).await;
    let before = looks(&s);
    s.pass(3600).await;
    assert_eq!(looks(&s), before, "that is the end of it");
    s.close().await;
}

#[rstest]
#[case::somebody_wrote(true)]
#[case::without_the_permission(false)]
#[tokio::test]
async fn what_cannot_go_becomes_a_pointer(#[case] wrote: bool) {
    let mut s = Stage::open(FORUM).await;
    let (first, second) = two_posts(&mut s).await;
    note(&mut s, second, "A good customer.").await;
    if wrote {
        s.fake.world().bot_permissions |= MANAGE_THREADS;
        s.fake.write(BOB, second, "I called her.");
    }
    s.fake.world().hidden.clear();
    s.pass(60).await;
    assert_eq!(s.fake.threads(FORUM), [first, second]);
    let pointer = s.fake.card(second);
    assert!(pointer.contains("opened twice"), "{pointer}");
    assert!(
        pointer.contains(&format!("https://discord.com/channels/{GUILD}/{first}")),
        "{pointer}"
    );
    assert!(s.fake.seen(first).join("\n").contains("A good customer."));
    assert_eq!(s.fake.seen(second).contains(&"I called her.".to_owned()), wrote);
    s.pass(600).await;
    assert_eq!(s.fake.threads(FORUM), [first, second]);
    s.close().await;
}

/// The nonce is forgotten, and the first call is carried out after the second.
#[tokio::test]
async fn a_card_that_appears_late_in_a_text_channel_goes() {
    let mut s = Stage::open(TEXT).await;
    s.fake.faults().next(POST, Fault::Drop);
    s.complaint("p1", "ann", "It broke.").await;
    s.pass(1).await;
    let thread = s.fake.threads(TEXT)[0];
    note(&mut s, thread, "A good customer.").await;
    s.fake.world().forget_nonces = true;
    s.fake.carry_out_late();
    assert_eq!(s.fake.seen(TEXT).len(), 2);
    s.pass(60).await;
    assert_eq!(s.fake.seen(TEXT).len(), 1);
    assert_eq!(s.fake.threads(TEXT), [thread]);
    assert!(s.fake.seen(thread).join("\n").contains("A good customer."));
    s.close().await;
}

/// The first call was carried out, and Discord did not show it; nobody can go on in a card alone.
#[tokio::test]
async fn of_two_cards_the_one_with_the_thread_stays() {
    let mut s = Stage::open(TEXT).await;
    s.fake.faults().next(POST, Fault::AcceptThenDrop);
    s.complaint("p1", "ann", "It broke.").await;
    let first = *s.fake.world().posts.keys().next().unwrap();
    {
        let mut world = s.fake.world();
        world.hidden.push(first);
        world.forget_nonces = true;
    }
    s.pass(1).await;
    let thread = s.fake.threads(TEXT)[0];
    assert_ne!(thread, first);
    // An edit takes our stamp away; the card is known by its id.
    s.fake.press(ADA, thread, "Claim").await;
    s.settle().await;
    s.fake.world().hidden.clear();
    s.pass(60).await;
    assert!(!s.fake.world().posts.contains_key(&first));
    assert!(s.fake.card(thread).contains("claimed by Ada"));
    s.close().await;
}

#[tokio::test]
async fn of_two_messages_the_later_goes() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    s.fake.faults().next(POST, Fault::AcceptThenDrop);
    note(&mut s, thread, "A good customer.").await;
    let first = s.fake.newest(thread);
    {
        let mut world = s.fake.world();
        world.hidden.push(first);
        world.forget_nonces = true;
    }
    s.pass(1).await;
    assert_ne!(s.fake.newest(thread), first, "nobody could know");
    s.fake.world().hidden.clear();
    // Also in a thread that was archived since.
    s.fake.world().channels.get_mut(&thread).unwrap().archived = true;
    s.pass(60).await;
    assert_eq!(s.fake.newest(thread), first);
    s.close().await;
}

#[tokio::test]
async fn a_forum_post_that_somebody_removed_is_no_double() {
    let mut s = Stage::open(FORUM).await;
    s.fake.world().bot_permissions |= MANAGE_THREADS;
    let (first, second) = two_posts(&mut s).await;
    note(&mut s, second, "A good customer.").await;
    {
        let mut world = s.fake.world();
        world.hidden.clear();
        world.channels.remove(&second);
        world.posts.retain(|_, post| post.channel != second);
    }
    s.pass(600).await;
    assert_eq!(s.fake.threads(FORUM), [first]);
    assert!(s.fake.seen(first).join("\n").contains("A good customer."));
    s.close().await;
}

#[tokio::test]
async fn whoever_cannot_look_for_ten_minutes_posts_and_mends_later() {
    let mut s = Stage::open(TEXT).await;
    s.complaint("p1", "ann", "It broke.").await;
    let thread = s.fake.threads(TEXT)[0];
    s.fake.faults().next(POST, Fault::AcceptThenDrop);
    for _ in 0..12 {
        s.fake
            .faults()
            .next("GET /channels/:id/messages", Fault::Status(502));
    }
    note(&mut s, thread, "A good customer.").await;
    s.fake.world().forget_nonces = true;
    let first = s.fake.newest(thread);
    for _ in 0..8 {
        s.pass(60).await;
        assert_eq!(s.fake.newest(thread), first, "it waits for a look");
    }
    for _ in 0..20 {
        s.pass(60).await;
    }
    assert_eq!(s.fake.newest(thread), first);
    assert_eq!(s.fake.calls(POST).len(), 3, "card, note, and the note again");
    s.close().await;
}
