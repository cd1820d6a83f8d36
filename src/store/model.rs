//! What the store takes and gives, beside the domain's own values.

use crate::domain::{
    Case, CaseNumber, ChannelId, ChatName, EffectId, EffectRow, EventRecord, Instant, MessageId, NativeId,
    Post, Reply, ReplyId, ReplyState, SourceName, Status, ThreadId,
};

/// A post with the case it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredPost {
    /// The case.
    pub case: CaseNumber,
    /// The post.
    pub post: Post,
}

/// A case's mirror in a channel of a chat. Identity: (case, chat, channel).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// The case.
    pub case: CaseNumber,
    /// The chat.
    pub chat: ChatName,
    /// The channel.
    pub channel: ChannelId,
    /// The thread.
    pub thread: ThreadId,
    /// The card, its first message.
    pub card: MessageId,
}

/// The message in a thread that tells about a held reply and carries its cancel button.
/// Identity: (reply, chat, channel).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyMessage {
    /// The reply.
    pub reply: ReplyId,
    /// The chat.
    pub chat: ChatName,
    /// The channel.
    pub channel: ChannelId,
    /// The message.
    pub message: MessageId,
}

/// How a reply stood: a step is written only if it still does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyMark {
    /// Its state.
    pub state: ReplyState,
    /// Its fence.
    pub fence: i64,
    /// How many steps it had taken.
    pub step: i64,
}

impl ReplyMark {
    /// How this reply stands.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        Self {
            state: reply.state,
            fence: reply.fence,
            step: reply.step,
        }
    }
}

/// A reply as it stands after a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplyStep {
    /// How it stood before; `None` for a new one.
    pub from: Option<ReplyMark>,
    /// How it stands now.
    pub reply: Reply,
}

/// A line in the history of a send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The reply.
    pub reply: ReplyId,
    /// The attempt, by its fence.
    pub fence: i64,
    /// When.
    pub at: Instant,
    /// What happened, in a word or two.
    pub what: String,
    /// More about it; may be empty.
    pub detail: String,
}

/// Whether publishing is stopped. Identity: the source, or `None` for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// For which source.
    pub source: Option<SourceName>,
    /// Whether it is.
    pub paused: bool,
    /// Since when.
    pub at: Instant,
    /// Who said so.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
    /// Whether the log says it.
    pub logged: bool,
}

/// A post that opened no case. Identity: (source, id).
#[derive(Debug, Clone, PartialEq)]
pub struct UnheardRow {
    /// The post.
    pub post: Post,
    /// When it came.
    pub at: Instant,
    /// Why it opened none.
    pub why: Why,
}

/// Why a post opened no case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// No rule of its source caught it.
    Rules,
    /// It came with a flood, and waits for somebody to let it in.
    Flood,
    /// It came with a flood, and somebody left it out: its words are not kept.
    Left,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rules, Self::Flood, Self::Left];

    /// Its word, in the database and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rules => "rules",
            Self::Flood => "flood",
            Self::Left => "left",
        }
    }
}

/// Something that a command line orders of the process that has the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderRow {
    /// Its name, never used again.
    pub key: String,
    /// When it was given.
    pub at: Instant,
    /// Who gave it.
    pub by: String,
    /// What is ordered, as JSON.
    pub body: String,
}

/// A command that was taken, with its answer, so that a repeated envelope changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRow {
    /// The chat's key of it.
    pub key: String,
    /// When it was taken.
    pub at: Instant,
    /// The answer that was given, as JSON.
    pub answer: String,
}

/// How far a source was read. Identity: (source, stream).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorRow {
    /// The source.
    pub source: SourceName,
    /// What of it, for example `notifications`.
    pub stream: String,
    /// The platform's cursor.
    pub value: String,
}

/// Something that could not be understood, kept for people to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// When it came.
    pub at: Instant,
    /// From where.
    pub origin: String,
    /// What was wrong with it.
    pub reason: String,
    /// The thing itself, at most 64 KiB.
    pub raw: String,
}

