//! What is found: questions with our tags, questions that a search finds, and what the account's inbox tells of.
//!
//! Questions are read by when something last happened to them, the oldest first, from an hour before where the last
//! reading ended (<https://api.stackexchange.com/docs/advanced-search>): so what was edited, or got its tag later,
//! comes by itself, and a reading that has to stop goes on from there. What was asked before we first looked does not
//! count. The inbox (<https://api.stackexchange.com/docs/inbox>) tells of comments on what is ours and of those that
//! name us, of all sites, the newest first, and neither who wrote them nor all that they say: they are read by their
//! ids.

use super::StackExchange;
use super::api::{Failed, lost};
use super::translate::{self, Thing, account};
use super::wire::{Answer, Comment, Dated, InboxItem, Question, Site};
use crate::adapter::reach::Reach;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Halt;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, PostKind, Sighting};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::sync::PoisonError;

/// The most of a page, and the most pages of one reading.
pub(super) const PAGE: &str = "100";
pub(super) const MOST_PAGES: usize = 25;
/// The most ids of one call.
pub(super) const MOST_IDS: usize = 100;

impl StackExchange {
    /// The new questions with our tags, and what the inbox tells of.
    pub(super) async fn hear(&self, inbound: &Inbound) -> Result<(), Lost> {
        let reading = async {
            if !self.tags.is_empty() {
                let tags = self.tags.join(";");
                self.found(inbound, "tagged", ("tagged", &tags)).await?;
            }
            if self.api.has_token() {
                self.inbox(inbound).await?;
            }
            Ok(())
        };
        reading.await.map_err(|halt| match halt {
            Halt::Network(error) => lost(error),
            Halt::Store(error) => Lost::Broken(error.to_string()),
        })
    }

    /// What else there is, and what came of what is known.
    pub(super) async fn explore(&self, inbound: &Inbound) -> Result<(), Lost> {
        for words in &self.search {
            let feed = format!("search:{words}");
            let reading = self.found(inbound, &feed, ("q", words));
            self.beside(&feed, reading).await?;
        }
        if self.is_rich() {
            self.beside("known questions", self.follow(inbound)).await?;
        }
        Ok(())
    }

    /// Reads one of many, which stops none of the others.
    async fn beside(&self, feed: &str, reading: impl Future<Output = Result<(), Halt>>) -> Result<(), Lost> {
        let place = (&self.source, feed);
        self.troubles.beside(place, self.clock.now(), reading).await
    }

    /// Whether there are calls for more than new questions; says once a day where there are none.
    fn is_rich(&self) -> bool {
        let rich = self.api.is_rich();
        if !rich
            && self
                .troubles
                .note(&format!("scarce {}", self.clock.now().date_naive()))
        {
            tracing::warn!(
                source = %self.source,
                "Four fifths of the day's calls are used: until there are more, only new questions are looked for."
            );
        }
        rich
    }

    /// Pages forward through the questions that a search finds.
    async fn found(&self, inbound: &Inbound, stream: &str, what: (&str, &str)) -> Result<(), Halt> {
        let me = self.me().await?;
        let told = inbound.cursor(&self.source, stream).await?;
        let mut reach = Reach::read(told.as_deref(), self.clock.now());
        let (mut from, mut number) = self.resumed(stream).unwrap_or((reach.horizon(), 1));
        for _ in 0..MOST_PAGES {
            let (min, page) = (from.timestamp().to_string(), number.to_string());
            let query = [
                what,
                ("sort", "activity"),
                ("order", "asc"),
                ("min", &min),
                ("pagesize", PAGE),
                ("page", &page),
            ];
            let page = self.api.list(&["search", "advanced"], &query).await?;
            let (mut newest, mut posts) = (from, Vec::new());
            for raw in &page.items {
                let dated: Option<Dated> = serde_json::from_str(raw.get()).ok();
                let at = dated.as_ref().and_then(|dated| dated.last_activity_date);
                newest = newest.max(at.unwrap_or(newest));
                match serde_json::from_str::<Question>(raw.get()) {
                    Ok(question) => posts.extend(translate::question(&self.source, &question)),
                    Err(error) => self.aside(inbound, stream, raw, &error).await?,
                }
            }
            posts.retain(|post| post.created_at >= reach.since);
            reach = reach.to(Some(newest.min(self.clock.now())));
            let moved = reach.text();
            let cursor = (told.as_ref() != Some(&moved)).then(|| Cursor {
                stream: stream.to_owned(),
                value: moved,
            });
            self.keep(inbound, me.as_ref(), posts, cursor).await?;
            if !page.has_more {
                self.pause(stream, None);
                return Ok(());
            }
            // From where this page ended, and not by its number: what is stirred meanwhile moves all behind it.
            (from, number) = if newest > from {
                (newest, 1)
            } else {
                (from, number + 1)
            };
            self.pause(stream, Some((from, number)));
        }
        Ok(())
    }

