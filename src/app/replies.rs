//! Replies on their way. Every step is one of the table's ([`machine`]): what it does not allow does
//! not happen, whoever asks.

use super::claims::target_changed;
use super::desk::Rules;
use super::pauses;
use super::request::ReplyEnd;
use super::work::Work;
use crate::domain::reply::machine;
use crate::domain::reply::{Cause, Facts, Taint};
use crate::domain::{By, Effect, EffectId, Event, Instant, Lane, Reply, ReplyId, ReplyState};
use crate::port::{Class, Published};
use crate::store::AttemptRow;
use chrono::TimeDelta;
use std::time::Duration;

/// The most attempts without a certain answer before a person is asked.
const MOST_DOUBTS: i64 = 3;
/// How long a reply is tried that cannot go out. Later it would surprise the customer and the team.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(6);
/// How long after a look that showed nothing the second one comes.
pub(super) const BETWEEN_LOOKS: TimeDelta = TimeDelta::seconds(15);
/// The most that a lease has beyond the time of one call: for the claim's commit and the connection.
const MOST_LEASE_MARGIN: Duration = Duration::from_secs(15);

/// How long the sender has from the claim to the end of the call. An attempt that broke off is looked
/// for after that, so a short time-out makes for a short wait.
pub(super) fn lease(timeout: Duration) -> Duration {
    timeout + timeout.min(MOST_LEASE_MARGIN)
}

/// What the table's guards are judged by, for the last attempt.
pub(super) fn facts(work: &Work, rules: &Rules, reply: &Reply) -> Facts {
    let network = rules.networks.get(&reply.source);
    let class = network.map_or(Class::None, |network| network.abilities().class);
    // How long from now on an attempt that is claimed now can take effect.
    let acts_for = lease(rules.timeout).saturating_add(rules.settle);
    let acts_for = TimeDelta::from_std(acts_for).unwrap_or(TimeDelta::MAX);
    let repeat_safe = match class {
        Class::Key { window } => {
            let window = TimeDelta::from_std(window).unwrap_or_default();
            // The next attempt must take effect inside the window, too, however late it does.
            reply
                .begun_at
                .is_none_or(|begun| work.now - begun < window.checked_sub(&acts_for).unwrap_or_default())
        }
        Class::Id => true,
        Class::Lookup | Class::None => false,
    };
    Facts {
        bound: reply.bound,
        other_person: false,
        tainted: reply.tainted,
        own_fence: true,
        settled: is_settled(reply, work.now),
        repeat_safe,
        decidable: class != Class::None,
        fresh: false,
        second_look: false,
        attempts_left: reply.doubts < MOST_DOUBTS,
    }
}

/// What a look shows is judged by when it began: between its reading and its being written down the
/// platform may have acted.
fn facts_of_look(reply: &Reply, looked_at: Instant, facts: &Facts) -> Facts {
    let absent_at = reply.absent_at;
    Facts {
        settled: is_settled(reply, looked_at),
        second_look: absent_at.is_some_and(|at| looked_at >= at + BETWEEN_LOOKS),
        ..*facts
    }
}

fn is_settled(reply: &Reply, at: Instant) -> bool {
    reply.settled_at.is_none_or(|settled| at >= settled)
}

/// Takes the step that this cause means, if the table allows one. The reply's state and taint are
/// then those after it.
pub(super) fn step(reply: &mut Reply, cause: Cause, facts: &Facts) -> bool {
    let Some(rule) = machine::step(reply.state, cause, facts) else {
        return false;
    };
    if reply.state != rule.to {
        metrics::counter!("hearback_replies_total", "state" => rule.to.word()).increment(1);
    }
    reply.state = rule.to;
    match rule.taint {
        Taint::Stays => {}
        Taint::Set => reply.tainted = true,
        Taint::Cleared => reply.tainted = false,
    }
    true
}

/// The facts of a step that people take.
pub(super) fn facts_for_people(work: &Work, rules: &Rules, reply: &Reply, other_person: bool) -> Facts {
    Facts {
        other_person,
        ..facts(work, rules, reply)
    }
}

