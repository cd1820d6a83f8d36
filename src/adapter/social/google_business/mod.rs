//! Reviews of a place on Google Maps and Search, by Google Business Profile, which took the place of Google+
//! pages (<https://developers.google.com/my-business/content/review-data>).
//!
//! The list has all reviews of a location, the last changed first. A review has the place of one reply, which a
//! PUT writes over whatever stands there, so it is read first. Google looks a reply over before it shows it: a
//! success is not yet a reply that people see. Its state is watched with every sweep, and one that was rejected
//! is told (`reviewReplyState` and `policyViolation` of the review's reply).
//!
//! Google tells of new and changed reviews through Pub/Sub, which pushes to an address of ours and shows a token
//! of a service account (see `oidc`). What a push says is a hint: the review is read.
//!
//! The API is only open to projects that Google allowed
//! (<https://developers.google.com/my-business/content/prereqs>), and asks for the scope
//! `https://www.googleapis.com/auth/business.manage`; there is none for reviews alone. Neither the author nor
//! the review has a public page of its own here: the author's id is the review's.
//!
//! Written from the documentation; it was not run against Google yet. The words of `reviewReplyState` were not
//! seen there: what contains `REJECT` counts as rejected.

mod translate;
mod wire;

use crate::adapter::api::{Answer as Told, Api, Failed, Mend, decode};
use crate::adapter::finding::Finding;
use crate::adapter::google::{self, limits};
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Desk, Door, Grant, Start};
use crate::adapter::oidc::{Caller, Stranger};
use crate::adapter::push::{Notice, Rejected};
use crate::adapter::reviews::{Answer, Board, Measure, Page, Review, Reviews};
use crate::config;
use crate::domain::{Clock, NativeId, SourceName};
use crate::port::{Permit, Vault};
use async_trait::async_trait;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// What is asked for; there is none for reviews alone
/// (<https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews/list>).
const SCOPES: &[&str] = &["https://www.googleapis.com/auth/business.manage"];
/// The most bytes of a reply
/// (<https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews#ReviewReply>).
const LIMIT: usize = 4096;
/// The reviews of a page; the most there is
/// (<https://developers.google.com/my-business/reference/rest/v4/accounts.locations.reviews/list>).
const PAGE: &str = "50";

/// A place on Google.
pub type GoogleBusiness = Reviews<Location>;

/// The calls.
pub struct Location {
    api: Api,
    grant: Grant,
    account: String,
    location: String,
    caller: Option<Caller>,
    source: SourceName,
    clock: Arc<dyn Clock>,
}

impl Reviews<Location> {
    /// The place as configured. Asks nothing yet.
    ///
    /// # Errors
    /// An address cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::GoogleBusiness,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let mut base = config.url.clone();
        base.set_path("");
        let desk = Desk {
            token_url: google::token_url(&base)?,
            client_id: config.client_id.clone(),
            client_secret: Some(config.client_secret.clone()),
            basic: false,
        };
        let start = Start {
            access: None,
            refresh: config.refresh_token.clone(),
        };
        let keys = google::desk(&base).and_then(|_| base.join("/oauth2/v3/certs").ok());
        let caller = match (&config.pubsub_audience, &config.pubsub_service_account) {
            (Some(audience), Some(email)) => {
                Some(Caller::new(audience.clone(), email.clone(), keys, clock.clone())?)
            }
            (None, _) | (_, None) => None,
        };
        let board = Location {
            api: Api::new(base, &source, reply_timeout, clock.clone(), google::spoken)?,
            grant: Grant::new(Some(desk), start, &source, vault, clock.clone())?,
            account: config.account_id.clone(),
            location: config.location_id.clone(),
            caller,
            source,
            clock: clock.clone(),
        };
        Ok(Self::of(board, &config.name, (config.poll, reply_timeout), clock))
    }
}

impl Location {
    fn at(&self, rest: &[&str]) -> url::Url {
        let head = [
            "v4",
            "accounts",
            &self.account,
            "locations",
            &self.location,
            "reviews",
        ];
        self.api.at(&[&head, rest].concat())
    }

    async fn get(&self, rest: &[&str], query: &[(&str, &str)]) -> Result<Told, Failed> {
        let call = |token: SecretString| {
            let call = self.api.reader().get(self.at(rest)).query(query);
            self.api.read(call.bearer_auth(token.expose_secret()))
        };
        self.grant.under(call).await.map_err(limits)
    }
}

