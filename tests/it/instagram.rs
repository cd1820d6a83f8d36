//! Instagram: what is its own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::graph::{APP_SECRET, TOKEN, VERIFY_TOKEN, deliver, escaped, signed};
use crate::fake::house::{self, Core, HOLD, SETTLE};
use crate::fake::instagram::{ACCOUNT, FakeInstagram, HANDLE, permalink};
use crate::fake::server::Server;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::instagram::Instagram;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{ManualClock, Post, PostKind, ReplyState};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The account with a picture, our connector to it, the core behind it, and the time.
struct Scene {
    network: FakeInstagram,
    picture: String,
    account: Arc<Instagram>,
    core: Core,
    clock: ManualClock,
    door: Server,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let network = FakeInstagram::start(house::clock(&clock)).await;
        let config = config::Instagram {
            name: "insta".to_owned(),
            url: network.url(),
            account_id: ACCOUNT.to_owned(),
            access_token: SecretString::from(TOKEN),
            app_secret: SecretString::from(APP_SECRET),
            verify_token: SecretString::from(VERIFY_TOKEN),
            poll: Duration::from_secs(60),
            approval: None,
        };
        let account = Instagram::new(&config, Duration::from_secs(5), house::clock(&clock));
        let account = Arc::new(account.unwrap());
        let core = Core::start(&clock, vec![account.clone()]).await;
        let door = Server::start(account.clone().routes(core.inbound.clone()).unwrap()).await;
        Self {
            picture: network.show(HANDLE, "Our new hats!", false),
            network,
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
        let to = self.door.url.join("/webhooks/insta").unwrap();
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
async fn an_answer_to_an_answer_begins_with_whom_it_answers_and_is_told_from_others() {
    let mut scene = Scene::new().await;
    let first = scene.network.comment("ann", &scene.picture, "too small");
    scene.network.comment("bob", &first, "mine too");
    scene.sweep().await;
    let posts = scene.posts().await;
    assert_eq!(posts[1].in_reply_to.as_ref().unwrap().as_str(), first);
    assert_eq!(posts[0].conversation.as_str(), scene.picture);
    assert_eq!(posts[0].url.as_ref().unwrap(), &permalink(&scene.picture));
    scene.core.reply(2, "Sorry!").await;
    assert_eq!(scene.ended(2).await.0, ReplyState::Sent);
    // It stands under Ann's comment, and is no answer to her.
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.ended(1).await, (ReplyState::Sent, String::new()));
    let texts: Vec<_> = scene
        .network
        .published()
        .into_iter()
        .map(|own| (own.parent, own.text))
        .collect();
    let under = Some(first);
    assert_eq!(
        texts,
        [
            (under.clone(), "@bob Sorry!".to_owned()),
            (under, "@ann Sorry!".to_owned())
        ]
    );
}

#[tokio::test]
async fn what_names_us_elsewhere_is_asked_for_and_answered_there() {
    let mut scene = Scene::new().await;
    let picture = scene.network.show("bob", "my torn hat", false);
    let comment = scene.network.comment("ann", &picture, "ask @help.shop about it");
    let caption = scene.network.show("eve", "so does mine, @help.shop", false);
    let notice = scene.network.mention_notice(&picture, Some(&comment));
    assert_eq!(scene.push(&notice).await, 200);
    assert_eq!(scene.push(&notice).await, 200);
    let notice = scene.network.mention_notice(&caption, None);
    assert_eq!(scene.push(&notice).await, 200);
    let posts = scene.posts().await;
    let read: Vec<_> = posts
        .iter()
        .map(|post| (post.kind, post.author.handle.as_str()))
        .collect();
    // Who wrote a comment that names us is not told.
    assert_eq!(read, [(PostKind::Mention, ""), (PostKind::Mention, "eve")]);
    assert_eq!(posts[0].url.as_ref().unwrap(), &permalink(&picture));
    scene.core.reply(1, "What happened?").await;
    scene.core.reply(2, "Sorry!").await;
    for case in [1, 2] {
        assert_eq!(scene.ended(case).await, (ReplyState::Sent, String::new()));
    }
    let own: Vec<_> = scene
        .network
        .published()
        .into_iter()
        .map(|own| (own.parent, own.text, own.media))
        .collect();
    assert_eq!(own[0], (Some(comment), "What happened?".to_owned(), picture));
    assert_eq!(own[1], (None, "@eve Sorry!".to_owned(), caption));
    // In private nobody can be written to there.
    scene.dm(2, "Hello?").await;
    let (state, why) = scene.ended(2).await;
    assert!(
        state == ReplyState::Stale && why.contains("https://ig.me/m/eve"),
        "{why}"
    );
    assert_eq!(scene.network.calls("messages"), 0);
}

#[tokio::test]
async fn an_uncertain_answer_elsewhere_is_asked_of_a_person() {
    let mut scene = Scene::new().await;
    let caption = scene.network.show("eve", "torn, @help.shop", false);
    let notice = scene.network.mention_notice(&caption, None);
    scene.push(&notice).await;
    scene.network.faults().next("mentions", Fault::AcceptThenDrop);
    scene.core.reply(1, "Sorry!").await;
    for _ in 0..40 {
        scene.core.wait(SETTLE * 10).await;
    }
    let (state, why) = scene.ended(1).await;
    assert_eq!(state, ReplyState::NeedsHuman, "{why}");
    assert_eq!(scene.network.published().len(), 1);
}

#[tokio::test]
async fn a_picture_that_only_tags_us_is_heard_and_the_way_to_it_told() {
    let mut scene = Scene::new().await;
    let tag = scene.network.show("ann", "my torn hat", true);
    let named = scene.network.show("bob", "and mine, @help.shop", true);
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    let (state, why) = scene.ended(1).await;
    assert!(
        state == ReplyState::Stale && why.contains(&permalink(&tag)),
        "{why}"
    );
    scene.core.reply(2, "Sorry!").await;
    assert_eq!(scene.ended(2).await.0, ReplyState::Sent);
    // The same by the webhook is the same.
    let notice = scene.network.mention_notice(&named, None);
    scene.push(&notice).await;
    assert_eq!(scene.posts().await.len(), 2);
}

#[tokio::test]
async fn a_mention_that_cannot_be_read_now_is_sent_again_and_one_that_never_can_is_put_aside() {
    let mut scene = Scene::new().await;
    let caption = scene.network.show("eve", "torn, @help.shop", false);
    let notice = scene.network.mention_notice(&caption, None);
    scene.network.faults().next("node", Fault::Status(500));
    assert_eq!(scene.push(&notice).await, 503);
    assert_eq!(scene.push(&notice).await, 200);
    assert_eq!((scene.posts().await.len(), scene.core.set_aside().await), (1, 0));
    let hidden = scene.network.mention_notice("1790000", None);
    assert_eq!(scene.push(&hidden).await, 200);
    let odd = scene.network.mention_notice("7}{secret", None);
    assert_eq!(scene.push(&odd).await, 200);
    assert_eq!((scene.posts().await.len(), scene.core.set_aside().await), (1, 2));
    let other = json!({"entry": [{"id": "99", "changes": [{"field": "comments", "value": 7}]}]});
    assert_eq!(scene.push(&other).await, 200);
    assert_eq!(scene.core.set_aside().await, 2);
}

#[tokio::test]
async fn a_private_reply_goes_to_the_comment_once_and_within_seven_days() {
    let mut scene = Scene::new().await;
    let comment = scene.network.comment("ann", &scene.picture, "too small");
    scene.network.comment("bob", &scene.picture, "mine too");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.dm(1, "May we have your order number?").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    let said = (
        "ann".to_owned(),
        "May we have your order number?".to_owned(),
        Some(comment),
    );
    assert_eq!(scene.network.said(), [said]);
    // What a colleague wrote to Bob is shown.
    scene.network.we_message("bob", "Which one?");
    scene.dm(2, "May we have yours?").await;
    let (state, why) = scene.ended(2).await;
    assert!(state == ReplyState::Stale && why.contains("Which one?"), "{why}");
    scene.clock.advance(DAY * 7);
    scene.dm(1, "Hello?").await;
    let (state, why) = scene.ended(1).await;
    assert!(state == ReplyState::Stale && why.contains("seven days"), "{why}");
    assert!(why.contains("https://ig.me/m/ann"), "{why}");
    assert_eq!(scene.network.calls("messages"), 1);
    let long = scene.core.says(&format!("dm 1 {}", "ä".repeat(501))).await;
    assert!(format!("{long:?}").contains("bytes"), "{long:?}");
}

#[rstest]
#[case::done(Fault::AcceptThenDrop, 1)]
#[case::not_done(Fault::Drop, 2)]
#[tokio::test]
async fn an_uncertain_private_reply_is_looked_up(#[case] fault: Fault, #[case] calls: usize) {
    let mut scene = Scene::new().await;
    scene.network.comment("ann", &scene.picture, "too small");
    scene.sweep().await;
    scene.network.faults().next("messages", fault);
    scene.dm(1, "May we have your order number?").await;
    assert_eq!(scene.ended(1).await.0, ReplyState::Ambiguous);
    for _ in 0..3 {
        scene.core.wait(SETTLE).await;
    }
    assert_eq!(scene.ended(1).await.0, ReplyState::Sent);
    assert_eq!(
        (scene.network.said().len(), scene.network.calls("messages")),
        (1, calls)
    );
}

#[tokio::test]
async fn a_hidden_comment_is_told_before_anything_is_sent() {
    let mut scene = Scene::new().await;
    let comment = scene.network.comment("ann", &scene.picture, "too small");
    scene.sweep().await;
    scene.network.hide(&comment);
    scene.core.reply(1, "Sorry!").await;
    let (state, why) = scene.ended(1).await;
    assert!(state == ReplyState::Stale && why.contains("hidden"), "{why}");
    assert_eq!(scene.network.calls("publish"), 0);
}

#[tokio::test]
async fn comments_are_read_only_where_their_number_is_another() {
    let mut scene = Scene::new().await;
    let still = scene.network.show(HANDLE, "Our old hats", false);
    scene.network.comment("ann", &still, "nice");
    scene.network.comment("ann", &scene.picture, "too small");
    scene.sweep().await;
    let read = scene.network.calls("comments");
    scene.sweep().await;
    assert_eq!(scene.network.calls("comments"), read);
    scene.network.comment("bob", &scene.picture, "mine too");
    scene.sweep().await;
    assert_eq!(scene.network.calls("comments"), read + 1);
    assert_eq!(scene.posts().await.len(), 3);
}

#[tokio::test]
async fn doctor_says_what_can_be_read() {
    let scene = Scene::new().await;
    let findings = scene.account.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(findings[0].what.contains("@help.shop"), "{findings:?}");
    scene.network.faults().next("tags", Fault::Status(403));
    let findings = scene.account.examine().await;
    let wrong: Vec<_> = findings.iter().filter(|finding| !finding.ok).collect();
    assert_eq!(wrong.len(), 1, "{findings:?}");
    assert!(wrong[0].mend.contains("instagram_manage_comments"), "{wrong:?}");
    assert!(!format!("{findings:?}").contains("SECRET"));
}

#[tokio::test]
async fn a_picture_whose_comments_cannot_be_read_stops_none_of_the_others() {
    let mut scene = Scene::new().await;
    let other = scene.network.show(HANDLE, "Coats!", false);
    scene.sweep().await;
    let first = scene.picture.clone();
    scene.network.comment("ann", &first, "too small");
    scene.network.comment("bob", &other, "too large");
    scene.network.faults().next("comments", Fault::Status(500));
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 1);
    // What is missing is read as soon as it can be.
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 2);
}

