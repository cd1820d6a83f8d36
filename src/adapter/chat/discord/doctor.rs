//! What the bot needs, and whether it has it.

use super::gateway::INTENTS;
use super::rest::{Failure, Rest, Route};
use super::threads::{Kind, kind_of};
use crate::adapter::finding::Finding;
use crate::config;
use crate::domain::Clock;
use reqwest::Method;
use serde_json::Value;

/// The permissions the bot uses, and no others.
/// <https://discord.com/developers/docs/topics/permissions#permissions-bitwise-permission-flags>
const NEEDED: [(&str, u64); 7] = [
    ("View Channel", 1 << 10),
    ("Send Messages", 1 << 11),
    ("Embed Links", 1 << 14),
    ("Attach Files", 1 << 15),
    ("Read Message History", 1 << 16),
    ("Create Public Threads", 1 << 35),
    ("Send Messages in Threads", 1 << 38),
];
/// Whoever has it has all others.
const ADMINISTRATOR: u64 = 1 << 3;
/// How far the clocks may differ: signatures are good for five minutes, ids are looked up by time.
const MOST_SKEW_SECONDS: i64 = 30;

/// The address that invites the bot with exactly what it needs, the permissions as a number, and
/// what they are. Without an application id the address has a place for it.
#[must_use]
pub fn invite(application: Option<&str>) -> (String, u64, String) {
    let permissions = NEEDED.iter().map(|(_, bit)| bit).sum();
    let application = application.unwrap_or("APPLICATION_ID");
    let url = format!(
        "https://discord.com/oauth2/authorize?client_id={application}&permissions={permissions}&scope=bot%20applications.commands"
    );
    let names: Vec<_> = NEEDED.iter().map(|(name, _)| *name).collect();
    let text = format!(
        "Scopes: bot, applications.commands. Permissions: {}. Gateway intents: GUILDS ({INTENTS}), none of them privileged.",
        names.join(", ")
    );
    (url, permissions, text)
}

/// Examines everything, the configured channel and `more` of them.
pub(super) async fn examine(
    rest: &Rest,
    config: &config::Discord,
    more: &[String],
    clock: &dyn Clock,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let me = match rest
        .call_dated(Method::GET, Route::plain("/users/@me"), None)
        .await
    {
        Ok((me, date)) => {
            let name = me["username"].as_str().unwrap_or("?");
            found.push(Finding::well(format!("Discord: the token is that of {name}")));
            if let Some(date) = date {
                found.push(skew((clock.now() - date).num_seconds()));
            }
            me
        }
        Err(failure) => {
            let mend = match failure {
                Failure::Unauthorized => {
                    "Reset the token on the application's Bot page and put it into [discord] token."
                }
                Failure::NotReached(_)
                | Failure::Limited(_)
                | Failure::Refused { .. }
                | Failure::Unknown(_) => "Check the network and [discord] api_url.",
            };
            let what = format!("Discord: {}", failure.port("tell who the bot is"));
            return vec![Finding::wrong(what, mend)];
        }
    };
    found.push(application(rest, config).await);
    let guild = match rest.get(Route::plain(format!("/guilds/{}", config.guild))).await {
        Ok(guild) => {
            let name = guild["name"].as_str().unwrap_or("?");
            found.push(Finding::well(format!("Discord: the server is {name}")));
            guild
        }
        Err(failure) => {
            let what = format!("Discord: {}", failure.port("show the server"));
            let mend = "Invite the bot (see `hearback manifest discord`) and check [discord] guild.";
            found.push(Finding::wrong(what, mend));
            return found;
        }
    };
    found.extend(channel(rest, config, &config.channel, "[discord] channel", &me, &guild).await);
    for id in more.iter().filter(|id| **id != config.channel) {
        found.extend(channel(rest, config, id, "the team's discord_channel", &me, &guild).await);
    }
    found
}

async fn application(rest: &Rest, config: &config::Discord) -> Finding {
    let told = match rest.get(Route::plain("/applications/@me")).await {
        Ok(told) => told,
        Err(failure) => {
            let what = format!("Discord: {}", failure.port("show the application"));
            return Finding::wrong(what, "Check that the token is that of a bot.");
        }
    };
    let id = told["id"].as_str().unwrap_or("?");
    let endpoint = told["interactions_endpoint_url"]
        .as_str()
        .filter(|url| !url.is_empty());
    match (endpoint, &config.public_key) {
        (Some(url), None) => Finding::wrong(
            format!("Discord: interactions go to {url}, not to the gateway"),
            "Clear the Interactions Endpoint URL of the application, or set [discord] public_key.",
        ),
        (None, Some(_)) => Finding::wrong(
            "Discord: [discord] public_key is set, but the application has no Interactions Endpoint URL",
            "Enter https://YOUR-SERVER/discord/interactions there while Hearback runs, or remove public_key.",
        ),
        (Some(_), Some(key)) if told["verify_key"].as_str().is_some_and(|told| told != key.trim()) => {
            Finding::wrong(
                "Discord: [discord] public_key is not this application's",
                "Copy the public key from the application's General Information page.",
            )
        }
        (Some(_), Some(_)) | (None, None) => Finding::well(format!("Discord: the application is {id}")),
    }
}

