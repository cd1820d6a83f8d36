//! Simulated days with faults: the real core between four networks and a chat that do what dice say, over
//! 24 hours in which people write, answer, press and forget, and the process dies and starts again.
//!
//! ```text
//! HEARBACK_SIM_DAYS=1000 cargo test --release --test it sim::
//! HEARBACK_SIM_SEED=17 cargo test --test it sim::
//! ```
//!
//! The seed gives the same script of each network, of the chat and of the people. The databases work in
//! threads of their own, so when the process dies between two awaits may differ from run to run.

mod chat;
mod checks;
mod death;
mod dice;
mod network;
mod people;
mod restore;

use crate::fake::postgres;
use chat::Chat;
use checks::Tally;
use chrono::TimeDelta;
use death::Death;
use dice::Dice;
use hearback::app::*;
use hearback::domain::*;
use hearback::port::*;
use hearback::store::{Changes, PauseRow, Seal, Store};
use network::Network;
use people::Intents;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

const HOLD: Duration = Duration::from_secs(10);
const SETTLE: Duration = Duration::from_secs(120);
/// The first seed of a run that names none.
const FIRST: u64 = 1;
/// How many days are lived through where nothing else is said.
const DAYS: u64 = 10;
/// The most time of ours that the work of one moment takes.
const STILL: Duration = Duration::from_secs(60);
/// The longest step of time.
const LONGEST_STEP: u64 = 1_200;

/// A process at work.
struct Life {
    app: App,
    store: Store,
}

/// A day, and what it is made of.
struct Day {
    seed: u64,
    dice: Dice,
    clock: ManualClock,
    networks: Vec<Arc<Network>>,
    chat: Arc<Chat>,
    death: Arc<Death>,
    url: String,
    seal: PathBuf,
    life: Option<Life>,
    intents: Intents,
    tally: Tally,
    calm: bool,
}

impl Day {
    async fn begin(seed: u64, url: String, seal: PathBuf) -> Self {
        let clock = ManualClock::default();
        let death = Arc::new(Death::default());
        let key = Class::Key {
            window: network::WINDOW,
        };
        let classes = [
            ("key", key),
            ("id", Class::Id),
            ("lookup", Class::Lookup),
            ("none", Class::None),
        ];
        let networks = classes.map(|(name, class)| Network::new(name, class, seed, &clock, &death));
        let mut day = Self {
            seed,
            dice: Dice::new(seed, "people"),
            chat: Chat::new(seed, &death),
            networks: networks.to_vec(),
            clock,
            death,
            url,
            seal,
            life: None,
            intents: Intents::default(),
            tally: Tally::default(),
            calm: false,
        };
        day.start().await;
        day
    }

    /// A process begins on the database that is there.
    async fn start(&mut self) {
        self.start_on(|standing| matches!(standing, Standing::Sound | Standing::New))
            .await;
    }

    /// The same, where the database stands so to its seal.
    async fn start_on(&mut self, expected: impl Fn(&Standing) -> bool) {
        self.death.forget().await;
        let store = Store::open(&self.url).await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let seal = Seal::open(&store, self.seal.clone(), Arc::clone(&clock))
            .await
            .unwrap();
        seal.prepare().await.unwrap();
        let standing = seal.standing();
        assert!(expected(&standing), "seed {}: {standing:?}", self.seed);
        let chats: Vec<Arc<dyn ChatPlatform>> = vec![Arc::clone(&self.chat) as _];
        let networks = self
            .networks
            .iter()
            .map(|network| Arc::clone(network) as Arc<dyn SocialPlatform>);
        let parts = Parts {
            directory: people::directory(),
            chats,
            networks: networks.collect(),
            hold: HOLD,
            timeout: Duration::from_secs(20),
            settle: SETTLE,
            approvals: people::approvals(),
            standing,
            seal: Some(seal),
            stop: CancellationToken::new(),
            ..Parts::around(store.clone(), clock)
        };
        let mut app = App::start(parts, &TaskTracker::new()).await.unwrap();
        app.worker.recover().await.unwrap();
        self.life = Some(Life { app, store });
    }

