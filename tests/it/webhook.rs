//! The webhook contract: replies that are published once or asked about, and what is heard.

use crate::fake::fault::Fault;
use crate::fake::webhook::{SECRET, Shop};
use hearback::adapter::social::webhook::Webhook;
use hearback::config::{self, Idempotency};
use hearback::domain::{
    Agent, Audience, CaseNumber, Clock as _, IdempotencyKey, ManualClock, NativeId, Reply, ReplyId,
    ReplyState, SourceName, Visibility,
};
use hearback::port::{Class, PortError, SocialPlatform as _};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

fn configured(shop: &Shop, idempotency: Idempotency) -> config::Webhook {
    config::Webhook {
        name: "shop".to_owned(),
        secret: SecretString::from(SECRET),
        reply_url: Some(shop.reply_url()),
        lookup_url: Some(shop.lookup_url()),
        idempotency,
        limit: 1000,
    }
}

fn source(config: &config::Webhook, clock: &ManualClock) -> Webhook {
    Webhook::new(config, Duration::from_secs(1), Arc::new(clock.clone())).unwrap()
}

fn reply(clock: &ManualClock) -> Reply {
    let now = clock.now();
    Reply {
        id: ReplyId(1),
        case: CaseNumber(1),
        source: SourceName::new("shop"),
        conversation: NativeId::new("c1"),
        target: NativeId::new("p1"),
        target_visibility: Visibility::Unlisted,
        author: NativeId::new("u1"),
        author_handle: "ann".to_owned(),
        lang: None,
        audience: Audience::Public,
        text: "Sorry, <b>Ann</b>!\nWe look into it.".to_owned(),
        agent: Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        },
        key: IdempotencyKey::new("reply-1"),
        state: ReplyState::Sending,
        created_at: now,
        hold_until: now,
        fence: 1,
        begun_at: Some(now),
        remote_id: None,
        url: None,
        reason: None,
    }
}

#[tokio::test]
async fn a_reply_arrives_as_documented() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Key), &clock);

    let published = source.publish(&reply(&clock)).await.unwrap();

    assert_eq!(published.id.as_str(), "r1");
    assert_eq!(published.url.as_deref(), Some("https://shop.example/replies/r1"));
    assert_eq!(shop.calls(), ["reply-1"]);
    assert_eq!(
        shop.replies(),
        [json!({
            "reply_id": "reply-1", "in_reply_to": "p1", "conversation": "c1", "author": {"id": "u1"},
            "account": "shop", "text": "Sorry, <b>Ann</b>!\nWe look into it.", "visibility": "unlisted",
        })]
    );
}

#[tokio::test]
async fn a_private_reply_says_so() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Key), &clock);
    let mut reply = reply(&clock);
    reply.audience = Audience::Private;
    source.publish(&reply).await.unwrap();
    assert_eq!(shop.replies()[0]["visibility"], "private");
}

#[rstest]
#[case::malformed(Fault::Status(400), "refused")]
#[case::not_believed(Fault::Status(401), "unauthorized")]
#[case::forbidden(Fault::Status(403), "refused")]
#[case::no_such_post(Fault::Status(404), "refused")]
#[case::gone(Fault::Status(410), "refused")]
#[case::too_large(Fault::Status(413), "refused")]
#[case::invalid(Fault::Status(422), "refused")]
#[case::throttled(Fault::RateLimited("30".to_owned()), "later")]
#[case::conflict(Fault::Status(409), "unknown")]
#[case::timeout(Fault::Status(408), "unknown")]
#[case::redirected(Fault::Status(307), "unknown")]
#[case::broken(Fault::Status(500), "unknown")]
#[case::broken_but_done(Fault::StatusButDone(500), "unknown")]
#[case::nothing_said(Fault::Status(204), "unknown")]
#[case::done_and_gone(Fault::AcceptThenDrop, "unknown")]
#[case::cut(Fault::Drop, "unknown")]
#[case::silent(Fault::Hang, "unknown")]
#[case::nonsense(Fault::Garbage, "unknown")]
#[tokio::test]
async fn every_answer_means_what_the_contract_says(#[case] fault: Fault, #[case] meaning: &str) {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), false).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    shop.faults().next("reply", fault);

    let error = source.publish(&reply(&clock)).await.unwrap_err();

    let told = match &error {
        PortError::RetryAfter(wait) => {
            assert_eq!(*wait, Duration::from_secs(30));
            "later"
        }
        PortError::Refused(_) => "refused",
        PortError::Unauthorized(_) => "unauthorized",
        PortError::Unknown(_) => "unknown",
        other => panic!("{other:?}"),
    };
    assert_eq!(told, meaning, "{error:?}");
    // One call, never a second by itself; and the look-up tells the truth.
    assert_eq!(shop.calls().len(), 1);
    let found = source.find(&reply(&clock)).await.unwrap();
    assert_eq!(found.is_some(), !shop.replies().is_empty());
}

