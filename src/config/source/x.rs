//! `platform = "x"`

use super::super::Approval;
use super::super::chat::token;
use super::super::section::{Section, Wrong, choice};
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// Where the API is.
const HOME: &str = "https://api.x.com";
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: an account has 300 calls for its mentions in a quarter of an hour.
const LEAST_SWEEP: Duration = Duration::from_secs(5);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "x"`. Credentials are `access_token` or `refresh_token` with `client_id`, or the four of
/// OAuth 1.0a.
#[derive(Debug, Clone)]
pub struct X {
    /// The source's name.
    pub name: String,
    /// The API's address.
    pub url: Url,
    /// OAuth 2.0: a token of the account.
    pub access_token: Option<SecretString>,
    /// OAuth 2.0: what makes a new one.
    pub refresh_token: Option<SecretString>,
    /// OAuth 2.0: the application's client.
    pub client_id: Option<String>,
    /// OAuth 2.0: its secret, with which webhooks are signed, too.
    pub client_secret: Option<SecretString>,
    /// OAuth 1.0a: the application's key.
    pub consumer_key: Option<String>,
    /// OAuth 1.0a: its secret, with which webhooks are signed, too.
    pub consumer_secret: Option<SecretString>,
    /// OAuth 1.0a: a token of the account.
    pub token: Option<String>,
    /// OAuth 1.0a: its secret.
    pub token_secret: Option<SecretString>,
    /// The application's own token, for the filtered stream.
    pub bearer_token: Option<SecretString>,
    /// What is searched for, in X's own words for searches.
    pub search: Vec<String>,
    /// Whether private messages are heard.
    pub direct_messages: bool,
    /// Whether only those can be answered in public who named us.
    pub summoned_only: bool,
    /// The most US dollars a day before searches rest.
    pub budget: Option<usize>,
    /// How often is looked for news, at least 5 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl X {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let poll = section.get("poll").unwrap_or(SWEEP);
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than X allows", "write \"5s\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        let words = |section: &mut Section<'_>, key, known: [(&str, bool); 2]| {
            let told: Option<String> = section.get(key);
            match told.map(|word| choice(&word, &known)) {
                Some(Ok(value)) => value,
                Some(Err(wrong)) => {
                    section.wrong(key, wrong);
                    false
                }
                None => known[0].1,
            }
        };
        credentials(section);
        Some(Self {
            access_token: section.secret("access_token", token),
            refresh_token: section.secret("refresh_token", token),
            client_id: section.get("client_id"),
            client_secret: section.secret("client_secret", token),
            consumer_key: section.get("consumer_key"),
            consumer_secret: section.secret("consumer_secret", token),
            token: section.get("token"),
            token_secret: section.secret("token_secret", token),
            bearer_token: section.secret("bearer_token", token),
            search: section.list("search").unwrap_or_default(),
            direct_messages: words(section, "direct_messages", [("off", false), ("on", true)]),
            summoned_only: words(section, "answers", [("summoned", true), ("all", false)]),
            budget: section.get("budget"),
            poll,
            approval: section.get("approval"),
            name: name?,
            url: url?,
        })
    }
}

/// One of the two forms of credentials has to be whole.
fn credentials(section: &mut Section<'_>) {
    let signing = ["consumer_key", "consumer_secret", "token", "token_secret"];
    let given: Vec<_> = signing.iter().filter(|key| section.has(key)).collect();
    let by_token = section.has("access_token") || section.has("refresh_token");
    if section.has("refresh_token") && !section.has("client_id") {
        let wrong = Wrong::new(
            "cannot be used without client_id",
            "add the client_id of the application it was made for",
        );
        section.wrong("refresh_token", wrong);
    }
    // The consumer's secret alone is for the signatures of webhooks.
    let signs = section.has("consumer_key") || section.has("token") || section.has("token_secret");
    if signs && given.len() < signing.len() {
        let lacking = signing.iter().filter(|key| !section.has(key)).copied();
        let lacking = lacking.collect::<Vec<_>>().join(", ");
        let wrong = Wrong::new(
            format!("OAuth 1.0a needs all four, and {lacking} is missing"),
            "add it, or use access_token (OAuth 2.0)",
        );
        section.wrong("", wrong);
    } else if !signs && !by_token && !section.has("client_id") {
        section.missing("access_token", "\"…\"");
    }
}
