//! Reddit. Written from its documentation and from recorded answers; never run against Reddit itself, which
//! approves applications one by one (the Responsible Builder Policy, November 2025).
//!
//! A sweep reads the inbox (replies, mentions, messages), the comments and posts of subreddits, and searches
//! (see `feed`). A reply is a comment; an uncertain end is looked for among our own comments, by what they
//! answer: the class is [`Class::Lookup`]. The crate for this network has its hosts built in and cannot be
//! tested; these are the seven calls we need.
//!
//! A post's id is its full name (`t1_…`, `t3_…`, `t4_…`), an author's their name (see `translate`).
//!
//! Private messages are heard and never written: Reddit's rules want the explicit consent of who gets one,
//! and forbid to match its users to people elsewhere. Votes are never cast: for programs that is forbidden.
//! What an author deleted is marked, and its words are to be erased with `hearback erase`, for Reddit asks
//! that nobody keeps them.

mod examine;
mod feed;
mod publish;
mod session;
mod target;
mod translate;
mod wire;

use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::link::Link;
use crate::adapter::meter::Meter;
use crate::adapter::stored::Stored;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::adapter::watch::Watch;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use async_trait::async_trait;
use session::{Account, Credentials};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The most characters of a comment.
const LIMIT: usize = 10_000;
/// Why no private message is written.
const NO_MESSAGES: &str =
    "Reddit allows private messages only to people who asked for one, so Hearback writes none there";

/// One account.
pub struct Reddit {
    source: SourceName,
    account: Account,
    username: String,
    /// Its id.
    me: NativeId,
    subreddits: Vec<String>,
    search: Vec<String>,
    poll: Duration,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    link: Link,
    watch: Watch,
    troubles: Troubles,
    stored: Stored,
}

impl std::fmt::Debug for Reddit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reddit")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Reddit {
    /// The account as configured. Asks nothing yet.
    ///
    /// # Errors
    /// The address is not one of HTTP, or no HTTP client can be made.
    pub fn new(
        config: &config::Reddit,
        reply_timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let name = &config.name;
        let source = SourceName::new(name);
        let credentials = Credentials {
            client_id: config.client_id.clone(),
            client_secret: config.client_secret.clone(),
            username: config.username.clone(),
            password: config.password.clone(),
        };
        let servers = (config.url.clone(), tokens(&config.url));
        Ok(Self {
            account: Account::new(servers, &source, credentials, reply_timeout, clock.clone())?,
            source,
            username: config.username.clone(),
            me: translate::account(&config.username),
            subreddits: config.subreddits.clone(),
            search: config.search.clone(),
            poll: config.poll,
            timeout: reply_timeout,
            clock,
            link: Link::new(format!("source:{name}")),
            watch: Watch::default(),
            troubles: Troubles::default(),
            stored: Stored::default(),
        })
    }
}

/// Where tokens are made: on another host of Reddit's than the rest; on the same of any other server.
fn tokens(base: &Url) -> Url {
    let mut url = base.clone();
    if base.host_str() == Some("oauth.reddit.com") {
        // It is a host of the same kind: this cannot fail.
        let _ = url.set_host(Some("www.reddit.com"));
    }
    url.set_path("/api/v1/access_token");
    url
}

#[async_trait]
impl SocialPlatform for Reddit {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::Lookup,
            private: false,
            label: "Reddit".to_owned(),
            account: Some(self.me.clone()),
        }
    }

    /// The text as it is, in which Reddit reads Markdown.
    fn compose(&self, text: &str, author_handle: &str, audience: Audience) -> Composed {
        let refusal = match audience {
            Audience::Public => None,
            Audience::Private => Some(format!(
                "{NO_MESSAGES}. Invite them in a public answer to write to u/{}, or, if they asked for a message, write \
                 it there with our account: {}/message/compose?to={author_handle}",
                self.username,
                translate::PAGES
            )),
        };
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: LIMIT,
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
impl Connector for Reddit {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    fn meter(&self) -> Option<&Meter> {
        Some(self.account.meter())
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
        self.look_over().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https://oauth.reddit.com", "https://www.reddit.com/api/v1/access_token")]
    #[case("http://127.0.0.1:8000/", "http://127.0.0.1:8000/api/v1/access_token")]
    fn tokens_come_from_their_own_host(#[case] base: &str, #[case] from: &str) {
        assert_eq!(tokens(&Url::parse(base).unwrap()).as_str(), from);
    }
}
