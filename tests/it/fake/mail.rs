//! A mail server: a mailbox over IMAP (RFC 9051, with SPECIAL-USE and IDLE) and a way out over SMTP (RFC 5321
//! with AUTH), written from these documents. Searches for headers find parts of words and `N:*` finds the last
//! letter always, as Dovecot does. Scripted faults go by `listen` (the folder is opened), `publish` (the
//! last byte of a letter came) and `note` (a flag is changed, which then hangs).

use super::fault::{Fault, Faults};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::NaiveDate;
use hearback::domain::{Clock, Instant};
use mail_parser::MessageParser;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

/// Our address and password.
pub const ADDRESS: &str = "help@shop.example";
pub const PASSWORD: &str = "a-SECRET-password";
/// The folder of sent letters.
const SENT: &str = "Sent Items";

/// A letter in a folder.
#[derive(Debug, Clone)]
pub struct Stored {
    pub uid: u32,
    pub at: Instant,
    pub flags: Vec<String>,
    pub raw: Vec<u8>,
}

#[derive(Default)]
struct Folder {
    letters: Vec<Stored>,
    last: u32,
    validity: u32,
}

impl Folder {
    fn put(&mut self, raw: Vec<u8>, flags: Vec<String>, at: Instant) {
        self.last += 1;
        self.letters.push(Stored {
            uid: self.last,
            at,
            flags,
            raw,
        });
    }
}

#[derive(Default)]
struct State {
    inbox: Folder,
    sent: Folder,
    /// What left by SMTP.
    delivered: Vec<Vec<u8>>,
    written: usize,
    logins: usize,
    opened: usize,
    data: usize,
    locked_out: bool,
    out_of_order: bool,
    /// Commands that change something in a folder.
    changes: Vec<String>,
}

struct Inner {
    state: Mutex<State>,
    faults: Faults,
    clock: Arc<dyn Clock>,
    keeps: bool,
    came: watch::Sender<u64>,
    stop: CancellationToken,
}

/// The server.
pub struct FakeMail {
    inner: Arc<Inner>,
    imap: u16,
    smtp: u16,
}

/// A letter as its reader sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub id: String,
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
    pub subject: String,
    pub text: String,
    pub to: String,
}

impl FakeMail {
    /// `keeps`: whether it puts what it takes among the sent letters by itself.
    pub async fn start(clock: Arc<dyn Clock>, keeps: bool) -> Self {
        let state = State {
            inbox: Folder {
                validity: 7,
                ..Folder::default()
            },
            sent: Folder {
                validity: 8,
                ..Folder::default()
            },
            ..State::default()
        };
        let inner = Arc::new(Inner {
            state: Mutex::new(state),
            faults: Faults::default(),
            clock,
            keeps,
            came: watch::Sender::new(0),
            stop: CancellationToken::new(),
        });
        let (imap, smtp) = (
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
            TcpListener::bind("127.0.0.1:0").await.unwrap(),
        );
        let ports = (
            imap.local_addr().unwrap().port(),
            smtp.local_addr().unwrap().port(),
        );
        let tracker = TaskTracker::new();
        let (one, two) = (inner.clone(), inner.clone());
        let (for_imap, for_smtp) = (tracker.clone(), tracker.clone());
        tracker.spawn(async move {
            while let Some(Ok((line, _))) = one.stop.run_until_cancelled(imap.accept()).await {
                let inner = one.clone();
                for_imap.spawn(async move {
                    let stop = inner.stop.clone();
                    stop.run_until_cancelled(imap_session(inner, line)).await;
                });
            }
        });
        tracker.spawn(async move {
            while let Some(Ok((line, _))) = two.stop.run_until_cancelled(smtp.accept()).await {
                let inner = two.clone();
                for_smtp.spawn(async move {
                    let stop = inner.stop.clone();
                    stop.run_until_cancelled(smtp_session(inner, line)).await;
                });
            }
        });
        Self {
            inner,
            imap: ports.0,
            smtp: ports.1,
        }
    }

    pub fn imap_url(&self) -> Url {
        Url::parse(&format!("imap://127.0.0.1:{}", self.imap)).unwrap()
    }

