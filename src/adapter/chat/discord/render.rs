//! Messages and cards as Discord shows them.
//!
//! A card is an embed: its title, words and fields are set apart from what people write, nothing in
//! it unfurls or pings. Any other message is plain content with previews suppressed, or an embed when
//! it is too long for that. Limits: <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>

use super::escape::{escape_within, length, plain_within};
use super::words::{Links, body, line, natural_length};
use crate::domain::{Button, Card, Form, Message, Part, Span, Style};
use serde_json::{Value, json};
use serenity::all::{
    ButtonStyle, CreateActionRow, CreateAllowedMentions, CreateButton, CreateEmbed, CreateEmbedFooter,
    CreateInputText, CreateModal, InputTextStyle, UserId,
};
use std::collections::HashSet;
use std::num::NonZeroU64;

/// The most units of a message's content.
pub(super) const CONTENT: usize = 2000;
/// The most units of an embed's description.
const DESCRIPTION: usize = 4096;
/// The most units of all texts of a message's embeds.
const EMBED: usize = 6000;
/// The most units of an embed's title.
const TITLE: usize = 256;
/// The most fields of an embed, and the most units of their names and values.
pub(super) const FIELDS: (usize, usize, usize) = (25, 256, 1024);
/// The most units of a thread's name.
const THREAD_NAME: usize = 100;
/// The most buttons: five rows of five.
const BUTTONS: usize = 25;
/// The most units of a button's label, and of what it carries.
const BUTTON: (usize, usize) = (80, 100);
/// The most characters of a text field.
/// <https://discord.com/developers/docs/components/reference#text-input-text-input-structure>
const MOST_INPUT: u16 = 4000;
/// Previews of links are not made.
const SUPPRESS_EMBEDS: u64 = 1 << 2;
/// Only the person who acted sees it.
const EPHEMERAL: u64 = 1 << 6;
/// Stands between our own small line and the stamp.
const JOINT: &str = " · ";
/// Separates what a button does from the stamp of the delivery that drew it.
const SEAM: char = '|';

/// A thread's name.
pub(super) fn title(card: &Card) -> String {
    let name = plain_within(&card.title, THREAD_NAME);
    if name.is_empty() { "Case".to_owned() } else { name }
}

/// The body of a call that posts or edits a card. `stamp` marks the delivery, so that it can be found.
pub(super) fn card(card: &Card, stamp: &str) -> Value {
    sheet(&card.message, stamp, Shape::Embed(colour(&card.status)))
}

/// The body of a call that posts or edits a message.
pub(super) fn message(message: &Message, stamp: &str) -> Value {
    sheet(message, stamp, Shape::Content)
}

/// The body of an answer that only one person sees.
pub(super) fn whisper(message: &Message) -> Value {
    let mut body = sheet(message, "", Shape::Content);
    body["flags"] = json!(body["flags"].as_u64().unwrap_or_default() | EPHEMERAL);
    if body["content"] == "" && body["embeds"] == json!([]) {
        body["content"] = json!("Done.");
    }
    body
}

/// What a button carries, without the stamp.
pub(super) fn press_of(custom_id: &str) -> &str {
    custom_id.rsplit_once(SEAM).map_or(custom_id, |(press, _)| press)
}

/// Whether a message, as the REST API gives it, carries this stamp.
pub(super) fn carries(message: &Value, stamp: &str) -> bool {
    let footer = |embed: &Value| embed["footer"]["text"].as_str() == Some(stamp);
    let button = |button: &Value| {
        button["custom_id"]
            .as_str()
            .and_then(|id| id.rsplit_once(SEAM))
            .is_some_and(|(_, mark)| mark == stamp)
    };
    let rows = message["components"].as_array().into_iter().flatten();
    let small = message["content"]
        .as_str()
        .and_then(|content| content.lines().last()?.strip_prefix("-# "));
    small
        .is_some_and(|line| line == stamp || line.strip_suffix(stamp).is_some_and(|own| own.ends_with(JOINT)))
        || message["embeds"].as_array().into_iter().flatten().any(footer)
        || rows
            .flat_map(|row| row["components"].as_array().into_iter().flatten())
            .any(button)
}

