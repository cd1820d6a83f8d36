//! A professional Instagram account, by the API with Facebook Login
//! (<https://developers.facebook.com/docs/instagram-platform/instagram-api-with-facebook-login>): comments under
//! its media, and where others name it.
//!
//! Meta tells of comments and mentions by webhooks (see [`crate::adapter::graph::door`]). A sweep reads the
//! newest media objects and what is new under them, and the pictures that the account is tagged in. Mentions
//! cannot be listed, so there is no sweep behind them; who wrote a comment that names us is not told.
//!
//! A public answer to a comment is one in its thread. Threads have one level: an answer to an answer stands
//! beside it, so the text begins with the customer's handle, as the network's own program lets it begin. No call
//! takes a key, so an uncertain end is looked up among the answers there: the class is [`Class::Lookup`]. What
//! stands under somebody else's picture cannot be listed: there a person is asked. A private answer is the one
//! message that the account may send within seven days of a comment; what the customer answers in Direct is not
//! heard here.
//!
//! Written from the documentation, and never run against Instagram itself, which lets no app without its review
//! hear what people write. Not found in the documentation: 2200 characters as the most of a comment; that the
//! `from` of our own comments has the account's id (their handle is compared too).

mod examine;
mod feed;
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
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::{Account, Comment};

/// The most characters of a comment.
const MOST_COMMENT: usize = 2200;
/// The most bytes of a message
/// (<https://developers.facebook.com/docs/messenger-platform/instagram/features/send-message>).
const MOST_MESSAGE: usize = 1000;

/// One account.
pub struct Instagram {
    source: SourceName,
    account: String,
    graph: Graph,
    door: Door,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    shelf: Shelf,
    memory: Mutex<Memory>,
}

/// What is remembered within a run.
#[derive(Default)]
struct Memory {
    /// Our handle.
    handle: Option<Arc<str>>,
    /// How many comments a media object had when they were read, and when that was.
    counts: HashMap<String, (i64, Instant)>,
    /// Where a media object is read by people.
    pages: HashMap<String, String>,
}

impl std::fmt::Debug for Instagram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instagram")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Instagram {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Instagram,
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
            account: config.account_id.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            memory: Mutex::default(),
        })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our handle, asked for once.
    async fn handle(&self) -> Result<Arc<str>, Failed> {
        if let Some(known) = self.memory().handle.clone() {
            return Ok(known);
        }
        let asked: Account = self
            .graph
            .get(&[&self.account], &[("fields", "id,username")])
            .await?;
        let handle: Arc<str> = asked.username.unwrap_or_default().into();
        self.memory().handle = Some(handle.clone());
        Ok(handle)
    }

    /// Whether we wrote a comment.
    fn is_ours(&self, comment: &Comment, handle: &str) -> bool {
        let by_handle = comment.username.as_deref() == Some(handle) && !handle.is_empty();
        by_handle || comment.from.as_ref().is_some_and(|who| self.is_us(who, handle))
    }

    /// Whether we are meant. Where we write ourselves another id of ours may be told than the account's
    /// (`self_ig_scoped_id`, <https://developers.facebook.com/docs/graph-api/webhooks/reference/instagram>); our
    /// handle is the same everywhere.
    fn is_us(&self, who: &Who, handle: &str) -> bool {
        let named = who.username.as_deref() == Some(handle) && !handle.is_empty();
        who.id == self.account || named
    }
}

#[async_trait]
impl SocialPlatform for Instagram {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: true,
            label: "Instagram".to_owned(),
            account: Some(NativeId::new(&self.account)),
        }
    }

    /// In public the text begins with the customer's handle, unless it names them already.
    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        match audience {
            Audience::Public => {
                let text = if author_handle.is_empty() || translate::names(text, author_handle) {
                    text.to_owned()
                } else {
                    format!("@{author_handle} {text}")
                };
                Composed {
                    length: text.chars().count(),
                    text,
                    limit: MOST_COMMENT,
                    unit: "characters",
                    refusal: None,
                }
            }
            Audience::Private => Composed {
                text: text.to_owned(),
                length: text.len(),
                limit: MOST_MESSAGE,
                unit: "bytes",
                refusal: None,
            },
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

    /// Comments have no address of their own.
    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Connector for Instagram {
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
        self.read_media(inbound).await.map_err(|halt| halt.lost(&MEND))?;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
