//! What agents say about replies: a new one, a second yes, somebody else's yes or no, and what they saw.

use super::act::{Actor, grant};
use super::claims;
use super::desk::Rules;
use super::inbound::Response;
use super::replies;
use super::request::{Pressed, ReplyEnd};
use super::text;
use super::work::Work;
use crate::domain::care;
use crate::domain::case::{Gate, Wish, Wording, decide};
use crate::domain::reply::Cause;
use crate::domain::{
    Agent, Audience, Case, Effect, Event, IdempotencyKey, Lane, Length, Post, Refusal, Remark, Reply,
    ReplyId, ReplyState, Role, Visibility, Weight,
};
use crate::port::Composed;
use chrono::TimeDelta;

/// For how long the same words to the same post need a second yes.
const REPEATED: TimeDelta = TimeDelta::hours(24);

/// A text as it would be published, with the post it answers.
struct Draft {
    words: String,
    composed: Composed,
    audience: Audience,
    target: Post,
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
    let Some(target) = work.last_standing_post(case) else {
        return Err(text::target_gone(case.number));
    };
    if words.trim().is_empty() {
        return Err(text::refused(Refusal::Empty { verb: "send" }));
    }
    // What was said in private is answered in private, whatever the verb.
    let asked = audience;
    let audience = match target.visibility {
        Visibility::Private => Audience::Private,
        Visibility::Public | Visibility::Unlisted | Visibility::Followers => audience,
    };
    if let Some(why) = network.closed(&target, audience) {
        return Err(text::refused(why));
    }
    let composed = network.compose_to(words, &target, audience);
    if let Some(why) = composed.refusal {
        return Err(text::cannot_answer(&why, target.url.as_deref()));
    }
    if asked == Audience::Private && !abilities.private {
        return Err(text::no_private(&abilities.label));
    }
    if composed.length > composed.limit {
        return Err(text::too_long(&composed, &abilities.label));
    }
    Ok(Draft {
        words: words.to_owned(),
        composed,
        audience,
        target,
    })
}

/// A new reply.
pub(super) fn reply(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    audience: Audience,
    words: &str,
) -> Response {
    if let Some(until) = work.cools_off(&actor.known.agent) {
        return text::cooling_off(until);
    }
    let draft = match compose(work, rules, case, audience, words) {
        Ok(draft) => draft,
        Err(refusal) => return refusal,
    };
    let id = ReplyId(work.counters.reply + 1);
    let remarks = examine(work, rules, case, &draft, None);
    let mut reply = fresh(work, rules, &actor.known.agent, case, id);
    fill(&mut reply, draft, remarks);
    reply.bound = is_bound(rules, case, &reply.agent, &reply.remarks);
    let gate = gate(work, rules, &mut reply, true);
    let wish = Wish::Reply(wording(&reply), gate);
    let events = match decide(case, &actor.known.agent, actor.known.role, wish, work.now) {
        Ok(events) => events,
        Err(refusal) => {
            collided(work, rules, actor, case, &refusal, words);
            return text::refused(refusal);
        }
    };
    work.next_reply();
    note_temper(work, actor, &reply);
    admit(work, rules, actor, case, reply, events)
}

/// Somebody else wants to answer too: both should know.
fn collided(work: &mut Work, rules: &Rules, actor: &Actor<'_>, case: &Case, refusal: &Refusal, words: &str) {
    let (Refusal::ReplyUnderWay { .. } | Refusal::OwnedByOther { .. }, Some(pending)) =
        (refusal, &case.pending)
    else {
        return;
    };
    if pending.author != actor.known.agent.key {
        let event = Event::ReplyCollided {
            reply: pending.id,
            text: words.to_owned(),
        };
        work.happen(&rules.directory, case.number, &actor.by, event);
    }
}

/// A reply without words yet.
fn fresh(work: &Work, rules: &Rules, agent: &Agent, case: &Case, id: ReplyId) -> Reply {
    let key = IdempotencyKey::new(format!("{}-r{id}", rules.installation));
    Reply {
        conversation: case.conversation.clone(),
        ..Reply::blank(id, case.number, case.source.clone(), agent.clone(), key, work.now)
    }
}