/// A modal with one text field. Rows with text fields parse everywhere, newer labels do not.
pub(super) fn modal(form: &Form) -> Value {
    let label = plain_within(&form.label, 45);
    let field = CreateInputText::new(InputTextStyle::Paragraph, label, "text")
        .placeholder(plain_within(&form.hint, 100))
        .max_length(form.max.clamp(1, MOST_INPUT))
        .required(!form.optional);
    let field = match form.prefill(MOST_INPUT.into()) {
        Some(value) => field.value(value),
        None => field,
    };
    let about = form.reply.map_or_else(String::new, |reply| format!(":{reply}"));
    let id = format!("form:{}:{}{about}", form.case.0, form.verb);
    let modal = CreateModal::new(id, plain_within(&form.title, 45))
        .components(vec![CreateActionRow::InputText(field)]);
    serde_json::to_value(modal).unwrap_or_default()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Embed(u32),
    Content,
}

fn sheet(message: &Message, stamp: &str, shape: Shape) -> Value {
    let rows = rows(message, stamp);
    let pings = pings(message);
    // A button carries the stamp; without one it stands small below the words.
    let mark = if rows.is_empty() { stamp } else { "" };
    let room = CONTENT - if mark.is_empty() { 0 } else { length(mark) + 4 };
    let fits = natural_length(&message.parts) <= room;
    let (content, embed) = match shape {
        Shape::Content if fits => {
            let mut content = body(&message.parts, room);
            if !mark.is_empty() {
                let small = content.lines().last().is_some_and(|line| line.starts_with("-# "));
                let joint = if small { JOINT } else { "\n-# " };
                content.push_str(&format!("{joint}{mark}"));
            }
            (content, None)
        }
        Shape::Content => (mention_line(&pings), Some(embed(&message.parts, mark, None))),
        Shape::Embed(colour) => (
            mention_line(&pings),
            Some(embed(&message.parts, mark, Some(colour))),
        ),
    };
    // The flag would hide our own embed too; what stands in an embed never unfurls.
    let flags = if embed.is_none() { SUPPRESS_EMBEDS } else { 0 };
    let users = pings.iter().copied().map(UserId::from);
    json!({
        "content": content,
        "embeds": embed.into_iter().collect::<Vec<_>>(),
        "components": rows,
        "allowed_mentions": CreateAllowedMentions::new().users(users.collect::<Vec<_>>()),
        "flags": flags,
    })
}

/// Mentions in an embed ping nobody, so those to be pinged stand above it.
fn mention_line(pings: &[NonZeroU64]) -> String {
    pings
        .iter()
        .map(|id| format!("<@{id}>"))
        .collect::<Vec<_>>()
        .join(" ")
}

fn colour(status: &str) -> u32 {
    match status {
        "new" => 0x00E0_5D44,
        "claimed" => 0x003B_82F6,
        "escalated" => 0x00F5_9E0B,
        "answered" => 0x0014_B8A6,
        "resolved" => 0x0022_C55E,
        _ => 0x0094_A3B8,
    }
}

fn embed(parts: &[Part], mark: &str, colour: Option<u32>) -> CreateEmbed {
    let mut embed = CreateEmbed::new();
    let mut left = EMBED - length(mark);
    let mut rest = parts;
    if let Some((Part::Heading(spans), after)) = parts.split_first() {
        let title = line(spans, Links::Dead, TITLE);
        left -= length(&title);
        embed = embed.title(title);
        rest = after;
    }
    let all = rest.iter().filter_map(|part| match part {
        Part::Fields(fields) => Some(fields),
        Part::Heading(_) | Part::Line(_) | Part::Small(_) | Part::Quote(_) | Part::Buttons(_) => None,
    });
    for (count, (name, value)) in all.flatten().enumerate() {
        let name = non_empty(escape_within(&plain_within(name, FIELDS.1), FIELDS.1));
        let value = non_empty(line(value, Links::Live, FIELDS.2));
        let size = length(&name) + length(&value);
        if count == FIELDS.0 || size > left {
            break;
        }
        left -= size;
        embed = embed.field(name, value, true);
    }
    let words: Vec<_> = rest
        .iter()
        .filter(|part| !matches!(part, Part::Fields(_)))
        .cloned()
        .collect();
    let text = body(&words, left.min(DESCRIPTION));
    if !text.is_empty() {
        embed = embed.description(text);
    }
    if !mark.is_empty() {
        embed = embed.footer(CreateEmbedFooter::new(mark));
    }
    match colour {
        Some(colour) => embed.colour(colour),
        None => embed,
    }
}

