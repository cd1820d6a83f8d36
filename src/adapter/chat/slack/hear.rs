//! The way in: a payload is translated, handed to the core, and acknowledged once that has
//! committed it. The answer travels with the acknowledgement where Slack takes one, else privately.

use super::api::Failure;
use super::modal::{self, Memory};
use super::render::{self, content};
use super::translate::{Act, Back, Heard, Kind, Way, read, verb_of};
use super::{Slack, api, emoji};
use crate::app::{Given, Inbound, Input, Place, Response, Unavailable};
use crate::domain::message::cut;
use crate::domain::{Form, Message, Part, Span};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// What to say to Slack about a payload.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It is stored (or needs no storing): acknowledge, with this answer.
    Accept(Option<Value>),
    /// It is not stored: no acknowledgement, so that Slack sends it again.
    Leave,
}

/// How many of the last payloads are remembered as answered; a repetition comes within minutes.
const MOST_TOLD: usize = 1024;

/// Whom we told. The core does a thing once however often it is sent, and answers every time; this
/// says the answer once: Slack repeats what it takes for lost, and may use either socket. Only in
/// memory: after a restart nobody knows whether the answer went out, and it is said again.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<VecDeque<String>>);

impl Told {
    /// Whether this payload is answered for the first time. From now on it is answered.
    fn first(&self, key: &str) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.iter().any(|known| known == key) {
            return false;
        }
        if told.len() == MOST_TOLD {
            told.pop_front();
        }
        told.push_back(key.to_owned());
        true
    }
}

/// The core's answer, or that there is none.
type Outcome = Result<Response, Unavailable>;

