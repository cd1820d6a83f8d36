//! How long people wait.

use super::chat::Chat;
use super::load::{Commands, Webhook, flood};
use super::process::{Home, Process, Program};
use super::report::{Goal, Report, percentile};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio_util::task::TaskTracker;

/// How long each of these goes on.
const SPAN: Duration = Duration::from_secs(10);

/// From the request (when it was due to be sent, not when it was) to the message in the chat.
pub async fn to_the_chat(report: &mut Report) -> anyhow::Result<()> {
    let chat = Chat::open(None).await?;
    let home = Home::new(&chat.url)?;
    let process = Process::start(Program::Lifted, &home.config(), None).await?;
    let webhook = Arc::new(Webhook::new(&process.address)?);
    flood(&webhook, 4, 1_000_000, 200, || false).await?;
    chat.until(200).await;
    let tasks = TaskTracker::new();
    let (every, count) = (Duration::from_millis(20), 500);
    let began = Instant::now();
    for number in 0..count {
        let due = began + every * number;
        tokio::time::sleep_until(due.into()).await;
        let webhook = Arc::clone(&webhook);
        tasks.spawn(async move {
            webhook
                .send(number as usize, &format!("complaint no. {number}."))
                .await
                .unwrap();
        });
    }
    tasks.close();
    tasks.wait().await;
    chat.until(200 + count as usize).await;
    let mut times: Vec<Duration> = chat.look(|taken| {
        (0..count)
            .filter_map(|number| {
                let words = format!("complaint no. {number}.");
                let message = taken[200..]
                    .iter()
                    .find(|message| message.body.contains(&words))?;
                Some(message.at.saturating_duration_since(began + every * number))
            })
            .collect()
    });
    anyhow::ensure!(
        times.len() == count as usize,
        "{} of {count} posts came",
        times.len()
    );
    report.alone(
        "request to chat call at 50 posts/s, p50",
        "ms",
        percentile(&mut times, 0.5),
        Goal::AtMost(4.0),
    );
    report.alone(
        "request to chat call at 50 posts/s, p99",
        "ms",
        percentile(&mut times, 0.99),
        Goal::AtMost(10.0),
    );
    Ok(())
}

/// Slash commands that change a case: alone, and while posts come as fast as they are taken.
pub async fn commands(report: &mut Report) -> anyhow::Result<()> {
    let chat = Chat::open(None).await?;
    let home = Home::new(&chat.url)?;
    let process = Process::start(Program::Binary, &home.config(), None).await?;
    let webhook = Arc::new(Webhook::new(&process.address)?);
    let commands = Arc::new(Commands::new(&process.address)?);
    flood(&webhook, 4, 0, 100, || false).await?;
    let mut alone = give(&commands, "a", Duration::from_millis(10)).await?;
    report.alone(
        "command acknowledged at 100/s, p99",
        "ms",
        percentile(&mut alone, 0.99),
        Goal::AtMost(10.0),
    );
    let enough = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&enough);
    let load = async {
        let stop = move || stop.load(Ordering::Relaxed);
        flood(&webhook, 64, 1_000, usize::MAX / 2, stop).await
    };
    let asked = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let times = give(&commands, "b", Duration::from_millis(50)).await;
        enough.store(true, Ordering::Relaxed);
        times
    };
    let (flooded, busy) = tokio::join!(load, asked);
    let (count, took) = flooded?;
    let label = format!(
        "command acknowledged under {:.0} posts/s, p99",
        super::report::rate(count, took)
    );
    report.alone(&label, "ms", percentile(&mut busy?, 0.99), Goal::AtMost(250.0));
    Ok(())
}

/// Notes on the first hundred cases, one in `every`, for the span; how long each took from its due time.
async fn give(commands: &Arc<Commands>, prefix: &str, every: Duration) -> anyhow::Result<Vec<Duration>> {
    let tasks = TaskTracker::new();
    let times = Arc::new(std::sync::Mutex::new(Vec::new()));
    let began = Instant::now();
    let mut number = 0;
    while began.elapsed() < SPAN {
        let due = began + every * number;
        tokio::time::sleep_until(due.into()).await;
        let (commands, times) = (Arc::clone(commands), Arc::clone(&times));
        let (trigger, text) = (
            format!("{prefix}.{number}"),
            format!("{} Called them.", number % 100 + 1),
        );
        tasks.spawn(async move {
            let answer = commands.give(&trigger, "/note", &text).await.unwrap();
            assert!(!answer.contains("not accepted"), "{answer}");
            times.lock().unwrap().push(due.elapsed());
        });
        number += 1;
    }
    tasks.close();
    tasks.wait().await;
    let times = std::mem::take(&mut *times.lock().unwrap());
    anyhow::ensure!(times.len() == number as usize, "a command was not answered");
    Ok(times)
}
