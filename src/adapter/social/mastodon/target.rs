//! What a reply answers, read just before it is sent; and an address that a person says it stands at.

use super::Mastodon;
use super::api::{Failed, before};
use super::instance::Known;
use super::publish::published;
use super::wire::{Descendants, Status};
use super::{text, translate};
use crate::domain::{NativeId, Reply};
use crate::port::{PortError, Published, Target};
use url::Url;

impl Mastodon {
    /// A post that is gone and one that its author does not let us see answer alike: 404
    /// (<https://docs.joinmastodon.org/methods/statuses/#get>).
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let known = self.known().await.map_err(before)?;
        let parent = match self.status(reply.target.as_str()).await {
            Ok(parent) => parent,
            Err(error) if error.is_missing() => {
                let why = "the post is gone, or its author does not let us see it any more";
                return Ok(Target::Gone(why.to_owned()));
            }
            Err(error) => return Err(before(error)),
        };
        if !is_meant(&known, reply, &parent) {
            let why = "the server shows another post under that id";
            return Ok(Target::Gone(why.to_owned()));
        }
        if let Some(other) = self.native_answer(&known, reply, ours).await? {
            return Ok(Target::Answered {
                text: text::plain(&other.content, &other.mentions),
                url: other.url,
            });
        }
        Ok(Target::Stands {
            text: translate::words(&parent),
        })
    }

    /// An answer of our account to the post that was not given here. One of before the case was seen
    /// here is history: what counts is what came since the post was last written to.
    async fn native_answer(
        &self,
        known: &Known,
        reply: &Reply,
        ours: &[NativeId],
    ) -> Result<Option<Status>, PortError> {
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_some() {
            return Ok(None);
        }
        let path = ["api", "v1", "statuses", reply.target.as_str(), "context"];
        let context: Descendants = match self.api.get(&path, &[]).await {
            Ok(context) => context,
            Err(error) if error.is_missing() => return Ok(None),
            Err(error) => return Err(before(error)),
        };
        let to_it = |own: &Status| {
            own.account.id == known.me
                && own
                    .in_reply_to_id
                    .as_deref()
                    .is_some_and(|parent| known.software.stable(parent) == reply.target)
                && !ours.contains(&known.software.stable(&own.id))
        };
        Ok(context.descendants.into_iter().find(to_it))
    }

    /// The status at an address of our server: the last part of its path is the id, as in
    /// `https://server/@account/ID`. Other servers' addresses nobody can look at here.
    pub(super) async fn at(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        let known = self.known().await.map_err(before)?;
        let Some(id) = Url::parse(address.trim()).ok().and_then(|url| self.own_id(&url)) else {
            return Err(PortError::Refused(format!(
                "that is no address of a post on {}",
                self.api.base().host_str().unwrap_or_default()
            )));
        };
        let status = match self.status(&id).await {
            Ok(status) => status,
            Err(error) if error.is_missing() => {
                return Err(PortError::Refused("no post stands at that address".to_owned()));
            }
            Err(error) => return Err(unread(&error)),
        };
        if status.account.id != known.me {
            return Err(PortError::Refused("that post is not by our account".to_owned()));
        }
        let parent = status.in_reply_to_id.as_deref();
        if parent.map(|id| known.software.stable(id)).as_ref() != Some(&reply.target) {
            return Err(PortError::Refused(
                "that post does not answer the customer's post".to_owned(),
            ));
        }
        published(&known, &status).map(Some)
    }

    fn own_id(&self, url: &Url) -> Option<String> {
        if url.host_str() != self.api.base().host_str() {
            return None;
        }
        let last = url.path_segments()?.rfind(|part| !part.is_empty())?;
        Some(last.to_owned())
    }
}

/// Whether a status is the post that the reply answers, and by the same author.
pub(super) fn is_meant(known: &Known, reply: &Reply, status: &Status) -> bool {
    known.software.stable(&status.id) == reply.target && status.account.id == reply.author.as_str()
}

fn unread(error: &Failed) -> PortError {
    PortError::NotReached(format!("the address could not be read: {error}"))
}
