//! Slack: threads, buttons, windows, slash commands and mentions.
//!
//! slack-morphism carries the models: Block Kit, windows, the requests that send them. The transport
//! is our own, for reasons told where it stands: the Web API in `api`, Socket Mode in `socket`, the
//! signed endpoints in `http`, the reading of payloads in `translate`. `hear` leads what comes in,
//! `mirror` what goes out, `picture` the files among it, `find` and `mend` what stands there already, `render` makes messages, `people` knows who somebody is.

mod api;
mod emoji;
mod escape;
mod examine;
mod find;
mod hear;
mod http;
mod manifest;
mod mend;
mod mirror;
mod modal;
mod pace;
mod people;
mod picture;
mod render;
mod socket;
mod translate;

pub use manifest::manifest;
pub use pace::Limits;
pub use socket::Timing;

use crate::adapter::attempts::Attempts;
use crate::adapter::link::Link;
use crate::adapter::supervise::{Lost, supervise};
use crate::app::Inbound;
use crate::config;
use crate::domain::{ChatName, Clock, MessageId};
use crate::port::{
    ChatPlatform, EditMessage, FindTraces, OpenThread, Opened, PortError, PostMessage, ShowPicture, Withdraw,
};
use anyhow::Context as _;
use api::Api;
use async_trait::async_trait;
use axum::Router;
use find::Sweeps;
use hear::Told;
use http::Doubts;
use pace::Pace;
use people::People;
use secrecy::SecretString;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The most payloads that are worked on at once; more are refused visibly or sent again by Slack.
const MOST_WORK: usize = 256;
/// How long work that was begun may still take when we stop.
const LAST_WORK: Duration = Duration::from_secs(3);

/// Who our token is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Me {
    user: String,
    bot: Option<String>,
    team: String,
}

/// One Slack workspace.
pub struct Slack {
    name: ChatName,
    api: Api,
    bot_token: SecretString,
    app_token: Option<SecretString>,
    signing_secret: Option<SecretString>,
    channel: String,
    /// Tells our messages from those of another Hearback in the same workspace.
    installation: String,
    groups: Vec<String>,
    clock: Arc<dyn Clock>,
    timing: Timing,
    posts: Pace,
    edits: Pace,
    attempts: Attempts,
    sweeps: Sweeps,
    people: People,
    me: Mutex<Option<Me>>,
    api_link: Link,
    sockets: [Link; 2],
    told: Told,
    doubts: Doubts,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    stopping: CancellationToken,
    /// Makes block ids differ.
    serial: AtomicU64,
    /// Whether it was said that earlier messages cannot be looked for.
    cannot_look: AtomicBool,
}

