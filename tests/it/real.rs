//! Connectors against networks that others wrote, where there is one: its address comes by the environment.
//! Without it each of these says that it was not played.
//!
//! `HEARBACK_TEST_BLUESKY="URL HANDLE PASSWORD CUSTOMER CUSTOMER_PASSWORD"`: an AT Protocol network with two
//! accounts, whose posts nobody else minds.
//! `HEARBACK_TEST_DOVECOT="imap://127.0.0.1:PORT"`: a Dovecot, as `tests/real/dovecot.sh` starts one.
//! `HEARBACK_TEST_MAIL="IMAP SMTP CUSTOMER_SMTP DOVECOT_CONF CERTIFICATE"`: the same with a Postfix beside it that
//! delivers there; Hearback's two addresses ask for TLS, with a certificate that this file vouches for.
//! `HEARBACK_TEST_MASTODON="URL TOKEN CUSTOMER_TOKEN key|lookup"`: a server with Mastodon's API and two accounts, and
//! whether it honours an idempotency key; as `tests/real/snac.sh` and `tests/real/mastodon_mock.sh` start one.

mod desk;
mod dovecot;
mod mail;
mod mastodon;

use crate::fake::house::{self, Core, permit};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearback::adapter::connector::Connector as _;
use hearback::adapter::http;
use hearback::adapter::social::bluesky::Bluesky;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock, NativeId, PostKind, ReplyState, SystemClock};
use hearback::port::{Look, PortError, SocialPlatform as _, Target};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A picture of one point.
const DOT: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
/// How long a network may take to show what was written.
const PATIENCE: Duration = Duration::from_secs(30);

/// A customer, by the protocol alone.
struct Customer {
    server: Url,
    client: reqwest::Client,
    did: String,
    token: String,
}

impl Customer {
    async fn new(server: &Url, handle: &str, password: &str) -> Self {
        let mut customer = Self {
            server: server.clone(),
            client: http::client(PATIENCE).unwrap(),
            did: String::new(),
            token: String::new(),
        };
        let who = json!({"identifier": handle, "password": password});
        let opened = customer.call("com.atproto.server.createSession", &who).await;
        customer.did = opened["did"].as_str().unwrap().to_owned();
        customer.token = opened["accessJwt"].as_str().unwrap().to_owned();
        customer
    }

    async fn call(&self, method: &str, body: &Value) -> Value {
        let call = self
            .client
            .post(self.server.join(&format!("/xrpc/{method}")).unwrap());
        let call = if self.token.is_empty() {
            call
        } else {
            call.bearer_auth(&self.token)
        };
        let answer = call.json(body).send().await.unwrap();
        let (status, answer) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{method}: {status} {answer}");
        serde_json::from_str(&answer).unwrap_or_default()
    }

    async fn create(&self, collection: &str, record: Value) -> String {
        let body = json!({"repo": self.did, "collection": collection, "record": record});
        let made = self.call("com.atproto.repo.createRecord", &body).await;
        made["uri"].as_str().unwrap().to_owned()
    }

    /// Writes to somebody; gives the URI.
    async fn write(&self, to: &str, text: &str, at: &str) -> String {
        let feature = json!({"$type": "app.bsky.richtext.facet#mention", "did": to});
        let facet = json!({"index": {"byteStart": 0, "byteEnd": 5}, "features": [feature]});
        let text = format!("@shop {text}");
        let record = json!({"$type": "app.bsky.feed.post", "text": text, "createdAt": at, "langs": ["en"], "facets": [facet]});
        self.create("app.bsky.feed.post", record).await
    }

    /// Writes to somebody, with a picture.
    async fn show(&self, to: &str, text: &str, at: &str) -> String {
        let dot = BASE64_STANDARD.decode(DOT).unwrap();
        let call = self
            .client
            .post(self.server.join("/xrpc/com.atproto.repo.uploadBlob").unwrap());
        let call = call
            .bearer_auth(&self.token)
            .header("content-type", "image/png")
            .body(dot);
        let answer = call.send().await.unwrap().text().await.unwrap();
        let blob = serde_json::from_str::<Value>(&answer).unwrap()["blob"].clone();
        let feature = json!({"$type": "app.bsky.richtext.facet#mention", "did": to});
        let facet = json!({"index": {"byteStart": 0, "byteEnd": 5}, "features": [feature]});
        let images = json!([{"image": blob, "alt": "a dot"}]);
        let record = json!({
            "$type": "app.bsky.feed.post", "text": format!("@shop {text}"), "createdAt": at, "langs": ["en"],
            "facets": [facet], "embed": {"$type": "app.bsky.embed.images", "images": images},
        });
        self.create("app.bsky.feed.post", record).await
    }

