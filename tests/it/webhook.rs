//! The webhook contract: replies that are published once or asked about, and what is heard.

use crate::fake::fault::Fault;
use crate::fake::house::{self, Core, permit};
use crate::fake::server::Server;
use crate::fake::webhook::{SECRET, Shop, deliver, signed};
use axum::http::StatusCode;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::link::LinkState;
use hearback::adapter::social::webhook::Webhook;
use hearback::app::Response;
use hearback::config::{self, Idempotency};
use hearback::domain::{
    Agent, Audience, CaseNumber, Clock as _, IdempotencyKey, ManualClock, NativeId, Reply, ReplyId,
    ReplyState, Visibility,
};
use hearback::port::{Class, Look, PortError, SocialPlatform as _};
use rstest::rstest;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use url::Url;

fn configured(shop: &Shop, idempotency: Idempotency) -> config::Webhook {
    config::Webhook {
        name: "shop".to_owned(),
        secret: SecretString::from(SECRET),
        reply_url: Some(shop.reply_url()),
        lookup_url: Some(shop.lookup_url()),
        idempotency,
        limit: 1000,
        approval: None,
    }
}

fn source(config: &config::Webhook, clock: &ManualClock) -> Webhook {
    Webhook::new(config, Duration::from_secs(3), Arc::new(clock.clone())).unwrap()
}

fn reply(clock: &ManualClock) -> Reply {
    let now = clock.now();
    let ada = Agent {
        key: "Ada".to_owned(),
        name: "Ada".to_owned(),
    };
    Reply {
        conversation: NativeId::new("c1"),
        target: NativeId::new("p1"),
        target_visibility: Visibility::Unlisted,
        author: NativeId::new("u1"),
        author_handle: "ann".to_owned(),
        text: "Sorry, <b>Ann</b>!\nWe look into it.".to_owned(),
        state: ReplyState::Sending,
        fence: 1,
        begun_at: Some(now),
        ..Reply::blank(
            ReplyId(1),
            CaseNumber(1),
            "shop".into(),
            ada,
            "reply-1".into(),
            now,
        )
    }
}

#[tokio::test]
async fn a_reply_arrives_as_documented() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Key), &clock);

    let published = source.publish(&reply(&clock), &permit()).await.unwrap();

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
    source.publish(&reply, &permit()).await.unwrap();
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

    let error = source.publish(&reply(&clock), &permit()).await.unwrap_err();

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
    let found = source.find(&reply(&clock), None).await.unwrap();
    assert_eq!(matches!(found, Look::Found(_)), !shop.replies().is_empty());
}

#[rstest]
#[case(400)]
#[case(401)]
#[case(403)]
#[case(404)]
#[case(410)]
#[case(413)]
#[case(422)]
#[tokio::test]
async fn a_page_of_a_gateway_proves_nothing(#[case] status: u16) {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    shop.gateway().next("reply", status, true);
    shop.gateway().next("lookup", 404, false);

    for error in [
        source.publish(&reply(&clock), &permit()).await.unwrap_err(),
        source.find(&reply(&clock), None).await.unwrap_err(),
    ] {
        assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    }
    let found = source.find(&reply(&clock), None).await.unwrap();
    assert!(matches!(found, Look::Found(_)), "{found:?}");
}

#[tokio::test]
async fn an_id_that_nobody_can_keep_is_not_taken() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    shop.lengthen_ids();
    let error = source.publish(&reply(&clock), &permit()).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("too long")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_key_with_odd_characters_arrives_and_is_found() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    let mut reply = reply(&clock);
    reply.key = IdempotencyKey::new("reply &1\r\nü");

    source.publish(&reply, &permit()).await.unwrap();

    assert_eq!(shop.calls(), ["reply+%261%0D%0A%C3%BC"]);
    assert_eq!(shop.replies()[0]["reply_id"], "reply &1\r\nü");
    assert!(matches!(source.find(&reply, None).await.unwrap(), Look::Found(_)));
}

