//! OAuth 2.0 (<https://www.rfc-editor.org/rfc/rfc6749>): where a platform's access token comes from, and how
//! it is renewed so that no brand is locked out.
//!
//! Many platforms give a new refresh token with every renewal and forget the old one. So: one renewal at a
//! time; the new tokens are stored before they are used; it is renewed early, while the old access token
//! still holds; an answer that was lost changes nothing, the same refresh token is tried again; and if the
//! platform refuses it, what is stored is read once more, because another process may have been faster.

mod desk;
mod door;

pub use desk::Desk;
pub use door::{Door, Walk};

use super::api::{Api, Failed};
use super::tokens::{Handed, Pace};
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Unkept, Vault};
use chrono::TimeDelta;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use url::Url;

/// How long the token's address may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Under this name tokens are kept.
const KEPT: &str = "oauth";
/// The least and the most before its end that an access token is renewed; between them a fifth of its life. Of a
/// very short life half.
const LEAST_EARLY: TimeDelta = TimeDelta::seconds(60);
const MOST_EARLY: TimeDelta = TimeDelta::days(1);

/// What the configuration gives to begin with.
#[derive(Debug, Clone, Default)]
pub struct Start {
    /// An access token.
    pub access: Option<SecretString>,
    /// A refresh token.
    pub refresh: Option<SecretString>,
}

impl Start {
    /// What tells these from others, without telling them. A stored token that came of others is not used:
    /// somebody wrote new ones into the configuration.
    fn mark(&self, desk: Option<&Desk>) -> String {
        let mut hash = Sha256::new();
        let secret =
            |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        let client = desk.map(|desk| desk.client_id.clone());
        for part in [client, secret(&self.access), secret(&self.refresh)] {
            let part = part.unwrap_or_default();
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        hex::encode(hash.finalize())
    }
}

/// The tokens in force.
#[derive(Clone, Serialize, Deserialize)]
struct Tokens {
    /// What they came of.
    from: String,
    access: Option<String>,
    refresh: Option<String>,
    /// From when on they are renewed, and when the access token ends.
    renew: Option<Instant>,
    ends: Option<Instant>,
}

impl Tokens {
    fn secret(&self) -> Option<SecretString> {
        self.access.clone().map(Into::into)
    }
}

/// What is known, and who may change it.
#[derive(Default)]
struct Held {
    /// Given by the platform and not stored yet: not used before it is.
    unstored: Option<Tokens>,
    pace: Pace,
}

/// Where the access token of a source comes from.
pub struct Grant(Arc<Inner>);

struct Inner {
    desk: Option<(Desk, Api)>,
    start: Start,
    mark: String,
    source: SourceName,
    vault: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    tokens: RwLock<Option<Arc<Tokens>>>,
    /// Who holds it reads or renews; all others wait for that.
    gate: Mutex<Held>,
    /// Whether the desk wraps what it takes and gives, see [`Grant::wrapped`].
    wrapped: bool,
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Grant")
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

impl Grant {
    /// The grant of a source. Without a desk the access token is the configured one, for ever.
    ///
    /// # Errors
    /// The desk's address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        desk: Option<Desk>,
        start: Start,
        source: &SourceName,
        vault: Arc<dyn Vault>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let mark = start.mark(desk.as_ref());
        let desk = match desk {
            Some(desk) => {
                let api = Api::new(
                    desk.token_url.clone(),
                    source,
                    PATIENCE,
                    clock.clone(),
                    desk::spoken,
                )?;
                Some((desk, api))
            }
            None => None,
        };
        Ok(Self(Arc::new(Inner {
            desk,
            start,
            mark,
            source: source.clone(),
            vault,
            clock,
            tokens: RwLock::default(),
            gate: Mutex::default(),
            wrapped: false,
        })))
    }

    /// For a desk that takes JSON, wraps what it gives in `data`, and tells of failures by a `code` with the
    /// status 200: TikTok's (<https://business-api.tiktok.com/portal/docs?id=1832209711206401>).
    #[must_use]
    pub fn wrapped(mut self) -> Self {
        // Nobody else has it yet.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.wrapped = true;
        }
        self
    }

