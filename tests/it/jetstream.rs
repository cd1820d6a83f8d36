//! Bluesky with Jetstream: heard at once, and nothing that the sweep would not hear.

use crate::fake::bluesky::{FakeBluesky, HANDLE, ME, PASSWORD};
use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, Running};
use crate::fake::jetstream::{FakeJetstream, Speaks};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::link::LinkState;
use hearback::adapter::social::bluesky::Bluesky;
use hearback::config;
use hearback::domain::ManualClock;
use rstest::rstest;
use secrecy::SecretString;
use std::sync::Arc;
use std::time::Duration;

struct Scene {
    server: FakeBluesky,
    stream: FakeJetstream,
    clock: ManualClock,
    running: Running,
}

fn account(server: &FakeBluesky, stream: &FakeJetstream, clock: &ManualClock) -> Arc<Bluesky> {
    let configured = config::Bluesky {
        name: "sky".to_owned(),
        url: server.url(),
        identifier: HANDLE.to_owned(),
        password: SecretString::from(PASSWORD),
        search: vec!["acme \"desk lamp\"".to_owned()],
        poll: Duration::from_secs(3600),
        jetstream: Some(stream.url()),
        approval: None,
    };
    let clock = house::clock(clock);
    let account = Bluesky::new(&configured, Duration::from_secs(5), clock, house::vault());
    Arc::new(account.unwrap())
}

