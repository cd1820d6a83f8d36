//! What ships keeps the promise; what cannot be promised is named; whatever is broken is noticed.

use super::world::{Kind, Lag, Margin, World};
use super::{Broken, Cause, Found, Model, ReplyState, Rule, Taint};
use crate::domain::reply::{Guard, TABLE};
use std::time::Instant;

const KEY: World = World::of(Kind::Key);
const ID: World = World::of(Kind::Id);
const LOOKUP: World = World::of(Kind::Lookup);
const NONE: World = World::of(Kind::None);
/// An old server, which looks for the key first and publishes later.
const OLD_KEY: World = World { atomic: false, ..KEY };
/// A key or an id, but nothing that can be read: all hangs on the repetition.
const BLIND_KEY: World = World {
    readable: false,
    ..KEY
};
const BLIND_ID: World = World {
    readable: false,
    ..ID
};

const fn pausing(world: World, lock: bool) -> World {
    World {
        pauses: true,
        lock,
        ..world
    }
}

const fn lagging(world: World, lag: Lag) -> World {
    World { lag, ..world }
}

fn check(name: &str, world: World, table: &[Rule], way: Option<Broken>) -> Found {
    let begun = Instant::now();
    let found = Model { table, world }.search(way);
    let verdict = match found.broken {
        None => "keeps the promise".to_owned(),
        Some(broken) => format!("{broken:?}"),
    };
    println!(
        "{name:66} {:7} states {:8} steps  {verdict} ({:.1?})",
        found.states,
        found.edges,
        begun.elapsed()
    );
    if !found.story.is_empty() {
        let story: Vec<_> = found
            .story
            .iter()
            .map(|(what, number)| format!("{number} {what}"))
            .collect();
        println!("      {}", story.join(" | "));
    }
    found
}

#[test]
fn what_ships_keeps_the_promise() {
    let mut states = 0;
    for (name, world) in [
        ("key", KEY),
        ("key, on a server that checks and then acts", OLD_KEY),
        ("key, nothing can be read", BLIND_KEY),
        (
            "key, nothing can be read, a server that checks and then acts",
            World {
                atomic: false,
                ..BLIND_KEY
            },
        ),
        ("id", ID),
        ("id, nothing can be read", BLIND_ID),
        ("lookup", LOOKUP),
        ("none", NONE),
        (
            "lookup, from the draft on",
            World {
                drafts: true,
                ..LOOKUP
            },
        ),
        (
            "lookup, published in a wrong place",
            World {
                astray: true,
                ..LOOKUP
            },
        ),
        ("key, a copy lags and tells it", lagging(KEY, Lag::Told)),
        ("lookup, a copy lags and tells it", lagging(LOOKUP, Lag::Told)),
        (
            "lookup, a copy lags for a moment, unnoticed",
            lagging(LOOKUP, Lag::Briefly),
        ),
        ("id, any look may lag unnoticed", lagging(ID, Lag::Unnoticed)),
        ("lookup, pause before the first byte, lock", pausing(LOOKUP, true)),
        ("none, pause before the first byte, lock", pausing(NONE, true)),
    ] {
        let found = check(name, world, TABLE, None);
        assert_eq!(found.broken, None, "{name}");
        states += found.states;
    }
    let late = with(TABLE, Guard::OwnFence, |rule| rule.cause == Cause::Proven);
    let found = check(
        "lookup, the late answer of an earlier attempt is lost",
        LOOKUP,
        &late,
        None,
    );
    assert_eq!(found.broken, None);
    println!("{:66} {:7} states", "all", states + found.states);
}

/// What can only be promised under an assumption: without it, it breaks, and only then.
#[test]
fn what_cannot_be_promised_is_known() {
    let two = |world| World { careless: 2, ..world };
    for (name, world) in [
        // A sender that stands still for longer than the window, after it asked its permit.
        (
            "key, pause longer than the window, lock",
            pausing(BLIND_KEY, true),
        ),
        (
            "key, pause longer than the window, no lock",
            pausing(BLIND_KEY, false),
        ),
        // Two processes, one of which stands still after it asked its permit.
        (
            "lookup, pause before the first byte, no lock",
            pausing(LOOKUP, false),
        ),
        ("none, pause before the first byte, no lock", pausing(NONE, false)),
        // A platform that does not show its own posts after the settle time, and does not tell it.
        (
            "lookup, both looks lag unnoticed",
            lagging(LOOKUP, Lag::Unnoticed),
        ),
        // Two persons who say that it is not there, though it is.
        ("none, two persons are wrong", two(NONE)),
        ("lookup, two persons are wrong", two(LOOKUP)),
    ] {
        let found = check(name, world, TABLE, Some(Broken::Doubled));
        assert_eq!(found.broken, Some(Broken::Doubled), "{name}");
    }
    // An id keeps a sender that comes late from doubling; but two persons cannot have seen what it sends
    // after they looked.
    let late = pausing(ID, false);
    let name = "id, pause before the first byte, no lock";
    assert_eq!(check(name, late, TABLE, Some(Broken::Doubled)).broken, None);
    let lie = Broken::CalledUnsentButThere;
    assert_eq!(check(name, late, TABLE, Some(lie)).broken, Some(lie));
}