    /// The process is gone, with whatever it was at; what it had asked the database to do is done or not.
    async fn die(&mut self) {
        let Some(Life { app, store }) = self.life.take() else {
            return;
        };
        self.tally.deaths += 1;
        app.ledger.abort();
        drop(app);
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        store.close().await;
        if self.dice.happens(300) {
            self.clock.advance(Duration::from_secs(self.dice.up_to(3_600)));
        }
        self.start().await;
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().unwrap()
    }

    fn store(&self) -> &Store {
        &self.life.as_ref().unwrap().store
    }

    fn network(&self, source: &SourceName) -> &Arc<Network> {
        let found = self.networks.iter().find(|network| network.source == *source);
        found.unwrap()
    }

    /// When this piece of work is to be cut short, if it is.
    fn sooner(&self) -> Option<u64> {
        (!self.calm && self.dice.happens(40)).then(|| self.dice.up_to(4_096))
    }

    /// Everything that is due is done, or the process dies in it.
    async fn settle(&mut self) {
        let sooner = self.sooner();
        let before = self.wrong_answers();
        let death = Arc::clone(&self.death);
        let Life { app, store } = self.life.as_mut().unwrap();
        let work = tokio::time::timeout(STILL, app.worker.run_until_idle());
        match death.spares(work, sooner).await {
            Some(Ok(())) => {}
            Some(Err(_)) => {
                let owed = checks::owed(store, self.clock.now()).await;
                panic!(
                    "seed {}: at a clock that stands still it finds no end: {owed:#?}",
                    self.seed
                );
            }
            None => {
                self.die().await;
                return;
            }
        }
        // An answer that names a wrong place stops its account before anything else goes out there.
        for (network, before) in self.networks.clone().iter().zip(before) {
            if network.wrong_answers() > before {
                let pauses = self.store().pauses().await.unwrap();
                let stopped = pauses
                    .iter()
                    .any(|row| row.paused && row.source.as_ref().is_none_or(|of| *of == network.source));
                assert!(
                    stopped,
                    "seed {}: {} goes on after a wrong answer",
                    self.seed, network.source
                );
                self.tally.alarms += 1;
            }
        }
    }

    fn wrong_answers(&self) -> Vec<u64> {
        self.networks
            .iter()
            .map(|network| network.wrong_answers())
            .collect()
    }

    /// Hands this in. The process may die before it has answered; then it is handed in again, as whoever
    /// got no acknowledgement does.
    async fn seen(&mut self, source: &SourceName, sighting: Sighting) {
        let sightings = vec![sighting];
        loop {
            let sooner = self.sooner();
            let death = Arc::clone(&self.death);
            let inbound = self.life().app.inbound.clone();
            let seen = inbound.posts_seen(source, sightings.clone(), None);
            match death.spares(seen, sooner).await {
                Some(done) => {
                    done.unwrap();
                    return;
                }
                None => self.die().await,
            }
        }
    }

    /// The same for what a person asks for.
    async fn given(&mut self, given: Given) -> Response {
        loop {
            let sooner = self.sooner();
            let death = Arc::clone(&self.death);
            let inbound = self.life().app.inbound.clone();
            match death.spares(inbound.given(given.clone()), sooner).await {
                Some(response) => {
                    let response = response.unwrap();
                    // Chats deliver an envelope twice.
                    if self.dice.happens(30) && !matches!(response, Response::Ask(_)) {
                        let again = inbound.given(given).await.unwrap();
                        assert!(
                            again == response || matches!(response, Response::Refused(_)),
                            "seed {}: {again:?} after {response:?}",
                            self.seed
                        );
                    }
                    return response;
                }
                None => self.die().await,
            }
        }
    }

    async fn live(&mut self) {
        self.death.odds(6);
        let end = self.clock.now() + TimeDelta::hours(24);
        while self.clock.now() < end {
            for _ in 0..=self.dice.below(2) {
                self.something_happens().await;
            }
            if self.dice.happens(15) {
                self.die().await;
            }
            self.clock
                .advance(Duration::from_secs(self.dice.up_to(LONGEST_STEP)));
            self.settle().await;
            self.life().app.inbound.look_at_pauses().await.unwrap();
            self.tally.steps += 1;
        }
    }

