//! What agents ask for, decided case by case; and what becomes of effects.

use super::answers;
use super::desk::Rules;
use super::directory::Known;
use super::inbound::Response;
use super::pauses;
use super::replies;
use super::request::{Ask, Order, Settled};
use super::text;
use super::work::{AT_ONCE, Work};
use crate::domain::case::{Wish, decide};
use crate::domain::{
    By, Case, CaseNumber, Effect, Event, Lane, NO_CASE, Refusal, Reply, ReplyState, Role, Status,
};
use crate::store::{InboxRow, ReplyMessage, Thread};

/// Who acts, and how the log names them.
pub(super) struct Actor<'a> {
    pub known: &'a Known,
    pub by: By,
}

/// Carries out a command once, and answers it in the table of orders if it came from there.
pub(super) fn command(work: &mut Work, rules: &Rules, mut order: Order) -> Response {
    let outside = order.outside.take();
    let response = once(work, rules, order);
    if let Some(key) = outside
        && let Ok(answer) = serde_json::to_string(&response)
    {
        work.changes.orders_answered.push((key, answer));
    }
    response
}

/// A repeated key gets the answer that was given before.
fn once(work: &mut Work, rules: &Rules, order: Order) -> Response {
    if let Some(answer) = work.inbox.get(&order.key).and_then(|answer| answered(answer)) {
        return answer;
    }
    let Order {
        key,
        by,
        chat,
        case: number,
        ask,
        retriable,
        outside: _,
    } = order;
    let actor = Actor {
        by: By::Agent {
            agent: by.agent.clone(),
            chat,
        },
        known: &by,
    };
    let response = match (work.cases.get(&number).cloned(), ask) {
        (_, Ask::Pause { paused, reason }) => pause(work, rules, &actor, paused, reason),
        (None, _) => text::no_such_case(number),
        (Some(case), ask) => about(work, rules, &actor, &case, ask),
    };
    let kept = !(retriable && matches!(response, Response::Refused(_)));
    if kept && let Ok(answer) = serde_json::to_string(&response) {
        work.inbox.insert(key.clone(), answer.clone());
        work.changes.inbox.push(InboxRow {
            key,
            at: work.now,
            answer,
        });
    }
    response
}

/// What the inbox keeps of an answer; nothing where the person it was about was erased.
pub(super) fn answered(kept: &str) -> Option<Response> {
    serde_json::from_str(kept).ok()
}

fn about(work: &mut Work, rules: &Rules, actor: &Actor<'_>, case: &Case, ask: Ask) -> Response {
    match ask {
        Ask::Reply { audience, text } => answers::reply(work, rules, actor, case, audience, &text),
        Ask::Approve { words } => answers::approve(work, rules, actor, case, words.as_deref()),
        Ask::Reject { reason } => answers::reject(work, rules, actor, case, reason),
        Ask::Press {
            reply,
            version,
            seal,
            what,
        } => answers::pressed(work, rules, actor, case, (reply, version, &seal), what),
        Ask::Pause { .. } => text::no_such_case(case.number),
        Ask::Wish(Wish::Cancel) if is_claimed(work, case) => {
            text::refused(Refusal::TooLateToCancel { case: case.number })
        }
        Ask::Wish(wish) => match decide(case, &actor.known.agent, actor.known.role, wish, work.now) {
            Ok(events) => grant(work, rules, case.number, &actor.by, events),
            Err(refusal) => text::refused(refusal),
        },
    }
}

/// Stops publishing, or lets it go on. Leads only; the claim of the next reply sees it.
fn pause(work: &mut Work, rules: &Rules, actor: &Actor<'_>, paused: bool, reason: String) -> Response {
    if actor.known.role < Role::Lead {
        return text::only_leads();
    }
    let over = if paused {
        work.pauses.contains_key(&None)
    } else {
        work.pauses.is_empty()
    };
    if over {
        return text::paused_already(paused);
    }
    let name = &actor.known.agent.name;
    let events = if paused {
        work.pause(None, Some(reason.clone()), name);
        vec![Event::PublishingPaused { source: None, reason }]
    } else {
        // Sources that an alarm stopped go on, too: who says so has seen the cards.
        let stopped: Vec<_> = work.pauses.keys().cloned().collect();
        let resumed = stopped.into_iter().map(|source| {
            work.pause(source.clone(), None, name);
            Event::PublishingResumed { source }
        });
        resumed.collect()
    };
    for event in events {
        work.happen(&rules.directory, NO_CASE, &actor.by, event);
    }
    text::paused(paused)
}