/// The program around the table, broken in one place each.
#[test]
fn every_mutant_of_the_program_is_caught() {
    let (doubled, lie) = (Broken::Doubled, Broken::CalledUnsentButThere);
    let retries = |world| World {
        retries: true,
        ..world
    };
    let believes = |world| World {
        proven_refusals: false,
        ..world
    };
    let margin = |margin, world| World { margin, ..world };
    let mut failures = Vec::new();
    for (name, world, expected) in [
        (
            "lookup, no durable claim",
            World {
                claims: false,
                ..LOOKUP
            },
            doubled,
        ),
        ("lookup, the HTTP client repeats", retries(LOOKUP), doubled),
        ("none, the HTTP client repeats", retries(NONE), doubled),
        (
            "key, the HTTP client repeats the same key",
            retries(BLIND_KEY),
            lie,
        ),
        (
            "key, the HTTP client repeats under a new key",
            World {
                fresh_keys: true,
                ..retries(BLIND_KEY)
            },
            doubled,
        ),
        (
            "key, the window is ignored",
            margin(Margin::Ignored, BLIND_KEY),
            doubled,
        ),
        (
            "key, no margin before the end of the window",
            margin(Margin::None, BLIND_KEY),
            doubled,
        ),
        (
            "key, a margin without the settle time",
            margin(Margin::Lease, BLIND_KEY),
            doubled,
        ),
        (
            "lookup, no lease for the first byte",
            World {
                permits: false,
                ..LOOKUP
            },
            doubled,
        ),
        ("lookup, any refusal is believed", believes(LOOKUP), lie),
        ("none, any refusal is believed", believes(NONE), lie),
        (
            "lookup, a broken-off attempt settles from its sweep on",
            World {
                sweep_waits: false,
                ..LOOKUP
            },
            doubled,
        ),
    ] {
        let found = check(name, world, TABLE, Some(expected));
        if found.broken != Some(expected) {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "not caught: {failures:#?}");
}

/// The table, broken in one place each.
#[test]
fn every_mutant_of_the_table_is_caught() {
    use Broken::{CalledUnsentButThere as Lie, Doubled, NotApproved, Stuck};
    use Cause::{
        Approved, Claimed, Delayed, Doubted, NotSeen, Refused, Repeatable, SaidAbsent, TakenBack,
        TargetChanged, ToldAbsent,
    };
    let drafts = World { drafts: true, ..NONE };
    let no = |cause: Cause, guard: Guard| without(TABLE, guard, |rule| rule.cause == cause);
    let unsettled = without(TABLE, Guard::Settled, |_| true);
    let of_persons = |rule: &Rule| matches!(rule.cause, SaidAbsent | ToldAbsent);
    let stale_looks = without(TABLE, Guard::OwnFence, |rule| {
        matches!(rule.cause, NotSeen | Repeatable)
    });
    let one_look = changed(|rule| {
        if rule.cause == NotSeen && rule.to == ReplyState::Reconciling {
            rule.to = ReplyState::Queued;
            rule.taint = Taint::Cleared;
        }
    });
    let forgets = changed(|rule| {
        if rule.cause == NotSeen && rule.to == ReplyState::Queued {
            rule.taint = Taint::Cleared;
        }
    });
    let never_tainted = changed(|rule| {
        if rule.cause == Doubted {
            rule.taint = Taint::Stays;
        }
    });
    let no_way_out = |from, cause| -> Vec<Rule> {
        let gone = |rule: &&Rule| rule.from != from || rule.cause != cause;
        TABLE.iter().filter(gone).copied().collect()
    };
    let mut failures = Vec::new();
    for (name, world, table, expected) in [
        (
            "key, a refusal after an open attempt is an end",
            BLIND_KEY,
            no(Refused, Guard::Untainted),
            Lie,
        ),
        (
            "id, a refusal after an open attempt is an end",
            BLIND_ID,
            no(Refused, Guard::Untainted),
            Lie,
        ),
        (
            "key, check then act, no settle time",
            OLD_KEY,
            unsettled.clone(),
            Doubled,
        ),
        ("lookup, no settle time", LOOKUP, unsettled, Doubled),
        (
            "lookup, the canary is ignored",
            lagging(LOOKUP, Lag::Told),
            no(NotSeen, Guard::Fresh),
            Doubled,
        ),
        (
            "lookup, one look is enough",
            lagging(LOOKUP, Lag::Briefly),
            one_look,
            Doubled,
        ),
        (
            "lookup, the second look comes at once",
            lagging(LOOKUP, Lag::Briefly),
            no(NotSeen, Guard::SecondLook),
            Doubled,
        ),
        (
            "none, one person is enough",
            NONE,
            no(ToldAbsent, Guard::OtherPerson),
            Doubled,
        ),
        (
            "none, persons need not wait",
            NONE,
            without(TABLE, Guard::Settled, of_persons),
            Doubled,
        ),
        (
            "none, the first person need not wait",
            NONE,
            no(SaidAbsent, Guard::Settled),
            Doubled,
        ),
        (
            "key, the taint is gone after one look",
            lagging(KEY, Lag::Briefly),
            forgets,
            Lie,
        ),
        ("key, a doubt leaves no taint", BLIND_KEY, never_tainted, Lie),
        (
            "key, what waited for too long is repeated",
            BLIND_KEY,
            without(TABLE, Guard::RepeatSafe, |rule| rule.cause == Claimed),
            Doubled,
        ),
        (
            "lookup, any late doubt counts",
            LOOKUP,
            no(Doubted, Guard::OwnFence),
            Doubled,
        ),
        (
            "lookup, any late refusal counts",
            LOOKUP,
            no(Refused, Guard::OwnFence),
            Lie,
        ),
        (
            "lookup, any late delay counts",
            LOOKUP,
            no(Delayed, Guard::OwnFence),
            Doubled,
        ),
        (
            "key, check then act, any late look counts",
            OLD_KEY,
            stale_looks,
            Doubled,
        ),
        (
            "key, what is open is taken back",
            BLIND_KEY,
            no(TakenBack, Guard::Untainted),
            Lie,
        ),
        (
            "key, what is open goes stale",
            BLIND_KEY,
            no(TargetChanged, Guard::Untainted),
            Lie,
        ),
        (
            "drafts, its author approves it",
            drafts,
            no(Approved, Guard::OtherPerson),
            NotApproved,
        ),
        (
            "drafts, a yes of its author is enough",
            drafts,
            without(TABLE, Guard::Free, |_| true),
            NotApproved,
        ),
        (
            "lookup, a doubt has no step",
            LOOKUP,
            no_way_out(ReplyState::Sending, Doubted),
            Stuck,
        ),
        (
            "key, nothing can be read, no repetition",
            BLIND_KEY,
            no_way_out(ReplyState::Ambiguous, Repeatable),
            Stuck,
        ),
        (
            "key, nothing can be read, no person after the window",
            BLIND_KEY,
            TABLE
                .iter()
                .filter(|rule| rule.cause != Repeatable || rule.to != ReplyState::NeedsHuman)
                .copied()
                .collect(),
            Stuck,
        ),
    ] {
        if check(name, world, &table, Some(expected)).broken != Some(expected) {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "not caught: {failures:#?}");
}

/// Each guard that holds the promise, left out of the whole table. The others are their opposites, which
/// come second, or say when a person is asked.
#[test]
fn every_guard_that_holds_the_promise_is_missed() {
    let drafts = World { drafts: true, ..NONE };
    let told = lagging(LOOKUP, Lag::Told);
    let briefly = lagging(LOOKUP, Lag::Briefly);
    for (guard, world) in [
        (Guard::Free, drafts),
        (Guard::OtherPerson, drafts),
        (Guard::OtherPerson, NONE),
        (Guard::Untainted, BLIND_KEY),
        (Guard::OwnFence, LOOKUP),
        (Guard::OwnFence, OLD_KEY),
        (Guard::Settled, NONE),
        (Guard::Settled, LOOKUP),
        (Guard::Settled, OLD_KEY),
        (Guard::RepeatSafe, BLIND_KEY),
        (Guard::Fresh, told),
        (Guard::SecondLook, briefly),
    ] {
        let table = without(TABLE, guard, |_| true);
        let found = check(
            &format!("{:?}, without {guard:?}", world.kind),
            world,
            &table,
            None,
        );
        assert!(
            found.broken.is_some_and(|broken| broken != Broken::Stuck),
            "nobody misses {guard:?}"
        );
    }
}

fn changed(change: impl Fn(&mut Rule)) -> Vec<Rule> {
    let mut table = TABLE.to_vec();
    table.iter_mut().for_each(change);
    table
}

fn guarded(rule: Rule, when: Vec<Guard>) -> Rule {
    Rule {
        when: when.leak(),
        ..rule
    }
}

/// The table without this guard in some rules.
///
/// # Panics
/// No such rule has it: the mutant would be none.
fn without(table: &[Rule], guard: Guard, of: impl Fn(&Rule) -> bool) -> Vec<Rule> {
    let has = |rule: &Rule| of(rule) && rule.when.contains(&guard);
    assert!(table.iter().any(has), "no rule needs {guard:?} there");
    let less =
        |rule: &Rule| -> Vec<Guard> { rule.when.iter().copied().filter(|one| *one != guard).collect() };
    let lose = |rule: &Rule| {
        if has(rule) {
            guarded(*rule, less(rule))
        } else {
            *rule
        }
    };
    table.iter().map(lose).collect()
}

/// The table with this guard in some rules.
fn with(table: &[Rule], guard: Guard, of: impl Fn(&Rule) -> bool) -> Vec<Rule> {
    let more = |rule: &Rule| -> Vec<Guard> { rule.when.iter().copied().chain([guard]).collect() };
    let gain = |rule: &Rule| {
        if of(rule) {
            guarded(*rule, more(rule))
        } else {
            *rule
        }
    };
    table.iter().map(gain).collect()
}
