//! Identifiers are types, so that a channel cannot be passed where a thread is meant.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

macro_rules! text_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl AsRef<str>) -> Self { Self(Arc::from(text.as_ref())) }
            /// The text.
            pub fn as_str(&self) -> &str { &self.0 }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) }
        }
        impl From<&str> for $name { fn from(text: &str) -> Self { Self::new(text) } }
        impl From<String> for $name { fn from(text: String) -> Self { Self::new(text) } }
    )*};
}

text_id! {
    /// The configured name of a source, for example `fedi`.
    SourceName
    /// A chat, by its name in lower case.
    ChatName
    /// What a network calls something of its own: a post, an author, a conversation. Opaque.
    NativeId
    /// A channel of a chat.
    ChannelId
    /// A thread of a chat, inside a channel.
    ThreadId
    /// A message of a chat, inside a thread.
    MessageId
    /// The configured name of a team.
    TeamName
    /// At most 25 characters of `[a-z0-9-]`; the same for every attempt of one delivery.
    IdempotencyKey
}

macro_rules! number_id {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}", self.0) }
        }
    )*};
}

number_id! {
    /// An event's place in the log; rises by one.
    EventId
    /// An effect's place in the outbox; rises by one and is never used again.
    EffectId
    /// A reply, numbered through.
    ReplyId
}

/// A case's number, shown as `#1042`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseNumber(pub i64);

impl fmt::Display for CaseNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Why a text is not a case number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a case number; write it like #1042 or 1042")]
pub struct NotACaseNumber(String);

impl FromStr for CaseNumber {
    type Err = NotACaseNumber;

    /// Reads `#1042` and `1042`.
    fn from_str(text: &str) -> Result<Self, NotACaseNumber> {
        let digits = text.strip_prefix('#').unwrap_or(text);
        let sound = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        match digits.parse() {
            Ok(number) if sound && number > 0 => Ok(Self(number)),
            _ => Err(NotACaseNumber(text.to_owned())),
        }
    }
}
