//! Mastodon, and what speaks its API: GoToSocial, Pleroma, snac.
//!
//! A sweep pages through notifications from a stored cursor; the stream says when to sweep at once.
//! Replies are statuses with an `Idempotency-Key`, which some of these servers honour and others
//! ignore: the class is decided by what the server says it runs, and what is not known is looked
//! up (see `instance`). The crates for this API were tried and cannot send the key; these are the
//! dozen calls we need.
//!
//! A post's id is the server's own for it, by which it can be answered and read again; it is the
//! same in notifications, timelines and searches, so a post seen twice is one post. On snac, where
//! an id changes with every edit, it is a form of it that does not.

mod api;
mod count;
mod examine;
mod feed;
mod instance;
mod publish;
mod stream;
mod text;
mod translate;
mod wire;

use crate::adapter::link::Link;
use crate::adapter::supervise::{Lost, supervise};
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, PortError, Published, SocialPlatform};
use anyhow::Context as _;
use api::{Api, Failed};
use async_trait::async_trait;
use instance::Known;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One account on a server.
pub struct Mastodon {
    source: SourceName,
    api: Api,
    hashtags: Vec<String>,
    search: Vec<String>,
    poll: Duration,
    reply_timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    stream_link: Link,
    known: RwLock<Option<Arc<Known>>>,
    roots: feed::Roots,
    /// Says that there is something to read.
    nudge: Notify,
    /// Whose turn it is to be read again.
    turn: AtomicUsize,
    /// Whether the stream wants the token as the name of its protocol.
    token_as_protocol: AtomicBool,
    /// Whether the log was told that searching is not allowed.
    search_refused: AtomicBool,
}

impl std::fmt::Debug for Mastodon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mastodon")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Mastodon {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Mastodon,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        anyhow::ensure!(
            matches!(config.url.scheme(), "http" | "https"),
            "the url must begin with https://"
        );
        let name = &config.name;
        let token = config.access_token.clone();
        let api =
            Api::new(config.url.clone(), token, reply_timeout, clock.clone()).context("the HTTP client")?;
        Ok(Self {
            source: SourceName::new(name),
            api,
            hashtags: config.hashtags.clone(),
            search: config.search.clone(),
            poll: config.poll,
            reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            stream_link: Link::new(format!("source:{name}:stream")),
            known: RwLock::new(None),
            roots: feed::Roots::default(),
            nudge: Notify::new(),
            turn: AtomicUsize::new(0),
            token_as_protocol: AtomicBool::new(false),
            search_refused: AtomicBool::new(false),
        })
    }

    /// The connections that readiness depends on. The stream is none of them: some servers have
    /// none, and the sweep sees everything without it. It is in the metrics and in the log.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    /// Reads until `stop`: sweeps every `poll`, and at once when the stream says so.
    pub async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let (me, inlet) = (self.clone(), inbound.clone());
        let sweeping = supervise(self.link.clone(), stop.clone(), move || {
            let (me, inbound) = (me.clone(), inlet.clone());
            async move { me.keep_sweeping(&inbound).await }
        });
        let me = self.clone();
        let listening = supervise(self.stream_link.clone(), stop, move || {
            let (me, inbound) = (me.clone(), inbound.clone());
            async move { me.listen(&inbound).await }
        });
        tokio::join!(sweeping, listening);
    }

    async fn keep_sweeping(&self, inbound: &Inbound) -> Result<(), Lost> {
        loop {
            self.sweep(inbound).await?;
            self.link.up();
            let next = tokio::time::Instant::now() + self.poll;
            while tokio::time::timeout_at(next, self.nudge.notified()).await.is_ok() {
                self.notifications(inbound).await?;
            }
        }
    }

    /// What is known of the server; asked for once.
    async fn known(&self) -> Result<Arc<Known>, Failed> {
        if let Some(known) = self.known_already() {
            return Ok(known);
        }
        let known = Arc::new(instance::learn(&self.api).await?);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    fn known_already(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SocialPlatform for Mastodon {
    fn source(&self) -> &SourceName {
        &self.source
    }

    /// Until the server was asked, the least is assumed.
    fn abilities(&self) -> Abilities {
        Abilities {
            class: self
                .known_already()
                .map_or(Class::Lookup, |known| known.software.class()),
            private: true,
            label: "Mastodon".to_owned(),
        }
    }

    fn compose(&self, text: &str, author_handle: &str, _audience: Audience) -> Composed {
        let text = publish::addressed(text, author_handle);
        let known = self.known_already();
        let per_url = known
            .as_ref()
            .map_or(instance::DEFAULT_PER_URL, |known| known.per_url);
        let plainly = known
            .as_ref()
            .is_some_and(|known| known.software != instance::Software::Mastodon);
        Composed {
            length: if plainly {
                text.chars().count()
            } else {
                count::length(&text, per_url)
            },
            limit: known.map_or(instance::DEFAULT_CHARACTERS, |known| known.characters),
            unit: "characters",
            refusal: None,
            text,
        }
    }

    async fn publish(&self, reply: &Reply) -> Result<Published, PortError> {
        self.send(reply).await
    }

    async fn find(&self, reply: &Reply) -> Result<Look, PortError> {
        self.look(reply).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_can_be_spawned() {
        fn spawnable<T: Send + 'static>(_: impl Fn(Arc<Mastodon>, Inbound, CancellationToken) -> T) {}
        spawnable(Mastodon::run);
    }
}
