//! The way to the API: one session, made with the password, renewed when it is over, and the calls under it.
//!
//! Sessions are made rarely: 30 in five minutes and 300 a day for an account, of which the front server of
//! bsky.social lets pass 100 (<https://docs.bsky.app/docs/advanced-guides/rate-limits>,
//! <https://github.com/bluesky-social/bsky-docs/issues/183>). An access token that is over answers 400
//! `ExpiredToken`, not 401. It is renewed once, whoever asks, and where the renewal is refused, for example
//! because the answer to an earlier one was lost, the password makes a new session. A session outlasts a restart in
//! the vault, so a process that is started again and again makes none.

use super::wire::Opened;
pub use crate::adapter::api::Failed;
use crate::adapter::api::{Answer, Api, Mend};
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError, Vault};
use chrono::TimeDelta;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// The least time between two new sessions, and the most: 96 a day at the worst.
const SHORTEST: TimeDelta = TimeDelta::seconds(15);
const LONGEST: TimeDelta = TimeDelta::minutes(15);
/// Under this name the session is kept.
const KEPT: &str = "session";

const MEND: Mend = Mend {
    unauthorized: "identifier and password are not accepted; make an app password under Settings, Privacy and \
                   security, App passwords",
    forbidden: "the account may not do this; an app password may read notifications and post",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published. A token that is over again as soon as it was renewed is the
/// server's trouble, and no refusal.
pub fn before(error: Failed) -> PortError {
    match name(&error) {
        Some("ExpiredToken" | "InvalidToken") => {
            PortError::NotReached(format!("the post could not be read before answering it: {error}"))
        }
        Some(_) | None => error.before(&MEND),
    }
}

/// The name by which the API tells one failure from another (`error` in its answer).
pub fn name(error: &Failed) -> Option<&str> {
    match error {
        Failed::Status { told: Some(told), .. } => told.split(':').next(),
        Failed::Status { told: None, .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => {
            None
        }
    }
}

/// Whether the access token is not accepted.
pub fn is_stale(error: &Failed) -> bool {
    let refused = matches!(
        error,
        Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            ..
        }
    );
    refused || matches!(name(error), Some("ExpiredToken" | "InvalidToken"))
}

/// A session: whose, where their data is, and its tokens.
pub struct Session {
    pub did: String,
    pub handle: String,
    /// The account's own server, as its identity document says.
    pub home: Url,
    access: SecretString,
    refresh: SecretString,
}

/// A session as it outlasts a restart.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Of which account, at which server: another one in the configuration begins anew.
    identifier: String,
    server: Url,
    did: String,
    handle: String,
    home: Url,
    access: String,
    refresh: String,
}

/// When sessions may be made.
#[derive(Default)]
struct Pace {
    next: Option<Instant>,
    pause: TimeDelta,
    /// Why the last one was not made.
    failed: Option<Failed>,
    /// Whether the one of an earlier run was looked for. One that is refused must not come back.
    recalled: bool,
}

impl Pace {
    /// What is to be said instead of making one now.
    fn rests(&self, now: Instant) -> Option<Failed> {
        let left = (self.next? - now).to_std().ok().filter(|left| !left.is_zero())?;
        Some(self.failed.clone().unwrap_or(Failed::Limited(left)))
    }

    /// One is made now. The pauses grow while they follow each other.
    fn begin(&mut self, now: Instant) {
        let again = self.next.is_some_and(|next| now < next + LONGEST);
        self.pause = if again {
            (self.pause * 2).clamp(SHORTEST, LONGEST)
        } else {
            SHORTEST
        };
        self.next = Some(now + self.pause);
    }

    /// It was not made.
    fn end(&mut self, error: &Failed, now: Instant) {
        match error {
            Failed::Unreached(_) => self.next = None,
            Failed::Limited(wait) => self.next = Some(now + *wait),
            Failed::Status { .. } | Failed::Broken(_) => {}
        }
        self.failed = Some(error.clone());
    }
}

/// An account's way to the network.
pub struct Xrpc {
    api: Api,
    identifier: String,
    password: SecretString,
    clock: Arc<dyn Clock>,
    source: SourceName,
    vault: Arc<dyn Vault>,
    session: RwLock<Option<Arc<Session>>>,
    /// Who holds it makes or renews the session; all others wait for that.
    gate: Mutex<Pace>,
}

