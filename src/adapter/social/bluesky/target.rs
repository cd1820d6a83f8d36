//! What a reply answers, read just before it is sent.

use super::session::{Failed, before, name};
use super::translate::{address, is_in, words};
use super::wire::{Branch, Thread, View};
use super::{Bluesky, publish};
use crate::domain::{NativeId, Reply};
use crate::port::{PortError, Target};

/// How a post is shown to us.
pub(super) enum Shown {
    /// It stands, with what answers it.
    Stands(Box<View>, Vec<Branch>),
    /// Its author and our account block each other.
    Blocked,
    /// It is gone.
    Gone,
}

impl Bluesky {
    /// Reads a post and so many levels of what answers it
    /// (<https://docs.bsky.app/docs/api/app-bsky-feed-get-post-thread>).
    pub(super) async fn shown(&self, uri: &str, depth: u8) -> Result<Shown, Failed> {
        let depth = depth.to_string();
        let query = [("uri", uri), ("depth", &depth), ("parentHeight", "0")];
        let thread = match self
            .xrpc
            .get::<Thread>("app.bsky.feed.getPostThread", &query)
            .await
        {
            Ok(Thread { thread }) => thread,
            Err(error) if name(&error) == Some("NotFound") => return Ok(Shown::Gone),
            Err(error) => return Err(error),
        };
        match (thread.kind.rsplit('#').next(), thread.post) {
            (_, Some(post)) => Ok(Shown::Stands(Box::new(post), thread.replies)),
            (Some("blockedPost"), None) => Ok(Shown::Blocked),
            (Some("notFoundPost"), None) => Ok(Shown::Gone),
            (_, None) => Err(Failed::Broken(format!(
                "the answer is not what the API describes ({})",
                thread.kind
            ))),
        }
    }

    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let session = self.xrpc.session().await.map_err(before)?;
        let (post, below) = match self.shown(reply.target.as_str(), 1).await.map_err(before)? {
            Shown::Stands(post, below) => (post, below),
            Shown::Blocked => return Ok(Target::Locked(publish::BLOCKED.to_owned())),
            Shown::Gone => return Ok(Target::Gone("the post is gone".to_owned())),
        };
        if post.author.did != reply.author.as_str() {
            let why = "the network shows another author for that post";
            return Ok(Target::Gone(why.to_owned()));
        }
        if let Some(why) = publish::closed(&post) {
            return Ok(Target::Locked(why.to_owned()));
        }
        // After an attempt whose end is open the answer there may well be this one.
        let by_us =
            |other: &View| is_in(&other.uri, &session.did) && !ours.contains(&NativeId::new(&other.uri));
        let mut answers = below.into_iter().filter_map(|branch| branch.post);
        match answers.find(by_us).filter(|_| reply.begun_at.is_none()) {
            Some(other) => Ok(Target::Answered {
                text: words(&other.record),
                url: address(&session.handle, &other.uri),
            }),
            None => Ok(Target::Stands {
                text: words(&post.record),
            }),
        }
    }
}
