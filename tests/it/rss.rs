//! Feeds: what is their own beside what every connector keeps (see `conformance`).

use crate::fake::fault::Fault;
use crate::fake::feed::{FakeFeed, Format};
use crate::fake::house::{self, Core};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::guard::Guard;
use hearback::adapter::social::rss::Rss;
use hearback::adapter::supervise::Lost;
use hearback::app::Response;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, Status};
use rstest::rstest;
use std::sync::Arc;
use std::time::Duration;

/// A site with a feed, and the time.
struct Scene {
    site: FakeFeed,
    clock: ManualClock,
    feed: Arc<Rss>,
    core: Core,
}

impl Scene {
    async fn new() -> Self {
        Self::at("/feed").await
    }

    async fn at(path: &str) -> Self {
        let clock = ManualClock::default();
        let site = FakeFeed::start(house::clock(&clock)).await;
        let config = config::Rss {
            name: "blog".to_owned(),
            feed: format!("https://blog.example{path}").parse().unwrap(),
            url: Some(site.at("/")),
            own: vec![],
            poll: Duration::from_secs(900),
            approval: None,
        };
        let feed = Arc::new(Rss::new(&config, Guard::new(Vec::new()), house::clock(&clock)).unwrap());
        let core = Core::start(&clock, vec![feed.clone()]).await;
        Self {
            site,
            clock,
            feed,
            core,
        }
    }

    async fn sweep(&mut self) -> Result<(), Lost> {
        let read = self.feed.sweep(&self.core.inbound).await;
        self.core.deliver().await;
        read
    }

    async fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for case in self.core.cases().await {
            texts.extend(self.core.posts(&case).await.into_iter().map(|post| post.text));
        }
        texts
    }
}

#[rstest]
#[case(Format::Atom)]
#[case(Format::Rss)]
#[case(Format::Json)]
#[tokio::test]
async fn every_format_says_the_same(#[case] format: Format) {
    let mut scene = Scene::new().await;
    scene.site.speak(format);
    scene.clock.advance(Duration::from_secs(3600));
    scene.site.write("ann", "The lid <broke> & fell");
    scene.clock.advance(Duration::from_secs(60));
    scene.sweep().await.unwrap();
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!(post.text, "The lid <broke> & fell");
    assert_eq!(post.author.name, "ann");
    assert_eq!(post.url.as_deref(), Some("https://blog.example/posts/1"));
    assert_eq!(post.lang.as_deref(), Some("en"));
    assert_eq!(post.id.as_str(), "tag:blog.example,2026:1");
}

#[tokio::test]
async fn a_feed_that_did_not_change_costs_a_line() {
    let mut scene = Scene::new().await;
    scene.site.write("ann", "one");
    for _ in 0..3 {
        scene.sweep().await.unwrap();
    }
    assert_eq!(scene.site.readings(), (2, 1));
    scene.site.write("ann", "two");
    scene.sweep().await.unwrap();
    assert_eq!(scene.site.readings(), (2, 2));
    assert_eq!(scene.texts().await, ["one", "two"]);
}

