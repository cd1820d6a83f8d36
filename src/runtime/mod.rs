//! The composition root: the only module that knows all others. It builds the core, the chats and the
//! networks from the configuration, connects them, and stops them in order.

mod commands;
mod lifecycle;
mod people;

pub use commands::run;
pub use lifecycle::Lifecycle;

use crate::adapter::chat::console::{Console, Seat};
use crate::adapter::chat::discord::Discord;
use crate::adapter::chat::slack::Slack;
use crate::adapter::link::Link;
use crate::adapter::social::mastodon::Mastodon;
use crate::adapter::social::playground::Playground;
use crate::adapter::social::webhook::Webhook;
use crate::app::{App, Inbound, Parts, Reader, Worker};
use crate::config::{Config, Source};
use crate::domain::{Clock, Role};
use crate::port::{ChatPlatform, SocialPlatform};
use crate::store::Store;
use crate::web::{self, Hosts};
use anyhow::Context as _;
use axum::Router;
use maud::Markup;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::ExposeSecret as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// How long inbox keys are remembered: longer than any chat redelivers.
const REMEMBER: chrono::TimeDelta = chrono::TimeDelta::days(3);
/// How often old inbox keys are forgotten.
const FORGET: Duration = Duration::from_secs(3600);

/// How a process differs from `hearback serve`.
pub struct Options {
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// The demo: the console is served, and the playground lives in this folder.
    pub demo: Option<PathBuf>,
    /// Whether sample complaints arrive by themselves.
    pub samples: bool,
    /// Whether the worker is stepped by hand instead of running.
    pub stepped: bool,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}

/// A running Hearback.
pub struct Running {
    /// Where its server listens.
    pub addr: SocketAddr,
    /// The way in.
    pub inbound: Inbound,
    /// Reads.
    pub reader: Reader,
    /// The worker, when it is stepped by hand.
    pub worker: Option<Worker>,
    /// Its connections.
    pub links: Vec<Link>,
    lifecycle: Lifecycle,
    store: Store,
}

/// Chats and networks, built but not connected.
struct Adapters {
    slack: Option<Arc<Slack>>,
    discord: Option<Arc<Discord>>,
    console: Option<Arc<Console>>,
    mastodon: Vec<Arc<Mastodon>>,
    webhooks: Vec<Arc<Webhook>>,
    playground: Option<Arc<Playground>>,
}

impl Running {
    /// Builds everything and connects it. It is ready when this returns, except for connections to
    /// other machines, which come up behind it.
    ///
    /// # Errors
    /// The database cannot be opened, is in use by another Hearback, or an adapter cannot be built.
    pub async fn start(config: &Config, listener: TcpListener, options: Options) -> anyhow::Result<Self> {
        let Options {
            clock,
            demo,
            samples,
            stepped,
            metrics,
        } = options;
        let lifecycle = Lifecycle::default();
        let addr = listener
            .local_addr()
            .context("Cannot tell the address of the server")?;
        let store = Store::open(config.database.url.expose_secret())
            .await
            .context("Cannot open the database")?;
        store.lock().await.context("Cannot use the database")?;
        let installation = store.installation().await.context("Cannot read the database")?;
        let adapters = Adapters::build(config, &installation, &clock, demo.as_ref(), addr)?;
        let core = Parts {
            store: store.clone(),
            directory: people::directory(config, adapters.console.is_some()),
            chats: adapters.chats(),
            networks: adapters.networks(),
            clock: Arc::clone(&clock),
            hold: config.reply.hold,
            timeout: config.reply.timeout,
            settle: config.reply.settle,
            stop: lifecycle.soft.clone(),
        };
        let App {
            inbound,
            reader,
            mut worker,
        } = App::start(core, &lifecycle.tasks)
            .await
            .context("Cannot read the database")?;
        worker.recover().await.context("Cannot read the outbox")?;
        let links = adapters.links();
        let host = config
            .server
            .public_url
            .as_ref()
            .and_then(|url| url.host_str().map(str::to_owned));
        let front = Front {
            links: links.clone(),
            metrics,
            hosts: Hosts::also(host),
        };
        adapters.serve(&lifecycle, listener, &inbound, &reader, front);
        let samples = samples && demo.is_some();
        adapters.connect(&lifecycle, &inbound, samples);
        lifecycle.spawn_soft(forget(store.clone(), clock));
        let worker = if stepped {
            Some(worker)
        } else {
            lifecycle.spawn(worker.run());
            None
        };
        tracing::info!(%addr, "Hearback is ready.");
        Ok(Self {
            addr,
            inbound,
            reader,
            worker,
            links,
            lifecycle,
            store,
        })
    }

