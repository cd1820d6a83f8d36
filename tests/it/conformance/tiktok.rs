//! The rows on TikTok.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::tiktok::{self, FakeTikTok, Misplaces};
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::tiktok::TikTok;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use hearback::port::ShortVault;
use secrecy::SecretString;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A server, and our account there.
pub struct OnTikTok {
    server: FakeTikTok,
    clock: ManualClock,
    connector: Mutex<Option<Arc<TikTok>>>,
    vault: Arc<ShortVault>,
}

pub fn configured(server: &FakeTikTok) -> config::TikTok {
    config::TikTok {
        name: "clips".to_owned(),
        url: server.url(),
        business_id: tiktok::BUSINESS.to_owned(),
        access_token: None,
        refresh_token: Some(SecretString::from(tiktok::REFRESH)),
        client_id: Some(tiktok::CLIENT.to_owned()),
        client_secret: Some(SecretString::from(tiktok::CLIENT_SECRET)),
        videos: 10,
        poll: Duration::from_secs(60),
        approval: None,
    }
}

/// The header of the signature.
pub const SIGNED: &str = "tiktok-signature";

const NONE: &str = "its own documentation cannot be read, so nobody looks: a person is asked";

impl OnTikTok {
    async fn sends(&self, inbound: &Inbound, body: String, headers: &[(&'static str, String)]) -> u16 {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let to = server.url.join("/webhooks/clips").unwrap();
        deliver(&to, headers, body).await.0.as_u16()
    }
}

impl Stage for OnTikTok {
    const PLATFORM: &'static str = "TikTok";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Edit, "comments cannot be edited there"),
        (
            Row::Quota,
            "it does not say when a used up quota is full again: the shared wait is taken",
        ),
        (Row::Finds, NONE),
        (Row::FindsNot, NONE),
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language];
    const LATE: &'static [u64] = &[60, 3000];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    fn under(&self, post: &str) -> String {
        self.server.root(post)
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeTikTok::start(house::clock(clock)).await;
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
        let connector = TikTok::new(&configured(&self.server), TIMEOUT, clock, self.vault.clone());
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
            limit: 150,
            unit: "characters",
        };
        vec![count("ä".repeat(150), 150), count("ä".repeat(151), 151)]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text)| Standing {
            url: tiktok::ADDRESS.to_owned(),
            id,
            parent,
            text,
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let body = self.server.push(post, "insert").to_string();
        let now = self.clock.now().timestamp();
        let headers = [(
            SIGNED,
            tiktok::signature(tiktok::CLIENT_SECRET, now, body.as_bytes()),
        )];
        assert_eq!(self.sends(inbound, body, &headers).await, 200);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let id = self.server.comment(&format!("{how:?}"), KNOCK);
        let body = self.server.push(&id, "insert").to_string();
        let body = if how == Knock::Escaped {
            body.replace("client_key", "client\\u005fkey")
        } else {
            body
        };
        let now = self.clock.now().timestamp();
        let at = if how == Knock::Stale { now - 301 } else { now };
        let secret = if how == Knock::Bad {
            "another"
        } else {
            tiktok::CLIENT_SECRET
        };
        let mut headers = vec![(SIGNED, tiktok::signature(secret, at, body.as_bytes()))];
        if how == Knock::Doubled {
            headers.push(headers[0].clone());
        }
        self.sends(inbound, body, &headers).await
    }
}

/// There is no search: what is read beside the lists are known comments, by their ids.
fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "comments",
        Call::Beside => "look",
        Call::Publish => "create",
    }
}

rows!(tests!(OnTikTok));
