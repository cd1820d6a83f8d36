//! What people do with replies: second thoughts, approvals, collisions, the switch, and what they saw.

use super::*;
use rstest::rstest;

const RUDE: &str = "Stop complaining, you should have read the label!";
const KIND: &str = "We are sorry, Ann. We look into it right now.";
const RISKY: &str = "We are sorry. We guarantee that it will never happen again, or sue us.";

impl Scene {
    async fn under(general: Approval) -> Self {
        Self::on(general, Standing::Sound).await
    }

    /// On a database that stands so to its seal.
    async fn on(general: Approval, standing: Standing) -> Self {
        let scene = Self::with(Class::Lookup).await;
        let Self {
            app,
            network,
            clock,
            store,
            folder,
            ..
        } = scene;
        drop(app);
        store.close().await;
        let mut scene = Self::open_under((general, standing), folder, network, clock).await;
        scene.post("p1", "ann", None, "My parcel is late!").await;
        scene
    }

    /// An answer went out to Ann, and nobody knows whether it arrived.
    async fn doubtful(class: Class) -> Self {
        let mut scene = Self::with(class).await;
        scene.post("p1", "ann", None, "My parcel is late!").await;
        scene.network.publishes.next(unknown());
        scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
        scene.pass(HOLD).await;
        scene
    }

    fn key() -> String {
        static KEYS: AtomicU32 = AtomicU32::new(0);
        format!("people:{}", KEYS.fetch_add(1, Ordering::Relaxed))
    }

    /// What somebody says, and what they read.
    async fn by(&mut self, who: &str, line: &str) -> String {
        plain(
            self.given_by(who, Self::key(), Input::Text(line.to_owned()))
                .await,
        )
    }

    /// The newest button of this name.
    fn button(&self, label: &str) -> String {
        let shown = self.chat.shown.lock().unwrap();
        let buttons = shown.iter().rev().flat_map(Message::buttons);
        let found = buttons.into_iter().find(|button| button.label == label);
        found
            .unwrap_or_else(|| panic!("no button {label:?}"))
            .press
            .to_string()
    }

    fn has_button(&self, label: &str) -> bool {
        let shown = self.chat.shown.lock().unwrap();
        shown
            .iter()
            .flat_map(Message::buttons)
            .any(|button| button.label == label)
    }

    async fn presses(&mut self, who: &str, label: &str) -> Response {
        let press = self.button(label);
        self.given_by(who, Self::key(), Input::Press(press)).await
    }

    /// Presses a button that opens a form, and fills it in.
    async fn fills(&mut self, who: &str, label: &str, text: &str) -> String {
        let Response::Ask(form) = self.presses(who, label).await else {
            panic!("{label:?} opens no form");
        };
        let input = Input::Form {
            case: form.case,
            verb: form.verb,
            text: text.to_owned(),
            reply: form.reply,
        };
        plain(self.given_by(who, Self::key(), input).await)
    }

    /// What the message about the reply says now.
    fn about_it(&self) -> String {
        let shown = self.chat.shown.lock().unwrap();
        let about = shown.iter().rev().map(Message::plain);
        about
            .into_iter()
            .find(|text| text.contains(" answer") && text.contains("in public:"))
            .unwrap_or_default()
    }

    async fn nth(&self, id: i64) -> Reply {
        self.store.replies(&[ReplyId(id)]).await.unwrap().remove(0)
    }
}

fn plain(response: Response) -> String {
    match response {
        Response::Done(message) | Response::Refused(message) => message.plain(),
        Response::Ask(form) => panic!("{form:?}"),
    }
}