/// Gives a reply these words, as another version, to the post that is there now.
fn fill(reply: &mut Reply, draft: Draft, remarks: Vec<Remark>) {
    let Draft {
        words,
        composed,
        audience,
        target,
    } = draft;
    reply.words = words;
    reply.text = composed.text;
    reply.length = Length {
        count: composed.length,
        limit: composed.limit,
        unit: composed.unit.to_owned(),
    };
    reply.audience = audience;
    reply.remarks = remarks;
    meet(reply, target);
    reply.version += 1;
}

/// Lets a reply answer this post as it stands.
fn meet(reply: &mut Reply, target: Post) {
    reply.target = target.id;
    reply.target_url = target.url;
    reply.target_text = Some(target.text);
    reply.target_visibility = target.visibility;
    reply.author = target.author.id;
    reply.author_handle = target.author.handle;
    reply.lang = target.lang;
}

fn wording(reply: &Reply) -> Wording {
    Wording {
        reply: reply.id,
        version: reply.version,
        author: reply.agent.clone(),
        audience: reply.audience,
        text: reply.text.clone(),
    }
}

/// What there is to say about a text before it leaves.
fn examine(work: &Work, rules: &Rules, case: &Case, draft: &Draft, but: Option<ReplyId>) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let same = |reply: &&Reply| {
        reply.case == case.number
            && Some(reply.id) != but
            && reply.target == draft.target.id
            && claims::same_words(&reply.text, &draft.composed.text)
            && work.now - reply.created_at < REPEATED
            && (reply.state.is_open() || matches!(reply.state, ReplyState::Sent | ReplyState::Abandoned))
    };
    if let Some(earlier) = work.replies.values().find(same) {
        remarks.push(text::repeated(earlier));
    }
    remarks.extend(tone(work, rules, case, draft));
    remarks.sort_by_key(|remark| std::cmp::Reverse(remark.weight));
    remarks
}

/// What the rules of tone and care mind.
fn tone(work: &Work, rules: &Rules, case: &Case, draft: &Draft) -> Vec<Remark> {
    let of_case = work.posts.values().filter(|stored| stored.case == case.number);
    let others: Vec<_> = of_case
        .filter(|stored| stored.post.id != draft.target.id)
        .map(|stored| stored.post.text.as_str())
        .collect();
    let answered = |reply: &Reply| reply.case == case.number && reply.state == ReplyState::Sent;
    let examined = care::Draft {
        text: &draft.composed.text,
        audience: draft.audience,
        post: &draft.target.text,
        post_lang: draft.target.lang.as_deref(),
        kind: case.kind,
        conversation: &others,
        author_handle: &draft.target.author.handle,
        brand_handles: &[],
        first_reply: !work.replies.values().any(answered),
    };
    let findings = care::examine(&examined, &rules.care);
    findings.into_iter().filter_map(as_remark).collect()
}

fn as_remark(finding: care::Finding) -> Option<Remark> {
    let weight = match finding.level {
        care::Level::Off => return None,
        care::Level::Hint => Weight::Hint,
        care::Level::Confirm => Weight::Confirm,
        care::Level::Approve => Weight::Approve,
    };
    Some(Remark {
        rule: finding.rule.word().to_owned(),
        weight,
        found: finding.found,
        why: finding.why,
        better: finding.better,
    })
}

fn heaviest(remarks: &[Remark]) -> Option<Weight> {
    remarks.iter().map(|remark| remark.weight).max()
}

/// Whether somebody besides its author has to agree. Where only a remark asks for it and nobody else
/// can, its author is asked once more instead: otherwise the customer would never be answered.
fn is_bound(rules: &Rules, case: &Case, author: &Agent, remarks: &[Remark]) -> bool {
    let approvals = &rules.approvals;
    let (source, team) = (&case.source, case.team.as_ref());
    approvals.needed(source, team, heaviest(remarks))
        && (approvals.needed(source, team, None) || rules.directory.others_approve(author))
}

