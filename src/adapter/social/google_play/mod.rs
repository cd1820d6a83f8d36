//! Reviews of an app on Google Play (<https://developers.google.com/android-publisher/reply-to-reviews>).
//!
//! The list has the reviews with words that were written or changed in the last week, the newest first; a
//! rating without words is not shown to programs. A review has the place of one answer, which the next answer
//! replaces. Neither the author nor the review has a public page: the author's id is the review's, of which a
//! person has one for each app, and the review's address is the app's page with the review's id, as Google's
//! own notices have it (not in the documentation).
//!
//! An app has 200 readings an hour and 2000 answers a day (the same page): hence the pace of the sweeps. The API tells
//! of neither, so readings are counted here. Known
//! reviews are read again only while they are in the list: nothing says what the API answers for one that is
//! older, and that it is not shown must not count as its deletion.
//!
//! Written from the documentation; it was not run against Google Play yet.

mod translate;
mod wire;

use crate::adapter::api::{Answer as Told, Api, Failed, Mend, decode};
use crate::adapter::finding::Finding;
use crate::adapter::google::{self, ServiceAccount, limits};
use crate::adapter::meter::{Allowance, Meter, Window};
use crate::adapter::reviews::{Answer, Board, Measure, Page, Review, Reviews};
use crate::config;
use crate::domain::{Clock, Instant, NativeId, Post, SourceName};
use crate::port::Permit;
use async_trait::async_trait;
use chrono::TimeDelta;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::time::Duration;

/// The permission that is asked for. There is none that is only for reviews; of its calls two read reviews
/// and one answers them here.
const SCOPE: &str = "https://www.googleapis.com/auth/androidpublisher";
/// The most of an answer
/// (<https://developers.google.com/android-publisher/api-ref/rest/v3/reviews/reply>: "approximately 350
/// characters"). What is a character is not said: UTF-16 units are the most that it can mean.
const LIMIT: usize = 350;
/// The reviews of a page; the most there is.
const PAGE: &str = "100";
/// The readings that an app has in an hour
/// (<https://developers.google.com/android-publisher/reply-to-reviews#quotas>).
const READINGS: u64 = 200;
/// For how long a review is surely in the list.
const LISTED: TimeDelta = TimeDelta::hours(6 * 24 + 12);

/// An app on Google Play.
pub type GooglePlay = Reviews<Play>;

/// The calls.
pub struct Play {
    api: Api,
    account: ServiceAccount,
    package: String,
    source: SourceName,
    clock: Arc<dyn Clock>,
}

impl Reviews<Play> {
    /// The app as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address or the key cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::GooglePlay,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let mut base = config.url.clone();
        base.set_path("");
        let desk = google::desk(&base);
        let api = Api::new(base, &source, reply_timeout, clock.clone(), google::spoken)?;
        api.meter().allow(Allowance {
            most: READINGS,
            parts: 1,
            unit: "readings",
            window: Window::Hour,
        });
        let board = Play {
            account: ServiceAccount::new(&config.service_account_key, desk, SCOPE, clock.clone())?,
            api,
            package: config.package_name.clone(),
            source,
            clock: clock.clone(),
        };
        Ok(Self::of(board, &config.name, (config.poll, reply_timeout), clock))
    }
}

impl Play {
    fn at(&self, rest: &[&str]) -> url::Url {
        let head = ["androidpublisher", "v3", "applications", &self.package, "reviews"];
        self.api.at(&[&head, rest].concat())
    }

    async fn get(&self, rest: &[&str], query: &[(&str, &str)]) -> Result<Told, Failed> {
        let call = |token: SecretString| {
            self.api.meter().spent(1, self.clock.now());
            let call = self.api.reader().get(self.at(rest)).query(query);
            self.api.read(call.bearer_auth(token.expose_secret()))
        };
        self.account.under(&self.api, call).await.map_err(limits)
    }
}

#[async_trait]
impl Board for Play {
    const LABEL: &'static str = "Google Play";
    const REFUSALS: &'static [u16] = &[400, 403, 404];
    const LOOKS: u32 = 10;
    const MEND: Mend = Mend {
        unauthorized: "the service account is not accepted: make a new key of it in the Google Cloud console, and \
                       look whether the clock is right",
        forbidden: "invite the service account in the Play Console (Users and permissions) and give it \"Reply to \
                    reviews\" for this app; it takes up to a day",
    };

    fn account(&self) -> Option<NativeId> {
        Some(NativeId::new(&self.package))
    }

    fn measure(&self, text: &str) -> Measure {
        Measure {
            length: text.encode_utf16().count(),
            limit: LIMIT,
            unit: "characters",
        }
    }

    /// Tags are taken out of an answer: what is published would be other words than were approved.
    fn refusal(&self, text: &str) -> Option<String> {
        translate::has_tag(text).then(|| {
            "Google Play takes out what looks like an HTML tag. Write it without < and >.".to_owned()
        })
    }

    async fn page(&self, after: Option<&str>) -> Result<Page, Failed> {
        let mut query = vec![("maxResults", PAGE)];
        query.extend(after.map(|token| ("token", token)));
        let listed: wire::Listed = self.get(&[], &query).await?.decode()?;
        Ok(Page {
            items: listed.reviews,
            next: listed.token_pagination.and_then(|paging| paging.next_page_token),
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
        translate::review(&self.source, &self.package, review)
    }

    fn is_readable(&self, post: &Post, now: Instant) -> bool {
        post.edited_at.unwrap_or(post.created_at) > now - LISTED
    }

    async fn write(
        &self,
        review: &str,
        text: &str,
        allowed: (Duration, &Permit),
    ) -> Result<Option<Answer>, Failed> {
        let token = self.account.access(&self.api).await.map_err(Failed::unsent)?;
        let call = self.api.writer().post(self.at(&[&format!("{review}:reply")]));
        let call = call
            .bearer_auth(token.expose_secret())
            .json(&json!({"replyText": text}));
        let told = self.api.publish(call, allowed).await.map_err(|error| {
            if error.is_unauthorized() {
                self.account.refuse(&token);
            }
            limits(error)
        })?;
        let replied: wire::Replied = told.decode()?;
        Ok(Some(translate::answer(
            replied.result.reply_text,
            replied.result.last_edited,
        )))
    }

    fn meter(&self) -> &Meter {
        self.api.meter()
    }

    async fn examine(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        match self.account.access(&self.api).await {
            Ok(_) => findings.push(Finding::well(format!("{} gets a token", self.account.email()))),
            Err(error) => {
                return vec![Finding::wrong(
                    format!("no token: {error}"),
                    Self::MEND.unauthorized,
                )];
            }
        }
        findings.push(match self.page(None).await {
            Ok(_) => Finding::well(format!("the reviews of {} can be read", self.package)),
            Err(error) => Finding::wrong(
                format!("the reviews of {} cannot be read ({error})", self.package),
                format!("Look whether package_name is right; {}.", Self::MEND.forbidden),
            ),
        });
        findings.push(Finding::well(
            "whether it may answer shows with the first answer: nothing is written to try it",
        ));
        let told = self.api.date(self.api.base().clone()).await;
        findings.push(Finding::clocks(told, self.clock.now()));
        findings
    }
}