#[tokio::test]
async fn all_answers_to_a_comment_are_heard_also_where_they_are_many() {
    let mut scene = Scene::new().await;
    let first = scene.network.comment("ann", &scene.picture, "too small");
    for n in 0..70 {
        scene.network.comment("bob", &first, &format!("number {n}"));
    }
    scene.sweep().await;
    assert_eq!(scene.posts().await.len(), 71);
}

#[tokio::test]
async fn an_answer_to_a_known_comment_is_heard_also_where_that_is_deep_down() {
    let mut scene = Scene::new().await;
    let first = scene.network.comment("ann", &scene.picture, "too small");
    scene.sweep().await;
    for _ in 0..2 {
        scene.clock.advance(Duration::from_secs(2 * 3600));
        for n in 0..30 {
            scene.network.comment("eve", &scene.picture, &format!("nice {n}"));
        }
        scene.sweep().await;
    }
    scene.network.comment("ann", &first, "and torn");
    // The newest comments are read at once, the others in turns.
    for _ in 0..20 {
        scene.sweep().await;
    }
    let posts = scene.posts().await;
    let new = posts.iter().find(|post| post.text == "and torn").unwrap();
    assert_eq!(new.in_reply_to.as_ref().unwrap().as_str(), first);
    assert_eq!(new.conversation.as_str(), scene.picture);
}

