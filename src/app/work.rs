//! One batch of requests at work: what was loaded for it, what it changes. No input or output here.

use super::directory::{Directory, Home};
use super::hearing::Memory;
use super::orders::CHAT;
use super::pauses::{Pause, Stopped};
use crate::domain::case::{Case, shows_on_card};
use crate::domain::listen::Scratch;
use crate::domain::{
    Agent, By, CaseNumber, Effect, EffectId, EffectRow, Event, EventId, EventRecord, Instant, Lane, NO_CASE,
    NativeId, Post, Reply, ReplyId, ReplyState, SourceName, Status,
};
use crate::store::{Changes, Counters, PauseRow, ReplyMark, ReplyStep, StoredPost, Thread, Why};
use chrono::TimeDelta;
use std::collections::{BTreeMap, HashMap, HashSet};

/// When mirror messages are due: their order is that of their ids, whatever the clock does.
pub(super) const AT_ONCE: Instant = Instant::UNIX_EPOCH;

/// The identity of a post.
pub(super) type PostKey = (SourceName, NativeId);
/// The identity of a conversation: (source, conversation, author).
pub(super) type TalkKey = (SourceName, NativeId, NativeId);

/// A reply that was claimed and whose end is not known: its echo may come before its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flight {
    pub reply: ReplyId,
    pub source: SourceName,
    pub target: NativeId,
    /// Who wrote the target: a customer may well say the same words.
    pub customer: NativeId,
    pub text: String,
}

impl Flight {
    /// The flight of a reply that the platform may have under an id that we do not know.
    pub fn of(reply: &Reply) -> Option<Self> {
        let unknown = match reply.state {
            ReplyState::Sending
            | ReplyState::Ambiguous
            | ReplyState::Reconciling
            | ReplyState::NeedsHuman
            | ReplyState::Abandoned => true,
            ReplyState::Sent => reply.seen_by_person(),
            ReplyState::Queued => reply.tainted,
            ReplyState::Draft
            | ReplyState::PendingApproval
            | ReplyState::Stale
            | ReplyState::Held
            | ReplyState::Failed
            | ReplyState::Cancelled => false,
        };
        unknown.then(|| Self {
            reply: reply.id,
            source: reply.source.clone(),
            target: reply.target.clone(),
            customer: reply.author.clone(),
            text: reply.text.clone(),
        })
    }
}

/// For how long a flagged reply is remembered of an agent.
const TEMPER: TimeDelta = TimeDelta::minutes(10);
/// How long the second one in that time keeps the next from being sent.
const COOL_OFF: TimeDelta = TimeDelta::minutes(1);

/// When agents' replies were flagged, by their keys.
pub(super) type Tempers = HashMap<String, Vec<Instant>>;

/// The reply that a thread's message about this event speaks of, and goes on speaking of.
pub(super) fn speaks_of(event: &Event) -> Option<ReplyId> {
    match event {
        Event::ReplyDrafted { reply, .. }
        | Event::ReplySubmitted { reply, .. }
        | Event::ReplyHeld { reply, .. } => Some(*reply),
        _ => None,
    }
}

/// What was loaded for a batch, and what changed since.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub now: Instant,
    pub counters: Counters,
    pub cases: HashMap<CaseNumber, Case>,
    pub talks: HashMap<TalkKey, CaseNumber>,
    pub posts: HashMap<PostKey, StoredPost>,
    pub own: HashSet<PostKey>,
    /// Which of the posts the database has.
    stored: HashSet<PostKey>,
    pub replies: HashMap<ReplyId, Reply>,
    pub threads: HashMap<CaseNumber, Vec<Thread>>,
    pub inbox: HashMap<String, String>,
    /// Replies that the platforms may have, though we do not know their ids yet.
    pub flights: Vec<Flight>,
    /// Where publishing is stopped.
    pub pauses: Stopped,
    /// What somebody outside changed of that, and the log does not say yet.
    pub unlogged: Vec<PauseRow>,
    /// When agents' replies were flagged lately.
    pub tempers: Tempers,
    /// Which of the posts opened no case before.
    pub unheard: HashMap<PostKey, Why>,
    /// How many posts of sources are known, counted to a few.
    pub known: HashMap<SourceName, i64>,
    /// What is remembered of the sources.
    pub memory: Memory,
    /// What the rules are asked with.
    pub scratch: Scratch,
    /// How replies stood when they were loaded: their steps are written only if they still do.
    loaded: HashMap<ReplyId, ReplyMark>,
    /// Written at the end.
    pub changes: Changes,
    touched: BTreeMap<CaseNumber, ()>,
    touched_posts: BTreeMap<PostKey, ()>,
    touched_replies: BTreeMap<ReplyId, ()>,
    cards: HashSet<(CaseNumber, Home)>,
}

