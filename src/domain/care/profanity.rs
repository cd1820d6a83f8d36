//! Words that no brand says, also with stars or digits in them.
//!
//! The list is our own and short: what is examined is written by colleagues, not by people who evade a
//! filter, and a filter of that kind takes names ("Hancock", "Annalisse") for words.

use super::phrase::Book;
use super::text::{Scene, Span, fold};
use super::{Care, Hit, Rule, first};
use std::sync::LazyLock;

static PROFANITY: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/profanity.txt")));

/// The shortest disguised word: below it, product names ("A55") look like one.
const LEAST_DISGUISED: usize = 4;

pub(super) fn profanity(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let plain = first(&PROFANITY, Rule::Profanity, scene, care).map(|(span, _)| span);
    let spans = plain.into_iter().chain(disguised(scene));
    let span = spans.min_by_key(|span| span.start)?;
    let why = "This word is taken as an insult or as swearing. Leave it out.";
    Some(Hit::new(scene.slice(&span), why))
}

/// The first word with letters replaced ("sh1t", "f**k") or drawn out ("fuuuck").
fn disguised(scene: &Scene<'_>) -> Option<Span> {
    let words = PROFANITY.hits().singles();
    tokens(scene)
        .into_iter()
        .filter(|span| !scene.is_spared(span))
        .find(|span| {
            let token = fold(scene.slice(span));
            let letters: Vec<Letter> = token.chars().map(Letter::of).collect();
            let drawn = squeezed(&token);
            words.iter().any(|(word, more)| {
                let replaced = is_disguised(&letters) && stands_for(&letters, word, *more);
                let drawn_out = drawn
                    .as_ref()
                    .is_some_and(|drawn| begins(drawn, &squeeze(word), *more));
                replaced || drawn_out
            })
        })
}

/// What stands between spaces, without links, handles and the punctuation around it.
fn tokens(scene: &Scene<'_>) -> Vec<Span> {
    let text = scene.draft.text;
    let mut out = Vec::new();
    let mut at = 0;
    for token in text.split(char::is_whitespace) {
        let start = at;
        // What separates may have several bytes.
        let next = start + token.len();
        at = next
            + text
                .get(next..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8);
        let free = !scene
            .masked
            .iter()
            .any(|span| span.start < next && start < span.end);
        let head = token.trim_start_matches(|c: char| !c.is_alphanumeric());
        let tail = head.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '*');
        if free && !tail.is_empty() {
            let start = next - head.len();
            out.push(start..start + tail.len());
        }
    }
    out
}

/// A character of a token that may hide a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Letter {
    /// What it is.
    Plain(char),
    /// What it looks like.
    Like(char),
    /// Any letter.
    Any,
}

impl Letter {
    fn of(c: char) -> Self {
        match c {
            '*' | '#' | '_' => Self::Any,
            '0' => Self::Like('o'),
            '1' | '!' | '|' => Self::Like('i'),
            '3' => Self::Like('e'),
            '4' | '@' => Self::Like('a'),
            '5' | '$' => Self::Like('s'),
            '7' => Self::Like('t'),
            _ => Self::Plain(c),
        }
    }

    fn stands_for(self, c: char) -> bool {
        match self {
            Self::Plain(letter) | Self::Like(letter) => letter == c,
            Self::Any => true,
        }
    }
}

/// Whether a token is long enough, begins with a letter, and has something in the place of one.
fn is_disguised(letters: &[Letter]) -> bool {
    let plain = |letter: &Letter| matches!(letter, Letter::Plain(c) if c.is_alphabetic());
    letters.len() >= LEAST_DISGUISED && letters.first().is_some_and(plain) && !letters.iter().all(plain)
}

fn stands_for(letters: &[Letter], word: &str, more: bool) -> bool {
    let length = word.chars().count();
    let fits = letters.len() == length || (more && letters.len() > length);
    fits && letters
        .iter()
        .zip(word.chars())
        .all(|(letter, c)| letter.stands_for(c))
}

/// A word with its repeated letters once, if one of them stands there three times or more.
fn squeezed(word: &str) -> Option<String> {
    let letters: Vec<char> = word.chars().collect();
    let drawn = letters
        .windows(3)
        .any(|run| matches!(run, [a, b, c] if a == b && b == c && a.is_alphabetic()));
    drawn.then(|| squeeze(word))
}

fn squeeze(word: &str) -> String {
    let mut out = String::with_capacity(word.len());
    for c in word.chars() {
        if !out.ends_with(c) {
            out.push(c);
        }
    }
    out
}

fn begins(text: &str, word: &str, more: bool) -> bool {
    text == word || (more && text.starts_with(word))
}
