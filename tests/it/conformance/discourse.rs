//! The rows on Discourse, with posts pushed and asked for.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT, Untold};
use crate::fake::discourse::{FakeDiscourse, HOOK, KEY, ME, MOST, Misplaces, signed};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::discourse::Discourse;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// The forum, and our account there.
pub struct OnDiscourse {
    server: FakeDiscourse,
    clock: ManualClock,
    connector: Mutex<Option<Arc<Discourse>>>,
}

impl OnDiscourse {
    /// Our side of the webhook, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/forum").unwrap();
        (server, url)
    }
}

impl Stage for OnDiscourse {
    const PLATFORM: &'static str = "Discourse";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[(Row::Refresh, "a key has no end")];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language];
    /// A forum's pages stand where its API does.
    const HOME: &'static str = "http://127.0.0.1:";
    const DATED: bool = false;

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeDiscourse::start(house::clock(clock)).await;
        match misplaced {
            None => {}
            Some(Misplaced::Orphan) => server.misplace(Misplaces::Orphan),
            Some(Misplaced::Elsewhere) => server.misplace(Misplaces::Elsewhere),
        }
        Self {
            server,
            clock: clock.clone(),
            connector: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Discourse {
            name: "forum".to_owned(),
            url: self.server.url(),
            api_key: SecretString::from(KEY),
            api_username: ME.to_owned(),
            webhook_secret: Some(SecretString::from(HOOK)),
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let connector = Discourse::new(&config, TIMEOUT, house::clock(&self.clock));
        let connector = Arc::new(connector.unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.open(who, text, self.clock.now())
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server.open(who, text, self.clock.now() - by)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.open(who, text, self.clock.now())
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
            Some(post) => self.server.answer(ME, post, text),
            None => self.server.open(ME, text, self.clock.now()),
        }
    }

    fn garbles(&self) {
        self.server.poison(json!({"username": "eve", "raw": 7}));
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
            limit: MOST,
            unit: "characters",
        };
        vec![
            count("ä".repeat(3000), 3000),
            count("ä".repeat(3001), 3001),
            // Seven code points each.
            count("👨‍👩‍👧‍👦".repeat(428), 2996),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text)| Standing {
            url: self
                .server
                .url()
                .join(&format!("/t/a-title/{id}"))
                .unwrap()
                .to_string(),
            id,
            parent,
            text,
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let (_server, to) = self.door(inbound).await;
        let body = json!({"post": self.server.shown(post)}).to_string();
        let (status, told) = deliver(&to, &signed(HOOK, "post_created", &body), body).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let number = if how == Knock::Escaped { 2 } else { 1 };
        let at = self.clock.now().to_rfc3339();
        let post: Value = json!({"id": number, "user_id": 9, "username": "ann", "topic_id": number, "post_number": 2,
            "post_type": 1, "raw": KNOCK, "created_at": at, "updated_at": at, "version": 1});
        let mut body = json!({"post": post}).to_string();
        if how == Knock::Escaped {
            body = body.replace(KNOCK, r"gr\u00fc\u00df \ud83d\udc4d");
        }
        let mut headers = signed(HOOK, "post_created", &body);
        match how {
            Knock::Good | Knock::Escaped | Knock::Stale => {}
            Knock::Bad => headers = signed("another-secret", "post_created", &body),
            Knock::Doubled => headers.push(headers[4].clone()),
        }
        let (status, _) = deliver(&to, &headers, body).await;
        status.as_u16()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "posts.json",
        Call::Beside => "search.json",
        Call::Publish => "create",
    }
}

rows!(tests!(OnDiscourse));
