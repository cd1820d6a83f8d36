//! A request at work in a batch of the ledger's.

use super::act;
use super::claims;
use super::desk::Rules;
use super::hearing;
use super::inbound::{Intake, Unavailable};
use super::intake;
use super::poison::shortened;
use super::request::{Claimed, Request};
use super::work::Work;
use crate::store::Aside;

/// A request with its outcome, which is answered only after the commit.
pub(super) struct Part {
    pub request: Request,
    outcome: Outcome,
}

enum Outcome {
    None,
    Intake(Intake),
    Response(Box<super::inbound::Response>),
    Claimed(Claimed),
}

impl From<Request> for Part {
    fn from(request: Request) -> Self {
        Self {
            request,
            outcome: Outcome::None,
        }
    }
}

impl Part {
    /// Does the request's work. May be called again after a batch was refused, so it takes nothing away.
    pub fn work(&mut self, work: &mut Work, rules: &Rules) {
        self.outcome = match &self.request {
            Request::Posts {
                source,
                sightings,
                cursor,
                gate,
                ..
            } => Outcome::Intake(intake::posts(
                work,
                rules,
                (source, *gate),
                sightings.clone(),
                cursor.clone(),
            )),
            Request::Command { order, .. } => {
                Outcome::Response(Box::new(act::command(work, rules, (**order).clone())))
            }
            Request::Begin { effects, .. } => {
                let now = work.now;
                work.changes
                    .effects_begun
                    .extend(effects.iter().map(|id| (*id, now)));
                Outcome::None
            }
            Request::Claim { reply, .. } => Outcome::Claimed(claims::claim(work, rules, *reply)),
            Request::LookAtPauses { .. } => {
                work.log_pauses(&rules.directory);
                Outcome::None
            }
            Request::Settle { settled, .. } => {
                for one in settled {
                    act::settle(work, rules, one.clone());
                }
                Outcome::None
            }
            Request::Announce { notice, .. } => {
                hearing::announce(work, rules, notice.clone());
                Outcome::None
            }
            Request::Aside {
                origin, reason, raw, ..
            } => {
                work.changes.asides.push(Aside {
                    at: work.now,
                    origin: origin.clone(),
                    reason: reason.clone(),
                    raw: shortened(raw.clone()),
                });
                Outcome::None
            }
        };
    }

    pub fn answer(self) {
        // A receiver that is gone has nobody to tell; the work is done.
        match (self.request, self.outcome) {
            (Request::Posts { answer, .. }, Outcome::Intake(intake)) => drop(answer.send(Ok(intake))),
            (Request::Command { answer, .. }, Outcome::Response(response)) => {
                drop(answer.send(Ok(*response)))
            }
            (Request::Claim { answer, .. }, Outcome::Claimed(reply)) => drop(answer.send(Ok(reply))),
            (
                Request::Begin { answer, .. }
                | Request::Settle { answer, .. }
                | Request::LookAtPauses { answer }
                | Request::Announce { answer, .. }
                | Request::Aside { answer, .. },
                _,
            ) => drop(answer.send(Ok(()))),
            (Request::Posts { .. } | Request::Command { .. } | Request::Claim { .. }, _) => {}
        }
    }

    pub fn fail(self, reason: &str) {
        let why = Unavailable(reason.to_owned());
        match self.request {
            Request::Posts { answer, .. } => drop(answer.send(Err(why))),
            Request::Command { answer, .. } => drop(answer.send(Err(why))),
            Request::Claim { answer, .. } => drop(answer.send(Err(why))),
            Request::Begin { answer, .. }
            | Request::Settle { answer, .. }
            | Request::LookAtPauses { answer }
            | Request::Announce { answer, .. }
            | Request::Aside { answer, .. } => {
                drop(answer.send(Err(why)));
            }
        }
    }
}
