//! Feeds: RSS, Atom and JSON Feed, read by feed-rs. Google Alerts, blogs and their comments, forums, Hacker
//! News.
//!
//! A feed is only for reading. What it shows is a case like any other; a reply is refused before anybody
//! writes it, with the way to the page, and the agent who answered there says where (`answered ADDRESS`).
//! The page is looked at then, through the guard for addresses that came from outside (see `page`).
//!
//! What was read is remembered by its ids and words (see `memory`), because feeds have no cursor: items come
//! in any order, some without a date, and they leave when they are old, which means nothing. A first reading
//! opens no old cases.
//!
//! Formats: <https://www.rssboard.org/rss-specification>, <https://www.rfc-editor.org/rfc/rfc4287> and
//! <https://www.jsonfeed.org/version/1.1/>.

mod examine;
mod feed;
mod fetch;
mod memory;
mod page;
mod translate;

use crate::adapter::connector::{Connector, keep_sweeping};
use crate::adapter::finding::Finding;
use crate::adapter::guard::Guard;
use crate::adapter::http;
use crate::adapter::link::Link;
use crate::adapter::supervise::Lost;
use crate::adapter::trouble::Troubles;
use crate::app::Inbound;
use crate::config;
use crate::domain::{Audience, Clock, Instant, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use anyhow::Context as _;
use async_trait::async_trait;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use url::Url;

/// How long a reading call may take.
const READING: Duration = Duration::from_secs(30);

/// One feed.
pub struct Rss {
    source: SourceName,
    feed: Url,
    own: Vec<String>,
    poll: Duration,
    reader: reqwest::Client,
    guard: Guard,
    clock: Arc<dyn Clock>,
    link: Link,
    troubles: Troubles,
    /// Not to be read again before this: the server says that nothing changes until then.
    fresh_until: Mutex<Option<Instant>>,
}

impl std::fmt::Debug for Rss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may carry a token.
        f.debug_struct("Rss")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Rss {
    /// The feed as configured. Asks nothing yet.
    ///
    /// # Errors
    /// No HTTP client can be made, or the address is none that a path can stand in.
    pub fn new(config: &config::Rss, guard: Guard, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let name = &config.name;
        Ok(Self {
            source: SourceName::new(name),
            feed: match &config.url {
                Some(base) => stand_in(&config.feed, base).context("url cannot stand in for the feed's")?,
                None => config.feed.clone(),
            },
            own: config.own.iter().map(|name| name.trim().to_lowercase()).collect(),
            poll: config.poll,
            reader: http::client(READING)?,
            guard,
            clock,
            link: Link::new(format!("source:{name}")),
            troubles: Troubles::default(),
            fresh_until: Mutex::default(),
        })
    }
}

/// The same path and query at another server.
fn stand_in(feed: &Url, base: &Url) -> Option<Url> {
    let mut url = base.clone();
    url.set_path(feed.path());
    url.set_query(feed.query());
    url.has_host().then_some(url)
}

fn never() -> PortError {
    PortError::Refused("a feed is only for reading: nothing can be published there".to_owned())
}

#[async_trait]
impl SocialPlatform for Rss {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            class: Class::None,
            private: false,
            label: "Feed".to_owned(),
            account: None,
        }
    }

    fn compose(&self, text: &str, _: &str, _: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.chars().count(),
            limit: 0,
            unit: "characters",
            refusal: Some(
                "A feed is only for reading, so Hearback cannot answer there. Answer on the page with our own \
                 account, and then say `answered ADDRESS`, with the address of your answer."
                    .to_owned(),
            ),
        }
    }

    async fn target(&self, _: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        Ok(Target::Locked("a feed takes no answers".to_owned()))
    }

    async fn publish(&self, _: &Reply, _: &Permit) -> Result<Published, PortError> {
        Err(never())
    }

    async fn find(&self, _: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        Err(never())
    }

    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        self.look_at_page(reply, address).await
    }
}

#[async_trait]
impl Connector for Rss {
    fn links(&self) -> Vec<Link> {
        vec![self.link.clone()]
    }

    async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken) {
        let pace = (self.link.clone(), self.poll);
        keep_sweeping(self, pace, inbound, stop).await;
    }

    async fn sweep(&self, inbound: &Inbound) -> Result<(), Lost> {
        self.read_feed(inbound).await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.look_over().await
    }
}
