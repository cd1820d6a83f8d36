//! Who goes away in the middle: callers, clients and whole processes. What was acknowledged is there, and
//! what is done twice by its platform happens once.

use crate::fake::complaint::complaint;
use crate::fake::postgres;
use crate::fake::webhook::signed;
use crate::restart::{GUARD, Process, Town, command};
use hearback::app::{App, Given, Input, Intake, Parts, Place, Response};
use hearback::app::{Directory, Identity, Member};
use hearback::domain::case::fold;
use hearback::domain::*;
use hearback::store::{CaseFilter, Store};
use serde_json::json;
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio_util::task::TaskTracker;

/// How many calls are made of which most are given up.
const CANCELS: u32 = 2_000;
/// How many of them at the same time.
const AT_ONCE: u32 = 8;

fn ada() -> Directory {
    Directory {
        members: vec![Member {
            agent: Agent {
                key: "Ada".to_owned(),
                name: "Ada".to_owned(),
            },
            role: Role::Agent,
            identities: vec![Identity {
                chat: "chat".into(),
                user: "Ada".to_owned(),
                workspace: None,
            }],
        }],
        ..Directory::default()
    }
}

fn written(number: u32, at: Instant) -> Sighting {
    Sighting::Post(Box::new(complaint(&"shop".into(), &format!("p{number}"), at)))
}

fn noting(number: u32) -> Given {
    Given {
        key: format!("chat:{number}"),
        by: Person {
            chat: "chat".into(),
            user: "Ada".to_owned(),
            workspace: String::new(),
            name: "Ada".to_owned(),
            groups: Vec::new(),
        },
        place: Place {
            channel: None,
            thread: None,
        },
        input: Input::Text(format!("note 1 note no. {number}.")),
    }
}

/// What it comes to, unless it is given up after so many turns of the runtime.
async fn unless_given_up<T>(call: impl Future<Output = T>, turns: u32) -> Option<T> {
    tokio::select! {
        biased;
        done = call => Some(done),
        () = async { for _ in 0..turns { tokio::task::yield_now().await } } => None,
    }
}

