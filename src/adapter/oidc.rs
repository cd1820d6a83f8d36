//! Who calls us, by a token of Google's: what Pub/Sub shows with each push
//! (<https://docs.cloud.google.com/pubsub/docs/authenticate-push-subscriptions>).

use super::api::{Api, Failed};
use crate::domain::{Clock, Instant};
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use tokio::sync::Mutex;
use url::Url;

/// Where Google's public keys are.
const KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";
/// Who signs.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];
/// How far clocks may be apart.
const SKEW: i64 = 60;
/// How long keys are believed, and how soon they are read again for one that is not among them.
const FRESH: TimeDelta = TimeDelta::hours(6);
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// How long they are believed at most where no newer ones can be read.
const OLDEST: TimeDelta = TimeDelta::hours(24);

/// A public key (RFC 7517).
#[derive(Debug, Clone, Deserialize)]
struct Key {
    kid: String,
    n: String,
    e: String,
}

#[derive(Deserialize)]
struct Keys {
    keys: Vec<Key>,
}

#[derive(Default)]
struct Held {
    keys: Vec<Key>,
    read_at: Option<Instant>,
    /// When it was last asked for them in vain, and why.
    failed: Option<(Instant, Failed)>,
}

/// Why a caller is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stranger {
    /// The token is not there, or not right.
    Unproven(&'static str),
    /// Google's keys cannot be read now.
    NoKeys(Failed),
}

/// Whom we expect.
pub struct Caller {
    audience: String,
    email: String,
    at: Url,
    clock: Arc<dyn Clock>,
    held: Mutex<Held>,
}

impl Caller {
    /// The service account whose tokens are made for this audience. `keys`: where Google's keys are, if not
    /// where they are.
    ///
    /// # Errors
    /// The address of the keys is none.
    pub fn new(
        audience: String,
        email: String,
        keys: Option<Url>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let at = match keys {
            Some(at) => at,
            None => Url::parse(KEYS)?,
        };
        Ok(Self {
            audience,
            email,
            at,
            clock,
            held: Mutex::default(),
        })
    }

    /// Whether a request comes from them.
    ///
    /// # Errors
    /// It does not, or nobody can tell now.
    pub async fn verify(&self, api: &Api, headers: &HeaderMap) -> Result<(), Stranger> {
        let unproven = Stranger::Unproven;
        let mut told = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(told), None) = (told.next(), told.next()) else {
            return Err(unproven("the request needs one Authorization header"));
        };
        let told = told.to_str().ok().and_then(|told| told.strip_prefix("Bearer "));
        let token = told.ok_or(unproven("the Authorization header is no Bearer token"))?;
        let parts = Parts::of(token).ok_or(unproven("the token is none"))?;
        let key = self
            .key(api, &parts.kid)
            .await?
            .ok_or(unproven("the token's key is not Google's"))?;
        if !parts.is_signed_by(&key) {
            return Err(unproven("the token's signature does not fit"));
        }
        self.check(&parts.claims).map_err(unproven)
    }

    fn check(&self, claims: &Claims) -> Result<(), &'static str> {
        let now = self.clock.now().timestamp();
        if !ISSUERS.contains(&claims.iss.as_str()) {
            return Err("the token is not from Google");
        }
        if claims.exp + SKEW <= now || claims.iat - SKEW > now {
            return Err("the token is not of this time");
        }
        if claims.aud != self.audience {
            return Err("the token is for another audience");
        }
        if claims.email != self.email || !claims.email_verified {
            return Err("the token is of another account");
        }
        Ok(())
    }

    /// Google's key of this name. Keys change every few days: one that is not known is looked for. Strangers can
    /// name as many as they like: Google is asked once a minute for them, whether it answers or not.
    async fn key(&self, api: &Api, kid: &str) -> Result<Option<Key>, Stranger> {
        let mut held = self.held.lock().await;
        let now = self.clock.now();
        let known = held.keys.iter().find(|key| key.kid == kid).cloned();
        let since = |at: Instant| now - at;
        let age = held.read_at.map(since);
        let fresh = age.is_some_and(|age| age < if known.is_some() { FRESH } else { AGAIN });
        if fresh {
            return Ok(known);
        }
        // One that is known is believed for a while longer where no newer ones can be had.
        let or_known = |why: &Failed| match &known {
            Some(known) if age.is_some_and(|age| age < OLDEST) => Ok(Some(known.clone())),
            Some(_) | None => Err(Stranger::NoKeys(why.clone())),
        };
        if let Some((_, why)) = held.failed.as_ref().filter(|(at, _)| since(*at) < AGAIN) {
            return or_known(why);
        }
        let call = api.reader().get(self.at.clone());
        match api.read(call).await.and_then(|answer| answer.decode::<Keys>()) {
            Ok(Keys { keys }) => {
                let key = keys.iter().find(|key| key.kid == kid).cloned();
                *held = Held {
                    keys,
                    read_at: Some(now),
                    failed: None,
                };
                Ok(key)
            }
            Err(why) => {
                held.failed = Some((now, why.clone()));
                or_known(&why)
            }
        }
    }
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    #[serde(default)]
    email: String,
    #[serde(default)]
    email_verified: bool,
}