/// Examines one channel; `key` is where the configuration names it.
async fn channel(
    rest: &Rest,
    config: &config::Discord,
    id: &str,
    key: &str,
    me: &Value,
    guild: &Value,
) -> Vec<Finding> {
    let channel = match rest.get(Route::plain(format!("/channels/{id}"))).await {
        Ok(channel) => channel,
        Err(failure) => {
            let what = format!("Discord: {}", failure.port(&format!("show the channel {id}")));
            let mend = format!("Check {key} and give the bot View Channel there.");
            return vec![Finding::wrong(what, mend)];
        }
    };
    let name = channel["name"].as_str().unwrap_or("?");
    let mut found = Vec::new();
    match (channel["type"].as_u64(), kind_of(&channel)) {
        _ if channel["guild_id"].as_str().is_some_and(|id| id != config.guild) => found.push(Finding::wrong(
            format!("Discord: #{name} is in another server"),
            "Choose a channel of [discord] guild.",
        )),
        (Some(0 | 5), Kind::Text) => found.push(Finding::well(format!("Discord: #{name} is a text channel"))),
        (_, Kind::Forum { tags, required }) => {
            let what = format!("Discord: #{name} is a forum with {} tags", tags.len());
            found.push(if required && tags.is_empty() {
                Finding::wrong(what, "It demands a tag but has none: add one, for example new.")
            } else {
                Finding::well(what)
            });
        }
        (_, Kind::Text) => found.push(Finding::wrong(
            format!("Discord: #{name} is neither a text channel nor a forum"),
            format!("Choose a text channel or a forum for {key}."),
        )),
    }
    let id = me["id"].as_str().unwrap_or_default();
    match rest
        .get(Route::plain(format!("/guilds/{}/members/{id}", config.guild)))
        .await
    {
        Ok(member) => found.push(permissions(name, held(guild, &channel, &member, id))),
        Err(failure) => found.push(Finding::wrong(
            format!("Discord: {}", failure.port("show the bot's roles")),
            "Invite the bot again (see `hearback manifest discord`).",
        )),
    }
    found
}

fn permissions(channel: &str, held: u64) -> Finding {
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|(_, bit)| held & bit == 0)
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        Finding::well(format!("Discord: the bot has its permissions in #{channel}"))
    } else {
        Finding::wrong(
            format!("Discord: in #{channel} the bot lacks {}", missing.join(", ")),
            "Grant them to the bot's role in the channel's settings, under Permissions.",
        )
    }
}

fn skew(seconds: i64) -> Finding {
    let what = format!("Discord: our clock differs from theirs by {} s", seconds.abs());
    if seconds.abs() <= MOST_SKEW_SECONDS {
        Finding::well(what)
    } else {
        Finding::wrong(what, "Set this machine's clock (NTP).")
    }
}

/// What a member may do in a channel: the roles together, then the channel's overwrites, those for
/// everyone first, then those for roles, then the member's own.
/// <https://discord.com/developers/docs/topics/permissions#permission-overwrites>
fn held(guild: &Value, channel: &Value, member: &Value, user: &str) -> u64 {
    let everyone = guild["id"].as_str().unwrap_or_default();
    if guild["owner_id"].as_str() == Some(user) {
        return u64::MAX;
    }
    let has = |role: &str| {
        let mut roles = member["roles"].as_array().into_iter().flatten();
        role == everyone || roles.any(|own| own.as_str() == Some(role))
    };
    let mut held = guild["roles"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|role| role["id"].as_str().is_some_and(has))
        .fold(0, |held, role| held | bits(&role["permissions"]));
    if held & ADMINISTRATOR != 0 {
        return u64::MAX;
    }
    let overwrites: Vec<_> = channel["permission_overwrites"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let of = |wanted: &dyn Fn(&str) -> bool| {
        overwrites
            .iter()
            .filter(|overwrite| overwrite["id"].as_str().is_some_and(wanted))
            .fold((0, 0), |(allow, deny), overwrite| {
                (allow | bits(&overwrite["allow"]), deny | bits(&overwrite["deny"]))
            })
    };
    let layers = [
        of(&|id| id == everyone),
        of(&|id| id != everyone && id != user && has(id)),
        of(&|id| id == user),
    ];
    for (allow, deny) in layers {
        held = (held & !deny) | allow;
    }
    held
}

fn bits(value: &Value) -> u64 {
    value
        .as_str()
        .and_then(|bits| bits.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_invitation_asks_for_exactly_what_is_used() {
        let (url, permissions, text) = invite(Some("5"));
        assert_eq!(permissions, 309_237_763_072);
        insta::assert_snapshot!(url, @"https://discord.com/oauth2/authorize?client_id=5&permissions=309237763072&scope=bot%20applications.commands");
        insta::assert_snapshot!(text, @"Scopes: bot, applications.commands. Permissions: View Channel, Send Messages, Embed Links, Attach Files, Read Message History, Create Public Threads, Send Messages in Threads. Gateway intents: GUILDS (1), none of them privileged.");
        assert!(invite(None).0.contains("client_id=APPLICATION_ID"));
    }

    #[test]
    fn overwrites_are_laid_over_roles() {
        let guild = json!({"id": "1", "owner_id": "9", "roles": [
            {"id": "1", "permissions": "1024"}, {"id": "2", "permissions": "2048"}, {"id": "3", "permissions": "8"}]});
        let member = json!({"roles": ["2"]});
        let none = json!({});
        assert_eq!(held(&guild, &none, &member, "5"), 1024 | 2048);
        let channel = json!({"permission_overwrites": [
            {"id": "1", "allow": "0", "deny": "1024"}, {"id": "2", "allow": "16384", "deny": "2048"},
            {"id": "5", "allow": "1024", "deny": "0"}, {"id": "3", "allow": "65536", "deny": "0"}]});
        assert_eq!(held(&guild, &channel, &member, "5"), 1024 | 16384);
        assert_eq!(held(&guild, &channel, &json!({"roles": ["3"]}), "5"), u64::MAX);
        assert_eq!(held(&guild, &channel, &member, "9"), u64::MAX);
        insta::assert_snapshot!(permissions("care", 1024 | 2048).what, @"Discord: in #care the bot lacks Embed Links, Attach Files, Read Message History, Create Public Threads, Send Messages in Threads");
    }
}
