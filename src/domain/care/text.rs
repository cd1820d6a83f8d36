//! The words of a text as the rules read them: folded, with their places, and with what is spared.

use super::phrase::Index;
use super::{Care, Draft};
use linkify::{LinkFinder, LinkKind};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Bytes of a text.
pub(super) type Span = Range<usize>;

/// A handle shorter than this is not looked for without its `@`: it could be any word.
const LEAST_HANDLE: usize = 4;
/// The most characters of what a finding shows.
const SHOWN: usize = 80;

/// A word of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// In lower case, without accents; contractions written out (`don't` is `do` and `not`).
    pub folded: String,
    /// Where it stands.
    pub span: Span,
    /// The number of its sentence.
    pub sentence: usize,
}

/// A link or an e-mail address of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Where it stands.
    pub span: Span,
    /// Whether it is an e-mail address.
    pub mail: bool,
}

/// A draft, taken apart.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// What was asked about.
    pub draft: &'a Draft<'a>,
    /// The words, without links and handles.
    pub words: Vec<Word>,
    /// Links and e-mail addresses, in order.
    pub links: Vec<Link>,
    /// Handles with their `@`, in order.
    pub mentions: Vec<Span>,
    /// Links, addresses and handles: what is not prose. In order, not overlapping.
    pub masked: Vec<Span>,
    /// Quotes and whether the customer wrote what is in them.
    pub quotes: Vec<(Span, bool)>,
    /// Where words stand that the team allows.
    allowed: Vec<Span>,
    /// What the customer wrote: each text in lower case, letters and digits only.
    told: Vec<String>,
}

impl<'a> Scene<'a> {
    /// Takes a draft apart.
    pub fn new(draft: &'a Draft<'a>, care: &Care) -> Self {
        let text = draft.text;
        let (links, mentions) = links_and_mentions(text);
        let mut masked: Vec<Span> = links.iter().map(|link| link.span.clone()).collect();
        masked.extend(mentions.iter().cloned());
        masked.extend(handles(text, draft.author_handle));
        let masked = merged(masked);
        let words = words(text, &masked);
        let customer = std::iter::once(&draft.post).chain(draft.conversation);
        let read: Vec<String> = customer
            .clone()
            .map(|text| joined(&self::words(text, &[])))
            .collect();
        let told = customer.map(|text| bare(text)).collect();
        let quotes: Vec<(Span, bool)> = quotes(text)
            .into_iter()
            .map(|span| {
                let inside = joined(within(&words, &span));
                let theirs = !inside.trim().is_empty() && read.iter().any(|text| text.contains(&inside));
                (span, theirs)
            })
            .collect();
        let allowed = Index::of(&care.allowed).all(&words);
        let allowed = allowed.into_iter().map(|found| found.span).collect();
        Self {
            draft,
            words,
            links,
            mentions,
            masked,
            quotes,
            allowed,
            told,
        }
    }

    /// Whether something is not held against the agent: it has allowed words in it, or stands in a
    /// quote of the customer's.
    pub fn is_spared(&self, span: &Span) -> bool {
        let inside = |quote: &Span| quote.start <= span.start && span.end <= quote.end;
        let overlaps = |allowed: &Span| allowed.start < span.end && span.start < allowed.end;
        let quoted = self.quotes.iter().any(|(quote, theirs)| *theirs && inside(quote));
        quoted || self.allowed.iter().any(overlaps)
    }

    /// Whether a number, an address or a code stands in what the customer wrote.
    pub fn is_told(&self, text: &str) -> bool {
        let wanted = bare(text);
        !wanted.is_empty() && self.told.iter().any(|told| told.contains(&wanted))
    }

    /// The agent's own prose: without links, handles and quotes of the customer's.
    pub fn prose(&self) -> String {
        let quoted = self.quotes.iter().filter(|(_, theirs)| *theirs);
        let spans = quoted.map(|(span, _)| span.clone());
        without(
            self.draft.text,
            &merged(self.masked.iter().cloned().chain(spans).collect()),
        )
    }

    /// The text of a span.
    pub fn slice(&self, span: &Span) -> &'a str {
        self.draft.text.get(span.clone()).unwrap_or_default()
    }
}

/// A text without links and handles.
pub(in crate::domain) fn prose(text: &str) -> String {
    let (links, mentions) = links_and_mentions(text);
    let spans = links.into_iter().map(|link| link.span).chain(mentions).collect();
    without(text, &merged(spans))
}

/// A text with a space for each of these spans.
fn without(text: &str, spans: &[Span]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push(' ');
        at = span.end;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The beginning of a text, short enough to show.
pub(super) fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => text.get(..end).unwrap_or(text).trim_end().to_owned(),
        None => text.to_owned(),
    }
}

