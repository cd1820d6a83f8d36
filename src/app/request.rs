//! What the ledger is asked to write, and what it answers.

use super::directory::Known;
use super::hearing::Gate;
use super::inbound::{Cursor, Intake, Response, Unavailable};
use crate::domain::case::Wish;
use crate::domain::{
    Audience, CaseNumber, ChannelId, ChatName, Effect, EffectId, Instant, Lane, MessageId, Notice, Reply,
    ReplyId, Sighting, SourceName, ThreadId,
};
use crate::port::Published;
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
        /// How they come in: by the rules, or because somebody let them in.
        gate: Gate,
        answer: Answer<Intake>,
    },
    /// A command of an agent.
    Command {
        order: Box<Order>,
        answer: Answer<Response>,
    },
    /// Effects are begun: an attempt may have its effect from now on.
    Begin {
        effects: Vec<EffectId>,
        answer: Answer<()>,
    },
    /// A reply is to be published: the claim, before the first byte.
    Claim { reply: ReplyId, answer: Answer<Claimed> },
    /// Somebody outside may have stopped publishing, or let it go on.
    LookAtPauses { answer: Answer<()> },
    /// What became of effects.
    Settle {
        settled: Vec<Settled>,
        answer: Answer<()>,
    },
    /// Something about no case is told.
    Announce { notice: Notice, answer: Answer<()> },
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
    /// The row of an order from the command line: it is answered there in the same transaction.
    pub outside: Option<String>,
}

/// What is ordered.
#[derive(Debug, Clone)]
pub(super) enum Ask {
    /// A wish that the case decides about.
    Wish(Wish),
    /// A reply; its target and composed text are found while the case is at hand.
    Reply { audience: Audience, text: String },
    /// Agree to the waiting reply as it is worded, or with other words.
    Approve { words: Option<String> },
    /// Do not agree to it.
    Reject { reason: String },
    /// A button about a version of a reply.
    Press {
        reply: ReplyId,
        version: i64,
        seal: String,
        what: Pressed,
    },
    /// Publish nothing more, or go on.
    Pause { paused: bool, reason: String },
}

/// What a button about a reply says.
#[derive(Debug, Clone)]
pub(super) enum Pressed {
    /// Its author's second yes.
    Send,
    /// Somebody else's yes.
    Approve,
    /// Other words: by its author they are a new text, by who approves an approved one.
    Edit(String),
    /// Not like that.
    Reject(String),
    /// Not at all.
    Discard,
    /// It stands there, at this address; `seen` if we could look.
    There {
        address: String,
        seen: Option<Published>,
    },
    /// It does not stand there.
    NotThere,
    /// A second person says so too.
    NotThereEither,
    /// It will not be found out.
    GiveUp,
}

/// What became of a claim.
#[derive(Debug, Clone)]
pub(super) enum Claimed {
    /// It is to be sent.
    Send(Box<Reply>),
    /// It may not be sent: it was taken back, is done, or changed its state with the claim.
    No,
    /// Nothing is published at present.
    Paused,
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
    /// The thread tells about a reply.
    ReplyTold {
        effect: EffectId,
        reply: ReplyId,
        chat: ChatName,
        channel: ChannelId,
        message: MessageId,
        /// The reply's step that the message shows.
        shown: i64,
    },
    /// What became of a reply.
    Reply {
        effect: Option<EffectId>,
        reply: ReplyId,
        /// The attempt that ended, by its fence; `None` for the last one.
        fence: Option<i64>,
        end: ReplyEnd,
    },
    /// More is owed about a case: each with its lane, and when it is due.
    Owes {
        case: CaseNumber,
        effects: Vec<(Lane, Effect, Instant)>,
    },
    /// A snoozed case is due.
    Woken { effect: EffectId, case: CaseNumber },
    /// The time for a yes is over.
    Expired { effect: EffectId, reply: ReplyId },
}

/// What became of a publishing call, or of looking for its result.
#[derive(Debug, Clone)]
pub(super) enum ReplyEnd {
    /// The platform has it, as it says.
    Sent(Published),
    /// The platform has it more than once.
    Several(Vec<Published>),
    /// What it answers is not any more what it was. Nothing was sent.
    TargetChanged { reason: String, now: Option<String> },
    /// Refused for certain.
    Failed(String),
    /// Not executed, for certain, for this reason: the same effect tries again when its lane may.
    Waits(String),
    /// Could not look: the same effect looks again at this time.
    LookAgain(Instant),
    /// Unknown: look at the platform after the settle time.
    Uncertain(String),
    /// Looked from this time on: not there; `fresh` if the look was certainly not at a copy that lags.
    NotThere { fresh: bool, looked_at: Instant },
    /// Nobody can look, but the platform knows a repetition by its key. Send again.
    Repeat { looked_at: Instant },
    /// The database lost what happened after the reply was written, for this reason.
    Forgotten(String),
    /// It cannot be found out in the time there is.
    AskPerson(String),
}

impl Settled {
    /// What remains to be said when the platform's words cannot be written down.
    pub fn without_words(self, reason: &str) -> Self {
        match self {
            Self::Reply {
                effect, reply, fence, ..
            } => Self::Reply {
                effect,
                reply,
                fence,
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
            | Self::Woken { .. }
            | Self::Expired { .. }) => done,
        }
    }
}
