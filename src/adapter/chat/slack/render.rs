//! From our messages to Block Kit.
//!
//! What strangers wrote goes only into `text` elements of rich text and into `plain_text`, which
//! Slack shows literally: no mention, no link, no emoji, no formatting comes alive there. There is
//! no mrkdwn at all. Limits: <https://docs.slack.dev/reference/block-kit/blocks>.

use super::escape::escape;
use crate::domain::message::{inert, moment, one_line};
use crate::domain::{Button, Instant, Message, Part, Press, Span, Style};
use serde_json::json;
use slack_morphism::blocks::{
    SlackActionBlockElement, SlackActionsBlock, SlackBlock, SlackBlockButtonElement, SlackBlockButtonStyle,
    SlackBlockPlainText, SlackContextBlock, SlackContextBlockElement, SlackRichTextBlock,
    SlackRichTextElement, SlackRichTextInlineElement, SlackRichTextLink, SlackRichTextQuote,
    SlackRichTextSection, SlackRichTextStyle, SlackRichTextText, SlackRichTextUser,
};
use slack_morphism::{SlackMessageContent, SlackRelaxedUrl};
use std::collections::HashMap;
use unicode_segmentation::UnicodeSegmentation as _;

/// The most blocks of a message.
const MOST_BLOCKS: usize = 50;
/// The most of one text.
const MOST_TEXT: usize = 3000;
/// The most of all texts of a message; Slack answers `msg_blocks_too_long` somewhat above.
const MOST_WORDS: usize = 11_000;
/// The most of the text that notifications show, escaped; chat.update refuses more than 4000.
const MOST_FALLBACK: usize = 3000;
/// The most of a small line.
const MOST_SMALL: usize = 1000;
/// The most buttons of one row; Slack takes 25, but five fit a phone.
const MOST_BUTTONS: usize = 5;
/// The most characters on a button.
const MOST_LABEL: usize = 75;
/// The most characters of a button's value.
const MOST_VALUE: usize = 2000;
/// The longest address that is linked.
const MOST_URL: usize = 3000;

/// A message as Slack takes it. Each block's id begins with `mark`, which must be another one each
/// time the message is changed.
pub(super) fn content(message: &Message, mark: &str) -> SlackMessageContent {
    SlackMessageContent::new()
        .with_text(fallback(message))
        .with_blocks(blocks(message, mark))
}

/// The message in one escaped text: for notifications and screen readers.
pub(super) fn fallback(message: &Message) -> String {
    let mut plain = fit(&message.plain(), MOST_FALLBACK);
    let mut text = escape(&plain);
    while units(&text) > MOST_FALLBACK {
        plain = fit(&plain, units(&plain) * 3 / 4);
        text = escape(&plain);
    }
    if text.trim().is_empty() {
        "…".to_owned()
    } else {
        text
    }
}

fn blocks(message: &Message, mark: &str) -> Vec<SlackBlock> {
    let mut words = Budget(MOST_WORDS);
    let (mut texts, mut rows) = (Vec::new(), Vec::new());
    let mut used = HashMap::new();
    for (at, part) in message.parts.iter().enumerate() {
        match part {
            Part::Heading(spans) => texts.extend(section(spans, true, &mut words).map(|block| (at, block))),
            Part::Line(spans) => texts.extend(section(spans, false, &mut words).map(|block| (at, block))),
            Part::Small(spans) => texts.extend(small(spans, &mut words).map(|block| (at, block))),
            Part::Quote(text) => texts.extend(quote(text, &mut words).map(|block| (at, block))),
            Part::Fields(fields) => texts.extend(table(fields, &mut words).map(|block| (at, block))),
            Part::Buttons(buttons) => {
                for row in buttons.chunks(MOST_BUTTONS) {
                    let row = row.iter().map(|button| shape(button, &mut used)).collect();
                    rows.push((at, SlackBlock::Actions(SlackActionsBlock::new(row))));
                }
            }
        }
    }
    // Buttons are what people need; a message that is too long loses text first.
    rows.truncate(MOST_BLOCKS - 1);
    let room = MOST_BLOCKS - rows.len();
    if texts.len() > room {
        texts.truncate(room.saturating_sub(1));
        let last = rich(SlackRichTextElement::Section("…".into()));
        texts.push((texts.last().map_or(0, |(at, _)| *at), last));
    }
    let mut all: Vec<_> = texts.into_iter().chain(rows).collect();
    all.sort_by_key(|(at, _)| *at);
    let all = all.into_iter().map(|(_, block)| block).enumerate();
    all.map(|(at, block)| named(block, format!("{mark}:{at}")))
        .collect()
}

