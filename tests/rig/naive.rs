//! The check of the rig: a worker that sends and then records, as most do, must fail on it.

use crate::chance::Chance;
use crate::house::moment;
use crate::platform::{Platform, Script, World, locked, signed};
use crate::{CLOCK, Wish, http};
use hearback::rig::{Point as Crash, pass};
use serde_json::json;
use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

/// How many replies a round has, and how many rounds there are.
const REPLIES: u32 = 3;
const ROUNDS: u32 = 40;

/// Whether the rig notices it.
pub fn run(wish: &Wish) -> bool {
    let seed = wish.seed();
    let mut chance = Chance::new(seed);
    let platform = Platform::open();
    let folder = tempfile::tempdir().unwrap();
    let (mut kills, mut doubled, mut lost) = (0, 0, 0);
    for round in 0..ROUNDS {
        let name = format!("naive{round}");
        let script = Script::Chance(
            Mutex::new(Chance::new(u64::from(chance.below(u32::MAX)))),
            1_000_000,
        );
        let world = World::new(script);
        platform.add(&name, &world);
        let log = folder.path().join(&name);
        loop {
            let child = Command::new(std::env::current_exe().unwrap())
                .arg("naive-worker")
                .arg(platform.port.to_string())
                .arg(&name)
                .arg(&log)
                .env("HEARBACK_RIG_CLOCK", CLOCK.as_str())
                .env("HEARBACK_RIG_AT", (1 + chance.below(8)).to_string())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            *locked(&world.child) = Some(child);
            let status = loop {
                let status = locked(&world.child).as_mut().unwrap().try_wait().unwrap();
                match status {
                    Some(status) => break status,
                    None => moment(Duration::from_millis(1)),
                }
            };
            if status.success() {
                break;
            }
            kills += 1;
        }
        let (keys, _) = world.counts();
        for number in 0..REPLIES {
            match keys.get(&key(&name, number)).copied().unwrap_or(0) {
                0 => lost += 1,
                1 => {}
                _ => doubled += 1,
            }
        }
    }
    println!(
        "naive worker on the same platform: kills={kills} replies={} doubled={doubled} lost={lost} seed={seed} \
         (it must fail: {})",
        ROUNDS * REPLIES,
        if doubled > 0 { "it does" } else { "IT DOES NOT" },
    );
    doubled > 0
}

fn key(name: &str, number: u32) -> String {
    format!("{name}-r{number}")
}

/// The worker: what it recorded is sent; the rest it sends, again and again.
pub fn work(args: &[String]) {
    let [port, name, log] = args else {
        panic!("naive-worker PORT WORLD LOG")
    };
    let recorded = std::fs::read_to_string(log).unwrap_or_default();
    let mut log = File::options().create(true).append(true).open(log).unwrap();
    for number in 0..REPLIES {
        let key = key(name, number);
        if recorded.lines().any(|line| line == key) {
            continue;
        }
        loop {
            let body = json!({"reply_id": key, "in_reply_to": "p", "text": key}).to_string();
            pass(Crash::K6);
            let path = format!("/{name}/lookup/replies");
            let answer = http::ask(
                port.parse().unwrap(),
                &path,
                &signed(&key, body.as_bytes()),
                body.as_bytes(),
            );
            pass(Crash::K9);
            if matches!(answer, Some((200..=299 | 422, _))) {
                break;
            }
        }
        log.write_all(format!("{key}\n").as_bytes()).unwrap();
        log.sync_all().unwrap();
        pass(Crash::K10);
    }
}
