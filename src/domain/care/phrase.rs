//! Phrases, the books of phrases in `words/`, and how they are found.
//!
//! A book is a text file. A line is a phrase; it matches whole words inside of one sentence, whatever
//! the case, the accents and the form of the apostrophe, contractions written out. In a phrase
//! `(a|b c|)` stands for any one of its parts, `word*` for every word that begins so, `~` for up to
//! three words none of which is a negation. A line `> text` gives the better wording for the phrases
//! below it. A line `! phrase` spares what begins inside of that phrase. `#` begins a comment.

use super::text::{Span, Word, words};
use std::collections::{BTreeSet, HashMap};

/// The most words that `~` stands for.
const GAP: usize = 3;
/// What `~` does not stand for.
const NEGATIONS: [&str; 10] = [
    "not", "no", "never", "nor", "unable", "nicht", "kein", "keine", "pas", "nunca",
];

/// A part of a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Slot {
    /// This word.
    Word(String),
    /// A word that begins so.
    Stem(String),
    /// A few words of any kind.
    Gap,
    /// One of these.
    OneOf(Vec<Vec<Slot>>),
}

impl Slot {
    /// Where the text goes on behind this part, when it begins at the word `at`.
    fn ends(&self, words: &[Word], at: usize) -> BTreeSet<usize> {
        let word = words.get(at);
        let next = |fits: bool| fits.then_some(at + 1).into_iter().collect();
        match self {
            Self::Word(wanted) => next(word.is_some_and(|word| word.folded == *wanted)),
            Self::Stem(stem) => next(word.is_some_and(|word| word.folded.starts_with(stem.as_str()))),
            Self::Gap => {
                let fillers = words.iter().skip(at).take(GAP);
                let fits = |word: &&Word| !NEGATIONS.contains(&word.folded.as_str());
                (at..=at + fillers.take_while(fits).count()).collect()
            }
            Self::OneOf(parts) => parts.iter().flat_map(|part| ends(words, at, part)).collect(),
        }
    }
}

/// Where the text goes on behind these parts, when they begin at the word `at`.
fn ends(words: &[Word], at: usize, slots: &[Slot]) -> BTreeSet<usize> {
    let step = |places: BTreeSet<usize>, slot: &Slot| {
        let ends = places.into_iter().flat_map(|place| slot.ends(words, place));
        ends.collect()
    };
    slots.iter().fold(BTreeSet::from([at]), step)
}

/// The words these parts can begin with; `None` if it can be any. Adds to `out`; tells whether they
/// can be empty.
fn firsts(slots: &[Slot], out: &mut BTreeSet<String>) -> Option<bool> {
    for slot in slots {
        match slot {
            Slot::Word(word) => {
                out.insert(word.clone());
                return Some(false);
            }
            Slot::Stem(_) | Slot::Gap => return None,
            Slot::OneOf(parts) => {
                let mut empty = false;
                for part in parts {
                    empty |= firsts(part, out)?;
                }
                if !empty {
                    return Some(false);
                }
            }
        }
    }
    Some(true)
}

/// A phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Phrase {
    slots: Vec<Slot>,
    /// Whether it has a full stop in itself ("Dr. Foster").
    crosses: bool,
    /// Which better wording belongs to it.
    better: Option<usize>,
}

/// A phrase that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where it stands.
    pub span: Span,
    /// The sentence it begins in.
    pub sentence: usize,
    /// Which better wording belongs to it.
    better: Option<usize>,
}

/// Phrases by their first word.
#[derive(Debug, Default)]
pub(super) struct Index {
    phrases: Vec<Phrase>,
    by_first: HashMap<String, Vec<usize>>,
    /// Those that can begin with any word.
    loose: Vec<usize>,
}

impl Index {
    /// Of phrases without alternatives: a configuration's.
    pub fn of(phrases: &[String]) -> Self {
        let mut index = Self::default();
        for phrase in phrases {
            index.add(plain(phrase), phrase, None);
        }
        index
    }

    fn add(&mut self, slots: Vec<Slot>, text: &str, better: Option<usize>) {
        let number = self.phrases.len();
        let mut first = BTreeSet::new();
        match firsts(&slots, &mut first) {
            None => self.loose.push(number),
            Some(false) => {
                for word in first {
                    self.by_first.entry(word).or_default().push(number);
                }
            }
            // It says nothing.
            Some(true) => return,
        }
        let crosses = words(text, &[]).last().is_some_and(|word| word.sentence > 0);
        self.phrases.push(Phrase {
            slots,
            crosses,
            better,
        });
    }

    /// All that is found, in the order of the text; at each place the longest.
    pub fn all(&self, words: &[Word]) -> Vec<Found> {
        (0..words.len()).filter_map(|at| self.at(words, at)).collect()
    }

