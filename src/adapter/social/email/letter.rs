//! A letter of a stranger, read by mail-parser: who wrote it, what it answers, what it says, and whether a
//! person wrote it at all.

use crate::adapter::plain::plain;
use crate::domain::Instant;
use chrono::DateTime;
use mail_parser::{Address, HeaderValue, Message, MessageParser, MessagePart, MimeHeaders as _};
use sha2::{Digest as _, Sha256};

/// How much of a letter is read, in bytes: its words stand before what is attached.
pub const MOST: usize = 256 * 1024;
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
    /// Whether it goes on behind what was read.
    pub cut: bool,
    /// Why no person wrote it.
    pub machine: Option<&'static str>,
    /// What came back, where it tells of that.
    pub returned: Option<Returned>,
}

/// A letter that did not reach whom it was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// Its Message-ID, without the angle brackets.
    pub id: String,
    /// The letter that its conversation began with.
    pub root: String,
    /// Whom it was for.
    pub to: Person,
    /// Why, as the mail server says.
    pub why: String,
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
    let id = message.message_id().map(unfolded).filter(|id| is_kept(id));
    let id = id.unwrap_or_else(|| format!("sha256:{}", hex::encode(Sha256::digest(headers_of(raw)))));
    let in_reply_to = ids(message.in_reply_to()).into_iter().next();
    let mut references = ids(message.references());
    references.truncate(MOST_REFERENCES);
    Ok(Letter {
        id,
        references,
        in_reply_to,
        answer_to: answer_to.unwrap_or_else(|| from.clone()),
        machine: machine(&message, &from),
        returned: returned(&message),
        from,
        subject: sound(message.subject().unwrap_or_default().trim()),
        text: fresh(&words(&message)),
        html: page(&message).map(str::to_owned),
        written: message
            .date()
            .and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0)),
        lang: text(&message, "Content-Language")
            .map(|lang| lang.split(',').next().unwrap_or_default().trim().to_owned()),
        attached: attached(&message),
        cut: raw.len() >= MOST,
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
    let all: Vec<String> = match header {
        HeaderValue::TextList(list) => list.iter().map(|id| unfolded(id)).collect(),
        HeaderValue::Text(id) => vec![unfolded(id)],
        _ => Vec::new(),
    };
    all.into_iter().filter(|id| is_kept(id)).collect()
}

/// An id as it was before a long line of the head was broken inside it.
fn unfolded(id: &str) -> String {
    id.split_whitespace().collect()
}

