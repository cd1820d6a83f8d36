//! The console of `hearback serve`, for those who have a password.

use crate::fake::complaint::{complaint, person};
use hearback::config::{Config, Purpose};
use hearback::domain::{Clock as _, Post, Sighting, SourceName, SystemClock};
use hearback::runtime::{Options, Running};
use metrics_exporter_prometheus::PrometheusBuilder;
use reqwest::StatusCode;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

const ADA: (&str, &str) = ("ada", "the one of the lamp shop");
const GRACE: (&str, &str) = ("Grace", "the one of the harbour");

async fn start(folder: &std::path::Path) -> Running {
    let text = format!(
        r#"
[database]
url = "sqlite:{}"
[reply]
hold = "1h"
[[source]]
name = "shop"
platform = "webhook"
secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
reply_url = "http://127.0.0.1:9/replies"
flood = 20
[[agent]]
name = "Ada"
console_password = "{}"
roles = ["agent"]
[[agent]]
name = "Grace"
console_password = "{}"
roles = ["lead"]
"#,
        folder.join("hearback.db").display(),
        ADA.1,
        GRACE.1,
    );
    let config = Config::from_toml("served.toml", &text, Purpose::Serve).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        clock: Some(Arc::new(SystemClock)),
        demo: None,
        samples: false,
        stepped: false,
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    };
    Running::start(&config, listener, options).await.unwrap()
}

fn seen(id: &str) -> Sighting {
    Sighting::Post(Box::new(Post {
        author: person("ann", "Ann"),
        text: "My lamp is broken".to_owned(),
        ..complaint(&"shop".into(), id, SystemClock.now())
    }))
}

#[tokio::test]
async fn the_console_is_for_those_who_have_a_password_and_nobody_acts_as_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let base = format!("http://{}", running.addr);
    let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
    let source = SourceName::new("shop");
    let seen = running.inbound.posts_seen(&source, vec![seen("p1")], None);
    seen.await.unwrap();

    for path in ["/", "/console/board", "/console/thread/1", "/console/events"] {
        let answer = http.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(answer.headers().contains_key("www-authenticate"), "{path}");
        assert!(!answer.text().await.unwrap().contains("lamp"), "{path}");
    }
    let wrong = http.get(format!("{base}/")).basic_auth(ADA.0, Some(GRACE.1));
    assert_eq!(wrong.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);

    let page = http.get(format!("{base}/")).basic_auth(ADA.0, Some(ADA.1));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("Ada") && !page.contains("Grace"),
        "one chair: one's own"
    );
    let board = http
        .get(format!("{base}/console/board"))
        .basic_auth(ADA.0, Some(ADA.1));
    assert!(
        board
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("My lamp is broken")
    );

    // The page says Grace; Ada signed in.
    let say = [
        ("by", "grace"),
        ("nonce", "0123456789abcdef"),
        ("line", "/claim 1"),
    ];
    let request = http.post(format!("{base}/console/say")).form(&say);
    let answer = request.basic_auth(ADA.0, Some(ADA.1)).send().await.unwrap();
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["kind"], "done", "{told}");
    let thread = http
        .get(format!("{base}/console/thread/1"))
        .basic_auth(GRACE.0, Some(GRACE.1));
    let thread = thread.send().await.unwrap().text().await.unwrap();
    assert!(thread.contains("claimed by Ada"), "{thread}");
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_feed_that_waits_stands_above_the_cases_until_a_lead_decides() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let base = format!("http://{}", running.addr);
    let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
    let source = SourceName::new("shop");
    let many = (0..30).map(|n| seen(&format!("p{n}"))).collect();
    running.inbound.posts_seen(&source, many, None).await.unwrap();

    let board = async || {
        let board = http.get(format!("{base}/console/board"));
        let board = board.basic_auth(ADA.0, Some(ADA.1)).send().await.unwrap();
        board.text().await.unwrap()
    };
    let shown = board().await;
    let notice = "shop shows very many new posts at once";
    assert!(
        shown.contains(notice) && shown.contains("30 of them wait"),
        "{shown}"
    );
    assert!(shown.contains("No cases yet"), "{shown}");
    let press = async |who: (&str, &str), nonce: &str| {
        let form = [("by", who.0), ("nonce", nonce), ("press", "do:0:let-in shop")];
        assert!(shown.contains("data-press=\"do:0:let-in shop\""), "{shown}");
        let request = http.post(format!("{base}/console/press")).form(&form);
        let answer = request.basic_auth(who.0, Some(who.1)).send().await.unwrap();
        answer.json::<Value>().await.unwrap()
    };
    let refused = press(ADA, "0123456789abcdef").await;
    assert_eq!(refused["kind"], "refused", "{refused}");
    assert!(board().await.contains(notice));
    let done = press(GRACE, "0123456789abcdef").await;
    assert_eq!(done["kind"], "done", "{done}");
    let shown = board().await;
    assert!(!shown.contains(notice), "{shown}");
    assert_eq!(shown.matches("My lamp is broken").count(), 30);
    running.stop().await.unwrap();
}

/// A program that calls an address to which nothing is connected is told so as programs are.
#[tokio::test]
async fn who_calls_nobody_is_told_so_in_json() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
    for path in ["webhooks/unknown", "helpdesk/unknown"] {
        let address = format!("http://{}/{path}", running.addr);
        // Under a name that pages do not answer to, too.
        let call = http.post(address).header("host", "care.example.com").body("{}");
        let answer = call.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        let told: Value = answer.json().await.unwrap();
        assert!(told["error"].is_string(), "{path}: {told}");
    }
    running.stop().await.unwrap();
}
