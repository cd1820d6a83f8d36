//! A backup is restored, twenty times: what was sent since then is forgotten, and nothing is sent again
//! by itself. All that the database thinks unsent is looked for and then a person is asked; nothing at
//! all goes out until somebody adopts the database, and then what was given since goes.

use super::{Day, Life};
use crate::fake::postgres;
use hearback::app::{Input, Response};
use hearback::domain::*;
use hearback::store::{Seal, Store};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// How often.
const TIMES: usize = 20;

/// Makes a copy of a database, and puts it back in its place.
enum Backup {
    Sqlite { file: PathBuf },
    Postgres { url: String, dump: PathBuf },
}

impl Backup {
    fn make(&self) {
        match self {
            Self::Sqlite { file } => drop(std::fs::copy(file, file.with_extension("backup")).unwrap()),
            Self::Postgres { url, dump } => {
                let mut program = Command::new("pg_dump");
                succeeds(program.arg("--file").arg(dump).arg(url));
            }
        }
    }

    fn restore(&self) {
        match self {
            Self::Sqlite { file } => drop(std::fs::copy(file.with_extension("backup"), file).unwrap()),
            Self::Postgres { url, dump } => {
                let quiet = ["--quiet", "--set", "ON_ERROR_STOP=1", "--output", "/dev/null"];
                let anew =
                    "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public";
                let psql = || {
                    let mut program = Command::new("psql");
                    program.args(quiet).arg(url);
                    program
                };
                succeeds(psql().args(["--command", anew]));
                succeeds(psql().arg("--file").arg(dump));
            }
        }
    }
}

fn succeeds(program: &mut Command) {
    let output = program.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program:?}: {said}");
}

impl Day {
    /// The process ends as it is told to.
    async fn end(&mut self) {
        let Life { app, store } = self.life.take().unwrap();
        drop(app);
        store.close().await;
    }

    async fn answers(&mut self, case: CaseNumber) -> ReplyId {
        self.resume_all().await;
        let line = format!(
            "reply {} We are sorry. It is fixed now m{}",
            case.0, self.tally.given
        );
        self.tally.given += 1;
        let response = self.says("Lee", Input::Text(line)).await;
        assert!(matches!(response, Response::Done(_)), "{response:?}");
        let replies = self.store().replies_of(case).await.unwrap();
        replies.iter().map(|reply| reply.id).max().unwrap()
    }

    async fn new_case(&mut self, at: usize) -> CaseNumber {
        let network = Arc::clone(&self.networks[at]);
        let id = network.write(
            &format!("c{}", self.tally.given),
            None,
            "It does not work.".to_owned(),
        );
        self.seen(&network.source, network.sighting(&id)).await;
        self.store().posts(&[(network.source.clone(), id)]).await.unwrap()[0].case
    }

    async fn passes(&mut self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.settle().await;
    }

    async fn state(&self, reply: ReplyId) -> ReplyState {
        self.store().replies(&[reply]).await.unwrap()[0].state
    }

    fn standing(&self, reply: ReplyId) -> usize {
        let stands = self.networks.iter().flat_map(|network| network.stands());
        stands.filter(|stand| stand.reply == Some(reply)).count()
    }
}

async fn restored_again_and_again(url: &str, seal: PathBuf, backup: Backup) {
    let mut day = Day::begin(7, url.to_owned(), seal.clone()).await;
    day.calm = true;
    day.chat.calms_down();
    day.networks.iter().for_each(|network| network.calms_down());
    // The network `id` wants a yes for everything; the other three send what a lead says.
    let at = |name: &str| {
        ["key", "id", "lookup", "none"]
            .iter()
            .position(|known| *known == name)
            .unwrap()
    };
    let networks = [at("key"), at("lookup"), at("none")];
    for _ in 0..TIMES {
        // Sent before the backup; given before it and sent after; given before it and taken back after.
        let mut before = Vec::new();
        let mut across = Vec::new();
        let mut never = Vec::new();
        for network in networks {
            let case = day.new_case(network).await;
            before.push(day.answers(case).await);
        }
        day.passes(60).await;
        for network in networks {
            let (one, other) = (day.new_case(network).await, day.new_case(network).await);
            across.push(day.answers(one).await);
            never.push((day.answers(other).await, other));
        }
        day.end().await;
        backup.make();
        day.start().await;
        for (_, case) in &never {
            let line = Input::Text(format!("cancel {}", case.0));
            day.says("Lee", line).await;
        }
        day.passes(60).await;
        // And some of which the backup knows nothing.
        let mut after = Vec::new();
        for network in networks {
            let case = day.new_case(network).await;
            after.push(day.answers(case).await);
        }
        day.passes(60).await;
        for reply in before.iter().chain(&across).chain(&after) {
            assert_eq!(day.standing(*reply), 1);
        }
        let all: usize = day.networks.iter().map(|network| network.stands().len()).sum();
        day.end().await;
        backup.restore();

        day.start_on(|standing| matches!(standing, Standing::RolledBack { .. }))
            .await;
        let case = day.new_case(at("lookup")).await;
        let new = day.answers(case).await;
        assert!(
            new > *after.iter().max().unwrap(),
            "no number is handed out twice"
        );
        for _ in 0..10 {
            day.passes(120).await;
        }
        let now: usize = day.networks.iter().map(|network| network.stands().len()).sum();
        assert_eq!(now, all, "something was sent by itself");
        for reply in &before {
            assert_eq!(day.state(*reply).await, ReplyState::Sent);
        }
        for (reply, network) in across.iter().zip(["key", "lookup", "none"]) {
            let expected = if network == "none" {
                ReplyState::NeedsHuman
            } else {
                ReplyState::Sent
            };
            assert_eq!(day.state(*reply).await, expected, "{network}: it stands there");
        }
        for (reply, _) in &never {
            assert_eq!(
                day.state(*reply).await,
                ReplyState::NeedsHuman,
                "nobody knows: a person is asked"
            );
        }
        assert!(matches!(
            day.state(new).await,
            ReplyState::Held | ReplyState::Queued
        ));

        day.end().await;
        let store = Store::open(url).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(day.clock.clone());
        let adopted = Seal::open(&store, seal.clone(), clock)
            .await
            .unwrap()
            .adopt()
            .await
            .unwrap();
        assert_eq!(adopted, Standing::Sound);
        store.close().await;
        day.start().await;
        for _ in 0..3 {
            day.passes(120).await;
        }
        assert_eq!((day.state(new).await, day.standing(new)), (ReplyState::Sent, 1));
        let now: usize = day.networks.iter().map(|network| network.stands().len()).sum();
        assert_eq!(now, all + 1, "and nothing else");
        for reply in never.iter().map(|(reply, _)| reply).chain(&after) {
            assert!(day.standing(*reply) <= 1);
        }
    }
    day.end().await;
}

#[tokio::test]
async fn a_restored_copy_of_the_file_sends_nothing_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("h.db");
    let url = format!("sqlite:{}", file.display());
    restored_again_and_again(&url, folder.path().join("h.seal"), Backup::Sqlite { file }).await;
}

#[tokio::test]
async fn a_restored_dump_sends_nothing_again() {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let Some(url) = postgres::database()
        .await
        .filter(|_| there("pg_dump") && there("psql"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let dump = folder.path().join("dump.sql");
    let backup = Backup::Postgres {
        url: url.clone(),
        dump,
    };
    restored_again_and_again(&url, folder.path().join("h.seal"), backup).await;
}
