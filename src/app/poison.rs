//! What the database refuses: the bad part is found, and set aside, so that it blocks nothing.

use super::desk::Desk;
use super::hearing::Gate;
use super::inbound::{Cursor, Intake, Unavailable};
use super::part::Part;
use super::request::Request;
use crate::domain::{Sighting, SourceName};
use crate::store::{Aside, Changes, Error};

/// The most of a thing set aside that is kept.
const MOST_RAW: usize = 64 * 1024;

impl Desk {
    /// Writes a request alone; what cannot be written is set aside.
    pub(super) async fn write_alone(&mut self, part: Part) {
        let mut parts = vec![part];
        match self.attempt(&mut parts).await {
            Ok(()) => parts.into_iter().for_each(Part::answer),
            Err(Error::Unavailable(reason)) => parts.into_iter().for_each(|part| part.fail(&reason)),
            Err(error) => {
                for part in parts {
                    self.poisoned(part, &error.to_string()).await;
                }
            }
        }
    }

    /// A request that cannot be written: posts are split until the bad one is alone, then it is set
    /// aside; of a delivery only that it ended is kept.
    async fn poisoned(&mut self, part: Part, reason: &str) {
        match part.request {
            Request::Posts {
                source,
                sightings,
                cursor,
                gate,
                answer,
            } => {
                let done = self.one_by_one(&source, sightings, cursor, gate).await;
                let _ = answer.send(done.map_err(|error| Unavailable(error.to_string())));
            }
            Request::Settle { settled, answer } => {
                tracing::error!(reason, "What became of a delivery could not be written.");
                let settled = settled.into_iter().map(|one| one.without_words(reason)).collect();
                let mut parts = vec![Part::from(Request::Settle { settled, answer })];
                match self.attempt(&mut parts).await {
                    Ok(()) => parts.into_iter().for_each(Part::answer),
                    Err(error) => parts.into_iter().for_each(|part| part.fail(&error.to_string())),
                }
            }
            request @ (Request::Command { .. }
            | Request::Begin { .. }
            | Request::Claim { .. }
            | Request::LookAtPauses { .. }
            | Request::Announce { .. }
            | Request::Aside { .. }) => {
                tracing::error!(reason, "A request could not be written.");
                Part::from(request).fail(reason);
            }
        }
    }

    /// Writes posts one by one. What was written before an error is a duplicate the next time.
    async fn one_by_one(
        &mut self,
        source: &SourceName,
        mut sightings: Vec<Sighting>,
        cursor: Option<Cursor>,
        gate: Gate,
    ) -> Result<Intake, Error> {
        let mut intake = Intake::default();
        let last = sightings.pop();
        for sighting in sightings {
            self.one_sighting(source, (sighting, gate), None, &mut intake)
                .await?;
        }
        if let Some(sighting) = last {
            self.one_sighting(source, (sighting, gate), cursor, &mut intake)
                .await?;
        }
        Ok(intake)
    }

    async fn one_sighting(
        &mut self,
        source: &SourceName,
        (sighting, gate): (Sighting, Gate),
        cursor: Option<Cursor>,
        intake: &mut Intake,
    ) -> Result<(), Error> {
        let raw = format!("{sighting:?}");
        let (answer, taken) = tokio::sync::oneshot::channel();
        let alone = Request::Posts {
            source: source.clone(),
            sightings: vec![sighting],
            cursor: cursor.clone(),
            gate,
            answer,
        };
        let mut parts = vec![Part::from(alone)];
        match self.attempt(&mut parts).await {
            Ok(()) => {
                parts.into_iter().for_each(Part::answer);
                if let Ok(Ok(one)) = taken.await {
                    intake.accepted += one.accepted;
                    intake.duplicates += one.duplicates;
                    intake.unheard += one.unheard;
                }
                Ok(())
            }
            Err(Error::Unavailable(reason)) => Err(Error::Unavailable(reason)),
            Err(error) => {
                tracing::warn!(%source, %error, "A post was set aside.");
                metrics::counter!("hearback_set_aside_total", "source" => source.to_string()).increment(1);
                let row = Aside {
                    at: self.clock.now(),
                    origin: source.to_string(),
                    reason: error.to_string(),
                    raw: shortened(raw),
                };
                let cursors = cursor.map(|cursor| crate::store::CursorRow {
                    source: source.clone(),
                    stream: cursor.stream,
                    value: cursor.value,
                });
                let changes = Changes {
                    asides: vec![row],
                    cursors: cursors.into_iter().collect(),
                    ..Changes::default()
                };
                self.store.commit(changes).await?;
                intake.set_aside += 1;
                Ok(())
            }
        }
    }
}

/// As much of something set aside as is kept.
pub(super) fn shortened(mut raw: String) -> String {
    if raw.len() > MOST_RAW {
        let mut end = MOST_RAW;
        while !raw.is_char_boundary(end) {
            end -= 1;
        }
        raw.truncate(end);
    }
    raw
}