    /// Runs until a signal, then stops.
    ///
    /// # Errors
    /// Signals cannot be watched, or not everything could be ended in order.
    pub async fn until_signal(self) -> anyhow::Result<()> {
        self.lifecycle
            .signalled()
            .await
            .context("Cannot watch for signals")?;
        tracing::info!(
            "Stopping: nothing new is taken in, what is under way ends. A second signal stops at once."
        );
        self.stop().await
    }

    /// Stops: softly first, then closes the database.
    ///
    /// # Errors
    /// Something had to be dropped. What was committed is delivered after the next start.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self {
            inbound,
            reader,
            worker,
            lifecycle,
            store,
            addr: _,
            links: _,
        } = self;
        // The ledger ends when nobody holds a way in.
        drop((inbound, reader, worker));
        let soft = lifecycle.stop().await;
        store.close().await;
        anyhow::ensure!(soft, "Stopped before everything was ended in order");
        Ok(())
    }
}

/// Forgets old inbox keys now and then.
async fn forget(store: Store, clock: Arc<dyn Clock>) {
    loop {
        if let Err(error) = store.forget_inbox(clock.now() - REMEMBER).await {
            tracing::warn!(%error, "Cannot forget old commands.");
        }
        tokio::time::sleep(FORGET).await;
    }
}

/// What the server shows beside the adapters' routes.
struct Front {
    links: Vec<Link>,
    metrics: PrometheusHandle,
    hosts: Hosts,
}

impl Adapters {
    /// Builds what the configuration names. Nothing is connected yet.
    fn build(
        config: &Config,
        installation: &str,
        clock: &Arc<dyn Clock>,
        demo: Option<&PathBuf>,
        addr: SocketAddr,
    ) -> anyhow::Result<Self> {
        let slack = match &config.slack {
            Some(section) => {
                let groups = config
                    .access
                    .iter()
                    .filter_map(|access| access.slack_group.clone())
                    .collect();
                let slack = Slack::new(section, Arc::clone(clock), installation).context("[slack]")?;
                Some(Arc::new(slack.with_groups(groups)))
            }
            None => None,
        };
        let discord = match &config.discord {
            Some(section) => {
                let discord = Discord::new(section, Arc::clone(clock), installation).context("[discord]")?;
                Some(Arc::new(discord))
            }
            None => None,
        };
        let console = demo.map(|_| Arc::new(Console::new(seats(config))));
        let mut adapters = Self {
            slack,
            discord,
            console,
            mastodon: Vec::new(),
            webhooks: Vec::new(),
            playground: None,
        };
        for source in &config.sources {
            let timeout = config.reply.timeout;
            match source {
                Source::Mastodon(section) => {
                    let mastodon = Mastodon::new(section, timeout, Arc::clone(clock));
                    adapters.mastodon.push(Arc::new(
                        mastodon.with_context(|| format!("source {}", section.name))?,
                    ));
                }
                Source::Webhook(section) => {
                    let webhook = Webhook::new(section, timeout, Arc::clone(clock));
                    adapters.webhooks.push(Arc::new(
                        webhook.with_context(|| format!("source {}", section.name))?,
                    ));
                }
                Source::Playground(section) => {
                    let Some(folder) = demo else { continue };
                    let base = format!("http://{addr}");
                    let square = Playground::open(section, folder, &base, Arc::clone(clock))?;
                    adapters.playground = Some(Arc::new(square));
                }
            }
        }
        Ok(adapters)
    }