#[tokio::test]
async fn a_rude_reply_waits_for_a_second_yes_and_says_why() {
    let mut scene = Scene::under(Approval::Flagged).await;
    let read = scene.by("Ada Lovelace", &format!("reply 1 {RUDE}")).await;
    assert!(read.contains("please look once more"), "{read}");
    let about = scene.about_it();
    assert!(about.contains("wants to answer in public"), "{about}");
    assert!(
        about.contains("Stop complaining") && about.contains("Please look again"),
        "{about}"
    );
    assert!(about.contains("Length: 49 of 500 bytes"), "{about}");
    scene.pass(HOLD * 10).await;
    assert_eq!(scene.published(), []);

    let refused = plain(scene.presses("Ben", "Send it anyway").await);
    assert!(refused.contains("Only who wrote that reply"), "{refused}");
    scene.presses("Ada Lovelace", "Send it anyway").await;
    assert_eq!(scene.state().await, ReplyState::Held);
    assert!(scene.has_button("Undo") && !scene.has_button("Send it anyway"));
    scene.pass(HOLD).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn other_words_replace_a_draft_and_its_old_buttons_do_nothing() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {RUDE}")).await;
    let old = scene.button("Send it anyway");
    scene.fills("Ada Lovelace", "Change it", KIND).await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Cancelled);
    assert_eq!(scene.nth(2).await.state, ReplyState::Held);
    let answer = scene
        .given_by("Ada Lovelace", "old".to_owned(), Input::Press(old))
        .await;
    assert!(matches!(answer, Response::Refused(_)), "{answer:?}");
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), [("p1".to_owned(), KIND.to_owned())]);
}

#[tokio::test]
async fn a_forged_or_foreign_seal_opens_nothing() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {RUDE}")).await;
    let right = scene.button("Send it anyway");
    let (head, seal) = right.rsplit_once('.').unwrap();
    let other: String = seal.chars().rev().collect();
    for forged in [
        format!("{head}.{other}"),
        right.replace(":1:1.1.", ":1:1.2."),
        right.replace(".1.send", ".1.ok"),
    ] {
        let answer = scene.given_by("Grace", Scene::key(), Input::Press(forged)).await;
        assert!(matches!(answer, Response::Refused(_)), "{answer:?}");
    }
    assert_eq!(scene.state().await, ReplyState::Draft);
}

#[tokio::test]
async fn what_binds_needs_another_person_and_never_its_author() {
    let mut scene = Scene::under(Approval::Flagged).await;
    let read = scene.by("Vera", &format!("reply 1 {RISKY}")).await;
    assert!(read.contains("an approver has to agree"), "{read}");
    assert!(plain(scene.presses("Vera", "Approve").await).contains("You wrote that reply"));
    assert!(
        scene
            .by("Vera", "approve 1")
            .await
            .contains("You wrote that reply")
    );
    assert!(scene.by("Ben", "approve 1").await.contains("Only an approver"));
    scene.pass(HOLD * 10).await;
    assert_eq!(scene.published(), []);
    scene.presses("Grace", "Approve").await;
    let reply = scene.reply().await;
    assert_eq!(reply.conversation, "p1".into());
    assert_eq!(
        (reply.state, reply.approver.unwrap().name),
        (ReplyState::Held, "Grace".to_owned())
    );
    assert!(scene.about_it().contains("Approved by Grace."));
    scene.pass(HOLD).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn who_approves_may_change_the_words_and_the_difference_is_kept() {
    let mut scene = Scene::under(Approval::Always).await;
    scene.by("Ada Lovelace", "reply 1 Sorry, Ann.").await;
    let stale = scene.button("Approve");
    scene.fills("Vera", "Change it", KIND).await;
    let kept = scene.told("changed the reply");
    assert!(
        kept[0].contains("Sorry, Ann.") && kept[0].contains(KIND),
        "{kept:?}"
    );
    // The old button was for other words.
    let answer = scene.given_by("Grace", Scene::key(), Input::Press(stale)).await;
    assert!(plain(answer).contains("older text"));
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), [("p1".to_owned(), KIND.to_owned())]);
}

#[tokio::test]
async fn its_author_may_change_what_waits_and_it_waits_again() {
    let mut scene = Scene::under(Approval::Always).await;
    scene.by("Ada Lovelace", "reply 1 Sorry, Ann.").await;
    scene.fills("Ada Lovelace", "Change it", KIND).await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Cancelled);
    let reply = scene.nth(2).await;
    assert_eq!(
        (reply.state, reply.words.as_str()),
        (ReplyState::PendingApproval, KIND)
    );
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), []);
}

#[tokio::test]
async fn nobody_changes_a_colleagues_draft_but_a_lead() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {RUDE}")).await;
    let read = scene.fills("Ben", "Change it", KIND).await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Draft, "{read}");
    scene.fills("Grace", "Change it", KIND).await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Cancelled);
    let reply = scene.nth(2).await;
    assert_eq!(
        (reply.state, reply.agent.name.as_str()),
        (ReplyState::Held, "Grace")
    );
}