impl Slack {
    /// Takes a payload in. Returns what to say within `patience`; the work goes on after it.
    pub(super) async fn hear(
        self: &Arc<Self>,
        kind: Kind,
        payload: Value,
        inbound: &Inbound,
        patience: Duration,
    ) -> Verdict {
        let act = match read(kind, &payload, self.bot_user().as_deref()) {
            Ok(Heard::Act(act)) => act,
            Ok(Heard::Ignore(reason)) => {
                tracing::debug!(reason, "Not for us.");
                return Verdict::Accept(None);
            }
            Err(reason) => return self.set_aside(inbound, &reason, &payload.to_string()).await,
        };
        let way = act.back.way;
        let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
            return refusal(
                way,
                "Hearback is too busy: this was not accepted. Try again in a moment.",
            );
        };
        let (tell, mut told) = oneshot::channel();
        let (slack, inbound) = (Arc::clone(self), inbound.clone());
        self.tasks.spawn(async move {
            slack.work(*act, inbound, tell).await;
            drop(place);
        });
        if let Ok(verdict) = tokio::time::timeout(patience, &mut told).await {
            return verdict.unwrap_or_else(|_| refusal(way, UNACCEPTED));
        }
        told.close();
        told.try_recv().unwrap_or_else(|_| meanwhile(way))
    }

    pub(super) async fn set_aside(&self, inbound: &Inbound, reason: &str, raw: &str) -> Verdict {
        tracing::warn!(reason, "Slack sent something that is not understood; it is kept.");
        match inbound.set_aside("slack", reason, raw).await {
            Ok(()) => Verdict::Accept(None),
            Err(error) => {
                tracing::error!(%error, "Something from Slack could not be kept.");
                Verdict::Leave
            }
        }
    }

    async fn work(self: Arc<Self>, act: Act, inbound: Inbound, tell: oneshot::Sender<Verdict>) {
        let outcome = self.give(&act, &inbound).await;
        if let Err(error) = &outcome {
            tracing::error!(%error, "What somebody asked for in Slack was not stored.");
        }
        let late = tell
            .send(self.verdict(act.back.way, &act.place, &act.back, &outcome))
            .is_err();
        // A window is submitted again by a person, not by Slack.
        if outcome.is_ok() && act.back.way != Way::Form && !self.told.first(&act.key) {
            return;
        }
        let user = &act.who.user;
        match (outcome, act.back.way) {
            (Ok(Response::Ask(form)), Way::Command | Way::Press) => {
                self.open_form(&form, &act.place, &act.back, user).await;
            }
            (Ok(Response::Ask(form)), Way::Mention) => {
                self.answer(&act.place, &act.back, user, &by_button(&form)).await;
            }
            (Ok(Response::Ask(_)), Way::Form) => {}
            (Ok(Response::Done(message) | Response::Refused(message)), Way::Mention | Way::Press) => {
                self.answer(&act.place, &act.back, user, &message).await;
            }
            (Ok(Response::Done(message)), Way::Form) => {
                self.answer(&act.place, &act.back, user, &message).await;
            }
            (Ok(Response::Done(message) | Response::Refused(message)), Way::Command | Way::Form) => {
                if late {
                    self.answer(&act.place, &act.back, user, &message).await;
                }
            }
            // Slack sends a mention again; the other ways do not come back.
            (Err(_), Way::Mention) => {}
            (Err(_), Way::Press) => {
                self.answer(&act.place, &act.back, user, &Message::line(UNACCEPTED))
                    .await
            }
            (Err(_), Way::Command | Way::Form) => {
                if late {
                    self.answer(&act.place, &act.back, user, &Message::line(UNACCEPTED))
                        .await;
                }
            }
        }
    }

    /// Hands to the core what somebody asked for, with names where Slack writes ids.
    async fn give(self: &Arc<Self>, act: &Act, inbound: &Inbound) -> Outcome {
        let input = match self.readable(&act.input).await {
            Ok(input) => input,
            Err(refusal) => return Ok(Response::Refused(Message::line(refusal))),
        };
        let (by, unread) = self.person(&act.who).await;
        let given = Given {
            key: act.key.clone(),
            by,
            place: act.place.clone(),
            input,
        };
        match inbound.given(given).await {
            // We cannot tell whether it is for this that somebody may not act.
            Ok(Response::Refused(message)) if !unread.is_empty() => {
                let note = format!(
                    "Slack did not say whether you are in {}; if that is where your role comes from, try again in \
                     a minute.",
                    unread.join(", ")
                );
                let note = Part::Line(vec![Span::Text(note)]);
                Ok(Response::Refused(message.with(note)))
            }
            outcome => outcome,
        }
    }

    /// What customers can read: people by their names, and no emoji that only this workspace has.
    ///
    /// # Errors
    /// That cannot be had: why, for the person who wrote it.
    async fn readable(&self, input: &Input) -> Result<Input, String> {
        let (verb, words) = match input {
            Input::Text(line) => (verb_of(line).unwrap_or_default(), line),
            Input::Form { verb, text, .. } => (verb.as_str(), text),
            Input::Options { .. } | Input::Press(_) | Input::Ask { .. } => return Ok(input.clone()),
        };
        let verb = verb.to_lowercase();
        // The form of a reply that is changed is called by more than its verb.
        let published = matches!(verb.as_str(), "reply" | "dm") || verb.starts_with("r.edit.");
        if published && let Some(name) = emoji::foreign(words) {
            return Err(format!(
                "Nothing was done: customers cannot see :{name}:, an emoji of this workspace only. Leave it out, or \
                 choose another."
            ));
        }
        match input {
            Input::Text(line) if verb != "assign" => {
                let named = self.with_names(line).await;
                named.map(Input::Text).map_err(|id| {
                    format!(
                        "Nothing was done: Slack does not tell who {id} is. Write the name without the @."
                    )
                })
            }
            other => Ok(other.clone()),
        }
    }

    fn verdict(&self, way: Way, place: &Place, back: &Back, outcome: &Outcome) -> Verdict {
        match (way, outcome) {
            (Way::Command, Ok(Response::Done(message) | Response::Refused(message))) => {
                Verdict::Accept(Some(ephemeral(message)))
            }
            (Way::Form, Ok(Response::Refused(message))) => {
                Verdict::Accept(Some(modal::errors(&message.plain())))
            }
            (Way::Form, Ok(Response::Ask(form))) => {
                let view = modal::view(form, &memory(form, place, back));
                Verdict::Accept(Some(json!({"response_action": "update", "view": view})))
            }
            (Way::Command | Way::Form | Way::Mention | Way::Press, Ok(_)) => Verdict::Accept(None),
            (way, Err(_)) => refusal(way, UNACCEPTED),
        }
    }

    async fn open_form(&self, form: &Form, place: &Place, back: &Back, user: &str) {
        let view = modal::view(form, &memory(form, place, back));
        let opened = match &back.trigger {
            Some(trigger) => {
                let body = json!({"trigger_id": trigger, "view": view});
                self.api
                    .post(&self.bot_token, "views.open", &body)
                    .await
                    .map(|_| ())
            }
            None => Err(Failure::Unclear("there is no trigger".to_owned())),
        };
        if let Err(failure) = opened {
            tracing::warn!(%failure, "A window could not be opened.");
            let mend = failure.code().map(api::mend).filter(|mend| !mend.is_empty());
            let text = format!(
                "The window could not be opened: {}. Nothing was done; write `@Hearback {} …` here instead.",
                mend.unwrap_or("Slack did not let us"),
                form.verb
            );
            self.answer(place, back, user, &Message::line(text)).await;
        }
    }

    /// Tells the person privately: where they look, or by the address that came with the payload.
    async fn answer(&self, place: &Place, back: &Back, user: &str, message: &Message) {
        let by_address = match (&back.response_url, back.way) {
            (Some(url), Way::Command) => {
                let sent = self.api.respond(url, &ephemeral(message)).await;
                sent.map_err(|failure| tracing::debug!(%failure, "The response address did not take it."))
                    .is_ok()
            }
            (_, Way::Command | Way::Mention | Way::Press | Way::Form) => false,
        };
        let Some(channel) = place.channel.as_ref().filter(|_| !by_address) else {
            return;
        };
        let sent = self
            .whisper(channel.as_str(), back.seen.as_deref(), user, message)
            .await;
        let Err(failure) = sent else { return };
        let Some(url) = &back.response_url else {
            tracing::warn!(%failure, "An answer did not reach the person who asked.");
            return;
        };
        if let Err(failure) = self.api.respond(url, &ephemeral(message)).await {
            tracing::warn!(%failure, "An answer did not reach the person who asked.");
        }
    }
}

