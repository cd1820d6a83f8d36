//! `hearback rules`: what the rules of the sources catch, and feeds that were set aside.

use super::{Exit, Reported};
use crate::domain::Instant;
use crate::domain::message::one_line;
use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;

/// The most letters of an example that are shown.
const SHOWN: usize = 100;
/// How many examples of a rule are shown.
pub const EXAMPLES: usize = 3;

/// `hearback rules`
#[derive(Debug, Clone, Args)]
pub struct Rules {
    /// What to do.
    #[command(subcommand)]
    pub what: What,
}

/// What can be done with rules and feeds.
#[derive(Debug, Clone, Subcommand)]
pub enum What {
    /// Shows what each rule would have caught lately, or what catches given texts. Changes nothing.
    Test(Test),
    /// Lists the feeds that were set aside, and how many of their posts wait.
    Waiting(Reported),
    /// Lets in what of a feed waits: each post opens its case.
    LetIn(Feed),
    /// Leaves out what of a feed waits: its words are not kept.
    LeaveOut(Feed),
}

/// `hearback rules test`
#[derive(Debug, Clone, Args)]
pub struct Test {
    /// Only this source; without it, all.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// How many days back.
    #[arg(long, value_name = "DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub days: u16,
    /// Tries the rules on the lines of this file instead, each a text; `-` for the standard input.
    #[arg(long, value_name = "FILE")]
    pub texts: Option<PathBuf>,
    /// Where, and how it is told.
    #[command(flatten)]
    pub reported: Reported,
}

/// `hearback rules let-in` and `leave-out`
#[derive(Debug, Clone, Args)]
pub struct Feed {
    /// The source.
    #[arg(value_name = "SOURCE")]
    pub source: String,
    /// Who; without it the name of the user of this machine.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: Option<String>,
    /// Where, and how it is told.
    #[command(flatten)]
    pub reported: Reported,
}

impl What {
    /// Where the configuration is.
    #[must_use]
    pub fn reported(&self) -> &Reported {
        match self {
            Self::Test(Test { reported, .. })
            | Self::Waiting(reported)
            | Self::LetIn(Feed { reported, .. })
            | Self::LeaveOut(Feed { reported, .. }) => reported,
        }
    }
}

/// What the rules would have caught.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Trial {
    /// How many days back was looked.
    pub days: u16,
    /// How many posts with a case were looked at.
    pub with_case: usize,
    /// How many of those that rules passed over and that are kept: a sample.
    pub passed_over: usize,
    /// How many that wait to be let in.
    pub waiting: usize,
    /// Source by source.
    pub sources: Vec<Tried>,
}

/// What the rules of a source would have caught.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tried {
    /// The source.
    pub source: String,
    /// How many posts of it were looked at.
    pub posts: usize,
    /// How many of them were written to us, and are heard whatever the rules say.
    pub to_us: usize,
    /// How many of the others at least one rule catches; all, where there is no rule.
    pub caught: usize,
    /// How many of the others no rule catches.
    pub missed: usize,
    /// How many of the others do not tell their reach: `min_reach` takes it for nobody.
    pub without_reach: usize,
    /// Rule by rule, in the order of the configuration; over all posts, also those written to us.
    pub rules: Vec<Catch>,
}

/// What a rule would have caught.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Catch {
    /// The rule.
    pub rule: String,
    /// How many posts it catches.
    pub caught: usize,
    /// How many of them no other rule catches.
    pub alone: usize,
    /// The newest of them.
    pub examples: Vec<Example>,
}

/// A post that a rule catches.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Example {
    /// The network's id of it.
    pub id: String,
    /// When it was written.
    #[serde(skip)]
    pub written: Instant,
    /// The day of it.
    pub at: String,
    /// Who wrote it.
    pub author: String,
    /// Its address.
    pub url: Option<String>,
    /// Its text.
    pub text: String,
}