#[tokio::test]
async fn a_rejection_is_told_with_its_reason_and_an_approval_expires() {
    let mut scene = Scene::under(Approval::Always).await;
    scene.by("Ada Lovelace", "reply 1 Sorry, Ann.").await;
    scene.fills("Vera", "Reject", "Say what we do about it.").await;
    assert_eq!(scene.state().await, ReplyState::Cancelled);
    assert_eq!(scene.told("Say what we do about it.").len(), 1);
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(Duration::from_secs(24 * 3600)).await;
    assert_eq!(scene.nth(2).await.state, ReplyState::Cancelled);
    assert_eq!(scene.told("Nobody said yes to the reply in time").len(), 1);
    assert!(
        scene
            .by("Vera", "approve 1")
            .await
            .contains("No reply to #1 is waiting")
    );
    assert_eq!(scene.published(), []);
}

#[tokio::test]
async fn the_same_words_again_need_a_second_yes() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    scene
        .by(
            "Ada Lovelace",
            &format!("reply 1 {}", KIND.to_uppercase().to_lowercase()),
        )
        .await;
    assert_eq!(scene.nth(2).await.state, ReplyState::Draft);
    assert!(
        scene
            .about_it()
            .contains("The same words were given for the same post")
    );
    scene.presses("Ada Lovelace", "Discard").await;
    scene.pass(Duration::from_secs(24 * 3600)).await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    assert_eq!(scene.nth(3).await.state, ReplyState::Held);
}

#[tokio::test]
async fn the_same_words_a_day_later_are_no_repetition() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(Duration::from_secs(24 * 3600)).await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Sent);
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    assert_eq!(scene.nth(2).await.state, ReplyState::Held);
}

#[tokio::test]
async fn of_two_who_answer_both_are_told() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    let read = scene.by("Grace", "reply 1 Hello Ann, Grace here.").await;
    assert!(read.contains("under way already"), "{read}");
    let told = scene.told("wanted to answer too");
    assert!(
        told[0].contains("Grace") && told[0].contains("Grace here"),
        "{told:?}"
    );
    scene.pass(HOLD).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn two_flagged_replies_in_ten_minutes_bring_a_minute_of_rest() {
    let mut scene = Scene::under(Approval::Flagged).await;
    for _ in 0..2 {
        scene.by("Ada Lovelace", &format!("reply 1 {RUDE}")).await;
        scene.presses("Ada Lovelace", "Discard").await;
    }
    let read = scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    assert!(read.contains("take a breath"), "{read}");
    assert!(!scene.by("Grace", "assign 1 @Grace").await.contains("breath"));
    scene.pass(Duration::from_secs(60)).await;
    scene.by("Grace", "assign 1 @Ada Lovelace").await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    assert_eq!(scene.nth(3).await.state, ReplyState::Held);
}

#[tokio::test]
async fn an_edit_in_the_undo_window_stops_the_reply_and_shows_the_difference() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    let mut edited = scene
        .store
        .posts(&[("shop".into(), "p1".into())])
        .await
        .unwrap()
        .remove(0)
        .post;
    edited.text = "My parcel came. Thank you!".to_owned();
    edited.edited_at = Some(scene.clock.now() + chrono::TimeDelta::seconds(1));
    scene.sees(Sighting::Post(Box::new(edited))).await;
    scene.pass(HOLD).await;
    assert_eq!(
        (scene.state().await, scene.published()),
        (ReplyState::Stale, vec![])
    );
    let told = scene.told("The reply was stopped");
    assert!(
        told[0].contains("My parcel is late!") && told[0].contains("My parcel came."),
        "{told:?}"
    );
    scene.presses("Ada Lovelace", "Send it anyway").await;
    // It is another version: the old buttons were about the post as it was.
    assert_eq!(scene.nth(1).await.version, 2);
    scene.pass(HOLD).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn what_the_customer_took_back_meanwhile_is_not_answered_anyway() {
    let mut scene = Scene::under(Approval::Flagged).await;
    let edited = Target::Stands {
        text: "Something else".to_owned(),
    };
    scene.network.targets.next(Ok(edited));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(scene.state().await, ReplyState::Stale);
    let press = scene.button("Send it anyway");
    scene.sees(Sighting::Gone("p1".into())).await;
    let answer = scene
        .given_by("Ada Lovelace", Scene::key(), Input::Press(press))
        .await;
    assert!(plain(answer).contains("deleted the post"));
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), []);
}

