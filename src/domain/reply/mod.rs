//! An outgoing text, and the states it goes through. It is published at most once, or a person is asked.

pub mod machine;
#[cfg(test)]
mod model;
mod payload;
mod remark;

pub use machine::{Cause, Facts, Guard, Rule, TABLE, Taint};
pub use payload::{ButtonKey, Payload};
pub use remark::{Remark, Weight};

use super::{Agent, CaseNumber, IdempotencyKey, Instant, NativeId, ReplyId, SourceName, Visibility};
use serde::{Deserialize, Serialize};

/// For whom a reply is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Everybody who reads the post it answers.
    Public,
    /// Only the author.
    Private,
}

/// Where a reply is on its way. Its steps are those of [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyState {
    /// Written; its author is asked to say yes once more.
    Draft,
    /// Waits for somebody else's yes.
    PendingApproval,
    /// Approved and frozen, in its undo window.
    Held,
    /// Waits for the sender.
    Queued,
    /// Claimed: a request may be under way. Committed before the first byte.
    Sending,
    /// The platform has it.
    Sent,
    /// The platform refused it, for certain.
    Failed,
    /// Nobody knows whether the platform has it.
    Ambiguous,
    /// A look showed nothing; another one follows before anything is sent.
    Reconciling,
    /// It could not be found out: a person decides.
    NeedsHuman,
    /// Taken back before it was claimed.
    Cancelled,
    /// What it answers changed after it was approved: its author is asked.
    Stale,
    /// A person gave up finding out.
    Abandoned,
}

impl ReplyState {
    /// All, in the order of a reply's life.
    pub const ALL: [Self; 13] = [
        Self::Draft,
        Self::PendingApproval,
        Self::Held,
        Self::Queued,
        Self::Sending,
        Self::Sent,
        Self::Failed,
        Self::Ambiguous,
        Self::Reconciling,
        Self::NeedsHuman,
        Self::Cancelled,
        Self::Stale,
        Self::Abandoned,
    ];

    /// The state as stored and as metrics name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::PendingApproval => "pending_approval",
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Ambiguous => "ambiguous",
            Self::Reconciling => "reconciling",
            Self::NeedsHuman => "needs_human",
            Self::Cancelled => "cancelled",
            Self::Stale => "stale",
            Self::Abandoned => "abandoned",
        }
    }

    /// Whether the reply still moves by itself or waits for somebody.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Draft
            | Self::PendingApproval
            | Self::Held
            | Self::Queued
            | Self::Sending
            | Self::Ambiguous
            | Self::Reconciling
            | Self::NeedsHuman
            | Self::Stale => true,
            Self::Sent | Self::Failed | Self::Cancelled | Self::Abandoned => false,
        }
    }
}

/// How long a text is, the platform's way.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Length {
    /// Its length.
    pub count: usize,
    /// The most the platform takes.
    pub limit: usize,
    /// What is counted, in the plural: `characters`, `bytes`.
    pub unit: String,
}

