//! What Hearback knows, as plain values: no sockets, no database, no platform.
//!
//! Everything here is a pure function of its arguments; time and identifiers are passed in.

pub mod audit;
pub mod care;
pub mod case;
pub mod clock;
pub mod effect;
pub mod event;
pub mod id;
pub mod language;
pub mod listen;
pub mod message;
pub mod person;
pub mod post;
pub mod private;
pub mod reply;
pub mod standing;

pub use case::{Case, Kind, Priority, Refusal, Status};
pub use clock::{Clock, ManualClock, ShiftedClock, SystemClock};
pub use effect::{Doubt, Doubted, Effect, EffectRow, Lane, Notice};
pub use event::{By, Event, EventRecord, NO_CASE};
pub use id::{
    CaseNumber, ChannelId, ChatName, EffectId, EventId, IdempotencyKey, MessageId, NativeId, ReplyId,
    SourceName, TeamName, ThreadId,
};
pub use message::{Button, Card, Form, Message, Part, Press, ReplyVerb, Span, Style};
pub use person::{Agent, Person, Role};
pub use post::{Author, Media, MediaKind, Metrics, Post, PostKind, Sighting, Visibility};
pub use reply::{Audience, ButtonKey, Length, Remark, Reply, ReplyState, Weight};
pub use standing::{Marks, Standing};

/// An instant in UTC, truncated to microseconds: what both databases keep.
pub type Instant = chrono::DateTime<chrono::Utc>;