    pub fn smtp_url(&self) -> Url {
        Url::parse(&format!("smtp://127.0.0.1:{}", self.smtp)).unwrap()
    }

    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap()
    }

    /// A customer writes. Gives the Message-ID.
    pub fn write(&self, who: &str, text: &str) -> String {
        self.compose(who, text, self.inner.clock.now(), "")
    }

    pub fn write_at(&self, who: &str, text: &str, written: Instant) -> String {
        self.compose(who, text, written, "")
    }

    /// With more lines in its head.
    pub fn write_with(&self, who: &str, text: &str, head: &str) -> String {
        self.compose(who, text, self.inner.clock.now(), head)
    }

    /// Somebody answers a letter, one of ours or of anybody's.
    pub fn answer(&self, who: &str, id: &str, text: &str) -> String {
        let mut chain = self.seen(id).map(|seen| seen.references).unwrap_or_default();
        chain.push(id.to_owned());
        let chain: Vec<_> = chain.iter().map(|id| format!("<{id}>")).collect();
        let head = format!("In-Reply-To: <{id}>\r\nReferences: {}\r\n", chain.join(" "));
        self.compose(who, text, self.inner.clock.now(), &head)
    }

    fn compose(&self, who: &str, text: &str, written: Instant, head: &str) -> String {
        let id = {
            let mut state = self.state();
            state.written += 1;
            format!("{}@mail.example", state.written)
        };
        let from = if who == "help" {
            ADDRESS.to_owned()
        } else {
            format!("{who}@mail.example")
        };
        let raw = format!(
            "Return-Path: <{from}>\r\nFrom: {who} <{from}>\r\nTo: <{ADDRESS}>\r\nSubject: A letter\r\nMessage-ID: <{id}>\r\n\
             Date: {}\r\nContent-Language: en\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n{head}\r\n{text}\r\n",
            written.to_rfc2822()
        );
        self.put_raw(raw.as_bytes());
        id
    }

    /// Something comes, as it is.
    pub fn put_raw(&self, raw: &[u8]) {
        let now = self.inner.clock.now();
        self.state().inbox.put(raw.to_vec(), Vec::new(), now);
        self.inner.came.send_modify(|came| *came += 1);
    }

    /// A colleague writes from a mail program, with a copy to ourselves.
    pub fn we_write(&self, answered: Option<&str>, text: &str) -> String {
        let id = match answered {
            Some(id) => self.answer("help", id, text),
            None => self.write("help", text),
        };
        let now = self.inner.clock.now();
        let mut state = self.state();
        let copy = state.inbox.letters.last().unwrap().raw.clone();
        state.sent.put(copy, vec!["\\Seen".to_owned()], now);
        id
    }

    /// The team puts a letter away.
    pub fn put_away(&self, id: &str) {
        let wanted = format!("Message-ID: <{id}>");
        self.state()
            .inbox
            .letters
            .retain(|letter| !String::from_utf8_lossy(&letter.raw).contains(&wanted));
    }

    /// The folder is rebuilt: its numbers are new ones.
    pub fn renumber(&self) {
        let mut state = self.state();
        state.inbox.validity += 1;
        state.inbox.last += 100;
        let mut uid = 0;
        for letter in &mut state.inbox.letters {
            uid += 1;
            letter.uid = uid;
        }
    }

    pub fn lock_out(&self) {
        self.state().locked_out = true;
    }

    /// Whether it cannot look at passwords now (RFC 5530, `UNAVAILABLE`).
    pub fn out_of_order(&self, is: bool) {
        self.state().out_of_order = is;
    }

    pub fn logins(&self) -> usize {
        self.state().logins
    }

    /// How often the folder was opened for reading.
    pub fn opened(&self) -> usize {
        self.state().opened
    }

    /// How many letters came to their last byte.
    pub fn data(&self) -> usize {
        self.state().data
    }

    /// What changed something in a folder.
    pub fn changes(&self) -> Vec<String> {
        self.state().changes.clone()
    }

    /// The flags of what is in the inbox.
    pub fn flags(&self) -> Vec<Vec<String>> {
        self.state()
            .inbox
            .letters
            .iter()
            .map(|letter| letter.flags.clone())
            .collect()
    }

    /// What customers got, the oldest first.
    pub fn delivered(&self) -> Vec<Seen> {
        self.state().delivered.iter().map(|raw| seen(raw)).collect()
    }

    /// The sent letters, with their flags.
    pub fn sent(&self) -> Vec<(Seen, Vec<String>)> {
        let state = self.state();
        let letters = state.sent.letters.iter();
        letters
            .map(|letter| (seen(&letter.raw), letter.flags.clone()))
            .collect()
    }

    fn seen(&self, id: &str) -> Option<Seen> {
        let state = self.state();
        let inbox = state.inbox.letters.iter().map(|letter| &letter.raw);
        let all = inbox.chain(state.delivered.iter()).map(|raw| seen(raw));
        all.into_iter().find(|seen| seen.id == id)
    }
}

