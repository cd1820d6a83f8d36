//! `hearback connect`: a person lets us in with a browser, and the platform's tokens are kept.

use super::{Configured, Exit};
use crate::adapter::oauth::{Door, Grant, Walk};
use crate::domain::message;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use clap::Args;
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;
use serde_json::json;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use url::Url;

/// How long is waited for the person.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a page that is being shown may keep the command from ending.
const LAST_PAGE: Duration = Duration::from_secs(3);

/// How much of a platform's reason is shown, in characters.
const MOST_WHY: usize = 300;

/// `hearback connect`
#[derive(Debug, Clone, Args)]
pub struct Connect {
    /// The platform, or the name of the source where there are several of one platform.
    pub what: String,
    /// Where the platform sends the browser back to; it has to be named in the platform's settings of the
    /// application, letter by letter. An address of another machine is not listened on: the browser's address
    /// line is pasted here then.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8931/connected")]
    pub redirect: Url,
    /// The configuration.
    #[command(flatten)]
    pub configured: Configured,
    /// Writes the report as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What the browser brings back (RFC 6749, 4.1.2).
#[derive(Debug, Default, Deserialize)]
struct Brought {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum NotLetIn {
    /// The answer belongs to another question.
    #[error("this is not the answer to the link that was printed here; open that link again")]
    Strange,
    /// The person or the platform said no.
    #[error("the platform says no: {0}")]
    Refused(String),
    /// The platform does not take its own code, or what it gave cannot be stored.
    #[error("{0}")]
    Failed(String),
    /// Nobody came.
    #[error("nobody came back from the browser within {} minutes", PATIENCE.as_secs() / 60)]
    Nobody,
    /// The terminal cannot be read or written.
    #[error("the terminal: {0}")]
    Terminal(#[from] io::Error),
}

/// Walks through a platform's door: prints the link, waits for what the browser brings back, redeems it.
/// With a `listener` the browser brings it there; without, a person pastes a line, which `pasted` reads.
///
/// # Errors
/// Nobody was let in; nothing was changed.
pub async fn walk(
    (door, grant): (&Door, &Grant),
    redirect: &Url,
    listener: Option<TcpListener>,
    pasted: impl Future<Output = io::Result<String>>,
    out: &mut impl Write,
) -> Result<(), NotLetIn> {
    let walk = door.walk(grant.client_id(), redirect.clone());
    writeln!(
        out,
        "Open this in a browser where the brand's account is signed in:\n\n  {}\n",
        walk.url
    )?;
    let done = match listener {
        Some(listener) => {
            writeln!(out, "Waiting for the browser at {redirect} …")?;
            tokio::time::timeout(PATIENCE, by_browser(&walk, grant, listener)).await
        }
        None => {
            writeln!(
                out,
                "Then paste here the address that the browser ends at (it begins with {redirect}):"
            )?;
            tokio::time::timeout(PATIENCE, by_hand(&walk, grant, pasted)).await
        }
    };
    done.unwrap_or(Err(NotLetIn::Nobody))
}

async fn by_hand(
    walk: &Walk,
    grant: &Grant,
    pasted: impl Future<Output = io::Result<String>>,
) -> Result<(), NotLetIn> {
    let line = pasted.await?;
    let query = Url::parse(line.trim()).ok();
    let query = query.as_ref().and_then(Url::query).unwrap_or_default();
    let mut brought = Brought::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()).into_owned() {
        match name.as_str() {
            "code" => brought.code = Some(value),
            "state" => brought.state = Some(value),
            "error" => brought.error = Some(value),
            "error_description" => brought.error_description = Some(value),
            _ => {}
        }
    }
    redeem(walk, grant, brought).await
}

/// What a browser brought, and who is to be told what came of it.
type Visit = (Brought, oneshot::Sender<Result<(), String>>);

async fn by_browser(walk: &Walk, grant: &Grant, listener: TcpListener) -> Result<(), NotLetIn> {
    let (visits, mut visited) = mpsc::channel::<Visit>(1);
    let (over, ended) = oneshot::channel::<()>();
    let path: Arc<str> = walk.redirect.path().into();
    // By hand: a router reads `:` and `{` in a path as places for anything.
    let router = axum::Router::new().fallback(arrive).with_state((path, visits));
    let ends = async {
        let _ = ended.await;
    };
    let serving = axum::serve(listener, router).with_graceful_shutdown(ends);
    let answering = async {
        while let Some((brought, told)) = visited.recv().await {
            let done = redeem(walk, grant, brought).await;
            let _ = told.send(done.as_ref().copied().map_err(ToString::to_string));
            // Somebody else's answer ends nothing: whoever was asked may still come.
            if !matches!(done, Err(NotLetIn::Strange)) {
                return done;
            }
        }
        Err(NotLetIn::Nobody)
    };
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        done = answering => {
            let _ = over.send(());
            let _ = tokio::time::timeout(LAST_PAGE, serving).await;
            done
        }
        served = &mut serving => {
            served?;
            Err(NotLetIn::Nobody)
        }
    }
}

async fn arrive(
    State((path, visits)): State<(Arc<str>, mpsc::Sender<Visit>)>,
    method: Method,
    uri: Uri,
    Query(brought): Query<Brought>,
) -> Response {
    // A browser's own questions, as for an icon, are no answer.
    if method != Method::GET || uri.path() != &*path {
        return StatusCode::NOT_FOUND.into_response();
    }
    let (told, answer) = oneshot::channel();
    if visits.send((brought, told)).await.is_err() {
        return (
            StatusCode::GONE,
            page("Over", "The command has ended; start it again."),
        )
            .into_response();
    }
    match answer.await {
        Ok(Ok(())) => page(
            "Connected",
            "Hearback may use the account now. This page can be closed.",
        )
        .into_response(),
        Ok(Err(why)) => (StatusCode::BAD_REQUEST, page("Not connected", &why)).into_response(),
        Err(_) => (
            StatusCode::GONE,
            page("Over", "The command has ended; start it again."),
        )
            .into_response(),
    }
}

fn page(title: &str, words: &str) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Hearback: " (title) } }
            body style="font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1rem" {
                h1 { (title) }
                p { (words) }
            }
        }
    }
}

