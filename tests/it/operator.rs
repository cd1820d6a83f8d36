//! The operator's command line, as the real binary: beside a running Hearback, and without one.

use crate::fake::fault::Fault;
use crate::fake::postgres;
use crate::fake::slack::Posted;
use crate::restart::{GUARD, Process, Town, command};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// Each conversation is held on both engines.
macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                tokio::time::timeout(super::GUARD * 4, super::$name(None)).await.unwrap();
            })*
        }
        mod postgres_ {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                if let Some(database) = super::postgres::database().await {
                    tokio::time::timeout(super::GUARD * 4, super::$name(Some(database))).await.unwrap();
                }
            })*
        }
    };
}

on_both_engines! {
    a_reply_that_needs_a_person_is_found_read_and_resolved_beside_a_running_process
    that_a_reply_is_not_there_takes_two_persons
    without_a_running_process_it_is_the_same_and_the_thread_hears_of_it_later
    a_pause_counts_at_once_and_outlives_everything
    a_source_is_paused_by_itself
    a_process_that_hangs_publishes_nothing_after_a_pause
}

/// A town whose shop has no way to find out what became of a reply.
async fn town(database: Option<String>) -> Town {
    let town = Town::found(database).await;
    let text = std::fs::read_to_string(&town.config).unwrap();
    let text = text.replace("idempotency = \"lookup\"", "idempotency = \"none\"");
    std::fs::write(&town.config, text).unwrap();
    town
}

/// What a command said; it must have done what it was told.
async fn done(town: &Town, args: &[&str]) -> String {
    let (code, said) = command(args, &town.config).await;
    assert_eq!(code, Some(0), "{args:?}: {said}");
    said
}

/// What a command said that was refused.
async fn refused(town: &Town, args: &[&str], exit: i32) -> String {
    let (code, said) = command(args, &town.config).await;
    assert_eq!(code, Some(exit), "{args:?}: {said}");
    said
}

