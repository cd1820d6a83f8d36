//! The rows on Telegram: with updates that are asked for, and with such that are pushed.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::server::Server;
use crate::fake::telegram::{FakeTelegram, GROUP, GROUP_NAME, HOOK, Misplaces, TOKEN, USERNAME, name};
use crate::fake::webhook::deliver;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::telegram::Telegram;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// Updates are asked for.
pub type Asking = OnTelegram<false>;
/// They are pushed.
pub type Pushed = OnTelegram<true>;

/// The server, and our bot there.
pub struct OnTelegram<const PUSHED: bool> {
    server: FakeTelegram,
    clock: ManualClock,
    connector: Mutex<Option<Arc<Telegram>>>,
}

const UNREADABLE: &str = "a bot can read nothing but what it is told: a person is asked";

const CANNOT: &[(Row, &str)] = &[
    (Row::Signature, "nothing is pushed to us: updates are asked for"),
    (Row::Twice, "nothing is pushed to us: updates are asked for"),
    (Row::Deletion, "nobody tells a bot of deletions"),
    (Row::Refresh, "a bot's token has no end"),
    (Row::Answered, UNREADABLE),
    (Row::Finds, UNREADABLE),
    (Row::FindsNot, UNREADABLE),
];

impl<const PUSHED: bool> OnTelegram<PUSHED> {
    /// Our side of the webhook, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/tg").unwrap();
        (server, url)
    }

    async fn push(&self, inbound: &Inbound, updates: &[Value]) {
        let (_server, to) = self.door(inbound).await;
        for update in updates {
            let (status, told) = deliver(&to, &signed(HOOK), update.to_string()).await;
            assert_eq!(status.as_u16(), 200, "{told}");
        }
    }
}

fn signed(secret: &str) -> Vec<(&'static str, String)> {
    vec![("x-telegram-bot-api-secret-token", secret.to_owned())]
}

impl<const PUSHED: bool> Stage for OnTelegram<PUSHED> {
    const PLATFORM: &'static str = if PUSHED { "Telegram, push" } else { "Telegram" };
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Orphan, Misplaced::Elsewhere];
    /// The first two are of the one that asks.
    const CANNOT: &'static [(Row, &'static str)] = if PUSHED { CANNOT.split_at(2).1 } else { CANNOT };
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language];
    const DATED: bool = false;
    const BESIDE: bool = false;

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeTelegram::start(house::clock(clock)).await;
        if PUSHED {
            server.hook();
        }
        match misplaced {
            None => {}
            Some(Misplaced::Orphan) => server.misplace(Misplaces::Orphan),
            Some(Misplaced::Elsewhere) => server.misplace(Misplaces::Elsewhere),
        }
        Self {
            server,
            clock: clock.clone(),
            connector: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Telegram {
            name: "tg".to_owned(),
            url: self.server.url(),
            token: SecretString::from(TOKEN),
            webhook_secret: PUSHED.then(|| SecretString::from(HOOK)),
            approval: None,
        };
        let connector = Telegram::new(&config, TIMEOUT, house::clock(&self.clock));
        let connector = Arc::new(connector.unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.write(who, &format!("@{USERNAME} {text}"), None)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        let written = self.clock.now() - by;
        self.server
            .write_at(who, &format!("@{USERNAME} {text}"), None, written)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.write(who, text, None)
    }

    fn answers(&self, who: &str, post: &str, text: &str) -> String {
        self.server.write(who, text, Some(post))
    }

    fn edits(&self, post: &str, text: &str) {
        self.server.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.server.delete(post);
    }

    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        self.server.we_write(post, text)
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"message_id": 7, "date": "today", "chat": 3}));
    }

    fn next(&self, call: Call, fault: Fault) {
        if let Some(method) = method::<PUSHED>(call) {
            self.server.faults().next(method, fault);
        }
    }

    fn asked(&self, call: Call) -> usize {
        method::<PUSHED>(call).map_or(0, |method| self.server.calls(method))
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
            limit: 4096,
            unit: "UTF-16 units",
        };
        vec![
            count("ä".repeat(4096), 4096),
            count("ä".repeat(4097), 4097),
            count("👍".repeat(2048), 4096),
            count("👍".repeat(2049), 4098),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|own| Standing {
            id: name(&own),
            parent: own["reply_to_message"]["message_id"]
                .as_i64()
                .map(|above| format!("{GROUP}:{above}")),
            text: own["text"].as_str().unwrap().to_owned(),
            url: format!("https://t.me/{GROUP_NAME}/{}", own["message_id"]),
        })
        .collect()
    }

    async fn delivers(&self, inbound: &Inbound) {
        if PUSHED {
            let updates = self.server.unpushed();
            self.push(inbound, &updates).await;
        }
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let update = self.server.update_of(post);
        self.push(inbound, &[update]).await;
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let text = if how == Knock::Escaped {
            r"gr\u00fc\u00df \ud83d\udc4d"
        } else {
            KNOCK
        };
        let number = if how == Knock::Escaped { 2 } else { 1 };
        let body = format!(
            r#"{{"update_id": {number}, "message": {{"message_id": {number}, "date": {}, "text": "{text}",
                "from": {{"id": {number}, "is_bot": false, "first_name": "Ann"}},
                "chat": {{"id": {GROUP}, "type": "supergroup"}}}}}}"#,
            self.clock.now().timestamp()
        );
        let headers = match how {
            Knock::Good | Knock::Escaped | Knock::Stale => signed(HOOK),
            Knock::Bad => signed("0123456789abcdef-secret"),
            Knock::Doubled => [signed(HOOK), signed(HOOK)].concat(),
        };
        let (status, _) = deliver(&to, &headers, body).await;
        status.as_u16()
    }
}

fn method<const PUSHED: bool>(call: Call) -> Option<&'static str> {
    match call {
        Call::Listen if PUSHED => Some("getWebhookInfo"),
        Call::Listen => Some("getUpdates"),
        Call::Beside => None,
        Call::Publish => Some("sendMessage"),
    }
}

mod asking {
    use super::{Asking, Stage};
    rows!(tests!(Asking));
}

mod pushed {
    use super::{Pushed, Stage};
    rows!(tests!(Pushed));
}
