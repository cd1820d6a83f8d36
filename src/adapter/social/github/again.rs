//! A second look at known posts, in turns: whether they still stand, and say what is known.
//!
//! Edits and comments come with the lists of the repositories; those of issues elsewhere, which a search found, and
//! what does not stir a discussion, come by this look.

use super::GitHub;
use super::api::Failed;
use super::respond::standing;
use super::translate::{self, Place};
use super::wire::{Comment, Issue};
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::Inbound;
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::SubsecRound as _;
use std::collections::BTreeMap;

/// How many known posts are read again in a minute.
const LOOKS_A_MINUTE: u32 = 10;

impl GitHub {
    /// Looks at some known posts again.
    pub(super) async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let turns = self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE);
        let is_talk = |post: &&Post| Place::of(&post.id).is_some_and(|place| place.talk);
        let (talks, others): (Vec<_>, Vec<_>) = turns.into_iter().partition(is_talk);
        for post in others {
            let seen = match self.seen_again(post).await {
                Ok(seen) => seen,
                Err(error @ Failed::Limited(_)) => return Err(error.into()),
                // Not to be had now: its turn comes again.
                Err(Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_)) => continue,
            };
            if !seen.sightings.is_empty() {
                inbound.posts_seen(&self.source, seen.sightings, None).await?;
            }
            self.stored.remember(seen.comments);
        }
        let mut by_talk: BTreeMap<&str, Vec<&Post>> = BTreeMap::new();
        for post in talks {
            by_talk.entry(post.conversation.as_str()).or_default().push(post);
        }
        for posts in by_talk.into_values() {
            let place = posts.first().and_then(|post| Place::of(&post.conversation));
            let Some(place) = place else { continue };
            match self.look_at_talk(inbound, &place, &posts).await {
                Ok(())
                | Err(Halt::Network(Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_))) => {}
                Err(halt @ (Halt::Network(Failed::Limited(_)) | Halt::Store(_))) => return Err(halt),
            }
        }
        Ok(())
    }

    /// What is new about a post, and below it.
    async fn seen_again(&self, known: &Post) -> Result<Seen, Failed> {
        let mut seen = Seen::default();
        let Some(now) = self.now(&known.id).await? else {
            let gone = self.watch.is_gone(&known.id);
            seen.sightings
                .extend(gone.then(|| Sighting::Gone(known.id.clone())));
            return Ok(seen);
        };
        self.watch.found(&known.id);
        seen.sightings.extend(changed(known, now));
        let place = Place::of(&known.id).filter(|place| place.comment.is_none());
        let elsewhere = |place: &Place| Self::spelled(&self.repositories, &place.repository).is_none();
        if let Some(place) = place.filter(elsewhere) {
            self.elsewhere(&place, known, &mut seen).await?;
        }
        Ok(seen)
    }

    /// What was commented on an issue that is in none of the repositories.
    async fn elsewhere(&self, place: &Place, known: &Post, seen: &mut Seen) -> Result<(), Failed> {
        let me = self.me().await?;
        for comment in self.comments_on(place, known.created_at).await? {
            let version = format!("{} {}", comment.html_url, comment.updated_at);
            if self.stored.has(&version) {
                continue;
            }
            let post = translate::comment(&self.source, &place.repository, &comment);
            if let Some(post) = post.filter(|post| post.author.id != me) {
                let post = self.addressed(post);
                seen.sightings.push(Sighting::Post(Box::new(post)));
            }
            seen.comments.push(version);
        }
        Ok(())
    }

    /// Something as it is now; `None` where GitHub shows none.
    pub(super) async fn now(&self, id: &NativeId) -> Result<Option<Now>, Failed> {
        let Some(place) = Place::of(id) else {
            return Ok(None);
        };
        if place.talk {
            let thread = self.thread(&place).await?;
            let standing = thread.as_ref().and_then(|thread| standing(&place, thread));
            return Ok(standing.map(|now| Now {
                author: now.author,
                text: now.text,
                created_at: now.created_at,
                updated_at: now.created_at,
            }));
        }
        let (owner, name) = place.names();
        let found = match place.comment {
            Some(comment) => {
                let path = ["repos", owner, name, "issues", "comments", &comment.to_string()];
                let read: Result<Comment, Failed> = self.api.get(&path, &[]).await;
                read.map(|comment| Now {
                    author: comment.user.as_ref().map(translate::account),
                    text: comment.body.clone().unwrap_or_default(),
                    created_at: comment.created_at,
                    updated_at: comment.updated_at,
                })
            }
            None => self.issue(&place).await.map(|issue| Now {
                author: issue.user.as_ref().map(translate::account),
                text: translate::issue_words(&issue),
                created_at: issue.created_at,
                updated_at: issue.updated_at,
            }),
        };
        match found {
            Ok(now) => Ok(Some(now)),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The issue of a place.
    pub(super) async fn issue(&self, place: &Place) -> Result<Issue, Failed> {
        let (owner, name) = place.names();
        let number = place.issue.to_string();
        self.api
            .get(&["repos", owner, name, "issues", &number], &[])
            .await
    }
}

/// How something is now.
pub(super) struct Now {
    pub author: Option<NativeId>,
    pub text: String,
    pub created_at: Instant,
    pub updated_at: Instant,
}

/// What a second look showed.
#[derive(Default)]
struct Seen {
    sightings: Vec<Sighting>,
    /// The comments that are not read again, as they are now.
    comments: Vec<String>,
}

/// What is new about the words of a post.
fn changed(known: &Post, now: Now) -> Option<Sighting> {
    let edited_at = Some(now.updated_at.trunc_subsecs(6));
    let text = translate::sound(&now.text);
    if text == known.text || edited_at <= known.edited_at {
        return None;
    }
    Some(Sighting::Post(Box::new(Post {
        text,
        edited_at,
        ..known.clone()
    })))
}
