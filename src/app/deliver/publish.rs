//! Replies on their way to the customer. The claim is committed before the first byte; an end that is
//! not certain is looked for after the settle time, never simply repeated.

use super::{Delivery, FIRST_PAUSE, LONGEST_PAUSE, Pause, Turn};
use crate::app::inbound::Unavailable;
use crate::app::request::{ReplyEnd, Request, Settled};
use crate::domain::{Effect, EffectRow, Lane, ReplyId, ReplyState};
use crate::port::{Class, Look, PortError, SocialPlatform};
use std::time::Duration;

/// How long an unknown end is looked for before a person is asked.
const LOOK_FOR: Duration = Duration::from_secs(15 * 60);
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
                Effect::Wake => Ok(Settled::Woken {
                    effect: row.id,
                    case: row.case,
                }),
                Effect::OpenThread { .. }
                | Effect::UpdateCard { .. }
                | Effect::Tell { .. }
                | Effect::UpdateReply { .. } => Ok(Settled::Done(row.id)),
            };
            match outcome {
                Ok(settled) => {
                    if let Some(due) = put_off(&settled) {
                        row.due_at = due;
                        row.attempts += 1;
                        left.push(row);
                    }
                    self.settle(vec![settled]).await;
                }
                Err(error) => {
                    left.push(row);
                    pause = Pause::Failed(error.to_string());
                    break;
                }
            }
        }
        left.extend(queue);
        Turn { lane, left, pause }
    }

    async fn send(&self, row: &EffectRow, id: ReplyId) -> Result<Settled, Unavailable> {
        let claimed = self
            .inbound
            .ask(|answer| Request::Claim { reply: id, answer })
            .await?;
        let Some(reply) = claimed else {
            return Ok(Settled::Done(row.id));
        };
        let end = match self.rules.networks.get(&reply.source) {
            None => ReplyEnd::Failed(format!("the source {} is not configured any more", reply.source)),
            Some(network) => {
                let limit = self.timeout + GRACE;
                match tokio::time::timeout(limit, network.publish(&reply)).await {
                    Ok(Ok(published)) => ReplyEnd::Sent {
                        remote: published.id,
                        url: published.url,
                    },
                    Ok(Err(error)) => self.refused(row, error),
                    Err(_) => ReplyEnd::Uncertain(format!("no answer within {} s", limit.as_secs())),
                }
            }
        };
        Ok(Settled::Reply {
            effect: Some(row.id),
            reply: id,
            end,
        })
    }

    fn refused(&self, row: &EffectRow, error: PortError) -> ReplyEnd {
        match error {
            PortError::RetryAfter(wait) => ReplyEnd::Again(self.now() + wait),
            PortError::NotReached(_) | PortError::Closed(_) => {
                ReplyEnd::Again(self.now() + backoff(row.attempts))
            }
            PortError::Refused(reason) | PortError::Gone(reason) => ReplyEnd::Failed(reason),
            PortError::Unauthorized(reason) => ReplyEnd::Failed(format!(
                "The account's credentials are not accepted ({reason}). Ask the operator."
            )),
            PortError::Unknown(reason) => ReplyEnd::Uncertain(reason),
        }
    }

    /// Looks whether a reply whose end is unknown is there.
    async fn reconcile(&self, row: &EffectRow, id: ReplyId) -> Result<Settled, Unavailable> {
        let replies = self.store.replies(&[id]).await?;
        let Some(reply) = replies
            .into_iter()
            .find(|reply| reply.state == ReplyState::Ambiguous)
        else {
            return Ok(Settled::Done(row.id));
        };
        let end = match self.rules.networks.get(&reply.source) {
            None => ReplyEnd::AskPerson(format!("the source {} is not configured any more", reply.source)),
            Some(network) => match self.look(network.as_ref(), &reply).await {
                Ok(Look::Found(published)) => ReplyEnd::Sent {
                    remote: published.id,
                    url: published.url,
                },
                Ok(Look::Absent | Look::NotLooked) => ReplyEnd::NotThere,
                Err(error) => {
                    let since = reply.begun_at.unwrap_or(reply.created_at);
                    if self.now() - since > chrono::TimeDelta::from_std(LOOK_FOR).unwrap_or_default() {
                        ReplyEnd::AskPerson(format!("Hearback could not look: {error}"))
                    } else {
                        ReplyEnd::Again(self.now() + backoff(row.attempts).max(Duration::from_secs(5)))
                    }
                }
            },
        };
        Ok(Settled::Reply {
            effect: Some(row.id),
            reply: id,
            end,
        })
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

fn backoff(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 6)).unwrap_or(6);
    FIRST_PAUSE
        .saturating_mul(2u32.saturating_pow(doublings))
        .min(LONGEST_PAUSE)
}

/// When an effect is due again, if it is.
fn put_off(settled: &Settled) -> Option<crate::domain::Instant> {
    match settled {
        Settled::Reply {
            effect: Some(_),
            end: ReplyEnd::Again(due),
            ..
        } => Some(*due),
        _ => None,
    }
}