#[tokio::test]
async fn only_the_first_reply_is_asked_for_a_word_of_regret() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.by("Ada Lovelace", "kind 1 complaint").await;
    for _ in 0..2 {
        scene.by("Ada Lovelace", "reply 1 Which size is it?").await;
        assert!(scene.about_it().contains("no word of regret"));
        scene.by("Ada Lovelace", "cancel 1").await;
    }
    scene.by("Ada Lovelace", "reply 1 Which size do you need?").await;
    scene.pass(HOLD).await;
    assert_eq!(scene.nth(3).await.state, ReplyState::Sent);
    scene.by("Ada Lovelace", "reply 1 And which colour?").await;
    assert!(
        !scene.about_it().contains("no word of regret"),
        "{}",
        scene.about_it()
    );
    assert!(scene.about_it().contains("which colour"));
}

#[tokio::test]
async fn an_order_that_the_customer_named_before_is_no_strangers() {
    let mut scene = Scene::under(Approval::Flagged).await;
    let before = "It is about order number 302-7718843.";
    scene.post("p2", "ann", Some("p1"), before).await;
    scene.post("p3", "ann", Some("p2"), "Please hurry!").await;
    scene
        .by(
            "Ada Lovelace",
            "reply 1 We are sorry, Ann. Order number 302-7718843 is on its way.",
        )
        .await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Held);
    scene.by("Ada Lovelace", "cancel 1").await;
    scene
        .by(
            "Ada Lovelace",
            "reply 1 We are sorry, Ann. Order number 302-9918844 is on its way.",
        )
        .await;
    assert_eq!(scene.nth(2).await.state, ReplyState::Draft);
}

#[tokio::test]
async fn an_old_view_of_our_account_proves_nothing_and_in_the_end_a_person_looks() {
    let mut scene = Scene::doubtful(Class::Lookup).await;
    for _ in 0..200 {
        scene.network.looks.next(Ok(Look::Absent { fresh: false }));
    }
    scene.pass(SETTLE).await;
    for _ in 0..14 {
        scene.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(scene.state().await, ReplyState::Ambiguous);
    for _ in 0..2 {
        scene.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    assert!(scene.told("Please look")[0].contains("an old state of our account"));
    assert_eq!(scene.published(), []);
}

#[tokio::test]
async fn a_copied_database_publishes_nothing_and_keeps_what_waits() {
    let copied = Standing::Copied {
        why: "its seal is another one's".to_owned(),
    };
    let mut scene = Scene::on(Approval::Never, copied).await;
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    for _ in 0..10 {
        scene.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(scene.published(), []);
    assert_eq!(scene.state().await, ReplyState::Held);
    let told = scene.told("could not go out yet");
    assert!(
        told.len() == 1 && told[0].contains("nothing is published"),
        "{told:?}"
    );
    assert!(scene.by("Ada Lovelace", "cancel 1").await.contains("taken back"));
}

#[tokio::test]
async fn an_account_that_has_to_wait_sends_nothing_else_meanwhile() {
    let mut scene = Scene::under(Approval::Never).await;
    scene.post("p2", "bob", None, "Mine too!").await;
    let wait = PortError::RetryAfter(Duration::from_secs(30));
    scene.network.publishes.next(Err(wait));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.by("Ada Lovelace", "reply 2 We are sorry, Bob.").await;
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), []);
    scene.pass(Duration::from_secs(30)).await;
    assert_eq!(scene.published().len(), 2);
}

#[tokio::test]
async fn a_look_that_failed_is_taken_again_after_a_pause() {
    let mut scene = Scene::doubtful(Class::Lookup).await;
    for _ in 0..3 {
        let away = PortError::Unknown("the network is away".to_owned());
        scene.network.looks.next(Err(away));
    }
    let left = |scene: &Scene| scene.network.looks.0.lock().unwrap().len();
    scene.pass(SETTLE).await;
    assert_eq!(left(&scene), 2, "one look, and not at once another one");
    for looks in [1, 1, 0] {
        scene.pass(Duration::from_secs(5)).await;
        assert_eq!(left(&scene), looks, "the pauses grow");
    }
}

#[tokio::test]
async fn a_reply_may_be_as_long_as_the_platform_takes_and_no_longer() {
    let mut scene = Scene::under(Approval::Never).await;
    let read = scene
        .by("Ada Lovelace", &format!("reply 1 {}", "a".repeat(501)))
        .await;
    assert!(read.contains("501") && read.contains("500"), "{read}");
    scene
        .by("Ada Lovelace", &format!("reply 1 {}", "a".repeat(500)))
        .await;
    assert_eq!(scene.nth(1).await.state, ReplyState::Held);
}

#[tokio::test]
async fn where_nothing_can_be_said_in_private_only_that_is_refused() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.network.open.store(true, Ordering::Relaxed);
    let read = scene.by("Ada Lovelace", &format!("dm 1 {KIND}")).await;
    assert!(read.contains("private"), "{read}");
    assert!(scene.store.replies(&[ReplyId(1)]).await.unwrap().is_empty());
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(scene.nth(1).await.audience, Audience::Public);
    assert_eq!(scene.published().len(), 1);
}

