//! `platform = "lemmy"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use super::whole;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps.
const LEAST_SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "lemmy"`
#[derive(Debug, Clone)]
pub struct Lemmy {
    /// The source's name.
    pub name: String,
    /// The server's address.
    pub url: Url,
    /// The account's name, without `@`.
    pub username: String,
    /// Its password.
    pub password: SecretString,
    /// Words searched for.
    pub search: Vec<String>,
    /// How often is looked for news, at least 15 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Lemmy {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let url = section.need("url", "\"https://lemmy.example\"");
        let username: Option<String> = section.need("username", "\"shop\"");
        if let Some(username) = &username {
            section.check("username", sound(username));
        }
        let password = section.need_secret("password", "\"…\"", whole);
        let search = section.list("search").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than servers allow", "write \"15s\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            username: username?,
            password: password?,
            search,
            poll,
            approval,
        })
    }
}

/// A name, or the address of an e-mail.
fn sound(username: &str) -> Result<(), Wrong> {
    if username.starts_with('@') || username.contains(char::is_whitespace) {
        return Err(Wrong::new(
            "is no name of a user",
            "write it without @, for example \"shop\"",
        ));
    }
    Ok(())
}
