//! The way in: what adapters hand over. Everything is committed when these calls return.

use crate::domain::{CaseNumber, ChannelId, Form, Message, Person, Sighting, SourceName, ThreadId};

/// Nothing was stored; the caller must not acknowledge.
#[derive(Debug, Clone, thiserror::Error)]
#[error("nothing was stored: {0}")]
pub struct Unavailable(pub String);

/// What became of a batch of sightings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Intake {
    /// Posts that were new, edits and deletions.
    pub accepted: usize,
    /// Posts that were known, and our own.
    pub duplicates: usize,
}

/// How far a source was read; moves in the transaction of what it covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What of the source, for example `notifications`.
    pub stream: String,
    /// The platform's cursor.
    pub value: String,
}

/// Where in the chat somebody acted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The channel, if the chat tells it.
    pub channel: Option<ChannelId>,
    /// The thread, if they acted in one (or on its card).
    pub thread: Option<ThreadId>,
}

/// Something a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The chat's key of it: the same for a repeated envelope, never for another one.
    /// For example `slack:trigger:…` or `discord:1100…`.
    pub key: String,
    /// Who asked.
    pub by: Person,
    /// Where.
    pub place: Place,
    /// What.
    pub input: Input,
}

/// In which form it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line: `claim 12`, `reply Thanks …`.
    Text(String),
    /// A verb with named options, as `command::schema` describes them.
    Options {
        /// The verb.
        verb: String,
        /// Names and values.
        options: Vec<(String, String)>,
    },
    /// A button: the text form of a [`crate::domain::Press`], as the chat brought it back.
    Press(String),
    /// A menu entry that asks for the words of a verb, at the thread it was chosen in.
    Ask {
        /// The verb.
        verb: String,
    },
    /// A form that was filled in.
    Form {
        /// The case it was about.
        case: CaseNumber,
        /// The verb its words are for.
        verb: String,
        /// The words.
        text: String,
    },
}

/// What the person gets, and nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Done.
    Done(Message),
    /// Not done: why, and what to do.
    Refused(Message),
    /// A question first: show this form. Nothing was stored.
    Ask(Form),
}

/// The handle that adapters hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inbound;

#[expect(
    clippy::todo,
    unused_variables,
    clippy::unused_async,
    reason = "the interface, before the use cases"
)]
impl Inbound {
    /// Posts that a source saw. Committed, together with the cursor, when this returns.
    ///
    /// # Errors
    /// Nothing was stored: do not acknowledge, and try again.
    pub async fn posts_seen(
        &self,
        source: &SourceName,
        sightings: Vec<Sighting>,
        cursor: Option<Cursor>,
    ) -> Result<Intake, Unavailable> {
        todo!()
    }

    /// How far a source was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cursor(&self, source: &SourceName, stream: &str) -> Result<Option<String>, Unavailable> {
        todo!()
    }

    /// The posts of a source that open cases stand on, the newest first: what a sweep reads again to
    /// see edits and deletions that were not pushed.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn watched_posts(
        &self,
        source: &SourceName,
        limit: usize,
    ) -> Result<Vec<crate::domain::Post>, Unavailable> {
        todo!()
    }

    /// Something a person asked for. Committed when this returns; the answer is for that person only.
    ///
    /// # Errors
    /// Nothing was stored; say so to the person and do not acknowledge where the chat redelivers.
    pub async fn given(&self, given: Given) -> Result<Response, Unavailable> {
        todo!()
    }

    /// Case numbers that begin with what was typed, with a line about each; at most 25.
    /// Empty for people without a role.
    pub async fn suggest(&self, by: &Person, typed: &str) -> Vec<(CaseNumber, String)> {
        todo!()
    }

    /// Keeps something that could not be understood, for people to look at.
    ///
    /// # Errors
    /// Nothing was stored: do not acknowledge.
    pub async fn set_aside(&self, origin: &str, reason: &str, raw: &str) -> Result<(), Unavailable> {
        todo!()
    }
}