/// Discord refuses empty fields.
fn non_empty(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}

/// The rows of buttons. Two that do the same would be refused; so would a sixth row.
fn rows(message: &Message, stamp: &str) -> Vec<CreateActionRow> {
    let mut seen = HashSet::new();
    let mut left = BUTTONS;
    let mut rows = Vec::new();
    for part in &message.parts {
        let Part::Buttons(buttons) = part else { continue };
        let drawn: Vec<_> = buttons
            .iter()
            .filter_map(|button| draw(button, stamp, &mut seen))
            .take(left)
            .collect();
        left -= drawn.len();
        rows.extend(drawn.chunks(5).map(|row| CreateActionRow::Buttons(row.to_vec())));
    }
    rows.truncate(5);
    rows
}

fn draw(button: &Button, stamp: &str, seen: &mut HashSet<String>) -> Option<CreateButton> {
    let press = button.press.to_string();
    let id = format!("{press}{SEAM}{stamp}");
    if length(&id) > BUTTON.1 || !seen.insert(press) {
        return None;
    }
    let style = match button.style {
        Style::Plain => ButtonStyle::Secondary,
        Style::Primary => ButtonStyle::Primary,
        Style::Danger => ButtonStyle::Danger,
    };
    let label = non_empty(plain_within(&button.label, BUTTON.0));
    Some(CreateButton::new(id).label(label).style(style))
}

/// Who is to be pinged: exactly these.
fn pings(message: &Message) -> Vec<NonZeroU64> {
    let mut ids = Vec::new();
    let spans = message.parts.iter().flat_map(|part| match part {
        Part::Heading(spans) | Part::Line(spans) | Part::Small(spans) => spans.iter().collect::<Vec<_>>(),
        Part::Fields(fields) => fields.iter().flat_map(|(_, value)| value).collect(),
        Part::Quote(_) | Part::Buttons(_) => Vec::new(),
    });
    for span in spans {
        if let Span::Person { ping: Some(ping), .. } = span
            && let Some(id) = user(ping)
            && !ids.contains(&id)
            && ids.len() < 100
        {
            ids.push(id);
        }
    }
    ids
}

