//! An outgoing text, and the states it goes through. It is published at most once, or a person is asked.

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

/// Where a reply is on its way.
///
/// `held → queued → sending → sent | failed | ambiguous → queued | sent | needs_human`, and
/// `cancelled` from `held` or `queued`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyState {
    /// In its undo window.
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
    /// It could not be found out: a person decides.
    NeedsHuman,
    /// Taken back before it was claimed.
    Cancelled,
}

impl ReplyState {
    /// The state as stored and as metrics name it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Ambiguous => "ambiguous",
            Self::NeedsHuman => "needs_human",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the reply still moves by itself or waits for somebody.
    #[must_use]
    pub fn is_open(self) -> bool {
        match self {
            Self::Held | Self::Queued | Self::Sending | Self::Ambiguous | Self::NeedsHuman => true,
            Self::Sent | Self::Failed | Self::Cancelled => false,
        }
    }
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
    /// The conversation it goes to.
    pub conversation: NativeId,
    /// The post it answers.
    pub target: NativeId,
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
    /// Exactly what is published.
    pub text: String,
    /// Who wrote it.
    pub agent: Agent,
    /// What the platform, or our own look-up, recognises a second attempt by.
    pub key: IdempotencyKey,
    /// The event that holds it: the thread's message about it tells that.
    #[serde(default)]
    pub held_by: Option<super::EventId>,
    /// Where it is on its way.
    pub state: ReplyState,
    /// When it was given.
    pub created_at: Instant,
    /// The end of the undo window.
    pub hold_until: Instant,
    /// How often it was claimed.
    pub fence: i64,
    /// When the first attempt began.
    pub begun_at: Option<Instant>,
    /// How many attempts ended without a certain answer.
    #[serde(default)]
    pub doubts: i64,
    /// When the last of them ended.
    #[serde(default)]
    pub doubted_at: Option<Instant>,
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
