//! What the networks share on which customers write reviews, and we have one place for an answer below each:
//! how reviews are read (see `feed`), and how the one answer is written (see `slot`). A network is a [`Board`];
//! [`Reviews`] makes a connector of it.
//!
//! A review's answer has no life of its own: it is no post, nobody answers it, and a second one takes the
//! place of the first. So the class is [`Class::Id`]: the same words again change nothing.

mod feed;
mod hint;
mod slot;

pub use feed::stars_without_words;

use super::api::{Failed, Mend};
use super::connector::{Connector, keep_sweeping};
use super::finding::Finding;
use super::link::Link;
use super::meter::Meter;
use super::oauth::{Door, Grant};
use super::push::{Gate, Notice, Rejected};
use super::stored::Stored;
use super::supervise::Lost;
use super::trouble::Troubles;
use super::watch::Watch;
use crate::app::Inbound;
use crate::domain::{Audience, Clock, Instant, NativeId, Post, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use async_trait::async_trait;
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A review as the network shows it now.
#[derive(Debug, Clone, PartialEq)]
pub struct Review {
    /// As a post. Where the network tells no more than when it was last changed, that is `created_at`.
    pub post: Post,
    /// When its author last changed it; its place in the list.
    pub changed: Instant,
    /// What stands in our place below it.
    pub answer: Option<Answer>,
}

/// What stands in our place below a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The words.
    pub text: String,
    /// Since when they are these, where the network tells.
    pub at: Option<Instant>,
    /// Why the network does not show it, where it tells that it does not.
    pub hidden: Option<String>,
}

/// A page of reviews, the newest first.
#[derive(Debug, Default)]
pub struct Page {
    /// Each as it came: one that cannot be read is set aside by itself.
    pub items: Vec<Box<RawValue>>,
    /// By what the next page is asked for.
    pub next: Option<String>,
}

/// How a network counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// The length of a text.
    pub length: usize,
    /// The most.
    pub limit: usize,
    /// What is counted, in the plural.
    pub unit: &'static str,
}

/// A network of reviews: the calls that it has, and what is special about it.
#[async_trait]
pub trait Board: Send + Sync + Sized + 'static {
    /// What people call it.
    const LABEL: &'static str;
    /// The statuses by which its API, speaking as such, proves that nothing was written.
    const REFUSALS: &'static [u16];
    /// How many known reviews are read again in a minute, and at most in one sweep.
    const LOOKS: u32;
    /// What to do where it does not let us in.
    const MEND: Mend;

    /// What answers are written in the name of: an answer that was approved for another is not sent.
    fn account(&self) -> Option<NativeId>;

    /// How long a text is there.
    fn measure(&self, text: &str) -> Measure;

    /// Why it cannot take these words as they are.
    fn refusal(&self, text: &str) -> Option<String> {
        let _ = text;
        None
    }

    /// A page of the newest reviews.
    async fn page(&self, after: Option<&str>) -> Result<Page, Failed>;

    /// One review. `None`: the network says that there is none.
    async fn review(&self, id: &str) -> Result<Option<Box<RawValue>>, Failed>;

    /// Understands a review.
    fn read(&self, raw: &RawValue) -> Result<Review, serde_json::Error>;

    /// Whether a known review can be read by itself still.
    fn is_readable(&self, post: &Post, now: Instant) -> bool {
        let _ = (post, now);
        true
    }

    /// Writes into the place below a review: one attempt, whatever stands there. `None`: the network does not
    /// say what stands there then.
    async fn write(
        &self,
        review: &str,
        text: &str,
        allowed: (Duration, &Permit),
    ) -> Result<Option<Answer>, Failed>;

    /// What is left of what it lets us do.
    fn meter(&self) -> &Meter;

    /// What `doctor` asks.
    async fn examine(&self) -> Vec<Finding>;

    /// Where a person lets us in with a browser.
    fn entrance(&self) -> Option<(Door, &Grant)> {
        None
    }

    /// Whether it tells us of reviews.
    fn is_told(&self) -> bool {
        false
    }

    /// The reviews that a notice names, if it proves where it comes from.
    async fn named(&self, notice: &Notice) -> Result<Vec<String>, Rejected> {
        let _ = notice;
        Err(Rejected::unproven("this source takes no notices"))
    }
}

/// What the place below a review held when it was last decided to write there: the mark of the words.
type Held = Option<String>;

/// A connected board.
pub struct Reviews<B> {
    source: SourceName,
    board: B,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    gate: Gate,
    watch: Watch,
    troubles: Troubles,
    /// How the reviews stood that were stored in this run.
    stored: Stored<feed::Seen>,
    /// By the number of a reply.
    held: Mutex<HashMap<i64, Held>>,
}

impl<B> std::fmt::Debug for Reviews<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl<B: Board> Reviews<B> {
    /// A source of this name. Asks nothing yet.
    #[must_use]
    pub fn of(board: B, name: &str, (poll, timeout): (Duration, Duration), clock: Arc<dyn Clock>) -> Self {
        let source = SourceName::new(name);
        Self {
            gate: Gate::new(&source),
            source,
            board,
            poll,
            timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
            held: Mutex::default(),
        }
    }

    /// The network's own part.
    pub fn board(&self) -> &B {
        &self.board
    }

    /// The time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }
}

#[async_trait]
impl<B: Board> SocialPlatform for Reviews<B> {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Id,
            private: false,
            label: B::LABEL.to_owned(),
            account: self.board.account(),
        }
    }

    /// The text as it is. There is no private way to who wrote a review.
    fn compose(&self, text: &str, _: &str, audience: Audience) -> Composed {
        let Measure { length, limit, unit } = self.board.measure(text);
        let refusal = match audience {
            Audience::Public => self.board.refusal(text),
            Audience::Private => Some(format!(
                "{} has no private way to who wrote a review: ask them in the answer to write to you.",
                B::LABEL
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
impl<B: Board> Connector for Reviews<B> {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.board.meter())
    }

    /// Where little is left of a quota, known reviews are not read again: what is left is for new ones and answers.
    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.newest(inbound).await?;
        if self.board.meter().is_scarce(self.clock.now()) {
            return Ok(());
        }
        self.known(inbound).await
    }

    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        self.board.is_told().then(|| hint::router(self, inbound))
    }

    fn entrance(&self) -> Option<(Door, &Grant)> {
        self.board.entrance()
    }

    async fn examine(&self) -> Vec<Finding> {
        self.board.examine().await
    }
}
