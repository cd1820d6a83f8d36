//! Discord: threads in a text channel or posts in a forum, slash commands, buttons, modals and menus.
//!
//! serenity gives the builders (embeds, components, commands). Its HTTP client and its gateway are
//! not used: why stands in `rest` and `gateway`. Interactions come over the gateway, or, with a
//! public key configured, over the signed HTTP endpoint: Discord sends them to exactly one of both.
//! Every call that carries text says who may be pinged: nobody, or exactly the people named.

mod answer;
mod budget;
mod commands;
mod doctor;
mod endpoint;
mod escape;
mod find;
mod gateway;
mod mend;
mod render;
mod rest;
mod snowflake;
mod threads;
mod translate;
mod words;

pub use commands::commands;
pub use doctor::invite;

use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::supervise::supervise;
use crate::app::Inbound;
use crate::config;
use crate::domain::{ChatName, Clock, MessageId};
use crate::port::{
    ChatPlatform, EditMessage, FindTraces, OpenThread, Opened, PortError, PostMessage, ShowPicture, Withdraw,
};
use answer::Answers;
use async_trait::async_trait;
use ed25519_dalek::VerifyingKey;
use endpoint::Endpoint;
use gateway::Gateway;
use reqwest::Method;
use rest::{Failure, Rest, Route};
use std::sync::Arc;
use std::time::Duration;
use threads::Threads;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long answers under way are waited for when we stop.
const FAREWELL: Duration = Duration::from_secs(3);
/// The most commands that are worked on at once; more are refused visibly.
const MOST_WORK: usize = 256;
/// The most tasks for interactions, answers under way among them; more are not even refused.
const MOST_TASKS: usize = 4 * MOST_WORK;
/// Here: the application was not invited with its commands.
const MISSING_ACCESS: u64 = 50001;
/// The longest pause between attempts to register the commands.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Discord, as a chat of the team.
pub struct Discord {
    name: ChatName,
    config: config::Discord,
    clock: Arc<dyn Clock>,
    key: Option<VerifyingKey>,
    rest: Arc<Rest>,
    threads: Threads,
    tasks: TaskTracker,
    /// The room for commands that are worked on.
    room: Arc<Semaphore>,
    api: Link,
    gateway: Link,
}

