//! The demo, as a visitor meets it: in a browser, and over HTTP.

mod browser;
mod served;

use browser::Browser;
use hearback::config::Config;
use hearback::domain::SystemClock;
use hearback::runtime::{Options, Running};
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// An undo window that no test waits for.
const LONG: Duration = Duration::from_secs(3600);
/// The key of one submit.
const NONCE: &str = "0123456789abcdef";

/// A running demo.
struct Demo {
    running: Running,
    base: String,
    http: reqwest::Client,
}

impl Demo {
    async fn start(folder: &Path, hold: Duration) -> Self {
        Self::start_with(folder, hold, false).await
    }

    async fn start_with(folder: &Path, hold: Duration, samples: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut config = Config::demo(listener.local_addr().unwrap(), folder).unwrap();
        config.reply.hold = hold;
        let options = Options {
            clock: Some(Arc::new(SystemClock)),
            demo: Some(folder.to_path_buf()),
            samples,
            stepped: false,
            metrics: PrometheusBuilder::new().build_recorder().handle(),
        };
        let running = Running::start(&config, listener, options).await.unwrap();
        let base = format!("http://{}", running.addr);
        let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
        Self { running, base, http }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self
            .http
            .get(format!("{}{path}", self.base))
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let request = self.http.post(format!("{}{path}", self.base)).form(fields);
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// A customer writes; returns the post's id.
    async fn write(&self, name: &str, text: &str, nonce: &str) -> String {
        let (status, body) = self
            .post(
                "/playground/write",
                &[("name", name), ("text", text), ("nonce", nonce)],
            )
            .await;
        assert_eq!(status, StatusCode::OK, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Returns once a page contains the text. Woken by the ticks that browsers get.
    async fn until(&self, path: &str, events: &str, text: &str) -> String {
        let mut ticks = self
            .http
            .get(format!("{}{events}", self.base))
            .send()
            .await
            .unwrap();
        let wait = async {
            loop {
                let (_, page) = self.get(path).await;
                if page.contains(text) {
                    return page;
                }
                ticks.chunk().await.unwrap().unwrap();
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(15), wait).await;
        assert!(waited.is_ok(), "waited in vain for {text:?} on {path}");
        waited.unwrap()
    }

    async fn stop(self) {
        self.running.stop().await.unwrap();
    }
}

async fn line(browser: &mut Browser, text: &str) {
    browser.click("#line").await;
    browser.write(text).await;
    browser.key("Enter", 13).await;
}

#[tokio::test]
async fn a_complaint_is_answered_in_a_browser() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), Duration::ZERO).await;

    browser.open(&demo.base).await;
    browser
        .until("document.querySelector('#live[data-state=up]')")
        .await;
    browser.until_text("#board-empty h3", "No cases yet").await;
    browser
        .until_text("#square-empty h3", "Nobody has written yet")
        .await;
    browser.picture("empty").await;

    // As a customer, who is not friendly.
    browser.click("#write-post textarea").await;
    browser
        .write("My <b>box</b> is late. <script>document.title = 'owned'</script> @everyone")
        .await;
    browser.click("#write-post button").await;
    browser
        .until("document.querySelector('#feed .post-text').textContent.startsWith('My <b>box</b> is late.')")
        .await;
    browser.until("document.querySelector('#step-write.done')").await;
    browser
        .until("document.querySelector('#rows a[data-case=\"1\"][aria-current]')")
        .await;
    browser.until_text("#thread .thread-name", "Sam Okafor").await;
    browser.picture("arrived").await;

    // As Ada, at the command line.
    line(&mut browser, "/claim 1").await;
    browser.until_text("#thread .thread-head .chip", "claimed").await;
    browser
        .until_text("#rows a[data-case=\"1\"] .chip", "claimed")
        .await;
    assert_eq!(
        browser.say("document.querySelector('#line').value").await,
        "",
        "a line that worked is gone"
    );
    line(&mut browser, "/reply 1 We are on it, Sam. <3").await;
    browser
        .until_text("#feed .post.official .post-text", "We are on it, Sam. <3")
        .await;
    browser.until_text("#thread .thread-head .chip", "answered").await;
    browser
        .until("document.querySelectorAll('#steps .done').length === 3")
        .await;
    browser.picture("answered").await;

    browser.until("!document.querySelector('#answer').hidden").await;

    // The permalink in the thread leads to the reply in the square, on this page.
    browser.click("#entries-1 li:last-child a").await;
    browser
        .until("document.activeElement.matches('#feed .post.official')")
        .await;

    // As the customer again, under the brand's answer.
    browser.click("#feed .official button[data-opens=reply]").await;
    browser
        .until("document.activeElement.matches('#feed .official textarea')")
        .await;
    browser.write("Thank you!").await;
    browser.click("#feed .official form.box button").await;
    browser
        .until_text("#feed .answers .post:last-child .post-text", "Thank you!")
        .await;
    browser
        .until("[...document.querySelectorAll('#entries-1 blockquote')].at(-1).textContent === 'Thank you!'")
        .await;

    // The page loaded again shows the same, from the log.
    browser.open(&demo.base).await;
    browser
        .until_text("#thread .entry blockquote", "Thank you!")
        .await;
    assert_ne!(browser.say("document.title").await, "owned");
    for address in &browser.requests {
        assert!(
            address.starts_with(&demo.base) || address == "about:blank",
            "{address} is not ours"
        );
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
    drop(browser);
    demo.stop().await;
}

#[tokio::test]
async fn buttons_ask_and_a_reply_can_be_undone() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    demo.write("Ann Lee", "Where is my box?", NONCE).await;
    browser.open(&demo.base).await;

    browser.click("#card-1 button[data-press='do:1:claim']").await;
    browser.until_text("#thread .thread-head .chip", "claimed").await;
    let replied = "!!document.querySelector('#step-reply.done')";
    assert_eq!(browser.say(replied).await, false, "a claim is no reply");
    browser.click("#card-1 button[data-press='ask:1:reply']").await;
    browser
        .until("document.activeElement.matches('#ask[open] textarea')")
        .await;
    browser.write("It is on its way.").await;
    browser.picture("form").await;
    browser.click("#ask button.primary").await;
    browser.until("!document.querySelector('#ask[open]')").await;
    browser.until(replied).await;
    browser
        .until("/^\\d+ min$/.test(document.querySelector('#held-1 [data-left]').textContent)")
        .await;
    browser.picture("held").await;
    browser.click("#held-1 button").await;
    browser.until("!document.querySelector('#held-1')").await;
    browser
        .until("document.querySelector('#entries-1').textContent.includes('took the reply back')")
        .await;
    assert_eq!(
        browser.say("document.querySelector('#feed .official')").await,
        Value::Null
    );

    // Another person is refused, in words and to that person only, and the line stays to be mended.
    browser.choose("#seat", "grace").await;
    line(&mut browser, "/claim 1").await;
    browser
        .until("document.querySelector('#answer[data-kind=refused]').textContent.includes('Ada')")
        .await;
    assert_eq!(
        browser.say("document.querySelector('#line').value").await,
        "/claim 1"
    );
    browser.picture("refused").await;
    assert_eq!(browser.complaints, Vec::<String>::new());
    drop(browser);
    demo.stop().await;
}

#[tokio::test]
async fn what_is_being_typed_survives_what_happens_meanwhile() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    demo.write("Ann Lee", "Where is my box?", NONCE).await;
    browser.open(&demo.base).await;
    browser.until("document.querySelector('#card-1')").await;
    browser.click("#feed button[data-opens=reply]").await;
    browser
        .until("document.activeElement.matches('#feed form.box textarea')")
        .await;
    browser.write("Half a thou").await;

