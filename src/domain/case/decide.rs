//! What a wish leads to, or why it is refused.

use super::{Case, Kind, LONGEST_SNOOZE, MOST_LABELS, PendingReply, Priority, Status};
use crate::domain::reply::ReplyState;
use crate::domain::{Agent, Audience, CaseNumber, Event, Instant, Remark, ReplyId, Role, TeamName};

/// What stands between a reply and its undo window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gate {
    /// Nothing: it goes out at this time unless somebody takes it back.
    Hold {
        /// The end of the undo window.
        until: Instant,
    },
    /// Its author has to say yes once more.
    Confirm {
        /// Why.
        remarks: Vec<Remark>,
    },
    /// Somebody else has to agree.
    Approve {
        /// What was said about it.
        remarks: Vec<Remark>,
        /// Until when somebody can.
        until: Instant,
    },
}

/// A text of a reply that somebody said yes to, or is to say yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wording {
    /// Which reply.
    pub reply: ReplyId,
    /// Which text of it.
    pub version: i64,
    /// Who wrote it.
    pub author: Agent,
    /// For whom.
    pub audience: Audience,
    /// Exactly what is published.
    pub text: String,
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
    Reply(Wording, Gate),
    /// Say yes once more to a reply of one's own, as it is worded now.
    Confirm(Wording, Gate),
    /// Agree to somebody else's reply.
    Approve {
        /// As it is to be published.
        wording: Wording,
        /// What it said before who approves changed it.
        before: Option<String>,
        /// The fingerprint of what is approved.
        hash: String,
        /// The end of the undo window.
        until: Instant,
    },
    /// Do not agree to it.
    Reject {
        /// Why.
        reason: String,
    },
    /// Say that it was answered by hand.
    Answered {
        /// Where.
        url: String,
        /// Whether the page was looked at.
        looked: bool,
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
    #[error("A reply to {case} is under way already. Wait for it; while it is held, `cancel` takes it back.")]
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
    /// No reply waits for a yes.
    #[error("No reply to {case} is waiting for approval.")]
    NothingToApprove {
        /// The case.
        case: CaseNumber,
    },
    /// No reply waits for its author's second yes.
    #[error("That reply to {case} is not waiting for you any more; nothing changed.")]
    NothingToConfirm {
        /// The case.
        case: CaseNumber,
    },
    /// Who wrote it cannot agree to it.
    #[error("You wrote that reply, so somebody else has to approve it.")]
    OwnReply,
    /// Not one of those who approve.
    #[error("Only an approver, a lead or an admin can do that. Ask one of them.")]
    NotApprover,
    /// Somebody else's reply.
    #[error("Only who wrote that reply, or a lead, can send it.")]
    NotYourReply,
    /// No words.
    #[error("There is nothing to {verb}: write the text after the verb.")]
    Empty {
        /// The verb.
        verb: &'static str,
    },
    /// A time that makes no sense.
    #[error("A snooze lasts at most 90 days, for example `snooze 2h`.")]
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
        Wish::Reply(wording, gate) => {
            let text = spoken(wording.text, "send")?;
            let mut events = take_for_reply(case, by, role)?;
            events.push(gated(Wording { text, ..wording }, gate));
            Ok(events)
        }
        Wish::Answered { url, looked } => {
            let mut events = take_for_reply(case, by, role)?;
            events.push(Event::AnsweredByHand { url, looked });
            Ok(events)
        }
        Wish::Confirm(wording, gate) => confirm(case, by, role, wording, gate),
        Wish::Approve {
            wording,
            before,
            hash,
            until,
        } => {
            let pending = awaits_approval(case, by, role)?;
            let text = spoken(wording.text, "send")?;
            let mut events = Vec::new();
            if let Some(before) = before {
                events.push(Event::ReplyEdited {
                    reply: pending.id,
                    version: wording.version,
                    before,
                    after: text.clone(),
                });
            }
            events.push(Event::ReplyApproved {
                reply: pending.id,
                version: wording.version,
                hash,
            });
            events.push(gated(Wording { text, ..wording }, Gate::Hold { until }));
            Ok(events)
        }
        Wish::Reject { reason } => Ok(vec![Event::ReplyRejected {
            reply: awaits_approval(case, by, role)?.id,
            reason,
        }]),
        Wish::Cancel => match &case.pending {
            Some(pending) if waits_for_people(pending.state) || pending.state == ReplyState::Held => {
                Ok(vec![Event::ReplyCancelled { reply: pending.id }])
            }
            Some(pending) if pending.state == ReplyState::NeedsHuman => {
                Err(Refusal::ReplyUnsettled { case: number })
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
            if let Some(pending) = &case.pending {
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
    if let Some(pending) = &case.pending {
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

fn under_way(case: CaseNumber, pending: &PendingReply) -> Refusal {
    if pending.state == ReplyState::NeedsHuman {
        Refusal::ReplyUnsettled { case }
    } else {
        Refusal::ReplyUnderWay { case }
    }
}

/// A text, with what stands between it and its undo window.
fn gated(wording: Wording, gate: Gate) -> Event {
    let Wording {
        reply,
        version,
        author,
        audience,
        text,
    } = wording;
    match gate {
        Gate::Hold { until } => Event::ReplyHeld {
            reply,
            audience,
            text,
            until,
            version,
            author: Some(author),
        },
        Gate::Confirm { remarks } => Event::ReplyDrafted {
            reply,
            version,
            author,
            audience,
            text,
            remarks,
        },
        Gate::Approve { remarks, until } => Event::ReplySubmitted {
            reply,
            version,
            author,
            audience,
            text,
            remarks,
            until,
        },
    }
}

/// Whether a reply stays where it is until somebody says something, and nothing of it has left.
fn waits_for_people(state: ReplyState) -> bool {
    matches!(
        state,
        ReplyState::Draft | ReplyState::PendingApproval | ReplyState::Stale
    )
}

fn confirm(case: &Case, by: &Agent, role: Role, wording: Wording, gate: Gate) -> Result<Vec<Event>, Refusal> {
    let waits = |pending: &&PendingReply| {
        pending.id == wording.reply && matches!(pending.state, ReplyState::Draft | ReplyState::Stale)
    };
    let Some(pending) = case.pending.as_ref().filter(waits) else {
        return Err(Refusal::NothingToConfirm { case: case.number });
    };
    if pending.author != by.key && role < Role::Lead {
        return Err(Refusal::NotYourReply);
    }
    open(case)?;
    let text = spoken(wording.text, "send")?;
    Ok(vec![gated(Wording { text, ..wording }, gate)])
}

/// The reply that this agent may approve or reject: somebody else's, that waits for it.
fn awaits_approval<'a>(case: &'a Case, by: &Agent, role: Role) -> Result<&'a PendingReply, Refusal> {
    let waits = |pending: &&PendingReply| pending.state == ReplyState::PendingApproval;
    let Some(pending) = case.pending.as_ref().filter(waits) else {
        return Err(Refusal::NothingToApprove { case: case.number });
    };
    if role < Role::Approver {
        return Err(Refusal::NotApprover);
    }
    if pending.author == by.key {
        return Err(Refusal::OwnReply);
    }
    Ok(pending)
}

fn spoken(text: String, verb: &'static str) -> Result<String, Refusal> {
    if text.trim().is_empty() {
        Err(Refusal::Empty { verb })
    } else {
        Ok(text)
    }
}
