//! How a reply sounds: anger, blame, shouting, sarcasm, sending away, and a missing apology.

use super::phrase::{Book, Index};
use super::text::{Scene, Span, Word, within};
use super::{Care, Hit, Kind, Rule, first, slip};
use crate::domain::language::detected;
use std::sync::LazyLock;
use whatlang::Lang;

static ANGER: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/anger.txt")));
static BLAME: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/blame.txt")));
static SARCASM: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/sarcasm.txt")));
static NOT_RESPONSIBLE: LazyLock<Book> =
    LazyLock::new(|| Book::parse(include_str!("words/not_responsible.txt")));
static APOLOGY: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/apology.txt")));

/// The fewest words in capitals, one after the other, that shout.
const SHOUTED_WORDS: usize = 3;
/// The fewest letters that they have together: "USB, HDMI or VGA" does not shout.
const SHOUTED_LETTERS: usize = 14;
/// A word of at most this many letters may be an abbreviation.
const ABBREVIATION: usize = 4;
/// The most exclamation and question marks one after the other.
const MARKS: usize = 3;
/// Signs that mock.
const MOCKING: [char; 7] = ['🙄', '🤡', '🤦', '😒', '🖕', '🥱', '🙃'];
/// What "your …" in quotation marks doubts.
const DOUBTED: [&str; 14] = [
    "problem",
    "problems",
    "issue",
    "issues",
    "complaint",
    "experience",
    "proof",
    "evidence",
    "facts",
    "order",
    "friend",
    "review",
    "apology",
    "broken",
];

pub(super) fn anger(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let (span, better) = first(&ANGER, Rule::Anger, scene, care)?;
    let why = "This sounds angry. Whoever passes by reads it as the voice of the brand.";
    Some(Hit::new(scene.slice(&span), why).better(better))
}

pub(super) fn blame(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let (span, better) = first(&BLAME, Rule::Blame, scene, care)?;
    let why = "This puts the fault on the customer, even if it is true. Say what helps now.";
    Some(Hit::new(scene.slice(&span), why).better(better))
}

pub(super) fn not_responsible(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let (span, better) = first(&NOT_RESPONSIBLE, Rule::NotResponsible, scene, care)?;
    let why = "This sends the customer away. Say who can help, and what you do to get them there.";
    Some(Hit::new(scene.slice(&span), why).better(better))
}

pub(super) fn sarcasm(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let words = first(&SARCASM, Rule::Sarcasm, scene, care);
    let spans = words.into_iter().chain(
        [mocking_sign(scene), doubting_quote(scene), tag(scene)]
            .into_iter()
            .flatten(),
    );
    let (span, better) = spans.min_by_key(|(span, _)| span.start)?;
    let why = "This can be read as sarcasm or mockery. In public it is, by somebody.";
    Some(Hit::new(scene.slice(&span), why).better(better))
}

/// A face that rolls its eyes, and the like.
fn mocking_sign(scene: &Scene<'_>) -> Option<(Span, Option<&'static str>)> {
    let signs = scene
        .draft
        .text
        .char_indices()
        .filter(|(_, c)| MOCKING.contains(c));
    signs
        .map(|(at, c)| at..at + c.len_utf8())
        .find(|span| !scene.is_spared(span))
        .map(|span| (span, None))
}

/// `your "problem"`, unless the customer called it so.
fn doubting_quote(scene: &Scene<'_>) -> Option<(Span, Option<&'static str>)> {
    let doubts = |span: &Span| {
        let inside = within(&scene.words, span);
        let before = scene.words.partition_point(|word| word.span.end <= span.start);
        let before = before.checked_sub(1).and_then(|before| scene.words.get(before));
        let near = |word: &Word| word.folded == "your" && word.span.end + "  “".len() >= span.start;
        let doubted = |word: &Word| DOUBTED.contains(&word.folded.as_str());
        inside.len() <= 2 && inside.iter().any(doubted) && before.is_some_and(near)
    };
    let (span, _) = scene
        .quotes
        .iter()
        .find(|(span, theirs)| !theirs && doubts(span))?;
    Some((span.clone(), None))
}

