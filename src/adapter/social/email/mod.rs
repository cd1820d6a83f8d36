//! E-mail: letters of customers, and alerts by letter (Google Alerts, Twilert, Pinterest's own notices).
//!
//! Read over IMAP with IDLE, without touching anything; answered over SMTP in the thread of the letter. An alert
//! becomes a post with the link that it tells of, and is not answered by letter. What machines write (bounces,
//! automatic answers, lists) opens no case, so nothing answers it and no loop begins.
//!
//! The class is [`Class::Lookup`]: see `publish`. Without `smtp_url` it only listens.
//!
//! `tests/real/dovecot.sh` plays it against a real Dovecot and Postfix; against Gmail and Microsoft 365 it was never run. OAuth
//! (XOAUTH2), which Microsoft asks of most accounts, is not there yet: a password made for programs is needed.

mod alert;
mod examine;
mod feed;
mod imap;
mod letter;
mod outgoing;
mod publish;
mod smtp;
mod target;
mod translate;

use crate::adapter::connector::Connector;
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::supervise::{Lost, supervise};
use crate::adapter::trouble::Troubles;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use anyhow::Context as _;
use async_trait::async_trait;
use imap::{Mailbox, Session};
use lettre::Address;
use smtp::Outbox;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// The most characters of a letter: ours to choose, as mail has no limit that people would meet.
const LIMIT: usize = 20_000;
/// Why nothing is sent where there is no server for it.
const ONLY_LISTENS: &str = "this source only listens: it has no smtp_url";
/// Why an alert is not answered.
const NO_ADDRESS: &str = "this came by an alert, and its author has no e-mail address";

/// One mailbox.
pub struct Email {
    source: SourceName,
    mailbox: Mailbox,
    outbox: Option<Outbox>,
    smtp_host: String,
    folder: String,
    from: Address,
    /// The same, in lower case, as it is compared.
    from_address: String,
    from_name: Option<String>,
    sent: Option<String>,
    /// Whether the server puts what it takes among the sent letters; otherwise we do.
    server_keeps: bool,
    alerts: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    troubles: Troubles,
    /// The session that listens.
    session: Mutex<Option<Session>>,
}

impl std::fmt::Debug for Email {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Email")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Email {
    /// The mailbox as configured. Asks nothing yet.
    ///
    /// # Errors
    /// `from` is no address.
    pub fn new(
        config: &config::Email,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let from: Address = config.from.parse().context("from is no e-mail address")?;
        let outbox = config
            .smtp_url
            .clone()
            .map(|url| Outbox::new(url, config.username.clone(), &config.password, from.domain()));
        let smtp_host = config.smtp_url.as_ref().and_then(|url| url.host_str());
        Ok(Self {
            source: SourceName::new(name),
            mailbox: Mailbox::new(
                config.imap_url.clone(),
                config.username.clone(),
                config.password.clone(),
                clock.clone(),
            ),
            outbox,
            smtp_host: smtp_host.unwrap_or_default().to_owned(),
            folder: config.folder.clone(),
            from_address: from.to_string().to_lowercase(),
            from,
            from_name: config.from_name.clone(),
            sent: config.sent.clone(),
            server_keeps: config.server_keeps(),
            alerts: config.alerts.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            troubles: Troubles::default(),
            session: Mutex::default(),
        })
    }

    fn account(&self) -> NativeId {
        NativeId::new(&self.from_address)
    }
}

#[async_trait]
impl SocialPlatform for Email {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: true,
            label: "E-mail".to_owned(),
            account: Some(self.account()),
        }
    }

    /// The text as it is. Authors of alerts have no address, and so a handle without `@`.
    fn compose(&self, text: &str, author_handle: &str, _: Audience) -> Composed {
        let refusal = if self.outbox.is_none() {
            Some(format!("{ONLY_LISTENS}. Answer from a mail program."))
        } else if !author_handle.is_empty() && !author_handle.contains('@') {
            Some(format!(
                "{NO_ADDRESS}. Answer on the page with our own account, and then say `answered ADDRESS`, with the \
                 address of your answer."
            ))
        } else {
            None
        };
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
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

    /// Letters have no address that anybody could look at.
    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Connector for Email {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        supervise(self.link.clone(), stop, move || {
            let (connector, inbound) = (self.clone(), inbound.clone());
            async move {
                loop {
                    connector.sweep(&inbound).await?;
                    connector.link.up();
                    connector.wait().await?;
                }
            }
        })
        .await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.read_letters(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
