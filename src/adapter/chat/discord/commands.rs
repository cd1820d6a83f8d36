//! The application commands, generated from the grammar, and the way back to its verbs.

use crate::command::{OptionKind, OptionSpec, VerbSpec, schema};
use serenity::all::{CommandOptionType, CommandType, CreateCommand, CreateCommandOption, InteractionContext};

/// Verbs that have a command of their own besides `/case`.
pub(super) const SHORT: [&str; 4] = ["claim", "reply", "escalate", "resolve"];
/// Entries of a message's menu, with the verb whose words they ask for.
pub(super) const MENU: [(&str, &str); 3] = [
    ("Reply to customer", "reply"),
    ("Note on case", "note"),
    ("Escalate case", "escalate"),
];
/// The one command that has all verbs.
pub(super) const ROOT: &str = "case";

/// The body of the bulk overwrite of the guild's commands.
///
/// Who may use them is left to the server's settings; what they may do is decided by their roles
/// when the command arrives. <https://discord.com/developers/docs/interactions/application-commands>
#[must_use]
pub fn commands() -> serde_json::Value {
    let verbs = schema();
    let root = CreateCommand::new(ROOT)
        .description("Work on cases")
        .set_options(verbs.iter().map(subcommand).collect());
    let short = verbs.iter().filter(|verb| SHORT.contains(&verb.name.as_str()));
    let short = short.map(|verb| {
        CreateCommand::new(&verb.name)
            .description(&verb.about)
            .set_options(verb.options.iter().map(option).collect())
    });
    let menu = MENU
        .iter()
        .map(|(name, _)| CreateCommand::new(*name).kind(CommandType::Message));
    let all: Vec<_> = std::iter::once(root)
        .chain(short)
        .chain(menu)
        .map(|command| command.contexts(vec![InteractionContext::Guild]))
        .collect();
    serde_json::to_value(all).unwrap_or_default()
}

fn subcommand(verb: &VerbSpec) -> CreateCommandOption {
    let sub = CreateCommandOption::new(CommandOptionType::SubCommand, &verb.name, &verb.about);
    verb.options
        .iter()
        .map(option)
        .fold(sub, CreateCommandOption::add_sub_option)
}

fn option(spec: &OptionSpec) -> CreateCommandOption {
    let kind = match spec.kind {
        OptionKind::Case | OptionKind::Text | OptionKind::Choice(_) => CommandOptionType::String,
        OptionKind::Person => CommandOptionType::User,
    };
    let option = CreateCommandOption::new(kind, &spec.name, &spec.about).required(spec.required);
    match &spec.kind {
        OptionKind::Case => option.set_autocomplete(true),
        OptionKind::Choice(words) => words
            .iter()
            .fold(option, |option, word| option.add_string_choice(word, word)),
        OptionKind::Text | OptionKind::Person => option,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::fmt::Write as _;

    /// One line a command: what people see in the picker.
    fn outline(commands: &Value) -> String {
        let mut out = String::new();
        for command in commands.as_array().unwrap() {
            let _ = writeln!(
                out,
                "{} {}",
                command["name"].as_str().unwrap(),
                command["contexts"]
            );
            for option in command["options"].as_array().into_iter().flatten() {
                let _ = writeln!(out, "  {}", line(option));
            }
        }
        out
    }

    fn line(option: &Value) -> String {
        let mut out = format!("{}:{}", option["name"].as_str().unwrap(), option["type"]);
        if option["required"] == true {
            out.push('!');
        }
        if option["autocomplete"] == true {
            out.push('…');
        }
        for choice in option["choices"].as_array().into_iter().flatten() {
            out.push_str(&format!(" ={}", choice["value"].as_str().unwrap()));
        }
        for inner in option["options"].as_array().into_iter().flatten() {
            out.push_str(&format!(" [{}]", line(inner)));
        }
        out
    }

    #[test]
    fn the_definition_follows_the_grammar() {
        // name:type, ! required, … completed while typed, = choices
        insta::assert_snapshot!(outline(&commands()), @r"
        case [0]
          claim:1 [case:3…]
          release:1 [case:3…]
          assign:1 [who:6!] [case:3…]
          reply:1 [text:3!] [case:3…]
          dm:1 [text:3!] [case:3…]
          answered:1 [address:3!] [case:3…]
          note:1 [text:3!] [case:3…]
          escalate:1 [team:3] [reason:3] [case:3…]
          approve:1 [case:3…]
          reject:1 [reason:3] [case:3…]
          cancel:1 [case:3…]
          resolve:1 [outcome:3] [case:3…]
          reopen:1 [case:3…]
          snooze:1 [duration:3!] [case:3…]
          priority:1 [level:3! =low =normal =high =urgent] [case:3…]
          kind:1 [kind:3! =complaint =question =praise =idea =spam] [case:3…]
          label:1 [labels:3!] [case:3…]
          show:1 [case:3…]
          history:1 [case:3…]
          queue:1
          mine:1
          search:1 [text:3!]
          pause:1 [reason:3]
          resume:1
          help:1 [verb:3]
        claim [0]
          case:3…
        reply [0]
          text:3!
          case:3…
        escalate [0]
          team:3
          reason:3
          case:3…
        resolve [0]
          outcome:3
          case:3…
        Reply to customer [0]
        Note on case [0]
        Escalate case [0]
        ");
    }

    #[test]
    fn discords_limits_hold() {
        for command in commands().as_array().unwrap() {
            // "a maximum combined size of 8000 characters for all names, descriptions, and values"
            assert!(said(command) <= 8000);
            assert!(
                command["options"]
                    .as_array()
                    .is_none_or(|options| options.len() <= 25)
            );
            assert!(command.get("default_member_permissions").is_none());
            check(command);
        }
    }

    fn said(spec: &Value) -> usize {
        let own = ["name", "description", "value"]
            .iter()
            .filter_map(|key| spec[*key].as_str());
        let inner = ["options", "choices"]
            .iter()
            .filter_map(|key| spec[*key].as_array());
        own.map(|text| text.chars().count()).sum::<usize>() + inner.flatten().map(said).sum::<usize>()
    }

    fn check(spec: &Value) {
        let name = spec["name"].as_str().unwrap();
        assert!((1..=32).contains(&name.chars().count()), "{name}");
        if let Some(about) = spec["description"].as_str() {
            assert!((1..=100).contains(&about.chars().count()), "{name}: {about}");
        }
        let mut optional = false;
        for option in spec["options"].as_array().into_iter().flatten() {
            check(option);
            let required = option["required"] == true;
            assert!(!(optional && required), "{name}: required options come first");
            optional |= !required;
        }
    }
}