#[async_trait]
impl Board for Location {
    const LABEL: &'static str = "Google Business Profile";
    const REFUSALS: &'static [u16] = &[400, 403, 404];
    const LOOKS: u32 = 30;
    const MEND: Mend = Mend {
        unauthorized: "the authorisation is not accepted any more: run `hearback connect` for this source, or give \
                       it a new refresh_token",
        forbidden: "the account must manage the location, the location must be verified, and Google must have \
                    allowed the project the Business Profile APIs",
    };

    fn account(&self) -> Option<NativeId> {
        Some(NativeId::new(format!(
            "accounts/{}/locations/{}",
            self.account, self.location
        )))
    }

    fn measure(&self, text: &str) -> Measure {
        Measure {
            length: text.len(),
            limit: LIMIT,
            unit: "bytes",
        }
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, Failed> {
        let mut query = vec![("pageSize", PAGE), ("orderBy", "updateTime desc")];
        query.extend(after.map(|token| ("pageToken", token)));
        let listed: wire::Listed = self.get(&[], &query).await?.decode()?;
        Ok(Page {
            items: listed.reviews,
            next: listed.next_page_token.filter(|token| !token.is_empty()),
        })
    }

    async fn review(&self, id: &str) -> Result<Option<Box<RawValue>>, Failed> {
        match self.get(&[id], &[]).await {
            Ok(told) => decode(&told.body).map(Some),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, raw: &RawValue) -> Result<Review, serde_json::Error> {
        let review: wire::Review = serde_json::from_str(raw.get())?;
        translate::review(&self.source, review)
    }

    async fn write(
        &self,
        review: &str,
        text: &str,
        allowed: (Duration, &Permit),
    ) -> Result<Option<Answer>, Failed> {
        let token = self.grant.access().await.map_err(Failed::unsent)?;
        let call = self.api.writer().put(self.at(&[review, "reply"]));
        let call = call
            .bearer_auth(token.expose_secret())
            .json(&json!({"comment": text}));
        let told = self.api.publish(call, allowed).await.map_err(limits)?;
        let reply: wire::Reply = told.decode()?;
        Ok(Some(translate::answer(reply)))
    }

    fn meter(&self) -> &Meter {
        self.api.meter()
    }

    async fn examine(&self) -> Vec<Finding> {
        if let Err(error) = self.grant.access().await {
            return vec![Finding::wrong(
                format!("no token: {error}"),
                Self::MEND.unauthorized,
            )];
        }
        let place = format!("accounts/{}/locations/{}", self.account, self.location);
        let mut findings = vec![match self.page(None).await {
            Ok(_) => Finding::well(format!("the reviews of {place} can be read")),
            Err(error) => Finding::wrong(
                format!("the reviews of {place} cannot be read ({error})"),
                format!(
                    "Look whether account_id and location_id are right; {}.",
                    Self::MEND.forbidden
                ),
            ),
        }];
        findings.push(Finding::well(if self.caller.is_some() {
            format!("Pub/Sub pushes to /webhooks/{}", self.source)
        } else {
            "no pubsub_audience: reviews are heard with the sweeps alone".to_owned()
        }));
        findings.push(Finding::well(
            "whether it may reply shows with the first reply: nothing is written to try it",
        ));
        let told = self.api.date(self.api.base().clone()).await;
        findings.push(Finding::clocks(told, self.clock.now()));
        findings
    }

    fn entrance(&self) -> Option<(Door, &Grant)> {
        Some((google::door(self.api.base(), SCOPES)?, &self.grant))
    }

    fn is_told(&self) -> bool {
        self.caller.is_some()
    }

    async fn named(&self, notice: &Notice) -> Result<Vec<String>, Rejected> {
        let caller = self.caller.as_ref();
        let caller = caller.ok_or(Rejected::unproven("this source takes no notices"))?;
        let verified = caller.verify(&self.api, &notice.headers).await;
        verified.map_err(|stranger| match stranger {
            Stranger::Unproven(why) => Rejected::unproven(why),
            Stranger::NoKeys(error) => error.into(),
        })?;
        let names = wire::named(&notice.body).map_err(Rejected::Malformed)?;
        // A topic tells of all locations of an account.
        let ours = format!("/locations/{}/reviews/", self.location);
        let ids = names.iter().filter_map(|name| name.split_once(ours.as_str()));
        Ok(ids.map(|(_, id)| id.to_owned()).collect())
    }
}
