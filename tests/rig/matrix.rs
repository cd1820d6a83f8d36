//! The matrix: what the platform does × what is known of it × where the process is killed; each cell
//! several times, the platform's doing and the kill on the same attempt.

use crate::chance::Chance;
use crate::house::{Database, Death, House, Verdict, errands, moment, within};
use crate::kills::free_port;
use crate::platform::{Outcome, Platform, Script, World, locked};
use crate::{Class, Point, Wish};
use hearback::rig::Point as Crash;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often each cell is tried.
const TIMES: u32 = 5;
/// How long a life waits for its crash point, which does not come in every cell.
const WAIT: Duration = Duration::from_millis(700);
/// How long until every reply of a cell must have its end.
const LONGEST: Duration = Duration::from_secs(120);

/// Where the process is killed in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Nowhere.
    Unharmed,
    Inside(usize),
    Outside(Point),
}

impl Place {
    fn all() -> Vec<Self> {
        let inside = (0..Crash::ALL.len()).map(Self::Inside);
        let outside = [Point::K7, Point::K8].map(Self::Outside);
        [Self::Unharmed]
            .into_iter()
            .chain(inside)
            .chain(outside)
            .collect()
    }

    fn name(self) -> String {
        match self {
            Self::Unharmed => "-".to_owned(),
            Self::Inside(at) => format!("{:?}", Crash::ALL[at]),
            Self::Outside(point) => format!("{point:?}"),
        }
    }
}

type Cell = (Outcome, Class, Place);

#[derive(Default)]
struct Done {
    cells: BTreeMap<Cell, u32>,
    wrong: Vec<Cell>,
    verdict: Verdict,
}

pub fn run(wish: &Wish) -> bool {
    let seed = wish.seed();
    let mut chance = Chance::new(seed);
    let mut cells = Vec::new();
    for outcome in Outcome::ALL {
        for class in Class::ALL {
            cells.extend(Place::all().into_iter().map(|place| (outcome, class, place)));
        }
    }
    let all = cells.len();
    if let Some(part) = wish.number("cells") {
        while cells.len() > usize::try_from(part).unwrap() {
            let at = chance.below(u32::try_from(cells.len()).unwrap());
            cells.swap_remove(at as usize);
        }
    }
    let tried = cells.len();
    let platform = Platform::open();
    let began = Instant::now();
    let (queue, done) = (Mutex::new(cells), Mutex::new(Done::default()));
    std::thread::scope(|scope| {
        for _ in 0..wish.number("slots").unwrap_or(24) {
            scope.spawn(|| {
                let port = free_port();
                loop {
                    let Some(cell) = locked(&queue).pop() else { return };
                    let (struck, verdict) = try_cell(&platform, port, cell, seed);
                    let mut done = locked(&done);
                    done.cells.insert(cell, struck);
                    if !verdict.is_clean() {
                        done.wrong.push(cell);
                    }
                    done.verdict.add(verdict);
                }
            });
        }
    });
    let done = locked(&done);
    table(&done);
    let Verdict {
        replies,
        doubled,
        lost,
        false_failed,
        ends,
        says,
    } = &done.verdict;
    println!(
        "matrix: cells={tried} of {all}, {TIMES} times each; kills={} replies={replies} doubled={doubled} lost={lost} \
         false_failed={false_failed} in {:.0} s, seed={seed}",
        done.cells.values().sum::<u32>(),
        began.elapsed().as_secs_f64(),
    );
    println!("  ends: {ends:?}");
    for line in says {
        println!("  ! {line}");
    }
    done.verdict.is_clean() && tried > 0
}

/// How often it was killed in its place in each cell; `.` where the place does not come up, `!` where
/// something is wrong.
fn table(done: &Done) {
    let places = Place::all();
    let head: Vec<String> = places
        .iter()
        .map(|place| format!("{:>4}", place.name()))
        .collect();
    println!("{:<26}{}", "", head.concat());
    let mut rows: Vec<(Outcome, Class)> = done.cells.keys().map(|cell| (cell.0, cell.1)).collect();
    rows.dedup();
    for (outcome, class) in rows {
        let row: Vec<String> = places
            .iter()
            .map(|place| {
                let cell = (outcome, class, *place);
                match done.cells.get(&cell) {
                    _ if done.wrong.contains(&cell) => "   !".to_owned(),
                    None => "    ".to_owned(),
                    Some(0) if *place != Place::Unharmed => "   .".to_owned(),
                    Some(0) => "  ok".to_owned(),
                    Some(struck) => format!("{struck:>4}"),
                }
            })
            .collect();
        println!("{:<26}{}", format!("{outcome:?}/{}", class.word()), row.concat());
    }
}

/// Tries a cell: each of its replies is given to a life that is killed in the cell's place. How often it
/// was.
fn try_cell(platform: &Platform, port: u16, cell: Cell, seed: u64) -> (u32, Verdict) {
    let (outcome, class, place) = cell;
    let name = format!(
        "{outcome:?}-{}-{}",
        class.word(),
        place.name().replace('-', "none")
    );
    let kill = match place {
        Place::Outside(point) => Some(point),
        Place::Unharmed | Place::Inside(_) => None,
    };
    let world = World::new(Script::First(outcome, kill));
    platform.add(&name, &world);
    let mut house = House::found(&name, port, platform.port, &Database::Sqlite, &world);
    let mut all = errands(&name, &[class], TIMES, &mut Chance::new(seed));
    let plan = match place {
        Place::Inside(at) => vec![("HEARBACK_RIG_POINT", format!("{:?}:1", Crash::ALL[at]))],
        Place::Unharmed | Place::Outside(_) => Vec::new(),
    };
    let mut struck = 0;
    let until = within(LONGEST);
    let mut ended = Err("not every reply came to an end".to_owned());
    // The complaints come in unharmed; each answer has a life of its own.
    house.start(&[]);
    while !house.complained(&all) && Instant::now() < until {
        house.complain_all(&all);
        moment(Duration::from_millis(2));
    }
    house.kill();
    for number in 1..=all.len() {
        house.start(&plan);
        let wait = within(WAIT);
        let stops = within(WAIT / 2);
        let mut told = false;
        while Instant::now() < wait {
            if let Some(death) = house.death() {
                struck += u32::from(death == Death::Killed);
                break;
            }
            house.feed(&mut all[..number]);
            let draining = matches!(place, Place::Inside(at) if Crash::ALL[at] == Crash::K22);
            if draining && !told && Instant::now() > stops {
                house.terminate();
                told = true;
            }
            moment(Duration::from_millis(2));
        }
        house.kill();
    }
    house.start(&[]);
    while Instant::now() < until {
        // The platform kills at the first attempt of each reply, whenever that is.
        if let Some(death) = house.death() {
            struck += u32::from(death == Death::Killed);
            house.start(&[]);
        }
        if !house.feed(&mut all) && house.open() == Some(0) {
            ended = Ok(());
            break;
        }
        moment(Duration::from_millis(50));
    }
    house.kill();
    platform.remove(&name);
    let mut verdict = house.judge(&all);
    verdict.says.extend(ended.err());
    if let Err(said) = house.verify() {
        verdict.says.push(format!("the log is not sound: {said}"));
    }
    for line in &mut verdict.says {
        *line = format!("{name}: {line}");
    }
    (struck, verdict)
}
