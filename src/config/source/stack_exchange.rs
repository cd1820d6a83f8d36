//! `platform = "stackexchange"`

use super::super::Approval;
use super::super::section::{Read, Section, Wrong, choice};
use super::super::tree::Node;
use super::whole;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where the API is, and where a person lets an application in.
const HOME: &str = "https://api.stackexchange.com";
const DOOR: &str = "https://stackoverflow.com/oauth";
/// How often is looked for news, unless told otherwise. A key has 10,000 calls a day, and no key 300.
const SWEEP: Duration = Duration::from_secs(2 * 60);
const SWEEP_WITHOUT_KEY: Duration = Duration::from_secs(30 * 60);
/// The least time between two sweeps: the same must not be asked more often than once a minute
/// (<https://api.stackexchange.com/docs/throttle>).
const LEAST_SWEEP: Duration = Duration::from_secs(60);
const LEAST_WITHOUT_KEY: Duration = Duration::from_secs(15 * 60);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `answers`: whether a reply to a question is an answer there.
struct Answers(bool);

impl Read for Answers {
    fn read(node: &Node) -> Result<Self, Wrong> {
        choice(&String::read(node)?, &[("comment", false), ("answer", true)]).map(Self)
    }
}

/// `platform = "stackexchange"`
#[derive(Debug, Clone)]
pub struct StackExchange {
    /// The source's name.
    pub name: String,
    /// Where the API is.
    pub url: Url,
    /// Where a person lets an application in: on `url` where that was set.
    pub oauth_url: Url,
    /// The site, as the API names it.
    pub site: String,
    /// The application's key.
    pub key: Option<SecretString>,
    /// A token of the account that answers.
    pub access_token: Option<SecretString>,
    /// The application's client, by which such a token is got.
    pub client_id: Option<String>,
    /// Its secret.
    pub client_secret: Option<SecretString>,
    /// Our account on the site, where no token tells it.
    pub user_id: Option<usize>,
    /// Questions with one of these tags are heard.
    pub tags: Vec<String>,
    /// Words searched for in questions.
    pub search: Vec<String>,
    /// Whether a reply to a question is an answer, and not a comment.
    pub answers: bool,
    /// How often is looked for news.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl StackExchange {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let told: Option<Url> = section.get("url");
        // One that cannot be read was noted: what is taken instead is never used.
        let door = match &told {
            Some(url) => url.join("/oauth").ok(),
            None => Url::parse(DOOR).ok(),
        };
        let site: Option<String> = section.need("site", "\"stackoverflow\"");
        if let Some(site) = &site {
            section.check("site", plain_site(site));
        }
        let tags: Vec<String> = section.list("tags").unwrap_or_default();
        for tag in &tags {
            section.check("tags", plain_tag(tag));
        }
        let search: Vec<String> = section.list("search").unwrap_or_default();
        let lets_in = section.has("access_token") || section.has("client_id");
        if tags.is_empty() && search.is_empty() && !lets_in {
            section.missing("tags", "[\"acme\"]");
        }
        let poll = Self::pace(section);
        // The API wants an application's key beside a token (error 405, `key_required`).
        if lets_in && !section.has("key") {
            section.missing("key", "\"…\"");
        }
        Some(Self {
            name: name?,
            url: told.or_else(|| Url::parse(HOME).ok())?,
            oauth_url: door?,
            site: site?,
            key: section.secret("key", whole),
            access_token: section.secret("access_token", whole),
            client_id: section.get("client_id"),
            client_secret: section.secret("client_secret", whole),
            user_id: section.get("user_id"),
            tags,
            search,
            answers: section.get("answers").is_some_and(|Answers(answers)| answers),
            poll,
            approval: section.get("approval"),
        })
    }

    /// How often is looked, as the calls of a day allow.
    fn pace(section: &mut Section<'_>) -> Duration {
        let (usual, least, mend) = if section.has("key") {
            (SWEEP, LEAST_SWEEP, "write \"1m\" or more")
        } else {
            let mend = "write \"15m\" or more, or register an application for a key";
            (SWEEP_WITHOUT_KEY, LEAST_WITHOUT_KEY, mend)
        };
        let poll = section.get("poll").unwrap_or(usual);
        if poll < least {
            let wrong = Wrong::new("would ask more often than Stack Exchange allows", mend);
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        poll
    }
}

/// The site's name, or its host.
fn plain_site(site: &str) -> Result<(), Wrong> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if !site.is_empty() && site.chars().all(plain) {
        return Ok(());
    }
    Err(Wrong::new(
        "is no name of a site",
        "write it as the API does, for example \"stackoverflow\" or \"superuser\"",
    ))
}

/// A tag as it stands in an address. Several are told apart by `;`.
fn plain_tag(tag: &str) -> Result<(), Wrong> {
    if !tag.is_empty() && !tag.contains(|c: char| c.is_whitespace() || matches!(c, ';' | '[' | ']')) {
        return Ok(());
    }
    Err(Wrong::new(
        "is no tag",
        "write each tag by itself, without brackets, for example \"acme-parcels\"",
    ))
}
