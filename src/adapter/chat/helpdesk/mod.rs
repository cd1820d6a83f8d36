//! Help desks as places where a team works: Zendesk, Freshdesk, and any other system by Standard Webhooks.
//!
//! To the core a help desk is a chat like the others: an escalation to its team opens a thread there, which is a
//! ticket, and what happens to the case is told in it, as internal notes. So the hand-over is as certain as any
//! message: an effect of the outbox, under a key that every attempt has, looked up before a second try (see
//! `System::find`). Nothing that customers of the help desk see is ever written.
//!
//! The ticket's address, its closing and its opening again come back into the case's thread as notes of the help
//! desk: at once where the ticket was opened, and by looking every `poll` (or by its webhook) after (see `news`).
//! A case that is escalated again makes its ticket open again; where that takes no change any more, it gets
//! another one.
//!
//! Never run against a real help desk: written from their documentation.

mod freshdesk;
mod hook;
mod news;
mod system;
mod zendesk;

use crate::adapter::api::{Api, Failed};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::supervise::{Lost, supervise};
use crate::app::{Cursor, Inbound, Unavailable};
use crate::config::Helpdesk;
use crate::domain::{ChannelId, ChatName, Clock, Instant, MessageId, SourceName, ThreadId};
use crate::port::{ChatPlatform, EditMessage, OpenThread, Opened, PortError, PostMessage};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use news::News;
use std::sync::Arc;
use std::time::Duration;
use system::{Changed, System};
use tokio::time::Instant as Moment;
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
/// How soon is looked again whether a ticket that was opened is the thread of a case.
const AGAIN: Duration = Duration::from_secs(2);
/// The most readings of one look; each goes on where the last one ended.
const MOST_READINGS: usize = 20;

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

/// A help desk.
pub struct Desk {
    chat: ChatName,
    /// The name under which it keeps how far it looked.
    keeps: SourceName,
    system: System,
    poll: Option<Duration>,
    clock: Arc<dyn Clock>,
    link: Link,
    news: News,
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
        Ok(Self {
            chat: chat(name),
            news: News::new(chat(name), keeps.clone(), system.label()),
            keeps,
            system,
            poll,
            clock,
            link: Link::new(format!("helpdesk:{name}")),
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
                    desk.rest(&inbound).await?;
                }
            }
        })
        .await;
    }

    /// Tells of tickets as they are opened, until it is time to look.
    async fn rest(&self, inbound: &Inbound) -> Result<(), Lost> {
        let end = self.poll.map(|poll| Moment::now() + poll);
        loop {
            let again = self.news.is_waiting().then(|| Moment::now() + AGAIN);
            let next = end.into_iter().chain(again).min();
            let sleep = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.news.arrived.notified() => {}
                () = sleep => {}
            }
            if end.is_some_and(|end| Moment::now() >= end) {
                return Ok(());
            }
            let telling = self.news.tell_fresh(inbound, self.clock.now());
            telling.await.map_err(unstored)?;
        }
    }

    /// One look at what became of tickets.
    ///
    /// # Errors
    /// The help desk cannot be read, or nothing can be stored.
    pub async fn look(&self, inbound: &Inbound) -> Result<(), Lost> {
        let now = self.clock.now();
        self.news.restore(inbound).await.map_err(unstored)?;
        self.news.tell_fresh(inbound, now).await.map_err(unstored)?;
        if self.poll.is_none() {
            return Ok(());
        }
        let told = inbound.cursor(&self.keeps, CHANNEL).await.map_err(unstored)?;
        let known = told
            .as_deref()
            .and_then(|told| DateTime::parse_from_rfc3339(told).ok());
        let since = known.map_or(now - FIRST_LOOK, |known| known.to_utc() - OVERLAP);
        let reached = self.look_since(inbound, since).await?;
        let cursor = Cursor {
            stream: CHANNEL.to_owned(),
            value: reached.map_or(now, |reached| reached + OVERLAP).to_rfc3339(),
        };
        inbound
            .posts_seen(&self.keeps, Vec::new(), Some(cursor))
            .await
            .map(drop)
            .map_err(unstored)
    }

    /// Tells what became of tickets since then. Gives up to when was read, where there is more.
    async fn look_since(&self, inbound: &Inbound, mut since: Instant) -> Result<Option<Instant>, Lost> {
        for _ in 0..MOST_READINGS {
            let changed = self.system.changed(since).await;
            let Changed { tickets, until } = changed.map_err(|error| error.lost(&system::MEND))?;
            for ticket in &tickets {
                let (channel, thread) = (ChannelId::new(CHANNEL), ThreadId::new(&ticket.id));
                // Another installation may have tickets there, too.
                let case = inbound.case_of(&self.chat, &channel, &thread).await;
                if case.map_err(unstored)?.is_some() {
                    let telling = self.news.tell(inbound, ticket, None);
                    telling.await.map_err(unstored)?;
                }
            }
            match until {
                Some(until) if until > since => since = until,
                Some(_) => {
                    tracing::warn!(helpdesk = %self.chat, %since, "More tickets changed in a second than can be read.");
                    return Ok(None);
                }
                None => return Ok(None),
            }
        }
        Ok(Some(since))
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
            Ok(_) => Finding::well(format!("{label} lets us read tickets")),
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

/// A failure of a call that adds a note: a ticket that takes none any more keeps no other from being told. Where
/// the note hands the case over, it needs another ticket.
fn unnoted(error: Failed, hands_over: bool) -> PortError {
    match error {
        Failed::Status { status, .. } if matches!(status.as_u16(), 400 | 404 | 410 | 422) => {
            let why = format!("the ticket takes no note: {error}");
            match hands_over {
                true => PortError::Gone(why),
                false => PortError::Refused(why),
            }
        }
        Failed::Limited(_) | Failed::Unreached(_) | Failed::Status { .. } | Failed::Broken(_) => {
            unopened(error)
        }
    }
}

fn unstored(error: Unavailable) -> Lost {
    Lost::Broken(error.to_string())
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
        self.news.opened(&ticket, self.clock.now()).await;
        Ok(Opened {
            thread: ThreadId::new(&ticket.id),
            card: MessageId::new(&ticket.id),
        })
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        let ticket = order.thread.as_str();
        let text = order.message.plain();
        let unnoted = |error| unnoted(error, order.hands_over);
        if order.hands_over {
            self.system.reopen(ticket).await.map_err(unnoted)?;
        }
        let mark = system::mark(&order.key);
        if order.earlier.is_some() && self.system.has_note(ticket, &mark).await.map_err(unnoted)? {
            return Ok(MessageId::new(format!("{ticket}/{mark}")));
        }
        let note = format!("{text}\n\n{mark}");
        let noting = self.system.note(ticket, (&order.key, order.hands_over), &note);
        noting.await.map_err(unnoted)?;
        Ok(MessageId::new(format!("{ticket}/{mark}")))
    }

    /// It knows what it said itself.
    fn hears_itself(&self) -> bool {
        false
    }

    /// Notes in a ticket stay as they were: what changed is told in the next one.
    async fn edit(&self, _: &EditMessage) -> Result<(), PortError> {
        Ok(())
    }
}
