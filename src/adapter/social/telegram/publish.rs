//! The way out: one message a reply, that answers the customer's message or is not sent at all
//! (`allow_sending_without_reply` is false, <https://core.telegram.org/bots/api#replyparameters>). There is no key,
//! and a bot cannot read what stands in a chat: an uncertain end is a person's to clear up.
//!
//! A private answer to a message of a group goes to the chat that its author has with the bot, as an answer to
//! the message over there. Telegram lets a bot write to who has started it, and says 403 of all others.
//!
//! Definite refusals are those that the Bot API gives when its server did not take the message
//! (`fail_query_with_error` in <https://github.com/tdlib/telegram-bot-api>): 401, every 403, and those of 400 that
//! are named here. All else may have been sent.

use super::Telegram;
use super::api::Failed;
use super::translate::{self, address, parts};
use super::wire::Message;
use crate::adapter::ids;
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{Permit, PortError, Published};
use serde_json::{Value, json};

/// How the descriptions of 400 begin by which nothing was sent.
const REFUSALS: [&str; 12] = [
    "Bad Request: message to be replied not found",
    "Bad Request: replied message not found",
    "Bad Request: reply message not found",
    "Bad Request: chat not found",
    "Bad Request: message text is empty",
    "Bad Request: text must be non-empty",
    "Bad Request: message is too long",
    "Bad Request: not enough rights",
    "Bad Request: need administrator rights",
    "Bad Request: group chat was upgraded",
    "Bad Request: TOPIC_CLOSED",
    "Bad Request: message thread not found",
];

impl Telegram {
    pub(super) async fn send(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        let body = self.body(reply)?;
        let answer: Message = self
            .api
            .publish("sendMessage", &body, (self.timeout, permit))
            .await
            .map_err(|error| self.refusal(reply, error))?;
        published(&answer)
    }

    fn body(&self, reply: &Reply) -> Result<Value, PortError> {
        let stop = |why: &str| PortError::Refused(format!("{why}, so nothing was published"));
        let own = NativeId::new(self.me().id.to_string());
        if reply.account.as_ref().is_some_and(|account| *account != own) {
            return Err(stop(
                "the token is now that of another bot than the one the reply was approved for",
            ));
        }
        let (chat, message) =
            parts(&reply.target).ok_or_else(|| stop("the post's id is none of a message on Telegram"))?;
        let mut above = json!({"message_id": message, "allow_sending_without_reply": false});
        let elsewhere = reply.audience == Audience::Private && reply.author.as_str() != chat.to_string();
        let mut body = json!({"chat_id": chat, "text": reply.text});
        if elsewhere {
            let author: i64 = reply.author.as_str().parse().unwrap_or_default();
            if author <= 0 {
                return Err(stop(
                    "it was written in the name of a channel, which has no private chat",
                ));
            }
            if translate::shared(chat).is_none() {
                return Err(stop(
                    "a private answer can refer only to messages of a supergroup or a channel, and this chat is a small \
                     group",
                ));
            }
            body["chat_id"] = author.into();
            above["chat_id"] = chat.into();
        } else if let Some(topic) = translate::topic(&reply.conversation) {
            body["message_thread_id"] = topic.into();
        }
        body["reply_parameters"] = above;
        Ok(body)
    }

    /// A failure of the publishing call.
    fn refusal(&self, reply: &Reply, error: Failed) -> PortError {
        match &error {
            Failed::Limited(wait) => PortError::RetryAfter(*wait),
            Failed::Unreached(why) => PortError::NotReached(why.clone()),
            Failed::Broken(why) => PortError::Unknown(why.clone()),
            Failed::Status {
                status,
                told: Some(told),
            } => match status.as_u16() {
                401 => PortError::Unauthorized(told.clone()),
                403 if reply.audience == Audience::Private => PortError::Refused(format!(
                    "Telegram refused ({status}): {told}. A bot may write only to who has started it. Ask them in \
                     public to open {}",
                    self.invitation()
                )),
                403 => PortError::Refused(format!("Telegram refused ({status}): {told}")),
                400 if REFUSALS.iter().any(|known| starts_with(told, known)) => {
                    PortError::Refused(format!("Telegram refused: {told}"))
                }
                _ => PortError::Unknown(error.to_string()),
            },
            Failed::Status { told: None, .. } => PortError::Unknown(error.to_string()),
        }
    }

    /// Where somebody starts the bot.
    pub(super) fn invitation(&self) -> String {
        let known = self.known_already().and_then(|me| me.username);
        known.map_or_else(
            || "a private chat with the bot".to_owned(),
            |username| format!("{}?start=hello", translate::page(&username)),
        )
    }
}

fn starts_with(text: &str, start: &str) -> bool {
    text.get(..start.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// What Telegram says it sent; the caller judges whether it stands where it belongs.
fn published(message: &Message) -> Result<Published, PortError> {
    let id = translate::id(message.chat.id, message.message_id);
    Ok(Published {
        id: ids::reply_id(id.as_str())
            .map_err(|why| PortError::Unknown(format!("it was published, but {why}")))?,
        url: address(&message.chat, message.message_id),
        parent: translate::parent(message),
        author: message
            .from
            .as_ref()
            .map(|user| NativeId::new(user.id.to_string())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Bad Request: message to be replied not found", true)]
    #[case("Bad Request: TOPIC_CLOSED", true)]
    #[case("Bad Request: something new", false)]
    #[case("Bad", false)]
    fn only_what_is_known_is_a_refusal(#[case] told: &str, #[case] refused: bool) {
        assert_eq!(REFUSALS.iter().any(|known| starts_with(told, known)), refused);
    }
}