/// Keeps a reply after a step, tells what happened, and renews the messages about it.
pub(super) fn keep(work: &mut Work, rules: &Rules, by: &By, reply: Reply, event: Option<Event>) {
    work.put_reply(reply.clone());
    if let Some(event) = event {
        work.happen(&rules.directory, reply.case, by, event);
    }
    work.update_reply(&rules.directory, &reply);
}

/// An agent took it back.
pub(super) fn taken_back(work: &mut Work, rules: &Rules, id: ReplyId) {
    let Some(mut reply) = work.replies.get(&id).cloned() else {
        return;
    };
    let facts = facts(work, rules, &reply);
    if step(&mut reply, Cause::TakenBack, &facts) {
        keep(work, rules, &By::System, reply, None);
    }
}

/// Nobody said yes in time.
pub(super) fn expired(work: &mut Work, rules: &Rules, id: ReplyId) {
    let Some(mut reply) = work.replies.get(&id).cloned() else {
        return;
    };
    let over = reply.expires_at.is_some_and(|at| at <= work.now);
    let facts = facts(work, rules, &reply);
    if over && step(&mut reply, Cause::Expired, &facts) {
        reply.reason = Some("Nobody said yes in time.".to_owned());
        keep(
            work,
            rules,
            &By::System,
            reply,
            Some(Event::ReplyExpired { reply: id }),
        );
    }
}

/// A reply that waits for a yes does not wait for ever.
pub(super) fn wait_for_people(work: &mut Work, rules: &Rules, reply: &mut Reply) -> Instant {
    let until = work.now + rules.approval_expires;
    reply.expires_at = Some(until);
    work.effect(
        Lane::timers(),
        reply.case,
        Effect::Expire { reply: reply.id },
        until,
    );
    until
}

/// Writes down what an attempt, or a look for it, came to.
pub(super) fn ended(
    work: &mut Work,
    rules: &Rules,
    effect: Option<EffectId>,
    (id, fence): (ReplyId, Option<i64>),
    end: ReplyEnd,
) {
    let Some(reply) = work.replies.get(&id).cloned() else {
        work.changes.effects_done.extend(effect);
        return;
    };
    match end {
        ReplyEnd::Waits(reason) if work.now - reply.hold_until < LONGEST_WAIT => {
            wait(work, rules, reply, fence, reason);
            return;
        }
        ReplyEnd::LookAgain(due) => {
            work.changes
                .effects_due
                .extend(effect.map(|effect| (effect, due)));
            return;
        }
        ReplyEnd::Waits(_)
        | ReplyEnd::Sent(_)
        | ReplyEnd::Several(_)
        | ReplyEnd::TargetChanged { .. }
        | ReplyEnd::Failed(_)
        | ReplyEnd::Forgotten(_)
        | ReplyEnd::Uncertain(_)
        | ReplyEnd::NotThere { .. }
        | ReplyEnd::Repeat { .. }
        | ReplyEnd::AskPerson(_) => {}
    }
    work.changes.effects_done.extend(effect);
    conclude(work, rules, &By::System, reply, fence, end);
}

/// Not executed, for certain: the same effect tries again, and the reply can be cancelled till then.
/// The thread is told once a reply.
fn wait(work: &mut Work, rules: &Rules, mut reply: Reply, fence: Option<i64>, reason: String) {
    let first = reply.reason.is_none();
    // Before the claim nothing changes: the effect comes again by itself.
    if reply.state == ReplyState::Sending {
        let facts = Facts {
            own_fence: fence.is_none_or(|fence| fence == reply.fence),
            ..facts(work, rules, &reply)
        };
        if !step(&mut reply, Cause::Delayed, &facts) {
            return;
        }
        note(work, &reply, "delayed", &reason);
    }
    reply.reason = Some(reason.clone());
    let delayed = first.then_some(Event::ReplyDelayed {
        reply: reply.id,
        reason,
    });
    if delayed.is_some() {
        keep(work, rules, &By::System, reply, delayed);
    } else {
        work.put_reply(reply);
    }
}

