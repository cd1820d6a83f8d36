//! What one step of a reply is judged by: its own attempt, the settle time, the window of a key.

use super::*;
use crate::app::claims::{self};
use crate::app::request::Claimed;
use crate::app::{Approvals, Directory, Pauses};
use crate::domain::care::Care;
use crate::domain::{Agent, Audience, ButtonKey, IdempotencyKey, NativeId, SourceName, Standing};
use crate::port::{Abilities, Composed, Look, Permit, PortError, SocialPlatform, Target};
use async_trait::async_trait;
use rstest::rstest;
use std::sync::Arc;

const TIMEOUT: Duration = Duration::from_secs(20);
const SETTLE: Duration = Duration::from_secs(120);
/// From a claim on, so long an attempt can take effect.
const ACTS_FOR: Duration = Duration::from_secs(20 + 15 + 120);
const WINDOW: Duration = Duration::from_secs(3_600);
const ID: ReplyId = ReplyId(1);

/// A network that is only asked what it is.
struct Shop(Class, SourceName);

#[async_trait]
impl SocialPlatform for Shop {
    fn source(&self) -> &SourceName {
        &self.1
    }
    fn abilities(&self) -> Abilities {
        Abilities {
            class: self.0,
            private: true,
            label: "Shop".to_owned(),
            account: Some("brand".into()),
        }
    }
    fn compose(&self, _: &str, _: &str, _: Audience) -> Composed {
        unreachable!("nobody writes here")
    }
    async fn target(&self, _: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        Ok(Target::NotReadable)
    }
    async fn publish(&self, _: &Reply, _: &Permit) -> Result<Published, PortError> {
        Err(PortError::NotReached("nobody sends here".to_owned()))
    }
    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        Ok(Look::NotLooked)
    }
    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }
}

struct Scene {
    work: Work,
    rules: Rules,
}

