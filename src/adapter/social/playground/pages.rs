//! The square's routes: the feed, the event stream, and what customers do.

use super::Playground;
use super::book::NotWritten;
use super::square::{Sorry, Wish, customer};
use super::view;
use crate::adapter::html;
use crate::domain::NativeId;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use maud::Markup;
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Here {
    playground: Arc<Playground>,
    stop: CancellationToken,
}

pub(super) fn router(playground: Arc<Playground>, stop: CancellationToken) -> Router {
    Router::new()
        .route("/playground/feed", get(feed))
        .route("/playground/events", get(events))
        .route("/playground/write", post(write))
        .route("/playground/edit", post(edit))
        .route("/playground/delete", post(delete))
        .with_state(Here { playground, stop })
}

async fn feed(State(here): State<Here>) -> Markup {
    let arrived = here.playground.samples_arrived();
    view::feed(&here.playground.book.square(), arrived)
}

async fn events(State(here): State<Here>) -> impl IntoResponse {
    html::ticks(here.playground.changes(), here.stop)
}

#[derive(Deserialize)]
struct Write {
    name: String,
    text: String,
    #[serde(default)]
    to: Option<String>,
    nonce: String,
}

async fn write(State(here): State<Here>, Form(form): Form<Write>) -> Response {
    let Write {
        name,
        text,
        to,
        nonce,
    } = form;
    if !html::is_nonce(&nonce) {
        return answer(
            StatusCode::BAD_REQUEST,
            "The form is damaged: load the page again.",
        );
    }
    let to = to.filter(|to| !to.is_empty()).map(NativeId::from);
    let key = format!("page:{nonce}");
    let written = here
        .playground
        .write(Some(key.clone()), move |square| Wish::Write {
            to,
            by: customer(square, &name),
            text,
            lang: None,
            nonce: key,
        });
    told(written.await)
}

#[derive(Deserialize)]
struct Edit {
    id: String,
    text: String,
}

async fn edit(State(here): State<Here>, Form(form): Form<Edit>) -> Response {
    let Edit { id, text } = form;
    let id = NativeId::from(id);
    told(
        here.playground
            .write(None, move |_| Wish::Edit { id, text })
            .await,
    )
}

#[derive(Deserialize)]
struct Delete {
    id: String,
}

async fn delete(State(here): State<Here>, Form(form): Form<Delete>) -> Response {
    let id = NativeId::from(form.id);
    told(here.playground.write(None, move |_| Wish::Delete { id }).await)
}

fn told(written: Result<NativeId, NotWritten>) -> Response {
    match written {
        Ok(id) => Json(serde_json::json!({ "id": id })).into_response(),
        Err(error) => {
            let status = match &error {
                NotWritten::Sorry(Sorry::Gone) => StatusCode::NOT_FOUND,
                NotWritten::Sorry(Sorry::NotTheirs) => StatusCode::FORBIDDEN,
                NotWritten::Sorry(Sorry::Empty | Sorry::NoName | Sorry::TooLong(_)) => {
                    StatusCode::UNPROCESSABLE_ENTITY
                }
                NotWritten::Disk(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            answer(status, &error.to_string())
        }
    }
}

fn answer(status: StatusCode, say: &str) -> Response {
    (status, Json(serde_json::json!({ "say": say }))).into_response()
}
