//! `platform = "google-play"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The API's address.
const HOME: &str = "https://androidpublisher.googleapis.com";
/// How often is looked for news, unless told otherwise; and the least time between two sweeps: an app has 200
/// readings an hour.
const SWEEP: Duration = Duration::from_secs(5 * 60);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `platform = "google-play"`
#[derive(Debug, Clone)]
pub struct GooglePlay {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// The key of a service account that may reply to reviews: the JSON that Google hands out.
    pub service_account_key: SecretString,
    /// The app.
    pub package_name: String,
    /// How often is looked for news, at least 5 minutes apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl GooglePlay {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let key = section.need_secret("service_account_key", "'{…}'", service_account);
        let package_name: Option<String> = section.need("package_name", "\"com.example.shop\"");
        if let Some(package) = &package_name {
            section.check("package_name", sound(package));
        }
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < SWEEP {
            let wrong = Wrong::new(
                "would ask more often than Google allows (200 readings an hour)",
                "write \"5m\" or more",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            service_account_key: key?,
            package_name: package_name?,
            poll,
            approval,
        })
    }
}

/// The JSON of a service account's key. Nothing of it is shown.
fn service_account(text: &str) -> Result<(), Wrong> {
    let mend = "make one in the Google Cloud console (service account, Keys, JSON), and name its file with \
                service_account_key_file";
    let wrong = |message: &str| Err(Wrong::new(message, mend));
    let Ok(serde_json::Value::Object(file)) = serde_json::from_str(text) else {
        return wrong("is not JSON");
    };
    let has = |key: &str| file.get(key).is_some_and(serde_json::Value::is_string);
    if !has("client_email") || !has("private_key") {
        return wrong("is not the key of a service account: it has no client_email or no private_key");
    }
    Ok(())
}

fn sound(package: &str) -> Result<(), Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    if package.contains('.') && package.chars().all(plain) {
        return Ok(());
    }
    Err(Wrong::new(
        "is no package name",
        "write it as it stands behind id= in the app's address, for example \"com.example.shop\"",
    ))
}
