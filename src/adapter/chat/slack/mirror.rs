//! The way out: threads, messages and edits.
//!
//! Slack has no idempotency key. Each message carries our key in its metadata and in the ids of its
//! blocks; before a message is posted again, the channel or the thread is read and the key looked
//! for. slack-morphism's request models are sent; its answers are not read (see `api`).

use super::Slack;
use super::api::{Answer, Failure};
use super::render::content;
use crate::domain::{ChannelId, IdempotencyKey, Instant, Message, MessageId, ThreadId};
use crate::port::{Content, EditMessage, OpenThread, Opened, PortError, PostMessage};
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::{Value, json};
use slack_morphism::api::{SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest};
use slack_morphism::{SlackMessageMetadata, SlackTs};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The type of our metadata.
const EVENT_TYPE: &str = "hearback_mirror";
/// How far our clock and Slack's may differ. More than the doctor calls sound, so that a look never
/// misses a message for it.
const SLACK_OF_CLOCKS: TimeDelta = TimeDelta::seconds(120);
/// How long after an attempt began its message may still appear: the call's own time, and as much
/// again for what was under way when we gave up.
const AFTERMATH: TimeDelta = TimeDelta::seconds(30);
/// The most pages that are read in search of a message.
const MOST_PAGES: usize = 20;
/// The key of the workspace-wide limit.
const EVERYWHERE: &str = "";

/// Where and when a message is looked for.
struct Search<'a> {
    key: &'a IdempotencyKey,
    channel: &'a ChannelId,
    thread: Option<&'a ThreadId>,
    oldest: String,
    latest: String,
}

impl Slack {
    pub(super) async fn open(&self, order: &OpenThread) -> Result<Opened, PortError> {
        // A card that an earlier attempt posted is found as it was; the core orders its update.
        let message = &order.card.message;
        let ts = self
            .deliver(&order.key, &order.channel, None, message, order.earlier)
            .await?;
        Ok(Opened {
            thread: ThreadId::new(&ts),
            card: MessageId::new(&ts),
        })
    }

    pub(super) async fn say(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        let thread = Some(&order.thread);
        let ts = self
            .deliver(&order.key, &order.channel, thread, &order.message, order.earlier)
            .await?;
        Ok(MessageId::new(ts))
    }

    /// Posts a message, or finds the one that an earlier attempt posted; returns its `ts`.
    async fn deliver(
        &self,
        key: &IdempotencyKey,
        channel: &ChannelId,
        thread: Option<&ThreadId>,
        message: &Message,
        earlier: Option<Instant>,
    ) -> Result<String, PortError> {
        let before = match earlier {
            Some(earlier) => self.look(&self.search(key, channel, thread, earlier)).await?,
            None => None,
        };
        let ts = match before {
            Some(ts) => ts,
            None => self.post_message(key, channel, thread, message).await?,
        };
        self.attempts.stands(key);
        Ok(ts)
    }

    async fn post_message(
        &self,
        key: &IdempotencyKey,
        channel: &ChannelId,
        thread: Option<&ThreadId>,
        message: &Message,
    ) -> Result<String, PortError> {
        let content = content(message, &self.mark(key)).with_metadata(SlackMessageMetadata {
            event_type: EVENT_TYPE.to_owned(),
            event_payload: Some(HashMap::from([
                ("key".to_owned(), key.to_string()),
                ("installation".to_owned(), self.installation.clone()),
            ])),
        });
        let mut request = SlackApiChatPostMessageRequest::new(channel.as_str().to_owned().into(), content)
            .with_parse("none".to_owned())
            .with_link_names(false)
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        request.thread_ts = thread.map(|thread| SlackTs(thread.as_str().to_owned()));
        let body = Literal::new(&request);
        let turn = self.posts.turn(channel.as_str()).await;
        turn.map_err(PortError::RetryAfter)?;
        self.attempts.begun(key, self.clock.now());
        let sent = self.api.post(&self.bot_token, "chat.postMessage", &body).await;
        if let Err(Failure::Limited(wait)) = &sent {
            self.posts.hold(channel.as_str(), *wait);
        }
        match sent?.text("/ts") {
            Some(ts) => Ok(ts.to_owned()),
            None => Err(PortError::Unknown(
                "Slack's answer to chat.postMessage has no ts".to_owned(),
            )),
        }
    }

    /// What our block ids begin with.
    fn mark(&self, key: &IdempotencyKey) -> String {
        format!("{}/{key}", self.installation)
    }

