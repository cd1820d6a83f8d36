//! The app's manifest: paste it at <https://api.slack.com/apps> to create the app.
//! Reference: <https://docs.slack.dev/reference/app-manifest>.

use super::examine::SCOPES;
use serde_json::{Value, json};

/// The manifest of an app of this name, for Socket Mode.
#[must_use]
pub fn manifest(name: &str) -> Value {
    let name: String = name.chars().take(35).collect();
    let command = |command: &str, about: &str, hint: &str| json!({"command": command, "description": about, "usage_hint": hint, "should_escape": true});
    let shortcut = |name: &str, id: &str, about: &str| json!({"name": name, "type": "message", "callback_id": id, "description": about});
    json!({
        "_metadata": {"major_version": 2, "minor_version": 1},
        "display_information": {
            "name": name,
            "description": "Brings public complaints into threads and carries the team's answers back",
        },
        "features": {
            "app_home": {
                "home_tab_enabled": false,
                "messages_tab_enabled": false,
                "messages_tab_read_only_enabled": true,
            },
            "bot_user": {"display_name": name, "always_online": true},
            "shortcuts": [
                shortcut("Reply to customer", "case_reply", "Answer in public, where the customer wrote"),
                shortcut("Note", "case_note", "Leave a note the customer never sees"),
                shortcut("Escalate", "case_escalate", "Hand the case to a team"),
            ],
            "slash_commands": [
                command("/case", "Work on a case", "VERB 1042 …, or help"),
                command("/claim", "Take a case", "1042"),
                command("/reply", "Answer in public", "1042 TEXT"),
                command("/escalate", "Hand a case to a team", "1042 [TEAM] [REASON]"),
                command("/resolve", "Close a case", "1042 [OUTCOME]"),
            ],
        },
        "oauth_config": {"scopes": {"bot": SCOPES}},
        "settings": {
            "event_subscriptions": {"bot_events": ["app_mention"]},
            "interactivity": {"is_enabled": true},
            "org_deploy_enabled": false,
            "socket_mode_enabled": true,
            "token_rotation_enabled": false,
        },
    })
}
