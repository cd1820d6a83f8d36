//! What the ledger is asked to write, and what it answers.

use super::directory::Known;
use super::inbound::{Cursor, Intake, Response, Unavailable};
use crate::domain::case::Wish;
use crate::domain::{
    Audience, CaseNumber, ChannelId, ChatName, Effect, EffectId, Instant, Lane, MessageId, NativeId, Reply,
    ReplyId, Sighting, SourceName, ThreadId,
};
use tokio::sync::oneshot;

/// Where an answer goes. The asker may be gone: then the answer is dropped, not the work.
pub(super) type Answer<T> = oneshot::Sender<Result<T, Unavailable>>;

/// Something to write.
#[derive(Debug)]
pub(super) enum Request {
    /// Posts that a source saw.
    Posts {
        source: SourceName,
        sightings: Vec<Sighting>,
        cursor: Option<Cursor>,
        answer: Answer<Intake>,
    },
    /// A command of an agent.
    Command { order: Order, answer: Answer<Response> },
    /// Effects are begun: an attempt may have its effect from now on.
    Begin {
        effects: Vec<EffectId>,
        answer: Answer<()>,
    },
    /// A reply is to be published: the claim, before the first byte. `None`: it may not be sent.
    Claim {
        reply: ReplyId,
        answer: Answer<Option<Box<Reply>>>,
    },
    /// What became of effects.
    Settle {
        settled: Vec<Settled>,
        answer: Answer<()>,
    },
    /// Something that could not be understood.
    Aside {
        origin: String,
        reason: String,
        raw: String,
        answer: Answer<()>,
    },
}

/// A command, parsed and permitted, about one case.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub key: String,
    pub by: Known,
    pub chat: ChatName,
    pub case: CaseNumber,
    pub ask: Ask,
    /// Whether the same key comes again when somebody tries again after a refusal, as forms do that
    /// stay open; otherwise a refusal is remembered like any answer.
    pub retriable: bool,
}

/// What is ordered.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// A wish that the case decides about.
    Wish(Wish),
    /// A reply; its target and composed text are found while the case is at hand.
    Reply { audience: Audience, text: String },
    /// A person says what became of a reply.
    Settle { reply: ReplyId, there: bool },
}

/// What became of an effect.
#[derive(Debug, Clone)]
pub(super) enum Settled {
    /// Done, nothing to remember.
    Done(EffectId),
    /// Given up.
    Dead(EffectId, String),
    /// The case has a thread. The effect may go on (`None`) or be done with it.
    Opened {
        effect: Option<EffectId>,
        case: CaseNumber,
        chat: ChatName,
        channel: ChannelId,
        thread: ThreadId,
        card: MessageId,
        /// The case's version that the card shows.
        shown: i64,
    },
    /// The thread tells about a held reply.
    ReplyTold {
        effect: EffectId,
        reply: ReplyId,
        chat: ChatName,
        channel: ChannelId,
        message: MessageId,
    },
    /// What became of a reply.
    Reply {
        effect: Option<EffectId>,
        reply: ReplyId,
        end: ReplyEnd,
    },
    /// More is owed about a case: each with its lane, and when it is due.
    Owes {
        case: CaseNumber,
        effects: Vec<(Lane, Effect, Instant)>,
    },
    /// A snoozed case is due.
    Woken { effect: EffectId, case: CaseNumber },
}

/// What became of a publishing call, or of looking for its result.
#[derive(Debug, Clone)]
pub(super) enum ReplyEnd {
    /// The platform has it.
    Sent { remote: NativeId, url: Option<String> },
    /// Refused for certain.
    Failed(String),
    /// Not executed, for certain, for this reason: the same effect tries again when its lane may.
    Waits(String),
    /// Could not look: the same effect looks again at this time.
    LookAgain(Instant),
    /// Unknown: look at the platform after the settle time.
    Uncertain(String),
    /// Looked: not there. Send again.
    NotThere,
    /// Nobody can look, but the platform knows a repetition by its key. Send again.
    Repeat,
    /// It cannot be found out.
    AskPerson(String),
}

impl Settled {
    /// What remains to be said when the platform's words cannot be written down.
    pub fn without_words(self, reason: &str) -> Self {
        match self {
            Self::Reply { effect, reply, .. } => Self::Reply {
                effect,
                reply,
                end: ReplyEnd::AskPerson(format!("The platform's answer could not be stored: {reason}")),
            },
            Self::Opened {
                effect: Some(effect), ..
            }
            | Self::ReplyTold { effect, .. } => {
                Self::Dead(effect, format!("its end could not be stored: {reason}"))
            }
            done @ (Self::Done(_)
            | Self::Dead(..)
            | Self::Opened { .. }
            | Self::Owes { .. }
            | Self::Woken { .. }) => done,
        }
    }
}