impl Drop for FakeMail {
    fn drop(&mut self) {
        self.inner.stop.cancel();
    }
}

fn seen(raw: &[u8]) -> Seen {
    let message = MessageParser::default().parse(raw).unwrap();
    let references = message.references();
    let references = references
        .as_text_list()
        .map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>())
        .or_else(|| references.as_text().map(|one| vec![one.to_owned()]))
        .unwrap_or_default();
    let to = message.to().and_then(|to| to.first()).and_then(|to| to.address());
    Seen {
        id: message.message_id().unwrap_or_default().to_owned(),
        in_reply_to: message.in_reply_to().as_text().map(str::to_owned),
        references,
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).unwrap_or_default().trim().to_owned(),
        to: to.unwrap_or_default().to_owned(),
    }
}

type Line = BufReader<TcpStream>;

async fn say(line: &mut Line, text: &str) -> Option<()> {
    line.get_mut()
        .write_all(format!("{text}\r\n").as_bytes())
        .await
        .ok()
}

async fn hear(line: &mut Line) -> Option<String> {
    let mut text = String::new();
    let read = line.read_line(&mut text).await.ok()?;
    (read > 0).then(|| text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The words of a command, with quotes taken off.
fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut had) = (false, false);
    for c in text.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                had = true;
            }
            ' ' if !quoted => {
                if had || !word.is_empty() {
                    out.push(std::mem::take(&mut word));
                }
                had = false;
            }
            c => word.push(c),
        }
    }
    if had || !word.is_empty() {
        out.push(word);
    }
    out
}

async fn imap_session(inner: Arc<Inner>, stream: TcpStream) -> Option<()> {
    let mut line = BufReader::new(stream);
    say(&mut line, "* OK ready").await?;
    let mut signed_in = false;
    let mut open = String::new();
    let mut told_of = 0;
    loop {
        let text = hear(&mut line).await?;
        let said = words(&text);
        let (tag, command) = (said.first()?.clone(), said.get(1)?.to_uppercase());
        let known = {
            let state = inner.state.lock().unwrap();
            !(state.locked_out && signed_in)
        };
        if !known {
            return say(&mut line, "* BYE go").await;
        }
        match command.as_str() {
            "CAPABILITY" => {
                say(&mut line, "* CAPABILITY IMAP4rev1 SPECIAL-USE IDLE").await?;
            }
            "LOGIN" => {
                let (right, out_of_order) = {
                    let mut state = inner.state.lock().unwrap();
                    state.logins += 1;
                    let right = said.get(2)? == ADDRESS && said.get(3)? == PASSWORD && !state.locked_out;
                    (right, state.out_of_order)
                };
                if out_of_order {
                    say(&mut line, &format!("{tag} NO [UNAVAILABLE] Temporary failure")).await?;
                    continue;
                }
                if !right {
                    say(&mut line, &format!("{tag} NO [AUTHENTICATIONFAILED] no")).await?;
                    continue;
                }
                signed_in = true;
            }
            _ if !signed_in => {
                say(&mut line, &format!("{tag} BAD sign in first")).await?;
                continue;
            }
            "EXAMINE" | "SELECT" => {
                open.clone_from(said.get(2)?);
                if open == "INBOX" {
                    inner.state.lock().unwrap().opened += 1;
                    match inner.faults.take("listen") {
                        None => {}
                        Some(Fault::Status(_)) => {
                            say(&mut line, &format!("{tag} NO [SERVERBUG] later")).await?;
                            continue;
                        }
                        Some(Fault::Garbage) => {
                            say(&mut line, "<html>It works!</html>").await?;
                            continue;
                        }
                        Some(_) => return None,
                    }
                }
                if open != "INBOX" && open != SENT {
                    say(&mut line, &format!("{tag} NO [NONEXISTENT] no such folder")).await?;
                    continue;
                }
                let told = {
                    let mut state = inner.state.lock().unwrap();
                    if command == "SELECT" {
                        state.changes.push(format!("SELECT {open}"));
                    }
                    let folder = folder(&mut state, &open)?;
                    told_of = folder.letters.len();
                    format!(
                        "* {} EXISTS\r\n* OK [UIDVALIDITY {}] valid\r\n* OK [UIDNEXT {}] next",
                        folder.letters.len(),
                        folder.validity,
                        folder.last + 1
                    )
                };
                say(&mut line, &told).await?;
            }
            "LIST" => {
                say(&mut line, "* LIST (\\HasNoChildren) \"/\" \"INBOX\"").await?;
                say(
                    &mut line,
                    &format!("* LIST (\\HasNoChildren \\Sent) \"/\" \"{SENT}\""),
                )
                .await?;
            }
            "APPEND" => append(&inner, &mut line, &said).await?,
            "UID" => {
                if said.get(2)? == "STORE" && inner.faults.take("note").is_some() {
                    std::future::pending::<()>().await;
                }
                let told = uid(&inner, &open, &said)?;
                line.get_mut().write_all(&told).await.ok()?;
            }
            "IDLE" => {
                let mut came = inner.came.subscribe();
                // What came since the folder was opened is told now.
                let count = inner.state.lock().unwrap().inbox.letters.len();
                say(&mut line, "+ idling").await?;
                if open == "INBOX" && count > told_of {
                    told_of = count;
                    say(&mut line, &format!("* {count} EXISTS")).await?;
                }
                loop {
                    tokio::select! {
                        text = hear(&mut line) => {
                            assert_eq!(text?.to_uppercase(), "DONE");
                            break;
                        }
                        _ = came.changed() => {
                            let count = inner.state.lock().unwrap().inbox.letters.len();
                            say(&mut line, &format!("* {count} EXISTS")).await?;
                        }
                    }
                }
            }
            "NOOP" | "LOGOUT" => {}
            other => panic!("the fake does not know {other}"),
        }
        say(&mut line, &format!("{tag} OK done")).await?;
    }
}

