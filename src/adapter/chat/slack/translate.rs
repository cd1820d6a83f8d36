//! From Slack's payloads to what a person asked for. Pure functions of the payload.
//!
//! The payloads are read as raw JSON: the typed models drop what is needed here (retry fields, the
//! person's workspace, the container's thread) and fail on installations for an organisation
//! (`team: null`) and on metadata of other apps.

use super::emoji::characters;
use super::escape::{Mentions, unescape};
use super::modal::{CALLBACK, FIELD, Memory};
use crate::app::{Input, Place};
use crate::domain::CaseNumber;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// What kind of envelope a payload came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `events_api`, or the body of /slack/events.
    Event,
    /// `slash_commands`, or the fields of /slack/commands.
    Command,
    /// `interactive`, or the payload of /slack/interactions.
    Interaction,
}

/// What a payload means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard {
    /// Somebody asked for something.
    Act(Box<Act>),
    /// Nothing for us: why, for the log.
    Ignore(&'static str),
}

/// Somebody asked for something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Act {
    /// The same for a repeated envelope.
    pub key: String,
    /// Who.
    pub who: Who,
    /// Where.
    pub place: Place,
    /// What.
    pub input: Input,
    /// How an answer reaches the person.
    pub back: Back,
}

/// Who acted, as far as the payload tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    /// The user id.
    pub user: String,
    /// The workspace the person belongs to; with Slack Connect not always ours.
    pub workspace: String,
    /// The name, if the payload has it.
    pub name: Option<String>,
}

/// How somebody asked, and so how the answer travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// The answer goes into the acknowledgement.
    Command,
    /// The answer goes into the thread, for that person only.
    Mention,
    /// The same; a window may be opened.
    Press,
    /// A window stays open until its words are accepted.
    Form,
}

/// How an answer reaches the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Back {
    /// The way.
    pub way: Way,
    /// The thread the person sees right now; not the card's before it has answers, for Slack shows
    /// private answers only in threads that are "active".
    pub seen: Option<String>,
    /// Opens a window, within three seconds.
    pub trigger: Option<String>,
    /// Takes an answer for half an hour.
    pub response_url: Option<String>,
}

/// Reads a payload.
///
/// # Errors
/// It is not what Slack documents: why.
pub(super) fn read(kind: Kind, payload: &Value, me: Option<&str>) -> Result<Heard, String> {
    match kind {
        Kind::Event => event(payload, me),
        Kind::Command => command(payload),
        Kind::Interaction => match text(payload, "/type") {
            Some("block_actions") => press(payload),
            Some("view_submission") => submission(payload),
            Some("message_action") => shortcut(payload),
            Some("shortcut") => Ok(Heard::Ignore("a shortcut without a message")),
            Some("view_closed") => Ok(Heard::Ignore("a window was closed")),
            Some("block_suggestion") => Ok(Heard::Ignore("no list of ours suggests")),
            Some(other) => Err(format!("an interaction of an unknown type: {other}")),
            None => Err("an interaction without a type".to_owned()),
        },
    }
}

fn text<'a>(payload: &'a Value, pointer: &str) -> Option<&'a str> {
    payload
        .pointer(pointer)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn need(payload: &Value, pointer: &str) -> Result<String, String> {
    text(payload, pointer)
        .map(str::to_owned)
        .ok_or_else(|| format!("{pointer} is missing"))
}

fn first<'a>(payload: &'a Value, pointers: &[&str]) -> Option<&'a str> {
    pointers.iter().find_map(|pointer| text(payload, pointer))
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

