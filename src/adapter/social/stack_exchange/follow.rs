//! What came of the questions that are known: their answers, the comments below them and below their answers, and
//! whether all of it still stands.
//!
//! The questions of open cases are followed: the newest hundred with every sweep, the others in turns. One call reads
//! the answers of a hundred questions (<https://api.stackexchange.com/docs/answers-on-questions>), one the comments
//! on a hundred posts (<https://api.stackexchange.com/docs/comments-on-posts>), the oldest first. Of an edit of a
//! comment the API tells no moment, so its words are compared.

use super::StackExchange;
use super::api::{Failed, joined};
use super::feed::{MOST_IDS, MOST_PAGES, PAGE, kind};
use super::translate::{self, Thing};
use super::wire::{Answer, Comment, Dated, Question};
use crate::adapter::reach::Reach;
use crate::adapter::trouble::Halt;
use crate::adapter::watch::WATCHED;
use crate::app::{Cursor, Inbound};
use crate::domain::{Instant, NativeId, Post, PostKind, Sighting};
use chrono::TimeDelta;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

/// How far a reading goes back behind the last one, for what takes its place late.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// How many known posts are read again in a minute: a hundred of them are one call.
const LOOKS_A_MINUTE: u32 = 100;
/// The most answers whose question is remembered.
const MOST_PLACES: usize = 50_000;

/// What stands below a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Below {
    Answers,
    Comments,
}

impl StackExchange {
    /// Reads what came of known questions.
    pub(super) async fn follow(&self, inbound: &Inbound) -> Result<(), Halt> {
        let watched = inbound.watched_posts(&self.source, WATCHED).await?;
        let since = self.since(inbound).await?;
        self.begin(&watched);
        for questions in self.turns(&watched) {
            self.below(inbound, &questions, since).await?;
        }
        self.look_again(inbound, &watched).await
    }

    /// From when on what stands below a question counts: from a day before the first look.
    async fn since(&self, inbound: &Inbound) -> Result<Instant, Halt> {
        let stream = "followed";
        let told = inbound.cursor(&self.source, stream).await?;
        let reach = Reach::read(told.as_deref(), self.clock.now());
        if told.is_none() {
            let cursor = Cursor {
                stream: stream.to_owned(),
                value: reach.text(),
            };
            inbound.posts_seen(&self.source, Vec::new(), Some(cursor)).await?;
        }
        Ok(reach.since)
    }

    /// The questions whose turn it is, a hundred at most at once.
    fn turns(&self, watched: &[Post]) -> Vec<Vec<i64>> {
        let mut met = HashSet::new();
        let questions = watched
            .iter()
            .filter_map(|post| translate::root(&post.conversation));
        let questions: Vec<_> = questions.filter(|question| met.insert(*question)).collect();
        let (newest, others) = questions.split_at(questions.len().min(MOST_IDS));
        let rounds = others.chunks(MOST_IDS).len().max(1);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % rounds;
        let others = others.chunks(MOST_IDS).nth(turn);
        let turns = std::iter::once(newest).chain(others);
        turns
            .filter(|turn| !turn.is_empty())
            .map(<[i64]>::to_vec)
            .collect()
    }

    /// What stands below a question is from after it was asked.
    fn begin(&self, watched: &[Post]) {
        for post in watched {
            if let Some(Thing::Question(number)) = Thing::of(&post.id) {
                self.read_from(Below::Answers, number, post.created_at);
                self.read_from(Below::Comments, number, post.created_at);
            }
        }
    }

    /// Reads what stands below these questions.
    async fn below(&self, inbound: &Inbound, questions: &[i64], since: Instant) -> Result<(), Halt> {
        self.page_forward(inbound, Below::Answers, questions, since)
            .await?;
        let mut posts = questions.to_vec();
        posts.extend(self.answers_of(questions));
        for posts in posts.chunks(MOST_IDS) {
            self.page_forward(inbound, Below::Comments, posts, since).await?;
        }
        Ok(())
    }

    /// Pages forward through what stands below.
    async fn page_forward(
        &self,
        inbound: &Inbound,
        below: Below,
        above: &[i64],
        since: Instant,
    ) -> Result<(), Halt> {
        let me = self.me().await?;
        let (path, stream, sort) = match below {
            Below::Answers => (["questions", "", "answers"], "answers", "activity"),
            Below::Comments => (["posts", "", "comments"], "comments", "creation"),
        };
        let ids = joined(above);
        let path = [path[0], &ids, path[2]];
        let (mut from, mut number) = (self.from(below, above, since), 1);
        for _ in 0..MOST_PAGES {
            let (min, page) = (from.timestamp().to_string(), number.to_string());
            let query = [
                ("sort", sort),
                ("order", "asc"),
                ("min", &min),
                ("pagesize", PAGE),
                ("page", &page),
            ];
            let page = self.api.list(&path, &query).await?;
            let (mut newest, mut posts) = (from, Vec::new());
            for raw in &page.items {
                let dated: Option<Dated> = serde_json::from_str(raw.get()).ok();
                let at = dated.and_then(|dated| match below {
                    Below::Answers => dated.last_activity_date,
                    Below::Comments => dated.creation_date,
                });
                newest = newest.max(at.unwrap_or(newest));
                let read = match below {
                    Below::Answers => serde_json::from_str(raw.get()).map(|answer| self.answer(&answer)),
                    Below::Comments => serde_json::from_str(raw.get())
                        .map(|comment| self.comment(me.as_ref(), above, &comment)),
                };
                match read {
                    Ok(post) => posts.extend(post),
                    Err(error) => self.aside(inbound, stream, raw, &error).await?,
                }
            }
            posts.retain(|post| post.created_at >= since);
            self.keep(inbound, me.as_ref(), posts, None).await?;
            if !page.has_more {
                self.read_until(below, above, self.clock.now() - OVERLAP);
                break;
            }
            (from, number) = if newest > from {
                (newest, 1)
            } else {
                (from, number + 1)
            };
            self.read_until(below, above, from);
        }
        Ok(())
    }