    /// Between the first and the last attempt, as Slack's clock may tell them.
    fn search<'a>(
        &self,
        key: &'a IdempotencyKey,
        channel: &'a ChannelId,
        thread: Option<&'a ThreadId>,
        earlier: Instant,
    ) -> Search<'a> {
        let last = self.attempts.latest(key, earlier);
        Search {
            key,
            channel,
            thread,
            oldest: ts(earlier - SLACK_OF_CLOCKS),
            latest: ts(last + AFTERMATH + SLACK_OF_CLOCKS),
        }
    }

    /// Looks for the message of an earlier attempt.
    async fn look(&self, search: &Search<'_>) -> Result<Option<String>, PortError> {
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let answer = match self.page(search, &cursor).await {
                Ok(answer) => answer,
                Err(failure) if matches!(failure.code(), Some("missing_scope" | "unknown_method")) => {
                    self.cannot_look(&failure);
                    return Ok(None);
                }
                Err(failure) => return Err(failure.into()),
            };
            let messages = answer.body["messages"].as_array();
            let found = messages
                .into_iter()
                .flatten()
                .find(|message| self.is_ours(message, search.key, search.thread));
            if let Some(ts) = found.and_then(|message| message["ts"].as_str()) {
                return Ok(Some(ts.to_owned()));
            }
            match answer.text("/response_metadata/next_cursor") {
                Some(next) if !next.is_empty() => next.clone_into(&mut cursor),
                _ => return Ok(None),
            }
        }
        // It would be the same the next time, and a message twice is better than none.
        tracing::warn!(
            channel = %search.channel,
            key = %search.key,
            "Too much was written in the channel to find what a broken call may have posted; it is posted again."
        );
        Ok(None)
    }

    fn cannot_look(&self, failure: &Failure) {
        if !self.cannot_look.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %failure,
                "Earlier messages cannot be read, so a message may appear twice after a broken call; add the \
                 scope channels:history (groups:history for private channels)."
            );
        }
    }

    async fn page(&self, search: &Search<'_>, cursor: &str) -> Result<Answer, Failure> {
        let mut query = vec![
            ("channel", search.channel.as_str()),
            ("oldest", &search.oldest),
            ("latest", &search.latest),
            ("include_all_metadata", "true"),
            ("limit", "200"),
        ];
        if !cursor.is_empty() {
            query.push(("cursor", cursor));
        }
        let method = match search.thread {
            Some(thread) => {
                query.push(("ts", thread.as_str()));
                "conversations.replies"
            }
            None => "conversations.history",
        };
        self.api.get(&self.bot_token, method, &query).await
    }

    /// Reads other apps' messages without trusting their shape.
    fn is_ours(&self, message: &Value, key: &IdempotencyKey, thread: Option<&ThreadId>) -> bool {
        if thread.is_some_and(|thread| message["ts"].as_str() == Some(thread.as_str())) {
            return false;
        }
        let payload = &message["metadata"]["event_payload"];
        let told = message["metadata"]["event_type"] == EVENT_TYPE
            && payload["key"].as_str() == Some(key.as_str())
            && payload["installation"].as_str() == Some(self.installation.as_str());
        let mark = self.mark(key) + ":";
        let blocks = message["blocks"].as_array();
        let ids = blocks
            .into_iter()
            .flatten()
            .filter_map(|block| block["block_id"].as_str());
        // Any app of the workspace can read our metadata and copy it.
        let by_us = match self.me() {
            Some(me) => message["user"] == *me.user || message["bot_id"].as_str() == me.bot.as_deref(),
            None => message["bot_id"].is_string(),
        };
        by_us && (told || ids.into_iter().any(|id| id.starts_with(&mark)))
    }

    /// Replaces a message of ours.
    pub(super) async fn change(&self, order: &EditMessage) -> Result<(), PortError> {
        let message = match &order.content {
            Content::Card(card) => &card.message,
            Content::Message(message) => message,
        };
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let mark = format!(
            "{}/{}.{serial}",
            self.installation,
            self.clock.now().timestamp_micros()
        );
        let request = SlackApiChatUpdateRequest::new(
            order.channel.as_str().to_owned().into(),
            content(message, &mark),
            SlackTs(order.message.as_str().to_owned()),
        )
        .with_parse("none".to_owned())
        .with_link_names(false);
        let turn = self.edits.turn(EVERYWHERE).await;
        turn.map_err(PortError::RetryAfter)?;
        let sent = self.api.post(&self.bot_token, "chat.update", &request).await;
        if let Err(Failure::Limited(wait)) = &sent {
            self.edits.hold(EVERYWHERE, *wait);
        }
        sent?;
        Ok(())
    }

    /// Tells one person something, in the channel or thread they look at.
    pub(super) async fn whisper(
        &self,
        channel: &str,
        thread: Option<&str>,
        user: &str,
        message: &Message,
    ) -> Result<(), Failure> {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let content = content(message, &format!("w{serial}"));
        let mut body = json!({
            "channel": channel,
            "user": user,
            "text": content.text,
            "blocks": content.blocks,
            "parse": "none",
            "link_names": false,
        });
        if let Some(thread) = thread {
            body["thread_ts"] = json!(thread);
        }
        let sent = self.api.post(&self.bot_token, "chat.postEphemeral", &body);
        // Not for long: who waits for it has already been told "accepted".
        match tokio::time::timeout(Duration::from_secs(10), sent).await {
            Ok(sent) => sent.map(|_| ()),
            Err(_) => Err(Failure::Unclear("chat.postEphemeral: timed out".to_owned())),
        }
    }
}

/// An instant as Slack names messages.
fn ts(at: Instant) -> String {
    let micros = at.timestamp_micros();
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// The request with `mrkdwn: false`, which the model does not know.
#[derive(Serialize)]
struct Literal<T> {
    #[serde(flatten)]
    request: T,
    mrkdwn: bool,
}

impl<T> Literal<T> {
    fn new(request: T) -> Self {
        Self {
            request,
            mrkdwn: false,
        }
    }
}