/// <https://docs.slack.dev/reference/events/app_mention>
fn event(payload: &Value, me: Option<&str>) -> Result<Heard, String> {
    let kind = need(payload, "/event/type")?;
    if kind != "app_mention" {
        return Ok(Heard::Ignore("an event that means nothing to us"));
    }
    if text(payload, "/event/bot_id").is_some() || text(payload, "/event/subtype") == Some("bot_message") {
        return Ok(Heard::Ignore("the message of a bot"));
    }
    let Some(user) = text(payload, "/event/user") else {
        return Ok(Heard::Ignore("a mention without a person"));
    };
    let bot = text(payload, "/authorizations/0/user_id").or(me);
    if bot == Some(user) {
        return Ok(Heard::Ignore("our own message"));
    }
    let (channel, ts) = (need(payload, "/event/channel")?, need(payload, "/event/ts")?);
    let home = first(payload, &["/team_id", "/event/team"]).unwrap_or_default();
    let workspace = [
        "/event/user_team",
        "/event/source_team",
        "/event/team",
        "/team_id",
    ];
    let thread = owned(text(payload, "/event/thread_ts"));
    let line = addressed(text(payload, "/event/text").unwrap_or_default(), bot);
    Ok(Heard::Act(Box::new(Act {
        key: format!("slack:event:{home}:{channel}:{ts}"),
        who: Who {
            user: user.to_owned(),
            workspace: first(payload, &workspace).unwrap_or_default().to_owned(),
            name: None,
        },
        place: Place {
            channel: Some(channel.into()),
            thread: thread.clone().map(Into::into),
        },
        input: Input::Text(line),
        back: Back {
            way: Way::Mention,
            seen: thread,
            trigger: None,
            response_url: None,
        },
    })))
}

/// What follows the mention that a message begins with. A mention in the middle of a sentence is
/// talk about us, not to us: it gives no command, and gets the help.
fn addressed(message: &str, bot: Option<&str>) -> String {
    let ours = |mention: &str| match bot {
        Some(bot) => {
            mention == bot
                || mention
                    .strip_prefix(bot)
                    .is_some_and(|rest| rest.starts_with('|'))
        }
        None => true,
    };
    let line = message
        .trim_start()
        .strip_prefix("<@")
        .and_then(|rest| rest.split_once('>'))
        .filter(|(mention, _)| ours(mention))
        .map(|(_, line)| line_of(line.trim_start_matches([':', ',']).trim()));
    line.filter(|line| !line.is_empty())
        .unwrap_or_else(|| "help".to_owned())
}

/// A line as it was typed. Only `assign` reads a mention; anywhere else it may go to a customer, who
/// is not to see our ids.
fn line_of(slack: &str) -> String {
    let assigns = verb_of(slack).is_some_and(|verb| verb.eq_ignore_ascii_case("assign"));
    let mentions = if assigns { Mentions::Stay } else { Mentions::Name };
    characters(&unescape(slack, mentions))
}

/// The verb of a line: a case's number may stand before it.
pub(super) fn verb_of(line: &str) -> Option<&str> {
    line.split_whitespace()
        .find(|word| word.parse::<CaseNumber>().is_err())
}

/// <https://docs.slack.dev/interactivity/implementing-slash-commands#app_command_handling>
fn command(payload: &Value) -> Result<Heard, String> {
    let name = need(payload, "/command")?;
    let trigger = need(payload, "/trigger_id")?;
    let rest = text(payload, "/text").unwrap_or_default();
    let line = match name.trim_start_matches('/') {
        "case" if rest.trim().is_empty() => "help".to_owned(),
        "case" => line_of(rest),
        verb if rest.trim().is_empty() => verb.to_owned(),
        verb => line_of(&format!("{verb} {rest}")),
    };
    let thread = owned(text(payload, "/thread_ts"));
    Ok(Heard::Act(Box::new(Act {
        key: format!("slack:trigger:{trigger}"),
        who: Who {
            user: need(payload, "/user_id")?,
            workspace: owned(text(payload, "/team_id")).unwrap_or_default(),
            name: owned(text(payload, "/user_name")),
        },
        place: Place {
            channel: text(payload, "/channel_id").map(Into::into),
            thread: thread.clone().map(Into::into),
        },
        input: Input::Text(line),
        back: Back {
            way: Way::Command,
            seen: thread,
            trigger: Some(trigger),
            response_url: owned(text(payload, "/response_url")),
        },
    })))
}

fn who(payload: &Value) -> Result<Who, String> {
    let workspace = ["/user/team_id", "/team/id", "/enterprise/id"];
    Ok(Who {
        user: need(payload, "/user/id")?,
        workspace: first(payload, &workspace).unwrap_or_default().to_owned(),
        name: owned(first(payload, &["/user/username", "/user/name"])),
    })
}

