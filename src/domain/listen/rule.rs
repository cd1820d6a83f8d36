//! A rule as people write it, and what can be wrong with one.

use super::fold::folded;
use regex::{Regex, RegexBuilder};
use regex_syntax::hir::literal::{ExtractKind, Extractor, Seq};

/// The most memory, in bytes, that one compiled regex may take.
const MOST_REGEX: usize = 1 << 20;
/// The most words that a regex is waited for with; one that can begin with more is asked of every post.
const MOST_KEYS: usize = 64;

/// What a source is listened for: all that is given must hold; what is left out is not asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// What it is called; the label of the cases that it opens. Unique in its source.
    pub name: String,
    /// Words and phrases, each of which must stand in the text.
    pub all: Vec<String>,
    /// Words and phrases, one of which must.
    pub any: Vec<String>,
    /// Words and phrases, none of which may.
    pub none: Vec<String>,
    /// Regular expressions, one of which must match the text as it was written, whatever the case.
    pub regex: Vec<String>,
    /// Languages, one of which it must be written in, as BCP 47 tags: `en`, `pt`. A text whose language
    /// cannot be told is taken for any of them.
    pub language: Vec<String>,
    /// How many people must follow the author or have seen the post, as far as the network tells; where it
    /// does not, nobody did.
    pub min_reach: Option<u64>,
    /// Handles or native ids of authors, one of whom must have written it.
    pub authors: Vec<String>,
    /// Handles or native ids of authors, none of whom may have.
    pub not_authors: Vec<String>,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing is left of a phrase when case, accents and what nobody sees are taken away.
    #[error("{0:?} has no letter, digit or sign to look for")]
    Empty(String),
    /// A star elsewhere than at an end.
    #[error("{0:?} has a * inside: it stands for the rest of a word at the beginning or the end of a phrase")]
    Star(String),
    /// No regular expression, in words.
    #[error("{0}")]
    Regex(String),
}

/// A word or phrase as it is looked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Needle {
    /// Folded.
    pub text: String,
    /// Whether a word must begin where it begins.
    pub begins: bool,
    /// Whether a word must end where it ends.
    pub ends: bool,
}

impl Needle {
    /// Reads `delivery`, `never arrived`, `refund*`, `*lieferung`.
    pub fn parse(phrase: &str) -> Result<Self, Fault> {
        let inner = phrase.trim();
        let (begins, inner) = match inner.strip_prefix('*') {
            Some(rest) => (false, rest),
            None => (true, inner),
        };
        let (ends, inner) = match inner.strip_suffix('*') {
            Some(rest) => (false, rest),
            None => (true, inner),
        };
        if inner.contains('*') {
            return Err(Fault::Star(phrase.to_owned()));
        }
        let text = folded(inner).trim().to_owned();
        if text.is_empty() {
            return Err(Fault::Empty(phrase.to_owned()));
        }
        Ok(Self { text, begins, ends })
    }

    /// Part of what a regex matches: found wherever it stands.
    fn inside(text: String) -> Self {
        Self {
            text,
            begins: false,
            ends: false,
        }
    }
}

/// A regex with what a text must have in it for it to match.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Compiled.
    pub regex: Regex,
    /// One of these stands in every text that it matches; empty: no such thing is known.
    pub keys: Vec<Needle>,
}

impl Pattern {
    /// Compiles one. Capitals make no difference.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let regex = RegexBuilder::new(text)
            .case_insensitive(true)
            .size_limit(MOST_REGEX)
            .build()
            .map_err(|error| Fault::Regex(told(&error)))?;
        Ok(Self {
            regex,
            keys: keys(text),
        })
    }
}

/// What the crate says about a regex, in one line: its last line has the reason.
fn told(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "is too large when it is compiled".to_owned(),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            format!(
                "is no regular expression ({})",
                last.trim_start_matches("error: ")
            )
        }
    }
}

/// What one of must stand in every match: what it begins with or what it ends with, whichever tells more.
fn keys(text: &str) -> Vec<Needle> {
    let Ok(hir) = regex_syntax::parse(text) else {
        return Vec::new();
    };
    let found = |kind| usable(&Extractor::new().kind(kind).extract(&hir));
    let (first, last) = (found(ExtractKind::Prefix), found(ExtractKind::Suffix));
    let least = |keys: &[String]| keys.iter().map(String::len).min().unwrap_or(0);
    let best = if least(&first) >= least(&last) {
        first
    } else {
        last
    };
    best.into_iter().map(Needle::inside).collect()
}

/// The literals, folded; none where one of them is nothing.
fn usable(seq: &Seq) -> Vec<String> {
    let Some(literals) = seq.literals().filter(|literals| literals.len() <= MOST_KEYS) else {
        return Vec::new();
    };
    let texts = literals.iter().map(|literal| {
        // A literal may end inside of a character: what is whole of it suffices.
        let bytes = literal.as_bytes();
        let whole = match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(bytes.get(..error.valid_up_to())?).ok()?,
        };
        Some(folded(whole)).filter(|text| !text.trim().is_empty())
    });
    texts.collect::<Option<Vec<_>>>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Refund*", "refund", true, false)]
    #[case("*Lieferung", "lieferung", false, true)]
    #[case(" Never  arrived ", "never arrived", true, true)]
    fn stars_open_an_end(#[case] phrase: &str, #[case] text: &str, #[case] begins: bool, #[case] ends: bool) {
        let text = text.to_owned();
        assert_eq!(Needle::parse(phrase), Ok(Needle { text, begins, ends }));
    }

    #[rstest]
    #[case("*")]
    #[case("\u{200b}")]
    #[case("a*b")]
    fn what_cannot_be_looked_for_is_told(#[case] phrase: &str) {
        assert!(Needle::parse(phrase).is_err());
    }

    #[rstest]
    #[case::beginning(r"order\s+#?\d{5}", &["order"])]
    #[case::either(r"\b(refund|money back)\b", &["refund", "money back"])]
    #[case::end(r"\d+ orders", &[" orders"])]
    #[case::folded(r"Rückgabe", &["ruckgabe"])]
    #[case::nothing_to_go_by(r"[a-z]+\d+", &[])]
    #[case::nothing_at_all(r"(refund)?", &[])]
    fn a_regex_says_what_it_waits_for(#[case] regex: &str, #[case] wanted: &[&str]) {
        let keys: Vec<_> = Pattern::parse(regex).unwrap().keys;
        let texts: Vec<_> = keys.iter().map(|key| key.text.as_str()).collect();
        assert_eq!(texts, wanted);
    }

    #[test]
    fn a_regex_that_is_none_is_told_in_one_line() {
        let told = Pattern::parse("refund(").unwrap_err().to_string();
        assert_eq!(told, "is no regular expression (unclosed group)");
        let told = Pattern::parse(r"\w{500}").unwrap_err().to_string();
        assert!(told.contains("too large"), "{told}");
    }
}
