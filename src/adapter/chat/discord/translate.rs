//! What Discord tells us, in our words: one pure function for the gateway and the HTTP endpoint.
//!
//! Reads the raw JSON: serenity's models drop the values of newer modals and refuse an interaction
//! for one unknown or missing field. Only what is needed must be there.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-object>

use super::commands::{MENU, ROOT, SHORT};
use super::render::press_of;
use crate::app::{Given, Input, Place};
use crate::domain::{CaseNumber, ChannelId, Person, ThreadId};
use serde::Deserialize;
use serde_json::Value;

/// Where an answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The interaction.
    pub id: String,
    /// Its token: whoever has it can answer.
    pub token: String,
    /// The application it was meant for.
    pub application: String,
}

/// What somebody wants.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Discord asks whether we are there.
    Pong,
    /// Somebody acted.
    Act(Given),
    /// Somebody types a case number.
    Suggest { by: Person, typed: String },
    /// Not for us, and why: for the person.
    Decline(&'static str),
}

/// An interaction that makes no sense to us, and why.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreadable(pub String);

#[derive(Deserialize)]
struct Raw {
    id: String,
    #[serde(rename = "type")]
    kind: u64,
    #[serde(default)]
    data: Value,
    guild_id: Option<String>,
    channel_id: Option<String>,
    #[serde(default)]
    channel: Value,
    member: Option<Member>,
    #[serde(default)]
    message: Value,
}

#[derive(Deserialize)]
struct Member {
    user: User,
    nick: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    #[serde(default)]
    username: String,
    global_name: Option<String>,
}

/// Where to answer an interaction, even one that is otherwise not understood.
pub(super) fn address(raw: &str) -> Option<Address> {
    #[derive(Deserialize)]
    struct Head {
        id: String,
        token: String,
        #[serde(default)]
        application_id: String,
    }
    let head: Head = serde_json::from_str(raw).ok()?;
    let sound = head.id.bytes().all(|b| b.is_ascii_digit())
        && head.application_id.bytes().all(|b| b.is_ascii_digit())
        && head
            .token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b'~' | b':'));
    sound.then_some(Address {
        id: head.id,
        token: head.token,
        application: head.application_id,
    })
}

/// Translates an interaction. `guild` is the one we work in.
pub(super) fn translate(raw: &str, guild: &str) -> Result<Wanted, Unreadable> {
    let raw: Raw = serde_json::from_str(raw).map_err(|error| Unreadable(error.to_string()))?;
    if raw.kind == 1 {
        return Ok(Wanted::Pong);
    }
    let (Some(member), Some(from)) = (&raw.member, &raw.guild_id) else {
        return Ok(Wanted::Decline(
            "Cases are worked on in the server, not in direct messages.",
        ));
    };
    // Roles count only in the guild they were given in.
    if from != guild {
        return Ok(Wanted::Decline("This server is not the one Hearback works in."));
    }
    let by = person(member, from);
    let input = match raw.kind {
        2 => command(&raw.data)?,
        3 => Input::Press(press_of(text(&raw.data, "custom_id")?).to_owned()),
        4 => {
            return Ok(Wanted::Suggest {
                by,
                typed: focused(&raw.data).unwrap_or_default(),
            });
        }
        5 => form(&raw.data)?,
        other => return Err(Unreadable(format!("interactions of type {other} are not known"))),
    };
    Ok(Wanted::Act(Given {
        key: format!("discord:{}", raw.id),
        by,
        place: place(&raw),
        input,
    }))
}

fn person(member: &Member, guild: &str) -> Person {
    let user = &member.user;
    let names = [
        member.nick.as_ref(),
        user.global_name.as_ref(),
        Some(&user.username),
    ];
    let name = names.into_iter().flatten().find(|name| !name.is_empty());
    Person {
        chat: "discord".into(),
        user: user.id.clone(),
        workspace: guild.to_owned(),
        name: name.unwrap_or(&user.id).clone(),
        groups: member.roles.clone(),
    }
}

/// The thread somebody acted in. In a text channel the message a thread was born from stands outside
/// of it, and has its id: a button or a menu entry on it is about that thread.
fn place(raw: &Raw) -> Place {
    let Some(here) = &raw.channel_id else {
        return Place {
            channel: None,
            thread: None,
        };
    };
    let kind = raw.channel["type"].as_u64();
    // 10 to 12: threads. <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>
    let in_thread =
        kind.is_some_and(|kind| matches!(kind, 10..=12)) || raw.channel["thread_metadata"].is_object();
    if in_thread {
        return Place {
            channel: raw.channel["parent_id"].as_str().map(ChannelId::from),
            thread: Some(ThreadId::from(here.as_str())),
        };
    }
    let message = raw.message["id"].as_str().or(raw.data["target_id"].as_str());
    if kind.is_none() {
        // It is not told what the channel is; one that is no thread has no case either.
        let thread = message.unwrap_or(here);
        let inside = raw.message["channel_id"]
            .as_str()
            .is_some_and(|place| place == here);
        return Place {
            channel: None,
            thread: Some(ThreadId::from(if inside { here.as_str() } else { thread })),
        };
    }
    Place {
        channel: Some(ChannelId::from(here.as_str())),
        thread: message.map(ThreadId::from),
    }
}