impl Work {
    /// Work that begins at these counters.
    pub fn new(now: Instant, counters: Counters, flights: Vec<Flight>) -> Self {
        Self {
            now,
            counters,
            flights,
            ..Self::default()
        }
    }

    /// Lets an event happen: the log, the fold, and the effects it owes.
    pub fn happen(&mut self, directory: &Directory, number: CaseNumber, by: &By, event: Event) -> EventId {
        self.counters.event += 1;
        let id = EventId(self.counters.event);
        let before = self.cases.get(&number).map(|case| case.status);
        match self.cases.get_mut(&number) {
            Some(case) => case.evolve(&event, self.now),
            None => {
                if let Some(case) = Case::open(number, &event, self.now) {
                    self.cases.insert(number, case);
                }
            }
        }
        let after = self.cases.get(&number).map(|case| case.status);
        self.count(before, after);
        self.touched.insert(number, ());
        self.owe(directory, number, id, &event);
        self.changes.events.push(EventRecord {
            id,
            case: number,
            at: self.now,
            by: by.clone(),
            event,
        });
        id
    }

    fn count(&mut self, before: Option<Status>, after: Option<Status>) {
        if before == after {
            return;
        }
        if let Some(status) = before {
            self.counters.by_status[status as usize] -= 1;
        }
        if let Some(status) = after {
            self.counters.by_status[status as usize] += 1;
        }
    }

    /// The effects of an event: threads to open, things to tell, cards to update.
    fn owe(&mut self, directory: &Directory, number: CaseNumber, id: EventId, event: &Event) {
        if !self.cases.contains_key(&number) {
            return;
        }
        if let Event::Opened { .. } = event {
            for home in &directory.homes {
                let Home { chat, channel } = home.clone();
                self.cards.insert((number, home.clone()));
                self.effect(
                    Lane::channel(&chat, &channel),
                    number,
                    Effect::OpenThread { chat, channel },
                    AT_ONCE,
                );
            }
            return;
        }
        let mut homes = self.homes(directory, number);
        if let Event::Escalated { team, .. } = event
            && let Some(team) = directory.team(team.as_str())
        {
            for home in &team.homes {
                if !homes.contains(home) {
                    let Home { chat, channel } = home.clone();
                    let lane = Lane::channel(&chat, &channel);
                    self.effect(lane, number, Effect::OpenThread { chat, channel }, AT_ONCE);
                    homes.push(home.clone());
                }
            }
        }
        self.add_team(directory, number, &mut homes);
        for home in homes {
            let Home { chat, channel } = home.clone();
            let tell = Effect::Tell {
                chat: chat.clone(),
                channel: channel.clone(),
                event: id,
            };
            self.effect(Lane::channel(&chat, &channel), number, tell, AT_ONCE);
            if shows_on_card(event) && self.cards.insert((number, home)) {
                let lane = Lane::cards(&chat, &channel);
                self.effect(lane, number, Effect::UpdateCard { chat, channel }, AT_ONCE);
            }
        }
    }

    /// Where a case's team is: its thread there may still be opening.
    fn add_team(&self, directory: &Directory, number: CaseNumber, homes: &mut Vec<Home>) {
        let team = self.cases.get(&number).and_then(|case| case.team.as_ref());
        let team = team.and_then(|team| directory.team(team.as_str()));
        for home in team.into_iter().flat_map(|team| &team.homes) {
            if !homes.contains(home) {
                homes.push(home.clone());
            }
        }
    }