    /// Where a reading that could not be ended goes on: from when, and with which page.
    fn resumed(&self, stream: &str) -> Option<(Instant, usize)> {
        let paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        paused.get(stream).copied()
    }

    /// A reading goes on there, if it has to stop; or it has ended.
    fn pause(&self, stream: &str, at: Option<(Instant, usize)>) {
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => paused.insert(stream.to_owned(), at),
            None => paused.remove(stream),
        };
    }

    /// Hands over what is new of these, or was edited, and is not ours.
    pub(super) async fn keep(
        &self,
        inbound: &Inbound,
        me: Option<&NativeId>,
        mut posts: Vec<Post>,
        cursor: Option<Cursor>,
    ) -> Result<(), Halt> {
        // What was found may turn out to be written to us.
        let version = |post: &Post| format!("{} {:?} {:?}", post.id, post.kind, post.edited_at);
        posts.retain(|post| me != Some(&post.author.id) && !self.stored.has(&version(post)));
        if posts.is_empty() && cursor.is_none() {
            return Ok(());
        }
        let versions: Vec<_> = posts.iter().map(version).collect();
        let sightings = posts.into_iter().map(|post| Sighting::Post(Box::new(post)));
        inbound
            .posts_seen(&self.source, sightings.collect(), cursor)
            .await?;
        self.stored.remember(versions);
        Ok(())
    }

    /// Keeps what cannot be read for people to look at.
    pub(super) async fn aside(
        &self,
        inbound: &Inbound,
        stream: &str,
        raw: &RawValue,
        error: &serde_json::Error,
    ) -> Result<(), Halt> {
        let dated: Option<Dated> = serde_json::from_str(raw.get()).ok();
        let name = dated.and_then(|dated| dated.link);
        let name = name.unwrap_or_else(|| raw.get().chars().take(200).collect());
        let place = (&self.source, stream);
        Ok(self
            .troubles
            .put_aside(inbound, place, &name, error, raw.get())
            .await?)
    }

    /// What the inbox tells of since the last time.
    async fn inbox(&self, inbound: &Inbound) -> Result<(), Halt> {
        let me = self.me().await?;
        let told = inbound.cursor(&self.source, "inbox").await?;
        let reach = Reach::read(told.as_deref(), self.clock.now());
        let (mut items, mut newest) = (Vec::new(), None);
        for number in 1..=MOST_PAGES {
            let page = number.to_string();
            let query = [("pagesize", PAGE), ("page", &page)];
            let page = self.api.get(&["inbox"], &query).await?;
            let mut oldest: Option<Instant> = None;
            for raw in &page.items {
                let item: InboxItem = match serde_json::from_str(raw.get()) {
                    Ok(item) => item,
                    Err(error) => {
                        self.aside(inbound, "inbox", raw, &error).await?;
                        continue;
                    }
                };
                let at = item.creation_date;
                oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
                newest = newest.max(Some(at.min(self.clock.now())));
                let here = item
                    .site
                    .as_ref()
                    .is_none_or(|site| is_here(site, self.api.site()));
                if here && at >= reach.horizon() {
                    items.push(item);
                }
            }
            if !page.has_more || oldest.is_some_and(|oldest| oldest < reach.horizon()) {
                break;
            }
        }
        let posts = self.told_of(me.as_ref(), items).await?;
        let moved = reach.to(newest).text();
        let cursor = (told.as_ref() != Some(&moved)).then(|| Cursor {
            stream: "inbox".to_owned(),
            value: moved,
        });
        self.keep(inbound, me.as_ref(), posts, cursor).await
    }

    /// The comments and answers that the inbox tells of and that are not known yet, the oldest first.
    async fn told_of(&self, me: Option<&NativeId>, items: Vec<InboxItem>) -> Result<Vec<Post>, Failed> {
        // Where comments stand, by their ids: below a question, or below an answer whose question is not told.
        let (mut comments, mut answers) = (HashMap::new(), Vec::new());
        for item in items {
            match (item.item_type.as_str(), item.comment_id, item.answer_id) {
                ("comment", Some(comment), _) if !self.knows(Thing::Comment(comment)) => {
                    comments.insert(comment, item.question_id);
                }
                ("new_answer", _, Some(answer)) if !self.knows(Thing::Answer(answer)) => answers.push(answer),
                // What else there is, and what else there will be, is no customer's.
                _ => {}
            }
        }
        let mut posts = Vec::new();
        for ids in answers.chunks(MOST_IDS) {
            for told in self.api.these::<Answer>("answers", ids).await? {
                self.place(told.answer_id, told.question_id);
                posts.extend(translate::answer(&self.source, &told, PostKind::Comment));
            }
        }
        let ids: Vec<_> = comments.keys().copied().collect();
        for ids in ids.chunks(MOST_IDS) {
            let told = self.api.these::<Comment>("comments", ids).await?;
            self.places_of(&told, &comments).await?;
            for comment in told {
                let question = comments.get(&comment.comment_id).copied().flatten();
                let Some(question) = question.or_else(|| self.question_of(comment.post_id)) else {
                    continue;
                };
                let kind = kind(me, &comment).unwrap_or(PostKind::Comment);
                posts.extend(translate::comment(&self.source, &comment, question, kind));
            }
        }
        posts.sort_by_key(|post| post.created_at);
        Ok(posts)
    }

    /// Learns of which questions the answers are that these comments stand below.
    async fn places_of(&self, comments: &[Comment], known: &HashMap<i64, Option<i64>>) -> Result<(), Failed> {
        let untold = comments
            .iter()
            .filter(|comment| known.get(&comment.comment_id).copied().flatten().is_none());
        let mut answers: Vec<_> = untold
            .map(|comment| comment.post_id)
            .filter(|post| self.question_of(*post).is_none())
            .collect();
        answers.sort_unstable();
        answers.dedup();
        for answer in self.api.these::<Answer>("answers", &answers).await? {
            self.place(answer.answer_id, answer.question_id);
        }
        Ok(())
    }

    /// Whether it was stored in this run as written to us.
    fn knows(&self, thing: Thing) -> bool {
        let kinds = [PostKind::Comment, PostKind::Mention];
        let told = |kind| self.stored.has(&format!("{} {kind:?} None", thing.id()));
        kinds.into_iter().any(told)
    }
}

/// What a comment is to us: it names us, or it was only found.
pub(super) fn kind(me: Option<&NativeId>, comment: &Comment) -> Option<PostKind> {
    let named = account(comment.reply_to_user.as_ref());
    (named.is_some() && named.as_ref() == me).then_some(PostKind::Mention)
}

/// Whether a site is the one of this source, which is named as the API does, or by its host.
fn is_here(site: &Site, name: &str) -> bool {
    let host = site.site_url.split("://").nth(1).unwrap_or_default();
    site.api_site_parameter == name || host == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_known_by_its_name_and_by_its_host() {
        let site = Site {
            api_site_parameter: "stackoverflow".to_owned(),
            site_url: "https://stackoverflow.com".to_owned(),
        };
        assert!(is_here(&site, "stackoverflow") && is_here(&site, "stackoverflow.com"));
        assert!(!is_here(&site, "superuser"));
    }
}
