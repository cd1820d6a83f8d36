//! The rows on Bluesky.

use super::{Call, Counted, Misplaced, Row, SOUGHT, Stage, TIMEOUT};
use crate::fake::bluesky::{FakeBluesky, HANDLE, Misplaces, PASSWORD};
use crate::fake::fault::Fault;
use crate::fake::house;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::bluesky::Bluesky;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A server, and our account there.
pub struct OnBluesky {
    server: FakeBluesky,
    clock: ManualClock,
}

impl Stage for OnBluesky {
    const PLATFORM: &'static str = "Bluesky";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (
            Row::Signature,
            "nothing is pushed to us: Jetstream is not used yet",
        ),
        (Row::Twice, "nothing is pushed to us: Jetstream is not used yet"),
        (Row::Edit, "posts cannot be edited there"),
    ];

    fn handle(who: &str) -> String {
        format!("{who}.example")
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeBluesky::start(house::clock(clock)).await;
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
        let config = config::Bluesky {
            name: "sky".to_owned(),
            url: self.server.url(),
            identifier: HANDLE.to_owned(),
            password: SecretString::from(PASSWORD),
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            jetstream: None,
            approval: None,
        };
        Arc::new(Bluesky::new(&config, TIMEOUT, house::clock(&self.clock), house::vault()).unwrap())
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

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        match post {
            Some(post) => self.server.answer("help", post, text),
            None => self.server.write("help", text),
        }
    }

    fn shows(&self, who: &str, text: &str, alt: &str) -> Option<String> {
        let text = format!("@{HANDLE} {text}");
        Some(self.server.write_with_picture(who, &text, alt))
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"uri": "at://did:plc:odd/x/1", "reason": "mention", "record": 7}));
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
        self.server.calls("createSession") + self.server.calls("refreshSession")
    }

    fn exhausts(&self, time: Duration) {
        self.server.exhaust(self.clock.now() + time);
    }

    fn counted() -> Vec<Counted> {
        let family = "👨‍👩‍👧‍👦";
        let count = |text: String, length, limit, unit| Counted {
            text,
            length,
            limit,
            unit,
        };
        vec![
            count("ä".repeat(300), 300, 300, "characters"),
            count("ä".repeat(301), 301, 300, "characters"),
            count(family.repeat(120), 120, 300, "characters"),
            count(family.repeat(121), 3025, 3000, "bytes"),
        ]
    }

    fn published(&self) -> Vec<super::Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(uri, record)| super::Standing {
            url: format!(
                "https://bsky.app/profile/{HANDLE}/post/{}",
                uri.rsplit('/').next().unwrap()
            ),
            parent: record["reply"]["parent"]["uri"].as_str().map(str::to_owned),
            text: record["text"].as_str().unwrap().to_owned(),
            id: uri,
        })
        .collect()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "listNotifications",
        Call::Beside => "searchPosts",
        Call::Publish => "putRecord",
    }
}

rows!(tests!(OnBluesky));
