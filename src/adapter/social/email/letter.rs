//! A letter of a stranger, read by mail-parser: who wrote it, what it answers, what it says, and whether a
//! person wrote it at all.

use crate::adapter::plain::plain;
use crate::domain::Instant;
use chrono::DateTime;
use mail_parser::{Address, HeaderValue, Message, MessageParser, MimeHeaders as _};
use sha2::{Digest as _, Sha256};

/// The longest Message-ID that is kept as it is, in bytes; of a longer one its hash.
const LONGEST_ID: usize = 400;
/// The most references that are carried on.
const MOST_REFERENCES: usize = 20;
/// The most names of attachments that are shown.
const MOST_ATTACHED: usize = 20;

/// A person with an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// In lower case.
    pub address: String,
    /// As they call themselves; else the address.
    pub name: String,
}

/// A letter.
#[derive(Debug, Clone)]
pub struct Letter {
    /// Its Message-ID, without the angle brackets.
    pub id: String,
    /// The first letter of the conversation first.
    pub references: Vec<String>,
    /// The letter it answers.
    pub in_reply_to: Option<String>,
    /// Who sent it.
    pub from: Person,
    /// Who gets the answer: forms on web pages write in somebody's name.
    pub answer_to: Person,
    /// Its subject.
    pub subject: String,
    /// What it says, without what it quotes.
    pub text: String,
    /// Its page, where it has one.
    pub html: Option<String>,
    /// When it was written, by its author's clock.
    pub written: Option<Instant>,
    /// Its language, if it says so.
    pub lang: Option<String>,
    /// What is attached.
    pub attached: Vec<String>,
    /// Why no person wrote it.
    pub machine: Option<&'static str>,
}

impl Letter {
    /// The letter that the conversation began with, as far as this one knows.
    #[must_use]
    pub fn root(&self) -> &str {
        let first = self.references.first().or(self.in_reply_to.as_ref());
        first.unwrap_or(&self.id)
    }
}

/// Reads a letter, or its beginning.
///
/// # Errors
/// It is none: nobody wrote it.
pub fn read(raw: &[u8]) -> Result<Letter, &'static str> {
    let Some(message) = MessageParser::default().parse(raw) else {
        return Err("a letter that cannot be read");
    };
    let from = message
        .from()
        .and_then(person)
        .ok_or("a letter without a sender")?;
    let answer_to = message.reply_to().and_then(person);
    let id = match message.message_id().map(str::trim) {
        Some(id) if !id.is_empty() && id.len() <= LONGEST_ID => sound(id),
        Some(_) | None => format!("sha256:{}", hex::encode(Sha256::digest(headers_of(raw)))),
    };
    let in_reply_to = ids(message.in_reply_to()).into_iter().next();
    let mut references = ids(message.references());
    references.truncate(MOST_REFERENCES);
    let html = message
        .html_part(0)
        .filter(|part| part.is_text_html())
        .and_then(|part| part.text_contents())
        .map(str::to_owned);
    Ok(Letter {
        id,
        references,
        in_reply_to,
        answer_to: answer_to.unwrap_or_else(|| from.clone()),
        machine: machine(&message, &from),
        from,
        subject: sound(message.subject().unwrap_or_default().trim()),
        text: fresh(&words(&message)),
        html,
        written: message
            .date()
            .and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0)),
        lang: text(&message, "Content-Language")
            .map(|lang| lang.split(',').next().unwrap_or_default().trim().to_owned()),
        attached: attached(&message),
    })
}

fn headers_of(raw: &[u8]) -> &[u8] {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n");
    &raw[..end.unwrap_or(raw.len())]
}

fn person(address: &Address<'_>) -> Option<Person> {
    let first = address.first()?;
    let told = sound(first.address()?.trim()).to_lowercase();
    if !told.contains('@') {
        return None;
    }
    let name = sound(first.name().unwrap_or_default().trim());
    Some(Person {
        name: if name.is_empty() { told.clone() } else { name },
        address: told,
    })
}

fn ids(header: &HeaderValue<'_>) -> Vec<String> {
    let all = match header {
        HeaderValue::TextList(list) => list.iter().map(|id| id.trim().to_owned()).collect(),
        HeaderValue::Text(id) => vec![id.trim().to_owned()],
        _ => Vec::new(),
    };
    let sound = |id: &String| !id.is_empty() && id.len() <= LONGEST_ID && !id.contains('\0');
    all.into_iter().filter(sound).collect()
}

fn text<'a>(message: &'a Message<'_>, name: &'static str) -> Option<&'a str> {
    message.header(name).and_then(HeaderValue::as_text)
}