    /// The token to use now; renewed early, before it ends.
    ///
    /// # Errors
    /// 401 with the mend where there is none; otherwise why none can be had now.
    pub async fn access(&self) -> Result<SecretString, Failed> {
        let now = self.0.clock.now();
        let known = self.0.known();
        let fresh = known
            .as_ref()
            .filter(|tokens| tokens.renew.is_none_or(|at| now < at));
        if let Some(token) = fresh.and_then(|tokens| tokens.secret()) {
            return Ok(token);
        }
        let stale = known.as_ref().and_then(|tokens| tokens.access.clone());
        let renewed = self.newer(stale.as_deref()).await;
        // While the old one holds, nothing is lost by a renewal that fails.
        let holds = self
            .0
            .known()
            .filter(|tokens| tokens.ends.is_some_and(|at| now < at));
        match (renewed, holds.and_then(|tokens| tokens.secret())) {
            (Ok(token), _) | (Err(_), Some(token)) => Ok(token),
            (Err(error), None) => Err(error),
        }
    }

    /// A newer one than `stale`, which the platform refused.
    ///
    /// # Errors
    /// As [`Self::access`].
    pub async fn renew(&self, stale: &SecretString) -> Result<SecretString, Failed> {
        self.newer(Some(stale.expose_secret())).await
    }

    /// Makes a call that reads, and once more with a newer token where this one is not accepted.
    ///
    /// # Errors
    /// As [`Self::access`], or the call had no success.
    pub async fn under<T, F>(&self, call: impl Fn(SecretString) -> F) -> Result<T, Failed>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let token = self.access().await?;
        match call(token.clone()).await {
            Err(error) if error.is_unauthorized() => call(self.renew(&token).await?).await,
            done => done,
        }
    }

    /// Our application; empty where the token is fixed.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.0.desk.as_ref().map_or("", |(desk, _)| &desk.client_id)
    }

    /// A token other than `stale`. In a task of its own: a caller that goes away, as at the deadline of a reply
    /// or when the process stops, must not take the answer with it, for the platform may have made the old
    /// refresh token worthless.
    async fn newer(&self, stale: Option<&str>) -> Result<SecretString, Failed> {
        let (inner, stale) = (Arc::clone(&self.0), stale.map(str::to_owned));
        let under_way = self.0.vault.under_way();
        let renewing = under_way.spawn(async move { inner.newer(stale.as_deref()).await });
        let ended = renewing.await;
        ended.unwrap_or_else(|error| Err(Failed::Broken(format!("the renewal ended early: {error}"))))
    }

    /// Takes the code that the platform gave to the browser (RFC 6749, 4.1.3), and stores what it is worth.
    ///
    /// # Errors
    /// The platform does not take it, or nothing can be stored.
    pub async fn redeem(&self, code: &str, redirect: &Url, verifier: &str) -> Result<(), Failed> {
        self.0.redeem(code, redirect, verifier).await
    }
}

