//! The playground: the demo's own network, "Town Square", on which a visitor plays the customers.
//!
//! It behaves like a network that is somebody else's: it keeps its posts in a file of its own,
//! shows them to listeners after the fact, and takes replies under an idempotency key. So the demo
//! goes the whole way that a real network does, and survives `kill -9` at any moment: what was
//! written while Hearback was down is heard when it is back.

mod book;
mod journal;
mod pages;
mod samples;
mod square;
mod view;

use crate::adapter::link::Link;
use crate::app::{Cursor, Inbound};
use crate::config;
use crate::domain::{Audience, Clock, NativeId, Reply, SourceName};
use crate::port::{Abilities, Class, Composed, Look, Permit, PortError, Published, SocialPlatform, Target};
use anyhow::Context as _;
use async_trait::async_trait;
use axum::Router;
use book::{Book, NotWritten};
use journal::NotAppended;
use maud::Markup;
use samples::SAMPLES;
use square::{MOST_TEXT, Wish, permalink};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use unicode_segmentation::UnicodeSegmentation as _;

/// What people call the network.
pub const LABEL: &str = "Town Square";
/// The account that answers there.
const BRAND: &str = "brand";
/// The file in the data folder.
pub const FILE: &str = "playground.jsonl";
/// What of the square is listened to.
const STREAM: &str = "square";
/// The most records handed over at once.
const BATCH: usize = 100;
/// The pause before records are offered again that could not be stored.
const PAUSE: Duration = Duration::from_secs(1);
/// No samples are arriving.
const NO_SAMPLES: usize = usize::MAX;

/// The demo's own network.
pub struct Playground {
    source: SourceName,
    base: String,
    clock: Arc<dyn Clock>,
    book: Arc<Book>,
    link: Link,
    /// How many samples have arrived, while they do.
    arrived: AtomicUsize,
}

impl Playground {
    /// Opens the square that is kept in `folder`, or founds one. `base` is the address at which
    /// its pages are served (`http://127.0.0.1:8080`), for permalinks.
    ///
    /// # Errors
    /// The file cannot be opened, is held by another process, or is damaged; says which and what to do.
    pub fn open(
        config: &config::Playground,
        folder: &Path,
        base: &str,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let book = Book::open(&folder.join(FILE), clock.now())?;
        Ok(Self {
            source: SourceName::new(&config.name),
            base: base.trim_end_matches('/').to_owned(),
            clock,
            book: Arc::new(book),
            link: Link::new(format!("source:{}", config.name)),
            arrived: AtomicUsize::new(NO_SAMPLES),
        })
    }

    /// Whether posts of the square reach Hearback.
    #[must_use]
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Ticks whenever the square changes.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<()> {
        self.book.changes()
    }

    /// The frame of the page, which the page's script fills and keeps up to date.
    #[must_use]
    pub fn frame(&self) -> Markup {
        view::frame()
    }

    /// The routes under `/playground/` that the frame lives on. Event streams end with `stop`.
    pub fn router(self: &Arc<Self>, stop: CancellationToken) -> Router {
        pages::router(self.clone(), stop)
    }

    /// Hands everything that is written to `inbound`, from where it stopped the last time, until
    /// `stop`. With `samples`, a few customers write by themselves if the square is empty.
    pub async fn run(self: Arc<Self>, inbound: Inbound, stop: CancellationToken, samples: bool) {
        let listen = stop.run_until_cancelled(self.listen(&inbound));
        let play = stop.run_until_cancelled(async {
            if samples && self.book.square().is_empty() {
                self.play().await;
            }
        });
        tokio::join!(listen, play);
    }

    async fn listen(&self, inbound: &Inbound) {
        let mut after = loop {
            match inbound.cursor(&self.source, STREAM).await {
                Ok(cursor) => break self.place(cursor.as_deref()),
                Err(error) => self.wait(error.to_string()).await,
            }
        };
        loop {
            let seen = self
                .book
                .square()
                .seen_after(after, BATCH, &self.source, &self.base);
            let Some((last, sightings)) = seen else {
                self.link.up();
                self.book.freshly_written().await;
                continue;
            };
            let cursor = Cursor {
                stream: STREAM.to_owned(),
                value: format!("{}:{last}", self.book.square().name()),
            };
            match inbound.posts_seen(&self.source, sightings, Some(cursor)).await {
                Ok(_) => {
                    after = last;
                    self.link.up();
                }
                Err(error) => self.wait(error.to_string()).await,
            }
        }
    }

    /// The place a cursor stands for. One of another square (its file was moved away) counts as none.
    fn place(&self, cursor: Option<&str>) -> i64 {
        let place = cursor.and_then(|cursor| {
            let (name, place) = cursor.split_once(':')?;
            (name == self.book.square().name()).then(|| place.parse().ok())?
        });
        place.unwrap_or(0)
    }