#[rstest]
#[case::gone(Target::Gone("it is gone".to_owned()), "it is gone")]
#[case::locked(Target::Locked("the thread is locked".to_owned()), "the thread is locked")]
#[case::edited(Target::Stands { text: "Something else".to_owned() }, "Something else")]
#[case::answered(Target::Answered { text: "We did.".to_owned(), url: None }, "We did.")]
#[tokio::test]
async fn what_the_platform_shows_before_sending_counts(#[case] target: Target, #[case] words: &str) {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.network.targets.next(Ok(target.clone()));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(
        (scene.state().await, scene.published()),
        (ReplyState::Stale, vec![])
    );
    assert!(scene.told("The reply was stopped")[0].contains(words));
    // Said yes to once more, as it was shown, it goes.
    scene.presses("Ada Lovelace", "Send it anyway").await;
    if !matches!(target, Target::Gone(_) | Target::Locked(_)) {
        scene.network.targets.next(Ok(target));
    }
    scene.pass(HOLD).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn a_post_that_cannot_be_read_holds_the_reply_back_and_it_is_told_once() {
    let mut scene = Scene::under(Approval::Flagged).await;
    for _ in 0..3 {
        let away = PortError::Unknown("no answer".to_owned());
        scene.network.targets.next(Err(away));
    }
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), []);
    for _ in 0..5 {
        scene.pass(Duration::from_secs(60)).await;
    }
    assert_eq!(scene.published().len(), 1);
    assert_eq!(scene.told("could not go out yet").len(), 1);
}

#[tokio::test]
async fn where_nothing_can_be_answered_it_is_said_before_anybody_writes() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.network.mute.store(true, Ordering::Relaxed);
    let press = Press::Ask {
        case: CaseNumber(1),
        verb: "reply".to_owned(),
    };
    let answer = scene
        .given_by("Ada Lovelace", Scene::key(), Input::Press(press.to_string()))
        .await;
    assert!(plain(answer).contains("Nothing can be published there."));
}

#[tokio::test]
async fn the_switch_stops_all_publishing_and_a_restart_changes_nothing() {
    let mut scene = Scene::under(Approval::Flagged).await;
    assert!(scene.by("Ada Lovelace", "pause").await.contains("Only a lead"));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.by("Grace", "pause wrong price in all replies").await;
    let card = scene.chat.shown.lock().unwrap()[0].plain();
    assert!(
        card.contains("Publishing is paused by Grace") && card.contains("wrong price"),
        "{card}"
    );
    assert!(
        scene.about_it().contains("Publishing is paused"),
        "{}",
        scene.about_it()
    );
    scene.pass(HOLD * 20).await;
    assert_eq!(scene.published(), []);
    let mut scene = scene.restart().await;
    scene.pass(HOLD).await;
    assert_eq!(scene.published(), []);
    assert!(scene.by("Grace", "pause").await.contains("paused already"));
    scene.by("Grace", "resume").await;
    scene.pass(Duration::from_secs(1)).await;
    assert_eq!(scene.published().len(), 1);
}

