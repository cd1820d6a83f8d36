//! No sequence of wishes and posts reaches an illegal state, and the case is the fold of its log.

use chrono::{DateTime, TimeDelta};
use hearback::domain::case::{Gate, Wish, Wording, decide, fold, on_post};
use hearback::domain::*;
use proptest::prelude::*;

fn start() -> Instant {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn agent(name: &str) -> Agent {
    Agent {
        key: name.to_owned(),
        name: name.to_owned(),
    }
}

fn opened() -> Event {
    Event::Opened {
        source: "shop".into(),
        conversation: "c1".into(),
        author: "u1".into(),
        post: "p1".into(),
        written_at: start(),
    }
}

/// What happens in the life of a case.
#[derive(Debug, Clone)]
enum Step {
    Wish(Wish, &'static str, Role),
    Post,
    Sent,
    Failed,
    Uncertain,
    NeedsHuman,
    Retried,
    Woke,
}

fn wishes() -> impl Strategy<Value = Wish> {
    let text = "[a-z ]{0,12}";
    prop_oneof![
        Just(Wish::Claim),
        Just(Wish::Release),
        prop_oneof![Just("Ada"), Just("Bob")].prop_map(|name| Wish::Assign(agent(name))),
        text.prop_map(Wish::Note),
        (text, gates()).prop_map(|(text, gate)| Wish::Reply(wording(text), gate)),
        (text, gates()).prop_map(|(text, gate)| Wish::Confirm(wording(text), gate)),
        (text, prop::option::of(text)).prop_map(|(text, before)| Wish::Approve {
            wording: wording(text),
            before,
            hash: "h".to_owned(),
            until: start() + TimeDelta::seconds(10),
        }),
        text.prop_map(|reason| Wish::Reject { reason }),
        Just(Wish::Cancel),
        text.prop_map(|reason| Wish::Escalate {
            team: "managers".into(),
            reason
        }),
        text.prop_map(|outcome| Wish::Resolve { outcome }),
        Just(Wish::Reopen),
        (-10i64..200_000).prop_map(|minutes| Wish::Snooze {
            until: start() + TimeDelta::minutes(minutes)
        }),
        Just(Wish::Priority(Priority::High)),
        Just(Wish::Kind(Kind::Praise)),
        proptest::collection::vec("[a-z]{1,3}", 0..9).prop_map(|add| Wish::Label {
            remove: add.iter().take(2).cloned().collect(),
            add
        }),
    ]
}

/// By Ada, whoever sends it: so that others can approve it.
fn wording(text: String) -> Wording {
    Wording {
        reply: ReplyId(1),
        version: 1,
        author: agent("Ada"),
        audience: Audience::Public,
        text,
    }
}

fn gates() -> impl Strategy<Value = Gate> {
    let until = start() + TimeDelta::seconds(10);
    let remarks = Vec::new;
    prop_oneof![
        Just(Gate::Hold { until }),
        Just(Gate::Confirm { remarks: remarks() }),
        Just(Gate::Approve {
            remarks: remarks(),
            until
        }),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = prop_oneof![Just("Ada"), Just("Bob"), Just("Grace")];
    let role = prop_oneof![Just(Role::Agent), Just(Role::Lead)];
    let step = prop_oneof![
        8 => (wishes(), who, role).prop_map(|(wish, who, role)| Step::Wish(wish, who, role)),
        2 => Just(Step::Post),
        1 => Just(Step::Sent),
        1 => Just(Step::Failed),
        1 => Just(Step::Uncertain),
        1 => Just(Step::NeedsHuman),
        1 => Just(Step::Retried),
        1 => Just(Step::Woke),
    ];
    proptest::collection::vec(step, 0..60)
}

/// The events of a step; what the sender reports only comes while a reply is under way.
fn events(case: &Case, step: &Step, now: Instant) -> Vec<Event> {
    let reply = case.pending.as_ref().map(|pending| pending.id);
    match step {
        Step::Wish(wish, who, role) => {
            decide(case, &agent(who), *role, wish.clone(), now).unwrap_or_default()
        }
        Step::Post => on_post(case, &format!("p{}", case.posts + 1).into(), now),
        Step::Woke if case.status == Status::Snoozed => vec![Event::Woke],
        Step::Woke => vec![],
        Step::Sent => reply
            .map(|reply| Event::ReplySent {
                reply,
                audience: Audience::Public,
                text: "x".to_owned(),
                remote: "r1".into(),
                url: None,
            })
            .into_iter()
            .collect(),
        Step::Failed => reply
            .map(|reply| Event::ReplyFailed {
                reply,
                reason: "x".to_owned(),
            })
            .into_iter()
            .collect(),
        Step::Uncertain => reply
            .map(|reply| Event::ReplyUncertain {
                reply,
                reason: "x".to_owned(),
                look_at: now,
            })
            .into_iter()
            .collect(),
        Step::NeedsHuman => reply
            .map(|reply| Event::ReplyNeedsHuman {
                reply,
                reason: "x".to_owned(),
            })
            .into_iter()
            .collect(),
        Step::Retried => reply
            .map(|reply| Event::ReplyRetried { reply, looked: true })
            .into_iter()
            .collect(),
    }
}

proptest! {
    #[test]
    fn no_sequence_reaches_an_illegal_state(steps in steps()) {
        let number = CaseNumber(1);
        let mut case = Case::open(number, &opened(), start()).unwrap();
        let mut log = vec![(opened(), start())];
        let mut now = start();
        for step in &steps {
            now += TimeDelta::seconds(7);
            for event in events(&case, step, now) {
                case.evolve(&event, now);
                log.push((event, now));
                prop_assert!(case.is_sound(), "after {step:?}: {case:?}");
            }
        }
        let folded = fold(number, log.iter().map(|(event, at)| (event, *at)));
        prop_assert_eq!(folded, Some(case));
    }

    /// An event survives being stored.
    #[test]
    fn events_survive_being_stored(steps in steps()) {
        let mut case = Case::open(CaseNumber(1), &opened(), start()).unwrap();
        for step in &steps {
            for event in events(&case, step, start()) {
                let stored = serde_json::to_string(&event).unwrap();
                prop_assert_eq!(&serde_json::from_str::<Event>(&stored).unwrap(), &event);
                case.evolve(&event, start());
            }
        }
    }

    /// Reading what people typed never panics, and free text stays as it is.
    #[test]
    fn the_grammar_takes_anything(text in "\\PC{0,80}") {
        let _ = hearback::command::parse_text(&text, None);
        let _ = hearback::command::parse_text(&text, Some(CaseNumber(3)));
        let words = format!("x{text}y");
        let parsed = hearback::command::parse_text(&format!("reply {words}"), Some(CaseNumber(3))).unwrap();
        prop_assert_eq!(parsed.command, hearback::command::Command::Reply { text: vec![words] });
    }

    /// A button's text form comes back as it went.
    #[test]
    fn buttons_come_back(case in 1i64..) {
        for press in [
            Press::Command { case: CaseNumber(case), line: "label +a:b".to_owned() },
            Press::Ask { case: CaseNumber(case), verb: "reply".to_owned() },
        ] {
            prop_assert_eq!(press.to_string().parse::<Press>(), Ok(press));
        }
    }
}

#[test]
fn of_two_agents_one_gets_the_case_and_the_other_reads_who_did() {
    let mut case = Case::open(CaseNumber(7), &opened(), start()).unwrap();
    let events = decide(&case, &agent("Ada"), Role::Agent, Wish::Claim, start()).unwrap();
    for event in &events {
        case.evolve(event, start());
    }
    let refusal = decide(&case, &agent("Bob"), Role::Agent, Wish::Claim, start()).unwrap_err();
    insta::assert_snapshot!(refusal, @"Ada has #7 already. Talk to them, or take it over with `assign @you`.");
}
