//! What happened to a case, in the past tense. The log is append-only; the case is its fold.

use super::{
    Agent, Audience, CaseNumber, ChatName, EventId, Instant, Kind, NativeId, Priority, Remark, ReplyId,
    SourceName, TeamName,
};
use serde::{Deserialize, Serialize};

/// Who made something happen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "who", rename_all = "snake_case")]
pub enum By {
    /// The customer, on their network.
    Author,
    /// A member of the team, from a chat.
    Agent {
        /// Who.
        agent: Agent,
        /// From which chat.
        chat: ChatName,
    },
    /// Hearback itself, or a network.
    System,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The case was opened by a first post.
    Opened {
        /// Where it was seen.
        source: SourceName,
        /// The conversation it belongs to.
        conversation: NativeId,
        /// Who wrote it.
        author: NativeId,
        /// The post.
        post: NativeId,
        /// When it was published.
        written_at: Instant,
    },
    /// The same author wrote again in the same conversation.
    PostAdded {
        /// The post.
        post: NativeId,
        /// When it was published; posts may arrive in another order.
        written_at: Instant,
    },
    /// The author edited a post.
    PostEdited {
        /// The post.
        post: NativeId,
        /// What it said before.
        before: String,
        /// What it says now.
        after: String,
        /// Which of its attachments, from zero, are new.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        added: Vec<usize>,
    },
    /// The author took a post back.
    PostDeleted {
        /// The post.
        post: NativeId,
    },
    /// An agent took the case.
    Claimed {
        /// Who has it now.
        owner: Agent,
    },
    /// The owner gave the case back.
    Released,
    /// The case was given to somebody.
    Assigned {
        /// Who has it now.
        owner: Agent,
    },
    /// A remark for colleagues.
    Noted {
        /// The remark, verbatim.
        text: String,
    },
    /// The case was handed to a team.
    Escalated {
        /// The team.
        team: TeamName,
        /// Why; may be empty.
        reason: String,
    },
    /// The case is done.
    Resolved {
        /// How it ended; may be empty.
        outcome: String,
    },
    /// The case is open again, by an agent or because the customer came back.
    Reopened,
    /// The case is put off.
    Snoozed {
        /// Until when.
        until: Instant,
    },
    /// The time of the snooze is over.
    Woke,
    /// The priority changed.
    PrioritySet {
        /// To what.
        priority: Priority,
    },
    /// The kind changed.
    KindSet {
        /// To what.
        kind: Kind,
    },
    /// Labels were put on or taken off.
    Labelled {
        /// Put on.
        added: Vec<String>,
        /// Taken off.
        removed: Vec<String>,
    },
    /// A reply was written, and its author is asked to say yes once more.
    ReplyDrafted {
        /// Which.
        reply: ReplyId,
        /// Which text of it.
        version: i64,
        /// Who wrote it.
        author: Agent,
        /// For whom.
        audience: Audience,
        /// Exactly what would be published.
        text: String,
        /// Why its author is asked.
        remarks: Vec<Remark>,
    },
    /// A reply was written, and somebody else has to agree.
    ReplySubmitted {
        /// Which.
        reply: ReplyId,
        /// Which text of it.
        version: i64,
        /// Who wrote it.
        author: Agent,
        /// For whom.
        audience: Audience,
        /// Exactly what would be published.
        text: String,
        /// What was said about it.
        remarks: Vec<Remark>,
        /// Until when somebody can agree.
        until: Instant,
    },
    /// Who approves changed the words first.
    ReplyEdited {
        /// Which.
        reply: ReplyId,
        /// Which text of it this is.
        version: i64,
        /// What it said before.
        before: String,
        /// What it says now.
        after: String,
    },
    /// Somebody else agreed to exactly this text.
    ReplyApproved {
        /// Which.
        reply: ReplyId,
        /// Which text of it.
        version: i64,
        /// The fingerprint of what was approved.
        hash: String,
    },
    /// Somebody else did not agree.
    ReplyRejected {
        /// Which.
        reply: ReplyId,
        /// Why; may be empty.
        reason: String,
    },
    /// Nobody said yes in time.
    ReplyExpired {
        /// Which.
        reply: ReplyId,
    },
    /// A reply was approved, or needed nobody's approval, and waits for the end of its undo window.
    ReplyHeld {
        /// Which.
        reply: ReplyId,
        /// For whom.
        audience: Audience,
        /// Exactly what will be published.
        text: String,
        /// The end of the undo window.
        until: Instant,
        /// Which text of it.
        #[serde(default)]
        version: i64,
        /// Who wrote it.
        #[serde(default)]
        author: Option<Agent>,
    },
    /// What the reply answers changed before it was sent: it stays here, and its author is asked.
    ReplyStale {
        /// Which.
        reply: ReplyId,
        /// What happened, in words.
        reason: String,
        /// What the post said when the reply was approved, if it changed.
        before: Option<String>,
        /// What it says now.
        after: Option<String>,
    },
    /// Somebody else wanted to answer while this reply was under way.
    ReplyCollided {
        /// The reply that was there first.
        reply: ReplyId,
        /// What the other one wanted to say.
        text: String,
    },
    /// A reply was taken back before it was published.
    ReplyCancelled {
        /// Which.
        reply: ReplyId,
    },
    /// The platform has the reply.
    ReplySent {
        /// Which.
        reply: ReplyId,
        /// For whom it was.
        audience: Audience,
        /// What was published.
        text: String,
        /// The platform's id of it.
        remote: NativeId,
        /// Its address.
        url: Option<String>,
    },
    /// The platform refused the reply, for certain.
    ReplyFailed {
        /// Which.
        reply: ReplyId,
        /// Why, in words.
        reason: String,
    },
    /// No certain answer came: the platform may or may not have the reply.
    ReplyUncertain {
        /// Which.
        reply: ReplyId,
        /// What happened, in words.
        reason: String,
        /// When we look again.
        look_at: Instant,
    },
    /// The reply is sent again: the platform does not have it, or will know it by its key.
    ReplyRetried {
        /// Which.
        reply: ReplyId,
        /// Whether we looked and it was not there; otherwise the platform knows a repetition by its key.
        #[serde(default = "yes")]
        looked: bool,
    },
    /// A look did not show the reply; another one follows before it is sent again.
    ReplyNotSeen {
        /// Which.
        reply: ReplyId,
        /// When we look again.
        look_at: Instant,
    },
    /// The reply cannot go out at present, for certain; it waits and is tried again.
    ReplyDelayed {
        /// Which.
        reply: ReplyId,
        /// Why, in words.
        reason: String,
    },
    /// It cannot be found out whether the platform has the reply: a person must look.
    ReplyNeedsHuman {
        /// Which.
        reply: ReplyId,
        /// Why, in words.
        reason: String,
    },
    /// A person looked and says that the reply is not there; a second person is asked.
    ReplyToldAbsent {
        /// Which.
        reply: ReplyId,
    },
    /// A person ended the reply without knowing what became of it.
    ReplyAbandoned {
        /// Which.
        reply: ReplyId,
    },
    /// An agent answered without us, where we cannot, and says where.
    AnsweredByHand {
        /// The address of the answer, as the agent gave it.
        url: String,
        /// Whether the page was read and belongs to what the customer wrote; otherwise nobody could look.
        looked: bool,
    },
    /// Nothing is published any more. Stands in the log of no case.
    PublishingPaused {
        /// By this source; by none at all when empty.
        source: Option<SourceName>,
        /// Why; may be empty.
        reason: String,
    },
    /// It goes on. Stands in the log of no case.
    PublishingResumed {
        /// By this source; by all when empty.
        source: Option<SourceName>,
    },
    /// The customer's words and names were erased here. What was published stays where it is.
    Erased,
}