    demo.write("Bob", "Mine is late too.", "fedcba9876543210").await;
    browser
        .until("document.querySelectorAll('#feed .talk').length === 2")
        .await;
    browser
        .until("document.querySelector('#rows a[data-case=\"2\"]')")
        .await;
    browser.write("ght").await;
    let typed = browser.say(
        "document.activeElement.matches('#feed .talk:last-child textarea') && document.activeElement.value",
    );
    assert_eq!(typed.await, "Half a thought");

    // Verbs are offered while they are typed.
    browser.click("#line").await;
    browser.write("/sno").await;
    browser.until("[...document.querySelectorAll('#verbs li')].filter((one) => !one.hidden).map((one) => one.dataset.verb).join() === 'snooze'").await;
    browser.picture("verbs").await;
    browser.key("Tab", 9).await;
    assert_eq!(
        browser.say("document.querySelector('#line').value").await,
        "/snooze "
    );
    browser.write("2h").await;
    browser.key("Enter", 13).await;
    browser.until_text("#thread .thread-head .chip", "snoozed").await;
    assert_eq!(browser.complaints, Vec::<String>::new());
    drop(browser);
    demo.stop().await;
}

#[tokio::test]
async fn an_empty_square_fills_by_itself_and_says_so() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start_with(folder.path(), LONG, true).await;
    browser.open(&demo.base).await;
    browser
        .until("document.querySelector('#arriving progress').max === 5")
        .await;
    browser.until("document.querySelector('#rows li')").await;
    browser.until_text("#thread .thread-name", "Maya Lindqvist").await;
    browser.picture("arriving").await;
    drop(browser);
    demo.stop().await;
}

