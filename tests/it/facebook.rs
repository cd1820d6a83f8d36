//! Facebook: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::facebook::{FakeFacebook, PAGE, id};
use crate::fake::fault::Fault;
use crate::fake::graph::{APP_SECRET, TOKEN, VERIFY_TOKEN, deliver, escaped, signed};
use crate::fake::house::{self, Core, HOLD, SETTLE};
use crate::fake::server::Server;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::facebook::Facebook;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{ManualClock, Post, PostKind, ReplyState, Visibility};
use hearback::port::{PortError, SocialPlatform as _};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The page, our connector to it, the core behind it, and the time.
struct Scene {
    page: FakeFacebook,
    account: Arc<Facebook>,
    core: Core,
    clock: ManualClock,
    door: Server,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let page = FakeFacebook::start(house::clock(&clock)).await;
        let config = config::Facebook {
            name: "page".to_owned(),
            url: page.url(),
            page_id: PAGE.to_owned(),
            access_token: SecretString::from(TOKEN),
            app_secret: SecretString::from(APP_SECRET),
            verify_token: SecretString::from(VERIFY_TOKEN),
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = Facebook::new(&config, Duration::from_secs(5), house::clock(&clock));
        let account = Arc::new(account.unwrap());
        let core = Core::start(&clock, vec![account.clone()]).await;
        let door = Server::start(account.clone().routes(core.inbound.clone()).unwrap()).await;
        Self {
            page,
            account,
            core,
            clock,
            door,
        }
    }

    async fn sweep(&mut self) {
        self.account.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }

    async fn push(&mut self, notice: &Value) -> u16 {
        let body = escaped(notice);
        let to = self.door.url.join("/webhooks/page").unwrap();
        let status = deliver(&to, &[signed(APP_SECRET, &body)], body).await;
        self.core.deliver().await;
        status
    }

    async fn posts(&self) -> Vec<Post> {
        let mut posts = Vec::new();
        for case in self.core.cases().await {
            posts.extend(self.core.posts(&case).await);
        }
        posts
    }

    /// Ada writes to a customer in private.
    async fn dm(&mut self, case: u32, text: &str) {
        let response = self.core.says(&format!("dm {case} {text}")).await;
        assert!(matches!(response, Response::Done(_)), "{response:?}");
        self.core.deliver().await;
        self.core.wait(HOLD).await;
    }

    /// How the newest reply of a case ended.
    async fn ended(&self, case: i64) -> (ReplyState, String) {
        let reply = self.core.replies(case).await.pop().unwrap();
        (reply.state, reply.reason.unwrap_or_default())
    }
}

#[tokio::test]
async fn all_comments_under_a_post_of_ours_are_heard_once_also_where_they_are_many() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    scene.sweep().await;
    let mut first = String::new();
    for n in 1..=230 {
        if n % 5 == 0 {
            scene.clock.advance(Duration::from_secs(1));
        }
        let comment = scene.page.answer("ann", &post, &format!("number {n}"));
        if n == 1 {
            first = comment;
        }
    }
    scene.page.answer("page", &first, "Thank you!");
    scene.page.answer("bob", &first, "mine too");
    scene.sweep().await;
    scene.sweep().await;
    let posts = scene.posts().await;
    assert_eq!(posts.len(), 231);
    assert!(posts.iter().all(|comment| comment.conversation.as_str() == post));
    let bob = posts.iter().find(|post| post.text == "mine too").unwrap();
    assert_eq!(bob.in_reply_to.as_ref().unwrap().as_str(), first);
    // What did not move is not read again.
    scene.clock.advance(Duration::from_secs(120));
    scene.sweep().await;
    let read = scene.page.calls("comments");
    scene.sweep().await;
    assert_eq!(scene.page.calls("comments"), read);
    // A comment of the same second as a reading is not lost.
    scene.page.answer("eve", &post, "at the same moment");
    scene.sweep().await;
    scene.page.answer("eve", &post, "and again");
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 233);
}

