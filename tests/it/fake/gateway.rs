//! What stands before a platform: a proxy with pages of its own, which knows nothing of what the
//! platform did.

use super::fault::Faults;
use super::server::{Line, scripted};
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// The proxy's pages waiting for each call, by the name the fake gives it.
#[derive(Default)]
pub struct Gateway(Mutex<HashMap<String, VecDeque<Page>>>);

struct Page {
    status: u16,
    done: bool,
}

impl Gateway {
    /// The next call of this name is answered with a page; `done` says whether the platform had
    /// done before what it was asked.
    pub fn next(&self, call: &str, status: u16, done: bool) {
        let mut pages = self.0.lock().unwrap();
        let waiting = pages.entry(call.to_owned()).or_default();
        waiting.push_back(Page { status, done });
    }

    /// Lets a call through to the platform and its faults, or answers for it.
    pub async fn pass(
        &self,
        faults: &Faults,
        call: &str,
        line: &Line,
        act: impl FnOnce() -> Response,
    ) -> Response {
        let page = self.0.lock().unwrap().get_mut(call).and_then(VecDeque::pop_front);
        let Some(Page { status, done }) = page else {
            return scripted(faults, call, line, act).await;
        };
        if done {
            act();
        }
        let status = StatusCode::from_u16(status).unwrap();
        (status, Html(format!("<h1>{status}</h1>"))).into_response()
    }
}
