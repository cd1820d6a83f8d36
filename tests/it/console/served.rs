//! The console of `hearback serve`, for those who have a password.

use hearback::config::{Config, Purpose};
use hearback::domain::{
    Author, Clock as _, Metrics, Post, PostKind, Sighting, SourceName, SystemClock, Visibility,
};
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
[[agent]]
name = "Ada"
console_password = "{}"
roles = ["agent"]
[[agent]]
name = "Grace"
console_password = "{}"
roles = ["lead"]
[[agent]]
name = "Bob"
slack = "U0123456789"
roles = ["agent"]
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

fn complaint() -> Sighting {
    Sighting::Post(Box::new(Post {
        source: "shop".into(),
        id: "p1".into(),
        conversation: "p1".into(),
        in_reply_to: None,
        kind: PostKind::Post,
        visibility: Visibility::Public,
        url: None,
        author: Author {
            id: "ann".into(),
            handle: "ann".to_owned(),
            name: "Ann".to_owned(),
            followers: None,
            url: None,
        },
        text: "My lamp is broken".to_owned(),
        created_at: SystemClock.now(),
        edited_at: None,
        deleted: false,
        lang: None,
        media: Vec::new(),
        metrics: Metrics::default(),
        rating: None,
    }))
}

#[tokio::test]
async fn the_console_is_for_those_who_have_a_password_and_nobody_acts_as_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let base = format!("http://{}", running.addr);
    let http = hearback::adapter::http::client(Duration::from_secs(20)).unwrap();
    let source = SourceName::new("shop");
    let seen = running.inbound.posts_seen(&source, vec![complaint()], None);
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