#[tokio::test]
async fn an_answer_to_an_answer_stands_beside_it() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    let first = scene.page.answer("ann", &post, "too small");
    let second = scene.page.answer("bob", &first, "mine too");
    scene.sweep().await;
    assert_eq!(scene.posts().await[1].id.as_str(), second);
    scene.core.reply(2, "Sorry, Bob!").await;
    assert_eq!(scene.ended(2).await.0, ReplyState::Sent);
    let (own, parent, text) = scene.page.published().pop().unwrap();
    assert_eq!(
        (parent.as_deref(), text.as_str()),
        (Some(first.as_str()), "Sorry, Bob!")
    );
    // It is no answer to Ann by other means than Hearback's, for it is Bob's.
    let (number, address) = (
        own.split_once('_').unwrap().1,
        "https://www.facebook.com/x/posts/1",
    );
    let reply = scene.core.replies(2).await.pop().unwrap();
    let there = scene
        .account
        .visit(&reply, &format!("{address}?comment_id={number}"))
        .await;
    assert_eq!(there.unwrap().unwrap().id.as_str(), own);
    let elsewhere = scene
        .account
        .visit(&reply, &format!("{address}?comment_id=999"))
        .await;
    assert!(matches!(elsewhere, Err(PortError::Refused(_))), "{elsewhere:?}");
}

#[tokio::test]
async fn the_address_is_verified_by_the_token_of_the_configuration() {
    let scene = Scene::new().await;
    let ask = async |token: &str, mode: &str| {
        let mut to = scene.door.url.join("/webhooks/page").unwrap();
        to.query_pairs_mut()
            .append_pair("hub.mode", mode)
            .append_pair("hub.verify_token", token)
            .append_pair("hub.challenge", "1158201444<b>");
        let answer = reqwest::get(to).await.unwrap();
        let plain = answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain");
        (answer.status().as_u16(), plain, answer.text().await.unwrap())
    };
    let right = ask(VERIFY_TOKEN, "subscribe").await;
    assert_eq!(right, (200, true, "1158201444<b>".to_owned()));
    for (token, mode) in [
        ("verify", "subscribe"),
        ("", "subscribe"),
        (VERIFY_TOKEN, "unsubscribe"),
    ] {
        let (status, _, told) = ask(token, mode).await;
        assert!(status == 403 && !told.contains("SECRET"), "{told}");
    }
}

#[rstest]
#[case("edit")]
#[case("edited")]
#[tokio::test]
async fn edits_and_deletions_are_told_by_the_webhook(#[case] verb: &str) {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    let comment = scene.page.answer("ann", &post, "too small");
    let added = scene.page.notice(&comment, "add");
    assert_eq!(scene.push(&added).await, 200);
    assert_eq!(scene.push(&added).await, 200);
    scene.clock.advance(Duration::from_secs(60));
    scene.page.edit(&comment, "much too small");
    let edited = scene.page.notice(&comment, verb);
    scene.push(&edited).await;
    assert_eq!(scene.posts().await[0].text, "much too small");
    // An older one that comes late changes nothing, and hidden is not gone.
    scene.push(&added).await;
    let hidden = scene.page.notice(&comment, "hide");
    scene.push(&hidden).await;
    let posts = scene.posts().await;
    assert_eq!(
        (posts.len(), posts[0].text.as_str(), posts[0].deleted),
        (1, "much too small", false)
    );
    let removed = scene.page.notice(&comment, "remove");
    scene.push(&removed).await;
    assert!(scene.posts().await[0].deleted);
}

#[tokio::test]
async fn what_cannot_be_read_is_put_aside_and_what_is_not_ours_is_left() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("ann", "my hat is torn");
    let mut notice = scene.page.notice(&post, "add");
    let good = notice["entry"][0]["changes"][0].clone();
    notice["entry"][0]["changes"] = json!([
        {"field": "feed", "value": {"item": "comment", "verb": "add", "message": "of nothing"}},
        {"field": "feed", "value": {"item": "reaction", "verb": "add", "post_id": post}},
        {"field": "fans", "value": 7},
        good,
    ]);
    let other = json!({"id": "99", "time": 1, "changes": [{"field": "feed", "value": 7}]});
    notice["entry"].as_array_mut().unwrap().push(other);
    assert_eq!(scene.push(&notice).await, 200);
    assert_eq!((scene.posts().await.len(), scene.core.set_aside().await), (1, 1));
    assert_eq!(scene.push(&json!({"entry": 7})).await, 200);
    assert_eq!(scene.core.set_aside().await, 2);
    // Where nothing can be stored, Meta is asked to come again.
    let second = scene.page.write("bob", "mine too");
    let notice = scene.page.notice(&second, "add");
    scene.core.lose_the_database().await;
    let body = escaped(&notice);
    let to = scene.door.url.join("/webhooks/page").unwrap();
    assert_eq!(deliver(&to, &[signed(APP_SECRET, &body)], body).await, 503);
}

