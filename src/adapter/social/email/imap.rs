//! The mailbox over IMAP (<https://www.rfc-editor.org/rfc/rfc9051>): a session that was signed in, and the few
//! commands that we need of it.
//!
//! Letters of customers are read with EXAMINE and BODY.PEEK: nothing of them is flagged, moved or deleted, not
//! even as seen. The only letters that are written to the mailbox are our own, in the Sent folder.

use crate::adapter::http;
use crate::adapter::supervise::Lost;
use crate::domain::{Clock, Instant};
use crate::port::PortError;
use async_imap::types::{Fetch, Flag, NameAttribute, UnsolicitedResponse};
use async_imap::{Client, error::Error};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{self, GeneralPurpose};
use chrono::TimeDelta;
use futures_util::TryStreamExt as _;
use secrecy::{ExposeSecret as _, SecretString};
use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

/// How long a command may take.
const COMMAND: Duration = Duration::from_secs(30);
/// How long connecting and signing in may take.
const CONNECT: Duration = Duration::from_secs(15);
/// For how long nobody tries again after the server refused the password: servers lock out who does.
const REFUSED: TimeDelta = TimeDelta::minutes(5);

/// How names of folders are encoded.
const UTF7: GeneralPurpose = GeneralPurpose::new(&alphabet::IMAP_MUTF7, general_purpose::NO_PAD);
/// What folders of sent letters are called where the server does not mark one.
const SENT: [&str; 4] = ["Sent", "Sent Items", "Sent Messages", "Sent Mail"];

/// What is said of an answer that is none.
pub const ODD: &str = "the mail server's answer is not what the protocol describes";

/// A connection, encrypted or not.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Debug> Wire for T {}

type Line = Box<dyn Wire>;
/// A session that was signed in.
pub type Session = async_imap::Session<Line>;

/// Why something had no success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// The user or the password is not accepted.
    #[error("the mail server does not accept the user name and the password: {0}")]
    Refused(String),
    /// The connection never stood.
    #[error("{0}")]
    Unreached(String),
    /// It broke, or the server refused the command, or its answer is not what the protocol describes.
    #[error("{0}")]
    Broken(String),
}

impl Trouble {
    /// What the supervisor does about it.
    pub fn lost(self) -> Lost {
        match self {
            Self::Refused(_) => Lost::Hopeless(format!(
                "{self}: look at username and password; many servers want a password made for programs"
            )),
            Self::Unreached(why) | Self::Broken(why) => Lost::Broken(why),
        }
    }

    /// As a failure of a look, which proves nothing about what was looked for.
    pub fn unread(self) -> PortError {
        PortError::Unknown(format!("the look-up: {self}"))
    }

    /// As a failure before anything was sent.
    pub fn before(self) -> PortError {
        match self {
            Self::Refused(_) => PortError::Unauthorized(self.to_string()),
            Self::Unreached(_) | Self::Broken(_) => {
                PortError::NotReached(format!("the mailbox could not be read before answering: {self}"))
            }
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::No(why) | Error::Bad(why) => {
                Self::Broken(format!("the mail server refused: {}", said(&why)))
            }
            // What cannot be read comes as such an error, with what was said, which may be a letter.
            Error::Io(error) if error.kind() != std::io::ErrorKind::Other => {
                Self::Broken(format!("the connection to the mail server broke ({error})"))
            }
            Error::ConnectionLost => Self::Broken("the connection to the mail server broke".to_owned()),
            _ => Self::Broken(ODD.to_owned()),
        }
    }
}

/// A letter as the mailbox has it.
#[derive(Debug)]
pub struct Found {
    /// Its number in the folder.
    pub uid: u32,
    /// When it came there.
    pub at: Option<Instant>,
    /// It was begun, and nobody said that it left.
    pub draft: bool,
    /// It was put away.
    pub deleted: bool,
    /// The letter, or its beginning.
    pub raw: Vec<u8>,
}

