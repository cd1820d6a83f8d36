//! `[[source]]`: one connected place we listen to.

use super::Approval;
use super::chat::token;
use super::section::{Read, Section, Wrong, nearest, shown};
use super::tree::Node;
use base64::Engine as _;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The networks a source can be of; the playground belongs to the demo.
const PLATFORMS: [&str; 2] = ["mastodon", "webhook"];
/// The least bytes of a webhook secret; fewer could be guessed.
const LEAST_SECRET: usize = 16;
/// How often the sweep behind a stream looks, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two sweeps: with less, Mastodon's limit of 300 pages in a quarter of an
/// hour would be used up by looking for nothing.
const LEAST_SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);
/// The most characters of a reply through a webhook, unless told otherwise.
const LIMIT: usize = 10_000;

/// `[[source]]`, by `platform`.
#[derive(Debug, Clone)]
pub enum Source {
    /// A Mastodon account.
    Mastodon(Mastodon),
    /// Any system that speaks the webhook contract.
    Webhook(Webhook),
    /// The demo's own network.
    Playground(Playground),
}

impl Source {
    /// The configured name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Mastodon(Mastodon { name, .. })
            | Self::Webhook(Webhook { name, .. })
            | Self::Playground(Playground { name }) => name,
        }
    }

    /// Who has to approve its replies, where that differs.
    #[must_use]
    pub fn approval(&self) -> Option<Approval> {
        match self {
            Self::Mastodon(Mastodon { approval, .. }) | Self::Webhook(Webhook { approval, .. }) => *approval,
            Self::Playground(Playground { .. }) => None,
        }
    }

    /// Reads a source; the playground only where it is allowed.
    pub(super) fn read(section: &mut Section<'_>, playground: bool) -> Option<Self> {
        let platform: Option<String> = section.need("platform", "\"mastodon\"");
        let name: Option<String> = section.need("name", "\"fedi\"");
        if let Some(name) = &name {
            section.check("name", source_name(name));
        }
        let Some(platform) = platform else {
            section.forgive();
            return None;
        };
        section.variant(&platform);
        match platform.as_str() {
            "mastodon" => Mastodon::read(section, name).map(Self::Mastodon),
            "webhook" => Webhook::read(section, name).map(Self::Webhook),
            "playground" if playground => Some(Self::Playground(Playground { name: name? })),
            other => {
                section.forgive();
                section.wrong("platform", unknown(other));
                None
            }
        }
    }
}

fn unknown(platform: &str) -> Wrong {
    let known = PLATFORMS.join(", ");
    if platform == "playground" {
        return Wrong::new(
            "\"playground\" is only for `hearback demo`",
            format!("known are {known}"),
        );
    }
    let mend = match nearest(platform, PLATFORMS) {
        Some(near) => format!("did you mean {near:?}? Known are {known}"),
        None => format!("known are {known}; any other system can come in by \"webhook\""),
    };
    Wrong::new(format!("{} is not a known platform", shown(platform)), mend)
}

/// A source's name stands in addresses.
fn source_name(name: &str) -> Result<(), Wrong> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let sound = name.bytes().next().is_some_and(plain)
        && name
            .bytes()
            .all(|byte| plain(byte) || byte == b'_' || byte == b'-');
    if sound {
        return Ok(());
    }
    Err(Wrong::new(
        format!("{} cannot stand in an address", shown(name)),
        "use lower-case letters, digits, - and _, beginning with a letter or digit",
    ))
}

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
    fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
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

/// `idempotency` of a webhook source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Idempotency {
    /// The receiver treats a repeated `webhook-id` as the same reply.
    Key,
    /// The receiver answers at `lookup_url`.
    Lookup,
    /// Neither.
    #[default]
    None,
}

impl Read for Idempotency {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let known = [("key", Self::Key), ("lookup", Self::Lookup), ("none", Self::None)];
        super::section::choice(&String::read(node)?, &known)
    }
}

/// `platform = "webhook"`
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The source's name; posts come to `/webhooks/{name}`.
    pub name: String,
    /// The shared secret, `whsec_…`, for both directions.
    pub secret: SecretString,
    /// Where replies go; without it the source only listens.
    pub reply_url: Option<Url>,
    /// Where a reply is looked up.
    pub lookup_url: Option<Url>,
    /// How an uncertain end is cleared up.
    pub idempotency: Idempotency,
    /// The most characters a reply may have.
    pub limit: usize,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Webhook {
    fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let secret = section.need_secret("secret", "\"whsec_…\"", webhook_secret);
        let reply_url = section.get("reply_url");
        let lookup_url = section.get("lookup_url");
        let idempotency = section.get("idempotency").unwrap_or_default();
        let limit = section.get("limit").unwrap_or(LIMIT);
        let approval = section.get("approval");
        Self::validate(section, idempotency, limit);
        Some(Self {
            name: name?,
            secret: secret?,
            reply_url,
            lookup_url,
            idempotency,
            limit,
            approval,
        })
    }

    fn validate(section: &mut Section<'_>, idempotency: Idempotency, limit: usize) {
        if idempotency == Idempotency::Lookup && !section.has("lookup_url") {
            let wrong = Wrong::new(
                "\"lookup\" needs lookup_url",
                "add `lookup_url = \"https://shop.example/replies/lookup\"`, or write \"key\" or \"none\"",
            );
            section.wrong("idempotency", wrong);
        }
        if limit == 0 {
            let wrong = Wrong::new("allows no reply at all", "write it like 10000");
            section.wrong("limit", wrong);
        }
    }
}

/// A secret of Standard Webhooks: `whsec_` and base64.
fn webhook_secret(text: &str) -> Result<(), Wrong> {
    let mend = "make one with: echo \"whsec_$(openssl rand -base64 32)\"";
    let Some(encoded) = text.strip_prefix("whsec_") else {
        return Err(Wrong::new("must begin with whsec_", mend));
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|_| Wrong::new("is not base64 after whsec_", mend))?;
    if bytes.len() < LEAST_SECRET {
        let message = format!("has {} bytes, fewer than {LEAST_SECRET}", bytes.len());
        return Err(Wrong::new(message, mend));
    }
    Ok(())
}

/// `platform = "playground"`
#[derive(Debug, Clone)]
pub struct Playground {
    /// The source's name.
    pub name: String,
}
