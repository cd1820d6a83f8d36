//! `platform = "email"`

use super::super::Approval;
use super::super::section::{Read, Section, Wrong, choice};
use super::super::tree::Node;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How often is looked for letters where the server does not tell by itself, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(60);
/// The least time between two looks.
const LEAST_SWEEP: Duration = Duration::from_secs(15);
/// The longest pause between two looks.
const MOST_SWEEP: Duration = Duration::from_secs(25 * 60);
/// Whose letters are alerts, unless told otherwise.
const ALERTS: [&str; 3] = [
    "googlealerts-noreply@google.com",
    "@twilert.com",
    "@pinterest.com",
];

/// `sent_copy`: who puts what was sent into the Sent folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SentCopy {
    /// We do, before a letter leaves, and say there when it has left.
    #[default]
    Append,
    /// The server does when it takes a letter, as Gmail and Microsoft 365 do.
    Server,
}

impl Read for SentCopy {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let known = [("append", Self::Append), ("server", Self::Server)];
        choice(&String::read(node)?, &known)
    }
}

/// `platform = "email"`
#[derive(Debug, Clone)]
pub struct Email {
    /// The source's name.
    pub name: String,
    /// Where letters are read: `imaps://host`, or `imap://host`, which turns to TLS first.
    pub imap_url: Url,
    /// Where letters are sent: `smtps://host`, or `smtp://host`, which turns to TLS first. Without it the
    /// source only listens.
    pub smtp_url: Option<Url>,
    /// Who signs in, at both.
    pub username: String,
    /// With what.
    pub password: SecretString,
    /// The folder that is read.
    pub folder: String,
    /// Our address.
    pub from: String,
    /// The name beside it.
    pub from_name: Option<String>,
    /// The folder of sent letters, where the server does not say which it is.
    pub sent: Option<String>,
    /// Who puts them there.
    pub sent_copy: SentCopy,
    /// Whose letters are alerts: addresses, and domains with `@` before them.
    pub alerts: Vec<String>,
    /// How often is looked for letters where the server does not tell by itself.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Email {
    /// Whether the server puts what it takes among the sent letters by itself.
    #[must_use]
    pub fn server_keeps(&self) -> bool {
        self.sent_copy == SentCopy::Server
    }

    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let imap: Option<String> = section.need("imap_url", "\"imaps://mail.example\"");
        let imap_url = address(section, "imap_url", imap, ["imaps", "imap"]);
        let smtp: Option<String> = section.get("smtp_url");
        let smtp_url = address(section, "smtp_url", smtp, ["smtps", "smtp"]);
        let username: Option<String> = section.need("username", "\"help@shop.example\"");
        let password = section.need_secret("password", "\"…\"", whole);
        let folder = section.get("folder").unwrap_or_else(|| "INBOX".to_owned());
        let from = section.get("from").or_else(|| username.clone());
        if let Some(from) = &from {
            section.check("from", mailbox(from));
        }
        let from_name = section.get("from_name");
        let sent = section.get("sent");
        let sent_copy = section.get("sent_copy").unwrap_or_default();
        let alerts = section.list("alerts");
        let alerts = alerts.unwrap_or_else(|| ALERTS.map(str::to_owned).to_vec());
        if let Some(odd) = alerts.iter().find(|alert| !alert.contains('@')) {
            let wrong = Wrong::new(
                "holds something that is neither an address nor a domain",
                format!("write \"@{}\" for a domain", odd.trim()),
            );
            section.wrong("alerts", wrong);
        }
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new(
                "would ask more often than servers like",
                "write \"15s\" or more; most servers tell of letters at once",
            );
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            imap_url: imap_url?,
            smtp_url,
            username: username?,
            password: password?,
            folder,
            from: from?,
            from_name,
            sent,
            sent_copy,
            alerts,
            poll,
            approval,
        })
    }
}

/// The address of a mail server. Nothing of the text is shown: it may carry a password.
fn address(section: &mut Section<'_>, key: &str, text: Option<String>, schemes: [&str; 2]) -> Option<Url> {
    let text = text?;
    let [safe, plain] = schemes;
    let mend =
        format!("write it like \"{safe}://mail.example\", or {plain}:// where the server begins without TLS");
    let url = Url::parse(&text)
        .ok()
        .filter(|url| schemes.contains(&url.scheme()) && url.host_str().is_some());
    let Some(url) = url else {
        section.wrong(
            key,
            Wrong::new(format!("is no address that begins with {safe}://"), mend),
        );
        return None;
    };
    if !url.username().is_empty() || url.password().is_some() {
        let wrong = Wrong::new(
            "has a user or a password in it",
            "they go into `username` and `password`",
        );
        section.wrong(key, wrong);
    }
    Some(url)
}

fn mailbox(from: &str) -> Result<(), Wrong> {
    if from.parse::<lettre::Address>().is_ok() {
        return Ok(());
    }
    Err(Wrong::new(
        "is no e-mail address (without `from`, `username` has to be one)",
        "write it like \"help@shop.example\"; a name beside it goes into `from_name`",
    ))
}

/// A password that was copied without what stood around it.
fn whole(password: &str) -> Result<(), Wrong> {
    if password.trim() != password || password.contains(char::is_control) {
        return Err(Wrong::new("has a space or a line end around it", "copy it again"));
    }
    Ok(())
}
