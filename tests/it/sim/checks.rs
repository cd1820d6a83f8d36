//! What must hold at the end of a day, whatever happened in it.

use super::network::Stand;
use super::people::mark;
use super::{Day, distinct};
use hearback::domain::case::fold;
use hearback::domain::message::ReplyVerb;
use hearback::domain::*;
use hearback::store::{AttemptRow, CaseFilter, Seal, Store};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What happened.
#[derive(Debug, Default)]
pub struct Tally {
    pub steps: u64,
    pub deaths: u64,
    pub calls: u64,
    pub faults: u64,
    /// Replies that agents gave and that were taken.
    pub given: u64,
    pub sent: u64,
    pub refused: u64,
    pub taken_back: u64,
    pub abandoned: u64,
    /// Replies about which a person was asked.
    pub asked: u64,
    /// Wrong answers that stopped an account.
    pub alarms: u64,
    pub misplaced: u64,
    /// Two standing ones that two people had not seen, because the network hid the first.
    pub hidden_doubles: u64,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        for (mine, other) in [
            (&mut self.steps, other.steps),
            (&mut self.deaths, other.deaths),
            (&mut self.calls, other.calls),
            (&mut self.faults, other.faults),
            (&mut self.given, other.given),
            (&mut self.sent, other.sent),
            (&mut self.refused, other.refused),
            (&mut self.taken_back, other.taken_back),
            (&mut self.abandoned, other.abandoned),
            (&mut self.asked, other.asked),
            (&mut self.alarms, other.alarms),
            (&mut self.misplaced, other.misplaced),
            (&mut self.hidden_doubles, other.hidden_doubles),
        ] {
            *mine += other;
        }
    }

    /// A simulation in which nothing happens proves nothing.
    pub fn was_eventful(&self) {
        for (what, number) in [
            ("deaths", self.deaths),
            ("faults", self.faults),
            ("sent", self.sent),
            ("refused", self.refused),
            ("taken back", self.taken_back),
            ("asked", self.asked),
            ("alarms", self.alarms),
            ("misplaced", self.misplaced),
        ] {
            assert!(number > 0, "nothing of this happened: {what}; {self:?}");
        }
    }
}

impl Day {
    async fn all_replies(&self) -> Vec<Reply> {
        let mut all = Vec::new();
        for case in self.cases().await {
            all.extend(self.store().replies_of(case.number).await.unwrap());
        }
        all
    }

    async fn cases(&self) -> Vec<Case> {
        self.store()
            .list_cases(&CaseFilter::default(), i64::MAX)
            .await
            .unwrap()
    }

    /// What stands on the networks, and what the database says of it. `closed`: nothing may be open.
    pub async fn check(&mut self, closed: bool) {
        let replies = self.all_replies().await;
        let mut standing: BTreeMap<ReplyId, Vec<Stand>> = BTreeMap::new();
        for network in &self.networks {
            for stand in network.stands() {
                if let Some(reply) = stand.reply {
                    standing.entry(reply).or_default().push(stand);
                }
            }
        }
        let known: Vec<_> = replies.iter().map(|reply| reply.id).collect();
        for reply in standing.keys() {
            assert!(
                known.contains(reply),
                "{}: {reply} stands and is not stored",
                self.seed
            );
        }
        for reply in &replies {
            let stands = standing.remove(&reply.id).unwrap_or_default();
            self.check_stands(reply, &stands, closed).await;
            self.check_state(reply, &stands).await;
            self.check_moves(reply, closed).await;
        }
        self.check_taken(&replies);
        for (source, id) in distinct_posts(&self.intents.posts) {
            let stored = self.store().posts(&[(source, id.clone())]).await.unwrap();
            assert_eq!(stored.len(), 1, "{}: {id} was taken in and is lost", self.seed);
        }
        if closed {
            self.count(&replies).await;
        }
    }

