//! Opens threads, posts and edits, so that a second attempt finds the first.
//!
//! In a text channel a thread is born from its first message: that message carries a nonce which
//! Discord enforces for some minutes, the thread has the message's id, and a second thread from it is
//! refused with 160004, which is a success. A forum post has no nonce: the first message carries a
//! stamp, and before a second attempt it is looked for. The same look is taken in channels and threads
//! once the nonce may be forgotten. State is shown by the forum's tags and never by renaming: a
//! thread's name changes twice in ten minutes at most, and a third attempt blocks all its other calls.

use super::find::Much;
use super::render;
use super::rest::{Failure, Rest, Route, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE};
use crate::adapter::attempts::Attempts;
use crate::domain::{Card, Clock, IdempotencyKey, Instant, MessageId, ThreadId};
use crate::port::{Content, EditMessage, OpenThread, Opened, Picture, PortError, PostMessage, ShowPicture};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Threads are hidden after a week without a message.
const AUTO_ARCHIVE_MINUTES: u32 = 10_080;
/// The thread was made already. <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>
const THREAD_EXISTS: u64 = 160_004;
/// The thread is archived.
pub(super) const ARCHIVED: u64 = 50083;
/// A message older than an hour was edited too often of late.
const EDITED_TOO_OFTEN: u64 = 30046;
/// The most characters of a picture's description.
const MOST_ALT: usize = 1024;
/// The most cards without a thread that are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// What a channel is, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Messages, and threads from them.
    Text,
    /// Posts only; with its tags by name, and whether a post needs one.
    Forum {
        tags: Vec<(String, u64)>,
        required: bool,
    },
}

/// What a delivery is recognised by.
pub(super) struct Stamp {
    /// For Discord, for some minutes: at most 25 characters.
    nonce: String,
    /// For ourselves: stands in the message, so it is short. It only has to be unlike that of the few
    /// others of a thread and an outage.
    pub mark: String,
}

/// The work in channels and threads.
pub(super) struct Threads {
    pub rest: Arc<Rest>,
    pub guild: String,
    installation: String,
    pub clock: Arc<dyn Clock>,
    attempts: Attempts,
    kinds: Mutex<HashMap<u64, Kind>>,
    /// Cards that stand in a text channel, and wait for the thread that is to be born from them.
    bare: Mutex<HashMap<IdempotencyKey, u64>>,
    pub me: Mutex<Option<u64>>,
}

