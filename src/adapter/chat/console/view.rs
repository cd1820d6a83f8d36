//! How the console looks: neutral messages as HTML. Everything is escaped by construction; words
//! are isolated, so that none can turn the reading direction of what stands around them.

use super::Seat;
use crate::adapter::html::{avatar, time};
use crate::app::{BoardEntry, Entry, NoticeEntry, ThreadView};
use crate::command::{VerbSpec, schema};
use crate::domain::message::{inert, moment};
use crate::domain::{
    Button, By, Card, CaseNumber, EventId, Form, Instant, Media, Message, Notice, Part, Press, Span, Status,
    Style,
};
use crate::port::Attachments;
use maud::{Markup, html};

/// The most attachments of a post that are shown.
const MOST_ATTACHED: usize = 10;

/// The part of the page that stays; board and thread are fetched into it.
pub(super) fn frame(seats: &[&Seat]) -> Markup {
    html! {
        section.pane.console #console aria-labelledby="console-title" {
            header.pane-head {
                div.pane-name {
                    span.pane-mark.mark-console aria-hidden="true" { "#" }
                    div {
                        h2 #console-title { "Team chat" }
                        p.pane-sub { "The inside. Nothing leaves it but what you " code { "reply" } "." }
                    }
                }
                label.seat {
                    span { "You are" }
                    select #seat name="by" {
                        @for seat in seats {
                            option value=(seat.user) { (seat.name) @if !seat.title.is_empty() { " (" (seat.title) ")" } }
                        }
                    }
                }
            }
            div.console-body {
                nav.board aria-label="Cases" {
                    div #board data-live="/console/board" data-events="/console/events" aria-busy="true" {
                        div.ghosts aria-hidden="true" { div.ghost.slim {} div.ghost.slim {} div.ghost.slim {} }
                    }
                }
                div.thread-side {
                    div #thread.thread-scroll tabindex="-1" role="log" aria-label="Thread" aria-live="polite" {
                        (nothing_open())
                    }
                    div #answer.answer hidden role="status" aria-live="polite" {
                        div.answer-head {
                            span.answer-who { "Hearback" }
                            span.answer-note { "only you can see this" }
                            button.quiet type="button" #answer-close aria-label="Dismiss" { "×" }
                        }
                        div #answer-body {}
                    }
                    (command_line())
                }
            }
            dialog #ask aria-labelledby="ask-title" {}
        }
    }
}

fn command_line() -> Markup {
    html! {
        form.command #say method="post" action="/console/say" autocomplete="off" {
            ul #verbs.verbs hidden role="listbox" aria-label="Commands" {
                @for verb in schema() { (verb_option(&verb)) }
            }
            div.command-row {
                span.command-case #say-case hidden {}
                textarea #line name="line" rows="1" maxlength="3200" role="combobox" aria-expanded="false"
                    aria-controls="verbs" aria-autocomplete="list" aria-label="Command" spellcheck="false"
                    placeholder="/claim 1   ·   /reply 1 We are on it…" {}
                button.primary type="submit" aria-label="Give the command" { (icon_send()) }
            }
        }
    }
}

fn verb_option(verb: &VerbSpec) -> Markup {
    let usage = verb
        .options
        .iter()
        .filter(|option| option.name != "case")
        .map(|option| option.name.to_uppercase());
    html! {
        li role="option" id={ "verb-" (verb.name) } data-verb=(verb.name) data-more[verb.options.iter().any(|option| option.name != "case")] {
            code { "/" (verb.name) @for word in usage { " " span.verb-arg { (word) } } }
            span { (verb.about) }
        }
    }
}

fn nothing_open() -> Markup {
    html! {
        div.empty #thread-empty {
            span.empty-mark aria-hidden="true" { "#" }
            h3 { "No case is open" }
            p { "Choose one from the list. Each public complaint gets a thread of its own." }
        }
    }
}

