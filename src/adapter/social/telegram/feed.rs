//! Reading updates, by asking for them or as they are pushed.
//!
//! `getUpdates` gives what was not confirmed yet, in order; the next call with a higher `offset` confirms it
//! (<https://core.telegram.org/bots/api#getupdates>). The offset is stored together with what it covers, so
//! nothing is confirmed that is not stored. Telegram keeps updates for a day, and after a week without any
//! it may begin with other numbers: an offset that old is not sent.

use super::api::{Failed, lost};
use super::translate::{self, Me};
use super::wire::{Message, Numbered, Update, User, WebhookInfo};
use super::{Mode, Telegram};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::{Cursor, Inbound};
use crate::domain::{Post, Sighting};
use chrono::TimeDelta;
use serde_json::json;
use serde_json::value::RawValue;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The most updates of one answer.
pub(super) const LIMIT: usize = 100;
/// The most answers of one sweep.
const MOST_PAGES: usize = 1000;
/// From then on Telegram may count anew.
const COUNTS_ON: TimeDelta = TimeDelta::days(6);
/// Of which changes we want to be told.
const WANTED: [&str; 4] = ["message", "edited_message", "channel_post", "edited_channel_post"];
/// The cursor's name.
const STREAM: &str = "updates";

type Raw = Box<RawValue>;

/// An offset, and when it was reached, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Offset {
    next: i64,
    at: i64,
}

impl Offset {
    fn parse(text: &str) -> Option<Self> {
        let (next, at) = text.split_once(' ')?;
        Some(Self {
            next: next.parse().ok()?,
            at: at.parse().ok()?,
        })
    }

    fn text(self) -> String {
        format!("{} {}", self.next, self.at)
    }
}

impl Telegram {
    /// Who we are; asked for once, and what the token says until then.
    pub(super) async fn known(&self) -> Result<Me, Failed> {
        if let Some(me) = self.known_already() {
            return Ok(me);
        }
        let user: User = self.api.read("getMe", &json!({})).await?;
        let me = Me {
            id: user.id,
            username: user.username,
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(me.clone());
        Ok(me)
    }

    pub(super) fn known_already(&self) -> Option<Me> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads what is there; where nothing is, waits for it so long, in seconds. Says whether there was any.
    pub(super) async fn read(&self, inbound: &Inbound, patience: u64) -> Result<bool, Lost> {
        let reading = match &self.mode {
            Mode::Asking => self.updates(inbound, patience).await,
            Mode::Pushed(_) => self.is_pushed().await.map(|()| false),
        };
        reading.map_err(|halt| match halt {
            Halt::Network(error) => lost(error),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    async fn updates(&self, inbound: &Inbound, patience: u64) -> Result<bool, Halt> {
        let me = self.known().await?;
        let mut any = false;
        for _ in 0..MOST_PAGES {
            let now = self.clock.now().timestamp();
            let told = inbound.cursor(&self.source, STREAM).await?;
            let offset = told.as_deref().and_then(Offset::parse);
            let offset = offset.filter(|offset| now - offset.at < COUNTS_ON.num_seconds());
            let limit = self.limit.load(Ordering::Relaxed);
            let mut body = json!({"limit": limit, "allowed_updates": WANTED});
            body["timeout"] = if any { 0 } else { patience }.into();
            if let Some(offset) = offset {
                body["offset"] = offset.next.into();
            }
            let page = self.api.read("getUpdates", &body).await;
            let page: Vec<Raw> = page.inspect_err(|error| self.ask_for_less(limit, error))?;
            self.limit.store((limit * 2).min(LIMIT), Ordering::Relaxed);
            let numbers = page.iter().filter_map(|raw| number(raw));
            let Some(newest) = numbers.max() else {
                return Ok(any);
            };
            any = true;
            let reached = Offset {
                next: newest + 1,
                at: now,
            };
            let cursor = Cursor {
                stream: STREAM.to_owned(),
                value: reached.text(),
            };
            self.take(inbound, &me, &page, Some(cursor)).await?;
            if page.len() < limit {
                return Ok(any);
            }
        }
        Ok(any)
    }

    /// An answer with many long messages can be larger than is read. It would come again and again.
    fn ask_for_less(&self, limit: usize, error: &Failed) {
        if matches!(error, Failed::Broken(_)) {
            self.limit.store((limit / 10).max(1), Ordering::Relaxed);
        }
    }

    /// Stores updates, together with the cursor behind them. What cannot be read is set aside and blocks nothing.
    pub(super) async fn take(
        &self,
        inbound: &Inbound,
        me: &Me,
        updates: &[Raw],
        cursor: Option<Cursor>,
    ) -> Result<(), crate::app::Unavailable> {
        let oldest = self.clock.now() - FIRST_LOOK;
        let mut sightings = Vec::new();
        for raw in updates {
            let update: Update = match serde_json::from_str(raw.get()) {
                Ok(update) => update,
                Err(error) => {
                    let name = number(raw).map(|number| number.to_string());
                    let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
                    let place = (&self.source, STREAM);
                    self.troubles
                        .put_aside(inbound, place, &name, &error, raw.get())
                        .await?;
                    continue;
                }
            };
            let post = self.post(me, &update);
            let counts = |post: &Post| post.created_at >= oldest || post.edited_at.is_some();
            sightings.extend(post.filter(counts).map(|post| Sighting::Post(Box::new(post))));
        }
        if !sightings.is_empty() || cursor.is_some() {
            inbound.posts_seen(&self.source, sightings, cursor).await?;
        }
        Ok(())
    }

    fn post(&self, me: &Me, update: &Update) -> Option<Post> {
        let edited = [&update.edited_message, &update.edited_channel_post];
        let new = [&update.message, &update.channel_post];
        let message: &Message = new.into_iter().chain(edited).flatten().next()?;
        translate::post(&self.source, me, message)
    }

    /// Whether Telegram pushes to us. What it could not deliver it tries again for a day.
    async fn is_pushed(&self) -> Result<(), Halt> {
        self.known().await?;
        let info: WebhookInfo = self.api.read("getWebhookInfo", &json!({})).await?;
        if info.url.is_empty() {
            let why = "no webhook is set, so nobody tells us of messages: set one with setWebhook, its url \
                       public_url/webhooks/NAME and its secret_token webhook_secret";
            return Err(Failed::Broken(why.to_owned()).into());
        }
        if let Some(why) = info.last_error_message.filter(|_| info.pending_update_count > 0) {
            let waiting = info.pending_update_count;
            if self.troubles.note(&format!("webhook: {why}")) {
                tracing::warn!(source = %self.source, waiting, why, "Telegram could not deliver what it has for us.");
            }
        }
        Ok(())
    }
}

fn number(raw: &RawValue) -> Option<i64> {
    Some(serde_json::from_str::<Numbered>(raw.get()).ok()?.update_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_kept_as_it_was() {
        let offset = Offset {
            next: 91_000_001,
            at: 1_800_000_000,
        };
        assert_eq!(Offset::parse(&offset.text()), Some(offset));
        assert_eq!(Offset::parse("91000001"), None);
    }
}
