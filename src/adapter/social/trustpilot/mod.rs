//! Service reviews of a business on Trustpilot
//! (<https://developers.trustpilot.com/business-units-api>, <https://developers.trustpilot.com/service-reviews-api>).
//!
//! The private list has all reviews of a business unit, the newest first. A review has the place of one reply.
//! Trustpilot tells of new, changed and deleted reviews by a webhook that it does not sign
//! (<https://support.trustpilot.com/hc/en-us/articles/115015822068>): a secret stands in its address, and what
//! it says is a hint at most, after which the review is read. A sweep finds what no webhook told of.
//!
//! The private calls need a plan with API access. The documentation says nothing of what a reply's call answers,
//! so the review is read afterwards; and nothing of the most characters.
//!
//! Written from the documentation; it was not run against Trustpilot yet.

mod translate;
mod wire;

use crate::adapter::api::{Answer as Told, Api, Failed, Mend, decode};
use crate::adapter::finding::Finding;
use crate::adapter::meter::Meter;
use crate::adapter::push::{Notice, Rejected};
use crate::adapter::reviews::{Answer, Board, Measure, Page, Review, Reviews};
use crate::adapter::tokens::{Handed, Tokens};
use crate::config;
use crate::domain::{Clock, NativeId, SourceName};
use crate::port::Permit;
use async_trait::async_trait;
use reqwest::{StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// The most characters of a reply: no number is documented; this is ours.
const LIMIT: usize = 10_000;
/// The reviews of a page; the most there is.
const PAGE: usize = 100;

/// A business on Trustpilot.
pub type Trustpilot = Reviews<Business>;

/// The calls.
pub struct Business {
    api: Api,
    key: String,
    secret: SecretString,
    tokens: Tokens,
    unit: String,
    user: String,
    webhook_secret: Option<SecretString>,
    source: SourceName,
    clock: Arc<dyn Clock>,
}

impl Reviews<Business> {
    /// The business as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Trustpilot,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let mut base = config.url.clone();
        base.set_path("");
        let board = Business {
            api: Api::new(base, &source, reply_timeout, clock.clone(), wire::spoken)?,
            key: config.api_key.clone(),
            secret: config.api_secret.clone(),
            tokens: Tokens::new(clock.clone()),
            unit: config.business_unit_id.clone(),
            user: config.business_user_id.clone(),
            webhook_secret: config.webhook_secret.clone(),
            source,
            clock: clock.clone(),
        };
        Ok(Self::of(board, &config.name, (config.poll, reply_timeout), clock))
    }
}

impl Business {
    /// A new token, for the key and its secret; it counts for 100 hours
    /// (<https://developers.trustpilot.com/get-started/authentication/grant-type-client-credentials>).
    async fn sign_in(&self) -> Result<(SecretString, Duration), Failed> {
        let desk = self.api.at(&[
            "v1",
            "oauth",
            "oauth-business-users-for-applications",
            "accesstoken",
        ]);
        let call = self.api.reader().post(desk);
        let call = call.basic_auth(&self.key, Some(self.secret.expose_secret()));
        let call = call.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = self.api.read(call.body("grant_type=client_credentials")).await;
        Ok(answer.map_err(denied)?.decode::<Handed>()?.counting())
    }

    async fn access(&self) -> Result<SecretString, Failed> {
        self.tokens.access(async || self.sign_in().await).await
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Told, Failed> {
        let call = |token: SecretString| {
            let call = self.api.reader().get(self.api.at(path)).query(query);
            self.api.read(call.bearer_auth(token.expose_secret()))
        };
        self.tokens.under(|| self.sign_in(), call).await
    }
}

/// Whom the desk turns away is not accepted, by whichever status.
fn denied(error: Failed) -> Failed {
    match error {
        Failed::Status { status, told } if status.is_client_error() => Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            told: Some(format!(
                "no token for the API key: {}",
                told.as_deref().unwrap_or("no reason given")
            )),
        },
        other => other,
    }
}

#[async_trait]
impl Board for Business {
    const LABEL: &'static str = "Trustpilot";
    const REFUSALS: &'static [u16] = &[400, 403, 404, 422];
    const LOOKS: u32 = 30;
    const MEND: Mend = Mend {
        unauthorized: "api_key and api_secret are not accepted: compare them with Trustpilot Business under \
                       Integrations, Developers, APIs",
        forbidden: "the plan needs API access, and the key must be of this business unit",
    };