#[tokio::test]
async fn not_there_is_believed_of_two_persons_and_only_when_it_can_not_come_any_more() {
    let mut scene = Scene::doubtful(Class::None).await;
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    let early = plain(scene.presses("Ada Lovelace", "It is not, send again").await);
    assert!(early.contains("may still appear"), "{early}");
    scene.pass(SETTLE).await;
    scene.presses("Ada Lovelace", "It is not, send again").await;
    assert_eq!(
        (scene.state().await, scene.published()),
        (ReplyState::NeedsHuman, vec![])
    );
    let alone = plain(scene.presses("Ada Lovelace", "It is not: send again").await);
    assert!(alone.contains("second person"), "{alone}");
    scene.presses("Ben", "It is not: send again").await;
    assert_eq!(scene.published().len(), 1);
    assert_eq!(scene.state().await, ReplyState::Sent);
}

#[tokio::test]
async fn an_address_is_looked_at_before_it_is_believed() {
    let mut scene = Scene::doubtful(Class::None).await;
    assert!(
        scene
            .fills("Ada Lovelace", "It is there", "over there")
            .await
            .contains("no address")
    );
    let wrong = PortError::Refused("that post is not by our account".to_owned());
    scene.network.visits.next(Err(wrong));
    let read = scene
        .fills("Ada Lovelace", "It is there", "https://shop.example/x")
        .await;
    assert!(read.contains("not by our account"), "{read}");
    let seen = Published {
        id: "r77".into(),
        url: Some("https://shop.example/r77".to_owned()),
        parent: Some("p1".into()),
        author: Some("brand".into()),
    };
    scene.network.visits.next(Ok(Some(seen)));
    scene
        .fills("Ada Lovelace", "It is there", "https://shop.example/r77")
        .await;
    let reply = scene.reply().await;
    assert_eq!(
        (reply.state, reply.remote_id),
        (ReplyState::Sent, Some("r77".into()))
    );
}

/// Chats deliver an envelope twice, and the page may be away meanwhile.
#[tokio::test]
async fn who_fills_a_form_in_twice_reads_the_first_answer_and_nobody_looks_again() {
    let mut scene = Scene::doubtful(Class::None).await;
    let Response::Ask(form) = scene.presses("Ada Lovelace", "It is there").await else {
        panic!("it opens no form");
    };
    let filled = Input::Form {
        case: form.case,
        verb: form.verb,
        text: "https://shop.example/r77".to_owned(),
        reply: form.reply,
    };
    let seen = Published {
        id: "r77".into(),
        url: None,
        parent: Some("p1".into()),
        author: Some("brand".into()),
    };
    scene.network.visits.next(Ok(Some(seen)));
    scene.network.visits.next(Err(PortError::NotReached(
        "the connection was refused".to_owned(),
    )));
    let key = Scene::key();
    let first = scene.given_by("Ada Lovelace", key.clone(), filled.clone()).await;
    assert!(matches!(first, Response::Done(_)), "{first:?}");
    assert_eq!(scene.given_by("Ada Lovelace", key, filled).await, first);
}

/// Only the form of this very reply, filled in by somebody who may act, makes us look at an address.
#[tokio::test]
async fn a_viewer_or_a_forged_form_sends_us_to_no_address() {
    let mut scene = Scene::doubtful(Class::None).await;
    let Response::Ask(form) = scene.presses("Ada Lovelace", "It is there").await else {
        panic!("it opens no form");
    };
    let filled = |verb: &str| Input::Form {
        case: form.case,
        verb: verb.to_owned(),
        text: "https://intranet.example/".to_owned(),
        reply: form.reply,
    };
    scene.network.visits.next(Ok(None));
    let read = plain(scene.given_by("Vi", Scene::key(), filled(&form.verb)).await);
    assert!(read.contains("Your role is viewer"), "{read}");
    let forged = form.verb.replace(|letter: char| letter.is_ascii_digit(), "0");
    assert_ne!(forged, form.verb);
    scene
        .given_by("Ada Lovelace", Scene::key(), filled(&forged))
        .await;
    assert!(scene.network.visits.take().is_some(), "it was looked at");
}

