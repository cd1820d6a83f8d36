//! What is private: card numbers, e-mail addresses, telephone numbers, order numbers.

use super::text::{Scene, Span, bare};
use super::{Audience, Care, Hit};

/// The digits of a payment card's number (ISO/IEC 7812).
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// The most digits of a telephone number with its country (E.164).
const MOST_PHONE: usize = 15;
/// The last digits by which two ways of writing a telephone number are the same one.
const SAME_PHONE: usize = 9;
/// So many digits alone are some number of somebody.
const LONG_NUMBER: usize = 10;
/// Area codes of North America and beginnings elsewhere that a caller pays nothing or a fixed price
/// for: no person has such a number.
const FREE_AREAS: [&str; 8] = ["800", "833", "844", "855", "866", "877", "888", "900"];
const FREE_BEGINNINGS: [&str; 17] = [
    "0800", "0808", "0805", "0809", "0844", "0845", "0870", "0871", "0300", "0330", "0333", "0345", "0370",
    "0371", "0180", "0900", "00800",
];
/// Words before a number that one can call.
const CALLING: [&str; 18] = [
    "call",
    "phone",
    "tel",
    "telephone",
    "whatsapp",
    "text",
    "sms",
    "mobile",
    "cell",
    "hotline",
    "dial",
    "telefon",
    "handy",
    "anrufen",
    "telephone",
    "appelez",
    "telefono",
    "llame",
];
/// Words before the number of an order or the like.
const NUMBERED: [&str; 36] = [
    "order",
    "orders",
    "booking",
    "reservation",
    "confirmation",
    "tracking",
    "parcel",
    "package",
    "shipment",
    "consignment",
    "invoice",
    "account",
    "customer",
    "policy",
    "contract",
    "pnr",
    "itinerary",
    "bestellung",
    "bestellnummer",
    "buchung",
    "buchungsnummer",
    "sendung",
    "sendungsnummer",
    "rechnung",
    "rechnungsnummer",
    "kundennummer",
    "commande",
    "reservation",
    "colis",
    "facture",
    "pedido",
    "reserva",
    "factura",
    "envio",
    "auftrag",
    "auftragsnummer",
];
/// Words that stand between such a word and its number.
const BETWEEN: [&str; 22] = [
    "number",
    "numbers",
    "no",
    "nr",
    "num",
    "id",
    "code",
    "is",
    "was",
    "ref",
    "reference",
    "nummer",
    "lautet",
    "ist",
    "numero",
    "n",
    "est",
    "es",
    "num",
    "de",
    "with",
    "your",
];
/// Words before a number that is ours to give.
const OURS: [&str; 7] = [
    "case", "ticket", "error", "request", "article", "version", "build",
];

pub(super) fn card(scene: &Scene<'_>) -> Option<Hit> {
    let text = scene.draft.text;
    let (_, number) = runs(scene).iter().find_map(|run| card_in(text, run))?;
    let last: String = number
        .chars()
        .skip(number.chars().count().saturating_sub(4))
        .collect();
    let why = "This is the number of a payment card. It must not be published, nor sent in a message.";
    let better = match scene.draft.audience {
        Audience::Public => "Please delete your post: it shows a card number. We never need it here.",
        Audience::Private => "Please do not send card numbers. We never need the whole number.",
    };
    Some(Hit::new(&format!("**** {last}"), why).better(Some(better)))
}

pub(super) fn email(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let own = [scene.draft.author_handle];
    let handles = || own.iter().chain(scene.draft.brand_handles);
    let ours = |text: &str| {
        let text = text.to_lowercase();
        care.contacts
            .iter()
            .map(|contact| contact.to_lowercase())
            .any(|contact| contact == text || (contact.starts_with('@') && text.ends_with(&contact)))
    };
    let found = scene
        .links
        .iter()
        .filter(|link| link.mail)
        .map(|link| scene.slice(&link.span))
        .map(|text| text.strip_prefix("mailto:").unwrap_or(text))
        .filter(|text| !handles().any(|handle| handle.trim_start_matches('@').eq_ignore_ascii_case(text)))
        .find(|text| !ours(text) && !is_old_news(scene, text))?;
    let why = "This is an e-mail address that is not among our own (`contacts`).";
    Some(Hit::new(found, why).better(move_to_private(scene)))
}

