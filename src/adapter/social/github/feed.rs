//! Reading what was written: issues and comments of the repositories, searches, and whether what is known still
//! stands.
//!
//! Lists are read by when something was last changed, the oldest first, from where the last reading ended; so
//! edits come by themselves (<https://docs.github.com/en/rest/issues/issues#list-repository-issues>). `since` takes
//! whole seconds and includes them: what was read last comes again, and the database knows it.

use super::GitHub;
use super::api::{Failed, lost};
use super::translate::{self, Place};
use super::wire::{Comment, Dated, Found, Issue};
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, Sighting};
use chrono::{DateTime, SecondsFormat, TimeDelta};
use serde_json::value::RawValue;

/// How far back a first start looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The most of a page, and the most pages of one sweep.
const LIMIT: usize = 100;
const MOST_PAGES: usize = 100;
/// How many known posts are read again in a minute.
const LOOKS_A_MINUTE: u32 = 10;

type Raw = Box<RawValue>;

/// What a list has.
#[derive(Clone, Copy)]
enum Holds {
    Issues,
    Comments,
}

impl GitHub {
    /// What was written in the repositories since the last time.
    pub(super) async fn issues(&self, inbound: &Inbound) -> Result<(), Lost> {
        for repository in &self.repositories {
            for holds in [Holds::Issues, Holds::Comments] {
                self.follow(inbound, repository, holds)
                    .await
                    .map_err(|halt| match halt {
                        Halt::Network(error) => lost(error),
                        Halt::Store(error) => Lost::Broken(error.to_string()),
                    })?;
            }
        }
        Ok(())
    }

