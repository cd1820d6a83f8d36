//! Listening beyond mentions: which of the posts that a source found are heard. One automaton finds the
//! words of all rules of all sources in one pass over a post; only a rule whose words were found is looked
//! at, and only the regexes whose literals were found are asked.

mod fold;
mod rule;

pub use rule::{Fault, Rule};

use super::language::{akin, detected, tagged};
use super::{Post, PostKind, SourceName, Visibility};
use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use regex::Regex;
use rule::{Needle, Pattern};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use whatlang::Lang;

/// Up to so many bytes of words the automaton is a table of all transitions, which is faster; a larger one
/// would not stay in the processor's caches, nor in little memory.
const MOST_IN_TABLE: usize = 16 * 1024;

/// What the rules say of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Its source has no rules: it hears everything.
    Everything,
    /// It is written to us; then only its author can keep it from being heard.
    ToUs,
    /// These rules caught it, in the order in which they are configured. At least one.
    Caught(Vec<Arc<str>>),
    /// No rule caught it, or all rules turn its author away.
    No,
}

/// Whether the author wrote to us: named us, answered us, reviewed us, or sent us a message. A connector
/// gives what it merely found (by a search, a hashtag, in a feed) the kind [`PostKind::Post`].
#[must_use]
pub fn is_to_us(post: &Post) -> bool {
    match post.kind {
        PostKind::Mention | PostKind::Comment | PostKind::Review | PostKind::Message => true,
        PostKind::Post => post.visibility == Visibility::Private,
    }
}

/// The rules of all sources, ready to be asked.
#[derive(Debug, Default)]
pub struct Listening {
    automaton: Option<AhoCorasick>,
    needles: Vec<Place>,
    sources: HashMap<SourceName, Group>,
    rules: Vec<Asked>,
    regexes: usize,
}

/// What a pattern of the automaton stands for.
#[derive(Debug)]
struct Place {
    begins: bool,
    ends: bool,
    /// The rules that are looked at when it is found, by their places.
    wakes: Vec<u32>,
}

/// The rules of one source.
#[derive(Debug, Default)]
struct Group {
    /// From here,
    first: u32,
    /// until here, without it.
    end: u32,
    /// Those that no word wakes: they are asked about every post.
    always: Vec<u32>,
}

/// A rule, compiled. Words are places in the list of needles.
#[derive(Debug)]
struct Asked {
    name: Arc<str>,
    all: Vec<u32>,
    any: Vec<u32>,
    none: Vec<u32>,
    regexes: Vec<(Regex, Vec<u32>)>,
    languages: Vec<Lang>,
    tags: Vec<String>,
    min_reach: Option<u64>,
    authors: HashSet<String>,
    not_authors: HashSet<String>,
}

/// What a thread that asks keeps from one post to the next, so that nothing is allocated for each.
#[derive(Debug, Default)]
pub struct Scratch {
    folded: String,
    /// For each needle the turn in which it was found last.
    found: Vec<u64>,
    /// The same for rules that were woken.
    woken: Vec<u64>,
    turn: u64,
    candidates: Vec<u32>,
}

impl Scratch {
    fn has(&self, needle: u32) -> bool {
        self.found.get(needle as usize) == Some(&self.turn)
    }
}

impl Listening {
    /// Makes the rules of these sources ready. A source without rules hears everything.
    ///
    /// # Errors
    /// The first rule, with its source, that says something which cannot be looked for.
    pub fn new<'a>(
        sources: impl IntoIterator<Item = (SourceName, &'a [Rule])>,
    ) -> Result<Self, (SourceName, String, Fault)> {
        let mut making = Making::default();
        for (source, rules) in sources.into_iter().filter(|(_, rules)| !rules.is_empty()) {
            let first = number(making.rules.len());
            let mut group = Group {
                first,
                ..Group::default()
            };
            for rule in rules {
                let awake = making.rule(rule);
                match awake.map_err(|fault| (source.clone(), rule.name.clone(), fault))? {
                    Wake::Always(at) => group.always.push(at),
                    Wake::ByWords => {}
                }
            }
            group.end = number(making.rules.len());
            making.sources.insert(source, group);
        }
        Ok(making.finish())
    }

    /// Whether a source has rules.
    #[must_use]
    pub fn is_choosy(&self, source: &SourceName) -> bool {
        self.sources.contains_key(source)
    }

    /// How many regexes no word wakes: each is asked of every post of its source.
    #[must_use]
    pub fn restless(&self) -> usize {
        self.regexes
    }