/// A token, taken apart; nothing of it is believed yet.
struct Parts<'a> {
    kid: String,
    signed: &'a str,
    signature: Vec<u8>,
    claims: Claims,
}

impl<'a> Parts<'a> {
    fn of(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        let head: Head = part(head)?;
        (head.alg == "RS256").then_some(())?;
        Some(Self {
            kid: head.kid,
            signed,
            signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
            claims: part(claims)?,
        })
    }

    fn is_signed_by(&self, key: &Key) -> bool {
        let (Ok(n), Ok(e)) = (URL_SAFE_NO_PAD.decode(&key.n), URL_SAFE_NO_PAD.decode(&key.e)) else {
            return false;
        };
        let key = RsaPublicKeyComponents { n, e };
        key.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            self.signed.as_bytes(),
            &self.signature,
        )
        .is_ok()
    }
}

fn part<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ManualClock;
    use rstest::rstest;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    fn claims(aud: &str, email: &str, verified: bool, from: i64, to: i64) -> Claims {
        Claims {
            iss: "https://accounts.google.com".to_owned(),
            aud: aud.to_owned(),
            exp: to,
            iat: from,
            email: email.to_owned(),
            email_verified: verified,
        }
    }

    #[rstest]
    #[case::right("us", "push@x", true, 0, 3600, true)]
    #[case::audience("them", "push@x", true, 0, 3600, false)]
    #[case::account("us", "other@x", true, 0, 3600, false)]
    #[case::unverified("us", "push@x", false, 0, 3600, false)]
    #[case::over("us", "push@x", true, -7200, -61, false)]
    #[case::tomorrow("us", "push@x", true, 86_400, 90_000, false)]
    fn what_a_token_says_is_checked(
        #[case] aud: &str,
        #[case] email: &str,
        #[case] verified: bool,
        #[case] from: i64,
        #[case] to: i64,
        #[case] good: bool,
    ) {
        let clock = ManualClock::default();
        let now = clock.now().timestamp();
        let caller = Caller::new("us".to_owned(), "push@x".to_owned(), None, Arc::new(clock)).unwrap();
        let told = claims(aud, email, verified, now + from, now + to);
        assert_eq!(caller.check(&told).is_ok(), good);
    }

    #[tokio::test]
    async fn whatever_strangers_name_google_is_asked_once_a_minute() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        static BROKEN: AtomicBool = AtomicBool::new(false);
        let keys = || async {
            ASKED.fetch_add(1, Ordering::SeqCst);
            if BROKEN.load(Ordering::SeqCst) {
                return Err(axum::http::StatusCode::BAD_GATEWAY);
            }
            Ok(r#"{"keys": [{"kid": "known", "n": "AQAB", "e": "AQAB"}]}"#)
        };
        let router = axum::Router::new().route("/", axum::routing::get(keys));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, router).await });

        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let patience = std::time::Duration::from_secs(5);
        let api = Api::new(at.clone(), &"maps".into(), patience, shared.clone(), |_| None).unwrap();
        let caller = Caller::new("us".to_owned(), "push@x".to_owned(), Some(at), shared).unwrap();
        let looked = async |kid: &str| {
            let key = caller.key(&api, kid).await;
            (key.map(|key| key.is_some()), ASKED.load(Ordering::SeqCst))
        };
        assert_eq!(looked("strange").await, (Ok(false), 1));
        assert_eq!(looked("stranger").await, (Ok(false), 1));
        assert_eq!(looked("known").await, (Ok(true), 1));
        BROKEN.store(true, Ordering::SeqCst);
        clock.advance(std::time::Duration::from_secs(61));
        let (unanswered, asked) = looked("strange").await;
        assert!(matches!(unanswered, Err(Stranger::NoKeys(_))) && asked == 2);
        assert!(looked("stranger").await.0.is_err() && ASKED.load(Ordering::SeqCst) == 2);
        clock.advance(std::time::Duration::from_secs(7 * 3600));
        assert_eq!(
            looked("known").await,
            (Ok(true), 3),
            "it is believed a while longer"
        );
        clock.advance(std::time::Duration::from_secs(24 * 3600));
        assert!(looked("known").await.0.is_err());
    }

    #[test]
    fn a_token_without_a_signature_is_none() {
        let head = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k"}"#);
        let claims = URL_SAFE_NO_PAD.encode(r#"{"iss":"accounts.google.com","aud":"us","exp":1,"iat":1}"#);
        assert!(Parts::of(&format!("{head}.{claims}.")).is_none());
    }
}
