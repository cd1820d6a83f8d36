//! Private answers: the one message to the author of a comment or a post
//! (<https://developers.facebook.com/docs/messenger-platform/discovery/private-replies>), and answers in a
//! conversation while its window is open
//! (<https://developers.facebook.com/docs/messenger-platform/policy/policy-overview>).

use super::Facebook;
use super::translate::Place;
use super::wire::Node;
use crate::adapter::api::Failed;
use crate::adapter::graph::MEND;
use crate::adapter::graph::talk::{self, Conversation, Message, NEWEST};
use crate::domain::{NativeId, Reply};
use crate::port::{Look, PortError, Target};
use chrono::TimeDelta;
use serde::Deserialize;

/// For so long after a comment its author may be sent a message, once.
const PRIVATE_REPLY: TimeDelta = TimeDelta::days(7);
/// For so long after the customer's last message it may be answered.
const WINDOW: TimeDelta = TimeDelta::hours(24);

impl Facebook {
    /// The newest messages between the page and a person, the newest first.
    async fn talk(&self, person: &str) -> Result<Vec<Message>, Failed> {
        talk::with(&self.graph, (&self.page, "messenger"), person).await
    }

    /// What was said in the conversation that a private reply to a comment or a post began. Only comments know
    /// theirs (<https://developers.facebook.com/docs/graph-api/reference/comment>); of a post it is that with its
    /// author.
    async fn private_talk(&self, reply: &Reply) -> Result<Vec<Message>, Failed> {
        if Place::of(reply) == Place::Post {
            return self.talk(reply.author.as_str()).await;
        }
        #[derive(Deserialize)]
        struct Begun {
            #[serde(default)]
            private_reply_conversation: Option<Conversation>,
        }
        let fields = format!("private_reply_conversation{{{NEWEST}}}");
        let begun: Begun = self
            .graph
            .get(&[reply.target.as_str()], &[("fields", &fields)])
            .await?;
        Ok(begun
            .private_reply_conversation
            .map(|talk| talk.read())
            .unwrap_or_default())
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
                None => Target::Stands {
                    text: target.text().to_owned(),
                },
            },
        )
    }

    /// Whether the author of a comment or a post may be sent a message; `None`: they may.
    pub(super) async fn may_write_privately(
        &self,
        reply: &Reply,
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
            .private_talk(reply)
            .await
            .map_err(|error| error.before(&MEND))?;
        let other =
            |message: &&Message| message.created_time >= node.created_time && self.is_another(message, ours);
        let other = talk.iter().find(other);
        Ok(Some(match other {
            Some(other) => self.answered(other),
            None => Target::Locked(format!(
                "Facebook takes no private reply to it: one may be sent, once; a person can look in {}",
                self.inbox()
            )),
        }))
    }

    fn answered(&self, message: &Message) -> Target {
        Target::Answered {
            text: message.text().to_owned(),
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
            None => self.private_talk(reply).await,
        };
        talk::look(reply, &talk.map_err(Failed::unread)?, |who| self.is_ours(&who.id))
    }
}
