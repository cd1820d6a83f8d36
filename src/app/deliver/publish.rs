//! Replies on their way to the customer. The claim is committed before the first byte; an end that is
//! not certain is looked for after the settle time, never simply repeated.

use super::{Delivery, LONGEST_PAUSE, Pause, Turn};
use crate::app::claims;
use crate::app::inbound::Unavailable;
use crate::app::replies;
use crate::app::request::{Claimed, ReplyEnd, Request, Settled};
use crate::domain::{Effect, EffectRow, Instant, Lane, Reply, ReplyId, ReplyState, Standing, message};
use crate::port::{Class, Look, Permit, PortError, SocialPlatform, Target};
use chrono::TimeDelta;
use std::sync::Arc;
use std::time::Duration;

/// How long an unknown end is looked for before a person is asked.
const LOOK_FOR: TimeDelta = TimeDelta::minutes(15);
/// The first pause between two looks.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// How much a replica that takes over may lack.
const LOST_BY_A_REPLICA: TimeDelta = TimeDelta::minutes(10);
/// How long a lane waits between two looks at the switch that stops publishing.
const PAUSED: Duration = Duration::from_secs(1);
/// What a call may take longer than its own time-out before it is given up here.
const GRACE: Duration = Duration::from_secs(5);

/// A reply that was being sent when the process ended.
pub(super) async fn interrupted(delivery: &Delivery, reply: ReplyId) -> Result<(), Unavailable> {
    let end = ReplyEnd::Uncertain("Hearback was interrupted while it was being published".to_owned());
    let settled = vec![Settled::Reply {
        effect: None,
        reply,
        fence: None,
        end,
    }];
    crash_point!(K12);
    let written = delivery
        .inbound
        .ask(|answer| Request::Settle { settled, answer })
        .await;
    crash_point!(K13);
    written
}

/// Has the replies looked for that may have been sent by what the database lost.
pub(super) async fn forget(delivery: &Delivery, open: &[Reply]) -> Result<(), Unavailable> {
    let Some((lost, reason)) = lost(&delivery.rules.standing, open) else {
        return Ok(());
    };
    let settled: Vec<_> = lost
        .into_iter()
        .map(|reply| Settled::Reply {
            effect: None,
            reply,
            fence: None,
            end: ReplyEnd::Forgotten(reason.to_owned()),
        })
        .collect();
    if settled.is_empty() {
        return Ok(());
    }
    tracing::warn!(
        replies = settled.len(),
        reason,
        "Nothing of these is sent before it was looked for."
    );
    delivery
        .inbound
        .ask(|answer| Request::Settle { settled, answer })
        .await
}

/// Which of the open replies may have been sent by what the database lost, and why: after a restored
/// backup all that are older than it, after a replica took over those of the last minutes.
fn lost(standing: &Standing, open: &[Reply]) -> Option<(Vec<ReplyId>, &'static str)> {
    let of = |may: &dyn Fn(&Reply) -> bool| {
        open.iter()
            .filter(|reply| may(reply))
            .map(|reply| reply.id)
            .collect()
    };
    match standing {
        Standing::Sound | Standing::New | Standing::Copied { .. } => None,
        Standing::RolledBack { sealed_at, .. } => Some((
            of(&|reply| reply.created_at <= *sealed_at),
            "The database was restored from a backup, and forgot what it had sent since",
        )),
        Standing::FailedOver { since } => {
            let from = *since - LOST_BY_A_REPLICA;
            let waits = |reply: &Reply| matches!(reply.state, ReplyState::Held | ReplyState::Queued);
            Some((
                of(&|reply| waits(reply) || reply.created_at >= from),
                "PostgreSQL was replaced by a replica, which may have lost what was sent last",
            ))
        }
    }
}

/// Why nothing may be sent by this database, in words.
fn may_not_send(standing: &Standing) -> Option<String> {
    match standing {
        Standing::Sound | Standing::New | Standing::FailedOver { .. } => None,
        Standing::Copied { .. } | Standing::RolledBack { .. } => {
            let trouble = standing.trouble().unwrap_or_default();
            Some(format!(
                "nothing is published, because {trouble}; {}",
                standing.mend()
            ))
        }
    }
}

