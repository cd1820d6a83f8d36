//! What is told of a ticket in the thread of its case: that it is open, with its address, that it is done, that it
//! is open again. Each once, whatever comes twice or late: what was told last of a ticket is kept in the database,
//! and so is what is still to be told of tickets that were opened just now.

use super::system::Ticket;
use super::{CHANNEL, SPEAKER};
use crate::app::{Cursor, Given, Inbound, Input, Place, Response, Unavailable};
use crate::domain::{ChannelId, ChatName, Instant, Person, SourceName, ThreadId};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

/// Under which name the tickets are kept that were opened just now.
const FRESH: &str = "opened";
/// How long a ticket that was opened is waited for to be the thread of a case.
const PATIENCE: TimeDelta = TimeDelta::days(1);
/// How many tickets are remembered; of the others is read what was told.
const MOST_TOLD: usize = 10_000;
/// How many deliveries of a ticket's webhook are remembered.
const MOST_HEARD: usize = 16;

/// A ticket that was opened just now.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Fresh {
    id: String,
    url: Option<String>,
    since: Instant,
}

/// What was told of a ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    /// Whether it is done, by what was told last. Nothing: it was not told of yet.
    done: Option<bool>,
    /// How often something was told.
    turn: u32,
    /// When the ticket that was told of last had changed.
    at: Option<Instant>,
    /// The last deliveries of its webhook.
    heard: Vec<String>,
}

/// Something to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Open,
    Done,
    OpenAgain,
}

impl Told {
    fn due(&self, done: bool) -> &'static [Word] {
        match (self.done, done) {
            (None, false) => &[Word::Open],
            (None, true) => &[Word::Open, Word::Done],
            (Some(false), true) => &[Word::Done],
            (Some(true), false) => &[Word::OpenAgain],
            (Some(_), _) => &[],
        }
    }

    /// Whether this was heard before, or is older than what was.
    fn knows(&self, ticket: &Ticket, delivery: Option<&str>) -> bool {
        let heard = delivery.is_some_and(|id| self.heard.iter().any(|known| known == id));
        let older = ticket.updated.zip(self.at).is_some_and(|(now, at)| now < at);
        heard || older
    }
}

/// The news of a help desk.
pub struct News {
    chat: ChatName,
    keeps: SourceName,
    label: &'static str,
    told: tokio::sync::Mutex<HashMap<String, Told>>,
    fresh: Mutex<Vec<Fresh>>,
    /// There is a ticket that was opened just now.
    pub arrived: Notify,
    inbound: OnceLock<Inbound>,
}

impl News {
    pub fn new(chat: ChatName, keeps: SourceName, label: &'static str) -> Self {
        Self {
            chat,
            keeps,
            label,
            told: tokio::sync::Mutex::default(),
            fresh: Mutex::default(),
            arrived: Notify::new(),
            inbound: OnceLock::new(),
        }
    }

    /// Takes up what a run before left to tell.
    pub async fn restore(&self, inbound: &Inbound) -> Result<(), Unavailable> {
        if self.inbound.get().is_some() {
            return Ok(());
        }
        let kept = inbound.cursor(&self.keeps, FRESH).await?;
        let kept = kept.and_then(|kept| serde_json::from_str::<Vec<Fresh>>(&kept).ok());
        for fresh in kept.unwrap_or_default() {
            self.add(fresh);
        }
        let _ = self.inbound.set(inbound.clone());
        Ok(())
    }

    /// A ticket was opened: it is told of as soon as it is the thread of a case.
    pub async fn opened(&self, ticket: &Ticket, now: Instant) {
        self.add(Fresh {
            id: ticket.id.clone(),
            url: ticket.url.clone(),
            since: now,
        });
        // Where that fails, this run still knows.
        if let Some(inbound) = self.inbound.get()
            && let Err(error) = self.keep_fresh(inbound).await
        {
            tracing::warn!(helpdesk = %self.chat, %error, "A ticket that was opened is remembered in this run alone.");
        }
        self.arrived.notify_one();
    }

    /// Whether a ticket that was opened just now is still to be told of.
    pub fn is_waiting(&self) -> bool {
        !self.fresh().is_empty()
    }

