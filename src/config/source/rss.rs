//! `platform = "rss"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use std::time::Duration;
use url::Url;

/// How often the feed is read, unless told otherwise.
const SWEEP: Duration = Duration::from_secs(15 * 60);
/// The least time between two readings: nobody who offers a feed expects more.
const LEAST_SWEEP: Duration = Duration::from_secs(60);
/// The longest pause between two readings.
const MOST_SWEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// `platform = "rss"`
#[derive(Debug, Clone)]
pub struct Rss {
    /// The source's name.
    pub name: String,
    /// The address of the feed: RSS, Atom or JSON Feed. May carry a token in its path or query.
    pub feed: Url,
    /// A server that stands in for the feed's own: the same path and query are asked for there.
    pub url: Option<Url>,
    /// Names under which we write ourselves: what they wrote is no case.
    pub own: Vec<String>,
    /// How often the feed is read, at least a minute apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`. There are none; the key is there as
    /// for every source.
    pub approval: Option<Approval>,
}

impl Rss {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let feed = section.need("feed", "\"https://www.google.com/alerts/feeds/…/…\"");
        let url = section.get("url");
        let own = section.list("own").unwrap_or_default();
        let poll = section.get("poll").unwrap_or(SWEEP);
        let approval = section.get("approval");
        if poll < LEAST_SWEEP {
            let wrong = Wrong::new("would ask more often than is polite", "write \"1m\" or more");
            section.wrong("poll", wrong);
        }
        section.at_most("poll", poll, MOST_SWEEP);
        Some(Self {
            name: name?,
            feed: feed?,
            url,
            own,
            poll,
            approval,
        })
    }
}
