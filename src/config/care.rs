//! `[care]`: what is looked at before a reply leaves.

use super::section::{Read, Section, Wrong, choice, shown};
use super::tree::{Node, Value};
use crate::domain::care::{Care, Level, Levels, Rule};
use std::collections::BTreeMap;

/// The fewest digits of a telephone number.
const LEAST_DIGITS: usize = 5;

impl Read for Level {
    fn read(node: &Node) -> Result<Self, Wrong> {
        if !matches!(node.value, Value::Text(_)) {
            let message = format!("must be a level, not {}", node.value.kind());
            let mend = "write \"off\", \"hint\", \"confirm\" or \"approve\"";
            return Err(Wrong::new(message, mend));
        }
        choice(
            &String::read(node)?,
            &Self::ALL.map(|level| (level.word(), level)),
        )
    }
}

/// Reads `[care]`, `[care.rules]` and `[care.words]`.
pub(super) fn read(section: &mut Section<'_>) -> Option<Care> {
    let refund_limit: Option<usize> = section.need("refund_limit", "100");
    let links = checked(section, "links", host);
    let competitors = checked(section, "competitors", named);
    let contacts = checked(section, "contacts", contact);
    let allowed = checked(section, "allowed", named);
    let levels = section.one("rules", levels);
    let words = section.one("words", words).unwrap_or_default();
    Some(Care {
        levels: levels?,
        refund_limit: u64::try_from(refund_limit?).unwrap_or(u64::MAX),
        links,
        competitors,
        contacts,
        allowed,
        words,
    })
}

/// `[care.rules]`: the level of each rule.
fn levels(section: &mut Section<'_>) -> Option<Levels> {
    let mut levels = Levels::default();
    for rule in Rule::ALL {
        if let Some(level) = section.get(rule.word()) {
            levels.set(rule, level);
        }
    }
    Some(levels)
}

/// `[care.words]`: more words for the rules of words.
fn words(section: &mut Section<'_>) -> Option<BTreeMap<Rule, Vec<String>>> {
    let rules = Rule::ALL.into_iter().filter(|rule| rule.takes_words());
    let words = rules.map(|rule| (rule, checked(section, rule.word(), named)));
    Some(words.filter(|(_, words)| !words.is_empty()).collect())
}

/// A list whose entries have to be sound.
fn checked(section: &mut Section<'_>, key: &str, sound: fn(&str) -> Result<(), Wrong>) -> Vec<String> {
    let list: Vec<String> = section.list(key).unwrap_or_default();
    for item in &list {
        section.check(key, sound(item));
    }
    list
}

/// What has a letter or a digit, so that it can be found.
fn named(text: &str) -> Result<(), Wrong> {
    if text.contains(char::is_alphanumeric) {
        return Ok(());
    }
    Err(Wrong::new(
        format!("{} has neither a letter nor a digit", shown(text)),
        "write a word or a phrase",
    ))
}

fn host(text: &str) -> Result<(), Wrong> {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-');
    if text.chars().all(part) && text.contains(char::is_alphanumeric) {
        return Ok(());
    }
    Err(Wrong::new(
        format!("{} is no host", shown(text)),
        "write the host alone, like \"help.example.com\"; all below it is allowed too",
    ))
}

fn contact(text: &str) -> Result<(), Wrong> {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let domain = text.rsplit_once('@').map(|(_, domain)| domain);
    if domain.map_or(digits >= LEAST_DIGITS, |domain| host(domain).is_ok()) {
        return Ok(());
    }
    Err(Wrong::new(
        format!(
            "{} is neither an e-mail address nor a telephone number",
            shown(text)
        ),
        "write it like \"help@example.com\", \"@example.com\" or \"+1 555 010 0199\"",
    ))
}
