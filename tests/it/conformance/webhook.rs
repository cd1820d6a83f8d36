//! The rows on a system of anybody's that speaks the webhook contract: one that keeps what it published by its
//! key, and one that promises nothing.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, Stage, Standing, TIMEOUT};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::webhook::{SECRET, Shop, deliver, signed};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::webhook::Webhook;
use hearback::app::Inbound;
use hearback::config::{self, Idempotency};
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// A shop that knows a repeated reply, and can be asked.
pub type Keeping = OnWebhook<true>;
/// A shop that does neither.
pub type Forgetful = OnWebhook<false>;

/// A shop, and what its customers said.
pub struct OnWebhook<const KEEPS: bool> {
    shop: Shop,
    clock: ManualClock,
    connector: Mutex<Option<Arc<Webhook>>>,
    posts: Mutex<Vec<Value>>,
    /// What was not sent to us yet.
    unsent: Mutex<Vec<Value>>,
}

const COMES: &str = "nothing is asked for: the shop comes to us";
const UNREADABLE: &str = "the shop sends what customers write, and cannot be read";

const CANNOT: &[(Row, &str)] = &[
    (
        Row::FindsNot,
        "it promises nothing, so nobody can look: a person is asked",
    ),
    (
        Row::Finds,
        "it promises nothing, so nobody can look: a person is asked",
    ),
    (
        Row::Paging,
        "there are no pages: what is sent is taken, however old",
    ),
    (Row::Own, UNREADABLE),
    (
        Row::Drift,
        "it is answered with 400 and the reason: its sender has it still",
    ),
    (Row::Told, COMES),
    (Row::Refresh, COMES),
    (Row::LockedOut, COMES),
    (Row::Forbidden, COMES),
    (Row::Limited, COMES),
    (Row::Quota, COMES),
    (Row::Answered, UNREADABLE),
];

impl<const KEEPS: bool> OnWebhook<KEEPS> {
    fn say(&self, who: &str, text: &str, more: Value) -> String {
        let mut posts = self.posts.lock().unwrap();
        let id = format!("p{}", posts.len() + 1);
        let mut post = json!({
            "id": id, "text": text, "url": format!("https://shop.example/{id}"), "lang": "en",
            "created_at": self.clock.now().to_rfc3339(),
            "author": {"id": who, "handle": who, "name": who, "followers": 120, "url": format!("https://shop.example/@{who}")},
        });
        let post_fields = post.as_object_mut().unwrap();
        post_fields.extend(more.as_object().unwrap().clone());
        posts.push(post.clone());
        self.unsent.lock().unwrap().push(post);
        id
    }

    fn post(&self, id: &str) -> Value {
        let posts = self.posts.lock().unwrap();
        posts.iter().find(|post| post["id"] == id).unwrap().clone()
    }

    /// The conversation that a post of anybody's belongs to.
    fn conversation(&self, id: &str) -> Value {
        match id.strip_prefix('r') {
            Some(number) => self.shop.replies()[number.parse::<usize>().unwrap() - 1]["conversation"].clone(),
            None => {
                let post = self.post(id);
                post.get("conversation").unwrap_or(&post["id"]).clone()
            }
        }
    }

    /// Our side of the connector, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/shop").unwrap();
        (server, url)
    }
}

