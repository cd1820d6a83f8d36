//! LinkedIn, for the page of an organisation (Community Management API).
//!
//! A sweep reads the page's notifications: comments, their edits and deletions, and posts that name the
//! organisation (see `feed`); a webhook tells of the same at once (`receive`). Replies are comments, looked up
//! among the organisation's own where their end is not known (`publish`): the class is [`Class::Lookup`].
//!
//! A comment's id is its full URN, an author's that of the member; LinkedIn tells an application neither
//! their name nor their reach.
//!
//! Made from LinkedIn's documentation, and played against a server made after it; not yet run against
//! LinkedIn, which lets in only approved applications. Not in the documentation that could be read: whether
//! the limit of a comment (1250) counts characters or units of UTF-16; how a used up day is told is known from
//! what others wrote down.
//!
//! Not possible: private messages (there is no interface for organisations), searching for words.

mod call;
mod feed;
mod publish;
mod receive;
mod translate;
mod urn;
mod wire;

use crate::adapter::api::Api;
use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Desk, Door, Grant, Start};
use crate::adapter::push::{self, Gate};
use crate::adapter::stored::Stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Instant, NativeId, Reply, SourceName};
use crate::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target, Vault,
};
use async_trait::async_trait;
use call::Way;
use hmac::Hmac;
use sha2::Sha256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The most characters of a comment.
const MOST: usize = 1250;

/// What `hearback connect` asks for.
const SCOPES: &[&str] = &[
    "r_organization_social_feed",
    "w_organization_social_feed",
    "rw_organization_admin",
];

/// One organisation's page.
pub struct LinkedIn {
    source: SourceName,
    way: Way,
    organization: String,
    secret: Option<Hmac<Sha256>>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    watch: Watch,
    troubles: Troubles,
    /// What was heard of each comment in this run: the moment of the newest notification.
    stored: Stored<i64>,
    /// Since when a comment cannot be read that a notification told of.
    tried: Mutex<HashMap<String, Instant>>,
    gate: Gate,
}

impl std::fmt::Debug for LinkedIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkedIn")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl LinkedIn {
    /// The page as configured. Asks nothing yet.
    ///
    /// # Errors
    /// An address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::LinkedIn,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
        vault: Arc<dyn Vault>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let api = Api::new(
            config.url.clone(),
            &source,
            reply_timeout,
            clock.clone(),
            call::spoken,
        )?
        .waiting(call::waits);
        let desk = config.client_id.clone().map(|client_id| Desk {
            token_url: config.token_url.clone(),
            client_secret: config.client_secret.clone(),
            basic: false,
            client_id,
        });
        let start = Start {
            access: config.access_token.clone(),
            refresh: config.refresh_token.clone(),
        };
        let grant = Grant::new(desk, start, &source, vault, clock.clone())?;
        Ok(Self {
            way: Way::new(api, grant, config.version.clone()),
            gate: Gate::new(&source),
            source,
            organization: config.organization.clone(),
            secret: config.client_secret.as_ref().map(push::mac).transpose()?,
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
            tried: Mutex::default(),
        })
    }

    fn tried(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn may_read(&self) -> Finding {
        let organisation = urn::encoded(&self.organization);
        let query =
            format!("q=criteria&actions=List(COMMENT)&organizationalEntity={organisation}&start=0&count=1");
        let asking = self
            .way
            .get::<wire::Page>("/rest/organizationalEntityNotifications", &query);
        match asking.await {
            Ok(_) => Finding::well(format!("the notifications of {} can be read", self.organization)),
            Err(error) => Finding::wrong(
                format!(
                    "the notifications of {} cannot be read ({error})",
                    self.organization
                ),
                "Check organization, version and the token; it needs r_organization_social_feed and \
                 rw_organization_admin, of a member who administers the page.",
            ),
        }
    }
}

#[async_trait]
impl SocialPlatform for LinkedIn {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: false,
            label: "LinkedIn".to_owned(),
            account: Some(NativeId::new(&self.organization)),
        }
    }

    fn compose(&self, text: &str, _: &str, audience: Audience) -> Composed {
        let refusal = match audience {
            Audience::Public => None,
            Audience::Private => Some(
                "LinkedIn has no private messages for organisations. Answer in public, and name a way to reach us."
                    .to_owned(),
            ),
        };
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: MOST,
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
impl Connector for LinkedIn {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.way.meter())
    }

    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        self.secret.is_some().then(|| receive::routes(self, inbound))
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.listen(inbound).await?;
        self.explore(inbound).await
    }

    /// <https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow>
    fn entrance(&self) -> Option<(Door, &Grant)> {
        let grant = Some(self.way.grant()).filter(|grant| !grant.client_id().is_empty())?;
        let door = Door {
            authorise_url: url::Url::parse("https://www.linkedin.com/oauth/v2/authorization").ok()?,
            scopes: SCOPES,
            extra: &[],
        };
        Some((door, grant))
    }

    async fn examine(&self) -> Vec<Finding> {
        let mut findings = vec![self.may_read().await];
        findings.push(Finding::well(
            "whether the page may comment shows with the first reply: nothing is posted to try it",
        ));
        if self.secret.is_none() {
            findings.push(Finding::well(
                "no webhook is taken: it wants client_secret; the sweep hears everything, later",
            ));
        }
        if let Some(quota) = self.way.meter().last() {
            findings.push(Finding::well(format!(
                "{} of {} calls are left for now",
                quota.left, quota.limit
            )));
        }
        findings.push(Finding::clocks(self.way.date().await, self.clock.now()));
        findings
    }
}
