//! A case: one conversation of one author with us. [`decide`] says what a wish leads to, or why
//! not; [`Case::evolve`] folds what happened. Both are pure.

mod decide;

pub use decide::{Gate, Refusal, Wish, Wording, decide};

use super::private::blank;
use super::reply::ReplyState;
use super::{Agent, Audience, CaseNumber, Event, Instant, NativeId, ReplyId, SourceName, TeamName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The most labels a case carries.
pub const MOST_LABELS: usize = 20;
/// The longest snooze.
pub const LONGEST_SNOOZE: chrono::TimeDelta = chrono::TimeDelta::days(90);

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nobody has it.
    New,
    /// An agent works on it.
    Claimed,
    /// It was handed to a team; nobody there has it yet.
    Escalated,
    /// We answered; the customer's turn.
    Answered,
    /// Put off until a time.
    Snoozed,
    /// Done.
    Resolved,
}

impl Status {
    /// All, in the order of a case's life.
    pub const ALL: [Self; 6] = [
        Self::New,
        Self::Claimed,
        Self::Escalated,
        Self::Answered,
        Self::Snoozed,
        Self::Resolved,
    ];

    /// The word for it, in lower case.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Claimed => "claimed",
            Self::Escalated => "escalated",
            Self::Answered => "answered",
            Self::Snoozed => "snoozed",
            Self::Resolved => "resolved",
        }
    }
}

/// How urgent a case is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Can wait.
    Low,
    /// As most.
    Normal,
    /// Before others.
    High,
    /// Now.
    Urgent,
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
            Self::Urgent => "urgent",
        })
    }
}

/// What a case is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Somebody is unhappy.
    Complaint,
    /// Somebody wants to know something.
    Question,
    /// Somebody is happy.
    Praise,
    /// Somebody has an idea.
    Idea,
    /// Not for us.
    Spam,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complaint => "complaint",
            Self::Question => "question",
            Self::Praise => "praise",
            Self::Idea => "idea",
            Self::Spam => "spam",
        })
    }
}

/// The reply a case has under way. One at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReply {
    /// Which.
    pub id: ReplyId,
    /// For whom.
    pub audience: Audience,
    /// The state the log knows. Queued and sending count as held, reconciling as ambiguous.
    pub state: ReplyState,
    /// Which text of it.
    #[serde(default)]
    pub version: i64,
    /// The key of who wrote it; empty when it is from before that was kept.
    #[serde(default)]
    pub author: String,
}

/// A conversation of one author with us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Its number.
    pub number: CaseNumber,
    /// Where the author writes.
    pub source: SourceName,
    /// The conversation.
    pub conversation: NativeId,
    /// Who writes.
    pub author: NativeId,
    /// Where it stands.
    pub status: Status,
    /// Who has it.
    pub owner: Option<Agent>,
    /// The team it was handed to.
    pub team: Option<TeamName>,
    /// How urgent it is.
    pub priority: Priority,
    /// What it is about.
    pub kind: Kind,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// How it ended, while it is resolved.
    pub outcome: String,
    /// Until when it is put off.
    pub snoozed_until: Option<Instant>,
    /// When its first post was seen.
    pub opened_at: Instant,
    /// When something last happened.
    pub updated_at: Instant,
    /// The post it began with.
    pub first_post: NativeId,
    /// The newest post: what a reply answers.
    pub last_post: NativeId,
    /// When that was published.
    pub last_post_at: Instant,
    /// How many posts it has.
    pub posts: i64,
    /// The reply under way.
    pub pending: Option<PendingReply>,
    /// How many events it has.
    pub version: i64,
}

impl Case {
    /// The case as its first event makes it. `None` if the event does not open a case.
    #[must_use]
    pub fn open(number: CaseNumber, event: &Event, at: Instant) -> Option<Self> {
        let Event::Opened {
            source,
            conversation,
            author,
            post,
            written_at,
        } = event
        else {
            return None;
        };
        Some(Self {
            number,
            source: source.clone(),
            conversation: conversation.clone(),
            author: author.clone(),
            status: Status::New,
            owner: None,
            team: None,
            priority: Priority::Normal,
            kind: Kind::Complaint,
            labels: BTreeSet::new(),
            outcome: String::new(),
            snoozed_until: None,
            opened_at: at,
            updated_at: at,
            first_post: post.clone(),
            last_post: post.clone(),
            last_post_at: *written_at,
            posts: 1,
            pending: None,
            version: 1,
        })
    }

