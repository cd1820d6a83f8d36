//! What was read and where it is kept: the part of a sweep that is the same on all of Meta's networks.

use super::Raw;
use super::wire::name;
use crate::adapter::api::Failed;
use crate::adapter::reach::Reach;
use crate::adapter::stored::{self, Stored};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::{Halt, Troubles};
use crate::adapter::watch::{WATCHED, Watch};
use crate::app::{Cursor, Inbound, Unavailable};
use crate::domain::{Clock, Instant, NativeId, Post, Sighting, SourceName};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many known posts are read again in a minute: each is a call, and calls count by how many the account
/// reaches.
const LOOKS_A_MINUTE: u32 = 10;
/// So many posts that all look gone at once are a permission that is gone.
const TOO_MANY_GONE: usize = 3;
/// So many lists that cannot be read, and none that can, are more than the fault of one of them.
const TOO_MANY_BROKEN: usize = 3;
/// What stands before the secrets in the addresses of further pages, which are parts of objects.
const SECRETS: [&str; 2] = ["access_token=", "appsecret_proof="];

/// What a reading brought.
#[derive(Debug, Default)]
pub struct Found {
    /// The posts of others that count.
    pub posts: Vec<Post>,
    /// The newest moment of all.
    pub newest: Option<Instant>,
    /// Why it ended early.
    pub failed: Option<Failed>,
    /// Lists of it that were read to their end.
    read: Vec<String>,
    /// How many of them could not be read.
    broken: usize,
}

impl Found {
    /// Of a reading that ended so.
    #[must_use]
    pub fn of(failed: Option<Failed>) -> Self {
        Self {
            failed,
            ..Self::default()
        }
    }

    /// Something moved then.
    pub fn moved(&mut self, at: Instant) {
        self.newest = self.newest.max(Some(at));
    }
}

/// What another look at known posts showed.
#[derive(Debug, Default)]
pub struct Looks {
    sightings: Vec<Sighting>,
    /// Others' answers that stand there and are not stored yet, the oldest first.
    pub also: Vec<Post>,
    missing: Vec<NativeId>,
    stand: usize,
    failed: Option<Failed>,
}

/// How far a list was read, and the cursor that said so.
pub type Known = (Reach, Option<String>);

/// Where a source's readings end up.
pub struct Shelf {
    source: SourceName,
    clock: Arc<dyn Clock>,
    troubles: Troubles,
    watch: Watch,
    poll: Duration,
    stored: Stored,
    /// Lists that could not be read, and back to when they have to be.
    behind: Mutex<HashMap<String, Instant>>,
}