/// Concludes an attempt whose end is known or must be found out. `None`: nothing of it is news.
pub(super) fn conclude(
    work: &mut Work,
    rules: &Rules,
    by: &By,
    reply: Reply,
    fence: Option<i64>,
    end: ReplyEnd,
) -> Option<Event> {
    let facts = Facts {
        own_fence: fence.is_none_or(|fence| fence == reply.fence),
        ..facts(work, rules, &reply)
    };
    let hours = LONGEST_WAIT.num_hours();
    match end {
        ReplyEnd::Sent(published) => proven(work, rules, by, reply, &facts, published),
        ReplyEnd::Several(all) => {
            let places: Vec<_> = all.iter().map(place).collect();
            let reason = format!("It stands there {} times: {}", all.len(), places.join(" and "));
            alarm(work, rules, reply, &facts, reason)
        }
        ReplyEnd::TargetChanged { reason, now } => {
            target_changed(work, rules, reply, reason, now);
            None
        }
        ReplyEnd::Failed(reason) => refused(work, rules, reply, &facts, reason),
        ReplyEnd::Waits(reason) => {
            let reason = format!("It could not go out for {hours} hours: {reason}");
            given_up_waiting(work, rules, reply, &facts, reason)
        }
        ReplyEnd::Uncertain(reason) => {
            // Its own sender is done with it; any other one may be at work until its lease is over.
            let lease = reply.lease_until.filter(|_| fence.is_none());
            let over = lease.map_or(work.now, |until| until.max(work.now));
            doubted(work, rules, reply, &facts, (reason, over))
        }
        ReplyEnd::Forgotten(reason) => forgotten(work, rules, reply, &facts, reason),
        ReplyEnd::NotThere { .. } | ReplyEnd::Repeat { .. } if reply.forgotten => {
            let reason = "It is not to be seen, but the database lost what became of it".to_owned();
            ask_person(work, rules, reply, Cause::Undecidable, &facts, reason)
        }
        ReplyEnd::NotThere { fresh, looked_at } => {
            let facts = Facts {
                fresh,
                ..facts_of_look(&reply, looked_at, &facts)
            };
            not_seen(work, rules, reply, Cause::NotSeen, &facts)
        }
        ReplyEnd::Repeat { looked_at } => {
            let facts = facts_of_look(&reply, looked_at, &facts);
            not_seen(work, rules, reply, Cause::Repeatable, &facts)
        }
        // The words of its answer could not be kept: an attempt like any other without a certain end.
        ReplyEnd::AskPerson(reason) if reply.state == ReplyState::Sending => {
            doubted(work, rules, reply, &facts, (reason, work.now))
        }
        ReplyEnd::AskPerson(reason) => ask_person(work, rules, reply, Cause::Undecidable, &facts, reason),
        ReplyEnd::LookAgain(_) => None,
    }
}

fn place(published: &Published) -> &str {
    published.url.as_deref().unwrap_or(published.id.as_str())
}

/// The platform has it: where it belongs, or not.
fn proven(
    work: &mut Work,
    rules: &Rules,
    by: &By,
    mut reply: Reply,
    facts: &Facts,
    published: Published,
) -> Option<Event> {
    if let Some(reason) = wrong_place(work, &reply, &published) {
        return alarm(work, rules, reply, facts, reason);
    }
    if !step(&mut reply, Cause::Proven, facts) {
        return None;
    }
    note(work, &reply, "sent", place(&published));
    reply.remote_id = Some(published.id.clone());
    reply.url.clone_from(&published.url);
    work.own.insert((reply.source.clone(), published.id.clone()));
    let event = Event::ReplySent {
        reply: reply.id,
        audience: reply.audience,
        text: reply.text.clone(),
        remote: published.id,
        url: published.url,
    };
    keep(work, rules, by, reply, Some(event.clone()));
    Some(event)
}

/// Why what the platform says it published is not the reply where it belongs.
fn wrong_place(work: &Work, reply: &Reply, published: &Published) -> Option<String> {
    let at = place(published);
    if published.parent.as_ref() != Some(&reply.target) {
        return Some(format!(
            "It was published, but not under the post it answers: look at {at}"
        ));
    }
    if let (Some(author), Some(account)) = (&published.author, &reply.account)
        && author != account
    {
        return Some(format!(
            "It was published, but under another account: look at {at}"
        ));
    }
    let key = (reply.source.clone(), published.id.clone());
    let known = work.own.contains(&key) || work.posts.contains_key(&key);
    known.then(|| format!("The platform answered with a post that was there before: look at {at}"))
}