    /// Folds one event into the case.
    pub fn evolve(&mut self, event: &Event, at: Instant) {
        self.version += 1;
        self.updated_at = at;
        match event {
            Event::Opened { .. }
            | Event::PostEdited { .. }
            | Event::PostDeleted { .. }
            | Event::Noted { .. } => {}
            Event::PostAdded { post, written_at } => {
                self.posts += 1;
                if *written_at >= self.last_post_at {
                    self.last_post = post.clone();
                    self.last_post_at = *written_at;
                }
            }
            Event::Claimed { owner } | Event::Assigned { owner } => {
                self.owner = Some(owner.clone());
                self.status = Status::Claimed;
                self.snoozed_until = None;
            }
            Event::Released => {
                self.owner = None;
                self.status = self.unowned();
                self.snoozed_until = None;
            }
            Event::Escalated { team, reason: _ } => {
                self.owner = None;
                self.team = Some(team.clone());
                self.status = Status::Escalated;
                self.snoozed_until = None;
            }
            Event::Resolved { outcome } => {
                self.status = Status::Resolved;
                self.outcome.clone_from(outcome);
                self.snoozed_until = None;
            }
            Event::Reopened | Event::Woke => {
                self.outcome.clear();
                self.snoozed_until = None;
                self.status = self.awake();
            }
            Event::Snoozed { until } => {
                self.status = Status::Snoozed;
                self.snoozed_until = Some(*until);
            }
            Event::PrioritySet { priority } => self.priority = *priority,
            Event::KindSet { kind } => self.kind = *kind,
            Event::Labelled { added, removed } => {
                self.labels.extend(added.iter().cloned());
                self.labels.retain(|label| !removed.contains(label));
            }
            Event::ReplyDrafted {
                reply,
                version,
                author,
                audience,
                ..
            } => self.pend(*reply, *audience, ReplyState::Draft, *version, Some(author)),
            Event::ReplySubmitted {
                reply,
                version,
                author,
                audience,
                ..
            } => self.pend(
                *reply,
                *audience,
                ReplyState::PendingApproval,
                *version,
                Some(author),
            ),
            Event::ReplyHeld {
                reply,
                audience,
                version,
                author,
                ..
            } => self.pend(*reply, *audience, ReplyState::Held, *version, author.as_ref()),
            Event::ReplyEdited { version, .. } => {
                if let Some(pending) = &mut self.pending {
                    pending.version = *version;
                }
            }
            Event::ReplyStale { .. } => self.pending_is(ReplyState::Stale),
            Event::ReplyApproved { .. }
            | Event::ReplyCollided { .. }
            | Event::ReplyNotSeen { .. }
            | Event::ReplyToldAbsent { .. }
            | Event::PublishingPaused { .. }
            | Event::PublishingResumed { .. } => {}
            Event::ReplyCancelled { .. }
            | Event::ReplyFailed { .. }
            | Event::ReplyRejected { .. }
            | Event::ReplyExpired { .. }
            | Event::ReplyAbandoned { .. } => self.pending = None,
            Event::ReplySent { .. } => {
                self.pending = None;
                self.answered();
            }
            Event::AnsweredByHand { .. } => self.answered(),
            Event::ReplyUncertain { .. } => self.pending_is(ReplyState::Ambiguous),
            Event::ReplyRetried { .. } => self.pending_is(ReplyState::Held),
            Event::ReplyDelayed { .. } => {}
            Event::ReplyNeedsHuman { .. } => self.pending_is(ReplyState::NeedsHuman),
            Event::Erased => blank(&mut self.outcome),
        }
    }

