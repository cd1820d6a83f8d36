//! `[[agent]]`, `[[access]]`, `[[team]]`.

use super::Approval;
use super::chat::{channel_id, snowflake};
use super::section::{Read, Section, Wrong, choice, items};
use super::tree::Node;
use crate::domain::Role;
use secrecy::SecretString;

/// The shortest password of the console, in characters.
const LEAST_PASSWORD: usize = 16;

impl Read for Role {
    fn read(node: &Node) -> Result<Self, Wrong> {
        let known = [
            ("viewer", Self::Viewer),
            ("agent", Self::Agent),
            ("approver", Self::Approver),
            ("lead", Self::Lead),
            ("admin", Self::Admin),
        ];
        choice(&String::read(node)?, &known)
    }
}

/// The roles of an entry: at least one.
fn roles(section: &mut Section<'_>) -> Option<Vec<Role>> {
    let example = "[\"agent\"]";
    if !section.has("roles") {
        section.missing("roles", example);
    }
    let roles = section.list("roles")?;
    let none = section
        .node("roles")
        .is_some_and(|node| items(node).is_some_and(|items| items.is_empty()));
    if none {
        let mend = "name at least one of viewer, agent, approver, lead, admin";
        section.wrong("roles", Wrong::new("gives no role", mend));
    }
    Some(roles)
}

/// An optional id that has to be sound.
fn id(section: &mut Section<'_>, key: &str, sound: fn(&str) -> Result<(), Wrong>) -> Option<String> {
    let id: String = section.get(key)?;
    section.check(key, sound(&id));
    Some(id)
}

/// A Slack user or group by id.
fn slack_id(text: &str) -> Result<(), Wrong> {
    channel_id(text).map_err(|_| {
        Wrong::new(
            "is a name, not an id",
            "take the member id, like U0123456789, from \"Copy member ID\" in the profile",
        )
    })
}

/// `[[agent]]`
#[derive(Debug, Clone)]
pub struct AgentEntry {
    /// The agent's name: what colleagues read, and what identifies the agent.
    pub name: String,
    /// The Slack user id.
    pub slack: Option<String>,
    /// The Slack workspace the user id belongs to; only needed with more than one.
    pub slack_team: Option<String>,
    /// The Discord user id.
    pub discord: Option<String>,
    /// What the agent signs in to the console with; none: not at all.
    pub console_password: Option<SecretString>,
    /// What the agent may do.
    pub roles: Vec<Role>,
}

/// Guesses over the network must be hopeless.
fn password(text: &str) -> Result<(), Wrong> {
    if text.chars().count() < LEAST_PASSWORD {
        let mend = "use 16 characters or more, for example from `openssl rand -base64 18`";
        return Err(Wrong::new("is too short", mend));
    }
    Ok(())
}

impl AgentEntry {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let name = section.need("name", "\"Ada\"");
        let slack = id(section, "slack", slack_id);
        let slack_team = id(section, "slack_team", slack_id);
        let discord = id(section, "discord", snowflake);
        let console_password = section.secret("console_password", password);
        if console_password.is_some() && name.as_ref().is_some_and(|name: &String| name.contains(':')) {
            let mend = "leave the colon out: it ends the name where people sign in";
            section.wrong("name", Wrong::new("has a colon", mend));
        }
        let roles = roles(section);
        Some(Self {
            name: name?,
            console_password,
            slack,
            slack_team,
            discord,
            roles: roles?,
        })
    }
}

/// `[[access]]`: a group of a chat stands for its members.
#[derive(Debug, Clone)]
pub struct Access {
    /// A Slack user group.
    pub slack_group: Option<String>,
    /// A Discord role.
    pub discord_role: Option<String>,
    /// What its members may do.
    pub roles: Vec<Role>,
}

impl Access {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let slack_group = id(section, "slack_group", slack_id);
        let discord_role = id(section, "discord_role", snowflake);
        let roles = roles(section);
        Self::validate(section);
        Some(Self {
            slack_group,
            discord_role,
            roles: roles?,
        })
    }

    fn validate(section: &mut Section<'_>) {
        let message = match (section.has("slack_group"), section.has("discord_role")) {
            (false, false) => "names no group",
            (true, true) => "names two groups",
            (true, false) | (false, true) => return,
        };
        let mend = "give each [[access]] exactly one of `slack_group` and `discord_role`";
        section.wrong("", Wrong::new(message, mend));
    }
}

/// `[[team]]`
#[derive(Debug, Clone)]
pub struct Team {
    /// The team's name.
    pub name: String,
    /// Where its cases appear in Slack.
    pub slack_channel: Option<String>,
    /// Where its cases appear in Discord.
    pub discord_channel: Option<String>,
    /// The help desk in which its cases become tickets.
    pub helpdesk: Option<String>,
    /// The names of its agents.
    pub members: Vec<String>,
    /// Who has to approve replies to its cases, if that is stricter.
    pub approval: Option<Approval>,
}

impl Team {
    pub(super) fn read(section: &mut Section<'_>) -> Option<Self> {
        let name = section.need("name", "\"managers\"");
        let slack_channel = id(section, "slack_channel", channel_id);
        let discord_channel = id(section, "discord_channel", snowflake);
        let helpdesk = section.get("helpdesk");
        let members: Vec<String> = section.list("members").unwrap_or_default();
        let approval = section.get("approval");
        Self::validate(section);
        Some(Self {
            name: name?,
            slack_channel,
            discord_channel,
            helpdesk,
            members,
            approval,
        })
    }

    fn validate(section: &mut Section<'_>) {
        if !["slack_channel", "discord_channel", "helpdesk", "members"]
            .iter()
            .any(|key| section.has(key))
        {
            let wrong = Wrong::new(
                "has neither a channel nor members, so an escalation would reach nobody",
                "add `members`, `slack_channel`, `discord_channel` or `helpdesk`",
            );
            section.wrong("", wrong);
        }
    }
}
