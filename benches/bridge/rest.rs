//! At rest: memory, and the time until it is ready.

use super::chat::Chat;
use super::process::{Home, Process, Program};
use super::report::{Goal, Report, median};
use std::time::Duration;

/// How long it rests before it is looked at.
const REST: Duration = Duration::from_secs(3);

pub async fn empty(report: &mut Report) -> anyhow::Result<()> {
    let chat = Chat::open(None).await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let home = Home::new(&chat.url)?;
        let process = Process::start(Program::Binary, &home.config(), None).await?;
        times.push(process.ready.as_secs_f64() * 1000.0);
        process.stop()?;
    }
    report.alone("ready, empty", "ms", median(times), Goal::AtMost(100.0));
    let home = Home::new(&chat.url)?;
    let process = Process::start(Program::Binary, &home.config(), None).await?;
    tokio::time::sleep(REST).await;
    report.alone(
        "memory at rest, empty",
        "MiB",
        process.memory()?,
        Goal::AtMost(25.0),
    );
    Ok(())
}
