//! Conversations on TikTok: what is special to it.

use crate::conformance::tiktok::{SIGNED, configured};
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, SETTLE};
use crate::fake::server::Server;
use crate::fake::tiktok::{self, FakeTikTok};
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::tiktok::TikTok;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::domain::{Clock as _, ManualClock, ReplyState};
use hearback::port::SocialPlatform;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    clock: ManualClock,
    server: FakeTikTok,
    account: Arc<TikTok>,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeTikTok::start(house::clock(&clock)).await;
        let time = house::clock(&clock);
        let account = TikTok::new(&configured(&server), Duration::from_secs(5), time, house::vault());
        let account = Arc::new(account.unwrap());
        let core = Core::start(&clock, vec![account.clone() as Arc<dyn SocialPlatform>]).await;
        Self {
            clock,
            server,
            account,
            core,
        }
    }

    async fn sweep(&mut self) {
        self.account.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn a_comment_is_heard_with_all_that_tiktok_tells() {
    let mut scene = Scene::new().await;
    scene.server.picture("ann");
    scene.sweep().await;
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!(
        (post.author.id.as_str(), post.author.handle.as_str()),
        ("id-of-ann", "ann")
    );
    assert_eq!(post.author.url.as_deref(), Some("https://www.tiktok.com/@ann"));
    assert_eq!(
        (post.url.as_deref(), post.metrics.likes, post.media.len()),
        (Some(tiktok::ADDRESS), 2, 1)
    );
    assert_eq!(post.created_at, scene.clock.now());
    let response = scene.core.says("dm 1 hello").await;
    assert!(matches!(response, Response::Refused(_)), "{response:?}");
}

#[tokio::test]
async fn an_answer_to_an_old_comment_is_heard_while_its_case_is_open() {
    let mut scene = Scene::new().await;
    let post = scene.server.comment("ann", "my parcel is late");
    scene.sweep().await;
    scene.core.reply(1, "Which one?").await;
    // By now the comment is beyond what a sweep reads of the list.
    scene.clock.advance(Duration::from_secs(3 * 3600));
    scene.server.comment("bob", "nice video");
    scene.sweep().await;
    scene.server.answer("ann", &post, "the blue one");
    scene.sweep().await;
    let cases = scene.core.cases().await;
    assert_eq!(cases.iter().map(|case| case.posts).collect::<Vec<_>>(), [2, 1]);
}

#[tokio::test]
async fn a_refusal_comes_with_the_status_of_a_success() {
    let mut scene = Scene::new().await;
    scene.server.comment("ann", "my parcel is late");
    scene.sweep().await;
    scene.server.faults().next("comments", Fault::Status(403));
    let lost = scene.account.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("40001")),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_reply_without_a_certain_end_is_shown_to_a_person() {
    let mut scene = Scene::new().await;
    scene.server.comment("ann", "my parcel is late");
    scene.sweep().await;
    scene.server.faults().next("create", Fault::AcceptThenDrop);
    scene.core.reply(1, "Sorry!").await;
    scene.core.wait(SETTLE).await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::NeedsHuman);
    assert_eq!(
        (scene.server.calls("create"), scene.server.published().len()),
        (1, 1)
    );
}

#[tokio::test]
async fn what_is_pushed_is_read_and_a_deletion_is_believed() {
    let scene = Scene::new().await;
    let ours = Server::start(scene.account.clone().routes(scene.core.inbound.clone()).unwrap()).await;
    let door = ours.url.join("/webhooks/clips").unwrap();
    let send = async |body: String| {
        let now = scene.clock.now().timestamp();
        let headers = [(
            SIGNED,
            tiktok::signature(tiktok::CLIENT_SECRET, now, body.as_bytes()),
        )];
        deliver(&door, &headers, body).await.0.as_u16()
    };
    let post = scene.server.comment("ann", "my parcel is late");
    let body = scene.server.push(&post, "insert").to_string();
    scene.server.faults().next("look", Fault::Status(500));
    assert_eq!(send(body.clone()).await, 503);
    assert_eq!(send(body.clone()).await, 200);
    assert_eq!(send(body).await, 200);
    assert_eq!(send(scene.server.push(&post, "delete").to_string()).await, 200);
    let posts = scene.core.posts(&scene.core.cases().await[0]).await;
    assert!(posts.len() == 1 && posts[0].deleted, "{posts:?}");
    // Of another account, of something else, and what nobody can read.
    let other = json!({"event": "comment.update", "user_openid": "another", "content": "{}"});
    assert_eq!(send(other.to_string()).await, 200);
    assert_eq!(
        send(json!({"event": "video.publish", "content": "{}"}).to_string()).await,
        200
    );
    assert_eq!(scene.core.set_aside().await, 0);
    let odd =
        json!({"event": "comment.update", "user_openid": tiktok::BUSINESS, "content": "{\"comment_id\":"});
    assert_eq!(send(odd.to_string()).await, 200);
    assert_eq!(scene.core.set_aside().await, 1);
}

#[tokio::test]
async fn doctor_says_what_to_mend() {
    let scene = Scene::new().await;
    let well = scene.account.examine().await;
    assert!(well.iter().all(|finding| finding.ok), "{well:?}");
    scene.server.lock_out();
    let findings = scene.account.examine().await;
    assert!(
        findings
            .iter()
            .any(|finding| !finding.ok && finding.mend.contains("authorise")),
        "{findings:?}"
    );
    assert!(!format!("{findings:?}").contains("SECRET"), "{findings:?}");
}

#[tokio::test]
async fn a_video_whose_comments_cannot_be_read_stops_none_of_the_others() {
    let mut scene = Scene::new().await;
    scene.server.comment("ann", "my parcel is late");
    scene.server.comment_newer("bob", "mine too");
    scene.server.faults().next("comments", Fault::Status(500));
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 2);
}

#[tokio::test]
async fn answers_that_could_not_be_stored_are_read_again() {
    let mut scene = Scene::new().await;
    let post = scene.server.comment("ann", "my parcel is late");
    scene.sweep().await;
    scene.server.answer("ann", &post, "the blue one");
    scene.core.refuse_posts(true).await;
    let lost = scene.account.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(matches!(lost, Lost::Broken(_)), "{lost:?}");
    scene.core.refuse_posts(false).await;
    scene.sweep().await;
    assert_eq!(scene.core.cases().await[0].posts, 2);
}

#[tokio::test]
async fn a_comment_that_is_fixed_above_the_others_ends_no_reading() {
    let mut scene = Scene::new().await;
    let post = scene.server.comment("ann", "the first");
    scene.server.pin(&post);
    scene.clock.advance(Duration::from_secs(7200));
    scene.server.comment("bob", "the second");
    scene.sweep().await;
    for n in 0..70 {
        scene.server.comment("bob", &format!("number {n}"));
    }
    scene.sweep().await;
    let mut posts = 0;
    for case in scene.core.cases().await {
        posts += case.posts;
    }
    assert_eq!(posts, 72);
}

#[tokio::test]
async fn what_is_not_shown_as_described_is_not_gone() {
    let mut scene = Scene::new().await;
    let post = scene.server.comment("ann", "my parcel is late");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(3600));
    scene.server.garble(&post);
    for _ in 0..3 {
        scene.sweep().await;
    }
    let posts = scene.core.posts(&scene.core.cases().await[0]).await;
    assert!(!posts[0].deleted);
}