impl Xrpc {
    pub fn new(
        mut base: Url,
        source: &SourceName,
        (identifier, password): (String, SecretString),
        publishing: Duration,
        (clock, vault): (Arc<dyn Clock>, Arc<dyn Vault>),
    ) -> anyhow::Result<Self> {
        base.set_path("");
        Ok(Self {
            api: Api::new(base, source, publishing, clock.clone(), spoken)?,
            identifier,
            password,
            clock,
            source: source.clone(),
            vault,
            session: RwLock::default(),
            gate: Mutex::default(),
        })
    }

    /// What the network says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// The session, if there is one.
    pub fn current(&self) -> Option<Arc<Session>> {
        self.session
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The session; made if there is none.
    pub async fn session(&self) -> Result<Arc<Session>, Failed> {
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let mut pace = self.gate.lock().await;
        if let Some(session) = self.current() {
            return Ok(session);
        }
        let recalled = std::mem::replace(&mut pace.recalled, true);
        let remembered = if recalled { None } else { self.remembered().await };
        match remembered {
            Some(session) => Ok(self.hold(session)),
            None => self.create(&mut pace).await,
        }
    }

    /// Reads what a method answers.
    pub async fn get<T: DeserializeOwned>(&self, method: &str, query: &[(&str, &str)]) -> Result<T, Failed> {
        let session = self.session().await?;
        let answer = match self.read(&session, method, query).await {
            Err(error) if is_stale(&error) => {
                let session = self.renew(&session).await?;
                self.read(&session, method, query).await?
            }
            other => other?,
        };
        answer.decode()
    }

    /// Makes a call that publishes: one attempt, on a connection of its own, under this session.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        session: &Session,
        method: &str,
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let call = self.api.writer().post(at(&session.home, method)).json(body);
        let call = call.bearer_auth(session.access.expose_secret());
        self.api.publish(call, allowed).await?.decode()
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api
            .date(at(self.api.base(), "com.atproto.server.describeServer"))
            .await
    }

    async fn read(&self, session: &Session, method: &str, query: &[(&str, &str)]) -> Result<Answer, Failed> {
        let call = self.api.reader().get(at(&session.home, method)).query(query);
        self.api
            .read(call.bearer_auth(session.access.expose_secret()))
            .await
    }

    /// Renews a session that is over, unless somebody did already.
    async fn renew(&self, stale: &Arc<Session>) -> Result<Arc<Session>, Failed> {
        let mut pace = self.gate.lock().await;
        if let Some(session) = self.current()
            && !Arc::ptr_eq(&session, stale)
        {
            return Ok(session);
        }
        let method = at(self.api.base(), "com.atproto.server.refreshSession");
        let call = self.api.reader().post(method);
        let answer = self
            .api
            .read(call.bearer_auth(stale.refresh.expose_secret()))
            .await;
        match answer.and_then(|answer| answer.decode()) {
            Ok(opened) => Ok(self.keep(opened).await),
            Err(error) if is_stale(&error) => {
                self.forget();
                self.create(&mut pace).await
            }
            Err(error) => Err(error),
        }
    }

    async fn create(&self, pace: &mut Pace) -> Result<Arc<Session>, Failed> {
        let now = self.clock.now();
        if let Some(why) = pace.rests(now) {
            return Err(why);
        }
        pace.begin(now);
        let method = at(self.api.base(), "com.atproto.server.createSession");
        let call = self.api.reader().post(method).json(&serde_json::json!({
            "identifier": self.identifier,
            "password": self.password.expose_secret(),
        }));
        match self.api.read(call).await.and_then(|answer| answer.decode()) {
            Ok(opened) => {
                pace.failed = None;
                Ok(self.keep(opened).await)
            }
            Err(error) => {
                pace.end(&error, now);
                Err(error)
            }
        }
    }

    async fn keep(&self, opened: Opened) -> Arc<Session> {
        let kept = Kept {
            identifier: self.identifier.clone(),
            server: self.api.base().clone(),
            home: home(self.api.base(), &opened.did_doc),
            did: opened.did,
            handle: opened.handle,
            access: opened.access_jwt,
            refresh: opened.refresh_jwt,
        };
        self.remember(&kept).await;
        self.hold(kept)
    }

    /// The session of an earlier run, if it is of this account.
    async fn remembered(&self) -> Option<Kept> {
        let kept = self.vault.get(&self.source, KEPT).await;
        let kept = kept
            .inspect_err(
                |error| tracing::warn!(source = %self.source, %error, "The last session cannot be read."),
            )
            .ok()??;
        let kept: Kept = serde_json::from_str(kept.expose_secret()).ok()?;
        (kept.identifier == self.identifier && kept.server == *self.api.base()).then_some(kept)
    }