fn named(block: SlackBlock, id: String) -> SlackBlock {
    let id = Some(id.into());
    match block {
        SlackBlock::RichText(block) => SlackBlock::RichText(block.opt_block_id(id)),
        SlackBlock::Context(block) => SlackBlock::Context(block.opt_block_id(id)),
        SlackBlock::Actions(block) => SlackBlock::Actions(block.opt_block_id(id)),
        // The others are not made here.
        other => other,
    }
}

/// How many more characters a message may have.
struct Budget(usize);

impl Budget {
    /// As much of the text as one element and the whole message may have.
    fn take(&mut self, text: &str, most: usize) -> String {
        let text = fit(text, most.min(self.0));
        self.0 = self.0.saturating_sub(units(&text));
        text
    }
}

fn rich(element: SlackRichTextElement) -> SlackBlock {
    SlackBlock::RichText(SlackRichTextBlock::new(vec![element]))
}

fn section(spans: &[Span], bold: bool, words: &mut Budget) -> Option<SlackBlock> {
    let elements = inline(spans, bold, words);
    (!elements.is_empty()).then(|| rich(SlackRichTextElement::Section(SlackRichTextSection::new(elements))))
}

fn quote(text: &str, words: &mut Budget) -> Option<SlackBlock> {
    let text = words.take(&inert(text), MOST_TEXT);
    let quote = || SlackRichTextQuote::new(vec![text.clone().into()]);
    (!text.is_empty()).then(|| rich(SlackRichTextElement::Quote(quote())))
}

/// Pale only as `plain_text`; with a link or a mention the line becomes an ordinary one.
fn small(spans: &[Span], words: &mut Budget) -> Option<SlackBlock> {
    let literal = spans.iter().all(|span| match span {
        Span::Text(_) | Span::Strong(_) | Span::Code(_) => true,
        Span::Link { .. } | Span::Until { .. } => false,
        Span::Person { ping, .. } => ping.is_none(),
    });
    if !literal {
        return section(spans, false, words);
    }
    let plain = Message::default().with(Part::Small(spans.to_vec())).plain();
    let text = words.take(&plain, MOST_SMALL);
    let element = SlackContextBlockElement::Plain(SlackBlockPlainText::new(text.clone()).with_emoji(false));
    (!text.is_empty()).then(|| SlackBlock::Context(SlackContextBlock::new(vec![element])))
}

fn table(fields: &[(String, Vec<Span>)], words: &mut Budget) -> Option<SlackBlock> {
    let mut elements = Vec::new();
    for (name, value) in fields {
        if !elements.is_empty() {
            elements.push("   ·   ".into());
        }
        elements.extend(literal(&format!("{name}: "), words, SlackRichTextText::bold));
        elements.extend(inline(value, false, words));
    }
    (!elements.is_empty()).then(|| rich(SlackRichTextElement::Section(SlackRichTextSection::new(elements))))
}