/// Why no person wrote it: what is answered to machines by machines never ends
/// (<https://www.rfc-editor.org/rfc/rfc3834>, <https://www.rfc-editor.org/rfc/rfc2369>).
fn machine(message: &Message<'_>, from: &Person) -> Option<&'static str> {
    let is = |name, words: &[&str]| {
        let told = text(message, name).unwrap_or_default().to_lowercase();
        words.iter().any(|word| told.trim().starts_with(word))
    };
    let has = |name: &'static str| message.header(name).is_some();
    let kind = message.content_type();
    let report = kind.is_some_and(|kind| {
        kind.ctype().eq_ignore_ascii_case("multipart")
            && kind
                .subtype()
                .is_some_and(|sub| sub.eq_ignore_ascii_case("report"))
    });
    let local = from.address.split('@').next().unwrap_or_default();
    if report || matches!(local, "mailer-daemon" | "postmaster") {
        return Some("a bounce");
    }
    let answered =
        text(message, "Auto-Submitted").is_some_and(|told| !told.trim().to_lowercase().starts_with("no"));
    if answered
        || has("X-Autoreply")
        || has("X-Autorespond")
        || is("Precedence", &["auto_reply", "auto-reply"])
    {
        return Some("an automatic answer");
    }
    if has("List-Id") || has("List-Post") || is("Precedence", &["bulk", "list", "junk"]) {
        return Some("a letter to a list");
    }
    None
}

fn words(message: &Message<'_>) -> String {
    let Some(part) = message.text_part(0) else {
        return String::new();
    };
    let told = part.text_contents().unwrap_or_default();
    if part.is_text_html() {
        plain(told, &[])
    } else {
        sound(&told.replace("\r\n", "\n"))
    }
}

/// A text without the earlier letters that programs put below it, quoted.
fn fresh(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let divider = |line: &&str| {
        let line = line.trim_matches(|c: char| c == '-' || c.is_whitespace());
        matches!(
            line,
            "Original Message" | "Ursprüngliche Nachricht" | "Message d'origine"
        )
    };
    let mut end = lines.iter().position(divider).unwrap_or(lines.len());
    let blank_or_quote = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('>');
    let quoted = lines[..end].iter().rev().take_while(|line| blank_or_quote(line));
    let (mut below, mut quotes) = (0, false);
    for line in quoted {
        below += 1;
        quotes |= !line.trim().is_empty();
    }
    if quotes {
        end -= below;
        // "On Monday Ann wrote:", on one line or on two.
        let attribution = |line: Option<&&str>| line.is_some_and(|line| line.trim_end().ends_with(':'));
        if attribution(lines[..end].last()) {
            end -= 1;
            let begun = lines[..end]
                .last()
                .is_some_and(|line| line.starts_with("On ") || line.starts_with("Am "));
            if begun && !lines[end].starts_with("On ") && !lines[end].starts_with("Am ") {
                end -= 1;
            }
        }
    }
    let kept = lines[..end].join("\n").trim().to_owned();
    // A letter that is nothing but a quotation says that.
    if kept.is_empty() {
        text.trim().to_owned()
    } else {
        kept
    }
}

fn attached(message: &Message<'_>) -> Vec<String> {
    let named = message
        .attachments()
        .filter_map(|part| part.attachment_name().map(sound));
    named.take(MOST_ATTACHED).collect()
}

/// A text that every database keeps.
fn sound(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn letter(headers: &str, body: &str) -> Letter {
        read(format!("{headers}\r\n\r\n{body}").as_bytes()).unwrap()
    }

    #[rstest]
    #[case::top(
        "Where is it?\n\nOn Mon, 23 Nov 2026 Help wrote:\n> Which one?\n> ",
        "Where is it?"
    )]
    #[case::two_lines(
        "The blue one\n\nOn Mon, 23 Nov 2026 at 10:00\nHelp <help@shop.example> wrote:\n\n> Which?",
        "The blue one"
    )]
    #[case::original("Blue.\n\n-----Original Message-----\nFrom: Help\n\nWhich?", "Blue.")]
    #[case::below("> Which one?\n\nThe blue one", "> Which one?\n\nThe blue one")]
    #[case::only_quoted("> Which one?", "> Which one?")]
    #[case::list("I want:\n- a refund", "I want:\n- a refund")]
    fn what_a_program_quotes_below_is_left_out(#[case] body: &str, #[case] said: &str) {
        assert_eq!(
            letter("From: ann@a.example", &body.replace('\n', "\r\n")).text,
            said
        );
    }

    #[rstest]
    #[case("", None)]
    #[case("Auto-Submitted: no\r\n", None)]
    #[case("List-Unsubscribe: <mailto:x@y.example>\r\n", None)]
    #[case("Auto-Submitted: auto-replied\r\n", Some("an automatic answer"))]
    #[case("Precedence: bulk\r\n", Some("a letter to a list"))]
    #[case("List-Id: <talk.example>\r\n", Some("a letter to a list"))]
    #[case("Content-Type: multipart/report; boundary=x\r\n", Some("a bounce"))]
    fn machines_are_told_from_people(#[case] header: &str, #[case] machine: Option<&str>) {
        assert_eq!(
            letter(&format!("{header}From: ann@a.example"), "hello").machine,
            machine
        );
    }

    #[test]
    fn a_form_writes_in_somebodys_name() {
        let letter = letter(
            "From: Shop form <form@shop.example>\r\nReply-To: Ann <Ann@A.example>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\
             Message-ID: <2@shop.example>\r\nIn-Reply-To: <1@shop.example>\r\nReferences: <0@shop.example> <1@shop.example>",
            "it broke",
        );
        assert_eq!(letter.answer_to.address, "ann@a.example");
        assert_eq!(
            (letter.id.as_str(), letter.root(), letter.subject.as_str()),
            ("2@shop.example", "0@shop.example", "grüße")
        );
    }

    #[test]
    fn a_letter_without_an_id_keeps_the_one_it_is_given() {
        let bare = || letter("From: ann@a.example\r\nSubject: x", "hello");
        assert!(bare().id.starts_with("sha256:"));
        assert_eq!(bare().id, bare().id);
        assert!(read(b"Subject: nobody\r\n\r\nhello").is_err());
    }
}
