//! The claim of a reply, before the first byte: whether it still may go, and that nobody else takes it.

use super::desk::Rules;
use super::pauses;
use super::replies::{facts, keep, lease, look_for, note, step, wait_for_people};
use super::request::Claimed;
use super::work::Work;
use crate::domain::reply::Cause;
use crate::domain::{By, Event, Post, Reply, ReplyId, ReplyState};

/// The claim: from here on the reply may be published. Committed before the first byte.
pub(super) fn claim(work: &mut Work, rules: &Rules, id: ReplyId) -> Claimed {
    let Some(mut reply) = work.replies.get(&id).cloned() else {
        return Claimed::No;
    };
    if !matches!(reply.state, ReplyState::Held | ReplyState::Queued) {
        return Claimed::No;
    }
    if pauses::of(&work.pauses, &reply.source).is_some() {
        return Claimed::Paused;
    }
    if let Some((reason, now)) = changed(work, rules, &reply) {
        target_changed(work, rules, reply, reason, now);
        return Claimed::No;
    }
    let facts = facts(work, rules, &reply);
    if !step(&mut reply, Cause::Claimed, &facts) {
        return Claimed::No;
    }
    if reply.state == ReplyState::Ambiguous {
        look_instead(work, rules, reply);
        return Claimed::No;
    }
    reply.fence += 1;
    reply.begun_at = reply.begun_at.or(Some(work.now));
    reply.lease_until = Some(work.now + lease(rules.timeout));
    note(work, &reply, "claimed", "");
    work.put_reply(reply.clone());
    Claimed::Send(Box::new(reply))
}

/// It was to be sent again by its key, but waited for so long that the platform may have forgotten that.
fn look_instead(work: &mut Work, rules: &Rules, mut reply: Reply) {
    let reason = "An earlier attempt may have been published, and the platform would not recognise \
                  a repetition any more.";
    note(work, &reply, "too late to repeat", "");
    let event = look_for(work, rules, &mut reply, reason.to_owned());
    keep(work, rules, &By::System, reply, Some(event));
}

/// What is not any more as it was when the reply was approved, as far as it is known here.
fn changed(work: &Work, rules: &Rules, reply: &Reply) -> Option<(String, Option<String>)> {
    if !reply.is_as_frozen() {
        tracing::error!(reply = %reply.id, case = %reply.case, "A stored reply is not what was approved.");
        return Some(("The stored reply is not what was approved.".to_owned(), None));
    }
    let network = rules.networks.get(&reply.source);
    let account = network.and_then(|network| network.abilities().account);
    if let (Some(frozen), Some(now)) = (&reply.account, &account)
        && frozen != now
    {
        let why = "The source answers under another account now than when the reply was approved.";
        return Some((why.to_owned(), None));
    }
    let post = work.posts.get(&(reply.source.clone(), reply.target.clone()));
    differs(reply, post.map(|stored| &stored.post))
}

fn differs(reply: &Reply, post: Option<&Post>) -> Option<(String, Option<String>)> {
    let post = post?;
    if post.deleted {
        return Some(("The customer deleted the post that it answers.".to_owned(), None));
    }
    let before = reply.target_text.as_deref()?;
    (!same_words(before, &post.text)).then(|| {
        let why = "The customer edited the post that it answers.".to_owned();
        (why, Some(post.text.clone()))
    })
}

/// Whether two texts say the same: blanks and letter case do not matter.
pub(super) fn same_words(one: &str, other: &str) -> bool {
    let words = |text: &str| {
        text.to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    words(one) == words(other)
}

/// It stays here, and its author is asked; or a person, if an attempt is open.
pub(super) fn target_changed(
    work: &mut Work,
    rules: &Rules,
    mut reply: Reply,
    reason: String,
    now: Option<String>,
) {
    let facts = facts(work, rules, &reply);
    if !step(&mut reply, Cause::TargetChanged, &facts) {
        return;
    }
    note(work, &reply, "stopped", &reason);
    reply.reason = Some(reason.clone());
    reply.target_seen.clone_from(&now);
    let event = if reply.state == ReplyState::NeedsHuman {
        Event::ReplyNeedsHuman {
            reply: reply.id,
            reason: format!("An earlier attempt may have been published. {reason}"),
        }
    } else {
        wait_for_people(work, rules, &mut reply);
        Event::ReplyStale {
            reply: reply.id,
            before: now.as_ref().and(reply.target_text.clone()),
            after: now,
            reason,
        }
    };
    keep(work, rules, &By::System, reply, Some(event));
}
