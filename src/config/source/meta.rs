//! What the sections of Meta's networks share.

use super::super::chat::token;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How often the sweep behind the webhooks looks, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(2 * 60);
/// The least time between two sweeps: calls are counted by the hour, and by how many people the account reaches.
const LEAST_SWEEP: Duration = Duration::from_secs(30);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// The keys that they share.
pub(super) struct Meta {
    pub url: Url,
    pub access_token: SecretString,
    pub app_secret: SecretString,
    pub verify_token: SecretString,
    pub poll: Duration,
}

impl Meta {
    /// Reads them; `home`: where the API is unless told otherwise.
    pub fn read(section: &mut Section<'_>, home: &str) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(home).ok());
        let access_token = section.need_secret("access_token", "\"…\"", token);
        let app_secret = section.need_secret("app_secret", "\"…\"", token);
        let verify_token = section.need_secret("verify_token", "\"…\"", token);
        let poll = section.get("poll").unwrap_or(SWEEP);
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than Meta allows",
                "write \"30s\" or more; the webhooks tell of posts at once",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            url: url?,
            access_token: access_token?,
            app_secret: app_secret?,
            verify_token: verify_token?,
            poll,
        })
    }
}

/// An id of Meta's: digits, which do not fit into every number.
pub(super) fn number(id: &str) -> Result<(), Wrong> {
    if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Wrong::new(
        "is no id",
        "write the number, in quotes: GET /me/accounts?fields=id,instagram_business_account lists them",
    ))
}
