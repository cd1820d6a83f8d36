//! The command line: what can be asked, and the commands that need nothing running. Exit codes:
//! 0 done, 1 failed, 2 usage or configuration.

pub mod adopt;
pub mod audit;
pub mod check;
pub mod connect;
pub mod doctor;
pub mod erase;
pub mod manifest;
pub mod replies;
pub mod switch;

use crate::telemetry::Format;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

/// Mirrors public complaints into chat threads and carries the answers back.
#[derive(Debug, Clone, Parser)]
#[command(name = "hearback", version, propagate_version = true)]
pub struct Cli {
    /// How logs are written: for people or, one JSON object a line, for programs.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log: Format,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Runs the whole thing on this machine: no account, no key, no network.
    Demo(Demo),
    /// Runs the bridge.
    Serve(Configured),
    /// Looks for mistakes in the configuration, without the network.
    Check(Reported),
    /// Asks every platform: token, scopes, channels, clock.
    Doctor(Reported),
    /// Looks whether the log is as it was written.
    #[command(subcommand)]
    Audit(Audit),
    /// Takes this database as the one that sends: after it was moved, copied or restored.
    Adopt(Adopt),
    /// Lets a platform's account in with a browser, and keeps its tokens.
    Connect(connect::Connect),
    /// Erases what a person wrote and is called.
    Erase(Erase),
    /// Prints what a chat needs to know about the app.
    Manifest(Manifest),
    /// Lists and shows replies, and takes a person's word about one.
    Replies(replies::Replies),
    /// Stops publishing: the kill switch. Works beside a running process, and without one.
    Pause(switch::Pause),
    /// Lets publishing go on.
    Resume(switch::Resume),
}

/// `hearback demo`
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// The address of the page.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// The folder for the demo's database; made if it is not there.
    #[arg(long, value_name = "DIR", default_value = "./hearback-data")]
    pub data: PathBuf,
    /// Starts without the sample complaints.
    #[arg(long)]
    pub no_sample: bool,
}

/// A command with a configuration.
#[derive(Debug, Clone, Args)]
pub struct Configured {
    /// The configuration; without it, defaults and environment alone.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// A command with a configuration and a report.
#[derive(Debug, Clone, Args)]
pub struct Reported {
    /// The configuration.
    #[command(flatten)]
    pub configured: Configured,
    /// Writes the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `hearback audit`
#[derive(Debug, Clone, Subcommand)]
pub enum Audit {
    /// Finds what was changed, taken out, cut off, moved or put in. Reads only, also while it runs.
    Verify(Reported),
}

/// `hearback adopt`
#[derive(Debug, Clone, Args)]
pub struct Adopt {
    /// The configuration.
    #[command(flatten)]
    pub configured: Configured,
    /// Also when more than a move was found.
    #[arg(long)]
    pub yes: bool,
    /// Writes the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `hearback erase`
#[derive(Debug, Clone, Args)]
pub struct Erase {
    /// The configuration.
    #[command(flatten)]
    pub configured: Configured,
    /// The name of the source where the person writes.
    #[arg(long, value_name = "NAME")]
    pub source: String,
    /// The platform's id of the person, as `author.id` has it.
    #[arg(long, value_name = "ID")]
    pub author: String,
    /// Writes the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// `hearback manifest`
#[derive(Debug, Clone, Args)]
pub struct Manifest {
    /// The chat.
    pub chat: Chat,
    /// What the app is called.
    #[arg(long, default_value = "Hearback")]
    pub name: String,
    /// The application's id in Discord, from "General Information".
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u64).range(1..))]
    pub app: Option<u64>,
    /// Taken by every command; what is printed here does not depend on it.
    #[command(flatten)]
    pub configured: Configured,
    /// Writes JSON also where the text for people is not JSON.
    #[arg(long)]
    pub json: bool,
}

/// A chat that has a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Chat {
    /// The app manifest to paste at <https://api.slack.com/apps>.
    Slack,
    /// The invite link with the permissions.
    Discord,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what was asked.
    Done,
    /// It did not.
    Failed,
    /// The command line or the configuration is wrong.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::Failed => Self::from(1),
            Exit::Usage => Self::from(2),
        }
    }
}

/// The standard output. Who closed the other end, as `hearback check | head -1` does, has read enough:
/// that is no failure, and the exit code says what it would have said.
#[must_use]
pub fn output() -> impl Write {
    Patient(io::stdout())
}

/// Tells a person something on the standard error output, if somebody still reads it.
pub fn complain(words: impl fmt::Display) {
    // There is nobody left who could be told that this failed.
    writeln!(io::stderr(), "{words}").ok();
}

/// A writer that takes a reader who has gone for one who reads.
struct Patient<W>(W);

impl<W: Write> Write for Patient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_gone(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        unless_gone(self.0.flush(), ())
    }
}

fn unless_gone<T>(done: io::Result<T>, taken: T) -> io::Result<T> {
    match done {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(taken),
        done => done,
    }
}
