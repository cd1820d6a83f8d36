//! X, which was Twitter, by its API v2.
//!
//! A sweep reads mentions, searches and private messages (see `feed`); a webhook tells of the account's
//! events at once (`receive`), and the filtered stream of what is searched for (`stream`). Replies are posts
//! and private messages, looked up among our own where their end is not known (`publish`): the class is
//! [`Class::Lookup`]. The crates for this API were tried; they take no other base address, or are not kept
//! any more.
//!
//! A post's id is that of its first version: edits have ids of their own. An author's is the number that
//! stays when the handle changes.
//!
//! Made from X's documentation, its description of the API and recorded answers, and played against a server
//! made after them; not yet run against X itself, which is paid by use.
//!
//! Not used: the encrypted chat, and quotes where no webhook tells of them: no list has them. The wait of a
//! limited call that gives no time is the shared one.

mod call;
mod count;
mod examine;
mod feed;
mod price;
mod publish;
mod receive;
mod sign;
mod stream;
mod target;
mod translate;
mod wire;

use crate::adapter::api::Api;
use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::oauth::{Desk, Door, Grant, Start};
use crate::adapter::push::Gate;
use crate::adapter::supervise::{Lost, supervise};
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Post, Reply, SourceName};
use crate::port::{
    Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target, Vault,
};
use async_trait::async_trait;
use call::{Failed, Key, Mark, Way};
use price::{Bill, Paid};
use receive::Secrets;
use secrecy::SecretString;
use sign::Signer;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use translate::Me;
use wire::{One, User};

/// What is asked for of posts, and beside them.
const FIELDS: [(&str, &str); 4] = [
    (
        "tweet.fields",
        "attachments,author_id,conversation_id,created_at,edit_history_tweet_ids,entities,in_reply_to_user_id,lang,\
         note_tweet,public_metrics,referenced_tweets,reply_settings",
    ),
    ("expansions", "author_id,attachments.media_keys"),
    ("user.fields", "username,name,public_metrics"),
    ("media.fields", "url,preview_image_url,alt_text"),
];

/// What `hearback connect` asks for.
const SCOPES: &[&str] = &[
    "tweet.read",
    "tweet.write",
    "users.read",
    "dm.read",
    "dm.write",
    "offline.access",
];

/// One account.
pub struct X {
    source: SourceName,
    way: Way,
    search: Vec<String>,
    direct_messages: bool,
    summoned_only: bool,
    bearer: Option<SecretString>,
    secrets: Option<Secrets>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    streaming: Link,
    watch: Watch,
    troubles: Troubles,
    /// Who we are, and under which credentials that was told.
    me: RwLock<Option<(Mark, Me)>>,
    /// Versions of posts that were stored in this run.
    stored: Mutex<HashSet<String>>,
    gate: Gate,
    /// Whether the budget was used up at the last look.
    resting: AtomicBool,
}

impl std::fmt::Debug for X {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("X")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl X {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, the credentials cannot be used, or no HTTP client can be made.
    pub fn new(
        config: &config::X,
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
        let key = key(config, &api, &source, vault, &clock)?;
        let money = (Bill::new(&source), config.budget.map(price::budget));
        Ok(Self {
            way: Way::new(api, key, money, clock.clone()),
            gate: Gate::new(&source),
            source,
            search: config.search.clone(),
            direct_messages: config.direct_messages,
            summoned_only: config.summoned_only,
            bearer: config.bearer_token.clone().filter(|_| !config.search.is_empty()),
            secrets: Secrets::new(config.client_secret.as_ref(), config.consumer_secret.as_ref())?,
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            streaming: Link::new(format!("source:{name}:stream")),
            watch: Watch::default(),
            troubles: Troubles::default(),
            me: RwLock::default(),
            stored: Mutex::default(),
            resting: AtomicBool::new(false),
        })
    }

    fn stored(&self) -> MutexGuard<'_, HashSet<String>> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether today's budget is used up; the log hears of it once.
    fn is_spent(&self) -> bool {
        let meter = self.way.meter();
        let spent = meter.is_used_up(self.clock.now());
        if !self.resting.swap(spent, Ordering::Relaxed) && spent {
            tracing::warn!(
                source = %self.source,
                "Today's budget is used up: until midnight UTC nothing is searched for and the filtered stream rests; \
                 mentions are heard and replies go out as before."
            );
        }
        spent
    }

