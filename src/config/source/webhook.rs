//! `platform = "webhook"`

use super::super::Approval;
use super::super::section::{Read, Section, Wrong, choice};
use super::super::tree::Node;
use base64::Engine as _;
use secrecy::SecretString;
use url::Url;

/// The least bytes of a webhook secret; fewer could be guessed.
const LEAST_SECRET: usize = 16;
/// The most characters of a reply through a webhook, unless told otherwise.
const LIMIT: usize = 10_000;

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
        choice(&String::read(node)?, &known)
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
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
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
pub(in super::super) fn webhook_secret(text: &str) -> Result<(), Wrong> {
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
