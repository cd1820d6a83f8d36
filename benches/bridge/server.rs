//! The product's parts as a server of their own, with Slack's pace lifted: what `serve` is made of,
//! less the pages.

use anyhow::Context as _;
use hearback::adapter::chat::slack::{Limits, Slack};
use hearback::adapter::connector::Connector as _;
use hearback::adapter::social::webhook::Webhook;
use hearback::app::{App, Directory, Home, Identity, Member, Parts};
use hearback::config::{Config, Purpose, Source};
use hearback::domain::{Agent, ChatName, Clock, Role, Standing, SystemClock};
use hearback::store::Store;
use secrecy::ExposeSecret as _;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves until it is killed.
pub async fn serve(config: &str) -> anyhow::Result<()> {
    let config = Config::from_toml(config, &std::fs::read_to_string(config)?, Purpose::Serve)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(config.database.url.expose_secret()).await?;
    let section = config.slack.as_ref().context("[slack]")?;
    let slack = Slack::new(section, Arc::clone(&clock), &store.installation().await?)?;
    let slack = Arc::new(slack.with_limits(Limits::lifted()));
    let Some(Source::Webhook(source)) = config.sources.first() else {
        anyhow::bail!("no webhook source");
    };
    let webhook = Arc::new(Webhook::new(source, config.reply.timeout, Arc::clone(&clock))?);
    let chat = ChatName::new("slack");
    let ada = Member {
        agent: Agent {
            key: "Ada".to_owned(),
            name: "Ada".to_owned(),
        },
        role: Role::Agent,
        identities: vec![Identity {
            chat: chat.clone(),
            user: "U0ADA".to_owned(),
            workspace: None,
        }],
    };
    let stop = CancellationToken::new();
    let parts = Parts {
        directory: Directory {
            members: vec![ada],
            homes: vec![Home {
                chat,
                channel: section.channel.as_str().into(),
            }],
            ..Directory::default()
        },
        chats: vec![Arc::clone(&slack) as _],
        networks: vec![Arc::clone(&webhook) as _],
        hold: config.reply.hold,
        timeout: config.reply.timeout,
        settle: config.reply.settle,
        standing: Standing::Sound,
        seal: None,
        stop: stop.clone(),
        ..Parts::around(store, clock)
    };
    let tasks = TaskTracker::new();
    let App {
        inbound, mut worker, ..
    } = App::start(parts, &tasks).await?;
    worker.recover().await?;
    tasks.spawn(worker.run());
    let routes = Arc::clone(&slack)
        .routes(inbound.clone())
        .merge(webhook.routes(inbound.clone()).unwrap_or_default())
        .route("/readyz", axum::routing::get(async || "ok"));
    tasks.spawn(slack.run(inbound, stop));
    let listener = tokio::net::TcpListener::bind(config.server.listen).await?;
    eprintln!("Hearback is ready. addr={}", listener.local_addr()?);
    axum::serve(listener, routes).await?;
    Ok(())
}