/// Where somebody pressed or chose: the message's thread, or the one that it begins.
fn at_message(payload: &Value) -> (Place, Option<String>) {
    let seen = first(payload, &["/message/thread_ts", "/container/thread_ts"]);
    let begun = first(payload, &["/message/ts", "/container/message_ts", "/message_ts"]);
    let channel = first(payload, &["/channel/id", "/container/channel_id"]);
    let place = Place {
        channel: channel.map(Into::into),
        thread: seen.or(begun).map(Into::into),
    };
    (place, owned(seen))
}

fn by_hand(payload: &Value, seen: Option<String>) -> Back {
    Back {
        way: Way::Press,
        seen,
        trigger: owned(text(payload, "/trigger_id")),
        response_url: owned(text(payload, "/response_url")),
    }
}

/// <https://docs.slack.dev/reference/interaction-payloads/block_actions-payload>
fn press(payload: &Value) -> Result<Heard, String> {
    let Some(value) = text(payload, "/actions/0/value") else {
        return Ok(Heard::Ignore("an element that is not a button of ours"));
    };
    let who = who(payload)?;
    let message = first(payload, &["/message/ts", "/container/message_ts"]).unwrap_or_default();
    let action = need(payload, "/actions/0/action_id")?;
    let at = need(payload, "/actions/0/action_ts")?;
    let (place, seen) = at_message(payload);
    Ok(Heard::Act(Box::new(Act {
        key: format!("slack:action:{message}:{action}:{}:{at}", who.user),
        who,
        place,
        input: Input::Press(value.to_owned()),
        back: by_hand(payload, seen),
    })))
}

/// <https://docs.slack.dev/reference/interaction-payloads/shortcuts-interaction-payload>
fn shortcut(payload: &Value) -> Result<Heard, String> {
    let id = need(payload, "/callback_id")?;
    let Some(verb) = id.strip_prefix("case_") else {
        return Ok(Heard::Ignore("a shortcut that is not ours"));
    };
    let input = match verb {
        "reply" | "dm" | "note" | "escalate" | "resolve" => Input::Ask {
            verb: verb.to_owned(),
        },
        verb => Input::Text(verb.to_owned()),
    };
    let (place, seen) = at_message(payload);
    Ok(Heard::Act(Box::new(Act {
        key: format!("slack:shortcut:{}", need(payload, "/trigger_id")?),
        who: who(payload)?,
        place,
        input,
        back: by_hand(payload, seen),
    })))
}

