//! The rows on GitHub, with issues pushed and asked for.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, SOUGHT, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::github::{FakeGitHub, HOOK, ME, REPOSITORY, TOKEN, signed};
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::github::GitHub;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// The server, our account there, and to whom what was answered.
pub struct OnGitHub {
    server: FakeGitHub,
    clock: ManualClock,
    connector: Mutex<Option<Arc<GitHub>>>,
    /// Every post of a customer: id and author.
    written: Mutex<Vec<(String, String)>>,
}

impl OnGitHub {
    fn note(&self, id: String, who: &str) -> String {
        self.written.lock().unwrap().push((id.clone(), who.to_owned()));
        id
    }

    /// Our side of the webhook, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/hub").unwrap();
        (server, url)
    }
}

impl Stage for OnGitHub {
    const PLATFORM: &'static str = "GitHub";
    /// A comment is always on an issue.
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] = &[(Row::Refresh, "a token is made by hand")];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language, Untold::Parent];
    const DATED: bool = false;

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeGitHub::start(house::clock(clock)).await;
        if misplaced.is_some() {
            server.misplace();
        }
        Self {
            server,
            clock: clock.clone(),
            connector: Mutex::default(),
            written: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::GitHub {
            name: "hub".to_owned(),
            url: self.server.url(),
            token: SecretString::from(TOKEN),
            repositories: vec![REPOSITORY.to_owned()],
            discussions: vec![],
            webhook_secret: Some(SecretString::from(HOOK)),
            search: vec![SOUGHT.to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        let connector = GitHub::new(&config, TIMEOUT, house::clock(&self.clock));
        let connector = Arc::new(connector.unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.note(self.server.open(who, text), who)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.note(self.server.moved(who, text, self.clock.now() - by), who)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.note(self.server.open_elsewhere(who, text), who)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.note(self.server.comment(who, post, text), who)
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        let written = self.written.lock().unwrap();
        match post {
            Some(post) => {
                let (_, who) = written.iter().find(|(id, _)| id == post).unwrap();
                self.server.comment(ME, post, &format!("@{who} {text}"))
            }
            None => self.server.open(ME, text),
        }
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"id": 7, "updated_at": "2027-01-15T08:00:00Z", "html_url": "https://github.com/x", "body": 7}));
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
            limit: 65_536,
            unit: "characters",
        };
        // The author is named: "@ann " before it.
        vec![
            count("ä".repeat(65_531), 65_536),
            count("ä".repeat(65_532), 65_537),
            count("@ann hi".to_owned(), 7),
        ]
    }

    /// Comments stand in a row: one answers whom it names.
    fn published(&self) -> Vec<Standing> {
        let written = self.written.lock().unwrap();
        let ours = self.server.published().into_iter();
        ours.map(|(id, text, url)| {
            let root = id.split('!').next().unwrap();
            let named = written.iter().rev().find(|(post, who)| {
                post.split('!').next() == Some(root) && text.starts_with(&format!("@{who} "))
            });
            let parent = named.map(|(post, _)| post.clone());
            Standing {
                id,
                parent,
                text,
                url,
            }
        })
        .collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let (_server, to) = self.door(inbound).await;
        let body = self.server.told(post, "opened").to_string();
        let (status, told) = deliver(&to, &signed(HOOK, "issues", &body), body).await;
        assert_eq!(status.as_u16(), 200, "{told}");
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let id = self.server.open("ann", KNOCK);
        let mut body = self.server.told(&id, "opened").to_string();
        if how == Knock::Escaped {
            body = body.replace(KNOCK, r"gr\u00fc\u00df \ud83d\udc4d");
        }
        let mut headers = signed(HOOK, "issues", &body);
        match how {
            Knock::Good | Knock::Escaped | Knock::Stale => {}
            Knock::Bad => headers = signed("another-secret", "issues", &body),
            Knock::Doubled => headers.push(headers[2].clone()),
        }
        let (status, _) = deliver(&to, &headers, body).await;
        status.as_u16()
    }
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "issues",
        Call::Beside => "search",
        Call::Publish => "comment",
    }
}

rows!(tests!(OnGitHub));
