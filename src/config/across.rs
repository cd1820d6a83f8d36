//! What concerns several sections: names that must not repeat or must be known, and what a
//! configuration needs as a whole.

use super::Purpose;
use super::section::{self, Section, Wrong, nearest, shown};
use super::tree::{Node, Place, Table, Value};
use std::collections::BTreeMap;

/// A team's channels, and the chat of each.
const CHANNELS: [(&str, &str); 2] = [("slack_channel", "slack"), ("discord_channel", "discord")];
/// The groups of an `[[access]]`, and the chat of each.
const GROUPS: [(&str, &str); 2] = [("slack_group", "slack"), ("discord_role", "discord")];

/// Notes what is wrong. Looks at what was written, not at what was read, so that one
/// mistake does not bring up others.
pub(super) fn validate(root: &mut Section<'_>, table: &Table, purpose: Purpose) {
    let list = |key: &str| match table.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    for key in ["source", "agent", "team", "helpdesk"] {
        unique(root, list(key), key, &["name"]);
    }
    unique(root, list("agent"), "agent", &["slack", "slack_team"]);
    unique(root, list("agent"), "agent", &["discord"]);
    members(root, list("team"), list("agent"));
    helpdesks(root, list("team"), list("helpdesk"));
    if purpose == Purpose::Demo {
        return;
    }
    let console = list("agent").iter().any(has_password);
    if root.has("slack") || root.has("discord") || console {
        people(root, table);
        for (index, agent) in list("agent").iter().enumerate() {
            known(root, agent, index);
        }
        approvers(root, table);
        for (index, team) in list("team").iter().enumerate() {
            chats_of(root, team, &format!("team[{index}]"), &CHANNELS);
        }
        for (index, access) in list("access").iter().enumerate() {
            chats_of(root, access, &format!("access[{index}]"), &GROUPS);
        }
    } else {
        let mend = "add a section [slack] or [discord], or a `console_password` to an [[agent]]";
        root.wrong("", Wrong::new("there is no chat, so nothing to mirror to", mend));
    }
    if is_missing(table, "source") {
        let mend = "add a section [[source]]";
        root.wrong("", Wrong::new("there is no source, so nothing to hear", mend));
    }
}

/// An agent who may use the console.
fn has_password(agent: &Node) -> bool {
    let Value::Table(table) = &agent.value else {
        return false;
    };
    table.contains_key("console_password") || table.contains_key("console_password_file")
}

/// A section is not there, or a list without an entry.
fn is_missing(table: &Table, key: &str) -> bool {
    match table.get(key).map(|node| &node.value) {
        None => true,
        Some(Value::List(items)) => items.is_empty(),
        Some(_) => false,
    }
}

/// Somebody has a role: who has none may do nothing, and nobody could answer.
fn people(root: &mut Section<'_>, table: &Table) {
    if is_missing(table, "agent") && is_missing(table, "access") {
        let mend = "add an [[agent]] with `name`, `roles` and an id in a chat, or an [[access]]";
        let message = "there is neither an [[agent]] nor an [[access]], so nobody may answer";
        root.wrong("", Wrong::new(message, mend));
    }
}

/// The ids of an agent, and the chat of each.
const IDS: [(&str, &str); 2] = [("slack", "slack"), ("discord", "discord")];

/// A chat that is configured knows an agent: no other can act.
fn known(root: &mut Section<'_>, agent: &Node, index: usize) {
    let Value::Table(entry) = &agent.value else {
        return;
    };
    let by_id = |(key, chat): &(&str, &str)| entry.contains_key(*key) && root.has(chat);
    if IDS.iter().any(by_id) || has_password(agent) {
        return;
    }
    let mend = match IDS.iter().find(|(key, _)| entry.contains_key(*key)) {
        Some((key, chat)) => format!("add a section [{chat}] for `{key}`, or a `console_password`"),
        None => "add `slack`, `discord` or `console_password`".to_owned(),
    };
    let message = "no chat that is configured knows this agent, who could do nothing";
    root.wrong_at(
        &agent.place,
        &format!("agent[{index}]"),
        Wrong::new(message, mend),
    );
}

/// Where every reply has to be approved, somebody can.
fn approvers(root: &mut Section<'_>, table: &Table) {
    let list = |key: &str| match table.get(key).map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    let always = |node: &Node| text(node, "approval").is_some_and(|(word, _)| word == "always");
    let general = table.get("reply").is_some_and(always);
    if !general && !list("source").iter().chain(list("team")).any(always) {
        return;
    }
    let can = |node: &Node| {
        let Value::Table(entry) = &node.value else {
            return false;
        };
        let Some(Value::List(roles)) = entry.get("roles").map(|node| &node.value) else {
            return false;
        };
        roles.iter().any(|role| {
            matches!(&role.value, Value::Text(role) if matches!(role.as_str(), "approver" | "lead" | "admin"))
        })
    };
    let agents = list("agent").iter().filter(|node| can(node)).count();
    if agents == 0 && !list("access").iter().any(can) {
        let mend = "give an [[agent]] or an [[access]] the role approver, lead or admin";
        let message = "every reply has to be approved, but nobody may approve";
        root.wrong("", Wrong::new(message, mend));
    }
}

/// What an entry names in a chat, for which that chat has to be configured.
fn chats_of(root: &mut Section<'_>, item: &Node, path: &str, keys: &[(&str, &str)]) {
    for (key, chat) in keys {
        let Some((_, place)) = text(item, key).filter(|_| !root.has(chat)) else {
            continue;
        };
        let mend = format!("add a section [{chat}], or leave `{key}` out");
        let wrong = Wrong::new(format!("there is no [{chat}] to find it in"), mend);
        root.wrong_at(place, &format!("{path}.{key}"), wrong);
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

/// The help desk of a team is configured.
fn helpdesks(root: &mut Section<'_>, teams: &[Node], desks: &[Node]) {
    let names: Vec<&str> = desks
        .iter()
        .filter_map(|item| Some(text(item, "name")?.0))
        .collect();
    for (index, team) in teams.iter().enumerate() {
        let Some((name, place)) = text(team, "helpdesk").filter(|(name, _)| !names.contains(name)) else {
            continue;
        };
        let mend = match nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("add a [[helpdesk]] with name = {name:?}"),
        };
        let message = format!("{} is no help desk", shown(name));
        root.wrong_at(
            place,
            &format!("team[{index}].helpdesk"),
            Wrong::new(message, mend),
        );
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
