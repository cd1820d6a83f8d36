//! What pages show, read from the log. Nothing is kept beside it.

use super::Unavailable;
use crate::domain::{By, Card, CaseNumber, ChatName, EventId, Instant, Message};

/// A line of the board.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoardEntry {
    /// The case.
    pub number: CaseNumber,
    /// Its card.
    pub card: Card,
    /// When something last happened.
    pub updated_at: Instant,
}

/// A message of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The event it tells.
    pub id: EventId,
    /// When that happened.
    pub at: Instant,
    /// Who made it happen.
    pub by: By,
    /// What the thread says.
    pub message: Message,
}

/// A case's thread, as a chat shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadView {
    /// The first message.
    pub card: Card,
    /// What followed, in order.
    pub entries: Vec<Entry>,
    /// When the waiting reply is published, while it can be taken back.
    pub held_until: Option<Instant>,
}

/// The handle that pages hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader;

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    reason = "the interface, before the use cases"
)]
impl Reader {
    /// The cases that changed last, the newest change first.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn board(&self, limit: i64) -> Result<Vec<BoardEntry>, Unavailable> {
        todo!()
    }

    /// A case's thread. `None`: there is no such case.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn thread(&self, chat: &ChatName, case: CaseNumber) -> Result<Option<ThreadView>, Unavailable> {
        todo!()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn health(&self) -> Result<(), Unavailable> {
        todo!()
    }
}
