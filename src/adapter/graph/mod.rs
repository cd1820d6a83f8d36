//! What the networks of Meta share: one form of calls, errors, pages and usage, the Graph API
//! (<https://developers.facebook.com/docs/graph-api/overview>), and one form of webhooks (see [`door`]).
//!
//! An error is told by its code, not by its status: most come with 400
//! (<https://developers.facebook.com/docs/graph-api/guides/error-handling>). What it means for the core is
//! decided here once, so that connectors see the statuses that everybody knows.

pub mod door;
pub mod shelf;
pub mod talk;
pub mod wire;

use super::api::{Api, Failed, Mend};
use super::finding::Finding;
use super::push;
use crate::domain::{Clock, Instant, NativeId, SourceName};
use crate::port::{Look, Permit, PortError, Published};
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::timeout_at;
use url::Url;

/// The version that is spoken with Facebook and Instagram: the newest of November 2026
/// (<https://developers.facebook.com/docs/graph-api/changelog/versions>).
pub const VERSION: &str = "v26.0";

/// What somebody can do where Meta does not let us in.
pub const MEND: Mend = Mend {
    unauthorized: "make a new access_token: one ends with its person's password, role or permission",
    forbidden: "give the app's token the permissions that README names, with Advanced Access from the app review",
};

/// For how long a limited call waits where no header says for how long: usage counts over an hour that rolls
/// (<https://developers.facebook.com/docs/graph-api/overview/rate-limiting>).
const PAUSE: Duration = Duration::from_secs(5 * 60);

/// A word of so many letters and digits may be a token.
const SHORTEST_SECRET: usize = 40;

/// An object as it came.
pub type Raw = Box<RawValue>;

/// An API of Meta's, as one account.
pub struct Graph {
    api: Api,
    version: &'static str,
    token: RwLock<SecretString>,
    /// Proves that the caller knows the app's secret, so that a stolen token is of no use
    /// (<https://developers.facebook.com/docs/graph-api/guides/secure-requests#appsecret_proof>). Not on Threads,
    /// which does not know it.
    proof: Option<String>,
}