impl Shelf {
    /// Of a source that is swept every `poll`.
    #[must_use]
    pub fn new(source: &SourceName, poll: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            source: source.clone(),
            clock,
            troubles: Troubles::default(),
            watch: Watch::default(),
            poll,
            stored: Stored::default(),
            behind: Mutex::default(),
        }
    }

    /// Back to when one of many lists of a feed is read: as the others, but where it could not be read before.
    #[must_use]
    pub fn horizon(&self, list: &str, known: &Known) -> Instant {
        let horizon = known.0.horizon();
        let behind = self.behind().get(list).copied();
        behind.map_or(horizon, |behind| behind.min(horizon))
    }

    /// Whether one of many lists could not be read before.
    #[must_use]
    pub fn is_behind(&self, list: &str) -> bool {
        self.behind().contains_key(list)
    }

    /// Notes how the reading of one of many lists of a feed ended, and says whether it was read. One that cannot be
    /// read is said once, and stops none of the others: what is missing of it is read when it can be again.
    pub fn ended(&self, found: &mut Found, (list, known): (&str, &Known), failed: Option<Failed>) -> bool {
        let error = match failed {
            None => {
                found.read.push(list.to_owned());
                return true;
            }
            // It went meanwhile, with all that stood in it.
            Some(error) if error.is_missing() => {
                found.read.push(list.to_owned());
                return false;
            }
            Some(error) => error,
        };
        self.behind()
            .entry(list.to_owned())
            .or_insert_with(|| known.0.horizon());
        found.broken += 1;
        let all = found.read.is_empty() && found.broken >= TOO_MANY_BROKEN;
        if all || error.is_everywhere() {
            found.failed = Some(error);
        } else {
            self.troubles.say((&self.source, list), &error, self.clock.now());
        }
        false
    }

    /// Reads one of many lists, which stops none of the others.
    ///
    /// # Errors
    /// Nothing can be stored.
    pub async fn beside(
        &self,
        feed: &str,
        reading: impl Future<Output = Result<(), Halt>>,
    ) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    /// How far a list was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn known(&self, inbound: &Inbound, stream: &str) -> Result<Known, Halt> {
        let told = inbound.cursor(&self.source, stream).await?;
        Ok((Reach::read(told.as_deref(), self.clock.now()), told))
    }

    /// Those of a list, the newest first, that can be read; here the oldest first. The others are set aside, and
    /// block nothing.
    ///
    /// # Errors
    /// Nothing can be stored.
    pub async fn readable<T: for<'a> Deserialize<'a>>(
        &self,
        inbound: &Inbound,
        stream: &str,
        items: &[Raw],
    ) -> Result<Vec<T>, Halt> {
        let mut read = Vec::new();
        for raw in items.iter().rev() {
            match serde_json::from_str(raw.get()) {
                Ok(item) => read.push(item),
                Err(error) => {
                    self.aside(inbound, (stream, &name(raw)), &error, raw.get())
                        .await?;
                }
            }
        }
        Ok(read)
    }

    /// Keeps what cannot be read for people to look at.
    ///
    /// # Errors
    /// Nothing can be stored.
    pub async fn aside(
        &self,
        inbound: &Inbound,
        (stream, name): (&str, &str),
        error: &impl Display,
        raw: &str,
    ) -> Result<(), Unavailable> {
        let place = (&self.source, stream);
        let (name, raw, error) = (redacted(name), redacted(raw), redacted(&error.to_string()));
        self.troubles.put_aside(inbound, place, &name, &error, &raw).await
    }

    /// Stores what was found, the oldest first, with how far it was read. What could not be read to its end is
    /// read again from where the last reading ended.
    ///
    /// # Errors
    /// Why the reading ended early, or that nothing can be stored.
    pub async fn keep(
        &self,
        inbound: &Inbound,
        stream: &str,
        mut found: Found,
        (known, told): Known,
    ) -> Result<(), Halt> {
        let newest = found.newest.map_or(known.newest, |at| at.min(self.clock.now()));
        let reach = Reach {
            newest: newest.max(known.newest),
            ..known
        };
        let moved = found.failed.is_none() && told != Some(reach.text());
        let cursor = moved.then(|| Cursor {
            stream: stream.to_owned(),
            value: reach.text(),
        });
        found.posts.sort_by_key(|post| post.created_at);
        if !found.posts.is_empty() || cursor.is_some() {
            let marks: Vec<_> = found.posts.iter().map(stored::mark).collect();
            let posts = found.posts.into_iter();
            let posts = posts.map(|post| Sighting::Post(Box::new(post))).collect();
            inbound.posts_seen(&self.source, posts, cursor).await?;
            self.stored.remember_as(marks);
        }
        for list in found.read {
            self.behind().remove(&list);
            self.troubles.over(&list);
        }
        found.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Whether what was written to us at this time counts and is not stored yet as such.
    #[must_use]
    pub fn counts(&self, id: &str, at: Instant, known: &Known) -> bool {
        at >= known.0.since && !self.stored.knows(id, true)
    }

    /// Whether a post counts and is not stored yet, as what it is now.
    #[must_use]
    pub fn counts_post(&self, post: &Post, known: &Known) -> bool {
        post.created_at >= known.0.since && !self.stored.knows_post(post)
    }

    /// Says that more was written than is read at once.
    pub fn say_cut(&self, stream: &str, horizon: Instant) {
        tracing::warn!(
            source = %self.source, stream, %horizon,
            "More was written than is read at once: what is older than these pages was not read."
        );
    }

    /// Known posts of which it is time to read them again, for edits and deletions that nobody told of. `counts`:
    /// which can be read again.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn due(&self, inbound: &Inbound, counts: fn(&Post) -> bool) -> Result<Vec<Post>, Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(counts);
        let turns = self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE);
        Ok(turns.into_iter().cloned().collect())
    }

    /// Takes what a post says now; `None` where it stands, but says nothing that can be compared. Says whether to
    /// go on with the next.
    pub fn looked(&self, looks: &mut Looks, post: &Post, now: Result<Option<String>, Failed>) -> bool {
        match now {
            Ok(text) => {
                looks.stand += 1;
                self.watch.found(&post.id);
                looks.sightings.extend(self.edit(post, text));
            }
            Err(error) if error.is_missing() => looks.missing.push(post.id.clone()),
            Err(error @ (Failed::Limited(_) | Failed::Unreached(_))) => {
                looks.failed = Some(error);
                return false;
            }
            // Not to be had now: its turn comes again.
            Err(Failed::Status { .. } | Failed::Broken(_)) => {}
        }
        true
    }

    /// Stores what the looks showed.
    ///
    /// # Errors
    /// Why they ended early, or that nothing can be stored.
    pub async fn settle(&self, inbound: &Inbound, mut looks: Looks) -> Result<(), Halt> {
        // "Does not exist" is also said of what one is not permitted to see any more.
        if looks.stand > 0 || looks.missing.len() <= TOO_MANY_GONE {
            let gone = looks.missing.into_iter().filter(|id| self.watch.is_gone(id));
            looks.sightings.extend(gone.map(Sighting::Gone));
        }
        let marks: Vec<_> = looks.also.iter().map(stored::mark).collect();
        let also = looks.also.into_iter();
        looks
            .sightings
            .extend(also.map(|post| Sighting::Post(Box::new(post))));
        if !looks.sightings.is_empty() {
            inbound.posts_seen(&self.source, looks.sightings, None).await?;
            self.stored.remember_as(marks);
        }
        looks.failed.map_or(Ok(()), |error| Err(error.into()))
    }

    /// The API does not tell when something was edited: it was when it is seen.
    fn edit(&self, known: &Post, text: Option<String>) -> Option<Sighting> {
        let text = text.filter(|text| *text != known.text)?;
        Some(Sighting::Post(Box::new(Post {
            text,
            edited_at: Some(self.clock.now()),
            ..known.clone()
        })))
    }

    fn behind(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text as people may see it: an object with a list in it has the token in the address of the list's next page.
fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    for name in SECRETS {
        let mut parts = text.split(name);
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(['&', '"', '\\', ' ']).unwrap_or(part.len());
            out.push_str(name);
            out.push('…');
            out.push_str(&part[end..]);
        }
        text = out;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(
        r#"{"next":"https://a.example/x?access_token=SECRET&after=QVFI"}"#,
        r#"{"next":"https://a.example/x?access_token=…&after=QVFI"}"#
    )]
    #[case(
        r#"{"next":"https:\/\/a.example\/x?after=b&appsecret_proof=SECRET&access_token=SECRET"}"#,
        r#"{"next":"https:\/\/a.example\/x?after=b&appsecret_proof=…&access_token=…"}"#
    )]
    #[case("access_token=SECRET", "access_token=…")]
    #[case("nothing", "nothing")]
    fn what_is_put_aside_has_no_token_in_it(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(redacted(text), shown);
    }
}
