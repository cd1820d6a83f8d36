//! What our own posts under a customer's post say about a reply whose end is unknown.

use crate::domain::{Instant, Reply};
use crate::port::{Look, PortError, Published};
use chrono::TimeDelta;

/// How much a platform's clock may be behind ours.
pub const SKEW: TimeDelta = TimeDelta::seconds(60);
/// How much later than the attempt's begin another answer of ours counts as a doubt.
const DOUBT: TimeDelta = TimeDelta::seconds(2);

/// One of our own posts that answers the same post.
#[derive(Debug, Clone)]
pub struct Own {
    /// Where it stands.
    pub published: Published,
    /// What it says, plain.
    pub text: String,
    /// Since when.
    pub at: Instant,
}

/// From when on an own post may be this reply.
#[must_use]
pub fn since(reply: &Reply) -> Instant {
    reply.begun_at.unwrap_or(reply.created_at) - SKEW
}

/// The verdict on `ours`, all our answers to the reply's target. `fresh`: whether the reading showed the
/// newest that is known of us. `same`: what counts of a text, as the platform may change its blanks.
///
/// # Errors
/// Our account answered the post meanwhile in other words: that may be this reply, changed.
pub fn verdict(
    reply: &Reply,
    fresh: bool,
    mut ours: Vec<Own>,
    same: impl Fn(&str) -> String,
) -> Result<Look, PortError> {
    let since = since(reply);
    ours.retain(|own| own.at >= since);
    let wanted = same(&reply.text);
    let (matching, other): (Vec<_>, Vec<_>) = ours.into_iter().partition(|own| same(&own.text) == wanted);
    let begun = reply.begun_at.unwrap_or(reply.created_at);
    match (matching.len(), other.iter().find(|own| own.at >= begun + DOUBT)) {
        (0, None) => Ok(Look::Absent { fresh }),
        (0, Some(own)) => Err(PortError::Unknown(format!(
            "our account answered the post meanwhile, in other words: look at {}",
            own.published.url.as_deref().unwrap_or(own.published.id.as_str())
        ))),
        (1, _) => Ok(matching
            .into_iter()
            .next()
            .map_or(Look::Absent { fresh }, |own| Look::Found(own.published))),
        (_, _) => Ok(Look::Several(
            matching.into_iter().map(|own| own.published).collect(),
        )),
    }
}

/// A text without the differences that platforms make: blanks, and the case of letters.
#[must_use]
pub fn blanks(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}
