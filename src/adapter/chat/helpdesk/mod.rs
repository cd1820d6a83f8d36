//! Help desks as places where a team works: Zendesk, Freshdesk, and any other system by Standard Webhooks.
//!
//! To the core a help desk is a chat like the others: an escalation to its team opens a thread there, which is a
//! ticket, and what happens to the case is told in it, as internal notes. So the hand-over is as certain as any
//! message: an effect of the outbox, under a key that every attempt has, looked up before a second try (see
//! `System::find`). Nothing that customers of the help desk see is ever written.
//!
//! The ticket's address and its closing come back into the case's thread as notes of the help desk: at once
//! where the ticket was opened, and by looking every `poll` (or by its webhook) after. A note has a key of its
//! own, so it is told once.
//!
//! Never run against a real help desk: written from their documentation.

mod freshdesk;
mod hook;
mod system;
mod zendesk;

use crate::adapter::api::{Api, Failed};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::supervise::{Lost, supervise};
use crate::app::{Cursor, Given, Inbound, Input, Place, Response, Unavailable};
use crate::config::Helpdesk;
use crate::domain::{ChannelId, ChatName, Clock, Instant, MessageId, Person, SourceName, ThreadId};
use crate::port::{ChatPlatform, EditMessage, OpenThread, Opened, PortError, PostMessage};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use system::{System, Ticket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The one channel of a help desk.
pub const CHANNEL: &str = "tickets";
/// Who speaks for it, and the group that this is.
const SPEAKER: &str = "desk";
/// How long a call may take.
const CALL: Duration = Duration::from_secs(30);
/// How far back closings are looked for again: searches may lag, and clocks differ.
const OVERLAP: TimeDelta = TimeDelta::minutes(15);
/// How far back a first look goes.
const FIRST_LOOK: TimeDelta = TimeDelta::days(1);
/// How far the clock of a help desk may be behind ours.
const SKEW: TimeDelta = TimeDelta::minutes(2);
/// How much is remembered of what was told.
const MOST_TOLD: usize = 10_000;

/// The name of a help desk as a chat.
#[must_use]
pub fn chat(name: &str) -> ChatName {
    ChatName::new(format!("helpdesk:{name}"))
}

/// The group that may speak for a help desk in its chat.
#[must_use]
pub fn speaker() -> &'static str {
    SPEAKER
}

/// What there is to tell about a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum News {
    Opened,
    Closed,
}

/// A help desk.
pub struct Desk {
    chat: ChatName,
    /// The name under which it keeps how far it looked.
    keeps: SourceName,
    system: System,
    poll: Option<Duration>,
    clock: Arc<dyn Clock>,
    link: Link,
    /// Tickets that were opened just now, to be told at once.
    opened: mpsc::UnboundedSender<Ticket>,
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Ticket>>,
    /// What was told in this run.
    told: Mutex<HashSet<String>>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("chat", &self.chat)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// The help desk as configured. Asks nothing yet.
    ///
    /// # Errors
    /// Its address or its secret cannot be used.
    pub fn new(config: &Helpdesk, installation: &str, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let name = config.name();
        let keeps = SourceName::new(format!("helpdesk/{name}"));
        let api = |url: &url::Url| Api::new(url.clone(), &keeps, CALL, clock.clone(), system::spoken);
        let (system, poll) = match config {
            Helpdesk::Zendesk {
                url,
                email,
                api_token,
                poll,
                ..
            } => {
                let desk = zendesk::Zendesk::new(api(url)?, email, api_token, installation);
                (System::Zendesk(desk), Some(*poll))
            }
            Helpdesk::Freshdesk {
                url,
                email,
                api_key,
                poll,
                ..
            } => {
                let desk = freshdesk::Freshdesk::new(api(url)?, email, api_key);
                (System::Freshdesk(desk), Some(*poll))
            }
            Helpdesk::Webhook { url, secret, .. } => {
                let desk = hook::Hook::new(api(url)?, secret, clock.clone())?;
                (System::Hook(desk), None)
            }
        };
        let (opened, waiting) = mpsc::unbounded_channel();
        Ok(Self {
            chat: chat(name),
            keeps,
            system,
            poll,
            clock,
            link: Link::new(format!("helpdesk:{name}")),
            opened,
            waiting: tokio::sync::Mutex::new(waiting),
            told: Mutex::default(),
        })
    }

