//! The kill rig: the real binary is killed, as by `kill -9`, at numbered places again and again while it
//! publishes to a platform that answers in every bad way there is; then what came of each reply is
//! counted on both sides.
//!
//! ```text
//! alias rig='cargo test --profile rig --features rig --test rig --'
//! rig                                  # what CI runs
//! rig kills kills=200000               # on SQLite, until so many
//! rig kills postgres kills=20000       # the same on PostgreSQL
//! rig matrix                           # every cell, five times
//! rig naive                            # what the rig does to a worker that sends and then records
//! ```
//!
//! Each takes `seed=…` and `slots=…` (how many installations at once); `kills` takes `seconds=…`,
//! `matrix` takes `cells=…` for a part of it by chance. Time runs sixty times faster in the binary, by
//! its feature `rig`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a rig that cannot go on fails; its threads wait for processes, and its time is real"
)]

mod chance;
mod house;
mod http;
mod kills;
mod matrix;
mod naive;
mod platform;
#[path = "../it/fake/postgres.rs"]
mod postgres;

use chrono::{DateTime, Utc};
use hearback::rig::Hurry;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// The most time of a publishing call: of the machine's time, for it is the HTTP client's.
pub const TIMEOUT: Duration = Duration::from_secs(1);
/// The settle time, in seconds of the hurried clock: longer than the platform is ever late.
pub const SETTLE: u32 = 90;
/// How much faster time runs.
const FASTER: u32 = 60;

/// The clock of all binaries that the rig starts. It began a while ago: never is anything in its past.
pub static HURRY: LazyLock<Hurry> = LazyLock::new(|| match std::env::var("HEARBACK_RIG_CLOCK") {
    Ok(text) => text.parse().unwrap(),
    Err(_) => Hurry {
        since: Utc::now().timestamp(),
        times: FASTER,
    },
});
/// The same, for the environment.
pub static CLOCK: LazyLock<String> = LazyLock::new(|| format!("{}:{}", HURRY.since, HURRY.times));

/// Now, by that clock.
pub fn hurried() -> DateTime<Utc> {
    HURRY.at(Utc::now())
}

/// One certificate, of nobody, in the place of the machine's.
pub fn certificate() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rig/certificate.pem"))
}

/// What is known of a platform, and what the rig's platform does about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// It knows a repetition by its key, and replies can be looked up.
    Key,
    /// It knows a repetition; nobody can look.
    Blind,
    /// Replies can be looked up; a repetition is another reply.
    Lookup,
    /// Neither.
    None,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Key, Self::Blind, Self::Lookup, Self::None];

    /// Its name, in addresses and in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Blind => "blind",
            Self::Lookup => "lookup",
            Self::None => "none",
        }
    }

    /// The one of this name.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    /// What the configuration says about it.
    pub fn promise(self) -> &'static str {
        match self {
            Self::Key | Self::Blind => "key",
            Self::Lookup => "lookup",
            Self::None => "none",
        }
    }

    /// Whether replies can be looked up.
    pub fn looks(self) -> bool {
        matches!(self, Self::Key | Self::Lookup)
    }

    /// Whether a repetition is known.
    pub fn dedupes(self) -> bool {
        matches!(self, Self::Key | Self::Blind)
    }
}

/// Where a process is killed: one of the binary's crash points, or one of the rig's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The platform has read the head of a request.
    K7,
    /// It has read all of it.
    K8,
}

/// What the command line says.
pub struct Wish {
    words: Vec<String>,
}

impl Wish {
    /// Whether this word is there.
    pub fn says(&self, word: &str) -> bool {
        self.words.iter().any(|known| known == word)
    }

    /// The number behind `name=`.
    pub fn number(&self, name: &str) -> Option<u64> {
        let mut values = self
            .words
            .iter()
            .filter_map(|word| word.strip_prefix(name)?.strip_prefix('='));
        values.next().map(|value| value.parse().unwrap())
    }

    /// The seed: a new one unless it is told.
    pub fn seed(&self) -> u64 {
        self.number("seed")
            .unwrap_or_else(|| u64::try_from(Utc::now().timestamp_micros()).unwrap())
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "naive-worker") {
        naive::work(&words[1..]);
        return;
    }
    let wish = Wish { words };
    let sound = if wish.says("naive") {
        naive::run(&wish)
    } else if wish.says("matrix") {
        matrix::run(&wish)
    } else if wish.says("kills") {
        kills::run(&wish)
    } else {
        in_ci()
    };
    if !sound {
        std::process::exit(1);
    }
}

/// What fits into CI.
fn in_ci() -> bool {
    let wish = |words: &[&str]| Wish {
        words: words.iter().map(|word| (*word).to_owned()).collect(),
    };
    let naive = naive::run(&wish(&[]));
    let sqlite = kills::run(&wish(&["kills=10000", "seconds=240"]));
    let postgres = kills::run(&wish(&["postgres", "kills=2000", "seconds=240"]));
    let matrix = matrix::run(&wish(&["cells=24"]));
    naive && sqlite && postgres && matrix
}