impl<const KEEPS: bool> Stage for OnWebhook<KEEPS> {
    const PLATFORM: &'static str = if KEEPS { "webhook, key" } else { "webhook, none" };
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan];
    /// The first two are of the one that promises nothing.
    const CANNOT: &'static [(Row, &'static str)] = if KEEPS { CANNOT.split_at(2).1 } else { CANNOT };

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let shop = Shop::open(house::clock(clock), KEEPS).await;
        if misplaced.is_some() {
            shop.misplace();
        }
        Self {
            shop,
            clock: clock.clone(),
            connector: Mutex::default(),
            posts: Mutex::default(),
            unsent: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Webhook {
            name: "shop".to_owned(),
            secret: SecretString::from(SECRET),
            reply_url: Some(self.shop.reply_url()),
            lookup_url: KEEPS.then(|| self.shop.lookup_url()),
            idempotency: if KEEPS {
                Idempotency::Key
            } else {
                Idempotency::None
            },
            limit: 1000,
            approval: None,
        };
        let connector = Arc::new(Webhook::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.say(who, text, json!({}))
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        let written = self.clock.now() - by;
        self.say(who, text, json!({"created_at": written.to_rfc3339()}))
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        let more = json!({"in_reply_to": post, "conversation": self.conversation(post), "kind": "comment"});
        self.say(who, text, more)
    }

    fn edits(&self, post: &str, text: &str) {
        let mut edited = self.post(post);
        edited["text"] = text.into();
        edited["edited_at"] = self.clock.now().to_rfc3339().into();
        self.unsent.lock().unwrap().push(edited);
    }

    fn deletes(&self, post: &str) {
        let mut gone = self.post(post);
        gone["deleted"] = true.into();
        self.unsent.lock().unwrap().push(gone);
    }

    fn shows(&self, who: &str, text: &str, alt: &str) -> Option<String> {
        let media = json!([{"url": "https://shop.example/1.png", "type": "image/png", "alt": alt}]);
        Some(self.say(who, text, json!({"media": media})))
    }

    fn next(&self, call: Call, fault: Fault) {
        assert_eq!(call, Call::Publish, "the shop is asked nothing else");
        self.shop.faults().next("reply", fault);
    }

    fn asked(&self, call: Call) -> usize {
        assert_eq!(call, Call::Publish, "the shop is asked nothing else");
        self.shop.calls().len()
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 1000,
            unit: "characters",
        };
        vec![
            count("ä".repeat(1000), 1000),
            count("ä".repeat(1001), 1001),
            // Seven code points each.
            count("👨‍👩‍👧‍👦".repeat(142), 994),
            count("👨‍👩‍👧‍👦".repeat(143), 1001),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.shop.replies().into_iter().enumerate();
        ours.map(|(n, reply)| Standing {
            id: format!("r{}", n + 1),
            parent: reply["in_reply_to"].as_str().map(str::to_owned),
            text: reply["text"].as_str().unwrap().to_owned(),
            url: format!("https://shop.example/replies/r{}", n + 1),
        })
        .collect()
    }

    async fn delivers(&self, inbound: &Inbound) {
        let posts = std::mem::take(&mut *self.unsent.lock().unwrap());
        if posts.is_empty() {
            return;
        }
        let (_server, to) = self.door(inbound).await;
        let (status, told) = self.shop.send(&to, &json!({"posts": posts})).await;
        assert!(status.is_success(), "{status}: {told}");
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let (_server, to) = self.door(inbound).await;
        let (status, told) = self.shop.send(&to, &self.post(post)).await;
        assert!(status.is_success(), "{status}: {told}");
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let text = if how == Knock::Escaped {
            r"gr\u00fc\u00df \ud83d\udc4d"
        } else {
            KNOCK
        };
        let body = format!(r#"{{"id":"{how:?}","author":{{"id":"ann"}},"text":"{text}"}}"#);
        let now = self.clock.now().timestamp();
        let at = if how == Knock::Stale { now - 301 } else { now };
        let mut headers = signed("msg_1", at, body.as_bytes());
        match how {
            Knock::Good | Knock::Escaped | Knock::Stale => {}
            Knock::Bad => headers[2].1 = signed("msg_2", at, body.as_bytes()).remove(2).1,
            Knock::Doubled => headers.push(headers[2].clone()),
        }
        let (status, _) = deliver(&to, &headers, body).await;
        status.as_u16()
    }
}

mod key {
    use super::{Keeping, Stage};
    rows!(tests!(Keeping));
}

mod none {
    use super::{Forgetful, Stage};
    rows!(tests!(Forgetful));
}
