//! What `doctor` asks the feed's server.

use super::Rss;
use super::feed::{lost, parse};
use super::fetch::Got;
use super::memory::Validators;
use crate::adapter::finding::Finding;
use crate::domain::message::one_line;

impl Rss {
    /// Whether the feed can be read, and the clock is well.
    pub(super) async fn look_over(&self) -> Vec<Finding> {
        let mend = "Open the feed's address in a browser; it must show a feed (RSS, Atom or JSON Feed).";
        let reading = match self.fetch(&Validators::default()).await {
            Ok(reading) => reading,
            Err(error) => {
                return vec![Finding::wrong(
                    format!("the feed cannot be read: {}", lost(error)),
                    mend,
                )];
            }
        };
        let Got::Feed { body, charset, .. } = &reading.got else {
            return vec![Finding::wrong(
                "the server says that nothing changed, and was not asked that",
                mend,
            )];
        };
        let feed = match parse(body, charset.as_deref(), &self.feed) {
            Ok(feed) => feed,
            Err(error) => return vec![Finding::wrong(error.to_string(), mend)],
        };
        let title = feed.title.as_ref().map(|title| one_line(&title.content, 80));
        let title = title.unwrap_or_else(|| "without a title".to_owned());
        vec![
            Finding::well(format!(
                "the feed can be read: {title}, {} items",
                feed.entries.len()
            )),
            Finding::well("a feed is only for reading: agents answer by hand and say `answered ADDRESS`"),
            Finding::clocks(reading.date, self.clock.now()),
        ]
    }
}
