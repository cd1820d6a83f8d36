//! Reviews of an app on the App Store, by App Store Connect
//! (<https://developer.apple.com/documentation/appstoreconnectapi/customer-reviews>,
//! <https://developer.apple.com/documentation/appstoreconnectapi/customer-review-responses>).
//!
//! The list has all reviews, the newest first. A review has the place of one response: the call that makes one
//! is the call that replaces it, and it appears in the store a while later (`PENDING_PUBLISH`, `PUBLISHED`).
//! Authors have no id and no page: the author's id is the review's, and the review's address is that of the
//! app's reviews in the store.
//!
//! There is no notification about reviews (the API's webhooks name other events), so they are swept. A key has
//! some thousands of calls in a rolling hour; each answer tells how many
//! (<https://developer.apple.com/documentation/appstoreconnectapi/identifying-rate-limits>).
//!
//! Written from the documentation; it was not run against App Store Connect yet.

mod translate;
mod wire;

use crate::adapter::api::{Answer as Told, Api, Failed, Mend, decode};
use crate::adapter::finding::Finding;
use crate::adapter::jwt::Signer;
use crate::adapter::meter::Meter;
use crate::adapter::reviews::{Answer, Board, Measure, Page, Review, Reviews};
use crate::adapter::tokens::Tokens;
use crate::config;
use crate::domain::{Clock, NativeId, SourceName};
use crate::port::Permit;
use anyhow::Context as _;
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// For whom tokens are, and for how long they count; 20 minutes is the most
/// (<https://developer.apple.com/documentation/appstoreconnectapi/generating-tokens-for-api-requests>).
const AUDIENCE: &str = "appstoreconnect-v1";
const COUNTS: Duration = Duration::from_secs(15 * 60);
/// The most characters of a response: what App Store Connect's own page takes. The API's documentation has no
/// number; what is more is refused by it.
const LIMIT: usize = 5970;
/// The reviews of a page; the most there is.
const PAGE: &str = "200";

/// An app on the App Store.
pub type AppStore = Reviews<Store>;

/// The calls.
pub struct Store {
    api: Api,
    signer: Signer,
    /// Whose key it is; none for the key of one person.
    issuer: Option<String>,
    tokens: Tokens,
    app: String,
    source: SourceName,
    clock: Arc<dyn Clock>,
}

impl Reviews<Store> {
    /// The app as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address or the key cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::AppStore,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let mut base = config.url.clone();
        base.set_path("");
        let key = config.private_key.expose_secret();
        let board = Store {
            api: Api::new(base, &source, reply_timeout, clock.clone(), wire::spoken)?,
            signer: Signer::es256(key, &config.key_id).context("private_key")?,
            issuer: config.issuer_id.clone(),
            tokens: Tokens::new(clock.clone()),
            app: config.app_id.clone(),
            source,
            clock: clock.clone(),
        };
        Ok(Self::of(board, &config.name, (config.poll, reply_timeout), clock))
    }
}

impl Store {
    /// A new token.
    async fn sign(&self) -> Result<(SecretString, Duration), Failed> {
        let now = self.clock.now().timestamp();
        let until = now + i64::try_from(COUNTS.as_secs()).unwrap_or(0);
        let mut claims = json!({"iat": now, "exp": until, "aud": AUDIENCE});
        match &self.issuer {
            Some(issuer) => claims["iss"] = issuer.as_str().into(),
            None => claims["sub"] = "user".into(),
        }
        let token = self.signer.sign(&claims);
        token
            .map(|token| (token, COUNTS))
            .map_err(|error| Failed::Broken(error.to_string()))
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Told, Failed> {
        let call = |token: SecretString| {
            let call = self.api.reader().get(self.api.at(path)).query(query);
            self.api.read(call.bearer_auth(token.expose_secret()))
        };
        self.tokens.under(|| self.sign(), call).await
    }
}

#[async_trait]
impl Board for Store {
    const LABEL: &'static str = "App Store";
    const REFUSALS: &'static [u16] = &[400, 403, 404, 409, 422];
    const LOOKS: u32 = 20;
    const MEND: Mend = Mend {
        unauthorized: "the key is not accepted: compare issuer_id, key_id and private_key with App Store Connect \
                       under Users and Access, Integrations, and look whether the clock is right",
        forbidden: "the key needs the role Customer Support (or Admin) for this app",
    };

    fn account(&self) -> Option<NativeId> {
        Some(NativeId::new(&self.app))
    }

    fn measure(&self, text: &str) -> Measure {
        Measure {
            length: text.encode_utf16().count(),
            limit: LIMIT,
            unit: "characters",
        }
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, Failed> {
        let mut query = vec![("sort", "-createdDate"), ("include", "response"), ("limit", PAGE)];
        query.extend(after.map(|cursor| ("cursor", cursor)));
        let told = self
            .get(&["v1", "apps", &self.app, "customerReviews"], &query)
            .await?;
        let listed: wire::Listed = told.decode()?;
        Ok(Page {
            next: listed.links.next.as_deref().and_then(wire::cursor),
            items: wire::each(listed)?,
        })
    }

    async fn review(&self, id: &str) -> Result<Option<Box<RawValue>>, Failed> {
        match self
            .get(&["v1", "customerReviews", id], &[("include", "response")])
            .await
        {
            Ok(told) => decode(&told.body).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, raw: &RawValue) -> Result<Review, serde_json::Error> {
        let shown: wire::Shown = serde_json::from_str(raw.get())?;
        translate::review(&self.source, &self.app, shown)
    }

    async fn write(
        &self,
        review: &str,
        text: &str,
        allowed: (Duration, &Permit),
    ) -> Result<Option<Answer>, Failed> {
        let token = self.tokens.access(async || self.sign().await).await;
        let token = token.map_err(Failed::unsent)?;
        let call = self
            .api
            .writer()
            .post(self.api.at(&["v1", "customerReviewResponses"]));
        let call = call.bearer_auth(token.expose_secret()).json(&json!({"data": {
            "type": "customerReviewResponses",
            "attributes": {"responseBody": text},
            "relationships": {"review": {"data": {"type": "customerReviews", "id": review}}},
        }}));
        let told = self.api.publish(call, allowed).await.inspect_err(|error| {
            if error.is_unauthorized() {
                self.tokens.refuse(&token);
            }
        })?;
        let made: wire::Made = told.decode()?;
        Ok(Some(translate::answer(made.data.attributes)))
    }

    fn meter(&self) -> &Meter {
        self.api.meter()
    }

    async fn examine(&self) -> Vec<Finding> {
        let reading = self.page(None).await;
        let mut findings = vec![match &reading {
            Ok(_) => Finding::well(format!("the reviews of app {} can be read", self.app)),
            Err(error) => Finding::wrong(
                format!("the reviews of app {} cannot be read ({error})", self.app),
                format!(
                    "Look whether app_id is right; {}; {}.",
                    Self::MEND.unauthorized,
                    Self::MEND.forbidden
                ),
            ),
        }];
        findings.push(Finding::well(
            "whether the key may respond shows with the first response: nothing is written to try it",
        ));
        findings.extend(self.api.meter().last().map(|quota| {
            Finding::well(format!(
                "{} of {} calls are left in this hour",
                quota.left, quota.limit
            ))
        }));
        let told = self.api.date(self.api.base().clone()).await;
        findings.push(Finding::clocks(told, self.clock.now()));
        findings
    }
}
