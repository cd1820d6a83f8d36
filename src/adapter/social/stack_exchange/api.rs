//! The calls, with the application's key and, where there is one, the account's token
//! (<https://api.stackexchange.com/docs>).
//!
//! Every failure is told with 400 and a number of the API's own (<https://api.stackexchange.com/docs/error-handling>);
//! here it becomes the status that it stands for. An answer may say for how long its method must not be called again
//! (`backoff`, <https://api.stackexchange.com/docs/throttle>): until then the call is not made. Answers are compressed
//! always. Fields that the API leaves out by default are asked for by a filter, which is made once in a run and never
//! ends (<https://api.stackexchange.com/docs/filters>); it is an "unsafe" one: its texts are as they were written, and
//! not escaped for a page.

use super::wire::{Filter, Question, Wrapper};
pub use crate::adapter::api::Failed;
use crate::adapter::api::{self, Mend};
use crate::adapter::http::{LEAST_WAIT, LONGEST_WAIT};
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Desk, Door, Grant, Start};
use crate::adapter::quota::{Quota, Told};
use crate::adapter::supervise::Lost;
use crate::config;
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Permit, PortError, Vault};
use chrono::TimeDelta;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use url::Url;

/// The API's version that this is written for.
const VERSION: &str = "2.3";
/// What is asked for beside what comes by default.
const FIELDS: &str =
    "question.body_markdown;answer.body_markdown;answer.link;comment.body_markdown;comment.link";
/// What a person allows us (<https://api.stackexchange.com/docs/authentication#scope>). `write_access` is wide: no
/// smaller one may comment. `no_expiry`, as there is nothing to renew a token by.
pub const SCOPES: &[&str] = &["read_inbox", "write_access", "no_expiry"];
/// The wait after a limit that does not say for how long.
const THROTTLED: TimeDelta = TimeDelta::seconds(60);
/// The share of a day's calls below which only new questions are looked for.
const SCARCE: f64 = 0.2;
/// The name under which a wait of all methods is kept.
const ALL: &str = "*";

const MEND: Mend = Mend {
    unauthorized: "the access token or the key is not accepted; `hearback connect` gets a new token, keys are at \
                   https://stackapps.com",
    forbidden: "the access token needs the scopes read_inbox and write_access, and the account a profile on the site",
};

/// What the supervisor does about a failure.
pub fn lost(error: Failed) -> Lost {
    error.lost(&MEND)
}

/// A failure before anything was published.
pub fn before(error: Failed) -> PortError {
    error.before(&MEND)
}

/// The way to a site.
pub struct Api {
    api: api::Api,
    grant: Option<Grant>,
    key: Option<SecretString>,
    site: String,
    door: Url,
    clock: Arc<dyn Clock>,
    filter: OnceCell<String>,
    /// Until when a method must not be called.
    rests: Mutex<HashMap<String, Instant>>,
}

impl Api {
    pub fn new(
        config: &config::StackExchange,
        publishing: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let desk = config.client_id.clone().map(|client_id| Desk {
            token_url: below(&config.oauth_url, &["access_token", "json"]),
            client_id,
            client_secret: config.client_secret.clone(),
            basic: false,
        });
        let start = Start {
            access: config.access_token.clone(),
            refresh: None,
        };
        let grant = match desk.is_some() || start.access.is_some() {
            true => Some(Grant::new(desk, start, &source, vault, clock.clone())?),
            false => None,
        };
        Ok(Self {
            api: api::Api::new(config.url.clone(), &source, publishing, clock.clone(), spoken)?,
            grant,
            key: config.key.clone(),
            site: config.site.clone(),
            door: config.oauth_url.clone(),
            clock,
            filter: OnceCell::new(),
            rests: Mutex::default(),
        })
    }

    /// What the API says about our quota.
    pub fn meter(&self) -> &Meter {
        self.api.meter()
    }

    /// The site, as the API names it.
    pub fn site(&self) -> &str {
        &self.site
    }

    /// Whether somebody let us in, so that the inbox can be read and answers be written.
    pub fn has_token(&self) -> bool {
        self.grant.is_some()
    }

    /// Where a person lets us in with a browser.
    pub fn entrance(&self) -> Option<(Door, &Grant)> {
        let grant = self
            .grant
            .as_ref()
            .filter(|grant| !grant.client_id().is_empty())?;
        let door = Door {
            authorise_url: self.door.clone(),
            scopes: SCOPES,
            extra: &[],
        };
        Some((door, grant))
    }

