//! The way of a reply, as one table. The program takes every step by it, and the model check explores
//! the same table: what is promised and what is done cannot drift apart.
//!
//! A step is one conditional update: it is written only if the reply still stands where it stood when
//! the step was decided (state, fence and step number), and whoever comes second finds zero rows and
//! has lost the race.

use super::ReplyState;

/// What comes to a reply on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Its author says yes once more.
    Confirmed,
    /// Somebody who may approves exactly this version.
    Approved,
    /// Somebody who may sends it back.
    Rejected,
    /// Nobody said yes in time.
    Expired,
    /// An agent takes it back.
    TakenBack,
    /// What it answers is not any more what it was when the reply was approved.
    TargetChanged,
    /// The sender takes it. Committed before the first byte.
    Claimed,
    /// It stands on the platform: by the answer, by a look, by its echo, or by a person's word. Comes
    /// at any time, of any attempt.
    Proven,
    /// Refused, in a way that is proven to mean *not executed*.
    Refused,
    /// Not executed, for certain, and it may be tried again (429, no connection).
    Delayed,
    /// Any other end of an attempt: no answer, an answer that proves nothing, a sender that died.
    Doubted,
    /// A look showed that it is not there.
    NotSeen,
    /// Nobody could look, but the platform knows a repetition.
    Repeatable,
    /// It stands there more than once, in a wrong place, or under a wrong name.
    Misplaced,
    /// It could not be found out in the time there is.
    Undecidable,
    /// One person looked, and it is not there.
    SaidAbsent,
    /// A second one looked, too, and it is not there.
    ToldAbsent,
    /// A person ends it without knowing.
    GivenUp,
    /// The database lost what happened after this was written: it may have been sent since.
    Forgotten,
}

/// What must hold for a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Guard {
    /// Nobody besides its author has to agree.
    Free,
    /// Somebody besides its author has to agree.
    Bound,
    /// Who acts is not who acted before: who approves did not write it, who says that it is not there
    /// is not who said so first.
    OtherPerson,
    /// No attempt may have been executed whose end is open.
    Untainted,
    /// An attempt may have been executed, and nobody could look.
    Tainted,
    /// The attempt that ends, or was looked for, is the last one that was claimed.
    OwnFence,
    /// The platform cannot act on an attempt any more, and no sender is at work. For a look: when it
    /// began.
    Settled,
    /// The platform would know a repetition, also at the end of another attempt.
    RepeatSafe,
    /// It would not.
    RepeatUnsafe,
    /// Our own posts can be read there, or a repetition is known.
    Decidable,
    /// Neither.
    Undecidable,
    /// The look showed what we published last, so it did not come from a copy that lags.
    Fresh,
    /// An earlier look, long enough before this one began, showed the same.
    SecondLook,
    /// Another attempt is allowed.
    AttemptsLeft,
    /// None is.
    NoAttemptsLeft,
}

/// What the guards are judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one fact, and the table names it"
)]
pub struct Facts {
    /// Somebody besides its author has to agree.
    pub bound: bool,
    /// See [`Guard::OtherPerson`].
    pub other_person: bool,
    /// See [`Guard::Tainted`].
    pub tainted: bool,
    /// See [`Guard::OwnFence`].
    pub own_fence: bool,
    /// See [`Guard::Settled`].
    pub settled: bool,
    /// See [`Guard::RepeatSafe`].
    pub repeat_safe: bool,
    /// See [`Guard::Decidable`].
    pub decidable: bool,
    /// See [`Guard::Fresh`].
    pub fresh: bool,
    /// See [`Guard::SecondLook`].
    pub second_look: bool,
    /// See [`Guard::AttemptsLeft`].
    pub attempts_left: bool,
}

impl Guard {
    /// Whether it holds.
    #[must_use]
    pub fn holds(self, facts: &Facts) -> bool {
        match self {
            Self::Free => !facts.bound,
            Self::Bound => facts.bound,
            Self::OtherPerson => facts.other_person,
            Self::Untainted => !facts.tainted,
            Self::Tainted => facts.tainted,
            Self::OwnFence => facts.own_fence,
            Self::Settled => facts.settled,
            Self::RepeatSafe => facts.repeat_safe,
            Self::RepeatUnsafe => !facts.repeat_safe,
            Self::Decidable => facts.decidable,
            Self::Undecidable => !facts.decidable,
            Self::Fresh => facts.fresh,
            Self::SecondLook => facts.second_look,
            Self::AttemptsLeft => facts.attempts_left,
            Self::NoAttemptsLeft => !facts.attempts_left,
        }
    }
}