    /// Whether somebody must still do something about it, or wait for the customer.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.status != Status::Resolved
    }

    /// Whether the fold is consistent: what no sequence of events may break.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let owned = match self.status {
            Status::New => self.owner.is_none() && self.team.is_none(),
            Status::Escalated => self.owner.is_none() && self.team.is_some(),
            Status::Claimed => self.owner.is_some(),
            Status::Answered | Status::Snoozed | Status::Resolved => true,
        };
        owned
            && (self.status == Status::Snoozed) == self.snoozed_until.is_some()
            && (self.outcome.is_empty() || self.status == Status::Resolved)
            && self.labels.len() <= MOST_LABELS
            && self.posts >= 1
    }

    fn pend(
        &mut self,
        id: ReplyId,
        audience: Audience,
        state: ReplyState,
        version: i64,
        author: Option<&Agent>,
    ) {
        self.pending = Some(PendingReply {
            id,
            audience,
            state,
            version,
            author: author.map(|agent| agent.key.clone()).unwrap_or_default(),
        });
    }

    fn pending_is(&mut self, state: ReplyState) {
        if let Some(pending) = &mut self.pending {
            pending.state = state;
        }
    }

    fn answered(&mut self) {
        if matches!(self.status, Status::New | Status::Claimed | Status::Escalated) {
            self.status = Status::Answered;
        }
    }

    fn unowned(&self) -> Status {
        if self.team.is_some() {
            Status::Escalated
        } else {
            Status::New
        }
    }

    fn awake(&self) -> Status {
        if self.owner.is_some() {
            Status::Claimed
        } else {
            self.unowned()
        }
    }

    fn is_owned_by_other(&self, agent: &Agent) -> Option<&Agent> {
        self.owner.as_ref().filter(|owner| owner.key != agent.key)
    }
}

/// The events that a customer's new post causes: it is added, and a case that rested comes back.
#[must_use]
pub fn on_post(case: &Case, post: &NativeId, written_at: Instant) -> Vec<Event> {
    let mut events = vec![Event::PostAdded {
        post: post.clone(),
        written_at,
    }];
    if matches!(case.status, Status::Answered | Status::Snoozed | Status::Resolved) {
        events.push(Event::Reopened);
    }
    events
}

/// Whether an event changes what the card shows.
#[must_use]
pub fn shows_on_card(event: &Event) -> bool {
    match event {
        Event::Opened { .. }
        | Event::Noted { .. }
        | Event::ReplyRetried { .. }
        | Event::ReplyDelayed { .. }
        | Event::ReplyEdited { .. }
        | Event::ReplyApproved { .. }
        | Event::ReplyCollided { .. }
        | Event::ReplyNotSeen { .. }
        | Event::ReplyToldAbsent { .. }
        | Event::PublishingPaused { .. }
        | Event::PublishingResumed { .. } => false,
        Event::PostAdded { .. }
        | Event::PostEdited { .. }
        | Event::PostDeleted { .. }
        | Event::Claimed { .. }
        | Event::Released
        | Event::Assigned { .. }
        | Event::Escalated { .. }
        | Event::Resolved { .. }
        | Event::Reopened
        | Event::Snoozed { .. }
        | Event::Woke
        | Event::PrioritySet { .. }
        | Event::KindSet { .. }
        | Event::Labelled { .. }
        | Event::ReplyDrafted { .. }
        | Event::ReplySubmitted { .. }
        | Event::ReplyRejected { .. }
        | Event::ReplyExpired { .. }
        | Event::ReplyStale { .. }
        | Event::ReplyAbandoned { .. }
        | Event::ReplyHeld { .. }
        | Event::ReplyCancelled { .. }
        | Event::ReplySent { .. }
        | Event::ReplyFailed { .. }
        | Event::ReplyUncertain { .. }
        | Event::ReplyNeedsHuman { .. }
        | Event::AnsweredByHand { .. }
        | Event::Erased => true,
    }
}

/// Folds a case's whole log. `None` when it does not begin with [`Event::Opened`].
#[must_use]
pub fn fold<'a>(number: CaseNumber, log: impl IntoIterator<Item = (&'a Event, Instant)>) -> Option<Case> {
    let mut log = log.into_iter();
    let (first, at) = log.next()?;
    let mut case = Case::open(number, first, at)?;
    for (event, at) in log {
        case.evolve(event, at);
    }
    Some(case)
}
