//! The rows on YouTube.

use super::{Call, Counted, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::youtube::{FakeYouTube, ME, REFRESH, VIDEO};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::youtube::YouTube;
use hearback::config;
use hearback::domain::ManualClock;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// A channel, and ours.
pub struct OnYouTube {
    server: FakeYouTube,
    clock: ManualClock,
}

/// The channel at this server.
pub fn configured(server: &FakeYouTube) -> config::YouTube {
    config::YouTube {
        name: "tube".to_owned(),
        url: server.url(),
        client_id: "client".to_owned(),
        client_secret: "client-SECRET".into(),
        refresh_token: Some(REFRESH.into()),
        channel_id: ME.to_owned(),
        daily_quota: 10_000,
        poll: Duration::from_secs(60),
        approval: None,
    }
}

/// The address of a comment.
pub fn address(comment: &str) -> String {
    format!("https://www.youtube.com/watch?v={VIDEO}&lc={comment}")
}

impl Stage for OnYouTube {
    const PLATFORM: &'static str = "YouTube";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (
            Row::Signature,
            "nothing is pushed to us: there is no push for comments",
        ),
        (
            Row::Twice,
            "nothing is pushed to us: there is no push for comments",
        ),
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Language, Untold::Parent];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeYouTube::start(house::clock(clock)).await;
        if misplaced.is_some() {
            server.orphan();
        }
        Self {
            server,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = configured(&self.server);
        Arc::new(YouTube::new(&config, TIMEOUT, house::clock(&self.clock), house::vault()).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.comment(who, None, text, Duration::ZERO)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server.comment(who, None, text, by)
    }

    /// All comments on the channel are written to us.
    fn mutters(&self, who: &str, text: &str) -> String {
        self.writes(who, text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.comment(who, Some(post), text, Duration::ZERO)
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        self.server.comment("help", post, text, Duration::ZERO)
    }

    fn garbles(&self) {
        self.server.poison(
            None,
            json!({"kind": "youtube#commentThread", "id": "odd", "snippet": 7}),
        );
    }

    fn next(&self, call: Call, fault: Fault) {
        self.server.books().faults.next(name(call), fault);
    }

    fn asked(&self, call: Call) -> usize {
        self.server.books().calls(name(call))
    }

    fn expires(&self) {
        self.server.books().expire();
    }

    fn locks_out(&self) {
        self.server.books().lock_out();
    }

    fn signed_in(&self) -> usize {
        self.server.books().signed_in()
    }

    fn exhausts(&self, time: Duration) {
        self.server.books().exhaust(time);
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
            count("👍".repeat(5_001), 10_002),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.ours().into_iter();
        ours.map(|own| Standing {
            url: address(&own.id),
            parent: own.head,
            text: own.text,
            id: own.id,
        })
        .collect()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "list",
        Call::Beside => "known",
        Call::Publish => "insert",
    }
}

rows!(tests!(OnYouTube));