/// Redeems what was brought, if it is the answer to what we asked.
async fn redeem(walk: &Walk, grant: &Grant, brought: Brought) -> Result<(), NotLetIn> {
    let state = brought.state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(walk.state.as_bytes())) {
        return Err(NotLetIn::Strange);
    }
    if let Some(error) = brought.error {
        let more = brought.error_description.map(|more| format!(": {more}"));
        let why = format!("{error}{}", more.unwrap_or_default());
        return Err(NotLetIn::Refused(message::one_line(&why, MOST_WHY)));
    }
    let Some(code) = brought.code else {
        return Err(NotLetIn::Strange);
    };
    let redeemed = grant.redeem(&code, &walk.redirect, &walk.verifier).await;
    redeemed.map_err(|error| NotLetIn::Failed(error.to_string()))
}

/// Says what came of it.
///
/// # Errors
/// `out` cannot be written.
pub fn report(
    source: &str,
    done: &Result<(), NotLetIn>,
    json: bool,
    out: &mut impl Write,
) -> io::Result<Exit> {
    let why = done.as_ref().err().map(ToString::to_string);
    if json {
        serde_json::to_writer_pretty(
            &mut *out,
            &json!({ "source": source, "connected": done.is_ok(), "error": why }),
        )?;
        writeln!(out)?;
    } else if let Some(why) = why {
        writeln!(out, "{source} is not connected: {why}.")?;
    } else {
        writeln!(
            out,
            "{source} is connected. `hearback doctor` shows what the account may do."
        )?;
    }
    Ok(if done.is_ok() { Exit::Done } else { Exit::Failed })
}