    async fn wait(&self, why: String) {
        self.link.down(why);
        tokio::time::sleep(PAUSE).await;
    }

    async fn play(&self) {
        for (at, sample) in SAMPLES.iter().enumerate() {
            self.arrived.store(at, Ordering::Relaxed);
            self.book.tick();
            tokio::time::sleep(sample.after).await;
            let nonce = format!("sample-{at}");
            let wish = Wish::Write {
                to: None,
                by: sample.customer(),
                text: sample.text.to_owned(),
                lang: Some(sample.lang.to_owned()),
                nonce: nonce.clone(),
            };
            if let Err(error) = self.write(Some(nonce), move |_| wish).await {
                tracing::warn!(%error, "A sample post could not be written.");
            }
        }
        self.arrived.store(NO_SAMPLES, Ordering::Relaxed);
        self.book.tick();
    }

    /// How many samples have arrived, while they do.
    fn samples_arrived(&self) -> Option<usize> {
        let arrived = self.arrived.load(Ordering::Relaxed);
        (arrived != NO_SAMPLES).then_some(arrived)
    }

    /// Writes a wish down, on a thread that may wait for the disk.
    async fn write(
        &self,
        key: Option<String>,
        wish: impl FnOnce(&square::Square) -> Wish + Send + 'static,
    ) -> Result<NativeId, NotWritten> {
        let book = self.book.clone();
        let now = self.clock.now();
        let written = tokio::task::spawn_blocking(move || book.write(key.as_deref(), now, wish)).await;
        written.unwrap_or_else(|error| Err(NotAppended::Perhaps(error.to_string()).into()))
    }
}

#[async_trait]
impl SocialPlatform for Playground {
    fn source(&self) -> &SourceName {
        &self.source
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            // A reply's key is kept for good: there is one place for it.
            class: Class::Id,
            private: true,
            label: LABEL.to_owned(),
            account: Some(NativeId::new(BRAND)),
        }
    }

    fn compose(&self, text: &str, _author_handle: &str, _audience: Audience) -> Composed {
        Composed {
            text: text.to_owned(),
            length: text.graphemes(true).count(),
            limit: MOST_TEXT,
            unit: "characters",
            refusal: None,
        }
    }

    /// Nobody answers there but by Hearback.
    async fn target(&self, reply: &Reply, _: &[NativeId]) -> Result<Target, PortError> {
        let square = self.book.square();
        let Some(item) = square.item(&reply.target).filter(|item| !item.deleted) else {
            return Ok(Target::Gone("the post is gone".to_owned()));
        };
        Ok(Target::Stands {
            text: item.text.clone(),
        })
    }

    async fn publish(&self, reply: &Reply, permit: &Permit) -> Result<Published, PortError> {
        permit.check()?;
        let key = reply_key(reply);
        let wish = Wish::Answer {
            to: reply.target.clone(),
            author: reply.author.clone(),
            text: reply.text.clone(),
            private: reply.audience == Audience::Private,
            key: key.clone(),
        };
        match self.write(Some(key), move |_| wish).await {
            Ok(id) => Ok(self.published(id, reply)),
            Err(NotWritten::Sorry(sorry)) => Err(PortError::Refused(sorry.to_string())),
            Err(NotWritten::Disk(NotAppended::Certainly(why))) => Err(PortError::NotReached(why)),
            Err(NotWritten::Disk(NotAppended::Perhaps(why))) => Err(PortError::Unknown(why)),
        }
    }

    async fn find(&self, reply: &Reply, _: Option<&NativeId>) -> Result<Look, PortError> {
        let found = self.book.square().under(&reply_key(reply)).cloned();
        let absent = Look::Absent { fresh: true };
        Ok(found.map_or(absent, |id| Look::Found(self.published(id, reply))))
    }

    async fn visit(&self, reply: &Reply, address: &str) -> Result<Option<Published>, PortError> {
        let square = self.book.square();
        let id = square.under(&reply_key(reply));
        match id.filter(|id| permalink(&self.base, id) == address.trim()) {
            Some(id) => Ok(Some(self.published(id.clone(), reply))),
            None => Err(PortError::Refused(
                "this reply does not stand at that address".to_owned(),
            )),
        }
    }
}

impl Playground {
    fn published(&self, id: NativeId, reply: &Reply) -> Published {
        Published {
            url: Some(permalink(&self.base, &id)),
            id,
            parent: Some(reply.target.clone()),
            author: Some(NativeId::new(BRAND)),
        }
    }
}

/// Keys of replies and nonces of pages share one list; a page cannot make a key of a reply.
fn reply_key(reply: &Reply) -> String {
    format!("reply:{}", reply.key)
}

#[cfg(test)]
mod tests;
