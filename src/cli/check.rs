//! `hearback check`: what is wrong with a configuration, without the network.

use super::{Exit, Reported};
use crate::config::{Config, ConfigError, Problem, Source};
use serde::Serialize;
use std::io::{self, Write};

/// The report for programs.
#[derive(Serialize)]
struct Report<'a> {
    ok: bool,
    problems: &'a [Problem],
}

/// Loads the configuration and writes down what is wrong with it.
///
/// # Errors
/// The report cannot be written.
pub fn run(
    args: &Reported,
    environment: impl Iterator<Item = (String, String)>,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let loaded = Config::load(args.configured.config.as_deref(), environment);
    report(&loaded, args.json, out)
}

/// Writes down what is wrong with a configuration, or what it holds.
///
/// # Errors
/// The report cannot be written.
pub fn report(loaded: &Result<Config, ConfigError>, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    if json {
        let problems = match loaded {
            Ok(_) => &[],
            Err(error) => error.problems.as_slice(),
        };
        let ok = problems.is_empty();
        serde_json::to_writer_pretty(&mut *out, &Report { ok, problems })?;
        writeln!(out)?;
    } else {
        match loaded {
            Ok(config) => writeln!(out, "The configuration is sound: {}.", summary(config))?,
            Err(error) => write_problems(error, out)?,
        }
    }
    Ok(if loaded.is_ok() { Exit::Done } else { Exit::Usage })
}

/// Writes all problems and their number.
fn write_problems(error: &ConfigError, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{error}")?;
    writeln!(out, "{}.", count(error.problems.len(), "problem"))
}

fn summary(config: &Config) -> String {
    let chats = [
        config.slack.as_ref().map(|_| "Slack"),
        config.discord.as_ref().map(|_| "Discord"),
        config.has_console().then_some("the console"),
    ];
    let chats: Vec<&str> = chats.into_iter().flatten().collect();
    let sources: Vec<&str> = config.sources.iter().map(Source::name).collect();
    format!(
        "cases from {} go to {}; {}, {}, {}",
        sources.join(", "),
        chats.join(" and "),
        count(config.agents.len(), "agent"),
        count(config.access.len(), "group"),
        count(config.teams.len(), "team")
    )
}

fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}
