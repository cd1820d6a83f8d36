//! What the bridge reaches, each figure beside something measured in the same run.
//!
//! `cargo bench` runs all of it but the million (about three minutes); `cargo bench -- ingest webhook`
//! runs those whose name begins so; `cargo bench -- million` builds a million cases first. Machines and
//! their disks differ by factors, so the goals are ratios where there is something to compare with.
//!
//! The product is spoken to as from outside: its way in for sources, its binary, signed requests. One
//! thing the binary cannot be told is to leave Slack's pace of one message a second; where that would
//! hide the figure, this program runs itself as a server made of the same parts with the pace lifted.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a bench that cannot go on ends with the reason"
)]

mod bare;
mod chat;
mod ingest;
mod latency;
mod limited;
mod listen;
mod load;
mod million;
mod poll;
#[path = "../../tests/it/fake/postgres.rs"]
mod postgres;
mod process;
mod reference;
mod report;
mod rest;
mod server;
mod webhook;

use report::Report;

/// The arguments by which this program runs itself as a server.
const SERVE: &str = "serve-with-the-pace-lifted";
const BARE: &str = "serve-the-bare-parts";

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let words: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    if let [first, config] = words.as_slice() {
        match first.as_str() {
            SERVE => return runtime.block_on(server::serve(config)),
            BARE => return runtime.block_on(bare::serve(config)),
            _ => {}
        }
    }
    runtime.block_on(run(&words))
}

async fn run(wanted: &[String]) -> anyhow::Result<()> {
    let chosen = |name: &str, by_default: bool| {
        if wanted.is_empty() {
            by_default
        } else {
            wanted.iter().any(|word| name.starts_with(word.as_str()))
        }
    };
    let mut report = Report::begin();
    if chosen("ingest", true) {
        ingest::sqlite(&mut report).await?;
    }
    if chosen("postgres", true) {
        ingest::postgres(&mut report).await?;
    }
    if chosen("webhook", true) {
        webhook::acknowledged(&mut report).await?;
    }
    if chosen("cpu", true) {
        webhook::cpu(&mut report).await?;
    }
    if chosen("latency", true) {
        latency::to_the_chat(&mut report).await?;
    }
    if chosen("command", true) {
        latency::commands(&mut report).await?;
    }
    if chosen("limited", true) {
        limited::run(&mut report).await?;
    }
    if chosen("rules", true) {
        listen::run(&mut report)?;
    }
    if chosen("poll", true) {
        poll::run(&mut report).await?;
    }
    if chosen("rest", true) {
        rest::empty(&mut report).await?;
    }
    if chosen("million", false) {
        million::run(&mut report).await?;
    }
    report.end()
}
