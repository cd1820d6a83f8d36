//! `/healthz`, `/readyz`, `/metrics`.

use crate::adapter::link::{Link, LinkState};
use crate::app::{Inbound, Reader, Unavailable};
use crate::domain::SourceName;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use serde::Serialize;
use std::time::Duration;

/// The most time the database and the ledger each have to answer.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Here {
    reader: Reader,
    inbound: Inbound,
    links: Vec<Link>,
    metrics: PrometheusHandle,
}

pub(super) fn router(
    reader: Reader,
    inbound: Inbound,
    links: Vec<Link>,
    metrics: PrometheusHandle,
) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Here {
            reader,
            inbound,
            links,
            metrics,
        })
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Readiness {
    ready: bool,
    /// `ok`, or why not.
    database: String,
    /// The same of what takes everything in.
    ledger: String,
    /// The same of what publishes replies.
    sender: String,
    links: Vec<LinkLine>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct LinkLine {
    name: String,
    state: &'static str,
    reason: Option<String>,
}

async fn ready(State(here): State<Here>) -> impl IntoResponse {
    let asked = SourceName::from("readyz");
    let (database, ledger) = tokio::join!(
        in_time(here.reader.health()),
        // Nothing is handed in, but the answer comes the way that all others take.
        in_time(here.inbound.posts_seen(&asked, Vec::new(), None)),
    );
    let (status, readiness) = readiness(database, ledger, here.reader.sender(), &here.links);
    (status, Json(readiness))
}

async fn in_time<T>(asking: impl Future<Output = Result<T, Unavailable>>) -> Result<(), String> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

fn readiness(
    database: Result<(), String>,
    ledger: Result<(), String>,
    sender: Result<(), String>,
    links: &[Link],
) -> (StatusCode, Readiness) {
    let lines: Vec<_> = links.iter().map(line).collect();
    let well = database.is_ok() && ledger.is_ok() && sender.is_ok();
    let ready = well && lines.iter().all(|line| line.state == "up");
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let word = |answer: Result<(), String>| answer.err().unwrap_or_else(|| "ok".to_owned());
    let readiness = Readiness {
        ready,
        database: word(database),
        ledger: word(ledger),
        sender: word(sender),
        links: lines,
    };
    (status, readiness)
}

fn line(link: &Link) -> LinkLine {
    let (state, reason) = match link.state() {
        LinkState::Starting => ("starting", None),
        LinkState::Up => ("up", None),
        LinkState::Down(reason) => ("down", Some(reason)),
    };
    LinkLine {
        name: link.name().to_owned(),
        state,
        reason,
    }
}

async fn render(State(here): State<Here>) -> impl IntoResponse {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], here.metrics.render())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_means_that_the_database_and_every_link_stand() {
        let (socket, source) = (Link::new("slack:socket-1"), Link::new("source:fedi"));
        let links = [socket.clone(), source.clone()];
        socket.up();
        let (status, told) = readiness(Ok(()), Ok(()), Ok(()), &links);
        assert_eq!(
            (status, told.ready),
            (StatusCode::SERVICE_UNAVAILABLE, false),
            "a link is starting"
        );
        source.up();
        assert_eq!(readiness(Ok(()), Ok(()), Ok(()), &links).0, StatusCode::OK);
        source.down("the token was revoked");
        let (status, told) = readiness(Ok(()), Ok(()), Ok(()), &links);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(
            serde_json::to_value(told).unwrap(),
            serde_json::json!({"ready": false, "database": "ok", "ledger": "ok", "sender": "ok", "links": [
                {"name": "slack:socket-1", "state": "up", "reason": null},
                {"name": "source:fedi", "state": "down", "reason": "the token was revoked"},
            ]})
        );
        source.up();
        let (status, told) = readiness(Err("disk full".to_owned()), Ok(()), Ok(()), &links);
        assert_eq!(
            (status, told.database.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "disk full")
        );
        let (status, told) = readiness(Ok(()), Err("shutting down".to_owned()), Ok(()), &links);
        assert_eq!(
            (status, told.ledger.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "shutting down")
        );
        let (status, told) = readiness(Ok(()), Ok(()), Err("a copy".to_owned()), &links);
        assert_eq!(
            (status, told.sender.as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "a copy")
        );
    }
}