    /// Tells of tickets that were opened just now, as far as they are threads of cases by now.
    pub async fn tell_fresh(&self, inbound: &Inbound, now: Instant) -> Result<(), Unavailable> {
        let waiting = self.fresh().clone();
        let mut gone = Vec::new();
        for Fresh { id, url, since } in waiting {
            let ticket = Ticket {
                id,
                url,
                done: false,
                updated: None,
            };
            // Whatever was told of it before, that it was opened is no news behind it.
            let told = self.of(inbound, &ticket.id).await?.done.is_some();
            if told || self.tell(inbound, &ticket, None).await? || now - since > PATIENCE {
                gone.push(ticket.id);
            }
        }
        if gone.is_empty() {
            return Ok(());
        }
        self.fresh().retain(|fresh| !gone.contains(&fresh.id));
        self.keep_fresh(inbound).await
    }

    /// Tells what is new about a ticket, in the thread of its case. `delivery`: the webhook's name of it. Says whether
    /// the ticket is one of a case.
    pub async fn tell(
        &self,
        inbound: &Inbound,
        ticket: &Ticket,
        delivery: Option<&str>,
    ) -> Result<bool, Unavailable> {
        let mut all = self.told.lock().await;
        let before = match all.get(&ticket.id) {
            Some(told) => told.clone(),
            None => self.read(inbound, &ticket.id).await?,
        };
        if before.knows(ticket, delivery) {
            return Ok(true);
        }
        let mut told = before.clone();
        for word in before.due(ticket.done) {
            if !self.say(inbound, ticket, *word, told.turn).await? {
                return Ok(false);
            }
            told.turn += 1;
            told.done = Some(*word == Word::Done);
        }
        told.at = told.at.max(ticket.updated);
        told.heard.extend(delivery.map(str::to_owned));
        let most = told.heard.len().saturating_sub(MOST_HEARD);
        told.heard.drain(..most);
        if told != before {
            let value = serde_json::to_string(&told).unwrap_or_default();
            self.keep(inbound, stream(&ticket.id), value).await?;
        }
        if all.len() >= MOST_TOLD {
            all.clear();
        }
        all.insert(ticket.id.clone(), told);
        Ok(true)
    }

    /// Notes it in the case. The same turn again is told once.
    async fn say(
        &self,
        inbound: &Inbound,
        ticket: &Ticket,
        word: Word,
        turn: u32,
    ) -> Result<bool, Unavailable> {
        let line = match word {
            Word::Open => "is open",
            Word::Done => "is done",
            Word::OpenAgain => "is open again",
        };
        let at = ticket.url.as_deref().map(|url| format!(": {url}"));
        let (id, label, at) = (&ticket.id, self.label, at.unwrap_or_default());
        let given = Given {
            key: format!("{}:{id}:{turn}", self.chat),
            by: Person {
                chat: self.chat.clone(),
                user: SPEAKER.to_owned(),
                workspace: String::new(),
                name: label.to_owned(),
                groups: vec![SPEAKER.to_owned()],
            },
            place: Place {
                channel: Some(ChannelId::new(CHANNEL)),
                thread: Some(ThreadId::new(id)),
            },
            input: Input::Text(format!("note Ticket {id} {line} in {label}{at}")),
        };
        Ok(matches!(inbound.given(given).await?, Response::Done(_)))
    }

    async fn of(&self, inbound: &Inbound, ticket: &str) -> Result<Told, Unavailable> {
        match self.told.lock().await.get(ticket) {
            Some(told) => Ok(told.clone()),
            None => self.read(inbound, ticket).await,
        }
    }

    async fn read(&self, inbound: &Inbound, ticket: &str) -> Result<Told, Unavailable> {
        let kept = inbound.cursor(&self.keeps, &stream(ticket)).await?;
        let told = kept.and_then(|kept| serde_json::from_str(&kept).ok());
        Ok(told.unwrap_or_default())
    }

    async fn keep_fresh(&self, inbound: &Inbound) -> Result<(), Unavailable> {
        let value = serde_json::to_string(&*self.fresh()).unwrap_or_default();
        self.keep(inbound, FRESH.to_owned(), value).await
    }

    async fn keep(&self, inbound: &Inbound, stream: String, value: String) -> Result<(), Unavailable> {
        let cursor = Some(Cursor { stream, value });
        inbound
            .posts_seen(&self.keeps, Vec::new(), cursor)
            .await
            .map(drop)
    }

    fn add(&self, ticket: Fresh) {
        let mut fresh = self.fresh();
        fresh.retain(|known| known.id != ticket.id);
        fresh.push(ticket);
    }

    fn fresh(&self) -> MutexGuard<'_, Vec<Fresh>> {
        self.fresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under which name is kept what was told of a ticket.
fn stream(ticket: &str) -> String {
    format!("ticket {ticket}")
}
