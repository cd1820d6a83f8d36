//! `[[source]]`: one connected place we listen to.

use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// `[[source]]`, by `platform`.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "platform", rename_all = "lowercase")]
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
}

/// `platform = "mastodon"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mastodon {
    /// The source's name.
    pub name: String,
    /// The server's address.
    pub url: Url,
    /// The account's token, with the scopes `read:notifications read:statuses read:accounts write:statuses` (and `read:search`).
    pub access_token: SecretString,
    /// Hashtags whose public posts are heard too, without `#`.
    #[serde(default)]
    pub hashtags: Vec<String>,
    /// Words searched for, where the server allows it.
    #[serde(default)]
    pub search: Vec<String>,
    /// How often the sweep behind the stream looks.
    #[serde(default = "sweep", with = "super::duration")]
    pub poll: std::time::Duration,
}

fn sweep() -> std::time::Duration {
    std::time::Duration::from_secs(60)
}

/// `idempotency` of a webhook source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Idempotency {
    /// The receiver treats a repeated `webhook-id` as the same reply.
    Key,
    /// The receiver answers at `lookup_url`.
    Lookup,
    /// Neither.
    #[default]
    None,
}

/// `platform = "webhook"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The source's name; posts come to `/webhooks/{name}`.
    pub name: String,
    /// The shared secret, `whsec_…`, for both directions.
    pub secret: SecretString,
    /// Where replies go; without it the source only listens.
    #[serde(default)]
    pub reply_url: Option<Url>,
    /// Where a reply is looked up.
    #[serde(default)]
    pub lookup_url: Option<Url>,
    /// How an uncertain end is cleared up.
    #[serde(default)]
    pub idempotency: Idempotency,
    /// The most characters a reply may have.
    #[serde(default = "limit")]
    pub limit: usize,
}

fn limit() -> usize {
    10_000
}

/// `platform = "playground"`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Playground {
    /// The source's name.
    pub name: String,
}
