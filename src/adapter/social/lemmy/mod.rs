//! Lemmy, and what speaks version 3 of its API. Written from its documentation (<https://join-lemmy.org/api/v3>) and
//! its source; never run against a server.
//!
//! A sweep reads mentions, replies, private messages and searches (see `feed`). A reply is a comment, a private one
//! a message; an uncertain end is looked for among our own: the class is [`Class::Lookup`]. Servers are at version
//! 0.19, whose API this is. Version 1 serves a part of it, without mentions, replies and private messages
//! (`crates/api/routes_v3` there): `doctor` says so.

mod api;
mod feed;
mod publish;
mod translate;
mod wire;

use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
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
use reqwest::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use wire::Site;

/// The most characters of a comment or a message (`is_valid_body_field` in the source).
const LIMIT: usize = 10_000;
/// The code of no language.
const UNDETERMINED: &str = "und";

/// What is known of the server and of us there.
#[derive(Debug)]
struct Known {
    /// Our account's id.
    id: i64,
    /// The server's version.
    version: String,
    /// The codes of its languages.
    languages: HashMap<i64, String>,
}

impl Known {
    fn account(&self) -> NativeId {
        NativeId::new(self.id.to_string())
    }

    fn language(&self, id: i64) -> Option<String> {
        self.languages
            .get(&id)
            .filter(|code| *code != UNDETERMINED)
            .cloned()
    }
}

/// One account on a server.
pub struct Lemmy {
    source: SourceName,
    api: Api,
    search: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    known: RwLock<Option<Arc<Known>>>,
    watch: Watch,
    troubles: Troubles,
    stored: Stored,
}

impl std::fmt::Debug for Lemmy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lemmy")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Lemmy {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Lemmy,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let secret = (config.username.clone(), config.password.clone());
        let mut base = config.url.clone();
        // The API stands at the root, also where somebody copied the address of their page.
        base.set_path("");
        Ok(Self {
            api: Api::new(base, &source, secret, reply_timeout, clock.clone())?,
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
        })
    }

    /// What is known of the server; asked for once.
    async fn known(&self) -> Result<Arc<Known>, Failed> {
        if let Some(known) = self.known_already() {
            return Ok(known);
        }
        let site: Site = self.api.get(&["site"], &[]).await?;
        let nobody = || Failed::Status {
            status: StatusCode::UNAUTHORIZED,
            told: Some("the server does not know who is signed in".to_owned()),
        };
        let languages = site.all_languages.into_iter();
        let known = Arc::new(Known {
            version: site.version,
            id: site.my_user.ok_or_else(nobody)?.local_user_view.person.id,
            languages: languages.map(|language| (language.id, language.code)).collect(),
        });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    fn known_already(&self) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SocialPlatform for Lemmy {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: true,
            label: "Lemmy".to_owned(),
            account: self.known_already().map(|known| known.account()),
        }
    }

    /// The text as it is, in which servers read Markdown.
    fn compose(&self, text: &str, _author_handle: &str, _audience: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: LIMIT,
            unit: "characters",
            refusal: None,
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
        self.at(reply, address).await
    }
}

#[async_trait]
impl Connector for Lemmy {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.inbox(inbound).await?;
        self.explore(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        let known = match self.known().await {
            Ok(known) => known,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("nobody could sign in: {error}"),
                    "Check url, username and password; an account with a second factor cannot be used so.",
                )];
            }
        };
        let mut findings = vec![Finding::well(format!(
            "the account is @{} (number {})",
            self.api.username(),
            known.id
        ))];
        let query = [("sort", "New"), ("limit", "1")];
        let asking = self.api.get::<wire::Page>(&["user", "mention"], &query).await;
        findings.push(match asking {
            Ok(_) => Finding::well("mentions can be read"),
            Err(error) if known.version.starts_with(|c: char| ('1'..='9').contains(&c)) => Finding::wrong(
                format!("the server (version {}) does not tell of mentions ({error})", known.version),
                "Hearback speaks version 3 of the API, whole as in Lemmy 0.19; a server of version 1 has only a part \
                 of it. Use an account on a server of version 0.19.",
            ),
            Err(error) => Finding::wrong(
                format!("mentions cannot be read ({error})"),
                "Try again later; if it stays, ask the server's administrators.",
            ),
        });
        findings.push(Finding::clocks(self.api.date().await, self.clock.now()));
        findings
    }
}
