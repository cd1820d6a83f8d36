//! The log cannot be tampered with unseen; a person can be erased from it; and a database that was
//! copied, restored or lost its seal is known as such. On both engines.

use crate::fake::postgres;
use hearback::app::{CannotErase, erase};
use hearback::config::{Config, Purpose};
use hearback::domain::audit::{Kind, Report};
use hearback::domain::case::fold;
use hearback::domain::private::ERASED;
use hearback::domain::*;
use hearback::runtime::{Options, Running};
use hearback::store::{
    Aside, Changes, Counters, InboxRow, ReplyStep, Seal, SealError, Store, StoredPost, Thread,
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, SqliteConnection};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A database with its seal.
struct Place {
    url: String,
    seal: PathBuf,
    folder: tempfile::TempDir,
}

impl Place {
    fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("hearback.db").display());
        let seal = Seal::path(&url, None);
        assert_eq!(seal, folder.path().join("hearback.db.seal"));
        Self { url, seal, folder }
    }

    async fn postgres() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        Some(Self {
            url: postgres::database().await?,
            seal: folder.path().join("hearback.seal"),
            folder,
        })
    }

    /// An empty one, of the same engine.
    async fn another(&self) -> Self {
        if self.url.starts_with("sqlite:") {
            Self::sqlite()
        } else {
            Self::postgres().await.unwrap()
        }
    }

    async fn open(&self) -> Store {
        Store::open(&self.url).await.unwrap()
    }

    async fn sealed(&self, store: &Store) -> Seal {
        Seal::open(store, self.seal.clone(), clock()).await.unwrap()
    }

    /// How the database stands now.
    async fn standing(&self) -> Standing {
        let store = self.open().await;
        let standing = self.sealed(&store).await.standing();
        store.close().await;
        standing
    }

    /// What `audit verify` finds.
    async fn verify(&self) -> Report {
        let store = Store::join(&self.url).await.unwrap();
        let seal = self.sealed(&store).await;
        let known = seal.sealed().await.unwrap().unwrap();
        let report = seal.verify(known).await.unwrap();
        store.close().await;
        report
    }

    /// Does this on a connection of its own.
    async fn run(&self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        if self.url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            connection.execute(sqlx::raw_sql(sql)).await.unwrap();
            connection.close().await.unwrap();
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            connection.execute(sqlx::raw_sql(sql)).await.unwrap();
            connection.close().await.unwrap();
        }
    }
}

/// Each promise is held on both engines.
macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::Place::sqlite()).await;
            })*
        }
        mod postgres_ {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(place) = super::Place::postgres().await {
                    super::$name(place).await;
                }
            })*
        }
    };
}