impl Scene {
    /// After the first sweep; the next one is an hour away.
    async fn open(speaks: Speaks) -> Self {
        let clock = ManualClock::default();
        let server = FakeBluesky::start(house::clock(&clock)).await;
        let stream = FakeJetstream::start(house::clock(&clock), speaks).await;
        let account = account(&server, &stream, &clock);
        let core = Core::start(&clock, vec![account.clone()]).await;
        let running = core.run();
        let run = account.clone().run(running.inbound.clone(), running.stop.clone());
        running.tracker.spawn(run);
        stream.asked(1).await;
        let swept = async {
            while account.links()[0].state() != LinkState::Up {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(15), swept)
            .await
            .unwrap();
        Self {
            server,
            stream,
            clock,
            running,
        }
    }

    /// Somebody writes, and the stream tells.
    fn write(&self, who: &str, text: &str) -> String {
        let uri = self.server.write(who, text);
        self.told(&uri);
        uri
    }

    fn told(&self, uri: &str) {
        self.stream.tell("create", uri, Some(&self.server.record(uri)));
    }
}

#[rstest]
#[case::the_first_form(Speaks::First)]
#[case::the_second_form(Speaks::Both)]
#[tokio::test]
async fn what_concerns_us_is_heard_at_once(#[case] speaks: Speaks) {
    let scene = Scene::open(speaks).await;
    let asked = scene.stream.asked(1).await;
    assert_eq!(
        asked[0].starts_with("/subscribe?"),
        speaks == Speaks::First,
        "{asked:?}"
    );
    let read = scene.server.calls("getPosts");

    scene.write("eve", "nothing to do with anybody");
    scene.write("help", "our own @help.example desk lamp of Acme");
    scene.write("ann", "@help.example it broke");
    scene.running.threads(1).await;
    assert_eq!(scene.server.calls("getPosts"), read + 1, "one call, for one post");

    scene.write("bob", "That DESK LAMP of Acme is a fire hazard");
    scene.running.threads(2).await;
    assert_eq!(scene.running.cases().await.len(), 2);
    assert!(scene.server.published().iter().all(|(uri, _)| uri.contains(ME)));
}

#[tokio::test]
async fn what_the_server_does_not_know_yet_is_asked_for_again() {
    let scene = Scene::open(Speaks::Both).await;
    let read = scene.server.calls("getPosts");
    let uri = scene.server.write("ann", "@help.example it broke");
    scene.server.hide(&uri);
    scene.told(&uri);
    let asked = async {
        while scene.server.calls("getPosts") == read {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), asked)
        .await
        .unwrap();
    scene.server.show_all();
    scene.running.threads(1).await;
}

#[tokio::test]
async fn what_is_taken_back_is_known_at_once() {
    let scene = Scene::open(Speaks::Both).await;
    let uri = scene.write("ann", "@help.example it broke");
    scene.running.threads(1).await;
    // Somebody lies, or the server knows better.
    scene.stream.tell("delete", &uri, None);
    scene
        .stream
        .tell("delete", "at://did:plc:eve/app.bsky.feed.post/3lunknown", None);
    scene.server.delete(&uri);
    scene.stream.tell("delete", &uri, None);
    scene.running.said(0, "deleted a post").await;
}

#[rstest]
#[case::closed("close")]
#[case::too_slow(r#"{"$type":"error","error":"ConsumerTooSlow","message":"reader below floor rate"}"#)]
#[tokio::test]
async fn what_comes_while_nobody_listens_is_heard_afterwards(#[case] end: &str) {
    let scene = Scene::open(Speaks::Both).await;
    scene.write("ann", "@help.example one");
    scene.running.threads(1).await;
    scene.stream.say(end);
    scene.write("bob", "@help.example two");
    scene.running.threads(2).await;
    let asked = scene.stream.asked(2).await;
    assert!(asked[1].contains("cursor="), "{asked:?}");
    assert_eq!(
        scene.running.cases().await.len(),
        2,
        "what is heard twice is known"
    );
}

#[tokio::test]
async fn a_moment_that_is_still_to_come_skips_nothing() {
    let scene = Scene::open(Speaks::First).await;
    let uri = scene.server.write("ann", "@help.example one");
    let record = scene.server.record(&uri);
    let hour = Duration::from_secs(3600);
    scene.stream.tell_ahead("create", &uri, Some(&record), hour);
    scene.running.threads(1).await;
    scene.stream.say("close");
    scene.write("bob", "@help.example two");
    scene.running.threads(2).await;
}

#[tokio::test]
async fn what_was_being_read_when_the_stream_ended_is_read_again() {
    let scene = Scene::open(Speaks::Both).await;
    let read = scene.server.calls("getPosts");
    scene.server.faults().next("getPosts", Fault::Hang);
    scene.write("bob", "That desk lamp of Acme is a fire hazard");
    let asked = async {
        while scene.server.calls("getPosts") == read {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), asked)
        .await
        .unwrap();
    // Much was heard since then, so that the stream does not tell of it again.
    scene.clock.advance(Duration::from_secs(60));
    scene.write("eve", "nothing to do with anybody");
    scene.stream.say("close");
    scene.running.threads(1).await;
}

#[tokio::test]
async fn nonsense_ends_nothing() {
    let scene = Scene::open(Speaks::Both).await;
    for odd in [
        "",
        "{}",
        "[1]",
        r#"{"$type":"message"}"#,
        r#"{"$type":"message","payload":{"$type":"x#commit","did":7}}"#,
    ] {
        scene.stream.say(odd);
    }
    scene.stream.tell(
        "create",
        "at://did:plc:eve/app.bsky.feed.post/3lodd",
        Some(&serde_json::json!({"text": 7})),
    );
    scene.write("ann", "@help.example it broke");
    scene.running.threads(1).await;
    assert_eq!(scene.stream.asked(1).await.len(), 1, "one connection");
}

#[rstest]
#[case(Speaks::First)]
#[case(Speaks::Both)]
#[tokio::test]
async fn the_doctor_tells_whether_it_answers(#[case] speaks: Speaks) {
    let clock = ManualClock::default();
    let server = FakeBluesky::start(house::clock(&clock)).await;
    let stream = FakeJetstream::start(house::clock(&clock), speaks).await;
    let account = account(&server, &stream, &clock);
    let told = account.examine().await;
    assert!(
        told.iter()
            .any(|finding| finding.ok && finding.what == "Jetstream answers"),
        "{told:?}"
    );
    drop(stream);
    let told = account.examine().await;
    assert!(
        told.iter()
            .any(|finding| !finding.ok && finding.what.starts_with("Jetstream: ")),
        "{told:?}"
    );
}
