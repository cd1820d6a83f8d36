//! The way out: threads, messages and edits.
//!
//! Slack has no idempotency key. Each message carries our key in its metadata and in the ids of its
//! blocks; before a message is posted again, the channel or the thread is read and the key looked
//! for (`find`). slack-morphism's request models are sent; its answers are not read (see `api`).

use super::Slack;
use super::api::Failure;
use super::render::content;
use crate::domain::{ChannelId, IdempotencyKey, Instant, Message, MessageId, ThreadId};
use crate::port::{Content, EditMessage, OpenThread, Opened, PortError, PostMessage};
use serde::Serialize;
use serde_json::json;
use slack_morphism::api::{SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest};
use slack_morphism::{SlackMessageMetadata, SlackTs};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The type of our metadata.
pub(super) const EVENT_TYPE: &str = "hearback_mirror";
/// The key of the workspace-wide limit.
pub(super) const EVERYWHERE: &str = "";

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
        let ts = match self.before(key, channel, thread, earlier).await? {
            Some(ts) => ts,
            None => self.post_message(key, channel, thread, message).await?,
        };
        self.attempts.stands(key);
        Ok(ts)
    }

    /// The message that an earlier attempt posted, if there was one.
    pub(super) async fn before(
        &self,
        key: &IdempotencyKey,
        channel: &ChannelId,
        thread: Option<&ThreadId>,
        earlier: Option<Instant>,
    ) -> Result<Option<String>, PortError> {
        let Some(earlier) = earlier else {
            return Ok(None);
        };
        let looked = self.look(key, channel, thread, earlier).await;
        let passes = |error: &PortError| {
            matches!(
                error,
                PortError::RetryAfter(_) | PortError::NotReached(_) | PortError::Unknown(_)
            )
        };
        self.attempts.decide(key, self.clock.now(), looked, passes)
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
        self.sweeps.attempted(channel, thread, key);
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