fn command(data: &Value) -> Result<Input, Unreadable> {
    let name = text(data, "name")?;
    // 3: an entry of a message's menu.
    if data["type"].as_u64() == Some(3) {
        let verb = MENU.iter().find(|(entry, _)| *entry == name);
        let verb = verb.ok_or_else(|| Unreadable(format!("the menu entry {name:?} is not ours")))?;
        return Ok(Input::Ask {
            verb: verb.1.to_owned(),
        });
    }
    let (verb, given) = if name == ROOT {
        let sub = data["options"].get(0).unwrap_or(&Value::Null);
        (text(sub, "name")?, &sub["options"])
    } else if SHORT.contains(&name) {
        (name, &data["options"])
    } else {
        return Err(Unreadable(format!("the command {name:?} is not ours")));
    };
    let mut options = Vec::new();
    for option in given.as_array().into_iter().flatten() {
        options.push((text(option, "name")?.to_owned(), value(option)?));
    }
    Ok(Input::Options {
        verb: verb.to_owned(),
        options,
    })
}

fn value(option: &Value) -> Result<String, Unreadable> {
    // 6: a person, told by id.
    let person = option["type"].as_u64() == Some(6);
    match &option["value"] {
        Value::String(id) if person => Ok(format!("<@{id}>")),
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(flag) => Ok(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(Unreadable("an option without a value".to_owned()))
        }
    }
}

/// What stands in the option somebody types in, if that is the case.
fn focused(data: &Value) -> Option<String> {
    let options = data["options"].as_array()?;
    for option in options {
        if option["focused"] == true {
            let typed = match &option["value"] {
                Value::String(text) => text.trim().to_owned(),
                other => other.to_string(),
            };
            return (option["name"] == "case").then_some(typed);
        }
        if let Some(inner) = focused(option) {
            return Some(inner);
        }
    }
    None
}

fn form(data: &Value) -> Result<Input, Unreadable> {
    let id = text(data, "custom_id")?;
    let known = || Unreadable(format!("the form {id:?} is not ours"));
    let (case, verb) = id
        .strip_prefix("form:")
        .and_then(|rest| rest.split_once(':'))
        .ok_or_else(known)?;
    let case: CaseNumber = case.parse().map_err(|_| known())?;
    let (verb, reply) = match verb.split_once(':') {
        Some((verb, reply)) => (verb, Some(reply.parse().map_err(|_| known())?)),
        None => (verb, None),
    };
    let typed = field(&data["components"]).ok_or_else(|| Unreadable("a form without its text".to_owned()))?;
    Ok(Input::Form {
        case,
        verb: verb.to_owned(),
        text: typed,
        reply,
    })
}

