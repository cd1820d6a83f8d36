//! A case: one conversation of one author with us. [`decide`] says what a wish leads to, or why
//! not; [`Case::evolve`] folds what happened. Both are pure.

use super::reply::ReplyState;
use super::{Agent, Audience, CaseNumber, Event, Instant, NativeId, ReplyId, Role, SourceName, TeamName};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingReply {
    /// Which.
    pub id: ReplyId,
    /// For whom.
    pub audience: Audience,
    /// The state the log knows: held, ambiguous or needs a person. Queued and sending count as held.
    pub state: ReplyState,
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

/// What somebody wishes to happen to a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Take it.
    Claim,
    /// Give it back.
    Release,
    /// Give it to somebody.
    Assign(Agent),
    /// Leave a remark.
    Note(String),
    /// Publish a text, already composed as it will be published.
    Reply {
        /// The new reply's number.
        reply: ReplyId,
        /// For whom.
        audience: Audience,
        /// Exactly what is published.
        text: String,
        /// The end of the undo window.
        until: Instant,
    },
    /// Take the waiting reply back.
    Cancel,
    /// Hand it to a team.
    Escalate {
        /// The team.
        team: TeamName,
        /// Why.
        reason: String,
    },
    /// Close it.
    Resolve {
        /// How it ended.
        outcome: String,
    },
    /// Open it again.
    Reopen,
    /// Put it off.
    Snooze {
        /// Until when.
        until: Instant,
    },
    /// Change the priority.
    Priority(Priority),
    /// Change the kind.
    Kind(Kind),
    /// Put labels on and take labels off.
    Label {
        /// Put on.
        add: Vec<String>,
        /// Take off.
        remove: Vec<String>,
    },
}