#[tokio::test]
async fn a_private_reply_goes_to_the_comment_once() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    let comment = scene.page.answer("ann", &post, "too small");
    scene.sweep().await;
    scene.dm(1, "May we have your order number?").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    let said = (
        "ann".to_owned(),
        "May we have your order number?".to_owned(),
        Some(comment),
    );
    assert_eq!(scene.page.said(), [said]);
    assert_eq!(scene.page.published().len(), 1, "nothing was said in public");
    // A second one is stopped before it leaves.
    scene.dm(1, "Hello?").await;
    let (state, why) = scene.ended(1).await;
    assert_eq!(state, ReplyState::Stale, "{why}");
    assert!(why.contains("business.facebook.com/latest/inbox"), "{why}");
    assert_eq!(scene.page.calls("messages"), 1);
}

#[tokio::test]
async fn after_seven_days_a_private_reply_is_refused_with_a_way_out() {
    let mut scene = Scene::new().await;
    scene.page.write("ann", "my hat is torn");
    scene.sweep().await;
    scene.clock.advance(DAY * 7);
    scene.dm(1, "Hello?").await;
    let (state, why) = scene.ended(1).await;
    assert_eq!(state, ReplyState::Stale, "{why}");
    assert!(
        why.contains("seven days") && why.contains(&format!("https://m.me/{PAGE}")),
        "{why}"
    );
    assert_eq!(scene.page.calls("messages"), 0);
}

#[rstest]
#[case::done(Fault::AcceptThenDrop, 1)]
#[case::not_done(Fault::Drop, 2)]
#[case::said_to_be_broken(Fault::StatusButDone(500), 1)]
#[tokio::test]
async fn an_uncertain_private_reply_is_looked_up(#[case] fault: Fault, #[case] calls: usize) {
    let mut scene = Scene::new().await;
    scene.page.write("ann", "my hat is torn");
    scene.sweep().await;
    scene.page.faults().next("messages", fault);
    scene.dm(1, "May we have your order number?").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Ambiguous);
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    assert_eq!(
        (scene.page.said().len(), scene.page.calls("messages")),
        (1, calls)
    );
}

#[tokio::test]
async fn a_message_is_answered_in_its_conversation_while_its_window_is_open() {
    let mut scene = Scene::new().await;
    let first = scene.page.message("ann", "where is my hat?");
    let notice = scene.page.message_notice(&first);
    assert_eq!(scene.push(&notice).await, 200);
    scene.clock.advance(Duration::from_secs(60));
    scene.page.message("ann", "the blue one");
    scene.sweep().await;
    let posts = scene.posts().await;
    assert_eq!(posts.len(), 2);
    assert!(
        posts
            .iter()
            .all(|post| post.kind == PostKind::Message && post.visibility == Visibility::Private)
    );
    assert_eq!(posts[0].author.id.as_str(), id("ann"));
    assert_eq!(scene.core.cases().await.len(), 1);
    scene.core.reply(1, "It is on its way.").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    assert_eq!(
        scene.page.said(),
        [("ann".to_owned(), "It is on its way.".to_owned(), None)]
    );
    // Our own echo is no message of a customer's.
    let echo = scene.page.we_message("ann", "by hand");
    let notice = scene.page.message_notice(&echo);
    scene.push(&notice).await;
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 2);
    scene.clock.advance(DAY);
    scene.core.reply(1, "Did it arrive?").await;
    let (state, why) = scene.ended(1).await;
    assert_eq!(state, ReplyState::Stale, "{why}");
    assert!(
        why.contains("24 hours") && why.contains("https://business.facebook.com"),
        "{why}"
    );
    assert_eq!(scene.page.calls("messages"), 1);
}

