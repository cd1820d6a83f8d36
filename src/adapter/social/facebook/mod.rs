//! A Facebook Page: what is written on it, under its posts, about it and to it.
//!
//! Meta tells of news by the `feed`, `mention`, `ratings` and `messages` webhooks (see
//! [`crate::adapter::graph::door`]); a sweep behind them reads the page's posts, their comments, posts in which
//! the page is tagged, recommendations and conversations (see `feed`). There is no search.
//!
//! A public answer is a comment under what it answers. Comments have one level of answers: one to an answer
//! stands beside it. No call takes a key, so an uncertain end is looked up among our own comments there, and
//! the class is [`Class::Lookup`]. A private answer to a comment or a post is the one message that a page
//! may send within seven days; one to a message goes into its conversation, while the customer's own last
//! message is not older than a day. Both limits are told before anything is sent.
//!
//! Written from the documentation, and never run against Facebook itself, which lets no app without its review
//! hear what people write. Not found in the documentation, and so from programs that others run: that a review
//! is answered at its `open_graph_story`, the values of the `ratings` webhook, and 8000 characters as the most
//! of a comment. Recommendations cannot be listed any more since version 22
//! (<https://developers.facebook.com/docs/graph-api/reference/recommendation>): then the webhook alone tells of
//! them, and the refusal is said once.

mod examine;
mod feed;
mod message;
mod publish;
mod push;
mod target;
mod translate;
mod wire;

use crate::adapter::api::Failed;
use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::graph::door::{self, Door};
use crate::adapter::graph::shelf::Shelf;
use crate::adapter::graph::wire::Who;
use crate::adapter::graph::{Graph, MEND, VERSION};
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::supervise::Lost;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Instant, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most characters of a comment.
const MOST_COMMENT: usize = 8000;
/// The most characters of a message (<https://developers.facebook.com/docs/messenger-platform/reference/send-api>).
const MOST_MESSAGE: usize = 2000;

/// One page.
pub struct Facebook {
    source: SourceName,
    page: String,
    graph: Graph,
    door: Door,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    shelf: Shelf,
    /// When the comments of a post were read in this run.
    read: Mutex<HashMap<String, Instant>>,
    /// Whether the token was seen to be the page's own.
    proven: AtomicBool,
}

impl std::fmt::Debug for Facebook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facebook")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Facebook {
    /// The page as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Facebook,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let source = SourceName::new(&config.name);
        let secrets = (config.access_token.clone(), Some(&config.app_secret));
        let at = (config.url.clone(), VERSION);
        Ok(Self {
            graph: Graph::new(at, &source, secrets, reply_timeout, clock.clone())?,
            door: Door::new(
                &source,
                &config.app_secret,
                config.verify_token.clone(),
                clock.clone(),
            )?,
            link: Link::new(format!("source:{source}")),
            shelf: Shelf::new(&source, config.poll, clock.clone()),
            source,
            page: config.page_id.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            read: Mutex::default(),
            proven: AtomicBool::new(false),
        })
    }

    /// Whose the token is, if not the page's: who comments is told by the token alone. Asked until it is the page's.
    async fn somebody_else(&self) -> Result<Option<String>, Failed> {
        if self.proven.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let me: Who = self.graph.get(&["me"], &[("fields", "id,name")]).await?;
        let ours = self.is_ours(&me.id);
        self.proven.store(ours, Ordering::Relaxed);
        Ok((!ours).then_some(me.id))
    }

    fn read(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, id: &str) -> bool {
        id == self.page
    }
}

#[async_trait]
impl SocialPlatform for Facebook {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: true,
            label: "Facebook".to_owned(),
            account: Some(NativeId::new(&self.page)),
        }
    }

    /// The text as it is: whom it answers is shown by where it stands.
    fn compose(&self, text: &str, _: &str, audience: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: match audience {
                Audience::Public => MOST_COMMENT,
                Audience::Private => MOST_MESSAGE,
            },
            unit: "characters",
            refusal: None,
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
impl Connector for Facebook {
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
        self.read_page(inbound).await.map_err(|halt| halt.lost(&MEND))?;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
