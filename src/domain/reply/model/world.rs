//! What can happen to a reply: senders, platform, clock and people.

use super::{
    Absent, Cause, FENCES, Facts, Label, Model, ReplyState, Request, Sender, Settle, Shows, Sight, State,
    Window,
};

/// How the platform recognises a repetition, as `port::Class` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Key,
    Id,
    Lookup,
    None,
}

/// How a look can be wrong about what stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lag {
    /// It cannot.
    None,
    /// A copy lags, and what we published last is missing there, too.
    Told,
    /// It lags for less than the time between two looks, and nothing tells it.
    Briefly,
    /// Any look may, and nothing tells it.
    Unnoticed,
}

/// Until when a repetition counts as safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Margin {
    /// While the lease and the settle time fit into what is left of the window.
    Settled,
    /// While the lease does.
    Lease,
    /// Until the window ends.
    None,
    /// For ever.
    Ignored,
}

/// The world, and what of the program is not in the table.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing to be broken")]
pub(super) struct World {
    pub kind: Kind,
    /// The platform finds the key and publishes in one step.
    pub atomic: bool,
    /// Our own posts can be read there.
    pub readable: bool,
    pub lag: Lag,
    /// A sender can stand still between its permit and its first byte.
    pub pauses: bool,
    /// Only one process is at work: the other one is dead.
    pub lock: bool,
    /// A refusal is believed only if it is proven to mean *not executed*.
    pub proven_refusals: bool,
    /// How many persons say that it is not there without looking well.
    pub careless: u8,
    /// An answer may show that it stands in a wrong place.
    pub astray: bool,
    /// It begins as a draft, not as held.
    pub drafts: bool,
    /// The claim is committed before the first byte.
    pub claims: bool,
    /// The first byte needs a lease that is not over.
    pub permits: bool,
    /// The HTTP client repeats what had no answer.
    pub retries: bool,
    /// … under another key.
    pub fresh_keys: bool,
    pub margin: Margin,
    /// The settle time of an attempt that broke off begins when its lease is over.
    pub sweep_waits: bool,
}

impl World {
    /// As it ships, for a platform of this kind.
    pub(super) const fn of(kind: Kind) -> Self {
        Self {
            kind,
            atomic: true,
            readable: true,
            lag: Lag::None,
            pauses: false,
            lock: false,
            proven_refusals: true,
            careless: 1,
            astray: false,
            drafts: false,
            claims: true,
            permits: true,
            retries: false,
            fresh_keys: false,
            margin: Margin::Settled,
            sweep_waits: true,
        }
    }

    pub(super) fn begins(&self) -> Vec<State> {
        if self.drafts {
            [false, true]
                .map(|bound| State::new(ReplyState::Draft, bound))
                .to_vec()
        } else {
            vec![State::new(ReplyState::Held, false)]
        }
    }
}

/// Steps that lead on: what is done, by which sender or for which fence, to where; `true` if nobody may
/// count on it.
pub(super) type Steps = Vec<(Label, State, bool)>;