impl Discord {
    /// Sets up; makes no call. `installation` tells this Hearback from others in the same channels.
    ///
    /// # Errors
    /// The public key or the ids in the configuration cannot be read.
    pub fn new(config: &config::Discord, clock: Arc<dyn Clock>, installation: &str) -> anyhow::Result<Self> {
        for (name, id) in [("guild", &config.guild), ("channel", &config.channel)] {
            anyhow::ensure!(
                id.parse::<u64>().is_ok(),
                "[discord] {name} must be a number like \"1100000000000000000\", not {id:?}: switch on Discord's \
                 developer mode and choose Copy ID"
            );
        }
        let key = config.public_key.as_deref().map(endpoint::key).transpose()?;
        let api = Link::new("discord:api");
        let rest = Rest::new(
            &config.api_url,
            config.token.clone(),
            Arc::clone(&clock),
            api.clone(),
        )?;
        let rest = Arc::new(rest);
        Ok(Self {
            name: ChatName::from("discord"),
            config: config.clone(),
            key,
            threads: Threads::new(Arc::clone(&rest), &config.guild, installation, Arc::clone(&clock)),
            rest,
            clock,
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(MOST_WORK)),
            api,
            gateway: Link::new("discord:gateway"),
        })
    }

    /// Registers the commands and listens, until `stop`. With a public key Discord sends interactions
    /// to the HTTP endpoint, and there is nothing to listen to.
    pub async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let registering = stop.run_until_cancelled(self.register());
        let listening = async {
            if self.key.is_none() {
                self.listen(inbound, stop.clone()).await;
            }
        };
        tokio::join!(registering, listening);
        stop.cancelled().await;
        self.tasks.close();
        if tokio::time::timeout(FAREWELL, self.tasks.wait()).await.is_err() {
            tracing::warn!("Some answers to Discord were still under way.");
        }
    }

    async fn listen(&self, inbound: Inbound, stop: CancellationToken) {
        let answers = self.answers();
        let gateway = Gateway::new(
            Arc::clone(&self.rest),
            self.config.token.clone(),
            self.config.api_url.clone(),
            self.gateway.clone(),
        );
        // The session outlives its connections, to be resumed; each connection borrows it.
        let gateway = Arc::new(tokio::sync::Mutex::new(gateway));
        let tasks = self.tasks.clone();
        supervise(self.gateway.clone(), stop, move || {
            let (gateway, answers, inbound) = (Arc::clone(&gateway), answers.clone(), inbound.clone());
            let tasks = tasks.clone();
            async move {
                let heard = |raw: &str| {
                    if tasks.len() >= MOST_TASKS {
                        // Discord tells the person that nobody answered.
                        return tracing::warn!(
                            "Too many interactions are under way; one is left unanswered."
                        );
                    }
                    let (answers, inbound, raw) = (answers.clone(), inbound.clone(), raw.to_owned());
                    tasks.spawn(async move { answers.by_callback(&raw, &inbound).await });
                };
                gateway.lock().await.listen(heard).await
            }
        })
        .await;
    }

    /// Overwrites the guild's commands, once a start, until it works. Without them buttons still do.
    async fn register(&self) {
        let mut pause = Duration::from_secs(1);
        let mut said = String::new();
        loop {
            let wait = match self.try_register().await {
                Ok(()) => return tracing::info!("The commands are registered with Discord."),
                Err(Failure::Limited(wait)) => wait,
                Err(failure) => {
                    let reason = why_unregistered(failure);
                    if reason != said {
                        tracing::warn!(
                            reason,
                            "The commands are not registered with Discord; it is tried on."
                        );
                        said = reason;
                    }
                    pause
                }
            };
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_register(&self) -> Result<(), Failure> {
        let me = self.rest.get(Route::plain("/applications/@me")).await?;
        let application = me["id"]
            .as_str()
            .and_then(|id| id.parse::<u64>().ok())
            .ok_or_else(|| Failure::Unknown("the API does not tell the application's id".to_owned()))?;
        let route = Route::plain(format!(
            "/applications/{application}/guilds/{}/commands",
            self.config.guild
        ));
        self.rest
            .call(Method::PUT, route, Some(&commands()))
            .await
            .map(drop)
    }

    /// `POST /discord/interactions`. Answers 404 without a public key.
    pub fn routes(self: Arc<Self>, inbound: Inbound) -> axum::Router {
        endpoint::routes(Endpoint {
            key: self.key,
            clock: Arc::clone(&self.clock),
            answers: self.answers(),
            inbound,
        })
    }

    /// The connections: the API, and the gateway where it is used.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let mut links = vec![self.api.clone()];
        if self.key.is_none() {
            links.push(self.gateway.clone());
        }
        links
    }

    /// Looks at everything that must be right: token, server, the configured channel and `more` of
    /// them, permissions, clock.
    pub async fn examine(&self, more: &[String]) -> Vec<Finding> {
        doctor::examine(&self.rest, &self.config, more, self.clock.as_ref()).await
    }

    fn answers(&self) -> Answers {
        Answers {
            rest: Arc::clone(&self.rest),
            guild: self.config.guild.clone(),
            tasks: self.tasks.clone(),
            room: Arc::clone(&self.room),
        }
    }
}

fn why_unregistered(failure: Failure) -> String {
    if failure.code() == Some(MISSING_ACCESS) {
        return "invite the bot again with the scope applications.commands (`hearback manifest discord` prints the \
                address), and check [discord] guild"
            .to_owned();
    }
    failure.port("register the commands").to_string()
}

#[async_trait]
impl ChatPlatform for Discord {
    fn name(&self) -> &ChatName {
        &self.name
    }

    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        self.threads.open(order).await
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        self.threads.post(order).await
    }

    async fn edit(&self, order: &EditMessage) -> Result<(), PortError> {
        self.threads.edit(order).await
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    async fn show_picture(&self, order: &ShowPicture) -> Result<MessageId, PortError> {
        self.threads.show(order).await
    }

    async fn traces(&self, order: &FindTraces) -> Result<Vec<Opened>, PortError> {
        self.threads.traces(order).await
    }

    async fn withdraw(&self, order: &Withdraw) -> Result<(), PortError> {
        self.threads.withdraw(order).await
    }
}
