//! The rows on Instagram: customers comment under a picture of ours.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::graph::{APP_SECRET, TOKEN, VERIFY_TOKEN, deliver, escaped, signed};
use crate::fake::house;
use crate::fake::instagram::{ACCOUNT, FakeInstagram, HANDLE, id, permalink};
use crate::fake::server::Server;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::instagram::Instagram;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// The API, our account there, and a picture of ours.
pub struct OnInstagram {
    server: FakeInstagram,
    picture: String,
    clock: ManualClock,
    connector: Mutex<Option<Arc<Instagram>>>,
}

impl OnInstagram {
    /// Our side of the connector, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/insta").unwrap();
        (server, url)
    }
}

impl Stage for OnInstagram {
    const PLATFORM: &'static str = "Instagram";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] =
        &[(Row::Refresh, "the token of a Page does not end by itself")];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language, Untold::Parent];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeInstagram::start(house::clock(clock)).await;
        if misplaced.is_some() {
            server.misplace();
        }
        Self {
            picture: server.show(HANDLE, "Our new hats!", false),
            server,
            clock: clock.clone(),
            connector: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Instagram {
            name: "insta".to_owned(),
            url: self.server.url(),
            account_id: ACCOUNT.to_owned(),
            access_token: SecretString::from(TOKEN),
            app_secret: SecretString::from(APP_SECRET),
            verify_token: SecretString::from(VERIFY_TOKEN),
            poll: Duration::from_secs(60),
            approval: None,
        };
        let connector = Arc::new(Instagram::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.comment(who, &self.picture, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server
            .comment_at(who, &self.picture, text, self.clock.now() - by)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.show(who, text, true)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.comment(who, post, text)
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        match post {
            Some(post) => self.server.comment(HANDLE, post, text),
            None => self.server.show(HANDLE, text, false),
        }
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"id": "179odd", "timestamp": "yesterday", "text": 7}));
    }

    fn next(&self, call: Call, fault: Fault) {
        self.server.faults().next(name(call), fault);
    }

    fn asked(&self, call: Call) -> usize {
        self.server.calls(name(call))
    }

    fn locks_out(&self) {
        self.server.lock_out();
    }

    fn exhausts(&self, time: Duration) {
        self.server.exhaust(self.clock.now() + time);
    }

    /// With the customer's handle before it.
    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 2200,
            unit: "characters",
        };
        vec![
            count("ä".repeat(2195), 2200),
            count("ä".repeat(2196), 2201),
            count("Sorry, @ann!".to_owned(), 12),
        ]
    }

    /// An answer to an answer stands beside it: that it is one is what the call named.
    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|own| Standing {
            id: own.id,
            parent: own.named.or(own.parent),
            text: own.text,
            url: permalink(&own.media),
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let (_server, to) = self.door(inbound).await;
        let body = escaped(&self.server.notice(post));
        let status = deliver(&to, &[signed(APP_SECRET, &body)], body).await;
        assert_eq!(status, 200);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let now = self.clock.now().timestamp();
        let at = if how == Knock::Stale {
            now - 3 * 24 * 3600
        } else {
            now
        };
        let value = json!({"id": format!("179{how:?}"), "text": KNOCK, "media": {"id": self.picture},
            "from": {"id": id("ann"), "username": "ann"}});
        let change = json!({"field": "comments", "value": value});
        let body =
            json!({"object": "instagram", "entry": [{"id": ACCOUNT, "time": at, "changes": [change]}]});
        let body = match how {
            Knock::Escaped => escaped(&body),
            Knock::Good | Knock::Bad | Knock::Stale | Knock::Doubled => body.to_string(),
        };
        let good = signed(APP_SECRET, &body);
        let signatures = match how {
            Knock::Good | Knock::Escaped | Knock::Stale => vec![good],
            Knock::Bad => vec![signed("another secret", &body)],
            Knock::Doubled => vec![good.clone(), good],
        };
        deliver(&to, &signatures, body).await
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "media",
        Call::Beside => "tags",
        Call::Publish => "publish",
    }
}

rows!(tests!(OnInstagram));