on_both_engines! {
    a_log_that_nobody_touched_is_sound
    tampering_is_found
    a_log_that_was_written_anew_does_not_fit_its_seal
    an_end_that_was_cut_off_together_with_its_counter_is_found
    events_of_an_earlier_version_are_told_apart
    a_refused_commit_leaves_the_chain_whole
    what_is_noted_is_stored_under_a_key
    a_person_is_erased_and_the_chain_holds
    a_reply_under_way_is_not_erased
    a_new_database_is_new_and_then_sound
    an_old_copy_that_came_back_is_known_until_it_is_adopted
    a_missing_seal_counts_once_replies_were_sent
    a_seal_that_cannot_be_written_refuses_in_words
    a_seal_of_another_key_proves_nothing
    a_database_that_falls_behind_while_it_is_worked_on_sends_nothing
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

fn at(seconds: i64) -> Instant {
    Instant::from_timestamp_micros(1_790_000_000_123_456 + seconds * 1_000_000).unwrap()
}

fn ada() -> By {
    By::Agent {
        agent: Agent {
            key: "ada".to_owned(),
            name: "Ada".to_owned(),
        },
        chat: "slack".into(),
    }
}

fn opened(number: i64, author: &str) -> Event {
    Event::Opened {
        source: "fedi".into(),
        conversation: format!("c{number}").into(),
        author: author.into(),
        post: format!("p{number}").into(),
        written_at: at(number),
    }
}

fn post(number: i64, author: &str, text: &str) -> StoredPost {
    StoredPost {
        case: CaseNumber(number),
        post: Post {
            source: "fedi".into(),
            id: format!("p{number}").into(),
            conversation: format!("c{number}").into(),
            in_reply_to: None,
            kind: PostKind::Mention,
            visibility: Visibility::Public,
            url: Some(format!("https://fedi.example/@{author}-handle/1")),
            author: Author {
                id: author.into(),
                handle: format!("{author}-handle"),
                name: format!("{author} the Customer"),
                followers: Some(12),
                url: Some(format!("https://fedi.example/@{author}-handle")),
            },
            text: text.to_owned(),
            created_at: at(number),
            edited_at: None,
            deleted: false,
            lang: Some("en".to_owned()),
            media: vec![Media {
                url: "https://fedi.example/1.png".to_owned(),
                mime: "image/png".to_owned(),
                alt: format!("{author} holding it"),
                poster: None,
            }],
            metrics: Metrics::default(),
            rating: None,
        },
    }
}

fn reply(id: i64, case: i64, author: &str, state: ReplyState) -> Reply {
    let ada = Agent {
        key: "ada".to_owned(),
        name: "Ada".to_owned(),
    };
    Reply {
        conversation: format!("c{case}").into(),
        target: format!("p{case}").into(),
        author: author.into(),
        author_handle: format!("{author}-handle"),
        lang: Some("en".to_owned()),
        text: match author {
            "zeb" => "Dear Zebedee, we are sorry.".to_owned(),
            _ => "We are sorry.".to_owned(),
        },
        state,
        hold_until: at(2),
        fence: 1,
        begun_at: Some(at(2)),
        ..Reply::blank(
            ReplyId(id),
            CaseNumber(case),
            "fedi".into(),
            ada,
            "k1".into(),
            at(1),
        )
    }
}

fn new(reply: Reply) -> ReplyStep {
    ReplyStep { from: None, reply }
}

/// Lets these events happen, from this number on; the cases are folded along.
async fn happen(store: &Store, events: &[(i64, Event)]) -> Vec<Case> {
    let mut counters = store.counters().await.unwrap();
    let mut changes = Changes::default();
    for (number, event) in events {
        counters.event += 1;
        counters.case = counters.case.max(*number);
        let now = at(counters.event);
        let number = CaseNumber(*number);
        let known = changes.cases.iter().position(|case: &Case| case.number == number);
        match known {
            Some(known) => changes.cases[known].evolve(event, now),
            None => match store.cases(&[number]).await.unwrap().pop() {
                Some(mut case) => {
                    case.evolve(event, now);
                    changes.cases.push(case);
                }
                None => changes.cases.push(Case::open(number, event, now).unwrap()),
            },
        }
        changes.events.push(EventRecord {
            id: EventId(counters.event),
            case: number,
            at: now,
            by: ada(),
            event: event.clone(),
        });
    }
    changes.counters = Some(counters);
    let cases = changes.cases.clone();
    store.commit(changes).await.unwrap();
    cases
}

fn noted(text: &str) -> Event {
    Event::Noted {
        text: text.to_owned(),
    }
}

/// Twelve events of two persons, in several commits, sealed.
async fn twelve(place: &Place) {
    let store = place.open().await;
    happen(&store, &[(1, opened(1, "ann")), (2, opened(2, "ben"))]).await;
    for round in 0..5 {
        let first = noted(&format!("first {round}"));
        happen(&store, &[(1, first), (2, Event::Released)]).await;
    }
    place.sealed(&store).await.raise().await.unwrap();
    store.close().await;
}

async fn a_log_that_nobody_touched_is_sound(place: Place) {
    twelve(&place).await;
    let report = place.verify().await;
    assert_eq!(report.faults, []);
    assert_eq!((report.events, report.unproven, report.begins), (12, 0, Some(1)));
    // Another process goes on where the first ended.
    let store = place.open().await;
    happen(&store, &[(1, noted("later"))]).await;
    store.close().await;
    let report = place.verify().await;
    assert_eq!(report.faults, [], "events after the seal are no fault");
    assert_eq!(report.events, 13);
}

async fn tampering_is_found(place: Place) {
    let body = "(SELECT body FROM events AS e WHERE e.id = ";
    let tamperings: [(&str, Kind, i64, String); 8] = [
        (
            "an edit",
            Kind::Changed,
            5,
            "UPDATE events SET body = replace(body, 'Ada', 'Eve') WHERE id = 5".to_owned(),
        ),
        (
            "an edit of the time",
            Kind::Changed,
            6,
            "UPDATE events SET at = at + 1 WHERE id = 6".to_owned(),
        ),
        (
            "a move to another case",
            Kind::Changed,
            7,
            "UPDATE events SET case_number = 2 WHERE id = 7".to_owned(),
        ),
        (
            "a deletion",
            Kind::Missing,
            4,
            "DELETE FROM events WHERE id = 4".to_owned(),
        ),
        (
            "a cut",
            Kind::Truncated,
            11,
            "DELETE FROM events WHERE id > 10".to_owned(),
        ),
        (
            "a reordering",
            Kind::Moved,
            3,
            "UPDATE events SET id = -3 WHERE id = 3; UPDATE events SET id = 3 WHERE id = 9; \
             UPDATE events SET id = 9 WHERE id = -3"
                .to_owned(),
        ),
        (
            "an insertion",
            Kind::Inserted,
            6,
            "UPDATE events SET id = -id WHERE id > 5; UPDATE events SET id = 1 - id WHERE id < 0; \
             INSERT INTO events (id, case_number, at, body, hash) \
             SELECT 6, case_number, at, body, NULL FROM events WHERE id = 5"
                .to_owned(),
        ),
        (
            "an insertion at the end",
            Kind::Inserted,
            13,
            format!(
                "INSERT INTO events (id, case_number, at, body, hash) \
                 SELECT 13, case_number, at, {body} 5), hash FROM events WHERE id = 12"
            ),
        ),
    ];
    for (what, kind, event, sql) in tamperings {
        let place = place.another().await;
        twelve(&place).await;
        place.run(&sql).await;
        let report = place.verify().await;
        let told = report.faults.iter().any(|f| (f.kind, f.event) == (kind, event));
        assert!(told, "{what}: {:#?}", report.faults);
    }
}

/// Who knows how can make all hashes fit again; but not those that stand outside.
async fn a_log_that_was_written_anew_does_not_fit_its_seal(place: Place) {
    twelve(&place).await;
    let store = place.open().await;
    let mut last = hearback::domain::audit::Hash::genesis(&store.installation().await.unwrap());
    let mut sql = String::new();
    for line in store.lines(0, 100).await.unwrap() {
        let body = line.body.replace("Ada", "Eve");
        last = last.next(line.id, line.case, line.at, &body);
        sql += &format!(
            "UPDATE events SET body = '{body}', hash = '{last}' WHERE id = {};",
            line.id
        );
    }
    store.close().await;
    place.run(&sql).await;
    let report = place.verify().await;
    let found: Vec<_> = report
        .faults
        .iter()
        .map(|fault| (fault.kind, fault.event))
        .collect();
    assert_eq!(found, [(Kind::Rewritten, 12)]);
    let standing = place.standing().await;
    assert!(matches!(standing, Standing::RolledBack { .. }), "{standing:?}");
}

async fn an_end_that_was_cut_off_together_with_its_counter_is_found(place: Place) {
    twelve(&place).await;
    place
        .run("DELETE FROM events WHERE id > 10; UPDATE counters SET value = 10 WHERE key = 'event'")
        .await;
    let report = place.verify().await;
    assert_eq!(report.faults.len(), 1);
    assert_eq!(
        (report.faults[0].kind, report.faults[0].event),
        (Kind::Truncated, 11)
    );
    assert!(
        report.faults[0].what.contains("the seal knows"),
        "{:?}",
        report.faults
    );
}

/// As versions without a chain left it.
async fn age(place: &Place, up_to: i64) {
    place
        .run(&format!("UPDATE events SET hash = NULL WHERE id <= {up_to}"))
        .await;
}

async fn events_of_an_earlier_version_are_told_apart(place: Place) {
    let store = place.open().await;
    happen(&store, &[(1, opened(1, "ann")), (1, noted("old"))]).await;
    store.close().await;
    age(&place, 2).await;
    assert_eq!(place.verify().await.unproven, 2);
    let store = place.open().await;
    assert_eq!(place.sealed(&store).await.standing(), Standing::New);
    happen(&store, &[(1, noted("new"))]).await;
    place.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    let report = place.verify().await;
    assert_eq!(
        (report.faults, report.unproven, report.begins),
        (vec![], 2, Some(3))
    );
    // From where the chain begins, no event may lose its hash.
    age(&place, 3).await;
    let report = place.verify().await;
    assert!(report.faults.iter().any(|fault| fault.event == 3), "{report:?}");
}

async fn a_refused_commit_leaves_the_chain_whole(place: Place) {
    twelve(&place).await;
    let store = place.open().await;
    let again = EventRecord {
        id: EventId(12),
        case: CaseNumber(1),
        at: at(1),
        by: By::System,
        event: noted("twice"),
    };
    let refused = store
        .commit(Changes {
            events: vec![again],
            ..Changes::default()
        })
        .await;
    assert!(refused.is_err());
    happen(&store, &[(2, noted("after")), (1, Event::Reopened)]).await;
    store.close().await;
    let report = place.verify().await;
    assert_eq!((report.faults, report.events), (vec![], 14));
}

async fn what_is_noted_is_stored_under_a_key(place: Place) {
    let words = "Zebedee\0 is allergic to 🦀";
    let kept = words.replace('\0', "\u{FFFD}");
    let store = place.open().await;
    happen(
        &store,
        &[(1, opened(1, "ann")), (1, noted(words)), (1, noted(""))],
    )
    .await;
    for line in store.lines(0, 10).await.unwrap() {
        assert!(!line.body.contains("allergic"), "{}", line.body);
        assert_eq!(line.body.contains("},\"key\":\""), line.id == 2, "{}", line.body);
    }
    store.close().await;
    // Read by a process that has not written it.
    let store = place.open().await;
    let read = store.last_events(CaseNumber(1), 5).await.unwrap();
    let read: Vec<_> = read.into_iter().map(|record| record.event).collect();
    assert_eq!(read, [opened(1, "ann"), noted(&kept), noted("")]);
    happen(&store, &[(1, noted("more"))]).await;
    let author = "ann".into();
    assert_eq!(
        store.keys_of_person(&"fedi".into(), &author).await.unwrap().len(),
        1
    );
    assert!(
        store
            .keys_of_person(&"shop".into(), &author)
            .await
            .unwrap()
            .is_empty()
    );
    store.close().await;
}

/// What is stored of two persons, some of it by an earlier version.
async fn talkative(place: &Place) -> Store {
    let store = place.open().await;
    happen(
        &store,
        &[
            (1, opened(1, "zeb")),
            (2, opened(2, "ben")),
            (1, noted("Old: Zebedee shouted")),
        ],
    )
    .await;
    store.close().await;
    age(place, 3).await;
    // The words of an old event stand there as they are.
    place
        .run(
            "UPDATE events SET body = '{\"by\":{\"who\":\"system\"},\"event\":{\"type\":\"noted\",\"text\":\"Old: Zebedee shouted\"}}' \
             WHERE id = 3",
        )
        .await;
    let store = place.open().await;
    let edited = Event::PostEdited {
        post: "p1".into(),
        before: "Zebedee was here".to_owned(),
        after: "Zebedee bought a saucepan".to_owned(),
        added: vec![],
    };
    let resolved = Event::Resolved {
        outcome: "Zebedee got a refund".to_owned(),
    };
    let cases = [
        (1, edited),
        (2, noted("Benjamin is fine")),
        (1, noted("Zebedee rang")),
        (1, resolved),
    ];
    happen(&store, &cases).await;
    // Written over and over: remnants of it are in the file.
    for size in [400, 90, 10] {
        let text = "Zebedee bought a saucepan. ".repeat(size);
        store
            .commit(Changes {
                posts: vec![post(1, "zeb", &text), post(2, "ben", "Benjamin bought a lamp")],
                ..Changes::default()
            })
            .await
            .unwrap();
    }
    let thread = Thread {
        case: CaseNumber(1),
        chat: "slack".into(),
        channel: "C1".into(),
        thread: "t1".into(),
        card: "t1".into(),
    };
    let answer = |key: &str, answer: &str| InboxRow {
        key: key.to_owned(),
        at: at(1),
        answer: answer.to_owned(),
    };
    let aside = |raw: &str| Aside {
        at: at(1),
        origin: "fedi".to_owned(),
        reason: "odd".to_owned(),
        raw: raw.to_owned(),
    };
    let counters = store.counters().await.unwrap();
    store
        .commit(Changes {
            replies: vec![
                new(reply(1, 1, "zeb", ReplyState::Sent)),
                new(reply(2, 2, "ben", ReplyState::Held)),
            ],
            threads: vec![thread],
            inbox: vec![
                answer("slack:1", "{\"Done\":\"Zebedee: noted\"}"),
                answer("gone:fedi:p9", ""),
            ],
            asides: vec![
                aside("{\"author\":{\"id\":\"zeb\"},\"text\":\"Zebedee\"}"),
                aside("{\"author\":{\"id\":\"benjamin\"}}"),
            ],
            counters: Some(Counters {
                reply: 2,
                claims: 1,
                ..counters
            }),
            ..Changes::default()
        })
        .await
        .unwrap();
    place.sealed(&store).await.raise().await.unwrap();
    store
}

/// All that the database's files hold, or all rows of its tables.
async fn everything(place: &Place) -> String {
    if place.url.starts_with("sqlite:") {
        let mut out = String::new();
        for file in std::fs::read_dir(place.folder.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            out += &String::from_utf8_lossy(&bytes);
        }
        return out;
    }
    let mut connection = PgConnection::connect(&place.url).await.unwrap();
    let tables: Vec<(String,)> =
        sqlx::query_as("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let mut out = String::new();
    for (table,) in tables {
        let rows = format!("SELECT CAST({table} AS TEXT) FROM {table}");
        let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(rows))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        out.extend(rows.into_iter().map(|(row,)| row + "\n"));
        // And the file of the table, where the server lets us read it.
        let file = format!("SELECT pg_read_binary_file(pg_relation_filepath('{table}'))");
        let file: Vec<u8> = sqlx::query_scalar(AssertSqlSafe(file))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        out += &String::from_utf8_lossy(&file);
    }
    out
}

const TRACES: [&str; 6] = [
    "Zebedee",
    "saucepan",
    "zeb-handle",
    "zeb the Customer",
    "zeb holding it",
    "refund",
];

async fn a_person_is_erased_and_the_chain_holds(place: Place) {
    let store = talkative(&place).await;
    let before = everything(&place).await;
    for trace in ["Zebedee", "saucepan", "zeb-handle"] {
        assert!(before.contains(trace), "{trace} is there to be erased");
    }
    let (source, zeb): (SourceName, NativeId) = ("fedi".into(), "zeb".into());
    let done = erase(&store, &source, &zeb, at(99)).await.unwrap();
    assert_eq!(done.cases, [CaseNumber(1)]);
    assert_eq!((done.posts, done.replies, done.key), (1, 1, true));
    assert_eq!((done.events, done.answers, done.asides), (1, 1, 1));
    assert_eq!(done.threads.len(), 1);
    store.scrub().await.unwrap();
    place.sealed(&store).await.keep().await.unwrap();

    let log = store.last_events(CaseNumber(1), 50).await.unwrap();
    let texts: Vec<_> = log.iter().map(|record| &record.event).collect();
    let edited = Event::PostEdited {
        post: "p1".into(),
        before: ERASED.to_owned(),
        after: ERASED.to_owned(),
        added: vec![],
    };
    assert_eq!(texts[2], &edited);
    assert_eq!(texts.last(), Some(&&Event::Erased));
    let case = store.cases(&[CaseNumber(1)]).await.unwrap().pop().unwrap();
    let folded = fold(case.number, log.iter().map(|record| (&record.event, record.at)));
    assert_eq!(folded, Some(case));
    let other = store.last_events(CaseNumber(2), 50).await.unwrap();
    assert!(
        other
            .iter()
            .any(|record| record.event == noted("Benjamin is fine"))
    );
    let kept = store.posts(&[(source.clone(), "p2".into())]).await.unwrap();
    assert_eq!(kept, [post(2, "ben", "Benjamin bought a lamp")]);
    let owed = store.lanes().await.unwrap().len();
    assert_eq!(owed, 2, "its thread is told, and its card is drawn anew");

    // Once more there is nothing to erase, and nothing is added to the log.
    let events = store.counters().await.unwrap().event;
    let again = erase(&store, &source, &zeb, at(100)).await.unwrap();
    assert!(again.is_nothing());
    assert_eq!(store.counters().await.unwrap().event, events);
    // Who comes back has a new key.
    happen(&store, &[(1, noted("came back"))]).await;
    let last = store.last_events(CaseNumber(1), 1).await.unwrap();
    assert_eq!(last[0].event, noted("came back"));
    store.close().await;

    let after = everything(&place).await;
    for trace in TRACES {
        assert_eq!(after.matches(trace).count(), 0, "{trace}");
    }
    assert!(after.contains("Benjamin bought a lamp"));
    assert_eq!(place.verify().await.faults, []);
    assert_eq!(place.standing().await, Standing::Sound);
}

async fn a_reply_under_way_is_not_erased(place: Place) {
    let store = talkative(&place).await;
    let refused = erase(&store, &"fedi".into(), &"ben".into(), at(99)).await;
    let Err(CannotErase::UnderWay(replies)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(replies, [(ReplyId(2), CaseNumber(2), "held")]);
    let kept = store.posts(&[("fedi".into(), "p2".into())]).await.unwrap();
    assert_eq!(kept[0].post.text, "Benjamin bought a lamp");
    let nobody = erase(&store, &"fedi".into(), &"nobody".into(), at(99))
        .await
        .unwrap();
    assert!(nobody.is_nothing());
    store.close().await;
}

async fn a_new_database_is_new_and_then_sound(place: Place) {
    let store = place.open().await;
    let seal = place.sealed(&store).await;
    assert_eq!(seal.standing(), Standing::New);
    assert!(!place.seal.exists(), "comparing writes nothing");
    seal.keep().await.unwrap();
    assert_eq!(seal.standing(), Standing::Sound);
    let written = std::fs::read(&place.seal).unwrap();
    seal.keep().await.unwrap();
    assert_eq!(
        std::fs::read(&place.seal).unwrap(),
        written,
        "nothing happened since"
    );
    happen(&store, &[(1, opened(1, "ann"))]).await;
    seal.keep().await.unwrap();
    assert_ne!(std::fs::read(&place.seal).unwrap(), written);
    store.close().await;
    assert_eq!(place.standing().await, Standing::Sound);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = format!("{}.key", place.seal.display());
        let mode = std::fs::metadata(key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

/// Something of every kind of number, with so many claims.
async fn work(store: &Store, claims: i64) {
    let counters = store.counters().await.unwrap();
    store
        .commit(Changes {
            replies: vec![new(reply(claims, 1, "ann", ReplyState::Sent))],
            counters: Some(Counters {
                case: 40 + claims,
                effect: 70 + claims,
                reply: claims,
                claims,
                ..counters
            }),
            ..Changes::default()
        })
        .await
        .unwrap();
    happen(store, &[(1, noted("worked"))]).await;
}

/// Takes the database back to before the last two pieces of work, as a restored backup is.
const RESTORED: &str = "DELETE FROM events WHERE id > 2; DELETE FROM replies WHERE id > 1; \
    UPDATE counters SET value = 2 WHERE key = 'event'; UPDATE counters SET value = 1 WHERE key IN ('claims', 'reply'); \
    UPDATE counters SET value = 41 WHERE key = 'case'; UPDATE counters SET value = 71 WHERE key = 'effect'";

async fn an_old_copy_that_came_back_is_known_until_it_is_adopted(place: Place) {
    let store = place.open().await;
    happen(&store, &[(1, opened(1, "ann"))]).await;
    work(&store, 1).await;
    work(&store, 2).await;
    work(&store, 3).await;
    place.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    place.run(RESTORED).await;

    let store = place.open().await;
    let seal = place.sealed(&store).await;
    let Standing::RolledBack { sealed, found, .. } = seal.standing() else {
        panic!("{:?}", seal.standing());
    };
    assert_eq!((sealed.event, sealed.claims, sealed.reply), (4, 3, 3));
    assert_eq!((found.event, found.claims, found.reply), (2, 1, 1));
    let refused = seal.raise().await.unwrap_err();
    assert!(refused.to_string().contains("behind its seal"), "{refused}");
    // At the start the numbers go on where they had been; nothing else is forgotten.
    seal.prepare().await.unwrap();
    let counters = store.counters().await.unwrap();
    assert_eq!(
        (counters.case, counters.effect, counters.reply, counters.claims),
        (43, 73, 3, 3)
    );
    assert_eq!(counters.event, 2);
    // It works on, and it is still known, also after a restart and though its log is as long again.
    for _ in 0..4 {
        happen(&store, &[(1, noted("on"))]).await;
    }
    seal.keep().await.unwrap();
    store.close().await;
    let standing = place.standing().await;
    let Standing::RolledBack { found, .. } = standing else {
        panic!("{standing:?}");
    };
    assert_eq!(found.claims, 1, "how it was found stays known");

    let store = place.open().await;
    let seal = place.sealed(&store).await;
    assert_eq!(seal.adopt().await.unwrap(), Standing::Sound);
    seal.raise().await.unwrap();
    store.close().await;
    assert_eq!(place.standing().await, Standing::Sound);
    assert_eq!(place.verify().await.faults, []);
}

async fn a_missing_seal_counts_once_replies_were_sent(place: Place) {
    let store = place.open().await;
    happen(&store, &[(1, opened(1, "ann"))]).await;
    place.sealed(&store).await.raise().await.unwrap();
    std::fs::remove_file(&place.seal).unwrap();
    assert_eq!(place.sealed(&store).await.standing(), Standing::New);
    work(&store, 1).await;
    let seal = place.sealed(&store).await;
    assert!(
        matches!(seal.standing(), Standing::Copied { .. }),
        "{:?}",
        seal.standing()
    );
    assert!(seal.raise().await.is_err());
    assert!(
        seal.sealed().await.unwrap().is_err(),
        "and `audit verify` says so"
    );
    seal.keep().await.unwrap();
    assert!(!place.seal.exists());
    assert_eq!(seal.adopt().await.unwrap(), Standing::Sound);
    seal.raise().await.unwrap();
    store.close().await;
    assert_eq!(place.standing().await, Standing::Sound);
}

async fn a_seal_that_cannot_be_written_refuses_in_words(place: Place) {
    let store = place.open().await;
    // What should be a folder is a file.
    let blocked = place.folder.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let seal = Seal::open(&store, blocked.join("x.seal"), clock()).await.unwrap();
    let Err(SealError::Refused(why)) = seal.raise().await else {
        panic!("it cannot be written");
    };
    assert!(
        why.contains("x.seal") && why.contains("cannot be written"),
        "{why}"
    );
    assert_eq!(seal.trouble(), Some(why));
    // It mends itself.
    let seal = place.sealed(&store).await;
    std::fs::create_dir(place.folder.path().join("hearback.db.seal.new")).unwrap();
    std::fs::create_dir(place.folder.path().join("hearback.seal.new")).unwrap();
    assert!(seal.raise().await.is_err() && seal.trouble().is_some());
    std::fs::remove_dir(place.folder.path().join("hearback.db.seal.new")).unwrap();
    std::fs::remove_dir(place.folder.path().join("hearback.seal.new")).unwrap();
    seal.raise().await.unwrap();
    assert_eq!(seal.trouble(), None);
    store.close().await;
}

async fn a_seal_of_another_key_proves_nothing(place: Place) {
    let store = place.open().await;
    happen(&store, &[(1, opened(1, "ann"))]).await;
    place.sealed(&store).await.raise().await.unwrap();
    let text = std::fs::read_to_string(&place.seal).unwrap();
    let key = PathBuf::from(format!("{}.key", place.seal.display()));
    let copied = async |what: &str| {
        let standing = place.sealed(&store).await.standing();
        let Standing::Copied { why } = standing else {
            panic!("{what}: {standing:?}");
        };
        why
    };
    std::fs::write(&place.seal, text.replace("\"event\":1", "\"event\":0")).unwrap();
    assert!(copied("changed").await.contains("was not signed with its key"));
    std::fs::write(&place.seal, &text[..text.len() / 2]).unwrap();
    assert!(copied("cut").await.contains("is damaged"));
    std::fs::write(&place.seal, &text).unwrap();
    assert_eq!(place.sealed(&store).await.standing(), Standing::Sound);
    std::fs::remove_file(&key).unwrap();
    assert!(copied("without its key").await.contains("cannot be read"));
    store.close().await;

    // One of another installation.
    let other = place.another().await;
    let stranger = other.open().await;
    work_alone(&stranger).await;
    other.sealed(&stranger).await.raise().await.unwrap();
    for (from, to) in [("", ""), (".key", ".key")] {
        let path = |seal: &Path, end: &str| PathBuf::from(format!("{}{end}", seal.display()));
        std::fs::copy(path(&place.seal, from), path(&other.seal, to)).ok();
    }
    let standing = other.sealed(&stranger).await.standing();
    assert!(matches!(standing, Standing::Copied { .. }), "{standing:?}");
    stranger.close().await;
}

async fn work_alone(store: &Store) {
    happen(store, &[(1, opened(1, "ann"))]).await;
    work(store, 1).await;
}

async fn a_database_that_falls_behind_while_it_is_worked_on_sends_nothing(place: Place) {
    let store = place.open().await;
    work_alone(&store).await;
    let seal = place.sealed(&store).await;
    seal.raise().await.unwrap();
    place
        .run("UPDATE counters SET value = 0 WHERE key = 'claims'")
        .await;
    let refused = seal.raise().await;
    assert!(matches!(refused, Err(SealError::Replaced(_))), "{refused:?}");
    store.close().await;
}

/// Copies a database's files.
fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        let copied = std::fs::copy(from.join(name), to.join(name));
        assert!(copied.is_ok(), "{name}: {copied:?}");
    }
}

#[tokio::test]
async fn a_copied_file_is_no_original_until_it_is_adopted() {
    let original = Place::sqlite();
    let store = original.open().await;
    work_alone(&store).await;
    original.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    let all = ["hearback.db", "hearback.db.seal", "hearback.db.seal.key"];
    for names in [&all[..1], &all] {
        let copied = Place::sqlite();
        copy(original.folder.path(), copied.folder.path(), names);
        let store = copied.open().await;
        let seal = copied.sealed(&store).await;
        assert!(
            matches!(seal.standing(), Standing::Copied { .. }),
            "{:?}",
            seal.standing()
        );
        assert!(!seal.is_plain_move().await);
        assert!(seal.raise().await.is_err());
        assert_eq!(seal.adopt().await.unwrap(), Standing::Sound);
        store.close().await;
        assert_eq!(copied.standing().await, Standing::Sound);
    }
    assert_eq!(original.standing().await, Standing::Sound);
}

#[tokio::test]
async fn a_renamed_file_is_the_original_and_one_on_another_disk_a_plain_move() {
    let old = Place::sqlite();
    let store = old.open().await;
    work_alone(&store).await;
    old.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    let new = Place::sqlite();
    let all = ["hearback.db", "hearback.db.seal", "hearback.db.seal.key"];
    copy(old.folder.path(), new.folder.path(), &all[1..]);
    std::fs::rename(old.folder.path().join(all[0]), new.folder.path().join(all[0])).unwrap();
    assert_eq!(
        new.standing().await,
        Standing::Sound,
        "the same file under another name"
    );
    // As `mv` does it between disks: another file, and the first one is gone.
    let third = Place::sqlite();
    copy(new.folder.path(), third.folder.path(), &all);
    drop((old, new));
    let store = third.open().await;
    let seal = third.sealed(&store).await;
    assert!(
        matches!(seal.standing(), Standing::Copied { .. }),
        "{:?}",
        seal.standing()
    );
    assert!(seal.is_plain_move().await);
    store.close().await;
}

#[tokio::test]
async fn a_copy_that_is_old_as_well_stays_behind_after_it_is_adopted() {
    let original = Place::sqlite();
    let store = original.open().await;
    work_alone(&store).await;
    original.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    let backup = tempfile::tempdir().unwrap();
    copy(original.folder.path(), backup.path(), &["hearback.db"]);
    let store = original.open().await;
    work(&store, 2).await;
    original.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    // Restored over the file: the same place, an old content.
    copy(backup.path(), original.folder.path(), &["hearback.db"]);
    let standing = original.standing().await;
    assert!(matches!(standing, Standing::RolledBack { .. }), "{standing:?}");
    // Restored as another file.
    std::fs::remove_file(original.folder.path().join("hearback.db")).unwrap();
    let placeholder = original.folder.path().join("placeholder");
    std::fs::write(placeholder, "keeps the number of the old file in use").unwrap();
    copy(backup.path(), original.folder.path(), &["hearback.db"]);
    let store = original.open().await;
    let seal = original.sealed(&store).await;
    if matches!(seal.standing(), Standing::Copied { .. }) {
        let after = seal.adopt().await.unwrap();
        assert!(matches!(after, Standing::RolledBack { .. }), "{after:?}");
    }
    assert_eq!(seal.adopt().await.unwrap(), Standing::Sound);
    assert_eq!(store.counters().await.unwrap().claims, 2);
    store.close().await;
}

#[tokio::test]
async fn a_copied_database_of_a_server_is_no_original() {
    let Some(original) = Place::postgres().await else {
        return;
    };
    let store = original.open().await;
    work_alone(&store).await;
    original.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    let mut copied = Place::postgres().await.unwrap();
    let name = |url: &str| url.rsplit('/').next().unwrap().to_owned();
    let (from, to) = (name(&original.url), name(&copied.url) + "_copy");
    copied.run(&format!("CREATE DATABASE {to} TEMPLATE {from}")).await;
    copied.url += "_copy";
    copied.seal = original.seal.clone();
    let standing = copied.standing().await;
    assert!(matches!(standing, Standing::Copied { .. }), "{standing:?}");
    assert_eq!(original.standing().await, Standing::Sound);
}

async fn start(config: &Config, demo: Option<PathBuf>) -> Running {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let metrics = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let options = Options {
        clock: Some(clock()),
        demo,
        samples: false,
        stepped: true,
        metrics: metrics.handle(),
    };
    Running::start(config, listener, options).await.unwrap()
}

#[tokio::test]
async fn the_demo_asks_nothing_wherever_its_folder_went() {
    let old = Place::sqlite();
    let listen = "127.0.0.1:0".parse().unwrap();
    let config = Config::demo(listen, old.folder.path()).unwrap();
    let running = start(&config, Some(old.folder.path().to_owned())).await;
    assert_eq!(running.reader.sender(), Ok(()));
    running.stop().await.unwrap();
    let store = old.open().await;
    work_alone(&store).await;
    old.sealed(&store).await.raise().await.unwrap();
    store.close().await;

    let new = Place::sqlite();
    let all = ["hearback.db", "hearback.db.seal", "hearback.db.seal.key"];
    copy(old.folder.path(), new.folder.path(), &all);
    assert!(matches!(new.standing().await, Standing::Copied { .. }));
    let config = Config::demo(listen, new.folder.path()).unwrap();
    let running = start(&config, Some(new.folder.path().to_owned())).await;
    assert_eq!(running.reader.sender(), Ok(()));
    running.stop().await.unwrap();
    assert_eq!(new.standing().await, Standing::Sound);
}

#[tokio::test]
async fn a_server_on_a_copy_takes_in_and_says_that_it_sends_nothing() {
    let original = Place::sqlite();
    let store = original.open().await;
    work_alone(&store).await;
    original.sealed(&store).await.raise().await.unwrap();
    store.close().await;
    let copied = Place::sqlite();
    copy(original.folder.path(), copied.folder.path(), &["hearback.db"]);
    let text = format!(
        r#"
        [server]
        listen = "127.0.0.1:0"
        [database]
        url = "{}"
        [[source]]
        name = "shop"
        platform = "webhook"
        secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
        [[agent]]
        name = "Ada"
        console_password = "the one of the lamp shop"
        roles = ["agent"]
        "#,
        copied.url
    );
    let config = Config::from_toml("test.toml", &text, Purpose::Serve).unwrap();
    let running = start(&config, None).await;
    let told = running.reader.sender().unwrap_err();
    assert!(told.contains("copy") && told.contains("hearback adopt"), "{told}");
    let ready = reqwest::get(format!("http://{}/readyz", running.addr))
        .await
        .unwrap();
    assert_eq!(ready.status(), 503);
    let ready: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(ready["sender"], told);
    running.stop().await.unwrap();
    assert!(!copied.seal.exists(), "what proves it is left as it is");
}
