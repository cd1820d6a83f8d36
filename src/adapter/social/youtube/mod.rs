//! Comments on a channel's videos (<https://developers.google.com/youtube/v3/docs/commentThreads>).
//!
//! A sweep reads the newest threads of the whole channel; threads that are known are read again in turns, for
//! answers, edits and deletions (see `feed`). There is no push for comments. A thread has two levels: an answer
//! to an answer stands under the same comment, so what it answers is told by no field, and the conversation is
//! the thread. Comments that YouTube holds back for the channel to look over are not heard before they are let
//! through.
//!
//! Replies have no key: the class is [`Class::Lookup`], by reading our own comments in the thread (see
//! `publish`).
//!
//! A project has 10,000 units a day, of which a reading takes one and a reply 50
//! (<https://developers.google.com/youtube/v3/determine_quota_cost>). They are counted by the source's meter; where
//! a fifth is left, only new comments are looked for, and where a tenth is left, these every quarter of an hour,
//! so that replies can still be sent (see `tube`). The scope is `https://www.googleapis.com/auth/youtube.force-ssl`,
//! which is wide: no smaller one may comment. Of its calls, five read and one writes a comment here.
//!
//! Written from the documentation; it was not run against YouTube yet. How many characters a comment may have is
//! not documented (`commentTextTooLong` has no number): 10,000 is what its own pages take.

mod feed;
mod publish;
mod translate;
mod tube;
mod wire;

use crate::adapter::api::Failed;
use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Door, Grant};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Instant, NativeId, Reply, SourceName};
use crate::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target, Vault,
};
use async_trait::async_trait;
use chrono::TimeDelta;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tube::{State, Tube};

/// How often new comments are read where hardly any units are left.
const SELDOM: TimeDelta = TimeDelta::minutes(15);
/// The most characters of a comment.
const LIMIT: usize = 10_000;

/// One channel.
pub struct YouTube {
    source: SourceName,
    tube: Tube,
    /// Our channel's id.
    me: String,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    watch: Watch,
    troubles: Troubles,
    /// When the comments that were stored in this run were last changed.
    stored: Mutex<HashMap<String, Instant>>,
    /// How many answers the threads had that were read whole in this run.
    counts: Mutex<feed::Counts>,
    /// Which comments those of ours answer that were written in this run.
    written: Mutex<HashMap<NativeId, NativeId>>,
    /// When new comments were looked for last.
    looked: Mutex<Option<Instant>>,
    /// Whether the authorisation was seen to be of our channel.
    ours: AtomicBool,
}

impl std::fmt::Debug for YouTube {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("YouTube")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl YouTube {
    /// The channel as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::YouTube,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            source: SourceName::new(&config.name),
            tube: Tube::new(config, reply_timeout, clock.clone(), vault)?,
            me: config.channel_id.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{}", config.name)),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Mutex::default(),
            counts: Mutex::default(),
            written: Mutex::default(),
            looked: Mutex::default(),
            ours: AtomicBool::new(false),
        })
    }

    /// Whether the authorisation is of our channel: whoever let us in may have chosen another one, and comments are
    /// written in the name of that.
    async fn is_ours(&self) -> Result<bool, Failed> {
        if self.ours.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let ours = self.tube.mine().await?.contains(&self.me);
        self.ours.store(ours, Ordering::Relaxed);
        Ok(ours)
    }

    /// Whether new comments are to be looked for now.
    fn is_due(&self) -> bool {
        let now = self.clock.now();
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let rests = self.tube.state() == State::Short && looked.is_some_and(|at| now < at + SELDOM);
        if !rests {
            *looked = Some(now);
        }
        !rests
    }
}

#[async_trait]
impl SocialPlatform for YouTube {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: false,
            label: "YouTube".to_owned(),
            account: Some(NativeId::new(&self.me)),
        }
    }

    /// The text as it is. There are no private messages.
    fn compose(&self, text: &str, _: &str, audience: Audience) -> Composed {
        let refusal = match audience {
            Audience::Public => None,
            Audience::Private => {
                Some("YouTube has no private messages: ask them in the answer to write to you.".to_owned())
            }
        };
        Composed {
            text: text.to_owned(),
            length: text.encode_utf16().count(),
            limit: LIMIT,
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
impl Connector for YouTube {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.tube.meter())
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        if !self.is_due() {
            return Ok(());
        }
        self.newest(inbound).await?;
        self.known(inbound).await
    }

    fn entrance(&self) -> Option<(Door, &Grant)> {
        self.tube.entrance()
    }

    /// Whether the authorisation, the channel and the clock are well. Publishes nothing.
    async fn examine(&self) -> Vec<Finding> {
        let mine = match self.tube.mine().await {
            Ok(mine) => mine,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("YouTube does not let us in: {error}"),
                    tube::MEND.unauthorized,
                )];
            }
        };
        let mut findings = vec![if mine.contains(&self.me) {
            Finding::well(format!("the authorisation is of the channel {}", self.me))
        } else {
            Finding::wrong(
                format!("the authorisation is of {}, not of {}", mine.join(", "), self.me),
                "Correct channel_id, or authorise with the account of that channel.",
            )
        }];
        findings.push(Finding::well(
            "whether it may comment shows with the first reply: nothing is written to try it",
        ));
        findings.push(Finding::clocks(self.tube.date().await, self.clock.now()));
        findings
    }
}