/// Each is a post or a note, given up at some moment; beside them readings that are given up, too.
async fn given_up(database: &str) {
    let store = Store::open(database).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let parts = Parts {
        directory: ada(),
        ..Parts::around(store.clone(), Arc::clone(&clock))
    };
    let app = App::start(parts, &TaskTracker::new()).await.unwrap();
    let source = SourceName::new("shop");
    let now = clock.now();
    app.inbound
        .posts_seen(&source, vec![written(0, now)], None)
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..AT_ONCE {
        let (inbound, store, source) = (app.inbound.clone(), store.clone(), source.clone());
        tasks.spawn(async move {
            let (mut posts, mut notes) = (Vec::new(), Vec::new());
            for number in (1..=CANCELS).filter(|number| number % AT_ONCE == task) {
                let turns = 1 << rand::random_range(0..17_u32);
                if number % 3 == 0 {
                    let noted = unless_given_up(inbound.given(noting(number)), turns).await;
                    if let Some(noted) = noted {
                        assert!(matches!(noted.unwrap(), Response::Done(_)));
                        notes.push(number);
                    }
                } else {
                    let seen = inbound.posts_seen(&source, vec![written(number, now)], None);
                    if let Some(seen) = unless_given_up(seen, turns).await {
                        assert_eq!(seen.unwrap().accepted, 1);
                        posts.push(number);
                    }
                }
                let wanted = [(source.clone(), NativeId::new("p0"))];
                let reading = store.known(&wanted, &[], &[]);
                if let Some(read) = unless_given_up(reading, turns / 2).await {
                    assert_eq!(read.unwrap().posts.len(), 1);
                }
            }
            (posts, notes)
        });
    }
    let (mut posts, mut notes) = (Vec::new(), Vec::new());
    for (more_posts, more_notes) in tasks.join_all().await {
        posts.extend(more_posts);
        notes.extend(more_notes);
    }
    let answered = posts.len() + notes.len();
    assert!(
        answered > 0 && answered < CANCELS as usize,
        "{answered} were answered"
    );
    // Looked at by another process: what was answered is there.
    let other = Store::open(database).await.unwrap();
    let noted = async || {
        let log = other
            .events_of(CaseNumber(1), EventId(0), i64::MAX)
            .await
            .unwrap();
        let mut noted: Vec<_> = log
            .into_iter()
            .filter_map(|record| match record.event {
                Event::Noted { text } => Some(text),
                _ => None,
            })
            .collect();
        noted.sort();
        noted
    };
    let there = noted().await;
    for number in &notes {
        assert!(
            there.contains(&format!("note no. {number}.")),
            "note {number} was answered and is lost"
        );
    }
    for number in &posts {
        let key = (source.clone(), NativeId::new(format!("p{number}")));
        assert_eq!(
            other.posts(&[key]).await.unwrap().len(),
            1,
            "post {number} was answered and is lost"
        );
    }
    // Whoever got no answer comes again; all is there, and once.
    for number in 1..=CANCELS {
        if number % 3 == 0 {
            app.inbound.given(noting(number)).await.unwrap();
        } else {
            let seen = app
                .inbound
                .posts_seen(&source, vec![written(number, now)], None)
                .await;
            let Intake {
                accepted, duplicates, ..
            } = seen.unwrap();
            assert_eq!(accepted + duplicates, 1);
        }
    }
    let cases = other.list_cases(&CaseFilter::default(), i64::MAX).await.unwrap();
    let threes = CANCELS / 3;
    assert_eq!(cases.len(), (CANCELS - threes + 1) as usize);
    let mut expected: Vec<_> = (1..=threes)
        .map(|number| format!("note no. {}.", number * 3))
        .collect();
    expected.sort();
    assert_eq!(noted().await, expected);
    for case in cases {
        let log = other.events_of(case.number, EventId(0), i64::MAX).await.unwrap();
        assert_eq!(
            fold(case.number, log.iter().map(|record| (&record.event, record.at))),
            Some(case)
        );
    }
    drop(app);
    store.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_lose_nothing_on_postgres() {
    if let Some(database) = postgres::database().await {
        given_up(&database).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_are_given_up_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    given_up(&format!("sqlite:{}", folder.path().join("h.db").display())).await;
}

/// How many clients hang up.
const CLIENTS: usize = 200;

/// Clients that hang up in the middle of their request, or before its answer, and come again.
async fn hung_up(database: Option<String>) {
    let town = Town::found(database).await;
    let process = Process::start(&town.config).await;
    let address = (
        process.url.host_str().unwrap().to_owned(),
        process.url.port().unwrap(),
    );
    for number in 1..=CLIENTS {
        let body = json!({
            "id": format!("p{number}"), "author": {"id": format!("u{number}"), "handle": "ann"},
            "text": format!("complaint no. {number}."),
        })
        .to_string();
        let at = SystemClock.now().timestamp();
        let mut request = format!(
            "POST /webhooks/shop HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in signed(&format!("msg_{number}"), at, body.as_bytes()) {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("\r\n{body}");
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        // Some in the middle of it; most of them when all of it is said.
        let said = if number % 4 == 0 {
            request.len() - number % body.len()
        } else {
            request.len()
        };
        stream.write_all(&request.as_bytes()[..said]).await.unwrap();
        if number % 2 == 0 {
            // With a reset, not with a farewell.
            stream.set_zero_linger().unwrap();
        }
        for _ in 0..1 << (number % 12) {
            tokio::task::yield_now().await;
        }
        drop(stream);
    }
    for number in 1..=CLIENTS {
        town.complaint(&process, number).await;
    }
    process.kill();
    let store = Store::open(&town.database).await.unwrap();
    let cases = store.list_cases(&CaseFilter::default(), i64::MAX).await.unwrap();
    assert_eq!(cases.len(), CLIENTS);
    for number in 1..=CLIENTS {
        let key = (SourceName::new("shop"), NativeId::new(format!("p{number}")));
        assert_eq!(
            store.posts(&[key]).await.unwrap().len(),
            1,
            "complaint no. {number}"
        );
    }
    assert!(cases.iter().all(|case| case.posts == 1));
    store.close().await;
    let (code, said) = command(&["audit", "verify"], &town.config).await;
    assert!(code == Some(0) && said.contains("The log is sound"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_change_nothing() {
    tokio::time::timeout(GUARD * 4, hung_up(None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_change_nothing_on_postgres() {
    if let Some(database) = postgres::database().await {
        tokio::time::timeout(GUARD * 4, hung_up(Some(database)))
            .await
            .unwrap();
    }
}

/// The process is replaced while replies are given; a second one that begins beside it is refused.
async fn replaced_under_load(database: Option<String>) {
    const ROUNDS: i64 = 5;
    let town = Town::found(database).await;
    let mut process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    for number in 1..=ROUNDS {
        town.complaint(&process, usize::try_from(number).unwrap()).await;
        town.slack.thread(number).await;
        let (code, said) = command(&["serve"], &town.config).await;
        assert!(
            code == Some(1) && said.contains("another Hearback is running"),
            "{said}"
        );
        let answer = town
            .slack
            .command("U0ADA", "/reply", &format!("{number} Sorry, no. {number}."))
            .await;
        assert!(answer.starts_with("This goes out publicly"), "{answer}");
        // Softly, while the reply goes out; or before it has gone.
        if number % 2 == 0 {
            town.shop.called(usize::try_from(number).unwrap()).await;
        }
        process.terminate();
        let ended = tokio::task::spawn_blocking(|| process.ended());
        let (code, said) = tokio::time::timeout(GUARD, ended).await.unwrap().unwrap();
        assert_eq!(code, Some(0), "{said}");
        process = Process::start(&town.config).await;
        town.slack.connected(2).await;
        let card = town.slack.thread(number).await;
        town.slack.said(&card.ts, "The reply is published").await;
    }
    process.kill();
    assert_eq!(town.shop.replies().len(), usize::try_from(ROUNDS).unwrap());
    assert_eq!(town.slack.problems(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_after_the_other_doubles_nothing() {
    tokio::time::timeout(GUARD * 4, replaced_under_load(None))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_after_the_other_doubles_nothing_on_postgres() {
    if let Some(database) = postgres::database().await {
        tokio::time::timeout(GUARD * 4, replaced_under_load(Some(database)))
            .await
            .unwrap();
    }
}

/// What keeps the database from taking a claim.
enum Barrier {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Barrier {
    async fn close(database: &str) -> Self {
        if database.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(database).await.unwrap();
            sqlx::raw_sql("BEGIN IMMEDIATE")
                .execute(&mut connection)
                .await
                .unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(database).await.unwrap();
        let lock = "BEGIN; LOCK TABLE replies IN EXCLUSIVE MODE";
        sqlx::raw_sql(lock).execute(&mut connection).await.unwrap();
        Self::Postgres(connection)
    }

    async fn open(self) {
        match self {
            Self::Sqlite(mut connection) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            Self::Postgres(mut connection) => {
                sqlx::raw_sql("ROLLBACK").execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    }
}

/// For how long a process is stopped: a little longer than its lease of two seconds. Two minutes with
/// `HEARBACK_STOP_SECONDS=120 cargo test --test it stopped`.
#[expect(
    clippy::disallowed_methods,
    reason = "the test run is steered by the environment"
)]
fn stopped_for() -> Duration {
    let told = std::env::var("HEARBACK_STOP_SECONDS").ok();
    Duration::from_secs(told.map_or(4, |seconds| seconds.parse().unwrap()))
}

/// The sender is stopped (SIGSTOP) in its claim, for longer than its lease, and goes on (SIGCONT).
async fn stopped_in_its_claim(database: Option<String>) {
    let town = Town::found(database).await;
    let text = std::fs::read_to_string(&town.config).unwrap();
    let text = text
        .replace("hold = \"0s\"", "hold = \"1s\"")
        .replace("timeout = \"5s\"", "timeout = \"1s\"");
    std::fs::write(&town.config, text).unwrap();
    let database = town.database.clone();
    let process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    town.complaint(&process, 1).await;
    let card = town.slack.thread(1).await;
    let answer = town.slack.command("U0ADA", "/reply", "1 Sorry.").await;
    assert!(answer.starts_with("This goes out publicly"), "{answer}");
    let barrier = Barrier::close(&database).await;
    // The hold ends, and the claim stands before the barrier.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(town.shop.calls().len(), 0, "it has not begun");
    process.stop().await;
    barrier.open().await;
    tokio::time::sleep(stopped_for()).await;
    process.signal("-CONT");
    town.slack.said(&card.ts, "The reply is published").await;
    process.kill();
    assert_eq!(
        town.shop.calls().len(),
        1,
        "nothing was sent late, and it was sent once"
    );
    assert_eq!(town.shop.replies().len(), 1);
    let store = Store::open(&database).await.unwrap();
    let history = store.attempts(ReplyId(1)).await.unwrap();
    let last = history.iter().map(|row| row.fence).max();
    let sent = history
        .iter()
        .filter(|row| row.what == "sent")
        .map(|row| row.fence);
    assert_eq!(
        sent.collect::<Vec<_>>(),
        last.into_iter().collect::<Vec<_>>(),
        "{history:#?}"
    );
    let late = history
        .iter()
        .any(|row| row.what == "delayed" && row.detail.contains("held up for too long"));
    let broken = history.iter().filter(|row| row.what == "claimed").count() == 1;
    assert!(
        late || broken,
        "the claim that was held up sent nothing: {history:#?}"
    );
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_was_stopped_sends_nothing_late() {
    let limit = GUARD * 3 + stopped_for();
    tokio::time::timeout(limit, stopped_in_its_claim(None))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_was_stopped_sends_nothing_late_on_postgres() {
    if let Some(database) = postgres::database().await {
        let limit = GUARD * 3 + stopped_for();
        tokio::time::timeout(limit, stopped_in_its_claim(Some(database)))
            .await
            .unwrap();
    }
}
