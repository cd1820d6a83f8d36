//! Every sentence a person sees. What strangers wrote goes into inert parts only.

mod answer;
mod attachment;
mod card;
mod notice;
mod reply;
mod thread;

pub use answer::*;
pub use attachment::{Place, not_shown, shown, which};
pub use card::{CardFacts, card, pointer};
pub use notice::{feed_decided, nothing_waits, notice, only_leads_open_feeds};
pub use reply::*;
pub use thread::{Telling, told};

use crate::domain::message::cut;
use crate::domain::{Instant, Span};

/// The most graphemes of a post that a card shows; the rest is behind the link.
const CARD_TEXT: usize = 1_500;
/// The most graphemes of a text that a line of the thread shows.
const THREAD_TEXT: usize = 1_500;

/// A minute, in UTC.
#[must_use]
pub fn when(at: Instant) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

pub(super) fn when_exactly(at: Instant) -> String {
    at.format("%H:%M:%S UTC").to_string()
}

pub(super) fn ago(then: Instant, now: Instant) -> String {
    let minutes = (now - then).num_minutes().max(0);
    match minutes {
        0 => "now".to_owned(),
        1..60 => format!("{minutes} min"),
        60..2_880 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1_440),
    }
}

/// `12345` as `12,345`.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if number < 0 { format!("-{out}") } else { out }
}

pub(super) fn sentence(reason: &str) -> String {
    let reason = cut(reason.trim(), 300);
    if reason.ends_with(['.', '!', '?', '…']) {
        reason
    } else {
        format!("{reason}.")
    }
}

pub(super) fn text(words: impl Into<String>) -> Span {
    Span::Text(words.into())
}
