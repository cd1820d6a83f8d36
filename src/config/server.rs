//! `[server]`, `[database]`, `[reply]`.

use super::section::{Read, Section, Wrong, choice};
use super::tree::Node;
use secrecy::SecretString;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;
use url::{Host, Url};

/// The longest undo window.
const MOST_HOLD: Duration = Duration::from_secs(60 * 60);
/// The longest that one publishing call may take:
/// the team is to know within a minute that a call has no certain end.
const MOST_TIMEOUT: Duration = Duration::from_secs(50);
/// The longest that an uncertain end is waited out.
const MOST_SETTLE: Duration = Duration::from_secs(60 * 60);
/// The shortest and the longest that somebody can approve.
const LEAST_EXPIRES: Duration = Duration::from_secs(5 * 60);
const MOST_EXPIRES: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// `[server]`
#[derive(Debug, Clone)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where this server is reached from outside.
    pub public_url: Option<Url>,
    /// The hosts that addresses from outside may lead to although they are not public.
    pub allow_private_hosts: Vec<PrivateHost>,
}

impl Server {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let listen = section.need("listen", "\"127.0.0.1:8080\"");
        let public_url = section.get("public_url");
        let allow_private_hosts = section.list("allow_private_hosts").unwrap_or_default();
        Some(Self {
            listen: listen?,
            public_url,
            allow_private_hosts,
        })
    }
}

/// A host that addresses from outside may lead to although it is not public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateHost {
    /// Its name or its address, as it stands in the addresses.
    pub host: Host,
    /// The port; all of them where none is said.
    pub port: Option<u16>,
}

impl Read for PrivateHost {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let text = String::read(node)?;
        let (host, port) = match text.rsplit_once(':') {
            _ if text.parse::<Ipv6Addr>().is_ok() => (format!("[{text}]"), None),
            Some((host, port)) if !text.ends_with(']') => (host.to_owned(), Some(port)),
            Some(_) | None => (text, None),
        };
        let mend = "write it like \"media.internal\", \"127.0.0.1\" or \"127.0.0.1:9000\"";
        let wrong = || Wrong::new("is no host", mend);
        Ok(Self {
            host: Host::parse(&host).map_err(|_| wrong())?,
            port: port.map(|port| port.parse().map_err(|_| wrong())).transpose()?,
        })
    }
}

/// `[database]`
#[derive(Debug, Clone)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`. Secret, because it may carry a password.
    pub url: SecretString,
    /// Where its seal is; beside an SQLite file when it is not said.
    pub seal: Option<PathBuf>,
}

impl Database {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let url = section.need_secret("url", "\"sqlite:hearback.db\"", database_url);
        let seal: Option<String> = section.get("seal");
        if seal.as_deref() == Some("") {
            let wrong = Wrong::new(
                "names no file",
                "write it like \"/var/lib/hearback/hearback.seal\"",
            );
            section.wrong("seal", wrong);
        }
        Some(Self {
            url: url?,
            seal: seal.map(PathBuf::from),
        })
    }
}

fn database_url(url: &str) -> Result<(), Wrong> {
    let mend = "write \"sqlite:hearback.db\" or \"postgres://user:password@host/name\"";
    if url.contains(char::is_control) {
        return Err(Wrong::new("has a line end in it", mend));
    }
    let postgres = url.starts_with("postgres://") || url.starts_with("postgresql://");
    match url.strip_prefix("sqlite:") {
        Some(":memory:") | Some("//:memory:") => {
            Err(Wrong::new("would forget every case when it stops", mend))
        }
        Some(path) if path.trim_start_matches('/').is_empty() => {
            Err(Wrong::new("names no file after sqlite:", mend))
        }
        Some(_) => Ok(()),
        None if postgres => Ok(()),
        None => Err(Wrong::new(
            "begins neither with sqlite: nor with postgres://",
            mend,
        )),
    }
}

/// `[reply] approval`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Nobody has to approve.
    Never,
    /// Flagged replies have to be approved.
    Flagged,
    /// Every reply has to be approved.
    Always,
}

impl Read for Approval {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let known = [
            ("never", Self::Never),
            ("flagged", Self::Flagged),
            ("always", Self::Always),
        ];
        choice(&String::read(node)?, &known)
    }
}

/// `[reply]`
#[derive(Debug, Clone)]
pub struct ReplyRules {
    /// The undo window; zero sends at once.
    pub hold: Duration,
    /// Who has to approve, where no source and no team says otherwise.
    pub approval: Approval,
    /// For how long somebody can.
    pub approval_expires: Duration,
    /// The most time one publishing call takes.
    pub timeout: Duration,
    /// How long a platform may still act after an uncertain end.
    pub settle: Duration,
}

impl ReplyRules {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let hold = section.need("hold", "\"10s\"");
        let approval = section.need("approval", "\"flagged\"");
        let approval_expires = section.need("approval_expires", "\"24h\"");
        let timeout = section.need("timeout", "\"20s\"");
        let settle = section.need("settle", "\"2m\"");
        let rules = Self {
            hold: hold?,
            approval: approval?,
            approval_expires: approval_expires?,
            timeout: timeout?,
            settle: settle?,
        };
        rules.validate(section);
        Some(rules)
    }

    fn validate(&self, section: &mut Section<'_>) {
        if self.approval_expires < LEAST_EXPIRES {
            let wrong = Wrong::new("leaves nobody the time to approve", "write \"5m\" or more");
            section.wrong("approval_expires", wrong);
        }
        section.at_most("approval_expires", self.approval_expires, MOST_EXPIRES);
        if self.timeout.is_zero() {
            let wrong = Wrong::new("leaves no time to publish in", "write it like \"20s\"");
            section.wrong("timeout", wrong);
        }
        section.at_most("hold", self.hold, MOST_HOLD);
        section.at_most("timeout", self.timeout, MOST_TIMEOUT);
        section.at_most("settle", self.settle, MOST_SETTLE);
    }
}
