//! Bluesky, and any other server and view of the AT Protocol that speaks the same methods.
//!
//! A sweep reads notifications (mentions, answers, quotes) and searches, in windows that overlap (see
//! `feed`). Replies are records at a key that we choose, written only where nothing stands (see `publish`):
//! the class is [`Class::Id`]. The crates for this protocol were tried and cannot send `swapRecord: null`;
//! these are the eleven calls we need.
//!
//! A post's id is its at-uri, the same in notifications, searches and threads. An author's is the DID, which
//! stays when a handle changes.
//!
//! Where it is configured, Jetstream, the network's stream of all posts, tells at once what concerns us (see
//! `stream`); the sweep hears the same without it.
//!
//! Not used yet: private messages (`chat.bsky`), which have no key that a repeated one is known by. OAuth: a session is
//! made with an app password.

mod event;
mod examine;
mod feed;
mod publish;
mod record;
mod session;
mod stream;
mod target;
mod translate;
mod wire;

use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::supervise::{Lost, supervise};
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target, Vault,
};
use async_trait::async_trait;
use session::Xrpc;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stream::Jetstream;
use target::Shown;
use tokio_util::sync::CancellationToken;

/// The collection that posts are in.
const POST: &str = "app.bsky.feed.post";

/// One account.
pub struct Bluesky {
    source: SourceName,
    xrpc: Xrpc,
    search: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    stream_link: Link,
    jetstream: Option<Arc<Jetstream>>,
    watch: Watch,
    troubles: Troubles,
    /// Posts that were stored in this run.
    stored: Mutex<HashSet<String>>,
}

impl std::fmt::Debug for Bluesky {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bluesky")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Bluesky {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Bluesky,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let secret = (config.identifier.clone(), config.password.clone());
        Ok(Self {
            xrpc: Xrpc::new(
                config.url.clone(),
                &source,
                secret,
                reply_timeout,
                (clock.clone(), vault),
            )?,
            source,
            search: config.search.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            stream_link: Link::new(format!("source:{name}:jetstream")),
            jetstream: config.jetstream.clone().map(|url| Arc::new(Jetstream::new(url))),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Mutex::default(),
        })
    }

    fn stored(&self) -> MutexGuard<'_, HashSet<String>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SocialPlatform for Bluesky {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Id,
            private: false,
            label: "Bluesky".to_owned(),
            account: self.xrpc.current().map(|session| NativeId::new(&session.did)),
        }
    }

    /// The text as it is: whose post is answered is told by the network itself. A private answer is refused
    /// with the page on which one can be begun by hand.
    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        let (length, limit, unit) = record::length(text);
        let refusal = match audience {
            Audience::Public => None,
            Audience::Private => Some(format!(
                "Hearback writes no private messages on Bluesky. Open {} and write one there with our account, \
                 or answer in public.",
                translate::page(author_handle)
            )),
        };
        Composed {
            text: text.to_owned(),
            length,
            limit,
            unit,
            refusal,
        }
    }

    async fn target(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        self.before_sending(reply, ours).await
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        self.send(reply, permit).await
    }

    async fn find(&self, reply: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        self.look(reply).await
    }

    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        self.at(reply, address).await.map(Some)
    }
}

#[async_trait]
impl Connector for Bluesky {
    /// The connections that readiness depends on. Jetstream is none of them: the sweep hears everything without
    /// it. It is in the metrics and in the log.
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        let sweeping = keep_sweeping(self.clone(), pace, inbound.clone(), stop.clone());
        let Some(jetstream) = self.jetstream.clone() else {
            return sweeping.await;
        };
        let listening = supervise(self.stream_link.clone(), stop, move || {
            let (me, jetstream, inbound) = (self.clone(), jetstream.clone(), inbound.clone());
            async move { me.listen(&jetstream, &inbound).await }
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
