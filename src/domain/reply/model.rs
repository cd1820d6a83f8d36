//! The model check: every way that a reply can go, with two senders, three attempts, kills, pauses, lost
//! requests and answers, late deliveries and people, is walked through by the same table by which the
//! program goes. It is a breadth-first search, so what it shows of a broken promise is a shortest story.
//!
//! What is modelled by hand is what the program keeps beside the state (fence, lease, settle time, the
//! first look, the first person's word), as `app::replies` and `app::answers` keep it, and the world
//! around it. Every step of a reply is taken by [`machine::first`].

mod checks;
mod world;

use super::ReplyState;
use super::machine::{self, Cause, Facts, Rule, Taint};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use world::{Kind, Margin, World};

/// How many attempts are looked at.
const FENCES: u8 = 3;
/// After how many uncertain ends a person is asked, as in `app::replies`.
const MOST_DOUBTS: u8 = 3;
/// How many requests can be under way at once.
const REQUESTS: usize = 3;

/// When an attempt cannot take effect any more, as the program knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Settle {
    /// No attempt is open.
    Nothing,
    /// The time begins when the lease is over.
    AfterLease,
    /// The time runs.
    Running,
    /// It is over.
    Over,
}

/// The first look that showed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Absent {
    No,
    JustNow,
    LongAgo,
}

/// How long the platform knows the key of the first attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Window {
    /// Long enough for another attempt.
    Open,
    /// It still does, but might not any more when an attempt that begins now takes effect.
    Closing,
    /// It forgot it.
    Over,
}

/// A request on its way to the platform, or being worked on there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Request {
    fence: u8,
    /// A server that looks for the key first and publishes later has looked.
    checked: bool,
    /// Its socket was closed when the settle time began: it takes effect before that ends, or never.
    bounded: bool,
}

/// What a look showed, and for what it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Sight {
    fence: u8,
    settled: bool,
    second: bool,
    shows: Shows,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Shows {
    Found,
    Absent { fresh: bool },
    NotLooked,
}

/// Where a sender is. Each number is the fence of the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Sender {
    Idle,
    /// The claim is committed.
    Claimed(u8),
    /// The permit was asked; the first byte is not written.
    Checked(u8),
    /// Waits for the answer.
    Waits(u8),
    /// Read that the platform has it.
    Done(u8),
    /// Read a refusal.
    Refused(u8),
    /// Read that it must wait.
    Limited(u8),
    /// Read that it stands in a wrong place.
    Astray(u8),
    /// No answer, or one that proves nothing.
    Unsure(u8),
    /// Has looked, and has not written down what it saw.
    Looked(Sight),
}

impl Sender {
    /// The attempt for which it may send, or waits for an answer.
    fn sends(self) -> Option<u8> {
        match self {
            Self::Claimed(fence) | Self::Checked(fence) | Self::Waits(fence) => Some(fence),
            Self::Idle
            | Self::Done(_)
            | Self::Refused(_)
            | Self::Limited(_)
            | Self::Astray(_)
            | Self::Unsure(_)
            | Self::Looked(_) => None,
        }
    }
}

/// One moment of the record, the senders and the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    at: ReplyState,
    tainted: bool,
    bound: bool,
    approved: bool,
    fence: u8,
    doubts: u8,
    /// A bit for each fence whose lease is not over, while a sender is at work on it.
    leases: u8,
    /// A bit for each fence that was claimed while the window was open, while it may take effect.
    keyed: u8,
    settle: Settle,
    absent: Absent,
    /// Who said first that it is not there; 0: nobody.
    said: u8,
    senders: [Sender; 2],
    requests: [Option<Request>; REQUESTS],
    window: Window,
    /// The platform has stored the key.
    key_known: bool,
    /// The copy that lagged without telling it has caught up.
    caught_up: bool,
    /// How often it stands on the platform.
    posts: u8,
}

/// A broken promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Broken {
    Doubled,
    SentButNowhere,
    CalledUnsentButThere,
    NotApproved,
    /// No end and no person can be reached any more.
    Stuck,
}