    async fn delete(&self, uri: &str) {
        let mut parts = uri.rsplit('/');
        let (key, collection) = (parts.next().unwrap(), parts.next().unwrap());
        let body = json!({"repo": self.did, "collection": collection, "rkey": key});
        self.call("com.atproto.repo.deleteRecord", &body).await;
    }

    /// What answers a post, as the customer sees it.
    async fn answers(&self, uri: &str) -> Vec<Value> {
        let mut url = self.server.join("/xrpc/app.bsky.feed.getPostThread").unwrap();
        url.query_pairs_mut().append_pair("uri", uri);
        let answer = self
            .client
            .get(url)
            .bearer_auth(&self.token)
            .send()
            .await
            .unwrap();
        let thread: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        thread["thread"]["replies"]
            .as_array()
            .cloned()
            .unwrap_or_default()
    }
}

/// Tries again until it is so: networks take their time, and tell nobody when it is over.
async fn eventually(what: &str, mut look: impl AsyncFnMut() -> bool) {
    let tries = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, tries)
        .await
        .unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "a test is told by the environment where a network is"
)]
async fn bluesky() {
    let Ok(told) = std::env::var("HEARBACK_TEST_BLUESKY") else {
        eprintln!("Not played: HEARBACK_TEST_BLUESKY names no network.");
        return;
    };
    let told: Vec<_> = told.split_whitespace().collect();
    let [url, handle, password, customer, their_password] = told[..] else {
        panic!("HEARBACK_TEST_BLUESKY is not \"URL HANDLE PASSWORD CUSTOMER CUSTOMER_PASSWORD\"");
    };
    let url: Url = url.parse().unwrap();
    let customer = Customer::new(&url, customer, their_password).await;
    let clock = ManualClock::new(SystemClock.now());
    let sought = format!("zebra{}", clock.now().timestamp());
    let config = config::Bluesky {
        name: "sky".to_owned(),
        url,
        identifier: handle.to_owned(),
        password: SecretString::from(password),
        search: vec![sought.clone()],
        poll: Duration::from_secs(60),
        jetstream: None,
        approval: None,
    };
    let account = Arc::new(
        Bluesky::new(
            &config,
            Duration::from_secs(20),
            house::clock(&clock),
            house::vault(),
        )
        .unwrap(),
    );
    let findings = account.examine().await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let me = account.abilities().account.unwrap();
    let mut core = Core::start(&clock, vec![account.clone()]).await;
    account.sweep(&core.inbound).await.unwrap();
    let before = core.cases().await.len();

    // Three at the same moment, and one that says it is an hour old.
    let moment = |ago: i64| {
        (SystemClock.now() - chrono::TimeDelta::seconds(ago))
            .to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    };
    let (now, old) = (moment(0), moment(3600));
    let mut posts = Vec::new();
    for (text, at) in [("one", &now), ("two", &now), ("three", &now), ("four", &old)] {
        posts.push(customer.write(me.as_str(), text, at).await);
    }
    // Who only says our word is found; who shows a picture shows it here.
    let text = format!("has anybody seen my {sought}?");
    let record = json!({"$type": "app.bsky.feed.post", "text": text, "createdAt": now, "langs": ["en"]});
    posts.push(customer.create("app.bsky.feed.post", record).await);
    posts.push(customer.show(me.as_str(), "five", &now).await);
    eventually("the mentions are heard", async || {
        account.sweep(&core.inbound).await.unwrap();
        core.cases().await.len() == before + posts.len()
    })
    .await;
    core.deliver().await;
    let mut cases = Vec::new();
    for case in core.cases().await {
        let post = core.posts(&case).await.remove(0);
        cases.push((case.number, post));
    }
    let (case, post) = cases
        .iter()
        .find(|(_, post)| post.id.as_str() == posts[0])
        .unwrap()
        .clone();
    assert_eq!(
        (post.lang.as_deref(), post.author.followers.is_some()),
        (Some("en"), true)
    );

    let of = |uri: &str| {
        cases
            .iter()
            .find(|(_, post)| post.id.as_str() == uri)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(of(&posts[4]).kind, PostKind::Post);
    let media = &of(&posts[5]).media;
    assert!(
        media.len() == 1 && media[0].alt == "a dot" && media[0].url.starts_with("http"),
        "{media:?}"
    );

    // The answer stands once, under it.
    core.reply(
        u32::try_from(case.0).unwrap(),
        "Sorry! See https://shop.example/ä.",
    )
    .await;
    let reply = core.replies(case.0).await.remove(0);
    assert_eq!(reply.state, ReplyState::Sent, "{:?}", reply.reason);
    eventually("the answer is seen", async || {
        customer.answers(&posts[0]).await.len() == 1
    })
    .await;
    let shown = customer.answers(&posts[0]).await.remove(0);
    assert_eq!(shown["post"]["uri"], reply.remote_id.as_ref().unwrap().as_str());
    assert_eq!(
        shown["post"]["record"]["facets"][0]["features"][0]["uri"],
        "https://shop.example/ä"
    );

    // What is said to it goes into the same case.
    let parent = json!({"uri": shown["post"]["uri"], "cid": shown["post"]["cid"]});
    let root = shown["post"]["record"]["reply"]["root"].clone();
    let record = json!({"$type": "app.bsky.feed.post", "text": "thank you", "createdAt": moment(0),
        "reply": {"root": root, "parent": parent}});
    customer.create("app.bsky.feed.post", record).await;
    eventually("the follow-up is heard", async || {
        account.sweep(&core.inbound).await.unwrap();
        core.cases()
            .await
            .iter()
            .any(|known| known.number == case && known.posts == 2)
    })
    .await;

    // The same again changes nothing; another record does not take its place, and the first is found.
    let again = account.publish(&reply, &permit()).await.unwrap();
    assert_eq!(Some(&again.id), reply.remote_id.as_ref());
    let mut other = reply.clone();
    other.fence = 1;
    other.hold_until += chrono::TimeDelta::seconds(1);
    let error = account.publish(&other, &permit()).await.unwrap_err();
    assert!(
        matches!(&error, PortError::Unknown(why) if why.contains("InvalidSwap")),
        "{error:?}"
    );
    assert_eq!(
        account.find(&other, None).await.unwrap(),
        Look::Found(again.clone())
    );
    assert_eq!(
        account
            .visit(&reply, again.url.as_deref().unwrap())
            .await
            .unwrap(),
        Some(again)
    );
    assert_eq!(customer.answers(&posts[0]).await.len(), 1);
    // One of which nothing stands.
    other.key = "another".into();
    assert_eq!(
        account.find(&other, None).await.unwrap(),
        Look::Absent { fresh: true }
    );

    // A post that is gone takes no answer, and is known to be gone.
    let target = NativeId::new(&posts[1]);
    let to_it = hearback::domain::Reply { target, ..other };
    assert!(matches!(
        account.target(&to_it, &[]).await.unwrap(),
        Target::Stands { .. }
    ));
    customer.delete(&posts[1]).await;
    eventually("the deletion is seen", async || {
        account.sweep(&core.inbound).await.unwrap();
        let mut deleted = false;
        for case in core.cases().await {
            let posts_of = core.posts(&case).await;
            deleted |= posts_of
                .iter()
                .any(|post| post.id.as_str() == posts[1] && post.deleted);
        }
        deleted
    })
    .await;
    assert!(matches!(
        account.target(&to_it, &[]).await.unwrap(),
        Target::Gone(_)
    ));
    let error = account.publish(&to_it, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::Refused(_)), "{error:?}");

    // Nor one whose author lets nobody answer.
    let key = posts[3].rsplit('/').next().unwrap();
    let gate =
        json!({"$type": "app.bsky.feed.threadgate", "post": posts[3], "allow": [], "createdAt": moment(0)});
    let body =
        json!({"repo": customer.did, "collection": "app.bsky.feed.threadgate", "rkey": key, "record": gate});
    customer.call("com.atproto.repo.createRecord", &body).await;
    let to_it = hearback::domain::Reply {
        target: NativeId::new(&posts[3]),
        ..to_it
    };
    eventually("the gate is seen", async || {
        matches!(account.target(&to_it, &[]).await.unwrap(), Target::Locked(_))
    })
    .await;
    let error = account.publish(&to_it, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::Refused(_)), "{error:?}");

    // Nor one whose author blocks us; and that is no deletion.
    let block = json!({"$type": "app.bsky.graph.block", "subject": me.as_str(), "createdAt": moment(0)});
    let block = customer.create("app.bsky.graph.block", block).await;
    let to_it = hearback::domain::Reply {
        target: NativeId::new(&posts[2]),
        ..to_it
    };
    eventually("the block is seen", async || {
        matches!(account.target(&to_it, &[]).await.unwrap(), Target::Locked(_))
    })
    .await;
    let error = account.publish(&to_it, &permit()).await.unwrap_err();
    assert!(matches!(error, PortError::Refused(_)), "{error:?}");
    for _ in 0..4 {
        account.sweep(&core.inbound).await.unwrap();
    }
    customer.delete(&block).await;
    for (number, post) in &cases {
        let case = core
            .cases()
            .await
            .into_iter()
            .find(|case| case.number == *number)
            .unwrap();
        let deleted = core.posts(&case).await[0].deleted;
        assert_eq!(deleted, post.id.as_str() == posts[1], "{}", post.text);
    }
}
