//! GitHub: the issues and discussions of repositories, and what is commented there. Written from its documentation
//! (<https://docs.github.com/en/rest>, <https://docs.github.com/en/graphql>); never run against GitHub itself.
//!
//! A sweep reads issues, comments and searches (see `feed`); with `webhook_secret`, they are pushed as well (see
//! `receive`). A reply is a comment that names whom it answers; an uncertain end is looked for among our own
//! comments on the issue: the class is [`Class::Lookup`]. What owners, members and collaborators of a repository
//! write is the house's own, and no case; nor are pull requests, or what programs write.
//!
//! Discussions are read and answered by GraphQL (see `graph`, `talk`, `respond`), where they are asked for.

mod again;
mod api;
mod feed;
mod graph;
mod publish;
mod receive;
mod respond;
mod talk;
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
use crate::domain::{Audience, Clock, Instant, NativeId, Post, PostKind, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use api::{Api, Failed};
use async_trait::async_trait;
use hmac::Hmac;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::User;

/// The most characters of a comment.
const LIMIT: usize = 65_536;
/// Why no private message is written.
const NO_MESSAGES: &str = "GitHub has no private messages";

/// One account, and the repositories that it answers in.
pub struct GitHub {
    source: SourceName,
    api: Api,
    /// What webhooks are signed with.
    hook: Option<Hmac<Sha256>>,
    repositories: Vec<String>,
    /// The repositories whose discussions are heard.
    talks: Vec<String>,
    search: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    known: RwLock<Option<(NativeId, String)>>,
    watch: Watch,
    troubles: Troubles,
    stored: Stored,
    gate: Gate,
    /// When the discussions were stirred last that were read in this run.
    read: Mutex<HashMap<NativeId, Instant>>,
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitHub")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl GitHub {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, the secret cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::GitHub,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let token = config.token.clone();
        Ok(Self {
            api: Api::new(config.url.clone(), &source, token, reply_timeout, clock.clone())?,
            hook: config.webhook_secret.as_ref().map(push::mac).transpose()?,
            gate: Gate::new(&source),
            source,
            repositories: config.repositories.clone(),
            talks: config.discussions.clone(),
            search: config.search.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            known: RwLock::new(None),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
            read: Mutex::default(),
        })
    }

    /// Our account's id; asked for once.
    async fn me(&self) -> Result<NativeId, Failed> {
        if let Some(me) = self.me_already() {
            return Ok(me);
        }
        let user: User = self.api.get(&["user"], &[]).await?;
        let me = translate::account(&user);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some((me.clone(), user.login));
        Ok(me)
    }

    fn me_already(&self) -> Option<NativeId> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.as_ref().map(|(me, _)| me.clone())
    }

    /// A post as what it is to us: one that names us is written to us.
    fn addressed(&self, post: Post) -> Post {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let ours = |(_, login): &(NativeId, String)| translate::names(&post.text, login);
        match known.as_ref().is_some_and(ours) {
            true => Post {
                kind: PostKind::Mention,
                ..post
            },
            false => post,
        }
    }

    /// Whether the discussions of a repository can be read.
    async fn can_talk(&self, repository: &str) -> Finding {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        let variables = serde_json::json!({"owner": owner, "name": name});
        let asking: Result<graph::InRepository<graph::Discussions>, Failed> =
            self.api.graph(graph::LIST, variables).await;
        match asking {
            Ok(told) if told.repository.is_some() => {
                Finding::well(format!("the discussions of {repository} can be read"))
            }
            Ok(_) => Finding::wrong(
                format!("there is no repository {repository}, or the token may not see it"),
                "Check the name, and the repositories that the token is for.",
            ),
            Err(error) => Finding::wrong(
                format!("the discussions of {repository} cannot be read ({error})"),
                "Give the token the permission Discussions, read and write, for this repository.",
            ),
        }
    }

    /// The repository among these, as the configuration spells it: GitHub minds no capitals.
    fn spelled<'a>(among: &'a [String], repository: &str) -> Option<&'a str> {
        let mut all = among.iter().map(String::as_str);
        all.find(|known| known.eq_ignore_ascii_case(repository))
    }
}

#[async_trait]
impl SocialPlatform for GitHub {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: false,
            label: "GitHub".to_owned(),
            account: self.me_already(),
        }
    }

    /// The text, in which GitHub reads Markdown, with its author named.
    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        let text = if author_handle.is_empty() || translate::names(text, author_handle) {
            text.to_owned()
        } else {
            format!("@{author_handle} {text}")
        };
        let refusal = match audience {
            Audience::Public => None,
            Audience::Private => Some(format!(
                "{NO_MESSAGES}. Ask them in a public answer to write to you by other means, for example by e-mail."
            )),
        };
        Composed {
            length: text.chars().count(),
            limit: LIMIT,
            unit: "characters",
            refusal,
            text,
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
impl Connector for GitHub {
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
        self.issues(inbound).await?;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        let user: User = match self.api.get(&["user"], &[]).await {
            Ok(user) => user,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("the token is of no use: {error}"),
                    "Check url and token; a fine-grained one is made under Settings, Developer settings.",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!("the token is of @{}", user.login))];
        for repository in &self.repositories {
            let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
            let path = ["repos", owner, name, "issues"];
            let asking: Result<Vec<serde_json::Value>, Failed> =
                self.api.get(&path, &[("per_page", "1")]).await;
            findings.push(match asking {
                Ok(_) => Finding::well(format!("the issues of {repository} can be read")),
                Err(error) => Finding::wrong(
                    format!("the issues of {repository} cannot be read ({error})"),
                    "Give the token the permission Issues, read and write, for this repository.",
                ),
            });
        }
        for repository in &self.talks {
            findings.push(self.can_talk(repository).await);
        }
        if let Some(quota) = self.api.meter().last() {
            let told = format!("{} of {} calls are left for now", quota.left, quota.limit);
            findings.push(Finding::well(told));
        }
        findings.push(Finding::clocks(self.api.date().await, self.clock.now()));
        findings
    }
}
