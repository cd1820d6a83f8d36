//! Doubles. A call without a certain end is looked for and then made again; a chat that shows the first
//! one late has two. So after such a delivery, and only then, it is looked for twice more: soon, and
//! once when nothing can appear any more. Of several the earliest stays, and what was told in another
//! thread of the case is told there.
//!
//! The order of the steps is what keeps everything: first it is written down which one stays and what
//! is to be told there, then the others go. Broken off anywhere, it begins again and ends the same.

use super::Delivery;
use super::facts::{Facts, Place};
use super::mirror::timed;
use crate::app::directory::Home;
use crate::app::request::Settled;
use crate::app::text;
use crate::app::work::AT_ONCE;
use crate::domain::{
    Doubt, Doubted, Effect, EffectId, EffectRow, Event, EventId, IdempotencyKey, Instant, Lane, ReplyId,
};
use crate::port::{ChatPlatform, FindTraces, Opened, PortError, Withdraw, Withdrawn};
use chrono::TimeDelta;
use std::collections::HashSet;

/// When a delivery is looked for again: longer than any call that was given up can go on.
const SOON: TimeDelta = TimeDelta::minutes(1);
/// When it is looked for the last time.
const LAST: TimeDelta = TimeDelta::minutes(10);
/// After a look that failed.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// Who cannot look for so long looks no more: a double is no loss.
const PATIENCE: TimeDelta = TimeDelta::days(1);
/// How many rows are read at once.
const PAGE: i64 = 500;

impl Delivery {
    /// A delivery may stand twice: it is to be looked for.
    pub(super) fn doubt(
        &self,
        row: &EffectRow,
        place: &Place,
        key: IdempotencyKey,
        since: Instant,
        stands: Opened,
        what: Doubted,
    ) -> Settled {
        let doubt = Doubt {
            key,
            since,
            thread: stands.thread,
            message: stands.card,
            what,
        };
        self.look_at(row, place, doubt, false, SOON)
    }

    fn look_at(&self, row: &EffectRow, place: &Place, doubt: Doubt, last: bool, wait: TimeDelta) -> Settled {
        let (_, chat, channel) = place.clone();
        let lane = Lane::channel(&chat, &channel);
        let mend = Effect::Mend {
            chat,
            channel,
            doubt,
            last,
        };
        Settled::Owes {
            case: row.case,
            effects: vec![(lane, mend, self.now() + wait)],
        }
    }

    /// Looks for doubles of a delivery and mends them.
    ///
    /// # Errors
    /// It did not work: when to try again. Nothing else need wait for it.
    pub(super) async fn mend(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        doubt: &Doubt,
        last: bool,
        facts: &mut Facts,
    ) -> Result<Vec<Settled>, Instant> {
        let Effect::Mend { chat, channel, .. } = &row.effect else {
            return Ok(vec![Settled::Done(row.id)]);
        };
        let place = (row.case, chat.clone(), channel.clone());
        let error = match self.try_mend(platform, row, &place, doubt, facts).await {
            Ok((end, stands)) => {
                let mut settled = vec![end];
                if !last {
                    let doubt = Doubt {
                        thread: stands.thread,
                        message: stands.card,
                        ..doubt.clone()
                    };
                    settled.push(self.look_at(row, &place, doubt, true, LAST - SOON));
                }
                return Ok(settled);
            }
            Err(error) => error,
        };
        if self.now() - doubt.since > PATIENCE {
            tracing::warn!(case = %row.case, lane = %row.lane, %error, "It cannot be found out whether something stands twice.");
            return Ok(vec![Settled::Done(row.id)]);
        }
        tracing::debug!(case = %row.case, lane = %row.lane, %error, "Doubles are looked for later.");
        let wait = match error {
            PortError::RetryAfter(wait) => TimeDelta::from_std(wait)
                .unwrap_or(AGAIN)
                .max(TimeDelta::seconds(1)),
            PortError::NotReached(_)
            | PortError::Refused(_)
            | PortError::Closed(_)
            | PortError::Gone(_)
            | PortError::Unauthorized(_)
            | PortError::Unknown(_) => AGAIN,
        };
        Err(self.now() + wait)
    }

    /// The end of the effect, and what stands now.
    async fn try_mend(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        place: &Place,
        doubt: &Doubt,
        facts: &mut Facts,
    ) -> Result<(Settled, Opened), PortError> {
        let known = Opened {
            thread: doubt.thread.clone(),
            card: doubt.message.clone(),
        };
        let thread = match &doubt.what {
            Doubted::Root { .. } => None,
            Doubted::Message { .. } => Some(doubt.thread.clone()),
        };
        let order = FindTraces {
            key: doubt.key.clone(),
            channel: place.2.clone(),
            thread,
            since: doubt.since,
            fresh: row.due_at,
            known: known.clone(),
        };
        let traces = match timed(platform.traces(&order)).await {
            // The thread is gone, and with it every message in it.
            Err(PortError::Gone(_)) => Vec::new(),
            traces => traces?,
        };
        let done = Settled::Done(row.id);
        let Some(first) = traces
            .first()
            .cloned()
            .filter(|first| traces.len() > 1 || *first != known)
        else {
            return Ok((done, known));
        };
        match &doubt.what {
            Doubted::Root { from } => {
                let kept = self
                    .one_thread(platform, row, (place, *from), (&known, &traces), facts)
                    .await?;
                self.withdraw(
                    platform,
                    row,
                    &traces,
                    &kept,
                    Withdrawn::Thread(text::pointer(row.case)),
                )
                .await?;
                Ok((done, kept))
            }
            Doubted::Message { reply } => {
                self.withdraw(platform, row, &traces, &first, Withdrawn::Message)
                    .await?;
                let end = match reply {
                    Some(reply) if first != known => told(row, place, *reply, &first),
                    Some(_) | None => done,
                };
                Ok((end, first))
            }
        }
    }

