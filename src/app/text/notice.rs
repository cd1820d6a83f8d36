//! What a team is told that is about no case.

use super::answer::refused;
use super::{grouped, text, when};
use crate::app::feeds::press;
use crate::app::inbound::Response;
use crate::domain::{Button, Card, Message, Notice, Part, SourceName, Span, Style};

/// A notice as the first message of a thread. `waiting`: how many posts wait to be let in.
pub fn notice(notice: &Notice, waiting: i64) -> Card {
    match notice {
        Notice::Flood { source } => flood(source, waiting),
        Notice::Spending { source, used, until } => {
            let mut lines = vec![
                Part::Heading(vec![text(format!("{source} has used up most of what it may"))]),
                Part::Line(vec![text(format!(
                    "{used}. When all of it is used up, {source} reads late or nothing until it is full again; replies go out as long as the platform takes them."
                ))]),
            ];
            if let Some(until) = until {
                lines.push(Part::Small(vec![text(format!(
                    "Full again at {}.",
                    when(*until)
                ))]));
            }
            card(format!("{source}: nearly used up"), lines)
        }
    }
}

fn flood(source: &SourceName, waiting: i64) -> Card {
    let many = grouped(waiting);
    let button = |label: &str, admit, style| Button {
        label: label.to_owned(),
        press: press(source, admit),
        style,
    };
    let lines = vec![
        Part::Heading(vec![text(format!("{source} shows very many new posts at once"))]),
        Part::Line(vec![text(format!(
            "{many} of them wait and opened no case: perhaps the feed announces its whole history again, perhaps \
             it is a bad day. Nothing is lost, and what is written to us comes in as ever. Let them in, and each \
             opens its case, and {source} is let through for a day; leave them out, and their words are not kept."
        ))]),
        Part::Buttons(vec![
            button("Let them in", true, Style::Primary),
            button("Leave them out", false, Style::Danger),
        ]),
        Part::Small(vec![
            text("A lead or an admin decides; at a command line it is "),
            Span::Code(format!("hearback rules let-in {source}")),
            text("."),
        ]),
    ];
    card(format!("{source}: {many} posts wait to be let in"), lines)
}

fn card(title: String, parts: Vec<Part>) -> Card {
    Card {
        title: crate::domain::message::cut(&title, 90),
        status: "notice".to_owned(),
        message: Message { parts },
    }
}

/// For agents who may not decide about a feed.
pub fn only_leads_open_feeds() -> Response {
    refused("Only a lead or an admin can decide about a feed that was set aside. Ask one of them.")
}

/// Nothing changes.
pub fn nothing_waits(source: &str) -> Response {
    refused(format!("Nothing of {source} waits to be let in (any more)."))
}

/// Somebody decided.
pub fn feed_decided(source: &str, posts: i64, admit: bool) -> Response {
    let many = grouped(posts);
    Response::Done(Message::line(match admit {
        true => format!("{many} posts of {source} come in now, and for a day nothing of it is set aside."),
        false => format!("{many} posts of {source} are left out; their words are gone."),
    }))
}
