//! Any other system, by Standard Webhooks both ways.
//!
//! Out: `POST url`, `webhook-id` is the key of the effect, the same for every attempt, by which the receiver knows
//! a repetition. `{"type":"ticket","title","text"}` is answered with `{"id","url"}`, `{"type":"note","ticket",
//! "text","reopen"}` with any 2xx (`reopen`: the case is handed over again, so the ticket is to be open); 404, 410 and
//! 422 say that the ticket takes no note. In: `POST /helpdesk/{name}` with `{"ticket","status":"open"|"done","url"}`, answered with 202 when
//! it is stored, 404 where no case has that ticket. A delivery that comes twice (the same `webhook-id`) is told once.

use super::system::{Ticket, id, unnumbered};
use super::{Desk, System};
use crate::adapter::api::{Api, Failed};
use crate::adapter::ids::header_safe;
use crate::adapter::signature::{ID, SIGNATURE, Secret, TIMESTAMP};
use crate::app::Inbound;
use crate::domain::{Clock, IdempotencyKey};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
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
            updated: None,
        })
    }

    pub async fn note(
        &self,
        ticket: &str,
        (key, reopen): (&IdempotencyKey, bool),
        text: &str,
    ) -> Result<(), Failed> {
        let body = json!({"type": "note", "ticket": ticket, "text": text, "reopen": reopen});
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
        return told(
            StatusCode::NOT_FOUND,
            "this help desk is asked, and tells nothing",
        );
    };
    if let Err(unproven) = hook.secret.verify(&headers, &body, hook.clock.now()) {
        return told(StatusCode::UNAUTHORIZED, &unproven.to_string());
    }
    let ticket = match read(&body) {
        Ok(ticket) => ticket,
        Err(why) => return told(StatusCode::BAD_REQUEST, &why),
    };
    let delivery = headers.get(ID).and_then(|id| id.to_str().ok());
    match desk.news.tell(&inbound, &ticket, delivery).await {
        Ok(true) => StatusCode::ACCEPTED.into_response(),
        Ok(false) => told(StatusCode::NOT_FOUND, "no case has that ticket"),
        Err(error) => {
            let answer = told(StatusCode::SERVICE_UNAVAILABLE, &error.to_string());
            ([(header::RETRY_AFTER, "5")], answer).into_response()
        }
    }
}

fn told(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({"error": error}))).into_response()
}

fn read(body: &[u8]) -> Result<Ticket, String> {
    let told: Told = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let id = id(&told.ticket).ok_or("`ticket` must be the id that was given to us")?;
    let done = is_done(&told.status).ok_or("`status` is \"open\" or \"done\"")?;
    Ok(Ticket {
        id,
        url: told.url.as_deref().and_then(web),
        done,
        updated: None,
    })
}

fn is_done(status: &str) -> Option<bool> {
    match status {
        "open" => Some(false),
        "done" | "closed" | "solved" | "resolved" => Some(true),
        _ => None,
    }
}