/// The same for programs.
async fn json(town: &Town, args: &[&str]) -> Value {
    let said = done(town, &[args, &["--json"]].concat()).await;
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// A complaint is answered, the shop does this with the answer, and nobody can find out.
async fn doubtful(town: &Town, fault: Fault) -> (Process, Posted) {
    let process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    town.complaint(&process, 1).await;
    let card = town.slack.thread(1).await;
    town.shop.faults().next("reply", fault);
    town.slack.command("U0ADA", "/reply", "1 Sorry.").await;
    town.slack.said(&card.ts, "Please look").await;
    (process, card)
}

async fn a_reply_that_needs_a_person_is_found_read_and_resolved_beside_a_running_process(
    database: Option<String>,
) {
    let town = town(database).await;
    let (process, card) = doubtful(&town, Fault::AcceptThenDrop).await;

    let list = done(&town, &["replies", "list", "--state", "needs_human"]).await;
    assert!(
        list.contains("needs_human") && list.contains("#1") && list.contains("Ada: Sorry."),
        "{list}"
    );
    let sent = json(&town, &["replies", "list", "--state", "sent"]).await;
    assert_eq!(sent["replies"], serde_json::json!([]));

    let shown = done(&town, &["replies", "show", "1"]).await;
    for words in [
        "Reply 1 to case #1: needs_human",
        "> Sorry.",
        "no. 1  claimed",
        "no. 1  uncertain",
        "Ada (slack)",
        "Hearback asked a person about the reply",
        "--there URL",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    let there = [
        "replies",
        "resolve",
        "1",
        "--there",
        "https://shop.example/replies/r1",
        "--by",
        "Olga",
    ];
    let said = done(&town, &there).await;
    assert!(said.contains("counts as published"), "{said}");
    assert!(!said.contains("does not run"), "{said}");
    town.slack.said(&card.ts, "The reply is published").await;

    let told = json(&town, &["replies", "show", "1"]).await;
    assert_eq!(told["reply"]["state"], "sent");
    assert_eq!(told["reply"]["url"], "https://shop.example/replies/r1");
    let last = told["events"].as_array().unwrap().last().unwrap();
    assert_eq!(last["event"]["type"], "reply_sent");
    assert_eq!(last["by"]["agent"]["name"], "Olga");
    assert_eq!(last["by"]["chat"], "command line");
    let attempts = told["attempts"].as_array().unwrap();
    assert_eq!(attempts.last().unwrap()["what"], "sent");

    let again = refused(&town, &there, 1).await;
    assert!(again.contains("Reply 1 is sent"), "{again}");
    assert_eq!(town.shop.replies().len(), 1);
    process.kill();
}

/// Says so until the platform cannot act any more.
async fn not_there(town: &Town, by: &str) -> String {
    loop {
        let (code, said) = command(
            &["replies", "resolve", "1", "--not-there", "--by", by],
            &town.config,
        )
        .await;
        if !said.contains("It may still appear") {
            assert_eq!(code, Some(0), "{said}");
            return said;
        }
        assert_eq!(code, Some(1), "{said}");
    }
}

async fn that_a_reply_is_not_there_takes_two_persons(database: Option<String>) {
    let town = town(database).await;
    let (process, card) = doubtful(&town, Fault::Drop).await;
    let first = not_there(&town, "ada").await;
    assert!(first.contains("A second person"), "{first}");
    let asked = town
        .slack
        .said(&card.ts, "Ada says that the reply is not there")
        .await;

    // Ada is one person, wherever she says it and however she writes her name.
    let again = refused(
        &town,
        &["replies", "resolve", "1", "--not-there", "--by", " ADA"],
        1,
    )
    .await;
    assert!(again.contains("You have said so already"), "{again}");
    let pressed = town.slack.press("U0ADA", &asked, "It is not: send again").await;
    let words = pressed.words();
    assert!(words.contains("You have said so already"), "{words}");
    assert_eq!(town.shop.calls().len(), 1);

    let second = not_there(&town, "Oleg").await;
    assert!(second.contains("is sent again"), "{second}");
    town.slack.said(&card.ts, "The reply is published").await;
    assert_eq!(town.shop.replies().len(), 1);
    process.kill();
}

async fn without_a_running_process_it_is_the_same_and_the_thread_hears_of_it_later(database: Option<String>) {
    let town = town(database).await;
    let (process, card) = doubtful(&town, Fault::Drop).await;
    process.kill();

    let list = json(&town, &["replies", "list"]).await;
    assert_eq!(list["replies"][0]["state"], "needs_human");
    let unknown = refused(&town, &["replies", "show", "9"], 1).await;
    assert!(unknown.contains("There is no reply 9"), "{unknown}");
    let first = not_there(&town, "Olga").await;
    assert!(
        first.contains("A second person") && first.contains("does not run"),
        "{first}"
    );
    let shown = done(&town, &["replies", "show", "1"]).await;
    assert!(shown.contains("Olga says that it is not there"), "{shown}");
    let told = json(&town, &["replies", "resolve", "1", "--give-up", "--by", "Olga"]).await;
    assert_eq!(
        (&told["ok"], &told["reply"]["state"]),
        (&Value::Bool(true), &"abandoned".into())
    );
    let over = refused(&town, &["replies", "resolve", "1", "--give-up"], 1).await;
    assert!(over.contains("Reply 1 is abandoned"), "{over}");

    let process = Process::start(&town.config).await;
    town.slack.said(&card.ts, "gave the reply up").await;
    assert_eq!(town.shop.calls().len(), 1);
    process.kill();
}

async fn a_pause_counts_at_once_and_outlives_everything(database: Option<String>) {
    let town = town(database).await;
    let process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    town.complaint(&process, 1).await;
    let card = town.slack.thread(1).await;

    let said = done(&town, &["pause", "--reason", "Wrong tone", "--by", "Olga"]).await;
    assert!(said.starts_with("Publishing is paused"), "{said}");
    town.slack.command("U0ADA", "/reply", "1 Sorry.").await;
    town.slack.said(&card.ts, "Publishing is paused by Olga").await;
    town.slack.shows(&card.ts, "Publishing is paused by Olga").await;
    let again = json(&town, &["pause", "--by", "Oleg"]).await;
    assert_eq!(again["changed"], false);
    assert_eq!(again["before"]["by"], "Olga");
    assert_eq!(again["before"]["reason"], "Wrong tone");
    process.kill();

    let process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    // Another reply of another case takes its turn behind the one that waits.
    town.complaint(&process, 2).await;
    let second = town.slack.thread(2).await;
    town.slack.command("U0ADA", "/reply", "2 Sorry, too.").await;
    town.slack.said(&second.ts, "Publishing is paused by Olga").await;
    let shown = done(&town, &["replies", "show", "1"]).await;
    assert!(shown.contains("Publishing is paused by Olga"), "{shown}");
    assert_eq!(town.shop.calls(), Vec::<String>::new());

    let resumed = done(&town, &["resume", "--by", "Oleg"]).await;
    assert!(
        resumed.contains("goes on")
            && resumed.contains("It was paused by Olga")
            && resumed.contains("Wrong tone"),
        "{resumed}"
    );
    town.shop.called(2).await;
    town.slack.said(&card.ts, "The reply is published").await;
    let idle = done(&town, &["resume"]).await;
    assert!(idle.contains("is not paused; nothing changed"), "{idle}");
    process.kill();
}

async fn a_source_is_paused_by_itself(database: Option<String>) {
    let town = town(database).await;
    // Before anything ran there is nothing to pause.
    let none = refused(&town, &["pause"], 1).await;
    assert!(none.contains("`hearback serve`"), "{none}");
    let process = Process::start(&town.config).await;
    let unknown = refused(&town, &["pause", "--source", "shpo"], 2).await;
    assert!(unknown.contains("did you mean \"shop\"?"), "{unknown}");

    let paused = json(&town, &["pause", "--source", "shop", "--by", "Olga"]).await;
    assert_eq!(
        (&paused["source"], &paused["changed"]),
        (&"shop".into(), &Value::Bool(true))
    );
    let all = done(&town, &["resume"]).await;
    assert!(
        all.contains("nothing changed") && all.contains("shop is paused by Olga"),
        "{all}"
    );
    done(&town, &["pause", "--by", "Oleg"]).await;
    let one = json(&town, &["resume", "--source", "shop"]).await;
    assert_eq!(one["changed"], true);
    assert_eq!(one["others"][0]["by"], "Oleg");
    // With a process or without one.
    process.kill();
    let last = json(&town, &["resume"]).await;
    assert_eq!(
        (&last["changed"], &last["others"]),
        (&Value::Bool(true), &serde_json::json!([]))
    );
    // Who did it is somebody, also where nobody said so.
    done(&town, &["pause"]).await;
    let by = json(&town, &["pause"]).await;
    assert!(
        by["before"]["by"].as_str().is_some_and(|name| !name.is_empty()),
        "{by}"
    );
}

async fn a_process_that_hangs_publishes_nothing_after_a_pause(database: Option<String>) {
    let town = town(database).await;
    let process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    town.complaint(&process, 1).await;
    let card = town.slack.thread(1).await;
    town.hang(&process).await;
    done(&town, &["pause", "--by", "Olga"]).await;
    process.signal("-CONT");
    town.slack.command("U0ADA", "/reply", "1 Sorry.").await;
    town.slack.said(&card.ts, "Publishing is paused by Olga").await;
    assert_eq!(town.shop.calls(), Vec::<String>::new());
    done(&town, &["resume"]).await;
    town.shop.called(1).await;
    process.kill();
}

/// SQLite has one writer: who hangs in the middle of a commit is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_waits_for_who_holds_the_database() {
    let town = town(None).await;
    Process::start(&town.config).await.kill();
    let mut holder = SqliteConnection::connect(&town.database).await.unwrap();
    sqlx::raw_sql("BEGIN IMMEDIATE")
        .execute(&mut holder)
        .await
        .unwrap();
    let mut pausing = Command::new(env!("CARGO_BIN_EXE_hearback"))
        .args(["pause", "--by", "Olga", "--config"])
        .arg(&town.config)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(pausing.stderr.take().unwrap());
    let waits = tokio::task::spawn_blocking(|| said.lines().next().unwrap().unwrap());
    let waits = tokio::time::timeout(GUARD, waits).await.unwrap().unwrap();
    assert!(waits.contains("kill -9"), "{waits}");
    sqlx::raw_sql("ROLLBACK").execute(&mut holder).await.unwrap();
    let ended = tokio::task::spawn_blocking(move || pausing.wait().unwrap());
    let ended = tokio::time::timeout(GUARD, ended).await.unwrap().unwrap();
    assert!(ended.success());
    let paused = json(&town, &["pause"]).await;
    assert_eq!(
        (&paused["changed"], &paused["before"]["by"]),
        (&Value::Bool(false), &"Olga".into())
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_nobody_takes_is_taken_back() {
    let town = town(None).await;
    let (process, _) = doubtful(&town, Fault::Drop).await;
    town.hang(&process).await;
    let said = refused(
        &town,
        &["replies", "resolve", "1", "--give-up", "--by", "Olga"],
        1,
    )
    .await;
    assert!(said.contains("taken back and nothing changed"), "{said}");
    process.signal("-CONT");
    // The next order is taken; had the first one been, there were nothing left to say.
    let said = done(&town, &["replies", "resolve", "1", "--give-up", "--by", "Oleg"]).await;
    assert!(said.contains("is given up"), "{said}");
    let told = json(&town, &["replies", "show", "1"]).await;
    assert_eq!(
        told["events"].as_array().unwrap().last().unwrap()["by"]["agent"]["name"],
        "Oleg"
    );
    process.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looking_makes_no_database_and_wrong_usage_is_told() {
    let town = Town::found(None).await;
    for args in [
        vec!["replies", "list"],
        vec!["replies", "show", "1"],
        vec!["replies", "resolve", "1", "--give-up"],
        vec!["pause"],
        vec!["resume"],
    ] {
        let said = refused(&town, &args, 1).await;
        assert!(said.contains("hearback.db yet"), "{args:?}: {said}");
    }
    let made: Vec<_> = std::fs::read_dir(town.config.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(made, ["hearback.toml"]);

    let state = refused(&town, &["replies", "list", "--state", "needs_humen"], 2).await;
    assert!(
        state.contains("needs_human") && state.contains("pending_approval"),
        "{state}"
    );
    let finding = refused(&town, &["replies", "resolve", "1"], 2).await;
    assert!(finding.contains("--not-there"), "{finding}");
    std::fs::write(&town.config, "[server]\nlisten = 1\n").unwrap();
    for args in [vec!["replies", "list"], vec!["pause"]] {
        let said = refused(&town, &args, 2).await;
        assert!(said.contains("hearback.toml"), "{args:?}: {said}");
    }
}
