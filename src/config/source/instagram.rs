//! `platform = "instagram"`

use super::super::Approval;
use super::super::section::Section;
use super::meta::{self, Meta};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// `platform = "instagram"`
#[derive(Debug, Clone)]
pub struct Instagram {
    /// The source's name; Meta's webhooks come to `/webhooks/{name}`.
    pub name: String,
    /// Where the Graph API is, without its version.
    pub url: Url,
    /// The professional account's id (`instagram_business_account` of its page).
    pub account_id: String,
    /// The access token of the page that the account belongs to.
    pub access_token: SecretString,
    /// The app's secret: it signs what comes, and proves who calls.
    pub app_secret: SecretString,
    /// What the app's webhook settings say, for the verification of our address.
    pub verify_token: SecretString,
    /// How often the sweep behind the webhooks looks, at least 30 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Instagram {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let meta = Meta::read(section, "https://graph.facebook.com");
        let account_id: Option<String> = section.need("account_id", "\"17841400000000000\"");
        if let Some(account_id) = &account_id {
            section.check("account_id", meta::number(account_id));
        }
        let approval = section.get("approval");
        let meta = meta?;
        Some(Self {
            name: name?,
            url: meta.url,
            account_id: account_id?,
            access_token: meta.access_token,
            app_secret: meta.app_secret,
            verify_token: meta.verify_token,
            poll: meta.poll,
            approval,
        })
    }
}
