//! The HTTP server: health, metrics, webhooks handed in by adapters, and the pages.
//!
//! Pages are guarded: they answer only under their own name (a page of a stranger's cannot reach
//! them by rebinding a name), take changes only from themselves, and run no script but our own.

mod assets;
mod guard;
mod health;
mod patient;
mod serve;
mod shell;

pub use guard::Hosts;
pub use serve::{PATIENCE, serve};

use crate::adapter::link::Link;
use crate::app::{Inbound, Reader};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router, middleware};
use maud::Markup;
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// The most time until an answer begins; event streams begin at once.
const ANSWER: Duration = Duration::from_secs(30);
/// The most of a body that a page's form has.
const MOST_FORM: usize = 64 * 1024;
/// The most of a body that is read from anybody.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// Makes a frame for whoever sent these headers, or the answer that asks them to sign in.
pub type Frame = Arc<dyn Fn(&HeaderMap) -> Result<Markup, Box<Response>> + Send + Sync>;

/// What the server is made of.
pub struct Parts {
    /// For `/readyz`.
    pub reader: Reader,
    /// The same: the ledger is asked as well.
    pub inbound: Inbound,
    /// The connections that `/readyz` tells about.
    pub links: Vec<Link>,
    /// For `/metrics`; rendering it is all that is done with it.
    pub metrics: PrometheusHandle,
    /// Routes that platforms call. They verify their callers themselves.
    pub hooks: Vec<Router>,
    /// Routes that the pages call. They are guarded here.
    pub pages: Vec<Router>,
    /// The square's frame, in the demo.
    pub square: Option<Markup>,
    /// The console's frame for a request, where it is served.
    pub console: Option<Frame>,
    /// The names under which the pages answer.
    pub hosts: Hosts,
}

/// The server's routes.
pub fn router(parts: Parts) -> Router {
    let Parts {
        reader,
        inbound,
        links,
        metrics,
        hooks,
        pages,
        square,
        console,
        hosts,
    } = parts;
    let health = health::router(reader, inbound, links, metrics);
    let shell = shell::router(square, console);
    let pages = pages
        .into_iter()
        .fold(shell, Router::merge)
        .layer(DefaultBodyLimit::max(MOST_FORM))
        .layer(middleware::from_fn_with_state(Arc::new(hosts), guard::guard))
        .merge(Router::new().route("/assets/{version}/{name}", get(assets::asset)));
    let strangers = Router::new()
        .route("/webhooks/{source}", any(unknown))
        .route("/helpdesk/{name}", any(unknown));
    hooks
        .into_iter()
        .fold(health.merge(pages).merge(strangers), Router::merge)
        .layer(middleware::map_response(guard::headers))
        .layer(tower_http::limit::RequestBodyLimitLayer::new(MOST_BODY))
        .layer(middleware::map_response(guard::part))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER,
        ))
        .layer(CatchPanicLayer::new())
}

/// A program calls an address that nothing is connected to: it is told so as programs are.
async fn unknown() -> impl IntoResponse {
    let error = "nothing that is called is configured under this name";
    (StatusCode::NOT_FOUND, Json(serde_json::json!({"error": error})))
}