/// The list of cases, the newest change first; above it what is about none.
pub(super) fn board(notices: &[NoticeEntry], entries: &[BoardEntry], open: Option<CaseNumber>) -> Markup {
    html! {
        @if !notices.is_empty() {
            div #notices.team-notices role="status" {
                @for entry in notices { (notice(entry)) }
            }
        }
        @if entries.is_empty() {
            div.empty.small #board-empty {
                h3 { "No cases yet" }
                p { "They arrive here as soon as somebody writes in public." }
            }
        }
        ol.rows #rows {
            @for entry in entries { (row(entry, open == Some(entry.number))) }
        }
    }
}

fn notice(NoticeEntry { notice, card }: &NoticeEntry) -> Markup {
    let id = match notice {
        Notice::Flood { source } => format!("notice-flood-{source}"),
        Notice::Spending { source, .. } => format!("notice-spending-{source}"),
    };
    html! { div.team-notice id=(id) { (message(&card.message)) } }
}

fn row(entry: &BoardEntry, open: bool) -> Markup {
    let (name, words) = title(entry.number, &entry.card);
    html! {
        li #{ "row-" (entry.number.0) } {
            a.row href={ "#case-" (entry.number.0) } data-case=(entry.number.0) aria-current=[open.then_some("true")] {
                span.row-top {
                    span.row-number { (entry.number) }
                    (chip(&entry.card.status))
                    (time(entry.updated_at))
                }
                bdi.row-name { (inert(name)) }
                bdi.row-words { (inert(words)) }
            }
        }
    }
}

/// A card's title, `#3 · Ann: Where is …`, in its parts.
fn title(number: CaseNumber, card: &Card) -> (&str, &str) {
    let text = card
        .title
        .strip_prefix(&format!("{number} · "))
        .unwrap_or(&card.title);
    text.split_once(": ").unwrap_or((text, ""))
}

fn chip(status: &str) -> Markup {
    html! { span class={ "chip chip-" (known(status)) } { (status) } }
}

fn known(status: &str) -> &'static str {
    let known = Status::ALL
        .into_iter()
        .map(Status::word)
        .find(|word| *word == status);
    known.unwrap_or("other")
}

/// A case's thread.
pub(super) fn thread(case: CaseNumber, thread: &ThreadView, attachments: &Attachments) -> Markup {
    let (name, _) = title(case, &thread.card);
    html! {
        header.thread-head id={ "head-" (case.0) } data-case=(case.0) {
            span.thread-number { (case) }
            bdi.thread-name { (inert(name)) }
            (chip(&thread.card.status))
        }
        article.card id={ "card-" (case.0) } {
            (card_message(&thread.card.message))
            (attached(case, None, &thread.attached, attachments))
        }
        ol.entries id={ "entries-" (case.0) } {
            @for entry in &thread.entries {
                (told(entry, &attached(case, Some(entry.id), &entry.attached, attachments)))
            }
        }
        @if let Some(until) = thread.held_until { (held(case, until)) }
    }
}

/// A card without the status: the head of the thread shows it, wherever one has scrolled to.
fn card_message(card: &Message) -> Markup {
    html! {
        div.message {
            @for part in &card.parts {
                @if let Part::Fields(fields) = part {
                    @let rest = fields.iter().filter(|(name, _)| name != "Status");
                    (part_of(&Part::Fields(rest.cloned().collect())))
                } @else {
                    (part_of(part))
                }
            }
        }
    }
}

/// No such thread.
pub(super) fn no_thread(case: CaseNumber) -> Markup {
    html! {
        div.empty #thread-empty {
            span.empty-mark aria-hidden="true" { "#" }
            h3 { "There is no case " (case) }
            p { "Choose one from the list." }
        }
    }
}

