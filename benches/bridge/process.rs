//! The binary, running; what it costs is read from `/proc`.

use super::load::{SECRET, SIGNING};
use super::{BARE, SERVE};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Which program is started.
pub enum Program {
    /// Hearback itself.
    Binary,
    /// Its parts, with Slack's pace lifted.
    Lifted,
    /// The same libraries without the product.
    Bare,
}

/// A running server. Ends with this value.
pub struct Process {
    child: Child,
    pub address: String,
    /// From the start of the program until `/readyz` said yes.
    pub ready: Duration,
}

/// A folder with a configuration.
pub struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    /// For a Slack at this address.
    pub fn new(slack: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
[database]
url = "sqlite:{database}"
[slack]
bot_token = "xoxb-bench"
signing_secret = "{SIGNING}"
channel = "C0CARE"
api_url = "{slack}"
[[source]]
name = "shop"
platform = "webhook"
secret = "{SECRET}"
[[agent]]
name = "Ada"
slack = "U0ADA"
roles = ["agent"]
[[team]]
name = "managers"
slack_channel = "C0BOSS"
members = ["Ada"]
"#,
            database = folder.path().join("hearback.db").display(),
        );
        std::fs::write(folder.path().join("hearback.toml"), text)?;
        Ok(Self { folder })
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("hearback.toml")
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("hearback.db")
    }
}

impl Process {
    /// Starts it, on one core or on all, and waits until it is ready.
    pub async fn start(program: Program, config: &Path, core: Option<usize>) -> anyhow::Result<Self> {
        let mut command = match core {
            None => Command::new("env"),
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core.to_string()]);
                command
            }
        };
        match program {
            Program::Binary => command
                .arg(env!("CARGO_BIN_EXE_hearback"))
                .args(["serve", "--config"]),
            Program::Lifted => command.arg(std::env::current_exe()?).arg(SERVE),
            Program::Bare => command.arg(std::env::current_exe()?).arg(BARE),
        };
        command.arg(config).stderr(Stdio::piped());
        let began = Instant::now();
        let mut child = command.spawn()?;
        let stderr = child.stderr.take().expect("it is piped");
        let address = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(stderr).lines();
            let mut said = String::new();
            let address = loop {
                let Some(line) = lines.next() else {
                    anyhow::bail!("it ended instead of getting ready: {said}");
                };
                let line = line?;
                if line.contains("Hearback is ready") {
                    let address = line.split("addr=").nth(1).unwrap_or_default();
                    break address.split_whitespace().next().unwrap_or_default().to_owned();
                }
                said += &line;
            };
            // What it says later is not read into a full pipe.
            std::thread::spawn(move || lines.for_each(drop));
            Ok(address)
        })
        .await??;
        let client = hearback::adapter::http::client(Duration::from_secs(5))?;
        while !client
            .get(format!("http://{address}/readyz"))
            .send()
            .await?
            .status()
            .is_success()
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self {
            child,
            address,
            ready: began.elapsed(),
        })
    }

    /// The processor time it used so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.child.id().to_string())
    }

    /// Its resident memory in MiB.
    pub fn memory(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap_or_default();
        let kib: f64 = line.split_whitespace().nth(1).unwrap_or_default().parse()?;
        Ok(kib / 1024.0)
    }

    /// Asks it to stop, and waits until it did.
    pub fn stop(mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    /// kill -9.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The processor time that a process (a number, or `self`) used so far.
pub fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // USER_HZ is 100 on every Linux that we know.
    Ok(Duration::from_millis(ticks * 10))
}

/// Keeps this process on one core while it lives.
pub struct Pinned;

impl Pinned {
    pub fn to(core: usize) -> anyhow::Result<Self> {
        taskset(&core.to_string())?;
        Ok(Self)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let _ = all;
        let _ = taskset("0-1023");
    }
}

fn taskset(cores: &str) -> anyhow::Result<()> {
    let pid = std::process::id().to_string();
    let done = Command::new("taskset")
        .args(["-apc", cores, &pid])
        .stdout(Stdio::null())
        .status()?;
    anyhow::ensure!(done.success(), "taskset failed");
    Ok(())
}