/// Writes what the rules would have caught.
///
/// # Errors
/// `out` cannot be written.
pub fn tried(trial: &Trial, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    if json {
        serde_json::to_writer_pretty(&mut *out, trial)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    for tried in &trial.sources {
        source(tried, out)?;
    }
    writeln!(
        out,
        "Looked at what the database has of the last {} days: {} posts with a case, {} of those that rules \
         passed over, {} that wait to be let in.",
        trial.days, trial.with_case, trial.passed_over, trial.waiting
    )?;
    writeln!(
        out,
        "Of what rules pass over only a sample is kept (see [listen] keep), and what no source showed is \
         not there: another search may find more."
    )?;
    Ok(Exit::Done)
}

fn source(tried: &Tried, out: &mut impl Write) -> io::Result<()> {
    let Tried {
        source,
        posts,
        to_us,
        caught,
        missed,
        without_reach,
        rules,
    } = tried;
    if rules.is_empty() {
        return writeln!(out, "{source}: no rules, so it hears everything: {posts} posts\n");
    }
    writeln!(
        out,
        "{source}: {posts} posts; {to_us} written to us, which are heard anyway; of the others {caught} caught, \
         {missed} passed over"
    )?;
    if *without_reach > 0 {
        writeln!(
            out,
            "  {without_reach} do not tell how many they reach: `min_reach` takes it for nobody"
        )?;
    }
    for Catch {
        rule,
        caught,
        alone,
        examples,
    } in rules
    {
        writeln!(out, "  {rule}: {caught} caught, {alone} of them by no other rule")?;
        for example in examples {
            let text = one_line(&example.text, SHOWN);
            let author = one_line(&example.author, SHOWN);
            writeln!(out, "    {} @{author}: {text}", example.at)?;
        }
    }
    writeln!(out)
}

/// A text, and what catches it.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The text.
    pub text: String,
    /// The rules that catch it, as `source/rule`.
    pub caught_by: Vec<String>,
}

/// Writes what catches each text.
///
/// # Errors
/// `out` cannot be written.
pub fn lines(lines: &[Line], json: bool, out: &mut impl Write) -> io::Result<Exit> {
    if json {
        serde_json::to_writer_pretty(&mut *out, &json!({ "texts": lines }))?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    for Line { text, caught_by } in lines {
        let by = match caught_by.is_empty() {
            true => "passed over".to_owned(),
            false => caught_by.join(", "),
        };
        writeln!(out, "{by}: {}", one_line(text, SHOWN))?;
    }
    let caught = lines.iter().filter(|line| !line.caught_by.is_empty()).count();
    writeln!(out, "{caught} of {} texts are caught.", lines.len())?;
    Ok(Exit::Done)
}

/// Writes which feeds wait.
///
/// # Errors
/// `out` cannot be written.
pub fn waiting(feeds: &[(String, i64)], json: bool, out: &mut impl Write) -> io::Result<Exit> {
    if json {
        let feed = |(source, posts): &(String, i64)| json!({ "source": source, "posts": posts });
        let feeds: Vec<_> = feeds.iter().map(feed).collect();
        serde_json::to_writer_pretty(&mut *out, &json!({ "waiting": feeds }))?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    for (source, posts) in feeds {
        writeln!(
            out,
            "{source}: {posts} posts wait. `hearback rules let-in {source}`, or leave-out."
        )?;
    }
    if feeds.is_empty() {
        writeln!(out, "No feed is set aside.")?;
    }
    Ok(Exit::Done)
}

/// Writes what was decided about a feed.
///
/// # Errors
/// `out` cannot be written.
pub fn decided(answer: &str, done: bool, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    if json {
        serde_json::to_writer_pretty(&mut *out, &json!({ "done": done, "answer": answer }))?;
        writeln!(out)?;
    } else {
        writeln!(out, "{answer}")?;
    }
    Ok(if done { Exit::Done } else { Exit::Failed })
}