    fn chats(&self) -> Vec<Arc<dyn ChatPlatform>> {
        let mut chats: Vec<Arc<dyn ChatPlatform>> = Vec::new();
        chats.extend(
            self.slack
                .iter()
                .map(|chat| Arc::clone(chat) as Arc<dyn ChatPlatform>),
        );
        chats.extend(
            self.discord
                .iter()
                .map(|chat| Arc::clone(chat) as Arc<dyn ChatPlatform>),
        );
        chats.extend(
            self.console
                .iter()
                .map(|chat| Arc::clone(chat) as Arc<dyn ChatPlatform>),
        );
        chats
    }

    fn networks(&self) -> Vec<Arc<dyn SocialPlatform>> {
        let mut networks: Vec<Arc<dyn SocialPlatform>> = Vec::new();
        networks.extend(
            self.mastodon
                .iter()
                .map(|source| Arc::clone(source) as Arc<dyn SocialPlatform>),
        );
        networks.extend(
            self.webhooks
                .iter()
                .map(|source| Arc::clone(source) as Arc<dyn SocialPlatform>),
        );
        networks.extend(
            self.playground
                .iter()
                .map(|source| Arc::clone(source) as Arc<dyn SocialPlatform>),
        );
        networks
    }

    fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        links.extend(self.slack.iter().flat_map(|slack| slack.links()));
        links.extend(self.discord.iter().flat_map(|discord| discord.links()));
        links.extend(self.mastodon.iter().flat_map(|source| source.links()));
        links.extend(self.webhooks.iter().flat_map(|source| source.links()));
        links.extend(self.playground.iter().map(|square| square.link().clone()));
        links
    }

    /// Serves the routes of all of them.
    fn serve(
        &self,
        lifecycle: &Lifecycle,
        listener: TcpListener,
        inbound: &Inbound,
        reader: &Reader,
        front: Front,
    ) {
        let Front {
            links,
            metrics,
            hosts,
        } = front;
        let mut hooks: Vec<Router> = Vec::new();
        hooks.extend(
            self.slack
                .iter()
                .map(|slack| Arc::clone(slack).routes(inbound.clone())),
        );
        hooks.extend(
            self.discord
                .iter()
                .map(|discord| Arc::clone(discord).routes(inbound.clone())),
        );
        hooks.extend(
            self.webhooks
                .iter()
                .map(|source| Arc::clone(source).routes(inbound.clone())),
        );
        let mut pages = Vec::new();
        pages.extend(
            self.playground
                .iter()
                .map(|square| square.router(lifecycle.soft.clone())),
        );
        pages.extend(
            self.console
                .iter()
                .map(|console| console.router(reader.clone(), inbound.clone(), lifecycle.soft.clone())),
        );
        let square: Option<Markup> = self.playground.as_ref().map(|square| square.frame());
        let console: Option<Markup> = self.console.as_ref().map(|console| console.frame());
        let router = web::router(web::Parts {
            reader: reader.clone(),
            links,
            metrics,
            hooks,
            pages,
            square,
            console,
            hosts,
        });
        let soft = lifecycle.soft.clone();
        lifecycle.spawn(async move {
            web::serve(listener, router, web::PATIENCE, soft).await;
        });
    }

    /// Starts their connections.
    fn connect(self, lifecycle: &Lifecycle, inbound: &Inbound, samples: bool) {
        let stop = &lifecycle.soft;
        if let Some(slack) = self.slack {
            lifecycle.spawn(slack.run(inbound.clone(), stop.clone()));
        }
        if let Some(discord) = self.discord {
            lifecycle.spawn(discord.run(inbound.clone(), stop.clone()));
        }
        for source in self.mastodon {
            lifecycle.spawn(source.run(inbound.clone(), stop.clone()));
        }
        if let Some(square) = self.playground {
            lifecycle.spawn(square.run(inbound.clone(), stop.clone(), samples));
        }
    }
}

/// The people who can be played at the console.
fn seats(config: &Config) -> Vec<Seat> {
    let seat = |entry: &crate::config::AgentEntry| Seat {
        user: entry.name.to_lowercase(),
        name: entry.name.clone(),
        title: match entry.roles.iter().max() {
            Some(Role::Lead | Role::Admin) => "lead".to_owned(),
            Some(Role::Viewer) => "viewer".to_owned(),
            Some(Role::Agent | Role::Approver) | None => "agent".to_owned(),
        },
    };
    config.agents.iter().map(seat).collect()
}