impl Event {
    /// The reply it is about.
    #[must_use]
    pub fn reply(&self) -> Option<ReplyId> {
        match self {
            Self::ReplyDrafted { reply, .. }
            | Self::ReplySubmitted { reply, .. }
            | Self::ReplyEdited { reply, .. }
            | Self::ReplyApproved { reply, .. }
            | Self::ReplyRejected { reply, .. }
            | Self::ReplyExpired { reply }
            | Self::ReplyHeld { reply, .. }
            | Self::ReplyStale { reply, .. }
            | Self::ReplyCollided { reply, .. }
            | Self::ReplyCancelled { reply }
            | Self::ReplySent { reply, .. }
            | Self::ReplyFailed { reply, .. }
            | Self::ReplyUncertain { reply, .. }
            | Self::ReplyRetried { reply, .. }
            | Self::ReplyNotSeen { reply, .. }
            | Self::ReplyDelayed { reply, .. }
            | Self::ReplyNeedsHuman { reply, .. }
            | Self::ReplyToldAbsent { reply }
            | Self::ReplyAbandoned { reply } => Some(*reply),
            Self::Opened { .. }
            | Self::PostAdded { .. }
            | Self::PostEdited { .. }
            | Self::PostDeleted { .. }
            | Self::Claimed { .. }
            | Self::Released
            | Self::Assigned { .. }
            | Self::Noted { .. }
            | Self::Escalated { .. }
            | Self::Resolved { .. }
            | Self::Reopened
            | Self::Snoozed { .. }
            | Self::Woke
            | Self::PrioritySet { .. }
            | Self::KindSet { .. }
            | Self::Labelled { .. }
            | Self::AnsweredByHand { .. }
            | Self::PublishingPaused { .. }
            | Self::PublishingResumed { .. }
            | Self::Erased => None,
        }
    }
}

/// The case number under which the log keeps what is about no case.
pub const NO_CASE: CaseNumber = CaseNumber(0);

fn yes() -> bool {
    true
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Its place in the log of all cases.
    pub id: EventId,
    /// The case.
    pub case: CaseNumber,
    /// When it happened.
    pub at: Instant,
    /// Who made it happen.
    pub by: By,
    /// What happened.
    pub event: Event,
}