/// What people read when the database does not answer.
const UNACCEPTED: &str = "This was not accepted: Hearback cannot store anything right now. Nothing was done; \
                          please try again in a minute.";

/// What is said when the answer takes too long. A mention is not stored yet as far as we know: Slack
/// may send it again, which changes nothing when it was.
fn meanwhile(way: Way) -> Verdict {
    match way {
        Way::Command | Way::Press => Verdict::Accept(None),
        Way::Mention => Verdict::Leave,
        Way::Form => Verdict::Accept(Some(modal::errors(
            "This takes longer than usual. Wait a moment and submit again: the same words count once.",
        ))),
    }
}

fn refusal(way: Way, words: &str) -> Verdict {
    match way {
        Way::Command => Verdict::Accept(Some(ephemeral(&Message::line(words)))),
        Way::Form => Verdict::Accept(Some(modal::errors(words))),
        // Slack sends a mention again, and shows a mark at a button that nobody answered for.
        Way::Press | Way::Mention => Verdict::Leave,
    }
}

/// <https://docs.slack.dev/interactivity/handling-user-interaction#message_responses>
fn ephemeral(message: &Message) -> Value {
    let content = content(message, "a");
    json!({
        "response_type": "ephemeral",
        "replace_original": false,
        "text": render::fallback(message),
        "blocks": content.blocks,
    })
}

fn memory(form: &Form, place: &Place, back: &Back) -> Memory {
    Memory {
        case: form.case.0,
        verb: form.verb.clone(),
        reply: form.reply,
        channel: place.channel.as_ref().map(ToString::to_string),
        thread: place.thread.as_ref().map(ToString::to_string),
        seen: back.seen.clone(),
    }
}

/// A mention cannot open a window.
fn by_button(form: &Form) -> Message {
    let verb = cut(&form.verb, 30);
    Message::line(format!("Write the words after the verb: `@Hearback {verb} …`."))
}
