//! The rows on Stack Exchange.

use super::{Call, Counted, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::stack_exchange::{FakeStackExchange, KEY, ME, SITE, TAG, TOKEN};
use hearback::adapter::connector::Connector;
use hearback::adapter::social::stack_exchange::StackExchange;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// The site, and our account there.
pub struct OnStackExchange {
    server: FakeStackExchange,
    clock: ManualClock,
}

/// Our account at this server.
pub fn configured(server: &FakeStackExchange) -> config::StackExchange {
    config::StackExchange {
        name: "so".to_owned(),
        url: server.url(),
        oauth_url: server.url().join("/oauth").unwrap(),
        site: SITE.to_owned(),
        key: Some(KEY.into()),
        access_token: Some(TOKEN.into()),
        client_id: None,
        client_secret: None,
        user_id: None,
        tags: vec![TAG.to_owned()],
        search: vec![SOUGHT.to_owned()],
        answers: false,
        poll: Duration::from_secs(120),
        approval: None,
    }
}

impl Stage for OnStackExchange {
    const PLATFORM: &'static str = "Stack Exchange";
    /// A comment is always below something.
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Signature, "nothing is pushed to us: the API has no webhooks"),
        (Row::Twice, "nothing is pushed to us: the API has no webhooks"),
        (
            Row::Refresh,
            "a token ends or does not, and nothing renews it: a person lets us in again",
        ),
    ];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    /// Comments stand in a row.
    fn under(&self, post: &str) -> String {
        self.server.under(post)
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeStackExchange::start(house::clock(clock)).await;
        if misplaced.is_some() {
            server.misplace();
        }
        Self {
            server,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = configured(&self.server);
        Arc::new(StackExchange::new(&config, TIMEOUT, house::clock(&self.clock), house::vault()).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.ask(who, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server.retag(who, text, by)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.ask_elsewhere(who, text)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.comment(who, post, text)
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        match post {
            Some(post) => self.server.comment(ME, post, text),
            None => self.server.ask(ME, text),
        }
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"question_id": 7, "title": 8, "last_activity_date": 9}));
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
            limit: 600,
            unit: "characters",
        };
        vec![
            count("ä".repeat(600), 600),
            count("ä".repeat(601), 601),
            count("👍".repeat(300), 600),
            count("👍".repeat(301), 602),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text, url)| Standing {
            id,
            parent: Some(parent),
            text,
            url,
        })
        .collect()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "tagged",
        Call::Beside => "search",
        Call::Publish => "publish",
    }
}

rows!(tests!(OnStackExchange));