    /// Who we are; asked once for each token: another one may be of another account, if somebody connected that
    /// meanwhile.
    async fn me(&self) -> Result<Me, Failed> {
        let mark = self.way.mark().await?;
        if let Some((_, me)) = self.known_me().filter(|(known, _)| *known == mark) {
            return Ok(me);
        }
        let one: One<User> = self.way.get(&["2", "users", "me"], &[]).await?;
        let user = one.data;
        let user = user.ok_or_else(|| Failed::Broken("the API does not say who we are".to_owned()))?;
        self.way.paid(Paid::User, [user.id.as_str()]);
        let me = Me {
            id: user.id,
            username: user.username,
        };
        // The token may have been renewed for that.
        let mark = self.way.mark().await?;
        *self.me.write().unwrap_or_else(PoisonError::into_inner) = Some((mark, me.clone()));
        Ok(me)
    }

    /// Who we were when it was last told.
    fn known_me(&self) -> Option<(Mark, Me)> {
        self.me.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Under whose name calls are made, as configured.
fn key(
    config: &config::X,
    api: &Api,
    source: &SourceName,
    vault: Arc<dyn Vault>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Key> {
    let signed = (
        &config.consumer_key,
        &config.consumer_secret,
        &config.token,
        &config.token_secret,
    );
    if let (Some(key), Some(secret), Some(token), Some(token_secret)) = signed {
        let signer = Signer::new((key, secret), (token, token_secret));
        return Ok(Key::Signed(Box::new(signer)));
    }
    // <https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token>: a client with a secret
    // names itself by HTTP Basic.
    let desk = config.client_id.clone().map(|client_id| Desk {
        token_url: api.at(&["2", "oauth2", "token"]),
        basic: config.client_secret.is_some(),
        client_secret: config.client_secret.clone(),
        client_id,
    });
    let start = Start {
        access: config.access_token.clone(),
        refresh: config.refresh_token.clone(),
    };
    Ok(Key::Token(Box::new(Grant::new(
        desk,
        start,
        source,
        vault,
        Arc::clone(clock),
    )?)))
}

#[async_trait]
impl SocialPlatform for X {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: true,
            label: "X".to_owned(),
            account: self.known_me().map(|(_, me)| NativeId::new(me.id)),
        }
    }

    /// The text as it is: X puts the names of those who are answered before it, and does not count them.
    fn compose(&self, text: &str, _: &str, audience: Audience) -> Composed {
        let (length, limit) = match audience {
            Audience::Public => (count::length(text), count::MOST),
            Audience::Private => (text.chars().count(), count::MOST_MESSAGE),
        };
        Composed {
            text: text.to_owned(),
            length,
            limit,
            unit: "characters",
            refusal: None,
        }
    }

    fn closed(&self, post: &Post, audience: Audience) -> Option<String> {
        match audience {
            Audience::Public => self.closed_to(post),
            Audience::Private => None,
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
        if reply.audience == Audience::Private {
            return Ok(None);
        }
        self.at(reply, address).await.map(Some)
    }
}

#[async_trait]
impl Connector for X {
    fn links(&self) -> Vec<Link> {
        let stream = self.bearer.as_ref().map(|_| self.streaming.clone());
        std::iter::once(self.link.clone()).chain(stream).collect()
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.way.meter())
    }

    fn routes(self: Arc<Self>, inbound: Inbound) -> Option<axum::Router> {
        self.secrets.is_some().then(|| receive::routes(self, inbound))
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        let sweeping = keep_sweeping(self.clone(), pace, inbound.clone(), stop.clone());
        let Some(token) = self.bearer.clone() else {
            return sweeping.await;
        };
        let streaming = supervise(self.streaming.clone(), stop, move || {
            let (x, token, inbound) = (self.clone(), token.clone(), inbound.clone());
            async move { x.stream(&token, &inbound).await }
        });
        tokio::join!(sweeping, streaming);
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.listen(inbound).await?;
        self.explore(inbound).await
    }

    /// <https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code>; the page stands on another
    /// host than the API.
    fn entrance(&self) -> Option<(Door, &Grant)> {
        let grant = self.way.grant().filter(|grant| !grant.client_id().is_empty())?;
        let door = Door {
            authorise_url: url::Url::parse("https://x.com/i/oauth2/authorize").ok()?,
            scopes: SCOPES,
            extra: &[],
        };
        Some((door, grant))
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