fn inline(spans: &[Span], bold: bool, words: &mut Budget) -> Vec<SlackRichTextInlineElement> {
    let strong = |text: SlackRichTextText| if bold { text.bold() } else { text };
    let mut out = Vec::new();
    for span in spans {
        match span {
            Span::Text(text) => out.extend(literal(text, words, strong)),
            Span::Strong(text) => out.extend(literal(text, words, SlackRichTextText::bold)),
            Span::Code(text) => out.extend(literal(text, words, |text| strong(text.code()))),
            Span::Link { label, url } => out.extend(link(label, url, bold, words)),
            Span::Person { name, ping } => match ping.as_deref().filter(|id| is_user(id)) {
                Some(id) => out.push(SlackRichTextUser::new(id.to_owned().into()).into()),
                None => out.extend(literal(name, words, SlackRichTextText::bold)),
            },
            Span::Until { at } => out.push(until(*at, words)),
        }
    }
    out
}

fn literal(
    text: &str,
    words: &mut Budget,
    look: impl Fn(SlackRichTextText) -> SlackRichTextText,
) -> Option<SlackRichTextInlineElement> {
    let text = words.take(&inert(text), MOST_TEXT);
    (!text.is_empty()).then(|| look(SlackRichTextText::new(text)).into())
}

fn link(label: &str, url: &str, bold: bool, words: &mut Budget) -> Option<SlackRichTextInlineElement> {
    let sound = url::Url::parse(url)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .filter(|url| url.as_str().len() <= MOST_URL);
    let Some(url) = sound else {
        return literal(label, words, |text| if bold { text.bold() } else { text });
    };
    let label = if label.trim().is_empty() {
        url.host_str().unwrap_or("link")
    } else {
        label
    };
    let label = words.take(&inert(label), MOST_TEXT);
    let link = SlackRichTextLink::new(SlackRelaxedUrl(url.to_string()));
    let link = if label.is_empty() {
        link
    } else {
        link.with_text(label)
    };
    Some(if bold {
        link.with_style(SlackRichTextStyle::new().with_bold(true)).into()
    } else {
        link.into()
    })
}

/// Relative where the reader's Slack draws it, with the reader's own time to the second: Slack does
/// not count down by itself. Written as JSON: the model has a time of another crate in it.
/// <https://docs.slack.dev/reference/block-kit/block-elements/date-element>
fn until(at: Instant, words: &mut Budget) -> SlackRichTextInlineElement {
    SlackRichTextInlineElement::Unknown(json!({
        "type": "date",
        "timestamp": at.timestamp(),
        "format": "{ago} ({time_secs})",
        "fallback": words.take(&moment(at), MOST_TEXT),
    }))
}

/// Ids of people begin with `U`, those of a foreign workspace's also with `W`.
fn is_user(id: &str) -> bool {
    id.starts_with(['U', 'W']) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// A button. Its action id begins with the verb and is the only one of its name in the message.
fn shape(button: &Button, used: &mut HashMap<String, u32>) -> SlackActionBlockElement {
    let verb = match &button.press {
        Press::Command { line, .. } => line.split_whitespace().next().unwrap_or("do").to_owned(),
        Press::Ask { verb, .. } => verb.clone(),
        Press::Reply { verb, .. } => format!("reply-{}", verb.word()),
    };
    let count = used.entry(verb.clone()).or_default();
    *count += 1;
    let id = if *count == 1 {
        verb
    } else {
        format!("{verb}-{count}")
    };
    let label = fit(&one_line(&button.label, MOST_LABEL), MOST_LABEL);
    let text = SlackBlockPlainText::new(label).with_emoji(false);
    let shaped = SlackBlockButtonElement::new(text.into())
        .with_action_id(id.into())
        .with_value(fit(&button.press.to_string(), MOST_VALUE));
    SlackActionBlockElement::Button(match button.style {
        Style::Plain => shaped,
        Style::Primary => shaped.with_style(SlackBlockButtonStyle::Primary),
        Style::Danger => shaped.with_style(SlackBlockButtonStyle::Danger),
    })
}

/// Slack counts as JavaScript does.
fn units(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.encode_utf16().count()
    }
}

