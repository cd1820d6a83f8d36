//! The signed HTTP side: what is not Slack's is not read.

use super::world::{ADA, World};
use crate::fake::slack::{BOT, CHANNEL, Delivered, SECRET, form, sign};
use hearback::domain::{Clock as _, SystemClock};
use rstest::rstest;
use serde_json::json;

/// A request to the app; `None` leaves a header out.
async fn knock(
    world: &World,
    path: &str,
    stamp: Option<&str>,
    signature: &[&str],
    body: &str,
) -> (u16, String) {
    let client = hearback::adapter::http::client(std::time::Duration::from_secs(10)).unwrap();
    let mut request = client
        .post(format!("{}/slack/{path}", world.app))
        .body(body.to_owned());
    if let Some(stamp) = stamp {
        request = request.header("x-slack-request-timestamp", stamp);
    }
    for value in signature {
        request = request.header("x-slack-signature", *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

fn now() -> i64 {
    SystemClock.now().timestamp()
}

#[rstest]
#[case::sound("sound", 200)]
#[case::the_body_is_another_one("body", 401)]
#[case::the_time_is_another_one("stamp", 401)]
#[case::too_old("old", 401)]
#[case::from_the_future("future", 401)]
#[case::upper_case("upper", 401)]
#[case::too_short("short", 401)]
#[case::another_secret("secret", 401)]
#[case::another_version("version", 401)]
#[case::twice("twice", 401)]
#[case::no_signature("none", 401)]
#[case::no_time("timeless", 401)]
#[case::damaged_time("word", 401)]
#[tokio::test]
async fn only_what_slack_signed_is_read(#[case] how: &str, #[case] expected: u16) {
    let world = World::by_http().await;
    world.complaint("p1", "Hello?").await;
    let body = form(&world.slack.command_payload(ADA, "/claim", "1"));
    let at = match how {
        "old" => now() - 301,
        "future" => now() + 310,
        _ => now(),
    };
    let stamp = if how == "word" {
        "soon".to_owned()
    } else {
        at.to_string()
    };
    let secret = if how == "secret" { "another" } else { SECRET };
    let signature = sign(secret, &stamp, body.as_bytes());
    let sent = match how {
        "body" => body.replace("claim", "resolve"),
        _ => body,
    };
    let shown = match how {
        "stamp" => Some((at + 1).to_string()),
        "timeless" => None,
        _ => Some(stamp),
    };
    let upper = format!("v0={}", signature[3..].to_uppercase());
    let version = signature.replace("v0=", "v1=");
    let signatures: Vec<&str> = match how {
        "upper" => vec![&upper],
        "short" => vec![&signature[..20]],
        "version" => vec![&version],
        "twice" => vec![&signature, &signature],
        "none" => vec![],
        _ => vec![&signature],
    };
    let (status, text) = knock(&world, "commands", shown.as_deref(), &signatures, &sent).await;
    assert_eq!(status, expected, "{text}");
    if expected == 401 {
        assert!(!text.contains("v0="), "the answer does not help a forger: {text}");
        assert_eq!(
            world.slack.command(ADA, "/claim", "1").await,
            "You have #1 now.",
            "nothing was done before"
        );
    }
}

async fn signed(world: &World, path: &str, body: &str) -> (u16, String) {
    let stamp = now().to_string();
    let signature = sign(SECRET, &stamp, body.as_bytes());
    knock(world, path, Some(&stamp), &[&signature], body).await
}

#[tokio::test]
async fn slack_may_check_that_we_are_there() {
    let world = World::by_http().await;
    let body = json!({"type": "url_verification", "token": "legacy", "challenge": "3eZbrw1a"}).to_string();
    assert_eq!(
        signed(&world, "events", &body).await,
        (200, "3eZbrw1a".to_owned())
    );
    let (status, text) = knock(&world, "events", Some(&now().to_string()), &["v0=00"], &body).await;
    assert!(status == 401 && !text.contains("3eZbrw1a"));
    assert_eq!(
        signed(&world, "commands", "ssl_check=1&token=legacy").await,
        (200, String::new())
    );
}

#[tokio::test]
async fn a_replayed_request_counts_once() {
    let world = World::by_http().await;
    let card = world.complaint("p1", "Hello?").await;
    let body = form(&world.slack.command_payload(ADA, "/case", "note 1 once"));
    let first = signed(&world, "commands", &body).await;
    assert_eq!(first.0, 200);
    for _ in 0..3 {
        assert_eq!(signed(&world, "commands", &body).await, first);
    }
    world.slack.said(&card.ts, "> once").await;
    let notes = world
        .slack
        .replies(&card.ts)
        .into_iter()
        .filter(|message| message.user == BOT);
    assert_eq!(notes.count(), 1);
}

#[tokio::test]
async fn a_body_without_end_is_not_read() {
    let world = World::by_http().await;
    let body = "x".repeat(2 * 1024 * 1024);
    assert_eq!(signed(&world, "events", &body).await.0, 413);
}

#[tokio::test]
async fn what_cannot_be_read_is_kept() {
    let world = World::by_http().await;
    assert_eq!(signed(&world, "events", "no JSON").await.0, 200);
    assert_eq!(signed(&world, "interactions", "payload=no+JSON").await.0, 200);
    assert_eq!(world.asides().await.len(), 2);
}

#[tokio::test]
async fn without_a_database_slack_is_asked_to_come_again() {
    let world = World::by_http().await;
    let card = world.complaint("p1", "Hello?").await;
    world.store.close().await;
    let mention = world.slack.mention_payload(ADA, CHANNEL, Some(&card.ts), "claim");
    assert_eq!(
        world.slack.deliver("events_api", mention).await,
        Delivered::Status(503)
    );
    let said = world.slack.command(ADA, "/claim", "1").await;
    assert!(said.contains("was not accepted"), "{said}");
}

#[tokio::test]
async fn without_a_signing_secret_there_is_no_endpoint() {
    let world = World::open().await;
    let stamp = now().to_string();
    let signature = sign("", &stamp, b"{}");
    for path in ["events", "commands", "interactions"] {
        assert_eq!(
            knock(&world, path, Some(&stamp), &[&signature], "{}").await.0,
            404
        );
    }
}