/// Something is published as it must not be: a person looks, and the account publishes nothing more
/// until somebody lets it go on.
fn alarm(work: &mut Work, rules: &Rules, reply: Reply, facts: &Facts, reason: String) -> Option<Event> {
    let source = reply.source.clone();
    tracing::error!(reply = %reply.id, case = %reply.case, %source, reason, "A reply is not where it belongs; its account stops publishing.");
    let event = ask_person(work, rules, reply, Cause::Misplaced, facts, reason.clone())?;
    if pauses::of(&work.pauses, &source).is_none() {
        work.pause(Some(source.clone()), Some(reason.clone()), "Hearback");
        let paused = Event::PublishingPaused {
            source: Some(source),
            reason,
        };
        work.happen(&rules.directory, crate::domain::NO_CASE, &By::System, paused);
    }
    Some(event)
}

/// Refused, for certain: that ends it, unless an earlier attempt is open.
fn refused(work: &mut Work, rules: &Rules, mut reply: Reply, facts: &Facts, reason: String) -> Option<Event> {
    if !step(&mut reply, Cause::Refused, facts) {
        return None;
    }
    note(work, &reply, "refused", &reason);
    reply.reason = Some(reason.clone());
    let event = if reply.state == ReplyState::Failed {
        Event::ReplyFailed {
            reply: reply.id,
            reason,
        }
    } else {
        // Otherwise it would be refused, looked for and sent again for ever.
        reply.doubts += 1;
        let reason =
            format!("An earlier attempt may have been published; the last one was refused: {reason}");
        look_for(work, rules, &mut reply, reason)
    };
    keep(work, rules, &By::System, reply, Some(event.clone()));
    Some(event)
}

fn given_up_waiting(
    work: &mut Work,
    rules: &Rules,
    reply: Reply,
    facts: &Facts,
    reason: String,
) -> Option<Event> {
    if reply.state == ReplyState::Sending {
        return refused(work, rules, reply, facts, reason);
    }
    // Not claimed, because what it answers could not be read.
    target_changed(work, rules, reply, reason, None);
    None
}

/// No certain answer. From `over` on no sender is at work on it.
fn doubted(
    work: &mut Work,
    rules: &Rules,
    mut reply: Reply,
    facts: &Facts,
    (reason, over): (String, Instant),
) -> Option<Event> {
    if !step(&mut reply, Cause::Doubted, facts) {
        return None;
    }
    note(work, &reply, "uncertain", &reason);
    reply.doubts += 1;
    reply.doubted_at = Some(work.now);
    reply.settled_at = Some(over + rules.settle);
    reply.absent_at = None;
    Some(look_or_ask(work, rules, reply, reason))
}

/// The database lost what came after: the reply may stand there, and is looked for.
fn forgotten(
    work: &mut Work,
    rules: &Rules,
    mut reply: Reply,
    facts: &Facts,
    reason: String,
) -> Option<Event> {
    if !step(&mut reply, Cause::Forgotten, facts) {
        return None;
    }
    note(work, &reply, "forgotten", &reason);
    reply.forgotten = true;
    reply.settled_at = Some(work.now);
    Some(look_or_ask(work, rules, reply, reason))
}

/// Has it looked for; where nobody can, a person is asked.
fn look_or_ask(work: &mut Work, rules: &Rules, mut reply: Reply, reason: String) -> Event {
    let event = if reply.state == ReplyState::NeedsHuman {
        reply.reason = Some(reason.clone());
        Event::ReplyNeedsHuman {
            reply: reply.id,
            reason,
        }
    } else {
        look_for(work, rules, &mut reply, reason)
    };
    keep(work, rules, &By::System, reply, Some(event.clone()));
    event
}

