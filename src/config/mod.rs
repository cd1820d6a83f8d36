//! The configuration: `config/default.toml`, then the file named by `--config`, then the
//! environment (`HEARBACK__SECTION__KEY`). One file per section, each with its own checks; what
//! concerns several sections is checked here. Everything wrong is told at once, with file and line.

mod across;
mod care;
mod chat;
mod error;
mod helpdesk;
mod listen;
mod people;
mod section;
mod server;
mod source;
mod tree;

pub use chat::{Discord, Slack};
pub use error::{ConfigError, Problem};
pub use helpdesk::Helpdesk;
pub use listen::{Alerts, Listen};
pub use people::{Access, AgentEntry, Team};
pub use section::suggestion;
pub use server::{Approval, Database, Media, Pictures, PrivateHost, ReplyRules, Server};
pub use source::*;

use crate::domain::care::Care;
use section::{Findings, Section};
use std::net::SocketAddr;
use std::path::Path;
use tree::{Node, Origin, Place, Table, Value};

/// Every key with its meaning and its default.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
/// The demo's world.
const DEMO: &str = include_str!("../../config/demo.toml");

/// What a configuration is for, and so what it must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `hearback serve`: at least one chat, one source and somebody who may answer.
    Serve,
    /// `hearback demo`: the console is chat enough, and the playground is a source.
    Demo,
}

/// Everything a running Hearback is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the web server listens.
    pub server: Server,
    /// Where cases are kept.
    pub database: Database,
    /// How replies go out.
    pub reply: ReplyRules,
    /// What becomes of what is attached to posts.
    pub media: Media,
    /// What is looked at before one leaves.
    pub care: Care,
    /// What is kept of what is not heard.
    pub listen: Listen,
    /// Where the team is told what is about no case, if not where cases open.
    pub alerts: Option<Alerts>,
    /// Slack, if the team works there.
    pub slack: Option<Slack>,
    /// Discord, if the team works there.
    pub discord: Option<Discord>,
    /// Where customers write.
    pub sources: Vec<Source>,
    /// What holds for each of them whatever its platform, in the same order.
    pub terms: Vec<Terms>,
    /// Who works here.
    pub agents: Vec<AgentEntry>,
    /// Groups of a chat whose members work here.
    pub access: Vec<Access>,
    /// Teams that cases are handed to. An escalation that names none goes to the first.
    pub teams: Vec<Team>,
    /// Help desks that are teams' places.
    pub helpdesks: Vec<Helpdesk>,
}

impl Config {
    /// Whether somebody has a password for the console.
    #[must_use]
    pub fn has_console(&self) -> bool {
        self.agents.iter().any(|agent| agent.console_password.is_some())
    }

    /// The configuration of `hearback serve`: defaults, then the file, then the environment.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let Some(path) = path else {
            let origin = Origin::File("(no --config)".into());
            return build(Table::new(), origin, environment, Purpose::Serve);
        };
        let origin = Origin::File(path.display().to_string().into());
        let failed = |message: String, mend: &str| {
            let place = Place::of(origin.clone());
            ConfigError::new(vec![place.problem("", message, Some(mend.to_owned()))])
        };
        let bytes = std::fs::read(path).map_err(|error| {
            failed(
                format!("cannot be read: {error}"),
                "name a file that this process may read",
            )
        })?;
        let text = String::from_utf8(bytes)
            .map_err(|_| failed("is not UTF-8 text".to_owned(), "save it as UTF-8"))?;
        let table = tree::parse(&text, &origin).map_err(ConfigError::new)?;
        build(table, origin, environment, Purpose::Serve)
    }

    /// A configuration from its text, over the defaults, without the environment.
    ///
    /// # Errors
    /// All that is wrong with it, as if it stood in a file of this name.
    pub fn from_toml(name: &str, text: &str, purpose: Purpose) -> Result<Self, ConfigError> {
        let origin = Origin::File(name.into());
        let table = tree::parse(text, &origin).map_err(ConfigError::new)?;
        build(table, origin, std::iter::empty(), purpose)
    }

    /// The configuration of `hearback demo`: no account, no key, no network.
    ///
    /// # Errors
    /// The folder's name is not UTF-8 text.
    pub fn demo(listen: SocketAddr, data: &Path) -> Result<Self, ConfigError> {
        let mut table = tree::parse(DEMO, &Origin::File("demo.toml".into())).map_err(ConfigError::new)?;
        let given = Origin::CommandLine;
        let file = data.join("hearback.db");
        let Some(file) = file.to_str() else {
            let mend = Some("choose another folder".to_owned());
            let problem = Place::of(given).problem("--data", "is not UTF-8 text".to_owned(), mend);
            return Err(ConfigError::new(vec![problem]));
        };
        let text = |value: String| Node {
            value: Value::Text(value),
            place: Place::of(given.clone()),
        };
        let section = |key: &str, value: Node| Node {
            value: Value::Table(Table::from([(key.to_owned(), value)])),
            place: Place::of(given.clone()),
        };
        let over = Table::from([
            ("server".to_owned(), section("listen", text(listen.to_string()))),
            (
                "database".to_owned(),
                section("url", text(format!("sqlite:{file}"))),
            ),
        ]);
        tree::merge(&mut table, over);
        build(table, given, std::iter::empty(), Purpose::Demo)
    }
}

/// The variables of the environment that can be told as text.
pub fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// What `RUST_LOG` says.
#[must_use]
pub fn log_directives() -> Option<String> {
    environment()
        .find(|(name, _)| name == "RUST_LOG")
        .map(|(_, value)| value)
}

/// Lays the layers on each other and reads them.
fn build(
    file: Table,
    origin: Origin,
    environment: impl Iterator<Item = (String, String)>,
    purpose: Purpose,
) -> Result<Config, ConfigError> {
    let mut table = tree::parse(DEFAULTS, &Origin::Default).map_err(ConfigError::new)?;
    tree::merge(&mut table, file);
    let mut findings = Findings::default();
    tree::overlay(&mut table, environment, &mut findings.problems);
    let config = read(&table, &Place::of(origin), purpose, &mut findings);
    match config {
        Some(config) if findings.problems.is_empty() => Ok(config),
        _ => Err(ConfigError::new(findings.problems)),
    }
}

fn read(table: &Table, place: &Place, purpose: Purpose, findings: &mut Findings) -> Option<Config> {
    let demo = purpose == Purpose::Demo;
    let mut root = Section::root(table, place, findings);
    let server = root.one("server", Server::read);
    let database = root.one("database", Database::read);
    let reply = root.one("reply", ReplyRules::read);
    let media = root.one("media", Media::read);
    let care = root.one("care", care::read);
    let listen = root.one("listen", Listen::read);
    let alerts = root.one("alerts", Alerts::read);
    let slack = root.one("slack", Slack::read);
    let discord = root.one("discord", Discord::read);
    let sources = root.each("source", |section| Source::read(section, demo));
    let (sources, terms) = sources.into_iter().unzip();
    let agents = root.each("agent", AgentEntry::read);
    let access = root.each("access", Access::read);
    let teams = root.each("team", Team::read);
    let helpdesks = root.each("helpdesk", Helpdesk::read);
    across::validate(&mut root, table, purpose);
    root.finish();
    Some(Config {
        server: server?,
        database: database?,
        reply: reply?,
        media: media?,
        care: care?,
        listen: listen?,
        alerts,
        slack,
        discord,
        sources,
        terms,
        agents,
        access,
        teams,
        helpdesks,
    })
}

#[cfg(test)]
mod tests;
