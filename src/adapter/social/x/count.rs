//! Length as X counts it (<https://docs.x.com/fundamentals/counting-characters>, and the configuration `v3`
//! of its library twitter-text): after Unicode's normal form C, an address is 23, an emoji 2 however many
//! code points it is made of, a code point of the ranges below 1, every other one 2.
//!
//! X takes for an address also what has no scheme and ends in a top-level domain, which is why a list of
//! them is needed. Emoji that are joined but are none in Unicode's list count as one here and as several
//! there.

use linkify::{LinkFinder, LinkKind};
use std::ops::RangeInclusive;
use unicode_normalization::UnicodeNormalization as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// The most of a post.
pub const MOST: usize = 280;
/// The most of a private message, in characters.
pub const MOST_MESSAGE: usize = 10_000;
/// What an address counts.
const ADDRESS: usize = 23;
/// The code points that count 1.
const LIGHT: [RangeInclusive<u32>; 4] = [0..=4351, 8192..=8205, 8208..=8223, 8242..=8247];

/// How long the text is for X.
pub fn length(text: &str) -> usize {
    let text: String = text.nfc().collect();
    let (mut counted, mut at) = (0, 0);
    for (start, end) in addresses(&text) {
        counted += text.get(at..start).map_or(0, words) + ADDRESS;
        at = end;
    }
    counted + text.get(at..).map_or(0, words)
}

/// Whether there is an address in a text: with one a post costs more.
pub fn has_address(text: &str) -> bool {
    !addresses(text).is_empty()
}

/// Where the addresses are, in bytes.
fn addresses(text: &str) -> Vec<(usize, usize)> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url, LinkKind::Email]);
    finder.url_must_have_scheme(false);
    let links = finder.links(text);
    let links = links.filter(|link| *link.kind() == LinkKind::Url && is_address(text, link));
    links.map(|link| (link.start(), link.end())).collect()
}

fn is_address(text: &str, link: &linkify::Link<'_>) -> bool {
    let lower = link.as_str().to_ascii_lowercase();
    let schemes = ["https://", "http://"];
    let scheme = schemes.iter().find_map(|scheme| lower.strip_prefix(scheme));
    let before = text.get(..link.start()).and_then(|text| text.chars().next_back());
    let free = match scheme {
        Some(_) => before.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '@' | '#' | '$')),
        None => before.is_none_or(|c| {
            !c.is_ascii_alphanumeric() && !matches!(c, '@' | '#' | '$' | '-' | '_' | '.' | '/')
        }),
    };
    let rest = scheme.unwrap_or(&lower);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    free && (scheme.is_some() || host.is_ascii()) && has_known_end(host)
}

/// Whether a host has something before a top-level domain that exists.
fn has_known_end(host: &str) -> bool {
    let Some((name, end)) = host.rsplit_once('.') else {
        return false;
    };
    !name.is_empty() && psl::suffix(end.as_bytes()).is_some_and(|suffix| suffix.is_known())
}

fn words(text: &str) -> usize {
    text.graphemes(true).map(weight).sum()
}

fn weight(grapheme: &str) -> usize {
    if !is_emoji(grapheme) {
        return grapheme.chars().map(light).sum();
    }
    let others = grapheme.chars().skip(1).filter(|c| !is_part(*c));
    2 + others.map(light).sum::<usize>()
}

fn light(c: char) -> usize {
    let point = u32::from(c);
    if LIGHT.iter().any(|range| range.contains(&point)) {
        1
    } else {
        2
    }
}

/// Whether a grapheme is a picture: one of the blocks of pictures, or a sign made one by what follows.
fn is_emoji(grapheme: &str) -> bool {
    let mut chars = grapheme.chars();
    let Some(first) = chars.next() else { return false };
    let shown = chars.clone().any(|c| c == '\u{FE0F}');
    match u32::from(first) {
        0x1F000..=0x1FAFF => true,
        0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2190..=0x2BFF | 0x3030 | 0x303D | 0x3297 | 0x3299 => true,
        0xA9 | 0xAE => shown,
        0x23 | 0x2A | 0x30..=0x39 => chars.any(|c| c == '\u{20E3}'),
        _ => false,
    }
}

/// Whether a code point inside an emoji belongs to it.
fn is_part(c: char) -> bool {
    matches!(
        u32::from(c),
        0x200D | 0x20E3 | 0xFE0E | 0xFE0F | 0x1F000..=0x1FAFF | 0x2190..=0x2BFF | 0xE0020..=0xE007F
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    // The first ones are those of twitter-text's own conformance suite (`validate.yml`, weighted).
    #[rstest]
    #[case::plain("This is a test.", 15)]
    #[case::with_http("http://test.com", 23)]
    #[case::with_https("https://test.com", 23)]
    #[case::without_scheme("test.com", 23)]
    #[case::several("Test https://test.com test https://test.com test.com test", 86)]
    #[case::short_domain("t.co", 23)]
    #[case::two_levels("foo.co.jp", 23)]
    #[case::whose_subdomains_are_others("github.io", 23)]
    #[case::beyond_the_plane("\u{10000}\u{10ffff}", 4)]
    #[case::korean("저찀쯿쿿", 8)]
    #[case::cjk("日本", 4)]
    #[case::mix("H\u{1f431}☺", 5)]
    #[case::composed("cafe\u{301}", 4)]
    #[case::family("👨‍👩‍👧‍👦", 2)]
    #[case::flag("🇩🇪", 2)]
    #[case::skin("👍🏽", 2)]
    #[case::keycap("1\u{fe0f}\u{20e3}", 2)]
    #[case::digit("1", 1)]
    #[case::copyright("©", 1)]
    #[case::long_address("see https://example.com/a/very/long/path?with=query.", 4 + 23 + 1)]
    #[case::no_domain("read me.txt now", 15)]
    #[case::local("http://localhost/x", 18)]
    #[case::mail("ann@example.com", 15)]
    #[case::sentence("Done.Thanks", 11)]
    #[case::quotes("“x” — y", 7)]
    fn it_counts_as_x_does(#[case] text: &str, #[case] expected: usize) {
        assert_eq!(length(text), expected);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "([@:/.()a-z-]|https?://|\\PC){0,60}") {
            let _ = length(&text);
        }

        #[test]
        fn words_are_as_long_as_they_are(text in "[a-zäöü ,!?éß]{0,60}") {
            prop_assert_eq!(length(&text), text.chars().count());
        }
    }
}