/// Our own words that come back are no customer's complaint, though nobody knows their id: whoever gave
/// up finding out, or saw it there, only ended the question.
#[tokio::test]
async fn words_of_ours_that_come_back_after_a_restart_open_no_case() {
    for given_up in [true, false] {
        let mut scene = Scene::with(Class::None).await;
        scene.post("p1", "ann", None, "My parcel is late!").await;
        scene.network.publishes.next(unknown());
        scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
        scene.pass(HOLD).await;
        let state = if given_up {
            scene.presses("Ada Lovelace", "Give up").await;
            ReplyState::Abandoned
        } else {
            let address = "https://shop.example/r1";
            scene.fills("Ada Lovelace", "It is there", address).await;
            ReplyState::Sent
        };
        assert_eq!(scene.state().await, state);
        let mut scene = scene.restart().await;
        let seen = scene.post("r1", "brand", Some("p1"), KIND).await;
        assert_eq!((seen.accepted, seen.duplicates), (0, 1), "{state:?}");
        assert_eq!(scene.store.counters().await.unwrap().case, 1);
    }
}

#[tokio::test]
async fn giving_up_lets_the_case_go_on() {
    let mut scene = Scene::doubtful(Class::None).await;
    scene.presses("Ada Lovelace", "Give up").await;
    assert_eq!(scene.state().await, ReplyState::Abandoned);
    scene
        .by("Ada Lovelace", "reply 1 Did our answer reach you?")
        .await;
    scene.pass(HOLD).await;
    assert_eq!(scene.published().len(), 1);
}

#[rstest]
#[case::elsewhere(Some("p9"), "brand", "not under the post")]
#[case::on_its_own(None, "brand", "not under the post")]
#[case::by_another(Some("p1"), "somebody", "another account")]
#[tokio::test]
async fn a_reply_in_a_wrong_place_stops_its_account_and_asks(
    #[case] parent: Option<&str>,
    #[case] author: &str,
    #[case] words: &str,
) {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.network.publishes.next(Ok(Published {
        id: "r5".into(),
        url: Some("https://shop.example/r5".to_owned()),
        parent: parent.map(Into::into),
        author: Some(author.into()),
    }));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    assert!(scene.told("Please look")[0].contains(words));
    let card = scene.chat.shown.lock().unwrap()[0].plain();
    assert!(card.contains("Publishing is paused by Hearback"), "{card}");
}

#[tokio::test]
async fn an_id_that_was_there_before_proves_nothing() {
    let mut scene = Scene::under(Approval::Flagged).await;
    let again = || Published {
        id: "p1".into(),
        url: None,
        parent: Some("p1".into()),
        author: Some("brand".into()),
    };
    scene.network.publishes.next(Ok(again()));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(scene.state().await, ReplyState::NeedsHuman);
    assert!(scene.told("Please look")[0].contains("was there before"));
}

#[tokio::test]
async fn its_own_echo_proves_a_reply_without_an_answer() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.network.publishes.next(unknown());
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    assert_eq!(scene.state().await, ReplyState::Ambiguous);
    // A stranger who repeats our words proves nothing, and is no case of that conversation's author.
    scene.post("x1", "mallory", Some("p1"), KIND).await;
    assert_eq!(scene.state().await, ReplyState::Ambiguous);
    scene.post("r9", "brand", Some("p1"), KIND).await;
    let reply = scene.reply().await;
    assert_eq!(
        (reply.state, reply.remote_id),
        (ReplyState::Sent, Some("r9".into()))
    );
    scene.pass(SETTLE * 10).await;
    assert_eq!(scene.published(), []);
}

#[tokio::test]
async fn an_absence_is_believed_after_two_looks_of_which_none_was_stale() {
    let mut scene = Scene::under(Approval::Flagged).await;
    scene.network.publishes.next(unknown());
    scene.network.looks.next(Ok(Look::Absent { fresh: false }));
    scene.by("Ada Lovelace", &format!("reply 1 {KIND}")).await;
    scene.pass(HOLD).await;
    scene.pass(SETTLE).await;
    assert_eq!(
        scene.state().await,
        ReplyState::Ambiguous,
        "a stale look counts for nothing"
    );
    scene.pass(Duration::from_secs(15)).await;
    assert_eq!(scene.state().await, ReplyState::Reconciling);
    assert_eq!(scene.published(), []);
    scene.pass(Duration::from_secs(15)).await;
    assert_eq!(scene.published().len(), 1);
}
