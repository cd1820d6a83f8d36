//! The rows on the platforms of reviews: what their stages share.

use super::{Call, Counted, Knock, Misplaced, Row, Stage, Standing, Untold};
use crate::fake::fault::Fault;
use crate::fake::house;
use crate::fake::reviews::Books;
use hearback::adapter::connector::Connector;
use hearback::app::Inbound;
use hearback::domain::{Clock, ManualClock};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

pub const NO_FOLLOW_UP: (Row, &str) = (
    Row::FollowUp,
    "nobody answers an answer: the author changes the review, which is the row about edits",
);
pub const ONE_PLACE: (Row, &str) = (
    Row::Misplacement,
    "the call names the review, and an answer has no other place",
);

/// A platform of reviews, and how it names its calls: the list, one review, the answer.
pub trait Counter: Sized + Send + Sync {
    const PLATFORM: &'static str;
    const CANNOT: &'static [(Row, &'static str)];
    const UNTOLD: &'static [Untold];
    const CALLS: [&'static str; 3] = ["list", "get", "reply"];

    async fn open(clock: Arc<dyn Clock>) -> Self;
    fn books(&self) -> &Books;
    fn connector(&self, clock: Arc<dyn Clock>) -> Arc<dyn Connector>;
    fn counted() -> Vec<Counted>;
    /// The address of a review.
    fn address(review: &str) -> String;
    /// Something that is no review.
    fn odd() -> Value;
    /// Credentials end.
    fn expires(&self) {
        self.books().expire();
    }
    /// Credentials are refused.
    fn locks_out(&self) {
        self.books().lock_out();
    }
    /// How often credentials were renewed.
    fn signed_in(&self) -> usize {
        self.books().signed_in()
    }
    async fn pushes(&self, inbound: &Inbound, post: &str) {
        let _ = (inbound, post);
        panic!("{} sends nothing", Self::PLATFORM)
    }
    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        let _ = (inbound, how);
        panic!("{} sends nothing", Self::PLATFORM)
    }
}

/// A platform of reviews on stage.
pub struct OnReviews<C> {
    counter: C,
    clock: ManualClock,
}

impl<C: Counter> OnReviews<C> {
    fn name(call: Call) -> &'static str {
        let [list, one, reply] = C::CALLS;
        match call {
            Call::Listen => list,
            Call::Beside => one,
            Call::Publish => reply,
        }
    }
}

impl<C: Counter> Stage for OnReviews<C> {
    const PLATFORM: &'static str = C::PLATFORM;
    const MISPLACES: &'static [Misplaced] = &[];
    const CANNOT: &'static [(Row, &'static str)] = C::CANNOT;
    const UNTOLD: &'static [Untold] = C::UNTOLD;

    fn handle(who: &str) -> String {
        who.to_owned()
    }

    async fn set(clock: &ManualClock, _: Option<Misplaced>) -> Self {
        Self {
            counter: C::open(house::clock(clock)).await,
            clock: clock.clone(),
        }
    }

    fn connector(&self) -> Arc<dyn Connector> {
        self.counter.connector(house::clock(&self.clock))
    }

    fn writes(&self, who: &str, text: &str) -> String {
        self.counter.books().write(who, text, Duration::ZERO)
    }

    fn comes_late(&self, who: &str, text: &str, by: Duration) -> String {
        self.counter.books().write(who, text, by)
    }

    /// All reviews are written to us.
    fn mutters(&self, who: &str, text: &str) -> String {
        self.writes(who, text)
    }

    /// There is no answering a review: another one writes one of their own.
    fn answers(&self, who: &str, _: &str, text: &str) -> String {
        self.writes(who, text)
    }

    fn edits(&self, post: &str, text: &str) {
        self.counter.books().edit(post, text);
    }

    fn deletes(&self, post: &str) {
        self.counter.books().delete(post);
    }

    /// We write no reviews of our own.
    fn we_write(&self, post: Option<&str>, text: &str) -> String {
        if let Some(post) = post {
            self.counter.books().colleague(post, text);
        }
        String::new()
    }

    fn garbles(&self) {
        self.counter.books().poison(C::odd());
    }

    fn next(&self, call: Call, fault: Fault) {
        self.counter.books().faults.next(Self::name(call), fault);
    }

    fn asked(&self, call: Call) -> usize {
        self.counter.books().calls(Self::name(call))
    }

    fn expires(&self) {
        self.counter.expires();
    }

    fn locks_out(&self) {
        self.counter.locks_out();
    }

    fn signed_in(&self) -> usize {
        self.counter.signed_in()
    }

    fn exhausts(&self, time: Duration) {
        self.counter.books().exhaust(time);
    }

    fn counted() -> Vec<Counted> {
        C::counted()
    }

    fn published(&self) -> Vec<Standing> {
        let world = self.counter.books().world();
        let written = world.written.iter();
        let standing = written.map(|(review, text)| Standing {
            id: review.clone(),
            parent: Some(review.clone()),
            text: text.clone(),
            url: C::address(review),
        });
        standing.collect()
    }

    async fn pushes(&self, inbound: &Inbound, post: &str) {
        self.counter.pushes(inbound, post).await;
    }

    async fn knocks(&self, inbound: &Inbound, how: Knock) -> u16 {
        self.counter.knocks(inbound, how).await
    }
}