    /// Where a case is mirrored: where cases open, and where it has a thread.
    fn homes(&self, directory: &Directory, number: CaseNumber) -> Vec<Home> {
        let mut homes = directory.homes.clone();
        for thread in self.threads.get(&number).into_iter().flatten() {
            let home = Home {
                chat: thread.chat.clone(),
                channel: thread.channel.clone(),
            };
            if !homes.contains(&home) {
                homes.push(home);
            }
        }
        let opened_here = self.changes.effects.iter().filter(|row| row.case == number);
        for row in opened_here {
            if let Effect::OpenThread { chat, channel } = &row.effect {
                let home = Home {
                    chat: chat.clone(),
                    channel: channel.clone(),
                };
                if !homes.contains(&home) {
                    homes.push(home);
                }
            }
        }
        homes
    }

    /// The messages about a reply no longer show the truth.
    pub fn update_reply(&mut self, directory: &Directory, reply: &Reply) {
        if !self.cases.contains_key(&reply.case) {
            return;
        }
        let mut homes = self.homes(directory, reply.case);
        self.add_team(directory, reply.case, &mut homes);
        for Home { chat, channel } in homes {
            let lane = Lane::cards(&chat, &channel);
            self.effect(
                lane,
                reply.case,
                Effect::UpdateReply {
                    chat,
                    channel,
                    reply: reply.id,
                },
                AT_ONCE,
            );
        }
    }

    /// Puts an effect into the outbox.
    pub fn effect(&mut self, lane: Lane, case: CaseNumber, effect: Effect, due_at: Instant) {
        self.counters.effect += 1;
        let id = EffectId(self.counters.effect);
        self.changes.effects.push(EffectRow {
            id,
            lane,
            case,
            effect,
            due_at,
            attempts: 0,
            begun_at: None,
        });
    }

    /// The customer's newest post of a case that was not deleted: the one to answer.
    pub fn last_standing_post(&self, case: &Case) -> Option<Post> {
        let of_case = self.posts.values().filter(|stored| stored.case == case.number);
        let standing = of_case.filter(|stored| !stored.post.deleted);
        let last =
            standing.max_by_key(|stored| (stored.post.id == case.last_post, stored.post.created_at))?;
        Some(last.post.clone())
    }

    /// The reply of ours, whose answer has not come yet, that this may be the echo of.
    pub fn echo(&self, post: &Post) -> Option<ReplyId> {
        let found = self.flights.iter().find(|flight| {
            flight.source == post.source
                && post.in_reply_to.as_ref() == Some(&flight.target)
                && post.author.id != flight.customer
                && post.text.split_whitespace().eq(flight.text.split_whitespace())
        });
        found.map(|flight| flight.reply)
    }

    /// Takes note of a post as it is stored.
    pub fn know(&mut self, stored: StoredPost) {
        let key = (stored.post.source.clone(), stored.post.id.clone());
        self.stored.insert(key.clone());
        self.posts.entry(key).or_insert(stored);
    }

    /// Keeps a post.
    pub fn put_post(&mut self, stored: StoredPost) {
        let key = (stored.post.source.clone(), stored.post.id.clone());
        self.touched_posts.insert(key.clone(), ());
        self.posts.insert(key, stored);
    }

    /// Takes note of a reply as it is stored.
    pub fn know_reply(&mut self, reply: Reply) {
        self.loaded.entry(reply.id).or_insert(ReplyMark::of(&reply));
        self.replies.entry(reply.id).or_insert(reply);
    }

    /// Stops publishing for this reason, or lets it go on.
    pub fn pause(&mut self, source: Option<SourceName>, reason: Option<String>, by: &str) {
        let row = PauseRow {
            source: source.clone(),
            paused: reason.is_some(),
            at: self.now,
            by: by.to_owned(),
            reason: reason.clone().unwrap_or_default(),
            logged: true,
        };
        match reason {
            Some(reason) => {
                let (by, at) = (by.to_owned(), self.now);
                self.pauses.insert(source, Pause { by, reason, at });
            }
            None => {
                self.pauses.remove(&source);
            }
        }
        self.changes.pauses.push(row);
    }