/// The undo window: how long it still is, and the way back.
fn held(case: CaseNumber, until: Instant) -> Markup {
    let press = Press::Command {
        case,
        line: "cancel".to_owned(),
    };
    html! {
        div.held id={ "held-" (case.0) } data-until=(until.timestamp_millis()) {
            div.held-text { "The reply is published in " strong data-left { "a moment" } "." }
            div.held-bar { span {} }
            button.danger type="button" data-press=(press) { "Undo" }
        }
    }
}

/// The pictures of a post, each a link to the original; what cannot be shown is the link alone.
fn attached(case: CaseNumber, event: Option<EventId>, media: &[Media], attachments: &Attachments) -> Markup {
    if media.is_empty() || matches!(attachments, Attachments::Counted) {
        return Markup::default();
    }
    let event = event.map_or(0, |event| event.0);
    let picture = |nth: usize| format!("/console/picture/{}/{event}/{nth}", case.0);
    html! {
        ul.attached {
            @for (nth, media) in media.iter().enumerate().take(MOST_ATTACHED) {
                @let shown = attachments.pictures().and(media.still()).is_some() && is_web(&media.url);
                li {
                    @if shown {
                        a href=(media.url) target="_blank" rel="noopener noreferrer nofollow" {
                            img src=(picture(nth)) alt=(inert(&media.alt)) title=(inert(&media.alt)) loading="lazy";
                        }
                    } @else {
                        (span(&Span::Link { label: media.url.clone(), url: media.url.clone() }))
                        @if !media.alt.is_empty() { " " bdi { (inert(&media.alt)) } }
                    }
                }
            }
        }
    }
}

fn told(entry: &Entry, attached: &Markup) -> Markup {
    let face = match &entry.by {
        By::Author => html! { span.avatar.customer aria-hidden="true" { (icon_person()) } },
        By::Agent { agent, chat: _ } => avatar(&agent.name),
        By::System => html! { span.avatar.hearback aria-hidden="true" { (icon_back()) } },
    };
    let brief = entry.message.parts.iter().all(|part| match part {
        Part::Small(_) => true,
        Part::Heading(_) | Part::Line(_) | Part::Quote(_) | Part::Fields(_) | Part::Buttons(_) => false,
    });
    html! {
        li.entry.brief[brief] id={ "event-" (entry.id.0) } {
            (face)
            div.entry-body {
                (message(&entry.message))
                (attached)
                (time(entry.at))
            }
        }
    }
}

/// What one person is told. In a sentence of ours, what stands between backticks is to be typed.
pub(super) fn answer(told: &Message) -> Markup {
    let mut told = told.clone();
    for part in &mut told.parts {
        if let Part::Line(line) = part
            && let [Span::Text(sentence)] = line.as_slice()
        {
            let runs = sentence.split('`').enumerate().filter(|(_, run)| !run.is_empty());
            *line = runs
                .map(|(at, run)| match at % 2 {
                    0 => Span::Text(run.to_owned()),
                    _ => Span::Code(run.to_owned()),
                })
                .collect();
        }
    }
    message(&told)
}

fn message(message: &Message) -> Markup {
    html! { div.message { @for part in &message.parts { (part_of(part)) } } }
}

fn part_of(part: &Part) -> Markup {
    html! {
        @match part {
            Part::Heading(runs) => { h3 { (spans(runs)) } }
            Part::Line(runs) => { p { (spans(runs)) } }
            Part::Small(runs) => { p.small { (spans(runs)) } }
            Part::Quote(text) => { blockquote dir="auto" { (inert(text)) } }
            Part::Fields(fields) => {
                dl.fields {
                    @for (name, value) in fields {
                        div { dt { (name) } dd { (field(name, value)) } }
                    }
                }
            }
            Part::Buttons(buttons) => {
                div.buttons { @for button in buttons { (press_button(button)) } }
            }
        }
    }
}

fn field(name: &str, value: &[Span]) -> Markup {
    match (name, value) {
        ("Status", [Span::Text(status)]) => chip(status),
        ("Priority", [Span::Text(level)]) if level == "high" || level == "urgent" => {
            html! { span.priority { (level) } }
        }
        (_, value) => spans(value),
    }
}