#[tokio::test]
async fn a_reply_that_stands_elsewhere_is_not_believed() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    shop.misplace();

    for error in [
        source.publish(&reply(&clock)).await.unwrap_err(),
        source.find(&reply(&clock)).await.unwrap_err(),
    ] {
        assert!(
            matches!(&error, PortError::Unknown(why) if why.contains("does not stand under the post p1")),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn the_same_call_again_is_one_reply_where_the_key_is_honoured() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let mut config = configured(&shop, Idempotency::Key);
    config.lookup_url = None;
    let source = source(&config, &clock);
    shop.faults().next("reply", Fault::AcceptThenDrop);

    source.publish(&reply(&clock)).await.unwrap_err();
    // Nobody can be asked, and nobody needs to be.
    assert_eq!(source.find(&reply(&clock)).await.unwrap(), None);
    clock.advance(Duration::from_secs(120));
    source.publish(&reply(&clock)).await.unwrap();

    assert_eq!(shop.calls(), ["reply-1", "reply-1"]);
    assert_eq!(shop.replies().len(), 1);
}

#[tokio::test]
async fn a_lookup_that_fails_proves_nothing() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    for fault in [
        Fault::Status(500),
        Fault::Status(403),
        Fault::Garbage,
        Fault::Drop,
        Fault::Hang,
    ] {
        shop.faults().next("lookup", fault);
        let error = source.find(&reply(&clock)).await.unwrap_err();
        assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    }
    assert_eq!(source.find(&reply(&clock)).await.unwrap(), None);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_was_not_reached() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Key), &clock);
    drop(shop);
    // The port is free as soon as the server has let go of it.
    let error = loop {
        match source.publish(&reply(&clock)).await {
            Err(error @ PortError::NotReached(_)) => break error,
            Err(PortError::Unknown(_)) | Ok(_) => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}

#[tokio::test]
async fn a_source_without_a_reply_address_only_listens() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let mut config = configured(&shop, Idempotency::Key);
    config.reply_url = None;
    let source = source(&config, &clock);

    assert_eq!(source.abilities().class, Class::None);
    assert!(source.abilities().label.contains("listens only"));
    assert_eq!(source.compose("Hello", "ann", Audience::Public).limit, 0);
    let error = source.publish(&reply(&clock)).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Refused(why) if why.contains("reply_url")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_refused_with_the_mend() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let refusal = |config: &config::Webhook| {
        let made = Webhook::new(config, Duration::from_secs(1), Arc::new(clock.clone()));
        format!("{:#}", made.unwrap_err())
    };
    let mut lookup = configured(&shop, Idempotency::Lookup);
    lookup.lookup_url = None;
    assert!(refusal(&lookup).contains("lookup_url"));

    let mut secret = configured(&shop, Idempotency::Key);
    secret.secret = SecretString::from("whsec_!!CANARY!!");
    let told = refusal(&secret);
    assert!(told.contains("base64") && !told.contains("CANARY"), "{told}");

    let mut name = configured(&shop, Idempotency::Key);
    name.name = "my/{shop}".to_owned();
    assert!(refusal(&name).contains("letters"));
}

#[tokio::test]
async fn doctor_asks_without_publishing() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);

    let findings = source.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    assert!(shop.calls().is_empty());

    shop.faults().next("lookup", Fault::Status(200));
    let findings = source.examine().await;
    assert!(
        findings
            .iter()
            .any(|finding| !finding.ok && finding.mend.contains("404")),
        "{findings:?}"
    );
}
