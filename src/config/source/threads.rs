//! `platform = "threads"`

use super::super::Approval;
use super::super::section::{Section, Wrong};
use super::meta::Meta;
use secrecy::SecretString;
use std::time::Duration;
use url::Url;

/// How many searches a profile may make in a day
/// (<https://developers.facebook.com/docs/threads/keyword-search>).
const SEARCHES: f64 = 2200.0;
/// A day, in seconds.
const DAY: f64 = 86_400.0;

/// `platform = "threads"`
#[derive(Debug, Clone)]
pub struct Threads {
    /// The source's name; Meta's webhooks come to `/webhooks/{name}`.
    pub name: String,
    /// Where the Threads API is, without its version.
    pub url: Url,
    /// A long-lived token of the profile. It is renewed every week.
    pub access_token: SecretString,
    /// The secret of the Threads app: it signs what comes.
    pub app_secret: SecretString,
    /// What the app's webhook settings say, for the verification of our address.
    pub verify_token: SecretString,
    /// Words searched for.
    pub search: Vec<String>,
    /// How often the sweep behind the webhooks looks, at least 30 seconds apart.
    pub poll: Duration,
    /// Who has to approve its replies, instead of `[reply] approval`.
    pub approval: Option<Approval>,
}

impl Threads {
    pub(super) fn read(section: &mut Section<'_>, name: Option<String>) -> Option<Self> {
        let meta = Meta::read(section, "https://graph.threads.net");
        let search: Vec<String> = section.list("search").unwrap_or_default();
        let approval = section.get("approval");
        if let Some(meta) = &meta {
            section.check("search", affordable(search.len(), meta.poll));
        }
        let meta = meta?;
        Some(Self {
            name: name?,
            url: meta.url,
            access_token: meta.access_token,
            app_secret: meta.app_secret,
            verify_token: meta.verify_token,
            search,
            poll: meta.poll,
            approval,
        })
    }
}

/// Whether so many words can be searched for as often as that.
fn affordable(words: usize, poll: Duration) -> Result<(), Wrong> {
    #[expect(clippy::cast_precision_loss, reason = "a number of words")]
    let words = words as f64;
    let least = words * DAY / SEARCHES;
    if poll.as_secs_f64() >= least {
        return Ok(());
    }
    Err(Wrong::new(
        "would be searched for more often than the 2200 times a day that Threads allows",
        format!("write poll = \"{}s\" or more, or fewer words", least.ceil()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_words_as_a_day_of_searches_has_room_for() {
        let poll = Duration::from_secs(120);
        assert!(affordable(3, poll).is_ok());
        assert!(affordable(4, poll).is_err());
        assert!(affordable(4, Duration::from_secs(158)).is_ok());
        assert!(affordable(0, Duration::from_secs(30)).is_ok());
    }
}
