//! `platform = "mastodon"`

use super::super::Approval;
use super::super::chat::token;
use super::super::section::{Section, Wrong};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How often the sweep behind a stream looks, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: with less, Mastodon's limit of 300 pages in a quarter of an
/// hour would be used up by looking for nothing.
const LEAST_SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "mastodon"`
#[derive(Debug, Clone)]
pub struct Mastodon {
    /// The source's name.
    pub name: String,
    /// The server's address.
    pub url: Url,
    /// The account's token, with the scopes `read:notifications read:statuses read:accounts write:statuses` (and `read:search`).
    pub access_token: SecretString,
    /// Hashtags whose public posts are heard too, without `#`.
    pub hashtags: Vec<String>,
    /// Words searched for, where the server allows it.
    pub search: Vec<String>,
    /// How often the sweep behind the stream looks, at least 15 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Mastodon {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let url = section.need("url", "\"https://mastodon.example\"");
        let access_token = section.need_secret("access_token", "\"…\"", token);
        let hashtags: Vec<String> = section.list("hashtags").unwrap_or_default();
        let search = section.list("search").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if hashtags.iter().any(|tag| tag.starts_with('#')) {
            let wrong = Wrong::new("has a # in it", "write the tags without #");
            section.wrong("hashtags", wrong);
        }
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than servers allow",
                "write \"15s\" or more; the stream tells of posts at once",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            access_token: access_token?,
            hashtags,
            search,
            poll,
            approval,
        })
    }
}