impl Delivery {
    /// One turn of a brand account's lane, or of the timers.
    pub(super) async fn send_replies(&self, lane: Lane, effects: Vec<EffectRow>) -> Turn {
        let mut left = Vec::new();
        let mut pause = Pause::No;
        let mut queue = effects.into_iter();
        for mut row in queue.by_ref() {
            if self.stop.is_cancelled() {
                left.push(row);
                break;
            }
            let outcome = match &row.effect {
                Effect::SendReply { reply } => self.send(&row, *reply).await,
                Effect::Reconcile { reply } => self.reconcile(&row, *reply).await,
                Effect::Wake => Ok(Attempt::ended(Settled::Woken {
                    effect: row.id,
                    case: row.case,
                })),
                Effect::Expire { reply } => Ok(Attempt::ended(Settled::Expired {
                    effect: row.id,
                    reply: *reply,
                })),
                Effect::OpenThread { .. }
                | Effect::UpdateCard { .. }
                | Effect::Tell { .. }
                | Effect::UpdateReply { .. }
                | Effect::ShowPicture { .. }
                | Effect::Announce { .. }
                | Effect::Mend { .. } => Ok(Attempt::ended(Settled::Done(row.id))),
            };
            match outcome {
                Ok(Attempt {
                    settled,
                    pause: told,
                    due,
                }) => {
                    if let Some(at) = owed_at(&settled, &row) {
                        row.due_at = due.unwrap_or(at);
                        row.attempts += 1;
                        left.push(row);
                    }
                    self.write_down(settled).await;
                    pause = told;
                }
                Err(error) => {
                    left.push(row);
                    pause = Pause::Failed(error.to_string());
                }
            }
            // What waits behind it goes to the same account.
            if !matches!(pause, Pause::No) {
                break;
            }
        }
        left.extend(queue);
        Turn { lane, left, pause }
    }

    /// Writes down what came of a turn's effect.
    async fn write_down(&self, settled: Settled) {
        #[cfg(feature = "rig")]
        let came = Came::of(&settled);
        #[cfg(feature = "rig")]
        came.before_it_is_written();
        self.settle(vec![settled]).await;
        #[cfg(feature = "rig")]
        came.after_it_is_written();
    }

    /// Reads what the reply answers, claims it, and only then publishes it.
    async fn send(&self, row: &EffectRow, id: ReplyId) -> Result<Attempt, Unavailable> {
        if let Some(why) = may_not_send(&self.rules.standing) {
            return self.put_off(row, id, why).await;
        }
        if let Some(stopped) = self.look_before(row, id).await? {
            return Ok(stopped);
        }
        // The lease is counted from before the claim: a sender that is held up during its commit has
        // less time left, never more.
        let permit = Permit::new(Arc::clone(&self.clock), replies::lease(self.rules.timeout));
        crash_point!(K4);
        let claimed = self
            .inbound
            .ask(|answer| Request::Claim { reply: id, answer })
            .await?;
        crash_point!(K5);
        let reply = match claimed {
            Claimed::Send(reply) => reply,
            Claimed::No => return self.not_claimed(row, id).await,
            Claimed::Paused => return Ok(Attempt::waits(row, id, Pause::Told(PAUSED))),
        };
        let mut pause = Pause::No;
        let sealed = match &self.rules.seal {
            Some(seal) => seal.raise().await.map_err(|error| error.to_string()),
            None => Ok(()),
        };
        let end = match (sealed, self.rules.networks.get(&reply.source)) {
            // No byte was sent.
            (Err(why), _) => {
                pause = Pause::Failed(why.clone());
                ReplyEnd::Waits(why)
            }
            (Ok(()), None) => {
                ReplyEnd::Failed(format!("the source {} is not configured any more", reply.source))
            }
            (Ok(()), Some(network)) => {
                let limit = self.rules.timeout + GRACE;
                match tokio::time::timeout(limit, network.publish(&reply, &permit)).await {
                    Ok(Ok(published)) => ReplyEnd::Sent(published),
                    Ok(Err(error)) => {
                        let (end, wait) = refused(error);
                        pause = wait;
                        end
                    }
                    Err(_) => ReplyEnd::Uncertain(format!("no answer within {} s", limit.as_secs())),
                }
            }
        };
        Ok(Attempt::of(row, &reply, end, pause))
    }