    /// Whether enough of the day's calls is left for more than new questions.
    pub fn is_rich(&self) -> bool {
        let quota = self.api.meter().last();
        quota.is_none_or(|quota| quota.left > quota.limit * SCARCE)
    }

    /// Reads what stands at a path, on the site, with the fields that are needed here.
    pub async fn list(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Wrapper, Failed> {
        let filter = self.filter().await?.to_owned();
        let mut query = query.to_vec();
        query.extend([("site", self.site.as_str()), ("filter", &filter)]);
        self.get(path, &query).await
    }

    /// The objects of these ids, one page of them; those that are gone are not among them.
    pub async fn these<T: DeserializeOwned>(&self, what: &str, ids: &[i64]) -> Result<Vec<T>, Failed> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = joined(ids);
        let page = self.list(&[what, &ids], &[("pagesize", "100")]).await?;
        page.items.iter().map(|raw| item(raw)).collect()
    }

    /// Reads what stands at a path.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Wrapper, Failed> {
        let method = method(path);
        self.rested(&method)?;
        let Some(grant) = &self.grant else {
            return self.read(path, query, None, &method).await;
        };
        let token = grant.access().await?;
        match self.read(path, query, Some(&token), &method).await {
            Err(error) if is_stale(&error) => {
                let token = grant.renew(&token).await?;
                self.read(path, query, Some(&token), &method).await
            }
            other => other,
        }
    }

    async fn read(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        token: Option<&SecretString>,
        method: &str,
    ) -> Result<Wrapper, Failed> {
        let call = self.api.reader().get(self.at(path)).query(query);
        let call = call.query(&self.names(token));
        let answer = self.api.read(call).await;
        self.note(method, answer.and_then(|answer| answer.decode()))
    }

    /// Writes: one attempt, on a connection of its own.
    pub async fn publish(
        &self,
        path: &[&str],
        text: &str,
        allowed: (Duration, &Permit),
    ) -> Result<Wrapper, Failed> {
        let method = method(path);
        self.rested(&method)?;
        let Some(grant) = &self.grant else {
            return Err(Failed::Unreached("there is no access token".to_owned()));
        };
        let filter = self.filter().await.map_err(Failed::unsent)?.to_owned();
        let token = grant.access().await.map_err(Failed::unsent)?;
        let mut form = vec![("body", text), ("site", &self.site), ("filter", &filter)];
        form.extend(self.names(Some(&token)));
        let call = self.api.writer().post(self.at(path)).form(&form);
        let answer = self.api.publish(call, allowed).await;
        self.note(&method, answer.and_then(|answer| answer.decode()))
    }

    /// What is said of the token itself.
    pub async fn token(&self) -> Result<Option<super::wire::Token>, Failed> {
        let Some(grant) = &self.grant else { return Ok(None) };
        let token = grant.access().await?;
        let page = self.get(&["access-tokens", token.expose_secret()], &[]).await?;
        page.items.first().map(|raw| item(raw)).transpose()
    }

    /// The time that the server says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.at(&["errors"])).await
    }

    /// The filter with the fields that are needed here.
    pub async fn filter(&self) -> Result<&str, Failed> {
        let making = self.filter.get_or_try_init(|| async {
            let query = [("include", FIELDS), ("base", "default"), ("unsafe", "true")];
            let page = self.get(&["filters", "create"], &query).await?;
            let none = || Failed::Broken("the API makes no filter".to_owned());
            let made: Filter = item(page.items.first().ok_or_else(none)?)?;
            Ok(made.filter)
        });
        making.await.map(String::as_str)
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut whole = vec![VERSION];
        whole.extend(path);
        self.api.at(&whole)
    }

    /// As whom we call.
    fn names<'a>(&'a self, token: Option<&'a SecretString>) -> Vec<(&'static str, &'a str)> {
        let key = self.key.as_ref().map(|key| ("key", key.expose_secret()));
        let token = token.map(|token| ("access_token", token.expose_secret()));
        key.into_iter().chain(token).collect()
    }

    /// Notes what an answer says of later calls.
    fn note(&self, method: &str, answer: Result<Wrapper, Failed>) -> Result<Wrapper, Failed> {
        let now = self.clock.now();
        match answer {
            Ok(page) => {
                if let Some(seconds) = page.backoff {
                    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX).min(86_400);
                    self.held()
                        .insert(method.to_owned(), now + TimeDelta::seconds(seconds));
                }
                if let (Some(limit), Some(left)) = (page.quota_max, page.quota_remaining)
                    && limit > 0.0
                {
                    let quota = Quota { limit, left };
                    self.api.meter().tell(Told { quota, regain: None });
                }
                Ok(page)
            }
            Err(error) => Err(self.known(error)),
        }
    }

    /// What a failure stands for.
    fn known(&self, error: Failed) -> Failed {
        let number = number(&error);
        let Failed::Status { told: Some(told), .. } = &error else {
            return error;
        };
        let status = match number {
            // A limit of calls that is reached ends for all methods at once.
            Some(502) => {
                let until = self.clock.now() + seconds(told).unwrap_or(THROTTLED);
                self.held().insert(ALL.to_owned(), until);
                return Failed::Limited(wait(until - self.clock.now()));
            }
            // No token, one that is not accepted, no key, a token that leaked.
            Some(401 | 402 | 405 | 406) => StatusCode::UNAUTHORIZED,
            Some(number) => StatusCode::from_u16(number).unwrap_or(StatusCode::BAD_REQUEST),
            None => return error,
        };
        Failed::Status {
            status,
            told: Some(told.clone()),
        }
    }

    /// Whether a method may be called now.
    fn rested(&self, method: &str) -> Result<(), Failed> {
        let now = self.clock.now();
        let mut rests = self.held();
        rests.retain(|_, until| now < *until);
        let until = [method, ALL].iter().filter_map(|name| rests.get(*name)).max();
        match until {
            Some(until) => Err(Failed::Limited(wait(*until - now))),
            None => Ok(()),
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of the items of an answer.
pub fn item<T: DeserializeOwned>(raw: &RawValue) -> Result<T, Failed> {
    api::decode(raw.get().as_bytes())
}

/// Ids as a path has them.
pub fn joined(ids: &[i64]) -> String {
    let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
    ids.join(";")
}

/// Whether a question is closed or locked, in words.
pub fn closed(question: &Question, to_answers: bool) -> Option<&'static str> {
    match (question.locked_date, question.closed_date) {
        (Some(_), _) => Some("moderators locked it"),
        (None, Some(_)) if to_answers => Some("the question is closed, and takes no answers"),
        (None, _) => None,
    }
}

/// The number that the API gave a failure.
pub fn number(error: &Failed) -> Option<u16> {
    match error {
        Failed::Status { told: Some(told), .. } => told.split(' ').next()?.parse().ok(),
        Failed::Status { told: None, .. } | Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => {
            None
        }
    }
}

fn is_stale(error: &Failed) -> bool {
    matches!(number(error), Some(402 | 406))
}

/// A path without the ids in it: waits are told by method.
fn method(path: &[&str]) -> String {
    let names = path
        .iter()
        .map(|part| match part.starts_with(|c: char| c.is_ascii_digit()) {
            true => "{ids}",
            false => part,
        });
    names.collect::<Vec<_>>().join("/")
}

fn below(url: &Url, path: &[&str]) -> Url {
    let mut url = url.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

fn wait(left: TimeDelta) -> Duration {
    left.to_std().unwrap_or_default().clamp(LEAST_WAIT, LONGEST_WAIT)
}

/// The seconds after which there are calls again, as the message of a limit names them.
fn seconds(told: &str) -> Option<TimeDelta> {
    let (before, _) = told.rsplit_once(" second")?;
    let number: i64 = before.rsplit(' ').next()?.parse().ok()?;
    Some(TimeDelta::seconds(number.clamp(1, 86_400)))
}

/// The API's own words, behind its number: `{"error_id": 403, "error_name": …, "error_message": …}`.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error_id: u16,
        error_name: String,
        #[serde(default)]
        error_message: String,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(format!(
        "{} {}: {}",
        told.error_id, told.error_name, told.error_message
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        "502 throttle_violation: too many requests from this IP, more requests available in 85316 seconds",
        Some(85_316)
    )]
    #[case("502 throttle_violation: too many requests from this IP", None)]
    fn a_limit_says_for_how_long(#[case] told: &str, #[case] wanted: Option<i64>) {
        assert_eq!(seconds(told), wanted.map(TimeDelta::seconds));
    }

    #[test]
    fn waits_are_kept_by_method() {
        assert_eq!(
            method(&["questions", "1;2", "answers"]),
            "questions/{ids}/answers"
        );
        assert_eq!(method(&["search", "advanced"]), "search/advanced");
    }
}