pub(super) fn phone(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let tail = |text: &str| -> String {
        let digits: Vec<char> = text.chars().filter(char::is_ascii_digit).collect();
        digits
            .iter()
            .skip(digits.len().saturating_sub(SAME_PHONE))
            .collect()
    };
    let ours = |text: &str| care.contacts.iter().any(|contact| tail(contact) == tail(text));
    let span = phones(scene).into_iter().find(|span| {
        let text = scene.slice(span);
        !ours(text) && !is_old_news(scene, text)
    })?;
    let why = "This is a telephone number that is not among our own (`contacts`).";
    Some(Hit::new(scene.slice(&span), why).better(move_to_private(scene)))
}

pub(super) fn order(scene: &Scene<'_>) -> Option<Hit> {
    let taken: Vec<Span> = phones(scene).into_iter().chain(cards(scene)).collect();
    let span = codes(scene).into_iter().find(|span| {
        let free = !taken
            .iter()
            .any(|taken| taken.start < span.end && span.start < taken.end);
        free && is_order(scene, span) && !scene.is_told(scene.slice(span))
    })?;
    let why = "This looks like an order, booking or tracking number, and this customer did not write it: \
               make sure that it is theirs.";
    Some(Hit::new(scene.slice(&span), why).better(move_to_private(scene)))
}

/// Whether the only reader wrote it.
fn is_old_news(scene: &Scene<'_>, text: &str) -> bool {
    scene.draft.audience == Audience::Private && scene.is_told(text)
}

fn move_to_private(scene: &Scene<'_>) -> Option<&'static str> {
    match scene.draft.audience {
        Audience::Public => Some("We have sent you the details in a private message."),
        Audience::Private => None,
    }
}

/// Groups of digits with little between them.
#[derive(Debug)]
struct Run {
    /// Whether it begins with `+`.
    plus: bool,
    /// Each group of digits.
    groups: Vec<Span>,
}

impl Run {
    fn digits(&self, text: &str, groups: std::ops::Range<usize>) -> String {
        let groups = self.groups.get(groups).unwrap_or_default();
        groups
            .iter()
            .filter_map(|group| text.get(group.clone()))
            .collect()
    }

    fn span(&self, groups: std::ops::Range<usize>) -> Option<Span> {
        let groups = self.groups.get(groups)?;
        Some(groups.first()?.start..groups.last()?.end)
    }

    fn lengths(&self) -> Vec<usize> {
        self.groups.iter().map(ExactSizeIterator::len).collect()
    }
}

/// What may stand between the digits of one number.
fn separates(c: char) -> bool {
    matches!(
        c,
        ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' | '\u{2010}'..='\u{2013}' | '\u{202f}'
    )
}

/// The most characters between two groups, as in `0171 / 5550123`.
const MOST_BETWEEN: usize = 3;

/// All runs of digits outside of links and handles.
fn runs(scene: &Scene<'_>) -> Vec<Run> {
    let text = scene.draft.text;
    let mut out: Vec<Run> = Vec::new();
    let mut masked = scene.masked.iter().peekable();
    let mut at = 0;
    while let Some(start) = text
        .get(at..)
        .and_then(|rest| rest.find(|c: char| c.is_ascii_digit()))
    {
        let start = at + start;
        let rest = text.get(start..).unwrap_or_default();
        let end = start + rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        at = end;
        while masked.next_if(|span| span.end <= start).is_some() {}
        let hidden = masked.peek().is_some_and(|span| span.contains(&start));
        let before = text.get(..start).and_then(|text| text.chars().next_back());
        let after = text.get(end..).and_then(|text| text.chars().next());
        let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        if hidden || letter(before) || letter(after) {
            continue;
        }
        let between = out
            .last()
            .and_then(|run| run.groups.last())
            .and_then(|last| text.get(last.end..start))
            .filter(|between| between.chars().all(separates) && between.chars().count() <= MOST_BETWEEN);
        match (between, out.last_mut()) {
            (Some(_), Some(run)) => run.groups.push(start..end),
            _ => out.push(Run {
                plus: before == Some('+'),
                groups: std::iter::once(start..end).collect(),
            }),
        }
    }
    out
}

/// The first card number of a run: its place and its digits.
fn card_in(text: &str, run: &Run) -> Option<(Span, String)> {
    let lengths = run.lengths();
    (0..lengths.len()).find_map(|from| {
        let mut sum = 0;
        (from..lengths.len())
            .take_while(|to| {
                sum += lengths.get(*to).copied().unwrap_or_default();
                sum <= *CARD_DIGITS.end()
            })
            .map(|to| from..to + 1)
            .filter(|groups| lengths.get(groups.clone()).is_some_and(is_printed_so))
            .find_map(|groups| {
                let digits = run.digits(text, groups.clone());
                is_card(&digits).then_some((run.span(groups)?, digits))
            })
    })
}

/// Whether cards are printed in groups of these lengths: fours and a rest, or as American Express and
/// Diners do; or whether it is one group.
fn is_printed_so(groups: &[usize]) -> bool {
    match groups {
        [_] | [4, 6, 4 | 5] => true,
        [fours @ .., rest] => fours.iter().all(|length| *length == 4) && *rest <= 4,
        [] => false,
    }
}

/// Whether these digits are a payment card's: its length, an issuer's first digit, and the check digit
/// (Luhn).
fn is_card(digits: &str) -> bool {
    let numbers: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(10)).collect();
    let issuer = matches!(numbers.first(), Some(2..=6));
    let doubled = |(place, digit): (usize, &u32)| match (place % 2, digit * 2) {
        (0, _) => *digit,
        (_, double) if double > 9 => double - 9,
        (_, double) => double,
    };
    let sum: u32 = numbers.iter().rev().enumerate().map(doubled).sum();
    issuer && CARD_DIGITS.contains(&numbers.len()) && sum.is_multiple_of(10)
}