/// What stands between the reply, as it is worded now, and its undo window; freezes it when that is
/// nothing but time. `asks`: its author may be asked once more.
fn gate(work: &mut Work, rules: &Rules, reply: &mut Reply, asks: bool) -> Gate {
    let network = rules.networks.get(&reply.source);
    reply.account = network.and_then(|network| network.abilities().account);
    reply.freeze();
    if reply.bound {
        let until = replies::wait_for_people(work, rules, reply);
        return Gate::Approve {
            remarks: reply.remarks.clone(),
            until,
        };
    }
    if asks && heaviest(&reply.remarks) >= Some(Weight::Confirm) {
        replies::wait_for_people(work, rules, reply);
        return Gate::Confirm {
            remarks: reply.remarks.clone(),
        };
    }
    reply.hold_until = work.now + rules.hold;
    Gate::Hold {
        until: reply.hold_until,
    }
}

/// Keeps a reply in the state that its events say, and has it sent when it is held.
fn admit(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    mut reply: Reply,
    events: Vec<Event>,
) -> Response {
    for event in &events {
        match event {
            Event::ReplyDrafted { .. } => reply.state = ReplyState::Draft,
            Event::ReplySubmitted { .. } => reply.state = ReplyState::PendingApproval,
            Event::ReplyHeld { .. } => {
                reply.state = ReplyState::Held;
                reply.expires_at = None;
                let effect = Effect::SendReply { reply: reply.id };
                let lane = Lane::replies(&reply.source);
                work.effect(lane, reply.case, effect, reply.hold_until);
            }
            _ => {}
        }
    }
    let id = reply.id;
    let told = reply.held_by.is_some();
    metrics::counter!("hearback_replies_total", "state" => reply.state.word()).increment(1);
    work.put_reply(reply.clone());
    let response = grant(work, rules, case.number, &actor.by, events);
    if told {
        work.update_reply(&rules.directory, &reply);
    } else {
        work.held(id);
    }
    response
}

/// The reply that waits for somebody's yes or no.
fn waiting<'a>(work: &'a Work, case: &Case) -> Option<&'a Reply> {
    let pending = case.pending.as_ref()?;
    work.replies.get(&pending.id)
}

/// Agrees to the waiting reply, with other words if some are given; the difference is kept.
pub(super) fn approve(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    words: Option<&str>,
) -> Response {
    let Some(mut reply) = waiting(work, case).cloned() else {
        return text::refused(Refusal::NothingToApprove { case: case.number });
    };
    let mut before = None;
    if let Some(words) = words.filter(|words| !claims::same_words(words, &reply.words)) {
        let draft = match compose(work, rules, case, reply.audience, words) {
            Ok(draft) => draft,
            Err(refusal) => return refusal,
        };
        before = Some(reply.text.clone());
        let remarks = examine(work, rules, case, &draft, Some(reply.id));
        fill(&mut reply, draft, remarks);
    }
    let other = reply.agent.key != actor.known.agent.key;
    let facts = replies::facts_for_people(work, rules, &reply, other);
    reply.hold_until = work.now + rules.hold;
    reply.approver = Some(actor.known.agent.clone());
    reply.freeze();
    let wish = Wish::Approve {
        wording: wording(&reply),
        before,
        hash: reply.hash.clone(),
        until: reply.hold_until,
    };
    let events = match decide(case, &actor.known.agent, actor.known.role, wish, work.now) {
        Ok(events) => events,
        Err(refusal) => return text::refused(refusal),
    };
    if !replies::step(&mut reply, Cause::Approved, &facts) {
        return text::refused(Refusal::NothingToApprove { case: case.number });
    }
    admit(work, rules, actor, case, reply, events)
}

/// Does not agree to it.
pub(super) fn reject(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    reason: String,
) -> Response {
    let Some(mut reply) = waiting(work, case).cloned() else {
        return text::refused(Refusal::NothingToApprove { case: case.number });
    };
    let wish = Wish::Reject { reason };
    let events = match decide(case, &actor.known.agent, actor.known.role, wish, work.now) {
        Ok(events) => events,
        Err(refusal) => return text::refused(refusal),
    };
    let facts = replies::facts_for_people(work, rules, &reply, true);
    if !replies::step(&mut reply, Cause::Rejected, &facts) {
        return text::refused(Refusal::NothingToApprove { case: case.number });
    }
    reply.reason = Some(format!("Rejected by {}.", actor.known.agent.name));
    let response = grant(work, rules, case.number, &actor.by, events);
    replies::keep(work, rules, &actor.by, reply, None);
    response
}