type Label = (&'static str, u8);

/// What a search came to.
struct Found {
    states: usize,
    edges: usize,
    broken: Option<Broken>,
    story: Vec<Label>,
}

impl State {
    fn new(at: ReplyState, bound: bool) -> Self {
        Self {
            at,
            tainted: false,
            bound,
            approved: false,
            fence: 0,
            doubts: 0,
            leases: 0,
            keyed: 0,
            settle: Settle::Nothing,
            absent: Absent::No,
            said: 0,
            senders: [Sender::Idle; 2],
            requests: [None; REQUESTS],
            window: Window::Open,
            key_known: false,
            caught_up: false,
            posts: 0,
        }
    }

    /// Without what cannot matter any more, so that what comes to the same is one state. Senders and
    /// requests are alike: their order says nothing.
    fn plain(mut self, world: &World) -> Self {
        if !self.at.is_open() && !world.retries {
            // Nothing that is recorded changes an end; only what is under way may still be published.
            for sender in &mut self.senders {
                if sender.sends().is_none() {
                    *sender = Sender::Idle;
                }
            }
            let posts = State {
                posts: self.posts,
                approved: self.approved,
                fence: self.fence,
                leases: self.leases,
                keyed: self.keyed,
                senders: self.senders,
                requests: self.requests,
                window: self.window,
                key_known: self.key_known,
                ..Self::new(self.at, self.bound)
            };
            self = posts;
        }
        for fence in 0..=FENCES {
            let at_work = self.senders.iter().any(|sender| sender.sends() == Some(fence));
            let flies = self
                .requests
                .iter()
                .flatten()
                .any(|request| request.fence == fence);
            if !at_work {
                self.leases &= !(1 << fence);
            }
            if self.window == Window::Over || (!at_work && !flies) {
                self.keyed &= !(1 << fence);
            }
        }
        if self.settle == Settle::AfterLease && !self.leased(self.fence) {
            self.settles_from_now();
        }
        if self.settle != Settle::Running {
            for request in self.requests.iter_mut().flatten() {
                request.bounded = false;
            }
        }
        self.senders.sort_unstable();
        self.requests.sort_unstable();
        self
    }

    fn broken(&self) -> Option<Broken> {
        let unsent = matches!(
            self.at,
            ReplyState::Failed | ReplyState::Cancelled | ReplyState::Stale
        );
        if self.posts > 1 {
            Some(Broken::Doubled)
        } else if self.at == ReplyState::Sent && self.posts == 0 {
            Some(Broken::SentButNowhere)
        } else if unsent && self.posts > 0 {
            Some(Broken::CalledUnsentButThere)
        } else if self.bound && !self.approved && self.posts > 0 {
            Some(Broken::NotApproved)
        } else {
            None
        }
    }

    /// An end, or a person has it before them, or the model looks no further.
    fn is_end(&self) -> bool {
        let with_people = matches!(
            self.at,
            ReplyState::Draft | ReplyState::PendingApproval | ReplyState::Stale | ReplyState::NeedsHuman
        );
        let claimable = matches!(self.at, ReplyState::Held | ReplyState::Queued);
        let horizon = claimable && self.fence >= FENCES;
        !self.at.is_open() || with_people || horizon
    }

    fn is_settled(&self) -> bool {
        matches!(self.settle, Settle::Nothing | Settle::Over)
    }

    fn leased(&self, fence: u8) -> bool {
        self.leases >> fence & 1 == 1
    }

    fn with(mut self, sender: usize, is: Sender) -> Self {
        self.senders[sender] = is;
        self
    }

    /// The settle time begins. It holds for what no sender holds open.
    fn settles_from_now(&mut self) {
        self.settle = Settle::Running;
        for place in 0..REQUESTS {
            if let Some(request) = self.requests[place] {
                let open = self.senders.contains(&Sender::Waits(request.fence));
                let bounded = !open || !self.leased(request.fence);
                self.requests[place] = Some(Request { bounded, ..request });
            }
        }
    }

    fn put(mut self, request: Request) -> Option<Self> {
        let free = self.requests.iter().position(Option::is_none)?;
        self.requests[free] = Some(request);
        Some(self)
    }
}

/// A table under examination, and the world around it.
struct Model<'a> {
    table: &'a [Rule],
    world: World,
}

