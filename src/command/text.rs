//! Reading what a person typed. Free text stays verbatim: the untouched rest of the input.

use super::grammar::{Command, Grammar, UserRef, WITHOUT_CASE};
use super::{Parsed, Unclear};
use crate::domain::CaseNumber;
use clap::{CommandFactory as _, FromArgMatches as _};

/// Reads `VERB …`. `implied` is the case of the thread or card it was typed at.
///
/// Elsewhere the number comes first, before or after the verb: `claim #12`, `12 claim`,
/// `reply 12 Thanks …`. At an implied case free text is never searched for a number, so that a
/// public reply may begin with one; other verbs may still name another case.
///
/// # Errors
/// Says what is wrong, with the nearest verb or value, or the usage.
pub fn parse_text(input: &str, implied: Option<CaseNumber>) -> Result<Parsed, Unclear> {
    let input = input.trim_start();
    let (first, rest) = word(input);
    if first.is_empty() {
        return Err(Unclear(help(None)));
    }
    if let Ok(case) = first.parse::<CaseNumber>() {
        let (verb, rest) = word(rest);
        if verb.is_empty() {
            return Ok(Parsed {
                case: Some(case),
                command: Command::Show,
            });
        }
        return parse_verb(verb, rest, Some(case));
    }
    let verb = first.to_lowercase();
    if WITHOUT_CASE.contains(&verb.as_str()) {
        return parse_verb(&verb, rest, None);
    }
    if implied.is_none() || !takes_text(&verb) {
        let (number, after) = word(rest);
        if let Ok(case) = number.parse::<CaseNumber>() {
            return parse_verb(&verb, after, Some(case));
        }
    }
    parse_verb(&verb, rest, None)
}

/// Splits off the first word; what follows its one separating blank stays as it is, less leading blanks.
fn word(input: &str) -> (&str, &str) {
    let input = input.trim_start();
    match input.find(char::is_whitespace) {
        Some(at) => (&input[..at], input[at..].trim_start()),
        None => (input, ""),
    }
}

fn takes_text(verb: &str) -> bool {
    Grammar::command()
        .find_subcommand(verb)
        .is_some_and(|spec| spec.get_positionals().any(clap::Arg::is_trailing_var_arg_set))
}

/// Whether the whole rest is a person's name, which may have blanks.
fn takes_person(verb: &str) -> bool {
    let person = std::any::TypeId::of::<UserRef>();
    Grammar::command().find_subcommand(verb).is_some_and(|spec| {
        spec.get_positionals()
            .any(|arg| arg.get_value_parser().type_id() == person)
    })
}

fn parse_verb(verb: &str, rest: &str, case: Option<CaseNumber>) -> Result<Parsed, Unclear> {
    let mut words = vec![verb.to_lowercase()];
    if takes_text(&words[0]) || takes_person(&words[0]) {
        // A name ends with its last letter; words are somebody's own, to the last character.
        let whole = if takes_text(&words[0]) {
            rest
        } else {
            rest.trim_end()
        };
        if !rest.trim().is_empty() {
            words.push("--".to_owned());
            words.push(whole.to_owned());
        }
    } else {
        words.extend(rest.split_whitespace().map(str::to_owned));
    }
    parse_words(&words).map(|command| Parsed { case, command })
}

/// Hands words to clap; its error, shortened, is what the person reads.
pub(super) fn parse_words(words: &[String]) -> Result<Command, Unclear> {
    let read = Grammar::command()
        .try_get_matches_from(words)
        .and_then(|matches| Grammar::from_arg_matches(&matches));
    match read {
        Ok(grammar) => Ok(grammar.command),
        Err(error) => Err(Unclear(explain(&words[0], &error.to_string()))),
    }
}

/// clap speaks to people at a terminal; in a chat its programme name and flags are noise.
fn explain(verb: &str, error: &str) -> String {
    let mut lines: Vec<_> = error
        .lines()
        .map(|line| line.trim().trim_start_matches("error: "))
        .filter(|line| {
            !line.is_empty()
                && !line.starts_with("Usage:")
                && !line.starts_with("For more")
                && !line.contains("'-- ")
                && !line.starts_with('<')
        })
        .map(|line| line.replace("subcommand", "command").replace("tip: ", ""))
        .map(|line| {
            line.replace(
                "the following required arguments were not provided:",
                "something is missing.",
            )
        })
        .map(|line| if line.ends_with('\'') { closed(&line) } else { line })
        .collect();
    if Grammar::command().find_subcommand(verb).is_some() {
        lines.push(format!("Usage: `{}`", usage(verb)));
    } else {
        lines.push("`help` lists the commands.".to_owned());
    }
    capital(&lines.join("\n"))
}

/// A whole sentence: a place that joins the lines must still be readable.
fn closed(line: &str) -> String {
    capital(line) + "."
}

fn capital(text: &str) -> String {
    match text.get(..1) {
        Some(first) => first.to_uppercase() + &text[1..],
        None => text.to_owned(),
    }
}

/// `snooze DURATION`, with optional arguments in brackets.
pub(super) fn usage(verb: &str) -> String {
    let root = Grammar::command();
    let Some(spec) = root.find_subcommand(verb) else {
        return verb.to_owned();
    };
    let mut out = verb.to_owned();
    for arg in spec.get_positionals() {
        let name = if verb == "label" {
            "±NAME…".to_owned()
        } else {
            arg.get_id().as_str().to_uppercase()
        };
        let name = if verb == "escalate" {
            "TEAM] [REASON".to_owned()
        } else {
            name
        };
        out += &if arg.is_required_set() {
            format!(" {name}")
        } else {
            format!(" [{name}]")
        };
    }
    out
}

/// The list of commands, or what one does. Lines of `verb ARGUMENTS — what it does`.
#[must_use]
pub fn help(verb: Option<&str>) -> String {
    let root = Grammar::command();
    let line = |spec: &clap::Command| {
        let about = spec.get_about().map(ToString::to_string).unwrap_or_default();
        format!("`{}` — {about}", usage(spec.get_name()))
    };
    if let Some(spec) = verb.and_then(|verb| root.find_subcommand(verb)) {
        let mut out = line(spec);
        for arg in spec.get_positionals() {
            let values: Vec<_> = arg
                .get_possible_values()
                .iter()
                .map(|value| value.get_name().to_owned())
                .collect();
            let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
            out += &format!("\n{}: {about}", arg.get_id().as_str().to_uppercase());
            if !values.is_empty() {
                out += &format!(" ({})", values.join(", "));
            }
        }
        return out;
    }
    root.get_subcommands().map(line).collect::<Vec<_>>().join("\n")
}
