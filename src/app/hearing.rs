//! What stands between a source and the cases: its rules, and the guard against a feed that shows its
//! whole history at once.

use super::desk::Rules;
use super::work::{AT_ONCE, PostKey, Work};
use crate::domain::listen::{Heard, Listening, is_to_us};
use crate::domain::{Effect, Instant, Lane, NO_CASE, NativeId, Notice, Post, Sighting, SourceName};
use crate::store::{UnheardRow, Why};
use chrono::TimeDelta;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// So many new posts at once are never a flood, however few are known.
const LEAST_FLOOD: usize = 5;
/// What a feed shows within this time after a flood belongs to it: its other pages.
const SAME_FLOOD: TimeDelta = TimeDelta::minutes(10);
/// How soon the next flood of a source is told of again.
const TELL_AGAIN: TimeDelta = TimeDelta::hours(1);
/// For how long a source that somebody let in is not guarded: it is a bad day, and they know.
const LET_IN: TimeDelta = TimeDelta::hours(24);
/// The most of what the rules of a source pass over that is kept, in an hour.
const MOST_KEPT: u32 = 60;
/// From how many known posts on only the plain number counts; so many are counted at most.
pub(super) const MOST_COUNTED: i64 = 64;

/// What is heard of the sources.
#[derive(Debug, Default)]
pub struct Hearing {
    /// The rules of all sources.
    pub listening: Listening,
    /// From how many new posts at once on a feed is set aside, by source; one that is not here is not
    /// guarded.
    pub floods: HashMap<SourceName, usize>,
    /// Whether what rules pass over is kept for a while, so that a rule can be tried on it.
    pub keeps: bool,
}

impl Hearing {
    /// Whether anything stands between this source and the cases.
    pub(super) fn minds(&self, source: &SourceName) -> bool {
        self.listening.is_choosy(source) || self.floods.contains_key(source)
    }
}

/// What is remembered of the sources from one commit to the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    sources: HashMap<SourceName, Remembered>,
}

#[derive(Debug, Clone, Default)]
struct Remembered {
    /// The hour in which posts were kept that rules passed over, and how many.
    kept: (i64, u32),
    /// Until when what it shows belongs to a flood.
    flood: Option<Instant>,
    /// When a flood was told of last.
    told: Option<Instant>,
    /// Until when it is not guarded.
    open: Option<Instant>,
}

impl Memory {
    fn of(&mut self, source: &SourceName) -> &mut Remembered {
        self.sources.entry(source.clone()).or_default()
    }
}

/// How posts of a request come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// By the rules.
    Rules,
    /// Set aside: the feed shows too much at once. Asked for, it says that somebody left out what was.
    Closed,
    /// All of them: somebody let them in.
    Open,
}

/// What becomes of a post that is not known and goes on no case.
pub(super) enum Fate {
    /// It opens a case, with these labels.
    Opens(Vec<Arc<str>>),
    /// It opens none, for this reason.
    Unheard(Why),
}

/// What becomes of a new post.
pub(super) fn fate(work: &mut Work, rules: &Rules, post: &Post, gate: Gate) -> Fate {
    let heard = rules.hearing.listening.judge(post, &mut work.scratch);
    match (heard, gate) {
        (Heard::ToUs, _) => Fate::Opens(Vec::new()),
        (Heard::Caught(names), Gate::Open) => Fate::Opens(names),
        (_, Gate::Open) => Fate::Opens(Vec::new()),
        (Heard::No, _) => Fate::Unheard(Why::Rules),
        (Heard::Everything | Heard::Caught(_), Gate::Closed) => {
            // Without rules nothing was asked yet.
            match is_to_us(post) {
                true => Fate::Opens(Vec::new()),
                false => Fate::Unheard(Why::Flood),
            }
        }
        (Heard::Everything, Gate::Rules) => Fate::Opens(Vec::new()),
        (Heard::Caught(names), Gate::Rules) => Fate::Opens(names),
    }
}

/// Keeps what opens no case, as far as it is kept.
pub(super) fn pass_over(work: &mut Work, rules: &Rules, post: Post, why: Why) {
    let key = (post.source.clone(), post.id.clone());
    let known = work.unheard.get(&key).copied();
    if known.is_some_and(|known| known != Why::Rules || post.edited_at.is_none()) {
        return;
    }
    let (source, word) = (post.source.to_string(), why.word());
    metrics::counter!("hearback_unheard_total", "source" => source, "why" => word).increment(1);
    if why == Why::Rules && known.is_none() && !has_room(work, rules, &post.source) {
        return;
    }
    work.unheard.insert(key, why);
    let at = work.now;
    work.changes.unheard.push(UnheardRow { post, at, why });
}

/// Whether one more of what the rules pass over is kept.
fn has_room(work: &mut Work, rules: &Rules, source: &SourceName) -> bool {
    let hour = work.now.timestamp() / 3_600;
    let kept = &mut work.memory.of(source).kept;
    if kept.0 != hour {
        *kept = (hour, 0);
    }
    kept.1 += 1;
    rules.hearing.keeps && kept.1 <= MOST_KEPT
}

