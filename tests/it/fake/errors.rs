//! What was logged as an error, by the runtime of the test in which it happened: tests run at the same
//! time, and each answers for its own.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Mutex, Once, PoisonError};
use tokio::runtime::{Handle, Id};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

static LOGGED: Mutex<Option<HashMap<Id, Vec<String>>>> = Mutex::new(None);

/// Begins to write down; what other tests do before is not missed by anybody.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing_subscriber::registry().with(Errors).init());
}

/// What was logged as an error in this test since it was last asked.
pub fn take() -> Vec<String> {
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let here = Handle::current().id();
    logged.get_or_insert_default().remove(&here).unwrap_or_default()
}

struct Errors;

impl<S: Subscriber> Layer<S> for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        *metadata.level() == Level::ERROR && metadata.target().starts_with("hearback")
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Ok(here) = Handle::try_current() else { return };
        let mut line = Line(String::new());
        event.record(&mut line);
        let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = logged.get_or_insert_default().entry(here.id()).or_default();
        lines.push(line.0);
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_seen_by_the_test_that_made_it_alone() {
    watch();
    let tasks = tokio_util::task::TaskTracker::new();
    tasks
        .spawn(async { tracing::error!(target: "hearback::test", at = 7, "A fault.") })
        .await
        .unwrap();
    tracing::warn!(target: "hearback::test", "Not so bad.");
    assert_eq!(take(), ["message=A fault. at=7 "]);
    assert_eq!(take(), Vec::<String>::new());
}
