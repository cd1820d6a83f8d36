//! The pages' documents: what is around the square and the console.

use super::Frame;
use super::assets::address;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use maud::{DOCTYPE, Markup, PreEscaped, html};

/// `/`, and `/playground` where there is one.
pub(super) fn router(square: Option<Markup>, console: Option<Frame>) -> Router {
    let mut router = Router::new().fallback(not_found);
    if let Some(square) = &square {
        let alone = document("Town Square", &html! {}, square);
        router = router.route("/playground", get(async move || alone));
    }
    let home = async move |headers: HeaderMap| -> Response {
        let console = match console.map(|frame| frame(&headers)).transpose() {
            Ok(console) => console,
            Err(refused) => return *refused,
        };
        home(square, console).into_response()
    };
    router.route("/", get(home))
}

fn home(square: Option<Markup>, console: Option<Markup>) -> Markup {
    match (square, console) {
        (Some(square), Some(console)) => document(
            "Hearback",
            &steps(),
            &html! { (square) div.seam aria-hidden="true" {} (console) },
        ),
        (None, Some(console)) => document("Hearback", &html! {}, &console),
        (Some(square), None) => document("Hearback", &html! {}, &square),
        (None, None) => document("Hearback", &html! {}, &at_work()),
    }
}

fn document(title: &str, middle: &Markup, panes: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content="Everyone who complains in public hears back.";
                link rel="icon" type="image/svg+xml" href=(address("mark.svg"));
                link rel="stylesheet" href=(address("hearback.css"));
                script type="module" src=(address("hearback.js")) {}
            }
            body {
                header.top {
                    a.brand href="/" { (mark()) span.brand-name { "Hearback" } }
                    p.tagline { "Everyone who complains in public hears back." }
                    (middle)
                    span.live #live title="The page follows what happens" { span.dot {} span.live-word { "connecting" } }
                }
                noscript { p.notice { "This page follows what happens by a small script of its own. Please allow it." } }
                main.panes { (panes) }
            }
        }
    }
}

/// What to try, ticked off as it is done.
fn steps() -> Markup {
    html! {
        ol.steps #steps aria-label="What to try" {
            li #step-write { span.step-mark aria-hidden="true" {} "Write as a customer" }
            li #step-reply { span.step-mark aria-hidden="true" {} "Claim and reply" }
            li #step-appear { span.step-mark aria-hidden="true" {} "Watch it appear in the square" }
        }
    }
}

/// The page of a server whose team works in Slack or Discord.
fn at_work() -> Markup {
    html! {
        section.pane.alone {
            div.empty {
                span.empty-mark aria-hidden="true" { (mark()) }
                h1 { "Hearback is at work" }
                p { "Cases are in your team's chat. " a href="/readyz" { "How the connections stand" } "." }
            }
        }
    }
}

async fn not_found() -> impl IntoResponse {
    let page = document(
        "Not found",
        &html! {},
        &html! {
            section.pane.alone {
                div.empty { h1 { "There is nothing here" } p { a href="/" { "To the start" } } }
            }
        },
    );
    (StatusCode::NOT_FOUND, page)
}

fn mark() -> Markup {
    PreEscaped(include_str!("assets/mark.svg").to_owned())
}