/// A button about one version of a reply was pressed.
pub(super) fn pressed(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    (id, version, seal): (ReplyId, i64, &str),
    what: Pressed,
) -> Response {
    let Some(reply) = work
        .replies
        .get(&id)
        .cloned()
        .filter(|reply| reply.case == case.number)
    else {
        return text::settled_already();
    };
    if reply.version != version || !rules.button_key.fits(id, version, &reply.hash, seal) {
        return text::another_version(case.number);
    }
    match what {
        Pressed::Send => confirm(work, rules, actor, case, reply),
        Pressed::Approve => approve(work, rules, actor, case, None),
        Pressed::Edit(words) if reply.state == ReplyState::PendingApproval && is_others(&reply, actor) => {
            approve(work, rules, actor, case, Some(&words))
        }
        Pressed::Edit(words) => reword(work, rules, actor, case, reply, &words),
        Pressed::Reject(reason) => reject(work, rules, actor, case, reason),
        Pressed::Discard => {
            match decide(case, &actor.known.agent, actor.known.role, Wish::Cancel, work.now) {
                Ok(events) => grant(work, rules, case.number, &actor.by, events),
                Err(refusal) => text::refused(refusal),
            }
        }
        Pressed::There { address, seen } => {
            let published = seen.unwrap_or_else(|| replies::seen_by_person(&reply, &address));
            settled(work, rules, actor, case, reply, ReplyEnd::Sent(published))
        }
        Pressed::NotThere => not_there(work, rules, actor, case, reply),
        Pressed::NotThereEither => not_there_either(work, rules, actor, case, reply),
        Pressed::GiveUp => give_up(work, rules, actor, case, reply),
    }
}

fn is_others(reply: &Reply, actor: &Actor<'_>) -> bool {
    reply.agent.key != actor.known.agent.key
}

/// Its author's second yes: to a draft, or to a reply whose target changed.
fn confirm(work: &mut Work, rules: &Rules, actor: &Actor<'_>, case: &Case, mut reply: Reply) -> Response {
    if let Some(until) = work.cools_off(&actor.known.agent) {
        return text::cooling_off(until);
    }
    if reply.state == ReplyState::Stale {
        // What was shown is what is agreed to: the post as it stands now.
        let key = (reply.source.clone(), reply.target.clone());
        match work.posts.get(&key) {
            Some(stored) if stored.post.deleted => return text::target_gone(case.number),
            Some(stored) => meet(&mut reply, stored.post.clone()),
            None => {}
        }
        reply.over_answer = true;
        reply.version += 1;
        reply.approver = None;
        reply.bound = is_bound(rules, case, &reply.agent, &reply.remarks);
    }
    let facts = replies::facts_for_people(work, rules, &reply, false);
    let from = reply.state;
    let gate = gate(work, rules, &mut reply, false);
    let wish = Wish::Confirm(wording(&reply), gate);
    let events = match decide(case, &actor.known.agent, actor.known.role, wish, work.now) {
        Ok(events) => events,
        Err(refusal) => return text::refused(refusal),
    };
    reply.state = from;
    if !replies::step(&mut reply, Cause::Confirmed, &facts) {
        return text::refused(Refusal::NothingToConfirm { case: case.number });
    }
    admit(work, rules, actor, case, reply, events)
}

