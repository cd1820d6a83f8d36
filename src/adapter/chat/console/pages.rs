//! The console's routes: the board, the threads, the event stream, and what agents do.

use super::{Console, Notices, view};
use crate::adapter::html;
use crate::app::{Given, Inbound, Input, Place, Reader, Response as Answer, Unavailable};
use crate::command::parse_text;
use crate::domain::{CaseNumber, EventId, Media, Message, Person, Press};
use crate::port::Picture;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Form, Json, Router};
use maud::Markup;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The most cases on the board.
const MOST_CASES: i64 = 100;

/// For how long a browser keeps a picture.
const KEPT: &str = "private, max-age=3600";

#[derive(Clone)]
struct Here {
    console: Arc<Console>,
    reader: Reader,
    inbound: Inbound,
    notices: Notices,
    stop: CancellationToken,
}

pub(super) fn router(
    console: Arc<Console>,
    reader: Reader,
    inbound: Inbound,
    notices: Notices,
    stop: CancellationToken,
) -> Router {
    let door = Arc::clone(&console);
    Router::new()
        .route("/console/board", get(board))
        .route("/console/thread/{case}", get(thread))
        .route("/console/picture/{case}/{event}/{nth}", get(picture))
        .route("/console/events", get(events))
        .route("/console/say", post(say))
        .route("/console/press", post(press))
        .route("/console/form", post(form))
        .layer(middleware::from_fn_with_state(door, admit))
        .with_state(Here {
            console,
            reader,
            inbound,
            notices,
            stop,
        })
}

/// Whose chair the request may use; `None` is everybody's.
#[derive(Clone)]
struct Chair(Option<String>);

async fn admit(State(console): State<Arc<Console>>, mut request: Request, next: Next) -> Response {
    match console.door.enter(request.headers()) {
        Ok(own) => {
            request.extensions_mut().insert(Chair(own));
            next.run(request).await
        }
        Err(refused) => *refused,
    }
}

#[derive(Deserialize)]
struct Open {
    #[serde(default)]
    open: Option<i64>,
}

async fn board(State(here): State<Here>, Query(Open { open }): Query<Open>) -> Result<Markup, Response> {
    let entries = here.reader.board(MOST_CASES).await.map_err(unavailable)?;
    let notices = here.reader.notices((here.notices)()).await;
    let notices = notices.map_err(unavailable)?;
    Ok(view::board(&notices, &entries, open.map(CaseNumber)))
}

async fn thread(State(here): State<Here>, Path(case): Path<i64>) -> Result<Markup, Response> {
    let case = CaseNumber(case);
    let thread = here
        .reader
        .thread(&here.console.name, case)
        .await
        .map_err(unavailable)?;
    match thread {
        Some(thread) => Ok(view::thread(case, &thread, &here.console.attachments)),
        None => Err((StatusCode::NOT_FOUND, view::no_thread(case)).into_response()),
    }
}

/// A picture of a post: of the one that an event tells of, or, with 0, of the first.
async fn picture(
    State(here): State<Here>,
    Path((case, event, nth)): Path<(i64, i64, usize)>,
) -> Result<Response, Response> {
    let none = |why: String| (StatusCode::NOT_FOUND, why).into_response();
    let event = (event > 0).then_some(EventId(event));
    let found = here.reader.attachment(CaseNumber(case), event, nth).await;
    let media = found.map_err(unavailable)?;
    let still = media.as_ref().and_then(Media::still);
    let (Some(still), Some(pictures)) = (still, here.console.attachments.pictures()) else {
        return Err(none("There is no such picture.".to_owned()));
    };
    let picture = pictures.get(still).await;
    let Picture { bytes, form } = picture.map_err(|why| none(format!("Not shown: {why}.")))?;
    let headers = [(CONTENT_TYPE, form.mime()), (CACHE_CONTROL, KEPT)];
    Ok((headers, bytes).into_response())
}

async fn events(State(here): State<Here>) -> impl IntoResponse {
    html::ticks(here.console.changes(), here.stop)
}

