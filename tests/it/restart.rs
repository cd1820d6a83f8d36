//! The real binary: killed at any moment and started again (what was accepted is there once), told to
//! stop, and refused.

use crate::fake::fault::Fault;
use crate::fake::postgres;
use crate::fake::slack::{BOT, CHANNEL, ESCALATIONS, SlackFake};
use crate::fake::webhook::{SECRET, Shop};
use hearback::domain::{Clock, SystemClock};
use hearback::store::Store;
use serde_json::json;
use sqlx::Connection as _;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long anything is waited for.
pub const GUARD: Duration = Duration::from_secs(30);

/// The binary, running.
pub struct Process {
    child: Child,
    pub url: Url,
    log: Option<BufReader<ChildStderr>>,
}

impl Process {
    /// Starts it, and waits until it says that it is ready.
    pub async fn start(config: &Path) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same, with more in its environment.
    pub async fn start_with(config: &Path, environment: &[(String, String)]) -> Self {
        let (config, environment) = (config.to_owned(), environment.to_vec());
        tokio::task::spawn_blocking(move || Self::spawn(&config, environment))
            .await
            .unwrap()
    }

    #[expect(
        clippy::zombie_processes,
        reason = "`kill` waits for it; a failed test ends with its process"
    )]
    fn spawn(config: &Path, environment: Vec<(String, String)>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hearback"))
            .args(["serve", "--config"])
            .arg(config)
            .envs(environment)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        loop {
            let mut line = String::new();
            assert!(
                log.read_line(&mut line).unwrap() > 0,
                "it ended instead of getting ready: {said}"
            );
            if line.contains("Hearback is ready") {
                let address = line.split("addr=").nth(1).unwrap().trim();
                let address: String = address
                    .chars()
                    .take_while(|c| !c.is_whitespace() && *c != '\u{1b}')
                    .collect();
                let url = Url::parse(&format!("http://{address}")).unwrap();
                return Self {
                    child,
                    url,
                    log: Some(log),
                };
            }
            said += &line;
        }
    }

    /// kill -TERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Stops it, and waits until each of its threads stands: on a busy machine some run on for a while.
    pub async fn stop(&self) {
        self.signal("-STOP");
        while !self.stands() {
            tokio::task::yield_now().await;
        }
    }

    /// Whether all of its threads are stopped (`proc_pid_stat(5)`: the state follows the name in brackets).
    fn stands(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let mut states = threads.filter_map(|thread| {
            let told = std::fs::read_to_string(thread.unwrap().path().join("stat")).ok()?;
            told.rsplit(") ").next()?.chars().next()
        });
        states.all(|state| state == 'T')
    }

    /// Sends it a signal: `-CONT`.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Reads what it says until these words come.
    fn says(&mut self, words: &str) {
        let log = self.log.as_mut().unwrap();
        let mut said = String::new();
        while !said.lines().last().is_some_and(|line| line.contains(words)) {
            assert!(
                log.read_line(&mut said).unwrap() > 0,
                "it ended and did not say {words:?}: {said}"
            );
        }
    }

    /// Waits until it ends, and tells its exit code and what it still said.
    pub fn ended(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut log = self.log.take().unwrap();
        std::io::Read::read_to_string(&mut log, &mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        drop(self.log.take());
    }
}

/// A shop, a workspace, and a configuration that joins them.
pub struct Town {
    pub slack: SlackFake,
    pub shop: Shop,
    pub config: PathBuf,
    pub database: String,
    _folder: tempfile::TempDir,
}