    /// Nothing goes wrong any more, and whoever stopped publishing lets it go on.
    async fn calm_down(&mut self) {
        self.calm = true;
        self.death.odds(0);
        self.chat.calms_down();
        self.networks.iter().for_each(|network| network.calms_down());
        for _ in 0..90 {
            self.resume_all().await;
            self.clock.advance(Duration::from_secs(60));
            self.settle().await;
        }
    }

    /// An operator lets publishing go on.
    async fn resume_all(&mut self) {
        let now = self.clock.now();
        let rows = self.store().pauses().await.unwrap();
        let pauses: Vec<_> = rows
            .into_iter()
            .filter(|row| row.paused)
            .map(|row| PauseRow {
                paused: false,
                at: now,
                logged: false,
                ..row
            })
            .collect();
        if pauses.is_empty() {
            return;
        }
        let changes = Changes {
            pauses,
            ..Changes::default()
        };
        self.store().commit(changes).await.unwrap();
        self.life().app.inbound.look_at_pauses().await.unwrap();
    }

    /// The whole of it: the day, the calm after it, what people decide then, and the next day.
    async fn pass(mut self) -> Tally {
        self.live().await;
        self.calm_down().await;
        self.check(false).await;
        self.decide_all().await;
        for _ in 0..26 {
            self.clock.advance(Duration::from_secs(3_600));
            self.settle().await;
        }
        self.check(true).await;
        self.check_log().await;
        let Self {
            life,
            networks,
            mut tally,
            ..
        } = self;
        for network in networks {
            let (calls, faults) = network.calls();
            tally.calls += calls;
            tally.faults += faults;
        }
        life.unwrap().store.close().await;
        tally
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test run is steered by the environment"
)]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is {text}, and must be a number")),
    )
}

/// Lives through a day, and names its seed if it ends badly.
fn day(seed: u64, url: &str, seal: PathBuf) -> Tally {
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("This was the day of seed {0}: HEARBACK_SIM_SEED={0}", self.0);
            }
        }
    }
    let _named = Named(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async { Day::begin(seed, url.to_owned(), seal).await.pass().await })
}

fn days_on_sqlite(seeds: impl Iterator<Item = u64>) -> Tally {
    let mut all = Tally::default();
    for seed in seeds {
        // In memory where there is such a place: how a disk keeps things is for the kill rig.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.unwrap();
        let url = format!("sqlite:{}", folder.path().join("h.db").display());
        all.add(&day(seed, &url, folder.path().join("h.seal")));
    }
    all
}

#[test]
fn days_full_of_faults_double_lose_and_misdirect_nothing() {
    let began = std::time::Instant::now();
    let (first, days) = match (number("HEARBACK_SIM_SEED"), number("HEARBACK_SIM_DAYS")) {
        (Some(seed), days) => (seed, days.unwrap_or(1)),
        (None, days) => (FIRST, days.unwrap_or(DAYS)),
    };
    // One thread for each of two processors; a day needs nothing of another one.
    let halves = std::thread::scope(|scope| {
        let half = |odd: u64| {
            let seeds = (first..first + days).filter(move |seed| (seed - first) % 2 == odd);
            scope.spawn(move || days_on_sqlite(seeds))
        };
        [half(0), half(1)].map(|half| half.join())
    });
    let mut all = Tally::default();
    for half in halves {
        match half {
            Ok(tally) => all.add(&tally),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    eprintln!(
        "{days} days from seed {first} in {:.1?}: {all:?}",
        began.elapsed()
    );
    if days >= DAYS {
        all.was_eventful();
    }
}

#[test]
fn a_day_on_postgres() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let Some(url) = runtime.block_on(postgres::database()) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let began = std::time::Instant::now();
    let seed = number("HEARBACK_SIM_SEED").unwrap_or(FIRST);
    let tally = day(seed, &url, folder.path().join("h.seal"));
    eprintln!("a day on PostgreSQL in {:.1?}: {tally:?}", began.elapsed());
    assert!(tally.sent > 0);
}

/// The cases that a day's checks look at.
fn distinct<T: Copy + Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    all.collect::<HashSet<_>>().into_iter().collect()
}
