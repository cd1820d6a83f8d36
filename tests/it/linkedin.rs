//! Conversations on LinkedIn: what is special to it.

use crate::conformance::linkedin::{SIGNED, configured};
use crate::fake::house::{self, Core};
use crate::fake::linkedin::{self, FakeLinkedIn};
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::linkedin::LinkedIn;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::domain::{ManualClock, PostKind, ReplyState};
use hearback::port::SocialPlatform;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    clock: ManualClock,
    server: FakeLinkedIn,
    page: Arc<LinkedIn>,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeLinkedIn::start(house::clock(&clock)).await;
        let time = house::clock(&clock);
        let page = LinkedIn::new(&configured(&server), Duration::from_secs(5), time, house::vault());
        let page = Arc::new(page.unwrap());
        let core = Core::start(&clock, vec![page.clone() as Arc<dyn SocialPlatform>]).await;
        Self {
            clock,
            server,
            page,
            core,
        }
    }

    async fn sweep(&mut self) {
        self.page.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }
}

#[tokio::test]
async fn a_comment_is_heard_with_all_that_linkedin_tells() {
    let mut scene = Scene::new().await;
    let urn = scene.server.comment("zLqTygBP8S", "my parcel is late");
    scene.sweep().await;
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!((post.id.as_str(), post.kind), (urn.as_str(), PostKind::Comment));
    assert_eq!(post.author.id.as_str(), "urn:li:person:zLqTygBP8S");
    assert!(
        post.url
            .as_ref()
            .unwrap()
            .starts_with("https://www.linkedin.com/feed/update/urn:li:activity:")
    );
    assert_eq!(post.metrics.likes, 2);
    // There are no private messages, and that is told before anybody writes one.
    let response = scene.core.says("dm 1 hello").await;
    assert!(matches!(response, Response::Refused(_)), "{response:?}");
}

#[tokio::test]
async fn a_post_that_names_the_organisation_is_answered_with_a_first_comment() {
    let mut scene = Scene::new().await;
    let share = scene.server.mention("ann", "Has anybody heard of the shop?");
    scene.sweep().await;
    scene.core.reply(1, "We are here!").await;
    let reply = &scene.core.replies(1).await[0];
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    let (_, parent, text) = scene.server.published().remove(0);
    // It calls itself after the activity of the post.
    let activity = share.replace("share", "activity");
    assert_eq!((parent, text), (Some(activity), "We are here!".to_owned()));
}

#[tokio::test]
async fn a_comment_that_vanishes_without_a_notification_is_seen_in_two_rounds() {
    let mut scene = Scene::new().await;
    let urn = scene.server.comment("ann", "my parcel is late");
    scene.sweep().await;
    scene.clock.advance(Duration::from_secs(3600));
    scene.server.vanish(&urn);
    for gone in [false, true] {
        scene.sweep().await;
        let case = &scene.core.cases().await[0];
        assert_eq!(scene.core.posts(case).await[0].deleted, gone);
    }
}

#[tokio::test]
async fn linkedin_asks_whether_we_know_the_secret() {
    let scene = Scene::new().await;
    let ours = Server::start(scene.page.clone().routes(scene.core.inbound.clone()).unwrap()).await;
    let door = ours.url.join("/webhooks/page").unwrap();
    let mut question = door.clone();
    let code = "890e4665-4dfe-4ab1-b689-ed553bceeed0";
    question.query_pairs_mut().append_pair("challengeCode", code);
    let client = hearback::adapter::http::client(Duration::from_secs(5)).unwrap();
    let told: serde_json::Value = client.get(question).send().await.unwrap().json().await.unwrap();
    let expected = linkedin::response(linkedin::CLIENT_SECRET, code);
    assert_eq!(
        told,
        json!({"challengeCode": code, "challengeResponse": expected})
    );
    assert_eq!(
        client.get(door.clone()).send().await.unwrap().status().as_u16(),
        400
    );

    // The same secret signs what LinkedIn sends: whoever asks must not have a request signed.
    let mut forged = door.clone();
    forged
        .query_pairs_mut()
        .append_pair("challengeCode", "hmacsha256={\"notifications\":[]}");
    assert_eq!(client.get(forged).send().await.unwrap().status().as_u16(), 400);

    // What cannot be read now has to come again; what never can be is set aside.
    let urn = scene.server.comment("ann", "my parcel is late");
    let body = scene.server.push(&urn).to_string();
    let signed = |body: &str| {
        [(
            SIGNED,
            linkedin::signature(linkedin::CLIENT_SECRET, body.as_bytes()),
        )]
    };
    scene
        .server
        .faults()
        .next("comment", crate::fake::fault::Fault::Status(500));
    assert_eq!(deliver(&door, &signed(&body), body.clone()).await.0.as_u16(), 503);
    assert_eq!(deliver(&door, &signed(&body), body.clone()).await.0.as_u16(), 200);
    let odd = "{\"notifications\":7}";
    assert_eq!(deliver(&door, &signed(odd), odd).await.0.as_u16(), 200);
    assert_eq!(
        (scene.core.cases().await.len(), scene.core.set_aside().await),
        (1, 1)
    );
}

#[tokio::test]
async fn doctor_says_what_to_mend() {
    let scene = Scene::new().await;
    let well = scene.page.examine().await;
    assert!(well.iter().all(|finding| finding.ok), "{well:?}");
    scene.server.lock_out();
    let findings = scene.page.examine().await;
    assert!(
        findings
            .iter()
            .any(|finding| !finding.ok && finding.mend.contains("rw_organization_admin")),
        "{findings:?}"
    );
    assert!(!format!("{findings:?}").contains("SECRET"), "{findings:?}");
}

#[tokio::test]
async fn a_comment_that_cannot_be_read_stops_none_of_the_others_and_is_set_aside_in_the_end() {
    let mut scene = Scene::new().await;
    let one = scene.server.comment("ann", "my parcel is late");
    scene.server.break_comment(&one);
    scene.server.comment("bob", "mine too");
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    // It is asked for again, also when others came meanwhile.
    scene.clock.advance(Duration::from_secs(3600));
    scene.server.comment("eve", "and mine");
    scene.sweep().await;
    assert_eq!(
        (scene.core.cases().await.len(), scene.core.set_aside().await),
        (2, 0)
    );
    scene.server.mend();
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 3);
    // One that never can be read is set aside.
    let other = scene.server.comment("dan", "hello?");
    scene.server.break_comment(&other);
    for aside in [0, 1, 1] {
        scene.sweep().await;
        assert_eq!(
            (scene.core.cases().await.len(), scene.core.set_aside().await),
            (3, aside)
        );
        scene.clock.advance(Duration::from_secs(6 * 3600));
    }
}

#[tokio::test]
async fn a_comment_is_read_once_while_nothing_happens() {
    let mut scene = Scene::new().await;
    scene.server.tell_later(700);
    scene.server.comment("ann", "my parcel is late");
    scene.clock.advance(Duration::from_secs(1));
    scene.sweep().await;
    assert_eq!(scene.core.cases().await.len(), 1);
    let read = scene.server.calls("comment");
    for _ in 0..5 {
        scene.clock.advance(Duration::from_secs(120));
        scene.sweep().await;
    }
    assert_eq!(scene.server.calls("comment"), read);
}

#[tokio::test]
async fn a_day_that_is_used_up_is_not_asked_every_few_seconds() {
    let scene = Scene::new().await;
    scene.server.use_up();
    let lost = scene.page.sweep(&scene.core.inbound).await.unwrap_err();
    assert!(
        matches!(lost, Lost::Later(wait) if wait == Duration::from_secs(900)),
        "{lost:?}"
    );
}