fn cards(scene: &Scene<'_>) -> Vec<Span> {
    let found = runs(scene);
    let found = found.iter().filter_map(|run| card_in(scene.draft.text, run));
    found.map(|(span, _)| span).collect()
}

/// All telephone numbers that a person could have.
fn phones(scene: &Scene<'_>) -> Vec<Span> {
    let text = scene.draft.text;
    let cards = cards(scene);
    let free = |span: &Span| {
        !cards
            .iter()
            .any(|card| card.start < span.end && span.start < card.end)
    };
    let found = runs(scene);
    let found = found.iter().filter_map(|run| {
        let groups = phone_in(scene, run)?;
        let digits = run.digits(text, groups.clone());
        if is_free_call(run.plus, &digits) {
            return None;
        }
        Some(widened(text, run.span(groups)?))
    });
    found.filter(free).collect()
}

/// With the `+` and the `(` before it.
fn widened(text: &str, span: Span) -> Span {
    let head = text.get(..span.start).unwrap_or_default();
    head.trim_end_matches(['(', '+']).len()..span.end
}

/// Which groups of a run are a telephone number.
fn phone_in(scene: &Scene<'_>, run: &Run) -> Option<std::ops::Range<usize>> {
    let lengths = run.lengths();
    let total = |most: usize| {
        let mut sum = 0;
        let fits = lengths.iter().take_while(|length| {
            sum += **length;
            sum <= most
        });
        let groups = fits.count();
        (groups, lengths.iter().take(groups).sum::<usize>())
    };
    if run.plus {
        let (groups, digits) = total(MOST_PHONE);
        return (digits >= 8).then_some(0..groups);
    }
    // North America: 555-010-0199, 1 (555) 010-0199.
    let american = |from: &usize| lengths.get(*from..from + 3) == Some(&[3, 3, 4]);
    if let Some(from) = (0..lengths.len()).find(american) {
        let country = from
            .checked_sub(1)
            .filter(|before| lengths.get(*before) == Some(&1));
        return Some(country.unwrap_or(from)..from + 3);
    }
    let first = run.groups.first()?;
    let called = || {
        let before = scene.words.partition_point(|word| word.span.end <= first.start);
        let near = scene
            .words
            .get(before.saturating_sub(3)..before)
            .unwrap_or_default();
        near.iter().any(|word| CALLING.contains(&word.folded.as_str()))
    };
    if lengths.len() == 1 {
        return (matches!(lengths.first(), Some(9..=12)) && called()).then_some(0..1);
    }
    // Elsewhere a number begins with 0. A date can, too.
    let date = matches!(lengths.as_slice(), [2, 2, 4, ..] | [2, 2, 2]);
    let zero = scene.slice(first).starts_with('0');
    let (groups, digits) = total(12);
    (zero && !date && digits >= 9 && groups >= 2).then_some(0..groups)
}