#[tokio::test]
async fn what_a_colleague_answered_in_messenger_is_shown() {
    let mut scene = Scene::new().await;
    scene.page.message("ann", "where is my hat?");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.page.we_message("ann", "On its way.");
    scene.core.reply(1, "Sorry!").await;
    let (state, why) = scene.ended(1).await;
    assert!(state == ReplyState::Stale && why.contains("On its way."), "{why}");
}

#[tokio::test]
async fn a_review_is_heard_with_its_stars_and_answered_below() {
    let mut scene = Scene::new().await;
    let bad = scene.page.review("ann", "never again", false);
    let notice = scene.page.notice(&bad, "add");
    scene.push(&notice).await;
    scene.page.review("bob", "", true);
    scene.sweep().await;
    let posts = scene.posts().await;
    let read: Vec<_> = posts
        .iter()
        .map(|post| (post.text.as_str(), post.rating, post.kind))
        .collect();
    assert_eq!(
        read,
        [
            ("never again", Some(1), PostKind::Review),
            ("(recommends the page, without words)", Some(5), PostKind::Review),
        ]
    );
    scene.core.reply(1, "What happened?").await;
    assert_eq!(scene.ended(1).await, (ReplyState::Sent, String::new()));
    let (own, parent, _) = scene.page.published().pop().unwrap();
    assert_eq!(parent.as_deref(), Some(bad.as_str()));
    // Its author changes it, and answers.
    scene.clock.advance(Duration::from_secs(60));
    scene.page.edit(&bad, "never again, but they answered");
    scene.sweep().await;
    assert_eq!(scene.posts().await[0].text, "never again, but they answered");
    scene.dm(1, "Hello?").await;
    let (state, why) = scene.ended(1).await;
    assert!(state == ReplyState::Stale && why.contains("m.me"), "{why}");
    assert!(!own.is_empty());
}

#[tokio::test]
async fn that_reviews_cannot_be_listed_stops_nothing() {
    let mut scene = Scene::new().await;
    scene.page.list_no_reviews();
    scene.page.write("ann", "my hat is torn");
    scene.page.message("bob", "where is my hat?");
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 2);
}

#[tokio::test]
async fn somebody_without_a_name_is_heard_and_answered() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    for who in ["ann", "bob"] {
        let comment = scene.page.answer(who, &post, "too small");
        scene.page.hide_author(&comment);
    }
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2, "they may be two");
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
}

#[tokio::test]
async fn a_closed_post_is_told_before_anything_is_sent() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    let comment = scene.page.answer("ann", &post, "too small");
    scene.page.close(&comment);
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    let (state, why) = scene.ended(1).await;
    assert!(
        state == ReplyState::Stale && why.contains("takes no comments"),
        "{why}"
    );
    assert_eq!(scene.page.calls("publish"), 0);
}

#[tokio::test]
async fn a_permission_that_is_gone_is_no_deletion() {
    let mut scene = Scene::new().await;
    for n in 0..6 {
        scene.page.write("ann", &format!("number {n}"));
    }
    scene.sweep().await;
    for _ in 0..2 {
        for _ in 0..6 {
            scene.page.faults().next("node", Fault::Status(404));
        }
        scene.account.sweep(&scene.core.inbound).await.unwrap();
    }
    scene.core.deliver().await;
    assert!(scene.posts().await.iter().all(|post| !post.deleted));
}

#[tokio::test]
async fn doctor_looks_at_the_token_the_permissions_and_the_webhook() {
    let scene = Scene::new().await;
    let findings = scene.account.examine().await;
    let told: Vec<_> = findings
        .iter()
        .map(|finding| (finding.ok, finding.what.as_str()))
        .collect();
    assert!(
        told.contains(&(true, "the token is of the page The Shop")),
        "{told:?}"
    );
    assert!(
        told.contains(&(false, "the app is not subscribed to ratings of the page")),
        "{told:?}"
    );
    assert!(
        told.contains(&(true, "75 % of the calls of this hour are left")),
        "{told:?}"
    );
    assert_eq!(
        findings.iter().filter(|finding| !finding.ok).count(),
        1,
        "{told:?}"
    );
    let text = format!("{findings:?}");
    assert!(!text.contains("SECRET"), "{text}");
}

