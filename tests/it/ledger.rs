//! Several sources at once: while one batch is being committed the next is made ready on top of it. What
//! the database refuses meanwhile costs nobody else a post, a number or a place in the log.

use crate::fake::complaint::complaint;
use crate::fake::postgres;
use hearback::app::{App, Parts};
use hearback::domain::case::fold;
use hearback::domain::*;
use hearback::store::{CaseFilter, Seal, Store};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

const SOURCES: usize = 4;
const CALLS: usize = 25;
const POSTS: usize = 8;
/// In every so many calls of a source one post is refused by the database.
const REFUSED: usize = 5;

/// A call's posts; the third one of every fifth call is of a kind that the database takes from nobody.
fn call(source: &SourceName, number: usize, at: Instant) -> Vec<Sighting> {
    let id = |place| match number.is_multiple_of(REFUSED) && place == 2 {
        true => format!("refused{number}"),
        false => format!("p{number}-{place}"),
    };
    let post = |place: usize| complaint(source, &id(place), at);
    (0..POSTS)
        .map(|place| Sighting::Post(Box::new(post(place))))
        .collect()
}

async fn side_by_side(database: &str) {
    let store = Store::open(database).await.unwrap();
    refuse_some(database).await;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let parts = Parts::around(store.clone(), Arc::clone(&clock));
    let app = App::start(parts, &TaskTracker::new()).await.unwrap();
    let mut sources = JoinSet::new();
    for number in 0..SOURCES {
        let (inbound, at) = (app.inbound.clone(), clock.now());
        sources.spawn(async move {
            let source = SourceName::new(format!("shop{number}"));
            let (mut accepted, mut set_aside) = (0, 0);
            for number in 0..CALLS {
                let sightings = call(&source, number, at);
                let intake = inbound.posts_seen(&source, sightings, None).await.unwrap();
                accepted += intake.accepted;
                set_aside += intake.set_aside;
            }
            (accepted, set_aside)
        });
    }
    let refused = CALLS / REFUSED;
    for (accepted, set_aside) in sources.join_all().await {
        assert_eq!((accepted, set_aside), (CALLS * POSTS - refused, refused));
    }
    let cases = store.list_cases(&CaseFilter::default(), i64::MAX).await.unwrap();
    let expected = SOURCES * (CALLS * POSTS - refused);
    let people: BTreeSet<_> = cases.iter().map(|case| (&case.source, &case.author)).collect();
    assert_eq!((cases.len(), people.len()), (expected, expected));
    let counters = store.counters().await.unwrap();
    assert_eq!(counters.by_status[Status::New as usize], expected as i64);
    let mut last = 0;
    for case in &cases {
        assert!(case.number.0 > last && case.number.0 <= counters.case);
        last = case.number.0;
        let log = store.events_of(case.number, EventId(0), i64::MAX).await.unwrap();
        let log = log.iter().map(|record| (&record.event, record.at));
        assert_eq!(fold(case.number, log).as_ref(), Some(case));
    }
    let folder = tempfile::tempdir().unwrap();
    let seal = Seal::open(&store, folder.path().join("seal"), clock)
        .await
        .unwrap();
    let report = seal.verify(None).await.unwrap();
    assert_eq!((report.faults, report.unproven), (Vec::new(), 0));
    drop(app);
    store.close().await;
}

/// The database takes no post whose id begins so.
async fn refuse_some(database: &str) {
    if let Some(path) = database.strip_prefix("sqlite:") {
        let mut connection = SqliteConnection::connect(path).await.unwrap();
        let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON posts WHEN NEW.id LIKE 'refused%' \
            BEGIN SELECT RAISE(ABORT, 'not this one'); END";
        connection.execute(refuse).await.unwrap();
        connection.close().await.unwrap();
    } else {
        let mut connection = PgConnection::connect(database).await.unwrap();
        let refuse = "ALTER TABLE posts ADD CONSTRAINT refuse CHECK (id NOT LIKE 'refused%')";
        connection.execute(refuse).await.unwrap();
        connection.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_side_by_side_cost_each_other_nothing() {
    let folder = tempfile::tempdir().unwrap();
    side_by_side(&format!("sqlite:{}", folder.path().join("h.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_side_by_side_cost_each_other_nothing_on_postgres() {
    if let Some(database) = postgres::database().await {
        side_by_side(&database).await;
    }
}