/// What waits goes on waiting, and what was left out stays out, also after an edit; but what comes in at last is
/// what it says then.
pub(super) fn waits_on(work: &mut Work, post: Post, why: Why) {
    if why == Why::Flood && post.edited_at.is_some() {
        let at = work.now;
        work.changes.unheard.push(UnheardRow { post, at, why });
    }
}

/// The post is one of ours to work on, or is gone: what was kept of it goes.
pub(super) fn forget(work: &mut Work, key: &PostKey) {
    if work.unheard.remove(key).is_some() {
        work.changes
            .unheard
            .retain(|row| row.post.source != key.0 || row.post.id != key.1);
        work.changes.unheard_gone.push(key.clone());
    }
}

/// Whether what this request shows is set aside; tells of it when it begins.
pub(super) fn gate(work: &mut Work, rules: &Rules, source: &SourceName, sightings: &[Sighting]) -> Gate {
    let Some(most) = rules.hearing.floods.get(source) else {
        return Gate::Rules;
    };
    let now = work.now;
    let is_ahead = |until: Option<Instant>| until.is_some_and(|until| now < until);
    let memory = work.memory.of(source);
    if is_ahead(memory.open) {
        return Gate::Rules;
    }
    if is_ahead(memory.flood) {
        return Gate::Closed;
    }
    if sightings.len() < LEAST_FLOOD {
        return Gate::Rules;
    }
    // A page may show a post twice.
    let new = sightings
        .iter()
        .filter_map(|sighting| opens(work, rules, sighting));
    let new = new.collect::<HashSet<_>>().len();
    if !is_flood(new, work.known.get(source).copied().unwrap_or(0), *most) {
        return Gate::Rules;
    }
    tracing::warn!(%source, new, "A feed shows many new posts at once; they are set aside until somebody lets them in.");
    let memory = work.memory.of(source);
    memory.flood = Some(now + SAME_FLOOD);
    if memory.told.is_none_or(|told| now - told >= TELL_AGAIN) {
        memory.told = Some(now);
        let source = source.clone();
        announce(work, rules, Notice::Flood { source });
    }
    Gate::Closed
}

/// More than so many new posts, or half as many as are known.
fn is_flood(new: usize, known: i64, most: usize) -> bool {
    let doubled = i64::try_from(new).unwrap_or(i64::MAX).saturating_mul(2);
    new > most || (new >= LEAST_FLOOD && (1..MOST_COUNTED).contains(&known) && doubled >= known)
}

/// What was seen, if it would open a case and was not written to us.
fn opens<'a>(work: &mut Work, rules: &Rules, sighting: &'a Sighting) -> Option<&'a NativeId> {
    let Sighting::Post(post) = sighting else {
        return None;
    };
    let key = (post.source.clone(), post.id.clone());
    let talk = (
        post.source.clone(),
        post.conversation.clone(),
        post.author.id.clone(),
    );
    let is_known = work.posts.contains_key(&key)
        || work.own.contains(&key)
        || work.talks.contains_key(&talk)
        || work.inbox.contains_key(&super::intake::tombstone(&key))
        || work.unheard.get(&key).is_some_and(|why| *why != Why::Rules);
    let opens = !post.deleted
        && !is_known
        && !is_to_us(post)
        && rules.hearing.listening.judge(post, &mut work.scratch) != Heard::No;
    opens.then_some(&post.id)
}

/// Lets a source through from now on: somebody saw what it shows.
pub(super) fn open(work: &mut Work, source: &SourceName) {
    let until = work.now + LET_IN;
    let memory = work.memory.of(source);
    memory.open = Some(until);
    memory.flood = None;
}

/// The flood is over: somebody left it out. The next one is another, and is told of.
pub(super) fn calm(work: &mut Work, source: &SourceName) {
    let memory = work.memory.of(source);
    memory.flood = None;
    memory.told = None;
}

/// Tells the team about something that is no case.
pub(super) fn announce(work: &mut Work, rules: &Rules, notice: Notice) {
    for home in rules.directory.alerts() {
        let announce = Effect::Announce {
            chat: home.chat.clone(),
            channel: home.channel.clone(),
            notice: notice.clone(),
        };
        let lane = Lane::channel(&home.chat, &home.channel);
        work.effect(lane, NO_CASE, announce, AT_ONCE);
    }
}

#[cfg(test)]
mod tests {
    use super::is_flood;
    use rstest::rstest;

    #[rstest]
    #[case::ordinary(20, 1_000, false)]
    #[case::more_than_twenty(21, 1_000, true)]
    #[case::half_of_what_is_known(10, 20, true)]
    #[case::less_than_half(9, 20, false)]
    #[case::few_are_never_one(4, 4, false)]
    #[case::a_first_reading(20, 0, false)]
    #[case::a_first_reading_of_a_long_one(21, 0, true)]
    fn a_flood_is_more_than_a_feed_shows_on_a_usual_day(
        #[case] new: usize,
        #[case] known: i64,
        #[case] flood: bool,
    ) {
        assert_eq!(is_flood(new, known, 20), flood);
    }
}
