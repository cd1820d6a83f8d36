//! Freshdesk (<https://developers.freshdesk.com/api/>).
//!
//! A ticket carries our key, shortened, as a tag; an earlier attempt is looked for in the list of tickets that
//! changed since it began, which does not lag as the search does. Notes are private. Statuses 4 and 5 are
//! Resolved and Closed.

use super::system::{Changed, TAG, Ticket, id, mark, moment, unnumbered};
use crate::adapter::api::{Answer, Api, Failed};
use crate::domain::{IdempotencyKey, Instant};
use chrono::SecondsFormat;
use reqwest::RequestBuilder;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

/// The most of a page.
const PAGE: usize = 100;
/// The most pages of a list.
const MOST_PAGES: usize = 10;
/// `status`: open; `priority`: medium; `source`: portal.
const OPEN: (u8, u8, u8) = (2, 2, 2);

/// A Freshdesk.
pub struct Freshdesk {
    api: Api,
    email: String,
    key: SecretString,
}

impl Freshdesk {
    pub fn new(api: Api, email: &str, key: &SecretString) -> Self {
        Self {
            api,
            email: email.to_owned(),
            key: key.clone(),
        }
    }

    /// The key is the user, and the password is any word.
    fn signed(&self, call: RequestBuilder) -> RequestBuilder {
        call.basic_auth(self.key.expose_secret(), Some("X"))
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, Failed> {
        let call = self.api.reader().get(self.api.at(path)).query(query);
        self.api.read(self.signed(call)).await
    }

    /// Tickets that changed since then and have this tag; and up to when was read, where there are more.
    async fn tagged(&self, tag: &str, since: Instant) -> Result<(Vec<Value>, Option<Instant>), Failed> {
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        let size = PAGE.to_string();
        let (mut found, mut until) = (Vec::new(), None);
        for page in 1..=MOST_PAGES {
            let page = page.to_string();
            let asked = [
                ("updated_since", since.as_str()),
                ("order_by", "updated_at"),
                ("order_type", "asc"),
                ("per_page", &size),
                ("page", &page),
            ];
            let tickets: Vec<Value> = self.get(&["api", "v2", "tickets"], &asked).await?.decode()?;
            let whole = tickets.len() == PAGE;
            until = tickets
                .last()
                .filter(|_| whole)
                .and_then(|last| moment(&last["updated_at"]));
            let has = |ticket: &Value| {
                let tags = ticket["tags"].as_array();
                tags.is_some_and(|tags| tags.iter().any(|known| known == tag))
            };
            found.extend(tickets.into_iter().filter(has));
            if !whole {
                break;
            }
        }
        Ok((found, until))
    }

    pub async fn find(&self, key: &IdempotencyKey, since: Instant) -> Result<Option<Ticket>, Failed> {
        let (tag, mut since) = (mark(key), since);
        loop {
            let (found, until) = self.tagged(&tag, since).await?;
            if let Some(ticket) = found.iter().find_map(|ticket| self.ticket(ticket)) {
                return Ok(Some(ticket));
            }
            match until {
                Some(until) if until > since => since = until,
                Some(_) | None => return Ok(None),
            }
        }
    }

    pub async fn open(&self, key: &IdempotencyKey, title: &str, text: &str) -> Result<Ticket, Failed> {
        let (status, priority, source) = OPEN;
        let body = json!({
            "subject": title, "description": page(text), "email": self.email, "status": status,
            "priority": priority, "source": source, "tags": [TAG, mark(key)],
        });
        let call = self
            .api
            .writer()
            .post(self.api.at(&["api", "v2", "tickets"]))
            .json(&body);
        let made: Value = self.api.read(self.signed(call)).await?.decode()?;
        self.ticket(&made).ok_or_else(unnumbered)
    }

    pub async fn has_note(&self, ticket: &str, mark: &str) -> Result<bool, Failed> {
        let size = PAGE.to_string();
        for number in 1..=MOST_PAGES {
            let path = ["api", "v2", "tickets", ticket, "conversations"];
            let number = number.to_string();
            let told: Vec<Value> = self
                .get(&path, &[("per_page", &size), ("page", &number)])
                .await?
                .decode()?;
            let has = |note: &Value| note["body"].as_str().is_some_and(|body| body.contains(mark));
            if told.iter().any(has) {
                return Ok(true);
            }
            if told.len() < PAGE {
                break;
            }
        }
        Ok(false)
    }

    pub async fn note(&self, ticket: &str, text: &str) -> Result<(), Failed> {
        let at = self.api.at(&["api", "v2", "tickets", ticket, "notes"]);
        let call = self
            .api
            .writer()
            .post(at)
            .json(&json!({"body": page(text), "private": true}));
        self.api.read(self.signed(call)).await.map(drop)
    }

    pub async fn reopen(&self, ticket: &str) -> Result<(), Failed> {
        let path = ["api", "v2", "tickets", ticket];
        let told: Value = self.get(&path, &[]).await?.decode()?;
        if !self.ticket(&told).is_some_and(|ticket| ticket.done) {
            return Ok(());
        }
        let call = self
            .api
            .writer()
            .put(self.api.at(&path))
            .json(&json!({"status": OPEN.0}));
        self.api.read(self.signed(call)).await.map(drop)
    }

    pub async fn changed(&self, since: Instant) -> Result<Changed, Failed> {
        let (found, until) = self.tagged(TAG, since).await?;
        Ok(Changed {
            tickets: found.iter().filter_map(|ticket| self.ticket(ticket)).collect(),
            until,
        })
    }

    fn ticket(&self, ticket: &Value) -> Option<Ticket> {
        let id = id(&ticket["id"])?;
        Some(Ticket {
            url: Some(self.api.at(&["a", "tickets", &id]).to_string()),
            done: matches!(ticket["status"].as_u64(), Some(4 | 5)),
            updated: moment(&ticket["updated_at"]),
            id,
        })
    }
}

/// A text as the page that Freshdesk wants: nothing in it is markup.
fn page(text: &str) -> String {
    let text = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    text.replace('\n', "<br>")
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_customers_wrote_is_no_markup() {
        assert_eq!(super::page("a <b>\n& c"), "a &lt;b&gt;<br>&amp; c");
    }
}
