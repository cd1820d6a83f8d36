//! Chats and networks: built from the configuration, joined into one server, connected.

use super::lifecycle::Lifecycle;
use crate::adapter::chat::console::{Console, Notices, Seat};
use crate::adapter::chat::discord::Discord;
use crate::adapter::chat::helpdesk::Desk;
use crate::adapter::chat::slack::Slack;
use crate::adapter::connector::Connector;
use crate::adapter::guard::Guard;
use crate::adapter::http;
use crate::adapter::link::Link;
use crate::adapter::meters;
use crate::adapter::picture::Pictures;
use crate::adapter::social::app_store::AppStore;
use crate::adapter::social::bluesky::Bluesky;
use crate::adapter::social::discourse::Discourse;
use crate::adapter::social::email::Email;
use crate::adapter::social::facebook::Facebook;
use crate::adapter::social::github::GitHub;
use crate::adapter::social::google_business::GoogleBusiness;
use crate::adapter::social::google_play::GooglePlay;
use crate::adapter::social::instagram::Instagram;
use crate::adapter::social::lemmy::Lemmy;
use crate::adapter::social::linkedin::LinkedIn;
use crate::adapter::social::mastodon::Mastodon;
use crate::adapter::social::playground::Playground;
use crate::adapter::social::reddit::Reddit;
use crate::adapter::social::rss::Rss;
use crate::adapter::social::stack_exchange::StackExchange;
use crate::adapter::social::telegram::Telegram;
use crate::adapter::social::threads::Threads;
use crate::adapter::social::tiktok::TikTok;
use crate::adapter::social::trustpilot::Trustpilot;
use crate::adapter::social::webhook::Webhook;
use crate::adapter::social::x::X;
use crate::adapter::social::youtube::YouTube;
use crate::app::{Inbound, Reader};
use crate::config::{self, AgentEntry, Config, Source};
use crate::domain::{Clock, Role};
use crate::port::{Attachments, ChatPlatform, SocialPlatform, Vault};
use crate::web::{self, Hosts};
use anyhow::Context as _;
use axum::Router;
use metrics_exporter_prometheus::PrometheusHandle;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Chats and networks, built but not connected.
pub(super) struct Adapters {
    pub slack: Option<Arc<Slack>>,
    pub discord: Option<Arc<Discord>>,
    pub console: Option<Arc<Console>>,
    pub desks: Vec<Arc<Desk>>,
    pub networks: Vec<Arc<dyn Connector>>,
    pub playground: Option<Arc<Playground>>,
    pub attachments: Attachments,
    clock: Arc<dyn Clock>,
}

/// What adapters are built with, beside the configuration.
pub(super) struct Surroundings<'a> {
    /// The name of the installation.
    pub installation: &'a str,
    /// The time.
    pub clock: &'a Arc<dyn Clock>,
    /// Where they keep what platforms give them.
    pub vault: Arc<dyn Vault>,
    /// The folder of the demo.
    pub demo: Option<&'a PathBuf>,
    /// Where a browser on this machine finds the server.
    pub base: &'a str,
}

/// What the server shows beside the adapters' routes.
pub(super) struct Front {
    /// The connections that `/readyz` tells about.
    pub links: Vec<Link>,
    /// For `/metrics`.
    pub metrics: PrometheusHandle,
    /// The names under which the pages answer.
    pub hosts: Hosts,
}

impl Adapters {
    /// Builds what the configuration names. Nothing is connected yet.
    ///
    /// # Errors
    /// A section says something that its adapter cannot use.
    pub fn build(config: &Config, surroundings: &Surroundings<'_>) -> anyhow::Result<Self> {
        http::sharing(|| Self::build_each(config, surroundings))
    }

    fn build_each(config: &Config, surroundings: &Surroundings<'_>) -> anyhow::Result<Self> {
        let Surroundings {
            installation,
            clock,
            vault,
            demo,
            base,
        } = surroundings;
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
        let guard = guard(config);
        let attachments = match config.media.pictures {
            config::Pictures::File => Attachments::Shown(Arc::new(Pictures::new(guard.clone()))),
            config::Pictures::Link => Attachments::Linked,
            config::Pictures::Off => Attachments::Counted,
        };
        let console = console(config, demo.is_some());
        let console = console.map(|console| Arc::new(console.with_attachments(attachments.clone())));
        let mut adapters = Self {
            slack,
            discord,
            console,
            desks: desks(config, installation, clock)?,
            networks: Vec::new(),
            playground: None,
            attachments,
            clock: Arc::clone(clock),
        };
        for source in &config.sources {
            let Source::Playground(section) = source else {
                let network = network(source, config.reply.timeout, clock, vault, &guard);
                let network = network.with_context(|| format!("source {}", source.name()))?;
                adapters.networks.extend(network);
                continue;
            };
            let Some(folder) = demo else { continue };
            let square = Playground::open(section, folder, base, Arc::clone(clock))?;
            adapters.playground = Some(Arc::new(square));
        }
        Ok(adapters)
    }

