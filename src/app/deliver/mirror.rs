//! Threads, cards and messages in the chats. Losing one is not tolerable, a double one is mended:
//! an attempt that may have had its effect is looked for before it is made again; and because a chat may
//! show it late, it is looked for once more when that is over (see `mend`).

use super::facts::{Facts, Place};
use super::pictures::Untold;
use super::{Delivery, Pause, Turn};
use crate::app::inbound::Unavailable;
use crate::app::read;
use crate::app::request::{Request, Settled};
use crate::app::text;
use crate::app::work::speaks_of;
use crate::domain::{
    By, Case, ChannelId, Doubted, Effect, EffectId, EffectRow, Event, EventId, EventRecord, IdempotencyKey,
    Instant, Lane, Message, MessageId, NO_CASE, Notice, ReplyId, Status, ThreadId,
};
use crate::port::{ChatPlatform, Content, EditMessage, OpenThread, Opened, PortError, PostMessage};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The most time a call to a chat takes.
const CALL: Duration = Duration::from_secs(60);
/// A call that ends within this time is written down together with the next ones.
const QUICK: Duration = Duration::from_millis(5);
/// The most quick calls that are written down together.
const TOGETHER: usize = 32;

/// What a delivered effect leaves to write down.
enum Delivered {
    Settled(Vec<Settled>),
    Failed(PortError),
    /// To be tried again at this time; nothing else waits for it.
    PutOff(Instant),
}

impl Delivery {
    /// One turn of a chat lane: begun in one commit, delivered in order, settled behind the calls.
    pub(super) async fn mirror(&self, lane: Lane, mut effects: Vec<EffectRow>) -> Turn {
        let fresh = effects.iter().filter(|row| row.begun_at.is_none());
        let fresh: Vec<_> = fresh.map(|row| row.id).collect();
        let began = self.now();
        let begun = self.begin(fresh);
        // What they are about does not change by their beginning.
        let mut facts = match tokio::try_join!(begun, self.facts(&effects)) {
            Ok(((), facts)) => facts,
            Err(error) => {
                return Turn {
                    lane,
                    left: effects,
                    pause: Pause::Failed(error.to_string()),
                };
            }
        };
        for row in &mut effects {
            row.begun_at.get_or_insert(began);
        }
        let latest_cards = latest_cards(&effects);
        let mut settled = Vec::new();
        let mut pause = Pause::No;
        let mut queue = effects.into_iter();
        let mut left = Vec::new();
        for row in queue.by_ref() {
            if matches!(row.effect, Effect::UpdateCard { .. }) && !latest_cards.contains(&row.id) {
                settled.push(Settled::Done(row.id));
                continue;
            }
            if self.stop.is_cancelled() {
                left.push(row);
                break;
            }
            let last = std::mem::take(&mut settled);
            let last = if matches!(row.effect, Effect::Mend { .. }) {
                // What was told is asked from the outbox: all of it must be written down.
                self.settle(last).await;
                Vec::new()
            } else {
                last
            };
            let (unwritten, delivered) = self.meanwhile(last, self.deliver(&row, &mut facts)).await;
            settled = unwritten;
            match delivered {
                Delivered::Settled(done) => settled.extend(done),
                Delivered::PutOff(due_at) => left.push(EffectRow { due_at, ..row }),
                Delivered::Failed(error) => {
                    let (kept, why) = failed(row, error, &mut settled);
                    left.extend(kept);
                    pause = why;
                    if !matches!(pause, Pause::No) {
                        break;
                    }
                }
            }
        }
        left.extend(queue);
        self.settle(settled).await;
        Turn { lane, left, pause }
    }

    /// Writes down that these effects are begun.
    async fn begin(&self, effects: Vec<EffectId>) -> Result<(), Unavailable> {
        if effects.is_empty() {
            return Ok(());
        }
        self.inbound
            .ask(|answer| Request::Begin { effects, answer })
            .await
    }

    /// Writes down what earlier calls did while the next one is under way; where calls are quick,
    /// several are written down at once. Gives back what is not written down yet.
    async fn meanwhile<T>(&self, settled: Vec<Settled>, call: impl Future<Output = T>) -> (Vec<Settled>, T) {
        if settled.is_empty() {
            return (settled, call.await);
        }
        let mut call = std::pin::pin!(call);
        if settled.len() < TOGETHER
            && let Ok(done) = tokio::time::timeout(QUICK, &mut call).await
        {
            return (settled, done);
        }
        let ((), done) = tokio::join!(self.settle(settled), call);
        (Vec::new(), done)
    }

