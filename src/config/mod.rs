//! The configuration: `config/default.toml`, then the file named by `--config`, then the
//! environment (`HEARBACK__SECTION__KEY`). One file per section, each with its own checks; what
//! concerns several sections is checked here. Everything wrong is told at once, with file and line.

mod chat;
mod error;
mod people;
mod section;
mod server;
mod source;
mod tree;

pub use chat::{Discord, Slack};
pub use error::{ConfigError, Problem};
pub use people::{Access, AgentEntry, Team};
pub use server::{Approval, Database, ReplyRules, Server};
pub use source::{Idempotency, Mastodon, Playground, Source, Webhook};

use section::{Findings, Section, Wrong, nearest, shown};
use std::collections::BTreeMap;
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
    /// `hearback serve`: at least one chat and one source.
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
    /// Slack, if the team works there.
    pub slack: Option<Slack>,
    /// Discord, if the team works there.
    pub discord: Option<Discord>,
    /// Where customers write.
    pub sources: Vec<Source>,
    /// Who works here.
    pub agents: Vec<AgentEntry>,
    /// Groups of a chat whose members work here.
    pub access: Vec<Access>,
    /// Teams that cases are handed to. An escalation that names none goes to the first.
    pub teams: Vec<Team>,
}

impl Config {
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
    /// The folder's name cannot stand in a database address.
    pub fn demo(listen: SocketAddr, data: &Path) -> Result<Self, ConfigError> {
        let mut table = tree::parse(DEMO, &Origin::File("demo.toml".into())).map_err(ConfigError::new)?;
        let given = Origin::CommandLine;
        let file = data.join("hearback.db");
        let Some(file) = file.to_str() else {
            let mend = Some("choose another folder".to_owned());
            let problem = Place::of(given).problem("--data", "is not UTF-8 text".to_owned(), mend);
            return Err(ConfigError::new(vec![problem]));
        };
        // The address is decoded when it is opened.
        let file = file.replace('%', "%25").replace('?', "%3F").replace('#', "%23");
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
    let slack = root.one("slack", Slack::read);
    let discord = root.one("discord", Discord::read);
    let sources = root.each("source", |section| Source::read(section, demo));
    let agents = root.each("agent", AgentEntry::read);
    let access = root.each("access", Access::read);
    let teams = root.each("team", Team::read);
    validate(&mut root, table, purpose);
    root.finish();
    Some(Config {
        server: server?,
        database: database?,
        reply: reply?,
        slack,
        discord,
        sources,
        agents,
        access,
        teams,
    })
}

/// What concerns several sections. Looks at what was written, not at what was read, so that one
/// mistake does not bring up others.
fn validate(root: &mut Section<'_>, table: &Table, purpose: Purpose) {
    let list = |key: &str| match table.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    for key in ["source", "agent", "team"] {
        unique(root, list(key), key, &["name"]);
    }
    unique(root, list("agent"), "agent", &["slack", "slack_team"]);
    unique(root, list("agent"), "agent", &["discord"]);
    members(root, list("team"), list("agent"));
    if purpose == Purpose::Demo {
        return;
    }
    if !root.has("slack") && !root.has("discord") {
        let wrong = Wrong::new(
            "there is no chat, so nothing to mirror to",
            "add a section [slack] or [discord]",
        );
        root.wrong("", wrong);
    }
    if !root.has("source")
        || matches!(table.get("source").map(|node| &node.value), Some(Value::List(items)) if items.is_empty())
    {
        let wrong = Wrong::new(
            "there is no source, so nothing to hear",
            "add a section [[source]]",
        );
        root.wrong("", wrong);
    }
}

/// The text of a key of a list's entry.
fn text<'a>(item: &'a Node, key: &str) -> Option<(&'a str, &'a Place)> {
    let Value::Table(table) = &item.value else {
        return None;
    };
    let node = table.get(key)?;
    match &node.value {
        Value::Text(text) => Some((text, &node.place)),
        Value::Number(_) | Value::Other(_) | Value::List(_) | Value::Table(_) => None,
    }
}

/// No two entries may agree in the first of these keys and in all of the others. Capitals do not
/// make a difference: a colleague who types the name would not see it.
fn unique(root: &mut Section<'_>, items: &[Node], list: &str, keys: &[&str]) {
    let mut seen: BTreeMap<Vec<String>, &Place> = BTreeMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some((first, place)) = keys.first().and_then(|key| text(item, key)) else {
            continue;
        };
        let value = |key: &&str| text(item, key).map_or_else(String::new, |(text, _)| text.to_lowercase());
        let Some(earlier) = seen.insert(keys.iter().map(value).collect(), place) else {
            continue;
        };
        let line = match earlier.line {
            Some(line) if earlier.file() == place.file() => format!("in line {line}"),
            Some(_) | None => "already".to_owned(),
        };
        let key = format!("{list}[{index}].{}", keys.first().unwrap_or(&""));
        let message = format!("{} is given {line}", shown(first));
        let mend = format!("give every [[{list}]] its own");
        root.wrong_at(place, &key, Wrong::new(message, mend));
    }
}

/// Every member of a team is an agent.
fn members(root: &mut Section<'_>, teams: &[Node], agents: &[Node]) {
    let names: Vec<&str> = agents
        .iter()
        .filter_map(|item| Some(text(item, "name")?.0))
        .collect();
    for (index, team) in teams.iter().enumerate() {
        let Value::Table(table) = &team.value else {
            continue;
        };
        let Some(members) = table.get("members").and_then(section::items) else {
            continue;
        };
        for member in members.iter() {
            let Value::Text(name) = &member.value else {
                continue;
            };
            if names.contains(&name.as_str()) {
                continue;
            }
            let mend = match nearest(name, names.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("add an [[agent]] with name = {name:?}"),
            };
            let key = format!("team[{index}].members");
            let message = format!("{} is no agent", shown(name));
            root.wrong_at(&member.place, &key, Wrong::new(message, mend));
        }
    }
}

#[cfg(test)]
mod tests;
