//! TikTok, for a business account (API for Business v1.3).
//!
//! A sweep reads the comments below the account's newest videos and the answers to them (see `feed`); a
//! webhook tells of each at once (`receive`). Replies are answers to comments (`publish`).
//!
//! Made from what others quote of TikTok's documentation, which cannot be read without an account, and played
//! against a server made after it; not yet run against TikTok, which lets in only approved applications.
//! Therefore the class is [`Class::None`], though answers can be listed: TikTok hides what it takes for spam,
//! and whether its list shows that is not known. A person looks then. Not known for certain either: whether
//! the 150 of a reply are characters, and the codes of failures beside those for tokens and quotas.
//!
//! Not used: private messages, which only some countries have, and mentions in others' videos. Comments
//! cannot be edited there.

mod call;
mod feed;
mod publish;
mod receive;
mod wire;

use crate::adapter::api::Api;
use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Desk, Grant, Start};
use crate::adapter::push::{self, Gate};
use crate::adapter::stored::Stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
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

/// The most characters of a reply.
const MOST: usize = 150;

/// One account.
pub struct TikTok {
    source: SourceName,
    way: Way,
    business: String,
    secret: Option<Hmac<Sha256>>,
    videos: usize,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    watch: Watch,
    troubles: Troubles,
    /// Comments that were stored in this run.
    stored: Stored,
    /// How many answers a comment had.
    counted: Stored<i64>,
    /// Where people see a video.
    addresses: Mutex<HashMap<String, String>>,
    gate: Gate,
}

impl std::fmt::Debug for TikTok {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TikTok")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl TikTok {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::TikTok,
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
        )?;
        let token_url = api.at(&["open_api", "v1.3", "tt_user", "oauth2", "refresh_token", ""]);
        let desk = config.client_id.clone().map(|client_id| Desk {
            token_url,
            client_secret: config.client_secret.clone(),
            basic: false,
            client_id,
        });
        let start = Start {
            access: config.access_token.clone(),
            refresh: config.refresh_token.clone(),
        };
        let grant = Grant::new(desk, start, &source, vault, clock.clone())?.wrapped();
        Ok(Self {
            way: Way::new(api, grant, config.business_id.clone()),
            gate: Gate::new(&source),
            source,
            business: config.business_id.clone(),
            secret: config.client_secret.as_ref().map(push::mac).transpose()?,
            videos: config.videos,
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
            counted: Stored::default(),
            addresses: Mutex::default(),
        })
    }

    fn addresses(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SocialPlatform for TikTok {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::None,
            private: false,
            label: "TikTok".to_owned(),
            account: Some(NativeId::new(&self.business)),
        }
    }

    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        let refusal = match audience {
            Audience::Public => None,
            Audience::Private => Some(format!(
                "Hearback writes no private messages on TikTok. Open https://www.tiktok.com/@{author_handle} and \
                 write one there with our account, or answer in public."
            )),
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

    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        Err(PortError::Unknown(
            "TikTok cannot be asked for it; a person has to look".to_owned(),
        ))
    }

    /// A comment has no address of its own.
    async fn visit(&self, _: &Reply, _: &str) -> Result<Option<Published>, PortError> {
        Ok(None)
    }
}

#[async_trait]
impl Connector for TikTok {
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

    async fn examine(&self) -> Vec<Finding> {
        let query = [("fields", "[\"item_id\"]"), ("max_count", "1")];
        let asking = self
            .way
            .get::<wire::Videos>(&["business", "video", "list"], &query);
        let mut findings = vec![match asking.await {
            Ok(_) => Finding::well(format!("the videos of the account {} can be read", self.business)),
            Err(error) => Finding::wrong(
                format!(
                    "the videos of the account {} cannot be read ({error})",
                    self.business
                ),
                "Check business_id and the token; the account has to authorise the application.",
            ),
        }];
        findings.push(Finding::well(
            "whether the account may comment shows with the first reply: nothing is posted to try it",
        ));
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
