//! The conversation a post belongs to: the post its thread began with, as far as the server knows.

use super::Mastodon;
use super::api::Failed;
use super::wire::{Ancestors, Status};
use reqwest::StatusCode;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often a thread is asked for before a post goes without it: half a minute of a reading that
/// starts again with growing pauses. One post must not hold up all others for longer.
const MOST_TRIES: u32 = 6;

impl Mastodon {
    /// The post a conversation began with.
    ///
    /// # Errors
    /// The thread could not be read now: the post is not to be stored before it was tried again,
    /// for its conversation is for good.
    pub(super) async fn root(&self, status: &Status) -> Result<String, Failed> {
        let Some(parent) = &status.in_reply_to_id else {
            self.roots.keep([status.id.clone()], &status.id);
            return Ok(status.id.clone());
        };
        if let Some(root) = self.roots.of(parent) {
            self.roots.keep([status.id.clone()], &root);
            return Ok(root);
        }
        let path = ["api", "v1", "statuses", &status.id, "context"];
        match self.api.get::<Ancestors>(&path, &[]).await {
            Ok(thread) => Ok(self.begun_by(status, parent, thread)),
            // Nobody may see what stands above: the post that is answered stands for the root.
            Err(error) if is_hidden(&error) => {
                self.roots.keep([parent.clone(), status.id.clone()], parent);
                Ok(parent.clone())
            }
            Err(error) if says_nothing_of_the_thread(&error) => Err(error),
            Err(error) if self.roots.failed(&status.id) < MOST_TRIES => Err(error),
            Err(error) => {
                tracing::warn!(
                    source = %self.source, status = status.id, %error,
                    "A thread cannot be read: the post begins a conversation with the one it answers."
                );
                // Only for this post and what answers it: others may still find the true root.
                self.roots.keep([status.id.clone()], parent);
                Ok(parent.clone())
            }
        }
    }

    fn begun_by(&self, status: &Status, parent: &str, thread: Ancestors) -> String {
        let ancestors = thread.ancestors;
        let root = ancestors.first().map_or(parent, |first| &first.id).to_owned();
        let members = ancestors.into_iter().map(|ancestor| ancestor.id);
        let members = members.chain([parent.to_owned(), status.id.clone()]);
        self.roots.keep(members, &root);
        root
    }
}

/// Whether the API says that the thread is not to be seen, now and later.
fn is_hidden(error: &Failed) -> bool {
    let forbidden = matches!(
        error,
        Failed::Status {
            status: StatusCode::FORBIDDEN,
            told: Some(_),
        }
    );
    forbidden || error.is_missing()
}

/// Whether a failure would have met any call: it is no try at this thread.
fn says_nothing_of_the_thread(error: &Failed) -> bool {
    matches!(
        error,
        Failed::Limited(_)
            | Failed::Unreached(_)
            | Failed::Status {
                status: StatusCode::UNAUTHORIZED,
                ..
            }
    )
}

/// The roots of conversations that were asked for lately.
#[derive(Default)]
pub(super) struct Roots(Mutex<Asked>);

#[derive(Default)]
struct Asked {
    /// By the id of a status.
    roots: HashMap<String, String>,
    /// How often a status's thread could not be read.
    failures: HashMap<String, u32>,
}

impl Roots {
    /// When as many are kept, they are forgotten: they can be asked for again.
    const MOST: usize = 20_000;

    fn of(&self, status: &str) -> Option<String> {
        self.held().roots.get(status).cloned()
    }

    fn keep(&self, statuses: impl IntoIterator<Item = String>, root: &str) {
        let mut asked = self.held();
        if asked.roots.len() >= Self::MOST {
            asked.roots.clear();
        }
        for status in statuses {
            asked.failures.remove(&status);
            asked.roots.insert(status, root.to_owned());
        }
    }

    /// Counts a failure; gives how many there were with it.
    fn failed(&self, status: &str) -> u32 {
        let mut asked = self.held();
        if asked.failures.len() >= Self::MOST {
            asked.failures.clear();
        }
        let failures = asked.failures.entry(status.to_owned()).or_default();
        *failures += 1;
        *failures
    }

    fn held(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
