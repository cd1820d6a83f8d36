//! Any system, in and out: signed posts come to `/webhooks/{source}`, signed replies go to the
//! source's `reply_url`. One value per configured source; several exist at once.
//!
//! # What the other side promises by its answers
//!
//! The contract is ours, so the list of definite refusals is too: by 400, 403, 404, 410, 413 and
//! 422 the receiver says that it did not publish and never will, by 401 that it does not accept the
//! signature and did not publish. It says so in a JSON object with a text `error`; the same status
//! without it is a gateway's, which does not know what the receiver did. By 429 it says that it did
//! not publish and wants us to wait. Every other answer but a 2xx with the published reply proves
//! nothing: the reply's end is unknown then. A look-up's 404 says that the reply is not there, unless
//! it comes as a page for browsers, as gateways give it.

mod post;
mod receive;
mod reply;

pub use crate::adapter::signature::{Secret, Unproven};
pub use post::{MOST_POSTS, Malformed};
pub use receive::MOST_BODY;

use crate::adapter::connector::Connector;
use crate::adapter::finding::Finding;
use crate::adapter::http;
use crate::adapter::link::Link;
use crate::adapter::push::Gate;
use crate::app::Inbound;
use crate::config::{self, Idempotency};
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use anyhow::{Context as _, bail};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a receiver is believed to remember a `webhook-id`: Standard Webhooks asks for no time; the
/// senders' longest retry schedules span a day (<https://www.standardwebhooks.com/>).
const KEY_WINDOW: Duration = Duration::from_secs(20 * 3600);

/// One webhook source.
pub struct Webhook {
    source: SourceName,
    secret: Secret,
    reply_url: Option<Url>,
    lookup_url: Option<Url>,
    class: Class,
    limit: usize,
    client: reqwest::Client,
    clock: Arc<dyn Clock>,
    link: Link,
    gate: Gate,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Webhook {
    /// The source as configured.
    ///
    /// # Errors
    /// The secret or the name cannot be used, or a look-up is promised without an address for it.
    pub fn new(
        config: &config::Webhook,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            bail!(
                "the name {name:?} of a webhook source stands in its address; use letters, digits, `-`, `_` and `.`"
            );
        }
        if config.idempotency == Idempotency::Lookup && config.lookup_url.is_none() {
            bail!("idempotency = \"lookup\" needs a lookup_url");
        }
        let secret = Secret::parse(&config.secret).map_err(|reason| anyhow::anyhow!("{reason}"))?;
        let link = Link::new(format!("source:{name}"));
        // Nothing is missing before a reply finds nobody: the other side comes to us.
        link.up();
        Ok(Self {
            gate: Gate::new(&SourceName::new(name)),
            source: SourceName::new(name),
            secret,
            reply_url: config.reply_url.clone(),
            lookup_url: config.lookup_url.clone(),
            class: match (&config.reply_url, config.idempotency) {
                (None, _) | (_, Idempotency::None) => Class::None,
                (_, Idempotency::Key) => Class::Key { window: KEY_WINDOW },
                (_, Idempotency::Lookup) => Class::Lookup,
            },
            limit: config.limit,
            client: http::writer(reply_timeout).context("the HTTP client for webhook replies")?,
            clock,
            link,
        })
    }
}

#[async_trait]
impl SocialPlatform for Webhook {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        let listens = if self.reply_url.is_some() {
            ""
        } else {
            " (listens only)"
        };
        Abilities {
            class: self.class,
            private: true,
            label: format!("{}{listens}", self.source),
            account: Some(NativeId::new(self.source.as_str())),
        }
    }

    /// The text as it is, counted in characters. A source without `reply_url` refuses all.
    fn compose(&self, text: &str, _author_handle: &str, _audience: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: self.limit,
            unit: "characters",
            refusal: self.reply_url.is_none().then(|| {
                format!(
                    "{} only listens: no answer can be published there. The operator can give it a reply_url.",
                    self.source
                )
            }),
        }
    }

    /// The contract has no call that reads a post: edits and deletions are told to us.
    async fn target(&self, _: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        Ok(Target::NotReadable)
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        reply::publish(self, reply, permit).await
    }

    async fn find(&self, reply: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        reply::find(self, reply).await
    }

    /// The contract has no call that reads an address.
    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Connector for Webhook {
    /// One. It stands until the `reply_url` cannot be reached, and again from the next reply that is
    /// answered; posts come in all the while.
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    /// `POST /webhooks/{source}`, for this source.
    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        Some(receive::routes(self, inbound))
    }

    /// Whether the receiver can be reached, without sending it a reply.
    async fn examine(&self) -> Vec<Finding> {
        reply::examine(self).await
    }
}