/// Makes the pictures of the README: set `HEARBACK_TEST_SCREENSHOTS` to a folder.
#[tokio::test]
#[ignore = "makes pictures; takes as long as the samples do"]
async fn portrait() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start_with(folder.path(), Duration::ZERO, true).await;
    browser.open(&demo.base).await;
    browser
        .until("document.querySelectorAll('#rows li').length === 5")
        .await;
    browser.until("!document.querySelector('#arriving')").await;
    let say = async |by: &str, line: &str, nonce: &str| {
        let said = demo
            .post("/console/say", &[("by", by), ("line", line), ("nonce", nonce)])
            .await;
        assert_eq!(said.1["kind"], "done", "{}", said.1);
    };
    say(
        "grace",
        "/escalate 2 managers Third time this month, and it is an allergy.",
        "0000000001",
    )
    .await;
    say("ada", "/priority 2 urgent", "0000000002").await;
    say("ada", "/claim 3", "0000000003").await;
    say("grace", "/resolve 4 spam", "0000000004").await;
    say("ada", "/claim 1", "0000000005").await;
    say(
        "ada",
        "/note 1 The courier lost the box; a second one is free of charge.",
        "0000000006",
    )
    .await;
    let reply = "/reply 1 Hi Maya, nine days is too long and we are sorry. A new box left the roastery today by express, \
                 and this one is on us. Tracking comes by mail within the hour.";
    say("ada", reply, "0000000007").await;
    browser.until("document.querySelector('#feed .official')").await;
    browser.click("#rows a[data-case='1']").await;
    browser.until_text("#thread .thread-head .chip", "answered").await;
    browser
        .until("document.querySelector('#entries-1').textContent.includes('The reply is published')")
        .await;
    for step in ["write", "reply", "appear"] {
        browser
            .say(&format!("sessionStorage.setItem('hearback-step-{step}', 'done')"))
            .await;
    }
    browser.open(&demo.base).await;
    browser.until("document.querySelector('#feed .official')").await;
    browser.until("document.querySelector('#entries-1')").await;
    browser.picture("demo").await;
    browser.say("document.querySelector('#feed .official').scrollIntoView({block: 'center', behavior: 'instant'})").await;
    browser.picture("demo-answered").await;
    browser.scheme("dark").await;
    browser.picture("demo-dark").await;
    browser.scheme("light").await;
    browser.size(390, 844).await;
    browser
        .say("document.querySelector('#console').scrollIntoView({block: 'start', behavior: 'instant'})")
        .await;
    browser.picture("demo-phone").await;
    drop(browser);
    demo.stop().await;
}

