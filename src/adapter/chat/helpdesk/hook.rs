//! Any other system, by Standard Webhooks both ways.
//!
//! Out: `POST url`, `webhook-id` is the key of the effect, the same for every attempt, by which the receiver knows
//! a repetition. `{"type":"ticket","title","text"}` is answered with `{"id","url"}`, `{"type":"note","ticket",
//! "text"}` with any 2xx. In: `POST /helpdesk/{name}` with `{"ticket","status":"open"|"done","url"}`, answered with 202 when
//! it is stored, 404 where no case has that ticket.

use super::system::{Ticket, id, unnumbered};
use super::{Desk, News, System};
use crate::adapter::api::{Api, Failed};
use crate::adapter::ids::header_safe;
use crate::adapter::signature::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::app::Inbound;
use crate::domain::{Clock, IdempotencyKey};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// The most bytes of a request.
const MOST_BODY: usize = 64 * 1024;

/// A system that speaks this contract.
pub struct Hook {
    api: Api,
    secret: Secret,
    clock: Arc<dyn Clock>,
}

impl Hook {
    pub fn new(api: Api, secret: &SecretString, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let secret = Secret::parse(secret).map_err(|reason| anyhow::anyhow!("{reason}"))?;
        Ok(Self { api, secret, clock })
    }

    async fn send(&self, key: &IdempotencyKey, body: &Value) -> Result<Value, Failed> {
        let body = body.to_string().into_bytes();
        let (key, now) = (header_safe(key.as_str()), self.clock.now());
        let call = self
            .api
            .writer()
            .post(self.api.base().clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(ID, key.as_ref())
            .header(TIMESTAMP, now.timestamp().to_string())
            .header(SIGNATURE, self.secret.sign(&key, now, &body))
            .body(body);
        let answer = self.api.read(call).await?;
        Ok(serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    pub async fn open(&self, key: &IdempotencyKey, title: &str, text: &str) -> Result<Ticket, Failed> {
        let body = json!({"type": "ticket", "title": title, "text": text});
        let made = self.send(key, &body).await?;
        Ok(Ticket {
            id: id(&made["id"]).ok_or_else(unnumbered)?,
            url: made["url"].as_str().and_then(web),
            done: false,
        })
    }

    pub async fn note(&self, ticket: &str, key: &IdempotencyKey, text: &str) -> Result<(), Failed> {
        let body = json!({"type": "note", "ticket": ticket, "text": text});
        self.send(key, &body).await.map(drop)
    }
}

/// An address of the web; no other is shown.
fn web(told: &str) -> Option<String> {
    let url = url::Url::parse(told).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.to_string())
}

/// What the system tells.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    ticket: Value,
    status: String,
    #[serde(default)]
    url: Option<String>,
}

pub fn routes(desk: Arc<Desk>, inbound: Inbound) -> Router {
    let name = desk.chat.as_str().trim_start_matches("helpdesk:").to_owned();
    Router::new()
        .route(&format!("/helpdesk/{name}"), post(receive))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state((desk, inbound))
}

async fn receive(
    State((desk, inbound)): State<(Arc<Desk>, Inbound)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let System::Hook(hook) = &desk.system else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Err(unproven) = hook.secret.verify(&headers, &body, hook.clock.now()) {
        return (StatusCode::UNAUTHORIZED, unproven.to_string()).into_response();
    }
    let told: Told = match serde_json::from_slice(&body) {
        Ok(told) => told,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let (Some(id), news) = (id(&told.ticket), news(&told.status)) else {
        return (
            StatusCode::BAD_REQUEST,
            "`ticket` must be the id that was given to us",
        )
            .into_response();
    };
    let Some(news) = news else {
        return (StatusCode::BAD_REQUEST, "`status` is \"open\" or \"done\"").into_response();
    };
    let ticket = Ticket {
        id,
        url: told.url.as_deref().and_then(web),
        done: news == News::Closed,
    };
    match desk.tell(&inbound, &ticket, news).await {
        Ok(true) => StatusCode::ACCEPTED.into_response(),
        Ok(false) => (StatusCode::NOT_FOUND, "no case has that ticket").into_response(),
        Err(error) => (
            StatusCode::SERVICE_UNAVAILABLE,
            [(header::RETRY_AFTER, "5")],
            error.to_string(),
        )
            .into_response(),
    }
}

fn news(status: &str) -> Option<News> {
    match status {
        "open" => Some(News::Opened),
        "done" | "closed" | "solved" | "resolved" => Some(News::Closed),
        _ => None,
    }
}