/// In lower case, without accents and other marks, with plain apostrophes.
pub(super) fn fold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let plain = text.chars().map(|c| if is_apostrophe(c) { '\'' } else { c });
    let letters = plain
        .nfkd()
        .filter(|c| !is_combining_mark(*c) && !is_invisible(*c));
    for c in letters.flat_map(char::to_lowercase) {
        match c {
            'ß' => out.push_str("ss"),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            _ => out.push(c),
        }
    }
    out
}

/// Lower-case letters and digits only: how numbers are compared.
pub(super) fn bare(text: &str) -> String {
    fold(text).chars().filter(|c| c.is_alphanumeric()).collect()
}

fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2018}' | '\u{02bc}' | '\u{00b4}' | '`')
}

/// What stands between letters without being seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{00ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

fn is_inside_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || is_invisible(c)
}

/// The words of a text outside these spans, which are in order.
pub(super) fn words(text: &str, masked: &[Span]) -> Vec<Word> {
    let mut out = Vec::new();
    let mut masked = masked.iter().peekable();
    let mut sentence = 0;
    let mut begun: Option<usize> = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        while masked.next_if(|span| span.end <= at).is_some() {}
        let hidden = masked.peek().is_some_and(|span| span.contains(&at));
        let next = chars.peek().map(|(_, next)| *next);
        let letter = !hidden
            && (is_inside_word(c)
                || (begun.is_some() && is_apostrophe(c) && next.is_some_and(char::is_alphanumeric)));
        if letter {
            begun.get_or_insert(at);
            continue;
        }
        if let Some(start) = begun.take() {
            push(&mut out, text, start..at, sentence);
        }
        if !hidden && ends_sentence(c, next) {
            sentence += 1;
        }
    }
    if let Some(start) = begun {
        push(&mut out, text, start..text.len(), sentence);
    }
    out
}

/// Whether a sentence ends with this character. A dot inside of "2.50" ends none.
fn ends_sentence(c: char, next: Option<char>) -> bool {
    match c {
        '.' => next.is_none_or(|next| !next.is_alphanumeric()),
        '!' | '?' | ';' | '…' | '\n' | '\r' | '。' | '！' | '？' => true,
        _ => false,
    }
}

/// Adds a word, written out if it is a contraction.
fn push(out: &mut Vec<Word>, text: &str, span: Span, sentence: usize) {
    let folded = fold(text.get(span.clone()).unwrap_or_default());
    let (first, second) = written_out(&folded);
    for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
        out.push(Word {
            folded: part.to_owned(),
            span: span.clone(),
            sentence,
        });
    }
}

/// English contractions in full, with or without their apostrophe: `("you", "are")`.
fn written_out(word: &str) -> (&str, &str) {
    match word {
        "cannot" | "can't" | "cant" => return ("can", "not"),
        "won't" | "wont" => return ("will", "not"),
        "shan't" => return ("shall", "not"),
        "dont" => return ("do", "not"),
        "didnt" => return ("did", "not"),
        "doesnt" => return ("does", "not"),
        "isnt" => return ("is", "not"),
        "arent" => return ("are", "not"),
        "youre" => return ("you", "are"),
        "shouldve" => return ("should", "have"),
        "im" => return ("i", "am"),
        "let's" => return ("let", "us"),
        "it's" | "that's" | "this's" | "what's" | "there's" | "here's" | "who's" | "he's" | "she's" => {
            return (word.split('\'').next().unwrap_or(word), "is");
        }
        _ => {}
    }
    let endings = [
        ("n't", "not"),
        ("'re", "are"),
        ("'ve", "have"),
        ("'ll", "will"),
        ("'d", "would"),
        ("'m", "am"),
    ];
    for (ending, meaning) in endings {
        if let Some(stem) = word.strip_suffix(ending) {
            return (stem, meaning);
        }
    }
    (word, "")
}

/// The words with a space before, between and after.
fn joined(words: &[Word]) -> String {
    let mut out = " ".to_owned();
    for word in words {
        out.push_str(&word.folded);
        out.push(' ');
    }
    out
}

/// The words inside of a span.
pub(super) fn within<'w>(words: &'w [Word], span: &Span) -> &'w [Word] {
    let from = words.partition_point(|word| word.span.start < span.start);
    let to = words.partition_point(|word| word.span.end <= span.end);
    words.get(from..to.max(from)).unwrap_or_default()
}

/// Links and e-mail addresses, and handles with their `@`, each in order.
fn links_and_mentions(text: &str) -> (Vec<Link>, Vec<Span>) {
    let mut finder = LinkFinder::new();
    finder.url_must_have_scheme(false);
    let before = |at: usize| text.get(..at).and_then(|text| text.chars().next_back());
    let mut links = Vec::new();
    let mut mentions = Vec::new();
    for link in finder.links(text) {
        let span = link.start()..link.end();
        let mail = matches!(link.kind(), LinkKind::Email);
        if before(link.start()) == Some('@') {
            // A handle with its server looks like an e-mail address, but for the @ before it.
            mentions.push(link.start() - 1..link.end());
        } else if mail || link.as_str().contains("://") || is_host(link.as_str()) {
            links.push(Link { span, mail });
        }
    }
    let taken = |at: usize| {
        let inside = |span: &Span| span.contains(&at);
        links.iter().any(|link| inside(&link.span))
    };
    let mut plain = Vec::new();
    for (at, _) in text.match_indices('@') {
        if taken(at) || before(at).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let length = handle(text.get(at + 1..).unwrap_or_default());
        if length > 0 {
            plain.push(at..at + 1 + length);
        }
    }
    mentions.extend(plain);
    (links, merged(mentions))
}

/// The bytes of the handle at the beginning of a text, with its server if one is named.
fn handle(text: &str) -> usize {
    let part = |c: char| !c.is_alphanumeric() && c != '_';
    let length = text.find(part).unwrap_or(text.len());
    let server = text
        .get(length..)
        .and_then(|rest| rest.strip_prefix('@'))
        .unwrap_or_default();
    let host = |c: char| !c.is_alphanumeric() && !matches!(c, '.' | '-');
    let server = server
        .get(..server.find(host).unwrap_or(server.len()))
        .unwrap_or_default();
    match server.trim_end_matches(['.', '-']).len() {
        0 => length,
        server => length + 1 + server,
    }
}

/// Endings that make an address of words with a dot between; a full stop without a space behind it
/// makes none.
const ENDINGS: [&str; 40] = [
    "com", "org", "net", "info", "biz", "app", "dev", "shop", "store", "online", "site", "xyz", "io", "co",
    "ai", "me", "ly", "gl", "gg", "tv", "eu", "uk", "us", "ca", "au", "nz", "ie", "de", "at", "ch", "fr",
    "es", "it", "nl", "pl", "se", "br", "mx", "in", "jp",
];

/// Whether an address without a scheme is meant as one.
fn is_host(text: &str) -> bool {
    let host = text.split(['/', '?', '#', ':']).next().unwrap_or(text);
    let Some((rest, ending)) = host.rsplit_once('.') else {
        return false;
    };
    // "Thanks.It works": who writes an address does not begin its ending with a capital.
    let short = ["in", "it", "me", "us", "at", "ai"].contains(&ending);
    let certain = host.len() < text.len() || host.starts_with("www.") || rest.contains('.');
    ENDINGS.contains(&ending) && (!short || certain)
}

/// Where a handle stands without its `@`, whatever the case.
fn handles(text: &str, handle: &str) -> Vec<Span> {
    let handle = handle.trim_start_matches('@');
    let ascii = handle.is_ascii() && handle.len() >= LEAST_HANDLE;
    if !ascii {
        return Vec::new();
    }
    let (text, handle) = (text.to_ascii_lowercase(), handle.to_ascii_lowercase());
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&handle)
        .map(|(at, _)| at..at + handle.len())
        .filter(|span| {
            let before = text.get(..span.start).and_then(|text| text.chars().next_back());
            let after = text.get(span.end..).and_then(|text| text.chars().next());
            !before.is_some_and(part) && !after.is_some_and(part)
        })
        .collect()
}

/// In order, and what overlaps as one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut out: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match out.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out
}

/// What stands in quotation marks, and the lines that begin with `>`.
fn quotes(text: &str) -> Vec<Span> {
    let mut out = Vec::new();
    let mut open: Option<(char, usize)> = None;
    for (at, c) in text.char_indices() {
        match open {
            _ if c == '\n' => open = None,
            Some((mark, start)) if closes(mark, c) => {
                out.push(start..at);
                open = None;
            }
            Some(_) => {}
            None if matches!(c, '"' | '“' | '„' | '«' | '»') => open = Some((c, at + c.len_utf8())),
            None => {}
        }
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('>') {
            out.push(start..start + line.len());
        }
        start += line.len();
    }
    out
}

fn closes(open: char, c: char) -> bool {
    match open {
        '"' => c == '"',
        '“' => matches!(c, '”' | '“'),
        '„' => matches!(c, '“' | '”'),
        '«' => c == '»',
        '»' => c == '«',
        _ => false,
    }
}
