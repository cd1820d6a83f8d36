//! The rows on a feed, which is only for reading.

use super::{Call, Counted, Misplaced, Row, Stage, Standing, Untold};
use crate::fake::fault::Fault;
use crate::fake::feed::FakeFeed;
use crate::fake::house;
use hearback::adapter::connector::Connector;
use hearback::adapter::guard::Guard;
use hearback::adapter::social::rss::Rss;
use hearback::config;
use hearback::domain::{Clock as _, ManualClock};
use std::sync::Arc;
use std::time::Duration;

/// A site with a feed.
pub struct OnFeed {
    site: FakeFeed,
    clock: ManualClock,
}

const COMES: &str = "nothing is pushed to us: feeds are read";
const KEY: &str = "a feed has no credentials but its address";
const READING: &str = "a feed is only for reading: a reply is refused before it is written";

impl Stage for OnFeed {
    const PLATFORM: &'static str = "rss";
    const MISPLACES: &'static [Misplaced] = &[];
    const ANSWERS: bool = false;
    const UNTOLD: &'static [Untold] = &[Untold::Followers];
    const CANNOT: &'static [(Row, &'static str)] = &[
        (Row::Signature, COMES),
        (Row::Twice, COMES),
        (
            Row::Deletion,
            "items leave a feed when they are old: that means nothing",
        ),
        (Row::FollowUp, "an item of a feed does not say what it answers"),
        (Row::Refresh, KEY),
        (Row::LockedOut, KEY),
        (
            Row::Forbidden,
            "there is one feed, and nothing beside it: see tests/it/rss.rs",
        ),
        (
            Row::Limited,
            "there is one feed, and nothing beside it: see tests/it/rss.rs",
        ),
        (
            Row::Quota,
            "feeds tell no quota; Retry-After is obeyed: see tests/it/rss.rs",
        ),
        (Row::Place, READING),
        (Row::Misplacement, READING),
        (Row::Length, READING),
        (Row::Answered, READING),
        (Row::Refused, READING),
        (Row::PublishLimited, READING),
        (Row::Ambiguous, READING),
        (Row::Finds, READING),
        (Row::FindsNot, READING),
    ];

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, _: Option<Misplaced>) -> Self {
        Self {
            site: FakeFeed::start(house::clock(clock)).await,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        let config = config::Rss {
            name: "blog".to_owned(),
            feed: self.site.at("/feed"),
            url: None,
            own: vec!["Help".to_owned()],
            poll: Duration::from_secs(60),
            approval: None,
        };
        Arc::new(Rss::new(&config, Guard::new(Vec::new()), house::clock(&self.clock)).unwrap())
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.site.write(who, text)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.site.write_at(who, text, self.clock.now() - by)
    }

    fn answers(&self, who: &str, _: &str, text: &str) -> String {
        self.site.write(who, text)
    }

    fn edits(&self, post: &str, text: &str) {
        self.site.edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.site.forget(post);
    }

    fn we_write(&self, _: Option<&str>, text: &str) -> String {
        self.site.write("help", text)
    }

    fn shows(&self, who: &str, text: &str, alt: &str) -> Option<String> {
        Some(self.site.show(who, text, alt))
    }

    fn garbles(&self) {
        self.site.garble();
    }

    fn next(&self, call: Call, fault: Fault) {
        assert_eq!(call, Call::Listen, "a feed is asked nothing else");
        self.site.next(fault);
    }

    fn asked(&self, call: Call) -> usize {
        assert_eq!(call, Call::Listen, "a feed is asked nothing else");
        let (unchanged, whole) = self.site.readings();
        unchanged + whole
    }

    fn counted() -> Vec<Counted> {
        Vec::new()
    }

    fn published(&self) -> Vec<Standing> {
        Vec::new()
    }
}

rows!(tests!(OnFeed));
