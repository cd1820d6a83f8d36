//! The rows on X.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use crate::fake::x::{self, FakeX, HANDLE, Misplaces};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::x::X;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use hearback::port::ShortVault;
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server, and our account there.
pub struct OnX {
    server: FakeX,
    clock: ManualClock,
    connector: Mutex<Option<Arc<X>>>,
    vault: Arc<ShortVault>,
}

/// An account that is renewed with a client.
pub fn configured(server: &FakeX) -> config::X {
    config::X {
        name: "x".to_owned(),
        url: server.url(),
        access_token: None,
        refresh_token: Some(SecretString::from(x::REFRESH)),
        client_id: Some(x::CLIENT.to_owned()),
        client_secret: Some(SecretString::from(x::CLIENT_SECRET)),
        consumer_key: None,
        consumer_secret: None,
        token: None,
        token_secret: None,
        bearer_token: None,
        search: vec![SOUGHT.to_owned()],
        direct_messages: false,
        summoned_only: true,
        budget: None,
        poll: Duration::from_secs(60),
        approval: None,
    }
}

impl OnX {
    /// Sends a body to our side of the connector; gives the status.
    async fn sends(&self, inbound: &Inbound, body: Vec<u8>, headers: &[(&'static str, String)]) -> u16 {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let to = server.url.join("/webhooks/x").unwrap();
        deliver(&to, headers, body).await.0.as_u16()
    }
}

/// The header that is signed with the client secret.
pub const SIGNED: &str = "x-twitter-webhooks-signature-oauth2";

impl Stage for OnX {
    const PLATFORM: &'static str = "X";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[];
    const DATED: bool = false;
    /// Ids carry their moment, and lists are in the order of ids: minutes are the most that one is late.
    const LATE: &'static [u64] = &[60, 300];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeX::start(house::clock(clock)).await;
        match misplaced {
            None => {}
            Some(Misplaced::Orphan) => server.misplace(Misplaces::Orphan),
            Some(Misplaced::Elsewhere) => server.misplace(Misplaces::Elsewhere),
        }
        Self {
            server,
            clock: clock.clone(),
            connector: Mutex::default(),
            vault: Arc::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let connector = X::new(
            &configured(&self.server),
            TIMEOUT,
            house::clock(&self.clock),
            self.vault.clone(),
        );
        let connector = Arc::new(connector.unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.write(who, &format!("@{HANDLE} {text}"))
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        let written = self.clock.now() - by;
        self.server.write_at(who, &format!("@{HANDLE} {text}"), written)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.write(who, text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.answer(who, post, &format!("@{HANDLE} {text}"))
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, &format!("@{HANDLE} {text}"));
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

    fn shows(&self, who: &str, text: &str, alt: &str) -> Option<String> {
        Some(
            self.server
                .write_with_picture(who, &format!("@{HANDLE} {text}"), alt),
        )
    }

    fn garbles(&self) {
        self.server.poison(json!({"id": "1", "text": 7}));
    }

    fn next(&self, call: Call, fault: Fault) {
        self.server.faults().next(name(call), fault);
    }

    fn asked(&self, call: Call) -> usize {
        self.server.calls(name(call))
    }

    fn expires(&self) {
        self.server.expire();
    }

    fn locks_out(&self) {
        self.server.lock_out();
    }

    fn signed_in(&self) -> usize {
        self.server.calls("token")
    }

    fn exhausts(&self, time: Duration) {
        self.server.exhaust(self.clock.now() + time);
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 280,
            unit: "characters",
        };
        vec![
            count("ä".repeat(280), 280),
            count("ä".repeat(281), 281),
            count("日".repeat(140), 280),
            count("日".repeat(141), 282),
            count("👨‍👩‍👧‍👦".repeat(140), 280),
            count(
                format!("https://a.example.com/{} {}", "x".repeat(200), "y".repeat(256)),
                280,
            ),
            count(
                format!("https://a.example.com/{} {}", "x".repeat(200), "y".repeat(257)),
                281,
            ),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text)| Standing {
            url: format!("https://x.com/{HANDLE}/status/{id}"),
            id,
            parent,
            text,
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let body = self
            .server
            .event("post.mention.create", post)
            .to_string()
            .into_bytes();
        let headers = [(SIGNED, x::signature(x::CLIENT_SECRET, &body))];
        assert_eq!(self.sends(inbound, body, &headers).await, 200);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let id = self
            .server
            .write(&format!("{how:?}").to_lowercase(), &format!("@{HANDLE} {KNOCK}"));
        let body = self.server.event("post.mention.create", &id);
        self.server.delete(&id);
        let body = if how == Knock::Escaped {
            escaped(&body)
        } else {
            body.to_string()
        };
        let secret = if how == Knock::Bad {
            "another"
        } else {
            x::CLIENT_SECRET
        };
        let mut headers = vec![(SIGNED, x::signature(secret, body.as_bytes()))];
        if how == Knock::Doubled {
            headers.push(headers[0].clone());
        }
        self.sends(inbound, body.into_bytes(), &headers).await
    }
}

/// JSON with all letters beyond ASCII as escapes.
pub fn escaped(value: &Value) -> String {
    let mut out = String::new();
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "mentions",
        Call::Beside => "search",
        Call::Publish => "create",
    }
}

rows!(tests!(OnX));