#[derive(Deserialize)]
struct Say {
    by: String,
    nonce: String,
    line: String,
    /// The case whose thread is open.
    #[serde(default)]
    open: Option<i64>,
}

async fn say(
    State(here): State<Here>,
    Extension(chair): Extension<Chair>,
    Form(said): Form<Say>,
) -> Response {
    let Say {
        by,
        nonce,
        line,
        open,
    } = said;
    match address(&line, open.map(CaseNumber)) {
        Ok((line, case)) => give(&here, &chair, (&by, &nonce), Input::Text(line), case).await,
        Err(unclear) => {
            let say = Message::line(unclear);
            told(StatusCode::OK, "refused", view::answer(&say), None)
        }
    }
}

#[derive(Deserialize)]
struct Pressed {
    by: String,
    nonce: String,
    press: String,
}

async fn press(
    State(here): State<Here>,
    Extension(chair): Extension<Chair>,
    Form(pressed): Form<Pressed>,
) -> Response {
    let Pressed { by, nonce, press } = pressed;
    let case = press.parse::<Press>().ok().map(|press| press.case());
    give(&here, &chair, (&by, &nonce), Input::Press(press), case).await
}

#[derive(Deserialize)]
struct Filled {
    by: String,
    nonce: String,
    case: i64,
    verb: String,
    text: String,
    #[serde(default)]
    reply: Option<i64>,
}

async fn form(
    State(here): State<Here>,
    Extension(chair): Extension<Chair>,
    Form(filled): Form<Filled>,
) -> Response {
    let Filled {
        by,
        nonce,
        case,
        verb,
        text,
        reply,
    } = filled;
    let case = CaseNumber(case);
    let input = Input::Form {
        case,
        verb,
        text: text.replace("\r\n", "\n"),
        reply,
    };
    give(&here, &chair, (&by, &nonce), input, Some(case)).await
}

async fn give(
    here: &Here,
    Chair(own): &Chair,
    (by, nonce): (&str, &str),
    input: Input,
    case: Option<CaseNumber>,
) -> Response {
    // Whoever signed in acts as nobody else, whatever the page says.
    let by = own.as_deref().unwrap_or(by);
    let Some(person) = here.console.person(by).filter(|_| html::is_nonce(nonce)) else {
        let say = Message::line("The page is out of date: load it again. Nothing was done.");
        return told(StatusCode::BAD_REQUEST, "refused", view::answer(&say), None);
    };
    let given = Given {
        key: key(&person, nonce),
        by: person,
        place: Place {
            channel: Some(Console::channel()),
            thread: None,
        },
        input,
    };
    let answer = here.inbound.given(given).await;
    // What was done shows at once, also on the pages of others; the effects tick again.
    here.console.tick();
    match answer {
        Ok(Answer::Done(message)) => told(StatusCode::OK, "done", view::answer(&message), case),
        Ok(Answer::Refused(message)) => told(StatusCode::OK, "refused", view::answer(&message), None),
        Ok(Answer::Ask(form)) => told(StatusCode::OK, "ask", view::ask(&form), Some(form.case)),
        Err(error) => unavailable(error),
    }
}

fn key(person: &Person, nonce: &str) -> String {
    format!("{}:{}:{nonce}", person.chat, person.user)
}

fn told(status: StatusCode, kind: &str, html: Markup, case: Option<CaseNumber>) -> Response {
    let case = case.map(|case| case.0);
    let body = json!({ "kind": kind, "html": html.into_string(), "case": case });
    (status, Json(body)).into_response()
}

fn unavailable(error: Unavailable) -> Response {
    let say = Message::line(format!("That did not work: {error}. Try again in a moment."));
    told(
        StatusCode::SERVICE_UNAVAILABLE,
        "refused",
        view::answer(&say),
        None,
    )
}

