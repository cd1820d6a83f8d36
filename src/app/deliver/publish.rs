//! Replies on their way to the customer. The claim is committed before the first byte; an end that is
//! not certain is looked for after the settle time, never simply repeated.

use super::{Delivery, LONGEST_PAUSE, Pause, Turn};
use crate::app::inbound::Unavailable;
use crate::app::request::{ReplyEnd, Request, Settled};
use crate::domain::{Effect, EffectRow, Lane, ReplyId, ReplyState};
use crate::port::{Class, Look, PortError, SocialPlatform};
use chrono::TimeDelta;
use std::time::Duration;

/// How long an unknown end is looked for before a person is asked.
const LOOK_FOR: TimeDelta = TimeDelta::minutes(15);
/// The first pause between two looks.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// What a call may take longer than its own time-out before it is given up here.
const GRACE: Duration = Duration::from_secs(5);

/// A reply that was being sent when the process ended.
pub(super) async fn interrupted(delivery: &Delivery, reply: ReplyId) -> Result<(), Unavailable> {
    let end = ReplyEnd::Uncertain("Hearback was interrupted while it was being published".to_owned());
    let settled = vec![Settled::Reply {
        effect: None,
        reply,
        end,
    }];
    delivery
        .inbound
        .ask(|answer| Request::Settle { settled, answer })
        .await
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
                Effect::OpenThread { .. }
                | Effect::UpdateCard { .. }
                | Effect::Tell { .. }
                | Effect::UpdateReply { .. }
                | Effect::Mend { .. } => Ok(Attempt::ended(Settled::Done(row.id))),
            };
            match outcome {
                Ok(Attempt { settled, pause: told }) => {
                    if let Some(due) = owed_at(&settled, &row) {
                        row.due_at = due;
                        row.attempts += 1;
                        left.push(row);
                    }
                    self.settle(vec![settled]).await;
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

    async fn send(&self, row: &EffectRow, id: ReplyId) -> Result<Attempt, Unavailable> {
        let claimed = self
            .inbound
            .ask(|answer| Request::Claim { reply: id, answer })
            .await?;
        let Some(reply) = claimed else {
            return self.not_claimed(row, id).await;
        };
        let mut pause = Pause::No;
        let end = match self.rules.networks.get(&reply.source) {
            None => ReplyEnd::Failed(format!("the source {} is not configured any more", reply.source)),
            Some(network) => {
                let limit = self.timeout + GRACE;
                match tokio::time::timeout(limit, network.publish(&reply)).await {
                    Ok(Ok(published)) => ReplyEnd::Sent {
                        remote: published.id,
                        url: published.url,
                    },
                    Ok(Err(error)) => {
                        let (end, wait) = refused(error);
                        pause = wait;
                        end
                    }
                    Err(_) => ReplyEnd::Uncertain(format!("no answer within {} s", limit.as_secs())),
                }
            }
        };
        let settled = reply_ends(row, id, end);
        Ok(Attempt { settled, pause })
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
            .find(|reply| reply.state == ReplyState::Ambiguous)
        else {
            return Ok(Attempt::ended(Settled::Done(row.id)));
        };
        let mut pause = Pause::No;
        let end = match self.rules.networks.get(&reply.source) {
            None => ReplyEnd::AskPerson(format!("the source {} is not configured any more", reply.source)),
            Some(network) => match self.look(network.as_ref(), &reply).await {
                Ok(Look::Found(published)) => ReplyEnd::Sent {
                    remote: published.id,
                    url: published.url,
                },
                Ok(Look::Absent) => ReplyEnd::NotThere,
                Ok(Look::NotLooked) => ReplyEnd::Repeat,
                Err(error) => {
                    if let PortError::RetryAfter(wait) = error {
                        pause = Pause::Told(wait);
                    }
                    let since = reply.doubted_at.unwrap_or(reply.created_at) + self.rules.settle;
                    if self.now() - since > LOOK_FOR {
                        ReplyEnd::AskPerson(format!("Hearback could not look: {error}"))
                    } else {
                        ReplyEnd::LookAgain(self.now() + backoff(row.attempts))
                    }
                }
            },
        };
        let settled = reply_ends(row, id, end);
        Ok(Attempt { settled, pause })
    }

    async fn look(
        &self,
        network: &dyn SocialPlatform,
        reply: &crate::domain::Reply,
    ) -> Result<Look, PortError> {
        match network.abilities().class {
            Class::None => Err(PortError::Unknown("the platform cannot be asked".to_owned())),
            Class::Key | Class::Lookup => {
                match tokio::time::timeout(self.timeout + GRACE, network.find(reply)).await {
                    Ok(found) => found,
                    Err(_) => Err(PortError::Unknown("no answer in time".to_owned())),
                }
            }
        }
    }
}

/// What an attempt came to, and whether the account's lane must wait.
struct Attempt {
    settled: Settled,
    pause: Pause,
}

impl Attempt {
    fn ended(settled: Settled) -> Self {
        Self {
            settled,
            pause: Pause::No,
        }
    }
}

fn reply_ends(row: &EffectRow, reply: ReplyId, end: ReplyEnd) -> Settled {
    Settled::Reply {
        effect: Some(row.id),
        reply,
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
fn owed_at(settled: &Settled, row: &EffectRow) -> Option<crate::domain::Instant> {
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
        | Settled::Owes { .. }
        | Settled::Woken { .. } => None,
    }
}
