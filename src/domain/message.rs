//! Rich text that no chat owns. Adapters render it; what customers wrote stays inert in it.

mod press;

pub use press::{Press, ReplyVerb, UnknownPress};

use super::{CaseNumber, Instant};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// A message for a thread, or an answer for one person.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Message {
    /// Its parts, from top to bottom.
    pub parts: Vec<Part>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// A headline.
    Heading(Vec<Span>),
    /// A line of ours.
    Line(Vec<Span>),
    /// A small, pale line of ours.
    Small(Vec<Span>),
    /// Somebody's words, set apart, verbatim and inert. May have many lines.
    Quote(String),
    /// Names with values, side by side.
    Fields(Vec<(String, Vec<Span>)>),
    /// A row of buttons.
    Buttons(Vec<Button>),
}

/// A run of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Span {
    /// Text, rendered literally. What strangers wrote goes here too: it can do nothing.
    Text(String),
    /// The same, emphasised.
    Strong(String),
    /// The same, as something to type.
    Code(String),
    /// A link. Only http and https are linked; the label is literal.
    Link {
        /// What is shown.
        label: String,
        /// Where it leads.
        url: String,
    },
    /// A member of the team.
    Person {
        /// The name to show.
        name: String,
        /// The chat's id of the person, when they are to be pinged in this chat.
        ping: Option<String>,
    },
    /// A moment that is awaited, as part of a sentence: `in 9 s`, counted down where the chat can,
    /// otherwise `at 2026-11-26 10:00:09 UTC`.
    Until {
        /// The moment; shown to the second.
        at: Instant,
    },
}

/// How a button looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Style {
    /// Like any other.
    Plain,
    /// The thing to do next.
    Primary,
    /// Takes something back.
    Danger,
}

/// A button.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    /// What it says; at most 30 characters.
    pub label: String,
    /// What it does.
    pub press: Press,
    /// How it looks.
    pub style: Style,
}

/// The first message of a thread, with what a chat may show beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The thread's title, one line, at most 90 characters. Contains words of strangers, inert.
    pub title: String,
    /// The status in a word, for tags.
    pub status: String,
    /// The message.
    pub message: Message,
}

/// A question to one person: a modal with one text field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The case it is about.
    pub case: CaseNumber,
    /// The verb its words are for.
    pub verb: String,
    /// The window's title; at most 24 characters.
    pub title: String,
    /// What the field is called; at most 45 characters.
    pub label: String,
    /// What stands pale in the empty field; at most 100 characters.
    pub hint: String,
    /// What the submit button says; at most 24 characters.
    pub submit: String,
    /// The most characters the field takes; at most 3000.
    pub max: u16,
    /// Whether the field may stay empty.
    pub optional: bool,
    /// What stands in the field at first, to be changed. See [`Form::prefill`].
    #[serde(default)]
    pub value: String,
    /// The reply that it is about; comes back with the words.
    #[serde(default)]
    pub reply: Option<i64>,
}

impl Form {
    /// What stands in a field that takes at most `most` UTF-16 units, and never more than [`Self::max`].
    /// Nothing where that is too little for all of it: half a text must not look like the whole.
    #[must_use]
    pub fn prefill(&self, most: usize) -> Option<&str> {
        let most = most.min(usize::from(self.max));
        let fits = !self.value.is_empty() && self.value.encode_utf16().take(most + 1).count() <= most;
        fits.then_some(self.value.as_str())
    }
}

/// A moment in words, for where nothing counts down: `at 2026-11-26 10:00:09 UTC`.
#[must_use]
pub fn moment(at: Instant) -> String {
    at.format("at %Y-%m-%d %H:%M:%S UTC").to_string()
}

impl Message {
    /// A message of one literal line.
    #[must_use]
    pub fn line(text: impl Into<String>) -> Self {
        Self {
            parts: vec![Part::Line(vec![Span::Text(text.into())])],
        }
    }

    /// Adds a part.
    #[must_use]
    pub fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// The buttons, in order.
    pub fn buttons(&self) -> impl Iterator<Item = &Button> {
        self.parts.iter().flat_map(|part| match part {
            Part::Buttons(buttons) => buttons.as_slice(),
            Part::Heading(_) | Part::Line(_) | Part::Small(_) | Part::Quote(_) | Part::Fields(_) => &[],
        })
    }

    /// The message as plain text, for notifications, logs and tests. Strangers' words are made
    /// visible as [`inert`] does; nothing else is escaped.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut out = String::new();
        for part in &self.parts {
            if !out.is_empty() && !matches!(part, Part::Buttons(_)) {
                out.push('\n');
            }
            match part {
                Part::Heading(spans) | Part::Line(spans) | Part::Small(spans) => plain_spans(&mut out, spans),
                Part::Quote(text) => {
                    let lines: Vec<_> = inert(text).lines().map(|line| format!("> {line}")).collect();
                    out.push_str(&lines.join("\n"));
                }
                Part::Fields(fields) => {
                    for (at, (name, value)) in fields.iter().enumerate() {
                        let _ = write!(out, "{}{name}: ", if at == 0 { "" } else { " · " });
                        plain_spans(&mut out, value);
                    }
                }
                Part::Buttons(_) => {}
            }
        }
        out
    }
}