impl Threads {
    pub(super) fn new(rest: Arc<Rest>, guild: &str, installation: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            rest,
            attempts: Attempts::new(clock.now()),
            clock,
            guild: guild.to_owned(),
            installation: installation.to_owned(),
            kinds: Mutex::default(),
            bare: Mutex::default(),
            me: Mutex::default(),
        }
    }

    /// Marks a delivery: the same for every attempt, and not that of another installation.
    pub(super) fn stamp(&self, key: &str) -> Stamp {
        let digest = Sha256::digest(format!("{}:{key}", self.installation));
        Stamp {
            nonce: hex::encode(&digest[..12]),
            mark: hex::encode(&digest[..4]),
        }
    }

    pub(super) async fn open(&self, order: &OpenThread) -> Result<Opened, PortError> {
        let channel = id(order.channel.as_str(), "channel")?;
        let what = format!("open a thread in channel {channel}");
        let stamp = self.stamp(order.key.as_str());
        // A channel that is not there waits for a mended configuration; nothing is lost.
        let kind = self
            .kind(channel)
            .await
            .map_err(|failure| match failure.port(&what) {
                PortError::Refused(reason) => PortError::Closed(reason),
                other => other,
            })?;
        let opened = match self.open_as(&kind, channel, order, &stamp, &what).await {
            // Tags come and go while we run: look again before anything is given up.
            Err(failure @ Failure::Refused { .. }) => match self.ask_kind(channel).await {
                Ok(now) if now != kind => self.open_as(&now, channel, order, &stamp, &what).await,
                Ok(_) | Err(_) => Err(failure),
            },
            opened => opened,
        };
        let opened = opened.map_err(|failure| failure.port(&what))?;
        self.attempts.stands(&order.key);
        Ok(opened)
    }

    async fn open_as(
        &self,
        kind: &Kind,
        channel: u64,
        order: &OpenThread,
        stamp: &Stamp,
        what: &str,
    ) -> Result<Opened, Failure> {
        match kind {
            Kind::Text => self.open_in_text(channel, order, stamp, what).await,
            Kind::Forum { tags, required } => {
                self.open_in_forum(channel, tags, *required, order, stamp).await
            }
        }
    }

    /// Posts the card, and begins a thread from it. From the card on, every failure leaves something
    /// that the next attempt must find.
    async fn open_in_text(
        &self,
        channel: u64,
        order: &OpenThread,
        stamp: &Stamp,
        what: &str,
    ) -> Result<Opened, Failure> {
        let message = match self.bare_card(&order.key) {
            Some(message) => message,
            None => {
                let body = render::card(&order.card, &stamp.mark);
                self.post_once(channel, (body, None), &order.key, stamp, order.earlier)
                    .await?
            }
        };
        let route = Route::bot(
            format!("/channels/{channel}/messages/{message}/threads"),
            format!("/channels/{channel}/messages/:id/threads"),
        );
        let thread = json!({
            "name": render::title(&order.card),
            "auto_archive_duration": AUTO_ARCHIVE_MINUTES,
        });
        match self.rest.call(Method::POST, route, Some(&thread)).await {
            Ok(_) => {}
            Err(failure) if failure.code() == Some(THREAD_EXISTS) => {}
            Err(failure) => {
                // Somebody deleted the card: the next attempt posts another.
                let stands = failure.code() != Some(UNKNOWN_MESSAGE);
                self.set_bare_card(&order.key, stands.then_some(message));
                return Err(failure.after_another(what));
            }
        }
        self.set_bare_card(&order.key, None);
        Ok(opened(message, message))
    }

    fn bare_card(&self, key: &IdempotencyKey) -> Option<u64> {
        let bare = self.bare.lock().unwrap_or_else(PoisonError::into_inner);
        bare.get(key).copied()
    }

    fn set_bare_card(&self, key: &IdempotencyKey, card: Option<u64>) {
        let mut bare = self.bare.lock().unwrap_or_else(PoisonError::into_inner);
        match card {
            Some(card) => {
                if bare.len() >= MOST_REMEMBERED {
                    // They are found by a look.
                    bare.clear();
                }
                bare.insert(key.clone(), card);
            }
            None => {
                bare.remove(key);
            }
        }
    }

    async fn open_in_forum(
        &self,
        forum: u64,
        tags: &[(String, u64)],
        required: bool,
        order: &OpenThread,
        stamp: &Stamp,
    ) -> Result<Opened, Failure> {
        if let Some(begun) = order.earlier {
            let looked = self.find_posts(forum, stamp, begun, Much::First).await;
            if let Some(thread) = self.decide(&order.key, looked)? {
                return Ok(opened(thread, thread));
            }
        }
        let mut applied: Vec<_> = tag_for(tags, &order.card).into_iter().collect();
        if applied.is_empty() && required {
            applied.extend(tags.first().map(|(_, id)| *id));
        }
        let mut message = render::card(&order.card, &stamp.mark);
        if message["content"] == "" {
            // An empty content is refused by some servers where there are embeds only.
            message.as_object_mut().map(|fields| fields.remove("content"));
        }
        let body = json!({
            "name": render::title(&order.card),
            "auto_archive_duration": AUTO_ARCHIVE_MINUTES,
            "applied_tags": applied.iter().map(u64::to_string).collect::<Vec<_>>(),
            "message": message,
        });
        let route = Route::plain(format!("/channels/{forum}/threads"));
        let made = self.rest.call(Method::POST, route, Some(&body)).await?;
        let thread = id_in(&made, "id")?;
        // "the id of the message is the same as the id of the thread", if it is not told.
        let card = id_in(&made["message"], "id").unwrap_or(thread);
        Ok(opened(thread, card))
    }

    pub(super) async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        let thread = id(order.thread.as_str(), "thread")?;
        let what = format!("post in thread {thread}");
        let stamp = self.stamp(order.key.as_str());
        let body = render::message(&order.message, &stamp.mark);
        let posted = self
            .post_once(thread, (body, None), &order.key, &stamp, order.earlier)
            .await;
        let id = posted.map_err(|failure| failure.port_of_thread(&what))?;
        self.attempts.stands(&order.key);
        Ok(MessageId::from(id.to_string()))
    }

    /// Posts a picture. Bots may send 10 MiB where nobody boosts, and 1024 characters of description
    /// (<https://discord.com/developers/docs/resources/message#attachment-object>).
    pub(super) async fn show(&self, order: &ShowPicture) -> Result<MessageId, PortError> {
        let thread = id(order.thread.as_str(), "thread")?;
        let what = format!("show a picture in thread {thread}");
        let stamp = self.stamp(order.key.as_str());
        let mut body = render::message(&order.message, &stamp.mark);
        let alt: String = order.alt.chars().take(MOST_ALT).collect();
        body["attachments"] = json!([{"id": "0", "filename": file_name(&order.picture), "description": alt}]);
        let posted = self
            .post_once(
                thread,
                (body, Some(order.picture.as_ref())),
                &order.key,
                &stamp,
                order.earlier,
            )
            .await;
        let id = posted.map_err(|failure| failure.port_of_thread(&what))?;
        self.attempts.stands(&order.key);
        Ok(MessageId::from(id.to_string()))
    }

    /// Posts with a nonce. An earlier attempt is looked for first: Discord forgets nonces after some
    /// minutes, and servers that only speak its API may not know them at all.
    async fn post_once(
        &self,
        channel: u64,
        (mut body, picture): (Value, Option<&Picture>),
        key: &IdempotencyKey,
        stamp: &Stamp,
        earlier: Option<Instant>,
    ) -> Result<u64, Failure> {
        if let Some(begun) = earlier {
            let last = self.attempts.latest(key, begun);
            let looked = self
                .find_messages(channel, stamp, (begun, last), Much::First)
                .await;
            if let Some(found) = self.decide(key, looked)? {
                return Ok(found);
            }
        }
        body["nonce"] = json!(stamp.nonce);
        body["enforce_nonce"] = json!(true);
        let route = Route::plain(format!("/channels/{channel}/messages"));
        self.attempts.begun(key, self.clock.now());
        let posted = match picture {
            Some(picture) => {
                let file = (file_name(picture), picture.form.mime(), picture.bytes.clone());
                self.rest.upload(route, &body, file).await?
            }
            None => self.rest.call(Method::POST, route, Some(&body)).await?,
        };
        id_in(&posted, "id")
    }

    /// What a look for an earlier attempt showed.
    fn decide(
        &self,
        key: &IdempotencyKey,
        looked: Result<Vec<u64>, Failure>,
    ) -> Result<Option<u64>, Failure> {
        let passes = |failure: &Failure| {
            matches!(
                failure,
                Failure::Limited(_) | Failure::NotReached(_) | Failure::Unknown(_)
            )
        };
        let first = looked.map(|found| found.first().copied());
        self.attempts.decide(key, self.clock.now(), first, passes)
    }

    pub(super) async fn edit(&self, order: &EditMessage) -> Result<(), PortError> {
        let channel = id(order.channel.as_str(), "channel")?;
        let thread = id(order.thread.as_str(), "thread")?;
        let message = id(order.message.as_str(), "message")?;
        let what = format!("edit message {message} in thread {thread}");
        let kind = self.kind(channel).await.map_err(|failure| failure.port(&what))?;
        // The message a thread was born from stands in the channel; a forum post's in the post.
        let place = match kind {
            Kind::Text if message == thread => channel,
            Kind::Text | Kind::Forum { .. } => thread,
        };
        let done = self.replace(place, thread, message, &order.content).await;
        done.map_err(|failure| match failure.code() {
            Some(EDITED_TOO_OFTEN) => PortError::RetryAfter(std::time::Duration::from_secs(60)),
            Some(UNKNOWN_CHANNEL) if place == channel => failure.port(&what),
            Some(_) | None => failure.port_of_thread(&what),
        })?;
        if let (Kind::Forum { tags, required: _ }, Content::Card(card)) = (&kind, &order.content) {
            self.tag(channel, thread, tags, card).await;
        }
        Ok(())
    }

    pub(super) async fn replace(
        &self,
        place: u64,
        thread: u64,
        message: u64,
        content: &Content,
    ) -> Result<(), Failure> {
        let body = match content {
            Content::Card(card) => render::card(card, ""),
            Content::Message(message) => render::message(message, ""),
        };
        let route = Route::bot(
            format!("/channels/{place}/messages/{message}"),
            format!("/channels/{place}/messages/:id"),
        );
        match self.rest.call(Method::PATCH, route.clone(), Some(&body)).await {
            Err(failure) if failure.code() == Some(ARCHIVED) => {
                self.patch_thread(thread, &json!({"archived": false})).await?;
                self.rest.call(Method::PATCH, route, Some(&body)).await.map(drop)
            }
            done => done.map(drop),
        }
    }

    /// Puts the tag of the card's status on the post, and takes those of other statuses off. What
    /// people put on or took off stays so: the post is read first. Tags are an ornament: what goes
    /// wrong here fails nothing.
    async fn tag(&self, forum: u64, thread: u64, tags: &[(String, u64)], card: &Card) {
        let Some(wanted) = tag_for(tags, card) else { return };
        let had = match self.applied(thread).await {
            Ok(had) => had,
            Err(failure) => return tracing::debug!(thread, ?failure, "The post's tags cannot be read."),
        };
        let of_status = |id: &u64| tags.iter().any(|(name, tag)| tag == id && is_status(name));
        if had.iter().filter(|id| of_status(id)).eq([&wanted]) {
            return;
        }
        // "applied_tags: maximum of 5"
        let mut applied: Vec<u64> = had.iter().copied().filter(|id| !of_status(id)).take(4).collect();
        applied.push(wanted);
        let names: Vec<_> = applied.iter().map(u64::to_string).collect();
        if let Err(failure) = self.patch_thread(thread, &json!({"applied_tags": names})).await {
            tracing::warn!(thread, ?failure, "The post's tags cannot be set.");
            // Perhaps the forum has others by now: it is asked the next time.
            self.kinds
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&forum);
        }
    }

    async fn applied(&self, thread: u64) -> Result<Vec<u64>, Failure> {
        let post = self.rest.get(Route::plain(format!("/channels/{thread}"))).await?;
        let tags = post["applied_tags"].as_array().into_iter().flatten();
        Ok(tags.filter_map(as_id).collect())
    }

    pub(super) async fn patch_thread(&self, thread: u64, body: &Value) -> Result<(), Failure> {
        let route = Route::plain(format!("/channels/{thread}"));
        self.rest.call(Method::PATCH, route, Some(body)).await.map(drop)
    }

    /// What a channel is, as far as we know; asked where we do not.
    pub(super) async fn kind(&self, channel: u64) -> Result<Kind, Failure> {
        let known = self
            .kinds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&channel)
            .cloned();
        match known {
            Some(known) => Ok(known),
            None => self.ask_kind(channel).await,
        }
    }

    /// What a channel is now.
    async fn ask_kind(&self, channel: u64) -> Result<Kind, Failure> {
        let found = self
            .rest
            .get(Route::plain(format!("/channels/{channel}")))
            .await?;
        let kind = kind_of(&found);
        let mut kinds = self.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        kinds.insert(channel, kind.clone());
        Ok(kind)
    }
}

