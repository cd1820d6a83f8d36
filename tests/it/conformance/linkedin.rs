//! The rows on LinkedIn.

use super::x::escaped;
use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::linkedin::{self, FakeLinkedIn, Misplaces};
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::linkedin::LinkedIn;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use hearback::port::ShortVault;
use secrecy::SecretString;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server, and our organisation there.
pub struct OnLinkedIn {
    server: FakeLinkedIn,
    clock: ManualClock,
    connector: Mutex<Option<Arc<LinkedIn>>>,
    vault: Arc<ShortVault>,
}

pub fn configured(server: &FakeLinkedIn) -> config::LinkedIn {
    config::LinkedIn {
        name: "page".to_owned(),
        url: server.url(),
        token_url: server.url().join("/oauth/v2/accessToken").unwrap(),
        organization: linkedin::ORGANIZATION.to_owned(),
        access_token: None,
        refresh_token: Some(SecretString::from(linkedin::REFRESH)),
        client_id: Some(linkedin::CLIENT.to_owned()),
        client_secret: Some(SecretString::from(linkedin::CLIENT_SECRET)),
        version: linkedin::VERSION.to_owned(),
        poll: Duration::from_secs(60),
        approval: None,
    }
}

/// The header of the signature.
pub const SIGNED: &str = "x-li-signature";

impl OnLinkedIn {
    async fn sends(&self, inbound: &Inbound, body: Vec<u8>, headers: &[(&'static str, String)]) -> u16 {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let to = server.url.join("/webhooks/page").unwrap();
        deliver(&to, headers, body).await.0.as_u16()
    }
}

impl Stage for OnLinkedIn {
    const PLATFORM: &'static str = "LinkedIn";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[(
        Row::Quota,
        "it does not say when a used up quota is full again: a shared wait is taken",
    )];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language, Untold::AuthorPage];
    const DATED: bool = false;
    const LATE: &'static [u64] = &[60, 300];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    fn under(&self, post: &str) -> String {
        self.server.root(post)
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeLinkedIn::start(house::clock(clock)).await;
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
        let clock = house::clock(&self.clock);
        let connector = LinkedIn::new(&configured(&self.server), TIMEOUT, clock, self.vault.clone());
        let connector = Arc::new(connector.unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.comment(who, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server.comment_at(who, text, self.clock.now() - by)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.comment(who, text)
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
            Some(post) => self.server.answer("us", post, text),
            None => self.server.comment("us", text),
        }
    }

    fn garbles(&self) {
        self.server.poison();
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

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 1250,
            unit: "characters",
        };
        vec![count("ä".repeat(1250), 1250), count("ä".repeat(1251), 1251)]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text)| {
            let object = id
                .trim_start_matches("urn:li:comment:(")
                .split(',')
                .next()
                .unwrap();
            let encoded = id
                .replace(':', "%3A")
                .replace('(', "%28")
                .replace(')', "%29")
                .replace(',', "%2C");
            Standing {
                url: format!("https://www.linkedin.com/feed/update/{object}?commentUrn={encoded}"),
                id,
                parent,
                text,
            }
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let body = self.server.push(post).to_string().into_bytes();
        let headers = [(SIGNED, linkedin::signature(linkedin::CLIENT_SECRET, &body))];
        assert_eq!(self.sends(inbound, body, &headers).await, 200);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let urn = self.server.comment(&format!("{how:?}"), KNOCK);
        let body = self.server.push(&urn);
        let body = if how == Knock::Escaped {
            escaped(&body)
        } else {
            body.to_string()
        };
        let secret = if how == Knock::Bad {
            "another"
        } else {
            linkedin::CLIENT_SECRET
        };
        let mut headers = vec![(SIGNED, linkedin::signature(secret, body.as_bytes()))];
        if how == Knock::Doubled {
            headers.push(headers[0].clone());
        }
        self.sends(inbound, body.into_bytes(), &headers).await
    }
}

/// There is no search: what is read beside the notifications are the comments themselves.
fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "notifications",
        Call::Beside => "look",
        Call::Publish => "create",
    }
}

rows!(tests!(OnLinkedIn));