/// `/s` and `/sarcasm`, as people mark it.
fn tag(scene: &Scene<'_>) -> Option<(Span, Option<&'static str>)> {
    let text = scene.draft.text;
    let masked = |at: usize| scene.masked.iter().any(|span| span.contains(&at));
    text.match_indices('/').find_map(|(at, _)| {
        let alone = text
            .get(..at)?
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace);
        let rest = text.get(at + 1..)?;
        let word = rest.split(|c: char| !c.is_alphanumeric()).next()?;
        let tag = ["s", "sarcasm"].contains(&word) && !rest.get(word.len()..)?.starts_with('/');
        (alone && tag && !masked(at)).then(|| (at..at + 1 + word.len(), None))
    })
}

pub(super) fn shouting(scene: &Scene<'_>) -> Option<Hit> {
    if let Some(span) = capitals(scene) {
        let found = scene.slice(&span);
        let why = "Words in capitals are read as shouting.";
        return Some(Hit::new(found, why).better(Some(calm(found))));
    }
    let span = marks(scene)?;
    let why = "So many marks are read as shouting. One is enough.";
    Some(Hit::new(scene.slice(&span), why))
}

/// The first run of words in capitals that shouts.
fn capitals(scene: &Scene<'_>) -> Option<Span> {
    let mut run: Vec<(Span, usize)> = Vec::new();
    for word in &scene.words {
        if run.last().is_some_and(|(span, _)| *span == word.span) {
            continue;
        }
        match shouted(scene.slice(&word.span)) {
            Some(letters) if !scene.is_spared(&word.span) => run.push((word.span.clone(), letters)),
            // A number neither shouts nor calms.
            None if scene.slice(&word.span).chars().all(char::is_numeric) => {}
            Some(_) | None => {
                if let Some(span) = loud(&run) {
                    return Some(span);
                }
                run.clear();
            }
        }
    }
    loud(&run)
}

fn loud(run: &[(Span, usize)]) -> Option<Span> {
    let letters: usize = run.iter().map(|(_, letters)| letters).sum();
    let long = run.iter().filter(|(_, letters)| *letters > ABBREVIATION).count();
    let loud = run.len() >= SHOUTED_WORDS && letters >= SHOUTED_LETTERS && long > 0;
    let (first, last) = (run.first()?, run.last()?);
    loud.then_some(first.0.start..last.0.end)
}

/// The number of letters of a word that is written in capitals alone.
fn shouted(word: &str) -> Option<usize> {
    let letters = word.chars().filter(|c| c.is_alphabetic());
    let upper = word.chars().filter(|c| c.is_uppercase()).count();
    (upper > 0 && letters.count() == upper).then_some(upper)
}

/// A text in small letters, with a capital at its beginning.
fn calm(text: &str) -> String {
    let lower = text.to_lowercase();
    let mut chars = lower.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

/// The first run of exclamation and question marks that is too long.
fn marks(scene: &Scene<'_>) -> Option<Span> {
    let text = scene.draft.text;
    let mark = |c: char| matches!(c, '!' | '?' | '！' | '？');
    let mut from = 0;
    while let Some(start) = text.get(from..)?.find(mark).map(|at| from + at) {
        let rest = text.get(start..)?;
        let end = start + rest.find(|c| !mark(c)).unwrap_or(rest.len());
        let span = start..end;
        // Marks with a smile are joy ("Welcome!!!"): only those with questions, or very many, shout.
        let run = text.get(span.clone())?;
        let asks = run.contains(['?', '？']);
        let many = run.chars().count() >= if asks { MARKS } else { MARKS + 1 };
        if many && !scene.is_spared(&span) {
            return Some(span);
        }
        from = end;
    }
    None
}

pub(super) fn apology(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let draft = scene.draft;
    if draft.kind != Kind::Complaint || !draft.first_reply {
        return None;
    }
    let own = Index::of(care.own(Rule::Apology));
    if !APOLOGY.all(&scene.words).is_empty() || !own.all(&scene.words).is_empty() {
        return None;
    }
    let lang = detected(&scene.prose()).or_else(|| slip::theirs(draft));
    let better = match lang {
        None | Some(Lang::Eng) => "We are sorry about this.",
        Some(Lang::Deu) => "Das tut uns leid.",
        Some(Lang::Fra) => "Nous sommes désolés.",
        Some(Lang::Spa) => "Lo sentimos mucho.",
        // The words of regret of other languages are not known.
        Some(_) => return None,
    };
    let why = "Somebody is unhappy, and this first reply has no word of regret or understanding.";
    Some(Hit::new("", why).better(Some(better)))
}
