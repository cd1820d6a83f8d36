//! What a reply answers, read just before it is sent.

use super::Instagram;
use super::publish::Thread;
use super::translate::{self, Place, is_by};
use super::wire::{Comment, Named};
use crate::adapter::api::Failed;
use crate::adapter::graph::{MEND, talk};
use crate::domain::{Audience, NativeId, Reply};
use crate::port::{PortError, Target};
use chrono::TimeDelta;

/// For so long after a comment its author may be sent a message, once
/// (<https://developers.facebook.com/docs/messenger-platform/instagram/features/private-replies>).
const PRIVATE_REPLY: TimeDelta = TimeDelta::days(7);

impl Instagram {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let place = Place::of(reply);
        if let Some(why) = self.closed(reply, place) {
            return Ok(Target::Locked(why));
        }
        let named = match place {
            Place::Comment | Place::Tag => return self.comment_stands(reply, ours).await,
            Place::Mention(media) => Named {
                media_id: media.to_owned(),
                comment_id: Some(reply.target.to_string()),
            },
            Place::Caption => Named {
                media_id: reply.target.to_string(),
                comment_id: None,
            },
        };
        match self.mention(&named).await {
            Ok(Some(post)) => Ok(Target::Stands { text: post.text }),
            Ok(None) => Ok(gone()),
            Err(error) if error.is_missing() => Ok(gone()),
            Err(error) => Err(error.before(&MEND)),
        }
    }

    /// Why the API has no way to give this answer, and which there is.
    pub(super) fn closed(&self, reply: &Reply, place: Place<'_>) -> Option<String> {
        let page = reply.target_url.as_deref().unwrap_or("https://www.instagram.com");
        match (place, reply.audience) {
            (Place::Tag, _) => Some(format!(
                "our account is only tagged in it, and Instagram takes comments through its API only where it is \
                 named; a person can write one at {page}"
            )),
            (Place::Mention(_) | Place::Caption, Audience::Private) => Some(format!(
                "Instagram takes private replies only to comments under our own posts; a person can write at {}",
                translate::direct(&reply.author_handle)
            )),
            (Place::Mention(_) | Place::Caption | Place::Comment, _) => None,
        }
    }

    /// A comment under a media object of ours.
    async fn comment_stands(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let comment = match self.comment_now(reply.target.as_str()).await {
            Ok(comment) => comment,
            Err(error) if error.is_missing() => return Ok(gone()),
            Err(error) => return Err(error.before(&MEND)),
        };
        if !is_by(&comment, &reply.author) {
            return Ok(Target::Gone("the network shows another author for it".to_owned()));
        }
        let other = match reply.audience {
            Audience::Private => self.private_answer(reply, &comment, ours).await?,
            Audience::Public if comment.hidden => {
                Some(Target::Locked("it is hidden, and takes no answers".to_owned()))
            }
            Audience::Public => self.native_answer(reply, &comment, ours).await?,
        };
        Ok(other.unwrap_or_else(|| Target::Stands {
            text: translate::words(&comment),
        }))
    }

    /// Whether no private answer can be given any more, or a colleague gave it.
    async fn private_answer(
        &self,
        reply: &Reply,
        comment: &Comment,
        ours: &[NativeId],
    ) -> Result<Option<Target>, PortError> {
        if self.clock.now() - comment.timestamp >= PRIVATE_REPLY {
            return Ok(Some(Target::Locked(format!(
                "it is older than seven days, and Instagram takes no private reply to it any more; a person can \
                 write at {}",
                translate::direct(&reply.author_handle)
            ))));
        }
        // After an attempt whose end is open the message there may well be this one.
        if reply.begun_at.is_some() {
            return Ok(None);
        }
        let handle = self.handle().await.map_err(|error| error.before(&MEND))?;
        let talk = self.talk(reply).await.map_err(|error| error.before(&MEND))?;
        let other = talk.iter().find(|message| {
            self.is_us(&message.from, &handle)
                && message.created_time > comment.timestamp
                && !ours.iter().any(|id| id.as_str() == message.id)
        });
        Ok(other.map(|message| Target::Answered {
            text: message.text().to_owned(),
            url: Some("https://www.instagram.com/direct/inbox/".to_owned()),
        }))
    }

    /// What was said between us and the author in Direct.
    pub(super) async fn talk(&self, reply: &Reply) -> Result<Vec<talk::Message>, Failed> {
        talk::with(&self.graph, ("me", "instagram"), reply.author.as_str()).await
    }

    /// An answer of our account that was not given here.
    async fn native_answer(
        &self,
        reply: &Reply,
        comment: &Comment,
        ours: &[NativeId],
    ) -> Result<Option<Target>, PortError> {
        if reply.begun_at.is_some() {
            return Ok(None);
        }
        let thread = Thread::of(reply, comment);
        let listed = self.own_in(&thread).await.map_err(|error| error.before(&MEND))?;
        let other = listed.iter().find(|own| {
            own.timestamp >= comment.timestamp
                && thread.holds(own)
                && !ours.iter().any(|id| id.as_str() == own.id)
        });
        Ok(other.map(|own| Target::Answered {
            text: translate::words(own),
            url: thread.page.clone(),
        }))
    }
}

fn gone() -> Target {
    Target::Gone("it is gone, or we may not see it any more".to_owned())
}
