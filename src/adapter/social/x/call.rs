//! The way to the API: calls under the account's credentials, and what they cost.
//!
//! Two forms of credentials count: an access token of OAuth 2.0 for the account, which is renewed where the
//! application's client is configured, and OAuth 1.0a, where each call is signed and nothing ends.

use super::price::{Bill, Paid};
use super::sign::Signer;
use super::wire::{Includes, Page, Problem, User};
pub use crate::adapter::api::Failed;
use crate::adapter::api::{Answer, Api, Mend};
use crate::adapter::meter::{Allowance, Meter};
use crate::adapter::oauth::Grant;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant};
use crate::port::{Permit, PortError};
use reqwest::{RequestBuilder, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

const MEND: Mend = Mend {
    unauthorized: "the credentials are not accepted; make new ones in the developer console, or connect the \
                   account again",
    forbidden: "the application or the account may not do this; it needs the scopes tweet.read, users.read, \
                tweet.write, offline.access, and dm.read and dm.write for private messages",
};
/// What helps where the money is used up.
const BUY: &str = "the credits at X are used up; buy some in its developer console";

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    if is_unpaid(&error) {
        return Lost::Hopeless(format!("{error}: {BUY}"));
    }
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    if is_unpaid(&error) {
        return PortError::Closed(format!("{error}: {BUY}"));
    }
    error.before(&MEND)
}

/// A failure of the publishing call. What X says in the form of its own problems it says before it publishes;
/// a refusal for words that were published before is judged by the caller.
pub fn refusal(error: Failed) -> PortError {
    match &error {
        Failed::Limited(wait) => PortError::RetryAfter(*wait),
        Failed::Unreached(why) => PortError::NotReached(why.clone()),
        Failed::Broken(why) => PortError::Unknown(why.clone()),
        Failed::Status {
            status,
            told: Some(_),
        } => match status.as_u16() {
            402 => PortError::Closed(format!("{error}: {BUY}")),
            401 => PortError::Unauthorized(error.to_string()),
            400 | 403 | 404 => PortError::Refused(format!("X refused: {error}")),
            _ => PortError::Unknown(error.to_string()),
        },
        Failed::Status { told: None, .. } => PortError::Unknown(error.to_string()),
    }
}

fn is_unpaid(error: &Failed) -> bool {
    matches!(
        error,
        Failed::Status {
            status: StatusCode::PAYMENT_REQUIRED,
            told: Some(_)
        }
    )
}

/// Under whose name calls are made.
pub enum Key {
    /// An access token.
    Token(Box<Grant>),
    /// A signature for each call.
    Signed(Box<Signer>),
}

/// What tells credentials from others, without telling them.
pub type Mark = [u8; 32];

/// An account's way to the network.
pub struct Way {
    api: Api,
    key: Key,
    bill: Bill,
    clock: Arc<dyn Clock>,
}

impl Way {
    /// `budget`: what may be spent, if that has an end.
    pub fn new(api: Api, key: Key, (bill, budget): (Bill, Option<Allowance>), clock: Arc<dyn Clock>) -> Self {
        // Its headers tell of the one call that they answer
        // (<https://docs.x.com/x-api/fundamentals/rate-limits>).
        api.meter().by_call();
        if let Some(budget) = budget {
            api.meter().allow(budget);
        }
        Self {
            api,
            key,
            bill,
            clock,
        }
    }

    /// What was spent of the budget, and what the network last said of a quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// Where the access token comes from; none where calls are signed.
    pub fn grant(&self) -> Option<&Grant> {
        match &self.key {
            Key::Token(grant) => Some(grant),
            Key::Signed(_) => None,
        }
    }

    /// Under which credentials calls are made now.
    pub async fn mark(&self) -> Result<Mark, Failed> {
        match &self.key {
            Key::Signed(_) => Ok(Mark::default()),
            Key::Token(grant) => Ok(Sha256::digest(grant.access().await?.expose_secret()).into()),
        }
    }

