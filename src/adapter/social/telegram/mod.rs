//! Telegram, as a bot sees it: the messages of groups and channels that it is in, and of people who write to it.
//! Written from the Bot API's documentation (<https://core.telegram.org/bots/api>); never run against Telegram
//! itself.
//!
//! Updates are asked for, in one long call after another, or pushed, where `webhook_secret` is configured (see
//! `feed` and `receive`). A reply is a message that answers the customer's. A bot can read nothing but what it is
//! told once: it sees neither its own messages nor whether a message still stands, and nobody tells it of
//! deletions. So an uncertain end is a person's to clear up, and the class is [`Class::None`].
//!
//! In a group a bot hears what answers it or names it; all else only with privacy mode off, or as an
//! administrator. Pictures stay where they are: their addresses have the token in them.

mod api;
mod examine;
mod feed;
mod publish;
mod receive;
mod translate;
mod wire;

use crate::adapter::connector::Connector;
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::push::Gate;
use crate::adapter::supervise::{Lost, supervise};
use crate::adapter::trouble::Troubles;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use anyhow::Context as _;
use api::Api;
use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use translate::Me;

/// The most of a message, in UTF-16 units (<https://core.telegram.org/bots/api#sendmessage>).
const LIMIT: usize = 4096;
/// How long Telegram waits for something to tell before it answers, in seconds.
const PATIENCE: u64 = 20;
/// The pause after an answer without updates, and between two looks at the webhook.
const BREATH: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_secs(60);

/// How updates come.
enum Mode {
    /// They are asked for.
    Asking,
    /// They are pushed, with this secret.
    Pushed(SecretString),
}

/// One bot.
pub struct Telegram {
    source: SourceName,
    api: Api,
    mode: Mode,
    /// The bot's id, as its token says.
    id: i64,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    known: RwLock<Option<Me>>,
    /// How many updates are asked for at once.
    limit: AtomicUsize,
    troubles: Troubles,
    gate: Gate,
}

impl std::fmt::Debug for Telegram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telegram")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Telegram {
    /// The bot as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The token has not the form of one, the address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Telegram,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let token = config.token.clone();
        let id = token.expose_secret().split(':').next();
        let id = id.and_then(|id| id.parse().ok());
        Ok(Self {
            id: id.context("the token must begin with the bot's number and a colon")?,
            api: Api::new(config.url.clone(), &source, token, reply_timeout, clock.clone())?,
            mode: config.webhook_secret.clone().map_or(Mode::Asking, Mode::Pushed),
            gate: Gate::new(&source),
            source,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            known: RwLock::new(None),
            limit: AtomicUsize::new(feed::LIMIT),
            troubles: Troubles::default(),
        })
    }

    /// Who we are, as far as it is known.
    fn me(&self) -> Me {
        self.known_already().unwrap_or(Me {
            id: self.id,
            username: None,
        })
    }

    /// Reads on and on; ends only when that is not possible.
    async fn keep_reading(&self, inbound: &Inbound) -> Result<(), Lost> {
        // The first answer must not wait for a message: it shows whether we are let in.
        let mut patience = 0;
        loop {
            let any = self.read(inbound, patience).await?;
            self.link.up();
            patience = PATIENCE;
            match (&self.mode, any) {
                (Mode::Asking, true) => {}
                (Mode::Asking, false) => tokio::time::sleep(BREATH).await,
                (Mode::Pushed(_), _) => tokio::time::sleep(LOOK).await,
            }
        }
    }
}

#[async_trait]
impl SocialPlatform for Telegram {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::None,
            private: true,
            label: "Telegram".to_owned(),
            account: Some(NativeId::new(self.id.to_string())),
        }
    }

    /// The text as it is, without any markup.
    fn compose(&self, text: &str, _author_handle: &str, _audience: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.encode_utf16().count(),
            limit: LIMIT,
            unit: "UTF-16 units",
            refusal: None,
        }
    }

    /// A bot cannot read a message again: edits are told to us, and a message that is gone is refused when it is
    /// answered.
    async fn target(&self, _: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        Ok(Target::NotReadable)
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        self.send(reply, permit).await
    }

    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        Err(PortError::Unknown(
            "a bot cannot read its own messages on Telegram".to_owned(),
        ))
    }

    /// A bot cannot read an address.
    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Connector for Telegram {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        match &self.mode {
            Mode::Asking => None,
            Mode::Pushed(secret) => Some(receive::routes(self.clone(), secret.clone(), inbound)),
        }
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let link = self.link.clone();
        supervise(link, stop, move || {
            let (me, inbound) = (self.clone(), inbound.clone());
            async move { me.keep_reading(&inbound).await }
        })
        .await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.read(inbound, 0).await.map(drop)
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