/// What a person who cannot see the page, or has no mouse, depends on.
#[tokio::test]
async fn everything_on_the_page_has_a_name_and_fits() {
    let Some(mut browser) = Browser::start().await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    let post = demo
        .write("Ann Lee", &"Where is my box? ".repeat(20), NONCE)
        .await;
    demo.write("A".repeat(50).as_str(), &"W".repeat(400), "fedcba9876543210")
        .await;
    demo.post(
        "/console/say",
        &[("by", "ada"), ("line", "reply 1 Soon."), ("nonce", NONCE)],
    )
    .await;
    browser.open(&demo.base).await;
    browser
        .until("document.querySelectorAll('#rows li').length === 2")
        .await;
    browser.until("document.querySelector('#thread .card')").await;
    browser
        .until(&format!("document.getElementById({})", json!(post)))
        .await;
    let nameless = browser
        .say(
            "[...document.querySelectorAll('button, a[href], input:not([type=hidden]), textarea, select, dialog')]
                .filter((one) => !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby')
                    || one.textContent.trim() || one.labels?.[0]?.textContent.trim()))
                .map((one) => one.outerHTML)",
        )
        .await;
    assert_eq!(nameless, json!([]));
    let doubled = browser
        .say("[...document.querySelectorAll('[id]')].map((one) => one.id).filter((id, at, all) => all.indexOf(id) !== at)")
        .await;
    assert_eq!(doubled, json!([]));
    for (width, height) in [(1440, 900), (1024, 768), (800, 1000), (390, 844)] {
        browser.size(width, height).await;
        let wide =
            "[document.documentElement, ...document.querySelectorAll('.pane-scroll, .thread-scroll, .board')]
            .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.className)";
        let wide = browser.say(wide).await;
        assert_eq!(wide, json!([]), "wider than a window of {width} lets it be");
        browser.picture(&format!("{width}")).await;
    }
    browser.size(1440, 900).await;
    browser.scheme("dark").await;
    browser.picture("dark").await;
    drop(browser);
    demo.stop().await;
}

#[tokio::test]
async fn the_same_submit_twice_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    let first = demo.write("Ann", "Where is my box?", NONCE).await;
    assert_eq!(demo.write("Ann", "Where is my box?", NONCE).await, first);
    demo.until("/console/board", "/console/events", "row-1").await;
    let note = [("by", "ada"), ("line", "/note 1 Called her."), ("nonce", NONCE)];
    let (_, once) = demo.post("/console/say", &note).await;
    assert_eq!(once["kind"], "done", "{once}");
    assert_eq!(demo.post("/console/say", &note).await.1, once);
    let thread = demo
        .until("/console/thread/1", "/console/events", "Called her.")
        .await;
    assert_eq!(thread.matches("Called her.").count(), 1);
    demo.stop().await;
}

#[tokio::test]
async fn edits_and_deletions_of_a_customer_appear_in_the_thread() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    let post = demo.write("Ann", "Where is my box?", NONCE).await;
    demo.until("/console/board", "/console/events", "row-1").await;
    let (status, _) = demo
        .post(
            "/playground/edit",
            &[("id", &post), ("text", "Where are my TWO boxes?")],
        )
        .await;
    assert_eq!(status, StatusCode::OK);
    demo.until("/console/thread/1", "/console/events", "TWO boxes")
        .await;
    let (status, _) = demo.post("/playground/delete", &[("id", &post)]).await;
    assert_eq!(status, StatusCode::OK);
    demo.until("/console/thread/1", "/console/events", "deleted")
        .await;
    let (status, said) = demo
        .post("/playground/edit", &[("id", &post), ("text", "x")])
        .await;
    assert_eq!(
        (status, said),
        (StatusCode::NOT_FOUND, json!({"say": "That post is gone."}))
    );
    demo.stop().await;
}

#[tokio::test]
async fn what_was_written_and_answered_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), Duration::ZERO).await;
    demo.write("Ann", "Where is my box?", NONCE).await;
    demo.until("/console/board", "/console/events", "row-1").await;
    demo.post(
        "/console/say",
        &[("by", "ada"), ("line", "/reply 1 It is here."), ("nonce", NONCE)],
    )
    .await;
    demo.until("/playground/feed", "/playground/events", "It is here.")
        .await;
    demo.until("/console/board", "/console/events", "chip-answered")
        .await;
    demo.stop().await;
    let demo = Demo::start(folder.path(), Duration::ZERO).await;
    let feed = demo.get("/playground/feed").await.1;
    assert_eq!(
        (
            feed.matches("Where is my box?</p>").count(),
            feed.matches("It is here.</p>").count()
        ),
        (1, 1)
    );
    demo.write("Ann", "A second thing.", "fedcba9876543210").await;
    let board = demo.until("/console/board", "/console/events", "row-2").await;
    assert_eq!(board.matches("<li").count(), 2, "nothing is heard twice");
    demo.stop().await;
}