    /// These were read, or pushed to us: each costs, once a day.
    pub fn paid<'a>(&self, what: Paid, ids: impl IntoIterator<Item = &'a str>) {
        let now = self.clock.now();
        let cost = self.bill.read(what, ids, now);
        self.api.meter().spent(cost, now);
    }

    /// This was written.
    pub fn wrote(&self, what: Paid) {
        self.api.meter().spent(self.bill.wrote(what), self.clock.now());
    }

    /// The API's parts for calls under another token.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Reads something.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let mut url = self.api.at(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.read(&url).await?.decode()
    }

    /// Reads posts, and counts what they cost: each, and each account that comes with them.
    pub async fn page(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Page, Failed> {
        let page: Page = self.get(path, query).await?;
        self.pay(page.data.iter().filter_map(|raw| id(raw.get())), &page.includes);
        Ok(page)
    }

    /// Counts what posts that came to us cost.
    pub fn pay(&self, posts: impl Iterator<Item = String>, includes: &Includes) {
        let posts: Vec<_> = posts.collect();
        self.paid(Paid::Post, posts.iter().map(String::as_str));
        self.paid(Paid::User, includes.users.iter().map(|user| user.id.as_str()));
    }

    /// Makes a call that publishes: one attempt, on a connection of its own.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &Value,
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let url = self.api.at(path);
        let call = self.api.writer().post(url.clone()).json(body);
        let call = match &self.key {
            Key::Signed(signer) => signed(call, &signer.header("POST", &url, self.clock.now())),
            Key::Token(grant) => {
                let token = grant.access().await.map_err(Failed::unsent)?;
                call.bearer_auth(token.expose_secret())
            }
        };
        self.api.publish(call, allowed).await?.decode()
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.api.at(&["2", "openapi.json"])).await
    }

    async fn read(&self, url: &Url) -> Result<Answer, Failed> {
        let call = || self.api.reader().get(url.clone());
        let grant = match &self.key {
            Key::Signed(signer) => {
                let header = signer.header("GET", url, self.clock.now());
                return self.api.read(signed(call(), &header)).await;
            }
            Key::Token(grant) => grant,
        };
        let token = grant.access().await?;
        let under = |token: &SecretString| call().bearer_auth(token.expose_secret());
        match self.api.read(under(&token)).await {
            Err(Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            }) => {
                let token = grant.renew(&token).await?;
                self.api.read(under(&token)).await
            }
            other => other,
        }
    }
}

fn signed(call: RequestBuilder, header: &str) -> RequestBuilder {
    call.header(reqwest::header::AUTHORIZATION, header)
}

/// The id of an object.
pub fn id(raw: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Named {
        id: String,
    }
    Some(serde_json::from_str::<Named>(raw).ok()?.id)
}

/// The API's own words of a failure: a problem (RFC 7807), or a list of them.
pub fn spoken(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Said {
        #[serde(default)]
        title: String,
        #[serde(default)]
        detail: String,
        #[serde(default)]
        errors: Vec<Older>,
    }
    #[derive(serde::Deserialize)]
    struct Older {
        #[serde(default)]
        message: String,
    }
    let said: Said = serde_json::from_slice(body).ok()?;
    let older = said.errors.iter().map(|error| error.message.as_str());
    let all = [said.title.as_str(), said.detail.as_str()]
        .into_iter()
        .chain(older);
    let mut words: Vec<&str> = all.filter(|text| !text.trim().is_empty()).collect();
    words.dedup();
    (!words.is_empty()).then(|| words.join(": "))
}

/// Why a thing is not shown, as a sentence.
pub fn why(problem: Option<&Problem>) -> String {
    match problem {
        Some(problem) if !problem.detail.is_empty() => problem.detail.clone(),
        Some(problem) => problem.title.clone(),
        None => "the API shows nothing there".to_owned(),
    }
}

/// The account of an author among what came with a post.
pub fn author<'a>(includes: &'a Includes, id: &str) -> Option<&'a User> {
    includes.users.iter().find(|user| user.id == id)
}