fn is_kept(id: &str) -> bool {
    !id.is_empty() && id.len() <= LONGEST_ID && !id.contains('\0')
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
    // Whoever delivered it noted that nobody is to answer (https://www.rfc-editor.org/rfc/rfc5321#section-4.5.5).
    if matches!(message.header("Return-Path"), Some(HeaderValue::Empty)) {
        return Some("a letter that wants no answer");
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

/// What stands in all the parts that are there to be read: some programs begin a new one behind each picture.
fn words(message: &Message<'_>) -> String {
    let parts = message.text_bodies().filter(|part| part.is_text());
    let parts = parts.filter_map(|part| {
        let told = part.text_contents()?;
        Some(match part.is_text_html() {
            true => plain(told, &[]),
            false => sound(&told.replace("\r\n", "\n")),
        })
    });
    let parts: Vec<_> = parts.filter(|words| !words.trim().is_empty()).collect();
    match (parts.is_empty(), page(message)) {
        // Programs that write pages put an empty text beside them.
        (true, Some(page)) => plain(page, &[]),
        (true | false, _) => parts.join("\n\n"),
    }
}

/// The page of a letter.
fn page<'a>(message: &'a Message<'_>) -> Option<&'a str> {
    let part = message.html_part(0).filter(|part| part.is_text_html())?;
    part.text_contents()
}

/// What a report tells of a letter that did not arrive (<https://www.rfc-editor.org/rfc/rfc3464>); nothing of one
/// that is only late.
fn returned(message: &Message<'_>) -> Option<Returned> {
    let report = message.parts.iter().find(|part| is_a(part, "delivery-status"))?;
    let report = String::from_utf8_lossy(report.contents());
    let field = |name: &str| field(&report, name);
    if !field("Action")?.eq_ignore_ascii_case("failed") {
        return None;
    }
    let headers;
    let letter = match message.parts.iter().find_map(|part| part.message()) {
        Some(letter) => letter,
        None => {
            let part = message.parts.iter().find(|part| is_a(part, "rfc822-headers"))?;
            headers = MessageParser::default().parse(part.contents())?;
            &headers
        }
    };
    let id = unfolded(letter.message_id()?);
    let root = ids(letter.references()).into_iter().next();
    Some(Returned {
        root: root.unwrap_or_else(|| id.clone()),
        to: letter.to().and_then(person)?,
        why: field("Diagnostic-Code")
            .or_else(|| field("Status"))
            .unwrap_or_default(),
        id,
    })
}

fn is_a(part: &MessagePart<'_>, subtype: &str) -> bool {
    let told = part.content_type().and_then(|kind| kind.subtype());
    told.is_some_and(|told| told.eq_ignore_ascii_case(subtype))
}

/// The value of a field of a report, without the kind that it begins with.
fn field(report: &str, name: &str) -> Option<String> {
    let mut lines = report.lines();
    let begins = |line: &str| {
        let (told, value) = line.split_once(':')?;
        told.trim()
            .eq_ignore_ascii_case(name)
            .then(|| value.trim().to_owned())
    };
    let mut value = lines.find_map(begins)?;
    for line in lines.take_while(|line| line.starts_with([' ', '\t'])) {
        value.push(' ');
        value.push_str(line.trim());
    }
    let value = value
        .split_once(';')
        .map_or(value.as_str(), |(_, value)| value.trim());
    Some(sound(value))
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
        if lines[..end].last().is_some_and(|line| is_attribution(line)) {
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

/// Whether a line says who wrote what is quoted below it, and not something of the customer's own.
fn is_attribution(line: &str) -> bool {
    let wrote = [
        "wrote",
        "schrieb",
        "écrit",
        "escribió",
        "scritto",
        "schreef",
        "skrev",
    ];
    let line = line.trim_end();
    line.ends_with(':')
        && (line.contains(|c: char| c == '@' || c.is_ascii_digit())
            || wrote.iter().any(|wrote| line.contains(wrote)))
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
    #[case::own_words("Hello,\nyou promised:\n> Tomorrow", "Hello,\nyou promised:")]
    #[case::german("Danke!\n\nAm Montag schrieb The Shop:\n> Gern", "Danke!")]
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
    #[case("Return-Path: <ann@a.example>\r\n", None)]
    #[case("Return-Path: <>\r\n", Some("a letter that wants no answer"))]
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

    #[test]
    fn what_stands_behind_a_picture_is_read_too() {
        let head = "From: ann@a.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x";
        let body = "--x\r\nContent-Type: text/plain\r\n\r\nLook at this:\r\n--x\r\n\
            Content-Type: image/png; name=a.png\r\nContent-Disposition: inline; filename=a.png\r\n\
            Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--x\r\n\
            Content-Type: text/plain\r\n\r\nIt came like that.\r\n--x--\r\n";
        assert_eq!(letter(head, body).text, "Look at this:\n\nIt came like that.");
    }

    #[test]
    fn a_page_beside_an_empty_text_is_read() {
        let head =
            "From: ann@a.example\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x";
        let body = "--x\r\nContent-Type: text/plain\r\n\r\n \r\n--x\r\nContent-Type: text/html\r\n\r\n\
            <p>It broke.</p>\r\n--x--\r\n";
        assert_eq!(letter(head, body).text, "It broke.");
    }

    #[test]
    fn an_id_that_a_line_was_broken_in_is_whole() {
        let letter = letter(
            "From: ann@a.example\r\nMessage-ID: <2@a\r\n .example>\r\nReferences: <0@a\r\n\t.example>\r\n <1@a.example>",
            "hello",
        );
        assert_eq!(letter.id, "2@a.example");
        assert_eq!(letter.references, ["0@a.example", "1@a.example"]);
    }

    /// As Postfix 3.7 reports it, shortened by lines of no matter here.
    fn report(action: &str, kind: &str, original: &str) -> Letter {
        letter(
            "Return-Path: <>\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example>\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=x",
            &format!(
                "--x\r\nContent-Type: text/plain\r\n\r\nI'm sorry.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n\
                 Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; ann@b.example\r\nAction: {action}\r\n\
                 Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 <ann@b.example> User doesn't exist:\r\n    ann@b.example\r\n\
                 --x\r\nContent-Type: {kind}\r\n\r\n{original}\r\n--x--\r\n"
            ),
        )
    }

    #[rstest]
    #[case::whole("message/rfc822", "\r\nIt is on its way.")]
    #[case::its_head("text/rfc822-headers", "")]
    fn a_report_tells_which_letter_did_not_arrive(#[case] kind: &str, #[case] body: &str) {
        let original = "From: help@shop.example\r\nTo: Ann <ann@a.example>\r\nMessage-ID: <hearback.1@shop.example>\r\n\
             References: <1@a.example> <2@a.example>";
        let original = format!("{original}\r\n{body}");
        let letter = report("failed", kind, &original);
        assert_eq!(letter.machine, Some("a bounce"));
        let returned = letter.returned.unwrap();
        assert_eq!(
            (
                returned.id.as_str(),
                returned.root.as_str(),
                returned.to.address.as_str()
            ),
            ("hearback.1@shop.example", "1@a.example", "ann@a.example")
        );
        assert_eq!(
            returned.why,
            "550 5.1.1 <ann@b.example> User doesn't exist: ann@b.example"
        );
        assert_eq!(report("delayed", kind, &original).returned, None);
    }
}
