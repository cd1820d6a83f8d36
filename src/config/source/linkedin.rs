//! `platform = "linkedin"`

use super::super::Approval;
use super::super::chat::token;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where the API is, and where it hands out tokens.
const HOME: &str = "https://api.linkedin.com";
const TOKENS: &str = "https://www.linkedin.com/oauth/v2/accessToken";
/// The version that is asked for: each lives for a year.
const VERSION: &str = "202608";
/// How often is looked for news, unless told otherwise: quotas are by day.
const SWEEP: Duration = Duration::from_secs(2 * 60);
const LEAST_SWEEP: Duration = Duration::from_secs(15);
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "linkedin"`
#[derive(Debug, Clone)]
pub struct LinkedIn {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// Where tokens are handed out: on `url` where that was set.
    pub token_url: Url,
    /// The organisation, as a URN.
    pub organization: String,
    /// A token of a member who administers its page.
    pub access_token: Option<SecretString>,
    /// What makes a new one.
    pub refresh_token: Option<SecretString>,
    /// The application's client.
    pub client_id: Option<String>,
    /// Its secret, with which webhooks are signed, too.
    pub client_secret: Option<SecretString>,
    /// The version of the API, `YYYYMM`.
    pub version: String,
    /// How often is looked for news, at least 15 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl LinkedIn {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let told: Option<Url> = section.get("url");
        // One that cannot be read was noted: what is taken instead is never used.
        let tokens = match &told {
            Some(url) => url.join("/oauth/v2/accessToken").ok(),
            None => Url::parse(TOKENS).ok(),
        };
        let organization: Option<String> = section.need("organization", "\"urn:li:organization:2414183\"");
        if let Some(organization) = &organization {
            section.check("organization", sound(organization));
        }
        let version: String = section.get("version").unwrap_or_else(|| VERSION.to_owned());
        if version.len() != 6 || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            let wrong = Wrong::new("is no version", "write year and month, like \"202608\"");
            section.wrong("version", wrong);
        }
        if !["access_token", "refresh_token", "client_id"]
            .iter()
            .any(|key| section.has(key))
        {
            section.missing("access_token", "\"…\"");
        }
        let poll = section.get("poll").unwrap_or(SWEEP);
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would use up the quota of a day", "write \"15s\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            access_token: section.secret("access_token", token),
            refresh_token: section.secret("refresh_token", token),
            client_id: section.get("client_id"),
            client_secret: section.secret("client_secret", token),
            approval: section.get("approval"),
            url: told.or_else(|| Url::parse(HOME).ok())?,
            token_url: tokens?,
            organization: organization?,
            name: name?,
            version,
            poll,
        })
    }
}

fn sound(organization: &str) -> Result<(), Wrong> {
    let number = organization
        .strip_prefix("urn:li:organization:")
        .unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Wrong::new(
        "is no organisation",
        "write \"urn:li:organization:\" and the number in the address of its page's administration",
    ))
}
