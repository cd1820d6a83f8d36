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

/// An RSS feed with these items, without dates.
fn channel(items: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><rss version=\"2.0\"><channel><title>The blog</title>\
         <link>https://blog.example/</link><description>All</description>{items}</channel></rss>"
    )
}

const RSS: &str = "application/rss+xml";

#[tokio::test]
async fn items_with_the_same_id_are_told_apart_and_do_not_change_for_ever() {
    let mut scene = Scene::new().await;
    scene.site.serve(RSS, channel(""));
    scene.sweep().await.unwrap();
    let item = |text: &str| format!("<item><guid>same</guid><title>{text}</title></item>");
    scene.site.serve(RSS, channel(&item("one")));
    scene.sweep().await.unwrap();
    for _ in 0..3 {
        scene.clock.advance(Duration::from_secs(900));
        scene
            .site
            .serve(RSS, channel(&(item("two") + &item("one") + &item("two"))));
        scene.sweep().await.unwrap();
    }
    assert_eq!(scene.texts().await, ["one", "two"]);
    assert!(!scene.core.thread(1).contains("edited") && !scene.core.thread(2).contains("edited"));
    // One of them leaves.
    scene.site.serve(RSS, channel(&item("two")));
    scene.sweep().await.unwrap();
    assert_eq!(scene.texts().await, ["one", "two"]);
}

#[rstest]
#[case::told("text/xml; charset=iso-8859-1", b"gr\xfc\xdfe".as_slice(), None)]
#[case::declared("text/xml", b"gr\xfc\xdfe".as_slice(), Some("iso-8859-1"))]
#[case::told_falsely("text/xml; charset=iso-8859-1", "gr\u{fc}\u{df}e".as_bytes(), None)]
#[case::another_script("application/rss+xml; charset=\"windows-1251\"", b"gr\xfc\xdfe".as_slice(), None)]
#[tokio::test]
async fn letters_are_read_as_they_were_written(
    #[case] kind: &str,
    #[case] text: &[u8],
    #[case] declared: Option<&str>,
) {
    let mut scene = Scene::new().await;
    scene.site.serve(RSS, channel(""));
    scene.sweep().await.unwrap();
    let feed = channel("<item><guid>1</guid><title>@</title></item>");
    let feed = match declared {
        Some(declared) => feed.replace("1.0\"?>", &format!("1.0\" encoding=\"{declared}\"?>")),
        None => feed,
    };
    let (before, after) = feed.split_once('@').unwrap();
    let body = [before.as_bytes(), text, after.as_bytes()].concat();
    scene.site.serve(kind, body);
    scene.sweep().await.unwrap();
    let wanted = if kind.contains("1251") {
        "gr\u{44c}\u{42f}e"
    } else {
        "gr\u{fc}\u{df}e"
    };
    assert_eq!(scene.texts().await, [wanted]);
}

#[tokio::test]
async fn addresses_lead_to_the_page_itself() {
    let mut scene = Scene::new().await;
    scene.site.serve(RSS, channel(""));
    scene.sweep().await.unwrap();
    let google =
        "https://www.google.co.uk/url?rct=j&amp;sa=t&amp;url=https://news.example/lids%3Fa%3D1&amp;ct=ga";
    let links = [
        "/posts/7",
        google,
        "https://www.google.evil.example/url?url=https://news.example/",
        "javascript:alert(1)",
    ];
    let items = links.iter().enumerate();
    let items: String = items
        .map(|(n, link)| format!("<item><guid>{n}</guid><title>number {n}</title><link>{link}</link></item>"))
        .collect();
    scene.site.serve(RSS, channel(&items));
    scene.sweep().await.unwrap();
    let mut urls = Vec::new();
    for case in scene.core.cases().await {
        let post = scene.core.posts(&case).await.remove(0);
        urls.push(post.url.unwrap_or_default());
    }
    let own = scene.site.at("/posts/7").to_string();
    let wanted = [own.as_str(), "https://news.example/lids?a=1", links[2], ""];
    assert_eq!(urls, wanted);
}

#[tokio::test]
async fn an_endless_item_has_an_end() {
    let mut scene = Scene::new().await;
    let long = "late ".repeat(100_000);
    let pictures: Vec<_> = (0..50)
        .map(
            |n| serde_json::json!({"url": format!("https://blog.example/{n}.png"), "mime_type": "image/png"}),
        )
        .collect();
    let at = scene.clock.now().to_rfc3339();
    let feed = serde_json::json!({"version": "https://jsonfeed.org/version/1.1", "title": "The blog", "items": [
        {"id": "1", "url": "https://blog.example/1", "content_text": long, "date_published": at, "attachments": pictures}]});
    scene.site.serve("application/feed+json", feed.to_string());
    scene.sweep().await.unwrap();
    let case = &scene.core.cases().await[0];
    let post = &scene.core.posts(case).await[0];
    assert_eq!(post.text.chars().count(), 40_001);
    assert!(post.media.len() <= 10, "{}", post.media.len());
}

#[tokio::test]
async fn what_is_set_aside_does_not_tell_the_feeds_address() {
    let mut scene = Scene::at("/feed?token=SECRET").await;
    let item = "<item><guid>1</guid><content:encoded><![CDATA[<hr/>]]></content:encoded></item>";
    let named = "version=\"2.0\" xmlns:content=\"http://purl.org/rss/1.0/modules/content/\"";
    let feed = channel(item).replace("version=\"2.0\"", named);
    scene.site.serve(RSS, feed);
    scene.sweep().await.unwrap();
    assert_eq!(scene.core.set_aside().await, 1);
    let kept = scene.core.asides().await;
    assert!(
        kept.contains("says nothing") || kept.contains("without words"),
        "{kept}"
    );
    assert!(!kept.contains("SECRET"), "{kept}");
}
