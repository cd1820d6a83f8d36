//! What holds for a source whatever its platform: `flood`, `[[source.match]]`.

use super::super::section::{Section, Wrong, shown};
use crate::domain::listen::{Fault, Listening, Rule};
use crate::domain::{SourceName, language};

/// The longest name of a rule: it becomes a label.
const MOST_NAME: usize = 40;

/// What holds for a source whatever its platform.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The source's name.
    pub source: String,
    /// What it is listened for beyond what is written to us; everything, if there is no rule.
    pub matches: Vec<Rule>,
    /// From how many new posts at once on it is set aside; never, if there is no number.
    pub flood: Option<usize>,
}

/// From how many new posts at once on a source is set aside, unless told otherwise.
const FLOOD: usize = 20;
/// Platforms that hand over what they want handed over: they have no history to announce again.
const UNGUARDED: [&str; 2] = ["webhook", "playground"];

impl Terms {
    pub(super) fn read(section: &mut Section<'_>, source: Option<&str>, platform: Option<&str>) -> Self {
        let flood = section.get("flood").unwrap_or(match platform {
            Some(platform) if UNGUARDED.contains(&platform) => 0,
            _ => FLOOD,
        });
        let mut matches: Vec<Rule> = Vec::new();
        for (rule, place) in section.each_placed("match", rule) {
            if matches.iter().any(|other| other.name == rule.name) {
                let message = format!("{} is given already", shown(&rule.name));
                let wrong = Wrong::new(message, "give every [[source.match]] of a source its own name");
                section.wrong_at(&place, "match", wrong);
            }
            matches.push(rule);
        }
        Self {
            source: source.unwrap_or_default().to_owned(),
            matches,
            flood: (flood > 0).then_some(flood),
        }
    }
}

/// Reads one `[[source.match]]`.
fn rule(section: &mut Section<'_>) -> Option<Rule> {
    let name: Option<String> = section.need("name", "\"late\"");
    let rule = Rule {
        name: name.clone().unwrap_or_default(),
        all: section.words("all"),
        any: section.words("any"),
        none: section.words("none"),
        regex: section.words("regex"),
        language: section.words("language"),
        min_reach: section.get("min_reach").map(|reach: usize| reach as u64),
        authors: section.words("authors"),
        not_authors: section.words("not_authors"),
    };
    if let Some(name) = &name {
        section.check("name", label(name));
    }
    for tag in &rule.language {
        section.check("language", known(tag));
    }
    for (key, words) in [
        ("all", &rule.all),
        ("any", &rule.any),
        ("none", &rule.none),
        ("regex", &rule.regex),
    ] {
        for word in words {
            section.check(key, sound(key, word));
        }
    }
    if asks_nothing(&rule) {
        let wrong = Wrong::new(
            "asks for nothing, so it would catch everything",
            "add `any = [\"acme\"]`, or leave the rules out to hear everything",
        );
        section.wrong("", wrong);
    }
    Some(Rule { name: name?, ..rule })
}

/// Only words that may not stand there, or authors who are turned away, are something to ask, too.
fn asks_nothing(rule: &Rule) -> bool {
    let nameless = Rule {
        name: String::new(),
        ..rule.clone()
    };
    nameless == Rule::default()
}

/// A name becomes a label, and is typed as one.
fn label(name: &str) -> Result<(), Wrong> {
    let mend = "use small letters, digits, - and _, like \"late-parcels\"";
    if name.chars().count() > MOST_NAME {
        return Err(Wrong::new(
            format!("is longer than the {MOST_NAME} letters of a label"),
            mend,
        ));
    }
    let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let begins = name.chars().next().is_some_and(char::is_alphanumeric);
    if begins && name.chars().all(plain) && name.to_lowercase() == name {
        return Ok(());
    }
    Err(Wrong::new(format!("{} cannot be a label", shown(name)), mend))
}

fn known(tag: &str) -> Result<(), Wrong> {
    let primary = tag.split(['-', '_']).next().unwrap_or(tag);
    let sound = (2..=3).contains(&primary.len()) && primary.bytes().all(|byte| byte.is_ascii_alphabetic());
    if sound || language::is_known(tag) {
        return Ok(());
    }
    Err(Wrong::new(
        format!("{} is no language", shown(tag)),
        "write its tag, like \"en\" or \"pt\"",
    ))
}

/// Whether a phrase or regex can be looked for. The domain says it, so that both say the same.
fn sound(key: &str, word: &str) -> Result<(), Wrong> {
    let words = vec![word.to_owned()];
    let rule = match key {
        "regex" => Rule {
            regex: words,
            ..Rule::default()
        },
        _ => Rule {
            any: words,
            ..Rule::default()
        },
    };
    let alone = Listening::new([(SourceName::new("-"), &[rule][..])]);
    let Err((_, _, fault)) = alone else {
        return Ok(());
    };
    let mend = match &fault {
        Fault::Empty(_) => "write a word or a phrase, like \"late\" or \"never arrived\"",
        Fault::Star(_) => "write \"refund*\", or use `regex`",
        Fault::Regex(_) => {
            "see https://docs.rs/regex/latest/regex/#syntax; in TOML write it in 'single quotes'"
        }
    };
    let message = match fault {
        Fault::Regex(why) => format!("{} {why}", shown(word)),
        Fault::Empty(_) | Fault::Star(_) => fault.to_string(),
    };
    Err(Wrong::new(message, mend))
}
