//! The directory, from the configuration: the one place where chats' names meet the sections.

use crate::adapter::chat::helpdesk;
use crate::app::{Approval, Approvals, Directory, Group, Home, Identity, Member, TeamEntry};
use crate::config::{self, AgentEntry, Alerts, Config, Team};
use crate::domain::{Agent, ChannelId, ChatName, Role};

/// Who works here, and where cases appear.
pub(super) fn directory(config: &Config, console: bool) -> Directory {
    let mut homes = Vec::new();
    if let Some(slack) = &config.slack {
        homes.push(home("slack", &slack.channel));
    }
    if let Some(discord) = &config.discord {
        homes.push(home("discord", &discord.channel));
    }
    if console {
        homes.push(home("console", "console"));
    }
    let members: Vec<_> = config.agents.iter().map(|entry| member(entry, console)).collect();
    let groups = config.access.iter().flat_map(|access| {
        let role = highest(&access.roles);
        let slack = access.slack_group.iter().map(move |id| group("slack", id, role));
        slack.chain(
            access
                .discord_role
                .iter()
                .map(move |id| group("discord", id, role)),
        )
    });
    // A help desk speaks for itself about its tickets.
    let desks = config.helpdesks.iter().map(|desk| Group {
        chat: helpdesk::chat(desk.name()),
        id: helpdesk::speaker().to_owned(),
        role: Role::Agent,
    });
    let groups = groups.chain(desks).collect();
    let teams = config.teams.iter().map(|entry| team(entry, &members)).collect();
    Directory {
        groups,
        teams,
        homes,
        alerts: config.alerts.iter().flat_map(alerts).collect(),
        members,
    }
}

/// Where the team is told what is about no case.
fn alerts(alerts: &Alerts) -> impl Iterator<Item = Home> {
    let slack = alerts.slack_channel.iter().map(|channel| home("slack", channel));
    let discord = alerts.discord_channel.iter();
    slack.chain(discord.map(|channel| home("discord", channel)))
}

/// Which replies somebody else has to agree to.
pub(super) fn approvals(config: &Config) -> Approvals {
    let of_source = |source: &config::Source| Some((source.name().into(), approval(source.approval()?)));
    let of_team = |team: &Team| Some((team.name.as_str().into(), approval(team.approval?)));
    Approvals {
        general: approval(config.reply.approval),
        sources: config.sources.iter().filter_map(of_source).collect(),
        teams: config.teams.iter().filter_map(of_team).collect(),
    }
}

fn approval(word: config::Approval) -> Approval {
    match word {
        config::Approval::Never => Approval::Never,
        config::Approval::Flagged => Approval::Flagged,
        config::Approval::Always => Approval::Always,
    }
}

fn home(chat: &str, channel: &str) -> Home {
    Home {
        chat: ChatName::new(chat),
        channel: ChannelId::new(channel),
    }
}

fn group(chat: &str, id: &str, role: Role) -> Group {
    Group {
        chat: ChatName::new(chat),
        id: id.to_owned(),
        role,
    }
}

fn highest(roles: &[Role]) -> Role {
    roles.iter().copied().max().unwrap_or(Role::Viewer)
}

fn member(entry: &AgentEntry, console: bool) -> Member {
    let AgentEntry {
        name,
        slack,
        slack_team,
        discord,
        console_password: _,
        roles,
    } = entry;
    let mut identities = Vec::new();
    if let Some(user) = slack {
        let workspace = slack_team.clone();
        identities.push(Identity {
            chat: ChatName::new("slack"),
            user: user.clone(),
            workspace,
        });
    }
    if let Some(user) = discord {
        identities.push(Identity {
            chat: ChatName::new("discord"),
            user: user.clone(),
            workspace: None,
        });
    }
    if console {
        let user = name.to_lowercase();
        identities.push(Identity {
            chat: ChatName::new("console"),
            user,
            workspace: None,
        });
    }
    let agent = Agent {
        key: name.clone(),
        name: name.clone(),
    };
    Member {
        agent,
        role: highest(roles),
        identities,
    }
}

fn team(entry: &Team, members: &[Member]) -> TeamEntry {
    let Team {
        name,
        slack_channel,
        discord_channel,
        helpdesk,
        members: names,
        approval: _,
    } = entry;
    let slack = slack_channel.iter().map(|channel| home("slack", channel));
    let discord = discord_channel.iter().map(|channel| home("discord", channel));
    let desk = helpdesk.iter().map(|name| Home {
        chat: helpdesk::chat(name),
        channel: ChannelId::new(helpdesk::CHANNEL),
    });
    let of_team = members.iter().filter(|member| names.contains(&member.agent.name));
    TeamEntry {
        name: name.as_str().into(),
        homes: slack.chain(discord).chain(desk).collect(),
        members: of_team.map(|member| member.agent.clone()).collect(),
    }
}