fn press_button(button: &Button) -> Markup {
    let style = match button.style {
        Style::Plain => "plain",
        Style::Primary => "primary",
        Style::Danger => "danger",
    };
    html! { button type="button" class=(style) data-press=(button.press) { (button.label) } }
}

fn spans(runs: &[Span]) -> Markup {
    html! { @for run in runs { (span(run)) } }
}

fn span(run: &Span) -> Markup {
    html! {
        @match run {
            Span::Text(text) => { bdi { (inert(text)) } }
            Span::Strong(text) => { strong { bdi { (inert(text)) } } }
            Span::Code(text) => { code { bdi { (inert(text)) } } }
            Span::Link { label, url } => {
                @if is_web(url) {
                    a href=(url) target="_blank" rel="noopener noreferrer nofollow" { bdi { (inert(label)) } }
                } @else {
                    bdi { (inert(label)) } " (" bdi { (inert(url)) } ")"
                }
            }
            Span::Until { at } => { (awaited(*at)) }
            Span::Person { name, ping } => { span.person.pinged[ping.is_some()] { "@" bdi { (inert(name)) } } }
        }
    }
}

/// A moment that the page's script counts down to.
fn awaited(at: Instant) -> Markup {
    let exact = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let words = moment(at);
    html! { time.awaited datetime=(exact) title=(words) data-until=(at.timestamp_millis()) { (words) } }
}

fn is_web(address: &str) -> bool {
    url::Url::parse(address).is_ok_and(|address| matches!(address.scheme(), "http" | "https"))
}

/// The form that asks for the words of a verb, for the page's dialogue window.
pub(super) fn ask(form: &Form) -> Markup {
    let Form {
        case,
        verb,
        title,
        label,
        hint,
        submit,
        max,
        optional,
        value: _,
        reply,
    } = form;
    let value = form.prefill(usize::from(*max)).unwrap_or_default();
    html! {
        form.ask method="post" action="/console/form" autocomplete="off" {
            h3 #ask-title { (title) }
            input type="hidden" name="case" value=(case.0);
            input type="hidden" name="verb" value=(verb);
            @if let Some(reply) = reply { input type="hidden" name="reply" value=(reply); }
            label {
                span { (label) }
                // A line break at the very beginning is dropped by browsers.
                textarea name="text" rows="5" maxlength=(max) placeholder=(hint) required[!optional] autofocus {
                    @if value.starts_with('\n') { "\n" }
                    (value)
                }
            }
            p.form-say role="alert" {}
            div.ask-foot {
                span.hint { kbd { "Ctrl" } " " kbd { "Enter" } " sends" }
                button.plain type="button" data-close { "Never mind" }
                button.primary type="submit" { (submit) }
            }
        }
    }
}

fn icon_send() -> Markup {
    html! {
        svg viewBox="0 0 20 20" width="17" height="17" fill="currentColor" aria-hidden="true" {
            path d="M2.9 3.2c-.3-.9.5-1.6 1.3-1.3l13 6.9c.9.5.9 1.8 0 2.3l-13 7c-.8.3-1.6-.4-1.3-1.3L4.8 11l6-1-6-1z" {}
        }
    }
}

fn icon_person() -> Markup {
    html! {
        svg viewBox="0 0 20 20" width="15" height="15" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" {
            circle cx="10" cy="6.6" r="3.2" {}
            path d="M4 17c.6-3.4 2.9-5 6-5s5.4 1.6 6 5" {}
        }
    }
}

fn icon_back() -> Markup {
    html! {
        svg viewBox="0 0 20 20" width="15" height="15" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" {
            path d="M8 5 3.5 9.5 8 14M4 9.5h7.5a5 5 0 0 1 5 5v1" {}
        }
    }
}

#[cfg(test)]
mod tests;
