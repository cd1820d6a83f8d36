//! `hearback pause` and `hearback resume`: the kill switch for publishing.

use super::{Exit, Reported};
use crate::domain::Instant;
use crate::domain::message::one_line;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use serde_json::{Value, json};
use std::io::{self, Write};

/// The most letters of a reason that are shown.
const REASON: usize = 300;

/// `hearback pause`
#[derive(Debug, Clone, Args)]
pub struct Pause {
    /// Only this source; without it, all.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Why; cards and waiting replies show it.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Who; without it the name of the user of this machine.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: Option<String>,
    /// Where, and how it is told.
    #[command(flatten)]
    pub reported: Reported,
}

/// `hearback resume`
#[derive(Debug, Clone, Args)]
pub struct Resume {
    /// Only this source; without it, what was paused as a whole.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Who; without it the name of the user of this machine.
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub by: Option<String>,
    /// Where, and how it is told.
    #[command(flatten)]
    pub reported: Reported,
}

/// A pause that is in force, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// For which source; `None` for all.
    pub source: Option<String>,
    /// Who.
    pub by: String,
    /// Since when.
    pub at: Instant,
    /// Why; may be empty.
    pub reason: String,
}

/// What the switch did.
#[derive(Debug, Clone)]
pub struct Thrown {
    /// For which source; `None` for all.
    pub source: Option<String>,
    /// Whether it stands at *paused* now.
    pub paused: bool,
    /// Whether it stood so already.
    pub already: bool,
    /// Who had paused before, if it was.
    pub before: Option<Stop>,
    /// What else is paused.
    pub others: Vec<Stop>,
}

/// Writes what the switch did.
///
/// # Errors
/// `out` cannot be written.
pub fn report(thrown: &Thrown, json: bool, out: &mut impl Write) -> io::Result<Exit> {
    let Thrown {
        source,
        paused,
        already,
        before,
        others,
    } = thrown;
    if json {
        let told = json!({
            "ok": true, "paused": paused, "source": source, "changed": !already,
            "before": before.as_ref().map(as_json), "others": others.iter().map(as_json).collect::<Vec<_>>(),
        });
        serde_json::to_writer_pretty(&mut *out, &told)?;
        writeln!(out)?;
        return Ok(Exit::Done);
    }
    let what = match source {
        Some(source) => format!("Publishing by {source}"),
        None => "Publishing".to_owned(),
    };
    match (paused, already) {
        (true, false) => writeln!(
            out,
            "{what} is paused: no reply is begun from now on; a call that is under way may still end. Replies \
             wait where they are. `hearback resume{}` lets it go on.",
            flag(source.as_deref())
        )?,
        (true, true) => writeln!(out, "{what} is paused already; nothing changed.")?,
        (false, false) => writeln!(out, "{what} goes on: replies that waited go out now.")?,
        (false, true) => writeln!(out, "{what} is not paused; nothing changed.")?,
    }
    if let Some(before) = before {
        writeln!(out, "It was paused {}", told(before))?;
    }
    for other in others {
        match &other.source {
            Some(name) => writeln!(
                out,
                "{} is paused {} `hearback resume --source {name}` lets it go on.",
                one_line(name, REASON),
                told(other)
            )?,
            None => writeln!(
                out,
                "All publishing is paused {} `hearback resume` lets it go on.",
                told(other)
            )?,
        }
    }
    Ok(Exit::Done)
}

/// `by Olga since 2026-11-26 07:11 UTC: why.`
fn told(stop: &Stop) -> String {
    let at = stop.at.format("%Y-%m-%d %H:%M UTC");
    let by = one_line(&stop.by, REASON);
    let reason = one_line(stop.reason.trim_end_matches('.'), REASON);
    if reason.is_empty() {
        format!("by {by} since {at}.")
    } else {
        format!("by {by} since {at}: {reason}.")
    }
}

fn flag(source: Option<&str>) -> String {
    source.map_or(String::new(), |name| format!(" --source {name}"))
}

fn as_json(stop: &Stop) -> Value {
    json!({ "source": stop.source, "by": stop.by, "at": stop.at, "reason": stop.reason })
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    fn stop(source: Option<&str>, reason: &str) -> Stop {
        Stop {
            source: source.map(str::to_owned),
            by: "Olga".to_owned(),
            at: Instant::from_timestamp(1_800_000_000, 0).unwrap(),
            reason: reason.to_owned(),
        }
    }

    fn shown(thrown: &Thrown, json: bool) -> String {
        let mut out = Vec::new();
        assert_eq!(report(thrown, json, &mut out).unwrap(), Exit::Done);
        String::from_utf8(out).unwrap()
    }

    fn thrown(paused: bool, already: bool) -> Thrown {
        Thrown {
            source: None,
            paused,
            already,
            before: None,
            others: Vec::new(),
        }
    }

    #[test]
    fn what_was_done_and_how_it_is_undone() {
        assert_snapshot!(shown(&thrown(true, false), false), @"Publishing is paused: no reply is begun from now on; a call that is under way may still end. Replies wait where they are. `hearback resume` lets it go on.");
        let one = Thrown {
            source: Some("shop".to_owned()),
            ..thrown(true, false)
        };
        assert!(shown(&one, false).contains("Publishing by shop is paused"));
        assert!(shown(&one, false).contains("`hearback resume --source shop`"));
    }

    #[test]
    fn who_had_paused_before_and_what_still_is() {
        let again = Thrown {
            before: Some(stop(None, "Wrong tone.")),
            ..thrown(true, true)
        };
        assert_snapshot!(shown(&again, false), @r"
        Publishing is paused already; nothing changed.
        It was paused by Olga since 2027-01-15 08:00 UTC: Wrong tone.
        ");
        let resumed = Thrown {
            before: Some(stop(None, "")),
            others: vec![stop(Some("shop"), "odd\u{1b}[31m answers")],
            ..thrown(false, false)
        };
        assert_snapshot!(shown(&resumed, false), @r"
        Publishing goes on: replies that waited go out now.
        It was paused by Olga since 2027-01-15 08:00 UTC.
        shop is paused by Olga since 2027-01-15 08:00 UTC: odd⟦U+001B⟧[31m answers. `hearback resume --source shop` lets it go on.
        ");
        let never = shown(&thrown(false, true), false);
        assert_eq!(never, "Publishing is not paused; nothing changed.\n");
    }

    #[test]
    fn for_programs() {
        let resumed = Thrown {
            before: Some(stop(None, "x")),
            ..thrown(false, false)
        };
        let value: Value = serde_json::from_str(&shown(&resumed, true)).unwrap();
        let before = json!({ "source": null, "by": "Olga", "at": "2027-01-15T08:00:00Z", "reason": "x" });
        assert_eq!(
            value,
            json!({ "ok": true, "paused": false, "source": null, "changed": true, "before": before, "others": [] })
        );
    }
}