    async fn deliver(&self, row: &EffectRow, facts: &mut Facts) -> Delivered {
        let (chat, channel) = match &row.effect {
            Effect::OpenThread { chat, channel }
            | Effect::UpdateCard { chat, channel }
            | Effect::Tell { chat, channel, .. }
            | Effect::ShowPicture { chat, channel, .. }
            | Effect::Announce { chat, channel, .. }
            | Effect::Mend { chat, channel, .. }
            | Effect::UpdateReply { chat, channel, .. } => (chat, channel),
            Effect::SendReply { .. } | Effect::Reconcile { .. } | Effect::Wake | Effect::Expire { .. } => {
                return Delivered::Settled(vec![Settled::Done(row.id)]);
            }
        };
        let Some(platform) = self.chats.get(chat) else {
            return Delivered::Settled(vec![Settled::Dead(
                row.id,
                format!("{chat} is not configured any more"),
            )]);
        };
        if !facts.cases.contains_key(&row.case) && row.case != NO_CASE {
            return Delivered::Settled(vec![Settled::Dead(
                row.id,
                format!("there is no case {}", row.case),
            )]);
        }
        let began = std::time::Instant::now();
        let done = match &row.effect {
            Effect::OpenThread { .. } => self.open(platform.as_ref(), row, channel, facts).await,
            Effect::UpdateCard { .. } => self.update_card(platform.as_ref(), row, channel, facts).await,
            Effect::Tell { event, .. } => self.tell(platform.as_ref(), row, channel, *event, facts).await,
            Effect::UpdateReply { reply, .. } => {
                self.update_reply(platform.as_ref(), row, channel, *reply, facts)
                    .await
            }
            Effect::ShowPicture { post, nth, .. } => {
                match self
                    .show(platform.as_ref(), row, channel, (post, *nth), facts)
                    .await
                {
                    Ok(settled) => Ok(settled),
                    Err(Untold::PutOff(at)) => return Delivered::PutOff(at),
                    Err(Untold::Failed(error)) => Err(error),
                }
            }
            Effect::Announce { notice, .. } => self.announce(platform.as_ref(), row, channel, notice).await,
            Effect::Mend { doubt, last, .. } => {
                match self.mend(platform.as_ref(), row, doubt, *last, facts).await {
                    Ok(settled) => Ok(settled),
                    Err(put_off) => return Delivered::PutOff(put_off),
                }
            }
            Effect::SendReply { .. } | Effect::Reconcile { .. } | Effect::Wake | Effect::Expire { .. } => {
                Ok(vec![Settled::Done(row.id)])
            }
        };
        crash_point!(K11);
        metrics::histogram!("hearback_chat_call_seconds", "chat" => chat.to_string())
            .record(began.elapsed().as_secs_f64());
        match done {
            Ok(settled) => Delivered::Settled(settled),
            Err(error) => Delivered::Failed(error),
        }
    }

    pub(super) fn key(&self, row: &EffectRow, suffix: &str) -> IdempotencyKey {
        IdempotencyKey::new(format!("{}-e{}{suffix}", self.rules.installation, row.id))
    }

    async fn open(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        facts: &mut Facts,
    ) -> Result<Vec<Settled>, PortError> {
        let place = (row.case, platform.name().clone(), channel.clone());
        if facts.threads.contains_key(&place) {
            return Ok(vec![Settled::Done(row.id)]);
        }
        self.open_as(platform, row, channel, facts, Some(row.id)).await
    }