    /// Keeps a session over a restart. One that is not kept costs a new one then, nothing else.
    async fn remember(&self, kept: &Kept) {
        let Ok(text) = serde_json::to_string(kept) else {
            return;
        };
        if let Err(error) = self.vault.put(&self.source, KEPT, &text.into()).await {
            tracing::warn!(source = %self.source, %error, "The session cannot be kept over a restart.");
        }
    }

    fn hold(&self, kept: Kept) -> Arc<Session> {
        let session = Arc::new(Session {
            did: kept.did,
            handle: kept.handle,
            home: kept.home,
            access: kept.access.into(),
            refresh: kept.refresh.into(),
        });
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
        session
    }

    fn forget(&self) {
        *self.session.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The address of a method.
fn at(server: &Url, method: &str) -> Url {
    let mut url = server.clone();
    url.set_path(&format!("/xrpc/{method}"));
    url.set_query(None);
    url
}

/// The server of an account's data (`#atproto_pds`, <https://atproto.com/specs/did#did-documents>). The
/// token goes there: never in the clear where the configured address is not, and then only to its host.
fn home(base: &Url, did_doc: &Value) -> Url {
    let services = did_doc["service"].as_array().into_iter().flatten();
    let told = services
        .filter(|service| {
            service["id"]
                .as_str()
                .is_some_and(|id| id.ends_with("#atproto_pds"))
        })
        .find_map(|service| Url::parse(service["serviceEndpoint"].as_str()?).ok());
    let safe = |url: &Url| {
        url.scheme() == "https"
            || (url.scheme() == "http" && base.scheme() == "http" && url.host() == base.host())
    };
    told.filter(safe).unwrap_or_else(|| base.clone())
}

/// The API's own words: `{"error": NAME, "message": …}` (<https://atproto.com/specs/xrpc#error-responses>).
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
        message: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(match told.message.filter(|message| !message.is_empty()) {
        Some(message) => format!("{}: {message}", told.error),
        None => told.error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::elsewhere("https://bsky.social", "https://a.host.example", "https://a.host.example/")]
    #[case::in_the_clear("https://bsky.social", "http://a.host.example", "https://bsky.social/")]
    #[case::same_host("http://127.0.0.1:2583", "http://127.0.0.1:2999", "http://127.0.0.1:2999/")]
    #[case::another_host("http://127.0.0.1:2583", "http://10.0.0.1", "http://127.0.0.1:2583/")]
    #[case::no_address("https://bsky.social", "x", "https://bsky.social/")]
    fn the_token_goes_only_where_it_may(#[case] base: &str, #[case] told: &str, #[case] goes: &str) {
        let doc = serde_json::json!({"service": [
            {"id": "#other", "serviceEndpoint": "https://other.example"},
            {"id": "did:plc:me#atproto_pds", "serviceEndpoint": told},
        ]});
        assert_eq!(home(&Url::parse(base).unwrap(), &doc).as_str(), goes);
    }

    #[test]
    fn sessions_are_made_ever_more_rarely_while_it_goes_wrong() {
        let mut pace = Pace::default();
        let start = Instant::default();
        let refused = Failed::Broken("no".to_owned());
        let mut now = start;
        let mut made = 0;
        while now < start + TimeDelta::hours(24) {
            if pace.rests(now).is_none() {
                pace.begin(now);
                pace.end(&refused, now);
                made += 1;
            }
            now += TimeDelta::seconds(5);
        }
        assert!((90..=102).contains(&made), "{made}");
        assert_eq!(pace.rests(now - TimeDelta::seconds(5)), Some(refused));
        // A day later the pauses are short again.
        now += TimeDelta::days(1);
        pace.begin(now);
        assert!(pace.rests(now + TimeDelta::seconds(14)).is_some());
        assert!(pace.rests(now + TimeDelta::seconds(15)).is_none());
    }

    #[test]
    fn a_server_that_is_not_there_uses_up_nothing() {
        let (mut pace, now) = (Pace::default(), Instant::default());
        pace.begin(now);
        pace.end(&Failed::Unreached("no".to_owned()), now);
        assert!(pace.rests(now).is_none());
        pace.begin(now);
        pace.end(&Failed::Limited(Duration::from_secs(300)), now);
        assert!(pace.rests(now + TimeDelta::seconds(299)).is_some());
    }
}