impl Graph {
    /// The API below `base`, with an account's token, and its app's secret where that is to be proven; a publishing
    /// call may take as long as `publishing`.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        (base, version): (Url, &'static str),
        source: &SourceName,
        (token, app_secret): (SecretString, Option<&SecretString>),
        publishing: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            api: Api::new(base, source, publishing, clock, spoken)?,
            version,
            proof: app_secret.map(|secret| proof(&token, secret)).transpose()?,
            token: RwLock::new(token),
        })
    }

    /// Reads an object.
    ///
    /// # Errors
    /// It had no success.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str], query: &[(&str, &str)]) -> Result<T, Failed> {
        let secrets = self.secrets();
        let call = self.api.reader().get(self.at(path)).query(query).query(&secrets);
        let answer = self.api.read(call).await.map_err(|error| self.sorted(error))?;
        answer.decode()
    }

    /// Makes a call that publishes: one attempt, whose first byte leaves only after the permit was asked.
    ///
    /// # Errors
    /// It had no success, or nobody knows.
    pub async fn send<T: DeserializeOwned>(
        &self,
        path: &[&str],
        form: &[(&str, &str)],
        allowed: (Duration, &Permit),
    ) -> Result<T, Failed> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .extend_pairs(self.secrets())
            .finish();
        let call = self
            .api
            .writer()
            .post(self.at(path))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(body);
        let answer = self.api.publish(call, allowed).await;
        answer.map_err(|error| self.sorted(error))?.decode()
    }

    /// Reads a list, newest first, until a page ends with what is older than `horizon` as `at` says, at least a
    /// page and at most `pages` of them. Something old that is fixed above the others ends nothing.
    pub async fn walk(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        (horizon, pages): (Instant, usize),
        at: impl Fn(&RawValue) -> Option<Instant>,
    ) -> Walk {
        let mut walk = Walk::default();
        let mut after: Option<String> = None;
        for _ in 0..pages {
            let mut query = query.to_vec();
            if let Some(after) = &after {
                query.push(("after", after));
            }
            let page: Page = match self.get(path, &query).await {
                Ok(page) => page,
                Err(error) => {
                    walk.failed = Some(error);
                    return walk;
                }
            };
            let next = page.after().filter(|next| after.as_ref() != Some(next));
            let last = page.data.iter().rev().find_map(|raw| at(raw));
            walk.items.extend(page.data);
            after = next;
            // A page may be empty, because what is on it is not for us, with more behind it.
            if after.is_none() || last.is_some_and(|last| last < horizon) {
                return walk;
            }
        }
        walk.cut = true;
        walk
    }

    /// Whether the newest object that is known of us (`canary`) can be read: a copy of the database that lags would
    /// not show it. One that somebody removed meanwhile cannot be asked for.
    ///
    /// # Errors
    /// Nobody knows.
    pub async fn is_fresh(&self, canary: Option<&NativeId>, is_listed: bool) -> Result<bool, PortError> {
        let Some(canary) = canary.filter(|_| !is_listed) else {
            return Ok(true);
        };
        let asked = self
            .get::<wire::Ref>(&[canary.as_str()], &[("fields", "id")])
            .await;
        match asked {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error.unread()),
        }
    }

    /// Publishes within `limit` since `began`, a quarter of it at least, and reads in the rest where it stands
    /// (`place`). Before a refusal is believed it is looked whether it stands all the same (`look`).
    ///
    /// # Errors
    /// It was refused, or nobody knows.
    pub async fn publish<T: DeserializeOwned>(
        &self,
        (path, form): (&[&str], &[(&str, &str)]),
        (began, limit, permit): (tokio::time::Instant, Duration, &Permit),
        place: impl AsyncFnOnce(T) -> Result<Published, PortError>,
        look: impl AsyncFnOnce() -> Result<Look, PortError>,
    ) -> Result<Published, PortError> {
        let left = limit.mul_f64(0.75).saturating_sub(began.elapsed());
        let done = self.send::<T>(path, form, (left, permit)).await;
        let end = began + limit;
        match done.map_err(refusal) {
            Ok(done) => timeout_at(end, place(done)).await.unwrap_or_else(|_| {
                let why = "it was published, but could not be read in time";
                Err(PortError::Unknown(why.to_owned()))
            }),
            Err(PortError::Refused(why)) => match timeout_at(end, look()).await {
                Ok(Ok(Look::Absent { .. })) => Err(PortError::Refused(why)),
                Ok(_) | Err(_) => Err(PortError::Unknown(why)),
            },
            Err(error) => Err(error),
        }
    }

    /// What `doctor` says about our quota; nothing where the API has not told.
    #[must_use]
    pub fn quota(&self) -> Option<Finding> {
        let left = self.meter().last()?.left;
        Some(Finding::well(format!(
            "{left:.0} % of the calls of this hour are left"
        )))
    }

    /// What the API says about our quota.
    #[must_use]
    pub fn meter(&self) -> &super::meter::Meter {
        self.api.meter()
    }

    /// The time that the API says it is.
    pub async fn date(&self) -> Option<Instant> {
        self.api.date(self.api.base().clone()).await
    }

    fn at(&self, path: &[&str]) -> Url {
        self.api.at(&[&[self.version], path].concat())
    }

    /// A new token for the one that holds still, where the API gives one for the asking
    /// (<https://developers.facebook.com/docs/threads/get-started/long-lived-tokens>). It is not used yet.
    ///
    /// # Errors
    /// There is none now.
    pub async fn renew<T: DeserializeOwned>(&self, grant_type: &str) -> Result<T, Failed> {
        let at = self.api.at(&["refresh_access_token"]);
        let call = self.api.reader().get(at).query(&[("grant_type", grant_type)]);
        let answer = self.api.read(call.query(&self.secrets())).await;
        answer.map_err(|error| self.sorted(error))?.decode()
    }

    /// From now on this token counts.
    pub fn renewed(&self, token: SecretString) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = token;
    }

    fn secrets(&self) -> Vec<(&'static str, String)> {
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        let token = ("access_token", token.expose_secret().to_owned());
        let proof = self.proof.clone().map(|proof| ("appsecret_proof", proof));
        std::iter::once(token).chain(proof).collect()
    }

    /// A failure by its code. Calls that are limited are no 429 here: how long to wait stands in the usage.
    fn sorted(&self, failed: Failed) -> Failed {
        let status = match code(&failed) {
            Some((4 | 17 | 32 | 613 | 80_000..=80_014, _)) => {
                return Failed::Limited(self.api.meter().regain().unwrap_or(PAUSE));
            }
            Some((102 | 190, _)) => StatusCode::UNAUTHORIZED,
            Some((3 | 10 | 200..=299 | 368, _)) => StatusCode::FORBIDDEN,
            Some((100, 33) | (803, _)) => StatusCode::NOT_FOUND,
            Some((1 | 2, _)) => StatusCode::SERVICE_UNAVAILABLE,
            Some(_) | None => return failed,
        };
        match failed {
            Failed::Status { told, .. } => Failed::Status { status, told },
            Failed::Limited(_) | Failed::Unreached(_) | Failed::Broken(_) => failed,
        }
    }
}

