//! Discourse: the posts of a forum that our account may see. Written from its documentation
//! (<https://docs.discourse.org>) and its source; never run against a forum.
//!
//! A sweep reads all posts, private messages and searches (see `feed`); with `webhook_secret`, posts are pushed as
//! well (see `receive`). What others write to each other in private is not heard, also where the account is one of
//! an administrator, who is shown it. A reply is a post in answer to the customer's, a private one a message of its
//! own; an uncertain end is looked for among our own posts: the class is [`Class::Lookup`].

mod api;
mod examine;
mod feed;
mod publish;
mod receive;
mod target;
mod translate;
mod wire;

use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::push::{self, Gate};
use crate::adapter::stored::Stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use api::{Api, Failed};
use async_trait::async_trait;
use hmac::Hmac;
use sha2::Sha256;
use std::collections::HashSet;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::{Profile, Settings};

/// What is known of the forum and of us there.
#[derive(Debug)]
struct Known {
    /// Our account's id.
    id: i64,
    /// Whether it is shown what others write to each other, too.
    admin: bool,
    /// The names of the groups that it is in.
    groups: Vec<String>,
    settings: Settings,
}

impl Known {
    fn account(&self) -> NativeId {
        NativeId::new(self.id.to_string())
    }
}

/// One account on a forum.
pub struct Discourse {
    source: SourceName,
    api: Api,
    /// What webhooks are signed with.
    hook: Option<Hmac<Sha256>>,
    search: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    known: RwLock<Option<Arc<Known>>>,
    watch: Watch,
    troubles: Troubles,
    stored: Stored,
    /// Private topics that we take part in.
    parties: Mutex<HashSet<i64>>,
    /// Whether a page of a list was seen that is filled with posts (see `feed`).
    filled: AtomicBool,
    gate: Gate,
}

impl std::fmt::Debug for Discourse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discourse")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Discourse {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, the secret cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::Discourse,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let key = (config.api_key.clone(), config.api_username.clone());
        Ok(Self {
            api: Api::new(config.url.clone(), &source, key, reply_timeout, clock.clone())?,
            hook: config.webhook_secret.as_ref().map(push::mac).transpose()?,
            gate: Gate::new(&source),
            source,
            search: config.search.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            known: RwLock::new(None),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
            parties: Mutex::default(),
            filled: AtomicBool::new(false),
        })
    }

    /// What is known of the forum; asked for once.
    async fn known(&self) -> Result<Arc<Known>, Failed> {
        if let Some(known) = self.known_already() {
            return Ok(known);
        }
        let at = format!("{}.json", self.api.username());
        let profile: Profile = self.api.get(&["u", &at], &[]).await?;
        let settings: Result<Settings, Failed> = self.api.get(&["site", "settings.json"], &[]).await;
        let groups = profile.user.groups.into_iter();
        let known = Arc::new(Known {
            id: profile.user.id,
            admin: profile.user.admin,
            groups: groups.map(|group| group.name).collect(),
            settings: match settings {
                Ok(settings) => settings,
                Err(error @ (Failed::Limited(_) | Failed::Unreached(_))) => return Err(error),
                // Some forums show them to nobody.
                Err(Failed::Status { .. } | Failed::Broken(_)) => Settings::default(),
            },
        });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    fn known_already(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SocialPlatform for Discourse {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: true,
            label: "Discourse".to_owned(),
            account: self.known_already().map(|known| known.account()),
        }
    }

    /// The text as it is, in which the forum reads Markdown. Forums want a least length, too.
    fn compose(&self, text: &str, _author_handle: &str, audience: Audience) -> Composed {
        let settings = self.known_already().map(|known| known.settings.clone());
        let settings = settings.unwrap_or_default();
        let length = text.trim().chars().count();
        let least = match audience {
            Audience::Public => settings.min_post_length,
            Audience::Private => settings.min_personal_message_post_length,
        };
        // A single character is how it is asked whether anything can be answered at all.
        let refusal = (length < least && length > 1).then(|| {
            format!("The forum takes no post of fewer than {least} characters, and this one has {length}. Say a little more.")
        });
        Composed {
            text: text.to_owned(),
            length,
            limit: settings.max_post_length,
            unit: "characters",
            refusal,
        }
    }

    async fn target(&self, reply: &Reply, ours: &[NativeId]) -> Result<Target, PortError> {
        self.before_sending(reply, ours).await
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        self.send(reply, permit).await
    }

    async fn find(&self, reply: &Reply, canary: Option<&NativeId>) -> Result<Look, PortError> {
        self.look(reply, canary).await
    }

    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        self.at(reply, address).await.map(Some)
    }
}

#[async_trait]
impl Connector for Discourse {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.api.meter())
    }

    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        self.hook
            .is_some()
            .then(|| receive::routes(self.clone(), inbound))
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.posts(inbound).await?;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
