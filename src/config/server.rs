//! `[server]`, `[database]`, `[reply]`.

use secrecy::SecretString;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;
use url::Url;

/// `[server]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Where this server is reached from outside.
    #[serde(default)]
    pub public_url: Option<Url>,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`. Secret, because it may carry a password.
    pub url: SecretString,
}

/// `[reply] approval`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approval {
    /// Nobody has to approve.
    Never,
    /// Flagged replies have to be approved.
    Flagged,
    /// Every reply has to be approved.
    Always,
}

/// `[reply]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplyRules {
    /// The undo window; zero sends at once.
    #[serde(with = "super::duration")]
    pub hold: Duration,
    /// Who has to approve.
    pub approval: Approval,
    /// The most time one publishing call takes.
    #[serde(with = "super::duration")]
    pub timeout: Duration,
    /// How long a platform may still act after an uncertain end.
    #[serde(with = "super::duration")]
    pub settle: Duration,
}
