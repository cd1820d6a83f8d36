//! `platform = "discourse"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use super::whole;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How often the sweep looks, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: a key has 60 calls in a minute.
const LEAST_SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);
/// The fewest characters of a webhook's secret, as the forum wants it.
const SHORTEST_SECRET: usize = 12;

/// `platform = "discourse"`
#[derive(Debug, Clone)]
pub struct Discourse {
    /// The source's name; with a `webhook_secret`, posts are pushed to `/webhooks/{name}`.
    pub name: String,
    /// The forum's address.
    pub url: Url,
    /// The key of the account.
    pub api_key: SecretString,
    /// The account's name, without `@`.
    pub api_username: String,
    /// The secret that the forum signs its webhook with.
    pub webhook_secret: Option<SecretString>,
    /// Words searched for.
    pub search: Vec<String>,
    /// How often the sweep looks, at least 15 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Discourse {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let url = section.need("url", "\"https://forum.example\"");
        let api_key = section.need_secret("api_key", "\"…\"", whole);
        let api_username: Option<String> = section.need("api_username", "\"help\"");
        if let Some(username) = &api_username {
            section.check("api_username", sound(username));
        }
        let webhook_secret = section.secret("webhook_secret", secret);
        let search = section.list("search").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than forums allow",
                "write \"15s\" or more; with a webhook posts come at once",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            api_key: api_key?,
            api_username: api_username?,
            webhook_secret,
            search,
            poll,
            approval,
        })
    }
}

/// A name as it stands in addresses and in a header.
fn sound(username: &str) -> Result<(), Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !username.is_empty() && username.chars().all(plain) {
        return Ok(());
    }
    Err(Wrong::new(
        "is no name of a user",
        "write it as it stands behind the @, for example \"help\"",
    ))
}

/// What a forum takes as a webhook's secret.
fn secret(text: &str) -> Result<(), Wrong> {
    whole(text)?;
    if text.len() >= SHORTEST_SECRET && !text.contains(char::is_whitespace) {
        return Ok(());
    }
    Err(Wrong::new(
        format!("must have {SHORTEST_SECRET} characters or more, without spaces"),
        "make one with: openssl rand -hex 32",
    ))
}
