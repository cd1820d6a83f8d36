//! `platform = "tiktok"`

use super::super::Approval;
use super::super::chat::token;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where the API is.
const HOME: &str = "https://business-api.tiktok.com";
/// How many of the newest videos are listened to, unless told otherwise, and the most: a page has 20.
const VIDEOS: usize = 10;
const MOST_VIDEOS: usize = 20;
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
const LEAST_SWEEP: Duration = Duration::from_secs(15);
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "tiktok"`
#[derive(Debug, Clone)]
pub struct TikTok {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// The account, as the authorisation named it (`open_id`).
    pub business_id: String,
    /// A token of the account.
    pub access_token: Option<SecretString>,
    /// What makes a new one.
    pub refresh_token: Option<SecretString>,
    /// The application's id.
    pub client_id: Option<String>,
    /// Its secret, with which webhooks are signed, too.
    pub client_secret: Option<SecretString>,
    /// How many of the newest videos are listened to.
    pub videos: usize,
    /// How often is looked for news, at least 15 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl TikTok {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let business_id = section.need("business_id", "\"…\"");
        if !["access_token", "refresh_token", "client_id"]
            .iter()
            .any(|key| section.has(key))
        {
            section.missing("access_token", "\"…\"");
        }
        let videos = section.get("videos").unwrap_or(VIDEOS);
        if !(1..=MOST_VIDEOS).contains(&videos) {
            let wrong = Wrong::new("is no number of videos that can be read", "write 1 to 20");
            section.wrong("videos", wrong);
        }
        let poll = section.get("poll").unwrap_or(SWEEP);
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than TikTok allows", "write \"15s\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            access_token: section.secret("access_token", token),
            refresh_token: section.secret("refresh_token", token),
            client_id: section.get("client_id"),
            client_secret: section.secret("client_secret", token),
            approval: section.get("approval"),
            name: name?,
            url: url?,
            business_id: business_id?,
            videos,
            poll,
        })
    }
}