    /// Nothing may be sent at all. The lane goes on: what this database thinks unsent is looked for in
    /// it, behind what waits.
    async fn put_off(&self, row: &EffectRow, id: ReplyId, why: String) -> Result<Attempt, Unavailable> {
        let replies = self.store.replies(&[id]).await?;
        let waits = |reply: &Reply| matches!(reply.state, ReplyState::Held | ReplyState::Queued);
        if !replies.iter().any(waits) {
            return self.not_claimed(row, id).await;
        }
        Ok(Attempt {
            due: Some(self.now() + LONGEST_PAUSE),
            ..Attempt::ended(reply_ends(row, id, ReplyEnd::Waits(why)))
        })
    }

    /// Looks at the post that is answered, as its platform shows it now. `Some`: the reply is not
    /// claimed.
    async fn look_before(&self, row: &EffectRow, id: ReplyId) -> Result<Option<Attempt>, Unavailable> {
        let Some(reply) = self.store.replies(&[id]).await?.into_iter().next() else {
            return Ok(None);
        };
        let waits = matches!(reply.state, ReplyState::Held | ReplyState::Queued);
        let Some(network) = self.rules.networks.get(&reply.source).filter(|_| waits) else {
            return Ok(None);
        };
        let of_case = self.store.replies_of(reply.case).await?;
        let ours: Vec<_> = of_case.into_iter().filter_map(|reply| reply.remote_id).collect();
        let limit = self.rules.timeout + GRACE;
        let (end, pause) = match tokio::time::timeout(limit, network.target(&reply, &ours)).await {
            Ok(Ok(target)) => match changed(&reply, target) {
                Some(end) => (end, Pause::No),
                None => return Ok(None),
            },
            Ok(Err(error)) => unread(error),
            Err(_) => {
                let why = "the post that it answers could not be read in time".to_owned();
                (ReplyEnd::Waits(why.clone()), Pause::Failed(why))
            }
        };
        let settled = reply_ends(row, id, end);
        Ok(Some(Attempt {
            settled,
            pause,
            due: None,
        }))
    }

    /// A reply that may not be claimed was taken back, or is done. Only one that is being sent was
    /// claimed by a turn that broke off, or by a commit whose answer was lost: nobody but this lane
    /// sends it, so its end is unknown.
    async fn not_claimed(&self, row: &EffectRow, id: ReplyId) -> Result<Attempt, Unavailable> {
        let replies = self.store.replies(&[id]).await?;
        let lost = replies.iter().any(|reply| reply.state == ReplyState::Sending);
        Ok(Attempt::ended(if lost {
            reply_ends(row, id, ReplyEnd::Uncertain("the attempt broke off".to_owned()))
        } else {
            Settled::Done(row.id)
        }))
    }

    /// Looks whether a reply whose end is unknown is there.
    async fn reconcile(&self, row: &EffectRow, id: ReplyId) -> Result<Attempt, Unavailable> {
        let replies = self.store.replies(&[id]).await?;
        let Some(reply) = replies
            .into_iter()
            .find(|reply| matches!(reply.state, ReplyState::Ambiguous | ReplyState::Reconciling))
        else {
            return Ok(Attempt::ended(Settled::Done(row.id)));
        };
        let mut pause = Pause::No;
        let looked_at = self.now();
        let end = match self.rules.networks.get(&reply.source) {
            None => ReplyEnd::AskPerson(format!("the source {} is not configured any more", reply.source)),
            Some(network) => match self.look(network.as_ref(), &reply).await? {
                Ok(Look::Found(published)) => ReplyEnd::Sent(published),
                Ok(Look::Several(all)) => ReplyEnd::Several(all),
                Ok(Look::Absent { fresh }) if fresh || !is_over(&reply, self.now()) => {
                    ReplyEnd::NotThere { fresh, looked_at }
                }
                Ok(Look::Absent { .. }) => ReplyEnd::AskPerson(
                    "the platform shows an old state of our account, so what is missing there proves nothing"
                        .to_owned(),
                ),
                Ok(Look::NotLooked) => ReplyEnd::Repeat { looked_at },
                Err(error) => {
                    if let PortError::RetryAfter(wait) = error {
                        pause = Pause::Told(wait);
                    }
                    if is_over(&reply, self.now()) {
                        ReplyEnd::AskPerson(format!("Hearback could not look: {error}"))
                    } else {
                        ReplyEnd::LookAgain(self.now() + backoff(row.attempts))
                    }
                }
            },
        };
        // What was looked for is this attempt. Another one may be claimed before this is written down.
        Ok(Attempt::of(row, &reply, end, pause))
    }