fn folder<'a>(state: &'a mut State, name: &str) -> Option<&'a mut Folder> {
    match name {
        "INBOX" => Some(&mut state.inbox),
        SENT => Some(&mut state.sent),
        _ => None,
    }
}

async fn append(inner: &Inner, line: &mut Line, said: &[String]) -> Option<()> {
    let size: usize = said.last()?.trim_matches(['{', '}']).parse().ok()?;
    say(line, "+ go on").await?;
    let mut raw = vec![0; size + 2];
    line.read_exact(&mut raw).await.ok()?;
    raw.truncate(size);
    let flags = said[3..said.len() - 1].iter();
    let flags = flags
        .map(|flag| flag.trim_matches(['(', ')']).to_owned())
        .collect();
    let now = inner.clock.now();
    let mut state = inner.state.lock().unwrap();
    state.changes.push(format!("APPEND {}", said[2]));
    folder(&mut state, &said[2])?.put(raw, flags, now);
    Some(())
}

/// `UID SEARCH`, `UID FETCH`, `UID STORE`.
fn uid(inner: &Inner, open: &str, said: &[String]) -> Option<Vec<u8>> {
    let mut state = inner.state.lock().unwrap();
    let verb = said.get(2)?.to_uppercase();
    if verb == "STORE" {
        state
            .changes
            .push(format!("STORE {open} {}", said[4..].join(" ")));
    }
    let folder = folder(&mut state, open)?;
    match verb.as_str() {
        "SEARCH" => {
            let found = folder
                .letters
                .iter()
                .filter(|letter| fits(letter, folder.last, &said[3..]));
            let mut uids: Vec<u32> = found.map(|letter| letter.uid).collect();
            uids.sort_unstable();
            let mut out = "* SEARCH".to_owned();
            for uid in uids {
                let _ = write!(out, " {uid}");
            }
            Some(format!("{out}\r\n").into_bytes())
        }
        "FETCH" => {
            let wanted: Vec<u32> = said.get(3)?.split(',').map(|uid| uid.parse().unwrap()).collect();
            let mut out = Vec::new();
            for (at, letter) in folder.letters.iter().enumerate() {
                if !wanted.contains(&letter.uid) {
                    continue;
                }
                let head = said.iter().any(|word| word.contains("HEADER"));
                let peeks = said.iter().any(|word| word.contains("BODY.PEEK["));
                assert!(peeks, "a letter is only peeked at: {said:?}");
                let end = letter.raw.windows(4).position(|four| four == b"\r\n\r\n");
                let (part, name) = if head {
                    (
                        &letter.raw[..end.map_or(letter.raw.len(), |end| end + 4)],
                        "BODY[HEADER]",
                    )
                } else {
                    (&letter.raw[..], "BODY[]<0>")
                };
                let came = letter.at.format("%d-%b-%Y %H:%M:%S +0000");
                let flags = letter.flags.join(" ");
                out.extend(
                    format!(
                        "* {} FETCH (UID {} FLAGS ({flags}) INTERNALDATE \"{came}\" {name} {{{}}}\r\n",
                        at + 1,
                        letter.uid,
                        part.len()
                    )
                    .bytes(),
                );
                out.extend(part);
                out.extend(b")\r\n");
            }
            Some(out)
        }
        "STORE" => {
            let uid: u32 = said.get(3)?.parse().ok()?;
            let flag = said.get(5)?.trim_matches(['(', ')']).to_owned();
            let letter = folder.letters.iter_mut().find(|letter| letter.uid == uid)?;
            letter.flags.retain(|known| *known != flag);
            if said[4].starts_with('+') {
                letter.flags.push(flag);
            }
            Some(Vec::new())
        }
        _ => None,
    }
}

