//! Emoji as customers read them: Slack writes `:tada:` where a person chose 🎉.
//! <https://docs.slack.dev/messaging/formatting-message-text#emoji>
//!
//! `emoji.txt` holds Slack's names, one a line with the characters they stand for; a star marks those
//! with skin tones. They are taken from emoji-datasource 16.0.0 (MIT), which Slack draws from.

use std::collections::HashMap;
use std::sync::LazyLock;

/// The longest name that is looked up.
const LONGEST: usize = 100;

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
struct Emoji {
    text: &'static str,
    has_tones: bool,
}

static NAMES: LazyLock<HashMap<&'static str, Emoji>> = LazyLock::new(|| {
    let lines = include_str!("emoji.txt").lines();
    let named = lines.filter_map(|line| line.split_once(' ')).map(|(name, text)| {
        let plain = name.trim_end_matches('*');
        let has_tones = plain != name;
        (plain, Emoji { text, has_tones })
    });
    named.collect()
});

/// The text with Slack's emoji as characters. What only looks like one (`10:30:45`, an address) and
/// names that Slack does not have for everybody stay as they are.
pub(super) fn characters(text: &str) -> String {
    rewrite(text).0
}

/// The first name in the text that is an emoji of this workspace alone, if any: nobody outside of it
/// would see a picture.
pub(super) fn foreign(text: &str) -> Option<&str> {
    rewrite(text).1
}

/// The text with characters, and the first name that stands for none.
fn rewrite(text: &str) -> (String, Option<&str>) {
    let mut out = String::with_capacity(text.len());
    let mut foreign = None;
    for word in text.split_inclusive(char::is_whitespace) {
        if word.contains("://") {
            out.push_str(word);
            continue;
        }
        let unknown = rewrite_word(word, &mut out);
        foreign = foreign.or(unknown);
    }
    (out, foreign)
}

fn rewrite_word<'a>(word: &'a str, out: &mut String) -> Option<&'a str> {
    let mut foreign = None;
    let mut rest = word;
    // What stands before: the last character, if it was none of an emoji.
    let mut before = None;
    while let Some(at) = rest.find(':') {
        before = rest[..at].chars().next_back().or(before);
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let Some(name) = name_at(rest) else {
            out.push(':');
            rest = &rest[1..];
            before = Some(':');
            continue;
        };
        let letters = name.chars().filter(char::is_ascii_lowercase).count();
        let apart = before.is_none_or(|c| !c.is_alphanumeric() && c != ':');
        match NAMES.get(name) {
            // Slack knows names also behind a letter, as in `Thanks:tada:`.
            Some(emoji) if apart || letters >= 3 => {
                rest = &rest[name.len() + 2..];
                rest = &rest[emoji.draw(rest, out)..];
                before = None;
            }
            known => {
                let after = rest[name.len() + 2..].chars().next();
                let ends = after.is_none_or(|c| !c.is_alphanumeric() && c != ':');
                if known.is_none() && apart && ends && letters > 0 {
                    foreign = foreign.or(Some(name));
                }
                out.push_str(&rest[..=name.len()]);
                rest = &rest[name.len() + 1..];
                before = Some('a');
            }
        }
    }
    out.push_str(rest);
    foreign
}

/// The name in `:name:…`.
fn name_at(text: &str) -> Option<&str> {
    let inner = text.strip_prefix(':')?;
    let end = inner.find(':').filter(|end| (1..=LONGEST).contains(end))?;
    let name = &inner[..end];
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_+-'".contains(c);
    name.chars().all(sound).then_some(name)
}

impl Emoji {
    /// Writes it, in the skin tone that follows if there is one; returns how much that took.
    fn draw(self, after: &str, out: &mut String) -> usize {
        let tone = name_at(after)
            .and_then(|name| name.strip_prefix("skin-tone-"))
            .and_then(|number| number.parse::<u32>().ok())
            .filter(|number| (2..=6).contains(number))
            .and_then(|number| char::from_u32(0x1F3FB + number - 2));
        let Some(tone) = tone else {
            out.push_str(self.text);
            return 0;
        };
        let taken = ":skin-tone-2:".len();
        let mut characters = self.text.chars();
        out.extend(characters.next());
        if self.has_tones {
            // The tone stands in place of the mark that asks for a picture.
            out.push(tone);
            let rest = characters.as_str();
            out.push_str(rest.strip_prefix('\u{FE0F}').unwrap_or(rest));
        } else {
            out.push_str(characters.as_str());
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("Thanks :tada:", "Thanks 🎉")]
    #[case("Thanks:tada::tada:!", "Thanks🎉🎉!")]
    #[case(":wave::skin-tone-3: hi", "👋🏼 hi")]
    #[case(":point_up::skin-tone-6:", "☝🏿")]
    #[case(":tada::skin-tone-6:", "🎉")]
    #[case(":+1: :thinking_face: :flag-us: :heart:", "👍 🤔 🇺🇸 ❤️")]
    #[case(":male-firefighter::skin-tone-2:", "👨🏻‍🚒")]
    #[case("(:100:)", "(💯)")]
    #[case("at 10:30:45", "at 10:30:45")]
    #[case("1:100:2", "1:100:2")]
    #[case("a:b:c C:\\x: ::", "a:b:c C:\\x: ::")]
    #[case("see https://example.com/:tada:/", "see https://example.com/:tada:/")]
    #[case("std::vec::Vec :note: :Tada: :: :", "std::vec::Vec :note: :Tada: :: :")]
    #[case("🎉 ü:", "🎉 ü:")]
    fn names_become_characters(#[case] slack: &str, #[case] shown: &str) {
        assert_eq!(characters(slack), shown);
    }

    #[rstest]
    #[case("we :partyparrot: for you", Some("partyparrot"))]
    #[case(":tada: :shipit:!", Some("shipit"))]
    #[case("Thanks :tada:", None)]
    #[case("at 10:30:45 or :45:", None)]
    #[case("std::vec::Vec, key:value:other", None)]
    #[case("https://example.com/:partyparrot:", None)]
    fn a_workspaces_own_are_named(#[case] text: &str, #[case] name: Option<&str>) {
        assert_eq!(foreign(text), name);
    }

    #[test]
    fn the_list_is_whole() {
        assert!(NAMES.len() > 1900, "{}", NAMES.len());
    }

    proptest! {
        #[test]
        fn without_colons_nothing_changes(text in "[^:]{0,80}") {
            prop_assert_eq!(characters(&text), text);
        }

        #[test]
        fn anything_is_read_without_a_panic(text in "[:a-z0-9_+\u{e9} -]{0,60}|\\PC{0,60}") {
            let _ = characters(&text);
        }
    }
}