/// Why a wish is not granted. Its text is for the person who wished: it says why and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Somebody else has the case.
    #[error("{owner} has {case} already. Talk to them, or take it over with `assign @you`.")]
    OwnedByOther {
        /// The case.
        case: CaseNumber,
        /// Who has it.
        owner: String,
    },
    /// The one who asks has it already.
    #[error("You have {case} already.")]
    AlreadyYours {
        /// The case.
        case: CaseNumber,
    },
    /// The person named has it already.
    #[error("{owner} has {case} already.")]
    AlreadyTheirs {
        /// The case.
        case: CaseNumber,
        /// Who has it.
        owner: String,
    },
    /// Nobody has it, so it cannot be given back.
    #[error("Nobody has {case}, so there is nothing to release.")]
    NobodyHasIt {
        /// The case.
        case: CaseNumber,
    },
    /// It is closed.
    #[error("{case} is resolved. Open it again first with `reopen`.")]
    Resolved {
        /// The case.
        case: CaseNumber,
    },
    /// It is open.
    #[error("{case} is open already.")]
    NotResolved {
        /// The case.
        case: CaseNumber,
    },
    /// A reply is under way.
    #[error("A reply to {case} is under way already. Wait for it, or take it back with `cancel`.")]
    ReplyUnderWay {
        /// The case.
        case: CaseNumber,
    },
    /// A reply's end is unknown.
    #[error(
        "It is not known whether the last reply to {case} was published. Settle that first: use the buttons under it in the thread."
    )]
    ReplyUnsettled {
        /// The case.
        case: CaseNumber,
    },
    /// Nothing to take back.
    #[error("No reply to {case} is waiting, so there is nothing to cancel.")]
    NothingToCancel {
        /// The case.
        case: CaseNumber,
    },
    /// The reply is on its way.
    #[error("Too late: the reply to {case} is being published. What became of it will stand in the thread.")]
    TooLateToCancel {
        /// The case.
        case: CaseNumber,
    },
    /// No words.
    #[error("There is nothing to {verb}: write the text after the verb.")]
    Empty {
        /// The verb.
        verb: &'static str,
    },
    /// A time that makes no sense.
    #[error("A snooze lasts from a minute to 90 days, for example `snooze 2h`.")]
    SnoozeLength,
    /// Nothing would change.
    #[error("{case} is like that already: {what}.")]
    NoChange {
        /// The case.
        case: CaseNumber,
        /// What it is already.
        what: String,
    },
    /// Too many labels.
    #[error("A case carries at most {MOST_LABELS} labels of at most 40 letters.")]
    TooManyLabels,
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
            Event::ReplyHeld { reply, audience, .. } => {
                self.pending = Some(PendingReply {
                    id: *reply,
                    audience: *audience,
                    state: ReplyState::Held,
                });
            }
            Event::ReplyCancelled { .. } | Event::ReplyFailed { .. } => self.pending = None,
            Event::ReplySent { .. } => {
                self.pending = None;
                if matches!(self.status, Status::New | Status::Claimed | Status::Escalated) {
                    self.status = Status::Answered;
                }
            }
            Event::ReplyUncertain { .. } => self.pending_is(ReplyState::Ambiguous),
            Event::ReplyRetried { .. } => self.pending_is(ReplyState::Held),
            Event::ReplyNeedsHuman { .. } => self.pending_is(ReplyState::NeedsHuman),
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

    fn pending_is(&mut self, state: ReplyState) {
        if let Some(pending) = &mut self.pending {
            pending.state = state;
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

/// What a wish of an agent leads to, or why it is refused. Permission to use the verb at all was
/// checked before; here it matters whose case it is.
pub fn decide(case: &Case, by: &Agent, role: Role, wish: Wish, now: Instant) -> Result<Vec<Event>, Refusal> {
    let number = case.number;
    match wish {
        Wish::Claim => claim(case, by),
        Wish::Release => match &case.owner {
            None => Err(Refusal::NobodyHasIt { case: number }),
            Some(owner) => {
                open(case)?;
                if owner.key != by.key && role < Role::Lead {
                    return Err(Refusal::OwnedByOther {
                        case: number,
                        owner: owner.name.clone(),
                    });
                }
                Ok(vec![Event::Released])
            }
        },
        Wish::Assign(owner) => {
            open(case)?;
            if case.status == Status::Claimed && case.owner.as_ref().is_some_and(|had| had.key == owner.key) {
                return Err(Refusal::AlreadyTheirs {
                    case: number,
                    owner: owner.name,
                });
            }
            Ok(vec![Event::Assigned { owner }])
        }
        Wish::Note(text) => Ok(vec![Event::Noted {
            text: spoken(text, "note")?,
        }]),
        Wish::Reply {
            reply,
            audience,
            text,
            until,
        } => {
            let text = spoken(text, "send")?;
            let mut events = take_for_reply(case, by, role)?;
            events.push(Event::ReplyHeld {
                reply,
                audience,
                text,
                until,
            });
            Ok(events)
        }
        Wish::Cancel => match case.pending {
            Some(pending) if pending.state == ReplyState::Held => {
                Ok(vec![Event::ReplyCancelled { reply: pending.id }])
            }
            Some(_) => Err(Refusal::TooLateToCancel { case: number }),
            None => Err(Refusal::NothingToCancel { case: number }),
        },
        Wish::Escalate { team, reason } => {
            open(case)?;
            if case.status == Status::Escalated && case.team.as_ref() == Some(&team) {
                return Err(Refusal::NoChange {
                    case: number,
                    what: format!("escalated to {team}"),
                });
            }
            Ok(vec![Event::Escalated { team, reason }])
        }
        Wish::Resolve { outcome } => {
            open(case)?;
            if let Some(pending) = case.pending {
                return Err(under_way(number, pending));
            }
            Ok(vec![Event::Resolved { outcome }])
        }
        Wish::Reopen => match case.status {
            Status::Resolved | Status::Snoozed => Ok(vec![Event::Reopened]),
            Status::New | Status::Claimed | Status::Escalated | Status::Answered => {
                Err(Refusal::NotResolved { case: number })
            }
        },
        Wish::Snooze { until } => {
            open(case)?;
            if until <= now || until - now > LONGEST_SNOOZE {
                return Err(Refusal::SnoozeLength);
            }
            Ok(vec![Event::Snoozed { until }])
        }
        Wish::Priority(priority) if case.priority == priority => Err(Refusal::NoChange {
            case: number,
            what: format!("priority {priority}"),
        }),
        Wish::Priority(priority) => Ok(vec![Event::PrioritySet { priority }]),
        Wish::Kind(kind) if case.kind == kind => Err(Refusal::NoChange {
            case: number,
            what: kind.to_string(),
        }),
        Wish::Kind(kind) => Ok(vec![Event::KindSet { kind }]),
        Wish::Label { add, remove } => label(case, &add, &remove),
    }
}

fn claim(case: &Case, by: &Agent) -> Result<Vec<Event>, Refusal> {
    open(case)?;
    match &case.owner {
        Some(owner) if owner.key != by.key => Err(Refusal::OwnedByOther {
            case: case.number,
            owner: owner.name.clone(),
        }),
        Some(_) if case.status == Status::Claimed => Err(Refusal::AlreadyYours { case: case.number }),
        Some(_) | None => Ok(vec![Event::Claimed { owner: by.clone() }]),
    }
}

/// A reply belongs to the owner. Nobody's case becomes the writer's by it; a lead may step in.
fn take_for_reply(case: &Case, by: &Agent, role: Role) -> Result<Vec<Event>, Refusal> {
    open(case)?;
    if let Some(pending) = case.pending {
        return Err(under_way(case.number, pending));
    }
    match case.is_owned_by_other(by) {
        Some(owner) if role < Role::Lead => Err(Refusal::OwnedByOther {
            case: case.number,
            owner: owner.name.clone(),
        }),
        Some(_) => Ok(Vec::new()),
        None if case.owner.is_none() => Ok(vec![Event::Claimed { owner: by.clone() }]),
        None => Ok(Vec::new()),
    }
}

fn label(case: &Case, add: &[String], remove: &[String]) -> Result<Vec<Event>, Refusal> {
    let added: Vec<_> = add
        .iter()
        .filter(|label| !case.labels.contains(*label))
        .cloned()
        .collect();
    let removed: Vec<_> = remove
        .iter()
        .filter(|label| case.labels.contains(*label))
        .cloned()
        .collect();
    if added.is_empty() && removed.is_empty() {
        let labels: Vec<_> = case.labels.iter().map(String::as_str).collect();
        let what = if labels.is_empty() {
            "no labels".to_owned()
        } else {
            labels.join(", ")
        };
        return Err(Refusal::NoChange {
            case: case.number,
            what,
        });
    }
    let mut after = case.labels.clone();
    after.extend(added.iter().cloned());
    after.retain(|label| !removed.contains(label));
    if after.len() > MOST_LABELS || added.iter().any(|label| label.chars().count() > 40) {
        return Err(Refusal::TooManyLabels);
    }
    Ok(vec![Event::Labelled { added, removed }])
}

fn open(case: &Case) -> Result<(), Refusal> {
    if case.is_open() {
        Ok(())
    } else {
        Err(Refusal::Resolved { case: case.number })
    }
}

fn under_way(case: CaseNumber, pending: PendingReply) -> Refusal {
    if pending.state == ReplyState::NeedsHuman {
        Refusal::ReplyUnsettled { case }
    } else {
        Refusal::ReplyUnderWay { case }
    }
}

fn spoken(text: String, verb: &'static str) -> Result<String, Refusal> {
    if text.trim().is_empty() {
        Err(Refusal::Empty { verb })
    } else {
        Ok(text)
    }
}

/// Whether an event changes what the card shows.
#[must_use]
pub fn shows_on_card(event: &Event) -> bool {
    match event {
        Event::Opened { .. } | Event::Noted { .. } | Event::ReplyRetried { .. } => false,
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
        | Event::ReplyHeld { .. }
        | Event::ReplyCancelled { .. }
        | Event::ReplySent { .. }
        | Event::ReplyFailed { .. }
        | Event::ReplyUncertain { .. }
        | Event::ReplyNeedsHuman { .. } => true,
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
