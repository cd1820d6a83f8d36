//! The rows on a Facebook Page: customers write on it, and under what stands there.

use super::{Call, Counted, KNOCK, Knock, Misplaced, Row, Stage, Standing, TIMEOUT, Untold};
use crate::fake::facebook::{FakeFacebook, PAGE, id};
use crate::fake::fault::Fault;
use crate::fake::graph::{APP_SECRET, TOKEN, VERIFY_TOKEN, deliver, escaped, signed};
use crate::fake::house;
use crate::fake::server::Server;
use hearback::adapter::connector::Connector;
use hearback::adapter::social::facebook::Facebook;
use hearback::app::Inbound;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use secrecy::SecretString;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// The API, and our page there.
pub struct OnFacebook {
    server: FakeFacebook,
    clock: ManualClock,
    connector: Mutex<Option<Arc<Facebook>>>,
}

impl OnFacebook {
    /// Our side of the connector, on a socket.
    async fn door(&self, inbound: &Inbound) -> (Server, Url) {
        let connector = self.connector.lock().unwrap().clone().unwrap();
        let server = Server::start(connector.routes(inbound.clone()).unwrap()).await;
        let url = server.url.join("/webhooks/page").unwrap();
        (server, url)
    }
}

impl Stage for OnFacebook {
    const PLATFORM: &'static str = "Facebook";
    const MISPLACES: &'static [Misplaced] = &[Misplaced::Elsewhere];
    const CANNOT: &'static [(Row, &'static str)] =
        &[(Row::Refresh, "a Page access token does not end by itself")];
    const UNTOLD: &'static [Untold] = &[Untold::Followers, Untold::Language, Untold::AuthorPage];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, misplaced: Option<Misplaced>) -> Self {
        let server = FakeFacebook::start(house::clock(clock)).await;
        if misplaced.is_some() {
            server.misplace();
        }
        Self {
            server,
            clock: clock.clone(),
            connector: Mutex::default(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Facebook {
            name: "page".to_owned(),
            url: self.server.url(),
            page_id: PAGE.to_owned(),
            access_token: SecretString::from(TOKEN),
            app_secret: SecretString::from(APP_SECRET),
            verify_token: SecretString::from(VERIFY_TOKEN),
            poll: Duration::from_secs(60),
            approval: None,
        };
        let connector = Arc::new(Facebook::new(&config, TIMEOUT, house::clock(&self.clock)).unwrap());
        *self.connector.lock().unwrap() = Some(connector.clone());
        connector
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.server.write(who, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.server.write_at(who, text, self.clock.now() - by)
    }

    fn mutters(&self, who: &str, text: &str) -> String {
        self.server.tag(who, text)
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
            Some(post) => self.server.answer("page", post, text),
            None => self.server.write("page", text),
        }
    }

    fn shows(&self, who: &str, text: &str, alt: &str) -> Option<String> {
        let post = self.server.write(who, text);
        self.server.illustrate(&post, alt);
        Some(post)
    }

    fn garbles(&self) {
        self.server
            .poison(json!({"id": "104_odd", "created_time": "yesterday", "message": 7}));
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
            limit: 8000,
            unit: "characters",
        };
        vec![
            count("ä".repeat(8000), 8000),
            count("ä".repeat(8001), 8001),
            count("👍".repeat(300), 300),
        ]
    }

    fn published(&self) -> Vec<Standing> {
        let ours = self.server.published().into_iter();
        ours.map(|(id, parent, text)| {
            let (post, comment) = id.split_once('_').unwrap();
            let url = format!("https://www.facebook.com/{PAGE}/posts/{post}?comment_id={comment}");
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
        let body = escaped(&self.server.notice(post, "add"));
        let status = deliver(&to, &[signed(APP_SECRET, &body)], body).await;
        assert_eq!(status, 200);
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let (_server, to) = self.door(inbound).await;
        let now = self.clock.now().timestamp();
        let at = if how == Knock::Stale {
            now - 3 * 24 * 3600
        } else {
            now
        };
        let body = knock(&format!("{PAGE}_{how:?}"), at);
        let body = match how {
            Knock::Escaped => escaped(&body),
            Knock::Good | Knock::Bad | Knock::Stale | Knock::Doubled => body.to_string(),
        };
        let good = signed(APP_SECRET, &body);
        let signatures = match how {
            Knock::Good | Knock::Escaped | Knock::Stale => vec![good],
            Knock::Bad => vec![signed("another secret", &body)],
            Knock::Doubled => vec![good.clone(), good],
        };
        deliver(&to, &signatures, body).await
    }
}

fn knock(post: &str, at: i64) -> Value {
    let value = json!({"item": "status", "verb": "add", "post_id": post, "message": KNOCK, "created_time": at,
        "from": {"id": id("ann"), "name": "ann"}});
    json!({"object": "page", "entry": [{"id": PAGE, "time": at, "changes": [{"field": "feed", "value": value}]}]})
}

fn name(call: Call) -> &'static str {
    match call {
        Call::Listen => "feed",
        Call::Beside => "tagged",
        Call::Publish => "publish",
    }
}

rows!(tests!(OnFacebook));