    /// All chats.
    pub fn chats(&self) -> Vec<Arc<dyn ChatPlatform>> {
        let slack = self
            .slack
            .iter()
            .cloned()
            .map(|chat| chat as Arc<dyn ChatPlatform>);
        let discord = self.discord.iter().cloned().map(|chat| chat as _);
        let console = self.console.iter().cloned().map(|chat| chat as _);
        let desks = self.desks.iter().cloned().map(|desk| desk as _);
        slack.chain(discord).chain(console).chain(desks).collect()
    }

    /// All networks, one for each source.
    pub fn networks(&self) -> Vec<Arc<dyn SocialPlatform>> {
        let networks = self.networks.iter().cloned();
        let networks = networks.map(|source| source as Arc<dyn SocialPlatform>);
        let square = self.playground.iter().cloned().map(|source| source as _);
        networks.chain(square).collect()
    }

    /// The connections of all of them.
    pub fn links(&self) -> Vec<Link> {
        let mut links = Vec::new();
        links.extend(self.slack.iter().flat_map(|slack| slack.links()));
        links.extend(self.discord.iter().flat_map(|discord| discord.links()));
        links.extend(self.desks.iter().map(|desk| desk.link().clone()));
        links.extend(self.networks.iter().flat_map(|source| source.links()));
        links.extend(self.playground.iter().map(|square| square.link().clone()));
        links
    }

    /// The routes of all of them, as one server.
    pub fn router(
        &self,
        stop: &CancellationToken,
        inbound: &Inbound,
        reader: &Reader,
        front: Front,
    ) -> Router {
        let Front {
            links,
            metrics,
            hosts,
        } = front;
        let slack = self.slack.iter();
        let slack = slack.map(|slack| Arc::clone(slack).routes(inbound.clone()));
        let discord = self.discord.iter();
        let discord = discord.map(|discord| Arc::clone(discord).routes(inbound.clone()));
        let networks = self.networks.iter();
        let networks = networks.filter_map(|source| Arc::clone(source).routes(inbound.clone()));
        let desks = self.desks.iter();
        let desks = desks.filter_map(|desk| Arc::clone(desk).routes(inbound.clone()));
        let square = self.playground.iter().map(|square| square.router(stop.clone()));
        let (metered, clock) = (self.networks.clone(), Arc::clone(&self.clock));
        let notices: Notices = Arc::new(move || meters::nearly_used_up(&metered, clock.now()));
        let console = self.console.iter();
        let console = console.map(|console| {
            let (reader, inbound) = (reader.clone(), inbound.clone());
            console.router(reader, inbound, Arc::clone(&notices), stop.clone())
        });
        web::router(web::Parts {
            reader: reader.clone(),
            inbound: inbound.clone(),
            links,
            metrics,
            hooks: slack.chain(discord).chain(networks).chain(desks).collect(),
            pages: square.chain(console).collect(),
            square: self.playground.as_ref().map(|square| square.frame()),
            console: self
                .console
                .clone()
                .map(|console| -> web::Frame { Arc::new(move |headers| console.frame(headers)) }),
            hosts,
        })
    }

    /// Starts their connections.
    pub fn connect(self, lifecycle: &Lifecycle, inbound: &Inbound, samples: bool) {
        let stop = &lifecycle.soft;
        if let Some(slack) = self.slack {
            lifecycle.spawn("connection to Slack", slack.run(inbound.clone(), stop.clone()));
        }
        if let Some(discord) = self.discord {
            lifecycle.spawn(
                "connection to Discord",
                discord.run(inbound.clone(), stop.clone()),
            );
        }
        for desk in self.desks {
            lifecycle.spawn(
                "connection to a help desk",
                desk.run(inbound.clone(), stop.clone()),
            );
        }
        for source in self.networks {
            lifecycle.spawn(
                "connection to a network",
                source.run(inbound.clone(), stop.clone()),
            );
        }
        if let Some(square) = self.playground {
            lifecycle.spawn("playground", square.run(inbound.clone(), stop.clone(), samples));
        }
    }
}