impl Inner {
    fn known(&self) -> Option<Arc<Tokens>> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn know(&self, tokens: Tokens) -> Result<SecretString, Failed> {
        let token = tokens.secret();
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(tokens));
        token.ok_or_else(|| none("no token is stored"))
    }

    /// A token other than `stale`.
    async fn newer(&self, stale: Option<&str>) -> Result<SecretString, Failed> {
        let mut held = self.gate.lock().await;
        let now = self.clock.now();
        let other = |tokens: &Tokens| tokens.access.is_some() && tokens.access.as_deref() != stale;
        if let Some(known) = self.known()
            && other(&known)
            && let Some(token) = known.secret()
        {
            return Ok(token);
        }
        if let Some(unstored) = held.unstored.clone() {
            return self.take(&mut held, unstored).await;
        }
        let Some((desk, api)) = &self.desk else {
            return match self.start.access.clone().filter(|_| stale.is_none()) {
                Some(token) => self.know(self.begun()).map(|_| token),
                None => Err(none("the configured token is not accepted")),
            };
        };
        // What is stored may have been renewed by another process, or written by `connect`.
        let stored = self.stored().await?;
        let in_force = |tokens: &Tokens| tokens.renew.is_none_or(|at| now < at) || tokens.refresh.is_none();
        if other(&stored) {
            let token = self.know(stored.clone())?;
            if in_force(&stored) {
                held.pace = Pace::default();
                return Ok(token);
            }
            // It holds still, and is needed if it cannot be renewed now.
        }
        if let Some(why) = held.pace.rests(now) {
            return Err(why);
        }
        let Some(refresh) = stored.refresh.clone() else {
            return Err(none("the token has ended, and there is no refresh token"));
        };
        match self.ask(api, desk, &refresh).await {
            Ok(given) => {
                held.pace = Pace::default();
                self.take(&mut held, self.given(given, Some(refresh))).await
            }
            Err(error) => {
                let again = if is_refusal(&error) {
                    self.stored().await.ok()
                } else {
                    None
                };
                if let Some(again) = again.filter(|again| again.refresh != stored.refresh) {
                    return self.know(again);
                }
                let why = if is_refusal(&error) {
                    none(&format!("the refresh token is not accepted ({error})"))
                } else {
                    error
                };
                held.pace.end(&why, now);
                Err(why)
            }
        }
    }

    /// What the configuration says.
    fn begun(&self) -> Tokens {
        let text =
            |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        Tokens {
            from: self.mark.clone(),
            access: text(&self.start.access),
            refresh: text(&self.start.refresh),
            renew: None,
            ends: None,
        }
    }

    /// What is stored, or what the configuration says where that is newer.
    async fn stored(&self) -> Result<Tokens, Failed> {
        let Some(text) = self.vault.get(&self.source, KEPT).await.map_err(unkept)? else {
            return Ok(self.begun());
        };
        // What the configuration says is older than what is stored: it must not be shown to the platform again.
        let stored: Tokens = serde_json::from_str(text.expose_secret())
            .map_err(|_| none("what is stored for this source is not of this version of Hearback"))?;
        Ok(if stored.from == self.mark {
            stored
        } else {
            self.begun()
        })
    }

    /// Stores what was given, and uses it then.
    async fn take(&self, held: &mut Held, tokens: Tokens) -> Result<SecretString, Failed> {
        held.unstored = Some(tokens.clone());
        self.store(&tokens).await?;
        held.unstored = None;
        self.know(tokens)
    }

    async fn store(&self, tokens: &Tokens) -> Result<(), Failed> {
        let text = serde_json::to_string(tokens).map_err(|error| Failed::Broken(error.to_string()))?;
        self.vault
            .put(&self.source, KEPT, &text.into())
            .await
            .map_err(unkept)
    }

    async fn ask(&self, api: &Api, desk: &Desk, refresh: &str) -> Result<Handed, Failed> {
        if self.wrapped {
            return desk::ask_wrapped(api, desk, refresh).await;
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        desk::call(api, desk, &form).await?.decode()
    }

    fn given(&self, given: Handed, refresh: Option<String>) -> Tokens {
        let now = self.clock.now();
        let lasts = given.expires_in.and_then(|lasts| TimeDelta::from_std(lasts).ok());
        let early = |lasts: TimeDelta| (lasts / 5).clamp(LEAST_EARLY, MOST_EARLY).min(lasts / 2);
        let next = given.refresh_token.map(|next| next.expose_secret().to_owned());
        Tokens {
            from: self.mark.clone(),
            access: Some(given.access_token.expose_secret().to_owned()),
            refresh: next.filter(|next| !next.is_empty()).or(refresh),
            renew: lasts.map(|lasts| now + lasts - early(lasts)),
            ends: lasts.map(|lasts| now + lasts),
        }
    }

    async fn redeem(&self, code: &str, redirect: &Url, verifier: &str) -> Result<(), Failed> {
        let Some((desk, api)) = &self.desk else {
            return Err(none("no client_id is configured"));
        };
        let mut held = self.gate.lock().await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect.as_str()),
            ("code_verifier", verifier),
        ];
        let given = desk::call(api, desk, &form).await?.decode()?;
        self.take(&mut held, self.given(given, None)).await.map(drop)
    }
}

/// 401, with what somebody can do.
fn none(why: &str) -> Failed {
    Failed::Status {
        status: StatusCode::UNAUTHORIZED,
        told: Some(format!("{why}; `hearback connect` gets a new one")),
    }
}

/// Whether the platform refuses the refresh token itself (RFC 6749, 5.2).
fn is_refusal(error: &Failed) -> bool {
    matches!(error, Failed::Status { status, told: Some(told) }
        if status.is_client_error() && told.contains("invalid_grant"))
}

fn unkept(error: Unkept) -> Failed {
    Failed::Broken(format!("the stored token cannot be read or written: {error}"))
}