    /// The longest phrase that begins with this word.
    fn at(&self, words: &[Word], at: usize) -> Option<Found> {
        let first = words.get(at)?;
        let known = self.by_first.get(&first.folded).map_or(&[][..], Vec::as_slice);
        if known.is_empty() && self.loose.is_empty() {
            return None;
        }
        let sentence_end = at
            + words
                .get(at..)?
                .partition_point(|word| word.sentence == first.sentence);
        let (last, phrase) = known
            .iter()
            .chain(&self.loose)
            .filter_map(|number| self.phrases.get(*number))
            .filter_map(|phrase| {
                let end = if phrase.crosses { words.len() } else { sentence_end };
                let last = ends(words.get(..end)?, at, &phrase.slots).pop_last()?;
                Some((last, phrase))
            })
            // The first of those that are equally long: the order of the file.
            .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
        let end = words.get(at..last)?.last()?.span.end;
        Some(Found {
            span: first.span.start..end,
            sentence: first.sentence,
            better: phrase.better,
        })
    }

    /// The single words and stems, for those who compare letters: `(letters, whether more may follow)`.
    pub fn singles(&self) -> Vec<(&str, bool)> {
        let mut out = Vec::new();
        for phrase in &self.phrases {
            single(&phrase.slots, &mut out);
        }
        out
    }
}

fn single<'s>(slots: &'s [Slot], out: &mut Vec<(&'s str, bool)>) {
    match slots {
        [Slot::Word(word)] => out.push((word, false)),
        [Slot::Stem(stem)] => out.push((stem, true)),
        [Slot::OneOf(parts)] => parts.iter().for_each(|part| single(part, out)),
        _ => {}
    }
}

/// The phrases of a rule, with better wordings and with what is spared.
#[derive(Debug)]
pub(super) struct Book {
    hits: Index,
    spares: Index,
    better: Vec<&'static str>,
}

impl Book {
    /// Reads a book. Every text is one.
    pub fn parse(text: &'static str) -> Self {
        let mut book = Self {
            hits: Index::default(),
            spares: Index::default(),
            better: Vec::new(),
        };
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(better) = line.strip_prefix('>') {
                book.better.push(better.trim());
            } else if let Some(spare) = line.strip_prefix('!') {
                book.spares.add(slots(spare), spare, None);
            } else {
                let better = book.better.len().checked_sub(1);
                book.hits.add(slots(line), line, better);
            }
        }
        book
    }

    /// All that is found and not spared, in the order of the text.
    pub fn all(&self, words: &[Word]) -> Vec<Found> {
        let spared = self.spares.all(words);
        let begins_in_one = |found: &Found| spared.iter().any(|spare| spare.span.contains(&found.span.start));
        let mut all = self.hits.all(words);
        all.retain(|found| !begins_in_one(found));
        all
    }

    /// The better wording of something found.
    pub fn better(&self, found: &Found) -> Option<&'static str> {
        self.better.get(found.better?).copied()
    }

    /// The phrases themselves.
    pub fn hits(&self) -> &Index {
        &self.hits
    }
}

/// The parts of a phrase with alternatives.
fn slots(line: &str) -> Vec<Slot> {
    let mut out = Vec::new();
    let mut rest = line;
    while let Some((before, inside, after)) = group(rest) {
        out.extend(plain(before));
        out.push(Slot::OneOf(inside.split('|').map(plain).collect()));
        rest = after;
    }
    out.extend(plain(rest));
    out
}

/// The first group of alternatives, with what stands before and after it.
fn group(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once('(')?;
    let (inside, after) = rest.split_once(')')?;
    Some((before, inside, after))
}

/// The parts of a phrase without alternatives.
fn plain(text: &str) -> Vec<Slot> {
    let mut out = Vec::new();
    for piece in text.split_whitespace() {
        if piece == "~" {
            out.push(Slot::Gap);
            continue;
        }
        let whole = words(piece, &[]).into_iter().map(|word| Slot::Word(word.folded));
        out.extend(whole);
        if piece.ends_with('*')
            && let Some(last) = out.last_mut()
            && let Slot::Word(stem) = last
        {
            *last = Slot::Stem(std::mem::take(stem));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn found(phrase: &str, text: &str) -> Option<String> {
        let mut index = Index::default();
        index.add(slots(phrase), phrase, None);
        let all = index.all(&words(text, &[]));
        all.first().map(|found| text[found.span.clone()].to_owned())
    }

    #[rstest]
    #[case("you should have read", "You should've READ it", Some("You should've READ"))]
    #[case("you should have read", "For you. Should have read", None)]
    #[case(
        "(stop|quit) (whining|it all|)",
        "Please quit it all now",
        Some("quit it all")
    )]
    #[case("(stop|quit) (whining|it all|)", "a stopped bus stops", None)]
    #[case("(we|) care*", "they are caring careless", Some("careless"))]
    #[case("we ~ refund", "we will gladly refund", Some("we will gladly refund"))]
    #[case("we ~ refund", "we will not refund", None)]
    #[case("we ~ refund", "we one two three four refund", None)]
    #[case("l'été", "L’ETE", Some("L’ETE"))]
    #[case("Dr. Foster", "ask Dr. Foster", Some("Dr. Foster"))]
    #[case("(a|b", "so a b", Some("a b"))]
    #[case("", "anything", None)]
    fn phrases_match_whole_words(#[case] phrase: &str, #[case] text: &str, #[case] expected: Option<&str>) {
        assert_eq!(found(phrase, text).as_deref(), expected);
    }
}