/// What a step does to the taint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Taint {
    /// Nothing.
    Stays,
    /// From now on an attempt is open.
    Set,
    /// All attempts are known not to have been executed.
    Cleared,
}

/// A step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Where the reply stands.
    pub from: ReplyState,
    /// What comes.
    pub cause: Cause,
    /// What must hold, all of it.
    pub when: &'static [Guard],
    /// Where it stands then.
    pub to: ReplyState,
    /// What happens to the taint.
    pub taint: Taint,
}

macro_rules! table {
    ($($from:ident + $cause:ident $([$($guard:ident)+])? => $to:ident $(, $taint:ident)?;)*) => {
        &[$(Rule {
            from: ReplyState::$from,
            cause: Cause::$cause,
            when: &[$($(Guard::$guard),+)?],
            to: ReplyState::$to,
            taint: table!(@ $($taint)?),
        }),*]
    };
    (@ $taint:ident) => { Taint::$taint };
    (@) => { Taint::Stays };
}

/// Every step there is. For each state and cause the guards exclude each other; what no rule allows
/// does not happen.
pub const TABLE: &[Rule] = table! {
    // People, before anything is sent.
    Draft + Confirmed [Free] => Held;
    Draft + Confirmed [Bound] => PendingApproval;
    Draft + TakenBack => Cancelled;
    Draft + Expired => Cancelled;
    PendingApproval + Approved [OtherPerson] => Held;
    PendingApproval + Rejected => Cancelled;
    PendingApproval + TakenBack => Cancelled;
    PendingApproval + Expired => Cancelled;
    Stale + Confirmed [Free] => Held;
    Stale + Confirmed [Bound] => PendingApproval;
    Stale + TakenBack => Cancelled;
    Stale + Expired => Cancelled;
    Held + TakenBack => Cancelled;
    Held + TargetChanged => Stale;
    // What was delayed or is sent again can be taken back while no attempt is open.
    Queued + TakenBack [Untainted] => Cancelled;
    Queued + TargetChanged [Untainted] => Stale;
    Queued + TargetChanged [Tainted] => NeedsHuman;

    // The attempt.
    Held + Claimed => Sending;
    // What is sent again by its key or id may have waited, in a pause or behind a limit, until the
    // platform does not know it any more: it is looked for instead.
    Queued + Claimed [Untainted] => Sending;
    Queued + Claimed [Tainted RepeatSafe] => Sending;
    Queued + Claimed [Tainted RepeatUnsafe] => Ambiguous;
    Sending + Proven => Sent;
    Sending + Misplaced => NeedsHuman, Set;
    Sending + Refused [OwnFence Untainted] => Failed;
    Sending + Refused [OwnFence Tainted] => Ambiguous;
    Sending + Delayed [OwnFence] => Queued;
    // The late end of an earlier attempt says nothing about when the present one has settled.
    Sending + Doubted [OwnFence Decidable] => Ambiguous, Set;
    Sending + Doubted [OwnFence Undecidable] => NeedsHuman, Set;

    // A restored backup, or a replica that took over: nothing is sent by what it remembers.
    Draft + Forgotten [Decidable] => Ambiguous, Set;
    Draft + Forgotten [Undecidable] => NeedsHuman, Set;
    PendingApproval + Forgotten [Decidable] => Ambiguous, Set;
    PendingApproval + Forgotten [Undecidable] => NeedsHuman, Set;
    Stale + Forgotten [Decidable] => Ambiguous, Set;
    Stale + Forgotten [Undecidable] => NeedsHuman, Set;
    Held + Forgotten [Decidable] => Ambiguous, Set;
    Held + Forgotten [Undecidable] => NeedsHuman, Set;
    Queued + Forgotten [Decidable] => Ambiguous, Set;
    Queued + Forgotten [Undecidable] => NeedsHuman, Set;

    // Finding out. What a look for an earlier attempt showed says nothing about the present one.
    Ambiguous + Proven => Sent;
    Ambiguous + NotSeen [OwnFence Settled RepeatSafe AttemptsLeft] => Queued;
    Ambiguous + Repeatable [OwnFence Settled RepeatSafe AttemptsLeft] => Queued;
    Ambiguous + NotSeen [OwnFence Settled RepeatUnsafe Fresh AttemptsLeft] => Reconciling;
    Ambiguous + NotSeen [OwnFence Settled NoAttemptsLeft] => NeedsHuman;
    Ambiguous + Repeatable [OwnFence Settled NoAttemptsLeft] => NeedsHuman;
    // Nobody can look, and the platform does not know a repetition any more.
    Ambiguous + Repeatable [OwnFence Settled RepeatUnsafe AttemptsLeft] => NeedsHuman;
    Ambiguous + Misplaced => NeedsHuman;
    Ambiguous + Undecidable => NeedsHuman;
    Reconciling + Proven => Sent;
    Reconciling + NotSeen [OwnFence Settled Fresh SecondLook AttemptsLeft] => Queued, Cleared;
    Reconciling + NotSeen [OwnFence Settled NoAttemptsLeft] => NeedsHuman;
    Reconciling + Repeatable [OwnFence Settled] => NeedsHuman;
    Reconciling + Misplaced => NeedsHuman;
    Reconciling + Undecidable => NeedsHuman;
    Queued + Proven [Tainted] => Sent;
    NeedsHuman + Proven => Sent;
    NeedsHuman + SaidAbsent [Settled] => NeedsHuman;
    NeedsHuman + ToldAbsent [Settled OtherPerson] => Queued, Cleared;
    NeedsHuman + GivenUp => Abandoned;
};

