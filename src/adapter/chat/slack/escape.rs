//! Slack's control sequences: `&`, `<`, `>` are escaped on the way out and read on the way in.
//! See <https://docs.slack.dev/messaging/formatting-message-text#escaping>.

/// Text for a place where Slack reads control sequences.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// What becomes of mentions of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mentions {
    /// They stay (`<@U123|ada>`): the grammar reads them.
    Stay,
    /// They become what was typed (`@ada`), where Slack tells it: the text may be published.
    Name,
}

/// What a person typed, from what Slack made of it: entities become characters again, links their
/// address, channels and groups their name. One pass, so that `&amp;lt;` becomes `&lt;` and nothing
/// more.
pub(super) fn unescape(text: &str, mentions: Mentions) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = entity(rest, &mut out).or_else(|| sequence(rest, mentions, &mut out));
        let taken = taken.unwrap_or_else(|| {
            out.push_str(&rest[..1]);
            1
        });
        rest = &rest[taken..];
    }
    out.push_str(rest);
    out
}

fn entity(text: &str, out: &mut String) -> Option<usize> {
    let known = [("&amp;", '&'), ("&lt;", '<'), ("&gt;", '>')];
    let (name, c) = known.into_iter().find(|(name, _)| text.starts_with(name))?;
    out.push(c);
    Some(name.len())
}

/// `<…>`: returns how many bytes it takes.
fn sequence(text: &str, mentions: Mentions, out: &mut String) -> Option<usize> {
    let inner = text.strip_prefix('<')?;
    let end = inner.find(['>', '<', '\n'])?;
    let inner = inner
        .get(..end)
        .filter(|_| text.as_bytes().get(end + 1) == Some(&b'>'))?;
    let (what, label) = match inner.split_once('|') {
        Some((what, label)) => (what, Some(label)),
        None => (inner, None),
    };
    if what.starts_with('@') {
        match label.filter(|label| mentions == Mentions::Name && !label.is_empty()) {
            Some(label) => {
                out.push('@');
                plain(label, out);
            }
            None => out.push_str(&text[..end + 2]),
        }
    } else if let Some(id) = what.strip_prefix('#') {
        out.push('#');
        out.push_str(label.filter(|label| !label.is_empty()).unwrap_or(id));
    } else if let Some(what) = what.strip_prefix('!') {
        match label {
            Some(label) => plain(label, out),
            None => {
                out.push('@');
                out.push_str(what);
            }
        }
    } else {
        plain(typed(what, label), out);
    }
    Some(end + 2)
}

/// Slack links what looks like an address: `example.com` arrives as `<http://example.com|example.com>`.
/// Then the label is what was typed.
fn typed<'a>(url: &'a str, label: Option<&'a str>) -> &'a str {
    let added = |label: &str| {
        ["http://", "https://", "mailto:", "tel:"]
            .into_iter()
            .any(|scheme| url.strip_prefix(scheme).map(|rest| rest.trim_end_matches('/')) == Some(label))
    };
    label.filter(|label| added(label)).unwrap_or(url)
}

fn plain(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = entity(rest, out).unwrap_or_else(|| {
            out.push('&');
            1
        });
        rest = &rest[taken..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_was_typed() {
        for (slack, typed) in [
            ("claim 12", "claim 12"),
            ("reply 5 &lt;3 you &amp; yours", "reply 5 <3 you & yours"),
            (
                "see <https://example.com/a?b=1&amp;c=2>",
                "see https://example.com/a?b=1&c=2",
            ),
            ("see <http://example.com|example.com>", "see example.com"),
            (
                "see <https://evil.example|bank.example>",
                "see https://evil.example",
            ),
            (
                "write <mailto:a@example.com|a@example.com>",
                "write a@example.com",
            ),
            ("assign <@U123|ada> 12", "assign <@U123|ada> 12"),
            ("in <#C1|general>", "in #general"),
            ("in <#C1|>", "in #C1"),
            (
                "<!here> <!subteam^S1|@care> <!date^1^{date}|today>",
                "@here @care today",
            ),
            ("&amp;lt;!here&amp;gt;", "&lt;!here&gt;"),
            ("a < b, c <\nd", "a < b, c <\nd"),
            ("&nbsp; & <", "&nbsp; & <"),
            ("ü<é>", "üé"),
        ] {
            assert_eq!(unescape(slack, Mentions::Stay), typed, "{slack}");
        }
    }

    #[test]
    fn a_mention_in_words_for_customers_is_a_name() {
        let named = |text| unescape(text, Mentions::Name);
        assert_eq!(named("ask <@U123|ada &amp; co>"), "ask @ada & co");
        assert_eq!(named("ask <@U123>"), "ask <@U123>", "Slack did not tell the name");
    }

    proptest! {
        #[test]
        fn what_was_escaped_comes_back(text in any::<String>()) {
            prop_assert_eq!(unescape(&escape(&text), Mentions::Stay), text);
        }

        #[test]
        fn anything_is_read_without_a_panic(text in "[<>&|!@#amplt;a-z\u{e9}\n]{0,40}") {
            let _ = unescape(&text, Mentions::Name);
        }
    }
}