/// The help desks.
fn desks(config: &Config, installation: &str, clock: &Arc<dyn Clock>) -> anyhow::Result<Vec<Arc<Desk>>> {
    let desk = |section| {
        let desk = Desk::new(section, installation, Arc::clone(clock));
        desk.with_context(|| format!("help desk {}", section.name()))
            .map(Arc::new)
    };
    config.helpdesks.iter().map(desk).collect()
}

/// The connector of a source; none for the playground, which belongs to the demo.
fn network(
    source: &Source,
    timeout: Duration,
    clock: &Arc<dyn Clock>,
    vault: &Arc<dyn Vault>,
    guard: &Guard,
) -> anyhow::Result<Option<Arc<dyn Connector>>> {
    let (clock, vault) = (Arc::clone(clock), Arc::clone(vault));
    Ok(Some(match source {
        Source::AppStore(section) => Arc::new(AppStore::new(section, timeout, clock)?),
        Source::Bluesky(section) => Arc::new(Bluesky::new(section, timeout, clock, vault)?),
        Source::Discourse(section) => Arc::new(Discourse::new(section, timeout, clock)?),
        Source::Email(section) => Arc::new(Email::new(section, timeout, clock)?),
        Source::Facebook(section) => Arc::new(Facebook::new(section, timeout, clock)?),
        Source::GitHub(section) => Arc::new(GitHub::new(section, timeout, clock)?),
        Source::GoogleBusiness(section) => Arc::new(GoogleBusiness::new(section, timeout, clock, vault)?),
        Source::GooglePlay(section) => Arc::new(GooglePlay::new(section, timeout, clock)?),
        Source::Instagram(section) => Arc::new(Instagram::new(section, timeout, clock)?),
        Source::Lemmy(section) => Arc::new(Lemmy::new(section, timeout, clock)?),
        Source::LinkedIn(section) => Arc::new(LinkedIn::new(section, timeout, clock, vault)?),
        Source::Mastodon(section) => Arc::new(Mastodon::new(section, timeout, clock)?),
        Source::Reddit(section) => Arc::new(Reddit::new(section, timeout, clock)?),
        Source::Rss(section) => Arc::new(Rss::new(section, guard.clone(), clock)?),
        Source::StackExchange(section) => Arc::new(StackExchange::new(section, timeout, clock, vault)?),
        Source::Telegram(section) => Arc::new(Telegram::new(section, timeout, clock)?),
        Source::Threads(section) => Arc::new(Threads::new(section, timeout, clock, vault)?),
        Source::TikTok(section) => Arc::new(TikTok::new(section, timeout, clock, vault)?),
        Source::Trustpilot(section) => Arc::new(Trustpilot::new(section, timeout, clock)?),
        Source::Webhook(section) => Arc::new(Webhook::new(section, timeout, clock)?),
        Source::X(section) => Arc::new(X::new(section, timeout, clock, vault)?),
        Source::YouTube(section) => Arc::new(YouTube::new(section, timeout, clock, vault)?),
        Source::Playground(_) => return Ok(None),
    }))
}

/// The guard before addresses from outside.
fn guard(config: &Config) -> Guard {
    let exempt = config.server.allow_private_hosts.iter();
    Guard::new(exempt.map(|host| (host.host.clone(), host.port)).collect())
}

/// The console: of the demo, or for those who have a password for it.
fn console(config: &Config, demo: bool) -> Option<Console> {
    if demo {
        return Some(Console::new(config.agents.iter().map(seat).collect()));
    }
    let keys = config.agents.iter();
    let keys = keys.filter_map(|entry| Some((seat(entry), entry.console_password.clone()?)));
    let keys: Vec<_> = keys.collect();
    (!keys.is_empty()).then(|| Console::locked(keys))
}

fn seat(entry: &AgentEntry) -> Seat {
    Seat {
        user: entry.name.to_lowercase(),
        name: entry.name.clone(),
        title: match entry.roles.iter().max() {
            Some(Role::Lead | Role::Admin) => "lead".to_owned(),
            Some(Role::Viewer) => "viewer".to_owned(),
            Some(Role::Agent | Role::Approver) | None => "agent".to_owned(),
        },
    }
}
