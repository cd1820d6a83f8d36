//! What the scripted platforms of reviews share: the reviews, who may come in, and what the script says.

use super::fault::{Fault, Faults};
use super::server::{Line, scripted};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use hearback::domain::{Clock, Instant};
use serde_json::Value;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A review.
#[derive(Debug, Clone)]
pub struct Review {
    pub id: String,
    pub who: String,
    pub text: String,
    pub stars: i64,
    pub written: Instant,
    pub changed: Instant,
    pub answer: Option<Answer>,
    /// Shown as it is, where a review is expected.
    pub odd: Option<Value>,
}

/// What stands in our place below it.
#[derive(Debug, Clone)]
pub struct Answer {
    pub text: String,
    pub at: Instant,
    /// How it stands with who looks it over, where somebody does.
    pub state: Option<String>,
}

/// What a platform keeps.
#[derive(Default)]
pub struct World {
    pub reviews: Vec<Review>,
    /// All that was written by the API and changed something, in order: the review and the words.
    pub written: Vec<(String, String)>,
    calls: Vec<String>,
    token: Option<String>,
    made: usize,
    locked_out: bool,
    exhausted_until: Option<Instant>,
}

/// How a platform tells an error: status, and words.
pub type Tells = fn(u16, &str) -> Response;

/// A platform's books.
pub struct Books {
    world: Mutex<World>,
    pub faults: Faults,
    pub clock: Arc<dyn Clock>,
    tells: Tells,
    /// How ids begin.
    prefix: &'static str,
}

impl Books {
    pub fn new(clock: Arc<dyn Clock>, prefix: &'static str, tells: Tells) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::default(),
            faults: Faults::default(),
            clock,
            tells,
            prefix,
        })
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Somebody writes a review, which comes to its place so long before now. Gives its id.
    pub fn write(&self, who: &str, text: &str, by: Duration) -> String {
        let at = self.clock.now() - TimeDelta::from_std(by).unwrap();
        let mut world = self.world();
        let id = format!("{}{}", self.prefix, world.reviews.len() + 1);
        world.reviews.push(Review {
            id: id.clone(),
            who: who.to_owned(),
            text: text.to_owned(),
            stars: 2,
            written: at,
            changed: at,
            answer: None,
            odd: None,
        });
        id
    }

    /// Something stands among the reviews that is none.
    pub fn poison(&self, odd: Value) {
        let id = self.write("odd", "odd", Duration::ZERO);
        self.world().find_mut(&id).unwrap().odd = Some(odd);
    }

    /// The author changes a review.
    pub fn edit(&self, id: &str, text: &str) {
        let now = self.clock.now();
        let mut world = self.world();
        let review = world.find_mut(id).unwrap();
        review.text = text.to_owned();
        review.changed = now;
    }

    /// The author takes a review back.
    pub fn delete(&self, id: &str) {
        self.world().reviews.retain(|review| review.id != id);
    }

    /// A colleague answers by the platform's own pages.
    pub fn colleague(&self, id: &str, text: &str) {
        let at = self.clock.now();
        let text = text.to_owned();
        self.world().find_mut(id).unwrap().answer = Some(Answer {
            text,
            at,
            state: None,
        });
    }

    /// The API writes an answer. `None`: there is no such review.
    pub fn answer(&self, id: &str, text: &str) -> Option<Answer> {
        let at = self.clock.now();
        let mut world = self.world();
        let review = world.find_mut(id)?;
        if let Some(answer) = review.answer.clone().filter(|answer| answer.text == text) {
            return Some(answer);
        }
        let answer = Answer {
            text: text.to_owned(),
            at,
            state: None,
        };
        review.answer = Some(answer.clone());
        world.written.push((id.to_owned(), text.to_owned()));
        Some(answer)
    }

    /// A new token; the old one counts no more. `None`: who asks is locked out.
    pub fn sign_in(&self) -> Option<String> {
        let mut world = self.world();
        world.made += 1;
        if world.locked_out {
            return None;
        }
        let token = format!("token-{}-SECRET", world.made);
        world.token = Some(token.clone());
        Some(token)
    }

    /// The token ends.
    pub fn expire(&self) {
        self.world().token = None;
    }

    /// From now on nobody is let in.
    pub fn lock_out(&self) {
        self.expire();
        self.world().locked_out = true;
    }

    pub fn is_locked_out(&self) -> bool {
        self.world().locked_out
    }

    /// How often somebody asked for a token.
    pub fn signed_in(&self) -> usize {
        self.world().made
    }

    /// Nothing is allowed for this time.
    pub fn exhaust(&self, time: Duration) {
        let until = self.clock.now() + TimeDelta::from_std(time).unwrap();
        self.world().exhausted_until = Some(until);
    }

    /// How often a call came.
    pub fn calls(&self, name: &str) -> usize {
        self.world().calls.iter().filter(|call| *call == name).count()
    }

    /// Whether this is the token that counts.
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        let told = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let told = told.and_then(|value| value.strip_prefix("Bearer "));
        told.is_some() && self.world().token.as_deref() == told
    }

    /// Does what was asked by somebody who may, or what the script says instead.
    pub async fn act(
        &self,
        (name, allowed): (&str, bool),
        line: &Line,
        act: impl FnOnce() -> Response,
    ) -> Response {
        self.world().calls.push(name.to_owned());
        if let Some(until) = self.world().exhausted_until
            && self.clock.now() < until
        {
            return self.limited((until - self.clock.now()).num_seconds().to_string());
        }
        if !allowed {
            return (self.tells)(401, "the token is not valid");
        }
        match self.faults.take(name) {
            None => act(),
            Some(Fault::Status(status)) => (self.tells)(status, "scripted"),
            Some(Fault::StatusButDone(status)) => {
                act();
                (self.tells)(status, "scripted")
            }
            Some(Fault::RateLimited(after)) => self.limited(after),
            Some(fault @ (Fault::AcceptThenDrop | Fault::Drop | Fault::Hang | Fault::Garbage)) => {
                let one = Faults::default();
                one.next(name, fault);
                scripted(&one, name, line, act).await
            }
        }
    }

    fn limited(&self, after: String) -> Response {
        let mut answer = (self.tells)(429, "too many requests");
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, after.parse().unwrap());
        answer
    }
}

impl World {
    pub fn find(&self, id: &str) -> Option<&Review> {
        self.reviews.iter().find(|review| review.id == id)
    }

    pub fn find_mut(&mut self, id: &str) -> Option<&mut Review> {
        self.reviews.iter_mut().find(|review| review.id == id)
    }

    /// All, the last changed first.
    pub fn newest(&self) -> Vec<&Review> {
        let mut reviews: Vec<_> = self.reviews.iter().rev().collect();
        reviews.sort_by_key(|review| std::cmp::Reverse(review.changed));
        reviews
    }
}

/// The body of an answer in JSON.
pub fn json(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).unwrap(), axum::Json(body)).into_response()
}
