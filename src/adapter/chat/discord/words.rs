//! Words as Discord's Markdown, and how they share the room there is.

use super::escape::{code, escape_line, escape_within, length, link};
use super::render::{FIELDS, user};
use crate::domain::message::moment;
use crate::domain::{Part, Span};

/// The most lines of a quote; more would push our own words out of sight.
const QUOTE_LINES: usize = 60;

/// The parts as Markdown of at most `most` units. Our own lines come first in the sharing; quotes
/// get the room that is left, and where that is too little each loses of what it has above the others.
pub(super) fn body(parts: &[Part], most: usize) -> String {
    let own: usize = parts
        .iter()
        .filter_map(|part| own_part(part, usize::MAX))
        .map(|text| length(&text) + 1)
        .sum();
    let quotes: Vec<_> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Quote(text) => Some(length(&quote(text, usize::MAX))),
            Part::Heading(_) | Part::Line(_) | Part::Small(_) | Part::Fields(_) | Part::Buttons(_) => None,
        })
        .collect();
    // No line end stands before the first part.
    let for_quotes = (most + 1).saturating_sub(own + quotes.len());
    let mut shares = shares(&quotes, for_quotes).into_iter();
    let mut out = String::new();
    for part in parts {
        let joint = usize::from(!out.is_empty());
        let left = most.saturating_sub(length(&out) + joint);
        let text = match part {
            Part::Quote(text) => Some(quote(text, shares.next().unwrap_or_default().min(left))),
            other => own_part(other, left),
        };
        let Some(text) = text.filter(|text| !text.is_empty() && length(text) <= left) else {
            continue;
        };
        if joint > 0 {
            out.push('\n');
        }
        out.push_str(&text);
    }
    out
}

/// Divides the room: who wants less than an equal share gets it all, the others share the rest.
fn shares(wanted: &[usize], room: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..wanted.len()).collect();
    order.sort_by_key(|at| wanted[*at]);
    let mut shares = vec![0; wanted.len()];
    let (mut left, mut still) = (room, wanted.len());
    for at in order {
        shares[at] = wanted[at].min(left / still.max(1));
        left -= shares[at];
        still -= 1;
    }
    shares
}

/// How much [`body`] writes where there is room for all.
pub(super) fn natural_length(parts: &[Part]) -> usize {
    let part = |part: &Part| match part {
        Part::Quote(text) => length(&quote(text, usize::MAX)),
        Part::Heading(_) | Part::Line(_) | Part::Small(_) | Part::Fields(_) | Part::Buttons(_) => {
            own_part(part, usize::MAX).map_or(0, |text| length(&text))
        }
    };
    parts.iter().map(|p| part(p) + 1).sum()
}

fn own_part(part: &Part, most: usize) -> Option<String> {
    let framed = |before: &str, spans: &[Span]| {
        let text = line(spans, Links::Live, most.saturating_sub(length(before)));
        (!text.is_empty()).then(|| format!("{before}{text}"))
    };
    match part {
        Part::Heading(spans) => framed("### ", spans),
        Part::Line(spans) => framed("", spans),
        Part::Small(spans) => framed("-# ", spans),
        Part::Fields(fields) => {
            let shown: Vec<_> = fields
                .iter()
                .map(|(name, value)| {
                    format!("**{}** {}", escape_line(name), line(value, Links::Live, FIELDS.2))
                })
                .collect();
            let text = shown.join(" · ");
            (length(&text) <= most).then_some(text)
        }
        Part::Quote(_) | Part::Buttons(_) => None,
    }
}

/// What becomes of links, and of moments that count down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    Live,
    Dead,
}

/// Spans on one line, as many as fit; the first that does not fit is cut, or left out if it is more
/// than text.
pub(super) fn line(spans: &[Span], links: Links, most: usize) -> String {
    let mut out = String::new();
    for span in spans {
        let left = most.saturating_sub(length(&out));
        let whole = whole_span(span, links);
        if length(&whole) <= left {
            out.push_str(&whole);
            continue;
        }
        let (text, frame) = match span {
            Span::Text(text) => (text, ""),
            Span::Strong(text) | Span::Person { name: text, .. } => (text, "**"),
            Span::Link { label, .. } => (label, ""),
            Span::Code(_) | Span::Until { .. } => break,
        };
        let room = left.saturating_sub(2 * frame.len());
        let cut = escape_within(&flat(text), room);
        if room > 1 && !cut.is_empty() {
            out.push_str(&format!("{frame}{cut}{frame}"));
        }
        break;
    }
    out.trim_end().to_owned()
}

/// One line, its outer blanks kept: spans stand side by side.
fn flat(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect()
}

fn whole_span(span: &Span, links: Links) -> String {
    match span {
        Span::Text(text) => super::escape::escape(&flat(text)),
        Span::Strong(text) => strong(text),
        Span::Code(text) => code(text),
        Span::Link { label, url } if links == Links::Live => link(label, url),
        Span::Link { label, url: _ } => escape_line(label),
        Span::Person { name, ping } => match ping.as_deref().and_then(user) {
            Some(id) => format!("<@{id}>"),
            None => strong(name),
        },
        // <https://discord.com/developers/docs/reference#message-formatting-timestamp-styles>
        Span::Until { at } if links == Links::Live => format!("<t:{}:R>", at.timestamp()),
        Span::Until { at } => escape_line(&moment(*at)),
    }
}

fn strong(text: &str) -> String {
    let inner = escape_line(text);
    if inner.is_empty() {
        inner
    } else {
        format!("**{inner}**")
    }
}

/// Words set apart, at most `most` units. Runs of empty lines become one.
fn quote(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut blank = false;
    let mut lines = 0;
    for line in text.trim().lines() {
        let line = line.trim_end();
        if line.is_empty() && blank {
            continue;
        }
        blank = line.is_empty();
        let before = if out.is_empty() { "> " } else { "\n> " };
        let left = most.saturating_sub(length(&out) + length(before));
        if lines == QUOTE_LINES || left < 2 {
            if length(&out) < most && !out.is_empty() {
                out.push('…');
            }
            return out;
        }
        lines += 1;
        let cut = length(&super::escape::escape(line)) > left;
        out.push_str(before);
        out.push_str(&escape_within(line, left));
        if cut {
            return out;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[], 10, &[])]
    #[case(&[3, 4], 10, &[3, 4])]
    #[case(&[9, 1], 10, &[9, 1])]
    #[case(&[20, 1, 30], 11, &[5, 1, 5])]
    #[case(&[5, 5], 0, &[0, 0])]
    fn only_a_shortage_is_shared(#[case] wanted: &[usize], #[case] room: usize, #[case] got: &[usize]) {
        assert_eq!(shares(wanted, room), got);
    }

    #[test]
    fn a_long_quote_beside_a_short_one_is_whole_where_there_is_room() {
        let long = "word ".repeat(300);
        let parts = [
            Part::Quote(long.trim().to_owned()),
            Part::Line(vec![Span::Text("became".to_owned())]),
            Part::Quote("short".to_owned()),
        ];
        let natural = natural_length(&parts);
        let shown = body(&parts, natural);
        assert_eq!(shown.matches("word").count(), 300);
        assert!(shown.ends_with("became\n> short"), "{shown}");
        // Without the room, the short one keeps its words.
        let shown = body(&parts, natural / 2);
        assert!(length(&shown) <= natural / 2 && shown.contains('…'), "{shown}");
        assert!(shown.ends_with("became\n> short"), "{shown}");
    }
}