    /// How much memory the automaton takes, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.automaton.as_ref().map_or(0, AhoCorasick::memory_usage)
    }

    /// What the rules of its source say of a post.
    #[must_use]
    pub fn judge(&self, post: &Post, scratch: &mut Scratch) -> Heard {
        let Some(group) = self.sources.get(&post.source) else {
            return Heard::Everything;
        };
        if is_to_us(post) {
            let rules = self.rules.get(group.first as usize..group.end as usize);
            let denied = rules.is_some_and(|rules| rules.iter().all(|rule| rule.denies(post)));
            return if denied { Heard::No } else { Heard::ToUs };
        }
        match self.caught(post, scratch) {
            caught if caught.is_empty() => Heard::No,
            caught => Heard::Caught(caught),
        }
    }

    /// The rules of its source that catch a post, whoever it is written to.
    #[must_use]
    pub fn caught(&self, post: &Post, scratch: &mut Scratch) -> Vec<Arc<str>> {
        let Some(group) = self.sources.get(&post.source) else {
            return Vec::new();
        };
        self.look(&post.text, group, scratch);
        let mut candidates = std::mem::take(&mut scratch.candidates);
        candidates.sort_unstable();
        let asked = candidates.iter().filter_map(|at| self.rules.get(*at as usize));
        let caught = asked.filter(|rule| rule.catches(post, scratch));
        let caught = caught.map(|rule| Arc::clone(&rule.name)).collect();
        scratch.candidates = candidates;
        caught
    }

    /// Finds which needles stand in a text, and which rules of a group they wake.
    fn look(&self, text: &str, group: &Group, scratch: &mut Scratch) {
        scratch.turn += 1;
        scratch.found.resize(self.needles.len(), 0);
        scratch.woken.resize(self.rules.len(), 0);
        scratch.candidates.clear();
        scratch.candidates.extend(&group.always);
        fold::fold(text, &mut scratch.folded);
        let Some(automaton) = &self.automaton else {
            return;
        };
        let folded = scratch.folded.as_str();
        for found in automaton.find_overlapping_iter(folded) {
            let at = found.pattern().as_usize();
            let (Some(place), Some(seen)) = (self.needles.get(at), scratch.found.get_mut(at)) else {
                continue;
            };
            if *seen == scratch.turn
                || (place.begins && is_inside(folded, found.start()))
                || (place.ends && is_inside(folded, found.end()))
            {
                continue;
            }
            *seen = scratch.turn;
            // The rules that a word wakes stand in order, those of a source together.
            let from = place.wakes.partition_point(|rule| *rule < group.first);
            let of_source = place.wakes.iter().skip(from);
            for rule in of_source.take_while(|rule| **rule < group.end) {
                if let Some(woken) = scratch.woken.get_mut(*rule as usize)
                    && *woken != scratch.turn
                {
                    *woken = scratch.turn;
                    scratch.candidates.push(*rule);
                }
            }
        }
    }
}

/// Whether a place in a text is inside of a word.
fn is_inside(text: &str, at: usize) -> bool {
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).and_then(|at| bytes.get(at));
    let (Some(before), Some(after)) = (before, bytes.get(at)) else {
        return false;
    };
    if before.is_ascii() && after.is_ascii() {
        let inside = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
        return inside(before) && inside(after);
    }
    let before = text.get(..at).and_then(|text| text.chars().next_back());
    let after = text.get(at..).and_then(|text| text.chars().next());
    matches!((before, after), (Some(before), Some(after)) if fold::are_joined(before, after))
}

impl Asked {
    /// Whether all that the rule asks holds, once it is known which needles stand in the text.
    fn catches(&self, post: &Post, scratch: &Scratch) -> bool {
        let has = |needle: &u32| scratch.has(*needle);
        self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && !self.none.iter().any(has)
            && self.min_reach.is_none_or(|least| reach(post) >= least)
            && (self.authors.is_empty() || names(&self.authors, post))
            && !self.denies(post)
            && self.matches(&post.text, scratch)
            && self.is_spoken(post)
    }

    fn denies(&self, post: &Post) -> bool {
        !self.not_authors.is_empty() && names(&self.not_authors, post)
    }

    fn matches(&self, text: &str, scratch: &Scratch) -> bool {
        let asked = |keys: &[u32]| keys.is_empty() || keys.iter().any(|key| scratch.has(*key));
        self.regexes.is_empty()
            || self
                .regexes
                .iter()
                .any(|(regex, keys)| asked(keys) && regex.is_match(text))
    }

    /// Whether it is written in one of the languages: as it reads, else as the network tells.
    fn is_spoken(&self, post: &Post) -> bool {
        if self.tags.is_empty() {
            return true;
        }
        if let Some(lang) = detected(&super::care::prose(&post.text)) {
            return self.languages.iter().any(|wanted| akin(*wanted, lang));
        }
        let Some(tag) = post.lang.as_deref().filter(|tag| !tag.is_empty()) else {
            return true;
        };
        let tag = primary(tag);
        let known = tagged(&tag);
        self.tags.contains(&tag)
            || known.is_some_and(|lang| self.languages.iter().any(|wanted| akin(*wanted, lang)))
    }
}