/// The text field's value, in a row (`components`) or in a label (`component`).
fn field(components: &Value) -> Option<String> {
    for component in components.as_array()? {
        for inner in [Some(component), component.get("component")]
            .into_iter()
            .flatten()
        {
            if inner["custom_id"] == "text" {
                return inner["value"].as_str().map(str::to_owned);
            }
        }
        if let Some(found) = component.get("components").and_then(field) {
            return Some(found);
        }
    }
    None
}

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str, Unreadable> {
    value[field]
        .as_str()
        .ok_or_else(|| Unreadable(format!("there is no text {field:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn raw(kind: u64, data: &Value) -> Value {
        json!({
            "id": "900", "application_id": "5", "type": kind, "token": "tok", "guild_id": "1",
            "channel_id": "30", "channel": {"id": "30", "type": 11, "parent_id": "20"},
            "member": {"user": {"id": "7", "username": "ada"}, "nick": "Ada L.", "roles": ["3"]},
            "data": data,
        })
    }

    fn given(raw: &Value) -> Given {
        match translate(&raw.to_string(), "1") {
            Ok(Wanted::Act(given)) => given,
            other => panic!("not an act: {other:?}"),
        }
    }

    #[test]
    fn a_subcommand_in_a_thread() {
        let data = json!({"name": "case", "type": 1, "options": [{"name": "assign", "type": 1, "options": [
            {"name": "who", "type": 6, "value": "77"}, {"name": "case", "type": 3, "value": "12"}]}]});
        let given = given(&raw(2, &data));
        assert_eq!(given.key, "discord:900");
        assert_eq!((given.by.name.as_str(), given.by.user.as_str()), ("Ada L.", "7"));
        assert_eq!(
            (given.by.workspace.as_str(), given.by.groups),
            ("1", vec!["3".to_owned()])
        );
        assert_eq!(
            given.place,
            Place {
                channel: Some("20".into()),
                thread: Some("30".into())
            }
        );
        let options = vec![
            ("who".to_owned(), "<@77>".to_owned()),
            ("case".to_owned(), "12".to_owned()),
        ];
        assert_eq!(
            given.input,
            Input::Options {
                verb: "assign".to_owned(),
                options
            }
        );
    }

    #[test]
    fn a_short_command_outside_of_threads() {
        let mut raw = raw(
            2,
            &json!({"name": "reply", "options": [{"name": "text", "type": 3, "value": " *Hi* "}]}),
        );
        raw["channel"] = json!({"id": "30", "type": 0});
        let given = given(&raw);
        assert_eq!(
            given.place,
            Place {
                channel: Some("30".into()),
                thread: None
            }
        );
        let options = vec![("text".to_owned(), " *Hi* ".to_owned())];
        assert_eq!(
            given.input,
            Input::Options {
                verb: "reply".to_owned(),
                options
            }
        );
    }

    #[test]
    fn a_button_on_the_message_a_thread_was_born_from() {
        let mut raw = raw(3, &json!({"custom_id": "do:12:claim|abc", "component_type": 2}));
        raw["channel"] = json!({"id": "30", "type": 0});
        raw["message"] = json!({"id": "40", "channel_id": "30"});
        let given = given(&raw);
        assert_eq!(
            given.place,
            Place {
                channel: Some("30".into()),
                thread: Some("40".into())
            }
        );
        assert_eq!(given.input, Input::Press("do:12:claim".to_owned()));
    }

    #[test]
    fn a_menu_entry_asks_for_words() {
        let given = given(&raw(
            2,
            &json!({"name": "Note on case", "type": 3, "target_id": "31"}),
        ));
        assert_eq!(given.place.thread, Some("30".into()));
        assert_eq!(
            given.input,
            Input::Ask {
                verb: "note".to_owned()
            }
        );
    }

    #[test]
    fn both_kinds_of_modal() {
        let field = json!({"type": 4, "custom_id": "text", "value": "Sorry!"});
        for components in [
            json!([{"type": 1, "components": [field]}]),
            json!([{"type": 18, "component": field}]),
        ] {
            for (id, reply) in [("form:12:reply", None), ("form:12:reply:31", Some(31))] {
                let data = json!({"custom_id": id, "components": components});
                let form = Input::Form {
                    case: CaseNumber(12),
                    verb: "reply".to_owned(),
                    text: "Sorry!".to_owned(),
                    reply,
                };
                assert_eq!(given(&raw(5, &data)).input, form);
            }
        }
        let damaged = raw(
            5,
            &json!({"custom_id": "form:12:reply:x", "components": [{"components": [field]}]}),
        );
        assert!(translate(&damaged.to_string(), "1").is_err());
    }

    #[test]
    fn typing_a_case() {
        let data = json!({"name": "case", "options": [{"name": "claim", "type": 1, "options": [
            {"name": "case", "type": 3, "value": "1", "focused": true}]}]});
        let Ok(Wanted::Suggest { typed, by }) = translate(&raw(4, &data).to_string(), "1") else {
            panic!("no suggestion asked for");
        };
        assert_eq!((typed.as_str(), by.user.as_str()), ("1", "7"));
    }

    #[test]
    fn direct_messages_and_other_servers_are_declined() {
        let mut dm = raw(2, &json!({"name": "claim"}));
        dm["member"] = Value::Null;
        assert!(matches!(translate(&dm.to_string(), "1"), Ok(Wanted::Decline(_))));
        let other = raw(2, &json!({"name": "claim"}));
        assert!(matches!(
            translate(&other.to_string(), "2"),
            Ok(Wanted::Decline(_))
        ));
    }

    #[test]
    fn what_is_not_ours_is_set_aside_and_can_still_be_answered() {
        let raw = raw(2, &json!({"name": "ban"})).to_string();
        assert_eq!(
            translate(&raw, "1"),
            Err(Unreadable("the command \"ban\" is not ours".to_owned()))
        );
        assert_eq!(address(&raw).map(|address| address.token), Some("tok".to_owned()));
        assert!(translate("{", "1").is_err());
        assert_eq!(address(r#"{"id":"1","token":"../../users/@me"}"#), None);
    }
}
