//! Google Business Profile: what is its own beside what every connector keeps (see `conformance`) and what all
//! platforms of reviews share (see `reviews`): replies that Google looks over, and who may push.

use crate::conformance::google_business::configured;
use crate::fake::google_business::{AUDIENCE, FakeGoogleBusiness, PUSHER, push};
use crate::fake::house::{self, Core};
use crate::fake::server::Server;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::google_business::GoogleBusiness;
use hearback::domain::{ManualClock, ReplyState};
use rstest::rstest;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    server: FakeGoogleBusiness,
    place: Arc<GoogleBusiness>,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        let clock = ManualClock::default();
        let server = FakeGoogleBusiness::start(house::clock(&clock)).await;
        let config = configured(&server);
        let place = GoogleBusiness::new(
            &config,
            Duration::from_secs(5),
            house::clock(&clock),
            house::vault(),
        );
        let place = Arc::new(place.unwrap());
        let core = Core::start(&clock, vec![place.clone()]).await;
        Self { server, place, core }
    }

    async fn sweep(&mut self) {
        self.place.sweep(&self.core.inbound).await.unwrap();
        self.core.deliver().await;
    }

    fn state(&self, review: &str, state: &str) {
        let mut world = self.server.books.world();
        world.find_mut(review).unwrap().answer.as_mut().unwrap().state = Some(state.to_owned());
    }
}

#[tokio::test]
async fn a_reply_that_google_rejects_later_is_told_once() {
    let mut scene = Scene::new().await;
    let review = scene.server.books.write("ann", "late", Duration::ZERO);
    scene.sweep().await;
    scene.core.reply(1, "Sorry!").await;
    assert_eq!(scene.core.replies(1).await[0].state, ReplyState::Sent);
    scene.sweep().await;
    assert_eq!(scene.core.set_aside().await, 0, "it is looked over still");
    scene.state(&review, "REJECTED");
    scene.sweep().await;
    scene.sweep().await;
    assert_eq!(scene.core.set_aside().await, 1);
}

#[rstest]
#[case::another_audience(json!({"aud": "https://evil.example"}))]
#[case::another_account(json!({"email": "evil@evil.iam.gserviceaccount.com"}))]
#[case::not_verified(json!({"email_verified": false}))]
#[case::another_issuer(json!({"iss": "https://evil.example"}))]
#[tokio::test]
async fn a_token_of_googles_for_somebody_else_opens_nothing(#[case] other: Value) {
    let scene = Scene::new().await;
    let review = scene.server.books.write("ann", "late", Duration::ZERO);
    let door = Server::start(scene.place.clone().routes(scene.core.inbound.clone()).unwrap()).await;
    let mut claims = scene.server.claims();
    assert_eq!(
        (&claims["aud"], &claims["email"]),
        (&AUDIENCE.into(), &PUSHER.into())
    );
    claims
        .as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    let call = hearback::adapter::http::client(std::time::Duration::from_secs(30))
        .unwrap()
        .post(door.url.join("/webhooks/maps").unwrap());
    let call = call.bearer_auth(scene.server.token(&claims)).body(push(&review));
    assert_eq!(call.send().await.unwrap().status(), 401);
    assert_eq!(scene.server.books.calls("get"), 0);
}

#[tokio::test]
async fn stars_without_words_are_heard() {
    let mut scene = Scene::new().await;
    scene.server.books.write("ann", "", Duration::ZERO);
    scene.sweep().await;
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!(
        (post.text.as_str(), post.rating),
        ("(a rating without words)", Some(2))
    );
}
