//! What slips through: placeholders that nobody filled in, and the wrong language.

use super::phrase::Book;
use super::text::{Scene, Span, fold, prose};
use super::{Care, Draft, Hit, Level, Rule, first};
use crate::domain::language::{akin, detected, tagged};
use std::sync::LazyLock;
use whatlang::Lang;

static PLACEHOLDER: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/placeholder.txt")));

/// The most bytes between the brackets of a placeholder.
const MOST_INSIDE: usize = 40;
/// What templates leave to be filled in.
const BLANKS: [&str; 40] = [
    "name",
    "firstname",
    "lastname",
    "surname",
    "username",
    "customer",
    "customername",
    "client",
    "agent",
    "order",
    "ordernumber",
    "orderid",
    "number",
    "tracking",
    "date",
    "amount",
    "product",
    "item",
    "link",
    "url",
    "email",
    "phone",
    "address",
    "company",
    "brand",
    "ticket",
    "case",
    "reference",
    "insert",
    "signature",
    "initials",
    "kunde",
    "vorname",
    "nachname",
    "bestellnummer",
    "nom",
    "prenom",
    "commande",
    "nombre",
    "pedido",
];
/// Greetings that a name follows.
const GREETINGS: [&str; 4] = ["dear", "hi", "hello", "hey"];

pub(super) fn placeholder(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let words = first(&PLACEHOLDER, Rule::Placeholder, scene, care).map(|(span, _)| span);
    let found = [
        words,
        bracket(scene),
        percent(scene),
        crosses(scene),
        line(scene),
        greeting(scene),
        todo(scene),
    ];
    let span = found.into_iter().flatten().min_by_key(|span| span.start)?;
    let why = "This was left to be filled in.";
    Some(Hit::new(scene.slice(&span), why))
}

fn is_masked(scene: &Scene<'_>, at: usize) -> bool {
    scene.masked.iter().any(|span| span.contains(&at))
}

/// `{name}`, `{{ name }}`, `[NAME]`, `<order>`.
fn bracket(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    text.char_indices().find_map(|(at, open)| {
        let (close, blank): (char, fn(&str) -> bool) = match open {
            '{' => ('}', |inside| inside.contains(char::is_alphabetic)),
            '[' => (']', |inside| is_blank(inside) || is_capital_blank(inside)),
            '<' => ('>', |inside| is_blank(inside)),
            _ => return None,
        };
        let rest = text.get(at + 1..)?;
        let mut near = rest.char_indices().take_while(|(at, _)| *at <= MOST_INSIDE);
        let (length, _) = near.find(|(_, c)| *c == close)?;
        let inside = rest.get(..length)?;
        let behind = rest.get(length..)?.trim_start_matches(close);
        let end = text.len() - behind.len();
        // `[order status](https://…)` is a link.
        let link = open == '[' && behind.starts_with('(');
        (blank(inside) && !inside.contains('\n') && !link && !is_masked(scene, at)).then_some(at..end)
    })
}

/// Whether a word of this is what templates leave to be filled in.
fn is_blank(inside: &str) -> bool {
    let folded = fold(inside);
    let together: String = folded.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut words = folded.split(|c: char| !c.is_alphanumeric());
    BLANKS.contains(&together.as_str()) || words.any(|word| BLANKS.contains(&word))
}

/// Capitals alone, as in `[AGENT 1]`; two of them are a language or a country.
fn is_capital_blank(inside: &str) -> bool {
    let letters = inside.chars().filter(|c| c.is_alphabetic()).count();
    let part = |c: char| c.is_uppercase() || c.is_numeric() || matches!(c, ' ' | '_' | '-');
    letters > 2 && inside.chars().all(part)
}

