//! What agents ask for, decided case by case; and what becomes of replies.

use super::desk::Rules;
use super::inbound::Response;
use super::request::{Ask, Order, ReplyEnd, Settled};
use super::text;
use super::work::{AT_ONCE, Work};
use crate::domain::case::{Wish, decide};
use crate::domain::{
    Audience, By, Case, CaseNumber, Effect, EffectId, Event, IdempotencyKey, Lane, NativeId, Refusal, Reply,
    ReplyId, ReplyState, Status, Visibility,
};
use crate::port::Class;
use crate::store::{InboxRow, ReplyMessage, Thread};
use chrono::TimeDelta;

/// The most attempts without a certain answer before a person is asked.
const MOST_DOUBTS: i64 = 3;
/// How long a reply is tried that cannot go out. Later it would surprise the customer and the team.
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(6);

/// Carries out a command once; a repeated key gets the answer that was given before.
pub(super) fn command(work: &mut Work, rules: &Rules, order: Order) -> Response {
    if let Some(answer) = work.inbox.get(&order.key)
        && let Ok(answer) = serde_json::from_str(answer)
    {
        return answer;
    }
    let Order {
        key,
        by,
        chat,
        case: number,
        ask,
        retriable,
    } = order;
    let response = match work.cases.get(&number).cloned() {
        None => text::no_such_case(number),
        Some(case) => {
            let agent = By::Agent {
                agent: by.agent.clone(),
                chat,
            };
            match ask {
                Ask::Settle { reply, there } => settle_by_person(work, rules, &agent, reply, there),
                Ask::Reply { audience, text } => match compose(work, rules, &case, audience, &text) {
                    Ok(draft) => reply(work, rules, &by, &agent, &case, draft),
                    Err(refusal) => refusal,
                },
                Ask::Wish(Wish::Cancel) if is_claimed(work, &case) => {
                    text::refused(Refusal::TooLateToCancel { case: number })
                }
                Ask::Wish(wish) => match decide(&case, &by.agent, by.role, wish, work.now) {
                    Ok(events) => grant(work, rules, number, &agent, events),
                    Err(refusal) => text::refused(refusal),
                },
            }
        }
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

/// Whether the waiting reply is, or may be, with the platform already: the log does not know the claim.
fn is_claimed(work: &Work, case: &Case) -> bool {
    let reply = case.pending.and_then(|pending| work.replies.get(&pending.id));
    reply.is_some_and(|reply| match reply.state {
        ReplyState::Held | ReplyState::Queued => reply.tainted,
        ReplyState::Sending | ReplyState::Ambiguous => true,
        // The case says it.
        ReplyState::NeedsHuman | ReplyState::Sent | ReplyState::Failed | ReplyState::Cancelled => false,
    })
}

/// Lets the events of a granted wish happen, with what they bring about beyond the mirrors.
fn grant(work: &mut Work, rules: &Rules, number: CaseNumber, by: &By, events: Vec<Event>) -> Response {
    for event in &events {
        work.happen(&rules.directory, number, by, event.clone());
        match event {
            Event::Snoozed { until } => work.effect(Lane::timers(), number, Effect::Wake, *until),
            Event::ReplyCancelled { reply } => end_reply(work, rules, *reply, ReplyState::Cancelled),
            _ => {}
        }
    }
    match work.cases.get(&number) {
        Some(case) => text::granted(case, &events),
        None => text::no_such_case(number),
    }
}

/// A text as it would be published, with the post it answers.
struct Draft {
    text: String,
    audience: Audience,
    target: crate::domain::Post,
}

#[expect(clippy::result_large_err, reason = "a refusal is an answer; it is moved once")]
/// Finds the post that is answered and composes the text; too long is refused here, with the count.
fn compose(
    work: &Work,
    rules: &Rules,
    case: &Case,
    audience: Audience,
    words: &str,
) -> Result<Draft, Response> {
    let Some(network) = rules.networks.get(&case.source) else {
        return Err(text::source_gone(case.source.as_str()));
    };
    let abilities = network.abilities();
    if audience == Audience::Private && !abilities.private {
        return Err(text::no_private(&abilities.label));
    }
    let Some(target) = work.last_standing_post(case) else {
        return Err(text::target_gone(case.number));
    };
    if words.trim().is_empty() {
        return Err(text::refused(Refusal::Empty { verb: "send" }));
    }
    // What was said in private is answered in private, whatever the verb.
    let audience = match target.visibility {
        Visibility::Private => Audience::Private,
        Visibility::Public | Visibility::Unlisted | Visibility::Followers => audience,
    };
    let composed = network.compose(words, &target.author.handle, audience);
    if let Some(why) = composed.refusal {
        return Err(text::refused(why));
    }
    if composed.length > composed.limit {
        return Err(text::too_long(&composed, &abilities.label));
    }
    Ok(Draft {
        text: composed.text,
        audience,
        target,
    })
}

/// Freezes the reply and holds it for the undo window.
fn reply(
    work: &mut Work,
    rules: &Rules,
    by: &super::directory::Known,
    agent: &By,
    case: &Case,
    draft: Draft,
) -> Response {
    let id = ReplyId(work.counters.reply + 1);
    let until = work.now + rules.hold;
    let Draft {
        text,
        audience,
        target,
    } = draft;
    let wish = Wish::Reply {
        reply: id,
        audience,
        text: text.clone(),
        until,
    };
    let events = match decide(case, &by.agent, by.role, wish, work.now) {
        Ok(events) => events,
        Err(refusal) => return text::refused(refusal),
    };
    let id = work.next_reply();
    work.put_reply(Reply {
        id,
        case: case.number,
        source: case.source.clone(),
        conversation: case.conversation.clone(),
        target: target.id,
        target_visibility: target.visibility,
        author: target.author.id,
        author_handle: target.author.handle,
        lang: target.lang,
        audience,
        text,
        agent: by.agent.clone(),
        key: IdempotencyKey::new(format!("{}-r{id}", rules.installation)),
        held_by: None,
        state: ReplyState::Held,
        created_at: work.now,
        hold_until: until,
        fence: 0,
        begun_at: None,
        doubts: 0,
        doubted_at: None,
        tainted: false,
        remote_id: None,
        url: None,
        reason: None,
    });
    let response = grant(work, rules, case.number, agent, events);
    work.held(id);
    work.effect(
        Lane::replies(&case.source),
        case.number,
        Effect::SendReply { reply: id },
        until,
    );
    response
}

/// Moves a reply to a state without an event of its own, and updates the messages about it.
fn end_reply(work: &mut Work, rules: &Rules, id: ReplyId, state: ReplyState) {
    let Some(mut reply) = work.replies.get(&id).cloned() else {
        return;
    };
    reply.state = state;
    metrics::counter!("hearback_replies_total", "state" => state.word()).increment(1);
    work.put_reply(reply.clone());
    work.update_reply(&rules.directory, &reply);
}

/// The claim: from here on the reply may be published. Committed before the first byte.
pub(super) fn claim(work: &mut Work, id: ReplyId) -> Option<Box<Reply>> {
    let mut reply = work.replies.get(&id)?.clone();
    match reply.state {
        ReplyState::Held | ReplyState::Queued => {}
        ReplyState::Sending
        | ReplyState::Sent
        | ReplyState::Failed
        | ReplyState::Ambiguous
        | ReplyState::NeedsHuman
        | ReplyState::Cancelled => return None,
    }
    reply.state = ReplyState::Sending;
    reply.fence += 1;
    reply.begun_at = reply.begun_at.or(Some(work.now));
    work.put_reply(reply.clone());
    Some(Box::new(reply))
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
        } => {
            work.changes.effects_done.push(effect);
            let told = ReplyMessage {
                reply,
                chat,
                channel,
                message,
            };
            work.changes.reply_messages.push(told);
            if work
                .replies
                .get(&reply)
                .is_some_and(|reply| reply.state != ReplyState::Held)
                && let Some(reply) = work.replies.get(&reply).cloned()
            {
                work.update_reply(&rules.directory, &reply);
            }
        }
        Settled::Owes { case, effects } => {
            for (lane, effect, due_at) in effects {
                work.effect(lane, case, effect, due_at);
            }
        }
        Settled::Reply { effect, reply, end } => settle_reply(work, rules, effect, reply, end),
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

fn settle_reply(work: &mut Work, rules: &Rules, effect: Option<EffectId>, id: ReplyId, end: ReplyEnd) {
    let Some(reply) = work.replies.get(&id).cloned() else {
        work.changes.effects_done.extend(effect);
        return;
    };
    match end {
        ReplyEnd::Waits(reason) if work.now - reply.hold_until < LONGEST_WAIT => {
            wait(work, rules, reply, reason);
            return;
        }
        ReplyEnd::LookAgain(due) => {
            let due = effect.map(|effect| (effect, due));
            work.changes.effects_due.extend(due);
            return;
        }
        ReplyEnd::Waits(_)
        | ReplyEnd::Sent { .. }
        | ReplyEnd::Failed(_)
        | ReplyEnd::Uncertain(_)
        | ReplyEnd::NotThere
        | ReplyEnd::Repeat
        | ReplyEnd::AskPerson(_) => {}
    }
    work.changes.effects_done.extend(effect);
    if matches!(reply.state, ReplyState::Sending | ReplyState::Ambiguous) {
        conclude(work, rules, &By::System, reply, end);
    }
}

/// Not executed, for certain: the same effect tries again, and the reply can be cancelled till then.
/// The thread is told once a reply.
fn wait(work: &mut Work, rules: &Rules, reply: Reply, reason: String) {
    if reply.state != ReplyState::Sending {
        return;
    }
    let (id, case, first) = (reply.id, reply.case, reply.reason.is_none());
    let waiting = Reply {
        state: ReplyState::Queued,
        reason: Some(reason.clone()),
        ..reply
    };
    work.put_reply(waiting.clone());
    if first {
        let delayed = Event::ReplyDelayed { reply: id, reason };
        work.happen(&rules.directory, case, &By::System, delayed);
        work.update_reply(&rules.directory, &waiting);
    }
}

/// Concludes an attempt whose end is known or must be found out. `None`: it has no end yet.
fn conclude(work: &mut Work, rules: &Rules, by: &By, mut reply: Reply, end: ReplyEnd) -> Option<Event> {
    let event = match end {
        ReplyEnd::Sent { remote, url } => sent(work, &mut reply, remote, url),
        ReplyEnd::Failed(reason) if reply.tainted => ask_person(
            &mut reply,
            format!("An earlier attempt may have been published; the last one was refused: {reason}"),
        ),
        ReplyEnd::Failed(reason) => failed(&mut reply, reason),
        ReplyEnd::Waits(reason) => {
            let hours = LONGEST_WAIT.num_hours();
            let reason = format!("It could not go out for {hours} hours: {reason}");
            if reply.tainted {
                ask_person(&mut reply, reason)
            } else {
                failed(&mut reply, reason)
            }
        }
        ReplyEnd::NotThere | ReplyEnd::Repeat if reply.doubts < MOST_DOUBTS => {
            let looked = matches!(end, ReplyEnd::NotThere);
            again(work, &mut reply, looked)
        }
        ReplyEnd::NotThere => ask_person(
            &mut reply,
            format!("{MOST_DOUBTS} attempts had no certain answer, and it is not to be seen"),
        ),
        ReplyEnd::Repeat => ask_person(
            &mut reply,
            format!("{MOST_DOUBTS} attempts had no certain answer"),
        ),
        ReplyEnd::AskPerson(reason) => ask_person(&mut reply, reason),
        ReplyEnd::Uncertain(reason) => uncertain(work, rules, &mut reply, reason),
        ReplyEnd::LookAgain(_) => return None,
    };
    metrics::counter!("hearback_replies_total", "state" => reply.state.word()).increment(1);
    let case = reply.case;
    work.put_reply(reply.clone());
    work.happen(&rules.directory, case, by, event.clone());
    work.update_reply(&rules.directory, &reply);
    Some(event)
}

fn sent(work: &mut Work, reply: &mut Reply, remote: NativeId, url: Option<String>) -> Event {
    reply.state = ReplyState::Sent;
    reply.remote_id = Some(remote.clone());
    reply.url.clone_from(&url);
    work.own.insert((reply.source.clone(), remote.clone()));
    Event::ReplySent {
        reply: reply.id,
        audience: reply.audience,
        text: reply.text.clone(),
        remote,
        url,
    }
}

fn failed(reply: &mut Reply, reason: String) -> Event {
    reply.state = ReplyState::Failed;
    reply.reason = Some(reason.clone());
    Event::ReplyFailed {
        reply: reply.id,
        reason,
    }
}

fn again(work: &mut Work, reply: &mut Reply, looked: bool) -> Event {
    reply.state = ReplyState::Queued;
    reply.reason = None;
    reply.tainted |= !looked;
    let lane = Lane::replies(&reply.source);
    work.effect(lane, reply.case, Effect::SendReply { reply: reply.id }, work.now);
    Event::ReplyRetried {
        reply: reply.id,
        looked,
    }
}

fn uncertain(work: &mut Work, rules: &Rules, reply: &mut Reply, reason: String) -> Event {
    let network = rules.networks.get(&reply.source);
    match network.map_or(Class::None, |network| network.abilities().class) {
        Class::None => ask_person(reply, reason),
        Class::Key | Class::Lookup => {
            let look_at = work.now + rules.settle;
            reply.state = ReplyState::Ambiguous;
            reply.doubts += 1;
            reply.doubted_at = Some(work.now);
            reply.reason = Some(reason.clone());
            let lane = Lane::replies(&reply.source);
            work.effect(lane, reply.case, Effect::Reconcile { reply: reply.id }, look_at);
            Event::ReplyUncertain {
                reply: reply.id,
                reason,
                look_at,
            }
        }
    }
}

fn ask_person(reply: &mut Reply, reason: String) -> Event {
    reply.state = ReplyState::NeedsHuman;
    reply.reason = Some(reason.clone());
    Event::ReplyNeedsHuman {
        reply: reply.id,
        reason,
    }
}

/// A person looked and says what became of the reply.
fn settle_by_person(work: &mut Work, rules: &Rules, by: &By, id: ReplyId, there: bool) -> Response {
    let Some(mut reply) = work
        .replies
        .get(&id)
        .cloned()
        .filter(|reply| reply.state == ReplyState::NeedsHuman)
    else {
        return text::settled_already();
    };
    let number = reply.case;
    let end = if there {
        ReplyEnd::Sent {
            remote: Reply::id_seen_by_person(id),
            url: None,
        }
    } else {
        reply.doubts = reply.doubts.min(MOST_DOUBTS - 1);
        reply.tainted = false;
        ReplyEnd::NotThere
    };
    let event = conclude(work, rules, by, reply, end);
    match (work.cases.get(&number), event) {
        (Some(case), Some(event)) => text::granted(case, &[event]),
        _ => text::settled_already(),
    }
}
