//! A chat that takes one message a second in a channel, and has many waiting.

use super::chat::Chat;
use super::load::{Commands, Webhook, flood};
use super::process::{Home, Process, Program};
use super::report::{Goal, Report, percentile};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many messages wait for the limited channel.
const WAITING: usize = 30;
/// How many cases are handed to the other channel meanwhile.
const HANDED: usize = 10;

pub async fn run(report: &mut Report) -> anyhow::Result<()> {
    let chat = Chat::open(Some(Duration::from_secs(1))).await?;
    let home = Home::new(&chat.url)?;
    let process = Process::start(Program::Binary, &home.config(), None).await?;
    let webhook = Arc::new(Webhook::new(&process.address)?);
    let commands = Commands::new(&process.address)?;
    let began = Instant::now();
    flood(&webhook, 4, 0, WAITING, || false).await?;
    let in_channel = |wanted: &str| {
        chat.look(|taken| {
            taken
                .iter()
                .filter(|message| message.channel == wanted)
                .map(|message| message.at)
                .collect::<Vec<_>>()
        })
    };
    let mut other = Vec::new();
    for number in 0..HANDED {
        // The other channel has the same limit, and keeps below it.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let asked = Instant::now();
        let text = format!("{} managers Please look.", WAITING - number);
        commands.give(&format!("e.{number}"), "/escalate", &text).await?;
        loop {
            if let Some(at) = in_channel("C0BOSS").get(number) {
                other.push(*at - asked);
                break;
            }
            anyhow::ensure!(
                asked.elapsed() < Duration::from_secs(20),
                "nothing came to the other channel"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while in_channel("C0CARE").len() < WAITING {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(90), "not all messages came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let times = in_channel("C0CARE");
    let span = times[WAITING - 1] - times[0];
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let share = (WAITING - 1) as f64 / span.as_secs_f64();
    let label = format!("channel of 1 message/s ({} refused too soon)", chat.refused());
    report.beside(&label, "msg/s", share, 1.0, Goal::Share(0.95));
    report.alone(
        "another channel meanwhile, slowest card",
        "ms",
        percentile(&mut other, 1.0),
        Goal::AtMost(100.0),
    );
    Ok(())
}
