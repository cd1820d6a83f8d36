//! The log as the chain through it is checked, the keys of persons, and what an erasure looks at.

use super::super::batch::{Batch, clean};
use super::super::engine::Engine;
use super::super::row;
use super::super::sql;
use super::super::{Error, Result, Store};
use super::{PATIENCE, silent};
use crate::domain::audit::{Hash, Head, Line};
use crate::domain::{Case, CaseNumber, EffectId, EventId, EventRecord, NativeId, SourceName};

/// How many rows an erasure reads at a time.
const PAGE: i64 = 1_000;

impl Store {
    /// Events as they are stored, after this one, in order.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn lines(&self, after: i64, limit: i64) -> Result<Vec<Line>> {
        let found: Vec<row::LineIn> = rows!(self, sql::LINES, after, limit)?;
        Ok(found.into_iter().map(row::line).collect())
    }

    /// The event with this id, as it is stored.
    pub(in crate::store) async fn line_at(&self, id: EventId) -> Result<Option<Line>> {
        let found: Vec<row::LineIn> = rows!(self, sql::LINE_AT, id.0)?;
        Ok(found.into_iter().next().map(row::line))
    }

    /// The last event with its hash. `None`: the chain has not begun.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn head(&self) -> Result<Option<Head>> {
        let found: Vec<row::LineIn> = rows!(self, sql::LAST_LINE)?;
        let Some(line) = found.into_iter().next().map(row::line) else {
            return Ok(None);
        };
        let Some(text) = line.hash else {
            return Ok(None);
        };
        let hash = Hash::parse(&text).ok_or_else(|| Error::Inconsistent {
            table: "events",
            column: "hash",
            row: line.id.to_string(),
            why: "it is no SHA-256 hash".to_owned(),
        })?;
        Ok(Some(Head {
            event: EventId(line.id),
            hash,
        }))
    }

    /// What the next event follows.
    pub(in crate::store) async fn last_hash(&self) -> Result<Hash> {
        match self.head().await? {
            Some(head) => Ok(head.hash),
            None => Ok(Hash::genesis(&self.installation().await?)),
        }
    }

    /// The first event that has a hash, if one has.
    pub(in crate::store) async fn chain_begins(&self) -> Result<Option<EventId>> {
        let found: Vec<(i64,)> = rows!(self, sql::CHAIN_BEGINS)?;
        Ok(found.first().map(|(id,)| EventId(*id)))
    }

    /// Whether this database was ever sealed.
    pub(in crate::store) async fn was_sealed(&self) -> Result<bool> {
        let found: Vec<(String,)> = rows!(self, sql::SEALED)?;
        Ok(!found.is_empty())
    }

    pub(in crate::store) async fn keys_of_persons(&self, persons: &Batch) -> Result<Vec<row::KeyIn>> {
        Ok(rows_of!(self, sql::KEYS_OF_PERSONS, persons)?)
    }

    pub(in crate::store) async fn keys_by_id(&self, ids: &Batch) -> Result<Vec<row::KeyIn>> {
        Ok(rows_of!(self, sql::KEYS_BY_ID, ids)?)
    }

    /// The ids of the keys of a person.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn keys_of_person(&self, source: &SourceName, author: &NativeId) -> Result<Vec<String>> {
        let person = Batch::of_texts([[source.as_str(), author.as_str()]]);
        let found = self.keys_of_persons(&person).await?;
        Ok(found.into_iter().map(|(_, _, id, _)| id).collect())
    }

    /// The cases of a person, in order.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn cases_of_person(&self, source: &SourceName, author: &NativeId) -> Result<Vec<Case>> {
        let (source, author) = (clean(source.as_str()), clean(author.as_str()));
        let found: Vec<row::CaseIn> = rows!(self, sql::CASES_OF_PERSON, source, author)?;
        found.iter().map(row::case).collect()
    }

    /// The events of these cases that earlier versions wrote, outside of the chain.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn unproven_events(&self, cases: &[CaseNumber]) -> Result<Vec<EventRecord>> {
        let keys = Batch::of(cases.iter().map(|number| [number.0.into()]));
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<row::EventIn> = rows_of!(self, sql::UNPROVEN_EVENTS, keys)?;
        self.events_opened(found.iter()).await
    }

    /// The effects of these cases that were given up for a reason.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn given_up_for_a_reason(&self, cases: &[CaseNumber]) -> Result<Vec<EffectId>> {
        let keys = Batch::of(cases.iter().map(|number| [number.0.into()]));
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<(i64,)> = rows_of!(self, sql::REASONS, keys)?;
        Ok(found.into_iter().map(|(id,)| EffectId(id)).collect())
    }

    /// All answers that were given lately: key and answer.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn answers(&self) -> Result<Vec<(String, String)>> {
        let mut all: Vec<(String, String)> = Vec::new();
        loop {
            let after = all.last().map(|(key, _)| key.clone()).unwrap_or_default();
            let page: Vec<(String, String)> = rows!(self, sql::ANSWERS, &after, PAGE)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// All things set aside: id, and all that is kept of each.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn asides(&self) -> Result<Vec<(i64, String)>> {
        let mut all = Vec::new();
        let mut after = 0;
        loop {
            let page: Vec<(i64, String, String, String)> = rows!(self, sql::ASIDES, after, PAGE)?;
            let Some((last, ..)) = page.last() else {
                return Ok(all);
            };
            after = *last;
            let kept = page
                .into_iter()
                .map(|(id, origin, reason, raw)| (id, [origin, reason, raw].join("\n")));
            all.extend(kept);
        }
    }

    /// Reads events, and opens their free texts.
    pub(in crate::store) async fn events_opened<'a>(
        &self,
        found: impl Iterator<Item = &'a row::EventIn>,
    ) -> Result<Vec<EventRecord>> {
        let read = found.map(row::event).collect::<Result<Vec<_>>>()?;
        self.open_texts(read).await
    }
}
