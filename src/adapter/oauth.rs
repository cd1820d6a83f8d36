//! OAuth 2.0 (<https://www.rfc-editor.org/rfc/rfc6749>): where a platform's access token comes from, and how
//! it is renewed so that no brand is locked out.
//!
//! Many platforms give a new refresh token with every renewal and forget the old one. So: one renewal at a
//! time; the new tokens are stored before they are used; it is renewed early, while the old access token
//! still holds; an answer that was lost changes nothing, the same refresh token is tried again; and if the
//! platform refuses it, what is stored is read once more, because another process may have been faster.

use super::api::{Answer, Api, Failed};
use crate::domain::{Clock, Instant, SourceName};
use crate::port::{Unkept, Vault};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;
use url::Url;

/// How long the token's address may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Under this name tokens are kept.
const KEPT: &str = "oauth";
/// How long nothing is asked after a renewal that failed.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The least and the most before its end that an access token is renewed; between them a fifth of its life.
const LEAST_EARLY: TimeDelta = TimeDelta::seconds(60);
const MOST_EARLY: TimeDelta = TimeDelta::days(1);

/// Where a platform hands out tokens, and as whom we ask.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The token endpoint.
    pub token_url: Url,
    /// Our application.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<SecretString>,
    /// Whether the application is named by HTTP Basic instead of in the form.
    pub basic: bool,
}

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

/// What the token endpoint answers (RFC 6749, 5.1).
#[derive(Deserialize)]
struct Given {
    access_token: String,
    refresh_token: Option<String>,
    expires_in: Option<f64>,
}

/// What is known, and who may change it.
#[derive(Default)]
struct Held {
    /// Given by the platform and not stored yet: not used before it is.
    unstored: Option<Tokens>,
    /// Nothing is asked before this.
    rests: Option<(Instant, Failed)>,
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
                let api = Api::new(desk.token_url.clone(), source, PATIENCE, clock.clone(), spoken)?;
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