/// Types 15 and 16 take posts only. <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>
pub(super) fn kind_of(channel: &Value) -> Kind {
    /// A post needs a tag. <https://discord.com/developers/docs/resources/channel#channel-object-channel-flags>
    const REQUIRE_TAG: u64 = 1 << 4;
    if !matches!(channel["type"].as_u64(), Some(15 | 16)) {
        return Kind::Text;
    }
    let tags = channel["available_tags"].as_array().into_iter().flatten();
    Kind::Forum {
        tags: tags
            .filter_map(|tag| Some((tag["name"].as_str()?.to_lowercase(), as_id(&tag["id"])?)))
            .collect(),
        required: channel["flags"].as_u64().unwrap_or_default() & REQUIRE_TAG != 0,
    }
}

fn file_name(picture: &Picture) -> String {
    format!("picture.{}", picture.form.ending())
}

fn is_status(name: &str) -> bool {
    crate::domain::Status::ALL
        .iter()
        .any(|status| status.word() == name)
}

fn tag_for(tags: &[(String, u64)], card: &Card) -> Option<u64> {
    tags.iter()
        .find(|(name, _)| *name == card.status)
        .map(|(_, id)| *id)
}

pub(super) fn opened(thread: u64, card: u64) -> Opened {
    Opened {
        thread: ThreadId::from(thread.to_string()),
        card: MessageId::from(card.to_string()),
    }
}

/// Ids go into addresses, so only numbers are taken.
pub(super) fn id(text: &str, what: &str) -> Result<u64, PortError> {
    text.parse().map_err(|_| {
        PortError::Refused(format!(
            "{text:?} is not the id of a Discord {what}: it must be a number"
        ))
    })
}

fn as_id(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

/// An id in an answer. Without it, it is not known what was done.
pub(super) fn id_in(value: &Value, field: &str) -> Result<u64, Failure> {
    as_id(&value[field]).ok_or_else(|| Failure::Unknown(format!("an answer without {field:?}")))
}
