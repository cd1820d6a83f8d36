//! What binds: legal promises, and money beyond a limit.

use super::phrase::{Book, Index};
use super::text::{Scene, Span, Word};
use super::{Care, Hit, Level, Rule, first};
use std::sync::LazyLock;

static LEGAL: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/legal_promise.txt")));
static REFUND: LazyLock<Book> = LazyLock::new(|| Book::parse(include_str!("words/refund.txt")));

/// What stands before or behind an amount: signs, codes and words, folded.
const CURRENCIES: [&str; 50] = [
    "$", "€", "£", "¥", "₹", "₽", "₺", "₩", "₪", "₫", "usd", "eur", "gbp", "jpy", "chf", "cad", "aud", "nzd",
    "sek", "nok", "dkk", "pln", "czk", "inr", "brl", "mxn", "zar", "sgd", "hkd", "cny", "dollar", "dollars",
    "bucks", "euro", "euros", "pound", "pounds", "quid", "francs", "franken", "yen", "pesos", "rupees", "kr",
    "kronen", "kronor", "zl", "zloty", "rs", "dolares",
];

pub(super) fn legal(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let (span, better) = first(&LEGAL, Rule::LegalPromise, scene, care)?;
    let why = "This can be held against us: a guarantee, an admission or a threat in public.";
    Some(Hit::new(scene.slice(&span), why).better(better))
}

pub(super) fn refund(scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    let own = Index::of(care.own(Rule::Refund)).all(&scene.words);
    let own = own.into_iter().map(|found| (found.span, found.sentence, None));
    let known = REFUND.all(&scene.words);
    let known = known.into_iter().map(|found| {
        let better = REFUND.better(&found);
        (found.span, found.sentence, better)
    });
    let mut promises: Vec<_> = known
        .chain(own)
        .filter(|(span, _, _)| !scene.is_spared(span))
        .collect();
    promises.sort_by_key(|(span, _, _)| span.start);
    let amounts = amounts(scene);
    promises.into_iter().find_map(|(span, sentence, better)| {
        let named = amounts.iter().filter(|amount| amount.sentence == sentence);
        let most = named.max_by_key(|amount| amount.cents);
        let limit = care.refund_limit;
        let why = match most {
            Some(amount) if amount.cents <= limit.saturating_mul(100) => return None,
            Some(amount) if limit > 0 => {
                let amount = scene.slice(&amount.span);
                format!("This promises {amount}; more than {limit} needs a second pair of eyes.")
            }
            Some(amount) => format!("This promises money in writing: {}.", scene.slice(&amount.span)),
            None => "This promises money in writing, without saying how much.".to_owned(),
        };
        // Whether an amount that is not named is beyond the limit nobody can say.
        let weight = if most.is_some() || limit == 0 {
            Level::Approve
        } else {
            Level::Hint
        };
        Some(Hit::new(scene.slice(&span), why).better(better).at_most(weight))
    })
}

/// An amount of money.
#[derive(Debug)]
struct Amount {
    span: Span,
    sentence: usize,
    /// In hundredths of its currency.
    cents: u64,
}

/// Numbers with a currency beside them.
fn amounts(scene: &Scene<'_>) -> Vec<Amount> {
    let text = scene.draft.text;
    let mut out = Vec::new();
    let mut after = 0;
    for (at, word) in scene.words.iter().enumerate() {
        if word.span.start < after || !word.folded.starts_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        let span = number(text, word.span.start);
        after = span.end;
        let next = scene.words.get(at..).unwrap_or_default();
        if is_money(text, scene.words.get(..at).unwrap_or_default(), &span, next) {
            out.push(Amount {
                cents: cents(scene.slice(&span)),
                sentence: word.sentence,
                span,
            });
        }
    }
    out
}

/// Digits, with dots and commas between them.
fn number(text: &str, start: usize) -> Span {
    let rest = text.get(start..).unwrap_or_default();
    let inside = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | '\'');
    let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
    let number = rest.get(..length).unwrap_or_default();
    let number = number.trim_end_matches(|c: char| !c.is_ascii_digit());
    start..start + number.len()
}

fn is_money(text: &str, before: &[Word], number: &Span, from: &[Word]) -> bool {
    let known = |word: &str| CURRENCIES.contains(&word);
    let sign = |c: Option<char>| c.is_some_and(|c| known(c.encode_utf8(&mut [0; 4])));
    let head = text.get(..number.start).unwrap_or_default().trim_end();
    let tail = text.get(number.end..).unwrap_or_default().trim_start();
    let code_before = before.last().is_some_and(|word| {
        let between = text.get(word.span.end..number.start).unwrap_or_default();
        between.trim_matches(['.', ' ']).is_empty() && known(&word.folded)
    });
    let next = from.iter().find(|word| word.span.start >= number.end);
    let code_behind = next.is_some_and(|word| {
        let between = text.get(number.end..word.span.start).unwrap_or_default();
        between.trim().is_empty() && known(&word.folded)
    });
    sign(head.chars().next_back()) || sign(tail.chars().next()) || code_before || code_behind
}

/// `1,250.50`, `1.250,50`, `80` and `12,5` in hundredths.
fn cents(number: &str) -> u64 {
    let whole_and_rest = number.rsplit_once(['.', ',']);
    let (whole, rest) = match whole_and_rest {
        Some((whole, rest)) if rest.len() <= 2 => (whole, rest),
        Some(_) | None => (number, ""),
    };
    let digits = |text: &str| {
        let digits = text.chars().filter_map(|c| c.to_digit(10));
        digits.fold(0_u64, |sum, digit| {
            sum.saturating_mul(10).saturating_add(digit.into())
        })
    };
    let rest = match rest.len() {
        1 => digits(rest) * 10,
        _ => digits(rest),
    };
    digits(whole).saturating_mul(100).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("80", 8_000)]
    #[case("1,250.50", 125_050)]
    #[case("1.250,50", 125_050)]
    #[case("1'250.50", 125_050)]
    #[case("12,5", 1_250)]
    #[case("1,000", 100_000)]
    #[case("99999999999999999999999", u64::MAX)]
    fn amounts_are_read_in_both_ways_of_writing(#[case] text: &str, #[case] expected: u64) {
        assert_eq!(cents(text), expected);
    }
}