/// A reply with its frozen payload: the sender looks nothing up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Its number.
    pub id: ReplyId,
    /// The case it belongs to.
    pub case: CaseNumber,
    /// The source, and so the brand account, that publishes it.
    pub source: SourceName,
    /// The brand account's native id, if the platform tells it.
    #[serde(default)]
    pub account: Option<NativeId>,
    /// The conversation it goes to, by its root.
    pub conversation: NativeId,
    /// The post it answers.
    pub target: NativeId,
    /// That post's address.
    #[serde(default)]
    pub target_url: Option<String>,
    /// What that post said when the reply was written or approved. `None`: from before this was kept.
    #[serde(default)]
    pub target_text: Option<String>,
    /// How visible that post is: an answer is never more visible.
    pub target_visibility: Visibility,
    /// Who wrote that post.
    pub author: NativeId,
    /// How the platform addresses them.
    pub author_handle: String,
    /// The language of that post, if known.
    pub lang: Option<String>,
    /// For whom it is.
    pub audience: Audience,
    /// What the agent wrote: the words before they were composed for the platform.
    #[serde(default)]
    pub words: String,
    /// Exactly what is published.
    pub text: String,
    /// SHA-256 of each attached file.
    #[serde(default)]
    pub media: Vec<String>,
    /// Its length, the platform's way.
    #[serde(default)]
    pub length: Length,
    /// Which text this is; rises with every edit.
    #[serde(default)]
    pub version: i64,
    /// The fingerprint of the frozen payload.
    #[serde(default)]
    pub hash: String,
    /// Who wrote it.
    pub agent: Agent,
    /// Who approved it, where somebody had to.
    #[serde(default)]
    pub approver: Option<Agent>,
    /// What the lint and the rules said about it.
    #[serde(default)]
    pub remarks: Vec<Remark>,
    /// Whether somebody besides its author has to agree.
    #[serde(default)]
    pub bound: bool,
    /// Whether its author said yes although our account had answered already.
    #[serde(default)]
    pub over_answer: bool,
    /// What the post that it answers was last seen to say on its platform, if that is not what we know.
    #[serde(default)]
    pub target_seen: Option<String>,
    /// What the platform, or our own look-up, recognises a second attempt by.
    pub key: IdempotencyKey,
    /// The event whose message in the thread speaks of the reply.
    #[serde(default)]
    pub held_by: Option<super::EventId>,
    /// Where it is on its way.
    pub state: ReplyState,
    /// How many steps it took: a step is written only if nobody took another one meanwhile.
    #[serde(default)]
    pub step: i64,
    /// When it was given.
    pub created_at: Instant,
    /// Until when somebody can say yes.
    #[serde(default)]
    pub expires_at: Option<Instant>,
    /// The end of the undo window.
    pub hold_until: Instant,
    /// How often it was claimed.
    pub fence: i64,
    /// When the first attempt began.
    pub begun_at: Option<Instant>,
    /// Until when the present attempt may send its first byte and wait for the answer.
    #[serde(default)]
    pub lease_until: Option<Instant>,
    /// How many attempts ended without a certain answer.
    #[serde(default)]
    pub doubts: i64,
    /// When the last of them ended.
    #[serde(default)]
    pub doubted_at: Option<Instant>,
    /// From when on no attempt can take effect any more.
    #[serde(default)]
    pub settled_at: Option<Instant>,
    /// When a look last showed that it was not there, while a second look is due.
    #[serde(default)]
    pub absent_at: Option<Instant>,
    /// Who said that it is not there, while a second person is asked.
    #[serde(default)]
    pub absent_says: Option<Agent>,
    /// Whether the database lost what became of it: then it is never sent again without a person, not
    /// even by its key, because nobody knows when it was sent first.
    #[serde(default)]
    pub forgotten: bool,
    /// Whether an attempt may have been executed and nobody could look: from then on a refusal does
    /// not prove that nothing was published.
    #[serde(default)]
    pub tainted: bool,
    /// The platform's id of the published reply.
    pub remote_id: Option<NativeId>,
    /// Its public address.
    pub url: Option<String>,
    /// Why it failed, or why a person is asked.
    pub reason: Option<String>,
}

/// Begins the id that stands for one that nobody read.
const SEEN_BY_PERSON: &str = "seen-by-a-person-";

impl Reply {
    /// A draft without words, a target or an approval: what every reply begins as.
    #[must_use]
    pub fn blank(
        id: ReplyId,
        case: CaseNumber,
        source: SourceName,
        agent: Agent,
        key: IdempotencyKey,
        now: Instant,
    ) -> Self {
        let nobody = NativeId::new("");
        Self {
            id,
            case,
            source,
            account: None,
            conversation: nobody.clone(),
            target: nobody.clone(),
            target_url: None,
            target_text: None,
            target_visibility: Visibility::Public,
            author: nobody,
            author_handle: String::new(),
            lang: None,
            audience: Audience::Public,
            words: String::new(),
            text: String::new(),
            media: Vec::new(),
            length: Length::default(),
            version: 0,
            hash: String::new(),
            agent,
            approver: None,
            remarks: Vec::new(),
            bound: false,
            over_answer: false,
            target_seen: None,
            key,
            held_by: None,
            state: ReplyState::Draft,
            step: 0,
            created_at: now,
            expires_at: None,
            hold_until: now,
            fence: 0,
            begun_at: None,
            lease_until: None,
            doubts: 0,
            doubted_at: None,
            settled_at: None,
            absent_at: None,
            absent_says: None,
            forgotten: false,
            tainted: false,
            remote_id: None,
            url: None,
            reason: None,
        }
    }

    /// What stands for the platform's id of a reply that a person saw there.
    #[must_use]
    pub fn id_seen_by_person(id: ReplyId) -> NativeId {
        format!("{SEEN_BY_PERSON}{id}").into()
    }

    /// Whether the platform's id is not known, because a person looked and not we.
    #[must_use]
    pub fn seen_by_person(&self) -> bool {
        let id = self.remote_id.as_ref().map(NativeId::as_str);
        id.is_some_and(|id| id.starts_with(SEEN_BY_PERSON))
    }
}
