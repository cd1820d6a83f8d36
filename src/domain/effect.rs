//! What is owed to the outside: rows of the outbox.

use super::{
    CaseNumber, ChannelId, ChatName, EffectId, EventId, IdempotencyKey, Instant, MessageId, NativeId,
    ReplyId, SourceName, ThreadId,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A queue of effects that keeps its order. A lane that is limited or broken slows no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Lane(Arc<str>);

impl Lane {
    /// New messages of one channel of one chat.
    #[must_use]
    pub fn channel(chat: &ChatName, channel: &ChannelId) -> Self {
        Self(format!("{chat}/{channel}").into())
    }

    /// Card updates of one channel of one chat: they coalesce, and wait for no message.
    #[must_use]
    pub fn cards(chat: &ChatName, channel: &ChannelId) -> Self {
        Self(format!("{chat}/{channel}/cards").into())
    }

    /// Pictures for one channel of one chat: the servers they come from may be slow, and no word waits for
    /// them.
    #[must_use]
    pub fn files(chat: &ChatName, channel: &ChannelId) -> Self {
        Self(format!("{chat}/{channel}/files").into())
    }

    /// Public replies of one brand account.
    #[must_use]
    pub fn replies(source: &SourceName) -> Self {
        Self(format!("reply/{source}").into())
    }

    /// Things that become due by themselves.
    #[must_use]
    pub fn timers() -> Self {
        Self("timer".into())
    }

    /// The lane as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Lane {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A delivery to a chat that was tried again after an attempt without a certain end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// The key of all its attempts.
    pub key: IdempotencyKey,
    /// When the first attempt began.
    pub since: Instant,
    /// The thread it opened, or went to.
    pub thread: ThreadId,
    /// The message by which we know it.
    pub message: MessageId,
    /// What it is.
    pub what: Doubted,
}

/// What may stand twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubted {
    /// A case's thread, with its card.
    Root {
        /// What happened from then on was told in it.
        from: Instant,
    },
    /// A message in a thread.
    Message {
        /// The reply it tells about, if it is one that is changed later.
        reply: Option<ReplyId>,
    },
}

/// Something that a team is told and that is about no case. Nobody's words are in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Notice {
    /// A feed showed so much at once that it was set aside.
    Flood {
        /// Which.
        source: SourceName,
    },
    /// The quota or the money of a source is nearly used up.
    Spending {
        /// Which.
        source: SourceName,
        /// What is used up, in words: `83 of 100 calls`.
        used: String,
        /// When it is full again, if that is known.
        until: Option<Instant>,
    },
}

/// Something owed to the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// The case needs its thread in this channel.
    OpenThread {
        /// The chat.
        chat: ChatName,
        /// The channel.
        channel: ChannelId,
    },
    /// The card no longer shows the truth.
    UpdateCard {
        /// The chat.
        chat: ChatName,
        /// The channel whose card it is.
        channel: ChannelId,
    },
    /// An event is to be told in the thread.
    Tell {
        /// The chat.
        chat: ChatName,
        /// The channel whose thread it is.
        channel: ChannelId,
        /// What happened.
        event: EventId,
    },
    /// Something about no case is to be told in a channel.
    Announce {
        /// The chat.
        chat: ChatName,
        /// The channel.
        channel: ChannelId,
        /// What.
        notice: Notice,
    },
    /// The message about a reply no longer shows the truth (it had a cancel button).
    UpdateReply {
        /// The chat.
        chat: ChatName,
        /// The channel whose thread it is.
        channel: ChannelId,
        /// The reply it is about.
        reply: ReplyId,
    },
    /// What is attached to a post is to be shown in the thread.
    ShowPicture {
        /// The chat.
        chat: ChatName,
        /// The channel whose thread it is.
        channel: ChannelId,
        /// The post.
        post: NativeId,
        /// Which of its attachments, from zero.
        nth: usize,
    },
    /// A delivery may stand twice: look, keep the first, and take the others away.
    Mend {
        /// The chat.
        chat: ChatName,
        /// The channel it went to.
        channel: ChannelId,
        /// The delivery.
        doubt: Doubt,
        /// Whether this is the last look: what appears after it stays.
        last: bool,
    },
    /// A reply's hold is over: publish it.
    SendReply {
        /// Which.
        reply: ReplyId,
    },
    /// A reply's end is unknown and the settle time is over: look whether it is there.
    Reconcile {
        /// Which.
        reply: ReplyId,
    },
    /// A snoozed case is due again.
    Wake,
    /// The time in which somebody could say yes to a reply is over.
    Expire {
        /// Which.
        reply: ReplyId,
    },
}

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectRow {
    /// Its place; rises, and is never used again.
    pub id: EffectId,
    /// The queue it waits in.
    pub lane: Lane,
    /// The case it is about.
    pub case: CaseNumber,
    /// What is owed.
    pub effect: Effect,
    /// Not before this.
    pub due_at: Instant,
    /// How often it was begun. Above zero, an earlier attempt may have had its effect.
    pub attempts: i64,
    /// When it was first begun.
    pub begun_at: Option<Instant>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_survives_being_stored() {
        let from = Instant::MIN_UTC;
        let reply = Some(ReplyId(7));
        for what in [Doubted::Root { from }, Doubted::Message { reply }] {
            let effect = Effect::Mend {
                chat: "chat".into(),
                channel: "C".into(),
                doubt: Doubt {
                    key: "k-e1o".into(),
                    since: Instant::UNIX_EPOCH,
                    thread: "1.0".into(),
                    message: "1.0".into(),
                    what,
                },
                last: true,
            };
            let stored = serde_json::to_string(&effect).unwrap();
            assert_eq!(serde_json::from_str::<Effect>(&stored).unwrap(), effect);
        }
    }
}