/// At most so many characters, cut between graphemes, the cut marked with `…`.
pub(super) fn fit(text: &str, most: usize) -> String {
    if units(text) <= most {
        return text.to_owned();
    }
    let (mut out, mut length) = (String::new(), 0);
    for grapheme in text.graphemes(true) {
        length += units(grapheme);
        if length + 1 > most {
            break;
        }
        out.push_str(grapheme);
    }
    let kept = out.trim_end().len();
    out.truncate(kept);
    if most > 0 {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::CaseNumber;
    use proptest::prelude::*;
    use serde_json::Value;

    const HOSTILE: &str =
        "<!channel> <!here> <@U1> <https://evil.example|bank> *b* _i_ `c` @here &lt;!here&gt; \u{202E}x";

    fn blocks_of(message: &Message) -> Value {
        serde_json::to_value(blocks(message, "m")).unwrap()
    }

    fn button(line: &str) -> Button {
        Button {
            label: line.to_owned(),
            press: Press::Command {
                case: CaseNumber(7),
                line: line.to_owned(),
            },
            style: Style::Primary,
        }
    }

    #[test]
    fn strangers_words_stay_literal() {
        let message = Message::default()
            .with(Part::Heading(vec![Span::Text(HOSTILE.to_owned())]))
            .with(Part::Quote(HOSTILE.to_owned()))
            .with(Part::Small(vec![Span::Text(HOSTILE.to_owned())]));
        let text =
            "<!channel> <!here> <@U1> <https://evil.example|bank> *b* _i_ `c` @here &lt;!here&gt; ⟦U+202E⟧x";
        assert_eq!(
            blocks_of(&message),
            json!([
                {"type": "rich_text", "block_id": "m:0", "elements": [{"type": "rich_text_section",
                    "elements": [{"type": "text", "text": text, "style": {"bold": true}}]}]},
                {"type": "rich_text", "block_id": "m:1", "elements": [{"type": "rich_text_quote",
                    "elements": [{"type": "text", "text": text}]}]},
                {"type": "context", "block_id": "m:2",
                    "elements": [{"type": "plain_text", "text": text, "emoji": false}]},
            ])
        );
        let fallback = fallback(&message);
        assert!(!fallback.contains(['<', '\u{202E}']), "{fallback}");
        assert!(fallback.contains("&lt;!channel&gt;") && fallback.contains("&amp;lt;!here&amp;gt;"));
    }

    #[test]
    fn our_own_spans_come_alive() {
        let message = Message::default()
            .with(Part::Line(vec![
                Span::Person {
                    name: "Ada".to_owned(),
                    ping: Some("U0A".to_owned()),
                },
                Span::Person {
                    name: "Bo".to_owned(),
                    ping: Some("!channel".to_owned()),
                },
                Span::Code("reply 7 …".to_owned()),
                Span::Link {
                    label: "the post".to_owned(),
                    url: "https://net.example/1".to_owned(),
                },
                Span::Link {
                    label: "click".to_owned(),
                    url: "javascript:alert(1)".to_owned(),
                },
            ]))
            .with(Part::Fields(vec![
                ("Status".to_owned(), vec![Span::Text("new".to_owned())]),
                ("Owner".to_owned(), vec![Span::Text("nobody".to_owned())]),
            ]))
            .with(Part::Buttons(vec![
                button("claim"),
                button("claim"),
                button("resolve done"),
            ]));
        assert_eq!(
            blocks_of(&message),
            json!([
                {"type": "rich_text", "block_id": "m:0", "elements": [{"type": "rich_text_section", "elements": [
                    {"type": "user", "user_id": "U0A"},
                    {"type": "text", "text": "Bo", "style": {"bold": true}},
                    {"type": "text", "text": "reply 7 …", "style": {"code": true}},
                    {"type": "link", "url": "https://net.example/1", "text": "the post"},
                    {"type": "text", "text": "click"},
                ]}]},
                {"type": "rich_text", "block_id": "m:1", "elements": [{"type": "rich_text_section", "elements": [
                    {"type": "text", "text": "Status: ", "style": {"bold": true}},
                    {"type": "text", "text": "new"},
                    {"type": "text", "text": "   ·   "},
                    {"type": "text", "text": "Owner: ", "style": {"bold": true}},
                    {"type": "text", "text": "nobody"},
                ]}]},
                {"type": "actions", "block_id": "m:2", "elements": [
                    {"type": "button", "action_id": "claim", "value": "do:7:claim", "style": "primary",
                        "text": {"type": "plain_text", "text": "claim", "emoji": false}},
                    {"type": "button", "action_id": "claim-2", "value": "do:7:claim", "style": "primary",
                        "text": {"type": "plain_text", "text": "claim", "emoji": false}},
                    {"type": "button", "action_id": "resolve", "value": "do:7:resolve done", "style": "primary",
                        "text": {"type": "plain_text", "text": "resolve done", "emoji": false}},
                ]},
            ])
        );
    }

    #[test]
    fn an_awaited_moment_is_told_in_the_readers_time() {
        let at = chrono::DateTime::from_timestamp(1_800_000_009, 0).unwrap();
        let message = Message::default().with(Part::Small(vec![
            Span::Text("Is published ".to_owned()),
            Span::Until { at },
        ]));
        let fallback = "at 2027-01-15 08:00:09 UTC";
        assert_eq!(
            blocks_of(&message),
            json!([{"type": "rich_text", "block_id": "m:0", "elements": [{"type": "rich_text_section", "elements": [
                {"type": "text", "text": "Is published "},
                {"type": "date", "timestamp": 1_800_000_009, "format": "{ago} ({time_secs})", "fallback": fallback},
            ]}]}])
        );
        assert_eq!(super::fallback(&message), format!("Is published {fallback}"));
    }

    #[test]
    fn a_long_message_keeps_its_buttons() {
        let mut message = Message::default();
        for at in 0..200 {
            message = message.with(Part::Line(vec![Span::Text(format!("line {at}"))]));
        }
        message = message.with(Part::Buttons(
            (0..12).map(|at| button(&format!("v{at}"))).collect(),
        ));
        let blocks = blocks(&message, "m");
        assert_eq!(blocks.len(), MOST_BLOCKS);
        let rows = blocks
            .iter()
            .filter(|block| matches!(block, SlackBlock::Actions(_)));
        assert_eq!(rows.count(), 3);
    }

    #[test]
    fn an_empty_message_still_has_a_text() {
        assert_eq!(fallback(&Message::default()), "…");
        assert_eq!(
            blocks_of(&Message::default().with(Part::Quote(String::new()))),
            json!([])
        );
    }

    #[test]
    fn cuts_between_graphemes() {
        assert_eq!(fit("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", 15), "👩‍👩‍👧‍👦…");
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("abcd", 0), "");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn limits_hold(texts in prop::collection::vec("[a-z<&\u{1F600}\u{0300}\n]{0,6000}", 0..8)) {
            let mut message = Message::default();
            for text in texts {
                message = message.with(Part::Quote(text.clone())).with(Part::Line(vec![Span::Text(text)]));
            }
            let mut sum = 0;
            for block in blocks(&message, "m") {
                if let SlackBlock::RichText(block) = block {
                    let json = serde_json::to_value(&block).unwrap();
                    let text = json.pointer("/elements/0/elements/0/text").unwrap().as_str().unwrap();
                    prop_assert!(!text.is_empty() && units(text) <= MOST_TEXT);
                    sum += units(text);
                }
            }
            prop_assert!(sum <= MOST_WORDS + 2);
            prop_assert!(units(&fallback(&message)) <= MOST_FALLBACK);
        }
    }
}
