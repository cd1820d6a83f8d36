//! Who works here, in which teams, and where cases appear. Made from the configuration once.

use crate::domain::{Agent, ChannelId, ChatName, Person, Role, TeamName};

/// How a chat knows an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The chat.
    pub chat: ChatName,
    /// The chat's id of the agent.
    pub user: String,
    /// The workspace the id belongs to, if it matters.
    pub workspace: Option<String>,
}

/// A configured agent.
#[derive(Debug, Clone)]
pub struct Member {
    /// Who.
    pub agent: Agent,
    /// What they may do.
    pub role: Role,
    /// How the chats know them.
    pub identities: Vec<Identity>,
}

/// A group of a chat whose members work here.
#[derive(Debug, Clone)]
pub struct Group {
    /// The chat.
    pub chat: ChatName,
    /// The chat's id of the group.
    pub id: String,
    /// What its members may do.
    pub role: Role,
}

/// A channel of a chat.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home {
    /// The chat.
    pub chat: ChatName,
    /// The channel.
    pub channel: ChannelId,
}

/// A team that cases are handed to.
#[derive(Debug, Clone)]
pub struct TeamEntry {
    /// Its name.
    pub name: TeamName,
    /// Where its cases appear.
    pub homes: Vec<Home>,
    /// Its agents.
    pub members: Vec<Agent>,
}

/// An agent who acts, with what they may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub agent: Agent,
    /// What they may do.
    pub role: Role,
}

/// Everybody and every place.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    /// The configured agents.
    pub members: Vec<Member>,
    /// The groups.
    pub groups: Vec<Group>,
    /// The teams; the first one is where cases go when none is named.
    pub teams: Vec<TeamEntry>,
    /// Where new cases open.
    pub homes: Vec<Home>,
    /// Where the team is told what is about no case; where new cases open, if there is none.
    pub alerts: Vec<Home>,
}

impl Directory {
    /// Where the team is told what is about no case.
    #[must_use]
    pub fn alerts(&self) -> &[Home] {
        match self.alerts.is_empty() {
            true => &self.homes,
            false => &self.alerts,
        }
    }

    /// Who a person is for us, looked up when they act. `None`: they may do nothing.
    #[must_use]
    pub fn recognise(&self, person: &Person) -> Option<Known> {
        let by_group = self
            .groups
            .iter()
            .filter(|group| group.chat == person.chat && person.groups.contains(&group.id))
            .map(|group| group.role)
            .max();
        if let Some(member) = self
            .members
            .iter()
            .find(|member| member.identities.iter().any(|id| id.is(person)))
        {
            let role = by_group.map_or(member.role, |role| role.max(member.role));
            return Some(Known {
                agent: member.agent.clone(),
                role,
            });
        }
        let key = format!("{}:{}", person.chat, person.user);
        by_group.map(|role| Known {
            agent: Agent {
                key,
                name: person.name.clone(),
            },
            role,
        })
    }

    /// Whether somebody besides this agent can approve replies.
    #[must_use]
    pub fn others_approve(&self, author: &Agent) -> bool {
        let can = |member: &&Member| member.role >= Role::Approver && member.agent.key != author.key;
        self.members.iter().any(|member| can(&member))
            || self.groups.iter().any(|group| group.role >= Role::Approver)
    }

    /// Who acts from the command line under this name: the agent of that name, or somebody known by
    /// name alone. They may do everything, as who can write to the database can.
    #[must_use]
    pub fn operator(&self, name: &str) -> Known {
        let name = name.trim();
        let same = |member: &&Member| member.agent.name.to_lowercase() == name.to_lowercase();
        let agent = match self.members.iter().find(same) {
            Some(member) => member.agent.clone(),
            None => Agent::operator(name),
        };
        Known {
            agent,
            role: Role::Admin,
        }
    }

    /// Whom a person means by `@name`, an id of their chat, or `me`.
    #[must_use]
    pub fn find(&self, chat: &ChatName, who: &str, me: &Known) -> Option<Known> {
        if matches!(who.to_lowercase().as_str(), "me" | "you") {
            return Some(me.clone());
        }
        let by_id = |member: &&Member| {
            member
                .identities
                .iter()
                .any(|id| id.chat == *chat && id.user == who)
        };
        let by_name = |member: &&Member| member.agent.name.to_lowercase() == who.to_lowercase();
        let found = self
            .members
            .iter()
            .find(by_id)
            .or_else(|| self.members.iter().find(by_name));
        found.map(|member| Known {
            agent: member.agent.clone(),
            role: member.role,
        })
    }

    /// The chat's id of an agent, to address them there.
    #[must_use]
    pub fn user_id(&self, chat: &ChatName, agent: &Agent) -> Option<String> {
        let member = self.members.iter().find(|member| member.agent.key == agent.key);
        let known = member.and_then(|member| member.identities.iter().find(|id| id.chat == *chat));
        match known {
            Some(identity) => Some(identity.user.clone()),
            None => agent.key.strip_prefix(&format!("{chat}:")).map(str::to_owned),
        }
    }

    /// The team of this name, without regard to case.
    #[must_use]
    pub fn team(&self, name: &str) -> Option<&TeamEntry> {
        let name = name.trim_start_matches('@').to_lowercase();
        self.teams
            .iter()
            .find(|team| team.name.as_str().to_lowercase() == name)
    }

    /// The team whose name the words begin with, the longest name first, and the words behind it.
    #[must_use]
    pub fn begins_with_team<'a>(&self, words: &'a str) -> Option<(&TeamEntry, &'a str)> {
        let words = words.trim_start().trim_start_matches('@');
        let behind = |team: &TeamEntry| {
            let name = team.name.as_str();
            let (head, rest) = words.split_at_checked(name.len())?;
            let ends = rest.is_empty() || rest.starts_with(|c: char| c.is_whitespace() || c == ':');
            (ends && head.to_lowercase() == name.to_lowercase())
                .then(|| rest.trim_start_matches(':').trim_start())
        };
        let found = self.teams.iter().filter_map(|team| Some((team, behind(team)?)));
        found.max_by_key(|(team, _)| team.name.as_str().len())
    }

    /// The names of all teams, for a refusal that says which could be meant.
    #[must_use]
    pub fn team_names(&self) -> String {
        let names: Vec<_> = self.teams.iter().map(|team| team.name.as_str()).collect();
        names.join(", ")
    }

    /// The names of all who can be given a case, for a refusal that says who could be meant.
    #[must_use]
    pub fn names(&self) -> String {
        self.members
            .iter()
            .filter(|member| member.role >= Role::Agent)
            .map(|member| member.agent.name.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    }
}

impl Identity {
    fn is(&self, person: &Person) -> bool {
        self.chat == person.chat
            && self.user == person.user
            && self
                .workspace
                .as_ref()
                .is_none_or(|workspace| *workspace == person.workspace)
    }
}