#[tokio::test]
async fn a_server_that_asks_for_patience_gets_it() {
    let mut scene = Scene::new().await;
    scene.site.keep_for(600);
    scene.site.write("ann", "one");
    scene.sweep().await.unwrap();
    scene.clock.advance(Duration::from_secs(300));
    scene.sweep().await.unwrap();
    assert_eq!(scene.site.readings(), (0, 1), "not before its time");
    scene.clock.advance(Duration::from_secs(301));
    scene.sweep().await.unwrap();
    assert_eq!(scene.site.readings(), (1, 1));
    for form in ["30", "soon"] {
        scene.clock.advance(Duration::from_secs(3600));
        scene.site.next(Fault::RateLimited(form.to_owned()));
        assert!(matches!(scene.sweep().await, Err(Lost::Later(_))), "{form}");
    }
    scene.site.next(Fault::Status(403));
    assert!(matches!(scene.sweep().await, Err(Lost::Hopeless(_))));
    scene.site.next(Fault::Status(410));
    let lost = scene.sweep().await.unwrap_err();
    assert!(
        matches!(&lost, Lost::Hopeless(why) if why.contains("gone for good")),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_feed_is_followed_where_it_moved_but_not_into_the_house() {
    let mut scene = Scene::at("/moved").await;
    scene.site.write("ann", "one");
    scene.site.move_to("/feed");
    scene.sweep().await.unwrap();
    assert_eq!(scene.texts().await, ["one"]);
    // Another server on this machine is not the one that is configured.
    let other = FakeFeed::start(house::clock(&scene.clock)).await;
    other.write("eve", "from inside");
    scene.site.move_to(other.at("/feed").as_str());
    let lost = scene.sweep().await.unwrap_err();
    assert!(matches!(lost, Lost::Broken(_)), "{lost:?}");
    assert_eq!(other.readings(), (0, 0));
    scene.site.move_to("/moved");
    assert!(matches!(scene.sweep().await, Err(Lost::Broken(why)) if why.contains("circle")));
}

#[tokio::test]
async fn what_cannot_be_answered_is_told_before_and_answered_by_hand() {
    let mut scene = Scene::new().await;
    scene.site.write("ann", "The lid broke");
    scene.sweep().await.unwrap();
    let refused = scene.core.says("reply 1 Sorry!").await;
    let told = format!("{refused:?}");
    assert!(matches!(refused, Response::Refused(_)), "{told}");
    assert!(
        told.contains("https://blog.example/posts/1") && told.contains("answered"),
        "{told}"
    );
    assert!(scene.core.replies(1).await.is_empty());

    // No page, a page that has nothing to do with it, the post itself, no address at all.
    let elsewhere = scene.site.put_page("other", 200, "<p>Our shop</p>");
    let gone = scene.site.at("/pages/none");
    let other = FakeFeed::start(house::clock(&scene.clock)).await;
    let inside = other.put_page("answer", 200, "https://blog.example/posts/1");
    for address in [
        inside.as_str(),
        elsewhere.as_str(),
        gone.as_str(),
        "https://blog.example/posts/1",
        "there",
    ] {
        let refused = scene.core.says(&format!("answered 1 {address}")).await;
        assert!(matches!(refused, Response::Refused(_)), "{address}: {refused:?}");
    }
    assert_eq!(scene.core.cases().await[0].status, Status::New);

    let page = r#"<a href="https://blog.example/posts/1">The lid broke</a><p>We send a new one.</p>"#;
    let answer = scene.site.put_page("answer", 200, page);
    let done = scene.core.says(&format!("answered 1 <{answer}|there>")).await;
    assert!(
        matches!(&done, Response::Done(message) if message.plain().contains("looked at")),
        "{done:?}"
    );
    scene.core.deliver().await;
    let case = &scene.core.cases().await[0];
    assert_eq!(case.status, Status::Answered);
    assert_eq!(case.owner.as_ref().unwrap().name, "Ada");
    let thread = scene.core.thread(1);
    assert!(
        thread.contains("Ada answered by hand") && thread.contains(answer.as_str()),
        "{thread}"
    );
}

#[tokio::test]
async fn a_page_that_nobody_may_read_counts_by_the_agents_word_and_says_so() {
    let mut scene = Scene::new().await;
    scene.site.write("ann", "The lid broke");
    scene.sweep().await.unwrap();
    let closed = scene.site.put_page("closed", 403, "no machines");
    let done = scene.core.says(&format!("answered 1 {closed}")).await;
    assert!(
        matches!(&done, Response::Done(message) if message.plain().contains("Nobody could look")),
        "{done:?}"
    );
    scene.core.deliver().await;
    assert!(scene.core.thread(1).contains("because a person says so"));
}

#[tokio::test]
async fn a_first_reading_opens_no_old_cases() {
    let mut scene = Scene::new().await;
    let long_ago = scene.clock.now() - Duration::from_secs(30 * 24 * 3600);
    scene.site.write_at("ann", "long ago", long_ago);
    scene.sweep().await.unwrap();
    scene.clock.advance(Duration::from_secs(60));
    let new = scene.site.write("bob", "just now");
    scene.sweep().await.unwrap();
    assert_eq!(scene.texts().await, ["just now"]);
    // It leaves the feed and comes back; nothing happens.
    scene.site.without_validators();
    scene.site.forget(&new);
    scene.sweep().await.unwrap();
    assert_eq!(scene.texts().await, ["just now"]);
}

#[tokio::test]
async fn doctor_reads_the_feed() {
    let scene = Scene::new().await;
    scene.site.write("ann", "one");
    let findings = scene.feed.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(findings[0].what.contains("The blog"), "{findings:?}");
    scene.site.next(Fault::Status(404));
    let findings = scene.feed.examine().await;
    assert!(!findings[0].ok && !findings[0].mend.is_empty(), "{findings:?}");
}