fn plain_spans(out: &mut String, spans: &[Span]) {
    for span in spans {
        match span {
            Span::Text(text) | Span::Strong(text) | Span::Code(text) => out.push_str(&inert(text)),
            Span::Link { label, url } if label == url => out.push_str(&inert(url)),
            Span::Link { label, url } if is_web(url) => {
                let _ = write!(out, "{} ({})", inert(label), inert(url));
            }
            Span::Link { label, url: _ } => out.push_str(&inert(label)),
            Span::Person { name, ping: _ } => out.push_str(&inert(name)),
            Span::Until { at } => out.push_str(&moment(*at)),
        }
    }
}

/// More bytes than a grapheme has that people write.
const MOST_BYTES: usize = 40;

/// Whether an address is one of the web. Any other could do something when it is opened.
fn is_web(url: &str) -> bool {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http")
}

/// Makes visible what could reverse the reading direction or hide between letters: bidirectional
/// controls, zero-width and tag characters, and control characters other than line breaks and the
/// tab, become `⟦U+202E⟧`. Every line break becomes U+000A. Joiners inside emoji and scripts that need
/// them (U+200C, U+200D) and variation selectors stay.
#[must_use]
pub fn inert(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b'\n' | b' '..=b'~'))
        || !text.chars().any(|c| c == '\r' || is_treacherous(c))
    {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(c) = letters.next() {
        match c {
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            c if is_treacherous(c) => {
                let _ = write!(out, "⟦U+{:04X}⟧", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn is_treacherous(c: char) -> bool {
    match c {
        ' '..='~' => false,
        '\n' | '\t' => false,
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200E}' | '\u{200F}' | '\u{061C}' => true,
        '\u{200B}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{00AD}' | '\u{034F}' | '\u{180E}' => true,
        '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}' | '\u{2028}' | '\u{2029}' => true,
        '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' => true,
        _ => c.is_control(),
    }
}

/// One line of at most `most` graphemes: line breaks become blanks, a cut is marked with `…`.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let mut flat = String::new();
    for word in text.split_whitespace() {
        if !flat.is_empty() {
            flat.push(' ');
        }
        flat.push_str(word);
        // What comes behind so much cannot be in the line; a book is not read for its title.
        if flat.len() > most.saturating_mul(MOST_BYTES) {
            flat.push('…');
            break;
        }
    }
    cut(&inert(&flat), most)
}

/// At most `most` graphemes, a cut marked with `…`.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    use unicode_segmentation::UnicodeSegmentation as _;
    // A grapheme has one byte at least.
    if text.len() <= most {
        return text.to_owned();
    }
    // In ASCII a byte is a grapheme, but for the line break of two.
    if text.is_ascii() && !text.contains('\r') {
        return format!("{}…", text[..most.saturating_sub(1)].trim_end());
    }
    let mut ends = text
        .grapheme_indices(true)
        .map(|(at, _)| at)
        .skip(most.saturating_sub(1));
    match (ends.next(), ends.next()) {
        (Some(end), Some(_)) => format!("{}…", text[..end].trim_end()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_breaks_of_every_kind_are_line_breaks() {
        assert_eq!(
            inert("Hello\r\nyou\rthere\n\u{202E}"),
            "Hello\nyou\nthere\n⟦U+202E⟧"
        );
    }

    #[test]
    fn a_cut_counts_what_people_see() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}", 3), "e\u{301}e\u{301}e\u{301}");
        assert_eq!(cut("e\u{301}e\u{301}e\u{301}e", 3), "e\u{301}e\u{301}…");
        assert_eq!(cut("", 0), "");
    }

    #[test]
    fn a_field_is_filled_with_the_whole_text_or_not_at_all() {
        let form = |value: &str, max| Form {
            case: CaseNumber(1),
            verb: "edit".to_owned(),
            title: String::new(),
            label: String::new(),
            hint: String::new(),
            submit: String::new(),
            max,
            optional: false,
            value: value.to_owned(),
            reply: Some(7),
        };
        assert_eq!(form("", 10).prefill(10), None);
        assert_eq!(form("four", 10).prefill(4), Some("four"));
        assert_eq!(form("four", 10).prefill(3), None);
        assert_eq!(form("four", 3).prefill(10), None);
        assert_eq!(form("\u{1F600}", 10).prefill(1), None, "two units");
        assert_eq!(form("\u{1F600}", 10).prefill(2), Some("\u{1F600}"));
    }

    #[test]
    fn a_form_that_was_kept_by_an_older_version_can_be_read() {
        let kept =
            r#"{"case":7,"verb":"note","title":"","label":"","hint":"","submit":"","max":9,"optional":true}"#;
        let form: Form = serde_json::from_str(kept).unwrap();
        assert_eq!((form.value.as_str(), form.reply), ("", None));
    }

    #[test]
    fn a_link_in_plain_text_is_told_once_and_only_when_it_leads_into_the_web() {
        let plain = |label: &str, url: &str| {
            let link = Span::Link {
                label: label.to_owned(),
                url: url.to_owned(),
            };
            Message::default().with(Part::Line(vec![link])).plain()
        };
        assert_eq!(
            plain("original", "https://a.example/1"),
            "original (https://a.example/1)"
        );
        assert_eq!(
            plain("https://a.example/1", "https://a.example/1"),
            "https://a.example/1"
        );
        assert_eq!(plain("original", "javascript:alert(1)"), "original");
    }
}