#[tokio::test]
async fn a_reply_that_stands_elsewhere_is_not_believed() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Lookup), &clock);
    shop.misplace();

    // It is said where it stands; the core sees that it does not belong there.
    let published = source.publish(&reply(&clock), &permit()).await.unwrap();
    assert_ne!(published.parent, Some("p1".into()));
    let Look::Found(found) = source.find(&reply(&clock), None).await.unwrap() else {
        panic!("it is there");
    };
    assert_eq!(found, published);
}

#[tokio::test]
async fn the_same_call_again_is_one_reply_where_the_key_is_honoured() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let mut config = configured(&shop, Idempotency::Key);
    config.lookup_url = None;
    let source = source(&config, &clock);
    shop.faults().next("reply", Fault::AcceptThenDrop);

    source.publish(&reply(&clock), &permit()).await.unwrap_err();
    // Nobody can be asked, and nobody needs to be.
    assert_eq!(source.find(&reply(&clock), None).await.unwrap(), Look::NotLooked);
    clock.advance(Duration::from_secs(120));
    source.publish(&reply(&clock), &permit()).await.unwrap();

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
        let error = source.find(&reply(&clock), None).await.unwrap_err();
        assert!(matches!(error, PortError::Unknown(_)), "{error:?}");
    }
    assert_eq!(
        source.find(&reply(&clock), None).await.unwrap(),
        Look::Absent { fresh: true }
    );
}

#[tokio::test]
async fn a_receiver_that_is_not_there_was_not_reached() {
    let clock = ManualClock::default();
    let shop = Shop::open(Arc::new(clock.clone()), true).await;
    let source = source(&configured(&shop, Idempotency::Key), &clock);
    let port = shop.reply_url().socket_addrs(|| None).unwrap()[0];
    assert_eq!(source.links()[0].state(), LinkState::Up);
    drop(shop);
    // The port is free as soon as the server has let go of it.
    let error = loop {
        match source.publish(&reply(&clock), &permit()).await {
            Err(error @ PortError::NotReached(_)) => break error,
            Err(PortError::Unknown(_)) | Ok(_) => tokio::task::yield_now().await,
            Err(other) => panic!("{other:?}"),
        }
    };
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
    let state = source.links()[0].state();
    assert!(
        matches!(&state, LinkState::Down(why) if why.contains("reply_url")),
        "{state:?}"
    );

    let listener = TcpListener::bind(port).await.unwrap();
    let _shop = Shop::on(listener, Arc::new(clock.clone()), true);
    source.publish(&reply(&clock), &permit()).await.unwrap();
    assert_eq!(source.links()[0].state(), LinkState::Up);
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
    let refusal = source.compose("Hello", "ann", Audience::Public).refusal.unwrap();
    assert!(refusal.contains("only listens"), "{refusal}");
    let error = source.publish(&reply(&clock), &permit()).await.unwrap_err();
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

    shop.gateway().next("lookup", 404, false);
    let findings = source.examine().await;
    assert!(findings.iter().any(|finding| !finding.ok), "{findings:?}");

    shop.faults().next("lookup", Fault::Status(200));
    let findings = source.examine().await;
    assert!(
        findings
            .iter()
            .any(|finding| !finding.ok && finding.mend.contains("404")),
        "{findings:?}"
    );
}

/// A shop, its source, and the core behind its address.
struct Market {
    core: Core,
    shop: Shop,
    clock: ManualClock,
    config: config::Webhook,
    hearback: Server,
}

impl Market {
    async fn open(idempotency: Idempotency) -> Self {
        let clock = ManualClock::default();
        let shop = Shop::open(house::clock(&clock), idempotency == Idempotency::Key).await;
        let config = configured(&shop, idempotency);
        let source = Arc::new(source(&config, &clock));
        let core = Core::start(&clock, vec![source.clone()]).await;
        let hearback = Server::start(source.routes(core.inbound.clone()).unwrap()).await;
        Self {
            core,
            shop,
            clock,
            config,
            hearback,
        }
    }