impl Model<'_> {
    pub(super) fn steps(&self, state: &State, out: &mut Steps) {
        for sender in 0..state.senders.len() {
            self.sender(state, sender, out);
        }
        for place in 0..state.requests.len() {
            if let Some(request) = state.requests[place] {
                let mut rest = *state;
                rest.requests[place] = None;
                self.platform(&rest, request, out);
            }
        }
        self.clock(state, out);
        self.people(state, out);
    }

    fn sender(&self, state: &State, me: usize, out: &mut Steps) {
        let number = u8::try_from(me).unwrap_or_default();
        let mut add = |what: &'static str, to: State| out.push(((what, number), to, false));
        let now = state.senders[me];
        let idle = state.with(me, Sender::Idle);
        if now != Sender::Idle {
            add("is killed", idle);
        }
        match now {
            Sender::Idle => self.idle(state, me, out),
            Sender::Claimed(fence) => {
                if state.leased(fence) || !self.world.permits {
                    if self.world.pauses || !self.world.permits {
                        add("has its permit", state.with(me, Sender::Checked(fence)));
                    } else if let Some(sent) = send(state, me, fence) {
                        add("has its permit and sends", sent);
                    }
                } else {
                    add(
                        "is too late to send",
                        self.record(idle, Cause::Delayed, Some(fence)),
                    );
                }
                add(
                    "has no connection",
                    self.record(idle, Cause::Delayed, Some(fence)),
                );
            }
            Sender::Checked(fence) => {
                if let Some(sent) = send(state, me, fence) {
                    add("sends", sent);
                }
            }
            Sender::Waits(fence) => add("has no answer", state.with(me, Sender::Unsure(fence))),
            Sender::Unsure(fence) => {
                if self.world.retries {
                    add("repeats by itself", state.with(me, Sender::Checked(fence)));
                }
                add("records: doubted", self.doubt(idle, Some(fence)));
            }
            Sender::Done(fence) => add("records: proven", self.record(idle, Cause::Proven, Some(fence))),
            Sender::Refused(fence) => add("records: refused", self.record(idle, Cause::Refused, Some(fence))),
            Sender::Limited(fence) => add("records: delayed", self.record(idle, Cause::Delayed, Some(fence))),
            Sender::Astray(fence) => add(
                "records: astray",
                self.record(idle, Cause::Misplaced, Some(fence)),
            ),
            Sender::Looked(sight) => add("records what it saw", self.seen(idle, sight)),
        }
    }

    /// What a process does that does nothing yet.
    fn idle(&self, state: &State, me: usize, out: &mut Steps) {
        if self.world.lock && state.senders.iter().any(|sender| *sender != Sender::Idle) {
            return;
        }
        let number = u8::try_from(me).unwrap_or_default();
        match state.at {
            ReplyState::Held | ReplyState::Queued if !self.world.claims => {
                let picked = state.with(me, Sender::Checked(state.fence));
                out.push((("picks it without a claim", number), picked, false));
            }
            ReplyState::Held | ReplyState::Queued => {
                let facts = self.facts(state, None);
                match self.take(*state, Cause::Claimed, &facts) {
                    Some(next) if next.at != ReplyState::Sending => {
                        out.push((("is too late to repeat", number), next, false));
                    }
                    Some(next) if next.fence < FENCES => {
                        out.push((("claims", number), claimed(next, me), false));
                    }
                    Some(_) | None => {}
                }
            }
            ReplyState::Sending => {
                out.push((("finds it broken off", number), self.doubt(*state, None), false));
            }
            ReplyState::Ambiguous | ReplyState::Reconciling => self.look(state, me, out),
            _ => {}
        }
    }

    fn look(&self, state: &State, me: usize, out: &mut Steps) {
        let number = u8::try_from(me).unwrap_or_default();
        let mut see = |what: &'static str, shows: Shows| {
            let sight = Sight {
                fence: state.fence,
                settled: state.is_settled(),
                second: state.absent == Absent::LongAgo,
                shows,
            };
            out.push(((what, number), state.with(me, Sender::Looked(sight)), false));
        };
        let stands = state.posts > 0;
        match (self.world.kind, self.world.readable) {
            (Kind::None, _) => return,
            (Kind::Key | Kind::Id | Kind::Lookup, false) => {
                see("cannot look", Shows::NotLooked);
                return;
            }
            (Kind::Key | Kind::Id | Kind::Lookup, true) if stands => {
                see("looks: it is there", Shows::Found);
            }
            (Kind::Key | Kind::Id | Kind::Lookup, true) => {
                see("looks: nothing", Shows::Absent { fresh: true });
            }
        }
        let lags = Shows::Absent { fresh: true };
        match self.world.lag {
            Lag::Told => see("looks: an old copy", Shows::Absent { fresh: false }),
            Lag::Briefly if stands && !state.caught_up => see("looks: nothing yet", lags),
            Lag::Unnoticed if stands => see("looks: nothing yet", lags),
            Lag::None | Lag::Briefly | Lag::Unnoticed => {}
        }
    }

    /// What the platform does with a request; `rest` is without it.
    fn platform(&self, rest: &State, request: Request, out: &mut Steps) {
        let fence = request.fence;
        let mut answer = |what: &'static str, base: State, read: &[fn(u8) -> Sender]| {
            out.push(((what, fence), base, false));
            for (place, sender) in rest.senders.iter().enumerate() {
                if *sender == Sender::Waits(fence) {
                    for is in read {
                        out.push(((what, fence), base.with(place, is(fence)), false));
                    }
                }
            }
        };
        let published = State {
            posts: rest.posts + 1,
            key_known: true,
            ..*rest
        };
        if request.checked {
            answer("is published after the check", published, &[Sender::Done]);
            return;
        }
        answer("is lost", *rest, &[]);
        answer("is refused", *rest, &[Sender::Refused]);
        answer("is told to wait", *rest, &[Sender::Limited]);
        let known = match self.world.kind {
            Kind::Key => rest.key_known && rest.window != Window::Over && !self.world.fresh_keys,
            Kind::Id => rest.posts > 0,
            Kind::Lookup | Kind::None => false,
        };
        if known {
            answer("is known already", *rest, &[Sender::Done, Sender::Unsure]);
        } else if self.world.kind == Kind::Key && !self.world.atomic {
            let checked = Request {
                checked: true,
                ..request
            };
            if let Some(next) = rest.put(checked) {
                out.push((("is not known yet", fence), next, false));
            }
        } else {
            answer("is published", published, &[Sender::Done, Sender::Unsure]);
            if self.world.astray {
                answer("is published in a wrong place", published, &[Sender::Astray]);
            }
            if !self.world.proven_refusals {
                answer("is published, then refused", published, &[Sender::Refused]);
            }
        }
    }

    fn clock(&self, state: &State, out: &mut Steps) {
        let mut add = |what: &'static str, fence: u8, to: State| out.push(((what, fence), to, false));
        for fence in (1..=FENCES).filter(|fence| state.leased(*fence)) {
            let mut next = *state;
            next.leases &= !(1 << fence);
            if next.settle == Settle::AfterLease && fence == next.fence {
                next.settles_from_now();
            }
            add("the lease is over", fence, next);
        }
        let bounded = state.requests.iter().flatten().any(|request| request.bounded);
        if state.settle == Settle::Running && !bounded {
            let next = State {
                settle: Settle::Over,
                ..*state
            };
            add("the settle time is over", state.fence, next);
        }
        if state.absent == Absent::JustNow {
            let next = State {
                absent: Absent::LongAgo,
                caught_up: self.world.lag == Lag::Briefly,
                ..*state
            };
            add("the time between two looks is over", state.fence, next);
        }
        if self.world.kind == Kind::Key && state.fence > 0 {
            self.window(state, out);
        }
    }

    fn window(&self, state: &State, out: &mut Steps) {
        let keyed = |fence: u8| state.keyed >> fence & 1 == 1;
        let leased = state.leases & state.keyed != 0;
        let flying = state
            .requests
            .iter()
            .flatten()
            .any(|request| keyed(request.fence));
        let over = match self.world.margin {
            Margin::Settled | Margin::Ignored => !leased && !flying,
            Margin::Lease => !leased,
            Margin::None => true,
        };
        match state.window {
            Window::Open => {
                let next = State {
                    window: Window::Closing,
                    ..*state
                };
                out.push((("the window is about to close", 0), next, false));
            }
            Window::Closing if over => {
                let next = State {
                    window: Window::Over,
                    key_known: false,
                    ..*state
                };
                out.push((("the window is over", 0), next, false));
            }
            Window::Closing | Window::Over => {}
        }
    }

    fn people(&self, state: &State, out: &mut Steps) {
        let facts = self.facts(state, None);
        let mut may = |what: &'static str, cause: Cause, facts: &Facts, lucky: bool| {
            if let Some(next) = self.take(*state, cause, facts) {
                out.push(((what, 0), next, lucky));
            }
        };
        may("its author takes it back", Cause::TakenBack, &facts, true);
        may("its time for a yes is over", Cause::Expired, &facts, true);
        may("what it answers changes", Cause::TargetChanged, &facts, true);
        may("a person gives up", Cause::GivenUp, &facts, true);
        may("its approver sends it back", Cause::Rejected, &facts, true);
        if state.posts > 0 {
            may("its echo comes, or a person saw it", Cause::Proven, &facts, true);
        }
        let looks = matches!(state.at, ReplyState::Ambiguous | ReplyState::Reconciling);
        if looks && state.settle == Settle::Over && self.world.readable {
            may("nobody can look for too long", Cause::Undecidable, &facts, false);
        }
        if let Some(next) = self.take(*state, Cause::Confirmed, &facts) {
            // What another person approved before was another version.
            let approved = false;
            out.push((("its author says yes", 0), State { approved, ..next }, true));
        }
        for other_person in [false, true] {
            let facts = Facts {
                other_person,
                ..facts
            };
            if let Some(next) = self.take(*state, Cause::Approved, &facts) {
                let approved = other_person;
                let who = u8::from(other_person);
                out.push((("is approved by a person", who), State { approved, ..next }, true));
            }
        }
        self.told(state, &facts, out);
    }

    /// Persons say that it is not there. The careless ones say so whatever is the case.
    fn told(&self, state: &State, facts: &Facts, out: &mut Steps) {
        let sees_nothing = |person: &u8| state.posts == 0 || *person <= self.world.careless;
        for person in [1, 2].into_iter().filter(sees_nothing) {
            let first = state.said == 0;
            let cause = if first {
                Cause::SaidAbsent
            } else {
                Cause::ToldAbsent
            };
            let facts = Facts {
                other_person: !first && state.said != person,
                ..*facts
            };
            let Some(mut next) = self.take(*state, cause, &facts) else {
                continue;
            };
            if first {
                next.said = person;
            } else {
                next.said = 0;
                next.doubts = 0;
                next.absent = Absent::No;
            }
            out.push((("a person says it is not there", person), next, true));
        }
    }
}

fn send(state: &State, me: usize, fence: u8) -> Option<State> {
    let request = Request {
        fence,
        checked: false,
        bounded: false,
    };
    Some(state.put(request)?.with(me, Sender::Waits(fence)))
}

fn claimed(mut next: State, me: usize) -> State {
    next.fence += 1;
    next.leases |= 1 << next.fence;
    if next.window == Window::Open {
        next.keyed |= 1 << next.fence;
    }
    next.with(me, Sender::Claimed(next.fence))
}
