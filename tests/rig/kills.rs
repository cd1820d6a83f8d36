//! Kills by chance: many installations at once, each killed at a random crash point in each of its lives
//! until every reply has an end.

use crate::chance::Chance;
use crate::house::{Database, Death, Errand, House, Verdict, errands, moment, within};
use crate::platform::{Platform, Script, World, locked};
use crate::{Class, Wish, postgres};
use hearback::rig::Point as Crash;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How many replies a round has, unless it is told.
const REPLIES: u64 = 48;
/// How many crash points a life passes at most.
const SPAN: u32 = 24;
/// How long a life may take that is to end at one certain point, which may never come.
const CERTAIN: Duration = Duration::from_millis(500);
/// How long a round may take. One that takes longer lost something.
const LONGEST: Duration = Duration::from_secs(900);
/// Lives that may end by themselves, one after the other.
const MOST_REFUSALS: u32 = 100;
/// The log is verified after so many rounds.
const VERIFY: u32 = 4;

#[derive(Default)]
struct Tally {
    verdict: Verdict,
    rounds: u32,
    verified: u32,
    by_point: BTreeMap<String, u32>,
}

struct Rig<'a> {
    platform: &'a Platform,
    on_postgres: bool,
    wanted: u32,
    replies: u32,
    until: Instant,
    kills: AtomicU32,
    tally: Mutex<Tally>,
}

pub fn run(wish: &Wish) -> bool {
    let seed = wish.seed();
    let slots = wish.number("slots").unwrap_or(8);
    let platform = Platform::open();
    let began = Instant::now();
    let rig = Rig {
        platform: &platform,
        on_postgres: wish.says("postgres"),
        wanted: u32::try_from(wish.number("kills").unwrap_or(10_000)).unwrap(),
        replies: u32::try_from(wish.number("replies").unwrap_or(REPLIES)).unwrap(),
        until: within(Duration::from_secs(wish.number("seconds").unwrap_or(1_000_000))),
        kills: AtomicU32::new(0),
        tally: Mutex::default(),
    };
    if rig.on_postgres && rig.database().is_none() {
        println!("kill rig: no PostgreSQL, left out");
        return true;
    }
    std::thread::scope(|scope| {
        for slot in 0..slots {
            let rig = &rig;
            scope.spawn(move || rig.slot(seed, slot));
        }
    });
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let kills = rig.kills.load(Ordering::Relaxed);
    let tally = locked(&rig.tally);
    let Verdict {
        replies,
        doubled,
        lost,
        false_failed,
        ends,
        says,
    } = &tally.verdict;
    let engine = if rig.on_postgres { "PostgreSQL" } else { "SQLite" };
    println!(
        "kill rig on {engine}: kills={kills} replies={replies} doubled={doubled} lost={lost} \
         false_failed={false_failed} kills_per_minute={:.0} rounds={} logs_verified={} seed={seed} slots={slots}",
        f64::from(kills) / minutes,
        tally.rounds,
        tally.verified,
    );
    println!("  ends: {ends:?}");
    println!("  killed at: {:?}", tally.by_point);
    for line in says {
        println!("  ! {line}");
    }
    tally.verdict.is_clean() && tally.rounds > 0
}

