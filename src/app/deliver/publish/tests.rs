//! What is lost with a database, how long something is looked for, and when an effect is due again.

use super::*;
use crate::domain::{Agent, CaseNumber, EffectId, IdempotencyKey, Marks, SourceName};
use rstest::rstest;

fn at(minutes: i64) -> Instant {
    chrono::DateTime::from_timestamp(1_800_000_000 + 60 * minutes, 0).unwrap()
}

fn reply(id: i64, state: ReplyState, created: i64) -> Reply {
    let ada = Agent {
        key: "ada".to_owned(),
        name: "Ada".to_owned(),
    };
    let key = IdempotencyKey::new(format!("test-r{id}"));
    let source = SourceName::new("shop");
    Reply {
        state,
        ..Reply::blank(ReplyId(id), CaseNumber(1), source, ada, key, at(created))
    }
}

#[test]
fn a_backup_forgot_what_is_not_younger_than_it() {
    let open = [
        reply(1, ReplyState::Held, 99),
        reply(2, ReplyState::Ambiguous, 100),
        reply(3, ReplyState::Held, 101),
    ];
    let standing = Standing::RolledBack {
        sealed: Marks::default(),
        found: Marks::default(),
        sealed_at: at(100),
    };
    let (lost, why) = lost(&standing, &open).unwrap();
    assert_eq!(lost, [ReplyId(1), ReplyId(2)]);
    assert!(why.contains("backup"));
}

#[test]
fn a_replica_may_lack_the_last_minutes_and_whatever_waits() {
    let open = [
        reply(1, ReplyState::Held, 1),
        reply(2, ReplyState::Queued, 2),
        reply(3, ReplyState::NeedsHuman, 89),
        reply(4, ReplyState::NeedsHuman, 90),
        reply(5, ReplyState::NeedsHuman, 100),
    ];
    let (lost, why) = lost(&Standing::FailedOver { since: at(100) }, &open).unwrap();
    assert_eq!(lost, [1, 2, 4, 5].map(ReplyId));
    assert!(why.contains("replica"));
}

#[rstest]
#[case(Standing::Sound)]
#[case(Standing::New)]
#[case(Standing::Copied { why: "it is a copy".to_owned() })]
fn who_lost_nothing_looks_for_nothing(#[case] standing: Standing) {
    assert_eq!(lost(&standing, &[reply(1, ReplyState::Held, 1)]), None);
}

/// For a quarter of an hour, from when the platform was done; or from the doubt, or else from the start.
#[test]
fn a_look_goes_on_for_a_quarter_of_an_hour() {
    let mut reply = reply(1, ReplyState::Ambiguous, 0);
    let over = |reply: &Reply, minutes| is_over(reply, at(minutes));
    assert!(!over(&reply, 15) && is_over(&reply, at(15) + TimeDelta::seconds(1)));
    reply.doubted_at = Some(at(10));
    assert!(!over(&reply, 25) && over(&reply, 26));
    reply.settled_at = Some(at(12));
    assert!(!over(&reply, 27) && over(&reply, 28));
}

#[test]
fn an_effect_comes_again_only_where_its_reply_waits() {
    let row = EffectRow {
        due_at: at(1),
        ..row()
    };
    let again = |end| owed_at(&reply_ends(&row, ReplyId(1), end), &row);
    assert_eq!(again(ReplyEnd::LookAgain(at(7))), Some(at(7)));
    assert_eq!(again(ReplyEnd::Waits("later".to_owned())), Some(at(1)));
    assert_eq!(again(ReplyEnd::Failed("no".to_owned())), None);
    assert_eq!(owed_at(&Settled::Done(EffectId(1)), &row), None);
}

#[test]
fn looks_become_rarer() {
    let seconds: Vec<_> = (0..8).map(|attempts| backoff(attempts).as_secs()).collect();
    assert_eq!(seconds, [5, 10, 20, 40, 60, 60, 60, 60]);
    assert_eq!(backoff(-1), FIRST_LOOK);
}

fn row() -> EffectRow {
    EffectRow {
        id: EffectId(1),
        case: CaseNumber(1),
        lane: Lane::timers(),
        effect: Effect::SendReply { reply: ReplyId(1) },
        due_at: at(0),
        attempts: 0,
        begun_at: None,
    }
}
