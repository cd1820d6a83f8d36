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
mod roots;
mod stream;
mod target;
mod text;
mod translate;
mod watch;
mod wire;

use crate::adapter::connector::Connector;
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::supervise::{Lost, supervise};
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use api::{Api, Failed};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use instance::Known;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The least time between two readings that the stream asks for. Mastodon lets an account page 300
/// times in a quarter of an hour (`throttle_authenticated_paging` in its `rack_attack.rb`), and a
/// busy stream must leave room for the sweeps.
const NUDGED: Duration = Duration::from_secs(5);

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
    roots: roots::Roots,
    /// Says that there is something to read.
    nudge: Notify,
    watch: Watch,
    troubles: Troubles,
    /// Whether the stream wants the token as the name of its protocol.
    token_as_protocol: AtomicBool,
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
        let name = &config.name;
        let token = config.access_token.clone();
        let source = SourceName::new(name);
        let api = Api::new(config.url.clone(), &source, token, reply_timeout, clock.clone())?;
        Ok(Self {
            source,
            api,
            hashtags: config.hashtags.clone(),
            search: config.search.clone(),
            poll: config.poll,
            reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            stream_link: Link::new(format!("source:{name}:stream")),
            known: RwLock::new(None),
            roots: roots::Roots::default(),
            nudge: Notify::new(),
            watch: Watch::default(),
            troubles: Troubles::default(),
            token_as_protocol: AtomicBool::new(false),
        })
    }

    /// The mentions first: only where they can be read is the rest worth asking for, and from then
    /// on neither waits for the other.
    async fn keep_sweeping(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.notifications(inbound).await?;
        self.link.up();
        tokio::try_join!(self.keep_hearing(inbound), self.keep_exploring(inbound))?;
        Ok(())
    }

    async fn keep_hearing(&self, inbound: &Inbound) -> Result<(), Lost> {
        let mut rested = Instant::now();
        loop {
            let next = Instant::now() + self.poll;
            while tokio::time::timeout_at(next, self.nudged(rested)).await.is_ok() {
                self.notifications(inbound).await?;
                rested = Instant::now() + NUDGED;
            }
            self.notifications(inbound).await?;
            self.link.up();
        }
    }

    /// Waits until the stream says that there is something to read, and until `rested`. What it says
    /// meanwhile is read together.
    async fn nudged(&self, rested: Instant) {
        self.nudge.notified().await;
        tokio::time::sleep_until(rested).await;
        let _ = self.nudge.notified().now_or_never();
    }

    async fn keep_exploring(&self, inbound: &Inbound) -> Result<(), Lost> {
        loop {
            self.explore(inbound).await?;
            tokio::time::sleep(self.poll).await;
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
        let known = self.known_already();
        Abilities {
            class: known
                .as_ref()
                .map_or(Class::Lookup, |known| known.software.class()),
            private: true,
            label: "Mastodon".to_owned(),
            account: known.map(|known| NativeId::new(&known.me)),
        }
    }

    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        let text = publish::addressed(text, author_handle);
        let known = self.known_already();
        let refusal = match audience {
            Audience::Private => {
                let me = known.as_ref().map_or("", |known| &known.acct);
                self.leak(&text, author_handle, me)
            }
            Audience::Public => None,
        };
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
            refusal,
            text,
        }
    }

    async fn target(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        self.before_sending(reply, ours).await
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        self.send(reply, permit).await
    }

    async fn find(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        self.look(reply, canary).await
    }

    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        self.at(reply, address).await
    }
}

#[async_trait]
impl Connector for Mastodon {
    /// The connections that readiness depends on. The stream is none of them: some servers have
    /// none, and the sweep sees everything without it. It is in the metrics and in the log.
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    /// Reads until `stop`: sweeps every `poll`, and at once when the stream says so.
    fn meter(&self) -> Option<&Meter> {
        Some(self.api.meter())
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
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

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.notifications(inbound).await?;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
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
