//! What each command of the command line does.

use super::{Adapters, Options, Running};
use crate::adapter::chat::{discord, slack};
use crate::adapter::finding::Finding;
use crate::adapter::http;
use crate::cli::{self, Chat, Cli, Command, Configured, Demo, Exit, Manifest, Reported};
use crate::config::{self, Config};
use crate::domain::{Clock, SystemClock};
use crate::port::SocialPlatform as _;
use crate::telemetry;
use anyhow::Context as _;
use std::io::{IsTerminal as _, stdout};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long a question of `doctor` may take.
const QUESTION: Duration = Duration::from_secs(10);

/// Does what the command line says.
///
/// # Errors
/// It could not be done; the reason is for the person at the terminal.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let Cli { log, command } = cli;
    let directives = config::environment()
        .find(|(name, _)| name == "RUST_LOG")
        .map(|(_, value)| value);
    match command {
        Command::Demo(demo) => {
            telemetry::init(log, directives.as_deref())?;
            self::demo(demo).await
        }
        Command::Serve(configured) => {
            telemetry::init(log, directives.as_deref())?;
            match load(&configured) {
                Ok(config) => serve(config).await,
                Err(exit) => Ok(exit),
            }
        }
        Command::Check(reported) => Ok(cli::check::run(&reported, config::environment(), &mut stdout())?),
        Command::Doctor(Reported { configured, json }) => {
            telemetry::init(log, directives.as_deref())?;
            match load(&configured) {
                Ok(config) => doctor(&config, json).await,
                Err(exit) => Ok(exit),
            }
        }
        Command::Manifest(manifest) => Ok(self::manifest(&manifest)?),
    }
}

/// Reads the configuration, or tells what is wrong with it.
fn load(configured: &Configured) -> Result<Config, Exit> {
    Config::load(configured.config.as_deref(), config::environment()).map_err(|error| {
        eprintln!("{error}");
        Exit::Usage
    })
}

async fn serve(config: Config) -> anyhow::Result<Exit> {
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("Cannot listen on {listen}"))?;
    let options = Options {
        clock: Arc::new(SystemClock),
        demo: None,
        samples: false,
        stepped: false,
        metrics: telemetry::metrics()?,
    };
    Running::start(&config, listener, options)
        .await?
        .until_signal()
        .await?;
    Ok(Exit::Done)
}

async fn demo(demo: Demo) -> anyhow::Result<Exit> {
    let Demo {
        listen,
        data,
        no_sample,
    } = demo;
    std::fs::create_dir_all(&data).with_context(|| format!("Cannot make the folder {}", data.display()))?;
    let config = match Config::demo(listen, &data) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return Ok(Exit::Usage);
        }
    };
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("Cannot listen on {listen}; is a demo running already? `--listen 127.0.0.1:8081` takes another port")
    })?;
    let options = Options {
        clock: Arc::new(SystemClock),
        demo: Some(data.clone()),
        samples: !no_sample,
        stepped: false,
        metrics: telemetry::metrics()?,
    };
    let running = Running::start(&config, listener, options).await?;
    println!(
        "Hearback's demo is at http://{} — open it in a browser. Ctrl+C ends it.",
        running.addr
    );
    println!("What you do there is kept in {}.", data.display());
    running.until_signal().await?;
    Ok(Exit::Done)
}

async fn doctor(config: &Config, json: bool) -> anyhow::Result<Exit> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let findings = Adapters::examine(config, &clock).await?;
    Ok(cli::doctor::report(
        &findings,
        json,
        stdout().is_terminal(),
        &mut stdout(),
    )?)
}

impl Adapters {
    /// Asks every platform that the configuration names.
    async fn examine(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<(String, Vec<Finding>)>> {
        let adapters = Self::build(config, "doctor", clock, None, config.server.listen)?;
        let mut out = vec![("database".to_owned(), database(config).await)];
        if let Some(slack) = &adapters.slack {
            out.push(("slack".to_owned(), slack.examine(&teams(config)).await));
        }
        if let Some(discord) = &adapters.discord {
            out.push(("discord".to_owned(), discord.examine().await));
        }
        for source in &adapters.mastodon {
            out.push((source.source().to_string(), source.examine().await));
        }
        for source in &adapters.webhooks {
            out.push((source.source().to_string(), source.examine().await));
        }
        let client = http::client(QUESTION).context("Cannot build an HTTP client")?;
        if let Some(server) = adapters.timekeeper(config) {
            out.push((
                "machine".to_owned(),
                vec![cli::doctor::clock(&client, &server, clock.as_ref()).await],
            ));
        }
        Ok(out)
    }

    /// A server of the configuration whose clock ours is compared with.
    fn timekeeper(&self, config: &Config) -> Option<url::Url> {
        let slack = config.slack.as_ref().map(|slack| slack.api_url.clone());
        slack.or_else(|| config.discord.as_ref().map(|discord| discord.api_url.clone()))
    }
}

/// The Slack channels of the teams.
fn teams(config: &Config) -> Vec<String> {
    config
        .teams
        .iter()
        .filter_map(|team| team.slack_channel.clone())
        .collect()
}

/// Whether the database can be opened and answers.
async fn database(config: &Config) -> Vec<Finding> {
    use secrecy::ExposeSecret as _;
    match crate::store::Store::open(config.database.url.expose_secret()).await {
        Ok(store) => {
            let answered = store.ping().await;
            store.close().await;
            match answered {
                Ok(()) => vec![Finding::well(
                    "the database answers, and its tables are up to date",
                )],
                Err(error) => vec![Finding::wrong(error.to_string(), "see [database] url")],
            }
        }
        Err(error) => vec![Finding::wrong(error.to_string(), "see [database] url")],
    }
}

fn manifest(manifest: &Manifest) -> std::io::Result<Exit> {
    let Manifest {
        chat,
        name,
        app,
        configured: _,
        json,
    } = manifest;
    match chat {
        Chat::Slack => cli::manifest::slack(&slack::manifest(name), &mut stdout()),
        Chat::Discord => {
            let app = app.map(|app| app.to_string());
            let (link, _, about) = discord::invite(app.as_deref());
            cli::manifest::discord(&link, &about, app.is_some(), *json, &mut stdout())
        }
    }
}
