//! How Threads counts: 500 characters, of which an emoji counts as many as it has bytes in UTF-8, and five links
//! (<https://developers.facebook.com/docs/threads/overview>, "Limitations").

use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation as _;

/// The most characters of a post.
pub const MOST: usize = 500;
/// The most links of a post, each counted once.
pub const MOST_LINKS: usize = 5;

/// The length of a text. What an emoji is, is not documented to the letter: what may be one counts as one, so
/// that a text is never longer there than it is here.
pub fn length(text: &str) -> usize {
    text.graphemes(true)
        .map(|grapheme| {
            if grapheme.chars().any(is_emoji) {
                grapheme.len()
            } else {
                grapheme.chars().count()
            }
        })
        .sum()
}

fn is_emoji(letter: char) -> bool {
    matches!(u32::from(letter),
        0x203C | 0x2049 | 0x20E3 | 0x2122 | 0x2139 | 0x2194..=0x21AA | 0x231A..=0x23FF | 0x24C2
        | 0x25AA..=0x27BF | 0x2934..=0x2935 | 0x2B05..=0x2B55 | 0x3030 | 0x303D | 0x3297 | 0x3299
        | 0xFE0F | 0x1F000..=0x1FAFF)
}

/// How many links there are.
pub fn links(text: &str) -> usize {
    let words = text.split_whitespace();
    let links = words.filter(|word| {
        let word = word.to_ascii_lowercase();
        word.contains("http://") || word.contains("https://")
    });
    links.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("größer", 6)]
    #[case("👍", 4)]
    #[case("👨‍👩‍👧‍👦", 25)]
    #[case("☎️ 1", 8)]
    #[case("日本", 2)]
    fn an_emoji_counts_its_bytes(#[case] text: &str, #[case] counted: usize) {
        assert_eq!(length(text), counted);
    }

    #[test]
    fn a_link_twice_is_one() {
        assert_eq!(
            links("https://a.example https://b.example https://a.example no"),
            2
        );
    }
}