    async fn look(
        &self,
        network: &dyn SocialPlatform,
        reply: &Reply,
    ) -> Result<Result<Look, PortError>, Unavailable> {
        let canary = self.store.last_sent(&reply.source).await?;
        Ok(match network.abilities().class {
            Class::None => Err(PortError::Unknown("the platform cannot be asked".to_owned())),
            Class::Key { .. } | Class::Id | Class::Lookup => {
                let limit = self.rules.timeout + GRACE;
                crash_point!(K14);
                match tokio::time::timeout(limit, network.find(reply, canary.as_ref())).await {
                    Ok(found) => found,
                    Err(_) => Err(PortError::Unknown("no answer in time".to_owned())),
                }
            }
        })
    }
}

/// Whether it was looked for long enough.
fn is_over(reply: &Reply, now: Instant) -> bool {
    let since = reply.settled_at.or(reply.doubted_at).unwrap_or(reply.created_at);
    now - since > LOOK_FOR
}

/// What came of an effect, as the crash points tell it apart.
#[cfg(feature = "rig")]
enum Came {
    Known,
    Unknown,
    Looked,
    Nothing,
}

#[cfg(feature = "rig")]
impl Came {
    fn of(settled: &Settled) -> Self {
        let Settled::Reply { end, .. } = settled else {
            return Self::Nothing;
        };
        match end {
            ReplyEnd::Sent(_) | ReplyEnd::Failed(_) | ReplyEnd::Waits(_) | ReplyEnd::TargetChanged { .. } => {
                Self::Known
            }
            ReplyEnd::Uncertain(_) | ReplyEnd::Forgotten(_) => Self::Unknown,
            ReplyEnd::Several(_)
            | ReplyEnd::LookAgain(_)
            | ReplyEnd::NotThere { .. }
            | ReplyEnd::Repeat { .. }
            | ReplyEnd::AskPerson(_) => Self::Looked,
        }
    }

    fn before_it_is_written(&self) {
        match self {
            Self::Known => {
                crash_point!(K9);
            }
            Self::Unknown => {
                crash_point!(K12);
            }
            Self::Looked => {
                crash_point!(K15);
            }
            Self::Nothing => {}
        }
    }

    fn after_it_is_written(&self) {
        match self {
            Self::Known => {
                crash_point!(K10);
            }
            Self::Unknown => {
                crash_point!(K13);
            }
            Self::Looked => {
                crash_point!(K16);
            }
            Self::Nothing => {}
        }
    }
}

/// What the post that is answered says about the reply: `Some` stops it.
fn changed(reply: &Reply, target: Target) -> Option<ReplyEnd> {
    let (reason, now) = match target {
        Target::NotReadable => return None,
        Target::Stands { text } => {
            let known = reply.target_text.as_deref()?;
            // What its author was shown, and said yes to, is no news; nor is what we were told of.
            let mut known = [Some(known), reply.target_seen.as_deref()].into_iter().flatten();
            if known.any(|known| claims::same_words(known, &text)) {
                return None;
            }
            (
                "The customer edited the post that it answers.".to_owned(),
                Some(text),
            )
        }
        Target::Answered { .. } if reply.over_answer => return None,
        Target::Answered { text, url } => {
            let at = url.map(|url| format!(" ({url})")).unwrap_or_default();
            let words = message::one_line(&text, 200);
            (
                format!("Our account has answered that post already, by other means{at}: «{words}»"),
                None,
            )
        }
        Target::Gone(why) | Target::Locked(why) => (format!("It cannot be answered any more: {why}."), None),
    };
    Some(ReplyEnd::TargetChanged { reason, now })
}

