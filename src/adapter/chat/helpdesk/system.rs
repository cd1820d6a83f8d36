//! What the help desks have in common, and which one it is.

use super::freshdesk::Freshdesk;
use super::hook::Hook;
use super::zendesk::Zendesk;
use crate::adapter::api::{Failed, Mend};
use crate::domain::{IdempotencyKey, Instant};
use chrono::DateTime;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What somebody can do where a help desk does not let us in.
pub const MEND: Mend = Mend {
    unauthorized: "the help desk does not accept the credentials: make a new key there",
    forbidden: "the agent whose key it is may not read tickets: give them the role for it",
};
/// The tag of our tickets.
pub const TAG: &str = "hearback";

/// A ticket of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Its number there.
    pub id: String,
    /// Where agents of the help desk see it.
    pub url: Option<String>,
    /// Whether it is done.
    pub done: bool,
    /// When anything of it changed last, where that is told.
    pub updated: Option<Instant>,
}

/// What a look for changes brought.
#[derive(Debug, Default)]
pub struct Changed {
    /// Our tickets, the oldest change first.
    pub tickets: Vec<Ticket>,
    /// Up to when was read, where there is more than one look reads.
    pub until: Option<Instant>,
}

/// A moment of an answer.
pub fn moment(value: &Value) -> Option<Instant> {
    let told = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    Some(told.to_utc())
}

/// A help desk, by its interface.
pub enum System {
    Zendesk(Zendesk),
    Freshdesk(Freshdesk),
    Hook(Hook),
}

impl System {
    pub fn label(&self) -> &'static str {
        match self {
            Self::Zendesk(_) => "Zendesk",
            Self::Freshdesk(_) => "Freshdesk",
            Self::Hook(_) => "Help desk",
        }
    }

    /// The ticket that an earlier attempt under this key made, since this moment. None where the help desk
    /// knows a repeated call by its key.
    pub async fn find(&self, key: &IdempotencyKey, since: Instant) -> Result<Option<Ticket>, Failed> {
        match self {
            Self::Zendesk(desk) => desk.find(key).await,
            Self::Freshdesk(desk) => desk.find(key, since).await,
            Self::Hook(_) => Ok(None),
        }
    }

    /// Opens a ticket.
    pub async fn open(&self, key: &IdempotencyKey, title: &str, text: &str) -> Result<Ticket, Failed> {
        match self {
            Self::Zendesk(desk) => desk.open(key, title, text).await,
            Self::Freshdesk(desk) => desk.open(key, title, text).await,
            Self::Hook(desk) => desk.open(key, title, text).await,
        }
    }

    /// Whether a ticket has the note with this mark. No where the help desk knows a repeated call by its key.
    pub async fn has_note(&self, ticket: &str, mark: &str) -> Result<bool, Failed> {
        match self {
            Self::Zendesk(desk) => desk.has_note(ticket, mark).await,
            Self::Freshdesk(desk) => desk.has_note(ticket, mark).await,
            Self::Hook(_) => Ok(false),
        }
    }

    /// Adds an internal note to a ticket; with `reopen`, one that is done is open again.
    pub async fn note(
        &self,
        ticket: &str,
        (key, reopen): (&IdempotencyKey, bool),
        text: &str,
    ) -> Result<(), Failed> {
        match self {
            Self::Zendesk(desk) => desk.note(ticket, text).await,
            Self::Freshdesk(desk) => desk.note(ticket, text).await,
            Self::Hook(desk) => desk.note(ticket, (key, reopen), text).await,
        }
    }

    /// Makes a ticket that is done open again. A system by webhook is told so with the note.
    pub async fn reopen(&self, ticket: &str) -> Result<(), Failed> {
        match self {
            Self::Zendesk(desk) => desk.reopen(ticket).await,
            Self::Freshdesk(desk) => desk.reopen(ticket).await,
            Self::Hook(_) => Ok(()),
        }
    }

    /// Our tickets that changed since then.
    pub async fn changed(&self, since: Instant) -> Result<Changed, Failed> {
        match self {
            Self::Zendesk(desk) => desk.changed(since).await,
            Self::Freshdesk(desk) => desk.changed(since).await,
            Self::Hook(_) => Ok(Changed::default()),
        }
    }
}

/// A short word for a key, that fits into a tag and into the last line of a note.
pub fn mark(key: &IdempotencyKey) -> String {
    format!(
        "hb-{}",
        hex::encode(&Sha256::digest(key.as_str().as_bytes())[..8])
    )
}

/// An id that may come as a number or as a text.
pub fn id(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.trim().is_empty() && text.len() <= 200 => Some(text.clone()),
        _ => None,
    }
}

/// What an answer without the ticket's number is.
pub fn unnumbered() -> Failed {
    Failed::Broken("the answer is not what the API describes (it has no number of the ticket)".to_owned())
}

/// The help desks' own words in a failure.
pub fn spoken(body: &[u8]) -> Option<String> {
    let told: Value = serde_json::from_slice(body).ok()?;
    let text = |name: &str| told.get(name)?.as_str().map(str::to_owned);
    text("description")
        .or_else(|| text("message"))
        .or_else(|| text("error"))
}
