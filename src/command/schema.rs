//! A neutral description of the verbs for chats whose commands have options, and the way back.

use super::grammar::{Grammar, UserRef, WITHOUT_CASE};
use super::text::parse_words;
use super::{Parsed, Unclear};
use crate::domain::CaseNumber;
use clap::CommandFactory as _;
use std::any::TypeId;

/// What an option takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OptionKind {
    /// A case number, to be completed while it is typed.
    Case,
    /// Text.
    Text,
    /// A person of the chat.
    Person,
    /// One of these words.
    Choice(Vec<String>),
}

/// An option of a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionSpec {
    /// Its name.
    pub name: String,
    /// What it means; at most 100 characters.
    pub about: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it takes.
    pub kind: OptionKind,
}

/// A verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerbSpec {
    /// The verb.
    pub name: String,
    /// What it does; at most 100 characters.
    pub about: String,
    /// Its options: required ones first, then the case (optional: in a thread it is implied).
    pub options: Vec<OptionSpec>,
}

/// All verbs, derived from the grammar.
#[must_use]
pub fn schema() -> Vec<VerbSpec> {
    Grammar::command().get_subcommands().map(verb).collect()
}

fn verb(spec: &clap::Command) -> VerbSpec {
    let name = spec.get_name().to_owned();
    let mut options: Vec<_> = spec.get_positionals().map(option).collect();
    if name == "escalate" {
        let about = "Which team; the first one if none is named".to_owned();
        options = vec![
            OptionSpec {
                name: "team".to_owned(),
                about,
                required: false,
                kind: OptionKind::Text,
            },
            OptionSpec {
                name: "reason".to_owned(),
                about: "Why".to_owned(),
                required: false,
                kind: OptionKind::Text,
            },
        ];
    }
    if !WITHOUT_CASE.contains(&name.as_str()) {
        let about = "The case; in its thread it is implied".to_owned();
        options.push(OptionSpec {
            name: "case".to_owned(),
            about,
            required: false,
            kind: OptionKind::Case,
        });
    }
    let about = spec.get_about().map(ToString::to_string).unwrap_or_default();
    VerbSpec { name, about, options }
}

fn option(arg: &clap::Arg) -> OptionSpec {
    let choices: Vec<_> = arg
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    let kind = if arg.get_value_parser().type_id() == TypeId::of::<UserRef>() {
        OptionKind::Person
    } else if choices.is_empty() {
        OptionKind::Text
    } else {
        OptionKind::Choice(choices)
    };
    OptionSpec {
        name: arg.get_id().as_str().to_owned(),
        about: arg.get_help().map(ToString::to_string).unwrap_or_default(),
        required: arg.is_required_set(),
        kind,
    }
}

/// Reads a verb with named options, as [`schema`] describes them. The same parser checks them.
///
/// # Errors
/// Says what is wrong, as [`super::parse_text`] does.
pub fn parse_options(verb: &str, given: &[(String, String)]) -> Result<Parsed, Unclear> {
    let root = Grammar::command();
    let Some(spec) = root.find_subcommand(verb) else {
        return parse_words(&[verb.to_owned()]).map(|command| Parsed { case: None, command });
    };
    let value = |name: &str| {
        given
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    let case = match value("case") {
        Some(text) => Some(
            text.trim()
                .parse::<CaseNumber>()
                .map_err(|error| Unclear(error.to_string()))?,
        ),
        None => None,
    };
    let mut words = Vec::new();
    let mut flags = Vec::new();
    if verb == "escalate" {
        flags.extend(value("team").map(|team| format!("--team={team}")));
        words.extend(value("reason"));
    } else {
        for arg in spec.get_positionals() {
            let Some(text) = value(arg.get_id().as_str()) else {
                continue;
            };
            let person = arg.get_value_parser().type_id() == TypeId::of::<UserRef>();
            let verbatim = arg.is_trailing_var_arg_set() || person;
            if verbatim {
                words.push(text);
            } else {
                words.extend(text.split_whitespace().map(str::to_owned));
            }
        }
    }
    if !words.is_empty() && verb != "label" {
        words.insert(0, "--".to_owned());
    }
    words.splice(0..0, flags);
    words.insert(0, verb.to_owned());
    parse_words(&words).map(|command| Parsed { case, command })
}