/// The step that this cause means for a reply in this state, if any is allowed.
#[must_use]
pub fn step(from: ReplyState, cause: Cause, facts: &Facts) -> Option<&'static Rule> {
    first(TABLE, from, cause, facts)
}

/// The same of another table: the model check breaks rules on purpose, to see that it notices.
#[must_use]
pub fn first<'a>(table: &'a [Rule], from: ReplyState, cause: Cause, facts: &Facts) -> Option<&'a Rule> {
    table.iter().find(|rule| {
        rule.from == from && rule.cause == cause && rule.when.iter().all(|guard| guard.holds(facts))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_facts() -> impl Iterator<Item = Facts> {
        (0..1_u32 << 10).map(|bits| {
            let bit = |place: u32| bits >> place & 1 == 1;
            Facts {
                bound: bit(0),
                other_person: bit(1),
                tainted: bit(2),
                own_fence: bit(3),
                settled: bit(4),
                repeat_safe: bit(5),
                decidable: bit(6),
                fresh: bit(7),
                second_look: bit(8),
                attempts_left: bit(9),
            }
        })
    }

    #[test]
    fn no_two_steps_are_allowed_at_once() {
        for facts in all_facts() {
            for (place, rule) in TABLE.iter().enumerate() {
                let same = |other: &&Rule| other.from == rule.from && other.cause == rule.cause;
                for other in TABLE[place + 1..].iter().filter(same) {
                    let both = rule
                        .when
                        .iter()
                        .chain(other.when)
                        .all(|guard| guard.holds(&facts));
                    assert!(!both, "{rule:?} and {other:?} under {facts:?}");
                }
            }
        }
    }

    #[test]
    fn an_end_has_no_way_on_and_every_other_state_has_one() {
        for state in ReplyState::ALL {
            let leaves = TABLE.iter().any(|rule| rule.from == state);
            assert_eq!(leaves, state.is_open(), "{state:?}");
        }
    }

    /// A reply whose attempt may have been executed never ends as failed or taken back.
    #[test]
    fn what_may_stand_there_is_never_called_unsent() {
        let lies = |rule: &&Rule| {
            matches!(
                rule.to,
                ReplyState::Failed | ReplyState::Cancelled | ReplyState::Stale
            )
        };
        for rule in TABLE.iter().filter(lies) {
            let after_a_claim = matches!(rule.from, ReplyState::Queued | ReplyState::Sending);
            assert!(
                !after_a_claim || rule.when.contains(&Guard::Untainted),
                "{rule:?} forgets an open attempt"
            );
        }
    }

    /// Nothing is sent again but by its key or id, or after it is known not to be there.
    #[test]
    fn a_second_attempt_needs_a_reason() {
        let again = |rule: &&Rule| rule.to == ReplyState::Queued && rule.cause != Cause::Delayed;
        for rule in TABLE.iter().filter(again) {
            assert!(rule.when.contains(&Guard::Settled), "{rule:?}");
            assert!(
                rule.taint == Taint::Cleared || rule.when.contains(&Guard::RepeatSafe),
                "{rule:?}"
            );
        }
    }
}
