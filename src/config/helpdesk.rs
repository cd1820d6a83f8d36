//! `[[helpdesk]]`: where a team works that is a help desk.

use super::section::{Read, Section, Wrong, choice};
use super::source::webhook_secret;
use super::tree::Node;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How often is looked whether tickets were closed, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two looks.
const LEAST_SWEEP: Duration = Duration::from_secs(30);
/// The longest pause between two looks.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `system` of a help desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum System {
    Zendesk,
    Freshdesk,
    Webhook,
}

impl Read for System {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let known = [
            ("zendesk", Self::Zendesk),
            ("freshdesk", Self::Freshdesk),
            ("webhook", Self::Webhook),
        ];
        choice(&String::read(node)?, &known)
    }
}

/// `[[helpdesk]]`, by `system`.
#[derive(Debug, Clone)]
pub enum Helpdesk {
    /// Zendesk Support.
    Zendesk {
        /// Its name here; teams name it.
        name: String,
        /// Its address, `https://SHOP.zendesk.com`.
        url: Url,
        /// The agent whose token it is.
        email: String,
        /// An API token.
        api_token: SecretString,
        /// How often is looked whether tickets were closed.
        poll: Duration,
    },
    /// Freshdesk.
    Freshdesk {
        /// Its name here; teams name it.
        name: String,
        /// Its address, `https://SHOP.freshdesk.com`.
        url: Url,
        /// Who asks, in its tickets.
        email: String,
        /// An agent's API key.
        api_key: SecretString,
        /// How often is looked whether tickets were closed.
        poll: Duration,
    },
    /// Any other system, by Standard Webhooks.
    Webhook {
        /// Its name here; teams name it, and closings come to `/helpdesk/{name}`.
        name: String,
        /// Where tickets and notes go.
        url: Url,
        /// The shared secret, `whsec_…`, for both directions.
        secret: SecretString,
    },
}

impl Helpdesk {
    /// Its name here.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Zendesk { name, .. } | Self::Freshdesk { name, .. } | Self::Webhook { name, .. } => name,
        }
    }

    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let name: Option<String> = section.need("name", "\"desk\"");
        let system: Option<System> = section.need("system", "\"zendesk\"");
        let url = section.need("url", "\"https://shop.zendesk.com\"");
        let Some(system) = system else {
            section.forgive();
            return None;
        };
        if let Some(name) = &name {
            section.check("name", plain(name));
        }
        Some(match system {
            System::Zendesk => {
                section.variant("zendesk");
                let email = section.need("email", "\"bot@shop.example\"");
                let api_token = section.need_secret("api_token", "\"…\"", super::chat::token);
                Self::Zendesk {
                    poll: poll(section),
                    name: name?,
                    url: url?,
                    email: email?,
                    api_token: api_token?,
                }
            }
            System::Freshdesk => {
                section.variant("freshdesk");
                let email = section.need("email", "\"hearback@shop.example\"");
                let api_key = section.need_secret("api_key", "\"…\"", super::chat::token);
                Self::Freshdesk {
                    poll: poll(section),
                    name: name?,
                    url: url?,
                    email: email?,
                    api_key: api_key?,
                }
            }
            System::Webhook => {
                section.variant("webhook");
                let secret = section.need_secret("secret", "\"whsec_…\"", webhook_secret);
                Self::Webhook {
                    name: name?,
                    url: url?,
                    secret: secret?,
                }
            }
        })
    }
}

fn poll(section: &mut Section<'_>) -> Duration {
    let poll = section.get("poll").unwrap_or(SWEEP);
    if poll < LEAST_SWEEP {
        let wrong = Wrong::new(
            "would ask more often than help desks allow",
            "write \"30s\" or more",
        );
        section.wrong("poll", wrong);
    }
    section.at_most("poll", poll, MOST_SWEEP);
    poll
}

/// A name stands in addresses and in the outbox.
fn plain(name: &str) -> Result<(), Wrong> {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(sound) {
        return Ok(());
    }
    let mend = "use lower-case letters, digits, - and _";
    Err(Wrong::new("cannot stand in an address", mend))
}