    /// It stands once at most, where it belongs, in the words that were agreed to.
    async fn check_stands(&mut self, reply: &Reply, stands: &[Stand], closed: bool) {
        let seed = self.seed;
        let log = self.log(reply.case).await;
        if stands.len() > 1 {
            let history = self.store().attempts(reply.id).await.unwrap();
            assert!(
                was_hidden_from_two(&history, stands),
                "{seed}: doubled: {stands:#?}\n{reply:#?}\n{history:#?}"
            );
            self.tally.hidden_doubles += u64::from(closed);
        }
        for stand in stands {
            if stand.misplaced {
                self.tally.misplaced += u64::from(closed);
                let asked = log.iter().any(
                    |event| matches!(event, Event::ReplyNeedsHuman { reply: of, .. } if *of == reply.id),
                );
                assert!(asked, "{seed}: misplaced, and nobody was asked: {reply:#?}");
            } else {
                assert_eq!(stand.parent.as_ref(), Some(&reply.target), "{seed}: {reply:#?}");
            }
            let meant = mark(&stand.text).and_then(|mark| self.intents.cases.get(mark));
            assert_eq!(meant, Some(&reply.case), "{seed}: misdirected: {reply:#?}");
            let held = |event: &Event| match event {
                Event::ReplyHeld { reply: of, text, .. } => *of == reply.id && *text == stand.text,
                _ => false,
            };
            assert!(log.iter().any(held), "{seed}: nobody agreed to «{}»", stand.text);
        }
        let written = self.network(&reply.source).written();
        let target = &written[&reply.target];
        assert_eq!(
            (&target.conversation, &target.author),
            (&reply.conversation, &reply.author),
            "{seed}: answers somebody else: {reply:#?}"
        );
    }

    /// What the database says of it is true.
    async fn check_state(&self, reply: &Reply, stands: &[Stand]) {
        let seed = self.seed;
        let stands_right = stands.iter().any(|stand| !stand.misplaced);
        match reply.state {
            ReplyState::Sent => assert!(stands_right, "{seed}: sent, and does not stand: {reply:#?}"),
            ReplyState::Failed
            | ReplyState::Cancelled
            | ReplyState::Stale
            | ReplyState::Draft
            | ReplyState::PendingApproval
            | ReplyState::Held => {
                let history = self.store().attempts(reply.id).await.unwrap();
                assert!(
                    stands.is_empty() || was_hidden_from_two(&history, stands),
                    "{seed}: it stands: {stands:#?}\n{reply:#?}\n{history:#?}"
                );
            }
            ReplyState::Queued
            | ReplyState::Sending
            | ReplyState::Ambiguous
            | ReplyState::Reconciling
            | ReplyState::NeedsHuman
            | ReplyState::Abandoned => {}
        }
    }

    /// In the calm after the day a reply is done with, or it waits for a person who can see that.
    async fn check_moves(&self, reply: &Reply, closed: bool) {
        let verb = match reply.state {
            ReplyState::Sent | ReplyState::Failed | ReplyState::Cancelled | ReplyState::Abandoned => return,
            ReplyState::Draft | ReplyState::Stale => ReplyVerb::Send,
            ReplyState::PendingApproval => ReplyVerb::Approve,
            ReplyState::NeedsHuman => ReplyVerb::There,
            ReplyState::Held
            | ReplyState::Queued
            | ReplyState::Sending
            | ReplyState::Ambiguous
            | ReplyState::Reconciling => {
                let history = self.store().attempts(reply.id).await.unwrap();
                panic!("{}: it does not move: {reply:#?}\n{history:#?}", self.seed);
            }
        };
        assert!(!closed, "{}: still open: {reply:#?}", self.seed);
        let threads = self.store().threads(&[reply.case]).await.unwrap();
        let threads: Vec<_> = threads.into_iter().map(|thread| thread.thread).collect();
        let buttons = self.chat.decides(&threads, reply.id, verb);
        let current =
            |press: &Press| matches!(press, Press::Reply { version, .. } if *version == reply.version);
        assert!(
            buttons.iter().any(current),
            "{}: it waits for a person, and nobody can see that: {buttons:?}\n{reply:#?}",
            self.seed
        );
    }

    /// Nothing that was acknowledged is lost, and nothing is there twice.
    fn check_taken(&self, replies: &[Reply]) {
        let mut stored: BTreeMap<&str, usize> = BTreeMap::new();
        for reply in replies {
            *stored.entry(mark(&reply.text).unwrap()).or_default() += 1;
        }
        for mark in self
            .intents
            .taken
            .iter()
            .filter(|mark| !stored.contains_key(mark.as_str()))
        {
            // An approver may have put other words in their place.
            let case = self.intents.cases[mark];
            let edited = replies
                .iter()
                .any(|reply| reply.case == case && reply.version > 1);
            assert!(edited, "{}: {mark} of {case} was taken and is lost", self.seed);
        }
        for (mark, times) in stored {
            assert_eq!(times, 1, "{}: the words {mark} were given once", self.seed);
        }
    }