#[tokio::test]
async fn a_limit_is_waited_for_as_the_usage_says() {
    let scene = Scene::new().await;
    let until = hearback::domain::Clock::now(&scene.clock) + Duration::from_secs(600);
    scene.page.exhaust(until);
    let lost = scene.account.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(lost, Lost::Later(wait) if wait == Duration::from_secs(600)),
        "{lost:?}"
    );
    let quota = scene.account.examine().await;
    assert!(!quota[0].ok, "{quota:?}");
}

#[tokio::test]
async fn a_post_whose_comments_cannot_be_read_stops_none_of_the_others() {
    let mut scene = Scene::new().await;
    let (one, two) = (
        scene.page.write("page", "Hats!"),
        scene.page.write("page", "Coats!"),
    );
    scene.sweep().await;
    scene.page.answer("ann", &one, "too small");
    scene.page.answer("bob", &two, "too large");
    scene.page.faults().next("comments", Fault::Status(500));
    scene.page.message("eve", "hello");
    scene.sweep().await;
    let heard = |posts: Vec<Post>| posts.into_iter().map(|post| post.text).collect::<Vec<_>>();
    let mut texts = heard(scene.posts().await);
    texts.sort();
    assert_eq!(texts, ["hello", "too large"]);
    // What is missing is read as soon as it can be, whatever came meanwhile.
    scene.clock.advance(Duration::from_secs(3 * 3600));
    scene.page.answer("bob", &two, "much too large");
    scene.page.faults().next("comments", Fault::Status(500));
    scene.sweep().await;
    scene.sweep().await;
    let mut texts = heard(scene.posts().await);
    texts.sort();
    assert_eq!(texts, ["hello", "much too large", "too large", "too small"]);
}

#[tokio::test]
async fn comments_that_could_not_be_stored_are_read_again() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    scene.sweep().await;
    scene.page.answer("ann", &post, "too small");
    scene.clock.advance(Duration::from_secs(120));
    scene.core.refuse_posts(true).await;
    let lost = scene.account.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(matches!(lost, Lost::Broken(_)), "{lost:?}");
    scene.core.refuse_posts(false).await;
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 1);
}

#[tokio::test]
async fn nothing_is_said_with_the_token_of_another_page() {
    let mut scene = Scene::new().await;
    let post = scene.page.write("page", "Our new hats!");
    scene.page.answer("ann", &post, "too small");
    scene.sweep().await;
    scene.page.change_hands("another");
    scene.core.reply(1, "Sorry!").await;
    let (state, why) = scene.ended(1).await;
    assert_eq!(state, ReplyState::Failed, "{why}");
    assert!(why.contains("access_token") && why.contains(PAGE), "{why}");
    assert_eq!(scene.page.calls("publish"), 0);
}

#[tokio::test]
async fn a_message_among_many_newer_ones_is_not_taken_for_unsent() {
    let mut scene = Scene::new().await;
    scene.page.message("ann", "hello");
    scene.sweep().await;
    scene.page.faults().next("messages", Fault::AcceptThenDrop);
    scene.core.reply(1, "Good morning!").await;
    for n in 0..30 {
        scene.page.message("ann", &format!("number {n}"));
    }
    scene.core.wait(SETTLE).await;
    scene.core.wait(SETTLE).await;
    assert_ne!(scene.ended(1).await.0, ReplyState::Sent);
    assert_eq!(
        (scene.page.said().len(), scene.page.calls("messages")),
        (1, 1),
        "it was sent once"
    );
}

#[tokio::test]
async fn what_is_used_of_the_quota_is_told() {
    let mut scene = Scene::new().await;
    scene.sweep().await;
    let quota = scene.account.meter().unwrap().last().unwrap();
    assert_eq!((quota.limit, quota.left), (100.0, 75.0));
}