impl Slack {
    /// A workspace as configured. `installation` names this Hearback, the same after a restart.
    /// Asks nothing of the network.
    ///
    /// # Errors
    /// The TLS roots of the system cannot be read.
    pub fn new(config: &config::Slack, clock: Arc<dyn Clock>, installation: &str) -> anyhow::Result<Self> {
        let limits = Limits::default();
        Ok(Self {
            name: ChatName::new("slack"),
            api: Api::new(&config.api_url, Arc::clone(&clock))
                .context("[slack]: the TLS roots of the system cannot be read")?,
            bot_token: config.bot_token.clone(),
            app_token: config.app_token.clone(),
            signing_secret: config.signing_secret.clone(),
            channel: config.channel.clone(),
            installation: installation.to_owned(),
            groups: Vec::new(),
            timing: Timing::default(),
            posts: Pace::new(limits.post_every, limits.post_burst),
            edits: Pace::new(limits.edit_every, limits.edit_burst),
            attempts: Attempts::new(clock.now()),
            sweeps: Sweeps::default(),
            people: People::default(),
            me: Mutex::default(),
            api_link: Link::new("slack:api"),
            sockets: [Link::new("slack:socket-1"), Link::new("slack:socket-2")],
            told: Told::default(),
            doubts: Doubts::default(),
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(MOST_WORK)),
            stopping: CancellationToken::new(),
            serial: AtomicU64::new(0),
            cannot_look: AtomicBool::new(false),
            clock,
        })
    }

    /// The user groups that give somebody a role: only these are asked for.
    #[must_use]
    pub fn with_groups(mut self, groups: Vec<String>) -> Self {
        self.groups = groups;
        self
    }

    /// Other limits than Slack's documented ones.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.posts = Pace::new(limits.post_every, limits.post_burst);
        self.edits = Pace::new(limits.edit_every, limits.edit_burst);
        self
    }

    /// Other times than the usual ones.
    #[must_use]
    pub fn with_timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self.api.set_limit(timing.call);
        self
    }

    /// The connections: the API, and in Socket Mode the two sockets.
    #[must_use]
    pub fn links(&self) -> Vec<Link> {
        let mut links = vec![self.api_link.clone()];
        if self.app_token.is_some() {
            links.extend(self.sockets.iter().cloned());
        }
        links
    }

    /// `POST /slack/events`, `/slack/commands`, `/slack/interactions`; 404 without a signing secret.
    pub fn routes(self: Arc<Self>, inbound: Inbound) -> Router {
        http::routes(self, inbound)
    }

    /// Listens until `stop`: in Socket Mode by two connections; in HTTP mode it only asks now and
    /// then whether the token still works. Work that was begun is finished, for at most three seconds.
    pub async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let end = CancellationToken::new();
        let connections = TaskTracker::new();
        let slack = Arc::clone(&self);
        let link = self.api_link.clone();
        connections.spawn(supervise(link, stop.clone(), async move || {
            slack.keep_known().await
        }));
        for link in self.app_token.iter().flat_map(|_| &self.sockets) {
            let (slack, inbound, link, stop) =
                (Arc::clone(&self), inbound.clone(), link.clone(), stop.clone());
            connections.spawn(supervise(link.clone(), end.clone(), async move || {
                match &slack.app_token {
                    Some(token) => socket::connect(&slack, token, &inbound, &link, &stop).await,
                    None => Ok(()),
                }
            }));
        }
        connections.close();
        stop.cancelled().await;
        self.stopping.cancel();
        self.tasks.close();
        if tokio::time::timeout(LAST_WORK, self.tasks.wait()).await.is_err() {
            tracing::warn!("Work on what Slack sent was not finished in time; Slack sends mentions again.");
        }
        end.cancel();
        connections.wait().await;
    }

    /// Asks who we are, now and then; ends when that fails.
    async fn keep_known(&self) -> Result<(), Lost> {
        loop {
            let answer = self
                .api
                .post(&self.bot_token, "auth.test", &serde_json::json!({}))
                .await;
            let answer = answer.map_err(Lost::from)?;
            if let (Some(user), Some(team)) = (answer.text("/user_id"), answer.text("/team_id")) {
                *self.me.lock().unwrap_or_else(PoisonError::into_inner) = Some(Me {
                    user: user.to_owned(),
                    bot: answer.text("/bot_id").map(str::to_owned),
                    team: team.to_owned(),
                });
            }
            self.api_link.up();
            tokio::time::sleep(self.timing.check).await;
        }
    }

    fn me(&self) -> Option<Me> {
        self.me.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn bot_user(&self) -> Option<String> {
        self.me().map(|me| me.user)
    }

    fn home(&self) -> Option<String> {
        self.me().map(|me| me.team)
    }
}

#[async_trait]
impl ChatPlatform for Slack {
    fn name(&self) -> &ChatName {
        &self.name
    }

    async fn open_thread(&self, order: &OpenThread) -> Result<Opened, PortError> {
        self.open(order).await
    }

    async fn post(&self, order: &PostMessage) -> Result<MessageId, PortError> {
        self.say(order).await
    }

    async fn edit(&self, order: &EditMessage) -> Result<(), PortError> {
        self.change(order).await
    }

    fn takes_pictures(&self) -> bool {
        true
    }

    async fn show_picture(&self, order: &ShowPicture) -> Result<MessageId, PortError> {
        self.show(order).await
    }

    async fn traces(&self, order: &FindTraces) -> Result<Vec<Opened>, PortError> {
        self.find_traces(order).await
    }

    async fn withdraw(&self, order: &Withdraw) -> Result<(), PortError> {
        self.take_away(order).await
    }
}
