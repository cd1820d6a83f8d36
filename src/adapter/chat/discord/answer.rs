//! From an interaction to its answer: commit first, then say so, within Discord's three seconds.
//!
//! The work runs on in a task of its own: neither a lost gateway nor a client that hangs up stops it
//! between the commit and the answer. What takes too long is answered by "thinking" and edited later.

use super::rest::{Failure, Rest, Route};
use super::translate::{Address, Wanted, address, translate};
use super::{escape, render};
use crate::app::{Inbound, Input, Response, Unavailable};
use crate::domain::{Message, Person};
use reqwest::Method;
use serde_json::{Value, json};
use serenity::all::{AutocompleteChoice, CreateAutocompleteResponse};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// How long we think before we say that we do. Discord waits three seconds in all.
/// <https://discord.com/developers/docs/interactions/receiving-and-responding>
const PATIENCE: Duration = Duration::from_secs(2);
/// After this a second try of the first answer would come too late.
const LAST_TRY: Duration = Duration::from_millis(2800);
/// The pause before a second try, where Discord tells none.
const BREATH: Duration = Duration::from_millis(100);
/// It was answered already: an earlier attempt came through.
const ACKNOWLEDGED: u64 = 40060;
/// What people read when too many commands are worked on.
const BUSY: &str = "Hearback is too busy: this was not accepted. Try again in a moment.";
/// Too late: nobody waits for the answer any more.
const EXPIRED: u64 = 10062;

/// The answer to an interaction that is given first.
pub(super) struct First {
    /// The callback, as Discord takes it.
    pub body: Value,
}

/// Answers interactions.
#[derive(Clone)]
pub(super) struct Answers {
    pub rest: Arc<Rest>,
    pub guild: String,
    pub tasks: TaskTracker,
    /// The room for commands that are worked on.
    pub room: Arc<Semaphore>,
}

impl Answers {
    /// Handles an interaction from the gateway, answer and all.
    pub(super) async fn by_callback(&self, raw: &str, inbound: &Inbound) {
        let until = Instant::now() + LAST_TRY;
        let Some(to) = address(raw) else {
            let kept = inbound
                .set_aside("discord", "an interaction without id and token", raw)
                .await;
            return if let Err(error) = kept {
                tracing::error!(%error, "A malformed interaction could not be kept.");
            };
        };
        let (started, first) = self.first(raw, Some(&to), inbound).await;
        match self.call_back(&to, &first.body, until).await {
            Ok(()) => {}
            Err(failure) if failure.code() == Some(EXPIRED) => {
                tracing::warn!(
                    interaction = to.id,
                    "Answered too late; what was asked for is done."
                );
            }
            Err(failure) => tracing::warn!(interaction = to.id, ?failure, "The answer could not be given."),
        }
        drop(started);
    }

    /// Gives the first answer, and once more if that failed and somebody still waits for it.
    async fn call_back(&self, to: &Address, body: &Value, until: Instant) -> Result<(), Failure> {
        let route = Route::interaction(format!("/interactions/{}/{}/callback", to.id, to.token));
        let once = async || match self.rest.call(Method::POST, route.clone(), Some(body)).await {
            Err(failure) if failure.code() == Some(ACKNOWLEDGED) => Ok(()),
            end => end.map(drop),
        };
        let failure = match once().await {
            Ok(()) => return Ok(()),
            Err(failure) => failure,
        };
        let wait = match &failure {
            Failure::NotReached(_) | Failure::Unknown(_) => BREATH,
            Failure::Limited(wait) => *wait,
            Failure::Unauthorized | Failure::Refused { .. } => return Err(failure),
        };
        if Instant::now() + wait > until {
            return Err(failure);
        }
        tokio::time::sleep(wait).await;
        once().await
    }

    /// Handles an interaction from the HTTP endpoint; the answer is the body.
    pub(super) async fn by_body(&self, raw: &str, inbound: &Inbound) -> Value {
        let to = address(raw);
        let (started, first) = self.first(raw, to.as_ref(), inbound).await;
        drop(started);
        first.body
    }

