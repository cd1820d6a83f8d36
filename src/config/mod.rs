//! The configuration: `config/default.toml`, then the file named by `--config`, then the
//! environment (`HEARBACK__SECTION__KEY`). One file per section, each with its `validate()`.

mod chat;
mod people;
mod server;
mod source;

pub use chat::{Discord, Slack};
pub use people::{Access, AgentEntry, Team};
pub use server::{Approval, Database, ReplyRules, Server};
pub use source::{Idempotency, Mastodon, Playground, Source, Webhook};

use serde::Deserialize;

/// Everything a running Hearback is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the web server listens.
    pub server: Server,
    /// Where cases are kept.
    pub database: Database,
    /// How replies go out.
    pub reply: ReplyRules,
    /// Slack, if the team works there.
    #[serde(default)]
    pub slack: Option<Slack>,
    /// Discord, if the team works there.
    #[serde(default)]
    pub discord: Option<Discord>,
    /// Where customers write.
    #[serde(default, rename = "source")]
    pub sources: Vec<Source>,
    /// Who works here.
    #[serde(default, rename = "agent")]
    pub agents: Vec<AgentEntry>,
    /// Groups of a chat whose members work here.
    #[serde(default, rename = "access")]
    pub access: Vec<Access>,
    /// Teams that cases are handed to.
    #[serde(default, rename = "team")]
    pub teams: Vec<Team>,
}

/// Durations as people write them: `10s`, `2m`, `1h 30m`.
mod duration {
    use serde::{Deserialize as _, Deserializer, de::Error as _};
    use std::time::Duration;

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text).map_err(|error| {
            D::Error::custom(format!(
                "{text:?} is not a duration ({error}); write it like \"10s\" or \"2m\""
            ))
        })
    }
}