/// The numbers that the ledger hands out, and what it counts instead of counting. Absolute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// The last case number.
    pub case: i64,
    /// The last event.
    pub event: i64,
    /// The last effect. Never falls, though rows of effects go.
    pub effect: i64,
    /// The last reply.
    pub reply: i64,
    /// How often a reply was claimed, to be sent.
    pub claims: i64,
    /// How many cases stand where, in the order of [`Status::ALL`].
    pub by_status: [i64; Status::ALL.len()],
}

/// Everything one commit writes. Empty lists cost no statement.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Inserted or replaced by (source, id).
    pub posts: Vec<StoredPost>,
    /// Inserted; one that exists refuses the whole. (PostgreSQL writes twice as much to find out.)
    pub new_posts: Vec<StoredPost>,
    /// Inserted or replaced by number.
    pub cases: Vec<Case>,
    /// Inserted; one that exists refuses the whole.
    pub new_cases: Vec<Case>,
    /// Appended.
    pub events: Vec<EventRecord>,
    /// Appended.
    pub effects: Vec<EffectRow>,
    /// One more attempt begun, at this time (`begun_at` keeps the first).
    pub effects_begun: Vec<(EffectId, Instant)>,
    /// Put off until.
    pub effects_due: Vec<(EffectId, Instant)>,
    /// Done: the rows go.
    pub effects_done: Vec<EffectId>,
    /// Given up for this reason: the rows stay, and are not offered again.
    pub effects_dead: Vec<(EffectId, String)>,
    /// Inserted or replaced by identity.
    pub threads: Vec<Thread>,
    /// Inserted or replaced by identity.
    pub reply_messages: Vec<ReplyMessage>,
    /// Inserted, or changed by id if they still stand where they stood.
    pub replies: Vec<ReplyStep>,
    /// Appended.
    pub attempts: Vec<AttemptRow>,
    /// Inserted or replaced by source.
    pub pauses: Vec<PauseRow>,
    /// The log says these now, if nobody wrote another one in their place meanwhile.
    pub pauses_logged: Vec<PauseRow>,
    /// Appended.
    pub orders: Vec<OrderRow>,
    /// Carried out, with the answer as JSON, by key. One that was withdrawn refuses the whole.
    pub orders_answered: Vec<(String, String)>,
    /// Appended; a key that exists stays as it is.
    pub inbox: Vec<InboxRow>,
    /// Inserted or replaced by identity.
    pub cursors: Vec<CursorRow>,
    /// Appended.
    pub asides: Vec<Aside>,
    /// Inserted, or replaced by identity but for the time.
    pub unheard: Vec<UnheardRow>,
    /// They go, if they are there, by (source, id).
    pub unheard_gone: Vec<(SourceName, NativeId)>,
    /// Replaced whole, in every commit that changes it.
    pub counters: Option<Counters>,
    /// What goes with a person who is erased.
    pub erasure: Erasure,
}

/// What is destroyed or blanked for a person; what is kept of them is in the other lists.
#[derive(Debug, Clone, Default)]
pub struct Erasure {
    /// Keys: what they lock cannot be read any more.
    pub keys: Vec<String>,
    /// Events of earlier versions, which are not in the chain: replaced by these.
    pub events: Vec<EventRecord>,
    /// Effects that were given up, whose reason is replaced by this.
    pub effects: Vec<(EffectId, String)>,
    /// Answers that were given, replaced by this.
    pub answers: Vec<(String, String)>,
    /// Things set aside, which go.
    pub asides: Vec<i64>,
}

/// What is known of what comes in.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Posts, with their cases.
    pub posts: Vec<StoredPost>,
    /// Those that are published replies of ours.
    pub own: Vec<(SourceName, NativeId)>,
    /// Cases.
    pub cases: Vec<Case>,
    /// Answers given before.
    pub inbox: Vec<InboxRow>,
}

/// What a chat is told about cases.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The cases.
    pub cases: Vec<Case>,
    /// The posts they began with.
    pub firsts: Vec<StoredPost>,
    /// Their threads.
    pub threads: Vec<Thread>,
}

/// Which cases to list.
#[derive(Debug, Clone, Default)]
pub struct CaseFilter {
    /// Only those that are not resolved.
    pub open: bool,
    /// Only this agent's (by key).
    pub owner: Option<String>,
}
