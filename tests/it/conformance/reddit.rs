//! The rows on Reddit.

use super::{Call, Counted, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::reddit::{CLIENT, CLIENT_SECRET, FakeReddit, ME, Misplaces, PASSWORD};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::reddit::Reddit;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The network, and our account there.
pub struct OnReddit {
    server: FakeReddit,
    clock: ManualClock,
}

impl Stage for OnReddit {
    const PLATFORM: &'static str = "Reddit";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Signature, "nothing is pushed to us: Reddit has no webhooks"),
        (Row::Twice, "nothing is pushed to us: Reddit has no webhooks"),
    ];
    /// How many follow a user is told by a call for each of them alone, and a post has no language.
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeReddit::start(house::clock(clock)).await;
        match misplaced {
            None => {}
            Some(Misplaced::Orphan) => server.misplace(Misplaces::Orphan),
            Some(Misplaced::Elsewhere) => server.misplace(Misplaces::Elsewhere),
        }
        Self {
            server,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Reddit {
            name: "snoo".to_owned(),
            url: self.server.url(),
            client_id: CLIENT.to_owned(),
            client_secret: SecretString::from(CLIENT_SECRET),
            username: ME.to_owned(),
            password: SecretString::from(PASSWORD),
            subreddits: vec![],
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        Arc::new(Reddit::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server
            .mention(who, &format!("/u/{ME} {text}"), self.clock.now())
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        let written = self.clock.now() - by;
        self.server.mention(who, &format!("/u/{ME} {text}"), written)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.post(who, text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.answer(who, post, &format!("/u/{ME} {text}"))
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
            None => self.server.post(ME, text),
        }
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"kind": "t1", "data": {"name": "t1_odd", "author": "eve", "body": 7}}));
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
        self.server.calls("access_token")
    }

    fn exhausts(&self, time: Duration) {
        self.server.exhaust(self.clock.now() + time);
    }

    fn counted() -> Vec<Counted> {
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 10_000,
            unit: "characters",
        };
        vec![
            count("ä".repeat(10_000), 10_000),
            count("ä".repeat(10_001), 10_001),
            // Seven code points each.
            count("👨‍👩‍👧‍👦".repeat(1428), 9_996),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text, url)| Standing {
            id,
            parent,
            text,
            url,
        })
        .collect()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "inbox",
        Call::Beside => "search",
        Call::Publish => "comment",
    }
}

rows!(tests!(OnReddit));
