//! `platform = "trustpilot"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The API's address.
const HOME: &str = "https://api.trustpilot.com";
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(5 * 60);
/// The least time between two sweeps.
const LEAST_SWEEP: Duration = Duration::from_secs(60);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// The least characters of a webhook secret; fewer could be guessed.
const LEAST_SECRET: usize = 24;

/// `platform = "trustpilot"`
#[derive(Debug, Clone)]
pub struct Trustpilot {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// The application's key.
    pub api_key: String,
    /// Its secret.
    pub api_secret: SecretString,
    /// Whose reviews.
    pub business_unit_id: String,
    /// In whose name replies are written.
    pub business_user_id: String,
    /// What stands behind `?secret=` in the address that Trustpilot tells of reviews at.
    pub webhook_secret: Option<SecretString>,
    /// How often is looked for news, at least 1 minute apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Trustpilot {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let api_key = section.need("api_key", "\"…\"");
        let api_secret = section.need_secret("api_secret", "\"…\"", |_| Ok(()));
        let business_unit_id = section.need("business_unit_id", "\"46d6a890ffa235a75b00021d\"");
        let business_user_id = section.need("business_user_id", "\"507f191e810c19729de860ea\"");
        let webhook_secret = section.secret("webhook_secret", unguessable);
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than Trustpilot allows",
                "write \"1m\" or more",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            api_key: api_key?,
            api_secret: api_secret?,
            business_unit_id: business_unit_id?,
            business_user_id: business_user_id?,
            webhook_secret,
            poll,
            approval,
        })
    }
}

/// A secret that stands in an address.
fn unguessable(secret: &str) -> Result<(), Wrong> {
    let mend = "make one with: openssl rand -hex 24";
    if secret.len() < LEAST_SECRET {
        return Err(Wrong::new(
            format!("has fewer than {LEAST_SECRET} characters"),
            mend,
        ));
    }
    if !secret
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    {
        return Err(Wrong::new("has characters that cannot stand in an address", mend));
    }
    Ok(())
}
