//! Zendesk Support (<https://developer.zendesk.com/api-reference/ticketing/tickets/tickets/>).
//!
//! A ticket carries our key as its `external_id`, by which it is listed; and the call that creates it has the key
//! as `Idempotency-Key`, which Zendesk honours for two hours. Notes are comments with `public: false`. Tickets
//! are found by their tag in a search, which lags by minutes: so closings are looked for with an overlap.

use super::system::{Changed, TAG, Ticket, id, moment, unnumbered};
use crate::adapter::api::{Answer, Api, Failed};
use crate::adapter::ids::header_safe;
use crate::domain::{IdempotencyKey, Instant};
use chrono::SecondsFormat;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

/// The most pages of a search.
const MOST_PAGES: usize = 10;

/// A Zendesk.
pub struct Zendesk {
    api: Api,
    user: String,
    token: SecretString,
    /// What our keys begin with.
    installation: String,
}

#[derive(Deserialize)]
struct Listed {
    tickets: Vec<Value>,
}

#[derive(Deserialize)]
struct Searched {
    results: Vec<Value>,
    #[serde(default)]
    next_page: Option<String>,
}

#[derive(Deserialize)]
struct Comments {
    comments: Vec<Value>,
}

impl Zendesk {
    pub fn new(api: Api, email: &str, token: &SecretString, installation: &str) -> Self {
        Self {
            api,
            user: format!("{email}/token"),
            token: token.clone(),
            installation: installation.to_owned(),
        }
    }

    fn signed(&self, call: RequestBuilder) -> RequestBuilder {
        call.basic_auth(&self.user, Some(self.token.expose_secret()))
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failed> {
        let call = self.api.reader().get(self.api.at(path)).query(query);
        self.api.read(self.signed(call)).await
    }

    pub async fn find(&self, key: &IdempotencyKey) -> Result<Option<Ticket>, Failed> {
        let listed: Listed = self
            .get(&["api", "v2", "tickets.json"], &[("external_id", key.as_str())])
            .await?
            .decode()?;
        let ours = listed
            .tickets
            .iter()
            .find(|ticket| ticket["external_id"] == key.as_str());
        Ok(ours.and_then(|ticket| self.ticket(ticket)))
    }

    pub async fn open(&self, key: &IdempotencyKey, title: &str, text: &str) -> Result<Ticket, Failed> {
        let body = json!({"ticket": {
            "subject": title, "external_id": key.as_str(), "tags": [TAG],
            "comment": {"body": text, "public": false},
        }});
        let call = self
            .api
            .writer()
            .post(self.api.at(&["api", "v2", "tickets.json"]))
            .json(&body);
        let call = call.header("Idempotency-Key", header_safe(key.as_str()).as_ref());
        let made: Value = self.api.read(self.signed(call)).await?.decode()?;
        self.ticket(&made["ticket"]).ok_or_else(unnumbered)
    }

    pub async fn has_note(&self, ticket: &str, mark: &str) -> Result<bool, Failed> {
        let path = ["api", "v2", "tickets", ticket, "comments.json"];
        let told: Comments = self.get(&path, &[("sort_order", "desc")]).await?.decode()?;
        let has = |comment: &Value| comment["body"].as_str().is_some_and(|body| body.contains(mark));
        Ok(told.comments.iter().any(has))
    }

    pub async fn note(&self, ticket: &str, text: &str) -> Result<(), Failed> {
        let body = json!({"ticket": {"comment": {"body": text, "public": false}}});
        self.update(ticket, &body).await
    }

    /// Closed ones (status `closed`, after `solved`) take no change any more: the call is refused.
    pub async fn reopen(&self, ticket: &str) -> Result<(), Failed> {
        let path = ["api", "v2", "tickets", &format!("{ticket}.json")];
        let told: Value = self.get(&path, &[]).await?.decode()?;
        if !self.ticket(&told["ticket"]).is_some_and(|ticket| ticket.done) {
            return Ok(());
        }
        self.update(ticket, &json!({"ticket": {"status": "open"}})).await
    }

    async fn update(&self, ticket: &str, body: &Value) -> Result<(), Failed> {
        let at = self.api.at(&["api", "v2", "tickets", &format!("{ticket}.json")]);
        let call = self.api.writer().put(at).json(body);
        self.api.read(self.signed(call)).await.map(drop)
    }

    /// Tickets with our tag and a key of ours (<https://developer.zendesk.com/api-reference/ticketing/ticket-management/search/>).
    /// At most 1,000 are shown of a search.
    pub async fn changed(&self, since: Instant) -> Result<Changed, Failed> {
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let query = format!("type:ticket tags:{TAG} updated>={since}");
        let mut changed = Changed::default();
        for page in 1..=MOST_PAGES {
            let page = page.to_string();
            let asked = [
                ("query", query.as_str()),
                ("sort_by", "updated_at"),
                ("sort_order", "asc"),
                ("page", &page),
            ];
            let found: Searched = self.get(&["api", "v2", "search.json"], &asked).await?.decode()?;
            let ours = |ticket: &&Value| {
                ticket["external_id"]
                    .as_str()
                    .is_some_and(|key| key.starts_with(&self.installation))
            };
            let tickets = found.results.iter().filter(ours);
            changed
                .tickets
                .extend(tickets.filter_map(|ticket| self.ticket(ticket)));
            changed.until = found.results.last().and_then(|last| moment(&last["updated_at"]));
            if found.next_page.is_none() {
                changed.until = None;
                break;
            }
        }
        Ok(changed)
    }

    fn ticket(&self, ticket: &Value) -> Option<Ticket> {
        let id = id(&ticket["id"])?;
        Some(Ticket {
            url: Some(self.api.at(&["agent", "tickets", &id]).to_string()),
            done: matches!(ticket["status"].as_str(), Some("solved" | "closed")),
            updated: moment(&ticket["updated_at"]),
            id,
        })
    }
}
