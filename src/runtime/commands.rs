//! What each command of the command line does.

use super::adapters::{Adapters, Surroundings};
use super::{Options, Running, connect, link, operator, records, rules, vault};
use crate::adapter::chat::{discord, slack};
use crate::adapter::connector::Connector;
use crate::adapter::finding::Finding;
use crate::adapter::http;
use crate::adapter::meter::{Counted, Usage};
use crate::adapter::meters::USED;
use crate::cli::replies::Replies;
use crate::cli::rules::Rules;
use crate::cli::{self, Audit, Chat, Cli, Command, Configured, Demo, Exit, Manifest, Reported};
use crate::config::{self, Config};
use crate::domain::{Clock, Instant, SystemClock};
use crate::store::{Store, Tables};
use crate::telemetry;
use anyhow::Context as _;
use secrecy::ExposeSecret as _;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// How long a question of `doctor` may take.
const QUESTION: Duration = Duration::from_secs(10);

/// What is logged by a command whose answer is all that its reader wants.
const QUIET: Option<&str> = Some("error");

/// Does what the command line says.
///
/// # Errors
/// It could not be done; the reason is for the person at the terminal.
pub async fn run(cli: Cli) -> anyhow::Result<Exit> {
    let Cli { log, command } = cli;
    let directives = config::log_directives();
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
        Command::Check(reported) => Ok(cli::check::run(
            &reported,
            config::environment(),
            &mut cli::output(),
        )?),
        Command::Doctor(reported) => {
            // The report says what is well and what is not.
            telemetry::init(log, directives.as_deref().or(Some("error")))?;
            self::doctor(&reported).await
        }
        Command::Audit(Audit::Verify(Reported { configured, json })) => {
            telemetry::init(log, directives.as_deref())?;
            match load(&configured) {
                Ok(config) => records::verify(&config, json).await,
                Err(exit) => Ok(exit),
            }
        }
        Command::Adopt(adopt) => {
            telemetry::init(log, directives.as_deref())?;
            match load(&adopt.configured) {
                Ok(config) => records::adopt(&config, &adopt).await,
                Err(exit) => Ok(exit),
            }
        }
        Command::Connect(connect) => {
            telemetry::init(log, directives.as_deref().or(QUIET))?;
            match load(&connect.configured) {
                Ok(config) => connect::run(&config, &connect).await,
                Err(exit) => Ok(exit),
            }
        }
        Command::Erase(erase) => {
            telemetry::init(log, directives.as_deref())?;
            match load(&erase.configured) {
                Ok(config) => records::erase(&config, &erase).await,
                Err(exit) => Ok(exit),
            }
        }
        Command::Manifest(manifest) => Ok(self::manifest(&manifest)?),
        Command::Replies(Replies { what }) => {
            telemetry::init(log, directives.as_deref().or(QUIET))?;
            operator::replies(what).await
        }
        Command::Rules(Rules { what }) => {
            telemetry::init(log, directives.as_deref().or(QUIET))?;
            rules::run(what).await
        }
        Command::Pause(pause) => {
            telemetry::init(log, directives.as_deref().or(QUIET))?;
            operator::pause(pause).await
        }
        Command::Resume(resume) => {
            telemetry::init(log, directives.as_deref().or(QUIET))?;
            operator::resume(resume).await
        }
    }
}

/// Reads the configuration, or tells what is wrong with it.
pub(super) fn load(configured: &Configured) -> Result<Config, Exit> {
    Config::load(configured.config.as_deref(), config::environment()).map_err(|error| {
        cli::complain(error);
        Exit::Usage
    })
}

async fn serve(config: Config) -> anyhow::Result<Exit> {
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("Cannot listen on {listen}: another program has the port, or this machine has no such address; change `listen` in [server]")
    })?;
    let options = Options {
        clock: None,
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
            cli::complain(error);
            return Ok(Exit::Usage);
        }
    };
    let listener = TcpListener::bind(listen).await.with_context(|| {
        format!("Cannot listen on {listen}; is a demo running already? `--listen 127.0.0.1:8081` takes another port")
    })?;
    let options = Options {
        clock: None,
        demo: Some(data.clone()),
        samples: !no_sample,
        stepped: false,
        metrics: telemetry::metrics()?,
    };
    let running = Running::start(&config, listener, options).await?;
    writeln!(
        cli::output(),
        "Hearback's demo is at {} — open it in a browser. Ctrl+C ends it.\n\
         What you do there is kept in {}.",
        link(running.addr),
        data.display()
    )?;
    running.until_signal().await?;
    Ok(Exit::Done)
}

