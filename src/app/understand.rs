//! What somebody's line, button or form means.

use super::feeds;
use super::inbound::{Input, Response};
use super::text;
use crate::command::{Command, LabelChange, Parsed, parse_options, parse_text};
use crate::domain::case::Wish;
use crate::domain::message::{ReplyVerb, UnknownPress};
use crate::domain::{CaseNumber, NO_CASE, Press, ReplyId, SourceName};

/// What an input means.
pub(super) enum Understood {
    Command(Parsed),
    Ask {
        case: Option<CaseNumber>,
        verb: String,
    },
    Button {
        case: CaseNumber,
        button: AboutReply,
        /// What was filled in, where the button opened a form.
        words: Option<String>,
    },
    /// A button about a feed that was set aside.
    Feed {
        source: SourceName,
        /// Whether it is let in, or left out.
        admit: bool,
    },
}

/// A button about one version of a reply.
pub(super) struct AboutReply {
    pub reply: ReplyId,
    pub version: i64,
    pub verb: ReplyVerb,
    pub seal: String,
}

impl AboutReply {
    /// From the verb of a form that such a button opened: `r.edit.3.SEAL`.
    fn of_form(verb: &str, reply: Option<i64>) -> Option<Self> {
        let mut words = verb.strip_prefix("r.")?.split('.');
        let (verb, version, seal) = (words.next()?, words.next()?, words.next()?);
        Some(Self {
            reply: ReplyId(reply?),
            version: version.parse().ok()?,
            verb: ReplyVerb::ALL.into_iter().find(|known| known.word() == verb)?,
            seal: seal.to_owned(),
        })
    }
}

/// Whether it is about a case, and only the place can tell which.
pub(super) fn lacks_case(input: &Input) -> bool {
    match understand(input, None) {
        Ok(Understood::Command(parsed)) => parsed.case.is_none() && parsed.command.needs_case(),
        Ok(Understood::Ask { case, verb: _ }) => case.is_none(),
        Ok(Understood::Button { .. } | Understood::Feed { .. }) | Err(_) => false,
    }
}

#[expect(clippy::result_large_err, reason = "a refusal is an answer; it is moved once")]
pub(super) fn understand(input: &Input, implied: Option<CaseNumber>) -> Result<Understood, Response> {
    let parsed = match input {
        Input::Text(line) => parse_text(line.trim_start().trim_start_matches('/'), implied),
        Input::Options { verb, options } => parse_options(verb, options),
        Input::Ask { verb } => {
            return Ok(Understood::Ask {
                case: None,
                verb: verb.clone(),
            });
        }
        Input::Form {
            case,
            verb,
            text,
            reply,
        } => {
            if let Some(button) = AboutReply::of_form(verb, *reply) {
                return Ok(Understood::Button {
                    case: *case,
                    button,
                    words: Some(text.clone()),
                });
            }
            let parsed = parse_text(&format!("{verb} {text}"), Some(*case));
            return match parsed {
                Ok(parsed) => Ok(Understood::Command(Parsed {
                    case: Some(*case),
                    command: parsed.command,
                })),
                Err(unclear) => Err(text::refused(unclear)),
            };
        }
        Input::Press(press) => match press.parse::<Press>() {
            Ok(Press::Ask { case, verb }) => {
                return Ok(Understood::Ask {
                    case: Some(case),
                    verb,
                });
            }
            Ok(Press::Reply {
                case,
                reply,
                version,
                verb,
                seal,
            }) => {
                let reply = ReplyId(reply);
                return Ok(Understood::Button {
                    case,
                    button: AboutReply {
                        reply,
                        version,
                        verb,
                        seal,
                    },
                    words: None,
                });
            }
            Ok(Press::Command { case: NO_CASE, line }) if feeds::of_line(&line).is_some() => {
                let Some((source, admit)) = feeds::of_line(&line) else {
                    return Err(text::refused(UnknownPress));
                };
                return Ok(Understood::Feed { source, admit });
            }
            Ok(Press::Command { case, line }) => parse_text(&line, Some(case)).map(|parsed| Parsed {
                case: Some(case),
                ..parsed
            }),
            Err(unknown) => return Err(text::refused(unknown)),
        },
    };
    parsed.map(Understood::Command).map_err(text::refused)
}

pub(super) fn label(labels: Vec<LabelChange>) -> Wish {
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    for change in labels {
        match change {
            LabelChange::Add(name) => add.push(name),
            LabelChange::Remove(name) => remove.push(name),
        }
    }
    Wish::Label { add, remove }
}

pub(super) fn verb_of(command: &Command) -> &'static str {
    match command {
        Command::Claim => "claim",
        Command::Release => "release",
        Command::Assign { .. } => "assign",
        Command::Reply { .. } => "reply",
        Command::Dm { .. } => "dm",
        Command::Answered { .. } => "answered",
        Command::Note { .. } => "note",
        Command::Escalate { .. } => "escalate",
        Command::Cancel => "cancel",
        Command::Approve => "approve",
        Command::Reject { .. } => "reject",
        Command::Pause { .. } => "pause",
        Command::Resume => "resume",
        Command::Resolve { .. } => "resolve",
        Command::Reopen => "reopen",
        Command::Snooze { .. } => "snooze",
        Command::Priority { .. } => "priority",
        Command::Kind { .. } => "kind",
        Command::Label { .. } => "label",
        Command::Show => "show",
        Command::History => "history",
        Command::Queue => "queue",
        Command::Mine => "mine",
        Command::Search { .. } => "search",
        Command::Help { .. } => "help",
    }
}