    /// Lets the log say what somebody outside changed.
    pub fn log_pauses(&mut self, directory: &Directory) {
        for row in std::mem::take(&mut self.unlogged) {
            let by = By::Agent {
                agent: directory.operator(&row.by).agent,
                chat: CHAT.into(),
            };
            let source = row.source.clone();
            let event = if row.paused {
                Event::PublishingPaused {
                    source,
                    reason: row.reason.clone(),
                }
            } else {
                Event::PublishingResumed { source }
            };
            self.happen(directory, NO_CASE, &by, event);
            // The row may be another one by now: only this one is logged.
            self.changes.pauses_logged.push(row);
        }
    }

    /// Until when this agent had better breathe: two replies were flagged in ten minutes, the last one
    /// less than a minute ago.
    pub fn cools_off(&self, agent: &Agent) -> Option<Instant> {
        let flagged = self.tempers.get(&agent.key)?;
        let lately = flagged.iter().filter(|at| self.now - **at < TEMPER).count();
        let until = *flagged.last()? + COOL_OFF;
        (lately >= 2 && until > self.now).then_some(until)
    }

    /// An agent's reply was flagged.
    pub fn flagged(&mut self, agent: &Agent) {
        let now = self.now;
        let flagged = self.tempers.entry(agent.key.clone()).or_default();
        flagged.retain(|at| now - *at < TEMPER);
        flagged.push(now);
    }

    /// The cards of a case, and the messages about its reply, are shown anew.
    pub fn renew(&mut self, directory: &Directory, number: CaseNumber) {
        for thread in self.threads.get(&number).cloned().unwrap_or_default() {
            let lane = Lane::cards(&thread.chat, &thread.channel);
            let (chat, channel) = (thread.chat, thread.channel);
            self.effect(lane, number, Effect::UpdateCard { chat, channel }, AT_ONCE);
        }
        let pending = self.cases.get(&number).and_then(|case| case.pending.as_ref());
        let reply = pending.and_then(|pending| self.replies.get(&pending.id)).cloned();
        if let Some(reply) = reply {
            self.update_reply(directory, &reply);
        }
    }

    /// Keeps a reply.
    pub fn put_reply(&mut self, reply: Reply) {
        let before = self.replies.get(&reply.id).map_or(0, |reply| reply.fence);
        self.counters.claims += (reply.fence - before).max(0);
        self.flights.retain(|flight| flight.reply != reply.id);
        self.flights.extend(Flight::of(&reply));
        self.touched_replies.insert(reply.id, ());
        self.replies.insert(reply.id, reply);
    }

    /// Notes in a new reply which event of this batch holds it.
    pub fn held(&mut self, id: ReplyId) {
        let holds = |record: &&EventRecord| speaks_of(&record.event) == Some(id);
        let event = self
            .changes
            .events
            .iter()
            .rev()
            .find(holds)
            .map(|record| record.id);
        if let Some(reply) = self.replies.get_mut(&id) {
            reply.held_by = event;
        }
    }

    /// A new case's number.
    pub fn next_case(&mut self) -> CaseNumber {
        self.counters.case += 1;
        CaseNumber(self.counters.case)
    }

    /// A new reply's number.
    pub fn next_reply(&mut self) -> ReplyId {
        self.counters.reply += 1;
        ReplyId(self.counters.reply)
    }

    /// Everything to write, and the new counters.
    pub fn finish(mut self, before: Counters) -> (Changes, Counters, Vec<Flight>) {
        for number in self.touched.keys() {
            let Some(case) = self.cases.remove(number) else {
                continue;
            };
            if number.0 > before.case {
                self.changes.new_cases.push(case);
            } else {
                self.changes.cases.push(case);
            }
        }
        for key in self.touched_posts.keys() {
            let Some(stored) = self.posts.remove(key) else {
                continue;
            };
            if self.stored.contains(key) {
                self.changes.posts.push(stored);
            } else {
                self.changes.new_posts.push(stored);
            }
        }
        self.changes.new_posts.sort_by_key(|stored| stored.case);
        for id in self.touched_replies.keys() {
            let Some(mut reply) = self.replies.remove(id) else {
                continue;
            };
            let from = self.loaded.get(id).copied();
            reply.step = from.map_or(0, |mark| mark.step) + 1;
            self.changes.replies.push(ReplyStep { from, reply });
        }
        if self.counters != before {
            self.changes.counters = Some(self.counters);
        }
        (self.changes, self.counters, self.flights)
    }
}