    /// Makes a call that reads under the token, and once more under a new one where it is not accepted.
    ///
    /// # Errors
    /// As [`Self::access`], or it had no success.
    pub async fn under<T, F: Future<Output = Result<T, Failed>>>(
        &self,
        call: impl Fn(SecretString) -> F,
    ) -> Result<T, Failed> {
        let token = self.access().await?;
        match call(token.clone()).await {
            Err(Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            }) => call(self.renew(&token).await?).await,
            other => other,
        }
    }

    /// Our application; empty where the token is fixed.
    #[must_use]
    pub fn client_id(&self) -> &str {
        self.0.desk.as_ref().map_or("", |(desk, _)| &desk.client_id)
    }

    /// A token other than `stale`. In a task of its own: a caller that goes away, as at the deadline of a reply,
    /// must not take the answer with it, for the platform may have made the old refresh token worthless.
    async fn newer(&self, stale: Option<&str>) -> Result<SecretString, Failed> {
        let (inner, stale) = (Arc::clone(&self.0), stale.map(str::to_owned));
        let renewing = TaskTracker::new().spawn(async move { inner.newer(stale.as_deref()).await });
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
            self.store(&unstored).await?;
            held.unstored = None;
            return self.know(unstored);
        }
        let Some((desk, api)) = &self.desk else {
            return match self.start.access.clone().filter(|_| stale.is_none()) {
                Some(token) => self.know(self.begun()).map(|_| token),
                None => Err(none("the configured token is not accepted")),
            };
        };
        if let Some((until, why)) = &held.rests
            && now < *until
        {
            return Err(why.clone());
        }
        // What is stored may have been renewed by another process, or written by `connect`.
        let stored = self.stored().await?;
        let in_force = |tokens: &Tokens| tokens.renew.is_none_or(|at| now < at) || tokens.refresh.is_none();
        if other(&stored) && in_force(&stored) {
            return self.know(stored);
        }
        if stale.is_none() && stored.access.is_some() {
            // It holds still, and may be needed if it cannot be renewed now.
            self.know(stored.clone())?;
        }
        let Some(refresh) = stored.refresh.clone() else {
            return Err(none("the token has ended, and there is no refresh token"));
        };
        match self.ask(api, desk, &refresh).await {
            Ok(given) => {
                held.rests = None;
                let tokens = self.given(given, Some(refresh));
                held.unstored = Some(tokens.clone());
                self.store(&tokens).await?;
                held.unstored = None;
                self.know(tokens)
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
                held.rests = Some((now + PAUSE, why.clone()));
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
        let stored = self.vault.get(&self.source, KEPT).await.map_err(unkept)?;
        let stored = stored.and_then(|text| serde_json::from_str::<Tokens>(text.expose_secret()).ok());
        Ok(stored
            .filter(|tokens| tokens.from == self.mark)
            .unwrap_or_else(|| self.begun()))
    }

    async fn store(&self, tokens: &Tokens) -> Result<(), Failed> {
        let text = serde_json::to_string(tokens).map_err(|error| Failed::Broken(error.to_string()))?;
        self.vault
            .put(&self.source, KEPT, &text.into())
            .await
            .map_err(unkept)
    }

    async fn ask(&self, api: &Api, desk: &Desk, refresh: &str) -> Result<Given, Failed> {
        if self.wrapped {
            return ask_wrapped(api, desk, refresh).await;
        }
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        call(api, desk, &form).await?.decode()
    }

    fn given(&self, given: Given, refresh: Option<String>) -> Tokens {
        let now = self.clock.now();
        let lasts = given.expires_in.filter(|seconds| (0.0..1e10).contains(seconds));
        #[expect(clippy::cast_possible_truncation, reason = "checked just now")]
        let lasts = lasts.map(|seconds| TimeDelta::seconds(seconds as i64));
        Tokens {
            from: self.mark.clone(),
            access: Some(given.access_token),
            refresh: given.refresh_token.or(refresh),
            renew: lasts.map(|lasts| now + lasts - (lasts / 5).clamp(LEAST_EARLY, MOST_EARLY)),
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
        let tokens = self.given(call(api, desk, &form).await?.decode()?, None);
        held.unstored = Some(tokens.clone());
        self.store(&tokens).await?;
        held.unstored = None;
        self.know(tokens).map(drop)
    }
}

/// Asks a desk that wraps. A code that begins with 4 is about the request, so about the refresh token.
async fn ask_wrapped(api: &Api, desk: &Desk, refresh: &str) -> Result<Given, Failed> {
    #[derive(Deserialize)]
    struct Wrapped {
        code: i64,
        #[serde(default)]
        message: String,
        #[serde(default)]
        data: serde_json::Value,
    }
    let body = serde_json::json!({
        "client_id": desk.client_id,
        "client_secret": desk.client_secret.as_ref().map(|secret| secret.expose_secret()),
        "grant_type": "refresh_token",
        "refresh_token": refresh,
    });
    let answer = api
        .read(api.writer().post(desk.token_url.clone()).json(&body))
        .await?;
    let told: Wrapped = answer.decode()?;
    let said = format!("{}: {}", told.code, told.message);
    match told.code {
        0 => serde_json::from_value(told.data)
            .map_err(|error| Failed::Broken(format!("the answer is not what the API describes ({error})"))),
        40_100 => Err(Failed::Limited(super::http::DEFAULT_WAIT)),
        40_000..=49_999 => Err(Failed::Status {
            status: StatusCode::BAD_REQUEST,
            told: Some(format!("invalid_grant: {said}")),
        }),
        _ => Err(Failed::Broken(said)),
    }
}

async fn call(api: &Api, desk: &Desk, form: &[(&str, &str)]) -> Result<Answer, Failed> {
    // The writing client: what gives a token must not be repeated on its own.
    let call = api.writer().post(desk.token_url.clone());
    let mut form = form.to_vec();
    let secret = desk.client_secret.as_ref().map(|secret| secret.expose_secret());
    let call = if desk.basic {
        call.basic_auth(&desk.client_id, secret)
    } else {
        form.extend(secret.map(|secret| ("client_secret", secret)));
        call
    };
    form.push(("client_id", &desk.client_id));
    api.read(
        call.header(reqwest::header::ACCEPT, "application/json")
            .form(&form),
    )
    .await
}

/// Where a person lets us in, with a browser.
#[derive(Debug, Clone)]
pub struct Door {
    /// The authorisation endpoint.
    pub authorise_url: Url,
    /// What we ask for. Nothing here lets us remove, hide or report what a customer wrote.
    pub scopes: &'static [&'static str],
    /// What the platform wants to be told beside that.
    pub extra: &'static [(&'static str, &'static str)],
}

/// A walk through the door: what the browser is sent with, and what it has to bring back.
pub struct Walk {
    /// The address to open.
    pub url: Url,
    /// Brought back unchanged, or it is somebody else's.
    pub state: String,
    /// Shows that who redeems the code is who asked for it (<https://www.rfc-editor.org/rfc/rfc7636>).
    pub verifier: String,
    /// Where the browser is sent back to.
    pub redirect: Url,
}

impl Door {
    /// Begins a walk.
    #[must_use]
    pub fn walk(&self, client_id: &str, redirect: Url) -> Walk {
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        let (state, verifier) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let mut url = self.authorise_url.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", client_id)
            .append_pair("redirect_uri", redirect.as_str())
            .append_pair("scope", &self.scopes.join(" "))
            .append_pair("state", &state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(self.extra);
        Walk {
            url,
            state,
            verifier,
            redirect,
        }
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

/// The endpoint's own words: `{"error": CODE, "error_description": …}` (RFC 6749, 5.2).
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: String,
        error_description: Option<String>,
    }
    let told: Told = serde_json::from_slice(body).ok()?;
    Some(match told.error_description {
        Some(description) => format!("{}: {description}", told.error),
        None => told.error,
    })
}