/// The mailbox's server, and how to sign in.
pub struct Mailbox {
    url: Url,
    username: String,
    password: SecretString,
    clock: Arc<dyn Clock>,
    /// When the server refused the password, and in which words.
    refused: Mutex<Option<(Instant, String)>>,
}

impl Mailbox {
    pub fn new(url: Url, username: String, password: SecretString, clock: Arc<dyn Clock>) -> Self {
        Self {
            url,
            username,
            password,
            clock,
            refused: Mutex::default(),
        }
    }

    /// Connects and signs in.
    ///
    /// # Errors
    /// The server is not reached, or does not let us in.
    pub async fn open(&self) -> Result<Session, Trouble> {
        let now = self.clock.now();
        let refused = self
            .refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some((_, why)) = refused.filter(|(at, _)| now - *at < REFUSED) {
            return Err(Trouble::Refused(why));
        }
        let opened = timeout(CONNECT, self.sign_in()).await;
        let opened =
            opened.unwrap_or_else(|_| Err(Trouble::Unreached("the mail server does not answer".to_owned())));
        if let Err(Trouble::Refused(why)) = &opened {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, why.clone()));
        }
        opened
    }

    async fn sign_in(&self) -> Result<Session, Trouble> {
        let host = self.url.host_str().unwrap_or_default();
        let safe = self.url.scheme() == "imaps";
        let port = self.url.port().unwrap_or(if safe { 993 } else { 143 });
        let unreached = |error| Trouble::Unreached(format!("the mail server is not reached ({error})"));
        let tcp = TcpStream::connect((bare(host), port)).await.map_err(unreached)?;
        let line: Line = if safe {
            secured(Box::new(tcp), host).await?
        } else {
            Box::new(tcp)
        };
        let mut client = Client::new(line);
        if client.read_response().await.map_err(Error::from)?.is_none() {
            return Err(Trouble::Unreached("the mail server hangs up at once".to_owned()));
        }
        if !safe && !is_this_machine(host) {
            client.run_command_and_check_ok("STARTTLS", None).await?;
            client = Client::new(secured(client.into_inner(), host).await?);
        }
        match client.login(&self.username, self.password.expose_secret()).await {
            Ok(session) => Ok(session),
            Err((Error::No(why), _)) if !is_for_now(&said(&why)) => Err(Trouble::Refused(said(&why))),
            Err((error, _)) => Err(error.into()),
        }
    }
}

/// What the server said: the library tells it as it prints its own values (`code: None, info: Some("…")`).
fn said(why: &str) -> String {
    let told = ["info: Some(\"", "information: Some(\""]
        .iter()
        .find_map(|before| why.split_once(before));
    let told = told.and_then(|(_, told)| told.rsplit_once("\")"));
    told.map_or_else(|| why.to_owned(), |(told, _)| told.replace("\\\"", "\""))
}

/// Whether a refusal says nothing about the password (<https://www.rfc-editor.org/rfc/rfc5530#section-3>).
fn is_for_now(said: &str) -> bool {
    ["[UNAVAILABLE]", "[SERVERBUG]", "[INUSE]", "[LIMIT]"]
        .iter()
        .any(|code| said.starts_with(code))
}

/// A folder's name as it goes over the line: all but ASCII in a form of UTF-7
/// (<https://www.rfc-editor.org/rfc/rfc3501#section-5.1.3>). A name in ASCII is left as it is, for the server
/// names its folders in that form, and people may have copied it.
pub fn name(folder: &str) -> Cow<'_, str> {
    if folder.is_ascii() {
        return Cow::Borrowed(folder);
    }
    let mut out = String::new();
    let mut rest = folder;
    while let Some(at) = rest.find(|c: char| !c.is_ascii()) {
        let (plain, tail) = rest.split_at(at);
        let end = tail.find(|c: char| c.is_ascii()).unwrap_or(tail.len());
        let (other, after) = tail.split_at(end);
        let bytes: Vec<u8> = other.encode_utf16().flat_map(u16::to_be_bytes).collect();
        out.push_str(&plain.replace('&', "&-"));
        out.push('&');
        out.push_str(&UTF7.encode(bytes));
        out.push('-');
        rest = after;
    }
    out.push_str(&rest.replace('&', "&-"));
    Cow::Owned(out)
}

