//! Conversations in Meta's messengers, as far as the networks share them
//! (<https://developers.facebook.com/docs/messenger-platform/conversations>).

use super::wire::{Who, at, lenient};
use super::{Graph, Raw};
use crate::adapter::api::Failed;
use crate::adapter::verdict::{Own, blanks, since, verdict};
use crate::domain::{Instant, NativeId, Reply};
use crate::port::{Look, PortError, Published};
use serde::Deserialize;

/// How many messages of a conversation are read: of older ones the API tells nothing but the ids
/// (<https://developers.facebook.com/docs/messenger-platform/conversations>, "Limitations").
const MOST: usize = 20;
/// What is asked of a conversation: as many of its newest messages.
pub const NEWEST: &str = "messages.limit(20){id,message,from,created_time}";

/// A conversation (<https://developers.facebook.com/docs/graph-api/reference/conversation>).
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Conversation {
    /// Its newest messages, the newest first.
    #[serde(default)]
    pub messages: Messages,
}

/// Messages, as they came.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Messages {
    /// The newest first.
    pub data: Vec<Raw>,
}

/// A message (<https://developers.facebook.com/docs/graph-api/reference/message>).
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Its id, the same as a webhook's `mid`.
    pub id: String,
    /// What it says.
    #[serde(default)]
    pub message: Option<String>,
    /// Who wrote it.
    pub from: Who,
    /// When.
    #[serde(deserialize_with = "at")]
    pub created_time: Instant,
    /// What is attached, where that was asked for.
    #[serde(default, deserialize_with = "lenient")]
    pub attachments: Files,
}

impl Message {
    /// What it says.
    #[must_use]
    pub fn text(&self) -> &str {
        self.message.as_deref().unwrap_or_default()
    }
}

/// What is attached to a message.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Files {
    /// One after the other.
    #[serde(default)]
    pub data: Vec<File>,
}

/// One thing that is attached.
#[derive(Debug, Clone, Deserialize)]
pub struct File {
    /// Its MIME type.
    #[serde(default)]
    pub mime_type: String,
    /// Where it is, if it is a picture.
    #[serde(default)]
    pub image_data: Option<Picture>,
}

/// Where a picture is.
#[derive(Debug, Clone, Deserialize)]
pub struct Picture {
    /// Its address.
    pub url: String,
}

impl Conversation {
    /// Its messages, those that can be read.
    #[must_use]
    pub fn read(&self) -> Vec<Message> {
        let raw = self.messages.data.iter();
        raw.filter_map(|raw| serde_json::from_str(raw.get()).ok())
            .collect()
    }
}

/// The newest messages between an account of ours and a person, the newest first.
///
/// # Errors
/// They cannot be read.
pub async fn with(
    graph: &Graph,
    (account, platform): (&str, &str),
    person: &str,
) -> Result<Vec<Message>, Failed> {
    #[derive(Deserialize)]
    struct Talks {
        data: Vec<Conversation>,
    }
    let query = [("platform", platform), ("user_id", person), ("fields", NEWEST)];
    let talks: Talks = graph.get(&[account, "conversations"], &query).await?;
    Ok(talks.data.iter().flat_map(Conversation::read).collect())
}

/// What a conversation says about a reply whose end is unknown. `ours`: whether we are meant.
///
/// # Errors
/// It cannot be told.
pub fn look(reply: &Reply, talk: &[Message], ours: impl Fn(&Who) -> bool) -> Result<Look, PortError> {
    let since = since(reply);
    if talk.len() >= MOST && talk.iter().all(|message| message.created_time >= since) {
        return Err(PortError::Unknown(
            "more was said since the attempt than can be read: the reply cannot be looked for".to_owned(),
        ));
    }
    let own = talk.iter().filter(|message| ours(&message.from));
    let own = own.map(|message| Own {
        published: Published {
            id: NativeId::new(&message.id),
            url: None,
            parent: Some(reply.target.clone()),
            author: None,
        },
        text: message.text().to_owned(),
        at: message.created_time,
    });
    verdict(reply, true, own.collect(), blanks)
}