    fn answer(&self, answer: &Answer) -> Option<Post> {
        self.place(answer.answer_id, answer.question_id);
        self.read_from(Below::Comments, answer.answer_id, answer.creation_date);
        translate::answer(&self.source, answer, PostKind::Post)
    }

    fn comment(&self, me: Option<&NativeId>, above: &[i64], comment: &Comment) -> Option<Post> {
        let post = comment.post_id;
        // Of the numbers that were asked about, those of answers are known as such.
        let question = self.question_of(post);
        let question = question.or_else(|| above.contains(&post).then_some(post))?;
        let kind = kind(me, comment).unwrap_or(PostKind::Post);
        translate::comment(&self.source, comment, question, kind)
    }

    /// From when on it is read what stands below these.
    fn from(&self, below: Below, above: &[i64], since: Instant) -> Instant {
        let known = self.read();
        let from = above.iter().map(|number| known.get(&(below, *number)).copied());
        from.min().flatten().unwrap_or(since).max(since)
    }

    /// Nothing stands below this one that is older.
    fn read_from(&self, below: Below, number: i64, begin: Instant) {
        let mut known = self.read();
        if known.len() >= MOST_PLACES {
            known.clear();
        }
        known.entry((below, number)).or_insert(begin);
    }

    /// All that stands below these was read until then.
    fn read_until(&self, below: Below, above: &[i64], until: Instant) {
        self.read()
            .extend(above.iter().map(|number| ((below, *number), until)));
    }

    fn read(&self) -> MutexGuard<'_, HashMap<(Below, i64), Instant>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers to which question an answer belongs.
    pub(super) fn place(&self, answer: i64, question: i64) {
        let mut places = self.places();
        if places.len() >= MOST_PLACES {
            places.clear();
        }
        places.insert(answer, question);
    }

    /// The question of an answer, if it is known.
    pub(super) fn question_of(&self, answer: i64) -> Option<i64> {
        self.places().get(&answer).copied()
    }

    /// The answers that are known of these questions, the oldest first.
    fn answers_of(&self, questions: &[i64]) -> Vec<i64> {
        let asked: HashSet<_> = questions.iter().collect();
        let places = self.places();
        let of_these = places.iter().filter(|(_, question)| asked.contains(question));
        let mut answers: Vec<_> = of_these.map(|(answer, _)| *answer).collect();
        answers.sort_unstable();
        answers
    }

    fn places(&self) -> MutexGuard<'_, HashMap<i64, i64>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads some known posts again, in turns.
    async fn look_again(&self, inbound: &Inbound, watched: &[Post]) -> Result<(), Halt> {
        let turns = self.watch.turns(watched, self.poll, LOOKS_A_MINUTE);
        let mut things = [Vec::new(), Vec::new(), Vec::new()];
        for post in &turns {
            match Thing::of(&post.id) {
                Some(Thing::Question(number)) => things[0].push(number),
                Some(Thing::Answer(number)) => things[1].push(number),
                Some(Thing::Comment(number)) => things[2].push(number),
                None => {}
            }
        }
        let [questions, answers, comments] = things;
        // What stands, and what it says; of somebody whose account is gone it says nothing to us.
        let mut now: HashMap<NativeId, Option<Post>> = HashMap::new();
        for told in self.these::<Question>("questions", &questions).await? {
            let post = translate::question(&self.source, &told);
            now.insert(Thing::Question(told.question_id).id(), post);
        }
        for told in self.these::<Answer>("answers", &answers).await? {
            let post = translate::answer(&self.source, &told, PostKind::Post);
            now.insert(Thing::Answer(told.answer_id).id(), post);
        }
        for told in self.these::<Comment>("comments", &comments).await? {
            // Where it stands is known, and does not change.
            let post = translate::comment(&self.source, &told, told.post_id, PostKind::Post);
            now.insert(Thing::Comment(told.comment_id).id(), post);
        }
        let sightings: Vec<_> = turns
            .into_iter()
            .filter_map(|post| self.seen_again(post, &now))
            .collect();
        if !sightings.is_empty() {
            inbound.posts_seen(&self.source, sightings, None).await?;
        }
        Ok(())
    }

    async fn these<T: serde::de::DeserializeOwned>(&self, what: &str, ids: &[i64]) -> Result<Vec<T>, Failed> {
        let mut told = Vec::new();
        for ids in ids.chunks(MOST_IDS) {
            told.extend(self.api.these(what, ids).await?);
        }
        Ok(told)
    }

    /// What is new about a post. One that is not shown is gone when that was so in two rounds.
    fn seen_again(&self, known: &Post, now: &HashMap<NativeId, Option<Post>>) -> Option<Sighting> {
        let Some(now) = now.get(&known.id) else {
            return self
                .watch
                .is_gone(&known.id)
                .then(|| Sighting::Gone(known.id.clone()));
        };
        self.watch.found(&known.id);
        let now = now.as_ref()?;
        let is_comment = matches!(Thing::of(&known.id), Some(Thing::Comment(_)));
        let edited_at = match is_comment {
            true => (now.text != known.text).then(|| self.clock.now()),
            false => now.edited_at,
        };
        if edited_at <= known.edited_at {
            return None;
        }
        Some(Sighting::Post(Box::new(Post {
            edited_at,
            text: now.text.clone(),
            metrics: now.metrics,
            ..known.clone()
        })))
    }
}