    fn account(&self) -> Option<NativeId> {
        Some(NativeId::new(&self.unit))
    }

    fn measure(&self, text: &str) -> Measure {
        Measure {
            length: text.chars().count(),
            limit: LIMIT,
            unit: "characters",
        }
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, Failed> {
        let number = after.and_then(|page| page.parse::<usize>().ok()).unwrap_or(1);
        let (page, size) = (number.to_string(), PAGE.to_string());
        let query = [("orderBy", "createdat.desc"), ("perPage", &size), ("page", &page)];
        let told = self
            .get(
                &["v1", "private", "business-units", &self.unit, "reviews"],
                &query,
            )
            .await?;
        let listed: wire::Listed = told.decode()?;
        Ok(Page {
            next: (listed.reviews.len() >= PAGE).then(|| (number + 1).to_string()),
            items: listed.reviews,
        })
    }

    async fn review(&self, id: &str) -> Result<Option<Box<RawValue>>, Failed> {
        match self.get(&["v1", "private", "reviews", id], &[]).await {
            Ok(told) => decode(&told.body).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, raw: &RawValue) -> Result<Review, serde_json::Error> {
        let review: wire::Review = serde_json::from_str(raw.get())?;
        translate::review(&self.source, &self.unit, review)
    }

    async fn write(
        &self,
        review: &str,
        text: &str,
        allowed: (Duration, &Permit),
    ) -> Result<Option<Answer>, Failed> {
        let token = self.access().await.map_err(Failed::unsent)?;
        let call = self
            .api
            .writer()
            .post(self.api.at(&["v1", "private", "reviews", review, "reply"]));
        let call = call.bearer_auth(token.expose_secret());
        let call = call.json(&json!({"authorBusinessUserId": self.user, "message": text}));
        let written = self.api.publish(call, allowed).await.inspect_err(|error| {
            if error.is_unauthorized() {
                self.tokens.refuse(&token);
            }
        });
        written.map(|_| None)
    }

    fn meter(&self) -> &Meter {
        self.api.meter()
    }

    async fn examine(&self) -> Vec<Finding> {
        if let Err(error) = self.access().await {
            return vec![Finding::wrong(
                format!("no token: {error}"),
                Self::MEND.unauthorized,
            )];
        }
        let mut findings = vec![match self.page(None).await {
            Ok(_) => Finding::well(format!("the reviews of business unit {} can be read", self.unit)),
            Err(error) => Finding::wrong(
                format!(
                    "the reviews of business unit {} cannot be read ({error})",
                    self.unit
                ),
                format!(
                    "Look whether business_unit_id is right; {}.",
                    Self::MEND.forbidden
                ),
            ),
        }];
        findings.push(Finding::well(if self.webhook_secret.is_some() {
            format!("notices come to /webhooks/{}?secret=…", self.source)
        } else {
            "no webhook_secret: reviews are heard with the sweeps alone".to_owned()
        }));
        findings.push(Finding::well(
            "whether it may reply shows with the first reply: nothing is written to try it",
        ));
        let told = self.api.date(self.api.base().clone()).await;
        findings.push(Finding::clocks(told, self.clock.now()));
        findings
    }

    fn is_told(&self) -> bool {
        self.webhook_secret.is_some()
    }

    async fn named(&self, notice: &Notice) -> Result<Vec<String>, Rejected> {
        let known = self.webhook_secret.as_ref();
        let known = known.ok_or(Rejected::unproven("this source takes no notices"))?;
        let mut shown =
            url::form_urlencoded::parse(notice.query.as_bytes()).filter(|(name, _)| name == "secret");
        let (Some((_, secret)), None) = (shown.next(), shown.next()) else {
            return Err(Rejected::unproven("the address needs ?secret=… once"));
        };
        if !bool::from(secret.as_bytes().ct_eq(known.expose_secret().as_bytes())) {
            return Err(Rejected::unproven("the secret in the address is another one"));
        }
        wire::named(&notice.body).map_err(Rejected::Malformed)
    }
}
