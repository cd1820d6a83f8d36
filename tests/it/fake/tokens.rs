//! A token endpoint as RFC 6749 describes it, of the strict kind: each renewal gives a new refresh token and
//! makes the old one worthless.

use super::fault::{Fault, Faults};
use super::server::Server;
use axum::Json;
use axum::extract::{Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use url::Url;

/// How long its access tokens last.
pub const LASTS: Duration = Duration::from_secs(7200);

#[derive(Default)]
struct Known {
    given: usize,
    /// The refresh token that is taken, beside those that are still taken after it was used.
    refresh: String,
    forgives: bool,
    spent: Vec<String>,
    codes: HashMap<String, String>,
    asked: Vec<HashMap<String, String>>,
}

/// The endpoint.
pub struct FakeTokens {
    pub faults: Faults,
    known: Arc<Mutex<Known>>,
    server: Server,
}

#[derive(Clone)]
struct DeskState {
    faults: Faults,
    known: Arc<Mutex<Known>>,
}

impl FakeTokens {
    /// One that takes this refresh token.
    pub async fn start(refresh: &str) -> Self {
        let known = Known {
            refresh: refresh.to_owned(),
            ..Known::default()
        };
        let (faults, known) = (Faults::default(), Arc::new(Mutex::new(known)));
        let desk = DeskState {
            faults: faults.clone(),
            known: known.clone(),
        };
        let router = axum::Router::new()
            .route("/oauth2/token", axum::routing::post(give))
            .with_state(desk);
        Self {
            faults,
            known,
            server: Server::start(router).await,
        }
    }

    /// Its address.
    pub fn url(&self) -> Url {
        self.server.url.join("/oauth2/token").unwrap()
    }

    /// A person allowed it: this code may be redeemed by whoever knows what hashes to the challenge.
    pub fn allow(&self, code: &str, challenge: &str) {
        self.held().codes.insert(code.to_owned(), challenge.to_owned());
    }

    /// A refresh token that was used is taken again, as some platforms do for a while.
    pub fn forgive(&self) {
        self.held().forgives = true;
    }

    /// What it was asked.
    pub fn asked(&self) -> Vec<HashMap<String, String>> {
        self.held().asked.clone()
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }
}

async fn give(State(fake): State<DeskState>, Form(form): Form<HashMap<String, String>>) -> Response {
    let fault = fake.faults.take("token");
    if let Some(Fault::Status(status)) = fault {
        fake.known.lock().unwrap().asked.push(form);
        return (StatusCode::from_u16(status).unwrap(), "<html>").into_response();
    }
    let answer = {
        let mut known = fake.known.lock().unwrap();
        known.asked.push(form.clone());
        let field = |name: &str| form.get(name).cloned().unwrap_or_default();
        let taken = match field("grant_type").as_str() {
            "refresh_token" => {
                let told = field("refresh_token");
                let again = known.forgives && known.spent.contains(&told);
                (told == known.refresh || again).then_some(told)
            }
            "authorization_code" => {
                use base64::Engine as _;
                use sha2::Digest as _;
                let hash = sha2::Sha256::digest(field("code_verifier"));
                let hash = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
                let challenge = known.codes.remove(&field("code"));
                (challenge == Some(hash)).then(String::new)
            }
            _ => None,
        };
        match taken {
            None => {
                let told =
                    json!({"error": "invalid_grant", "error_description": "Value passed was invalid."});
                (StatusCode::BAD_REQUEST, Json(told)).into_response()
            }
            Some(spent) => {
                known.spent.push(spent);
                known.given += 1;
                known.refresh = format!("refresh-{}", known.given);
                Json(json!({
                    "token_type": "bearer",
                    "access_token": format!("access-{}", known.given),
                    "refresh_token": known.refresh,
                    "expires_in": LASTS.as_secs(),
                }))
                .into_response()
            }
        }
    };
    match fault {
        None => answer,
        // What is said there is no answer any more.
        Some(_) => (StatusCode::BAD_GATEWAY, "<html>").into_response(),
    }
}
