//! `platform = "github"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use super::whole;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where the API is.
const HOME: &str = "https://api.github.com";
/// How often the sweep looks, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: a token has 5000 calls in an hour.
const LEAST_SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "github"`
#[derive(Debug, Clone)]
pub struct GitHub {
    /// The source's name; with a `webhook_secret`, issues are pushed to `/webhooks/{name}`.
    pub name: String,
    /// Where the API is.
    pub url: Url,
    /// A token of the account.
    pub token: SecretString,
    /// The repositories whose issues are heard, as `owner/name`.
    pub repositories: Vec<String>,
    /// The repositories whose discussions are heard, as `owner/name`.
    pub discussions: Vec<String>,
    /// The secret that webhooks are signed with.
    pub webhook_secret: Option<SecretString>,
    /// What is searched for in the issues of others.
    pub search: Vec<String>,
    /// How often the sweep looks, at least 15 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl GitHub {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let token = section.need_secret("token", "\"github_pat_…\"", whole);
        let repositories: Vec<String> = section.list("repositories").unwrap_or_default();
        for repository in &repositories {
            section.check("repositories", sound(repository));
        }
        let discussions: Vec<String> = section.list("discussions").unwrap_or_default();
        for repository in &discussions {
            section.check("discussions", sound(repository));
        }
        let webhook_secret = section.secret("webhook_secret", whole);
        let search: Vec<String> = section.list("search").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if repositories.is_empty() && discussions.is_empty() && search.is_empty() {
            section.missing("repositories", "[\"acme/app\"]");
        }
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than GitHub allows",
                "write \"15s\" or more; with a webhook issues come at once",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            token: token?,
            repositories,
            discussions,
            webhook_secret,
            search,
            poll,
            approval,
        })
    }
}

/// Owner and name.
fn sound(repository: &str) -> Result<(), Wrong> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let parts: Vec<_> = repository.split('/').collect();
    if parts.len() == 2
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.chars().all(plain))
    {
        return Ok(());
    }
    Err(Wrong::new(
        "is no repository",
        "write it as owner/name, for example \"acme/app\"",
    ))
}
