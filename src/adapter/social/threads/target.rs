//! What a reply answers, read just before it is sent.

use super::wire::{self, Post};
use super::{Threads, translate};
use crate::adapter::api::Failed;
use crate::adapter::graph::MEND;
use crate::domain::{NativeId, Reply};
use crate::port::{PortError, Target};

impl Threads {
    pub(super) async fn before_sending(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        let before = |error: Failed| error.before(&MEND);
        self.me().await.map_err(before)?;
        let post = match self.post(reply.target.as_str()).await {
            Ok(post) => post,
            Err(error) if error.is_missing() => {
                return Ok(Target::Gone(
                    "it is gone, or we may not see it any more".to_owned(),
                ));
            }
            Err(error) => return Err(before(error)),
        };
        if !translate::is_by(&post, &reply.author) {
            return Ok(Target::Gone("the network shows another author for it".to_owned()));
        }
        // After an attempt whose end is open the answer there may well be this one.
        if reply.begun_at.is_none() {
            let own = self.own_answers(reply, post.timestamp).await.map_err(before)?;
            let mut others = own
                .iter()
                .filter(|own| !ours.iter().any(|id| id.as_str() == own.id));
            if let Some(other) = others.next() {
                return Ok(Target::Answered {
                    text: translate::words(other),
                    url: other.permalink.clone(),
                });
            }
        }
        Ok(Target::Stands {
            text: translate::words(&post),
        })
    }

    /// A post as it is now.
    pub(super) async fn post(&self, id: &str) -> Result<Post, Failed> {
        self.graph.get(&[id], &[("fields", wire::POST)]).await
    }
}