/// Makes a line say itself which case it is about, and tells which.
///
/// With a slash it is a command as anywhere in a chat: a number after the verb names the case. Plain
/// words belong to the open thread, and free text stays verbatim, so that a public reply may begin
/// with a number. Where no number is given, the open thread's case is meant.
///
/// # Errors
/// The line's number may name another case, or be the first word of a public reply.
fn address(line: &str, open: Option<CaseNumber>) -> Result<(String, Option<CaseNumber>), String> {
    let line = line.trim();
    let (line, implied) = match line.strip_prefix('/') {
        Some(command) => (command.trim_start(), None),
        None => (line, open),
    };
    let line = match line.split_once(char::is_whitespace) {
        Some((first, rest)) if first.eq_ignore_ascii_case("case") => rest.trim_start(),
        Some(_) | None => line,
    };
    let parsed = match parse_text(line, implied) {
        Ok(parsed) if parsed.command.needs_case() => parsed,
        Ok(_) | Err(_) => return Ok((line.to_owned(), None)),
    };
    match (parsed.case, open) {
        (Some(case), Some(open)) if case != open && may_be_words(line, open) => {
            let verb = line.split_whitespace().next().unwrap_or_default();
            Err(format!(
                "You are in {open}. Write `/{verb} {case} …` if you mean {case}; if the number is the first word of \
                 what you want to say, leave out the slash. Nothing was done."
            ))
        }
        (Some(case), _) => Ok((line.to_owned(), Some(case))),
        (None, Some(open)) => Ok((format!("{open} {line}"), Some(open))),
        (None, None) => Ok((line.to_owned(), None)),
    }
}

/// Whether the number after the verb may be the first word of free text: only `#2` is surely a case.
fn may_be_words(line: &str, open: CaseNumber) -> bool {
    let marked = line
        .split_whitespace()
        .nth(1)
        .is_some_and(|word| word.starts_with('#'));
    // At an implied case the grammar takes no number from free text.
    !marked && parse_text(line, Some(open)).is_ok_and(|parsed| parsed.case.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/claim 1", "claim 1", Some(1))]
    #[case("/claim", "#7 claim", Some(7))]
    #[case("claim", "#7 claim", Some(7))]
    #[case("/claim #2", "claim #2", Some(2))]
    #[case("claim 2", "claim 2", Some(2))]
    #[case("/case claim 3", "claim 3", Some(3))]
    #[case("/case 3 reply Hi", "3 reply Hi", Some(3))]
    #[case("/reply #1 Dear Ann,\nthanks", "reply #1 Dear Ann,\nthanks", Some(1))]
    #[case("/reply 7 Dear Ann", "reply 7 Dear Ann", Some(7))]
    #[case("/snooze 2 1h", "snooze 2 1h", Some(2))]
    #[case("reply 2 coffees are on us", "#7 reply 2 coffees are on us", Some(7))]
    #[case("/queue", "queue", None)]
    #[case("queue", "queue", None)]
    #[case("/help reply", "help reply", None)]
    #[case("/frobnicate", "frobnicate", None)]
    fn a_line_says_which_case_it_is_about(
        #[case] line: &str,
        #[case] given: &str,
        #[case] case: Option<i64>,
    ) {
        let expected = (given.to_owned(), case.map(CaseNumber));
        assert_eq!(address(line, Some(CaseNumber(7))), Ok(expected));
    }

    #[rstest]
    #[case("/reply 2 coffees are on us")]
    #[case("/case reply 2 coffees are on us")]
    #[case("/note 2 boxes came back")]
    fn a_number_that_may_be_a_word_is_asked_about(#[case] line: &str) {
        let unclear = address(line, Some(CaseNumber(7))).unwrap_err();
        assert!(unclear.starts_with("You are in #7. Write `/"), "{unclear}");
        assert!(unclear.contains(" #2 …` if you mean #2"), "{unclear}");
        assert!(address(line, Some(CaseNumber(2))).is_ok());
        assert!(address(line, None).is_ok());
    }

    #[test]
    fn without_an_open_thread_nothing_is_implied() {
        assert_eq!(address("/claim", None), Ok(("claim".to_owned(), None)));
    }
}