impl Rig<'_> {
    fn database(&self) -> Option<Database> {
        if !self.on_postgres {
            return Some(Database::Sqlite);
        }
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(postgres::database()).map(Database::Postgres)
    }

    fn is_over(&self) -> bool {
        self.kills.load(Ordering::Relaxed) >= self.wanted || Instant::now() >= self.until
    }

    fn slot(&self, seed: u64, slot: u64) {
        let port = free_port();
        let mut round = 0;
        while !self.is_over() {
            let mut chance = Chance::new(seed ^ (slot << 32) ^ (u64::from(round) << 40));
            let name = format!("s{slot}-{round}");
            round += 1;
            let database = self.database().unwrap();
            let script = Script::Chance(Mutex::new(Chance::new(u64::from(chance.below(u32::MAX)))), 8);
            let world = World::new(script);
            self.platform.add(&name, &world);
            let mut house = House::found(&name, port, self.platform.port, &database, &world);
            // What nobody can look after goes to a person at the first doubt: it is there, but seldom.
            let mut classes = [Class::Key, Class::Blind, Class::Lookup].repeat(3);
            classes.push(Class::None);
            let mut errands = errands(&name, &classes, self.replies, &mut chance);
            let ended = self.lives(&mut house, &mut errands, &mut chance);
            house.kill();
            self.platform.remove(&name);
            let mut verdict = house.judge(&errands);
            verdict.says.extend(ended.err());
            let verifies = round % VERIFY == 1;
            if verifies && let Err(said) = house.verify() {
                verdict.says.push(format!("the log is not sound: {said}"));
            }
            for line in &mut verdict.says {
                *line = format!("seed {seed}, round {name}: {line}");
            }
            let mut tally = locked(&self.tally);
            tally.rounds += 1;
            tally.verified += u32::from(verifies);
            tally.verdict.add(verdict);
            for (point, count) in locked(&world.strikes).iter() {
                *tally.by_point.entry(format!("{point:?}")).or_default() += count;
            }
        }
    }

    /// Lives until every reply has an end.
    fn lives(&self, house: &mut House, errands: &mut [Errand], chance: &mut Chance) -> Result<(), String> {
        let until = within(LONGEST);
        let mut refusals = 0;
        loop {
            let end = self.life(house, errands, chance, until)?;
            let Some(death) = end else { return Ok(()) };
            match death {
                Death::Killed => {
                    self.kills.fetch_add(1, Ordering::Relaxed);
                    if let Some(point) = house.died_at() {
                        *locked(&self.tally).by_point.entry(point).or_default() += 1;
                    }
                    refusals = 0;
                }
                Death::Ended(Some(0)) => refusals = 0,
                // The database may not have noticed yet that the last one is dead.
                Death::Ended(_) => {
                    refusals += 1;
                    if refusals > MOST_REFUSALS {
                        return Err(format!("it ends by itself: {}", house.said()));
                    }
                    moment(Duration::from_millis(20));
                }
            }
        }
    }

    /// One life. `None`: every reply has an end.
    fn life(
        &self,
        house: &mut House,
        errands: &mut [Errand],
        chance: &mut Chance,
        until: Instant,
    ) -> Result<Option<Death>, String> {
        let mut plan = Vec::new();
        let mut certain = None;
        let mut terminates = None;
        match chance.below(12) {
            // Enough: what is begun comes to its end.
            _ if self.is_over() => {}
            0 => {
                plan.push(("HEARBACK_RIG_POINT", format!("K22:{}", 1 + chance.below(2))));
                let wait = Duration::from_millis(u64::from(5 + chance.below(200)));
                terminates = Some(within(wait));
            }
            1..=2 => {
                let point = chance.of(&Crash::ALL);
                plan.push(("HEARBACK_RIG_POINT", format!("{point:?}:{}", 1 + chance.below(2))));
                certain = Some(within(CERTAIN));
            }
            _ => plan.push(("HEARBACK_RIG_AT", (1 + chance.below(SPAN)).to_string())),
        }
        house.start(&plan);
        let mut look = Instant::now();
        let mut feeds = true;
        loop {
            if let Some(death) = house.death() {
                return Ok(Some(death));
            }
            if terminates.is_some_and(|at| at <= Instant::now()) {
                house.terminate();
                terminates = None;
            }
            if certain.is_some_and(|at| at <= Instant::now()) && house.kill() {
                return Ok(Some(Death::Killed));
            }
            if feeds {
                feeds = house.feed(errands);
            } else if look <= Instant::now() {
                if house.open() == Some(0) {
                    return Ok(None);
                }
                look = within(Duration::from_millis(100));
            }
            if Instant::now() > until {
                return Err(format!("not every reply came to an end within {LONGEST:?}"));
            }
            moment(Duration::from_millis(2));
        }
    }
}

/// A port below those that the system gives to whoever connects.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = std::process::id() % 5_000;
    loop {
        let next = start + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + next % 12_000).unwrap();
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
