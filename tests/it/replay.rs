//! What comes again changes nothing: posts and commands, each handed over once, or several times and
//! in batches, lead to the same cases.

use crate::fake::complaint::{complaint, person};
use chrono::TimeDelta;
use hearback::app::*;
use hearback::domain::*;
use hearback::store::{CaseFilter, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Something that comes in.
#[derive(Debug, Clone)]
enum Item {
    Post { id: u8, edited: Option<u8> },
    Gone { id: u8 },
    Command { who: bool, line: String },
}

fn items() -> impl Strategy<Value = Vec<(Item, usize)>> {
    let verbs = prop_oneof![
        Just("claim"),
        Just("release"),
        Just("note so it is"),
        Just("escalate because"),
        Just("resolve done"),
        Just("reopen"),
        Just("snooze 2h"),
        Just("priority high"),
        Just("label +a -b"),
        Just("assign me"),
    ];
    let item = prop_oneof![
        (0u8..6, proptest::option::of(0u8..3)).prop_map(|(id, edited)| Item::Post { id, edited }),
        (0u8..6).prop_map(|id| Item::Gone { id }),
        (any::<bool>(), 1u8..4, verbs).prop_map(|(who, case, verb)| {
            let (verb, rest) = verb.split_once(' ').unwrap_or((verb, ""));
            Item::Command {
                who,
                line: format!("{verb} {case} {rest}"),
            }
        }),
    ];
    proptest::collection::vec((item, 1usize..4), 1..25)
}

fn post(clock: &ManualClock, id: u8, edited: Option<u8>) -> Sighting {
    let start = ManualClock::default().now();
    let edited_at = edited.map(|minutes| clock.now() + TimeDelta::minutes(i64::from(minutes)));
    let at = start + TimeDelta::seconds(i64::from(id));
    Sighting::Post(Box::new(Post {
        conversation: format!("t{}", id % 2).into(),
        author: person("u", "Ann"),
        text: format!("{id} {edited:?}"),
        edited_at,
        ..complaint(&"shop".into(), &format!("p{id}"), at)
    }))
}

struct Core {
    app: App,
    store: Store,
    clock: ManualClock,
    _folder: tempfile::TempDir,
}

impl Core {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&format!("sqlite:{}", folder.path().join("h.db").display()))
            .await
            .unwrap();
        let clock = ManualClock::default();
        let member = |name: &str, user: &str| Member {
            agent: Agent {
                key: name.to_owned(),
                name: name.to_owned(),
            },
            role: Role::Agent,
            identities: vec![Identity {
                chat: "chat".into(),
                user: user.to_owned(),
                workspace: None,
            }],
        };
        let managers = TeamEntry {
            name: "managers".into(),
            homes: Vec::new(),
            members: Vec::new(),
        };
        let directory = Directory {
            members: vec![member("Ada", "ada"), member("Bob", "bob")],
            teams: vec![managers],
            ..Directory::default()
        };
        let parts = Parts {
            directory,
            chats: Vec::new(),
            networks: Vec::new(),
            hold: Duration::ZERO,
            timeout: Duration::from_secs(1),
            settle: Duration::from_secs(1),
            standing: Standing::Sound,
            seal: None,
            stop: CancellationToken::new(),
            ..Parts::around(store.clone(), Arc::new(clock.clone()))
        };
        let app = App::start(parts, &TaskTracker::new()).await.unwrap();
        Self {
            app,
            store,
            clock,
            _folder: folder,
        }
    }

    async fn take(&self, place: usize, item: &Item) {
        match item {
            Item::Post { id, edited } => {
                let seen = vec![post(&self.clock, *id, *edited)];
                self.app
                    .inbound
                    .posts_seen(&"shop".into(), seen, None)
                    .await
                    .unwrap();
            }
            Item::Gone { id } => {
                let seen = vec![Sighting::Gone(format!("p{id}").into())];
                self.app
                    .inbound
                    .posts_seen(&"shop".into(), seen, None)
                    .await
                    .unwrap();
            }
            Item::Command { who, line } => {
                let user = if *who { "ada" } else { "bob" };
                let by = Person {
                    chat: "chat".into(),
                    user: user.to_owned(),
                    workspace: String::new(),
                    name: user.to_owned(),
                    groups: Vec::new(),
                };
                let place = Given {
                    key: format!("chat:{place}"),
                    by,
                    place: Place {
                        channel: None,
                        thread: None,
                    },
                    input: Input::Text(line.clone()),
                };
                self.app.inbound.given(place).await.unwrap();
            }
        }
    }

    /// Every case with its log.
    async fn state(&self) -> Vec<(Case, Vec<EventRecord>)> {
        let mut out = Vec::new();
        for case in self
            .store
            .list_cases(&CaseFilter::default(), i64::MAX)
            .await
            .unwrap()
        {
            let log = self
                .store
                .events_of(case.number, EventId(0), i64::MAX)
                .await
                .unwrap();
            out.push((case, log));
        }
        out
    }
}

async fn same(items: Vec<(Item, usize)>) {
    let (once, often) = (Core::start().await, Core::start().await);
    for (place, (item, times)) in items.iter().enumerate() {
        once.take(place, item).await;
        for _ in 0..*times {
            often.take(place, item).await;
        }
        once.clock.advance(Duration::from_secs(1));
        often.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(once.state().await, often.state().await);
}

#[test]
fn a_replayed_item_changes_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut runner = TestRunner::new(Config {
        cases: 24,
        ..Config::default()
    });
    let done = runner.run(&items(), |items| {
        runtime.block_on(same(items));
        Ok(())
    });
    done.unwrap();
}