/// Other words by its author: the old ones are taken back, the new ones are a new reply.
fn reword(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    old: Reply,
    words: &str,
) -> Response {
    if is_others(&old, actor) && actor.known.role < Role::Lead {
        return text::refused(Refusal::NotYourReply);
    }
    // Nothing is taken back for words that cannot go out.
    if let Err(refusal) = compose(work, rules, case, old.audience, words) {
        return refusal;
    }
    let cancel = decide(case, &actor.known.agent, actor.known.role, Wish::Cancel, work.now);
    match cancel {
        Ok(events) => drop(grant(work, rules, case.number, &actor.by, events)),
        Err(refusal) => return text::refused(refusal),
    }
    match work.cases.get(&case.number).cloned() {
        Some(case) => self::reply(work, rules, actor, &case, old.audience, words),
        None => text::no_such_case(case.number),
    }
}

/// A person says what became of it.
fn settled(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    reply: Reply,
    end: ReplyEnd,
) -> Response {
    if reply.state != ReplyState::NeedsHuman {
        return text::settled_already();
    }
    let event = replies::conclude(work, rules, &actor.by, reply, None, end);
    match (work.cases.get(&case.number), event) {
        (Some(case), Some(event)) => text::granted(case, &[event]),
        _ => text::settled_already(),
    }
}

/// One person looked and saw nothing: a second one has to say so too, before anything is sent again.
fn not_there(work: &mut Work, rules: &Rules, actor: &Actor<'_>, case: &Case, mut reply: Reply) -> Response {
    if reply.state != ReplyState::NeedsHuman {
        return text::settled_already();
    }
    if let Some(until) = reply.settled_at.filter(|until| *until > work.now) {
        return text::too_early(until);
    }
    if reply.absent_says.is_some() {
        return not_there_either(work, rules, actor, case, reply);
    }
    let facts = replies::facts_for_people(work, rules, &reply, false);
    if !replies::step(&mut reply, Cause::SaidAbsent, &facts) {
        return text::settled_already();
    }
    reply.absent_says = Some(actor.known.agent.clone());
    let event = Event::ReplyToldAbsent { reply: reply.id };
    replies::note(work, &reply, "said to be absent", &actor.known.agent.name);
    replies::keep(work, rules, &actor.by, reply, Some(event.clone()));
    match work.cases.get(&case.number) {
        Some(case) => text::granted(case, &[event]),
        None => text::no_such_case(case.number),
    }
}

fn not_there_either(
    work: &mut Work,
    rules: &Rules,
    actor: &Actor<'_>,
    case: &Case,
    mut reply: Reply,
) -> Response {
    match &reply.absent_says {
        None => return not_there(work, rules, actor, case, reply),
        Some(first) if first.may_be(&actor.known.agent) => return text::second_person(),
        Some(_) => {}
    }
    let facts = replies::facts_for_people(work, rules, &reply, true);
    if !replies::step(&mut reply, Cause::ToldAbsent, &facts) {
        return text::settled_already();
    }
    reply.absent_says = None;
    reply.doubts = 0;
    replies::note(work, &reply, "said to be absent", &actor.known.agent.name);
    let event = replies::again(work, &mut reply, true);
    replies::keep(work, rules, &actor.by, reply, Some(event.clone()));
    match work.cases.get(&case.number) {
        Some(case) => text::granted(case, &[event]),
        None => text::no_such_case(case.number),
    }
}

/// It will not be found out: the case goes on without it.
fn give_up(work: &mut Work, rules: &Rules, actor: &Actor<'_>, case: &Case, mut reply: Reply) -> Response {
    let facts = replies::facts_for_people(work, rules, &reply, true);
    if !replies::step(&mut reply, Cause::GivenUp, &facts) {
        return text::settled_already();
    }
    replies::note(work, &reply, "given up", &actor.known.agent.name);
    let event = Event::ReplyAbandoned { reply: reply.id };
    replies::keep(work, rules, &actor.by, reply, Some(event.clone()));
    match work.cases.get(&case.number) {
        Some(case) => text::granted(case, &[event]),
        None => text::no_such_case(case.number),
    }
}

/// Remembers that an agent's reply was flagged.
fn note_temper(work: &mut Work, actor: &Actor<'_>, reply: &Reply) {
    let flagged = reply
        .remarks
        .iter()
        .any(|remark| remark.weight >= Weight::Confirm && remark.rule != text::REPEATED);
    if flagged {
        work.flagged(&actor.known.agent);
    }
}
