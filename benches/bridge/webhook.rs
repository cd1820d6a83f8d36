//! Signed webhooks: how many are acknowledged after the commit, and what each costs.

use super::chat::Chat;
use super::ingest;
use super::load::{Webhook, flood};
use super::process::{Home, Pinned, Process, Program};
use super::report::{Goal, Report, median, rate};
use std::sync::Arc;

/// How many connections send at once.
const CONNECTIONS: usize = 64;
/// How many posts are sent in a round.
const POSTS: usize = 20_000;
/// How many posts go all the way to the chat.
const ALL_THE_WAY: usize = 10_000;

pub async fn acknowledged(report: &mut Report) -> anyhow::Result<()> {
    let (mut measured, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        bare.push(ingest::sqlite_loop().await?);
        let chat = Chat::open(None).await?;
        let home = Home::new(&chat.url)?;
        let process = Process::start(Program::Binary, &home.config(), Some(0)).await?;
        let webhook = Arc::new(Webhook::new(&process.address)?);
        let pinned = Pinned::to(1)?;
        flood(&webhook, CONNECTIONS, 0, 1_000, || false).await?;
        let (count, took) = flood(&webhook, CONNECTIONS, 1_000, POSTS, || false).await?;
        measured.push(rate(count, took));
        drop(pinned);
    }
    report.beside(
        "webhook, acknowledged after commit, one core",
        "posts/s",
        median(measured),
        median(bare),
        Goal::Share(0.25),
    );
    Ok(())
}

pub async fn cpu(report: &mut Report) -> anyhow::Result<()> {
    let (bare, _) = all_the_way(Program::Bare).await?;
    let (each, delivered) = all_the_way(Program::Lifted).await?;
    report.alone("CPU of the bare parts", "us/post", bare, Goal::AtLeast(0.0));
    report.alone(
        "CPU from request to chat call",
        "us/post",
        each,
        Goal::AtMost(150.0),
    );
    report.alone(
        "delivered to a chat without limits, one core",
        "posts/s",
        delivered,
        Goal::AtLeast(0.0),
    );
    Ok(())
}

/// Posts from the request to the chat's call, on one core: the processor time of each in microseconds,
/// and how many a second.
async fn all_the_way(program: Program) -> anyhow::Result<(f64, f64)> {
    let chat = Chat::open(None).await?;
    let home = Home::new(&chat.url)?;
    let process = Process::start(program, &home.config(), Some(0)).await?;
    let webhook = Arc::new(Webhook::new(&process.address)?);
    let pinned = Pinned::to(1)?;
    flood(&webhook, CONNECTIONS, 0, 500, || false).await?;
    chat.until(500).await;
    let before = process.cpu()?;
    let began = std::time::Instant::now();
    flood(&webhook, CONNECTIONS, 500, ALL_THE_WAY, || false).await?;
    chat.until(500 + ALL_THE_WAY).await;
    let delivered = rate(ALL_THE_WAY, began.elapsed());
    let used = process.cpu()? - before;
    drop(pinned);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let each = used.as_secs_f64() * 1e6 / ALL_THE_WAY as f64;
    Ok((each, delivered))
}