    async fn open_as(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        facts: &mut Facts,
        effect: Option<EffectId>,
    ) -> Result<Vec<Settled>, PortError> {
        let Some(case) = facts.cases.get(&row.case) else {
            return Err(PortError::Refused(format!("there is no case {}", row.case)));
        };
        let card = read::card(&self.rules, case, facts.firsts.get(&row.case));
        let order = OpenThread {
            key: self.key(row, "o"),
            channel: channel.clone(),
            card,
            earlier: earlier(row),
        };
        // What an earlier attempt may have opened shows the case as it was then.
        let shown = if order.earlier.is_some() { 0 } else { case.version };
        let opened = timed(platform.open_thread(&order)).await?;
        let place = (row.case, platform.name().clone(), channel.clone());
        let mut settled = Vec::new();
        if let Some(since) = order.earlier {
            let what = Doubted::Root {
                from: self.told_from(row, facts),
            };
            settled.push(self.doubt(row, &place, order.key, since, opened.clone(), what));
        }
        facts
            .threads
            .insert(place, (opened.thread.clone(), opened.card.clone()));
        settled.push(Settled::Opened {
            effect,
            case: row.case,
            chat: platform.name().clone(),
            channel: channel.clone(),
            thread: opened.thread,
            card: opened.card,
            shown,
        });
        let first = facts.firsts.get(&row.case);
        settled.extend(self.attachments(platform, row, channel, (first, None), facts));
        Ok(settled)
    }

    /// Tells something that is about no case, with a message of its own.
    async fn announce(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        notice: &Notice,
    ) -> Result<Vec<Settled>, PortError> {
        let waiting = match notice {
            Notice::Flood { source } => self.store.count_waiting(source).await,
            Notice::Spending { .. } => Ok(0),
        };
        let waiting = waiting.map_err(|error| PortError::NotReached(error.to_string()))?;
        // Somebody decided before it could be told.
        if waiting == 0 && matches!(notice, Notice::Flood { .. }) {
            return Ok(vec![Settled::Done(row.id)]);
        }
        let order = OpenThread {
            key: self.key(row, "o"),
            channel: channel.clone(),
            card: text::notice(notice, waiting),
            earlier: earlier(row),
        };
        timed(platform.open_thread(&order)).await?;
        Ok(vec![Settled::Done(row.id)])
    }

    /// From when on things are told in the thread that this effect opens.
    fn told_from(&self, row: &EffectRow, facts: &Facts) -> Instant {
        let told = match &row.effect {
            Effect::OpenThread { .. } => Some(Instant::MIN_UTC),
            Effect::Tell { event, .. } => facts.events.get(event).map(|record| record.at),
            Effect::UpdateCard { .. }
            | Effect::UpdateReply { .. }
            | Effect::ShowPicture { .. }
            | Effect::Mend { .. }
            | Effect::SendReply { .. }
            | Effect::Reconcile { .. }
            | Effect::Expire { .. }
            | Effect::Announce { .. }
            | Effect::Wake => row.begun_at,
        };
        told.unwrap_or(Instant::MIN_UTC)
    }

