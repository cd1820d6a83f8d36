//! Reading what was written: issues and comments of the repositories, and searches.
//!
//! Lists are read by when something was last changed, the oldest first, from where the last reading ended; so
//! edits come by themselves (<https://docs.github.com/en/rest/issues/issues#list-repository-issues>). `since` takes
//! whole seconds and includes them: what was read last comes again, and the database knows it.

use super::GitHub;
use super::api::{Failed, lost};
use super::translate;
use super::wire::{Comment, Dated, Found, Issue};
use crate::adapter::reach::Reach;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, Post, Sighting};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::value::RawValue;

/// How far back a search looks.
const FIRST_LOOK: TimeDelta = TimeDelta::hours(24);
/// The most of a page, and the most pages of one sweep.
const LIMIT: usize = 100;
const MOST_PAGES: usize = 100;

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

    /// What is said in discussions and elsewhere, and whether what is known still stands.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        for repository in &self.talks {
            let feed = format!("{repository} discussions");
            let place = (&self.source, feed.as_str());
            let reading = self.discussions(inbound, repository);
            self.troubles.beside(place, self.clock.now(), reading).await?;
        }
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
        let mut reach = Reach::read(told.as_deref(), self.clock.now());
        let (mut since, mut number) = (reach.newest, 1);
        for _ in 0..MOST_PAGES {
            let page = self.page(repository, holds, since, number).await?;
            let (mut newest, mut posts) = (since, Vec::new());
            for raw in &page {
                let dated: Option<Dated> = serde_json::from_str(raw.get()).ok();
                newest = newest.max(dated.as_ref().map_or(newest, |dated| dated.updated_at));
                match self.read(repository, holds, raw) {
                    // What is older than our first look, and was only stirred, is no news.
                    Ok(post) => posts
                        .extend(post.filter(|post| post.author.id != me && post.created_at >= reach.since)),
                    Err(error) => self.aside(inbound, &stream, raw, &error).await?,
                }
            }
            reach = reach.to(Some(newest));
            let moved = reach.text();
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

    /// Keeps what cannot be read for people to look at.
    async fn aside(
        &self,
        inbound: &Inbound,
        stream: &str,
        raw: &RawValue,
        error: &serde_json::Error,
    ) -> Result<(), Halt> {
        let dated: Option<Dated> = serde_json::from_str(raw.get()).ok();
        let name = dated.and_then(|dated| dated.html_url);
        let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
        let place = (&self.source, stream);
        Ok(self
            .troubles
            .put_aside(inbound, place, &name, error, raw.get())
            .await?)
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
            let issue: Issue = match serde_json::from_str(raw.get()) {
                Ok(issue) => issue,
                Err(error) => {
                    self.aside(inbound, &format!("search:{words}"), raw, &error)
                        .await?;
                    continue;
                }
            };
            let repository = issue.repository_url.as_deref().and_then(|url| {
                let (rest, name) = url.rsplit_once('/')?;
                Some(format!("{}/{name}", rest.rsplit('/').next()?))
            });
            let Some(repository) = repository else { continue };
            let repository = Self::spelled(&self.repositories, &repository).unwrap_or(&repository);
            let post = translate::issue(&self.source, repository, &issue);
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
}

fn text(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
