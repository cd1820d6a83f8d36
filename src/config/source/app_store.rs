//! `platform = "app-store"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The API's address.
const HOME: &str = "https://api.appstoreconnect.apple.com";
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(5 * 60);
/// The least time between two sweeps: a key has some thousands of calls an hour, for all its apps.
const LEAST_SWEEP: Duration = Duration::from_secs(60);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `platform = "app-store"`
#[derive(Debug, Clone)]
pub struct AppStore {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// Whose key it is; none for the key of one person.
    pub issuer_id: Option<String>,
    /// Which key.
    pub key_id: String,
    /// The key, as it was downloaded: `AuthKey_….p8`.
    pub private_key: SecretString,
    /// The app, by its number.
    pub app_id: String,
    /// How often is looked for news, at least 1 minute apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl AppStore {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let issuer_id = section.get("issuer_id");
        let key_id = section.need("key_id", "\"2X9R4HXF34\"");
        let private_key = section.need_secret("private_key", "\"-----BEGIN PRIVATE KEY-----…\"", key);
        let app_id: Option<String> = section.need("app_id", "\"1234567890\"");
        if let Some(app) = &app_id {
            section.check("app_id", number(app));
        }
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than Apple allows", "write \"1m\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            issuer_id,
            key_id: key_id?,
            private_key: private_key?,
            app_id: app_id?,
            poll,
            approval,
        })
    }
}

/// A key in PEM. Nothing of it is shown.
fn key(text: &str) -> Result<(), Wrong> {
    if text.contains("-----BEGIN PRIVATE KEY-----") {
        return Ok(());
    }
    Err(Wrong::new(
        "is not the key that App Store Connect gives",
        "name the file that was downloaded (AuthKey_….p8) with private_key_file",
    ))
}

fn number(app: &str) -> Result<(), Wrong> {
    if !app.is_empty() && app.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(());
    }
    Err(Wrong::new(
        "is not an app's number",
        "write the number behind id in the app's address, for example \"1234567890\"",
    ))
}