    /// What others say elsewhere, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        for words in &self.search {
            let feed = format!("search:{words}");
            let place = (&self.source, feed.as_str());
            let reading = self.found(inbound, words);
            self.troubles.beside(place, self.clock.now(), reading).await?;
        }
        let place = (&self.source, "known posts");
        let looking = self.look_again(inbound);
        self.troubles.beside(place, self.clock.now(), looking).await
    }

    /// Pages forward from the cursor.
    async fn follow(&self, inbound: &Inbound, repository: &str, holds: Holds) -> Result<(), Halt> {
        let me = self.me().await?;
        let kind = match holds {
            Holds::Issues => "issues",
            Holds::Comments => "comments",
        };
        let stream = format!("{repository} {kind}");
        let told = inbound.cursor(&self.source, &stream).await?;
        let known = told.as_deref().and_then(moment);
        let first = self.clock.now() - FIRST_LOOK;
        let (mut since, mut number) = (known.unwrap_or(first), 1);
        for _ in 0..MOST_PAGES {
            let page = self.page(repository, holds, since, number).await?;
            let (mut newest, mut posts) = (since, Vec::new());
            for raw in &page {
                let dated: Option<Dated> = serde_json::from_str(raw.get()).ok();
                newest = newest.max(dated.as_ref().map_or(newest, |dated| dated.updated_at));
                match self.read(repository, holds, raw) {
                    Ok(post) => posts.extend(post.filter(|post| {
                        // What was only stirred is no news at a first start.
                        post.author.id != me && (known.is_some() || post.created_at >= first)
                    })),
                    Err(error) => {
                        let name = dated.and_then(|dated| dated.html_url);
                        let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
                        let place = (&self.source, stream.as_str());
                        self.troubles
                            .put_aside(inbound, place, &name, &error, raw.get())
                            .await?;
                    }
                }
            }
            let moved = text(newest);
            let cursor = (told.as_ref() != Some(&moved)).then(|| Cursor {
                stream: stream.clone(),
                value: moved,
            });
            if !posts.is_empty() || cursor.is_some() {
                let sightings = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
                inbound
                    .posts_seen(&self.source, sightings.collect(), cursor)
                    .await?;
            }
            if page.len() < LIMIT {
                return Ok(());
            }
            // From where this page ended, and not by its number: what changes meanwhile moves all behind it.
            (since, number) = if newest > since {
                (newest, 1)
            } else {
                (since, number + 1)
            };
        }
        Ok(())
    }

    async fn page(
        &self,
        repository: &str,
        holds: Holds,
        since: Instant,
        number: usize,
    ) -> Result<Vec<Raw>, Failed> {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        let (since, number, limit) = (text(since), number.to_string(), LIMIT.to_string());
        let mut query = vec![
            ("sort", "updated"),
            ("direction", "asc"),
            ("since", since.as_str()),
            ("per_page", &limit),
            ("page", &number),
        ];
        let mut path = vec!["repos", owner, name, "issues"];
        match holds {
            Holds::Issues => query.push(("state", "all")),
            Holds::Comments => path.push("comments"),
        }
        self.api.get(&path, &query).await
    }

    fn read(
        &self,
        repository: &str,
        holds: Holds,
        raw: &RawValue,
    ) -> Result<Option<Post>, serde_json::Error> {
        let post = match holds {
            Holds::Issues => {
                let issue: Issue = serde_json::from_str(raw.get())?;
                translate::issue(&self.source, repository, &issue)
            }
            Holds::Comments => {
                let comment: Comment = serde_json::from_str(raw.get())?;
                translate::comment(&self.source, repository, &comment)
            }
        };
        Ok(post.map(|post| self.addressed(post)))
    }

    /// The newest issues that a search finds, anywhere.
    async fn found(&self, inbound: &Inbound, words: &str) -> Result<(), Halt> {
        let me = self.me().await?;
        let asked = format!("{words} is:issue");
        let query = [
            ("q", asked.as_str()),
            ("sort", "created"),
            ("order", "desc"),
            ("per_page", "50"),
        ];
        let found: Found = self.api.get(&["search", "issues"], &query).await?;
        let oldest = self.clock.now() - FIRST_LOOK;
        let mut sightings = Vec::new();
        for raw in &found.items {
            let Ok(issue) = serde_json::from_str::<Issue>(raw.get()) else {
                continue;
            };
            let repository = issue.repository_url.as_deref().and_then(|url| {
                let (rest, name) = url.rsplit_once('/')?;
                Some(format!("{}/{name}", rest.rsplit('/').next()?))
            });
            let Some(repository) = repository else { continue };
            let post = translate::issue(&self.source, &repository, &issue);
            let new = post.map(|post| self.addressed(post)).filter(|post| {
                post.author.id != me && post.created_at >= oldest && !self.stored.has(post.id.as_str())
            });
            sightings.extend(new);
        }
        if !sightings.is_empty() {
            let ids: Vec<_> = sightings.iter().map(|post| post.id.to_string()).collect();
            let sightings = sightings.into_iter().map(|post| Sighting::Post(Box::new(post)));
            inbound
                .posts_seen(&self.source, sightings.collect(), None)
                .await?;
            self.stored.remember(ids);
        }
        Ok(())
    }

    /// Looks whether some known posts still stand, in turns; edits come with the lists.
    async fn look_again(&self, inbound: &Inbound) -> Result<(), Halt> {
        let mut watched = inbound.watched_posts(&self.source, WATCHED).await?;
        watched.retain(|post| !post.deleted);
        let (mut gone, mut limited) = (Vec::new(), None);
        for post in self.watch.turns(&watched, self.poll, LOOKS_A_MINUTE) {
            match self.now(&post.id).await {
                Ok(Some(_)) => self.watch.found(&post.id),
                Ok(None) if self.watch.is_gone(&post.id) => gone.push(Sighting::Gone(post.id.clone())),
                Ok(None) => {}
                Err(error @ Failed::Limited(_)) => {
                    limited = Some(error);
                    break;
                }
                // Not to be had now: its turn comes again.
                Err(Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_)) => {}
            }
        }
        if !gone.is_empty() {
            inbound.posts_seen(&self.source, gone, None).await?;
        }
        limited.map_or(Ok(()), |error| Err(error.into()))
    }

    /// An issue or a comment as it is now; `None` where GitHub shows none.
    pub(super) async fn now(&self, id: &NativeId) -> Result<Option<Now>, Failed> {
        let Some(place) = Place::of(id) else {
            return Ok(None);
        };
        let (owner, name) = place.names();
        let found = match place.comment {
            Some(comment) => {
                let path = ["repos", owner, name, "issues", "comments", &comment.to_string()];
                let read: Result<Comment, Failed> = self.api.get(&path, &[]).await;
                read.map(|comment| Now {
                    author: comment.user.as_ref().map(translate::account),
                    text: comment.body.clone().unwrap_or_default(),
                    created_at: comment.created_at,
                })
            }
            None => self.issue(&place).await.map(|issue| Now {
                author: issue.user.as_ref().map(translate::account),
                text: translate::issue_words(&issue),
                created_at: issue.created_at,
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
}

fn moment(text: &str) -> Option<Instant> {
    Some(DateTime::parse_from_rfc3339(text).ok()?.to_utc())
}

fn text(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