impl Town {
    pub async fn found(database: Option<String>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let slack = SlackFake::start(Arc::clone(&clock)).await;
        let shop = Shop::open(clock, false).await;
        let folder = tempfile::tempdir().unwrap();
        let database =
            database.unwrap_or_else(|| format!("sqlite:{}", folder.path().join("hearback.db").display()));
        let section = slack.config();
        let config = folder.path().join("hearback.toml");
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[database]
url = "{database}"
seal = "{seal}"
[reply]
hold = "0s"
timeout = "2s"
settle = "1s"
[slack]
bot_token = "{bot}"
app_token = "{app}"
channel = "{CHANNEL}"
api_url = "{api}"
[[source]]
name = "shop"
platform = "webhook"
secret = "{SECRET}"
reply_url = "{reply}"
lookup_url = "{lookup}"
idempotency = "lookup"
[[agent]]
name = "Ada"
slack = "U0ADA"
roles = ["agent"]
[[team]]
name = "managers"
slack_channel = "{ESCALATIONS}"
members = ["Ada"]
"#,
            seal = folder.path().join("hearback.seal").display(),
            bot = secret(&section.bot_token),
            app = secret(section.app_token.as_ref().unwrap()),
            api = section.api_url,
            reply = shop.reply_url(),
            lookup = shop.lookup_url(),
        );
        std::fs::write(&config, text).unwrap();
        Self {
            slack,
            shop,
            config,
            database,
            _folder: folder,
        }
    }

    /// Stops the process, while it writes nothing.
    pub async fn hang(&self, process: &Process) {
        process.stop().await;
        while Store::look(&self.database).await.is_err() {
            process.signal("-CONT");
            tokio::task::yield_now().await;
            process.stop().await;
        }
    }

    /// A customer writes; the shop gets its answer from Hearback.
    pub async fn complaint(&self, process: &Process, number: usize) {
        let to = process.url.join("/webhooks/shop").unwrap();
        let post = json!({
            "id": format!("p{number}"), "author": {"id": format!("u{number}"), "handle": "ann"},
            "text": format!("complaint no. {number}."),
        });
        let (status, _) = self.shop.send(&to, &post).await;
        assert_eq!(status, 202);
    }

    pub fn cards(&self) -> Vec<String> {
        let cards = self.slack.messages(CHANNEL).into_iter();
        cards
            .filter(|message| message.thread.is_none() && message.user == BOT)
            .map(|card| card.shown())
            .collect()
    }
}

fn secret(secret: &secrecy::SecretString) -> &str {
    use secrecy::ExposeSecret as _;
    secret.expose_secret()
}

