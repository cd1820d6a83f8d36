//! A Threads profile: answers to what it wrote, where others name it, and what they say elsewhere.
//!
//! Meta tells of answers and mentions by webhooks (see [`crate::adapter::graph::door`]). A sweep behind them
//! reads the conversations under our newest posts, the answers to our answers, the mentions, and searches.
//! An answer is made in two steps: a container, which nobody sees, and its publication. The container of a reply
//! is kept in the vault before it is published, so every attempt publishes the same one, and its status tells
//! of an attempt whose end is open. That publishing one twice changes nothing is likely, but not documented; our
//! own answers can be listed with what they answer, so the class is [`Class::Lookup`]. There are no private
//! messages in the API.
//!
//! A token holds for 60 days, and can be renewed while it does: that is done every week, and the new one is
//! kept before it is used.
//!
//! Written from the documentation, and never run against Threads itself. The API tells no id of an author but
//! the handle. Deletions and edits of others are seen when a post is read again.

mod containers;
mod count;
mod examine;
mod feed;
mod publish;
mod push;
mod target;
mod token;
mod translate;
mod wire;

use crate::adapter::api::Failed;
use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::graph::door::{self, Door};
use crate::adapter::graph::shelf::Shelf;
use crate::adapter::graph::{Graph, MEND};
use crate::adapter::link::Link;
use crate::adapter::meter::{Allowance, Meter, Window};
use crate::adapter::supervise::Lost;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Instant, NativeId, Reply, SourceName};
use crate::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target, Vault,
};
use async_trait::async_trait;
use chrono::TimeDelta;
use containers::Containers;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use token::Renewal;
use tokio_util::sync::CancellationToken;
use wire::Me;

/// The version that is spoken (<https://developers.facebook.com/docs/threads/overview>).
const VERSION: &str = "v1.0";
/// For how long who we are is not asked again.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How many replies a profile may publish in a day, counted here from midnight to midnight
/// (<https://developers.facebook.com/docs/threads/retrieve-and-manage-replies>, "Rate limits").
const REPLIES: Allowance = Allowance {
    most: 1000,
    parts: 1,
    unit: "replies",
    window: Window::Day,
};

/// One profile.
pub struct Threads {
    source: SourceName,
    graph: Graph,
    door: Door,
    search: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    shelf: Shelf,
    containers: Containers,
    renewal: Renewal,
    /// Our profile, and when it was asked for.
    me: RwLock<Option<(Instant, Arc<Me>)>>,
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Threads {
    /// The profile as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Threads,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let at = (config.url.clone(), VERSION);
        let token = config.access_token.clone();
        let graph = Graph::new(at, &source, (token.clone(), None), reply_timeout, clock.clone())?;
        graph.meter().allow(REPLIES);
        Ok(Self {
            graph,
            door: Door::new(
                &source,
                &config.app_secret,
                config.verify_token.clone(),
                clock.clone(),
            )?,
            link: Link::new(format!("source:{source}")),
            shelf: Shelf::new(&source, config.poll, clock.clone()),
            containers: Containers::new(&source, vault.clone(), clock.clone()),
            renewal: Renewal::new(&source, token, vault, clock.clone()),
            source,
            search: config.search.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            me: RwLock::default(),
        })
    }

    /// Our profile, with the token that counts. Asked for again now and then: a handle can be changed, and those
    /// of authors are all that the API tells.
    async fn me(&self) -> Result<Arc<Me>, Failed> {
        self.renewal.begin(&self.graph).await;
        let now = self.clock.now();
        let known = self.known();
        if let Some((at, me)) = &known
            && now - *at < FRESH
        {
            return Ok(me.clone());
        }
        let asked = self.graph.get::<Me>(&["me"], &[("fields", "id,username")]).await;
        match (asked, known) {
            (Ok(me), _) => {
                let me = Arc::new(me);
                *self.me.write().unwrap_or_else(PoisonError::into_inner) = Some((now, me.clone()));
                Ok(me)
            }
            (Err(_), Some((_, me))) => Ok(me),
            (Err(error), None) => Err(error),
        }
    }

    fn known(&self) -> Option<(Instant, Arc<Me>)> {
        self.me.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SocialPlatform for Threads {
    fn source(&self) -> &SourceName {
        &self.source
    }

    /// The account is known by its handle, as all are here.
    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: false,
            label: "Threads".to_owned(),
            account: self.known().map(|(_, me)| NativeId::new(&me.username)),
        }
    }

    /// The text as it is: whom it answers is shown by the network itself. A private answer is refused with the
    /// page on which one can be begun by hand.
    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        let refusal = match audience {
            Audience::Private => Some(format!(
                "Threads lets no program write private messages. Open {} and write one there with our account, or \
                 answer in public.",
                translate::page(author_handle)
            )),
            Audience::Public if count::links(text) > count::MOST_LINKS => Some(format!(
                "A post on Threads may have {} different links at most: leave some out.",
                count::MOST_LINKS
            )),
            Audience::Public => None,
        };
        Composed {
            text: text.to_owned(),
            length: count::length(text),
            limit: count::MOST,
            unit: "characters",
            refusal,
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
        self.at(reply, address).await.map(Some)
    }
}

#[async_trait]
impl Connector for Threads {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.graph.meter())
    }

    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        Some(door::routes(self, inbound))
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.read_answers(inbound)
            .await
            .map_err(|halt| halt.lost(&MEND))?;
        self.renewal.keep_up(&self.graph).await;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