    async fn restart(self) -> Self {
        let Self {
            core,
            shop,
            clock,
            config,
            hearback,
        } = self;
        drop(hearback);
        let source = Arc::new(source(&config, &clock));
        let core = core.restart(vec![source.clone()]).await;
        let hearback = Server::start(source.routes(core.inbound.clone()).unwrap()).await;
        Self {
            core,
            shop,
            clock,
            config,
            hearback,
        }
    }

    fn address(&self) -> Url {
        self.hearback.url.join("/webhooks/shop").unwrap()
    }

    async fn send(&self, body: Value) -> (StatusCode, Value) {
        self.shop.send(&self.address(), &body).await
    }
}

fn post(id: &str, author: &str, text: &str) -> Value {
    json!({"id": id, "conversation": "c1", "author": {"id": author, "name": author}, "text": text})
}

#[tokio::test]
async fn a_signed_post_becomes_a_case_and_the_same_post_again_changes_nothing() {
    let mut market = Market::open(Idempotency::Key).await;

    let first = market.send(post("p1", "ann", "It broke.")).await;
    let again = market.send(post("p1", "ann", "It broke.")).await;
    let batch = json!({"posts": [post("p2", "ann", "Hello?"), post("p1", "ann", "It broke."), post("p3", "bob", "Mine too.")]});
    let third = market.send(batch).await;
    market.core.deliver().await;

    assert_eq!(
        first,
        (StatusCode::ACCEPTED, json!({"accepted": 1, "duplicates": 0}))
    );
    assert_eq!(
        again,
        (StatusCode::ACCEPTED, json!({"accepted": 0, "duplicates": 1}))
    );
    assert_eq!(
        third,
        (StatusCode::ACCEPTED, json!({"accepted": 2, "duplicates": 1}))
    );
    let cases = market.core.cases().await;
    assert_eq!(cases.iter().map(|case| case.posts).collect::<Vec<_>>(), [2, 1]);
    assert!(market.core.thread(1).contains("It broke."));
    assert!(market.core.thread(1).contains("Hello?"));
}

/// People see a thread before the chat's answer about it has come to us.
#[tokio::test]
async fn what_is_said_in_a_thread_the_moment_it_opens_is_about_its_case() {
    let mut market = Market::open(Idempotency::Key).await;
    market.send(post("p1", "ann", "It broke.")).await;

    let claim = market.core.says_in(Some(0), "claim");
    let (answer, ()) = tokio::join!(claim, market.core.deliver());
    assert!(matches!(answer, Response::Done(_)), "{answer:?}");

    let answer = market.core.says_in(Some(7), "claim").await;
    assert!(matches!(answer, Response::Refused(_)), "{answer:?}");
}

#[tokio::test]
async fn edits_and_deletions_are_shown() {
    let mut market = Market::open(Idempotency::Key).await;
    market.send(post("p1", "ann", "It is blue.")).await;
    market.core.deliver().await;

    let mut edited = post("p1", "ann", "It is on fire.");
    edited["edited_at"] = json!("2027-01-15T08:00:05Z");
    assert_eq!(market.send(edited.clone()).await.1["accepted"], 1);
    assert_eq!(market.send(edited).await.1["duplicates"], 1);
    market.core.deliver().await;
    let thread = market.core.thread(1);
    assert!(
        thread.contains("It is blue.") && thread.contains("It is on fire."),
        "{thread}"
    );

    let mut deleted = post("p1", "ann", "");
    deleted["deleted"] = json!(true);
    assert_eq!(market.send(deleted).await.1["accepted"], 1);
    market.core.deliver().await;
    let case = &market.core.cases().await[0];
    assert!(market.core.posts(case).await[0].deleted);
    assert_ne!(market.core.thread(1), thread);
}