    async fn update_card(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        facts: &mut Facts,
    ) -> Result<Vec<Settled>, PortError> {
        let place = (row.case, platform.name().clone(), channel.clone());
        let mut settled = vec![Settled::Done(row.id)];
        // A thread that is not open yet will show the truth when it opens.
        let card = facts
            .cases
            .get(&row.case)
            .map(|case| read::card(&self.rules, case, facts.firsts.get(&row.case)));
        let Some(card) = card else { return Ok(settled) };
        while let Some((thread, message)) = facts.threads.get(&place).cloned() {
            let order = EditMessage {
                channel: channel.clone(),
                thread,
                message,
                content: Content::Card(card.clone()),
            };
            match timed(platform.edit(&order)).await {
                Err(PortError::Gone(_)) if self.moved(&place, facts).await? => {}
                // Somebody removed the card of a case that is not done: it gets a new thread.
                Err(PortError::Gone(_)) if facts.cases.get(&row.case).is_some_and(Case::is_open) => {
                    settled.extend(self.open_as(platform, row, channel, facts, None).await?);
                    break;
                }
                Ok(()) | Err(PortError::Gone(_)) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(settled)
    }

    async fn tell(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        event: EventId,
        facts: &mut Facts,
    ) -> Result<Vec<Settled>, PortError> {
        let (Some(record), Some(case)) = (facts.events.get(&event), facts.cases.get(&row.case)) else {
            return Ok(vec![Settled::Done(row.id)]);
        };
        let here = matches!(&record.by, By::Agent { chat, .. } if chat == platform.name());
        if here && !platform.hears_itself() {
            return Ok(vec![Settled::Done(row.id)]);
        }
        let reply = speaks_of(&record.event);
        let (told, source) = (record.event.clone(), case.source.clone());
        let place = (platform.name(), channel);
        let Some(message) = facts.told.message(&self.rules, place, &case.source, record) else {
            return Ok(vec![Settled::Done(row.id)]);
        };
        let mut settled = Vec::new();
        let posted = match self
            .post(platform, row, channel, message, facts, &mut settled)
            .await
        {
            Ok(posted) => posted,
            Err(error) => {
                // What was opened on the way stays known.
                self.settle(settled).await;
                return Err(error);
            }
        };
        if let Event::PostAdded { post, .. } = &told {
            let post = facts.told.post(&source, post);
            settled.extend(self.attachments(platform, row, channel, (post, None), facts));
        } else if let Event::PostEdited { post, added, .. } = &told {
            let post = facts.told.post(&source, post);
            settled.extend(self.attachments(platform, row, channel, (post, Some(added)), facts));
        }
        settled.push(match reply {
            Some(reply) => Settled::ReplyTold {
                effect: row.id,
                reply,
                chat: platform.name().clone(),
                channel: channel.clone(),
                message: posted,
                // What an earlier attempt may have posted shows the reply as it was then.
                shown: earlier(row).map_or_else(|| facts.told.step_of(reply), |_| 0),
            },
            None => Settled::Done(row.id),
        });
        Ok(settled)
    }

    /// Posts into the case's thread. One that was never opened here (a chat that was added later), or
    /// that somebody removed, is opened first.
    async fn post(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        message: Message,
        facts: &mut Facts,
        settled: &mut Vec<Settled>,
    ) -> Result<MessageId, PortError> {
        let place = (row.case, platform.name().clone(), channel.clone());
        let mut order = PostMessage {
            key: self.key(row, ""),
            channel: channel.clone(),
            thread: ThreadId::new(""),
            message,
            hands_over: false,
            earlier: earlier(row),
        };
        let told = facts.events.get(&told_by(row));
        let reply = told.and_then(|record| speaks_of(&record.event));
        let case = facts.cases.get(&row.case);
        order.hands_over = told.is_some_and(|record| hands_over(&record.event, case));
        while let Some((thread, _)) = facts.threads.get(&place) {
            order.thread = thread.clone();
            match timed(platform.post(&order)).await {
                Err(PortError::Gone(_)) if self.moved(&place, facts).await? => {}
                Err(PortError::Gone(reason)) => {
                    tracing::info!(case = %row.case, lane = %row.lane, reason, "A thread is gone; it is opened anew.");
                    break;
                }
                done => {
                    return done.map(|message| {
                        self.posted(row, &place, (order.key, order.thread), message, reply, settled)
                    });
                }
            }
        }
        settled.extend(self.open_as(platform, row, channel, facts, None).await?);
        match facts.threads.get(&place) {
            Some((thread, _)) => order.thread = thread.clone(),
            None => return Err(PortError::Refused("the thread is missing".to_owned())),
        }
        let done = timed(platform.post(&order)).await;
        done.map(|message| self.posted(row, &place, (order.key, order.thread), message, reply, settled))
    }

    /// Takes note of a message that stands; of one that may stand twice, that it is to be looked for.
    pub(super) fn posted(
        &self,
        row: &EffectRow,
        place: &Place,
        (key, thread): (IdempotencyKey, ThreadId),
        message: MessageId,
        reply: Option<ReplyId>,
        settled: &mut Vec<Settled>,
    ) -> MessageId {
        if let Some(since) = earlier(row) {
            let stands = Opened {
                thread,
                card: message.clone(),
            };
            let what = Doubted::Message { reply };
            settled.push(self.doubt(row, place, key, since, stands, what));
        }
        message
    }

    /// Whether a thread that is gone was one of two, and the case has another one now.
    pub(super) async fn moved(&self, place: &Place, facts: &mut Facts) -> Result<bool, PortError> {
        let threads = self.store.threads(&[place.0]).await;
        let threads = threads.map_err(|error| PortError::NotReached(error.to_string()))?;
        let now = threads
            .into_iter()
            .find(|thread| thread.chat == place.1 && thread.channel == place.2)
            .map(|thread| (thread.thread, thread.card));
        let moved = now.is_some() && now.as_ref() != facts.threads.get(place);
        if let (true, Some(now)) = (moved, now) {
            facts.threads.insert(place.clone(), now);
        }
        Ok(moved)
    }

    async fn update_reply(
        &self,
        platform: &dyn ChatPlatform,
        row: &EffectRow,
        channel: &ChannelId,
        reply: ReplyId,
        facts: &Facts,
    ) -> Result<Vec<Settled>, PortError> {
        let place = (row.case, platform.name().clone(), channel.clone());
        let held = |record: &&EventRecord| speaks_of(&record.event) == Some(reply);
        let message = facts.reply_messages.get(&reply).and_then(|messages| {
            messages
                .iter()
                .find(|message| message.chat == *platform.name() && message.channel == *channel)
        });
        let record = facts.events.values().find(held);
        // A message that is not told yet is told as things stand then.
        if let (Some(message), Some(record), Some(case), Some((thread, _))) = (
            message,
            record,
            facts.cases.get(&row.case),
            facts.threads.get(&place),
        ) && let Some(content) =
            facts
                .told
                .message(&self.rules, (platform.name(), channel), &case.source, record)
        {
            let order = EditMessage {
                channel: channel.clone(),
                thread: thread.clone(),
                message: message.message.clone(),
                content: Content::Message(content),
            };
            match timed(platform.edit(&order)).await {
                // Somebody removed the message; what became of the reply is told by itself.
                Ok(()) | Err(PortError::Gone(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(vec![Settled::Done(row.id)])
    }
}

/// Of several card updates of one case in a turn only the last is made: all would show the same.
fn latest_cards(effects: &[EffectRow]) -> HashSet<EffectId> {
    let mut latest = HashMap::new();
    for row in effects {
        if let Effect::UpdateCard { chat, channel } = &row.effect {
            latest.insert((row.case, chat, channel), row.id);
        }
    }
    latest.into_values().collect()
}

/// Whether an event brings the case to a team, or back to it.
fn hands_over(event: &Event, case: Option<&Case>) -> bool {
    let back = matches!(event, Event::Reopened) && case.is_some_and(|case| case.status == Status::Escalated);
    back || matches!(event, Event::Escalated { .. })
}

/// The event that an effect tells; none has the number zero.
fn told_by(row: &EffectRow) -> EventId {
    match &row.effect {
        Effect::Tell { event, .. } => *event,
        Effect::OpenThread { .. }
        | Effect::UpdateCard { .. }
        | Effect::UpdateReply { .. }
        | Effect::ShowPicture { .. }
        | Effect::Mend { .. }
        | Effect::SendReply { .. }
        | Effect::Reconcile { .. }
        | Effect::Expire { .. }
        | Effect::Announce { .. }
        | Effect::Wake => EventId(0),
    }
}

/// When an attempt of an earlier turn began whose end is not known.
pub(super) fn earlier(row: &EffectRow) -> Option<Instant> {
    if row.attempts > 0 { row.begun_at } else { None }
}

/// What a failed delivery leaves: the effect to be tried again, or its end; and the lane's pause.
fn failed(mut row: EffectRow, error: PortError, settled: &mut Vec<Settled>) -> (Option<EffectRow>, Pause) {
    match error {
        PortError::RetryAfter(wait) => (Some(row), Pause::Told(wait)),
        PortError::NotReached(reason) => (Some(row), Pause::Failed(reason)),
        PortError::Closed(reason) | PortError::Unauthorized(reason) => (Some(row), Pause::Failed(reason)),
        PortError::Unknown(reason) => {
            row.attempts += 1;
            (Some(row), Pause::Failed(reason))
        }
        PortError::Refused(reason) | PortError::Gone(reason) => {
            tracing::error!(effect = %row.id, case = %row.case, lane = %row.lane, reason, "A mirror message was refused and given up.");
            metrics::counter!("hearback_effects_dead_total").increment(1);
            settled.push(Settled::Dead(row.id, reason));
            (None, Pause::No)
        }
    }
}

pub(super) async fn timed<T>(call: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(done) => done,
        Err(_) => Err(PortError::Unknown(format!(
            "no answer within {} s",
            CALL.as_secs()
        ))),
    }
}