/// An address of IPv6 without its brackets.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

/// Whether a connection stays on this machine, and so needs no TLS.
pub fn is_this_machine(host: &str) -> bool {
    let host = bare(host);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

async fn secured(line: Line, host: &str) -> Result<Line, Trouble> {
    http::install_tls();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let unreached =
        |error: String| Trouble::Unreached(format!("no secure connection to the mail server ({error})"));
    let name = ServerName::try_from(bare(host).to_owned()).map_err(|error| unreached(error.to_string()))?;
    let connector = TlsConnector::from(Arc::new(config));
    let line = connector.connect(name, line).await;
    Ok(Box::new(line.map_err(|error| unreached(error.to_string()))?))
}

/// Waits for a command, but not for ever.
pub async fn within<T>(command: impl Future<Output = Result<T, Error>>) -> Result<T, Trouble> {
    match timeout(COMMAND, command).await {
        Ok(done) => done.map_err(Trouble::from),
        Err(_) => Err(Trouble::Broken("the mail server does not answer".to_owned())),
    }
}

/// The numbers of the letters in the open folder that a search finds, in order.
pub async fn search(session: &mut Session, query: &str) -> Result<Vec<u32>, Trouble> {
    let mut uids: Vec<u32> = within(session.uid_search(query)).await?.into_iter().collect();
    uids.sort_unstable();
    Ok(uids)
}

/// A header's value as a search can carry it; `None` for one that cannot be searched for.
pub fn quoted(value: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\' || byte == b' ';
    (!value.is_empty() && value.bytes().all(plain)).then(|| format!("\"{value}\""))
}

/// Reads letters of the open folder: `most` bytes of each, or only their headers.
pub async fn letters(
    session: &mut Session,
    uids: &[u32],
    most: Option<usize>,
) -> Result<Vec<Found>, Trouble> {
    if uids.is_empty() {
        return Ok(Vec::new());
    }
    let set: Vec<_> = uids.iter().map(u32::to_string).collect();
    let part = match most {
        Some(most) => format!("BODY.PEEK[]<0.{most}>"),
        None => "BODY.PEEK[HEADER]".to_owned(),
    };
    let query = format!("(UID FLAGS INTERNALDATE {part})");
    let fetching = async {
        let stream = session.uid_fetch(set.join(","), query).await?;
        stream.try_collect::<Vec<Fetch>>().await
    };
    let mut found: Vec<_> = within(fetching).await?.iter().filter_map(as_found).collect();
    // Servers add what else changed.
    found.retain(|found| uids.contains(&found.uid));
    found.sort_by_key(|found| found.uid);
    Ok(found)
}

fn as_found(fetch: &Fetch) -> Option<Found> {
    Some(Found {
        uid: fetch.uid?,
        at: fetch.internal_date().map(|at| at.to_utc()),
        draft: fetch.flags().any(|flag| flag == Flag::Draft),
        deleted: fetch.flags().any(|flag| flag == Flag::Deleted),
        raw: fetch.body().or_else(|| fetch.header())?.to_vec(),
    })
}

/// The folder that the server marks as that of sent letters (<https://www.rfc-editor.org/rfc/rfc6154>).
pub async fn sent_folder(session: &mut Session) -> Result<Option<String>, Trouble> {
    let listing = async {
        let names = session.list(Some(""), Some("*")).await?;
        names.try_collect::<Vec<_>>().await
    };
    let names = within(listing).await?;
    let marked = names
        .iter()
        .find(|name| name.attributes().contains(&NameAttribute::Sent));
    let named = || names.iter().find(|name| is_sent(name.name(), name.delimiter()));
    Ok(marked.or_else(named).map(|name| name.name().to_owned()))
}

/// Whether a folder is called so; some servers have all folders below INBOX.
fn is_sent(name: &str, delimiter: Option<&str>) -> bool {
    let last = delimiter
        .and_then(|delimiter| name.rsplit(delimiter).next())
        .unwrap_or(name);
    SENT.iter().any(|sent| sent.eq_ignore_ascii_case(last))
}

/// Changes the flags of one letter of our own, in the folder that is open for writing.
pub async fn flag(session: &mut Session, uid: u32, change: &str) -> Result<(), Trouble> {
    let storing = async {
        let stream = session.uid_store(uid.to_string(), change).await?;
        stream.try_collect::<Vec<Fetch>>().await
    };
    within(storing).await.map(drop)
}

/// Whether the server told of letters beside its answers. Forgets it.
pub fn came(mut next: impl FnMut() -> Option<UnsolicitedResponse>) -> bool {
    let mut came = false;
    while let Some(told) = next() {
        came |= matches!(told, UnsolicitedResponse::Exists(_));
    }
    came
}

/// Whether the server tells of letters by itself (<https://www.rfc-editor.org/rfc/rfc2177>).
pub async fn can_idle(session: &mut Session) -> Result<bool, Trouble> {
    Ok(within(session.capabilities()).await?.has_str("IDLE"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("<a@b.example>", Some("\"<a@b.example>\""))]
    #[case("a\"b", None)]
    #[case("a\\b", None)]
    #[case("a\r\nA1 LOGOUT", None)]
    #[case("ä", None)]
    #[case("", None)]
    fn nothing_slips_out_of_a_search(#[case] value: &str, #[case] searched: Option<&str>) {
        assert_eq!(quoted(value).as_deref(), searched);
    }

    #[rstest]
    #[case("INBOX", "INBOX")]
    #[case("R&-D", "R&-D")]
    #[case("Entwürfe", "Entw&APw-rfe")]
    #[case("Envoyés & lus", "Envoy&AOk-s &- lus")]
    #[case("~peter/台北", "~peter/&U,BTFw-")]
    fn names_of_folders_go_over_the_line_in_ascii(#[case] folder: &str, #[case] on_the_line: &str) {
        assert_eq!(name(folder), on_the_line);
    }

    #[rstest]
    #[case("Sent", Some("/"), true)]
    #[case("INBOX.Sent Messages", Some("."), true)]
    #[case("Sent", None, true)]
    #[case("Unsent", Some("/"), false)]
    #[case("Sent/2019", Some("/"), false)]
    fn the_folder_of_sent_letters_is_known_by_its_name(
        #[case] name: &str,
        #[case] delimiter: Option<&str>,
        #[case] sent: bool,
    ) {
        assert_eq!(is_sent(name, delimiter), sent);
    }

    #[test]
    fn what_the_server_said_is_told_as_it_said_it() {
        let why = "code: None, info: Some(\"[AUTHENTICATIONFAILED] No \\\"ann\\\" here.\")";
        assert_eq!(said(why), "[AUTHENTICATIONFAILED] No \"ann\" here.");
        let why = "outcome: Outcome { code: None, information: Some(\"No such folder (here).\") }";
        assert_eq!(said(why), "No such folder (here).");
        assert_eq!(said("odd"), "odd");
    }

    #[rstest]
    #[case("127.0.0.1", true)]
    #[case("[::1]", true)]
    #[case("localhost", true)]
    #[case("mail.example", false)]
    #[case("127.0.0.1.example", false)]
    fn only_this_machine_is_spoken_to_in_the_clear(#[case] host: &str, #[case] clear: bool) {
        assert_eq!(is_this_machine(host), clear);
    }
}