/// <https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload>
///
/// The words belong to the key: after a refusal the same window is submitted again with other ones.
fn submission(payload: &Value) -> Result<Heard, String> {
    if text(payload, "/view/callback_id") != Some(CALLBACK) {
        return Ok(Heard::Ignore("a window that is not ours"));
    }
    let memory: Memory = serde_json::from_str(&need(payload, "/view/private_metadata")?)
        .map_err(|_| "the window's memory is damaged".to_owned())?;
    let words = format!("/view/state/values/{FIELD}/{FIELD}/value");
    // A field holds characters or names, as the person's client likes.
    let words = characters(text(payload, &words).unwrap_or_default());
    let who = who(payload)?;
    let print = hex::encode(Sha256::digest(&words));
    Ok(Heard::Act(Box::new(Act {
        key: format!(
            "slack:view:{}:{}:{}",
            need(payload, "/view/id")?,
            who.user,
            &print[..16]
        ),
        who,
        place: Place {
            channel: memory.channel.clone().map(Into::into),
            thread: memory.thread.clone().map(Into::into),
        },
        input: Input::Form {
            case: memory.case(),
            verb: memory.verb,
            text: words,
            reply: memory.reply,
        },
        back: Back {
            way: Way::Form,
            seen: memory.seen,
            trigger: owned(text(payload, "/trigger_id")),
            response_url: None,
        },
    })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::json;

    fn act(kind: Kind, payload: &Value) -> Act {
        match read(kind, payload, Some("UBOT")) {
            Ok(Heard::Act(act)) => *act,
            other => panic!("{other:?}"),
        }
    }

    fn mention(text: &str) -> Value {
        json!({"team_id": "T1", "event_id": "Ev1", "event": {"type": "app_mention", "user": "U1", "text": text,
            "ts": "5.1", "thread_ts": "4.0", "channel": "C1", "team": "T1"},
            "authorizations": [{"team_id": null, "user_id": "UBOT", "is_bot": true}]})
    }

    #[rstest]
    #[case("<@UBOT> claim", "claim")]
    #[case("  <@UBOT|hearback>: reply Thanks &lt;3", "reply Thanks <3")]
    #[case("<@UBOT> assign <@U2>", "assign <@U2>")]
    #[case("<@UBOT>", "help")]
    #[case("", "help")]
    #[case("I would not let <@UBOT> reply to that", "help")]
    #[case("<@U2> <@UBOT> claim", "help")]
    fn a_mention_is_a_command_only_at_the_front(#[case] text: &str, #[case] line: &str) {
        assert_eq!(
            act(Kind::Event, &mention(text)).input,
            Input::Text(line.to_owned())
        );
    }

    #[test]
    fn a_mention_belongs_to_its_thread_and_counts_once_however_often_it_is_sent() {
        let act = act(Kind::Event, &mention("<@UBOT> claim"));
        assert_eq!(act.key, "slack:event:T1:C1:5.1");
        assert_eq!(act.place.thread, Some("4.0".into()));
        assert_eq!(act.back.seen.as_deref(), Some("4.0"));
        assert_eq!(act.who.workspace, "T1");
        let mut again = mention("<@UBOT> claim");
        again["event_id"] = json!("Ev2");
        assert_eq!(self::act(Kind::Event, &again).key, act.key);
    }

    #[test]
    fn a_person_of_another_workspace_keeps_their_own() {
        let mut payload = mention("<@UBOT> claim");
        payload["event"]["user_team"] = json!("T2");
        assert_eq!(act(Kind::Event, &payload).who.workspace, "T2");
    }

    #[test]
    fn bots_are_not_heard() {
        for (field, value) in [("bot_id", "B1"), ("user", "UBOT"), ("subtype", "bot_message")] {
            let mut payload = mention("<@UBOT> claim");
            payload["event"][field] = json!(value);
            assert!(
                matches!(read(Kind::Event, &payload, None), Ok(Heard::Ignore(_))),
                "{field}"
            );
        }
    }

    #[rstest]
    #[case("/case", "claim 12", "claim 12")]
    #[case("/case", "", "help")]
    #[case("/claim", "12", "claim 12")]
    #[case("/reply", "12  Two  blanks &amp; all", "reply 12  Two  blanks & all")]
    #[case("/resolve", "", "resolve")]
    #[case("/case", "assign 12 <@U2|bo>", "assign 12 <@U2|bo>")]
    #[case("/case", "12 assign <@U2|bo>", "12 assign <@U2|bo>")]
    #[case("/assign", "<@U2|bo>", "assign <@U2|bo>")]
    #[case("/reply", "12 ask <@U2|bo>", "reply 12 ask @bo")]
    #[case("/case", "reply assign <@U2|bo>", "reply assign @bo")]
    #[case("/reply", "12 Thanks :tada: at 10:30:45", "reply 12 Thanks 🎉 at 10:30:45")]
    fn slash_commands_are_lines(#[case] command: &str, #[case] text: &str, #[case] line: &str) {
        let payload = json!({"command": command, "text": text, "trigger_id": "1.2.a", "user_id": "U1",
            "user_name": "ada", "team_id": "T1", "channel_id": "C1", "response_url": "https://hooks.example/1"});
        let act = act(Kind::Command, &payload);
        assert_eq!(act.input, Input::Text(line.to_owned()));
        assert_eq!(act.key, "slack:trigger:1.2.a");
        assert_eq!(act.who.name.as_deref(), Some("ada"));
        assert_eq!((act.place.channel, act.place.thread), (Some("C1".into()), None));
    }

    fn pressed() -> Value {
        json!({"type": "block_actions", "user": {"id": "U1", "username": "ada", "team_id": "T1"}, "team": null,
            "trigger_id": "1.2.b", "response_url": "https://hooks.example/1", "channel": {"id": "C1"},
            "container": {"type": "message", "message_ts": "5.0", "channel_id": "C1"},
            "message": {"ts": "5.0", "metadata": {"event_type": "x", "event_payload": {"n": 1, "o": {}}}},
            "actions": [{"type": "button", "action_id": "claim", "value": "do:7:claim", "action_ts": "9.9"}]})
    }

    #[test]
    fn a_press_on_the_card_belongs_to_the_thread_the_card_begins() {
        let act = act(Kind::Interaction, &pressed());
        assert_eq!(act.key, "slack:action:5.0:claim:U1:9.9");
        assert_eq!(act.input, Input::Press("do:7:claim".to_owned()));
        assert_eq!(act.place.thread, Some("5.0".into()));
        assert_eq!(act.back.seen, None, "the thread has no answers yet");
        let mut reply = pressed();
        reply["message"]["thread_ts"] = json!("4.0");
        let act = self::act(Kind::Interaction, &reply);
        assert_eq!(act.place.thread, Some("4.0".into()));
        assert_eq!(act.back.seen.as_deref(), Some("4.0"));
    }

    #[rstest]
    #[case("case_reply", Input::Ask { verb: "reply".to_owned() })]
    #[case("case_claim", Input::Text("claim".to_owned()))]
    fn shortcuts_act_at_the_message(#[case] id: &str, #[case] input: Input) {
        let payload = json!({"type": "message_action", "callback_id": id, "trigger_id": "1.2.c", "team": {"id": "T1"},
            "user": {"id": "U1", "name": "ada"}, "channel": {"id": "C1"}, "message_ts": "6.0",
            "message": {"ts": "6.0", "thread_ts": "5.0"}});
        let act = act(Kind::Interaction, &payload);
        assert_eq!((act.input, act.place.thread), (input, Some("5.0".into())));
    }

    #[test]
    fn a_form_brings_back_where_it_was_opened() {
        let memory = Memory {
            case: 7,
            verb: "reply".to_owned(),
            reply: Some(31),
            channel: Some("C1".to_owned()),
            thread: Some("5.0".to_owned()),
            seen: None,
        };
        let submitted = |words: &str| {
            json!({"type": "view_submission", "user": {"id": "U1", "team_id": "T1"}, "view": {"id": "V1",
                "callback_id": "hearback_form", "private_metadata": serde_json::to_string(&memory).unwrap(),
                "state": {"values": {"words": {"words": {"type": "plain_text_input", "value": words}}}}}})
        };
        let act = act(Kind::Interaction, &submitted("Sorry & thanks\n<b>"));
        assert_eq!(
            act.input,
            Input::Form {
                case: memory.case(),
                verb: "reply".to_owned(),
                text: "Sorry & thanks\n<b>".to_owned(),
                reply: Some(31),
            }
        );
        assert_eq!(act.place.thread, Some("5.0".into()));
        let other = self::act(Kind::Interaction, &submitted("other words"));
        assert_ne!(act.key, other.key, "a corrected text is not a repetition");
    }

    #[test]
    fn what_is_not_documented_is_set_aside_with_the_reason() {
        for (kind, payload, reason) in [
            (Kind::Event, json!({}), "/event/type is missing"),
            (
                Kind::Command,
                json!({"command": "/case"}),
                "/trigger_id is missing",
            ),
            (
                Kind::Interaction,
                json!({"type": "new"}),
                "an interaction of an unknown type: new",
            ),
            (Kind::Interaction, json!([]), "an interaction without a type"),
        ] {
            assert_eq!(read(kind, &payload, None), Err(reason.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn damaged_payloads_never_panic(cut in 0..400usize, text in "[<>@|a-z ]{0,30}") {
            let whole = serde_json::to_string(&pressed()).unwrap();
            let damaged: String = whole.chars().take(cut).collect();
            if let Ok(value) = serde_json::from_str::<Value>(&damaged) {
                let _ = read(Kind::Interaction, &value, None);
            }
            let _ = read(Kind::Event, &mention(&text), None);
        }
    }
}