/// `%name%`.
fn percent(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    text.match_indices('%').find_map(|(at, _)| {
        let rest = text.get(at + 1..)?;
        let length = rest
            .find('%')
            .filter(|length| (3..=MOST_INSIDE).contains(length))?;
        let inside = rest.get(..length)?;
        let word = inside
            .chars()
            .all(|c| c.is_alphabetic() || matches!(c, '_' | '.'));
        (word && !is_masked(scene, at)).then_some(at..at + length + 2)
    })
}

/// `XXX`, but not a number with its beginning crossed out.
fn crosses(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    scene.words.iter().map(|word| word.span.clone()).find(|span| {
        let crossed = |word: &str| word.len() >= 3 && word.chars().all(|c| c == 'X');
        let near = |c: char| matches!(c, ' ' | '-' | '*' | 'X');
        let before = text.get(..span.start).unwrap_or_default().trim_end_matches(near);
        let after = text.get(span.end..).unwrap_or_default().trim_start_matches(near);
        crossed(scene.slice(span)) && !digit(before.chars().next_back()) && !digit(after.chars().next())
    })
}

/// `___`, but not a face such as `T___T`.
fn line(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    let letter = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    let mut at = 0;
    while let Some(start) = text.get(at..)?.find("___").map(|start| at + start) {
        let rest = text.get(start..)?;
        let end = start + rest.find(|c| c != '_').unwrap_or(rest.len());
        let face = letter(text.get(..start)?.chars().next_back()) || letter(text.get(end..)?.chars().next());
        if !face && !is_masked(scene, start) {
            return Some(start..end);
        }
        at = end;
    }
    None
}

/// `Dear …` and `Hi ,`: a greeting without the name.
fn greeting(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    scene.words.iter().find_map(|word| {
        if !GREETINGS.contains(&word.folded.as_str()) {
            return None;
        }
        let rest = text.get(word.span.end..)?;
        let behind = rest.trim_start_matches([' ', '\u{a0}']);
        let mark = behind.chars().next()?;
        let gap = behind.len() < rest.len();
        let dear = word.folded == "dear";
        let missing = match mark {
            ',' => gap || dear,
            '…' => dear,
            '.' => dear && behind.starts_with("..."),
            _ => false,
        };
        // "Oh dear, that is not right."
        let begins = text.get(..word.span.start)?.trim_end().chars().next_back();
        let alone = begins.is_none_or(|c| !c.is_alphabetic());
        let end = text.len() - behind.len() + mark.len_utf8();
        (missing && alone).then_some(word.span.start..end)
    })
}

/// `TODO` in capitals. In Spanish and Portuguese it is a word.
fn todo(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    let spans = scene.words.iter().map(|word| word.span.clone());
    let span = spans.into_iter().find(|span| scene.slice(span) == "TODO")?;
    let marked = text.get(span.end..).is_some_and(|rest| rest.starts_with(':'));
    let word = || matches!(detected(&prose(text)), Some(Lang::Spa | Lang::Por));
    (marked || !word()).then_some(span)
}

pub(super) fn language(scene: &Scene<'_>) -> Option<Hit> {
    let draft = scene.draft;
    let reply = detected(&scene.prose())?;
    let post = detected(&prose(draft.post));
    let tagged = draft.post_lang.and_then(tagged);
    let spoken = draft
        .conversation
        .iter()
        .filter_map(|text| detected(&prose(text)));
    let known: Vec<Lang> = spoken.chain(post).chain(tagged).collect();
    if known.iter().any(|lang| akin(*lang, reply)) {
        return None;
    }
    let theirs = post.or(tagged)?;
    let why = format!(
        "The post seems to be in {}, this reply in {}.",
        theirs.eng_name(),
        reply.eng_name()
    );
    let hit = Hit::new("", why);
    // What only the network says is often the setting of an app.
    Some(if post.is_some() {
        hit
    } else {
        hit.at_most(Level::Hint)
    })
}

/// The language of the post: as it reads, else as the network tells.
pub(super) fn theirs(draft: &Draft<'_>) -> Option<Lang> {
    detected(&prose(draft.post)).or_else(|| tagged(draft.post_lang?))
}
