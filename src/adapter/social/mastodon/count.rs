//! Length as Mastodon counts it, and mentions as it reads them: graphemes, where an address counts
//! as a fixed number and a mention without its host (`StatusLengthValidator` and
//! `Account::MENTION_RE` in its source; <https://docs.joinmastodon.org/user/posting/>).

use unicode_segmentation::UnicodeSegmentation as _;

/// How long the text is for Mastodon.
pub fn length(text: &str, per_url: usize) -> usize {
    let mut counted = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let before = text[..at].chars().next_back();
        if let Some(end) = address(rest, before) {
            counted.extend(std::iter::repeat_n('x', per_url));
            at += end;
        } else if let Some(mention) = mention(rest, before) {
            counted.push('@');
            counted.push_str(mention.user);
            at += 1 + mention.handle.len();
        } else {
            let c = rest.chars().next().unwrap_or_default();
            counted.push(c);
            at += c.len_utf8().max(1);
        }
    }
    counted.graphemes(true).count()
}

/// Whether the text addresses this person.
pub fn mentions(text: &str, handle: &str) -> bool {
    addressees(text).any(|addressed| addressed.eq_ignore_ascii_case(handle))
}

/// The handles a text addresses, without the `@` before them, in their order.
pub fn addressees(text: &str) -> impl Iterator<Item = &str> {
    let signs = text.match_indices('@');
    signs
        .filter_map(|(at, _)| mention(&text[at..], text[..at].chars().next_back()))
        .map(|mention| mention.handle)
}

struct Mention<'a> {
    /// `ann@remote.example`
    handle: &'a str,
    /// `ann`
    user: &'a str,
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The mention that `text` begins with.
fn mention(text: &str, before: Option<char>) -> Option<Mention<'_>> {
    let inner = text.strip_prefix('@')?;
    if before.is_some_and(|c| is_word(c) || matches!(c, '=' | '/')) {
        return None;
    }
    let user = name(inner, |c| c.is_ascii_alphanumeric() || c == '_');
    if user == 0 {
        return None;
    }
    let host = inner[user..]
        .strip_prefix('@')
        .map_or(0, |host| match name(host, is_word) {
            0 => 0,
            length => length + 1,
        });
    Some(Mention {
        handle: &inner[..user + host],
        user: &inner[..user],
    })
}

/// The length of words joined by dots and hyphens; it ends with a word.
fn name(text: &str, word: impl Fn(char) -> bool) -> usize {
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if word(c) {
            end = at + c.len_utf8();
        } else if at == 0 || !matches!(c, '.' | '-') {
            break;
        }
    }
    end
}

/// The length of the address that `text` begins with.
fn address(text: &str, before: Option<char>) -> Option<usize> {
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| starts_with(text, scheme))?;
    if before.is_some_and(|c| c.is_ascii_alphanumeric() || matches!(c, '@' | '$' | '#' | '_')) {
        return None;
    }
    let run = text
        .find(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | '「' | '」'))
        .unwrap_or(text.len());
    let mut url = &text[..run];
    while let Some(last) = url.chars().next_back() {
        let unbalanced = last == ')' && url.matches(')').count() > url.matches('(').count();
        if unbalanced
            || matches!(
                last,
                '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '…' | '*' | ']' | '}'
            )
        {
            url = &url[..url.len() - last.len_utf8()];
        } else {
            break;
        }
    }
    (url.len() > scheme.len()).then_some(url.len())
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case::letters("hello", 5)]
    #[case::empty("", 0)]
    #[case::family("👨‍👩‍👧‍👦", 1)]
    #[case::flag("🇩🇪", 1)]
    #[case::accent("e\u{301}", 1)]
    #[case::cjk("日本", 2)]
    #[case::local("@bob hi", 7)]
    #[case::remote("@alice@remote.example.org hi", 9)]
    #[case::dotted("@al.ice@a.b-c.example, hi", 11)]
    #[case::mail("mail ann@example.org", 20)]
    #[case::long_url("https://example.com/a/very/long/path/that/is/way/over/23/characters", 23)]
    #[case::short_url("see http://a.io.", 4 + 23 + 1)]
    #[case::brackets("(https://en.example/wiki/Rust_(language))", 1 + 23 + 1)]
    #[case::two("https://a.example https://b.example", 47)]
    #[case::inside_a_word("xhttps://a.example", 18)]
    #[case::without_scheme("example.com", 11)]
    #[case::handle_in_a_path("https://a.example/@ann/123", 23)]
    fn it_counts_as_mastodon_does(#[case] text: &str, #[case] expected: usize) {
        assert_eq!(length(text, 23), expected);
    }

    #[rstest]
    #[case("@ann hello", "ann", true)]
    #[case("Hello @Ann.", "ann", true)]
    #[case("@ann@remote.example hello", "ann@remote.example", true)]
    #[case("@ann@Remote.example: hello", "ann@remote.example", true)]
    #[case("@ann hello", "ann@remote.example", false)]
    #[case("@ann@other.example hello", "ann", false)]
    #[case("@annabel hello", "ann", false)]
    #[case("@ann.bell hello", "ann", false)]
    #[case("write to me@ann", "ann", false)]
    #[case("https://a.example/@ann", "ann", false)]
    fn it_knows_whom_a_text_addresses(#[case] text: &str, #[case] handle: &str, #[case] expected: bool) {
        assert_eq!(mentions(text, handle), expected);
    }

    proptest! {
        #[test]
        fn plain_words_count_as_graphemes(text in "[a-zäöü ,.!?👍🏽é]{0,60}") {
            prop_assert_eq!(length(&text, 23), text.graphemes(true).count());
        }

        #[test]
        fn no_text_makes_it_panic(text in "([@:/.()a-z-]|https?://|\\PC){0,60}") {
            let _ = length(&text, 23);
            let _ = mentions(&text, "a");
        }
    }
}