    /// Its connection.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// The help desk's name as a chat.
    #[must_use]
    pub fn chat(&self) -> &ChatName {
        &self.chat
    }

    /// What people call it.
    #[must_use]
    pub fn label(&self) -> &'static str {
        self.system.label()
    }

    /// Its address on our server, if it comes to us.
    pub fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        match &self.system {
            System::Zendesk(_) | System::Freshdesk(_) => None,
            System::Hook(_) => Some(hook::routes(self, inbound)),
        }
    }

    /// Tells of tickets that were opened and closed, until `stop`.
    pub async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        supervise(self.link.clone(), stop, move || {
            let (desk, inbound) = (self.clone(), inbound.clone());
            async move {
                loop {
                    desk.look(&inbound).await?;
                    desk.link.up();
                    desk.tell_opened(&inbound).await?;
                }
            }
        })
        .await;
    }

    /// Tells of tickets as they are opened, until it is time to look.
    async fn tell_opened(&self, inbound: &Inbound) -> Result<(), Lost> {
        let mut waiting = self.waiting.lock().await;
        let telling = async {
            while let Some(ticket) = waiting.recv().await {
                self.tell(inbound, &ticket, News::Opened).await?;
            }
            Ok(())
        };
        match self.poll {
            Some(poll) => tokio::time::timeout(poll, telling).await.unwrap_or(Ok(())),
            None => telling.await,
        }
        .map_err(|error: Unavailable| Lost::Broken(error.to_string()))
    }

    /// One look at what became of tickets.
    ///
    /// # Errors
    /// The help desk cannot be read, or nothing can be stored.
    pub async fn look(&self, inbound: &Inbound) -> Result<(), Lost> {
        if self.poll.is_none() {
            return Ok(());
        }
        let stored = |error: Unavailable| Lost::Broken(error.to_string());
        let now = self.clock.now();
        let told = inbound.cursor(&self.keeps, CHANNEL).await.map_err(stored)?;
        let known = told
            .as_deref()
            .and_then(|told| DateTime::parse_from_rfc3339(told).ok());
        let since = known.map_or(now - FIRST_LOOK, |known| known.to_utc() - OVERLAP);
        let tickets = self
            .system
            .changed(since)
            .await
            .map_err(|error| error.lost(&system::MEND))?;
        for ticket in &tickets {
            self.tell(inbound, ticket, News::Opened).await.map_err(stored)?;
            if ticket.done {
                self.tell(inbound, ticket, News::Closed).await.map_err(stored)?;
            }
        }
        let cursor = Cursor {
            stream: CHANNEL.to_owned(),
            value: now.to_rfc3339(),
        };
        inbound
            .posts_seen(&self.keeps, Vec::new(), Some(cursor))
            .await
            .map(drop)
            .map_err(stored)
    }

    /// Notes something in the case of a ticket, once. Says whether the ticket is one of a case.
    async fn tell(&self, inbound: &Inbound, ticket: &Ticket, news: News) -> Result<bool, Unavailable> {
        let (word, line) = match news {
            News::Opened => ("opened", "is open"),
            News::Closed => ("closed", "is done"),
        };
        let key = format!("{}:{word}:{}", self.chat, ticket.id);
        if self.told().contains(&key) {
            return Ok(true);
        }
        let label = self.label();
        let at = ticket
            .url
            .as_deref()
            .map(|url| format!(": {url}"))
            .unwrap_or_default();
        let given = Given {
            key: key.clone(),
            by: Person {
                chat: self.chat.clone(),
                user: SPEAKER.to_owned(),
                workspace: String::new(),
                name: label.to_owned(),
                groups: vec![SPEAKER.to_owned()],
            },
            place: Place {
                channel: Some(ChannelId::new(CHANNEL)),
                thread: Some(ThreadId::new(&ticket.id)),
            },
            input: Input::Text(format!("note Ticket {} {line} in {label}{at}", ticket.id)),
        };
        let done = matches!(inbound.given(given).await?, Response::Done(_));
        if done {
            let mut told = self.told();
            if told.len() >= MOST_TOLD {
                told.clear();
            }
            told.insert(key);
        }
        Ok(done)
    }

    fn told(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What `doctor` asks: whether tickets can be read. Opens none.
    pub async fn examine(&self) -> Vec<Finding> {
        let label = self.label();
        if self.poll.is_none() {
            return vec![Finding::well(format!(
                "{label} is not asked: whether it takes tickets shows with the first escalation"
            ))];
        }
        let since = self.clock.now() - FIRST_LOOK;
        vec![match self.system.changed(since).await {
            Ok(tickets) => Finding::well(format!(
                "{label} lets us read tickets; {} of ours are new",
                tickets.len()
            )),
            Err(error) => Finding::wrong(
                format!("{label} does not let us read tickets: {error}"),
                "Check url and the credentials; the agent whose key it is must see all tickets.",
            ),
        }]
    }
}

