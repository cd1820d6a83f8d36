//! One Hearback: its folder, its database, its configuration, and its lives.

use crate::chance::Chance;
use crate::http;
use crate::platform::{SECRET, World, locked, signed};
use crate::{CLOCK, Class, SETTLE, TIMEOUT};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection, Row as _, SqliteConnection};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What Ada signs in with.
const PASSWORD: &str = "correct horse battery staple";
/// States that are no end. A person who is needed is one, for the rig: nobody comes.
const OPEN: &str = "SELECT count(*) FROM replies WHERE state NOT IN ('sent', 'failed', 'needs_human')";

/// Where the cases are.
pub enum Database {
    Sqlite,
    Postgres(String),
}

enum Reader {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// A reply as the database has it in the end.
pub struct Kept {
    pub state: String,
    pub key: String,
    pub text: String,
    pub reason: String,
}

/// A complaint, and what is answered to it.
#[derive(Debug, Clone)]
pub struct Errand {
    pub class: Class,
    pub post: String,
    pub answer: String,
    /// Whether the answer was accepted: then it must come to an end.
    pub accepted: bool,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// By kill -9, at this crash point if it was one.
    Killed,
    /// By itself, with this code.
    Ended(Option<i32>),
}

pub struct House {
    pub world: Arc<World>,
    folder: tempfile::TempDir,
    port: u16,
    url: String,
    config: PathBuf,
    runtime: tokio::runtime::Runtime,
    reader: Option<Reader>,
    cases: HashMap<String, i64>,
    posted: Vec<Class>,
}

impl House {
    pub fn found(name: &str, port: u16, platform: u16, database: &Database, world: &Arc<World>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("hearback-rig-")
            .tempdir_in(if std::path::Path::new("/dev/shm").is_dir() {
                "/dev/shm"
            } else {
                "/tmp"
            })
            .unwrap();
        let url = match database {
            Database::Sqlite => format!("sqlite:{}", folder.path().join("hearback.db").display()),
            Database::Postgres(url) => url.clone(),
        };
        let mut text = format!(
            "[server]\nlisten = \"127.0.0.1:{port}\"\n\
             [database]\nurl = \"{url}\"\nseal = \"{seal}\"\n\
             [reply]\nhold = \"0s\"\ntimeout = \"{timeout}s\"\nsettle = \"{SETTLE}s\"\n\
             [[agent]]\nname = \"Ada\"\nconsole_password = \"{PASSWORD}\"\nroles = [\"agent\"]\n",
            seal = folder.path().join("hearback.seal").display(),
            timeout = TIMEOUT.as_secs(),
        );
        for class in Class::ALL {
            let (word, base) = (class.word(), format!("http://127.0.0.1:{platform}/{name}"));
            text += &format!(
                "[[source]]\nname = \"{word}\"\nplatform = \"webhook\"\nsecret = \"{SECRET}\"\n\
                 reply_url = \"{base}/{word}/replies\"\nidempotency = \"{}\"\n",
                class.promise(),
            );
            if class.looks() {
                text += &format!("lookup_url = \"{base}/{word}/lookup\"\n");
            }
        }
        let config = folder.path().join("hearback.toml");
        std::fs::write(&config, text).unwrap();
        Self {
            world: Arc::clone(world),
            folder,
            port,
            url,
            config,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap(),
            reader: None,
            cases: HashMap::new(),
            posted: Vec::new(),
        }
    }