async fn doctor(reported: &Reported) -> anyhow::Result<Exit> {
    let Reported { configured, json } = reported;
    let loaded = Config::load(configured.config.as_deref(), config::environment());
    let config = match (loaded, json) {
        (Ok(config), _) => config,
        // Who reads JSON reads it here as well: the report of `check`.
        (Err(error), true) => return Ok(cli::check::report(&Err(error), true, &mut cli::output())?),
        (Err(error), false) => {
            cli::complain(error);
            return Ok(Exit::Usage);
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let findings = Adapters::examine(&config, &clock).await?;
    Ok(cli::doctor::report(
        &findings,
        *json,
        stdout().is_terminal(),
        &mut cli::output(),
    )?)
}

impl Adapters {
    /// Asks every platform that the configuration names.
    async fn examine(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<(String, Vec<Finding>)>> {
        let store = Store::join(config.database.url.expose_secret()).await;
        let surroundings = Surroundings {
            installation: "doctor",
            clock,
            vault: match &store {
                Ok(store) => vault::of(config, store, &TaskTracker::new()),
                Err(error) => Arc::new(vault::NoVault(error.to_string())),
            },
            demo: None,
            base: &link(config.server.listen),
        };
        let adapters = Self::build(config, &surroundings)?;
        let mut out = vec![("database".to_owned(), database(config).await)];
        if let Some(slack) = &adapters.slack {
            out.push(("slack".to_owned(), slack.examine(&slack_channels(config)).await));
        }
        if let Some(discord) = &adapters.discord {
            out.push((
                "discord".to_owned(),
                discord.examine(&discord_channels(config)).await,
            ));
        }
        for source in &adapters.networks {
            let mut findings = source.examine().await;
            findings.extend(allowance(config, source.as_ref(), clock.now()).await);
            out.push((source.source().to_string(), findings));
        }
        for desk in &adapters.desks {
            out.push((desk.chat().to_string(), desk.examine().await));
        }
        let client = http::client(QUESTION).context("Cannot build an HTTP client")?;
        if let Some(server) = adapters.timekeeper(config) {
            out.push((
                "machine".to_owned(),
                vec![cli::doctor::clock(&client, &server, clock.as_ref()).await],
            ));
        }
        if let Ok(store) = store {
            store.close().await;
        }
        Ok(out)
    }

    /// A server of the configuration whose clock ours is compared with.
    fn timekeeper(&self, config: &Config) -> Option<url::Url> {
        let slack = config.slack.as_ref().map(|slack| slack.api_url.clone());
        slack.or_else(|| config.discord.as_ref().map(|discord| discord.api_url.clone()))
    }
}

/// What a source used of what it may, as the database keeps it; nothing where it has no allowance.
async fn allowance(config: &Config, source: &dyn Connector, now: Instant) -> Vec<Finding> {
    let Some(meter) = source.meter().filter(|meter| meter.kept(now).is_some()) else {
        return Vec::new();
    };
    if let Ok(store) = Store::join(config.database.url.expose_secret()).await {
        if let Ok(Some(kept)) = store.cursor(source.source(), USED).await {
            meter.restore(&kept);
        }
        store.close().await;
    }
    let usage = meter.usage(now).into_iter();
    let here = usage.filter(|usage| usage.of == Counted::Here);
    let finding = |usage: Usage| match usage.share < 1.0 {
        true => Finding::well(format!("{} are used", usage.words)),
        false => Finding::wrong(
            format!("{} are used: nothing is left", usage.words),
            "wait until it is full again, or allow more",
        ),
    };
    here.map(finding).collect()
}

/// The Slack channels of the teams.
fn slack_channels(config: &Config) -> Vec<String> {
    let teams = config.teams.iter();
    teams.filter_map(|team| team.slack_channel.clone()).collect()
}

/// The Discord channels of the teams.
fn discord_channels(config: &Config) -> Vec<String> {
    let teams = config.teams.iter();
    teams.filter_map(|team| team.discord_channel.clone()).collect()
}

/// Whether the database can be reached, and what is in it. Nothing is made or changed.
async fn database(config: &Config) -> Vec<Finding> {
    let looked = Store::look(config.database.url.expose_secret()).await;
    let current = matches!(looked, Ok(Tables::Current));
    let mut findings = vec![match looked {
        Ok(Tables::None) => Finding::well("the database can be made; `hearback serve` makes it"),
        Ok(Tables::Older) => {
            Finding::well("the database answers; `hearback serve` brings its tables up to date")
        }
        Ok(Tables::Current) => Finding::well("the database answers, and its tables are up to date"),
        Ok(Tables::Newer) => Finding::wrong(
            "the database's tables are those of a later version of Hearback",
            "run that version, or name another database in [database] url",
        ),
        Err(error) => Finding::wrong(error.to_string(), "see [database] url"),
    }];
    if current {
        findings.push(match records::standing(config).await {
            Ok(standing) => match standing.trouble() {
                None => Finding::well("the database is the one that was sealed"),
                Some(trouble) => Finding::wrong(trouble, standing.mend()),
            },
            Err(error) => Finding::wrong(
                format!("the seal cannot be compared: {error:#}"),
                "see [database] url",
            ),
        });
        findings.extend(waiting(config).await);
    }
    findings
}

/// The feeds that were set aside, which somebody has to decide about.
async fn waiting(config: &Config) -> Vec<Finding> {
    // Why it cannot be joined was told before.
    let Ok(store) = Store::join(config.database.url.expose_secret()).await else {
        return Vec::new();
    };
    let feeds = store.all_waiting().await.unwrap_or_default().into_iter();
    store.close().await;
    let finding = |(source, posts)| {
        Finding::wrong(
            format!("{posts} posts of {source} wait to be let in"),
            format!("decide with `hearback rules let-in {source}`, or leave-out"),
        )
    };
    feeds.map(finding).collect()
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
        Chat::Slack => cli::manifest::slack(&slack::manifest(name), &mut cli::output()),
        Chat::Discord => {
            let app = app.map(|app| app.to_string());
            let (link, _, about) = discord::invite(app.as_deref());
            cli::manifest::discord(&link, &about, app.is_some(), *json, &mut cli::output())
        }
    }
}