    /// Takes all but one away.
    async fn withdraw(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        traces: &[Opened],
        kept: &Opened,
        what: Withdrawn,
    ) -> Result<(), PortError> {
        let Effect::Mend { chat, channel, .. } = &row.effect else {
            return Ok(());
        };
        for double in traces.iter().filter(|double| *double != kept) {
            let order = Withdraw {
                channel: channel.clone(),
                double: double.clone(),
                kept: kept.clone(),
                what: what.clone(),
            };
            timed(platform.withdraw(&order)).await?;
            tracing::info!(case = %row.case, %chat, double = %double.card, kept = %kept.card, "Something stood twice; the later one is taken away.");
            metrics::counter!("hearback_doubles_mended_total", "chat" => chat.to_string()).increment(1);
        }
        Ok(())
    }

    /// Decides which of several threads of the case stays, and writes it down with what is to be told
    /// there: the earliest, or the one that was opened since because all of these were gone.
    async fn one_thread(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        (place, from): (&Place, Instant),
        (known, traces): (&Opened, &[Opened]),
        facts: &mut Facts,
    ) -> Result<Opened, PortError> {
        let now = facts.threads.get(place).map(|(thread, card)| Opened {
            thread: thread.clone(),
            card: card.clone(),
        });
        let (Some(now), Some(first)) = (now, traces.first()) else {
            return Ok(known.clone());
        };
        if now == *first || (now != *known && !traces.contains(&now)) {
            return Ok(now);
        }
        let (case, chat, channel) = place.clone();
        let events = self.told_in(row, place, from).await;
        let events = events.map_err(|error| PortError::NotReached(error.to_string()))?;
        let lane = Lane::channel(&chat, &channel);
        let tell = |event| {
            let (chat, channel) = (chat.clone(), channel.clone());
            let tell = Effect::Tell { chat, channel, event };
            (lane.clone(), tell, AT_ONCE)
        };
        let effects = events.into_iter().map(tell).collect();
        let moved = Settled::Opened {
            effect: None,
            case,
            chat: chat.clone(),
            channel: channel.clone(),
            thread: first.thread.clone(),
            card: first.card.clone(),
            // It shows the case as it was when it was opened.
            shown: 0,
        };
        let mut settled = vec![moved, Settled::Owes { case, effects }];
        let opening = facts.firsts.get(&case);
        settled.extend(self.attachments(platform, row, &channel, (opening, None), facts));
        self.settle(settled).await;
        let stays = (first.thread.clone(), first.card.clone());
        facts.threads.insert(place.clone(), stays);
        Ok(first.clone())
    }

    /// The events that were told in the case's thread of this channel, from then on. What still waits to
    /// be told there is not among them.
    async fn told_in(
        &self,
        row: &EffectRow,
        (case, chat, channel): &Place,
        from: Instant,
    ) -> Result<Vec<EventId>, crate::store::Error> {
        let mut waiting = HashSet::new();
        let mut after = (Instant::MIN_UTC, EffectId(0));
        loop {
            let rows = self.store.effects_of(&row.lane, after, PAGE).await?;
            let Some(end) = rows.last() else { break };
            after = (end.due_at, end.id);
            for row in rows {
                if let Effect::Tell { event, .. } = row.effect {
                    waiting.insert(event);
                }
            }
        }
        let directory = &self.rules.directory;
        let home = Home {
            chat: chat.clone(),
            channel: channel.clone(),
        };
        // Where cases do not open, the first thing told is that the case was handed to that team.
        let mut here = directory.homes.contains(&home);
        let (mut told, mut after) = (Vec::new(), EventId(0));
        loop {
            let records = self.store.events_of(*case, after, PAGE).await?;
            let Some(end) = records.last() else { break };
            after = end.id;
            for record in records {
                if let Event::Escalated { team, .. } = &record.event {
                    let team = directory.team(team.as_str());
                    here |= team.is_some_and(|team| team.homes.contains(&home));
                }
                let opened = matches!(record.event, Event::Opened { .. });
                if here && !opened && record.at >= from && !waiting.contains(&record.id) {
                    told.push(record.id);
                }
            }
        }
        Ok(told)
    }
}

/// The message that tells about a reply is another one now.
fn told(row: &EffectRow, (_, chat, channel): &Place, reply: ReplyId, message: &Opened) -> Settled {
    Settled::ReplyTold {
        effect: row.id,
        reply,
        chat: chat.clone(),
        channel: channel.clone(),
        message: message.card.clone(),
        shown: 0,
    }
}
