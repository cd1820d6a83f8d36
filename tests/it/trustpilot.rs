//! Trustpilot: what is its own beside what every connector keeps (see `conformance`) and what all platforms of
//! reviews share (see `reviews`): notices that nobody signs.

use crate::conformance::trustpilot::configured;
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core};
use crate::fake::server::Server;
use crate::fake::trustpilot::{FakeTrustpilot, WEBHOOK_SECRET, notify};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::trustpilot::Trustpilot;
use hearback::domain::ManualClock;
use rstest::rstest;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

struct Scene {
    server: FakeTrustpilot,
    business: Arc<Trustpilot>,
    core: Core,
    door: Server,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeTrustpilot::start(house::clock(&clock)).await;
        let business = Trustpilot::new(&configured(&server), Duration::from_secs(5), house::clock(&clock));
        let business = Arc::new(business.unwrap());
        let core = Core::start(&clock, vec![business.clone()]).await;
        let door = Server::start(business.clone().routes(core.inbound.clone()).unwrap()).await;
        Self {
            server,
            business,
            core,
            door,
        }
    }

    fn to(&self, query: &str) -> Url {
        self.door.url.join(&format!("/webhooks/trust{query}")).unwrap()
    }

    async fn told(&self, event: &str, review: &str, text: &str) -> u16 {
        let to = self.to(&format!("?secret={WEBHOOK_SECRET}"));
        notify(&to, event, review, text).await
    }

    async fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for case in self.core.cases().await {
            texts.extend(self.core.posts(&case).await.into_iter().map(|post| post.text));
        }
        texts
    }
}

#[tokio::test]
async fn a_notice_is_a_reason_to_look_and_no_more() {
    let scene = Scene::new().await;
    let review = scene.server.books.write("ann", "late", Duration::ZERO);
    assert_eq!(
        scene
            .told("service-review-created", &review, "You are thieves!")
            .await,
        204
    );
    assert_eq!(scene.texts().await, ["late"]);
    // Of what is not there nothing is told.
    assert_eq!(
        scene.told("service-review-created", "53bf", "Invented").await,
        204
    );
    assert_eq!(scene.texts().await, ["late"]);
    scene.server.books.edit(&review, "late, and broken");
    assert_eq!(scene.told("service-review-updated", &review, "?").await, 204);
    assert_eq!(scene.texts().await, ["late, and broken"]);
    // That it is deleted, too, is only believed when it is not found twice.
    assert_eq!(scene.told("service-review-deleted", &review, "?").await, 204);
    scene.server.books.delete(&review);
    assert_eq!(scene.told("service-review-deleted", &review, "?").await, 204);
    let case = &scene.core.cases().await[0];
    assert!(!scene.core.posts(case).await[0].deleted);
    scene.business.sweep(&scene.core.inbound).await.unwrap();
    assert!(scene.core.posts(case).await[0].deleted);
}

#[rstest]
#[case("")]
#[case("?secret=")]
#[case("?secret=another")]
#[case("?Secret=0123456789abcdef0123456789SECRET")]
#[case("?secret=0123456789abcdef0123456789SECRET&secret=0123456789abcdef0123456789SECRET")]
#[tokio::test]
async fn who_does_not_know_the_secret_makes_us_do_nothing(#[case] query: &str) {
    let scene = Scene::new().await;
    let review = scene.server.books.write("ann", "late", Duration::ZERO);
    assert_eq!(
        notify(&scene.to(query), "service-review-created", &review, "?").await,
        401
    );
    assert_eq!(scene.server.books.calls("get"), 0);
}

#[tokio::test]
async fn a_notice_that_cannot_be_followed_is_to_come_again() {
    let scene = Scene::new().await;
    let review = scene.server.books.write("ann", "late", Duration::ZERO);
    scene.server.books.faults.next("get", Fault::Status(503));
    assert_eq!(scene.told("service-review-created", &review, "?").await, 503);
    assert_eq!(scene.told("service-review-created", &review, "?").await, 204);
    assert_eq!(scene.texts().await, ["late"]);
    let call = hearback::adapter::http::client(std::time::Duration::from_secs(30))
        .unwrap()
        .post(scene.to(&format!("?secret={WEBHOOK_SECRET}")));
    assert_eq!(call.body("{}").send().await.unwrap().status(), 400);
}
