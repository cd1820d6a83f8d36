//! Private answers: the one message to the author of a comment or a post
//! (<https://developers.facebook.com/docs/messenger-platform/discovery/private-replies>), and answers in a
//! conversation while its window is open
//! (<https://developers.facebook.com/docs/messenger-platform/policy/policy-overview>).

use super::Facebook;
use super::wire::{Conversation, Listed, Message, Node};
use crate::adapter::api::Failed;
use crate::adapter::graph::MEND;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Instant, NativeId, Reply};
use crate::port::{Look, PortError, Published, Target};
use chrono::TimeDelta;
use serde::Deserialize;

/// For so long after a comment its author may be sent a message, once.
const PRIVATE_REPLY: TimeDelta = TimeDelta::days(7);
/// For so long after the customer's last message it may be answered.
const WINDOW: TimeDelta = TimeDelta::hours(24);
/// How much of a conversation is read.
const NEWEST: &str = "messages.limit(50){id,message,from,created_time}";

impl Facebook {
    /// The newest messages between the page and a person, the newest first.
    async fn talk(&self, person: &str) -> Result<Vec<Message>, Failed> {
        let query = [("platform", "messenger"), ("user_id", person), ("fields", NEWEST)];
        let path = [self.page.as_str(), "conversations"];
        let talks: Listed<Conversation> = self.graph.get(&path, &query).await?;
        Ok(talks.data.into_iter().flat_map(messages).collect())
    }

    /// What was said in the conversation that a private reply to a comment or a post began.
    async fn private_talk(&self, id: &str) -> Result<Vec<Message>, Failed> {
        #[derive(Deserialize)]
        struct Begun {
            #[serde(default)]
            private_reply_conversation: Option<Conversation>,
        }
        let fields = format!("private_reply_conversation{{{NEWEST}}}");
        let begun: Begun = self.graph.get(&[id], &[("fields", &fields)]).await?;
        Ok(begun.private_reply_conversation.map(messages).unwrap_or_default())
    }

    /// How a message stands, before it is answered.
    pub(super) async fn window(
        &self,
        reply: &Reply,
        person: &str,
        ours: &[NativeId],
    ) -> Result<Target, PortError> {
        let talk = self.talk(person).await.map_err(|error| error.before(&MEND))?;
        let last = talk.iter().filter(|message| message.from.id == person);
        let last = last.map(|message| message.created_time).max();
        if last.is_none_or(|last| self.clock.now() - last >= WINDOW) {
            return Ok(Target::Locked(format!(
                "the customer last wrote more than 24 hours ago, and Facebook lets a page write only within that \
                 time; a person can still write in {}",
                self.inbox()
            )));
        }
        let Some(target) = talk.iter().find(|message| message.id == reply.target.as_str()) else {
            return Ok(Target::NotReadable);
        };
        let after =
            |message: &&Message| message.created_time > target.created_time && self.is_another(message, ours);
        Ok(
            match talk.iter().find(after).filter(|_| reply.begun_at.is_none()) {
                Some(other) => self.answered(other),
                None => Target::Stands { text: text(target) },
            },
        )
    }

    /// Whether the author of a comment or a post may be sent a message; `None`: they may.
    pub(super) async fn may_write_privately(
        &self,
        node: &Node,
        ours: &[NativeId],
    ) -> Result<Option<Target>, PortError> {
        if self.clock.now() - node.created_time >= PRIVATE_REPLY {
            return Ok(Some(Target::Locked(format!(
                "it is older than seven days, and Facebook takes no private reply to it any more; answer in \
                 public, and ask them to write to https://m.me/{}",
                self.page
            ))));
        }
        if node.can_reply_privately != Some(false) {
            return Ok(None);
        }
        let talk = self
            .private_talk(&node.id)
            .await
            .map_err(|error| error.before(&MEND))?;
        Ok(Some(
            match talk.iter().find(|message| self.is_another(message, ours)) {
                Some(other) => self.answered(other),
                None => Target::Locked(format!(
                    "Facebook takes no private reply to it: one may be sent, once; a person can look in {}",
                    self.inbox()
                )),
            },
        ))
    }

    fn answered(&self, message: &Message) -> Target {
        Target::Answered {
            text: text(message),
            url: Some(self.inbox()),
        }
    }

    fn is_another(&self, message: &Message, ours: &[NativeId]) -> bool {
        self.is_ours(&message.from.id) && !ours.iter().any(|id| id.as_str() == message.id)
    }

    /// Where people read and write the page's messages.
    fn inbox(&self) -> String {
        format!(
            "https://business.facebook.com/latest/inbox/all?asset_id={}",
            self.page
        )
    }

    /// Whether a message of ours stands in the conversation with `person`, or in the one that a private reply
    /// began.
    pub(super) async fn look_in_messages(
        &self,
        reply: &Reply,
        person: Option<&str>,
    ) -> Result<Look, PortError> {
        let talk = match person {
            Some(person) => self.talk(person).await,
            None => self.private_talk(reply.target.as_str()).await,
        };
        let talk = talk.map_err(Failed::unread)?;
        let reaches = talk.len() < 50 || talk.iter().any(|message| message.created_time < since(reply));
        if !reaches {
            return Err(PortError::Unknown(
                "more was said since the attempt than can be read: the reply cannot be looked for".to_owned(),
            ));
        }
        let ours = talk.iter().filter(|message| self.is_ours(&message.from.id));
        let ours = ours.map(|message| Own {
            published: Published {
                id: NativeId::new(&message.id),
                url: None,
                parent: Some(reply.target.clone()),
                author: Some(NativeId::new(&message.from.id)),
            },
            text: text(message),
            at: at(message),
        });
        verdict(reply, true, ours.collect(), blanks)
    }
}

fn messages(talk: Conversation) -> Vec<Message> {
    let raw = talk.messages.map(|messages| messages.data).unwrap_or_default();
    raw.iter()
        .filter_map(|raw| serde_json::from_str(raw.get()).ok())
        .collect()
}

fn text(message: &Message) -> String {
    message.message.clone().unwrap_or_default()
}

fn at(message: &Message) -> Instant {
    message.created_time
}
