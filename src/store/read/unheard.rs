//! What sources found and opened no case.

use super::super::batch::clean;
use super::super::engine::Engine;
use super::super::row;
use super::super::sql;
use super::super::{Error, Result, Store, Why};
use super::{PATIENCE, post_keys, silent};
use crate::domain::{Instant, NativeId, Post, SourceName};
use std::collections::HashMap;

/// How many rows are read at a time.
const PAGE: i64 = 1_000;

/// The identity of a post.
type Key = (SourceName, NativeId);

impl Store {
    /// Which of these posts opened no case, and why.
    pub async fn unheard(&self, keys: &[Key]) -> Result<HashMap<Key, Why>> {
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found: Vec<(String, String, String)> = rows_of!(self, sql::UNHEARD, post_keys(keys))?;
        let read = |(source, id, why): (String, String, String)| {
            let why = why_of(&id, &why)?;
            Ok(((SourceName::from(source), NativeId::from(id)), why))
        };
        found.into_iter().map(read).collect()
    }

    /// What a person wrote and opened no case.
    pub async fn unheard_of_person(&self, source: &SourceName, author: &NativeId) -> Result<Vec<Key>> {
        let (source, author) = (clean(source.as_str()), clean(author.as_str()));
        let found: Vec<(String, String)> =
            rows!(self, sql::UNHEARD_OF_PERSON, source.clone(), author.clone())?;
        let key = |(source, id): (String, String)| (SourceName::from(source), NativeId::from(id));
        Ok(found.into_iter().map(key).collect())
    }

    /// What of a source waits to be let in, in the order in which it came.
    pub async fn waiting(&self, source: &SourceName, limit: i64) -> Result<Vec<Post>> {
        let found: Vec<(String,)> = rows!(self, sql::WAITING, clean(source.as_str()), limit)?;
        let read = |(json,): (String,)| body(source.as_str(), &json);
        found.into_iter().map(read).collect()
    }

    /// How much of a source waits to be let in.
    pub async fn count_waiting(&self, source: &SourceName) -> Result<i64> {
        let found: Vec<(i64,)> = rows!(self, sql::COUNT_WAITING, clean(source.as_str()))?;
        Ok(found.first().map_or(0, |(count,)| *count))
    }

    /// How much waits to be let in, by source.
    pub async fn all_waiting(&self) -> Result<Vec<(SourceName, i64)>> {
        let found: Vec<(String, i64)> = rows!(self, sql::ALL_WAITING)?;
        let row = |(source, count): (String, i64)| (SourceName::from(source), count);
        Ok(found.into_iter().map(row).collect())
    }

    /// How many posts of a source are known; not counted beyond `most`.
    pub async fn count_some_posts(&self, source: &SourceName, most: i64) -> Result<i64> {
        let found: Vec<(i64,)> = rows!(self, sql::COUNT_SOME_POSTS, clean(source.as_str()), most)?;
        Ok(found.first().map_or(0, |(count,)| *count))
    }

    /// Hands over every post that was written since then, with why it opened no case (`None`: it has one).
    /// The newest of those with a case come first.
    pub async fn posts_since(
        &self,
        since: Instant,
        mut take: impl FnMut(Post, Option<Why>) + Send,
    ) -> Result<()> {
        let mut before = i64::MAX;
        loop {
            let page: Vec<(i64, i64, String)> = rows!(self, sql::POSTS_BEFORE, before, PAGE)?;
            let Some((last, ..)) = page.last() else { break };
            before = *last;
            for (_, case, json) in page {
                let post = row::post(&(case, json))?.post;
                if post.created_at >= since {
                    take(post, None);
                }
            }
        }
        let mut after = (String::new(), String::new());
        loop {
            let (source, id) = after.clone();
            let page: Vec<(String, String, String, String)> =
                rows!(self, sql::UNHEARD_AFTER, source.clone(), id.clone(), PAGE)?;
            let Some((source, id, ..)) = page.last() else {
                return Ok(());
            };
            after = (source.clone(), id.clone());
            for (_, id, why, json) in page {
                let why = why_of(&id, &why)?;
                let post = body(&id, &json)?;
                if post.created_at >= since {
                    take(post, Some(why));
                }
            }
        }
    }
}

fn why_of(id: &str, word: &str) -> Result<Why> {
    let known = Why::ALL.into_iter().find(|why| why.word() == word);
    known.ok_or_else(|| wrong(id, "why", "it is no reason".to_owned()))
}

fn body(id: &str, json: &str) -> Result<Post> {
    serde_json::from_str(json).map_err(|error| wrong(id, "body", error.to_string()))
}

fn wrong(id: &str, column: &'static str, why: String) -> Error {
    Error::Inconsistent {
        table: "unheard",
        column,
        row: id.to_owned(),
        why,
    }
}
