//! What the pages of adapters share: avatars, times, and the tick that tells a page to look again.

use crate::domain::Instant;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use maud::{Markup, html};
use std::convert::Infallible;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use unicode_segmentation::UnicodeSegmentation as _;

/// How many colours avatars have; the style sheet knows `hue-0` to `hue-7`.
const HUES: u32 = 8;

/// A person's initials on a colour that stays theirs.
#[must_use]
pub fn avatar(name: &str) -> Markup {
    let hue = name
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
        % HUES;
    html! { span class={ "avatar hue-" (hue) } aria-hidden="true" { (initials(name)) } }
}

fn initials(name: &str) -> String {
    let mut words = name.split_whitespace().filter_map(|word| {
        word.graphemes(true)
            .find(|g| g.chars().all(char::is_alphanumeric))
    });
    let first = words.next().unwrap_or("?");
    let last = words.next_back().unwrap_or_default();
    format!("{first}{last}").to_uppercase()
}

/// A time, which the page's script turns into "2 min ago".
#[must_use]
pub fn time(at: Instant) -> Markup {
    let exact = at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    html! { time datetime=(exact) title=(at.format("%Y-%m-%d %H:%M:%S UTC")) data-ago { (at.format("%H:%M")) } }
}

/// An event stream that says `changed` at once and after every tick, until `stop`. What changed is
/// not said: the page fetches what it shows, so that a lost or a doubled tick does no harm.
pub fn ticks(
    changes: Receiver<()>,
    stop: CancellationToken,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold((changes, stop, true), async |(mut changes, stop, first)| {
        if !first {
            match stop.run_until_cancelled(changes.recv()).await? {
                Ok(()) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
        // Browsers drop an event without data.
        let event = Event::default().event("changed").data("look");
        Some((Ok(event), (changes, stop, false)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}

/// Whether a text can be the key that a page made for one submit.
#[must_use]
pub fn is_nonce(text: &str) -> bool {
    (8..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::initials;
    use rstest::rstest;

    #[rstest]
    #[case("Maya Lindqvist", "ML")]
    #[case("Jürgen von der Heide", "JH")]
    #[case("ada", "A")]
    #[case("王 小明", "王小")]
    #[case("🔥🔥", "?")]
    #[case("", "?")]
    fn initials_are_letters_of_the_first_and_the_last_name(#[case] name: &str, #[case] expected: &str) {
        assert_eq!(initials(name), expected);
    }
}
