//! A reading of the feed, and what of it is new.

use super::Rss;
use super::fetch::{Got, Reading};
use super::memory::{Known, Memory};
use super::translate::{self, Item};
use crate::adapter::api::{Failed, Mend};
use crate::adapter::supervise::Lost;
use crate::app::{Cursor, Inbound};
use crate::domain::Sighting;
use encoding_rs::Encoding;
use feed_rs::model::Feed;
use reqwest::StatusCode;
use std::borrow::Cow;
use std::sync::PoisonError;

/// The cursor's name.
const STREAM: &str = "feed";
/// By what a document declares what it is written in, and within how many bytes.
const ENCODING: &[u8] = b"encoding";
const MOST_DECLARATION: usize = 100;
/// What somebody can do where the feed does not let us in.
pub(super) const MEND: Mend = Mend {
    unauthorized: "the feed wants a key: put it into the address as its server says",
    forbidden: "the server does not let us read the feed: look whether its address is still the right one",
};

impl Rss {
    /// Reads the feed, unless its server said that nothing changes yet.
    pub(super) async fn read_feed(&self, inbound: &Inbound) -> Result<(), Lost> {
        let now = self.clock.now();
        let mut fresh_until = *self.fresh_until.lock().unwrap_or_else(PoisonError::into_inner);
        if fresh_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        let stored = |error: crate::app::Unavailable| Lost::Broken(error.to_string());
        let told = inbound.cursor(&self.source, STREAM).await.map_err(stored)?;
        let memory = told.as_deref().and_then(Memory::parse);
        let memory = memory.unwrap_or_else(|| Memory::first(now));
        let Reading { got, fresh, .. } = self.fetch(&memory.validators).await.map_err(lost)?;
        if let Got::Feed {
            body,
            charset,
            validators,
        } = got
        {
            let feed = parse(&body, charset.as_deref(), &self.feed).map_err(lost)?;
            let read = self.items(inbound, &feed).await?;
            let marks: Vec<_> = read.iter().map(|item| translate::mark(&item.post)).collect();
            let (known, items) = memory.meet(&marks);
            let sightings = self.news(&memory, read, &known);
            let after = memory.after(validators, items);
            if !sightings.is_empty() || after != memory {
                let cursor = Cursor {
                    stream: STREAM.to_owned(),
                    value: after.text(),
                };
                inbound
                    .posts_seen(&self.source, sightings, Some(cursor))
                    .await
                    .map_err(stored)?;
            }
        }
        // Not longer than our own pace: who wants news every minute says so.
        fresh_until = fresh.map(|fresh| now + fresh.min(self.poll.max(fresh / 2)));
        *self.fresh_until.lock().unwrap_or_else(PoisonError::into_inner) = fresh_until;
        Ok(())
    }

    /// The items. One that says nothing is set aside and blocks nothing.
    async fn items(&self, inbound: &Inbound, feed: &Feed) -> Result<Vec<Item>, Lost> {
        let now = self.clock.now();
        let mut items = Vec::with_capacity(feed.entries.len());
        for entry in &feed.entries {
            match translate::item(&self.source, (feed, &self.feed), entry, now) {
                Ok(item) => items.push(item),
                Err(why) => {
                    let place = (&self.source, STREAM);
                    // The feed's address, which may carry a token, is in it as the base of its links.
                    let raw = format!("{entry:?}").replace(self.feed.as_str(), "the feed");
                    self.troubles
                        .put_aside(inbound, place, &entry.id, &why, &raw)
                        .await
                        .map_err(|error| Lost::Broken(error.to_string()))?;
                }
            }
        }
        translate::tell_apart(&mut items);
        Ok(items)
    }

    /// What of it is news: items that were not there, and those that say something else now. A first reading
    /// takes only what says that it is of the last day.
    fn news(&self, memory: &Memory, items: Vec<Item>, known: &[Known]) -> Vec<Sighting> {
        let now = self.clock.now();
        let news = items.into_iter().zip(known).filter_map(|(item, known)| {
            let Item { mut post, dated } = item;
            let counts = post.created_at >= memory.since && (memory.read || dated);
            let ours = self.own.contains(&post.author.name.to_lowercase());
            match known {
                _ if ours || !counts => return None,
                Known::Same => return None,
                Known::New => post.edited_at = None,
                // Where the feed does not say when it was changed, it was now.
                Known::Changed => post.edited_at = post.edited_at.or(Some(now)),
            }
            Some(Sighting::Post(Box::new(post)))
        });
        news.collect()
    }
}

/// What the bytes of a feed say. `charset`: what the answer says they are written in.
pub(super) fn parse(body: &[u8], charset: Option<&str>, at: &url::Url) -> Result<Feed, Failed> {
    let parser = feed_rs::parser::Builder::new()
        .base_uri(Some(at.as_str()))
        .build();
    let body = unicode(body, charset);
    parser.parse(&*body).map_err(|error| {
        Failed::Broken(format!(
            "the answer is no feed that a standard describes ({error})"
        ))
    })
}

/// The bytes in UTF-8, where they are in something else and do not say so themselves: in a declaration, which the
/// parser reads, or with a byte order mark (<https://www.rfc-editor.org/rfc/rfc7303#section-3>).
fn unicode<'a>(body: &'a [u8], charset: Option<&str>) -> Cow<'a, [u8]> {
    let start = &body[..body.len().min(MOST_DECLARATION)];
    let declared = start.windows(ENCODING.len()).any(|word| word == ENCODING);
    let told = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
    match told {
        Some(told) if !declared && std::str::from_utf8(body).is_err() => {
            Cow::Owned(told.decode(body).0.into_owned().into_bytes())
        }
        Some(_) | None => Cow::Borrowed(body),
    }
}

/// What the supervisor does about it.
pub(super) fn lost(error: Failed) -> Lost {
    match &error {
        Failed::Status {
            status: StatusCode::GONE,
            ..
        } => Lost::Hopeless(
            "the feed is gone for good (410): take the source out of the configuration".to_owned(),
        ),
        Failed::Limited(_) | Failed::Status { .. } | Failed::Unreached(_) | Failed::Broken(_) => {
            error.lost(&MEND)
        }
    }
}