impl Model<'_> {
    /// As `app::replies::facts` computes them: `fence` is that of the attempt that ends or was looked
    /// for, if it is known.
    fn facts(&self, state: &State, fence: Option<u8>) -> Facts {
        let repeat_safe = match self.world.kind {
            Kind::Key => match self.world.margin {
                Margin::Settled | Margin::Lease => state.window == Window::Open,
                Margin::None => state.window != Window::Over,
                Margin::Ignored => true,
            },
            Kind::Id => true,
            Kind::Lookup | Kind::None => false,
        };
        Facts {
            bound: state.bound,
            other_person: false,
            tainted: state.tainted,
            own_fence: fence.is_none_or(|fence| fence == state.fence),
            settled: state.is_settled(),
            repeat_safe,
            decidable: self.world.kind != Kind::None,
            fresh: false,
            second_look: false,
            attempts_left: state.doubts < MOST_DOUBTS && state.fence < FENCES,
        }
    }

    /// The only way by which a reply gets into another state.
    fn take(&self, state: State, cause: Cause, facts: &Facts) -> Option<State> {
        let rule = machine::first(self.table, state.at, cause, facts)?;
        let tainted = match rule.taint {
            Taint::Stays => state.tainted,
            Taint::Set => true,
            Taint::Cleared => false,
        };
        Some(State {
            at: rule.to,
            tainted,
            ..state
        })
    }

    /// What is recorded at the end of an attempt. What the table does not allow changes nothing.
    fn record(&self, state: State, cause: Cause, fence: Option<u8>) -> State {
        let facts = self.facts(&state, fence);
        self.take(state, cause, &facts).unwrap_or(state)
    }

    fn doubt(&self, state: State, fence: Option<u8>) -> State {
        let facts = self.facts(&state, fence);
        let Some(mut next) = self.take(state, Cause::Doubted, &facts) else {
            return state;
        };
        next.doubts = (next.doubts + 1).min(MOST_DOUBTS);
        next.absent = Absent::No;
        let other_sender = fence.is_none() && self.world.sweep_waits && next.leased(next.fence);
        if other_sender {
            next.settle = Settle::AfterLease;
        } else {
            next.settles_from_now();
        }
        next
    }

    /// Writes down what a look showed.
    fn seen(&self, state: State, sight: Sight) -> State {
        let cause = match sight.shows {
            Shows::Found => return self.record(state, Cause::Proven, None),
            Shows::Absent { .. } => Cause::NotSeen,
            Shows::NotLooked => Cause::Repeatable,
        };
        let facts = Facts {
            settled: sight.settled,
            second_look: sight.second,
            fresh: sight.shows == Shows::Absent { fresh: true },
            ..self.facts(&state, Some(sight.fence))
        };
        let Some(mut next) = self.take(state, cause, &facts) else {
            return state;
        };
        match next.at {
            ReplyState::Reconciling => next.absent = Absent::JustNow,
            ReplyState::Queued => next.absent = Absent::No,
            _ => {}
        }
        next
    }

    /// Walks through everything that can happen. Stops at the first promise that is broken in this
    /// way, or in any.
    fn search(&self, way: Option<Broken>) -> Found {
        let mut search = Search::default();
        for first in self.world.begins() {
            search.reach(first.plain(&self.world), None);
        }
        let mut next = Vec::new();
        let mut here = 0;
        while let Some(&state) = search.states.get(here) {
            let broken = state.broken();
            if let Some(broken) = broken.filter(|broken| way.is_none_or(|way| way == *broken)) {
                return search.found(Some((broken, here)));
            }
            next.clear();
            if broken != Some(Broken::Doubled) {
                self.steps(&state, &mut next);
            }
            for &(label, to, lucky) in &next {
                let to = search.reach(to.plain(&self.world), Some((here, label)));
                search.edges += 1;
                if !lucky {
                    search.back.push((to, index(here)));
                }
            }
            here += 1;
        }
        let stuck = if way.is_none_or(|way| way == Broken::Stuck) {
            search.stuck()
        } else {
            None
        };
        search.found(stuck.map(|at| (Broken::Stuck, at)))
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).expect("a small model")
}

#[derive(Default)]
struct Search {
    states: Vec<State>,
    places: HashMap<State, u32, BuildHasherDefault<Mix>>,
    from: Vec<Option<(usize, Label)>>,
    edges: usize,
    /// To each state, from which it can be reached without anybody's help.
    back: Vec<(u32, u32)>,
}

impl Search {
    fn reach(&mut self, state: State, from: Option<(usize, Label)>) -> u32 {
        let place = index(self.states.len());
        match self.places.entry(state) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                new.insert(place);
                self.states.push(state);
                self.from.push(from);
                place
            }
        }
    }

    /// A state from which no end and no person can be reached.
    fn stuck(&mut self) -> Option<usize> {
        self.back.sort_unstable();
        let mut reaches: Vec<bool> = self.states.iter().map(State::is_end).collect();
        let mut queue: Vec<u32> = (0..index(self.states.len()))
            .filter(|at| reaches[*at as usize])
            .collect();
        while let Some(at) = queue.pop() {
            let first = self.back.partition_point(|(to, _)| *to < at);
            for &(_, from) in self.back[first..].iter().take_while(|(to, _)| *to == at) {
                if !std::mem::replace(&mut reaches[from as usize], true) {
                    queue.push(from);
                }
            }
        }
        reaches.iter().position(|reaches| !reaches)
    }

    fn found(&self, broken: Option<(Broken, usize)>) -> Found {
        let mut story = Vec::new();
        let mut at = broken.map(|(_, at)| at);
        while let Some((from, label)) = at.and_then(|at| self.from[at]) {
            story.push(label);
            at = Some(from);
        }
        story.reverse();
        Found {
            states: self.states.len(),
            edges: self.edges,
            broken: broken.map(|(broken, _)| broken),
            story,
        }
    }
}

/// A quick hash: the states are many and nobody attacks them.
#[derive(Default)]
struct Mix(u64);

impl Mix {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.mix(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_usize(&mut self, word: usize) {
        self.mix(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.mix(word.cast_unsigned() as u64);
    }
}