#[rstest]
#[case::tampered_body(|_: &mut Vec<(&'static str, String)>, body: &mut String| body.push(' '))]
#[case::another_id(|headers: &mut Vec<(&'static str, String)>, _: &mut String| headers[0].1 = "msg_2".to_owned())]
#[case::another_time(|headers: &mut Vec<(&'static str, String)>, _: &mut String| headers[1].1 = "1800000001".to_owned())]
#[case::no_signature(|headers: &mut Vec<(&'static str, String)>, _: &mut String| drop(headers.remove(2)))]
#[case::signed_twice(|headers: &mut Vec<(&'static str, String)>, _: &mut String| headers.push(headers[2].clone()))]
#[case::short(|headers: &mut Vec<(&'static str, String)>, _: &mut String| headers[2].1.truncate(10))]
#[tokio::test]
async fn what_is_not_signed_right_is_not_even_read(
    #[case] spoil: fn(&mut Vec<(&'static str, String)>, &mut String),
) {
    let market = Market::open(Idempotency::Key).await;
    // Not JSON at all: who looks into it before verifying answers 400.
    let mut body = "{ not json".to_owned();
    let mut headers = signed("msg_1", 1_800_000_000, body.as_bytes());
    spoil(&mut headers, &mut body);

    let (status, told) = deliver(&market.address(), &headers, body).await;

    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(!told["error"].as_str().unwrap().is_empty());
    assert!(market.core.cases().await.is_empty());
}