    /// Whatever waits for a person is decided by one who looks, or by two.
    pub async fn decide_all(&mut self) {
        for reply in self.all_replies().await {
            if reply.state != ReplyState::NeedsHuman {
                continue;
            }
            let threads = self.store().threads(&[reply.case]).await.unwrap();
            let threads: Vec<_> = threads.into_iter().map(|thread| thread.thread).collect();
            let shown = self.shown(reply.id).await;
            let misplaced = shown.iter().any(|stand| stand.misplaced);
            let verbs: &[(&str, ReplyVerb)] = if misplaced {
                &[("Ada", ReplyVerb::GiveUp)]
            } else if shown.is_empty() {
                &[("Ada", ReplyVerb::NotThere), ("Ben", ReplyVerb::ConfirmNotThere)]
            } else {
                &[("Ben", ReplyVerb::There)]
            };
            for (who, verb) in verbs {
                let buttons = self.chat.decides(&threads, reply.id, *verb);
                if let Some(press) = buttons.last().cloned() {
                    self.presses(who, press).await;
                }
                self.settle().await;
            }
        }
    }

    async fn log(&self, case: CaseNumber) -> Vec<Event> {
        let log = self.store().events_of(case, EventId(0), i64::MAX).await.unwrap();
        log.into_iter().map(|record| record.event).collect()
    }

    /// Each case is the fold of its log, the chain holds, and nothing is owed or was given up.
    pub async fn check_log(&self) {
        for case in self.cases().await {
            let log = self
                .store()
                .events_of(case.number, EventId(0), i64::MAX)
                .await
                .unwrap();
            let folded = fold(case.number, log.iter().map(|record| (&record.event, record.at)));
            assert_eq!(folded.as_ref(), Some(&case), "{}", self.seed);
        }
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let seal = Seal::open(self.store(), self.seal.clone(), clock).await.unwrap();
        assert_eq!(seal.standing(), Standing::Sound, "{}", self.seed);
        let known = seal.sealed().await.unwrap().unwrap();
        let report = seal.verify(known).await.unwrap();
        assert_eq!(report.faults, [], "{}", self.seed);
        assert_eq!(self.store().dead_effects().await.unwrap(), 0, "{}", self.seed);
        let owed = owed(self.store(), self.clock.now()).await;
        assert!(owed.is_empty(), "{}: owed and not done: {owed:#?}", self.seed);
    }

    async fn count(&mut self, replies: &[Reply]) {
        for reply in replies {
            match reply.state {
                ReplyState::Sent => self.tally.sent += 1,
                ReplyState::Failed => self.tally.refused += 1,
                ReplyState::Cancelled => self.tally.taken_back += 1,
                ReplyState::Abandoned => self.tally.abandoned += 1,
                ReplyState::Draft
                | ReplyState::PendingApproval
                | ReplyState::Held
                | ReplyState::Queued
                | ReplyState::Sending
                | ReplyState::Ambiguous
                | ReplyState::Reconciling
                | ReplyState::NeedsHuman
                | ReplyState::Stale => {}
            }
        }
        for case in distinct(replies.iter().map(|reply| reply.case)) {
            let log = self.log(case).await;
            let asked = log
                .iter()
                .filter(|event| matches!(event, Event::ReplyNeedsHuman { .. }));
            self.tally.asked += u64::try_from(asked.count()).unwrap();
        }
    }
}

/// Where only people can look, two of them may not see what the network hides: then nobody can know.
fn was_hidden_from_two(history: &[AttemptRow], stands: &[Stand]) -> bool {
    let unseen = history.iter().filter(|row| row.what == "said to be absent");
    unseen.count() >= 2 && stands.iter().any(|stand| stand.hidden)
}

/// What is due and not done.
pub async fn owed(store: &Store, now: Instant) -> Vec<EffectRow> {
    let mut owed = Vec::new();
    for lane in store.lanes().await.unwrap() {
        let first = (Instant::UNIX_EPOCH, EffectId(0));
        let rows = store.effects_of(&lane, first, 20).await.unwrap();
        owed.extend(rows.into_iter().filter(|row| row.due_at <= now));
    }
    owed
}

fn distinct_posts(posts: &[(SourceName, NativeId)]) -> Vec<(SourceName, NativeId)> {
    let mut posts = posts.to_vec();
    posts.sort();
    posts.dedup();
    posts
}