/// A person's id, if it is one that can be pinged.
pub(super) fn user(id: &str) -> Option<NonZeroU64> {
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CaseNumber, Press};
    use proptest::prelude::*;

    fn claim() -> Part {
        let press = Press::Command {
            case: CaseNumber(12),
            line: "claim".to_owned(),
        };
        let label = "Claim".to_owned();
        let style = Style::Primary;
        Part::Buttons(vec![Button { label, press, style }])
    }

    fn text(text: &str) -> Vec<Span> {
        vec![Span::Text(text.to_owned())]
    }

    #[test]
    fn a_card_is_an_embed_whose_button_carries_the_stamp() {
        let case = Card {
            title: "#12 · ann: It *broke*".to_owned(),
            status: "new".to_owned(),
            message: Message::default()
                .with(Part::Heading(text("#12 · @ann on fedi")))
                .with(Part::Quote("It broke!\n\n\n@everyone look".to_owned()))
                .with(Part::Line(vec![Span::Link {
                    label: "Open the post".to_owned(),
                    url: "https://m.example/1".to_owned(),
                }]))
                .with(Part::Fields(vec![("Status".to_owned(), text("new"))]))
                .with(claim()),
        };
        let body = card(&case, "0011");
        let embed = &body["embeds"][0];
        insta::assert_snapshot!(embed["title"].as_str().unwrap(), @r"\#12 · \@ann on fedi");
        insta::assert_snapshot!(embed["description"].as_str().unwrap(), @r"
        > It broke!
        > 
        > \@everyone look
        [Open the post](<https://m.example/1>)
        ");
        assert_eq!(embed["fields"][0]["value"], "new");
        let button = &body["components"][0]["components"][0];
        assert_eq!(button["custom_id"], "do:12:claim|0011");
        assert_eq!(press_of("do:12:claim|0011"), "do:12:claim");
        assert_eq!(body["allowed_mentions"]["parse"], json!([]));
        assert_eq!(body["content"], "");
        assert!(carries(&body, "0011"));
        assert!(!carries(&body, "0012"));
        assert_eq!(title(&case), "#12 · ann: It *broke*");
    }

    #[test]
    fn only_the_people_named_are_pinged() {
        let person = |ping: Option<&str>| Span::Person {
            name: "Grace".to_owned(),
            ping: ping.map(str::to_owned),
        };
        let message_of = |ping| {
            Message::default().with(Part::Line(vec![
                person(ping),
                Span::Text(" <@8> @here".to_owned()),
            ]))
        };
        let body = message(&message_of(Some("7")), "ab");
        assert_eq!(body["content"], "<@7> \\<\\@8\\> \\@here\n-# ab");
        assert_eq!(body["allowed_mentions"]["users"], json!(["7"]));
        assert_eq!(body["flags"], 4);
        assert!(carries(&body, "ab"));
        let body = message(&message_of(None), "ab");
        assert_eq!(body["allowed_mentions"]["users"], json!([]));
        assert_eq!(body["content"], "**Grace** \\<\\@8\\> \\@here\n-# ab");
        let body = message(&message_of(Some("0")), "ab");
        assert_eq!(body["allowed_mentions"]["users"], json!([]));
    }

    #[test]
    fn a_long_text_becomes_an_embed_and_nobody_loses_a_ping() {
        let long = Message::default()
            .with(Part::Line(vec![Span::Person {
                name: "Grace".to_owned(),
                ping: Some("7".to_owned()),
            }]))
            .with(Part::Quote("word ".repeat(600)));
        let body = message(&long, "ab");
        assert_eq!(body["content"], "<@7>");
        assert_eq!(body["flags"], 0);
        let description = body["embeds"][0]["description"].as_str().unwrap();
        assert_eq!(description.matches("word").count(), 600);
        assert!(carries(&body, "ab"));
    }

    #[test]
    fn buttons_that_do_the_same_are_drawn_once() {
        let body = message(&Message::line("x").with(claim()).with(claim()), "");
        assert_eq!(body["components"].as_array().unwrap().len(), 1);
        assert_eq!(
            body["components"][0]["components"][0]["custom_id"],
            "do:12:claim|"
        );
    }

    #[test]
    fn a_form_is_a_modal_of_one_field() {
        let form = Form {
            case: CaseNumber(12),
            verb: "reply".to_owned(),
            title: "Reply to #12".to_owned(),
            label: "What is published".to_owned(),
            hint: "Word for word".to_owned(),
            submit: "Send".to_owned(),
            max: 500,
            optional: false,
            value: String::new(),
            reply: None,
        };
        let modal = super::modal(&form);
        assert_eq!(modal["custom_id"], "form:12:reply");
        let field = &modal["components"][0]["components"][0];
        assert_eq!(
            (&field["custom_id"], &field["max_length"]),
            (&json!("text"), &json!(500))
        );
        assert_eq!(field["required"], true);
        assert!(field.get("value").is_none());

        let edit = |value: &str| {
            let value = value.to_owned();
            super::modal(&Form {
                value,
                reply: Some(31),
                max: 3000,
                ..form.clone()
            })
        };
        let words = "Dear @everyone,\n *thanks*";
        assert_eq!(edit(words)["custom_id"], "form:12:reply:31");
        assert_eq!(edit(words)["components"][0]["components"][0]["value"], words);
        let long = edit(&"x".repeat(3001));
        assert!(long["components"][0]["components"][0].get("value").is_none());
    }

    #[test]
    fn an_awaited_moment_counts_down_but_not_in_a_title() {
        let at = chrono::DateTime::from_timestamp(1_800_000_009, 0).unwrap();
        let line = vec![Span::Text("Is published ".to_owned()), Span::Until { at }];
        let body = message(&Message::default().with(Part::Small(line.clone())), "ab");
        assert_eq!(body["content"], "-# Is published <t:1800000009:R> · ab");
        let case = Card {
            title: "t".to_owned(),
            status: "new".to_owned(),
            message: Message::default().with(Part::Heading(line)),
        };
        let title = card(&case, "ab")["embeds"][0]["title"].clone();
        assert_eq!(title, "Is published at 2027\\-01\\-15 08\\:00\\:09 UTC");
    }

    fn span() -> impl Strategy<Value = Span> {
        let hostile = "\\PC{0,400}|[*_`~|<>@#\\[\\]():/ a\n]{0,600}";
        prop_oneof![
            hostile.prop_map(Span::Text),
            hostile.prop_map(Span::Strong),
            hostile.prop_map(Span::Code),
            (hostile, "https://[a-z]{1,9}\\.example/[a-z()<>]{0,40}")
                .prop_map(|(label, url)| Span::Link { label, url }),
            (hostile, proptest::option::of("[0-9]{1,3}"))
                .prop_map(|(name, ping)| Span::Person { name, ping }),
            (0i64..4_000_000_000).prop_map(|second| Span::Until {
                at: chrono::DateTime::from_timestamp(second, 0).unwrap()
            }),
        ]
    }

    fn part() -> impl Strategy<Value = Part> {
        let spans = || proptest::collection::vec(span(), 0..5);
        prop_oneof![
            spans().prop_map(Part::Heading),
            spans().prop_map(Part::Line),
            spans().prop_map(Part::Small),
            "(\\PC|\n|[*_<>@]){0,3000}".prop_map(Part::Quote),
            proptest::collection::vec(("\\PC{0,300}", spans()), 0..30).prop_map(Part::Fields),
            proptest::collection::vec(("\\PC{0,99}", 0i64..40), 0..30).prop_map(|buttons| {
                Part::Buttons(
                    buttons
                        .into_iter()
                        .map(|(label, n)| Button {
                            label,
                            press: Press::Ask {
                                case: CaseNumber(n),
                                verb: "reply".to_owned(),
                            },
                            style: Style::Plain,
                        })
                        .collect(),
                )
            }),
        ]
    }

    fn check(body: &Value) {
        let size = |value: &Value| value.as_str().map_or(0, length);
        assert!(size(&body["content"]) <= CONTENT);
        let mut sum = 0;
        for embed in body["embeds"].as_array().unwrap() {
            let fields = embed["fields"].as_array().cloned().unwrap_or_default();
            assert!(size(&embed["title"]) <= TITLE && size(&embed["description"]) <= DESCRIPTION);
            assert!(fields.len() <= 25);
            sum += size(&embed["title"]) + size(&embed["description"]) + size(&embed["footer"]["text"]);
            for field in &fields {
                assert!((1..=FIELDS.1).contains(&size(&field["name"])));
                assert!((1..=FIELDS.2).contains(&size(&field["value"])));
                sum += size(&field["name"]) + size(&field["value"]);
            }
        }
        assert!(sum <= EMBED, "{sum}");
        let rows = body["components"].as_array().unwrap();
        assert!(rows.len() <= 5);
        for row in rows {
            let buttons = row["components"].as_array().unwrap();
            assert!((1..=5).contains(&buttons.len()));
            for button in buttons {
                assert!((1..=80).contains(&size(&button["label"])) && size(&button["custom_id"]) <= 100);
            }
        }
        assert_eq!(body["allowed_mentions"]["parse"], json!([]));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(96))]

        #[test]
        fn limits_hold_whatever_is_said(parts in proptest::collection::vec(part(), 0..8)) {
            let message_of = Message { parts };
            let stamp = "0123456789abcdef";
            for body in [message(&message_of, stamp), whisper(&message_of)] {
                check(&body);
            }
            prop_assert!(carries(&message(&message_of, stamp), stamp));
            let on_card = Card { title: "t".to_owned(), status: "new".to_owned(), message: message_of };
            check(&card(&on_card, stamp));
            prop_assert!(carries(&card(&on_card, stamp), stamp));
        }

        #[test]
        fn words_of_strangers_stay_words(words in "[*_`~|<>@#\\[\\]():/ a\n0-9.-]{0,300}") {
            let quoted = message(&Message::default().with(Part::Quote(words.clone())), "");
            for line in quoted["content"].as_str().unwrap().lines() {
                let line = line.strip_prefix("> ").unwrap_or(line);
                prop_assert!(super::super::escape::is_literal(line), "{line}");
            }
            let said = message(&Message::line(words), "");
            prop_assert!(super::super::escape::is_literal(said["content"].as_str().unwrap()));
        }
    }
}
