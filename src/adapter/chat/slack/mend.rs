//! Takes a double of ours away: `chat.delete` of our own messages, and nothing of anybody else.

use super::Slack;
use super::api::Failure;
use super::mirror::EVERYWHERE;
use crate::domain::{ChannelId, Message, MessageId, Part, Span, ThreadId};
use crate::port::{Content, EditMessage, Opened, PortError, Withdraw, Withdrawn};
use serde_json::json;

/// The most pages of a thread that are read to see who wrote in it.
const MOST_PAGES: usize = 20;

/// What a thread consists of.
enum Inside {
    /// Only our own messages: these.
    Ours(Vec<String>),
    /// Somebody else wrote in it, or nobody can tell.
    Others,
}

impl Slack {
    pub(super) async fn take_away(&self, order: &Withdraw) -> Result<(), PortError> {
        let pointer = match &order.what {
            Withdrawn::Message => return self.delete(&order.channel, order.double.card.as_str()).await,
            Withdrawn::Thread(pointer) => pointer,
        };
        let root = order.double.card.as_str();
        let replies = match self.inside(&order.channel, &order.double.thread).await? {
            Inside::Ours(replies) => replies,
            Inside::Others => return self.point(order, &pointer.message).await,
        };
        // A first message with answers leaves a stone behind, so it goes last.
        for ts in replies
            .iter()
            .map(String::as_str)
            .filter(|ts| *ts != root)
            .chain([root])
        {
            match self.delete(&order.channel, ts).await {
                Err(PortError::Refused(reason)) => {
                    tracing::info!(reason, "A double cannot be removed; it points to the other one.");
                    return self.point(order, &pointer.message).await;
                }
                done => done?,
            }
        }
        Ok(())
    }

    /// Turns the first message of a thread into a pointer to the other one.
    async fn point(&self, order: &Withdraw, words: &Message) -> Result<(), PortError> {
        let address = address(&order.channel, &order.kept);
        let link = Span::Link {
            label: address.clone(),
            url: address,
        };
        let edit = EditMessage {
            channel: order.channel.clone(),
            thread: order.double.thread.clone(),
            message: MessageId::new(order.double.card.as_str()),
            content: Content::Message(words.clone().with(Part::Line(vec![link]))),
        };
        match self.change(&edit).await {
            Err(PortError::Gone(_)) => Ok(()),
            done => done,
        }
    }

    /// Who wrote in a thread.
    async fn inside(&self, channel: &ChannelId, thread: &ThreadId) -> Result<Inside, PortError> {
        if self.me().is_none() {
            return Err(PortError::Unknown("Slack has not told yet who we are".to_owned()));
        }
        let (mut replies, mut cursor) = (Vec::new(), String::new());
        for _ in 0..MOST_PAGES {
            let query = if cursor.is_empty() {
                Vec::new()
            } else {
                vec![("cursor", cursor.as_str())]
            };
            let page = match self.read_messages(channel, Some(thread), query).await {
                Ok(page) => page,
                Err(failure) if matches!(failure.code(), Some("thread_not_found" | "message_not_found")) => {
                    return Ok(Inside::Ours(Vec::new()));
                }
                // Without a look nothing is taken away.
                Err(failure) if matches!(failure.code(), Some("missing_scope" | "unknown_method")) => {
                    return Ok(Inside::Others);
                }
                Err(failure) => return Err(failure.into()),
            };
            for message in page.body["messages"].as_array().into_iter().flatten() {
                match message["ts"].as_str() {
                    Some(ts) if self.is_by_us(message) => replies.push(ts.to_owned()),
                    Some(_) | None => return Ok(Inside::Others),
                }
            }
            match page.text("/response_metadata/next_cursor") {
                Some(next) if !next.is_empty() => next.clone_into(&mut cursor),
                _ => return Ok(Inside::Ours(replies)),
            }
        }
        Ok(Inside::Others)
    }

    async fn delete(&self, channel: &ChannelId, ts: &str) -> Result<(), PortError> {
        let turn = self.edits.turn(EVERYWHERE).await;
        turn.map_err(PortError::RetryAfter)?;
        let body = json!({"channel": channel.as_str(), "ts": ts});
        let sent = self.api.post(&self.bot_token, "chat.delete", &body).await;
        if let Err(Failure::Limited(wait)) = &sent {
            self.edits.hold(EVERYWHERE, *wait);
        }
        match sent.map_err(PortError::from) {
            Ok(_) | Err(PortError::Gone(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Where a thread is read, in whatever workspace the reader is signed in.
fn address(channel: &ChannelId, thread: &Opened) -> String {
    let ts = thread.card.as_str().replace('.', "");
    format!("https://slack.com/archives/{channel}/p{ts}")
}