#[rstest]
#[case::old(-301, StatusCode::UNAUTHORIZED)]
#[case::just_in_time(-300, StatusCode::ACCEPTED)]
#[case::ahead(301, StatusCode::UNAUTHORIZED)]
#[tokio::test]
async fn the_time_of_a_signature_counts(#[case] off: i64, #[case] expected: StatusCode) {
    let market = Market::open(Idempotency::Key).await;
    let body = post("p1", "ann", "It broke.").to_string();
    let headers = signed("msg_1", 1_800_000_000 + off, body.as_bytes());
    assert_eq!(deliver(&market.address(), &headers, body).await.0, expected);
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_place_and_nothing_of_it_is_kept() {
    let market = Market::open(Idempotency::Key).await;
    let bad =
        json!({"posts": [post("p1", "ann", "It broke."), {"id": "p2", "author": {"id": 7}, "text": "x"}]});
    let (status, told) = market.send(bad).await;
    assert_eq!(
        (status, &told["field"]),
        (StatusCode::BAD_REQUEST, &json!("posts[1].author.id"))
    );
    assert!(
        told["error"].as_str().unwrap().contains("expected a string"),
        "{told}"
    );
    assert!(market.core.cases().await.is_empty());
}

#[rstest]
#[case::told_before(false)]
#[case::in_pieces(true)]
#[tokio::test]
async fn a_body_over_a_mebibyte_is_refused(#[case] in_pieces: bool) {
    let market = Market::open(Idempotency::Key).await;
    let body = "x".repeat(1024 * 1024 + 1);
    let headers = signed("msg_1", 1_800_000_000, body.as_bytes());
    let pieces = body
        .as_bytes()
        .chunks(64 * 1024)
        .map(|piece| Ok::<_, std::io::Error>(piece.to_vec()));
    let body = if in_pieces {
        reqwest::Body::wrap_stream(futures_util::stream::iter(pieces.collect::<Vec<_>>()))
    } else {
        reqwest::Body::from(body)
    };
    let (status, told) = deliver(&market.address(), &headers, body).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{told}");
}

/// Most clients write the whole body before they read.
#[tokio::test]
async fn who_sends_too_much_reads_the_refusal() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let market = Market::open(Idempotency::Key).await;
    let body = "x".repeat(3 * 1024 * 1024);
    let mut request = format!(
        "POST /webhooks/shop HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in signed("msg_1", 1_800_000_000, body.as_bytes()) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    let address = market.address();
    let at = (address.host_str().unwrap(), address.port().unwrap());
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();

    stream
        .write_all(format!("{request}\r\n{body}").as_bytes())
        .await
        .unwrap();
    let mut answer = vec![0; 4096];
    let length = stream.read(&mut answer).await.unwrap();

    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn sources_stand_beside_each_other_each_with_its_own_secret() {
    let clock = ManualClock::default();
    let shop = Shop::open(house::clock(&clock), true).await;
    let one = Arc::new(source(&configured(&shop, Idempotency::Key), &clock));
    let mut other = configured(&shop, Idempotency::Key);
    other.name = "forum".to_owned();
    other.secret = SecretString::from("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let other = Arc::new(source(&other, &clock));
    let core = Core::start(&clock, vec![one.clone(), other.clone()]).await;
    let routes = one
        .routes(core.inbound.clone())
        .unwrap()
        .merge(other.routes(core.inbound.clone()).unwrap());
    let hearback = Server::start(routes).await;
    let send = async |path: &str| {
        let address = hearback.url.join(path).unwrap();
        shop.send(&address, &post("p1", "ann", "It broke.")).await.0
    };

    assert_eq!(send("/webhooks/shop").await, StatusCode::ACCEPTED);
    assert_eq!(send("/webhooks/forum").await, StatusCode::UNAUTHORIZED);
    assert_eq!(send("/webhooks/nobody").await, StatusCode::NOT_FOUND);
    assert_eq!(core.cases().await.len(), 1);
}

#[tokio::test]
async fn when_nothing_can_be_stored_the_sender_is_told_to_come_again() {
    let market = Market::open(Idempotency::Key).await;
    market.core.lose_the_database().await;
    let (status, told) = market.send(post("p1", "ann", "It broke.")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        told["error"].as_str().unwrap().contains("nothing was stored"),
        "{told}"
    );
}

#[rstest]
#[case::key(Idempotency::Key)]
#[case::lookup(Idempotency::Lookup)]
#[tokio::test]
async fn an_answer_lost_on_the_way_leaves_exactly_one_reply(#[case] idempotency: Idempotency) {
    for (fault, calls) in [(Fault::AcceptThenDrop, 1), (Fault::Drop, 2)] {
        let mut market = Market::open(idempotency).await;
        market.send(post("p1", "ann", "It broke.")).await;
        market.core.deliver().await;
        market.shop.faults().next("reply", fault);
        market.core.reply(1, "Sorry, we look into it.").await;

        // Killed while nobody knows, and up again.
        let mut market = market.restart().await;
        market.core.wait(house::SETTLE).await;
        market.core.wait(house::SETTLE).await;

        assert_eq!(market.shop.replies().len(), 1);
        assert_eq!(market.shop.replies()[0]["text"], "Sorry, we look into it.");
        assert_eq!(market.shop.replies()[0]["in_reply_to"], "p1");
        assert_eq!(market.shop.calls().len(), calls);
        let thread = market.core.thread(1);
        assert!(thread.contains("https://shop.example/replies/r1"), "{thread}");
    }
}

#[tokio::test]
async fn where_nobody_can_be_asked_a_person_decides() {
    let mut market = Market::open(Idempotency::None).await;
    market.send(post("p1", "ann", "It broke.")).await;
    market.core.deliver().await;
    market.shop.faults().next("reply", Fault::AcceptThenDrop);
    market.core.reply(1, "Sorry.").await;
    for _ in 0..20 {
        market.core.wait(house::SETTLE).await;
    }
    assert_eq!(market.shop.calls().len(), 1);
    let case = &market.core.cases().await[0];
    assert_eq!(
        case.pending.as_ref().map(|pending| pending.state),
        Some(ReplyState::NeedsHuman)
    );
}

#[tokio::test]
async fn a_refusal_comes_back_in_words() {
    let mut market = Market::open(Idempotency::Key).await;
    market.send(post("p1", "ann", "It broke.")).await;
    market.core.deliver().await;
    market.shop.faults().next("reply", Fault::Status(410));
    market.core.reply(1, "Sorry.").await;
    assert!(market.shop.replies().is_empty());
    let thread = market.core.thread(1);
    assert!(thread.contains("410") && thread.contains("Gone"), "{thread}");
    assert!(market.core.cases().await[0].pending.is_none());
}