/// What a reading of a list brought.
#[derive(Debug, Default)]
pub struct Walk {
    /// The newest first.
    pub items: Vec<Raw>,
    /// Why it ended early.
    pub failed: Option<Failed>,
    /// There was more than is read at once.
    pub cut: bool,
}

/// A page of a list (<https://developers.facebook.com/docs/graph-api/results>).
#[derive(Debug, Clone, Deserialize)]
pub struct Page {
    /// What is on it.
    pub data: Vec<Raw>,
    #[serde(default)]
    paging: Option<Paging>,
}

#[derive(Debug, Clone, Deserialize)]
struct Paging {
    #[serde(default)]
    cursors: Option<Cursors>,
    #[serde(default)]
    next: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Cursors {
    #[serde(default)]
    after: Option<String>,
}

impl Page {
    /// Where the next page begins. There is one only where its address is given; the address itself, with the
    /// token in it, is not used.
    #[must_use]
    pub fn after(&self) -> Option<String> {
        let paging = self.paging.as_ref()?;
        let next = paging.next.as_ref()?;
        let cursor = paging.cursors.as_ref().and_then(|cursors| cursors.after.clone());
        cursor.or_else(|| {
            let next = Url::parse(next).ok()?;
            let (_, after) = next.query_pairs().find(|(name, _)| name == "after")?;
            Some(after.into_owned())
        })
    }
}

/// The code and the subcode of an error, if it is one of the API's.
#[must_use]
pub fn code(failed: &Failed) -> Option<(u32, u32)> {
    let Failed::Status { told: Some(told), .. } = failed else {
        return None;
    };
    let code = told.strip_prefix('#')?.split(' ').next()?;
    let (code, sub) = code.split_once('.').unwrap_or((code, "0"));
    Some((code.parse().ok()?, sub.parse().ok()?))
}

/// A failure of a publishing call. Definite are the refusals that the API's documentation names as such: the
/// token, a permission, a parameter, a limit, a block. Nobody has shown it of them all, so a connector that
/// can look does so before it believes one.
#[must_use]
pub fn refusal(error: Failed) -> PortError {
    match (&error, code(&error)) {
        (Failed::Limited(wait), _) => PortError::RetryAfter(*wait),
        (Failed::Unreached(why), _) => PortError::NotReached(why.clone()),
        (_, Some((102 | 190, _))) => PortError::Unauthorized(error.to_string()),
        (_, Some((3 | 10 | 100 | 200..=299 | 368 | 803, _))) => {
            PortError::Refused(format!("Meta refused: {error}"))
        }
        (Failed::Status { .. } | Failed::Broken(_), _) => PortError::Unknown(error.to_string()),
    }
}

/// The API's own words: `#code.subcode message`.
fn spoken(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Told {
        error: Inner,
    }
    #[derive(Deserialize)]
    struct Inner {
        code: u32,
        #[serde(default)]
        error_subcode: Option<u32>,
        #[serde(default)]
        message: String,
        #[serde(default)]
        error_user_msg: Option<String>,
    }
    let Told { error } = serde_json::from_slice(body).ok()?;
    let sub = error.error_subcode.unwrap_or_default();
    let more = error.error_user_msg.map(|text| format!(" ({text})"));
    let said = format!("{}{}", error.message, more.unwrap_or_default());
    Some(format!("#{}.{sub} {}", error.code, without_secrets(&said)))
}

/// A text without what may be a token: "Malformed access token" is followed by the token itself, which also is
/// well but for a blank that somebody pasted with it.
fn without_secrets(text: &str) -> String {
    let secret = |word: &&str| {
        let letters = word.trim_matches(|c: char| c.is_ascii_punctuation());
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-|".contains(&byte);
        letters.len() >= SHORTEST_SECRET && letters.bytes().all(plain)
    };
    let words = text
        .split(' ')
        .map(|word| if secret(&word) { "[…]" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn proof(token: &SecretString, app_secret: &SecretString) -> anyhow::Result<String> {
    let mac = push::mac(app_secret)?;
    Ok(hex::encode(push::sign(&mac, &[token.expose_secret().as_bytes()])))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::json;

    fn failed(status: u16, body: &serde_json::Value) -> Failed {
        Failed::Status {
            status: StatusCode::from_u16(status).unwrap(),
            told: spoken(body.to_string().as_bytes()),
        }
    }

    #[rstest]
    #[case::token(190, 463, Some(401), "Unauthorized")]
    #[case::permission(200, 0, Some(403), "Refused")]
    #[case::window(10, 2_018_278, Some(403), "Refused")]
    #[case::gone(100, 33, Some(404), "Refused")]
    #[case::parameter(100, 0, Some(400), "Refused")]
    #[case::limited(32, 0, None, "RetryAfter")]
    #[case::limited_by_use_case(80_001, 0, None, "RetryAfter")]
    #[case::transient(2, 0, Some(503), "Unknown")]
    #[case::nobody_knows_it(4711, 0, Some(400), "Unknown")]
    fn an_error_means_what_its_code_says(
        #[case] number: u32,
        #[case] sub: u32,
        #[case] status: Option<u16>,
        #[case] meaning: &str,
    ) {
        let clock: Arc<dyn Clock> = Arc::new(crate::domain::SystemClock);
        let secrets = (SecretString::from("t"), None);
        let base = Url::parse("https://graph.facebook.com").unwrap();
        let graph = Graph::new((base, VERSION), &"a".into(), secrets, PAUSE, clock).unwrap();
        let body = json!({"error": {"message": "m", "type": "OAuthException", "code": number, "error_subcode": sub}});
        let sorted = graph.sorted(failed(400, &body));
        match (&sorted, status) {
            (Failed::Limited(wait), None) => assert_eq!(*wait, PAUSE),
            (Failed::Status { status, .. }, Some(wanted)) => assert_eq!(status.as_u16(), wanted),
            other => panic!("{other:?}"),
        }
        assert!(format!("{:?}", refusal(sorted)).starts_with(meaning));
    }

    #[test]
    fn a_page_of_a_proxy_proves_nothing() {
        let page = Failed::Status {
            status: StatusCode::BAD_REQUEST,
            told: spoken(b"<html>#190 no</html>"),
        };
        assert!(matches!(refusal(page), PortError::Unknown(_)));
    }

    #[test]
    fn a_token_in_an_error_is_not_shown() {
        let token = "EAAB".repeat(40);
        let message = format!("Malformed access token {token}\u{20}");
        let told = spoken(
            &json!({"error": {"message": message, "code": 190}})
                .to_string()
                .into_bytes(),
        );
        assert_eq!(told.unwrap().trim_end(), "#190.0 Malformed access token […]");
    }

    #[test]
    fn a_proof_is_the_tokens_mac() {
        // `printf %s token | openssl dgst -sha256 -hmac secret`
        let proof = proof(&SecretString::from("token"), &SecretString::from("secret")).unwrap();
        assert_eq!(
            proof,
            "e941110e3d2bfe82621f0e3e1434730d7305d106c5f68c87165d0b27a4611a4a"
        );
    }

    #[rstest]
    #[case(json!({"data": [], "paging": {"cursors": {"after": "x"}, "next": "https://a.example/?after=y"}}), Some("x"))]
    #[case(json!({"data": [], "paging": {"next": "https://a.example/?access_token=SECRET&after=y%20z"}}), Some("y z"))]
    #[case(json!({"data": [], "paging": {"cursors": {"after": "x"}}}), None)]
    #[case(json!({"data": []}), None)]
    fn there_is_a_next_page_only_where_it_has_an_address(
        #[case] page: serde_json::Value,
        #[case] after: Option<&str>,
    ) {
        let page: Page = serde_json::from_str(&page.to_string()).unwrap();
        assert_eq!(page.after().as_deref(), after);
    }
}