/// Whether no person has this number.
fn is_free_call(plus: bool, digits: &str) -> bool {
    let area = digits
        .strip_prefix('1')
        .filter(|rest| rest.len() == 10)
        .unwrap_or(digits);
    if area.len() == 10 && FREE_AREAS.iter().any(|free| area.starts_with(free)) {
        return true;
    }
    let national = ["44", "49", "33", "34", "31", "41", "43", "353"]
        .iter()
        .filter(|_| plus)
        .find_map(|country| digits.strip_prefix(country))
        .map(|rest| format!("0{}", rest.trim_start_matches('0')));
    let national = national.as_deref().unwrap_or(digits);
    FREE_BEGINNINGS.iter().any(|free| national.starts_with(free)) || (plus && digits.starts_with("800"))
}

/// Words of letters, digits and hyphens that have a digit in them, outside of links and handles.
fn codes(scene: &Scene<'_>) -> Vec<Span> {
    let text = scene.draft.text;
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find(part)) {
        let start = at + start;
        let rest = text.get(start..).unwrap_or_default();
        let word = rest
            .get(..rest.find(|c| !part(c)).unwrap_or(rest.len()))
            .unwrap_or_default();
        at = start + word.len();
        let code = word.trim_matches(['-', '_']);
        let start = start + (word.len() - word.trim_start_matches(['-', '_']).len());
        let span = start..start + code.len();
        let masked = scene
            .masked
            .iter()
            .any(|mask| mask.start < span.end && span.start < mask.end);
        if code.contains(|c: char| c.is_ascii_digit()) && code.is_ascii() && !masked {
            out.push(span);
        }
    }
    out
}

/// Whether a code looks like the number of an order, by its form or by the words before it.
fn is_order(scene: &Scene<'_>, span: &Span) -> bool {
    let code = scene.slice(span);
    let lengths: Vec<usize> = code.split('-').map(str::len).collect();
    let plain = bare(code);
    let digits = plain.chars().filter(char::is_ascii_digit).count();
    let upper = code.chars().all(|c| !c.is_ascii_lowercase());
    if !upper || matches!(lengths.as_slice(), [4, 1 | 2, 1 | 2] | [1 | 2, 1 | 2, 4]) {
        return false;
    }
    if is_known_form(code, &lengths, &plain, digits) {
        return true;
    }
    let numbered = plain.len() >= 5 && digits >= 4;
    let lettered = plain.len() == 6 && digits >= 1 && digits < plain.len();
    match before(scene, span).as_str() {
        word if OURS.contains(&word) => false,
        word if NUMBERED.contains(&word) => numbered || lettered,
        _ => {
            let text = scene.draft.text.get(..span.start).unwrap_or_default();
            text.ends_with('#') && digits >= 6 && digits == plain.len()
        }
    }
}

/// The forms of parcel services and of a large shop, and very long numbers.
fn is_known_form(code: &str, lengths: &[usize], plain: &str, digits: usize) -> bool {
    let letter = |at: usize| plain.chars().nth(at).is_some_and(|c| c.is_ascii_alphabetic());
    // The Universal Postal Union's S10: two letters, nine digits, two letters.
    let postal = plain.len() == 13 && digits == 9 && [0, 1, 11, 12].into_iter().all(letter);
    let parcel = code.starts_with("1Z") && plain.len() == 18;
    let shop = lengths == [3, 7, 7] && digits == 17;
    let long = plain.len() >= LONG_NUMBER && digits == plain.len() && lengths.len() == 1;
    postal || parcel || shop || long
}

/// The word before a code that says what it is, past "number", "is" and the like; else empty.
fn before(scene: &Scene<'_>, span: &Span) -> String {
    let behind = scene.words.partition_point(|word| word.span.end <= span.start);
    let words = scene
        .words
        .get(behind.saturating_sub(5)..behind)
        .unwrap_or_default();
    let telling = words
        .iter()
        .rev()
        .find(|word| !BETWEEN.contains(&word.folded.as_str()));
    telling.map(|word| word.folded.clone()).unwrap_or_default()
}
