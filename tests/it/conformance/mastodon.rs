//! The rows on Mastodon.

use super::{Call, Counted, Misplaced, Row, SOUGHT, Stage, TIMEOUT};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::mastodon::{FakeMastodon, TOKEN, Traits};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::mastodon::Mastodon;
use hearback::config;
use hearback::domain::ManualClock;
use secrecy::SecretString;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A server, and our account there.
pub struct OnMastodon {
    server: FakeMastodon,
    clock: ManualClock,
}

impl Stage for OnMastodon {
    const PLATFORM: &'static str = "Mastodon";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (
            Row::Signature,
            "nothing is signed: the stream is a connection of ours, under our token",
        ),
        (
            Row::Twice,
            "the stream brings no posts of its own: it says when to read",
        ),
        (
            Row::Reorder,
            "notifications get their ids as they come, so none comes late",
        ),
        (Row::Refresh, "an access token does not end"),
    ];

    fn handle(who: &str) -> String {
        format!("{who}@b.example")
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let traits = Traits {
            misplaces: misplaced == Some(Misplaced::Orphan),
            ..Traits::default()
        };
        Self {
            server: FakeMastodon::with(house::clock(clock), traits).await,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Mastodon {
            name: "fedi".to_owned(),
            url: self.server.url(),
            access_token: SecretString::from(TOKEN),
            hashtags: vec![],
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        Arc::new(Mastodon::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.write(&Self::handle(who), &format!("@help {text}"))
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.write(&Self::handle(who), text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server
            .answer(&Self::handle(who), post, &format!("@help {text}"))
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, &format!("@help {text}"));
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        match post {
            Some(post) => self.server.brand_answers(post, text),
            None => self.server.write("help", text),
        }
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"type": "mention", "status": {"id": 7}}));
    }

    fn next(&self, call: Call, fault: Fault) {
        self.server.faults().next(name(call), fault);
    }

    fn asked(&self, call: Call) -> usize {
        self.server.calls(name(call)).len()
    }

    fn locks_out(&self) {
        for call in ["notifications", "account"] {
            for _ in 0..50 {
                self.server.faults().next(call, Fault::Status(401));
            }
        }
    }

    /// Each call that is made next is turned away once.
    fn exhausts(&self, time: Duration) {
        for call in ["notifications", "status"] {
            let told = Fault::RateLimited(time.as_secs().to_string());
            self.server.faults().next(call, told);
        }
    }

    fn counted() -> Vec<Counted> {
        // `@ann` and a blank stand before the words; a host does not count, an address counts as 23.
        let count = |text: String, length| Counted {
            text,
            length,
            limit: 500,
            unit: "characters",
        };
        vec![
            count("ä".repeat(495), 500),
            count("ä".repeat(496), 501),
            count(format!("https://shop.example/{}", "x".repeat(600)), 28),
            count("👨‍👩‍👧‍👦".repeat(495), 500),
        ]
    }

    fn published(&self) -> Vec<super::Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|status| super::Standing {
            id: status["id"].as_str().unwrap().to_owned(),
            parent: status["in_reply_to_id"].as_str().map(str::to_owned),
            text: plain(status["content"].as_str().unwrap()),
            url: status["url"].as_str().unwrap().to_owned(),
        })
        .collect()
    }
}

/// The words of a text in the server's markup.
fn plain(html: &str) -> String {
    let parts = html.split('<').enumerate();
    let words = parts.map(|(n, part)| match part.split_once('>') {
        Some((_, text)) if n > 0 => text,
        Some(_) | None => part,
    });
    words.collect()
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "notifications",
        Call::Beside => "search",
        Call::Publish => "publish",
    }
}

rows!(tests!(OnMastodon));
