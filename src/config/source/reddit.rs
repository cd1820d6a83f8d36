//! `platform = "reddit"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use super::whole;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where the API is.
const HOME: &str = "https://oauth.reddit.com";
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: an application has 100 calls in a minute.
const LEAST_SWEEP: Duration = Duration::from_secs(10);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "reddit"`
#[derive(Debug, Clone)]
pub struct Reddit {
    /// The source's name.
    pub name: String,
    /// Where the API is.
    pub url: Url,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretString,
    /// The account's name, without `u/`.
    pub username: String,
    /// The account's password.
    pub password: SecretString,
    /// Subreddits all of whose posts and comments are heard, without `r/`.
    pub subreddits: Vec<String>,
    /// Words searched for in posts.
    pub search: Vec<String>,
    /// How often is looked for news, at least 10 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Reddit {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let client_id: Option<String> = section.need("client_id", "\"p-jcoLKBynTLew\"");
        let client_secret = section.need_secret("client_secret", "\"…\"", whole);
        let username: Option<String> = section.need("username", "\"shop_help\"");
        if let Some(username) = &username {
            section.check("username", plain(username, "the account's name, without u/"));
        }
        let password = section.need_secret("password", "\"…\"", whole);
        let subreddits: Vec<String> = section.list("subreddits").unwrap_or_default();
        for subreddit in &subreddits {
            section.check("subreddits", plain(subreddit, "the name alone, without r/"));
        }
        let search = section.list("search").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than Reddit allows", "write \"10s\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            client_id: client_id?,
            client_secret: client_secret?,
            username: username?,
            password: password?,
            subreddits,
            search,
            poll,
            approval,
        })
    }
}

/// A name that stands in addresses and in a header.
fn plain(name: &str, what: &str) -> Result<(), Wrong> {
    let sound = !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        "has more in it than a name on Reddit",
        format!("write {what}"),
    ))
}