/// A failure of a call that opens a ticket: what is refused waits until somebody mends it, nothing is lost.
fn unopened(error: Failed) -> PortError {
    match error {
        Failed::Limited(wait) => PortError::RetryAfter(wait),
        Failed::Unreached(why) => PortError::NotReached(why),
        Failed::Status { status, .. } if status.as_u16() == 401 => PortError::Unauthorized(error.to_string()),
        Failed::Status { status, .. } if status.is_client_error() => PortError::Closed(error.to_string()),
        Failed::Status { .. } | Failed::Broken(_) => PortError::Unknown(error.to_string()),
    }
}

/// A failure of a call that adds a note: a ticket that takes none any more keeps no other from being told.
fn unnoted(error: Failed) -> PortError {
    match error {
        Failed::Status { status, .. } if matches!(status.as_u16(), 400 | 404 | 410 | 422) => {
            PortError::Refused(format!("the ticket takes no note: {error}"))
        }
        Failed::Limited(_) | Failed::Unreached(_) | Failed::Status { .. } | Failed::Broken(_) => {
            unopened(error)
        }
    }
}

/// From when on what an earlier attempt made may have been made, by the other side's clock.
fn from(earlier: Instant) -> Instant {
    earlier - SKEW
}

#[async_trait]
impl ChatPlatform for Desk {
    fn name(&self) -> &ChatName {
        &self.chat
    }

    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        let earlier = match order.earlier {
            Some(earlier) => self
                .system
                .find(&order.key, from(earlier))
                .await
                .map_err(unopened)?,
            None => None,
        };
        let ticket = match earlier {
            Some(ticket) => ticket,
            None => {
                let text = order.card.message.plain();
                let opening = self.system.open(&order.key, &order.card.title, &text);
                opening.await.map_err(unopened)?
            }
        };
        // Who listens may be gone with the connection: then the next look tells it.
        let _ = self.opened.send(ticket.clone());
        Ok(Opened {
            thread: ThreadId::new(&ticket.id),
            card: MessageId::new(&ticket.id),
        })
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        let ticket = order.thread.as_str();
        let text = order.message.plain();
        // What the help desk itself said.
        if text.starts_with(&format!("{} noted:", self.label())) {
            return Ok(MessageId::new(format!("{ticket}/own")));
        }
        let mark = system::mark(&order.key);
        if order.earlier.is_some() && self.system.has_note(ticket, &mark).await.map_err(unnoted)? {
            return Ok(MessageId::new(format!("{ticket}/{mark}")));
        }
        let note = format!("{text}\n\n{mark}");
        let noting = self.system.note(ticket, &order.key, &note);
        noting.await.map_err(unnoted)?;
        Ok(MessageId::new(format!("{ticket}/{mark}")))
    }

    /// Notes in a ticket stay as they were: what changed is told in the next one.
    async fn edit(&self, _: &EditMessage) -> Result<(), PortError> {
        Ok(())
    }
}