#[tokio::test]
async fn a_comment_that_takes_the_place_of_another_is_heard() {
    let mut scene = Scene::new().await;
    let old = scene.network.comment("ann", &scene.picture, "too small");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(60));
    scene.network.replace(&old, "bob", "too large");
    scene.clock.advance(Duration::from_secs(3600));
    scene.sweep().await;
    assert!(scene.posts().await.iter().any(|post| post.text == "too large"));
}

#[tokio::test]
async fn what_we_write_ourselves_is_no_case_when_it_is_pushed() {
    let mut scene = Scene::new().await;
    let own = scene.network.comment(HANDLE, &scene.picture, "Now in blue!");
    assert_eq!(scene.push(&scene.network.notice(&own)).await, 200);
    assert!(scene.posts().await.is_empty());
}

#[tokio::test]
async fn what_is_put_aside_has_no_token_in_it() {
    let mut scene = Scene::new().await;
    let next = format!("https://graph.facebook.com/v26.0/1/replies?access_token={TOKEN}&after=x");
    let replies = json!({"data": [], "paging": {"next": next}});
    scene
        .network
        .poison(json!({"id": 7, "timestamp": "yesterday", "replies": replies}));
    scene.sweep().await;
    assert_eq!(scene.core.set_aside().await, 1);
    let asides = scene.core.asides().await;
    assert!(asides.contains("after=x") && !asides.contains(TOKEN), "{asides}");
}

#[tokio::test]
async fn what_is_used_of_the_quota_is_told() {
    let mut scene = Scene::new().await;
    scene.sweep().await;
    assert_eq!(scene.account.meter().unwrap().last().unwrap().left, 75.0);
}
