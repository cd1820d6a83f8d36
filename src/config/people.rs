//! `[[agent]]`, `[[access]]`, `[[team]]`.

use crate::domain::Role;
use serde::Deserialize;

/// `[[agent]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentEntry {
    /// The agent's name: what colleagues read, and what identifies the agent.
    pub name: String,
    /// The Slack user id.
    #[serde(default)]
    pub slack: Option<String>,
    /// The Slack workspace the user id belongs to; only needed with more than one.
    #[serde(default)]
    pub slack_team: Option<String>,
    /// The Discord user id.
    #[serde(default)]
    pub discord: Option<String>,
    /// What the agent may do.
    pub roles: Vec<Role>,
}

/// `[[access]]`: a group of a chat stands for its members.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// A Slack user group.
    #[serde(default)]
    pub slack_group: Option<String>,
    /// A Discord role.
    #[serde(default)]
    pub discord_role: Option<String>,
    /// What its members may do.
    pub roles: Vec<Role>,
}

/// `[[team]]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// The team's name.
    pub name: String,
    /// Where its cases appear in Slack.
    #[serde(default)]
    pub slack_channel: Option<String>,
    /// Where its cases appear in Discord.
    #[serde(default)]
    pub discord_channel: Option<String>,
    /// The names of its agents.
    #[serde(default)]
    pub members: Vec<String>,
}