    /// The first answer. What is still to come waits until the returned sender is dropped: an edit
    /// must not overtake the answer it edits.
    async fn first(
        &self,
        raw: &str,
        to: Option<&Address>,
        inbound: &Inbound,
    ) -> (Option<oneshot::Sender<()>>, First) {
        let wanted = match translate(raw, &self.guild) {
            Ok(wanted) => wanted,
            Err(reason) => {
                let kept = inbound.set_aside("discord", &reason.to_string(), raw).await;
                let text = match kept {
                    Ok(()) => {
                        "This is not understood by this version of Hearback. It was kept for the operators."
                    }
                    Err(_) => "This is not understood by this version of Hearback.",
                };
                return (
                    None,
                    First {
                        body: whisper(&Message::line(text)),
                    },
                );
            }
        };
        match wanted {
            Wanted::Pong => (
                None,
                First {
                    body: json!({"type": 1}),
                },
            ),
            Wanted::Decline(why) => (
                None,
                First {
                    body: whisper(&Message::line(why)),
                },
            ),
            Wanted::Suggest { by, typed } => (
                None,
                First {
                    body: suggest(inbound, &by, &typed).await,
                },
            ),
            Wanted::Act(given) => {
                let form = matches!(given.input, Input::Form { .. });
                let Ok(place) = Arc::clone(&self.room).try_acquire_owned() else {
                    let body = whisper(&Message::line(BUSY));
                    return (None, First { body });
                };
                let inbound = inbound.clone();
                let mut task = self.tasks.spawn(async move {
                    let done = inbound.given(given).await;
                    drop(place);
                    done
                });
                match tokio::time::timeout(PATIENCE, &mut task).await {
                    Ok(done) => (
                        None,
                        First {
                            body: callback(done.unwrap_or_else(broken), form),
                        },
                    ),
                    Err(_) => {
                        let (started, begun) = oneshot::channel();
                        if let Some(to) = to.cloned() {
                            let rest = Arc::clone(&self.rest);
                            self.tasks.spawn(async move {
                                let done = task.await.unwrap_or_else(broken);
                                // Err means that the first answer was given, or never will be.
                                let _ = begun.await;
                                finish(&rest, &to, done).await;
                            });
                        }
                        let body = json!({"type": 5, "data": {"flags": 64}});
                        (Some(started), First { body })
                    }
                }
            }
        }
    }
}

/// A use case that panicked stored nothing that we know of.
fn broken(error: tokio::task::JoinError) -> Result<Response, Unavailable> {
    tracing::error!(%error, "A command broke.");
    Err(Unavailable("an inner error".to_owned()))
}

/// The callback for an outcome. A form cannot be answered by another form.
fn callback(done: Result<Response, Unavailable>, form: bool) -> Value {
    match done {
        Ok(Response::Ask(asked)) if !form => json!({"type": 9, "data": render::modal(&asked)}),
        other => whisper(&words(other)),
    }
}

fn words(done: Result<Response, Unavailable>) -> Message {
    match done {
        Ok(Response::Done(message) | Response::Refused(message)) => message,
        Ok(Response::Ask(form)) => Message::line(format!(
            "That took too long to open a form. Try again, or type `/case {}` with the words.",
            form.verb
        )),
        Err(Unavailable(reason)) => {
            tracing::error!(reason, "A command could not be stored.");
            Message::line("Nothing was done: it could not be stored. Try again in a moment.")
        }
    }
}

fn whisper(message: &Message) -> Value {
    json!({"type": 4, "data": render::whisper(message)})
}

async fn suggest(inbound: &Inbound, by: &Person, typed: &str) -> Value {
    let found = tokio::time::timeout(PATIENCE, inbound.suggest(by, typed)).await;
    let choices = found
        .unwrap_or_default()
        .into_iter()
        .take(25)
        .map(|(case, line)| {
            let name = escape::plain_within(&line, 100);
            AutocompleteChoice::new(name, case.0.to_string())
        });
    let choices = CreateAutocompleteResponse::new().set_choices(choices.collect());
    json!({"type": 8, "data": serde_json::to_value(choices).unwrap_or_default()})
}

/// Replaces "thinking" by the outcome. The token is good for 15 minutes.
async fn finish(rest: &Rest, to: &Address, done: Result<Response, Unavailable>) {
    let mut body = render::whisper(&words(done));
    // Who sees an answer is fixed when it is begun.
    body["flags"] = json!(body["flags"].as_u64().unwrap_or_default() & !64);
    let path = format!("/webhooks/{}/{}/messages/@original", to.application, to.token);
    for attempt in 1..=3u32 {
        match rest
            .call(Method::PATCH, Route::interaction(path.clone()), Some(&body))
            .await
        {
            Ok(_) => return,
            Err(Failure::Limited(wait)) if attempt < 3 => {
                tokio::time::sleep(wait.min(Duration::from_secs(10))).await
            }
            // An edit given twice does no harm, and over HTTP it may come before the answer it edits.
            Err(Failure::NotReached(_) | Failure::Unknown(_) | Failure::Refused { status: 404, .. })
                if attempt < 3 =>
            {
                tokio::time::sleep(Duration::from_secs(1) * attempt).await;
            }
            Err(failure) => {
                return tracing::warn!(
                    interaction = to.id,
                    ?failure,
                    "The late answer could not be given."
                );
            }
        }
    }
}