/// Has it looked for when the platform cannot act on it any more.
pub(super) fn look_for(work: &mut Work, rules: &Rules, reply: &mut Reply, reason: String) -> Event {
    let look_at = reply.settled_at.unwrap_or(work.now + rules.settle).max(work.now);
    reply.reason = Some(reason.clone());
    look_at_it(work, reply, look_at);
    Event::ReplyUncertain {
        reply: reply.id,
        reason,
        look_at,
    }
}

fn look_at_it(work: &mut Work, reply: &Reply, look_at: Instant) {
    let lane = Lane::replies(&reply.source);
    work.effect(lane, reply.case, Effect::Reconcile { reply: reply.id }, look_at);
}

/// A look showed nothing, or nobody could look but a repetition is safe.
fn not_seen(work: &mut Work, rules: &Rules, mut reply: Reply, cause: Cause, facts: &Facts) -> Option<Event> {
    let looked = cause == Cause::NotSeen;
    if !step(&mut reply, cause, facts) {
        // Too early, or the look may have been at a copy that lags: once more.
        if matches!(reply.state, ReplyState::Ambiguous | ReplyState::Reconciling) {
            let again = work.now + BETWEEN_LOOKS;
            look_at_it(work, &reply, again.max(reply.settled_at.unwrap_or(again)));
        }
        return None;
    }
    note(work, &reply, if looked { "not seen" } else { "not looked" }, "");
    let event = match reply.state {
        ReplyState::Reconciling => {
            reply.absent_at = Some(work.now);
            let look_at = work.now + BETWEEN_LOOKS;
            look_at_it(work, &reply, look_at);
            Event::ReplyNotSeen {
                reply: reply.id,
                look_at,
            }
        }
        ReplyState::NeedsHuman => {
            let seen = if looked { ", and it is not to be seen" } else { "" };
            let reason = if facts.attempts_left {
                "Nobody can look, and the platform would not recognise a repetition any more".to_owned()
            } else {
                format!("{MOST_DOUBTS} attempts had no certain answer{seen}")
            };
            reply.reason = Some(reason.clone());
            Event::ReplyNeedsHuman {
                reply: reply.id,
                reason,
            }
        }
        ReplyState::Draft
        | ReplyState::PendingApproval
        | ReplyState::Held
        | ReplyState::Queued
        | ReplyState::Sending
        | ReplyState::Sent
        | ReplyState::Failed
        | ReplyState::Ambiguous
        | ReplyState::Cancelled
        | ReplyState::Stale
        | ReplyState::Abandoned => again(work, &mut reply, looked),
    };
    keep(work, rules, &By::System, reply, Some(event.clone()));
    Some(event)
}

/// Sends it again.
pub(super) fn again(work: &mut Work, reply: &mut Reply, looked: bool) -> Event {
    reply.reason = None;
    reply.absent_at = None;
    let lane = Lane::replies(&reply.source);
    work.effect(lane, reply.case, Effect::SendReply { reply: reply.id }, work.now);
    Event::ReplyRetried {
        reply: reply.id,
        looked,
    }
}

fn ask_person(
    work: &mut Work,
    rules: &Rules,
    mut reply: Reply,
    cause: Cause,
    facts: &Facts,
    reason: String,
) -> Option<Event> {
    if !step(&mut reply, cause, facts) {
        return None;
    }
    note(work, &reply, "needs a person", &reason);
    reply.reason = Some(reason.clone());
    let event = Event::ReplyNeedsHuman {
        reply: reply.id,
        reason,
    };
    keep(work, rules, &By::System, reply, Some(event.clone()));
    Some(event)
}

/// A line in the history of a send.
pub(super) fn note(work: &mut Work, reply: &Reply, what: &str, detail: &str) {
    work.changes.attempts.push(AttemptRow {
        reply: reply.id,
        fence: reply.fence,
        at: work.now,
        what: what.to_owned(),
        detail: detail.to_owned(),
    });
}

/// What stands for the platform's id of a reply that a person saw there.
pub(super) fn seen_by_person(reply: &Reply, address: &str) -> Published {
    Published {
        id: Reply::id_seen_by_person(reply.id),
        url: Some(address.to_owned()),
        parent: Some(reply.target.clone()),
        author: reply.account.clone(),
    }
}

#[cfg(test)]
mod tests;
