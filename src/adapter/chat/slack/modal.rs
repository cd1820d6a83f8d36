//! A form as a modal window, and what the window carries back.
//! Limits: <https://docs.slack.dev/reference/views/modal-views>.

use super::render::fit;
use crate::domain::message::inert;
use crate::domain::{CaseNumber, Form};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use slack_morphism::blocks::{
    SlackBlock, SlackBlockPlainText, SlackBlockPlainTextInputElement, SlackBlockPlainTextOnly,
    SlackInputBlock, SlackModalView, SlackView,
};

/// What the window is called in payloads.
pub(super) const CALLBACK: &str = "hearback_form";
/// The one field of the window: its block and its action.
pub(super) const FIELD: &str = "words";

/// The most characters of a text field.
/// <https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element>
const MOST_INPUT: u16 = 3000;

/// What a window remembers: a submission does not tell where the window was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    /// The case's number.
    pub case: i64,
    /// The verb its words are for.
    pub verb: String,
    /// The reply it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<i64>,
    /// The channel it was opened in.
    #[serde(default)]
    pub channel: Option<String>,
    /// The thread it was opened at.
    #[serde(default)]
    pub thread: Option<String>,
    /// The thread in which the person reads the answer.
    #[serde(default)]
    pub seen: Option<String>,
}

impl Memory {
    pub(super) fn case(&self) -> CaseNumber {
        CaseNumber(self.case)
    }
}

fn plain(text: &str, most: usize) -> SlackBlockPlainTextOnly {
    SlackBlockPlainText::new(fit(&inert(text), most))
        .with_emoji(false)
        .into()
}

/// The window.
pub(super) fn view(form: &Form, memory: &Memory) -> SlackView {
    let mut field = SlackBlockPlainTextInputElement::new()
        .with_action_id(FIELD.into())
        .with_multiline(true)
        .with_max_length(u64::from(form.max.clamp(1, MOST_INPUT)))
        .with_focus_on_load(true);
    if !form.hint.is_empty() {
        field = field.with_placeholder(plain(&form.hint, 150));
    }
    if let Some(value) = form.prefill(MOST_INPUT.into()) {
        field = field.with_initial_value(value.to_owned());
    }
    let input = SlackInputBlock::new(plain(&form.label, 2000), field.into())
        .with_block_id(FIELD.into())
        .with_optional(form.optional);
    let memory = serde_json::to_string(memory).unwrap_or_default();
    SlackView::Modal(
        SlackModalView::new(plain(&form.title, 24), vec![SlackBlock::Input(input)])
            .with_submit(plain(&form.submit, 24))
            .with_close(plain("Back", 24))
            .with_private_metadata(memory)
            .with_callback_id(CALLBACK.into()),
    )
}

/// The answer to a submission that leaves the window open, with the reason at the field.
pub(super) fn errors(reason: &str) -> Value {
    json!({"response_action": "errors", "errors": {FIELD: fit(&inert(reason), 1000)}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_becomes_a_window_of_one_field() {
        let form = Form {
            case: CaseNumber(7),
            verb: "reply".to_owned(),
            title: "Reply in public".to_owned(),
            label: "What Ann will read".to_owned(),
            hint: "Thanks …".to_owned(),
            submit: "Reply".to_owned(),
            max: 500,
            optional: false,
            value: String::new(),
            reply: None,
        };
        let memory = Memory {
            case: 7,
            verb: "reply".to_owned(),
            reply: None,
            channel: Some("C1".to_owned()),
            thread: Some("1.0".to_owned()),
            seen: None,
        };
        let json = serde_json::to_value(view(&form, &memory)).unwrap();
        assert_eq!(json["type"], "modal");
        assert_eq!(
            json["title"],
            json!({"type": "plain_text", "text": "Reply in public", "emoji": false})
        );
        assert_eq!(
            json["blocks"],
            json!([{"type": "input", "block_id": "words", "optional": false,
                "label": {"type": "plain_text", "text": "What Ann will read", "emoji": false},
                "element": {"type": "plain_text_input", "action_id": "words", "multiline": true,
                    "max_length": 500, "focus_on_load": true,
                    "placeholder": {"type": "plain_text", "text": "Thanks …", "emoji": false}}}])
        );
        let back: Memory = serde_json::from_str(json["private_metadata"].as_str().unwrap()).unwrap();
        assert_eq!(back, memory);
    }

    #[test]
    fn a_text_to_be_changed_stands_in_the_field_verbatim() {
        let form = |value: &str| Form {
            case: CaseNumber(7),
            verb: "edit".to_owned(),
            title: "Edit".to_owned(),
            label: "What Ann will read".to_owned(),
            hint: String::new(),
            submit: "Approve".to_owned(),
            max: 3000,
            optional: false,
            value: value.to_owned(),
            reply: Some(31),
        };
        let field = |value: &str| {
            let json = serde_json::to_value(view(&form(value), &Memory::default())).unwrap();
            json["blocks"][0]["element"].clone()
        };
        let words = "Dear Ann,\n <b> & *you* \u{202E}";
        assert_eq!(field(words)["initial_value"], words);
        assert!(field("").get("initial_value").is_none());
        assert!(field(&"x".repeat(3001)).get("initial_value").is_none());
        assert_eq!(field(&"x".repeat(3000))["max_length"], 3000);
    }
}
