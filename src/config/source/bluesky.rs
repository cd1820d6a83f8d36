//! `platform = "bluesky"`

use super::super::Approval;
use super::super::section::{Read, Section, Wrong};
use super::super::tree::Node;
use super::whole;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// The server that most accounts sign in at.
const HOME: &str = "https://bsky.social";
/// How often is looked for news, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(30);
/// The least time between two sweeps: an address has 3000 calls in five minutes, for all its accounts.
const LEAST_SWEEP: Duration = Duration::from_secs(5);
/// The longest pause between two sweeps.
const MOST_SWEEP: Duration = Duration::from_secs(60 * 60);

/// `platform = "bluesky"`
#[derive(Debug, Clone)]
pub struct Bluesky {
    /// The source's name.
    pub name: String,
    /// The server that the account signs in at.
    pub url: Url,
    /// The account's handle, without `@`, or its DID.
    pub identifier: String,
    /// An app password of the account.
    pub password: SecretString,
    /// Words searched for.
    pub search: Vec<String>,
    /// How often is looked for news, at least 5 seconds apart.
    pub poll: Duration,
    /// The network's stream of all posts, if it is listened to; the scheme is `ws` or `wss`.
    pub jetstream: Option<Url>,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Bluesky {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        // One that cannot be read was noted: what is taken instead is never used.
        let url = section.get("url").or_else(|| Url::parse(HOME).ok());
        let identifier: Option<String> = section.need("identifier", "\"shop.bsky.social\"");
        if let Some(identifier) = &identifier {
            section.check("identifier", sound(identifier));
        }
        let password = section.need_secret("password", "\"xxxx-xxxx-xxxx-xxxx\"", whole);
        let search = section.list("search").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let jetstream = section.get::<StreamUrl>("jetstream");
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than the network allows",
                "write \"5s\" or more",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            url: url?,
            identifier: identifier?,
            password: password?,
            search,
            poll,
            jetstream: jetstream.map(|StreamUrl(url)| url),
            approval,
        })
    }
}

/// The address of a stream. Who writes it as that of a page means the same.
struct StreamUrl(Url);

impl Read for StreamUrl {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let text = String::read(node)?;
        let wrong = |what: &str| {
            let mend = "write it like \"wss://jetstream2.us-east.bsky.network\"";
            Wrong::new(what, mend)
        };
        let mut url = Url::parse(&text).map_err(|_| wrong("is not an address"))?;
        let scheme = match url.scheme() {
            "wss" | "https" => "wss",
            "ws" | "http" => "ws",
            _ => return Err(wrong("must begin with wss:// (or ws://)")),
        };
        url.set_scheme(scheme).map_err(|()| wrong("is not an address"))?;
        Ok(Self(url))
    }
}

/// A handle without its `@`, a DID, or the address of an e-mail.
fn sound(identifier: &str) -> Result<(), Wrong> {
    let mend = "write the handle as it stands behind the @, for example \"shop.bsky.social\"";
    if identifier.starts_with('@') {
        return Err(Wrong::new("begins with @", mend));
    }
    if identifier.trim().is_empty() || identifier.contains(char::is_whitespace) {
        return Err(Wrong::new("is no handle", mend));
    }
    Ok(())
}