/// Kills the binary around everything that is accepted, and counts what came of it.
async fn survives(database: Option<String>) {
    let town = Town::found(database).await;
    let slack = &town.slack;
    let cases = 8;
    for number in 1..=cases {
        let process = Process::start(&town.config).await;
        town.complaint(&process, number).await;
        if number % 2 == 0 {
            // Killed while, or just after, the card goes out.
            slack
                .until("a card", |_| (town.cards().len() >= number).then_some(()))
                .await;
        }
        process.kill();
    }
    let process = Process::start(&town.config).await;
    slack
        .until("all cards", |_| (town.cards().len() >= cases).then_some(()))
        .await;
    slack.connected(2).await;
    process.kill();

    for number in 1..=cases {
        let process = Process::start(&town.config).await;
        slack.connected(2).await;
        let number_of = i64::try_from(number).unwrap();
        let answer = slack
            .command("U0ADA", "/reply", &format!("{number_of} Sorry, no. {number}."))
            .await;
        assert!(answer.starts_with("This goes out publicly"), "{answer}");
        if number % 3 != 0 {
            town.shop.called(number).await;
        }
        process.kill();
        let process = Process::start(&town.config).await;
        let text = format!("Sorry, no. {number}.");
        let card = slack.thread(number_of).await;
        slack.said(&card.ts, "The reply is published").await;
        let there = town
            .shop
            .replies()
            .iter()
            .filter(|reply| reply["text"] == text.as_str())
            .count();
        assert_eq!(there, 1, "{text}");
        process.kill();
    }

    let cards = town.cards();
    for number in 1..=cases {
        let words = format!("complaint no. {number}.");
        assert_eq!(
            cards.iter().filter(|card| card.contains(&words)).count(),
            1,
            "{words}"
        );
    }
    assert_eq!(town.shop.replies().len(), cases);
    assert_eq!(slack.problems(), Vec::<String>::new());
    let (code, said) = command(&["audit", "verify"], &town.config).await;
    assert!(code == Some(0) && said.contains("The log is sound"), "{said}");
    let (_, said) = command(&["doctor"], &town.config).await;
    assert!(said.contains("the database is the one that was sealed"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_loses_and_doubles_nothing() {
    tokio::time::timeout(GUARD * 4, survives(None)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_on_postgres_too() {
    let Some(database) = postgres::database().await else {
        return;
    };
    tokio::time::timeout(GUARD * 4, survives(Some(database)))
        .await
        .unwrap();
}

/// A process whose reply hangs at the shop, told once to stop.
async fn stopping(town: &Town) -> Process {
    let process = Process::start(&town.config).await;
    town.slack.connected(2).await;
    town.complaint(&process, 1).await;
    town.slack.thread(1).await;
    town.shop.faults().next("reply", Fault::Hang);
    town.slack.command("U0ADA", "/reply", "1 Sorry.").await;
    town.shop.called(1).await;
    tokio::task::spawn_blocking(|| {
        let mut process = process;
        process.terminate();
        process.says("A second signal stops at once");
        process
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_signal_lets_what_is_under_way_end() {
    let town = Town::found(None).await;
    let process = stopping(&town).await;
    let ended = tokio::task::spawn_blocking(|| process.ended());
    let (code, said) = tokio::time::timeout(GUARD, ended).await.unwrap().unwrap();
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_stops_at_once() {
    let town = Town::found(None).await;
    let process = stopping(&town).await;
    process.terminate();
    let ended = tokio::task::spawn_blocking(|| process.ended());
    let (code, said) = tokio::time::timeout(GUARD, ended).await.unwrap().unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Stopping at once"), "{said}");
}

/// What a command of the binary prints, and its exit code.
pub async fn command(args: &[&str], config: &Path) -> (Option<i32>, String) {
    command_with(args, config, &[]).await
}

/// The same, with more in its environment.
pub async fn command_with(
    args: &[&str],
    config: &Path,
    environment: &[(String, String)],
) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearback"));
    command.args(args).arg("--config").arg(config);
    command.envs(environment.iter().cloned());
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = tokio::time::timeout(GUARD, output)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_makes_no_database_and_disturbs_none() {
    let town = Town::found(None).await;
    let file = town.config.with_file_name("hearback.db");
    let (code, said) = command(&["doctor"], &town.config).await;
    assert!(said.contains("the database can be made"), "{said}");
    assert!(!file.exists() && code == Some(0), "{said}");
    let process = Process::start(&town.config).await;
    let (code, said) = command(&["doctor"], &town.config).await;
    assert!(said.contains("its tables are up to date"), "{said}");
    assert_eq!(code, Some(0), "{said}");
    for alone in [
        &["serve"][..],
        &["adopt"],
        &["erase", "--source", "shop", "--author", "u1"],
    ] {
        let (code, said) = command(alone, &town.config).await;
        assert!(said.contains("another Hearback is running"), "{alone:?}: {said}");
        assert_eq!(code, Some(1));
    }
    process.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_about_the_records() {
    let town = Town::found(None).await;
    let (code, said) = command(&["audit", "verify"], &town.config).await;
    assert!(
        code == Some(1) && said.contains("`hearback serve` makes it"),
        "{said}"
    );
    let process = Process::start(&town.config).await;
    town.complaint(&process, 1).await;
    let (code, said) = command(&["audit", "verify"], &town.config).await;
    assert!(
        code == Some(0) && said.contains("The log is sound: 1 events"),
        "{said}"
    );
    process.kill();

    let (code, said) = command(&["erase", "--source", "shop", "--author", "u1"], &town.config).await;
    assert!(code == Some(0) && said.contains("Erased, in #1"), "{said}");
    let (code, said) = command(&["audit", "verify", "--json"], &town.config).await;
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["sound"]), (Some(0), &json!(true)), "{said}");
    assert_eq!(report["log"]["events"], 2, "{said}");
    let (code, said) = command(&["adopt"], &town.config).await;
    assert!(
        code == Some(0) && said.contains("This database is the one"),
        "{said}"
    );

    // Tampered with.
    let url = format!("sqlite:{}", town.config.with_file_name("hearback.db").display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.unwrap();
    let sql = "UPDATE events SET at = at + 1 WHERE id = 1";
    sqlx::raw_sql(sql).execute(&mut database).await.unwrap();
    database.close().await.unwrap();
    let (code, said) = command(&["audit", "verify"], &town.config).await;
    assert!(code == Some(1) && said.contains("Event 1 does not fit"), "{said}");
    // The doctor sees the seal of another log.
    std::fs::write(town.config.with_file_name("hearback.seal"), "{}").unwrap();
    let (code, said) = command(&["doctor"], &town.config).await;
    assert!(code == Some(1) && said.contains("is damaged"), "{said}");
    let (code, said) = command(&["adopt"], &town.config).await;
    assert!(code == Some(1) && said.contains("hearback adopt --yes"), "{said}");
    let (code, said) = command(&["adopt", "--yes"], &town.config).await;
    assert!(
        code == Some(0) && said.contains("is the one that sends now"),
        "{said}"
    );
    let (code, _) = command(&["audit", "verify", "--nonsense"], &town.config).await;
    assert_eq!(code, Some(2));
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_key() {
    let town = Town::found(None).await;
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let text = std::fs::read_to_string(&town.config).unwrap();
    std::fs::write(&town.config, text.replace("127.0.0.1:0", &address)).unwrap();
    let (code, said) = command(&["serve"], &town.config).await;
    assert!(
        said.contains(&address) && said.contains("`listen` in [server]"),
        "{said}"
    );
    assert_eq!(code, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_database_another_one_took_ends_as_failed() {
    let Some(database) = postgres::database().await else {
        return;
    };
    let town = Town::found(Some(database.clone())).await;
    let process = Process::start(&town.config).await;
    let mut admin = sqlx::PgConnection::connect(&database).await.unwrap();
    let lost = "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' \
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    sqlx::raw_sql(lost).execute(&mut admin).await.unwrap();
    let other = Store::claim(&database).await.unwrap();
    let ended = tokio::task::spawn_blocking(|| process.ended());
    let (code, said) = tokio::time::timeout(GUARD, ended).await.unwrap().unwrap();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another Hearback took over the database"), "{said}");
    other.close().await;
}

/// What a command of the binary ends with when nobody reads what it prints.
async fn unread(args: &[&str], config: &Path) -> Option<i32> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hearback"));
    for pipe in [Command::stdout, Command::stderr] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        pipe(&mut command, Stdio::from(writer));
    }
    command.args(args).arg("--config").arg(config);
    let ended = tokio::task::spawn_blocking(move || command.status());
    let ended = tokio::time::timeout(GUARD, ended).await.unwrap().unwrap();
    ended.unwrap().code()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_reading_changes_no_exit_code() {
    let town = Town::found(None).await;
    let nothing = town.config.with_file_name("nothing.toml");
    assert_eq!(unread(&["manifest", "slack"], &town.config).await, Some(0));
    assert_eq!(unread(&["check"], &town.config).await, Some(0));
    assert_eq!(unread(&["check"], &nothing).await, Some(2));
    assert_eq!(unread(&["doctor"], &nothing).await, Some(2));
    assert_eq!(unread(&["serve"], &nothing).await, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_json_from_the_doctor_whatever_is_wrong() {
    let town = Town::found(None).await;
    let nothing = town.config.with_file_name("nothing.toml");
    let (code, said) = command(&["doctor", "--json"], &nothing).await;
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["ok"]), (Some(2), &serde_json::json!(false)));
    assert!(!report["problems"][0]["suggestion"].is_null(), "{said}");
}
