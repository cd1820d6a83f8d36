//! The verbs. Their doc comments are the help that people read.

use crate::domain::{Kind, Priority};
use clap::{Parser, Subcommand};
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

/// A person, in whichever way the chat names them: `<@U123|ada>`, `<@!123>`, `@Ada`, `me`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRef(pub String);

impl FromStr for UserRef {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let inner = text
            .strip_prefix("<@")
            .and_then(|rest| rest.strip_suffix('>'))
            .unwrap_or(text);
        let id = inner.split('|').next().unwrap_or(inner);
        Ok(Self(id.trim_start_matches(['@', '!']).to_owned()))
    }
}

/// `+name` puts a label on, `-name` takes it off; a bare name puts it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelChange {
    /// Put on.
    Add(String),
    /// Take off.
    Remove(String),
}

impl FromStr for LabelChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (make, name): (fn(String) -> Self, &str) = match text.strip_prefix(['-', '–', '—', '−']) {
            Some(name) => (Self::Remove, name),
            None => (Self::Add, text.strip_prefix('+').unwrap_or(text)),
        };
        let name = name.trim_start_matches('#').to_lowercase();
        if name.is_empty() || name.chars().any(|c| c.is_control()) {
            return Err("write labels like `+refund` or `-refund`".to_owned());
        }
        Ok(make(name))
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write it like `30m`, `2h` or `1d`".to_owned())
}

/// Work on cases
#[derive(Debug, PartialEq, Eq, Parser)]
#[command(
    name = "case",
    no_binary_name = true,
    disable_help_flag = true,
    disable_help_subcommand = true
)]
pub(super) struct Grammar {
    #[command(subcommand)]
    pub command: Command,
}

/// What a person can ask for. Free text is the untouched rest of the input.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Take the case: you answer it
    Claim,
    /// Give the case back, so that somebody else can take it
    Release,
    /// Give the case to somebody
    Assign {
        /// Who takes it
        who: UserRef,
    },
    /// Answer in public, where the customer wrote
    Reply {
        /// What is published, word for word
        #[arg(required = true, trailing_var_arg = true)]
        text: Vec<String>,
    },
    /// Answer in private, where the network can
    Dm {
        /// What the customer gets, word for word
        #[arg(required = true, trailing_var_arg = true)]
        text: Vec<String>,
    },
    /// Say that you answered by hand, and where
    Answered {
        /// The address of your answer; Hearback looks at it where it can
        address: String,
    },
    /// Leave a note for your colleagues; the customer never sees it
    Note {
        /// The note
        #[arg(required = true, trailing_var_arg = true)]
        text: Vec<String>,
    },
    /// Hand the case to a team, with the reason
    Escalate {
        /// The team, where it is given by itself; otherwise it may begin the text
        #[arg(long, hide = true)]
        team: Option<String>,
        /// The team (the first one if none is named), then the reason
        #[arg(trailing_var_arg = true)]
        text: Vec<String>,
    },
    /// Agree to the reply that waits for somebody else's yes
    Approve,
    /// Send the reply that waits for approval back to its author
    Reject {
        /// Why; its author reads it
        #[arg(trailing_var_arg = true)]
        reason: Vec<String>,
    },
    /// Take back the reply that is waiting to be published
    Cancel,
    /// Close the case
    Resolve {
        /// How it ended
        #[arg(trailing_var_arg = true)]
        outcome: Vec<String>,
    },
    /// Open a resolved or snoozed case again
    Reopen,
    /// Put the case off; it comes back by itself
    Snooze {
        /// For how long, like 30m, 2h or 1d
        #[arg(value_parser = duration)]
        duration: Duration,
    },
    /// Say how urgent the case is
    Priority {
        /// How urgent
        level: Priority,
    },
    /// Say what the case is about
    Kind {
        /// What it is about
        kind: Kind,
    },
    /// Put labels on and take them off
    Label {
        /// Labels, like +refund -angry
        #[arg(required = true, allow_hyphen_values = true)]
        labels: Vec<LabelChange>,
    },
    /// Show the case
    Show,
    /// Show everything that happened to the case
    History,
    /// List the open cases, the oldest first
    Queue,
    /// List your open cases
    Mine,
    /// Find cases by words in their posts
    Search {
        /// The words
        #[arg(required = true, trailing_var_arg = true)]
        text: Vec<String>,
    },
    /// Stop publishing at once: nothing goes out until somebody resumes
    Pause {
        /// Why; every card shows it
        #[arg(trailing_var_arg = true)]
        reason: Vec<String>,
    },
    /// Let publishing go on
    Resume,
    /// List the commands, or explain one
    Help {
        /// The verb to explain
        verb: Option<String>,
    },
}

impl Command {
    /// Whether the verb is about one case.
    #[must_use]
    pub fn needs_case(&self) -> bool {
        match self {
            Self::Claim
            | Self::Release
            | Self::Assign { .. }
            | Self::Reply { .. }
            | Self::Dm { .. }
            | Self::Answered { .. }
            | Self::Note { .. }
            | Self::Escalate { .. }
            | Self::Approve
            | Self::Reject { .. }
            | Self::Cancel
            | Self::Resolve { .. }
            | Self::Reopen
            | Self::Snooze { .. }
            | Self::Priority { .. }
            | Self::Kind { .. }
            | Self::Label { .. }
            | Self::Show
            | Self::History => true,
            Self::Queue
            | Self::Mine
            | Self::Search { .. }
            | Self::Pause { .. }
            | Self::Resume
            | Self::Help { .. } => false,
        }
    }
}

/// Verbs that are not about one case.
pub(super) const WITHOUT_CASE: &[&str] = &["queue", "mine", "search", "pause", "resume", "help"];
