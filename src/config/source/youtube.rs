//! `platform = "youtube"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The API's address.
const HOME: &str = "https://youtube.googleapis.com";
/// How often is looked for news, unless told otherwise: with what is known, about 3,000 units a day.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: more would use up a day's units.
const LEAST_SWEEP: Duration = Duration::from_secs(30);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);
/// The units that a project has in a day, unless Google gave it more.
const QUOTA: usize = 10_000;

/// `platform = "youtube"`
#[derive(Debug, Clone)]
pub struct YouTube {
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
    /// Our channel.
    pub channel_id: String,
    /// The units that the project has in a day.
    pub daily_quota: usize,
    /// How often is looked for news, at least 30 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl YouTube {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let client_id = section.need("client_id", "\"….apps.googleusercontent.com\"");
        let client_secret = section.need_secret("client_secret", "\"…\"", |_| Ok(()));
        let refresh_token = section.secret("refresh_token", |_| Ok(()));
        let channel_id: Option<String> = section.need("channel_id", "\"UC_x5XG1OV2P6uZZ5FSM9Ttw\"");
        if let Some(channel) = &channel_id {
            section.check("channel_id", sound(channel));
        }
        let daily_quota = section.get("daily_quota").unwrap_or(QUOTA);
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would use up a day's units", "write \"30s\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            client_id: client_id?,
            client_secret: client_secret?,
            refresh_token,
            channel_id: channel_id?,
            daily_quota,
            poll,
            approval,
        })
    }
}

fn sound(channel: &str) -> Result<(), Wrong> {
    if channel.starts_with("UC") {
        return Ok(());
    }
    Err(Wrong::new(
        "is no channel's id",
        "write the id, which begins with UC: YouTube shows it under Settings, Advanced settings",
    ))
}