/// The first part of a tag, in lower case: `pt` of `pt-BR`.
fn primary(tag: &str) -> String {
    tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase()
}

/// How many people follow the author or have seen the post, as far as the network tells.
fn reach(post: &Post) -> u64 {
    let most = post.author.followers.unwrap_or(0).max(post.metrics.views);
    u64::try_from(most).unwrap_or(0)
}

/// An author as a list of authors names them.
fn name(text: &str) -> String {
    text.trim().trim_start_matches('@').to_lowercase()
}

fn names(authors: &HashSet<String>, post: &Post) -> bool {
    authors.contains(&name(post.author.id.as_str())) || authors.contains(&name(&post.author.handle))
}

/// Rules that are being made ready.
#[derive(Debug, Default)]
struct Making {
    known: HashMap<Needle, u32>,
    texts: Vec<String>,
    needles: Vec<Place>,
    sources: HashMap<SourceName, Group>,
    rules: Vec<Asked>,
    regexes: usize,
}

/// What makes a rule be looked at.
enum Wake {
    /// One of its words.
    ByWords,
    /// Every post: it has no word that must stand in the text.
    Always(u32),
}

impl Making {
    fn rule(&mut self, rule: &Rule) -> Result<Wake, Fault> {
        let at = number(self.rules.len());
        let all = self.words(&rule.all)?;
        let any = self.words(&rule.any)?;
        let none = self.words(&rule.none)?;
        let mut regexes = Vec::new();
        for text in &rule.regex {
            let Pattern { regex, keys } = Pattern::parse(text)?;
            let keys: Vec<u32> = keys.into_iter().map(|key| self.needle(key)).collect();
            self.regexes += usize::from(keys.is_empty());
            regexes.push((regex, keys));
        }
        let wake = self.wake(at, &all, &any, &regexes);
        self.rules.push(Asked {
            name: rule.name.as_str().into(),
            all,
            any,
            none,
            regexes,
            languages: rule.language.iter().filter_map(|tag| tagged(tag)).collect(),
            tags: rule.language.iter().map(|tag| primary(tag)).collect(),
            min_reach: rule.min_reach,
            authors: rule.authors.iter().map(|text| name(text)).collect(),
            not_authors: rule.not_authors.iter().map(|text| name(text)).collect(),
        });
        Ok(wake)
    }

    /// Notes with the fewest words by which the rule is looked at whenever it could catch something.
    fn wake(&mut self, at: u32, all: &[u32], any: &[u32], regexes: &[(Regex, Vec<u32>)]) -> Wake {
        let length = |needle: &&u32| self.texts.get(**needle as usize).map_or(0, String::len);
        let rarest = all.iter().max_by_key(length).copied();
        let waited = !regexes.is_empty() && regexes.iter().all(|(_, keys)| !keys.is_empty());
        let wakers: Vec<u32> = match rarest {
            Some(needle) => vec![needle],
            None if !any.is_empty() => any.to_vec(),
            None if waited => regexes.iter().flat_map(|(_, keys)| keys.clone()).collect(),
            None => return Wake::Always(at),
        };
        for needle in wakers {
            if let Some(place) = self.needles.get_mut(needle as usize)
                && place.wakes.last() != Some(&at)
            {
                place.wakes.push(at);
            }
        }
        Wake::ByWords
    }

    fn words(&mut self, phrases: &[String]) -> Result<Vec<u32>, Fault> {
        let needles = phrases.iter().map(|phrase| Needle::parse(phrase));
        let needles = needles.collect::<Result<Vec<_>, _>>()?;
        Ok(needles.into_iter().map(|needle| self.needle(needle)).collect())
    }

    fn needle(&mut self, needle: Needle) -> u32 {
        if let Some(known) = self.known.get(&needle) {
            return *known;
        }
        let at = number(self.needles.len());
        self.texts.push(needle.text.clone());
        self.needles.push(Place {
            begins: needle.begins,
            ends: needle.ends,
            wakes: Vec::new(),
        });
        self.known.insert(needle, at);
        at
    }

    fn finish(self) -> Listening {
        let bytes: usize = self.texts.iter().map(String::len).sum();
        let kind = if bytes <= MOST_IN_TABLE {
            AhoCorasickKind::DFA
        } else {
            AhoCorasickKind::ContiguousNFA
        };
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(kind))
            .build(&self.texts);
        Listening {
            // It can only fail with more than 2 billion states: no configuration has so many words.
            automaton: automaton.ok().filter(|_| !self.texts.is_empty()),
            needles: self.needles,
            sources: self.sources,
            rules: self.rules,
            regexes: self.regexes,
        }
    }
}

/// A place in a list, small enough to keep many of.
fn number(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
