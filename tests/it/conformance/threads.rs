//! The rows on Threads: customers answer a post of ours.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT, Told};
use crate::fake::fault::Fault;
use crate::fake::graph::{APP_SECRET, VERIFY_TOKEN, deliver, escaped, signed, time};
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::threads::{FakeThreads, HANDLE, Misplaces, TOKEN, envelope, permalink};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::threads::Threads;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use hearback::port::ShortVault;
use secrecy::SecretString;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// The API, our profile there, and a post of ours.
pub struct OnThreads {
    server: FakeThreads,
    post: String,
    vault: Arc<ShortVault>,
    clock: ManualClock,
    connector: Mutex<Option<Arc<Threads>>>,
}

impl OnThreads {
    /// Our side of the connector, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/threads").unwrap();
        (server, url)
    }
}

impl Stage for OnThreads {
    const PLATFORM: &'static str = "Threads";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[(
        Row::Refresh,
        "a token that is over cannot be renewed: it is renewed every week while it holds",
    )];
    const TOLD: Told = Told {
        followers: None,
        lang: None,
        author_page: true,
    };

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeThreads::start(house::clock(clock)).await;
        match misplaced {
            None => {}
            Some(Misplaced::Orphan) => server.misplace(Misplaces::Orphan),
            Some(Misplaced::Elsewhere) => server.misplace(Misplaces::Elsewhere),
        }
        Self {
            post: server.write(HANDLE, "Our new hats!"),
            server,
            vault: Arc::default(),
            clock: clock.clone(),
            connector: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Threads {
            name: "threads".to_owned(),
            url: self.server.url(),
            access_token: SecretString::from(TOKEN),
            app_secret: SecretString::from(APP_SECRET),
            verify_token: SecretString::from(VERIFY_TOKEN),
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let clock = house::clock(&self.clock);
        let connector = Threads::new(&config, TIMEOUT, clock, self.vault.clone()).unwrap();
        let connector = Arc::new(connector);
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.answer(who, &self.post, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server
            .answer_at(who, &self.post, text, self.clock.now() - by)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.write(who, text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.answer(who, post, text)
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        match post {
            Some(post) => self.server.answer(HANDLE, post, text),
            None => self.server.write(HANDLE, text),
        }
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"id": "180odd", "timestamp": "yesterday", "text": 7}));
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

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 500,
            unit: "characters",
        };
        vec![
            count("ä".repeat(500), 500),
            count("ä".repeat(501), 501),
            count("👍".repeat(125), 500),
            count("👨‍👩‍👧‍👦".repeat(21), 525),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text)| Standing {
            url: permalink(HANDLE, &id),
            id,
            parent,
            text,
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let (_server, to) = self.door(inbound).await;
        let body = escaped(&self.server.notice("replies", post));
        let status = deliver(&to, &[signed(APP_SECRET, &body)], body).await;
        assert_eq!(status, 200);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let now = self.clock.now();
        let at = now.timestamp() - if how == Knock::Stale { 3 * 24 * 3600 } else { 0 };
        let value = json!({"id": format!("180{how:?}"), "username": "ann", "text": KNOCK, "timestamp": time(now),
            "replied_to": {"id": self.post}, "root_post": {"id": self.post}});
        let body = envelope("replies", value, at);
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
        Call::Listen => "threads",
        Call::Beside => "keyword_search",
        Call::Publish => "threads_publish",
    }
}

rows!(tests!(OnThreads));