    /// Starts it, to die as the environment says.
    pub fn start(&self, plan: &[(&str, String)]) {
        let log = File::create(self.log()).unwrap();
        let child = self
            .command(&["serve"])
            .envs(plan.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        *locked(&self.world.child) = Some(child);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hearback"));
        command
            .args(args)
            .arg("--config")
            .arg(&self.config)
            .env("HEARBACK_RIG_CLOCK", CLOCK.as_str())
            .env("RUST_LOG", "error")
            // No certificate is ever looked at: reading those of the machine takes most of a start.
            .env("SSL_CERT_FILE", crate::certificate())
            .env_remove("SSL_CERT_DIR");
        command
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What the last life said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// How it ended, once it has.
    pub fn death(&self) -> Option<Death> {
        let mut child = locked(&self.world.child);
        let status = match child.as_mut() {
            Some(child) => child.try_wait().unwrap()?,
            None => return None,
        };
        *child = None;
        Some(of_status(status))
    }

    /// kill -9, wherever it is. Whether it was still there.
    pub fn kill(&self) -> bool {
        let mut child = locked(&self.world.child);
        let Some(mut child) = child.take() else {
            return false;
        };
        let alive = child.try_wait().unwrap().is_none();
        let _ = child.kill();
        let _ = child.wait();
        alive
    }

    /// kill -TERM.
    pub fn terminate(&self) {
        if let Some(child) = locked(&self.world.child).as_ref() {
            let id = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
    }

    /// The crash point at which the last life ended, if it did at one.
    pub fn died_at(&self) -> Option<String> {
        let said = self.said();
        let at = said.lines().last()?.strip_prefix("rig: killed at ")?;
        Some(at.to_owned())
    }

    /// One step of giving it what is to be done; false when all is given.
    pub fn feed(&mut self, errands: &mut [Errand]) -> bool {
        if !self.complained(errands) {
            self.complain_all(errands);
            return true;
        }
        let Some(errand) = errands.iter_mut().find(|errand| !errand.accepted) else {
            return false;
        };
        let Some(case) = self.case_of(&errand.post) else {
            return true;
        };
        errand.accepted = self.command_of_ada(case, &errand.post, &errand.answer);
        true
    }

    /// Whether all complaints were acknowledged.
    pub fn complained(&self, errands: &[Errand]) -> bool {
        errands.iter().all(|errand| self.posted.contains(&errand.class))
    }

    /// Brings the complaints that were not acknowledged yet.
    pub fn complain_all(&mut self, errands: &[Errand]) {
        for class in Class::ALL {
            if errands.iter().any(|errand| errand.class == class)
                && !self.posted.contains(&class)
                && self.complain(class, errands)
            {
                self.posted.push(class);
            }
        }
    }

    /// All complaints of one kind at once, signed. Whether they were acknowledged.
    fn complain(&self, class: Class, errands: &[Errand]) -> bool {
        let posts: Vec<Value> = errands
            .iter()
            .filter(|errand| errand.class == class)
            .map(|errand| {
                json!({
                    "id": errand.post,
                    "author": {"id": format!("u-{}", errand.post), "handle": "ann"},
                    "text": format!("My order {} never came.", errand.post),
                })
            })
            .collect();
        let body = json!({"posts": posts}).to_string();
        let headers = signed(&format!("msg_{}", class.word()), body.as_bytes());
        let path = format!("/webhooks/{}", class.word());
        match http::ask(self.port, &path, &headers, body.as_bytes()) {
            Some((202, _)) => true,
            Some((503, _)) | None => false,
            Some((status, said)) => panic!("a complaint was answered with {status}: {said}"),
        }
    }

    /// Ada answers, as often as it takes until that is acknowledged: always with the same nonce, as her
    /// page does.
    fn command_of_ada(&self, case: i64, nonce: &str, words: &str) -> bool {
        use base64::Engine as _;
        let pass = base64::prelude::BASE64_STANDARD.encode(format!("Ada:{PASSWORD}"));
        let headers = [
            ("Authorization".to_owned(), format!("Basic {pass}")),
            (
                "Content-Type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            ),
        ];
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("by", "ada")
            .append_pair("nonce", &format!("nonce-{nonce}"))
            .append_pair("line", &format!("/reply {case} {words}"));
        match http::ask(self.port, "/console/say", &headers, form.finish().as_bytes()) {
            Some((200, said)) => {
                let told: Value = serde_json::from_str(&said).unwrap();
                assert_eq!(told["kind"], "done", "{said}");
                true
            }
            Some((503, _)) | None => false,
            Some((status, said)) => panic!("a command was answered with {status}: {said}"),
        }
    }

    /// The number of the case that a post opened.
    fn case_of(&mut self, post: &str) -> Option<i64> {
        if !self.cases.contains_key(post) {
            let rows = self.rows("SELECT id, case_number FROM posts");
            self.cases
                .extend(rows.into_iter().map(|row| (row.0, row.1.parse().unwrap())));
        }
        self.cases.get(post).copied()
    }

    /// How many replies have no end yet. `None`: the database does not answer.
    pub fn open(&mut self) -> Option<i64> {
        let rows = self.rows(&OPEN.replace("count(*)", "'', CAST(count(*) AS TEXT)"));
        rows.first().map(|row| row.1.parse().unwrap())
    }

    /// All replies.
    pub fn replies(&mut self) -> Vec<Kept> {
        let rows = self.rows("SELECT state, CAST(body AS TEXT) FROM replies ORDER BY id");
        let kept = rows.into_iter().map(|(state, body)| {
            let body: Value = serde_json::from_str(&body).unwrap();
            let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            Kept {
                state,
                key: text("key"),
                text: text("text"),
                reason: text("reason"),
            }
        });
        kept.collect()
    }

    /// Two columns as texts. Nothing when the database does not answer (yet).
    fn rows(&mut self, sql: &str) -> Vec<(String, String)> {
        let Self {
            runtime, reader, url, ..
        } = self;
        let rows = runtime.block_on(async {
            if reader.is_none() {
                *reader = Some(if url.starts_with("sqlite:") {
                    Reader::Sqlite(SqliteConnection::connect(url).await?)
                } else {
                    Reader::Postgres(PgConnection::connect(url).await?)
                });
            }
            let sql = sqlx::AssertSqlSafe(sql.replace("case_number FROM", "CAST(case_number AS TEXT) FROM"));
            let rows: Vec<(String, String)> = match reader {
                Some(Reader::Sqlite(connection)) => {
                    let rows = sqlx::query(sql).fetch_all(connection).await?;
                    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
                }
                Some(Reader::Postgres(connection)) => {
                    let rows = sqlx::query(sql).fetch_all(connection).await?;
                    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
                }
                None => Vec::new(),
            };
            Ok::<_, sqlx::Error>(rows)
        });
        rows.unwrap_or_default()
    }

    /// Whether `hearback audit verify` finds the log sound; otherwise what it says.
    pub fn verify(&self) -> Result<(), String> {
        let output = self.command(&["audit", "verify"]).output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    /// What is promised, counted; the findings in words.
    pub fn judge(&mut self, errands: &[Errand]) -> Verdict {
        let mut verdict = Verdict::default();
        let kept = self.replies();
        let (keys, texts) = self.world.counts();
        for errand in errands {
            verdict.replies += 1;
            if self.posted.contains(&errand.class) && self.case_of(&errand.post).is_none() {
                verdict.lost += 1;
                verdict.says.push(format!(
                    "the complaint was acknowledged and is not there: {errand:?}"
                ));
            }
            let of_errand: Vec<&Kept> = kept.iter().filter(|kept| kept.text == errand.answer).collect();
            if errand.accepted && of_errand.is_empty() {
                verdict.lost += 1;
                verdict.says.push(format!("accepted and not there: {errand:?}"));
            }
            if of_errand.len() > 1 {
                verdict.doubled += 1;
                verdict
                    .says
                    .push(format!("accepted once and there twice: {errand:?}"));
            }
            let there = texts.get(&errand.answer).copied().unwrap_or(0);
            if there > 1 {
                verdict.doubled += 1;
                verdict.says.push(format!("published {there} times: {errand:?}"));
            }
            for Kept {
                state, key, reason, ..
            } in of_errand
            {
                let by_key = keys.get(key).copied().unwrap_or(0);
                *verdict.ends.entry(state.clone()).or_default() += 1;
                match state.as_str() {
                    "sent" if by_key == 0 => {
                        verdict.lost += 1;
                        verdict
                            .says
                            .push(format!("called sent and not there: {errand:?}"));
                    }
                    "failed" if by_key > 0 => {
                        verdict.false_failed += 1;
                        verdict
                            .says
                            .push(format!("called failed ({reason}) and there: {errand:?}"));
                    }
                    "sent" | "failed" | "needs_human" => {}
                    other => {
                        verdict.lost += 1;
                        verdict
                            .says
                            .push(format!("without an end, {other} ({reason}): {errand:?}"));
                    }
                }
            }
        }
        verdict
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.kill();
    }
}

fn of_status(status: ExitStatus) -> Death {
    use std::os::unix::process::ExitStatusExt as _;
    match status.signal() {
        Some(9) => Death::Killed,
        Some(_) | None => Death::Ended(status.code()),
    }
}

/// What came of replies.
#[derive(Debug, Default)]
pub struct Verdict {
    pub replies: u32,
    pub doubled: u32,
    pub lost: u32,
    pub false_failed: u32,
    pub ends: BTreeMap<String, u32>,
    pub says: Vec<String>,
}

impl Verdict {
    pub fn is_clean(&self) -> bool {
        self.doubled + self.lost + self.false_failed == 0 && self.says.is_empty()
    }

    pub fn add(&mut self, other: Self) {
        self.replies += other.replies;
        self.doubled += other.doubled;
        self.lost += other.lost;
        self.false_failed += other.false_failed;
        for (state, count) in other.ends {
            *self.ends.entry(state).or_default() += count;
        }
        self.says.extend(other.says);
    }
}

/// The errands of a round.
pub fn errands(name: &str, classes: &[Class], count: u32, chance: &mut Chance) -> Vec<Errand> {
    (0..count)
        .map(|number| Errand {
            class: chance.of(classes),
            post: format!("{name}-p{number}"),
            answer: format!("We are sorry. We look into it at once, no. {number}."),
            accepted: false,
        })
        .collect()
}

/// Waits for a moment: the rig has no events to wait for when a process starts or dies.
pub fn moment(length: Duration) {
    std::thread::sleep(length);
}

/// Until when something that began now may take that long.
pub fn within(length: Duration) -> Instant {
    Instant::now() + length
}
