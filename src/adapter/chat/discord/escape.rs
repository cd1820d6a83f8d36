//! Text for Discord's Markdown: everything a stranger wrote stays text.
//!
//! <https://support.discord.com/hc/en-us/articles/210298617>

use crate::domain::message::inert;
use unicode_segmentation::UnicodeSegmentation as _;
use url::Url;

/// A text's length as Discord may count it: UTF-16 units, the longest of the ways.
pub(super) fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// Whether a character can begin or end markup, a mention, an emoji, a time or a link.
fn is_markup(c: char) -> bool {
    matches!(
        c,
        '\\' | '`' | '*' | '_' | '~' | '|' | '>' | '<' | '#' | '-' | '[' | ']' | '(' | ')' | '@' | ':' | '/'
    )
}

/// Makes the text literal: invisible controls are shown, markup is escaped, links are dead (an
/// escaped colon and slash end `https://…` and `discord.gg/…`), numbers at the start of a line are
/// no lists. Line breaks stay.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut number = true;
    for c in inert(text).chars() {
        if is_markup(c) || (c == '.' && number && out.ends_with(|c: char| c.is_ascii_digit())) {
            out.push('\\');
        }
        out.push(c);
        number = c == '\n' || (number && (c.is_ascii_digit() || c.is_whitespace()));
    }
    out
}

/// The same on one line.
pub(super) fn escape_line(text: &str) -> String {
    escape(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// As much of the text, escaped, as `most` units hold; a cut is marked with `…`. Never cuts inside
/// a grapheme or between a backslash and what it escapes.
pub(super) fn escape_within(text: &str, most: usize) -> String {
    let whole = escape(text);
    if length(&whole) <= most {
        return whole;
    }
    let mut out = String::new();
    let mut used = 1;
    for grapheme in text.graphemes(true) {
        let next = escape(grapheme);
        used += length(&next);
        if used > most {
            break;
        }
        out.push_str(&next);
    }
    if most == 0 {
        return String::new();
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// Plain text (a title of a thread, a label of a button) of at most `most` units on one line.
pub(super) fn plain_within(text: &str, most: usize) -> String {
    let flat = inert(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    if length(&flat) <= most {
        return flat;
    }
    let mut out = String::new();
    let mut used = 1;
    for grapheme in flat.graphemes(true) {
        used += length(grapheme);
        if used > most {
            break;
        }
        out.push_str(grapheme);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// Words as something to type. Nothing is markup inside backticks, and none can end them.
pub(super) fn code(text: &str) -> String {
    let flat = inert(&text.split_whitespace().collect::<Vec<_>>().join(" ")).replace('`', "ˋ");
    if flat.is_empty() {
        String::new()
    } else {
        format!("`{flat}`")
    }
}

/// A link with a literal label, without a preview. Anything but http and https is only text. A label
/// that looks like another address has the true host beside it.
pub(super) fn link(label: &str, address: &str) -> String {
    let Some(url) = Url::parse(address)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return escape_line(label);
    };
    let host = url.host_str().unwrap_or_default();
    let mut shown = escape_line(label);
    if shown.is_empty() || (looks_like_address(label) && !names_host(label, host)) {
        shown = format!("{shown} → {}", escape_line(host)).trim_start().to_owned();
    }
    let target: String = url
        .as_str()
        .chars()
        .map(|c| match c {
            '(' => "%28".to_owned(),
            ')' => "%29".to_owned(),
            '<' => "%3C".to_owned(),
            '>' => "%3E".to_owned(),
            '\\' => "%5C".to_owned(),
            '`' => "%60".to_owned(),
            ' ' => "%20".to_owned(),
            other => other.to_string(),
        })
        .collect();
    // Discord shows a label that is an address as text; the address alone is a link.
    if label.trim() == address {
        return format!("<{target}>");
    }
    format!("[{shown}](<{target}>)")
}

fn looks_like_address(label: &str) -> bool {
    label.contains("://")
        || label.split_whitespace().any(|word| {
            word.split('.').count() > 1
                && word
                    .rsplit('.')
                    .next()
                    .is_some_and(|end| end.chars().take_while(|c| c.is_alphabetic()).count() > 1)
        })
}

/// Whether the label's own host, if it names one, is the link's.
fn names_host(label: &str, host: &str) -> bool {
    let bare = label.trim();
    let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    let end = bare
        .find(|c: char| matches!(c, '/' | '?' | '#') || c.is_whitespace())
        .unwrap_or(bare.len());
    bare[..end].eq_ignore_ascii_case(host)
}

#[cfg(test)]
/// Reads the text as Discord would: every markup character must stand behind a backslash.
pub(super) fn is_literal(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            if chars.next().is_none() {
                return false;
            }
        } else if is_markup(c) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_mentions_and_links_are_dead() {
        insta::assert_snapshot!(
            escape("# Hi @everyone <@1> [bank](https://evil.example) ||x|| `y` discord.gg/abc"),
            @r"\# Hi \@everyone \<\@1\> \[bank\]\(https\:\/\/evil.example\) \|\|x\|\| \`y\` discord.gg\/abc"
        );
        insta::assert_snapshot!(escape("1. one\n 22. two\n3.50"), @r"
        1\. one
         22\. two
        3\.50
        ");
        assert_eq!(escape("it costs 3.50"), "it costs 3.50");
        assert_eq!(escape("a\u{202E}b"), "a⟦U+202E⟧b");
    }

    #[test]
    fn a_link_is_never_under_a_false_name() {
        assert_eq!(
            link("open the post", "https://m.example/@ann/1"),
            "[open the post](<https://m.example/@ann/1>)"
        );
        assert_eq!(
            link("paypal.com", "https://evil.example/x"),
            "[paypal.com → evil.example](<https://evil.example/x>)"
        );
        assert_eq!(
            link("https://bank.example/login", "https://bank.example.evil.example/"),
            r"[https\:\/\/bank.example\/login → bank.example.evil.example](<https://bank.example.evil.example/>)"
        );
        assert_eq!(
            link("m.example", "https://m.example/1"),
            "[m.example](<https://m.example/1>)"
        );
        assert_eq!(
            link("https://m.example/1", "https://m.example/1"),
            "<https://m.example/1>"
        );
        assert_eq!(link("run", "javascript:alert(1)"), "run");
        assert_eq!(
            link("x", "https://e.example/a)](<https://b>"),
            "[x](<https://e.example/a%29]%28%3Chttps://b%3E>)"
        );
    }

    #[test]
    fn code_cannot_be_left() {
        assert_eq!(code("a`b\n`c"), "`aˋb ˋc`");
    }

    proptest! {
        #[test]
        fn escaped_text_has_no_live_markup_and_keeps_its_limit(text in "\\PC*|[\\\\`*_~|<>#\\[\\]()@:/.\n0-9a-z ]*", most in 0usize..300) {
            prop_assert!(is_literal(&escape(&text)));
            let cut = escape_within(&text, most);
            prop_assert!(is_literal(&cut));
            prop_assert!(length(&cut) <= most);
            prop_assert!(length(&plain_within(&text, most.max(1))) <= most.max(1));
        }
    }
}