/// The post could not be read: nothing was sent, and it is tried again.
fn unread(error: PortError) -> (ReplyEnd, Pause) {
    let reason = error.to_string();
    match error {
        PortError::RetryAfter(wait) => (
            ReplyEnd::Waits("the platform wants us to wait".to_owned()),
            Pause::Told(wait),
        ),
        PortError::NotReached(_)
        | PortError::Closed(_)
        | PortError::Refused(_)
        | PortError::Gone(_)
        | PortError::Unauthorized(_)
        | PortError::Unknown(_) => {
            let reason = format!("the post that it answers could not be read: {reason}");
            (ReplyEnd::Waits(reason.clone()), Pause::Failed(reason))
        }
    }
}

/// What an attempt came to, and whether the account's lane must wait.
struct Attempt {
    settled: Settled,
    pause: Pause,
    /// When it comes again, if neither now nor by the pause.
    due: Option<Instant>,
}

impl Attempt {
    /// What became of this attempt of a reply, and of no other.
    fn of(row: &EffectRow, reply: &Reply, end: ReplyEnd, pause: Pause) -> Self {
        let settled = Settled::Reply {
            effect: Some(row.id),
            reply: reply.id,
            fence: Some(reply.fence),
            end,
        };
        Self {
            settled,
            pause,
            due: None,
        }
    }

    /// Nothing changed: the same effect comes again after the pause.
    fn waits(row: &EffectRow, reply: ReplyId, pause: Pause) -> Self {
        let settled = reply_ends(row, reply, ReplyEnd::LookAgain(row.due_at));
        Self {
            settled,
            pause,
            due: None,
        }
    }

    fn ended(settled: Settled) -> Self {
        Self {
            settled,
            pause: Pause::No,
            due: None,
        }
    }
}

fn reply_ends(row: &EffectRow, reply: ReplyId, end: ReplyEnd) -> Settled {
    Settled::Reply {
        effect: Some(row.id),
        reply,
        fence: None,
        end,
    }
}

/// What a failed publishing call means for the reply, and for the lane.
fn refused(error: PortError) -> (ReplyEnd, Pause) {
    match error {
        PortError::RetryAfter(wait) => (
            ReplyEnd::Waits("the platform wants us to wait".to_owned()),
            Pause::Told(wait),
        ),
        PortError::NotReached(reason) | PortError::Closed(reason) => {
            (ReplyEnd::Waits(reason.clone()), Pause::Failed(reason))
        }
        PortError::Refused(reason) | PortError::Gone(reason) => (ReplyEnd::Failed(reason), Pause::No),
        PortError::Unauthorized(reason) => {
            let words = format!("The account's credentials are not accepted ({reason}). Ask the operator.");
            (ReplyEnd::Failed(words), Pause::No)
        }
        PortError::Unknown(reason) => (ReplyEnd::Uncertain(reason), Pause::No),
    }
}

/// How long to wait before the next look, after so many.
fn backoff(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 6)).unwrap_or(6);
    FIRST_LOOK
        .saturating_mul(2u32.saturating_pow(doublings))
        .min(LONGEST_PAUSE)
}

/// When an effect that is not done with is due again.
fn owed_at(settled: &Settled, row: &EffectRow) -> Option<Instant> {
    match settled {
        Settled::Reply {
            end: ReplyEnd::LookAgain(due),
            ..
        } => Some(*due),
        Settled::Reply {
            end: ReplyEnd::Waits(_),
            ..
        } => Some(row.due_at),
        Settled::Reply { .. }
        | Settled::Done(_)
        | Settled::Dead(..)
        | Settled::Opened { .. }
        | Settled::ReplyTold { .. }
        | Settled::Expired { .. }
        | Settled::Owes { .. }
        | Settled::Woken { .. } => None,
    }
}

#[cfg(test)]
mod tests;