#[tokio::test]
async fn what_was_written_while_the_rest_was_down_is_heard_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let config = hearback::config::Playground {
        name: "square".to_owned(),
    };
    let clock = Arc::new(SystemClock);
    let square =
        hearback::adapter::social::playground::Playground::open(&config, folder.path(), "http://x", clock);
    let square = Arc::new(square.unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/playground/write", listener.local_addr().unwrap());
    let stop = tokio_util::sync::CancellationToken::new();
    let router = square.router(stop.clone());
    let serve = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(serve.into_future());
    let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
    let form = [("name", "Ann"), ("text", "Is anybody there?"), ("nonce", NONCE)];
    assert_eq!(
        http.post(address).form(&form).send().await.unwrap().status(),
        StatusCode::OK
    );
    drop(http);
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    drop(square);

    let demo = Demo::start(folder.path(), LONG).await;
    demo.until("/console/board", "/console/events", "Is anybody there?")
        .await;
    demo.stop().await;
}

#[tokio::test]
async fn pages_answer_only_their_own_name_and_their_own_forms() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    let ask = |path: &str, header: (&'static str, &'static str)| {
        demo.http
            .get(format!("{}{path}", demo.base))
            .header(header.0, header.1)
            .send()
    };
    let rebound = ask("/console/board", ("host", "evil.example")).await.unwrap();
    assert_eq!(rebound.status(), StatusCode::MISDIRECTED_REQUEST);
    let named = ask("/console/board", ("host", "localhost:8080")).await.unwrap();
    assert_eq!(named.status(), StatusCode::OK);
    let checked = ask("/healthz", ("host", "hearback.cluster.local")).await.unwrap();
    assert_eq!(checked.status(), StatusCode::OK, "health is asked under any name");

    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("origin", "null"),
    ] {
        let form = [("name", "Eve"), ("text", "Ha"), ("nonce", NONCE)];
        let request = demo
            .http
            .post(format!("{}/playground/write", demo.base))
            .header(name, value)
            .form(&form);
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::FORBIDDEN,
            "{name}: {value}"
        );
    }
    assert!(
        demo.get("/playground/feed")
            .await
            .1
            .contains("Nobody has written yet")
    );

    let page = demo.http.get(&demo.base).send().await.unwrap();
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-security-policy").contains("script-src 'self'; style-src 'self'"));
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("cache-control"), "no-store");
    let page = page.text().await.unwrap();
    assert!(
        !page.contains("style=") && !page.contains(" onclick") && !page.contains("<script>"),
        "{page}"
    );
    demo.stop().await;
}

#[tokio::test]
async fn who_does_not_sit_at_the_console_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    let (status, said) = demo
        .post(
            "/console/say",
            &[("by", "mallory"), ("line", "queue"), ("nonce", NONCE)],
        )
        .await;
    assert_eq!(
        (status, &said["kind"]),
        (StatusCode::BAD_REQUEST, &json!("refused"))
    );
    let (status, _) = demo
        .post(
            "/console/say",
            &[("by", "ada"), ("line", "queue"), ("nonce", "short")],
        )
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let long = "x".repeat(70_000);
    let request = demo.http.post(format!("{}/console/say", demo.base));
    let answer = request
        .form(&[("by", "ada"), ("line", &long), ("nonce", NONCE)])
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    demo.stop().await;
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Demo::start(folder.path(), LONG).await;
    assert_eq!(demo.get("/healthz").await, (StatusCode::OK, "ok".to_owned()));
    demo.write("Ann", "Where is my box?", NONCE).await;
    demo.until("/console/board", "/console/events", "row-1").await;
    let (status, ready) = demo.get("/readyz").await;
    let ready: Value = serde_json::from_str(&ready).unwrap();
    let link = json!({"name": "source:square", "state": "up", "reason": null});
    assert_eq!(
        (status, ready),
        (
            StatusCode::OK,
            json!({"ready": true, "database": "ok", "ledger": "ok", "sender": "ok", "links": [link]})
        )
    );
    assert_eq!(demo.get("/metrics").await.0, StatusCode::OK);
    let (status, page) = demo.get("/nothing/here").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("There is nothing here"));
    demo.stop().await;
}
