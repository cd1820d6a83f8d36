//! The one grammar of all chats: a clap enum, from which the text of slash commands and mentions,
//! the definition of option-based commands, and the help derive.

mod grammar;
mod schema;
mod text;

pub use grammar::{Command, LabelChange, UserRef};
pub use schema::{OptionKind, OptionSpec, VerbSpec, parse_options, schema};
pub use text::{help, parse_text};

use crate::domain::CaseNumber;

/// A command, and the case it names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The case it names; `None` where it is implied or the verb needs none.
    pub case: Option<CaseNumber>,
    /// What is to be done.
    pub command: Command,
}

/// A text that is no command. Its text is for the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unclear(pub String);
