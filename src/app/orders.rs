//! Orders from the command line. It writes them into the database, and whoever has the lock carries
//! them out: the answer is written in the transaction of what was done, so an order that is withdrawn
//! before it was answered did nothing, and one that was answered is done.

use super::directory::Known;
use super::inbound::{Inbound, Response, Unavailable};
use super::request::{Ask, Order, Pressed, Request};
use super::text;
use crate::domain::{Instant, ReplyId, SourceName};
use crate::store::{Changes, OrderRow};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Where the log says that such an order came from.
pub(super) const CHAT: &str = "command line";
/// How old an order may be. Who gave it waits for less, unless they were interrupted; then nobody
/// expects that it is still carried out.
const LONGEST: TimeDelta = TimeDelta::minutes(1);

/// What can be ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Outside {
    /// Says what became of a reply that needs a person.
    Resolve {
        /// The reply.
        reply: ReplyId,
        /// What became of it.
        verdict: Verdict,
    },
    /// Decides about a feed that was set aside.
    Feed {
        /// The source.
        source: SourceName,
        /// Whether it is let in, or left out.
        admit: bool,
    },
}

/// What a person says about a reply whose end is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It stands at this address.
    There {
        /// The address.
        address: String,
    },
    /// It does not stand there. A second person has to say so before it is sent again.
    NotThere,
    /// It will not be found out.
    GiveUp,
}

impl Outside {
    /// As it is written down, under this name that is never used again.
    ///
    /// # Errors
    /// It has no JSON.
    pub fn row(&self, key: String, by: String, at: Instant) -> serde_json::Result<OrderRow> {
        let body = serde_json::to_string(self)?;
        Ok(OrderRow { key, at, by, body })
    }
}

impl Inbound {
    /// Carries out what command lines ordered in the last minute. To be called every second or so.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn look_at_orders(&self) -> Result<(), Unavailable> {
        for row in self.store.orders(self.clock.now() - LONGEST).await? {
            if let Err(error) = self.carry_out(row).await {
                tracing::warn!(%error, "An order from the command line was not carried out.");
            }
        }
        Ok(())
    }

    async fn carry_out(&self, row: OrderRow) -> Result<(), Unavailable> {
        let known = self.rules.directory.operator(&row.by);
        let refused = match serde_json::from_str(&row.body) {
            Ok(Outside::Resolve { reply, verdict }) => {
                self.resolve_reply(row.key.clone(), known, reply, verdict).await?
            }
            Ok(Outside::Feed { source, admit }) => Some(self.feed(&known, &source, admit).await?),
            Err(_) => Some(text::unknown_order()),
        };
        // What the ledger did it answered itself.
        let Some(response) = refused else {
            return Ok(());
        };
        let answer = serde_json::to_string(&response).map_err(|error| Unavailable(error.to_string()))?;
        let changes = Changes {
            orders_answered: vec![(row.key, answer)],
            ..Changes::default()
        };
        Ok(self.store.commit(changes).await?)
    }

    /// The same as the buttons in the thread. `Some`: refused before it came to the ledger.
    async fn resolve_reply(
        &self,
        key: String,
        by: Known,
        id: ReplyId,
        verdict: Verdict,
    ) -> Result<Option<Response>, Unavailable> {
        let found = self.store.replies(&[id]).await?;
        let Some(reply) = found.first() else {
            return Ok(Some(text::settled_already()));
        };
        let what = match verdict {
            Verdict::There { address } => match self.visit(id, address).await? {
                Ok(there) => there,
                Err(refused) => return Ok(Some(refused)),
            },
            Verdict::NotThere => Pressed::NotThere,
            Verdict::GiveUp => Pressed::GiveUp,
        };
        let order = Order {
            key: format!("order:{key}"),
            by,
            chat: CHAT.into(),
            case: reply.case,
            ask: Ask::Press {
                reply: id,
                version: reply.version,
                seal: self.rules.button_key.seal(id, reply.version, &reply.hash),
                what,
            },
            retriable: false,
            outside: Some(key),
        };
        let order = Box::new(order);
        self.ask(|answer| Request::Command { order, answer }).await?;
        Ok(None)
    }
}