fn fits(letter: &Stored, last: u32, query: &[String]) -> bool {
    match query[0].as_str() {
        "UID" => {
            let from: u32 = query[1].split(':').next().unwrap().parse().unwrap();
            // The last one is always in the range.
            letter.uid >= from || letter.uid == last
        }
        "SINCE" => {
            let day = NaiveDate::parse_from_str(&query[1], "%d-%b-%Y").unwrap();
            letter.at.date_naive() >= day
        }
        "HEADER" => {
            let text = String::from_utf8_lossy(&letter.raw).to_lowercase();
            let head = text.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
            let name = format!("{}:", query[1].to_lowercase());
            head.lines()
                .any(|line| line.starts_with(&name) && line.contains(&query[2].to_lowercase()))
        }
        other => panic!("the fake cannot search for {other}"),
    }
}

async fn smtp_session(inner: Arc<Inner>, stream: TcpStream) -> Option<()> {
    let mut line = BufReader::new(stream);
    say(&mut line, "220 mail.example ready").await?;
    let mut signed_in = false;
    loop {
        let text = hear(&mut line).await?;
        let verb = text.split([' ', ':']).next()?.to_uppercase();
        match verb.as_str() {
            "EHLO" => {
                say(
                    &mut line,
                    "250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME",
                )
                .await?
            }
            "AUTH" => {
                let told = text.rsplit(' ').next()?;
                let told = BASE64_STANDARD.decode(told).ok()?;
                let right = format!("\0{ADDRESS}\0{PASSWORD}").into_bytes();
                signed_in = told == right && !inner.state.lock().unwrap().locked_out;
                let answer = if signed_in {
                    "235 2.7.0 welcome"
                } else {
                    "535 5.7.8 no"
                };
                say(&mut line, answer).await?;
            }
            "MAIL" if !signed_in => say(&mut line, "530 5.7.0 sign in first").await?,
            "MAIL" => say(&mut line, "250 2.1.0 ok").await?,
            "RCPT" if text.contains("nobody@") => say(&mut line, "550 5.1.1 no such user").await?,
            "RCPT" => say(&mut line, "250 2.1.5 ok").await?,
            "DATA" => {
                say(&mut line, "354 go on").await?;
                let raw = data(&mut line).await?;
                taken(&inner, &mut line, raw).await?;
            }
            "QUIT" => return say(&mut line, "221 bye").await,
            other => panic!("the fake does not know {other}"),
        }
    }
}

async fn data(line: &mut Line) -> Option<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut part = Vec::new();
        if line.read_until(b'\n', &mut part).await.ok()? == 0 {
            return None;
        }
        if part == b".\r\n" {
            return Some(raw);
        }
        raw.extend_from_slice(part.strip_prefix(b".").unwrap_or(&part));
    }
}

/// The last byte of a letter came.
async fn taken(inner: &Inner, line: &mut Line, raw: Vec<u8>) -> Option<()> {
    let accept = || {
        let now = inner.clock.now();
        let mut state = inner.state.lock().unwrap();
        state.delivered.push(raw.clone());
        if inner.keeps {
            state.sent.put(raw.clone(), vec!["\\Seen".to_owned()], now);
        }
    };
    inner.state.lock().unwrap().data += 1;
    match inner.faults.take("publish") {
        None => {
            accept();
            say(line, "250 2.0.0 queued").await
        }
        Some(Fault::RateLimited(_)) => say(line, "450 4.7.1 too fast").await,
        Some(Fault::Status(status)) if status < 500 => {
            say(line, &format!("550 5.7.1 {status} not that")).await
        }
        Some(Fault::Status(status)) => say(line, &format!("421 4.3.0 {status} closing")).await,
        Some(Fault::StatusButDone(status)) => {
            accept();
            say(line, &format!("421 4.3.0 {status} closing")).await
        }
        Some(Fault::AcceptThenDrop) => {
            accept();
            None
        }
        Some(Fault::Drop) => None,
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Garbage) => {
            accept();
            say(line, "<html>It works!</html>").await
        }
    }
}