fn at(seconds: i64) -> Instant {
    chrono::DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

impl Scene {
    /// A reply in this state, claimed for the second time at second 0.
    fn with(class: Class, state: ReplyState) -> Self {
        let source = SourceName::new("shop");
        let network: Arc<dyn SocialPlatform> = Arc::new(Shop(class, source.clone()));
        let rules = Rules {
            directory: Directory::default(),
            networks: [(source.clone(), network)].into(),
            hold: Duration::from_secs(10),
            timeout: TIMEOUT,
            settle: SETTLE,
            approvals: Approvals::default(),
            approval_expires: TimeDelta::days(1),
            care: Care::default(),
            hearing: Default::default(),
            installation: "test".to_owned(),
            button_key: ButtonKey::new("key"),
            pauses: Pauses::default(),
            standing: Standing::Sound,
            seal: None,
        };
        let ada = Agent {
            key: "ada".to_owned(),
            name: "Ada".to_owned(),
        };
        let key = IdempotencyKey::new("test-r1");
        let mut reply = Reply::blank(ID, crate::domain::CaseNumber(1), source, ada, key, at(-60));
        reply.account = Some("brand".into());
        reply.target = "p1".into();
        reply.state = state;
        reply.fence = 2;
        reply.begun_at = Some(at(0));
        reply.lease_until = Some(at(35));
        reply.hash = reply.payload().hash();
        let mut work = Work::new(at(0), crate::store::Counters::default(), Vec::new());
        work.replies.insert(ID, reply);
        Self { work, rules }
    }

    fn reply(&self) -> &Reply {
        &self.work.replies[&ID]
    }

    fn change(&mut self, change: impl FnOnce(&mut Reply)) {
        change(self.work.replies.get_mut(&ID).unwrap());
    }

    fn ends(&mut self, fence: Option<i64>, end: ReplyEnd) -> &Reply {
        ended(&mut self.work, &self.rules, None, (ID, fence), end);
        self.reply()
    }

    /// When the next effect of the reply is due.
    fn due(&self) -> Instant {
        let owed = self.work.changes.effects.last();
        owed.unwrap().due_at
    }
}

fn published() -> Published {
    Published {
        id: "r1".into(),
        url: Some("https://shop.example/r1".to_owned()),
        parent: Some("p1".into()),
        author: Some("brand".into()),
    }
}

/// What an earlier attempt's sender says late is about that one, not about the one that is under way.
#[rstest]
#[case::refused(ReplyEnd::Failed("no".to_owned()))]
#[case::delayed(ReplyEnd::Waits("come again".to_owned()))]
#[case::uncertain(ReplyEnd::Uncertain("no answer".to_owned()))]
fn another_attempts_sender_decides_nothing(#[case] end: ReplyEnd) {
    let mut scene = Scene::with(Class::Lookup, ReplyState::Sending);
    assert_eq!(scene.ends(Some(1), end.clone()).state, ReplyState::Sending);
    assert!(scene.work.changes.attempts.is_empty());
    let mut own = Scene::with(Class::Lookup, ReplyState::Sending);
    assert_ne!(own.ends(Some(2), end).state, ReplyState::Sending);
}

/// A look counts for what it could see: that began before the platform had to be done.
#[test]
fn a_look_is_judged_by_when_it_began() {
    let look = |looked_at| {
        let mut scene = Scene::with(Class::Lookup, ReplyState::Ambiguous);
        scene.change(|reply| reply.settled_at = Some(at(120)));
        scene.work.now = at(130);
        let end = ReplyEnd::NotThere {
            fresh: true,
            looked_at,
        };
        let state = scene.ends(Some(2), end).state;
        (state, scene.due())
    };
    assert_eq!(look(at(119)), (ReplyState::Ambiguous, at(130) + BETWEEN_LOOKS));
    assert_eq!(look(at(120)), (ReplyState::Reconciling, at(130) + BETWEEN_LOOKS));
}

/// Too early, it is looked again when the platform is done, and not before the pause between looks.
#[test]
fn a_look_that_came_too_early_is_taken_again_in_time() {
    let mut scene = Scene::with(Class::Lookup, ReplyState::Ambiguous);
    scene.change(|reply| reply.settled_at = Some(at(120)));
    scene.work.now = at(50);
    let end = ReplyEnd::NotThere {
        fresh: true,
        looked_at: at(49),
    };
    assert_eq!(scene.ends(Some(2), end).state, ReplyState::Ambiguous);
    assert_eq!(scene.due(), at(120));
}

/// The second look comes so long after the first that a copy that lags would have caught up.
#[test]
fn two_looks_in_a_row_are_one() {
    let second = |after: TimeDelta| {
        let mut scene = Scene::with(Class::Lookup, ReplyState::Reconciling);
        scene.change(|reply| {
            reply.tainted = true;
            reply.settled_at = Some(at(120));
            reply.absent_at = Some(at(130));
        });
        scene.work.now = at(130) + after;
        let end = ReplyEnd::NotThere {
            fresh: true,
            looked_at: at(130) + after,
        };
        scene.ends(Some(2), end).state
    };
    assert_eq!(
        second(BETWEEN_LOOKS - TimeDelta::seconds(1)),
        ReplyState::Reconciling
    );
    assert_eq!(second(BETWEEN_LOOKS), ReplyState::Queued);
}

/// By its key it is sent again only while the platform remembers the key until the call takes effect.
#[test]
fn a_key_is_good_until_its_window_less_one_attempt() {
    let last = TimeDelta::from_std(WINDOW - ACTS_FOR).unwrap();
    let repeated = |now: Instant| {
        let mut scene = Scene::with(Class::Key { window: WINDOW }, ReplyState::Ambiguous);
        scene.change(|reply| {
            reply.tainted = true;
            reply.settled_at = Some(at(120));
        });
        scene.work.now = now;
        scene.ends(Some(2), ReplyEnd::Repeat { looked_at: now }).state
    };
    assert_eq!(repeated(at(0) + last - TimeDelta::seconds(1)), ReplyState::Queued);
    assert_eq!(repeated(at(0) + last), ReplyState::NeedsHuman);
}

/// Each claim has a number of its own, and the first one begins the window.
#[test]
fn a_claim_has_the_next_number() {
    let mut scene = Scene::with(Class::Id, ReplyState::Queued);
    scene.change(|reply| {
        reply.fence = 0;
        reply.begun_at = None;
        reply.lease_until = None;
    });
    for number in 1..=3 {
        scene.work.now = at(100 * number);
        scene.change(|reply| reply.state = ReplyState::Queued);
        let Claimed::Send(claimed) = claims::claim(&mut scene.work, &scene.rules, ID) else {
            panic!("it is claimed");
        };
        assert_eq!(claimed.fence, number);
        assert_eq!(claimed.begun_at, Some(at(100)));
        assert_eq!(claimed.lease_until, Some(at(100 * number + 35)));
    }
}

/// Who could not keep the platform's words does not know its end; who looked in vain asks a person.
#[test]
fn only_an_attempt_under_way_is_uncertain() {
    let end = || ReplyEnd::AskPerson("it cannot be found out".to_owned());
    let mut scene = Scene::with(Class::Lookup, ReplyState::Sending);
    assert_eq!(scene.ends(Some(2), end()).state, ReplyState::Ambiguous);
    let mut scene = Scene::with(Class::Lookup, ReplyState::Ambiguous);
    let reply = scene.ends(Some(2), end());
    assert_eq!(reply.state, ReplyState::NeedsHuman);
    assert_eq!(reply.reason.as_deref(), Some("it cannot be found out"));
}

/// What people read of it names its address.
#[test]
fn where_it_stands_is_written_down() {
    let mut scene = Scene::with(Class::Lookup, ReplyState::Sending);
    scene.ends(Some(2), ReplyEnd::Sent(published()));
    let note = scene.work.changes.attempts.last().unwrap();
    assert_eq!(
        (note.what.as_str(), note.detail.as_str()),
        ("sent", "https://shop.example/r1")
    );
    let mut scene = Scene::with(Class::Lookup, ReplyState::Sending);
    let bare = Published {
        url: None,
        ..published()
    };
    scene.ends(Some(2), ReplyEnd::Sent(bare));
    assert_eq!(scene.work.changes.attempts.last().unwrap().detail, "r1");
}

/// What the database lost is looked for; what is done with stays done with.
#[test]
fn what_was_forgotten_is_looked_for() {
    let end = || ReplyEnd::Forgotten("restored".to_owned());
    let mut scene = Scene::with(Class::Lookup, ReplyState::Held);
    let reply = scene.ends(None, end());
    assert_eq!((reply.state, reply.forgotten), (ReplyState::Ambiguous, true));
    let mut scene = Scene::with(Class::Lookup, ReplyState::Sent);
    let reply = scene.ends(None, end());
    assert_eq!((reply.state, reply.forgotten), (ReplyState::Sent, false));
}

/// What a restored database thinks unsent is not sent again though nobody sees it there.
#[test]
fn what_was_forgotten_is_never_sent_again_by_itself() {
    for end in [
        ReplyEnd::NotThere {
            fresh: true,
            looked_at: at(500),
        },
        ReplyEnd::Repeat { looked_at: at(500) },
    ] {
        let mut scene = Scene::with(Class::Id, ReplyState::Ambiguous);
        scene.change(|reply| {
            reply.forgotten = true;
            reply.settled_at = Some(at(120));
        });
        scene.work.now = at(500);
        let reply = scene.ends(Some(2), end);
        assert_eq!(reply.state, ReplyState::NeedsHuman);
        assert!(reply.reason.as_deref().unwrap().contains("the database lost"));
    }
}

/// For six hours from the end of its undo window a reply that cannot go out is tried again.
#[test]
fn what_cannot_go_out_is_given_up_after_six_hours() {
    let waits = |after: TimeDelta| {
        let mut scene = Scene::with(Class::Id, ReplyState::Sending);
        scene.change(|reply| reply.hold_until = at(0));
        scene.work.now = at(0) + after;
        scene
            .ends(Some(2), ReplyEnd::Waits("the network is away".to_owned()))
            .state
    };
    assert_eq!(waits(LONGEST_WAIT - TimeDelta::seconds(1)), ReplyState::Queued);
    assert_eq!(waits(LONGEST_WAIT), ReplyState::Failed);
}

/// An earlier attempt of which nobody knows when it is done with gets the whole settle time.
#[test]
fn what_is_looked_for_gets_its_time() {
    let mut scene = Scene::with(Class::Lookup, ReplyState::Ambiguous);
    let mut reply = scene.reply().clone();
    let event = look_for(&mut scene.work, &scene.rules, &mut reply, "why".to_owned());
    let Event::ReplyUncertain { look_at, .. } = event else {
        panic!("{event:?}");
    };
    assert_eq!((look_at, scene.due()), (at(120), at(120)));
    // What is over already is looked for at once.
    reply.settled_at = Some(at(-5));
    look_for(&mut scene.work, &scene.rules, &mut reply, "why".to_owned());
    assert_eq!(scene.due(), at(0));
}
