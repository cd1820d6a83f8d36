//! The rows on Lemmy.

use super::{Call, Counted, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::lemmy::{FakeLemmy, ME, Misplaces, PASSWORD};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::lemmy::Lemmy;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The server, and our account there.
pub struct OnLemmy {
    server: FakeLemmy,
    clock: ManualClock,
}

impl Stage for OnLemmy {
    const PLATFORM: &'static str = "Lemmy";
    /// A comment is always under its post.
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Signature, "nothing is pushed to us: Lemmy has no webhooks"),
        (Row::Twice, "nothing is pushed to us: Lemmy has no webhooks"),
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Followers];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeLemmy::start(house::clock(clock)).await;
        if misplaced.is_some() {
            server.misplace(Misplaces::Elsewhere);
        }
        Self {
            server,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Lemmy {
            name: "lemmy".to_owned(),
            url: self.server.url(),
            username: ME.to_owned(),
            password: SecretString::from(PASSWORD),
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        Arc::new(Lemmy::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server
            .mention(who, &format!("@{ME} {text}"), self.clock.now())
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        let written = self.clock.now() - by;
        self.server.mention(who, &format!("@{ME} {text}"), written)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.post(who, text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.answer(who, post, &format!("@{ME} {text}"))
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
        self.server.poison(json!({"comment": {"id": 7, "content": 8}}));
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
        self.server.calls("login")
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
        Call::Listen => "mention",
        Call::Beside => "search",
        Call::Publish => "POST comment",
    }
}

rows!(tests!(OnLemmy));
