//! `platform = "google-business"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The API's address.
const HOME: &str = "https://mybusiness.googleapis.com";
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(5 * 60);
/// The least time between two sweeps: a project has 300 calls a minute, for all its locations.
const LEAST_SWEEP: Duration = Duration::from_secs(60);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `platform = "google-business"`
#[derive(Debug, Clone)]
pub struct GoogleBusiness {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// The OAuth client.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretString,
    /// What tokens are got for, until one is stored.
    pub refresh_token: Option<SecretString>,
    /// The account that the location belongs to, by its number.
    pub account_id: String,
    /// The location, by its number.
    pub location_id: String,
    /// The audience of the tokens that Pub/Sub shows.
    pub pubsub_audience: Option<String>,
    /// The service account whose tokens they are.
    pub pubsub_service_account: Option<String>,
    /// How often is looked for news, at least 1 minute apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl GoogleBusiness {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let client_id = section.need("client_id", "\"….apps.googleusercontent.com\"");
        let client_secret = section.need_secret("client_secret", "\"…\"", |_| Ok(()));
        let refresh_token = section.secret("refresh_token", |_| Ok(()));
        let account_id = number(section, "account_id");
        let location_id = number(section, "location_id");
        let pubsub_audience: Option<String> = section.get("pubsub_audience");
        let pubsub_service_account: Option<String> = section.get("pubsub_service_account");
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if section.has("pubsub_audience") != section.has("pubsub_service_account") {
            let wrong = Wrong::new(
                "needs both pubsub_audience and pubsub_service_account, or neither",
                "give both as the push subscription has them",
            );
            section.wrong("pubsub_audience", wrong);
        }
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than Google allows", "write \"1m\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            client_id: client_id?,
            client_secret: client_secret?,
            refresh_token,
            account_id: account_id?,
            location_id: location_id?,
            pubsub_audience,
            pubsub_service_account,
            poll,
            approval,
        })
    }
}

/// The last part of a resource's name.
fn number(section: &mut Section<'_>, key: &str) -> Option<String> {
    let told: Option<String> = section.need(key, "\"1234567890\"");
    if let Some(told) = told
        .as_ref()
        .filter(|told| !told.bytes().all(|byte| byte.is_ascii_digit()))
    {
        let last = told.rsplit('/').next().unwrap_or_default();
        let mend = format!("write the number alone, like {last:?}");
        section.wrong(key, Wrong::new("is no number", mend));
    }
    told
}