/// Whether the waiting reply is, or may be, with the platform already: the log does not know the claim.
fn is_claimed(work: &Work, case: &Case) -> bool {
    let pending = case.pending.as_ref();
    let reply = pending.and_then(|pending| work.replies.get(&pending.id));
    reply.is_some_and(|reply| match reply.state {
        ReplyState::Held | ReplyState::Queued => reply.tainted,
        ReplyState::Sending | ReplyState::Ambiguous | ReplyState::Reconciling => true,
        // The case says it.
        ReplyState::Draft
        | ReplyState::PendingApproval
        | ReplyState::Stale
        | ReplyState::NeedsHuman
        | ReplyState::Sent
        | ReplyState::Failed
        | ReplyState::Cancelled
        | ReplyState::Abandoned => false,
    })
}

/// Lets the events of a granted wish happen, with what they bring about beyond the mirrors.
pub(super) fn grant(
    work: &mut Work,
    rules: &Rules,
    number: CaseNumber,
    by: &By,
    events: Vec<Event>,
) -> Response {
    for event in &events {
        work.happen(&rules.directory, number, by, event.clone());
        match event {
            Event::Snoozed { until } => work.effect(Lane::timers(), number, Effect::Wake, *until),
            Event::ReplyCancelled { reply } => replies::taken_back(work, rules, *reply),
            _ => {}
        }
    }
    match work.cases.get(&number) {
        Some(case) => text::granted(case, &events),
        None => text::no_such_case(number),
    }
}

/// Writes down what became of effects.
pub(super) fn settle(work: &mut Work, rules: &Rules, settled: Settled) {
    match settled {
        Settled::Done(effect) => work.changes.effects_done.push(effect),
        Settled::Dead(effect, reason) => work.changes.effects_dead.push((effect, reason)),
        Settled::Opened {
            effect,
            case,
            chat,
            channel,
            thread,
            card,
            shown,
        } => {
            work.changes.effects_done.extend(effect);
            // What happened while the thread was being opened had no card to change yet.
            if work.cases.get(&case).is_some_and(|case| case.version != shown) {
                let lane = Lane::cards(&chat, &channel);
                let (chat, channel) = (chat.clone(), channel.clone());
                work.effect(lane, case, Effect::UpdateCard { chat, channel }, AT_ONCE);
            }
            work.changes.threads.push(Thread {
                case,
                chat,
                channel,
                thread,
                card,
            });
        }
        Settled::ReplyTold {
            effect,
            reply,
            chat,
            channel,
            message,
            shown,
        } => {
            work.changes.effects_done.push(effect);
            let told = ReplyMessage {
                reply,
                chat,
                channel,
                message,
            };
            work.changes.reply_messages.push(told);
            // A pause is no step: the message may have been written before it was known.
            let differs = |reply: &&Reply| {
                let waits = matches!(reply.state, ReplyState::Held | ReplyState::Queued);
                reply.step != shown || (waits && pauses::of(&work.pauses, &reply.source).is_some())
            };
            if let Some(reply) = work.replies.get(&reply).filter(differs).cloned() {
                work.update_reply(&rules.directory, &reply);
            }
        }
        Settled::Reply {
            effect,
            reply,
            fence,
            end,
        } => replies::ended(work, rules, effect, (reply, fence), end),
        Settled::Expired { effect, reply } => {
            work.changes.effects_done.push(effect);
            replies::expired(work, rules, reply);
        }
        Settled::Owes { case, effects } => {
            for (lane, effect, due_at) in effects {
                work.effect(lane, case, effect, due_at);
            }
        }
        Settled::Woken { effect, case } => {
            work.changes.effects_done.push(effect);
            let due = work.cases.get(&case).is_some_and(|case| {
                case.status == Status::Snoozed && case.snoozed_until.is_some_and(|until| until <= work.now)
            });
            if due {
                work.happen(&rules.directory, case, &By::System, Event::Woke);
            }
        }
    }
}
